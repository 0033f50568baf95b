/*
 * Changes on top of what stands. Runs as root in the broker and the command.
 *
 * A change touches a few names of maybe a hundred thousand, so only those are
 * taken apart; the rest is copied as it is when the new file is written.
 * MUST refuse a damaged record instead of changing what is left of it.
 */
#include "account/draft.h"

#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 16

void
da_draft_init(struct da_draft *draft, const struct da_view *view)
{
	*draft = (struct da_draft){.view = view};
}

void
da_draft_done(struct da_draft *draft)
{
	for (size_t i = 0; i < draft->name_room; i++) {
		if (draft->names[i] != NULL)
			free(draft->names[i]->gids);
		free(draft->names[i]);
	}
	free(draft->names);
	free(draft->numbers);
	*draft = (struct da_draft){0};
}

static size_t
hash_name(const char *name, size_t len)
{
	uint64_t h = 0xcbf29ce484222325u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3u;
	return (size_t)(h ^ h >> 32);
}

static size_t
hash_number(uint32_t id)
{
	return (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32);
}

/* Where a name is, or the free slot where it belongs. There is a table. */
static struct da_draft_name **
find_slot(const struct da_draft *draft, const char *name, size_t len)
{
	size_t at = hash_name(name, len) & (draft->name_room - 1);

	while (draft->names[at] != NULL &&
	    (strlen(draft->names[at]->name) != len ||
		memcmp(draft->names[at]->name, name, len) != 0))
		at = (at + 1) & (draft->name_room - 1);
	return &draft->names[at];
}

/* The same for a number. */
static uint32_t *
find_number(const struct da_draft *draft, uint32_t id)
{
	size_t at = hash_number(id) & (draft->number_room - 1);

	while (draft->numbers[at] != 0 && draft->numbers[at] != id)
		at = (at + 1) & (draft->number_room - 1);
	return &draft->numbers[at];
}

/* Tables stay half empty, so that every search ends soon. */
static enum da_err
grow_names(struct da_draft *draft)
{
	struct da_draft old = *draft;

	if (draft->name_count < draft->name_room / 2)
		return DA_OK;
	draft->name_room = old.name_room == 0 ? ROOM_MIN : 2 * old.name_room;
	draft->names = calloc(draft->name_room, sizeof(struct da_draft_name *));
	if (draft->names == NULL) {
		*draft = old;
		return DA_E_NOMEM;
	}
	for (size_t i = 0; i < old.name_room; i++) {
		const char *name;

		if (old.names[i] == NULL)
			continue;
		name = old.names[i]->name;
		*find_slot(draft, name, strlen(name)) = old.names[i];
	}
	free(old.names);
	return DA_OK;
}

static enum da_err
grow_numbers(struct da_draft *draft)
{
	struct da_draft old = *draft;

	if (draft->number_count < draft->number_room / 2)
		return DA_OK;
	draft->number_room =
	    old.number_room == 0 ? ROOM_MIN : 2 * old.number_room;
	draft->numbers = calloc(draft->number_room, sizeof(uint32_t));
	if (draft->numbers == NULL) {
		*draft = old;
		return DA_E_NOMEM;
	}
	for (size_t i = 0; i < old.number_room; i++) {
		if (old.numbers[i] != 0)
			*find_number(draft, old.numbers[i]) = old.numbers[i];
	}
	free(old.numbers);
	return DA_OK;
}

enum da_err
da_draft_take_number(struct da_draft *draft, uint32_t id)
{
	enum da_err err = grow_numbers(draft);

	if (err != DA_OK || da_draft_has_number(draft, id))
		return err;
	*find_number(draft, id) = id;
	draft->number_count++;
	return DA_OK;
}

bool
da_draft_has_number(const struct da_draft *draft, uint32_t id)
{
	return draft->number_room > 0 && *find_number(draft, id) == id;
}

bool
da_draft_has(const struct da_draft *draft, const char *name, size_t len)
{
	return draft->name_room > 0 && *find_slot(draft, name, len) != NULL;
}

struct da_draft_name *
da_draft_next(const struct da_draft *draft, size_t *position)
{
	while (*position < draft->name_room) {
		struct da_draft_name *entry = draft->names[(*position)++];

		if (entry != NULL)
			return entry;
	}
	return NULL;
}

