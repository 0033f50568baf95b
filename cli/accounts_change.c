/*
 * devauth accounts add, lock, unlock, rename, relink, remove, restore: what an
 * administrator decides about one person. Runs as root.
 *
 * The account database and the private record are changed under the lock of the
 * records. Between the two a crash can happen: then nobody gets in whom the
 * finished change would keep out, and the same command again finishes it.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "account/account.h"
#include "account/listing.h"
#include "account/local.h"
#include "account/view.h"
#include "account/writer.h"
#include "admin.h"
#include "command.h"
#include "core/clock.h"
#include "core/parse.h"
#include "core/paths.h"
#include "core/text.h"
#include "known.h"
#include "store/config.h"
#include "store/people.h"
#include "store/person.h"
#include "store/shell.h"

/* A person as things stand, the records locked. */
struct change {
	const char *verb;
	const char *name;
	struct da_people people;
	struct da_person person; /* an empty one of the name if there is none */
	bool has_record;
	uint32_t record_uid;
	struct da_account account;
	bool has_account;
	char buffer[2048];
	struct da_diag diag;
};

/* What to do instead with an account of the passwd file. */
static enum da_err
refuse_local(struct change *change, bool managed)
{
	static const struct {
		const char *verb;
		const char *cure;
	} cures[] = {
	    {"add", "it is there already"},
	    {"lock", "usermod -e 1 NAME locks it"},
	    {"unlock", "usermod -e '' NAME unlocks it"},
	    {"rename", "usermod -l NEW NAME renames it"},
	    {"relink", "[account NAME] in devauth.conf says who may use it"},
	    {"remove", "userdel NAME removes it"},
	    {"restore", "useradd NAME makes it"},
	};

	const char *cure = "";

	for (size_t i = 0; i < DA_ARRAY_LEN(cures); i++) {
		if (strcmp(cures[i].verb, change->verb) == 0)
			cure = cures[i].cure;
	}
	da_diag_set(&change->diag, "%s is a local account%s; %s", change->name,
	    managed ? ": people share it, and a key into it names none of them"
		    : ", which is not devauth's",
	    cure);
	for (char *at; (at = strstr(change->diag.text, "NAME")) != NULL;) {
		char rest[DA_DIAG_MAX + 1];

		(void)stpcpy(rest, at + strlen("NAME"));
		*at = '\0';
		da_diag_set(&change->diag, "%s%s%s", change->diag.text,
		    change->name, rest);
	}
	return DA_E_NOT_ALLOWED;
}

/* A person of a local account's name may be known from shared accounts. */
static enum da_err
check_local(struct change *change)
{
	struct da_local local;
	bool plain = false;
	enum da_err err = da_local_find(&da_paths, change->name, 0, &local);

	if (err == DA_OK && local.passwd_name)
		err = da_account_is_local(&da_paths, change->name, &plain);
	if (err != DA_OK) {
		da_diag_set(&change->diag, "cannot read %s and %s: %m",
		    da_paths.passwd_file, da_paths.group_file);
		return err;
	}
	if (!local.passwd_name || (plain && change->has_record))
		return DA_OK;
	return refuse_local(change, !plain);
}

/* Opens everything for a verb. A damaged record is DA_E_SYNTAX, the rest is
 * usable then. */
