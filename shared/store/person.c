/*
 * Files in people_dir, named after digests only:
 *   <digest of name>.person             the record
 *   <digest of issuer, subject>.subject  the name that the identity has here
 * The second is written first: left alone by a crash it points to a person
 * that does not exist and is then free again for the same name only.
 */
#include "store/person.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/record.h"

#define VERSION_KEY "devauth-person"
#define SUBJECT_KEY "devauth-subject"
#define FILE_NAME_MAX (DA_RECORD_DIGEST_LEN + 16)

void
da_person_init(struct da_person *person)
{
	*person = (struct da_person){0};
	da_buf_init(&person->groups, DA_GROUPS_BYTES_MAX);
	da_buf_init(&person->claims, DA_CLAIMS_BYTES_MAX);
}

void
da_person_done(struct da_person *person)
{
	da_buf_done(&person->groups);
	da_buf_done(&person->claims);
}

static enum da_err
person_file(const char *name, char *ret, size_t size)
{
	char digest[DA_RECORD_DIGEST_LEN + 1];
	enum da_err err =
	    da_record_digest((const char *const[]){name}, 1, digest);

	if (err == DA_OK)
		(void)snprintf(ret, size, "%s.person", digest);
	return err;
}

static enum da_err
subject_file(const char *issuer, const char *subject, char *ret, size_t size)
{
	char digest[DA_RECORD_DIGEST_LEN + 1];
	enum da_err err =
	    da_record_digest((const char *const[]){issuer, subject}, 2, digest);

	if (err == DA_OK)
		(void)snprintf(ret, size, "%s.subject", digest);
	return err;
}

static enum da_err
read_record(const struct da_paths *paths, const char *file, const char *key,
    struct da_buf *ret, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0600, .size_max = DA_RECORD_MAX};
	DA_CLEANUP(da_buf_done) struct da_buf path;
	enum da_err err;

	da_buf_init(&path, 4096);
	err = da_buf_format(&path, "%s/%s", paths->people_dir, file);
	if (err == DA_OK)
		err = da_file_read(da_buf_text(&path), &rule, ret, diag);
	if (err == DA_OK && da_record_check(ret, key, "1") != DA_OK) {
		da_diag_set(diag, "%s: not a whole record", da_buf_text(&path));
		err = DA_E_SYNTAX;
	}
	return err;
}

static enum da_err
parse_list(const struct da_buf *record, const char *key, struct da_buf *ret)
{
	char item[DA_GROUP_MAX + 1 + DA_CLAIM_MAX + 1];

	for (size_t i = 0;; i++) {
		enum da_err err =
		    da_record_get(record, key, i, item, sizeof(item));

		if (err == DA_E_ABSENT)
			return DA_OK;
		if (err == DA_OK)
			err = da_buf_put(ret, item, strlen(item) + 1);
		if (err != DA_OK)
			return err;
	}
}

enum da_err
da_person_parse(const struct da_buf *record, struct da_person *ret)
{
	int64_t uid, locked;
	enum da_err err =
	    da_record_get(record, "name", 0, ret->name, sizeof(ret->name));

	if (err == DA_OK) {
		err = da_record_get(record, "listed_as", 0, ret->listed_as,
		    sizeof(ret->listed_as));
		if (err == DA_E_ABSENT)
			err = DA_OK;
	}
	if (err == DA_OK)
		err = da_record_get(
		    record, "profile", 0, ret->profile, sizeof(ret->profile));
	if (err == DA_OK)
		err = da_record_get(
		    record, "issuer", 0, ret->issuer, sizeof(ret->issuer));
	if (err == DA_OK)
		err = da_record_get(
		    record, "subject", 0, ret->subject, sizeof(ret->subject));
	if (err == DA_OK)
		err = da_record_get_int(record, "uid", 1, UINT32_MAX, &uid);
	if (err == DA_OK)
		err = da_record_get_int(record, "locked", 0, 1, &locked);
	if (err == DA_OK)
		err = da_record_get_int(
		    record, "verified_at", 0, INT64_MAX, &ret->verified_at_s);
	if (err == DA_OK)
		err = parse_list(record, "group", &ret->groups);
	if (err == DA_OK)
		err = parse_list(record, "claim", &ret->claims);
	if (err == DA_OK) {
		ret->uid = (uint32_t)uid;
		ret->locked = locked != 0;
	}
	return err == DA_E_ABSENT ? DA_E_SYNTAX : err;
}

enum da_err
da_person_load(const struct da_paths *paths, const char *name,
    struct da_person *ret, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf record;
	char file[FILE_NAME_MAX];
	enum da_err err = person_file(name, file, sizeof(file));

	da_buf_init(&record, DA_RECORD_MAX);
	da_person_init(ret);
	if (err == DA_OK)
		err = read_record(paths, file, VERSION_KEY, &record, diag);
	if (err == DA_OK)
		err = da_person_parse(&record, ret);
	if (err == DA_OK && strcmp(ret->name, name) != 0)
		err = DA_E_SYNTAX;
	if (err == DA_E_SYNTAX)
		da_diag_set(diag,
		    "the private record of this person is "
		    "damaged");
	if (err != DA_OK)
		da_person_done(ret);
	return err;
}

