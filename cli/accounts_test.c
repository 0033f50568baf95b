/*
 * devauth accounts test: the decision of a login, rule by rule, without one.
 * Takes the claims as an ID token has them, which is what providers' own tools
 * show. The rules are those of the broker (store/policy.h); what only a login
 * can know, whether the claims are true, is taken for granted.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/account.h"
#include "account/local.h"
#include "account/writer.h"
#include "admin.h"
#include "command.h"
#include "core/paths.h"
#include "core/text.h"
#include "json/json.h"
#include "known.h"
#include "provider/claims.h"
#include "store/config.h"
#include "store/person.h"
#include "store/policy.h"
#include "store/shell.h"

struct order {
	const char *claims_file;
	const char *user;
	const char *service;
	const char *profile;
};

static void
explain(void *context, const char *line)
{
	char shown[DA_DIAG_MAX + 1];

	(void)context;
	da_text_escape(line, shown, sizeof(shown));
	(void)printf("  yes  %s\n", shown);
}

static int
refuse(const struct order *order, enum da_err err, const struct da_diag *diag)
{
	char shown[DA_DIAG_MAX + 1];

	da_text_escape_rest(diag->text, shown, sizeof(shown));
	(void)printf("  no   %s%s%s\n", da_err_reason(err),
	    shown[0] != '\0' ? ": " : "", shown);
	(void)printf(
	    "May not log in as %s through %s.\n", order->user, order->service);
	return DA_EXIT_FAILED;
}

static enum da_err
read_claims(const char *path, struct da_json **ret, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf text;
	enum da_err err;

	da_buf_init(&text, DA_BODY_MAX);
	err = da_admin_read(path, &text, diag);
	if (err == DA_OK) {
		struct da_diag where = {0};

		err = da_json_parse(text.bytes, text.len, ret, &where);
		if (err != DA_OK)
			da_diag_set(diag, "%s: %s", path, where.text);
		else if (!da_json_is_object(*ret)) {
			da_diag_set(diag,
			    "%s: not the claims of a token: no JSON object",
			    path);
			err = DA_E_SYNTAX;
		}
	}
	return err;
}

static enum da_err
join_list(const struct da_config_list *list, struct da_buf *ret)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < list->count; i++)
		err = da_buf_format(
		    ret, "%s%s", i > 0 ? " " : "", list->items[i]);
	return err;
}

/* The identity as the worker would send it. */
static enum da_err
take_claims(const struct da_config *config, const struct da_profile *profile,
    const struct da_json *claims, struct da_wire_identity *ret,
    struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf names;
	char others[DA_URI_MAX + 1];
	struct da_claims_wanted wanted = {
	    .groups_claim = profile->groups_claim, .other_claims = others};
	struct da_claims_state state = {0};
	const char *issuer = "", *subject = "";
	enum da_err err;

	da_buf_init(&names, DA_CONFIG_LINE_MAX);
	err = join_list(&profile->username_claim, &names);
	if (err == DA_OK)
		err = da_policy_list_claims(
		    config, profile->issuer, others, sizeof(others));
	wanted.username_claim = da_buf_text(&names);
	if (err != DA_OK)
		return err;
	if (da_json_get_text(claims, "iss", DA_ISSUER_MAX, &issuer) != DA_OK ||
	    strcmp(issuer, profile->issuer) != 0) {
		da_diag_set(diag, "\"iss\" is not %s, the issuer of profile %s",
		    profile->issuer, profile->name);
		return DA_E_TOKEN;
	}
	if (da_json_get_text(claims, "sub", DA_SUBJECT_MAX, &subject) !=
		DA_OK ||
	    subject[0] == '\0') {
		da_diag_set(diag, "\"sub\" is missing or no text");
		return DA_E_TOKEN;
	}
	DA_IGNORE(da_text_copy(issuer, ret->issuer, sizeof(ret->issuer)));
	DA_IGNORE(da_text_copy(subject, ret->subject, sizeof(ret->subject)));
	err = da_claims_take(claims, &wanted, &state, ret, diag);
	return err == DA_OK ? da_claims_finish(&state, diag) : err;
}

