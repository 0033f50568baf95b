/*
 * devauth accounts list, show: who is known on this host, for people and for
 * programs. Whatever is printed came from strangers once and is escaped.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <json-c/json.h>

#include "account/account.h"
#include "account/listing.h"
#include "account/local.h"
#include "account/reader.h"
#include "admin.h"
#include "command.h"
#include "core/paths.h"
#include "core/text.h"
#include "known.h"
#include "store/config.h"
#include "store/person.h"

/* A person in 1,000 groups with the longest names. */
#define GROUPS_TEXT_MAX (DA_GROUPS_MAX * (DA_USER_MAX + 1))

/* Reads "[NAME] [--json]". False when that is not what stands there. */
static bool
take_arguments(int argc, char **argv, const char **ret_name, bool *ret_json)
{
	static const struct option options[] = {
	    {"json", no_argument, NULL, 'j'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	*ret_json = false;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'j')
			return false;
		*ret_json = true;
	}
	if (ret_name != NULL)
		*ret_name = optind < argc ? argv[optind++] : NULL;
	return optind == argc && (ret_name == NULL || *ret_name != NULL);
}

/* Without a configuration nobody is stale; that is no reason to show nothing.
 */
static enum da_err
open_known(struct da_config **ret_config, struct da_known_list *ret)
{
	struct da_diag diag = {0};
	enum da_err err;

	if (da_config_load(&da_paths, ret_config, NULL) != DA_OK)
		*ret_config = NULL;
	err = da_known_open(*ret_config, ret, &diag);
	if (err != DA_OK)
		(void)da_admin_refuse("%s", da_admin_why(err, &diag));
	return err;
}

static void
say_what_is_missing(
    const struct da_config *config, const struct da_known_list *list)
{
	(void)fflush(stdout);
	if (!list->has_private)
		(void)fputs("Locks, sign-ins and identities are for root to "
			    "see.\n",
		    stderr);
	if (da_known_misses_accounts(list) && list->view.accounts.bytes == NULL)
		(void)fputs("accounts.cdb is not there, so this host finds "
			    "nobody:\ndevauth accounts rebuild makes it anew "
			    "from the private records.\n",
		    stderr);
	else if (list->lost_count > 0)
		(void)fprintf(stderr,
		    "%zu name%s lost, but for the private record: devauth "
		    "accounts rebuild.\n",
		    list->lost_count, list->lost_count == 1 ? " is" : "s are");
	if (list->damaged_count > 0)
		(void)fprintf(stderr,
		    "%zu private record%s cannot be read; see devauth accounts "
		    "check.\n",
		    list->damaged_count, list->damaged_count == 1 ? "" : "s");
	if (config == NULL)
		(void)fputs("Whose sign-in is too old is not known: see "
			    "devauth config check.\n",
		    stderr);
}

/* --- for programs --- */

static struct json_object *
split(const char *words)
{
	struct json_object *list = json_object_new_array();

	while (*words != '\0') {
		size_t len = (size_t)(strchrnul(words, ' ') - words);

		(void)json_object_array_add(
		    list, json_object_new_string_len(words, (int)len));
		words += len + (words[len] == ' ');
	}
	return list;
}

/* What list and show have in common. The keys are stable. */
static struct json_object *
make_json(const struct da_known_list *list, const struct da_known *known,
    const char *groups)
{
	struct json_object *json = json_object_new_object();
	uint32_t uid;

	da_admin_json_text(json, "name", known->name);
	(void)json_object_object_add(json, "uid",
	    da_known_uid(known, &uid) ? json_object_new_int64(uid) : NULL);
	da_admin_json_text(json, "state", da_known_state(list, known));
	if (da_known_is_renamed(known)) {
		const struct da_known *present =
		    da_known_find_present(list, known);

		(void)json_object_object_add(json, "renamed_to",
		    present != NULL ? json_object_new_string(present->name)
				    : NULL);
	}
	(void)json_object_object_add(json, "groups", split(groups));
	if (!list->has_private)
		return json;
	da_admin_json_time(json, "last_sign_in", known->verified_at_s);
	if (known->record_state != DA_PERSON_ACTIVE)
		da_admin_json_time(json, "state_since", known->state_since_s);
	(void)json_object_object_add(
	    json, "locked", json_object_new_boolean(known->locked));
	return json;
}

