#include "worker/request.h"

#include <string.h>

#include <openssl/evp.h>

#include "core/clock.h"
#include "core/frame.h"
#include "core/limits.h"
#include "core/text.h"
#include "http/http.h"
#include "provider/answer.h"
#include "provider/discovery.h"
#include "provider/token.h"

/* The broker has nothing else to do. */
#define BROKER_TIMEOUT_MS 5000
#define AUTHORIZATION_MAX (6 * (DA_CLAIM_MAX + DA_SECRET_MAX) + DA_TOKEN_MAX)

static const char *
address_of(const struct da_endpoints *endpoints, enum da_endpoint endpoint)
{
	switch (endpoint) {
	case DA_ENDPOINT_DEVICE:
		return endpoints->device;
	case DA_ENDPOINT_TOKEN:
		return endpoints->token;
	case DA_ENDPOINT_USERINFO:
		return endpoints->userinfo;
	case DA_ENDPOINT_REVOCATION:
		return endpoints->revocation;
	case DA_ENDPOINT_INTROSPECTION:
		return endpoints->introspection;
	}
	return "";
}

static enum da_err
require_address(struct da_requester *requester, enum da_endpoint endpoint,
    const char **ret, struct da_diag *reason)
{
	*ret = address_of(requester->endpoints, endpoint);
	if ((*ret)[0] != '\0')
		return DA_OK;
	da_diag_set(reason, "it offers no %s",
	    endpoint == DA_ENDPOINT_USERINFO         ? "userinfo"
		: endpoint == DA_ENDPOINT_REVOCATION ? "revocation"
						     : "introspection");
	return DA_E_PROVIDER;
}

static enum da_err
say_endpoints(const struct da_requester *requester)
{
	const struct da_endpoints *known = requester->endpoints;
	struct da_wire_endpoints message;

	memcpy(message.device, known->device, sizeof(message.device));
	memcpy(message.token, known->token, sizeof(message.token));
	memcpy(message.userinfo, known->userinfo, sizeof(message.userinfo));
	memcpy(
	    message.revocation, known->revocation, sizeof(message.revocation));
	memcpy(message.introspection, known->introspection,
	    sizeof(message.introspection));
	return da_wire_send(requester->broker, DA_WIRE_ENDPOINTS, &message,
	    da_clock_mono_ms() + BROKER_TIMEOUT_MS);
}

enum da_err
da_request_begin(struct da_requester *requester,
    const struct da_wire_start *start, struct da_diag *reason)
{
	enum da_dpop_offer offer = requester->endpoints->dpop;
	bool required =
	    start->binding == DA_BINDING_REQUIRE_DPOP || start->bound != 0;
	bool gets_tokens =
	    start->task == DA_TASK_LOGIN || start->task == DA_TASK_REFRESH;
	enum da_err err = da_text_copy(start->dpop_nonce, requester->dpop_nonce,
	    sizeof(requester->dpop_nonce));

	requester->proofs = gets_tokens &&
	    (required ||
		(start->binding == DA_BINDING_PREFER_DPOP &&
		    offer == DA_DPOP_OFFERED));
	requester->types = (required ? 0 : DA_TOKEN_BEARER) |
	    (requester->proofs ? DA_TOKEN_DPOP : 0);
	if (requester->proofs && offer == DA_DPOP_OTHERWISE) {
		da_diag_set(reason, "it takes no DPoP proofs with ES256");
		return DA_E_PROVIDER;
	}
	if (err != DA_OK ||
	    (!requester->proofs &&
		requester->client.auth != DA_CLIENT_PRIVATE_KEY_JWT))
		return err;
	return say_endpoints(requester);
}

