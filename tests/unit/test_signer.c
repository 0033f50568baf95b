/*
 * store/signing_key, store/signer, core/base64url: the host's key, what is
 * signed with it, and what is not.
 */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base64url.h"
#include "core/limits.h"
#include "folder.h"
#include "jose/jose.h"
#include "jose/jws.h"
#include "json/json.h"
#include "store/signer.h"
#include "store/signing_key.h"

#define NOW INT64_C(1800000000)
#define HOST "https://login.example.com"

static struct test_folder folder;
static struct da_diag diag;

/* RFC 4648 10, and the two characters that differ. */
static void
test_base64url(void **state)
{
	static const char *const rows[][2] = {{"", ""}, {"f", "Zg"},
	    {"fo", "Zm8"}, {"foo", "Zm9v"}, {"foob", "Zm9vYg"},
	    {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"},
	    {"\xfb\xef\xff", "--__"}, {"\xff\xff\xfe", "___-"}};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_buf text, back;

		da_buf_init(&text, 100);
		da_buf_init(&back, 100);
		assert_int_equal(
		    da_base64url_put(&text, rows[i][0], strlen(rows[i][0])),
		    DA_OK);
		assert_string_equal(da_buf_text(&text), rows[i][1]);
		assert_int_equal(da_jose_base64url_decode(
				     da_buf_text(&text), text.len, &back),
		    DA_OK);
		assert_string_equal(da_buf_text(&back), rows[i][0]);
		da_buf_done(&text);
		da_buf_done(&back);
	}
}

/* The public key of the examples of RFC 9449 with a private one that is not
 * its own, which the RFC does not tell. */
static const char rfc9449_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAQEBAQEBAQEBAQEB\n"
    "AQEBAQEBAQEBAQEBAQEBAQEBAQGhRANCAASXy0WuHH7fi1XeFEgJENj3MKQOWkGE\n"
    "XjZRBR9ZUBYEW/VROI3/zpP6OuM2005XLjSWox5rer/Uw1a1NAnbxkQw\n"
    "-----END PRIVATE KEY-----\n";

/* The key of RFC 7515 A.3. */
static const char rfc7515_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
    "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
    "7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
    "-----END PRIVATE KEY-----\n";

static const char p384_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDCVEqn0GFj0tDs/thJQ\n"
    "j2mDa2Duu++aX+7puKKRKu9SEOUERy1+JESy2SHiAx3QHK6hZANiAAQWfvAKQUI0\n"
    "stAGP8FZZy3wmEiZ8H49/AVLMsO47W6KeDnCEZWn3Ed/zqO4TVK2dBo1Gx9AlI4t\n"
    "r/r1+LCc9XojwKiZZuLhxbpg9JDdtYJM7kcxzhhK7ADWpOQkVgAQz/Y=\n"
    "-----END PRIVATE KEY-----\n";

static const char ed25519_pem[] =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIC+tloEUrBjwYEbokSxsqTOzAy9UUfqedLT7ha5wowIF\n"
    "-----END PRIVATE KEY-----\n";

static const char encrypted_pem[] =
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjzvUnSq//zXAICCAAw\n"
    "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEEuD1Z0OuFxwzqiK+zP1KEQEgZCm\n"
    "PhWTV+tpAyr7hGpyGrblnY9P7iv0ipOk2fzwbRSclRT0t75EEbp+d+D6tyWr5PEa\n"
    "skv0miD6TRrFTN6z9Jeu4UM3jKsQIYW+AJqaKtZAS2YowfoqSzpkYA8/RCqgYCob\n"
    "bAyMmncnga6ihgZQduXRrTAwTp18XHPG2EZQpTveu7gwnUt+9EaxNebz8RiBaHk=\n"
    "-----END ENCRYPTED PRIVATE KEY-----\n";

static const char public_pem[] =
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n"
    "6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
    "-----END PUBLIC KEY-----\n";

