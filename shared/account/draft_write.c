/*
 * Writes a draft. Runs as root in the broker and the command.
 *
 * MUST: (1) carry over every record of a name that is not in the draft, and of
 * a kind that it does not know; (2) refuse a damaged file instead of writing
 * what is left of it; (3) keep both ways of a membership alike: a group lists
 * whoever lists it.
 */
#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "account/draft.h"

#define MOVES_MIN 16

/* Somebody joins or leaves a group. */
struct move {
	uint32_t gid;
	bool joins;
	const char *name;
};

struct moves {
	struct move *list;
	size_t count;
	size_t room;
};

static void
moves_done(struct moves *moves)
{
	free(moves->list);
}

static enum da_err
add_move(struct moves *moves, uint32_t gid, bool joins, const char *name)
{
	if (moves->count == moves->room) {
		size_t room = moves->room == 0 ? MOVES_MIN : 2 * moves->room;
		struct move *list =
		    reallocarray(moves->list, room, sizeof(*list));

		if (list == NULL)
			return DA_E_NOMEM;
		moves->list = list;
		moves->room = room;
	}
	moves->list[moves->count++] = (struct move){gid, joins, name};
	return DA_OK;
}

static int
compare_moves(const void *a, const void *b)
{
	const struct move *x = a, *y = b;

	if (x->gid != y->gid)
		return x->gid > y->gid ? 1 : -1;
	return strcmp(x->name, y->name);
}

static bool
has_gid(const uint32_t *gids, uint32_t count, uint32_t gid)
{
	for (uint32_t i = 0; i < count; i++) {
		if (gids[i] == gid)
			return true;
	}
	return false;
}

/* What a name joins and leaves, compared with what stands. */
static enum da_err
collect_moves_of(const struct da_draft *draft,
    const struct da_draft_name *entry, struct moves *moves)
{
	struct da_draft_name old = {0};
	enum da_err err;

	memcpy(old.name, entry->name, sizeof(old.name));
	err = da_draft_load_gids(draft, &old);
	for (uint32_t i = 0; err == DA_OK && i < old.gid_count; i++) {
		if (!has_gid(entry->gids, entry->gid_count, old.gids[i]))
			err = add_move(moves, old.gids[i], false, entry->name);
	}
	for (uint32_t i = 0; err == DA_OK && i < entry->gid_count; i++) {
		if (!has_gid(old.gids, old.gid_count, entry->gids[i]))
			err =
			    add_move(moves, entry->gids[i], true, entry->name);
	}
	free(old.gids);
	return err;
}

/* Touches the groups that somebody joins or leaves, too. */
static enum da_err
collect_moves(struct da_draft *draft, struct moves *moves, struct da_diag *diag)
{
	const struct da_draft_name *entry;
	enum da_err err = DA_OK;
	size_t position = 0;

	while (
	    err == DA_OK && (entry = da_draft_next(draft, &position)) != NULL) {
		if (entry->gids_changed)
			err = collect_moves_of(draft, entry, moves);
	}
	if (err != DA_OK || moves->count == 0)
		return err;
	qsort(moves->list, moves->count, sizeof(*moves->list), compare_moves);
	for (size_t i = 0; err == DA_OK && i < moves->count; i++) {
		struct da_draft_name *group;
		struct da_cell cell;

		if (i > 0 && moves->list[i].gid == moves->list[i - 1].gid)
			continue;
		if (da_database_find_id(&draft->view->accounts, DA_KIND_GROUP,
			moves->list[i].gid, &cell) &&
		    da_account_name_is_wellformed(
			(const char *)cell.key + 1, cell.key_len - 1))
			err = da_draft_get(draft, (const char *)cell.key + 1,
			    cell.key_len - 1, &group, diag);
	}
	return err;
}

