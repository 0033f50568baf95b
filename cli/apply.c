#include "apply.h"

#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "account/listing.h"
#include "account/local.h"
#include "account/record.h"
#include "account/writer.h"
#include "admin.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/config.h"

/* Somebody whose home or shell changes. */
struct mover {
	char name[DA_USER_MAX + 1];
	uint32_t uid;
	const char *gecos;
	char *home;           /* owned */
	const char *old_home; /* may be the same */
	const char *shell;
};

/* What has to be done to the database. */
struct plan {
	struct da_account_change *changes;
	char (*names)[DA_USER_MAX + 1]; /* of those that go */
	struct mover *movers;
	size_t count;
	size_t room;
	size_t gone;
	size_t mover_count;
	size_t mover_room;
	struct da_view view; /* as it was; the changes borrow from it */
};

static void
plan_done(struct plan *plan)
{
	free(plan->changes);
	free(plan->names);
	for (size_t i = 0; i < plan->mover_count; i++)
		free(plan->movers[i].home);
	free(plan->movers);
	da_view_close(&plan->view);
	*plan = (struct plan){0};
}

bool
da_apply_allows_nobody(const struct da_config *config)
{
	for (size_t i = 0; i < config->profile_count; i++) {
		if (config->profiles[i].access.groups.count > 0 ||
		    config->profiles[i].access.users.count > 0)
			return false;
	}
	return true;
}

static enum da_err
add_names(const struct da_config_list *names, struct da_buf *ret)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < names->count; i++)
		err = da_buf_format(
		    ret, "%s%s", ret->len > 0 ? " " : "", names->items[i]);
	return err;
}

/* Every name that rules list, or "" when a rule names groups: then anybody
 * might be let in, and the name service must answer for any well-formed name.
 */
static enum da_err
collect_users(const struct da_config *config, struct da_buf *ret)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < config->profile_count; i++) {
		const struct da_access *access = &config->profiles[i].access;

		if (access->groups.count > 0) {
			da_buf_clear(ret);
			return DA_OK;
		}
		err = add_names(&access->users, ret);
	}
	for (size_t i = 0; err == DA_OK && i < config->mapping_count; i++)
		err = da_buf_format(ret, "%s%s", ret->len > 0 ? " " : "",
		    config->mappings[i].name);
	return err;
}

/* What the name service needs; allowed_users points into "users". */
static enum da_err
make_policy(const struct da_config *config, struct da_buf *users,
    struct da_account_policy *ret)
{
	enum da_err err;

	da_buf_init(users, DA_CONFIG_FILE_MAX);
	err = collect_users(config, users);
	*ret = (struct da_account_policy){
	    .first_login = !da_apply_allows_nobody(config),
	    .enumerate = config->enumerate,
	    .home = config->home,
	    .shell = config->shell,
	    .allowed_users = da_buf_text(users),
	};
	return err;
}

static enum da_err
add_change(
    struct plan *plan, enum da_account_verb verb, const char *name, uint32_t id)
{
	if (plan->count == plan->room) {
		size_t room = 2 * plan->room + 16;
		struct da_account_change *changes =
		    reallocarray(plan->changes, room, sizeof(*plan->changes));

		if (changes == NULL)
			return DA_E_NOMEM;
		plan->changes = changes;
		plan->room = room;
	}
	plan->changes[plan->count++] = (struct da_account_change){
	    .verb = verb, .entry = {.name = name, .uid = id}};
	return DA_OK;
}

static const struct da_group_rule *
find_rule(const struct da_config *config, const struct da_listing *group)
{
	for (size_t i = 0; i < config->group_count; i++) {
		const struct da_group_rule *rule = &config->groups[i];

		if (strcmp(rule->name, group->name) == 0 &&
		    (rule->local || rule->gid == group->id))
			return rule;
	}
	return NULL;
}

/* What the database has and the configuration has not. The names are copied:
 * the database is replaced while they are needed. */
