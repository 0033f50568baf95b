/* account/writer.h: what may be changed, and what is kept from everybody. */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account/account.h"
#include "account/listing.h"
#include "account/local.h"
#include "account/reader.h"
#include "account/stranger.h"
#include "account/writer.h"
#include "database.h"
#include "folder.h"

static struct test_folder folder;
static struct da_diag diag;
static struct da_view view;

static int
set_up(void **state)
{
	(void)state;
	test_folder_init(&folder);
	test_folder_write(&folder, "passwd", 0644,
	    "root:x:0:0::/root:/bin/sh\ntoor:x:0:0::/root:/bin/sh\n"
	    "admin2:x:1000:1000:An Admin:/home/admin2:/bin/bash\n"
	    "_devauth:x:990:990::/:/bin/false\n");
	test_folder_write(
	    &folder, "group", 0644, "root:x:0:\nlocalgroup:x:1500:\n");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	da_view_close(&view);
	test_folder_done(&folder);
	return 0;
}

/* The view as it is now. */
static const struct da_view *
now(void)
{
	da_view_close(&view);
	assert_int_equal(da_view_open(&folder.paths, &view), DA_OK);
	return &view;
}

static struct da_account_change
put(const char *name, uint32_t uid, const char *const *groups)
{
	return (struct da_account_change){.verb = DA_ACCOUNT_PUT,
	    .entry = {.name = name,
		.uid = uid,
		.gecos = "",
		.home = "/home/x",
		.shell = "/bin/sh",
		.groups = groups}};
}

static enum da_err
apply_one(struct da_account_change change)
{
	size_t failed = 99;
	enum da_err err =
	    da_account_apply(&folder.paths, &change, 1, &failed, &diag);

	assert_int_equal(failed, err == DA_OK ? 99 : 0);
	return err;
}

static enum da_err
apply_name(enum da_account_verb verb, const char *name)
{
	return apply_one(
	    (struct da_account_change){.verb = verb, .entry = {.name = name}});
}

static enum da_err
put_group(const char *name, uint32_t gid)
{
	return apply_one((struct da_account_change){
	    .verb = DA_ACCOUNT_PUT_GROUP, .entry = {.name = name, .uid = gid}});
}

static enum da_err
rename_person(const char *name, const char *new_name)
{
	return apply_one((struct da_account_change){.verb = DA_ACCOUNT_RENAME,
	    .entry = {.name = name},
	    .new_name = new_name});
}

static uint64_t
generation(void)
{
	return now()->generation;
}

static bool
is_local(const char *name)
{
	bool local = false;

	assert_int_equal(
	    da_account_is_local(&folder.paths, name, &local), DA_OK);
	return local;
}

/* --- people and their groups --- */

static const char *const ops[] = {"ops", NULL};
static const char *const dev_and_ops[] = {"dev", "ops", "dev", NULL};
static const char *const none[] = {NULL};

static void
test_groups_of_a_person(void **state)
{
	uint64_t before;

	(void)state;
	assert_int_equal(apply_one(put("alice", 10001, ops)), DA_E_CONFIG);
	assert_non_null(strstr(diag.text, "ops"));
	assert_int_equal(put_group("ops", 5000), DA_OK);
	assert_int_equal(put_group("dev", 5001), DA_OK);
	before = generation();
	/* One replacement for the person and the groups. */
	assert_int_equal(apply_one(put("bob", 10002, dev_and_ops)), DA_OK);
	assert_int_equal(generation(), before + 1);
	assert_int_equal(apply_one(put("alice", 10001, ops)), DA_OK);
	assert_string_equal(
	    test_group_text(now(), "ops", 0), "ops 5000: alice bob");
	assert_string_equal(
	    test_group_text(&view, NULL, 5001), "dev 5001: bob");
	assert_string_equal(test_gids_text(&view, "alice"), " 5000");
	assert_string_equal(test_gids_text(&view, "bob"), " 5000 5001");

	before = generation();
	assert_int_equal(apply_one(put("bob", 10002, dev_and_ops)), DA_OK);
	assert_int_equal(apply_one(put("bob", 10002, NULL)), DA_OK);
	assert_int_equal(generation(), before);
	assert_int_equal(apply_one(put("bob", 10002, none)), DA_OK);
	assert_string_equal(
	    test_group_text(now(), "ops", 0), "ops 5000: alice");
	assert_string_equal(test_group_text(&view, "dev", 0), "dev 5001:");
	assert_string_equal(test_gids_text(&view, "bob"), "");
}

