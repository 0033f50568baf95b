#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/writer.h"
#include "command.h"
#include "core/paths.h"
#include "store/config.h"

/* Every name that rules list, or "" when a rule names groups: then anybody
 * might be let in, and the name service must answer for any well-formed name.
 */
static enum da_err
collect_users(const struct da_config *config, struct da_buf *ret)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; i < config->profile_count; i++) {
		const struct da_profile *profile = &config->profiles[i];
		const struct da_config_list *users = &profile->allowed_users;

		if (profile->allowed_groups.count > 0) {
			da_buf_clear(ret);
			return DA_OK;
		}
		for (size_t j = 0; err == DA_OK && j < users->count; j++)
			err = da_buf_format(ret, "%s%s",
			    ret->len > 0 ? " " : "", users->items[j]);
	}
	return err;
}

static bool
lists_nobody(const struct da_config *config)
{
	for (size_t i = 0; i < config->profile_count; i++) {
		if (config->profiles[i].allowed_groups.count > 0 ||
		    config->profiles[i].allowed_users.count > 0)
			return false;
	}
	return true;
}

static int
fail(const struct da_diag *diag)
{
	(void)fprintf(stderr, "devauth: %s\n", diag->text);
	return DA_EXIT_FAILED;
}

static int
apply(const struct da_config *config)
{
	struct da_diag diag = {0};
	DA_CLEANUP(da_buf_done) struct da_buf users;
	struct da_account_policy policy = {
	    .first_login = !lists_nobody(config),
	    .home = config->home,
	    .shell = config->shell,
	};
	enum da_err err;

	da_buf_init(&users, DA_CONFIG_FILE_MAX);
	err = collect_users(config, &users);
	policy.allowed_users = da_buf_text(&users);
	if (err == DA_OK)
		err = da_account_set_policy(&da_paths, &policy, &diag);
	return err == DA_OK ? DA_EXIT_OK : fail(&diag);
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
	struct da_diag diag = {0};
	const char *verb = argc >= 2 ? argv[1] : "";
	bool explain = argc == 3 && strcmp(verb, "dump") == 0 &&
	    strcmp(argv[2], "--explain") == 0;

	if ((argc != 2 && !explain) ||
	    (strcmp(verb, "check") != 0 && strcmp(verb, "dump") != 0 &&
		strcmp(verb, "apply") != 0)) {
		(void)fputs("usage: devauth config check | dump [--explain] | "
			    "apply\n",
		    stderr);
		return DA_EXIT_USAGE;
	}
	if (da_config_load(&da_paths, &config, &diag) != DA_OK)
		return fail(&diag);
	if (strcmp(verb, "dump") == 0)
		return dump(config, explain);
	if (strcmp(verb, "apply") == 0)
		return apply(config);
	(void)printf("%s: fine (%zu profile%s)\n", da_paths.config_file,
	    config->profile_count, config->profile_count == 1 ? "" : "s");
	return DA_EXIT_OK;
}
