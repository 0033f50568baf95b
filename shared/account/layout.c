/*
 * Copies what a lookup has found. Runs in every process.
 * MUST: (1) take every piece of the buffer through pack(), which cannot give
 * more than there is; (2) believe only records that record.c has read.
 */
#include "account/layout.h"

#include <string.h>

/* Bytes of a person, with the NULs. */
static inline size_t
measure_person(const struct da_record_person *person)
{
	return (size_t)person->name_len + 1 + person->text_len;
}

static inline void
point(const struct da_record_person *person, char *at, struct da_account *ret)
{
	ret->uid = person->uid;
	ret->gid = person->gid;
	ret->name = at;
	at += person->name_len + 1;
	ret->gecos = at;
	at += person->gecos_len + 1;
	ret->home = at;
	at += person->home_len + 1;
	ret->shell = at;
}

enum da_err
da_layout_person(const struct da_record_person *person, char *buffer,
    size_t size, struct da_account *ret)
{
	size_t len = measure_person(person);

	if (len > size)
		return DA_E_RANGE;
	memcpy(buffer, person->name, len);
	point(person, buffer, ret);
	return DA_OK;
}

typedef uint8_t block __attribute__((vector_size(16)));

/* 32 bytes from the start and 32 up to the end. */
bool
da_layout_short_person(
    const struct da_record_person *person, char *buffer, struct da_account *ret)
{
	DA_UNSET block first, second, third, last;
	size_t len = measure_person(person);

	if (len < 32 || len > DA_READER_SHORT)
		return false;
	memcpy(&first, person->name, 16);
	memcpy(&second, person->name + 16, 16);
	memcpy(&third, person->name + len - 32, 16);
	memcpy(&last, person->name + len - 16, 16);
	memcpy(buffer, &first, 16);
	memcpy(buffer + 16, &second, 16);
	memcpy(buffer + len - 32, &third, 16);
	memcpy(buffer + len - 16, &last, 16);
	point(person, buffer, ret);
	return true;
}

/* Hands out pieces of the caller's buffer. */
struct packer {
	char *at;
	size_t left;
};

static char *
pack(struct packer *packer, size_t len)
{
	char *piece = packer->at;

	if (len > packer->left)
		return NULL;
	packer->at += len;
	packer->left -= len;
	return piece;
}

#define ALL(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Adds up the lengths of names, eight at a time: in pairs, then all four pairs.
 * 0 when one is no length of a name. */
static uint64_t
sum_lens(const uint8_t *at, uint32_t count)
{
	const uint64_t low = UINT64_C(0x00ff00ff00ff00ff);
	uint64_t sum = 0, wrong = 0;

	for (; count >= 8; count -= 8, at += 8) {
		const uint64_t eight = da_format_get_u64(at);
		const uint64_t pairs = (eight & low) + (eight >> 8 & low);

		/* High bits: too long, longer still, zero. */
		wrong |= (eight + ALL(0x7f - DA_USER_MAX)) | eight |
		    ~(eight + ALL(0x7f));
		sum += pairs * UINT64_C(0x0001000100010001) >> 48;
	}
	for (; count > 0; count--, at++) {
		if (*at == 0 || *at > DA_USER_MAX)
			return 0;
		sum += *at;
	}
	return (wrong & ALL(0x80)) == 0 ? sum : 0;
}

/* Copies the members of one record and points at each. With the right sum of
 * their lengths no pointer leaves the text. */
static enum da_err
give_members(const struct da_record_group *group, struct packer *packer,
    struct da_group *ret)
{
	char *text, **members = ret->members;
	char behind = '\0';

	if (sum_lens(group->lens, group->count) + group->count !=
	    group->members_len)
		return DA_E_ABSENT;
	text = pack(packer, group->members_len);
	if (text == NULL)
		return DA_E_RANGE;
	if (group->members_len > 0)
		memcpy(text, group->members, group->members_len);
	for (uint32_t i = 0; i < group->count; i++) {
		size_t len = group->lens[i];

		members[i] = text;
		behind |= text[len];
		text += len + 1;
	}
	members[group->count] = NULL;
	return behind == '\0' ? DA_OK : DA_E_ABSENT;
}

/* Merges the members of two records, both in strcmp() order. */
static enum da_err
merge_members(const struct da_layout_group *found, struct packer *packer,
    struct da_group *ret)
{
	const struct da_record_group *from[2] = {&found->group, &found->more};
	const char *at[2] = {from[0]->members, from[1]->members};
	uint32_t done[2] = {0, 0};
	size_t count = 0;

	if (!da_record_has_members(&found->group))
		return DA_E_ABSENT;
	while (done[0] < from[0]->count || done[1] < from[1]->count) {
		int side, order;
		size_t len;
		char *text;

		if (done[0] == from[0]->count)
			order = 1;
		else if (done[1] == from[1]->count)
			order = -1;
		else
			order = strcmp(at[0], at[1]);
		side = order > 0;
		len = (size_t)from[side]->lens[done[side]] + 1;
		text = pack(packer, len);
		if (text == NULL)
			return DA_E_RANGE;
		memcpy(text, at[side], len);
		ret->members[count++] = text;
		at[side] += len;
		done[side]++;
		if (order == 0) {
			at[1] += from[1]->lens[done[1]] + 1;
			done[1]++;
		}
	}
	ret->members[count] = NULL;
	return DA_OK;
}

/* Lays a group out: the pointers first, where they are aligned, then text. */
enum da_err
da_layout_group(const struct da_layout_group *found, char *buffer, size_t size,
    struct da_group *ret)
{
	const struct da_record_group *group = &found->group;
	struct packer packer = {.at = buffer, .left = size};
	size_t pointers = (size_t)group->count + found->more.count + 1;
	size_t gap = -(uintptr_t)buffer % _Alignof(char *);
	struct da_group result = {.gid = group->gid};
	enum da_err err;

	if (pack(&packer, gap) == NULL)
		return DA_E_RANGE;
	result.members =
	    (char **)(void *)pack(&packer, pointers * sizeof(char *));
	if (result.members == NULL)
		return DA_E_RANGE;
	err = found->more.count == 0 ? give_members(group, &packer, &result)
				     : merge_members(found, &packer, &result);
	if (err != DA_OK)
		return err;
	result.name = pack(&packer, (size_t)group->name_len + 1);
	if (result.name == NULL)
		return DA_E_RANGE;
	memcpy(result.name, group->name, group->name_len);
	result.name[group->name_len] = '\0';
	*ret = result;
	return DA_OK;
}
