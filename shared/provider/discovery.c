#include "provider/discovery.h"

#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "json/json.h"
#include "provider/answer.h"

static const char openid_path[] = "/.well-known/openid-configuration";
static const char oauth_path[] = "/.well-known/oauth-authorization-server";

enum da_err
da_discovery_uri(const char *issuer, enum da_discovery_form form,
    char ret[static DA_URI_MAX + 1])
{
	const char *path;
	size_t origin_len, path_len;
	int n;

	if (da_text_check_https(issuer) != DA_OK ||
	    strpbrk(issuer, "?#") != NULL)
		return DA_E_CONFIG;
	path = strchr(issuer + strlen("https://"), '/');
	if (path == NULL)
		path = issuer + strlen(issuer);
	origin_len = (size_t)(path - issuer);
	path_len = strlen(path);
	/* Both texts say: without a slash at the end. */
	if (path_len > 0 && path[path_len - 1] == '/')
		path_len--;
	n = form == DA_DISCOVERY_OPENID
	    ? snprintf(ret, DA_URI_MAX + 1, "%.*s%.*s%s", (int)origin_len,
		  issuer, (int)path_len, path, openid_path)
	    : snprintf(ret, DA_URI_MAX + 1, "%.*s%s%.*s", (int)origin_len,
		  issuer, oauth_path, (int)path_len, path);
	return n > 0 && n <= DA_URI_MAX ? DA_OK : DA_E_TOO_LARGE;
}

bool
da_provider_next_host(const struct da_provider *provider, size_t *iter,
    char ret[static DA_HOST_MAX + 1])
{
	const char *list = provider->endpoint_hosts;

	if (*iter == 0) {
		*iter = 1;
		if (da_text_uri_host(provider->issuer, ret, DA_HOST_MAX + 1) ==
		    DA_OK)
			return true;
	}
	for (;;) {
		size_t at = *iter - 1;
		size_t start = at + strspn(list + at, " ");
		size_t len = strcspn(list + start, " ");

		*iter = start + len + 1;
		if (len == 0)
			return false;
		if (len > DA_HOST_MAX)
			continue;
		for (size_t i = 0; i < len; i++)
			ret[i] = da_text_lower(list[start + i]);
		ret[len] = '\0';
		return true;
	}
}

bool
da_provider_has_host(const struct da_provider *provider, const char *uri)
{
	char host[DA_HOST_MAX + 1], allowed[DA_HOST_MAX + 1];
	size_t iter = 0;

	if (da_text_uri_host(uri, host, sizeof(host)) != DA_OK)
		return false;
	while (da_provider_next_host(provider, &iter, allowed)) {
		if (strcmp(host, allowed) == 0)
			return true;
	}
	return false;
}

/* RFC 6749 3.2: endpoints have no fragment. */
static enum da_err
take_endpoint(const struct da_json *document,
    const struct da_provider *provider, const char *member,
    char ret[static DA_URI_MAX + 1], struct da_diag *reason)
{
	const char *uri;
	enum da_err err = da_json_get_text(document, member, DA_URI_MAX, &uri);

	if (err == DA_E_ABSENT) {
		ret[0] = '\0';
		return DA_OK;
	}
	if (err != DA_OK || da_text_check_https(uri) != DA_OK ||
	    strchr(uri, '#') != NULL) {
		da_diag_set(reason, "%s is not a usable https address", member);
		return DA_E_PROTOCOL;
	}
	if (!da_provider_has_host(provider, uri)) {
		da_diag_set(reason,
		    "%s is on a host that endpoint_hosts does "
		    "not list",
		    member);
		return DA_E_PROTOCOL;
	}
	return da_text_copy(uri, ret, DA_URI_MAX + 1);
}

static enum da_dpop_offer
take_dpop(const struct da_json *document)
{
	const struct da_json *list =
	    da_json_member(document, "dpop_signing_alg_values_supported");
	enum da_dpop_offer ret = DA_DPOP_NOT_SAID;
	const char *name;

	for (size_t i = 0; i < da_json_array_len(list); i++) {
		if (da_json_text(da_json_array_at(list, i), DA_DIAG_MAX,
			&name) == DA_OK &&
		    strcmp(name, "ES256") == 0)
			return DA_DPOP_OFFERED;
		ret = DA_DPOP_OTHERWISE;
	}
	return ret;
}

static enum da_err
take_endpoints(const struct da_json *document,
    const struct da_provider *provider, struct da_endpoints *ret,
    struct da_diag *reason)
{
	const struct {
		const char *member;
		char *ret;
	} rows[] = {
	    {"device_authorization_endpoint", ret->device},
	    {"token_endpoint", ret->token},
	    {"jwks_uri", ret->jwks},
	    {"userinfo_endpoint", ret->userinfo},
	    {"revocation_endpoint", ret->revocation},
	    {"introspection_endpoint", ret->introspection},
	};
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < DA_ARRAY_LEN(rows); i++)
		err = take_endpoint(
		    document, provider, rows[i].member, rows[i].ret, reason);
	if (err != DA_OK)
		return err;
	if (ret->device[0] == '\0') {
		da_diag_set(reason, "it offers no device flow");
		return DA_E_PROVIDER;
	}
	if (ret->token[0] == '\0' || ret->jwks[0] == '\0') {
		da_diag_set(reason,
		    "its metadata lacks token_endpoint or "
		    "jwks_uri");
		return DA_E_PROTOCOL;
	}
	return DA_OK;
}

enum da_err
da_discovery_parse(const struct da_buf *document,
    const struct da_provider *provider, struct da_endpoints *ret,
    struct da_diag *reason)
{
	DA_CLEANUP(da_json_freep) struct da_json *json = NULL;
	struct da_endpoints endpoints = {0};
	const char *issuer = "";
	enum da_err err = da_answer_parse(document, &json, reason);

	if (err != DA_OK)
		return err;
	if (da_json_get_text(json, "issuer", DA_ISSUER_MAX, &issuer) != DA_OK ||
	    strcmp(issuer, provider->issuer) != 0) {
		da_diag_set(reason, "its metadata is that of another issuer");
		da_diag_hint(reason, "it is \"%.150s\", configured \"%.150s\"",
		    issuer, provider->issuer);
		return DA_E_PROTOCOL;
	}
	err = take_endpoints(json, provider, &endpoints, reason);
	endpoints.dpop = take_dpop(json);
	if (err == DA_OK)
		*ret = endpoints;
	return err;
}
