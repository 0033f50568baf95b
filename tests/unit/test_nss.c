/*
 * nss_module/: the entry points, called as libc calls them.
 *
 * The module keeps what it has mapped for as long as the process lives, so all
 * tests share one folder, and tests that change the process run in a child.
 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "../../nss_module/nss_devauth.h"
#include "account/compose.h"
#include "account/writer.h"
#include "child.h"
#include "core/paths.h"
#include "database.h"
#include "folder.h"
#include "paths_test.h"

static struct test_folder folder;
static struct da_diag diag;

static const struct da_account_policy closed_policy = {
    .home = "/home/%u", .shell = "/bin/sh", .allowed_users = ""};

static void
add(const char *name, const char *gecos, const char *home)
{
	const struct da_account_entry entry = {.name = name,
	    .uid = da_account_uid_hash(name),
	    .gecos = gecos,
	    .home = home,
	    .shell = "/bin/bash"};

	assert_int_equal(da_account_add(&da_paths, &entry, &diag), DA_OK);
}

static void
set_policy(bool first_login, bool enumerate)
{
	struct da_account_policy policy = closed_policy;

	policy.first_login = first_login;
	policy.enumerate = enumerate;
	assert_int_equal(
	    da_account_set_policy(&da_paths, &policy, &diag), DA_OK);
}

/* Two groups in the directory, and who is in them. */
static void
add_groups(void)
{
	static const char *const ops[] = {"alice", "bob", "carol"};
	const struct da_compose_group groups[] = {
	    {.name = "ops", .members = ops, .count = 3, .gid = 5000},
	    {.name = "empty", .gid = 5001}};
	const uint32_t gids[] = {5000, 5001, 5000};
	struct da_build build;

	assert_int_equal(
	    da_build_open(&build, &da_paths, DA_FORMAT_DIRECTORY, &diag),
	    DA_OK);
	assert_int_equal(da_build_begin(&build, &diag), DA_OK);
	for (size_t i = 0; i < DA_ARRAY_LEN(groups); i++)
		assert_int_equal(da_compose_group(&build, &groups[i]), DA_OK);
	assert_int_equal(da_compose_gids(&build, "alice", gids, 3), DA_OK);
	assert_int_equal(da_build_commit(&build, &diag), DA_OK);
	da_build_done(&build);
}

static void
remove_file(const char *name)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", da_paths.state_dir, name);
	(void)unlink(path);
}

/* Raises the counter, as the last act of an administrator who starts anew. */
static int
open_generation(void)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/generation", da_paths.state_dir);
	return open(path, O_RDWR | O_CLOEXEC);
}

static void
raise_open_generation(int fd)
{
	uint64_t value = 0;

	assert_int_equal(pread(fd, &value, sizeof(value), 0), 8);
	value++;
	assert_int_equal(pwrite(fd, &value, sizeof(value), 0), 8);
}

static void
raise_generation(void)
{
	int fd = open_generation();

	if (fd < 0)
		return;
	raise_open_generation(fd);
	(void)close(fd);
}

static int
set_up(void **state)
{
	(void)state;
	remove_file(DA_FORMAT_ACCOUNTS);
	remove_file(DA_FORMAT_DIRECTORY);
	raise_generation();
	add("alice", "Alice A", "/home/alice");
	return 0;
}

static int
set_up_all(void **state)
{
	(void)state;
	test_folder_init(&folder);
	test_paths_set(folder.root);
	return 0;
}

static int
tear_down_all(void **state)
{
	(void)state;
	test_folder_done(&folder);
	return 0;
}

static enum nss_status
getpwnam_status(const char *name)
{
	char buffer[512];
	struct passwd passwd;
	int error = 0;

	return _nss_devauth_getpwnam_r(
	    name, &passwd, buffer, sizeof(buffer), &error);
}

/* --- answers --- */

static void
check_alice(const struct passwd *passwd)
{
	assert_string_equal(passwd->pw_name, "alice");
	assert_string_equal(passwd->pw_passwd, "*");
	assert_int_equal(passwd->pw_uid, da_account_uid_hash("alice"));
	assert_int_equal(passwd->pw_gid, passwd->pw_uid);
	assert_string_equal(passwd->pw_gecos, "Alice A");
	assert_string_equal(passwd->pw_dir, "/home/alice");
	assert_string_equal(passwd->pw_shell, "/bin/bash");
}

