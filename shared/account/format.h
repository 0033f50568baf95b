/*
 * The bytes of accounts.cdb and directory.cdb.
 *
 * Both are cdb files (cr.yp.to/cdb): 256 table pointers, then records (length
 * of key, length of value, key, value), then 256 hash tables. The first byte
 * of a key is the kind of the record; all numbers are little-endian.
 *
 *  key          value
 *  f            "devauth" 03, then the generation the file was written as
 *               (8 bytes), position and number of the slots of i, the same
 *               of n, the position behind the last p record (4 each). Always
 *               the first record.
 *  p NAME       a person: a NUL, gecos, home and shell, a NUL behind each, then
 *               uid, gid (4 each), lengths of gecos, home and shell (2 each),
 *               flags (1), zero (1). So the name in the key and the texts are
 *               one piece of what libc wants. gid == uid means a private group
 *               of the same name, which has no record of its own.
 *  g NAME       a group: gid, number of members, length of the members' text
 *               (4 each), flags (1), zeros (3), one byte a member with the
 *               length of its name, then the members in strcmp() order, a NUL
 *               behind each.
 *  i            index of the uids and gids: zeros up to a position that 8
 *               divides, then a hash table, each slot a number and the position
 *               (4 each) of the p or g record that has it; position 0 is a free
 *               slot. The number of slots is a power of two, one and a half
 *               times what is in them at least. The search starts at
 *               da_format_slot() and goes on with the next slot, after the last
 *               with the first.
 *  n            the same of the names: each slot the low half of
 *               da_format_hash_name() and the position of the p, g or m record
 *  l NAME       this local account is managed: devauth decides about its
 *               logins (no value; in accounts.cdb only)
 *  m NAME       the gids (4 each) of the groups in this file that list this
 *               member; a removed person has no such record
 *  c            what NSS may answer beyond the records: flags (1), zero (1),
 *               lengths of home and shell (2 each), length of the list (4),
 *               zero (2), then home, shell, allowed users, a NUL behind each
 *
 * All this is cdb, and any cdb tool reads it; NSS finds people and groups by
 * the two indexes. They are denser than cdb's tables and hashed quicker, and
 * tell mostly without a look at a record that a name or a number is unknown: of
 * an answer from directory.cdb, accounts.cdb is asked about name and number
 * first.
 *
 * Kinds that a version does not know are copied by its writer and ignored by
 * its readers. A removed person or group stays as a record with a flag, so that
 * its name and number are not given to anybody else, and so that it hides what
 * directory.cdb says of it. So does the former name of a person who got another
 * one: such a record has the uid that went with the name, and is not in the
 * index of numbers.
 */
#ifndef DA_ACCOUNT_FORMAT_H
#define DA_ACCOUNT_FORMAT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/limits.h"

#define DA_FORMAT_ACCOUNTS "accounts.cdb"
#define DA_FORMAT_DIRECTORY "directory.cdb"

/* The counter that tells readers to map the files anew: one page, so that it
 * can be mapped; only the first 8 bytes (this machine's order) are used. The
 * file is never replaced: whoever has it mapped would not notice. */
#define DA_FORMAT_GENERATION "generation"
#define DA_FORMAT_GENERATION_SIZE 4096u

#define DA_FORMAT_MAGIC "devauth\003"
#define DA_FORMAT_MAGIC_LEN 8u

enum da_format_kind {
	DA_KIND_FORMAT = 'f',
	DA_KIND_PERSON = 'p',
	DA_KIND_GROUP = 'g',
	DA_KIND_IDS = 'i',
	DA_KIND_NAMES = 'n',
	DA_KIND_GROUPS_OF = 'm',
	DA_KIND_POLICY = 'c',
	DA_KIND_MANAGED = 'l',
};

/* Positions: of the first record, and of the fields in each value. */
#define DA_FORMAT_TABLES_SIZE 2048u
#define DA_FORMAT_CELL_HEAD 8u
#define DA_FORMAT_HEADER_LEN 36u
#define DA_HEADER_GENERATION 8u
#define DA_HEADER_IDS 16u
#define DA_HEADER_NAMES 24u
#define DA_HEADER_PEOPLE_END 32u
#define DA_INDEX_SLOT 8u

