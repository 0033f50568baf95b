/*
 * Requests to and answers of a provider: what real ones send
 * (providers.md 1-5, 7-10, 16) and what hostile ones would (attacks D4, D7,
 * H4, H9, N3, N14, N18, J22).
 */
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/attr.h"
#include "core/limits.h"
#include "core/text.h"
#include "json/json.h"
#include "provider/answer.h"
#include "core/assurance.h"
#include "provider/assurance.h"
#include "provider/claims.h"
#include "provider/client_auth.h"
#include "provider/device.h"
#include "provider/discovery.h"
#include "provider/token.h"
#include "provider/token_status.h"

#define ISSUER "https://login.example.com/realms/corp"
#define ROOM (512 * 1024)

static const struct da_provider provider = {
    ISSUER, "keys.example.net  XN--BCHER-KVA.example "};

/* A body from a text in which ' stands for ". */
static struct da_buf
body_of(const char *text)
{
	struct da_buf body;

	da_buf_init(&body, ROOM);
	for (; *text != '\0'; text++)
		assert_int_equal(
		    da_buf_put(&body, *text == '\'' ? "\"" : text, 1), DA_OK);
	return body;
}

/* An object with the members of a good one and those given on top. */
static struct da_buf
object_of(const char *const good[][2], size_t count, const char *member,
    const char *value)
{
	struct da_buf text, body;
	const char *comma = "";

	da_buf_init(&text, ROOM);
	assert_int_equal(da_buf_put_text(&text, "{"), DA_OK);
	for (size_t i = 0; i < count; i++) {
		if (member != NULL && strcmp(good[i][0], member) == 0)
			continue;
		assert_int_equal(da_buf_format(&text, "%s'%s': %s", comma,
				     good[i][0], good[i][1]),
		    DA_OK);
		comma = ", ";
	}
	if (member != NULL && value != NULL)
		assert_int_equal(
		    da_buf_format(&text, "%s'%s': %s", comma, member, value),
		    DA_OK);
	assert_int_equal(da_buf_put_text(&text, "}"), DA_OK);
	body = body_of(da_buf_text(&text));
	da_buf_done(&text);
	return body;
}

/* ---- discovery ---- */

static const char *const good_metadata[][2] = {
    {"issuer", "'" ISSUER "'"},
    {"device_authorization_endpoint", "'https://login.example.com:8443/a//b'"},
    {"token_endpoint", "'https://login.example.com/t?tenant=1'"},
    {"jwks_uri", "'https://KEYS.example.net/jwks'"},
    {"userinfo_endpoint", "'https://login.example.com/me'"},
    {"revocation_endpoint", "'https://login.example.com/revoke'"},
    {"introspection_endpoint", "'https://keys.example.net/look'"},
    {"x_unknown", "[1, null, {'a': true}]"},
};

static enum da_err
discover(const char *member, const char *value, struct da_endpoints *ret,
    struct da_diag *reason)
{
	struct da_buf body = object_of(
	    good_metadata, DA_ARRAY_LEN(good_metadata), member, value);
	enum da_err err = da_discovery_parse(&body, &provider, ret, reason);

	da_buf_done(&body);
	return err;
}

static void
test_discovery(void **state)
{
	struct da_endpoints found = {0};
	struct da_diag reason = {0};

	(void)state;
	assert_int_equal(discover(NULL, NULL, &found, &reason), DA_OK);
	assert_string_equal(
	    found.device, "https://login.example.com:8443/a//b");
	assert_string_equal(
	    found.token, "https://login.example.com/t?tenant=1");
	assert_string_equal(found.jwks, "https://KEYS.example.net/jwks");
	assert_string_equal(found.userinfo, "https://login.example.com/me");
	assert_string_equal(
	    found.revocation, "https://login.example.com/revoke");
	assert_string_equal(
	    found.introspection, "https://keys.example.net/look");
	assert_int_equal(
	    discover("userinfo_endpoint", NULL, &found, &reason), DA_OK);
	assert_string_equal(found.userinfo, "");
	assert_int_equal(
	    discover("revocation_endpoint", NULL, &found, &reason), DA_OK);
	assert_string_equal(found.revocation, "");
}

static void
test_discovery_refused(void **state)
{
	static const struct {
		const char *member, *value;
		enum da_err err;
	} rows[] = {
	    {"issuer", NULL, DA_E_PROTOCOL},
	    {"issuer", "'" ISSUER "/'", DA_E_PROTOCOL},
	    {"issuer", "'https://LOGIN.example.com/realms/corp'",
		DA_E_PROTOCOL},
	    {"issuer", "'https://login.example.com/realms/cor'", DA_E_PROTOCOL},
	    {"issuer", "['" ISSUER "']", DA_E_PROTOCOL},
	    {"issuer", "null", DA_E_PROTOCOL},
	    {"token_endpoint", NULL, DA_E_PROTOCOL},
	    {"jwks_uri", "null", DA_E_PROTOCOL},
	    {"device_authorization_endpoint", NULL, DA_E_PROVIDER},
	    {"token_endpoint", "'http://login.example.com/t'", DA_E_PROTOCOL},
	    {"token_endpoint", "'https://elsewhere.example/t'", DA_E_PROTOCOL},
	    {"token_endpoint",
		"'https://login.example.com@elsewhere.example/t'",
		DA_E_PROTOCOL},
	    {"token_endpoint", "'https://login.example.com.evil.example/t'",
		DA_E_PROTOCOL},
	    {"token_endpoint", "'https://sub.login.example.com/t'",
		DA_E_PROTOCOL},
	    {"token_endpoint", "'https://login.example.com/t#x'",
		DA_E_PROTOCOL},
	    {"token_endpoint", "'https://login.example.com/t\\r\\nX: y'",
		DA_E_PROTOCOL},
	    {"token_endpoint", "'https://login.example.com:99999/t'",
		DA_E_PROTOCOL},
	    {"token_endpoint", "'/t'", DA_E_PROTOCOL},
	    {"token_endpoint", "443", DA_E_PROTOCOL},
	    {"jwks_uri", "'file:///etc/passwd'", DA_E_PROTOCOL},
	    {"userinfo_endpoint", "'https://elsewhere.example/me'",
		DA_E_PROTOCOL},
	    {"revocation_endpoint", "'https://elsewhere.example/r'",
		DA_E_PROTOCOL},
	    {"introspection_endpoint", "'http://login.example.com/i'",
		DA_E_PROTOCOL},
	};
	struct da_endpoints untouched = {.token = "kept"};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_diag reason = {0};

		assert_int_equal(discover(rows[i].member, rows[i].value,
				     &untouched, &reason),
		    rows[i].err);
		assert_string_equal(untouched.token, "kept");
		assert_string_not_equal(reason.text, "");
		assert_null(strstr(reason.text, "elsewhere"));
	}
}

/* Both issuers for the log, whatever the provider calls itself. */
static void
test_discovery_names_the_issuers(void **state)
{
	struct da_endpoints unused;
	struct da_diag reason = {0};

	(void)state;
	assert_int_equal(discover("issuer", "'" ISSUER "/'", &unused, &reason),
	    DA_E_PROTOCOL);
	assert_string_equal(
	    reason.text, "its metadata is that of another issuer");
	assert_string_equal(
	    reason.hint, "it is \"" ISSUER "/\", configured \"" ISSUER "\"");
	assert_int_equal(
	    discover("issuer", "'https://x/\\u00ea'", &unused, &reason),
	    DA_E_PROTOCOL);
	assert_string_equal(reason.hint,
	    "it is \"https://x/\\xc3\\xaa\", configured \"" ISSUER "\"");
}

static void
test_discovery_not_json(void **state)
{
	static const char *const texts[] = {"", "{", "[]", "42", "'x'", "null",
	    "{'issuer': '" ISSUER "', 'issuer': 'x'}", "<html>",
	    "\xef\xbb\xbf{}"};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(texts); i++) {
		struct da_buf body = body_of(texts[i]);
		struct da_endpoints found;
		struct da_diag reason = {0};

		assert_int_equal(
		    da_discovery_parse(&body, &provider, &found, &reason),
		    DA_E_PROTOCOL);
		assert_string_not_equal(reason.text, "");
		da_buf_done(&body);
	}
}

static void
test_discovery_uri(void **state)
{
	static const struct {
		const char *issuer;
		enum da_discovery_form form;
		const char *uri;
	} rows[] = {
	    {"https://a.example", DA_DISCOVERY_OPENID,
		"https://a.example/.well-known/openid-configuration"},
	    {"https://a.example/", DA_DISCOVERY_OPENID,
		"https://a.example/.well-known/openid-configuration"},
	    {"https://a.example:8443/r/c", DA_DISCOVERY_OPENID,
		"https://a.example:8443/r/c/.well-known/openid-configuration"},
	    {"https://a.example", DA_DISCOVERY_OAUTH,
		"https://a.example/.well-known/oauth-authorization-server"},
	    {"https://a.example:8443/r/c/", DA_DISCOVERY_OAUTH,
		"https://a.example:8443/.well-known/"
		"oauth-authorization-server/r/c"},
	};

	static const char *const bad[] = {"", "http://a.example", "a.example",
	    "https://a.example?x=1", "https://a.example/#x",
	    "https://u@a.example", "https://"};
	char uri[DA_URI_MAX + 1], longest[DA_URI_MAX + 1];

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		assert_int_equal(
		    da_discovery_uri(rows[i].issuer, rows[i].form, uri), DA_OK);
		assert_string_equal(uri, rows[i].uri);
	}
	for (size_t i = 0; i < DA_ARRAY_LEN(bad); i++)
		assert_int_equal(
		    da_discovery_uri(bad[i], DA_DISCOVERY_OPENID, uri),
		    DA_E_CONFIG);
	memset(longest, 'a', DA_URI_MAX);
	memcpy(longest, "https://a/", 10);
	longest[DA_URI_MAX] = '\0';
	assert_int_equal(da_discovery_uri(longest, DA_DISCOVERY_OPENID, uri),
	    DA_E_TOO_LARGE);
}

