/* store/terminate.c: with real processes in audit sessions of their own, and
 * with real processes that a made-up /proc tells other things about. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "folder.h"
#include "host.h"
#include "store/machine.h"
#include "store/terminate.h"
#include "syscalls.h"

#define CROWD 100
/* Of the made-up /proc. */
#define AUDIT 42u
#define OTHER_AUDIT 43u
#define UID 4000u
#define OTHER_UID 4001u

static struct test_folder folder;
static struct da_diag diag;
static struct da_session session;

/* What the processes of a test are. */
enum role {
	NOBODY,
	LEADER,
	PLAIN,
	DAEMON,
	STOPPED,
	FERTILE,
	HEIR,
	HEADLESS,
	STUBBORN,
	ELSEWHERE,
	BYSTANDER,
	CALLER,
	CHILD,
	ROLES,
};

struct report {
	enum role role;
	int32_t value; /* its pid, when it is ready */
};

static int reports[2];
static enum role role; /* of this process */
static volatile bool *hoppers_stop;
static pid_t pids[ROLES];

static void
read_machine(void)
{
	struct da_machine machine;

	assert_int_equal(
	    da_machine_read(&folder.paths, &machine, &diag), DA_OK);
	session =
	    (struct da_session){.anchor = {.audit = DA_AUDIT_NONE}, .uid = UID};
	memcpy(session.boot_id, machine.boot_id, sizeof(session.boot_id));
}

static int
set_up(void **state)
{
	(void)state;
	test_folder_init_in(&folder, "/dev/shm");
	test_host_ids(&folder, TEST_MACHINE_A, TEST_BOOT_A, NULL);
	read_machine();
	assert_int_equal(pipe2(reports, O_CLOEXEC), 0);
	memset(pids, 0, sizeof(pids));
	/* What loses its parent is ours to wait for. */
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
	return 0;
}

static int
set_up_real(void **state)
{
	(void)set_up(state);
	folder.paths.proc_dir = "/proc";
	read_machine();
	return 0;
}

static int
tear_down(void **state)
{
	struct report line;

	(void)state;
	if (hoppers_stop != NULL)
		*hoppers_stop = true;
	/* What a failed test leaves; those that were waited for are not in
	 * there any more. */
	assert_int_equal(fcntl(reports[0], F_SETFL, O_NONBLOCK), 0);
	while (read(reports[0], &line, sizeof(line)) == sizeof(line))
		pids[line.role] = line.value;
	for (size_t i = 0; i < ROLES; i++) {
		if (pids[i] > 0)
			(void)kill(pids[i], SIGKILL);
	}
	while (waitpid(-1, NULL, 0) > 0)
		;
	(void)close(reports[0]);
	(void)close(reports[1]);
	test_folder_done(&folder);
	return 0;
}

/* --- what runs in a session --- */

static void
report(int32_t value)
{
	const struct report line = {role, value};

	if (write(reports[1], &line, sizeof(line)) != sizeof(line))
		_exit(99);
}

static struct report
next_report(void)
{
	struct report line;

	assert_int_equal(read(reports[0], &line, sizeof(line)), sizeof(line));
	return line;
}

/* Until so many are ready. */
static void
collect(size_t count)
{
	while (count-- > 0) {
		struct report line = next_report();

		pids[line.role] = line.value;
	}
}

static void
stay(void)
{
	for (;;)
		(void)pause();
}

static void
ignore_all(void)
{
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN);
}

static void
be_plain(void)
{
	report(getpid());
	stay();
}

static void
be_stubborn(void)
{
	ignore_all();
	be_plain();
}

/* Away from terminal and parent. */
static void
be_daemon(void)
{
	(void)signal(SIGHUP, SIG_IGN);
	(void)setsid();
	if (fork() != 0)
		_exit(0);
	be_plain();
}

static void
leave_politely(int number)
{
	(void)number;
	_exit(7);
}

