/*
 * One cdb file, mapped: opening with every check of its owner, finding and
 * walking records without leaving its bytes. What the values mean is record.h's
 * business.
 */
#ifndef DA_ACCOUNT_DATABASE_H
#define DA_ACCOUNT_DATABASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "account/format.h"
#include "core/attr.h"
#include "core/err.h"

/* The slots of an i or n record. */
struct da_database_index {
	const uint8_t *slots;
	uint32_t count; /* 0: nothing is found */
};

struct da_database {
	const uint8_t *bytes; /* NULL: no such file, nothing is found */
	struct da_database_index ids;
	struct da_database_index names;
	uint32_t size;
	uint32_t data_end;
	uint32_t people_end; /* no p record from here on */
	uint64_t generation; /* what the file was written as */
};

/* One record; the pointers are valid as long as the mapping. */
struct da_cell {
	const uint8_t *key;
	const uint8_t *value;
	uint32_t key_len;
	uint32_t value_len;
	uint32_t next; /* position of the record behind it */
};

/* Closes a descriptor if it is open. For DA_CLEANUP; the one of core/file.c
 * would bring code that writes into every process. errno is kept. */
void da_database_closep(int *fd);

/* Opens a file of a trusted folder: a regular file of this owner, written by
 * nobody else, no link. Maps it with *ret_size. DA_E_ABSENT, DA_E_SYS (errno
 * EPERM: not to be trusted; EBADMSG: below size_min or above size_max). */
enum da_err
da_database_map(int dirfd, const char *name, uid_t owner, size_t size_min,
    size_t size_max, const void **ret_bytes, size_t *ret_size) DA_MUST_CHECK;

/* Maps a database. A missing file is an empty one and DA_OK. DA_E_SYS as
 * above, EBADMSG also when it is no database of ours. */
enum da_err da_database_open(int dirfd, const char *name, uid_t owner,
    struct da_database *ret) DA_MUST_CHECK;

/* The database in these bytes, which the caller owns. False when it is none of
 * ours. */
bool
da_database_read(const uint8_t *bytes, uint32_t size, struct da_database *ret);

/* Unmaps. A zeroed database is fine. errno is kept. */
void da_database_close(struct da_database *database);

/* Finds the first record with this kind and the rest of the key. */
bool
da_database_find(const struct da_database *database, enum da_format_kind kind,
    const void *rest, size_t len, struct da_cell *ret);

/* A name, hashed once for all the lookups of an answer. */
struct da_database_name {
	const char *text;
	size_t len;
	uint64_t hash;
};

static inline struct da_database_name
da_database_hash_name(const char *name, size_t len)
{
	return (struct da_database_name){
	    .text = name, .len = len, .hash = da_format_hash_name(name, len)};
}

/* Finds the p, g or m record with this name. */
bool da_database_find_name(const struct da_database *database,
    enum da_format_kind kind, const struct da_database_name *name,
    struct da_cell *ret);

/* Whether there is a p or a g record with this name. */
bool da_database_has_name(
    const struct da_database *database, const struct da_database_name *name);

/* Finds the record of this kind, p or g, that has the number. */
bool da_database_find_id(const struct da_database *database,
    enum da_format_kind kind, uint32_t id, struct da_cell *ret);

/* Whether any record has the number. */
bool da_database_has_id(const struct da_database *database, uint32_t id);

/* Whether a person or a group in it, removed ones included, has the name or the
 * number. */
bool da_database_knows(const struct da_database *database, const char *name,
    size_t name_len, uint32_t id);

/* The record at a position, all of it before another one; for who walks. */
static inline bool
da_database_read_cell(const struct da_database *database, uint32_t position,
    uint32_t end, struct da_cell *ret)
{
	const uint8_t *head = database->bytes + position;
	uint64_t next = (uint64_t)position + DA_FORMAT_CELL_HEAD;

	if (next > end)
		return false;
	/* A record of a person seldom fits one line of the cache. */
	__builtin_prefetch(head + 64);
	ret->key_len = da_format_get_u32(head);
	ret->value_len = da_format_get_u32(head + 4);
	next += (uint64_t)ret->key_len + ret->value_len;
	if (ret->key_len == 0 || next > end)
		return false;
	ret->key = head + DA_FORMAT_CELL_HEAD;
	ret->value = ret->key + ret->key_len;
	ret->next = (uint32_t)next;
	return true;
}

/* The record at a position; false at the end of the records and where no
 * record fits. Start with DA_FORMAT_TABLES_SIZE, go on with ret->next. */
bool da_database_at(
    const struct da_database *database, uint32_t position, struct da_cell *ret);

#endif
