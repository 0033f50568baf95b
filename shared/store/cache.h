/*
 * Documents of providers (discovery, key set) kept on disk, so that a login
 * costs no request for them. Root only; their content is checked again by
 * whoever uses it.
 */
#ifndef DA_STORE_CACHE_H
#define DA_STORE_CACHE_H

#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"

struct da_paths;

enum da_cache_kind {
	DA_CACHE_METADATA,
	DA_CACHE_JWKS,
};

/* Appends the document to "ret" if it is there and fresh. DA_E_ABSENT when it
 * is not, or is damaged (a cache may always be empty); DA_E_UNSAFE_FILE. */
enum da_err da_cache_load(const struct da_paths *paths, enum da_cache_kind kind,
    const char *issuer, int64_t now_s, struct da_buf *ret,
    struct da_diag *diag) DA_MUST_CHECK;

/* Keeps a document. max_age_s is clamped to 5 minutes .. 1 day; negative = the
 * provider said nothing: 1 hour. DA_E_UNSAFE_FILE, DA_E_SYS. */
enum da_err da_cache_save(const struct da_paths *paths, enum da_cache_kind kind,
    const char *issuer, int64_t now_s, int64_t max_age_s,
    const struct da_buf *document, struct da_diag *diag) DA_MUST_CHECK;

/* Forgets both documents of an issuer. */
void da_cache_drop(const struct da_paths *paths, const char *issuer);

#endif
