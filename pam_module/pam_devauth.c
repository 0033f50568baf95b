/*
 * pam_devauth.so: the six entry points. Loaded into sshd, sudo, su and login,
 * as root, with an environment, descriptors, limits and signals that are not
 * ours. MUSTs:
 *  1. Success only by the broker's verdict (da_broker_verdict); every failure,
 *     whatever it is, refuses. PAM_IGNORE only for local accounts.
 *  2. No environment, no network, no files but /etc/passwd and the account
 *     database; no static state; libpam and libc only.
 *  3. PAM_USER is compared by the broker, never set: sshd logs the typed name
 *     in whatever we do.
 *
 * Return codes: err.def has them all. By entry point:
 *   authenticate  SUCCESS IGNORE AUTH_ERR MAXTRIES AUTHINFO_UNAVAIL CONV_ERR
 *                 PERM_DENIED SYSTEM_ERR BUF_ERR; under sudo CRED_INSUFFICIENT
 *                 instead of AUTH_ERR, MAXTRIES, AUTHINFO_UNAVAIL, PERM_DENIED,
 *                 SYSTEM_ERR; under sshd MAXTRIES for AUTHINFO_UNAVAIL and
 *                 SYSTEM_ERR
 *   setcred       SUCCESS IGNORE USER_UNKNOWN SYSTEM_ERR BUF_ERR
 *   acct_mgmt     SUCCESS IGNORE PERM_DENIED ACCT_EXPIRED USER_UNKNOWN MAXTRIES
 *                 AUTHINFO_UNAVAIL SYSTEM_ERR BUF_ERR
 *   open_session  SUCCESS IGNORE SESSION_ERR AUTHINFO_UNAVAIL SYSTEM_ERR
 *                 BUF_ERR
 *   close_session SUCCESS IGNORE SESSION_ERR AUTHINFO_UNAVAIL SYSTEM_ERR
 *                 BUF_ERR
 *   chauthtok     IGNORE PERM_DENIED USER_UNKNOWN SYSTEM_ERR BUF_ERR
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>
#include <security/pam_modules.h>

#include "account/account.h"
#include "arguments.h"
#include "broker_client.h"
#include "conversation.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/frame.h"
#include "core/paths.h"
#include "core/secret.h"
#include "core/text.h"
#include "core/wire.h"
#include "host_program.h"
#include "messages.h"

#define GRANT_VARIABLE "DEVAUTH_GRANT"
/* For the person's "devauth" command: a name without power. */
#define SESSION_VARIABLE "DEVAUTH_SESSION"
/* Ours alone: the environment is the person's to change. */
#define SESSION_DATA "devauth_session"
/* Logging out waits no longer. */
#define CLOSE_TIMEOUT_MS 2000
#define SEND_TIMEOUT_MS 5000
#define LINE_SIZE PAM_MAX_MSG_SIZE
/* Below this height a QR code would push the address off the screen. */
#define QR_ROWS_MIN 30

#define DA_ERR(code, number, pam, level, reason) {code, pam},

static const struct {
	enum da_err err;
	int pam;
} pam_codes[] = {

#include "core/err.def"
};
#undef DA_ERR

/* Refusal is the default: nothing unlisted becomes a success. */
static int
to_pam(enum da_err err)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(pam_codes); i++) {
		if (pam_codes[i].err == err)
			return pam_codes[i].pam;
	}
	return PAM_SYSTEM_ERR;
}

static const char *
get_text_item(pam_handle_t *pamh, int type)
{
	const void *item = NULL;

	if (pam_get_item(pamh, type, &item) != PAM_SUCCESS || item == NULL)
		return "";
	return item;
}

static bool
is_remote(pam_handle_t *pamh)
{
	return strcmp(get_text_item(pamh, PAM_TTY), "ssh") == 0 ||
	    strcmp(get_text_item(pamh, PAM_SERVICE), "sshd") == 0;
}

/* User, whether the account is ours at all, and arguments, in this order: a
 * mistyped argument must not lock out root. DA_E_IGNORE for a local account,
 * DA_E_CONFIG for the argument. */
static enum da_err
begin(pam_handle_t *pamh, int argc, const char **argv,
    struct da_arguments *ret_arguments, const char **ret_user)
{
	const char *bad = NULL;
	const char *user = NULL;
	bool local;
	enum da_err err;

