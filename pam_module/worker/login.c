#include "worker/login.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "core/algorithm.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/text.h"
#include "http/http.h"
#include "provider/client_auth.h"
#include "provider/device.h"
#include "provider/device_flow.h"
#include "provider/discovery.h"
#include "provider/qr.h"
#include "provider/token.h"
#include "worker/documents.h"
#include "worker/identify.h"

#define SEND_TIMEOUT_MS 5000
/* A form with a device code, all of it escaped, and the credentials. */
#define FORM_MAX (3 * (DA_DEVICE_CODE_MAX + DA_SECRET_MAX + 4 * DA_URI_MAX))
#define AUTHORIZATION_MAX (6 * (DA_CLAIM_MAX + DA_SECRET_MAX))

struct login {
	int broker;
	const struct da_wire_start *start;
	struct da_http *http;
	struct da_provider provider;
	struct da_client client;
	struct da_documents documents;
	int64_t deadline_mono_ms;
	int64_t asked_s; /* wall clock of the device request */
	struct da_diag reason;
};

static int64_t
send_deadline(void)
{
	return da_clock_mono_ms() + SEND_TIMEOUT_MS;
}

enum da_err
da_login_fail(int broker, enum da_err code, const struct da_diag *reason)
{
	struct da_wire_failed failed = {.code = (uint32_t)code};

	da_text_reduce(reason->text, failed.reason, sizeof(failed.reason));
	da_text_reduce(reason->hint, failed.hint, sizeof(failed.hint));
	return da_wire_send(broker, DA_WIRE_FAILED, &failed, send_deadline());
}

enum da_err
da_login_check(const struct da_wire_start *start, struct da_diag *reason)
{
	char unused[DA_URI_MAX + 1];

	if (da_discovery_uri(start->issuer, DA_DISCOVERY_OAUTH, unused) !=
	    DA_OK)
		da_diag_set(reason, "the issuer is not an https address");
	else if (start->client_id[0] == '\0' ||
	    start->client_auth > DA_CLIENT_SECRET_POST ||
	    (start->client_auth != DA_CLIENT_NONE &&
		start->client_secret.len == 0))
		da_diag_set(reason,
		    "client_id, client_auth and client secret "
		    "do not fit together");
	else if (start->username_claim[0] == '\0' ||
	    (start->algorithms & DA_JOSE_ALG_ALL) == 0)
		da_diag_set(reason, "username_claim or algorithms is empty");
	else if (start->request_timeout_ms <= 0 || start->deadline_ms <= 0 ||
	    start->deadline_ms > DA_LOGIN_DEADLINE_MAX_S * 1000)
		da_diag_set(reason, "a time limit out of range");
	else
		return DA_OK;
	return DA_E_CONFIG;
}

