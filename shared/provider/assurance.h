/*
 * How well, and when, a person signed in: acr, amr and auth_time of a verified
 * ID token (OpenID Connect Core 2, RFC 8176).
 */
#ifndef DA_PROVIDER_ASSURANCE_H
#define DA_PROVIDER_ASSURANCE_H

#include "core/wire.h"

struct da_json;

/* Takes the three over; what is not of its type or form counts as not said. */
void da_assurance_take(
    const struct da_json *claims, struct da_wire_identity *identity);

#endif
