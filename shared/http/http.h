/*
 * HTTPS requests to an identity provider.
 *
 * Runs in the worker and in the command. Everything that arrives is hostile.
 *
 *  1. https only; redirects are answers, never followed (H3).
 *  2. Certificate and name are always verified; there is no switch.
 *  3. No proxy, netrc, cookie, HSTS or Alt-Svc store, no credentials but those
 *     that the caller gives: nothing outside this struct steers a request.
 *  4. Names are looked up by us, before; curl starts no resolver thread and a
 *     sandboxed caller needs no resolver files. Addresses are judged.
 *  5. Bodies and headers are counted as they arrive, whatever the announced
 *     length says.
 *  6. Texts of the server never become error texts.
 *
 * One struct da_http keeps one connection alive for a whole login.
 */
#ifndef DA_HTTP_HTTP_H
#define DA_HTTP_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"

/* An issuer and the further hosts of its endpoints. */
#define DA_HTTP_HOSTS_MAX 16
/* Longest wait that a server may ask for with Retry-After. */
#define DA_HTTP_RETRY_AFTER_MAX_S 3600
/* A CA file: the whole Debian bundle is 220 kB. */
#define DA_HTTP_CA_MAX (1024 * 1024)

struct da_http;

struct da_http_config {
	const struct da_buf *ca; /* certificates in PEM instead of the system's
				  * hashed folder; NULL or empty = the folder */
	bool allow_loopback;
	int64_t timeout_ms; /* of one request, lookup excluded */
	int abort_fd; /* readable or closed = end the request; -1 = none */
};

struct da_http_request {
	const char *url;           /* da_text_check_https() accepts it */
	const struct da_buf *form; /* body of a POST; NULL = GET */
	const char *authorization; /* value of that header; NULL = none */
	const char *dpop;          /* the proof (RFC 9449); NULL = none */
	int64_t deadline_mono_ms;
	bool once; /* never sent twice, not even when a reused connection turns
		    * out to be dead: it may have taken effect */
};

struct da_http_answer {
	long status;
	char content_type[64]; /* media type without parameters, lower case */
	struct da_buf body;
	int64_t max_age_s;     /* Cache-Control; -1 = not said */
	int64_t retry_after_s; /* -1 = not said */
	char dpop_nonce[DA_DPOP_NONCE_MAX + 1]; /* RFC 9449 8.1; "" = none that
						 * could be used */
	bool may_pass; /* after DA_E_UNREACHABLE: trying later makes sense */
};

/* Prepares libcurl and OpenSSL without reading any configuration file, and
 * does what either would otherwise do lazily. Once in a process, before a
 * sandbox. DA_E_SYS. */
enum da_err da_http_setup(void) DA_MUST_CHECK;

/* "config" is copied, config->ca included. DA_E_NOMEM. */
enum da_err da_http_new(
    const struct da_http_config *config, struct da_http **ret) DA_MUST_CHECK;
void da_http_free(struct da_http *http);
void da_http_freep(struct da_http **http);

/* Looks a host up and remembers the outcome, good or bad, for the requests to
 * come. May block as long as the system's resolver does. DA_E_TOO_LARGE (over
 * DA_HTTP_HOSTS_MAX); a failed lookup is told by the requests. */
enum da_err
da_http_lookup(struct da_http *http, const char *host) DA_MUST_CHECK;

/* Sends a request and fills "ret" (release with da_http_answer_done(), also
 * after a failure). A reused connection that turns out to be dead before a
 * byte of the answer came is replaced once, silently.
 * DA_E_UNREACHABLE: no answer; "reason" says why and ret->may_pass whether it
 * may pass. DA_E_PROTOCOL: an answer, but not one of HTTP, or too large.
 * DA_E_CANCELLED: abort_fd. DA_E_CONFIG (CA file), DA_E_NOMEM, DA_E_BUG. */
enum da_err
da_http_send(struct da_http *http, const struct da_http_request *request,
    struct da_http_answer *ret, struct da_diag *reason) DA_MUST_CHECK;

void da_http_answer_done(struct da_http_answer *answer);

#endif
