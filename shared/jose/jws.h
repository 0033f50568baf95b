/*
 * Inside the jose library: keys, and signatures without a look at the claims.
 * da_id_token_verify() in jose.h is what the rest of devauth uses.
 */
#ifndef DA_JOSE_JWS_H
#define DA_JOSE_JWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/types.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"

/* A public key and what it may be used for. */
struct da_jwk {
	EVP_PKEY *pkey;
	char *kid;           /* NULL when the key names none */
	uint32_t algorithms; /* DA_JOSE_ALG_* of its type, or its own "alg" */
};

struct da_jwks {
	size_t count;
	struct da_jwk keys[DA_JWKS_KEYS_MAX];
};

/* The hash that belongs to an algorithm, as OpenSSL names it: what at_hash is
 * made with (OpenID Connect Core 3.1.3.6). NULL for anything but one
 * DA_JOSE_ALG_* bit. */
const char *da_jws_hash_name(uint32_t algorithm);

/* Verifies the signature of bytes with one key. DA_E_TOKEN: it does not
 * verify, the algorithm is not one of the key's, or the key turns out to be
 * unsound. DA_E_NOMEM. */
enum da_err da_jws_verify_bytes(const struct da_jwk *key, uint32_t algorithm,
    const void *bytes, size_t len, const uint8_t *signature,
    size_t signature_len) DA_MUST_CHECK;

/* Verifies a compact JWS (RFC 7515 section 5.2) with the one algorithm its
 * header names, which must be in "algorithms". On success the payload is put
 * into "ret_payload" (which the caller has initialised) and the algorithm into
 * *ret_algorithm. The errors of da_id_token_verify(). */
enum da_err da_jws_verify(const char *token, size_t len,
    const struct da_jwks *jwks, uint32_t algorithms, struct da_buf *ret_payload,
    uint32_t *ret_algorithm, struct da_diag *diag) DA_MUST_CHECK;

#endif
