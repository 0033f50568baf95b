/*
 * devauth accounts: finds the verb, and says how each is used.
 */
#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "command.h"
#include "core/attr.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	bool needs_root;
	const char *arguments; /* each with a space before it */
	const char *purpose;
} verbs[] = {
    {"list", da_command_accounts_list, false, " [--json]",
	"who is known on this host"},
    {"show", da_command_accounts_show, false, " NAME [--json]",
	"everything about one person"},
    {"test", da_command_accounts_test, false,
	" --claims FILE --user NAME\n"
	"      [--service NAME] [--profile NAME]",
	"explain who may log in as whom"},
    {"add", da_command_accounts_add, true,
	" NAME [--uid N] [--home DIR] [--shell FILE]\n"
	"      [--gecos TEXT] [--subject ISSUER#SUBJECT]",
	"an account before the first sign-in"},
    {"lock", da_command_accounts_lock, true, " NAME",
	"nobody logs in by that name, with code or key"},
    {"unlock", da_command_accounts_unlock, true, " NAME", "undo lock"},
    {"rename", da_command_accounts_rename, true, " OLD NEW",
	"same uid, home and identity; another name"},
    {"relink", da_command_accounts_relink, true, " NAME ISSUER#SUBJECT",
	"the name belongs to that identity now"},
    {"remove", da_command_accounts_remove, true, " NAME",
	"nothing finds the name; its uid stays taken"},
    {"restore", da_command_accounts_restore, true, " NAME", "undo remove"},
    {"export", da_command_accounts_export, false, " [--pins]",
	"print names and uids, for other hosts"},
    {"import", da_command_accounts_import, true, " FILE [--dry-run]",
	"take over an export, whole or not at all"},
    {"check", da_command_accounts_check, true, "",
	"whether all fits together, and the cures"},
    {"rebuild", da_command_accounts_rebuild, true, "",
	"make a damaged or lost database anew"},
};

#define PURPOSE_COLUMN 32

static void
print_verb(
    FILE *file, const char *name, const char *arguments, const char *purpose)
{
	int at = fprintf(file, "  %s%s", name, arguments);

	if (at >= PURPOSE_COLUMN) {
		(void)fputc('\n', file);
		at = 0;
	}
	(void)fprintf(file, "%*s%s\n", PURPOSE_COLUMN - at, "", purpose);
}

static void
print_usage(FILE *file)
{
	(void)fputs("usage: devauth accounts VERB ...\n\n", file);
	for (size_t i = 0; i < DA_ARRAY_LEN(verbs); i++)
		print_verb(
		    file, verbs[i].name, verbs[i].arguments, verbs[i].purpose);
}

static void
print_usage_of(FILE *file, const char *verb)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(verbs); i++) {
		if (strcmp(verb, verbs[i].name) == 0)
			(void)fprintf(file, "usage: devauth accounts %s%s\n",
			    verb, verbs[i].arguments);
	}
}

int
da_admin_usage(const char *verb)
{
	print_usage_of(stderr, verb);
	return DA_EXIT_USAGE;
}

int
da_command_accounts(int argc, char **argv)
{
	if (argc < 2) {
		print_usage(stderr);
		return DA_EXIT_USAGE;
	}
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "--help") == 0) {
		print_usage(stdout);
		return DA_EXIT_OK;
	}
	for (size_t i = 0; i < DA_ARRAY_LEN(verbs); i++) {
		if (strcmp(argv[1], verbs[i].name) != 0)
			continue;
		if (argc > 2 && da_admin_wants_help(argc - 1, argv + 1)) {
			print_usage_of(stdout, argv[1]);
			(void)printf("\n%s\n", verbs[i].purpose);
			return DA_EXIT_OK;
		}
		if (verbs[i].needs_root && !da_admin_is_root())
			return DA_EXIT_FAILED;
		/* Where there are options, getopt knows what it means. */
		if (argc > 2 && strcmp(argv[2], "--") == 0 &&
		    strstr(verbs[i].arguments, "--") == NULL) {
			argv[2] = argv[1];
			argv++;
			argc--;
		}
		return verbs[i].run(argc - 1, argv + 1);
	}
	return da_admin_refuse_verb("accounts", argv[1]);
}
