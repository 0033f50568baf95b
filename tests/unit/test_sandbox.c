/*
 * The worker's sandbox: each forbidden act in a child of its own, which has to
 * die of it (or be refused by Landlock), and the few allowed ones.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/attr.h"
#include "worker/sandbox.h"

#define FILE_OF_ALL "/etc/passwd"

/* An act returns 0 when it was possible. */
typedef int act_fn(void);

/* Does it in a locked child; the wait status. */
static int
in_sandbox(act_fn *act, bool ca_folder)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		const struct rlimit no_core = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &no_core);
		if (da_sandbox_enter(ca_folder) != DA_OK)
			_exit(100);
		_exit(act() == 0 ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
expect_killed(act_fn *act, bool ca_folder)
{
	int status = in_sandbox(act, ca_folder);

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void
expect_exit(act_fn *act, bool ca_folder, int code)
{
	int status = in_sandbox(act, ca_folder);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
}

static int
do_write_file(void)
{
	return open("/tmp/devauth-sandbox", O_WRONLY | O_CREAT, 0600) < 0;
}

static int
do_append_file(void)
{
	return open(FILE_OF_ALL, O_RDONLY | O_APPEND) < 0;
}

static int
do_read_write(void)
{
	return open(FILE_OF_ALL, O_RDWR) < 0;
}

static int
do_temporary_file(void)
{
	return open("/tmp", O_TMPFILE | O_RDWR, 0600) < 0;
}

static int
do_exec(void)
{
	char *const argv[] = {(char[]){"true"}, NULL};

	return execv("/bin/true", argv);
}

static int
do_fork(void)
{
	return fork() < 0;
}

static int
do_thread(void)
{
	return syscall(SYS_clone, CLONE_VM | CLONE_FILES, 0, 0, 0, 0) < 0;
}

static int
do_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0;
}

static int
do_netlink_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) < 0;
}

static int
do_udp_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0) < 0;
}

static int
do_raw_socket(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) < 0;
}

static int
do_listen(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return fd < 0 || listen(fd, 1) != 0;
}

static int
do_bind(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return bind(fd, (struct sockaddr *)&address, sizeof(address));
}

static int
do_map_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int
do_make_code(void)
{
	void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(map, 4096, PROT_READ | PROT_EXEC);
}

static int
do_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0;
}

static int
do_kill(void)
{
	return kill(getppid(), 0);
}

static int
do_setuid(void)
{
	return setuid(0);
}

static int
do_unlink(void)
{
	return unlink("/tmp/devauth-sandbox");
}

static int
do_chmod(void)
{
	return chmod("/tmp", 01777);
}

static int
do_set_owner(void)
{
	return fcntl(0, F_SETOWN, getppid());
}

static int
do_read_process(void)
{
	char byte;
	struct iovec iovec = {&byte, 1};

	return syscall(SYS_process_vm_readv, getppid(), &iovec, 1, &iovec, 1,
		   0) < 0;
}

static int
do_new_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static void
test_killed(void **state)
{
	static act_fn *const acts[] = {do_write_file, do_append_file,
	    do_read_write, do_temporary_file, do_exec, do_fork, do_thread,
	    do_unix_socket, do_netlink_socket, do_udp_socket, do_raw_socket,
	    do_listen, do_bind, do_map_code, do_make_code, do_ptrace, do_kill,
	    do_setuid, do_unlink, do_chmod, do_set_owner, do_read_process,
	    do_new_namespace};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(acts); i++) {
		expect_killed(acts[i], false);
		expect_killed(acts[i], true);
	}
}

static int
do_read_ca(void)
{
	return open("/etc/ssl/certs", O_RDONLY | O_DIRECTORY) < 0;
}

static int
do_read_other(void)
{
	return open(FILE_OF_ALL, O_RDONLY) < 0;
}

/* Without a CA folder, no file can be opened at all. */
static void
test_files(void **state)
{
	(void)state;
	expect_killed(do_read_ca, false);
	expect_killed(do_read_other, false);
	expect_exit(do_read_ca, true, 0);
}

static void
test_landlock(void **state)
{
	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0,
		LANDLOCK_CREATE_RULESET_VERSION) < 1)
		skip();
	expect_exit(do_read_other, true, 1);
}

static int
do_connect(void)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET,
	    .sin_port = htons(9),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Nobody listens there; being refused is being allowed to ask. */
	(void)connect(fd, (struct sockaddr *)&address, sizeof(address));
	return fd < 0 || socket(AF_INET6, SOCK_STREAM, 0) < 0;
}

static int
do_memory(void)
{
	char *map = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return 1;
	map[0] = 1;
	return munmap(map, 1 << 20);
}

static void
test_allowed(void **state)
{
	(void)state;
	expect_exit(do_connect, false, 0);
	expect_exit(do_memory, false, 0);
}

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_killed),
	    cmocka_unit_test(test_files),
	    cmocka_unit_test(test_landlock),
	    cmocka_unit_test(test_allowed),
	};

	/* The sanitizers make calls of their own; 77 = skipped. */
	if (SANITIZED)
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
