#include "store/policy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "account/account.h"
#include "core/text.h"

static void DA_PRINTF(2, 3)
    explain(const struct da_policy *policy, const char *format, ...)
{
	char line[DA_DIAG_MAX + 1];
	va_list arguments;

	if (policy->explain == NULL)
		return;
	va_start(arguments, format);
	(void)vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	policy->explain(policy->context, line);
}

static bool
lists_domain(const struct da_config_list *domains, const char *domain)
{
	for (size_t i = 0; i < domains->count; i++) {
		const char *a = domains->items[i], *b = domain;

		while (*a != '\0' && da_text_lower(*a) == da_text_lower(*b)) {
			a++;
			b++;
		}
		if (*a == '\0' && *b == '\0')
			return true;
	}
	return false;
}

struct da_policy_identity
da_policy_identity_of(const struct da_wire_identity *identity)
{
	return (struct da_policy_identity){
	    .issuer = identity->issuer,
	    .subject = identity->subject,
	    .username_claim = identity->username_claim,
	    .username = identity->username,
	    .groups = &identity->groups,
	    .claims = &identity->claims,
	};
}

enum da_err
da_policy_map_name(const struct da_policy *policy,
    const struct da_policy_identity *identity,
    char ret_name[static DA_USER_MAX + 1], struct da_diag *diag)
{
	const char *claim = identity->username;
	const char *at = strrchr(claim, '@');
	size_t len = at != NULL ? (size_t)(at - claim) : strlen(claim);
	char name[DA_USER_MAX + 1];

	if (at != NULL &&
	    !lists_domain(&policy->profile->strip_domains, at + 1)) {
		da_diag_set(diag,
		    "strip_domains does not list the domain of the claim %s",
		    identity->username_claim);
		return DA_E_BAD_NAME;
	}
	if (len > DA_USER_MAX) {
		da_diag_set(diag, "the claim %s is longer than %d characters",
		    identity->username_claim, DA_USER_MAX);
		return DA_E_BAD_NAME;
	}
	/* Only ASCII folds; a look-alike letter fails the name rule. */
	for (size_t i = 0; i < len; i++)
		name[i] = da_text_lower(claim[i]);
	name[len] = '\0';
	if (da_account_name_check(name) != DA_OK) {
		da_diag_set(diag,
		    "the claim %s is no login name: a-z, 0-9, "
		    "- and _ only, starting with a letter",
		    identity->username_claim);
		return DA_E_BAD_NAME;
	}
	if (da_account_name_is_reserved(name)) {
		da_diag_set(diag, "the name %s is reserved", name);
		return DA_E_BAD_NAME;
	}
	/* A person's private group would have it, too. */
	if (da_config_group(policy->config, name) != NULL) {
		da_diag_set(diag, "%s is the name of a [group %s]", name, name);
		return DA_E_BAD_NAME;
	}
	memcpy(ret_name, name, sizeof(name));
	return DA_OK;
}

/* Profiles of one issuer mean the same people and groups. */
static bool
is_of_issuer(const struct da_config *config, const char *profile_name,
    const char *issuer)
{
	const struct da_profile *profile;

	if (profile_name[0] == '\0')
		return true; /* there is one issuer: the schema sees to it */
	return da_config_profile(config, profile_name, &profile, NULL) ==
	    DA_OK &&
	    strcmp(profile->issuer, issuer) == 0;
}

static bool
lists_subject(
    const struct da_mapping *mapping, const char *issuer, const char *subject)
{
	size_t len = strlen(issuer);

	for (size_t i = 0; i < mapping->subjects.count; i++) {
		const char *item = mapping->subjects.items[i];

		if (strncmp(item, issuer, len) == 0 && item[len] == '#' &&
		    strcmp(item + len + 1, subject) == 0)
			return true;
	}
	return false;
}

/* Names do not make root: whoever can change names at the provider could. The
 * configuration refuses such a line; this is for the day when it does not. */
static bool
lists_person(const struct da_policy *policy, const struct da_mapping *mapping,
    const char *issuer, const char *person)
{
	return strcmp(mapping->name, "root") != 0 &&
	    is_of_issuer(policy->config, mapping->profile, issuer) &&
	    da_config_list_has(&mapping->people, person);
}

