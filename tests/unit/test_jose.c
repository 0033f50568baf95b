/*
 * ID tokens and key sets: the examples of the RFCs, tokens made here with
 * OpenSSL, and every way to bend them that the list of hostile inputs (J..)
 * names for this layer.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "core/buf.h"
#include "jose/jose.h"
#include "jose/jws.h"
#include "json/json.h"

#define NOW_S INT64_C(1750000000)
#define ROOM (4 * 1024 * 1024)
#define ISSUER "https://login.example.com"
#define CLIENT "devauth-web1"
#define ED_HEADER "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}"
#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum which { RSA_KEY, P256, P384, ED, KEYS };

static EVP_PKEY *pkeys[KEYS];
static const char *const kids[KEYS] = {"rsa", "p256", "p384", "ed"};
static const char *const algs[KEYS] = {"RS256", "ES256", "ES384", "EdDSA"};

/* The public halves of all of them, with kid, without alg. */
static struct da_jwks *jwks;

static const struct da_id_token_expect expect_default = {
    .issuer = ISSUER,
    .client_id = CLIENT,
    .algorithms = DA_JOSE_ALG_ALL,
    .now_s = NOW_S,
    .leeway_s = 60,
    .not_before_s = NOW_S - 300,
};

/* ---- making JSON, keys and tokens ---- */

static void
put(struct da_buf *buf, const char *text)
{
	assert_int_equal(da_buf_put_text(buf, text), DA_OK);
}

static void
put_base64url(struct da_buf *buf, const void *bytes, size_t len)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz0123456789-_";
	const uint8_t *p = bytes;

	for (size_t i = 0; i < len; i += 3) {
		size_t n = len - i < 3 ? len - i : 3;
		uint32_t bits = (uint32_t)p[i] << 16;

		if (n > 1)
			bits |= (uint32_t)p[i + 1] << 8;
		if (n > 2)
			bits |= p[i + 2];
		for (size_t k = 0; k <= n; k++) {
			char c = alphabet[bits >> (18 - 6 * k) & 63];

			assert_int_equal(da_buf_put(buf, &c, 1), DA_OK);
		}
	}
}

static void
put_number(struct da_buf *buf, const BIGNUM *number, int min_len)
{
	uint8_t bytes[4096];
	int len = BN_num_bytes(number);

	if (len < min_len)
		len = min_len;
	assert_true(len <= (int)sizeof(bytes));
	assert_int_equal(BN_bn2binpad(number, bytes, len), len);
	put_base64url(buf, bytes, (size_t)len);
}

static BIGNUM *
key_number(const EVP_PKEY *pkey, const char *name)
{
	BIGNUM *number = NULL;

	assert_int_equal(EVP_PKEY_get_bn_param(pkey, name, &number), 1);
	return number;
}

static void
put_key_number(struct da_buf *buf, const EVP_PKEY *pkey, const char *member,
    const char *name, int min_len)
{
	BIGNUM *number = key_number(pkey, name);

	put(buf, ",\"");
	put(buf, member);
	put(buf, "\":\"");
	put_number(buf, number, min_len);
	put(buf, "\"");
	BN_free(number);
}

/* The public half; "more" is put in as it is (",\"alg\":...") or "". */
static void
put_jwk(struct da_buf *buf, const EVP_PKEY *pkey, const char *more)
{
	uint8_t raw[32];
	size_t len = sizeof(raw);
	int bits = EVP_PKEY_get_bits(pkey);

	if (EVP_PKEY_is_a(pkey, "RSA")) {
		put(buf, "{\"kty\":\"RSA\"");
		put_key_number(buf, pkey, "n", OSSL_PKEY_PARAM_RSA_N, 0);
		put_key_number(buf, pkey, "e", OSSL_PKEY_PARAM_RSA_E, 0);
	} else if (EVP_PKEY_is_a(pkey, "EC")) {
		put(buf,
		    bits == 256 ? "{\"kty\":\"EC\",\"crv\":\"P-256\""
				: "{\"kty\":\"EC\",\"crv\":\"P-384\"");
		put_key_number(
		    buf, pkey, "x", OSSL_PKEY_PARAM_EC_PUB_X, bits / 8);
		put_key_number(
		    buf, pkey, "y", OSSL_PKEY_PARAM_EC_PUB_Y, bits / 8);
	} else {
		assert_int_equal(
		    EVP_PKEY_get_raw_public_key(pkey, raw, &len), 1);
		put(buf, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
		put_base64url(buf, raw, len);
		put(buf, "\"");
	}
	put(buf, more);
	put(buf, "}");
}

static struct da_jwks *
parse_set(const char *text)
{
	struct da_jwks *set = NULL;

	assert_int_equal(da_jwks_parse(text, strlen(text), &set, NULL), DA_OK);
	assert_int_equal(ERR_peek_error(), 0);
	return set;
}

/* How many keys of {"keys":[<text>]} are usable. */
static size_t
count_usable(const char *text)
{
	struct da_buf buf;
	struct da_jwks *set;
	size_t count;

	da_buf_init(&buf, ROOM);
	put(&buf, "{\"keys\":[");
	put(&buf, text);
	put(&buf, "]}");
	set = parse_set(da_buf_text(&buf));
	count = da_jwks_count(set);
	da_jwks_free(set);
	da_buf_done(&buf);
	return count;
}

/* A set of one key. */
static struct da_jwks *
set_of(const EVP_PKEY *pkey, const char *more)
{
	struct da_buf buf;
	struct da_jwks *set;

	da_buf_init(&buf, ROOM);
	put(&buf, "{\"keys\":[");
	put_jwk(&buf, pkey, more);
	put(&buf, "]}");
	set = parse_set(da_buf_text(&buf));
	da_buf_done(&buf);
	return set;
}

static size_t
count_with(const EVP_PKEY *pkey, const char *more)
{
	struct da_jwks *set = set_of(pkey, more);
	size_t count = da_jwks_count(set);

	da_jwks_free(set);
	return count;
}

/* r and s side by side, from the DER that OpenSSL makes. */
static size_t
der_to_raw(const uint8_t *der, size_t len, uint8_t *raw, int half)
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);

	assert_non_null(sig);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, half), half);
	assert_int_equal(
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + half, half), half);
	ECDSA_SIG_free(sig);
	return (size_t)half * 2;
}

/* What a provider does. "salt_len" > 0 asks for PSS. */
static size_t
sign(EVP_PKEY *pkey, int salt_len, const struct da_buf *input, uint8_t *ret,
    size_t size)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pkey_ctx;
	uint8_t der[256];
	bool is_ec = EVP_PKEY_is_a(pkey, "EC");
	size_t len = is_ec ? sizeof(der) : size;
	const char *hash = EVP_PKEY_get_bits(pkey) == 384 ? "SHA384" : "SHA256";

	if (EVP_PKEY_is_a(pkey, "ED25519"))
		hash = NULL;
	assert_int_equal(
	    EVP_DigestSignInit_ex(ctx, &pkey_ctx, hash, NULL, NULL, pkey, NULL),
	    1);
	if (salt_len > 0) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(
				     pkey_ctx, RSA_PKCS1_PSS_PADDING),
		    1);
		assert_int_equal(
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(pkey_ctx, salt_len), 1);
	}
	assert_int_equal(EVP_DigestSign(ctx, is_ec ? der : ret, &len,
			     input->bytes, input->len),
	    1);
	EVP_MD_CTX_free(ctx);
	if (is_ec)
		len = der_to_raw(
		    der, len, ret, EVP_PKEY_get_bits(pkey) == 384 ? 48 : 32);
	return len;
}

/* header.payload, still without signature. */
static void
put_input(struct da_buf *buf, const char *header, const char *payload)
{
	da_buf_init(buf, ROOM);
	put_base64url(buf, header, strlen(header));
	put(buf, ".");
	put_base64url(buf, payload, strlen(payload));
}

static void
put_signature(struct da_buf *token, const uint8_t *signature, size_t len)
{
	put(token, ".");
	put_base64url(token, signature, len);
}

static void
make_token(struct da_buf *token, EVP_PKEY *pkey, int salt_len,
    const char *header, const char *payload)
{
	uint8_t signature[1024];
	size_t len;

	put_input(token, header, payload);
	len = sign(pkey, salt_len, token, signature, sizeof(signature));
	put_signature(token, signature, len);
}

/* One change of the default claims: raw JSON, NULL leaves the claim out. */
struct change {
	const char *name;
	const char *raw;
};

static const struct change no_changes[] = {{NULL, NULL}};

static void
put_claims(struct da_buf *buf, const struct change *changes)
{
	static const struct change defaults[] = {
	    {"iss", "\"" ISSUER "\""},
	    {"sub", "\"248289761001\""},
	    {"aud", "\"" CLIENT "\""},
	    {"exp", "1750000300"},
	    {"iat", "1750000000"},
	};
	const char *comma = "{\"";

	da_buf_init(buf, ROOM);
	for (size_t i = 0; i < LEN(defaults); i++) {
		bool changed = false;

		for (const struct change *c = changes; c->name != NULL; c++)
			changed |= strcmp(c->name, defaults[i].name) == 0;
		if (changed)
			continue;
		put(buf, comma);
		put(buf, defaults[i].name);
		put(buf, "\":");
		put(buf, defaults[i].raw);
		comma = ",\"";
	}
	for (const struct change *c = changes; c->name != NULL; c++) {
		if (c->raw == NULL)
			continue;
		put(buf, comma);
		put(buf, c->name);
		put(buf, "\":");
		put(buf, c->raw);
		comma = ",\"";
	}
	put(buf, "}");
}

/* ---- asking devauth ---- */

/* Verifies, and sees to it that a refusal returns nothing but a reason that
 * does not quote. */
