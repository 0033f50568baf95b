/*
 * Signatures: JWS compact serialisation (RFC 7515) with public keys.
 *
 * Trust: the token is hostile until the very end. MUSTs:
 *
 *  1. size before anything else, then shape, header, signature; nobody looks
 *     at the payload of a token that has not verified;
 *  2. the algorithm MUST be in the caller's list, and the key MUST be bound to
 *     it: the header alone decides nothing;
 *  3. keys come from the provider's set only. jwk, jku, x5c, x5u, x5t in the
 *     header are ignored, kid is an opaque text to compare;
 *  4. a header with crit, b64, zip or enc asks for another format (RFC 7515
 *     4.1.11, RFC 7797, RFC 7516): refused;
 *  5. there is one spelling of a signature: exact length, r and s as raw
 *     numbers of the curve's size, PSS with a salt as long as the hash.
 */
#include "jose/jws.h"

#include <string.h>

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "core/text.h"
#include "jose/jose.h"
#include "json/json.h"

/* RSA with 8192 bits makes the longest. */
#define SIGNATURE_LEN_MAX 1024
#define ALGORITHM_NAME_MAX 16
#define TYP_MAX 64

enum family {
	FAMILY_RSA,
	FAMILY_RSA_PSS,
	FAMILY_ECDSA,
	FAMILY_EDDSA,
};

/* RFC 7518 section 3.1, RFC 8037 section 3.1. */
static const struct algorithm {
	const char *name;
	uint32_t bit;
	enum family family;
	const char *hash;
	size_t signature_len; /* 0: that of the modulus */
} algorithms[] = {
    {"RS256", DA_JOSE_ALG_RS256, FAMILY_RSA, "SHA256", 0},
    {"PS256", DA_JOSE_ALG_PS256, FAMILY_RSA_PSS, "SHA256", 0},
    {"ES256", DA_JOSE_ALG_ES256, FAMILY_ECDSA, "SHA256", 64},
    {"ES384", DA_JOSE_ALG_ES384, FAMILY_ECDSA, "SHA384", 96},
    {"EdDSA", DA_JOSE_ALG_EDDSA, FAMILY_EDDSA, "SHA512", 64},
};

struct header {
	uint32_t algorithm;
	const char *kid; /* NULL when there is none */
};

struct part {
	const char *at;
	size_t len;
};

static void
md_ctx_freep(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

static void
pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
	EVP_PKEY_CTX_free(*ctx);
}

static void
ecdsa_sig_freep(ECDSA_SIG **sig)
{
	ECDSA_SIG_free(*sig);
}

static enum da_err
refuse(struct da_diag *diag, const char *why)
{
	da_diag_set(diag, "ID token: %s", why);
	return DA_E_TOKEN;
}

uint32_t
da_jose_alg_from_name(const char *name)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(algorithms); i++) {
		if (strcmp(name, algorithms[i].name) == 0)
			return algorithms[i].bit;
	}
	return 0;
}

static const struct algorithm *
find_algorithm(uint32_t bit)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(algorithms); i++) {
		if (bit == algorithms[i].bit)
			return &algorithms[i];
	}
	return NULL;
}

const char *
da_jws_hash_name(uint32_t algorithm)
{
	const struct algorithm *found = find_algorithm(algorithm);

	return found == NULL ? NULL : found->hash;
}

/* RFC 7518 section 3.4: r and s side by side, made into the DER that OpenSSL
 * reads. *ret is to be freed with OPENSSL_free(). */
static enum da_err
ecdsa_to_der(const uint8_t *raw, size_t len, uint8_t **ret, size_t *ret_len)
{
	DA_CLEANUP(ecdsa_sig_freep) ECDSA_SIG *sig = ECDSA_SIG_new();
	int half = (int)(len / 2), der_len;
	BIGNUM *r = BN_bin2bn(raw, half, NULL);
	BIGNUM *s = BN_bin2bn(raw + half, half, NULL);

	if (sig == NULL || r == NULL || s == NULL ||
	    ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
		return DA_E_NOMEM;
	}
	der_len = i2d_ECDSA_SIG(sig, ret);
	if (der_len <= 0)
		return DA_E_NOMEM;
	*ret_len = (size_t)der_len;
	return DA_OK;
}