static bool
is_inside(const void *text, const char *buffer, size_t size)
{
	const char *at = text;

	return at >= buffer && at + strlen(at) < buffer + size;
}

static void
check_passwd_texts(const struct passwd *p, const char *buffer, size_t size)
{
	assert_true(is_inside(p->pw_name, buffer, size));
	assert_true(is_inside(p->pw_passwd, buffer, size));
	assert_true(is_inside(p->pw_gecos, buffer, size));
	assert_true(is_inside(p->pw_dir, buffer, size));
	assert_true(is_inside(p->pw_shell, buffer, size));
}

/* Every size and every alignment: too small says so and writes nothing behind
 * the end; once it is enough, it is enough for good. */
static void
test_passwd_ladder(void **state)
{
	static char arena[256];
	const size_t need = 2 + sizeof("alice") + sizeof("Alice A") +
	    sizeof("/home/alice") + sizeof("/bin/bash");
	const uid_t uid = da_account_uid_hash("alice");

	(void)state;
	for (size_t by_uid = 0; by_uid < 2; by_uid++) {
		for (size_t offset = 0; offset < 16; offset++) {
			for (size_t size = 0; size < 128; size++) {
				char *buffer = arena + offset;
				struct passwd passwd;
				int error = 0;
				enum nss_status status;

				memset(arena, '#', sizeof(arena));
				errno = TEST_SENTINEL;
				status = by_uid
				    ? _nss_devauth_getpwuid_r(
					  uid, &passwd, buffer, size, &error)
				    : _nss_devauth_getpwnam_r("alice", &passwd,
					  buffer, size, &error);
				assert_int_equal(errno, TEST_SENTINEL);
				assert_int_equal(buffer[size], '#');
				if (size < need) {
					assert_int_equal(
					    status, NSS_STATUS_TRYAGAIN);
					assert_int_equal(error, ERANGE);
					continue;
				}
				assert_int_equal(status, NSS_STATUS_SUCCESS);
				assert_int_equal(error, 0);
				check_alice(&passwd);
				check_passwd_texts(&passwd, buffer, size);
			}
		}
	}
}

static void
check_ops(const struct group *group, const char *buffer, size_t size)
{
	static const char *const members[] = {"alice", "bob", "carol"};
	const char *list = (const char *)group->gr_mem;

	assert_string_equal(group->gr_name, "ops");
	assert_string_equal(group->gr_passwd, "*");
	assert_int_equal(group->gr_gid, 5000);
	assert_true(is_inside(group->gr_name, buffer, size));
	assert_true(is_inside(group->gr_passwd, buffer, size));
	assert_int_equal((uintptr_t)list % _Alignof(char *), 0);
	assert_true(
	    list >= buffer && list + 4 * sizeof(char *) <= buffer + size);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(group->gr_mem[i], members[i]);
		assert_true(is_inside(group->gr_mem[i], buffer, size));
	}
	assert_null(group->gr_mem[3]);
}

static void
test_group_ladder(void **state)
{
	static _Alignas(16) char arena[256];
	const size_t texts = 2 + sizeof("ops") + sizeof("alice") +
	    sizeof("bob") + sizeof("carol");

	(void)state;
	add_groups();
	for (size_t by_gid = 0; by_gid < 2; by_gid++) {
		for (size_t offset = 0; offset < 16; offset++) {
			/* Behind the password the list has to be aligned. */
			const size_t gap = -(offset + 2) % _Alignof(char *);
			const size_t need = texts + gap + 4 * sizeof(char *);

			for (size_t size = 0; size < 128; size++) {
				char *buffer = arena + offset;
				struct group group;
				int error = 0;
				enum nss_status status;

				memset(arena, '#', sizeof(arena));
				errno = TEST_SENTINEL;
				status = by_gid
				    ? _nss_devauth_getgrgid_r(
					  5000, &group, buffer, size, &error)
				    : _nss_devauth_getgrnam_r(
					  "ops", &group, buffer, size, &error);
				assert_int_equal(errno, TEST_SENTINEL);
				assert_int_equal(buffer[size], '#');
				if (size < need) {
					assert_int_equal(
					    status, NSS_STATUS_TRYAGAIN);
					assert_int_equal(error, ERANGE);
					continue;
				}
				assert_int_equal(status, NSS_STATUS_SUCCESS);
				check_ops(&group, buffer, size);
			}
		}
	}
}

