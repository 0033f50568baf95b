/*
 * Looks for whoever has a name or a number already. Runs as root in the broker
 * and the command.
 *
 * MUST count the removed, the local and the directory's: none of them may share
 * a name or a number with anybody.
 */
#include "account/owner.h"

#include <stdio.h>
#include <string.h>

#include "account/account.h"
#include "core/paths.h"

enum da_err
da_owner_check_name(const char *name, struct da_diag *diag)
{
	if (name != NULL && da_account_name_check(name) == DA_OK)
		return DA_OK;
	da_diag_set(diag,
	    "\"%.64s\" cannot be a login name: it must match "
	    "[a-z_][a-z0-9_-]{0,31}",
	    name != NULL ? name : "");
	return DA_E_BAD_NAME;
}

static enum da_err
refuse_name(enum da_owner_kind kind, const char *name, const char *whose,
    bool local_group, struct da_diag *diag)
{
	if (kind == DA_OWNER_PERSON)
		da_diag_set(diag, "%s: %s", name, whose);
	else if (local_group)
		da_diag_set(diag,
		    "%s: %s; if people are to be in that very group, say "
		    "\"local = yes\" in place of gid",
		    name, whose);
	else
		da_diag_set(
		    diag, "%s: %s; give the group another name", name, whose);
	return DA_E_COLLISION;
}

static enum da_err
refuse_number(enum da_owner_kind kind, const char *name, uint32_t id,
    const char *whose, struct da_diag *diag)
{
	if (kind == DA_OWNER_GROUP)
		da_diag_set(diag,
		    "%s: the number %u %s; give the group another gid", name,
		    id, whose);
	else
		da_diag_set(diag,
		    "%s: the number %u %s; give %s another: devauth accounts "
		    "add %s --uid N",
		    name, id, whose, name, name);
	return DA_E_COLLISION;
}

/* Local accounts come first in nsswitch.conf: with the same name the person
 * would get the local account, with the same number each other's files. */
enum da_err
da_owner_check_local(const struct da_local *local, const struct da_paths *paths,
    enum da_owner_kind kind, const char *name, uint32_t id,
    struct da_diag *diag)
{
	char whose[DA_DIAG_MAX + 1];

	if (local->passwd_name || local->group_name) {
		(void)snprintf(whose, sizeof(whose), "the name is taken in %s",
		    local->passwd_name ? paths->passwd_file
				       : paths->group_file);
		return refuse_name(
		    kind, name, whose, !local->passwd_name, diag);
	}
	if (local->passwd_id || local->group_id) {
		(void)snprintf(whose, sizeof(whose), "is taken in %s",
		    local->passwd_id ? paths->passwd_file : paths->group_file);
		return refuse_number(kind, name, id, whose, diag);
	}
	if (da_account_name_is_reserved(name))
		return refuse_name(
		    kind, name, "the name is reserved", false, diag);
	return DA_OK;
}

/* Whose the number is, in words. */
static void
describe_owner(
    const struct da_cell *cell, const char *file, char *ret, size_t size)
{
	struct da_record_person person;
	struct da_record_group group;
	bool removed = cell->key[0] == DA_KIND_GROUP
	    ? da_record_read_group(cell, &group) && group.removed
	    : da_record_read_person(cell, &person) && person.removed;

	(void)snprintf(ret, size, "belongs to %.*s in %s%s",
	    (int)cell->key_len - 1, (const char *)cell->key + 1, file,
	    removed ? ", which was removed and keeps it" : "");
}

/* Looks for an owner of the name among the groups, and of the number. */
static enum da_err
check_database(const struct da_database *db, const char *file,
    enum da_owner_kind kind, const char *name, uint32_t id,
    struct da_diag *diag)
{
	const size_t len = strlen(name);
	char whose[DA_DIAG_MAX + 1];
	struct da_cell cell;

	if (da_database_find(db, DA_KIND_PERSON, name, len, &cell) ||
	    da_database_find(db, DA_KIND_GROUP, name, len, &cell)) {
		(void)snprintf(whose, sizeof(whose),
		    "somebody else or a group has that name in %s", file);
		return refuse_name(kind, name, whose, false, diag);
	}
	if (da_database_find_id(db, DA_KIND_PERSON, id, &cell) ||
	    da_database_find_id(db, DA_KIND_GROUP, id, &cell)) {
		describe_owner(&cell, file, whose, sizeof(whose));
		return refuse_number(kind, name, id, whose, diag);
	}
	return DA_OK;
}

/* Whether a name and a number are free, for something new. */
enum da_err
da_owner_check_free(const struct da_draft *draft, enum da_owner_kind kind,
    const struct da_draft_name *entry, uint32_t id, struct da_diag *diag)
{
	const struct da_view *view = draft->view;
	enum da_err err;

	if (entry->has_person || entry->has_group)
		return refuse_name(kind, entry->name,
		    entry->has_person ? "a person has that name"
				      : "a group has that name",
		    false, diag);
	if (da_draft_has_number(draft, id))
		return refuse_number(
		    kind, entry->name, id, "is given out twice", diag);
	err = check_database(
	    &view->accounts, DA_FORMAT_ACCOUNTS, kind, entry->name, id, diag);
	if (err == DA_OK)
		err = check_database(&view->directory, DA_FORMAT_DIRECTORY,
		    kind, entry->name, id, diag);
	return err;
}

/* Whether accounts.cdb says nothing that would hide the directory's idea of a
 * name and a number. */
static bool
is_unknown_here(const struct da_draft *draft, const struct da_draft_name *entry,
    uint32_t id)
{
	return !entry->has_person && !entry->has_group &&
	    !da_draft_has_number(draft, id) &&
	    !da_database_knows(
		&draft->view->accounts, entry->name, strlen(entry->name), id);
}

/* Somebody for whom the directory answers. */
bool
da_owner_find_person(const struct da_draft *draft,
    const struct da_draft_name *entry, struct da_record_person *ret)
{
	struct da_cell cell;

	return da_database_find(&draft->view->directory, DA_KIND_PERSON,
		   entry->name, strlen(entry->name), &cell) &&
	    da_record_read_person(&cell, ret) && !ret->removed &&
	    is_unknown_here(draft, entry, ret->uid);
}

bool
da_owner_find_group(const struct da_draft *draft,
    const struct da_draft_name *entry, struct da_record_group *ret)
{
	struct da_cell cell;

	return da_database_find(&draft->view->directory, DA_KIND_GROUP,
		   entry->name, strlen(entry->name), &cell) &&
	    da_record_read_group(&cell, ret) && !ret->removed &&
	    is_unknown_here(draft, entry, ret->gid);
}
