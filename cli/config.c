#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/account.h"
#include "apply.h"
#include "command.h"
#include "core/file.h"
#include "core/paths.h"
#include "store/config.h"
#include "store/shell.h"

#define CA_FILE_MAX (4 * 1024 * 1024)

static int
complain(const struct da_profile *profile, const char *key,
    const struct da_diag *diag)
{
	(void)fprintf(stderr, "devauth: [profile %s] %s: %s\n", profile->name,
	    key, diag->text);
	return DA_EXIT_FAILED;
}

/* A rule for a service that nobody has binds nobody: "ssh" is Debian's unit,
 * and "sshd" the service. */
static void
warn_about_services(const struct da_config *config)
{
	for (size_t i = 0; i < config->service_count; i++) {
		const char *name = config->services[i].name;
		char ours[DA_SERVICE_MAX + 32], theirs[DA_SERVICE_MAX + 32];

		(void)snprintf(ours, sizeof(ours), "/etc/pam.d/%s", name);
		(void)snprintf(
		    theirs, sizeof(theirs), "/usr/lib/pam.d/%s", name);
		if (access(ours, F_OK) != 0 && access(theirs, F_OK) != 0)
			(void)fprintf(stderr,
			    "devauth: warning: [service %s] binds nobody: "
			    "there is no %s\n",
			    name, ours);
	}
}

/* What a correct file can still lack. Only root can look everywhere. */
static int
check_surroundings(const struct da_config *config)
{
	struct da_diag diag = {0};
	int status = DA_EXIT_OK;
	bool found = false;

	for (size_t i = 0; i < config->profile_count; i++) {
		const struct da_profile *profile = &config->profiles[i];
		const struct da_file_rule rule = {.owner = da_paths.owner,
		    .mode_max = 0755,
		    .size_max = CA_FILE_MAX};
		DA_CLEANUP(da_file_closep) int fd = -1;
		DA_CLEANUP(da_buf_done) struct da_buf secret;

		da_buf_init(&secret, DA_SECRET_MAX);
		if (profile->ca_file[0] != '\0' &&
		    da_file_open(profile->ca_file, &rule, &fd, &diag) != DA_OK)
			status = complain(profile, "ca_file", &diag);
		if (geteuid() == 0 &&
		    da_config_read_secret(&da_paths, profile, &secret, &diag) !=
			DA_OK)
			status = complain(profile, "client_secret_file", &diag);
	}
	if (da_account_is_local(&da_paths, da_paths.worker_user, &found) !=
		DA_OK ||
	    !found) {
		(void)fprintf(stderr,
		    "devauth: no account \"%s\" in %s; run systemd-sysusers\n",
		    da_paths.worker_user, da_paths.passwd_file);
		status = DA_EXIT_FAILED;
	}
	if (access(da_paths.state_dir, F_OK) != 0) {
		(void)fprintf(stderr,
		    "devauth: no folder %s; run systemd-tmpfiles --create\n",
		    da_paths.state_dir);
		status = DA_EXIT_FAILED;
	}
	warn_about_services(config);
	if (da_apply_allows_nobody(config))
		(void)fprintf(stderr,
		    "devauth: warning: allowed_users and allowed_groups are "
		    "empty: nobody may log in\n");
	return status;
}

static int
fail(const struct da_diag *diag)
{
	(void)fprintf(stderr, "devauth: %s\n", diag->text);
	return DA_EXIT_FAILED;
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
	if (da_shell_check(config->shell, &diag) != DA_OK)
		return fail(&diag);
	if (strcmp(verb, "apply") == 0)
		return da_apply_run(config, &diag) == DA_OK ? DA_EXIT_OK
							    : fail(&diag);
	if (check_surroundings(config) != DA_EXIT_OK)
		return DA_EXIT_FAILED;
	(void)printf("%s: fine (%zu profile%s)\n", da_paths.config_file,
	    config->profile_count, config->profile_count == 1 ? "" : "s");
	(void)fflush(stdout);
	da_apply_compare(config, &diag);
	if (diag.text[0] != '\0')
		(void)fprintf(stderr,
		    "devauth: not applied yet (%s); run devauth config "
		    "apply\n",
		    diag.text);
	return DA_EXIT_OK;
}