static void
test_private_group(void **state)
{
	char buffer[128];
	struct group group;
	int error = 0;

	(void)state;
	assert_int_equal(_nss_devauth_getgrnam_r(
			     "alice", &group, buffer, sizeof(buffer), &error),
	    NSS_STATUS_SUCCESS);
	assert_int_equal(group.gr_gid, da_account_uid_hash("alice"));
	assert_null(group.gr_mem[0]);
	assert_int_equal(_nss_devauth_getgrgid_r(group.gr_gid, &group, buffer,
			     sizeof(buffer), &error),
	    NSS_STATUS_SUCCESS);
	assert_string_equal(group.gr_name, "alice");
}

/* S7. */
static void
test_nobody(void **state)
{
	static const char *const names[] = {"", "root", "a:b", "-1", "0",
	    "4294967295", "Alice", "alice ", "nobody-here", "alic", "alicee"};
	static const uint32_t ids[] = {0, 1, 999, 1000, 65534, 65535, 1u << 31,
	    UINT32_MAX, DA_ACCOUNT_UID_MIN};
	char buffer[512], *long_name = malloc(65537);
	struct passwd passwd;
	struct group group;
	int error = TEST_SENTINEL;

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(names); i++) {
		errno = TEST_SENTINEL;
		assert_int_equal(
		    getpwnam_status(names[i]), NSS_STATUS_NOTFOUND);
		assert_int_equal(errno, TEST_SENTINEL);
		assert_int_equal(_nss_devauth_getgrnam_r(names[i], &group,
				     buffer, sizeof(buffer), &error),
		    NSS_STATUS_NOTFOUND);
	}
	for (size_t i = 0; i < DA_ARRAY_LEN(ids); i++) {
		assert_int_equal(_nss_devauth_getpwuid_r(ids[i], &passwd,
				     buffer, sizeof(buffer), &error),
		    NSS_STATUS_NOTFOUND);
		assert_int_equal(_nss_devauth_getgrgid_r(ids[i], &group, buffer,
				     sizeof(buffer), &error),
		    NSS_STATUS_NOTFOUND);
	}
	for (size_t size = 0; size < 20; size++) {
		assert_int_equal(_nss_devauth_getpwnam_r("nobody-here", &passwd,
				     buffer, size, &error),
		    NSS_STATUS_NOTFOUND);
		assert_int_equal(_nss_devauth_getgrnam_r("nobody-here", &group,
				     buffer, size, &error),
		    NSS_STATUS_NOTFOUND);
	}
	assert_int_equal(error, TEST_SENTINEL);
	assert_non_null(long_name);
	memset(long_name, 'a', 65536);
	long_name[65536] = '\0';
	assert_int_equal(getpwnam_status(long_name), NSS_STATUS_NOTFOUND);
	free(long_name);
}

/* --- supplementary groups --- */

static void
test_initgroups(void **state)
{
	long int start = 1, size = 1;
	gid_t *groups = malloc(sizeof(*groups));
	int error = 0;

	(void)state;
	add_groups();
	assert_non_null(groups);
	groups[0] = 1;
	errno = TEST_SENTINEL;
	assert_int_equal(_nss_devauth_initgroups_dyn(
			     "alice", 1, &start, &size, &groups, -1, &error),
	    NSS_STATUS_SUCCESS);
	assert_int_equal(errno, TEST_SENTINEL);
	/* Listed twice, given once; the room grew. */
	assert_int_equal(start, 3);
	assert_true(size >= 3);
	assert_int_equal(groups[0], 1);
	assert_int_equal(groups[1], 5000);
	assert_int_equal(groups[2], 5001);
	/* Not the primary one, not more than wanted. */
	start = 0;
	assert_int_equal(_nss_devauth_initgroups_dyn(
			     "alice", 5000, &start, &size, &groups, -1, &error),
	    NSS_STATUS_SUCCESS);
	assert_int_equal(start, 1);
	assert_int_equal(groups[0], 5001);
	start = 0;
	assert_int_equal(_nss_devauth_initgroups_dyn(
			     "alice", 1, &start, &size, &groups, 1, &error),
	    NSS_STATUS_SUCCESS);
	assert_int_equal(start, 1);
	assert_int_equal(_nss_devauth_initgroups_dyn("nobody-here", 1, &start,
			     &size, &groups, -1, &error),
	    NSS_STATUS_NOTFOUND);
	assert_int_equal(start, 1);
	free(groups);
}

