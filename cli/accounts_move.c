/*
 * devauth accounts export, import: the same names and uids on every host.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "account/writer.h"
#include "admin.h"
#include "command.h"
#include "core/clock.h"
#include "core/paths.h"
#include "core/text.h"
#include "known.h"
#include "map.h"
#include "store/config.h"
#include "store/people.h"
#include "store/person.h"

/* --- export --- */

static enum da_err
export_pin(const char *name, struct da_diag *diag)
{
	struct da_person person;
	enum da_err err = da_person_load(&da_paths, name, &person, diag);

	if (err != DA_OK)
		return err;
	if (person.issuer[0] != '\0')
		(void)printf(
		    "pin %s %s#%s\n", name, person.issuer, person.subject);
	da_person_done(&person);
	return DA_OK;
}

static enum da_err
export_one(const struct da_known *known, bool pins, struct da_diag *diag)
{
	const char *kind = "person";

	switch (known->account) {
	case DA_KNOWN_NONE:
	case DA_KNOWN_MANAGED:
	case DA_KNOWN_GONE:
		return DA_OK;
	case DA_KNOWN_REMOVED:
		kind = "removed";
		break;
	case DA_KNOWN_RENAMED:
		kind = "renamed";
		break;
	case DA_KNOWN_PERSON:
	case DA_KNOWN_DIRECTORY:
		break;
	}
	(void)printf("%s %s %u\n", kind, known->name, known->uid);
	return pins && known->has_record ? export_pin(known->name, diag)
					 : DA_OK;
}

int
da_command_accounts_export(int argc, char **argv)
{
	const bool pins = argc == 2 && strcmp(argv[1], "--pins") == 0;
	struct da_known_list list;
	struct da_diag diag = {0};
	enum da_err err;

	if (argc != 1 && !pins)
		return da_admin_usage("export");
	if (pins && !da_admin_is_root())
		return DA_EXIT_FAILED;
	err = da_known_open(NULL, &list, &diag);
	if (err != DA_OK)
		return da_admin_refuse("%s", da_admin_why(err, &diag));
	if (pins && list.damaged_count > 0) {
		da_diag_set(&diag,
		    "%zu private record%s cannot be read; see devauth accounts "
		    "check",
		    list.damaged_count, list.damaged_count == 1 ? "" : "s");
		err = DA_E_SYNTAX;
	}
	if (err == DA_OK && da_known_misses_accounts(&list)) {
		da_diag_set(&diag,
		    "accounts are missing here; devauth accounts rebuild makes "
		    "them anew");
		err = DA_E_ABSENT;
	}
	if (err == DA_OK)
		(void)puts("devauth-accounts 1");
	for (size_t i = 0; err == DA_OK && i < list.count; i++)
		err = export_one(&list.items[i], pins, &diag);
	da_known_close(&list);
	if (err != DA_OK)
		return da_admin_refuse("%s", da_admin_why(err, &diag));
	/* Without its last line nobody takes it for whole. */
	return puts("end") >= 0 && fflush(stdout) == 0 ? DA_EXIT_OK
						       : DA_EXIT_FAILED;
}

/* --- import --- */

struct import {
	struct da_map_report report; /* has the name of the file */
	bool dry;
	struct da_config *config;
	struct da_map map;
	struct da_known_list known;
	struct da_people people;
	struct da_map_changes changes;
	size_t added, renamed, removed, unchanged, pinned;
};

/* Whether the pin of the file can be the present name's: the identity may be
 * known as one of the former ones. */
static enum da_err
check_pin(struct import *import, size_t from, struct da_diag *diag)
{
	const struct da_map_entry *entry = &import->map.items[from];
	char name[DA_USER_MAX + 1];
	enum da_err err;

	if (entry->issuer == NULL)
		return DA_OK;
	err = da_person_name_of(
	    &da_paths, entry->issuer, entry->subject, name, diag);
	for (size_t i = from;
	     err == DA_OK && i < da_map_unit_end(&import->map, from); i++) {
		if (strcmp(import->map.items[i].name, name) == 0)
			return da_person_check_pin(&da_paths, name,
			    entry->issuer, entry->subject, diag);
	}
	if (err == DA_OK || err == DA_E_ABSENT)
		err = da_person_check_pin(&da_paths, entry->name, entry->issuer,
		    entry->subject, diag);
	return err;
}

