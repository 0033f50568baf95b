/*
 * devauth config apply: what the configuration makes of the account database.
 * The policy for names that nobody knows yet, the groups, and which local
 * accounts are managed; all of it stands in devauth.conf and nowhere else, so
 * what is not there any more is taken away.
 */
#ifndef DA_CLI_APPLY_H
#define DA_CLI_APPLY_H

#include <stdbool.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

struct da_config;

/* Groups, accounts, and the homes and shells of those who have what was
 * configured before, in one replacement, then the policy. Errors of
 * account/writer.h; what failed is not half there. */
enum da_err da_apply_run(
    const struct da_config *config, struct da_diag *diag) DA_MUST_CHECK;

/* What da_apply_run() would change, in words of the configuration; "" when
 * nothing. Anybody may ask. */
void da_apply_compare(const struct da_config *config, struct da_diag *ret);

/* Whether no rule of any profile lets anybody in. */
bool da_apply_allows_nobody(const struct da_config *config);

#endif
