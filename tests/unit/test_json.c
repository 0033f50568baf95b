/*
 * Strict JSON: what must pass, what must not, and that nothing is converted
 * on the way out. Names in J.. are rows of the list of hostile inputs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/limits.h"
#include "json/json.h"

static enum da_err
scan(const char *text)
{
	return da_json_scan(text, strlen(text), NULL);
}

static struct da_json *
parse(const char *text)
{
	struct da_json *json = NULL;

	assert_int_equal(da_json_parse(text, strlen(text), &json, NULL), DA_OK);
	return json;
}

/* The scan and the parser must agree, and the output stay untouched. */
static void
assert_refused(const void *bytes, size_t len, enum da_err expected)
{
	struct da_json *json = NULL;
	enum da_err err = da_json_scan(bytes, len, NULL);

	if (err != expected)
		fail_msg(
		    "%d for %.*s", (int)err, (int)len, (const char *)bytes);
	assert_int_equal(da_json_parse(bytes, len, &json, NULL), expected);
	assert_null(json);
}

static double
cpu_ms(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
test_grammar_accepted(void **state)
{
	static const char *const texts[] = {"{}", "[]", " { } ", "\t[\r\n]",
	    "null", "true", "false", "0", "-0", "\"\"",
	    "[0,-1,10,1.5,-0.1e+10,1E5,2e-3]", "{\"\":{\"\":[[]]}}",
	    "[1 , 2\n, {\"a\" : null}]", "\"\\u00e9\\ud834\\udd1e\\\\\\/\\b\"",
	    "\"\x7f\xc3\xa9\xf0\x9d\x84\x9e\"", "[{\"a\":1},{\"a\":1}]",
	    "{\"a\":{\"a\":{\"a\":1}}}", "18446744073709551616", "1e400"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (scan(texts[i]) != DA_OK)
			fail_msg("refused: %s", texts[i]);
		da_json_free(parse(texts[i]));
	}
}

static void
test_grammar_refused(void **state)
{
	static const char *const texts[] = {"", " ", "{", "}", "[", "]", "[1",
	    "[1,", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}",
	    "{\"a\":1 \"b\":2}", "{a:1}", "{1:1}", "{'a':1}", "['a']", "[1}",
	    "{\"a\":1]", "[1]]", "{}{}", "[] x", "// c\n[]", "[1]/* */", "nul",
	    "nulL", "NULL", "True", "NaN", "-NaN", "[NaN]", "Infinity",
	    "-Infinity", "01", "-01", "+1", ".5", "1.", "-", "1e", "1e+",
	    "0x10", "1_0", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"",
	    "\"\\u12g4\"", "\"\\U0041\"", "\"\n\"", "\"\t\"", "\"\x1f\"",
	    "\\u0022a\"", "\v[]", "\f[]", "\xc2\xa0[]", "truex", "[1]1",
	    "\"a\" \"b\""};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_refused(texts[i], strlen(texts[i]), DA_E_SYNTAX);
}

static void
test_J19_nul_only_and_empty(void **state)
{
	static const uint8_t zeros[16];

	(void)state;
	assert_refused(zeros, sizeof(zeros), DA_E_SYNTAX);
	assert_refused("", 0, DA_E_SYNTAX);
	assert_refused(NULL, 0, DA_E_SYNTAX);
	assert_refused("[]\0", 3, DA_E_SYNTAX);
	assert_refused("[1\0]", 4, DA_E_SYNTAX);
	assert_refused("\"\\\0\"", 4, DA_E_SYNTAX);
}

