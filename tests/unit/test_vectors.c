/*
 * Public test vectors: JSONTestSuite (test_parsing, test_transform) and
 * Wycheproof (JWS, JWK, JWE and the signatures below them).
 *
 * They lie in a folder beside the checkout: argv[1], or DA_VECTORS_DIR as
 * compiled in. Without it the program says so and ends with 77 (skipped).
 * Every vector that devauth judges differently from its label stands in a
 * table here, with the reason; a table row that is not needed is an error.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <json-c/json.h>
#include <openssl/evp.h>
#include <unistd.h>

#include "core/buf.h"
#include "jose/jose.h"
#include "jose/jws.h"
#include "json/json.h"

#ifndef DA_VECTORS_DIR
#define DA_VECTORS_DIR "../shared/vectors"
#endif

#define FILE_MAX (1024 * 1024)
#define PATH_LEN 1024
#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static const char *vectors_dir;

/* ---- JSONTestSuite ---- */

struct verdict {
	const char *name;
	enum da_err err;
};

/* Sound JSON that devauth refuses all the same (json/scan.c). */
static const struct verdict refused_on_purpose[] = {
    /* Two values for one key: what another parser takes is not known. */
    {"y_object_duplicated_key.json", DA_E_SYNTAX},
    {"y_object_duplicated_key_and_value.json", DA_E_SYNTAX},
    /* U+0000 ends a text in C. */
    {"y_object_escaped_null_in_key.json", DA_E_SYNTAX},
    {"y_string_null_escape.json", DA_E_SYNTAX},
};

/* Left open by RFC 8259. Policy: a number may be of any size, for nothing is
 * computed with it and da_json_int() knows what fits; text that is not Unicode
 * is refused, and so is depth. */
static const struct verdict left_open[] = {
    {"i_number_double_huge_neg_exp.json", DA_OK},
    {"i_number_huge_exp.json", DA_OK},
    {"i_number_neg_int_huge_exp.json", DA_OK},
    {"i_number_pos_double_huge_exp.json", DA_OK},
    {"i_number_real_neg_overflow.json", DA_OK},
    {"i_number_real_pos_overflow.json", DA_OK},
    {"i_number_real_underflow.json", DA_OK},
    {"i_number_too_big_neg_int.json", DA_OK},
    {"i_number_too_big_pos_int.json", DA_OK},
    {"i_number_very_big_negative_int.json", DA_OK},
    {"i_object_key_lone_2nd_surrogate.json", DA_E_SYNTAX},
    {"i_string_1st_surrogate_but_2nd_missing.json", DA_E_SYNTAX},
    {"i_string_1st_valid_surrogate_2nd_invalid.json", DA_E_SYNTAX},
    {"i_string_UTF-16LE_with_BOM.json", DA_E_SYNTAX},
    {"i_string_UTF-8_invalid_sequence.json", DA_E_SYNTAX},
    {"i_string_UTF8_surrogate_U+D800.json", DA_E_SYNTAX},
    {"i_string_incomplete_surrogate_and_escape_valid.json", DA_E_SYNTAX},
    {"i_string_incomplete_surrogate_pair.json", DA_E_SYNTAX},
    {"i_string_incomplete_surrogates_escape_valid.json", DA_E_SYNTAX},
    {"i_string_invalid_lonely_surrogate.json", DA_E_SYNTAX},
    {"i_string_invalid_surrogate.json", DA_E_SYNTAX},
    {"i_string_invalid_utf-8.json", DA_E_SYNTAX},
    {"i_string_inverted_surrogates_U+1D11E.json", DA_E_SYNTAX},
    {"i_string_iso_latin_1.json", DA_E_SYNTAX},
    {"i_string_lone_second_surrogate.json", DA_E_SYNTAX},
    {"i_string_lone_utf8_continuation_byte.json", DA_E_SYNTAX},
    {"i_string_not_in_unicode_range.json", DA_E_SYNTAX},
    {"i_string_overlong_sequence_2_bytes.json", DA_E_SYNTAX},
    {"i_string_overlong_sequence_6_bytes.json", DA_E_SYNTAX},
    {"i_string_overlong_sequence_6_bytes_null.json", DA_E_SYNTAX},
    {"i_string_truncated-utf-8.json", DA_E_SYNTAX},
    {"i_string_utf16BE_no_BOM.json", DA_E_SYNTAX},
    {"i_string_utf16LE_no_BOM.json", DA_E_SYNTAX},
    {"i_structure_500_nested_arrays.json", DA_E_TOO_LARGE},
    {"i_structure_UTF-8_BOM_empty_object.json", DA_E_SYNTAX},
};