static enum da_err
begin(struct change *change, const char *verb, const char *name)
{
	bool provisional;
	enum da_err err, loaded;

	*change = (struct change){.verb = verb, .name = name};
	da_person_init(&change->person);
	err = da_people_open(&da_paths, &change->people, &change->diag);
	if (err == DA_E_ABSENT)
		da_diag_set(&change->diag,
		    "no folder %s; run systemd-tmpfiles --create",
		    da_paths.people_dir);
	if (err != DA_OK)
		return err;
	loaded =
	    da_person_load(&da_paths, name, &change->person, &change->diag);
	change->has_record = loaded == DA_OK;
	change->record_uid = change->person.uid;
	if (loaded != DA_OK) {
		da_person_init(&change->person);
		(void)stpcpy(change->person.name, name);
	}
	if (loaded != DA_OK && loaded != DA_E_ABSENT && loaded != DA_E_SYNTAX)
		return loaded;
	err = check_local(change);
	if (err != DA_OK)
		return err;
	err = da_account_find(&da_paths, name, false, change->buffer,
	    sizeof(change->buffer), &change->account, &provisional);
	change->has_account = err == DA_OK;
	/* A lock is a matter of the record alone. */
	if (err != DA_OK && err != DA_E_ABSENT && strcmp(verb, "lock") != 0 &&
	    strcmp(verb, "unlock") != 0) {
		da_diag_set(&change->diag,
		    "the account database in %s cannot be read; "
		    "\"devauth accounts check\" tells why",
		    da_paths.state_dir);
		return err;
	}
	if (change->has_account)
		change->person.uid = change->account.uid;
	return loaded == DA_E_SYNTAX ? DA_E_SYNTAX : DA_OK;
}

static void
change_done(struct change *change)
{
	da_person_done(&change->person);
	da_people_close(&change->people);
}

static enum da_err
save(struct change *change)
{
	return da_people_put(&change->people, &change->person, &change->diag);
}

static enum da_err
apply(struct change *change, enum da_account_verb verb, const char *new_name)
{
	const struct da_account_change edit = {.verb = verb,
	    .entry = {.name = change->name},
	    .new_name = new_name};

	return da_account_apply(&da_paths, &edit, 1, NULL, &change->diag);
}

/* Whether the record says nothing about anybody. */
static bool
is_empty(const struct da_person *person)
{
	return person->issuer[0] == '\0' && person->uid == 0 &&
	    person->state == DA_PERSON_ACTIVE;
}

/* Whether the name is a former one; says whose. */
static bool
is_former(struct change *change)
{
	struct da_known_list list;
	const struct da_known *known, *present;
	bool former;

	if (change->has_account ||
	    da_known_open(NULL, &list, &change->diag) != DA_OK)
		return false;
	known = da_known_find(&list, change->name);
	former = known != NULL && da_known_is_renamed(known);
	present = former ? da_known_find_present(&list, known) : NULL;
	if (present != NULL)
		da_diag_set(&change->diag,
		    "%s is a former name, by which nobody logs in; the person "
		    "is %s now: devauth accounts %s %s%s",
		    change->name, present->name, change->verb, present->name,
		    strcmp(change->verb, "rename") == 0 ? " NEW"
			: strcmp(change->verb, "relink") == 0
			? " ISSUER#SUBJECT"
			: "");
	else if (former)
		da_diag_set(&change->diag,
		    "%s is a former name, by which nobody logs in",
		    change->name);
	da_known_close(&list);
	return former;
}

static enum da_err
refuse_unknown(struct change *change)
{
	if (is_former(change))
		return DA_E_UNKNOWN_USER;
	if (change->has_record && change->person.locked &&
	    is_empty(&change->person))
		da_diag_set(&change->diag,
		    "nobody was ever here as %s: the name is only locked, "
		    "which keeps everybody out; devauth accounts unlock %s "
		    "ends that",
		    change->name, change->name);
	else if (change->person.state == DA_PERSON_REMOVED)
		da_diag_set(&change->diag,
		    "%s was removed; devauth accounts restore %s comes first",
		    change->name, change->name);
	else
		da_diag_set(&change->diag,
		    "nobody is known here as %s; \"devauth accounts list\" "
		    "has who is",
		    change->name);
	return DA_E_UNKNOWN_USER;
}

static int
end(struct change *change, const char *key, const char *value, enum da_err err)
{
	return da_admin_end(
	    change->verb, change->name, key, value, err, &change->diag);
}

/* With the uid, of somebody who has one. */
static int
end_with_uid(struct change *change, uint32_t uid, enum da_err err)
{
	char text[12];

	(void)snprintf(text, sizeof(text), "%u", uid);
	return end(change, uid != 0 && err == DA_OK ? "uid" : NULL, text, err);
}

