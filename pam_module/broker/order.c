#include "broker/order.h"

#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "store/cache.h"
#include "store/policy.h"
#include "store/signing_key.h"

enum da_err
da_order_join(const struct da_config_list *list, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 0; i < list->count; i++) {
		int n = snprintf(out + used, size - used, "%s%s",
		    i > 0 ? " " : "", list->items[i]);

		if (n < 0 || (size_t)n >= size - used)
			return DA_E_TOO_LARGE;
		used += (size_t)n;
	}
	return DA_OK;
}

static enum da_err
fill_texts(const struct da_config *config, const struct da_profile *profile,
    struct da_wire_start *start)
{
	enum da_err err =
	    da_text_copy(profile->issuer, start->issuer, sizeof(start->issuer));

	if (err == DA_OK)
		err = da_text_copy(profile->client_id, start->client_id,
		    sizeof(start->client_id));
	if (err == DA_OK)
		err = da_text_copy(
		    profile->scope, start->scope, sizeof(start->scope));
	if (err == DA_OK)
		err = da_text_copy(
		    profile->ca_file, start->ca_file, sizeof(start->ca_file));
	if (err == DA_OK)
		err = da_order_join(&profile->username_claim,
		    start->username_claim, sizeof(start->username_claim));
	if (err == DA_OK)
		err = da_policy_list_claims(config, profile->issuer,
		    start->other_claims, sizeof(start->other_claims));
	if (err == DA_OK)
		err = da_text_copy(profile->groups_claim, start->groups_claim,
		    sizeof(start->groups_claim));
	if (err == DA_OK)
		err = da_order_join(&profile->endpoint_hosts,
		    start->endpoint_hosts, sizeof(start->endpoint_hosts));
	return err;
}

/* The key is read only where something is to be signed: it would cost every
 * login. */
static enum da_err
prepare_key(const struct da_paths *paths, const struct da_profile *profile,
    bool bound, struct da_order *ret, struct da_diag *diag)
{
	const bool assertions =
	    profile->client_auth == DA_CLIENT_PRIVATE_KEY_JWT;
	const bool proofs = bound || profile->binding != DA_BINDING_SEALED;
	const struct da_signer_terms terms = {
	    .issuer = profile->issuer,
	    .endpoint_hosts = ret->endpoint_hosts,
	    .client_id = profile->client_id,
	    .proofs = proofs,
	    .assertions = assertions,
	    .audience_issuer = profile->assertion_for_issuer != 0,
	    .limit = DA_SIGNER_LIMIT,
	};
	enum da_err err;

	if (!proofs && !assertions)
		return DA_OK;
	err = da_signing_key_load(paths, &ret->key, diag);
	if (err != DA_OK)
		return err;
	memcpy(ret->endpoint_hosts, ret->start.endpoint_hosts,
	    sizeof(ret->endpoint_hosts));
	da_signer_init(&ret->signer, ret->key, &terms);
	return proofs
	    ? da_text_copy(da_signing_key_thumbprint(ret->key),
		  ret->start.thumbprint, sizeof(ret->start.thumbprint))
	    : DA_OK;
}

enum da_err
da_order_init(const struct da_paths *paths, const struct da_config *config,
    const struct da_profile *profile, bool bound, struct da_order *ret,
    struct da_diag *diag)
{
	struct da_wire_start *start = &ret->start;
	int64_t now_s = da_clock_wall_s();
	enum da_err err;

	*ret = (struct da_order){
	    .start = {.client_auth = (uint32_t)profile->client_auth,
		.secret_raw = profile->client_secret_raw,
		.algorithms = (uint32_t)profile->algorithms,
		.allow_loopback = profile->allow_loopback,
		.min_interval_s = profile->min_interval_s,
		.request_timeout_ms = profile->request_timeout_s * 1000,
		.binding = (uint32_t)profile->binding,
		.bound = bound,
		.max_age_s = -1}};
	da_buf_init(&start->client_secret, DA_SECRET_MAX);
	da_buf_init(&start->access_token, DA_TOKEN_MAX);
	da_buf_init(&start->refresh_token, DA_TOKEN_MAX);
	da_buf_init(&start->metadata, DA_BODY_MAX);
	da_buf_init(&start->jwks, DA_BODY_MAX);
	err = fill_texts(config, profile, start);
	if (err != DA_OK) {
		da_diag_set(diag, "a value of profile \"%s\" is too long",
		    profile->name);
		return DA_E_CONFIG;
	}
	err =
	    da_config_read_secret(paths, profile, &start->client_secret, diag);
	if (err == DA_OK)
		err = prepare_key(paths, profile, bound, ret, diag);
	if (err != DA_OK)
		return err;
	DA_IGNORE(da_cache_load(paths, DA_CACHE_METADATA, profile->issuer,
	    now_s, &start->metadata, NULL));
	DA_IGNORE(da_cache_load(
	    paths, DA_CACHE_JWKS, profile->issuer, now_s, &start->jwks, NULL));
	return DA_OK;
}

void
da_order_done(struct da_order *order)
{
	da_wire_done(DA_WIRE_START, &order->start);
	da_signing_key_freep(&order->key);
}

const char *
da_order_thumbprint(const struct da_order *order)
{
	return order->key != NULL ? da_signing_key_thumbprint(order->key) : "";
}

void
da_order_keep(const struct da_paths *paths, const struct da_profile *profile,
    const struct da_wire_metadata *fetched)
{
	int64_t now_s = da_clock_wall_s();

	if (fetched->metadata.len > 0)
		DA_IGNORE(da_cache_save(paths, DA_CACHE_METADATA,
		    profile->issuer, now_s, fetched->metadata_max_age_s,
		    &fetched->metadata, NULL));
	if (fetched->jwks.len > 0)
		DA_IGNORE(da_cache_save(paths, DA_CACHE_JWKS, profile->issuer,
		    now_s, fetched->jwks_max_age_s, &fetched->jwks, NULL));
}
