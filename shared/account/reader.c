/*
 * Lookups. Runs in every process of the host, in any thread, after fork, with
 * tiny stacks.
 *
 * MUST: (1) answer from one view, without a system call, an allocation or
 * anything that is not const; (2) write to the caller's buffer and results
 * only, and to the results only on success; (3) answer for a number only when
 * the record itself has that number; (4) let accounts.cdb hide what
 * directory.cdb says about a name or a number that accounts.cdb knows: whoever
 * may write the directory must not get at the files of somebody who is here;
 * (5) treat a record that breaks a rule as absent.
 */
#include "account/reader.h"

#include <string.h>

#include "account/layout.h"
#include "account/record.h"

/* Of the larger index; so many bits keep almost everybody else out. */
#define SIEVE_BITS_PER_SLOT 64u
#define SIEVE_SLOTS_MAX (DA_READER_SIEVE_BITS_MAX / SIEVE_BITS_PER_SLOT)
#define SIEVE_BATCH 256u

/* Whether a gid that directory.cdb gives to somebody is, in accounts.cdb, the
 * private group of a person, or a group other than the directory's own. */
static bool
is_hidden_gid(const struct da_view *view, uint32_t gid)
{
	struct da_cell cell, other;
	struct da_record_group group;

	if (!da_database_has_id(&view->accounts, gid))
		return false;
	if (da_database_find_id(&view->accounts, DA_KIND_PERSON, gid, &cell))
		return true;
	if (!da_database_find_id(&view->accounts, DA_KIND_GROUP, gid, &cell))
		return false;
	return !da_record_read_group(&cell, &group) || group.removed ||
	    !da_database_find_id(
		&view->directory, DA_KIND_GROUP, gid, &other) ||
	    other.key_len != cell.key_len ||
	    memcmp(other.key, cell.key, cell.key_len) != 0;
}

/* Whether accounts.cdb hides somebody of directory.cdb: it knows the name or a
 * number. */
static bool
is_hidden(const struct da_view *view, const struct da_database_name *name,
    const struct da_record_person *person)
{
	return da_database_has_id(&view->accounts, person->uid) ||
	    da_database_has_name(&view->accounts, name) ||
	    (person->gid != person->uid && is_hidden_gid(view, person->gid));
}

/* Whether somebody whom a database has is to be seen. */
static bool
is_visible(const struct da_view *view, const struct da_database *db,
    const struct da_record_person *ret)
{
	struct da_database_name name;

	if (ret->removed)
		return false;
	if (db == &view->accounts)
		return true;
	name = da_database_hash_name(ret->name, ret->name_len);
	return !is_hidden(view, &name, ret);
}

static bool
read_person(const struct da_view *view, const struct da_database *db,
    const struct da_cell *cell, struct da_record_person *ret)
{
	return da_record_read_person(cell, ret) && is_visible(view, db, ret);
}

static bool
find_person(const struct da_view *view, const struct da_database_name *name,
    struct da_record_person *ret)
{
	struct da_cell cell;

	if (da_database_find_name(&view->accounts, DA_KIND_PERSON, name, &cell))
		return da_record_read_named_person(&cell, ret) && !ret->removed;
	return da_database_find_name(
		   &view->directory, DA_KIND_PERSON, name, &cell) &&
	    da_record_read_named_person(&cell, ret) && !ret->removed &&
	    !is_hidden(view, name, ret);
}

static bool
find_uid(const struct da_view *view, uint32_t uid, struct da_record_person *ret)
{
	const struct da_database *db = &view->accounts;
	struct da_cell cell;

	if (!da_account_id_is_usable(uid))
		return false;
	/* What accounts.cdb has with this number hides the directory. */
	if (!da_database_has_id(db, uid))
		db = &view->directory;
	if (!da_database_find_id(db, DA_KIND_PERSON, uid, &cell))
		return false;
	return read_person(view, db, &cell, ret) && ret->uid == uid;
}

