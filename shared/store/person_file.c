#include "store/person_file.h"

#include <stdio.h>
#include <string.h>

#include "core/file.h"
#include "core/paths.h"
#include "store/people.h"
#include "store/person.h"
#include "store/withdrawn.h"

enum da_err
da_person_file_of(const char *name, char ret[static DA_PERSON_FILE_MAX])
{
	char digest[DA_RECORD_DIGEST_LEN + 1];
	enum da_err err =
	    da_record_digest((const char *const[]){name}, 1, digest);

	if (err == DA_OK)
		(void)snprintf(
		    ret, DA_PERSON_FILE_MAX, "%s" DA_PERSON_SUFFIX, digest);
	return err;
}

enum da_err
da_person_file_of_pin(const char *issuer, const char *subject,
    char ret[static DA_PERSON_FILE_MAX])
{
	char digest[DA_RECORD_DIGEST_LEN + 1];
	enum da_err err =
	    da_record_digest((const char *const[]){issuer, subject}, 2, digest);

	if (err == DA_OK)
		(void)snprintf(
		    ret, DA_PERSON_FILE_MAX, "%s" DA_SUBJECT_SUFFIX, digest);
	return err;
}

enum da_err
da_person_file_read(const struct da_paths *paths, const char *file,
    const char *key, struct da_buf *ret, struct da_diag *diag)
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

/* Leads from the identity to the name. */
static enum da_err
write_subject(const struct da_people *people, const struct da_person *person,
    struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf record;
	char file[DA_PERSON_FILE_MAX], name[DA_USER_MAX + 1];
	enum da_err err;

	if (person->issuer[0] == '\0' ||
	    (da_person_name_of(people->paths, person->issuer, person->subject,
		 name, NULL) == DA_OK &&
		strcmp(name, person->name) == 0))
		return DA_OK;
	da_buf_init(&record, DA_RECORD_MAX);
	err = da_person_file_of_pin(person->issuer, person->subject, file);
	if (err == DA_OK)
		err = da_record_put(&record, DA_SUBJECT_KEY, "1");
	if (err == DA_OK)
		err = da_record_put(&record, "name", person->name);
	return err == DA_OK ? da_file_replace(people->dir, file, 0600,
				  record.bytes, record.len, diag)
			    : err;
}

enum da_err
da_person_file_write(const struct da_people *people,
    const struct da_person *person, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf record;
	char file[DA_PERSON_FILE_MAX];
	enum da_err err = write_subject(people, person, diag);

	da_buf_init(&record, DA_RECORD_MAX);
	if (err == DA_OK)
		err = da_person_file_of(person->name, file);
	if (err == DA_OK)
		err = da_record_put(&record, DA_PERSON_KEY, "1");
	if (err == DA_OK)
		err = da_person_format(person, &record);
	/* The mark is there whenever a record needs it. */
	if (err == DA_OK && person->withdrawn)
		err = da_withdrawn_set(people->paths, file, diag);
	if (err == DA_OK)
		err = da_file_replace(
		    people->dir, file, 0600, record.bytes, record.len, diag);
	return err == DA_OK && !person->withdrawn
	    ? da_withdrawn_clear(people->paths, file, diag)
	    : err;
}
