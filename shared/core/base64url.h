/*
 * base64url without padding (RFC 4648 section 5, RFC 7515 section 2): the
 * encoder, for those who sign. The strict decoder is in jose/.
 */
#ifndef DA_CORE_BASE64URL_H
#define DA_CORE_BASE64URL_H

#include <stddef.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/err.h"

/* Appends. The errors of da_buf_put(). */
enum da_err da_base64url_put(
    struct da_buf *ret, const void *bytes, size_t len) DA_MUST_CHECK;

#endif
