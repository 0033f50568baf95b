/*
 * The token request of the device flow and its answers (RFC 8628 3.4, 3.5).
 */
#ifndef DA_PROVIDER_TOKEN_H
#define DA_PROVIDER_TOKEN_H

#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/secret.h"
#include "provider/device_flow.h"

struct da_token_answer {
	struct da_device_event event;  /* for da_device_flow_step() */
	struct da_secret access_token; /* with DA_DEVICE_TOKENS only */
	struct da_secret id_token;
};

/* Appends grant_type and device_code. */
enum da_err da_token_request_put(
    struct da_buf *form, const struct da_secret *device_code) DA_MUST_CHECK;

/* Judges an answer by its JSON "error", whatever the status (providers.md 3);
 * tokens need a 2xx status, token_type Bearer in any case, an access token fit
 * for a header, an ID token, and no error beside them (attack D7). Everything
 * that is not clearly "go on" is final: there is no failure to report apart
 * from the event. "reason" is set for TROUBLE and REFUSED. Release with
 * da_token_answer_done(). */
void da_token_answer_parse(long status, int64_t retry_after_s,
    const struct da_buf *body, struct da_token_answer *ret,
    struct da_diag *reason);

void da_token_answer_done(struct da_token_answer *answer);

#endif
