/*
 * What is asked of the provider about tokens that a session has: new ones, are
 * they still good, revoke them. Nobody waits at a prompt for longer than the
 * budget; once a request is out nothing but the budget ends it, for the tokens
 * that it brings must not be lost.
 */
#ifndef DA_BROKER_EXCHANGE_H
#define DA_BROKER_EXCHANGE_H

#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"
#include "store/config.h"
#include "store/session.h"

struct da_paths;

struct da_exchange {
	const struct da_paths *paths;
	const struct da_config *config;
	const struct da_profile *profile; /* of the session's issuer */
	const struct da_host_keys *keys;
	struct da_session *session; /* loaded, its lock held */
	int64_t budget_ms;
	struct da_diag *diag;
};

/* The profile that the session came by, as it is today. DA_E_CONFIG when there
 * is none for its issuer. Borrowed. */
enum da_err da_exchange_profile(const struct da_config *config,
    const struct da_session *session, const struct da_profile **ret,
    struct da_diag *diag) DA_MUST_CHECK;

/* Asks whether the person is still welcome, in the way that the profile says;
 * with it come new tokens, which are in the session's file before anything else
 * is done with them. "ret" is what the provider said of the person; release
 * with da_wire_done(DA_WIRE_IDENTITY). "renew" asks for new tokens whatever
 * the profile says.
 *   DA_OK             yes; it counts when da_exchange_keep() says so
 *   DA_E_REJECTED     no: the tokens are gone from the session, or it has
 *                     ended where that could not be written, and the person
 *                     has to sign in again where on_revoked says so. The end
 *                     of the session's processes is left to the caller
 *   DA_E_ABSENT       the session has no token to ask with (any more)
 *   DA_E_ENDED        the session ended meanwhile
 * and the errors of the worker: nobody knows. */
enum da_err da_exchange_check(struct da_exchange *exchange, bool renew,
    struct da_wire_identity *ret) DA_MUST_CHECK;

/* The answer counts from now on: for the next renewal and, "for_sudo", for
 * sudo's time of grace. Whoever says that has looked at what the answer brought
 * about the person. DA_E_ENDED, and the errors of da_session_update(). */
enum da_err
da_exchange_keep(struct da_exchange *exchange, bool for_sudo) DA_MUST_CHECK;

/* RFC 7009. The session need not be in a file. DA_OK when there is nothing
 * left to revoke. */
enum da_err da_exchange_revoke(struct da_exchange *exchange) DA_MUST_CHECK;

/* What a TOKENS message brought, as the session's. From then on no signal but
 * KILL ends this process: it has to see to them. DA_E_NOMEM, DA_E_WORKER. */
enum da_err da_exchange_take_tokens(struct da_session *session,
    const struct da_wire_tokens *tokens, const char *thumbprint) DA_MUST_CHECK;

#endif
