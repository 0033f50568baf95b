/*
 * The authentication transaction. Trust: the module's request is a claim, the
 * worker's answers are a stranger's. MUSTs:
 *  1. Nothing leaves the host for a name that could not succeed, a reader that
 *     is not there, or a remote login that policy forbids.
 *  2. Success needs: an identity of the configured issuer, mapped to exactly
 *     the name that asked, an unbroken pin, an access rule, and a confirmation
 *     where one is due.
 *  3. Nothing is written before all of that holds.
 *  4. The end of the client ends everything at once.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "account/account.h"
#include "account/writer.h"
#include "broker/exchange.h"
#include "broker/order.h"
#include "broker/reauth.h"
#include "broker/transaction.h"
#include "broker/worker_client.h"
#include "core/assurance.h"
#include "core/clock.h"
#include "core/frame.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/cache.h"
#include "store/grant.h"
#include "store/limits.h"
#include "store/person.h"
#include "store/policy.h"
#include "store/record.h"
#include "store/shell.h"

#define SEND_TIMEOUT_MS 5000
/* The broker outlives the worker's deadline a little, to hear its last word. */
#define DEADLINE_MARGIN_MS 1500

enum state {
	STATE_ASKED, /* no code yet */
	STATE_CODE_SHOWN,
	STATE_CONFIRMED,
};

static const struct da_wire_step client_steps[] = {
    {STATE_CODE_SHOWN, DA_WIRE_CONFIRM, STATE_CONFIRMED},
};

struct auth {
	struct da_transaction *transaction;
	struct da_reauth_session found; /* that the caller is in */
	struct da_reauth_wanted wanted; /* of the sign-in */
	struct da_order order;
	struct da_worker worker;
	uint8_t client_state;
	bool must_confirm;
	bool identified;
	bool local; /* the account is one of the passwd file's */
	int64_t deadline_mono_ms;
	int64_t started_s;
	/* The account at first sight, as the program has seen it. */
	uint32_t uid;
	char home[DA_URI_MAX + 1];
	char shell[DA_URI_MAX + 1];
	char host[DA_HOST_MAX + 1];
	struct da_wire_identity identity;
	struct da_wire_metadata metadata; /* for the cache, once all is well */
	/* The tokens, and how good the sign-in was. */
	struct da_session session;
};

static void
set_reason(struct da_transaction *transaction, const char *reason)
{
	DA_IGNORE(da_text_copy(reason, transaction->result.reason,
	    sizeof(transaction->result.reason))); /* ours, always fits */
}

/* Keeps what an account of ours is; of a local one nobody asks us. */
static enum da_err
keep_account(struct auth *auth, const struct da_account *account)
{
	enum da_err err =
	    da_transaction_is_local(auth->transaction, &auth->local);

	auth->uid = account->uid;
	if (err == DA_OK && !auth->local)
		err =
		    da_text_copy(account->home, auth->home, sizeof(auth->home));
	if (err == DA_OK && !auth->local)
		err = da_text_copy(
		    account->shell, auth->shell, sizeof(auth->shell));
	return err;
}

/* Of whom there is a record; that the name has the right form is not enough. */
static bool
was_known(struct da_transaction *transaction)
{
	struct da_person person;

	if (da_person_load(transaction->paths, transaction->request.user,
		&person, NULL) != DA_OK)
		return false;
	da_diag_set(&transaction->diag, "%s",
	    person.state == DA_PERSON_REMOVED       ? "removed"
		: person.state == DA_PERSON_RENAMED ? "renamed"
						    : "has no account here");
	da_person_done(&person);
	return true;
}

/* Why the name service answers for nobody of that name. A number that is taken
 * needs an administrator, who is told the name: whoever typed a password typed
 * one of a few numbers in 268 million. */
static enum da_err
refuse_unknown(
    struct da_transaction *transaction, const struct da_policy *policy)
{
	const char *name = transaction->request.user;

