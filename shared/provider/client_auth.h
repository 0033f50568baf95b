/*
 * How the client proves itself (RFC 6749 2.3, OpenID Connect Core 9).
 */
#ifndef DA_PROVIDER_CLIENT_AUTH_H
#define DA_PROVIDER_CLIENT_AUTH_H

#include <stdbool.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/wire.h"

struct da_client {
	const char *id;
	enum da_client_auth auth;
	bool secret_raw; /* Basic credentials are sent as they are */
	const struct da_buf
	    *secret; /* no NUL inside; of the two that have one */
	const struct da_buf
	    *assertion; /* of private_key_jwt, fresh each time */
};

/* Adds client_id to the form, always, and either client_secret or a client
 * assertion (RFC 7523 2.2) to the form or the value of an Authorization header
 * to "authorization" (left empty otherwise). The secret goes only to the device
 * and token endpoints (H11): no other function of ours sends forms. DA_E_CONFIG
 * for an id or secret that cannot be sent this way; the errors of da_buf_put().
 */
enum da_err da_client_auth_put(const struct da_client *client,
    struct da_buf *form, struct da_buf *authorization) DA_MUST_CHECK;

#endif
