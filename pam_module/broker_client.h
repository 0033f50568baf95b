/*
 * The module's end of the broker: starts the process out of a host program
 * that is not ours, and speaks with it. In the host nothing changes: no signal
 * is sent or handled, no child is left to reap, no descriptor, mask, limit or
 * folder is touched.
 */
#ifndef DA_PAM_BROKER_CLIENT_H
#define DA_PAM_BROKER_CLIENT_H

#include <stdint.h>

#include "core/attr.h"
#include "core/err.h"
#include "core/wire.h"

struct da_paths;

/* Starts a broker, for which the request lies ready. *ret_socket is the only
 * tie to it: closing it ends it. DA_E_SYS, and the errors of da_wire_send(). */
enum da_err da_broker_ask(const struct da_paths *paths, enum da_wire_type type,
    const struct da_wire_request *request, int *ret_socket) DA_MUST_CHECK;

/* Reads the next message: CODE or RESULT, as "state" allows (start with 0).
 * "ret_code" / "ret_result" is filled as *ret_type says. A RESULT counts only
 * when it repeats the nonce and an orderly close follows. DA_E_BROKER. */
enum da_err da_broker_recv(int socket, uint8_t *state,
    const struct da_wire_request *request, int64_t deadline_mono_ms,
    enum da_wire_type *ret_type, struct da_wire_code *ret_code,
    struct da_wire_result *ret_result) DA_MUST_CHECK;

/* What a RESULT says: DA_OK only with the verdict beside it. */
enum da_err
da_broker_verdict(const struct da_wire_result *result) DA_MUST_CHECK;

#endif
