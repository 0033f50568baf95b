#include "worker/login.h"

#include <errno.h>
#include <poll.h>

#include "core/assurance.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/text.h"
#include "http/http.h"
#include "provider/device.h"
#include "provider/device_flow.h"
#include "provider/qr.h"
#include "provider/token.h"
#include "worker/identify.h"
#include "worker/task.h"

/* Sleeps, but not through a sign of the broker. */
static enum da_err
wait_until(const struct da_errand *task, int64_t until_mono_ms)
{
	for (;;) {
		struct pollfd broker = {.fd = task->broker, .events = POLLIN};
		int64_t left = until_mono_ms - da_clock_mono_ms();
		int n;

		if (left <= 0)
			return DA_OK;
		n = poll(&broker, 1, left < 60000 ? (int)left : 60000);
		if (n > 0)
			return DA_E_CANCELLED;
		if (n < 0 && errno != EINTR)
			return DA_E_SYS;
	}
}

static enum da_err
request_device(struct da_errand *task, struct da_device_answer *ret,
    bool *ret_secret_refused)
{
	DA_CLEANUP(da_http_answer_done) struct da_http_answer answer = {0};
	DA_CLEANUP(da_buf_done) struct da_buf fields;
	const struct da_wire_start *start = task->start;
	const struct da_device_request request = {start->scope,
	    start->device_name, start->acr_values, start->max_age_s};
	enum da_err err;

	da_buf_init(&fields, DA_REQUEST_FORM_MAX);
	task->asked_s = da_clock_wall_s();
	err = da_device_request_put(&fields, &request);
	if (err == DA_OK)
		err = da_request_form(&task->requester, DA_ENDPOINT_DEVICE,
		    &fields, false, &answer, &task->reason);
	if (err != DA_OK)
		return err;
	err = da_device_answer_parse(
	    answer.status, &answer.body, &task->provider, ret, &task->reason);
	*ret_secret_refused = err == DA_E_PROVIDER &&
	    task->requester.client.auth != DA_CLIENT_NONE &&
	    da_device_refuses_secret(&answer.body);
	return err;
}

static enum da_err
begin_device(struct da_errand *task, struct da_device_answer *ret)
{
	const enum da_client_auth auth = task->requester.client.auth;
	bool secret_refused = false;
	enum da_err err = request_device(task, ret, &secret_refused);

	if (!secret_refused)
		return err;
	task->requester.client.auth = DA_CLIENT_NONE;
	err = request_device(task, ret, &secret_refused);
	task->requester.client.auth = auth;
	return err;
}

static enum da_err
send_device(struct da_errand *task, const struct da_device_answer *answer)
{
	struct da_wire_device device = {.expires_in_s = answer->expires_in_s};
	enum da_err err = da_text_copy(
	    answer->user_code, device.user_code, sizeof(device.user_code));

	da_buf_init(&device.qr, DA_QR_MAX);
	if (err == DA_OK)
		err = da_text_copy(answer->uri, device.uri, sizeof(device.uri));
	if (err == DA_OK && task->start->want_qr != 0)
		err = da_qr_draw(answer->uri_complete[0] != '\0'
			? answer->uri_complete
			: answer->uri,
		    &device.qr);
	if (err == DA_OK)
		err = da_task_say(task, DA_WIRE_DEVICE, &device);
	da_wire_done(DA_WIRE_DEVICE, &device);
	return err;
}

/* While the person reads the code there is time for the key set, so that
 * nothing but local work is left after the approval. Not at the cost of the
 * first poll; what fails here is tried again when it is needed. */
static enum da_err
prefetch_jwks(struct da_errand *task, int64_t until_mono_ms)
{
	struct da_diag unused;
	enum da_err err;

	da_documents_use_jwks(&task->documents, &task->start->jwks);
	if (task->documents.jwks != NULL)
		return DA_OK;
	err = da_documents_fetch_jwks(&task->documents, until_mono_ms, &unused);
	return err == DA_E_CANCELLED ? err : DA_OK;
}

/* One poll. What the network does is an event like the provider's answers. */
static enum da_err
poll_once(struct da_errand *task, const struct da_device_answer *device,
    struct da_token_answer *ret)
{
	DA_CLEANUP(da_http_answer_done) struct da_http_answer answer = {0};
	DA_CLEANUP(da_buf_done) struct da_buf fields;
	enum da_err err;

