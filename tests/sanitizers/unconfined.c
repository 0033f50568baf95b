/*
 * Preloaded into the worker under AddressSanitizer, which needs memory and
 * calls that the worker gives away: takes its confinement back. Everything
 * else of the worker stays.
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "real.h"

int
setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	(void)resource;
	(void)limit;
	return 0;
}

/* UBSan reads its options where only root may in a process that must not be
 * dumped. */
int
prctl(int option, ...)
{
	int (*real)(int, ...) = (int (*)(int, ...))dlsym(RTLD_NEXT, "prctl");
	unsigned long a[4];
	va_list list;

	if (option == PR_SET_DUMPABLE)
		return 0;
	va_start(list, option);
	for (int i = 0; i < 4; i++)
		a[i] = va_arg(list, unsigned long);
	va_end(list);
	return real(option, a[0], a[1], a[2], a[3]);
}

int
seccomp_load(void *filter)
{
	(void)filter;
	return 0;
}

long
syscall(long number, ...)
{
	va_list list;
	long result;

	if (number == SYS_landlock_restrict_self)
		return 0;
	va_start(list, number);
	result = real_syscall(number, list);
	va_end(list);
	return result;
}
