#include "store/standing.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/paths.h"

#define MAGIC INT64_C(0x31646e6174736164)

struct layout {
	int64_t magic;
	struct da_standing standing;
};

enum da_err
da_standing_open_dir(const struct da_paths *paths, const char *folder,
    bool make, int *ret_dir, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0700};
	enum da_err err = da_file_open_dir(folder, &rule, ret_dir, diag);

	if (err != DA_E_ABSENT || !make)
		return err;
	err = da_file_make_parent(folder, 0755, diag);
	if (err != DA_OK)
		return err;
	if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
		da_diag_set(diag, "%s: %m", folder);
		return DA_E_SYS;
	}
	return da_file_open_dir(folder, &rule, ret_dir, diag);
}

enum da_err
da_standing_save(const struct da_paths *paths, const char *id,
    const struct da_standing *standing, struct da_diag *diag)
{
	const struct layout layout = {MAGIC, *standing};
	DA_CLEANUP(da_file_closep) int dir = -1;
	enum da_err err =
	    da_standing_open_dir(paths, paths->sessions_dir, true, &dir, diag);

	return err != DA_OK ? err
			    : da_file_replace_unsynced(
				  dir, id, 0600, &layout, sizeof(layout), diag);
}

enum da_err
da_standing_open(const struct da_paths *paths, const char *id, int *ret_fd,
    struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	DA_CLEANUP(da_file_closep) int fd = -1;
	struct stat st;
	enum da_err err =
	    da_standing_open_dir(paths, paths->sessions_dir, false, &dir, diag);

	if (err != DA_OK)
		return err;
	fd = openat(
	    dir, id, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return DA_E_ABSENT;
	if (fd < 0 || fstat(fd, &st) != 0) {
		da_diag_set(diag, "%s/%s: %m", paths->sessions_dir, id);
		return errno == ELOOP ? DA_E_UNSAFE_FILE : DA_E_SYS;
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != paths->owner ||
	    (st.st_mode & 07177) != 0 || st.st_nlink > 1) {
		da_diag_set(diag, "%s/%s: not a file of ours; remove it",
		    paths->sessions_dir, id);
		return DA_E_UNSAFE_FILE;
	}
	*ret_fd = fd;
	fd = -1;
	return DA_OK;
}

enum da_err
da_standing_read(int fd, struct da_standing *ret, struct da_diag *diag)
{
	struct layout layout;
	struct stat st;
	ssize_t n;

	do {
		n = pread(fd, &layout, sizeof(layout), 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0 || fstat(fd, &st) != 0) {
		da_diag_set(diag, "the state of a session: %m");
		return DA_E_SYS;
	}
	if (st.st_nlink == 0)
		return DA_E_ABSENT;
	if (n != (ssize_t)sizeof(layout) || layout.magic != MAGIC) {
		da_diag_set(diag, "the state of a session is damaged");
		return DA_E_SYNTAX;
	}
	*ret = layout.standing;
	return DA_OK;
}

static enum da_err
write_number(int fd, size_t offset, int64_t value)
{
	ssize_t n;

	do {
		n = pwrite(fd, &value, sizeof(value), (off_t)offset);
	} while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(value) ? DA_OK : DA_E_SYS;
}

enum da_err
da_standing_set_serial(int fd, int64_t serial)
{
	return write_number(
	    fd, offsetof(struct layout, standing.serial), serial);
}

enum da_err
da_standing_set_ended(int fd, int64_t ended_at_s)
{
	return write_number(
	    fd, offsetof(struct layout, standing.ended_at_s), ended_at_s);
}

void
da_standing_remove(const struct da_paths *paths, const char *id)
{
	DA_CLEANUP(da_file_closep) int dir = -1;

	if (da_standing_open_dir(
		paths, paths->sessions_dir, false, &dir, NULL) == DA_OK)
		(void)unlinkat(dir, id, 0); /* else the boot's end does it */
}
