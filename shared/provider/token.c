#include "provider/token.h"

#include <stdbool.h>
#include <string.h>

#include "core/text.h"
#include "core/wire.h"
#include "http/form.h"
#include "jose/jose.h"
#include "json/json.h"
#include "provider/answer.h"

static const char device_grant[] =
    "urn:ietf:params:oauth:grant-type:device_code";

enum da_err
da_token_request_put(struct da_buf *form, const struct da_secret *device_code)
{
	enum da_err err = da_form_put(form, "grant_type", device_grant);

	return err != DA_OK ? err
			    : da_form_put(form, "device_code",
				  (const char *)device_code->bytes);
}

enum da_err
da_refresh_request_put(struct da_buf *form, const struct da_buf *refresh_token)
{
	enum da_err err = da_form_put(form, "grant_type", "refresh_token");

	return err != DA_OK
	    ? err
	    : da_form_put(form, "refresh_token", da_buf_text(refresh_token));
}

void
da_token_answer_done(struct da_token_answer *answer)
{
	da_secret_done(&answer->access_token);
	da_secret_done(&answer->refresh_token);
	da_secret_done(&answer->id_token);
}

static struct da_device_event
refused(enum da_err err)
{
	return (struct da_device_event){
	    .kind = DA_DEVICE_REFUSED, .err = err, .retry_after_s = -1};
}

static struct da_device_event
go_on(enum da_device_event_kind kind, int64_t retry_after_s)
{
	return (struct da_device_event){
	    .kind = kind, .retry_after_s = retry_after_s};
}

/* An answer whose body says nothing: the status decides. */
static struct da_device_event
judge_status(long status, int64_t retry_after_s, struct da_diag *reason)
{
	enum da_err err;

	if (status == 429)
		return go_on(DA_DEVICE_SLOW_DOWN, retry_after_s);
	err = da_answer_check_status(status, reason);
	if (err == DA_E_UNREACHABLE)
		return go_on(DA_DEVICE_TROUBLE, retry_after_s);
	if (err != DA_OK)
		return refused(err);
	da_diag_set(reason, "the answer holds neither tokens nor an error");
	return refused(DA_E_PROTOCOL);
}

static bool
has_token(const struct da_json *json)
{
	return da_json_member(json, "access_token") != NULL ||
	    da_json_member(json, "id_token") != NULL ||
	    da_json_member(json, "refresh_token") != NULL;
}

static struct da_device_event
judge_error(const struct da_json *json, const char *error, long status,
    int64_t retry_after_s, struct da_diag *reason)
{
	enum da_err err;

	if (has_token(json)) {
		da_diag_set(reason, "an error and a token in one answer");
		return refused(DA_E_PROTOCOL);
	}
	if (strcmp(error, "authorization_pending") == 0)
		return go_on(DA_DEVICE_PENDING, -1);
	if (strcmp(error, "slow_down") == 0)
		return go_on(DA_DEVICE_SLOW_DOWN, retry_after_s);
	err = da_answer_explain(error, reason);
	if (err == DA_E_UNREACHABLE)
		return go_on(DA_DEVICE_TROUBLE, retry_after_s);
	/* A name that nobody knows, with a status that means "later". */
	if (err == DA_E_PROVIDER && status == 429)
		return go_on(DA_DEVICE_SLOW_DOWN, retry_after_s);
	return refused(err);
}

/* One of DA_TOKEN_*, 0 for what we do not know. */
static uint32_t
type_of(const struct da_json *json)
{
	static const struct {
		const char *name; /* lower case */
		uint32_t type;
	} known[] = {{"bearer", DA_TOKEN_BEARER}, {"dpop", DA_TOKEN_DPOP}};

	char lower[8];
	const char *text;

	if (da_json_get_text(json, "token_type", sizeof(lower) - 1, &text) !=
	    DA_OK)
		return 0;
	for (size_t i = 0; i <= strlen(text); i++)
		lower[i] = da_text_lower(text[i]);
	for (size_t i = 0; i < DA_ARRAY_LEN(known); i++) {
		if (strcmp(lower, known[i].name) == 0)
			return known[i].type;
	}
	return 0;
}

/* Copies a token that has to fit into a header or a signature check: visible
 * ASCII only (RFC 6749 appendix A.12, without the space). */
static enum da_err
take_token(
    const struct da_json *json, const char *member, struct da_secret *ret)
{
	const char *text;
	enum da_err err = da_json_get_text(json, member, DA_TOKEN_MAX, &text);

	if (err != DA_OK)
		return err;
	if (text[0] == '\0' || !da_text_is_printable(text) ||
	    strchr(text, ' ') != NULL)
		return DA_E_SYNTAX;
	return da_secret_set(ret, text, strlen(text));
}

/* For us to know when to ask again; what makes no sense counts as not said. */
static void
take_terms(const struct da_json *json, struct da_token_answer *ret)
{
	const char *scope;

	if (da_json_get_int_tolerant(json, "expires_in", &ret->expires_in_s) !=
		DA_OK ||
	    ret->expires_in_s < 0)
		ret->expires_in_s = -1;
	if (ret->expires_in_s > DA_TOKEN_LIFE_MAX_S)
		ret->expires_in_s = DA_TOKEN_LIFE_MAX_S;
	if (da_json_get_text(json, "scope", DA_SCOPE_MAX, &scope) == DA_OK &&
	    da_text_is_printable(scope))
		DA_IGNORE(da_text_copy(
		    scope, ret->scope, sizeof(ret->scope))); /* fits */
}

static enum da_err
refuse_token(
    enum da_err err, enum da_err what, struct da_diag *reason, const char *why)
{
	if (err == DA_E_NOMEM)
		return err;
	da_diag_set(reason, "%s", why);
	return what;
}

