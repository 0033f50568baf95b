/*
 * libc's own syscall(), for libraries that are preloaded with another one.
 */
#ifndef DA_TESTS_REAL_H
#define DA_TESTS_REAL_H

#include <dlfcn.h>
#include <stdarg.h>

/* "list" is what followed the number; whatever was not given is not used. */
static inline long
real_syscall(long number, va_list list)
{
	long (*real)(long, ...) =
	    (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
	long a[6];

	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#endif
