/*
 * Text from strangers: checked, reduced or escaped before it reaches a
 * terminal, a log or another process. Nothing here depends on the locale.
 */
#ifndef DA_CORE_TEXT_H
#define DA_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/err.h"

/* True when the text holds only 0x20..0x7e. The empty text passes. */
bool da_text_is_printable(const char *text);

/* True when the bytes are well-formed UTF-8 (RFC 3629: no surrogates, no
 * overlong forms, at most U+10FFFF). */
bool da_text_is_utf8(const char *bytes, size_t len);

/* Copies "in" to "out" (of "size" bytes, at least 1), every byte outside
 * 0x20..0x7e and every backslash written as \xNN; cut at the end of "out" on a
 * whole escape. Always terminated. */
void da_text_escape(const char *in, char *out, size_t size);

/* The same of a text whose parts may be escaped already, as a diagnosis is:
 * backslashes stay. */
void da_text_escape_rest(const char *in, char *out, size_t size);

/* Copies "in" to "out", every byte outside 0x20..0x7e replaced by '?'. For
 * names that a person reads; always terminated, cut if need be. */
void da_text_reduce(const char *in, char *out, size_t size);

/* Copies a text into a fixed array of "size" bytes. DA_E_TOO_LARGE, with
 * "out" empty, when it does not fit: devauth never cuts an identifier. */
enum da_err da_text_copy(const char *in, char *out, size_t size) DA_MUST_CHECK;

/* ASCII lower case, the same in every locale. */
char da_text_lower(char c);

/* True when the text starts with the prefix; *ret_rest (may be NULL) then
 * points behind it. */
bool da_text_skip_prefix(
    const char *text, const char *prefix, const char **ret_rest);

/* Writes 2 * len lower-case hexadecimal digits and a NUL. */
void da_text_hex(const uint8_t *bytes, size_t len, char *out);

/* The other way: exactly 2 * len lower-case digits. DA_E_SYNTAX, "out" then
 * holds anything. */
enum da_err
da_text_parse_hex(const char *text, uint8_t *out, size_t len) DA_MUST_CHECK;

/* An https address fit to be shown and opened: https scheme, a host of
 * [A-Za-z0-9.-] or a bracketed IPv6 address, optional port, printable ASCII
 * without space, quotes, backslash, angle brackets, no user-info part, at most
 * DA_URI_MAX. DA_E_SYNTAX, DA_E_TOO_LARGE. */
enum da_err da_text_check_https(const char *uri) DA_MUST_CHECK;

/* The host of an address that da_text_check_https() has accepted, without
 * brackets, in lower case. DA_E_TOO_LARGE. */
enum da_err
da_text_uri_host(const char *uri, char *ret_host, size_t size) DA_MUST_CHECK;

/* The port of such an address; 443 when it names none. */
uint16_t da_text_uri_port(const char *uri);

#endif
