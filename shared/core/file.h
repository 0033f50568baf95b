/*
 * Files that root trusts: opened without following links, checked on the open
 * descriptor, written whole or not at all.
 */
#ifndef DA_CORE_FILE_H
#define DA_CORE_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"

/* Who may have written a file for us to believe it. */
struct da_file_rule {
	uid_t owner;     /* the only acceptable owner, of parents as well */
	mode_t mode_max; /* permission bits that may be set, e.g. 0600 */
	size_t size_max;
};

/* Closes the descriptor if it is open and sets it to -1. For DA_CLEANUP. */
void da_file_closep(int *fd);

/* Closes the list of a folder if it is open. For DA_CLEANUP. */
void da_file_close_listp(DIR **list);

/* Lists an open folder, whose descriptor it takes over. NULL: errno says why,
 * and the descriptor is closed. */
DIR *da_file_list(int fd);

/* Opens a regular file for reading. The path is absolute; no component may be
 * a symbolic link, every folder on the way belongs to rule->owner or root and
 * is not writable by others (sticky folders excepted), the file has no second
 * name, the right owner and no surplus permission.
 * DA_E_ABSENT (no such file), DA_E_UNSAFE_FILE, DA_E_TOO_LARGE, DA_E_SYS;
 * diag names the path and the cure. */
enum da_err da_file_open(const char *path, const struct da_file_rule *rule,
    int *ret_fd, struct da_diag *diag) DA_MUST_CHECK;

/* The same, then reads the whole content into "ret" (appended). */
enum da_err da_file_read(const char *path, const struct da_file_rule *rule,
    struct da_buf *ret, struct da_diag *diag) DA_MUST_CHECK;

/* The same below an open folder; "name" has no slash. */
enum da_err
da_file_read_at(int dirfd, const char *name, const struct da_file_rule *rule,
    struct da_buf *ret, struct da_diag *diag) DA_MUST_CHECK;

/* Reads what the kernel says in a file of procfs or sysfs, a NUL behind it. One
 * read() brings the whole, cut at "size". No owner is checked: in a user
 * namespace they belong to nobody, and /proc/PID to whom the process belongs
 * to. DA_E_ABSENT (no such file, or the process is gone; no diag), DA_E_SYS
 * (errno says why). */
enum da_err da_file_read_kernel(const char *path, char *ret, size_t size,
    struct da_diag *diag) DA_MUST_CHECK;

/* Opens a folder for the *at() calls below: no symbolic link on the way, owner
 * and mode as the rule says. DA_E_ABSENT, DA_E_UNSAFE_FILE, DA_E_SYS. */
enum da_err da_file_open_dir(const char *path, const struct da_file_rule *rule,
    int *ret_fd, struct da_diag *diag) DA_MUST_CHECK;

/* Makes the folder above "path" if it is absent, with that mode; for /run,
 * which is empty after a boot and filled by tmpfiles.d only where systemd runs.
 * DA_E_SYS. */
enum da_err da_file_make_parent(
    const char *path, mode_t mode, struct da_diag *diag) DA_MUST_CHECK;

/* Writes all of it, in as few calls as the kernel lets. False: errno says why
 * not, and a part may be written. */
bool da_file_write(int fd, const void *bytes, size_t len) DA_MUST_CHECK;

/* Replaces dirfd/name: temporary file (O_EXCL, final mode from the start),
 * write, fsync, rename, fsync of the folder. On failure the old file stands
 * and the temporary one is gone. "name" has no slash. DA_E_SYS. */
enum da_err da_file_replace(int dirfd, const char *name, mode_t mode,
    const void *bytes, size_t len, struct da_diag *diag) DA_MUST_CHECK;

/* The same without waiting for the disk, for what may be lost: no reader ever
 * sees less than the whole, but a power cut may leave nothing or a part. */
enum da_err da_file_replace_unsynced(int dirfd, const char *name, mode_t mode,
    const void *bytes, size_t len, struct da_diag *diag) DA_MUST_CHECK;

/* Takes an flock() for as long as the descriptor is open; "path" is for diag.
 * Others hold ours for microseconds; who does for longer was stopped, and
 * nobody may wait for him (attack G1). Shorter than DA_LOCAL_ANSWER_TIMEOUT_MS.
 * DA_E_TIMEOUT, DA_E_SYS. */
enum da_err
da_file_lock(int fd, const char *path, struct da_diag *diag) DA_MUST_CHECK;

/* The same with a time to wait, where others keep the lock for a request. */
enum da_err da_file_lock_for(int fd, const char *path, int64_t timeout_ms,
    struct da_diag *diag) DA_MUST_CHECK;

/* Whether that name in the folder is a regular file that was last written more
 * than age_s ago, by the wall clock. */
bool da_file_is_older(int dir, const char *name, int64_t age_s);

#endif
