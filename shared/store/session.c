/*
 * The order of the steps is what survives a kill between any two of them:
 *   create  the standing, then the file: without the first it does not open
 *   update  the file, then its number: a file that is ahead of it is fine
 *   end     the mark, then the file: an update that comes between finds the
 *           mark and brings its tokens to revoke/ itself
 */
#include "store/session.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/seal.h"
#include "store/session_record.h"
#include "store/standing.h"

#define PATH_LEN 512
#define OWNER_TEXT_LEN 320

void
da_session_init(struct da_session *session)
{
	*session = (struct da_session){0};
}

void
da_session_done(struct da_session *session)
{
	if (session == NULL)
		return;
	da_secret_done(&session->access_token);
	da_secret_done(&session->refresh_token);
	*session = (struct da_session){0};
}

void
da_session_swap_tokens(struct da_session *a, struct da_session *b)
{
	struct da_session was = *a;

#define TAKE(member, from, to)                                                 \
	memcpy(&(to)->member, &(from)->member, sizeof((to)->member))
	TAKE(access_token, b, a);
	TAKE(refresh_token, b, a);
	TAKE(token_type, b, a);
	TAKE(dpop_jkt, b, a);
	TAKE(access_expires_at_s, b, a);
	TAKE(access_token, &was, b);
	TAKE(refresh_token, &was, b);
	TAKE(token_type, &was, b);
	TAKE(dpop_jkt, &was, b);
	TAKE(access_expires_at_s, &was, b);
#undef TAKE
}

enum da_err
da_session_anchor(const struct da_paths *paths, int32_t owner_pid,
    struct da_anchor *ret, struct da_diag *diag)
{
	struct da_anchor anchor;
	enum da_err err = da_process_look(
	    paths->proc_dir, owner_pid, &anchor.owner, NULL, diag);

	if (err == DA_OK)
		err = da_process_audit_session(
		    paths->proc_dir, owner_pid, &anchor.audit, diag);
	if (err == DA_OK)
		*ret = anchor;
	return err;
}

bool
da_session_is_over(const struct da_paths *paths,
    const struct da_machine *machine, const struct da_session *session)
{
	return strcmp(session->boot_id, machine->boot_id) != 0 ||
	    !da_process_lives(paths->proc_dir, &session->anchor.owner);
}

bool
da_session_is_due(
    const struct da_session *session, int64_t margin_s, int64_t now_s)
{
	int64_t asked_s = session->verified_at_s;
	int64_t expires_s = session->access_expires_at_s != 0
	    ? session->access_expires_at_s
	    : asked_s + DA_TOKEN_LIFE_DEFAULT_S;
	int64_t half_s = asked_s + (expires_s - asked_s) / 2;
	int64_t due_s = expires_s - margin_s;

	/* Before it was asked for: the clock was set back. */
	return session->has_refresh &&
	    (now_s < asked_s || now_s >= (due_s > half_s ? due_s : half_s));
}

/* --- files --- */

static enum da_err
open_tokens(
    const struct da_paths *paths, bool make, int *ret_dir, struct da_diag *diag)
{
	return da_standing_open_dir(
	    paths, paths->tokens_dir, make, ret_dir, diag);
}

static enum da_err
open_revoke(
    const struct da_paths *paths, bool make, int *ret_dir, struct da_diag *diag)
{
	char path[PATH_LEN];

	(void)snprintf(path, sizeof(path), "%s/revoke", paths->tokens_dir);
	return da_standing_open_dir(paths, path, make, ret_dir, diag);
}

static enum da_err
new_id(struct da_session *session)
{
	uint8_t random[(DA_SESSION_MAX - DA_SESSION_PLACE_LEN) / 2];
	enum da_err err = da_session_place(
	    session->boot_id, &session->anchor, session->uid, session->id);

	if (err == DA_OK)
		err = da_secret_random(random, sizeof(random));
	if (err == DA_OK)
		da_text_hex(
		    random, sizeof(random), session->id + DA_SESSION_PLACE_LEN);
	return err;
}

