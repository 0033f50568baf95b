/*
 * Changes to accounts.cdb. Runs as root in the broker and the command.
 *
 * MUST: (1) decide under the lock, on what stands then; (2) never change a
 * uid, never give a name or number to a second owner, removed ones and local
 * ones included; (3) carry over every record that is not being changed, those
 * of kinds it does not know as well; (4) refuse a damaged database instead of
 * writing what is left of it.
 */
#include "account/writer.h"

#include <errno.h>
#include <string.h>

#include "account/account.h"
#include "account/compose.h"
#include "account/local.h"
#include "core/paths.h"

static enum da_err
check_entry(const struct da_account_entry *entry, struct da_diag *diag)
{
	size_t gecos_len = strnlen(entry->gecos, DA_GECOS_MAX + 1);

	if (da_account_name_check(entry->name) != DA_OK) {
		da_diag_set(diag,
		    "\"%.64s\" cannot be a login name: it must "
		    "match [a-z_][a-z0-9_-]{0,31}",
		    entry->name);
		return DA_E_BAD_NAME;
	}
	if (!da_account_id_is_usable(entry->uid)) {
		da_diag_set(diag, "%s: uid %u is reserved by the system",
		    entry->name, entry->uid);
		return DA_E_RANGE;
	}
	if (gecos_len > DA_GECOS_MAX ||
	    !da_record_is_text(entry->gecos, gecos_len)) {
		da_diag_set(diag,
		    "%s: the full name is too long or not plain "
		    "ASCII",
		    entry->name);
		return DA_E_RANGE;
	}
	if (!da_record_is_path(
		entry->home, strnlen(entry->home, DA_PATH_MAX + 1))) {
		da_diag_set(diag,
		    "%s: the home must be an absolute path "
		    "without \"..\" and ':', below \"/\"",
		    entry->name);
		return DA_E_RANGE;
	}
	if (!da_record_is_path(
		entry->shell, strnlen(entry->shell, DA_PATH_MAX + 1))) {
		da_diag_set(diag,
		    "%s: the shell must be an absolute path "
		    "without \"..\" and ':'",
		    entry->name);
		return DA_E_RANGE;
	}
	return DA_OK;
}

/* Local accounts come first in nsswitch.conf: with the same name the person
 * would get the local account, with the same number each other's files. */
static enum da_err
check_local(const struct da_paths *paths, const struct da_account_entry *entry,
    struct da_diag *diag)
{
	struct da_local local = {0};
	enum da_err err = da_local_find(paths, entry->name, entry->uid, &local);

	if (err != DA_OK) {
		da_diag_set(diag, "cannot read %s and %s: %m",
		    paths->passwd_file, paths->group_file);
		return err;
	}
	if (local.passwd_name || local.group_name) {
		da_diag_set(diag, "%s: the name is taken in %s", entry->name,
		    local.passwd_name ? paths->passwd_file : paths->group_file);
		return DA_E_COLLISION;
	}
	if (local.passwd_id || local.group_id) {
		da_diag_set(diag, "%s: the number %u is taken in %s",
		    entry->name, entry->uid,
		    local.passwd_id ? paths->passwd_file : paths->group_file);
		return DA_E_COLLISION;
	}
	if (da_account_name_is_reserved(entry->name)) {
		da_diag_set(diag, "%s: the name is reserved", entry->name);
		return DA_E_COLLISION;
	}
	return DA_OK;
}