/* A verb with nothing but a name behind it. */
static bool
take_name(int argc, char **argv, int *ret_status)
{
	if (argc != 2) {
		*ret_status = da_admin_usage(argv[0]);
		return false;
	}
	*ret_status = DA_EXIT_FAILED;
	return da_admin_is_name(argv[1]);
}

/* Nothing to do is no failure, and no change to be logged. */
static int
say_already(const char *name, const char *what)
{
	(void)printf("%s %s. Nothing was changed.\n", name, what);
	return DA_EXIT_OK;
}

static void
say_sessions(const char *name)
{
	(void)printf("Open sessions go on. devauth sessions list has their "
		     "IDs, and devauth\n"
		     "sessions end ID --terminate ends one with all that runs "
		     "in it. Those of a key\n"
		     "alone are not listed: loginctl terminate-user %s.\n",
	    name);
}

/* --- lock, unlock --- */

int
da_command_accounts_lock(int argc, char **argv)
{
	DA_CLEANUP(change_done) struct change change = {0};
	int status;
	enum da_err err;

	if (!take_name(argc, argv, &status))
		return status;
	err = begin(&change, "lock", argv[1]);
	if (err == DA_OK && change.person.locked)
		return say_already(argv[1], "is locked already");
	/* A lock there would look like one on the person. */
	if (err == DA_OK && is_former(&change))
		err = DA_E_UNKNOWN_USER;
	change.person.locked = true;
	if (err == DA_OK)
		err = save(&change);
	status = end(&change, NULL, NULL, err);
	if (status != DA_EXIT_OK)
		return status;
	(void)printf("%s is locked: no login by that name any more, with code "
		     "or key.\n",
	    argv[1]);
	if (!change.has_record && !change.has_account)
		(void)printf("(Nobody of that name has been here yet.)\n");
	else
		say_sessions(argv[1]);
	return status;
}

int
da_command_accounts_unlock(int argc, char **argv)
{
	DA_CLEANUP(change_done) struct change change = {0};
	int status;
	enum da_err err;

	if (!take_name(argc, argv, &status))
		return status;
	err = begin(&change, "unlock", argv[1]);
	if (err == DA_OK && !change.person.locked)
		return say_already(argv[1], "is not locked");
	change.person.locked = false;
	if (err == DA_OK)
		err = is_empty(&change.person)
		    ? da_people_drop(&change.people, argv[1], &change.diag)
		    : save(&change);
	status = end(&change, NULL, NULL, err);
	if (status == DA_EXIT_OK)
		(void)printf("%s is not locked any more.\n", argv[1]);
	return status;
}

/* --- remove, restore --- */

int
da_command_accounts_remove(int argc, char **argv)
{
	DA_CLEANUP(change_done) struct change change = {0};
	int status;
	enum da_err err;

	if (!take_name(argc, argv, &status))
		return status;
	err = begin(&change, "remove", argv[1]);
	if (err == DA_OK && change.person.state == DA_PERSON_REMOVED &&
	    !change.has_account)
		return say_already(argv[1], "is removed already");
	if (err == DA_OK && !change.has_account &&
	    (!change.has_record || is_empty(&change.person) ||
		change.person.state == DA_PERSON_RENAMED))
		err = refuse_unknown(&change);
	if (err == DA_OK && change.has_account)
		err = apply(&change, DA_ACCOUNT_REMOVE, NULL);
	if (change.person.state != DA_PERSON_REMOVED)
		change.person.state_since_s = da_clock_wall_s();
	change.person.state = DA_PERSON_REMOVED;
	if (err == DA_OK)
		err = save(&change);
	status = end_with_uid(&change, change.person.uid, err);
	if (status != DA_EXIT_OK)
		return status;
	(void)printf("%s is removed: nothing finds the name any more.\n"
		     "Name, uid and identity stay taken, so that nobody comes "
		     "by what was %s's.\n",
	    argv[1], argv[1]);
	if (change.has_account) {
		(void)printf("Files of uid %u stay where they are.\n",
		    change.account.uid);
		say_sessions(argv[1]);
	}
	(void)printf("devauth accounts restore %s undoes this.\n", argv[1]);
	return status;
}

