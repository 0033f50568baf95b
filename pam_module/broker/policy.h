/*
 * Who may log in as whom: pure functions over claims and configuration.
 */
#ifndef DA_BROKER_POLICY_H
#define DA_BROKER_POLICY_H

#include <stddef.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"
#include "store/config.h"

/* The login name that a username claim stands for: a listed domain cut off,
 * ASCII letters lower-cased, then the name rule; nothing is repaired.
 * DA_E_BAD_NAME. */
enum da_err
da_policy_map_name(const struct da_profile *profile, const char *claim,
    char ret_name[static DA_USER_MAX + 1], struct da_diag *diag) DA_MUST_CHECK;

/* Whether the rules let the person in. "groups" holds NUL-terminated ids.
 * DA_E_NOT_ALLOWED with the rule's name in diag. */
enum da_err
da_policy_check_access(const struct da_profile *profile, const char *name,
    const struct da_buf *groups, struct da_diag *diag) DA_MUST_CHECK;

/* Whether the rules could let in somebody of that name: false when only names
 * are allowed and this is none of them. */
bool
da_policy_could_succeed(const struct da_profile *profile, const char *name);

/* Appends those of the groups that the profile's rules name. */
enum da_err da_policy_keep_groups(const struct da_profile *profile,
    const struct da_buf *groups, struct da_buf *ret) DA_MUST_CHECK;

#endif
