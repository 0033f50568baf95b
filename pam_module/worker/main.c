/*
 * devauth-worker: speaks to the identity provider, and to nobody else.
 *
 * Started by devauth-broker as an unprivileged account of its own, with
 * everything taken away that could be taken before exec. It gets its orders
 * as one START message, locks itself in, does the one task it was given, says
 * one last word and ends. It writes no file and keeps nothing.
 *
 *  1. Not a byte from the network is read before the sandbox is closed.
 *  2. It never goes on without the sandbox.
 *  3. It ends when the broker does, at its deadline, or at any byte that the
 *     broker sends after START, the signatures it asked for excepted.
 *
 * Exit status: 0 the last word was said, 2 wrong start, 3 the broker went or
 * broke the order, 4 no sandbox.
 */
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/frame.h"
#include "core/limits.h"
#include "core/wire.h"
#include "http/http.h"
#include "provider/discovery.h"
#include "worker/process.h"
#include "worker/sandbox.h"
#include "worker/task.h"

/* The broker sends START in the moment it starts us. */
#define START_TIMEOUT_MS 5000
/* After the deadline the last word may still be on its way. */
#define ALARM_MARGIN_MS 1000

enum {
	EXIT_SAID = 0,
	EXIT_START = 2,
	EXIT_BROKER = 3,
	EXIT_SANDBOX = 4,
};

static enum da_err
receive_start(struct da_wire_start *ret)
{
	DA_CLEANUP(da_buf_done) struct da_buf body;
	uint8_t type = 0;
	enum da_err err;

	da_buf_init(&body, DA_FRAME_MAX);
	err = da_frame_recv(DA_WORKER_SOCKET, &type, &body,
	    da_clock_mono_ms() + START_TIMEOUT_MS);
	if (err == DA_OK && type != DA_WIRE_START)
		err = DA_E_WIRE;
	return err != DA_OK ? err : da_wire_decode(DA_WIRE_START, &body, ret);
}

/* Read here, so that the sandbox needs no file at all. */
static enum da_err
read_ca(const char *path, struct da_buf *ret, struct da_diag *reason)
{
	static const struct da_file_rule rule = {
	    .owner = 0, .mode_max = 0755, .size_max = DA_HTTP_CA_MAX};

	if (path[0] == '\0')
		return DA_OK;
	/* Whatever is wrong with it, the configuration has to change. */
	return da_file_read(path, &rule, ret, reason) == DA_OK ? DA_OK
							       : DA_E_CONFIG;
}

/* All hosts that may ever be asked are known now: the profile lists them. The
 * resolver cannot watch the broker, so the kernel does. */
static enum da_err
lookup_hosts(struct da_http *http, const struct da_wire_start *start)
{
	const struct da_provider provider = {
	    start->issuer, start->endpoint_hosts};
	char host[DA_HOST_MAX + 1];
	size_t iter = 0;
	enum da_err err = da_process_watch(true);

	while (err == DA_OK && da_provider_next_host(&provider, &iter, host))
		err = da_http_lookup(http, host);
	if (err == DA_OK)
		err = da_process_watch(false);
	return err;
}

static enum da_err
prepare(const struct da_wire_start *start, struct da_http **ret,
    struct da_diag *reason)
{
	DA_CLEANUP(da_buf_done) struct da_buf ca;
	struct da_http_config config = {
	    .ca = &ca,
	    .allow_loopback = start->allow_loopback != 0,
	    .timeout_ms = start->request_timeout_ms,
	    .abort_fd = DA_WORKER_SOCKET,
	};
	enum da_err err = da_task_check(start, reason);

	da_buf_init(&ca, DA_HTTP_CA_MAX);
	if (err == DA_OK)
		err = read_ca(start->ca_file, &ca, reason);
	if (err == DA_OK)
		err = da_http_setup();
	if (err == DA_OK)
		err = da_http_new(&config, ret);
	if (err == DA_OK)
		err = lookup_hosts(*ret, start);
	if (err == DA_E_TOO_LARGE) {
		da_diag_set(reason, "too many endpoint_hosts");
		err = DA_E_CONFIG;
	}
	return err;
}

static int
serve(const struct da_wire_start *start, int64_t deadline_mono_ms)
{
	struct da_http *http = NULL; /* never freed, see main() */
	struct da_diag reason = {0};
	int broker = DA_WORKER_SOCKET;
	enum da_err err = prepare(start, &http, &reason);

	if (err == DA_E_CANCELLED)
		return EXIT_BROKER;
	if (err != DA_OK)
		return da_task_fail(broker, err, &reason) == DA_OK
		    ? EXIT_SAID
		    : EXIT_BROKER;
	if (da_sandbox_enter(start->ca_file[0] == '\0') != DA_OK) {
		/* Nothing hostile has been read yet: the administrator may
		 * hear why. */
		da_diag_set(&reason, "the kernel refuses the worker's sandbox");
		DA_IGNORE(da_task_fail(broker, DA_E_SYS, &reason));
		return EXIT_SANDBOX;
	}
	err = da_task_run(broker, start, http, deadline_mono_ms);
	return err == DA_OK ? EXIT_SAID : EXIT_BROKER;
}

int
main(int argc, char **argv)
{
	struct da_wire_start start;
	int64_t deadline_mono_ms;
	int status;

	(void)argv; /* there are no arguments */
	if (da_process_check(argc) != DA_OK || da_process_confine() != DA_OK)
		return EXIT_START;
	if (receive_start(&start) != DA_OK)
		return EXIT_BROKER;
	deadline_mono_ms = da_clock_mono_ms() + start.deadline_ms;
	if (start.deadline_ms > 0 &&
	    start.deadline_ms <= DA_LOGIN_DEADLINE_MAX_S * 1000 &&
	    da_process_set_alarm(start.deadline_ms + ALARM_MARGIN_MS) != DA_OK)
		return EXIT_START;
	status = serve(&start, deadline_mono_ms);
	da_wire_done(DA_WIRE_START, &start);
	/* Without the good-byes of the libraries: they would need more system
	 * calls than the sandbox leaves, and the broker waits for our end. */
	_exit(status);
}
