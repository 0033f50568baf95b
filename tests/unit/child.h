/*
 * A test in a process of its own, because it changes the process for good.
 */
#ifndef DA_TESTS_CHILD_H
#define DA_TESTS_CHILD_H

/* Runs it in a child, where a failed assertion or a deadlock is the end, and
 * fails the test when the child did not get to the test's end. */
void test_in_child(void (*test)(void));

#endif
