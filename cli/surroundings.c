#include "surroundings.h"

#include <errno.h>
#include <glob.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "account/account.h"
#include "account/local.h"
#include "admin.h"
#include "apply.h"
#include "core/file.h"
#include "core/parse.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/config.h"
#include "store/shell.h"

#define CA_FILE_MAX (4 * 1024 * 1024)
#define SSHD_GRACE_S 120

struct look {
	const struct da_config *config;
	struct da_buf *unseen;
	bool is_bad;
};

static void DA_PRINTF(3, 0)
    say(int line, const char *kind, const char *format, va_list args)
{
	char text[2 * DA_DIAG_MAX], place[DA_CONFIG_PLACE_MAX];

	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	DA_IGNORE(da_admin_refuse("%s%s%s: %s", kind, da_paths.config_file,
	    da_config_place(line, place), text));
}

static void DA_PRINTF(3, 4)
    complain(struct look *look, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(line, "", format, args);
	va_end(args);
	look->is_bad = true;
}

static void DA_PRINTF(2, 3) warn(int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say(line, "warning: ", format, args);
	va_end(args);
}

static void
add_unseen(struct look *look, const char *path)
{
	/* What does not fit any more is not the first. */
	DA_IGNORE(da_buf_format(
	    look->unseen, "%s%s", look->unseen->len > 0 ? " " : "", path));
}

/* --- the files that a profile names --- */

/* The beginnings that OpenSSL takes for one. */
static bool
has_certificate(const char *pem)
{
	return strstr(pem, "-----BEGIN CERTIFICATE-----") != NULL ||
	    strstr(pem, "-----BEGIN TRUSTED CERTIFICATE-----") != NULL ||
	    strstr(pem, "-----BEGIN X509 CERTIFICATE-----") != NULL;
}

static void
check_ca_file(struct look *look, const struct da_profile *profile)
{
	const struct da_file_rule rule = {
	    .owner = da_paths.owner, .mode_max = 0755, .size_max = CA_FILE_MAX};
	DA_CLEANUP(da_buf_done) struct da_buf pem;
	struct da_diag diag = {0};
	enum da_err err;

	if (profile->ca_file[0] == '\0')
		return;
	da_buf_init(&pem, CA_FILE_MAX);
	err = da_file_read(profile->ca_file, &rule, &pem, &diag);
	if (err != DA_OK && errno == EACCES && geteuid() != 0)
		add_unseen(look, profile->ca_file);
	else if (err == DA_OK && !has_certificate(da_buf_text(&pem)))
		complain(look, da_config_line(profile, "ca_file"),
		    "[profile %s] ca_file: %s holds no certificate in PEM form",
		    profile->name, profile->ca_file);
	else if (err != DA_OK)
		complain(look, da_config_line(profile, "ca_file"),
		    "[profile %s] ca_file: %s", profile->name, diag.text);
}

static void
check_secret(struct look *look, const struct da_profile *profile)
{
	DA_CLEANUP(da_buf_done) struct da_buf secret;
	struct da_diag diag = {0};

	da_buf_init(&secret, DA_SECRET_MAX);
	if (geteuid() != 0) {
		if (profile->client_secret_file[0] != '\0')
			add_unseen(look, profile->client_secret_file);
	} else if (da_config_read_secret(&da_paths, profile, &secret, &diag) !=
	    DA_OK) {
		complain(look, da_config_line(profile, "client_secret_file"),
		    "[profile %s] client_secret_file: %s", profile->name,
		    diag.text);
	}
}

/* What browsers show, and what we add ourselves. */
static void
check_issuer(struct look *look, const struct da_profile *profile)
{
	if (strstr(profile->issuer, "/.well-known/") != NULL)
		complain(look, da_config_line(profile, "issuer"),
		    "[profile %s] issuer: the issuer itself, without "
		    "/.well-known/ and what follows",
		    profile->name);
}

