/*
 * nss_module/ in the processes of strangers: without descriptors, locked in,
 * interrupted, forked, on tiny stacks, with files that somebody else planted.
 *
 * The module keeps what it has mapped, so all tests share one folder, and those
 * that change the process run in a child.
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "../../nss_module/nss_devauth.h"
#include "account/account.h"
#include "account/writer.h"
#include "child.h"
#include "core/paths.h"
#include "database.h"
#include "fault.h"
#include "folder.h"
#include "paths_test.h"

static struct test_folder folder;
static struct da_diag diag;

/* A person and a group on each level, and one group on both. */
static int
set_up_all(void **state)
{
	static const struct test_person people[] = {
	    {"alice", 2000000001, 2000000001, false}, {0}};
	static const struct test_group groups[] = {
	    {"ops", 5000, {"alice"}, false}, {0}};
	static const struct test_memberships memberships[] = {
	    {"alice", {5000}}, {0}};
	static const struct test_person dir_people[] = {
	    {"carol", 10003, 10003, false}, {0}};
	static const struct test_group dir_groups[] = {
	    {"ops", 5000, {"bob", "carol"}, false},
	    {"crew", 6000, {"carol"}, false}, {0}};
	const struct da_account_policy policy = {.enumerate = true,
	    .home = "/home/%u",
	    .shell = "/bin/sh",
	    .allowed_users = ""};

	(void)state;
	test_folder_init(&folder);
	test_paths_set(folder.root);
	test_database_build(
	    &da_paths, DA_FORMAT_ACCOUNTS, people, groups, memberships);
	test_database_build(
	    &da_paths, DA_FORMAT_DIRECTORY, dir_people, dir_groups, NULL);
	assert_int_equal(
	    da_account_set_policy(&da_paths, &policy, &diag), DA_OK);
	return 0;
}

static int
tear_down_all(void **state)
{
	(void)state;
	test_folder_done(&folder);
	return 0;
}

/* --- every call there is --- */

enum { CALLS = 11 };

/* What a call was given and what came of it. */
struct ask {
	char *buffer;
	size_t size;
	struct passwd passwd;
	struct group group;
	int error;
};

static enum nss_status
ask_groups(int *error)
{
	static gid_t room[64];
	gid_t *gids = room; /* large enough, so never moved */
	long int start = 0, size = 64;

	return _nss_devauth_initgroups_dyn(
	    "alice", 1, &start, &size, &gids, 64, error);
}

/* For the two walks the first entry. */
static enum nss_status
ask_call(unsigned call, struct ask *ask)
{
	char *buffer = ask->buffer;
	const size_t size = ask->size;
	int *error = &ask->error;

	ask->error = 0;
	switch (call) {
	case 0:
		return _nss_devauth_getpwnam_r(
		    "alice", &ask->passwd, buffer, size, error);
	case 1:
		return _nss_devauth_getpwuid_r(
		    2000000001, &ask->passwd, buffer, size, error);
	case 2:
		return _nss_devauth_getpwnam_r(
		    "carol", &ask->passwd, buffer, size, error);
	case 3:
		return _nss_devauth_getgrnam_r(
		    "ops", &ask->group, buffer, size, error);
	case 4:
		return _nss_devauth_getgrgid_r(
		    5000, &ask->group, buffer, size, error);
	case 5:
		return _nss_devauth_getgrnam_r(
		    "alice", &ask->group, buffer, size, error);
	case 6:
		return _nss_devauth_getgrgid_r(
		    10003, &ask->group, buffer, size, error);
	case 7:
		return _nss_devauth_getgrnam_r(
		    "crew", &ask->group, buffer, size, error);
	case 8:
		return ask_groups(error);
	case 9:
		return _nss_devauth_getpwent_r(
		    &ask->passwd, buffer, size, error);
	default:
		return _nss_devauth_getgrent_r(
		    &ask->group, buffer, size, error);
	}
}

static void
rewind_both(void)
{
	assert_int_equal(_nss_devauth_setpwent(0), NSS_STATUS_SUCCESS);
	assert_int_equal(_nss_devauth_setgrent(0), NSS_STATUS_SUCCESS);
}

static bool
is_group_call(unsigned call)
{
	return call >= 3 && call != 9 && call != 8;
}

static void
check_inside(const char *text, const struct ask *ask)
{
	assert_true(text >= ask->buffer &&
	    text + strlen(text) < ask->buffer + ask->size);
}