enum da_err
da_policy_find_person(const struct da_policy *policy,
    const struct da_policy_identity *identity, const char *account, bool local,
    char ret_person[static DA_USER_MAX + 1], struct da_diag *diag)
{
	const struct da_mapping *mapping =
	    da_config_mapping(policy->config, account);
	char name[DA_USER_MAX + 1] = "";
	enum da_err err = da_policy_map_name(policy, identity, name, diag);

	if (err == DA_OK)
		explain(policy, "the claim %s gives the login name %s",
		    identity->username_claim, name);
	else
		explain(policy, "no login name: %s", diag->text);
	if (mapping == NULL) {
		if (err != DA_OK)
			return err;
		if (strcmp(name, account) != 0) {
			da_diag_set(diag, "approved by \"%s\"", name);
			return DA_E_WRONG_PERSON;
		}
		if (local) {
			da_diag_set(diag,
			    "%s is a local account, and no [account %s] lists "
			    "anybody",
			    account, account);
			return DA_E_NOT_ALLOWED;
		}
		explain(policy, "it is the name that asks to log in");
	} else if (lists_subject(
		       mapping, identity->issuer, identity->subject)) {
		explain(policy, "[account %s] lists the subject", account);
	} else if (err == DA_OK &&
	    lists_person(policy, mapping, identity->issuer, name)) {
		explain(policy, "[account %s] lists %s", account, name);
	} else {
		da_diag_set(diag,
		    "[account %s] does not list \"%s\" under people, nor the "
		    "subject under subjects",
		    account, name);
		return DA_E_WRONG_PERSON;
	}
	memcpy(ret_person, name, sizeof(name));
	if (!local) {
		if (da_account_name_check(account) != DA_OK ||
		    da_account_name_is_reserved(account)) {
			da_diag_set(diag, "the name %s is reserved", account);
			return DA_E_BAD_NAME;
		}
		return da_text_copy(account, ret_person, DA_USER_MAX + 1);
	}
	return DA_OK;
}

bool
da_policy_still_maps(const struct da_policy *policy, const char *account,
    bool local, const char *login, const char *issuer, const char *subject)
{
	const struct da_mapping *mapping =
	    da_config_mapping(policy->config, account);

	if (mapping == NULL)
		return !local && strcmp(account, login) == 0;
	return lists_subject(mapping, issuer, subject) ||
	    lists_person(policy, mapping, issuer, login);
}

static bool
has_group_of(const struct da_buf *groups, const struct da_config_list *list,
    const char **ret_group)
{
	const char *group = da_buf_text(groups);
	const char *end = group + groups->len;

	for (; group < end; group += strlen(group) + 1) {
		if (da_config_list_has(list, group)) {
			*ret_group = group;
			return true;
		}
	}
	return false;
}

/* Whether "NAME=VALUE" is one of the claims; the value ends at "len". */
static bool
has_claim(const struct da_buf *claims, const char *name, size_t name_len,
    const char *value, size_t len)
{
	const char *claim = da_buf_text(claims);
	const char *end = claim + claims->len;

	for (; claim < end; claim += strlen(claim) + 1) {
		if (strncmp(claim, name, name_len) == 0 &&
		    claim[name_len] == '=' &&
		    strlen(claim + name_len + 1) == len &&
		    memcmp(claim + name_len + 1, value, len) == 0)
			return true;
	}
	return false;
}

static bool
meets(const struct da_buf *claims, const char *rule)
{
	size_t name_len = strcspn(rule, "=");
	const char *value = rule + name_len;

	while (*value != '\0') {
		size_t len = strcspn(++value, "|");

		if (has_claim(claims, rule, name_len, value, len))
			return true;
		value += len;
	}
	return false;
}

