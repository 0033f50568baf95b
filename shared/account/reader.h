/*
 * Who is who in a view: people by name and uid, groups by name and gid, the
 * groups of a member, all of them in turn.
 *
 * accounts.cdb decides; directory.cdb adds people and groups whose name and
 * number accounts.cdb does not know. Only a group that both have, with the same
 * name and gid, is merged: its members are those of either. What accounts.cdb
 * keeps as removed is hidden in both.
 *
 * Every lookup: DA_E_ABSENT (nobody, or the record breaks a rule), DA_E_RANGE
 * (the buffer is too small; nothing else changed). Results point into the
 * buffer. No system call, no allocation.
 */
#ifndef DA_ACCOUNT_READER_H
#define DA_ACCOUNT_READER_H

#include "account/account.h"
#include "account/view.h"

/* A group; "members" ends with NULL. */
struct da_group {
	char *name;
	char **members;
	uint32_t gid;
};

enum da_err da_reader_find_name(const struct da_view *view, const char *name,
    char *buffer, size_t size, struct da_account *ret) DA_MUST_CHECK;
enum da_err da_reader_find_uid(const struct da_view *view, uint32_t uid,
    char *buffer, size_t size, struct da_account *ret) DA_MUST_CHECK;

/* Private groups included. */
enum da_err da_reader_find_group(const struct da_view *view, const char *name,
    char *buffer, size_t size, struct da_group *ret) DA_MUST_CHECK;
enum da_err da_reader_find_gid(const struct da_view *view, uint32_t gid,
    char *buffer, size_t size, struct da_group *ret) DA_MUST_CHECK;

/* The gids of the shared groups that list a member, local people included: find
 * them, then take one after the other until it says false. The name has to stay
 * where it is until then. */
struct da_reader_gids {
	struct da_database_name name;
	const uint8_t *at;
	uint32_t left;
	bool directory;
};

void da_reader_find_gids(
    const struct da_view *view, const char *name, struct da_reader_gids *ret);
bool da_reader_next_gid(const struct da_view *view, struct da_reader_gids *gids,
    uint32_t *ret) DA_MUST_CHECK;

/* Room for a sieve of the names and numbers that accounts.cdb has: what stays
 * in it may be one of them. */
#define DA_READER_SIEVE_BITS_MAX (1u << 19)

struct da_reader_sieve {
	uint32_t mask; /* the number of bits in use, less one */
	uint32_t words[DA_READER_SIEVE_BITS_MAX / 32];
};

/* A walk through everybody, or through every group. */
struct da_reader_walk {
	const struct da_view *view;
	const struct da_database *db; /* where it is */
	struct da_reader_sieve *room;
	const struct da_reader_sieve *sieve; /* NULL: ask accounts.cdb */
	uint32_t position;
};

/* With room for a sieve (or NULL) people are listed faster. It and
 * the view have to stay until the last entry. */
void da_reader_start_walk(const struct da_view *view,
    struct da_reader_sieve *sieve, struct da_reader_walk *ret);

/* DA_E_ABSENT after the last. On DA_E_RANGE the next is the same. */
enum da_err da_reader_next_person(struct da_reader_walk *walk, char *buffer,
    size_t size, struct da_account *ret) DA_MUST_CHECK;
/* The next person if that takes no second look, in a buffer of so many bytes at
 * least: false, and nothing changed, when da_reader_next_person() has to tell.
 * No call in it, for a listing is as fast as it is short. */
#define DA_READER_SHORT 64u

bool da_reader_try_next_person(struct da_reader_walk *walk, char *buffer,
    struct da_account *ret) DA_MUST_CHECK;

enum da_err da_reader_next_group(struct da_reader_walk *walk, char *buffer,
    size_t size, struct da_group *ret) DA_MUST_CHECK;

/* Whether the policy lets everybody list everybody. */
bool da_reader_may_enumerate(const struct da_view *view);

#endif
