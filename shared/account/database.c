/*
 * The cdb lookup, written here because it runs in every process: const, no
 * errno, no state, and every number from the file is checked before use. A
 * file that lies can make us miss a record, never read outside the mapping.
 * MUST: (1) compute with positions in 64 bits or below a proven bound, (2) end
 * every loop by a count taken from the size of the file, (3) trust no file that
 * somebody but the owner may write.
 *
 * What remains: somebody with the right to write the file could cut it short
 * under a mapping, and readers would get SIGBUS, as with any mapped file. Our
 * writer only ever replaces it by rename.
 */
#include "account/database.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TABLES 256u
#define TABLE_ENTRY 8u /* position and number of slots; hash and position */

/* The first record: head, key and value. */
#define HEADER_SIZE (DA_FORMAT_CELL_HEAD + 1 + DA_FORMAT_HEADER_LEN)

void
da_database_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd); /* only read */
	*fd = -1;
	errno = saved;
}

/* Also reads the start of the first record into "head". */
static enum da_err
map_with_head(int dirfd, const char *name, uid_t owner, size_t size_min,
    size_t size_max, uint8_t *head, size_t head_size, const void **ret_bytes,
    size_t *ret_size)
{
	DA_CLEANUP(da_database_closep) int fd = -1;
	struct stat st;
	void *bytes;

	/* O_NONBLOCK: a FIFO must not make us wait. */
	fd = openat(dirfd, name,
	    O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? DA_E_ABSENT : DA_E_SYS;
	if (fstat(fd, &st) != 0)
		return DA_E_SYS;
	/* No link at all is fine: it was replaced since it was opened. */
	if (!S_ISREG(st.st_mode) || st.st_uid != owner || st.st_nlink > 1 ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		errno = EPERM;
		return DA_E_SYS;
	}
	if (st.st_size < (off_t)size_min || st.st_size > (off_t)size_max) {
		errno = EBADMSG;
		return DA_E_SYS;
	}
	/* A page that is only mapped to be looked at once costs ten times as
	 * much as to read from it. */
	if (head_size > 0 &&
	    pread(fd, head, head_size, DA_FORMAT_TABLES_SIZE) !=
		(ssize_t)head_size) {
		errno = EBADMSG;
		return DA_E_SYS;
	}
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return DA_E_SYS;
	*ret_bytes = bytes;
	*ret_size = (size_t)st.st_size;
	return DA_OK;
}

enum da_err
da_database_map(int dirfd, const char *name, uid_t owner, size_t size_min,
    size_t size_max, const void **ret_bytes, size_t *ret_size)
{
	return map_with_head(dirfd, name, owner, size_min, size_max, NULL, 0,
	    ret_bytes, ret_size);
}

/* Where an index is, as the header has it. */
static bool
read_index(const struct da_database *database, const uint8_t *at,
    struct da_database_index *ret)
{
	const uint32_t start = da_format_get_u32(at);
	const uint32_t count = da_format_get_u32(at + 4);

	if (start < DA_FORMAT_TABLES_SIZE || start > database->size ||
	    count == 0 || (count & (count - 1)) != 0 ||
	    count > (database->size - start) / DA_INDEX_SLOT)
		return false;
	*ret = (struct da_database_index){database->bytes + start, count};
	return true;
}

/* The first record says whose file it is. The index of the names is the last
 * one: cdb's tables follow. */
static bool
read_header(struct da_database *database, const uint8_t *head)
{
	const uint8_t *value = head + DA_FORMAT_CELL_HEAD + 1;

	if (da_format_get_u32(head) != 1 ||
	    da_format_get_u32(head + 4) != DA_FORMAT_HEADER_LEN ||
	    head[DA_FORMAT_CELL_HEAD] != DA_KIND_FORMAT ||
	    memcmp(value, DA_FORMAT_MAGIC, DA_FORMAT_MAGIC_LEN) != 0 ||
	    !read_index(database, value + DA_HEADER_IDS, &database->ids) ||
	    !read_index(database, value + DA_HEADER_NAMES, &database->names))
		return false;
	database->generation = da_format_get_u64(value + DA_HEADER_GENERATION);
	database->data_end = da_format_get_u32(value + DA_HEADER_NAMES) +
	    database->names.count * DA_INDEX_SLOT;
	database->people_end = da_format_get_u32(value + DA_HEADER_PEOPLE_END);
	return database->people_end <= database->data_end;
}

bool
da_database_read(const uint8_t *bytes, uint32_t size, struct da_database *ret)
{
	struct da_database database = {.bytes = bytes, .size = size};

	if (size < DA_FORMAT_TABLES_SIZE + HEADER_SIZE ||
	    !read_header(&database, bytes + DA_FORMAT_TABLES_SIZE))
		return false;
	*ret = database;
	return true;
}

enum da_err
da_database_open(
    int dirfd, const char *name, uid_t owner, struct da_database *ret)
{
	struct da_database database = {0};
	uint8_t head[HEADER_SIZE];
	const void *bytes;
	size_t size;
	enum da_err err = map_with_head(dirfd, name, owner,
	    DA_FORMAT_TABLES_SIZE + HEADER_SIZE, UINT32_MAX, head, sizeof(head),
	    &bytes, &size);

	if (err == DA_E_ABSENT)
		*ret = database;
	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_OK : err;
	database.bytes = bytes;
	database.size = (uint32_t)size;
	if (!read_header(&database, head)) {
		da_database_close(&database);
		errno = EBADMSG;
		return DA_E_SYS;
	}
	*ret = database;
	return DA_OK;
}

void
da_database_close(struct da_database *database)
{
	int saved = errno;

	if (database->bytes != NULL)
		(void)munmap((void *)(uintptr_t)database->bytes,
		    database->size); /* our own mapping */
	*database = (struct da_database){0};
	errno = saved;
}

bool
da_database_at(
    const struct da_database *database, uint32_t position, struct da_cell *ret)
{
	return position >= DA_FORMAT_TABLES_SIZE &&
	    da_database_read_cell(database, position, database->data_end, ret);
}

/* Bernstein's hash, as cdb has it. */
static uint32_t
hash_key(uint8_t kind, const uint8_t *rest, size_t len)
{
	uint32_t h = (5381u * 33) ^ kind;

	for (size_t i = 0; i < len; i++)
		h = (h * 33) ^ rest[i];
	return h;
}

/* Looks in cdb's own tables. */
static bool
find_key(const struct da_database *database, uint8_t kind, const void *rest,
    size_t len, struct da_cell *ret)
{
	const uint32_t hash = hash_key(kind, rest, len);
	const uint8_t *entry, *table;
	uint32_t start, slots, slot;

	if (database->bytes == NULL)
		return false;
	entry = database->bytes + hash % TABLES * TABLE_ENTRY;
	start = da_format_get_u32(entry);
	slots = da_format_get_u32(entry + 4);
	if (slots == 0 || start < database->data_end ||
	    start > database->size ||
	    slots > (database->size - start) / TABLE_ENTRY)
		return false;
	table = database->bytes + start;
	slot = hash / TABLES % slots;
	for (uint32_t left = slots; left > 0; left--) {
		uint32_t position;

		entry = table + (size_t)slot * TABLE_ENTRY;
		position = da_format_get_u32(entry + 4);
		if (position == 0)
			return false;
		if (da_format_get_u32(entry) == hash &&
		    da_database_at(database, position, ret) &&
		    ret->key_len == len + 1 && ret->key[0] == kind &&
		    memcmp(ret->key + 1, rest, len) == 0)
			return true;
		if (++slot == slots)
			slot = 0;
	}
	return false;
}

bool
da_database_find(const struct da_database *database, enum da_format_kind kind,
    const void *rest, size_t len, struct da_cell *ret)
{
	struct da_database_name name;

	switch (kind) {
	case DA_KIND_PERSON:
	case DA_KIND_GROUP:
	case DA_KIND_GROUPS_OF:
		name = da_database_hash_name(rest, len);
		return da_database_find_name(database, kind, &name, ret);
	default:
		return find_key(database, (uint8_t)kind, rest, len, ret);
	}
}

/* A search in an index: the slots with one key, one after the other. */
struct search {
	const struct da_database_index *index;
	uint32_t key;
	uint32_t at;
	uint32_t left; /* ends the search where no slot is free */
};

static inline struct search
start_search(const struct da_database_index *index, uint32_t hash, uint32_t key)
{
	return (struct search){
	    .index = index,
	    .key = key,
	    .at = da_format_slot(hash, index->count),
	    .left = index->count,
	};
}

/* The position in the next slot that has the key, 0 when there is none. */
static inline uint32_t
next_position(struct search *search)
{
	while (search->left > 0) {
		const uint8_t *slot =
		    search->index->slots + (size_t)search->at * DA_INDEX_SLOT;
		uint32_t position = da_format_get_u32(slot + 4);

		if (position == 0)
			return 0;
		search->at = (search->at + 1) & (search->index->count - 1);
		search->left--;
		if (da_format_get_u32(slot) == search->key)
			return position;
	}
	return 0;
}

static inline struct search
search_name(
    const struct da_database *database, const struct da_database_name *name)
{
	return start_search(&database->names, (uint32_t)(name->hash >> 32),
	    (uint32_t)name->hash);
}

static inline bool
has_text(const struct da_cell *cell, const struct da_database_name *name)
{
	return cell->key_len == name->len + 1 &&
	    memcmp(cell->key + 1, name->text, name->len) == 0;
}

bool
da_database_find_name(const struct da_database *database,
    enum da_format_kind kind, const struct da_database_name *name,
    struct da_cell *ret)
{
	struct search search = search_name(database, name);
	uint32_t position;

	while ((position = next_position(&search)) != 0) {
		if (da_database_at(database, position, ret) &&
		    ret->key[0] == kind && has_text(ret, name))
			return true;
	}
	return false;
}

bool
da_database_has_name(
    const struct da_database *database, const struct da_database_name *name)
{
	struct search search = search_name(database, name);
	struct da_cell cell;
	uint32_t position;

	while ((position = next_position(&search)) != 0) {
		if (da_database_at(database, position, &cell) &&
		    cell.key[0] != DA_KIND_GROUPS_OF && has_text(&cell, name))
			return true;
	}
	return false;
}

static inline struct search
search_id(const struct da_database *database, uint32_t id)
{
	return start_search(&database->ids, da_format_hash_id(id), id);
}

bool
da_database_find_id(const struct da_database *database,
    enum da_format_kind kind, uint32_t id, struct da_cell *ret)
{
	struct search search = search_id(database, id);
	uint32_t position;

	while ((position = next_position(&search)) != 0) {
		if (da_database_at(database, position, ret) &&
		    ret->key[0] == kind)
			return true;
	}
	return false;
}

bool
da_database_has_id(const struct da_database *database, uint32_t id)
{
	struct search search = search_id(database, id);

	return next_position(&search) != 0;
}

bool
da_database_knows(const struct da_database *database, const char *name,
    size_t name_len, uint32_t id)
{
	const struct da_database_name hashed =
	    da_database_hash_name(name, name_len);

	return da_database_has_id(database, id) ||
	    da_database_has_name(database, &hashed);
}
