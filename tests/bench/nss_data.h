/*
 * The people and groups that tests/bench/nss measures with: computed from a
 * number, so that an answer is compared with the truth and not with a file that
 * some program has made from it.
 */
#ifndef DA_BENCH_NSS_DATA_H
#define DA_BENCH_NSS_DATA_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DATA_SHELL "/bin/bash"
#define DATA_MEMBERS 1000u
#define DATA_GID 100000u
/* Those who logged in on this host; all others are in the directory alone. */
#define DATA_LOCAL_MAX 1000u

struct data_person {
	char name[24];
	char gecos[32];
	char home[40];
	uint32_t uid; /* and the gid of the private group */
};

static inline void
data_person(uint32_t i, struct data_person *ret)
{
	static const char *const names[16] = {"Adeyemi", "Brandt", "Costa",
	    "Dupont", "Eriksen", "Fischer", "Garcia", "Horvat", "Ivanova",
	    "Jensen", "Kowalski", "Lindgren", "Moreau", "Novak", "Okafor",
	    "Petrov"};
	const char *name = names[(i * 2654435761u) >> 28];

	(void)snprintf(ret->name, sizeof(ret->name), "%c%s%u",
	    (int)('a' + i % 26), name, i);
	ret->name[1] = (char)(ret->name[1] | 0x20);
	(void)snprintf(ret->gecos, sizeof(ret->gecos), "%c. %s",
	    (int)('A' + i % 26), name);
	(void)snprintf(ret->home, sizeof(ret->home), "/home/%s", ret->name);
	/* The range of devauth; the factor has no divisor with its size. */
	ret->uid = 1879048192u + (uint32_t)((uint64_t)i * 104729u % 268304384u);
}

static inline bool
data_is_local(uint32_t i)
{
	return i % 10 == 3 && i / 10 < DATA_LOCAL_MAX;
}

static inline uint32_t
data_groups(uint32_t people)
{
	return people / 10000 > 0 ? people / 10000 : 1;
}

static inline void
data_group_name(uint32_t group, char name[static 16])
{
	(void)snprintf(name, 16, "team%05u", group % 100000);
}

/* Somebody is in one shared group or in none: the first people in team00000,
 * the next in team00001 ... */
static inline bool
data_is_member(uint32_t i, uint32_t people)
{
	return i / DATA_MEMBERS < data_groups(people);
}

#endif
