/*
 * devauth config apply: what the configuration makes of the account database.
 * The policy for names that nobody knows yet, the groups, and which local
 * accounts are managed; all of it stands in devauth.conf and nowhere else, so
 * what is not there any more is taken away.
 */
#ifndef DA_CLI_APPLY_H
#define DA_CLI_APPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"

struct da_config;

/* Groups, accounts, and the homes and shells of those who have what was
 * configured before, in one replacement, then the policy. Errors of
 * account/writer.h; what failed is not half there. */
enum da_err da_apply_run(
    const struct da_config *config, struct da_diag *diag) DA_MUST_CHECK;

/* So many homes are named; a fleet has thousands. */
#define DA_APPLY_MOVES_SHOWN 10

/* What da_apply_run() would do. */
struct da_apply_preview {
	struct da_buf complaints; /* why it would refuse, each a line */
	struct da_diag changes;   /* in words of the configuration, "" = none */
	struct da_buf moves;      /* whose home changes, each a line */
	size_t move_count;        /* of them all */
};

/* Anybody may ask. DA_E_NOMEM; else whatever da_apply_run() would say, with
 * complaints. Always to be followed by da_apply_preview_done(). */
enum da_err da_apply_preview(
    const struct da_config *config, struct da_apply_preview *ret) DA_MUST_CHECK;
void da_apply_preview_done(struct da_apply_preview *preview);

/* Whether no rule of any profile lets anybody in. */
bool da_apply_allows_nobody(const struct da_config *config);

#endif
