/*
 * The lock that closes before the first byte from the network: Landlock where
 * the kernel has it, seccomp always.
 *
 * Afterwards the process can speak TCP over the sockets it opens, read the
 * folder of CA certificates (if it was asked to), and manage its memory. It
 * cannot start anything, open another file, or reach another process. A
 * forbidden system call ends it at once; the broker sees a worker that went
 * without a last word.
 */
#ifndef DA_WORKER_SANDBOX_H
#define DA_WORKER_SANDBOX_H

#include <stdbool.h>

#include "core/attr.h"
#include "core/err.h"

/* Locks the process for good. With "ca_folder" the system's certificates stay
 * readable, otherwise no file does. DA_E_SYS: not locked, so do not go on. */
enum da_err da_sandbox_enter(bool ca_folder) DA_MUST_CHECK;

#endif
