/*
 * Fills what tests/bench/nss measures: the databases of devauth, the tables of
 * the reference, the text files of everybody else. Runs in a private host.
 *
 *	text N FOLDER	passwd and group, every private group in it
 *	cache N FOLDER	the same with the indexes of libnss-cache
 *	ref N		the tables of nss_ref.h
 *	devauth N	accounts.cdb, then directory.cdb
 *	add NAME	one account more in accounts.cdb
 *	append FILE	the least that adding can be: bytes at the end,
 *fdatasync
 *
 * Each prints "milliseconds kilobytes", of the memory the most that it used.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "account/compose.h"
#include "account/writer.h"
#include "core/paths.h"
#include "memory.h"
#include "nss_data.h"
#include "nss_ref.h"

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void *
need(size_t count, size_t size)
{
	void *room = calloc(count, size);

	if (room == NULL)
		die("calloc");
	return room;
}

/* --- groups --- */

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the members in order, in rooms of 24 bytes. */
static void
list_members(uint32_t group, const char **members)
{
	static char names[DATA_MEMBERS][24];
	struct data_person person;

	for (uint32_t i = 0; i < DATA_MEMBERS; i++) {
		data_person(group * DATA_MEMBERS + i, &person);
		memcpy(names[i], person.name, sizeof(names[i]));
		members[i] = names[i];
	}
	qsort(members, DATA_MEMBERS, sizeof(*members), compare_names);
}

/* --- devauth --- */

static struct da_diag diag;

static void
check(enum da_err err)
{
	if (err == DA_OK)
		return;
	(void)fprintf(stderr, "bench_nss_make: %s\n", diag.text);
	exit(1);
}

static void
put_person(struct da_build *build, uint32_t i)
{
	struct data_person person;

	data_person(i, &person);
	check(da_compose_person(build,
	    &(struct da_compose_person){.name = person.name,
		.gecos = person.gecos,
		.home = person.home,
		.shell = DATA_SHELL,
		.uid = person.uid,
		.gid = person.uid}));
}

static void
put_memberships(struct da_build *build, uint32_t people)
{
	struct data_person person;

	for (uint32_t i = 0; data_is_member(i, people); i++) {
		const uint32_t gid = DATA_GID + i / DATA_MEMBERS;

		data_person(i, &person);
		check(da_compose_gids(build, person.name, &gid, 1));
	}
	for (uint32_t i = 0; i < data_groups(people); i++) {
		const char *members[DATA_MEMBERS];
		char name[16];

		list_members(i, members);
		data_group_name(i, name);
		check(da_compose_group(build,
		    &(struct da_compose_group){.name = name,
			.members = members,
			.count = DATA_MEMBERS,
			.gid = DATA_GID + i}));
	}
}

static void
make_database(const char *name, uint32_t people, bool local)
{
	struct da_build build;

	check(da_build_open(&build, &da_paths, name, &diag));
	check(da_build_begin(&build, &diag));
	for (uint32_t i = 0; i < people; i++) {
		if (data_is_local(i) == local)
			put_person(&build, i);
	}
	if (!local)
		put_memberships(&build, people);
	check(da_build_commit(&build, &diag));
	da_build_done(&build);
}

static void
make_devauth(uint32_t people)
{
	const struct da_account_policy policy = {.enumerate = true,
	    .home = "/home/%u",
	    .shell = DATA_SHELL,
	    .allowed_users = ""};

	make_database(DA_FORMAT_ACCOUNTS, people, true);
	check(da_account_set_policy(&da_paths, &policy, &diag));
	make_database(DA_FORMAT_DIRECTORY, people, false);
}

static void
add_account(const char *name)
{
	const struct da_account_entry entry = {.name = name,
	    .uid = da_account_uid_hash(name),
	    .gecos = "",
	    .home = "/home/added",
	    .shell = DATA_SHELL};

	check(da_account_add(&da_paths, &entry, &diag));
}

/* --- the reference --- */

struct table_maker {
	char *bytes;
	size_t used;
	struct ref_slot *slots[REF_TABLES];
	uint32_t mask[REF_TABLES];
};

static void
add_slot(struct table_maker *maker, enum ref_table table, uint32_t hash,
    size_t position)
{
	uint32_t at = hash;

	while (maker->slots[table][at & maker->mask[table]].position != 0)
		at++;
	maker->slots[table][at & maker->mask[table]] =
	    (struct ref_slot){hash, (uint32_t)position};
}

static size_t
add_text(char *to, size_t at, const char *text)
{
	size_t len = strlen(text) + 1;

	memcpy(to + at, text, len);
	return at + len;
}

