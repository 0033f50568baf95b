/*
 * Numbers from text: the only place that turns digits into integers. Plain
 * decimal, an optional leading minus where the range allows it, nothing else:
 * no white space, no plus, no hexadecimal, no exponent, no locale.
 */
#ifndef DA_CORE_PARSE_H
#define DA_CORE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/err.h"

/* DA_E_SYNTAX when it is not a number, DA_E_RANGE when outside [min, max];
 * *ret is then untouched. */
enum da_err da_parse_int(
    const char *text, int64_t min, int64_t max, int64_t *ret) DA_MUST_CHECK;

/* "yes" or "no", in lower case. DA_E_SYNTAX. */
enum da_err da_parse_bool(const char *text, bool *ret) DA_MUST_CHECK;

/* A span of time in seconds: a number with an optional unit s, min, h or d
 * ("90", "90s", "5min", "12h", "30d"). DA_E_SYNTAX, DA_E_RANGE. */
enum da_err da_parse_span_s(const char *text, int64_t min_s, int64_t max_s,
    int64_t *ret_s) DA_MUST_CHECK;

#endif