	transaction->user_is_known = was_known(transaction) ||
	    (da_policy_could_succeed(policy, name) &&
		da_account_check_number(transaction->paths, name,
		    &transaction->diag) == DA_E_COLLISION);
	if (!transaction->user_is_known)
		da_diag_set(&transaction->diag,
		    "the name is unknown, or may not log in");
	return DA_E_UNKNOWN_USER;
}

/* What can be said of the name alone, before anybody is asked anything. */
static enum da_err
check_name(struct auth *auth)
{
	struct da_transaction *transaction = auth->transaction;
	const struct da_wire_request *request = &transaction->request;
	struct da_policy policy = da_transaction_policy(transaction);
	struct da_account account;
	struct da_person person;
	char buffer[2048];
	bool provisional;
	enum da_err err;

	if (da_account_name_check(request->user) != DA_OK) {
		da_diag_set(&transaction->diag, "not the form of a login name");
		return DA_E_UNKNOWN_USER;
	}
	err = da_account_find(transaction->paths, request->user, true, buffer,
	    sizeof(buffer), &account, &provisional);
	if (err == DA_E_ABSENT)
		return refuse_unknown(transaction, &policy);
	if (err == DA_OK)
		err = keep_account(auth, &account);
	if (err != DA_OK) {
		da_diag_set(&transaction->diag,
		    "the account database cannot be read; see devauth accounts "
		    "check");
		return err;
	}
	transaction->user_is_known = !provisional;
	if (!da_policy_could_succeed(&policy, request->user)) {
		da_diag_set(&transaction->diag,
		    "no rule could let in anybody of that name");
		return DA_E_UNKNOWN_USER;
	}
	err = da_person_load(
	    transaction->paths, request->user, &person, &transaction->diag);
	if (err == DA_OK) {
		bool barred = da_person_is_barred(&person);

		da_person_done(&person);
		if (barred)
			return DA_E_LOCKED;
	} else if (err != DA_E_ABSENT) {
		return err == DA_E_SYNTAX ? DA_E_SYS : err;
	}
	if ((request->flags & DA_REQUEST_NOT_ADMITTED) != 0) {
		da_diag_set(&transaction->diag,
		    "sshd admits nobody of that name (AllowUsers, DenyGroups, "
		    "...)");
		return DA_E_UNKNOWN_USER;
	}
	return DA_OK;
}

/* Whether a code may be shown to whoever asks. */
static enum da_err
check_reader(const struct auth *auth)
{
	struct da_transaction *transaction = auth->transaction;
	const uint32_t flags = transaction->request.flags;
	const int64_t remote = transaction->config->remote;

	if ((flags & DA_REQUEST_READABLE) == 0) {
		da_diag_set(&transaction->diag,
		    "nobody could read the code "
		    "(no terminal, or not keyboard-interactive)");
		return DA_E_NO_TERMINAL;
	}
	/* Who asks for somebody else here is as good as a stranger from afar:
	 * either could send the code to the victim (attack D9). */
	if ((flags & (DA_REQUEST_REMOTE | DA_REQUEST_FOR_OTHER)) == 0)
		return DA_OK;
	if (remote == DA_REMOTE_DENY) {
		da_diag_set(&transaction->diag, "remote = deny");
		return DA_E_REMOTE_POLICY;
	}
	if (remote == DA_REMOTE_PUBLICKEY_FIRST &&
	    (flags & DA_REQUEST_PUBKEY_PROVED) == 0) {
		da_diag_set(&transaction->diag,
		    "remote = publickey-first, and "
		    "no key was proved before");
		return DA_E_REMOTE_POLICY;
	}
	return DA_OK;
}

static enum da_err
check_account(const struct auth *auth)
{
	struct da_transaction *transaction = auth->transaction;
	enum da_err err;

	if (auth->local)
		return DA_OK;
	err = da_transaction_check_names(transaction, auth->uid);
	return err == DA_OK ? da_shell_check(auth->shell, &transaction->diag)
			    : err;
}

/* Everything that can be decided without showing a code. DA_E_IGNORE: a sign-in
 * is due; DA_OK: the session that the caller is in has answered. */