static enum da_err
check_lists(const struct da_policy *policy, const char *title,
    const struct da_access *access, const char *person,
    const struct da_buf *groups, struct da_diag *diag)
{
	const char *group;

	if (person[0] != '\0' && da_config_list_has(&access->users, person)) {
		explain(policy, "%sallowed_users lists %s", title, person);
		return DA_OK;
	}
	if (has_group_of(groups, &access->groups, &group)) {
		explain(policy, "%sallowed_groups lists \"%s\"", title, group);
		return DA_OK;
	}
	da_diag_set(diag, "%s%s", title,
	    access->groups.count > 0 && access->users.count > 0
		? "allowed_users, allowed_groups"
		: access->groups.count > 0 ? "allowed_groups"
					   : "allowed_users");
	return DA_E_NOT_ALLOWED;
}

static enum da_err
check_claims(const struct da_policy *policy, const char *title,
    const struct da_access *access, const struct da_buf *claims,
    struct da_diag *diag)
{
	for (size_t i = 0; i < access->claims.count; i++) {
		const char *rule = access->claims.items[i];

		if (!meets(claims, rule)) {
			da_diag_set(diag, "%srequired_claims %s", title, rule);
			return DA_E_NOT_ALLOWED;
		}
		explain(policy, "%srequired_claims: %s holds", title, rule);
	}
	return DA_OK;
}

enum da_err
da_policy_check_access(const struct da_policy *policy, const char *person,
    const struct da_buf *groups, const struct da_buf *claims,
    struct da_diag *diag)
{
	const struct da_profile *profile = policy->profile;
	const struct da_service *service =
	    da_config_service(policy->config, policy->service);
	char title[DA_SERVICE_MAX + 16];
	enum da_err err =
	    check_lists(policy, "", &profile->access, person, groups, diag);

	if (err == DA_OK)
		err = check_claims(policy, "", &profile->access, claims, diag);
	if (err != DA_OK || service == NULL)
		return err;
	(void)snprintf(title, sizeof(title), "[service %s] ", service->name);
	if (!is_of_issuer(policy->config, service->profile, profile->issuer)) {
		da_diag_set(diag, "%sprofile", title);
		return DA_E_NOT_ALLOWED;
	}
	if (da_config_service_limits_people(service))
		err = check_lists(
		    policy, title, &service->access, person, groups, diag);
	if (err == DA_OK)
		err =
		    check_claims(policy, title, &service->access, claims, diag);
	return err;
}

/* Whether the lists could mean somebody who may log in as the account. */
static bool
could_list(const struct da_policy *policy, const struct da_access *access,
    const char *account)
{
	return access->groups.count > 0 ||
	    (da_config_mapping(policy->config, account) != NULL
		    ? access->users.count > 0
		    : da_config_list_has(&access->users, account));
}

bool
da_policy_could_succeed(const struct da_policy *policy, const char *account)
{
	const struct da_service *service =
	    da_config_service(policy->config, policy->service);
	const struct da_mapping *mapping =
	    da_config_mapping(policy->config, account);

	if (mapping != NULL && mapping->subjects.count == 0 &&
	    (mapping->people.count == 0 ||
		!is_of_issuer(
		    policy->config, mapping->profile, policy->profile->issuer)))
		return false;
	return could_list(policy, &policy->profile->access, account) &&
	    (service == NULL || !da_config_service_limits_people(service) ||
		could_list(policy, &service->access, account));
}

bool
da_policy_needs_groups(const struct da_policy *policy, const char *account)
{
	const struct da_access *access = &policy->profile->access;
	const struct da_service *service =
	    da_config_service(policy->config, policy->service);

	return policy->config->group_count > 0 ||
	    (access->groups.count > 0 &&
		!da_config_list_has(&access->users, account)) ||
	    (service != NULL && service->access.groups.count > 0);
}

static enum da_err
add_claims(const struct da_config_list *rules, char *ret, size_t size)
{
	for (size_t i = 0; i < rules->count; i++) {
		const char *rule = rules->items[i];
		size_t len = strcspn(rule, "=");
		const char *at = ret;
		size_t used = strlen(ret);
		bool known = false;

		while (!known && *(at += strspn(at, " ")) != '\0') {
			size_t word = strcspn(at, " ");

			known = word == len && memcmp(at, rule, len) == 0;
			at += word;
		}
		if (known)
			continue;
		if (used + len + 2 > size)
			return DA_E_TOO_LARGE;
		(void)snprintf(ret + used, size - used, "%s%.*s",
		    used > 0 ? " " : "", (int)len, rule);
	}
	return DA_OK;
}