	if (pam_get_user(pamh, &user, NULL) != PAM_SUCCESS || user == NULL ||
	    user[0] == '\0')
		return DA_E_UNKNOWN_USER;
	err = da_account_is_local(&da_paths, user, &local);
	if (err != DA_OK) {
		pam_syslog(
		    pamh, LOG_ERR, "cannot read %s: %m", da_paths.passwd_file);
		return err;
	}
	/* Root can be managed for SSH only: elsewhere it is the way in that is
	 * left when all else fails. */
	if (local || (strcmp(user, "root") == 0 && !is_remote(pamh)))
		return DA_E_IGNORE;
	*ret_user = user;
	err = da_arguments_parse(argc, argv, ret_arguments, &bad);
	if (err != DA_OK) {
		char shown[64];

		da_text_escape(bad, shown, sizeof(shown));
		pam_syslog(pamh, LOG_ERR,
		    "result=refused reason=%s detail=\"unknown argument '%s' "
		    "in the PAM line; known: profile=NAME "
		    "prompt=auto|enter|none qr=on|off debug\"",
		    da_err_reason(err), shown);
	}
	return err;
}

/* su, and sudo with targetpw, ask for somebody else than who runs them. Under
 * login and root's own su the real uid is 0, under sudo the caller's. */
static bool
asks_for_other(const struct da_wire_request *request)
{
	struct da_account account;
	char buffer[2048];
	bool provisional;

	return request->caller != 0 &&
	    (da_account_find(&da_paths, request->user, false, buffer,
		 sizeof(buffer), &account, &provisional) != DA_OK ||
		account.uid != request->caller);
}

/* sshd, login and su run the session phase for the same person, sudo for
 * somebody else; of others nobody knows. */
static bool
has_session(const struct da_wire_request *request)
{
	static const char *const services[] = {"login", "su", "su-l"};

	for (size_t i = 0; i < DA_ARRAY_LEN(services); i++) {
		if (strcmp(request->service, services[i]) == 0)
			return true;
	}
	return (request->flags & DA_REQUEST_REMOTE) != 0;
}

static enum da_err
fill_request(pam_handle_t *pamh, const struct da_arguments *arguments,
    const char *user, struct da_wire_request *ret)
{
	const char *grant = pam_getenv(pamh, GRANT_VARIABLE);

	*ret = (struct da_wire_request){
	    .flags = arguments->flags, .caller = getuid()};
	/* A name is never cut: the rest could be somebody else's. */
	if (da_text_copy(user, ret->user, sizeof(ret->user)) != DA_OK ||
	    !da_text_is_printable(ret->user))
		return DA_E_UNKNOWN_USER;
	da_text_reduce(get_text_item(pamh, PAM_SERVICE), ret->service,
	    sizeof(ret->service));
	da_text_reduce(
	    get_text_item(pamh, PAM_TTY), ret->tty, sizeof(ret->tty));
	da_text_reduce(
	    get_text_item(pamh, PAM_RHOST), ret->rhost, sizeof(ret->rhost));
	memcpy(ret->profile, arguments->profile, sizeof(ret->profile));
	if (grant != NULL &&
	    (da_text_copy(grant, ret->grant, sizeof(ret->grant)) != DA_OK ||
		!da_text_is_printable(ret->grant)))
		ret->grant[0] = '\0';
	if (is_remote(pamh))
		ret->flags |= DA_REQUEST_REMOTE;
	else if (asks_for_other(ret))
		ret->flags |= DA_REQUEST_FOR_OTHER;
	if (has_session(ret))
		ret->flags |= DA_REQUEST_SESSION;
	return da_secret_random(ret->nonce, sizeof(ret->nonce));
}

/* sshd lists what was already proved, one method a line (host-facts: with
 * AuthenticationMethods publickey,keyboard-interactive). */
static bool
key_was_proved(pam_handle_t *pamh)
{
	const char *line = pam_getenv(pamh, "SSH_AUTH_INFO_0");

	while (line != NULL && *line != '\0') {
		if (da_text_skip_prefix(line, "publickey ", NULL))
			return true;
		line = strchrnul(line, '\n');
		line += *line == '\n' ? 1 : 0;
	}
	return false;
}

