/*
 * Groups, as libc asks for them: group in nsswitch.conf. The rules of
 * nss_passwd.c hold here.
 */
#include "nss_devauth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "account/snapshot.h"
#include "account/stranger.h"
#include "core/paths.h"

static struct da_nss_cursor cursor;

static void
fill(struct group *result, char *buffer, const struct da_group *group)
{
	memcpy(buffer, DA_NSS_PASSWD, sizeof(DA_NSS_PASSWD));
	*result = (struct group){
	    .gr_name = group->name,
	    .gr_passwd = buffer,
	    .gr_gid = group->gid,
	    .gr_mem = group->members,
	};
}

/* The private group of somebody who never logged in here, by name or, if that
 * is NULL, by number. The account is laid out in the buffer first; of it the
 * name stays, behind an empty list. */
static enum da_err
find_stranger_group(const struct da_view *view, const char *name, gid_t gid,
    char *buffer, size_t size, struct da_group *ret)
{
	struct da_account account;
	size_t gap = -(uintptr_t)buffer % _Alignof(char *);
	size_t head = gap + sizeof(char *);
	enum da_err err;

	/* Whoever is nobody is that in a small buffer, too. */
	if (head > size)
		head = size;
	err = name != NULL
	    ? da_stranger_find(view, &da_paths, name, /* ask= */ true,
		  buffer + head, size - head, &account)
	    : da_stranger_find_id(view, &da_paths, gid, /* ask= */ true,
		  buffer + head, size - head, &account);
	if (err != DA_OK)
		return err;
	ret->members = (char **)(void *)(buffer + gap);
	ret->members[0] = NULL;
	ret->name = account.name;
	ret->gid = account.gid;
	return DA_OK;
}

enum nss_status
_nss_devauth_getgrnam_r(const char *name, struct group *result, char *buffer,
    size_t size, int *errnop)
{
	int saved = errno;
	DA_UNSET struct da_snapshot snapshot;
	struct da_group group;
	char *rest = da_nss_behind_passwd(buffer, &size);
	enum da_err err = da_snapshot_acquire(&da_paths, &snapshot);

	if (err != DA_OK)
		return da_nss_status(err, saved, errnop);
	err = da_reader_find_group(snapshot.view, name, rest, size, &group);
	if (err == DA_E_ABSENT)
		err = find_stranger_group(
		    snapshot.view, name, /* gid= */ 0, rest, size, &group);
	da_snapshot_release(&snapshot);
	if (err == DA_OK)
		fill(result, buffer, &group);
	return da_nss_status(err, saved, errnop);
}

enum nss_status
_nss_devauth_getgrgid_r(
    gid_t gid, struct group *result, char *buffer, size_t size, int *errnop)
{
	int saved = errno;
	DA_UNSET struct da_snapshot snapshot;
	struct da_group group;
	char *rest = da_nss_behind_passwd(buffer, &size);
	enum da_err err = da_snapshot_acquire(&da_paths, &snapshot);

	if (err != DA_OK)
		return da_nss_status(err, saved, errnop);
	err = da_reader_find_gid(snapshot.view, gid, rest, size, &group);
	if (err == DA_E_ABSENT)
		err = find_stranger_group(
		    snapshot.view, /* name= */ NULL, gid, rest, size, &group);
	da_snapshot_release(&snapshot);
	if (err == DA_OK)
		fill(result, buffer, &group);
	return da_nss_status(err, saved, errnop);
}

/* libc's growing list of a caller's groups. */
struct gid_list {
	long int *start; /* how many there are */
	long int *size;  /* how many there is room for */
	gid_t **groups;  /* malloc'ed; may move */
	long int limit;  /* the most that are wanted, if positive */
};

/* Makes room for one more. Whoever lists people in thousands of groups finds
 * out here, so the room doubles. */
static enum da_err
grow(const struct gid_list *list)
{
	long int size = *list->size > 0 ? *list->size : 8;
	size_t bytes;
	gid_t *groups;

	if (*list->start < *list->size)
		return DA_OK;
	if (__builtin_mul_overflow(size, 2, &size))
		return DA_E_NOMEM;
	if (list->limit > 0 && size > list->limit)
		size = list->limit;
	if (__builtin_mul_overflow((size_t)size, sizeof(*groups), &bytes))
		return DA_E_NOMEM;
	groups = realloc(*list->groups, bytes);
	if (groups == NULL)
		return DA_E_NOMEM;
	*list->groups = groups;
	*list->size = size;
	return DA_OK;
}

static bool
has_gid(const struct gid_list *list, long int from, gid_t gid)
{
	for (long int i = from; i < *list->start; i++) {
		if ((*list->groups)[i] == gid)
			return true;
	}
	return false;
}

/* Appends the groups of a member; DA_E_ABSENT when there is none. "first" is
 * where ours begin: both databases may list the same. */
static enum da_err
append_gids(const struct da_view *view, const char *user, gid_t primary,
    const struct gid_list *list)
{
	const long int first = *list->start;
	enum da_err result = DA_E_ABSENT;
	struct da_reader_gids gids;
	uint32_t gid;

	da_reader_find_gids(view, user, &gids);
	while (da_reader_next_gid(view, &gids, &gid)) {
		enum da_err err;

		result = DA_OK;
		if (gid == primary || has_gid(list, first, gid))
			continue;
		if (list->limit > 0 && *list->start >= list->limit)
			break;
		err = grow(list);
		if (err != DA_OK)
			return err;
		(*list->groups)[(*list->start)++] = gid;
	}
	return result;
}

enum nss_status
_nss_devauth_initgroups_dyn(const char *user, gid_t group, long int *start,
    long int *size, gid_t **groupsp, long int limit, int *errnop)
{
	const struct gid_list list = {start, size, groupsp, limit};
	int saved = errno;
	DA_UNSET struct da_snapshot snapshot;
	enum da_err err = da_snapshot_acquire(&da_paths, &snapshot);

	if (err != DA_OK)
		return da_nss_status(err, saved, errnop);
	err = append_gids(snapshot.view, user, group, &list);
	da_snapshot_release(&snapshot);
	return da_nss_status(err, saved, errnop);
}

enum nss_status
_nss_devauth_setgrent(int stay_open)
{
	(void)stay_open; /* nothing to keep between calls but the cursor */
	return da_nss_cursor_reset(&cursor);
}

enum nss_status
_nss_devauth_endgrent(void)
{
	return da_nss_cursor_reset(&cursor);
}

enum nss_status
_nss_devauth_getgrent_r(
    struct group *result, char *buffer, size_t size, int *errnop)
{
	struct da_group group;
	char *rest = da_nss_behind_passwd(buffer, &size);
	enum nss_status status = da_nss_cursor_begin(&cursor, errnop);
	enum da_err err;

	if (status != NSS_STATUS_SUCCESS)
		return status;
	err = da_reader_next_group(&cursor.walk, rest, size, &group);
	da_nss_cursor_give(&cursor);
	if (err != DA_OK)
		return da_nss_status(err, errno, errnop);
	fill(result, buffer, &group);
	return status;
}