static enum da_err
write_sealed(const struct da_host_keys *keys, int dir,
    const struct da_session *session, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf header;
	DA_CLEANUP(da_buf_done) struct da_buf body;
	DA_CLEANUP(da_buf_done) struct da_buf file;
	char binding[DA_SESSION_BINDING_MAX];
	enum da_err err;

	da_buf_init(&header, DA_SESSION_HEADER_MAX - DA_SEAL_OVERHEAD);
	da_buf_init(&body, DA_SESSION_BODY_MAX);
	da_buf_init(&file, DA_SESSION_FILE_MAX);
	da_session_format_binding(session->machine_id, session->boot_id,
	    &session->anchor, session->uid, binding);
	err = da_session_format(session, &header);
	if (err == DA_OK)
		err = da_session_format_tokens(session, &body);
	if (err == DA_OK)
		err = da_seal(
		    keys, DA_SESSION_PURPOSE, &header, binding, &body, &file);
	if (err != DA_OK) {
		da_diag_set(diag, "cannot seal the session's tokens");
		return err;
	}
	return da_file_replace(
	    dir, session->id, 0600, file.bytes, file.len, diag);
}

static enum da_err
read_file(const struct da_paths *paths, int dir, const char *id,
    struct da_buf *ret, struct da_diag *diag)
{
	const struct da_file_rule rule = {.owner = paths->owner,
	    .mode_max = 0600,
	    .size_max = DA_SESSION_FILE_MAX};

	return da_file_read_at(dir, id, &rule, ret, diag);
}

static enum da_err
read_facts(
    const struct da_buf *file, struct da_session *ret, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf header;
	enum da_err err;

	da_buf_init(&header, DA_SESSION_HEADER_MAX);
	err = da_seal_header(file, &header);
	if (err == DA_OK)
		err = da_session_parse(&header, ret);
	if (err == DA_OK || err == DA_E_NOMEM)
		return err;
	da_diag_set(diag, "the session's file is damaged");
	return DA_E_SYNTAX;
}

static enum da_err
read_sealed(const struct da_host_keys *keys, const struct da_buf *file,
    const char *binding, struct da_session *ret, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf body;
	enum da_err err;

	da_buf_init(&body, DA_SESSION_BODY_MAX);
	err = da_unseal(keys, DA_SESSION_PURPOSE, file, binding, &body, diag);
	return err != DA_OK ? err : da_session_parse_tokens(&body, ret);
}

/* --- create --- */

enum da_err
da_session_create(const struct da_paths *paths, const struct da_host_keys *keys,
    struct da_session *session, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	const struct da_machine *machine = &keys->machine;
	enum da_err err = open_tokens(paths, true, &dir, diag);

	if (err != DA_OK)
		return err;
	(void)snprintf(session->machine_id, sizeof(session->machine_id), "%s",
	    machine->machine_id);
	(void)snprintf(
	    session->boot_id, sizeof(session->boot_id), "%s", machine->boot_id);
	session->serial = 1;
	session->created_at_s = da_clock_wall_s();
	session->has_refresh = session->refresh_token.len > 0;
	err = new_id(session);
	if (err == DA_OK)
		err = da_standing_save(paths, session->id,
		    &(struct da_standing){.serial = session->serial}, diag);
	if (err != DA_OK)
		return err;
	err = write_sealed(keys, dir, session, diag);
	if (err != DA_OK) {
		/* It may stand there, if only the folder's sync failed. */
		(void)unlinkat(dir, session->id, 0);
		da_standing_remove(paths, session->id);
	}
	return err;
}

/* --- load --- */

static void
format_time(int64_t at_s, char *out, size_t size)
{
	time_t at = (time_t)at_s;
	struct tm local;

	if (localtime_r(&at, &local) == NULL ||
	    strftime(out, size, "%F %H:%M", &local) == 0)
		out[0] = '\0';
}

/* "host web1, session 42, ended 2026-01-31 12:31": from the clear text, so it
 * may say anything; it is for people only. */
static void
format_owner(const struct da_session *session, int64_t ended_at_s, char *out,
    size_t size)
{
	const struct da_anchor *anchor = &session->anchor;
	char when[32], which[64];

	format_time(ended_at_s > 0 ? ended_at_s : session->created_at_s, when,
	    sizeof(when));
	if (anchor->audit != DA_AUDIT_NONE)
		(void)snprintf(
		    which, sizeof(which), "session %" PRIu32, anchor->audit);
	else
		(void)snprintf(which, sizeof(which), "session of process %d",
		    (int)anchor->owner.pid);
	(void)snprintf(out, size, "host %.200s, %s, %s %s", session->host,
	    which, ended_at_s > 0 ? "ended" : "begun", when);
}

