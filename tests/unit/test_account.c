/* account/: names and numbers, the database written, read, damaged. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "account/account.h"
#include "account/compose.h"
#include "account/local.h"
#include "account/reader.h"
#include "account/stranger.h"
#include "account/view.h"
#include "account/writer.h"
#include "database.h"
#include "folder.h"

static struct test_folder folder;
static struct da_diag diag;

static const char *
in_state(const char *name)
{
	static char path[160];

	(void)snprintf(
	    path, sizeof(path), "%s/%s", folder.paths.state_dir, name);
	return path;
}

/* An entry with the uid of its name and plain texts. */
static struct da_account_entry
entry_of(const char *name)
{
	return (struct da_account_entry){.name = name,
	    .uid = da_account_uid_hash(name),
	    .gecos = "A Person",
	    .home = "/home/somebody",
	    .shell = "/bin/sh"};
}

static enum da_err
add(const char *name)
{
	struct da_account_entry entry = entry_of(name);

	return da_account_add(&folder.paths, &entry, &diag);
}

static enum da_err
find(const char *name, bool provisional, struct da_account *ret)
{
	static char buffer[2048];
	struct da_account account;
	bool is_provisional;
	enum da_err err = da_account_find(&folder.paths, name, provisional,
	    buffer, sizeof(buffer), &account, &is_provisional);

	if (err == DA_OK)
		assert_int_equal(is_provisional, provisional);
	if (err == DA_OK && ret != NULL)
		*ret = account;
	return err;
}

static uint64_t
generation(void)
{
	uint64_t value = 0;
	int fd = open(in_state(DA_FORMAT_GENERATION), O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(read(fd, &value, sizeof(value)), sizeof(value));
	(void)close(fd);
	return value;
}

static const struct da_account_policy open_policy = {
    .first_login = true,
    .home = "/home/%u",
    .shell = "/bin/bash",
    .allowed_users = "",
};

/* --- names and numbers --- */

/* N12, S7. */
static void
test_names(void **state)
{
	static const char *const good[] = {"a", "_", "alice", "_x-1", "a1",
	    "z_", "abcdefghijklmnopqrstuvwxyz012345", "root"};
	static const char *const bad[] = {"", "1", "4294967295", "-1", "-a",
	    "Alice", "a.b", "a b", "a:b", "a/b", "a\n", "\x1b", "\xc3\xa4",
	    ".a", "a$", "abcdefghijklmnopqrstuvwxyz0123456", "a=b", "a,b",
	    "a\\b", "a%b", "~a", "+a", "@a", "a;b", "a'b", "a\"b", "<a>"};
	char *long_name = malloc(65537);

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(good); i++) {
		assert_int_equal(da_account_name_check(good[i]), DA_OK);
		assert_int_equal(
		    da_account_name_measure(good[i]), strlen(good[i]));
		assert_true(
		    da_account_name_is_wellformed(good[i], strlen(good[i])));
	}
	for (size_t i = 0; i < DA_ARRAY_LEN(bad); i++) {
		assert_int_equal(da_account_name_check(bad[i]), DA_E_BAD_NAME);
		assert_int_equal(da_account_name_measure(bad[i]), 0);
		assert_false(
		    da_account_name_is_wellformed(bad[i], strlen(bad[i])));
	}
	assert_non_null(long_name);
	memset(long_name, 'a', 65536);
	long_name[65536] = '\0';
	assert_int_equal(da_account_name_check(long_name), DA_E_BAD_NAME);
	free(long_name);
}

/* N7. */
static void
test_ids(void **state)
{
	static const uint32_t good[] = {1000, 60000, 65536, 524287, 524288,
	    DA_ACCOUNT_UID_MIN, DA_ACCOUNT_UID_MAX, INT32_MAX};
	static const uint32_t bad[] = {0, 1, 999, 60001, 60513, 61184, 65519,
	    65533, 65534, 65535, 1u << 31, UINT32_MAX, UINT32_MAX - 1};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(good); i++)
		assert_true(da_account_id_is_usable(good[i]));
	for (size_t i = 0; i < DA_ARRAY_LEN(bad); i++)
		assert_false(da_account_id_is_usable(bad[i]));
}

/* These numbers are on disks. A change of the hash is a change of owners. */
static void
test_uid_hash_is_frozen(void **state)
{
	static const struct {
		const char *name;
		uint32_t uid;
	} frozen[] = {
	    {"a", 1881933402},
	    {"_", 2037069766},
	    {"alice", 2086373812},
	    {"bob", 1994881570},
	    {"root", 1962878264},
	    {"user1", 2075622388},
	    {"user2", 2085299429},
	    {"abcdefghijklmnopqrstuvwxyz012345", 1940919210},
	};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(frozen); i++)
		assert_int_equal(
		    da_account_uid_hash(frozen[i].name), frozen[i].uid);
}

/* Names that differ in one character spread over the whole range. */
static void
test_uid_hash_spreads(void **state)
{
	const uint64_t range =
	    (uint64_t)DA_ACCOUNT_UID_MAX - DA_ACCOUNT_UID_MIN + 1;
	unsigned bins[64] = {0};
	char name[16];

	(void)state;
	for (int i = 0; i < 64000; i++) {
		uint32_t uid;

		(void)snprintf(name, sizeof(name), "user%d", i);
		uid = da_account_uid_hash(name);
		assert_in_range(uid, DA_ACCOUNT_UID_MIN, DA_ACCOUNT_UID_MAX);
		bins[(uid - DA_ACCOUNT_UID_MIN) * 64ull / range]++;
	}
	/* 1000 each are expected; 31 is one standard deviation. */
	for (size_t i = 0; i < DA_ARRAY_LEN(bins); i++)
		assert_in_range(bins[i], 850, 1150);
}

static void
test_is_local(void **state)
{
	bool local = false;
	struct da_local found;
	char *line;

	(void)state;
	test_folder_write(&folder, "passwd", 0644,
	    "root:x:0:0::/root:/bin/sh\nkim:x:1000:1001::/:/bin/sh\n+::::::\n");
	test_folder_write(
	    &folder, "group", 0644, "staff:x:50:\nkim:x:1001:a,b\n");
	assert_int_equal(
	    da_account_is_local(&folder.paths, "kim", &local), DA_OK);
	assert_true(local);
	assert_int_equal(
	    da_account_is_local(&folder.paths, "ki", &local), DA_OK);
	assert_false(local);
	assert_int_equal(
	    da_local_find(&folder.paths, "staff", 1001, &found), DA_OK);
	assert_true(found.group_name && found.group_id && found.passwd_id);
	assert_false(found.passwd_name);

	/* A line that is longer than any buffer we start with. */
	line = malloc(70000);
	assert_non_null(line);
	(void)strcpy(line, "big:x:60:");
	memset(line + 9, 'm', 69000);
	(void)strcpy(line + 69009, "\nlast:x:61:\n");
	test_folder_write(&folder, "group", 0644, line);
	free(line);
	assert_int_equal(
	    da_local_find(&folder.paths, "last", 60, &found), DA_OK);
	assert_true(found.group_name && found.group_id);

	assert_int_equal(unlink(folder.paths.passwd_file), 0);
	assert_int_equal(
	    da_account_is_local(&folder.paths, "kim", &local), DA_E_SYS);
	assert_int_equal(errno, ENOENT);
}

