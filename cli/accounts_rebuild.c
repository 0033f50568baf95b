/*
 * devauth accounts rebuild: a new accounts.cdb from what is readable of the old
 * one and from the private records of people, which have name and uid as well.
 *
 * Where all is whole it changes nothing: there is nothing to be won.
 *
 * MUST: (1) invent no uid; (2) put the old file back when the new one cannot be
 * made; (3) keep a name, a number or an identity that was retired anywhere
 * retired.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/account.h"
#include "account/listing.h"
#include "account/local.h"
#include "account/writer.h"
#include "accounts_check.h"
#include "admin.h"
#include "apply.h"
#include "command.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "known.h"
#include "map.h"
#include "store/config.h"
#include "store/people.h"
#include "store/person.h"
#include "store/policy.h"

#define DAMAGED "accounts.cdb.damaged"
/* There while a rebuild is under way, so that what a crash left is not taken
 * for whole. */
#define UNFINISHED "accounts.cdb.unfinished"

struct rebuild {
	struct da_config *config;
	struct da_people people;
	struct da_map map;
	struct da_map old_groups; /* removed ones have the kind REMOVED */
	struct da_map_changes changes;
	int dir;
	bool old_is_whole;
	bool old_is_there;
	size_t damaged_records;
	bool nothing_to_do;
	struct da_diag diag;
};

static void
rebuild_done(struct rebuild *rebuild)
{
	da_config_free(rebuild->config);
	da_people_close(&rebuild->people);
	da_map_done(&rebuild->map);
	da_map_done(&rebuild->old_groups);
	da_map_changes_done(&rebuild->changes);
	da_file_closep(&rebuild->dir);
}

/* --- what the old file still says --- */

static enum da_err
keep_old(struct rebuild *rebuild, const struct da_listing *old)
{
	struct da_map_entry *entry;
	struct da_local local;
	enum da_err err;

	switch (old->kind) {
	case DA_LISTING_PERSON:
	case DA_LISTING_REMOVED:
	case DA_LISTING_RENAMED:
		err = da_map_add(&rebuild->map, old->name, old->id,
		    old->kind == DA_LISTING_PERSON        ? DA_MAP_PERSON
			: old->kind == DA_LISTING_REMOVED ? DA_MAP_REMOVED
							  : DA_MAP_RENAMED,
		    &entry);
		if (err != DA_OK)
			return err;
		entry->gecos = strdup(old->gecos);
		entry->home = strdup(old->home);
		entry->shell = strdup(old->shell);
		return entry->gecos != NULL && entry->home != NULL &&
			entry->shell != NULL
		    ? DA_OK
		    : DA_E_NOMEM;
	case DA_LISTING_GROUP:
	case DA_LISTING_REMOVED_GROUP:
		/* Local ones, which the configuration lends out. */
		err = da_local_find(&da_paths, old->name, old->id, &local);
		if (err != DA_OK || local.group_name ||
		    !da_account_id_is_usable(old->id))
			return err;
		return da_map_add(&rebuild->old_groups, old->name, old->id,
		    old->kind == DA_LISTING_GROUP ? DA_MAP_PERSON
						  : DA_MAP_REMOVED,
		    &entry);
	case DA_LISTING_MANAGED: /* the configuration says so anew */
		break;
	}
	return DA_OK;
}

/* Records stand one behind the other; the tables behind them, which a file that
 * was cut short lacks, are not needed. */
