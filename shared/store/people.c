#include "store/people.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "store/person.h"
#include "store/person_file.h"
#include "store/record.h"
#include "store/withdrawn.h"

static enum da_err
open_folder(const struct da_paths *paths, int *ret_dir, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0700};

	return da_file_open_dir(paths->people_dir, &rule, ret_dir, diag);
}

enum da_err
da_people_open(
    const struct da_paths *paths, struct da_people *ret, struct da_diag *diag)
{
	enum da_err err;

	*ret = (struct da_people){.paths = paths, .dir = -1, .lock = -1};
	err = open_folder(paths, &ret->dir, diag);
	if (err != DA_OK)
		return err;
	ret->lock = openat(
	    ret->dir, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (ret->lock < 0) {
		da_diag_set(diag, "%s/.lock: %m", paths->people_dir);
		return DA_E_SYS;
	}
	return da_file_lock(ret->lock, paths->people_dir, diag);
}

void
da_people_close(struct da_people *people)
{
	da_file_closep(&people->lock);
	da_file_closep(&people->dir);
}

static bool
has_pin(const struct da_person *person, const struct da_person *other)
{
	return strcmp(person->issuer, other->issuer) == 0 &&
	    strcmp(person->subject, other->subject) == 0;
}

/* Nobody else may have the identity; what a crash left does not count. */
static enum da_err
check_identity(const struct da_people *people, const struct da_person *person,
    struct da_diag *diag)
{
	char name[DA_USER_MAX + 1];
	struct da_person other;
	bool taken;
	enum da_err err;

	if (person->issuer[0] == '\0')
		return DA_OK;
	err = da_person_name_of(
	    people->paths, person->issuer, person->subject, name, diag);
	if (err == DA_E_SYNTAX || err == DA_E_ABSENT ||
	    (err == DA_OK && strcmp(name, person->name) == 0))
		return DA_OK;
	if (err == DA_OK)
		err = da_person_load(people->paths, name, &other, diag);
	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_OK : err;
	taken = has_pin(&other, person);
	da_person_done(&other);
	if (!taken)
		return DA_OK;
	da_diag_set(diag, "this identity is known here as %s", name);
	return DA_E_PIN;
}

static enum da_err
remove_file(
    const struct da_people *people, const char *file, struct da_diag *diag)
{
	if (unlinkat(people->dir, file, 0) == 0 || errno == ENOENT)
		return DA_OK;
	da_diag_set(diag, "%s/%s: %m", people->paths->people_dir, file);
	return DA_E_SYS;
}

/* Gives the identity free, if it still leads to that name. */
static enum da_err
drop_pin(const struct da_people *people, const struct da_person *person,
    struct da_diag *diag)
{
	char file[DA_PERSON_FILE_MAX], name[DA_USER_MAX + 1];
	enum da_err err;

	if (person->issuer[0] == '\0' ||
	    da_person_name_of(people->paths, person->issuer, person->subject,
		name, NULL) != DA_OK ||
	    strcmp(name, person->name) != 0)
		return DA_OK;
	err = da_person_file_of_pin(person->issuer, person->subject, file);
	return err == DA_OK ? remove_file(people, file, diag) : err;
}

enum da_err
da_people_put(const struct da_people *people, const struct da_person *person,
    struct da_diag *diag)
{
	struct da_person known;
	bool had_other;
	enum da_err err = check_identity(people, person, diag);

	if (err != DA_OK)
		return err;
	/* A damaged one is replaced: that is the cure. */
	err = da_person_load(people->paths, person->name, &known, diag);
	if (err == DA_E_ABSENT || err == DA_E_SYNTAX)
		return da_person_file_write(people, person, diag);
	if (err != DA_OK)
		return err;
	had_other = !has_pin(&known, person);
	err = da_person_file_write(people, person, diag);
	if (err == DA_OK && had_other)
		err = drop_pin(people, &known, diag);
	da_person_done(&known);
	return err;
}

static enum da_err
check_holder(const struct da_person *person, const char *issuer,
    const char *subject, struct da_diag *diag)
{
	if (strcmp(person->issuer, issuer) == 0 &&
	    strcmp(person->subject, subject) == 0)
		return DA_OK;
	da_diag_set(diag, "another identity has this name by now");
	return DA_E_PIN;
}

enum da_err
da_people_note_check(const struct da_paths *paths, const char *name,
    const char *issuer, const char *subject, int64_t verified_at_s,
    struct da_diag *diag)
{
	DA_CLEANUP(da_people_close) struct da_people people;
	struct da_person person;
	enum da_err err = da_people_open(paths, &people, diag);

	if (err == DA_OK)
		err = da_person_load(paths, name, &person, diag);
	if (err != DA_OK)
		return err;
	err = check_holder(&person, issuer, subject, diag);
	if (err == DA_OK && verified_at_s > person.verified_at_s) {
		person.verified_at_s = verified_at_s;
		person.withdrawn = false;
	}
	if (err == DA_OK)
		err = da_person_file_write(&people, &person, diag);
	da_person_done(&person);
	return err;
}

enum da_err
da_people_withdraw(const struct da_paths *paths, const char *name,
    const char *issuer, const char *subject, struct da_diag *diag)
{
	char file[DA_PERSON_FILE_MAX];
	struct da_person person;
	enum da_err err = da_person_load(paths, name, &person, diag);

	if (err == DA_E_ABSENT)
		return err;
	/* Who cannot be read is marked all the same. */
	if (err == DA_OK) {
		err = check_holder(&person, issuer, subject, diag);
		da_person_done(&person);
		if (err != DA_OK)
			return err;
	}
	err = da_person_file_of(name, file);
	return err == DA_OK ? da_withdrawn_set(paths, file, diag) : err;
}

/* Whether the new name may have the person; a lock on it comes along. */
static enum da_err
take_name(const struct da_people *people, struct da_person *person,
    struct da_diag *diag)
{
	struct da_person known;
	enum da_err err =
	    da_person_load(people->paths, person->name, &known, diag);

	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_OK : err;
	if (known.issuer[0] != '\0' && !has_pin(&known, person)) {
		da_diag_set(diag, "%s is another identity here", person->name);
		err = DA_E_PIN;
	}
	person->locked = person->locked || known.locked;
	da_person_done(&known);
	return err;
}

enum da_err
da_people_rename(const struct da_people *people, const char *name,
    const char *new_name, struct da_diag *diag)
{
	struct da_person person, former;
	enum da_err err = da_person_load(people->paths, name, &person, diag);

	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_OK : err;
	da_person_init(&former);
	memcpy(former.name, person.name, sizeof(former.name));
	former.uid = person.uid;
	former.state = DA_PERSON_RENAMED;
	former.state_since_s = da_clock_wall_s();
	/* Done before, but for the end. */
	if (person.state == DA_PERSON_RENAMED) {
		da_person_done(&person);
		return DA_OK;
	}
	(void)stpcpy(person.name, new_name);
	err = take_name(people, &person, diag);
	if (err == DA_OK)
		err = da_person_file_write(people, &person, diag);
	if (err == DA_OK)
		err = da_person_file_write(people, &former, diag);
	da_person_done(&person);
	return err;
}

enum da_err
da_people_drop(
    const struct da_people *people, const char *name, struct da_diag *diag)
{
	char file[DA_PERSON_FILE_MAX];
	struct da_person person;
	enum da_err err = da_person_load(people->paths, name, &person, diag);

	if (err == DA_OK) {
		err = drop_pin(people, &person, diag);
		da_person_done(&person);
	} else if (err == DA_E_ABSENT || err == DA_E_SYNTAX) {
		err = DA_OK;
	}
	if (err == DA_OK)
		err = da_person_file_of(name, file);
	if (err == DA_OK)
		err = remove_file(people, file, diag);
	return err == DA_OK ? da_withdrawn_clear(people->paths, file, diag)
			    : err;
}

/* --- all of them --- */

struct folder {
	DIR *list;
};

static void
folder_close(struct folder *folder)
{
	da_file_close_listp(&folder->list);
}

static enum da_err
folder_open(
    const struct da_paths *paths, struct folder *ret, struct da_diag *diag)
{
	int dir = -1;
	enum da_err err = open_folder(paths, &dir, diag);

	if (err == DA_OK && (ret->list = da_file_list(dir)) == NULL) {
		da_diag_set(diag, "%s: %m", paths->people_dir);
		err = DA_E_SYS;
	}
	return err;
}

/* The next file whose name ends so; NULL at the end. */
static const char *
folder_next(struct folder *folder, const char *suffix)
{
	struct dirent *entry;

	while ((entry = readdir(folder->list)) != NULL) {
		if (strlen(entry->d_name) ==
			DA_RECORD_DIGEST_LEN + strlen(suffix) &&
		    strcmp(entry->d_name + DA_RECORD_DIGEST_LEN, suffix) == 0)
			return entry->d_name;
	}
	return NULL;
}

/* Reads the record, and that it lies where its name would look for it. */
static enum da_err
read_person(const struct da_paths *paths, const char *file,
    struct da_person *ret, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf record;
	char right[DA_PERSON_FILE_MAX];
	enum da_err err;

	da_buf_init(&record, DA_RECORD_MAX);
	err = da_person_file_read(paths, file, DA_PERSON_KEY, &record, diag);
	if (err == DA_OK && da_person_parse(&record, ret) != DA_OK) {
		da_diag_set(
		    diag, "%s/%s: not a whole record", paths->people_dir, file);
		err = DA_E_SYNTAX;
	}
	if (err == DA_OK)
		err = da_person_file_of(ret->name, right);
	if (err == DA_OK && strcmp(right, file) != 0) {
		da_diag_set(
		    diag, "%s/%s: of another name", paths->people_dir, file);
		err = DA_E_SYNTAX;
	}
	ret->withdrawn = da_withdrawn_check(paths, file);
	return err;
}

enum da_err
da_people_each(const struct da_paths *paths, da_people_visitor *visit,
    void *context, struct da_diag *diag)
{
	DA_CLEANUP(folder_close) struct folder folder = {0};
	enum da_err err = folder_open(paths, &folder, diag);
	const char *file;

	while (err == DA_OK &&
	    (file = folder_next(&folder, DA_PERSON_SUFFIX)) != NULL) {
		struct da_diag why = {0};
		struct da_person person;

		da_person_init(&person);
		err = read_person(paths, file, &person, &why);
		if (err == DA_OK)
			err = visit(context, &person, NULL);
		else if (err == DA_E_ABSENT)
			err = DA_OK; /* dropped meanwhile */
		else if (err != DA_E_NOMEM)
			err = visit(context, NULL, why.text);
		da_person_done(&person);
	}
	return err;
}

/* Whether the entry of an identity leads to a person with that very pin. */
static bool
is_stale(const struct da_paths *paths, const char *file)
{
	DA_CLEANUP(da_buf_done) struct da_buf record;
	char name[DA_USER_MAX + 1], right[DA_PERSON_FILE_MAX];
	struct da_person person;
	bool stale;

	da_buf_init(&record, DA_RECORD_MAX);
	if (da_person_file_read(paths, file, DA_SUBJECT_KEY, &record, NULL) !=
		DA_OK ||
	    da_record_get(&record, "name", 0, name, sizeof(name)) != DA_OK)
		return true;
	/* Of a damaged record it is all that is left of the pin. */
	switch (da_person_load(paths, name, &person, NULL)) {
	case DA_OK:
		break;
	case DA_E_ABSENT:
		return true;
	default:
		return false;
	}
	stale = da_person_file_of_pin(person.issuer, person.subject, right) ==
		DA_OK &&
	    strcmp(right, file) != 0;
	da_person_done(&person);
	return stale;
}

enum da_err
da_people_sweep(const struct da_paths *paths, const struct da_people *people,
    size_t *ret_count, struct da_diag *diag)
{
	DA_CLEANUP(folder_close) struct folder folder = {0};
	enum da_err err = folder_open(paths, &folder, diag);
	const char *file;
	size_t count = 0;

	while (err == DA_OK &&
	    (file = folder_next(&folder, DA_SUBJECT_SUFFIX)) != NULL) {
		if (!is_stale(paths, file))
			continue;
		count++;
		if (people != NULL)
			err = remove_file(people, file, diag);
	}
	if (err == DA_OK)
		*ret_count = count;
	return err;
}
