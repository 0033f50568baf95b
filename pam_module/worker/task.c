#include "worker/task.h"

#include <string.h>

#include "core/algorithm.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/text.h"
#include "provider/token.h"
#include "worker/identify.h"
#include "worker/login.h"
#include "worker/renewal.h"

#define SEND_TIMEOUT_MS 5000

enum da_err
da_task_fail(int broker, enum da_err code, const struct da_diag *reason)
{
	struct da_wire_failed failed = {.code = (uint32_t)code};

	da_text_reduce(reason->text, failed.reason, sizeof(failed.reason));
	da_text_reduce(reason->hint, failed.hint, sizeof(failed.hint));
	return da_wire_send(broker, DA_WIRE_FAILED, &failed,
	    da_clock_mono_ms() + SEND_TIMEOUT_MS);
}

enum da_err
da_task_say(struct da_errand *task, enum da_wire_type type, const void *message)
{
	return da_wire_send(
	    task->broker, type, message, da_clock_mono_ms() + SEND_TIMEOUT_MS);
}

/* Fit for a form and a header. */
static bool
is_token(const struct da_buf *token)
{
	const char *text = da_buf_text(token);

	return strlen(text) == token->len && da_text_is_printable(text);
}

/* Which tokens belong to a task, and that somebody is known whose they are. */
static bool
has_its_tokens(const struct da_wire_start *start)
{
	bool access = start->access_token.len > 0;
	bool refresh = start->refresh_token.len > 0;

	if (!is_token(&start->access_token) || !is_token(&start->refresh_token))
		return false;
	switch (start->task) {
	case DA_TASK_LOGIN:
		return !access && !refresh;
	case DA_TASK_REFRESH:
		return !access && refresh && start->subject[0] != '\0';
	case DA_TASK_REVOKE:
		return access || refresh;
	case DA_TASK_INTROSPECT:
		return access != refresh && start->subject[0] != '\0';
	default:
		return false;
	}
}

enum da_err
da_task_check(const struct da_wire_start *start, struct da_diag *reason)
{
	char unused[DA_URI_MAX + 1];

	if (da_discovery_uri(start->issuer, DA_DISCOVERY_OAUTH, unused) !=
	    DA_OK)
		da_diag_set(reason, "the issuer is not an https address");
	else if (start->client_id[0] == '\0' ||
	    start->client_auth > DA_CLIENT_PRIVATE_KEY_JWT ||
	    ((start->client_auth == DA_CLIENT_SECRET_BASIC ||
		 start->client_auth == DA_CLIENT_SECRET_POST) &&
		start->client_secret.len == 0))
		da_diag_set(reason,
		    "client_id, client_auth and client secret "
		    "do not fit together");
	else if (start->username_claim[0] == '\0' ||
	    (start->algorithms & DA_JOSE_ALG_ALL) == 0)
		da_diag_set(reason, "username_claim or algorithms is empty");
	else if (!has_its_tokens(start))
		da_diag_set(reason, "task and tokens do not fit together");
	else if (start->binding > DA_BINDING_REQUIRE_DPOP ||
	    ((start->binding != DA_BINDING_SEALED || start->bound != 0) &&
		strlen(start->thumbprint) != DA_THUMBPRINT_LEN))
		da_diag_set(reason, "binding and the host's key do not fit");
	else if (start->request_timeout_ms <= 0 || start->deadline_ms <= 0 ||
	    start->deadline_ms > DA_LOGIN_DEADLINE_MAX_S * 1000)
		da_diag_set(reason, "a time limit out of range");
	else
		return DA_OK;
	return DA_E_CONFIG;
}

/* Lends the tokens to a message. */
static struct da_buf
lend(const struct da_secret *secret)
{
	return (struct da_buf){.bytes = secret->bytes, .len = secret->len};
}

static enum da_err
send_tokens(struct da_errand *task, const struct da_token_answer *tokens)
{
	struct da_wire_tokens message = {
	    .type = tokens->type,
	    .expires_in_s = tokens->expires_in_s,
	    .access_token = lend(&tokens->access_token),
	    .refresh_token = lend(&tokens->refresh_token),
	};
	enum da_err err =
	    da_text_copy(tokens->scope, message.scope, sizeof(message.scope));

	if (err == DA_OK)
		err = da_text_copy(task->requester.dpop_nonce,
		    message.dpop_nonce, sizeof(message.dpop_nonce));
	return err != DA_OK ? err : da_task_say(task, DA_WIRE_TOKENS, &message);
}

