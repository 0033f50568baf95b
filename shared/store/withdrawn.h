/*
 * The mark that the provider has withdrawn a person, who has to sign in again
 * (on_revoked): an empty file beside the person's own, for which there is room
 * on a full disk. Where the folder of people takes none at all it lies on
 * tmpfs until the sweep finds that it does.
 *
 * "file" is the person's, of da_person_file_of(). Internal to store/ but for
 * the last.
 */
#ifndef DA_STORE_WITHDRAWN_H
#define DA_STORE_WITHDRAWN_H

#include <stdbool.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

struct da_paths;

/* Whether it is there, or may be for all we can see. */
bool da_withdrawn_check(const struct da_paths *paths, const char *file);

/* Sets it. File errors when neither place takes it. */
enum da_err da_withdrawn_set(const struct da_paths *paths, const char *file,
    struct da_diag *diag) DA_MUST_CHECK;

/* Removes it wherever it is. DA_E_SYS. */
enum da_err da_withdrawn_clear(const struct da_paths *paths, const char *file,
    struct da_diag *diag) DA_MUST_CHECK;

/* Brings those on tmpfs to the folder of people: they have to outlive the
 * boot. File errors: some are left for the next time. */
enum da_err da_withdrawn_settle(
    const struct da_paths *paths, struct da_diag *diag) DA_MUST_CHECK;

#endif
