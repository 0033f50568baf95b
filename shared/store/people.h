/*
 * What an administrator does to the private state of people: all of them under
 * one lock, which sign-ins take as well. Runs in the command; the rules about
 * accounts are account/writer.h's.
 */
#ifndef DA_STORE_PEOPLE_H
#define DA_STORE_PEOPLE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

struct da_paths;
struct da_person;

/* The folder, locked. */
struct da_people {
	const struct da_paths *paths;
	int dir;
	int lock;
};

/* Every function: DA_E_ABSENT (no such folder), DA_E_UNSAFE_FILE, DA_E_SYS,
 * DA_E_TIMEOUT (somebody else holds the lock), DA_E_NOMEM. */

enum da_err da_people_open(const struct da_paths *paths, struct da_people *ret,
    struct da_diag *diag) DA_MUST_CHECK;
/* For DA_CLEANUP, after da_people_open() was called, whatever it said. */
void da_people_close(struct da_people *people);

/* Writes the person as given. Another pin takes the place of the former one,
 * which is free then. DA_E_PIN: the identity has another name here. */
enum da_err da_people_put(const struct da_people *people,
    const struct da_person *person, struct da_diag *diag) DA_MUST_CHECK;

/* Notes that the provider had somebody who is pinned for welcome since his
 * sign-in. Takes the lock by itself. DA_E_PIN: another identity has the name by
 * now; the errors of da_person_load(). */
enum da_err da_people_note_check(const struct da_paths *paths, const char *name,
    const char *issuer, const char *subject, int64_t verified_at_s,
    struct da_diag *diag) DA_MUST_CHECK;

/* Notes that the sign-in of somebody who is pinned counts no more: he has to
 * sign in again. Needs no lock, and no room on the disk. DA_E_ABSENT: no such
 * person; DA_E_PIN; DA_E_NOMEM; the errors of da_withdrawn_set(). */
enum da_err da_people_withdraw(const struct da_paths *paths, const char *name,
    const char *issuer, const char *subject,
    struct da_diag *diag) DA_MUST_CHECK;

/* Moves the person, pin and lock included, to another name; the old one stays
 * as a former name. May be repeated. DA_E_PIN: the new name has another pin. */
enum da_err da_people_rename(const struct da_people *people, const char *name,
    const char *new_name, struct da_diag *diag) DA_MUST_CHECK;

/* Forgets the name and its pin. */
enum da_err da_people_drop(const struct da_people *people, const char *name,
    struct da_diag *diag) DA_MUST_CHECK;

/* Calls "visit" for every record, in no order; "person" is NULL and "complaint"
 * tells why for one that cannot be read. Ends with its first error. */
typedef enum da_err da_people_visitor(
    void *context, const struct da_person *person, const char *complaint);
enum da_err
da_people_each(const struct da_paths *paths, da_people_visitor *visit,
    void *context, struct da_diag *diag) DA_MUST_CHECK;

/* Counts the entries of identities whose person has another pin or is not
 * there, as a crash may leave them, and removes them if "people" is locked for
 * it; NULL only counts. */
enum da_err
da_people_sweep(const struct da_paths *paths, const struct da_people *people,
    size_t *ret_count, struct da_diag *diag) DA_MUST_CHECK;

#endif