static enum da_err
read_old(struct rebuild *rebuild)
{
	struct da_view view = {0};
	struct da_database *old = &view.accounts;
	struct da_listing listing;
	struct da_cell cell;
	const void *bytes;
	size_t size;
	uint32_t position = 0;
	enum da_err err = da_database_map(rebuild->dir, DA_FORMAT_ACCOUNTS,
	    da_paths.owner, DA_FORMAT_TABLES_SIZE, UINT32_MAX, &bytes, &size);

	rebuild->old_is_there = err != DA_E_ABSENT;
	if (err != DA_OK)
		return DA_OK; /* nothing of it can be used */
	old->bytes = bytes;
	old->size = (uint32_t)size;
	old->data_end = da_format_get_u32(old->bytes);
	rebuild->old_is_whole = old->data_end >= DA_FORMAT_TABLES_SIZE &&
	    old->data_end <= old->size;
	if (!rebuild->old_is_whole)
		old->data_end = old->size;
	while (err == DA_OK) {
		err = da_listing_next(&view, &position, &listing);
		if (err == DA_OK) {
			err = keep_old(rebuild, &listing);
		} else if (err == DA_E_UNSAFE_FILE) {
			/* One record further, if that is to be found. */
			rebuild->old_is_whole = false;
			if (position == 0)
				position = DA_FORMAT_TABLES_SIZE;
			if (!da_database_at(old, position, &cell))
				break;
			position = cell.next;
			err = DA_OK;
		}
	}
	da_view_close(&view);
	return err == DA_E_NOMEM || err == DA_E_SYS ? err : DA_OK;
}

/* --- what the records say --- */

static struct da_map_entry *
find_name(struct da_map *map, size_t sorted, const char *name)
{
	size_t low = 0, high = sorted;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(map->items[middle].name, name);

		if (order == 0)
			return &map->items[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

struct merge {
	struct rebuild *rebuild;
	size_t sorted; /* those of the old file, by name */
};

static char *
own(const char *text)
{
	return text[0] != '\0' ? strdup(text) : NULL;
}

static enum da_err
merge_person(
    void *context, const struct da_person *person, const char *complaint)
{
	static const enum da_map_kind kinds[] = {
	    [DA_PERSON_ACTIVE] = DA_MAP_PERSON,
	    [DA_PERSON_REMOVED] = DA_MAP_REMOVED,
	    [DA_PERSON_RENAMED] = DA_MAP_RENAMED,
	};
	struct merge *merge = context;
	struct rebuild *rebuild = merge->rebuild;
	struct da_map_entry *entry;
	enum da_err err;

	(void)complaint; /* accounts check tells */
	if (person == NULL) {
		rebuild->damaged_records++;
		return DA_OK;
	}
	entry = find_name(&rebuild->map, merge->sorted, person->name);
	if (entry != NULL) {
		/* The account's uid is the one that files have. Retired is who
		 * is retired in either. */
		if (entry->kind == DA_MAP_PERSON && entry->uid == person->uid)
			entry->kind = kinds[person->state];
		return DA_OK;
	}
	if (person->uid == 0)
		return DA_OK;
	if (!da_account_id_is_usable(person->uid)) {
		DA_IGNORE(da_admin_refuse("%s: uid %u is reserved by the "
					  "system; left out",
		    person->name, person->uid));
		return DA_OK;
	}
	err = da_map_add(&rebuild->map, person->name, person->uid,
	    kinds[person->state], &entry);
	if (err != DA_OK)
		return err;
	entry->home = own(person->home);
	entry->shell = own(person->shell);
	return DA_OK;
}

static int
compare_names(const void *left, const void *right)
{
	return strcmp(((const struct da_map_entry *)left)->name,
	    ((const struct da_map_entry *)right)->name);
}

static enum da_err
read_records(struct rebuild *rebuild)
{
	struct merge merge = {.rebuild = rebuild, .sorted = rebuild->map.count};

	if (rebuild->map.count > 0)
		qsort(rebuild->map.items, rebuild->map.count,
		    sizeof(*rebuild->map.items), compare_names);
	return da_people_each(&da_paths, merge_person, &merge, &rebuild->diag);
}

/* Every uid gets one present name. */
static void
settle(struct rebuild *rebuild)
{
	struct da_map *map = &rebuild->map;
	size_t kept = 0;

	da_map_sort(map);
	for (size_t i = 0; i < map->count; i++) {
		struct da_map_entry *entry = &map->items[i];
		bool first =
		    kept == 0 || map->items[kept - 1].uid != entry->uid;

		if (first && entry->kind == DA_MAP_RENAMED) {
			DA_IGNORE(da_admin_refuse(
			    "%s: the present name of uid %u is lost; %s is "
			    "kept as removed",
			    entry->name, entry->uid, entry->name));
			entry->kind = DA_MAP_REMOVED;
		} else if (!first && entry->kind != DA_MAP_RENAMED) {
			DA_IGNORE(da_admin_refuse(
			    "%s: uid %u is %s's; left out: devauth accounts "
			    "add %s --uid N",
			    entry->name, entry->uid, map->items[kept - 1].name,
			    entry->name));
			free(entry->gecos);
			free(entry->home);
			free(entry->shell);
			continue;
		}
		if (kept != i)
			map->items[kept] = *entry;
		kept++;
	}
	map->count = kept;
}

/* --- the new file --- */

static enum da_err
plan_people(struct rebuild *rebuild)
{
	const struct da_known_list nobody = {0};
	struct da_map *map = &rebuild->map;
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < map->count;
	     i = da_map_unit_end(map, i)) {
		struct da_map_entry *entry = &map->items[i];
		const struct da_account_entry initial = {
		    .gecos = "", .shell = rebuild->config->shell};
		char home[DA_URI_MAX + 1], holder[DA_USER_MAX + 1];

		if (entry->home == NULL) {
			err = da_admin_format_home(rebuild->config->home,
			    entry->name, home, sizeof(home));
			entry->home = err == DA_OK ? strdup(home) : NULL;
			if (entry->home == NULL)
				return DA_E_NOMEM;
		}
		err = da_map_plan(map, i, &nobody, &initial, &rebuild->changes,
		    holder, &rebuild->diag);
	}
	return err;
}

static enum da_err
plan_groups(struct rebuild *rebuild)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < rebuild->old_groups.count; i++) {
		const struct da_map_entry *group =
		    &rebuild->old_groups.items[i];
		const struct da_account_entry entry = {
		    .name = group->name, .uid = group->uid};

		err = da_map_changes_add(
		    &rebuild->changes, DA_ACCOUNT_PUT_GROUP, &entry, NULL);
		if (err == DA_OK && group->kind == DA_MAP_REMOVED)
			err = da_map_changes_add(&rebuild->changes,
			    DA_ACCOUNT_REMOVE_GROUP, &entry, NULL);
	}
	return err;
}

