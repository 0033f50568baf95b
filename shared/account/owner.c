/*
 * Looks for whoever has a name or a number already. Runs as root in the broker
 * and the command.
 *
 * MUST count the removed, the local and the directory's: none of them may share
 * a name or a number with anybody.
 */
#include "account/owner.h"

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

/* Local accounts come first in nsswitch.conf: with the same name the person
 * would get the local account, with the same number each other's files. */
enum da_err
da_owner_check_local(const struct da_local *local, const struct da_paths *paths,
    const char *name, uint32_t id, struct da_diag *diag)
{
	if (local->passwd_name || local->group_name) {
		da_diag_set(diag, "%s: the name is taken in %s", name,
		    local->passwd_name ? paths->passwd_file
				       : paths->group_file);
		return DA_E_COLLISION;
	}
	if (local->passwd_id || local->group_id) {
		da_diag_set(diag,
		    "%s: the number %u is taken in %s; give %s another: "
		    "devauth accounts add %s --uid N",
		    name, id,
		    local->passwd_id ? paths->passwd_file : paths->group_file,
		    name, name);
		return DA_E_COLLISION;
	}
	if (da_account_name_is_reserved(name)) {
		da_diag_set(diag, "%s: the name is reserved", name);
		return DA_E_COLLISION;
	}
	return DA_OK;
}

/* Looks for an owner of the name among the groups, and of the number. */
static enum da_err
check_database(const struct da_database *db, const char *file, const char *name,
    uint32_t id, struct da_diag *diag)
{
	const size_t len = strlen(name);
	struct da_cell cell;

	if (da_database_find(db, DA_KIND_PERSON, name, len, &cell) ||
	    da_database_find(db, DA_KIND_GROUP, name, len, &cell)) {
		da_diag_set(diag,
		    "%s: somebody else or a group has that name in %s", name,
		    file);
		return DA_E_COLLISION;
	}
	if (da_database_find_id(db, DA_KIND_PERSON, id, &cell) ||
	    da_database_find_id(db, DA_KIND_GROUP, id, &cell)) {
		da_diag_set(diag,
		    "%s: the number %u belongs to %.*s in %s; give %s "
		    "another: devauth accounts add %s --uid N",
		    name, id, (int)cell.key_len - 1, (const char *)cell.key + 1,
		    file, name, name);
		return DA_E_COLLISION;
	}
	return DA_OK;
}

/* Whether a name and a number are free, for something new. */
enum da_err
da_owner_check_free(const struct da_draft *draft,
    const struct da_draft_name *entry, uint32_t id, struct da_diag *diag)
{
	const struct da_view *view = draft->view;
	enum da_err err;

	if (entry->has_person || entry->has_group) {
		da_diag_set(diag, "%s: a %s has that name", entry->name,
		    entry->has_person ? "person" : "group");
		return DA_E_COLLISION;
	}
	if (da_draft_has_number(draft, id)) {
		da_diag_set(diag, "%s: the number %u is given out twice",
		    entry->name, id);
		return DA_E_COLLISION;
	}
	err = check_database(
	    &view->accounts, DA_FORMAT_ACCOUNTS, entry->name, id, diag);
	if (err == DA_OK)
		err = check_database(&view->directory, DA_FORMAT_DIRECTORY,
		    entry->name, id, diag);
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
