/*
 * Stands in for whoever synchronises directory.cdb: fills it with people
 * p000000, p000001, ... and one group, "crowd" (gid 5000), of the first of them
 * and of everybody who is named.
 *
 * usage: directory_driver PEOPLE MEMBERS [NAME...]   (names from a to o)
 */
#include <stdio.h>
#include <stdlib.h>

#include "account/build.h"
#include "account/compose.h"
#include "account/format.h"
#include "core/paths.h"

#define GID 5000u
#define UID_FIRST 100000u
#define NAME_ROOM 24

static const char *
name_of(unsigned long number, char name[static NAME_ROOM])
{
	(void)snprintf(name, NAME_ROOM, "p%06lu", number);
	return name;
}

static enum da_err
put_people(struct da_build *build, unsigned long people, unsigned long members)
{
	const uint32_t gid = GID;
	char name[NAME_ROOM];
	enum da_err err = DA_OK;

	for (unsigned long i = 0; err == DA_OK && i < people; i++) {
		const struct da_compose_person person = {
		    .name = name_of(i, name),
		    .gecos = "One of many",
		    .home = "/home/many",
		    .shell = "/bin/sh",
		    .uid = UID_FIRST + (uint32_t)i,
		    .gid = UID_FIRST + (uint32_t)i};

		err = da_compose_person(build, &person);
		if (err == DA_OK && i < members)
			err = da_compose_gids(build, name, &gid, 1);
	}
	return err;
}

static enum da_err
put_group(struct da_build *build, unsigned long members, char **named,
    size_t named_count)
{
	const uint32_t gid = GID;
	char(*names)[NAME_ROOM] = calloc(members + 1, sizeof(*names));
	const char **list = calloc(members + named_count + 1, sizeof(*list));
	struct da_compose_group group = {
	    .name = "crowd", .gid = GID, .members = list};
	enum da_err err = names != NULL && list != NULL ? DA_OK : DA_E_NOMEM;

	for (size_t i = 0; err == DA_OK && i < named_count; i++) {
		list[group.count++] = named[i];
		err = da_compose_gids(build, named[i], &gid, 1);
	}
	for (unsigned long i = 0; err == DA_OK && i < members; i++)
		list[group.count++] = name_of(i, names[i]);
	if (err == DA_OK)
		err = da_compose_group(build, &group);
	free(names);
	free(list);
	return err;
}

int
main(int argc, char **argv)
{
	struct da_build build;
	struct da_diag diag = {0};
	unsigned long people, members;
	enum da_err err;

	if (argc < 3)
		return 2;
	people = strtoul(argv[1], NULL, 10);
	members = strtoul(argv[2], NULL, 10);
	err = da_build_open(&build, &da_paths, DA_FORMAT_DIRECTORY, &diag);
	if (err == DA_OK)
		err = da_build_begin(&build, &diag);
	if (err == DA_OK)
		err = put_people(&build, people, members);
	if (err == DA_OK)
		err = put_group(&build, members, argv + 3, (size_t)argc - 3);
	if (err == DA_OK)
		err = da_build_commit(&build, &diag);
	da_build_done(&build);
	if (err != DA_OK)
		(void)fprintf(
		    stderr, "%s: %s\n", da_err_reason(err), diag.text);
	return err == DA_OK ? 0 : 1;
}
