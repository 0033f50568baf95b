#include "store/signer.h"

#include <string.h>

#include "core/base64url.h"
#include "core/limits.h"
#include "core/secret.h"
#include "core/text.h"
#include "store/signing_key.h"

/* RFC 7523 3: for one request, made in this second. */
#define ASSERTION_LIFE_S 60
#define JTI_LEN 16
#define HEADER_MAX 512
#define PAYLOAD_MAX 2800

void
da_signer_init(struct da_signer *signer, const struct da_signing_key *key,
    const struct da_signer_terms *terms)
{
	*signer = (struct da_signer){.key = key, .terms = *terms};
}

static enum da_err
refuse(struct da_diag *diag, const char *why)
{
	da_diag_set(diag, "the worker asks for a signature %s", why);
	return DA_E_WORKER;
}

static bool
is_listed(const char *list, const char *host)
{
	size_t len = strlen(host);

	while (*list != '\0') {
		size_t n = strcspn(list, " ");
		size_t same = 0;

		while (same < n && same < len &&
		    da_text_lower(list[same]) == host[same])
			same++;
		if (n == len && same == len)
			return true;
		list += n;
		list += strspn(list, " ");
	}
	return false;
}

static bool
is_ours(const struct da_signer_terms *terms, const char *uri)
{
	char host[DA_HOST_MAX + 1], own[DA_HOST_MAX + 1];

	return da_text_check_https(uri) == DA_OK &&
	    da_text_uri_host(uri, host, sizeof(host)) == DA_OK &&
	    da_text_uri_host(terms->issuer, own, sizeof(own)) == DA_OK &&
	    (strcmp(host, own) == 0 || is_listed(terms->endpoint_hosts, host));
}

enum da_err
da_signer_take_endpoints(struct da_signer *signer,
    const struct da_wire_endpoints *endpoints, struct da_diag *diag)
{
	const char *const uris[] = {endpoints->device, endpoints->token,
	    endpoints->userinfo, endpoints->revocation,
	    endpoints->introspection};

	if (signer->has_endpoints)
		return refuse(diag, "and changes the endpoints");
	for (size_t i = 0; i < DA_ARRAY_LEN(uris); i++) {
		if (uris[i][0] != '\0' && !is_ours(&signer->terms, uris[i]))
			return refuse(diag, "for another host");
	}
	signer->endpoints = *endpoints;
	signer->has_endpoints = true;
	return DA_OK;
}

/* A row for all that makes sense: which endpoint takes what, with which
 * method, and whether an access token goes along. */
static const struct rule {
	uint32_t endpoint; /* enum da_endpoint */
	const char *method;
	size_t offset;
	bool proof, assertion, hash;
} rules[] = {
    {DA_ENDPOINT_DEVICE, "POST", offsetof(struct da_wire_endpoints, device),
	false, true, false},
    {DA_ENDPOINT_TOKEN, "POST", offsetof(struct da_wire_endpoints, token), true,
	true, false},
    {DA_ENDPOINT_USERINFO, "GET", offsetof(struct da_wire_endpoints, userinfo),
	true, false, true},
    {DA_ENDPOINT_REVOCATION, "POST",
	offsetof(struct da_wire_endpoints, revocation), false, true, false},
    {DA_ENDPOINT_INTROSPECTION, "POST",
	offsetof(struct da_wire_endpoints, introspection), false, true, false},
};

static const struct rule *
find_rule(uint32_t endpoint)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(rules); i++) {
		if (rules[i].endpoint == endpoint)
			return &rules[i];
	}
	return NULL;
}

/* RFC 9449 8.1: NQCHAR. Neither of the two that JSON escapes is one. */
static bool
is_nonce(const char *text)
{
	return da_text_is_printable(text) && strpbrk(text, " \"\\") == NULL;
}

static enum da_err
check(const struct da_signer *signer, const struct da_wire_sign *order,
    const struct rule *rule, struct da_diag *diag)
{
	bool proof = order->what == DA_SIGN_PROOF;

	if (!signer->has_endpoints || rule == NULL ||
	    (!proof && order->what != DA_SIGN_ASSERTION))
		return refuse(diag, "of no kind that there is");
	if (proof ? !signer->terms.proofs || !rule->proof
		  : !signer->terms.assertions || !rule->assertion)
		return refuse(diag, "that this profile does not use");
	if (!is_nonce(order->nonce) || (!proof && order->nonce[0] != '\0'))
		return refuse(diag, "with a nonce that is none");
	if (order->hash.len != (proof && rule->hash ? DA_HASH_LEN : 0))
		return refuse(diag, "with a hash that is none");
	if (signer->used >= signer->terms.limit)
		return refuse(diag, "too often");
	return DA_OK;
}