/* A broker that says anything but what it was asked for has ended us. */
static enum da_err
receive_signed(int broker, struct da_wire_signed *ret)
{
	DA_CLEANUP(da_buf_done) struct da_buf body;
	uint8_t type = 0;
	enum da_err err;

	da_buf_init(&body, DA_JWT_MAX + 16);
	err = da_frame_recv(
	    broker, &type, &body, da_clock_mono_ms() + BROKER_TIMEOUT_MS);
	if (err == DA_OK)
		err = type == DA_WIRE_SIGNED
		    ? da_wire_decode(DA_WIRE_SIGNED, &body, ret)
		    : DA_E_WIRE;
	if (err == DA_OK &&
	    (ret->jwt.len == 0 ||
		strlen(da_buf_text(&ret->jwt)) != ret->jwt.len ||
		!da_text_is_printable(da_buf_text(&ret->jwt))))
		err = DA_E_WIRE;
	return err == DA_OK || err == DA_E_NOMEM ? err : DA_E_CANCELLED;
}

static enum da_err
sign(const struct da_requester *requester, const struct da_wire_sign *order,
    struct da_wire_signed *ret)
{
	enum da_err err = da_wire_send(requester->broker, DA_WIRE_SIGN, order,
	    da_clock_mono_ms() + BROKER_TIMEOUT_MS);

	return err != DA_OK ? err : receive_signed(requester->broker, ret);
}

/* A proof for this one request; with an access token, its hash (RFC 9449
 * 4.2). */
static enum da_err
prove(const struct da_requester *requester, enum da_endpoint endpoint,
    const struct da_secret *token, struct da_wire_signed *ret)
{
	struct da_wire_sign order = {
	    .what = DA_SIGN_PROOF, .endpoint = endpoint};
	uint8_t hash[DA_HASH_LEN];
	size_t len = 0;
	enum da_err err = da_text_copy(
	    requester->dpop_nonce, order.nonce, sizeof(order.nonce));

	da_buf_init(&order.hash, sizeof(hash));
	if (err == DA_OK && token != NULL)
		err = EVP_Q_digest(NULL, "SHA256", NULL, token->bytes,
			  token->len, hash, &len) == 1
		    ? da_buf_put(&order.hash, hash, len)
		    : DA_E_NOMEM;
	if (err == DA_OK)
		err = sign(requester, &order, ret);
	da_wire_done(DA_WIRE_SIGN, &order);
	return err;
}

/* What a request is made of, beside its address. */
struct attempt {
	enum da_endpoint endpoint;
	const struct da_buf *fields;   /* of a form; NULL = GET */
	const struct da_secret *token; /* for userinfo */
	bool dpop;                     /* a proof goes along */
};

static enum da_err
put_client(const struct da_requester *requester, enum da_endpoint endpoint,
    struct da_buf *form, struct da_buf *authorization, struct da_diag *reason)
{
	struct da_client client = requester->client;
	const struct da_wire_sign order = {
	    .what = DA_SIGN_ASSERTION, .endpoint = endpoint};
	struct da_wire_signed assertion = {0};
	enum da_err err = DA_OK;

	if (client.auth == DA_CLIENT_PRIVATE_KEY_JWT)
		err = sign(requester, &order, &assertion);
	client.assertion = &assertion.jwt;
	if (err == DA_OK)
		err = da_client_auth_put(&client, form, authorization);
	if (err == DA_E_CONFIG)
		da_diag_set(reason,
		    "client_id or client secret cannot be sent as client_auth "
		    "says");
	da_wire_done(DA_WIRE_SIGNED, &assertion);
	return err;
}

static enum da_err
try_once(const struct da_requester *requester, const struct attempt *attempt,
    struct da_http_request *request, struct da_http_answer *ret,
    struct da_diag *reason)
{
	DA_CLEANUP(da_buf_done) struct da_buf form, authorization;
	struct da_wire_signed proof = {0};
	enum da_err err = DA_OK;

