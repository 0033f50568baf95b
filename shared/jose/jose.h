/*
 * ID tokens: JWS compact serialisation (RFC 7515), JWK sets (RFC 7517), the
 * algorithms of RFC 7518 and RFC 8037 that make sense for signatures with
 * public keys, and the checks of OpenID Connect Core 3.1.3.7.
 *
 * There is no HMAC, no "none" and no JWE in this code. A key is bound to the
 * algorithms of its type; header members that name keys (jwk, jku, x5c, x5u)
 * are never followed; a crit header is refused.
 */
#ifndef DA_JOSE_JOSE_H
#define DA_JOSE_JOSE_H

#include <stddef.h>
#include <stdint.h>

#include "core/algorithm.h"
#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"

struct da_json;

/* Clocks that differ by more than this are to be set, not to be tolerated. */
#define DA_JOSE_LEEWAY_MAX_S INT64_C(3600)

/* "RS256" -> its bit; 0 for anything else. Exact case. */
uint32_t da_jose_alg_from_name(const char *name);

/* base64url without padding (RFC 7515 section 2), strict: no other character,
 * no non-zero trailing bits. Appends to "ret". DA_E_SYNTAX and da_buf's. */
enum da_err da_jose_base64url_decode(
    const char *text, size_t len, struct da_buf *ret) DA_MUST_CHECK;

/* The usable signature keys of a provider. */
struct da_jwks;

/* Reads a JWK set. Keys that devauth cannot or must not use are left out:
 * other types or curves, use other than "sig", key_ops without "verify",
 * private or symmetric keys, RSA below 2048 or above 8192 bits or with an
 * exponent that is even, below 3 or above 2^32, the weak moduli of
 * CVE-2017-15361, points off the curve or of small order. (That a modulus is
 * no prime is checked when the key verifies something: it takes 3 ms and more.)
 * A key without "alg" counts for every algorithm of its type. An empty result
 * is fine. DA_E_SYNTAX (not JSON, no array of objects under "keys"),
 * DA_E_TOO_LARGE (over DA_JWKS_KEYS_MAX keys, or as da_json_scan()),
 * DA_E_NOMEM. */
enum da_err da_jwks_parse(const void *bytes, size_t len, struct da_jwks **ret,
    struct da_diag *diag) DA_MUST_CHECK;
void da_jwks_free(struct da_jwks *jwks);
void da_jwks_freep(struct da_jwks **jwks);
size_t da_jwks_count(const struct da_jwks *jwks);

/* What an ID token has to say to be ours. */
struct da_id_token_expect {
	const char *issuer;       /* exact */
	const char *client_id;    /* in aud; azp too, where aud has others */
	uint32_t algorithms;      /* allowed DA_JOSE_ALG_* */
	int64_t now_s;            /* wall clock */
	int64_t leeway_s;         /* of clocks, to DA_JOSE_LEEWAY_MAX_S */
	int64_t not_before_s;     /* least iat, less leeway; 0 = no check */
	const char *access_token; /* for at_hash, when present; may be NULL */
};

/* Verifies signature and claims of a compact token. On success *ret_claims is
 * the owned payload and ret_subject the subject (ASCII, not empty).
 * DA_E_ABSENT: no key fits kid and alg, or there is no kid and none of the keys
 * that fit alg verifies it: fetch the key set again, once.
 * DA_E_TOKEN: refused; diag says why without quoting the token.
 * DA_E_TOO_LARGE, DA_E_NOMEM, DA_E_BUG (expect makes no sense). Nothing of a
 * refused token is returned. */
enum da_err da_id_token_verify(const char *token, size_t len,
    const struct da_jwks *jwks, const struct da_id_token_expect *expect,
    struct da_json **ret_claims, char ret_subject[static DA_SUBJECT_MAX + 1],
    struct da_diag *diag) DA_MUST_CHECK;

#endif