static enum da_err
digest_verify(const struct da_jwk *key, const struct algorithm *algorithm,
    const void *bytes, size_t len, const uint8_t *signature,
    size_t signature_len)
{
	DA_CLEANUP(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pkey_ctx; /* belongs to ctx */
	/* EdDSA hashes for itself. */
	const char *hash =
	    algorithm->family == FAMILY_EDDSA ? NULL : algorithm->hash;

	if (ctx == NULL)
		return DA_E_NOMEM;
	if (EVP_DigestVerifyInit_ex(
		ctx, &pkey_ctx, hash, NULL, NULL, key->pkey, NULL) != 1)
		return DA_E_TOKEN;
	/* RFC 7518 section 3.5: MGF1 with the same hash, which is OpenSSL's
	 * default, and a salt of its length. */
	if (algorithm->family == FAMILY_RSA_PSS &&
	    (EVP_PKEY_CTX_set_rsa_padding(pkey_ctx, RSA_PKCS1_PSS_PADDING) !=
		    1 ||
		EVP_PKEY_CTX_set_rsa_pss_saltlen(
		    pkey_ctx, RSA_PSS_SALTLEN_DIGEST) != 1))
		return DA_E_TOKEN;
	/* 0 and negative results are failures of different kinds. */
	if (EVP_DigestVerify(ctx, signature, signature_len, bytes, len) != 1)
		return DA_E_TOKEN;
	return DA_OK;
}

static enum da_err
verify_ecdsa(const struct da_jwk *key, const struct algorithm *algorithm,
    const void *bytes, size_t len, const uint8_t *signature,
    size_t signature_len)
{
	uint8_t *der = NULL;
	size_t der_len = 0;
	enum da_err err =
	    ecdsa_to_der(signature, signature_len, &der, &der_len);

	if (err == DA_OK)
		err = digest_verify(key, algorithm, bytes, len, der, der_len);
	OPENSSL_free(der);
	return err;
}

/* The part of the checks on keys that is too slow for every key (jwk.c). */
static bool
is_sound(const struct da_jwk *key, const struct algorithm *algorithm)
{
	DA_CLEANUP(pkey_ctx_freep) EVP_PKEY_CTX *ctx = NULL;

	if (algorithm->family != FAMILY_RSA &&
	    algorithm->family != FAMILY_RSA_PSS)
		return true;
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
	return ctx != NULL && EVP_PKEY_public_check(ctx) == 1;
}

enum da_err
da_jws_verify_bytes(const struct da_jwk *key, uint32_t algorithm,
    const void *bytes, size_t len, const uint8_t *signature,
    size_t signature_len)
{
	const struct algorithm *found = find_algorithm(algorithm);
	size_t expected;
	enum da_err err;

	if (found == NULL || (key->algorithms & algorithm) == 0)
		return DA_E_TOKEN;
	expected = found->signature_len;
	if (expected == 0)
		expected = (size_t)EVP_PKEY_get_size(key->pkey);
	if (signature_len != expected)
		return DA_E_TOKEN;
	if (found->family == FAMILY_ECDSA)
		err = verify_ecdsa(
		    key, found, bytes, len, signature, signature_len);
	else
		err = digest_verify(
		    key, found, bytes, len, signature, signature_len);
	if (err == DA_OK && !is_sound(key, found))
		err = DA_E_TOKEN;
	ERR_clear_error();
	return err;
}

/* RFC 7515 section 7.1: header.payload.signature, and not one dot more. */
static bool
split(const char *token, size_t len, struct part parts[static 3])
{
	const char *end = token + len;

	for (size_t i = 0; i < 2; i++) {
		const char *dot = memchr(token, '.', (size_t)(end - token));

		if (dot == NULL)
			return false;
		parts[i] = (struct part){token, (size_t)(dot - token)};
		token = dot + 1;
	}
	parts[2] = (struct part){token, (size_t)(end - token)};
	return memchr(token, '.', parts[2].len) == NULL;
}

static bool
is_same_word(const char *a, const char *b)
{
	while (*a != '\0' && da_text_lower(*a) == da_text_lower(*b)) {
		a++;
		b++;
	}
	return *a == '\0' && *b == '\0';
}

/* Other kinds of tokens of the same provider carry their own typ: at+jwt (RFC
 * 9068), logout+jwt, dpop+jwt, secevent+jwt. RFC 7515 section 4.1.9: not case
 * sensitive, "application/" may be left out. */
static bool
is_typ_ok(const struct da_json *header)
{
	const char *typ;

	if (!da_json_has(header, "typ"))
		return true;
	return da_json_get_text(header, "typ", TYP_MAX, &typ) == DA_OK &&
	    (is_same_word(typ, "JWT") || is_same_word(typ, "application/jwt"));
}

static enum da_err
check_header(const struct da_json *json, uint32_t allowed, struct header *ret,
    struct da_diag *diag)
{
	static const char *const other_formats[] = {
	    "crit", "b64", "zip", "enc"};
	const char *name;
	struct header header = {0};

	if (!da_json_is_object(json))
		return refuse(diag, "the header is no object");
	for (size_t i = 0; i < DA_ARRAY_LEN(other_formats); i++) {
		if (!da_json_has(json, other_formats[i]))
			continue;
		da_diag_set(diag, "ID token: header with %s", other_formats[i]);
		return DA_E_TOKEN;
	}
	if (!is_typ_ok(json))
		return refuse(diag, "its typ is not JWT");
	if (da_json_get_text(json, "alg", ALGORITHM_NAME_MAX, &name) != DA_OK)
		return refuse(diag, "header without alg");
	header.algorithm = da_jose_alg_from_name(name);
	if ((header.algorithm & allowed) == 0)
		return refuse(diag, "its algorithm is not allowed");
	if (da_json_has(json, "kid") &&
	    da_json_get_text(json, "kid", DA_TOKEN_MAX, &header.kid) != DA_OK)
		return refuse(diag, "its kid is no text");
	*ret = header;
	return DA_OK;
}

static bool
fits(const struct da_jwk *key, const struct header *header)
{
	if ((key->algorithms & header->algorithm) == 0)
		return false;
	/* Some providers name the key in the token but not in the set: such
	 * keys are tried; the signature decides. */
	if (header->kid == NULL || key->kid == NULL)
		return true;
	return strcmp(key->kid, header->kid) == 0;
}

/* Tries the keys that fit: usually one, at most DA_JWKS_KEYS_MAX. */
static enum da_err
verify_with_set(const struct da_jwks *jwks, const struct header *header,
    struct part input, const struct da_buf *signature, struct da_diag *diag)
{
	bool named = false;

	for (size_t i = 0; i < jwks->count; i++) {
		enum da_err err;

		if (!fits(&jwks->keys[i], header))
			continue;
		if (header->kid != NULL && jwks->keys[i].kid != NULL)
			named = true;
		err = da_jws_verify_bytes(&jwks->keys[i], header->algorithm,
		    input.at, input.len, signature->bytes, signature->len);
		if (err != DA_E_TOKEN)
			return err;
	}
	if (named)
		return refuse(diag, "the signature does not verify");
	/* Without a kid on both sides nothing else tells that the provider has
	 * changed its keys since the set was fetched. */
	da_diag_set(diag, "ID token: no key of the set fits");
	return DA_E_ABSENT;
}

static enum da_err
decode(struct part part, struct da_buf *ret, const char *what,
    struct da_diag *diag)
{
	enum da_err err = da_jose_base64url_decode(part.at, part.len, ret);

	if (err == DA_OK || err == DA_E_NOMEM)
		return err;
	da_diag_set(diag, "ID token: bad %s part", what);
	return DA_E_TOKEN;
}

static enum da_err
read_header(struct part part, uint32_t allowed, struct da_json **ret_json,
    struct header *ret, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf bytes;
	enum da_err err;

	da_buf_init(&bytes, DA_TOKEN_MAX);
	err = decode(part, &bytes, "header", diag);
	if (err != DA_OK)
		return err;
	err = da_json_parse(bytes.bytes, bytes.len, ret_json, diag);
	if (err == DA_E_SYNTAX)
		return DA_E_TOKEN;
	if (err != DA_OK)
		return err;
	return check_header(*ret_json, allowed, ret, diag);
}

enum da_err
da_jws_verify(const char *token, size_t len, const struct da_jwks *jwks,
    uint32_t allowed, struct da_buf *ret_payload, uint32_t *ret_algorithm,
    struct da_diag *diag)
{
	DA_CLEANUP(da_json_freep) struct da_json *json = NULL;
	DA_CLEANUP(da_buf_done) struct da_buf signature;
	struct part parts[3], input;
	struct header header; /* borrows from json */
	enum da_err err;

	da_buf_init(&signature, SIGNATURE_LEN_MAX);
	if (len > DA_TOKEN_MAX) {
		da_diag_set(diag, "ID token: %zu bytes", len);
		return DA_E_TOO_LARGE;
	}
	if (!split(token, len, parts))
		return refuse(diag, "not three parts");
	err = read_header(parts[0], allowed, &json, &header, diag);
	if (err == DA_OK)
		err = decode(parts[2], &signature, "signature", diag);
	if (err != DA_OK)
		return err;
	/* RFC 7515 section 5.2: header and payload as they arrived. */
	input = (struct part){token, parts[0].len + 1 + parts[1].len};
	err = verify_with_set(jwks, &header, input, &signature, diag);
	if (err == DA_OK)
		err = decode(parts[1], ret_payload, "payload", diag);
	if (err == DA_OK)
		*ret_algorithm = header.algorithm;
	return err;
}
