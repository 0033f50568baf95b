#include "broker/reauth.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "broker/exchange.h"
#include "broker/order.h"
#include "broker/transaction.h"
#include "core/assurance.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/limits.h"
#include "store/people.h"
#include "store/person.h"

/* Another sudo of the session may be asking at this moment. */
#define LOCK_WAIT_MS 10000
#define RENEW_WAIT_MS 2000

static const struct da_service *
service_of(const struct da_transaction *transaction)
{
	return da_config_service(
	    transaction->config, transaction->request.service);
}

enum da_err
da_reauth_wanted(
    const struct da_transaction *transaction, struct da_reauth_wanted *ret)
{
	const struct da_service *service = service_of(transaction);
	enum da_err err;

	*ret = (struct da_reauth_wanted){.max_age_s = -1};
	if (service == NULL)
		return DA_OK;
	if (service->max_age_s > 0)
		ret->max_age_s = service->max_age_s;
	err = da_order_join(
	    &service->acr, ret->acr_values, sizeof(ret->acr_values));
	if (err == DA_OK)
		err = da_order_join(&service->amr, ret->amr, sizeof(ret->amr));
	return err == DA_OK ? DA_OK : DA_E_CONFIG;
}

void
da_reauth_find(struct da_transaction *transaction, uint32_t uid,
    struct da_reauth_session *ret)
{
	const struct da_wire_request *request = &transaction->request;
	const uint32_t others = DA_REQUEST_REMOTE | DA_REQUEST_FOR_OTHER |
	    DA_REQUEST_LOGIN_60S | DA_REQUEST_NOT_ADMITTED;
	struct da_diag diag = {0};
	int32_t pid;
	enum da_err err;

	*ret = (struct da_reauth_session){.id = ""};
	/* An sshd or a login that was started by hand runs in the session of
	 * whoever did that; there the caller is root. */
	if ((request->flags & others) != 0 || request->caller == 0 ||
	    request->caller != uid ||
	    da_transaction_peer(transaction, &pid) != DA_OK)
		return;
	err = da_host_keys_load(transaction->paths, &ret->keys, &diag);
	if (err == DA_OK)
		err = da_session_find(transaction->paths, &ret->keys, pid, uid,
		    ret->id, &ret->anchor, &diag);
	if (err == DA_OK)
		return;
	ret->id[0] = '\0';
	da_audit_explain(transaction, "no session: %s", diag.text);
}

void
da_reauth_done(struct da_reauth_session *found)
{
	da_host_keys_done(&found->keys);
}

/* A file that does not open here is worth a word to the administrator; for the
 * person it is as if it was not there. */
static enum da_err
load(struct da_transaction *transaction, const struct da_reauth_session *found,
    struct da_session *ret)
{
	struct da_diag diag = {0};
	enum da_err err = da_session_load(transaction->paths, &found->keys,
	    found->id, &found->anchor, transaction->request.caller, ret, &diag);

	/* Its logout may never be told: su can be killed by who called it. */
	if (err == DA_OK &&
	    da_session_is_over(transaction->paths, &found->keys.machine, ret)) {
		da_audit_explain(transaction, "the session's login is over");
		da_session_done(ret);
		return DA_E_IGNORE;
	}
	if (err == DA_OK) {
		da_person_follow(
		    transaction->paths, ret->issuer, ret->subject, ret->person);
		return DA_OK;
	}
	if (err != DA_E_ABSENT && err != DA_E_ENDED) {
		memcpy(ret->id, found->id, sizeof(ret->id));
		da_audit_session("session", err, ret, &diag);
	}
	return DA_E_IGNORE;
}

static bool
is_within(int64_t since_mono_ms, int64_t span_s)
{
	int64_t age_ms = da_clock_mono_ms() - since_mono_ms;

	return since_mono_ms > 0 && age_ms >= 0 && age_ms < span_s * 1000;
}

/* Whether the session, as it is, is enough. DA_E_IGNORE: a new sign-in is due.
 * DA_E_ABSENT: the provider is to be asked. */
static enum da_err
judge(const struct da_transaction *transaction,
    const struct da_service *service, const struct da_session *session)
{
	struct da_reauth_wanted wanted;
	const struct da_assurance given = {
	    session->acr, session->amr, session->auth_time_s};
	struct da_assurance_wanted terms = {
	    .acr_values = wanted.acr_values,
	    .amr = wanted.amr,
	    .asked_s = da_clock_wall_s(),
	    .now_s = da_clock_wall_s(),
	};
	struct da_diag diag = {0};
	enum da_err err = da_reauth_wanted(transaction, &wanted);

	if (err != DA_OK)
		return err;
	terms.max_age_s = wanted.max_age_s;
	if (strcmp(session->account, transaction->request.user) != 0 ||
	    strcmp(session->issuer, transaction->profile->issuer) != 0) {
		da_audit_explain(
		    transaction, "the session is of another account or issuer");
		return DA_E_IGNORE;
	}
	if (da_assurance_check(&terms, &given, &diag) != DA_OK) {
		da_audit_explain(
		    transaction, "the session's sign-in: %s", diag.text);
		return DA_E_IGNORE;
	}
	switch ((enum da_reauth)service->reauth) {
	case DA_REAUTH_NEVER:
		return DA_OK;
	case DA_REAUTH_SESSION:
		return is_within(session->signed_in_mono_ms,
			   service->reauth_max_age_s)
		    ? DA_OK
		    : DA_E_IGNORE;
	case DA_REAUTH_PROVIDER:
		return is_within(
			   session->verified_mono_ms, service->reauth_max_age_s)
		    ? DA_OK
		    : DA_E_ABSENT;
	default:
		return DA_E_IGNORE;
	}
}

