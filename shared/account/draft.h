/*
 * accounts.cdb with changes that are not written yet: what stands, and on top
 * of it the names that were touched. Nothing is judged here, see edit.h.
 *
 *	init -> (get, change, get...) -> write; always: done
 */
#ifndef DA_ACCOUNT_DRAFT_H
#define DA_ACCOUNT_DRAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/compose.h"
#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

/* Everything that the database keeps under one name. */
struct da_draft_name {
	char name[DA_USER_MAX + 1];
	bool has_person;
	bool has_group;
	bool group_removed;
	bool group_local;
	bool managed;
	bool gids_changed;
	struct da_compose_person person; /* texts are borrowed */
	uint32_t gid;                    /* of the group */
	uint32_t *gids;                  /* of the groups that list the name */
	uint32_t gid_count;
};

struct da_draft {
	const struct da_view *view;
	bool changed; /* for whoever changes a name to set */
	const struct da_record_policy *policy; /* NULL: stays */
	struct da_draft_name **names; /* a hash table, as the next one */
	size_t name_room;
	size_t name_count;
	uint32_t *numbers; /* given out in this draft; 0 is a free slot */
	size_t number_room;
	size_t number_count;
};

/* The view has to stay open until da_draft_done(). */
void da_draft_init(struct da_draft *draft, const struct da_view *view);
void da_draft_done(struct da_draft *draft);

/* What is kept under a name that keeps the rule, to be looked at and changed;
 * an empty one if that is nothing. Valid until da_draft_done(). DA_E_NOMEM,
 * DA_E_UNSAFE_FILE (a record is damaged). */
enum da_err da_draft_get(struct da_draft *draft, const char *name, size_t len,
    struct da_draft_name **ret, struct da_diag *diag) DA_MUST_CHECK;

/* Whether a name was touched. */
bool da_draft_has(const struct da_draft *draft, const char *name, size_t len);

/* What stands of the groups that list the name, into an entry that has none
 * yet; the caller frees them. DA_E_NOMEM, DA_E_UNSAFE_FILE. */
enum da_err da_draft_load_gids(
    const struct da_draft *draft, struct da_draft_name *entry) DA_MUST_CHECK;

/* Replaces the groups that list the name: none twice, in any order; "gids" is
 * sorted here. Those groups have to be there when the draft is written.
 * DA_E_NOMEM. */
enum da_err da_draft_set_gids(struct da_draft *draft,
    struct da_draft_name *entry, uint32_t *gids, uint32_t count) DA_MUST_CHECK;

/* Keeps a number from being given out twice in this draft. DA_E_NOMEM. */
enum da_err
da_draft_take_number(struct da_draft *draft, uint32_t id) DA_MUST_CHECK;
bool da_draft_has_number(const struct da_draft *draft, uint32_t id);

/* The touched names, one after the other; start with the position 0. NULL after
 * the last. */
struct da_draft_name *
da_draft_next(const struct da_draft *draft, size_t *position);

/* Writes and commits: every record of other names and of unknown kinds as it
 * stands, then the names of the draft, the members of each group derived from
 * who lists it. "build" was opened, draft->view is its view. Errors of
 * build.h, DA_E_UNSAFE_FILE. */
enum da_err da_draft_write(struct da_draft *draft, struct da_build *build,
    struct da_diag *diag) DA_MUST_CHECK;

#endif
