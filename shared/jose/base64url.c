/*
 * base64url without padding (RFC 7515 section 2, RFC 4648 section 5).
 *
 * Trust: tokens and key sets from the network. There MUST be one text for
 * given bytes only: padding, line breaks, the other alphabet and non-zero
 * trailing bits are refused. Otherwise one signed token had many spellings.
 */
#include "jose/jose.h"

#include <stdbool.h>

/* Six bits, or -1. Ranges instead of a table: nothing to get wrong. */
static int
sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '-')
		return 62;
	if (c == '_')
		return 63;
	return -1;
}

/* Decodes up to four characters into up to three bytes. False for a character
 * outside the alphabet, for one character alone, and for bits left over. */
static bool
decode_group(const char *text, size_t len, uint8_t out[static 3])
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < len ? sextet(text[i]) : 0;

		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
	}
	out[0] = (uint8_t)(bits >> 16);
	out[1] = (uint8_t)(bits >> 8);
	out[2] = (uint8_t)bits;
	if (len == 2)
		return out[1] == 0 && out[2] == 0;
	if (len == 3)
		return out[2] == 0;
	return len == 4;
}

static enum da_err
decode(const char *text, size_t len, struct da_buf *ret)
{
	uint8_t bytes[3 * 64];
	size_t used = 0;

	while (len > 0) {
		size_t group = len < 4 ? len : 4;

		if (!decode_group(text, group, bytes + used))
			return DA_E_SYNTAX;
		used += group - 1;
		text += group;
		len -= group;
		if (used == sizeof(bytes) || len == 0) {
			enum da_err err = da_buf_put(ret, bytes, used);

			if (err != DA_OK)
				return err;
			used = 0;
		}
	}
	return DA_OK;
}

enum da_err
da_jose_base64url_decode(const char *text, size_t len, struct da_buf *ret)
{
	size_t before = ret->len;
	enum da_err err = decode(text, len, ret);

	if (err != DA_OK && ret->len > before) {
		ret->len = before;
		ret->bytes[before] = '\0';
	}
	return err;
}