/* Who asks, and what is known here of the session. */
struct question {
	const struct da_machine *machine;
	const struct da_anchor *caller; /* NULL: nobody in a session */
	uint32_t uid;
	const char *id;
	int64_t serial_min;
	int64_t ended_at_s; /* 0 = it runs, -1 = nothing is known of it */
};

static enum da_err
check_place(const struct question *question, const struct da_session *session,
    struct da_diag *diag)
{
	char owner[OWNER_TEXT_LEN];

	format_owner(session, question->ended_at_s, owner, sizeof(owner));
	if (strcmp(session->machine_id, question->machine->machine_id) != 0) {
		da_diag_set(diag,
		    "this token belongs to %s; it is of no use on another "
		    "host",
		    owner);
		return DA_E_ELSEWHERE;
	}
	if (strcmp(session->boot_id, question->machine->boot_id) != 0) {
		da_diag_set(diag,
		    "this token belongs to %s; the host was started anew "
		    "since",
		    owner);
		return DA_E_ELSEWHERE;
	}
	if (strcmp(session->id, question->id) != 0 ||
	    (question->caller != NULL &&
		(!da_anchor_equal(&session->anchor, question->caller) ||
		    session->uid != question->uid))) {
		da_diag_set(diag,
		    "this token belongs to %s, uid %" PRIu32
		    "; it is of no use in another session",
		    owner, session->uid);
		return DA_E_ELSEWHERE;
	}
	return DA_OK;
}

static enum da_err
check_standing(const struct question *question,
    const struct da_session *session, struct da_diag *diag)
{
	char owner[OWNER_TEXT_LEN];

	format_owner(session, question->ended_at_s, owner, sizeof(owner));
	if (question->ended_at_s > 0)
		da_diag_set(diag, "this token belongs to %s", owner);
	else if (question->ended_at_s < 0)
		da_diag_set(diag,
		    "this token belongs to %s; that session is over", owner);
	else if (session->serial < question->serial_min)
		da_diag_set(
		    diag, "this is an older copy of the token of %s", owner);
	else
		return DA_OK;
	return DA_E_ENDED;
}

static enum da_err
look_up_standing(const struct da_paths *paths, struct question *question,
    struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int fd = -1;
	struct da_standing standing;
	enum da_err err = da_standing_open(paths, question->id, &fd, diag);

	if (err == DA_OK)
		err = da_standing_read(fd, &standing, diag);
	if (err == DA_E_ABSENT || err == DA_E_SYNTAX) {
		question->ended_at_s = -1;
		return DA_OK;
	}
	if (err == DA_OK) {
		question->serial_min = standing.serial;
		question->ended_at_s = standing.ended_at_s;
	}
	return err;
}

/* Not among the running ones: was it? */
static enum da_err
explain_absence(
    const struct da_paths *paths, const char *id, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	struct stat st;
	char when[32];

	if (open_revoke(paths, false, &dir, NULL) != DA_OK ||
	    fstatat(dir, id, &st, AT_SYMLINK_NOFOLLOW) != 0) {
		da_diag_set(diag, "no such session");
		return DA_E_ABSENT;
	}
	format_time(st.st_mtim.tv_sec, when, sizeof(when));
	da_diag_set(diag, "this session ended %s", when);
	return DA_E_ENDED;
}

static enum da_err
open_session(const struct da_host_keys *keys, const struct question *question,
    const struct da_buf *file, struct da_session *ret, struct da_diag *diag)
{
	char binding[DA_SESSION_BINDING_MAX];
	enum da_err err = read_facts(file, ret, diag);

	if (err == DA_OK)
		err = check_place(question, ret, diag);
	if (err == DA_OK)
		err = check_standing(question, ret, diag);
	if (err != DA_OK)
		return err;
	/* The checks above are for the text. This is what counts: nothing in
	 * here is the file's own but, for the sweep, session and uid. */
	da_session_format_binding(question->machine->machine_id,
	    question->machine->boot_id,
	    question->caller != NULL ? question->caller : &ret->anchor,
	    question->caller != NULL ? question->uid : ret->uid, binding);
	return read_sealed(keys, file, binding, ret, diag);
}

