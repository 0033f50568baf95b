/*
 * struct da_secret: bytes that must not outlive their use. The storage is one
 * anonymous mapping, left out of core dumps and of forked children, wiped on
 * release. Third-party heaps (json-c, libcurl) cannot be wiped; they live in
 * the short-lived worker only.
 */
#ifndef DA_CORE_SECRET_H
#define DA_CORE_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/err.h"

struct da_secret {
	uint8_t *bytes; /* NUL-terminated for the convenience of readers */
	size_t len;
	size_t mapped;
};

/* Copies "len" bytes into a fresh secret. "ret" must be empty (all zero).
 * DA_E_TOO_LARGE above DA_TOKEN_MAX, DA_E_NOMEM. */
enum da_err da_secret_set(
    struct da_secret *ret, const void *bytes, size_t len) DA_MUST_CHECK;

/* Wipes and releases; the secret is empty afterwards. NULL and an empty
 * secret are fine. */
void da_secret_done(struct da_secret *secret);

/* Compares in a time that depends on the lengths only. */
bool da_secret_equal(const struct da_secret *a, const struct da_secret *b);

/* Overwrites memory in a way the compiler cannot remove. */
void da_secret_wipe(void *bytes, size_t len);

/* Fills the buffer from the kernel's generator. DA_E_SYS. */
enum da_err da_secret_random(void *bytes, size_t len) DA_MUST_CHECK;

#endif