static void
be_stopped(void)
{
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGTERM, leave_politely);
	report(getpid());
	(void)raise(SIGSTOP);
	stay();
}

static void *
stay_as_thread(void *argument)
{
	report(getpid());
	stay();
	return argument;
}

/* /proc says that it is a zombie. */
static void
be_headless(void)
{
	pthread_t thread;

	ignore_all();
	if (pthread_create(&thread, NULL, stay_as_thread, NULL) != 0)
		_exit(99);
	(void)syscall(SYS_exit, 0);
}

static void
leave_a_child(int number)
{
	(void)number;
	if (fork() == 0) {
		role = HEIR;
		be_stubborn();
	}
	_exit(7);
}

static void
be_fertile(void)
{
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGTERM, leave_a_child);
	be_plain();
}

/* Becomes the first of an audit session, as pam_loginuid would make it; its
 * number, or DA_AUDIT_NONE where the kernel has none. */
static uint32_t
enter_session(void)
{
	uint32_t audit = DA_AUDIT_NONE;
	int fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);
	enum da_err err;

	if (fd < 0 || write(fd, "4000", 4) != 4)
		return DA_AUDIT_NONE;
	(void)close(fd);
	err = da_process_audit_session("/proc", getpid(), &audit, NULL);
	return err == DA_OK ? audit : DA_AUDIT_NONE;
}

static void
be_elsewhere(void)
{
	if (enter_session() == DA_AUDIT_NONE)
		_exit(99);
	be_plain();
}

static void
start(enum role which, void (*run)(void))
{
	if (fork() == 0) {
		role = which;
		run();
		_exit(99);
	}
}

/* Starts the first process of a session, which goes on with "run". */
static void
start_session(void (*run)(void))
{
	pid_t pid = fork();
	uint32_t audit;

	assert_true(pid >= 0);
	if (pid == 0) {
		role = LEADER;
		report((int32_t)enter_session());
		run();
		_exit(99);
	}
	audit = (uint32_t)next_report().value;
	if (audit == DA_AUDIT_NONE) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		skip(); /* a kernel without audit sessions */
	}
	session.anchor.audit = audit;
	assert_int_equal(
	    da_process_look("/proc", pid, &session.anchor.owner, NULL, &diag),
	    DA_OK);
}

/* --- what became of it --- */

static int
status_of(enum role which)
{
	int status;

	assert_true(pids[which] > 0);
	assert_int_equal(waitpid(pids[which], &status, 0), pids[which]);
	pids[which] = 0;
	return status;
}

static void
assert_killed_by(enum role which, int number)
{
	int status = status_of(which);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), number);
}

static void
assert_exited(enum role which, int code)
{
	int status = status_of(which);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
}

/* It runs; the first signal that it gets is ours. */
static void
assert_spared(enum role which)
{
	assert_int_equal(waitpid(pids[which], NULL, WNOHANG), 0);
	assert_int_equal(kill(pids[which], SIGUSR1), 0);
	assert_killed_by(which, SIGUSR1);
}

static enum da_err
terminate(void)
{
	return da_session_terminate(&folder.paths, &session, &diag);
}

/* By a process that has started none of them. */
static enum da_err
terminate_apart(void)
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit((int)terminate());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return (enum da_err)WEXITSTATUS(status);
}

/* --- audit sessions --- */

static void
populate(void)
{
	start(PLAIN, be_plain);
	start(DAEMON, be_daemon);
	start(STOPPED, be_stopped);
	start(FERTILE, be_fertile);
	start(HEADLESS, be_headless);
	start(STUBBORN, be_stubborn);
	start(ELSEWHERE, be_elsewhere);
	be_plain();
}