static void
describe_reader(pam_handle_t *pamh, struct da_wire_request *request)
{
	unsigned int rows = 0;

	if ((request->flags & DA_REQUEST_REMOTE) != 0) {
		enum da_host_sshd kind = da_host_program_sshd(request->user);

		if (kind != DA_HOST_SSHD_OTHER)
			request->flags |= DA_REQUEST_READABLE;
		if (kind == DA_HOST_SSHD_NOT_ADMITTED)
			request->flags |= DA_REQUEST_NOT_ADMITTED;
		if (key_was_proved(pamh))
			request->flags |= DA_REQUEST_PUBKEY_PROVED;
		return;
	}
	if (da_host_program_has_terminal(&rows) &&
	    !(da_text_skip_prefix(request->service, "sudo", NULL) &&
		da_host_program_is_piped()))
		request->flags |= DA_REQUEST_READABLE;
	if (rows > 0 && rows < QR_ROWS_MIN)
		request->flags &= ~DA_REQUEST_QR;
	if (strcmp(request->service, "login") == 0)
		request->flags |= DA_REQUEST_LOGIN_60S;
}

/* Waits for the broker's next message, as long as the person is there. Only
 * authentication takes time; what the other phases have begun they finish. */
static enum da_err
wait_for_broker(int socket, enum da_wire_type type,
    const struct da_wire_request *request, int64_t deadline_mono_ms)
{
	struct da_host_watch watch;

	if (type != DA_WIRE_AUTH)
		return DA_OK;
	da_host_program_watch(
	    (request->flags & DA_REQUEST_REMOTE) != 0, &watch);
	return da_host_program_wait(&watch, socket, deadline_mono_ms);
}

/* Asks a broker and brings back its last word. *ret_result is filled whenever
 * the broker spoke. */
static enum da_err
ask(pam_handle_t *pamh, enum da_wire_type type,
    const struct da_wire_request *request, struct da_wire_result *ret_result)
{
	DA_CLEANUP(da_file_closep) int socket = -1;
	struct da_wire_code code = {0};
	enum da_wire_type got;
	uint8_t state = 0;
	int64_t deadline_mono_ms = da_clock_mono_ms() +
	    (type == DA_WIRE_AUTH ? DA_LOGIN_DEADLINE_MAX_S * 1000
		    : request->session[0] != '\0' ? CLOSE_TIMEOUT_MS
						  : DA_LOCAL_ANSWER_TIMEOUT_MS);
	enum da_err err = da_broker_ask(&da_paths, type, request, &socket);

	if (err == DA_OK)
		err = wait_for_broker(socket, type, request, deadline_mono_ms);
	if (err == DA_OK)
		err = da_broker_recv(socket, &state, request, deadline_mono_ms,
		    &got, &code, ret_result);
	if (err == DA_OK && got == DA_WIRE_CODE) {
		struct da_wire_confirm confirm;

		deadline_mono_ms = da_clock_mono_ms() + code.wait_ms;
		err = type == DA_WIRE_AUTH
		    ? da_conversation_show_code(pamh, request, &code)
		    : DA_E_BROKER;
		da_wire_done(DA_WIRE_CODE, &code);
		if (err != DA_OK)
			return err;
		memcpy(confirm.nonce, request->nonce, sizeof(confirm.nonce));
		/* It may have answered and gone while the person read. */
		DA_IGNORE(da_wire_send(socket, DA_WIRE_CONFIRM, &confirm,
		    da_clock_mono_ms() + SEND_TIMEOUT_MS));
		err = wait_for_broker(socket, type, request, deadline_mono_ms);
		if ((request->flags & DA_REQUEST_REMOTE) == 0)
			da_host_program_drop_typed();
		if (err == DA_OK)
			err = da_broker_recv(socket, &state, request,
			    deadline_mono_ms, &got, &code, ret_result);
	}
	if (err == DA_E_CANCELLED)
		return err;
	if (err != DA_OK) {
		pam_syslog(pamh, LOG_ERR, "no answer from %s: %s",
		    da_paths.broker, da_err_reason(err));
		return DA_E_BROKER;
	}
	return da_broker_verdict(ret_result);
}

/* Tells the person what came of it. Errors are no chatter: sudo passes
 * PAM_SILENT always, and people need to know what to do. */
static void
report(pam_handle_t *pamh, int flags, const struct da_wire_request *request,
    const struct da_wire_result *result, enum da_err err)
{
	char line[LINE_SIZE];

	if (err == DA_OK) {
		if (((unsigned int)flags & PAM_SILENT) != 0 ||
		    result->who[0] == '\0')
			return;
		(void)snprintf(
		    line, sizeof(line), DA_TEXT_SIGNED_IN, result->who);
		da_conversation_tell(pamh, PAM_TEXT_INFO, line);
		return;
	}
	da_messages_format(request, result, err, line, sizeof(line));
	da_conversation_tell(pamh, PAM_ERROR_MSG, line);
}

