/* account/build.c: writers that are killed, run out of space, or are many. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/account.h"
#include "account/reader.h"
#include "account/writer.h"
#include "database.h"
#include "fault.h"
#include "folder.h"
#include "syscalls.h"

static struct test_folder folder;
static struct da_diag diag;

static const char *
in_state(const char *name)
{
	static char path[160];

	(void)snprintf(
	    path, sizeof(path), "%s/%s", folder.paths.state_dir, name);
	return path;
}

static struct da_account_change
put(const char *name, const char *gecos)
{
	return (struct da_account_change){.verb = DA_ACCOUNT_PUT,
	    .entry = {.name = name,
		.uid = da_account_uid_hash(name),
		.gecos = gecos,
		.home = "/home/x",
		.shell = "/bin/sh"}};
}

static enum da_err
add(const char *name, const char *gecos)
{
	const struct da_account_change change = put(name, gecos);

	return da_account_apply(&folder.paths, &change, 1, NULL, &diag);
}

static int
set_up(void **state)
{
	(void)state;
	/* In memory: thousands of writes wait for the disk otherwise. */
	test_folder_init_in(&folder, "/dev/shm");
	assert_int_equal(add("alice", "A"), DA_OK);
	return 0;
}

/* Who is there, by what a process that starts now sees. "-" for nobody. */
static const char *
who(const char *name)
{
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	enum da_err err = da_view_open(&folder.paths, &view);

	if (err == DA_E_ABSENT)
		return "-";
	assert_int_equal(err, DA_OK);
	return test_person_text(&view, name, 0);
}

/* --- the writers --- */

static int
add_bob(void *argument)
{
	(void)argument;
	return add("bob", "B") == DA_OK ? 0 : 1;
}

/* Two people at once: both or neither. */
static int
add_two(void *argument)
{
	const struct da_account_change changes[] = {
	    put("bob", "B"), put("carol", "B")};

	(void)argument;
	return da_account_apply(&folder.paths, changes, 2, NULL, &diag) == DA_OK
	    ? 0
	    : 1;
}

static int
purge(void *argument)
{
	(void)argument;
	return da_account_purge(&folder.paths, &diag) == DA_OK ? 0 : 1;
}

/* --- S2: the order of things --- */

struct trace {
	char text[2048];
	size_t used;
	uint64_t generation; /* before */
	bool early;          /* the counter was raised before its time */
};

static uint64_t
counter(void)
{
	uint64_t value = 0;
	int fd = open(in_state(DA_FORMAT_GENERATION), O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, &value, sizeof(value)), 8);
	(void)close(fd);
	return value;
}

static void
note(struct trace *trace, const char *verb, const char *what)
{
	const char *name = strrchr(what, '/');

	trace->used += (size_t)snprintf(trace->text + trace->used,
	    sizeof(trace->text) - trace->used, "%s %s\n", verb,
	    name != NULL ? name + 1 : what);
	assert_true(trace->used < sizeof(trace->text));
}

/* Notes what changes files, and every use of a file that readers have. */
static int
record_call(void *context, const struct test_call *call)
{
	struct trace *trace = context;
	char text[256];

	switch (call->nr) {
	case SYS_openat:
		if ((call->args[2] & O_ACCMODE) != O_RDONLY ||
		    (call->args[2] & (O_CREAT | O_TRUNC)) != 0)
			note(trace,
			    (call->args[2] & O_TRUNC) != 0 ? "truncate"
							   : "open",
			    test_syscalls_text(
				call, call->args[1], text, sizeof(text)));
		break;
	case SYS_write:
	case SYS_pwrite64:
	case SYS_writev:
	case SYS_ftruncate:
	case SYS_fallocate:
		(void)test_syscalls_path(
		    call, call->args[0], text, sizeof(text));
		if (strstr(text, " (deleted)") != NULL)
			break; /* a draft, which nobody ever sees */
		note(trace, "write", text);
		break;
	case SYS_fsync:
	case SYS_fdatasync:
		note(trace, "fsync",
		    test_syscalls_path(
			call, call->args[0], text, sizeof(text)));
		break;
	case SYS_fchmod:
		note(trace, "chmod",
		    test_syscalls_path(
			call, call->args[0], text, sizeof(text)));
		break;
	case SYS_renameat:
	case SYS_renameat2:
		note(trace, "rename",
		    test_syscalls_text(
			call, call->args[3], text, sizeof(text)));
		break;
	case SYS_unlinkat:
		note(trace, "unlink",
		    test_syscalls_text(
			call, call->args[1], text, sizeof(text)));
		break;
	case SYS_truncate:
		note(trace, "truncate", "");
		break;
	default:
		return TEST_PASS;
	}
	/* All that is on the list comes before the readers are told. */
	trace->early = trace->early || counter() != trace->generation;
	return TEST_PASS;
}

