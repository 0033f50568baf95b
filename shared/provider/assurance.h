/*
 * How well, and when, a person signed in: acr, amr and auth_time of a verified
 * ID token (OpenID Connect Core 2, RFC 8176), and what was asked of them.
 */
#ifndef DA_PROVIDER_ASSURANCE_H
#define DA_PROVIDER_ASSURANCE_H

#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"

struct da_json;

/* Takes the three over; what is not of its type or form counts as not said. */
void da_assurance_take(
    const struct da_json *claims, struct da_wire_identity *identity);

struct da_assurance_wanted {
	const char *acr_values; /* one of these, by spaces; "" = any */
	const char *amr;        /* all of these, by spaces; "" = any */
	int64_t max_age_s;      /* at the time of asking; -1 = any */
	int64_t asked_s;        /* wall clock */
	int64_t leeway_s;       /* of clocks */
};

/* DA_E_WEAK when something that was asked for is missing, weaker or older
 * (attack D12): providers may ignore what they are asked (OpenID Connect Core
 * 3.1.2.1 makes acr_values a wish). */
enum da_err da_assurance_check(const struct da_assurance_wanted *wanted,
    const struct da_wire_identity *identity,
    struct da_diag *reason) DA_MUST_CHECK;

#endif
