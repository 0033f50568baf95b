/*
 * What happens to tokens after the login: refreshed, asked about, revoked.
 * Each is one request, or two where userinfo is to be asked or two tokens are
 * to be revoked.
 */
#ifndef DA_WORKER_RENEWAL_H
#define DA_WORKER_RENEWAL_H

#include "core/attr.h"
#include "core/err.h"
#include "core/wire.h"

struct da_errand;

/* RFC 6749 6. DA_E_REJECTED: the provider has ended the session;
 * DA_E_UNREACHABLE, DA_E_PROTOCOL, DA_E_PROVIDER: nobody knows. After a failure
 * the refresh token may be used up; what came instead has been sent. And the
 * errors of da_task_take_tokens(). */
enum da_err da_renewal_refresh(
    struct da_errand *task, struct da_wire_identity *identity) DA_MUST_CHECK;

/* RFC 7662, about the one token there is. The errors of
 * da_introspection_answer_check(). */
enum da_err da_renewal_introspect(
    struct da_errand *task, struct da_wire_identity *identity) DA_MUST_CHECK;

/* RFC 7009: the refresh token first, which takes the others along at many
 * providers, then the access token. The second is tried whatever became of the
 * first, unless nobody answers. The errors of da_revocation_answer_check(). */
enum da_err da_renewal_revoke(
    struct da_errand *task, struct da_wire_revoked *ret) DA_MUST_CHECK;

#endif
