/*
 * Key sets: JSON Web Keys (RFC 7517, 7518 section 6, 8037) into OpenSSL keys.
 *
 * Trust: the set comes from the provider over TLS or out of the cache; a weak
 * key in it is an invitation to forge. OpenSSL 3.0 imports an RSA key of 512
 * bits or with e = 1 without a word, so:
 *
 *  1. every key MUST pass the checks here before it gets into a set;
 *  2. a key MUST be bound to the algorithms of its type, or to its own "alg";
 *  3. private and symmetric keys MUST be left out: what is published is no
 *     secret;
 *  4. nothing that a key points at (x5u) or carries along (x5c) is looked at.
 *
 * That an RSA modulus is neither prime nor has small factors is seen by
 * EVP_PKEY_public_check(). It takes 3 ms for 2048 bits and 110 ms for 8192, so
 * it is asked about the one key that has verified a signature (jws.c), not
 * about every key of every set.
 */
#include "jose/jws.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "jose/jose.h"
#include "json/json.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
/* A leading zero byte is against RFC 7518 6.3.1.1 and seen all the same. */
#define RSA_MODULUS_LEN_MAX (RSA_BITS_MAX / 8 + 1)
#define RSA_EXPONENT_LEN_MAX 8
#define ED25519_LEN 32
/* The longest coordinate, of P-384. */
#define EC_COORDINATE_MAX 48
#define KEY_NAME_MAX 32 /* values of kty, crv, use, alg, key_ops */

/* The importers answer DA_E_TYPE for a key that is to be left out. */
#define LEAVE_OUT DA_E_TYPE

static void
bn_freep(BIGNUM **bn)
{
	BN_free(*bn);
}

static void
pkey_ctx_freep(EVP_PKEY_CTX **ctx)
{
	EVP_PKEY_CTX_free(*ctx);
}

static void
param_bld_freep(OSSL_PARAM_BLD **bld)
{
	OSSL_PARAM_BLD_free(*bld);
}

static void
params_freep(OSSL_PARAM **params)
{
	OSSL_PARAM_free(*params);
}

static bool
text_is(const struct da_json *jwk, const char *member, const char *expected)
{
	const char *text;

	return da_json_get_text(jwk, member, KEY_NAME_MAX, &text) == DA_OK &&
	    strcmp(text, expected) == 0;
}

/* Decodes a member of at most ret->max bytes. */
static enum da_err
get_octets(const struct da_json *jwk, const char *member, struct da_buf *ret)
{
	const char *text;
	enum da_err err =
	    da_json_get_text(jwk, member, ret->max / 3 * 4 + 4, &text);

	if (err == DA_OK)
		err = da_jose_base64url_decode(text, strlen(text), ret);
	return err == DA_OK || err == DA_E_NOMEM ? err : LEAVE_OUT;
}

static enum da_err
get_number(
    const struct da_json *jwk, const char *member, size_t len_max, BIGNUM **ret)
{
	DA_CLEANUP(da_buf_done) struct da_buf octets;
	enum da_err err;

	da_buf_init(&octets, len_max);
	err = get_octets(jwk, member, &octets);
	if (err != DA_OK)
		return err;
	*ret = BN_bin2bn(octets.bytes, (int)octets.len, NULL);
	return *ret == NULL ? DA_E_NOMEM : DA_OK;
}

static enum da_err
make_key(const char *type, OSSL_PARAM_BLD *bld, EVP_PKEY **ret)
{
	DA_CLEANUP(params_freep)
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	DA_CLEANUP(pkey_ctx_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

	if (params == NULL)
		return DA_E_NOMEM;
	/* An OpenSSL in FIPS mode may lack the type. A point off the curve
	 * makes fromdata fail. */
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, ret, EVP_PKEY_PUBLIC_KEY, params) != 1)
		return LEAVE_OUT;
	return DA_OK;
}

static bool
is_power_of_65537(BN_ULONG residue, BN_ULONG prime)
{
	BN_ULONG generator = 65537 % prime, power = 1;

	do {
		if (power == residue)
			return true;
		power = power * generator % prime;
	} while (power != 1);
	return false;
}

