/*
 * The private state of people (root, 0600, one small file each): who stands
 * behind a login name. Identity is (issuer, subject), pinned at the first
 * login; names only map it.
 */
#ifndef DA_STORE_PERSON_H
#define DA_STORE_PERSON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"

struct da_paths;

/* As long as the account database takes. */
#define DA_PERSON_PATH_MAX 255

/* What became of the name. */
enum da_person_state {
	DA_PERSON_ACTIVE,
	DA_PERSON_REMOVED, /* name, uid and pin stay taken */
	DA_PERSON_RENAMED, /* a former name; the uid has another one */
};

struct da_person {
	char name[DA_USER_MAX + 1];
	/* The login name that the provider gives, if that is another one, "-"
	 * if it gives none: then the person has the name by an [account NAME]
	 * only. */
	char listed_as[DA_USER_MAX + 1];
	char profile[DA_PROFILE_MAX + 1]; /* "" before the first sign-in */
	/* The pin; both are "" as long as nobody has it. */
	char issuer[DA_ISSUER_MAX + 1];
	char subject[DA_SUBJECT_MAX + 1];
	uint32_t uid;          /* 0: has no account of the name */
	int64_t verified_at_s; /* wall clock of the last sign-in; 0: none yet */
	enum da_person_state state;
	int64_t state_since_s; /* of all but ACTIVE; 0: not known */
	bool locked;
	bool withdrawn; /* by the provider: to sign in again; withdrawn.h */
	/* What an administrator chose for the account; "" = whatever the
	 * configuration says. */
	char home[DA_PERSON_PATH_MAX + 1];
	char shell[DA_PERSON_PATH_MAX + 1];
	/* Those of the provider's groups that rules here name, each terminated
	 * by NUL; for the account phase of other login methods. */
	struct da_buf groups;
	struct da_buf claims; /* those that rules ask for: NAME=VALUE, NUL */
};

void da_person_init(struct da_person *person);
void da_person_done(struct da_person *person);

/* Loads by login name. DA_E_ABSENT, DA_E_SYNTAX (a torn or foreign file),
 * DA_E_UNSAFE_FILE, DA_E_SYS. "ret" is initialised. */
enum da_err da_person_load(const struct da_paths *paths, const char *name,
    struct da_person *ret, struct da_diag *diag) DA_MUST_CHECK;

/* Whether nobody may log in by that name or as that person: locked, removed, or
 * a former name. */
bool da_person_is_barred(const struct da_person *person);

/* Whether the name and the identity may belong together: neither is pinned, or
 * both are pinned to each other. DA_E_PIN with the cure in diag; DA_E_SYS... */
enum da_err da_person_check_pin(const struct da_paths *paths, const char *name,
    const char *issuer, const char *subject,
    struct da_diag *diag) DA_MUST_CHECK;

/* The name that the identity is pinned to. DA_E_ABSENT, and the errors of
 * da_person_load(). */
enum da_err da_person_name_of(const struct da_paths *paths, const char *issuer,
    const char *subject, char ret_name[static DA_USER_MAX + 1],
    struct da_diag *diag) DA_MUST_CHECK;

/* Of somebody who signed in a while ago: the name that he has now, should he
 * have been renamed since. "" stays, and what nothing better is known for. */
void da_person_follow(const struct da_paths *paths, const char *issuer,
    const char *subject, char name[static DA_USER_MAX + 1]);

/* Checks the pin again and writes the person after a sign-in, all under a lock,
 * so that two logins at once cannot pin one name twice. The administrator's
 * choices, and the uid when it is 0, are taken from what stands. DA_E_PIN,
 * DA_E_LOCKED (da_person_is_barred()) and file errors. */
enum da_err da_person_save(const struct da_paths *paths,
    struct da_person *person, struct da_diag *diag) DA_MUST_CHECK;

/* The fields of a person as lines of a record, for grants: all but "withdrawn",
 * which a sign-in ends. The parser takes
 * what the formatter wrote: DA_E_SYNTAX for anything less. "ret" is an
 * initialised person. */
enum da_err da_person_format(
    const struct da_person *person, struct da_buf *ret) DA_MUST_CHECK;
enum da_err da_person_parse(
    const struct da_buf *record, struct da_person *ret) DA_MUST_CHECK;

#endif