static enum da_err
check_hopeless(struct auth *auth, const struct da_limits_request *limits)
{
	enum da_err err = check_name(auth);

	if (err != DA_OK)
		return err;
	da_reauth_find(auth->transaction, auth->uid, &auth->found);
	err = da_reauth_check(auth->transaction, &auth->found, limits);
	if (err == DA_OK)
		return check_account(auth);
	if (err == DA_E_IGNORE)
		err = check_reader(auth);
	if (err == DA_OK)
		err = check_account(auth);
	return err == DA_OK ? DA_E_IGNORE : err;
}

/* What the provider's page can show before the person approves. */
static void
describe_device(const struct auth *auth, char *out, size_t size)
{
	const struct da_wire_request *request = &auth->transaction->request;

	int n =
	    snprintf(out, size, "%s@%s (%s, %s %s)", request->user, auth->host,
		request->service, request->rhost[0] != '\0' ? "from" : "on",
		request->rhost[0] != '\0'     ? request->rhost
		    : request->tty[0] != '\0' ? request->tty
					      : "this host");

	/* Names of absurd length: better nothing than half a name. */
	if (n < 0 || (size_t)n >= size)
		out[0] = '\0';
}

static enum da_err
fill_order(struct auth *auth)
{
	struct da_transaction *transaction = auth->transaction;
	const struct da_profile *profile = transaction->profile;
	struct da_policy policy = da_transaction_policy(transaction);
	struct da_wire_start *start = &auth->order.start;
	enum da_err err =
	    da_order_init(transaction->paths, transaction->config, profile,
		/* bound= */ false, &auth->order, &transaction->diag);

	if (err == DA_OK)
		err = da_reauth_wanted(transaction, &auth->wanted);
	if (err != DA_OK)
		return err;
	if (profile->send_device_name)
		describe_device(
		    auth, start->device_name, sizeof(start->device_name));
	memcpy(start->acr_values, auth->wanted.acr_values,
	    sizeof(start->acr_values));
	memcpy(start->amr, auth->wanted.amr, sizeof(start->amr));
	start->task = DA_TASK_LOGIN;
	start->max_age_s = auth->wanted.max_age_s;
	start->need_groups =
	    da_policy_needs_groups(&policy, transaction->request.user);
	start->deadline_ms = auth->deadline_mono_ms - da_clock_mono_ms();
	start->want_qr = (transaction->request.flags & DA_REQUEST_QR) != 0;
	auth->order.signer.terms.limit += DA_SIGNER_LIMIT_PER_POLL *
	    (unsigned int)(start->deadline_ms / 1000 / profile->min_interval_s);
	return DA_OK;
}

static enum da_err
start_worker(struct auth *auth)
{
	enum da_err err = fill_order(auth);

	return err != DA_OK
	    ? err
	    : da_worker_start(auth->transaction->paths, &auth->order,
		  &auth->worker, &auth->transaction->diag);
}

/* The code is good until the provider or this host gives up. */
static void
format_good_until(int64_t at_s, char *out, size_t size)
{
	time_t at = (time_t)at_s;
	struct tm local;

	/* Our environment is fixed and empty of TZ: this is the host's time. */
	if (localtime_r(&at, &local) == NULL ||
	    strftime(out, size, "%H:%M:%S %Z", &local) == 0)
		out[0] = '\0';
}

