/*
 * Copies what a lookup has found. Runs in every process.
 * MUST: (1) take every piece of the buffer through pack(), which cannot give
 * more than there is; (2) believe only records that record.c has read.
 */
#include "account/layout.h"

#include <string.h>

enum da_err
da_layout_person(const struct da_record_person *person, char *buffer,
    size_t size, struct da_account *ret)
{
	char *at = buffer + person->name_len + 1;

	if ((size_t)person->name_len + 1 + person->text_len > size)
		return DA_E_RANGE;
	memcpy(buffer, person->name, person->name_len);
	at[-1] = '\0';
	memcpy(at, person->text, person->text_len);
	ret->uid = person->uid;
	ret->gid = person->gid;
	ret->name = buffer;
	ret->gecos = at;
	at += person->gecos_len + 1;
	ret->home = at;
	at += person->home_len + 1;
	ret->shell = at;
	return DA_OK;
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

/* Copies the members of one record and points at each. */
static enum da_err
give_members(const struct da_record_group *group, struct packer *packer,
    struct da_group *ret)
{
	char *text = pack(packer, group->members_len);

	if (text == NULL)
		return DA_E_RANGE;
	if (group->members_len > 0)
		memcpy(text, group->members, group->members_len);
	for (uint32_t i = 0; i < group->count; i++) {
		ret->members[i] = text;
		text += group->lens[i] + 1;
	}
	ret->members[group->count] = NULL;
	return DA_OK;
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
