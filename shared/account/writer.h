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
 * what to do. What is passed is borrowed for the call.
 *
 * Names and numbers are given out once: what was removed keeps both.
 */
#ifndef DA_ACCOUNT_WRITER_H
#define DA_ACCOUNT_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

struct da_paths;

/* One person. The private group of the same name and number is implied. */
struct da_account_entry {
	const char *name;  /* passes da_account_name_check() */
	uint32_t uid;      /* the gid is the same */
	const char *gecos; /* printable ASCII without ':' , may be "" */
	const char *home;  /* absolute, not "/", no "..", no ':' */
	const char *shell; /* absolute, no "..", no ':' */
	/* The named groups, all of them, ended by NULL. A NULL pointer leaves
	 * them as they are. */
	const char *const *groups;
	/* Those of them that do not exist are left out, not refused. */
	bool skip_groups;
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
 * and uid, and the groups. A new uid must be in DA_ACCOUNT_UID_MIN..MAX. Writes
 * nothing when nothing would change. Where the directory has this name and uid,
 * home and shell are what it says, and only the groups are ours; so it is for a
 * managed local account.
 * DA_E_COLLISION: the uid, or the name as a group, belongs to somebody else,
 * here, in the directory or in the local passwd and group files; the person was
 * removed; or a known name comes with another uid (ids never change). Nothing
 * changed then. DA_E_BAD_NAME, DA_E_RANGE (a field breaks its rule),
 * DA_E_CONFIG (one of the groups does not exist). */
enum da_err da_account_add(const struct da_paths *paths,
    const struct da_account_entry *entry, struct da_diag *diag) DA_MUST_CHECK;

/* What an administrator does, and which fields of the change it needs. Errors
 * are those of da_account_add(); DA_E_UNKNOWN_USER means that there is no such
 * person, group or local account. */
enum da_account_verb {
	/* As da_account_add(), with any uid that da_account_id_is_usable()
	 * lets through. */
	DA_ACCOUNT_PUT,

	/* entry.name: a person, the directory's included. No lookup finds the
	 * name any more, and neither name nor uid can be given to anybody else.
	 * Leaves all groups. */
	DA_ACCOUNT_REMOVE,

	/* entry.name: undoes DA_ACCOUNT_REMOVE, but for the groups. */
	DA_ACCOUNT_RESTORE,

	/* entry.name, new_name: the same person, uid, home and groups under
	 * another name. The former name is kept from everybody else; only the
	 * same person can get it back. Not for people of the directory. */
	DA_ACCOUNT_RENAME,

	/* entry.name, entry.uid as the gid: a named group. Nothing changes if
	 * it is there already; a removed one of that gid comes back empty. Its
	 * members are whoever lists it. */
	DA_ACCOUNT_PUT_GROUP,

	/* entry.name: a group of the local group file, which people can be put
	 * into from now on; the file stays what it is. DA_E_RANGE for root's.
	 */
	DA_ACCOUNT_USE_GROUP,

	/* entry.name: a group, the directory's included. Its members leave it;
	 * name and gid stay taken. */
	DA_ACCOUNT_REMOVE_GROUP,

	/* entry.name, entry.groups: an account of the local passwd file whose
	 * logins are devauth's business from now on; da_account_is_local() says
	 * no. DA_E_RANGE for a second name of uid 0. */
	DA_ACCOUNT_MANAGE,

	/* entry.name: undoes that, and drops its groups. */
	DA_ACCOUNT_UNMANAGE,
};

struct da_account_change {
	enum da_account_verb verb;
	struct da_account_entry entry;
	const char *new_name;
};

/* Makes all changes in turn, in one replacement, or none. Writes nothing when
 * nothing would change. On failure *ret_failed (may be NULL) is the index of
 * the change that cannot be made, or "count" when it is none of them. */
enum da_err da_account_apply(const struct da_paths *paths,
    const struct da_account_change *changes, size_t count, size_t *ret_failed,
    struct da_diag *diag) DA_MUST_CHECK;

/* What da_account_apply() would say, without writing; *ret_changes tells
 * whether it would. Anybody may ask. Before anything is set up nobody has any
 * name or number but the local files. */
enum da_err da_account_preview(const struct da_paths *paths,
    const struct da_account_change *changes, size_t count, bool *ret_changes,
    size_t *ret_failed, struct da_diag *diag) DA_MUST_CHECK;

/* Whether the number that the name is given by itself is free, for somebody new
 * of that name: DA_E_COLLISION, with whose it is and the cure in diag. */
enum da_err da_account_check_number(const struct da_paths *paths,
    const char *name, struct da_diag *diag) DA_MUST_CHECK;

/* One change: DA_ACCOUNT_REMOVE, DA_ACCOUNT_RESTORE. */
enum da_err da_account_remove(const struct da_paths *paths, const char *name,
    struct da_diag *diag) DA_MUST_CHECK;
enum da_err da_account_restore(const struct da_paths *paths, const char *name,
    struct da_diag *diag) DA_MUST_CHECK;

/* Stores the policy; creates the database and the generation file if need be.
 * Returns without writing when nothing would change. DA_E_RANGE (a field
 * breaks its rule). */
enum da_err da_account_set_policy(const struct da_paths *paths,
    const struct da_account_policy *policy, struct da_diag *diag) DA_MUST_CHECK;

/* Deletes both databases and the counter, damaged ones as well; running
 * processes notice. Every uid becomes free: for the removal of the package, and
 * for starting anew. The lock stays. */
enum da_err da_account_purge(
    const struct da_paths *paths, struct da_diag *diag) DA_MUST_CHECK;

/* What da_account_set_policy() would change, in words of the configuration:
 * "home, shell"; an empty text when nothing. DA_E_RANGE: why it would refuse.
 * Anybody may ask. */
enum da_err da_account_compare_policy(const struct da_paths *paths,
    const struct da_account_policy *policy, struct da_diag *ret) DA_MUST_CHECK;

#endif