static enum da_err
verify_text(const char *token, size_t len, const struct da_jwks *set,
    const struct da_id_token_expect *expect)
{
	struct da_json *claims = NULL;
	char subject[DA_SUBJECT_MAX + 1] = "untouched";
	struct da_diag diag = {0};
	enum da_err err = da_id_token_verify(
	    token, len, set, expect, &claims, subject, &diag);

	assert_int_equal(ERR_peek_error(), 0);
	if (err == DA_OK) {
		assert_true(da_json_is_object(claims));
		assert_string_equal(diag.text, "");
	} else {
		assert_null(claims);
		assert_string_equal(subject, "untouched");
		if (err != DA_E_BUG)
			assert_string_not_equal(diag.text, "");
		assert_null(strstr(diag.text, "248289761001"));
	}
	da_json_free(claims);
	return err;
}

static enum da_err
verify(const struct da_buf *token, const struct da_jwks *set,
    const struct da_id_token_expect *expect)
{
	return verify_text(da_buf_text(token), token->len, set, expect);
}

static enum da_err
verify_payload_as(const char *payload, const struct da_id_token_expect *expect)
{
	struct da_buf token;
	enum da_err err;

	make_token(&token, pkeys[ED], 0, ED_HEADER, payload);
	err = verify(&token, jwks, expect);
	da_buf_done(&token);
	return err;
}

static enum da_err
verify_changes_as(
    const struct change *changes, const struct da_id_token_expect *expect)
{
	struct da_buf payload;
	enum da_err err;

	put_claims(&payload, changes);
	err = verify_payload_as(da_buf_text(&payload), expect);
	da_buf_done(&payload);
	return err;
}

static enum da_err
verify_claim(const char *name, const char *raw)
{
	const struct change changes[] = {{name, raw}, {NULL, NULL}};

	return verify_changes_as(changes, &expect_default);
}

static void
assert_claim_refused(const char *name, const char *raw)
{
	if (verify_claim(name, raw) != DA_E_TOKEN)
		fail_msg("%s: %s", name, raw == NULL ? "missing" : raw);
}

static void
assert_claim_accepted(const char *name, const char *raw)
{
	if (verify_claim(name, raw) != DA_OK)
		fail_msg("%s: %s", name, raw == NULL ? "missing" : raw);
}

/* Default claims under another header, signed by the key "which". */
static enum da_err
verify_header(const char *header, enum which which, const struct da_jwks *set)
{
	struct da_buf payload, token;
	enum da_err err;

	put_claims(&payload, no_changes);
	make_token(&token, pkeys[which], 0, header, da_buf_text(&payload));
	err = verify(&token, set, &expect_default);
	da_buf_done(&payload);
	da_buf_done(&token);
	return err;
}

/* ---- base64url ---- */

static enum da_err
decode(const char *text, struct da_buf *buf)
{
	return da_jose_base64url_decode(text, strlen(text), buf);
}

static void
test_base64url_rfc4648(void **state)
{
	/* RFC 4648 section 10, without padding; RFC 7515 appendix C. */
	static const char *const rows[][2] = {{"", ""}, {"Zg", "f"},
	    {"Zm8", "fo"}, {"Zm9v", "foo"}, {"Zm9vYg", "foob"},
	    {"Zm9vYmE", "fooba"}, {"Zm9vYmFy", "foobar"},
	    {"A-z_4ME", "\x03\xec\xff\xe0\xc1"}};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		struct da_buf buf;

		da_buf_init(&buf, 16);
		assert_int_equal(decode(rows[i][0], &buf), DA_OK);
		assert_string_equal(da_buf_text(&buf), rows[i][1]);
		da_buf_done(&buf);
	}
}

static void
test_base64url_refused(void **state)
{
	static const char *const texts[] = {"Z", "Zg=", "Zg==", "Zh", "Zm9",
	    "Zm9vY", "Zm9v\n", " Zm9v", "Zm 9v", "Zm+v", "Zm/v", "Zm9v.",
	    "Zm9vYmFyZ", "\xff\xff", "Z\xc3\xa9v"};
	struct da_buf buf;
	char text[1000];

	(void)state;
	da_buf_init(&buf, 16);
	put(&buf, "kept");
	for (size_t i = 0; i < LEN(texts); i++) {
		if (decode(texts[i], &buf) != DA_E_SYNTAX)
			fail_msg("%s", texts[i]);
		assert_string_equal(da_buf_text(&buf), "kept");
	}
	assert_int_equal(
	    da_jose_base64url_decode("Zm\0v", 4, &buf), DA_E_SYNTAX);
	assert_int_equal(
	    decode("AAAAAAAAAAAAAAAAAAAAAAAA", &buf), DA_E_TOO_LARGE);
	assert_string_equal(da_buf_text(&buf), "kept");
	assert_int_equal(buf.len, 4);
	da_buf_done(&buf);
	/* wrong only at the end, when part of it is in the buffer already */
	da_buf_init(&buf, ROOM);
	put(&buf, "kept");
	memset(text, 'A', sizeof(text) - 1);
	text[sizeof(text) - 1] = '!';
	assert_int_equal(
	    da_jose_base64url_decode(text, sizeof(text), &buf), DA_E_SYNTAX);
	assert_int_equal(buf.len, 4);
	assert_string_equal(da_buf_text(&buf), "kept");
	da_buf_done(&buf);
}

static void
test_base64url_all_lengths(void **state)
{
	uint8_t bytes[400];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + 1);
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		struct da_buf text, back;

		da_buf_init(&text, ROOM);
		da_buf_init(&back, len);
		put_base64url(&text, bytes, len);
		assert_int_equal(decode(da_buf_text(&text), &back), DA_OK);
		assert_int_equal(back.len, len);
		if (len > 0)
			assert_memory_equal(back.bytes, bytes, len);
		da_buf_done(&text);
		da_buf_done(&back);
	}
}

/* ---- the examples of the RFCs ---- */

#define RFC7515_A2_KEY                                                         \
	"{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTb" \
	"ji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-"  \
	"pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXn"  \
	"dS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxv"  \
	"b3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFk"  \
	"MLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}"
#define RFC7515_PAYLOAD                                                        \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl" \
	"LmNvbS9pc19yb290Ijp0cnVlfQ"
#define RFC7515_A3_KEY                                                         \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMz" \
	"V76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIW"  \
	"I5a0\"}"
#define RFC8037_A2_KEY                                                         \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7" \
	"hcvPapiMlrwIaaPcHURo\"}"

static const struct {
	const char *where;
	const char *key;
	const char *token;
	uint32_t algorithm;
	const char *payload;
} rfc_rows[] = {
    {"RFC 7515 A.2", RFC7515_A2_KEY,
	"eyJhbGciOiJSUzI1NiJ9." RFC7515_PAYLOAD
	".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7"
	"AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BA"
	"ynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0Gar"
	"ZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phC"
	"nvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_I"
	"oypGlUPQGe77Rw",
	DA_JOSE_ALG_RS256, "{\"iss\":\"joe\",\r\n"},
    {"RFC 7515 A.3", RFC7515_A3_KEY,
	"eyJhbGciOiJFUzI1NiJ9." RFC7515_PAYLOAD
	".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSA"
	"pmWQxfKTUJqPP3-Kg6NU1Q",
	DA_JOSE_ALG_ES256, "{\"iss\":\"joe\",\r\n"},
    {"RFC 8037 A.4", RFC8037_A2_KEY,
	"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_"
	"MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sV"
	"vpAr_MuM0KAg",
	DA_JOSE_ALG_EDDSA, "Example of Ed25519 signing"},
};

static struct da_jwks *
set_of_text(const char *jwk)
{
	struct da_buf buf;
	struct da_jwks *set;

	da_buf_init(&buf, ROOM);
	put(&buf, "{\"keys\":[");
	put(&buf, jwk);
	put(&buf, "]}");
	set = parse_set(da_buf_text(&buf));
	da_buf_done(&buf);
	return set;
}

static void
test_rfc_signatures(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(rfc_rows); i++) {
		struct da_jwks *set = set_of_text(rfc_rows[i].key);
		struct da_buf payload;
		uint32_t algorithm = 0;

		da_buf_init(&payload, ROOM);
		if (da_jws_verify(rfc_rows[i].token, strlen(rfc_rows[i].token),
			set, DA_JOSE_ALG_ALL, &payload, &algorithm,
			NULL) != DA_OK)
			fail_msg("%s", rfc_rows[i].where);
		assert_int_equal(algorithm, rfc_rows[i].algorithm);
		assert_memory_equal(payload.bytes, rfc_rows[i].payload,
		    strlen(rfc_rows[i].payload));
		da_buf_done(&payload);
		da_jwks_free(set);
	}
}

/* RFC 7517 A.1: an EC key for encryption and an RSA key for signatures. */
static void
test_rfc7517_a1_public_keys(void **state)
{
	(void)state;
	assert_int_equal(
	    count_usable(
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"MKBCTNIcKUSDii11ySs"
		"3526iDZ8AiTo7Tu6KPAqv7D4\",\"y\":\"4Etl6SRW2YiLUrN5vfvVHuhp7x"
		"8PxltmWWlbbM4IFyM\",\"use\":\"enc\",\"kid\":\"1\"},"
		"{\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps"
		"2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKR"
		"XjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0"
		"h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHz"
		"u6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lF"
		"d2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKg"
		"w\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}"),
	    1);
}

/* RFC 7517 A.3, and RFC 8037 A.1 with its private part. */
static void
test_rfc_secret_keys_left_out(void **state)
{
	(void)state;
	assert_int_equal(
	    count_usable("{\"kty\":\"oct\",\"alg\":\"A128KW\",\"k\":\"GawgguFyG"
			 "rWKav7AX4VKUg\"},"
			 "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"nWGxne_"
			 "9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\",\"x\":\"11qYAY"
			 "KxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"),
	    0);
}