static void
check_answer(unsigned call, const struct ask *ask)
{
	const char *list;
	size_t count = 0;

	if (call == 8)
		return;
	if (!is_group_call(call)) {
		check_inside(ask->passwd.pw_name, ask);
		check_inside(ask->passwd.pw_passwd, ask);
		check_inside(ask->passwd.pw_gecos, ask);
		check_inside(ask->passwd.pw_dir, ask);
		check_inside(ask->passwd.pw_shell, ask);
		return;
	}
	list = (const char *)ask->group.gr_mem;
	check_inside(ask->group.gr_name, ask);
	check_inside(ask->group.gr_passwd, ask);
	assert_int_equal((uintptr_t)list % _Alignof(char *), 0);
	for (; ask->group.gr_mem[count] != NULL; count++)
		check_inside(ask->group.gr_mem[count], ask);
	assert_true(list >= ask->buffer &&
	    list + (count + 1) * sizeof(char *) <= ask->buffer + ask->size);
	if (call == 3 || call == 4)
		assert_int_equal(count, 3); /* of both levels */
}

/* Every size and alignment for every call, the walks, the merged and the
 * private groups included: TRYAGAIN and ERANGE until it is enough, then never
 * again. */
static void
test_s11_erange_ladder(void **state)
{
	static _Alignas(16) char arena[320];

	(void)state;
	for (unsigned call = 0; call < CALLS; call++) {
		for (size_t offset = 0; offset < 16; offset++) {
			struct ask ask = {.buffer = arena + offset};
			bool enough = call == 8;

			for (ask.size = 0; ask.size < 256; ask.size++) {
				enum nss_status status;

				rewind_both();
				memset(arena, '#', sizeof(arena));
				errno = TEST_SENTINEL;
				status = ask_call(call, &ask);
				assert_int_equal(errno, TEST_SENTINEL);
				for (size_t i = 0; i < sizeof(arena); i++) {
					if (i < offset ||
					    i >= offset + ask.size)
						assert_int_equal(arena[i], '#');
				}
				if (status == NSS_STATUS_SUCCESS) {
					enough = true;
					check_answer(call, &ask);
					continue;
				}
				assert_false(enough);
				assert_int_equal(status, NSS_STATUS_TRYAGAIN);
				assert_int_equal(ask.error, ERANGE);
			}
			assert_true(enough);
		}
	}
	rewind_both();
}

/* --- S12: system calls that fail --- */

static int
refuse_all(void *context, const struct test_call *call)
{
	const int *error = context;

	return test_syscalls_may_fail(call) ? *error : TEST_PASS;
}

/* Maps anew, then asks for everything; 0 when every answer was a fit one. The
 * statuses that libc goes on from are all but nonsense. */
static int
ask_cold(void *argument)
{
	static char buffer[512];
	struct ask ask = {.buffer = buffer, .size = sizeof(buffer)};
	const bool may_fail = *(bool *)argument;

	for (unsigned call = 0; call < CALLS; call++) {
		enum nss_status status;

		errno = TEST_SENTINEL;
		status = ask_call(call, &ask);
		if (errno != TEST_SENTINEL)
			return 1;
		if (status == NSS_STATUS_SUCCESS)
			continue;
		if (!may_fail)
			return 2;
		if (status == NSS_STATUS_TRYAGAIN
			? ask.error != EAGAIN
			: ask.error != ENOENT && status != NSS_STATUS_NOTFOUND)
			return 3;
	}
	return 0;
}

static void
test_s12_system_calls_fail(void **state)
{
	static const int errors[] = {EPERM, ENOSYS, EMFILE, ENOMEM, EINTR};
	bool may_fail = true;

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(errors); i++) {
		struct test_fault fault = {.verdict = errors[i]};

		do {
			rewind_both();
			test_database_raise(&da_paths);
			assert_int_equal(test_fault_run(&fault, test_fault_any,
					     ask_cold, &may_fail),
			    0);
		} while (test_fault_next(&fault));
		assert_true(fault.at > 20);
		/* From the start: nothing can be mapped, nobody is there. */
		test_database_raise(&da_paths);
		assert_int_equal(test_syscalls_run(ask_cold, &may_fail,
				     refuse_all, &fault.verdict),
		    0);
	}
}

/* What is mapped answers though every call is refused. */
static int
ask_warm(void *argument)
{
	(void)argument;
	return ask_cold(&(bool){false});
}