enum da_err
da_person_name_of(const struct da_paths *paths, const char *issuer,
    const char *subject, char ret_name[static DA_USER_MAX + 1],
    struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf record;
	char file[FILE_NAME_MAX];
	enum da_err err = subject_file(issuer, subject, file, sizeof(file));

	da_buf_init(&record, DA_RECORD_MAX);
	if (err == DA_OK)
		err = read_record(paths, file, SUBJECT_KEY, &record, diag);
	if (err != DA_OK)
		return err;
	err = da_record_get(&record, "name", 0, ret_name, DA_USER_MAX + 1);
	return err == DA_OK ? DA_OK : DA_E_SYNTAX;
}

enum da_err
da_person_check_pin(const struct da_paths *paths, const char *name,
    const char *issuer, const char *subject, struct da_diag *diag)
{
	char known_name[DA_USER_MAX + 1];
	struct da_person known;
	enum da_err err = da_person_load(paths, name, &known, diag);

	if (err == DA_OK) {
		bool same = strcmp(known.issuer, issuer) == 0 &&
		    strcmp(known.subject, subject) == 0;

		da_person_done(&known);
		if (!same) {
			da_diag_set(diag,
			    "the name belongs to another "
			    "identity of the provider");
			return DA_E_PIN;
		}
	} else if (err != DA_E_ABSENT) {
		return err;
	}
	err = da_person_name_of(paths, issuer, subject, known_name, diag);
	if (err == DA_E_ABSENT)
		return DA_OK;
	if (err == DA_OK && strcmp(known_name, name) != 0) {
		da_diag_set(diag,
		    "this identity is known here by another "
		    "login name");
		return DA_E_PIN;
	}
	return err;
}

static enum da_err
format_list(const struct da_buf *list, const char *key, struct da_buf *ret)
{
	const char *item = da_buf_text(list);
	const char *end = item + list->len;
	enum da_err err = DA_OK;

	for (; err == DA_OK && item < end; item += strlen(item) + 1)
		err = da_record_put(ret, key, item);
	return err;
}

enum da_err
da_person_format(const struct da_person *person, struct da_buf *ret)
{
	enum da_err err = da_record_put(ret, "name", person->name);

	if (err == DA_OK && person->listed_as[0] != '\0')
		err = da_record_put(ret, "listed_as", person->listed_as);
	if (err == DA_OK)
		err = da_record_put(ret, "profile", person->profile);
	if (err == DA_OK)
		err = da_record_put(ret, "issuer", person->issuer);
	if (err == DA_OK)
		err = da_record_put(ret, "subject", person->subject);
	if (err == DA_OK)
		err = da_record_put_int(ret, "uid", person->uid);
	if (err == DA_OK)
		err = da_record_put_int(ret, "locked", person->locked);
	if (err == DA_OK)
		err = da_record_put_int(
		    ret, "verified_at", person->verified_at_s);
	if (err == DA_OK)
		err = format_list(&person->groups, "group", ret);
	if (err == DA_OK)
		err = format_list(&person->claims, "claim", ret);
	return err;
}

static enum da_err
write_person(int dir, const struct da_person *person, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf record;
	DA_CLEANUP(da_buf_done) struct da_buf subject;
	char file[FILE_NAME_MAX];
	enum da_err err =
	    subject_file(person->issuer, person->subject, file, sizeof(file));

	da_buf_init(&record, DA_RECORD_MAX);
	da_buf_init(&subject, DA_RECORD_MAX);
	if (err == DA_OK)
		err = da_record_put(&subject, SUBJECT_KEY, "1");
	if (err == DA_OK)
		err = da_record_put(&subject, "name", person->name);
	if (err == DA_OK && faccessat(dir, file, F_OK, 0) != 0)
		err = da_file_replace(
		    dir, file, 0600, subject.bytes, subject.len, diag);
	if (err == DA_OK)
		err = person_file(person->name, file, sizeof(file));
	if (err == DA_OK)
		err = da_record_put(&record, VERSION_KEY, "1");
	if (err == DA_OK)
		err = da_person_format(person, &record);
	if (err == DA_OK)
		err = da_file_replace(
		    dir, file, 0600, record.bytes, record.len, diag);
	return err;
}

/* A lock that came while the person signed in stands. */
static enum da_err
check_lock(const struct da_paths *paths, const char *name, struct da_diag *diag)
{
	struct da_person known;
	enum da_err err = da_person_load(paths, name, &known, diag);
	bool locked = err == DA_OK && known.locked;

	if (err == DA_OK)
		da_person_done(&known);
	if (locked) {
		da_diag_set(diag, "locked");
		return DA_E_LOCKED;
	}
	return err == DA_E_ABSENT ? DA_OK : err;
}

enum da_err
da_person_save(const struct da_paths *paths, const struct da_person *person,
    struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0700};
	DA_CLEANUP(da_file_closep) int dir = -1;
	DA_CLEANUP(da_file_closep) int lock = -1;
	enum da_err err =
	    da_file_open_dir(paths->people_dir, &rule, &dir, diag);

	if (err != DA_OK)
		return err;
	lock = openat(
	    dir, ".lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (lock < 0) {
		da_diag_set(diag, "%s/.lock: %m", paths->people_dir);
		return DA_E_SYS;
	}
	err = da_file_lock(lock, paths->people_dir, diag);
	if (err != DA_OK)
		return err;
	err = da_person_check_pin(
	    paths, person->name, person->issuer, person->subject, diag);
	if (err == DA_OK)
		err = check_lock(paths, person->name, diag);
	return err != DA_OK ? err : write_person(dir, person, diag);
}
