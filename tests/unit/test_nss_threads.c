/*
 * nss_module/ in a process with many threads, while the database is replaced
 * and the process forks. Under ThreadSanitizer and helgrind, too: see
 * tests/sanitizers.
 *
 * In a child, so that no test before or after it shares the mapped files.
 */
#include "unit.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../nss_module/nss_devauth.h"
#include "account/account.h"
#include "account/writer.h"
#include "child.h"
#include "core/paths.h"
#include "database.h"
#include "folder.h"
#include "paths_test.h"

/* Helgrind runs one thread at a time, slowly, and none for less than a hundred
 * thousand steps unless it makes way. */
#ifdef DA_TESTS_HELGRIND_H
enum { THREADS = 6, CHANGES = 100, FORK_EVERY = 20 };

#define MAKE_WAY() (void)sched_yield()
#else
enum { THREADS = 16, CHANGES = 300, FORK_EVERY = 30 };

#define MAKE_WAY() (void)0
#endif

#define FLIP_UID 2000000002u

static struct test_folder folder;
static struct da_diag diag;
static bool stop;
static unsigned long answers;

/* A person's gecos and home are changed together. */
static void
flip(int i)
{
	char text[32];
	const struct da_account_entry entry = {.name = "flip",
	    .uid = FLIP_UID,
	    .gecos = text,
	    .home = text,
	    .shell = "/bin/sh"};

	(void)snprintf(text, sizeof(text), "/flip/%d", i);
	assert_int_equal(da_account_add(&da_paths, &entry, &diag), DA_OK);
}

static int
set_up_all(void **state)
{
	static const struct test_person people[] = {
	    {"alice", 2000000001, 2000000001, false}, {0}};
	static const struct test_group groups[] = {
	    {"ops", 5000, {"alice"}, false}, {0}};
	static const struct test_memberships memberships[] = {
	    {"alice", {5000}}, {0}};
	const struct da_account_policy policy = {.enumerate = true,
	    .home = "/home/%u",
	    .shell = "/bin/sh",
	    .allowed_users = ""};

	(void)state;
	test_folder_init(&folder);
	test_paths_set(folder.root);
	test_database_build(
	    &da_paths, DA_FORMAT_ACCOUNTS, people, groups, memberships);
	assert_int_equal(
	    da_account_set_policy(&da_paths, &policy, &diag), DA_OK);
	flip(0);
	return 0;
}

static int
tear_down_all(void **state)
{
	(void)state;
	test_folder_done(&folder);
	return 0;
}

static bool
is_whole(enum nss_status status, const struct passwd *passwd)
{
	return status == NSS_STATUS_SUCCESS &&
	    strcmp(passwd->pw_gecos, passwd->pw_dir) == 0;
}

/* No answer may be half of one state and half of another. */
static bool
look_up(void)
{
	char buffer[512];
	struct passwd passwd;
	struct group group;
	gid_t room[8], *gids = room; /* large enough, so never moved */
	long int start = 0, size = 8;
	int error;

	return is_whole(_nss_devauth_getpwnam_r(
			    "flip", &passwd, buffer, sizeof(buffer), &error),
		   &passwd) &&
	    is_whole(_nss_devauth_getpwuid_r(
			 FLIP_UID, &passwd, buffer, sizeof(buffer), &error),
		&passwd) &&
	    _nss_devauth_getgrnam_r("ops", &group, buffer, sizeof(buffer),
		&error) == NSS_STATUS_SUCCESS &&
	    _nss_devauth_getgrgid_r(FLIP_UID, &group, buffer, sizeof(buffer),
		&error) == NSS_STATUS_SUCCESS &&
	    _nss_devauth_initgroups_dyn("alice", 1, &start, &size, &gids, 8,
		&error) == NSS_STATUS_SUCCESS &&
	    start == 1 && gids[0] == 5000;
}

/* A step of the walks that all threads share. */
static bool
walk(void)
{
	char buffer[512];
	struct passwd passwd;
	struct group group;
	int error;
	enum nss_status people =
	    _nss_devauth_getpwent_r(&passwd, buffer, sizeof(buffer), &error);
	enum nss_status groups =
	    _nss_devauth_getgrent_r(&group, buffer, sizeof(buffer), &error);

	return (people == NSS_STATUS_SUCCESS ||
		   (people == NSS_STATUS_NOTFOUND &&
		       _nss_devauth_setpwent(0) == NSS_STATUS_SUCCESS)) &&
	    (groups == NSS_STATUS_SUCCESS ||
		(groups == NSS_STATUS_NOTFOUND &&
		    _nss_devauth_endgrent() == NSS_STATUS_SUCCESS));
}

static void *
read_until_stopped(void *argument)
{
	unsigned long count = 0;

	(void)argument;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		if (!look_up() || !walk())
			abort();
		count++;
		MAKE_WAY();
	}
	(void)__atomic_add_fetch(&answers, count, __ATOMIC_RELAXED);
	return NULL;
}

static size_t
count_descriptors(void)
{
	size_t count = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	(void)closedir(dir);
	return count;
}

/* In there the other threads are gone, at whatever point they were. */
static void
check_fork(void)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* Without malloc(): AddressSanitizer's may have been locked by
		 * a thread that is gone. */
		(void)alarm(60);
		for (int i = 0; i < 20; i++) {
			test_database_raise(&da_paths);
			if (!look_up())
				_exit(1);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
check_threads(void)
{
	pthread_t threads[THREADS];
	size_t descriptors = count_descriptors();

	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, read_until_stopped, NULL),
		    0);
	for (int i = 1; i < CHANGES; i++) {
		flip(i);
		if (i % FORK_EVERY == 0)
			check_fork();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_true(answers > 0);
	assert_int_equal(_nss_devauth_endpwent(), NSS_STATUS_SUCCESS);
	assert_int_equal(_nss_devauth_endgrent(), NSS_STATUS_SUCCESS);
	flip(CHANGES);
	assert_true(look_up());
	/* With the last reader gone only the current view is mapped. */
	assert_int_equal(test_database_mappings(), 1);
	assert_int_equal(count_descriptors(), descriptors);
}

static void
test_threads(void **state)
{
	(void)state;
	test_in_child(check_threads);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_threads),
	};

	if (getuid() != 0) {
		(void)fputs("test_nss_threads: skipped, needs root: the module "
			    "believes root's files only\n",
		    stderr);
		return 77;
	}
	return cmocka_run_group_tests_name(
	    "nss_threads", tests, set_up_all, tear_down_all);
}
