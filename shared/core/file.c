#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/limits.h"
#include "core/secret.h"
#include "core/text.h"

#define LOCK_TIMEOUT_MS 2000
#define LOCK_PAUSE_NS 2000000

void
da_file_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
	errno = saved;
}

void
da_file_close_listp(DIR **list)
{
	if (*list != NULL)
		(void)closedir(*list); /* only read */
	*list = NULL;
}

DIR *
da_file_list(int fd)
{
	DIR *list = fdopendir(fd);

	if (list == NULL)
		da_file_closep(&fd); /* errno is kept */
	return list;
}

/* A folder on the way may be written by its owner only, or be sticky. */
static bool
is_safe_parent(const struct stat *st, uid_t owner)
{
	if (!S_ISDIR(st->st_mode))
		return false;
	if (st->st_uid != 0 && st->st_uid != owner)
		return false;
	return (st->st_mode & (S_IWGRP | S_IWOTH)) == 0 ||
	    (st->st_mode & S_ISVTX) != 0;
}

/* Opens the folder that holds the last component of an absolute path, checking
 * each folder on the way. *ret_name points into path. */
static enum da_err
open_parent(const char *path, uid_t owner, int *ret_fd, const char **ret_name,
    struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	const char *at = path + 1;
	char name[NAME_MAX + 1];

	if (path[0] != '/') {
		da_diag_set(diag, "%s: not an absolute path", path);
		return DA_E_UNSAFE_FILE;
	}
	dir = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return DA_E_SYS;
	for (;;) {
		const char *slash = strchrnul(at, '/');
		size_t len = (size_t)(slash - at);
		struct stat st;
		int next;

		if (len == 0 || len > NAME_MAX || strncmp(at, "..", len) == 0 ||
		    strncmp(at, ".", len) == 0) {
			da_diag_set(diag, "%s: not a plain path", path);
			return DA_E_UNSAFE_FILE;
		}
		if (fstat(dir, &st) != 0)
			return DA_E_SYS;
		if (!is_safe_parent(&st, owner)) {
			da_diag_set(diag,
			    "%s: the folder above \"%.*s\" may be written by "
			    "others; chown root and chmod go-w it",
			    path, (int)len, at);
			return DA_E_UNSAFE_FILE;
		}
		if (*slash == '\0')
			break;
		memcpy(name, at, len);
		name[len] = '\0';
		next = openat(
		    dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0) {
			int cause = errno;

			da_diag_set(diag, "%s: cannot enter \"%s\": %s", path,
			    name, strerrordesc_np(cause));
			errno = cause;
			if (cause == ENOENT)
				return DA_E_ABSENT;
			return cause == ELOOP || cause == ENOTDIR
			    ? DA_E_UNSAFE_FILE
			    : DA_E_SYS;
		}
		da_file_closep(&dir);
		dir = next;
		at = slash + 1;
	}
	*ret_name = at;
	*ret_fd = dir;
	dir = -1;
	return DA_OK;
}

/* "path" is what diag calls it. */
static enum da_err
open_checked_at(int dir, const char *name, const char *path,
    const struct da_file_rule *rule, int flags, int *ret_fd,
    struct stat *ret_st, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int fd = -1;

	/* O_NONBLOCK: a planted FIFO must not make root wait. */
	fd = openat(dir, name,
	    flags | O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		int cause = errno;

		da_diag_set(diag, "%s: cannot open: %s", path,
		    cause == ELOOP ? "it is a symbolic link"
				   : strerrordesc_np(cause));
		errno = cause;
		if (cause == ENOENT)
			return DA_E_ABSENT;
		return cause == ELOOP || cause == ENXIO || cause == ENOTDIR
		    ? DA_E_UNSAFE_FILE
		    : DA_E_SYS;
	}
	if (fstat(fd, ret_st) != 0)
		return DA_E_SYS;
	/* First: of a folder there is no mode that would do. */
	if ((flags & O_DIRECTORY) == 0 && !S_ISREG(ret_st->st_mode)) {
		da_diag_set(diag, "%s: not a regular file", path);
		return DA_E_UNSAFE_FILE;
	}
	if (ret_st->st_uid != rule->owner) {
		da_diag_set(diag, "%s: belongs to uid %u; chown it to uid %u",
		    path, (unsigned)ret_st->st_uid, (unsigned)rule->owner);
		return DA_E_UNSAFE_FILE;
	}
	if ((ret_st->st_mode & 07777 & ~rule->mode_max) != 0) {
		const mode_t own = S_ISDIR(ret_st->st_mode) ? 0700 : 0600;

		/* A rule may allow more than this file ever had. */
		da_diag_set(diag, "%s: mode %04o is too open; chmod it to %04o",
		    path, (unsigned)(ret_st->st_mode & 07777),
		    (unsigned)(rule->mode_max & (ret_st->st_mode | own)));
		return DA_E_UNSAFE_FILE;
	}
	*ret_fd = fd;
	fd = -1;
	return DA_OK;
}

