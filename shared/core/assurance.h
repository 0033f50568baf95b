/*
 * Whether a person signed in as well, and as lately, as is asked for: acr, amr
 * and auth_time (OpenID Connect Core 2, RFC 8176). The worker checks it on what
 * the provider says, the broker again on what the worker says, and on what an
 * earlier sign-in has left.
 */
#ifndef DA_CORE_ASSURANCE_H
#define DA_CORE_ASSURANCE_H

#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

/* Leeway for clocks that differ, everywhere. */
#define DA_CLOCK_LEEWAY_S 60

struct da_assurance {
	const char *acr;     /* "" = not said */
	const char *amr;     /* by spaces; "" = not said */
	int64_t auth_time_s; /* 0 = not said */
};

struct da_assurance_wanted {
	const char *acr_values; /* one of these, by spaces; "" = any */
	const char *amr;        /* all of these, by spaces; "" = any */
	int64_t max_age_s;      /* at the time of asking; -1 = any */
	int64_t asked_s;        /* wall clock */
	int64_t now_s;          /* the same, when it is looked at */
	int64_t leeway_s;       /* of clocks */
};

/* DA_E_WEAK when something that was asked for is missing, weaker, older, or
 * lies in the future, as it does when the clock was set back (attack D12):
 * providers may ignore what they are asked (OpenID Connect Core 3.1.2.1 makes
 * acr_values a wish). */
enum da_err da_assurance_check(const struct da_assurance_wanted *wanted,
    const struct da_assurance *given, struct da_diag *reason) DA_MUST_CHECK;

#endif
