/*
 * Makes sessions as a login does, without a login; the id goes to the standard
 * output.
 *
 *     session_driver make OWNER_PID UID ACCOUNT WHO SERVICE SOURCE TTY TOKENS
 *     session_driver try ID
 *
 * TOKENS: a(ccess, for an hour), A(ccess, expired), r(efresh), d(PoP), -.
 */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/parse.h"
#include "core/paths.h"
#include "store/session.h"

static enum da_err
put_tokens(const char *which, struct da_session *session)
{
	static const char token[] = "token-canary";
	const int64_t now_s = da_clock_wall_s();
	enum da_err err = DA_OK;

	if (strpbrk(which, "aA") != NULL) {
		err =
		    da_secret_set(&session->access_token, token, strlen(token));
		session->access_expires_at_s =
		    now_s + (strchr(which, 'a') != NULL ? 3600 : -60);
	}
	if (err == DA_OK && strchr(which, 'r') != NULL)
		err = da_secret_set(
		    &session->refresh_token, token, strlen(token));
	if (strchr(which, 'd') != NULL)
		(void)stpcpy(session->dpop_jkt,
		    "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
	return err;
}

static enum da_err
make(char **arguments, struct da_diag *diag)
{
	struct da_host_keys keys;
	struct da_session session;
	int64_t pid, uid;
	enum da_err err = da_host_keys_load(&da_paths, &keys, diag);

	da_session_init(&session);
	if (err == DA_OK)
		err = da_parse_int(arguments[0], 1, INT32_MAX, &pid);
	if (err == DA_OK)
		err = da_session_anchor(
		    &da_paths, (int32_t)pid, &session.anchor, diag);
	if (err == DA_OK)
		err = da_parse_int(arguments[1], 0, UINT32_MAX, &uid);
	if (err == DA_OK)
		err = put_tokens(arguments[7], &session);
	if (err != DA_OK)
		return err;
	session.uid = (uint32_t)uid;
	session.verified_at_s = da_clock_wall_s();
	(void)snprintf(session.host, sizeof(session.host), "web1");
	(void)snprintf(
	    session.account, sizeof(session.account), "%s", arguments[2]);
	(void)snprintf(
	    session.person, sizeof(session.person), "%s", arguments[2]);
	(void)snprintf(session.who, sizeof(session.who), "%s", arguments[3]);
	(void)snprintf(
	    session.service, sizeof(session.service), "%s", arguments[4]);
	(void)snprintf(
	    session.source, sizeof(session.source), "%s", arguments[5]);
	(void)snprintf(session.tty, sizeof(session.tty), "%s", arguments[6]);
	err = da_session_create(&da_paths, &keys, &session, diag);
	if (err == DA_OK)
		(void)puts(session.id);
	da_session_done(&session);
	da_host_keys_done(&keys);
	return err;
}

int
main(int argc, char **argv)
{
	struct da_diag diag = {0};
	enum da_err err = DA_E_BUG;

	if (argc == 10 && strcmp(argv[1], "make") == 0)
		err = make(argv + 2, &diag);
	else if (argc == 3 && strcmp(argv[1], "try") == 0)
		err = da_session_note_try(
		    &da_paths, argv[2], da_clock_mono_ms(), &diag);
	if (err != DA_OK)
		(void)fprintf(
		    stderr, "%s: %s\n", da_err_reason(err), diag.text);
	return err == DA_OK ? 0 : 1;
}
