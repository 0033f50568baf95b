/*
 * devauth config check, beyond the file itself: what a correct configuration
 * can still lack on this host, and what is allowed but hardly meant.
 */
#ifndef DA_CLI_SURROUNDINGS_H
#define DA_CLI_SURROUNDINGS_H

#include <stdbool.h>

#include "core/attr.h"
#include "core/buf.h"

struct da_config;

/* Complains, and warns, on standard error, with file and line. Returns whether
 * logins can work. Anybody may ask: appends the files that only root can look
 * at, by blanks. */
bool da_surroundings_check(
    const struct da_config *config, struct da_buf *ret_unseen) DA_MUST_CHECK;

#endif
