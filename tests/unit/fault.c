#include "fault.h"

#include <fcntl.h>
#include <sys/syscall.h>

static int
count(struct test_fault *fault, const struct test_call *call)
{
	if (fault->seen++ != fault->at)
		return TEST_PASS;
	fault->nr = call->nr;
	return fault->verdict > 0 && !test_syscalls_may_fail(call)
	    ? TEST_PASS
	    : fault->verdict;
}

int
test_fault_any(void *context, const struct test_call *call)
{
	return count(context, call);
}

int
test_fault_change(void *context, const struct test_call *call)
{
	switch (call->nr) {
	case SYS_write:
	case SYS_pwrite64:
	case SYS_fsync:
	case SYS_fchmod:
	case SYS_renameat:
	case SYS_renameat2:
	case SYS_unlinkat:
	case SYS_utimensat:
	case SYS_mkdir:
		return count(context, call);
	case SYS_openat:
		if ((call->args[2] & O_CREAT) != 0)
			return count(context, call);
		return TEST_PASS;
	default:
		return TEST_PASS;
	}
}

int
test_fault_run(struct test_fault *fault, test_judge *judge,
    int (*child)(void *), void *argument)
{
	fault->seen = 0;
	return test_syscalls_run(child, argument, judge, fault);
}

bool
test_fault_met(const struct test_fault *fault)
{
	return fault->seen > fault->at;
}

bool
test_fault_next(struct test_fault *fault)
{
	return fault->seen > fault->at++;
}
