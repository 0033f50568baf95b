#include "store/withdrawn.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/file.h"
#include "core/paths.h"
#include "store/person_file.h"
#include "store/standing.h"

#define SUFFIX ".withdrawn"
#define PATH_LEN 512

static void
format_path(const char *folder, const char *file, char ret[static PATH_LEN])
{
	(void)snprintf(ret, PATH_LEN, "%s/%s" SUFFIX, folder, file);
}

bool
da_withdrawn_check(const struct da_paths *paths, const char *file)
{
	const char *const folders[] = {paths->people_dir, paths->marks_dir};
	char path[PATH_LEN];

	for (size_t i = 0; i < DA_ARRAY_LEN(folders); i++) {
		format_path(folders[i], file, path);
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ||
		    errno != ENOENT)
			return true;
	}
	return false;
}

static enum da_err
put(const struct da_paths *paths, const char *folder, bool make,
    const char *name, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	enum da_err err = da_standing_open_dir(paths, folder, make, &dir, diag);

	return err != DA_OK ? err
			    : da_file_replace(dir, name, 0600, "", 0, diag);
}

enum da_err
da_withdrawn_set(
    const struct da_paths *paths, const char *file, struct da_diag *diag)
{
	char name[DA_PERSON_FILE_MAX + sizeof(SUFFIX)];

	(void)snprintf(name, sizeof(name), "%s" SUFFIX, file);
	return put(paths, paths->people_dir, false, name, diag) == DA_OK
	    ? DA_OK
	    : put(paths, paths->marks_dir, true, name, diag);
}

enum da_err
da_withdrawn_clear(
    const struct da_paths *paths, const char *file, struct da_diag *diag)
{
	const char *const folders[] = {paths->people_dir, paths->marks_dir};
	char path[PATH_LEN];

	for (size_t i = 0; i < DA_ARRAY_LEN(folders); i++) {
		format_path(folders[i], file, path);
		if (unlink(path) != 0 && errno != ENOENT) {
			da_diag_set(diag, "%s: %m", path);
			return DA_E_SYS;
		}
	}
	return DA_OK;
}

enum da_err
da_withdrawn_settle(const struct da_paths *paths, struct da_diag *diag)
{
	DA_CLEANUP(da_file_close_listp) DIR *list = NULL;
	struct dirent *found;
	int dir = -1;
	enum da_err err =
	    da_standing_open_dir(paths, paths->marks_dir, false, &dir, diag);

	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_OK : err;
	list = da_file_list(dir);
	if (list == NULL)
		return DA_E_SYS;
	while (err == DA_OK && (found = readdir(list)) != NULL) {
		if (found->d_name[0] == '.')
			continue;
		err = put(paths, paths->people_dir, false, found->d_name, diag);
		if (err == DA_OK)
			(void)unlinkat(dir, found->d_name, 0); /* next time */
	}
	return err;
}
