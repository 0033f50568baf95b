/*
 * Changes to accounts.cdb. Runs as root in the broker and the command.
 *
 * MUST: (1) decide under the lock, on what stands then; (2) carry over every
 * record that is not being changed, those of kinds it does not know as well;
 * (3) refuse a damaged database instead of writing what is left of it. What may
 * be changed is decided in edit.c.
 */
#include "account/writer.h"

#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "account/edit.h"
#include "account/owner.h"
#include "core/paths.h"

/* Makes the changes in a draft of a view. */
static enum da_err
make_all(const struct da_paths *paths, const struct da_edit *edits,
    size_t count, struct da_draft *draft, size_t *ret_failed,
    struct da_diag *diag)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < count; i++) {
		err = da_edit_make(&edits[i], paths, draft, diag);
		if (err != DA_OK)
			*ret_failed = i;
	}
	return err;
}

static enum da_err
apply_locked(const struct da_paths *paths, const struct da_edit *edits,
    size_t count, size_t *ret_failed, struct da_diag *diag)
{
	DA_CLEANUP(da_build_done) struct da_build build = DA_BUILD_NONE;
	DA_CLEANUP(da_draft_done) struct da_draft draft = {0};
	enum da_err err =
	    da_build_open(&build, paths, DA_FORMAT_ACCOUNTS, diag);

	if (err != DA_OK)
		return err;
	da_draft_init(&draft, &build.view);
	err = make_all(paths, edits, count, &draft, ret_failed, diag);
	if (err != DA_OK || !draft.changed)
		return err;
	return da_draft_write(&draft, &build, diag);
}

/* Whether accounts.cdb has all of it, and has told its readers. */
static bool
is_settled(
    const struct da_paths *paths, const struct da_edit *edits, size_t count)
{
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	DA_CLEANUP(da_draft_done) struct da_draft draft = {0};
	size_t failed;

	if (da_view_open(paths, &view) != DA_OK ||
	    view.accounts.generation > view.generation)
		return false;
	da_draft_init(&draft, &view);
	return make_all(paths, edits, count, &draft, &failed, NULL) == DA_OK &&
	    !draft.changed;
}

static enum da_err
check_all(const struct da_paths *paths, const struct da_account_change *changes,
    size_t count, struct da_edit *ret, size_t *ret_failed, struct da_diag *diag)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < count; i++) {
		ret[i].change = changes[i];
		ret[i].any_uid = true;
		err = da_edit_check(&ret[i], paths, diag);
		if (err != DA_OK)
			*ret_failed = i;
	}
	return err;
}

enum da_err
da_account_preview(const struct da_paths *paths,
    const struct da_account_change *changes, size_t count, bool *ret_changes,
    size_t *ret_failed, struct da_diag *diag)
{
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	DA_CLEANUP(da_draft_done) struct da_draft draft = {0};
	struct da_edit *edits = calloc(count + 1, sizeof(*edits));
	size_t failed = count;
	enum da_err err = edits != NULL ? DA_OK : DA_E_NOMEM;

	if (err == DA_OK)
		err = check_all(paths, changes, count, edits, &failed, diag);
	if (err == DA_OK) {
		err = da_view_open(paths, &view);
		/* Where nothing is there yet, everything is new. */
		if (err == DA_E_ABSENT)
			err = DA_OK;
		if (err != DA_OK)
			da_diag_set(diag,
			    "cannot read the account database in %s; see "
			    "\"devauth accounts check\"",
			    paths->state_dir);
	}
	if (err == DA_OK) {
		da_draft_init(&draft, &view);
		err = make_all(paths, edits, count, &draft, &failed, diag);
	}
	/* A change that its readers were not told of is not over. */
	if (err == DA_OK)
		*ret_changes =
		    draft.changed || view.accounts.generation > view.generation;
	if (err != DA_OK && ret_failed != NULL)
		*ret_failed = failed;
	free(edits);
	return err;
}

enum da_err
da_account_check_number(
    const struct da_paths *paths, const char *name, struct da_diag *diag)
{
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	DA_CLEANUP(da_draft_done) struct da_draft draft = {0};
	const uint32_t uid = da_account_uid_hash(name);
	struct da_draft_name *entry;
	struct da_local local;
	enum da_err err = da_view_open(paths, &view);

	if (err == DA_OK)
		err = da_local_find(paths, name, uid, &local);
	if (err != DA_OK)
		return err;
	/* The name is another matter. */
	if (local.passwd_name || local.group_name ||
	    da_account_name_is_reserved(name))
		return DA_OK;
	da_draft_init(&draft, &view);
	err = da_draft_get(&draft, name, strlen(name), &entry, diag);
	if (err != DA_OK || entry->has_person || entry->has_group)
		return err;
	err = da_owner_check_local(
	    &local, paths, DA_OWNER_PERSON, name, uid, diag);
	return err == DA_OK
	    ? da_owner_check_free(&draft, DA_OWNER_PERSON, entry, uid, diag)
	    : err;
}

