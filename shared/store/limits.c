#include "store/limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/limits.h"
#include "core/paths.h"
#include "core/secret.h"
#include "core/text.h"
#include "store/record.h"

#define MAGIC UINT64_C(0x32736d696c617664)

/* Slots of 16 bytes: 64 kB for strangers, 16 kB for the others, and as much for
 * the memory of sources, which lasts and so must not take the room of buckets.
 */
enum part {
	STRANGERS,
	KNOWN,
	MEMORY,
};

static const struct {
	uint32_t first, count;
} parts[] = {
    [STRANGERS] = {0, 4096},
    [KNOWN] = {4096, 1024},
    [MEMORY] = {5120, 1024},
};

#define SLOTS 6144u
/* A key may stand in any of this many neighbouring slots. */
#define WINDOW 8u
#define REMEMBER_MS (INT64_C(30) * 86400 * 1000)

struct header {
	uint64_t magic;
	char salt[33]; /* so that nobody can aim at a slot */
	char padding[23];
};

struct slot {
	uint64_t key;
	int64_t full_at_ms;
};

/* Up to "burst" at once, then one every interval. */
struct bucket {
	const char *name;
	int64_t interval_ms;
	int64_t burst;
};

static const struct bucket source_bucket = {"source", 3000, 20};
static const struct bucket user_bucket = {"account", 12000, 10};
static const struct bucket host_bucket = {"host", 100, 200};

struct table {
	int fd;
	struct header header;
	int64_t now_ms;
	struct da_diag *diag;
};

static off_t
slot_offset(uint32_t index)
{
	return (off_t)(sizeof(struct header) + index * sizeof(struct slot));
}

static enum da_err
format_table(struct table *table)
{
	uint8_t salt[16];

	if (da_secret_random(salt, sizeof(salt)) != DA_OK)
		return DA_E_SYS;
	table->header = (struct header){.magic = MAGIC};
	da_text_hex(salt, sizeof(salt), table->header.salt);
	if (ftruncate(table->fd, 0) != 0 ||
	    ftruncate(table->fd, slot_offset(SLOTS)) != 0 ||
	    pwrite(table->fd, &table->header, sizeof(table->header), 0) !=
		(ssize_t)sizeof(table->header)) {
		da_diag_set(
		    table->diag, "cannot write the table of limits: %m");
		return DA_E_SYS;
	}
	return DA_OK;
}

/* Opens and locks the table; a broker holds it for microseconds. */
static enum da_err
open_table(const struct da_paths *paths, struct table *ret)
{
	struct stat st;
	enum da_err err =
	    da_file_make_parent(paths->limits_file, 0755, ret->diag);

	if (err != DA_OK)
		return err;
	ret->fd = open(paths->limits_file,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
	    0600);
	if (ret->fd < 0 || fstat(ret->fd, &st) != 0) {
		da_diag_set(ret->diag, "%s: %m", paths->limits_file);
		return errno == ELOOP ? DA_E_UNSAFE_FILE : DA_E_SYS;
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != paths->owner ||
	    (st.st_mode & 07177) != 0 || st.st_nlink != 1) {
		da_diag_set(ret->diag, "%s: not a file of ours; remove it",
		    paths->limits_file);
		return DA_E_UNSAFE_FILE;
	}
	err = da_file_lock(ret->fd, paths->limits_file, ret->diag);
	if (err != DA_OK)
		return err;
	/* Torn or of another version: it is forgotten, as after a boot. */
	if (pread(ret->fd, &ret->header, sizeof(ret->header), 0) !=
		(ssize_t)sizeof(ret->header) ||
	    ret->header.magic != MAGIC ||
	    memchr(ret->header.salt, '\0', sizeof(ret->header.salt)) == NULL)
		return format_table(ret);
	return DA_OK;
}

static enum da_err
make_key(const struct table *table, const char *kind, const char *name,
    uint64_t *ret)
{
	char digest[DA_RECORD_DIGEST_LEN + 1];
	enum da_err err = da_record_digest(
	    (const char *const[]){table->header.salt, kind, name}, 3, digest);

	if (err != DA_OK)
		return err;
	memcpy(ret, digest, sizeof(*ret));
	/* 64 of the 128 bits, as hexadecimal text: folded to spread them. */
	for (size_t i = sizeof(*ret); i < DA_RECORD_DIGEST_LEN; i++)
		*ret = *ret * 31 + (uint64_t)digest[i];
	return DA_OK;
}

/* The key's slot, or a free one. DA_E_LIMITED when its neighbourhood is full;
 * but in the memory the source that was here longest ago makes room. */
static enum da_err
find_slot(const struct table *table, uint64_t key, enum part part,
    uint32_t *ret_index, struct slot *ret)
{
	uint32_t first = parts[part].first;
	uint32_t count = parts[part].count;
	int64_t oldest_ms = INT64_MAX;
	bool found = false;

	for (uint32_t i = 0; i < WINDOW; i++) {
		uint32_t index =
		    first + (uint32_t)((key + i) % (uint64_t)count);
		struct slot slot;

		if (pread(table->fd, &slot, sizeof(slot), slot_offset(index)) !=
		    (ssize_t)sizeof(slot))
			return DA_E_SYS;
		if (slot.key == key) {
			*ret_index = index;
			*ret = slot;
			return DA_OK;
		}
		if (!found && slot.full_at_ms <= table->now_ms) {
			found = true;
			*ret_index = index;
			*ret = (struct slot){.key = key};
		}
		if (!found && part == MEMORY && slot.full_at_ms < oldest_ms) {
			oldest_ms = slot.full_at_ms;
			*ret_index = index;
			*ret = (struct slot){.key = key};
		}
	}
	return found || part == MEMORY ? DA_OK : DA_E_LIMITED;
}

