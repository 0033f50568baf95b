/*
 * The strict scanner in front of json-c.
 *
 * Trust: every byte may be an attacker's. Whatever passes here is what json-c
 * and devauth read alike, so a document with two readings MUST NOT pass:
 *
 *  1. the grammar of RFC 8259, all bytes used up, no byte order mark;
 *  2. UTF-8 in strings, no lone surrogate, no U+0000 (C would cut there);
 *  3. no key twice in an object, compared with the escapes resolved;
 *  4. no more depth, members or bytes than core/limits.h allows.
 *
 * There is no recursion: depth costs a slot of a fixed array. Duplicate keys
 * are found by sorting an object's keys when it closes, which no choice of
 * keys can make slow, as it could a hash table.
 */
#include "json/scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/text.h"
#include "json/json.h"

/* A string between its quotes, escapes not resolved. */
struct span {
	const uint8_t *at;
	const uint8_t *end;
};

struct level {
	bool is_object;
	size_t first_key; /* of this object in scan.keys */
};

enum expect {
	EXPECT_VALUE,
	EXPECT_FIRST_ELEMENT, /* or the end of the array */
	EXPECT_FIRST_KEY,     /* or the end of the object */
	EXPECT_KEY,
	EXPECT_MORE, /* a comma or the end of the container */
	EXPECT_NOTHING,
};

struct scan {
	const uint8_t *at;
	const uint8_t *end;
	const char *why; /* what was wrong with the byte at "at" */
	enum expect expect;
	struct level levels[DA_JSON_DEPTH_MAX];
	size_t depth;
	struct da_scan_totals totals;
	struct span *keys; /* of the objects still open, innermost last */
	size_t key_count;
	size_t key_room;
};

static enum da_err
refuse(struct scan *s, const char *why)
{
	s->why = why;
	return DA_E_SYNTAX;
}

static enum da_err
refuse_large(struct scan *s, const char *why)
{
	s->why = why;
	return DA_E_TOO_LARGE;
}

static bool
take(struct scan *s, char c)
{
	if (s->at == s->end || *s->at != (uint8_t)c)
		return false;
	s->at++;
	return true;
}

