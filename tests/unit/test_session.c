/* store/session.c, store/session_list.c, store/session_record.c,
 * store/standing.c, store/process.c */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/secret.h"
#include "fault.h"
#include "folder.h"
#include "host.h"
#include "store/session.h"

#define UID 2000000001u
#define OWNER 500
#define SUDO 520
#define AUDIT 42u
#define ACCESS "access-token-canary"
#define REFRESH "refresh-token-canary"

static struct test_folder folder;
static struct da_diag diag;
static struct da_host_keys keys;
static char revoke_dir[160];
static char last_id[DA_SESSION_MAX + 1]; /* of make() */

/* sshd 500 -> shell 510 -> sudo 520. */
static void
make_processes(uint32_t audit)
{
	test_host_process(&folder, 1, 0, 1, DA_AUDIT_NONE);
	test_host_process(&folder, OWNER, 1, 1000, audit);
	test_host_process(&folder, 510, OWNER, 1010, audit);
	test_host_process(&folder, SUDO, 510, 1020, audit);
}

static int
set_up(void **state)
{
	(void)state;
	test_folder_init_in(&folder, "/dev/shm");
	test_host_ids(&folder, TEST_MACHINE_A, TEST_BOOT_A, TEST_UUID_A);
	make_processes(AUDIT);
	(void)snprintf(revoke_dir, sizeof(revoke_dir), "%s/revoke",
	    folder.paths.tokens_dir);
	assert_int_equal(da_host_keys_load(&folder.paths, &keys, &diag), DA_OK);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	da_host_keys_done(&keys);
	test_folder_done(&folder);
	return 0;
}

static void
set_tokens(struct da_session *session, const char *access, const char *refresh)
{
	da_secret_done(&session->access_token);
	da_secret_done(&session->refresh_token);
	assert_int_equal(
	    da_secret_set(&session->access_token, access, strlen(access)),
	    DA_OK);
	assert_int_equal(
	    da_secret_set(&session->refresh_token, refresh, strlen(refresh)),
	    DA_OK);
}

static void
fill(struct da_session *session, uint32_t uid)
{
	da_session_init(session);
	*session = (struct da_session){
	    .uid = uid,
	    .host = "web1",
	    .account = "alice",
	    .person = "alice",
	    .who = "alice@example.com",
	    .profile = "corp",
	    .issuer = "https://login.example.com/realm",
	    .subject = "f3b1-42",
	    .service = "sshd",
	    .source = "203.0.113.7",
	    .tty = "ssh",
	    .grant = "00112233445566778899aabbccddeeff",
	    .acr = "phr",
	    .amr = "pwd hwk",
	    .auth_time_s = 1700000001,
	    .verified_at_s = 1700000002,
	    .verified_mono_ms = 77777,
	    .access_expires_at_s = 1700000300,
	    .signed_in_mono_ms = 1700009999,
	    .token_type = "DPoP",
	    .dpop_jkt = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
	};
	assert_int_equal(
	    da_session_anchor(&folder.paths, OWNER, &session->anchor, &diag),
	    DA_OK);
	set_tokens(session, ACCESS, REFRESH);
}

/* Makes a session of that uid; its id is in last_id. */
static const char *
make(uint32_t uid)
{
	struct da_session session;

	fill(&session, uid);
	assert_int_equal(
	    da_session_create(&folder.paths, &keys, &session, &diag), DA_OK);
	memcpy(last_id, session.id, sizeof(last_id));
	da_session_done(&session);
	return last_id;
}

static struct da_anchor
here(void)
{
	return (struct da_anchor){AUDIT, {OWNER, 1000}};
}

static bool
is_empty(const struct da_session *session)
{
	static const struct da_session empty;

	return memcmp(session, &empty, sizeof(empty)) == 0;
}

/* As somebody in the session, with the keys of a machine. */
static enum da_err
open_with(const struct test_folder *where, const struct da_host_keys *with,
    const char *id)
{
	const struct da_anchor anchor = here();
	struct da_session session;
	enum da_err err;

	diag.text[0] = '\0';
	err = da_session_load(
	    &where->paths, with, id, &anchor, UID, &session, &diag);
	assert_true(err == DA_OK || is_empty(&session));
	/* Tokens are never what somebody reads. */
	assert_null(strstr(diag.text, "canary"));
	da_session_done(&session);
	return err;
}

static enum da_err
open_here(const char *id)
{
	return open_with(&folder, &keys, id);
}

static void
assert_secret(const struct da_secret *secret, const char *text)
{
	assert_int_equal(secret->len, strlen(text));
	assert_memory_equal(secret->bytes, text, secret->len);
}

/* --- the life of a session --- */

static void
test_create_and_load(void **state)
{
	const struct da_anchor anchor = here();
	struct da_session session, expected;
	int64_t now_s = da_clock_wall_s();
	const char *id = make(UID);

	(void)state;
	assert_int_equal(da_session_load(&folder.paths, &keys, id, &anchor, UID,
			     &session, &diag),
	    DA_OK);
	assert_secret(&session.access_token, ACCESS);
	assert_secret(&session.refresh_token, REFRESH);
	assert_in_range(session.created_at_s, now_s, now_s + 30);
	assert_string_equal(session.id, id);
	assert_string_equal(session.machine_id, TEST_MACHINE_A);
	assert_string_equal(session.boot_id, TEST_BOOT_A);
	assert_string_equal(session.key_id, keys.keys[0].id);
	assert_int_equal(session.serial, 1);
	assert_true(session.has_refresh);
	assert_int_equal(session.anchor.audit, AUDIT);
	assert_int_equal(session.anchor.owner.pid, OWNER);
	assert_int_equal(session.anchor.owner.start_ticks, 1000);
	/* All the rest is as it was given. */
	fill(&expected, UID);
	assert_string_equal(session.host, expected.host);
	assert_memory_equal(&session.account, &expected.account,
	    offsetof(struct da_session, auth_time_s) -
		offsetof(struct da_session, account));
	assert_int_equal(session.auth_time_s, expected.auth_time_s);
	assert_int_equal(session.verified_at_s, expected.verified_at_s);
	assert_int_equal(session.verified_mono_ms, expected.verified_mono_ms);
	assert_int_equal(
	    session.access_expires_at_s, expected.access_expires_at_s);
	assert_int_equal(session.signed_in_mono_ms, expected.signed_in_mono_ms);
	assert_string_equal(session.token_type, expected.token_type);
	assert_string_equal(session.dpop_jkt, expected.dpop_jkt);
	da_session_done(&expected);
	da_session_done(&session);
	assert_true(is_empty(&session));
}

/* A session without tokens, and one with the longest. */
static void
test_create_extremes(void **state)
{
	const struct da_anchor anchor = here();
	struct da_session session;
	char *big = malloc(DA_TOKEN_MAX);

	(void)state;
	assert_non_null(big);
	memset(big, 'x', DA_TOKEN_MAX);
	for (size_t len = 0; len <= DA_TOKEN_MAX; len += DA_TOKEN_MAX) {
		char id[DA_SESSION_MAX + 1];

		fill(&session, UID);
		da_session_done(&session);
		session.anchor = anchor;
		session.uid = UID;
		if (len > 0) {
			assert_int_equal(
			    da_secret_set(&session.access_token, big, len),
			    DA_OK);
			assert_int_equal(
			    da_secret_set(&session.refresh_token, big, len),
			    DA_OK);
			memset(session.issuer, 'i', DA_ISSUER_MAX);
			memset(session.subject, 's', DA_SUBJECT_MAX);
			memset(session.who, 'w', DA_CLAIM_MAX);
			memset(session.acr, 'a', DA_CLAIM_MAX);
			memset(session.amr, 'a', DA_CLAIM_MAX);
			memset(session.source, 's', DA_HOST_MAX);
			memset(session.host, 'h', DA_HOST_MAX);
		}
		assert_int_equal(
		    da_session_create(&folder.paths, &keys, &session, &diag),
		    DA_OK);
		memcpy(id, session.id, sizeof(id));
		da_session_done(&session);
		assert_int_equal(da_session_load(&folder.paths, &keys, id,
				     &anchor, UID, &session, &diag),
		    DA_OK);
		assert_int_equal(session.refresh_token.len, len);
		assert_int_equal(session.has_refresh, len > 0);
		da_session_done(&session);
	}
	free(big);
}

