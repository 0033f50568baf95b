/*
 * Provisional answers: who somebody will be who never logged in here.
 *
 * sshd and login look a name up before they authenticate, and that answer's
 * uid, home and shell are the session's. So it has to be given, finally, for
 * people of whom nothing is stored yet; but only to those programs.
 */
#ifndef DA_ACCOUNT_STRANGER_H
#define DA_ACCOUNT_STRANGER_H

#include "account/reader.h"

/* Whether this process is one of root's login programs, and root now. Looks at
 * /proc/self/exe the first time; after that a process which is none makes no
 * system call. */
bool da_stranger_may_ask(const struct da_paths *paths);

/* The person that the name will be, if the policy would let a first login
 * succeed; reads the local passwd and group files. "ask" says whether to make
 * sure first that this process may know. For the miss path: the caller has
 * found that the database has no such person.
 * DA_E_ABSENT, DA_E_RANGE, DA_E_NOMEM, DA_E_SYS (local files unreadable). */
enum da_err da_stranger_find(const struct da_view *view,
    const struct da_paths *paths, const char *name, bool ask, char *buffer,
    size_t size, struct da_account *ret) DA_MUST_CHECK;

/* The same by number, as long as the policy lists the names. */
enum da_err da_stranger_find_id(const struct da_view *view,
    const struct da_paths *paths, uint32_t id, bool ask, char *buffer,
    size_t size, struct da_account *ret) DA_MUST_CHECK;

#endif