/* --- enumeration --- */

static size_t
count_people(void)
{
	char buffer[256];
	struct passwd passwd;
	int error = 0;
	size_t count = 0;

	while (_nss_devauth_getpwent_r(&passwd, buffer, sizeof(buffer),
		   &error) == NSS_STATUS_SUCCESS)
		count++;
	return count;
}

/* S15 */
static void
test_enumeration_is_off(void **state)
{
	char buffer[256];
	struct passwd passwd;
	struct group group;
	int error = 0;

	(void)state;
	for (int i = 0; i < 2; i++) {
		errno = TEST_SENTINEL;
		assert_int_equal(_nss_devauth_setpwent(0), NSS_STATUS_SUCCESS);
		assert_int_equal(_nss_devauth_setgrent(0), NSS_STATUS_SUCCESS);
		assert_int_equal(_nss_devauth_getpwent_r(
				     &passwd, buffer, sizeof(buffer), &error),
		    NSS_STATUS_NOTFOUND);
		assert_int_equal(_nss_devauth_getgrent_r(
				     &group, buffer, sizeof(buffer), &error),
		    NSS_STATUS_NOTFOUND);
		assert_int_equal(_nss_devauth_endpwent(), NSS_STATUS_SUCCESS);
		assert_int_equal(_nss_devauth_endgrent(), NSS_STATUS_SUCCESS);
		assert_int_equal(errno, TEST_SENTINEL);
		set_policy(true, false);
	}
}

static void
test_enumeration(void **state)
{
	char buffer[256];
	struct passwd passwd;
	struct group group;
	int error = 0;
	size_t groups = 0;

	(void)state;
	set_policy(false, true);
	add_groups();
	assert_int_equal(_nss_devauth_endpwent(), NSS_STATUS_SUCCESS);
	/* Too small a buffer loses nobody. */
	assert_int_equal(_nss_devauth_getpwent_r(&passwd, buffer, 20, &error),
	    NSS_STATUS_TRYAGAIN);
	assert_int_equal(error, ERANGE);
	assert_int_equal(
	    _nss_devauth_getpwent_r(&passwd, buffer, sizeof(buffer), &error),
	    NSS_STATUS_SUCCESS);
	check_alice(&passwd);
	/* What is added meanwhile belongs to the next listing. */
	add("bob", "", "/home/bob");
	assert_int_equal(count_people(), 0);
	assert_int_equal(count_people(), 0);
	assert_int_equal(_nss_devauth_setpwent(1), NSS_STATUS_SUCCESS);
	assert_int_equal(count_people(), 2);
	assert_int_equal(_nss_devauth_endpwent(), NSS_STATUS_SUCCESS);
	assert_int_equal(count_people(), 2);
	while (_nss_devauth_getgrent_r(&group, buffer, sizeof(buffer),
		   &error) == NSS_STATUS_SUCCESS)
		groups++;
	assert_int_equal(groups, 4); /* alice bob ops empty */
	assert_int_equal(_nss_devauth_endgrent(), NSS_STATUS_SUCCESS);
	assert_int_equal(_nss_devauth_endpwent(), NSS_STATUS_SUCCESS);
}

static void
add_crowd(void)
{
	struct da_build build;
	char name[16];

	set_policy(false, true);
	assert_int_equal(
	    da_build_open(&build, &da_paths, DA_FORMAT_DIRECTORY, &diag),
	    DA_OK);
	assert_int_equal(da_build_begin(&build, &diag), DA_OK);
	for (uint32_t i = 0; i < 2000; i++) {
		const struct da_compose_person person = {.name = name,
		    .gecos = "",
		    .home = "/home/x",
		    .shell = "/bin/sh",
		    .uid = 100000 + i,
		    .gid = 100000 + i};

		(void)snprintf(name, sizeof(name), "crowd%u", i);
		assert_int_equal(da_compose_person(&build, &person), DA_OK);
	}
	assert_int_equal(da_build_commit(&build, &diag), DA_OK);
	da_build_done(&build);
}

