/*
 * struct da_buf: a growing byte buffer that cannot be made without a maximum,
 * and struct da_cursor: a reader that cannot leave its bytes.
 */
#ifndef DA_CORE_BUF_H
#define DA_CORE_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/err.h"

struct da_buf {
	uint8_t *bytes; /* a NUL stands behind the content */
	size_t len;
	size_t room;
	size_t max;
};

/* An empty buffer that never holds more than "max" bytes. Allocates nothing. */
void da_buf_init(struct da_buf *buf, size_t max);

/* Wipes and frees the content. NULL and a zeroed buffer are fine; the maximum
 * stays. */
void da_buf_done(struct da_buf *buf);

/* Forgets the content but keeps the storage. */
void da_buf_clear(struct da_buf *buf);

/* Appends. DA_E_TOO_LARGE (content unchanged), DA_E_NOMEM. */
enum da_err
da_buf_put(struct da_buf *buf, const void *bytes, size_t len) DA_MUST_CHECK;
enum da_err da_buf_put_text(struct da_buf *buf, const char *text) DA_MUST_CHECK;
enum da_err da_buf_put_u32(struct da_buf *buf, uint32_t value) DA_MUST_CHECK;
enum da_err da_buf_put_u64(struct da_buf *buf, uint64_t value) DA_MUST_CHECK;
enum da_err da_buf_format(struct da_buf *buf, const char *format, ...)
    DA_PRINTF(2, 3) DA_MUST_CHECK;

/* The content as text; "" when empty. Valid until the buffer changes. */
const char *da_buf_text(const struct da_buf *buf);

struct da_cursor {
	const uint8_t *at;
	size_t left;
};

/* Read big-endian numbers and spans; DA_E_SYNTAX when fewer bytes are left.
 * The span borrows from the cursor's bytes. */
enum da_err
da_cursor_u32(struct da_cursor *cursor, uint32_t *ret) DA_MUST_CHECK;
enum da_err
da_cursor_u64(struct da_cursor *cursor, uint64_t *ret) DA_MUST_CHECK;
enum da_err da_cursor_span(
    struct da_cursor *cursor, size_t len, const uint8_t **ret) DA_MUST_CHECK;

#endif
