/*
 * The polling of the device flow: the state machine gets its events and its
 * time from tables, no clock is involved (RFC 8628 3.5; attacks D2, D6, D7;
 * providers.md 1, 3, 4, 5).
 */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "core/attr.h"
#include "core/limits.h"
#include "provider/device_flow.h"

#define MARGIN DA_DEVICE_MARGIN_MS
#define MARGIN_SLOW DA_DEVICE_MARGIN_SLOW_MS
#define START 1000000
#define NEVER (START + 3600 * 1000)

static struct da_device_flow
flow_of(int64_t interval_s, int64_t min_s, int64_t life_s, int64_t deadline)
{
	struct da_device_terms terms = {
	    .interval_s = interval_s,
	    .min_interval_s = min_s,
	    .expires_in_s = life_s,
	    .answered_mono_ms = START,
	    .deadline_mono_ms = deadline,
	};
	struct da_device_flow flow;

	da_device_flow_init(&flow, &terms);
	return flow;
}

static struct da_device_action
tell(struct da_device_flow *flow, enum da_device_event_kind kind, int64_t now)
{
	struct da_device_event event = {.kind = kind, .retry_after_s = -1};

	return da_device_flow_step(flow, &event, now);
}

/* Waits as told, expects a poll, and returns when it was due. */
static int64_t
until_poll(struct da_device_flow *flow, int64_t now)
{
	struct da_device_action action = tell(flow, DA_DEVICE_TIME, now);

	assert_int_equal(action.kind, DA_DEVICE_WAIT);
	assert_true(action.until_mono_ms > now);
	/* A moment earlier nothing changes. */
	assert_int_equal(
	    tell(flow, DA_DEVICE_TIME, action.until_mono_ms - 1).kind,
	    DA_DEVICE_WAIT);
	now = action.until_mono_ms;
	action = tell(flow, DA_DEVICE_TIME, now);
	assert_int_equal(action.kind, DA_DEVICE_POLL);
	return now;
}

static void
test_interval_is_clamped(void **state)
{
	static const struct {
		int64_t announced, min, first;
	} rows[] = {
	    {-1, 1, 5000}, /* not said: 5 s */
	    {-1, 5, 5000},
	    {-1, 10, 10000}, /* the profile wants more */
	    {0, 1, 1000},    /* 0 is not "at once" */
	    {0, 5, 5000},
	    {0, 0, 1000}, /* nor may the profile say so */
	    {0, -7, 1000},
	    {1, 1, 1000},
	    {5, 5, 5000},
	    {7, 5, 7000},
	    {60, 5, 60000},
	    {600, 5, 60000},
	    {INT64_MAX, 5, 60000},
	    {5, 600, 60000},
	    {5, INT64_MAX, 60000},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_device_flow flow =
		    flow_of(rows[i].announced, rows[i].min, 600, NEVER);

		assert_int_equal(
		    until_poll(&flow, START), START + rows[i].first + MARGIN);
	}
}

static void
test_pending_keeps_the_pace(void **state)
{
	struct da_device_flow flow = flow_of(5, 5, 600, NEVER);
	int64_t now = START;

	(void)state;
	for (int i = 0; i < 100; i++) {
		int64_t asked = until_poll(&flow, now);
		struct da_device_action action;

		assert_int_equal(asked - now, 5000 + MARGIN);
		/* An answer that took 700 ms: the pause counts from there. */
		now = asked + 700;
		action = tell(&flow, DA_DEVICE_PENDING, now);
		assert_int_equal(action.kind, DA_DEVICE_WAIT);
		assert_int_equal(action.until_mono_ms, now + 5000 + MARGIN);
	}
}

/* D2: fifty times slow_down; then pending keeps what was reached. */
static void
test_slow_down_only_grows(void **state)
{
	struct da_device_flow flow = flow_of(5, 5, 3600, START + 100000000);
	int64_t now = START, pause = 5000;

	(void)state;
	flow.expires_mono_ms = START + 100000000;
	for (int i = 0; i < 50; i++) {
		now = until_poll(&flow, now);
		pause += DA_SLOW_DOWN_S * 1000;
		assert_int_equal(
		    tell(&flow, DA_DEVICE_SLOW_DOWN, now).until_mono_ms,
		    now + pause + MARGIN_SLOW);
	}
	now = until_poll(&flow, now);
	assert_int_equal(tell(&flow, DA_DEVICE_PENDING, now).until_mono_ms,
	    now + pause + MARGIN_SLOW);
	assert_int_equal(pause, 255000);
}