static void
audit_session_ends_whole(void **state)
{
	(void)state;
	start_session(populate);
	start(BYSTANDER, be_plain);
	collect(9);
	assert_int_equal(terminate_apart(), DA_OK);
	collect(1);
	assert_killed_by(LEADER, SIGHUP);
	assert_killed_by(PLAIN, SIGHUP);
	assert_killed_by(DAEMON, SIGTERM);
	assert_exited(STOPPED, 7);
	assert_exited(FERTILE, 7);
	assert_killed_by(HEIR, SIGKILL);
	assert_killed_by(HEADLESS, SIGKILL);
	assert_killed_by(STUBBORN, SIGKILL);
	assert_spared(ELSEWHERE);
	assert_spared(BYSTANDER);
	assert_int_equal(terminate_apart(), DA_OK); /* nobody is left */
}

/* The broker has been started in the session that it ends, by sudo. */
static void
be_caller(void)
{
	start(CHILD, be_plain);
	(void)poll(NULL, 0, 100); /* a start of its own tick */
	session.anchor.audit = 0;
	if (da_process_audit_session(
		"/proc", getpid(), &session.anchor.audit, NULL) != DA_OK)
		_exit(99);
	report(getpid());
	report((int32_t)terminate());
	stay();
}

static void
have_a_caller(void)
{
	start(CALLER, be_caller);
	start(STUBBORN, be_stubborn);
	be_plain();
}

static void
caller_is_spared_with_its_children(void **state)
{
	struct report result;

	(void)state;
	start_session(have_a_caller);
	collect(4);
	result = next_report();
	assert_int_equal(result.role, CALLER);
	assert_int_equal(result.value, DA_OK);
	assert_killed_by(LEADER, SIGHUP);
	assert_killed_by(STUBBORN, SIGKILL);
	assert_spared(CALLER);
	assert_spared(CHILD);
}

static void
be_crowd(void)
{
	for (int i = 1; i < CROWD; i++)
		start(PLAIN, be_plain);
	be_plain();
}

static int hoppers[2]; /* open for writing as long as there is one */

/* Whoever looks for it finds one that has just ended. */
static void
be_hopper(void)
{
	/* Not forever, whatever becomes of the test. */
	const int64_t end_mono_ms = da_clock_mono_ms() + 10000;

	ignore_all();
	report(getpid());
	while (!*hoppers_stop && da_clock_mono_ms() < end_mono_ms) {
		if (fork() != 0)
			_exit(0);
		(void)setsid();
	}
}

static void
have_hoppers(void)
{
	/* Nobody has to be waited for, as below process 1. */
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	(void)signal(SIGCHLD, SIG_IGN);
	start(PLAIN, be_hopper);
	start(DAEMON, be_hopper);
	(void)close(hoppers[1]);
	be_stubborn();
}

/* A host that has no time for us may be too slow for them, and says so. */
static void
hoppers_do_not_go_unnoticed(void **state)
{
	enum da_err err;
	char byte;

	(void)state;
	hoppers_stop = mmap(NULL, sizeof(bool), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(hoppers_stop != MAP_FAILED);
	assert_int_equal(pipe2(hoppers, O_CLOEXEC | O_NONBLOCK), 0);
	start_session(have_hoppers);
	(void)close(hoppers[1]);
	collect(3);
	pids[PLAIN] = pids[DAEMON] = 0;
	err = terminate_apart();
	if (err == DA_OK)
		assert_int_equal(read(hoppers[0], &byte, 1), 0);
	else
		assert_int_equal(err, DA_E_TIMEOUT);
	assert_killed_by(LEADER, SIGKILL);
	(void)close(hoppers[0]);
}

/* As many descriptors as the broker has. */
static void
crowd_ends(void **state)
{
	struct rlimit old, few;
	int status;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){64, old.rlim_max};
	start_session(be_crowd);
	collect(CROWD);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(terminate_apart(), DA_OK);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	pids[LEADER] = pids[PLAIN] = 0;
	for (int i = 0; i < CROWD; i++) {
		assert_true(waitpid(-1, &status, 0) > 0);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGHUP);
	}
}

