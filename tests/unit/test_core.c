/* core/: text, numbers, buffers. */
#include "unit.h"

#include <string.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/parse.h"
#include "core/secret.h"
#include "core/text.h"

static void
test_parse_int(void **state)
{
	static const char *const bad[] = {"", "-", " 5", "5 ", "+5", "0x10",
	    "1e3", "1.0", "--1", "5\n", "\xd9\xa3"};
	int64_t value = 7;

	(void)state;
	assert_int_equal(da_parse_int("0", 0, 9, &value), DA_OK);
	assert_int_equal(value, 0);
	assert_int_equal(da_parse_int("-12", -20, 9, &value), DA_OK);
	assert_int_equal(value, -12);
	assert_int_equal(
	    da_parse_int("9223372036854775807", 0, INT64_MAX, &value), DA_OK);
	assert_true(value == INT64_MAX);
	assert_int_equal(
	    da_parse_int("-9223372036854775808", INT64_MIN, 0, &value), DA_OK);
	assert_true(value == INT64_MIN);
	value = 7;
	assert_int_equal(
	    da_parse_int("9223372036854775808", 0, INT64_MAX, &value),
	    DA_E_RANGE);
	assert_int_equal(da_parse_int("10", 0, 9, &value), DA_E_RANGE);
	for (size_t i = 0; i < DA_ARRAY_LEN(bad); i++)
		assert_int_equal(
		    da_parse_int(bad[i], INT64_MIN, INT64_MAX, &value),
		    DA_E_SYNTAX);
	assert_int_equal(value, 7);
}

static void
test_parse_span(void **state)
{
	int64_t value = 0;

	(void)state;
	assert_int_equal(da_parse_span_s("90", 1, 100, &value), DA_OK);
	assert_int_equal(value, 90);
	assert_int_equal(da_parse_span_s("5min", 1, 1000, &value), DA_OK);
	assert_int_equal(value, 300);
	assert_int_equal(da_parse_span_s("30d", 1, 3000000, &value), DA_OK);
	assert_int_equal(value, 2592000);
	assert_int_equal(
	    da_parse_span_s("5 min", 1, 1000, &value), DA_E_SYNTAX);
	assert_int_equal(da_parse_span_s("5m", 1, 1000, &value), DA_E_SYNTAX);
	assert_int_equal(da_parse_span_s("0s", 1, 1000, &value), DA_E_RANGE);
	assert_int_equal(
	    da_parse_span_s("9223372036854775807d", 1, INT64_MAX, &value),
	    DA_E_RANGE);
	assert_int_equal(value, 2592000);
}