enum da_err
da_task_take_tokens(struct da_errand *task,
    const struct da_token_answer *tokens, struct da_wire_identity *identity)
{
	const struct da_identify order = {
	    .start = task->start,
	    .tokens = tokens,
	    .documents = &task->documents,
	    .requester = &task->requester,
	    .asked_s = task->asked_s,
	};
	enum da_err err = send_tokens(task, tokens);

	if (err == DA_OK)
		err = da_token_check_binding(
		    tokens, task->start->thumbprint, &task->reason);
	return err != DA_OK ? err
			    : da_identify(&order, identity, &task->reason);
}

void
da_task_leave_tokens(
    struct da_errand *task, const struct da_token_answer *tokens)
{
	/* Of another type the broker would not know what they are. */
	const uint32_t known =
	    DA_TOKEN_BEARER | (task->requester.proofs ? DA_TOKEN_DPOP : 0u);

	if ((tokens->type & known) != 0 && tokens->access_token.len > 0)
		DA_IGNORE(
		    send_tokens(task, tokens)); /* FAILED will fail, too */
}

/* The documents are worth keeping only if they have led to a good end. */
static enum da_err
say_documents(struct da_errand *task)
{
	const struct da_wire_metadata *fetched = &task->documents.fetched;

	return fetched->metadata.len > 0 || fetched->jwks.len > 0
	    ? da_task_say(task, DA_WIRE_METADATA, fetched)
	    : DA_OK;
}

static enum da_err
identify(struct da_errand *task)
{
	struct da_wire_identity identity = {0};
	enum da_err err;

	da_buf_init(&identity.groups, DA_GROUPS_BYTES_MAX);
	da_buf_init(&identity.claims, DA_CLAIMS_BYTES_MAX);
	err = task->start->task == DA_TASK_LOGIN ? da_login_run(task, &identity)
	    : task->start->task == DA_TASK_REFRESH
	    ? da_renewal_refresh(task, &identity)
	    : da_renewal_introspect(task, &identity);
	if (err == DA_OK)
		err = say_documents(task);
	if (err == DA_OK)
		err = da_task_say(task, DA_WIRE_IDENTITY, &identity);
	da_wire_done(DA_WIRE_IDENTITY, &identity);
	return err;
}

static enum da_err
revoke(struct da_errand *task)
{
	struct da_wire_revoked revoked = {0};
	enum da_err err = da_renewal_revoke(task, &revoked);

	if (err == DA_OK)
		err = say_documents(task);
	return err != DA_OK ? err
			    : da_task_say(task, DA_WIRE_REVOKED, &revoked);
}

enum da_err
da_task_run(int broker, const struct da_wire_start *start, struct da_http *http,
    int64_t deadline_mono_ms)
{
	struct da_errand task = {
	    .broker = broker,
	    .start = start,
	    .provider = {start->issuer, start->endpoint_hosts},
	    .requester = {.broker = broker,
		.http = http,
		.endpoints = &task.documents.endpoints,
		.client = {.id = start->client_id,
		    .auth = (enum da_client_auth)start->client_auth,
		    .secret_raw = start->secret_raw != 0,
		    .secret = &start->client_secret},
		.deadline_mono_ms = deadline_mono_ms},
	};
	enum da_err err;

	da_documents_init(&task.documents, http, &task.provider);
	err = da_documents_load_metadata(
	    &task.documents, &start->metadata, deadline_mono_ms, &task.reason);
	if (err == DA_OK)
		err = da_request_begin(&task.requester, start, &task.reason);
	if (err == DA_OK)
		err = start->task == DA_TASK_REVOKE ? revoke(&task)
						    : identify(&task);
	if (err != DA_OK && err != DA_E_CANCELLED && err != DA_E_CLOSED)
		err = da_task_fail(broker, err, &task.reason);
	da_documents_done(&task.documents);
	return err;
}