static enum da_err
plan_removals(const struct da_config *config, const struct da_view *view,
    struct plan *plan)
{
	uint32_t position = 0;
	struct da_listing listing;
	enum da_err err;
	size_t next = 0;

	while ((err = da_listing_next(view, &position, &listing)) == DA_OK) {
		if ((listing.kind == DA_LISTING_GROUP &&
			find_rule(config, &listing) == NULL) ||
		    (listing.kind == DA_LISTING_MANAGED &&
			da_config_mapping(config, listing.name) == NULL))
			plan->gone++;
	}
	if (err != DA_E_ABSENT)
		return err;
	plan->names = calloc(plan->gone + 1, sizeof(*plan->names));
	if (plan->names == NULL)
		return DA_E_NOMEM;
	position = 0;
	while (next < plan->gone &&
	    (err = da_listing_next(view, &position, &listing)) == DA_OK) {
		bool group = listing.kind == DA_LISTING_GROUP;

		if (!(group && find_rule(config, &listing) == NULL) &&
		    !(listing.kind == DA_LISTING_MANAGED &&
			da_config_mapping(config, listing.name) == NULL))
			continue;
		memcpy(plan->names[next], listing.name, sizeof(listing.name));
		err = add_change(plan,
		    group ? DA_ACCOUNT_REMOVE_GROUP : DA_ACCOUNT_UNMANAGE,
		    plan->names[next], 0);
		if (err != DA_OK)
			return err;
		next++;
	}
	return err == DA_E_ABSENT ? DA_OK : err;
}

static enum da_err
plan_additions(const struct da_config *config, struct plan *plan)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < config->group_count; i++) {
		const struct da_group_rule *rule = &config->groups[i];

		err = add_change(plan,
		    rule->local ? DA_ACCOUNT_USE_GROUP : DA_ACCOUNT_PUT_GROUP,
		    rule->name, (uint32_t)rule->gid);
	}
	for (size_t i = 0; err == DA_OK && i < config->mapping_count; i++) {
		const char *name = config->mappings[i].name;
		struct da_local found;

		err = da_local_find(&da_paths, name, 0, &found);
		if (err == DA_OK && found.passwd_name)
			err = add_change(plan, DA_ACCOUNT_MANAGE, name, 0);
	}
	return err;
}

/* Whether the name service gives the person's own entry for name and number:
 * of anybody else it is not ours to say what changes. */
static bool
is_undisputed(const struct da_listing *person)
{
	struct da_local found;

	return !da_account_name_is_reserved(person->name) &&
	    da_local_find(&da_paths, person->name, person->id, &found) ==
	    DA_OK &&
	    !found.passwd_name && !found.passwd_id && !found.group_name &&
	    !found.group_id;
}

/* Adds the person if the home or the shell is what the configuration said when
 * it was applied last, and says otherwise now. */
static enum da_err
add_mover(const struct da_config *config, const struct da_record_policy *old,
    const struct da_listing *person, struct plan *plan)
{
	struct mover mover = {.uid = person->id,
	    .gecos = person->gecos,
	    .old_home = person->home};
	char home[DA_URI_MAX + 1];
	bool moves = da_admin_format_home(old->home, person->name, home,
			 sizeof(home)) == DA_OK &&
	    strcmp(home, person->home) == 0 &&
	    da_admin_format_home(
		config->home, person->name, home, sizeof(home)) == DA_OK &&
	    strcmp(home, person->home) != 0;
	bool gets_shell = strcmp(old->shell, person->shell) == 0 &&
	    strcmp(config->shell, person->shell) != 0;

	if ((!moves && !gets_shell) || !is_undisputed(person))
		return DA_OK;
	if (plan->mover_count == plan->mover_room) {
		size_t room = 2 * plan->mover_room + 16;
		struct mover *movers =
		    reallocarray(plan->movers, room, sizeof(*movers));

		if (movers == NULL)
			return DA_E_NOMEM;
		plan->movers = movers;
		plan->mover_room = room;
	}
	memcpy(mover.name, person->name, sizeof(mover.name));
	mover.shell = gets_shell ? config->shell : person->shell;
	mover.home = strdup(moves ? home : person->home);
	if (mover.home == NULL)
		return DA_E_NOMEM;
	plan->movers[plan->mover_count++] = mover;
	return DA_OK;
}

