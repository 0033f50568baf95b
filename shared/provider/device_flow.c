#include "provider/device_flow.h"

#include "core/limits.h"

/* Interval times 2^6 is beyond DA_DEVICE_BACKOFF_MAX_MS for every interval. */
#define DOUBLINGS_MAX 6

static int64_t
clamp(int64_t value, int64_t min, int64_t max)
{
	if (value < min)
		return min;
	return value > max ? max : value;
}

void
da_device_flow_init(
    struct da_device_flow *flow, const struct da_device_terms *terms)
{
	int64_t min_s = clamp(
	    terms->min_interval_s, DA_INTERVAL_FLOOR_S, DA_INTERVAL_MAX_S);
	int64_t interval_s =
	    terms->interval_s >= 0 ? terms->interval_s : DA_INTERVAL_DEFAULT_S;
	int64_t life_s = clamp(terms->expires_in_s, 0, DA_CODE_LIFE_MAX_S);

	*flow = (struct da_device_flow){
	    .interval_ms = clamp(interval_s, min_s, DA_INTERVAL_MAX_S) * 1000,
	    .margin_ms = DA_DEVICE_MARGIN_MS,
	    .expires_mono_ms = terms->answered_mono_ms + life_s * 1000,
	    .deadline_mono_ms = terms->deadline_mono_ms,
	    .last = {.kind = DA_DEVICE_WAIT},
	};
	flow->next_mono_ms =
	    terms->answered_mono_ms + flow->interval_ms + flow->margin_ms;
}

static struct da_device_action
fail(enum da_err err)
{
	return (struct da_device_action){.kind = DA_DEVICE_FAIL, .err = err};
}

static int64_t
end_mono_ms(const struct da_device_flow *flow)
{
	return flow->expires_mono_ms < flow->deadline_mono_ms
	    ? flow->expires_mono_ms
	    : flow->deadline_mono_ms;
}

/* Time is up. Whoever could not be asked at last is not "not approved". */
static struct da_device_action
give_up(const struct da_device_flow *flow)
{
	if (flow->troubles > 0)
		return fail(DA_E_UNREACHABLE);
	return fail(flow->expires_mono_ms < flow->deadline_mono_ms
		? DA_E_EXPIRED
		: DA_E_DEADLINE);
}

/* Also where no poll fits in any more, the wait goes on to the end: that is
 * what the person was told. */
static struct da_device_action
wait_or_poll(struct da_device_flow *flow, int64_t now_mono_ms)
{
	int64_t end = end_mono_ms(flow);

	if (now_mono_ms >= end)
		return give_up(flow);
	if (now_mono_ms < flow->next_mono_ms)
		return (struct da_device_action){
		    .kind = DA_DEVICE_WAIT,
		    .until_mono_ms =
			flow->next_mono_ms < end ? flow->next_mono_ms : end,
		};
	flow->polling = true;
	return (struct da_device_action){.kind = DA_DEVICE_POLL};
}

/* The pause until the next poll, from the answer on. RFC 8628 3.5: after a
 * connection time-out the client MUST slow down; doubling is recommended. */
static int64_t
pause_ms(const struct da_device_flow *flow, int64_t retry_after_s)
{
	unsigned int doublings =
	    flow->troubles < DOUBLINGS_MAX ? flow->troubles : DOUBLINGS_MAX;
	int64_t most = flow->interval_ms > DA_DEVICE_BACKOFF_MAX_MS
	    ? flow->interval_ms
	    : DA_DEVICE_BACKOFF_MAX_MS;
	int64_t pause = flow->interval_ms << doublings;
	int64_t asked = clamp(retry_after_s, 0, DA_INTERVAL_MAX_S) * 1000;

	if (pause > most)
		pause = most;
	return (pause > asked ? pause : asked) + flow->margin_ms;
}

static struct da_device_action
take_answer(struct da_device_flow *flow, const struct da_device_event *event,
    int64_t now_mono_ms)
{
	int64_t retry_after_s = -1;

	switch (event->kind) {
	case DA_DEVICE_PENDING:
		flow->troubles = 0;
		break;
	case DA_DEVICE_SLOW_DOWN:
		flow->troubles = 0;
		flow->interval_ms += DA_SLOW_DOWN_S * 1000;
		flow->margin_ms = DA_DEVICE_MARGIN_SLOW_MS;
		retry_after_s = event->retry_after_s;
		break;
	case DA_DEVICE_TROUBLE:
		flow->troubles++;
		retry_after_s = event->retry_after_s;
		break;
	case DA_DEVICE_TOKENS:
		/* Too late is too late (attack D6); the code's own end is the
		 * provider's business, and it has just said yes. */
		if (now_mono_ms >= flow->deadline_mono_ms)
			return fail(DA_E_DEADLINE);
		return (struct da_device_action){.kind = DA_DEVICE_DONE};
	case DA_DEVICE_REFUSED:
		return fail(event->err != DA_OK ? event->err : DA_E_BUG);
	default:
		return fail(DA_E_BUG);
	}
	flow->next_mono_ms = now_mono_ms + pause_ms(flow, retry_after_s);
	return wait_or_poll(flow, now_mono_ms);
}

struct da_device_action
da_device_flow_step(struct da_device_flow *flow,
    const struct da_device_event *event, int64_t now_mono_ms)
{
	bool is_answer = event->kind != DA_DEVICE_TIME;

	if (flow->last.kind == DA_DEVICE_DONE ||
	    flow->last.kind == DA_DEVICE_FAIL)
		flow->last = fail(DA_E_BUG); /* asked after the end */
	else if (is_answer != flow->polling)
		flow->last = fail(DA_E_BUG);
	else if (is_answer) {
		flow->polling = false;
		flow->last = take_answer(flow, event, now_mono_ms);
	} else {
		flow->last = wait_or_poll(flow, now_mono_ms);
	}
	return flow->last;
}