/* Looks for another owner of the name or the number in one database. */
static enum da_err
check_database(const struct da_database *db, const char *file,
    const struct da_account_entry *entry, struct da_diag *diag)
{
	const size_t len = strlen(entry->name);
	struct da_record_person person;
	struct da_cell cell;

	if (da_database_find(db, DA_KIND_PERSON, entry->name, len, &cell)) {
		if (!da_record_read_person(&cell, &person)) {
			da_diag_set(diag, "%s: the record of %s is damaged",
			    file, entry->name);
			return DA_E_UNSAFE_FILE;
		}
		if (person.removed) {
			da_diag_set(diag,
			    "%s was removed; \"devauth accounts "
			    "restore %s\" undoes that",
			    entry->name, entry->name);
			return DA_E_COLLISION;
		}
		if (person.uid != entry->uid || person.gid != entry->uid) {
			da_diag_set(diag,
			    "%s has uid %u and gid %u in %s, "
			    "not %u: ids never change",
			    entry->name, person.uid, person.gid, file,
			    entry->uid);
			return DA_E_COLLISION;
		}
	}
	if (da_database_find_id(db, DA_KIND_UID, entry->uid, &cell) &&
	    (cell.key_len != len + 1 ||
		memcmp(cell.key + 1, entry->name, len) != 0)) {
		da_diag_set(diag,
		    "uid %u of %s belongs to %.*s in %s; give "
		    "one of them another with \"devauth accounts add\"",
		    entry->uid, entry->name, (int)cell.key_len - 1,
		    (const char *)cell.key + 1, file);
		return DA_E_COLLISION;
	}
	if (da_database_find(db, DA_KIND_GROUP, entry->name, len, &cell) ||
	    da_database_find_id(db, DA_KIND_GID, entry->uid, &cell)) {
		da_diag_set(diag,
		    "%s (%u): a group in %s has that name or "
		    "number",
		    entry->name, entry->uid, file);
		return DA_E_COLLISION;
	}
	return DA_OK;
}

/* Whether the directory answers for this person, with home and shell of its
 * own. */
static bool
is_in_directory(
    const struct da_view *view, const struct da_account_entry *entry)
{
	const size_t len = strlen(entry->name);
	struct da_record_person person;
	struct da_cell cell;

	return !da_database_knows(
		   &view->accounts, entry->name, len, entry->uid) &&
	    da_database_find(
		&view->directory, DA_KIND_PERSON, entry->name, len, &cell) &&
	    da_record_read_person(&cell, &person) && !person.removed &&
	    person.uid == entry->uid;
}

/* Whether accounts.cdb has exactly this entry, and has told its readers. */
static bool
is_settled(const struct da_view *view, const struct da_account_entry *entry)
{
	struct da_record_person person;
	struct da_cell cell;
	const char *at;

	if (is_in_directory(view, entry))
		return true;
	if (view->accounts.generation > view->generation ||
	    !da_database_find(&view->accounts, DA_KIND_PERSON, entry->name,
		strlen(entry->name), &cell) ||
	    !da_record_read_person(&cell, &person) || person.removed ||
	    person.uid != entry->uid || person.gid != entry->uid)
		return false;
	at = person.text;
	if (strcmp(at, entry->gecos) != 0)
		return false;
	at += person.gecos_len + 1;
	if (strcmp(at, entry->home) != 0)
		return false;
	at += person.home_len + 1;
	return strcmp(at, entry->shell) == 0;
}

/* Copies accounts.cdb into the new file, without the records of these kinds
 * that belong to the name ("" for the policy). */
static enum da_err
copy_but(struct da_build *build, const char *kinds, const char *name,
    struct da_diag *diag)
{
	const struct da_database *db = &build->view.accounts;
	const size_t len = strlen(name);
	uint32_t at = DA_FORMAT_TABLES_SIZE;
	struct da_cell cell;
	enum da_err err = DA_OK;

	if (db->bytes == NULL)
		return DA_OK;
	for (; err == DA_OK && da_database_at(db, at, &cell); at = cell.next) {
		if (strchr(kinds, cell.key[0]) != NULL &&
		    cell.key_len == len + 1 &&
		    memcmp(cell.key + 1, name, len) == 0)
			continue;
		err = da_build_put_cell(build, &cell);
	}
	if (err == DA_E_RANGE || (err == DA_OK && at != db->data_end)) {
		da_diag_set(diag, "%s is damaged at byte %u; restore it",
		    DA_FORMAT_ACCOUNTS, at);
		return DA_E_UNSAFE_FILE;
	}
	if (err != DA_OK)
		da_diag_set(diag, "cannot write %s: %m", DA_FORMAT_ACCOUNTS);
	return err;
}

