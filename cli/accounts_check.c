/*
 * devauth accounts check: whether the account database, the private records and
 * the host's own files fit together. A line for each thing that does not, with
 * the cure. Changes nothing.
 *
 * A rebuild asks here, too, whether there is anything for it to mend; what only
 * the host's own files say is none of that.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/account.h"
#include "account/listing.h"
#include "account/local.h"
#include "account/reader.h"
#include "accounts_check.h"
#include "admin.h"
#include "command.h"
#include "core/paths.h"
#include "core/text.h"
#include "known.h"
#include "store/people.h"
#include "store/person.h"
#include "store/record.h"

struct pin {
	char digest[DA_RECORD_DIGEST_LEN + 1];
	char name[DA_USER_MAX + 1];
};

struct home {
	const char *path; /* in the view */
	char name[DA_USER_MAX + 1];
};

struct check {
	bool quiet; /* counts, and looks at our own files only */
	struct da_known_list known;
	size_t found;
	struct pin *pins;
	size_t pin_count, pin_room;
	struct home *homes;
	size_t home_count;
};

static void find(struct check *check, const char *format, ...) DA_PRINTF(2, 3);

static void
find(struct check *check, const char *format, ...)
{
	char raw[4 * DA_DIAG_MAX], shown[4 * DA_DIAG_MAX];
	va_list args;

	check->found++;
	if (check->quiet)
		return;
	va_start(args, format);
	if (vsnprintf(raw, sizeof(raw), format, args) < 0)
		raw[0] = '\0';
	va_end(args);
	da_text_escape_rest(raw, shown, sizeof(shown));
	(void)printf("%s\n", shown);
}

/* --- the host's own files --- */

static void
check_local(struct check *check, const struct da_listing *person)
{
	struct da_local local;

	if (da_local_find(&da_paths, person->name, person->id, &local) !=
	    DA_OK) {
		find(check, "%s, %s: cannot be read: %m", da_paths.passwd_file,
		    da_paths.group_file);
		return;
	}
	if (local.passwd_name || local.group_name)
		find(check,
		    "%s: the name is in %s as well, which comes first; rename "
		    "that one, or devauth accounts rename %s NEW",
		    person->name,
		    local.passwd_name ? da_paths.passwd_file
				      : da_paths.group_file,
		    person->name);
	if (local.passwd_id || local.group_id)
		find(check,
		    "%s: the number %u is in %s as well; give that one another "
		    "(usermod -u, groupmod -g)",
		    person->name, person->id,
		    local.passwd_id ? da_paths.passwd_file
				    : da_paths.group_file);
	if (da_account_name_is_reserved(person->name))
		find(check,
		    "%s: the name is reserved by the system; devauth accounts "
		    "rename %s NEW",
		    person->name, person->name);
}

static void
check_shell(struct check *check, const struct da_listing *person)
{
	const char *shell;
	bool listed = false;

	setusershell();
	while (!listed && (shell = getusershell()) != NULL)
		listed = strcmp(shell, person->shell) == 0;
	endusershell();
	if (!listed)
		find(check,
		    "%s: the shell %s is not in /etc/shells; devauth accounts "
		    "add %s --shell FILE",
		    person->name, person->shell, person->name);
	else if (access(person->shell, X_OK) != 0)
		find(check,
		    "%s: the shell %s cannot be run: %m; devauth accounts add "
		    "%s --shell FILE",
		    person->name, person->shell, person->name);
}

/* It is made at the first login; until then it need not be there. */
static void
check_home(struct check *check, const struct da_listing *person)
{
	struct home *home = &check->homes[check->home_count++];
	struct stat st;

	home->path = person->home;
	memcpy(home->name, person->name, sizeof(home->name));
	if (lstat(person->home, &st) != 0) {
		if (errno != ENOENT)
			find(check, "%s: the home %s: %m", person->name,
			    person->home);
		return;
	}
	if (!S_ISDIR(st.st_mode))
		find(check,
		    "%s: the home %s is no folder; move it away, or devauth "
		    "accounts add %s --home DIR",
		    person->name, person->home, person->name);
	else if (st.st_uid != person->id)
		find(check,
		    "%s: the home %s belongs to uid %u, not %u; chown it if it "
		    "is the same person's, else devauth accounts add %s --home "
		    "DIR",
		    person->name, person->home, st.st_uid, person->id,
		    person->name);
	else if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		find(check,
		    "%s: others can write to the home %s; chmod go-w %s",
		    person->name, person->home, person->home);
}

static int
compare_homes(const void *left, const void *right)
{
	const struct home *one = left, *other = right;
	int order = strcmp(one->path, other->path);

	return order != 0 ? order : strcmp(one->name, other->name);
}