/* The first move of a group; they are in order. */
static size_t
find_moves(const struct moves *moves, uint32_t gid)
{
	size_t low = 0, high = moves->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (moves->list[middle].gid < gid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Merges the members that stand with the moves, both in strcmp() order. */
static uint32_t
merge_members(const struct da_record_group *old, const struct move *move,
    size_t left, const char **members)
{
	const char *at = old->members;
	uint32_t done = 0, count = 0;

	while (done < old->count || left > 0) {
		int order = done == old->count ? 1
		    : left == 0                ? -1
					       : strcmp(at, move->name);

		if (order < 0 || (order == 0 && move->joins))
			members[count++] = at;
		else if (order > 0 && move->joins)
			members[count++] = move->name;
		if (order <= 0) {
			at += old->lens[done] + 1;
			done++;
		}
		if (order >= 0) {
			move++;
			left--;
		}
	}
	return count;
}

static enum da_err
write_group(const struct da_draft *draft, struct da_build *build,
    const struct da_draft_name *entry, const struct moves *moves)
{
	struct da_compose_group group = {.name = entry->name,
	    .gid = entry->gid,
	    .removed = entry->group_removed,
	    .local = entry->group_local};
	struct da_record_group old = {0};
	const size_t first = find_moves(moves, entry->gid);
	size_t count = 0;
	const char **members;
	struct da_cell cell;
	enum da_err err;

	if (group.removed)
		return da_compose_group(build, &group);
	if (da_database_find(&draft->view->accounts, DA_KIND_GROUP, entry->name,
		strlen(entry->name), &cell) &&
	    (!da_record_read_group(&cell, &old) ||
		!da_record_has_members(&old)))
		return DA_E_RANGE;
	while (first + count < moves->count &&
	    moves->list[first + count].gid == entry->gid)
		count++;
	members = calloc(old.count + count + 1, sizeof(*members));
	if (members == NULL)
		return DA_E_NOMEM;
	group.count = merge_members(
	    &old, count > 0 ? &moves->list[first] : NULL, count, members);
	group.members = members;
	err = da_compose_group(build, &group);
	free(members);
	return err;
}

static enum da_err
write_name(const struct da_draft *draft, struct da_build *build,
    const struct da_draft_name *entry, const struct moves *moves)
{
	enum da_err err = DA_OK;

	if (entry->has_person)
		err = da_compose_person(build, &entry->person);
	if (err == DA_OK && entry->has_group)
		err = write_group(draft, build, entry, moves);
	if (err == DA_OK && entry->gid_count > 0)
		err = da_compose_gids(
		    build, entry->name, entry->gids, entry->gid_count);
	if (err == DA_OK && entry->managed)
		err = da_compose_managed(build, entry->name);
	return err;
}

/* Whether the draft has its own idea of a record. */
static bool
is_replaced(const struct da_draft *draft, const struct da_cell *cell)
{
	switch (cell->key[0]) {
	case DA_KIND_POLICY:
		return draft->policy != NULL;
	case DA_KIND_PERSON:
	case DA_KIND_GROUP:
	case DA_KIND_GROUPS_OF:
	case DA_KIND_MANAGED:
		return da_draft_has(
		    draft, (const char *)cell->key + 1, cell->key_len - 1);
	default:
		return false;
	}
}

static enum da_err
copy_others(
    const struct da_draft *draft, struct da_build *build, struct da_diag *diag)
{
	const struct da_database *db = &draft->view->accounts;
	uint32_t at = DA_FORMAT_TABLES_SIZE;
	struct da_cell cell;
	enum da_err err = DA_OK;

	if (db->bytes == NULL)
		return DA_OK;
	for (; err == DA_OK && da_database_at(db, at, &cell); at = cell.next) {
		if (!is_replaced(draft, &cell))
			err = da_build_put_cell(build, &cell);
	}
	if (err == DA_E_RANGE || (err == DA_OK && at != db->data_end)) {
		da_diag_set(diag,
		    "%s is damaged at byte %u; devauth accounts rebuild makes "
		    "it anew",
		    DA_FORMAT_ACCOUNTS, at);
		return DA_E_UNSAFE_FILE;
	}
	return err;
}

enum da_err
da_draft_write(
    struct da_draft *draft, struct da_build *build, struct da_diag *diag)
{
	DA_CLEANUP(moves_done) struct moves moves = {0};
	const struct da_draft_name *entry;
	size_t position = 0;
	enum da_err err = collect_moves(draft, &moves, diag);

	if (err == DA_OK)
		err = da_build_begin(build, diag);
	if (err != DA_OK)
		return err;
	err = copy_others(draft, build, diag);
	if (err == DA_OK && draft->policy != NULL)
		err = da_compose_policy(build, draft->policy);
	while (
	    err == DA_OK && (entry = da_draft_next(draft, &position)) != NULL)
		err = write_name(draft, build, entry, &moves);
	if (err == DA_E_RANGE) {
		da_diag_set(diag,
		    "%s has a damaged record; devauth accounts rebuild makes "
		    "it "
		    "anew",
		    DA_FORMAT_ACCOUNTS);
		return DA_E_UNSAFE_FILE;
	}
	if (err == DA_E_SYS)
		da_diag_set(diag, "cannot write %s: %m", DA_FORMAT_ACCOUNTS);
	return err == DA_OK ? da_build_commit(build, diag) : err;
}