/* PAM_CONV is looked at first: without one no request may leave the host. */
static enum da_err
authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct da_arguments arguments;
	struct da_wire_request request;
	struct da_wire_result result = {0};
	const char *user;
	char variable[sizeof(GRANT_VARIABLE) + 1 + DA_GRANT_MAX];
	enum da_err err = begin(pamh, argc, argv, &arguments, &user);

	if (err == DA_E_CONFIG)
		da_conversation_tell(pamh, PAM_ERROR_MSG, DA_TEXT_BAD_LINE);
	if (err != DA_OK)
		return err;
	if (!da_conversation_exists(pamh))
		return DA_E_CANCELLED;
	err = fill_request(pamh, &arguments, user, &request);
	if (err != DA_OK)
		return err;
	describe_reader(pamh, &request);
	err = ask(pamh, DA_WIRE_AUTH, &request, &result);
	/* What an earlier attempt left must not pass for this one's. */
	if (pam_getenv(pamh, GRANT_VARIABLE) != NULL)
		(void)pam_putenv(pamh, GRANT_VARIABLE);
	if (err == DA_OK && result.grant[0] != '\0') {
		(void)snprintf(variable, sizeof(variable), "%s=%s",
		    GRANT_VARIABLE, result.grant);
		if (pam_putenv(pamh, variable) != PAM_SUCCESS)
			err = DA_E_NOMEM;
	}
	/* sshd would show the greeting twice, now and ahead of the shell: there
	 * open_session says it, and commands stay free of it. */
	if (err != DA_OK || (request.flags & DA_REQUEST_REMOTE) == 0)
		report(pamh, flags, &request, &result, err);
	da_wire_done(DA_WIRE_RESULT, &result);
	return err;
}

static enum da_err
check_account(pam_handle_t *pamh, int argc, const char **argv)
{
	struct da_arguments arguments;
	struct da_wire_request request;
	struct da_wire_result result = {0};
	const char *user;
	enum da_err err = begin(pamh, argc, argv, &arguments, &user);

	if (err == DA_E_CONFIG)
		da_conversation_tell(pamh, PAM_ERROR_MSG, DA_TEXT_BAD_LINE);
	if (err == DA_OK)
		err = fill_request(pamh, &arguments, user, &request);
	if (err == DA_E_UNKNOWN_USER)
		return DA_E_ACCT_UNKNOWN;
	if (err != DA_OK)
		return err;
	/* Or sudo would hand it to the command it runs. */
	if ((request.flags & DA_REQUEST_SESSION) == 0 &&
	    request.grant[0] != '\0')
		(void)pam_putenv(pamh, GRANT_VARIABLE);
	err = ask(pamh, DA_WIRE_ACCOUNT, &request, &result);
	if (err != DA_OK)
		report(pamh, 0, &request, &result, err);
	da_wire_done(DA_WIRE_RESULT, &result);
	return err;
}

/* pam_end() may run in a child that is not the session's (PAM_DATA_SILENT):
 * nothing ends here but the memory. */
static void
free_session(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh;
	(void)status;
	free(data);
}

/* Without it the sweep ends the session, some minutes later. */
static void
keep_session(pam_handle_t *pamh, const char *id)
{
	char variable[sizeof(SESSION_VARIABLE) + 1 + DA_SESSION_MAX];
	char *copy = strdup(id);

	if (copy != NULL &&
	    pam_set_data(pamh, SESSION_DATA, copy, free_session) != PAM_SUCCESS)
		free(copy);
	(void)snprintf(
	    variable, sizeof(variable), "%s=%s", SESSION_VARIABLE, id);
	(void)pam_putenv(pamh, variable);
}

static enum da_err
begin_session(pam_handle_t *pamh, int argc, const char **argv,
    struct da_wire_request *ret)
{
	struct da_arguments arguments;
	const char *user;
	enum da_err err = begin(pamh, argc, argv, &arguments, &user);

	if (err == DA_OK)
		err = fill_request(pamh, &arguments, user, ret);
	return err == DA_E_UNKNOWN_USER ? DA_E_GRANT : err;
}

static enum da_err
open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct da_wire_request request;
	struct da_wire_result result = {0};
	enum da_err err = begin_session(pamh, argc, argv, &request);

	if (err != DA_OK)
		return err;
	/* An SSH key's session has no grant: nothing to do. */
	if (request.grant[0] == '\0')
		return DA_OK;
	request.flags |= DA_REQUEST_OPEN;
	err = ask(pamh, DA_WIRE_SESSION, &request, &result);
	/* What is still set now would land in the person's shell. */
	(void)pam_putenv(pamh, GRANT_VARIABLE);
	if (err == DA_OK)
		keep_session(pamh, result.session);
	if (err == DA_OK && (request.flags & DA_REQUEST_REMOTE) != 0)
		report(pamh, flags, &request, &result, err);
	da_wire_done(DA_WIRE_RESULT, &result);
	return err;
}