static void
other_boot_is_left_alone(void **state)
{
	(void)state;
	start_session(be_plain);
	collect(1);
	session.boot_id[0] = session.boot_id[0] == '0' ? '1' : '0';
	assert_int_equal(terminate_apart(), DA_OK);
	assert_spared(LEADER);
}

/* --- by descent: /proc is made up, the processes are real --- */

/* What /proc says of a process of the test. */
static void
tell(enum role which, int32_t parent, uint64_t start_ticks, uint32_t audit)
{
	test_host_process(&folder, pids[which], parent, start_ticks, audit);
	if (audit != DA_AUDIT_NONE)
		test_host_login_uid(&folder, pids[which], UID);
}

/* "which" is told to be in no audit session. */
static void
start_told(enum role which, void (*run)(void), int32_t parent, uint64_t ticks)
{
	start(which, run);
	collect(1);
	tell(which, parent, ticks, DA_AUDIT_NONE);
}

static void
start_owner(void)
{
	test_host_process(&folder, 1, 0, 1, DA_AUDIT_NONE);
	start_told(LEADER, be_plain, 1, 1000);
	session.anchor.owner = (struct da_process){pids[LEADER], 1000};
}

static void
descendants_of_the_owner_end(void **state)
{
	(void)state;
	start_owner();
	start_told(PLAIN, be_plain, pids[LEADER], 1010);
	start_told(STUBBORN, be_stubborn, pids[PLAIN], 1020);
	start_told(BYSTANDER, be_plain, 1, 1030);
	/* Logs in below it: a session of its own. */
	start_told(ELSEWHERE, be_plain, pids[PLAIN], 1030);
	tell(ELSEWHERE, pids[PLAIN], 1030, OTHER_AUDIT);
	/* Its parent's number has come again, as one of the session. */
	start_told(DAEMON, be_plain, pids[PLAIN], 1009);
	assert_int_equal(terminate_apart(), DA_OK);
	assert_killed_by(LEADER, SIGHUP);
	assert_killed_by(PLAIN, SIGHUP);
	assert_killed_by(STUBBORN, SIGKILL);
	assert_spared(BYSTANDER);
	assert_spared(ELSEWHERE);
	assert_spared(DAEMON);
}

static int
terminate_in_child(void *unused)
{
	(void)unused;
	return terminate() == DA_OK ? 0 : 1;
}

/* When the owner has ended, what it had started is the reaper's child. */
static int
orphan(void *context, const struct test_call *call)
{
	bool *told = context;

	if (call->nr == SYS_pidfd_send_signal && !*told) {
		*told = true;
		test_host_process_ends(&folder, pids[LEADER]);
		tell(STUBBORN, 1, 1010, DA_AUDIT_NONE);
	}
	return TEST_PASS;
}

static void
orphans_are_remembered(void **state)
{
	bool told = false;
	int status;

	(void)state;
	start_owner();
	start_told(STUBBORN, be_stubborn, pids[LEADER], 1010);
	status = test_syscalls_run(terminate_in_child, NULL, orphan, &told);
	assert_true(told);
	assert_int_equal(status, 0);
	assert_killed_by(LEADER, SIGHUP);
	assert_killed_by(STUBBORN, SIGKILL);
}

/* --- an audit session that is not the session's own --- */

/* A login (BYSTANDER) with a shell (CALLER), su below it, which is the owner,
 * and what su has started. */
static void
start_su(uint32_t login_uid)
{
	static const enum role all[] = {BYSTANDER, CALLER, LEADER, PLAIN};

	test_host_process(&folder, 1, 0, 1, DA_AUDIT_NONE);
	for (size_t i = 0; i < 4; i++) {
		start(all[i], be_plain);
		collect(1);
		tell(all[i], i > 0 ? pids[all[i - 1]] : 1, 1000 + i, AUDIT);
		test_host_login_uid(&folder, pids[all[i]], login_uid);
	}
	session.anchor = (struct da_anchor){AUDIT, {pids[LEADER], 1002}};
}