static int
list_json(const struct da_known_list *list)
{
	DA_CLEANUP(da_buf_done) struct da_buf groups;
	struct json_object *all = json_object_new_array();

	da_buf_init(&groups, GROUPS_TEXT_MAX);
	for (size_t i = 0; i < list->count; i++) {
		da_buf_clear(&groups);
		if (da_known_groups(list, list->items[i].name, &groups) !=
		    DA_OK)
			return DA_EXIT_FAILED;
		(void)json_object_array_add(all,
		    make_json(list, &list->items[i], da_buf_text(&groups)));
	}
	return da_admin_json_print(all);
}

/* --- for people --- */

static void
format_uid(const struct da_known *known, char *ret, size_t size)
{
	uint32_t uid;

	if (da_known_uid(known, &uid))
		(void)snprintf(ret, size, "%u", uid);
	else
		(void)snprintf(ret, size, "-");
}

/* A former name and an account that many use have no time of their own. */
static int
print_time(const struct da_known *known, bool padded)
{
	char at[DA_ADMIN_TIME_MAX];
	const char *text = at;

	da_admin_format_time(known->verified_at_s, at);
	if (da_known_is_renamed(known) || known->account == DA_KNOWN_MANAGED ||
	    known->account == DA_KNOWN_GONE)
		text = "-";
	else if (known->verified_at_s == 0)
		text = "never";
	return printf("  %-*s", padded ? 16 : 0, text);
}

/* The last column: groups, of a former name who has become of it. */
static enum da_err
format_rest(const struct da_known_list *list, const struct da_known *known,
    struct da_buf *ret)
{
	const struct da_known *present;

	da_buf_clear(ret);
	if (!da_known_is_renamed(known))
		return da_known_groups(list, known->name, ret);
	present = da_known_find_present(list, known);
	return present != NULL ? da_buf_format(ret, "(now %s)", present->name)
			       : DA_OK;
}

static int
list_table(const struct da_known_list *list)
{
	DA_CLEANUP(da_buf_done) struct da_buf rest;
	const bool full = list->has_private;
	int name_width = (int)strlen("NAME"), uid_width = (int)strlen("UID");
	char uid[12];

	for (size_t i = 0; i < list->count; i++) {
		int len = (int)strlen(list->items[i].name);

		format_uid(&list->items[i], uid, sizeof(uid));
		name_width = len > name_width ? len : name_width;
		len = (int)strlen(uid);
		uid_width = len > uid_width ? len : uid_width;
	}
	if (list->count == 0) {
		if (!da_known_misses_accounts(list))
			(void)fputs(
			    "Nobody is known on this host yet.\n", stderr);
		return DA_EXIT_OK;
	}
	da_buf_init(&rest, GROUPS_TEXT_MAX);
	(void)printf("%-*s  %*s  %-7s  %s%s\n", name_width, "NAME", uid_width,
	    "UID", "STATE", full ? "LAST SIGN-IN      " : "", "GROUPS");
	for (size_t i = 0; i < list->count; i++) {
		const struct da_known *known = &list->items[i];
		int column;

		if (format_rest(list, known, &rest) != DA_OK)
			return DA_EXIT_FAILED;
		format_uid(known, uid, sizeof(uid));
		column = printf("%-*s  %*s  %-*s", name_width, known->name,
		    uid_width, uid, full || rest.len > 0 ? 7 : 0,
		    da_known_state(list, known));
		if (full)
			column += print_time(known, rest.len > 0);
		if (rest.len > 0)
			column += printf("  ");
		da_admin_wrap(da_buf_text(&rest), column);
	}
	return fflush(stdout) == 0 ? DA_EXIT_OK : DA_EXIT_FAILED;
}