/* Replaces the records of these kinds about a person by this one. */
static enum da_err
write_person(struct da_build *build, const char *kinds,
    const struct da_compose_person *person, struct da_diag *diag)
{
	enum da_err err = da_build_begin(build, diag);

	if (err == DA_OK)
		err = copy_but(build, kinds, person->name, diag);
	if (err != DA_OK)
		return err;
	err = da_compose_person(build, person);
	if (err != DA_OK) {
		da_diag_set(diag, "cannot write %s: %m", DA_FORMAT_ACCOUNTS);
		return err;
	}
	return da_build_commit(build, diag);
}

static enum da_err
add_locked(struct da_build *build, const struct da_account_entry *entry,
    struct da_diag *diag)
{
	const struct da_compose_person person = {
	    .name = entry->name,
	    .gecos = entry->gecos,
	    .home = entry->home,
	    .shell = entry->shell,
	    .uid = entry->uid,
	    .gid = entry->uid,
	};
	enum da_err err;

	if (entry->uid < DA_ACCOUNT_UID_MIN ||
	    entry->uid > DA_ACCOUNT_UID_MAX) {
		da_diag_set(diag, "%s: uid %u is outside %u-%u", entry->name,
		    entry->uid, DA_ACCOUNT_UID_MIN, DA_ACCOUNT_UID_MAX);
		return DA_E_RANGE;
	}
	err = check_database(
	    &build->view.accounts, DA_FORMAT_ACCOUNTS, entry, diag);
	if (err == DA_OK)
		err = check_database(
		    &build->view.directory, DA_FORMAT_DIRECTORY, entry, diag);
	if (err != DA_OK)
		return err;
	return write_person(build, "p", &person, diag);
}

enum da_err
da_account_add(const struct da_paths *paths,
    const struct da_account_entry *entry, struct da_diag *diag)
{
	DA_CLEANUP(da_build_done)
	struct da_build build = {.dir = -1, .lock = -1, .file = -1};
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	enum da_err err = check_entry(entry, diag);

	if (err == DA_OK)
		err = check_local(paths, entry, diag);
	if (err != DA_OK)
		return err;
	/* Most logins end here: no lock, no write. */
	if (da_view_open(paths, &view) == DA_OK && is_settled(&view, entry))
		return DA_OK;
	err = da_build_open(&build, paths, DA_FORMAT_ACCOUNTS, diag);
	if (err != DA_OK || is_settled(&build.view, entry))
		return err;
	return add_locked(&build, entry, diag);
}

/* Finds a person for a change, in accounts.cdb or else the directory. */
static bool
find_for_change(
    const struct da_view *view, const char *name, struct da_record_person *ret)
{
	size_t len = strnlen(name, DA_USER_MAX + 1);
	struct da_cell cell;

	return (da_database_find(
		    &view->accounts, DA_KIND_PERSON, name, len, &cell) ||
		   da_database_find(
		       &view->directory, DA_KIND_PERSON, name, len, &cell)) &&
	    da_record_read_person(&cell, ret);
}

static enum da_err
set_removed(const struct da_paths *paths, const char *name, bool removed,
    struct da_diag *diag)
{
	DA_CLEANUP(da_build_done) struct da_build build;
	struct da_compose_person person;
	struct da_record_person found;
	enum da_err err =
	    da_build_open(&build, paths, DA_FORMAT_ACCOUNTS, diag);

	if (err != DA_OK)
		return err;
	if (!find_for_change(&build.view, name, &found)) {
		da_diag_set(diag, "%.64s: no such person", name);
		return DA_E_UNKNOWN_USER;
	}
	if (found.removed == removed)
		return DA_OK;
	/* The view stays mapped until da_build_done(). */
	person = (struct da_compose_person){
	    .name = name,
	    .gecos = found.text,
	    .uid = found.uid,
	    .gid = found.gid,
	    .removed = removed,
	};
	person.home = person.gecos + found.gecos_len + 1;
	person.shell = person.home + found.home_len + 1;
	/* Who comes back gets the groups of the next login. */
	return write_person(&build, removed ? "pm" : "p", &person, diag);
}

enum da_err
da_account_remove(
    const struct da_paths *paths, const char *name, struct da_diag *diag)
{
	return set_removed(paths, name, /* removed= */ true, diag);
}

