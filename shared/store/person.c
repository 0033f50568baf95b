/*
 * Records of people: their fields, and the pin. Runs as root in the broker and
 * the command.
 */
#include "store/person.h"

#include <string.h>

#include "core/file.h"
#include "core/paths.h"
#include "store/people.h"
#include "store/person_file.h"
#include "store/record.h"
#include "store/withdrawn.h"

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

bool
da_person_is_barred(const struct da_person *person)
{
	return person->locked || person->state != DA_PERSON_ACTIVE;
}

/* A value that need not be there; then it is "". */
static enum da_err
get_optional(
    const struct da_buf *record, const char *key, char *ret, size_t size)
{
	enum da_err err = da_record_get(record, key, 0, ret, size);

	return err == DA_E_ABSENT ? DA_OK : err;
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
	int64_t uid, locked, state;
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
		err = da_record_get_int(record, "uid", 0, UINT32_MAX, &uid);
	if (err == DA_OK)
		err = da_record_get_int(record, "locked", 0, 1, &locked);
	if (err == DA_OK)
		err = da_record_get_int(
		    record, "verified_at", 0, INT64_MAX, &ret->verified_at_s);
	if (err == DA_OK)
		err = da_record_get_int(record, "state", DA_PERSON_ACTIVE,
		    DA_PERSON_RENAMED, &state);
	if (err == DA_OK) {
		err = da_record_get_int(
		    record, "state_since", 0, INT64_MAX, &ret->state_since_s);
		if (err == DA_E_ABSENT)
			err = DA_OK;
	}
	if (err == DA_OK)
		err =
		    get_optional(record, "home", ret->home, sizeof(ret->home));
	if (err == DA_OK)
		err = get_optional(
		    record, "shell", ret->shell, sizeof(ret->shell));
	if (err == DA_OK)
		err = parse_list(record, "group", &ret->groups);
	if (err == DA_OK)
		err = parse_list(record, "claim", &ret->claims);
	if (err == DA_OK) {
		ret->uid = (uint32_t)uid;
		ret->locked = locked != 0;
		ret->state = (enum da_person_state)state;
	}
	return err == DA_E_ABSENT ? DA_E_SYNTAX : err;
}

enum da_err
da_person_load(const struct da_paths *paths, const char *name,
    struct da_person *ret, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf record;
	char file[DA_PERSON_FILE_MAX];
	enum da_err err = da_person_file_of(name, file);

	da_buf_init(&record, DA_RECORD_MAX);
	da_person_init(ret);
	if (err == DA_OK)
		err = da_person_file_read(
		    paths, file, DA_PERSON_KEY, &record, diag);
	if (err == DA_OK)
		err = da_person_parse(&record, ret);
	if (err == DA_OK && strcmp(ret->name, name) != 0)
		err = DA_E_SYNTAX;
	if (err == DA_E_SYNTAX)
		da_diag_set(diag,
		    "the private record of %s is damaged; "
		    "\"devauth accounts relink\" makes it anew",
		    name);
	if (err != DA_OK)
		da_person_done(ret);
	else
		ret->withdrawn = da_withdrawn_check(paths, file);
	return err;
}

enum da_err
da_person_name_of(const struct da_paths *paths, const char *issuer,
    const char *subject, char ret_name[static DA_USER_MAX + 1],
    struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf record;
	char file[DA_PERSON_FILE_MAX];
	enum da_err err = da_person_file_of_pin(issuer, subject, file);

	da_buf_init(&record, DA_RECORD_MAX);
	if (err == DA_OK)
		err = da_person_file_read(
		    paths, file, DA_SUBJECT_KEY, &record, diag);
	if (err != DA_OK)
		return err;
	err = da_record_get(&record, "name", 0, ret_name, DA_USER_MAX + 1);
	return err == DA_OK ? DA_OK : DA_E_SYNTAX;
}

void
da_person_follow(const struct da_paths *paths, const char *issuer,
    const char *subject, char name[static DA_USER_MAX + 1])
{
	char now[DA_USER_MAX + 1];

	if (name[0] != '\0' &&
	    da_person_name_of(paths, issuer, subject, now, NULL) == DA_OK)
		memcpy(name, now, sizeof(now));
}

enum da_err
da_person_check_pin(const struct da_paths *paths, const char *name,
    const char *issuer, const char *subject, struct da_diag *diag)
{
	char known_name[DA_USER_MAX + 1];
	struct da_person known;
	enum da_err err = da_person_load(paths, name, &known, diag);

	if (err == DA_OK) {
		bool same = known.issuer[0] == '\0' ||
		    (strcmp(known.issuer, issuer) == 0 &&
			strcmp(known.subject, subject) == 0);

		da_person_done(&known);
		if (!same) {
			da_diag_set(diag,
			    "the name belongs to another identity of the "
			    "provider; if it is this one's now: "
			    "devauth accounts relink %s ISSUER#SUBJECT",
			    name);
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
		    "this identity is known here as %s; if it has another name "
		    "now: devauth accounts rename %s %s",
		    known_name, known_name, name);
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
		err = da_record_put_int(ret, "state", person->state);
	if (err == DA_OK && person->state_since_s != 0)
		err = da_record_put_int(
		    ret, "state_since", person->state_since_s);
	if (err == DA_OK && person->home[0] != '\0')
		err = da_record_put(ret, "home", person->home);
	if (err == DA_OK && person->shell[0] != '\0')
		err = da_record_put(ret, "shell", person->shell);
	if (err == DA_OK)
		err = format_list(&person->groups, "group", ret);
	if (err == DA_OK)
		err = format_list(&person->claims, "claim", ret);
	return err;
}

/* What stands of the person. Of a lock that came while the person signed in
 * nothing is lost. */
static enum da_err
keep_choices(const struct da_paths *paths, struct da_person *person,
    struct da_diag *diag)
{
	struct da_person known;
	enum da_err err = da_person_load(paths, person->name, &known, diag);

	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_OK : err;
	if (da_person_is_barred(&known)) {
		da_diag_set(diag, "%s",
		    known.state == DA_PERSON_ACTIVE ? "locked" : "removed");
		err = DA_E_LOCKED;
	}
	if (person->uid == 0)
		person->uid = known.uid;
	memcpy(person->home, known.home, sizeof(person->home));
	memcpy(person->shell, known.shell, sizeof(person->shell));
	da_person_done(&known);
	return err;
}

enum da_err
da_person_save(const struct da_paths *paths, struct da_person *person,
    struct da_diag *diag)
{
	DA_CLEANUP(da_people_close) struct da_people people;
	enum da_err err = da_people_open(paths, &people, diag);

	if (err == DA_OK)
		err = da_person_check_pin(
		    paths, person->name, person->issuer, person->subject, diag);
	if (err == DA_OK)
		err = keep_choices(paths, person, diag);
	return err == DA_OK ? da_person_file_write(&people, person, diag) : err;
}