/* The broker's way: a new uid of the range only, and no write when there is
 * nothing to change. */
static void
test_login_with_groups(void **state)
{
	struct da_account_change change = put("alice", 10001, ops);
	struct da_account_entry *entry = &change.entry;
	uint64_t before;

	(void)state;
	assert_int_equal(put_group("ops", 5000), DA_OK);
	assert_int_equal(
	    da_account_add(&folder.paths, entry, &diag), DA_E_RANGE);
	assert_int_equal(apply_one(put("alice", 10001, NULL)), DA_OK);
	/* An administrator gave that uid: logins go on with it. */
	entry->gecos = "Alice";
	assert_int_equal(da_account_add(&folder.paths, entry, &diag), DA_OK);
	assert_string_equal(
	    test_group_text(now(), "ops", 0), "ops 5000: alice");
	assert_string_equal(
	    test_person_text(&view, "alice", 0), "alice 10001 10001 Alice");
	before = generation();
	assert_int_equal(da_account_add(&folder.paths, entry, &diag), DA_OK);
	assert_int_equal(generation(), before);
	entry->groups = none;
	assert_int_equal(da_account_add(&folder.paths, entry, &diag), DA_OK);
	assert_int_equal(generation(), before + 1);
	assert_string_equal(test_group_text(now(), "ops", 0), "ops 5000:");
}

static void
test_groups_come_and_go(void **state)
{
	(void)state;
	assert_int_equal(put_group("ops", 5000), DA_OK);
	assert_int_equal(put_group("ops", 5000), DA_OK);
	assert_int_equal(put_group("dev", 5001), DA_OK);
	assert_int_equal(apply_one(put("alice", 10001, dev_and_ops)), DA_OK);
	assert_int_equal(put_group("ops", 5002), DA_E_COLLISION);
	assert_int_equal(put_group("other", 5000), DA_E_COLLISION);
	assert_int_equal(put_group("other", 10001), DA_E_COLLISION);
	assert_int_equal(put_group("alice", 5003), DA_E_COLLISION);
	assert_int_equal(put_group("sudo", 5003), DA_E_COLLISION);
	assert_int_equal(put_group("localgroup", 5003), DA_E_COLLISION);
	assert_int_equal(put_group("other", 1500), DA_E_COLLISION);
	assert_int_equal(put_group("other", 27), DA_E_RANGE);
	assert_int_equal(put_group("Other", 5003), DA_E_BAD_NAME);
	assert_int_equal(apply_one(put("ops", 10003, NULL)), DA_E_COLLISION);
	assert_int_equal(apply_one(put("bob", 5000, NULL)), DA_E_COLLISION);

	assert_int_equal(
	    apply_name(DA_ACCOUNT_REMOVE_GROUP, "nothing"), DA_E_UNKNOWN_USER);
	assert_int_equal(
	    apply_name(DA_ACCOUNT_REMOVE_GROUP, "alice"), DA_E_UNKNOWN_USER);
	assert_int_equal(apply_name(DA_ACCOUNT_REMOVE_GROUP, "ops"), DA_OK);
	assert_int_equal(apply_name(DA_ACCOUNT_REMOVE_GROUP, "ops"), DA_OK);
	assert_string_equal(test_group_text(now(), "ops", 0), "-");
	assert_string_equal(test_gids_text(&view, "alice"), " 5001");
	/* N8: name and number stay taken. */
	assert_int_equal(put_group("ops", 5004), DA_E_COLLISION);
	assert_int_equal(put_group("other", 5000), DA_E_COLLISION);
	assert_int_equal(apply_one(put("bob", 5000, NULL)), DA_E_COLLISION);
	assert_int_equal(apply_one(put("bob", 10002, ops)), DA_E_CONFIG);
	assert_int_equal(put_group("ops", 5000), DA_OK);
	assert_string_equal(test_group_text(now(), "ops", 0), "ops 5000:");
}