/* What is configured for homes and shells reaches people who are known here,
 * too, and reaches them now: changed during a login, half of it would go by the
 * old one. What an administrator gave one of them stays. */
static enum da_err
plan_moves(const struct da_config *config, struct plan *plan)
{
	struct da_record_policy old;
	struct da_listing listing;
	uint32_t position = 0;
	struct da_cell cell;
	enum da_err err = DA_OK;

	if (!da_database_find(
		&plan->view.accounts, DA_KIND_POLICY, "", 0, &cell) ||
	    !da_record_read_policy(&cell, &old) ||
	    (strcmp(old.home, config->home) == 0 &&
		strcmp(old.shell, config->shell) == 0))
		return DA_OK;
	while (err == DA_OK &&
	    (err = da_listing_next(&plan->view, &position, &listing)) ==
		DA_OK) {
		if (listing.kind == DA_LISTING_PERSON)
			err = add_mover(config, &old, &listing, plan);
	}
	if (err != DA_E_ABSENT)
		return err;
	err = DA_OK;
	for (size_t i = 0; err == DA_OK && i < plan->mover_count; i++) {
		const struct mover *mover = &plan->movers[i];

		err = add_change(plan, DA_ACCOUNT_PUT, mover->name, mover->uid);
		if (err != DA_OK)
			break;
		plan->changes[plan->count - 1].entry.gecos = mover->gecos;
		plan->changes[plan->count - 1].entry.home = mover->home;
		plan->changes[plan->count - 1].entry.shell = mover->shell;
	}
	return err;
}

static enum da_err
make_plan(
    const struct da_config *config, struct plan *plan, struct da_diag *diag)
{
	enum da_err err = da_view_open(&da_paths, &plan->view);

	if (err == DA_OK)
		err = plan_removals(config, &plan->view, plan);
	if (err == DA_OK)
		err = plan_moves(config, plan);
	else if (err == DA_E_ABSENT)
		err = DA_OK; /* nothing is there to be removed */
	if (err == DA_OK)
		err = plan_additions(config, plan);
	if (err != DA_OK)
		da_diag_set(diag,
		    "cannot read the account database in %s; see "
		    "devauth accounts check",
		    da_paths.state_dir);
	return err;
}

/* The line of the section that asks for the change; 0 for none. */
static int
find_line(
    const struct da_config *config, const struct da_account_change *change)
{
	const char *name = change->entry.name;

	switch (change->verb) {
	case DA_ACCOUNT_PUT_GROUP:
		return da_config_line(da_config_group(config, name), "gid");
	case DA_ACCOUNT_USE_GROUP:
		return da_config_line(da_config_group(config, name), "local");
	case DA_ACCOUNT_MANAGE:
		return da_config_line(da_config_mapping(config, name), "");
	default:
		return 0;
	}
}

/* Puts the place in the file before what is wrong there. */
static void
add_place(const struct da_config *config, const struct plan *plan,
    size_t failed, struct da_diag *diag)
{
	const struct da_diag before = *diag;
	int line = failed < plan->count
	    ? find_line(config, &plan->changes[failed])
	    : 0;

	if (line > 0)
		da_diag_set(
		    diag, "%s:%d: %s", da_paths.config_file, line, before.text);
}

