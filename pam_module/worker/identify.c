#include "worker/identify.h"

#include <string.h>

#include "core/assurance.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/text.h"
#include "http/http.h"
#include "jose/jose.h"
#include "json/json.h"
#include "provider/assurance.h"
#include "provider/claims.h"
#include "provider/token.h"
#include "worker/documents.h"
#include "worker/request.h"

static enum da_err
verify_once(const struct da_identify *order, struct da_wire_identity *identity,
    struct da_json **ret_claims, struct da_diag *reason)
{
	struct da_id_token_expect expect = {
	    .issuer = order->start->issuer,
	    .client_id = order->start->client_id,
	    .algorithms = order->start->algorithms,
	    .now_s = da_clock_wall_s(),
	    .leeway_s = DA_CLOCK_LEEWAY_S,
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
		err = da_documents_fetch_jwks(order->documents,
		    order->requester->deadline_mono_ms, reason);
	if (err == DA_OK)
		err = verify_once(order, identity, ret_claims, reason);
	if (err == DA_E_ABSENT && da_documents_may_refetch(order->documents)) {
		err = da_documents_fetch_jwks(order->documents,
		    order->requester->deadline_mono_ms, reason);
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
	enum da_err err = da_request_userinfo(
	    order->requester, order->tokens, &answer, reason);

	if (err != DA_OK)
		return err;
	/* The token is a second old: it is the person who is gone. (403 would
	 * say that the token may too little, RFC 6750 section 3.1, which is the
	 * configuration's fault: no word about the person.) */
	if (order->start->task == DA_TASK_REFRESH && answer.status == 401) {
		da_diag_set(reason, "userinfo refuses the new token");
		return DA_E_REJECTED;
	}
	err = da_claims_take_userinfo(
	    answer.status, &answer.body, wanted, state, identity, reason);
	if (err == DA_OK)
		identity->evidence |= DA_EVIDENCE_USERINFO;
	return err;
}

static enum da_err
take_id_token(const struct da_identify *order,
    struct da_wire_identity *identity, struct da_json **ret_claims,
    struct da_diag *reason)
{
	const char *known = order->start->subject;
	enum da_err err = verify(order, identity, ret_claims, reason);

	if (err != DA_OK)
		return err;
	if (known[0] != '\0' && strcmp(identity->subject, known) != 0) {
		da_diag_set(reason, "ID token: about another person");
		return DA_E_TOKEN;
	}
	identity->evidence |= DA_EVIDENCE_ID_TOKEN;
	da_assurance_take(*ret_claims, identity);
	return DA_OK;
}

/* Whether userinfo has to be asked. A check that was ordered and cannot be made
 * is a failure; a description may do without. */
static bool
is_userinfo_due(const struct da_identify *order,
    const struct da_claims_wanted *wanted, const struct da_claims_state *state)
{
	if (order->start->task == DA_TASK_REFRESH)
		return order->start->ask_userinfo != 0;
	return da_claims_lack(wanted, state) &&
	    order->documents->endpoints.userinfo[0] != '\0';
}

enum da_err
da_identify(const struct da_identify *order, struct da_wire_identity *identity,
    struct da_diag *reason)
{
	const struct da_wire_start *start = order->start;
	struct da_claims_wanted wanted = {
	    .username_claim = start->username_claim,
	    .groups_claim = start->groups_claim,
	    .other_claims = start->other_claims,
	    .need_groups = start->need_groups != 0,
	};
	DA_CLEANUP(da_json_freep) struct da_json *claims = NULL;
	const bool renewal = start->task == DA_TASK_REFRESH;
	struct da_claims_state state = {0};
	enum da_err err = da_text_copy(
	    start->issuer, identity->issuer, sizeof(identity->issuer));

	if (err == DA_OK)
		err = order->tokens->id_token.len > 0
		    ? take_id_token(order, identity, &claims, reason)
		    : da_text_copy(start->subject, identity->subject,
			  sizeof(identity->subject));
	if (err == DA_OK && claims != NULL && !renewal)
		err = da_claims_take(claims, &wanted, &state, identity, reason);
	if (err == DA_OK && is_userinfo_due(order, &wanted, &state))
		err = ask_userinfo(order, &wanted, &state, identity, reason);
	/* In a renewed ID token they may be those of the sign-in (OpenID
	 * Connect Core 12.2): what userinfo says now comes first. */
	if (err == DA_OK && claims != NULL && renewal)
		err = da_claims_take(claims, &wanted, &state, identity, reason);
	if (err != DA_OK || renewal)
		return err;
	return da_claims_finish(&state, reason);
}