/* OpenID Connect Core appendix A.3: access token and at_hash. */
static void
test_openid_core_a3_at_hash(void **state)
{
	static const char header[] = "{\"alg\":\"RS256\",\"kid\":\"rsa\"}";
	static const struct change changes[] = {
	    {"at_hash", "\"77QmUPtjPfzWtF2AnpK9RQ\""}, {NULL, NULL}};
	struct da_id_token_expect expect = expect_default;
	struct da_buf payload, token;

	(void)state;
	expect.access_token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
	put_claims(&payload, changes);
	make_token(&token, pkeys[RSA_KEY], 0, header, da_buf_text(&payload));
	assert_int_equal(verify(&token, jwks, &expect), DA_OK);
	expect.access_token = "another";
	assert_int_equal(verify(&token, jwks, &expect), DA_E_TOKEN);
	da_buf_done(&payload);
	da_buf_done(&token);
}

/* ---- what has to work ---- */

static void
test_every_algorithm_verifies(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++) {
		char header[64];

		(void)snprintf(header, sizeof(header),
		    "{\"alg\":\"%s\",\"kid\":\"%s\"}", algs[i], kids[i]);
		assert_int_equal(
		    verify_header(header, (enum which)i, jwks), DA_OK);
	}
}

static enum da_err
verify_pss(int salt_len, const struct da_id_token_expect *expect)
{
	struct da_buf payload, token;
	enum da_err err;

	put_claims(&payload, no_changes);
	make_token(&token, pkeys[RSA_KEY], salt_len,
	    "{\"alg\":\"PS256\",\"kid\":\"rsa\"}", da_buf_text(&payload));
	err = verify(&token, jwks, expect);
	da_buf_done(&payload);
	da_buf_done(&token);
	return err;
}

static void
test_pss_salt_length(void **state)
{
	(void)state;
	assert_int_equal(verify_pss(32, &expect_default), DA_OK);
	assert_int_equal(verify_pss(20, &expect_default), DA_E_TOKEN);
	assert_int_equal(verify_pss(64, &expect_default), DA_E_TOKEN);
}

static void
test_subject_and_claims_returned(void **state)
{
	static const struct change changes[] = {
	    {"sub", "\"a b|c~\""}, {"groups", "[\"x\"]"}, {NULL, NULL}};
	struct da_buf payload, token;
	struct da_json *claims = NULL;
	char subject[DA_SUBJECT_MAX + 1];

	(void)state;
	put_claims(&payload, changes);
	make_token(&token, pkeys[ED], 0, ED_HEADER, da_buf_text(&payload));
	assert_int_equal(da_id_token_verify(da_buf_text(&token), token.len,
			     jwks, &expect_default, &claims, subject, NULL),
	    DA_OK);
	assert_string_equal(subject, "a b|c~");
	assert_int_equal(
	    da_json_array_len(da_json_member(claims, "groups")), 1);
	da_json_free(claims);
	da_buf_done(&payload);
	da_buf_done(&token);
}

static void
test_kid_absent_tries_what_fits(void **state)
{
	EVP_PKEY *other = EVP_EC_gen("P-256");
	struct da_jwks *set;
	struct da_buf buf;

	(void)state;
	da_buf_init(&buf, ROOM);
	put(&buf, "{\"keys\":[");
	put_jwk(&buf, other, ",\"kid\":\"a\"");
	put(&buf, ",");
	put_jwk(&buf, pkeys[RSA_KEY], "");
	put(&buf, ",");
	put_jwk(&buf, pkeys[P256], "");
	put(&buf, "]}");
	set = parse_set(da_buf_text(&buf));
	assert_int_equal(da_jwks_count(set), 3);
	assert_int_equal(
	    verify_header("{\"alg\":\"ES256\"}", P256, set), DA_OK);
	assert_int_equal(
	    verify_header("{\"alg\":\"RS256\"}", RSA_KEY, set), DA_OK);
	/* A set that may be out of date. */
	assert_int_equal(
	    verify_header("{\"alg\":\"EdDSA\"}", ED, set), DA_E_ABSENT);
	da_jwks_free(set);
	set = set_of(other, "");
	assert_int_equal(
	    verify_header("{\"alg\":\"ES256\"}", P256, set), DA_E_ABSENT);
	da_jwks_free(set);
	da_buf_done(&buf);
	EVP_PKEY_free(other);
}

/* RFC 7517 section 4.5 lets keys share a kid. */
static void
test_kid_shared_by_keys(void **state)
{
	EVP_PKEY *other = EVP_EC_gen("P-256");
	struct da_jwks *set;
	struct da_buf buf;

	(void)state;
	da_buf_init(&buf, ROOM);
	put(&buf, "{\"keys\":[");
	put_jwk(&buf, other, ",\"kid\":\"1\"");
	put(&buf, ",");
	put_jwk(&buf, pkeys[P256], ",\"kid\":\"1\"");
	put(&buf, "]}");
	set = parse_set(da_buf_text(&buf));
	assert_int_equal(
	    verify_header("{\"alg\":\"ES256\",\"kid\":\"1\"}", P256, set),
	    DA_OK);
	da_jwks_free(set);
	da_buf_done(&buf);
	EVP_PKEY_free(other);
}

static void
test_names_of_algorithms(void **state)
{
	static const char *const none[] = {"", "none", "None", "HS256", "HS384",
	    "HS512", "RS384", "RS512", "PS384", "PS512", "ES512", "ES256K",
	    "rs256", "RS256 ", "Ed448", "EDDSA"};

	(void)state;
	assert_int_equal(da_jose_alg_from_name("RS256"), DA_JOSE_ALG_RS256);
	assert_int_equal(da_jose_alg_from_name("PS256"), DA_JOSE_ALG_PS256);
	assert_int_equal(da_jose_alg_from_name("ES256"), DA_JOSE_ALG_ES256);
	assert_int_equal(da_jose_alg_from_name("ES384"), DA_JOSE_ALG_ES384);
	assert_int_equal(da_jose_alg_from_name("EdDSA"), DA_JOSE_ALG_EDDSA);
	for (size_t i = 0; i < LEN(none); i++)
		assert_int_equal(da_jose_alg_from_name(none[i]), 0);
	assert_null(da_jws_hash_name(0));
	assert_null(da_jws_hash_name(DA_JOSE_ALG_ALL));
}

/* ---- hostile headers ---- */

static void
test_J1_alg_none(void **state)
{
	static const char *const headers[] = {"{\"alg\":\"none\"}",
	    "{\"alg\":\"NoNe\",\"kid\":\"ed\"}", "{\"alg\":\"\"}",
	    "{\"alg\":null,\"kid\":\"ed\"}", "{\"alg\":0}", "{\"alg\":[]}",
	    "{\"alg\":[\"EdDSA\"],\"kid\":\"ed\"}", "{\"kid\":\"ed\"}", "{}",
	    "{\"Alg\":\"EdDSA\"}", "{\"alg\":\"EdDSA \",\"kid\":\"ed\"}",
	    "{\"alg\":\"eddsa\",\"kid\":\"ed\"}"};

	(void)state;
	for (size_t i = 0; i < LEN(headers); i++) {
		struct da_buf payload, token;

		/* signed, with an empty signature, without one */
		assert_int_equal(
		    verify_header(headers[i], ED, jwks), DA_E_TOKEN);
		put_claims(&payload, no_changes);
		put_input(&token, headers[i], da_buf_text(&payload));
		assert_int_equal(
		    verify(&token, jwks, &expect_default), DA_E_TOKEN);
		put(&token, ".");
		assert_int_equal(
		    verify(&token, jwks, &expect_default), DA_E_TOKEN);
		da_buf_done(&payload);
		da_buf_done(&token);
	}
}

static void
test_J1_empty_or_junk_signature(void **state)
{
	static const char *const headers[KEYS] = {
	    "{\"alg\":\"RS256\",\"kid\":\"rsa\"}",
	    "{\"alg\":\"ES256\",\"kid\":\"p256\"}",
	    "{\"alg\":\"ES384\",\"kid\":\"p384\"}", ED_HEADER};
	static const size_t lens[] = {
	    0, 1, 31, 32, 63, 64, 65, 95, 96, 97, 255, 256, 257, 1024, 1025};
	static const uint8_t fill[] = {0, 1, 0xff};
	uint8_t junk[1025];

	(void)state;
	for (size_t k = 0; k < KEYS; k++) {
		for (size_t i = 0; i < LEN(lens) * LEN(fill); i++) {
			struct da_buf payload, token;

			memset(junk, fill[i % 3], sizeof(junk));
			put_claims(&payload, no_changes);
			put_input(&token, headers[k], da_buf_text(&payload));
			put_signature(&token, junk, lens[i / 3]);
			assert_int_equal(
			    verify(&token, jwks, &expect_default), DA_E_TOKEN);
			da_buf_done(&payload);
			da_buf_done(&token);
		}
	}
}

/* The public key in a form that a confused verifier would take for an HMAC
 * key. */
static void
put_public(struct da_buf *buf, EVP_PKEY *pkey, int form)
{
	uint8_t *der = NULL;
	int len;
	BIO *bio;
	char *text;
	long text_len;

	da_buf_init(buf, ROOM);
	switch (form) {
	case 0:
		len = i2d_PUBKEY(pkey, &der);
		assert_true(len > 0);
		assert_int_equal(da_buf_put(buf, der, (size_t)len), DA_OK);
		OPENSSL_free(der);
		break;
	case 1:
		bio = BIO_new(BIO_s_mem());
		assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
		text_len = BIO_get_mem_data(bio, &text);
		assert_int_equal(
		    da_buf_put(buf, text, (size_t)text_len), DA_OK);
		BIO_free(bio);
		break;
	case 2:
		put_jwk(buf, pkey, "");
		break;
	default:
		put(buf, "");
	}
}