static void
only_su_ends(void **state)
{
	(void)state;
	start_su(UID);
	assert_int_equal(terminate_apart(), DA_OK);
	assert_killed_by(LEADER, SIGHUP);
	assert_killed_by(PLAIN, SIGHUP);
	assert_spared(BYSTANDER);
	assert_spared(CALLER);
}

/* The shell that su was called from has ended. */
static void
only_orphaned_su_ends(void **state)
{
	(void)state;
	start_su(OTHER_UID);
	tell(LEADER, 1, 1002, AUDIT);
	test_host_login_uid(&folder, pids[LEADER], OTHER_UID);
	assert_int_equal(terminate_apart(), DA_OK);
	assert_killed_by(LEADER, SIGHUP);
	assert_killed_by(PLAIN, SIGHUP);
	assert_spared(BYSTANDER);
	assert_spared(CALLER);
}

static void
login_of_another_is_left_alone_without_su(void **state)
{
	(void)state;
	start_su(OTHER_UID);
	session.anchor.owner.start_ticks++;
	assert_int_equal(terminate_apart(), DA_OK);
	assert_spared(BYSTANDER);
	assert_spared(CALLER);
	assert_spared(LEADER);
	assert_spared(PLAIN);
}

/* tmux, when sshd was killed. */
static void
login_without_its_owner_ends(void **state)
{
	(void)state;
	start_su(UID);
	session.anchor.owner.start_ticks++;
	assert_int_equal(terminate_apart(), DA_OK);
	assert_killed_by(BYSTANDER, SIGHUP);
	assert_killed_by(CALLER, SIGHUP);
	assert_killed_by(LEADER, SIGHUP);
	assert_killed_by(PLAIN, SIGHUP);
}

static void
without_an_owner_nobody_is_touched(void **state)
{
	static const uint64_t starts[] = {999, 1001};

	(void)state;
	start_owner();
	start_told(PLAIN, be_plain, pids[LEADER], 1010);
	/* Its number is another's. */
	for (size_t i = 0; i < 2; i++) {
		session.anchor.owner.start_ticks = starts[i];
		assert_int_equal(terminate_apart(), DA_E_ABSENT);
	}
	session.anchor.owner.start_ticks = 1000;
	test_host_process_ends(&folder, pids[LEADER]);
	assert_int_equal(terminate_apart(), DA_E_ABSENT);
	assert_spared(LEADER);
	assert_spared(PLAIN);
}

/* --- races, and what must never happen --- */

struct watch {
	uint64_t start_ticks;
	uint32_t audit;
	unsigned opened;
	unsigned opened_first; /* pid 1 */
	unsigned sent;
};

/* As soon as the number was opened it is that of another process. */
static int
replace(void *context, const struct test_call *call)
{
	struct watch *watch = context;

	if (call->nr == SYS_pidfd_open && call->args[0] == 1) {
		watch->opened_first++;
		return EPERM; /* whatever happens here, not to that one */
	}
	if (call->nr == SYS_pidfd_open && (pid_t)call->args[0] == pids[PLAIN]) {
		watch->opened++;
		tell(PLAIN, 1, watch->start_ticks, watch->audit);
	}
	if (call->nr == SYS_pidfd_send_signal)
		watch->sent++;
	return TEST_PASS;
}

static void
number_that_comes_again_is_left_alone(void **state)
{
	static const struct watch others[] = {
	    {.start_ticks = 1011, .audit = AUDIT},
	    {.start_ticks = 1010, .audit = OTHER_AUDIT},
	    {.start_ticks = 1010, .audit = DA_AUDIT_NONE},
	};

	(void)state;
	session.anchor = (struct da_anchor){AUDIT, {999999, 1}};
	start_told(PLAIN, be_plain, 1, 1010);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct watch watch = others[i];

		tell(PLAIN, 1, 1010, AUDIT);
		(void)test_syscalls_run(
		    terminate_in_child, NULL, replace, &watch);
		assert_int_equal(watch.opened, 1);
		assert_int_equal(watch.sent, 0);
	}
	assert_spared(PLAIN);
}

