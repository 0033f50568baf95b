/*
 * What all answers of a provider have in common: they are JSON objects, and
 * when they hold an "error" they are errors, whatever the HTTP status says
 * (providers answer errors with 200, 400, 401, 403 and 429).
 *
 * Pure functions on hostile bytes. Reasons are phrases of ours: the provider's
 * error_description is never read.
 */
#ifndef DA_PROVIDER_ANSWER_H
#define DA_PROVIDER_ANSWER_H

#include <stdbool.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"

struct da_json;

/* Parses a body that must be a JSON object. DA_E_PROTOCOL, DA_E_NOMEM. */
enum da_err da_answer_parse(const struct da_buf *body, struct da_json **ret,
    struct da_diag *reason) DA_MUST_CHECK;

/* The "error" of an answer (RFC 6749 5.2, RFC 8628 3.5): DA_E_ABSENT when it
 * has none, else DA_OK and the borrowed name; DA_E_PROTOCOL when it is no text.
 */
enum da_err da_answer_error(const struct da_json *answer, const char **ret,
    struct da_diag *reason) DA_MUST_CHECK;

/* Whether the body is an answer with that error, whatever the status. */
bool da_answer_is_error(const struct da_buf *body, const char *error);

/* What an error means for a login: DA_E_DENIED, DA_E_EXPIRED, DA_E_PROVIDER,
 * or DA_E_UNREACHABLE for those that may pass. An unknown error is final. */
enum da_err da_answer_explain(const char *error, struct da_diag *reason);

/* What a status means when the body does not say: DA_OK for 2xx,
 * DA_E_UNREACHABLE for 408, 429 and 5xx, which may pass, else DA_E_PROTOCOL.
 * Redirects are not followed. */
enum da_err
da_answer_check_status(long status, struct da_diag *reason) DA_MUST_CHECK;

/* All of it for a document that must be there: status, object, no error. */
enum da_err da_answer_take(long status, const struct da_buf *body,
    struct da_json **ret, struct da_diag *reason) DA_MUST_CHECK;

#endif
