/*
 * Whether a token still stands: revocation (RFC 7009) and introspection
 * (RFC 7662), requests and answers.
 */
#ifndef DA_PROVIDER_TOKEN_STATUS_H
#define DA_PROVIDER_TOKEN_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"

enum da_token_kind {
	DA_TOKEN_ACCESS,
	DA_TOKEN_REFRESH,
};

/* Appends token and token_type_hint; the same for both requests. The token has
 * no NUL inside. */
enum da_err da_token_status_request_put(struct da_buf *form,
    enum da_token_kind kind, const struct da_buf *token) DA_MUST_CHECK;

/* RFC 7009 2.2: whatever a success says, the token is gone; so it is when it
 * was never known (invalid_token), and a provider that does not revoke access
 * tokens (unsupported_token_type) lets them run out. DA_E_UNREACHABLE: it may
 * pass, try again. DA_E_PROVIDER, DA_E_PROTOCOL, DA_E_NOMEM and the like:
 * final. */
enum da_err da_revocation_answer_check(long status, const struct da_buf *body,
    enum da_token_kind kind, struct da_diag *reason) DA_MUST_CHECK;

/* Whose token it should be. */
struct da_introspection_expect {
	const char *issuer;
	const char *client_id;
	const char *subject;
	const char *thumbprint; /* of the key it is bound to; "" = none */
	enum da_token_kind kind;
	int64_t now_s;
	int64_t leeway_s;
};

/* RFC 7662 2.2: DA_OK for an active token of ours. DA_E_REJECTED when it is not
 * active, DA_E_TOKEN when what else the answer says is about another token or
 * contradicts itself, and the errors of da_answer_take(). */
enum da_err da_introspection_answer_check(long status,
    const struct da_buf *body, const struct da_introspection_expect *expect,
    struct da_diag *reason) DA_MUST_CHECK;

#endif