static void
test_s12_warm_under_eperm(void **state)
{
	int error = EPERM;
	char buffer[512];
	struct ask ask = {.buffer = buffer, .size = sizeof(buffer)};

	(void)state;
	for (unsigned call = 0; call < CALLS; call++)
		assert_int_equal(ask_call(call, &ask), NSS_STATUS_SUCCESS);
	assert_int_equal(
	    test_syscalls_run(ask_warm, NULL, refuse_all, &error), 0);
	rewind_both();
}

/* --- S16: which files are looked at --- */

struct opened {
	unsigned count;
	bool strange;
};

static int
judge_open(void *context, const struct test_call *call)
{
	struct opened *opened = context;
	char path[256], folder_path[256];
	bool ours;

	if (call->nr != SYS_openat)
		return TEST_PASS;
	opened->count++;
	(void)test_syscalls_text(call, call->args[1], path, sizeof(path));
	if ((int)call->args[0] == AT_FDCWD) {
		ours = strcmp(path, da_paths.state_dir) == 0;
	} else {
		(void)test_syscalls_path(
		    call, call->args[0], folder_path, sizeof(folder_path));
		ours = strcmp(folder_path, da_paths.state_dir) == 0 &&
		    (strcmp(path, DA_FORMAT_GENERATION) == 0 ||
			strcmp(path, DA_FORMAT_ACCOUNTS) == 0 ||
			strcmp(path, DA_FORMAT_DIRECTORY) == 0);
	}
	if (!ours ||
	    (call->args[2] & (O_NOFOLLOW | O_CLOEXEC)) !=
		(O_NOFOLLOW | O_CLOEXEC) ||
	    (call->args[2] & O_ACCMODE) != O_RDONLY)
		opened->strange = true;
	return TEST_PASS;
}

/* An attacker's folder with databases of the same names. */
static void
make_trap(char *trap, size_t size)
{
	char command[600];

	(void)snprintf(trap, size, "%s/trap", folder.root);
	(void)snprintf(command, sizeof(command),
	    "rm -rf '%s' && mkdir -p '%s%s' && cp '%s'/* '%s%s' && "
	    "cp '%s'/* '%s' && chown -R 1000:1000 '%s'",
	    trap, trap, da_paths.state_dir, da_paths.state_dir, trap,
	    da_paths.state_dir, da_paths.state_dir, trap, trap);
	assert_int_equal(system(command), 0);
}

static void
test_s16_only_our_files(void **state)
{
	static const char *const variables[] = {"HOME", "TMPDIR", "DEVAUTH",
	    "DEVAUTH_STATE", "STATE_DIRECTORY", "NSS_PATH"};
	struct opened opened = {0};
	char trap[100], before[256];

	(void)state;
	make_trap(trap, sizeof(trap));
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(trap), 0);
	for (size_t i = 0; i < DA_ARRAY_LEN(variables); i++)
		(void)setenv(variables[i], trap, 1);
	rewind_both();
	test_database_raise(&da_paths);
	assert_int_equal(
	    test_syscalls_run(ask_warm, NULL, judge_open, &opened), 0);
	assert_true(opened.count >= 4);
	assert_false(opened.strange);
	assert_int_equal(chdir(before), 0);
}

/* --- S5, S12: other roots and other users --- */

static enum nss_status
ask_alice(void)
{
	char buffer[256];
	struct ask ask = {.buffer = buffer, .size = sizeof(buffer)};
	enum nss_status status;

	errno = TEST_SENTINEL;
	status = ask_call(0, &ask);
	assert_int_equal(errno, TEST_SENTINEL);
	return status;
}

/* There root's files belong to nobody. */
static void
check_user_namespace(void)
{
	assert_int_equal(ask_alice(), NSS_STATUS_SUCCESS);
	test_database_raise(&da_paths);
	assert_int_equal(unshare(CLONE_NEWUSER), 0);
	assert_int_equal(ask_alice(), NSS_STATUS_UNAVAIL);
}

/* The attacker's files at the very path, in his chroot: not root's. */
static void
check_chroot(void)
{
	char trap[100];

	make_trap(trap, sizeof(trap));
	assert_int_equal(ask_alice(), NSS_STATUS_SUCCESS);
	assert_int_equal(chroot(trap), 0);
	assert_int_equal(chdir("/"), 0);
	/* What is mapped is the host's still. */
	assert_int_equal(ask_alice(), NSS_STATUS_SUCCESS);
}

