/*
 * Joining and leaving groups in a draft. Errors: DA_E_NOMEM, DA_E_UNSAFE_FILE.
 */
#ifndef DA_ACCOUNT_MEMBER_H
#define DA_ACCOUNT_MEMBER_H

#include "account/draft.h"
#include "account/writer.h"

/* Puts the name into these groups and no others; the list ends with NULL, and
 * NULL instead of a list changes nothing. DA_E_BAD_NAME, DA_E_CONFIG (no such
 * group, unless entry.skip_groups), DA_E_RANGE (too many). */
enum da_err da_member_set(struct da_draft *draft, struct da_draft_name *entry,
    const struct da_account_entry *wanted, struct da_diag *diag) DA_MUST_CHECK;

enum da_err da_member_leave_all(
    struct da_draft *draft, struct da_draft_name *entry) DA_MUST_CHECK;

/* Everybody leaves this group. */
enum da_err da_member_empty(struct da_draft *draft, struct da_draft_name *entry,
    struct da_diag *diag) DA_MUST_CHECK;

#endif
