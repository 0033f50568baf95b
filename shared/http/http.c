#include "http/http.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/clock.h"
#include "core/limits.h"
#include "core/secret.h"
#include "core/text.h"
#include "http/address.h"
#include "http/header.h"
#include "http/policy.h"
#include "http/trouble.h"

/* How long curl may sleep when nothing happens; it wakes itself in time. */
#define POLL_MS 1000

struct host {
	char name[DA_HOST_MAX + 1];
	char addresses[DA_ADDRESS_LIST_MAX + 1]; /* "" = none */
	struct da_diag reason;                   /* why there is none */
};

struct da_http {
	CURLM *multi;
	CURL *easy;
	struct da_buf ca;
	bool allow_loopback;
	int64_t timeout_ms;
	int abort_fd;
	int64_t
	    idle_s; /* how long the server keeps connections, -1 = unknown */
	struct host hosts[DA_HTTP_HOSTS_MAX];
	size_t host_count;
};

/* One request on its way: what the callbacks of curl see. */
struct exchange {
	struct da_http *http;
	struct da_http_answer *answer;
	struct da_http_headers headers;
	struct da_http_trouble trouble;
	char host[DA_HOST_MAX + 1];
	struct curl_slist *fields;
	struct curl_slist *resolve;
};

enum da_err
da_http_setup(void)
{
	/* Before anything else of OpenSSL: its configuration file could name
	 * providers to load (attack E4). */
	if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
		    OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
		    OPENSSL_INIT_ADD_ALL_CIPHERS | OPENSSL_INIT_ADD_ALL_DIGESTS,
		NULL) != 1 ||
	    curl_global_init(CURL_GLOBAL_SSL) != CURLE_OK)
		return DA_E_SYS;
	/* OpenSSL's gmtime_r() would read /etc/localtime at the first
	 * certificate. */
	tzset();
	return da_address_setup();
}

enum da_err
da_http_new(const struct da_http_config *config, struct da_http **ret)
{
	DA_CLEANUP(da_http_freep) struct da_http *http = NULL;
	enum da_err err = DA_OK;

	http = calloc(1, sizeof(*http));
	if (http == NULL)
		return DA_E_NOMEM;
	http->allow_loopback = config->allow_loopback;
	http->timeout_ms = config->timeout_ms;
	http->abort_fd = config->abort_fd;
	http->idle_s = -1;
	da_buf_init(&http->ca, DA_HTTP_CA_MAX);
	http->multi = curl_multi_init();
	http->easy = curl_easy_init();
	if (http->multi == NULL || http->easy == NULL)
		return DA_E_NOMEM;
	if (config->ca != NULL)
		err = da_buf_put(&http->ca, config->ca->bytes, config->ca->len);
	if (err == DA_OK)
		*ret = DA_TAKE(http);
	return err;
}

void
da_http_free(struct da_http *http)
{
	if (http == NULL)
		return;
	curl_easy_cleanup(http->easy);
	if (http->multi != NULL)
		(void)curl_multi_cleanup(http->multi); /* nothing to be done */
	da_buf_done(&http->ca);
	free(http);
}

void
da_http_freep(struct da_http **http)
{
	da_http_free(*http);
	*http = NULL;
}

void
da_http_answer_done(struct da_http_answer *answer)
{
	da_buf_done(&answer->body);
	*answer = (struct da_http_answer){0};
}

static const struct host *
find_host(const struct da_http *http, const char *name)
{
	for (size_t i = 0; i < http->host_count; i++) {
		if (strcmp(http->hosts[i].name, name) == 0)
			return &http->hosts[i];
	}
	return NULL;
}

enum da_err
da_http_lookup(struct da_http *http, const char *host)
{
	struct host *entry;

	if (find_host(http, host) != NULL)
		return DA_OK;
	if (http->host_count == DA_HTTP_HOSTS_MAX)
		return DA_E_TOO_LARGE;
	entry = &http->hosts[http->host_count];
	if (da_text_copy(host, entry->name, sizeof(entry->name)) != DA_OK)
		return DA_E_TOO_LARGE;
	/* Good or bad, the outcome is in the entry. */
	DA_IGNORE(da_address_lookup(
	    host, http->allow_loopback, entry->addresses, &entry->reason));
	http->host_count++;
	return DA_OK;
}

/* The last word on an address, whatever led to it. */
static curl_socket_t
on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct exchange *exchange = user;

	if (purpose != CURLSOCKTYPE_IPCXN ||
	    !da_address_is_allowed(
		&address->addr, exchange->http->allow_loopback)) {
		exchange->trouble.address_refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC,
	    address->protocol);
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *user)
{
	struct exchange *exchange = user;

	if (da_buf_put(&exchange->answer->body, bytes, size * count) == DA_OK)
		return size * count;
	exchange->trouble.too_large = true;
	return 0;
}

static size_t
on_header(char *line, size_t size, size_t count, void *user)
{
	struct exchange *exchange = user;
	enum da_err err = da_http_header_take(
	    &exchange->headers, exchange->answer, line, size * count);

	if (err == DA_OK)
		return size * count;
	exchange->trouble.too_large = err == DA_E_TOO_LARGE;
	return 0;
}

