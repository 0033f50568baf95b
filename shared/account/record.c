/*
 * Checks records that may come from a damaged file. Runs in every process, so
 * it is quick: a lookup checks one record, never the file.
 * MUST: (1) add up lengths in 64 bits and compare them with the value's before
 * a byte behind them is looked at, (2) let no text through that lacks its NUL,
 * (3) let no id through that the system reserves.
 */
#include "account/record.h"

#include <string.h>

#include "account/account.h"

/*
 * Texts are checked sixteen bytes at a time, because each lookup of each
 * process comes through here. A comparison of lanes gives -1 or 0 in each.
 */
typedef int8_t lanes __attribute__((vector_size(16)));

#define LANES sizeof(lanes)
#define ALL(byte) ((lanes){0} + (int8_t)(byte))

typedef lanes (*lanes_rule)(lanes);

/* 0x20..0x7e without ':'; bytes above are negative here. */
static inline lanes
rule_text(lanes v)
{
	return (v >= ALL(' ')) & (v != ALL(0x7f)) & (v != ALL(':'));
}

/* What names consist of. */
static inline lanes
rule_name(lanes v)
{
	return ((v >= ALL('a')) & (v <= ALL('z'))) |
	    ((v >= ALL('0')) & (v <= ALL('9'))) | (v == ALL('_')) |
	    (v == ALL('-'));
}

static inline uint64_t
halves_or(lanes v)
{
	uint64_t half[2];

	memcpy(half, &v, sizeof(half));
	return half[0] | half[1];
}

/* The sum of lanes that are 0..127 each. */
static inline size_t
sum(lanes v)
{
	uint64_t half[2];
	size_t total = 0;

	memcpy(half, &v, sizeof(half));
	for (size_t i = 0; i < 2; i++) {
		/* Pairs first: eight lanes may sum up to more than a byte. */
		half[i] = (half[i] & UINT64_C(0x00ff00ff00ff00ff)) +
		    (half[i] >> 8 & UINT64_C(0x00ff00ff00ff00ff));
		total += (half[i] * UINT64_C(0x0001000100010001)) >> 48;
	}
	return total;
}

/* Sees to it that the lanes can count the NULs of a piece. */
#define PIECE (127 * LANES)

/* Counts the NULs among "len" bytes, SIZE_MAX when one of the others breaks
 * the rule. The last lanes overlap those before, and count once. */
