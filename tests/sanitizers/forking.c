/*
 * Preloaded where the module runs under ThreadSanitizer: turns its bare clone()
 * into a fork(). The sanitizer does not notice a clone(), so in the child it
 * would wait for locks of its own that other threads held, and would take the
 * child's descriptors for theirs.
 */
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

long
syscall(long number, ...)
{
	long (*real)(long, ...) =
	    (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long a[6];
	va_list list;

	if (number == SYS_clone)
		return fork();
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

pid_t
waitpid(pid_t pid, int *ret_status, int options)
{
	pid_t (*real)(pid_t, int *, int) =
	    (pid_t(*)(pid_t, int *, int))dlsym(RTLD_NEXT, "waitpid");

	/* A child of fork() is none of clone()'s. */
	return real(pid, ret_status, options & ~(int)__WCLONE);
}
