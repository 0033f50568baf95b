/*
 * Strict JSON (RFC 8259) over json-c.
 *
 * json-c 0.16 takes duplicate keys, NaN, single quotes, raw control characters
 * and cuts strings at \u0000, even with JSON_TOKENER_STRICT. So the bytes are
 * scanned by our own code first (grammar, UTF-8, unique keys, depth, number of
 * members, no NUL) and only then handed to json-c, whose result is checked
 * against what was scanned.
 *
 * Runs in the worker and the command only; json-c's heap cannot be wiped, so
 * secrets parsed here die with the process.
 */
#ifndef DA_JSON_JSON_H
#define DA_JSON_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

/* A parsed value. Borrowed pointers live as long as the document. The value
 * null is NULL, which every function here takes. */
struct da_json;

/* Checks the bytes without building anything. DA_E_SYNTAX, DA_E_TOO_LARGE
 * (over DA_BODY_MAX bytes, depth over DA_JSON_DEPTH_MAX, more than
 * DA_JSON_MEMBERS_MAX members and elements in all), DA_E_NOMEM. diag tells the
 * byte offset, never the content. */
enum da_err
da_json_scan(const void *bytes, size_t len, struct da_diag *diag) DA_MUST_CHECK;

/* Scans and parses. The result is owned by the caller. The errors of
 * da_json_scan(); DA_E_NOMEM also when json-c did not take in all of it. */
enum da_err da_json_parse(const void *bytes, size_t len, struct da_json **ret,
    struct da_diag *diag) DA_MUST_CHECK;
void da_json_free(struct da_json *json);
void da_json_freep(struct da_json **json);

bool da_json_is_object(const struct da_json *json);
bool da_json_is_array(const struct da_json *json);

/* The member of an object; NULL when it is absent, is null, or "json" is not
 * an object (json may be NULL). Borrowed. */
const struct da_json *
da_json_member(const struct da_json *json, const char *key);

/* Whether the member exists at all, null included. */
bool da_json_has(const struct da_json *json, const char *key);

/* Elements of an array; 0 and NULL for anything else. */
size_t da_json_array_len(const struct da_json *json);
const struct da_json *da_json_array_at(const struct da_json *json, size_t i);

/* The value itself as a text / number / truth value.
 * DA_E_TYPE when it is something else (or json is NULL), DA_E_TOO_LARGE for a
 * text over "max" bytes, DA_E_RANGE for a number with a fraction or an
 * exponent, or that is not between INT64_MIN and INT64_MAX, these two excluded.
 * The text is borrowed, UTF-8, without NUL inside. */
enum da_err da_json_text(
    const struct da_json *json, size_t max, const char **ret) DA_MUST_CHECK;
enum da_err da_json_int(const struct da_json *json, int64_t *ret) DA_MUST_CHECK;
enum da_err da_json_bool(const struct da_json *json, bool *ret) DA_MUST_CHECK;

/* Members by key: DA_E_ABSENT when missing or null, else as above. */
enum da_err da_json_get_text(const struct da_json *json, const char *key,
    size_t max, const char **ret) DA_MUST_CHECK;
enum da_err da_json_get_int(
    const struct da_json *json, const char *key, int64_t *ret) DA_MUST_CHECK;

/* As da_json_get_int(), but also takes a text of plain decimal digits: some
 * providers quote expires_in and interval. DA_E_TYPE for any other text. */
enum da_err da_json_get_int_tolerant(
    const struct da_json *json, const char *key, int64_t *ret) DA_MUST_CHECK;

/* The members of an object in order; returns false at the end, and for
 * anything but an object. Start with *iter = 0. */
bool da_json_next(const struct da_json *json, size_t *iter,
    const char **ret_key, const struct da_json **ret_value);

#endif