static void
check_cold_chroot(void)
{
	char trap[100];

	make_trap(trap, sizeof(trap));
	test_database_raise(&da_paths);
	assert_int_equal(chroot(trap), 0);
	assert_int_equal(ask_alice(), NSS_STATUS_UNAVAIL);
	assert_int_equal(chroot("/tmp"), 0);
	/* Nothing there at all. */
	assert_int_equal(ask_alice(), NSS_STATUS_NOTFOUND);
}

/* The kernel makes none in a chroot, and some hosts in no case. */
static bool
makes_user_namespaces(void)
{
	pid_t pid = fork();
	int status = 1;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER) == 0 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status == 0;
}

static void
test_s5_user_namespace(void **state)
{
	(void)state;
	if (!makes_user_namespaces())
		skip();
	test_in_child(check_user_namespace);
}

static void
test_s12_chroot(void **state)
{
	(void)state;
	test_in_child(check_chroot);
	test_in_child(check_cold_chroot);
}

/* --- S12: signals, forks, threads, stacks --- */

static volatile sig_atomic_t interrupted, wrong;

static void
look_up_in_handler(int signal)
{
	char buffer[512];
	struct ask ask = {.buffer = buffer, .size = sizeof(buffer)};
	int saved = errno;

	(void)signal;
	interrupted++;
	for (unsigned call = 0; call <= 8; call++) {
		errno = TEST_SENTINEL;
		if (ask_call(call, &ask) != NSS_STATUS_SUCCESS ||
		    errno != TEST_SENTINEL)
			wrong++;
	}
	errno = saved;
}

static void
replace(unsigned i)
{
	char gecos[16];
	struct da_account_entry entry = {.name = "alice",
	    .uid = 2000000001,
	    .gecos = gecos,
	    .home = "/home/x",
	    .shell = "/bin/sh"};

	(void)snprintf(gecos, sizeof(gecos), "%u", i);
	assert_int_equal(da_account_add(&da_paths, &entry, &diag), DA_OK);
}

/* Lookups, warm and cold, that are interrupted by lookups. */
static void
check_signals(void)
{
	const struct itimerval often = {{0, 300}, {0, 300}};
	const struct sigaction action = {.sa_handler = look_up_in_handler};
	char buffer[512];
	struct ask ask = {.buffer = buffer, .size = sizeof(buffer)};
	/* The kernel fills less than there is. */
	sigset_t before = {0}, after = {0};

	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &before), 0);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (unsigned i = 0; i < 20000 || interrupted < 100; i++) {
		if (i % 200 == 0)
			test_database_raise(&da_paths);
		for (unsigned call = 0; call <= 8; call++)
			assert_int_equal(
			    ask_call(call, &ask), NSS_STATUS_SUCCESS);
	}
	assert_int_equal(
	    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL), 0);
	assert_int_equal(wrong, 0);
	assert_int_equal(sigprocmask(SIG_SETMASK, NULL, &after), 0);
	assert_memory_equal(&before, &after, sizeof(before));
}

static void
test_s12_signal_handler(void **state)
{
	(void)state;
	test_in_child(check_signals);
}

static bool stop;

/* Holds the position of the walks most of the time. */
static void *
walk_until_stopped(void *argument)
{
	char buffer[512];
	struct ask ask = {.buffer = buffer, .size = sizeof(buffer)};

	(void)argument;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		for (unsigned call = 9; call < CALLS; call++) {
			if (ask_call(call, &ask) != NSS_STATUS_SUCCESS)
				rewind_both();
		}
	}
	return NULL;
}

/* In the child of a fork the other threads are gone, wherever they were: what
 * they held stays held, and nobody waits for it for ever. */
