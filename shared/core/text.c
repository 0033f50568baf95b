#include "core/text.h"

#include <stdio.h>
#include <string.h>

#include "core/limits.h"
#include "core/parse.h"

static const char hex_digits[] = "0123456789abcdef";

static bool
is_printable(unsigned char c)
{
	return c >= 0x20 && c <= 0x7e;
}

bool
da_text_is_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if (!is_printable((unsigned char)*text))
			return false;
	}
	return true;
}

/* Length of the well-formed sequence at p (RFC 3629 section 4), 0 if none. */
static size_t
utf8_sequence(const unsigned char *p, size_t left)
{
	size_t len;
	unsigned char low = 0x80, high = 0xbf;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (left < len)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	else if (p[0] == 0xed)
		high = 0x9f;
	else if (p[0] == 0xf0)
		low = 0x90;
	else if (p[0] == 0xf4)
		high = 0x8f;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (p[i] < 0x80 || p[i] > 0xbf)
			return 0;
	}
	return len;
}

bool
da_text_is_utf8(const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *)bytes;

	while (len > 0) {
		size_t n = utf8_sequence(p, len);

		if (n == 0)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

static void
escape(const char *in, char *out, size_t size, bool backslash)
{
	size_t used = 0;

	for (; *in != '\0'; in++) {
		unsigned char c = (unsigned char)*in;

		if (is_printable(c) && (c != '\\' || !backslash)) {
			if (used + 1 >= size)
				break;
			out[used++] = (char)c;
			continue;
		}
		if (used + 4 >= size)
			break;
		out[used++] = '\\';
		out[used++] = 'x';
		out[used++] = hex_digits[c >> 4];
		out[used++] = hex_digits[c & 15];
	}
	out[used] = '\0';
}

void
da_text_escape(const char *in, char *out, size_t size)
{
	escape(in, out, size, true);
}

void
da_text_escape_rest(const char *in, char *out, size_t size)
{
	escape(in, out, size, false);
}

void
da_text_reduce(const char *in, char *out, size_t size)
{
	size_t used = 0;

	for (; *in != '\0' && used + 1 < size; in++) {
		/* One mark for a whole character of several bytes. */
		if (((unsigned char)*in & 0xc0) == 0x80)
			continue;
		out[used++] = is_printable((unsigned char)*in) ? *in : '?';
	}
	out[used] = '\0';
}

enum da_err
da_text_copy(const char *in, char *out, size_t size)
{
	size_t len = strnlen(in, size);

	if (len == size) {
		out[0] = '\0';
		return DA_E_TOO_LARGE;
	}
	memcpy(out, in, len + 1);
	return DA_OK;
}

char
da_text_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool
da_text_skip_prefix(const char *text, const char *prefix, const char **ret_rest)
{
	size_t len = strlen(prefix);

	if (strncmp(text, prefix, len) != 0)
		return false;
	if (ret_rest != NULL)
		*ret_rest = text + len;
	return true;
}

void
da_text_hex(const uint8_t *bytes, size_t len, char *out)
{
	for (size_t i = 0; i < len; i++) {
		out[2 * i] = hex_digits[bytes[i] >> 4];
		out[2 * i + 1] = hex_digits[bytes[i] & 15];
	}
	out[2 * len] = '\0';
}

enum da_err
da_text_parse_hex(const char *text, uint8_t *out, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(text) != 2 * len || strspn(text, digits) != 2 * len)
		return DA_E_SYNTAX;
	for (size_t i = 0; i < len; i++) {
		const char *high = strchr(digits, text[2 * i]);
		const char *low = strchr(digits, text[2 * i + 1]);

		out[i] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
	return DA_OK;
}

static bool
is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.';
}

static bool
is_ipv6_char(char c)
{
	return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') ||
	    (c >= '0' && c <= '9') || c == ':' || c == '.';
}

/* Splits the authority. *ret_host points at the host without brackets;
 * *ret_after behind host and closing bracket. False when there is no host. */
static bool
split_host(const char *uri, const char **ret_host, size_t *ret_len,
    const char **ret_after)
{
	const char *p;

	if (!da_text_skip_prefix(uri, "https://", &p))
		return false;
	if (*p == '[') {
		const char *start = ++p;

		while (is_ipv6_char(*p))
			p++;
		if (*p != ']' || p == start)
			return false;
		*ret_host = start;
		*ret_len = (size_t)(p - start);
		*ret_after = p + 1;
		return true;
	}
	*ret_host = p;
	while (is_host_char(*p))
		p++;
	*ret_len = (size_t)(p - *ret_host);
	*ret_after = p;
	return *ret_len > 0 && *ret_len <= DA_HOST_MAX;
}

enum da_err
da_text_check_https(const char *uri)
{
	const char *host, *p;
	size_t host_len, port_digits = 0;

	if (strnlen(uri, DA_URI_MAX + 1) > DA_URI_MAX)
		return DA_E_TOO_LARGE;
	if (!split_host(uri, &host, &host_len, &p))
		return DA_E_SYNTAX;
	if (*p == ':') {
		while (p[1 + port_digits] >= '0' && p[1 + port_digits] <= '9')
			port_digits++;
		if (port_digits < 1 || port_digits > 5)
			return DA_E_SYNTAX;
		p += 1 + port_digits;
	}
	/* Anything but a path, query or fragment here would be user-info or a
	 * character that some browser reads differently. */
	if (*p != '\0' && *p != '/' && *p != '?' && *p != '#')
		return DA_E_SYNTAX;
	for (; *p != '\0'; p++) {
		if (*p <= 0x20 || *p >= 0x7f ||
		    strchr("\"'<>\\`{}|^", *p) != NULL)
			return DA_E_SYNTAX;
	}
	if (port_digits > 0 && da_text_uri_port(uri) == 0)
		return DA_E_SYNTAX;
	return DA_OK;
}

enum da_err
da_text_uri_host(const char *uri, char *ret_host, size_t size)
{
	const char *host, *after;
	size_t len;

	if (!split_host(uri, &host, &len, &after))
		return DA_E_SYNTAX;
	if (len >= size)
		return DA_E_TOO_LARGE;
	for (size_t i = 0; i < len; i++)
		ret_host[i] = da_text_lower(host[i]);
	ret_host[len] = '\0';
	return DA_OK;
}

uint16_t
da_text_uri_port(const char *uri)
{
	const char *host, *after;
	size_t len;
	uint32_t port = 0;

	if (!split_host(uri, &host, &len, &after) || *after != ':')
		return 443;
	for (after++; *after >= '0' && *after <= '9'; after++) {
		port = port * 10 + (uint32_t)(*after - '0');
		if (port > 65535)
			return 0;
	}
	return (uint16_t)port;
}