static enum da_err
show_code(struct auth *auth, struct da_wire_device *device)
{
	struct da_transaction *transaction = auth->transaction;
	struct da_wire_code code = {0};
	char digest[DA_RECORD_DIGEST_LEN + 1];
	int64_t left_ms = auth->deadline_mono_ms - da_clock_mono_ms();
	enum da_err err;

	if (device->user_code[0] == '\0' || device->expires_in_s <= 0 ||
	    da_text_check_https(device->uri) != DA_OK) {
		da_diag_set(
		    &transaction->diag, "the worker broke the protocol");
		return DA_E_WORKER;
	}
	if (device->expires_in_s < left_ms / 1000)
		left_ms = device->expires_in_s * 1000;
	DA_IGNORE(da_text_copy(auth->host, code.host, sizeof(code.host)));
	DA_IGNORE(da_text_copy(
	    device->user_code, code.user_code, sizeof(code.user_code)));
	DA_IGNORE(da_text_copy(device->uri, code.uri, sizeof(code.uri)));
	format_good_until(da_clock_wall_s() + left_ms / 1000, code.good_until,
	    sizeof(code.good_until));
	code.wait_ms = left_ms + DEADLINE_MARGIN_MS;
	code.must_confirm = auth->must_confirm;
	code.qr = device->qr; /* lent; the device message keeps it */
	if (da_record_digest(
		(const char *const[]){device->user_code}, 1, digest) == DA_OK)
		(void)snprintf(transaction->code_digest,
		    sizeof(transaction->code_digest), "%.16s", digest);
	da_audit_explain(transaction,
	    "the provider gave a code for %lld s; QR "
	    "code: %s",
	    (long long)device->expires_in_s, device->qr.len > 0 ? "yes" : "no");
	err = da_wire_send(transaction->client, DA_WIRE_CODE, &code,
	    da_clock_mono_ms() + SEND_TIMEOUT_MS);
	auth->client_state = STATE_CODE_SHOWN;
	return err == DA_E_CLOSED ? DA_E_CANCELLED : err;
}

static void
name_person(
    struct da_transaction *transaction, const struct da_wire_identity *identity)
{
	da_text_reduce(
	    identity->email[0] != '\0' ? identity->email : identity->username,
	    transaction->result.who, sizeof(transaction->result.who));
}

static void
explain_groups(
    const struct da_transaction *transaction, const struct da_buf *groups)
{
	const char *group = da_buf_text(groups);
	const char *end = group + groups->len;

	if (groups->len == 0)
		da_audit_explain(transaction, "no groups");
	for (; group < end; group += strlen(group) + 1)
		da_audit_explain(transaction, "group \"%s\"", group);
}

/* Under which name the person is pinned, and that the pin holds. Whoever is
 * known here under a name is locked and limited under it, whatever account this
 * is about. */
static enum da_err
check_pin(struct auth *auth)
{
	struct da_transaction *transaction = auth->transaction;
	const struct da_wire_identity *identity = &auth->identity;
	enum da_err err = DA_OK;

	if (transaction->person[0] == '\0')
		err = da_person_name_of(transaction->paths, identity->issuer,
		    identity->subject, transaction->person, &transaction->diag);
	if (err == DA_E_ABSENT)
		return DA_OK;
	if (err == DA_OK)
		err = da_person_check_pin(transaction->paths,
		    transaction->person, identity->issuer, identity->subject,
		    &transaction->diag);
	return err;
}

/* How good the sign-in was; kept for the session. The worker has checked it; it
 * is a stranger all the same. */
static enum da_err
check_assurance(struct auth *auth)
{
	const struct da_wire_identity *identity = &auth->identity;
	struct da_session *session = &auth->session;
	const struct da_assurance_wanted wanted = {
	    .acr_values = auth->wanted.acr_values,
	    .amr = auth->wanted.amr,
	    .max_age_s = auth->wanted.max_age_s,
	    .asked_s = auth->started_s,
	    .now_s = da_clock_wall_s(),
	    .leeway_s = DA_CLOCK_LEEWAY_S,
	};
	const struct da_assurance given = {
	    identity->acr, identity->amr, identity->auth_time_s};

	memcpy(session->acr, identity->acr, sizeof(session->acr));
	memcpy(session->amr, identity->amr, sizeof(session->amr));
	session->auth_time_s =
	    identity->auth_time_s > 0 ? identity->auth_time_s : 0;
	return da_assurance_check(&wanted, &given, &auth->transaction->diag);
}