/* 0 for somebody who only used shared accounts. */
static uint32_t
find_uid(const char *name)
{
	struct da_account account;
	char buffer[2048];
	bool provisional;

	return da_account_find(&da_paths, name, false, buffer, sizeof(buffer),
		   &account, &provisional) == DA_OK
	    ? account.uid
	    : 0;
}

int
da_command_accounts_restore(int argc, char **argv)
{
	DA_CLEANUP(change_done) struct change change = {0};
	int status;
	enum da_err err;

	if (!take_name(argc, argv, &status))
		return status;
	err = begin(&change, "restore", argv[1]);
	if (err == DA_OK && change.person.state != DA_PERSON_REMOVED &&
	    change.has_account)
		return say_already(argv[1], "is not removed");
	/* Somebody who only used shared accounts has none to restore. */
	if (err == DA_OK &&
	    !(change.person.state == DA_PERSON_REMOVED &&
		change.person.uid == 0))
		err = apply(&change, DA_ACCOUNT_RESTORE, NULL);
	change.person.state = DA_PERSON_ACTIVE;
	change.person.state_since_s = 0;
	if (err == DA_OK && change.person.uid == 0)
		change.person.uid = find_uid(argv[1]);
	if (err == DA_OK)
		err = save(&change);
	status = end_with_uid(&change, change.person.uid, err);
	if (status == DA_EXIT_OK)
		(void)printf("%s is back%s. Groups come with the next "
			     "sign-in.\n",
		    argv[1], change.person.locked ? ", and locked" : "");
	return status;
}

/* --- rename --- */

/* The new name may not be pinned to anybody else: found before anything is
 * changed. */
static enum da_err
check_new_name(struct change *change, const char *new_name)
{
	struct da_person other;
	bool taken;
	enum da_err err =
	    da_person_load(&da_paths, new_name, &other, &change->diag);

	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_OK : err;
	taken = other.issuer[0] != '\0' &&
	    (strcmp(other.issuer, change->person.issuer) != 0 ||
		strcmp(other.subject, change->person.subject) != 0);
	da_person_done(&other);
	if (!taken)
		return DA_OK;
	da_diag_set(&change->diag,
	    "%s is the name of another identity here; see devauth accounts "
	    "show %s",
	    new_name, new_name);
	return DA_E_PIN;
}

/* Whether the account database has done it already, before a crash. */
static bool
is_renamed(const struct change *change, const char *new_name)
{
	return !change->has_account && change->has_record &&
	    change->person.state == DA_PERSON_ACTIVE &&
	    change->person.uid != 0 && find_uid(new_name) == change->person.uid;
}

int
da_command_accounts_rename(int argc, char **argv)
{
	DA_CLEANUP(change_done) struct change change = {0};
	const char *new_name;
	enum da_err err;

	if (argc != 3)
		return da_admin_usage("rename");
	new_name = argv[2];
	if (!da_admin_is_name(argv[1]) || !da_admin_is_name(new_name))
		return DA_EXIT_FAILED;
	if (strcmp(argv[1], new_name) == 0)
		return say_already(argv[1], "is the name already");
	err = begin(&change, "rename", argv[1]);
	if (err == DA_OK && !change.has_account &&
	    !is_renamed(&change, new_name))
		err = refuse_unknown(&change);
	if (err == DA_OK)
		err = check_new_name(&change, new_name);
	/* The home goes by the former name: an administrator's choice now. */
	if (err == DA_OK && change.has_account) {
		err = da_text_copy(change.account.home, change.person.home,
		    sizeof(change.person.home));
		if (err == DA_OK)
			err = apply(&change, DA_ACCOUNT_RENAME, new_name);
		if (err == DA_OK)
			err = save(&change);
	}
	if (err == DA_OK)
		err = da_people_rename(
		    &change.people, argv[1], new_name, &change.diag);
	if (end(&change, "to", new_name, err) != DA_EXIT_OK)
		return DA_EXIT_FAILED;
	(void)printf("%s is %s now, with the same uid %u, home %s and "
		     "identity.\n"
		     "The name %s is kept from everybody else.\n"
		     "What goes by the name is yours to change: devauth.conf, "
		     "sudoers, crontabs,\nkeys in /etc/ssh/keys.\n",
	    argv[1], new_name, change.person.uid, change.person.home, argv[1]);
	return DA_EXIT_OK;
}

