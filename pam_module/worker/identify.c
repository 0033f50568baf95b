#include "worker/identify.h"

#include "core/clock.h"
#include "core/limits.h"
#include "core/text.h"
#include "http/http.h"
#include "jose/jose.h"
#include "json/json.h"
#include "provider/claims.h"
#include "provider/token.h"
#include "worker/documents.h"

/* How far the clocks of host and provider may differ. */
#define LEEWAY_S 60
#define AUTHORIZATION_MAX (DA_TOKEN_MAX + 16)

static enum da_err
verify_once(const struct da_identify *order, struct da_wire_identity *identity,
    struct da_json **ret_claims, struct da_diag *reason)
{
	struct da_id_token_expect expect = {
	    .issuer = order->start->issuer,
	    .client_id = order->start->client_id,
	    .algorithms = order->start->algorithms,
	    .now_s = da_clock_wall_s(),
	    .leeway_s = LEEWAY_S,
	    .not_before_s = order->asked_s,
	    .access_token = (const char *)order->tokens->access_token.bytes,
	};

	return da_id_token_verify((const char *)order->tokens->id_token.bytes,
	    order->tokens->id_token.len, order->documents->jwks, &expect,
	    ret_claims, identity->subject, reason);
}

/* RFC 7517 and OpenID Connect Core 10.1.1: an unknown key may be a new one. */
static enum da_err
verify(const struct da_identify *order, struct da_wire_identity *identity,
    struct da_json **ret_claims, struct da_diag *reason)
{
	enum da_err err = DA_OK;

	if (order->documents->jwks == NULL)
		err = da_documents_fetch_jwks(
		    order->documents, order->deadline_mono_ms, reason);
	if (err == DA_OK)
		err = verify_once(order, identity, ret_claims, reason);
	if (err == DA_E_ABSENT && da_documents_may_refetch(order->documents)) {
		err = da_documents_fetch_jwks(
		    order->documents, order->deadline_mono_ms, reason);
		if (err == DA_OK)
			err = verify_once(order, identity, ret_claims, reason);
	}
	if (err == DA_E_ABSENT || err == DA_E_TOO_LARGE) {
		da_diag_set(reason,
		    err == DA_E_ABSENT ? "ID token: no published key fits it"
				       : "ID token: too large");
		err = DA_E_TOKEN;
	}
	return err;
}

static enum da_err
ask_userinfo(const struct da_identify *order,
    const struct da_claims_wanted *wanted, struct da_claims_state *state,
    struct da_wire_identity *identity, struct da_diag *reason)
{
	DA_CLEANUP(da_http_answer_done) struct da_http_answer answer = {0};
	DA_CLEANUP(da_buf_done) struct da_buf authorization;
	struct da_http_request request = {
	    .url = order->documents->endpoints.userinfo,
	    .deadline_mono_ms = order->deadline_mono_ms,
	};
	enum da_err err;

	da_buf_init(&authorization, AUTHORIZATION_MAX);
	err = da_buf_format(&authorization, "Bearer %s",
	    (const char *)order->tokens->access_token.bytes);
	request.authorization = da_buf_text(&authorization);
	if (err == DA_OK)
		err = da_http_send(order->http, &request, &answer, reason);
	if (err == DA_OK)
		err = da_claims_take_userinfo(answer.status, &answer.body,
		    wanted, state, identity, reason);
	return err;
}

enum da_err
da_identify(const struct da_identify *order, struct da_wire_identity *identity,
    struct da_diag *reason)
{
	DA_CLEANUP(da_json_freep) struct da_json *claims = NULL;
	struct da_claims_wanted wanted = {
	    .username_claim = order->start->username_claim,
	    .groups_claim = order->start->groups_claim,
	    .other_claims = order->start->other_claims,
	    .need_groups = order->start->need_groups != 0,
	};
	struct da_claims_state state = {0};
	enum da_err err = verify(order, identity, &claims, reason);

	if (err == DA_OK)
		err = da_text_copy(order->start->issuer, identity->issuer,
		    sizeof(identity->issuer));
	/* Checked by the verification: a date or absent. */
	if (err == DA_OK &&
	    da_json_get_int(claims, "auth_time", &identity->auth_time_s) !=
		DA_OK)
		identity->auth_time_s = 0;
	if (err == DA_OK)
		err = da_claims_take(claims, &wanted, &state, identity, reason);
	if (err == DA_OK && da_claims_lack(&wanted, &state) &&
	    order->documents->endpoints.userinfo[0] != '\0')
		err = ask_userinfo(order, &wanted, &state, identity, reason);
	return err != DA_OK ? err : da_claims_finish(&state, reason);
}