/* ROCA (CVE-2017-15361; Nemec, Sys, Svenda, Klinec, Matyas: "The Return of
 * Coppersmith's Attack", CCS 2017): keys from one maker of chips can be
 * factored. Their moduli are powers of 65537 modulo every small prime; of all
 * others one in 2^27 is. */
static bool
is_roca(const BIGNUM *modulus)
{
	static const uint8_t primes[] = {3, 5, 7, 11, 13, 17, 19, 23, 29, 31,
	    37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
	    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};

	for (size_t i = 0; i < DA_ARRAY_LEN(primes); i++) {
		BN_ULONG residue = BN_mod_word(modulus, primes[i]);

		if (!is_power_of_65537(residue, primes[i]))
			return false;
	}
	return true;
}

static bool
is_strong_rsa(const BIGNUM *modulus, const BIGNUM *exponent)
{
	int bits = BN_num_bits(modulus);
	int exponent_bits = BN_num_bits(exponent);

	/* An odd number of 2 to 32 bits is at least 3 and below 2^32. */
	return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX &&
	    BN_is_odd(modulus) && BN_is_odd(exponent) && exponent_bits >= 2 &&
	    exponent_bits <= 32 && !is_roca(modulus);
}

/* RFC 7518 section 6.3.1. */
static enum da_err
import_rsa(const struct da_json *jwk, struct da_jwk *key)
{
	DA_CLEANUP(bn_freep) BIGNUM *n = NULL;
	DA_CLEANUP(bn_freep) BIGNUM *e = NULL;
	DA_CLEANUP(param_bld_freep) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	enum da_err err = get_number(jwk, "n", RSA_MODULUS_LEN_MAX, &n);

	if (err == DA_OK)
		err = get_number(jwk, "e", RSA_EXPONENT_LEN_MAX, &e);
	if (err != DA_OK)
		return err;
	if (!is_strong_rsa(n, e))
		return LEAVE_OUT;
	if (bld == NULL ||
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) != 1)
		return DA_E_NOMEM;
	key->algorithms = DA_JOSE_ALG_RS256 | DA_JOSE_ALG_PS256;
	return make_key("RSA", bld, &key->pkey);
}

static enum da_err
public_check(EVP_PKEY *pkey)
{
	DA_CLEANUP(pkey_ctx_freep)
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);

	if (ctx == NULL)
		return DA_E_NOMEM;
	return EVP_PKEY_public_check(ctx) == 1 ? DA_OK : LEAVE_OUT;
}

/* RFC 7518 section 6.2.1: coordinates have the full length of the field. The
 * form "04 x y" cannot say infinity. */
static enum da_err
import_ec_curve(const struct da_json *jwk, const char *group,
    size_t coordinate_len, struct da_jwk *key)
{
	DA_CLEANUP(da_buf_done) struct da_buf point;
	DA_CLEANUP(param_bld_freep) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	size_t x_len;
	enum da_err err;

	da_buf_init(&point, 1 + 2 * EC_COORDINATE_MAX);
	err = da_buf_put(&point, "\4", 1);
	if (err == DA_OK)
		err = get_octets(jwk, "x", &point);
	x_len = point.len;
	if (err == DA_OK)
		err = get_octets(jwk, "y", &point);
	if (err != DA_OK)
		return err;
	if (x_len != 1 + coordinate_len || point.len != x_len + coordinate_len)
		return LEAVE_OUT;
	if (bld == NULL ||
	    OSSL_PARAM_BLD_push_utf8_string(
		bld, OSSL_PKEY_PARAM_GROUP_NAME, group, 0) != 1 ||
	    OSSL_PARAM_BLD_push_octet_string(
		bld, OSSL_PKEY_PARAM_PUB_KEY, point.bytes, point.len) != 1)
		return DA_E_NOMEM;
	err = make_key("EC", bld, &key->pkey);
	return err == DA_OK ? public_check(key->pkey) : err;
}

