/*
 * A login from the first request to the last word: metadata, device request,
 * polls, ID token, userinfo. Runs inside the sandbox; everything it hears is
 * hostile, the broker's orders excepted.
 *
 *  1. Every wait also watches the broker's socket: a byte or the end of it ends
 *     the login at once.
 *  2. Exactly one last word, IDENTITY or FAILED; an identity only after the
 *     signature has verified and every check has passed.
 *  3. Tokens and codes never leave the process; nothing of a server's text does
 *     but the user code, the address and the claims, and, for the log only, an
 *     issuer that is not the configured one.
 */
#ifndef DA_WORKER_LOGIN_H
#define DA_WORKER_LOGIN_H

#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"

struct da_http;

/* Checks the broker's orders: DA_E_CONFIG, with the reason. */
enum da_err da_login_check(
    const struct da_wire_start *start, struct da_diag *reason) DA_MUST_CHECK;

/* Runs the flow and says the last word on "broker". DA_OK when it has been
 * said, whichever it was; DA_E_CANCELLED when the broker spoke or went; the
 * errors of da_wire_send(). */
enum da_err da_login_run(int broker, const struct da_wire_start *start,
    struct da_http *http, int64_t deadline_mono_ms) DA_MUST_CHECK;

/* Says FAILED as the last word. */
enum da_err da_login_fail(
    int broker, enum da_err code, const struct da_diag *reason) DA_MUST_CHECK;

#endif