static bool
load_person(const struct da_database *db, struct da_draft_name *entry)
{
	struct da_record_person found;
	struct da_cell cell;

	if (!da_database_find(
		db, DA_KIND_PERSON, entry->name, strlen(entry->name), &cell))
		return true;
	if (!da_record_read_person(&cell, &found))
		return false;
	entry->has_person = true;
	entry->person = (struct da_compose_person){
	    .name = entry->name,
	    .gecos = found.text,
	    .home = found.text + found.gecos_len + 1,
	    .shell = found.text + found.gecos_len + 1 + found.home_len + 1,
	    .uid = found.uid,
	    .gid = found.gid,
	    .removed = found.removed,
	    .renamed = found.renamed,
	};
	return true;
}

static bool
load_group(const struct da_database *db, struct da_draft_name *entry)
{
	struct da_record_group found;
	struct da_cell cell;

	if (!da_database_find(
		db, DA_KIND_GROUP, entry->name, strlen(entry->name), &cell))
		return true;
	if (!da_record_read_group(&cell, &found))
		return false;
	entry->has_group = true;
	entry->group_removed = found.removed;
	entry->group_local = found.local;
	entry->gid = found.gid;
	return true;
}

enum da_err
da_draft_load_gids(const struct da_draft *draft, struct da_draft_name *entry)
{
	const struct da_database *db = &draft->view->accounts;
	struct da_cell cell;

	if (!da_database_find(db, DA_KIND_GROUPS_OF, entry->name,
		strlen(entry->name), &cell) ||
	    cell.value_len == 0)
		return DA_OK;
	if (cell.value_len % 4 != 0 || cell.value_len / 4 > DA_GROUPS_MAX)
		return DA_E_UNSAFE_FILE;
	entry->gids = malloc(cell.value_len);
	if (entry->gids == NULL)
		return DA_E_NOMEM;
	entry->gid_count = cell.value_len / 4;
	for (uint32_t i = 0; i < entry->gid_count; i++)
		entry->gids[i] = da_format_get_u32(cell.value + (size_t)4 * i);
	return DA_OK;
}

enum da_err
da_draft_get(struct da_draft *draft, const char *name, size_t len,
    struct da_draft_name **ret, struct da_diag *diag)
{
	const struct da_database *db = &draft->view->accounts;
	struct da_draft_name **slot, *entry;
	struct da_cell cell;
	enum da_err err = grow_names(draft);

	if (err != DA_OK)
		return err;
	slot = find_slot(draft, name, len);
	if (*slot != NULL) {
		*ret = *slot;
		return DA_OK;
	}
	entry = calloc(1, sizeof(*entry));
	if (entry == NULL)
		return DA_E_NOMEM;
	memcpy(entry->name, name, len);
	if (load_person(db, entry) && load_group(db, entry))
		err = da_draft_load_gids(draft, entry);
	else
		err = DA_E_UNSAFE_FILE;
	entry->managed =
	    da_database_find(db, DA_KIND_MANAGED, name, len, &cell);
	if (err != DA_OK) {
		if (err == DA_E_UNSAFE_FILE)
			da_diag_set(diag, "%s: the record of %s is damaged",
			    DA_FORMAT_ACCOUNTS, entry->name);
		free(entry->gids);
		free(entry);
		return err;
	}
	*slot = entry;
	draft->name_count++;
	*ret = entry;
	return DA_OK;
}

static int
compare_gids(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

enum da_err
da_draft_set_gids(struct da_draft *draft, struct da_draft_name *entry,
    uint32_t *gids, uint32_t count)
{
	uint32_t *copy = NULL;

	if (count > 0)
		qsort(gids, count, sizeof(*gids), compare_gids);
	if (count == entry->gid_count &&
	    (count == 0 ||
		memcmp(gids, entry->gids, count * sizeof(*gids)) == 0))
		return DA_OK;
	if (count > 0) {
		copy = malloc(count * sizeof(*gids));
		if (copy == NULL)
			return DA_E_NOMEM;
		memcpy(copy, gids, count * sizeof(*gids));
	}
	free(entry->gids);
	entry->gids = copy;
	entry->gid_count = count;
	entry->gids_changed = true;
	draft->changed = true;
	return DA_OK;
}
