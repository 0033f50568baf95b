#include "broker_client.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/frame.h"
#include "core/paths.h"

#define SEND_TIMEOUT_MS 5000
#define END_TIMEOUT_MS 2000
#define BROKER_SOCKET 3

enum state {
	STATE_ASKED,
	STATE_CODE_SHOWN,
	STATE_ENDED,
};

static const struct da_wire_step broker_steps[] = {
    {STATE_ASKED, DA_WIRE_CODE, STATE_CODE_SHOWN},
    {STATE_ASKED, DA_WIRE_RESULT, STATE_ENDED},
    {STATE_CODE_SHOWN, DA_WIRE_RESULT, STATE_ENDED},
};

/* fork() without an exit signal: the host's SIGCHLD handler never hears of our
 * child, and its waitpid(-1) never reaps it. Only system calls may follow in
 * the child, since no atfork handler has run. */
static pid_t
fork_silently(void)
{
	return (pid_t)syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);
}

/* Limits that the caller of sudo may have set to starve us half-way. Raising
 * them takes CAP_SYS_RESOURCE, which root in a container may lack: then as far
 * as it goes, since too little only makes us fail, and failing refuses. */
static bool
reset_limits(void)
{
	static const struct {
		int resource;
		rlim_t value;
	} limits[] = {
	    {RLIMIT_CPU, 60},
	    {RLIMIT_NOFILE, 256},
	    {RLIMIT_AS, RLIM_INFINITY},
	    {RLIMIT_DATA, RLIM_INFINITY},
	    {RLIMIT_FSIZE, RLIM_INFINITY},
	    {RLIMIT_STACK, 8UL * 1024 * 1024},
	    {RLIMIT_NPROC, RLIM_INFINITY},
	};
	const struct rlimit none = {0, 0};

	for (size_t i = 0; i < DA_ARRAY_LEN(limits); i++) {
		struct rlimit limit = {limits[i].value, limits[i].value};

		if (syscall(SYS_prlimit64, 0, limits[i].resource, &limit,
			NULL) == 0)
			continue;
		if (syscall(SYS_prlimit64, 0, limits[i].resource, NULL,
			&limit) != 0)
			return false;
		limit.rlim_cur = limit.rlim_max;
		if (syscall(SYS_prlimit64, 0, limits[i].resource, &limit,
			NULL) != 0)
			return false;
	}
	return syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL) == 0;
}

static bool
reset_signals(void)
{
	const struct sigaction initial = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int signal = 1; signal < NSIG; signal++)
		(void)sigaction(signal, &initial, NULL); /* KILL, STOP refuse */
	(void)sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) == 0;
}

/* In the grandchild of sshd, sudo, login: sheds everything that came along and
 * becomes the broker. Raw system calls where libc would talk to threads. */
static void __attribute__((noreturn))
become_broker(const char *path, int socket, uid_t owner)
{
	char *const argv[] = {(char[]){"devauth-broker"}, NULL};
	char *const envp[] = {(char[]){"LANG=C"},
	    (char[]){"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, NULL};
	int null;

	/* Full root first: under sudo the real uid is the caller's, who could
	 * signal us and whose limits would count. */
	if (syscall(SYS_setgroups, 0, NULL) != 0 ||
	    syscall(SYS_setresgid, 0, 0, 0) != 0 ||
	    syscall(SYS_setresuid, owner, owner, owner) != 0)
		_exit(121);
	/* A session of its own: Ctrl-C and the terminal's hang-up are for the
	 * host; we notice by the end of the socket. */
	(void)setsid(); /* fails only when we lead one already */
	if (!reset_limits() || !reset_signals() || chdir("/") != 0)
		_exit(122);
	(void)umask(077);
	null = open("/dev/null", O_RDWR);
	/* First out of the way of 0..3, then into place. */
	socket = fcntl(socket, F_DUPFD, 10);
	null = null >= 0 ? fcntl(null, F_DUPFD, 10) : -1;
	if (socket < 0 || null < 0 || dup2(null, 0) != 0 ||
	    dup2(null, 1) != 1 || dup2(null, 2) != 2 ||
	    dup2(socket, BROKER_SOCKET) != BROKER_SOCKET ||
	    close_range(BROKER_SOCKET + 1, ~0u, 0) != 0)
		_exit(123);
	(void)execve(path, argv, envp);
	_exit(127);
}

static enum da_err
start(const struct da_paths *paths, int socket)
{
	sigset_t all, saved;
	int status = 0;
	pid_t child, waited;

	/* The host's handlers must not run in the child. */
	(void)sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &saved) != 0)
		return DA_E_SYS;
	child = fork_silently();
	if (child == 0) {
		/* Twice, so that the broker is nobody's child here. */
		pid_t grandchild = fork_silently();

		if (grandchild == 0)
			become_broker(paths->broker, socket, paths->owner);
		_exit(grandchild > 0 ? 0 : 1);
	}
	do {
		waited =
		    child > 0 ? waitpid(child, &status, (int)__WCLONE) : -1;
	} while (child > 0 && waited < 0 && errno == EINTR);
	(void)pthread_sigmask(SIG_SETMASK, &saved, NULL); /* cannot fail */
	return waited != child || child <= 0 || !WIFEXITED(status) ||
		WEXITSTATUS(status) != 0
	    ? DA_E_SYS
	    : DA_OK;
}

