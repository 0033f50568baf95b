/*
 * The map of names and uids: read from an export or put together anew, and what
 * would have to be done to a host so that it holds there.
 *
 *	devauth-accounts 1
 *	person alice 1934567890
 *	removed carol 1901234567        name and uid are taken for ever
 *	renamed alicia 1934567890       a former name of that uid
 *	pin alice https://login.example.com#8c1f-42
 *	end                             so that half a file is seen to be one
 *
 * Lines that begin with '#' and empty ones mean nothing.
 */
#ifndef DA_CLI_MAP_H
#define DA_CLI_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/writer.h"
#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"

struct da_known_list;

/* A million people. */
#define DA_MAP_FILE_MAX (64 * 1024 * 1024)

enum da_map_kind {
	DA_MAP_PERSON,
	DA_MAP_REMOVED,
	DA_MAP_RENAMED,
};

struct da_map_entry {
	char name[DA_USER_MAX + 1];
	uint32_t uid;
	enum da_map_kind kind;
	int line;      /* of the file; 0: of none */
	char *issuer;  /* owned; NULL: no pin */
	char *subject; /* owned */
	/* Owned; NULL: as the configuration says. */
	char *gecos;
	char *home;
	char *shell;
};

/* After da_map_sort() those of one uid follow each other: a unit, which is one
 * person and the former names. */
struct da_map {
	struct da_map_entry *items;
	size_t count;
	size_t room;
};

void da_map_done(struct da_map *map);

/* What there is to be said about the lines of a file, said in their order. */
struct da_map_report {
	const char *file;
	struct da_map_remark *items;
	size_t count;
	size_t room;
	size_t bad; /* of them complaints */
};

/* DA_E_NOMEM. */
enum da_err da_map_remark(struct da_map_report *report, int line, bool bad,
    const char *format, ...) DA_PRINTF(4, 5) DA_MUST_CHECK;

/* Prints and forgets them: the complaints if there are any, else the rest. */
void da_map_report(struct da_map_report *report);

/* Adds an entry; *ret is valid until the next one. DA_E_NOMEM. */
enum da_err da_map_add(struct da_map *map, const char *name, uint32_t uid,
    enum da_map_kind kind, struct da_map_entry **ret) DA_MUST_CHECK;

/* Reads the text of a file; complains of every bad line. DA_E_SYNTAX when there
 * was one, DA_E_NOMEM. */
enum da_err da_map_parse(const struct da_buf *text, struct da_map *ret,
    struct da_map_report *report) DA_MUST_CHECK;

/* By uid, the present name first. */
void da_map_sort(struct da_map *map);

/* The index behind the unit that begins at "from". */
size_t da_map_unit_end(const struct da_map *map, size_t from);

/* A growing list of changes; texts are borrowed. */
struct da_map_changes {
	struct da_account_change *items;
	size_t count;
	size_t room;
};

void da_map_changes_done(struct da_map_changes *changes);
enum da_err
da_map_changes_add(struct da_map_changes *changes, enum da_account_verb verb,
    const struct da_account_entry *entry, const char *new_name) DA_MUST_CHECK;

/* Appends what makes the unit true on a host where these people are known.
 * "initial" has the texts for whoever is new and has none of his own.
 * *ret_holder is the name that has the uid there, "" for none. DA_E_COLLISION:
 * the host says otherwise; DA_E_NOMEM. */
enum da_err da_map_plan(const struct da_map *map, size_t from,
    const struct da_known_list *known, const struct da_account_entry *initial,
    struct da_map_changes *ret, char ret_holder[static DA_USER_MAX + 1],
    struct da_diag *diag) DA_MUST_CHECK;

#endif