/* test_transform asks what becomes of a document; for devauth the question is
 * only whether there is a single answer. */
static const struct verdict transforms[] = {
    {"number_-9223372036854775808.json", DA_OK},
    {"number_-9223372036854775809.json", DA_OK},
    {"number_1.0.json", DA_OK},
    {"number_1.000000000000000005.json", DA_OK},
    {"number_1000000000000000.json", DA_OK},
    {"number_10000000000000000999.json", DA_OK},
    {"number_1e-999.json", DA_OK},
    {"number_1e6.json", DA_OK},
    {"number_9223372036854775807.json", DA_OK},
    {"number_9223372036854775808.json", DA_OK},
    {"object_key_nfc_nfd.json", DA_OK},
    {"object_key_nfd_nfc.json", DA_OK},
    {"object_same_key_different_values.json", DA_E_SYNTAX},
    {"object_same_key_same_value.json", DA_E_SYNTAX},
    {"object_same_key_unclear_values.json", DA_E_SYNTAX},
    {"string_1_escaped_invalid_codepoint.json", DA_E_SYNTAX},
    {"string_1_invalid_codepoint.json", DA_E_SYNTAX},
    {"string_2_escaped_invalid_codepoints.json", DA_E_SYNTAX},
    {"string_2_invalid_codepoints.json", DA_E_SYNTAX},
    {"string_3_escaped_invalid_codepoints.json", DA_E_SYNTAX},
    {"string_3_invalid_codepoints.json", DA_E_SYNTAX},
    {"string_with_escaped_NULL.json", DA_E_SYNTAX},
};

static void
read_whole(const char *path, struct da_buf *ret)
{
	FILE *file = fopen(path, "rb");
	char block[4096];
	size_t n;

	if (file == NULL)
		fail_msg("cannot open %s", path);
	da_buf_init(ret, FILE_MAX);
	while ((n = fread(block, 1, sizeof(block), file)) > 0)
		assert_int_equal(da_buf_put(ret, block, n), DA_OK);
	(void)fclose(file); /* was only read */
}

/* What both the scan and the parser say. */
static enum da_err
judge(const char *dir, const char *name)
{
	struct da_buf bytes;
	struct da_json *json = NULL;
	char path[PATH_LEN];
	enum da_err err;

	(void)snprintf(path, sizeof(path), "%s/JSONTestSuite/%s/%s",
	    vectors_dir, dir, name);
	read_whole(path, &bytes);
	err = da_json_scan(bytes.bytes, bytes.len, NULL);
	assert_int_equal(
	    da_json_parse(bytes.bytes, bytes.len, &json, NULL), err);
	da_json_free(json);
	da_buf_done(&bytes);
	return err;
}