int
da_command_accounts_list(int argc, char **argv)
{
	DA_CLEANUP(da_config_freep) struct da_config *config = NULL;
	struct da_known_list list;
	bool json;
	int status;

	if (!take_arguments(argc, argv, NULL, &json))
		return da_admin_usage("list");
	if (open_known(&config, &list) != DA_OK)
		return DA_EXIT_FAILED;
	status = json ? list_json(&list) : list_table(&list);
	say_what_is_missing(config, &list);
	da_known_close(&list);
	return status;
}

/* --- one person --- */

struct details {
	const struct da_known *known;
	struct da_person person;
	bool has_person;
	struct da_account account; /* of somebody whom the name service finds */
	bool has_account;
	char buffer[2048];
	struct da_buf groups;
	struct da_buf former; /* names */
};

static enum da_err
collect_former(const struct da_known_list *list, struct details *details)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < list->count; i++) {
		const struct da_known *other = &list->items[i];

		if (da_known_is_renamed(other) &&
		    da_known_find_present(list, other) == details->known)
			err = da_buf_format(&details->former, "%s%s",
			    details->former.len > 0 ? " " : "", other->name);
	}
	return err;
}

static enum da_err
collect(const struct da_known_list *list, const char *name, struct details *ret,
    struct da_diag *diag)
{
	bool provisional;
	enum da_err err;

	*ret = (struct details){.known = da_known_find(list, name)};
	da_person_init(&ret->person);
	da_buf_init(&ret->groups, GROUPS_TEXT_MAX);
	da_buf_init(&ret->former, GROUPS_TEXT_MAX);
	if (list->has_private) {
		err = da_person_load(&da_paths, name, &ret->person, diag);
		ret->has_person = err == DA_OK;
		if (err != DA_OK && err != DA_E_ABSENT)
			return err;
	}
	if (ret->known == NULL)
		return DA_E_ABSENT;
	ret->has_account =
	    da_account_find(&da_paths, name, false, ret->buffer,
		sizeof(ret->buffer), &ret->account, &provisional) == DA_OK;
	err = da_known_groups(list, name, &ret->groups);
	return err == DA_OK ? collect_former(list, ret) : err;
}

static void
details_done(struct details *details)
{
	da_person_done(&details->person);
	da_buf_done(&details->groups);
	da_buf_done(&details->former);
}

/* What the provider said at the last sign-in, as far as rules need it: texts
 * with a NUL behind each become a list. */
static struct json_object *
split_kept(const struct da_buf *kept)
{
	struct json_object *list = json_object_new_array();
	const char *at = da_buf_text(kept);
	const char *end = at + kept->len;
	char shown[4 * DA_CLAIM_MAX + 1];

	for (; at < end; at += strlen(at) + 1) {
		da_text_escape(at, shown, sizeof(shown));
		(void)json_object_array_add(
		    list, json_object_new_string(shown));
	}
	return list;
}

static int
show_json(const struct da_known_list *list, const struct details *details)
{
	struct json_object *json =
	    make_json(list, details->known, da_buf_text(&details->groups));

	if (details->has_account) {
		(void)json_object_object_add(
		    json, "gid", json_object_new_int64(details->account.gid));
		da_admin_json_text(json, "full_name", details->account.gecos);
		da_admin_json_text(json, "home", details->account.home);
		da_admin_json_text(json, "shell", details->account.shell);
	}
	(void)json_object_object_add(
	    json, "former_names", split(da_buf_text(&details->former)));
	if (details->has_person) {
		const struct da_person *person = &details->person;

		da_admin_json_text(json, "issuer", person->issuer);
		da_admin_json_text(json, "subject", person->subject);
		da_admin_json_text(json, "profile", person->profile);
		(void)json_object_object_add(
		    json, "provider_groups", split_kept(&person->groups));
		(void)json_object_object_add(
		    json, "provider_claims", split_kept(&person->claims));
	}
	return da_admin_json_print(json);
}

static void
show_field(const char *label, const char *text)
{
	if (text[0] == '\0')
		return;
	(void)printf("  %-14s", label);
	da_admin_put(text);
	(void)putchar('\n');
}

static void
show_kept(const char *label, const struct da_buf *kept)
{
	const char *at = da_buf_text(kept);
	const char *end = at + kept->len;

	for (; at < end; at += strlen(at) + 1) {
		show_field(label, at);
		label = "";
	}
}

