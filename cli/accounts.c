#include <stdio.h>
#include <string.h>

#include "command.h"
#include "core/attr.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} verbs[] = {
    {"test", da_command_accounts_test},
};

int
da_command_accounts(int argc, char **argv)
{
	for (size_t i = 0; argc >= 2 && i < DA_ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) == 0)
			return verbs[i].run(argc - 1, argv + 1);
	}
	(void)fputs("usage: devauth accounts test ...\n", stderr);
	return DA_EXIT_USAGE;
}
