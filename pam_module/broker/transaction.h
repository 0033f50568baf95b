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

struct da_paths;

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
	struct da_diag diag;  /* why, for the administrator */
};

/* The phases. Each fills result (all but code and nonce) and diag. */
enum da_err da_auth_run(struct da_transaction *transaction) DA_MUST_CHECK;
enum da_err da_phase_account(struct da_transaction *transaction) DA_MUST_CHECK;
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

/* Whether the account that is asked for is one of the passwd file's; then it is
 * managed, or the module would not ask. DA_E_SYS, DA_E_NOMEM. */
enum da_err da_transaction_is_local(
    const struct da_transaction *transaction, bool *ret) DA_MUST_CHECK;

/* With the PAM argument "debug": a line on the way to the decision. Never a
 * secret, never an unknown name. */
void da_audit_explain(const struct da_transaction *transaction,
    const char *format, ...) DA_PRINTF(2, 3);

/* Writes the audit line of the decision: one per transaction. */
void da_audit_write(const struct da_transaction *transaction, enum da_err err);

#endif