static inline __attribute__((always_inline)) size_t
count_nuls_piece(const char *text, size_t len, lanes_rule rule)
{
	static const lanes index = {
	    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
	lanes v, nul, good = ALL(-1), nuls = ALL(0);
	size_t rest = len % LANES;

	for (size_t i = 0; i + LANES <= len; i += LANES) {
		memcpy(&v, text + i, LANES);
		nul = v == ALL(0);
		good &= rule(v) | nul;
		nuls -= nul;
	}
	if (rest > 0) {
		lanes counted = index < ALL(LANES - rest);

		if (len >= LANES) {
			memcpy(&v, text + len - LANES, LANES);
		} else {
			v = ALL(0);
			memcpy((char *)&v + LANES - rest, text, rest);
		}
		nul = (v == ALL(0)) & ~counted;
		good &= rule(v) | nul | counted;
		nuls -= nul;
	}
	return halves_or(~good) == 0 ? sum(nuls) : SIZE_MAX;
}

static inline __attribute__((always_inline)) size_t
count_nuls(const char *text, size_t len, lanes_rule rule)
{
	size_t nuls = 0;

	while (len > 0) {
		size_t piece = len < PIECE ? len : PIECE;
		size_t found = count_nuls_piece(text, piece, rule);

		if (found == SIZE_MAX)
			return SIZE_MAX;
		nuls += found;
		text += piece;
		len -= piece;
	}
	return nuls;
}

bool
da_record_is_text(const char *text, size_t len)
{
	return count_nuls(text, len, rule_text) == 0;
}

/* Whether a printable text is an absolute path below the root. */
static bool
is_absolute(const char *text, size_t len)
{
	const char *dot;

	if (len < 2 || len > DA_PATH_MAX || text[0] != '/')
		return false;
	dot = memchr(text, '.', len - 1);
	while (dot != NULL && dot[1] != '.')
		dot = memchr(dot + 1, '.', len - 1 - (size_t)(dot + 1 - text));
	return dot == NULL;
}

bool
da_record_is_path(const char *text, size_t len)
{
	return is_absolute(text, len) && da_record_is_text(text, len);
}

#define PERSON_TEXTS 4u /* each with its NUL, and no other */

/* Takes "len" bytes and their NUL from the front of what is left of a value. */
static bool
take_text(const char **at, size_t len, const char **ret)
{
	*ret = *at;
	*at += len + 1;
	return (*ret)[len] == '\0';
}

bool
da_record_read_named_person(
    const struct da_cell *cell, struct da_record_person *ret)
{
	const uint8_t *v = cell->value;
	const char *at, *name, *gecos, *home, *shell;
	struct da_record_person person;

	if (cell->key[0] != DA_KIND_PERSON || cell->key_len < 2 ||
	    cell->key_len > DA_USER_MAX + 1 ||
	    cell->value_len < DA_PERSON_HEAD)
		return false;
	at = (const char *)v + DA_PERSON_HEAD;
	person = (struct da_record_person){
	    .text = at,
	    .text_len = cell->value_len - DA_PERSON_HEAD,
	    .uid = da_format_get_u32(v + DA_PERSON_UID),
	    .gid = da_format_get_u32(v + DA_PERSON_GID),
	    .name_len = (uint16_t)(cell->key_len - 1),
	    .gecos_len = da_format_get_u16(v + DA_PERSON_GECOS_LEN),
	    .home_len = da_format_get_u16(v + DA_PERSON_HOME_LEN),
	    .shell_len = da_format_get_u16(v + DA_PERSON_SHELL_LEN),
	    .removed = v[DA_PERSON_FLAGS] == DA_FLAG_REMOVED,
	};
	if (v[DA_PERSON_FLAGS] > DA_FLAG_REMOVED ||
	    v[DA_PERSON_FLAGS + 1] != 0 ||
	    person.text_len != (size_t)person.name_len + person.gecos_len +
		person.home_len + person.shell_len + PERSON_TEXTS)
		return false;
	if (!da_account_id_is_usable(person.uid) ||
	    !da_account_id_is_usable(person.gid))
		return false;
	if (!take_text(&at, person.name_len, &name) ||
	    memcmp(name, cell->key + 1, person.name_len) != 0 ||
	    !take_text(&at, person.gecos_len, &gecos) ||
	    person.gecos_len > DA_GECOS_MAX ||
	    !take_text(&at, person.home_len, &home) ||
	    !is_absolute(home, person.home_len) ||
	    !take_text(&at, person.shell_len, &shell) ||
	    !is_absolute(shell, person.shell_len) ||
	    count_nuls(person.text, person.text_len, rule_text) !=
		PERSON_TEXTS)
		return false;
	*ret = person;
	return true;
}

bool
da_record_read_person(const struct da_cell *cell, struct da_record_person *ret)
{
	struct da_record_person person;

	if (!da_record_read_named_person(cell, &person) ||
	    !da_account_name_is_wellformed(person.text, person.name_len))
		return false;
	*ret = person;
	return true;
}

/* Whether the lengths fit the text, and all of it is names. */
static bool
are_members(const struct da_record_group *group)
{
	const char *at = group->members;
	size_t left = group->members_len;

	if (count_nuls(at, left, rule_name) != group->count)
		return false;
	for (uint32_t i = 0; i < group->count; i++) {
		size_t len = group->lens[i];

		/* Of what names consist of, those above '_' may come first. */
		if (len == 0 || len > DA_USER_MAX || len >= left ||
		    at[len] != '\0' || at[0] < '_')
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
	const char *at;
	struct da_record_group group;

	if (cell->key[0] != DA_KIND_GROUP || cell->key_len < 2 ||
	    cell->key_len > DA_USER_MAX + 1 || cell->value_len < DA_GROUP_HEAD)
		return false;
	group = (struct da_record_group){
	    .lens = v + DA_GROUP_HEAD,
	    .members_len = da_format_get_u32(v + DA_GROUP_MEMBERS_LEN),
	    .count = da_format_get_u32(v + DA_GROUP_COUNT),
	    .gid = da_format_get_u32(v + DA_GROUP_GID),
	    .name_len = (uint16_t)(cell->key_len - 1),
	    .removed = v[DA_GROUP_FLAGS] == DA_FLAG_REMOVED,
	};
	if (v[DA_GROUP_FLAGS] > DA_FLAG_REMOVED ||
	    v[DA_GROUP_FLAGS + 1] != 0 || v[DA_GROUP_FLAGS + 2] != 0 ||
	    v[DA_GROUP_FLAGS + 3] != 0 ||
	    cell->value_len - DA_GROUP_HEAD != (uint64_t)group.count +
		group.name_len + 1 + group.members_len ||
	    !da_account_id_is_usable(group.gid))
		return false;
	at = (const char *)group.lens + group.count;
	if (!take_text(&at, group.name_len, &group.name) ||
	    memcmp(group.name, cell->key + 1, group.name_len) != 0 ||
	    !da_account_name_is_wellformed(group.name, group.name_len))
		return false;
	group.members = at;
	if (!are_members(&group))
		return false;
	*ret = group;
	return true;
}

bool
da_record_read_policy(const struct da_cell *cell, struct da_record_policy *ret)
{
	const uint8_t *v = cell->value;
	const char *at;
	struct da_record_policy policy;

	if (cell->key[0] != DA_KIND_POLICY || cell->key_len != 1 ||
	    cell->value_len < DA_POLICY_HEAD)
		return false;
	at = (const char *)v + DA_POLICY_HEAD;
	policy = (struct da_record_policy){
	    .home_len = da_format_get_u16(v + DA_POLICY_HOME_LEN),
	    .shell_len = da_format_get_u16(v + DA_POLICY_SHELL_LEN),
	    .allowed_len = da_format_get_u32(v + DA_POLICY_ALLOWED_LEN),
	    .first_login = (v[DA_POLICY_FLAGS] & DA_FLAG_FIRST_LOGIN) != 0,
	    .enumerate = (v[DA_POLICY_FLAGS] & DA_FLAG_ENUMERATE) != 0,
	};
	if ((v[DA_POLICY_FLAGS] & ~(DA_FLAG_FIRST_LOGIN | DA_FLAG_ENUMERATE)) !=
		0 ||
	    cell->value_len - DA_POLICY_HEAD != (uint64_t)policy.home_len +
		policy.shell_len + policy.allowed_len + 3 ||
	    policy.allowed_len > DA_ALLOWED_MAX)
		return false;
	if (!take_text(&at, policy.home_len, &policy.home) ||
	    !da_record_is_path(policy.home, policy.home_len) ||
	    !take_text(&at, policy.shell_len, &policy.shell) ||
	    !da_record_is_path(policy.shell, policy.shell_len) ||
	    !take_text(&at, policy.allowed_len, &policy.allowed) ||
	    !da_record_is_text(policy.allowed, policy.allowed_len))
		return false;
	*ret = policy;
	return true;
}

bool
da_record_list_has(const char *list, size_t list_len, const char *name,
    size_t name_len)
{
	size_t at = 0;

	while (at < list_len) {
		const char *space = memchr(list + at, ' ', list_len - at);
		size_t len = space != NULL ? (size_t)(space - (list + at))
					   : list_len - at;

		if (len == name_len && memcmp(list + at, name, len) == 0)
			return true;
		at += len + 1;
	}
	return false;
}
