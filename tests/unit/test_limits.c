/* store/limits: buckets, known sources, a full table, a damaged file. */
#include "unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "store/limits.h"

static struct test_folder folder;
static struct da_diag diag;

static enum da_err
take(const char *source, const char *user, bool key_proved, int64_t at_ms)
{
	const struct da_limits_request request = {.source = source,
	    .user = user,
	    .key_proved = key_proved,
	    .now_mono_ms = at_ms};

	return da_limits_take(&folder.paths, &request, &diag);
}

static int
take_until_limited(const char *source, const char *user, int64_t at_ms)
{
	for (int count = 0; count < 1000; count++) {
		enum da_err err = take(source, user, false, at_ms);

		if (err == DA_E_LIMITED)
			return count;
		assert_int_equal(err, DA_OK);
	}
	return 1000;
}

static void
test_user_bucket(void **state)
{
	(void)state;
	assert_int_equal(take_until_limited("192.0.2.1", "alice", 1000), 10);
	assert_string_equal(diag.text, "too many attempts for this account");
	/* Another account of the same source is free to go on. */
	assert_int_equal(take("192.0.2.1", "bob", false, 1000), DA_OK);
	/* One more every 12 s; all ten after two minutes. */
	assert_int_equal(
	    take("192.0.2.1", "alice", false, 12999), DA_E_LIMITED);
	assert_int_equal(take("192.0.2.1", "alice", false, 13000), DA_OK);
	assert_int_equal(
	    take("192.0.2.1", "alice", false, 13000), DA_E_LIMITED);
	assert_int_equal(take_until_limited("192.0.2.1", "alice", 1000000), 10);
}

static void
test_source_bucket(void **state)
{
	char user[16];
	int count = 0;

	(void)state;
	for (; count < 100; count++) {
		char source[32];

		(void)snprintf(user, sizeof(user), "user%d", count);
		(void)snprintf(source, sizeof(source), "192.0.2.%d", count);
		if (take(source, user, false, 1000) != DA_OK)
			break;
	}
	/* The whole /24 is one source. */
	assert_int_equal(count, 20);
	assert_string_equal(diag.text, "too many attempts for this source");
	assert_int_equal(take("192.0.3.1", "other", false, 1000), DA_OK);
	/* A refused request takes from no bucket: the account is untouched. */
	assert_int_equal(take_until_limited("192.0.3.2", user, 1000), 10);
}

static void
test_ipv6_by_64(void **state)
{
	char source[40], user[16];

	(void)state;
	for (int i = 0; i < 20; i++) {
		(void)snprintf(source, sizeof(source), "2001:db8::%x:1", i);
		(void)snprintf(user, sizeof(user), "user%d", i);
		assert_int_equal(take(source, user, false, 1000), DA_OK);
	}
	assert_int_equal(
	    take("2001:db8:0:0:ffff::1", "x", false, 1000), DA_E_LIMITED);
	assert_int_equal(take("2001:db8:0:1::1", "x", false, 1000), DA_OK);
	/* A v4-mapped address is its IPv4 network. */
	for (int i = 0; i < 20; i++) {
		(void)snprintf(user, sizeof(user), "mapped%d", i);
		assert_int_equal(
		    take(i % 2 == 0 ? "::ffff:198.51.100.1" : "198.51.100.9",
			user, false, 1000),
		    DA_OK);
	}
	assert_int_equal(take("198.51.100.77", "y", false, 1000), DA_E_LIMITED);
}

/* X1: ten thousand names and sources; the host as a whole stays bounded, and
 * people with a proved key or a known source still get in. */
static void
test_flood(void **state)
{
	const struct da_limits_request known = {
	    .source = "203.0.113.5", .user = "carol", .now_mono_ms = 1000};
	char source[32], user[16];
	int passed = 0;

	(void)state;
	assert_int_equal(
	    da_limits_remember(&folder.paths, &known, &diag), DA_OK);
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(
		    source, sizeof(source), "10.%d.%d.1", i / 256, i % 256);
		(void)snprintf(user, sizeof(user), "user%d", i);
		if (take(source, user, false, 1000) == DA_OK)
			passed++;
	}
	assert_int_equal(passed, 200);
	assert_int_equal(take("192.0.2.1", "alice", false, 1000), DA_E_LIMITED);
	assert_int_equal(take("192.0.2.1", "alice", true, 1000), DA_OK);
	assert_int_equal(take("203.0.113.99", "bob", false, 1000), DA_OK);
	assert_int_equal(take("", "dave", false, 1000), DA_OK);
}

