/*
 * Time. Durations and deadlines use the monotonic clock and say so in their
 * names (_mono_ms); only dates that leave the process use the wall clock (_s).
 * The flow's state machine takes both as arguments and reads no clock itself.
 */
#ifndef DA_CORE_CLOCK_H
#define DA_CORE_CLOCK_H

#include <stdint.h>

/* Milliseconds since boot, those of a suspended machine included: what is good
 * for an hour is not good for longer on a host that slept. */
int64_t da_clock_mono_ms(void);

/* Seconds since 1970 of CLOCK_REALTIME. */
int64_t da_clock_wall_s(void);

/* A span as people say it: its two largest units, "7 days", "1 hour 30
 * minutes", "7 days 1 second"; "0 seconds" for none and less. */
#define DA_CLOCK_SPAN_MAX 64
void da_clock_format_span(int64_t span_s, char ret[static DA_CLOCK_SPAN_MAX]);

#endif