/* In the same process as open_session, or with nothing to do: sshd runs both in
 * its monitor. */
static enum da_err
close_session(pam_handle_t *pamh, int argc, const char **argv)
{
	struct da_wire_request request;
	struct da_wire_result result = {0};
	const void *id = NULL;
	enum da_err err = begin_session(pamh, argc, argv, &request);

	if (err != DA_OK)
		return err;
	if (pam_get_data(pamh, SESSION_DATA, &id) != PAM_SUCCESS || id == NULL)
		return DA_OK;
	DA_IGNORE(da_text_copy(id, request.session, sizeof(request.session)));
	err = ask(pamh, DA_WIRE_SESSION, &request, &result);
	da_wire_done(DA_WIRE_RESULT, &result);
	/* Once only. */
	(void)pam_set_data(pamh, SESSION_DATA, NULL, NULL);
	return err;
}

/* The phases that need no broker: only whether the account is ours. "unknown"
 * is what PAM documents for nobody at all. */
static enum da_err
is_ours(pam_handle_t *pamh, int argc, const char **argv, enum da_err unknown,
    const char **ret_user)
{
	struct da_arguments arguments;
	enum da_err err = begin(pamh, argc, argv, &arguments, ret_user);

	return err == DA_E_UNKNOWN_USER ? unknown : err;
}

/* sudo takes these codes for a mistyped password and asks passwd_tries times:
 * it would show three codes for one refusal. Any other code is final there, but
 * of SYSTEM_ERR it says what is in errno by chance ("Unknown error -1").
 * sshd asks again after any code but one: the person would read three times
 * that the provider cannot be reached. That one ends keyboard-interactive and
 * passwords for the connection; the attempt counts as any other. (Other
 * refusals stay: its password method must leave the way to ours open.) */
static int
make_final(pam_handle_t *pamh, int code)
{
	if (is_remote(pamh))
		return code == PAM_AUTHINFO_UNAVAIL || code == PAM_SYSTEM_ERR
		    ? PAM_MAXTRIES
		    : code;
	if (!da_text_skip_prefix(
		get_text_item(pamh, PAM_SERVICE), "sudo", NULL))
		return code;
	return code == PAM_AUTH_ERR || code == PAM_AUTHINFO_UNAVAIL ||
		code == PAM_MAXTRIES || code == PAM_PERM_DENIED ||
		code == PAM_SYSTEM_ERR
	    ? PAM_CRED_INSUFFICIENT
	    : code;
}

DA_EXPORT int
pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	int saved = errno;
	int code =
	    make_final(pamh, to_pam(authenticate(pamh, flags, argc, argv)));

	errno = saved;
	return code;
}

DA_EXPORT int
pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	int saved = errno;
	const char *user;
	int code = to_pam(is_ours(pamh, argc, argv, DA_E_ACCT_UNKNOWN, &user));

	(void)flags;
	errno = saved;
	return code;
}

DA_EXPORT int
pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	int saved = errno;
	int code = to_pam(check_account(pamh, argc, argv));

	(void)flags;
	errno = saved;
	return code;
}

DA_EXPORT int
pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	int saved = errno;
	int code = to_pam(open_session(pamh, flags, argc, argv));

	errno = saved;
	return code;
}

DA_EXPORT int
pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	int saved = errno;
	int code = to_pam(close_session(pamh, argc, argv));

	(void)flags;
	errno = saved;
	return code;
}

DA_EXPORT int
pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	int saved = errno;
	const char *user = "";
	enum da_err err = is_ours(pamh, argc, argv, DA_E_ACCT_UNKNOWN, &user);
	char line[LINE_SIZE], name[DA_USER_MAX + 1];
	int code = err == DA_OK ? PAM_PERM_DENIED : to_pam(err);

	if (err == DA_OK && ((unsigned int)flags & PAM_PRELIM_CHECK) != 0) {
		da_text_reduce(user, name, sizeof(name));
		(void)snprintf(line, sizeof(line), DA_TEXT_NO_PASSWORD, name);
		da_conversation_tell(pamh, PAM_ERROR_MSG, line);
	}
	errno = saved;
	return code;
}
