/*
 * From claims to the identity that the broker gets.
 *
 * Claims come from a verified ID token first; what is missing there may come
 * from userinfo, whose "sub" must be the same (OpenID Connect Core 5.3.2).
 * Identity is (issuer, subject); everything here only describes it.
 */
#ifndef DA_PROVIDER_CLAIMS_H
#define DA_PROVIDER_CLAIMS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"

struct da_json;

struct da_claims_wanted {
	const char *username_claim; /* in order, by spaces */
	const char *groups_claim;   /* "" = not asked for */
	const char *other_claims;   /* by spaces */
	bool need_groups;           /* a rule depends on them */
};

/* What has been found so far. All false at the start. */
struct da_claims_state {
	bool username;
	bool groups;
	bool groups_elsewhere; /* named in _claim_names, never fetched */
	uint32_t others;       /* bit by place in other_claims */
};

/* Takes over what "claims" has and the identity still lacks.
 *
 * username_claim: the first of them that is there, a text. When it is "email",
 * email_verified must be true in the same claims, or anybody could type in
 * another's address (attack N3).
 * groups: an array of texts, or one text as one group; any other shape, an
 * empty or ill-formed name, or more than DA_GROUPS_MAX are refused (N14).
 * other_claims: texts, truth values, integers, or arrays of these; a claim of
 * any other shape, or with anything but printable ASCII, counts as absent, and
 * the rule that asks for it refuses. name and e-mail are for the eye: what does
 * not fit is left out, and an e-mail is taken only when it is verified.
 * DA_E_TOKEN, DA_E_BAD_NAME (a name that no host can use), DA_E_NOMEM. */
enum da_err da_claims_take(const struct da_json *claims,
    const struct da_claims_wanted *wanted, struct da_claims_state *state,
    struct da_wire_identity *identity, struct da_diag *reason) DA_MUST_CHECK;

/* Whether userinfo has to be asked (providers.md 10). */
bool da_claims_lack(
    const struct da_claims_wanted *wanted, const struct da_claims_state *state);

/* Checks and takes a userinfo answer: an object with our subject (N18).
 * DA_E_UNREACHABLE, DA_E_PROTOCOL, and the errors of da_claims_take(). */
enum da_err da_claims_take_userinfo(long status, const struct da_buf *body,
    const struct da_claims_wanted *wanted, struct da_claims_state *state,
    struct da_wire_identity *identity, struct da_diag *reason) DA_MUST_CHECK;

/* The last check: nothing that is needed is missing. DA_E_TOKEN. */
enum da_err da_claims_finish(
    const struct da_claims_state *state, struct da_diag *reason) DA_MUST_CHECK;

#endif