/* Sleeps, but not through a sign of the broker. */
static enum da_err
wait_until(const struct login *login, int64_t until_mono_ms)
{
	for (;;) {
		struct pollfd broker = {.fd = login->broker, .events = POLLIN};
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

/* Sends a form with the client's credentials. */
static enum da_err
post(struct login *login, const char *url, const struct da_client *client,
    struct da_buf *form, struct da_http_answer *ret)
{
	DA_CLEANUP(da_buf_done) struct da_buf authorization;
	struct da_http_request request = {.url = url,
	    .form = form,
	    .deadline_mono_ms = login->deadline_mono_ms};
	enum da_err err;

	da_buf_init(&authorization, AUTHORIZATION_MAX);
	err = da_client_auth_put(client, form, &authorization);
	if (err == DA_E_CONFIG)
		da_diag_set(&login->reason,
		    "client_id or client secret cannot "
		    "be sent as client_auth says");
	if (err != DA_OK)
		return err;
	if (authorization.len > 0)
		request.authorization = da_buf_text(&authorization);
	return da_http_send(login->http, &request, ret, &login->reason);
}

static enum da_err
request_device(struct login *login, const struct da_client *client,
    struct da_device_answer *ret, bool *ret_secret_refused)
{
	DA_CLEANUP(da_http_answer_done) struct da_http_answer answer = {0};
	DA_CLEANUP(da_buf_done) struct da_buf form;
	enum da_err err;

	da_buf_init(&form, FORM_MAX);
	login->asked_s = da_clock_wall_s();
	err = da_device_request_put(
	    &form, login->start->scope, login->start->device_name);
	if (err == DA_OK)
		err = post(login, login->documents.endpoints.device, client,
		    &form, &answer);
	if (err != DA_OK)
		return err;
	err = da_device_answer_parse(
	    answer.status, &answer.body, &login->provider, ret, &login->reason);
	*ret_secret_refused = err == DA_E_PROVIDER &&
	    client->auth != DA_CLIENT_NONE &&
	    da_device_refuses_secret(&answer.body);
	return err;
}

static enum da_err
begin_device(struct login *login, struct da_device_answer *ret)
{
	struct da_client public = login->client;
	bool secret_refused = false;
	enum da_err err =
	    request_device(login, &login->client, ret, &secret_refused);

	if (!secret_refused)
		return err;
	public.auth = DA_CLIENT_NONE;
	return request_device(login, &public, ret, &secret_refused);
}

static enum da_err
send_device(struct login *login, const struct da_device_answer *answer)
{
	struct da_wire_device device = {.expires_in_s = answer->expires_in_s};
	enum da_err err = da_text_copy(
	    answer->user_code, device.user_code, sizeof(device.user_code));

	da_buf_init(&device.qr, DA_QR_MAX);
	if (err == DA_OK)
		err = da_text_copy(answer->uri, device.uri, sizeof(device.uri));
	if (err == DA_OK && login->start->want_qr != 0)
		err = da_qr_draw(answer->uri_complete[0] != '\0'
			? answer->uri_complete
			: answer->uri,
		    &device.qr);
	if (err == DA_OK)
		err = da_wire_send(
		    login->broker, DA_WIRE_DEVICE, &device, send_deadline());
	da_wire_done(DA_WIRE_DEVICE, &device);
	return err;
}

/* While the person reads the code there is time for the key set, so that
 * nothing but local work is left after the approval. Not at the cost of the
 * first poll; what fails here is tried again when it is needed. */
static enum da_err
prefetch_jwks(struct login *login, int64_t until_mono_ms)
{
	struct da_diag unused;
	enum da_err err;

	da_documents_use_jwks(&login->documents, &login->start->jwks);
	if (login->documents.jwks != NULL)
		return DA_OK;
	err =
	    da_documents_fetch_jwks(&login->documents, until_mono_ms, &unused);
	return err == DA_E_CANCELLED ? err : DA_OK;
}

/* One poll. What the network does is an event like the provider's answers. */
static enum da_err
poll_once(struct login *login, const struct da_device_answer *device,
    struct da_token_answer *ret)
{
	DA_CLEANUP(da_http_answer_done) struct da_http_answer answer = {0};
	DA_CLEANUP(da_buf_done) struct da_buf form;
	enum da_err err;

	*ret = (struct da_token_answer){0};
	da_buf_init(&form, FORM_MAX);
	err = da_token_request_put(&form, &device->device_code);
	if (err == DA_OK)
		err = post(login, login->documents.endpoints.token,
		    &login->client, &form, &answer);
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
		    &answer.body, ret, &login->reason);
	}
	return DA_OK;
}

static enum da_err
end_reason(struct login *login, enum da_err err, bool refused)
{
	if (!refused && err == DA_E_EXPIRED)
		da_diag_set(&login->reason, "the code has expired");
	if (!refused && err == DA_E_DEADLINE)
		da_diag_set(&login->reason, "not approved in time");
	return err;
}

static enum da_err
await_approval(struct login *login, const struct da_device_answer *device,
    struct da_device_flow *flow, struct da_token_answer *ret)
{
	struct da_device_event event = {.kind = DA_DEVICE_TIME};

