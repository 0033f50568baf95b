/*
 * The physical limit: plain open-addressing hash tables in a mapped file, an
 * answer is one memcpy(). No lock, no look at whether it is still true, no
 * check of anything. Linked into the stop-watch as "ref", and a real module,
 * libnss_benchref.so.2, which shows what dlopen() and libc add.
 */
#ifndef DA_BENCH_NSS_REF_H
#define DA_BENCH_NSS_REF_H

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdint.h>

#define REF_FILE "/var/lib/benchref/table"

struct ref_slot {
	uint32_t hash;
	uint32_t position; /* 0: free */
};

enum ref_table {
	REF_NAME,
	REF_UID,
	REF_GROUP,
	REF_GID,
	REF_MEMBER,
	REF_TABLES,
};

struct ref_head {
	uint32_t start[REF_TABLES]; /* positions of the tables */
	uint32_t mask[REF_TABLES];
	uint32_t people;
	uint32_t first; /* person */
};

/* Texts: name, "*", gecos, home, shell, a NUL behind each. */
struct ref_person {
	uint32_t uid;
	uint16_t passwd, gecos, home, shell;
	uint16_t len;
	uint16_t size; /* of the record */
	char text[];
};

/* Lengths of the members' names, then texts: "*", name, members. */
struct ref_group {
	uint32_t gid;
	uint32_t count;
	uint32_t len;
	uint8_t lens[];
};

struct ref_member {
	uint32_t count;
	uint32_t gids[1];
	char name[];
};

static inline uint32_t
ref_hash(const char *text)
{
	uint32_t h = 2166136261u;

	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h ^ h >> 15;
}

static inline uint32_t
ref_hash_id(uint32_t id)
{
	uint32_t h = id * 2654435769u;

	return h ^ h >> 15;
}

#define REF_EXPORT __attribute__((visibility("default")))

REF_EXPORT enum nss_status _nss_benchref_getpwnam_r(const char *name,
    struct passwd *result, char *buffer, size_t size, int *errnop);
REF_EXPORT enum nss_status _nss_benchref_getpwuid_r(
    uid_t uid, struct passwd *result, char *buffer, size_t size, int *errnop);
REF_EXPORT enum nss_status _nss_benchref_setpwent(int stay_open);
REF_EXPORT enum nss_status _nss_benchref_getpwent_r(
    struct passwd *result, char *buffer, size_t size, int *errnop);
REF_EXPORT enum nss_status _nss_benchref_endpwent(void);
REF_EXPORT enum nss_status _nss_benchref_getgrnam_r(const char *name,
    struct group *result, char *buffer, size_t size, int *errnop);
REF_EXPORT enum nss_status _nss_benchref_getgrgid_r(
    gid_t gid, struct group *result, char *buffer, size_t size, int *errnop);
REF_EXPORT enum nss_status
_nss_benchref_initgroups_dyn(const char *user, gid_t group, long int *start,
    long int *size, gid_t **groupsp, long int limit, int *errnop);

#endif
