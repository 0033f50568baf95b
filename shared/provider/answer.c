#include "provider/answer.h"

#include <string.h>

#include "json/json.h"

/* Longer names than this are no error codes. */
#define ERROR_MAX 64

static const struct {
	const char *error;
	enum da_err err;
	const char *reason;
} errors[] = {
    /* Some say so for a code that they do not know: not "you denied it". */
    {"access_denied", DA_E_DENIED, "the sign-in was not approved"},
    {"expired_token", DA_E_EXPIRED, "the code has expired"},
    {"invalid_grant", DA_E_EXPIRED, "the code is no longer valid"},
    {"invalid_client", DA_E_PROVIDER,
	"it does not accept our client credentials"},
    {"unauthorized_client", DA_E_PROVIDER,
	"this client may not use the device flow"},
    {"unsupported_grant_type", DA_E_PROVIDER, "it offers no device flow"},
    {"invalid_scope", DA_E_PROVIDER, "it does not accept the scope"},
    {"invalid_request", DA_E_PROVIDER, "it does not accept the request"},
    {"invalid_token", DA_E_PROVIDER, "it does not accept its own token"},
    {"insufficient_scope", DA_E_PROVIDER, "its token opens nothing"},
    {"use_dpop_nonce", DA_E_PROVIDER, "it wants other DPoP proofs"},
    {"invalid_dpop_proof", DA_E_PROVIDER, "it wants other DPoP proofs"},
    {"slow_down", DA_E_UNREACHABLE, "it limits the rate of requests"},
    {"server_error", DA_E_UNREACHABLE, "it reports an internal error"},
    {"temporarily_unavailable", DA_E_UNREACHABLE,
	"it is temporarily unavailable"},
};

enum da_err
da_answer_parse(
    const struct da_buf *body, struct da_json **ret, struct da_diag *reason)
{
	DA_CLEANUP(da_json_freep) struct da_json *json = NULL;
	enum da_err err;

	if (body->len == 0) {
		da_diag_set(reason, "the answer is empty");
		return DA_E_PROTOCOL;
	}
	err = da_json_parse(body->bytes, body->len, &json, NULL);
	if (err == DA_E_NOMEM)
		return err;
	if (err != DA_OK || !da_json_is_object(json)) {
		da_diag_set(reason, "the answer is not a JSON object");
		return DA_E_PROTOCOL;
	}
	*ret = DA_TAKE(json);
	return DA_OK;
}

enum da_err
da_answer_error(
    const struct da_json *answer, const char **ret, struct da_diag *reason)
{
	enum da_err err = da_json_get_text(answer, "error", ERROR_MAX, ret);

	if (err == DA_OK || err == DA_E_ABSENT)
		return err;
	da_diag_set(reason, "an error in a form that is not that of OAuth");
	return DA_E_PROTOCOL;
}

bool
da_answer_is_error(const struct da_buf *body, const char *error)
{
	DA_CLEANUP(da_json_freep) struct da_json *json = NULL;
	const char *found;

	return da_answer_parse(body, &json, NULL) == DA_OK &&
	    da_answer_error(json, &found, NULL) == DA_OK &&
	    strcmp(found, error) == 0;
}

enum da_err
da_answer_explain(const char *error, struct da_diag *reason)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(errors); i++) {
		if (strcmp(errors[i].error, error) == 0) {
			da_diag_set(reason, "%s", errors[i].reason);
			return errors[i].err;
		}
	}
	da_diag_set(reason, "it answers with an error that is not known");
	return DA_E_PROVIDER;
}

enum da_err
da_answer_check_status(long status, struct da_diag *reason)
{
	if (status >= 200 && status <= 299)
		return DA_OK;
	if (status == 429) {
		da_diag_set(reason, "it limits the rate of requests");
		return DA_E_UNREACHABLE;
	}
	if (status == 408 || (status >= 500 && status <= 599)) {
		da_diag_set(reason, "it is out of order (HTTP %ld)", status);
		return DA_E_UNREACHABLE;
	}
	if (status >= 300 && status <= 399)
		da_diag_set(reason, "it redirects (HTTP %ld)", status);
	else
		da_diag_set(reason, "unexpected answer (HTTP %ld)", status);
	return DA_E_PROTOCOL;
}

enum da_err
da_answer_take(long status, const struct da_buf *body, struct da_json **ret,
    struct da_diag *reason)
{
	DA_CLEANUP(da_json_freep) struct da_json *json = NULL;
	const char *error;
	enum da_err status_err = da_answer_check_status(status, reason);
	enum da_err err;

	/* A body that says more than the status is believed first. */
	err = da_answer_parse(body, &json, status_err == DA_OK ? reason : NULL);
	if (err != DA_OK)
		return status_err != DA_OK ? status_err : err;
	err = da_answer_error(json, &error, reason);
	if (err == DA_OK)
		return da_answer_explain(error, reason);
	if (err != DA_E_ABSENT)
		return err;
	if (status_err != DA_OK)
		return status_err;
	*ret = DA_TAKE(json);
	return DA_OK;
}