static void
test_s2_order(void **state)
{
	struct trace trace = {.generation = counter()};

	(void)state;
	assert_int_equal(
	    test_syscalls_run(add_bob, NULL, record_call, &trace), 0);
	assert_string_equal(trace.text,
	    "open accounts.lock\n"
	    "unlink .accounts.new\n"
	    /* The draft, and what the readers get: in one piece. */
	    "open .accounts.new\n"
	    "unlink .accounts.new\n"
	    "open .accounts.new\n"
	    "write .accounts.new\n"
	    "chmod .accounts.new\n"
	    "fsync .accounts.new\n"
	    "rename accounts.cdb\n"
	    "fsync state\n"
	    "open generation\n");
	assert_false(trace.early);
	assert_int_equal(counter(), trace.generation + 1);
}

/* --- S4, F9: a writer fails or dies at any call --- */

/* A temporary file is root's alone until it is complete, and is gone after the
 * next write at the latest. */
static void
check_temp(void)
{
	struct stat st;
	struct da_database db;
	int dir;

	if (stat(in_state(".accounts.new"), &st) != 0 ||
	    (st.st_mode & 077) == 0)
		return;
	dir = open(folder.paths.state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(dir >= 0);
	assert_int_equal(
	    da_database_open(dir, ".accounts.new", getuid(), &db), DA_OK);
	da_database_close(&db);
	(void)close(dir);
}

/* Puts a writer that is not disturbed behind one that was. */
static void
check_next_write(void)
{
	static unsigned long count;
	char gecos[24];
	DA_CLEANUP(da_view_close) struct da_view view = {0};

	/* The next one makes good what was left undone, whatever it wants. */
	assert_int_equal(da_account_remove(&folder.paths, "nobody-here", &diag),
	    DA_E_UNKNOWN_USER);
	assert_int_equal(da_view_open(&folder.paths, &view), DA_OK);
	assert_true(view.generation >= view.accounts.generation);
	da_view_close(&view);
	(void)snprintf(gecos, sizeof(gecos), "next %lu", count++);
	assert_int_equal(add("dave", gecos), DA_OK);
	assert_int_not_equal(access(in_state(".accounts.new"), F_OK), 0);
	assert_non_null(strstr(who("dave"), gecos));
	/* Readers were told of what they see. */
	assert_int_equal(da_view_open(&folder.paths, &view), DA_OK);
	assert_int_equal(view.generation, view.accounts.generation);
}

/* Runs a writer once for each call that it makes. */
static void
disturb(int (*writer)(void *), int verdict, void (*prepare)(void),
    void (*check)(bool success))
{
	struct test_fault fault = {.verdict = verdict};
	int status;

	do {
		prepare();
		status = test_fault_run(&fault, test_fault_any, writer, NULL);
		if (verdict == TEST_KILL && test_fault_met(&fault)) {
			assert_true(WIFSIGNALED(status));
			assert_int_equal(WTERMSIG(status), SIGKILL);
			check_temp();
		} else {
			assert_true(WIFEXITED(status));
			assert_in_range(WEXITSTATUS(status), 0, 1);
			if (!test_fault_met(&fault) || verdict == TEST_SHORT)
				assert_int_equal(WEXITSTATUS(status), 0);
			/* Whoever can clean up, does. */
			if (fault.nr != SYS_unlinkat)
				assert_int_not_equal(
				    access(in_state(".accounts.new"), F_OK), 0);
		}
		check(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		check_next_write();
	} while (test_fault_next(&fault));
	assert_true(fault.at > 20);
}

#ifdef __SANITIZE_ADDRESS__
/* A fork takes its time there, and memory is the same for all. */
static const int errors[] = {ENOSPC, EINTR};
#else
static const int errors[] = {ENOSPC, EIO, EDQUOT, EINTR};
#endif

/* Without bob and carol, and with so many others that the file is written in
 * several pieces; the counter stays, as in real life. */
static void
prepare_crowd(void)
{
	enum { COUNT = 100 };

	static struct test_person people[COUNT + 2];
	static char names[COUNT][16];

	people[0] =
	    (struct test_person){"alice", 2000000001, 2000000001, false};
	for (uint32_t i = 0; i < COUNT; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "crowd%u", i);
		people[i + 1] = (struct test_person){
		    names[i], 100000 + i, 100000 + i, false};
	}
	test_database_build(
	    &folder.paths, DA_FORMAT_ACCOUNTS, people, NULL, NULL);
}

static void
check_two(bool success)
{
	bool bob = strcmp(who("bob"), "-") != 0;
	bool carol = strcmp(who("carol"), "-") != 0;

	assert_string_equal(
	    who("alice"), "alice 2000000001 2000000001 accounts.cdb");
	assert_int_equal(bob, carol);
	if (success)
		assert_true(bob);
}

static void
test_s4_killed_at_every_call(void **state)
{
	(void)state;
	disturb(add_two, TEST_KILL, prepare_crowd, check_two);
}

static void
test_s4_every_call_fails(void **state)
{
	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(errors); i++)
		disturb(add_two, errors[i], prepare_crowd, check_two);
}

