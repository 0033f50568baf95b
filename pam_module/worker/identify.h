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
struct da_requester;
struct da_token_answer;

struct da_identify {
	const struct da_wire_start *start;
	const struct da_token_answer *tokens;
	struct da_documents *documents; /* may fetch the key set */
	struct da_requester *requester; /* for userinfo */
	int64_t asked_s; /* wall clock of the request: no ID token of ours is
			  * older */
};

/* Fills the identity (its groups initialised). After a refresh there may be no
 * ID token; one that came has to be about the same person (OpenID Connect Core
 * 12.2), userinfo is asked only if the orders say so, and the person need not
 * be described. DA_E_REJECTED: userinfo no longer takes our token. DA_E_TOKEN,
 * DA_E_BAD_NAME, DA_E_PROTOCOL, DA_E_PROVIDER, DA_E_UNREACHABLE with the
 * reason; DA_E_CANCELLED, DA_E_NOMEM, DA_E_BUG. */
enum da_err da_identify(const struct da_identify *order,
    struct da_wire_identity *identity, struct da_diag *reason) DA_MUST_CHECK;

#endif