/* OpenID Connect Core 3.1.2.1: without it there is no ID token, and nobody is
 * believed without one. */
static void
check_scope(const struct da_profile *profile)
{
	const char *at = profile->scope;

	while (*at != '\0') {
		size_t len = strcspn(at, " \t");

		if (len == strlen("openid") && strncmp(at, "openid", len) == 0)
			return;
		at += len;
		at += strspn(at, " \t");
	}
	warn(da_config_line(profile, "scope"),
	    "[profile %s] scope: without \"openid\" the provider sends no ID "
	    "token, and nobody can log in",
	    profile->name);
}

/* --- the host --- */

static void
check_installation(struct look *look)
{
	bool found = false;

	if (da_account_is_local(&da_paths, da_paths.worker_user, &found) !=
		DA_OK ||
	    !found) {
		DA_IGNORE(da_admin_refuse(
		    "no account \"%s\" in %s; run systemd-sysusers",
		    da_paths.worker_user, da_paths.passwd_file));
		look->is_bad = true;
	}
	if (access(da_paths.state_dir, F_OK) != 0) {
		DA_IGNORE(da_admin_refuse(
		    "no folder %s; run systemd-tmpfiles --create",
		    da_paths.state_dir));
		look->is_bad = true;
	}
}

/* The value that a file of sshd's sets, or 0. */
static int64_t
read_grace(const char *path)
{
	FILE *file = fopen(path, "re");
	char line[1024], unit;
	int64_t value = 0;

	if (file == NULL)
		return 0;
	while (value == 0 && fgets(line, sizeof(line), file) != NULL) {
		char *at = line + strspn(line, " \t");
		size_t len = strcspn(at, " \t=");

		if (len != strlen("LoginGraceTime") ||
		    strncasecmp(at, "LoginGraceTime", len) != 0)
			continue;
		at += len;
		at += strspn(at, " \t=\"");
		len = strspn(at, "0123456789");
		unit = at[len];
		at[len] = '\0';
		if (da_parse_int(at, 0, INT32_MAX, &value) != DA_OK)
			value = 0;
		value *= unit == 'm' || unit == 'M' ? 60
		    : unit == 'h' || unit == 'H'    ? 3600
						    : 1;
		if (value == 0)
			value = INT64_MAX; /* as sshd has it: no limit */
	}
	(void)fclose(file); /* only read */
	return value;
}

/* In the order of Debian's sshd_config, where the drop-ins come first and the
 * first value counts; what is included from elsewhere is not known here. */
static int64_t
find_grace(void)
{
	glob_t files = {0};
	int64_t value = 0;

	if (glob("/etc/ssh/sshd_config.d/*.conf", 0, NULL, &files) == 0) {
		for (size_t i = 0; value == 0 && i < files.gl_pathc; i++)
			value = read_grace(files.gl_pathv[i]);
	}
	globfree(&files);
	return value != 0 ? value : read_grace("/etc/ssh/sshd_config");
}

static void
check_deadline(const struct da_config *config)
{
	const int64_t set = find_grace();
	const int64_t grace = set != 0 ? set : SSHD_GRACE_S;

	if (config->remote == DA_REMOTE_DENY ||
	    config->login_deadline_s < grace)
		return;
	warn(da_config_line(config, "login_deadline"),
	    "login_deadline: sshd hangs up after %llds (LoginGraceTime%s), "
	    "before the person has had %llds; raise the one or lower the "
	    "other",
	    (long long)grace, set != 0 ? "" : ", by default",
	    (long long)config->login_deadline_s);
}

/* A rule for a service that nobody has binds nobody: "ssh" is Debian's unit,
 * and "sshd" the service. */