enum da_err
da_policy_list_claims(
    const struct da_config *config, const char *issuer, char *ret, size_t size)
{
	enum da_err err = DA_OK;

	ret[0] = '\0';
	for (size_t i = 0; err == DA_OK && i < config->profile_count; i++) {
		if (strcmp(config->profiles[i].issuer, issuer) == 0)
			err = add_claims(
			    &config->profiles[i].access.claims, ret, size);
	}
	for (size_t i = 0; err == DA_OK && i < config->service_count; i++)
		/* Names of claims are not the issuer's: asking for one more
		 * costs nothing. */
		err = add_claims(&config->services[i].access.claims, ret, size);
	return err;
}

static bool
is_named(const struct da_config *config, const char *issuer, const char *group)
{
	const struct da_service *service = config->services;
	const struct da_group_rule *rule = config->groups;

	for (size_t i = 0; i < config->profile_count; i++) {
		if (strcmp(config->profiles[i].issuer, issuer) == 0 &&
		    da_config_list_has(
			&config->profiles[i].access.groups, group))
			return true;
	}
	for (; service < config->services + config->service_count; service++) {
		if (is_of_issuer(config, service->profile, issuer) &&
		    da_config_list_has(&service->access.groups, group))
			return true;
	}
	for (; rule < config->groups + config->group_count; rule++) {
		if (is_of_issuer(config, rule->profile, issuer) &&
		    da_config_list_has(&rule->from, group))
			return true;
	}
	return false;
}

/* Appends a text to a list, once. */
static enum da_err
keep(struct da_buf *list, const char *text)
{
	const char *at = da_buf_text(list);
	const char *end = at + list->len;

	for (; at < end; at += strlen(at) + 1) {
		if (strcmp(at, text) == 0)
			return DA_OK;
	}
	return da_buf_put(list, text, strlen(text) + 1);
}

enum da_err
da_policy_keep_groups(const struct da_config *config, const char *issuer,
    const struct da_buf *groups, struct da_buf *ret)
{
	const char *group = da_buf_text(groups);
	const char *end = group + groups->len;
	enum da_err err = DA_OK;

	for (; err == DA_OK && group < end; group += strlen(group) + 1) {
		if (is_named(config, issuer, group))
			err = keep(ret, group);
	}
	return err;
}

/* Whether some value of the rule is what the claim says. */
static bool
rules_name(const struct da_config_list *rules, const char *claim)
{
	struct da_buf one = {
	    .bytes = (uint8_t *)(uintptr_t)claim, .len = strlen(claim) + 1};

	for (size_t i = 0; i < rules->count; i++) {
		if (meets(&one, rules->items[i]))
			return true;
	}
	return false;
}

enum da_err
da_policy_keep_claims(const struct da_config *config, const char *issuer,
    const struct da_buf *claims, struct da_buf *ret)
{
	const char *claim = da_buf_text(claims);
	const char *end = claim + claims->len;
	enum da_err err = DA_OK;

	for (; err == DA_OK && claim < end; claim += strlen(claim) + 1) {
		bool named = false;

		for (size_t i = 0; i < config->profile_count; i++)
			named |=
			    strcmp(config->profiles[i].issuer, issuer) == 0 &&
			    rules_name(
				&config->profiles[i].access.claims, claim);
		for (size_t i = 0; i < config->service_count; i++)
			named |= is_of_issuer(config,
				     config->services[i].profile, issuer) &&
			    rules_name(
				&config->services[i].access.claims, claim);
		if (named)
			err = keep(ret, claim);
	}
	return err;
}

size_t
da_policy_list_groups(const struct da_config *config, const char *issuer,
    const struct da_buf *groups,
    const char *ret_names[static DA_CONFIG_SECTIONS_MAX + 1])
{
	const char *group;
	size_t count = 0;

	for (size_t i = 0; i < config->group_count; i++) {
		const struct da_group_rule *rule = &config->groups[i];

		if (is_of_issuer(config, rule->profile, issuer) &&
		    has_group_of(groups, &rule->from, &group))
			ret_names[count++] = rule->name;
	}
	ret_names[count] = NULL;
	return count;
}