/* A former name has a line of its own; the rest is its present one's. */
static void
show_former(const struct da_known_list *list, const struct da_known *known)
{
	const struct da_known *present = da_known_find_present(list, known);
	char at[DA_ADMIN_TIME_MAX];

	(void)printf("  %-14s%s", "renamed to",
	    present != NULL ? present->name : "(not to be found any more)");
	if (known->state_since_s != 0) {
		da_admin_format_time(known->state_since_s, at);
		(void)printf(", on %s", at);
	}
	(void)putchar('\n');
}

static const char *
explain_no_identity(const struct da_person *person)
{
	if (person->state == DA_PERSON_REMOVED)
		return "none: removed before the first sign-in";
	return person->locked ? "none: locked before the first sign-in"
			      : "none yet: the first who signs in";
}

static void
show_person(const struct da_person *person)
{
	char at[DA_ADMIN_TIME_MAX];

	if (person->state == DA_PERSON_REMOVED && person->state_since_s != 0) {
		da_admin_format_time(person->state_since_s, at);
		show_field("removed on", at);
	}
	da_admin_format_time(person->verified_at_s, at);
	show_field("last sign-in", person->verified_at_s != 0 ? at : "never");
	show_field("profile", person->profile);
	if (person->issuer[0] == '\0') {
		show_field("identity", explain_no_identity(person));
		return;
	}
	show_field("issuer", person->issuer);
	show_field("subject", person->subject);
	show_kept("at provider", &person->groups);
	show_kept("claims", &person->claims);
}

static const char *
explain_state(const struct da_known_list *list, const struct da_known *known)
{
	const char *state = da_known_state(list, known);

	if (strcmp(state, "gone") == 0)
		return "gone: a shared account that the host has no more";
	if (strcmp(state, "withdrawn") == 0)
		return "withdrawn by the provider: a new sign-in is due";
	return strcmp(state, "lost") == 0
	    ? "lost: only the private record is there"
	    : state;
}

static int
show_text(const struct da_known_list *list, const struct details *details)
{
	const struct da_known *known = details->known;
	char uid[12];

	format_uid(known, uid, sizeof(uid));
	(void)printf("%s\n", known->name);
	show_field("uid", uid);
	show_field("state", explain_state(list, known));
	/* Of a removed person the state is not the lock. */
	if (known->locked && strcmp(da_known_state(list, known), "locked") != 0)
		show_field("locked", "yes, as well");
	if (details->has_account) {
		show_field("full name", details->account.gecos);
		show_field("home", details->account.home);
		show_field("shell", details->account.shell);
	}
	if (details->groups.len > 0) {
		(void)printf("  %-14s", "groups");
		da_admin_wrap(da_buf_text(&details->groups), 16);
	}
	show_field("former names", da_buf_text(&details->former));
	if (da_known_is_renamed(known))
		show_former(list, known);
	else if (details->has_person)
		show_person(&details->person);
	return fflush(stdout) == 0 ? DA_EXIT_OK : DA_EXIT_FAILED;
}

int
da_command_accounts_show(int argc, char **argv)
{
	DA_CLEANUP(da_config_freep) struct da_config *config = NULL;
	DA_CLEANUP(details_done) struct details details = {0};
	struct da_known_list list;
	struct da_diag diag = {0};
	const char *name;
	bool json;
	int status;
	enum da_err err;

	if (!take_arguments(argc, argv, &name, &json))
		return da_admin_usage("show");
	if (!da_admin_is_name(name) || open_known(&config, &list) != DA_OK)
		return DA_EXIT_FAILED;
	err = collect(&list, name, &details, &diag);
	if (err == DA_E_ABSENT)
		status = da_admin_refuse("nobody is known here as %s; "
					 "\"devauth accounts list\" has who is",
		    name);
	else if (err != DA_OK)
		status = da_admin_refuse("%s", da_admin_why(err, &diag));
	else
		status = json ? show_json(&list, &details)
			      : show_text(&list, &details);
	if (err == DA_OK)
		say_what_is_missing(config, &list);
	da_known_close(&list);
	return status;
}