enum da_err
da_session_load(const struct da_paths *paths, const struct da_host_keys *keys,
    const char *id, const struct da_anchor *caller, uint32_t uid,
    struct da_session *ret, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	DA_CLEANUP(da_buf_done) struct da_buf file;
	struct question question = {
	    .machine = &keys->machine, .caller = caller, .uid = uid, .id = id};
	enum da_err err;

	da_session_init(ret);
	da_buf_init(&file, DA_SESSION_FILE_MAX);
	if (!da_session_is_id(id)) {
		da_diag_set(diag, "not the form of a session's id");
		return DA_E_ABSENT;
	}
	err = open_tokens(paths, false, &dir, diag);
	/* The number first: an update in between makes the file newer. */
	if (err == DA_OK)
		err = look_up_standing(paths, &question, diag);
	if (err == DA_OK)
		err = read_file(paths, dir, id, &file, diag);
	if (err == DA_E_ABSENT)
		return explain_absence(paths, id, diag);
	if (err == DA_OK)
		err = open_session(keys, &question, &file, ret, diag);
	if (err != DA_OK)
		da_session_done(ret);
	return err;
}

/* --- update --- */

enum da_err
da_session_lock(const struct da_paths *paths, const char *id, int64_t wait_ms,
    int *ret_lock, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int fd = -1;
	struct da_standing standing;
	enum da_err err = DA_E_ABSENT;

	if (da_session_is_id(id))
		err = da_standing_open(paths, id, &fd, diag);
	if (err == DA_OK)
		err = da_file_lock_for(fd, "the session", wait_ms, diag);
	if (err == DA_OK)
		err = da_standing_read(fd, &standing, diag);
	if (err == DA_E_ABSENT || (err == DA_OK && standing.ended_at_s != 0)) {
		da_diag_set(diag, "no such session, or it has ended");
		return DA_E_ABSENT;
	}
	if (err == DA_OK) {
		*ret_lock = fd;
		fd = -1;
	}
	return err;
}

/* The session ended while somebody asked the provider for new tokens: they go
 * where they are revoked, under a name that nobody works on. */
static enum da_err
hand_to_revoke(const struct da_paths *paths, const struct da_host_keys *keys,
    int dir, struct da_session *session, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int revoke = -1;
	char id[DA_SESSION_MAX + 1];
	enum da_err err = open_revoke(paths, true, &revoke, diag);

	memcpy(id, session->id, sizeof(id));
	if (err == DA_OK)
		err = new_id(session);
	if (err == DA_OK)
		err = write_sealed(keys, revoke, session, diag);
	if (err != DA_OK)
		return err;
	(void)unlinkat(dir, id, 0); /* most often it is gone already */
	da_diag_set(diag, "the session has ended");
	return DA_E_ENDED;
}

static bool
has_ended(int standing_fd, struct da_standing *ret)
{
	return da_standing_read(standing_fd, ret, NULL) != DA_OK ||
	    ret->ended_at_s != 0;
}

enum da_err
da_session_update(const struct da_paths *paths, const struct da_host_keys *keys,
    struct da_session *session, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	DA_CLEANUP(da_file_closep) int fd = -1;
	struct da_standing standing;
	enum da_err err = open_tokens(paths, false, &dir, diag);

	if (err == DA_OK)
		err = da_standing_open(paths, session->id, &fd, diag);
	if (err != DA_OK && err != DA_E_ABSENT)
		return err;
	session->has_refresh = session->refresh_token.len > 0;
	session->serial++;
	if (fd < 0 || has_ended(fd, &standing))
		return hand_to_revoke(paths, keys, dir, session, diag);
	if (session->serial <= standing.serial) {
		da_diag_set(diag, "the session was changed by another");
		return DA_E_BUG;
	}
	err = write_sealed(keys, dir, session, diag);
	if (err != DA_OK)
		return err;
	/* Were it not written, an older copy could be put back: no more. */
	DA_IGNORE(da_standing_set_serial(fd, session->serial));
	return has_ended(fd, &standing)
	    ? hand_to_revoke(paths, keys, dir, session, diag)
	    : DA_OK;
}

