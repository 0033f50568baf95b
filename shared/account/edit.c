/*
 * What may be changed in accounts.cdb. Runs as root in the broker and the
 * command.
 *
 * MUST: (1) never change a uid or a gid, never give a name or a number to a
 * second owner, removed ones and local ones included; (2) touch nothing of the
 * directory's but by hiding it; (3) put nobody into root's
 * group.
 */
#include "account/edit.h"

#include <string.h>

#include "account/account.h"
#include "account/member.h"
#include "account/owner.h"
#include "core/paths.h"

/* --- before the lock --- */

static bool
is_path(const char *path)
{
	return da_record_is_path(path, strnlen(path, DA_PATH_MAX + 1));
}

static enum da_err
check_id(const struct da_account_entry *entry, struct da_diag *diag)
{
	if (da_account_id_is_usable(entry->uid))
		return DA_OK;
	da_diag_set(diag, "%s: the number %u is reserved by the system",
	    entry->name, entry->uid);
	return DA_E_RANGE;
}

static enum da_err
check_texts(const struct da_account_entry *entry, struct da_diag *diag)
{
	size_t gecos_len = strnlen(entry->gecos, DA_GECOS_MAX + 1);

	if (gecos_len > DA_GECOS_MAX ||
	    !da_record_is_text(entry->gecos, gecos_len)) {
		da_diag_set(diag,
		    "%s: the full name must be plain ASCII without ':', of at "
		    "most %d characters",
		    entry->name, DA_GECOS_MAX);
		return DA_E_RANGE;
	}
	if (!is_path(entry->home)) {
		da_diag_set(diag,
		    "%s: the home must be an absolute path of at most %d "
		    "characters, without \"..\" and ':', below \"/\"",
		    entry->name, DA_PATH_MAX);
		return DA_E_RANGE;
	}
	if (!is_path(entry->shell)) {
		da_diag_set(diag,
		    "%s: the shell must be an absolute path of at most %d "
		    "characters, without \"..\" and ':'",
		    entry->name, DA_PATH_MAX);
		return DA_E_RANGE;
	}
	return DA_OK;
}

enum da_err
da_edit_check(
    struct da_edit *edit, const struct da_paths *paths, struct da_diag *diag)
{
	const struct da_account_entry *entry = &edit->change.entry;
	const char *name = entry->name;
	enum da_err err = da_owner_check_name(name, diag);

	if (err != DA_OK)
		return err;
	switch (edit->change.verb) {
	case DA_ACCOUNT_PUT:
		err = check_id(entry, diag);
		if (err == DA_OK)
			err = check_texts(entry, diag);
		break;
	case DA_ACCOUNT_PUT_GROUP:
		err = check_id(entry, diag);
		break;
	case DA_ACCOUNT_RENAME:
		name = edit->change.new_name;
		err = da_owner_check_name(name, diag);
		break;
	case DA_ACCOUNT_MANAGE:
	case DA_ACCOUNT_USE_GROUP:
		break;
	default:
		return DA_OK;
	}
	if (err != DA_OK)
		return err;
	err = da_local_find(paths, name, entry->uid, &edit->local);
	if (err != DA_OK)
		da_diag_set(diag, "cannot read %s and %s: %m",
		    paths->passwd_file, paths->group_file);
	return err;
}

/* --- the verbs --- */

static enum da_err
refuse_removed(const struct da_draft_name *entry, struct da_diag *diag)
{
	if (entry->person.renamed)
		da_diag_set(diag, "%s is the former name of uid %u",
		    entry->name, entry->person.uid);
	else
		da_diag_set(diag,
		    "%s was removed; \"devauth accounts "
		    "restore %s\" undoes that",
		    entry->name, entry->name);
	return DA_E_COLLISION;
}

static enum da_err
put_new(const struct da_edit *edit, struct da_draft *draft,
    struct da_draft_name *entry, struct da_diag *diag)
{
	const struct da_account_entry *wanted = &edit->change.entry;
	enum da_err err;