static enum da_err
write_slot(const struct table *table, uint32_t index, const struct slot *slot)
{
	if (pwrite(table->fd, slot, sizeof(*slot), slot_offset(index)) !=
	    (ssize_t)sizeof(*slot)) {
		da_diag_set(
		    table->diag, "cannot write the table of limits: %m");
		return DA_E_SYS;
	}
	return DA_OK;
}

/* Looks (take = false) or takes. */
static enum da_err
use_bucket(const struct table *table, const struct bucket *bucket,
    const char *name, bool known, bool take)
{
	uint32_t index;
	struct slot slot;
	uint64_t key;
	int64_t full_at_ms;
	enum da_err err = make_key(table, bucket->name, name, &key);

	if (err == DA_OK)
		err = find_slot(
		    table, key, known ? KNOWN : STRANGERS, &index, &slot);
	if (err == DA_E_LIMITED)
		da_diag_set(table->diag, "the table of limits is full");
	if (err != DA_OK)
		return err;
	full_at_ms =
	    slot.full_at_ms > table->now_ms ? slot.full_at_ms : table->now_ms;
	if (full_at_ms - table->now_ms >
	    bucket->interval_ms * (bucket->burst - 1)) {
		da_diag_set(
		    table->diag, "too many attempts for this %s", bucket->name);
		return DA_E_LIMITED;
	}
	if (!take)
		return DA_OK;
	slot.full_at_ms = full_at_ms + bucket->interval_ms;
	return write_slot(table, index, &slot);
}

/* One household or one machine, not one address: IPv4 by /24, IPv6 by /64. */
static void
format_source(const char *source, char *out, size_t size)
{
	struct in_addr v4;
	struct in6_addr v6;
	uint8_t *b = v6.s6_addr;

	if (inet_pton(AF_INET6, source, &v6) == 1) {
		if (!IN6_IS_ADDR_V4MAPPED(&v6)) {
			(void)snprintf(out, size,
			    "%02x%02x:%02x%02x:%02x%02x:%02x%02x", b[0], b[1],
			    b[2], b[3], b[4], b[5], b[6], b[7]);
			return;
		}
		(void)snprintf(out, size, "%u.%u.%u", b[12], b[13], b[14]);
	} else if (inet_pton(AF_INET, source, &v4) == 1) {
		uint32_t address = ntohl(v4.s_addr);

		(void)snprintf(out, size, "%u.%u.%u", address >> 24,
		    address >> 16 & 255, address >> 8 & 255);
	} else {
		(void)snprintf(out, size, "name %s", source);
	}
}

static enum da_err
is_remembered(const struct table *table, const char *source, bool *ret)
{
	uint32_t index;
	struct slot slot;
	uint64_t key;
	enum da_err err = make_key(table, "known", source, &key);

	*ret = false;
	if (err == DA_OK)
		err = find_slot(table, key, MEMORY, &index, &slot);
	if (err == DA_OK)
		*ret = slot.full_at_ms > table->now_ms;
	return err;
}

static enum da_err
take_all(const struct table *table, const struct da_limits_request *request,
    const char *source, bool known)
{
	bool local = request->source[0] == '\0';
	/* Strangers cannot empty the bucket of the others. */
	const char *whole = known ? "known" : "strangers";
	enum da_err err = DA_OK;

	for (int take = 0; err == DA_OK && take <= 1; take++) {
		if (!local)
			err = use_bucket(
			    table, &source_bucket, source, known, take == 1);
		if (err == DA_OK)
			err = use_bucket(table, &user_bucket, request->user,
			    known, take == 1);
		if (err == DA_OK)
			err = use_bucket(
			    table, &host_bucket, whole, known, take == 1);
	}
	return err;
}

enum da_err
da_limits_take(const struct da_paths *paths,
    const struct da_limits_request *request, struct da_diag *diag)
{
	struct table table = {
	    .fd = -1, .now_ms = request->now_mono_ms, .diag = diag};
	char source[DA_HOST_MAX + 8];
	bool known;
	enum da_err err = open_table(paths, &table);

	format_source(request->source, source, sizeof(source));
	if (err == DA_OK)
		err = is_remembered(&table, source, &known);
	if (err == DA_OK)
		err = take_all(&table, request, source,
		    known || request->key_proved || request->source[0] == '\0');
	da_file_closep(&table.fd);
	return err;
}

enum da_err
da_limits_remember(const struct da_paths *paths,
    const struct da_limits_request *request, struct da_diag *diag)
{
	struct table table = {
	    .fd = -1, .now_ms = request->now_mono_ms, .diag = diag};
	char source[DA_HOST_MAX + 8];
	uint32_t index;
	struct slot slot;
	uint64_t key;
	enum da_err err;

	if (request->source[0] == '\0')
		return DA_OK;
	err = open_table(paths, &table);
	format_source(request->source, source, sizeof(source));
	if (err == DA_OK)
		err = make_key(&table, "known", source, &key);
	if (err == DA_OK)
		err = find_slot(&table, key, MEMORY, &index, &slot);
	if (err == DA_OK) {
		slot.full_at_ms = request->now_mono_ms + REMEMBER_MS;
		err = write_slot(&table, index, &slot);
	}
	da_file_closep(&table.fd);
	return err;
}