static struct da_signing_key *
key_of(const char *pem, enum da_err expected)
{
	struct da_signing_key *key = NULL;
	struct da_buf buf;

	da_buf_init(&buf, 8192);
	assert_int_equal(da_buf_put_text(&buf, pem), DA_OK);
	assert_int_equal(da_signing_key_parse(&buf, &key), expected);
	da_buf_done(&buf);
	return key;
}

/* RFC 9449 6.1: jkt of that key; RFC 7638: the order of the members. */
static void
test_thumbprint(void **state)
{
	struct da_signing_key *key = key_of(rfc9449_pem, DA_OK);

	(void)state;
	assert_string_equal(da_signing_key_thumbprint(key),
	    "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
	assert_string_equal(da_signing_key_jwk(key),
	    "{\"crv\":\"P-256\",\"kty\":\"EC\","
	    "\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\","
	    "\"y\":\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA\"}");
	da_signing_key_free(key);
}

static void
test_keys_refused(void **state)
{
	static const char *const rows[] = {"", "garbage", p384_pem, ed25519_pem,
	    encrypted_pem, public_pem, "-----BEGIN PRIVATE KEY-----\n"};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++)
		assert_null(key_of(rows[i], DA_E_SYNTAX));
}

/* ---- the file ---- */

static struct da_signing_key *
load(enum da_err expected)
{
	struct da_signing_key *key = NULL;

	assert_int_equal(
	    da_signing_key_load(&folder.paths, &key, &diag), expected);
	return key;
}

