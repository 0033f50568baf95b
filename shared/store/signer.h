/*
 * Signs for the worker, and as little as possible: DPoP proofs (RFC 9449) and
 * client assertions (RFC 7523).
 *
 * Trust: who asks has parsed a stranger's bytes, and may have been taken over.
 *  1. It chooses a kind, an endpoint, a nonce and a hash; jti, iat, exp, htm,
 *     htu and aud are written here.
 *  2. Addresses are those that it named once, ahead of the first request, on
 *     the provider's own hosts.
 *  3. Kinds that the profile does not use, combinations that no protocol
 *     knows, and more than "limit" requests are refused.
 */
#ifndef DA_STORE_SIGNER_H
#define DA_STORE_SIGNER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"

struct da_signing_key;

/* What a profile and a transaction allow. Borrowed. */
struct da_signer_terms {
	const char *issuer;
	const char *endpoint_hosts; /* further hosts, by spaces */
	const char *client_id;
	bool proofs;          /* binding is not "sealed" */
	bool assertions;      /* client_auth = private_key_jwt */
	bool audience_issuer; /* aud is the issuer, not the endpoint
			       * (providers.md 14) */
	unsigned int limit;
};

struct da_signer {
	const struct da_signing_key *key;
	struct da_signer_terms terms;
	struct da_wire_endpoints endpoints;
	bool has_endpoints;
	unsigned int used;
};

/* Enough for a task without polls, and how much more for each poll there can
 * be: a proof and an assertion. */
#define DA_SIGNER_LIMIT 32
#define DA_SIGNER_LIMIT_PER_POLL 2

/* "key" and the texts of "terms" are borrowed. */
void da_signer_init(struct da_signer *signer, const struct da_signing_key *key,
    const struct da_signer_terms *terms);

/* ENDPOINTS, once. DA_E_WORKER: a second time, or an address that is none or is
 * on a host that is not the provider's. */
enum da_err da_signer_take_endpoints(struct da_signer *signer,
    const struct da_wire_endpoints *endpoints,
    struct da_diag *diag) DA_MUST_CHECK;

/* Answers SIGN; release ret->jwt with da_wire_done(DA_WIRE_SIGNED). "now_s" is
 * the wall clock. DA_E_WORKER: not to be signed, end the worker. DA_E_SYS,
 * DA_E_NOMEM. */
enum da_err da_signer_sign(struct da_signer *signer,
    const struct da_wire_sign *order, int64_t now_s, struct da_wire_signed *ret,
    struct da_diag *diag) DA_MUST_CHECK;

#endif