/* Whoever is behind the session may be locked, or listed no more; or the name
 * is somebody else's: DA_E_PIN. */
static enum da_err
check_person(
    struct da_transaction *transaction, const struct da_session *session)
{
	const struct da_profile *profile = transaction->profile;
	struct da_person person;
	bool local = false;
	enum da_err err = DA_E_ABSENT;

	if (session->person[0] != '\0')
		err = da_person_load(transaction->paths, session->person,
		    &person, &transaction->diag);
	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_E_IGNORE : err;
	err = strcmp(person.issuer, session->issuer) == 0 &&
		strcmp(person.subject, session->subject) == 0
	    ? da_transaction_is_local(transaction, &local)
	    : DA_E_PIN;
	memcpy(
	    transaction->person, session->person, sizeof(transaction->person));
	if (err == DA_OK)
		err = da_transaction_check_person(transaction, &person, local);
	transaction->profile = profile;
	da_person_done(&person);
	return err == DA_E_ACCT_STALE || err == DA_E_ACCT_UNKNOWN ? DA_E_IGNORE
								  : err;
}

/* userinfo says what groups there are, also when there are none. What counts is
 * the profile that the session came by, and the one that was asked for. */
static enum da_err
check_fresh_access(struct da_transaction *transaction,
    const struct da_profile *profile, const struct da_wire_identity *identity)
{
	enum da_err err;

	if ((identity->evidence & DA_EVIDENCE_USERINFO) == 0)
		return DA_OK;
	err = da_transaction_check_access(transaction, transaction->profile,
	    transaction->person, &identity->groups, &identity->claims);
	return err != DA_OK
	    ? err
	    : da_transaction_check_access(transaction, profile,
		  transaction->person, &identity->groups, &identity->claims);
}

/* The module has nothing to say before a code is shown: it has gone. */
static enum da_err
check_client(struct da_transaction *transaction)
{
	struct pollfd fd = {.fd = transaction->client, .events = POLLIN};

	if (poll(&fd, 1, 0) <= 0)
		return DA_OK;
	da_diag_set(&transaction->diag, "the person went away");
	return DA_E_CANCELLED;
}

/* Why nobody knows, in the words that a sign-in has for it. */
static void
explain_trouble(struct da_transaction *transaction)
{
	DA_IGNORE(
	    da_text_copy(transaction->diag.text, transaction->result.reason,
		sizeof(transaction->result.reason))); /* same size */
}

static enum da_err
lock(struct da_transaction *transaction, const char *id, int *ret)
{
	enum da_err err = da_session_lock(
	    transaction->paths, id, LOCK_WAIT_MS, ret, &transaction->diag);

	if (err == DA_E_TIMEOUT) {
		da_diag_set(&transaction->diag,
		    "another check of this session still waits for an answer");
		explain_trouble(transaction);
		return DA_E_UNREACHABLE;
	}
	return err == DA_E_ABSENT ? DA_E_IGNORE : err;
}

static enum da_err
ask_provider(struct da_transaction *transaction,
    const struct da_service *service, const struct da_reauth_session *found,
    const struct da_limits_request *limits, struct da_session *session)
{
	DA_CLEANUP(da_file_closep) int locked = -1;
	struct da_wire_identity identity = {0};
	struct da_exchange exchange = {.paths = transaction->paths,
	    .config = transaction->config,
	    .keys = &found->keys,
	    .session = session,
	    .diag = &transaction->diag};
	enum da_err err;

	if ((transaction->request.flags & DA_REQUEST_READABLE) == 0) {
		da_diag_set(&transaction->diag,
		    "the provider would have to be asked, and there is no "
		    "terminal");
		return DA_E_NO_TERMINAL;
	}
	/* A loop around sudo must not become a flood at the provider's, nor a
	 * crowd of brokers that wait for each other. */
	err = da_limits_take(transaction->paths, limits, &transaction->diag);
	if (err == DA_OK)
		err = lock(transaction, found->id, &locked);
	if (err == DA_OK)
		err = check_client(transaction);
	if (err != DA_OK)
		return err;
	da_session_done(session);
	err = load(transaction, found, session);
	/* Somebody else may have asked while we waited. */
	if (err == DA_OK)
		err = judge(transaction, service, session);
	if (err != DA_E_ABSENT)
		return err;
	/* Of two profiles of one issuer, the client that has the tokens. */
	if (da_exchange_profile(transaction->config, session, &exchange.profile,
		&transaction->diag) != DA_OK)
		return DA_E_IGNORE;
	exchange.budget_ms = exchange.profile->request_timeout_s * 1000;
	transaction->by = "provider-check";
	err = da_exchange_check(&exchange, false, &identity);
	if (err != DA_OK)
		explain_trouble(transaction);
	if (err == DA_OK)
		err = check_fresh_access(
		    transaction, exchange.profile, &identity);
	/* Not before: who is refused would pass with the next try. */
	if (err == DA_OK)
		err = da_exchange_keep(&exchange, /* for_sudo= */ true);
	if (err == DA_OK) {
		/* It keeps SSH keys going; the check itself has counted. */
		DA_IGNORE(da_people_note_check(transaction->paths,
		    session->person, session->issuer, session->subject,
		    session->verified_at_s, NULL));
		err = check_client(transaction);
	}
	if (err == DA_E_REJECTED &&
	    exchange.profile->on_revoked == DA_REVOKED_TERMINATE)
		transaction->doomed = *session; /* without tokens by now */
	da_wire_done(DA_WIRE_IDENTITY, &identity);
	return err == DA_E_ABSENT || err == DA_E_ENDED ? DA_E_IGNORE : err;
}