static void
test_J2_hmac_with_public_key(void **state)
{
	static const char *const names[] = {"HS256", "HS384", "HS512"};
	static const EVP_MD *(*const hashes[])(void) = {
	    EVP_sha256, EVP_sha384, EVP_sha512};

	(void)state;
	for (size_t i = 0; i < KEYS * 3 * 4; i++) {
		size_t which = i % KEYS, hash = i / KEYS % 3;
		struct da_buf payload, token, key;
		char header[64];
		uint8_t mac[64];
		unsigned int mac_len = 0;

		(void)snprintf(header, sizeof(header),
		    "{\"alg\":\"%s\",\"kid\":\"%s\"}", names[hash],
		    kids[which]);
		put_claims(&payload, no_changes);
		put_input(&token, header, da_buf_text(&payload));
		put_public(&key, pkeys[which], (int)(i / KEYS / 3));
		assert_non_null(HMAC(hashes[hash](), da_buf_text(&key),
		    (int)key.len, token.bytes, token.len, mac, &mac_len));
		put_signature(&token, mac, mac_len);
		assert_int_equal(
		    verify(&token, jwks, &expect_default), DA_E_TOKEN);
		da_buf_done(&key);
		da_buf_done(&payload);
		da_buf_done(&token);
	}
}

static void
test_J3_alg_of_another_key_type(void **state)
{
	(void)state;
	for (size_t k = 0; k < KEYS; k++) {
		for (size_t a = 0; a < KEYS; a++) {
			char header[64];

			if (a == k)
				continue;
			(void)snprintf(header, sizeof(header),
			    "{\"alg\":\"%s\",\"kid\":\"%s\"}", algs[a],
			    kids[k]);
			assert_int_equal(
			    verify_header(header, (enum which)k, jwks),
			    DA_E_ABSENT);
		}
	}
}

static void
test_J3_alg_bound_by_key(void **state)
{
	struct da_jwks *set =
	    set_of(pkeys[RSA_KEY], ",\"kid\":\"rsa\",\"alg\":\"PS256\"");

	(void)state;
	assert_int_equal(da_jwks_count(set), 1);
	assert_int_equal(
	    verify_header("{\"alg\":\"RS256\",\"kid\":\"rsa\"}", RSA_KEY, set),
	    DA_E_ABSENT);
	da_jwks_free(set);
	assert_int_equal(count_with(pkeys[RSA_KEY], ",\"alg\":\"ES256\""), 0);
	assert_int_equal(count_with(pkeys[RSA_KEY], ",\"alg\":\"RS512\""), 0);
	assert_int_equal(count_with(pkeys[RSA_KEY], ",\"alg\":\"HS256\""), 0);
	assert_int_equal(count_with(pkeys[RSA_KEY], ",\"alg\":\"none\""), 0);
	assert_int_equal(count_with(pkeys[RSA_KEY], ",\"alg\":null"), 0);
	assert_int_equal(count_with(pkeys[P256], ",\"alg\":\"ES384\""), 0);
	assert_int_equal(count_with(pkeys[P384], ",\"alg\":\"ES384\""), 1);
	assert_int_equal(count_with(pkeys[ED], ",\"alg\":\"EdDSA\""), 1);
}

/* The same below the token: a good signature by an algorithm that is not the
 * key's. */
static void
test_J3_bytes_need_the_alg_of_the_key(void **state)
{
	struct da_jwks *any = set_of(pkeys[RSA_KEY], "");
	struct da_jwks *pss = set_of(pkeys[RSA_KEY], ",\"alg\":\"PS256\"");
	uint8_t signature[256];
	struct da_buf message;

	(void)state;
	da_buf_init(&message, ROOM);
	put(&message, "message");
	assert_int_equal(
	    sign(pkeys[RSA_KEY], 0, &message, signature, sizeof(signature)),
	    sizeof(signature));
	assert_int_equal(
	    da_jws_verify_bytes(&any->keys[0], DA_JOSE_ALG_RS256, message.bytes,
		message.len, signature, sizeof(signature)),
	    DA_OK);
	assert_int_equal(
	    da_jws_verify_bytes(&pss->keys[0], DA_JOSE_ALG_RS256, message.bytes,
		message.len, signature, sizeof(signature)),
	    DA_E_TOKEN);
	assert_int_equal(
	    da_jws_verify_bytes(&any->keys[0],
		DA_JOSE_ALG_RS256 | DA_JOSE_ALG_PS256, message.bytes,
		message.len, signature, sizeof(signature)),
	    DA_E_TOKEN);
	da_buf_done(&message);
	da_jwks_free(any);
	da_jwks_free(pss);
}

static void
test_J3_use_and_key_ops(void **state)
{
	static const struct {
		const char *more;
		size_t count;
	} rows[] = {
	    {",\"use\":\"sig\"", 1},
	    {",\"key_ops\":[\"verify\"]", 1},
	    {",\"key_ops\":[\"sign\",\"verify\"],\"use\":\"sig\"", 1},
	    {",\"use\":\"enc\"", 0},
	    {",\"use\":\"\"", 0},
	    {",\"use\":1", 0},
	    {",\"use\":null", 0},
	    {",\"use\":[\"sig\"]", 0},
	    {",\"key_ops\":[]", 0},
	    {",\"key_ops\":[\"sign\"]", 0},
	    {",\"key_ops\":[\"encrypt\",7]", 0},
	    {",\"key_ops\":\"verify\"", 0},
	    {",\"key_ops\":null", 0},
	    {",\"use\":\"sig\",\"key_ops\":[\"encrypt\"]", 0},
	    {",\"kid\":7", 0},
	    {",\"kid\":null", 0},
	    {",\"kid\":\"\"", 1},
	    {",\"d\":\"AQAB\"", 0},
	    {",\"k\":\"AQAB\"", 0},
	    {",\"oth\":null", 0},
	    {",\"x5c\":[\"!\"],\"x5u\":\"file:///etc/shadow\",\"other\":1", 1},
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		if (count_with(pkeys[P256], rows[i].more) != rows[i].count)
			fail_msg("%s", rows[i].more);
	}
}

static void
test_J3_policy_without_the_alg(void **state)
{
	struct da_id_token_expect expect = expect_default;

	(void)state;
	expect.algorithms = DA_JOSE_ALG_RS256;
	assert_int_equal(verify_pss(32, &expect), DA_E_TOKEN);
	assert_int_equal(verify_changes_as(no_changes, &expect), DA_E_TOKEN);
	expect.algorithms = 0;
	assert_int_equal(verify_changes_as(no_changes, &expect), DA_E_TOKEN);
}

/* A header that brings its own key does not choose the key. */
static void
test_J4_header_keys_ignored(void **state)
{
	struct da_jwks *set = set_of(pkeys[P256], ",\"kid\":\"p256\"");
	EVP_PKEY *attacker = EVP_EC_gen("P-256");
	struct da_buf header, payload, token;

	(void)state;
	da_buf_init(&header, ROOM);
	put(&header,
	    "{\"alg\":\"ES256\",\"kid\":\"p256\",\"jku\":\"http://127."
	    "0.0.1:1/\",\"x5u\":\"file:///etc/passwd\",\"x5c\":[\"!\"]"
	    ",\"jwk\":");
	put_jwk(&header, attacker, "");
	put(&header, "}");
	put_claims(&payload, no_changes);
	make_token(
	    &token, attacker, 0, da_buf_text(&header), da_buf_text(&payload));
	assert_int_equal(verify(&token, set, &expect_default), DA_E_TOKEN);
	assert_int_equal(verify_header(da_buf_text(&header), P256, set), DA_OK);
	da_buf_done(&token);
	da_buf_done(&payload);
	da_buf_done(&header);
	da_jwks_free(set);
	EVP_PKEY_free(attacker);
}

static void
test_J4_strange_kids(void **state)
{
	static const char *const absent[] = {"\"../../../dev/null\"", "\"\"",
	    "\"' OR 1=1 --\"", "\"ED\"", "\"ed \"", "\"ed\\u0001\"", "\"e\""};
	static const char *const refused[] = {
	    "7", "null", "[\"ed\"]", "{}", "true", "\"ed\\u0000\""};
	char header[128];
	char *long_header = malloc(70000);

	(void)state;
	for (size_t i = 0; i < LEN(absent); i++) {
		(void)snprintf(header, sizeof(header),
		    "{\"alg\":\"EdDSA\",\"kid\":%s}", absent[i]);
		assert_int_equal(verify_header(header, ED, jwks), DA_E_ABSENT);
	}
	for (size_t i = 0; i < LEN(refused); i++) {
		(void)snprintf(header, sizeof(header),
		    "{\"alg\":\"EdDSA\",\"kid\":%s}", refused[i]);
		assert_int_equal(verify_header(header, ED, jwks), DA_E_TOKEN);
	}
	/* 64 KiB */
	assert_non_null(long_header);
	(void)snprintf(
	    long_header, 70000, "{\"alg\":\"EdDSA\",\"kid\":\"%065536d\"}", 0);
	assert_int_equal(verify_header(long_header, ED, jwks), DA_E_ABSENT);
	free(long_header);
}

static void
test_kid_unknown_is_absent(void **state)
{
	struct da_jwks *empty = parse_set("{\"keys\":[]}");

	(void)state;
	assert_int_equal(
	    verify_header("{\"alg\":\"EdDSA\",\"kid\":\"new\"}", ED, jwks),
	    DA_E_ABSENT);
	assert_int_equal(verify_header(ED_HEADER, ED, empty), DA_E_ABSENT);
	da_jwks_free(empty);
}

static void
test_J9_dots(void **state)
{
	struct da_buf payload, token;

	(void)state;
	put_claims(&payload, no_changes);
	make_token(&token, pkeys[ED], 0, ED_HEADER, da_buf_text(&payload));
	assert_int_equal(verify(&token, jwks, &expect_default), DA_OK);
	for (size_t dots = 3; dots <= 1000; dots++) {
		put(&token, ".");
		assert_int_equal(
		    verify(&token, jwks, &expect_default), DA_E_TOKEN);
	}
	da_buf_done(&token);
	make_token(&token, pkeys[ED], 0, ED_HEADER, da_buf_text(&payload));
	for (size_t i = 0; i < token.len; i++) {
		/* without the signature, without a dot, or cut */
		assert_int_equal(
		    verify_text(da_buf_text(&token), i, jwks, &expect_default),
		    DA_E_TOKEN);
	}
	assert_int_equal(verify_text("", 0, jwks, &expect_default), DA_E_TOKEN);
	assert_int_equal(
	    verify_text("..", 2, jwks, &expect_default), DA_E_TOKEN);
	assert_int_equal(
	    verify_text("....", 4, jwks, &expect_default), DA_E_TOKEN);
	da_buf_done(&payload);
	da_buf_done(&token);
}

