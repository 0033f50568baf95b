/*
 * The provider's metadata (OpenID Connect Discovery 1.0 section 4, RFC 8414).
 */
#ifndef DA_PROVIDER_DISCOVERY_H
#define DA_PROVIDER_DISCOVERY_H

#include <stdbool.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"

/* Whom a profile trusts: nothing outside of this is ever contacted. */
struct da_provider {
	const char *issuer;
	const char *endpoint_hosts; /* further hosts, by spaces */
};

/* RFC 9449 5.1: whether the provider takes proofs that are signed with ES256.
 */
enum da_dpop_offer {
	DA_DPOP_NOT_SAID,
	DA_DPOP_OFFERED,
	DA_DPOP_OTHERWISE, /* with other algorithms only */
};

struct da_endpoints {
	enum da_dpop_offer dpop;
	char device[DA_URI_MAX + 1];
	char token[DA_URI_MAX + 1];
	char jwks[DA_URI_MAX + 1];
	char userinfo[DA_URI_MAX + 1];      /* "" = none, like the next two */
	char revocation[DA_URI_MAX + 1];    /* RFC 7009 */
	char introspection[DA_URI_MAX + 1]; /* RFC 7662 */
};

/* The two places where metadata may be found, in the order of asking. */
enum da_discovery_form {
	DA_DISCOVERY_OPENID, /* ISSUER/.well-known/openid-configuration */
	DA_DISCOVERY_OAUTH,  /* RFC 8414 3.1: before the issuer's path */
};

/* The address of the document. DA_E_CONFIG when the issuer is no https
 * address that can have one (OpenID Connect Discovery 3: no query, no
 * fragment), DA_E_TOO_LARGE. */
enum da_err da_discovery_uri(const char *issuer, enum da_discovery_form form,
    char ret[static DA_URI_MAX + 1]) DA_MUST_CHECK;

/* Reads the document. The issuer in it must be ours to the byte, each endpoint
 * an https address on the issuer's host or one of endpoint_hosts (attack H4;
 * any port and path, providers.md 1). DA_E_PROTOCOL, DA_E_PROVIDER (no device
 * flow offered), DA_E_NOMEM. */
enum da_err da_discovery_parse(const struct da_buf *document,
    const struct da_provider *provider, struct da_endpoints *ret,
    struct da_diag *reason) DA_MUST_CHECK;

/* Whether the host of a checked https address belongs to the provider. */
bool da_provider_has_host(const struct da_provider *provider, const char *uri);

/* The hosts one after the other, lower case: the issuer's first, then those of
 * the list. False at the end; start with *iter = 0. Names that are none are
 * passed over. */
bool da_provider_next_host(const struct da_provider *provider, size_t *iter,
    char ret[static DA_HOST_MAX + 1]);

#endif
