/*
 * Sealed files: a clear text of "key=value" lines (store/record.h), which
 * anybody with the file may read and nobody can change, an empty line, and
 * AES-256-GCM of what is secret with its tag of 16 bytes.
 *
 * The last lines of the clear text are key, salt and nonce. The key belongs to
 * this one writing of the file: HKDF of the host's secret with a fresh salt, so
 * no nonce is ever used twice under it. What is authenticated beside the secret
 * is the whole clear text as it stands, and behind it the binding: text that is
 * not taken from the file but that whoever opens it has to know, such as the
 * boot and the kernel session that he is in.
 *
 * OpenSSL has to be set up by the process (see the broker). Runs as root.
 */
#ifndef DA_STORE_SEAL_H
#define DA_STORE_SEAL_H

#include <stddef.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"

struct da_host_keys;

#define DA_SEAL_TAG_LEN 16
/* What sealing adds to clear text and secret. */
#define DA_SEAL_OVERHEAD 192

/* Appends the sealed file to "ret". "header" is the clear text without key,
 * salt, nonce and empty line. Purposes keep kinds of files apart.
 * DA_E_BUG (a header that is no record), DA_E_TOO_LARGE, DA_E_NOMEM,
 * DA_E_SYS. */
enum da_err da_seal(const struct da_host_keys *keys, const char *purpose,
    const struct da_buf *header, const char *binding,
    const struct da_buf *secret, struct da_buf *ret) DA_MUST_CHECK;

/* Appends the clear text, key, salt and nonce included, not yet verified.
 * DA_E_SYNTAX: there is none. */
enum da_err
da_seal_header(const struct da_buf *file, struct da_buf *ret) DA_MUST_CHECK;

/* Verifies all of it and appends the secret to "ret". DA_E_SEAL, with one and
 * the same text, whatever is wrong: a changed byte, a cut tag, an unknown key,
 * another machine, another binding; "ret" is then unchanged. DA_E_NOMEM. */
enum da_err da_unseal(const struct da_host_keys *keys, const char *purpose,
    const struct da_buf *file, const char *binding, struct da_buf *ret,
    struct da_diag *diag) DA_MUST_CHECK;

#endif