/* --- end --- */

enum da_err
da_session_end(
    const struct da_paths *paths, const char *id, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	DA_CLEANUP(da_file_closep) int revoke = -1;
	DA_CLEANUP(da_file_closep) int fd = -1;
	enum da_err err = DA_E_ABSENT;

	if (da_session_is_id(id))
		err = open_tokens(paths, false, &dir, diag);
	if (err == DA_OK)
		err = open_revoke(paths, true, &revoke, diag);
	if (err != DA_OK)
		return err;
	/* Of another boot there is no standing, and of no use. When the mark
	 * cannot be made the whole goes: a session without is over, too. */
	if (da_standing_open(paths, id, &fd, NULL) == DA_OK &&
	    da_standing_set_ended(fd, da_clock_wall_s()) != DA_OK)
		da_standing_remove(paths, id);
	/* The file's time is the end's from here on. Best effort. */
	(void)utimensat(dir, id, NULL, AT_SYMLINK_NOFOLLOW);
	if (renameat(dir, id, revoke, id) != 0) {
		da_diag_set(diag, "cannot end the session: %m");
		return errno == ENOENT ? DA_E_ABSENT : DA_E_SYS;
	}
	return DA_OK;
}

enum da_err
da_session_load_ended(const struct da_paths *paths,
    const struct da_host_keys *keys, const char *id, struct da_session *ret,
    int *ret_lock, struct da_diag *diag)
{
	const struct da_file_rule rule = {.owner = paths->owner,
	    .mode_max = 0600,
	    .size_max = DA_SESSION_FILE_MAX};
	struct question question = {.machine = &keys->machine, .id = id};
	DA_CLEANUP(da_buf_done) struct da_buf file;
	DA_CLEANUP(da_file_closep) int lock = -1;
	DA_CLEANUP(da_file_closep) int dir = -1;
	char path[PATH_LEN];
	enum da_err err = DA_E_ABSENT;

	da_session_init(ret);
	da_buf_init(&file, DA_SESSION_FILE_MAX);
	(void)snprintf(
	    path, sizeof(path), "%s/revoke/%s", paths->tokens_dir, id);
	/* Files here are never replaced, so the file is its own lock. */
	if (da_session_is_id(id))
		err = da_file_open(path, &rule, &lock, diag);
	if (err == DA_OK)
		err = da_file_lock_for(lock, "the session", 0, diag);
	if (err == DA_OK)
		err = open_revoke(paths, false, &dir, diag);
	if (err == DA_OK)
		err = read_file(paths, dir, id, &file, diag);
	if (err == DA_OK)
		err = read_facts(&file, ret, diag);
	if (err == DA_OK) {
		/* Its boot may be over, which is why it is here. */
		struct da_machine machine = keys->machine;

		memcpy(machine.boot_id, ret->boot_id, sizeof(machine.boot_id));
		question.machine = &machine;
		err = open_session(keys, &question, &file, ret, diag);
	}
	if (err != DA_OK) {
		da_session_done(ret);
		return err;
	}
	*ret_lock = lock;
	lock = -1;
	return DA_OK;
}

enum da_err
da_session_note_try(const struct da_paths *paths, const char *id,
    int64_t now_mono_ms, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int fd = -1;
	/* What is left of another boot has none yet. */
	struct da_standing standing = {.ended_at_s = da_clock_wall_s()};

	if (!da_session_is_id(id))
		return DA_E_BUG;
	if (da_standing_open(paths, id, &fd, NULL) == DA_OK)
		DA_IGNORE(da_standing_read(fd, &standing, NULL)); /* or anew */
	standing.tries++;
	standing.tried_mono_ms = now_mono_ms;
	return da_standing_save(paths, id, &standing, diag);
}

enum da_err
da_session_remove(
    const struct da_paths *paths, const char *id, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	enum da_err err = DA_E_ABSENT;

	if (da_session_is_id(id))
		err = open_revoke(paths, false, &dir, diag);
	if (err != DA_OK)
		return err;
	if (unlinkat(dir, id, 0) != 0 && errno != ENOENT) {
		da_diag_set(diag, "cannot remove an ended session: %m");
		return DA_E_SYS;
	}
	da_standing_remove(paths, id);
	return DA_OK;
}