/* --- writing and reading --- */

static void
test_add_and_find(void **state)
{
	struct da_account_entry entry = entry_of("alice");
	struct da_account account;
	struct stat st;
	uint64_t before;

	(void)state;
	assert_int_equal(find("alice", false, NULL), DA_E_ABSENT);
	assert_int_equal(da_account_add(&folder.paths, &entry, &diag), DA_OK);
	assert_int_equal(find("alice", false, &account), DA_OK);
	assert_string_equal(account.name, "alice");
	assert_string_equal(account.gecos, "A Person");
	assert_string_equal(account.home, "/home/somebody");
	assert_string_equal(account.shell, "/bin/sh");
	assert_int_equal(account.uid, entry.uid);
	assert_int_equal(account.gid, entry.uid);
	assert_int_equal(stat(in_state(DA_FORMAT_ACCOUNTS), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(stat(in_state(DA_FORMAT_GENERATION), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(st.st_size, DA_FORMAT_GENERATION_SIZE);
	assert_int_equal(stat(in_state("accounts.lock"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_not_equal(access(in_state(".accounts.new"), F_OK), 0);

	/* Nothing changes: nothing is written. */
	before = generation();
	assert_int_equal(da_account_add(&folder.paths, &entry, &diag), DA_OK);
	assert_int_equal(generation(), before);

	entry.gecos = "";
	entry.home = "/srv/alice";
	assert_int_equal(da_account_add(&folder.paths, &entry, &diag), DA_OK);
	assert_int_equal(generation(), before + 1);
	assert_int_equal(find("alice", false, &account), DA_OK);
	assert_string_equal(account.gecos, "");
	assert_string_equal(account.home, "/srv/alice");
	assert_string_equal(account.shell, "/bin/sh");
}

static void
test_buffer_sizes(void **state)
{
	char buffer[128];
	struct da_account account;
	bool provisional;
	size_t need = sizeof("alice") + sizeof("A Person") +
	    sizeof("/home/somebody") + sizeof("/bin/sh");

	(void)state;
	assert_int_equal(add("alice"), DA_OK);
	for (size_t size = 0; size < sizeof(buffer); size++) {
		memset(buffer, '#', sizeof(buffer));
		assert_int_equal(da_account_find(&folder.paths, "alice", false,
				     buffer, size, &account, &provisional),
		    size < need ? DA_E_RANGE : DA_OK);
		for (size_t i = size; i < sizeof(buffer); i++)
			assert_int_equal(buffer[i], '#');
	}
}

/* S9, N7: refused before anything is written. */
static void
test_entries_are_checked(void **state)
{
	static const char *const bad_paths[] = {"", "/", "home", "./x",
	    "/home/../x", "/home/..", "/a:b", "/a\nb", "/a\x7f", "/\xc3\xa4"};
	static const uint32_t bad_uids[] = {0, 1, 999, 1000, 61184, 65519,
	    65534, 65535, 100000, DA_ACCOUNT_UID_MIN - 1,
	    DA_ACCOUNT_UID_MAX + 1, INT32_MAX, 1u << 31, UINT32_MAX};
	char long_text[300];
	struct da_account_entry entry;

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(bad_paths); i++) {
		entry = entry_of("alice");
		entry.home = bad_paths[i];
		assert_int_equal(
		    da_account_add(&folder.paths, &entry, &diag), DA_E_RANGE);
		entry = entry_of("alice");
		entry.shell = bad_paths[i];
		assert_int_equal(
		    da_account_add(&folder.paths, &entry, &diag), DA_E_RANGE);
	}
	memset(long_text, 'x', sizeof(long_text));
	long_text[0] = '/';
	long_text[257] = '\0';
	entry = entry_of("alice");
	entry.gecos = long_text;
	assert_int_equal(
	    da_account_add(&folder.paths, &entry, &diag), DA_E_RANGE);
	entry.gecos = "a:b";
	assert_int_equal(
	    da_account_add(&folder.paths, &entry, &diag), DA_E_RANGE);
	entry.gecos = "a\nb";
	assert_int_equal(
	    da_account_add(&folder.paths, &entry, &diag), DA_E_RANGE);
	entry = entry_of("alice");
	entry.home = long_text;
	assert_int_equal(
	    da_account_add(&folder.paths, &entry, &diag), DA_E_RANGE);
	long_text[255] = '\0';
	assert_int_equal(da_account_add(&folder.paths, &entry, &diag), DA_OK);
	assert_int_equal(add("Alice"), DA_E_BAD_NAME);
	for (size_t i = 0; i < DA_ARRAY_LEN(bad_uids); i++) {
		entry = entry_of("bob");
		entry.uid = bad_uids[i];
		assert_int_equal(
		    da_account_add(&folder.paths, &entry, &diag), DA_E_RANGE);
	}
	assert_int_equal(find("bob", false, NULL), DA_E_ABSENT);
}

/* N5, N8: the second is refused, the first unchanged. */
static void
test_collisions(void **state)
{
	struct da_account_entry entry = entry_of("bob");
	struct da_account account;
	uint64_t before;

	(void)state;
	assert_int_equal(add("alice"), DA_OK);
	before = generation();

	/* Somebody else's number. */
	entry.uid = da_account_uid_hash("alice");
	assert_int_equal(
	    da_account_add(&folder.paths, &entry, &diag), DA_E_COLLISION);
	assert_non_null(strstr(diag.text, "alice"));

	/* Another number for a known name. */
	entry = entry_of("alice");
	entry.uid = da_account_uid_hash("bob");
	assert_int_equal(
	    da_account_add(&folder.paths, &entry, &diag), DA_E_COLLISION);

	/* Local names and numbers, in either file. */
	test_folder_write(&folder, "passwd", 0644,
	    "root:x:0:0::/root:/bin/sh\ncarol:x:1000:1000::/:/bin/sh\n");
	test_folder_write(&folder, "group", 0644, "root:x:0:\ndocker:x:998:\n");
	assert_int_equal(add("root"), DA_E_COLLISION);
	assert_int_equal(add("carol"), DA_E_COLLISION);
	assert_int_equal(add("docker"), DA_E_COLLISION);
	assert_int_equal(generation(), before);
	/* And those that a package may bring tomorrow. */
	assert_int_equal(add("wheel"), DA_E_COLLISION);
	assert_string_equal(diag.text, "wheel: the name is reserved");
	assert_int_equal(add("_service"), DA_E_COLLISION);
	assert_int_equal(generation(), before);

	test_folder_write(&folder, "passwd", 0644,
	    "x:x:1980000000:5::/:/bin/sh\ny:x:5:1980000001::/:/bin/sh\n");
	test_folder_write(&folder, "group", 0644, "z:x:1980000002:\n");
	for (uint32_t i = 0; i < 3; i++) {
		entry = entry_of("dave");
		entry.uid = 1980000000u + i;
		assert_int_equal(da_account_add(&folder.paths, &entry, &diag),
		    DA_E_COLLISION);
	}
	assert_int_equal(unlink(folder.paths.group_file), 0);
	assert_int_equal(add("erin"), DA_E_SYS);
	assert_int_equal(generation(), before);
	assert_int_equal(find("alice", false, &account), DA_OK);
	assert_string_equal(account.home, "/home/somebody");
}

/* N8: what was freed is not given to anybody else. */
static void
test_removal(void **state)
{
	struct da_account_entry entry = entry_of("bob");
	struct da_account account;

	(void)state;
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &open_policy, &diag), DA_OK);
	assert_int_equal(add("alice"), DA_OK);
	assert_int_equal(da_account_remove(&folder.paths, "nobody-here", &diag),
	    DA_E_UNKNOWN_USER);
	assert_int_equal(
	    da_account_remove(&folder.paths, "alice", &diag), DA_OK);
	assert_int_equal(
	    da_account_remove(&folder.paths, "alice", &diag), DA_OK);
	assert_int_equal(find("alice", false, NULL), DA_E_ABSENT);
	/* Not even as a stranger, and nobody gets the number. */
	assert_int_equal(find("alice", true, NULL), DA_E_ABSENT);
	assert_int_equal(add("alice"), DA_E_COLLISION);
	assert_non_null(strstr(diag.text, "restore"));
	entry.uid = da_account_uid_hash("alice");
	assert_int_equal(
	    da_account_add(&folder.paths, &entry, &diag), DA_E_COLLISION);
	assert_int_equal(
	    da_account_restore(&folder.paths, "alice", &diag), DA_OK);
	assert_int_equal(find("alice", false, &account), DA_OK);
	assert_int_equal(account.uid, da_account_uid_hash("alice"));
	assert_string_equal(account.gecos, "A Person");
}

/* What one write does not concern survives it, unknown kinds included. */
static void
test_records_survive(void **state)
{
	static const char *const members[] = {"alice", "bob"};
	const struct da_compose_group group = {
	    .name = "ops", .members = members, .count = 2, .gid = 5000};
	const uint32_t gid = 5000;
	const struct da_cell unknown = {.key = (const uint8_t *)"~later",
	    .key_len = 6,
	    .value = (const uint8_t *)"\0x",
	    .value_len = 2};
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	struct da_build build;
	struct da_group found;
	struct da_cell cell;
	char buffer[256], name[16];

	(void)state;
	assert_int_equal(
	    da_build_open(&build, &folder.paths, DA_FORMAT_ACCOUNTS, &diag),
	    DA_OK);
	assert_int_equal(da_build_begin(&build, &diag), DA_OK);
	assert_int_equal(da_compose_group(&build, &group), DA_OK);
	assert_int_equal(da_compose_gids(&build, "alice", &gid, 1), DA_OK);
	assert_int_equal(da_build_put_cell(&build, &unknown), DA_OK);
	assert_int_equal(da_build_commit(&build, &diag), DA_OK);
	da_build_done(&build);

	assert_int_equal(
	    da_account_set_policy(&folder.paths, &open_policy, &diag), DA_OK);
	for (int i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "user%d", i);
		assert_int_equal(add(name), DA_OK);
	}
	for (int i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "user%d", i);
		assert_int_equal(find(name, false, NULL), DA_OK);
	}
	assert_int_equal(find("stranger", true, NULL), DA_OK);
	assert_int_equal(da_view_open(&folder.paths, &view), DA_OK);
	assert_int_equal(
	    da_reader_find_gid(&view, 5000, buffer, sizeof(buffer), &found),
	    DA_OK);
	assert_string_equal(found.name, "ops");
	assert_string_equal(found.members[1], "bob");
	assert_null(found.members[2]);
	assert_true(da_database_find(
	    &view.accounts, (enum da_format_kind)'~', "later", 5, &cell));
	assert_int_equal(cell.value_len, 2);
	assert_true(da_database_find(
	    &view.accounts, DA_KIND_GROUPS_OF, "alice", 5, &cell));
	/* A name or a number of a group is taken. */
	assert_int_equal(add("ops"), DA_E_COLLISION);
}

/* --- provisional answers --- */

static void
test_strangers(void **state)
{
	struct da_account_policy policy = open_policy;
	struct da_account account;
	char buffer[64];
	bool provisional;

	(void)state;
	assert_int_equal(find("alice", true, NULL), DA_E_ABSENT);
	policy.first_login = false;
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &policy, &diag), DA_OK);
	assert_int_equal(find("alice", true, NULL), DA_E_ABSENT);
	policy.first_login = true;
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &policy, &diag), DA_OK);
	assert_int_equal(find("alice", false, NULL), DA_E_ABSENT);
	assert_int_equal(find("alice", true, &account), DA_OK);
	assert_string_equal(account.name, "alice");
	assert_string_equal(account.gecos, "");
	assert_string_equal(account.home, "/home/alice");
	assert_string_equal(account.shell, "/bin/bash");
	assert_int_equal(account.uid, da_account_uid_hash("alice"));
	assert_int_equal(account.gid, account.uid);

	/* Exactly as much room as is needed. */
	for (size_t size = 0; size < sizeof(buffer); size++)
		assert_int_equal(da_account_find(&folder.paths, "alice", true,
				     buffer, size, &account, &provisional),
		    size < 28 ? DA_E_RANGE : DA_OK);

	assert_int_equal(find("Alice", true, NULL), DA_E_ABSENT);
	assert_int_equal(find("", true, NULL), DA_E_ABSENT);
	assert_int_equal(find("0", true, NULL), DA_E_ABSENT);
	/* Local names and numbers. */
	assert_int_equal(find("root", true, NULL), DA_E_ABSENT);
	(void)snprintf(buffer, sizeof(buffer), "docker:x:9:\nx:x:%u:\n",
	    da_account_uid_hash("bob"));
	test_folder_write(&folder, "group", 0644, buffer);
	assert_int_equal(find("docker", true, NULL), DA_E_ABSENT);
	assert_int_equal(find("wheel", true, NULL), DA_E_ABSENT);
	assert_int_equal(find("_service", true, NULL), DA_E_ABSENT);
	assert_int_equal(find("bob", true, NULL), DA_E_ABSENT);
	assert_int_equal(find("alice", true, NULL), DA_OK);
	/* Nobody knows what is local: nobody is a stranger. */
	assert_int_equal(unlink(folder.paths.group_file), 0);
	assert_int_equal(find("alice", true, NULL), DA_E_SYS);
}