/* A line break in a field would be a field more. */
static void
test_create_refuses_lines(void **state)
{
	struct da_session session;

	(void)state;
	fill(&session, UID);
	(void)snprintf(session.source, sizeof(session.source), "a\nuid=0\nb=");
	assert_int_equal(
	    da_session_create(&folder.paths, &keys, &session, &diag),
	    DA_E_SYNTAX);
	da_session_done(&session);
	assert_int_equal(test_host_count(folder.paths.tokens_dir, ""), 0);
	assert_int_equal(test_host_count(folder.paths.sessions_dir, ""), 0);
}

static enum da_err
update(const char *id, const char *access, const char *refresh)
{
	DA_CLEANUP(da_file_closep) int lock = -1;
	DA_CLEANUP(da_session_done) struct da_session session;
	enum da_err err;

	da_session_init(&session);
	err = da_session_lock(&folder.paths, id, 0, &lock, &diag);
	if (err == DA_OK)
		err = da_session_load(
		    &folder.paths, &keys, id, NULL, 0, &session, &diag);
	if (err != DA_OK)
		return err;
	set_tokens(&session, access, refresh);
	return da_session_update(&folder.paths, &keys, &session, &diag);
}

static void
test_update(void **state)
{
	const struct da_anchor anchor = here();
	struct da_session session;
	const char *id = make(UID);

	(void)state;
	assert_int_equal(update(id, "a2", "r2"), DA_OK);
	assert_int_equal(update(id, "a3", "r3"), DA_OK);
	assert_int_equal(da_session_load(&folder.paths, &keys, id, &anchor, UID,
			     &session, &diag),
	    DA_OK);
	assert_secret(&session.access_token, "a3");
	assert_secret(&session.refresh_token, "r3");
	assert_int_equal(session.serial, 3);
	/* Loaded, and then changed by another. */
	assert_int_equal(update(id, "a4", "r4"), DA_OK);
	assert_int_equal(
	    da_session_update(&folder.paths, &keys, &session, &diag), DA_E_BUG);
	da_session_done(&session);
	assert_int_equal(open_here(id), DA_OK);
}

static void
test_end(void **state)
{
	struct da_session session;
	char id[DA_SESSION_MAX + 1];
	int lock, second;

	(void)state;
	memcpy(id, make(UID), sizeof(id));
	assert_int_equal(da_session_end(&folder.paths, id, &diag), DA_OK);
	assert_int_equal(test_host_count(folder.paths.tokens_dir, id), 0);
	assert_int_equal(open_here(id), DA_E_ENDED);
	assert_non_null(strstr(diag.text, "this session ended 20"));
	assert_int_equal(
	    da_session_lock(&folder.paths, id, 0, &lock, &diag), DA_E_ABSENT);
	assert_int_equal(da_session_end(&folder.paths, id, &diag), DA_E_ABSENT);
	/* It opens for its revocation, to one at a time. */
	assert_int_equal(da_session_load_ended(
			     &folder.paths, &keys, id, &session, &lock, &diag),
	    DA_OK);
	assert_secret(&session.refresh_token, REFRESH);
	assert_string_equal(session.profile, "corp");
	da_session_done(&session);
	assert_int_equal(da_session_load_ended(&folder.paths, &keys, id,
			     &session, &second, &diag),
	    DA_E_TIMEOUT);
	da_file_closep(&lock);
	assert_int_equal(da_session_remove(&folder.paths, id, &diag), DA_OK);
	assert_int_equal(open_here(id), DA_E_ABSENT);
	assert_int_equal(test_host_count(revoke_dir, ""), 0);
	assert_int_equal(test_host_count(folder.paths.sessions_dir, ""), 0);
}

/* The boot is over: nothing opens, but what it left can be revoked. */
static void
test_end_of_boot(void **state)
{
	struct da_session session;
	struct da_host_keys now;
	const char *id = make(UID);
	char command[128];
	int lock;

	(void)state;
	(void)snprintf(
	    command, sizeof(command), "rm -rf '%s/run'", folder.root);
	assert_int_equal(system(command), 0);
	test_host_ids(&folder, TEST_MACHINE_A, TEST_BOOT_B, TEST_UUID_A);
	assert_int_equal(da_host_keys_load(&folder.paths, &now, &diag), DA_OK);
	assert_int_equal(open_with(&folder, &now, id), DA_E_ELSEWHERE);
	assert_non_null(strstr(diag.text, "host web1, session 42"));
	assert_non_null(strstr(diag.text, "started anew"));
	assert_int_equal(da_session_end(&folder.paths, id, &diag), DA_OK);
	assert_int_equal(da_session_load_ended(
			     &folder.paths, &now, id, &session, &lock, &diag),
	    DA_OK);
	assert_secret(&session.refresh_token, REFRESH);
	da_session_done(&session);
	da_file_closep(&lock);
	assert_int_equal(
	    da_session_note_try(&folder.paths, id, 5000, &diag), DA_OK);
	assert_int_equal(da_session_remove(&folder.paths, id, &diag), DA_OK);
	da_host_keys_done(&now);
}

/* Somebody logs out while the provider makes new tokens. */
static void
test_end_during_refresh(void **state)
{
	struct da_session_list *list;
	struct da_session_entry entry;
	struct da_session session;
	char id[DA_SESSION_MAX + 1];
	unsigned new_tokens = 0, files = 0;
	int lock, second;

	(void)state;
	memcpy(id, make(UID), sizeof(id));
	assert_int_equal(
	    da_session_lock(&folder.paths, id, 0, &lock, &diag), DA_OK);
	assert_int_equal(
	    da_session_load(&folder.paths, &keys, id, NULL, 0, &session, &diag),
	    DA_OK);
	assert_int_equal(da_session_end(&folder.paths, id, &diag), DA_OK);
	set_tokens(&session, "a2", "r2");
	assert_int_equal(
	    da_session_update(&folder.paths, &keys, &session, &diag),
	    DA_E_ENDED);
	da_session_done(&session);
	da_file_closep(&lock);
	assert_int_equal(open_here(id), DA_E_ENDED);
	assert_int_equal(
	    da_session_list_open(&folder.paths, true, &list, &diag), DA_OK);
	while (da_session_list_next(list, &entry, &diag)) {
		assert_int_equal(
		    da_session_load_ended(&folder.paths, &keys,
			entry.session.id, &session, &second, &diag),
		    DA_OK);
		new_tokens += memcmp(session.refresh_token.bytes, "r2", 3) == 0;
		files++;
		da_session_done(&session);
		da_file_closep(&second);
	}
	da_session_list_freep(&list);
	assert_int_equal(files, 2);
	assert_int_equal(new_tokens, 1);
}

/* --- finding --- */

static enum da_err
find(int32_t pid, uint32_t uid, char *ret_id)
{
	struct da_anchor anchor;
	struct da_session session;
	enum da_err err = da_session_find(
	    &folder.paths, &keys, pid, uid, ret_id, &anchor, &diag);

	if (err != DA_OK)
		return err;
	/* What it says is what opens it. */
	assert_int_equal(da_session_load(&folder.paths, &keys, ret_id, &anchor,
			     uid, &session, &diag),
	    DA_OK);
	da_session_done(&session);
	return DA_OK;
}

static void
test_find_by_audit_session(void **state)
{
	char id[DA_SESSION_MAX + 1], found[DA_SESSION_MAX + 1];

	(void)state;
	memcpy(id, make(UID), sizeof(id));
	assert_int_equal(find(SUDO, UID, found), DA_OK);
	assert_string_equal(found, id);
	/* In tmux, whose server has left the family. */
	test_host_process(&folder, 600, 1, 5000, AUDIT);
	assert_int_equal(find(600, UID, found), DA_OK);
	/* Another person, another session, none, no such process. */
	assert_int_equal(find(SUDO, UID + 1, found), DA_E_ABSENT);
	test_host_process(&folder, 601, 510, 5001, AUDIT + 1);
	assert_int_equal(find(601, UID, found), DA_E_ABSENT);
	test_host_process(&folder, 602, 510, 5002, DA_AUDIT_NONE);
	assert_int_equal(find(602, UID, found), DA_E_ABSENT);
	assert_int_equal(find(603, UID, found), DA_E_ABSENT);
	/* When it is over it is not found. */
	assert_int_equal(da_session_end(&folder.paths, id, &diag), DA_OK);
	assert_int_equal(find(SUDO, UID, found), DA_E_ABSENT);
}

