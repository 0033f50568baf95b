/* Looking over many sessions: for sudo (by name) and for the sweep. */
#include "store/session.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "store/seal.h"
#include "store/session_record.h"
#include "store/standing.h"

#define PATH_LEN 512
#define BACK_OFF_MS 60000
#define BACK_OFF_DOUBLINGS 10
/* More different secrets in clear texts than the host has: some are made up. */
#define USED_MAX 16

/* The descriptor stays the caller's. */
static DIR *
list_of(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return copy >= 0 ? da_file_list(copy) : NULL;
}

static enum da_err
open_folder(const struct da_paths *paths, bool ended, int *ret_dir,
    struct da_diag *diag)
{
	char path[PATH_LEN];

	(void)snprintf(path, sizeof(path), "%s%s", paths->tokens_dir,
	    ended ? "/revoke" : "");
	return da_standing_open_dir(paths, path, false, ret_dir, diag);
}

/* Facts in clear, for a list: nothing of this is verified. */
static enum da_err
read_facts(const struct da_paths *paths, int dir, const char *id,
    struct da_buf *file, struct da_session *ret, struct da_diag *diag)
{
	const struct da_file_rule rule = {.owner = paths->owner,
	    .mode_max = 0600,
	    .size_max = DA_SESSION_FILE_MAX};
	DA_CLEANUP(da_buf_done) struct da_buf header;
	enum da_err err;

	da_buf_init(&header, DA_SESSION_HEADER_MAX);
	da_buf_clear(file);
	err = da_file_read_at(dir, id, &rule, file, diag);
	if (err != DA_OK)
		return err;
	err = da_seal_header(file, &header);
	if (err == DA_OK)
		err = da_session_parse(&header, ret);
	if (err != DA_OK || strcmp(ret->id, id) != 0) {
		da_diag_set(diag, "%s: not a session's file", id);
		return DA_E_SYNTAX;
	}
	return DA_OK;
}

/* --- the sweep --- */

struct da_session_list {
	const struct da_paths *paths;
	DIR *list;
	int dir;
	bool ended;
	struct da_buf file;
};

void
da_session_list_freep(struct da_session_list **list)
{
	if (*list == NULL)
		return;
	da_file_close_listp(&(*list)->list);
	da_file_closep(&(*list)->dir);
	da_buf_done(&(*list)->file);
	free(*list);
	*list = NULL;
}

enum da_err
da_session_list_open(const struct da_paths *paths, bool ended,
    struct da_session_list **ret, struct da_diag *diag)
{
	DA_CLEANUP(da_session_list_freep)
	struct da_session_list *list = calloc(1, sizeof(*list));
	enum da_err err;

	if (list == NULL)
		return DA_E_NOMEM;
	list->paths = paths;
	list->ended = ended;
	list->dir = -1;
	da_buf_init(&list->file, DA_SESSION_FILE_MAX);
	err = open_folder(paths, ended, &list->dir, diag);
	if (err != DA_OK)
		return err;
	list->list = list_of(list->dir);
	if (list->list == NULL) {
		da_diag_set(diag, "%s: %m", paths->tokens_dir);
		return DA_E_SYS;
	}
	*ret = DA_TAKE(list);
	return DA_OK;
}

static void
add_end(const struct da_session_list *list, struct da_session_entry *entry)
{
	DA_CLEANUP(da_file_closep) int fd = -1;
	const char *id = entry->session.id;
	struct da_standing standing;
	struct stat st;

	if (fstatat(list->dir, id, &st, AT_SYMLINK_NOFOLLOW) == 0)
		entry->ended_at_s = st.st_mtim.tv_sec;
	if (da_standing_open(list->paths, id, &fd, NULL) == DA_OK &&
	    da_standing_read(fd, &standing, NULL) == DA_OK) {
		entry->tries = (uint32_t)standing.tries;
		entry->tried_mono_ms = standing.tried_mono_ms;
	}
}

bool
da_session_list_next(struct da_session_list *list, struct da_session_entry *ret,
    struct da_diag *diag)
{
	struct dirent *found;

	while ((found = readdir(list->list)) != NULL) {
		enum da_err err;

		/* A folder can be neither opened nor removed here. */
		if (!da_session_is_id(found->d_name) || found->d_type == DT_DIR)
			continue;
		*ret = (struct da_session_entry){0};
		err = read_facts(list->paths, list->dir, found->d_name,
		    &list->file, &ret->session, diag);
		/* It ended, or was removed, since its name was read. */
		if (err == DA_E_ABSENT)
			continue;
		if (err != DA_OK) {
			*ret = (struct da_session_entry){.damaged = true,
			    .unread = err == DA_E_SYS || err == DA_E_NOMEM};
			memcpy(ret->session.id, found->d_name,
			    sizeof(ret->session.id));
		}
		if (list->ended)
			add_end(list, ret);
		return true;
	}
	return false;
}