static bool
is_space(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
skip_space(struct scan *s)
{
	while (s->at < s->end && is_space(*s->at))
		s->at++;
}

static int
hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Four hexadecimal digits; false when there are not that many. */
static bool
read_hex4(const uint8_t *at, const uint8_t *end, uint32_t *ret)
{
	uint32_t value = 0;

	if (end - at < 4)
		return false;
	for (size_t i = 0; i < 4; i++) {
		int digit = hex_value(at[i]);

		if (digit < 0)
			return false;
		value = value << 4 | (uint32_t)digit;
	}
	*ret = value;
	return true;
}

/* The code point of the \u escape whose first digit is at *at, a surrogate
 * pair taken together. Moves *at behind it. False for bad digits, a lone
 * surrogate and U+0000. */
static bool
read_unicode_escape(const uint8_t **at, const uint8_t *end, uint32_t *ret)
{
	const uint8_t *p = *at;
	uint32_t high, low;

	if (!read_hex4(p, end, &high) || high == 0)
		return false;
	p += 4;
	if (high >= 0xdc00 && high <= 0xdfff)
		return false;
	if (high >= 0xd800 && high <= 0xdbff) {
		if (end - p < 6 || p[0] != '\\' || p[1] != 'u' ||
		    !read_hex4(p + 2, end, &low) || low < 0xdc00 ||
		    low > 0xdfff)
			return false;
		p += 6;
		high = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
	}
	*at = p;
	*ret = high;
	return true;
}

static size_t
utf8_len(uint32_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static enum da_err
scan_escape(struct scan *s)
{
	uint32_t c;
	const uint8_t *digits = s->at + 2;

	if (s->end - s->at < 2)
		return refuse(s, "unfinished escape");
	if (s->at[1] == 'u') {
		if (!read_unicode_escape(&digits, s->end, &c))
			return refuse(s, "bad \\u escape");
		s->at = digits;
		s->totals.text_len += utf8_len(c);
		s->totals.pairs += c >= 0x10000;
		return DA_OK;
	}
	/* A literal NUL would match strchr()'s terminator. */
	if (s->at[1] == '\0' || strchr("\"\\/bfnrt", s->at[1]) == NULL)
		return refuse(s, "unknown escape");
	s->at += 2;
	s->totals.text_len++;
	return DA_OK;
}

/* The string whose opening quote is at s->at. */
static enum da_err
scan_string(struct scan *s, struct span *ret)
{
	const uint8_t *start = ++s->at;

	while (s->at < s->end && *s->at != '"') {
		enum da_err err;

		if (*s->at < 0x20)
			return refuse(s, "control character");
		if (*s->at != '\\') {
			s->at++;
			s->totals.text_len++;
			continue;
		}
		err = scan_escape(s);
		if (err != DA_OK)
			return err;
	}
	if (s->at == s->end)
		return refuse(s, "unfinished string");
	if (!da_text_is_utf8((const char *)start, (size_t)(s->at - start))) {
		s->at = start;
		return refuse(s, "string that is not UTF-8");
	}
	*ret = (struct span){.at = start, .end = s->at};
	s->at++;
	return DA_OK;
}

/* The code point at *at, escapes resolved, of a string that was scanned. */
static uint32_t
next_code_point(const uint8_t **at, const uint8_t *end)
{
	static const char escapes[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	uint8_t c = *(*at)++;
	uint32_t value;
	size_t more;

	if (c == '\\') {
		const char *found;

		c = *(*at)++;
		if (c == 'u') {
			/* Cannot fail, the scan has been over it. */
			if (!read_unicode_escape(at, end, &value))
				value = 0;
			return value;
		}
		found = strchr(escapes, c);
		return found == NULL ? c : (uint8_t)meanings[found - escapes];
	}
	if (c < 0x80)
		return c;
	more = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
	value = c & (0x3fu >> more);
	for (; more > 0 && *at < end; more--)
		value = value << 6 | (*(*at)++ & 0x3fu);
	return value;
}

static int
compare_keys(const void *a, const void *b)
{
	struct span x = *(const struct span *)a;
	struct span y = *(const struct span *)b;

	while (x.at < x.end && y.at < y.end) {
		uint32_t p = next_code_point(&x.at, x.end);
		uint32_t q = next_code_point(&y.at, y.end);

		if (p != q)
			return p < q ? -1 : 1;
	}
	return (x.at < x.end) - (y.at < y.end);
}

/* Counts against DA_JSON_MEMBERS_MAX for the whole document. */
static enum da_err
count_member(struct scan *s)
{
	if (s->totals.members == DA_JSON_MEMBERS_MAX)
		return refuse_large(s, "too many members");
	s->totals.members++;
	return DA_OK;
}

static enum da_err
remember_key(struct scan *s, struct span key)
{
	if (s->key_count == s->key_room) {
		size_t room = s->key_room == 0 ? 64 : s->key_room * 2;
		struct span *keys = reallocarray(s->keys, room, sizeof(*keys));

		if (keys == NULL) {
			s->why = "no memory";
			return DA_E_NOMEM;
		}
		s->keys = keys;
		s->key_room = room;
	}
	s->keys[s->key_count++] = key;
	return DA_OK;
}

static enum da_err
scan_key(struct scan *s)
{
	struct span key;
	enum da_err err = count_member(s);

	if (err != DA_OK)
		return err;
	if (s->at == s->end || *s->at != '"')
		return refuse(s, "no key");
	err = scan_string(s, &key);
	if (err == DA_OK)
		err = remember_key(s, key);
	if (err != DA_OK)
		return err;
	skip_space(s);
	if (!take(s, ':'))
		return refuse(s, "no colon");
	s->expect = EXPECT_VALUE;
	return DA_OK;
}

static void
value_ended(struct scan *s)
{
	s->expect = s->depth == 0 ? EXPECT_NOTHING : EXPECT_MORE;
}

static enum da_err
open_level(struct scan *s, bool is_object)
{
	if (s->depth == DA_JSON_DEPTH_MAX)
		return refuse_large(s, "too deep");
	s->at++;
	s->levels[s->depth++] = (struct level){
	    .is_object = is_object,
	    .first_key = s->key_count,
	};
	s->expect = is_object ? EXPECT_FIRST_KEY : EXPECT_FIRST_ELEMENT;
	return DA_OK;
}

/* Ends the innermost container: its keys must all differ. */
static enum da_err
close_level(struct scan *s)
{
	size_t first = s->levels[s->depth - 1].first_key;
	size_t count = s->key_count - first;

	if (count > 1) {
		struct span *keys = s->keys + first;

		qsort(keys, count, sizeof(*keys), compare_keys);
		for (size_t i = 1; i < count; i++) {
			if (compare_keys(&keys[i - 1], &keys[i]) != 0)
				continue;
			s->at = keys[i].at;
			return refuse(s, "duplicate key");
		}
	}
	s->key_count = first;
	s->depth--;
	value_ended(s);
	return DA_OK;
}

static enum da_err
scan_word(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(s->end - s->at) < len || memcmp(s->at, word, len) != 0)
		return refuse(s, "unknown word");
	s->at += len;
	value_ended(s);
	return DA_OK;
}

static bool
skip_digits(struct scan *s)
{
	const uint8_t *start = s->at;

	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > start;
}

/* RFC 8259 section 6. Any size passes: da_json_int() knows what fits. */
static enum da_err
scan_number(struct scan *s)
{
	bool negative = take(s, '-');

	if (!take(s, '0') && !skip_digits(s))
		return refuse(s, negative ? "bad number" : "no value");
	if (take(s, '.') && !skip_digits(s))
		return refuse(s, "bad number");
	if (take(s, 'e') || take(s, 'E')) {
		if (!take(s, '+'))
			(void)take(s, '-'); /* the sign is optional */
		if (!skip_digits(s))
			return refuse(s, "bad number");
	}
	value_ended(s);
	return DA_OK;
}

static enum da_err
scan_value(struct scan *s)
{
	struct span unused;
	enum da_err err;

	if (s->at == s->end)
		return refuse(s, "no value");
	switch (*s->at) {
	case '{':
		return open_level(s, true);
	case '[':
		return open_level(s, false);
	case '"':
		err = scan_string(s, &unused);
		if (err == DA_OK)
			value_ended(s);
		return err;
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		return scan_number(s);
	}
}

static enum da_err
scan_element(struct scan *s)
{
	enum da_err err = count_member(s);

	return err == DA_OK ? scan_value(s) : err;
}

static enum da_err
scan_more(struct scan *s)
{
	bool is_object = s->levels[s->depth - 1].is_object;

	if (take(s, is_object ? '}' : ']'))
		return close_level(s);
	if (!take(s, ','))
		return refuse(s, "no comma");
	if (is_object) {
		s->expect = EXPECT_KEY;
		return DA_OK;
	}
	skip_space(s);
	return scan_element(s);
}

static enum da_err
scan_step(struct scan *s)
{
	switch (s->expect) {
	case EXPECT_VALUE:
		return scan_value(s);
	case EXPECT_FIRST_ELEMENT:
		return take(s, ']') ? close_level(s) : scan_element(s);
	case EXPECT_FIRST_KEY:
		return take(s, '}') ? close_level(s) : scan_key(s);
	case EXPECT_KEY:
		return scan_key(s);
	case EXPECT_MORE:
		return scan_more(s);
	case EXPECT_NOTHING:
		break;
	}
	return refuse(s, "something after the end");
}

enum da_err
da_scan_document(const void *bytes, size_t len, struct da_scan_totals *ret,
    struct da_diag *diag)
{
	struct scan s = {.at = bytes, .expect = EXPECT_VALUE};
	enum da_err err = DA_OK;

	if (len > DA_BODY_MAX) {
		da_diag_set(diag, "JSON: over %d bytes", DA_BODY_MAX);
		return DA_E_TOO_LARGE;
	}
	if (len == 0) {
		da_diag_set(diag, "JSON: empty");
		return DA_E_SYNTAX;
	}
	s.end = s.at + len;
	for (;;) {
		skip_space(&s);
		if (s.expect == EXPECT_NOTHING && s.at == s.end)
			break;
		err = scan_step(&s);
		if (err != DA_OK)
			break;
	}
	free(s.keys);
	if (err == DA_OK)
		*ret = s.totals;
	else
		da_diag_set(diag, "JSON: %s at byte %zu", s.why,
		    (size_t)(s.at - (const uint8_t *)bytes));
	return err;
}

enum da_err
da_json_scan(const void *bytes, size_t len, struct da_diag *diag)
{
	struct da_scan_totals unused;

	return da_scan_document(bytes, len, &unused, diag);
}

/* The UTF-8 of a code point above U+FFFF. */
static enum da_err
put_astral(struct da_buf *buf, uint32_t c)
{
	const uint8_t bytes[4] = {
	    (uint8_t)(0xf0 | c >> 18),
	    (uint8_t)(0x80 | (c >> 12 & 0x3f)),
	    (uint8_t)(0x80 | (c >> 6 & 0x3f)),
	    (uint8_t)(0x80 | (c & 0x3f)),
	};

	return da_buf_put(buf, bytes, sizeof(bytes));
}

enum da_err
da_scan_expand_pairs(const void *bytes, size_t len, struct da_buf *ret)
{
	const uint8_t *at = bytes, *end = at + len, *copied = at;

	/* Backslashes stand in strings only, and none is the last byte. */
	while ((at = memchr(at, '\\', (size_t)(end - at))) != NULL) {
		const uint8_t *behind = at + 2;
		uint32_t c;
		enum da_err err;

		if (at[1] != 'u' || !read_unicode_escape(&behind, end, &c) ||
		    c < 0x10000) {
			at += 2;
			continue;
		}
		err = da_buf_put(ret, copied, (size_t)(at - copied));
		if (err == DA_OK)
			err = put_astral(ret, c);
		if (err != DA_OK)
			return err;
		at = copied = behind;
	}
	return da_buf_put(ret, copied, (size_t)(end - copied));
}
