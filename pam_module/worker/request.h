/*
 * Requests to the provider's endpoints, with all that has to go with them: the
 * client's credentials, the tokens, and the proofs that they are ours. What has
 * to be signed the broker signs.
 *
 * Credentials go to the endpoints of the profile's provider only (H11): no
 * other code of the worker sends forms.
 */
#ifndef DA_WORKER_REQUEST_H
#define DA_WORKER_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"
#include "provider/client_auth.h"

struct da_endpoints;
struct da_http;
struct da_http_answer;
struct da_token_answer;

/* A form with a token, all of it escaped, and the credentials. */
#define DA_REQUEST_FORM_MAX                                                    \
	(3 * (DA_TOKEN_MAX + DA_SECRET_MAX + 4 * DA_URI_MAX))

struct da_requester {
	int broker;
	struct da_http *http;
	const struct da_endpoints *endpoints;
	struct da_client client;
	int64_t deadline_mono_ms;
	bool proofs;    /* DPoP is in use */
	uint32_t types; /* DA_TOKEN_* that an answer may bring */
	char dpop_nonce[DA_DPOP_NONCE_MAX + 1]; /* the server's last one */
};

/* Decides by the orders and by what the provider offers whether tokens will be
 * bound, and tells the broker what it may be asked to sign for. What was bound
 * stays so (attack D16). DA_E_PROVIDER when DPoP has to be and cannot; the
 * errors of da_wire_send(). */
enum da_err da_request_begin(struct da_requester *requester,
    const struct da_wire_start *start, struct da_diag *reason) DA_MUST_CHECK;

/* Sends a form with the client's credentials, and to the token endpoint with a
 * proof, to one of the endpoints, which must be there; "once" as in struct
 * da_http_request. When the provider asks for its own nonce the request is made
 * once more with that (RFC 9449 8), and never a third time. DA_E_CONFIG when
 * the credentials cannot be sent, DA_E_PROTOCOL when there is no usable nonce,
 * DA_E_CANCELLED when the broker does not sign, and the errors of
 * da_http_send(). Release the answer in every case. */
enum da_err da_request_form(struct da_requester *requester,
    enum da_endpoint endpoint, const struct da_buf *fields, bool once,
    struct da_http_answer *ret, struct da_diag *reason) DA_MUST_CHECK;

/* Asks userinfo with the access token. DA_E_PROVIDER when there is none to
 * ask. */
enum da_err da_request_userinfo(struct da_requester *requester,
    const struct da_token_answer *tokens, struct da_http_answer *ret,
    struct da_diag *reason) DA_MUST_CHECK;

#endif