static void
test_strangers_of_the_list(void **state)
{
	struct da_account_policy policy = open_policy;

	(void)state;
	policy.allowed_users = "alice bob-2";
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &policy, &diag), DA_OK);
	assert_int_equal(find("alice", true, NULL), DA_OK);
	assert_int_equal(find("bob-2", true, NULL), DA_OK);
	assert_int_equal(find("bob", true, NULL), DA_E_ABSENT);
	assert_int_equal(find("alic", true, NULL), DA_E_ABSENT);
	assert_int_equal(find("carol", true, NULL), DA_E_ABSENT);
	/* Whoever logged in stays known when the list changes. */
	assert_int_equal(add("carol"), DA_OK);
	assert_int_equal(find("carol", false, NULL), DA_OK);
}

static void
test_stranger_whose_uid_is_taken(void **state)
{
	struct da_account_entry entry = entry_of("alice");

	(void)state;
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &open_policy, &diag), DA_OK);
	entry.uid = da_account_uid_hash("bob");
	assert_int_equal(da_account_add(&folder.paths, &entry, &diag), DA_OK);
	assert_int_equal(find("bob", true, NULL), DA_E_ABSENT);
	assert_int_equal(
	    da_account_remove(&folder.paths, "alice", &diag), DA_OK);
	assert_int_equal(find("bob", true, NULL), DA_E_ABSENT);
}

