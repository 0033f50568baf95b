/*
 * The end of tokens: revoked at the provider (RFC 7009), now or by the
 * sweep, and what follows when it is the provider that ends them.
 */
#ifndef DA_BROKER_REVOCATION_H
#define DA_BROKER_REVOCATION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "store/config.h"
#include "store/session.h"

struct da_paths;
struct da_transaction;

/* A logout, and whoever waits for one, is held up no longer. */
#define DA_REVOCATION_BUDGET_MS 2000

/* Revokes the tokens of an ended session and removes its file; a try that
 * did not work is noted for the back-off. What never will work is removed as
 * well, and the error says why. DA_E_UNREACHABLE, DA_E_WORKER...: later.
 * DA_E_TIMEOUT: somebody else is at it. */
enum da_err da_revocation_try(const struct da_paths *paths,
    const struct da_config *config, const struct da_host_keys *keys,
    const char *id, int64_t budget_ms, struct da_diag *diag) DA_MUST_CHECK;

/* Puts tokens that belong to no session (any more) where they are revoked.
 * ret_id names them then. The session is wiped. */
enum da_err da_revocation_leave(const struct da_paths *paths,
    const struct da_host_keys *keys, struct da_session *session,
    char ret_id[static DA_SESSION_MAX + 1], struct da_diag *diag) DA_MUST_CHECK;

/* Ends the session and its processes. */
void da_revocation_terminate(
    const struct da_paths *paths, const struct da_session *session);

/* Puts the tokens of grants that nobody consumed where they are revoked.
 * Errors of da_grants_expire(). */
enum da_err da_revocation_expire_grants(const struct da_paths *paths,
    const struct da_host_keys *keys, struct da_diag *diag) DA_MUST_CHECK;

/* What is left to do once the answer is out and nobody waits: revokes what
 * this transaction has left over or ended. */
void da_revocation_finish(struct da_transaction *transaction);

#endif
