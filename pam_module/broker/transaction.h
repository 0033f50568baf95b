/*
 * One transaction of the broker: what was asked, what it was decided by, and
 * the one answer and one audit line it ends with.
 */
#ifndef DA_BROKER_TRANSACTION_H
#define DA_BROKER_TRANSACTION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"
#include "store/config.h"
#include "store/policy.h"
#include "store/session.h"

struct da_paths;
struct da_person;

struct da_transaction {
	const struct da_paths *paths;
	int client; /* socket to the module; not owned */
	struct da_wire_request request;
	struct da_config *config;
	const struct da_profile *profile;
	struct da_wire_result result;
	/* For the audit line. */
	const char *phase;  /* auth, account, open, close */
	bool user_is_known; /* an unknown name may be a mistyped password */
	/* Who stands behind a local account: the name that is pinned, "" for
	 * somebody who has none here. */
	char person[DA_USER_MAX + 1];
	char issuer[DA_ISSUER_MAX + 1];
	char subject[DA_SUBJECT_MAX + 1];
	char code_digest[17]; /* of the user code, to match provider logs */
	char session[DA_SESSION_MAX + 1]; /* the one it is about */
	/* What answered for the person, if not a sign-in: "session",
	 * "provider-check". */
	const char *by;
	struct da_diag diag; /* why, for the administrator */
	/* For da_revocation_finish(), once nobody waits any more. */
	struct da_session leftover; /* tokens that no session has taken */
	char ended[DA_SESSION_MAX + 1];
	struct da_session doomed; /* without tokens; to be terminated */
};

/* The phases. Each fills result (all but code and nonce) and diag. */
enum da_err da_auth_run(struct da_transaction *transaction) DA_MUST_CHECK;
enum da_err da_phase_account(struct da_transaction *transaction) DA_MUST_CHECK;
/* Opens a session, or ends one. */
enum da_err da_phase_session(struct da_transaction *transaction) DA_MUST_CHECK;

/* Loads configuration and profile. DA_E_CONFIG. */
enum da_err
da_transaction_configure(struct da_transaction *transaction) DA_MUST_CHECK;

/* Whether every source of the name service agrees that name and uid are those
 * of an account of ours, or knows neither: the program goes by the first source
 * that answers, be it ours or not. DA_E_COLLISION; DA_E_SYS (a source does not
 * work). */
enum da_err da_transaction_check_names(
    struct da_transaction *transaction, uint32_t uid) DA_MUST_CHECK;

/* By what the transaction's profile and service decide; with the PAM argument
 * "debug" each rule is explained in the log. */
struct da_policy
da_transaction_policy(const struct da_transaction *transaction);

/* The process at the other end: the host program. DA_E_SYS. */
enum da_err da_transaction_peer(
    const struct da_transaction *transaction, int32_t *ret) DA_MUST_CHECK;

/* This host's name, as people know it. */
void da_transaction_host(char *ret, size_t size);

/* Whether the rules of a profile, and of the service, let a person in; RESULT
 * names the rule that does not. The errors of da_policy_check_access(). */
enum da_err da_transaction_check_access(struct da_transaction *transaction,
    const struct da_profile *profile, const char *person,
    const struct da_buf *groups, const struct da_buf *claims) DA_MUST_CHECK;

/* Whether a person, as the last sign-in left him, may be the account, which is
 * local or his own. The profile becomes that which he signed in with.
 * DA_E_ACCT_DENIED, DA_E_ACCT_UNKNOWN (never signed in here), DA_E_ACCT_STALE
 * (too long ago). */
enum da_err da_transaction_check_person(struct da_transaction *transaction,
    const struct da_person *person, bool local) DA_MUST_CHECK;

/* Whether the account that is asked for is one of the passwd file's; then it is
 * managed, or the module would not ask. DA_E_SYS, DA_E_NOMEM. */
enum da_err da_transaction_is_local(
    const struct da_transaction *transaction, bool *ret) DA_MUST_CHECK;

/* With the PAM argument "debug": a line on the way to the decision. Never a
 * secret, never an unknown name. */
void da_audit_explain(const struct da_transaction *transaction,
    const char *format, ...) DA_PRINTF(2, 3);

/* One line about a session: what became of its tokens. */
void da_audit_session(const char *event, enum da_err err,
    const struct da_session *session, const struct da_diag *diag);

/* Writes the audit line of the decision: one per transaction. */
void da_audit_write(const struct da_transaction *transaction, enum da_err err);

#endif
