/*
 * S3: readers while the databases are replaced all the time: each answer is of
 * one whole snapshot; memory, mappings and descriptors stay what they were.
 *
 * Some processes for two seconds; DEVAUTH_TORTURE_S=30 test_snapshot makes it
 * 50 processes of 16 threads for half a minute.
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../nss_module/nss_devauth.h"
#include "account/compose.h"
#include "core/clock.h"
#include "core/paths.h"
#include "database.h"
#include "folder.h"
#include "paths_test.h"

/* Views that a process may have mapped: the slots, one own view for each thread
 * that found none free, the two walks. */
#define SLOTS 8
#define WALKS 2

#ifdef __SANITIZE_ADDRESS__
#define GROWTH_MAX_KB 4096
#else
#define GROWTH_MAX_KB 256
#endif

enum { PROCESSES_MAX = 50, THREADS_MAX = 16 };

static struct test_folder folder;
static struct da_diag diag;
static unsigned processes = 6, threads = 4;
static int64_t duration_ms = 2000;
static int64_t end_mono_ms;
static bool stop;
static unsigned long answers;

/* --- the writer --- */

/* Everything in a file says the same number. */
static void
replace(const char *file, uint32_t base, unsigned number)
{
	static const char *const people[] = {"one", "three", "two"};
	char gecos[16], home[16], first[16], second[16];
	const char *const members[] = {first, second};
	const struct da_compose_group group = {
	    .name = base == 0 ? "near" : "far",
	    .members = members,
	    .count = 2,
	    .gid = 5000 + base};
	const struct da_record_policy policy = {.home = "/home/%u",
	    .shell = "/bin/sh",
	    .allowed = "",
	    .home_len = 8,
	    .shell_len = 7,
	    .enumerate = true};
	struct da_build build;

	(void)snprintf(gecos, sizeof(gecos), "%u", number);
	(void)snprintf(home, sizeof(home), "/%u", number);
	(void)snprintf(first, sizeof(first), "m%ua", number);
	(void)snprintf(second, sizeof(second), "m%ub", number);
	assert_int_equal(da_build_open(&build, &da_paths, file, &diag), DA_OK);
	assert_int_equal(da_build_begin(&build, &diag), DA_OK);
	for (uint32_t i = 0; i < 3; i++) {
		char name[16];
		const struct da_compose_person person = {.name = name,
		    .gecos = gecos,
		    .home = home,
		    .shell = "/bin/sh",
		    .uid = 10000 + base + i,
		    .gid = 10000 + base + i};

		(void)snprintf(name, sizeof(name), "%s%s", people[i],
		    base == 0 ? "" : "-far");
		assert_int_equal(da_compose_person(&build, &person), DA_OK);
	}
	assert_int_equal(da_compose_group(&build, &group), DA_OK);
	if (base == 0)
		assert_int_equal(da_compose_policy(&build, &policy), DA_OK);
	assert_int_equal(da_build_commit(&build, &diag), DA_OK);
	da_build_done(&build);
}

/* --- the readers --- */

static void
require(bool good, const char *what)
{
	if (good)
		return;
	(void)fprintf(stderr, "test_snapshot: %s\n", what);
	_exit(1);
}

static void
check_person(const char *name, uint32_t uid)
{
	char buffer[256];
	struct passwd passwd;
	int error = 0;
	enum nss_status status = name != NULL
	    ? _nss_devauth_getpwnam_r(
		  name, &passwd, buffer, sizeof(buffer), &error)
	    : _nss_devauth_getpwuid_r(
		  uid, &passwd, buffer, sizeof(buffer), &error);

	require(status == NSS_STATUS_SUCCESS, "a person is missing");
	require(strcmp(passwd.pw_gecos, passwd.pw_dir + 1) == 0,
	    "a person of two files");
	require(name == NULL || strcmp(passwd.pw_name, name) == 0,
	    "another person");
	require(uid == 0 || passwd.pw_uid == uid, "another uid");
}

static void
check_members(const char *name, uint32_t gid)
{
	char buffer[256];
	struct group group;
	size_t len;
	int error = 0;
	enum nss_status status = name != NULL
	    ? _nss_devauth_getgrnam_r(
		  name, &group, buffer, sizeof(buffer), &error)
	    : _nss_devauth_getgrgid_r(
		  gid, &group, buffer, sizeof(buffer), &error);

	require(status == NSS_STATUS_SUCCESS, "a group is missing");
	require(group.gr_mem[0] != NULL && group.gr_mem[1] != NULL &&
		group.gr_mem[2] == NULL,
	    "a group of the wrong size");
	len = strlen(group.gr_mem[0]);
	require(strlen(group.gr_mem[1]) == len &&
		memcmp(group.gr_mem[0], group.gr_mem[1], len - 1) == 0,
	    "a group of two files");
}

/* A walk sees one view from beginning to end, both files of it. */
static void
check_walk(void)
{
	char buffer[256], first[2][32] = {"", ""};
	struct passwd passwd;
	size_t count = 0;
	int error = 0;

	(void)_nss_devauth_setpwent(0);
	while (_nss_devauth_getpwent_r(&passwd, buffer, sizeof(buffer),
		   &error) == NSS_STATUS_SUCCESS) {
		char *seen = first[passwd.pw_uid >= 20000];

		if (seen[0] == '\0')
			(void)snprintf(seen, 32, "%s", passwd.pw_gecos);
		require(strcmp(seen, passwd.pw_gecos) == 0,
		    "a walk through two files");
		count++;
	}
	require(count == 6, "a walk that misses people");
	(void)_nss_devauth_endpwent();
}