enum da_err
da_reauth_check(struct da_transaction *transaction,
    const struct da_reauth_session *found,
    const struct da_limits_request *limits)
{
	const struct da_service *service = service_of(transaction);
	struct da_session session;
	enum da_err err;

	if (found->id[0] == '\0' || service == NULL ||
	    service->reauth == DA_REAUTH_ALWAYS)
		return DA_E_IGNORE;
	err = load(transaction, found, &session);
	if (err != DA_OK)
		return err;
	transaction->by = "session";
	err = judge(transaction, service, &session);
	if (err == DA_OK || err == DA_E_ABSENT) {
		enum da_err allowed = check_person(transaction, &session);

		err = allowed == DA_E_PIN ? DA_E_IGNORE
		    : allowed != DA_OK    ? allowed
					  : err;
	}
	if (err == DA_E_ABSENT)
		err =
		    ask_provider(transaction, service, found, limits, &session);
	if (err == DA_E_IGNORE) {
		transaction->by = "";
		transaction->person[0] = '\0';
		transaction->result.reason[0] = '\0';
	} else {
		memcpy(transaction->session, found->id,
		    sizeof(transaction->session));
		memcpy(transaction->issuer, session.issuer,
		    sizeof(transaction->issuer));
		memcpy(transaction->subject, session.subject,
		    sizeof(transaction->subject));
	}
	/* Only for the refusals: nobody has signed in. */
	if (err != DA_OK && err != DA_E_IGNORE)
		memcpy(transaction->result.who, session.who,
		    sizeof(transaction->result.who));
	da_session_done(&session);
	return err;
}

enum da_err
da_reauth_check_account(struct da_transaction *transaction, uint32_t uid)
{
	struct da_reauth_session found;
	struct da_session session;
	enum da_err err = DA_E_IGNORE;

	da_reauth_find(transaction, uid, &found);
	if (found.id[0] != '\0')
		err = load(transaction, &found, &session);
	da_reauth_done(&found);
	if (err != DA_OK)
		return DA_OK;
	err = check_person(transaction, &session);
	if (err == DA_E_PIN) {
		da_diag_set(&transaction->diag,
		    "the session's person is another identity by now");
		err = DA_E_ACCT_DENIED;
	}
	da_session_done(&session);
	return err == DA_E_IGNORE ? DA_OK : err;
}

void
da_reauth_renew(struct da_transaction *transaction,
    const struct da_reauth_session *found, struct da_session *tokens)
{
	DA_CLEANUP(da_file_closep) int lock = -1;
	struct da_session session;
	enum da_err err;
	bool swap;

	if (found->id[0] == '\0' ||
	    da_session_lock(transaction->paths, found->id, RENEW_WAIT_MS, &lock,
		NULL) != DA_OK ||
	    load(transaction, found, &session) != DA_OK)
		return;
	if (strcmp(session.issuer, transaction->issuer) == 0 &&
	    strcmp(session.subject, transaction->subject) == 0) {
		memcpy(session.acr, tokens->acr, sizeof(session.acr));
		memcpy(session.amr, tokens->amr, sizeof(session.amr));
		session.auth_time_s = tokens->auth_time_s;
		session.verified_at_s = da_clock_wall_s();
		session.verified_mono_ms = da_clock_mono_ms();
		session.signed_in_mono_ms = session.verified_mono_ms;
		swap = session.refresh_token.len == 0 &&
		    tokens->access_token.len > 0 &&
		    strcmp(session.profile, transaction->profile->name) == 0;
		if (swap)
			da_session_swap_tokens(&session, tokens);
		/* What is not written makes the next one sign in again, and is
		 * the caller's to revoke. */
		err = da_session_update(
		    transaction->paths, &found->keys, &session, NULL);
		if (err == DA_OK)
			memcpy(transaction->session, found->id,
			    sizeof(transaction->session));
		else if (swap && err != DA_E_ENDED)
			da_session_swap_tokens(&session, tokens);
	}
	da_session_done(&session);
}
