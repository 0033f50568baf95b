/*
 * Takes records apart that may come from a damaged file. Runs in every process,
 * so it is quick: a lookup checks one record, never the file, and of its texts
 * only that they are there. What is in them, the writer has checked.
 * MUST: (1) add up lengths in 64 bits and compare them with the value's before
 * a byte behind them is looked at, (2) let no text through that lacks its NUL,
 * (3) let no id through that the system reserves.
 */
#include "account/record.h"

#include <string.h>

#include "account/account.h"

bool
da_record_is_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e || text[i] == ':')
			return false;
	}
	return true;
}

bool
da_record_is_path(const char *text, size_t len)
{
	if (len < 2 || len > DA_PATH_MAX || text[0] != '/')
		return false;
	for (size_t i = 1; i < len; i++) {
		if (text[i] == '.' && text[i - 1] == '.')
			return false;
	}
	return da_record_is_text(text, len);
}

/* A text of this length is there, with its NUL, and begins like a path. */
static bool
looks_like_path(const char *text, size_t len)
{
	return len >= 2 && text[0] == '/' && text[len] == '\0';
}

/* The NUL of the text before it and the "/" that a path begins with. */
static bool
begins_path(const char *text)
{
	return memcmp(text - 1, "\0/", 2) == 0;
}

/* The flags, of which a usual record has none. */
static bool
read_flags(const uint8_t *at, struct da_record_person *ret)
{
	const uint16_t flags = da_format_get_u16(at);

	ret->removed = false;
	ret->renamed = false;
	if (__builtin_expect(flags == 0, 1))
		return true;
	ret->removed = true;
	ret->renamed = flags == (DA_FLAG_REMOVED | DA_FLAG_RENAMED);
	return flags == DA_FLAG_REMOVED || ret->renamed;
}

bool
da_record_read_named_person(
    const struct da_cell *cell, struct da_record_person *ret)
{
	const char *home, *shell;
	const uint8_t *v;

	if (cell->key[0] != DA_KIND_PERSON || cell->value_len <= DA_PERSON_HEAD)
		return false;
	v = cell->value + cell->value_len - DA_PERSON_HEAD;
	if (cell->value[0] != '\0' || !read_flags(v + DA_PERSON_FLAGS, ret))
		return false;
	ret->name = (const char *)cell->key + 1;
	ret->name_len = cell->key_len - 1;
	ret->text = (const char *)cell->value + 1;
	ret->text_len = cell->value_len - DA_PERSON_HEAD - 1;
	ret->uid = da_format_get_u32(v + DA_PERSON_UID);
	ret->gid = da_format_get_u32(v + DA_PERSON_GID);
	ret->gecos_len = da_format_get_u16(v + DA_PERSON_GECOS_LEN);
	ret->home_len = da_format_get_u16(v + DA_PERSON_HOME_LEN);
	ret->shell_len = da_format_get_u16(v + DA_PERSON_SHELL_LEN);
	if (ret->home_len < 2 || ret->shell_len < 2 ||
	    ret->text_len !=
		(size_t)ret->gecos_len + ret->home_len + ret->shell_len + 3)
		return false;
	home = ret->text + ret->gecos_len + 1;
	shell = home + ret->home_len + 1;
	return begins_path(home) && begins_path(shell) &&
	    shell[ret->shell_len] == '\0' &&
	    da_account_id_is_usable(ret->uid) &&
	    (ret->gid == ret->uid || da_account_id_is_usable(ret->gid));
}

bool
da_record_read_person(const struct da_cell *cell, struct da_record_person *ret)
{
	return da_record_read_named_person(cell, ret) &&
	    da_account_name_is_wellformed(ret->name, ret->name_len);
}

/* Root's group is as good as root. */
bool
da_record_is_local_gid(uint32_t gid)
{
	return gid != 0 && (gid < 65534 || da_account_id_is_usable(gid));
}

bool
da_record_has_members(const struct da_record_group *group)
{
	const char *at = group->members;
	size_t left = group->members_len;

	for (uint32_t i = 0; i < group->count; i++) {
		size_t len = group->lens[i];

		if (len == 0 || len > DA_USER_MAX || len >= left ||
		    at[len] != '\0')
			return false;
		at += len + 1;
		left -= len + 1;
	}
	return left == 0;
}

bool
da_record_read_group(const struct da_cell *cell, struct da_record_group *ret)
{
	const uint8_t *v = cell->value;

	if (cell->key[0] != DA_KIND_GROUP || cell->value_len < DA_GROUP_HEAD ||
	    (v[DA_GROUP_FLAGS] & ~(DA_FLAG_REMOVED | DA_FLAG_LOCAL)) != 0 ||
	    v[DA_GROUP_FLAGS + 1] != 0 || v[DA_GROUP_FLAGS + 2] != 0 ||
	    v[DA_GROUP_FLAGS + 3] != 0)
		return false;
	ret->name = (const char *)cell->key + 1;
	ret->name_len = cell->key_len - 1;
	ret->gid = da_format_get_u32(v + DA_GROUP_GID);
	ret->count = da_format_get_u32(v + DA_GROUP_COUNT);
	ret->members_len = da_format_get_u32(v + DA_GROUP_MEMBERS_LEN);
	ret->removed = (v[DA_GROUP_FLAGS] & DA_FLAG_REMOVED) != 0;
	ret->local = (v[DA_GROUP_FLAGS] & DA_FLAG_LOCAL) != 0;
	ret->lens = v + DA_GROUP_HEAD;
	if (cell->value_len - DA_GROUP_HEAD !=
		(uint64_t)ret->count + ret->members_len ||
	    !(ret->local ? da_record_is_local_gid(ret->gid)
			 : da_account_id_is_usable(ret->gid)) ||
	    !da_account_name_is_wellformed(ret->name, ret->name_len))
		return false;
	ret->members = (const char *)ret->lens + ret->count;
	return true;
}

bool
da_record_read_policy(const struct da_cell *cell, struct da_record_policy *ret)
{
	const uint8_t *v = cell->value;

	if (cell->key[0] != DA_KIND_POLICY ||
	    cell->value_len < DA_POLICY_HEAD ||
	    v[DA_POLICY_FLAGS] > (DA_FLAG_FIRST_LOGIN | DA_FLAG_ENUMERATE))
		return false;
	ret->home_len = da_format_get_u16(v + DA_POLICY_HOME_LEN);
	ret->shell_len = da_format_get_u16(v + DA_POLICY_SHELL_LEN);
	ret->allowed_len = da_format_get_u32(v + DA_POLICY_ALLOWED_LEN);
	ret->first_login = (v[DA_POLICY_FLAGS] & DA_FLAG_FIRST_LOGIN) != 0;
	ret->enumerate = (v[DA_POLICY_FLAGS] & DA_FLAG_ENUMERATE) != 0;
	if (cell->value_len - DA_POLICY_HEAD !=
	    (uint64_t)ret->home_len + ret->shell_len + ret->allowed_len + 3)
		return false;
	ret->home = (const char *)v + DA_POLICY_HEAD;
	ret->shell = ret->home + ret->home_len + 1;
	ret->allowed = ret->shell + ret->shell_len + 1;
	return looks_like_path(ret->home, ret->home_len) &&
	    looks_like_path(ret->shell, ret->shell_len) &&
	    ret->allowed[ret->allowed_len] == '\0';
}