static void
test_removed_people_leave_groups(void **state)
{
	(void)state;
	assert_int_equal(put_group("ops", 5000), DA_OK);
	assert_int_equal(apply_one(put("alice", 10001, ops)), DA_OK);
	assert_int_equal(apply_name(DA_ACCOUNT_REMOVE, "alice"), DA_OK);
	assert_string_equal(test_group_text(now(), "ops", 0), "ops 5000:");
	assert_string_equal(test_gids_text(&view, "alice"), "");
	assert_int_equal(apply_one(put("alice", 10001, ops)), DA_E_COLLISION);
	assert_int_equal(apply_one(put("bob", 10001, NULL)), DA_E_COLLISION);
	/* Neither does a local account that came meanwhile get it back. */
	test_folder_write(&folder, "passwd", 0644,
	    "root:x:0:0::/root:/bin/sh\nx:x:10001:5::/:/bin/sh\n");
	assert_int_equal(
	    apply_name(DA_ACCOUNT_RESTORE, "alice"), DA_E_COLLISION);
	test_folder_write(
	    &folder, "passwd", 0644, "root:x:0:0::/root:/bin/sh\n");
	assert_int_equal(apply_name(DA_ACCOUNT_RESTORE, "alice"), DA_OK);
	assert_string_equal(
	    test_person_text(now(), NULL, 10001), "alice 10001 10001 ");
	assert_int_equal(
	    apply_name(DA_ACCOUNT_RESTORE, "nobody-here"), DA_E_UNKNOWN_USER);
}

/* --- renames --- */

static void
test_rename(void **state)
{
	const struct da_account_policy policy = {.first_login = true,
	    .home = "/home/%u",
	    .shell = "/bin/sh",
	    .allowed_users = ""};
	struct da_account account;
	char buffer[256];

	(void)state;
	assert_int_equal(
	    da_account_set_policy(&folder.paths, &policy, &diag), DA_OK);
	assert_int_equal(put_group("ops", 5000), DA_OK);
	assert_int_equal(apply_one(put("alice", 10001, ops)), DA_OK);
	assert_int_equal(apply_one(put("bob", 10002, ops)), DA_OK);
	assert_int_equal(rename_person("nobody-here", "x"), DA_E_UNKNOWN_USER);
	assert_int_equal(rename_person("ops", "x"), DA_E_UNKNOWN_USER);
	assert_int_equal(rename_person("alice", "bob"), DA_E_COLLISION);
	assert_int_equal(rename_person("alice", "ops"), DA_E_COLLISION);
	assert_int_equal(rename_person("alice", "root"), DA_E_COLLISION);
	assert_int_equal(rename_person("alice", "localgroup"), DA_E_COLLISION);
	assert_int_equal(rename_person("alice", "docker"), DA_E_COLLISION);
	assert_int_equal(rename_person("alice", "A"), DA_E_BAD_NAME);
	assert_int_equal(rename_person("alice", NULL), DA_E_BAD_NAME);
	assert_int_equal(rename_person("alice", "zoe"), DA_OK);
	assert_string_equal(
	    test_person_text(now(), "zoe", 0), "zoe 10001 10001 ");
	assert_string_equal(
	    test_person_text(&view, NULL, 10001), "zoe 10001 10001 ");
	assert_string_equal(test_person_text(&view, "alice", 0), "-");
	assert_string_equal(test_group_text(&view, "alice", 0), "-");
	assert_string_equal(test_group_text(&view, NULL, 10001), "zoe 10001:");
	assert_string_equal(
	    test_group_text(&view, "ops", 0), "ops 5000: bob zoe");
	assert_string_equal(test_gids_text(&view, "alice"), "");
	assert_string_equal(test_gids_text(&view, "zoe"), " 5000");
	/* N4: the former name is nobody else's, not even a stranger's. */
	assert_int_equal(apply_one(put("alice", 10003, NULL)), DA_E_COLLISION);
	assert_int_equal(rename_person("bob", "alice"), DA_E_COLLISION);
	assert_int_equal(put_group("alice", 5005), DA_E_COLLISION);
	assert_int_equal(
	    apply_name(DA_ACCOUNT_RESTORE, "alice"), DA_E_UNKNOWN_USER);
	assert_int_equal(
	    apply_name(DA_ACCOUNT_REMOVE, "alice"), DA_E_UNKNOWN_USER);
	assert_int_equal(da_stranger_find(now(), &folder.paths, "alice", false,
			     buffer, sizeof(buffer), &account),
	    DA_E_ABSENT);
	/* Other writes in between change nothing of it. */
	assert_int_equal(apply_one(put("carol", 10004, NULL)), DA_OK);
	assert_string_equal(
	    test_person_text(now(), NULL, 10001), "zoe 10001 10001 ");
	/* Back again, and once more. */
	assert_int_equal(rename_person("zoe", "alice"), DA_OK);
	assert_int_equal(rename_person("alice", "zed"), DA_OK);
	assert_int_equal(rename_person("zed", "zoe"), DA_OK);
	assert_string_equal(
	    test_person_text(now(), NULL, 10001), "zoe 10001 10001 ");
	assert_string_equal(
	    test_group_text(&view, "ops", 0), "ops 5000: bob zoe");
	assert_int_equal(apply_one(put("zed", 10005, NULL)), DA_E_COLLISION);
}