enum da_err
da_reader_find_name(const struct da_view *view, const char *name, char *buffer,
    size_t size, struct da_account *ret)
{
	struct da_database_name hashed;
	struct da_record_person person;
	size_t len = da_account_name_measure(name);

	if (len == 0)
		return DA_E_ABSENT;
	hashed = da_database_hash_name(name, len);
	if (!find_person(view, &hashed, &person))
		return DA_E_ABSENT;
	return da_layout_person(&person, buffer, size, ret);
}

enum da_err
da_reader_find_uid(const struct da_view *view, uint32_t uid, char *buffer,
    size_t size, struct da_account *ret)
{
	struct da_record_person person;

	if (!find_uid(view, uid, &person))
		return DA_E_ABSENT;
	return da_layout_person(&person, buffer, size, ret);
}

/* Reads a cell of accounts.cdb as a group and merges the directory's. */
static bool
read_accounts_group(const struct da_view *view, const struct da_cell *cell,
    struct da_layout_group *ret)
{
	struct da_cell more;

	ret->more = (struct da_record_group){0};
	/* For a local one the group file answers. */
	if (!da_record_read_group(cell, &ret->group) || ret->group.removed ||
	    ret->group.local)
		return false;
	if (da_database_find(&view->directory, DA_KIND_GROUP, ret->group.name,
		ret->group.name_len, &more) &&
	    (!da_record_read_group(&more, &ret->more) || ret->more.removed ||
		ret->more.gid != ret->group.gid ||
		!da_record_has_members(&ret->more)))
		ret->more = (struct da_record_group){0};
	return true;
}

static bool
read_directory_group(const struct da_view *view, const struct da_cell *cell,
    struct da_layout_group *ret)
{
	ret->more = (struct da_record_group){0};
	return da_record_read_group(cell, &ret->group) && !ret->group.removed &&
	    !ret->group.local &&
	    !da_database_knows(&view->accounts, ret->group.name,
		ret->group.name_len, ret->group.gid);
}

static bool
read_shared_group(const struct da_view *view, const struct da_database *db,
    const struct da_cell *cell, struct da_layout_group *ret)
{
	return db == &view->accounts ? read_accounts_group(view, cell, ret)
				     : read_directory_group(view, cell, ret);
}

static void
make_private_group(
    const struct da_record_person *person, struct da_layout_group *ret)
{
	ret->more.count = 0;
	ret->group = (struct da_record_group){.name = person->name,
	    .name_len = person->name_len,
	    .gid = person->gid};
}

/* Reads a person's cell as the private group. *ret_private tells whether it
 * stands for one, be it seen or not. */
static bool
read_private_group(const struct da_view *view, const struct da_database *db,
    const struct da_cell *cell, bool *ret_private, struct da_layout_group *ret)
{
	struct da_record_person person;
	bool good = da_record_read_person(cell, &person);

	*ret_private = !good || person.gid == person.uid;
	if (!good || !*ret_private || !is_visible(view, db, &person))
		return false;
	make_private_group(&person, ret);
	return true;
}

/* Finds a group in one database; there are more private ones, so those are
 * looked for first. *ret_known tells whether it has the name at all. */
static bool
find_group_in(const struct da_view *view, const struct da_database *db,
    const struct da_database_name *name, bool *ret_known,
    struct da_layout_group *ret)
{
	struct da_cell cell;
	bool found;

	if (da_database_find_name(db, DA_KIND_PERSON, name, &cell)) {
		found = read_private_group(view, db, &cell, ret_known, ret);
		if (*ret_known)
			return found;
	}
	*ret_known = da_database_find_name(db, DA_KIND_GROUP, name, &cell);
	return *ret_known && read_shared_group(view, db, &cell, ret);
}

static bool
find_gid_in(const struct da_view *view, const struct da_database *db,
    uint32_t gid, struct da_layout_group *ret)
{
	struct da_cell cell;
	bool found, private;

	if (da_database_find_id(db, DA_KIND_PERSON, gid, &cell)) {
		found = read_private_group(view, db, &cell, &private, ret);
		if (private)
			return found;
	}
	return da_database_find_id(db, DA_KIND_GROUP, gid, &cell) &&
	    read_shared_group(view, db, &cell, ret);
}

