/*
 * The rules of writer.h, applied to a draft.
 */
#ifndef DA_ACCOUNT_EDIT_H
#define DA_ACCOUNT_EDIT_H

#include "account/draft.h"
#include "account/local.h"
#include "account/writer.h"

/* A change, and what is known of it before the lock is taken. */
struct da_edit {
	struct da_account_change change;
	struct da_local local; /* of the name that would be new */
	bool any_uid;          /* not only those of DA_ACCOUNT_UID_MIN..MAX */
};

/* Checks the fields, and reads the local files for da_edit_make(). Errors of
 * da_account_apply(). */
enum da_err da_edit_check(struct da_edit *edit, const struct da_paths *paths,
    struct da_diag *diag) DA_MUST_CHECK;

/* Makes a checked change in the draft, or none of it that matters: after an
 * error the draft is not to be written. Errors of da_account_apply(). */
enum da_err
da_edit_make(const struct da_edit *edit, const struct da_paths *paths,
    struct da_draft *draft, struct da_diag *diag) DA_MUST_CHECK;

#endif
