#include "http/header.h"

#include <stdbool.h>
#include <string.h>

#include "core/limits.h"
#include "core/parse.h"
#include "core/text.h"
#include "http/http.h"

/* A value that is longer steers nothing. */
#define VALUE_MAX 512

/* Compares "len" bytes with a name in lower case. */
static bool
is_name(const char *text, size_t len, const char *name)
{
	if (strlen(name) != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (da_text_lower(text[i]) != name[i])
			return false;
	}
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Copies a value in lower case, without the white space around it; "" when it
 * is too long. */
static void
copy_value(const char *from, size_t len, char ret[static VALUE_MAX + 1])
{
	while (len > 0 && is_blank(from[0])) {
		from++;
		len--;
	}
	while (len > 0 && is_blank(from[len - 1]))
		len--;
	if (len > VALUE_MAX)
		len = 0;
	for (size_t i = 0; i < len; i++)
		ret[i] = da_text_lower(from[i]);
	ret[len] = '\0';
}

/* The number behind "name=" in a list of directives; -1 when there is none. */
static int64_t
directive(const char *value, const char *name)
{
	size_t len = strlen(name);
	const char *p = value;

	while ((p = strstr(p, name)) != NULL) {
		bool starts = p == value || p[-1] == ' ' || p[-1] == ',';
		char digits[12];
		size_t n = strspn(p + len, "0123456789");
		int64_t number;

		p += len;
		if (!starts || n == 0 || n >= sizeof(digits))
			continue;
		memcpy(digits, p, n);
		digits[n] = '\0';
		if (da_parse_int(digits, 0, INT32_MAX, &number) == DA_OK)
			return number;
	}
	return -1;
}

static int64_t
max_age(const char *value)
{
	if (strstr(value, "no-store") != NULL ||
	    strstr(value, "no-cache") != NULL)
		return 0;
	return directive(value, "max-age=");
}

/* Seconds only: the other form, a date, would need the server's clock. */
static int64_t
retry_after(const char *value)
{
	int64_t seconds;
	enum da_err err =
	    da_parse_int(value, 0, DA_HTTP_RETRY_AFTER_MAX_S, &seconds);

	if (err == DA_E_RANGE && value[0] != '-')
		return DA_HTTP_RETRY_AFTER_MAX_S;
	return err == DA_OK ? seconds : -1;
}

static void
content_type(char *value, struct da_http_answer *answer)
{
	value[strcspn(value, "; \t")] = '\0';
	/* Too long counts as none. */
	DA_IGNORE(da_text_copy(
	    value, answer->content_type, sizeof(answer->content_type)));
}

/* RFC 9449 8.1: NQCHAR, as it is. Of two nobody knows which one counts, and a
 * value that is none would end in a signature (attack H13): both count as not
 * given. */
static void
dpop_nonce(struct da_http_headers *headers, struct da_http_answer *answer,
    const char *from, size_t len)
{
	while (len > 0 && is_blank(from[0])) {
		from++;
		len--;
	}
	while (len > 0 && is_blank(from[len - 1]))
		len--;
	if (++headers->nonces > 1 || len > DA_DPOP_NONCE_MAX)
		len = 0;
	for (size_t i = 0; i < len; i++) {
		if (from[i] <= 0x20 || from[i] > 0x7e || from[i] == '"' ||
		    from[i] == '\\')
			len = 0;
	}
	memcpy(answer->dpop_nonce, from, len);
	answer->dpop_nonce[len] = '\0';
}

static enum da_err
take_field(struct da_http_headers *headers, struct da_http_answer *answer,
    const char *line, size_t name_len, size_t len)
{
	char value[VALUE_MAX + 1];

	copy_value(line + name_len + 1, len - name_len - 1, value);
	if (is_name(line, name_len, "content-length")) {
		if (++headers->lengths > 1)
			return DA_E_SYNTAX;
	} else if (is_name(line, name_len, "content-type")) {
		content_type(value, answer);
	} else if (is_name(line, name_len, "cache-control")) {
		answer->max_age_s = max_age(value);
	} else if (is_name(line, name_len, "retry-after") ||
	    is_name(line, name_len, "x-retry-after")) {
		answer->retry_after_s = retry_after(value);
	} else if (is_name(line, name_len, "keep-alive")) {
		headers->idle_s = directive(value, "timeout=");
	} else if (is_name(line, name_len, "dpop-nonce")) {
		dpop_nonce(
		    headers, answer, line + name_len + 1, len - name_len - 1);
	}
	return DA_OK;
}

enum da_err
da_http_header_take(struct da_http_headers *headers,
    struct da_http_answer *answer, const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);

	if (len > DA_HEADERS_MAX - headers->bytes)
		return DA_E_TOO_LARGE;
	headers->bytes += len;
	if (memchr(line, '\0', len) != NULL)
		return DA_E_SYNTAX;
	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0) {
		headers->lengths = 0;
		headers->nonces = 0;
		answer->dpop_nonce[0] = '\0';
		headers->idle_s = -1;
		answer->content_type[0] = '\0';
		answer->max_age_s = -1;
		answer->retry_after_s = -1;
		return DA_OK;
	}
	if (colon == NULL)
		return DA_OK; /* the empty line at the end */
	return take_field(headers, answer, line, (size_t)(colon - line), len);
}
