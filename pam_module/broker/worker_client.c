#include "broker/worker_client.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#include "broker/order.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/frame.h"
#include "core/paths.h"

enum state {
	STATE_STARTED,
	STATE_CODE_SHOWN,
	STATE_APPROVED,
	STATE_ENDED,
};

/* What a worker may say when, by its task (WIRE.md). */
static const struct da_wire_step login_steps[] = {
    {STATE_STARTED, DA_WIRE_DEVICE, STATE_CODE_SHOWN},
    {STATE_STARTED, DA_WIRE_FAILED, STATE_ENDED},
    {STATE_CODE_SHOWN, DA_WIRE_TOKENS, STATE_APPROVED},
    {STATE_CODE_SHOWN, DA_WIRE_FAILED, STATE_ENDED},
    {STATE_APPROVED, DA_WIRE_METADATA, STATE_APPROVED},
    {STATE_APPROVED, DA_WIRE_IDENTITY, STATE_ENDED},
    {STATE_APPROVED, DA_WIRE_FAILED, STATE_ENDED},
};
static const struct da_wire_step refresh_steps[] = {
    {STATE_STARTED, DA_WIRE_TOKENS, STATE_APPROVED},
    {STATE_STARTED, DA_WIRE_FAILED, STATE_ENDED},
    {STATE_APPROVED, DA_WIRE_METADATA, STATE_APPROVED},
    {STATE_APPROVED, DA_WIRE_IDENTITY, STATE_ENDED},
    {STATE_APPROVED, DA_WIRE_FAILED, STATE_ENDED},
};
static const struct da_wire_step revoke_steps[] = {
    {STATE_STARTED, DA_WIRE_METADATA, STATE_STARTED},
    {STATE_STARTED, DA_WIRE_REVOKED, STATE_ENDED},
    {STATE_STARTED, DA_WIRE_FAILED, STATE_ENDED},
};
static const struct da_wire_step introspect_steps[] = {
    {STATE_STARTED, DA_WIRE_METADATA, STATE_STARTED},
    {STATE_STARTED, DA_WIRE_IDENTITY, STATE_ENDED},
    {STATE_STARTED, DA_WIRE_FAILED, STATE_ENDED},
};

#define STEPS(table)                                                           \
	{                                                                      \
		(table), DA_ARRAY_LEN(table)                                   \
	}

static const struct {
	const struct da_wire_step *steps;
	size_t count;
} tasks[] = {
    [DA_TASK_LOGIN] = STEPS(login_steps),
    [DA_TASK_REFRESH] = STEPS(refresh_steps),
    [DA_TASK_REVOKE] = STEPS(revoke_steps),
    [DA_TASK_INTROSPECT] = STEPS(introspect_steps),
};

#define SEND_TIMEOUT_MS 5000
#define END_TIMEOUT_MS 1000

/* The worker's account, from the file itself: no NSS module decides who may
 * run our code. */
static enum da_err
find_worker_ids(const struct da_paths *paths, uid_t *ret_uid, gid_t *ret_gid,
    struct da_diag *diag)
{
	FILE *file = fopen(paths->passwd_file, "re");
	struct passwd entry, *found;
	char buffer[65536];
	enum da_err err = DA_E_CONFIG;

	if (file == NULL) {
		da_diag_set(diag, "%s: %m", paths->passwd_file);
		return DA_E_SYS;
	}
	while (fgetpwent_r(file, &entry, buffer, sizeof(buffer), &found) == 0) {
		if (strcmp(entry.pw_name, paths->worker_user) == 0) {
			*ret_uid = entry.pw_uid;
			*ret_gid = entry.pw_gid;
			err = DA_OK;
			break;
		}
	}
	(void)fclose(file);
	if (err == DA_OK && (*ret_uid == 0 || *ret_gid == 0))
		err = DA_E_CONFIG;
	if (err != DA_OK)
		da_diag_set(diag,
		    "no unprivileged account \"%s\" in %s; "
		    "run systemd-sysusers",
		    paths->worker_user, paths->passwd_file);
	return err;
}

/* In the child: gives up everything, checks that it is gone, becomes the
 * worker. Dropping happens before exec, so that not even the loader and the
 * constructors of its libraries run with a privilege. */
static void __attribute__((noreturn))
become_worker(const char *path, int socket, uid_t uid, gid_t gid)
{
	char *const argv[] = {(char[]){"devauth-worker"}, NULL};
	char *const envp[] = {(char[]){"LANG=C"}, NULL};
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
			_exit(120);
	}
	if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
	    setresuid(uid, uid, uid) != 0)
		_exit(121);
	if (getresuid(&ruid, &euid, &suid) != 0 ||
	    getresgid(&rgid, &egid, &sgid) != 0 || ruid != uid || euid != uid ||
	    suid != uid || rgid != gid || egid != gid || sgid != gid ||
	    getgroups(0, NULL) != 0 || setuid(0) == 0)
		_exit(122);
	/* 0, 1 and 2 are /dev/null since the broker's own start. A sweep by
	 * hand still has the terminal, which nobody may type into. */
	if (dup2(socket, 3) != 3 || close_range(4, ~0u, 0) != 0 || setsid() < 0)
		_exit(123);
	(void)execve(path, argv, envp);
	_exit(127);
}