static void
test_unicode_refused(void **state)
{
	static const char *const texts[] = {"\xef\xbb\xbf{}", "\"\\u0000\"",
	    "{\"a\\u0000b\":1}", "\"\\ud800\"", "\"\\ud800x\"",
	    "\"\\ud800\\n\"", "\"\\ud800\\u0041\"", "\"\\ud800\\ud800\"",
	    "\"\\udc00\"", "\"\\udc00\\ud800\"", "\"\\ud834\\udd1\"",
	    "\"\xff\"", "\"\xc3\"", "\"\xc0\x80\"", "\"\xc1\xbf\"",
	    "\"\xe0\x80\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
	    "\"\xf8\x88\x80\x80\x80\"", "\"\x80\"", "{\"\xff\":1}"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_refused(texts[i], strlen(texts[i]), DA_E_SYNTAX);
	assert_refused("\"a\0b\"", 5, DA_E_SYNTAX);
}

static void
test_duplicate_keys(void **state)
{
	static const char *const same[] = {"{\"a\":1,\"a\":1}",
	    "{\"a\":1,\"b\":2,\"a\":3}", "{\"a\":1,\"\\u0061\":2}",
	    "{\"\\/\":1,\"/\":2}", "{\"\\n\":1,\"\\u000A\":2}",
	    "{\"\xc3\xa9\":1,\"\\u00e9\":2}",
	    "{\"\xf0\x9d\x84\x9e\":1,\"\\uD834\\uDD1E\":2}", "{\"\":1,\"\":2}",
	    "[{\"x\":{\"k\":0,\"j\":1,\"k\":2}}]",
	    "{\"a\":{\"b\":1},\"c\":{},\"a\":2}", "{\"\\\\\":1,\"\\u005c\":2}",
	    "{\"\\\"\":1,\"\\u0022\":2}"};
	static const char *const differ[] = {"{\"a\":1,\"A\":2}",
	    "{\"a\":1,\"ab\":2}", "{\"\":1,\"a\":2}",
	    "{\"\xc3\xa9\":1,\"e\\u0301\":2}", "{\"\\\\u0061\":1,\"a\":2}",
	    "{\"a\":{\"a\":1},\"b\":{\"a\":1}}",
	    "{\"\xf0\x9d\x84\x9e\":1,\"\xf0\x9d\x84\x9f\":2}",
	    "{\"\\u0101\":1,\"\\u0001\":2}", "{\"n\":1,\"\\n\":2}"};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_refused(same[i], strlen(same[i]), DA_E_SYNTAX);
	for (size_t i = 0; i < sizeof(differ) / sizeof(differ[0]); i++)
		da_json_free(parse(differ[i]));
}

static void
test_depth(void **state)
{
	char text[4 * DA_JSON_DEPTH_MAX];
	size_t max = DA_JSON_DEPTH_MAX;

	(void)state;
	memset(text, '[', max + 1);
	memset(text + max, ']', max);
	assert_int_equal(da_json_scan(text, 2 * max, NULL), DA_OK);
	text[2 * max] = '\0';
	da_json_free(parse(text));
	memset(text, '[', max + 1);
	memset(text + max + 1, ']', max + 1);
	assert_refused(text, 2 * max + 2, DA_E_TOO_LARGE);
}

/* Objects at the deepest level with a scalar in them: json-c counts that
 * scalar too. */
static void
test_depth_of_objects(void **state)
{
	char text[6 * DA_JSON_DEPTH_MAX + 2];
	char *at = text;

	(void)state;
	for (size_t i = 0; i < DA_JSON_DEPTH_MAX; i++, at += 5)
		memcpy(at, "{\"k\":", 5);
	*at++ = '1';
	memset(at, '}', DA_JSON_DEPTH_MAX);
	at[DA_JSON_DEPTH_MAX] = '\0';
	da_json_free(parse(text));
}

static void
test_J18_depth_of_100000(void **state)
{
	size_t len = 100000;
	char *text = malloc(len);

	(void)state;
	assert_non_null(text);
	memset(text, '[', len);
	assert_refused(text, len, DA_E_TOO_LARGE);
	for (size_t i = 0; i + 5 <= len; i += 5)
		memcpy(text + i, "{\"a\":", 5);
	assert_refused(text, len, DA_E_TOO_LARGE);
	free(text);
}

/* Many elements, in one array of "count". */
static char *
make_array(size_t count)
{
	char *text = malloc(2 * count + 2);

	assert_non_null(text);
	text[0] = '[';
	for (size_t i = 0; i < count; i++)
		memcpy(text + 1 + 2 * i, "1,", 2);
	text[2 * count] = ']';
	text[2 * count + 1] = '\0';
	return text;
}

static void
test_members_capped(void **state)
{
	char *fits = make_array(DA_JSON_MEMBERS_MAX);
	char *over = make_array(DA_JSON_MEMBERS_MAX + 1);

	(void)state;
	da_json_free(parse(fits));
	assert_refused(over, strlen(over), DA_E_TOO_LARGE);
	free(fits);
	free(over);
}

static void
test_J18_million_elements(void **state)
{
	char *text = make_array(1000000);

	(void)state;
	assert_refused(text, strlen(text), DA_E_TOO_LARGE);
	free(text);
}

static void
test_bytes_capped(void **state)
{
	char *text = malloc(DA_BODY_MAX + 1);

	(void)state;
	assert_non_null(text);
	memset(text, ' ', DA_BODY_MAX + 1);
	memcpy(text, "[]", 2);
	assert_int_equal(da_json_scan(text, DA_BODY_MAX, NULL), DA_OK);
	assert_refused(text, DA_BODY_MAX + 1, DA_E_TOO_LARGE);
	free(text);
}

/* One object of as many keys as are allowed; "format" makes a key of a
 * number. */
static char *
make_object(const char *(*key)(char *, size_t, unsigned int))
{
	char name[128];
	char *text = calloc(1, DA_BODY_MAX);
	size_t used = 0;

	assert_non_null(text);
	for (unsigned int i = 0; i < DA_JSON_MEMBERS_MAX; i++)
		used += (size_t)snprintf(text + used, DA_BODY_MAX - used,
		    "%c\"%s\":0", i == 0 ? '{' : ',',
		    key(name, sizeof(name), i));
	assert_true(used + 1 < DA_BODY_MAX);
	text[used] = '}';
	return text;
}

static const char *
key_counted(char *out, size_t size, unsigned int i)
{
	(void)snprintf(out, size, "%u", i);
	return out;
}

/* A long common beginning is the dearest for a sort. */
static const char *
key_alike(char *out, size_t size, unsigned int i)
{
	(void)snprintf(out, size, "%050u", i);
	return out;
}

/* "Aa" and "BB" collide in many a hash; any six of them side by side too. */
static const char *
key_colliding(char *out, size_t size, unsigned int i)
{
	size_t used = 0;

	for (unsigned int bit = 0; bit < 12 && used + 2 < size; bit++) {
		memcpy(out + used, (i >> bit & 1) != 0 ? "Aa" : "BB", 2);
		used += 2;
	}
	out[used] = '\0';
	return out;
}

static void
test_X6_many_keys_are_cheap(void **state)
{
	const char *(*const keys[])(char *, size_t, unsigned int) = {
	    key_counted, key_alike, key_colliding};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char *text = make_object(keys[i]);
		double start = cpu_ms();

		da_json_free(parse(text));
		/* A few ms when nothing watches; sanitizers cost tenfold. */
		assert_true(cpu_ms() - start < 100);
		free(text);
	}
}