enum da_err
da_account_restore(
    const struct da_paths *paths, const char *name, struct da_diag *diag)
{
	return set_removed(paths, name, /* removed= */ false, diag);
}

/* %u is all that a template may have; with the longest name it still has to
 * be a path. */
static bool
is_template(const char *home)
{
	size_t len = 0;

	for (const char *at = home; *at != '\0'; at++) {
		if (*at == '%' && *++at != 'u')
			return false;
		len +=
		    *at == 'u' && at > home && at[-1] == '%' ? DA_USER_MAX : 1;
	}
	return len <= DA_PATH_MAX;
}

static bool
is_name_list(const char *list)
{
	while (*list != '\0') {
		size_t len = (size_t)(strchrnul(list, ' ') - list);

		if (!da_account_name_is_wellformed(list, len))
			return false;
		list += len;
		if (*list == ' ' && *++list == '\0')
			return false;
	}
	return true;
}

static enum da_err
check_policy(const struct da_account_policy *policy,
    struct da_record_policy *ret, struct da_diag *diag)
{
	size_t home_len = strnlen(policy->home, DA_PATH_MAX + 1);
	size_t shell_len = strnlen(policy->shell, DA_PATH_MAX + 1);
	size_t allowed_len = strnlen(policy->allowed_users, DA_ALLOWED_MAX + 1);

	if (!da_record_is_path(policy->home, home_len) ||
	    !is_template(policy->home)) {
		da_diag_set(diag,
		    "the home must be an absolute path without "
		    "\"..\" and ':'; %%u stands for the name");
		return DA_E_RANGE;
	}
	if (!da_record_is_path(policy->shell, shell_len)) {
		da_diag_set(diag,
		    "the shell must be an absolute path without "
		    "\"..\" and ':'");
		return DA_E_RANGE;
	}
	if (allowed_len > DA_ALLOWED_MAX ||
	    !is_name_list(policy->allowed_users)) {
		da_diag_set(diag,
		    "the list of users is too long or has what "
		    "is no login name");
		return DA_E_RANGE;
	}
	*ret = (struct da_record_policy){
	    .home = policy->home,
	    .shell = policy->shell,
	    .allowed = policy->allowed_users,
	    .home_len = (uint16_t)home_len,
	    .shell_len = (uint16_t)shell_len,
	    .allowed_len = (uint32_t)allowed_len,
	    .first_login = policy->first_login,
	    .enumerate = policy->enumerate,
	};
	return DA_OK;
}

static bool
has_policy(const struct da_view *view, const struct da_record_policy *policy)
{
	struct da_record_policy old;
	struct da_cell cell;

	return view->accounts.generation <= view->generation &&
	    da_database_find(&view->accounts, DA_KIND_POLICY, "", 0, &cell) &&
	    da_record_read_policy(&cell, &old) &&
	    old.first_login == policy->first_login &&
	    old.enumerate == policy->enumerate &&
	    strcmp(old.home, policy->home) == 0 &&
	    strcmp(old.shell, policy->shell) == 0 &&
	    strcmp(old.allowed, policy->allowed) == 0;
}

enum da_err
da_account_set_policy(const struct da_paths *paths,
    const struct da_account_policy *policy, struct da_diag *diag)
{
	DA_CLEANUP(da_build_done)
	struct da_build build = {.dir = -1, .lock = -1, .file = -1};
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	struct da_record_policy record;
	enum da_err err = check_policy(policy, &record, diag);

	if (err != DA_OK)
		return err;
	if (da_view_open(paths, &view) == DA_OK && has_policy(&view, &record))
		return DA_OK;
	err = da_build_open(&build, paths, DA_FORMAT_ACCOUNTS, diag);
	if (err != DA_OK || has_policy(&build.view, &record))
		return err;
	err = da_build_begin(&build, diag);
	if (err == DA_OK)
		err = copy_but(&build, "c", "", diag);
	if (err != DA_OK)
		return err;
	err = da_compose_policy(&build, &record);
	if (err != DA_OK) {
		da_diag_set(diag, "cannot write %s: %m", DA_FORMAT_ACCOUNTS);
		return err;
	}
	return da_build_commit(&build, diag);
}
