/*
 * The polling of RFC 8628 3.4 and 3.5 as a pure state machine: an event and
 * the time go in, what to do next comes out. It does no I/O and reads no
 * clock, so that every rule of it can be tested in no time.
 *
 *  1. Never two polls closer than the interval, counted from the answer.
 *  2. The interval only grows; slow_down adds 5 s for good, and more distance
 *     from the interval's edge.
 *  3. Trouble on the way is waited out with growing pauses; whatever the
 *     provider says that is not "pending" is final.
 *  4. It ends by itself at the code's or the login's end, whatever the
 *     provider says.
 */
#ifndef DA_PROVIDER_DEVICE_FLOW_H
#define DA_PROVIDER_DEVICE_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"

/* The pause counts from the answer, so that what the server sees is never
 * shorter; a little more is for clocks that do not run alike. */
#define DA_DEVICE_MARGIN_MS 20
/* Once a server has said slow_down: some count whole seconds and say so for
 * ever to a client that is not beyond the interval by their count. */
#define DA_DEVICE_MARGIN_SLOW_MS 1000
/* Doubling stops here. */
#define DA_DEVICE_BACKOFF_MAX_MS 60000

enum da_device_event_kind {
	DA_DEVICE_TIME,      /* nothing happened but time */
	DA_DEVICE_PENDING,   /* authorization_pending */
	DA_DEVICE_SLOW_DOWN, /* slow_down, or HTTP 429 */
	DA_DEVICE_TROUBLE,   /* no answer, or one that tells nothing */
	DA_DEVICE_TOKENS,    /* the person has approved */
	DA_DEVICE_REFUSED,   /* final; err says what */
};

struct da_device_event {
	enum da_device_event_kind kind;
	enum da_err err;       /* REFUSED */
	int64_t retry_after_s; /* SLOW_DOWN, TROUBLE; -1 = not said */
};

enum da_device_action_kind {
	DA_DEVICE_WAIT, /* until until_mono_ms, then tell the time */
	DA_DEVICE_POLL, /* then tell what came */
	DA_DEVICE_DONE,
	DA_DEVICE_FAIL, /* err: as told by REFUSED, or DA_E_EXPIRED,
			 * DA_E_DEADLINE, DA_E_UNREACHABLE (trouble to the
			 * end), DA_E_BUG */
};

struct da_device_action {
	enum da_device_action_kind kind;
	int64_t until_mono_ms;
	enum da_err err;
};

struct da_device_flow {
	int64_t interval_ms;
	int64_t margin_ms; /* on top of each pause */
	int64_t next_mono_ms;
	int64_t expires_mono_ms;
	int64_t deadline_mono_ms;
	unsigned int troubles; /* one after the other */
	bool polling;
	struct da_device_action last; /* DONE and FAIL stay */
};

struct da_device_terms {
	int64_t interval_s;     /* as announced; -1 = not said: 5 */
	int64_t min_interval_s; /* of the profile */
	int64_t expires_in_s;
	int64_t answered_mono_ms; /* when the device answer came */
	int64_t deadline_mono_ms; /* the login's */
};

/* The first poll comes one interval after the device answer: no person is
 * faster. The interval is clamped to min_interval_s .. DA_INTERVAL_MAX_S. */
void da_device_flow_init(
    struct da_device_flow *flow, const struct da_device_terms *terms);

/* Takes what happened and says what to do. Answers are expected after POLL
 * only, TIME after WAIT only; anything else is DA_E_BUG. */
struct da_device_action da_device_flow_step(struct da_device_flow *flow,
    const struct da_device_event *event, int64_t now_mono_ms);

#endif