enum da_err
da_apply_run(const struct da_config *config, struct da_diag *diag)
{
	DA_CLEANUP(plan_done) struct plan plan = {0};
	DA_CLEANUP(da_buf_done) struct da_buf users;
	struct da_account_policy policy;
	size_t failed = 0;
	enum da_err err = make_policy(config, &users, &policy);

	if (err == DA_OK)
		err = make_plan(config, &plan, diag);
	if (err == DA_OK && plan.count > 0) {
		err = da_account_apply(
		    &da_paths, plan.changes, plan.count, &failed, diag);
		if (err != DA_OK)
			add_place(config, &plan, failed, diag);
	}
	if (err == DA_OK)
		err = da_account_set_policy(&da_paths, &policy, diag);
	return err;
}

/* --- without doing it --- */

static enum da_err
add_line(struct da_buf *ret, const char *text)
{
	return da_buf_format(ret, "%s\n", text);
}

/* Everything that would be refused: what was is left out, and the rest tried
 * again. */
static enum da_err
preview_changes(const struct da_config *config, struct plan *plan,
    bool *ret_changes, struct da_buf *complaints)
{
	struct da_diag diag = {0};
	bool is_bad = false;

	for (;;) {
		size_t failed = plan->count;
		enum da_err err = da_account_preview(&da_paths, plan->changes,
		    plan->count, ret_changes, &failed, &diag);

		if (err == DA_OK || err == DA_E_NOMEM)
			return err == DA_OK && is_bad ? DA_E_CONFIG : err;
		add_place(config, plan, failed, &diag);
		err = add_line(complaints, diag.text);
		if (err != DA_OK || failed >= plan->count)
			return err == DA_OK ? DA_E_CONFIG : err;
		is_bad = true;
		plan->count--;
		memmove(&plan->changes[failed], &plan->changes[failed + 1],
		    (plan->count - failed) * sizeof(*plan->changes));
	}
}

static enum da_err
describe_moves(const struct plan *plan, struct da_apply_preview *ret)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < plan->mover_count; i++) {
		const struct mover *mover = &plan->movers[i];

		if (strcmp(mover->home, mover->old_home) == 0)
			continue;
		if (ret->move_count < DA_APPLY_MOVES_SHOWN)
			err = da_buf_format(&ret->moves,
			    "  %s: %s, before that %s\n", mover->name,
			    mover->home, mover->old_home);
		ret->move_count++;
	}
	return err;
}

static enum da_err
preview(const struct da_config *config, struct da_apply_preview *ret)
{
	DA_CLEANUP(plan_done) struct plan plan = {0};
	DA_CLEANUP(da_buf_done) struct da_buf users;
	struct da_account_policy policy;
	struct da_diag diag = {0};
	bool changes = false;
	char words[DA_DIAG_MAX + 1];
	enum da_err err = make_policy(config, &users, &policy);

	if (err != DA_OK)
		return err;
	err = da_account_compare_policy(&da_paths, &policy, &ret->changes);
	if (err != DA_OK)
		return add_line(&ret->complaints, ret->changes.text) == DA_OK
		    ? err
		    : DA_E_NOMEM;
	err = make_plan(config, &plan, &diag);
	if (err != DA_OK)
		return add_line(&ret->complaints, diag.text) == DA_OK
		    ? err
		    : DA_E_NOMEM;
	err = describe_moves(&plan, ret);
	if (err == DA_OK)
		err =
		    preview_changes(config, &plan, &changes, &ret->complaints);
	if (err != DA_OK || !changes ||
	    strcmp(ret->changes.text, "everything") == 0)
		return err;
	memcpy(words, ret->changes.text, sizeof(words));
	da_diag_set(&ret->changes, "%s%sgroups and accounts", words,
	    words[0] != '\0' ? ", " : "");
	return DA_OK;
}

enum da_err
da_apply_preview(const struct da_config *config, struct da_apply_preview *ret)
{
	*ret = (struct da_apply_preview){0};
	da_buf_init(&ret->complaints, DA_CONFIG_FILE_MAX);
	da_buf_init(&ret->moves, DA_CONFIG_FILE_MAX);
	return preview(config, ret);
}

void
da_apply_preview_done(struct da_apply_preview *preview)
{
	da_buf_done(&preview->complaints);
	da_buf_done(&preview->moves);
}
