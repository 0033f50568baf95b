/*
 * Who is in which group, in a draft. Runs as root in the broker and the
 * command.
 *
 * The list of a name is what is changed; the members of a group are derived
 * from it when the draft is written.
 */
#include "account/member.h"

#include <string.h>

#include "account/account.h"
#include "account/owner.h"

/* The group by its name. One of the directory's gets a record here, which holds
 * the members that come from here; readers merge the two. */
static enum da_err
find_listed_group(struct da_draft *draft, const char *name, uint32_t *ret,
    struct da_diag *diag)
{
	struct da_draft_name *group;
	struct da_record_group found;
	enum da_err err = da_owner_check_name(name, diag);

	if (err == DA_OK)
		err = da_draft_get(draft, name, strlen(name), &group, diag);
	if (err != DA_OK)
		return err;
	if (!group->has_group && da_owner_find_group(draft, group, &found)) {
		err = da_draft_take_number(draft, found.gid);
		if (err != DA_OK)
			return err;
		group->has_group = true;
		group->gid = found.gid;
		draft->changed = true;
	}
	if (!group->has_group || group->group_removed) {
		da_diag_set(diag, "%s: no such group", name);
		return DA_E_CONFIG;
	}
	*ret = group->gid;
	return DA_OK;
}

enum da_err
da_member_set(struct da_draft *draft, struct da_draft_name *entry,
    const struct da_account_entry *wanted, struct da_diag *diag)
{
	const char *const *groups = wanted->groups;
	uint32_t gids[DA_GROUPS_MAX], count = 0;

	if (groups == NULL)
		return DA_OK;
	for (; *groups != NULL; groups++) {
		uint32_t gid;
		bool known = false;
		enum da_err err = find_listed_group(draft, *groups, &gid, diag);

		if (err == DA_E_CONFIG && wanted->skip_groups)
			continue;
		if (err != DA_OK)
			return err;
		for (uint32_t i = 0; i < count; i++)
			known = known || gids[i] == gid;
		if (known)
			continue;
		if (count == DA_GROUPS_MAX) {
			da_diag_set(diag, "%s: more than %d groups",
			    entry->name, DA_GROUPS_MAX);
			return DA_E_RANGE;
		}
		gids[count++] = gid;
	}
	return da_draft_set_gids(draft, entry, gids, count);
}

enum da_err
da_member_leave_all(struct da_draft *draft, struct da_draft_name *entry)
{
	return da_draft_set_gids(draft, entry, NULL, 0);
}

static enum da_err
leave_group(struct da_draft *draft, struct da_draft_name *member, uint32_t gid)
{
	uint32_t gids[DA_GROUPS_MAX], count = 0;

	for (uint32_t i = 0; i < member->gid_count; i++) {
		if (member->gids[i] != gid)
			gids[count++] = member->gids[i];
	}
	return count < member->gid_count
	    ? da_draft_set_gids(draft, member, gids, count)
	    : DA_OK;
}

/* Those that stand, and those that joined in this draft. */
enum da_err
da_member_empty(
    struct da_draft *draft, struct da_draft_name *entry, struct da_diag *diag)
{
	struct da_record_group old = {0};
	struct da_draft_name *member;
	struct da_cell cell;
	size_t position = 0;
	enum da_err err = DA_OK;
	const char *at;

	if (da_database_find(&draft->view->accounts, DA_KIND_GROUP, entry->name,
		strlen(entry->name), &cell) &&
	    (!da_record_read_group(&cell, &old) ||
		!da_record_has_members(&old)))
		return DA_E_UNSAFE_FILE;
	at = old.members;
	for (uint32_t i = 0; err == DA_OK && i < old.count; i++) {
		if (!da_account_name_is_wellformed(at, old.lens[i]))
			return DA_E_UNSAFE_FILE;
		err = da_draft_get(draft, at, old.lens[i], &member, diag);
		at += old.lens[i] + 1;
	}
	while (
	    err == DA_OK && (member = da_draft_next(draft, &position)) != NULL)
		err = leave_group(draft, member, entry->gid);
	return err;
}
