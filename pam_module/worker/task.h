/*
 * What the worker was started for, from the orders to the last word. Runs
 * inside the sandbox; everything it hears is hostile, the broker excepted.
 *
 *  1. Every wait also watches the broker's socket: a byte that was not asked
 *     for, or the end of it, ends the task at once.
 *  2. Exactly one last word; an identity only after every check has passed.
 *  3. Tokens go to the broker and the provider only, as soon as they are there:
 *     whatever becomes of the rest, somebody has to revoke them. Nothing else
 * of a server's text leaves the process but the user code, the address and the
 *     claims, and, for the log only, an issuer that is not the configured one.
 */
#ifndef DA_WORKER_TASK_H
#define DA_WORKER_TASK_H

#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"
#include "provider/discovery.h"
#include "worker/documents.h"
#include "worker/request.h"

struct da_http;
struct da_token_answer;

struct da_errand {
	int broker;
	const struct da_wire_start *start;
	struct da_provider provider;
	struct da_documents documents;
	struct da_requester requester;
	int64_t asked_s; /* wall clock of the request that leads to tokens */
	struct da_diag reason;
};

/* Checks the broker's orders: DA_E_CONFIG, with the reason. */
enum da_err da_task_check(
    const struct da_wire_start *start, struct da_diag *reason) DA_MUST_CHECK;

/* Does the task and says the last word on "broker". DA_OK when it has been
 * said, whichever it was; DA_E_CANCELLED when the broker spoke or went; the
 * errors of da_wire_send(). */
enum da_err da_task_run(int broker, const struct da_wire_start *start,
    struct da_http *http, int64_t deadline_mono_ms) DA_MUST_CHECK;

/* Says FAILED as the last word. */
enum da_err da_task_fail(
    int broker, enum da_err code, const struct da_diag *reason) DA_MUST_CHECK;

/* Says anything else. The errors of da_wire_send(). */
enum da_err da_task_say(struct da_errand *task, enum da_wire_type type,
    const void *message) DA_MUST_CHECK;

/* Hands new tokens to the broker and makes an identity of them. The errors of
 * da_identify() and da_wire_send(). */
enum da_err da_task_take_tokens(struct da_errand *task,
    const struct da_token_answer *tokens,
    struct da_wire_identity *identity) DA_MUST_CHECK;

/* Hands over what came and was refused, such as a Bearer token where a bound
 * one is due: it is good at the provider, and the broker revokes it. */
void da_task_leave_tokens(
    struct da_errand *task, const struct da_token_answer *tokens);

#endif
