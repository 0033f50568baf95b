#include "broker/exchange.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "broker/order.h"
#include "broker/transaction.h"
#include "broker/worker_client.h"
#include "core/assurance.h"
#include "core/clock.h"
#include "core/text.h"
#include "store/people.h"

/* The broker hears the last word of a worker that was cut off. */
#define MARGIN_MS 500

enum da_err
da_exchange_profile(const struct da_config *config,
    const struct da_session *session, const struct da_profile **ret,
    struct da_diag *diag)
{
	/* By the name; the issuer has to be the one that gave the tokens. */
	enum da_err err =
	    da_config_profile(config, session->profile, ret, diag);

	if (err == DA_OK && strcmp((*ret)->issuer, session->issuer) != 0) {
		da_diag_set(diag, "profile \"%s\" has another issuer now",
		    session->profile);
		err = DA_E_CONFIG;
	}
	return err;
}

static enum da_err
lend(const struct da_secret *token, struct da_buf *ret)
{
	return token->len > 0 ? da_buf_put(ret, token->bytes, token->len)
			      : DA_OK;
}

/* Whoever ends us, be it Ctrl-C at a sweep by hand or the host going down,
 * waits until what the provider has given is on the disk: it gives nothing
 * twice. */
static void
hold_signals(sigset_t *ret_saved)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	sigset_t held;

	(void)sigemptyset(&held);
	for (size_t i = 0; i < DA_ARRAY_LEN(signals); i++)
		(void)sigaddset(&held, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &held, ret_saved); /* cannot fail */
}

enum da_err
da_exchange_take_tokens(struct da_session *session,
    const struct da_wire_tokens *tokens, const char *thumbprint)
{
	const bool dpop = tokens->type == DA_TOKEN_DPOP;
	enum da_err err;

	if ((!dpop && tokens->type != DA_TOKEN_BEARER) ||
	    (dpop && thumbprint[0] == '\0'))
		return DA_E_WORKER;
	hold_signals(NULL);
	da_secret_done(&session->access_token);
	err = da_secret_set(&session->access_token, tokens->access_token.bytes,
	    tokens->access_token.len);
	if (err == DA_OK && tokens->refresh_token.len > 0) {
		da_secret_done(&session->refresh_token);
		err = da_secret_set(&session->refresh_token,
		    tokens->refresh_token.bytes, tokens->refresh_token.len);
	}
	if (err != DA_OK)
		return err;
	(void)snprintf(session->token_type, sizeof(session->token_type), "%s",
	    dpop ? DA_SESSION_DPOP : "Bearer");
	/* A bound session stays one: should nobody live to refuse tokens that
	 * are not bound, they are asked about as if they were. */
	if (dpop)
		(void)snprintf(session->dpop_jkt, sizeof(session->dpop_jkt),
		    "%s", thumbprint);
	session->access_expires_at_s = 0;
	if (tokens->expires_in_s >= 0)
		session->access_expires_at_s = da_clock_wall_s() +
		    (tokens->expires_in_s < DA_TOKEN_LIFE_MAX_S
			    ? tokens->expires_in_s
			    : DA_TOKEN_LIFE_MAX_S);
	return DA_OK;
}

/* The tokens are spent, or were never good: nobody tries them again. Where that
 * cannot be written down the session ends, or the next one would: a provider
 * takes the second use of a token for a theft. */
static void
forget_tokens(struct da_exchange *exchange, bool are_new)
{
	struct da_session *session = exchange->session;
	char id[DA_SESSION_MAX + 1];
	struct da_diag why = *exchange->diag;
	enum da_err err;

	if (are_new)
		DA_IGNORE(
		    da_exchange_revoke(exchange)); /* they end by themselves */
	da_secret_done(&session->access_token);
	da_secret_done(&session->refresh_token);
	session->access_expires_at_s = 0;
	memcpy(id, session->id, sizeof(id));
	err = da_session_update(
	    exchange->paths, exchange->keys, session, exchange->diag);
	if (err != DA_OK && err != DA_E_ENDED)
		DA_IGNORE(da_session_end(exchange->paths, id, NULL));
	/* What it came to stays the reason. */
	*exchange->diag = why;
}

/* on_revoked, but for the end of the session's processes. Ahead of the tokens'
 * end: should we be killed in between, the next one asks and hears it again. */