/* The last of 4096 keys repeats the first. */
static void
test_duplicate_among_many(void **state)
{
	char *text = make_object(key_counted);
	char *last;

	(void)state;
	last = strstr(text, "\"4095\"");
	assert_non_null(last);
	memcpy(last, "\"1024\"", 6);
	assert_refused(text, strlen(text), DA_E_SYNTAX);
	free(text);
}

static void
test_X6_long_number(void **state)
{
	size_t len = DA_BODY_MAX;
	char *text = malloc(len + 1);
	double start = cpu_ms();

	(void)state;
	assert_non_null(text);
	memset(text, '7', len);
	text[1] = '.';
	text[len] = '\0';
	da_json_free(parse(text));
	assert_true(cpu_ms() - start < 100);
	free(text);
}

static void
test_diag_has_offset_and_no_content(void **state)
{
	struct da_diag diag = {0};

	(void)state;
	assert_int_equal(
	    da_json_scan("{\"secret\":tru}", 14, &diag), DA_E_SYNTAX);
	assert_string_equal(diag.text, "JSON: unknown word at byte 10");
	assert_int_equal(
	    da_json_scan("{\"s\":1,\"s\":2}", 13, &diag), DA_E_SYNTAX);
	assert_null(strstr(diag.text, "\"s\""));
}