static void *
count_in_thread(void *ret)
{
	*(size_t *)ret = count_people();
	return NULL;
}

/* Threads share the position: everybody is seen, nobody twice. A child goes on
 * from where its parent was. */
static void
test_enumeration_shared(void **state)
{
	pthread_t threads[8];
	size_t counts[8], total = 0;
	char buffer[256];
	struct passwd passwd;
	int error = 0, status;
	pid_t pid;

	(void)state;
	add_crowd();
	assert_int_equal(_nss_devauth_setpwent(0), NSS_STATUS_SUCCESS);
	for (size_t i = 0; i < DA_ARRAY_LEN(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL,
				     count_in_thread, &counts[i]),
		    0);
	for (size_t i = 0; i < DA_ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		total += counts[i];
	}
	assert_int_equal(total, 2001);
	assert_int_equal(_nss_devauth_setpwent(0), NSS_STATUS_SUCCESS);
	assert_int_equal(
	    _nss_devauth_getpwent_r(&passwd, buffer, sizeof(buffer), &error),
	    NSS_STATUS_SUCCESS);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(count_people() == 2000 ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(count_people(), 2000);
	assert_int_equal(_nss_devauth_endpwent(), NSS_STATUS_SUCCESS);
}

/* --- strangers --- */

static void
be_login_program(void)
{
	char exe[256];
	ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 2);

	assert_true(len > 0);
	exe[len] = '\n';
	exe[len + 1] = '\0';
	test_paths_set_login_programs(exe);
}

static void
check_stranger(void)
{
	struct da_account_policy policy = closed_policy;
	char buffer[256];
	struct passwd passwd;
	struct group group;
	int error = 0;

	be_login_program();
	set_policy(true, false);
	errno = TEST_SENTINEL;
	assert_int_equal(_nss_devauth_getpwnam_r("stranger", &passwd, buffer,
			     sizeof(buffer), &error),
	    NSS_STATUS_SUCCESS);
	assert_int_equal(errno, TEST_SENTINEL);
	assert_string_equal(passwd.pw_name, "stranger");
	assert_string_equal(passwd.pw_passwd, "*");
	assert_string_equal(passwd.pw_dir, "/home/stranger");
	assert_int_equal(passwd.pw_uid, da_account_uid_hash("stranger"));
	assert_int_equal(
	    _nss_devauth_getpwnam_r("stranger", &passwd, buffer, 20, &error),
	    NSS_STATUS_TRYAGAIN);
	assert_int_equal(error, ERANGE);
	for (size_t offset = 0; offset < 8; offset++) {
		assert_int_equal(
		    _nss_devauth_getgrnam_r("stranger", &group, buffer + offset,
			sizeof(buffer) - offset, &error),
		    NSS_STATUS_SUCCESS);
		assert_string_equal(group.gr_name, "stranger");
		assert_int_equal(group.gr_gid, passwd.pw_uid);
		assert_null(group.gr_mem[0]);
		assert_int_equal((uintptr_t)group.gr_mem % _Alignof(char *), 0);
	}
	/* By number: not while anybody may come, only from a list. */
	assert_int_equal(_nss_devauth_getpwuid_r(passwd.pw_uid, &passwd, buffer,
			     sizeof(buffer), &error),
	    NSS_STATUS_NOTFOUND);
	policy.first_login = true;
	policy.allowed_users = "bob stranger carol";
	assert_int_equal(
	    da_account_set_policy(&da_paths, &policy, &diag), DA_OK);
	assert_int_equal(
	    _nss_devauth_getpwuid_r(da_account_uid_hash("stranger"), &passwd,
		buffer, sizeof(buffer), &error),
	    NSS_STATUS_SUCCESS);
	assert_string_equal(passwd.pw_name, "stranger");
	assert_int_equal(
	    _nss_devauth_getgrgid_r(da_account_uid_hash("stranger"), &group,
		buffer, sizeof(buffer), &error),
	    NSS_STATUS_SUCCESS);
	assert_string_equal(group.gr_name, "stranger");
	assert_int_equal(_nss_devauth_getgrgid_r(da_account_uid_hash("dave"),
			     &group, buffer, sizeof(buffer), &error),
	    NSS_STATUS_NOTFOUND);
	set_policy(true, false);
	assert_int_equal(
	    _nss_devauth_getgrnam_r("stranger", &group, buffer, 5, &error),
	    NSS_STATUS_TRYAGAIN);
	assert_int_equal(
	    _nss_devauth_getgrnam_r("root", &group, buffer, 5, &error),
	    NSS_STATUS_NOTFOUND);
	assert_int_equal(getpwnam_status("root"), NSS_STATUS_NOTFOUND);
	set_policy(false, false);
	assert_int_equal(getpwnam_status("stranger"), NSS_STATUS_NOTFOUND);
	set_policy(true, false);
	assert_int_equal(getpwnam_status("stranger"), NSS_STATUS_SUCCESS);
	/* Without the local files nobody can say who is new. */
	assert_int_equal(unlink(da_paths.group_file), 0);
	assert_int_equal(getpwnam_status("stranger"), NSS_STATUS_UNAVAIL);
	assert_int_equal(getpwnam_status("alice"), NSS_STATUS_SUCCESS);
	test_folder_write(&folder, "group", 0644, "root:x:0:\n");
	assert_int_equal(seteuid(12345), 0);
	assert_int_equal(getpwnam_status("stranger"), NSS_STATUS_NOTFOUND);
}

