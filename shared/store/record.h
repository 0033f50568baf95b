/*
 * Small private files of "key=value" lines (people, grants). Values are
 * printable ASCII; a key may stand on several lines. Unknown keys are kept out
 * by the version line, which has to come first.
 */
#ifndef DA_STORE_RECORD_H
#define DA_STORE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/err.h"

#define DA_RECORD_MAX (192 * 1024)

/* 128 bits of SHA-256 over the parts, each closed by a NUL, in hexadecimal:
 * what files are named after, so that no name of a stranger becomes a path. */
#define DA_RECORD_DIGEST_LEN 32
enum da_err da_record_digest(const char *const *parts, size_t count,
    char ret[static DA_RECORD_DIGEST_LEN + 1]) DA_MUST_CHECK;

/* Appends a line. DA_E_SYNTAX when the value is not printable ASCII. */
enum da_err da_record_put(
    struct da_buf *record, const char *key, const char *value) DA_MUST_CHECK;
enum da_err da_record_put_int(
    struct da_buf *record, const char *key, int64_t value) DA_MUST_CHECK;

/* Copies the n-th (from 0) value of a key. DA_E_ABSENT, DA_E_TOO_LARGE. */
enum da_err da_record_get(const struct da_buf *record, const char *key,
    size_t n, char *ret, size_t size) DA_MUST_CHECK;
enum da_err da_record_get_int(const struct da_buf *record, const char *key,
    int64_t min, int64_t max, int64_t *ret) DA_MUST_CHECK;

/* DA_OK when the record starts with "key=value" and ends with a newline, so
 * that it is whole. DA_E_SYNTAX. */
enum da_err da_record_check(const struct da_buf *record, const char *key,
    const char *value) DA_MUST_CHECK;

#endif
