/*
 * devauth-broker: one process per PAM transaction, as root, without a terminal
 * and without the caller's environment. Reads configuration, decides, writes
 * accounts and grants, audits. It MUST NOT read a byte from the network; the
 * worker does, and is distrusted.
 *
 * Descriptor 3 is the socket to the module; its end ends the broker. With the
 * one argument "sweep" there is none: see sweep.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/ioprio.h>
#include <linux/magic.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <syslog.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "account/local.h"
#include "broker/revocation.h"
#include "broker/sweep.h"
#include "broker/transaction.h"
#include "core/clock.h"
#include "core/frame.h"
#include "core/paths.h"
#include "core/text.h"

#define CLIENT_SOCKET 3
#define REQUEST_TIMEOUT_MS 5000
#define ANSWER_TIMEOUT_MS 5000
#define NOFILE_MAX 64
/* The kernel's own. */
#define TIMER_SLACK_NS 50000

static bool
is_unix_socket(int fd)
{
	int domain;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
	    domain == AF_UNIX;
}

/* Leaves nothing to chance that the caller could have set. */
static bool
harden(void)
{
	const struct rlimit none = {0, 0};
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return false;
	if (files.rlim_max > NOFILE_MAX)
		files.rlim_max = NOFILE_MAX;
	if (files.rlim_cur > files.rlim_max)
		files.rlim_cur = files.rlim_max;
	return getuid() == da_paths.owner && geteuid() == da_paths.owner &&
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    setrlimit(RLIMIT_CORE, &none) == 0 &&
	    setrlimit(RLIMIT_NOFILE, &files) == 0 &&
	    signal(SIGPIPE, SIG_IGN) != SIG_ERR && umask(077) != (mode_t)-1 &&
	    chdir("/") == 0;
}

/* Or the first digest would make OpenSSL read its configuration file, set up
 * tables of all that it knows by name, which we never ask for, and tear them
 * down at the end: half a millisecond for each of a login's brokers. */
static bool
set_up_crypto(void)
{
	return OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
		       OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
		       OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
		       OPENSSL_INIT_NO_ADD_ALL_DIGESTS | OPENSSL_INIT_NO_ATEXIT,
		   NULL) == 1;
}

/* We are born in the control group of sudo's or su's caller. Under systemd's
 * user@.service that is the caller's own, and who owns it can freeze whatever
 * is in it, root's processes and the locks they hold included. Best effort:
 * without the unified hierarchy nobody has such a group. */
static void
leave_callers_group(void)
{
	struct statfs fs;
	int fd;

	if (statfs("/sys/fs/cgroup", &fs) != 0 ||
	    fs.f_type != CGROUP2_SUPER_MAGIC ||
	    (mkdir("/sys/fs/cgroup/devauth", 0755) != 0 && errno != EEXIST))
		return;
	fd = open("/sys/fs/cgroup/devauth/cgroup.procs",
	    O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return;
	DA_IGNORE(write(fd, "0", 1));
	(void)close(fd);
}

/* How much we get of the machine must not be the caller's choice, either: who
 * starves with a lock in his hands holds up all logins. Best effort: root in a
 * container may lack the capability. */
static void
leave_callers_priority(void)
{
	const struct sched_param none = {0};
	cpu_set_t all;

	memset(&all, 0xff, sizeof(all)); /* the control group's, of these */
	(void)sched_setscheduler(0, SCHED_OTHER, &none);
	(void)setpriority(PRIO_PROCESS, 0, 0);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, 0);
	(void)sched_setaffinity(0, sizeof(all), &all);
	(void)prctl(PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0);
}

/* Who has ended exists until its parent has waited for it, and whoever runs
 * sudo can make that himself (PR_SET_CHILD_SUBREAPER), never to do it. Of
 * root's processes there may be any number; of the caller's as many as he may
 * have. */
static void
count_as_callers(uint32_t caller)
{
	if (caller != 0)
		DA_IGNORE(setresuid(caller, caller, caller));
}

/* A module's broker is born with /dev/null; a sweep by hand has somebody's
 * terminal or files, which the worker must not inherit. */
static bool
leave_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);

	for (int fd = 0; null >= 0 && fd < 3; fd++) {
		/* Over itself dup2() does nothing: this one stays open. */
		if (dup2(null, fd) != fd ||
		    (fd == null && fcntl(fd, F_SETFD, 0) != 0))
			return false;
	}
	if (null > 2)
		(void)close(null);
	return null >= 0;
}

enum da_err
da_transaction_configure(struct da_transaction *transaction)
{
	enum da_err err = da_config_load(
	    transaction->paths, &transaction->config, &transaction->diag);

	if (err != DA_OK)
		return err;
	err =
	    da_config_profile(transaction->config, transaction->request.profile,
		&transaction->profile, &transaction->diag);
	if (err == DA_OK)
		/* For the texts: "cannot reach <host>". https was checked. */
		err = da_text_uri_host(transaction->profile->issuer,
		    transaction->result.provider,
		    sizeof(transaction->result.provider));
	return err;
}

static void
explain_rule(void *context, const char *line)
{
	da_audit_explain(context, "%s", line);
}

struct da_policy
da_transaction_policy(const struct da_transaction *transaction)
{
	return (struct da_policy){.config = transaction->config,
	    .profile = transaction->profile,
	    .service = transaction->request.service,
	    .explain = explain_rule,
	    .context = (void *)(uintptr_t)transaction};
}