static void
check_stranger_elsewhere(void)
{
	test_paths_set_login_programs("/usr/sbin/sshd\n/bin/login\n");
	set_policy(true, false);
	assert_int_equal(getpwnam_status("stranger"), NSS_STATUS_NOTFOUND);
	be_login_program();
	/* What a process is does not change. */
	assert_int_equal(getpwnam_status("stranger"), NSS_STATUS_NOTFOUND);
}

static void
test_stranger(void **state)
{
	(void)state;
	test_in_child(check_stranger);
	test_in_child(check_stranger_elsewhere);
}

/* --- the database comes, changes and goes --- */

static void
check_absent(void)
{
	char buffer[256];
	struct passwd passwd;
	int error = TEST_SENTINEL;

	remove_file(DA_FORMAT_ACCOUNTS);
	raise_generation();
	assert_int_equal(getpwnam_status("alice"), NSS_STATUS_NOTFOUND);
	remove_file("generation");
	raise_generation();
	errno = TEST_SENTINEL;
	test_paths_set("/nonexistent");
	assert_int_equal(_nss_devauth_getpwnam_r(
			     "alice", &passwd, buffer, sizeof(buffer), &error),
	    NSS_STATUS_NOTFOUND);
	assert_int_equal(errno, TEST_SENTINEL);
	assert_int_equal(error, TEST_SENTINEL);
}

static void
check_unusable(void)
{
	char path[200], buffer[256];
	struct passwd passwd;
	struct rlimit limit = {3, 3};
	int error = 0, generation;
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", da_paths.state_dir,
	    DA_FORMAT_DIRECTORY);
	file = fopen(path, "w");
	assert_non_null(file);
	(void)fputs("garbage", file);
	(void)fclose(file);
	raise_generation();
	assert_int_equal(_nss_devauth_getpwnam_r(
			     "alice", &passwd, buffer, sizeof(buffer), &error),
	    NSS_STATUS_UNAVAIL);
	assert_int_equal(error, ENOENT);
	/* Mended: noticed at once. */
	remove_file(DA_FORMAT_DIRECTORY);
	assert_int_equal(getpwnam_status("alice"), NSS_STATUS_SUCCESS);

	/* No descriptors: what is mapped still answers, what is not, later. */
	generation = open_generation();
	assert_true(generation >= 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(getpwnam_status("alice"), NSS_STATUS_SUCCESS);
	limit.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(getpwnam_status("alice"), NSS_STATUS_SUCCESS);
	raise_open_generation(generation);
	assert_int_equal(getpwnam_status("alice"), NSS_STATUS_TRYAGAIN);
	error = 0;
	assert_int_equal(
	    _nss_devauth_getpwent_r(&passwd, buffer, sizeof(buffer), &error),
	    NSS_STATUS_TRYAGAIN);
	assert_int_equal(error, EAGAIN);
}

static void
test_absent_and_unusable(void **state)
{
	(void)state;
	test_in_child(check_unusable);
	test_in_child(check_absent);
}