enum da_err
da_account_apply(const struct da_paths *paths,
    const struct da_account_change *changes, size_t count, size_t *ret_failed,
    struct da_diag *diag)
{
	struct da_edit *edits = calloc(count + 1, sizeof(*edits));
	size_t failed = count;
	enum da_err err = edits != NULL ? DA_OK : DA_E_NOMEM;

	if (err == DA_OK)
		err = check_all(paths, changes, count, edits, &failed, diag);
	if (err == DA_OK)
		err = apply_locked(paths, edits, count, &failed, diag);
	free(edits);
	if (err != DA_OK && ret_failed != NULL)
		*ret_failed = failed;
	return err;
}

enum da_err
da_account_add(const struct da_paths *paths,
    const struct da_account_entry *entry, struct da_diag *diag)
{
	struct da_edit edit = {
	    .change = {.verb = DA_ACCOUNT_PUT, .entry = *entry}};
	enum da_err err = da_edit_check(&edit, paths, diag);
	size_t failed;

	/* Most logins end here: no lock, no write. */
	if (err != DA_OK || is_settled(paths, &edit, 1))
		return err;
	return apply_locked(paths, &edit, 1, &failed, diag);
}

static enum da_err
apply_to_name(const struct da_paths *paths, enum da_account_verb verb,
    const char *name, struct da_diag *diag)
{
	const struct da_account_change change = {
	    .verb = verb, .entry = {.name = name}};

	return da_account_apply(paths, &change, 1, NULL, diag);
}

enum da_err
da_account_remove(
    const struct da_paths *paths, const char *name, struct da_diag *diag)
{
	return apply_to_name(paths, DA_ACCOUNT_REMOVE, name, diag);
}

enum da_err
da_account_restore(
    const struct da_paths *paths, const char *name, struct da_diag *diag)
{
	return apply_to_name(paths, DA_ACCOUNT_RESTORE, name, diag);
}

enum da_err
da_account_purge(const struct da_paths *paths, struct da_diag *diag)
{
	return da_build_purge(paths, diag);
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
		    "the home must be an absolute path of at most %d "
		    "characters, without \"..\" and ':'; %%u stands for the "
		    "name",
		    DA_PATH_MAX);
		return DA_E_RANGE;
	}
	if (!da_record_is_path(policy->shell, shell_len)) {
		da_diag_set(diag,
		    "the shell must be an absolute path of at most %d "
		    "characters, without \"..\" and ':'",
		    DA_PATH_MAX);
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
	DA_CLEANUP(da_build_done) struct da_build build = DA_BUILD_NONE;
	DA_CLEANUP(da_draft_done) struct da_draft draft = {0};
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
	da_draft_init(&draft, &build.view);
	draft.policy = &record;
	return da_draft_write(&draft, &build, diag);
}

static void
add_word(struct da_diag *diag, const char *word)
{
	const struct da_diag before = *diag;

	da_diag_set(diag, "%s%s%s", before.text,
	    before.text[0] != '\0' ? ", " : "", word);
}

enum da_err
da_account_compare_policy(const struct da_paths *paths,
    const struct da_account_policy *policy, struct da_diag *ret)
{
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	struct da_record_policy wanted, old;
	struct da_cell cell;
	enum da_err err = check_policy(policy, &wanted, ret);

	if (err != DA_OK)
		return err;
	if (da_view_open(paths, &view) != DA_OK ||
	    !da_database_find(&view.accounts, DA_KIND_POLICY, "", 0, &cell) ||
	    !da_record_read_policy(&cell, &old)) {
		da_diag_set(ret, "everything");
		return DA_OK;
	}
	ret->text[0] = '\0';
	if (old.first_login != policy->first_login ||
	    strcmp(old.allowed, policy->allowed_users) != 0)
		add_word(ret, "who may log in");
	if (strcmp(old.home, policy->home) != 0)
		add_word(ret, "home");
	if (strcmp(old.shell, policy->shell) != 0)
		add_word(ret, "shell");
	if (old.enumerate != policy->enumerate)
		add_word(ret, "enumerate");
	return DA_OK;
}
