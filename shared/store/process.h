/*
 * What the kernel says about processes. A pid alone names nobody, for numbers
 * come again; with the start time it does, until the next boot.
 *
 * "proc_dir" is /proc; tests have one of their own.
 */
#ifndef DA_STORE_PROCESS_H
#define DA_STORE_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

/* The audit session of who has none (no pam_loginuid, no audit in the
 * kernel). */
#define DA_AUDIT_NONE UINT32_MAX

struct da_process {
	int32_t pid;
	uint64_t start_ticks; /* since boot, as in /proc/PID/stat */
};

/* Looks a process up; *ret_parent (may be NULL) is its parent's pid, 0 = none.
 * DA_E_ABSENT when it is gone or only waits to be reaped, DA_E_SYNTAX. */
enum da_err
da_process_look(const char *proc_dir, int32_t pid, struct da_process *ret,
    int32_t *ret_parent, struct da_diag *diag) DA_MUST_CHECK;

/* The same, of one as well whose first thread alone has ended: the others go
 * on, and only a descriptor of the process tells. */
enum da_err
da_process_look_any(const char *proc_dir, int32_t pid, struct da_process *ret,
    int32_t *ret_parent, struct da_diag *diag) DA_MUST_CHECK;

/* Whether this very process still runs. */
bool da_process_lives(const char *proc_dir, const struct da_process *process);

/* The kernel's audit session of a process: set by pam_loginuid at a login,
 * inherited by all that the login starts, and nobody but root can change it.
 * DA_AUDIT_NONE where there is none. DA_E_ABSENT (no such process),
 * DA_E_SYNTAX. */
enum da_err da_process_audit_session(const char *proc_dir, int32_t pid,
    uint32_t *ret, struct da_diag *diag) DA_MUST_CHECK;

/* Whose login that session is: the uid that pam_loginuid has set with it.
 * DA_AUDIT_NONE where there is none. The same errors. */
enum da_err da_process_login_uid(const char *proc_dir, int32_t pid,
    uint32_t *ret, struct da_diag *diag) DA_MUST_CHECK;

#endif