static void
first_process_is_left_alone(void **state)
{
	struct watch watch = {.start_ticks = 1010, .audit = AUDIT};
	int status;

	(void)state;
	session.anchor = (struct da_anchor){AUDIT, {1, 1}};
	test_host_process(&folder, 1, 0, 1, AUDIT);
	start_told(PLAIN, be_plain, 1, 1010);
	tell(PLAIN, 1, 1010, AUDIT);
	status = test_syscalls_run(terminate_in_child, NULL, replace, &watch);
	assert_int_equal(status, 0);
	assert_int_equal(watch.opened_first, 0);
	assert_killed_by(PLAIN, SIGHUP);
}

/* A kernel before 5.3, or a filter. Nobody is signalled by number instead. */
static int
refuse_descriptors(void *context, const struct test_call *call)
{
	struct watch *watch = context;

	if (call->nr == SYS_pidfd_open)
		return ENOSYS;
	if (call->nr == SYS_kill || call->nr == SYS_tgkill)
		watch->sent++;
	return TEST_PASS;
}

static void
without_descriptors_nobody_is_signalled(void **state)
{
	struct watch watch = {.sent = 0};
	int status;

	(void)state;
	session.anchor = (struct da_anchor){AUDIT, {999999, 1}};
	start_told(PLAIN, be_plain, 1, 1010);
	tell(PLAIN, 1, 1010, AUDIT);
	status = test_syscalls_run(
	    terminate_in_child, NULL, refuse_descriptors, &watch);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(watch.sent, 0);
	assert_spared(PLAIN);
}

/* Of a process that does not end: it hears nothing. */
static int
swallow(void *context, const struct test_call *call)
{
	(void)context;
	return call->nr == SYS_pidfd_send_signal ? ESRCH : TEST_PASS;
}

static int
terminate_in_vain(void *unused)
{
	int64_t begun = da_clock_mono_ms();

	(void)unused;
	if (terminate() != DA_E_TIMEOUT ||
	    strstr(diag.text, "1 of the session's processes") == NULL)
		return 1;
	return da_clock_mono_ms() - begun >= DA_SESSION_TERMINATE_MS ? 0 : 2;
}

static void
what_does_not_end_is_told(void **state)
{
	(void)state;
	session.anchor = (struct da_anchor){AUDIT, {999999, 1}};
	start_told(PLAIN, be_plain, 1, 1010);
	tell(PLAIN, 1, 1010, AUDIT);
	assert_int_equal(
	    test_syscalls_run(terminate_in_vain, NULL, swallow, NULL), 0);
	assert_spared(PLAIN);
}

int
main(void)
{
#define REAL(name) cmocka_unit_test_setup_teardown(name, set_up_real, tear_down)
#define TOLD(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    REAL(audit_session_ends_whole),
	    REAL(caller_is_spared_with_its_children),
	    REAL(crowd_ends),
	    REAL(hoppers_do_not_go_unnoticed),
	    REAL(other_boot_is_left_alone),
	    TOLD(descendants_of_the_owner_end),
	    TOLD(orphans_are_remembered),
	    TOLD(only_su_ends),
	    TOLD(only_orphaned_su_ends),
	    TOLD(login_of_another_is_left_alone_without_su),
	    TOLD(login_without_its_owner_ends),
	    TOLD(without_an_owner_nobody_is_touched),
	    TOLD(number_that_comes_again_is_left_alone),
	    TOLD(first_process_is_left_alone),
	    TOLD(without_descriptors_nobody_is_signalled),
	    TOLD(what_does_not_end_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