static void
ref_person(struct table_maker *maker, uint32_t i)
{
	struct ref_person *record = (void *)(maker->bytes + maker->used);
	struct data_person person;
	size_t at;

	data_person(i, &person);
	record->uid = person.uid;
	at = add_text(record->text, 0, person.name);
	record->passwd = (uint16_t)at;
	at = add_text(record->text, at, "*");
	record->gecos = (uint16_t)at;
	at = add_text(record->text, at, person.gecos);
	record->home = (uint16_t)at;
	at = add_text(record->text, at, person.home);
	record->shell = (uint16_t)at;
	at = add_text(record->text, at, DATA_SHELL);
	record->len = (uint16_t)at;
	record->size = (uint16_t)((sizeof(*record) + at + 3) / 4 * 4);
	add_slot(maker, REF_NAME, ref_hash(person.name), maker->used);
	add_slot(maker, REF_UID, ref_hash_id(person.uid), maker->used);
	maker->used += record->size;
}

static void
ref_member(struct table_maker *maker, uint32_t i)
{
	struct ref_member *record = (void *)(maker->bytes + maker->used);
	struct data_person person;

	data_person(i, &person);
	record->count = 1;
	record->gids[0] = DATA_GID + i / DATA_MEMBERS;
	add_slot(maker, REF_MEMBER, ref_hash(person.name), maker->used);
	maker->used +=
	    (sizeof(*record) + add_text(record->name, 0, person.name) + 3) / 4 *
	    4;
}

static void
ref_group(struct table_maker *maker, uint32_t i)
{
	struct ref_group *record = (void *)(maker->bytes + maker->used);
	const char *members[DATA_MEMBERS];
	char name[16], *text;
	size_t at;

	list_members(i, members);
	data_group_name(i, name);
	record->gid = DATA_GID + i;
	record->count = DATA_MEMBERS;
	text = (char *)record->lens + DATA_MEMBERS;
	at = add_text(text, 0, "*");
	at = add_text(text, at, name);
	for (uint32_t k = 0; k < DATA_MEMBERS; k++) {
		record->lens[k] = (uint8_t)(strlen(members[k]) + 1);
		at = add_text(text, at, members[k]);
	}
	record->len = (uint32_t)at;
	add_slot(maker, REF_GROUP, ref_hash(name), maker->used);
	add_slot(maker, REF_GID, ref_hash_id(record->gid), maker->used);
	maker->used += (sizeof(*record) + DATA_MEMBERS + at + 3) / 4 * 4;
}

static void
write_all(const char *path, const char *bytes, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		die(path);
	while (size > 0) {
		ssize_t len = write(fd, bytes, size);

		if (len <= 0)
			die(path);
		bytes += len;
		size -= (size_t)len;
	}
	if (fsync(fd) != 0 || close(fd) != 0)
		die(path);
}

static void
make_ref(uint32_t people)
{
	const uint32_t groups = data_groups(people);
	const uint32_t counts[REF_TABLES] = {
	    people, people, groups, groups, groups * DATA_MEMBERS};
	struct table_maker maker = {.used = sizeof(struct ref_head)};
	struct ref_head *head;
	size_t room = (size_t)people * 160 + (size_t)groups * 40000 + 4096;

	for (int i = 0; i < REF_TABLES; i++) {
		size_t slots = 16;

		while (slots < (size_t)2 * counts[i])
			slots *= 2;
		maker.mask[i] = (uint32_t)slots - 1;
		maker.slots[i] = need(slots, sizeof(struct ref_slot));
		room += slots * sizeof(struct ref_slot);
	}
	maker.bytes = need(1, room);
	for (uint32_t i = 0; i < people; i++)
		ref_person(&maker, i);
	for (uint32_t i = 0; data_is_member(i, people); i++)
		ref_member(&maker, i);
	for (uint32_t i = 0; i < groups; i++)
		ref_group(&maker, i);
	head = (void *)maker.bytes;
	head->people = people;
	head->first = sizeof(*head);
	for (int i = 0; i < REF_TABLES; i++) {
		size_t size =
		    ((size_t)maker.mask[i] + 1) * sizeof(**maker.slots);

		maker.used = (maker.used + 63) / 64 * 64;
		head->start[i] = (uint32_t)maker.used;
		head->mask[i] = maker.mask[i];
		memcpy(maker.bytes + maker.used, maker.slots[i], size);
		maker.used += size;
	}
	write_all(REF_FILE, maker.bytes, maker.used);
}

/* --- text --- */

struct text_file {
	FILE *file;

	struct text_line {
		char key[2][24]; /* name and number */
		long position;
	} * lines;

	size_t count;
};

static void
open_text(
    struct text_file *text, const char *folder, const char *name, size_t lines)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	*text = (struct text_file){.file = fopen(path, "w")};
	if (text->file == NULL)
		die(path);
	if (lines > 0)
		text->lines = need(lines, sizeof(*text->lines));
}

