/*
 * The files in people_dir, named after digests only:
 *   <digest of name>.person              the record
 *   <digest of name>.person.withdrawn    the mark of store/withdrawn.h
 *   <digest of issuer, subject>.subject  the name that the identity has here
 * The last is written first: left alone by a crash it points to a person
 * that does not exist and is then free again for the same name only.
 *
 * Internal to store/.
 */
#ifndef DA_STORE_PERSON_FILE_H
#define DA_STORE_PERSON_FILE_H

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "store/record.h"

struct da_paths;
struct da_people;
struct da_person;

#define DA_PERSON_KEY "devauth-person"
#define DA_PERSON_SUFFIX ".person"
#define DA_SUBJECT_KEY "devauth-subject"
#define DA_SUBJECT_SUFFIX ".subject"
#define DA_PERSON_FILE_MAX (DA_RECORD_DIGEST_LEN + 16)

/* The names of the files. DA_E_NOMEM. */
enum da_err da_person_file_of(
    const char *name, char ret[static DA_PERSON_FILE_MAX]) DA_MUST_CHECK;
enum da_err da_person_file_of_pin(const char *issuer, const char *subject,
    char ret[static DA_PERSON_FILE_MAX]) DA_MUST_CHECK;

/* Reads a whole record of that key. DA_E_ABSENT, DA_E_SYNTAX, file errors. */
enum da_err da_person_file_read(const struct da_paths *paths, const char *file,
    const char *key, struct da_buf *ret, struct da_diag *diag) DA_MUST_CHECK;

/* Writes the files of a person; decides nothing. File errors. */
enum da_err da_person_file_write(const struct da_people *people,
    const struct da_person *person, struct da_diag *diag) DA_MUST_CHECK;

#endif