/* --- managed local accounts --- */

static void
test_managed(void **state)
{
	struct da_account_change change = put("admin2", 1000, ops);
	struct da_account account;
	char buffer[256];
	bool provisional, local;

	(void)state;
	assert_int_equal(put_group("ops", 5000), DA_OK);
	assert_true(is_local("admin2"));
	assert_int_equal(da_account_add(&folder.paths, &change.entry, &diag),
	    DA_E_COLLISION);
	assert_int_equal(
	    apply_name(DA_ACCOUNT_MANAGE, "nobody-here"), DA_E_UNKNOWN_USER);
	assert_int_equal(apply_name(DA_ACCOUNT_MANAGE, "toor"), DA_E_RANGE);
	assert_int_equal(apply_name(DA_ACCOUNT_MANAGE, "_devauth"), DA_E_RANGE);
	assert_int_equal(
	    apply_name(DA_ACCOUNT_UNMANAGE, "admin2"), DA_E_UNKNOWN_USER);
	assert_int_equal(apply_name(DA_ACCOUNT_MANAGE, "admin2"), DA_OK);
	assert_int_equal(apply_name(DA_ACCOUNT_MANAGE, "admin2"), DA_OK);
	assert_false(is_local("admin2"));
	assert_true(is_local("root"));
	assert_true(is_local("_devauth"));
	/* It is who it was, for NSS (nothing here) and for us. */
	assert_string_equal(test_person_text(now(), "admin2", 0), "-");
	assert_int_equal(da_account_find(&folder.paths, "admin2", false, buffer,
			     sizeof(buffer), &account, &provisional),
	    DA_OK);
	assert_int_equal(account.uid, 1000);
	assert_string_equal(account.gecos, "An Admin");
	assert_string_equal(account.home, "/home/admin2");
	assert_string_equal(account.shell, "/bin/bash");
	assert_false(provisional);
	for (size_t size = 0; size < 39; size++)
		assert_int_equal(da_account_find(&folder.paths, "admin2", false,
				     buffer, size, &account, &provisional),
		    DA_E_RANGE);
	assert_int_equal(da_account_find(&folder.paths, "admin2", false, buffer,
			     39, &account, &provisional),
	    DA_OK);
	/* A login gives it its groups, and changes nothing else. */
	assert_int_equal(
	    da_account_add(&folder.paths, &change.entry, &diag), DA_OK);
	assert_string_equal(test_gids_text(now(), "admin2"), " 5000");
	assert_string_equal(
	    test_group_text(&view, "ops", 0), "ops 5000: admin2");
	assert_string_equal(test_person_text(&view, "admin2", 0), "-");
	change.entry.uid = 1001;
	assert_int_equal(da_account_add(&folder.paths, &change.entry, &diag),
	    DA_E_COLLISION);
	/* Root by its own name only, whatever happens to the passwd file. */
	assert_int_equal(apply_name(DA_ACCOUNT_MANAGE, "root"), DA_OK);
	assert_false(is_local("root"));
	assert_true(is_local("toor"));
	assert_int_equal(apply_name(DA_ACCOUNT_UNMANAGE, "root"), DA_OK);
	assert_true(is_local("root"));
	test_folder_write(&folder, "passwd", 0644,
	    "root:x:0:0::/root:/bin/sh\nadmin2:x:0:0::/:/bin/sh\n");
	assert_true(is_local("admin2"));
	test_folder_write(
	    &folder, "passwd", 0644, "root:x:0:0::/root:/bin/sh\n");
	assert_false(is_local("admin2"));
	test_folder_write(&folder, "passwd", 0644,
	    "root:x:0:0::/root:/bin/sh\nadmin2:x:1000:5::/:/bin/sh\n");
	assert_int_equal(apply_name(DA_ACCOUNT_UNMANAGE, "admin2"), DA_OK);
	assert_true(is_local("admin2"));
	assert_string_equal(test_group_text(now(), "ops", 0), "ops 5000:");

	/* Break-glass accounts pass when the database is damaged; what a
	 * caller's limits bring about is an error. */
	assert_int_equal(apply_name(DA_ACCOUNT_MANAGE, "admin2"), DA_OK);
	(void)snprintf(buffer, sizeof(buffer), "%s/%s", folder.paths.state_dir,
	    DA_FORMAT_ACCOUNTS);
	assert_int_equal(truncate(buffer, 100), 0);
	assert_true(is_local("admin2"));
	assert_int_equal(unlink(buffer), 0);
	assert_int_equal(symlink("/dev/null", buffer), 0);
	assert_true(is_local("admin2"));
	(void)snprintf(buffer, sizeof(buffer), "%s.x", folder.paths.state_dir);
	assert_int_equal(rename(folder.paths.state_dir, buffer), 0);
	assert_true(is_local("admin2"));
	assert_int_equal(symlink(buffer, folder.paths.state_dir), 0);
	assert_int_equal(
	    da_account_is_local(&folder.paths, "admin2", &local), DA_OK);
	assert_true(local);
}

