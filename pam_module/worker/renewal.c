#include "worker/renewal.h"

#include "core/assurance.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/text.h"
#include "http/http.h"
#include "provider/token.h"
#include "provider/token_status.h"
#include "worker/identify.h"
#include "worker/task.h"

/* A request that the provider has taken must not be sent again: the second use
 * of a rotated token ends the session (RFC 9700 4.14.2). */
static enum da_err
send_refresh(struct da_errand *task, struct da_token_answer *ret)
{
	DA_CLEANUP(da_http_answer_done) struct da_http_answer answer = {0};
	DA_CLEANUP(da_buf_done) struct da_buf fields;
	enum da_err err;

	da_buf_init(&fields, DA_REQUEST_FORM_MAX);
	task->asked_s = da_clock_wall_s();
	err = da_refresh_request_put(&fields, &task->start->refresh_token);
	if (err == DA_OK)
		err = da_request_form(&task->requester, DA_ENDPOINT_TOKEN,
		    &fields, true, &answer, &task->reason);
	return err != DA_OK
	    ? err
	    : da_refresh_answer_parse(answer.status, &answer.body,
		  task->requester.types, ret, &task->reason);
}

enum da_err
da_renewal_refresh(struct da_errand *task, struct da_wire_identity *identity)
{
	DA_CLEANUP(da_token_answer_done) struct da_token_answer tokens = {0};
	enum da_err err = send_refresh(task, &tokens);

	if (err != DA_OK) {
		da_task_leave_tokens(task, &tokens);
		return err;
	}
	da_documents_use_jwks(&task->documents, &task->start->jwks);
	return da_task_take_tokens(task, &tokens, identity);
}

static enum da_err
ask(struct da_errand *task, enum da_endpoint endpoint, enum da_token_kind kind,
    struct da_http_answer *ret)
{
	DA_CLEANUP(da_buf_done) struct da_buf fields;
	enum da_err err;

	da_buf_init(&fields, DA_REQUEST_FORM_MAX);
	err = da_token_status_request_put(&fields, kind,
	    kind == DA_TOKEN_REFRESH ? &task->start->refresh_token
				     : &task->start->access_token);
	return err != DA_OK ? err
			    : da_request_form(&task->requester, endpoint,
				  &fields, false, ret, &task->reason);
}

enum da_err
da_renewal_introspect(struct da_errand *task, struct da_wire_identity *identity)
{
	DA_CLEANUP(da_http_answer_done) struct da_http_answer answer = {0};
	const struct da_wire_start *start = task->start;
	const struct da_introspection_expect expect = {
	    .issuer = start->issuer,
	    .client_id = start->client_id,
	    .subject = start->subject,
	    .thumbprint = start->bound != 0 ? start->thumbprint : "",
	    .kind = start->refresh_token.len > 0 ? DA_TOKEN_REFRESH
						 : DA_TOKEN_ACCESS,
	    .now_s = da_clock_wall_s(),
	    .leeway_s = DA_CLOCK_LEEWAY_S,
	};
	enum da_err err =
	    ask(task, DA_ENDPOINT_INTROSPECTION, expect.kind, &answer);

	if (err == DA_OK)
		err = da_introspection_answer_check(
		    answer.status, &answer.body, &expect, &task->reason);
	if (err == DA_OK)
		err = da_text_copy(
		    start->issuer, identity->issuer, sizeof(identity->issuer));
	if (err == DA_OK)
		err = da_text_copy(start->subject, identity->subject,
		    sizeof(identity->subject));
	identity->evidence = DA_EVIDENCE_INTROSPECTION;
	return err;
}

static enum da_err
revoke_one(struct da_errand *task, enum da_token_kind kind,
    struct da_wire_revoked *ret)
{
	DA_CLEANUP(da_http_answer_done) struct da_http_answer answer = {0};
	enum da_err err = ask(task, DA_ENDPOINT_REVOCATION, kind, &answer);

	if (err == DA_OK)
		err = da_revocation_answer_check(
		    answer.status, &answer.body, kind, &task->reason);
	if (err == DA_OK)
		ret->tokens++;
	return err;
}

enum da_err
da_renewal_revoke(struct da_errand *task, struct da_wire_revoked *ret)
{
	enum da_err first = DA_OK, second = DA_OK;

	if (task->start->refresh_token.len > 0)
		first = revoke_one(task, DA_TOKEN_REFRESH, ret);
	if (first == DA_E_UNREACHABLE || first == DA_E_CANCELLED)
		return first;
	if (task->start->access_token.len > 0)
		second = revoke_one(task, DA_TOKEN_ACCESS, ret);
	/* What may pass is worth another try, also of what will not. */
	return second == DA_E_UNREACHABLE || first == DA_OK ? second : first;
}