static void
test_hosts(void **state)
{
	static const char *const hosts[] = {
	    "login.example.com", "keys.example.net", "xn--bcher-kva.example"};
	char host[DA_HOST_MAX + 1];
	size_t iter = 0, count = 0;

	(void)state;
	while (da_provider_next_host(&provider, &iter, host)) {
		assert_true(count < DA_ARRAY_LEN(hosts));
		assert_string_equal(host, hosts[count++]);
	}
	assert_int_equal(count, DA_ARRAY_LEN(hosts));
}

/* ---- device answer ---- */

static const char *const good_device[][2] = {
    {"device_code", "'dc-1'"},
    {"user_code", "'WDJB-MJHT'"},
    {"verification_uri", "'https://login.example.com/device'"},
    {"verification_uri_complete", "'https://login.example.com/device?u=W'"},
    {"expires_in", "600"},
    {"interval", "5"},
};

static enum da_err
device(const char *member, const char *value, struct da_device_answer *ret)
{
	struct da_buf body =
	    object_of(good_device, DA_ARRAY_LEN(good_device), member, value);
	struct da_diag reason = {0};
	enum da_err err =
	    da_device_answer_parse(200, &body, &provider, ret, &reason);

	if (err != DA_OK)
		assert_string_not_equal(reason.text, "");
	da_buf_done(&body);
	return err;
}

static void
test_device(void **state)
{
	struct da_device_answer answer;

	(void)state;
	assert_int_equal(device("x", "{'y': [null]}", &answer), DA_OK);
	assert_string_equal((char *)answer.device_code.bytes, "dc-1");
	assert_string_equal(answer.user_code, "WDJB-MJHT");
	assert_string_equal(answer.uri, "https://login.example.com/device");
	assert_string_equal(
	    answer.uri_complete, "https://login.example.com/device?u=W");
	assert_int_equal(answer.expires_in_s, 600);
	assert_int_equal(answer.interval_s, 5);
	da_device_answer_done(&answer);
}

/* providers.md 1: everything here is seen in the wild. */
static void
test_device_numbers(void **state)
{
	static const struct {
		const char *member, *value;
		int64_t interval_s, expires_in_s;
	} rows[] = {
	    {"interval", NULL, -1, 600},
	    {"interval", "null", -1, 600},
	    {"interval", "'7'", 7, 600},
	    {"interval", "0", 0, 600},
	    {"interval", "600", 600, 600},
	    {"interval", "-5", -1, 600},
	    {"interval", "'soon'", -1, 600},
	    {"interval", "[5]", -1, 600},
	    {"interval", "2.5", -1, 600},
	    {"interval", "1e300", -1, 600},
	    {"expires_in", "'900'", 5, 900},
	    {"expires_in", "1", 5, 1},
	    {"expires_in", "86400", 5, DA_CODE_LIFE_MAX_S},
	    {"expires_in", "9223372036854775806", 5, DA_CODE_LIFE_MAX_S},
	    {"expires_in", "599.9", 5, DA_CODE_LIFE_DEFAULT_S},
	    {"expires_in", NULL, 5, DA_CODE_LIFE_DEFAULT_S},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_device_answer answer;

		assert_int_equal(
		    device(rows[i].member, rows[i].value, &answer), DA_OK);
		assert_int_equal(answer.interval_s, rows[i].interval_s);
		assert_int_equal(answer.expires_in_s, rows[i].expires_in_s);
		da_device_answer_done(&answer);
	}
}

static void
test_device_shown_as_sent(void **state)
{
	static const char *const codes[] = {"WDJB-MJHT", "WDJBMJHT",
	    "wdjb mjht", "123-456-789", "123456789", "%n%s%x", "a"};
	static const char *const uris[] = {
	    "https://microsoft.example/devicelogin",
	    "https://login.example.com:8443//a//b?x=%20y#z",
	    "https://[2001:db8::1]:443/device",
	    /* Punycode where the profile names the host itself. */
	    "https://xn--bcher-kva.example/device",
	};
	struct da_device_answer answer;
	char quoted[DA_URI_MAX + 3];

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(codes); i++) {
		(void)snprintf(quoted, sizeof(quoted), "'%s'", codes[i]);
		assert_int_equal(device("user_code", quoted, &answer), DA_OK);
		assert_string_equal(answer.user_code, codes[i]);
		da_device_answer_done(&answer);
	}
	for (size_t i = 0; i < DA_ARRAY_LEN(uris); i++) {
		(void)snprintf(quoted, sizeof(quoted), "'%s'", uris[i]);
		assert_int_equal(
		    device("verification_uri", quoted, &answer), DA_OK);
		assert_string_equal(answer.uri, uris[i]);
		da_device_answer_done(&answer);
	}
}

static void
test_device_old_name(void **state)
{
	struct da_device_answer answer;
	struct da_buf body =
	    body_of("{'device_code': 'd', 'user_code': 'u', "
		    "'verification_url': 'https://g.example/d',"
		    " 'expires_in': 1800, 'interval': 5}");
	struct da_diag reason;

	(void)state;
	assert_int_equal(
	    da_device_answer_parse(200, &body, &provider, &answer, &reason),
	    DA_OK);
	assert_string_equal(answer.uri, "https://g.example/d");
	assert_string_equal(answer.uri_complete, "");
	da_device_answer_done(&answer);
	da_buf_done(&body);
}

/* The QR code leads where the text says, or to the plain address. */
static void
test_device_complete(void **state)
{
	static const char *const unfit[] = {NULL, "null", "5",
	    "'http://login.example.com/device?u=W'",
	    "'https://elsewhere.example/device?u=W'",
	    "'https://login.example.com@elsewhere.example/?u=W'",
	    "'javascript:alert(1)'", "'https://login.example.com/ x'"};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(unfit); i++) {
		struct da_device_answer answer;

		assert_int_equal(
		    device("verification_uri_complete", unfit[i], &answer),
		    DA_OK);
		assert_string_equal(answer.uri_complete, "");
		da_device_answer_done(&answer);
	}
}

/* D4: nothing of it is shown. */
static void
test_device_refused(void **state)
{
	static const struct {
		const char *member, *value;
	} rows[] = {
	    {"device_code", NULL},
	    {"device_code", "''"},
	    {"device_code", "7"},
	    {"user_code", NULL},
	    {"user_code", "''"},
	    {"user_code", "'   '"},
	    {"user_code", "12345678"},
	    {"user_code", "['WDJB']"},
	    {"user_code", "'WDJB\\u001b[2J'"},
	    {"user_code", "'WDJB\\u009b2J'"},
	    {"user_code", "'WDJB\\r\\nPassword: '"},
	    {"user_code", "'WDJB\\u0000'"},
	    {"user_code", "'WDJB\\u202eMJHT'"},
	    {"user_code", "'WD\\u200bJB'"},
	    {"user_code", "'W\\u0301'"},
	    {"user_code", "'\xff'"},
	    {"user_code",
		"'01234567890123456789012345678901"
		"012345678901234567890123456789012'"},
	    {"verification_uri", NULL},
	    {"verification_uri", "''"},
	    {"verification_uri", "443"},
	    {"verification_uri", "'http://login.example.com/device'"},
	    {"verification_uri", "'javascript:alert(1)'"},
	    {"verification_uri", "'https://login.example.com@evil.example/'"},
	    {"verification_uri", "'https://l\xd0\xbegin.example.com/device'"},
	    {"verification_uri", "'https://xn--lgin-vqe.example.com/device'"},
	    {"verification_uri", "'https://www.xn--lgin-vqe.example/device'"},
	    {"verification_uri", "'https://login.example.com/\\u001b]8;;'"},
	    {"verification_uri", "'https://login.example.com/\\u202ex'"},
	    {"verification_uri", "'https://a.example/ https://b.example/'"},
	    {"verification_uri", "'https:\\\\\\\\a.example\\\\device'"},
	    {"expires_in", "0"},
	    {"expires_in", "-1"},
	    {"expires_in", "'never'"},
	    {"expires_in", "[600]"},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_device_answer answer = {.user_code = "kept"};

		assert_int_equal(device(rows[i].member, rows[i].value, &answer),
		    DA_E_PROTOCOL);
		assert_string_equal(answer.user_code, "kept");
	}
}