/* What the record of the present name lacks. */
static enum da_err
check_record(
    const struct da_map_entry *entry, bool *ret_pin, struct da_diag *diag)
{
	struct da_person person;
	enum da_err err = da_person_load(&da_paths, entry->name, &person, diag);

	*ret_pin = entry->issuer != NULL;
	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_OK : err;
	if (person.issuer[0] != '\0')
		*ret_pin = false;
	if (entry->kind == DA_MAP_PERSON && person.state == DA_PERSON_REMOVED) {
		da_diag_set(diag,
		    "%s was removed here; devauth accounts restore %s first",
		    entry->name, entry->name);
		err = DA_E_COLLISION;
	}
	da_person_done(&person);
	return err;
}

static enum da_err
count_unit(struct import *import, const struct da_map_entry *entry,
    const char *holder, bool changes, bool pin)
{
	struct da_map_report *report = &import->report;
	enum da_err err = DA_OK;

	if (!changes && !pin)
		import->unchanged++;
	if (holder[0] == '\0') {
		import->added++;
		err = da_map_remark(report, entry->line, false, "add %s %u",
		    entry->name, entry->uid);
	} else if (strcmp(holder, entry->name) != 0) {
		import->renamed++;
		err = da_map_remark(report, entry->line, false,
		    "rename %s to %s", holder, entry->name);
	}
	if (err == DA_OK && changes && entry->kind == DA_MAP_REMOVED) {
		import->removed++;
		err = da_map_remark(
		    report, entry->line, false, "remove %s", entry->name);
	}
	if (err == DA_OK && pin) {
		import->pinned++;
		err = da_map_remark(
		    report, entry->line, false, "pin %s", entry->name);
	}
	return err;
}

/* One person of the file: what would be done, or why it cannot be. */
static enum da_err
plan_unit(struct import *import, size_t from)
{
	struct da_map_entry *entry = &import->map.items[from];
	char home[DA_URI_MAX + 1], holder[DA_USER_MAX + 1];
	struct da_account_entry initial = {
	    .gecos = "", .shell = import->config->shell};
	const size_t before = import->changes.count;
	bool changes = false, pin = false;
	struct da_diag diag = {0};
	enum da_err err = da_admin_format_home(
	    import->config->home, entry->name, home, sizeof(home));

	if (err == DA_OK && (entry->home = strdup(home)) == NULL)
		err = DA_E_NOMEM;
	initial.home = entry->home;
	if (err == DA_OK)
		err = da_map_plan(&import->map, from, &import->known, &initial,
		    &import->changes, holder, &diag);
	if (err == DA_OK)
		err = da_account_preview(&da_paths,
		    import->changes.items + before,
		    import->changes.count - before, &changes, NULL, &diag);
	if (err == DA_OK)
		err = check_pin(import, from, &diag);
	if (err == DA_OK)
		err = check_record(entry, &pin, &diag);
	if (err == DA_OK)
		return count_unit(import, entry, holder, changes, pin);
	if (err == DA_E_NOMEM)
		return err;
	return da_map_remark(
	    &import->report, entry->line, true, "%s", da_admin_why(err, &diag));
}

/* The private record of somebody else's name that this one had before. */
static enum da_err
write_former(struct import *import, const struct da_map_entry *former,
    const char *present, struct da_diag *diag)
{
	struct da_account account;
	struct da_person person;
	char buffer[2048];
	bool provisional;
	enum da_err err =
	    da_person_load(&da_paths, former->name, &person, diag);

	if (err == DA_OK && person.state != DA_PERSON_RENAMED) {
		/* It was the present one here, and the home goes by it. */
		if (person.home[0] == '\0' &&
		    da_account_find(&da_paths, present, false, buffer,
			sizeof(buffer), &account, &provisional) == DA_OK) {
			err = da_text_copy(
			    account.home, person.home, sizeof(person.home));
			if (err == DA_OK)
				err = da_people_put(
				    &import->people, &person, diag);
		}
		if (err == DA_OK)
			err = da_people_rename(
			    &import->people, former->name, present, diag);
	} else if (err == DA_E_ABSENT) {
		da_person_init(&person);
		(void)stpcpy(person.name, former->name);
		person.uid = former->uid;
		person.state = DA_PERSON_RENAMED;
		person.state_since_s = da_clock_wall_s();
		err = da_people_put(&import->people, &person, diag);
	}
	da_person_done(&person);
	return err;
}