enum da_err
da_reader_find_group(const struct da_view *view, const char *name, char *buffer,
    size_t size, struct da_group *ret)
{
	struct da_database_name hashed;
	DA_UNSET struct da_layout_group found;
	size_t len = da_account_name_measure(name);
	bool known;

	if (len == 0)
		return DA_E_ABSENT;
	hashed = da_database_hash_name(name, len);
	if (!find_group_in(view, &view->accounts, &hashed, &known, &found) &&
	    (known ||
		!find_group_in(
		    view, &view->directory, &hashed, &known, &found)))
		return DA_E_ABSENT;
	return da_layout_group(&found, buffer, size, ret);
}

enum da_err
da_reader_find_gid(const struct da_view *view, uint32_t gid, char *buffer,
    size_t size, struct da_group *ret)
{
	DA_UNSET struct da_layout_group found;

	/* What accounts.cdb has with this number hides the directory. */
	if (!da_account_id_is_usable(gid) ||
	    !find_gid_in(view,
		da_database_has_id(&view->accounts, gid) ? &view->accounts
							 : &view->directory,
		gid, &found))
		return DA_E_ABSENT;
	if (found.group.gid != gid)
		return DA_E_ABSENT;
	return da_layout_group(&found, buffer, size, ret);
}

/* The list of a member in one of the databases. */
static void
find_gids(const struct da_view *view, const struct da_database *db,
    struct da_reader_gids *ret)
{
	struct da_record_person person;
	struct da_cell cell;

	ret->at = NULL;
	ret->left = 0;
	ret->directory = db == &view->directory;
	/* What the directory says of the removed is hidden, too. */
	if (ret->directory &&
	    da_database_find_name(
		&view->accounts, DA_KIND_PERSON, &ret->name, &cell) &&
	    (!da_record_read_person(&cell, &person) || person.removed))
		return;
	if (!da_database_find_name(db, DA_KIND_GROUPS_OF, &ret->name, &cell) ||
	    cell.value_len > 4 * DA_GROUPS_MAX)
		return;
	ret->at = cell.value;
	ret->left = cell.value_len / 4;
}

void
da_reader_find_gids(
    const struct da_view *view, const char *name, struct da_reader_gids *ret)
{
	size_t len = da_account_name_measure(name);

	*ret = (struct da_reader_gids){.directory = true};
	if (len == 0)
		return;
	ret->name = da_database_hash_name(name, len);
	find_gids(view, &view->accounts, ret);
}

/* A number of the system's, which only a line in the configuration gives. */
static bool
is_local_group(const struct da_view *view, uint32_t gid)
{
	struct da_record_group group;
	struct da_cell cell;

	return da_database_find_id(
		   &view->accounts, DA_KIND_GROUP, gid, &cell) &&
	    da_record_read_group(&cell, &group) && group.local &&
	    !group.removed && group.gid == gid;
}

bool
da_reader_next_gid(
    const struct da_view *view, struct da_reader_gids *gids, uint32_t *ret)
{
	for (;;) {
		uint32_t gid;

		if (gids->left == 0) {
			if (gids->directory)
				return false;
			find_gids(view, &view->directory, gids);
			continue;
		}
		gid = da_format_get_u32(gids->at);
		gids->at += 4;
		gids->left--;
		if (gids->directory ? !da_account_id_is_usable(gid) ||
			    is_hidden_gid(view, gid)
				    : !da_account_id_is_usable(gid) &&
			    !is_local_group(view, gid))
			continue;
		*ret = gid;
		return true;
	}
}

void
da_reader_start_walk(const struct da_view *view, struct da_reader_sieve *sieve,
    struct da_reader_walk *ret)
{
	ret->view = view;
	ret->db = &view->accounts;
	ret->room = sieve;
	ret->sieve = NULL;
	ret->position = DA_FORMAT_TABLES_SIZE;
}

