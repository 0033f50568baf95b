#include "provider/token_status.h"

#include <string.h>

#include "core/limits.h"
#include "http/form.h"
#include "json/json.h"
#include "provider/answer.h"

enum da_err
da_token_status_request_put(
    struct da_buf *form, enum da_token_kind kind, const struct da_buf *token)
{
	enum da_err err = da_form_put(form, "token", da_buf_text(token));

	return err != DA_OK
	    ? err
	    : da_form_put(form, "token_type_hint",
		  kind == DA_TOKEN_REFRESH ? "refresh_token" : "access_token");
}

enum da_err
da_revocation_answer_check(long status, const struct da_buf *body,
    enum da_token_kind kind, struct da_diag *reason)
{
	DA_CLEANUP(da_json_freep) struct da_json *json = NULL;
	const char *error;
	enum da_err status_err = da_answer_check_status(status, reason);
	enum da_err err = da_answer_parse(body, &json, NULL);

	if (err == DA_E_NOMEM)
		return err;
	/* Most successes have no body, or one that means nothing. */
	if (err != DA_OK || da_answer_error(json, &error, reason) != DA_OK)
		return status_err;
	if (strcmp(error, "invalid_token") == 0 ||
	    (kind == DA_TOKEN_ACCESS &&
		strcmp(error, "unsupported_token_type") == 0))
		return DA_OK;
	return da_answer_explain(error, reason);
}

static enum da_err
refuse(struct da_diag *reason, const char *why)
{
	da_diag_set(reason, "introspection: %s", why);
	return DA_E_TOKEN;
}

/* A member need not be there; where it is, it says what we know. */
static bool
agrees(const struct da_json *json, const char *member, const char *expected)
{
	const char *text;
	enum da_err err = da_json_get_text(json, member, DA_URI_MAX, &text);

	return err == DA_E_ABSENT ||
	    (err == DA_OK && strcmp(text, expected) == 0);
}

/* RFC 9449 6.2. An access token that was bound is so for ever; of refresh
 * tokens providers need not tell. */
static bool
is_bound(
    const struct da_json *json, const struct da_introspection_expect *expect)
{
	const char *jkt;
	enum da_err err = da_json_get_text(
	    da_json_member(json, "cnf"), "jkt", DA_THUMBPRINT_LEN, &jkt);

	if (expect->thumbprint[0] == '\0')
		return true;
	if (err == DA_E_ABSENT)
		return expect->kind == DA_TOKEN_REFRESH;
	return err == DA_OK && strcmp(jkt, expect->thumbprint) == 0;
}

static enum da_err
check_active(const struct da_json *json,
    const struct da_introspection_expect *expect, struct da_diag *reason)
{
	int64_t exp_s;
	enum da_err err = da_json_get_int(json, "exp", &exp_s);

	if (!agrees(json, "iss", expect->issuer))
		return refuse(reason, "of another issuer");
	if (!agrees(json, "sub", expect->subject))
		return refuse(reason, "about another person");
	if (!agrees(json, "client_id", expect->client_id))
		return refuse(reason, "of another client");
	if (!is_bound(json, expect))
		return refuse(reason, "not bound to our key");
	if (err != DA_E_ABSENT &&
	    (err != DA_OK || exp_s <= expect->now_s - expect->leeway_s))
		return refuse(reason, "active, and expired");
	return DA_OK;
}

enum da_err
da_introspection_answer_check(long status, const struct da_buf *body,
    const struct da_introspection_expect *expect, struct da_diag *reason)
{
	DA_CLEANUP(da_json_freep) struct da_json *json = NULL;
	bool active;
	enum da_err err = da_answer_take(status, body, &json, reason);

	if (err != DA_OK)
		return err;
	/* A JSON true, not the text "true". */
	if (da_json_bool(da_json_member(json, "active"), &active) != DA_OK) {
		da_diag_set(reason, "introspection: \"active\" is missing");
		return DA_E_PROTOCOL;
	}
	if (!active) {
		da_diag_set(reason, "the session is over there");
		return DA_E_REJECTED;
	}
	return check_active(json, expect, reason);
}
