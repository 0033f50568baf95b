/*
 * The table of paths for tests that link code which uses da_paths itself, such
 * as the entry points of the NSS module. It takes the place of core/paths.c.
 */
#ifndef DA_TESTS_PATHS_TEST_H
#define DA_TESTS_PATHS_TEST_H

/* Points every path below a folder. */
void test_paths_set(const char *root);

/* Which programs may see a never-seen person; by newlines. */
void test_paths_set_login_programs(const char *programs);

#endif
