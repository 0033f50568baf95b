/*
 * Time. Durations and deadlines use the monotonic clock and say so in their
 * names (_mono_ms); only dates that leave the process use the wall clock (_s).
 * The flow's state machine takes both as arguments and reads no clock itself.
 */
#ifndef DA_CORE_CLOCK_H
#define DA_CORE_CLOCK_H

#include <stdint.h>

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t da_clock_mono_ms(void);

/* Seconds since 1970 of CLOCK_REALTIME. */
int64_t da_clock_wall_s(void);

#endif
