#include "broker/policy.h"

#include <string.h>

#include "account/account.h"
#include "core/text.h"

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

enum da_err
da_policy_map_name(const struct da_profile *profile, const char *claim,
    char ret_name[static DA_USER_MAX + 1], struct da_diag *diag)
{
	const char *at = strrchr(claim, '@');
	size_t len = at != NULL ? (size_t)(at - claim) : strlen(claim);
	char name[DA_USER_MAX + 1];

	if (at != NULL && !lists_domain(&profile->strip_domains, at + 1)) {
		da_diag_set(diag,
		    "strip_domains does not list the domain of "
		    "the claim %s",
		    profile->username_claim);
		return DA_E_BAD_NAME;
	}
	if (len > DA_USER_MAX) {
		da_diag_set(diag, "the claim %s is longer than %d characters",
		    profile->username_claim, DA_USER_MAX);
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
		    profile->username_claim);
		return DA_E_BAD_NAME;
	}
	if (da_account_name_is_reserved(name)) {
		da_diag_set(diag, "the name %s is reserved", name);
		return DA_E_BAD_NAME;
	}
	memcpy(ret_name, name, sizeof(name));
	return DA_OK;
}

enum da_err
da_policy_check_access(const struct da_profile *profile, const char *name,
    const struct da_buf *groups, struct da_diag *diag)
{
	const char *group = da_buf_text(groups);
	const char *end = group + groups->len;

	if (da_config_list_has(&profile->allowed_users, name))
		return DA_OK;
	for (; group < end; group += strlen(group) + 1) {
		if (da_config_list_has(&profile->allowed_groups, group))
			return DA_OK;
	}
	da_diag_set(diag, "%s",
	    profile->allowed_groups.count > 0 &&
		    profile->allowed_users.count > 0
		? "allowed_users, allowed_groups"
		: profile->allowed_groups.count > 0 ? "allowed_groups"
						    : "allowed_users");
	return DA_E_NOT_ALLOWED;
}

bool
da_policy_could_succeed(const struct da_profile *profile, const char *name)
{
	return profile->allowed_groups.count > 0 ||
	    da_config_list_has(&profile->allowed_users, name);
}

enum da_err
da_policy_keep_groups(const struct da_profile *profile,
    const struct da_buf *groups, struct da_buf *ret)
{
	const char *group = da_buf_text(groups);
	const char *end = group + groups->len;
	enum da_err err = DA_OK;

	for (; err == DA_OK && group < end; group += strlen(group) + 1) {
		if (da_config_list_has(&profile->allowed_groups, group))
			err = da_buf_put(ret, group, strlen(group) + 1);
	}
	return err;
}
