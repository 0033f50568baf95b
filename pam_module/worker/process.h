/*
 * The worker as a process: checks that the broker has taken everything from
 * it, and gives up what is left. The broker is trusted; these checks are for
 * the day when it has a bug, or somebody starts the program by hand.
 */
#ifndef DA_WORKER_PROCESS_H
#define DA_WORKER_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/err.h"

/* The socket to the broker; 0, 1 and 2 are /dev/null. */
#define DA_WORKER_SOCKET 3

/* Checks the convention of the start (core/WIRE.md): no argument, descriptors
 * 0 to 2 open, a UNIX stream socket as descriptor 3, one unprivileged user and
 * group for all ids, no supplementary groups, no capabilities. Closes every
 * other descriptor. DA_E_BUG. */
enum da_err da_process_check(int argc) DA_MUST_CHECK;

/* Empties the environment, resets signals, limits the use of the machine,
 * forbids core dumps, ptrace and new privileges, and makes the kernel end us
 * with the broker. DA_E_SYS, DA_E_CLOSED (the broker is gone already). */
enum da_err da_process_confine(void) DA_MUST_CHECK;

/* Ends the process by SIGALRM in so many milliseconds: the last resort for a
 * system call of a library that does not come back. DA_E_SYS. */
enum da_err da_process_set_alarm(int64_t after_ms) DA_MUST_CHECK;

/* For calls that cannot watch the socket themselves (getaddrinfo): as long as
 * it is on, any sign of the broker, its end above all, ends the process by
 * SIGIO. DA_E_SYS, DA_E_CANCELLED when there is a sign already. */
enum da_err da_process_watch(bool on) DA_MUST_CHECK;

#endif