/* Takes out all that is done to the person or group of a change which cannot be
 * made; says so. */
static void
leave_out(struct rebuild *rebuild, size_t failed)
{
	struct da_map_changes *changes = &rebuild->changes;
	size_t first = failed, end = failed + 1;

	while (first > 0 && changes->items[first].verb != DA_ACCOUNT_PUT &&
	    changes->items[first].verb != DA_ACCOUNT_PUT_GROUP)
		first--;
	while (end < changes->count &&
	    changes->items[end].verb != DA_ACCOUNT_PUT &&
	    changes->items[end].verb != DA_ACCOUNT_PUT_GROUP)
		end++;
	DA_IGNORE(da_admin_refuse("left out: %s", rebuild->diag.text));
	memmove(changes->items + first, changes->items + end,
	    (changes->count - end) * sizeof(*changes->items));
	changes->count -= end - first;
}

/* A counter that is no counter would be in the way. Programs that have it
 * mapped notice the new one when they start anew. */
static void
drop_bad_counter(const struct rebuild *rebuild)
{
	const void *bytes;
	size_t size;

	if (da_database_map(rebuild->dir, DA_FORMAT_GENERATION, da_paths.owner,
		DA_FORMAT_GENERATION_SIZE, DA_FORMAT_GENERATION_SIZE, &bytes,
		&size) == DA_E_SYS &&
	    (errno == EPERM || errno == EBADMSG || errno == ELOOP))
		(void)unlinkat(rebuild->dir, DA_FORMAT_GENERATION, 0);
}

static enum da_err
write_new(struct rebuild *rebuild)
{
	size_t failed;
	enum da_err err;

	if (rebuild->old_is_there &&
	    renameat(rebuild->dir, DA_FORMAT_ACCOUNTS, rebuild->dir, DAMAGED) !=
		0) {
		da_diag_set(&rebuild->diag, "%s/%s: cannot rename: %m",
		    da_paths.state_dir, DA_FORMAT_ACCOUNTS);
		return DA_E_SYS;
	}
	drop_bad_counter(rebuild);
	for (;;) {
		err = da_account_apply(&da_paths, rebuild->changes.items,
		    rebuild->changes.count, &failed, &rebuild->diag);
		if (err == DA_OK || failed >= rebuild->changes.count)
			break;
		leave_out(rebuild, failed);
	}
	if (err == DA_OK)
		err = da_apply_run(rebuild->config, &rebuild->diag);
	if (err != DA_OK && rebuild->old_is_there)
		(void)renameat(rebuild->dir, DAMAGED, rebuild->dir,
		    DA_FORMAT_ACCOUNTS); /* the first error matters */
	return err;
}

