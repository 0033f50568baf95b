/*
 * Makes records.
 * MUST check every text: readers only look whether it is there. Names and
 * numbers are checked in da_build_put_cell(), by reading the record.
 */
#include "account/compose.h"

#include <stdlib.h>
#include <string.h>

/* Appends a text and its NUL. */
static uint8_t *
add_text(uint8_t *at, const char *text, size_t len)
{
	memcpy(at, text, len);
	at[len] = '\0';
	return at + len + 1;
}

/* A key of kind and name. False when the name is longer than names are. */
static bool
make_key(uint8_t key[static DA_USER_MAX + 1], enum da_format_kind kind,
    const char *name, struct da_cell *ret)
{
	size_t len = strnlen(name, DA_USER_MAX + 1);

	if (len > DA_USER_MAX)
		return false;
	key[0] = (uint8_t)kind;
	memcpy(key + 1, name, len);
	ret->key = key;
	ret->key_len = (uint32_t)len + 1;
	return true;
}

enum da_err
da_compose_person(
    struct da_build *build, const struct da_compose_person *person)
{
	uint8_t key[DA_USER_MAX + 1], value[DA_PERSON_MAX] = {0};
	size_t gecos_len = strnlen(person->gecos, DA_GECOS_MAX + 1);
	size_t home_len = strnlen(person->home, DA_PATH_MAX + 1);
	size_t shell_len = strnlen(person->shell, DA_PATH_MAX + 1);
	struct da_cell cell = {.value = value};
	uint8_t *at = value + 1;

	if (!make_key(key, DA_KIND_PERSON, person->name, &cell) ||
	    gecos_len > DA_GECOS_MAX ||
	    !da_record_is_text(person->gecos, gecos_len) ||
	    !da_record_is_path(person->home, home_len) ||
	    !da_record_is_path(person->shell, shell_len))
		return DA_E_RANGE;
	at = add_text(at, person->gecos, gecos_len);
	at = add_text(at, person->home, home_len);
	at = add_text(at, person->shell, shell_len);
	da_format_put_u32(at + DA_PERSON_UID, person->uid);
	da_format_put_u32(at + DA_PERSON_GID, person->gid);
	da_format_put_u16(at + DA_PERSON_GECOS_LEN, (uint16_t)gecos_len);
	da_format_put_u16(at + DA_PERSON_HOME_LEN, (uint16_t)home_len);
	da_format_put_u16(at + DA_PERSON_SHELL_LEN, (uint16_t)shell_len);
	at[DA_PERSON_FLAGS] = (person->removed ? DA_FLAG_REMOVED : 0) |
	    (person->renamed ? DA_FLAG_RENAMED : 0);
	cell.value_len = (uint32_t)(at - value + DA_PERSON_HEAD);
	return da_build_put_cell(build, &cell);
}

/* Where the members' text of a group ends, and 0 when a name is too long or
 * out of order. */
static size_t
measure_members(const struct da_compose_group *group)
{
	size_t total = 0;

	for (uint32_t i = 0; i < group->count; i++) {
		size_t len = strnlen(group->members[i], DA_USER_MAX + 1);

		if (!da_account_name_is_wellformed(group->members[i], len) ||
		    (i > 0 &&
			strcmp(group->members[i - 1], group->members[i]) >= 0))
			return 0;
		total += len + 1;
	}
	return total;
}

enum da_err
da_compose_group(struct da_build *build, const struct da_compose_group *group)
{
	uint8_t key[DA_USER_MAX + 1];
	struct da_cell cell = {0};
	size_t members_len = measure_members(group), size;
	uint8_t *value, *lens, *at;
	enum da_err err;

	if (!make_key(key, DA_KIND_GROUP, group->name, &cell) ||
	    (group->count > 0 && members_len == 0))
		return DA_E_RANGE;
	size = DA_GROUP_HEAD + group->count + members_len;
	if (size > UINT32_MAX)
		return DA_E_RANGE;
	value = calloc(1, size);
	if (value == NULL)
		return DA_E_NOMEM;
	da_format_put_u32(value + DA_GROUP_GID, group->gid);
	da_format_put_u32(value + DA_GROUP_COUNT, group->count);
	da_format_put_u32(value + DA_GROUP_MEMBERS_LEN, (uint32_t)members_len);
	value[DA_GROUP_FLAGS] = (group->removed ? DA_FLAG_REMOVED : 0) |
	    (group->local ? DA_FLAG_LOCAL : 0);
	lens = value + DA_GROUP_HEAD;
	at = lens + group->count;
	for (uint32_t i = 0; i < group->count; i++) {
		lens[i] = (uint8_t)strlen(group->members[i]);
		at = add_text(at, group->members[i], lens[i]);
	}
	cell.value = value;
	cell.value_len = (uint32_t)size;
	err = da_build_put_cell(build, &cell);
	free(value);
	return err;
}

enum da_err
da_compose_gids(struct da_build *build, const char *name, const uint32_t *gids,
    uint32_t count)
{
	uint8_t key[DA_USER_MAX + 1], value[4 * DA_GROUPS_MAX];
	struct da_cell cell = {.value = value, .value_len = 4 * count};

	if (!make_key(key, DA_KIND_GROUPS_OF, name, &cell) ||
	    da_account_name_check(name) != DA_OK || count > DA_GROUPS_MAX)
		return DA_E_RANGE;
	for (uint32_t i = 0; i < count; i++) {
		if (!da_account_id_is_usable(gids[i]) &&
		    !da_record_is_local_gid(gids[i]))
			return DA_E_RANGE;
		da_format_put_u32(value + (size_t)4 * i, gids[i]);
	}
	return da_build_put_cell(build, &cell);
}

enum da_err
da_compose_managed(struct da_build *build, const char *name)
{
	uint8_t key[DA_USER_MAX + 1];
	struct da_cell cell = {.value = (const uint8_t *)""};

	if (!make_key(key, DA_KIND_MANAGED, name, &cell) ||
	    da_account_name_check(name) != DA_OK)
		return DA_E_RANGE;
	return da_build_put_cell(build, &cell);
}

enum da_err
da_compose_policy(struct da_build *build, const struct da_record_policy *policy)
{
	uint8_t key = DA_KIND_POLICY, value[DA_POLICY_MAX] = {0};
	struct da_cell cell = {.key = &key, .key_len = 1, .value = value};
	uint8_t *at = value + DA_POLICY_HEAD;

	if (!da_record_is_path(policy->home, policy->home_len) ||
	    !da_record_is_path(policy->shell, policy->shell_len) ||
	    policy->allowed_len > DA_ALLOWED_MAX ||
	    !da_record_is_text(policy->allowed, policy->allowed_len))
		return DA_E_RANGE;
	value[DA_POLICY_FLAGS] =
	    (uint8_t)((policy->first_login ? DA_FLAG_FIRST_LOGIN : 0) |
		(policy->enumerate ? DA_FLAG_ENUMERATE : 0));
	da_format_put_u16(value + DA_POLICY_HOME_LEN, policy->home_len);
	da_format_put_u16(value + DA_POLICY_SHELL_LEN, policy->shell_len);
	da_format_put_u32(value + DA_POLICY_ALLOWED_LEN, policy->allowed_len);
	at = add_text(at, policy->home, policy->home_len);
	at = add_text(at, policy->shell, policy->shell_len);
	at = add_text(at, policy->allowed, policy->allowed_len);
	cell.value_len = (uint32_t)(at - value);
	return da_build_put_cell(build, &cell);
}