static void
test_find_by_ancestor(void **state)
{
	char outer[DA_SESSION_MAX + 1], found[DA_SESSION_MAX + 1];
	struct da_session inner;

	(void)state;
	make_processes(DA_AUDIT_NONE);
	memcpy(outer, make(UID), sizeof(outer));
	assert_int_equal(find(SUDO, UID, found), DA_OK);
	assert_string_equal(found, outer);
	assert_int_equal(find(OWNER, UID, found), DA_OK);
	/* The nearest counts: a login inside of it. */
	fill(&inner, UID);
	inner.anchor.owner = (struct da_process){510, 1010};
	assert_int_equal(
	    da_session_create(&folder.paths, &keys, &inner, &diag), DA_OK);
	assert_int_equal(find(SUDO, UID, found), DA_OK);
	assert_string_equal(found, inner.id);
	da_session_done(&inner);
	assert_int_equal(find(OWNER, UID, found), DA_OK);
	assert_string_equal(found, outer);
	/* One who left the family, and another process of the same pid. */
	test_host_process(&folder, 600, 1, 5000, DA_AUDIT_NONE);
	assert_int_equal(find(600, UID, found), DA_E_ABSENT);
	test_host_process(&folder, OWNER, 1, 1001, DA_AUDIT_NONE);
	assert_int_equal(find(OWNER, UID, found), DA_E_ABSENT);
	/* A family without end. */
	test_host_process(&folder, 700, 701, 1, DA_AUDIT_NONE);
	test_host_process(&folder, 701, 700, 1, DA_AUDIT_NONE);
	assert_int_equal(find(700, UID, found), DA_E_ABSENT);
}

static void
test_find_side_by_side(void **state)
{
	char ids[3][DA_SESSION_MAX + 1], found[DA_SESSION_MAX + 1];
	struct da_session session;

	(void)state;
	for (uint32_t i = 0; i < 3; i++) {
		make_processes(AUDIT + i);
		memcpy(ids[i], make(UID), sizeof(ids[i]));
	}
	for (uint32_t i = 0; i < 3; i++) {
		make_processes(AUDIT + i);
		assert_int_equal(find(SUDO, UID, found), DA_OK);
		assert_string_equal(found, ids[i]);
	}
	/* Twice in one session of the kernel: the later one. */
	fill(&session, UID);
	session.verified_mono_ms = 88888;
	assert_int_equal(
	    da_session_create(&folder.paths, &keys, &session, &diag), DA_OK);
	assert_int_equal(find(SUDO, UID, found), DA_OK);
	assert_string_equal(found, session.id);
	da_session_done(&session);
}

static void
test_processes(void **state)
{
	const struct da_process owner = {OWNER, 1000};
	const struct da_process reused = {OWNER, 999};
	struct da_process process;
	uint32_t audit;
	int32_t parent;

	(void)state;
	assert_int_equal(da_process_look(folder.paths.proc_dir, SUDO, &process,
			     &parent, &diag),
	    DA_OK);
	assert_int_equal(process.pid, SUDO);
	assert_int_equal(process.start_ticks, 1020);
	assert_int_equal(parent, 510);
	assert_true(da_process_lives(folder.paths.proc_dir, &owner));
	assert_false(da_process_lives(folder.paths.proc_dir, &reused));
	test_folder_write(&folder, "proc/500/stat", 0444,
	    "500 (sshd) Z 1 1 1 0 -1 1 1 1 1 1 1 1 1 1 20 0 1 0 1000 1\n");
	assert_false(da_process_lives(folder.paths.proc_dir, &owner));
	test_folder_write(&folder, "proc/500/stat", 0444, "500 (sshd) S\n");
	assert_int_equal(da_process_look(folder.paths.proc_dir, OWNER, &process,
			     NULL, &diag),
	    DA_E_SYNTAX);
	test_host_process_ends(&folder, OWNER);
	assert_false(da_process_lives(folder.paths.proc_dir, &owner));
	assert_int_equal(da_process_audit_session(
			     folder.paths.proc_dir, OWNER, &audit, &diag),
	    DA_E_ABSENT);
	test_folder_write(&folder, "proc/510/sessionid", 0444, "-1");
	assert_int_equal(
	    da_process_audit_session(folder.paths.proc_dir, 510, &audit, &diag),
	    DA_E_SYNTAX);
	/* And the real one. */
	assert_int_equal(
	    da_process_look("/proc", getpid(), &process, &parent, &diag),
	    DA_OK);
	assert_int_equal(parent, getppid());
	assert_true(da_process_lives("/proc", &process));
	assert_int_equal(
	    da_process_audit_session("/proc", getpid(), &audit, &diag), DA_OK);
}

/* --- B1, B3, B5: files that are not what they were --- */

/* All of /var/lib/devauth and /run/devauth on another machine; and there, in
 * each clear text, the names that the machine has. */
static void
take_away(const char *machine_id, const char *boot_id, const char *product_uuid)
{
	struct test_folder there;
	struct da_host_keys theirs;
	DA_CLEANUP(da_buf_done) struct da_buf file;
	struct da_session session;
	const char *id = make(UID);
	int lock;
	char *at;

	test_folder_init_in(&there, "/dev/shm");
	test_host_copy(&folder, &there);
	test_host_ids(&there, machine_id, boot_id, product_uuid);
	assert_int_equal(
	    da_host_keys_load(&there.paths, &theirs, &diag), DA_OK);
	assert_string_equal(theirs.keys[0].id, keys.keys[0].id);
	if (strcmp(machine_id, TEST_MACHINE_A) != 0 ||
	    strcmp(boot_id, TEST_BOOT_A) != 0) {
		assert_int_equal(
		    open_with(&there, &theirs, id), DA_E_ELSEWHERE);
		assert_non_null(strstr(
		    diag.text, "belongs to host web1, session 42, begun 20"));
	} else {
		assert_int_equal(open_with(&there, &theirs, id), DA_E_SEAL);
	}
	da_buf_init(&file, 100000);
	test_host_read(there.paths.tokens_dir, id, &file);
	at = strstr((char *)file.bytes, "machine_id=");
	assert_non_null(at);
	memcpy(strchr(at, '=') + 1, machine_id, 32);
	at = strstr((char *)file.bytes, "boot_id=");
	assert_non_null(at);
	memcpy(strchr(at, '=') + 1, boot_id, 36);
	test_host_write(there.paths.tokens_dir, id, file.bytes, file.len);
	assert_int_equal(open_with(&there, &theirs, id), DA_E_SEAL);
	/* Nor can the provider be asked to revoke it from there. */
	assert_int_equal(da_session_end(&there.paths, id, &diag), DA_OK);
	assert_int_equal(da_session_load_ended(
			     &there.paths, &theirs, id, &session, &lock, &diag),
	    DA_E_SEAL);
	da_host_keys_done(&theirs);
	test_folder_done(&there);
	assert_int_equal(open_here(id), DA_OK);
}

static void
test_b1_taken_away(void **state)
{
	(void)state;
	take_away(TEST_MACHINE_B, TEST_BOOT_B, TEST_UUID_B);
	take_away(TEST_MACHINE_B, TEST_BOOT_A, TEST_UUID_A);
	take_away(TEST_MACHINE_A, TEST_BOOT_A, TEST_UUID_B);
	take_away(TEST_MACHINE_A, TEST_BOOT_A, NULL);
	take_away(TEST_MACHINE_A, TEST_BOOT_B, TEST_UUID_A);
}

/* A clone that also has the ids still has another boot. */
static void
test_b1_clone(void **state)
{
	const struct da_anchor anchor = here();
	const char *id = make(UID);
	struct da_session session;
	struct da_host_keys forged;

	(void)state;
	assert_int_equal(
	    da_host_keys_load(&folder.paths, &forged, &diag), DA_OK);
	memcpy(forged.machine.boot_id, TEST_BOOT_B, 36);
	assert_int_equal(da_session_load(&folder.paths, &forged, id, &anchor,
			     UID, &session, &diag),
	    DA_E_ELSEWHERE);
	da_host_keys_done(&forged);
}