/* What became of the name that is asked for, or of the person behind it. */
static enum da_err
check_standing(const struct da_known_list *list, const char *name, bool asked,
    struct da_diag *diag)
{
	const struct da_known *known = da_known_find(list, name);
	const struct da_known *present;

	if (known == NULL)
		return DA_OK;
	if (da_known_is_renamed(known)) {
		present = da_known_find_present(list, known);
		da_diag_set(diag,
		    "%s is a former name, by which nobody logs in; the person "
		    "is %s now",
		    name, present != NULL ? present->name : "not to be found");
	} else if (known->account == DA_KNOWN_REMOVED ||
	    known->record_state == DA_PERSON_REMOVED) {
		da_diag_set(diag, "%s was removed; devauth accounts restore %s",
		    name, name);
	} else if (known->account == DA_KNOWN_GONE) {
		da_diag_set(diag,
		    "%s was a local account, which is gone; devauth accounts "
		    "check has the cure",
		    name);
	} else if (known->locked) {
		da_diag_set(diag, "%s is locked; devauth accounts unlock %s",
		    name, name);
	} else {
		return DA_OK;
	}
	/* A name without an account is refused before its record is read, the
	 * person behind a shared account after the sign-in. */
	if (!asked)
		return DA_E_ACCT_DENIED;
	return known->account == DA_KNOWN_REMOVED ||
		known->account == DA_KNOWN_RENAMED ||
		known->account == DA_KNOWN_GONE
	    ? DA_E_UNKNOWN_USER
	    : DA_E_LOCKED;
}

static enum da_err
check_pin(const struct da_known_list *list, const char *person,
    const struct da_wire_identity *identity, struct da_diag *diag)
{
	const struct da_known *known = da_known_find(list, person);
	enum da_err err = da_person_check_pin(
	    &da_paths, person, identity->issuer, identity->subject, diag);

	if (err == DA_OK)
		err = check_standing(list, person, false, diag);
	if (err == DA_OK)
		explain(NULL,
		    known != NULL && known->verified_at_s != 0
			? "the name has been this identity's before"
			: "nobody has signed in under that name yet");
	return err;
}

/* The number and the shell that the account has, or would be given. */
static enum da_err
check_account(
    const struct da_config *config, const char *name, struct da_diag *diag)
{
	struct da_account account;
	char buffer[2048];
	bool provisional;
	enum da_err err = da_account_find(&da_paths, name, false, buffer,
	    sizeof(buffer), &account, &provisional);

	if (err == DA_OK)
		return da_shell_check(account.shell, diag);
	err = da_account_check_number(&da_paths, name, diag);
	if (err == DA_E_ABSENT) {
		da_diag_set(diag, "nothing is set up; devauth config apply");
		err = DA_E_UNKNOWN_USER;
	}
	return err == DA_OK ? da_shell_check(config->shell, diag) : err;
}

static void
show_groups(
    const struct da_config *config, const struct da_wire_identity *identity)
{
	const char *names[DA_CONFIG_SECTIONS_MAX + 1];
	size_t count = da_policy_list_groups(
	    config, identity->issuer, &identity->groups, names);

	for (size_t i = 0; i < count; i++) {
		const struct da_group_rule *rule =
		    da_config_group(config, names[i]);

		if (rule->local)
			(void)printf("  yes  member of the local group %s\n",
			    rule->name);
		else
			(void)printf("  yes  member of the group %s (%lld)\n",
			    rule->name, (long long)rule->gid);
	}
}

