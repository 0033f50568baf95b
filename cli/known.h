/*
 * Who is known on this host: the account database and the private records of
 * people, side by side. Others than root see the former only.
 */
#ifndef DA_CLI_KNOWN_H
#define DA_CLI_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/view.h"
#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"
#include "store/person.h"

struct da_config;

/* What the account database says of a name. */
enum da_known_account {
	DA_KNOWN_NONE, /* only a record: a lock, or shared accounts only */
	DA_KNOWN_PERSON,
	DA_KNOWN_REMOVED,
	DA_KNOWN_RENAMED,
	DA_KNOWN_MANAGED,
	DA_KNOWN_GONE, /* was managed, and is not in the passwd file any more */
	DA_KNOWN_DIRECTORY,
};

struct da_known {
	char name[DA_USER_MAX + 1];
	enum da_known_account account;
	uint32_t uid; /* 0: none */
	bool has_record;
	bool locked;
	bool barred;         /* locked, removed or renamed by the record */
	uint32_t record_uid; /* as the private record has it */
	enum da_person_state record_state;
	int64_t state_since_s; /* 0: not known */
	int64_t verified_at_s; /* 0: never signed in */
	bool withdrawn;        /* by the provider (on_revoked) */
};

struct da_known_list {
	struct da_known *items; /* by name */
	size_t count;
	size_t room;
	const struct da_known **owners; /* of uids here, by uid */
	size_t owner_count;
	bool has_private;     /* the records were looked at */
	size_t damaged_count; /* records that cannot be read */
	size_t lost_count;    /* people without the account that they had */
	bool is_set_up;
	int64_t max_age_s;   /* 0: no configuration to ask */
	struct da_view view; /* open */
};

/* Reads everything; "config" may be NULL. DA_E_UNSAFE_FILE (the database is
 * damaged), DA_E_NOMEM, DA_E_SYS; diag has the cure. */
enum da_err da_known_open(const struct da_config *config,
    struct da_known_list *ret, struct da_diag *diag) DA_MUST_CHECK;
void da_known_close(struct da_known_list *list);

const struct da_known *
da_known_find(const struct da_known_list *list, const char *name);

/* Who has the uid in the account database, removed or not. */
const struct da_known *
da_known_find_owner(const struct da_known_list *list, uint32_t uid);

/* Whether people are known here whose accounts the database should have and has
 * not, or there is no database any more. */
bool da_known_misses_accounts(const struct da_known_list *list);

/* The uid that is the name's, removed ones included. False: it has none. */
bool da_known_uid(const struct da_known *known, uint32_t *ret_uid);

bool da_known_is_renamed(const struct da_known *known);

/* The present name of whoever had the name before; NULL when that is not to be
 * found. */
const struct da_known *da_known_find_present(
    const struct da_known_list *list, const struct da_known *renamed);

/* In one word: active, new (never signed in), stale, withdrawn, locked,
 * removed, renamed, managed, gone (managed, and not there), lost (only the
 * private record is there). */
const char *
da_known_state(const struct da_known_list *list, const struct da_known *known);

/* The shared groups of a name, by spaces. */
enum da_err da_known_groups(const struct da_known_list *list, const char *name,
    struct da_buf *ret) DA_MUST_CHECK;

#endif