	for (;;) {
		struct da_device_action action =
		    da_device_flow_step(flow, &event, da_clock_mono_ms());
		enum da_err err = DA_OK;

		switch (action.kind) {
		case DA_DEVICE_WAIT:
			err = wait_until(login, action.until_mono_ms);
			event.kind = DA_DEVICE_TIME;
			break;
		case DA_DEVICE_POLL:
			da_token_answer_done(ret);
			err = poll_once(login, device, ret);
			event = ret->event;
			break;
		case DA_DEVICE_DONE:
			return DA_OK;
		default:
			return end_reason(
			    login, action.err, event.kind == DA_DEVICE_REFUSED);
		}
		if (err != DA_OK)
			return err;
	}
}

static enum da_err
identify(struct login *login, const struct da_token_answer *tokens,
    struct da_wire_identity *identity)
{
	struct da_identify order = {
	    .start = login->start,
	    .tokens = tokens,
	    .http = login->http,
	    .documents = &login->documents,
	    .asked_s = login->asked_s,
	    .deadline_mono_ms = login->deadline_mono_ms,
	};

	return da_identify(&order, identity, &login->reason);
}

/* The documents are worth keeping only if they have led to a good end. */
static enum da_err
send_success(struct login *login, const struct da_wire_identity *identity)
{
	const struct da_wire_metadata *fetched = &login->documents.fetched;
	enum da_err err = DA_OK;

	if (fetched->metadata.len > 0 || fetched->jwks.len > 0)
		err = da_wire_send(
		    login->broker, DA_WIRE_METADATA, fetched, send_deadline());
	if (err != DA_OK)
		return err;
	return da_wire_send(
	    login->broker, DA_WIRE_IDENTITY, identity, send_deadline());
}

static enum da_err
approve(struct login *login, struct da_wire_identity *identity)
{
	DA_CLEANUP(da_device_answer_done) struct da_device_answer device = {0};
	DA_CLEANUP(da_token_answer_done) struct da_token_answer tokens = {0};
	struct da_device_flow flow;
	struct da_device_terms terms = {
	    .min_interval_s = login->start->min_interval_s,
	    .deadline_mono_ms = login->deadline_mono_ms,
	};
	enum da_err err = begin_device(login, &device);

	if (err != DA_OK)
		return err;
	terms.interval_s = device.interval_s;
	terms.expires_in_s = device.expires_in_s;
	terms.answered_mono_ms = da_clock_mono_ms();
	da_device_flow_init(&flow, &terms);
	err = send_device(login, &device);
	if (err == DA_OK)
		err = prefetch_jwks(login, flow.next_mono_ms);
	if (err == DA_OK)
		err = await_approval(login, &device, &flow, &tokens);
	return err != DA_OK ? err : identify(login, &tokens, identity);
}

enum da_err
da_login_run(int broker, const struct da_wire_start *start,
    struct da_http *http, int64_t deadline_mono_ms)
{
	struct login login = {
	    .broker = broker,
	    .start = start,
	    .http = http,
	    .provider = {start->issuer, start->endpoint_hosts},
	    .client = {start->client_id,
		(enum da_client_auth)start->client_auth, start->secret_raw != 0,
		&start->client_secret},
	    .deadline_mono_ms = deadline_mono_ms,
	};
	struct da_wire_identity identity = {0};
	enum da_err err;

	da_buf_init(&identity.groups, DA_GROUPS_BYTES_MAX);
	da_buf_init(&identity.claims, DA_CLAIMS_BYTES_MAX);
	da_documents_init(&login.documents, http, &login.provider);
	err = da_documents_load_metadata(&login.documents, &start->metadata,
	    deadline_mono_ms, &login.reason);
	if (err == DA_OK)
		err = approve(&login, &identity);
	if (err == DA_OK)
		err = send_success(&login, &identity);
	else if (err != DA_E_CANCELLED && err != DA_E_CLOSED)
		err = da_login_fail(broker, err, &login.reason);
	da_wire_done(DA_WIRE_IDENTITY, &identity);
	da_documents_done(&login.documents);
	return err;
}