static void
test_types_are_not_converted(void **state)
{
	struct da_json *json = parse(
	    "{\"text\":\"12\",\"int\":12,\"float\":1.5,"
	    "\"yes\":true,\"none\":null,\"array\":[1,null,\"x\"],\"o\":{}}");
	static const char *const keys[] = {
	    "text", "int", "float", "yes", "none", "array", "o"};
	const char *text;
	int64_t number;
	bool truth;

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		const struct da_json *value = da_json_member(json, keys[i]);

		assert_int_equal(
		    da_json_text(value, 9, &text), i == 0 ? DA_OK : DA_E_TYPE);
		assert_int_equal(da_json_int(value, &number),
		    i == 1       ? DA_OK
			: i == 2 ? DA_E_RANGE
				 : DA_E_TYPE);
		assert_int_equal(
		    da_json_bool(value, &truth), i == 3 ? DA_OK : DA_E_TYPE);
		assert_int_equal(da_json_is_array(value), i == 5);
		assert_int_equal(da_json_is_object(value), i == 6);
		assert_int_equal(da_json_array_len(value), i == 5 ? 3 : 0);
		assert_null(da_json_member(value, "x"));
		assert_false(da_json_has(value, "x"));
	}
	assert_string_equal(text, "12");
	assert_int_equal(number, 12);
	assert_true(truth);
	da_json_free(json);
}

static void
test_null_and_absent(void **state)
{
	struct da_json *json = parse("{\"none\":null}");
	const char *text = "untouched";
	int64_t number = 77;

	(void)state;
	assert_true(da_json_has(json, "none"));
	assert_false(da_json_has(json, "other"));
	assert_null(da_json_member(json, "none"));
	assert_null(da_json_member(NULL, "none"));
	assert_int_equal(da_json_get_text(json, "none", 9, &text), DA_E_ABSENT);
	assert_int_equal(
	    da_json_get_text(json, "other", 9, &text), DA_E_ABSENT);
	assert_int_equal(da_json_get_int(json, "none", &number), DA_E_ABSENT);
	assert_int_equal(
	    da_json_get_int_tolerant(json, "other", &number), DA_E_ABSENT);
	assert_string_equal(text, "untouched");
	assert_int_equal(number, 77);
	da_json_freep(&json);
	assert_null(json);
	da_json_free(NULL);
	json = parse("null");
	assert_null(json);
}