/* A JSON string; what comes here is printable. */
static enum da_err
put_string(struct da_buf *ret, const char *text)
{
	enum da_err err = da_buf_put_text(ret, "\"");

	for (; err == DA_OK && *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			err = da_buf_put_text(ret, "\\");
		if (err == DA_OK)
			err = da_buf_put(ret, text, 1);
	}
	return err != DA_OK ? err : da_buf_put_text(ret, "\"");
}

static enum da_err
put_member(struct da_buf *ret, const char *name, const char *value)
{
	enum da_err err = da_buf_format(ret, ",\"%s\":", name);

	return err != DA_OK ? err : put_string(ret, value);
}

/* The beginning of either payload: when, and never twice. */
static enum da_err
begin(struct da_buf *ret, int64_t now_s)
{
	uint8_t random[JTI_LEN];
	enum da_err err = da_secret_random(random, sizeof(random));

	if (err == DA_OK)
		err = da_buf_format(
		    ret, "{\"iat\":%lld,\"jti\":\"", (long long)now_s);
	if (err == DA_OK)
		err = da_base64url_put(ret, random, sizeof(random));
	return err != DA_OK ? err : da_buf_put_text(ret, "\"");
}

/* RFC 9449 4.2. htu is the address without query and fragment. */
static enum da_err
put_proof(const struct da_wire_sign *order, const struct rule *rule,
    const char *uri, struct da_buf *ret)
{
	char htu[DA_URI_MAX + 1];
	enum da_err err = da_text_copy(uri, htu, sizeof(htu));

	htu[strcspn(htu, "?#")] = '\0';
	if (err == DA_OK)
		err = put_member(ret, "htm", rule->method);
	if (err == DA_OK)
		err = put_member(ret, "htu", htu);
	if (err == DA_OK && order->nonce[0] != '\0')
		err = put_member(ret, "nonce", order->nonce);
	if (err != DA_OK || order->hash.len == 0)
		return err;
	err = da_buf_put_text(ret, ",\"ath\":\"");
	if (err == DA_OK)
		err = da_base64url_put(ret, order->hash.bytes, order->hash.len);
	return err != DA_OK ? err : da_buf_put_text(ret, "\"");
}

/* RFC 7523 3, OpenID Connect Core 9. */
static enum da_err
put_assertion(const struct da_signer_terms *terms, const char *uri,
    int64_t now_s, struct da_buf *ret)
{
	enum da_err err = put_member(ret, "iss", terms->client_id);

	if (err == DA_OK)
		err = put_member(ret, "sub", terms->client_id);
	if (err == DA_OK)
		err = put_member(
		    ret, "aud", terms->audience_issuer ? terms->issuer : uri);
	return err != DA_OK ? err
			    : da_buf_format(ret, ",\"exp\":%lld",
				  (long long)now_s + ASSERTION_LIFE_S);
}

static enum da_err
put_header(const struct da_signing_key *key, bool proof, struct da_buf *ret)
{
	return proof
	    ? da_buf_format(ret,
		  "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":%s}",
		  da_signing_key_jwk(key))
	    : da_buf_format(ret,
		  "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"%s\"}",
		  da_signing_key_thumbprint(key));
}

enum da_err
da_signer_sign(struct da_signer *signer, const struct da_wire_sign *order,
    int64_t now_s, struct da_wire_signed *ret, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf header, payload;
	const struct rule *rule = find_rule(order->endpoint);
	bool proof = order->what == DA_SIGN_PROOF;
	const char *uri;
	enum da_err err = check(signer, order, rule, diag);

	da_buf_init(&ret->jwt, DA_JWT_MAX);
	da_buf_init(&header, HEADER_MAX);
	da_buf_init(&payload, PAYLOAD_MAX);
	if (err != DA_OK)
		return err;
	uri = (const char *)&signer->endpoints + rule->offset;
	if (uri[0] == '\0')
		return refuse(diag, "for an endpoint that is not there");
	signer->used++;
	err = put_header(signer->key, proof, &header);
	if (err == DA_OK)
		err = begin(&payload, now_s);
	if (err == DA_OK)
		err = proof
		    ? put_proof(order, rule, uri, &payload)
		    : put_assertion(&signer->terms, uri, now_s, &payload);
	if (err == DA_OK)
		err = da_buf_put_text(&payload, "}");
	return err != DA_OK
	    ? err
	    : da_signing_key_sign(signer->key, da_buf_text(&header),
		  da_buf_text(&payload), &ret->jwt);
}