static void
check_shared_homes(struct check *check)
{
	if (check->home_count > 0)
		qsort(check->homes, check->home_count, sizeof(*check->homes),
		    compare_homes);
	for (size_t i = 1; i < check->home_count; i++) {
		const struct home *one = &check->homes[i - 1];

		if (strcmp(one->path, check->homes[i].path) == 0)
			find(check,
			    "%s, %s: both have the home %s; devauth accounts "
			    "add NAME --home DIR",
			    one->name, check->homes[i].name, one->path);
	}
}

/* --- the account database --- */

/* Both ways to the person have to lead there. */
static void
check_levels(struct check *check, const struct da_listing *person)
{
	struct da_account account;
	char buffer[2048];

	if (da_reader_find_name(&check->known.view, person->name, buffer,
		sizeof(buffer), &account) != DA_OK ||
	    account.uid != person->id)
		find(check,
		    "%s: cannot be found by name; devauth accounts rebuild",
		    person->name);
	if (da_reader_find_uid(&check->known.view, person->id, buffer,
		sizeof(buffer), &account) != DA_OK ||
	    strcmp(account.name, person->name) != 0)
		find(check,
		    "%s: cannot be found by uid %u; devauth accounts rebuild",
		    person->name, person->id);
}

static void
check_accounts(struct check *check)
{
	struct da_listing person;
	uint32_t position = 0;

	while (
	    da_listing_next(&check->known.view, &position, &person) == DA_OK) {
		if (person.kind != DA_LISTING_PERSON)
			continue;
		check_levels(check, &person);
		if (check->quiet)
			continue;
		check_local(check, &person);
		check_shell(check, &person);
		check_home(check, &person);
	}
}

/* --- the private records --- */

static enum da_err
keep_pin(struct check *check, const struct da_person *person)
{
	struct pin *pin;
	enum da_err err;

	if (check->pin_count == check->pin_room) {
		size_t room = 2 * check->pin_room + 64;
		struct pin *pins =
		    reallocarray(check->pins, room, sizeof(*pins));

		if (pins == NULL)
			return DA_E_NOMEM;
		check->pins = pins;
		check->pin_room = room;
	}
	pin = &check->pins[check->pin_count];
	err = da_record_digest(
	    (const char *const[]){person->issuer, person->subject}, 2,
	    pin->digest);
	if (err == DA_OK) {
		(void)stpcpy(pin->name, person->name);
		check->pin_count++;
	}
	return err;
}

static enum da_err
check_record(
    void *context, const struct da_person *person, const char *complaint)
{
	struct check *check = context;
	char name[DA_USER_MAX + 1];
	enum da_err err;

	if (person == NULL) {
		find(check,
		    "%s; nobody logs in by that record: set it right, or find "
		    "out whose it was (devauth accounts list) and devauth "
		    "accounts relink NAME ISSUER#SUBJECT",
		    complaint);
		return DA_OK;
	}
	if (person->issuer[0] == '\0')
		return DA_OK;
	err = da_person_name_of(
	    &da_paths, person->issuer, person->subject, name, NULL);
	if (err != DA_OK)
		find(check,
		    "%s: the identity does not lead to the name; devauth "
		    "accounts rebuild",
		    person->name);
	return keep_pin(check, person);
}

static int
compare_pins(const void *left, const void *right)
{
	return strcmp(((const struct pin *)left)->digest,
	    ((const struct pin *)right)->digest);
}

static void
check_pins(struct check *check)
{
	if (check->pin_count > 0)
		qsort(check->pins, check->pin_count, sizeof(*check->pins),
		    compare_pins);
	for (size_t i = 1; i < check->pin_count; i++) {
		const struct pin *one = &check->pins[i - 1];

		if (strcmp(one->digest, check->pins[i].digest) == 0)
			find(check,
			    "%s, %s: one identity has both names; devauth "
			    "accounts rename OLD NEW, or relink one of them",
			    one->name, check->pins[i].name);
	}
}