static enum da_err
open_file_at(int dir, const char *name, const char *path,
    const struct da_file_rule *rule, int *ret_fd, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int fd = -1;
	struct stat st;
	enum da_err err =
	    open_checked_at(dir, name, path, rule, 0, &fd, &st, diag);

	if (err != DA_OK)
		return err;
	/* None at all has what was replaced just now, and the boot id of
	 * systemd-nspawn's containers. */
	if (st.st_nlink > 1) {
		da_diag_set(diag,
		    "%s: has %u hard links; make it a file of "
		    "its own",
		    path, (unsigned)st.st_nlink);
		return DA_E_UNSAFE_FILE;
	}
	if ((uint64_t)st.st_size > rule->size_max) {
		da_diag_set(
		    diag, "%s: larger than %zu bytes", path, rule->size_max);
		return DA_E_TOO_LARGE;
	}
	*ret_fd = fd;
	fd = -1;
	return DA_OK;
}

enum da_err
da_file_open(const char *path, const struct da_file_rule *rule, int *ret_fd,
    struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	const char *name;
	enum da_err err = open_parent(path, rule->owner, &dir, &name, diag);

	return err != DA_OK ? err
			    : open_file_at(dir, name, path, rule, ret_fd, diag);
}

enum da_err
da_file_open_dir(const char *path, const struct da_file_rule *rule, int *ret_fd,
    struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	const char *name;
	struct stat st;
	enum da_err err = open_parent(path, rule->owner, &dir, &name, diag);

	return err != DA_OK ? err
			    : open_checked_at(dir, name, path, rule,
				  O_DIRECTORY, ret_fd, &st, diag);
}

enum da_err
da_file_make_parent(const char *path, mode_t mode, struct da_diag *diag)
{
	char parent[PATH_MAX];
	char *slash;

	if (da_text_copy(path, parent, sizeof(parent)) != DA_OK)
		return DA_E_BUG;
	slash = strrchr(parent, '/');
	if (slash == NULL || slash == parent)
		return DA_E_BUG;
	*slash = '\0';
	/* Our umask is 077 in the broker; the mode is meant as it stands. */
	if (mkdir(parent, mode) == 0)
		return chmod(parent, mode) == 0 ? DA_OK : DA_E_SYS;
	if (errno == EEXIST)
		return DA_OK;
	da_diag_set(diag, "cannot make the folder %s: %m", parent);
	return DA_E_SYS;
}

static enum da_err
read_whole(int fd, const char *path, size_t size_max, struct da_buf *ret,
    struct da_diag *diag)
{
	uint8_t chunk[4096];
	size_t total = 0;
	enum da_err err = DA_OK;

	while (err == DA_OK) {
		ssize_t n = read(fd, chunk, sizeof(chunk));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			da_diag_set(diag, "%s: cannot read: %m", path);
			err = DA_E_SYS;
		} else if (n == 0) {
			break;
		} else {
			/* It may have grown since it was looked at. */
			total += (size_t)n;
			err = total > size_max
			    ? DA_E_TOO_LARGE
			    : da_buf_put(ret, chunk, (size_t)n);
		}
	}
	da_secret_wipe(chunk, sizeof(chunk));
	return err;
}

enum da_err
da_file_read(const char *path, const struct da_file_rule *rule,
    struct da_buf *ret, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int fd = -1;
	enum da_err err = da_file_open(path, rule, &fd, diag);

	return err != DA_OK ? err
			    : read_whole(fd, path, rule->size_max, ret, diag);
}

