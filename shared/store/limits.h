/*
 * How often codes may be asked for: per source network, per account and for
 * the whole host, in one locked file on tmpfs. Each request to a provider and
 * each code that somebody could be talked into approving passes here first.
 *
 * A bucket is one number, the time at which it is full again (GCRA); a slot
 * whose bucket is full is free, so the table forgets by itself. It has a fixed
 * size: when no slot is left, strangers are refused; people whose key sshd has
 * proved, and sources that logged in before, have slots of their own.
 */
#ifndef DA_STORE_LIMITS_H
#define DA_STORE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

struct da_paths;

struct da_limits_request {
	const char *source; /* address or name of the other end, "" = local */
	const char *user;
	bool key_proved; /* sshd has checked a key of the account */
	int64_t now_mono_ms;
};

/* Takes one from every bucket, or from none. DA_E_LIMITED with the bucket in
 * diag; DA_E_UNSAFE_FILE, DA_E_SYS (a full /run): refuse then, too. */
enum da_err da_limits_take(const struct da_paths *paths,
    const struct da_limits_request *request,
    struct da_diag *diag) DA_MUST_CHECK;

/* Remembers a source that has logged in. The errors of da_limits_take(). */
enum da_err da_limits_remember(const struct da_paths *paths,
    const struct da_limits_request *request,
    struct da_diag *diag) DA_MUST_CHECK;

#endif