/* Everything that has to hold before the person is let in. */
static enum da_err
check_identity(struct auth *auth)
{
	struct da_transaction *transaction = auth->transaction;
	const struct da_wire_identity *identity = &auth->identity;
	const struct da_profile *profile = transaction->profile;
	const struct da_policy policy = da_transaction_policy(transaction);
	const struct da_policy_identity claims =
	    da_policy_identity_of(identity);
	enum da_err err;

	/* The worker has checked this; it is a stranger all the same. */
	if (strcmp(identity->issuer, profile->issuer) != 0 ||
	    identity->subject[0] == '\0') {
		da_diag_set(&transaction->diag, "identity of another issuer");
		return DA_E_TOKEN;
	}
	if (profile->binding == DA_BINDING_REQUIRE_DPOP &&
	    !da_session_has_bound_tokens(&auth->session)) {
		da_diag_set(&transaction->diag, "the tokens are not bound");
		return DA_E_TOKEN;
	}
	name_person(transaction, identity);
	DA_IGNORE(da_text_copy(identity->issuer, transaction->issuer,
	    sizeof(transaction->issuer)));
	DA_IGNORE(da_text_copy(identity->subject, transaction->subject,
	    sizeof(transaction->subject)));
	da_audit_explain(transaction, "subject %s; claim %s is \"%s\"",
	    identity->subject, identity->username_claim, identity->username);
	err = da_transaction_is_local(transaction, &auth->local);
	if (err == DA_OK)
		err = da_policy_find_person(&policy, &claims,
		    transaction->request.user, auth->local, transaction->person,
		    &transaction->diag);
	if (err != DA_OK)
		return err;
	/* The provider has said that this is the name: no mistyped password. */
	transaction->user_is_known = true;
	explain_groups(transaction, &identity->groups);
	err = check_pin(auth);
	if (err == DA_OK)
		err = check_assurance(auth);
	return err != DA_OK
	    ? err
	    : da_transaction_check_access(transaction, profile,
		  transaction->person, &identity->groups, &identity->claims);
}

/* By what an [account NAME] has to list the person from now on. */
static void
note_login_name(const struct auth *auth, struct da_person *person)
{
	const struct da_policy policy =
	    da_transaction_policy(auth->transaction);
	const struct da_policy_identity claims =
	    da_policy_identity_of(&auth->identity);
	char login[DA_USER_MAX + 1] = "-";
	struct da_diag diag;

	DA_IGNORE(da_policy_map_name(&policy, &claims, login, &diag));
	if (strcmp(login, person->name) != 0)
		memcpy(person->listed_as, login, sizeof(login));
}

/* What the sign-in proved is known at both places then: under su there is a
 * session already that it counts for. */
static void
move_tokens(struct da_session *from, struct da_session *to)
{
	memcpy(to->acr, from->acr, sizeof(to->acr));
	memcpy(to->amr, from->amr, sizeof(to->amr));
	to->auth_time_s = from->auth_time_s;
	da_session_swap_tokens(from, to);
}

/* Where a session phase follows, the grant takes the tokens along. A host whose
 * secret is not to be had keeps none: they are revoked. */
static enum da_err
create_grant(struct auth *auth, struct da_grant *grant)
{
	struct da_transaction *transaction = auth->transaction;
	struct da_host_keys keys = {.count = 0};
	struct da_diag diag = {0};
	bool keep = (transaction->request.flags & DA_REQUEST_SESSION) != 0;
	enum da_err err = DA_OK;

	if (keep)
		err = da_host_keys_load(transaction->paths, &keys, &diag);
	if (err != DA_OK) {
		keep = false;
		memcpy(grant->session.account, grant->account,
		    sizeof(grant->session.account));
		da_audit_session("seal", err, &grant->session, &diag);
	}
	if (keep)
		move_tokens(&auth->session, &grant->session);
	err = da_grant_create(transaction->paths, keep ? &keys : NULL, grant,
	    transaction->result.grant, &transaction->diag);
	da_host_keys_done(&keys);
	if (err != DA_OK && keep)
		move_tokens(&grant->session, &auth->session);
	return err;
}

