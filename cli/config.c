#include <stdio.h>
#include <string.h>

#include "admin.h"
#include "apply.h"
#include "command.h"
#include "core/paths.h"
#include "store/config.h"
#include "store/shell.h"
#include "surroundings.h"

static const char usage[] =
    "usage: devauth config VERB\n"
    "\n"
    "  check             what is wrong with devauth.conf, with file and line,\n"
    "                    and what is not applied yet\n"
    "  dump [--explain]  print what is in force, with --explain what every "
    "key\n"
    "                    means as well\n"
    "  apply             check it, and tell the name service: who may log in,\n"
    "                    groups, local accounts, homes and shells\n";

/* Each line a complaint. */
static void
complain(const struct da_buf *lines)
{
	const char *at = da_buf_text(lines);

	while (*at != '\0') {
		int len = (int)(strchrnul(at, '\n') - at);

		DA_IGNORE(da_admin_refuse("%.*s", len, at));
		at += len + (at[len] == '\n');
	}
}

static enum da_err
load(struct da_config **ret)
{
	DA_CLEANUP(da_buf_done) struct da_buf complaints;
	enum da_err err;

	da_buf_init(&complaints, DA_CONFIG_FILE_MAX);
	err = da_config_check(&da_paths, ret, &complaints);
	complain(&complaints);
	if (err != DA_OK && complaints.len == 0)
		DA_IGNORE(da_admin_refuse("%s", da_err_reason(err)));
	return err;
}

/* What "apply" would refuse; says so. */
static bool
can_apply(const struct da_config *config, struct da_apply_preview *ret)
{
	char place[DA_CONFIG_PLACE_MAX];
	struct da_diag diag = {0};
	bool has_shell = da_shell_check(config->shell, &diag) == DA_OK;
	enum da_err err = da_apply_preview(config, ret);

	if (!has_shell)
		DA_IGNORE(da_admin_refuse("%s%s: %s", da_paths.config_file,
		    da_config_place(da_config_line(config, "shell"), place),
		    diag.text));
	complain(&ret->complaints);
	if (err == DA_E_NOMEM)
		DA_IGNORE(da_admin_refuse("%s", da_err_reason(err)));
	return err == DA_OK && has_shell;
}

static void
print_moves(FILE *file, const struct da_apply_preview *preview)
{
	(void)fputs(da_buf_text(&preview->moves), file);
	if (preview->move_count > DA_APPLY_MOVES_SHOWN)
		(void)fprintf(file, "  and %zu more\n",
		    preview->move_count - DA_APPLY_MOVES_SHOWN);
	(void)fputs("Files are not moved: move each folder while its owner is "
		    "logged out,\nor the next login finds an empty one.\n",
	    file);
}

/* --- the verbs --- */

static int
check(const struct da_config *config)
{
	DA_CLEANUP(da_apply_preview_done) struct da_apply_preview preview;
	DA_CLEANUP(da_buf_done) struct da_buf unseen;
	bool is_good = can_apply(config, &preview);

	da_buf_init(&unseen, DA_CONFIG_FILE_MAX);
	if (!da_surroundings_check(config, &unseen) || !is_good)
		return DA_EXIT_FAILED;
	(void)printf("%s: fine (%zu profile%s)%s%s\n", da_paths.config_file,
	    config->profile_count, config->profile_count == 1 ? "" : "s",
	    unseen.len > 0 ? ", except what only root can read: " : "",
	    da_buf_text(&unseen));
	(void)fflush(stdout);
	if (preview.changes.text[0] != '\0')
		DA_IGNORE(da_admin_refuse(
		    "not applied yet (%s); run devauth config apply",
		    preview.changes.text));
	if (preview.move_count > 0) {
		(void)fprintf(stderr, "It gives %zu %s another home:\n",
		    preview.move_count,
		    preview.move_count == 1 ? "person" : "people");
		print_moves(stderr, &preview);
	}
	return DA_EXIT_OK;
}

static int
apply(const struct da_config *config)
{
	DA_CLEANUP(da_apply_preview_done) struct da_apply_preview preview;
	struct da_diag diag = {0};
	enum da_err err;

	if (!can_apply(config, &preview))
		return da_admin_refuse("nothing was applied");
	err = da_apply_run(config, &diag);
	if (err != DA_OK)
		return da_admin_refuse("%s", da_admin_why(err, &diag));
	if (preview.move_count == 0)
		return DA_EXIT_OK;
	(void)printf("%zu %s another home now:\n", preview.move_count,
	    preview.move_count == 1 ? "person has" : "people have");
	print_moves(stdout, &preview);
	return DA_EXIT_OK;
}

static int
dump(const struct da_config *config, bool explain)
{
	DA_CLEANUP(da_buf_done) struct da_buf text;

	da_buf_init(&text, 4 * DA_CONFIG_FILE_MAX);
	if (da_config_dump(config, explain, &text) != DA_OK)
		return DA_EXIT_FAILED;
	return fputs(da_buf_text(&text), stdout) >= 0 && fflush(stdout) == 0
	    ? DA_EXIT_OK
	    : DA_EXIT_FAILED;
}

int
da_command_config(int argc, char **argv)
{
	DA_CLEANUP(da_config_freep) struct da_config *config = NULL;
	const char *verb = argc >= 2 ? argv[1] : "";
	bool checks = strcmp(verb, "check") == 0;
	bool dumps = strcmp(verb, "dump") == 0;
	bool applies = strcmp(verb, "apply") == 0;
	bool explains;

	if (strcmp(verb, "help") == 0 || da_admin_wants_help(argc, argv)) {
		(void)fputs(usage, stdout);
		return DA_EXIT_OK;
	}
	explains = dumps && argc >= 3 && strcmp(argv[2], "--explain") == 0;
	/* No verb has anything behind its options. */
	if (argc > 2 && strcmp(argv[argc - 1], "--") == 0)
		argc--;
	if (argc > 1 && !checks && !dumps && !applies)
		return da_admin_refuse_verb("config", verb);
	if (argc != (explains ? 3 : 2)) {
		(void)fputs(usage, stderr);
		return DA_EXIT_USAGE;
	}
	if (applies && !da_admin_is_root())
		return DA_EXIT_FAILED;
	if (load(&config) != DA_OK)
		return DA_EXIT_FAILED;
	if (dumps)
		return dump(config, explains);
	return checks ? check(config) : apply(config);
}
