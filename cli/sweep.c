/*
 * devauth sweep: what devauth-sweep.timer does, now.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "admin.h"
#include "command.h"
#include "core/paths.h"
#include "store/config.h"

static const char usage[] =
    "usage: devauth sweep\n"
    "\n"
    "renews the tokens of open sessions and revokes those of ended ones,\n"
    "as devauth-sweep.timer does\n";

static int
run(void)
{
	char *const arguments[] = {
	    (char[]){"devauth-broker"}, (char[]){"sweep"}, NULL};
	char *const envp[] = {(char[]){"LANG=C"},
	    (char[]){"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, NULL};
	pid_t pid;
	int status;

	/* The broker takes descriptor 3 for a login's. */
	if (close_range(STDERR_FILENO + 1, ~0U, 0) != 0)
		return da_admin_refuse("cannot close what is open: %m");
	errno = posix_spawn(&pid, da_paths.broker, NULL, NULL, arguments, envp);
	if (errno != 0)
		return da_admin_refuse("%s: %m", da_paths.broker);
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return da_admin_refuse("%s: %m", da_paths.broker);
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return DA_EXIT_OK;
	/* It speaks to nobody but the log. */
	return da_admin_refuse("the sweep did not come to its end; the log "
			       "says why: journalctl -t devauth");
}

int
da_command_sweep(int argc, char **argv)
{
	DA_CLEANUP(da_config_freep) struct da_config *config = NULL;
	struct da_diag diag = {0};
	enum da_err err;

	if (da_admin_wants_help(argc, argv)) {
		(void)fputs(usage, stdout);
		return DA_EXIT_OK;
	}
	if (argc != 1) {
		(void)fputs(usage, stderr);
		return DA_EXIT_USAGE;
	}
	if (!da_admin_is_root())
		return DA_EXIT_FAILED;
	err = da_config_load(&da_paths, &config, &diag);
	if (err != DA_OK)
		return da_admin_refuse("%s", da_admin_why(err, &diag));
	return run();
}