/* --- afterwards --- */

/* The groups of one person; ends with NULL. */
struct membership {
	const char *names[DA_CONFIG_SECTIONS_MAX + 1];
};

/* Plans the groups as the last sign-in left them. *ret_membership is owned. */
static enum da_err
plan_membership(struct rebuild *rebuild, const struct da_map_entry *entry,
    const struct da_person *person, struct da_map_changes *changes,
    struct membership **ret_membership)
{
	struct membership *membership = calloc(1, sizeof(*membership));
	size_t count;
	struct da_account_entry wanted = {.name = entry->name,
	    .uid = entry->uid,
	    .gecos = entry->gecos != NULL ? entry->gecos : "",
	    .home = entry->home,
	    .shell =
		entry->shell != NULL ? entry->shell : rebuild->config->shell,
	    .skip_groups = true};

	if (membership == NULL)
		return DA_E_NOMEM;
	*ret_membership = membership;
	count = da_policy_list_groups(rebuild->config, person->issuer,
	    &person->groups, membership->names);
	wanted.groups = membership->names;
	return count > 0
	    ? da_map_changes_add(changes, DA_ACCOUNT_PUT, &wanted, NULL)
	    : DA_OK;
}

/* Whether the new file has the person; not somebody who was left out. */
static bool
is_there(const struct da_map_entry *entry)
{
	struct da_account account;
	char buffer[2048];
	bool provisional;

	return entry->kind == DA_MAP_PERSON &&
	    da_account_find(&da_paths, entry->name, false, buffer,
		sizeof(buffer), &account, &provisional) == DA_OK &&
	    account.uid == entry->uid;
}

/* The record of everybody who is in the new file: with the account's uid, and
 * with the way from the identity to the name. */
static enum da_err
mend_record(struct rebuild *rebuild, const struct da_map_entry *entry,
    struct da_map_changes *changes, struct membership **ret_membership)
{
	static const enum da_person_state states[] = {
	    [DA_MAP_PERSON] = DA_PERSON_ACTIVE,
	    [DA_MAP_REMOVED] = DA_PERSON_REMOVED,
	    [DA_MAP_RENAMED] = DA_PERSON_RENAMED,
	};
	struct da_person person;
	enum da_err err =
	    da_person_load(&da_paths, entry->name, &person, &rebuild->diag);

	if (err == DA_E_ABSENT) {
		da_person_init(&person);
		(void)stpcpy(person.name, entry->name);
	} else if (err != DA_OK) {
		return DA_OK; /* counted, and accounts check tells */
	}
	person.uid = entry->uid;
	person.state = states[entry->kind];
	err = da_people_put(&rebuild->people, &person, &rebuild->diag);
	if (err == DA_OK && is_there(entry))
		err = plan_membership(
		    rebuild, entry, &person, changes, ret_membership);
	da_person_done(&person);
	return err;
}

static enum da_err
mend_records(struct rebuild *rebuild)
{
	DA_CLEANUP(da_map_changes_done) struct da_map_changes changes = {0};
	const size_t count = rebuild->map.count;
	struct membership **memberships =
	    calloc(count + 1, sizeof(*memberships));
	size_t stale;
	enum da_err err = memberships != NULL ? DA_OK : DA_E_NOMEM;

	for (size_t i = 0; err == DA_OK && i < count; i++)
		err = mend_record(
		    rebuild, &rebuild->map.items[i], &changes, &memberships[i]);
	if (err == DA_OK)
		err = da_account_apply(&da_paths, changes.items, changes.count,
		    NULL, &rebuild->diag);
	for (size_t i = 0; memberships != NULL && i < count; i++)
		free(memberships[i]);
	free(memberships);
	return err == DA_OK ? da_people_sweep(&da_paths, &rebuild->people,
				  &stale, &rebuild->diag)
			    : err;
}