static void
test_changes_are_seen(void **state)
{
	char name[16];

	(void)state;
	for (int i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "late%d", i);
		assert_int_equal(getpwnam_status(name), NSS_STATUS_NOTFOUND);
		add(name, "", "/home/late");
		assert_int_equal(getpwnam_status(name), NSS_STATUS_SUCCESS);
	}
	assert_int_equal(da_account_remove(&da_paths, "late7", &diag), DA_OK);
	assert_int_equal(getpwnam_status("late7"), NSS_STATUS_NOTFOUND);
}

/* From here on the first system call but the exit is the end. */
static void
forbid_system_calls(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(
		BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog program = {DA_ARRAY_LEN(code), code};

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

static void
check_no_system_call(void)
{
	char buffer[512];
	struct passwd passwd;
	struct group group;
	gid_t room[16], *groups = room;
	long int start, size = 16;
	int error;
	bool good = true;

	set_policy(true, false);
	add_groups();
	(void)getpwnam_status("nobody-here");
	forbid_system_calls();
	for (int i = 0; i < 1000; i++) {
		start = 0;
		good &= _nss_devauth_getpwnam_r("alice", &passwd, buffer,
			    sizeof(buffer), &error) == NSS_STATUS_SUCCESS;
		good &= _nss_devauth_getpwuid_r(passwd.pw_uid, &passwd, buffer,
			    sizeof(buffer), &error) == NSS_STATUS_SUCCESS;
		good &= _nss_devauth_getgrgid_r(passwd.pw_gid, &group, buffer,
			    sizeof(buffer), &error) == NSS_STATUS_SUCCESS;
		good &= _nss_devauth_getgrnam_r("ops", &group, buffer,
			    sizeof(buffer), &error) == NSS_STATUS_SUCCESS;
		good &= _nss_devauth_initgroups_dyn("alice", 1, &start, &size,
			    &groups, -1, &error) == NSS_STATUS_SUCCESS;
		good &= getpwnam_status("nobody-here") == NSS_STATUS_NOTFOUND;
		good &= getpwnam_status("a:b") == NSS_STATUS_NOTFOUND;
	}
	(void)syscall(SYS_exit_group, good ? 0 : 1);
}

static void
test_no_system_call(void **state)
{
	(void)state;
	test_in_child(check_no_system_call);
}

/* --- stacks --- */

#define SMALL_STACK 8192

static ucontext_t main_context, small_context;
static enum nss_status small_status;

static void
look_up_on_small_stack(void)
{
	small_status = getpwnam_status("alice");
}

/* A cold and a warm lookup, above a page that must not be touched. */
static void
check_small_stack(void)
{
	char *stack = mmap(NULL, SMALL_STACK + 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(stack != MAP_FAILED);
	assert_int_equal(mprotect(stack, 4096, PROT_NONE), 0);
	raise_generation();
	for (int i = 0; i < 2; i++) {
		assert_int_equal(getcontext(&small_context), 0);
		small_context.uc_stack.ss_sp = stack + 4096;
		small_context.uc_stack.ss_size = SMALL_STACK;
		small_context.uc_link = &main_context;
		makecontext(&small_context, look_up_on_small_stack, 0);
		small_status = NSS_STATUS_UNAVAIL;
		assert_int_equal(swapcontext(&main_context, &small_context), 0);
		assert_int_equal(small_status, NSS_STATUS_SUCCESS);
	}
}

static void
test_small_stack(void **state)
{
	(void)state;
	test_in_child(check_small_stack);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    /* First: it needs a process that has not asked yet. */
	    TEST(test_stranger),
	    TEST(test_passwd_ladder),
	    TEST(test_group_ladder),
	    TEST(test_private_group),
	    TEST(test_nobody),
	    TEST(test_initgroups),
	    TEST(test_enumeration_is_off),
	    TEST(test_enumeration),
	    TEST(test_enumeration_shared),
	    TEST(test_changes_are_seen),
	    TEST(test_no_system_call),
	    TEST(test_small_stack),
	    /* Last: it takes the database away. */
	    TEST(test_absent_and_unusable),
	};

	if (getuid() != 0) {
		(void)fputs("test_nss: skipped, needs root: the module "
			    "believes root's files only\n",
		    stderr);
		return 77;
	}
	return cmocka_run_group_tests_name(
	    "nss", tests, set_up_all, tear_down_all);
}
