/*
 * The parts of the https client that need no network: forms, addresses,
 * header fields, texts for failures (attacks H1, H7, H8, H9; providers.md 3).
 * The rest is tested through the worker, tests/module/test_worker.py.
 */
#include "unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <curl/curl.h>
#include <openssl/x509_vfy.h>

#include "core/attr.h"
#include "core/clock.h"
#include "core/limits.h"
#include "http/address.h"
#include "http/form.h"
#include "http/header.h"
#include "http/http.h"
#include "http/trouble.h"

static void
test_form(void **state)
{
	struct da_buf form;

	(void)state;
	da_buf_init(&form, 1024);
	assert_int_equal(da_form_put(&form, "a&b", "c=d&e=f"), DA_OK);
	assert_int_equal(da_form_put(&form, "empty", ""), DA_OK);
	assert_int_equal(da_form_put(&form, "none", NULL), DA_OK);
	assert_int_equal(
	    da_form_put(&form, "x", "+ %\r\n\x7f\xc3\xbf~-._"), DA_OK);
	assert_string_equal(da_buf_text(&form),
	    "a%26b=c%3Dd%26e%3Df&x=%2B%20%25%0D%0A%7F%C3%BF~-._");
	da_buf_done(&form);
	da_buf_init(&form, 5);
	assert_int_equal(da_form_put(&form, "a", "bcde"), DA_E_TOO_LARGE);
	da_buf_done(&form);
}

/* Every byte comes out as one that means nothing in a form. */
static void
test_form_every_byte(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		char text[2] = {(char)c, '\0'};
		struct da_buf encoded;

		da_buf_init(&encoded, 16);
		assert_int_equal(da_form_encode(&encoded, text), DA_OK);
		assert_null(strpbrk(da_buf_text(&encoded), "&=+; \r\n"));
		assert_true(encoded.len == 1 || encoded.len == 3);
		da_buf_done(&encoded);
	}
}

static bool
allowed(const char *text, bool allow_loopback)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return da_address_is_allowed(
		    (struct sockaddr *)&v4, allow_loopback);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return da_address_is_allowed((struct sockaddr *)&v6, allow_loopback);
}

static void
test_addresses(void **state)
{
	static const char *const always[] = {"192.0.2.1", "10.0.0.1",
	    "172.16.0.1", "192.168.1.1", "100.64.0.1", "1.1.1.1",
	    "223.255.255.255", "126.255.255.255", "128.0.0.1", "169.253.1.1",
	    "2001:db8::1", "fc00::1", "fd00::1", "2600::1", "::ffff:192.0.2.1",
	    "64:ff9b::192.0.2.1", "2002:c000:201::1"};
	static const char *const local[] = {"127.0.0.1", "127.255.255.255",
	    "169.254.0.1", "169.254.169.253", "::1", "fe80::1", "febf::1",
	    "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::127.0.0.1",
	    "2002:7f00:1::", "::ffff:169.254.1.1"};
	static const char *const never[] = {"0.0.0.0", "0.1.2.3", "224.0.0.1",
	    "239.255.255.255", "240.0.0.1", "255.255.255.255",
	    "169.254.169.254", "100.100.100.200", "168.63.129.16",
	    "::", "ff02::1", "fd00:ec2::254", "fd20:ce::254",
	    "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::ffff:224.0.0.1",
	    "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1"};
	struct sockaddr_un path = {.sun_family = AF_UNIX};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(always); i++)
		assert_true(
		    allowed(always[i], false) && allowed(always[i], true));
	for (size_t i = 0; i < DA_ARRAY_LEN(local); i++)
		assert_true(
		    !allowed(local[i], false) && allowed(local[i], true));
	for (size_t i = 0; i < DA_ARRAY_LEN(never); i++)
		assert_true(
		    !allowed(never[i], false) && !allowed(never[i], true));
	assert_false(da_address_is_allowed((struct sockaddr *)&path, true));
}