/* Another session, another uid; and files that say what is asked for. */
static void
test_other_session(void **state)
{
	const char *id = make(UID);
	struct da_anchor anchor = here();
	DA_CLEANUP(da_buf_done) struct da_buf file;
	struct da_session session;
	char *at;

	(void)state;
	anchor.audit++;
	assert_int_equal(da_session_load(&folder.paths, &keys, id, &anchor, UID,
			     &session, &diag),
	    DA_E_ELSEWHERE);
	assert_non_null(strstr(diag.text, "host web1, session 42"));
	anchor.audit = DA_AUDIT_NONE;
	assert_int_equal(da_session_load(&folder.paths, &keys, id, &anchor, UID,
			     &session, &diag),
	    DA_E_ELSEWHERE);
	anchor = here();
	assert_int_equal(da_session_load(&folder.paths, &keys, id, &anchor,
			     UID + 1, &session, &diag),
	    DA_E_ELSEWHERE);
	/* By audit session the owner may be anybody. */
	anchor.owner.pid++;
	assert_int_equal(da_session_load(&folder.paths, &keys, id, &anchor, UID,
			     &session, &diag),
	    DA_OK);
	da_session_done(&session);
	/* Edited so that it would be theirs. */
	da_buf_init(&file, 100000);
	test_host_read(folder.paths.tokens_dir, id, &file);
	at = strstr((char *)file.bytes, "\naudit=42\n");
	assert_non_null(at);
	at[8] = '3';
	test_host_write(folder.paths.tokens_dir, id, file.bytes, file.len);
	anchor.audit = 32;
	assert_int_equal(da_session_load(&folder.paths, &keys, id, &anchor, UID,
			     &session, &diag),
	    DA_E_ELSEWHERE);
	at[7] = '3';
	at[8] = '2';
	test_host_write(folder.paths.tokens_dir, id, file.bytes, file.len);
	assert_int_equal(da_session_load(&folder.paths, &keys, id, &anchor, UID,
			     &session, &diag),
	    DA_E_SEAL);
}

/* Each line of the clear text, edited so that it still is one. */
static void
test_every_field_counts(void **state)
{
	static const char *const fields[] = {"devauth-session", "id", "host",
	    "machine_id", "boot_id", "account", "person", "who", "profile",
	    "issuer", "subject", "service", "source", "tty", "grant", "acr",
	    "amr", "audit", "owner_pid", "owner_start", "uid", "has_refresh",
	    "serial", "created_at_s", "auth_time_s", "verified_at_s",
	    "verified_mono_ms", "access_expires_at_s", "signed_in_mono_ms",
	    "key", "salt", "nonce"};
	const char *id = make(UID);
	DA_CLEANUP(da_buf_done) struct da_buf file;
	const char *end;
	size_t lines = 0;

	(void)state;
	da_buf_init(&file, 100000);
	test_host_read(folder.paths.tokens_dir, id, &file);
	end = strstr((const char *)file.bytes, "\n\n");
	for (const char *c = (const char *)file.bytes; c <= end; c++)
		lines += *c == '\n';
	assert_int_equal(lines, DA_ARRAY_LEN(fields));
	for (size_t i = 0; i < DA_ARRAY_LEN(fields); i++) {
		char key[40];
		char *at;
		enum da_err err;

		(void)snprintf(key, sizeof(key), "\n%s=", fields[i]);
		at = i == 0 ? (char *)file.bytes + strlen(key) - 1
			    : strstr((char *)file.bytes, key);
		assert_non_null(at);
		at += i == 0 ? 0 : strlen(key);
		/* A digit and a small letter stay what they are. */
		*at ^= 1;
		test_host_write(
		    folder.paths.tokens_dir, id, file.bytes, file.len);
		err = open_here(id);
		assert_true(err == DA_E_SEAL || err == DA_E_ELSEWHERE ||
		    err == DA_E_SYNTAX || err == DA_E_ENDED);
		/* Not one of the checks in front, but the seal itself. */
		(void)snprintf(key, sizeof(key), " %s ", fields[i]);
		if (strstr(" host account person who profile issuer subject "
			   "service source tty grant acr amr owner_pid "
			   "owner_start "
			   "created_at_s verified_at_s key salt nonce ",
			key) != NULL)
			assert_int_equal(err, DA_E_SEAL);
		*at ^= 1;
	}
	test_host_write(folder.paths.tokens_dir, id, file.bytes, file.len);
	assert_int_equal(open_here(id), DA_OK);
}

static void
test_every_byte_and_length(void **state)
{
	const char *id = make(UID);
	DA_CLEANUP(da_buf_done) struct da_buf file;

	(void)state;
	da_buf_init(&file, 100000);
	test_host_read(folder.paths.tokens_dir, id, &file);
	for (size_t i = 0; i < file.len; i++) {
		file.bytes[i] ^= 0x04;
		test_host_write(
		    folder.paths.tokens_dir, id, file.bytes, file.len);
		assert_int_not_equal(open_here(id), DA_OK);
		file.bytes[i] ^= 0x04;
		test_host_write(folder.paths.tokens_dir, id, file.bytes, i);
		assert_int_not_equal(open_here(id), DA_OK);
	}
	test_host_write(folder.paths.tokens_dir, id, file.bytes, file.len);
	assert_int_equal(open_here(id), DA_OK);
}

static void
swap_names(const char *a, const char *b)
{
	char one[256], other[256];

	(void)snprintf(one, sizeof(one), "%s/%s", folder.paths.tokens_dir, a);
	(void)snprintf(
	    other, sizeof(other), "%s/%s", folder.paths.tokens_dir, b);
	assert_int_equal(syscall(SYS_renameat2, AT_FDCWD, one, AT_FDCWD, other,
			     RENAME_EXCHANGE),
	    0);
}

static void
test_b5_swapped(void **state)
{
	char a[DA_SESSION_MAX + 1], b[DA_SESSION_MAX + 1];
	DA_CLEANUP(da_buf_done) struct da_buf one;
	DA_CLEANUP(da_buf_done) struct da_buf other;

	(void)state;
	memcpy(a, make(UID), sizeof(a));
	memcpy(b, make(UID), sizeof(b));
	swap_names(a, b);
	assert_int_equal(open_here(a), DA_E_ELSEWHERE);
	assert_int_equal(open_here(b), DA_E_ELSEWHERE);
	swap_names(a, b);
	/* The sealed part of the one under the clear text of the other. */
	da_buf_init(&one, 100000);
	da_buf_init(&other, 100000);
	test_host_read(folder.paths.tokens_dir, a, &one);
	test_host_read(folder.paths.tokens_dir, b, &other);
	assert_int_equal(one.len, other.len);
	memcpy(one.bytes + one.len - 50, other.bytes + other.len - 50, 50);
	test_host_write(folder.paths.tokens_dir, a, one.bytes, one.len);
	assert_int_equal(open_here(a), DA_E_SEAL);
	assert_int_equal(open_here(b), DA_OK);
}

static void
test_b3_older_copy(void **state)
{
	char id[DA_SESSION_MAX + 1];
	DA_CLEANUP(da_buf_done) struct da_buf old;
	struct da_session session;

	(void)state;
	memcpy(id, make(UID), sizeof(id));
	da_buf_init(&old, 100000);
	test_host_read(folder.paths.tokens_dir, id, &old);
	assert_int_equal(update(id, "a2", "r2"), DA_OK);
	test_host_write(folder.paths.tokens_dir, id, old.bytes, old.len);
	assert_int_equal(open_here(id), DA_E_ENDED);
	assert_non_null(strstr(diag.text, "an older copy"));
	assert_int_equal(
	    da_session_load(&folder.paths, &keys, id, NULL, 0, &session, &diag),
	    DA_E_ENDED);
	/* After the end, while it waits for its revocation, and later. */
	assert_int_equal(da_session_end(&folder.paths, id, &diag), DA_OK);
	test_host_write(folder.paths.tokens_dir, id, old.bytes, old.len);
	assert_int_equal(open_here(id), DA_E_ENDED);
	assert_non_null(strstr(diag.text, "host web1, session 42, ended 20"));
	assert_int_equal(da_session_remove(&folder.paths, id, &diag), DA_OK);
	assert_int_equal(open_here(id), DA_E_ENDED);
	assert_non_null(strstr(diag.text, "that session is over"));
}

