/*
 * Databases for tests: made from plain tables, and looked at as text.
 */
#ifndef DA_TESTS_DATABASE_H
#define DA_TESTS_DATABASE_H

#include <stdbool.h>
#include <stdint.h>

#include "account/view.h"

/* What errno is before a call that has to leave it alone. */
#define TEST_SENTINEL 4711

struct test_person {
	const char *name;
	uint32_t uid;
	uint32_t gid;
	bool removed;
};

struct test_group {
	const char *name;
	uint32_t gid;
	const char *members[4]; /* ended by NULL */
	bool removed;
};

struct test_memberships {
	const char *name;
	uint32_t gids[5]; /* ended by 0 */
};

/* Replaces one of the two files. Each table ends with an empty line and may be
 * NULL. The gecos of everybody is the file's name. */
void test_database_build(const struct da_paths *paths, const char *file,
    const struct test_person *people, const struct test_group *groups,
    const struct test_memberships *memberships);

/* By name or, if that is NULL, by number; "-" for none. The texts are valid
 * until the next call. */
const char *test_person_text(/* name uid gid gecos */
    const struct da_view *view, const char *name, uint32_t uid);
const char *test_group_text(/* name gid: members */
    const struct da_view *view, const char *name, uint32_t gid);
const char *test_gids_text(const struct da_view *view, const char *name);

/* In how many places the file of accounts is mapped here; a number beyond any
 * other where that cannot be told. */
size_t test_database_mappings(void);

/* Raises the counter, so that everybody maps the files anew. */
void test_database_raise(const struct da_paths *paths);

#endif