static void
test_key_is_made_once(void **state)
{
	struct da_signing_key *first = load(DA_OK), *second = load(DA_OK);
	struct stat st;
	char path[200];

	(void)state;
	assert_string_equal(da_signing_key_thumbprint(first),
	    da_signing_key_thumbprint(second));
	da_signing_key_free(first);
	da_signing_key_free(second);
	(void)snprintf(
	    path, sizeof(path), "%s/signing-key.pem", folder.paths.keys_dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(stat(folder.paths.keys_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	/* Another one after it is gone, none as long as it is unsafe. */
	assert_int_equal(chmod(path, 0644), 0);
	assert_null(load(DA_E_UNSAFE_FILE));
	assert_int_equal(unlink(path), 0);
	da_signing_key_free(load(DA_OK));
}

static void
test_key_is_not_replaced(void **state)
{
	struct da_signing_key *key = load(DA_OK);
	char path[200], text[8] = "";
	int fd;

	(void)state;
	da_signing_key_free(key);
	(void)snprintf(
	    path, sizeof(path), "%s/signing-key.pem", folder.paths.keys_dir);
	fd = open(path, O_WRONLY | O_TRUNC);
	assert_int_equal(write(fd, "mine", 4), 4);
	(void)close(fd);
	assert_null(load(DA_E_SYNTAX));
	assert_non_null(strstr(diag.text, "signing-key.pem"));
	fd = open(path, O_RDONLY);
	assert_int_equal(read(fd, text, 7), 4);
	(void)close(fd);
	assert_string_equal(text, "mine");
}

/* Several first logins at once. */
static void
test_key_race(void **state)
{
	char seen[4][DA_THUMBPRINT_LEN + 1] = {0};
	int pipes[2];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	for (int i = 0; i < 4; i++) {
		if (fork() == 0) {
			struct da_signing_key *key = NULL;

			if (da_signing_key_load(&folder.paths, &key, &diag) !=
			    DA_OK)
				_exit(1);
			_exit(write(pipes[1], da_signing_key_thumbprint(key),
				  DA_THUMBPRINT_LEN) != DA_THUMBPRINT_LEN);
		}
	}
	for (int i = 0; i < 4; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
		assert_int_equal(read(pipes[0], seen[i], DA_THUMBPRINT_LEN),
		    DA_THUMBPRINT_LEN);
		assert_string_equal(seen[i], seen[0]);
	}
	(void)close(pipes[0]);
	(void)close(pipes[1]);
}

/* ---- signatures ---- */

static const struct da_wire_endpoints endpoints = {
    .device = HOST "/device",
    .token = HOST "/token?tenant=1",
    .userinfo = "https://api.example.net:8443//me",
    .revocation = HOST "/revoke",
};

static struct da_signer
signer_of(const struct da_signing_key *key)
{
	const struct da_signer_terms terms = {
	    .issuer = HOST,
	    .endpoint_hosts = "other.example API.example.net",
	    .client_id = "a\"b\\c",
	    .proofs = true,
	    .assertions = true,
	    .limit = DA_SIGNER_LIMIT,
	};
	struct da_signer signer;

	da_signer_init(&signer, key, &terms);
	assert_int_equal(
	    da_signer_take_endpoints(&signer, &endpoints, &diag), DA_OK);
	return signer;
}

static struct da_wire_sign
order_of(uint32_t what, uint32_t endpoint, const char *nonce, size_t hash_len)
{
	struct da_wire_sign order = {.what = what, .endpoint = endpoint};

	(void)snprintf(order.nonce, sizeof(order.nonce), "%s", nonce);
	da_buf_init(&order.hash, 64);
	assert_int_equal(da_buf_put(&order.hash,
			     "0123456789abcdef0123456789abcdef!", hash_len),
	    DA_OK);
	return order;
}

/* Signs, verifies with the code that judges ID tokens, gives the claims. */
static struct da_json *
claims_of(struct da_signer *signer, const struct da_signing_key *key,
    uint32_t what, uint32_t endpoint, const char *nonce, size_t hash_len,
    const char *header)
{
	struct da_wire_sign order = order_of(what, endpoint, nonce, hash_len);
	struct da_wire_signed made = {0};
	struct da_buf set, payload, text;
	struct da_jwks *jwks = NULL;
	struct da_json *claims = NULL;
	uint32_t algorithm;

	da_buf_init(&set, 1024);
	da_buf_init(&payload, DA_JWT_MAX);
	da_buf_init(&text, DA_JWT_MAX);
	assert_int_equal(
	    da_signer_sign(signer, &order, NOW, &made, &diag), DA_OK);
	assert_int_equal(
	    da_buf_format(&set, "{\"keys\":[%s]}", da_signing_key_jwk(key)),
	    DA_OK);
	assert_int_equal(
	    da_jwks_parse(set.bytes, set.len, &jwks, &diag), DA_OK);
	assert_int_equal(
	    da_base64url_put(&text, header, strlen(header)), DA_OK);
	assert_memory_equal(made.jwt.bytes, text.bytes, text.len);
	assert_int_equal(made.jwt.bytes[text.len], '.');
	/* An ID token's verifier takes no proof for one, by its typ. */
	if (what == DA_SIGN_PROOF) {
		assert_int_equal(
		    da_jws_verify(da_buf_text(&made.jwt), made.jwt.len, jwks,
			DA_JOSE_ALG_ALL, &payload, &algorithm, &diag),
		    DA_E_TOKEN);
		da_buf_clear(&payload);
		const char *dot = strrchr(da_buf_text(&made.jwt), '.');
		struct da_buf signature;

		da_buf_init(&signature, 64);
		assert_int_equal(da_jose_base64url_decode(
				     dot + 1, strlen(dot + 1), &signature),
		    DA_OK);
		assert_int_equal(
		    da_jws_verify_bytes(&jwks->keys[0], DA_JOSE_ALG_ES256,
			made.jwt.bytes, (size_t)(dot - da_buf_text(&made.jwt)),
			signature.bytes, signature.len),
		    DA_OK);
		da_buf_done(&signature);
		const char *at = da_buf_text(&made.jwt) + text.len + 1;

		assert_int_equal(
		    da_jose_base64url_decode(at, (size_t)(dot - at), &payload),
		    DA_OK);
	} else {
		assert_int_equal(
		    da_jws_verify(da_buf_text(&made.jwt), made.jwt.len, jwks,
			DA_JOSE_ALG_ES256, &payload, &algorithm, &diag),
		    DA_OK);
	}
	assert_int_equal(
	    da_json_parse(payload.bytes, payload.len, &claims, NULL), DA_OK);
	da_jwks_free(jwks);
	da_wire_done(DA_WIRE_SIGNED, &made);
	da_wire_done(DA_WIRE_SIGN, &order);
	da_buf_done(&set);
	da_buf_done(&payload);
	da_buf_done(&text);
	return claims;
}

static void
expect_text(const struct da_json *claims, const char *name, const char *text)
{
	const char *found = NULL;
	enum da_err err = da_json_get_text(claims, name, 1000, &found);

	assert_int_equal(err, text == NULL ? DA_E_ABSENT : DA_OK);
	if (text != NULL)
		assert_string_equal(found, text);
}

static void
expect_int(const struct da_json *claims, const char *name, int64_t expected)
{
	int64_t found;

	assert_int_equal(da_json_get_int(claims, name, &found), DA_OK);
	assert_int_equal(found, expected);
}

/* RFC 9449 4.2. */
static void
test_proofs(void **state)
{
	struct da_signing_key *key = key_of(rfc7515_pem, DA_OK);
	struct da_signer signer = signer_of(key);
	struct da_json *claims;
	char header[400];

	(void)state;
	(void)snprintf(header, sizeof(header),
	    "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":%s}",
	    da_signing_key_jwk(key));
	claims = claims_of(
	    &signer, key, DA_SIGN_PROOF, DA_ENDPOINT_TOKEN, "", 0, header);
	expect_int(claims, "iat", NOW);
	expect_text(claims, "htm", "POST");
	expect_text(claims, "htu", HOST "/token");
	expect_text(claims, "nonce", NULL);
	expect_text(claims, "ath", NULL);
	da_json_free(claims);
	claims = claims_of(&signer, key, DA_SIGN_PROOF, DA_ENDPOINT_USERINFO,
	    "n'0-_~", 32, header);
	expect_text(claims, "htm", "GET");
	expect_text(claims, "htu", "https://api.example.net:8443//me");
	expect_text(claims, "nonce", "n'0-_~");
	expect_text(
	    claims, "ath", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY");
	da_json_free(claims);
	da_signing_key_free(key);
}

/* RFC 7523 3. */
static void
test_assertions(void **state)
{
	struct da_signing_key *key = key_of(rfc7515_pem, DA_OK);
	struct da_signer signer = signer_of(key);
	struct da_json *claims;
	char header[400];

	(void)state;
	(void)snprintf(header, sizeof(header),
	    "{\"typ\":\"JWT\",\"alg\":\"ES256\",\"kid\":\"%s\"}",
	    da_signing_key_thumbprint(key));
	claims = claims_of(
	    &signer, key, DA_SIGN_ASSERTION, DA_ENDPOINT_TOKEN, "", 0, header);
	expect_text(claims, "iss", "a\"b\\c");
	expect_text(claims, "sub", "a\"b\\c");
	expect_text(claims, "aud", HOST "/token?tenant=1");
	expect_int(claims, "iat", NOW);
	expect_int(claims, "exp", NOW + 60);
	da_json_free(claims);
	signer.terms.audience_issuer = true;
	claims = claims_of(&signer, key, DA_SIGN_ASSERTION,
	    DA_ENDPOINT_REVOCATION, "", 0, header);
	expect_text(claims, "aud", HOST);
	da_json_free(claims);
	da_signing_key_free(key);
}

static void
test_not_signed(void **state)
{
	static const struct {
		uint32_t what, endpoint;
		const char *nonce;
		size_t hash_len;
	} rows[] = {
	    {0, DA_ENDPOINT_TOKEN, "", 0},
	    {3, DA_ENDPOINT_TOKEN, "", 0},
	    {DA_SIGN_PROOF, 0, "", 0},
	    {DA_SIGN_PROOF, 6, "", 0},
	    {DA_SIGN_PROOF, DA_ENDPOINT_DEVICE, "", 0},
	    {DA_SIGN_PROOF, DA_ENDPOINT_REVOCATION, "", 0},
	    {DA_SIGN_PROOF, DA_ENDPOINT_INTROSPECTION, "", 0},
	    {DA_SIGN_PROOF, DA_ENDPOINT_TOKEN, "", 32},
	    {DA_SIGN_PROOF, DA_ENDPOINT_USERINFO, "", 0},
	    {DA_SIGN_PROOF, DA_ENDPOINT_USERINFO, "", 31},
	    {DA_SIGN_PROOF, DA_ENDPOINT_USERINFO, "", 33},
	    {DA_SIGN_PROOF, DA_ENDPOINT_TOKEN, "a b", 0},
	    {DA_SIGN_PROOF, DA_ENDPOINT_TOKEN, "\",\"htu\":\"x", 0},
	    {DA_SIGN_PROOF, DA_ENDPOINT_TOKEN, "a\\b", 0},
	    {DA_SIGN_PROOF, DA_ENDPOINT_TOKEN, "a\nb", 0},
	    {DA_SIGN_ASSERTION, DA_ENDPOINT_USERINFO, "", 0},
	    {DA_SIGN_ASSERTION, DA_ENDPOINT_TOKEN, "n", 0},
	    {DA_SIGN_ASSERTION, DA_ENDPOINT_TOKEN, "", 32},
	    /* that has no address */
	    {DA_SIGN_ASSERTION, DA_ENDPOINT_INTROSPECTION, "", 0},
	};
	struct da_signing_key *key = key_of(rfc7515_pem, DA_OK);

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_signer signer = signer_of(key);
		struct da_wire_sign order = order_of(rows[i].what,
		    rows[i].endpoint, rows[i].nonce, rows[i].hash_len);
		struct da_wire_signed made = {0};

		assert_int_equal(
		    da_signer_sign(&signer, &order, NOW, &made, &diag),
		    DA_E_WORKER);
		assert_int_equal(made.jwt.len, 0);
		da_wire_done(DA_WIRE_SIGN, &order);
	}
	da_signing_key_free(key);
}

/* What the profile does not use; before the endpoints; too often. */
static void
test_signer_terms(void **state)
{
	struct da_signing_key *key = key_of(rfc7515_pem, DA_OK);
	struct da_signer signer = signer_of(key);
	struct da_wire_sign proof =
	    order_of(DA_SIGN_PROOF, DA_ENDPOINT_TOKEN, "", 0);
	struct da_wire_sign assertion =
	    order_of(DA_SIGN_ASSERTION, DA_ENDPOINT_TOKEN, "", 0);
	struct da_wire_signed made = {0};
	char last[DA_JWT_MAX + 1] = "";

	(void)state;
	for (unsigned int i = 0; i < DA_SIGNER_LIMIT; i++) {
		assert_int_equal(
		    da_signer_sign(&signer, &proof, NOW, &made, &diag), DA_OK);
		assert_string_not_equal(da_buf_text(&made.jwt), last);
		(void)snprintf(
		    last, sizeof(last), "%s", da_buf_text(&made.jwt));
		da_wire_done(DA_WIRE_SIGNED, &made);
	}
	assert_int_equal(
	    da_signer_sign(&signer, &proof, NOW, &made, &diag), DA_E_WORKER);
	signer = signer_of(key);
	signer.terms.proofs = false;
	assert_int_equal(
	    da_signer_sign(&signer, &proof, NOW, &made, &diag), DA_E_WORKER);
	signer = signer_of(key);
	signer.terms.assertions = false;
	assert_int_equal(da_signer_sign(&signer, &assertion, NOW, &made, &diag),
	    DA_E_WORKER);
	signer = signer_of(key);
	signer.has_endpoints = false;
	assert_int_equal(
	    da_signer_sign(&signer, &proof, NOW, &made, &diag), DA_E_WORKER);
	da_wire_done(DA_WIRE_SIGN, &proof);
	da_wire_done(DA_WIRE_SIGN, &assertion);
	da_signing_key_free(key);
}

static void
test_endpoints(void **state)
{
	static const struct {
		const char *uri;
		enum da_err err;
	} rows[] = {
	    {"", DA_OK},
	    {HOST "/t", DA_OK},
	    {"https://LOGIN.example.com:8443/t?x", DA_OK},
	    {"https://other.example/t", DA_OK},
	    {"https://api.EXAMPLE.net", DA_OK},
	    {"http://login.example.com/t", DA_E_WORKER},
	    {"https://login.example.com.evil.example/t", DA_E_WORKER},
	    {"https://login.example.com@evil.example/t", DA_E_WORKER},
	    {"https://evil.example/login.example.com", DA_E_WORKER},
	    {"https://example/t", DA_E_WORKER},
	    {"https://other.exampl/t", DA_E_WORKER},
	    {"https://other.example2/t", DA_E_WORKER},
	    {"https://login.example.com/\"x", DA_E_WORKER},
	    {"/t", DA_E_WORKER},
	};
	struct da_signing_key *key = key_of(rfc7515_pem, DA_OK);

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_signer signer = signer_of(key);
		struct da_wire_endpoints named = {0};

		(void)snprintf(
		    named.token, sizeof(named.token), "%s", rows[i].uri);
		signer.has_endpoints = false;
		assert_int_equal(
		    da_signer_take_endpoints(&signer, &named, &diag),
		    rows[i].err);
		/* They are named once. */
		if (rows[i].err == DA_OK)
			assert_int_equal(
			    da_signer_take_endpoints(&signer, &named, &diag),
			    DA_E_WORKER);
	}
	da_signing_key_free(key);
}

/* Everything at its longest has room. */
static void
test_longest(void **state)
{
	struct da_signing_key *key = key_of(rfc7515_pem, DA_OK);
	struct da_signer signer = signer_of(key);
	struct da_wire_sign order =
	    order_of(DA_SIGN_PROOF, DA_ENDPOINT_USERINFO, "", 32);
	struct da_wire_sign assertion =
	    order_of(DA_SIGN_ASSERTION, DA_ENDPOINT_TOKEN, "", 0);
	struct da_wire_signed made = {0};
	char client_id[DA_CLAIM_MAX + 1] = "";

	(void)state;
	memset(order.nonce, 'n', DA_DPOP_NONCE_MAX);
	memset(client_id, '"', DA_CLAIM_MAX);
	signer.terms.client_id = client_id;
	(void)snprintf(signer.endpoints.token, sizeof(signer.endpoints.token),
	    HOST "/%0*d", DA_URI_MAX - (int)sizeof(HOST), 7);
	(void)snprintf(signer.endpoints.userinfo,
	    sizeof(signer.endpoints.userinfo), "%s", signer.endpoints.token);
	assert_int_equal(strlen(signer.endpoints.token), DA_URI_MAX);
	assert_int_equal(
	    da_signer_sign(&signer, &order, NOW, &made, &diag), DA_OK);
	da_wire_done(DA_WIRE_SIGNED, &made);
	assert_int_equal(
	    da_signer_sign(&signer, &assertion, NOW, &made, &diag), DA_OK);
	da_wire_done(DA_WIRE_SIGNED, &made);
	da_wire_done(DA_WIRE_SIGN, &order);
	da_wire_done(DA_WIRE_SIGN, &assertion);
	da_signing_key_free(key);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_base64url),
	    cmocka_unit_test(test_thumbprint),
	    cmocka_unit_test(test_keys_refused),
	    TEST_IN_FOLDER(test_key_is_made_once, folder),
	    TEST_IN_FOLDER(test_key_is_not_replaced, folder),
	    TEST_IN_FOLDER(test_key_race, folder),
	    cmocka_unit_test(test_proofs),
	    cmocka_unit_test(test_assertions),
	    cmocka_unit_test(test_not_signed),
	    cmocka_unit_test(test_signer_terms),
	    cmocka_unit_test(test_endpoints),
	    cmocka_unit_test(test_longest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