static void
check_forks(void)
{
	pthread_t threads[4];
	char buffer[512];
	struct ask ask = {.buffer = buffer, .size = sizeof(buffer)};

	for (size_t i = 0; i < DA_ARRAY_LEN(threads); i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, walk_until_stopped, NULL),
		    0);
	for (unsigned i = 0; i < 12; i++) {
		pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0) {
			(void)alarm(20);
			for (unsigned call = 0; call <= 8; call++) {
				if (ask_call(call, &ask) != NSS_STATUS_SUCCESS)
					_exit(1);
			}
			status = ask_call(9 + i % 2, &ask);
			_exit(status == NSS_STATUS_SUCCESS ||
				    status == NSS_STATUS_NOTFOUND ||
				    (status == NSS_STATUS_TRYAGAIN &&
					ask.error == EAGAIN)
				? 0
				: 2);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		if (i % 4 == 0)
			test_database_raise(&da_paths);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < DA_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

static void
test_s12_fork_with_lock_held(void **state)
{
	(void)state;
	test_in_child(check_forks);
}

#define SMALL_STACK 8192

static ucontext_t main_context, small_context;
static unsigned small_call;
static enum nss_status small_status;
static char small_buffer[512];
static struct ask small_ask = {
    .buffer = small_buffer, .size = sizeof(small_buffer)};

static void
ask_on_small_stack(void)
{
	small_status = ask_call(small_call, &small_ask);
}

/* Every call, cold and warm, above a page that must not be touched. */
static void
check_small_stack(void)
{
	char *stack = mmap(NULL, SMALL_STACK + 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(stack != MAP_FAILED);
	assert_int_equal(mprotect(stack, 4096, PROT_NONE), 0);
	for (unsigned i = 0; i < 2 * CALLS; i++) {
		small_call = i / 2;
		rewind_both();
		if (i % 2 == 0)
			test_database_raise(&da_paths);
		assert_int_equal(getcontext(&small_context), 0);
		small_context.uc_stack.ss_sp = stack + 4096;
		small_context.uc_stack.ss_size = SMALL_STACK;
		small_context.uc_link = &main_context;
		makecontext(&small_context, ask_on_small_stack, 0);
		small_status = NSS_STATUS_UNAVAIL;
		assert_int_equal(swapcontext(&main_context, &small_context), 0);
		assert_int_equal(small_status, NSS_STATUS_SUCCESS);
	}
}

static void
test_s12_small_stack(void **state)
{
	(void)state;
	test_in_child(check_small_stack);
}

/* --- S11: walks --- */

static size_t
count_groups(void)
{
	char buffer[512];
	struct ask ask = {.buffer = buffer, .size = sizeof(buffer)};
	size_t count = 0;

	while (ask_call(10, &ask) == NSS_STATUS_SUCCESS)
		count++;
	return count;
}

static void *
count_in_thread(void *ret)
{
	*(size_t *)ret = count_groups();
	return NULL;
}

/* Threads share one walk over the groups; a new database changes nothing of it;
 * an end without a start is fine, as is a second one. */
static void
test_s11_walks(void **state)
{
	pthread_t threads[4];
	size_t counts[4], total = 0;
	char buffer[512];
	struct ask ask = {.buffer = buffer, .size = sizeof(buffer)};

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(_nss_devauth_endpwent(), NSS_STATUS_SUCCESS);
		assert_int_equal(_nss_devauth_endgrent(), NSS_STATUS_SUCCESS);
	}
	for (size_t i = 0; i < DA_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
				     count_in_thread, &counts[i]),
		    0);
	for (size_t i = 0; i < DA_ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		total += counts[i];
	}
	assert_int_equal(total, 4); /* alice ops carol crew */
	errno = TEST_SENTINEL;
	assert_int_equal(ask_call(10, &ask), NSS_STATUS_NOTFOUND);
	assert_int_equal(ask.error, 0);
	assert_int_equal(errno, TEST_SENTINEL);
	rewind_both();
	assert_int_equal(ask_call(10, &ask), NSS_STATUS_SUCCESS);
	replace(1);
	assert_int_equal(count_groups(), 3);
	rewind_both();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_s11_erange_ladder),
	    cmocka_unit_test(test_s11_walks),
	    cmocka_unit_test(test_s12_system_calls_fail),
	    cmocka_unit_test(test_s12_warm_under_eperm),
	    cmocka_unit_test(test_s16_only_our_files),
	    cmocka_unit_test(test_s5_user_namespace),
	    cmocka_unit_test(test_s12_chroot),
	    cmocka_unit_test(test_s12_signal_handler),
	    cmocka_unit_test(test_s12_fork_with_lock_held),
	    cmocka_unit_test(test_s12_small_stack),
	};

	if (getuid() != 0) {
		(void)fputs("test_nss_corners: skipped, needs root: the module "
			    "believes root's files only\n",
		    stderr);
		return 77;
	}
	return cmocka_run_group_tests_name(
	    "nss_corners", tests, set_up_all, tear_down_all);
}
