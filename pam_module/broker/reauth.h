/*
 * sudo and su ask again: whether the session that the caller is in answers for
 * him, by the [service NAME] of the configuration.
 *
 * The session is found through the kernel, from the process at the other end
 * of our socket; nothing that the caller could have set is looked at.
 */
#ifndef DA_BROKER_REAUTH_H
#define DA_BROKER_REAUTH_H

#include <stdbool.h>

#include "core/attr.h"
#include "core/err.h"
#include "store/host_key.h"
#include "store/session.h"

struct da_limits_request;
struct da_transaction;
struct da_wire_identity;

/* The session of whoever asks for himself; zeroed = none. */
struct da_reauth_session {
	struct da_host_keys keys;
	struct da_anchor anchor;
	char id[DA_SESSION_MAX + 1]; /* "" = none */
};

/* Looks for it. There is none for sshd and login, for somebody else's account,
 * or where anything about it is in doubt: then a new sign-in is due. */
void da_reauth_find(struct da_transaction *transaction, uint32_t uid,
    struct da_reauth_session *ret);
void da_reauth_done(struct da_reauth_session *found);

/* Whether it answers for the person. DA_OK: yes. DA_E_IGNORE: a new sign-in is
 * due. DA_E_REJECTED (and on_revoked is carried out), DA_E_UNREACHABLE and the
 * other errors of da_exchange_check(), DA_E_NO_TERMINAL (the provider would
 * have to be asked, and nobody is there), DA_E_ACCT_DENIED, DA_E_NOT_ALLOWED,
 * DA_E_LIMITED: asking the provider counts like a code. */
enum da_err da_reauth_check(struct da_transaction *transaction,
    const struct da_reauth_session *found,
    const struct da_limits_request *limits) DA_MUST_CHECK;

/* The account phase of a local account, where sudo may have asked nobody: the
 * person behind the session that the caller is in may be locked by now, or not
 * be listed any more. DA_E_ACCT_DENIED; DA_OK also when there is no session. */
enum da_err da_reauth_check_account(
    struct da_transaction *transaction, uint32_t uid) DA_MUST_CHECK;

/* After a new sign-in of the same person: what it proved counts for the
 * session from now on. "tokens" are the new ones, which the session takes if it
 * has none, of the same profile; else they stay in there. */
void da_reauth_renew(struct da_transaction *transaction,
    const struct da_reauth_session *found, struct da_session *tokens);

/* What [service NAME] asks of a sign-in, in START's own form. DA_E_CONFIG when
 * a list is too long. */
struct da_reauth_wanted {
	char acr_values[DA_DIAG_MAX + 1];
	char amr[DA_DIAG_MAX + 1];
	int64_t max_age_s; /* -1 = any */
};
enum da_err da_reauth_wanted(const struct da_transaction *transaction,
    struct da_reauth_wanted *ret) DA_MUST_CHECK;

#endif