enum da_err
da_broker_ask(const struct da_paths *paths, enum da_wire_type type,
    const struct da_wire_request *request, int *ret_socket)
{
	DA_CLEANUP(da_file_closep) int ours = -1;
	DA_CLEANUP(da_file_closep) int theirs = -1;
	int pair[2];
	enum da_err err;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return DA_E_SYS;
	ours = pair[0];
	theirs = pair[1];
	/* Ahead of the fork, which sudo may not survive for long: no broker
	 * shall have to wonder who has called it. */
	err = da_wire_send(
	    ours, type, request, da_clock_mono_ms() + SEND_TIMEOUT_MS);
	if (err == DA_OK)
		err = start(paths, theirs);
	if (err != DA_OK)
		return err;
	*ret_socket = ours;
	ours = -1;
	return DA_OK;
}

enum da_err
da_broker_recv(int socket, uint8_t *state,
    const struct da_wire_request *request, int64_t deadline_mono_ms,
    enum da_wire_type *ret_type, struct da_wire_code *ret_code,
    struct da_wire_result *ret_result)
{
	DA_CLEANUP(da_buf_done) struct da_buf body;
	uint8_t type;
	enum da_err err;

	da_buf_init(&body, sizeof(struct da_wire_code) + DA_QR_MAX);
	err = da_frame_recv(socket, &type, &body, deadline_mono_ms);
	if (err == DA_OK)
		err = da_wire_advance(
		    broker_steps, DA_ARRAY_LEN(broker_steps), type, state);
	if (err != DA_OK)
		return err == DA_E_NOMEM ? err : DA_E_BROKER;
	*ret_type = (enum da_wire_type)type;
	if (type == DA_WIRE_CODE)
		return da_wire_decode(DA_WIRE_CODE, &body, ret_code) == DA_OK
		    ? DA_OK
		    : DA_E_BROKER;
	err = da_wire_decode(DA_WIRE_RESULT, &body, ret_result);
	if (err == DA_OK &&
	    memcmp(ret_result->nonce, request->nonce, DA_NONCE_LEN) != 0)
		err = DA_E_BROKER;
	if (err == DA_OK)
		err = da_frame_expect_end(
		    socket, da_clock_mono_ms() + END_TIMEOUT_MS);
	if (err != DA_OK) {
		da_wire_done(DA_WIRE_RESULT, ret_result);
		return DA_E_BROKER;
	}
	return DA_OK;
}

enum da_err
da_broker_verdict(const struct da_wire_result *result)
{
	enum da_err err = da_err_from_wire(result->code);

	if (err == DA_OK)
		return result->verdict == DA_VERDICT_LET_IN ? DA_OK
							    : DA_E_BROKER;
	/* "Not ours" is decided before a broker is asked, never by one; an
	 * unknown number is a broker that we do not know. */
	return err == DA_E_IGNORE || err == DA_E_WIRE ? DA_E_BROKER : err;
}
