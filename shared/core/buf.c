#include "core/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
da_buf_init(struct da_buf *buf, size_t max)
{
	*buf = (struct da_buf){.max = max};
}

void
da_buf_done(struct da_buf *buf)
{
	if (buf == NULL)
		return;
	if (buf->bytes != NULL)
		explicit_bzero(buf->bytes, buf->room);
	free(buf->bytes);
	*buf = (struct da_buf){.max = buf->max};
}

void
da_buf_clear(struct da_buf *buf)
{
	buf->len = 0;
	if (buf->bytes != NULL)
		buf->bytes[0] = '\0';
}

/* Makes room for "extra" more bytes and a NUL. The old storage is wiped, which
 * realloc() would not do. */
static enum da_err
reserve(struct da_buf *buf, size_t extra)
{
	size_t need, room;
	uint8_t *bytes;

	if (extra > buf->max - buf->len)
		return DA_E_TOO_LARGE;
	need = buf->len + extra + 1;
	if (need <= buf->room)
		return DA_OK;
	room = buf->room < 256 ? 256 : buf->room;
	while (room < need)
		room *= 2;
	bytes = malloc(room);
	if (bytes == NULL)
		return DA_E_NOMEM;
	if (buf->len > 0)
		memcpy(bytes, buf->bytes, buf->len);
	if (buf->bytes != NULL)
		explicit_bzero(buf->bytes, buf->room);
	free(buf->bytes);
	buf->bytes = bytes;
	buf->room = room;
	return DA_OK;
}

enum da_err
da_buf_put(struct da_buf *buf, const void *bytes, size_t len)
{
	enum da_err err = reserve(buf, len);

	if (err != DA_OK)
		return err;
	if (len > 0)
		memcpy(buf->bytes + buf->len, bytes, len);
	buf->len += len;
	buf->bytes[buf->len] = '\0';
	return DA_OK;
}

enum da_err
da_buf_put_text(struct da_buf *buf, const char *text)
{
	return da_buf_put(buf, text, strlen(text));
}

enum da_err
da_buf_put_u32(struct da_buf *buf, uint32_t value)
{
	uint8_t b[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16),
	    (uint8_t)(value >> 8), (uint8_t)value};

	return da_buf_put(buf, b, sizeof(b));
}

enum da_err
da_buf_put_u64(struct da_buf *buf, uint64_t value)
{
	enum da_err err = da_buf_put_u32(buf, (uint32_t)(value >> 32));

	if (err != DA_OK)
		return err;
	return da_buf_put_u32(buf, (uint32_t)value);
}

enum da_err
da_buf_format(struct da_buf *buf, const char *format, ...)
{
	va_list args, again;
	int len;
	enum da_err err;

	va_start(args, format);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	err = len < 0 ? DA_E_BUG : reserve(buf, (size_t)len);
	if (err == DA_OK) {
		(void)vsnprintf((char *)buf->bytes + buf->len, (size_t)len + 1,
		    format, again); /* same arguments, room is there */
		buf->len += (size_t)len;
	}
	va_end(again);
	return err;
}

const char *
da_buf_text(const struct da_buf *buf)
{
	return buf->bytes != NULL ? (const char *)buf->bytes : "";
}

enum da_err
da_cursor_span(struct da_cursor *cursor, size_t len, const uint8_t **ret)
{
	if (len > cursor->left)
		return DA_E_SYNTAX;
	*ret = cursor->at;
	cursor->at += len;
	cursor->left -= len;
	return DA_OK;
}

enum da_err
da_cursor_u32(struct da_cursor *cursor, uint32_t *ret)
{
	const uint8_t *b;
	enum da_err err = da_cursor_span(cursor, 4, &b);

	if (err != DA_OK)
		return err;
	*ret = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 |
	    (uint32_t)b[2] << 8 | (uint32_t)b[3];
	return DA_OK;
}

enum da_err
da_cursor_u64(struct da_cursor *cursor, uint64_t *ret)
{
	uint32_t high, low;

	if (cursor->left < 8)
		return DA_E_SYNTAX;
	if (da_cursor_u32(cursor, &high) != DA_OK ||
	    da_cursor_u32(cursor, &low) != DA_OK)
		return DA_E_SYNTAX;
	*ret = (uint64_t)high << 32 | low;
	return DA_OK;
}