static void
test_s4_short_writes(void **state)
{
	(void)state;
	disturb(add_two, TEST_SHORT, prepare_crowd, check_two);
}

static void
check_purged(bool success)
{
	if (success)
		assert_string_equal(who("alice"), "-");
	else if (strcmp(who("alice"), "-") != 0)
		assert_string_equal(
		    who("alice"), "alice 2000000001 2000000001 accounts.cdb");
}

static void
test_s4_purge(void **state)
{
	(void)state;
	disturb(purge, TEST_KILL, prepare_crowd, check_purged);
	for (size_t i = 0; i < DA_ARRAY_LEN(errors); i++)
		disturb(purge, errors[i], prepare_crowd, check_purged);
}

/* The very first write, where there is nothing yet. */
static void
prepare_nothing(void)
{
	assert_int_equal(da_account_purge(&folder.paths, &diag), DA_OK);
}

static void
check_first(bool success)
{
	assert_true(!success || strcmp(who("bob"), "-") != 0);
}

static void
test_s4_first_write(void **state)
{
	(void)state;
	disturb(add_bob, TEST_KILL, prepare_nothing, check_first);
	disturb(add_bob, ENOSPC, prepare_nothing, check_first);
}

/* --- S4: several writers, some of which are killed --- */

enum { WRITERS_MAX = 8, ROUNDS = 20, KILLS_MAX = 200 };

/* How far each writer got, by its own account. */
static unsigned *done;

static void
write_in_turn(unsigned writer)
{
	char name[24];

	for (unsigned i = done[writer]; i < ROUNDS; i++) {
		(void)snprintf(name, sizeof(name), "w%up%u", writer, i);
		if (add(name, "") != DA_OK)
			_exit(1);
		__atomic_store_n(&done[writer], i + 1, __ATOMIC_RELEASE);
	}
	_exit(0);
}