static enum da_err
import_ec(const struct da_json *jwk, struct da_jwk *key)
{
	if (text_is(jwk, "crv", "P-256")) {
		key->algorithms = DA_JOSE_ALG_ES256;
		return import_ec_curve(jwk, "prime256v1", 32, key);
	}
	if (text_is(jwk, "crv", "P-384")) {
		key->algorithms = DA_JOSE_ALG_ES384;
		return import_ec_curve(jwk, "secp384r1", 48, key);
	}
	return LEAVE_OUT;
}

/*
 * Points whose order divides 8. With such a key one signature verifies for
 * many messages. The y coordinates of all of them, sign bit cleared; the last
 * two are 0 and 1 again, written without reduction modulo p = 2^255 - 19. They
 * are discussed by Chalkias, Garillot, Nikolaenko: "Taming the many EdDSAs"
 * (SSR 2020), libsodium refuses the same seven, and multiplying random points
 * by the prime order of the group yields them anew.
 */
static const uint8_t small_order[][ED25519_LEN] = {
    /* order 4: y = 0 */
    {0},
    /* order 1: y = 1 */
    {1},
    /* order 8, two pairs */
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89,
	0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39,
	0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76,
	0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6,
	0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
    /* order 2: y = p - 1 */
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    /* y = p and y = p + 1 */
    {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
};

static bool
is_small_order(const uint8_t point[static ED25519_LEN])
{
	uint8_t y[ED25519_LEN];

	memcpy(y, point, sizeof(y));
	y[ED25519_LEN - 1] &= 0x7f;
	for (size_t i = 0; i < DA_ARRAY_LEN(small_order); i++) {
		if (memcmp(y, small_order[i], sizeof(y)) == 0)
			return true;
	}
	return false;
}

/* RFC 8037 section 2, Ed25519 only. 32 bytes that are no point verify
 * nothing. */
static enum da_err
import_okp(const struct da_json *jwk, struct da_jwk *key)
{
	DA_CLEANUP(da_buf_done) struct da_buf point;
	DA_CLEANUP(param_bld_freep) OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	enum da_err err;

	da_buf_init(&point, ED25519_LEN);
	if (!text_is(jwk, "crv", "Ed25519"))
		return LEAVE_OUT;
	err = get_octets(jwk, "x", &point);
	if (err != DA_OK)
		return err;
	if (point.len != ED25519_LEN || is_small_order(point.bytes))
		return LEAVE_OUT;
	if (bld == NULL ||
	    OSSL_PARAM_BLD_push_octet_string(
		bld, OSSL_PKEY_PARAM_PUB_KEY, point.bytes, point.len) != 1)
		return DA_E_NOMEM;
	key->algorithms = DA_JOSE_ALG_EDDSA;
	err = make_key("ED25519", bld, &key->pkey);
	return err == DA_OK ? public_check(key->pkey) : err;
}

static bool
is_private(const struct da_json *jwk)
{
	/* RFC 7518 sections 6.2.2, 6.3.2 and 6.4. */
	static const char *const members[] = {
	    "d", "p", "q", "dp", "dq", "qi", "oth", "k"};

	for (size_t i = 0; i < DA_ARRAY_LEN(members); i++) {
		if (da_json_has(jwk, members[i]))
			return true;
	}
	return false;
}

/* RFC 7517 sections 4.2 and 4.3: both may be missing; what is there has to
 * allow verifying signatures. */
static bool
is_for_verifying(const struct da_json *jwk)
{
	const struct da_json *operations = da_json_member(jwk, "key_ops");
	const char *text;

	if (da_json_has(jwk, "use") && !text_is(jwk, "use", "sig"))
		return false;
	if (!da_json_has(jwk, "key_ops"))
		return true;
	for (size_t i = 0; i < da_json_array_len(operations); i++) {
		if (da_json_text(da_json_array_at(operations, i), KEY_NAME_MAX,
			&text) == DA_OK &&
		    strcmp(text, "verify") == 0)
			return true;
	}
	return false;
}

static enum da_err
import_material(const struct da_json *jwk, struct da_jwk *key)
{
	if (text_is(jwk, "kty", "RSA"))
		return import_rsa(jwk, key);
	if (text_is(jwk, "kty", "EC"))
		return import_ec(jwk, key);
	if (text_is(jwk, "kty", "OKP"))
		return import_okp(jwk, key);
	return LEAVE_OUT;
}

static enum da_err
import_names(const struct da_json *jwk, struct da_jwk *key)
{
	const char *text;

	if (da_json_has(jwk, "alg")) {
		if (da_json_get_text(jwk, "alg", KEY_NAME_MAX, &text) != DA_OK)
			return LEAVE_OUT;
		key->algorithms &= da_jose_alg_from_name(text);
	}
	if (key->algorithms == 0)
		return LEAVE_OUT;
	if (!da_json_has(jwk, "kid"))
		return DA_OK;
	if (da_json_get_text(jwk, "kid", DA_BODY_MAX, &text) != DA_OK)
		return LEAVE_OUT;
	key->kid = strdup(text);
	return key->kid == NULL ? DA_E_NOMEM : DA_OK;
}

static void
jwk_done(struct da_jwk *key)
{
	EVP_PKEY_free(key->pkey);
	free(key->kid);
	*key = (struct da_jwk){0};
}

/* Adds the key if devauth may use it. */
static enum da_err
add_key(struct da_jwks *jwks, const struct da_json *jwk)
{
	struct da_jwk key = {0};
	enum da_err err;

	if (is_private(jwk) || !is_for_verifying(jwk))
		return DA_OK;
	err = import_material(jwk, &key);
	if (err == DA_OK)
		err = import_names(jwk, &key);
	if (err == DA_OK) {
		jwks->keys[jwks->count++] = key;
		return DA_OK;
	}
	jwk_done(&key);
	return err == LEAVE_OUT ? DA_OK : err;
}

static enum da_err
add_keys(struct da_jwks *jwks, const struct da_json *keys, struct da_diag *diag)
{
	size_t count = da_json_array_len(keys);

	if (!da_json_is_array(keys)) {
		da_diag_set(diag, "key set: no array of keys");
		return DA_E_SYNTAX;
	}
	if (count > DA_JWKS_KEYS_MAX) {
		da_diag_set(diag, "key set: %zu keys", count);
		return DA_E_TOO_LARGE;
	}
	for (size_t i = 0; i < count; i++) {
		const struct da_json *jwk = da_json_array_at(keys, i);
		enum da_err err;

		if (!da_json_is_object(jwk)) {
			da_diag_set(diag, "key set: key %zu is no object", i);
			return DA_E_SYNTAX;
		}
		err = add_key(jwks, jwk);
		if (err != DA_OK)
			return err;
	}
	return DA_OK;
}

enum da_err
da_jwks_parse(
    const void *bytes, size_t len, struct da_jwks **ret, struct da_diag *diag)
{
	DA_CLEANUP(da_json_freep) struct da_json *document = NULL;
	DA_CLEANUP(da_jwks_freep) struct da_jwks *jwks = NULL;
	enum da_err err = da_json_parse(bytes, len, &document, diag);

	if (err != DA_OK)
		return err;
	jwks = calloc(1, sizeof(*jwks));
	if (jwks == NULL)
		return DA_E_NOMEM;
	err = add_keys(jwks, da_json_member(document, "keys"), diag);
	ERR_clear_error();
	if (err == DA_OK)
		*ret = DA_TAKE(jwks);
	return err;
}

void
da_jwks_free(struct da_jwks *jwks)
{
	if (jwks == NULL)
		return;
	for (size_t i = 0; i < jwks->count; i++)
		jwk_done(&jwks->keys[i]);
	free(jwks);
}

void
da_jwks_freep(struct da_jwks **jwks)
{
	da_jwks_free(*jwks);
	*jwks = NULL;
}

size_t
da_jwks_count(const struct da_jwks *jwks)
{
	return jwks->count;
}