static void
test_J9_spaces_and_other_forms(void **state)
{
	struct da_buf payload, token, other;
	static const char *const wraps[][2] = {{" ", ""}, {"", " "}, {"\n", ""},
	    {"", "\n"}, {"", "="}, {"", "\t"}, {"\"", "\""}};

	(void)state;
	put_claims(&payload, no_changes);
	make_token(&token, pkeys[ED], 0, ED_HEADER, da_buf_text(&payload));
	for (size_t i = 0; i < LEN(wraps); i++) {
		da_buf_init(&other, ROOM);
		put(&other, wraps[i][0]);
		put(&other, da_buf_text(&token));
		put(&other, wraps[i][1]);
		assert_int_equal(
		    verify(&other, jwks, &expect_default), DA_E_TOKEN);
		da_buf_done(&other);
	}
	/* a terminating NUL counted in */
	assert_int_equal(verify_text(da_buf_text(&token), token.len + 1, jwks,
			     &expect_default),
	    DA_E_TOKEN);
	/* a nested token: the payload of the outer one is a token */
	assert_int_equal(
	    verify_payload_as(da_buf_text(&token), &expect_default),
	    DA_E_TOKEN);
	/* JSON serialisation; JWE */
	da_buf_init(&other, ROOM);
	put(&other,
	    "{\"payload\":\"e30\",\"protected\":\"e30\",\"signature\":"
	    "\"AA\"}");
	assert_int_equal(verify(&other, jwks, &expect_default), DA_E_TOKEN);
	assert_int_equal(
	    verify_text("e30.AA.AA.AA.AA", 15, jwks, &expect_default),
	    DA_E_TOKEN);
	assert_int_equal(verify_header("{\"alg\":\"EdDSA\",\"kid\":\"ed\","
				       "\"enc\":\"A128GCM\"}",
			     ED, jwks),
	    DA_E_TOKEN);
	da_buf_done(&other);
	da_buf_done(&payload);
	da_buf_done(&token);
}

static void
test_J11_crit_b64_zip(void **state)
{
	static const char *const members[] = {"\"crit\":[]", "\"crit\":null",
	    "\"crit\":[\"exp\"]", "\"crit\":[\"b64\"],\"b64\":true",
	    "\"crit\":\"alg\"", "\"crit\":[\"b64\"],\"b64\":false",
	    "\"b64\":false", "\"b64\":true", "\"b64\":null", "\"zip\":\"DEF\"",
	    "\"zip\":null", "\"crit\":{}"};
	char header[128];

	(void)state;
	for (size_t i = 0; i < LEN(members); i++) {
		(void)snprintf(header, sizeof(header),
		    "{\"alg\":\"EdDSA\",\"kid\":\"ed\",%s}", members[i]);
		assert_int_equal(verify_header(header, ED, jwks), DA_E_TOKEN);
	}
}

static void
test_J15_typ(void **state)
{
	static const char *const good[] = {
	    "JWT", "jwt", "Jwt", "application/jwt", "Application/JWT"};
	static const char *const bad[] = {"\"at+jwt\"", "\"logout+jwt\"",
	    "\"dpop+jwt\"", "\"secevent+jwt\"", "\"application/at+jwt\"",
	    "\"JWS\"", "\"JOSE\"", "\"JOSE+JSON\"", "\"\"", "\"JWT \"",
	    "\"JWTT\"", "\"JW\"", "null", "7", "[\"JWT\"]",
	    "\"oauth-authz-req+jwt\"", "\"kb+jwt\""};
	char header[128];

	(void)state;
	for (size_t i = 0; i < LEN(good); i++) {
		(void)snprintf(header, sizeof(header),
		    "{\"typ\":\"%s\",\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
		    good[i]);
		assert_int_equal(verify_header(header, ED, jwks), DA_OK);
	}
	for (size_t i = 0; i < LEN(bad); i++) {
		(void)snprintf(header, sizeof(header),
		    "{\"typ\":%s,\"alg\":\"EdDSA\",\"kid\":\"ed\"}", bad[i]);
		if (verify_header(header, ED, jwks) != DA_E_TOKEN)
			fail_msg("%s", bad[i]);
	}
}

static void
test_header_must_be_strict_json(void **state)
{
	static const char *const headers[] = {"", "null", "[]", "\"EdDSA\"",
	    "7", "{\"alg\":\"EdDSA\",\"kid\":\"ed\"",
	    "{\"alg\":\"none\",\"alg\":\"EdDSA\",\"kid\":\"ed\"}",
	    "{\"alg\":\"EdDSA\",\"kid\":\"ed\",\"\\u0061lg\":\"EdDSA\"}",
	    "{\"alg\":\"EdDSA\",\"kid\":\"ed\"}x", "\xef\xbb\xbf" ED_HEADER,
	    "{'alg':'EdDSA','kid':'ed'}", "[" ED_HEADER "]"};

	(void)state;
	for (size_t i = 0; i < LEN(headers); i++)
		assert_int_equal(
		    verify_header(headers[i], ED, jwks), DA_E_TOKEN);
	assert_int_equal(verify_header(" { \"alg\" : \"EdDSA\" ,\r\n\t\"kid\":"
				       "\"\\u0065d\" } ",
			     ED, jwks),
	    DA_OK);
}

/* ---- hostile signatures ---- */

/* Not one bit of a token may change. */
static void
test_J21_every_bit_counts(void **state)
{
	struct da_buf payload, token;
	size_t flips = 0;

	(void)state;
	put_claims(&payload, no_changes);
	make_token(&token, pkeys[ED], 0, ED_HEADER, da_buf_text(&payload));
	for (size_t i = 0; i < token.len * 8; i++) {
		enum da_err err;

		token.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		err = verify(&token, jwks, &expect_default);
		assert_true(err == DA_E_TOKEN || err == DA_E_ABSENT);
		token.bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		flips++;
	}
	assert_true(flips > 1000);
	assert_int_equal(verify(&token, jwks, &expect_default), DA_OK);
	da_buf_done(&payload);
	da_buf_done(&token);
}

static enum da_err
verify_with_signature(const char *header, const uint8_t *signature, size_t len)
{
	struct da_buf payload, token;
	enum da_err err;

	put_claims(&payload, no_changes);
	put_input(&token, header, da_buf_text(&payload));
	put_signature(&token, signature, len);
	err = verify(&token, jwks, &expect_default);
	da_buf_done(&payload);
	da_buf_done(&token);
	return err;
}

/* r and s only as raw numbers of 32 bytes: no DER, no leading zero, no
 * number cut short. */
static void
test_ecdsa_one_spelling(void **state)
{
	static const char header[] = "{\"alg\":\"ES256\",\"kid\":\"p256\"}";
	struct da_buf payload, input;
	uint8_t raw[64], longer[70] = {0};
	ECDSA_SIG *sig = ECDSA_SIG_new();
	uint8_t *der = NULL;
	int der_len;

	(void)state;
	put_claims(&payload, no_changes);
	put_input(&input, header, da_buf_text(&payload));
	assert_int_equal(
	    sign(pkeys[P256], 0, &input, raw, sizeof(raw)), sizeof(raw));
	assert_int_equal(verify_with_signature(header, raw, 64), DA_OK);
	memcpy(longer + 1, raw, 32);
	memcpy(longer + 34, raw + 32, 32);
	assert_int_equal(verify_with_signature(header, longer, 66), DA_E_TOKEN);
	memcpy(longer, raw, 64);
	longer[64] = 0;
	assert_int_equal(verify_with_signature(header, longer, 65), DA_E_TOKEN);
	assert_int_equal(verify_with_signature(header, raw, 63), DA_E_TOKEN);
	assert_int_equal(ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL),
			     BN_bin2bn(raw + 32, 32, NULL)),
	    1);
	der_len = i2d_ECDSA_SIG(sig, &der);
	assert_true(der_len > 64);
	assert_int_equal(
	    verify_with_signature(header, der, (size_t)der_len), DA_E_TOKEN);
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	da_buf_done(&payload);
	da_buf_done(&input);
}

/* A key whose modulus is a prime: everybody can compute its private exponent.
 * It passes the quick checks of the import and has to fail at its first use.
 */
static void
test_J7_prime_modulus(void **state)
{
	static const char header[] = "{\"alg\":\"RS256\",\"kid\":\"p\"}";
	/* RFC 8017 section 9.2, note 1: DigestInfo of SHA-256 */
	static const uint8_t info[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
	    0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04,
	    0x20};
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *n = BN_new(), *e = BN_new(), *d = BN_new(), *m, *phi;
	uint8_t block[256], out[256];
	struct da_buf jwk, payload, token;
	struct da_jwks *set;

	(void)state;
	assert_int_equal(BN_set_word(e, 65537), 1);
	assert_int_equal(
	    BN_generate_prime_ex2(n, 2048, 0, NULL, NULL, NULL, ctx), 1);
	phi = BN_dup(n);
	assert_int_equal(BN_sub_word(phi, 1), 1);
	assert_non_null(BN_mod_inverse(d, e, phi, ctx));

	da_buf_init(&jwk, ROOM);
	put(&jwk, "{\"kty\":\"RSA\",\"kid\":\"p\",\"e\":\"AQAB\",\"n\":\"");
	put_number(&jwk, n, 256);
	put(&jwk, "\"}");
	set = set_of_text(da_buf_text(&jwk));
	assert_int_equal(da_jwks_count(set), 1);

	put_claims(&payload, no_changes);
	put_input(&token, header, da_buf_text(&payload));
	memset(block, 0xff, sizeof(block));
	block[0] = 0;
	block[1] = 1;
	block[256 - 32 - sizeof(info) - 1] = 0;
	memcpy(block + 256 - 32 - sizeof(info), info, sizeof(info));
	assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, token.bytes,
			     token.len, block + 256 - 32, NULL),
	    1);
	m = BN_bin2bn(block, 256, NULL);
	assert_int_equal(BN_mod_exp(m, m, d, n, ctx), 1);
	assert_int_equal(BN_bn2binpad(m, out, 256), 256);
	put_signature(&token, out, 256);
	assert_int_equal(verify(&token, set, &expect_default), DA_E_TOKEN);

	da_jwks_free(set);
	da_buf_done(&jwk);
	da_buf_done(&payload);
	da_buf_done(&token);
	BN_free(m);
	BN_free(n);
	BN_free(e);
	BN_free(d);
	BN_free(phi);
	BN_CTX_free(ctx);
}