static enum da_err
leave_grant(struct auth *auth)
{
	struct da_transaction *transaction = auth->transaction;
	const struct da_wire_identity *identity = &auth->identity;
	struct da_account account;
	struct da_grant grant;
	char buffer[2048];
	bool provisional;
	enum da_err err =
	    da_account_find(transaction->paths, transaction->request.user, true,
		buffer, sizeof(buffer), &account, &provisional);

	da_grant_init(&grant);
	grant.uid = auth->uid;
	if (err == DA_OK && account.uid != auth->uid) {
		da_diag_set(&transaction->diag,
		    "the account got another uid during the sign-in");
		err = DA_E_COLLISION;
	}
	if (err == DA_OK)
		err = da_text_copy(transaction->request.service, grant.service,
		    sizeof(grant.service));
	if (err == DA_OK)
		err = da_text_copy(transaction->request.user, grant.account,
		    sizeof(grant.account));
	if (err == DA_OK)
		err = da_text_copy(transaction->person, grant.person.name,
		    sizeof(grant.person.name));
	if (err == DA_OK)
		err = da_text_copy(transaction->profile->name,
		    grant.person.profile, sizeof(grant.person.profile));
	if (err == DA_OK)
		err = da_text_copy(identity->issuer, grant.person.issuer,
		    sizeof(grant.person.issuer));
	if (err == DA_OK)
		err = da_text_copy(identity->subject, grant.person.subject,
		    sizeof(grant.person.subject));
	if (err == DA_OK)
		err = da_policy_keep_groups(transaction->config,
		    identity->issuer, &identity->groups, &grant.person.groups);
	if (err == DA_OK)
		err = da_policy_keep_claims(transaction->config,
		    identity->issuer, &identity->claims, &grant.person.claims);
	if (err == DA_OK) {
		da_text_reduce(
		    identity->name, grant.gecos, sizeof(grant.gecos));
		memcpy(grant.who, transaction->result.who, sizeof(grant.who));
		grant.local = auth->local;
		note_login_name(auth, &grant.person);
		/* Who came as a local account may have none of his own. */
		grant.person.uid = auth->local ? 0 : auth->uid;
		memcpy(grant.home, auth->home, sizeof(grant.home));
		memcpy(grant.shell, auth->shell, sizeof(grant.shell));
		grant.person.verified_at_s = da_clock_wall_s();
		err = create_grant(auth, &grant);
	}
	da_grant_done(&grant);
	return err;
}

/* Takes one message of the worker. DA_E_IGNORE = go on waiting. */
static enum da_err
hear_worker(struct auth *auth)
{
	struct da_transaction *transaction = auth->transaction;
	struct da_worker_message message = {0};
	enum da_err err =
	    da_worker_recv(&auth->worker, &message, &transaction->diag);

	if (err != DA_OK)
		return err;
	err = DA_E_IGNORE;
	switch (message.type) {
	case DA_WIRE_METADATA:
		da_wire_done(DA_WIRE_METADATA, &auth->metadata);
		auth->metadata = message.body.metadata;
		return DA_E_IGNORE; /* taken over, not released */
	case DA_WIRE_DEVICE: {
		enum da_err shown = show_code(auth, &message.body.device);

		err = shown == DA_OK ? DA_E_IGNORE : shown;
		break;
	}
	case DA_WIRE_TOKENS: {
		enum da_err taken = da_exchange_take_tokens(&auth->session,
		    &message.body.tokens, da_order_thumbprint(&auth->order));

		err = taken == DA_OK ? DA_E_IGNORE : taken;
		break;
	}
	case DA_WIRE_IDENTITY:
		auth->identity = message.body.identity;
		auth->identified = true;
		err = check_identity(auth);
		return err == DA_OK ? DA_E_IGNORE : err;
	case DA_WIRE_FAILED:
		err = da_err_from_wire(message.body.failed.code);
		if (err == DA_OK || err == DA_E_IGNORE)
			err = DA_E_WORKER;
		set_reason(transaction, message.body.failed.reason);
		da_diag_set(
		    &transaction->diag, "%s", message.body.failed.reason);
		da_diag_hint(
		    &transaction->diag, "%s", message.body.failed.hint);
		break;
	default:
		err = DA_E_BUG;
		break;
	}
	da_worker_message_done(&message);
	return err;
}