/* invalid_grant: the tokens are wiped, and cannot be put back. */
static void
test_b3_wiped(void **state)
{
	char id[DA_SESSION_MAX + 1];
	DA_CLEANUP(da_buf_done) struct da_buf old;
	DA_CLEANUP(da_session_done) struct da_session session;

	(void)state;
	memcpy(id, make(UID), sizeof(id));
	da_buf_init(&old, 100000);
	test_host_read(folder.paths.tokens_dir, id, &old);
	assert_int_equal(
	    da_session_load(&folder.paths, &keys, id, NULL, 0, &session, &diag),
	    DA_OK);
	da_secret_done(&session.access_token);
	da_secret_done(&session.refresh_token);
	assert_int_equal(
	    da_session_update(&folder.paths, &keys, &session, &diag), DA_OK);
	da_session_done(&session);
	assert_int_equal(
	    da_session_load(&folder.paths, &keys, id, NULL, 0, &session, &diag),
	    DA_OK);
	assert_int_equal(session.access_token.len, 0);
	assert_false(session.has_refresh);
	test_host_write(folder.paths.tokens_dir, id, old.bytes, old.len);
	assert_int_equal(open_here(id), DA_E_ENDED);
}

/* --- B10 --- */

static void
reload_keys(void)
{
	da_host_keys_done(&keys);
	assert_int_equal(da_host_keys_load(&folder.paths, &keys, &diag), DA_OK);
}

static void
set_age(const char *dir, const char *name, int64_t age_s)
{
	const struct utimbuf times = {time(NULL) - age_s, time(NULL) - age_s};
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	assert_int_equal(utime(path, &times), 0);
}

static void
test_b10_secret_gone(void **state)
{
	char id[DA_SESSION_MAX + 1];
	char path[256];
	struct da_host_keys refused;

	(void)state;
	memcpy(id, make(UID), sizeof(id));
	(void)snprintf(
	    path, sizeof(path), "%s/host.secret", folder.paths.keys_dir);
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(da_host_keys_load(&folder.paths, &refused, &diag),
	    DA_E_UNSAFE_FILE);
	assert_int_equal(unlink(path), 0);
	reload_keys();
	assert_int_equal(open_here(id), DA_E_SEAL);
	assert_string_equal(diag.text, "the sealed file does not open");
	/* The next login is as good as any; the old file can be dropped. */
	assert_int_equal(open_here(make(UID)), DA_OK);
	assert_int_equal(da_session_end(&folder.paths, id, &diag), DA_OK);
	assert_int_equal(da_session_remove(&folder.paths, id, &diag), DA_OK);
}

static void
test_b10_rotation(void **state)
{
	char a[DA_SESSION_MAX + 1], b[DA_SESSION_MAX + 1];
	char first[DA_HOST_KEY_ID_LEN + 1];

	(void)state;
	memcpy(a, make(UID), sizeof(a));
	memcpy(b, make(UID), sizeof(b));
	memcpy(first, keys.keys[0].id, sizeof(first));
	assert_int_equal(da_host_keys_rotate(&folder.paths, &diag), DA_OK);
	reload_keys();
	assert_int_equal(open_here(a), DA_OK);
	assert_int_equal(update(a, "a2", "r2"), DA_OK);
	/* Still needed by the second: running, and waiting for revocation. */
	for (int i = 0; i < 2; i++) {
		DA_CLEANUP(da_buf_done) struct da_buf file;
		char *at;

		assert_int_equal(
		    da_session_tidy(&folder.paths, &keys, &diag), DA_OK);
		da_buf_init(&file, 10000);
		test_host_read(folder.paths.keys_dir, "host.secret", &file);
		/* As if all of it had been long ago. */
		for (at = (char *)file.bytes;
		     (at = strstr(at, "key=1")) != NULL; at += 5)
			at[4] = '0';
		test_host_write(
		    folder.paths.keys_dir, "host.secret", file.bytes, file.len);
		assert_int_equal(
		    da_session_tidy(&folder.paths, &keys, &diag), DA_OK);
		reload_keys();
		assert_int_equal(keys.count, 2);
		if (i == 0)
			assert_int_equal(
			    da_session_end(&folder.paths, b, &diag), DA_OK);
	}
	assert_int_equal(da_session_remove(&folder.paths, b, &diag), DA_OK);
	assert_int_equal(da_session_tidy(&folder.paths, &keys, &diag), DA_OK);
	reload_keys();
	assert_int_equal(keys.count, 1);
	assert_string_not_equal(keys.keys[0].id, first);
	assert_int_equal(open_here(a), DA_OK);
}

/* --- B7, F4, F5, F7, E9 --- */

static int
check_mode(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)ftw;
	if (type == FTW_D)
		assert_int_equal(st->st_mode & 07777, 0700);
	else
		assert_int_equal(st->st_mode & 07777, 0600);
	assert_int_equal(st->st_uid, getuid());
	assert_non_null(path);
	return 0;
}

static void
test_b7_modes(void **state)
{
	static const mode_t umasks[] = {0, 077};
	const char *const dirs[] = {folder.paths.keys_dir,
	    folder.paths.tokens_dir, folder.paths.sessions_dir};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(umasks); i++) {
		mode_t old = umask(umasks[i]);
		char id[DA_SESSION_MAX + 1];

		memcpy(id, make(UID), sizeof(id));
		assert_int_equal(update(id, "a2", "r2"), DA_OK);
		assert_int_equal(
		    da_session_end(&folder.paths, id, &diag), DA_OK);
		(void)make(UID);
		(void)umask(old);
	}
	for (size_t i = 0; i < DA_ARRAY_LEN(dirs); i++)
		assert_int_equal(nftw(dirs[i], check_mode, 8, FTW_PHYS), 0);
}

/* Not one byte of a token is on the disk, and no name says whose it is. */
static void
test_b7_names_and_bytes(void **state)
{
	DA_CLEANUP(da_buf_done) struct da_buf file;
	const char *id = make(UID);

	(void)state;
	da_buf_init(&file, 100000);
	test_host_read(folder.paths.tokens_dir, id, &file);
	assert_null(memmem(file.bytes, file.len, "canary", 6));
	assert_null(memmem(file.bytes, file.len, "DPoP", 4));
	assert_int_equal(strspn(id, "0123456789abcdef"), DA_SESSION_MAX);
	assert_int_equal(test_host_count(folder.paths.tokens_dir, ""), 1);
}