/* ---- hostile key sets ---- */

static void
test_J7_weak_rsa_size(void **state)
{
	EVP_PKEY *weak = EVP_RSA_gen(1024), *odd = EVP_RSA_gen(2047);

	(void)state;
	assert_int_equal(count_with(weak, ""), 0);
	assert_int_equal(count_with(odd, ""), 0);
	assert_int_equal(count_with(pkeys[RSA_KEY], ""), 1);
	EVP_PKEY_free(weak);
	EVP_PKEY_free(odd);
}

/* An odd modulus of so many bits that is good for nothing else. */
static size_t
count_rsa(int bits, const char *exponent)
{
	BIGNUM *n = BN_new();
	struct da_buf jwk;
	size_t count;

	assert_int_equal(
	    BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
	da_buf_init(&jwk, ROOM);
	put(&jwk, "{\"kty\":\"RSA\",\"e\":\"");
	put(&jwk, exponent);
	put(&jwk, "\",\"n\":\"");
	put_number(&jwk, n, 0);
	put(&jwk, "\"}");
	count = count_usable(da_buf_text(&jwk));
	da_buf_done(&jwk);
	BN_free(n);
	return count;
}

static double
cpu_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
test_J7_X6_huge_rsa(void **state)
{
	double start = cpu_ms();

	(void)state;
	assert_int_equal(count_rsa(8192, "AQAB"), 1);
	assert_int_equal(count_rsa(8193, "AQAB"), 0);
	assert_int_equal(count_rsa(16384, "AQAB"), 0);
	assert_int_equal(count_rsa(32768, "AQAB"), 0);
	assert_true(cpu_ms() - start < 100);
}

static void
test_J7_rsa_exponents(void **state)
{
	static const struct {
		const char *exponent;
		size_t count;
	} rows[] = {
	    {"Aw", 1},             /* 3 */
	    {"EQ", 1},             /* 17 */
	    {"AQAB", 1},           /* 65537 */
	    {"AAEAAQ", 1},         /* 65537 with a leading zero */
	    {"_____w", 1},         /* 2^32 - 1 */
	    {"", 0},               /* 0 */
	    {"AA", 0},             /* 0 */
	    {"AQ", 0},             /* 1 */
	    {"Ag", 0},             /* 2 */
	    {"AQAC", 0},           /* 65538 */
	    {"AQAAAAA", 0},        /* 2^32 */
	    {"AQAAAAE", 0},        /* 2^32 + 1 */
	    {"__________8", 0},    /* 2^64 - 1 */
	    {"AAAAAAAAAAAAAw", 0}, /* 3, much too long */
	    {"AQAB=", 0},
	    {"AQ AB", 0},
	};

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		if (count_rsa(2048, rows[i].exponent) != rows[i].count)
			fail_msg("e = %s", rows[i].exponent);
	}
}