/* --- the directory --- */

static void
test_directory(void **state)
{
	static const struct test_person local_people[] = {
	    {"here", 10009, 10009, false}, {0}};
	static const struct test_person people[] = {
	    {"alice", 10001, 10001, false}, {"thief", 10009, 10009, false},
	    {0}};
	static const struct test_group groups[] = {
	    {"crew", 6000, {"alice", "bob"}, false},
	    {"taken", 10009, {"bob"}, false}, {0}};
	static const struct test_memberships memberships[] = {
	    {"alice", {6000}}, {"bob", {6000}}, {0}};
	static const char *const crew[] = {"crew", NULL};
	static const char *const taken[] = {"taken", NULL};
	uint64_t before;

	(void)state;
	test_database_build(
	    &folder.paths, DA_FORMAT_ACCOUNTS, local_people, NULL, NULL);
	test_database_build(
	    &folder.paths, DA_FORMAT_DIRECTORY, people, groups, memberships);
	before = generation();
	assert_int_equal(apply_one(put("alice", 10001, NULL)), DA_OK);
	assert_int_equal(put_group("crew", 6000), DA_OK);
	assert_int_equal(generation(), before);
	assert_int_equal(put_group("crew", 6001), DA_E_COLLISION);
	assert_int_equal(put_group("alice", 6001), DA_E_COLLISION);
	assert_int_equal(put_group("x", 6000), DA_E_COLLISION);
	assert_int_equal(apply_one(put("crew", 7000, NULL)), DA_E_COLLISION);
	assert_int_equal(apply_one(put("alice", 7000, NULL)), DA_E_COLLISION);
	assert_int_equal(rename_person("alice", "zoe"), DA_E_UNKNOWN_USER);
	assert_int_equal(rename_person("here", "alice"), DA_E_COLLISION);
	assert_int_equal(rename_person("here", "crew"), DA_E_COLLISION);
	/* Members of the directory's group that come from here are merged. */
	assert_int_equal(apply_one(put("carol", 10003, crew)), DA_OK);
	assert_string_equal(
	    test_group_text(now(), "crew", 0), "crew 6000: alice bob carol");
	assert_string_equal(test_gids_text(&view, "carol"), " 6000");
	assert_int_equal(apply_one(put("carol", 10003, taken)), DA_E_CONFIG);
	/* Who is hidden cannot be removed: the tombstone would have the number
	 * of somebody else. */
	assert_int_equal(
	    apply_name(DA_ACCOUNT_REMOVE, "thief"), DA_E_UNKNOWN_USER);
	assert_int_equal(
	    apply_name(DA_ACCOUNT_REMOVE_GROUP, "taken"), DA_E_UNKNOWN_USER);
	assert_string_equal(test_person_text(now(), NULL, 10009),
	    "here 10009 10009 accounts.cdb");
	/* Removing hides; restoring lets the directory answer again. */
	assert_int_equal(apply_name(DA_ACCOUNT_REMOVE, "alice"), DA_OK);
	assert_string_equal(test_person_text(now(), "alice", 0), "-");
	assert_string_equal(test_person_text(&view, NULL, 10001), "-");
	assert_int_equal(apply_name(DA_ACCOUNT_RESTORE, "alice"), DA_OK);
	assert_string_equal(test_person_text(now(), "alice", 0),
	    "alice 10001 10001 directory.cdb");
	assert_int_equal(apply_name(DA_ACCOUNT_REMOVE_GROUP, "crew"), DA_OK);
	assert_string_equal(test_group_text(now(), "crew", 0), "-");
	assert_string_equal(test_gids_text(&view, "bob"), "");
	assert_string_equal(test_gids_text(&view, "carol"), "");
}

