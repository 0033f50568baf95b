/*
 * Who has a name or a number: here, in the directory, in the local files.
 */
#ifndef DA_ACCOUNT_OWNER_H
#define DA_ACCOUNT_OWNER_H

#include "account/draft.h"
#include "account/local.h"

/* DA_E_BAD_NAME; NULL is one. */
enum da_err
da_owner_check_name(const char *name, struct da_diag *diag) DA_MUST_CHECK;

/* For whom a name or a number is wanted: the cures differ. */
enum da_owner_kind {
	DA_OWNER_PERSON,
	DA_OWNER_GROUP,
};

/* Whether the local files, or a reservation, leave it to us. DA_E_COLLISION. */
enum da_err da_owner_check_local(const struct da_local *local,
    const struct da_paths *paths, enum da_owner_kind kind, const char *name,
    uint32_t id, struct da_diag *diag) DA_MUST_CHECK;

/* Whether nobody has the name of the entry or the number, removed ones and the
 * draft's own included: for something new. DA_E_COLLISION. */
enum da_err da_owner_check_free(const struct da_draft *draft,
    enum da_owner_kind kind, const struct da_draft_name *entry, uint32_t id,
    struct da_diag *diag) DA_MUST_CHECK;

/* The person, or the group, if it is the directory that answers for the name:
 * accounts.cdb knows neither name nor number. */
bool da_owner_find_person(const struct da_draft *draft,
    const struct da_draft_name *entry, struct da_record_person *ret);
bool da_owner_find_group(const struct da_draft *draft,
    const struct da_draft_name *entry, struct da_record_group *ret);

#endif
