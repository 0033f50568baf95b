/*
 * The provider's two documents, metadata and key set: from the broker's cache
 * where it has them, else fetched, once.
 */
#ifndef DA_WORKER_DOCUMENTS_H
#define DA_WORKER_DOCUMENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"
#include "provider/discovery.h"

struct da_http;
struct da_jwks;

/* A key set is not fetched twice within this time, whatever kid a token names
 * (attack J20). Shorter than any interval, so that a key that is published
 * while the person approves is found. */
#define DA_JWKS_REFETCH_MS 1000

struct da_documents {
	struct da_http *http;
	const struct da_provider *provider;
	struct da_endpoints endpoints;
	struct da_jwks *jwks;       /* NULL = none yet */
	int64_t jwks_asked_mono_ms; /* 0 = never in this process */
	bool jwks_refetched;
	struct da_wire_metadata fetched; /* what the broker may cache */
};

/* "http" and "provider" are borrowed. Release with da_documents_done(). */
void da_documents_init(struct da_documents *documents, struct da_http *http,
    const struct da_provider *provider);
void da_documents_done(struct da_documents *documents);

/* Makes the endpoints known, from "cached" if that is of use. The errors of
 * da_http_send() and da_discovery_parse(). */
enum da_err da_documents_load_metadata(struct da_documents *documents,
    const struct da_buf *cached, int64_t deadline_mono_ms,
    struct da_diag *reason) DA_MUST_CHECK;

/* Takes a cached key set over; one that cannot be read counts as none. */
void da_documents_use_jwks(
    struct da_documents *documents, const struct da_buf *cached);

/* Fetches the key set. DA_E_PROTOCOL when it is none, the errors of
 * da_http_send(). The old set stays on failure. */
enum da_err da_documents_fetch_jwks(struct da_documents *documents,
    int64_t deadline_mono_ms, struct da_diag *reason) DA_MUST_CHECK;

/* Whether an unknown kid may be answered by fetching again: once in a login,
 * and not right after the last time. */
bool da_documents_may_refetch(const struct da_documents *documents);

#endif