/* Beside the refusal: what the rules were held against. */
static void
show_claimed_groups(const struct da_wire_identity *identity)
{
	const char *at = da_buf_text(&identity->groups);
	const char *end = at + identity->groups.len;
	char shown[DA_DIAG_MAX + 1];

	(void)printf("  ?    the claims bring %s\n",
	    at < end ? "these groups:" : "no groups; see groups_claim");
	for (; at < end; at += strlen(at) + 1) {
		da_text_escape(at, shown, sizeof(shown));
		(void)printf("         %s\n", shown);
	}
}

/* The provider has not heard of the name that an administrator gave. */
static void
explain_wrong_person(const struct order *order,
    const struct da_wire_identity *identity, struct da_diag *diag)
{
	char name[DA_USER_MAX + 1];

	if (geteuid() == 0 &&
	    da_person_name_of(&da_paths, identity->issuer, identity->subject,
		name, NULL) == DA_OK &&
	    strcmp(name, order->user) == 0)
		da_diag_set(diag,
		    "the identity is %s's here, but the provider gives it "
		    "another login name: change that there, or devauth "
		    "accounts rename %s back",
		    name, name);
}

static enum da_err
decide(const struct order *order, const struct da_policy *policy,
    const struct da_known_list *list, const struct da_wire_identity *identity,
    bool local, struct da_diag *diag)
{
	const struct da_policy_identity claims =
	    da_policy_identity_of(identity);
	char person[DA_USER_MAX + 1] = "";
	enum da_err err = check_standing(list, order->user, true, diag);

	if (err == DA_OK && !local)
		err = check_account(policy->config, order->user, diag);
	if (err == DA_OK)
		err = da_policy_find_person(
		    policy, &claims, order->user, local, person, diag);
	if (err == DA_E_WRONG_PERSON)
		explain_wrong_person(order, identity, diag);
	if (err == DA_OK && person[0] != '\0' && list->has_private)
		err = check_pin(list, person, identity, diag);
	else if (err == DA_OK && !list->has_private)
		(void)printf("  ?    whose the name has been: only root can "
			     "look\n");
	if (err == DA_OK)
		err = da_policy_check_access(
		    policy, person, &identity->groups, &identity->claims, diag);
	if (err == DA_E_NOT_ALLOWED &&
	    strstr(diag->text, "allowed_groups") != NULL)
		show_claimed_groups(identity);
	return err;
}

/* --- what is not devauth's to decide --- */

static bool
is_local_matter(
    const struct order *order, const struct da_config *config, bool local)
{
	bool unmarked = false;

	if (!local)
		return false;
	if (strcmp(order->user, "root") == 0 &&
	    strcmp(order->service, "sshd") != 0) {
		(void)printf("Not devauth's to decide: root is the host's own "
			     "but under sshd.\n");
		return true;
	}
	if (da_account_is_local(&da_paths, order->user, &unmarked) != DA_OK ||
	    !unmarked)
		return false;
	if (da_config_mapping(config, order->user) != NULL) {
		(void)printf("  ?    [account %s] is not in force yet: devauth "
			     "config apply\n",
		    order->user);
		return false;
	}
	(void)printf("Not devauth's to decide: %s is a local account, and "
		     "devauth.conf has no\n[account %s]. Its own password and "
		     "keys open it.\n",
	    order->user, order->user);
	return true;
}

/* As libpam looks for it. */
static void
warn_of_service(const char *service)
{
	static const char *const folders[] = {"/etc/pam.d", "/usr/lib/pam.d"};

	for (size_t i = 0; i < DA_ARRAY_LEN(folders); i++) {
		char path[DA_SERVICE_MAX + 32];

		(void)snprintf(
		    path, sizeof(path), "%s/%s", folders[i], service);
		if (access(path, F_OK) == 0)
			return;
	}
	(void)printf("  ?    no service of that name here: /etc/pam.d/%s is "
		     "not there\n",
	    service);
}

