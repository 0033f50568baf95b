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

void
da_database_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void)close(*fd); /* only read */
	*fd = -1;
	errno = saved;
}

enum da_err
da_database_map(int dirfd, const char *name, uid_t owner, size_t size_min,
    size_t size_max, const void **ret_bytes, size_t *ret_size)
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
	bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	if (bytes == MAP_FAILED)
		return DA_E_SYS;
	*ret_bytes = bytes;
	*ret_size = (size_t)st.st_size;
	return DA_OK;
}

/* The first record says whose file it is. */
static bool
check_header(struct da_database *database)
{
	struct da_cell cell;

	/* Tables follow the records; the first begins where those end. */
	database->data_end = da_format_get_u32(database->bytes);
	if (database->data_end > database->size)
		return false;
	if (!da_database_at(database, DA_FORMAT_TABLES_SIZE, &cell))
		return false;
	if (cell.key_len != 1 || cell.key[0] != DA_KIND_FORMAT ||
	    cell.value_len != DA_FORMAT_HEADER_LEN ||
	    memcmp(cell.value, DA_FORMAT_MAGIC, DA_FORMAT_MAGIC_LEN) != 0)
		return false;
	database->generation =
	    da_format_get_u64(cell.value + DA_FORMAT_MAGIC_LEN);
	return true;
}

enum da_err
da_database_open(
    int dirfd, const char *name, uid_t owner, struct da_database *ret)
{
	struct da_database database = {0};
	const void *bytes;
	size_t size;
	enum da_err err = da_database_map(dirfd, name, owner,
	    DA_FORMAT_TABLES_SIZE, UINT32_MAX, &bytes, &size);

	if (err == DA_OK) {
		database.bytes = bytes;
		database.size = (uint32_t)size;
		if (!check_header(&database)) {
			da_database_close(&database);
			errno = EBADMSG;
			err = DA_E_SYS;
		}
	}
	if (err != DA_OK && err != DA_E_ABSENT)
		return err;
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
	const uint8_t *head;
	uint32_t left, key_len, value_len;

	if (position < DA_FORMAT_TABLES_SIZE || position > database->data_end ||
	    database->data_end - position < DA_FORMAT_CELL_HEAD)
		return false;
	head = database->bytes + position;
	/* A record of a person seldom fits one line of the cache. */
	__builtin_prefetch(head + 64);
	left = database->data_end - position - DA_FORMAT_CELL_HEAD;
	key_len = da_format_get_u32(head);
	value_len = da_format_get_u32(head + 4);
	if (key_len == 0 || key_len > left || value_len > left - key_len)
		return false;
	*ret = (struct da_cell){
	    .key = head + DA_FORMAT_CELL_HEAD,
	    .value = head + DA_FORMAT_CELL_HEAD + key_len,
	    .key_len = key_len,
	    .value_len = value_len,
	    .position = position,
	    .next = position + DA_FORMAT_CELL_HEAD + key_len + value_len,
	};
	return true;
}

/* Bernstein's hash, as the format has it. */
static uint32_t
hash_key(uint8_t kind, const uint8_t *rest, size_t len)
{
	uint32_t h = (5381u * 33) ^ kind;

	for (size_t i = 0; i < len; i++)
		h = (h * 33) ^ rest[i];
	return h;
}

bool
da_database_find(const struct da_database *database, enum da_format_kind kind,
    const void *rest, size_t len, struct da_cell *ret)
{
	const uint8_t *entry, *table;
	uint32_t hash, start, slots, slot;

	if (database->bytes == NULL)
		return false;
	hash = hash_key((uint8_t)kind, rest, len);
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

/* Finds the u or i record itself. */
static bool
find_number(const struct da_database *database, enum da_format_kind kind,
    uint32_t id, struct da_cell *ret)
{
	uint8_t rest[4];

	da_format_put_u32(rest, id);
	return da_database_find(database, kind, rest, sizeof(rest), ret);
}

bool
da_database_find_id(const struct da_database *database,
    enum da_format_kind kind, uint32_t id, struct da_cell *ret)
{
	struct da_cell cell;

	return find_number(database, kind, id, &cell) && cell.value_len == 4 &&
	    da_database_at(database, da_format_get_u32(cell.value), ret);
}

bool
da_database_knows(const struct da_database *database, const char *name,
    size_t name_len, uint32_t id)
{
	struct da_cell cell;

	return database->bytes != NULL &&
	    (da_database_find(
		 database, DA_KIND_PERSON, name, name_len, &cell) ||
		da_database_find(
		    database, DA_KIND_GROUP, name, name_len, &cell) ||
		find_number(database, DA_KIND_UID, id, &cell) ||
		find_number(database, DA_KIND_GID, id, &cell));
}