static enum da_err
take_tokens(const struct da_json *json, uint32_t types, bool need_id_token,
    struct da_token_answer *ret, struct da_diag *reason)
{
	enum da_err err, refresh_err;

	ret->type = type_of(json);
	take_terms(json, ret);
	err = take_token(json, "access_token", &ret->access_token);
	refresh_err = take_token(json, "refresh_token", &ret->refresh_token);
	if ((ret->type & types) == 0)
		return refuse_token(DA_OK, DA_E_TOKEN, reason,
		    (types & DA_TOKEN_BEARER) == 0
			? "token_type is not DPoP: the token is not bound"
			: "token_type is not Bearer");
	if (err != DA_OK)
		return refuse_token(
		    err, DA_E_PROTOCOL, reason, "no usable access token");
	if (refresh_err != DA_OK && refresh_err != DA_E_ABSENT)
		return refuse_token(refresh_err, DA_E_PROTOCOL, reason,
		    "no usable refresh token");
	err = take_token(json, "id_token", &ret->id_token);
	if (err == DA_E_ABSENT && !need_id_token)
		return DA_OK;
	return err == DA_OK
	    ? DA_OK
	    : refuse_token(err, DA_E_TOKEN, reason,
		  err == DA_E_ABSENT ? "no ID token (is openid in the scope?)"
				     : "no usable ID token");
}

/* What came with an error is refused, and may be good at the provider all the
 * same: it has to be revoked. No type is right here. */
static void
leave_tokens(const struct da_json *json, struct da_token_answer *ret)
{
	DA_IGNORE(take_tokens(json, 0, false, ret, NULL));
}

static struct da_device_event
judge(long status, int64_t retry_after_s, const struct da_buf *body,
    uint32_t types, struct da_token_answer *ret, struct da_diag *reason)
{
	DA_CLEANUP(da_json_freep) struct da_json *json = NULL;
	const char *error;
	enum da_err err = da_answer_parse(body, &json, reason);

	if (err == DA_E_NOMEM)
		return refused(err);
	if (err != DA_OK) {
		if (status >= 200 && status <= 299)
			return refused(err);
		return judge_status(status, retry_after_s, reason);
	}
	err = da_answer_error(json, &error, reason);
	if (err != DA_E_ABSENT)
		leave_tokens(json, ret);
	if (err == DA_OK)
		return judge_error(json, error, status, retry_after_s, reason);
	if (err != DA_E_ABSENT)
		return refused(err);
	if (status < 200 || status > 299 || !has_token(json))
		return judge_status(status, retry_after_s, reason);
	err = take_tokens(json, types, true, ret, reason);
	return err == DA_OK ? go_on(DA_DEVICE_TOKENS, -1) : refused(err);
}

void
da_token_answer_parse(long status, int64_t retry_after_s,
    const struct da_buf *body, uint32_t types, struct da_token_answer *ret,
    struct da_diag *reason)
{
	*ret = (struct da_token_answer){0};
	ret->event = judge(status, retry_after_s, body, types, ret, reason);
}

static enum da_err
judge_refresh(long status, const struct da_buf *body, uint32_t types,
    struct da_token_answer *ret, struct da_diag *reason)
{
	DA_CLEANUP(da_json_freep) struct da_json *json = NULL;
	const char *error;
	enum da_err status_err = da_answer_check_status(status, reason);
	enum da_err err =
	    da_answer_parse(body, &json, status_err == DA_OK ? reason : NULL);

	if (err == DA_E_NOMEM)
		return err;
	if (err != DA_OK)
		return status_err != DA_OK ? status_err : err;
	err = da_answer_error(json, &error, reason);
	if (err != DA_E_ABSENT)
		leave_tokens(json, ret);
	if (err == DA_OK && has_token(json)) {
		da_diag_set(reason, "an error and a token in one answer");
		return DA_E_PROTOCOL;
	}
	if (err == DA_OK && strcmp(error, "invalid_grant") == 0) {
		da_diag_set(reason, "the session is over there");
		return DA_E_REJECTED;
	}
	if (err == DA_OK)
		return da_answer_explain(error, reason);
	if (err != DA_E_ABSENT)
		return err;
	return status_err != DA_OK
	    ? status_err
	    : take_tokens(json, types, false, ret, reason);
}

enum da_err
da_refresh_answer_parse(long status, const struct da_buf *body, uint32_t types,
    struct da_token_answer *ret, struct da_diag *reason)
{
	*ret = (struct da_token_answer){0};
	return judge_refresh(status, body, types, ret, reason);
}

enum da_err
da_token_check_binding(const struct da_token_answer *answer,
    const char *thumbprint, struct da_diag *reason)
{
	DA_CLEANUP(da_buf_done) struct da_buf payload;
	DA_CLEANUP(da_json_freep) struct da_json *claims = NULL;
	const char *dot = strchr((const char *)answer->access_token.bytes, '.');
	const char *jkt;
	enum da_err err;

	da_buf_init(&payload, DA_TOKEN_MAX);
	if (answer->type != DA_TOKEN_DPOP || dot == NULL ||
	    da_jose_base64url_decode(
		dot + 1, strcspn(dot + 1, "."), &payload) != DA_OK ||
	    da_json_parse(payload.bytes, payload.len, &claims, NULL) != DA_OK)
		return DA_OK;
	err = da_json_get_text(
	    da_json_member(claims, "cnf"), "jkt", DA_THUMBPRINT_LEN, &jkt);
	if (err == DA_E_ABSENT ||
	    (err == DA_OK && strcmp(jkt, thumbprint) == 0))
		return DA_OK;
	da_diag_set(reason, "the token is bound to another key");
	return DA_E_TOKEN;
}