int64_t
da_session_retry_mono_ms(const struct da_session_entry *entry)
{
	uint32_t doublings = entry->tries;

	if (entry->tries == 0)
		return 0;
	if (doublings > BACK_OFF_DOUBLINGS)
		doublings = BACK_OFF_DOUBLINGS;
	return entry->tried_mono_ms + ((int64_t)BACK_OFF_MS << (doublings - 1));
}

/* --- which session a process is in --- */

struct place {
	struct da_anchor anchor;
	char text[DA_SESSION_PLACE_LEN + 1];
};

/* Where the sessions of a process may hang, the nearest first. */
struct places {
	struct place at[DA_ANCESTORS_MAX];
	size_t count;
};

static enum da_err
add_place(const struct da_host_keys *keys, const struct da_anchor *anchor,
    uint32_t uid, struct places *ret)
{
	struct place *place = &ret->at[ret->count++];

	place->anchor = *anchor;
	return da_session_place(
	    keys->machine.boot_id, anchor, uid, place->text);
}

static enum da_err
add_ancestors(const struct da_paths *paths, const struct da_host_keys *keys,
    int32_t pid, uint32_t uid, struct places *ret, struct da_diag *diag)
{
	enum da_err err = DA_OK;

	while (err == DA_OK && pid > 0 && ret->count < DA_ANCESTORS_MAX) {
		struct da_anchor anchor = {.audit = DA_AUDIT_NONE};

		err = da_process_look(
		    paths->proc_dir, pid, &anchor.owner, &pid, diag);
		if (err == DA_OK)
			err = add_place(keys, &anchor, uid, ret);
	}
	/* An ancestor that ended meanwhile is no session's owner any more. */
	return err == DA_E_ABSENT ? DA_OK : err;
}

/* Whether "a" was made after "b". */
static bool
is_newer(const struct da_paths *paths, int dir, const char *a, const char *b)
{
	DA_CLEANUP(da_buf_done) struct da_buf file;
	struct da_session one, other;

	da_buf_init(&file, DA_SESSION_FILE_MAX);
	da_session_init(&one);
	da_session_init(&other);
	if (read_facts(paths, dir, a, &file, &one, NULL) != DA_OK)
		return false;
	if (read_facts(paths, dir, b, &file, &other, NULL) != DA_OK)
		return true;
	return one.created_at_s != other.created_at_s
	    ? one.created_at_s > other.created_at_s
	    : one.verified_mono_ms > other.verified_mono_ms;
}

static size_t
place_of(const struct places *places, const char *id)
{
	for (size_t i = 0; i < places->count; i++) {
		if (strncmp(places->at[i].text, id, DA_SESSION_PLACE_LEN) == 0)
			return i;
	}
	return places->count;
}

enum da_err
da_session_find(const struct da_paths *paths, const struct da_host_keys *keys,
    int32_t pid, uint32_t uid, char ret_id[static DA_SESSION_MAX + 1],
    struct da_anchor *ret_anchor, struct da_diag *diag)
{
	struct da_anchor anchor = {.audit = DA_AUDIT_NONE};
	DA_CLEANUP(da_file_closep) int dir = -1;
	DA_CLEANUP(da_file_close_listp) DIR *list = NULL;
	char best_id[DA_SESSION_MAX + 1] = "";
	struct places places = {.count = 0};
	struct dirent *found;
	size_t best;
	enum da_err err = open_folder(paths, false, &dir, diag);

	if (err == DA_OK)
		err = da_process_audit_session(
		    paths->proc_dir, pid, &anchor.audit, diag);
	if (err == DA_OK)
		err = anchor.audit != DA_AUDIT_NONE
		    ? add_place(keys, &anchor, uid, &places)
		    : add_ancestors(paths, keys, pid, uid, &places, diag);
	if (err != DA_OK)
		return err;
	list = list_of(dir);
	if (list == NULL) {
		da_diag_set(diag, "%s: %m", paths->tokens_dir);
		return DA_E_SYS;
	}
	best = places.count;
	while ((found = readdir(list)) != NULL) {
		const char *id = found->d_name;
		size_t at =
		    da_session_is_id(id) ? place_of(&places, id) : places.count;

		if (at < best ||
		    (at == best && at < places.count &&
			is_newer(paths, dir, id, best_id))) {
			best = at;
			memcpy(best_id, id, sizeof(best_id));
		}
	}
	if (best == places.count) {
		da_diag_set(diag, "in no session that devauth knows");
		return DA_E_ABSENT;
	}
	memcpy(ret_id, best_id, sizeof(best_id));
	*ret_anchor = places.at[best].anchor;
	return DA_OK;
}