/* --- relink --- */

static void
say_relinked(const struct change *change, const struct da_person *before)
{
	const struct da_person *now = &change->person;

	(void)printf("%s belongs to ", change->name);
	da_admin_put(now->issuer);
	(void)putchar('#');
	da_admin_put(now->subject);
	(void)printf(" now,\n");
	if (before->issuer[0] == '\0') {
		(void)printf("and to nobody before.\n");
	} else {
		(void)printf("and no more to ");
		da_admin_put(before->issuer);
		(void)putchar('#');
		da_admin_put(before->subject);
		(void)printf(".\nKeys work again after a sign-in with the "
			     "code.\n");
	}
	if (change->has_account)
		(void)printf("If that is another person: %s and the keys in it "
			     "are still there.\n",
		    change->account.home);
	if (now->locked)
		(void)printf("%s is locked; devauth accounts unlock %s ends "
			     "that.\n",
		    change->name, change->name);
}

int
da_command_accounts_relink(int argc, char **argv)
{
	DA_CLEANUP(change_done) struct change change = {0};
	struct da_person before, wanted;
	enum da_err err;

	if (argc != 3)
		return da_admin_usage("relink");
	da_person_init(&wanted);
	if (!da_admin_is_name(argv[1]) || !da_admin_take_pin(argv[2], &wanted))
		return DA_EXIT_FAILED;
	err = begin(&change, "relink", argv[1]);
	before = change.person;
	if (err == DA_E_SYNTAX) {
		/* Nobody knows what the damaged record said. */
		change.person.locked = true;
		err = DA_OK;
	} else if (err == DA_OK &&
	    ((!change.has_account && !change.has_record) ||
		change.person.state != DA_PERSON_ACTIVE)) {
		err = refuse_unknown(&change);
	} else if (err == DA_OK && strcmp(before.issuer, wanted.issuer) == 0 &&
	    strcmp(before.subject, wanted.subject) == 0) {
		return say_already(argv[1], "belongs to that identity already");
	}
	/* What the former owner has proved says nothing about this one. */
	memcpy(change.person.issuer, wanted.issuer, sizeof(wanted.issuer));
	memcpy(change.person.subject, wanted.subject, sizeof(wanted.subject));
	change.person.profile[0] = '\0';
	change.person.verified_at_s = 0;
	da_buf_clear(&change.person.groups);
	da_buf_clear(&change.person.claims);
	if (err == DA_OK)
		err = save(&change);
	if (end(&change, "identity", argv[2], err) != DA_EXIT_OK)
		return DA_EXIT_FAILED;
	say_relinked(&change, &before);
	return DA_EXIT_OK;
}

/* --- add --- */

struct order {
	const char *name;
	const char *home;
	const char *shell;
	const char *gecos;
	const char *subject;
	uint32_t uid;
	bool has_uid;
};

static bool
take_order(int argc, char **argv, struct order *ret, int *ret_status)
{
	static const struct option options[] = {
	    {"uid", required_argument, NULL, 'u'},
	    {"home", required_argument, NULL, 'h'},
	    {"shell", required_argument, NULL, 's'},
	    {"gecos", required_argument, NULL, 'g'},
	    {"subject", required_argument, NULL, 'p'},
	    {NULL, 0, NULL, 0},
	};
	const char *uid = NULL;
	int64_t number;
	int option;

	*ret = (struct order){0};
	*ret_status = DA_EXIT_FAILED;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'u':
			uid = optarg;
			break;
		case 'h':
			ret->home = optarg;
			break;
		case 's':
			ret->shell = optarg;
			break;
		case 'g':
			ret->gecos = optarg;
			break;
		case 'p':
			ret->subject = optarg;
			break;
		default:
			*ret_status = da_admin_usage("add");
			return false;
		}
	}
	if (optind + 1 != argc) {
		*ret_status = da_admin_usage("add");
		return false;
	}
	ret->name = argv[optind];
	if (!da_admin_is_name(ret->name))
		return false;
	if (ret->home != NULL && strchr(ret->home, '%') != NULL) {
		DA_IGNORE(da_admin_refuse("--home: the folder itself, without "
					  "%%u, which is for devauth.conf"));
		return false;
	}
	if (uid == NULL)
		return true;
	if (da_parse_int(uid, 0, UINT32_MAX, &number) != DA_OK) {
		DA_IGNORE(da_admin_refuse(
		    "--uid: \"%.40s\" is not a number that a uid can be", uid));
		return false;
	}
	ret->uid = (uint32_t)number;
	ret->has_uid = true;
	return true;
}