static void
check_service(const struct da_service *service)
{
	char ours[DA_SERVICE_MAX + 32], theirs[DA_SERVICE_MAX + 32];
	const char *name = service->name;

	(void)snprintf(ours, sizeof(ours), "/etc/pam.d/%s", name);
	(void)snprintf(theirs, sizeof(theirs), "/usr/lib/pam.d/%s", name);
	if (access(ours, F_OK) != 0 && access(theirs, F_OK) != 0)
		warn(service->line, "[service %s] binds nobody: there is no %s",
		    name, ours);
	if ((da_config_line(service, "reauth") != service->line ||
		da_config_line(service, "reauth_max_age") != service->line) &&
	    (strcmp(name, "sshd") == 0 || strcmp(name, "login") == 0))
		warn(service->line,
		    "[service %s] reauth is for sudo and su: %s opens sessions",
		    name, name);
	if (!da_config_has_keys(service))
		warn(service->line,
		    "[service %s] asks for nothing: it has no key", name);
}

/* Local ones are for "config apply" to judge. */
static void
check_account(struct look *look, const struct da_mapping *mapping)
{
	const char *name = mapping->name;
	struct da_local local;
	struct da_account account;
	char buffer[2048];
	bool provisional;

	if (da_local_find(&da_paths, name, 0, &local) != DA_OK ||
	    local.passwd_name)
		return;
	if (da_account_name_is_reserved(name) || local.group_name)
		complain(look, mapping->line,
		    "[account %s]: there is no such account in %s, and devauth "
		    "cannot make one of that name, which is %s; create it, or "
		    "remove the section",
		    name, da_paths.passwd_file,
		    local.group_name ? "a group's" : "reserved");
	else if (da_account_find(&da_paths, name, false, buffer, sizeof(buffer),
		     &account, &provisional) == DA_E_ABSENT)
		warn(mapping->line,
		    "[account %s]: there is no such account in %s; devauth "
		    "makes one at the first sign-in. If a local one is meant, "
		    "create it and run devauth config apply",
		    name, da_paths.passwd_file);
}

/* An identity of no provider that is configured never comes. */
static void
check_subjects(const struct da_config *config, const struct da_mapping *mapping)
{
	for (size_t i = 0; i < mapping->subjects.count; i++) {
		const char *subject = mapping->subjects.items[i];
		bool found = false;

		for (size_t k = 0; !found && k < config->profile_count; k++) {
			const char *issuer = config->profiles[k].issuer;
			size_t len = strlen(issuer);

			found = strncmp(subject, issuer, len) == 0 &&
			    subject[len] == '#';
		}
		if (!found)
			warn(da_config_line(mapping, "subjects"),
			    "[account %s] subjects: no profile has the issuer "
			    "of %s",
			    mapping->name, subject);
	}
}

bool
da_surroundings_check(const struct da_config *config, struct da_buf *ret_unseen)
{
	struct look look = {.config = config, .unseen = ret_unseen};

	check_installation(&look);
	for (size_t i = 0; i < config->profile_count; i++) {
		check_issuer(&look, &config->profiles[i]);
		check_ca_file(&look, &config->profiles[i]);
		check_secret(&look, &config->profiles[i]);
		check_scope(&config->profiles[i]);
	}
	if (strstr(config->home, "%u") == NULL)
		warn(da_config_line(config, "home"),
		    "home: without %%u everybody gets the same home, %s",
		    config->home);
	if (config->profile_count > 1 && config->default_profile[0] == '\0')
		DA_IGNORE(da_admin_refuse(
		    "warning: %s: several profiles and no default_profile: "
		    "people are refused wherever the PAM line has no "
		    "profile=NAME",
		    da_paths.config_file));
	check_deadline(config);
	for (size_t i = 0; i < config->service_count; i++)
		check_service(&config->services[i]);
	for (size_t i = 0; i < config->mapping_count; i++) {
		check_account(&look, &config->mappings[i]);
		check_subjects(config, &config->mappings[i]);
	}
	if (da_apply_allows_nobody(config))
		DA_IGNORE(da_admin_refuse(
		    "warning: allowed_users and allowed_groups are empty: "
		    "nobody may log in"));
	return !look.is_bad;
}
