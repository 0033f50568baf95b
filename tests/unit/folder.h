/*
 * A private folder for a test, with a struct da_paths that points into it.
 */
#ifndef DA_TESTS_FOLDER_H
#define DA_TESTS_FOLDER_H

#include "core/paths.h"

struct test_folder {
	char root[64];
	char texts[15][128];
	struct da_paths paths;
};

/* Makes and removes it; fails the test when that does not work. */
void test_folder_init(struct test_folder *folder);
void test_folder_init_in(struct test_folder *folder, const char *parent);
void test_folder_done(struct test_folder *folder);

/* A test with a folder of its own. */
#define TEST_IN_FOLDER(test, folder)                                           \
	cmocka_unit_test_prestate_setup_teardown(                              \
	    test, test_folder_set_up, test_folder_tear_down, &(folder))
int test_folder_set_up(void **state);
int test_folder_tear_down(void **state);

/* Writes root/name with that mode. */
void test_folder_write(const struct test_folder *folder, const char *name,
    unsigned int mode, const char *text);

#endif