/* The library's words are for the log, of a PAM line. */
static enum da_err
take_profile(const struct order *order, const struct da_config *config,
    const struct da_profile **ret, struct da_diag *diag)
{
	enum da_err err = da_config_profile(config, order->profile, ret, diag);

	if (err != DA_OK && order->profile[0] != '\0')
		da_diag_set(diag, "--profile: %s has no [profile %s]",
		    da_paths.config_file, order->profile);
	else if (err != DA_OK)
		da_diag_set(diag,
		    "%s has several profiles and no default_profile; say which "
		    "one: --profile NAME",
		    da_paths.config_file);
	return err;
}

static int
test(const struct order *order)
{
	DA_CLEANUP(da_config_freep) struct da_config *config = NULL;
	DA_CLEANUP(da_json_freep) struct da_json *claims = NULL;
	struct da_wire_identity identity = {0};
	struct da_policy policy = {
	    .service = order->service, .explain = explain};
	struct da_diag diag = {0};
	struct da_known_list list = {0};
	struct da_local found = {0};
	int status = DA_EXIT_FAILED;
	enum da_err err = da_config_load(&da_paths, &config, &diag);

	if (err == DA_OK)
		err = take_profile(order, config, &policy.profile, &diag);
	if (err == DA_OK)
		err = read_claims(order->claims_file, &claims, &diag);
	if (err == DA_OK)
		err = da_known_open(config, &list, &diag);
	if (err == DA_OK &&
	    da_local_find(&da_paths, order->user, 0, &found) != DA_OK) {
		da_diag_set(
		    &diag, "%s: cannot be read: %m", da_paths.passwd_file);
		err = DA_E_SYS;
	}
	if (err != DA_OK) {
		da_known_close(&list);
		return da_admin_refuse("%s", da_admin_why(err, &diag));
	}
	warn_of_service(order->service);
	if (is_local_matter(order, config, found.passwd_name)) {
		da_known_close(&list);
		return DA_EXIT_FAILED;
	}
	policy.config = config;
	da_buf_init(&identity.groups, DA_GROUPS_BYTES_MAX);
	da_buf_init(&identity.claims, DA_CLAIMS_BYTES_MAX);
	err = take_claims(config, policy.profile, claims, &identity, &diag);
	if (err == DA_OK)
		err = decide(
		    order, &policy, &list, &identity, found.passwd_name, &diag);
	if (err != DA_OK) {
		status = refuse(order, err, &diag);
	} else {
		if (!found.passwd_name)
			show_groups(config, &identity);
		(void)printf("May log in as %s through %s.\n", order->user,
		    order->service);
		status = DA_EXIT_OK;
	}
	da_known_close(&list);
	da_wire_done(DA_WIRE_IDENTITY, &identity);
	return status;
}

/* One file name, fit to be shown. */
static bool
is_service(const char *text)
{
	return text[0] != '\0' && text[0] != '.' &&
	    strlen(text) <= DA_SERVICE_MAX && strchr(text, '/') == NULL &&
	    da_text_is_printable(text);
}

int
da_command_accounts_test(int argc, char **argv)
{
	static const struct option options[] = {
	    {"claims", required_argument, NULL, 'c'},
	    {"user", required_argument, NULL, 'u'},
	    {"service", required_argument, NULL, 's'},
	    {"profile", required_argument, NULL, 'p'},
	    {NULL, 0, NULL, 0},
	};
	struct order order = {.service = "sshd", .profile = ""};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			order.claims_file = optarg;
			break;
		case 'u':
			order.user = optarg;
			break;
		case 's':
			order.service = optarg;
			break;
		case 'p':
			order.profile = optarg;
			break;
		default:
			return da_admin_usage("test");
		}
	}
	if (optind != argc || order.claims_file == NULL || order.user == NULL) {
		return da_admin_usage("test");
	}
	if (da_account_name_check(order.user) != DA_OK) {
		(void)fputs("devauth: --user: a login name is made of a-z, "
			    "0-9, - and _\n",
		    stderr);
		return DA_EXIT_FAILED;
	}
	if (!is_service(order.service))
		return da_admin_refuse("--service: the name of a file in "
				       "/etc/pam.d");
	return test(&order);
}