static void
test_retry_after(void **state)
{
	static const struct {
		enum da_device_event_kind kind;
		int64_t asked_s, pause_ms;
	} rows[] = {
	    {DA_DEVICE_SLOW_DOWN, -1, 10000},
	    {DA_DEVICE_SLOW_DOWN, 0, 10000},
	    {DA_DEVICE_SLOW_DOWN, 3, 10000},
	    {DA_DEVICE_SLOW_DOWN, 30, 30000},
	    {DA_DEVICE_SLOW_DOWN, 3600, 60000}, /* clamped */
	    {DA_DEVICE_SLOW_DOWN, INT64_MAX, 60000},
	    {DA_DEVICE_TROUBLE, 30, 30000},
	    {DA_DEVICE_TROUBLE, -1, 10000},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_device_flow flow = flow_of(5, 5, 600, NEVER);
		struct da_device_event event = {
		    .kind = rows[i].kind, .retry_after_s = rows[i].asked_s};
		int64_t now = until_poll(&flow, START);
		int64_t margin =
		    rows[i].kind == DA_DEVICE_SLOW_DOWN ? MARGIN_SLOW : MARGIN;

		assert_int_equal(
		    da_device_flow_step(&flow, &event, now).until_mono_ms,
		    now + rows[i].pause_ms + margin);
	}
}

/* RFC 8628 3.5: exponential back-off while the network is away. */
static void
test_trouble_backs_off(void **state)
{
	static const int64_t pauses[] = {
	    10000, 20000, 40000, 60000, 60000, 60000, 60000, 60000};
	struct da_device_flow flow = flow_of(5, 5, 3600, NEVER);
	int64_t now = START;

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(pauses); i++) {
		now = until_poll(&flow, now);
		assert_int_equal(
		    tell(&flow, DA_DEVICE_TROUBLE, now).until_mono_ms,
		    now + pauses[i] + MARGIN);
	}
	/* Back, and at the old pace. */
	now = until_poll(&flow, now);
	assert_int_equal(tell(&flow, DA_DEVICE_PENDING, now).until_mono_ms,
	    now + 5000 + MARGIN);
}

/* Back-off never shortens an interval that slow_down has made long. */
static void
test_trouble_after_slow_down(void **state)
{
	struct da_device_flow flow = flow_of(60, 5, 3600, NEVER);
	int64_t now = until_poll(&flow, START);

	(void)state;
	(void)tell(&flow, DA_DEVICE_SLOW_DOWN, now);
	now = until_poll(&flow, now);
	assert_int_equal(tell(&flow, DA_DEVICE_TROUBLE, now).until_mono_ms,
	    now + 65000 + MARGIN_SLOW);
}

static void
test_ends_by_itself(void **state)
{
	static const struct {
		int64_t life_s, deadline;
		enum da_device_event_kind last;
		enum da_err err;
	} rows[] = {
	    {30, NEVER, DA_DEVICE_PENDING, DA_E_EXPIRED},
	    {600, START + 30000, DA_DEVICE_PENDING, DA_E_DEADLINE},
	    {30, START + 30000, DA_DEVICE_PENDING, DA_E_DEADLINE},
	    {30, NEVER, DA_DEVICE_SLOW_DOWN, DA_E_EXPIRED},
	    /* Who could not be asked is not "not approved". */
	    {30, NEVER, DA_DEVICE_TROUBLE, DA_E_UNREACHABLE},
	    {600, START + 30000, DA_DEVICE_TROUBLE, DA_E_UNREACHABLE},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		struct da_device_flow flow =
		    flow_of(5, 5, rows[i].life_s, rows[i].deadline);
		struct da_device_action action =
		    tell(&flow, DA_DEVICE_TIME, START);
		int64_t now = START;

		while (action.kind != DA_DEVICE_FAIL) {
			if (action.kind == DA_DEVICE_WAIT)
				now = action.until_mono_ms;
			assert_true(now <= START + 30000);
			action = tell(&flow,
			    action.kind == DA_DEVICE_POLL ? rows[i].last
							  : DA_DEVICE_TIME,
			    now);
		}
		/* Not before what the person was told, and not after. */
		assert_int_equal(now, START + 30000);
		assert_int_equal(action.err, rows[i].err);
	}
}

static void
test_life_is_clamped(void **state)
{
	struct da_device_flow flow = flow_of(5, 5, INT64_MAX, INT64_MAX);

	(void)state;
	assert_int_equal(
	    flow.expires_mono_ms, START + (int64_t)DA_CODE_LIFE_MAX_S * 1000);
	flow = flow_of(5, 5, -1, NEVER);
	assert_int_equal(tell(&flow, DA_DEVICE_TIME, START).err, DA_E_EXPIRED);
}