static const struct verdict *
find_verdict(const struct verdict *table, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++) {
		if (strcmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

static bool
is_expected(const char *name, enum da_err err)
{
	const struct verdict *row;

	if (strncmp(name, "n_", 2) == 0)
		return err == DA_E_SYNTAX || err == DA_E_TOO_LARGE;
	if (strncmp(name, "y_", 2) == 0) {
		row = find_verdict(
		    refused_on_purpose, LEN(refused_on_purpose), name);
		return err == (row == NULL ? DA_OK : row->err);
	}
	row = find_verdict(left_open, LEN(left_open), name);
	return row != NULL && err == row->err;
}

static void
test_json_test_suite_parsing(void **state)
{
	char path[PATH_LEN];
	size_t files = 0, refused = 0, wrong = 0;
	DIR *dir;
	const struct dirent *entry;

	(void)state;
	(void)snprintf(
	    path, sizeof(path), "%s/JSONTestSuite/test_parsing", vectors_dir);
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		enum da_err err;

		if (strstr(entry->d_name, ".json") == NULL)
			continue;
		err = judge("test_parsing", entry->d_name);
		files++;
		refused += strncmp(entry->d_name, "n_", 2) == 0;
		if (is_expected(entry->d_name, err))
			continue;
		print_error("%s: %d\n", entry->d_name, (int)err);
		wrong++;
	}
	(void)closedir(dir); /* was only read */
	assert_int_equal(wrong, 0);
	assert_true(files >= 318);
	assert_true(refused >= 188);
}

/* Files of the tables that are gone would go unnoticed otherwise. */
static void
test_json_test_suite_tables(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(refused_on_purpose); i++)
		assert_int_equal(
		    judge("test_parsing", refused_on_purpose[i].name),
		    refused_on_purpose[i].err);
	for (size_t i = 0; i < LEN(left_open); i++)
		assert_int_equal(
		    judge("test_parsing", left_open[i].name), left_open[i].err);
	for (size_t i = 0; i < LEN(transforms); i++) {
		enum da_err err = judge("test_transform", transforms[i].name);

		if (err != transforms[i].err)
			fail_msg("%s: %d", transforms[i].name, (int)err);
	}
}

/* ---- Wycheproof ---- */

/* Valid vectors that devauth does not accept. */
struct exception {
	int first;
	int last;
	const char *why;
};

static const struct exception jws_exceptions[] = {
    {1, 1, "HS256: no symmetric algorithm in devauth"},
    {264, 267, "RS384 is not supported"},
    {268, 271, "RS512 is not supported"},
    {320, 323, "PS384 is not supported"},
    {325, 328, "PS512 is not supported"},
    {346, 346, "PS384 is not supported"},
    {347, 347, "ES512 is not supported"},
    {348, 348, "HS256: no symmetric algorithm in devauth"},
    {350, 350, "PS384 is not supported"},
    {351, 351, "ES512 is not supported"},
    {352, 352, "HS256: no symmetric algorithm in devauth"},
    {357, 359, "HS256: no symmetric algorithm in devauth"},
    {372, 373, "HS256, and characters that are not base64url"},
    {376, 377, "HS256: no symmetric algorithm in devauth"},
};

static const struct exception jwk_exceptions[] = {
    {2, 2, "HS256: no symmetric algorithm in devauth"},
    {13, 13, "HS256: no symmetric algorithm in devauth"},
    {14, 14, "HS384: no symmetric algorithm in devauth"},
    {15, 15, "HS512: no symmetric algorithm in devauth"},
};

static const struct exception crypto_exceptions[] = {
    {1, 1, "HS256: no symmetric algorithm in devauth"},
    {48, 48, "HS256: no symmetric algorithm in devauth"},
    {50, 50, "JWE is not supported"},
    {67, 67, "JWE is not supported"},
};

struct suite {
	const char *file;
	const struct exception *exceptions;
	size_t exceptions_len;
	size_t tests_min;
	/* for files with plain messages and signatures, else 0 */
	uint32_t algorithm;
};

