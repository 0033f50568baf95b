/*
 * The few header fields of an answer that steer us: media type, Cache-Control,
 * Retry-After, Keep-Alive, and the length that must not be told twice.
 */
#ifndef DA_HTTP_HEADER_H
#define DA_HTTP_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/err.h"

struct da_http_answer;

struct da_http_headers {
	size_t bytes;   /* of all header lines, interim answers included */
	size_t lengths; /* Content-Length fields of this answer */
	size_t nonces;  /* DPoP-Nonce fields */
	int64_t idle_s; /* Keep-Alive: timeout=, -1 = not said */
};

/* Takes one line as it came (with its CR LF, not terminated by NUL); a status
 * line starts over. DA_E_TOO_LARGE over DA_HEADERS_MAX in all, DA_E_SYNTAX for
 * a NUL or a second Content-Length (RFC 9112 6.3: somebody on the way would
 * read another answer than we do). */
enum da_err da_http_header_take(struct da_http_headers *headers,
    struct da_http_answer *answer, const char *line, size_t len) DA_MUST_CHECK;

#endif