/* curl would accept a name that stands in the subject only, and wildcards in
 * the middle of a label; the standards do not (attack H1, RFC 9525 6.3). */
static CURLcode
on_ssl_ctx(CURL *easy, void *ssl_ctx, void *user)
{
	const struct exchange *exchange = user;
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ssl_ctx);

	(void)easy; /* the signature is curl's */
	X509_VERIFY_PARAM_set_hostflags(param,
	    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
		X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, exchange->host) == 1)
		return CURLE_OK;
	if (X509_VERIFY_PARAM_set1_host(param, exchange->host, 0) == 1)
		return CURLE_OK;
	return CURLE_ABORTED_BY_CALLBACK;
}

/* The first failure sticks. */
#define SET(option, value)                                                     \
	do {                                                                   \
		if (code == CURLE_OK)                                          \
			code = curl_easy_setopt(easy, (option), (value));      \
	} while (0)

static CURLcode
set_callbacks(CURL *easy, struct exchange *exchange)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, exchange);
	SET(CURLOPT_WRITEFUNCTION, on_body);
	SET(CURLOPT_WRITEDATA, exchange);
	SET(CURLOPT_HEADERFUNCTION, on_header);
	SET(CURLOPT_HEADERDATA, exchange);
	SET(CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
	SET(CURLOPT_SSL_CTX_DATA, exchange);
	return code;
}

static CURLcode
set_request(CURL *easy, const struct exchange *exchange,
    const struct da_http_request *request, int64_t timeout_ms)
{
	CURLcode code = CURLE_OK;
	int64_t idle_s = exchange->http->idle_s;

	SET(CURLOPT_URL, request->url);
	SET(CURLOPT_RESOLVE, exchange->resolve);
	SET(CURLOPT_HTTPHEADER, exchange->fields);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
	SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	/* A poll that races with the server's idle timer may be lost after it
	 * has taken effect: do not reuse in the last second. */
	if (idle_s >= 0)
		SET(CURLOPT_MAXAGE_CONN, idle_s > 2 ? (long)idle_s - 1 : 1L);
	if (request->once)
		SET(CURLOPT_FRESH_CONNECT, 1L);
	if (request->form != NULL) {
		SET(CURLOPT_POSTFIELDS, da_buf_text(request->form));
		SET(CURLOPT_POSTFIELDSIZE_LARGE,
		    (curl_off_t)request->form->len);
	}
	return code;
}

/* Appends to a list of curl's; the list is freed with the exchange. */
static enum da_err
append(struct curl_slist **list, const char *text)
{
	struct curl_slist *longer = curl_slist_append(*list, text);

	if (longer == NULL)
		return DA_E_NOMEM;
	*list = longer;
	return DA_OK;
}

/* A header field whose value the caller has made; NULL = none. */
static enum da_err
append_field(struct exchange *exchange, const char *name, const char *value)
{
	DA_CLEANUP(da_buf_done) struct da_buf line;
	enum da_err err;

	da_buf_init(&line, 2 * DA_TOKEN_MAX);
	if (value == NULL)
		return DA_OK;
	if (!da_text_is_printable(value))
		return DA_E_BUG;
	err = da_buf_format(&line, "%s: %s", name, value);
	return err != DA_OK ? err
			    : append(&exchange->fields, da_buf_text(&line));
}

static enum da_err
make_fields(struct exchange *exchange, const struct da_http_request *request)
{
	enum da_err err = append(&exchange->fields, "Accept: application/json");

	if (err == DA_OK)
		err = append(&exchange->fields, "Expect:");
	if (err == DA_OK)
		err = append_field(exchange, "DPoP", request->dpop);
	return err != DA_OK
	    ? err
	    : append_field(exchange, "Authorization", request->authorization);
}

/* One of them may hold a secret. */
static void
free_fields(struct curl_slist *fields)
{
	for (struct curl_slist *one = fields; one != NULL; one = one->next)
		da_secret_wipe(one->data, strlen(one->data));
	curl_slist_free_all(fields);
}

static bool
is_literal(const char *host)
{
	struct in6_addr unused;

	return inet_pton(AF_INET, host, &unused) == 1 ||
	    inet_pton(AF_INET6, host, &unused) == 1;
}

/* Where it was tried is for the log: the person is told the provider's name. */
static void
explain(const struct exchange *exchange, const char *url, const char *text,
    const char *hint, struct da_diag *ret)
{
	da_diag_set(ret, "%s", text);
	da_diag_hint(ret,
	    strchr(exchange->host, ':') == NULL ? "%s:%u%s%s" : "[%s]:%u%s%s",
	    exchange->host, da_text_uri_port(url), hint[0] != '\0' ? "; " : "",
	    hint);
}

/* "host:port:addresses": curl then never resolves anything itself. A literal
 * address it reads on its own. */
