#include "database.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "account/compose.h"
#include "account/reader.h"
#include "core/paths.h"
#include "unit.h"

void
test_database_build(const struct da_paths *paths, const char *file,
    const struct test_person *people, const struct test_group *groups,
    const struct test_memberships *memberships)
{
	struct da_build build;
	struct da_diag diag = {0};

	assert_int_equal(da_build_open(&build, paths, file, &diag), DA_OK);
	assert_int_equal(da_build_begin(&build, &diag), DA_OK);
	for (; people != NULL && people->name != NULL; people++) {
		const struct da_compose_person person = {.name = people->name,
		    .gecos = file,
		    .home = "/home/x",
		    .shell = "/bin/sh",
		    .uid = people->uid,
		    .gid = people->gid,
		    .removed = people->removed};

		assert_int_equal(da_compose_person(&build, &person), DA_OK);
	}
	for (; groups != NULL && groups->name != NULL; groups++) {
		struct da_compose_group group = {.name = groups->name,
		    .members = groups->members,
		    .gid = groups->gid,
		    .removed = groups->removed};

		while (groups->members[group.count] != NULL)
			group.count++;
		assert_int_equal(da_compose_group(&build, &group), DA_OK);
	}
	for (; memberships != NULL && memberships->name != NULL;
	     memberships++) {
		uint32_t count = 0;

		while (memberships->gids[count] != 0)
			count++;
		assert_int_equal(da_compose_gids(&build, memberships->name,
				     memberships->gids, count),
		    DA_OK);
	}
	assert_int_equal(da_build_commit(&build, &diag), DA_OK);
	da_build_done(&build);
}

const char *
test_group_text(const struct da_view *view, const char *name, uint32_t gid)
{
	static char text[256];
	char buffer[256];
	struct da_group group;
	int used;

	if ((name != NULL ? da_reader_find_group(
				view, name, buffer, sizeof(buffer), &group)
			  : da_reader_find_gid(view, gid, buffer,
				sizeof(buffer), &group)) != DA_OK)
		return "-";
	used = snprintf(text, sizeof(text), "%s %u:", group.name, group.gid);
	for (char **member = group.members; *member != NULL; member++)
		used += snprintf(
		    text + used, sizeof(text) - (size_t)used, " %s", *member);
	return text;
}

const char *
test_person_text(const struct da_view *view, const char *name, uint32_t uid)
{
	static char text[256];
	char buffer[256];
	struct da_account account;

	if ((name != NULL ? da_reader_find_name(
				view, name, buffer, sizeof(buffer), &account)
			  : da_reader_find_uid(view, uid, buffer,
				sizeof(buffer), &account)) != DA_OK)
		return "-";
	(void)snprintf(text, sizeof(text), "%s %u %u %s", account.name,
	    account.uid, account.gid, account.gecos);
	return text;
}

const char *
test_gids_text(const struct da_view *view, const char *name)
{
	/* A damaged list may be as long as any. */
	static char text[2 * DA_GROUPS_MAX * sizeof(" 2147483647")];
	struct da_reader_gids gids;
	uint32_t gid;
	int used = 0;

	text[0] = '\0';
	da_reader_find_gids(view, name, &gids);
	while (da_reader_next_gid(view, &gids, &gid))
		used += snprintf(
		    text + used, sizeof(text) - (size_t)used, " %u", gid);
	return text;
}

void
test_database_raise(const struct da_paths *paths)
{
	char path[200];
	uint64_t value = 0;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", paths->state_dir,
	    DA_FORMAT_GENERATION);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &value, sizeof(value), 0), 8);
	value++;
	assert_int_equal(pwrite(fd, &value, sizeof(value), 0), 8);
	(void)close(fd);
}

size_t
test_database_mappings(void)
{
	char line[512];
	size_t count = 0;
	FILE *maps = fopen("/proc/self/maps", "re");

	if (maps == NULL)
		return SIZE_MAX;
	while (fgets(line, sizeof(line), maps) != NULL)
		count += strstr(line, DA_FORMAT_ACCOUNTS) != NULL;
	(void)fclose(maps);
	return count;
}
