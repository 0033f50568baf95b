/*
 * Preloaded where the module runs under ThreadSanitizer: turns its bare clone()
 * into a fork(). The sanitizer does not notice a clone(), so in the child it
 * would wait for locks of its own that other threads held, and would take the
 * child's descriptors for theirs.
 */
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "real.h"

long
syscall(long number, ...)
{
	va_list list;
	long result;

	if (number == SYS_clone)
		return fork();
	va_start(list, number);
	result = real_syscall(number, list);
	va_end(list);
	return result;
}

pid_t
waitpid(pid_t pid, int *ret_status, int options)
{
	pid_t (*real)(pid_t, int *, int) =
	    (pid_t(*)(pid_t, int *, int))dlsym(RTLD_NEXT, "waitpid");

	/* A child of fork() is none of clone()'s. */
	return real(pid, ret_status, options & ~(int)__WCLONE);
}