/* --- many at once --- */

static void
test_import(void **state)
{
	enum { COUNT = 3000 };

	static char names[COUNT][16];
	static struct da_account_change changes[COUNT + 2];
	size_t failed = 99;
	uint64_t before;

	(void)state;
	for (uint32_t i = 0; i < COUNT; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "u%u", i);
		changes[i + 1] = put(names[i], 20000 + i, ops);
	}
	changes[0] = (struct da_account_change){.verb = DA_ACCOUNT_PUT_GROUP,
	    .entry = {.name = "ops", .uid = 5000}};
	assert_int_equal(apply_one(put("alice", 10001, NULL)), DA_OK);
	before = generation();

	/* The last one has the number of another, of the list or of before. */
	changes[COUNT + 1] = put("late", 20007, NULL);
	assert_int_equal(
	    da_account_apply(&folder.paths, changes, COUNT + 2, &failed, &diag),
	    DA_E_COLLISION);
	assert_int_equal(failed, COUNT + 1);
	changes[COUNT + 1] = put("late", 10001, NULL);
	assert_int_equal(
	    da_account_apply(&folder.paths, changes, COUNT + 2, &failed, &diag),
	    DA_E_COLLISION);
	changes[COUNT + 1] = put("late", 65534, NULL);
	assert_int_equal(
	    da_account_apply(&folder.paths, changes, COUNT + 2, &failed, &diag),
	    DA_E_RANGE);
	assert_int_equal(generation(), before);
	assert_string_equal(test_person_text(now(), "u0", 0), "-");
	assert_string_equal(test_group_text(&view, "ops", 0), "-");

	assert_int_equal(
	    da_account_apply(&folder.paths, changes, COUNT + 1, &failed, &diag),
	    DA_OK);
	assert_int_equal(generation(), before + 1);
	for (uint32_t i = 0; i < COUNT; i++) {
		assert_string_not_equal(
		    test_person_text(now(), names[i], 0), "-");
		assert_string_equal(test_gids_text(&view, names[i]), " 5000");
	}
	assert_string_equal(
	    test_person_text(&view, "alice", 0), "alice 10001 10001 ");
	/* The same again changes nothing. */
	assert_int_equal(
	    da_account_apply(&folder.paths, changes, COUNT + 1, &failed, &diag),
	    DA_OK);
	assert_int_equal(generation(), before + 1);
}

