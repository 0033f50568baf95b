/*
 * The device flow from the first request to the identity: device request,
 * polls, tokens, and whether the sign-in was as good as it had to be.
 */
#ifndef DA_WORKER_LOGIN_H
#define DA_WORKER_LOGIN_H

#include "core/attr.h"
#include "core/err.h"
#include "core/wire.h"

struct da_errand;

/* Fills the identity. DA_E_DENIED, DA_E_EXPIRED, DA_E_DEADLINE, DA_E_WEAK,
 * DA_E_UNREACHABLE, DA_E_PROTOCOL, DA_E_PROVIDER, and the errors of
 * da_task_take_tokens(). */
enum da_err da_login_run(
    struct da_errand *task, struct da_wire_identity *identity) DA_MUST_CHECK;

#endif