static void
withdraw(const struct da_exchange *exchange)
{
	const struct da_session *session = exchange->session;
	struct da_diag diag = {0};
	enum da_err err = DA_OK;

	if (exchange->profile->on_revoked != DA_REVOKED_KEEP &&
	    session->person[0] != '\0')
		err = da_people_withdraw(exchange->paths, session->person,
		    session->issuer, session->subject, &diag);
	if (err != DA_OK)
		da_audit_session("withdraw", err, session, &diag);
}

/* What a run of a worker brings. */
struct outcome {
	struct da_wire_identity identity;
	struct da_wire_metadata metadata;
	bool has_identity;
	bool has_tokens;
};

static enum da_err
take_failed(struct da_exchange *exchange, const struct da_wire_failed *failed)
{
	enum da_err err = da_err_from_wire(failed->code);

	da_diag_set(exchange->diag, "%s", failed->reason);
	da_diag_hint(exchange->diag, "%s", failed->hint);
	return err == DA_OK || err == DA_E_IGNORE ? DA_E_WORKER : err;
}

/* DA_E_IGNORE = go on. */
static enum da_err
take_message(struct da_exchange *exchange, const struct da_order *order,
    struct da_worker_message *message, struct outcome *ret)
{
	enum da_err err = DA_E_IGNORE;

	switch (message->type) {
	case DA_WIRE_TOKENS:
		err = da_exchange_take_tokens(exchange->session,
		    &message->body.tokens, da_order_thumbprint(order));
		ret->has_tokens = true;
		if (err == DA_OK)
			err = da_session_update(exchange->paths, exchange->keys,
			    exchange->session, exchange->diag);
		err = err == DA_OK ? DA_E_IGNORE : err;
		break;
	case DA_WIRE_METADATA:
		da_wire_done(DA_WIRE_METADATA, &ret->metadata);
		ret->metadata = message->body.metadata;
		return DA_E_IGNORE; /* taken over, not released */
	case DA_WIRE_IDENTITY:
		ret->identity = message->body.identity;
		ret->has_identity = true;
		return DA_OK; /* taken over */
	case DA_WIRE_REVOKED:
		err = DA_OK;
		break;
	case DA_WIRE_FAILED:
		err = take_failed(exchange, &message->body.failed);
		break;
	default:
		err = DA_E_BUG;
		break;
	}
	da_worker_message_done(message);
	return err;
}

static enum da_err
hear_worker(struct da_exchange *exchange, const struct da_order *order,
    struct da_worker *worker, struct outcome *ret)
{
	const int64_t end_mono_ms =
	    da_clock_mono_ms() + exchange->budget_ms + MARGIN_MS;

	for (;;) {
		struct da_worker_message message = {0};
		struct pollfd fd = {.fd = worker->socket, .events = POLLIN};
		int64_t left_ms = end_mono_ms - da_clock_mono_ms();
		enum da_err err = DA_OK;

		if (left_ms <= 0 || poll(&fd, 1, (int)left_ms) == 0) {
			da_diag_set(exchange->diag, "no answer in time");
			return DA_E_UNREACHABLE;
		}
		err = da_worker_recv(worker, &message, exchange->diag);
		if (err == DA_OK)
			err = take_message(exchange, order, &message, ret);
		if (err != DA_E_IGNORE)
			return err;
	}
}

/* Lends the session's tokens to the orders and has them carried out. */
static enum da_err
run(struct da_exchange *exchange, enum da_task task, struct da_order *order,
    struct outcome *ret)
{
	const struct da_session *session = exchange->session;
	struct da_wire_start *start = &order->start;
	struct da_worker worker = {.socket = -1};
	sigset_t saved;
	enum da_err err = da_text_copy(
	    session->subject, start->subject, sizeof(start->subject));

	if (err == DA_OK && task != DA_TASK_REFRESH &&
	    (task == DA_TASK_REVOKE || session->refresh_token.len == 0))
		err = lend(&session->access_token, &start->access_token);
	if (err == DA_OK)
		err = lend(&session->refresh_token, &start->refresh_token);
	if (err != DA_OK)
		return err;
	start->task = task;
	start->deadline_ms = exchange->budget_ms;
	if (start->request_timeout_ms > exchange->budget_ms)
		start->request_timeout_ms = exchange->budget_ms;
	hold_signals(&saved);
	err = da_worker_start(exchange->paths, order, &worker, exchange->diag);
	if (err == DA_OK)
		err = hear_worker(exchange, order, &worker, ret);
	da_worker_end(&worker);
	(void)sigprocmask(SIG_SETMASK, &saved, NULL);
	/* A revocation may be that of a login that was refused, which leaves
	 * nothing behind. */
	if (err == DA_OK && task != DA_TASK_REVOKE)
		da_order_keep(
		    exchange->paths, exchange->profile, &ret->metadata);
	da_wire_done(DA_WIRE_METADATA, &ret->metadata);
	return err;
}