	da_buf_init(&form, DA_REQUEST_FORM_MAX);
	da_buf_init(&authorization, AUTHORIZATION_MAX);
	if (attempt->fields != NULL) {
		request->form = &form;
		err = da_buf_put(
		    &form, attempt->fields->bytes, attempt->fields->len);
		if (err == DA_OK)
			err = put_client(requester, attempt->endpoint, &form,
			    &authorization, reason);
	} else {
		err = da_buf_format(&authorization, "%s %s",
		    attempt->dpop ? "DPoP" : "Bearer",
		    (const char *)attempt->token->bytes);
	}
	if (err == DA_OK && attempt->dpop)
		err =
		    prove(requester, attempt->endpoint, attempt->token, &proof);
	request->authorization =
	    authorization.len > 0 ? da_buf_text(&authorization) : NULL;
	request->dpop = attempt->dpop ? da_buf_text(&proof.jwt) : NULL;
	if (err == DA_OK)
		err = da_http_send(requester->http, request, ret, reason);
	da_wire_done(DA_WIRE_SIGNED, &proof);
	return err;
}

/* RFC 9449 8 and 9. Of userinfo the status is enough: what is wrong stands in a
 * header that is for people. */
static bool
wants_nonce(const struct attempt *attempt, const struct da_http_answer *answer)
{
	return attempt->dpop &&
	    (da_answer_is_error(&answer->body, "use_dpop_nonce") ||
		(attempt->endpoint == DA_ENDPOINT_USERINFO &&
		    answer->status == 401 && answer->dpop_nonce[0] != '\0'));
}

/* Keeps the nonce of an answer for the next proof. False when there is none, or
 * just the one that was refused. */
static bool
take_nonce(struct da_requester *requester, const struct da_http_answer *answer)
{
	bool is_new = answer->dpop_nonce[0] != '\0' &&
	    strcmp(answer->dpop_nonce, requester->dpop_nonce) != 0;

	if (is_new)
		memcpy(requester->dpop_nonce, answer->dpop_nonce,
		    sizeof(requester->dpop_nonce));
	return is_new;
}

static enum da_err
perform(struct da_requester *requester, const struct attempt *attempt,
    bool once, struct da_http_answer *ret, struct da_diag *reason)
{
	struct da_http_request request = {
	    .once = once, .deadline_mono_ms = requester->deadline_mono_ms};
	enum da_err err =
	    require_address(requester, attempt->endpoint, &request.url, reason);
	bool is_new;

	if (err == DA_OK)
		err = try_once(requester, attempt, &request, ret, reason);
	if (err != DA_OK)
		return err;
	is_new = take_nonce(requester, ret);
	if (!wants_nonce(attempt, ret))
		return DA_OK;
	/* Of userinfo a 401 with the nonce that we used means something else.
	 */
	if (!is_new && attempt->endpoint == DA_ENDPOINT_USERINFO &&
	    !da_answer_is_error(&ret->body, "use_dpop_nonce"))
		return DA_OK;
	if (!is_new) {
		da_diag_set(reason, "it wants a DPoP nonce and gives none");
		return DA_E_PROTOCOL;
	}
	da_http_answer_done(ret);
	err = try_once(requester, attempt, &request, ret, reason);
	if (err == DA_OK)
		(void)take_nonce(requester, ret);
	return err;
}

enum da_err
da_request_form(struct da_requester *requester, enum da_endpoint endpoint,
    const struct da_buf *fields, bool once, struct da_http_answer *ret,
    struct da_diag *reason)
{
	const struct attempt attempt = {.endpoint = endpoint,
	    .fields = fields,
	    .dpop = requester->proofs && endpoint == DA_ENDPOINT_TOKEN};

	return perform(requester, &attempt, once, ret, reason);
}

enum da_err
da_request_userinfo(struct da_requester *requester,
    const struct da_token_answer *tokens, struct da_http_answer *ret,
    struct da_diag *reason)
{
	const struct attempt attempt = {.endpoint = DA_ENDPOINT_USERINFO,
	    .token = &tokens->access_token,
	    .dpop = tokens->type == DA_TOKEN_DPOP};

	return perform(requester, &attempt, false, ret, reason);
}