static void
test_J7_even_modulus_and_odd_types(void **state)
{
	BIGNUM *n = key_number(pkeys[RSA_KEY], OSSL_PKEY_PARAM_RSA_N);
	struct da_buf jwk;

	(void)state;
	assert_int_equal(BN_sub_word(n, 1), 1);
	da_buf_init(&jwk, ROOM);
	put(&jwk, "{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"");
	put_number(&jwk, n, 0);
	put(&jwk, "\"}");
	assert_int_equal(count_usable(da_buf_text(&jwk)), 0);
	da_buf_done(&jwk);
	BN_free(n);
	assert_int_equal(count_usable("{\"kty\":\"RSA\"}"), 0);
	assert_int_equal(
	    count_usable("{\"kty\":\"RSA\",\"n\":7,\"e\":\"AQAB\"}"), 0);
	assert_int_equal(
	    count_usable("{\"kty\":\"RSA\",\"n\":null,\"e\":[]}"), 0);
	assert_int_equal(count_usable("{\"kty\":\"rsa\"}"), 0);
	assert_int_equal(count_usable("{\"kty\":7}"), 0);
	assert_int_equal(count_usable("{\"kty\":\"oct\",\"k\":\"AAAA\"}"), 0);
	assert_int_equal(count_usable("{}"), 0);
}

#define P256_X "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define P256_Y "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ZERO32 "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

static void
test_J7_ec_points(void **state)
{
	static const struct {
		const char *crv, *x, *y;
		size_t count;
	} rows[] = {
	    {"P-256", P256_X, P256_Y, 1},
	    {"P-256", P256_Y, P256_X, 0}, /* off the curve */
	    {"P-256", ZERO32, ZERO32, 0}, /* what some write for infinity */
	    {"P-256", "", "", 0},
	    {"P-256", "AA", "AA", 0},
	    {"P-256", P256_X, "", 0},
	    {"P-256", P256_X P256_Y, "", 0},
	    /* x with a leading zero byte, y cut by one */
	    {"P-256", "AH_Nzidw9sRdQYPL7m_bS3tYBzM1e-nvE7rPbjx70VRF",
		"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5Q", 0},
	    /* x = p */
	    {"P-256", "_____wAAAAEAAAAAAAAAAAAAAAD_______________8", P256_Y, 0},
	    {"P-384", P256_X, P256_Y, 0},
	    {"P-521", P256_X, P256_Y, 0},
	    {"secp256k1", P256_X, P256_Y, 0},
	    {"prime256v1", P256_X, P256_Y, 0},
	    {"p-256", P256_X, P256_Y, 0},
	    {"", P256_X, P256_Y, 0},
	};

	char jwk[512];

	(void)state;
	for (size_t i = 0; i < LEN(rows); i++) {
		(void)snprintf(jwk, sizeof(jwk),
		    "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}",
		    rows[i].crv, rows[i].x, rows[i].y);
		if (count_usable(jwk) != rows[i].count)
			fail_msg("%s", jwk);
	}
}

/* The bytes of a good point, with the border between x and y moved by one. */
static void
test_J7_ec_coordinates_have_full_length(void **state)
{
	struct da_buf point, jwk;

	(void)state;
	da_buf_init(&point, 64);
	assert_int_equal(decode(P256_X, &point), DA_OK);
	assert_int_equal(decode(P256_Y, &point), DA_OK);
	for (size_t x_len = 31; x_len <= 33; x_len++) {
		da_buf_init(&jwk, ROOM);
		put(&jwk, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"");
		put_base64url(&jwk, point.bytes, x_len);
		put(&jwk, "\",\"y\":\"");
		put_base64url(&jwk, point.bytes + x_len, 64 - x_len);
		put(&jwk, "\"}");
		assert_int_equal(
		    count_usable(da_buf_text(&jwk)), x_len == 32 ? 1 : 0);
		da_buf_done(&jwk);
	}
	da_buf_done(&point);
}

/* All encodings of the eight points whose order divides 8: five values of y,
 * two of them also unreduced, each with both signs. */
static void
test_J7_ed25519_small_order(void **state)
{
	static const char *const ys[] = {
	    "0000000000000000000000000000000000000000000000000000000000000000",
	    "0100000000000000000000000000000000000000000000000000000000000000",
	    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};

	(void)state;
	for (size_t i = 0; i < 2 * LEN(ys); i++) {
		long len;
		uint8_t *bytes = OPENSSL_hexstr2buf(ys[i / 2], &len);
		struct da_buf jwk;

		assert_non_null(bytes);
		assert_int_equal(len, 32);
		if (i % 2 == 1)
			bytes[31] |= 0x80;
		da_buf_init(&jwk, ROOM);
		put(&jwk, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
		put_base64url(&jwk, bytes, 32);
		put(&jwk, "\"}");
		assert_int_equal(count_usable(da_buf_text(&jwk)), 0);
		da_buf_done(&jwk);
		OPENSSL_free(bytes);
	}
}

static void
test_okp_shapes(void **state)
{
	(void)state;
	assert_int_equal(count_usable(RFC8037_A2_KEY), 1);
	assert_int_equal(
	    count_usable("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxC"
			 "rfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"),
	    0);
	assert_int_equal(
	    count_usable("{\"kty\":\"OKP\",\"crv\":\"Ed448\",\"x\":\"11qYAYKxCr"
			 "fVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"),
	    0);
	assert_int_equal(
	    count_usable(
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}"),
	    0);
	assert_int_equal(
	    count_usable("{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}"), 0);
	assert_int_equal(
	    count_usable("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":{}}"), 0);
}

static void
assert_set_refused(const char *text, size_t len, enum da_err expected)
{
	struct da_jwks *set = NULL;
	struct da_diag diag = {0};

	if (da_jwks_parse(text, len, &set, &diag) != expected)
		fail_msg("%.*s", (int)len, text);
	assert_null(set);
	assert_string_not_equal(diag.text, "");
	assert_int_equal(ERR_peek_error(), 0);
}

static void
test_J19_shapes_of_key_sets(void **state)
{
	static const char *const texts[] = {"", "[]", "7", "null", "\"keys\"",
	    "true", "{}", "{\"keys\":{}}", "{\"keys\":\"\"}", "{\"keys\":null}",
	    "{\"keys\":7}", "{\"keys\":[7]}", "{\"keys\":[null]}",
	    "{\"keys\":[[]]}", "{\"keys\":[\"\"]}", "{\"keys\":[{},7]}",
	    "[{\"keys\":[]}]", "{\"keys\":[],\"keys\":[]}", "{\"keys\":[]",
	    "{\"Keys\":[]}"};

	(void)state;
	for (size_t i = 0; i < LEN(texts); i++)
		assert_set_refused(texts[i], strlen(texts[i]), DA_E_SYNTAX);
	assert_set_refused("\0\0\0\0", 4, DA_E_SYNTAX);
	assert_int_equal(count_usable(""), 0);
}

static void
test_key_set_capped(void **state)
{
	struct da_buf buf;
	struct da_jwks *set;

	(void)state;
	da_buf_init(&buf, ROOM);
	put(&buf, "{\"keys\":[");
	for (size_t i = 0; i < DA_JWKS_KEYS_MAX; i++) {
		put(&buf, i == 0 ? "" : ",");
		put(&buf, RFC8037_A2_KEY);
	}
	put(&buf, "]}");
	set = parse_set(da_buf_text(&buf));
	assert_int_equal(da_jwks_count(set), DA_JWKS_KEYS_MAX);
	da_jwks_free(set);
	buf.len -= 2;
	put(&buf, ",{}]}");
	assert_set_refused(da_buf_text(&buf), buf.len, DA_E_TOO_LARGE);
	da_buf_done(&buf);
}

/* ---- hostile claims ---- */

static void
test_J12_issuer(void **state)
{
	static const char *const values[] = {NULL, "null", "7", "\"\"",
	    "[\"" ISSUER "\"]", "\"" ISSUER "/\"",
	    "\"https://Login.example.com"
	    "\"",
	    "\"HTTPS://login.example.com\"",
	    "\"https://login.example.co"
	    "\"",
	    "\"" ISSUER ".evil.example\"", "\" " ISSUER "\"",
	    "\"http://login.example.com\"", "{\"iss\":\"" ISSUER "\"}"};

	(void)state;
	assert_claim_accepted("iss", "\"https:\\/\\/login.example.com\"");
	for (size_t i = 0; i < LEN(values); i++)
		assert_claim_refused("iss", values[i]);
}

static void
test_J13_audience(void **state)
{
	static const char *const bad[] = {NULL, "null", "7", "\"\"", "[]", "{}",
	    "\"other\"", "[\"other\"]", "[\"other\",\"third\"]",
	    "[\"" CLIENT "\",7]", "[7,\"" CLIENT "\"]", "[\"" CLIENT "\",null]",
	    "[[\"" CLIENT "\"]]", "{\"aud\":\"" CLIENT "\"}", "\"devauth-web\"",
	    "\"devauth-web11\"", "\"Devauth-web1\"",
	    /* others without azp */
	    "[\"" CLIENT "\",\"other\"]", "[\"other\",\"" CLIENT "\"]"};

	(void)state;
	assert_claim_accepted("aud", "[\"" CLIENT "\"]");
	assert_claim_accepted("aud", "[\"" CLIENT "\",\"" CLIENT "\"]");
	for (size_t i = 0; i < LEN(bad); i++)
		assert_claim_refused("aud", bad[i]);
}

static void
test_J13_authorized_party(void **state)
{
	static const struct change ours[] = {
	    {"aud", "[\"other\",\"" CLIENT "\"]"}, {"azp", "\"" CLIENT "\""},
	    {NULL, NULL}};
	static const struct change theirs[] = {
	    {"aud", "[\"other\",\"" CLIENT "\"]"}, {"azp", "\"other\""},
	    {NULL, NULL}};
	static const struct change only_azp[] = {
	    {"aud", "\"other\""}, {"azp", "\"" CLIENT "\""}, {NULL, NULL}};

	(void)state;
	assert_claim_accepted("azp", "\"" CLIENT "\"");
	assert_claim_accepted("azp", "null");
	assert_claim_refused("azp", "\"other\"");
	assert_claim_refused("azp", "\"\"");
	assert_claim_refused("azp", "7");
	assert_claim_refused("azp", "[\"" CLIENT "\"]");
	assert_int_equal(verify_changes_as(ours, &expect_default), DA_OK);
	assert_int_equal(
	    verify_changes_as(theirs, &expect_default), DA_E_TOKEN);
	assert_int_equal(
	    verify_changes_as(only_azp, &expect_default), DA_E_TOKEN);
}

static const char *const no_dates[] = {"\"1750000100\"", "1750000100.5",
    "1750000100.0", "1.7500001e9", "1e300", "-1e300", "1e99999", "-1",
    "-9223372036854775808", "-9223372036854775809", "9223372036854775807",
    "9223372036854775808", "18446744073709551616", "253402300800", "true",
    "[1750000100]", "{}", "\"\"", "\"now\""};

static void
test_J14_exp(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(no_dates); i++)
		assert_claim_refused("exp", no_dates[i]);
	assert_claim_refused("exp", NULL);
	assert_claim_refused("exp", "null");
	assert_claim_refused("exp", "0");
	assert_claim_refused("exp", "1749999000");
	/* not even JSON */
	assert_claim_refused("exp", "NaN");
	assert_claim_refused("exp", "Infinity");
	/* sane, but longer than a year */
	assert_claim_refused("exp", "1790000000");
	assert_claim_accepted("exp", "1750086400");
}

/* Expired means: from the second it names on, the leeway added. */
static void
test_J14_exp_boundary(void **state)
{
	struct da_id_token_expect expect = expect_default;

	(void)state;
	expect.now_s = 1750000300 + 59;
	expect.not_before_s = 0;
	assert_int_equal(verify_changes_as(no_changes, &expect), DA_OK);
	expect.now_s++;
	assert_int_equal(verify_changes_as(no_changes, &expect), DA_E_TOKEN);
	expect.leeway_s = 0;
	expect.now_s = 1750000299;
	assert_int_equal(verify_changes_as(no_changes, &expect), DA_OK);
	expect.now_s++;
	assert_int_equal(verify_changes_as(no_changes, &expect), DA_E_TOKEN);
}

static void
test_J14_iat(void **state)
{
	struct da_id_token_expect expect = expect_default;

	(void)state;
	for (size_t i = 0; i < LEN(no_dates); i++)
		assert_claim_refused("iat", no_dates[i]);
	assert_claim_refused("iat", NULL);
	assert_claim_accepted("iat", "1750000060");
	assert_claim_refused("iat", "1750000061");
	/* before this sign-in began, which is 300 s ago */
	assert_claim_accepted("iat", "1749999640");
	assert_claim_refused("iat", "1749999639");
	assert_claim_refused("iat", "0");
	/* no life at all */
	assert_int_equal(
	    verify_changes_as((const struct change[]){{"iat", "1750000030"},
				  {"exp", "1750000030"}, {NULL, NULL}},
		&expect_default),
	    DA_E_TOKEN);
	/* not after exp, and no life of years */
	assert_claim_refused("iat", "1750000300");
	expect.not_before_s = 0;
	assert_int_equal(
	    verify_changes_as(
		(const struct change[]){{"iat", "1749000000"}, {NULL, NULL}},
		&expect),
	    DA_OK);
	assert_int_equal(
	    verify_changes_as(
		(const struct change[]){{"iat", "1700000000"}, {NULL, NULL}},
		&expect),
	    DA_E_TOKEN);
}

static void
test_J14_nbf_and_auth_time(void **state)
{
	static const char *const names[] = {"nbf", "auth_time"};

	(void)state;
	for (size_t n = 0; n < LEN(names); n++) {
		for (size_t i = 0; i < LEN(no_dates); i++)
			assert_claim_refused(names[n], no_dates[i]);
		assert_claim_accepted(names[n], NULL);
		assert_claim_accepted(names[n], "null");
		assert_claim_accepted(names[n], "1700000000");
		assert_claim_accepted(names[n], "1750000060");
		assert_claim_refused(names[n], "1750000061");
		assert_claim_refused(names[n], "4102444800");
	}
}

/* 2100-01-01, beyond 32 bits either way. */
static void
test_J14_beyond_2038(void **state)
{
	static const struct change changes[] = {{"iat", "4102444800"},
	    {"exp", "4102448400"}, {"nbf", "4102444800"},
	    {"auth_time", "4102444000"}, {NULL, NULL}};
	struct da_id_token_expect expect = expect_default;

	(void)state;
	expect.now_s = INT64_C(4102444810);
	expect.not_before_s = INT64_C(4102444700);
	assert_int_equal(verify_changes_as(changes, &expect), DA_OK);
	assert_int_equal(
	    verify_changes_as(changes, &expect_default), DA_E_TOKEN);
}

static void
test_J17_nonce(void **state)
{
	(void)state;
	assert_claim_refused("nonce", "\"n-0S6_WzA2Mj\"");
	assert_claim_refused("nonce", "\"\"");
	assert_claim_refused("nonce", "7");
	assert_claim_refused("nonce", "[]");
	assert_claim_accepted("nonce", "null");
}

/* at_hash by the hash of each algorithm. */
static void
test_J17_at_hash(void **state)
{
	static const char access_token[] = "an-access-token";
	static const char *const hashes[KEYS] = {
	    "SHA256", "SHA256", "SHA384", "SHA512"};
	struct da_id_token_expect expect = expect_default;

	(void)state;
	expect.access_token = access_token;
	for (size_t i = 0; i < KEYS * KEYS; i++) {
		size_t k = i / KEYS, h = i % KEYS;
		uint8_t hash[64];
		size_t len;
		struct da_buf raw, payload, token;
		char header[64];
		bool fits = strcmp(hashes[k], hashes[h]) == 0;

		assert_int_equal(
		    EVP_Q_digest(NULL, hashes[h], NULL, access_token,
			strlen(access_token), hash, &len),
		    1);
		da_buf_init(&raw, ROOM);
		put(&raw, "\"");
		put_base64url(&raw, hash, len / 2);
		put(&raw, "\"");
		put_claims(&payload,
		    (const struct change[]){
			{"at_hash", da_buf_text(&raw)}, {NULL, NULL}});
		(void)snprintf(header, sizeof(header),
		    "{\"alg\":\"%s\",\"kid\":\"%s\"}", algs[k], kids[k]);
		make_token(&token, pkeys[k], 0, header, da_buf_text(&payload));
		assert_int_equal(
		    verify(&token, jwks, &expect), fits ? DA_OK : DA_E_TOKEN);
		da_buf_done(&raw);
		da_buf_done(&payload);
		da_buf_done(&token);
	}
}

static void
test_J17_at_hash_shapes(void **state)
{
	static const char *const bad[] = {
	    "7", "[]", "\"=\"", "\"77QmUPtjPfzWtF2AnpK9R\"", "true"};
	struct da_id_token_expect expect = expect_default;

	(void)state;
	expect.access_token = "an-access-token";
	for (size_t i = 0; i < LEN(bad); i++) {
		const struct change changes[] = {
		    {"at_hash", bad[i]}, {NULL, NULL}};

		assert_int_equal(
		    verify_changes_as(changes, &expect), DA_E_TOKEN);
		assert_int_equal(
		    verify_changes_as(changes, &expect_default), DA_E_TOKEN);
	}
	assert_int_equal(
	    verify_changes_as(
		(const struct change[]){{"at_hash", "\"\""}, {NULL, NULL}},
		&expect),
	    DA_E_TOKEN);
	assert_claim_accepted("at_hash", "null");
}

static void
test_subject(void **state)
{
	static const char *const bad[] = {NULL, "null", "\"\"", "7", "[]",
	    "[\"a\"]", "\"a\\nb\"", "\"\\u0007\"", "\"\xc3\xa9\"",
	    "\"\\u00e9\"", "\"\x7f\"", "\"a\\u0000b\""};
	char raw[300];

	(void)state;
	for (size_t i = 0; i < LEN(bad); i++)
		assert_claim_refused("sub", bad[i]);
	assert_claim_accepted("sub", "\"a\"");
	(void)snprintf(raw, sizeof(raw), "\"%0255d\"", 0);
	assert_claim_accepted("sub", raw);
	(void)snprintf(raw, sizeof(raw), "\"%0256d\"", 0);
	assert_claim_refused("sub", raw);
}

static void
test_payload_must_be_strict_json(void **state)
{
	static const char *const payloads[] = {"", "null", "[]", "7", "\"x\"",
	    "{", "{}x", "not json", "{\"iss\":\"" ISSUER "\",\"iss\":\"x\"}"};
	struct da_buf claims;

	(void)state;
	for (size_t i = 0; i < LEN(payloads); i++)
		assert_int_equal(
		    verify_payload_as(payloads[i], &expect_default),
		    DA_E_TOKEN);
	/* a second sub, spelled with an escape */
	assert_claim_refused("s\\u0075b\":\"other\",\"x", "1");
	put_claims(&claims, no_changes);
	put(&claims, "{}");
	assert_int_equal(
	    verify_payload_as(da_buf_text(&claims), &expect_default),
	    DA_E_TOKEN);
	da_buf_done(&claims);
}

static void
test_J18_sizes(void **state)
{
	struct da_buf payload;
	size_t len = 1024 * 1024;
	char *text = malloc(len);

	(void)state;
	assert_non_null(text);
	memset(text, 'A', len);
	text[10] = text[20] = '.';
	assert_int_equal(
	    verify_text(text, len, jwks, &expect_default), DA_E_TOO_LARGE);
	/* 10^5 deep, which no JSON part of a token can hold as such */
	put_claims(&payload, no_changes);
	payload.len--;
	put(&payload, ",\"x\":");
	for (size_t i = 0; i < 40000; i++)
		put(&payload, "[");
	assert_int_equal(
	    verify_payload_as(da_buf_text(&payload), &expect_default),
	    DA_E_TOO_LARGE);
	da_buf_done(&payload);
	/* too many elements */
	put_claims(&payload, no_changes);
	payload.len--;
	put(&payload, ",\"x\":[0");
	for (size_t i = 0; i < DA_JSON_MEMBERS_MAX; i++)
		put(&payload, ",0");
	put(&payload, "]}");
	assert_int_equal(
	    verify_payload_as(da_buf_text(&payload), &expect_default),
	    DA_E_TOO_LARGE);
	da_buf_done(&payload);
	/* exactly the largest token: refused for what it says, not its size */
	assert_int_equal(
	    verify_text(text, DA_TOKEN_MAX, jwks, &expect_default), DA_E_TOKEN);
	assert_int_equal(
	    verify_text(text, DA_TOKEN_MAX + 1, jwks, &expect_default),
	    DA_E_TOO_LARGE);
	free(text);
}

/* A caller that forgot what it expects gets no token accepted. */
static void
test_expectation_must_be_sane(void **state)
{
	struct da_id_token_expect bad[7];

	(void)state;
	for (size_t i = 0; i < LEN(bad); i++)
		bad[i] = expect_default;
	bad[0].issuer = "";
	bad[1].issuer = NULL;
	bad[2].client_id = "";
	bad[3].client_id = NULL;
	bad[4].leeway_s = -1;
	bad[5].leeway_s = INT64_MAX;
	bad[6].now_s = INT64_MAX;
	for (size_t i = 0; i < LEN(bad); i++)
		assert_int_equal(
		    verify_changes_as(no_changes, &bad[i]), DA_E_BUG);
}

static int
setup(void **state)
{
	struct da_buf buf;

	(void)state;
	pkeys[RSA_KEY] = EVP_RSA_gen(2048);
	pkeys[P256] = EVP_EC_gen("P-256");
	pkeys[P384] = EVP_EC_gen("P-384");
	pkeys[ED] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	da_buf_init(&buf, ROOM);
	put(&buf, "{\"keys\":[");
	for (size_t i = 0; i < KEYS; i++) {
		char kid[32];

		(void)snprintf(kid, sizeof(kid), ",\"kid\":\"%s\"", kids[i]);
		put(&buf, i == 0 ? "" : ",");
		put_jwk(&buf, pkeys[i], kid);
	}
	put(&buf, "]}");
	jwks = parse_set(da_buf_text(&buf));
	da_buf_done(&buf);
	return da_jwks_count(jwks) == KEYS ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < KEYS; i++)
		EVP_PKEY_free(pkeys[i]);
	da_jwks_freep(&jwks);
	return jwks == NULL ? 0 : -1;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_base64url_rfc4648),
	    cmocka_unit_test(test_base64url_refused),
	    cmocka_unit_test(test_base64url_all_lengths),
	    cmocka_unit_test(test_rfc_signatures),
	    cmocka_unit_test(test_rfc7517_a1_public_keys),
	    cmocka_unit_test(test_rfc_secret_keys_left_out),
	    cmocka_unit_test(test_openid_core_a3_at_hash),
	    cmocka_unit_test(test_every_algorithm_verifies),
	    cmocka_unit_test(test_pss_salt_length),
	    cmocka_unit_test(test_subject_and_claims_returned),
	    cmocka_unit_test(test_kid_absent_tries_what_fits),
	    cmocka_unit_test(test_kid_shared_by_keys),
	    cmocka_unit_test(test_names_of_algorithms),
	    cmocka_unit_test(test_J1_alg_none),
	    cmocka_unit_test(test_J1_empty_or_junk_signature),
	    cmocka_unit_test(test_J2_hmac_with_public_key),
	    cmocka_unit_test(test_J3_alg_of_another_key_type),
	    cmocka_unit_test(test_J3_alg_bound_by_key),
	    cmocka_unit_test(test_J3_bytes_need_the_alg_of_the_key),
	    cmocka_unit_test(test_J3_use_and_key_ops),
	    cmocka_unit_test(test_J3_policy_without_the_alg),
	    cmocka_unit_test(test_J4_header_keys_ignored),
	    cmocka_unit_test(test_J4_strange_kids),
	    cmocka_unit_test(test_kid_unknown_is_absent),
	    cmocka_unit_test(test_J9_dots),
	    cmocka_unit_test(test_J9_spaces_and_other_forms),
	    cmocka_unit_test(test_J11_crit_b64_zip),
	    cmocka_unit_test(test_J15_typ),
	    cmocka_unit_test(test_header_must_be_strict_json),
	    cmocka_unit_test(test_J21_every_bit_counts),
	    cmocka_unit_test(test_ecdsa_one_spelling),
	    cmocka_unit_test(test_J7_prime_modulus),
	    cmocka_unit_test(test_J7_weak_rsa_size),
	    cmocka_unit_test(test_J7_X6_huge_rsa),
	    cmocka_unit_test(test_J7_rsa_exponents),
	    cmocka_unit_test(test_J7_even_modulus_and_odd_types),
	    cmocka_unit_test(test_J7_ec_points),
	    cmocka_unit_test(test_J7_ec_coordinates_have_full_length),
	    cmocka_unit_test(test_J7_ed25519_small_order),
	    cmocka_unit_test(test_okp_shapes),
	    cmocka_unit_test(test_J19_shapes_of_key_sets),
	    cmocka_unit_test(test_key_set_capped),
	    cmocka_unit_test(test_J12_issuer),
	    cmocka_unit_test(test_J13_audience),
	    cmocka_unit_test(test_J13_authorized_party),
	    cmocka_unit_test(test_J14_exp),
	    cmocka_unit_test(test_J14_exp_boundary),
	    cmocka_unit_test(test_J14_iat),
	    cmocka_unit_test(test_J14_nbf_and_auth_time),
	    cmocka_unit_test(test_J14_beyond_2038),
	    cmocka_unit_test(test_J17_nonce),
	    cmocka_unit_test(test_J17_at_hash),
	    cmocka_unit_test(test_J17_at_hash_shapes),
	    cmocka_unit_test(test_subject),
	    cmocka_unit_test(test_payload_must_be_strict_json),
	    cmocka_unit_test(test_J18_sizes),
	    cmocka_unit_test(test_expectation_must_be_sane),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
