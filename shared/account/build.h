/*
 * Making one database file: the lock, the file beside the old one, the records,
 * the switch. writer.h stands on it; so does whoever fills directory.cdb.
 *
 *	open -> (look at build.view) -> begin -> put... -> commit; always: done
 */
#ifndef DA_ACCOUNT_BUILD_H
#define DA_ACCOUNT_BUILD_H

#include <stdbool.h>
#include <stdint.h>

#include <cdb.h>

#include "account/view.h"
#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

struct da_paths;
struct da_build_index;

struct da_build {
	const struct da_paths *paths;
	const char *name;    /* of the file */
	struct da_view view; /* what stands, under the lock */
	uint64_t generation; /* what the new file will be */
	uint64_t position;   /* of the next record */
	uint64_t people_end; /* behind the last person */
	struct da_build_index *ids;
	struct da_build_index *names;
	int dir;
	int lock;
	int draft; /* what tinycdb makes, before it is copied */
	int file;
	bool begun;
	struct cdb_make make;
};

/* What da_build_done() finds nothing to do for. */
#define DA_BUILD_NONE                                                          \
	((struct da_build){.dir = -1, .lock = -1, .draft = -1, .file = -1})

/* Takes the lock of the state folder, creates the generation file if there is
 * none, makes good what a writer that died left undone, and opens the view.
 * The file is DA_FORMAT_ACCOUNTS or DA_FORMAT_DIRECTORY. Errors of writer.h. */
enum da_err da_build_open(struct da_build *build, const struct da_paths *paths,
    const char *name, struct da_diag *diag) DA_MUST_CHECK;

/* Starts the new file. DA_E_SYS. */
enum da_err
da_build_begin(struct da_build *build, struct da_diag *diag) DA_MUST_CHECK;

/* Adds a record, of an older file or newly composed. Those that only point at
 * others or describe the file are left out, for they are made anew. DA_E_RANGE
 * (it breaks a rule of record.h; nothing was added), DA_E_NOMEM, DA_E_SYS
 * (cannot write; the build is lost). */
enum da_err da_build_put_cell(
    struct da_build *build, const struct da_cell *cell) DA_MUST_CHECK;

/* Puts the new file in the place of the old one and tells the readers.
 * DA_E_SYS. */
enum da_err
da_build_commit(struct da_build *build, struct da_diag *diag) DA_MUST_CHECK;

/* Deletes what there is, damaged or not, and tells the readers; for writer.h.
 */
enum da_err da_build_purge(
    const struct da_paths *paths, struct da_diag *diag) DA_MUST_CHECK;

/* Drops what was not committed, gives up the lock. For DA_CLEANUP, after
 * da_build_open() has been called, whatever it said. */
void da_build_done(struct da_build *build);

#endif