static enum da_err
make_resolve(struct exchange *exchange, const char *url, struct da_diag *reason)
{
	const struct host *host = find_host(exchange->http, exchange->host);
	DA_CLEANUP(da_buf_done) struct da_buf entry;
	enum da_err err;

	da_buf_init(&entry, DA_HOST_MAX + DA_ADDRESS_LIST_MAX + 16);
	if (host == NULL || host->addresses[0] == '\0') {
		explain(exchange, url,
		    host != NULL ? host->reason.text : "name not found",
		    host != NULL ? host->reason.hint : "", reason);
		return DA_E_UNREACHABLE;
	}
	if (is_literal(host->name))
		return DA_OK;
	err = da_buf_format(&entry, "%s:%u:%s", host->name,
	    da_text_uri_port(url), host->addresses);
	return err != DA_OK ? err
			    : append(&exchange->resolve, da_buf_text(&entry));
}

/* Drives the transfer to its end or until abort_fd has something to say. */
static enum da_err
drive(struct da_http *http, CURLcode *ret_code)
{
	struct curl_waitfd wait = {
	    .fd = http->abort_fd, .events = CURL_WAIT_POLLIN};
	unsigned int extra = http->abort_fd >= 0 ? 1 : 0;
	int running = 1, queued;
	const CURLMsg *message;

	while (running > 0) {
		if (curl_multi_perform(http->multi, &running) != CURLM_OK)
			return DA_E_BUG;
		if (running == 0)
			break;
		if (curl_multi_poll(http->multi, &wait, extra, POLL_MS, NULL) !=
		    CURLM_OK)
			return DA_E_BUG;
		if (wait.revents != 0)
			return DA_E_CANCELLED;
	}
	message = curl_multi_info_read(http->multi, &queued);
	if (message == NULL || message->msg != CURLMSG_DONE)
		return DA_E_BUG;
	*ret_code = message->data.result;
	return DA_OK;
}

static enum da_err
transfer(struct exchange *exchange, CURLcode *ret_code)
{
	struct da_http *http = exchange->http;
	enum da_err err;

	if (curl_multi_add_handle(http->multi, http->easy) != CURLM_OK)
		return DA_E_BUG;
	err = drive(http, ret_code);
	(void)curl_multi_remove_handle(http->multi, http->easy); /* was added */
	return err;
}

static enum da_err
judge(struct exchange *exchange, CURLcode code, const char *url,
    struct da_diag *reason)
{
	CURL *easy = exchange->http->easy;
	struct da_http_trouble *trouble = &exchange->trouble;
	const char *text;
	enum da_err err;

	if (code == CURLE_OK) {
		exchange->http->idle_s = exchange->headers.idle_s;
		(void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE,
		    &exchange->answer->status); /* stays 0: not a success */
		return DA_OK;
	}
	trouble->curl = (int)code;
	(void)curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT,
	    &trouble->verify); /* these two only make the text better */
	(void)curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &trouble->os_errno);
	err = da_http_explain(trouble, &text, &exchange->answer->may_pass);
	explain(exchange, url, text, da_http_hint(trouble), reason);
	return err;
}

static enum da_err
perform(struct exchange *exchange, const struct da_http_request *request,
    struct da_diag *reason)
{
	CURL *easy = exchange->http->easy;
	int64_t timeout_ms = request->deadline_mono_ms - da_clock_mono_ms();
	CURLcode code;
	enum da_err err;

	if (timeout_ms > exchange->http->timeout_ms)
		timeout_ms = exchange->http->timeout_ms;
	if (timeout_ms <= 0) {
		explain(
		    exchange, request->url, "no answer in time", "", reason);
		return DA_E_UNREACHABLE;
	}
	curl_easy_reset(easy);
	code = da_http_set_policy(easy, &exchange->http->ca);
	if (code == CURLE_OK)
		code = set_callbacks(easy, exchange);
	if (code == CURLE_OK)
		code = set_request(easy, exchange, request, timeout_ms);
	if (code != CURLE_OK)
		return DA_E_BUG;
	err = transfer(exchange, &code);
	if (err == DA_OK)
		err = judge(exchange, code, request->url, reason);
	/* Not a pointer of ours may stay behind in the handle. */
	curl_easy_reset(easy);
	return err;
}

enum da_err
da_http_send(struct da_http *http, const struct da_http_request *request,
    struct da_http_answer *ret, struct da_diag *reason)
{
	struct exchange exchange = {
	    .http = http, .answer = ret, .headers = {.idle_s = -1}};
	enum da_err err;

	*ret = (struct da_http_answer){.max_age_s = -1, .retry_after_s = -1};
	da_buf_init(&ret->body, DA_BODY_MAX);
	if (da_text_check_https(request->url) != DA_OK ||
	    da_text_uri_host(
		request->url, exchange.host, sizeof(exchange.host)) != DA_OK)
		return DA_E_BUG;
	err = make_resolve(&exchange, request->url, reason);
	if (err == DA_OK)
		err = make_fields(&exchange, request);
	if (err == DA_OK)
		err = perform(&exchange, request, reason);
	free_fields(exchange.fields);
	curl_slist_free_all(exchange.resolve);
	return err;
}