	*ret = (struct da_token_answer){0};
	da_buf_init(&fields, DA_REQUEST_FORM_MAX);
	err = da_token_request_put(&fields, &device->device_code);
	if (err == DA_OK)
		err = da_request_form(&task->requester, DA_ENDPOINT_TOKEN,
		    &fields, false, &answer, &task->reason);
	if (err == DA_E_CANCELLED)
		return err;
	if (err == DA_E_UNREACHABLE && answer.may_pass) {
		ret->event = (struct da_device_event){
		    .kind = DA_DEVICE_TROUBLE, .retry_after_s = -1};
	} else if (err != DA_OK) {
		ret->event = (struct da_device_event){
		    .kind = DA_DEVICE_REFUSED, .err = err};
	} else {
		da_token_answer_parse(answer.status, answer.retry_after_s,
		    &answer.body, task->requester.types, ret, &task->reason);
	}
	return DA_OK;
}

static enum da_err
end_reason(struct da_errand *task, enum da_err err, bool refused)
{
	if (!refused && err == DA_E_EXPIRED)
		da_diag_set(&task->reason, "the code has expired");
	if (!refused && err == DA_E_DEADLINE)
		da_diag_set(&task->reason, "not approved in time");
	return err;
}

static enum da_err
await_approval(struct da_errand *task, const struct da_device_answer *device,
    struct da_device_flow *flow, struct da_token_answer *ret)
{
	struct da_device_event event = {.kind = DA_DEVICE_TIME};

	for (;;) {
		struct da_device_action action =
		    da_device_flow_step(flow, &event, da_clock_mono_ms());
		enum da_err err = DA_OK;

		switch (action.kind) {
		case DA_DEVICE_WAIT:
			err = wait_until(task, action.until_mono_ms);
			event.kind = DA_DEVICE_TIME;
			break;
		case DA_DEVICE_POLL:
			da_token_answer_done(ret);
			err = poll_once(task, device, ret);
			event = ret->event;
			break;
		case DA_DEVICE_DONE:
			return DA_OK;
		default:
			return end_reason(
			    task, action.err, event.kind == DA_DEVICE_REFUSED);
		}
		if (err != DA_OK)
			return err;
	}
}

static enum da_err
check_assurance(struct da_errand *task, const struct da_wire_identity *identity)
{
	const struct da_assurance_wanted wanted = {
	    .acr_values = task->start->acr_values,
	    .amr = task->start->amr,
	    .max_age_s = task->start->max_age_s,
	    .asked_s = task->asked_s,
	    .now_s = da_clock_wall_s(),
	    .leeway_s = DA_CLOCK_LEEWAY_S,
	};

	const struct da_assurance given = {
	    identity->acr, identity->amr, identity->auth_time_s};

	return da_assurance_check(&wanted, &given, &task->reason);
}

enum da_err
da_login_run(struct da_errand *task, struct da_wire_identity *identity)
{
	DA_CLEANUP(da_device_answer_done) struct da_device_answer device = {0};
	DA_CLEANUP(da_token_answer_done) struct da_token_answer tokens = {0};
	struct da_device_flow flow;
	struct da_device_terms terms = {
	    .min_interval_s = task->start->min_interval_s,
	    .deadline_mono_ms = task->requester.deadline_mono_ms,
	};
	enum da_err err = begin_device(task, &device);

	if (err != DA_OK)
		return err;
	terms.interval_s = device.interval_s;
	terms.expires_in_s = device.expires_in_s;
	terms.answered_mono_ms = da_clock_mono_ms();
	da_device_flow_init(&flow, &terms);
	err = send_device(task, &device);
	if (err == DA_OK)
		err = prefetch_jwks(task, flow.next_mono_ms);
	if (err == DA_OK)
		err = await_approval(task, &device, &flow, &tokens);
	if (err == DA_OK)
		err = da_task_take_tokens(task, &tokens, identity);
	else
		da_task_leave_tokens(task, &tokens);
	return err != DA_OK ? err : check_assurance(task, identity);
}
