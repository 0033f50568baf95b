/*
 * application/x-www-form-urlencoded (RFC 6749 appendix B), for bodies and for
 * the two halves of Basic credentials (RFC 6749 2.3.1).
 */
#ifndef DA_HTTP_FORM_H
#define DA_HTTP_FORM_H

#include "core/attr.h"
#include "core/err.h"

struct da_buf;

/* Appends the encoded text: letters, digits, "-", ".", "_" and "~" as they
 * are, every other byte as %XX, so that no value can become two fields (H9).
 * A space becomes %20, which form decoders and plain percent decoders read
 * alike. The errors of da_buf_put(). */
enum da_err da_form_encode(struct da_buf *ret, const char *text) DA_MUST_CHECK;

/* Appends one field, with "&" where needed. An empty or NULL value adds
 * nothing: parameters without a value count as omitted (RFC 6749 3.1). */
enum da_err da_form_put(
    struct da_buf *form, const char *name, const char *value) DA_MUST_CHECK;

#endif