static void
note_line(struct text_file *text, const char *name, uint32_t id)
{
	struct text_line *line;

	if (text->lines == NULL)
		return;
	line = &text->lines[text->count++];
	(void)snprintf(line->key[0], sizeof(line->key[0]), "%s", name);
	(void)snprintf(line->key[1], sizeof(line->key[1]), "%u", id);
	line->position = ftell(text->file);
}

static void
text_groups(struct text_file *group, uint32_t people)
{
	for (uint32_t i = 0; i < data_groups(people); i++) {
		const char *members[DATA_MEMBERS];
		char name[16];

		list_members(i, members);
		data_group_name(i, name);
		note_line(group, name, DATA_GID + i);
		(void)fprintf(group->file, "%s:*:%u:", name, DATA_GID + i);
		for (uint32_t k = 0; k < DATA_MEMBERS; k++)
			(void)fprintf(
			    group->file, "%s%s", k > 0 ? "," : "", members[k]);
		(void)fputc('\n', group->file);
	}
}

static int
compare_keys(const void *a, const void *b, void *which)
{
	const struct text_line *one = a, *other = b;

	return strcmp(one->key[*(int *)which], other->key[*(int *)which]);
}

/* Lines of one length, sorted, that its binary search jumps between. */
static void
write_index(
    struct text_file *text, const char *folder, const char *name, int which)
{
	char path[256];
	FILE *file;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	if (file == NULL)
		die(path);
	qsort_r(text->lines, text->count, sizeof(*text->lines), compare_keys,
	    &which);
	for (size_t i = 0; i < text->count; i++) {
		char line[49] = {0};

		(void)snprintf(
		    line, sizeof(line), "%s", text->lines[i].key[which]);
		(void)snprintf(line + strlen(line) + 1, 12, "%08ld",
		    text->lines[i].position);
		line[48] = '\n';
		(void)fwrite(line, sizeof(line), 1, file);
	}
	if (fclose(file) != 0)
		die(path);
}

static void
make_text(uint32_t people, const char *folder, bool cache)
{
	const size_t groups = data_groups(people);
	const char *const suffix = cache ? ".cache" : "";
	struct text_file passwd, group;
	char name[32];

	(void)snprintf(name, sizeof(name), "passwd%s", suffix);
	open_text(&passwd, folder, name, cache ? people : 0);
	(void)snprintf(name, sizeof(name), "group%s", suffix);
	open_text(&group, folder, name, cache ? people + groups : 0);
	for (uint32_t i = 0; i < people; i++) {
		struct data_person person;

		data_person(i, &person);
		note_line(&passwd, person.name, person.uid);
		(void)fprintf(passwd.file, "%s:*:%u:%u:%s:%s:%s\n", person.name,
		    person.uid, person.uid, person.gecos, person.home,
		    DATA_SHELL);
		note_line(&group, person.name, person.uid);
		(void)fprintf(
		    group.file, "%s:*:%u:\n", person.name, person.uid);
	}
	text_groups(&group, people);
	if (fclose(passwd.file) != 0 || fclose(group.file) != 0)
		die(folder);
	if (cache) {
		write_index(&passwd, folder, "passwd.cache.ixname", 0);
		write_index(&passwd, folder, "passwd.cache.ixuid", 1);
		write_index(&group, folder, "group.cache.ixname", 0);
		write_index(&group, folder, "group.cache.ixgid", 1);
	}
}

static void
append(const char *path)
{
	static const char entry[100];
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, entry, sizeof(entry)) != sizeof(entry) ||
	    fdatasync(fd) != 0)
		die(path);
	(void)close(fd);
}

int
main(int argc, char **argv)
{
	const char *const what = argc > 2 ? argv[1] : "";
	struct timespec start, end;
	char status[4096];

	(void)clock_gettime(CLOCK_MONOTONIC, &start);
	if (strcmp(what, "text") == 0 && argc == 4)
		make_text((uint32_t)atol(argv[2]), argv[3], false);
	else if (strcmp(what, "cache") == 0 && argc == 4)
		make_text((uint32_t)atol(argv[2]), argv[3], true);
	else if (strcmp(what, "ref") == 0)
		make_ref((uint32_t)atol(argv[2]));
	else if (strcmp(what, "devauth") == 0)
		make_devauth((uint32_t)atol(argv[2]));
	else if (strcmp(what, "add") == 0)
		add_account(argv[2]);
	else if (strcmp(what, "append") == 0)
		append(argv[2]);
	else
		return 2;
	(void)clock_gettime(CLOCK_MONOTONIC, &end);
	read_text("/proc/self/status", status, sizeof(status));
	(void)printf("%.2f %ld\n",
	    (double)(end.tv_sec - start.tv_sec) * 1e3 +
		(double)(end.tv_nsec - start.tv_nsec) / 1e6,
	    find_number(status, "VmHWM:"));
	return 0;
}