static void
test_policies_are_checked(void **state)
{
	static const char *const homes[] = {"", "/", "home/%u", "/home/%x",
	    "/home/%", "/%u/..", "/home/%U", "/a:b"};
	static const char *const lists[] = {" alice", "alice ", "alice  bob",
	    "Alice", "alice,bob", "alice\nbob"};
	struct da_account_policy policy = open_policy;
	char home[256] = "/";

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(homes); i++) {
		policy.home = homes[i];
		assert_int_equal(
		    da_account_set_policy(&folder.paths, &policy, &diag),
		    DA_E_RANGE);
	}
	/* Ten names of 32 would not be a path any more. */
	for (int i = 0; i < 10; i++)
		(void)strcat(home, "%u/");
	policy.home = home;
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &policy, &diag), DA_E_RANGE);
	policy = open_policy;
	for (size_t i = 0; i < DA_ARRAY_LEN(lists); i++) {
		policy.allowed_users = lists[i];
		assert_int_equal(
		    da_account_set_policy(&folder.paths, &policy, &diag),
		    DA_E_RANGE);
	}
	policy = open_policy;
	policy.shell = "bash";
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &policy, &diag), DA_E_RANGE);
	assert_int_not_equal(access(in_state(DA_FORMAT_ACCOUNTS), F_OK), 0);
}

static void
test_policy_is_written_once(void **state)
{
	struct da_account_policy policy = open_policy;
	uint64_t before;

	(void)state;
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &policy, &diag), DA_OK);
	before = generation();
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &policy, &diag), DA_OK);
	assert_int_equal(generation(), before);
	policy.enumerate = true;
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &policy, &diag), DA_OK);
	assert_int_equal(generation(), before + 1);
	assert_int_equal(find("alice", true, NULL), DA_OK);
}

static const char *
changes(const struct da_account_policy *policy)
{
	assert_int_equal(
	    da_account_compare_policy(&folder.paths, policy, &diag), DA_OK);
	return diag.text;
}

static void
test_policies_are_compared(void **state)
{
	struct da_account_policy policy = open_policy;

	(void)state;
	assert_string_equal(changes(&policy), "everything");
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &policy, &diag), DA_OK);
	assert_string_equal(changes(&policy), "");
	policy.shell = "/bin/sh";
	assert_string_equal(changes(&policy), "shell");
	policy.home = "/srv/%u";
	assert_string_equal(changes(&policy), "home, shell");
	policy.allowed_users = "alice";
	assert_string_equal(changes(&policy), "who may log in, home, shell");
	policy = open_policy;
	policy.first_login = false;
	assert_string_equal(changes(&policy), "who may log in");
	policy = open_policy;
	policy.enumerate = !policy.enumerate;
	assert_string_equal(changes(&policy), "enumerate");
	/* What would be refused is no change. */
	policy.home = "/srv/%h";
	assert_int_equal(
	    da_account_compare_policy(&folder.paths, &policy, &diag),
	    DA_E_RANGE);
	assert_non_null(strstr(diag.text, "%u stands for the name"));
}

/* --- two levels --- */

