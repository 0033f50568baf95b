/*
 * Runs a function in a child and decides about each of its system calls: let it
 * pass, fail it, cut it short, end the child in front of it.
 */
#ifndef DA_TESTS_SYSCALLS_H
#define DA_TESTS_SYSCALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct test_call {
	long nr;
	uint64_t args[6];
	unsigned index; /* 0 is the first call of the child */
	pid_t pid;
};

enum test_verdict {
	TEST_PASS = 0,
	TEST_KILL = -1,
	TEST_SHORT = -2, /* a write() of half the bytes; others pass */
			 /* Any positive number: fail with this errno. */
};

typedef int test_judge(void *context, const struct test_call *call);

/* Runs child(argument) and gives back its wait status; its exit status is what
 * it returns. The judge is asked in this process. */
int test_syscalls_run(
    int (*child)(void *), void *argument, test_judge *judge, void *context);

/* The text at an address of the child, "" if there is none. */
const char *test_syscalls_text(
    const struct test_call *call, uint64_t address, char *buffer, size_t size);

/* The path of a descriptor of the child, "" if there is none. */
const char *test_syscalls_path(
    const struct test_call *call, uint64_t fd, char *buffer, size_t size);

/* Whether a failure may be simulated: not where the kernel never fails, or a
 * sanitizer would give up. */
bool test_syscalls_may_fail(const struct test_call *call);

#endif