enum da_err
da_file_read_at(int dirfd, const char *name, const struct da_file_rule *rule,
    struct da_buf *ret, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int fd = -1;
	enum da_err err = open_file_at(dirfd, name, name, rule, &fd, diag);

	return err != DA_OK ? err
			    : read_whole(fd, name, rule->size_max, ret, diag);
}

enum da_err
da_file_read_kernel(
    const char *path, char *ret, size_t size, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep)
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = fd >= 0 ? TEMP_FAILURE_RETRY(read(fd, ret, size - 1)) : -1;
	int saved = errno;

	if (n < 0 && (saved == ENOENT || saved == ESRCH))
		return DA_E_ABSENT;
	if (n < 0) {
		da_diag_set(diag, "%s: %m", path);
		errno = saved;
		return DA_E_SYS;
	}
	ret[n] = '\0';
	return DA_OK;
}

bool
da_file_write(int fd, const void *bytes, size_t len)
{
	const uint8_t *at = bytes;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static enum da_err
replace(int dirfd, const char *name, mode_t mode, const void *bytes, size_t len,
    bool durable, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int fd = -1;
	uint8_t random[8];
	char suffix[2 * sizeof(random) + 1];
	char temp[NAME_MAX + 1];
	int n, saved;

	if (da_secret_random(random, sizeof(random)) != DA_OK)
		return DA_E_SYS;
	da_text_hex(random, sizeof(random), suffix);
	n = snprintf(temp, sizeof(temp), ".%s.%s", name, suffix);
	if (n < 0 || (size_t)n >= sizeof(temp) || strchr(name, '/') != NULL)
		return DA_E_BUG;
	fd = openat(dirfd, temp,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0) {
		da_diag_set(diag, "cannot create a file for \"%s\": %m", name);
		return DA_E_SYS;
	}
	/* fchmod: the caller's umask must not decide; rename last, so that no
	 * reader ever sees less than the whole. */
	if (fchmod(fd, mode) == 0 && da_file_write(fd, bytes, len) &&
	    (!durable || fsync(fd) == 0) &&
	    renameat(dirfd, temp, dirfd, name) == 0) {
		if (!durable || fsync(dirfd) == 0)
			return DA_OK;
		da_diag_set(diag, "cannot sync the folder of \"%s\": %m", name);
		return DA_E_SYS;
	}
	saved = errno;
	(void)unlinkat(dirfd, temp, 0); /* best effort: the error matters */
	errno = saved;
	da_diag_set(diag, "cannot write \"%s\": %m", name);
	return DA_E_SYS;
}

enum da_err
da_file_replace(int dirfd, const char *name, mode_t mode, const void *bytes,
    size_t len, struct da_diag *diag)
{
	return replace(dirfd, name, mode, bytes, len, true, diag);
}

enum da_err
da_file_replace_unsynced(int dirfd, const char *name, mode_t mode,
    const void *bytes, size_t len, struct da_diag *diag)
{
	return replace(dirfd, name, mode, bytes, len, false, diag);
}

enum da_err
da_file_lock_for(
    int fd, const char *path, int64_t timeout_ms, struct da_diag *diag)
{
	const int64_t deadline_mono_ms = da_clock_mono_ms() + timeout_ms;
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};

	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			da_diag_set(diag, "%s: cannot lock: %m", path);
			return DA_E_SYS;
		}
		if (da_clock_mono_ms() >= deadline_mono_ms) {
			da_diag_set(
			    diag, "%s: another process keeps it locked", path);
			return DA_E_TIMEOUT;
		}
		(void)nanosleep(&pause, NULL); /* cut short is as good */
	}
	return DA_OK;
}

enum da_err
da_file_lock(int fd, const char *path, struct da_diag *diag)
{
	return da_file_lock_for(fd, path, LOCK_TIMEOUT_MS, diag);
}

bool
da_file_is_older(int dir, const char *name, int64_t age_s)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    S_ISREG(st.st_mode) &&
	    da_clock_wall_s() - st.st_mtim.tv_sec > age_s;
}
