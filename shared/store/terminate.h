/*
 * The end of all that runs in a session, where policy wants it (on_revoked =
 * terminate) or an administrator.
 *
 * MUST NOT, whatever happens meanwhile: signal a process of another session, of
 * none, pid 1, the caller or what the caller has started. A number is never
 * signalled, only a descriptor of the process (pidfd, Linux 5.3) that was
 * looked at again after it was opened.
 *
 * Runs in the broker, the sweep and the command, as root.
 */
#ifndef DA_STORE_TERMINATE_H
#define DA_STORE_TERMINATE_H

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "store/session.h"

struct da_paths;

/* Ends every process of a session that da_session_load() has opened; facts that
 * are merely listed are not verified. Which they are:
 *   the audit session, where it is this session's own: its owner is the first
 *   of one that others have as well (su's), and where there is none: the owner
 *     and what descends from it; not what has lost its parent before
 *   when the owner is gone: the audit session, if that login was of this uid
 * SIGHUP and SIGTERM first, SIGKILL after DA_SESSION_TERMINATE_MS for what is
 * left and for what that starts meanwhile; returns within twice that time and
 * that of some looks at all processes.
 *   DA_OK         none is left; of a session of another boot none ever is
 *   DA_E_ABSENT   no audit session and no owner: none was touched
 *   DA_E_TIMEOUT  some do not end, or others come faster than they go
 *   DA_E_SYS      the text is of the first failure; the others were signalled
 *   DA_E_NOMEM, and the errors of da_machine_read() */
enum da_err da_session_terminate(const struct da_paths *paths,
    const struct da_session *session, struct da_diag *diag) DA_MUST_CHECK;

#endif
