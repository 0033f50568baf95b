#include "syscalls.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/attr.h"
#include "unit.h"

#define NOT_YET (-2)

/* What parent and child tell each other where system calls are not possible. */
struct shared {
	volatile int listener; /* of the child; the parent takes it */
	volatile bool taken;
};

/* From here on the parent is asked; the end needs no permission. */
static void
submit(struct shared *shared)
{
	struct sock_filter code[] = {
	    BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	const struct sock_fprog program = {DA_ARRAY_LEN(code), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		_exit(99);
	shared->listener = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
	    SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	while (!shared->taken)
		;
}

/* Does half of a child's write() in its place. */
static int64_t
write_half(int pidfd, const struct test_call *call)
{
	size_t len = (size_t)(call->args[2] + 1) / 2;
	uint8_t *bytes = malloc(len + 1);
	const struct iovec here = {bytes, len};
	const struct iovec there = {(void *)(uintptr_t)call->args[1], len};
	int fd = (int)syscall(SYS_pidfd_getfd, pidfd, (int)call->args[0], 0);
	ssize_t done;

	assert_non_null(bytes);
	assert_true(fd >= 0);
	assert_int_equal(
	    process_vm_readv(call->pid, &here, 1, &there, 1, 0), len);
	done = write(fd, bytes, len);
	(void)close(fd);
	free(bytes);
	return done;
}

static void
answer(int listener, int pidfd, const struct seccomp_notif *request,
    const struct test_call *call, int verdict)
{
	struct seccomp_notif_resp response = {.id = request->id};

	if (verdict == TEST_KILL) {
		(void)kill(call->pid, SIGKILL);
		return;
	}
	if (verdict > 0)
		response.error = -verdict;
	else if (verdict == TEST_SHORT && call->nr == SYS_write)
		response.val = write_half(pidfd, call);
	else
		response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) != 0)
		assert_int_equal(errno, ENOENT); /* it is gone */
}

/* One call; false when there will be no more. */
static bool
serve(int listener, int pidfd, unsigned index, test_judge *judge, void *context)
{
	struct pollfd event = {.fd = listener, .events = POLLIN};
	struct seccomp_notif request = {0};
	struct test_call call = {.index = index};

	while (poll(&event, 1, -1) < 0)
		assert_int_equal(errno, EINTR);
	if ((event.revents & POLLIN) == 0)
		return false;
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) {
		assert_int_equal(errno, ENOENT);
		return true;
	}
	call.nr = request.data.nr;
	call.pid = (pid_t)request.pid;
	for (size_t i = 0; i < 6; i++)
		call.args[i] = request.data.args[i];
	answer(listener, pidfd, &request, &call, judge(context, &call));
	return true;
}

int
test_syscalls_run(
    int (*child)(void *), void *argument, test_judge *judge, void *context)
{
	struct shared *shared = mmap(NULL, sizeof(*shared),
	    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int pidfd, listener, status;
	unsigned index = 0;
	pid_t pid;

	assert_true(shared != MAP_FAILED);
	shared->listener = NOT_YET;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		submit(shared);
		(void)syscall(SYS_exit_group, child(argument));
	}
	while (shared->listener == NOT_YET)
		(void)usleep(20);
	assert_true(shared->listener >= 0);
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	assert_true(pidfd >= 0);
	listener = (int)syscall(SYS_pidfd_getfd, pidfd, shared->listener, 0);
	assert_true(listener >= 0);
	shared->taken = true;
	while (serve(listener, pidfd, index, judge, context))
		index++;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(listener);
	(void)close(pidfd);
	(void)munmap(shared, sizeof(*shared));
	return status;
}

const char *
test_syscalls_text(
    const struct test_call *call, uint64_t address, char *buffer, size_t size)
{
	const struct iovec here = {buffer, size - 1};
	const struct iovec there = {(void *)(uintptr_t)address, size - 1};
	ssize_t len = process_vm_readv(call->pid, &here, 1, &there, 1, 0);

	buffer[len > 0 ? len : 0] = '\0';
	return buffer;
}

const char *
test_syscalls_path(
    const struct test_call *call, uint64_t fd, char *buffer, size_t size)
{
	char link[64];
	ssize_t len;

	(void)snprintf(
	    link, sizeof(link), "/proc/%d/fd/%d", call->pid, (int)fd);
	len = readlink(link, buffer, size - 1);
	buffer[len > 0 ? len : 0] = '\0';
	return buffer;
}

bool
test_syscalls_may_fail(const struct test_call *call)
{
	/* brk() tells by its result where the end is, never an errno. */
	if (call->nr == SYS_brk)
		return false;
#ifdef __SANITIZE_ADDRESS__
	/* Its own memory, and its look at the stack. */
	if (call->nr == SYS_mmap && (int)call->args[4] < 0)
		return false;
	return call->nr != SYS_munmap && call->nr != SYS_madvise &&
	    call->nr != SYS_mprotect && call->nr != SYS_sigaltstack;
#else
	return true;
#endif
}