/* Of a p record these count from DA_PERSON_HEAD before its end. */
#define DA_PERSON_UID 0u
#define DA_PERSON_GID 4u
#define DA_PERSON_GECOS_LEN 8u
#define DA_PERSON_HOME_LEN 10u
#define DA_PERSON_SHELL_LEN 12u
#define DA_PERSON_FLAGS 14u
#define DA_PERSON_HEAD 16u

#define DA_GROUP_GID 0u
#define DA_GROUP_COUNT 4u
#define DA_GROUP_MEMBERS_LEN 8u
#define DA_GROUP_FLAGS 12u
#define DA_GROUP_HEAD 16u

#define DA_POLICY_FLAGS 0u
#define DA_POLICY_HOME_LEN 2u
#define DA_POLICY_SHELL_LEN 4u
#define DA_POLICY_ALLOWED_LEN 6u
#define DA_POLICY_HEAD 12u

/* Flags of persons and groups, and of the policy. Others are refused; a former
 * name has both of the first two. A local group is one of the group file, which
 * answers for it; here it only has members. */
#define DA_FLAG_REMOVED 1u
#define DA_FLAG_RENAMED 2u
#define DA_FLAG_LOCAL 4u
#define DA_FLAG_FIRST_LOGIN 1u
#define DA_FLAG_ENUMERATE 2u

/* Bounds of the texts. A home is what programs put into buffers of 256; the
 * list is that of one line of the configuration. */
#define DA_GECOS_MAX DA_DISPLAY_NAME_MAX
#define DA_PATH_MAX 255
#define DA_ALLOWED_MAX (DA_CONFIG_LIST_MAX * (DA_USER_MAX + 1))

/* The largest value of a p and of a c record. */
#define DA_PERSON_MAX (DA_PERSON_HEAD + DA_GECOS_MAX + 2 * DA_PATH_MAX + 4)
#define DA_POLICY_MAX (DA_POLICY_HEAD + 2 * DA_PATH_MAX + DA_ALLOWED_MAX + 3)

static inline uint16_t
da_format_get_u16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return le16toh(value);
}

static inline uint32_t
da_format_get_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

static inline uint64_t
da_format_get_u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

static inline void
da_format_put_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static inline void
da_format_put_u32(uint8_t *at, uint32_t value)
{
	da_format_put_u16(at, (uint16_t)value);
	da_format_put_u16(at + 2, (uint16_t)(value >> 16));
}

static inline void
da_format_put_u64(uint8_t *at, uint64_t value)
{
	da_format_put_u32(at, (uint32_t)value);
	da_format_put_u32(at + 4, (uint32_t)(value >> 32));
}

/* Where the search starts in an index of so many slots: the high bits. */
static inline uint32_t
da_format_slot(uint32_t hash, uint32_t slots)
{
	return (uint32_t)((uint64_t)hash * slots >> 32);
}

/* The multiplication spreads numbers that follow each other. */
static inline uint32_t
da_format_hash_id(uint32_t id)
{
	return id * 2654435769u;
}

static inline uint64_t
da_format_mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
	return hash ^ hash >> 32;
}

/* Eight bytes at a time; of the last eight some may have been in the ones
 * before. The high half says where the search starts. */
static inline uint64_t
da_format_hash_name(const void *name, size_t len)
{
	const uint8_t *at = name, *end = at + len;
	uint64_t hash = len, word = 0;

	if (len < 8) {
		while (at < end)
			word = word << 8 | *at++;
		return da_format_mix(da_format_mix(hash, word), word);
	}
	/* Most names end in the second eight. */
	if (len > 8)
		hash = da_format_mix(hash, da_format_get_u64(at));
	for (at += 8; end - at > 8; at += 8)
		hash = da_format_mix(hash, da_format_get_u64(at));
	return da_format_mix(hash, da_format_get_u64(end - 8));
}

#endif
