#include "known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "account/listing.h"
#include "account/local.h"
#include "account/reader.h"
#include "core/clock.h"
#include "core/paths.h"
#include "store/config.h"
#include "store/people.h"
#include "store/person.h"

static int
compare(const void *left, const void *right)
{
	return strcmp(((const struct da_known *)left)->name,
	    ((const struct da_known *)right)->name);
}

static void
sort(struct da_known_list *list)
{
	if (list->count > 0)
		qsort(list->items, list->count, sizeof(*list->items), compare);
}

const struct da_known *
da_known_find(const struct da_known_list *list, const char *name)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(list->items[middle].name, name);

		if (order == 0)
			return &list->items[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static enum da_err
append(struct da_known_list *list, const char *name,
    enum da_known_account account, uint32_t uid, struct da_known **ret)
{
	if (list->count == list->room) {
		size_t room = 2 * list->room + 16;
		struct da_known *items =
		    reallocarray(list->items, room, sizeof(*items));

		if (items == NULL)
			return DA_E_NOMEM;
		list->items = items;
		list->room = room;
	}
	*ret = &list->items[list->count++];
	**ret = (struct da_known){.account = account, .uid = uid};
	(void)stpcpy((*ret)->name, name);
	return DA_OK;
}

static enum da_err
add_listed(struct da_known_list *list)
{
	struct da_listing listing;
	struct da_known *added;
	uint32_t position = 0;
	enum da_err err = DA_OK;

	while (err == DA_OK &&
	    (err = da_listing_next(&list->view, &position, &listing)) ==
		DA_OK) {
		struct da_local local = {0};

		switch (listing.kind) {
		case DA_LISTING_PERSON:
			err = append(list, listing.name, DA_KNOWN_PERSON,
			    listing.id, &added);
			break;
		case DA_LISTING_REMOVED:
			err = append(list, listing.name, DA_KNOWN_REMOVED,
			    listing.id, &added);
			break;
		case DA_LISTING_RENAMED:
			err = append(list, listing.name, DA_KNOWN_RENAMED,
			    listing.id, &added);
			break;
		case DA_LISTING_MANAGED:
			err = da_local_find(&da_paths, listing.name, 0, &local);
			if (err == DA_OK)
				err = append(list, listing.name,
				    local.passwd_name ? DA_KNOWN_MANAGED
						      : DA_KNOWN_GONE,
				    local.uid, &added);
			break;
		case DA_LISTING_GROUP:
		case DA_LISTING_REMOVED_GROUP:
			break;
		}
	}
	return err == DA_E_ABSENT ? DA_OK : err;
}

/* People whom only the directory has. */
static enum da_err
add_directory(struct da_known_list *list)
{
	struct da_account account;
	struct da_known *added;
	char buffer[2048];
	struct da_reader_walk walk;
	struct da_known_list here = *list; /* as sorted until now */
	enum da_err err = DA_OK;

	da_reader_start_walk(&list->view, NULL, &walk);
	while (err == DA_OK &&
	    (err = da_reader_next_person(
		 &walk, buffer, sizeof(buffer), &account)) == DA_OK) {
		here.items = list->items; /* may have moved */
		if (da_known_find(&here, account.name) == NULL)
			err = append(list, account.name, DA_KNOWN_DIRECTORY,
			    account.uid, &added);
	}
	return err == DA_E_ABSENT ? DA_OK : err;
}

static bool
is_lost(const struct da_known *known)
{
	return known->account == DA_KNOWN_NONE && known->record_uid != 0;
}

struct merge {
	struct da_known_list *list;
	size_t sorted;
};

static enum da_err
merge_person(
    void *context, const struct da_person *person, const char *complaint)
{
	struct merge *merge = context;
	struct da_known_list here = *merge->list;
	struct da_known *known;
	enum da_err err = DA_OK;

	(void)complaint; /* accounts check tells */
	if (person == NULL) {
		merge->list->damaged_count++;
		return DA_OK;
	}
	here.count = merge->sorted;
	known =
	    (struct da_known *)(uintptr_t)da_known_find(&here, person->name);
	if (known == NULL)
		err =
		    append(merge->list, person->name, DA_KNOWN_NONE, 0, &known);
	if (err != DA_OK)
		return err;
	known->has_record = true;
	known->locked = person->locked;
	known->barred = da_person_is_barred(person);
	known->record_uid = person->uid;
	known->record_state = person->state;
	known->state_since_s = person->state_since_s;
	if (is_lost(known))
		merge->list->lost_count++;
	known->verified_at_s = person->verified_at_s;
	known->withdrawn = person->withdrawn;
	return DA_OK;
}

static enum da_err
add_private(struct da_known_list *list, struct da_diag *diag)
{
	struct merge merge = {.list = list, .sorted = list->count};
	enum da_err err = da_people_each(&da_paths, merge_person, &merge, diag);

	list->has_private = err == DA_OK;
	return err;
}

static int
compare_owners(const void *left, const void *right)
{
	const struct da_known *const *a = left;
	const struct da_known *const *b = right;

	return ((*a)->uid > (*b)->uid) - ((*a)->uid < (*b)->uid);
}

static enum da_err
index_owners(struct da_known_list *list)
{
	list->owners = calloc(list->count + 1, sizeof(*list->owners));
	if (list->owners == NULL)
		return DA_E_NOMEM;
	for (size_t i = 0; i < list->count; i++) {
		const struct da_known *known = &list->items[i];

		if (known->account == DA_KNOWN_PERSON ||
		    known->account == DA_KNOWN_REMOVED ||
		    known->account == DA_KNOWN_DIRECTORY)
			list->owners[list->owner_count++] = known;
	}
	qsort((void *)list->owners, list->owner_count, sizeof(*list->owners),
	    compare_owners);
	return DA_OK;
}

const struct da_known *
da_known_find_owner(const struct da_known_list *list, uint32_t uid)
{
	const struct da_known wanted = {.uid = uid}, *key = &wanted;
	const struct da_known *const *found = list->owner_count > 0
	    ? bsearch(&key, (const void *)list->owners, list->owner_count,
		  sizeof(*list->owners), compare_owners)
	    : NULL;

	return found != NULL ? *found : NULL;
}

enum da_err
da_known_open(const struct da_config *config, struct da_known_list *ret,
    struct da_diag *diag)
{
	enum da_err err;

	*ret = (struct da_known_list){
	    .max_age_s = config != NULL ? config->account_max_age_s : 0};
	errno = 0;
	err = da_view_open(&da_paths, &ret->view);
	ret->is_set_up = err == DA_OK;
	if (err == DA_OK)
		err = add_listed(ret);
	if (err == DA_OK) {
		sort(ret);
		err = add_directory(ret);
	}
	if (err == DA_E_ABSENT) {
		err = DA_OK; /* nobody was here yet */
	} else if (err != DA_OK && err != DA_E_NOMEM) {
		da_diag_set(diag,
		    "the account database in %s cannot be read; "
		    "\"devauth accounts check\" tells why",
		    da_paths.state_dir);
		err = DA_E_UNSAFE_FILE;
	}
	sort(ret);
	if (err == DA_OK && geteuid() == 0)
		err = add_private(ret, diag);
	sort(ret);
	if (err == DA_OK)
		err = index_owners(ret);
	if (err != DA_OK)
		da_known_close(ret);
	return err;
}

void
da_known_close(struct da_known_list *list)
{
	free(list->items);
	free((void *)list->owners);
	da_view_close(&list->view);
	*list = (struct da_known_list){0};
}

bool
da_known_misses_accounts(const struct da_known_list *list)
{
	return list->lost_count > 0 ||
	    (list->is_set_up && list->view.accounts.bytes == NULL);
}

bool
da_known_is_renamed(const struct da_known *known)
{
	return known->account == DA_KNOWN_RENAMED ||
	    (known->account == DA_KNOWN_NONE &&
		known->record_state == DA_PERSON_RENAMED);
}

bool
da_known_uid(const struct da_known *known, uint32_t *ret_uid)
{
	*ret_uid = is_lost(known) ? known->record_uid : known->uid;
	return !da_known_is_renamed(known) && known->account != DA_KNOWN_GONE &&
	    (*ret_uid != 0 || known->account == DA_KNOWN_MANAGED);
}

const struct da_known *
da_known_find_present(
    const struct da_known_list *list, const struct da_known *renamed)
{
	const struct da_known *found = da_known_find_owner(list, renamed->uid);

	for (size_t i = 0; is_lost(renamed) && i < list->count; i++) {
		const struct da_known *known = &list->items[i];

		if (is_lost(known) && !da_known_is_renamed(known) &&
		    known->record_uid == renamed->record_uid)
			found = known;
	}
	return found;
}

static const char *
state_of_sign_in(const struct da_known_list *list, const struct da_known *known)
{
	int64_t age_s = da_clock_wall_s() - known->verified_at_s;

	if (known->verified_at_s == 0)
		return "new";
	if (known->withdrawn)
		return "withdrawn";
	return list->max_age_s > 0 && (age_s < 0 || age_s > list->max_age_s)
	    ? "stale"
	    : "active";
}

const char *
da_known_state(const struct da_known_list *list, const struct da_known *known)
{
	switch (known->account) {
	case DA_KNOWN_REMOVED:
		return "removed";
	case DA_KNOWN_RENAMED:
		return "renamed";
	case DA_KNOWN_MANAGED:
		return "managed";
	case DA_KNOWN_GONE:
		return "gone";
	default:
		break;
	}
	if (known->record_state == DA_PERSON_RENAMED)
		return "renamed";
	if (known->locked)
		return "locked";
	if (known->barred)
		return "removed";
	if (is_lost(known))
		return "lost";
	return list->has_private ? state_of_sign_in(list, known) : "active";
}

/* Local groups, which people are put into, have a record as well. */
static enum da_err
name_group(const struct da_known_list *list, uint32_t gid, struct da_buf *ret)
{
	const char *space = ret->len > 0 ? " " : "";
	const struct da_view *view = &list->view;
	struct da_cell cell;

	if (!da_database_find_id(&view->accounts, DA_KIND_GROUP, gid, &cell) &&
	    !da_database_find_id(&view->directory, DA_KIND_GROUP, gid, &cell))
		return da_buf_format(ret, "%s%u", space, gid);
	return da_buf_format(ret, "%s%.*s", space, (int)cell.key_len - 1,
	    (const char *)cell.key + 1);
}

enum da_err
da_known_groups(
    const struct da_known_list *list, const char *name, struct da_buf *ret)
{
	struct da_reader_gids gids;
	uint32_t gid;
	enum da_err err = DA_OK;

	da_reader_find_gids(&list->view, name, &gids);
	while (err == DA_OK && da_reader_next_gid(&list->view, &gids, &gid))
		err = name_group(list, gid, ret);
	return err;
}