/* A change that did not come to its end, and what somebody did by hand. */
static void
check_pair(struct check *check, const struct da_known *known)
{
	const char *name = known->name;
	const struct da_known *present;

	switch (known->account) {
	case DA_KNOWN_PERSON:
		if (!known->has_record)
			find(check,
			    "%s: an account without a private record, which a "
			    "rebuild would not know; devauth accounts add %s",
			    name, name);
		else if (known->barred && !known->locked)
			find(check,
			    "%s: removed, but the account is still there; "
			    "devauth accounts remove %s, or restore %s",
			    name, name, name);
		else if (known->record_uid != known->uid)
			find(check,
			    "%s: the account has uid %u, the private record "
			    "%u; devauth accounts add %s writes the former "
			    "down",
			    name, known->uid, known->record_uid, name);
		break;
	case DA_KNOWN_NONE:
		if (known->record_uid != 0 && !known->barred)
			find(check,
			    "%s: a private record with uid %u, and no account; "
			    "devauth accounts add %s --uid %u, or devauth "
			    "accounts rebuild",
			    name, known->record_uid, name, known->record_uid);
		break;
	case DA_KNOWN_REMOVED:
		if (!known->has_record || !known->barred)
			find(check,
			    "%s: removed, but not in the private record; "
			    "devauth accounts remove %s",
			    name, name);
		break;
	case DA_KNOWN_RENAMED:
		present = da_known_find_owner(&check->known, known->uid);
		if (!known->has_record || !known->barred)
			find(check,
			    "%s: renamed, but not in the private record; "
			    "devauth accounts rename %s %s",
			    name, name,
			    present != NULL ? present->name : "NEW");
		break;
	case DA_KNOWN_GONE:
		if (check->quiet)
			break;
		find(check,
		    "%s: [account %s] shared a local account, which is not in "
		    "%s any more; take the section away and devauth config "
		    "apply, or useradd %s",
		    name, name, da_paths.passwd_file, name);
		break;
	case DA_KNOWN_MANAGED:
	case DA_KNOWN_DIRECTORY:
		break;
	}
}

static enum da_err
check_people(struct check *check, struct da_diag *diag)
{
	size_t stale = 0;
	enum da_err err = da_people_each(&da_paths, check_record, check, diag);

	if (err == DA_OK)
		err = da_people_sweep(&da_paths, NULL, &stale, diag);
	if (err != DA_OK)
		return err;
	check_pins(check);
	for (size_t i = 0; i < check->known.count; i++)
		check_pair(check, &check->known.items[i]);
	if (stale > 0)
		find(check,
		    "%zu identit%s to a name that is not theirs; devauth "
		    "accounts rebuild",
		    stale, stale == 1 ? "y leads" : "ies lead");
	return DA_OK;
}

static void
check_done(struct check *check)
{
	da_known_close(&check->known);
	free(check->pins);
	free(check->homes);
}

/* Why it cannot be opened, when it cannot. */
static bool
check_files(struct check *check)
{
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	struct da_listing listing;
	uint32_t position = 0;
	enum da_err err;

	errno = 0;
	err = da_view_open(&da_paths, &view);
	if (err == DA_E_ABSENT) {
		find(check,
		    "%s: nothing is set up; devauth config apply, or devauth "
		    "accounts rebuild if people were here before",
		    da_paths.state_dir);
		return false;
	}
	if (err != DA_OK && errno == EPERM) {
		find(check,
		    "%s: a file belongs to somebody else, or others can write "
		    "to it; look who did that, then devauth accounts rebuild",
		    da_paths.state_dir);
		return false;
	}
	if (err != DA_OK && errno != EBADMSG) {
		find(check, "%s: cannot be read: %m", da_paths.state_dir);
		return false;
	}
	while (err == DA_OK)
		err = da_listing_next(&view, &position, &listing);
	if (err == DA_E_ABSENT && view.accounts.bytes == NULL)
		find(check,
		    "%s/accounts.cdb: not there; devauth accounts rebuild",
		    da_paths.state_dir);
	else if (err != DA_E_ABSENT)
		find(check,
		    "%s/accounts.cdb: damaged; devauth accounts rebuild makes "
		    "it anew from the private records",
		    da_paths.state_dir);
	return err == DA_E_ABSENT && view.accounts.bytes != NULL;
}

static enum da_err
check_all(struct check *check, struct da_diag *diag)
{
	enum da_err err = DA_OK;

	if (check_files(check))
		err = da_known_open(NULL, &check->known, diag);
	if (err != DA_OK || check->found > 0)
		return err;
	check->homes = calloc(check->known.count + 1, sizeof(*check->homes));
	if (check->homes == NULL)
		return DA_E_NOMEM;
	check_accounts(check);
	check_shared_homes(check);
	return check_people(check, diag);
}

bool
da_check_is_whole(void)
{
	DA_CLEANUP(check_done) struct check check = {.quiet = true};
	struct da_diag diag = {0};

	return check_all(&check, &diag) == DA_OK && check.found == 0;
}

int
da_command_accounts_check(int argc, char **argv)
{
	DA_CLEANUP(check_done) struct check check = {0};
	struct da_diag diag = {0};
	enum da_err err;

	(void)argv;
	if (argc != 1)
		return da_admin_usage("check");
	err = check_all(&check, &diag);
	if (err != DA_OK)
		return da_admin_refuse("%s", da_admin_why(err, &diag));
	if (check.found == 0)
		(void)printf("accounts: fine (%zu name%s)\n", check.known.count,
		    check.known.count == 1 ? "" : "s");
	return fflush(stdout) == 0 && check.found == 0 ? DA_EXIT_OK
						       : DA_EXIT_FAILED;
}
