/*
 * devauth sweep: what devauth-sweep.timer does, now.
 */
#include <stdio.h>
#include <unistd.h>

#include "admin.h"
#include "command.h"
#include "core/paths.h"

int
da_command_sweep(int argc, char **argv)
{
	static const char usage[] =
	    "usage: devauth sweep\n"
	    "\n"
	    "renews the tokens of open sessions and revokes those of ended "
	    "ones,\n"
	    "as devauth-sweep.timer does\n";
	char *const arguments[] = {
	    (char[]){"devauth-broker"}, (char[]){"sweep"}, NULL};
	char *const envp[] = {(char[]){"LANG=C"},
	    (char[]){"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}, NULL};

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
	/* The broker takes descriptor 3 for a login's. */
	if (close_range(STDERR_FILENO + 1, ~0U, 0) == 0)
		(void)execve(da_paths.broker, arguments, envp);
	return da_admin_refuse("%s: %m", da_paths.broker);
}
