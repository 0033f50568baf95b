#include "core/base64url.h"

#include <stdint.h>

enum da_err
da_base64url_put(struct da_buf *ret, const void *bytes, size_t len)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "abcdefghijklmnopqrstuvwxyz"
				       "0123456789-_";
	const uint8_t *at = bytes;
	enum da_err err = DA_OK;

	while (err == DA_OK && len > 0) {
		size_t n = len < 3 ? len : 3;
		uint32_t bits = (uint32_t)at[0] << 16;
		char text[4];

		if (n > 1)
			bits |= (uint32_t)at[1] << 8;
		if (n > 2)
			bits |= at[2];
		for (int i = 0; i < 4; i++)
			text[i] = alphabet[bits >> (18 - 6 * i) & 63];
		err = da_buf_put(ret, text, n + 1);
		at += n;
		len -= n;
	}
	return err;
}