static void
fill_strangers(void)
{
	FILE *file = fopen(folder.paths.limits_file, "r+");

	struct {
		uint64_t key;
		int64_t full_at_ms;
	} slot = {1, INT64_MAX};

	assert_non_null(file);
	assert_int_equal(fseek(file, 64, SEEK_SET), 0);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(fwrite(&slot, sizeof(slot), 1, file), 1);
	assert_int_equal(fclose(file), 0);
}

/* A table with no free slot refuses strangers, nobody else. */
static void
test_full_table(void **state)
{
	char source[32], user[16];
	int64_t at_ms = 1000;
	bool full = false;

	(void)state;
	/* One every 100 ms, so that the host's bucket never runs dry, while a
	 * slot stays in use for 3 to 12 s each: fill by hand instead. */
	assert_int_equal(take("192.0.2.1", "alice", false, at_ms), DA_OK);
	fill_strangers();
	for (int i = 0; i < 10; i++) {
		(void)snprintf(source, sizeof(source), "10.0.%d.1", i);
		(void)snprintf(user, sizeof(user), "user%d", i);
		full = take(source, user, false, at_ms) == DA_E_LIMITED;
		assert_true(full);
	}
	assert_string_equal(diag.text, "the table of limits is full");
	assert_int_equal(take("10.9.9.9", "bob", true, at_ms), DA_OK);
}

static void
remember(const char *source, int64_t at_ms)
{
	const struct da_limits_request request = {
	    .source = source, .user = "alice", .now_mono_ms = at_ms};

	assert_int_equal(
	    da_limits_remember(&folder.paths, &request, &diag), DA_OK);
}

/* Sources that logged in are remembered for a month. However many they are,
 * those who proved keys keep their room, and the newest sources their own. */
static void
test_full_memory(void **state)
{
	char source[32], user[16];

	(void)state;
	for (int i = 0; i < 10000; i++) {
		(void)snprintf(
		    source, sizeof(source), "10.%d.%d.1", i / 256, i % 256);
		remember(source, 1000 + i);
	}
	for (int i = 0; i < 20; i++) {
		(void)snprintf(source, sizeof(source), "198.51.%d.1", i);
		(void)snprintf(user, sizeof(user), "user%d", i);
		assert_int_equal(take(source, user, true, 12000), DA_OK);
	}
	fill_strangers();
	assert_int_equal(take("192.0.2.1", "bob", false, 12000), DA_E_LIMITED);
	remember("192.0.2.1", 12000);
	assert_int_equal(take("192.0.2.1", "bob", false, 12000), DA_OK);
	/* The last that came, and one of the first, which made room. */
	assert_int_equal(take("10.39.15.1", "carol", false, 12000), DA_OK);
	assert_int_equal(take("10.0.0.1", "dave", false, 12000), DA_E_LIMITED);
}

/* G1: who holds the table for ever delays the others and does not hang them. */
static void
test_table_held_for_ever(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(take("192.0.2.1", "alice", false, 1000), DA_OK);
	fd = open(folder.paths.limits_file, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	(void)alarm(60); /* rather than ctest's patience */
	assert_int_equal(take("192.0.2.1", "alice", false, 1000), DA_E_TIMEOUT);
	(void)alarm(0);
	assert_non_null(
	    strstr(diag.text, "/limits: another process keeps it locked"));
	(void)close(fd);
	assert_int_equal(take("192.0.2.1", "alice", false, 1000), DA_OK);
}

static void
test_damaged_file(void **state)
{
	(void)state;
	assert_int_equal(take("192.0.2.1", "alice", false, 1000), DA_OK);
	assert_int_equal(truncate(folder.paths.limits_file, 10), 0);
	assert_int_equal(take("192.0.2.1", "alice", false, 1000), DA_OK);
	assert_int_equal(chmod(folder.paths.limits_file, 0666), 0);
	assert_int_equal(
	    take("192.0.2.1", "alice", false, 1000), DA_E_UNSAFE_FILE);
	assert_int_equal(unlink(folder.paths.limits_file), 0);
	assert_int_equal(symlink("/etc/passwd", folder.paths.limits_file), 0);
	assert_int_equal(
	    take("192.0.2.1", "alice", false, 1000), DA_E_UNSAFE_FILE);
}

int
main(void)
{
#define TEST(f) TEST_IN_FOLDER(f, folder)
	const struct CMUnitTest tests[] = {
	    TEST(test_user_bucket),
	    TEST(test_source_bucket),
	    TEST(test_ipv6_by_64),
	    TEST(test_flood),
	    TEST(test_full_table),
	    TEST(test_full_memory),
	    TEST(test_table_held_for_ever),
	    TEST(test_damaged_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