/* Products are best in their upper bits. */
static inline uint32_t
sieve_id(uint32_t id)
{
	return da_format_hash_id(id) >> 13;
}

/* Of the last eight characters, which is all that a sieve needs. In front of a
 * name in a file is the head of its record, so eight can always be read. */
static inline uint32_t
sieve_name(const char *name, size_t len)
{
	uint64_t word = da_format_get_u64((const uint8_t *)name + len - 8);

	if (len < 8)
		word = len == 0 ? 0 : word >> (64 - 8 * len);
	return (uint32_t)(word * UINT64_C(0x9e3779b97f4a7c15) >> 45);
}

static inline bool
is_in_sieve(const struct da_reader_sieve *sieve, uint32_t hash)
{
	const uint32_t bit = hash & sieve->mask;

	return (sieve->words[bit / 32] >> bit % 32 & 1) != 0;
}

static inline void
put_into_sieve(struct da_reader_sieve *sieve, uint32_t hash)
{
	const uint32_t bit = hash & sieve->mask;

	sieve->words[bit / 32] |= UINT32_C(1) << bit % 32;
}

/* Gathers one half of each slot, the key or the position, where it is not 0.
 * Most slots are free, and which are not the processor cannot guess. */
static inline size_t
gather(const uint8_t *half, uint32_t slots, uint32_t *ret)
{
	size_t count = 0;

	for (; slots > 0; slots--, half += DA_INDEX_SLOT) {
		const uint32_t value = da_format_get_u32(half);

		ret[count] = value;
		count += value != 0;
	}
	return count;
}

/* Puts what an index has into the sieve: its numbers, or the names of the
 * records that it leads to. */
static void
fill_sieve(
    struct da_reader_sieve *sieve, const struct da_database *db, bool names)
{
	const struct da_database_index *index = names ? &db->names : &db->ids;
	const uint8_t *half = index->slots + (names ? 4 : 0);
	DA_UNSET uint32_t found[SIEVE_BATCH];
	uint32_t left = index->count;

	while (left > 0) {
		const uint32_t slots = left < SIEVE_BATCH ? left : SIEVE_BATCH;
		const size_t count = gather(half, slots, found);

		for (size_t i = 0; i < count; i++) {
			DA_UNSET struct da_cell cell;

			if (!names)
				put_into_sieve(sieve, sieve_id(found[i]));
			else if (da_database_at(db, found[i], &cell))
				put_into_sieve(sieve,
				    sieve_name((const char *)cell.key + 1,
					cell.key_len - 1));
		}
		half += slots * DA_INDEX_SLOT;
		left -= slots;
	}
}

/* Goes on from accounts.cdb to the directory. The sieve is made of what the
 * indexes of accounts.cdb have, for those say what is hidden; all but the
 * number 0, which looks like a free slot and is nobody's. */
static DA_APART bool
enter_directory(struct da_reader_walk *walk)
{
	const struct da_database *accounts = &walk->view->accounts;
	uint32_t slots = accounts->ids.count > accounts->names.count
	    ? accounts->ids.count
	    : accounts->names.count;

	if (walk->db != accounts)
		return false;
	walk->db = &walk->view->directory;
	walk->position = DA_FORMAT_TABLES_SIZE;
	if (walk->room == NULL || slots > SIEVE_SLOTS_MAX)
		return true;
	if (slots == 0)
		slots = 1;
	walk->room->mask = slots * SIEVE_BITS_PER_SLOT - 1;
	memset(walk->room->words, 0, slots * SIEVE_BITS_PER_SLOT / 8);
	fill_sieve(walk->room, accounts, /* names= */ false);
	fill_sieve(walk->room, accounts, /* names= */ true);
	walk->sieve = walk->room;
	return true;
}

static inline bool
next_cell(struct da_reader_walk *walk, bool people, struct da_cell *ret)
{
	while (!da_database_read_cell(walk->db, walk->position,
	    people ? walk->db->people_end : walk->db->data_end, ret)) {
		if (!enter_directory(walk))
			return false;
	}
	return true;
}