static void
test_two_levels(void **state)
{
	static const struct test_person local_people[] = {
	    {"here", 2000000001, 2000000001, false},
	    {"both", 2000000002, 2000000002, false},
	    {"gone", 2000000003, 2000000003, true}, {0}};
	static const struct test_group local_groups[] = {
	    {"ops", 5000, {"alice", "here"}, false},
	    {"dead", 5001, {NULL}, true}, {"mine", 5002, {"here"}, false}, {0}};
	static const struct test_memberships local_memberships[] = {
	    {"here", {5000, 5002}}, {"alice", {5000}}, {0}};
	static const struct test_person dir_people[] = {
	    {"alice", 10001, 10001, false}, {"bob", 10002, 6000, false},
	    {"both", 10003, 10003, false},            /* name is here */
	    {"thief", 2000000001, 2000000001, false}, /* number is here */
	    {"gone", 2000000003, 2000000003, false},  /* removed here */
	    {"sneak", 10004, 2000000001, false},      /* a private group */
	    {"carol", 10005, 5000, false},            /* a merged group */
	    {"mallory", 10006, 5002, false},          /* not the same */
	    {"left", 10007, 10007, true},
	    {"ops", 10008, 10008, false}, /* a group here */
	    {0}};
	static const struct test_group dir_groups[] = {
	    {"ops", 5000, {"bob", "here"}, false},
	    {"dead", 5001, {"alice"}, false}, {"other", 5002, {"alice"}, false},
	    {"staff", 6000, {"alice", "gone"}, false},
	    {"here", 6001, {"alice"}, false}, {0}};
	static const struct test_memberships dir_memberships[] = {
	    {"alice", {5001, 5002, 6000, 2000000001}}, {"bob", {5000}},
	    {"here", {5000, 6000}}, {"gone", {6000}}, {0}};
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	char buffer[256];
	struct da_account account;
	struct da_group group;
	struct da_reader_sieve sieve;
	struct da_reader_walk walk;
	size_t people = 0, groups = 0;

	(void)state;
	test_database_build(&folder.paths, DA_FORMAT_ACCOUNTS, local_people,
	    local_groups, local_memberships);
	test_database_build(&folder.paths, DA_FORMAT_DIRECTORY, dir_people,
	    dir_groups, dir_memberships);
	assert_int_equal(da_view_open(&folder.paths, &view), DA_OK);

	assert_string_equal(test_person_text(&view, "here", 0),
	    "here 2000000001 2000000001 accounts.cdb");
	assert_string_equal(test_person_text(&view, NULL, 2000000001),
	    "here 2000000001 2000000001 accounts.cdb");
	assert_string_equal(test_person_text(&view, "alice", 0),
	    "alice 10001 10001 directory.cdb");
	assert_string_equal(test_person_text(&view, NULL, 10002),
	    "bob 10002 6000 directory.cdb");
	assert_string_equal(test_person_text(&view, "both", 0),
	    "both 2000000002 2000000002 accounts.cdb");
	assert_string_equal(test_person_text(&view, NULL, 10003), "-");
	assert_string_equal(test_person_text(&view, "thief", 0), "-");
	assert_string_equal(test_person_text(&view, "gone", 0), "-");
	assert_string_equal(test_person_text(&view, NULL, 2000000003), "-");
	assert_string_equal(test_person_text(&view, "sneak", 0), "-");
	assert_string_equal(test_person_text(&view, "carol", 0),
	    "carol 10005 5000 directory.cdb");
	assert_string_equal(test_person_text(&view, "mallory", 0), "-");
	assert_string_equal(test_person_text(&view, "left", 0), "-");
	assert_string_equal(test_person_text(&view, "ops", 0), "-");

	assert_string_equal(
	    test_group_text(&view, "ops", 0), "ops 5000: alice bob here");
	assert_string_equal(
	    test_group_text(&view, NULL, 5000), "ops 5000: alice bob here");
	assert_string_equal(test_group_text(&view, "dead", 0), "-");
	assert_string_equal(test_group_text(&view, NULL, 5001), "-");
	assert_string_equal(
	    test_group_text(&view, NULL, 5002), "mine 5002: here");
	assert_string_equal(test_group_text(&view, "other", 0), "-");
	assert_string_equal(
	    test_group_text(&view, "staff", 0), "staff 6000: alice gone");
	/* Private groups; a person without one. */
	assert_string_equal(
	    test_group_text(&view, "here", 0), "here 2000000001:");
	assert_string_equal(test_group_text(&view, NULL, 6001), "-");
	assert_string_equal(
	    test_group_text(&view, NULL, 10001), "alice 10001:");
	assert_string_equal(test_group_text(&view, "bob", 0), "-");
	assert_string_equal(test_group_text(&view, NULL, 10002), "-");
	assert_string_equal(test_group_text(&view, "gone", 0), "-");
	assert_string_equal(test_group_text(&view, NULL, 10003), "-");

	assert_string_equal(
	    test_gids_text(&view, "here"), " 5000 5002 5000 6000");
	assert_string_equal(test_gids_text(&view, "alice"), " 5000 6000");
	assert_string_equal(test_gids_text(&view, "bob"), " 5000");
	assert_string_equal(test_gids_text(&view, "gone"), "");
	assert_string_equal(test_gids_text(&view, "nobody-here"), "");
	assert_string_equal(test_gids_text(&view, "a:b"), "");

	da_reader_start_walk(&view, &sieve, &walk);
	for (; da_reader_next_person(&walk, buffer, sizeof(buffer), &account) ==
	     DA_OK;
	     people++)
		assert_int_equal(
		    da_reader_next_person(&walk, buffer, 0, &account),
		    people == 4 ? DA_E_ABSENT : DA_E_RANGE);
	assert_int_equal(people, 5); /* here both alice bob carol */
	da_reader_start_walk(&view, NULL, &walk);
	for (; da_reader_next_person(&walk, buffer, sizeof(buffer), &account) ==
	     DA_OK;
	     people--)
		;
	assert_int_equal(people, 0);
	da_reader_start_walk(&view, &sieve, &walk);
	for (; da_reader_next_group(&walk, buffer, sizeof(buffer), &group) ==
	     DA_OK;
	     groups++)
		;
	assert_int_equal(groups, 6); /* here both ops mine alice staff */
}

/* --- listing --- */

/* So many 'x', but for the first: long names end in the same eight characters.
 */