static void *
read_until_stopped(void *argument)
{
	const bool walks = argument != NULL;
	unsigned long count = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		check_person("one", 0);
		check_person(NULL, 10001);
		check_person("two-far", 20002);
		check_members("near", 0);
		check_members(NULL, 15000);
		if (walks)
			check_walk();
		count += walks ? 6 : 5;
	}
	(void)__atomic_add_fetch(&answers, count, __ATOMIC_RELAXED);
	return NULL;
}

static size_t
count_descriptors(void)
{
	size_t count = 0;
	DIR *dir = opendir("/proc/self/fd");

	require(dir != NULL, "no /proc/self/fd");
	while (readdir(dir) != NULL)
		count++;
	(void)closedir(dir);
	return count;
}

static unsigned long
anonymous_kb(void)
{
	char line[256];
	unsigned long kb = 0;
	FILE *status = fopen("/proc/self/status", "re");

	require(status != NULL, "no /proc/self/status");
	while (fgets(line, sizeof(line), status) != NULL) {
		if (strncmp(line, "RssAnon:", 8) == 0)
			kb = strtoul(line + 8, NULL, 10);
	}
	(void)fclose(status);
	require(kb > 0, "no RssAnon");
	return kb;
}

/* The other threads are gone in there, at whatever point they were. */
static void
check_fork(void)
{
	int status;
	pid_t pid = fork();

	require(pid >= 0, "cannot fork");
	if (pid == 0) {
		(void)alarm(60);
		for (unsigned i = 0; i < 20; i++) {
			check_person("one", 0);
			check_members("near", 0);
			check_person("two-far", 20002);
		}
		(void)syscall(SYS_exit_group, 0);
	}
	require(waitpid(pid, &status, 0) == pid && status == 0,
	    "a child of a fork found something wrong");
}

static void
wait_until(int64_t deadline_mono_ms)
{
	while (da_clock_mono_ms() < deadline_mono_ms) {
		check_fork();
		require(test_database_mappings() <= SLOTS + threads + WALKS,
		    "mappings pile up");
		(void)usleep(50000);
	}
}

static void
run_reader(void)
{
	pthread_t ids[THREADS_MAX];
	const size_t descriptors = count_descriptors();
	unsigned long before_kb;

	for (unsigned i = 0; i < threads; i++)
		require(pthread_create(&ids[i], NULL, read_until_stopped,
			    i == 0 ? &ids[0] : NULL) == 0,
		    "cannot make a thread");
	wait_until(end_mono_ms - duration_ms * 2 / 3);
	before_kb = anonymous_kb();
	wait_until(end_mono_ms);
	require(anonymous_kb() <= before_kb + GROWTH_MAX_KB, "memory grows");
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < threads; i++)
		require(pthread_join(ids[i], NULL) == 0, "cannot join");
	check_person("one", 0);
	require(test_database_mappings() == 1, "mappings are left");
	require(count_descriptors() == descriptors, "descriptors are left");
	require(answers > 0, "nothing was read");
}

static void
test_s3_whole_snapshots(void **state)
{
	pid_t pids[PROCESSES_MAX];
	unsigned replacements = 0;
	int64_t begun_mono_ms;

	(void)state;
	replace(DA_FORMAT_ACCOUNTS, 0, 0);
	replace(DA_FORMAT_DIRECTORY, 10000, 0);
	begun_mono_ms = da_clock_mono_ms();
	end_mono_ms = begun_mono_ms + duration_ms;
	for (unsigned i = 0; i < processes; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			run_reader();
			(void)syscall(SYS_exit_group, 0);
		}
	}
	/* Ahead of the many who only read. */
	(void)setpriority(PRIO_PROCESS, 0, -15);
	while (da_clock_mono_ms() < end_mono_ms) {
		replacements++;
		if (replacements % 2 == 0)
			replace(DA_FORMAT_ACCOUNTS, 0, replacements);
		else
			replace(DA_FORMAT_DIRECTORY, 10000, replacements);
	}
	(void)setpriority(PRIO_PROCESS, 0, 0);
	for (unsigned i = 0; i < processes; i++) {
		int status;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_true(replacements > 0);
	(void)fprintf(stderr, "%u processes: %u replacements in %lld ms\n",
	    processes, replacements, (long long)duration_ms);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_s3_whole_snapshots),
	};
	const char *seconds = getenv("DEVAUTH_TORTURE_S");
	int result;

	if (getuid() != 0) {
		(void)fputs("test_snapshot: skipped, needs root: the module "
			    "believes root's files only\n",
		    stderr);
		return 77;
	}
	if (seconds != NULL) {
		processes = PROCESSES_MAX;
		threads = THREADS_MAX;
		duration_ms = (int64_t)strtoul(seconds, NULL, 10) * 1000;
	}
	/* In memory: a disk's fsync() would set the pace. */
	test_folder_init_in(&folder, "/dev/shm");
	test_paths_set(folder.root);
	result = cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
	test_folder_done(&folder);
	return result;
}