enum da_err
da_transaction_check_access(struct da_transaction *transaction,
    const struct da_profile *profile, const char *person,
    const struct da_buf *groups, const struct da_buf *claims)
{
	struct da_policy policy = da_transaction_policy(transaction);
	enum da_err err;

	policy.profile = profile;
	err = da_policy_check_access(
	    &policy, person, groups, claims, &transaction->diag);
	if (err == DA_E_NOT_ALLOWED)
		DA_IGNORE(da_text_copy(transaction->diag.text,
		    transaction->result.rule,
		    sizeof(transaction->result.rule))); /* same size */
	return err;
}

enum da_err
da_transaction_is_local(const struct da_transaction *transaction, bool *ret)
{
	struct da_local found;
	enum da_err err = da_local_find(
	    transaction->paths, transaction->request.user, 0, &found);

	if (err == DA_OK)
		*ret = found.passwd_name;
	return err;
}

/* "what" of the sources has the name or the number already. */
static enum da_err
refuse_names(struct da_transaction *transaction, int error, const char *what)
{
	if (error != 0) {
		errno = error;
		da_diag_set(&transaction->diag, "the name service: %m");
		return DA_E_SYS;
	}
	da_diag_set(&transaction->diag,
	    "another source of /etc/nsswitch.conf has that %s", what);
	return DA_E_COLLISION;
}

enum da_err
da_transaction_check_names(struct da_transaction *transaction, uint32_t uid)
{
	/* A line for each of a crowd of members, or a long one ahead of it. */
	static char room[1024 * 1024];
	const char *name = transaction->request.user;
	struct passwd passwd, *person;
	struct group group, *private;
	int error;

	/* The local files were looked at before, and whom nobody knows yet our
	 * own source does not answer for here. */
	error = getpwnam_r(name, &passwd, room, sizeof(room), &person);
	if (error != 0 || (person != NULL && person->pw_uid != uid))
		return refuse_names(transaction, error, "login name");
	error = getpwuid_r(uid, &passwd, room, sizeof(room), &person);
	if (error != 0 ||
	    (person != NULL && strcmp(person->pw_name, name) != 0))
		return refuse_names(transaction, error, "uid");
	error = getgrnam_r(name, &group, room, sizeof(room), &private);
	if (error != 0 || (private != NULL && private->gr_gid != uid))
		return refuse_names(transaction, error, "name as a group");
	error = getgrgid_r(uid, &group, room, sizeof(room), &private);
	if (error != 0 ||
	    (private != NULL && strcmp(private->gr_name, name) != 0))
		return refuse_names(transaction, error, "uid as a gid");
	return DA_OK;
}

static enum da_err
receive_request(struct da_transaction *transaction, uint8_t *ret_type)
{
	DA_CLEANUP(da_buf_done) struct da_buf body;
	enum da_err err;

	da_buf_init(&body, sizeof(struct da_wire_request) + 64);
	err = da_frame_recv(transaction->client, ret_type, &body,
	    da_clock_mono_ms() + REQUEST_TIMEOUT_MS);
	if (err != DA_OK)
		return err;
	if (*ret_type != DA_WIRE_AUTH && *ret_type != DA_WIRE_ACCOUNT &&
	    *ret_type != DA_WIRE_SESSION)
		return DA_E_WIRE;
	err = da_wire_decode(
	    (enum da_wire_type) * ret_type, &body, &transaction->request);
	if (err == DA_OK && (transaction->request.flags & ~DA_REQUEST_ALL) != 0)
		err = DA_E_WIRE;
	return err;
}

static enum da_err
run(struct da_transaction *transaction, uint8_t type)
{
	switch (type) {
	case DA_WIRE_AUTH:
		return da_auth_run(transaction);
	case DA_WIRE_ACCOUNT:
		return da_phase_account(transaction);
	default:
		return da_phase_session(transaction);
	}
}

int
main(int argc, char **argv)
{
	struct da_transaction transaction = {
	    .paths = &da_paths, .client = CLIENT_SOCKET, .phase = "request"};
	const bool sweep = argc == 2 && strcmp(argv[1], "sweep") == 0;
	uint8_t type;
	enum da_err err;

	/* Before the log, whose socket could take its place. */
	if (!sweep && (argc != 1 || !is_unix_socket(CLIENT_SOCKET)))
		return 1;
	if (!harden() || !set_up_crypto() || (sweep && !leave_stdio()))
		return 1;
	openlog("devauth", LOG_PID | LOG_NDELAY, LOG_AUTHPRIV);
	if (sweep)
		return da_sweep_run(&da_paths) == DA_OK ? 0 : 2;
	leave_callers_group();
	err = receive_request(&transaction, &type);
	/* What sshd and login have is the administrator's choice. */
	if (transaction.request.caller != 0)
		leave_callers_priority();
	if (err == DA_OK)
		err = run(&transaction, type);
	memcpy(
	    transaction.result.nonce, transaction.request.nonce, DA_NONCE_LEN);
	transaction.result.code = (uint32_t)err;
	transaction.result.verdict = err == DA_OK ? DA_VERDICT_LET_IN : 0;
	da_audit_write(&transaction, err);
	/* Who is gone cannot be told. */
	DA_IGNORE(da_wire_send(transaction.client, DA_WIRE_RESULT,
	    &transaction.result, da_clock_mono_ms() + ANSWER_TIMEOUT_MS));
	/* Nobody is kept waiting for the rest. */
	(void)close(transaction.client);
	da_revocation_finish(&transaction);
	da_wire_done(DA_WIRE_RESULT, &transaction.result);
	da_config_free(transaction.config);
	count_as_callers(transaction.request.caller);
	return err == DA_OK ? 0 : 2;
}
