/*
 * What accounts.cdb itself keeps, removed ones included: for export and for an
 * administrator's eyes. Who exists is reader.h's business.
 */
#ifndef DA_ACCOUNT_LISTING_H
#define DA_ACCOUNT_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#include "account/view.h"
#include "core/limits.h"

enum da_listing_kind {
	DA_LISTING_PERSON,
	DA_LISTING_REMOVED, /* a person; name and uid stay taken */
	DA_LISTING_RENAMED, /* a former name, and the uid that has another */
	DA_LISTING_GROUP,
	DA_LISTING_REMOVED_GROUP,
	DA_LISTING_MANAGED, /* a local account; its uid is not kept here */
};

/* The texts are those of people, removed ones included, and else "". They are
 * valid as long as the view. */
struct da_listing {
	enum da_listing_kind kind;
	char name[DA_USER_MAX + 1];
	uint32_t id; /* uid or gid */
	const char *gecos;
	const char *home;
	const char *shell;
};

/* One after the other, in the order of the file; start with the position 0.
 * DA_E_ABSENT after the last, DA_E_UNSAFE_FILE (a record is damaged, so that
 * the list would not be whole). The groups of somebody: da_reader_find_gids(),
 * which has the directory's as well. */
enum da_err da_listing_next(const struct da_view *view, uint32_t *position,
    struct da_listing *ret) DA_MUST_CHECK;

#endif
