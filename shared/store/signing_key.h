/*
 * The host's ES256 key: what tokens are bound to (RFC 9449) and what the
 * client proves itself with (RFC 7523).
 *
 * Only root's processes ever hold it: it is made on this host, in a file of
 * root's alone, and leaves it in no form but signatures.
 */
#ifndef DA_STORE_SIGNING_KEY_H
#define DA_STORE_SIGNING_KEY_H

#include <stddef.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"

struct da_paths;
struct da_signing_key;

/* Loads the key, or makes it when there is none yet; of several that make it at
 * the same time one wins. Released with da_signing_key_free().
 * DA_E_UNSAFE_FILE, DA_E_SYNTAX (what is there is no such key; it is left as it
 * is), DA_E_SYS, DA_E_NOMEM. */
enum da_err da_signing_key_load(const struct da_paths *paths,
    struct da_signing_key **ret, struct da_diag *diag) DA_MUST_CHECK;

/* Takes a private key on P-256 in PEM (PKCS #8). DA_E_SYNTAX, DA_E_NOMEM. */
enum da_err da_signing_key_parse(
    const struct da_buf *pem, struct da_signing_key **ret) DA_MUST_CHECK;

void da_signing_key_free(struct da_signing_key *key);
void da_signing_key_freep(struct da_signing_key **key);

/* The public key as a JWK with its members in the order of RFC 7638: what a
 * proof shows, and an administrator registers at the provider. */
const char *da_signing_key_jwk(const struct da_signing_key *key);

/* Its thumbprint (RFC 7638 with SHA-256), DA_THUMBPRINT_LEN characters. */
const char *da_signing_key_thumbprint(const struct da_signing_key *key);

/* Appends header and payload, both JSON, as a signed compact JWS (RFC 7515).
 * DA_E_NOMEM, and the errors of da_buf_put(). */
enum da_err da_signing_key_sign(const struct da_signing_key *key,
    const char *header, const char *payload, struct da_buf *ret) DA_MUST_CHECK;

#endif