/* Somebody else than root, in the very folder. */
static void
test_b7_others(void **state)
{
	char path[256], secret[256], standing[256];
	const char *id = make(UID);
	int status;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	(void)snprintf(
	    path, sizeof(path), "%s/%s", folder.paths.tokens_dir, id);
	(void)snprintf(
	    standing, sizeof(standing), "%s/%s", folder.paths.sessions_dir, id);
	(void)snprintf(
	    secret, sizeof(secret), "%s/host.secret", folder.paths.keys_dir);
	assert_int_equal(chmod(folder.root, 0755), 0);
	pid = fork();
	if (pid == 0) {
		if (setgid(65534) != 0 || setuid(65534) != 0)
			_exit(9);
		_exit((open(path, O_RDONLY) < 0 && errno == EACCES ? 0 : 1) +
		    (open(secret, O_RDONLY) < 0 && errno == EACCES ? 0 : 2) +
		    (open(standing, O_RDONLY) < 0 && errno == EACCES ? 0 : 4));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
test_f4_folders(void **state)
{
	const char *const dirs[] = {
	    folder.paths.tokens_dir, folder.paths.sessions_dir};
	char elsewhere[200], id[DA_SESSION_MAX + 1];

	(void)state;
	memcpy(id, make(UID), sizeof(id));
	(void)snprintf(
	    elsewhere, sizeof(elsewhere), "%s/elsewhere", folder.root);
	for (size_t i = 0; i < DA_ARRAY_LEN(dirs); i++) {
		struct da_session session;
		struct da_session_list *list;
		struct stat st;

		for (int how = 0; how < 3; how++) {
			if (how == 0)
				assert_int_equal(chmod(dirs[i], 0750), 0);
			if (how == 1 && getuid() == 0)
				assert_int_equal(
				    chown(dirs[i], 65534, 65534), 0);
			if (how == 1 && getuid() != 0)
				continue;
			if (how == 2) {
				assert_int_equal(rename(dirs[i], elsewhere), 0);
				assert_int_equal(
				    symlink(elsewhere, dirs[i]), 0);
			}
			assert_int_equal(open_here(id), DA_E_UNSAFE_FILE);
			fill(&session, UID);
			assert_int_equal(da_session_create(&folder.paths, &keys,
					     &session, &diag),
			    DA_E_UNSAFE_FILE);
			da_session_done(&session);
			if (i == 0)
				assert_int_equal(
				    da_session_list_open(
					&folder.paths, false, &list, &diag),
				    DA_E_UNSAFE_FILE);
			/* Nobody "repairs" it. */
			assert_int_equal(lstat(dirs[i], &st), 0);
			if (how == 0) {
				assert_int_equal(st.st_mode & 07777, 0750);
				assert_int_equal(chmod(dirs[i], 0700), 0);
			} else if (how == 1) {
				assert_int_equal(st.st_uid, 65534);
				assert_int_equal(chown(dirs[i], 0, 0), 0);
			} else {
				assert_true(S_ISLNK(st.st_mode));
				assert_int_equal(unlink(dirs[i]), 0);
				assert_int_equal(rename(elsewhere, dirs[i]), 0);
			}
		}
	}
	assert_int_equal(open_here(id), DA_OK);
}

static void
test_f5_planted(void **state)
{
	char path[256], target[200], id[DA_SESSION_MAX + 1];
	DA_CLEANUP(da_buf_done) struct da_buf text;
	struct da_session_list *list;
	struct da_session_entry entry;

	(void)state;
	memcpy(id, make(UID), sizeof(id));
	(void)snprintf(target, sizeof(target), "%s/target", folder.root);
	test_folder_write(&folder, "target", 0600, "untouched");
	(void)snprintf(
	    path, sizeof(path), "%s/%s", folder.paths.tokens_dir, id);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(open_here(id), DA_E_UNSAFE_FILE);
	/* A link in the list is damage, and the sweep can drop it. */
	assert_int_equal(
	    da_session_list_open(&folder.paths, false, &list, &diag), DA_OK);
	assert_true(da_session_list_next(list, &entry, &diag));
	assert_true(entry.damaged);
	assert_string_equal(entry.session.id, id);
	assert_false(da_session_list_next(list, &entry, &diag));
	da_session_list_freep(&list);
	assert_int_equal(da_session_end(&folder.paths, id, &diag), DA_OK);
	assert_int_equal(da_session_remove(&folder.paths, id, &diag), DA_OK);
	da_buf_init(&text, 100);
	test_host_read(folder.root, "target", &text);
	assert_string_equal(da_buf_text(&text), "untouched");
	/* The standing, too. */
	memcpy(id, make(UID), sizeof(id));
	(void)snprintf(
	    path, sizeof(path), "%s/%s", folder.paths.sessions_dir, id);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(open_here(id), DA_E_UNSAFE_FILE);
	assert_int_equal(update(id, "a2", "r2"), DA_E_UNSAFE_FILE);
}

static void
test_f7_ids(void **state)
{
	static const char *const bad[] = {"", ".", "..", "/etc/passwd",
	    "../../../etc/passwd", "revoke", ".lock",
	    "0123456789abcdef0123456789abcdef0123456789abcde",
	    "0123456789abcdef0123456789abcdef0123456789abcdef0",
	    "0123456789ABCDEF0123456789abcdef0123456789abcdef",
	    "../3456789abcdef0123456789abcdef0123456789abcdef"};
	struct da_session session;
	char big[301];
	int lock;

	(void)state;
	(void)make(UID);
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	for (size_t i = 0; i <= DA_ARRAY_LEN(bad); i++) {
		const char *id = i < DA_ARRAY_LEN(bad) ? bad[i] : big;

		assert_int_equal(open_here(id), DA_E_ABSENT);
		assert_int_equal(
		    da_session_lock(&folder.paths, id, 0, &lock, &diag),
		    DA_E_ABSENT);
		assert_int_equal(
		    da_session_end(&folder.paths, id, &diag), DA_E_ABSENT);
		assert_int_equal(
		    da_session_remove(&folder.paths, id, &diag), DA_E_ABSENT);
		assert_int_equal(da_session_load_ended(&folder.paths, &keys, id,
				     &session, &lock, &diag),
		    DA_E_ABSENT);
		assert_int_equal(
		    da_session_note_try(&folder.paths, id, 1, &diag), DA_E_BUG);
	}
}

/* --- refreshes at once --- */

enum { REFRESHERS = 10, ROUNDS = 3 };

struct provider {
	unsigned requests;
	unsigned at_once;
	bool overlap;
};

/* What the broker does: looks, locks, looks again, asks, writes. */
static int
refresh(struct provider *provider, const char *id, int64_t until_s)
{
	DA_CLEANUP(da_file_closep) int lock = -1;
	DA_CLEANUP(da_session_done) struct da_session session;

	da_session_init(&session);
	if (da_session_lock(&folder.paths, id, 60000, &lock, &diag) != DA_OK ||
	    da_session_load(
		&folder.paths, &keys, id, NULL, 0, &session, &diag) != DA_OK)
		return 1;
	if (session.access_expires_at_s >= until_s)
		return 0;
	if (__atomic_add_fetch(&provider->at_once, 1, __ATOMIC_SEQ_CST) != 1)
		provider->overlap = true;
	__atomic_add_fetch(&provider->requests, 1, __ATOMIC_SEQ_CST);
	(void)usleep(3000);
	__atomic_sub_fetch(&provider->at_once, 1, __ATOMIC_SEQ_CST);
	session.access_expires_at_s = until_s;
	return da_session_update(&folder.paths, &keys, &session, &diag) == DA_OK
	    ? 0
	    : 2;
}

static void
test_one_refresh(void **state)
{
	struct provider *provider = mmap(NULL, sizeof(*provider),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	char id[DA_SESSION_MAX + 1];

	(void)state;
	assert_true(provider != MAP_FAILED);
	memcpy(id, make(UID), sizeof(id));
	for (int round = 1; round <= ROUNDS; round++) {
		for (int i = 0; i < REFRESHERS; i++) {
			pid_t pid = fork();

			assert_true(pid >= 0);
			if (pid == 0) {
				/* Keys do not cross a fork, by design. */
				reload_keys();
				_exit(
				    refresh(provider, id, 1800000000 + round));
			}
		}
		for (int i = 0; i < REFRESHERS; i++) {
			int status;

			assert_true(wait(&status) > 0);
			assert_int_equal(status, 0);
		}
		assert_int_equal(provider->requests, round);
	}
	assert_false(provider->overlap);
	assert_int_equal(open_here(id), DA_OK);
	(void)munmap(provider, sizeof(*provider));
}

/* Whoever dies with the lock does not keep it; who keeps it is not waited for
 * any longer than asked. */
static void
test_lock_of_the_dead(void **state)
{
	char id[DA_SESSION_MAX + 1];
	int lock, second, status;
	pid_t pid;

	(void)state;
	memcpy(id, make(UID), sizeof(id));
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (da_session_lock(&folder.paths, id, 0, &lock, &diag) !=
		    DA_OK)
			_exit(1);
		(void)raise(SIGKILL);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(
	    da_session_lock(&folder.paths, id, 0, &lock, &diag), DA_OK);
	assert_int_equal(da_session_lock(&folder.paths, id, 20, &second, &diag),
	    DA_E_TIMEOUT);
	da_file_closep(&lock);
	assert_int_equal(
	    da_session_lock(&folder.paths, id, 0, &second, &diag), DA_OK);
	da_file_closep(&second);
}

/* --- the sweep --- */

/* Whom nobody asks about keeps his session, whatever became of him. */
static void
test_due(void **state)
{
	static const struct {
		int64_t expires_at_s, margin_s, now_s;
		bool has_refresh, due;
	} rows[] = {
	    {2000, 300, 1699, true, false},
	    {2000, 300, 1700, true, true},
	    {2000, 300, 1700, false, false},
	    {2000, 300, 9999, true, true},
	    /* Longer than half of the life. */
	    {2000, 900, 1499, true, false},
	    {2000, 900, 1500, true, true},
	    /* Nobody said how long they live. */
	    {0, 300, 1000, true, false},
	    {0, 300, 4299, true, false},
	    {0, 300, 4300, true, true},
	    {0, 300, 4300, false, false},
	    /* The clock was set back. */
	    {2000, 300, 999, true, true},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		const struct da_session session = {.verified_at_s = 1000,
		    .access_expires_at_s = rows[i].expires_at_s,
		    .has_refresh = rows[i].has_refresh};

		assert_int_equal(da_session_is_due(
				     &session, rows[i].margin_s, rows[i].now_s),
		    rows[i].due);
	}
}

static void
test_list(void **state)
{
	struct da_session_list *list = NULL;
	struct da_session_entry entry;
	char id[DA_SESSION_MAX + 1];
	unsigned running = 0, damaged = 0;

	(void)state;
	assert_int_equal(
	    da_session_list_open(&folder.paths, false, &list, &diag),
	    DA_E_ABSENT);
	for (int i = 0; i < 5; i++)
		(void)make(UID);
	memcpy(id, make(UID), sizeof(id));
	test_host_write(folder.paths.tokens_dir, last_id, "junk", 4);
	assert_int_equal(
	    da_session_list_open(&folder.paths, true, &list, &diag),
	    DA_E_ABSENT);
	assert_int_equal(
	    da_session_list_open(&folder.paths, false, &list, &diag), DA_OK);
	while (da_session_list_next(list, &entry, &diag)) {
		if (entry.damaged) {
			damaged++;
			continue;
		}
		running++;
		assert_int_equal(entry.session.access_token.len, 0);
		assert_int_equal(entry.session.access_expires_at_s, 1700000300);
		assert_true(entry.session.has_refresh);
		assert_false(da_session_is_over(
		    &folder.paths, &keys.machine, &entry.session));
		test_host_process_ends(&folder, OWNER);
		assert_true(da_session_is_over(
		    &folder.paths, &keys.machine, &entry.session));
		make_processes(AUDIT);
		memcpy(entry.session.boot_id, TEST_BOOT_B, 36);
		assert_true(da_session_is_over(
		    &folder.paths, &keys.machine, &entry.session));
	}
	da_session_list_freep(&list);
	assert_int_equal(running, 5);
	assert_int_equal(damaged, 1);
	assert_int_equal(da_session_end(&folder.paths, id, &diag), DA_OK);
	assert_int_equal(
	    da_session_note_try(&folder.paths, id, 5000, &diag), DA_OK);
	assert_int_equal(
	    da_session_note_try(&folder.paths, id, 6000, &diag), DA_OK);
	set_age(revoke_dir, id, 1000);
	assert_int_equal(
	    da_session_list_open(&folder.paths, true, &list, &diag), DA_OK);
	assert_true(da_session_list_next(list, &entry, &diag));
	assert_true(entry.damaged);
	assert_string_equal(entry.session.id, id);
	assert_int_equal(entry.tries, 2);
	assert_int_equal(entry.tried_mono_ms, 6000);
	assert_in_range(entry.ended_at_s, time(NULL) - 1100, time(NULL) - 900);
	assert_false(da_session_list_next(list, &entry, &diag));
	da_session_list_freep(&list);
}

static void
test_tidy(void **state)
{
	static const char stray[] =
	    "0123456789abcdef0123456789abcdef0123456789abcdef";
	const char *const dirs[] = {folder.paths.tokens_dir, revoke_dir,
	    folder.paths.sessions_dir, folder.paths.keys_dir};
	char running[DA_SESSION_MAX + 1], ended[DA_SESSION_MAX + 1];

	(void)state;
	memcpy(running, make(UID), sizeof(running));
	memcpy(ended, make(UID), sizeof(ended));
	assert_int_equal(da_session_end(&folder.paths, ended, &diag), DA_OK);
	for (size_t i = 0; i < DA_ARRAY_LEN(dirs); i++) {
		test_host_write(dirs[i], ".old.1234", "x", 1);
		set_age(dirs[i], ".old.1234", 1000);
		test_host_write(dirs[i], ".new.1234", "x", 1);
	}
	test_host_write(folder.paths.sessions_dir, stray, "x", 1);
	set_age(folder.paths.sessions_dir, stray, 1000);
	set_age(folder.paths.sessions_dir, running, 1000);
	set_age(folder.paths.sessions_dir, ended, 1000);
	assert_int_equal(da_session_tidy(&folder.paths, &keys, &diag), DA_OK);
	for (size_t i = 0; i < DA_ARRAY_LEN(dirs); i++) {
		assert_int_equal(test_host_count(dirs[i], ".old"), 0);
		assert_int_equal(test_host_count(dirs[i], ".new"), 1);
	}
	assert_int_equal(test_host_count(folder.paths.sessions_dir, stray), 0);
	assert_int_equal(test_host_count(folder.paths.sessions_dir, ended), 1);
	assert_int_equal(open_here(running), DA_OK);
}

/* --- F9: every change fails, or is the last thing that happens --- */

static char disturbed_id[DA_SESSION_MAX + 1];

static int
create_child(void *argument)
{
	struct da_session session;
	enum da_err err;

	(void)argument;
	reload_keys();
	fill(&session, UID);
	err = da_session_create(&folder.paths, &keys, &session, &diag);
	return err == DA_OK ? 0 : 1;
}

static int
update_child(void *argument)
{
	(void)argument;
	reload_keys();
	return update(disturbed_id, "a2", "r2") == DA_OK ? 0 : 1;
}

static int
end_child(void *argument)
{
	(void)argument;
	return da_session_end(&folder.paths, disturbed_id, &diag) == DA_OK ? 0
									   : 1;
}

/* What may be there after any of them. */
static void
check_state(int (*child)(void *), bool success)
{
	struct da_session session;
	enum da_err err = da_session_load(
	    &folder.paths, &keys, disturbed_id, NULL, 0, &session, &diag);
	int lock;

	if (child == update_child) {
		/* The old tokens or the new ones. */
		assert_int_equal(err, DA_OK);
		if (success ||
		    memcmp(session.refresh_token.bytes, "r2", 3) == 0)
			assert_secret(&session.refresh_token, "r2");
		else
			assert_secret(&session.refresh_token, REFRESH);
	} else if (child == end_child) {
		/* It runs, or is over, or waits for its revocation; the sweep
		 * can bring it to its end. */
		if (success)
			assert_int_equal(err, DA_E_ENDED);
		else
			assert_true(err == DA_OK || err == DA_E_ENDED);
		assert_true(da_session_end(&folder.paths, disturbed_id,
				&diag) != DA_E_SYS);
		da_session_done(&session);
		err = da_session_load_ended(
		    &folder.paths, &keys, disturbed_id, &session, &lock, &diag);
		assert_int_equal(err, DA_OK);
		assert_secret(&session.refresh_token, REFRESH);
		da_file_closep(&lock);
	} else {
		/* The one that was there before. */
		assert_int_equal(err, DA_OK);
	}
	da_session_done(&session);
	/* And life goes on. */
	assert_int_equal(open_here(make(UID)), DA_OK);
	/* Leftovers are nobody's to read. */
	assert_int_equal(
	    nftw(folder.paths.tokens_dir, check_mode, 8, FTW_PHYS), 0);
}

static void
disturb(int (*child)(void *), int verdict)
{
	struct test_fault fault = {.verdict = verdict};

	do {
		int status;

		memcpy(disturbed_id, make(UID), sizeof(disturbed_id));
		status = test_fault_run(&fault, test_fault_change, child, NULL);
		if (!test_fault_met(&fault) || verdict == TEST_SHORT)
			assert_int_equal(status, 0);
		check_state(child, status == 0);
	} while (test_fault_next(&fault));
	assert_true(fault.at > (child == end_child ? 3u : 7u));
}

static void
test_f9_killed(void **state)
{
	(void)state;
	disturb(create_child, TEST_KILL);
	disturb(update_child, TEST_KILL);
	disturb(end_child, TEST_KILL);
}

static void
test_f9_failing(void **state)
{
	static const int errors[] = {ENOSPC, EDQUOT, EIO};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(errors); i++) {
		disturb(create_child, errors[i]);
		disturb(update_child, errors[i]);
		disturb(end_child, errors[i]);
	}
	disturb(update_child, TEST_SHORT);
}

/* A login that failed leaves nothing of its session. */
static void
test_f9_create_leaves_nothing(void **state)
{
	struct test_fault fault = {.verdict = ENOSPC};

	(void)state;
	(void)make(UID);
	do {
		unsigned tokens = test_host_count(folder.paths.tokens_dir, "");
		unsigned standings =
		    test_host_count(folder.paths.sessions_dir, "");
		int status;

		status = test_fault_run(
		    &fault, test_fault_change, create_child, NULL);
		tokens += status == 0;
		standings += status == 0;
		assert_int_equal(
		    test_host_count(folder.paths.tokens_dir, ""), tokens);
		assert_int_equal(
		    test_host_count(folder.paths.sessions_dir, ""), standings);
	} while (test_fault_next(&fault));
}

/* --- somebody logs out at any moment of a refresh --- */

static int
ending_update_child(void *argument)
{
	DA_CLEANUP(da_file_closep) int lock = -1;
	DA_CLEANUP(da_session_done) struct da_session session;
	enum da_err err;

	(void)argument;
	reload_keys();
	da_session_init(&session);
	if (da_session_lock(&folder.paths, disturbed_id, 0, &lock, &diag) !=
		DA_OK ||
	    da_session_load(&folder.paths, &keys, disturbed_id, NULL, 0,
		&session, &diag) != DA_OK)
		return 3; /* no refresh */
	set_tokens(&session, "a2", "r2");
	err = da_session_update(&folder.paths, &keys, &session, &diag);
	return err == DA_OK ? 0 : err == DA_E_ENDED ? 1 : 2;
}

static int
judge_ending(void *context, const struct test_call *call)
{
	struct test_fault *fault = context;

	fault->seen = call->index + 1;
	if (call->index == fault->at)
		assert_int_equal(
		    da_session_end(&folder.paths, disturbed_id, &diag), DA_OK);
	return TEST_PASS;
}

/* How many of the ended sessions have that refresh token; all are removed. */
static unsigned
take_ended(const char *refresh)
{
	struct da_session_list *list;
	struct da_session_entry entry;
	unsigned count = 0;

	assert_int_equal(
	    da_session_list_open(&folder.paths, true, &list, &diag), DA_OK);
	while (da_session_list_next(list, &entry, &diag)) {
		struct da_session session;
		int lock;

		assert_int_equal(da_session_load_ended(&folder.paths, &keys,
				     entry.session.id, &session, &lock, &diag),
		    DA_OK);
		count += session.refresh_token.len == strlen(refresh) &&
		    memcmp(session.refresh_token.bytes, refresh,
			strlen(refresh)) == 0;
		da_session_done(&session);
		da_file_closep(&lock);
		assert_int_equal(
		    da_session_remove(&folder.paths, entry.session.id, &diag),
		    DA_OK);
	}
	da_session_list_freep(&list);
	return count;
}

/* Whatever comes first: nothing of the session opens any more, and the tokens
 * that the provider made last are where they are revoked. */
static void
test_end_at_any_moment(void **state)
{
	struct test_fault fault = {0};
	bool refreshed = false, late = false;

	(void)state;
	for (;; fault.at++) {
		int status;

		memcpy(disturbed_id, make(UID), sizeof(disturbed_id));
		status = test_syscalls_run(
		    ending_update_child, NULL, judge_ending, &fault);
		assert_true(WIFEXITED(status));
		assert_int_not_equal(WEXITSTATUS(status), 2);
		if (fault.seen <= fault.at)
			break;
		refreshed = WEXITSTATUS(status) != 3;
		late = late || WEXITSTATUS(status) == 0;
		assert_int_equal(
		    test_host_count(folder.paths.tokens_dir, disturbed_id), 0);
		assert_int_not_equal(open_here(disturbed_id), DA_OK);
		/* Both may have brought them there. */
		assert_in_range(
		    take_ended("r2"), refreshed ? 1 : 0, refreshed ? 2 : 0);
	}
	assert_true(refreshed);
	assert_true(late);
}

/* --- X5: any call of a load fails --- */

static int
load_child(void *argument)
{
	const struct da_anchor anchor = here();
	struct da_session session;
	enum da_err err;

	(void)argument;
	da_session_init(&session);
	da_host_keys_done(&keys);
	err = da_host_keys_load(&folder.paths, &keys, &diag);
	if (err == DA_OK)
		err = da_session_load(&folder.paths, &keys, disturbed_id,
		    &anchor, UID, &session, &diag);
	if (err != DA_OK)
		return is_empty(&session) ? 1 : 2;
	return session.refresh_token.len == strlen(REFRESH) &&
		memcmp(session.refresh_token.bytes, REFRESH, strlen(REFRESH)) ==
		    0
	    ? 0
	    : 3;
}

static void
test_x5_load(void **state)
{
	struct test_fault fault = {.verdict = EIO};

	(void)state;
	memcpy(disturbed_id, make(UID), sizeof(disturbed_id));
	do {
		int status =
		    test_fault_run(&fault, test_fault_any, load_child, NULL);

		assert_true(WIFEXITED(status));
		assert_in_range(
		    WEXITSTATUS(status), 0, test_fault_met(&fault) ? 1 : 0);
	} while (test_fault_next(&fault));
	assert_true(fault.at > 30);
}

/* The same of a look at all of them: what cannot be read is not damaged, or the
 * sweep would end it. */
static int
list_child(void *argument)
{
	struct da_session_list *list = NULL;
	struct da_session_entry entry;
	int status = 1;

	(void)argument;
	if (da_session_list_open(&folder.paths, false, &list, &diag) != DA_OK)
		return 1;
	while (da_session_list_next(list, &entry, &diag))
		status = !entry.damaged ? 0 : entry.unread ? 1 : 2;
	da_session_list_freep(&list);
	return status;
}

static void
test_x5_list(void **state)
{
	struct test_fault fault = {.verdict = EIO};
	size_t unread = 0;

	(void)state;
	(void)make(UID);
	do {
		int status =
		    test_fault_run(&fault, test_fault_any, list_child, NULL);

		assert_true(WIFEXITED(status));
		assert_in_range(
		    WEXITSTATUS(status), 0, test_fault_met(&fault) ? 1 : 0);
		unread += WEXITSTATUS(status) == 1;
	} while (test_fault_next(&fault));
	assert_true(unread > 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_create_and_load),
	    TEST(test_create_extremes),
	    TEST(test_create_refuses_lines),
	    TEST(test_update),
	    TEST(test_end),
	    TEST(test_end_of_boot),
	    TEST(test_end_during_refresh),
	    TEST(test_find_by_audit_session),
	    TEST(test_find_by_ancestor),
	    TEST(test_find_side_by_side),
	    TEST(test_processes),
	    TEST(test_b1_taken_away),
	    TEST(test_b1_clone),
	    TEST(test_other_session),
	    TEST(test_every_field_counts),
	    TEST(test_every_byte_and_length),
	    TEST(test_b5_swapped),
	    TEST(test_b3_older_copy),
	    TEST(test_b3_wiped),
	    TEST(test_b10_secret_gone),
	    TEST(test_b10_rotation),
	    TEST(test_b7_modes),
	    TEST(test_b7_names_and_bytes),
	    TEST(test_b7_others),
	    TEST(test_f4_folders),
	    TEST(test_f5_planted),
	    TEST(test_f7_ids),
	    TEST(test_one_refresh),
	    TEST(test_lock_of_the_dead),
	    TEST(test_due),
	    TEST(test_list),
	    TEST(test_tidy),
	    TEST(test_f9_killed),
	    TEST(test_f9_failing),
	    TEST(test_f9_create_leaves_nothing),
	    TEST(test_end_at_any_moment),
	    TEST(test_x5_load),
	    TEST(test_x5_list),
	};

	test_host_crypto();
	return cmocka_run_group_tests_name("session", tests, NULL, NULL);
}