static void
put_person(struct da_build *build, size_t len, char first, uint32_t uid)
{
	char name[DA_USER_MAX + 1] = {0}, gecos[DA_GECOS_MAX + 1] = {0};
	const struct da_compose_person person = {.name = name,
	    .gecos = gecos,
	    .home = "/h",
	    .shell = "/s",
	    .uid = uid,
	    .gid = uid};

	memset(name, 'x', len);
	name[0] = first;
	memset(gecos, 'g', len * 7 % 90);
	assert_int_equal(da_compose_person(build, &person), DA_OK);
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

/* With the sieve and the short path the same people are listed as without, in
 * a large buffer or in the smallest that will do. */
static size_t
compare_listings(const struct da_view *view, bool tight)
{
	struct da_reader_sieve sieve;
	struct da_reader_walk quick, slow;
	size_t people = 0;

	da_reader_start_walk(view, &sieve, &quick);
	da_reader_start_walk(view, NULL, &slow);
	for (;; people++) {
		char first[256], second[256];
		struct da_account one, other;
		size_t size = tight ? 0 : sizeof(second);
		enum da_err err =
		    da_reader_next_person(&slow, first, sizeof(first), &one);

		while (next_quickly(&quick, second, size, &other) == DA_E_RANGE)
			size++;
		if (err != DA_OK)
			return people;
		assert_in_range(size, 10, sizeof(second));
		assert_string_equal(one.name, other.name);
		assert_string_equal(one.gecos, other.gecos);
		assert_string_equal(other.home, "/h");
		assert_string_equal(other.shell, "/s");
		assert_int_equal(one.uid, other.uid);
		if (tight)
			assert_ptr_equal(other.shell + 3, second + size);
	}
}

/* Names and texts of every length. */
static void
test_listing(void **state)
{
	DA_CLEANUP(da_view_close) struct da_view view = {0};

	(void)state;
	for (int file = 0; file < 2; file++) {
		DA_CLEANUP(da_build_done) struct da_build build;

		assert_int_equal(
		    da_build_open(&build, &folder.paths,
			file == 0 ? DA_FORMAT_ACCOUNTS : DA_FORMAT_DIRECTORY,
			&diag),
		    DA_OK);
		assert_int_equal(da_build_begin(&build, &diag), DA_OK);
		for (uint32_t len = 1; len <= DA_USER_MAX; len++) {
			if (file == 1)
				put_person(&build, len, 'x', 10000 + len);
			else if (len % 4 == 0)
				put_person(&build, len, 'y', 20000 + len);
			else if (len % 8 == 5)
				put_person(&build, len, 'x', 20000 + len);
		}
		if (file == 0)
			put_person(&build, 3, 'z', 10007);
		assert_int_equal(da_build_commit(&build, &diag), DA_OK);
	}
	assert_int_equal(da_view_open(&folder.paths, &view), DA_OK);
	/* Here 8 with 'y', 4 with 'x' and one more; in the directory 32, of
	 * which the 4 and the number of the one are hidden. */
	assert_int_equal(compare_listings(&view, /* tight= */ false), 40);
	assert_int_equal(compare_listings(&view, /* tight= */ true), 40);
}

/* The writer refuses what the directory has, and leaves it its own people. */
static void
test_directory_collisions(void **state)
{
	static const struct test_person people[] = {
	    {"alice", 10001, 10001, false},
	    {"bob", 2000000001, 2000000001, false},
	    {"left", 2000000005, 2000000005, true}, {0}};
	static const struct test_group groups[] = {
	    {"ops", 2000000002, {NULL}, false}, {0}};
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	struct da_account_entry entry = entry_of("alice");
	uint64_t before;

	(void)state;
	test_database_build(
	    &folder.paths, DA_FORMAT_DIRECTORY, people, groups, NULL);
	before = generation();
	entry.uid = 10001;
	assert_int_equal(da_account_add(&folder.paths, &entry, &diag), DA_OK);
	assert_int_equal(generation(), before);
	assert_int_equal(add("alice"), DA_E_COLLISION);
	entry = entry_of("carol");
	for (uint32_t uid = 2000000001; uid <= 2000000002; uid++) {
		entry.uid = uid;
		assert_int_equal(da_account_add(&folder.paths, &entry, &diag),
		    DA_E_COLLISION);
	}
	assert_int_equal(add("ops"), DA_E_COLLISION);
	entry = entry_of("left");
	entry.uid = 2000000005;
	assert_int_equal(
	    da_account_add(&folder.paths, &entry, &diag), DA_E_COLLISION);
	/* Removing here hides what is there. */
	assert_int_equal(
	    da_account_remove(&folder.paths, "alice", &diag), DA_OK);
	assert_int_equal(find("alice", false, NULL), DA_E_ABSENT);
	assert_int_equal(da_view_open(&folder.paths, &view), DA_OK);
	assert_string_equal(test_person_text(&view, NULL, 10001), "-");
}

static void
test_compose_refuses(void **state)
{
	static const char *const unsorted[] = {"bob", "alice"};
	static const char *const twice[] = {"bob", "bob"};
	static const char *const bad[] = {"Bob"};
	const struct da_compose_group groups[] = {
	    {.name = "g", .members = unsorted, .count = 2, .gid = 5000},
	    {.name = "g", .members = twice, .count = 2, .gid = 5000},
	    {.name = "g", .members = bad, .count = 1, .gid = 5000},
	    {.name = "G", .gid = 5000}, {.name = "g", .gid = 0},
	    {.name = "g", .gid = 65534}};
	const uint32_t gid = 0;
	const struct da_compose_person person = {.name = "a",
	    .gecos = "",
	    .home = "/h",
	    .shell = "/s",
	    .uid = 5000,
	    .gid = 0};
	struct da_build build;

	(void)state;
	assert_int_equal(
	    da_build_open(&build, &folder.paths, DA_FORMAT_DIRECTORY, &diag),
	    DA_OK);
	assert_int_equal(da_build_begin(&build, &diag), DA_OK);
	for (size_t i = 0; i < DA_ARRAY_LEN(groups); i++)
		assert_int_equal(
		    da_compose_group(&build, &groups[i]), DA_E_RANGE);
	assert_int_equal(da_compose_person(&build, &person), DA_E_RANGE);
	assert_int_equal(da_compose_gids(&build, "a", &gid, 1), DA_E_RANGE);
	da_build_done(&build);
	assert_int_not_equal(access(in_state(".accounts.new"), F_OK), 0);
	assert_int_not_equal(access(in_state(DA_FORMAT_DIRECTORY), F_OK), 0);
}

/* --- damage --- */

static char *image;
static size_t image_len;

static void
load_image(void)
{
	struct stat st;
	int fd = open(in_state(DA_FORMAT_ACCOUNTS), O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	image_len = (size_t)st.st_size;
	image = malloc(image_len);
	assert_non_null(image);
	assert_int_equal(read(fd, image, image_len), (ssize_t)image_len);
	(void)close(fd);
}

/* Puts bytes in the place of the database. */
static void
plant(const char *bytes, size_t len)
{
	int fd;

	(void)unlink(in_state(DA_FORMAT_ACCOUNTS));
	fd = open(
	    in_state(DA_FORMAT_ACCOUNTS), O_WRONLY | O_CREAT | O_EXCL, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), (ssize_t)len);
	(void)close(fd);
}

/* Looks at everything there is; whatever comes back is sound. A copy on the
 * heap of exactly the right size lets the sanitizer watch every access. */
static void
exercise(struct da_database *db)
{
	struct da_view view = {.accounts = *db, .directory = *db};
	char buffer[512];
	struct da_account account;
	struct da_group group;
	struct da_reader_sieve sieve;
	struct da_reader_walk walk;

	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = {
		    "alice", "bob", "ops", "nobody-here"};

		if (da_reader_find_name(&view, names[i], buffer, sizeof(buffer),
			&account) == DA_OK) {
			assert_string_equal(account.name, names[i]);
			assert_true(da_account_id_is_usable(account.uid));
			assert_true(da_account_id_is_usable(account.gid));
			assert_int_equal(account.home[0], '/');
			assert_true(strlen(account.shell) < sizeof(buffer));
		}
		(void)test_group_text(&view, names[i], 0);
		(void)test_gids_text(&view, names[i]);
		(void)test_person_text(
		    &view, NULL, da_account_uid_hash(names[i]));
	}
	(void)test_group_text(&view, NULL, 5000);
	da_reader_start_walk(&view, &sieve, &walk);
	while (da_reader_next_person(&walk, buffer, sizeof(buffer), &account) ==
	    DA_OK)
		assert_int_equal(da_account_name_check(account.name), DA_OK);
	da_reader_start_walk(&view, &sieve, &walk);
	while (da_reader_next_group(&walk, buffer, sizeof(buffer), &group) ==
	    DA_OK)
		assert_int_equal(da_account_name_check(group.name), DA_OK);
	(void)da_reader_may_enumerate(&view);
	DA_IGNORE(da_stranger_find(&view, &folder.paths, "stranger", false,
	    buffer, sizeof(buffer), &account));
}

static void
exercise_bytes(const char *bytes, size_t len)
{
	char *copy;
	struct da_database db = {0};

	copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	memcpy(copy, bytes, len);
	if (da_database_read((const uint8_t *)copy, (uint32_t)len, &db))
		exercise(&db);
	free(copy);
}

static void
make_image(void)
{
	static const struct test_person people[] = {
	    {"alice", 0, 0, false}, {"bob", 0, 0, true}, {0}};
	static const struct test_group groups[] = {
	    {"ops", 5000, {"alice", "bob"}, false}, {0}};
	static const struct test_memberships memberships[] = {
	    {"alice", {5000}}, {0}};
	struct test_person hashed[3] = {people[0], people[1], people[2]};

	hashed[0].uid = hashed[0].gid = da_account_uid_hash("alice");
	hashed[1].uid = hashed[1].gid = da_account_uid_hash("bob");
	test_database_build(
	    &folder.paths, DA_FORMAT_ACCOUNTS, hashed, groups, memberships);
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &open_policy, &diag), DA_OK);
	load_image();
}