/* --- what killed processes leave behind --- */

/* Temporary files begin with a dot. */
static void
drop_temporary(int dir)
{
	DA_CLEANUP(da_file_close_listp) DIR *list = list_of(dir);
	struct dirent *found;

	while (list != NULL && (found = readdir(list)) != NULL) {
		if (found->d_name[0] == '.' &&
		    da_file_is_older(dir, found->d_name, DA_SESSION_LEFTOVER_S))
			(void)unlinkat(dir, found->d_name, 0); /* next time */
	}
}

static void
drop_standings(int dir, int tokens, int revoke)
{
	DA_CLEANUP(da_file_close_listp) DIR *list = list_of(dir);
	struct dirent *found;

	while (list != NULL && (found = readdir(list)) != NULL) {
		const char *id = found->d_name;

		if (da_session_is_id(id) &&
		    da_file_is_older(dir, id, DA_SESSION_LEFTOVER_S) &&
		    faccessat(tokens, id, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
		    (revoke < 0 ||
			faccessat(revoke, id, F_OK, AT_SYMLINK_NOFOLLOW) != 0))
			(void)unlinkat(dir, id, 0); /* next time */
	}
}

struct used_keys {
	char ids[USED_MAX][DA_HOST_KEY_ID_LEN + 1];
	size_t count;
	bool unknown; /* a file that cannot be read, or too many */
};

static void
note_key(struct used_keys *used, const char *id)
{
	for (size_t i = 0; i < used->count; i++) {
		if (strcmp(used->ids[i], id) == 0)
			return;
	}
	if (used->count == USED_MAX)
		used->unknown = true;
	else
		memcpy(used->ids[used->count++], id, sizeof(used->ids[0]));
}

static enum da_err
note_keys(const struct da_paths *paths, bool ended, struct used_keys *used,
    struct da_diag *diag)
{
	DA_CLEANUP(da_session_list_freep) struct da_session_list *list = NULL;
	struct da_session_entry entry;
	enum da_err err = da_session_list_open(paths, ended, &list, diag);

	/* A damaged file does not open under any secret. */
	while (err == DA_OK && da_session_list_next(list, &entry, diag)) {
		if (!entry.damaged)
			note_key(used, entry.session.key_id);
		used->unknown |= entry.unread;
	}
	return err == DA_E_ABSENT ? DA_OK : err;
}

static enum da_err
retire_keys(const struct da_paths *paths, struct da_diag *diag)
{
	struct used_keys used = {.count = 0};
	enum da_err err = note_keys(paths, false, &used, diag);

	/* A session that ends in between is in the second list, at least. */
	if (err == DA_OK)
		err = note_keys(paths, true, &used, diag);
	if (err != DA_OK || used.unknown)
		return err;
	return da_host_keys_retire(paths,
	    (const char(*)[DA_HOST_KEY_ID_LEN + 1]) used.ids, used.count, diag);
}

enum da_err
da_session_tidy(const struct da_paths *paths, const struct da_host_keys *keys,
    struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int tokens = -1;
	DA_CLEANUP(da_file_closep) int revoke = -1;
	DA_CLEANUP(da_file_closep) int standings = -1;
	DA_CLEANUP(da_file_closep) int key_dir = -1;
	enum da_err err =
	    da_standing_open_dir(paths, paths->keys_dir, false, &key_dir, diag);

	if (err == DA_OK) {
		drop_temporary(key_dir);
		err = open_folder(paths, false, &tokens, diag);
	}
	if (err == DA_OK) {
		drop_temporary(tokens);
		err = open_folder(paths, true, &revoke, diag);
	}
	if (err == DA_OK)
		drop_temporary(revoke);
	if (err == DA_OK || (err == DA_E_ABSENT && tokens >= 0))
		err = da_standing_open_dir(
		    paths, paths->sessions_dir, false, &standings, diag);
	if (err == DA_OK) {
		drop_temporary(standings);
		drop_standings(standings, tokens, revoke);
	}
	if (err != DA_OK && err != DA_E_ABSENT)
		return err;
	return keys->count > 1 ? retire_keys(paths, diag) : DA_OK;
}
