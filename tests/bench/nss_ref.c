/*
 * See nss_ref.h. Made from the data by "bench_nss data".
 */
#include "nss_ref.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *bytes;
static uint32_t walk_at, walk_left;

static const struct ref_head *
open_table(void)
{
	if (__builtin_expect(bytes == NULL, 0)) {
		int fd = open(REF_FILE, O_RDONLY | O_CLOEXEC);
		struct stat st;
		void *map;

		if (fd < 0)
			return NULL;
		if (fstat(fd, &st) != 0)
			st.st_size = 0;
		map = mmap(
		    NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
		(void)close(fd);
		if (map == MAP_FAILED)
			return NULL;
		bytes = map;
	}
	return (const struct ref_head *)(const void *)bytes;
}

/* The records with this hash, one after the other. */
static const void *
next_record(enum ref_table table, uint32_t hash, uint32_t *at)
{
	const struct ref_head *head = (const void *)bytes;
	const struct ref_slot *slots =
	    (const void *)(bytes + head->start[table]);

	for (;;) {
		const struct ref_slot *slot =
		    &slots[(*at)++ & head->mask[table]];

		if (slot->position == 0)
			return NULL;
		if (slot->hash == hash)
			return bytes + slot->position;
	}
}

static const struct ref_person *
find_name(const char *name)
{
	uint32_t hash = ref_hash(name), at = hash;
	const struct ref_person *person;

	do {
		person = next_record(REF_NAME, hash, &at);
	} while (person != NULL && strcmp(person->text, name) != 0);
	return person;
}

static const struct ref_person *
find_uid(uint32_t uid)
{
	uint32_t hash = ref_hash_id(uid), at = hash;
	const struct ref_person *person;

	do {
		person = next_record(REF_UID, hash, &at);
	} while (person != NULL && person->uid != uid);
	return person;
}

static enum nss_status
give_person(const struct ref_person *person, struct passwd *result,
    char *buffer, size_t size, int *errnop)
{
	if (person == NULL)
		return NSS_STATUS_NOTFOUND;
	if (person->len > size) {
		*errnop = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	}
	memcpy(buffer, person->text, person->len);
	*result = (struct passwd){
	    .pw_name = buffer,
	    .pw_passwd = buffer + person->passwd,
	    .pw_uid = person->uid,
	    .pw_gid = person->uid,
	    .pw_gecos = buffer + person->gecos,
	    .pw_dir = buffer + person->home,
	    .pw_shell = buffer + person->shell,
	};
	return NSS_STATUS_SUCCESS;
}

enum nss_status
_nss_benchref_getpwnam_r(const char *name, struct passwd *result, char *buffer,
    size_t size, int *errnop)
{
	if (open_table() == NULL)
		return NSS_STATUS_UNAVAIL;
	return give_person(find_name(name), result, buffer, size, errnop);
}

enum nss_status
_nss_benchref_getpwuid_r(
    uid_t uid, struct passwd *result, char *buffer, size_t size, int *errnop)
{
	if (open_table() == NULL)
		return NSS_STATUS_UNAVAIL;
	return give_person(find_uid(uid), result, buffer, size, errnop);
}

enum nss_status
_nss_benchref_setpwent(int stay_open)
{
	const struct ref_head *head = open_table();

	(void)stay_open;
	if (head == NULL)
		return NSS_STATUS_UNAVAIL;
	walk_at = head->first;
	walk_left = head->people;
	return NSS_STATUS_SUCCESS;
}

enum nss_status
_nss_benchref_getpwent_r(
    struct passwd *result, char *buffer, size_t size, int *errnop)
{
	const struct ref_person *person;
	enum nss_status status;

	if (walk_left == 0)
		return NSS_STATUS_NOTFOUND;
	person = (const void *)(bytes + walk_at);
	status = give_person(person, result, buffer, size, errnop);
	if (status == NSS_STATUS_SUCCESS) {
		walk_at += person->size;
		walk_left--;
	}
	return status;
}

enum nss_status
_nss_benchref_endpwent(void)
{
	walk_left = 0;
	return NSS_STATUS_SUCCESS;
}

static enum nss_status
give_group(const struct ref_group *group, struct group *result, char *buffer,
    size_t size, int *errnop)
{
	size_t gap = -(uintptr_t)buffer % sizeof(char *);
	char **members = (char **)(void *)(buffer + gap);
	size_t list = ((size_t)group->count + 1) * sizeof(char *);
	char *text = (char *)members + list;

	if (gap + list + group->len > size) {
		*errnop = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	}
	memcpy(text, group->lens + group->count, group->len);
	*result = (struct group){
	    .gr_name = text + 2,
	    .gr_passwd = text,
	    .gr_gid = group->gid,
	    .gr_mem = members,
	};
	text += 2 + strlen(text + 2) + 1;
	for (uint32_t i = 0; i < group->count; i++) {
		members[i] = text;
		text += group->lens[i];
	}
	members[group->count] = NULL;
	return NSS_STATUS_SUCCESS;
}

/* A private group is the record of its person. */
static enum nss_status
give_private(const struct ref_person *person, struct group *result,
    char *buffer, size_t size, int *errnop)
{
	size_t gap = -(uintptr_t)buffer % sizeof(char *);
	char **members = (char **)(void *)(buffer + gap);
	char *text = (char *)(members + 1);

	if (person == NULL)
		return NSS_STATUS_NOTFOUND;
	if (gap + sizeof(*members) + person->gecos > size) {
		*errnop = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	}
	members[0] = NULL;
	memcpy(text, person->text, person->gecos);
	*result = (struct group){
	    .gr_name = text,
	    .gr_passwd = text + person->passwd,
	    .gr_gid = person->uid,
	    .gr_mem = members,
	};
	return NSS_STATUS_SUCCESS;
}

enum nss_status
_nss_benchref_getgrnam_r(const char *name, struct group *result, char *buffer,
    size_t size, int *errnop)
{
	uint32_t hash = ref_hash(name), at = hash;
	const struct ref_group *group;

	if (open_table() == NULL)
		return NSS_STATUS_UNAVAIL;
	do {
		group = next_record(REF_GROUP, hash, &at);
	} while (group != NULL &&
	    strcmp((const char *)group->lens + group->count + 2, name) != 0);
	if (group != NULL)
		return give_group(group, result, buffer, size, errnop);
	return give_private(find_name(name), result, buffer, size, errnop);
}

enum nss_status
_nss_benchref_getgrgid_r(
    gid_t gid, struct group *result, char *buffer, size_t size, int *errnop)
{
	uint32_t hash = ref_hash_id(gid), at = hash;
	const struct ref_group *group;

	if (open_table() == NULL)
		return NSS_STATUS_UNAVAIL;
	do {
		group = next_record(REF_GID, hash, &at);
	} while (group != NULL && group->gid != gid);
	if (group != NULL)
		return give_group(group, result, buffer, size, errnop);
	return give_private(find_uid(gid), result, buffer, size, errnop);
}

enum nss_status
_nss_benchref_initgroups_dyn(const char *user, gid_t group, long int *start,
    long int *size, gid_t **groupsp, long int limit, int *errnop)
{
	uint32_t hash = ref_hash(user), at = hash;
	const struct ref_member *member;

	(void)group;
	(void)limit;
	if (open_table() == NULL)
		return NSS_STATUS_UNAVAIL;
	do {
		member = next_record(REF_MEMBER, hash, &at);
	} while (member != NULL && strcmp(member->name, user) != 0);
	if (member == NULL)
		return NSS_STATUS_NOTFOUND;
	for (uint32_t i = 0; i < member->count; i++) {
		if (*start == *size) {
			gid_t *groups = reallocarray(
			    *groupsp, (size_t)*size * 2, sizeof(*groups));

			if (groups == NULL) {
				*errnop = ENOMEM;
				return NSS_STATUS_TRYAGAIN;
			}
			*groupsp = groups;
			*size *= 2;
		}
		(*groupsp)[(*start)++] = member->gids[i];
	}
	return NSS_STATUS_SUCCESS;
}
