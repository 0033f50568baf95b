#include "worker/request.h"

#include "core/limits.h"
#include "http/http.h"
#include "provider/discovery.h"
#include "provider/token.h"

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

enum da_err
da_request_form(struct da_requester *requester, enum da_endpoint endpoint,
    const struct da_buf *fields, bool once, struct da_http_answer *ret,
    struct da_diag *reason)
{
	DA_CLEANUP(da_buf_done) struct da_buf form, authorization;
	struct da_http_request request = {.form = &form,
	    .once = once,
	    .deadline_mono_ms = requester->deadline_mono_ms};
	enum da_err err =
	    require_address(requester, endpoint, &request.url, reason);

	da_buf_init(&form, DA_REQUEST_FORM_MAX);
	da_buf_init(&authorization, AUTHORIZATION_MAX);
	if (err == DA_OK)
		err = da_buf_put(&form, fields->bytes, fields->len);
	if (err != DA_OK)
		return err;
	err = da_client_auth_put(&requester->client, &form, &authorization);
	if (err == DA_E_CONFIG)
		da_diag_set(reason,
		    "client_id or client secret cannot be sent as client_auth "
		    "says");
	if (err != DA_OK)
		return err;
	if (authorization.len > 0)
		request.authorization = da_buf_text(&authorization);
	return da_http_send(requester->http, &request, ret, reason);
}

enum da_err
da_request_userinfo(struct da_requester *requester,
    const struct da_token_answer *tokens, struct da_http_answer *ret,
    struct da_diag *reason)
{
	DA_CLEANUP(da_buf_done) struct da_buf authorization;
	struct da_http_request request = {
	    .deadline_mono_ms = requester->deadline_mono_ms};
	enum da_err err = require_address(
	    requester, DA_ENDPOINT_USERINFO, &request.url, reason);

	da_buf_init(&authorization, AUTHORIZATION_MAX);
	if (err == DA_OK)
		err = da_buf_format(&authorization, "Bearer %s",
		    (const char *)tokens->access_token.bytes);
	request.authorization = da_buf_text(&authorization);
	return err != DA_OK
	    ? err
	    : da_http_send(requester->http, &request, ret, reason);
}