static const struct suite suites[] = {
    {"json_web_signature_test.json", jws_exceptions, LEN(jws_exceptions), 401,
	0},
    {"json_web_key_test.json", jwk_exceptions, LEN(jwk_exceptions), 26, 0},
    {"json_web_crypto_test.json", crypto_exceptions, LEN(crypto_exceptions), 83,
	0},
    {"ed25519_test.json", NULL, 0, 151, DA_JOSE_ALG_EDDSA},
    {"ecdsa_secp256r1_sha256_p1363_test.json", NULL, 0, 262, DA_JOSE_ALG_ES256},
    {"rsa_pss_2048_sha256_mgf1_32_test.json", NULL, 0, 108, DA_JOSE_ALG_PS256},
};

static struct json_object *
member(struct json_object *object, const char *key)
{
	struct json_object *value = NULL;

	(void)json_object_object_get_ex(object, key, &value);
	return value;
}

static const char *
text_member(struct json_object *object, const char *key)
{
	return json_object_get_string(member(object, key));
}

static unsigned int
hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *found = c == '\0' ? NULL : strchr(digits, c);

	assert_non_null(found);
	return (unsigned int)(found - digits);
}

static void
read_hex(struct json_object *test, const char *key, struct da_buf *ret)
{
	const char *hex = text_member(test, key);

	assert_non_null(hex);
	da_buf_init(ret, FILE_MAX);
	for (; *hex != '\0'; hex += 2) {
		uint8_t byte =
		    (uint8_t)(hex_digit(hex[0]) << 4 | hex_digit(hex[1]));

		assert_int_equal(da_buf_put(ret, &byte, 1), DA_OK);
	}
}