static bool
is_same_person(
    const struct da_session *session, const struct da_wire_identity *identity)
{
	return strcmp(session->issuer, identity->issuer) == 0 &&
	    strcmp(session->subject, identity->subject) == 0;
}

static enum da_err
check_answer(const struct da_exchange *exchange, const struct outcome *outcome)
{
	const struct da_session *session = exchange->session;

	if (!outcome->has_identity ||
	    !is_same_person(session, &outcome->identity))
		da_diag_set(
		    exchange->diag, "the answer is about another person");
	else if (session->dpop_jkt[0] != '\0' &&
	    !da_session_has_bound_tokens(session))
		da_diag_set(exchange->diag, "the new tokens are not bound");
	else
		return DA_OK;
	return DA_E_TOKEN;
}

/* Whether there is something to ask with. An access token that is over is no
 * word of the provider's about the person. */
static bool
can_ask(const struct da_session *session, bool introspect)
{
	if (session->refresh_token.len > 0)
		return true;
	return introspect && session->access_token.len > 0 &&
	    (session->access_expires_at_s == 0 ||
		da_clock_wall_s() + DA_CLOCK_LEEWAY_S <
		    session->access_expires_at_s);
}

enum da_err
da_exchange_keep(struct da_exchange *exchange, bool for_sudo)
{
	struct da_session *session = exchange->session;

	session->verified_at_s = da_clock_wall_s();
	if (for_sudo)
		session->verified_mono_ms = da_clock_mono_ms();
	return da_session_update(
	    exchange->paths, exchange->keys, session, exchange->diag);
}

enum da_err
da_exchange_check(
    struct da_exchange *exchange, bool renew, struct da_wire_identity *ret)
{
	struct da_session *session = exchange->session;
	const bool introspect = !renew &&
	    exchange->profile->provider_check == DA_CHECK_INTROSPECTION;
	const bool bound = session->dpop_jkt[0] != '\0';
	struct outcome outcome = {.has_identity = false};
	struct da_order order;
	enum da_err err;

	*ret = (struct da_wire_identity){0};
	if (!can_ask(session, introspect))
		return DA_E_ABSENT;
	err = da_order_init(exchange->paths, exchange->config,
	    exchange->profile, bound, &order, exchange->diag);
	if (err == DA_OK && bound &&
	    strcmp(da_order_thumbprint(&order), session->dpop_jkt) != 0) {
		/* The host's doing: the provider has refused nobody. */
		da_diag_set(exchange->diag,
		    "the tokens are bound to a key that this host has no more");
		forget_tokens(exchange, true);
		err = DA_E_ABSENT;
	} else if (err == DA_OK) {
		order.start.ask_userinfo =
		    exchange->profile->provider_check == DA_CHECK_USERINFO;
		err = run(exchange,
		    introspect ? DA_TASK_INTROSPECT : DA_TASK_REFRESH, &order,
		    &outcome);
		if (err == DA_OK)
			err = check_answer(exchange, &outcome);
		if (err == DA_E_REJECTED) {
			withdraw(exchange);
			/* The check that counted for sudo until now is
			 * overtaken. */
			session->verified_mono_ms = 0;
		}
		if (err == DA_E_REJECTED ||
		    (err != DA_OK && outcome.has_tokens &&
			err != DA_E_UNREACHABLE && err != DA_E_ENDED))
			forget_tokens(exchange, outcome.has_tokens);
	}
	da_order_done(&order);
	if (err == DA_OK)
		*ret = outcome.identity;
	else
		da_wire_done(DA_WIRE_IDENTITY, &outcome.identity);
	return err;
}

enum da_err
da_exchange_revoke(struct da_exchange *exchange)
{
	const struct da_session *session = exchange->session;
	struct outcome outcome = {.has_identity = false};
	struct da_order order;
	enum da_err err;

	if (session->access_token.len == 0 && session->refresh_token.len == 0)
		return DA_OK;
	err = da_order_init(exchange->paths, exchange->config,
	    exchange->profile, false, &order, exchange->diag);
	if (err == DA_OK)
		err = run(exchange, DA_TASK_REVOKE, &order, &outcome);
	da_order_done(&order);
	return err;
}
