/*
 * The device authorization request and its answer (RFC 8628 3.1 and 3.2).
 */
#ifndef DA_PROVIDER_DEVICE_H
#define DA_PROVIDER_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"
#include "core/secret.h"

struct da_provider;

/* When a provider does not say how long its codes live, although RFC 8628
 * wants it to: the shortest life that is seen. */
#define DA_CODE_LIFE_DEFAULT_S 300

struct da_device_answer {
	struct da_secret device_code;
	char user_code[DA_USER_CODE_MAX + 1]; /* as sent, printable ASCII */
	char uri[DA_URI_MAX + 1];
	char uri_complete[DA_URI_MAX + 1]; /* "" = none that is fit for use */
	int64_t expires_in_s;              /* 1 to DA_CODE_LIFE_MAX_S */
	int64_t interval_s;                /* as announced; -1 = not said */
};

struct da_device_request {
	const char *scope;
	const char *device_name;
	const char *acr_values; /* with max_age_s, as in OpenID Connect Core */
	int64_t max_age_s;      /* 3.1.2.1; -1 = not asked */
};

/* Appends what there is. */
enum da_err da_device_request_put(
    struct da_buf *form, const struct da_device_request *request) DA_MUST_CHECK;

/* Reads an answer. Release with da_device_answer_done().
 *
 * The code is refused unless it is printable ASCII, the address unless
 * da_text_check_https() takes it (attack D4). The address may be on another
 * host than the issuer's: real providers send people to a short address of
 * theirs, and the document that names it came over verified TLS from the
 * configured provider. But a name in Punycode, which a person cannot compare
 * with what the browser shows, is taken only where the profile names its host.
 * verification_uri_complete must be on the host of verification_uri (the QR
 * code leads where the text says), or it is left out.
 *
 * DA_E_UNREACHABLE, DA_E_PROTOCOL, DA_E_PROVIDER, DA_E_DENIED, DA_E_NOMEM. */
enum da_err da_device_answer_parse(long status, const struct da_buf *body,
    const struct da_provider *provider, struct da_device_answer *ret,
    struct da_diag *reason) DA_MUST_CHECK;

/* Whether a refused request should be repeated without the client's secret:
 * RFC 8628 3.1 wants it there, some providers call it a malformed request
 * (providers.md 7). */
bool da_device_refuses_secret(const struct da_buf *body);

void da_device_answer_done(struct da_device_answer *answer);

#endif