static void
test_lookup(void **state)
{
	char list[DA_ADDRESS_LIST_MAX + 1] = "kept";
	struct da_diag reason = {0};

	(void)state;
	assert_int_equal(
	    da_address_lookup("192.0.2.7", false, list, &reason), DA_OK);
	assert_string_equal(list, "192.0.2.7");
	assert_int_equal(
	    da_address_lookup("2001:db8::7", false, list, &reason), DA_OK);
	assert_string_equal(list, "[2001:db8::7]");
	assert_int_equal(da_address_lookup("127.0.0.1", false, list, &reason),
	    DA_E_UNREACHABLE);
	assert_string_equal(
	    reason.text, "the name leads to an address that is not allowed");
	assert_string_equal(reason.hint, "see allow_loopback");
	/* No setting allows a cloud's metadata service. */
	assert_int_equal(
	    da_address_lookup("169.254.169.254", false, list, &reason),
	    DA_E_UNREACHABLE);
	assert_string_equal(reason.hint, "");
	assert_string_equal(list, "[2001:db8::7]");
	assert_int_equal(
	    da_address_lookup("127.0.0.1", true, list, &reason), DA_OK);
	assert_string_equal(list, "127.0.0.1");
}

static enum da_err
feed(struct da_http_headers *headers, struct da_http_answer *answer,
    const char *line)
{
	return da_http_header_take(headers, answer, line, strlen(line));
}

static void
test_headers(void **state)
{
	static const struct {
		const char *line;
		const char *type;
		int64_t max_age_s, retry_after_s, idle_s;
	} rows[] = {
	    {"Content-Type: application/json\r\n", "application/json", -1, -1,
		-1},
	    {"CONTENT-TYPE:Application/JSON; charset=UTF-8\r\n",
		"application/json", -1, -1, -1},
	    {"content-type: application/jwk-set+json \r\n",
		"application/jwk-set+json", -1, -1, -1},
	    {"Content-Type:\r\n", "", -1, -1, -1},
	    {"Cache-Control: public, max-age=3600\r\n", "", 3600, -1, -1},
	    {"cache-control: MAX-AGE=60,public\r\n", "", 60, -1, -1},
	    {"Cache-Control: s-maxage=7, x-max-age=9\r\n", "", -1, -1, -1},
	    {"Cache-Control: max-age=9, no-store\r\n", "", 0, -1, -1},
	    {"Cache-Control: no-cache\r\n", "", 0, -1, -1},
	    {"Cache-Control: max-age=-5\r\n", "", -1, -1, -1},
	    {"Cache-Control: max-age=99999999999999999999\r\n", "", -1, -1, -1},
	    {"Retry-After: 7\r\n", "", -1, 7, -1},
	    {"x-retry-after: 7\r\n", "", -1, 7, -1},
	    {"Retry-After: 99999\r\n", "", -1, 3600, -1},
	    {"Retry-After: -1\r\n", "", -1, -1, -1},
	    {"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n", "", -1, -1, -1},
	    {"Keep-Alive: timeout=5, max=100\r\n", "", -1, -1, 5},
	    {"Keep-Alive: 5\r\n", "", -1, -1, -1},
	    {"Set-Cookie: max-age=5\r\n", "", -1, -1, -1},
	    {"No colon at all\r\n", "", -1, -1, -1},
	    {": nameless\r\n", "", -1, -1, -1},
	    {"\r\n", "", -1, -1, -1},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_http_headers headers = {.idle_s = -1};
		struct da_http_answer answer = {
		    .max_age_s = -1, .retry_after_s = -1};

		assert_int_equal(feed(&headers, &answer, rows[i].line), DA_OK);
		assert_string_equal(answer.content_type, rows[i].type);
		assert_int_equal(answer.max_age_s, rows[i].max_age_s);
		assert_int_equal(answer.retry_after_s, rows[i].retry_after_s);
		assert_int_equal(headers.idle_s, rows[i].idle_s);
		/* An interim answer leaves nothing behind. */
		assert_int_equal(
		    feed(&headers, &answer, "HTTP/1.1 200 OK\r\n"), DA_OK);
		assert_string_equal(answer.content_type, "");
		assert_int_equal(answer.max_age_s, -1);
		assert_int_equal(answer.retry_after_s, -1);
		assert_int_equal(headers.idle_s, -1);
	}
}

