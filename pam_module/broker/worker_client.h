/*
 * The broker's end of the worker: starts it without any privilege, believes it
 * as little as a stranger, and makes sure that it is gone afterwards.
 */
#ifndef DA_BROKER_WORKER_CLIENT_H
#define DA_BROKER_WORKER_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/wire.h"

struct da_order;
struct da_paths;
struct da_signer;

struct da_worker {
	pid_t pid; /* 0 = not running */
	int socket;
	uint32_t task;            /* enum da_task */
	struct da_signer *signer; /* borrowed; NULL = it has no say */
	uint8_t state;            /* of the conversation, see worker_client.c */
	bool ended;               /* its last message has come */
};

/* What one message of the worker brought. */
struct da_worker_message {
	enum da_wire_type type;

	union {
		struct da_wire_metadata metadata;
		struct da_wire_device device;
		struct da_wire_tokens tokens;
		struct da_wire_identity identity;
		struct da_wire_revoked revoked;
		struct da_wire_failed failed;
	} body;
};

/* Starts a worker and sends it its orders, whose secrets are wiped then; what
 * it signs with is used until the worker's end. DA_E_CONFIG when its account is
 * not in the passwd file, DA_E_SYS. "ret" is to be ended in every case. */
enum da_err
da_worker_start(const struct da_paths *paths, struct da_order *order,
    struct da_worker *ret, struct da_diag *diag) DA_MUST_CHECK;

/* Reads the next message, checks that it may come now, and, for the last one,
 * that an orderly end follows. Release with da_worker_message_done().
 * DA_E_IGNORE: it asked for a signature, and has it. DA_E_WORKER for anything
 * else: a crash, a kill, an ill-formed message, a signature that is not for it.
 */
enum da_err da_worker_recv(struct da_worker *worker,
    struct da_worker_message *ret, struct da_diag *diag) DA_MUST_CHECK;
void da_worker_message_done(struct da_worker_message *message);

/* Closes the socket, ends the process if need be and reaps it. */
void da_worker_end(struct da_worker *worker);

#endif
