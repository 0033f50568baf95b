/*
 * The values in the database: taken apart and checked.
 */
#ifndef DA_ACCOUNT_RECORD_H
#define DA_ACCOUNT_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "account/database.h"

/* A person; "text" is gecos, home and shell, a NUL behind each, and follows the
 * name and its NUL at once. */
struct da_record_person {
	const char *name;
	const char *text;
	size_t text_len;
	uint32_t name_len;
	uint32_t uid;
	uint32_t gid;
	uint16_t gecos_len;
	uint16_t home_len;
	uint16_t shell_len;
	bool removed;
	bool renamed; /* removed, for the person has another name now */
};

/* A group; "members" are names in order, a NUL behind each. */
struct da_record_group {
	const char *name;    /* without a NUL */
	const uint8_t *lens; /* of each member's name */
	const char *members;
	uint32_t name_len;
	uint32_t members_len;
	uint32_t count;
	uint32_t gid;
	bool removed;
	bool local;
};

struct da_record_policy {
	const char *home;
	const char *shell;
	const char *allowed;
	uint16_t home_len;
	uint16_t shell_len;
	uint32_t allowed_len;
	bool first_login;
	bool enumerate;
};

/* False unless the record is of that kind, has the length that it says, usable
 * ids and a name that keeps the rule. The results borrow from the cell; they
 * are undefined after false. */
bool
da_record_read_person(const struct da_cell *cell, struct da_record_person *ret);
/* The same for a cell that was found by a name which keeps the rule. */
bool da_record_read_named_person(
    const struct da_cell *cell, struct da_record_person *ret);
/* Of a group all but the members, which da_layout_group() looks at while it
 * copies them. */
bool
da_record_read_group(const struct da_cell *cell, struct da_record_group *ret);
/* Whether the lengths fit the members' text, a NUL behind each. */
bool da_record_has_members(const struct da_record_group *group);
bool
da_record_read_policy(const struct da_cell *cell, struct da_record_policy *ret);

/* Whether somebody may be put into a local group of that number at all. */
bool da_record_is_local_gid(uint32_t gid);

/* The rules of the texts, for the writer. 0x20..0x7e without ':', which ends a
 * field of /etc/passwd. */
bool da_record_is_text(const char *text, size_t len);

/* A text that is an absolute path below the root, without "..". */
bool da_record_is_path(const char *text, size_t len);

#endif