	if (!edit->any_uid &&
	    (wanted->uid < DA_ACCOUNT_UID_MIN ||
		wanted->uid > DA_ACCOUNT_UID_MAX)) {
		da_diag_set(diag, "%s: uid %u is outside %u-%u", wanted->name,
		    wanted->uid, DA_ACCOUNT_UID_MIN, DA_ACCOUNT_UID_MAX);
		return DA_E_RANGE;
	}
	err = da_owner_check_free(
	    draft, DA_OWNER_PERSON, entry, wanted->uid, diag);
	if (err == DA_OK)
		err = da_draft_take_number(draft, wanted->uid);
	if (err != DA_OK)
		return err;
	entry->has_person = true;
	entry->person = (struct da_compose_person){
	    .name = entry->name,
	    .gecos = wanted->gecos,
	    .home = wanted->home,
	    .shell = wanted->shell,
	    .uid = wanted->uid,
	    .gid = wanted->uid,
	};
	draft->changed = true;
	return DA_OK;
}

static enum da_err
put_again(const struct da_account_entry *wanted, struct da_draft *draft,
    struct da_draft_name *entry, struct da_diag *diag)
{
	struct da_compose_person *person = &entry->person;

	if (person->removed)
		return refuse_removed(entry, diag);
	if (person->uid != wanted->uid || person->gid != wanted->uid) {
		da_diag_set(diag,
		    "%s has uid %u and gid %u, not %u: ids never change",
		    entry->name, person->uid, person->gid, wanted->uid);
		return DA_E_COLLISION;
	}
	if (strcmp(person->gecos, wanted->gecos) == 0 &&
	    strcmp(person->home, wanted->home) == 0 &&
	    strcmp(person->shell, wanted->shell) == 0)
		return DA_OK;
	person->gecos = wanted->gecos;
	person->home = wanted->home;
	person->shell = wanted->shell;
	draft->changed = true;
	return DA_OK;
}

static enum da_err
make_put(const struct da_edit *edit, const struct da_paths *paths,
    struct da_draft *draft, struct da_draft_name *entry, struct da_diag *diag)
{
	const struct da_account_entry *wanted = &edit->change.entry;
	const struct da_local *local = &edit->local;
	struct da_record_person found;
	enum da_err err;

	if (entry->managed && local->passwd_name && local->uid == wanted->uid)
		return da_member_set(draft, entry, wanted, diag);
	err = da_owner_check_local(
	    local, paths, DA_OWNER_PERSON, wanted->name, wanted->uid, diag);
	if (err != DA_OK)
		return err;
	if (entry->has_person)
		err = put_again(wanted, draft, entry, diag);
	else if (!da_owner_find_person(draft, entry, &found) ||
	    found.uid != wanted->uid)
		err = put_new(edit, draft, entry, diag);
	return err == DA_OK ? da_member_set(draft, entry, wanted, diag) : err;
}

static enum da_err
refuse_unknown(const char *name, const char *what, struct da_diag *diag)
{
	da_diag_set(diag, "%.64s: no such %s", name, what);
	return DA_E_UNKNOWN_USER;
}

static enum da_err
make_remove(
    struct da_draft *draft, struct da_draft_name *entry, struct da_diag *diag)
{
	struct da_record_person found;
	enum da_err err;

	if (!entry->has_person) {
		if (!da_owner_find_person(draft, entry, &found))
			return refuse_unknown(entry->name, "person", diag);
		err = da_draft_take_number(draft, found.uid);
		if (err != DA_OK)
			return err;
		entry->has_person = true;
		entry->person = (struct da_compose_person){
		    .name = entry->name,
		    .gecos = found.text,
		    .home = found.text + found.gecos_len + 1,
		    .shell =
			found.text + found.gecos_len + 1 + found.home_len + 1,
		    .uid = found.uid,
		    .gid = found.gid,
		};
	}
	if (entry->person.renamed)
		return refuse_unknown(entry->name, "person", diag);
	if (entry->person.removed)
		return DA_OK;
	entry->person.removed = true;
	draft->changed = true;
	return da_member_leave_all(draft, entry);
}

static enum da_err
make_restore(const struct da_paths *paths, struct da_draft *draft,
    struct da_draft_name *entry, struct da_diag *diag)
{
	const uint32_t uid = entry->person.uid;
	struct da_local local = {0};
	struct da_record_person found;
	struct da_cell cell;
	enum da_err err;

