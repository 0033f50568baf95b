/*
 * The sweep: looks after all sessions of the host, from a timer or by hand.
 * Any number of them may run at once; each session is locked while somebody
 * works on it.
 */
#ifndef DA_BROKER_SWEEP_H
#define DA_BROKER_SWEEP_H

#include "core/attr.h"
#include "core/err.h"

struct da_paths;

/* Ends the sessions whose owner is gone or whose boot is over, renews tokens
 * that are about to expire, revokes those of ended sessions and of grants
 * that nobody consumed, and removes what killed processes left. What cannot be
 * done is logged and left for the next time. DA_E_CONFIG and the errors of
 * da_host_keys_load(): nothing was done; the log says why. */
enum da_err da_sweep_run(const struct da_paths *paths) DA_MUST_CHECK;

#endif