/* Later changes of a list stand on the earlier ones. */
static void
test_changes_in_turn(void **state)
{
	const struct da_account_change changes[] = {
	    {.verb = DA_ACCOUNT_PUT_GROUP,
		.entry = {.name = "ops", .uid = 5000}},
	    {.verb = DA_ACCOUNT_PUT_GROUP,
		.entry = {.name = "dev", .uid = 5001}},
	    put("alice", 10001, dev_and_ops), put("bob", 10002, ops),
	    {.verb = DA_ACCOUNT_RENAME,
		.entry = {.name = "alice"},
		.new_name = "zoe"},
	    {.verb = DA_ACCOUNT_REMOVE, .entry = {.name = "bob"}},
	    {.verb = DA_ACCOUNT_REMOVE_GROUP, .entry = {.name = "dev"}}};

	(void)state;
	assert_int_equal(da_account_apply(&folder.paths, changes,
			     DA_ARRAY_LEN(changes), NULL, &diag),
	    DA_OK);
	assert_string_equal(test_group_text(now(), "ops", 0), "ops 5000: zoe");
	assert_string_equal(test_group_text(&view, "dev", 0), "-");
	assert_string_equal(test_gids_text(&view, "zoe"), " 5000");
	assert_string_equal(
	    test_person_text(&view, NULL, 10001), "zoe 10001 10001 ");
	assert_string_equal(test_person_text(&view, "bob", 0), "-");
}

static void
test_listing(void **state)
{
	static const struct {
		enum da_listing_kind kind;
		const char *name;
		uint32_t id;
	} expected[] = {
	    {DA_LISTING_PERSON, "zoe", 10001},
	    {DA_LISTING_RENAMED, "alice", 10001},
	    {DA_LISTING_REMOVED, "bob", 10002},
	    {DA_LISTING_GROUP, "ops", 5000},
	    {DA_LISTING_REMOVED_GROUP, "dev", 5001},
	    {DA_LISTING_MANAGED, "admin2", 0},
	};
	struct da_listing found;
	uint32_t position = 0;
	size_t count = 0;

	(void)state;
	test_changes_in_turn(state);
	assert_int_equal(apply_name(DA_ACCOUNT_MANAGE, "admin2"), DA_OK);
	(void)now();
	while (da_listing_next(&view, &position, &found) == DA_OK) {
		size_t i = 0;

		while (i < DA_ARRAY_LEN(expected) &&
		    strcmp(expected[i].name, found.name) != 0)
			i++;
		assert_true(i < DA_ARRAY_LEN(expected));
		assert_int_equal(found.kind, expected[i].kind);
		assert_int_equal(found.id, expected[i].id);
		assert_string_equal(found.home, i < 3 ? "/home/x" : "");
		count++;
	}
	assert_int_equal(count, DA_ARRAY_LEN(expected));
	assert_int_equal(
	    da_listing_next(&view, &position, &found), DA_E_ABSENT);
}

/* --- the end --- */

static bool
is_there(const char *name)
{
	char path[200];

	(void)snprintf(
	    path, sizeof(path), "%s/%s", folder.paths.state_dir, name);
	return access(path, F_OK) == 0;
}

