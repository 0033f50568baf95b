/*
 * Writing the public account database (broker and command, as root).
 *
 * The database is /var/lib/devauth/accounts.cdb, replaced whole under a lock:
 * write temp, fsync, rename, fsync of the folder, raise the generation counter.
 * It holds what NSS answers and what provisional answers need, nothing else:
 * no issuer, no subject, no times.
 *
 * Every function: DA_E_SYS, DA_E_NOMEM, DA_E_ABSENT (no state folder),
 * DA_E_UNSAFE_FILE (somebody else may write there, or the database is damaged:
 * it is never replaced by a guess), DA_E_TIMEOUT (another writer holds the lock
 * for more than some seconds). On failure the old database stands; diag says
 * what to do.
 */
#ifndef DA_ACCOUNT_WRITER_H
#define DA_ACCOUNT_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

struct da_paths;

/* One person. The private group of the same name and number is implied. */
struct da_account_entry {
	const char *name;  /* passes da_account_name_check() */
	uint32_t uid;      /* in DA_ACCOUNT_UID_MIN..MAX; gid is the same */
	const char *gecos; /* printable ASCII without ':' , may be "" */
	const char *home;  /* absolute, not "/", no "..", no ':' */
	const char *shell; /* absolute, no "..", no ':' */
};

/* What NSS needs to answer for somebody who never logged in here. */
struct da_account_policy {
	bool first_login; /* false: never-seen names do not exist */
	bool enumerate;   /* getpwent() and getgrent() list everybody */
	const char *home; /* template: %u = name */
	const char *shell;
	/* The only names that can succeed, separated by spaces; "" = the access
	 * rules name groups, so any well-formed name may. */
	const char *allowed_users;
};

/* Adds the person, or replaces gecos, home and shell of one with the same name
 * and uid. Returns without writing when nothing would change, or when the
 * directory has this name and uid: its uid may be any, and home and shell are
 * what it says.
 * DA_E_COLLISION: the uid, or the name as a group, belongs to somebody else,
 * here, in the directory or in the local passwd and group files; the person was
 * removed; or a known name comes with another uid (ids never change). Nothing
 * changed then. DA_E_BAD_NAME, DA_E_RANGE (a field breaks its rule). */
enum da_err da_account_add(const struct da_paths *paths,
    const struct da_account_entry *entry, struct da_diag *diag) DA_MUST_CHECK;

/* Removes a person: no lookup finds the name, the directory's included, and
 * neither name nor uid can be given to anybody else. DA_E_UNKNOWN_USER. */
enum da_err da_account_remove(const struct da_paths *paths, const char *name,
    struct da_diag *diag) DA_MUST_CHECK;

/* Undoes da_account_remove(): the same person again. DA_E_UNKNOWN_USER. */
enum da_err da_account_restore(const struct da_paths *paths, const char *name,
    struct da_diag *diag) DA_MUST_CHECK;

/* Stores the policy; creates the database and the generation file if need be.
 * Returns without writing when nothing would change. DA_E_RANGE (a field
 * breaks its rule). */
enum da_err da_account_set_policy(const struct da_paths *paths,
    const struct da_account_policy *policy, struct da_diag *diag) DA_MUST_CHECK;

#endif
