/*
 * account/ and nss_module/: a small two-level database, damaged at rest. Every
 * byte is changed, and every length is tried, in a copy on the heap that the
 * sanitizer watches (the reader) and in the file itself (the module).
 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../nss_module/nss_devauth.h"
#include "account/account.h"
#include "account/listing.h"
#include "account/local.h"
#include "account/reader.h"
#include "account/stranger.h"
#include "account/writer.h"
#include "core/paths.h"
#include "database.h"
#include "folder.h"
#include "paths_test.h"

/* More than there are; a walk that does not end is a hang. */
#define WALK_MAX 100

static struct test_folder folder;
static struct da_diag diag;

static const char *const files[2] = {DA_FORMAT_ACCOUNTS, DA_FORMAT_DIRECTORY};
static const char *const names[] = {"alice", "bob", "carol", "old", "new",
    "ops", "dead", "crew", "local", "nobody-here", "a:b", ""};
static const uint32_t ids[] = {
    2000000001, 2000000002, 10003, 10004, 5000, 5001, 6000, 0, UINT32_MAX};

static uint8_t *images[2];
static size_t lens[2];

static const char *
path_of(const char *name)
{
	static char path[200];

	(void)snprintf(path, sizeof(path), "%s/%s", da_paths.state_dir, name);
	return path;
}

/* Both ways of a membership, a merged group, the removed and the renamed, a
 * policy, a managed account, on two levels. */