static void
test_device_errors(void **state)
{
	static const struct {
		long status;
		const char *body;
		enum da_err err;
		bool secret_refused;
	} rows[] = {
	    {401, "{'error': 'invalid_client'}", DA_E_PROVIDER, false},
	    {200, "{'error': 'invalid_client'}", DA_E_PROVIDER, false},
	    {400, "{'error': 'unauthorized_client'}", DA_E_PROVIDER, false},
	    {400, "{'error': 'invalid_scope'}", DA_E_PROVIDER, false},
	    {400, "{'error': 'invalid_request'}", DA_E_PROVIDER, true},
	    {400, "{'error': 'something'}", DA_E_PROVIDER, false},
	    {400, "{'error': 'access_denied'}", DA_E_DENIED, false},
	    {400, "{'error': {'code': 1}}", DA_E_PROTOCOL, false},
	    {400, "", DA_E_PROTOCOL, false},
	    {404, "<html>", DA_E_PROTOCOL, false},
	    {302, "", DA_E_PROTOCOL, false},
	    {200, "", DA_E_PROTOCOL, false},
	    {200, "<html>", DA_E_PROTOCOL, false},
	    {200, "[]", DA_E_PROTOCOL, false},
	    {200, "{}", DA_E_PROTOCOL, false},
	    {0, "{}", DA_E_PROTOCOL, false},
	    {429, "Too many requests", DA_E_UNREACHABLE, false},
	    {500, "<h1>", DA_E_UNREACHABLE, false},
	    {503, "{'error': 'temporarily_unavailable'}", DA_E_UNREACHABLE,
		false},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_buf body = body_of(rows[i].body);
		struct da_device_answer answer;
		struct da_diag reason = {0};

		assert_int_equal(da_device_answer_parse(rows[i].status, &body,
				     &provider, &answer, &reason),
		    rows[i].err);
		assert_string_not_equal(reason.text, "");
		assert_int_equal(
		    da_device_refuses_secret(&body), rows[i].secret_refused);
		da_buf_done(&body);
	}
}

/* ---- token answer ---- */

static struct da_token_answer
token(long status, int64_t retry_after_s, const char *text,
    struct da_diag *reason)
{
	struct da_buf body = body_of(text);
	struct da_token_answer answer;

	da_token_answer_parse(
	    status, retry_after_s, &body, DA_TOKEN_BEARER, &answer, reason);
	da_buf_done(&body);
	return answer;
}