	if (!entry->has_person || entry->person.renamed)
		return refuse_unknown(entry->name, "removed person", diag);
	if (!entry->person.removed)
		return DA_OK;
	err = da_local_find(paths, entry->name, uid, &local);
	if (err == DA_OK)
		err = da_owner_check_local(
		    &local, paths, DA_OWNER_PERSON, entry->name, uid, diag);
	if (err != DA_OK)
		return err;
	/* Whom the directory has, it shall answer for again. */
	if (da_database_find(&draft->view->directory, DA_KIND_PERSON,
		entry->name, strlen(entry->name), &cell) &&
	    da_record_read_person(&cell, &found) && found.uid == uid)
		entry->has_person = false;
	entry->person.removed = false;
	draft->changed = true;
	return DA_OK;
}

/* The former name stays as a record of its own; the uid leads to the new one.
 */
static enum da_err
make_rename(const struct da_edit *edit, const struct da_paths *paths,
    struct da_draft *draft, struct da_draft_name *entry, struct da_diag *diag)
{
	const char *name = edit->change.new_name;
	const uint32_t uid = entry->person.uid;
	struct da_local local = edit->local;
	struct da_draft_name *other;
	struct da_cell cell;
	enum da_err err;

	if (!entry->has_person || entry->person.removed)
		return refuse_unknown(entry->name, "person", diag);
	if (strcmp(entry->name, name) == 0)
		return DA_OK;
	local.passwd_id = local.group_id = false; /* the uid is not new */
	err = da_owner_check_local(
	    &local, paths, DA_OWNER_PERSON, name, uid, diag);
	if (err == DA_OK)
		err = da_draft_get(draft, name, strlen(name), &other, diag);
	if (err != DA_OK)
		return err;
	if (other->has_group || other->managed ||
	    (other->has_person &&
		!(other->person.renamed && other->person.uid == uid)) ||
	    da_database_find(&draft->view->directory, DA_KIND_PERSON, name,
		strlen(name), &cell) ||
	    da_database_find(&draft->view->directory, DA_KIND_GROUP, name,
		strlen(name), &cell)) {
		da_diag_set(diag, "%s: the name is taken", name);
		return DA_E_COLLISION;
	}
	err = da_draft_set_gids(draft, other, entry->gids, entry->gid_count);
	if (err == DA_OK)
		err = da_member_leave_all(draft, entry);
	other->has_person = true;
	other->person = entry->person;
	other->person.name = other->name;
	entry->person.removed = true;
	entry->person.renamed = true;
	draft->changed = true;
	return err;
}

static enum da_err
make_put_group(const struct da_edit *edit, const struct da_paths *paths,
    struct da_draft *draft, struct da_draft_name *entry, struct da_diag *diag)
{
	const uint32_t gid = edit->change.entry.uid;
	struct da_record_group found;
	enum da_err err = da_owner_check_local(
	    &edit->local, paths, DA_OWNER_GROUP, entry->name, gid, diag);

	if (err != DA_OK)
		return err;
	if (entry->has_group && !entry->group_local && entry->gid == gid) {
		if (entry->group_removed)
			draft->changed = true;
		entry->group_removed = false;
		return DA_OK;
	}
	if (entry->has_group) {
		if (entry->group_local)
			da_diag_set(diag,
			    "%s was a local group here; give this one another "
			    "name",
			    entry->name);
		else
			da_diag_set(diag,
			    "%s has gid %u, not %u, and ids never change: put "
			    "gid = %u back, or give the group another name",
			    entry->name, entry->gid, gid, entry->gid);
		return DA_E_COLLISION;
	}
	if (da_owner_find_group(draft, entry, &found) && found.gid == gid)
		return DA_OK;
	err = da_owner_check_free(draft, DA_OWNER_GROUP, entry, gid, diag);
	if (err == DA_OK)
		err = da_draft_take_number(draft, gid);
	if (err != DA_OK)
		return err;
	entry->has_group = true;
	entry->gid = gid;
	draft->changed = true;
	return DA_OK;
}

static enum da_err
make_use_group(const struct da_edit *edit, const struct da_paths *paths,
    struct da_draft *draft, struct da_draft_name *entry, struct da_diag *diag)
{
	const uint32_t gid = edit->local.gid;