static void
test_every_bit_flipped(void **state)
{
	(void)state;
	make_image();
	for (size_t at = 0; at < image_len; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			image[at] = (char)(image[at] ^ 1 << bit);
			exercise_bytes(image, image_len);
			image[at] = (char)(image[at] ^ 1 << bit);
		}
		for (unsigned i = 0; i < 2; i++) {
			char old = image[at];

			image[at] = (char)(i == 0 ? 0 : 0xff);
			exercise_bytes(image, image_len);
			image[at] = old;
		}
	}
	free(image);
}

/* Each number of the tables and the records, with values that overflow. */
static void
test_every_number_replaced(void **state)
{
	(void)state;
	make_image();
	for (size_t at = 0; at + 4 <= image_len; at++) {
		const uint32_t values[] = {0, 1, 7, 2047, 2048,
		    (uint32_t)image_len - 8, (uint32_t)image_len - 1,
		    (uint32_t)image_len, 0x7fffffff, 0x80000000, 0xfffffff8,
		    0xffffffff};
		char old[4];

		memcpy(old, image + at, 4);
		for (size_t i = 0; i < DA_ARRAY_LEN(values); i++) {
			da_format_put_u32((uint8_t *)image + at, values[i]);
			exercise_bytes(image, image_len);
		}
		memcpy(image + at, old, 4);
	}
	free(image);
}

static void
test_every_truncation(void **state)
{
	struct da_account account;

	(void)state;
	make_image();
	for (size_t len = 0; len < image_len; len++) {
		enum da_err err;

		exercise_bytes(image, len);
		plant(image, len);
		err = find("alice", false, &account);
		assert_true(err == DA_E_SYS || err == DA_E_ABSENT ||
		    (err == DA_OK && strcmp(account.home, "/home/x") == 0));
		if (len < DA_FORMAT_TABLES_SIZE)
			assert_int_equal(err, DA_E_SYS);
	}
	plant(image, image_len);
	assert_int_equal(find("alice", false, &account), DA_OK);
	free(image);
}

/* The writer does not make the best of a damaged file. */
static void
test_writer_refuses_damage(void **state)
{
	struct da_account account;

	(void)state;
	make_image();
	plant("garbage", 7);
	assert_int_equal(find("alice", false, NULL), DA_E_SYS);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(add("carol"), DA_E_UNSAFE_FILE);
	/* A record that says less than it is: the walk ends early. */
	for (size_t at = DA_FORMAT_TABLES_SIZE + 41; at < image_len; at++) {
		if (memcmp(image + at, "palice", 6) != 0)
			continue;
		image[at] = 'P';
		image[at - 8]++;
		break;
	}
	plant(image, image_len);
	assert_int_equal(add("carol"), DA_E_UNSAFE_FILE);
	assert_int_equal(find("carol", false, &account), DA_E_ABSENT);
	free(image);
}

/* S5. */
static void
test_untrusted_files(void **state)
{
	static const char *const names[] = {
	    DA_FORMAT_ACCOUNTS, DA_FORMAT_GENERATION};
	char other[160];

	(void)state;
	(void)snprintf(other, sizeof(other), "%s/other", folder.root);
	assert_int_equal(add("alice"), DA_OK);
	for (size_t i = 0; i < DA_ARRAY_LEN(names); i++) {
		assert_int_equal(chmod(in_state(names[i]), 0664), 0);
		assert_int_equal(find("alice", false, NULL), DA_E_SYS);
		assert_int_equal(errno, EPERM);
		assert_int_equal(chmod(in_state(names[i]), 0646), 0);
		assert_int_equal(find("alice", false, NULL), DA_E_SYS);
		assert_int_equal(chmod(in_state(names[i]), 0644), 0);
		assert_int_equal(find("alice", false, NULL), DA_OK);
		if (getuid() == 0) {
			assert_int_equal(chown(in_state(names[i]), 1, 0), 0);
			assert_int_equal(find("alice", false, NULL), DA_E_SYS);
			assert_int_equal(chown(in_state(names[i]), 0, 0), 0);
		}
		assert_int_equal(link(in_state(names[i]), other), 0);
		assert_int_equal(find("alice", false, NULL), DA_E_SYS);
		assert_int_equal(unlink(in_state(names[i])), 0);
		assert_int_equal(symlink(other, in_state(names[i])), 0);
		assert_int_equal(find("alice", false, NULL), DA_E_SYS);
		assert_int_equal(unlink(in_state(names[i])), 0);
		assert_int_equal(mkfifo(in_state(names[i]), 0644), 0);
		assert_int_equal(find("alice", false, NULL), DA_E_SYS);
		assert_int_equal(unlink(in_state(names[i])), 0);
		assert_int_equal(rename(other, in_state(names[i])), 0);
	}
	assert_int_equal(chmod(folder.paths.state_dir, 0777), 0);
	assert_int_equal(find("alice", false, NULL), DA_E_SYS);
	assert_int_equal(add("bob"), DA_E_UNSAFE_FILE);
	assert_int_equal(chmod(folder.paths.state_dir, 0755), 0);
	/* A counter of the wrong size is not mapped. */
	assert_int_equal(truncate(in_state(DA_FORMAT_GENERATION), 100), 0);
	assert_int_equal(find("alice", false, NULL), DA_E_SYS);
	/* A directory that cannot be read hides nobody; it stops everybody. */
	assert_int_equal(truncate(in_state(DA_FORMAT_GENERATION), 4096), 0);
	assert_int_equal(find("alice", false, NULL), DA_OK);
	assert_int_equal(
	    symlink("/dev/null", in_state(DA_FORMAT_DIRECTORY)), 0);
	assert_int_equal(find("alice", false, NULL), DA_E_SYS);
}

/* --- writers that die, and several at once --- */