/* RFC 9449 8.1, attack H13. */
static void
test_dpop_nonce(void **state)
{
	static const struct {
		const char *line, *nonce;
	} rows[] = {
	    {"DPoP-Nonce: eyJ7S_zG.eyJH0-Z\r\n", "eyJ7S_zG.eyJH0-Z"},
	    {"dpop-nonce:aB'~!\r\n", "aB'~!"},
	    {"DPOP-NONCE: \t x \r\n", "x"},
	    {"DPoP-Nonce:\r\n", ""},
	    {"DPoP-Nonce: a b\r\n", ""},
	    {"DPoP-Nonce: a\"b\r\n", ""},
	    {"DPoP-Nonce: a\\b\r\n", ""},
	    {"DPoP-Nonce: a\x7f\r\n", ""},
	    {"DPoP-Nonce: a\xc3\xa9\r\n", ""},
	    {"DPoP-Nonce: a\rb\r\n", ""},
	    {"X-DPoP-Nonce: a\r\n", ""},
	};
	struct da_http_headers headers = {.idle_s = -1};
	struct da_http_answer answer = {0};
	char line[DA_DPOP_NONCE_MAX + 32];

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		assert_int_equal(
		    feed(&headers, &answer, "HTTP/1.1 200 OK\r\n"), DA_OK);
		assert_int_equal(feed(&headers, &answer, rows[i].line), DA_OK);
		assert_string_equal(answer.dpop_nonce, rows[i].nonce);
	}
	/* Of two, none; also not a third. */
	assert_int_equal(feed(&headers, &answer, "HTTP/1.1 200 OK\r\n"), DA_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(
		    feed(&headers, &answer, "DPoP-Nonce: a\r\n"), DA_OK);
		assert_string_equal(answer.dpop_nonce, i == 0 ? "a" : "");
	}
	/* An interim answer's does not count. */
	assert_int_equal(feed(&headers, &answer, "HTTP/1.1 200 OK\r\n"), DA_OK);
	assert_string_equal(answer.dpop_nonce, "");
	for (int surplus = 0; surplus <= 1; surplus++) {
		(void)snprintf(line, sizeof(line), "DPoP-Nonce: %0*d\r\n",
		    DA_DPOP_NONCE_MAX + surplus, 0);
		assert_int_equal(
		    feed(&headers, &answer, "HTTP/1.1 200 OK\r\n"), DA_OK);
		assert_int_equal(feed(&headers, &answer, line), DA_OK);
		assert_int_equal(strlen(answer.dpop_nonce),
		    surplus == 0 ? DA_DPOP_NONCE_MAX : 0);
	}
}

static void
test_headers_refused(void **state)
{
	struct da_http_headers headers = {.idle_s = -1};
	struct da_http_answer answer = {0};
	char line[1024];
	size_t taken = 0;

	(void)state;
	assert_int_equal(
	    da_http_header_take(&headers, &answer, "X: a\0b\r\n", 8),
	    DA_E_SYNTAX);
	assert_int_equal(
	    feed(&headers, &answer, "Content-Length: 5\r\n"), DA_OK);
	assert_int_equal(
	    feed(&headers, &answer, "content-length: 5\r\n"), DA_E_SYNTAX);
	/* Counted over all interim answers (H7, 100-continue flood). */
	headers = (struct da_http_headers){.idle_s = -1};
	memset(line, 'a', sizeof(line));
	while (da_http_header_take(&headers, &answer, line, sizeof(line)) ==
	    DA_OK) {
		taken += sizeof(line);
		assert_int_equal(
		    feed(&headers, &answer, "HTTP/1.1 100 Continue\r\n"),
		    DA_OK);
	}
	assert_true(taken > 30 * 1024 && taken <= DA_HEADERS_MAX);
}

