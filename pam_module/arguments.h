/*
 * The arguments of a PAM line: profile=, prompt=, qr=, debug.
 */
#ifndef DA_PAM_ARGUMENTS_H
#define DA_PAM_ARGUMENTS_H

#include <stdint.h>

#include "core/attr.h"
#include "core/err.h"
#include "core/limits.h"

struct da_arguments {
	char profile[DA_PROFILE_MAX + 1]; /* "" = the configuration decides */
	uint32_t flags;                   /* DA_REQUEST_QR, _PROMPT, ... */
};

/* Parses them. DA_E_CONFIG for an unknown or malformed one, which *ret_bad then
 * points at: a mistyped argument must not weaken a login in silence. */
enum da_err da_arguments_parse(int argc, const char **argv,
    struct da_arguments *ret, const char **ret_bad) DA_MUST_CHECK;

#endif