static void
test_approval(void **state)
{
	struct da_device_flow flow = flow_of(5, 5, 600, NEVER);
	int64_t now = until_poll(&flow, START);

	(void)state;
	assert_int_equal(
	    tell(&flow, DA_DEVICE_TOKENS, now + 50).kind, DA_DEVICE_DONE);
}

/* The provider has the last word on its code, the host on the login (D6). */
static void
test_late_approval(void **state)
{
	struct da_device_flow flow = flow_of(5, 5, 6, NEVER);
	int64_t now = until_poll(&flow, START);

	(void)state;
	assert_int_equal(
	    tell(&flow, DA_DEVICE_TOKENS, START + 7000).kind, DA_DEVICE_DONE);
	flow = flow_of(5, 5, 600, START + 6000);
	now = until_poll(&flow, START);
	assert_int_equal(
	    tell(&flow, DA_DEVICE_TOKENS, START + 6000).err, DA_E_DEADLINE);
	assert_true(now < START + 6000);
}

/* D7: final is final, whatever comes after it. */
static void
test_refusal_is_final(void **state)
{
	static const enum da_err codes[] = {DA_E_DENIED, DA_E_EXPIRED,
	    DA_E_PROVIDER, DA_E_PROTOCOL, DA_E_TOKEN, DA_E_UNREACHABLE};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(codes); i++) {
		struct da_device_flow flow = flow_of(5, 5, 600, NEVER);
		struct da_device_event event = {
		    .kind = DA_DEVICE_REFUSED, .err = codes[i]};
		int64_t now = until_poll(&flow, START);
		struct da_device_action action =
		    da_device_flow_step(&flow, &event, now);

		assert_int_equal(action.kind, DA_DEVICE_FAIL);
		assert_int_equal(action.err, codes[i]);
		for (int kind = DA_DEVICE_TIME; kind <= DA_DEVICE_REFUSED;
		     kind++) {
			action = tell(&flow, (enum da_device_event_kind)kind,
			    now + 60000);
			assert_int_equal(action.kind, DA_DEVICE_FAIL);
		}
	}
}

/* A refusal without a code must not turn into a success. */
static void
test_refusal_without_code(void **state)
{
	struct da_device_flow flow = flow_of(5, 5, 600, NEVER);
	int64_t now = until_poll(&flow, START);

	(void)state;
	assert_int_equal(tell(&flow, DA_DEVICE_REFUSED, now).err, DA_E_BUG);
}

/* Answers that nobody asked for, and a clock where an answer is due. */
static void
test_order(void **state)
{
	struct da_device_flow flow;

	(void)state;
	for (int kind = DA_DEVICE_PENDING; kind <= DA_DEVICE_REFUSED; kind++) {
		flow = flow_of(5, 5, 600, NEVER);
		assert_int_equal(
		    tell(&flow, (enum da_device_event_kind)kind, START).err,
		    DA_E_BUG);
	}
	flow = flow_of(5, 5, 600, NEVER);
	(void)until_poll(&flow, START);
	assert_int_equal(
	    tell(&flow, DA_DEVICE_TIME, START + 9000).err, DA_E_BUG);
	flow = flow_of(5, 5, 600, NEVER);
	(void)until_poll(&flow, START);
	assert_int_equal(
	    tell(&flow, (enum da_device_event_kind)99, START + 9000).err,
	    DA_E_BUG);
}

/* A machine that slept: the next look at the clock is far behind the end. */
static void
test_jump(void **state)
{
	struct da_device_flow flow = flow_of(5, 5, 600, START + 110000);

	(void)state;
	assert_int_equal(
	    tell(&flow, DA_DEVICE_TIME, START).kind, DA_DEVICE_WAIT);
	assert_int_equal(
	    tell(&flow, DA_DEVICE_TIME, START + 86400000).err, DA_E_DEADLINE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_interval_is_clamped),
	    cmocka_unit_test(test_pending_keeps_the_pace),
	    cmocka_unit_test(test_slow_down_only_grows),
	    cmocka_unit_test(test_retry_after),
	    cmocka_unit_test(test_trouble_backs_off),
	    cmocka_unit_test(test_trouble_after_slow_down),
	    cmocka_unit_test(test_ends_by_itself),
	    cmocka_unit_test(test_life_is_clamped),
	    cmocka_unit_test(test_approval),
	    cmocka_unit_test(test_late_approval),
	    cmocka_unit_test(test_refusal_is_final),
	    cmocka_unit_test(test_refusal_without_code),
	    cmocka_unit_test(test_order),
	    cmocka_unit_test(test_jump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
