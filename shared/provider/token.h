/*
 * Requests to the token endpoint and its answers: the device flow's
 * (RFC 8628 3.4, 3.5) and the refresh (RFC 6749 6).
 */
#ifndef DA_PROVIDER_TOKEN_H
#define DA_PROVIDER_TOKEN_H

#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"
#include "core/secret.h"
#include "provider/device_flow.h"

struct da_token_answer {
	struct da_device_event event;   /* for da_device_flow_step() */
	struct da_secret access_token;  /* with DA_DEVICE_TOKENS only */
	struct da_secret refresh_token; /* empty = none came */
	struct da_secret id_token;      /* after a refresh, empty = none came */
	uint32_t type;                  /* one DA_TOKEN_* */
	int64_t expires_in_s;           /* -1 = not said */
	char scope[DA_SCOPE_MAX + 1];   /* "" = not said, or not fit for use */
};

/* Appends grant_type and device_code. */
enum da_err da_token_request_put(
    struct da_buf *form, const struct da_secret *device_code) DA_MUST_CHECK;

/* Appends grant_type and refresh_token, which has no NUL inside. */
enum da_err da_refresh_request_put(
    struct da_buf *form, const struct da_buf *refresh_token) DA_MUST_CHECK;

/* Judges an answer by its JSON "error", whatever the status (providers.md 3);
 * tokens need a 2xx status, a token_type, in any case, that is one of "types",
 * an access token fit for a header, an ID token, and no error beside them
 * (attack D7). Everything that is not clearly "go on" is final: there is no
 * failure to report apart from the event. "reason" is set for TROUBLE and
 * REFUSED; tokens that were refused are there all the same, to be revoked.
 * Release with da_token_answer_done(). */
void da_token_answer_parse(long status, int64_t retry_after_s,
    const struct da_buf *body, uint32_t types, struct da_token_answer *ret,
    struct da_diag *reason);

/* The same for a refresh, which may bring no ID token and no refresh token
 * (RFC 6749 6, OpenID Connect Core 12.2); the event is not filled.
 * DA_E_REJECTED: invalid_grant, the session is over. DA_E_UNREACHABLE: it may
 * pass. DA_E_PROTOCOL, DA_E_PROVIDER, DA_E_TOKEN, DA_E_DENIED, DA_E_EXPIRED,
 * DA_E_NOMEM. Release "ret" in every case. */
enum da_err
da_refresh_answer_parse(long status, const struct da_buf *body, uint32_t types,
    struct da_token_answer *ret, struct da_diag *reason) DA_MUST_CHECK;

/* Whether a DPoP-bound access token is bound to our key (RFC 9449 6.1), as far
 * as it can be read: DA_E_TOKEN when it names another (attack D16). It is not
 * verified; it can only be refused by this. */
enum da_err da_token_check_binding(const struct da_token_answer *answer,
    const char *thumbprint, struct da_diag *reason) DA_MUST_CHECK;

void da_token_answer_done(struct da_token_answer *answer);

#endif