static void
test_format_span(void **state)
{
	static const struct {
		int64_t span_s;
		const char *text;
	} cases[] = {{0, "0 seconds"}, {-3600, "0 seconds"}, {1, "1 second"},
	    {90, "1 minute 30 seconds"}, {3600, "1 hour"}, {604800, "7 days"},
	    {604801, "7 days 1 second"}, {694861, "8 days 1 hour"},
	    {INT64_MAX, "106751991167300 days 15 hours"}};

	char text[DA_CLOCK_SPAN_MAX];

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(cases); i++) {
		da_clock_format_span(cases[i].span_s, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void
test_text_escape(void **state)
{
	char out[16];

	(void)state;
	da_text_escape("a\033[31m\\", out, sizeof(out));
	assert_string_equal(out, "a\\x1b[31m\\x5c");
	/* Escaped once, also when somebody does it again. */
	da_text_escape_rest("a\033\\", out, sizeof(out));
	assert_string_equal(out, "a\\x1b\\");
	da_text_escape_rest("a\\x1b\\xff\\", out, sizeof(out));
	assert_string_equal(out, "a\\x1b\\xff\\");
	/* Never cuts an escape in half. */
	da_text_escape("abcdefghijklm\n", out, sizeof(out));
	assert_string_equal(out, "abcdefghijklm");
	da_text_reduce("Zo\xc3\xab\x1b\x7f", out, sizeof(out));
	assert_string_equal(out, "Zo???");
	da_text_escape("anything", out, 1);
	assert_string_equal(out, "");
}

static void
test_text_utf8(void **state)
{
	static const char *const bad[] = {"\x80", "\xc0\xaf", "\xe0\x80\x80",
	    "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "\xc3",
	    "\xe2\x96", "\xff"};

	(void)state;
	assert_true(da_text_is_utf8("", 0));
	assert_true(
	    da_text_is_utf8("Zo\xc3\xab \xe2\x96\x88 \xf0\x9f\x98\x80", 13));
	for (size_t i = 0; i < DA_ARRAY_LEN(bad); i++)
		assert_false(da_text_is_utf8(bad[i], strlen(bad[i])));
}

static void
test_text_https(void **state)
{
	static const char *const good[] = {"https://a", "https://a.b:8443/x",
	    "https://[::1]:1/y", "https://a//b?c=d#e", "https://a?x=%20"};
	static const char *const bad[] = {"", "http://a", "https://",
	    "https:///x", "https://u@h/", "https://h:u@x/", "https://h:/",
	    "https://h:0/", "https://h:65536/", "https://h:123456/",
	    "https://h\\@x/", "https://h/ x", "https://h/\x1b", "https://h/\"",
	    "https://\xd0\xb0/", "HTTPS://a/", "https://[::1/", "https://h/<b>",
	    "https://h\n/", "javascript:1", "https://h/\xc3\xab"};
	char host[8], long_uri[DA_URI_MAX + 2];

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(good); i++)
		assert_int_equal(da_text_check_https(good[i]), DA_OK);
	for (size_t i = 0; i < DA_ARRAY_LEN(bad); i++)
		assert_int_equal(da_text_check_https(bad[i]), DA_E_SYNTAX);
	memset(long_uri, 'a', sizeof(long_uri));
	memcpy(long_uri, "https://", 8);
	long_uri[sizeof(long_uri) - 1] = '\0';
	assert_int_equal(da_text_check_https(long_uri), DA_E_TOO_LARGE);
	assert_int_equal(
	    da_text_uri_host("https://A.b:1/", host, sizeof(host)), DA_OK);
	assert_string_equal(host, "a.b");
	assert_int_equal(
	    da_text_uri_host("https://[::1]/", host, sizeof(host)), DA_OK);
	assert_string_equal(host, "::1");
	assert_int_equal(
	    da_text_uri_host("https://longlong/", host, sizeof(host)),
	    DA_E_TOO_LARGE);
	assert_int_equal(da_text_uri_port("https://a/"), 443);
	assert_int_equal(da_text_uri_port("https://a:8443/"), 8443);
}

static void
test_text_copy(void **state)
{
	char out[4] = "xyz";

	(void)state;
	assert_int_equal(da_text_copy("abc", out, sizeof(out)), DA_OK);
	assert_string_equal(out, "abc");
	assert_int_equal(
	    da_text_copy("abcd", out, sizeof(out)), DA_E_TOO_LARGE);
	assert_string_equal(out, "");
}

static void
test_buf_maximum(void **state)
{
	struct da_buf buf;

	(void)state;
	da_buf_init(&buf, 5);
	assert_string_equal(da_buf_text(&buf), "");
	assert_int_equal(da_buf_put(&buf, "abc", 3), DA_OK);
	assert_int_equal(da_buf_put(&buf, "def", 3), DA_E_TOO_LARGE);
	assert_string_equal(da_buf_text(&buf), "abc");
	assert_int_equal(da_buf_format(&buf, "%s", "de"), DA_OK);
	assert_string_equal(da_buf_text(&buf), "abcde");
	assert_int_equal(da_buf_format(&buf, "%s", "f"), DA_E_TOO_LARGE);
	assert_string_equal(da_buf_text(&buf), "abcde");
	da_buf_done(&buf);
	assert_int_equal(buf.len, 0);
}

static void
test_diag_escapes(void **state)
{
	struct da_diag diag = {0};

	(void)state;
	da_diag_set(&diag, "%s", "evil\r\nresult=allowed");
	assert_string_equal(diag.text, "evil\\x0d\\x0aresult=allowed");
	da_diag_set(NULL, "nobody listens");
	da_diag_hint(&diag, "see %s", "\033[2J");
	assert_string_equal(diag.hint, "see \\x1b[2J");
	assert_string_equal(diag.text, "evil\\x0d\\x0aresult=allowed");
	/* Another text, and the hint to the old one would mislead. */
	da_diag_set(&diag, "other");
	assert_string_equal(diag.hint, "");
	da_diag_hint(NULL, "nobody listens");
}

static void
test_err_table(void **state)
{
	(void)state;
	assert_string_equal(da_err_reason(DA_E_DENIED), "denied");
	assert_string_equal(da_err_reason((enum da_err)9999), "unknown");
	assert_int_equal(da_err_from_wire(33), DA_E_DENIED);
	assert_int_equal(da_err_from_wire(9999), DA_E_WIRE);
	assert_int_equal(da_err_from_wire(0), DA_OK);
}

static void
test_secret(void **state)
{
	struct da_secret a = {0}, b = {0};

	(void)state;
	assert_int_equal(da_secret_set(&a, "token", 5), DA_OK);
	assert_int_equal(da_secret_set(&b, "tokem", 5), DA_OK);
	assert_false(da_secret_equal(&a, &b));
	b.bytes[4] = 'n';
	assert_true(da_secret_equal(&a, &b));
	b.len = 4;
	assert_false(da_secret_equal(&a, &b));
	da_secret_done(&a);
	da_secret_done(&a);
	da_secret_done(&b);
	assert_null(a.bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_parse_int),
	    cmocka_unit_test(test_parse_span),
	    cmocka_unit_test(test_format_span),
	    cmocka_unit_test(test_text_escape),
	    cmocka_unit_test(test_text_utf8),
	    cmocka_unit_test(test_text_https),
	    cmocka_unit_test(test_text_copy),
	    cmocka_unit_test(test_buf_maximum),
	    cmocka_unit_test(test_diag_escapes),
	    cmocka_unit_test(test_err_table),
	    cmocka_unit_test(test_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