/* Everything that can be wrong with the pin, before anything is written. */
static enum da_err
take_subject(struct change *change, const struct da_person *wanted)
{
	struct da_person *person = &change->person;
	enum da_err err;

	if (wanted->issuer[0] == '\0')
		return DA_OK;
	if (person->issuer[0] != '\0' &&
	    (strcmp(person->issuer, wanted->issuer) != 0 ||
		strcmp(person->subject, wanted->subject) != 0)) {
		da_diag_set(&change->diag,
		    "%s belongs to another identity; \"devauth accounts relink "
		    "%s ISSUER#SUBJECT\" changes that",
		    change->name, change->name);
		return DA_E_PIN;
	}
	err = da_person_check_pin(&da_paths, change->name, wanted->issuer,
	    wanted->subject, &change->diag);
	memcpy(person->issuer, wanted->issuer, sizeof(person->issuer));
	memcpy(person->subject, wanted->subject, sizeof(person->subject));
	return err;
}

/* The value that counts: as ordered, as it stands, as the configuration has it.
 * What was ordered is kept as the administrator's choice. */
static enum da_err
choose(const char *ordered, const char *stands, const char *initial,
    char *choice, size_t size, const char **ret)
{
	enum da_err err = DA_OK;

	*ret = stands != NULL ? stands : initial;
	if (ordered != NULL) {
		/* The writer says it better. */
		err = da_text_copy(ordered, choice, size);
		*ret = ordered;
	}
	return err == DA_E_TOO_LARGE ? DA_OK : err;
}

/* With another one nobody would be let in. */
static enum da_err
check_shell(struct change *change, const struct order *order, const char *shell)
{
	enum da_err err = da_shell_check(shell, &change->diag);

	if (err != DA_OK && order->shell != NULL)
		da_diag_set(&change->diag,
		    "--shell: %s is not listed in /etc/shells: add it there, "
		    "or choose one that is",
		    shell);
	return err;
}

static enum da_err
put(struct change *change, const struct order *order,
    struct da_account_entry *ret)
{
	DA_CLEANUP(da_config_freep) struct da_config *config = NULL;
	struct da_person *person = &change->person;
	static char initial_home[DA_URI_MAX + 1];
	static char initial_shell[DA_URI_MAX + 1];
	bool known = change->has_account;
	enum da_err err;

	initial_home[0] = initial_shell[0] = '\0';
	if (!known && (order->home == NULL || order->shell == NULL)) {
		err = da_config_load(&da_paths, &config, &change->diag);
		if (err == DA_OK)
			err = da_admin_format_home(config->home, change->name,
			    initial_home, sizeof(initial_home));
		if (err == DA_OK)
			err = da_text_copy(config->shell, initial_shell,
			    sizeof(initial_shell));
		if (err != DA_OK)
			return err;
	}
	*ret = (struct da_account_entry){.name = change->name,
	    .uid = order->has_uid ? order->uid
		: known           ? change->account.uid
				  : da_account_uid_hash(change->name),
	    .gecos = order->gecos != NULL ? order->gecos
		: known                   ? change->account.gecos
					  : ""};
	err = choose(order->home, known ? change->account.home : NULL,
	    initial_home, person->home, sizeof(person->home), &ret->home);
	if (err == DA_OK)
		err = choose(order->shell, known ? change->account.shell : NULL,
		    initial_shell, person->shell, sizeof(person->shell),
		    &ret->shell);
	if (err == DA_OK && (order->shell != NULL || !known))
		err = check_shell(change, order, ret->shell);
	if (err == DA_OK) {
		const struct da_account_change edit = {
		    .verb = DA_ACCOUNT_PUT, .entry = *ret};

		err =
		    da_account_apply(&da_paths, &edit, 1, NULL, &change->diag);
	}
	if (err == DA_OK)
		person->uid = ret->uid;
	return err;
}