static void
start_writer(pid_t *pids, unsigned writer)
{
	pids[writer] = fork();
	assert_true(pids[writer] >= 0);
	if (pids[writer] == 0)
		write_in_turn(writer);
}

/* Whoever is killed is followed by another who goes on where it was. There is
 * an end to it, for on a slow machine nobody might ever get to write. */
static void
race(unsigned writers)
{
	pid_t pids[WRITERS_MAX] = {0};
	unsigned running = writers, kills = 0;
	char name[24];

	for (unsigned i = 0; i < writers; i++) {
		done[i] = 0;
		start_writer(pids, i);
	}
	while (running > 0) {
		unsigned victim = kills % writers;
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		assert_true(pid >= 0);
		if (pid == 0) {
			(void)usleep(700);
			if (kills < KILLS_MAX && pids[victim] != 0)
				(void)kill(pids[victim], SIGKILL);
			kills++;
			continue;
		}
		for (unsigned i = 0; i < writers; i++) {
			if (pids[i] != pid)
				continue;
			pids[i] = 0;
			if (WIFSIGNALED(status)) {
				assert_int_equal(WTERMSIG(status), SIGKILL);
				start_writer(pids, i);
			} else {
				assert_int_equal(status, 0);
				running--;
			}
		}
	}
	for (unsigned i = 0; i < writers; i++) {
		for (unsigned j = 0; j < ROUNDS; j++) {
			(void)snprintf(name, sizeof(name), "w%up%u", i, j);
			assert_string_not_equal(who(name), "-");
		}
	}
	assert_string_not_equal(who("alice"), "-");
	check_next_write();
}

static void
test_s4_writers_at_once(void **state)
{
	(void)state;
	done = mmap(NULL, WRITERS_MAX * sizeof(*done), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(done != MAP_FAILED);
	race(2);
	assert_int_equal(da_account_purge(&folder.paths, &diag), DA_OK);
	assert_int_equal(add("alice", "A"), DA_OK);
	race(WRITERS_MAX);
	(void)munmap(done, WRITERS_MAX * sizeof(*done));
}

/* Two who want the same number: one gets it, and both know who. */
static void
test_s4_one_winner(void **state)
{
	static const char *const names[] = {"erin", "frank"};
	pid_t pids[2];

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		unsigned winners = 0, winner = 0;
		struct da_account_change change = put("", "");

		change.entry.uid = DA_ACCOUNT_UID_MIN + round;
		assert_int_equal(da_account_purge(&folder.paths, &diag), DA_OK);
		for (unsigned i = 0; i < 2; i++) {
			pids[i] = fork();
			assert_true(pids[i] >= 0);
			if (pids[i] != 0)
				continue;
			change.entry.name = names[i];
			_exit(-(int)da_account_apply(
				  &folder.paths, &change, 1, NULL, &diag) &
			    0x7f);
		}
		for (unsigned i = 0; i < 2; i++) {
			int status;

			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_true(WIFEXITED(status));
			if (WEXITSTATUS(status) == 0) {
				winners++;
				winner = i;
			} else {
				assert_int_equal(WEXITSTATUS(status),
				    -(int)DA_E_COLLISION & 0x7f);
			}
		}
		assert_int_equal(winners, 1);
		assert_string_not_equal(who(names[winner]), "-");
		assert_string_equal(who(names[!winner]), "-");
	}
}

#define TEST(name)                                                             \
	cmocka_unit_test_prestate_setup_teardown(                              \
	    name, set_up, test_folder_tear_down, &folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_s2_order),
	    TEST(test_s4_killed_at_every_call),
	    TEST(test_s4_every_call_fails),
	    TEST(test_s4_short_writes),
	    TEST(test_s4_purge),
	    TEST(test_s4_first_write),
	    TEST(test_s4_writers_at_once),
	    TEST(test_s4_one_winner),
	};

	return cmocka_run_group_tests_name("crash", tests, NULL, NULL);
}