static void
test_lock_is_private(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(add("alice"), DA_OK);
	assert_int_equal(chmod(in_state("accounts.lock"), 0644), 0);
	assert_int_equal(add("bob"), DA_E_UNSAFE_FILE);
	assert_int_equal(chmod(in_state("accounts.lock"), 0600), 0);
	/* Nothing to write needs no lock. */
	fd = open(in_state("accounts.lock"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(add("alice"), DA_OK);
	(void)close(fd);
	assert_int_equal(add("bob"), DA_OK);
}

/* G1: a writer that was stopped delays the others and does not hang them. */
static void
test_lock_held_for_ever(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(add("alice"), DA_OK);
	fd = open(in_state("accounts.lock"), O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	(void)alarm(60); /* rather than ctest's patience */
	assert_int_equal(add("bob"), DA_E_TIMEOUT);
	(void)alarm(0);
	assert_string_equal(
	    diag.text, "accounts.lock: another process keeps it locked");
	assert_int_equal(find("bob", false, NULL), DA_E_ABSENT);
	(void)close(fd);
	assert_int_equal(add("bob"), DA_OK);
}

static void
test_dead_writer(void **state)
{
	struct da_account account;
	uint64_t before;
	int fd;

	(void)state;
	assert_int_equal(add("alice"), DA_OK);
	/* It left its file, in whatever shape. */
	fd = open(in_state(".accounts.new"), O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "half", 4), 4);
	(void)close(fd);
	assert_int_equal(add("bob"), DA_OK);
	assert_int_not_equal(access(in_state(".accounts.new"), F_OK), 0);
	assert_int_equal(find("bob", false, &account), DA_OK);

	/* It did not get to the counter: the next one tells the readers, even
	 * when there is nothing to write. */
	before = generation();
	fd = open(in_state(DA_FORMAT_GENERATION), O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, &(uint64_t){before - 1}, sizeof(before)), 8);
	(void)close(fd);
	assert_int_equal(add("bob"), DA_OK);
	assert_int_equal(generation(), before);

	/* Somebody removed the counter: it does not start again below. */
	assert_int_equal(unlink(in_state(DA_FORMAT_GENERATION)), 0);
	assert_int_equal(find("bob", false, NULL), DA_E_ABSENT);
	assert_int_equal(add("bob"), DA_OK);
	assert_int_equal(generation(), before);
	assert_int_equal(find("bob", false, NULL), DA_OK);
}

/* Runs a writer in a child that is stopped by a limit or a signal. */
static int
run_child(void (*prepare)(unsigned), unsigned argument, const char *name)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prepare(argument);
		_exit(add(name) == DA_OK ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void
limit_file_size(unsigned size)
{
	const struct rlimit limit = {size, size};

	(void)signal(SIGXFSZ, SIG_IGN);
	(void)setrlimit(RLIMIT_FSIZE, &limit);
}

static void
test_full_disk(void **state)
{
	char name[16];

	(void)state;
	assert_int_equal(add("alice"), DA_OK);
	for (unsigned size = 0; size < 4500; size += 100) {
		int status = run_child(limit_file_size, size, "bob");

		assert_true(WIFEXITED(status));
		assert_int_not_equal(
		    access(in_state(".accounts.new"), F_OK), 0);
		assert_int_equal(find("alice", false, NULL), DA_OK);
		assert_int_equal(find("bob", false, NULL),
		    WEXITSTATUS(status) == 0 ? DA_OK : DA_E_ABSENT);
		if (WEXITSTATUS(status) == 0)
			break;
	}
	(void)snprintf(name, sizeof(name), "carol");
	assert_int_equal(add(name), DA_OK);
}

static void *
kill_later(void *argument)
{
	(void)usleep(*(unsigned *)argument);
	(void)kill(getpid(), SIGKILL);
	return NULL;
}

static void
die_in(unsigned delay_us)
{
	static unsigned delay;
	pthread_t thread;

	delay = delay_us;
	(void)pthread_create(&thread, NULL, kill_later, &delay);
}

static void
test_killed_writers(void **state)
{
	char name[16];

	(void)state;
	assert_int_equal(add("alice"), DA_OK);
	for (unsigned i = 0; i < 60; i++) {
		(void)snprintf(name, sizeof(name), "user%u", i);
		(void)run_child(die_in, i * 50, name);
		assert_int_equal(find("alice", false, NULL), DA_OK);
		/* Whatever became of it, the next one gets through. */
		assert_int_equal(add(name), DA_OK);
		assert_int_equal(find(name, false, NULL), DA_OK);
	}
}

static void
test_concurrent_writers(void **state)
{
	enum { WRITERS = 6, PEOPLE = 15 };

	pid_t pids[WRITERS];
	char name[24];

	(void)state;
	assert_int_equal(add("alice"), DA_OK);
	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		assert_true(pids[w] >= 0);
		if (pids[w] != 0)
			continue;
		for (int i = 0; i < PEOPLE; i++) {
			(void)snprintf(name, sizeof(name), "w%dp%d", w, i);
			if (add(name) != DA_OK)
				_exit(1);
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status;

		assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
		assert_int_equal(status, 0);
	}
	for (int w = 0; w < WRITERS; w++) {
		for (int i = 0; i < PEOPLE; i++) {
			(void)snprintf(name, sizeof(name), "w%dp%d", w, i);
			assert_int_equal(find(name, false, NULL), DA_OK);
		}
	}
	assert_int_equal(find("alice", false, NULL), DA_OK);
}

/* A view stays what it was, and knows that it is old. */
static void
test_view_and_generation(void **state)
{
	DA_CLEANUP(da_view_close) struct da_view view = {0};
	char buffer[256];
	struct da_account account;

	(void)state;
	assert_int_equal(da_view_open(&folder.paths, &view), DA_E_ABSENT);
	assert_int_equal(add("alice"), DA_OK);
	assert_int_equal(da_view_open(&folder.paths, &view), DA_OK);
	assert_true(da_view_is_fresh(&view));
	assert_int_equal(add("bob"), DA_OK);
	assert_false(da_view_is_fresh(&view));
	assert_int_equal(da_reader_find_name(
			     &view, "alice", buffer, sizeof(buffer), &account),
	    DA_OK);
	assert_int_equal(
	    da_reader_find_name(&view, "bob", buffer, sizeof(buffer), &account),
	    DA_E_ABSENT);
}

#define TEST(name) TEST_IN_FOLDER(name, folder)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_ids),
	    cmocka_unit_test(test_uid_hash_is_frozen),
	    cmocka_unit_test(test_uid_hash_spreads),
	    TEST(test_is_local),
	    TEST(test_add_and_find),
	    TEST(test_buffer_sizes),
	    TEST(test_entries_are_checked),
	    TEST(test_collisions),
	    TEST(test_removal),
	    TEST(test_records_survive),
	    TEST(test_strangers),
	    TEST(test_strangers_of_the_list),
	    TEST(test_stranger_whose_uid_is_taken),
	    TEST(test_policies_are_checked),
	    TEST(test_policy_is_written_once),
	    TEST(test_policies_are_compared),
	    TEST(test_two_levels),
	    TEST(test_listing),
	    TEST(test_directory_collisions),
	    TEST(test_compose_refuses),
	    TEST(test_every_bit_flipped),
	    TEST(test_every_number_replaced),
	    TEST(test_every_truncation),
	    TEST(test_writer_refuses_damage),
	    TEST(test_untrusted_files),
	    TEST(test_lock_is_private),
	    TEST(test_lock_held_for_ever),
	    TEST(test_dead_writer),
	    TEST(test_full_disk),
	    TEST(test_killed_writers),
	    TEST(test_concurrent_writers),
	    TEST(test_view_and_generation),
	};

	return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
