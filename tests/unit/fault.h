/*
 * Disturbs one system call of a child: the next one in every run, until a run
 * has no more of them.
 */
#ifndef DA_TESTS_FAULT_H
#define DA_TESTS_FAULT_H

#include <stdbool.h>

#include "syscalls.h"

struct test_fault {
	unsigned at; /* which of the calls that count */
	int verdict;
	unsigned seen; /* of those that count, in the last run */
	long nr;       /* of the call that was disturbed */
};

/* Which calls count: all, or those that change a file or a folder. */
test_judge test_fault_any;
test_judge test_fault_change;

/* Runs the child and gives back its wait status. */
int test_fault_run(struct test_fault *fault, test_judge *judge,
    int (*child)(void *), void *argument);

/* Whether the last run got to the call. */
bool test_fault_met(const struct test_fault *fault);

/* The same, and goes on to the next call. */
bool test_fault_next(struct test_fault *fault);

#endif