static enum da_err
write_records(struct import *import, size_t from, struct da_diag *diag)
{
	const struct da_map_entry *entry = &import->map.items[from];
	struct da_person person;
	bool whole;
	enum da_err err = DA_OK;

	for (size_t i = from + 1;
	     err == DA_OK && i < da_map_unit_end(&import->map, from); i++)
		err = write_former(
		    import, &import->map.items[i], entry->name, diag);
	if (err != DA_OK)
		return err;
	err = da_person_load(&da_paths, entry->name, &person, diag);
	if (err == DA_E_ABSENT) {
		da_person_init(&person);
		(void)stpcpy(person.name, entry->name);
		err = DA_OK;
	}
	if (err != DA_OK)
		return err;
	whole = person.uid == entry->uid &&
	    (entry->kind != DA_MAP_REMOVED ||
		person.state == DA_PERSON_REMOVED) &&
	    (entry->issuer == NULL || person.issuer[0] != '\0');
	person.uid = entry->uid;
	if (entry->kind == DA_MAP_REMOVED &&
	    person.state != DA_PERSON_REMOVED) {
		person.state = DA_PERSON_REMOVED;
		person.state_since_s = da_clock_wall_s();
	}
	if (entry->issuer != NULL && person.issuer[0] == '\0') {
		(void)stpcpy(person.issuer, entry->issuer);
		(void)stpcpy(person.subject, entry->subject);
	}
	if (!whole)
		err = da_people_put(&import->people, &person, diag);
	da_person_done(&person);
	return err;
}

static enum da_err
plan_all(struct import *import)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < import->map.count;
	     i = da_map_unit_end(&import->map, i))
		err = plan_unit(import, i);
	return err;
}

static enum da_err
write_all(struct import *import, struct da_diag *diag)
{
	enum da_err err = da_account_apply(&da_paths, import->changes.items,
	    import->changes.count, NULL, diag);

	for (size_t i = 0; err == DA_OK && i < import->map.count;
	     i = da_map_unit_end(&import->map, i)) {
		err = write_records(import, i, diag);
		if (err != DA_OK)
			da_diag_hint(diag,
			    "names and uids are there, some pins are not: "
			    "import again");
	}
	return err;
}

static void
import_done(struct import *import)
{
	da_config_free(import->config);
	da_map_done(&import->map);
	da_map_changes_done(&import->changes);
	da_known_close(&import->known);
	da_people_close(&import->people);
}

static void
format_summary(const struct import *import, char *ret, size_t size)
{
	(void)snprintf(ret, size,
	    "%zu added, %zu renamed, %zu removed, %zu pinned, %zu as before",
	    import->added, import->renamed, import->removed, import->pinned,
	    import->unchanged);
}

static enum da_err
open_all(struct import *import, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf text;
	enum da_err err;

	da_buf_init(&text, DA_MAP_FILE_MAX);
	err = da_admin_read(import->report.file, &text, diag);
	/* It says of each line itself what is wrong. */
	if (err == DA_OK)
		err = da_map_parse(&text, &import->map, &import->report);
	if (err == DA_OK)
		err = da_people_open(&da_paths, &import->people, diag);
	if (err == DA_OK)
		err = da_config_load(&da_paths, &import->config, diag);
	if (err == DA_OK)
		err = da_known_open(import->config, &import->known, diag);
	return err;
}

static int
run(struct import *import)
{
	struct da_diag diag = {0};
	char summary[160];
	bool bad;
	enum da_err err = open_all(import, &diag);

	if (err == DA_OK)
		err = plan_all(import);
	bad = import->report.bad > 0;
	da_map_report(&import->report);
	if (err != DA_OK || bad) {
		if (diag.text[0] != '\0')
			DA_IGNORE(da_admin_refuse("%s", diag.text));
		return da_admin_refuse("nothing was imported");
	}
	format_summary(import, summary, sizeof(summary));
	if (import->dry) {
		(void)printf("Would be: %s.\n", summary);
		return DA_EXIT_OK;
	}
	err = write_all(import, &diag);
	if (err != DA_OK ||
	    import->added + import->renamed + import->removed + import->pinned >
		0)
		da_admin_log("import", "", "people", summary, err, &diag);
	if (err != DA_OK)
		return da_admin_refuse("%s%s%s", diag.text,
		    diag.hint[0] != '\0' ? "; " : "", diag.hint);
	(void)printf("Imported: %s.\n", summary);
	return DA_EXIT_OK;
}

int
da_command_accounts_import(int argc, char **argv)
{
	DA_CLEANUP(import_done)
	struct import import = {.people = {.dir = -1, .lock = -1}};
	static const struct option options[] = {
	    {"dry-run", no_argument, NULL, 'd'},
	    {NULL, 0, NULL, 0},
	};
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'd')
			return da_admin_usage("import");
		import.dry = true;
	}
	if (optind + 1 != argc)
		return da_admin_usage("import");
	import.report.file = argv[optind];
	return run(&import);
}
