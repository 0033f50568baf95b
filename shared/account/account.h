/*
 * Names and numbers of people, and the question who somebody is.
 *
 * Linked into every process through NSS: libc only, not even core. No threads,
 * environment, locale, logging or signals; see the numbered rules in reader.c.
 */
#ifndef DA_ACCOUNT_ACCOUNT_H
#define DA_ACCOUNT_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/err.h"
#include "core/limits.h"

struct da_paths;

/* 1879048192-2147352575: free on Debian (systemd's and the containers' ranges
 * end below), and still positive as a 32-bit int. */
#define DA_ACCOUNT_UID_MIN 1879048192u
#define DA_ACCOUNT_UID_MAX 2147352575u

/* The name rule: [a-z_][a-z0-9_-]{0,31}, canonical lower case; so no digits
 * alone, no leading dash, no dot. DA_E_BAD_NAME. */
enum da_err da_account_name_check(const char *name) DA_MUST_CHECK;

/* The same for text without a NUL. */
bool da_account_name_is_wellformed(const char *name, size_t len);

/* The length of a name that keeps the rule, 0 for any other. */
size_t da_account_name_measure(const char *name);

/* Whether the name is one that this or another system, a package or a policy
 * (sudoers, polkit, pam_wheel) gives a meaning of its own, as an account or as
 * a group; the private group of a person would have it, too. */
bool da_account_name_is_reserved(const char *name);

/* Whether a person or a group may have this number at all, whoever gave it:
 * not below 1000 (the system's), not in 60001-65535 (Debian's, systemd's
 * dynamic users, nobody, 16-bit -1), positive as a 32-bit int. */
bool da_account_id_is_usable(uint32_t id);

/* The uid that a canonical name has on every host. */
uint32_t da_account_uid_hash(const char *name);

/* Whether /etc/passwd itself has the name (read directly, not through NSS) and
 * the database does not mark it as managed: such an account is local and passes
 * without us. DA_E_SYS when the file or the database cannot be read,
 * DA_E_NOMEM; a damaged database marks nobody. */
enum da_err da_account_is_local(
    const struct da_paths *paths, const char *name, bool *ret) DA_MUST_CHECK;

/* A person as the database knows it; strings point into the caller's buffer. */
struct da_account {
	char *name;
	char *gecos;
	char *home;
	char *shell;
	uint32_t uid;
	uint32_t gid;
};

/* Looks the name up in the database as a login program may see it, a managed
 * local account in the passwd file: "provisional" says whether never-seen
 * people are answered for (the caller has the right to it). *ret_provisional
 * tells which kind was found. Keeps nothing mapped or open. For the PAM module
 * and our own programs. DA_E_ABSENT (also before anything was set up, and for
 * the removed), DA_E_RANGE (buffer too small), DA_E_NOMEM, DA_E_SYS (database
 * unusable). */
enum da_err da_account_find(const struct da_paths *paths, const char *name,
    bool provisional, char *buffer, size_t size, struct da_account *ret,
    bool *ret_provisional) DA_MUST_CHECK;

#endif