static void
test_trouble(void **state)
{
	static const struct {
		struct da_http_trouble trouble;
		enum da_err err;
		bool may_pass;
		const char *reason;
	} rows[] = {
	    {{.curl = CURLE_COULDNT_CONNECT, .os_errno = ECONNREFUSED},
		DA_E_UNREACHABLE, true, "connection refused"},
	    {{.curl = CURLE_COULDNT_CONNECT, .os_errno = EHOSTUNREACH},
		DA_E_UNREACHABLE, true, "no route to the host"},
	    {{.curl = CURLE_COULDNT_CONNECT, .address_refused = true},
		DA_E_UNREACHABLE, false,
		"the name leads to an address that is not allowed"},
	    {{.curl = CURLE_OPERATION_TIMEDOUT}, DA_E_UNREACHABLE, true,
		"no answer in time"},
	    {{.curl = CURLE_PEER_FAILED_VERIFICATION,
		 .verify = X509_V_ERR_CERT_HAS_EXPIRED},
		DA_E_UNREACHABLE, false, "certificate expired"},
	    {{.curl = CURLE_PEER_FAILED_VERIFICATION,
		 .verify = X509_V_ERR_HOSTNAME_MISMATCH},
		DA_E_UNREACHABLE, false, "certificate is for another host"},
	    {{.curl = CURLE_PEER_FAILED_VERIFICATION, .verify = X509_V_OK},
		DA_E_UNREACHABLE, false, "certificate is for another host"},
	    {{.curl = CURLE_PEER_FAILED_VERIFICATION,
		 .verify = X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY},
		DA_E_UNREACHABLE, false, "certificate not trusted"},
	    {{.curl = CURLE_PEER_FAILED_VERIFICATION, .verify = 9999},
		DA_E_UNREACHABLE, false, "certificate not valid"},
	    {{.curl = CURLE_WRITE_ERROR, .too_large = true}, DA_E_PROTOCOL,
		false, "the answer is too large"},
	    {{.curl = CURLE_WEIRD_SERVER_REPLY}, DA_E_PROTOCOL, false,
		"the answer is not HTTP/1.1"},
	    {{.curl = CURLE_SSL_CACERT_BADFILE}, DA_E_CONFIG, false,
		"the CA file holds no certificate"},
	    /* What nobody has thought of is no success. */
	    {{.curl = CURLE_OK}, DA_E_UNREACHABLE, false, "the request failed"},
	    {{.curl = CURL_LAST}, DA_E_UNREACHABLE, false,
		"the request failed"},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		const char *reason;
		bool may_pass;

		assert_int_equal(
		    da_http_explain(&rows[i].trouble, &reason, &may_pass),
		    rows[i].err);
		assert_int_equal(may_pass, rows[i].may_pass);
		assert_string_equal(reason, rows[i].reason);
		assert_string_equal(da_http_hint(&rows[i].trouble),
		    strcmp(reason, "certificate not trusted") == 0
			? "see ca_file"
			: "");
	}
}

/* Nothing is sent for an address that is not https, or whose name was not
 * looked up. */
static void
test_send_refused(void **state)
{
	static const struct {
		const char *url;
		enum da_err err;
	} rows[] = {
	    {"http://127.0.0.1:9/", DA_E_BUG},
	    {"file:///etc/passwd", DA_E_BUG},
	    {"https://user@127.0.0.1:9/", DA_E_BUG},
	    {"https://unknown.example/", DA_E_UNREACHABLE},
	    {"https://127.0.0.1:9/", DA_E_UNREACHABLE},
	};
	struct da_http_config config = {.timeout_ms = 1000, .abort_fd = -1};
	struct da_http *http;

	(void)state;
	assert_int_equal(da_http_setup(), DA_OK);
	assert_int_equal(da_http_new(&config, &http), DA_OK);
	assert_int_equal(da_http_lookup(http, "127.0.0.1"), DA_OK);
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_http_request request = {.url = rows[i].url,
		    .deadline_mono_ms = da_clock_mono_ms() + 1000};
		struct da_http_answer answer;
		struct da_diag reason = {0};

		assert_int_equal(da_http_send(http, &request, &answer, &reason),
		    rows[i].err);
		da_http_answer_done(&answer);
	}
	da_http_free(http);
}

static void
test_hosts_are_bounded(void **state)
{
	struct da_http_config config = {.timeout_ms = 1000, .abort_fd = -1};
	struct da_http *http;
	char host[32];

	(void)state;
	assert_int_equal(da_http_new(&config, &http), DA_OK);
	for (int i = 0; i < DA_HTTP_HOSTS_MAX; i++) {
		(void)snprintf(host, sizeof(host), "192.0.2.%d", i);
		assert_int_equal(da_http_lookup(http, host), DA_OK);
		assert_int_equal(da_http_lookup(http, host), DA_OK);
	}
	assert_int_equal(da_http_lookup(http, "192.0.2.200"), DA_E_TOO_LARGE);
	da_http_free(http);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_form),
	    cmocka_unit_test(test_form_every_byte),
	    cmocka_unit_test(test_addresses),
	    cmocka_unit_test(test_lookup),
	    cmocka_unit_test(test_headers),
	    cmocka_unit_test(test_headers_refused),
	    cmocka_unit_test(test_dpop_nonce),
	    cmocka_unit_test(test_trouble),
	    cmocka_unit_test(test_send_refused),
	    cmocka_unit_test(test_hosts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
