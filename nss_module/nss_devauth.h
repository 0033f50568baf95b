/*
 * libnss_devauth.so.2: what libc calls, and what the entry points share.
 *
 * Loaded into every process of the host. Links libc only, exports exactly the
 * functions of nss_devauth.map. It speaks to nobody: an answer is a few reads
 * of mapped files, see shared/account/.
 */
#ifndef DA_NSS_DEVAUTH_H
#define DA_NSS_DEVAUTH_H

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/single_threaded.h>

#include "account/reader.h"
#include "account/snapshot.h"
#include "core/attr.h"
#include "core/err.h"

/* The databases passwd and group of nsswitch.conf. The prototypes are libc's
 * (The GNU C Library, "NSS Module Function Internals"). */
DA_EXPORT enum nss_status _nss_devauth_getpwnam_r(const char *name,
    struct passwd *result, char *buffer, size_t size, int *errnop);
DA_EXPORT enum nss_status _nss_devauth_getpwuid_r(
    uid_t uid, struct passwd *result, char *buffer, size_t size, int *errnop);
DA_EXPORT enum nss_status _nss_devauth_setpwent(int stay_open);
DA_EXPORT enum nss_status _nss_devauth_getpwent_r(
    struct passwd *result, char *buffer, size_t size, int *errnop);
DA_EXPORT enum nss_status _nss_devauth_endpwent(void);

DA_EXPORT enum nss_status _nss_devauth_getgrnam_r(const char *name,
    struct group *result, char *buffer, size_t size, int *errnop);
DA_EXPORT enum nss_status _nss_devauth_getgrgid_r(
    gid_t gid, struct group *result, char *buffer, size_t size, int *errnop);
DA_EXPORT enum nss_status
_nss_devauth_initgroups_dyn(const char *user, gid_t group, long int *start,
    long int *size, gid_t **groupsp, long int limit, int *errnop);
DA_EXPORT enum nss_status _nss_devauth_setgrent(int stay_open);
DA_EXPORT enum nss_status _nss_devauth_getgrent_r(
    struct group *result, char *buffer, size_t size, int *errnop);
DA_EXPORT enum nss_status _nss_devauth_endgrent(void);

/*
 * The end of every entry point: turns an outcome into a status and leaves errno
 * as libc wants it. "saved" is errno as it was on entry.
 *
 *  DA_OK        SUCCESS   errno unchanged
 *  DA_E_ABSENT  NOTFOUND  errno unchanged; also when devauth was never set up
 *               on this host: then nobody of ours exists, and who looks up a
 *               stranger must not be told of an error
 *  DA_E_RANGE   TRYAGAIN  ERANGE: come again with a larger buffer
 *  DA_E_NOMEM, and DA_E_SYS for lack of descriptors or memory
 *               TRYAGAIN  EAGAIN
 *  others       UNAVAIL   ENOENT: nobody can say who exists
 *
 * After anything but SUCCESS libc goes on to the next source, and local
 * accounts come before us, so neither of them hurts break-glass accounts.
 */
enum nss_status da_nss_status(enum da_err err, int saved, int *errnop);

/* No hash is "*". It takes the first bytes of each buffer; what is left of one
 * that is too small for that is too small for any answer. */
#define DA_NSS_PASSWD "*"

static inline char *
da_nss_behind_passwd(char *buffer, size_t *size)
{
	size_t taken = sizeof(DA_NSS_PASSWD);

	if (taken > *size)
		taken = *size;
	*size -= taken;
	return buffer + taken;
}

/*
 * Where getpwent() or getgrent() of this process is: a snapshot, held from the
 * first entry to the end, so that one listing shows one state. The
 * flag keeps threads apart; it is not a mutex because in the child of a fork
 * nobody would ever unlock that.
 */
struct da_nss_cursor {
	bool busy; /* atomic */
	bool open;
	bool denied; /* the policy says that nobody may list */
	struct da_snapshot snapshot;
	struct da_reader_walk walk;
	struct da_reader_sieve *sieve; /* mapped once, or NULL */
};

/* Where there is one thread nothing has to be atomic: a signal handler in
 * between gives back what it takes. */
static inline bool
da_nss_cursor_try(struct da_nss_cursor *cursor)
{
	if (!__libc_single_threaded)
		return !__atomic_exchange_n(
		    &cursor->busy, true, __ATOMIC_ACQUIRE);
	if (__atomic_load_n(&cursor->busy, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&cursor->busy, true, __ATOMIC_RELAXED);
	return true;
}

static inline void
da_nss_cursor_give(struct da_nss_cursor *cursor)
{
	__atomic_store_n(&cursor->busy, false, __ATOMIC_RELEASE);
}

/* Takes the cursor if need be, and opens it. */
enum nss_status
da_nss_cursor_prepare(struct da_nss_cursor *cursor, bool taken, int *errnop);

/* Takes the cursor and acquires its snapshot unless it is open. When that fails
 * there is nothing to give back: TRYAGAIN when another thread keeps it for a
 * second, NOTFOUND also when nobody may list. Sets errno only then. */
static inline enum nss_status
da_nss_cursor_begin(struct da_nss_cursor *cursor, int *errnop)
{
	bool taken = da_nss_cursor_try(cursor);

	if (taken && cursor->open)
		return NSS_STATUS_SUCCESS;
	return da_nss_cursor_prepare(cursor, taken, errnop);
}

/* Back to before the first entry. */
enum nss_status da_nss_cursor_reset(struct da_nss_cursor *cursor);

#endif