static void
say_done(const struct rebuild *rebuild)
{
	size_t counts[DA_MAP_RENAMED + 1] = {0};

	for (size_t i = 0; i < rebuild->map.count; i++)
		counts[rebuild->map.items[i].kind]++;
	(void)printf("accounts.cdb is made anew: %zu %s, %zu removed, %zu "
		     "former name%s.\n",
	    counts[DA_MAP_PERSON],
	    counts[DA_MAP_PERSON] == 1 ? "person" : "people",
	    counts[DA_MAP_REMOVED], counts[DA_MAP_RENAMED],
	    counts[DA_MAP_RENAMED] == 1 ? "" : "s");
	if (rebuild->old_is_there)
		(void)printf("The old file is kept as %s/" DAMAGED ".\n",
		    da_paths.state_dir);
	if (!rebuild->old_is_whole)
		(void)printf(
		    "Not all of the old file could be read. Lost are, where "
		    "it alone had them:\n"
		    "full names until the next sign-in, accounts that never "
		    "had a private record,\n"
		    "and the numbers of groups that were taken out of the "
		    "configuration.\n");
	if (rebuild->damaged_records > 0)
		(void)printf("%zu private record%s cannot be read; devauth "
			     "accounts check names them.\n",
		    rebuild->damaged_records,
		    rebuild->damaged_records == 1 ? "" : "s");
}

/* --- whether there is anything to mend --- */

static bool
is_whole(struct rebuild *rebuild)
{
	return faccessat(rebuild->dir, UNFINISHED, F_OK, 0) != 0 &&
	    da_check_is_whole();
}

static enum da_err
begin(struct rebuild *rebuild)
{
	int fd = openat(rebuild->dir, UNFINISHED,
	    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0) {
		da_diag_set(&rebuild->diag, "%s/" UNFINISHED ": %m",
		    da_paths.state_dir);
		return DA_E_SYS;
	}
	da_file_closep(&fd);
	return DA_OK;
}

static enum da_err
run(struct rebuild *rebuild)
{
	const struct da_file_rule rule = {
	    .owner = da_paths.owner, .mode_max = 0755};
	enum da_err err =
	    da_config_load(&da_paths, &rebuild->config, &rebuild->diag);

	if (err == DA_OK)
		err =
		    da_people_open(&da_paths, &rebuild->people, &rebuild->diag);
	if (err == DA_OK)
		err = da_file_open_dir(
		    da_paths.state_dir, &rule, &rebuild->dir, &rebuild->diag);
	if (err == DA_OK && is_whole(rebuild)) {
		rebuild->nothing_to_do = true;
		return DA_OK;
	}
	if (err == DA_OK)
		err = begin(rebuild);
	if (err == DA_OK)
		err = read_old(rebuild);
	if (err == DA_OK)
		err = read_records(rebuild);
	if (err != DA_OK)
		return err;
	settle(rebuild);
	err = plan_people(rebuild);
	if (err == DA_OK)
		err = plan_groups(rebuild);
	if (err == DA_OK)
		err = write_new(rebuild);
	if (err == DA_OK)
		err = mend_records(rebuild);
	if (err == DA_OK)
		(void)unlinkat(rebuild->dir, UNFINISHED, 0);
	return err;
}

int
da_command_accounts_rebuild(int argc, char **argv)
{
	DA_CLEANUP(rebuild_done)
	struct rebuild rebuild = {.dir = -1, .people = {.dir = -1, .lock = -1}};
	char count[24];
	int status;
	enum da_err err;

	(void)argv;
	if (argc != 1)
		return da_admin_usage("rebuild");
	err = run(&rebuild);
	if (rebuild.nothing_to_do) {
		(void)printf("Nothing is damaged: accounts.cdb and the private "
			     "records are whole.\nNothing was changed.\n");
		return DA_EXIT_OK;
	}
	(void)snprintf(count, sizeof(count), "%zu", rebuild.map.count);
	status =
	    da_admin_end("rebuild", "", "names", count, err, &rebuild.diag);
	if (status == DA_EXIT_OK)
		say_done(&rebuild);
	return status;
}
