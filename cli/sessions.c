/*
 * devauth sessions: finds the verb; and "end", what an administrator decides
 * about a session. Runs as root.
 */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "command.h"
#include "core/attr.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/session.h"
#include "store/terminate.h"

#define ID_SHORTEST 8

static const char usage[] =
    "usage: devauth sessions VERB\n"
    "\n"
    "  list [--ended] [--json]   who is logged in with which tokens, or\n"
    "                            whose tokens wait to be revoked\n"
    "  end ID... [--terminate]   have the tokens of sessions revoked; with\n"
    "                            --terminate, end all that runs in them, "
    "too\n";

int
da_command_sessions(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (strcmp(verb, "help") == 0 || da_admin_wants_help(argc, argv)) {
		(void)fputs(usage, stdout);
		return DA_EXIT_OK;
	}
	if (strcmp(verb, "list") == 0)
		return da_command_sessions_list(argc - 1, argv + 1);
	if (strcmp(verb, "end") == 0)
		return da_command_sessions_end(argc - 1, argv + 1);
	if (argc > 1)
		return da_admin_refuse_verb("sessions", verb);
	(void)fputs(usage, stderr);
	return DA_EXIT_USAGE;
}

/* How many sessions' ids begin so; "ret" is one of them. */
static enum da_err
find(const char *prefix, bool ended, struct da_session_entry *ret,
    size_t *ret_count, struct da_diag *diag)
{
	DA_CLEANUP(da_session_list_freep) struct da_session_list *list = NULL;
	struct da_session_entry entry;
	enum da_err err = da_session_list_open(&da_paths, ended, &list, diag);

	*ret_count = 0;
	while (err == DA_OK && da_session_list_next(list, &entry, diag)) {
		if (da_text_skip_prefix(entry.session.id, prefix, NULL)) {
			*ret = entry;
			(*ret_count)++;
		}
	}
	return err == DA_E_ABSENT ? DA_OK : err;
}

/* The session that somebody means; says what is wrong. */
static bool
take_id(const char *prefix, struct da_session_entry *ret)
{
	struct da_session_entry other;
	struct da_diag diag = {0};
	size_t count = 0, ended = 0;
	enum da_err err;

	if (strlen(prefix) < ID_SHORTEST || strlen(prefix) > DA_SESSION_MAX ||
	    strspn(prefix, "0123456789abcdef") != strlen(prefix)) {
		DA_IGNORE(da_admin_refuse(
		    "\"%.64s\" is not the id of a session, nor the first %d "
		    "or more digits of one",
		    prefix, ID_SHORTEST));
		return false;
	}
	err = find(prefix, false, ret, &count, &diag);
	if (err == DA_OK && count == 0)
		err = find(prefix, true, &other, &ended, &diag);
	if (err != DA_OK)
		DA_IGNORE(da_admin_refuse("%s", da_admin_why(err, &diag)));
	else if (ended > 0)
		DA_IGNORE(da_admin_refuse(
		    "%s has ended already; its tokens wait to be revoked",
		    prefix));
	else if (count == 0)
		DA_IGNORE(da_admin_refuse("no session %s; \"devauth sessions "
					  "list\" has who is logged in",
		    prefix));
	else if (count > 1)
		DA_IGNORE(da_admin_refuse(
		    "%zu sessions begin with %s; write more of it", count,
		    prefix));
	return count == 1;
}

/* The one that ends may be that of who ends it. */
static void
outlive_the_session(void)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};

	(void)sigaction(SIGHUP, &ignore, NULL);
	(void)sigaction(SIGTERM, &ignore, NULL);
	(void)sigaction(SIGPIPE, &ignore, NULL);
}

/* Ends what runs in a session. "opened" is what da_session_load() said of it:
 * only the seal proves which processes are meant. */
static int
end_processes(const struct da_session *session, const char *account,
    const char *id, enum da_err opened, struct da_diag *diag)
{
	enum da_err err = opened;

	/* Of another host or boot: there are none. */
	if (opened == DA_E_ELSEWHERE) {
		(void)puts("  Nothing of it runs: it is not of this boot.");
		return DA_EXIT_OK;
	}
	if (err == DA_OK)
		err = da_session_terminate(&da_paths, session, diag);
	da_admin_log_event(
	    "sessions-terminate", account, "session", id, err, diag);
	if (err != DA_OK)
		return da_admin_refuse(
		    "%s: its processes: %s", id, da_admin_why(err, diag));
	(void)puts("  Its processes are ended.");
	return DA_EXIT_OK;
}

static int
end(const struct da_session_entry *entry, const struct da_host_keys *keys,
    bool terminate)
{
	DA_CLEANUP(da_session_done) struct da_session session = {0};
	const char *id = entry->session.id;
	const char *account = entry->session.account;
	struct da_diag diag = {0}, opening = {0};
	enum da_err err, opened = DA_OK;

	if (terminate)
		opened = da_session_load(
		    &da_paths, keys, id, NULL, 0, &session, &opening);
	err = da_session_end(&da_paths, id, &diag);
	da_admin_log_event("sessions-end", account, "session", id, err, &diag);
	if (err != DA_OK)
		return da_admin_refuse("%s: %s", id, da_admin_why(err, &diag));
	(void)fputs(id, stdout);
	if (account[0] != '\0') {
		(void)fputs(" of ", stdout);
		da_admin_put(account);
	}
	(void)puts(" is ended.\n  The next sweep revokes its tokens.");
	if (terminate)
		return end_processes(&session, account, id, opened, &opening);
	(void)puts("  What still runs in it goes on.");
	return DA_EXIT_OK;
}

int
da_command_sessions_end(int argc, char **argv)
{
	static const struct option options[] = {
	    {"terminate", no_argument, NULL, 't'},
	    {NULL, 0, NULL, 0},
	};
	DA_CLEANUP(da_host_keys_done) struct da_host_keys keys = {0};
	struct da_session_entry entry;
	struct da_diag diag = {0};
	bool terminate = false;
	int option, status = DA_EXIT_OK;
	enum da_err err = DA_OK;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) == 't')
		terminate = true;
	if (option != -1 || optind == argc) {
		(void)fputs(usage, stderr);
		return DA_EXIT_USAGE;
	}
	if (!da_admin_is_root() || !da_admin_prepare_secrets())
		return DA_EXIT_FAILED;
	if (terminate)
		err = da_host_keys_load(&da_paths, &keys, &diag);
	if (err != DA_OK)
		return da_admin_refuse("%s", da_admin_why(err, &diag));
	if (terminate)
		outlive_the_session();
	for (; optind < argc; optind++) {
		if (!take_id(argv[optind], &entry) ||
		    end(&entry, &keys, terminate) != DA_EXIT_OK)
			status = DA_EXIT_FAILED;
	}
	return fflush(stdout) == 0 ? status : DA_EXIT_FAILED;
}