/* Takes one message of the module. DA_E_IGNORE = go on waiting. */
static enum da_err
hear_client(struct auth *auth)
{
	struct da_transaction *transaction = auth->transaction;
	struct da_wire_confirm confirm;
	DA_CLEANUP(da_buf_done) struct da_buf body;
	uint8_t type;
	enum da_err err;

	da_buf_init(&body, sizeof(struct da_wire_request));
	err = da_frame_recv(transaction->client, &type, &body,
	    da_clock_mono_ms() + DA_FRAME_TIMEOUT_MS);
	if (err == DA_E_CLOSED) {
		da_diag_set(&transaction->diag,
		    "the person or the connection "
		    "went away");
		return DA_E_CANCELLED;
	}
	if (err == DA_OK)
		err = da_wire_advance(client_steps, DA_ARRAY_LEN(client_steps),
		    type, &auth->client_state);
	if (err == DA_OK)
		err = da_wire_decode(DA_WIRE_CONFIRM, &body, &confirm);
	if (err == DA_OK &&
	    memcmp(confirm.nonce, transaction->request.nonce, DA_NONCE_LEN) !=
		0)
		err = DA_E_WIRE;
	return err == DA_OK ? DA_E_IGNORE : err;
}

/* Waits for whatever comes first. Returns DA_OK when everything needed is
 * there, else the refusal. */
static enum da_err
wait_for_end(struct auth *auth)
{
	for (;;) {
		struct pollfd fds[2] = {
		    {.fd = auth->transaction->client, .events = POLLIN},
		    {.fd = auth->identified ? -1 : auth->worker.socket,
			.events = POLLIN},
		};
		int64_t left_ms = auth->deadline_mono_ms + DEADLINE_MARGIN_MS -
		    da_clock_mono_ms();
		enum da_err err = DA_E_IGNORE;

		if (auth->identified && auth->client_state == STATE_CONFIRMED)
			return DA_OK;
		if (left_ms <= 0) {
			da_diag_set(
			    &auth->transaction->diag, "login_deadline is over");
			return DA_E_DEADLINE;
		}
		if (poll(fds, 2, (int)left_ms) < 0 && errno != EINTR)
			return DA_E_SYS;
		/* The client first: who went away gets nothing. */
		if (fds[0].revents != 0)
			err = hear_client(auth);
		else if (fds[1].revents != 0)
			err = hear_worker(auth);
		if (err != DA_E_IGNORE)
			return err;
	}
}

static void
set_deadline(struct auth *auth)
{
	const struct da_transaction *transaction = auth->transaction;
	int64_t life_s = transaction->config->login_deadline_s;

	if ((transaction->request.flags & DA_REQUEST_LOGIN_60S) != 0 &&
	    life_s > DA_LOGIN_DEADLINE_CONSOLE_S)
		life_s = DA_LOGIN_DEADLINE_CONSOLE_S;
	auth->deadline_mono_ms = da_clock_mono_ms() + life_s * 1000;
}

static bool
must_confirm(const struct da_transaction *transaction)
{
	uint32_t flags = transaction->request.flags;

	if ((flags & (DA_REQUEST_PROMPT | DA_REQUEST_NO_PROMPT)) != 0)
		return (flags & DA_REQUEST_PROMPT) != 0;
	return (flags & DA_REQUEST_REMOTE) != 0 &&
	    !transaction->config->sshd_shows_text_at_once;
}

/* Tokens may be on their way when the person leaves: who has them has to take
 * them back. */
static void
hear_tokens(struct auth *auth)
{
	struct pollfd fd = {.fd = auth->worker.socket, .events = POLLIN};
	struct da_transaction *transaction = auth->transaction;
	const struct da_diag diag = transaction->diag;

	while (fd.fd >= 0 && auth->session.access_token.len == 0 &&
	    !auth->identified && poll(&fd, 1, 0) > 0 &&
	    hear_worker(auth) == DA_E_IGNORE)
		;
	/* The end that it came to stays the reason. */
	transaction->diag = diag;
}

