/*
 * What a worker is told, whatever its task: the profile, the documents that are
 * known, and what of the host's key it may have used.
 */
#ifndef DA_BROKER_ORDER_H
#define DA_BROKER_ORDER_H

#include <stdbool.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"
#include "store/config.h"
#include "store/signer.h"

struct da_paths;
struct da_signing_key;

struct da_order {
	struct da_wire_start start;
	/* Until da_order_done(); NULL = nothing is signed. */
	struct da_signing_key *key;
	struct da_signer signer;
	char endpoint_hosts[DA_URI_MAX + 1];
};

/* Fills in all of "start" but the task, its own fields and the deadline. An
 * empty or damaged cache costs a request, never the task. "bound": to tokens
 * that are tied to the host's key. "ret" is to be released in every case, and
 * outlives the worker. DA_E_CONFIG, and the errors of da_signing_key_load(). */
enum da_err da_order_init(const struct da_paths *paths,
    const struct da_config *config, const struct da_profile *profile,
    bool bound, struct da_order *ret, struct da_diag *diag) DA_MUST_CHECK;
void da_order_done(struct da_order *order);

/* Of the key that it signs with; "" = it signs nothing. */
const char *da_order_thumbprint(const struct da_order *order);

/* A list by spaces. DA_E_TOO_LARGE. */
enum da_err da_order_join(
    const struct da_config_list *list, char *out, size_t size) DA_MUST_CHECK;

/* Keeps what the worker has fetched. A cache that cannot be written costs the
 * next one a request. */
void da_order_keep(const struct da_paths *paths,
    const struct da_profile *profile, const struct da_wire_metadata *fetched);

#endif