static void
test_integers(void **state)
{
	static const struct {
		const char *text;
		enum da_err err;
		int64_t value;
	} rows[] = {
	    {"0", DA_OK, 0},
	    {"-0", DA_OK, 0},
	    {"-1", DA_OK, -1},
	    {"4102444800", DA_OK, INT64_C(4102444800)},
	    {"9223372036854775806", DA_OK, INT64_MAX - 1},
	    {"-9223372036854775807", DA_OK, -INT64_MAX},
	    {"9223372036854775807", DA_E_RANGE, 0},
	    {"9223372036854775808", DA_E_RANGE, 0},
	    {"18446744073709551615", DA_E_RANGE, 0},
	    {"18446744073709551616", DA_E_RANGE, 0},
	    {"18446744073709551617", DA_E_RANGE, 0},
	    {"-9223372036854775808", DA_E_RANGE, 0},
	    {"-9223372036854775809", DA_E_RANGE, 0},
	    {"99999999999999999999999999999999999999", DA_E_RANGE, 0},
	    {"1.0", DA_E_RANGE, 0},
	    {"1.5", DA_E_RANGE, 0},
	    {"1e3", DA_E_RANGE, 0},
	    {"1e300", DA_E_RANGE, 0},
	    {"1e99999", DA_E_RANGE, 0},
	    {"-1e99999", DA_E_RANGE, 0},
	    {"\"1\"", DA_E_TYPE, 0},
	    {"true", DA_E_TYPE, 0},
	    {"[1]", DA_E_TYPE, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct da_json *json = parse(rows[i].text);
		int64_t value = 0;

		if (da_json_int(json, &value) != rows[i].err)
			fail_msg("%s", rows[i].text);
		assert_int_equal(value, rows[i].value);
		da_json_free(json);
	}
}

static void
test_tolerant_integers(void **state)
{
	struct da_json *json =
	    parse("{\"n\":5,\"t\":\"600\",\"e\":\"\","
		  "\"x\":\"0x5\",\"s\":\" 5\",\"m\":\"-5\",\"f\":5.5,"
		  "\"h\":\"99999999999999999999\",\"b\":true,\"p\":\"+5\"}");

	static const struct {
		const char *key;
		enum da_err err;
		int64_t value;
	} rows[] = {
	    {"n", DA_OK, 5},
	    {"t", DA_OK, 600},
	    {"e", DA_E_TYPE, 0},
	    {"x", DA_E_TYPE, 0},
	    {"s", DA_E_TYPE, 0},
	    {"p", DA_E_TYPE, 0},
	    {"m", DA_E_RANGE, 0},
	    {"f", DA_E_RANGE, 0},
	    {"h", DA_E_RANGE, 0},
	    {"b", DA_E_TYPE, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t value = 0;

		if (da_json_get_int_tolerant(json, rows[i].key, &value) !=
		    rows[i].err)
			fail_msg("%s", rows[i].key);
		assert_int_equal(value, rows[i].value);
	}
	da_json_free(json);
}

static void
test_text_is_capped_and_decoded(void **state)
{
	struct da_json *json = parse("{\"t\":\"a\\u00e9\\n\"}");
	const char *text = NULL;

	(void)state;
	assert_int_equal(da_json_get_text(json, "t", 3, &text), DA_E_TOO_LARGE);
	assert_null(text);
	assert_int_equal(da_json_get_text(json, "t", 4, &text), DA_OK);
	assert_string_equal(text, "a\xc3\xa9\n");
	da_json_free(json);
}

static size_t
put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 0x3f));
		out[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 0x3f));
	out[2] = (char)(0x80 | (c >> 6 & 0x3f));
	out[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

static size_t
put_escape(char *out, size_t size, uint32_t c)
{
	if (c < 0x10000)
		return (size_t)snprintf(out, size, "\\u%04x", c);
	c -= 0x10000;
	return (size_t)snprintf(out, size, "\\u%04x\\u%04X", 0xd800 + (c >> 10),
	    0xdc00 + (c & 0x3ff));
}

/* Every character of Unicode, written as an escape, comes out as its UTF-8:
 * json-c alone gets one in thirty-two of those above U+FFFF wrong. */
static void
test_every_code_point(void **state)
{
	enum { BATCH = 0x400 };

	static char text[BATCH * 12 + 3], expected[BATCH * 4 + 1];

	(void)state;
	for (uint32_t base = 0; base < 0x110000; base += BATCH) {
		size_t used = 1, len = 0;
		struct da_json *json;
		const char *decoded;

		if (base >= 0xd800 && base < 0xe000)
			continue;
		text[0] = '"';
		for (uint32_t c = base == 0 ? 1 : base; c < base + BATCH; c++) {
			used += put_escape(text + used, sizeof(text) - used, c);
			len += put_utf8(expected + len, c);
		}
		text[used++] = '"';
		text[used] = '\0';
		expected[len] = '\0';
		json = parse(text);
		assert_int_equal(
		    da_json_text(json, sizeof(expected), &decoded), DA_OK);
		assert_string_equal(decoded, expected);
		da_json_free(json);
	}
}

/* What looks like a pair behind an escaped backslash is none. */
static void
test_pairs_in_context(void **state)
{
	struct da_json *json =
	    parse("{\"\\ud836\\udd1e\":\"\\\\ud836\\n"
		  "\\udbff\\uDFFFx\\\\\\ud834\\udd1e\\\"\",\"b\":\"\\u0041\"}");
	const char *text;

	(void)state;
	assert_int_equal(
	    da_json_get_text(json, "\xf0\x9d\xa4\x9e", 99, &text), DA_OK);
	assert_string_equal(
	    text, "\\ud836\n\xf4\x8f\xbf\xbfx\\\xf0\x9d\x84\x9e\"");
	assert_int_equal(da_json_get_text(json, "b", 1, &text), DA_OK);
	assert_string_equal(text, "A");
	da_json_free(json);
}

static void
test_arrays(void **state)
{
	struct da_json *json = parse("[7,null,[]]");
	int64_t value;

	(void)state;
	assert_int_equal(da_json_array_len(json), 3);
	assert_int_equal(da_json_int(da_json_array_at(json, 0), &value), DA_OK);
	assert_int_equal(value, 7);
	assert_null(da_json_array_at(json, 1));
	assert_true(da_json_is_array(da_json_array_at(json, 2)));
	assert_null(da_json_array_at(json, 3));
	assert_null(da_json_array_at(json, SIZE_MAX));
	assert_null(da_json_array_at(NULL, 0));
	assert_int_equal(da_json_array_len(NULL), 0);
	da_json_free(json);
}

static void
test_next_keeps_order(void **state)
{
	struct da_json *json = parse("{\"z\":1,\"a\":null,\"m\":3}");
	struct da_json *empty = parse("{}"), *array = parse("[1]");
	const struct da_json *value;
	const char *key;
	char seen[4] = "";
	size_t iter = 0, count = 0;

	(void)state;
	while (da_json_next(json, &iter, &key, &value)) {
		seen[count++] = key[0];
		assert_int_equal(value == NULL, key[0] == 'a');
	}
	assert_string_equal(seen, "zam");
	assert_false(da_json_next(json, &iter, &key, &value));
	iter = 0;
	assert_false(da_json_next(empty, &iter, &key, &value));
	assert_false(da_json_next(empty, &iter, &key, &value));
	iter = 0;
	assert_false(da_json_next(array, &iter, &key, &value));
	assert_false(da_json_next(NULL, &iter, &key, &value));
	da_json_free(json);
	da_json_free(empty);
	da_json_free(array);
}

/* Every prefix of a document is refused, none is read beyond its end. */
static void
test_every_truncation(void **state)
{
	static const char text[] = "{\"a\":[1,-2.5e+3,\"\\ud834\\udd1e\\n\"],"
				   "\"\xc3\xa9\":{\"b\":true,\"c\":null}}";

	(void)state;
	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		char *copy = malloc(len + 1);

		assert_non_null(copy);
		memcpy(copy, text, len);
		copy = realloc(copy, len == 0 ? 1 : len);
		assert_non_null(copy);
		assert_refused(copy, len, DA_E_SYNTAX);
		free(copy);
	}
	da_json_free(parse(text));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grammar_accepted),
	    cmocka_unit_test(test_grammar_refused),
	    cmocka_unit_test(test_J19_nul_only_and_empty),
	    cmocka_unit_test(test_unicode_refused),
	    cmocka_unit_test(test_duplicate_keys),
	    cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_depth_of_objects),
	    cmocka_unit_test(test_J18_depth_of_100000),
	    cmocka_unit_test(test_members_capped),
	    cmocka_unit_test(test_J18_million_elements),
	    cmocka_unit_test(test_bytes_capped),
	    cmocka_unit_test(test_X6_many_keys_are_cheap),
	    cmocka_unit_test(test_duplicate_among_many),
	    cmocka_unit_test(test_X6_long_number),
	    cmocka_unit_test(test_diag_has_offset_and_no_content),
	    cmocka_unit_test(test_types_are_not_converted),
	    cmocka_unit_test(test_null_and_absent),
	    cmocka_unit_test(test_integers),
	    cmocka_unit_test(test_tolerant_integers),
	    cmocka_unit_test(test_text_is_capped_and_decoded),
	    cmocka_unit_test(test_every_code_point),
	    cmocka_unit_test(test_pairs_in_context),
	    cmocka_unit_test(test_arrays),
	    cmocka_unit_test(test_next_keeps_order),
	    cmocka_unit_test(test_every_truncation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