/* Whether the order leaves account and record as they stood. */
static bool
is_as_before(const struct change *change, const struct da_account_entry *entry,
    const struct da_person *before)
{
	const struct da_account *account = &change->account;
	const struct da_person *person = &change->person;

	return change->has_account && change->has_record &&
	    change->record_uid == entry->uid &&
	    strcmp(account->gecos, entry->gecos) == 0 &&
	    strcmp(account->home, entry->home) == 0 &&
	    strcmp(account->shell, entry->shell) == 0 &&
	    strcmp(before->home, person->home) == 0 &&
	    strcmp(before->shell, person->shell) == 0 &&
	    strcmp(before->subject, person->subject) == 0;
}

static void
say_added(const struct da_person *person, const struct da_account_entry *entry)
{
	if (person->issuer[0] == '\0') {
		(void)printf("Whoever first signs in by that name owns it.\n");
	} else {
		(void)printf("It belongs to ");
		da_admin_put(person->issuer);
		(void)putchar('#');
		da_admin_put(person->subject);
		(void)printf(".\n");
	}
	if (entry->uid != da_account_uid_hash(entry->name))
		(void)printf("Other hosts would give %s another uid: devauth "
			     "accounts export and import.\n",
		    entry->name);
}

/* Two who share a home read each other's keys. */
static void
warn_about_home(const struct da_account_entry *entry)
{
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	struct da_listing other;
	uint32_t position = 0;

	if (da_view_open(&da_paths, &view) != DA_OK)
		return;
	while (da_listing_next(&view, &position, &other) == DA_OK) {
		if (other.kind == DA_LISTING_PERSON &&
		    strcmp(other.home, entry->home) == 0 &&
		    strcmp(other.name, entry->name) != 0)
			DA_IGNORE(da_admin_refuse(
			    "warning: %s is the home of %s, too", entry->home,
			    other.name));
	}
}

int
da_command_accounts_add(int argc, char **argv)
{
	DA_CLEANUP(change_done) struct change change = {0};
	struct order order;
	struct da_account_entry entry = {0};
	struct da_person wanted, before;
	char what[64];
	int status;
	enum da_err err;

	da_person_init(&wanted);
	if (!take_order(argc, argv, &order, &status) ||
	    (order.subject != NULL &&
		!da_admin_take_pin(order.subject, &wanted)))
		return status;
	err = begin(&change, "add", order.name);
	before = change.person;
	if (err == DA_OK && change.person.state == DA_PERSON_REMOVED) {
		da_diag_set(&change.diag,
		    "%s was removed; \"devauth accounts restore %s\" undoes "
		    "that",
		    order.name, order.name);
		err = DA_E_COLLISION;
	}
	if (err == DA_OK)
		err = take_subject(&change, &wanted);
	if (err == DA_OK)
		err = put(&change, &order, &entry);
	if (err == DA_OK && is_as_before(&change, &entry, &before)) {
		(void)snprintf(what, sizeof(what),
		    "is there already, with uid %u", entry.uid);
		return say_already(order.name, what);
	}
	if (err == DA_OK)
		err = save(&change);
	status = end_with_uid(&change, entry.uid, err);
	if (status != DA_EXIT_OK)
		return status;
	(void)printf("%s %s uid %u, home %s, shell %s.\n", order.name,
	    change.has_account ? "is changed:" : "is added:", entry.uid,
	    entry.home, entry.shell);
	warn_about_home(&entry);
	if (!change.has_account || order.subject != NULL)
		say_added(&change.person, &entry);
	return status;
}