/* The same for who is at the position of the walk. Apart and read anew, so that
 * the others stay in registers. */
static DA_APART bool
is_visible_at(const struct da_reader_walk *walk)
{
	struct da_record_person person;
	struct da_cell cell;

	return da_database_at(walk->db, walk->position, &cell) &&
	    read_person(walk->view, walk->db, &cell, &person);
}

/* Whether the sieve alone says that accounts.cdb knows neither the name nor a
 * number. */
static inline bool
is_unknown(
    const struct da_reader_sieve *sieve, const struct da_record_person *person)
{
	return !is_in_sieve(sieve, sieve_id(person->uid)) &&
	    !is_in_sieve(sieve, sieve_name(person->name, person->name_len)) &&
	    (person->gid == person->uid ||
		!is_in_sieve(sieve, sieve_id(person->gid)));
}

/* is_visible(), but most need no more than the sieve. */
static inline bool
is_listed(
    const struct da_reader_walk *walk, const struct da_record_person *person)
{
	if (person->removed)
		return false;
	if (walk->sieve != NULL && is_unknown(walk->sieve, person))
		return true;
	return walk->db == &walk->view->accounts || is_visible_at(walk);
}

bool
da_reader_try_next_person(
    struct da_reader_walk *walk, char *buffer, struct da_account *ret)
{
	DA_UNSET struct da_cell cell;
	DA_UNSET struct da_record_person person;

	if (!da_database_read_cell(
		walk->db, walk->position, walk->db->people_end, &cell) ||
	    !da_record_read_person(&cell, &person) || person.removed ||
	    (walk->sieve != NULL ? !is_unknown(walk->sieve, &person)
				 : walk->db != &walk->view->accounts) ||
	    !da_layout_short_person(&person, buffer, ret))
		return false;
	walk->position = cell.next;
	return true;
}

enum da_err
da_reader_next_person(struct da_reader_walk *walk, char *buffer, size_t size,
    struct da_account *ret)
{
	DA_UNSET struct da_cell cell;

	for (; next_cell(walk, /* people= */ true, &cell);
	     walk->position = cell.next) {
		DA_UNSET struct da_record_person person;
		enum da_err err;

		if (cell.key[0] != DA_KIND_PERSON ||
		    !da_record_read_person(&cell, &person) ||
		    !is_listed(walk, &person))
			continue;
		err = da_layout_person(&person, buffer, size, ret);
		if (err == DA_OK)
			walk->position = cell.next;
		return err;
	}
	return DA_E_ABSENT;
}

/* The group of a record on the walk: the private one of a person, or a shared
 * one. */
static bool
read_group(const struct da_reader_walk *walk, const struct da_cell *cell,
    struct da_layout_group *ret)
{
	struct da_record_person person;

	if (cell->key[0] != DA_KIND_PERSON)
		return cell->key[0] == DA_KIND_GROUP &&
		    read_shared_group(walk->view, walk->db, cell, ret);
	if (!da_record_read_person(cell, &person) || person.gid != person.uid ||
	    !is_listed(walk, &person))
		return false;
	make_private_group(&person, ret);
	return true;
}

enum da_err
da_reader_next_group(struct da_reader_walk *walk, char *buffer, size_t size,
    struct da_group *ret)
{
	struct da_cell cell;

	for (; next_cell(walk, /* people= */ false, &cell);
	     walk->position = cell.next) {
		DA_UNSET struct da_layout_group found;
		enum da_err err;

		if (!read_group(walk, &cell, &found))
			continue;
		err = da_layout_group(&found, buffer, size, ret);
		if (err == DA_E_ABSENT)
			continue;
		if (err == DA_OK)
			walk->position = cell.next;
		return err;
	}
	return DA_E_ABSENT;
}

bool
da_reader_may_enumerate(const struct da_view *view)
{
	struct da_record_policy policy;
	struct da_cell cell;

	return da_database_find(
		   &view->accounts, DA_KIND_POLICY, "", 0, &cell) &&
	    da_record_read_policy(&cell, &policy) && policy.enumerate;
}