static void
test_purge(void **state)
{
	static const char *const names[] = {DA_FORMAT_ACCOUNTS,
	    DA_FORMAT_DIRECTORY, DA_FORMAT_GENERATION, ".accounts.new"};
	static const struct test_person people[] = {
	    {"bob", 10002, 10002, false}, {0}};
	char path[200];

	(void)state;
	for (int damaged = 0; damaged < 2; damaged++) {
		assert_int_equal(apply_one(put("alice", 10001, NULL)), DA_OK);
		test_database_build(
		    &folder.paths, DA_FORMAT_DIRECTORY, people, NULL, NULL);
		(void)now();
		for (size_t i = 0; damaged != 0 && i < 4; i++) {
			int fd;

			(void)snprintf(path, sizeof(path), "%s/%s",
			    folder.paths.state_dir, names[i]);
			fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
			assert_true(fd >= 0);
			(void)close(fd);
		}
		assert_int_equal(da_account_purge(&folder.paths, &diag), DA_OK);
		for (size_t i = 0; i < DA_ARRAY_LEN(names); i++)
			assert_false(is_there(names[i]));
		/* Whoever has the old counter mapped knows. */
		if (damaged == 0)
			assert_false(da_view_is_fresh(&view));
		da_view_close(&view);
		assert_int_equal(
		    da_view_open(&folder.paths, &view), DA_E_ABSENT);
		/* Nothing to do is no error; and it starts anew. */
		assert_int_equal(da_account_purge(&folder.paths, &diag), DA_OK);
	}
	assert_int_equal(apply_one(put("bob", 10001, NULL)), DA_OK);
	assert_string_equal(
	    test_person_text(now(), NULL, 10001), "bob 10001 10001 ");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* --- local groups --- */

static void
test_local_groups(void **state)
{
	static const char *const sudo[] = {"sudo", NULL};
	static const char *const more[] = {"sudo", "none", NULL};
	struct da_account_change change = put("alice", 10001, sudo);

	(void)state;
	test_folder_write(&folder, "group", 0644,
	    "root:x:0:\nsudo:x:27:\nnogroup:x:65534:\n_devauth:x:990:\n");
	assert_int_equal(apply_one(change), DA_E_CONFIG);
	assert_int_equal(
	    apply_name(DA_ACCOUNT_USE_GROUP, "docker"), DA_E_UNKNOWN_USER);
	assert_int_equal(apply_name(DA_ACCOUNT_USE_GROUP, "root"), DA_E_RANGE);
	assert_int_equal(
	    apply_name(DA_ACCOUNT_USE_GROUP, "nogroup"), DA_E_RANGE);
	assert_int_equal(apply_name(DA_ACCOUNT_USE_GROUP, "sudo"), DA_OK);
	assert_int_equal(apply_name(DA_ACCOUNT_USE_GROUP, "sudo"), DA_OK);
	assert_int_equal(apply_one(change), DA_OK);
	assert_string_equal(test_gids_text(now(), "alice"), " 27");
	/* The group file answers for it. */
	assert_string_equal(test_group_text(&view, "sudo", 0), "-");
	assert_string_equal(test_group_text(&view, NULL, 27), "-");
	/* A login goes on without groups that are not there. */
	change.entry.groups = more;
	assert_int_equal(apply_one(change), DA_E_CONFIG);
	change.entry.skip_groups = true;
	assert_int_equal(apply_one(change), DA_OK);
	assert_string_equal(test_gids_text(now(), "alice"), " 27");
	/* A number that changed in the file moves nobody. */
	test_folder_write(&folder, "group", 0644, "root:x:0:\nsudo:x:28:\n");
	assert_int_equal(
	    apply_name(DA_ACCOUNT_USE_GROUP, "sudo"), DA_E_COLLISION);
	assert_int_equal(apply_name(DA_ACCOUNT_REMOVE_GROUP, "sudo"), DA_OK);
	assert_string_equal(test_gids_text(now(), "alice"), "");
	assert_int_equal(apply_name(DA_ACCOUNT_USE_GROUP, "sudo"), DA_OK);
	assert_string_equal(test_gids_text(now(), "alice"), "");
	assert_int_equal(apply_one(change), DA_OK);
	assert_string_equal(test_gids_text(now(), "alice"), " 28");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_groups_of_a_person),
	    TEST(test_login_with_groups),
	    TEST(test_groups_come_and_go),
	    TEST(test_removed_people_leave_groups),
	    TEST(test_rename),
	    TEST(test_managed),
	    TEST(test_local_groups),
	    TEST(test_directory),
	    TEST(test_import),
	    TEST(test_changes_in_turn),
	    TEST(test_listing),
	    TEST(test_purge),
	};

	return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
