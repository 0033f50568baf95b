/*
 * Reads /etc/passwd and /etc/group with libc's own parser, so that a line
 * means here what it means to nss_files.
 *
 * Runs as root, in login programs too. It must not (1) touch the caller's
 * getpwent() position, (2) keep anything open, (3) be a place where a thread
 * is cancelled: hence "c" in the mode of fopen().
 */
#include "account/local.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "account/view.h"
#include "core/paths.h"

/* Most lines are short; a group that lists everybody is not. */
#define LINE_ROOM 4096u
#define LINE_ROOM_MAX (1024u * 1024u)

struct reader {
	FILE *file;
	char *line;
	size_t room;
};

static void
reader_done(struct reader *reader)
{
	int saved = errno;

	if (reader->file != NULL)
		(void)fclose(reader->file); /* only read */
	free(reader->line);
	errno = saved;
}

static enum da_err
reader_init(struct reader *reader, const char *path)
{
	*reader = (struct reader){.room = LINE_ROOM};
	reader->line = malloc(reader->room);
	if (reader->line == NULL)
		return DA_E_NOMEM;
	reader->file = fopen(path, "rce");
	return reader->file != NULL ? DA_OK : DA_E_SYS;
}

/* After ERANGE libc has gone back to the start of the line. */
static enum da_err
reader_grow(struct reader *reader)
{
	char *line;

	if (reader->room >= LINE_ROOM_MAX) {
		errno = EOVERFLOW;
		return DA_E_SYS;
	}
	line = realloc(reader->line, reader->room * 4);
	if (line == NULL)
		return DA_E_NOMEM;
	reader->line = line;
	reader->room *= 4;
	return DA_OK;
}

/* What to do with the result of fgetXXent_r(): DA_OK to go on, DA_E_ABSENT at
 * the end of the file. */
static enum da_err
reader_judge(struct reader *reader, int result)
{
	if (result == 0)
		return DA_OK;
	if (result == ENOENT)
		return DA_E_ABSENT;
	if (result == ERANGE)
		return reader_grow(reader);
	errno = result;
	return DA_E_SYS;
}

static enum da_err
find_passwd(
    const char *path, const char *name, uint32_t id, struct da_local *ret)
{
	DA_CLEANUP(reader_done) struct reader reader;
	enum da_err err = reader_init(&reader, path);

	while (err == DA_OK) {
		struct passwd entry, *found = NULL;
		int result = fgetpwent_r(
		    reader.file, &entry, reader.line, reader.room, &found);

		err = reader_judge(&reader, result);
		if (result != 0)
			continue;
		/* Of several lines the first counts, as in libc. */
		if (!ret->passwd_name && strcmp(found->pw_name, name) == 0) {
			ret->passwd_name = true;
			ret->uid = found->pw_uid;
		}
		if (found->pw_uid == id || found->pw_gid == id)
			ret->passwd_id = true;
	}
	return err == DA_E_ABSENT ? DA_OK : err;
}

static enum da_err
find_group(
    const char *path, const char *name, uint32_t id, struct da_local *ret)
{
	DA_CLEANUP(reader_done) struct reader reader;
	enum da_err err = reader_init(&reader, path);

	while (err == DA_OK) {
		struct group entry, *found = NULL;
		int result = fgetgrent_r(
		    reader.file, &entry, reader.line, reader.room, &found);

		err = reader_judge(&reader, result);
		if (result != 0)
			continue;
		if (!ret->group_name && strcmp(found->gr_name, name) == 0) {
			ret->group_name = true;
			ret->gid = found->gr_gid;
		}
		if (found->gr_gid == id)
			ret->group_id = true;
	}
	return err == DA_E_ABSENT ? DA_OK : err;
}

enum da_err
da_local_find(const struct da_paths *paths, const char *name, uint32_t id,
    struct da_local *ret)
{
	struct da_local found = {0};
	enum da_err err = find_passwd(paths->passwd_file, name, id, &found);

	if (err == DA_OK)
		err = find_group(paths->group_file, name, id, &found);
	if (err == DA_OK)
		*ret = found;
	return err;
}

bool
da_local_is_managed(const struct da_view *view, const char *name)
{
	const size_t len = da_account_name_measure(name);
	struct da_cell cell;

	return len > 0 &&
	    da_database_find(
		&view->accounts, DA_KIND_MANAGED, name, len, &cell);
}

/* Copies a text; false when there is no room. */
static bool
keep(char **at, size_t *left, const char *text, char **ret)
{
	size_t len = strlen(text) + 1;

	if (len > *left)
		return false;
	memcpy(*at, text, len);
	*ret = *at;
	*at += len;
	*left -= len;
	return true;
}

static enum da_err
give_account(const struct passwd *entry, char *buffer, size_t size,
    struct da_account *ret)
{
	struct da_account account = {
	    .uid = entry->pw_uid, .gid = entry->pw_gid};

	if (!keep(&buffer, &size, entry->pw_name, &account.name) ||
	    !keep(&buffer, &size, entry->pw_gecos, &account.gecos) ||
	    !keep(&buffer, &size, entry->pw_dir, &account.home) ||
	    !keep(&buffer, &size, entry->pw_shell, &account.shell))
		return DA_E_RANGE;
	*ret = account;
	return DA_OK;
}

enum da_err
da_local_find_account(const struct da_paths *paths, const char *name,
    char *buffer, size_t size, struct da_account *ret)
{
	DA_CLEANUP(reader_done) struct reader reader;
	enum da_err err = reader_init(&reader, paths->passwd_file);

	while (err == DA_OK) {
		struct passwd entry, *found = NULL;
		int result = fgetpwent_r(
		    reader.file, &entry, reader.line, reader.room, &found);

		err = reader_judge(&reader, result);
		if (result == 0 && strcmp(found->pw_name, name) == 0)
			return give_account(found, buffer, size, ret);
	}
	return err;
}

/* A database that was damaged, which only root can do, must not keep out the
 * accounts that are there for such a day: they are local then, and PAM's other
 * modules decide. Whatever a caller's limits can bring about is an error. */
static enum da_err
find_mark(const struct da_paths *paths, const char *name, bool *ret)
{
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	enum da_err err = da_view_open(paths, &view);

	if (err == DA_OK)
		*ret = da_local_is_managed(&view, name);
	else if (err == DA_E_ABSENT || errno == EBADMSG || errno == EPERM ||
	    errno == ELOOP || errno == ENOTDIR)
		*ret = false;
	else
		return err;
	return DA_OK;
}

enum da_err
da_account_is_local(const struct da_paths *paths, const char *name, bool *ret)
{
	struct da_local found = {0};
	bool managed = false;
	enum da_err err =
	    find_passwd(paths->passwd_file, name, /* id= */ 0, &found);

	/* Another name of uid 0 is never ours. */
	if (err == DA_OK && found.passwd_name &&
	    (found.uid != 0 || strcmp(name, "root") == 0))
		err = find_mark(paths, name, &managed);
	/* Root has to get in when nothing else works. */
	if (err != DA_OK && found.passwd_name && found.uid == 0)
		err = DA_OK;
	if (err == DA_OK)
		*ret = found.passwd_name && !managed;
	return err;
}