/* providers.md 3 and 5. Whatever the status, the JSON error decides. */
static void
test_token_events(void **state)
{
	static const struct {
		long status;
		const char *body;
		enum da_device_event_kind kind;
		enum da_err err;
	} rows[] = {
	    {400, "{'error': 'authorization_pending'}", DA_DEVICE_PENDING, 0},
	    {200, "{'error': 'authorization_pending'}", DA_DEVICE_PENDING, 0},
	    {401, "{'error': 'authorization_pending'}", DA_DEVICE_PENDING, 0},
	    {403, "{'error': 'authorization_pending'}", DA_DEVICE_PENDING, 0},
	    {428, "{'error': 'authorization_pending'}", DA_DEVICE_PENDING, 0},
	    {429, "{'error': 'authorization_pending'}", DA_DEVICE_PENDING, 0},
	    {500, "{'error': 'authorization_pending'}", DA_DEVICE_PENDING, 0},
	    {400, "{'error': 'slow_down'}", DA_DEVICE_SLOW_DOWN, 0},
	    {429, "{'error': 'slow_down'}", DA_DEVICE_SLOW_DOWN, 0},
	    {429, "Too many requests", DA_DEVICE_SLOW_DOWN, 0},
	    {429, "", DA_DEVICE_SLOW_DOWN, 0},
	    {429, "{'message': 'x'}", DA_DEVICE_SLOW_DOWN, 0},
	    {429, "{'error': 'too_many_requests'}", DA_DEVICE_SLOW_DOWN, 0},
	    {500, "<h1>", DA_DEVICE_TROUBLE, 0},
	    {502, "", DA_DEVICE_TROUBLE, 0},
	    {503, "{'error': 'temporarily_unavailable'}", DA_DEVICE_TROUBLE, 0},
	    {400, "{'error': 'server_error'}", DA_DEVICE_TROUBLE, 0},
	    {408, "", DA_DEVICE_TROUBLE, 0},
	    {400, "{'error': 'access_denied'}", DA_DEVICE_REFUSED, DA_E_DENIED},
	    {429, "{'error': 'access_denied'}", DA_DEVICE_REFUSED, DA_E_DENIED},
	    {200, "{'error': 'access_denied'}", DA_DEVICE_REFUSED, DA_E_DENIED},
	    {400, "{'error': 'expired_token'}", DA_DEVICE_REFUSED,
		DA_E_EXPIRED},
	    {400, "{'error': 'invalid_grant'}", DA_DEVICE_REFUSED,
		DA_E_EXPIRED},
	    {401, "{'error': 'invalid_client'}", DA_DEVICE_REFUSED,
		DA_E_PROVIDER},
	    {400, "{'error': 'unauthorized_client'}", DA_DEVICE_REFUSED,
		DA_E_PROVIDER},
	    {400, "{'error': 'use_dpop_nonce'}", DA_DEVICE_REFUSED,
		DA_E_PROVIDER},
	    {400, "{'error': 'whatever'}", DA_DEVICE_REFUSED, DA_E_PROVIDER},
	    {500, "{'error': 'whatever'}", DA_DEVICE_REFUSED, DA_E_PROVIDER},
	    {400, "{'error': 'AUTHORIZATION_PENDING'}", DA_DEVICE_REFUSED,
		DA_E_PROVIDER},
	    {400, "{'error': ''}", DA_DEVICE_REFUSED, DA_E_PROVIDER},
	    {400, "", DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {401, "<html>", DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {400, "authorization_pending", DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {400, "{'error': 'authorization_pen", DA_DEVICE_REFUSED,
		DA_E_PROTOCOL},
	    {400, "['authorization_pending']", DA_DEVICE_REFUSED,
		DA_E_PROTOCOL},
	    {400, "{'error': 400}", DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {400, "{'error': {'code': 'authorization_pending'}}",
		DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {400, "{'error': null}", DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {400, "\xef\xbb\xbf{'error': 'authorization_pending'}",
		DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {400, "{'error': 'slow_down', 'error': 'authorization_pending'}",
		DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {302, "", DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {200, "", DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {200, "{}", DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {204, "", DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	    {0, "", DA_DEVICE_REFUSED, DA_E_PROTOCOL},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_diag reason = {0};
		struct da_token_answer answer =
		    token(rows[i].status, 9, rows[i].body, &reason);

		assert_int_equal(answer.event.kind, rows[i].kind);
		assert_int_equal(answer.event.err, rows[i].err);
		assert_null(answer.access_token.bytes);
		assert_null(answer.id_token.bytes);
		if (answer.event.kind == DA_DEVICE_SLOW_DOWN)
			assert_int_equal(answer.event.retry_after_s, 9);
		if (answer.event.kind == DA_DEVICE_REFUSED)
			assert_string_not_equal(reason.text, "");
	}
}

/* providers.md 16: not a byte of error_description gets out. */
static void
test_token_description(void **state)
{
	static const char *const bodies[] = {
	    "{'error': 'access_denied', 'error_description': 'EVIL\\r\\nx'}",
	    "{'error': 'access_denied', 'error_description': {'EVIL': 1}}",
	    "{'error': 'EVIL', 'error_uri': 'https://EVIL.example'}",
	    "{'EVIL': 'EVIL'}",
	    "EVIL",
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(bodies); i++) {
		struct da_diag reason = {0};

		assert_int_equal(token(400, -1, bodies[i], &reason).event.kind,
		    DA_DEVICE_REFUSED);
		assert_null(strstr(reason.text, "EVIL"));
	}
}

#define TOKENS "'access_token': 'at-1', 'id_token': 'a.b.c'"

static void
test_tokens(void **state)
{
	static const char *const good[] = {
	    "{" TOKENS ", 'token_type': 'Bearer'}",
	    "{" TOKENS ", 'token_type': 'bearer', 'expires_in': 3600}",
	    "{'x': [], 'token_type': 'BEARER', 'scope': '', " TOKENS "}",
	    "{" TOKENS ", 'token_type': 'Bearer', 'refresh_token': 'r'}",
	    "{" TOKENS ", 'token_type': 'Bearer', 'error': null}",
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(good); i++) {
		struct da_diag reason = {0};
		struct da_token_answer answer =
		    token(200, -1, good[i], &reason);

		assert_int_equal(answer.event.kind, DA_DEVICE_TOKENS);
		assert_string_equal(
		    (const char *)answer.access_token.bytes, "at-1");
		assert_string_equal(
		    (const char *)answer.id_token.bytes, "a.b.c");
		da_token_answer_done(&answer);
		assert_null(answer.access_token.bytes);
	}
}

static void
test_tokens_refused(void **state)
{
	static const struct {
		long status;
		const char *body;
		enum da_err err;
	} rows[] = {
	    /* D7: error and token */
	    {200, "{" TOKENS ", 'token_type': 'Bearer', 'error': 'x'}",
		DA_E_PROTOCOL},
	    {200,
		"{" TOKENS ", 'token_type': 'Bearer', 'error': "
		"'authorization_pending'}",
		DA_E_PROTOCOL},
	    {400, "{'access_token': 'a', 'error': 'slow_down'}", DA_E_PROTOCOL},
	    {200, "{" TOKENS ", 'token_type': 'Bearer', 'error': 5}",
		DA_E_PROTOCOL},
	    /* not with a success */
	    {400, "{" TOKENS ", 'token_type': 'Bearer'}", DA_E_PROTOCOL},
	    {302, "{" TOKENS ", 'token_type': 'Bearer'}", DA_E_PROTOCOL},
	    /* J22 */
	    {200, "{" TOKENS "}", DA_E_TOKEN},
	    {200, "{" TOKENS ", 'token_type': 'DPoP'}", DA_E_TOKEN},
	    {200, "{" TOKENS ", 'token_type': 'Bearer '}", DA_E_TOKEN},
	    {200, "{" TOKENS ", 'token_type': 'mac'}", DA_E_TOKEN},
	    {200, "{" TOKENS ", 'token_type': ['Bearer']}", DA_E_TOKEN},
	    {200, "{'access_token': 'a', 'token_type': 'Bearer'}", DA_E_TOKEN},
	    {200,
		"{'access_token': 'a', 'token_type': 'Bearer', 'id_token': ''}",
		DA_E_TOKEN},
	    {200,
		"{'access_token': 'a', 'token_type': 'Bearer', 'id_token': {}}",
		DA_E_TOKEN},
	    {200,
		"{'access_token': 'a', 'token_type': 'Bearer', "
		"'id_token': ' a.b.c'}",
		DA_E_TOKEN},
	    {200, "{'id_token': 'a.b.c', 'token_type': 'Bearer'}",
		DA_E_PROTOCOL},
	    {200,
		"{'id_token': 'a.b.c', 'token_type': 'Bearer', "
		"'access_token': 'x\\r\\ny'}",
		DA_E_PROTOCOL},
	    {200,
		"{'id_token': 'a.b.c', 'token_type': 'Bearer', "
		"'access_token': 'x y'}",
		DA_E_PROTOCOL},
	    {200,
		"{'id_token': 'a.b.c', 'token_type': 'Bearer', "
		"'access_token': 5}",
		DA_E_PROTOCOL},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_diag reason = {0};
		struct da_token_answer answer =
		    token(rows[i].status, -1, rows[i].body, &reason);

		assert_int_equal(answer.event.kind, DA_DEVICE_REFUSED);
		assert_int_equal(answer.event.err, rows[i].err);
		/* What is good there has to be revoked. */
		assert_int_equal(answer.access_token.bytes != NULL,
		    rows[i].err == DA_E_TOKEN ||
			strstr(rows[i].body, "'error'") != NULL);
		assert_null(answer.id_token.bytes);
		assert_string_not_equal(reason.text, "");
		da_token_answer_done(&answer);
	}
}

/* What else an answer may say, and what of it counts as not said. */
static void
test_token_terms(void **state)
{
	static const struct {
		const char *members, *refresh_token, *scope;
		int64_t expires_in_s;
	} rows[] = {
	    {"'x': 1", NULL, "", -1},
	    {"'expires_in': 300, 'scope': 'openid x', 'refresh_token': 'rt'",
		"rt", "openid x", 300},
	    {"'expires_in': '300'", NULL, "", 300},
	    {"'expires_in': -1, 'scope': 5", NULL, "", -1},
	    {"'expires_in': 1e3, 'scope': 'a\\u0007b'", NULL, "", -1},
	    {"'expires_in': 99999999999, 'refresh_token': null", NULL, "",
		DA_TOKEN_LIFE_MAX_S},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_diag reason = {0};
		struct da_token_answer answer;
		char text[512];

		(void)snprintf(text, sizeof(text),
		    "{" TOKENS ", 'token_type': 'Bearer', %s}",
		    rows[i].members);
		answer = token(200, -1, text, &reason);
		assert_int_equal(answer.event.kind, DA_DEVICE_TOKENS);
		assert_int_equal(answer.type, DA_TOKEN_BEARER);
		assert_int_equal(answer.expires_in_s, rows[i].expires_in_s);
		assert_string_equal(answer.scope, rows[i].scope);
		if (rows[i].refresh_token == NULL)
			assert_int_equal(answer.refresh_token.len, 0);
		else
			assert_string_equal(
			    (const char *)answer.refresh_token.bytes,
			    rows[i].refresh_token);
		da_token_answer_done(&answer);
	}
}

static void
test_refresh_answers(void **state)
{
#define FRESH "'access_token': 'at-2', 'token_type': 'bearer'"

	static const struct {
		long status;
		const char *body;
		enum da_err err;
	} rows[] = {
	    {200, "{" FRESH "}", DA_OK},
	    {200, "{" FRESH ", 'refresh_token': 'rt-2'}", DA_OK},
	    {200, "{" FRESH ", 'id_token': 'a.b.c'}", DA_OK},
	    {200, "{" FRESH ", 'id_token': ' a.b.c'}", DA_E_TOKEN},
	    {200, "{" FRESH ", 'refresh_token': ''}", DA_E_PROTOCOL},
	    {200, "{" FRESH ", 'refresh_token': 5}", DA_E_PROTOCOL},
	    {200, "{" FRESH ", 'refresh_token': 'a\\nb'}", DA_E_PROTOCOL},
	    {200, "{'access_token': 'at-2', 'token_type': 'DPoP'}", DA_E_TOKEN},
	    {200, "{'access_token': 'at-2'}", DA_E_TOKEN},
	    {200, "{'token_type': 'Bearer', 'refresh_token': 'rt-2'}",
		DA_E_PROTOCOL},
	    {200, "{}", DA_E_TOKEN},
	    {200, "", DA_E_PROTOCOL},
	    {200, "[]", DA_E_PROTOCOL},
	    {400, "{'error': 'invalid_grant'}", DA_E_REJECTED},
	    {200, "{'error': 'invalid_grant'}", DA_E_REJECTED},
	    {503, "{'error': 'invalid_grant'}", DA_E_REJECTED},
	    {400, "{'error': 'invalid_grant', " FRESH "}", DA_E_PROTOCOL},
	    {401, "{'error': 'invalid_client'}", DA_E_PROVIDER},
	    {400, "{'error': 'invalid_scope'}", DA_E_PROVIDER},
	    {400, "{'error': 'x'}", DA_E_PROVIDER},
	    {400, "{'error': 5}", DA_E_PROTOCOL},
	    {400, "{" FRESH "}", DA_E_PROTOCOL},
	    {400, "", DA_E_PROTOCOL},
	    {302, "", DA_E_PROTOCOL},
	    {429, "slow down", DA_E_UNREACHABLE},
	    {500, "<h1>", DA_E_UNREACHABLE},
	    {503, "{'error': 'temporarily_unavailable'}", DA_E_UNREACHABLE},
	    {500, "{" FRESH "}", DA_E_UNREACHABLE},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_buf body = body_of(rows[i].body);
		struct da_diag reason = {0};
		struct da_token_answer answer;

		assert_int_equal(da_refresh_answer_parse(rows[i].status, &body,
				     DA_TOKEN_BEARER, &answer, &reason),
		    rows[i].err);
		if (rows[i].err == DA_OK) {
			assert_string_equal(
			    (const char *)answer.access_token.bytes, "at-2");
		} else {
			assert_int_equal(answer.access_token.bytes != NULL,
			    strstr(rows[i].body, "at-2") != NULL &&
				(rows[i].status == 200 ||
				    strstr(rows[i].body, "'error'") != NULL));
			assert_string_not_equal(reason.text, "");
		}
		da_token_answer_done(&answer);
		da_buf_done(&body);
	}
}

/* ---- revocation and introspection ---- */

static void
test_revocation_answers(void **state)
{
	static const struct {
		long status;
		const char *body;
		enum da_err access, refresh;
	} rows[] = {
	    {200, "", DA_OK, DA_OK},
	    {204, "", DA_OK, DA_OK},
	    {200, "whatever", DA_OK, DA_OK},
	    {200, "{'x': 1}", DA_OK, DA_OK},
	    {200, "{'error': 'invalid_client'}", DA_E_PROVIDER, DA_E_PROVIDER},
	    {400, "{'error': 'invalid_token'}", DA_OK, DA_OK},
	    {400, "{'error': 'unsupported_token_type'}", DA_OK, DA_E_PROVIDER},
	    {401, "{'error': 'invalid_client'}", DA_E_PROVIDER, DA_E_PROVIDER},
	    {400, "", DA_E_PROTOCOL, DA_E_PROTOCOL},
	    {404, "<h1>", DA_E_PROTOCOL, DA_E_PROTOCOL},
	    {302, "", DA_E_PROTOCOL, DA_E_PROTOCOL},
	    {503, "", DA_E_UNREACHABLE, DA_E_UNREACHABLE},
	    {429, "later", DA_E_UNREACHABLE, DA_E_UNREACHABLE},
	    {503, "{'error': 'temporarily_unavailable'}", DA_E_UNREACHABLE,
		DA_E_UNREACHABLE},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_buf body = body_of(rows[i].body);
		struct da_diag reason = {0};

		assert_int_equal(da_revocation_answer_check(rows[i].status,
				     &body, DA_TOKEN_ACCESS, &reason),
		    rows[i].access);
		assert_int_equal(da_revocation_answer_check(rows[i].status,
				     &body, DA_TOKEN_REFRESH, &reason),
		    rows[i].refresh);
		da_buf_done(&body);
	}
}

static void
test_introspection_answers(void **state)
{
	static const struct {
		long status;
		const char *body;
		enum da_err err;
	} rows[] = {
	    {200, "{'active': true}", DA_OK},
	    {200,
		"{'active': true, 'sub': 'me', 'client_id': 'us', 'exp': "
		"1000, 'iss': '" ISSUER "'}",
		DA_OK},
	    {200, "{'active': false}", DA_E_REJECTED},
	    {200, "{'active': false, 'sub': 'other'}", DA_E_REJECTED},
	    {200, "{'active': 'true'}", DA_E_PROTOCOL},
	    {200, "{'active': 1}", DA_E_PROTOCOL},
	    {200, "{'active': null}", DA_E_PROTOCOL},
	    {200, "{'sub': 'me'}", DA_E_PROTOCOL},
	    {200, "[true]", DA_E_PROTOCOL},
	    {200, "", DA_E_PROTOCOL},
	    {200, "{'active': true, 'active': false}", DA_E_PROTOCOL},
	    {200, "{'active': true, 'error': 'x'}", DA_E_PROVIDER},
	    {200, "{'active': true, 'sub': 'ME'}", DA_E_TOKEN},
	    {200, "{'active': true, 'sub': ['me']}", DA_E_TOKEN},
	    {200, "{'active': true, 'client_id': 'other'}", DA_E_TOKEN},
	    {200, "{'active': true, 'iss': '" ISSUER "/'}", DA_E_TOKEN},
	    {200, "{'active': true, 'exp': 400}", DA_E_TOKEN},
	    {200, "{'active': true, 'exp': '1000'}", DA_E_TOKEN},
	    {401, "{'error': 'invalid_client'}", DA_E_PROVIDER},
	    {401, "{'active': true}", DA_E_PROTOCOL},
	    {503, "{'active': true}", DA_E_UNREACHABLE},
	};
	const struct da_introspection_expect expect = {
	    .issuer = ISSUER,
	    .client_id = "us",
	    .subject = "me",
	    .thumbprint = "",
	    .kind = DA_TOKEN_ACCESS,
	    .now_s = 500,
	    .leeway_s = 60,
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_buf body = body_of(rows[i].body);
		struct da_diag reason = {0};

		assert_int_equal(da_introspection_answer_check(
				     rows[i].status, &body, &expect, &reason),
		    rows[i].err);
		if (rows[i].err != DA_OK)
			assert_string_not_equal(reason.text, "");
		da_buf_done(&body);
	}
}

/* ---- bound tokens ---- */

/* A type counts only where it was asked for (attack D16). */
static void
test_token_types(void **state)
{
	static const struct {
		const char *type;
		uint32_t types;
		enum da_err err;
	} rows[] = {
	    {"Bearer", DA_TOKEN_BEARER, DA_OK},
	    {"Bearer", DA_TOKEN_BEARER | DA_TOKEN_DPOP, DA_OK},
	    {"Bearer", DA_TOKEN_DPOP, DA_E_TOKEN},
	    {"DPoP", DA_TOKEN_BEARER, DA_E_TOKEN},
	    {"DPoP", DA_TOKEN_BEARER | DA_TOKEN_DPOP, DA_OK},
	    {"dpop", DA_TOKEN_DPOP, DA_OK},
	    {"DPoP", 0, DA_E_TOKEN},
	    {"", DA_TOKEN_BEARER | DA_TOKEN_DPOP, DA_E_TOKEN},
	    {"DPoPDPoPDPoP", DA_TOKEN_DPOP, DA_E_TOKEN},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_token_answer answer;
		struct da_diag reason = {0};
		struct da_buf body;
		char text[128];

		(void)snprintf(text, sizeof(text),
		    "{'access_token': 'at', 'token_type': '%s'}", rows[i].type);
		body = body_of(text);
		assert_int_equal(da_refresh_answer_parse(200, &body,
				     rows[i].types, &answer, &reason),
		    rows[i].err);
		da_token_answer_done(&answer);
		da_buf_done(&body);
	}
}

#define JKT "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

static void
test_token_binding(void **state)
{
	/* Payloads: {"cnf":{"jkt":"0Zc..."}}, with another, with a number,
	 * {"cnf":{}}, {}. */
	static const struct {
		const char *token;
		uint32_t type;
		enum da_err err;
	} rows[] = {
	    {"opaque", DA_TOKEN_DPOP, DA_OK},
	    {"a.b.c", DA_TOKEN_DPOP, DA_OK},
	    {"e30.eyJjbmYiOnsiamt0IjoiMFpjT0NPUlpOWXktRFdwcXEzMGpaeUpHSFROMGQyS"
	     "GdsQlYzdWlndUE0SSJ9fQ.AA",
		DA_TOKEN_DPOP, DA_OK},
	    {"e30.eyJjbmYiOnsiamt0IjoieCJ9fQ.AA", DA_TOKEN_DPOP, DA_E_TOKEN},
	    {"e30.eyJjbmYiOnsiamt0IjoieCJ9fQ.AA", DA_TOKEN_BEARER, DA_OK},
	    {"e30.eyJjbmYiOnsiamt0Ijo1fX0.AA", DA_TOKEN_DPOP, DA_E_TOKEN},
	    {"e30.eyJjbmYiOnt9fQ.AA", DA_TOKEN_DPOP, DA_OK},
	    {"e30.e30.AA", DA_TOKEN_DPOP, DA_OK},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_token_answer answer = {.type = rows[i].type};
		struct da_diag reason = {0};

		assert_int_equal(da_secret_set(&answer.access_token,
				     rows[i].token, strlen(rows[i].token)),
		    DA_OK);
		assert_int_equal(
		    da_token_check_binding(&answer, JKT, &reason), rows[i].err);
		da_token_answer_done(&answer);
	}
}

/* RFC 9449 6.2. */
static void
test_introspection_of_bound(void **state)
{
	static const struct {
		const char *body;
		enum da_err access, refresh;
	} rows[] = {
	    {"{'active': true, 'cnf': {'jkt': '" JKT "'}}", DA_OK, DA_OK},
	    {"{'active': true}", DA_E_TOKEN, DA_OK},
	    {"{'active': true, 'cnf': {}}", DA_E_TOKEN, DA_OK},
	    {"{'active': true, 'cnf': {'jkt': 'x'}}", DA_E_TOKEN, DA_E_TOKEN},
	    {"{'active': true, 'cnf': {'jkt': ['" JKT "']}}", DA_E_TOKEN,
		DA_E_TOKEN},
	};
	struct da_introspection_expect expect = {.issuer = ISSUER,
	    .client_id = "us",
	    .subject = "me",
	    .thumbprint = JKT,
	    .now_s = 500};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_buf body = body_of(rows[i].body);
		struct da_diag reason = {0};

		expect.kind = DA_TOKEN_ACCESS;
		assert_int_equal(
		    da_introspection_answer_check(200, &body, &expect, &reason),
		    rows[i].access);
		expect.kind = DA_TOKEN_REFRESH;
		assert_int_equal(
		    da_introspection_answer_check(200, &body, &expect, &reason),
		    rows[i].refresh);
		da_buf_done(&body);
	}
}

static void
test_dpop_offer(void **state)
{
	static const struct {
		const char *value;
		enum da_dpop_offer offer;
	} rows[] = {
	    {NULL, DA_DPOP_NOT_SAID},
	    {"null", DA_DPOP_NOT_SAID},
	    {"[]", DA_DPOP_NOT_SAID},
	    {"'ES256'", DA_DPOP_NOT_SAID},
	    {"['ES256']", DA_DPOP_OFFERED},
	    {"[5, 'RS256', 'ES256']", DA_DPOP_OFFERED},
	    {"['RS256', 'es256']", DA_DPOP_OTHERWISE},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_endpoints found = {0};
		struct da_diag reason = {0};

		assert_int_equal(discover("dpop_signing_alg_values_supported",
				     rows[i].value, &found, &reason),
		    DA_OK);
		assert_int_equal(found.dpop, rows[i].offer);
	}
}

/* ---- how good a sign-in was ---- */

static void
test_assurance(void **state)
{
	static const struct {
		const char *claims, *acr_values, *amr;
		int64_t max_age_s;
		enum da_err err;
		const char *acr_said, *amr_said;
	} rows[] = {
	    {"{}", "", "", -1, DA_OK, "", ""},
	    {"{'acr': 'gold', 'amr': ['pwd', 'otp'], 'auth_time': 900}",
		"silver gold", "otp", 40, DA_OK, "gold", "pwd otp"},
	    {"{'amr': 'pwd'}", "", "pwd", -1, DA_OK, "", "pwd"},
	    {"{'amr': ['x y', 5, '', 'a\\nb', 'hwk']}", "", "hwk", -1, DA_OK,
		"", "hwk"},
	    {"{}", "gold", "", -1, DA_E_WEAK, "", ""},
	    {"{'acr': ''}", "gold", "", -1, DA_E_WEAK, "", ""},
	    {"{'acr': 'gol'}", "gold", "", -1, DA_E_WEAK, "gol", ""},
	    {"{'acr': 'golden'}", "gold", "", -1, DA_E_WEAK, "golden", ""},
	    {"{'acr': 'silver gold'}", "silver gold", "", -1, DA_E_WEAK, "",
		""},
	    {"{'acr': ['gold']}", "gold", "", -1, DA_E_WEAK, "", ""},
	    {"{'acr': 'GOLD'}", "gold", "", -1, DA_E_WEAK, "GOLD", ""},
	    {"{}", "", "otp", -1, DA_E_WEAK, "", ""},
	    {"{'amr': ['pwd']}", "", "pwd otp", -1, DA_E_WEAK, "", "pwd"},
	    {"{'amr': ['pwd otp']}", "", "pwd otp", -1, DA_E_WEAK, "", ""},
	    {"{'amr': {'otp': true}}", "", "otp", -1, DA_E_WEAK, "", ""},
	    {"{}", "", "", 0, DA_E_WEAK, "", ""},
	    {"{'auth_time': 'now'}", "", "", 0, DA_E_WEAK, "", ""},
	    {"{'auth_time': 940}", "", "", 0, DA_OK, "", ""},
	    {"{'auth_time': 939}", "", "", 0, DA_E_WEAK, "", ""},
	    {"{'auth_time': 839}", "", "", 100, DA_E_WEAK, "", ""},
	    {"{'auth_time': 1070}", "", "", 100, DA_OK, "", ""},
	    {"{'auth_time': 1071}", "", "", 100, DA_E_WEAK, "", ""},
	    {"{'auth_time': 1071}", "", "", -1, DA_OK, "", ""},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		const struct da_assurance_wanted wanted = {rows[i].acr_values,
		    rows[i].amr, rows[i].max_age_s, 1000, 1010, 60};
		struct da_buf body = body_of(rows[i].claims);
		struct da_wire_identity identity = {0};
		struct da_diag reason = {0};
		struct da_json *claims;

		assert_int_equal(
		    da_json_parse(body.bytes, body.len, &claims, NULL), DA_OK);
		da_assurance_take(claims, &identity);
		assert_string_equal(identity.acr, rows[i].acr_said);
		assert_string_equal(identity.amr, rows[i].amr_said);
		assert_int_equal(da_assurance_check(&wanted,
				     &(struct da_assurance){identity.acr,
					 identity.amr, identity.auth_time_s},
				     &reason),
		    rows[i].err);
		da_json_free(claims);
		da_buf_done(&body);
	}
	{
		const struct da_assurance_wanted wanted = {
		    "", "pwd mfa hwk", -1, 1000, 1010, 60};
		const struct da_assurance given = {"", "pwd", 0};
		struct da_diag reason = {0};

		assert_int_equal(
		    da_assurance_check(&wanted, &given, &reason), DA_E_WEAK);
		assert_string_equal(reason.text, "amr lacks mfa");
	}
}

/* More methods than there is room for: no half a word. */
static void
test_assurance_many_methods(void **state)
{
	struct da_wire_identity identity = {0};
	struct da_json *claims;
	struct da_buf body;

	(void)state;
	da_buf_init(&body, ROOM);
	assert_int_equal(da_buf_put_text(&body, "{\"amr\":["), DA_OK);
	for (int i = 0; i < 100; i++)
		assert_int_equal(
		    da_buf_put_text(&body, "\"methodical\","), DA_OK);
	assert_int_equal(da_buf_put_text(&body, "\"methodical\"]}"), DA_OK);
	assert_int_equal(
	    da_json_parse(body.bytes, body.len, &claims, NULL), DA_OK);
	da_assurance_take(claims, &identity);
	assert_int_equal(strlen(identity.amr) % 11, 10);
	assert_true(strlen(identity.amr) > DA_DIAG_MAX - 11);
	da_json_free(claims);
	da_buf_done(&body);
}

static void
test_status_with_tokens_is_trouble_at_most(void **state)
{
	struct da_diag reason = {0};

	(void)state;
	assert_int_equal(
	    token(500, -1, "{" TOKENS ", 'token_type': 'Bearer'}", &reason)
		.event.kind,
	    DA_DEVICE_TROUBLE);
}

/* ---- requests ---- */

static struct da_client
client_of(enum da_client_auth auth, const char *id, struct da_buf *secret,
    const char *text)
{
	da_buf_init(secret, DA_SECRET_MAX);
	assert_int_equal(da_buf_put_text(secret, text), DA_OK);
	return (struct da_client){.id = id, .auth = auth, .secret = secret};
}

static void
expect_client(
    const struct da_client *client, const char *form_text, const char *header)
{
	struct da_buf form, authorization;

	da_buf_init(&form, ROOM);
	da_buf_init(&authorization, ROOM);
	assert_int_equal(
	    da_client_auth_put(client, &form, &authorization), DA_OK);
	assert_string_equal(da_buf_text(&form), form_text);
	assert_string_equal(da_buf_text(&authorization), header);
	da_buf_done(&form);
	da_buf_done(&authorization);
}

/* providers.md 7, attack H9. The base64 was made with another program. */
static void
test_client_auth(void **state)
{
	struct da_buf secret;
	struct da_client client =
	    client_of(DA_CLIENT_NONE, "dev auth&x=1", &secret, "");

	(void)state;
	expect_client(&client, "client_id=dev%20auth%26x%3D1", "");
	da_buf_done(&secret);
	client =
	    client_of(DA_CLIENT_SECRET_BASIC, "id", &secret, "s:e/c r%t+1");
	expect_client(
	    &client, "client_id=id", "Basic aWQ6cyUzQWUlMkZjJTIwciUyNXQlMkIx");
	client.secret_raw = true;
	expect_client(&client, "client_id=id", "Basic aWQ6czplL2MgciV0KzE=");
	da_buf_done(&secret);
	client = client_of(
	    DA_CLIENT_SECRET_POST, "id", &secret, "p&o=s t%2\r\n\xc3\xa9");
	expect_client(&client,
	    "client_id=id&client_secret=p%26o%3Ds%20t%252%0D%0A%C3%A9", "");
	da_buf_done(&secret);
}

/* RFC 7523 2.2. */
static void
test_client_assertion(void **state)
{
	struct da_buf assertion, form, authorization;
	struct da_client client = {.id = "id",
	    .auth = DA_CLIENT_PRIVATE_KEY_JWT,
	    .assertion = &assertion};

	(void)state;
	da_buf_init(&assertion, ROOM);
	da_buf_init(&form, ROOM);
	da_buf_init(&authorization, ROOM);
	assert_int_equal(
	    da_client_auth_put(&client, &form, &authorization), DA_E_CONFIG);
	assert_int_equal(da_buf_put_text(&assertion, "e30.e30.AA-_"), DA_OK);
	expect_client(&client,
	    "client_id=id&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3A"
	    "client-assertion-type%3Ajwt-bearer&client_assertion=e30.e30.AA-_",
	    "");
	da_buf_done(&assertion);
	da_buf_done(&form);
	da_buf_done(&authorization);
}

static void
test_client_auth_refused(void **state)
{
	struct da_buf secret, form, authorization;
	struct da_client client =
	    client_of(DA_CLIENT_SECRET_BASIC, "a:b", &secret, "s");

	(void)state;
	da_buf_init(&form, ROOM);
	da_buf_init(&authorization, ROOM);
	client.secret_raw = true;
	assert_int_equal(
	    da_client_auth_put(&client, &form, &authorization), DA_E_CONFIG);
	client.secret_raw = false;
	assert_int_equal(
	    da_client_auth_put(&client, &form, &authorization), DA_OK);
	/* A NUL would cut the secret short. */
	assert_int_equal(da_buf_put(&secret, "\0x", 2), DA_OK);
	assert_int_equal(
	    da_client_auth_put(&client, &form, &authorization), DA_E_CONFIG);
	da_buf_clear(&secret);
	assert_int_equal(
	    da_client_auth_put(&client, &form, &authorization), DA_E_CONFIG);
	client.auth = (enum da_client_auth)7;
	assert_int_equal(da_buf_put_text(&secret, "s"), DA_OK);
	assert_int_equal(
	    da_client_auth_put(&client, &form, &authorization), DA_E_CONFIG);
	da_buf_done(&secret);
	da_buf_done(&form);
	da_buf_done(&authorization);
}

static void
test_requests(void **state)
{
	struct da_secret code = {0};
	struct da_buf form, token;

	(void)state;
	da_buf_init(&form, ROOM);
	assert_int_equal(
	    da_device_request_put(&form,
		&(struct da_device_request){"openid profile",
		    "alice@web1 (sshd, from 203.0.113.7)", "", -1}),
	    DA_OK);
	assert_string_equal(da_buf_text(&form),
	    "scope=openid%20profile&device_name="
	    "alice%40web1%20%28sshd%2C%20from%20203.0.113.7%29");
	da_buf_clear(&form);
	assert_int_equal(da_device_request_put(&form,
			     &(struct da_device_request){"", "", "", -1}),
	    DA_OK);
	assert_string_equal(da_buf_text(&form), "");
	assert_int_equal(
	    da_device_request_put(
		&form, &(struct da_device_request){"", "", "urn:a b&c", 0}),
	    DA_OK);
	assert_string_equal(
	    da_buf_text(&form), "acr_values=urn%3Aa%20b%26c&max_age=0");
	da_buf_clear(&form);
	assert_int_equal(da_secret_set(&code, "a&b=c\n", 6), DA_OK);
	assert_int_equal(da_token_request_put(&form, &code), DA_OK);
	assert_string_equal(da_buf_text(&form),
	    "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3A"
	    "device_code&device_code=a%26b%3Dc%0A");
	da_secret_done(&code);
	da_buf_clear(&form);
	da_buf_init(&token, ROOM);
	assert_int_equal(da_buf_put_text(&token, "rt&1"), DA_OK);
	assert_int_equal(da_refresh_request_put(&form, &token), DA_OK);
	assert_string_equal(da_buf_text(&form),
	    "grant_type=refresh_token&refresh_token=rt%261");
	da_buf_clear(&form);
	assert_int_equal(
	    da_token_status_request_put(&form, DA_TOKEN_REFRESH, &token),
	    DA_OK);
	assert_string_equal(
	    da_buf_text(&form), "token=rt%261&token_type_hint=refresh_token");
	da_buf_done(&token);
	da_buf_done(&form);
}

/* ---- claims ---- */

struct taken {
	enum da_err err;
	struct da_claims_state state;
	struct da_wire_identity identity;
	struct da_diag reason;
};

static struct taken
take(const char *username_claim, const char *text)
{
	struct da_claims_wanted wanted = {.username_claim = username_claim,
	    .groups_claim = "groups",
	    .other_claims = "",
	    .need_groups = true};
	struct da_buf body = body_of(text);
	struct da_json *claims;
	struct taken taken = {0};

	da_buf_init(&taken.identity.groups, DA_GROUPS_BYTES_MAX);
	assert_int_equal(
	    da_json_parse(body.bytes, body.len, &claims, NULL), DA_OK);
	taken.err = da_claims_take(
	    claims, &wanted, &taken.state, &taken.identity, &taken.reason);
	if (taken.err != DA_OK)
		assert_string_not_equal(taken.reason.text, "");
	da_json_free(claims);
	da_buf_done(&body);
	return taken;
}

static void
drop(struct taken *taken)
{
	da_wire_done(DA_WIRE_IDENTITY, &taken->identity);
}

static void
test_claims(void **state)
{
	struct taken taken = take("preferred_username",
	    "{'preferred_username': 'alice', 'name': 'Alice \xc3\x98', "
	    "'email': 'alice@example.com', 'email_verified': true, "
	    "'groups': ['staff', 'operators']}");

	(void)state;
	assert_int_equal(taken.err, DA_OK);
	assert_true(taken.state.username && taken.state.groups);
	assert_string_equal(taken.identity.username, "alice");
	assert_string_equal(taken.identity.name, "Alice \xc3\x98");
	assert_string_equal(taken.identity.email, "alice@example.com");
	assert_int_equal(taken.identity.groups.len, 16);
	assert_memory_equal(
	    taken.identity.groups.bytes, "staff\0operators\0", 16);
	drop(&taken);
}

static void
test_claims_username(void **state)
{
	static const struct {
		const char *claim, *text;
		enum da_err err;
		const char *username;
	} rows[] = {
	    {"u", "{}", DA_OK, ""},
	    {"u", "{'u': null}", DA_OK, ""},
	    {"u", "{'u': 'bob'}", DA_OK, "bob"},
	    {"u", "{'u': '\xd0\xb1\xd0\xbe\xd0\xb1'}", DA_OK,
		"\xd0\xb1\xd0\xbe\xd0\xb1"},
	    {"u", "{'u': 5}", DA_E_TOKEN, ""},
	    {"u", "{'u': ['bob']}", DA_E_TOKEN, ""},
	    {"u", "{'u': ''}", DA_E_BAD_NAME, ""},
	    {"u", "{'u': 'b\\nob'}", DA_E_BAD_NAME, ""},
	    {"u", "{'u': 'bob\\u001b'}", DA_E_BAD_NAME, ""},
	    {"u", "{'u': 'bob\\u007f'}", DA_E_BAD_NAME, ""},
	    /* N3 */
	    {"email", "{'email': 'b@x', 'email_verified': true}", DA_OK, "b@x"},
	    {"email", "{'email': 'b@x', 'email_verified': false}", DA_E_TOKEN,
		""},
	    {"email", "{'email': 'b@x', 'email_verified': 'true'}", DA_E_TOKEN,
		""},
	    {"email", "{'email': 'b@x', 'email_verified': 1}", DA_E_TOKEN, ""},
	    {"email", "{'email': 'b@x'}", DA_E_TOKEN, ""},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct taken taken = take(rows[i].claim, rows[i].text);

		assert_int_equal(taken.err, rows[i].err);
		assert_string_equal(taken.identity.username, rows[i].username);
		drop(&taken);
	}
}

/* Texts that are only shown never end a login. */
static void
test_claims_for_show(void **state)
{
	static const char *const texts[] = {
	    "{'u': 'bob', 'name': 5, 'email': {}}",
	    "{'u': 'bob', 'name': 'a\\nb', 'email': 'b@x'}",
	    "{'u': 'bob', 'email': 'b@x', 'email_verified': 'true'}",
	    "{'u': 'bob', 'email': 'b\\u0007@x', 'email_verified': true}",
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(texts); i++) {
		struct taken taken = take("u", texts[i]);

		assert_int_equal(taken.err, DA_OK);
		assert_string_equal(taken.identity.name, "");
		assert_string_equal(taken.identity.email, "");
		drop(&taken);
	}
}

/* N14: one documented shape; providers.md 10: no claim, no groups. */
static void
test_claims_groups(void **state)
{
	static const struct {
		const char *groups;
		enum da_err err;
		bool found;
		size_t len;
	} rows[] = {
	    {"[]", DA_OK, true, 0},
	    {"['a']", DA_OK, true, 2},
	    {"'one group'", DA_OK, true, 10},
	    {"null", DA_OK, false, 0},
	    {"''", DA_E_TOKEN, false, 0},
	    {"['']", DA_E_TOKEN, false, 0},
	    {"[['a']]", DA_E_TOKEN, false, 0},
	    {"[{'name': 'a'}]", DA_E_TOKEN, false, 0},
	    {"{'a': true}", DA_E_TOKEN, false, 0},
	    {"['a', null]", DA_E_TOKEN, false, 0},
	    {"['a', 5]", DA_E_TOKEN, false, 0},
	    {"5", DA_E_TOKEN, false, 0},
	    {"true", DA_E_TOKEN, false, 0},
	    {"['a\\nb']", DA_E_TOKEN, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		char text[128];
		struct taken taken;

		(void)snprintf(
		    text, sizeof(text), "{'groups': %s}", rows[i].groups);
		taken = take("u", text);
		assert_int_equal(taken.err, rows[i].err);
		assert_int_equal(taken.state.groups, rows[i].found);
		assert_int_equal(taken.identity.groups.len, rows[i].len);
		drop(&taken);
	}
}

static void
test_claims_group_caps(void **state)
{
	static const size_t counts[] = {300, DA_GROUPS_MAX, DA_GROUPS_MAX + 1};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(counts); i++) {
		struct da_buf text;
		struct taken taken;

		da_buf_init(&text, ROOM);
		assert_int_equal(da_buf_put_text(&text, "{'groups': ["), DA_OK);
		for (size_t n = 0; n < counts[i]; n++)
			assert_int_equal(
			    da_buf_format(&text, "%s'group-%0122zu'",
				n > 0 ? "," : "", n),
			    DA_OK);
		assert_int_equal(da_buf_put_text(&text, "]}"), DA_OK);
		taken = take("u", da_buf_text(&text));
		assert_int_equal(
		    taken.err, counts[i] <= DA_GROUPS_MAX ? DA_OK : DA_E_TOKEN);
		drop(&taken);
		da_buf_done(&text);
	}
	{
		char text[160];
		struct taken taken;

		(void)snprintf(text, sizeof(text), "{'groups': ['%0129d']}", 0);
		taken = take("u", text);
		assert_int_equal(taken.err, DA_E_TOKEN);
		drop(&taken);
	}
}

static void
test_claims_elsewhere(void **state)
{
	struct taken taken = take("u",
	    "{'u': 'bob', '_claim_names': {'groups': 'src1'}, "
	    "'_claim_sources': {'src1': {'endpoint': 'https://e.example'}}}");
	struct da_claims_wanted wanted = {.username_claim = "u",
	    .groups_claim = "groups",
	    .other_claims = ""};
	struct da_diag reason = {0};

	(void)state;
	assert_int_equal(taken.err, DA_OK);
	assert_true(taken.state.groups_elsewhere);
	/* Asked for at userinfo although no rule needs them ... */
	assert_true(da_claims_lack(&wanted, &taken.state));
	/* ... and refused when they are not there either. */
	assert_int_equal(da_claims_finish(&taken.state, &reason), DA_E_TOKEN);
	drop(&taken);
}

static void
test_claims_lack(void **state)
{
	struct da_claims_wanted wanted = {.username_claim = "u",
	    .groups_claim = "groups",
	    .other_claims = ""};
	struct da_claims_state found = {0};
	struct da_diag reason = {0};

	(void)state;
	assert_true(da_claims_lack(&wanted, &found));
	assert_int_equal(da_claims_finish(&found, &reason), DA_E_TOKEN);
	found.username = true;
	assert_false(da_claims_lack(&wanted, &found));
	assert_int_equal(da_claims_finish(&found, &reason), DA_OK);
	wanted.need_groups = true;
	assert_true(da_claims_lack(&wanted, &found));
	found.groups = true;
	assert_false(da_claims_lack(&wanted, &found));
	found.groups = false;
	wanted.groups_claim = "";
	assert_false(da_claims_lack(&wanted, &found));
}

/* The first claim of the list that is there. */
static void
test_claims_in_order(void **state)
{
	static const struct {
		const char *list, *text, *claim, *name; /* NULL = refused */
	} rows[] = {
	    {"a b", "{'a': 'x', 'b': 'y'}", "a", "x"},
	    {"b a", "{'a': 'x', 'b': 'y'}", "b", "y"},
	    {"a b", "{'b': 'y'}", "b", "y"},
	    {"a b", "{'a': null, 'b': 'y'}", "b", "y"},
	    /* One that is there and of no use is not passed over. */
	    {"a b", "{'a': 5, 'b': 'y'}", NULL, NULL},
	    {"a b", "{'a': '', 'b': 'y'}", NULL, NULL},
	    {"email b", "{'email': 'x', 'b': 'y'}", NULL, NULL},
	    {"email b", "{'email': 'x', 'email_verified': true, 'b': 'y'}",
		"email", "x"},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct taken taken = take(rows[i].list, rows[i].text);

		assert_int_equal(taken.err == DA_OK, rows[i].name != NULL);
		if (rows[i].name != NULL) {
			assert_string_equal(
			    taken.identity.username_claim, rows[i].claim);
			assert_string_equal(
			    taken.identity.username, rows[i].name);
		}
		drop(&taken);
	}
}

static struct taken
take_other_claims(const char *list, const char *text)
{
	struct da_claims_wanted wanted = {
	    .username_claim = "u", .groups_claim = "", .other_claims = list};
	struct da_buf body = body_of(text);
	struct da_json *claims;
	struct taken taken = {0};

	da_buf_init(&taken.identity.claims, DA_CLAIMS_BYTES_MAX);
	assert_int_equal(
	    da_json_parse(body.bytes, body.len, &claims, NULL), DA_OK);
	taken.err = da_claims_take(
	    claims, &wanted, &taken.state, &taken.identity, &taken.reason);
	if (taken.err == DA_OK && da_claims_lack(&wanted, &taken.state))
		taken.err = DA_E_ABSENT;
	da_json_free(claims);
	da_buf_done(&body);
	return taken;
}

/* What rules may ask for. */
static void
test_other_claims(void **state)
{
	static const struct {
		const char *list, *text, *claims;
		enum da_err err;
	} rows[] = {
	    {"", "{'u': 'a', 'role': 'x'}", "", DA_OK},
	    {"role", "{'u': 'a', 'role': 'x'}", "role=x;", DA_OK},
	    {"role", "{'u': 'a'}", "", DA_E_ABSENT},
	    {"role", "{'u': 'a', 'role': ['x', 'y']}", "role=x;role=y;", DA_OK},
	    {"role", "{'u': 'a', 'role': []}", "", DA_OK},
	    {"role mfa n", "{'u': 'a', 'n': 7, 'mfa': true, 'role': 'x'}",
		"role=x;mfa=true;n=7;", DA_OK},
	    {"role mfa", "{'u': 'a', 'role': 'x'}", "role=x;", DA_E_ABSENT},
	    /* No form that a rule could be written in. */
	    {"role", "{'u': 'a', 'role': {'x': 1}}", "", DA_OK},
	    {"role", "{'u': 'a', 'role': ['x', {}, ['z'], 'y']}",
		"role=x;role=y;", DA_OK},
	    {"role", "{'u': 'a', 'role': 'x\\nrole=admin'}", "", DA_OK},
	    {"role", "{'u': 'a', 'role': '\xd0\xb0'}", "", DA_OK},
	    {"role", "{'u': 'a', 'role': 1.5}", "", DA_OK},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct taken taken =
		    take_other_claims(rows[i].list, rows[i].text);
		struct da_buf *claims = &taken.identity.claims;

		assert_int_equal(taken.err, rows[i].err);
		for (size_t j = 0; j < claims->len; j++) {
			if (claims->bytes[j] == '\0')
				claims->bytes[j] = ';';
		}
		assert_string_equal(da_buf_text(claims), rows[i].claims);
		drop(&taken);
	}
}

static enum da_err
userinfo(long status, const char *text, struct da_wire_identity *identity)
{
	struct da_claims_wanted wanted = {.username_claim = "u",
	    .groups_claim = "groups",
	    .other_claims = "",
	    .need_groups = true};
	struct da_claims_state state = {0};
	struct da_diag reason = {0};
	struct da_buf body = body_of(text);
	enum da_err err = da_claims_take_userinfo(
	    status, &body, &wanted, &state, identity, &reason);

	if (err != DA_OK)
		assert_string_not_equal(reason.text, "");
	da_buf_done(&body);
	return err;
}

/* N18 */
static void
test_userinfo(void **state)
{
	static const struct {
		long status;
		const char *text;
		enum da_err err;
	} rows[] = {
	    {200, "{'sub': 's1', 'u': 'bob', 'groups': ['a']}", DA_OK},
	    {200, "{'sub': 's2', 'u': 'bob'}", DA_E_TOKEN},
	    {200, "{'sub': 'S1', 'u': 'bob'}", DA_E_TOKEN},
	    {200, "{'u': 'bob'}", DA_E_TOKEN},
	    {200, "{'sub': 1, 'u': 'bob'}", DA_E_TOKEN},
	    {200, "[{'sub': 's1', 'u': 'bob'}]", DA_E_PROTOCOL},
	    {200, "'s1'", DA_E_PROTOCOL},
	    {200, "eyJhbGciOiJFUzI1NiJ9.e30.AA", DA_E_PROTOCOL},
	    {200, "", DA_E_PROTOCOL},
	    {401, "{'error': 'invalid_token'}", DA_E_PROVIDER},
	    {401, "", DA_E_PROTOCOL},
	    {403, "{'sub': 's1', 'u': 'bob'}", DA_E_PROTOCOL},
	    {503, "", DA_E_UNREACHABLE},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_wire_identity identity = {.subject = "s1"};

		da_buf_init(&identity.groups, DA_GROUPS_BYTES_MAX);
		assert_int_equal(
		    userinfo(rows[i].status, rows[i].text, &identity),
		    rows[i].err);
		assert_string_equal(
		    identity.username, rows[i].err == DA_OK ? "bob" : "");
		da_wire_done(DA_WIRE_IDENTITY, &identity);
	}
}

/* What the ID token said stays. */
static void
test_userinfo_only_adds(void **state)
{
	struct da_claims_wanted wanted = {.username_claim = "u",
	    .groups_claim = "groups",
	    .other_claims = "",
	    .need_groups = true};
	struct taken taken = take("u", "{'u': 'alice', 'name': 'Alice'}");
	struct da_buf body = body_of(
	    "{'sub': 's1', 'u': 'mallory', 'name': 'M', 'groups': ['staff']}");

	(void)state;
	DA_IGNORE(da_text_copy(
	    "s1", taken.identity.subject, sizeof(taken.identity.subject)));
	assert_int_equal(da_claims_take_userinfo(200, &body, &wanted,
			     &taken.state, &taken.identity, &taken.reason),
	    DA_OK);
	assert_string_equal(taken.identity.username, "alice");
	assert_string_equal(taken.identity.name, "Alice");
	assert_memory_equal(taken.identity.groups.bytes, "staff", 6);
	drop(&taken);
	da_buf_done(&body);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_discovery),
	    cmocka_unit_test(test_discovery_refused),
	    cmocka_unit_test(test_discovery_names_the_issuers),
	    cmocka_unit_test(test_discovery_not_json),
	    cmocka_unit_test(test_discovery_uri),
	    cmocka_unit_test(test_hosts),
	    cmocka_unit_test(test_device),
	    cmocka_unit_test(test_device_numbers),
	    cmocka_unit_test(test_device_shown_as_sent),
	    cmocka_unit_test(test_device_old_name),
	    cmocka_unit_test(test_device_complete),
	    cmocka_unit_test(test_device_refused),
	    cmocka_unit_test(test_device_errors),
	    cmocka_unit_test(test_token_events),
	    cmocka_unit_test(test_token_description),
	    cmocka_unit_test(test_tokens),
	    cmocka_unit_test(test_tokens_refused),
	    cmocka_unit_test(test_token_terms),
	    cmocka_unit_test(test_refresh_answers),
	    cmocka_unit_test(test_revocation_answers),
	    cmocka_unit_test(test_introspection_answers),
	    cmocka_unit_test(test_assurance),
	    cmocka_unit_test(test_assurance_many_methods),
	    cmocka_unit_test(test_status_with_tokens_is_trouble_at_most),
	    cmocka_unit_test(test_client_auth),
	    cmocka_unit_test(test_client_assertion),
	    cmocka_unit_test(test_client_auth_refused),
	    cmocka_unit_test(test_token_types),
	    cmocka_unit_test(test_token_binding),
	    cmocka_unit_test(test_introspection_of_bound),
	    cmocka_unit_test(test_dpop_offer),
	    cmocka_unit_test(test_requests),
	    cmocka_unit_test(test_claims),
	    cmocka_unit_test(test_claims_username),
	    cmocka_unit_test(test_claims_for_show),
	    cmocka_unit_test(test_claims_groups),
	    cmocka_unit_test(test_claims_group_caps),
	    cmocka_unit_test(test_claims_elsewhere),
	    cmocka_unit_test(test_claims_lack),
	    cmocka_unit_test(test_claims_in_order),
	    cmocka_unit_test(test_other_claims),
	    cmocka_unit_test(test_userinfo),
	    cmocka_unit_test(test_userinfo_only_adds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