enum da_err
da_worker_start(const struct da_paths *paths, struct da_order *order,
    struct da_worker *ret, struct da_diag *diag)
{
	int pair[2];
	uid_t uid;
	gid_t gid;
	enum da_err err;

	*ret = (struct da_worker){.socket = -1,
	    .task = order->start.task,
	    .signer = order->key != NULL ? &order->signer : NULL};
	err = find_worker_ids(paths, &uid, &gid, diag);
	if (err != DA_OK)
		return err;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
		da_diag_set(diag, "socketpair: %m");
		return DA_E_SYS;
	}
	ret->pid = fork();
	if (ret->pid == 0)
		become_worker(paths->worker, pair[1], uid, gid);
	da_file_closep(&pair[1]);
	ret->socket = pair[0];
	if (ret->pid < 0) {
		ret->pid = 0;
		da_diag_set(diag, "fork: %m");
		return DA_E_SYS;
	}
	err = da_wire_send(ret->socket, DA_WIRE_START, &order->start,
	    da_clock_mono_ms() + SEND_TIMEOUT_MS);
	da_wire_done(DA_WIRE_START, &order->start);
	if (err == DA_OK)
		return DA_OK;
	da_diag_set(diag, "cannot start %s", paths->worker);
	return err == DA_E_BUG ? err : DA_E_WORKER;
}

static enum da_err
decode(uint8_t type, const struct da_buf *body, struct da_worker_message *ret)
{
	ret->type = (enum da_wire_type)type;
	/* The members of the union share one address. */
	return da_wire_decode(ret->type, body, &ret->body);
}

/* DA_E_IGNORE when it got what it may get. */
static enum da_err
serve_signer(struct da_worker *worker, uint8_t type, const struct da_buf *body,
    struct da_diag *diag)
{
	struct da_wire_endpoints endpoints;
	struct da_wire_sign order = {0};
	struct da_wire_signed answer = {0};
	enum da_err err;

	if (type == DA_WIRE_ENDPOINTS) {
		err = da_wire_decode(DA_WIRE_ENDPOINTS, body, &endpoints);
		if (err == DA_OK)
			err = da_signer_take_endpoints(
			    worker->signer, &endpoints, diag);
		return err == DA_OK ? DA_E_IGNORE : err;
	}
	err = da_wire_decode(DA_WIRE_SIGN, body, &order);
	if (err == DA_OK)
		err = da_signer_sign(
		    worker->signer, &order, da_clock_wall_s(), &answer, diag);
	if (err == DA_OK)
		err = da_wire_send(worker->socket, DA_WIRE_SIGNED, &answer,
		    da_clock_mono_ms() + SEND_TIMEOUT_MS);
	da_wire_done(DA_WIRE_SIGN, &order);
	da_wire_done(DA_WIRE_SIGNED, &answer);
	return err == DA_OK ? DA_E_IGNORE : err;
}

enum da_err
da_worker_recv(struct da_worker *worker, struct da_worker_message *ret,
    struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf body;
	uint8_t type;
	enum da_err err;

	da_buf_init(&body, DA_FRAME_MAX);
	err = da_frame_recv(worker->socket, &type, &body,
	    da_clock_mono_ms() + DA_FRAME_TIMEOUT_MS);
	if (err == DA_OK && worker->signer != NULL &&
	    worker->state != STATE_ENDED &&
	    (type == DA_WIRE_ENDPOINTS || type == DA_WIRE_SIGN)) {
		err = serve_signer(worker, type, &body, diag);
		if (err == DA_E_IGNORE || err == DA_E_SYS ||
		    err == DA_E_NOMEM || err == DA_E_WORKER)
			return err;
	}
	if (err == DA_OK)
		err = da_wire_advance(tasks[worker->task].steps,
		    tasks[worker->task].count, type, &worker->state);
	if (err == DA_OK)
		err = decode(type, &body, ret);
	if (err == DA_OK && worker->state == STATE_ENDED) {
		worker->ended = true;
		err = da_frame_expect_end(
		    worker->socket, da_clock_mono_ms() + END_TIMEOUT_MS);
		if (err != DA_OK)
			da_worker_message_done(ret);
	}
	if (err == DA_OK)
		return DA_OK;
	da_diag_set(diag, "the worker %s",
	    err == DA_E_CLOSED ? "ended without an answer"
			       : "broke the protocol");
	return DA_E_WORKER;
}

void
da_worker_message_done(struct da_worker_message *message)
{
	da_wire_done(message->type, &message->body);
}

void
da_worker_end(struct da_worker *worker)
{
	da_file_closep(&worker->socket);
	if (worker->pid <= 0)
		return;
	/* It has nothing to finish: its last word is said, or unwanted. */
	(void)kill(worker->pid, SIGKILL);
	while (waitpid(worker->pid, NULL, 0) < 0 && errno == EINTR)
		;
	worker->pid = 0;
}
