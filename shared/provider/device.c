#include "provider/device.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "http/form.h"
#include "json/json.h"
#include "provider/answer.h"
#include "provider/discovery.h"

enum da_err
da_device_request_put(
    struct da_buf *form, const struct da_device_request *request)
{
	char max_age[24] = "";
	enum da_err err = da_form_put(form, "scope", request->scope);

	if (request->max_age_s >= 0)
		(void)snprintf(max_age, sizeof(max_age), "%lld",
		    (long long)request->max_age_s); /* fits */
	if (err == DA_OK)
		err = da_form_put(form, "device_name", request->device_name);
	if (err == DA_OK)
		err = da_form_put(form, "acr_values", request->acr_values);
	return err != DA_OK ? err : da_form_put(form, "max_age", max_age);
}

void
da_device_answer_done(struct da_device_answer *answer)
{
	da_secret_done(&answer->device_code);
	explicit_bzero(answer, sizeof(*answer));
}

bool
da_device_refuses_secret(const struct da_buf *body)
{
	return da_answer_is_error(body, "invalid_request");
}

static enum da_err
take_device_code(const struct da_json *json, struct da_device_answer *ret,
    struct da_diag *reason)
{
	const char *code;

	if (da_json_get_text(json, "device_code", DA_DEVICE_CODE_MAX, &code) !=
		DA_OK ||
	    code[0] == '\0') {
		da_diag_set(reason, "no usable device_code");
		return DA_E_PROTOCOL;
	}
	return da_secret_set(&ret->device_code, code, strlen(code));
}

static enum da_err
take_user_code(const struct da_json *json, struct da_device_answer *ret,
    struct da_diag *reason)
{
	const char *code;

	if (da_json_get_text(json, "user_code", DA_USER_CODE_MAX, &code) !=
		DA_OK ||
	    code[strspn(code, " ")] == '\0' || !da_text_is_printable(code)) {
		da_diag_set(reason, "a user code that cannot be shown");
		return DA_E_PROTOCOL;
	}
	return da_text_copy(code, ret->user_code, sizeof(ret->user_code));
}

/* Whether a label of the host is in Punycode (RFC 5890 2.3.1). */
static bool
has_punycode(const char *uri)
{
	char host[DA_HOST_MAX + 1];
	const char *label = host;

	if (da_text_uri_host(uri, host, sizeof(host)) != DA_OK)
		return true;
	while (label != NULL) {
		if (da_text_skip_prefix(label, "xn--", NULL))
			return true;
		label = strchr(label, '.');
		if (label != NULL)
			label++;
	}
	return false;
}

static bool
is_same_host(const char *one, const char *other)
{
	char a[DA_HOST_MAX + 1], b[DA_HOST_MAX + 1];

	return da_text_uri_host(one, a, sizeof(a)) == DA_OK &&
	    da_text_uri_host(other, b, sizeof(b)) == DA_OK && strcmp(a, b) == 0;
}

static enum da_err
take_addresses(const struct da_json *json, const struct da_provider *provider,
    struct da_device_answer *ret, struct da_diag *reason)
{
	const char *uri;
	enum da_err err =
	    da_json_get_text(json, "verification_uri", DA_URI_MAX, &uri);

	/* The name of drafts before RFC 8628, still in use (providers.md 1). */
	if (err == DA_E_ABSENT)
		err = da_json_get_text(
		    json, "verification_url", DA_URI_MAX, &uri);
	if (err != DA_OK || da_text_check_https(uri) != DA_OK ||
	    (has_punycode(uri) && !da_provider_has_host(provider, uri))) {
		da_diag_set(reason, "an address that cannot be shown");
		return DA_E_PROTOCOL;
	}
	err = da_text_copy(uri, ret->uri, sizeof(ret->uri));
	if (err != DA_OK)
		return err;
	if (da_json_get_text(
		json, "verification_uri_complete", DA_URI_MAX, &uri) == DA_OK &&
	    da_text_check_https(uri) == DA_OK && is_same_host(uri, ret->uri))
		DA_IGNORE(da_text_copy(
		    uri, ret->uri_complete, sizeof(ret->uri_complete)));
	return DA_OK;
}

static enum da_err
take_life(const struct da_json *json, struct da_device_answer *ret,
    struct da_diag *reason)
{
	int64_t seconds;
	enum da_err err =
	    da_json_get_int_tolerant(json, "expires_in", &seconds);

	/* Absent, or a number with a fraction. */
	if (err == DA_E_ABSENT || err == DA_E_RANGE) {
		ret->expires_in_s = DA_CODE_LIFE_DEFAULT_S;
		return DA_OK;
	}
	if (err != DA_OK || seconds <= 0) {
		da_diag_set(reason, "no usable expires_in");
		return DA_E_PROTOCOL;
	}
	ret->expires_in_s =
	    seconds < DA_CODE_LIFE_MAX_S ? seconds : DA_CODE_LIFE_MAX_S;
	return DA_OK;
}

/* An interval in a form that nobody understands counts as none: 5 s then, and
 * the provider says slow_down if it wants more. */
static void
take_interval(const struct da_json *json, struct da_device_answer *ret)
{
	int64_t seconds;
	enum da_err err = da_json_get_int_tolerant(json, "interval", &seconds);

	ret->interval_s = err == DA_OK && seconds >= 0 ? seconds : -1;
}

enum da_err
da_device_answer_parse(long status, const struct da_buf *body,
    const struct da_provider *provider, struct da_device_answer *ret,
    struct da_diag *reason)
{
	DA_CLEANUP(da_json_freep) struct da_json *json = NULL;
	DA_CLEANUP(da_device_answer_done) struct da_device_answer answer = {0};
	enum da_err err = da_answer_take(status, body, &json, reason);

	if (err == DA_OK)
		err = take_device_code(json, &answer, reason);
	if (err == DA_OK)
		err = take_user_code(json, &answer, reason);
	if (err == DA_OK)
		err = take_addresses(json, provider, &answer, reason);
	if (err == DA_OK)
		err = take_life(json, &answer, reason);
	if (err != DA_OK)
		return err;
	take_interval(json, &answer);
	*ret = answer;
	answer.device_code = (struct da_secret){0}; /* moved */
	return DA_OK;
}
