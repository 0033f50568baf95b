/*
 * devauth: the command for people and administrators. Not setuid; reads no
 * environment; what it may do is decided by the files' owners and modes.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "core/attr.h"
#include "core/file.h"
#include "core/text.h"

static const char usage[] =
    "usage: devauth COMMAND\n"
    "\n"
    "  accounts list|show      who is known on this host\n"
    "  accounts add|lock|unlock|rename|relink|remove|restore\n"
    "                          what an administrator decides about a person\n"
    "  accounts export|import  names and uids, from host to host\n"
    "  accounts check|rebuild  whether all is whole, and if not\n"
    "  accounts test           explain who may log in as whom\n"
    "  sessions list|end       who is logged in with which tokens\n"
    "  keys show|rotate        the key and the secrets of this host\n"
    "  sweep                   renew and revoke what is due, now\n"
    "  config check            what is wrong with " DA_SYSCONFDIR
    "/devauth/devauth.conf\n"
    "  config dump [--explain] print what is in force, and what it means\n"
    "  config apply            check it, and tell the name service\n"
    "  version                 print the version\n"
    "  help                    print this\n"
    "\n"
    "--help behind any of them tells how it is used.\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"accounts", da_command_accounts},
    {"config", da_command_config},
    {"keys", da_command_keys},
    {"sessions", da_command_sessions},
    {"sweep", da_command_sweep},
};

int
main(int argc, char **argv)
{
	char shown[64];
	int fd;

	if (getuid() != geteuid() || getgid() != getegid()) {
		(void)fputs("devauth: must not be set-user-ID\n", stderr);
		return DA_EXIT_USAGE;
	}
	/* What is printed must not land in a file that is opened later; nor is
	 * it printed where it cannot be. */
	do {
		fd = open("/dev/null", O_RDONLY | O_NOCTTY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	da_file_closep(&fd);
	/* So that nothing of a caller's, under sudo least of all, decides
	 * anything in a library either: time zone, locale, getopt's manners. */
	if (clearenv() != 0)
		return DA_EXIT_FAILED;
	(void)umask(022);
	if (argc < 2) {
		(void)fputs(usage, stderr);
		return DA_EXIT_USAGE;
	}
	if (strcmp(argv[1], "version") == 0 ||
	    strcmp(argv[1], "--version") == 0) {
		(void)puts("devauth " DA_VERSION);
		return DA_EXIT_OK;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "--help") == 0) {
		(void)fputs(usage, stdout);
		return DA_EXIT_OK;
	}
	for (size_t i = 0; i < DA_ARRAY_LEN(commands); i++) {
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	}
	da_text_escape(argv[1], shown, sizeof(shown));
	(void)fprintf(
	    stderr, "devauth: no command \"%s\"; see devauth help\n", shown);
	return DA_EXIT_USAGE;
}