static int
set_up(void **state)
{
	static const struct test_person people[] = {
	    {"alice", 2000000001, 2000000001, false},
	    {"bob", 2000000002, 2000000002, true}, {"old", 10004, 10004, false},
	    {0}};
	static const struct test_group groups[] = {
	    {"ops", 5000, {"alice"}, false}, {"dead", 5001, {NULL}, true}, {0}};
	static const struct test_memberships memberships[] = {
	    {"alice", {5000}}, {0}};
	static const struct test_person dir_people[] = {
	    {"carol", 10003, 6000, false}, {"bob", 10009, 10009, false}, {0}};
	static const struct test_group dir_groups[] = {
	    {"ops", 5000, {"bob", "carol"}, false},
	    {"dead", 5001, {"carol"}, false}, {"crew", 6000, {"carol"}, false},
	    {0}};
	static const struct test_memberships dir_memberships[] = {
	    {"carol", {5000, 5001, 6000}}, {0}};
	const struct da_account_policy policy = {.first_login = true,
	    .enumerate = true,
	    .home = "/home/%u",
	    .shell = "/bin/sh",
	    .allowed_users = "stranger alice"};
	const struct da_account_change changes[] = {
	    {.verb = DA_ACCOUNT_RENAME,
		.entry = {.name = "old"},
		.new_name = "new"},
	    {.verb = DA_ACCOUNT_MANAGE, .entry = {.name = "local"}}};

	(void)state;
	test_folder_init(&folder);
	test_paths_set(folder.root);
	test_folder_write(&folder, "passwd", 0644,
	    "root:x:0:0::/root:/bin/sh\nlocal:x:1000:1000::/:/bin/sh\n");
	test_database_build(&da_paths, files[0], people, groups, memberships);
	test_database_build(
	    &da_paths, files[1], dir_people, dir_groups, dir_memberships);
	assert_int_equal(
	    da_account_set_policy(&da_paths, &policy, &diag), DA_OK);
	assert_int_equal(
	    da_account_apply(&da_paths, changes, 2, NULL, &diag), DA_OK);
	for (size_t i = 0; i < 2; i++) {
		int fd = open(path_of(files[i]), O_RDONLY | O_CLOEXEC);
		struct stat st;

		assert_true(fd >= 0);
		assert_int_equal(fstat(fd, &st), 0);
		lens[i] = (size_t)st.st_size;
		images[i] = malloc(lens[i]);
		assert_non_null(images[i]);
		assert_int_equal(
		    read(fd, images[i], lens[i]), (ssize_t)lens[i]);
		(void)close(fd);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	free(images[0]);
	free(images[1]);
	test_folder_done(&folder);
	return 0;
}

/* --- the reader, on the heap --- */

static void
check_account(const struct da_account *account, const char *name)
{
	assert_int_equal(da_account_name_check(account->name), DA_OK);
	assert_true(name == NULL || strcmp(account->name, name) == 0);
	assert_true(da_account_id_is_usable(account->uid));
	assert_true(da_account_id_is_usable(account->gid));
	assert_int_equal(account->home[0], '/');
	assert_int_equal(account->shell[0], '/');
	assert_true(strlen(account->gecos) < 512);
}

static void
check_group(const struct da_group *group)
{
	size_t count = 0;

	assert_int_equal(da_account_name_check(group->name), DA_OK);
	assert_true(da_account_id_is_usable(group->gid));
	while (group->members[count] != NULL)
		assert_true(strlen(group->members[count++]) <= DA_USER_MAX);
	assert_true(count < WALK_MAX);
}

static void
read_by_name(const struct da_view *view, const char *name)
{
	char buffer[512];
	struct da_account account;
	struct da_group group;
	struct da_reader_gids gids;
	size_t steps = 0;
	uint32_t gid;

	if (da_reader_find_name(view, name, buffer, sizeof(buffer), &account) ==
	    DA_OK)
		check_account(&account, name);
	if (da_reader_find_group(view, name, buffer, sizeof(buffer), &group) ==
	    DA_OK) {
		check_group(&group);
		assert_string_equal(group.name, name);
	}
	da_reader_find_gids(view, name, &gids);
	while (da_reader_next_gid(view, &gids, &gid)) {
		assert_true(da_account_id_is_usable(gid));
		assert_true(steps++ < 10000);
	}
	(void)da_local_is_managed(view, name);
}

static void
read_by_id(const struct da_view *view, uint32_t id)
{
	char buffer[512];
	struct da_account account;
	struct da_group group;

	if (da_reader_find_uid(view, id, buffer, sizeof(buffer), &account) ==
	    DA_OK) {
		check_account(&account, NULL);
		assert_int_equal(account.uid, id);
	}
	if (da_reader_find_gid(view, id, buffer, sizeof(buffer), &group) ==
	    DA_OK) {
		check_group(&group);
		assert_int_equal(group.gid, id);
	}
}

static enum da_err
next_quickly(struct da_reader_walk *walk, char *buffer, size_t size,
    struct da_account *ret)
{
	return size >= DA_READER_SHORT &&
		da_reader_try_next_person(walk, buffer, ret)
	    ? DA_OK
	    : da_reader_next_person(walk, buffer, size, ret);
}

/* Also that the sieve and the short path show nobody whom accounts.cdb hides,
 * as damaged as it may be, and lose nobody. */
static size_t
list_people(const struct da_view *view)
{
	char buffer[512], other_buffer[512];
	struct da_account account, other;
	struct da_reader_sieve sieve;
	struct da_reader_walk walk, slow;
	size_t steps = 0;

	da_reader_start_walk(view, &sieve, &walk);
	da_reader_start_walk(view, NULL, &slow);
	while (next_quickly(&walk, buffer, sizeof(buffer), &account) == DA_OK) {
		check_account(&account, NULL);
		assert_int_equal(da_reader_next_person(&slow, other_buffer,
				     sizeof(other_buffer), &other),
		    DA_OK);
		assert_string_equal(account.name, other.name);
		assert_int_equal(account.uid, other.uid);
		assert_true(steps++ < WALK_MAX);
	}
	assert_int_not_equal(da_reader_next_person(&slow, other_buffer,
				 sizeof(other_buffer), &other),
	    DA_OK);
	return steps;
}

static void
read_everything(const struct da_view *view)
{
	char buffer[512];
	struct da_account account;
	struct da_group group;
	struct da_listing listed;
	struct da_reader_sieve sieve;
	struct da_reader_walk walk;
	uint32_t at = 0;
	size_t steps;

	for (size_t i = 0; i < DA_ARRAY_LEN(names); i++)
		read_by_name(view, names[i]);
	for (size_t i = 0; i < DA_ARRAY_LEN(ids); i++)
		read_by_id(view, ids[i]);
	steps = list_people(view);
	da_reader_start_walk(view, &sieve, &walk);
	while (da_reader_next_group(&walk, buffer, sizeof(buffer), &group) ==
	    DA_OK) {
		check_group(&group);
		assert_true(steps++ < WALK_MAX);
	}
	while (da_listing_next(view, &at, &listed) == DA_OK)
		assert_true(steps++ < WALK_MAX);
	(void)da_reader_may_enumerate(view);
	if (da_stranger_find(view, &da_paths, "stranger", false, buffer,
		sizeof(buffer), &account) == DA_OK)
		check_account(&account, "stranger");
}

static void
read_copies(uint8_t *const copies[2], const size_t sizes[2])
{
	struct da_view view = {0};

	if (da_database_read(copies[0], (uint32_t)sizes[0], &view.accounts) &&
	    da_database_read(copies[1], (uint32_t)sizes[1], &view.directory))
		read_everything(&view);
}

/* Values that matter: bits of flags and lengths, zeros, ends of ranges. */
static const uint8_t masks[] = {0x01, 0x08, 0x80, 0xff};

static void
test_every_byte_in_the_reader(void **state)
{
	(void)state;
	read_copies(images, lens);
	for (size_t f = 0; f < 2; f++) {
		for (size_t at = 0; at < lens[f]; at++) {
			const uint8_t old = images[f][at];

			for (size_t i = 0; i < DA_ARRAY_LEN(masks); i++) {
				images[f][at] = old ^ masks[i];
				read_copies(images, lens);
			}
			images[f][at] = 0;
			if (old != 0)
				read_copies(images, lens);
			images[f][at] = old;
		}
	}
}

static void
test_every_length_in_the_reader(void **state)
{
	(void)state;
	for (size_t f = 0; f < 2; f++) {
		for (size_t len = 0; len < lens[f]; len++) {
			uint8_t *copies[2] = {images[0], images[1]};
			size_t sizes[2] = {lens[0], lens[1]};

			copies[f] = malloc(len + 1);
			assert_non_null(copies[f]);
			copies[f] = realloc(copies[f], len > 0 ? len : 1);
			assert_non_null(copies[f]);
			memcpy(copies[f], images[f], len);
			sizes[f] = len;
			read_copies(copies, sizes);
			free(copies[f]);
		}
	}
}

/* --- the module, on the file --- */

static bool
is_sound(enum nss_status status)
{
	assert_int_equal(errno, TEST_SENTINEL);
	assert_in_range(status + 2, 0, 3);
	return status == NSS_STATUS_SUCCESS;
}

static void
check_passwd(const struct passwd *passwd)
{
	const struct da_account account = {passwd->pw_name, passwd->pw_gecos,
	    passwd->pw_dir, passwd->pw_shell, passwd->pw_uid, passwd->pw_gid};

	check_account(&account, NULL);
	assert_string_equal(passwd->pw_passwd, "*");
}

static void
check_grp(const struct group *group)
{
	const struct da_group found = {
	    group->gr_name, group->gr_mem, group->gr_gid};

	check_group(&found);
	assert_string_equal(group->gr_passwd, "*");
}

static void
ask_by_name(const char *name)
{
	char buffer[512];
	struct passwd passwd;
	struct group group;
	long int start = 0, size = 16;
	gid_t *gids = malloc(16 * sizeof(*gids));
	int error = 0;

	assert_non_null(gids);
	if (is_sound(_nss_devauth_getpwnam_r(
		name, &passwd, buffer, sizeof(buffer), &error)))
		check_passwd(&passwd);
	if (is_sound(_nss_devauth_getgrnam_r(
		name, &group, buffer, sizeof(buffer), &error)))
		check_grp(&group);
	(void)is_sound(_nss_devauth_initgroups_dyn(
	    name, 1, &start, &size, &gids, -1, &error));
	free(gids);
}

static void
ask_by_id(uint32_t id)
{
	char buffer[512];
	struct passwd passwd;
	struct group group;
	int error = 0;

	if (is_sound(_nss_devauth_getpwuid_r(
		id, &passwd, buffer, sizeof(buffer), &error)))
		check_passwd(&passwd);
	if (is_sound(_nss_devauth_getgrgid_r(
		id, &group, buffer, sizeof(buffer), &error)))
		check_grp(&group);
}

static void
ask_everything(void)
{
	char buffer[512];
	struct passwd passwd;
	struct group group;
	int error = 0;
	size_t steps = 0;

	errno = TEST_SENTINEL;
	for (size_t i = 0; i < DA_ARRAY_LEN(names); i++)
		ask_by_name(names[i]);
	for (size_t i = 0; i < DA_ARRAY_LEN(ids); i++)
		ask_by_id(ids[i]);
	(void)is_sound(_nss_devauth_setpwent(0));
	while (is_sound(
	    _nss_devauth_getpwent_r(&passwd, buffer, sizeof(buffer), &error))) {
		check_passwd(&passwd);
		assert_true(steps++ < WALK_MAX);
	}
	(void)is_sound(_nss_devauth_endpwent());
	(void)is_sound(_nss_devauth_setgrent(0));
	while (is_sound(
	    _nss_devauth_getgrent_r(&group, buffer, sizeof(buffer), &error))) {
		check_grp(&group);
		assert_true(steps++ < WALK_MAX);
	}
	(void)is_sound(_nss_devauth_endgrent());
}

/* One byte, mapped anew, and for half of them while it is mapped. */
static void
test_every_byte_in_the_module(void **state)
{
	(void)state;
	for (size_t f = 0; f < 2; f++) {
		int fd = open(path_of(files[f]), O_WRONLY | O_CLOEXEC);

		assert_true(fd >= 0);
		for (size_t at = 0; at < lens[f]; at++) {
			const uint8_t old = images[f][at];
			uint8_t now = old ^ masks[at % DA_ARRAY_LEN(masks)];

			assert_int_equal(pwrite(fd, &now, 1, (off_t)at), 1);
			if (at % 2 == 0)
				test_database_raise(&da_paths);
			ask_everything();
			assert_int_equal(pwrite(fd, &old, 1, (off_t)at), 1);
			if (at % 2 == 0)
				test_database_raise(&da_paths);
		}
		(void)close(fd);
	}
	/* Mended: everybody is back. */
	test_database_raise(&da_paths);
	ask_by_name("alice");
}

static void
plant(const char *name, const uint8_t *bytes, size_t len)
{
	int fd;

	(void)unlink(path_of(name));
	fd = open(path_of(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	(void)close(fd);
	test_database_raise(&da_paths);
}

static void
test_every_length_in_the_module(void **state)
{
	char buffer[512];
	struct passwd passwd;
	int error = 0;

	(void)state;
	for (size_t f = 0; f < 2; f++) {
		for (size_t len = 0; len < lens[f]; len++) {
			plant(files[f], images[f], len);
			ask_everything();
			if (len < DA_FORMAT_TABLES_SIZE)
				assert_int_equal(
				    _nss_devauth_getpwnam_r("alice", &passwd,
					buffer, sizeof(buffer), &error),
				    NSS_STATUS_UNAVAIL);
		}
		plant(files[f], images[f], lens[f]);
		assert_int_equal(_nss_devauth_getpwnam_r("alice", &passwd,
				     buffer, sizeof(buffer), &error),
		    NSS_STATUS_SUCCESS);
		assert_int_equal(_nss_devauth_getpwnam_r("carol", &passwd,
				     buffer, sizeof(buffer), &error),
		    NSS_STATUS_SUCCESS);
	}
}

/* --- N7: numbers that the system keeps for itself, planted --- */

static void
check_hidden(const struct da_view *view, const char *name, uint32_t old)
{
	assert_string_equal(test_person_text(view, name, 0), "-");
	assert_string_equal(test_person_text(view, NULL, old), "-");
	assert_string_equal(test_group_text(view, name, 0), "-");
	assert_string_equal(test_group_text(view, NULL, old), "-");
}

static void
test_n7_reserved_numbers(void **state)
{
	static const uint32_t bad[] = {0, 1, 27, 999, 60001, 61184, 65519,
	    65534, 65535, 1u << 31, UINT32_MAX, UINT32_MAX - 1};
	struct da_view view = {0};
	struct da_cell person, group, list;

	(void)state;
	assert_true(
	    da_database_read(images[0], (uint32_t)lens[0], &view.accounts));
	assert_true(da_database_find(
	    &view.accounts, DA_KIND_PERSON, "alice", 5, &person));
	assert_true(
	    da_database_find(&view.accounts, DA_KIND_GROUP, "ops", 3, &group));
	assert_true(da_database_find(
	    &view.accounts, DA_KIND_GROUPS_OF, "alice", 5, &list));
	for (size_t i = 0; i < DA_ARRAY_LEN(bad); i++) {
		uint8_t *bytes = images[0];
		uint8_t *numbers = bytes + (person.value - bytes) +
		    person.value_len - DA_PERSON_HEAD;
		uint8_t *at[] = {numbers + DA_PERSON_UID,
		    numbers + DA_PERSON_GID, bytes + (group.value - bytes),
		    bytes + (list.value - bytes)};
		const uint32_t old[] = {2000000001, 2000000001, 5000, 5000};

		for (size_t j = 0; j < DA_ARRAY_LEN(at); j++) {
			da_format_put_u32(at[j], bad[i]);
			if (j < 2)
				check_hidden(&view, "alice", old[j]);
			else if (j == 2)
				check_hidden(&view, "ops", old[j]);
			else
				assert_string_equal(
				    test_gids_text(&view, "alice"), "");
			assert_string_equal(
			    test_person_text(&view, NULL, bad[i]), "-");
			assert_string_equal(
			    test_group_text(&view, NULL, bad[i]), "-");
			da_format_put_u32(at[j], old[j]);
		}
	}
	assert_string_not_equal(test_person_text(&view, "alice", 0), "-");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_byte_in_the_reader),
	    cmocka_unit_test(test_every_length_in_the_reader),
	    cmocka_unit_test(test_n7_reserved_numbers),
	    cmocka_unit_test(test_every_byte_in_the_module),
	    cmocka_unit_test(test_every_length_in_the_module),
	};

	if (getuid() != 0) {
		(void)fputs("test_corrupt: skipped, needs root: the module "
			    "believes root's files only\n",
		    stderr);
		return 77;
	}
	return cmocka_run_group_tests_name("corrupt", tests, set_up, tear_down);
}