static void
put_base64url(struct da_buf *buf, const uint8_t *bytes, int len)
{
	char text[128];

	assert_true(len <= 64);
	(void)EVP_EncodeBlock((unsigned char *)text, bytes, len);
	text[strcspn(text, "=")] = '\0';
	for (char *p = text; *p != '\0'; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	assert_int_equal(da_buf_put_text(buf, text), DA_OK);
}

/* For the few groups on P-256 that come without a JWK: the same point. */
static void
put_ec_key(struct da_buf *buf, struct json_object *group)
{
	struct da_buf point;

	read_hex(member(group, "publicKey"), "uncompressed", &point);
	assert_int_equal(point.len, 65);
	assert_int_equal(
	    da_buf_put_text(buf, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\""),
	    DA_OK);
	put_base64url(buf, point.bytes + 1, 32);
	assert_int_equal(da_buf_put_text(buf, "\",\"y\":\""), DA_OK);
	put_base64url(buf, point.bytes + 33, 32);
	assert_int_equal(da_buf_put_text(buf, "\"}"), DA_OK);
	da_buf_done(&point);
}

static void
put_key(struct da_buf *buf, struct json_object *group)
{
	static const char *const names[] = {
	    "public", "publicKeyJwk", "private"};

	for (size_t i = 0; i < LEN(names); i++) {
		struct json_object *key = member(group, names[i]);

		if (key == NULL)
			continue;
		assert_int_equal(
		    da_buf_put_text(buf, json_object_to_json_string(key)),
		    DA_OK);
		return;
	}
	put_ec_key(buf, group);
}

/* The group's public key, or whatever it has, as a key set. NULL when even
 * the set is refused. */
static struct da_jwks *
keys_of_group(struct json_object *group)
{
	struct da_buf key, set_text;
	struct da_jwks *set = NULL;

	da_buf_init(&key, FILE_MAX);
	da_buf_init(&set_text, FILE_MAX);
	put_key(&key, group);
	/* Some groups have a whole set already. */
	if (strstr(da_buf_text(&key), "\"keys\"") == NULL)
		assert_int_equal(da_buf_format(&set_text, "{\"keys\":[%s]}",
				     da_buf_text(&key)),
		    DA_OK);
	else
		assert_int_equal(
		    da_buf_put(&set_text, key.bytes, key.len), DA_OK);
	if (da_jwks_parse(set_text.bytes, set_text.len, &set, NULL) != DA_OK)
		set = NULL;
	da_buf_done(&key);
	da_buf_done(&set_text);
	return set;
}

static enum da_err
verify_token(const struct da_jwks *set, struct json_object *test)
{
	const char *token = text_member(test, "jws");
	struct da_buf payload;
	uint32_t algorithm;
	enum da_err err;

	if (token == NULL)
		token = text_member(test, "jwe");
	assert_non_null(token);
	da_buf_init(&payload, FILE_MAX);
	err = da_jws_verify(token, strlen(token), set, DA_JOSE_ALG_ALL,
	    &payload, &algorithm, NULL);
	da_buf_done(&payload);
	return err;
}

static enum da_err
verify_bytes(
    const struct da_jwks *set, struct json_object *test, uint32_t algorithm)
{
	struct da_buf message, signature;
	enum da_err err;

	assert_int_equal(da_jwks_count(set), 1);
	read_hex(test, "msg", &message);
	read_hex(test, "sig", &signature);
	err = da_jws_verify_bytes(&set->keys[0], algorithm, message.bytes,
	    message.len, signature.bytes, signature.len);
	da_buf_done(&message);
	da_buf_done(&signature);
	return err;
}

static bool
is_exception(const struct suite *suite, int tc_id)
{
	for (size_t i = 0; i < suite->exceptions_len; i++) {
		if (tc_id >= suite->exceptions[i].first &&
		    tc_id <= suite->exceptions[i].last)
			return true;
	}
	return false;
}

static bool
judge_vector(const struct suite *suite, const struct da_jwks *set,
    struct json_object *test)
{
	int tc_id = json_object_get_int(member(test, "tcId"));
	bool valid = strcmp(text_member(test, "result"), "valid") == 0;
	enum da_err err = DA_E_SYNTAX;

	if (set != NULL && suite->algorithm == 0)
		err = verify_token(set, test);
	else if (set != NULL)
		err = verify_bytes(set, test, suite->algorithm);
	/* An exception is a valid vector that is refused, nothing else. */
	if (is_exception(suite, tc_id) ? (valid && err != DA_OK)
				       : valid == (err == DA_OK))
		return true;
	print_error("%s tcId %d (%s): %d\n", suite->file, tc_id,
	    text_member(test, "comment"), (int)err);
	return false;
}

static void
judge_suite(const struct suite *suite)
{
	char path[PATH_LEN];
	struct json_object *root, *groups;
	size_t tests = 0, wrong = 0;

	(void)snprintf(
	    path, sizeof(path), "%s/wycheproof/%s", vectors_dir, suite->file);
	root = json_object_from_file(path);
	if (root == NULL)
		fail_msg("cannot read %s", path);
	groups = member(root, "testGroups");
	for (size_t g = 0; g < json_object_array_length(groups); g++) {
		struct json_object *group =
		    json_object_array_get_idx(groups, g);
		struct json_object *list = member(group, "tests");
		struct da_jwks *set = keys_of_group(group);

		for (size_t i = 0; i < json_object_array_length(list); i++) {
			struct json_object *test =
			    json_object_array_get_idx(list, i);

			wrong += !judge_vector(suite, set, test);
			tests++;
		}
		da_jwks_free(set);
	}
	(void)json_object_put(root); /* the only reference */
	assert_int_equal(wrong, 0);
	assert_true(tests >= suite->tests_min);
}

static void
test_wycheproof(void **state)
{
	(void)state;
	for (size_t i = 0; i < LEN(suites); i++)
		judge_suite(&suites[i]);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_json_test_suite_parsing),
	    cmocka_unit_test(test_json_test_suite_tables),
	    cmocka_unit_test(test_wycheproof),
	};

	vectors_dir = argc > 1 ? argv[1] : DA_VECTORS_DIR;
	if (access(vectors_dir, R_OK | X_OK) != 0) {
		(void)printf("skipped: no test vectors in %s\n", vectors_dir);
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