/* For whoever takes them back. */
static void
leave_tokens(struct auth *auth)
{
	struct da_transaction *transaction = auth->transaction;
	struct da_session *left = &transaction->leftover;
	/* It is written down, and an unknown name may be a mistyped password.
	 */
	const char *account = transaction->user_is_known
	    ? transaction->request.user
	    : "(unknown)";

	if (auth->session.access_token.len == 0)
		return;
	*left = auth->session;
	da_session_init(&auth->session);
	left->uid = auth->uid;
	memcpy(left->host, auth->host, sizeof(left->host));
	memcpy(left->issuer, transaction->profile->issuer,
	    strlen(transaction->profile->issuer) + 1);
	memcpy(left->subject, transaction->subject, sizeof(left->subject));
	DA_IGNORE(da_text_copy(account, left->account, sizeof(left->account)));
	memcpy(
	    left->service, transaction->request.service, sizeof(left->service));
	memcpy(left->profile, transaction->profile->name,
	    strlen(transaction->profile->name) + 1);
}

static enum da_err
sign_in(struct auth *auth, const struct da_limits_request *limits)
{
	struct da_transaction *transaction = auth->transaction;
	enum da_err err =
	    da_limits_take(transaction->paths, limits, &transaction->diag);

	if (err != DA_OK)
		return err;
	auth->must_confirm = must_confirm(transaction);
	set_deadline(auth);
	da_audit_explain(transaction,
	    "the name could succeed; profile %s, issuer %s, %lld s to approve, "
	    "%s",
	    transaction->profile->name, transaction->profile->issuer,
	    (long long)(auth->deadline_mono_ms - da_clock_mono_ms()) / 1000,
	    auth->must_confirm ? "asks for Enter" : "shows the code at once");
	err = start_worker(auth);
	if (err == DA_OK)
		err = wait_for_end(auth);
	if (err != DA_OK)
		hear_tokens(auth);
	da_worker_end(&auth->worker);
	if (err == DA_OK)
		err = leave_grant(auth);
	if (err == DA_OK) {
		da_order_keep(
		    transaction->paths, transaction->profile, &auth->metadata);
		/* Forgetting it costs this source its privilege, no more. All
		 * who ask for somebody else here are one source: with that
		 * privilege any of them could keep anybody out. */
		if ((transaction->request.flags & DA_REQUEST_FOR_OTHER) == 0)
			DA_IGNORE(da_limits_remember(
			    transaction->paths, limits, NULL));
		da_reauth_renew(transaction, &auth->found, &auth->session);
	}
	/* What is cached may be the cause, and may be old: the next login asks
	 * the provider anew. */
	if (err == DA_E_TOKEN || err == DA_E_PROTOCOL || err == DA_E_PROVIDER ||
	    err == DA_E_UNREACHABLE)
		da_cache_drop(transaction->paths, transaction->profile->issuer);
	leave_tokens(auth);
	return err;
}

enum da_err
da_auth_run(struct da_transaction *transaction)
{
	struct auth auth = {.transaction = transaction,
	    .worker = {.socket = -1},
	    .started_s = da_clock_wall_s()};
	const struct da_limits_request limits = {
	    .source = (transaction->request.flags & DA_REQUEST_FOR_OTHER) != 0
		? "(for somebody else)"
		: transaction->request.rhost,
	    .user = transaction->request.user,
	    .key_proved =
		(transaction->request.flags & DA_REQUEST_PUBKEY_PROVED) != 0,
	    .now_mono_ms = da_clock_mono_ms(),
	};
	enum da_err err = da_transaction_configure(transaction);

	transaction->phase = "auth";
	da_transaction_host(auth.host, sizeof(auth.host));
	if (err == DA_OK)
		err = check_hopeless(&auth, &limits);
	if (err == DA_E_IGNORE)
		err = sign_in(&auth, &limits);
	da_reauth_done(&auth.found);
	da_order_done(&auth.order);
	da_session_done(&auth.session);
	da_wire_done(DA_WIRE_IDENTITY, &auth.identity);
	da_wire_done(DA_WIRE_METADATA, &auth.metadata);
	return err;
}
