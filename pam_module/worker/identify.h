/*
 * From tokens to an identity: signature and claims of the ID token, and
 * userinfo where the ID token says too little.
 */
#ifndef DA_WORKER_IDENTIFY_H
#define DA_WORKER_IDENTIFY_H

#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"

struct da_documents;
struct da_http;
struct da_token_answer;

struct da_identify {
	const struct da_wire_start *start;
	const struct da_token_answer *tokens;
	struct da_http *http;
	struct da_documents *documents; /* may fetch the key set */
	int64_t asked_s; /* wall clock of the device request: no ID token of
			  * ours is older */
	int64_t deadline_mono_ms;
};

/* Fills the identity (its groups initialised). DA_E_TOKEN, DA_E_BAD_NAME,
 * DA_E_PROTOCOL, DA_E_PROVIDER, DA_E_UNREACHABLE with the reason;
 * DA_E_CANCELLED, DA_E_NOMEM, DA_E_BUG. */
enum da_err da_identify(const struct da_identify *order,
    struct da_wire_identity *identity, struct da_diag *reason) DA_MUST_CHECK;

#endif