	if (!edit->local.group_name) {
		da_diag_set(diag,
		    "there is no group %s in %s: groupadd %s makes it; or, if "
		    "devauth is to, say \"gid = ...\" in place of \"local = "
		    "yes\"",
		    entry->name, paths->group_file, entry->name);
		return DA_E_UNKNOWN_USER;
	}
	if (!da_record_is_local_gid(gid)) {
		da_diag_set(diag, "%s: nobody can be put into the group %u",
		    entry->name, gid);
		return DA_E_RANGE;
	}
	if (entry->has_person || (entry->has_group && !entry->group_local)) {
		da_diag_set(diag, "%s: a %s here has that name", entry->name,
		    entry->has_person ? "person" : "group");
		return DA_E_COLLISION;
	}
	if (entry->has_group && !entry->group_removed) {
		if (entry->gid == gid)
			return DA_OK;
		da_diag_set(diag,
		    "%s has the gid %u now, and had %u: take the section away, "
		    "apply, and put it back",
		    entry->name, gid, entry->gid);
		return DA_E_COLLISION;
	}
	entry->has_group = true;
	entry->group_local = true;
	entry->group_removed = false;
	entry->gid = gid;
	draft->changed = true;
	return DA_OK;
}

static enum da_err
make_remove_group(
    struct da_draft *draft, struct da_draft_name *entry, struct da_diag *diag)
{
	struct da_record_group found;
	enum da_err err = DA_OK;

	if (!entry->has_group) {
		if (!da_owner_find_group(draft, entry, &found))
			return refuse_unknown(entry->name, "group", diag);
		err = da_draft_take_number(draft, found.gid);
		entry->has_group = true;
		entry->gid = found.gid;
	}
	if (err != DA_OK || entry->group_removed)
		return err;
	err = da_member_empty(draft, entry, diag);
	entry->group_removed = true;
	draft->changed = true;
	return err;
}

static enum da_err
make_manage(const struct da_edit *edit, const struct da_paths *paths,
    struct da_draft *draft, struct da_draft_name *entry, struct da_diag *diag)
{
	if (!edit->local.passwd_name)
		return refuse_unknown(entry->name, "local account", diag);
	if (edit->local.uid == 0 && strcmp(entry->name, "root") != 0) {
		da_diag_set(diag,
		    "%s is root by another name; nobody can be given that",
		    entry->name);
		return DA_E_RANGE;
	}
	if (strcmp(entry->name, paths->worker_user) == 0) {
		da_diag_set(diag,
		    "%s is devauth's own account; nobody can be given that",
		    entry->name);
		return DA_E_RANGE;
	}
	if (entry->has_group || (entry->has_person && !entry->person.removed)) {
		da_diag_set(diag,
		    "%s: a %s here has that name, and so has the local "
		    "account; rename one of them",
		    entry->name, entry->has_group ? "group" : "person");
		return DA_E_COLLISION;
	}
	if (!entry->managed)
		draft->changed = true;
	entry->managed = true;
	return da_member_set(draft, entry, &edit->change.entry, diag);
}

static enum da_err
make_unmanage(
    struct da_draft *draft, struct da_draft_name *entry, struct da_diag *diag)
{
	if (!entry->managed)
		return refuse_unknown(entry->name, "managed account", diag);
	entry->managed = false;
	draft->changed = true;
	return da_member_leave_all(draft, entry);
}

enum da_err
da_edit_make(const struct da_edit *edit, const struct da_paths *paths,
    struct da_draft *draft, struct da_diag *diag)
{
	const char *name = edit->change.entry.name;
	struct da_draft_name *entry;
	enum da_err err = da_draft_get(draft, name, strlen(name), &entry, diag);

	if (err != DA_OK)
		return err;
	switch (edit->change.verb) {
	case DA_ACCOUNT_PUT:
		return make_put(edit, paths, draft, entry, diag);
	case DA_ACCOUNT_REMOVE:
		return make_remove(draft, entry, diag);
	case DA_ACCOUNT_RESTORE:
		return make_restore(paths, draft, entry, diag);
	case DA_ACCOUNT_RENAME:
		return make_rename(edit, paths, draft, entry, diag);
	case DA_ACCOUNT_PUT_GROUP:
		return make_put_group(edit, paths, draft, entry, diag);
	case DA_ACCOUNT_USE_GROUP:
		return make_use_group(edit, paths, draft, entry, diag);
	case DA_ACCOUNT_REMOVE_GROUP:
		return make_remove_group(draft, entry, diag);
	case DA_ACCOUNT_MANAGE:
		return make_manage(edit, paths, draft, entry, diag);
	case DA_ACCOUNT_UNMANAGE:
		return make_unmanage(draft, entry, diag);
	}
	return DA_E_BUG;
}
