/*
 * The stop-watch of tests/bench/nss, run in a private host.
 *
 *	direct N PEOPLE-SHOWN SERVICE LIBRARY	the functions of the module
 *	libc N PEOPLE-SHOWN SERVICE REFERENCE	through libc and nsswitch.conf
 *
 * Every answer of a test is compared with the truth (nss_data.h) before it is
 * timed. A round of the module alternates with one of the reference on the same
 * keys, so that a machine that changes its speed changes it for both. Prints a
 * line a test: name, median of the module and of the reference in ns an answer,
 * median and quartiles of the ratios, median of the differences.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "nss_data.h"
#include "nss_ref.h"

#define KEYS_MAX 262144u
#define HOT 64u
#define ROUNDS_MAX 15
#define ROUND_NS 20e6
/* libnss-cache refuses anything smaller for some questions. */
#define BUFFER (1u << 20)

enum test {
	HIT,
	HOT_HIT,
	MISS,
	UID,
	GID,
	GROUP,
	INITGROUPS,
	LIST,
	TESTS,
};

static const char *const test_names[TESTS] = {
    "hit", "hot", "miss", "uid", "gid", "group", "initgroups", "list"};

/* What is asked: entry points of a module, or libc's functions that find one.
 */
struct calls {
	enum nss_status (*getpwnam_r)(
	    const char *, struct passwd *, char *, size_t, int *);
	enum nss_status (*getpwuid_r)(
	    uid_t, struct passwd *, char *, size_t, int *);
	enum nss_status (*getgrnam_r)(
	    const char *, struct group *, char *, size_t, int *);
	enum nss_status (*getgrgid_r)(
	    gid_t, struct group *, char *, size_t, int *);
	enum nss_status (*setpwent)(int);
	enum nss_status (*getpwent_r)(struct passwd *, char *, size_t, int *);
	enum nss_status (*endpwent)(void);
	enum nss_status (*initgroups_dyn)(
	    const char *, gid_t, long *, long *, gid_t **, long, int *);
	enum nss_status (*setgrent)(int);
	enum nss_status (*getgrent_r)(struct group *, char *, size_t, int *);
};

static const struct calls ref_calls = {
    .getpwnam_r = _nss_benchref_getpwnam_r,
    .getpwuid_r = _nss_benchref_getpwuid_r,
    .getgrnam_r = _nss_benchref_getgrnam_r,
    .getgrgid_r = _nss_benchref_getgrgid_r,
    .setpwent = _nss_benchref_setpwent,
    .getpwent_r = _nss_benchref_getpwent_r,
    .endpwent = _nss_benchref_endpwent,
    .initgroups_dyn = _nss_benchref_initgroups_dyn,
};

static uint32_t people;
static char buffer[BUFFER];
/* Names at random, those of nobody, of members, of groups; and who they are. */
static uint32_t keys, chosen[KEYS_MAX], members[KEYS_MAX];
static char names[KEYS_MAX][24], nobody[KEYS_MAX][24],
    member_names[KEYS_MAX][24];
static uint32_t ids[KEYS_MAX];

static void
die(const char *what)
{
	(void)fprintf(stderr, "bench_nss: %s\n", what);
	exit(1);
}

/* --- libc's functions as entry points --- */

static enum nss_status
libc_status(int error, const void *found)
{
	if (error != 0 && error != ENOENT)
		return NSS_STATUS_UNAVAIL;
	return found != NULL ? NSS_STATUS_SUCCESS : NSS_STATUS_NOTFOUND;
}

static enum nss_status
libc_getpwnam_r(const char *name, struct passwd *result, char *room,
    size_t size, int *errnop)
{
	struct passwd *found = NULL;
	int error = getpwnam_r(name, result, room, size, &found);

	(void)errnop;
	return libc_status(error, found);
}

static enum nss_status
libc_getpwuid_r(
    uid_t uid, struct passwd *result, char *room, size_t size, int *errnop)
{
	struct passwd *found = NULL;
	int error = getpwuid_r(uid, result, room, size, &found);

	(void)errnop;
	return libc_status(error, found);
}

static enum nss_status
libc_getgrnam_r(const char *name, struct group *result, char *room, size_t size,
    int *errnop)
{
	struct group *found = NULL;
	int error = getgrnam_r(name, result, room, size, &found);

	(void)errnop;
	return libc_status(error, found);
}

static enum nss_status
libc_getgrgid_r(
    gid_t gid, struct group *result, char *room, size_t size, int *errnop)
{
	struct group *found = NULL;
	int error = getgrgid_r(gid, result, room, size, &found);

	(void)errnop;
	return libc_status(error, found);
}

static enum nss_status
libc_initgroups(const char *user, gid_t group, long *start, long *size,
    gid_t **groups, long limit, int *errnop)
{
	int count = (int)*size;

	(void)limit;
	(void)errnop;
	if (getgrouplist(user, group, *groups, &count) < 0)
		return NSS_STATUS_UNAVAIL;
	/* libc puts the primary group first. */
	*start = count - 1;
	memmove(*groups, *groups + 1, (size_t)*start * sizeof(**groups));
	return NSS_STATUS_SUCCESS;
}

static enum nss_status
libc_setpwent(int stay_open)
{
	(void)stay_open;
	setpwent();
	return NSS_STATUS_SUCCESS;
}

static enum nss_status
libc_getpwent_r(struct passwd *result, char *room, size_t size, int *errnop)
{
	struct passwd *found = NULL;
	int error = getpwent_r(result, room, size, &found);

	(void)errnop;
	return libc_status(error, found);
}

static enum nss_status
libc_endpwent(void)
{
	endpwent();
	return NSS_STATUS_SUCCESS;
}

static const struct calls libc_calls = {
    .getpwnam_r = libc_getpwnam_r,
    .getpwuid_r = libc_getpwuid_r,
    .getgrnam_r = libc_getgrnam_r,
    .getgrgid_r = libc_getgrgid_r,
    .setpwent = libc_setpwent,
    .getpwent_r = libc_getpwent_r,
    .endpwent = libc_endpwent,
    .initgroups_dyn = libc_initgroups,
};

/* --- a module's entry points --- */

static void *
entry(void *library, const char *service, const char *name)
{
	char symbol[64];

	(void)snprintf(symbol, sizeof(symbol), "_nss_%s_%s", service, name);
	return dlsym(library, symbol);
}

static void
load(struct calls *calls, const char *service, const char *path)
{
	void *library = dlopen(path, RTLD_NOW);

	if (library == NULL)
		die(dlerror());
	*calls = (struct calls){
	    .getpwnam_r = entry(library, service, "getpwnam_r"),
	    .getpwuid_r = entry(library, service, "getpwuid_r"),
	    .getgrnam_r = entry(library, service, "getgrnam_r"),
	    .getgrgid_r = entry(library, service, "getgrgid_r"),
	    .setpwent = entry(library, service, "setpwent"),
	    .getpwent_r = entry(library, service, "getpwent_r"),
	    .endpwent = entry(library, service, "endpwent"),
	    .initgroups_dyn = entry(library, service, "initgroups_dyn"),
	    .setgrent = entry(library, service, "setgrent"),
	    .getgrent_r = entry(library, service, "getgrent_r"),
	};
}

/* What libc does with a module that has no initgroups_dyn: ask for all. */
static enum nss_status
walk_groups(
    const struct calls *calls, const char *user, gid_t *ret, long *count)
{
	struct group group;
	int error = 0;

	(void)calls->setgrent(0);
	while (calls->getgrent_r(&group, buffer, BUFFER, &error) ==
	    NSS_STATUS_SUCCESS) {
		for (char **at = group.gr_mem; *at != NULL; at++) {
			if (strcmp(*at, user) == 0)
				ret[(*count)++] = group.gr_gid;
		}
	}
	return NSS_STATUS_SUCCESS;
}

static enum nss_status
ask_initgroups(const struct calls *calls, uint32_t key, gid_t *ret, long *count)
{
	static gid_t *list;
	static long size = 64;
	int error = 0;
	enum nss_status status;

	*count = 0;
	if (calls->initgroups_dyn == NULL)
		return walk_groups(calls, member_names[key], ret, count);
	if (list == NULL)
		list = calloc((size_t)size, sizeof(*list));
	status = calls->initgroups_dyn(
	    member_names[key], 1, count, &size, &list, -1, &error);
	*ret = list[0];
	return status;
}

/* --- the truth --- */

static bool
is_person(const struct passwd *passwd, uint32_t i)
{
	struct data_person person;

	data_person(i, &person);
	return strcmp(passwd->pw_name, person.name) == 0 &&
	    strcmp(passwd->pw_gecos, person.gecos) == 0 &&
	    strcmp(passwd->pw_dir, person.home) == 0 &&
	    strcmp(passwd->pw_shell, DATA_SHELL) == 0 &&
	    passwd->pw_passwd[0] != '\0' && passwd->pw_uid == person.uid &&
	    passwd->pw_gid == person.uid;
}

static bool
is_private_group(const struct group *group, uint32_t i)
{
	struct data_person person;

	data_person(i, &person);
	return strcmp(group->gr_name, person.name) == 0 &&
	    group->gr_gid == person.uid && group->gr_mem[0] == NULL;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool
is_shared_group(struct group *group, uint32_t which)
{
	static char texts[DATA_MEMBERS][24];
	static char *expected[DATA_MEMBERS];
	char name[16];
	struct data_person person;
	uint32_t count = 0;

	for (uint32_t i = 0; i < DATA_MEMBERS; i++) {
		data_person(which * DATA_MEMBERS + i, &person);
		memcpy(texts[i], person.name, sizeof(texts[i]));
		expected[i] = texts[i];
	}
	qsort(expected, DATA_MEMBERS, sizeof(*expected), compare_names);
	while (group->gr_mem[count] != NULL)
		count++;
	qsort(group->gr_mem, count, sizeof(*group->gr_mem), compare_names);
	for (uint32_t i = 0; i < DATA_MEMBERS && count == DATA_MEMBERS; i++) {
		if (strcmp(group->gr_mem[i], expected[i]) != 0)
			return false;
	}
	data_group_name(which, name);
	return count == DATA_MEMBERS && group->gr_gid == DATA_GID + which &&
	    strcmp(group->gr_name, name) == 0;
}

/* Everybody once: the number at the end of a name says who it should be. */
static bool
is_everybody(const struct calls *calls)
{
	char *seen = calloc(people, 1);
	struct passwd passwd;
	int error = 0;
	uint32_t count = 0;

	(void)calls->setpwent(0);
	while (seen != NULL &&
	    calls->getpwent_r(&passwd, buffer, BUFFER, &error) ==
		NSS_STATUS_SUCCESS) {
		const char *at = strpbrk(passwd.pw_name, "0123456789");
		unsigned long i = at == NULL ? people : strtoul(at, NULL, 10);

		/* libc also lists who is in /etc/passwd, or root. */
		if (i >= people || passwd.pw_uid < DATA_GID)
			continue;
		if (seen[i] != 0 || !is_person(&passwd, (uint32_t)i))
			break;
		seen[i] = 1;
		count++;
	}
	(void)calls->endpwent();
	free(seen);
	return count == people;
}

static bool
is_true(const struct calls *calls, enum test test, uint32_t key)
{
	struct passwd passwd;
	struct group group;
	int error = 0;
	char name[16];
	gid_t gids[64] = {0};
	long count;

	switch (test) {
	case HIT:
	case HOT_HIT:
		return calls->getpwnam_r(names[key], &passwd, buffer, BUFFER,
			   &error) == NSS_STATUS_SUCCESS &&
		    is_person(&passwd, chosen[key]);
	case MISS:
		return calls->getpwnam_r(nobody[key], &passwd, buffer, BUFFER,
			   &error) == NSS_STATUS_NOTFOUND;
	case UID:
		return calls->getpwuid_r(ids[key], &passwd, buffer, BUFFER,
			   &error) == NSS_STATUS_SUCCESS &&
		    is_person(&passwd, chosen[key]);
	case GID:
		return calls->getgrgid_r(ids[key], &group, buffer, BUFFER,
			   &error) == NSS_STATUS_SUCCESS &&
		    is_private_group(&group, chosen[key]);
	case GROUP:
		data_group_name(key % data_groups(people), name);
		return calls->getgrnam_r(name, &group, buffer, BUFFER,
			   &error) == NSS_STATUS_SUCCESS &&
		    is_shared_group(&group, key % data_groups(people));
	case INITGROUPS:
		return ask_initgroups(calls, key, gids, &count) ==
		    NSS_STATUS_SUCCESS &&
		    count == 1 &&
		    gids[0] == DATA_GID + members[key] / DATA_MEMBERS;
	default:
		return is_everybody(calls);
	}
}

/* --- time --- */

static double
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* What a caller reads of an answer: nothing but zero comes of it, which only
 * the answer shows. */
static uint32_t
read_passwd(const struct passwd *passwd)
{
	return passwd->pw_uid >> 31 | (unsigned char)passwd->pw_name[0] >> 7 |
	    (unsigned char)passwd->pw_shell[0] >> 7;
}

static uint32_t
read_group(const struct group *group)
{
	return group->gr_gid >> 31 | (unsigned char)group->gr_name[0] >> 7;
}

static uint32_t
list_some(const struct calls *calls, uint32_t count)
{
	struct passwd passwd;
	int error = 0;
	uint32_t found = 0;

	(void)calls->setpwent(0);
	while (found < count &&
	    calls->getpwent_r(&passwd, buffer, BUFFER, &error) ==
		NSS_STATUS_SUCCESS)
		found += 1 + read_passwd(&passwd);
	(void)calls->endpwent();
	return found;
}

static uint32_t
ask_once(const struct calls *calls, enum test test, uint32_t i,
    char group_names[static HOT][16])
{
	const uint32_t key = i & (keys - 1);
	enum nss_status status;
	struct passwd passwd;
	struct group group;
	int error = 0;
	gid_t gids[64] = {0};
	long count;

	switch (test) {
	case HIT:
		status = calls->getpwnam_r(
		    names[key], &passwd, buffer, BUFFER, &error);
		return status == NSS_STATUS_SUCCESS ? read_passwd(&passwd) : 0;
	case HOT_HIT:
		status = calls->getpwnam_r(
		    names[i % HOT], &passwd, buffer, BUFFER, &error);
		return status == NSS_STATUS_SUCCESS ? read_passwd(&passwd) : 0;
	case MISS:
		return calls->getpwnam_r(nobody[key], &passwd, buffer, BUFFER,
			   &error) == NSS_STATUS_SUCCESS;
	case UID:
		status = calls->getpwuid_r(
		    ids[key], &passwd, buffer, BUFFER, &error);
		return status == NSS_STATUS_SUCCESS ? read_passwd(&passwd) : 0;
	case GID:
		status =
		    calls->getgrgid_r(ids[key], &group, buffer, BUFFER, &error);
		return status == NSS_STATUS_SUCCESS ? read_group(&group) : 0;
	case GROUP:
		status = calls->getgrnam_r(
		    group_names[i % HOT], &group, buffer, BUFFER, &error);
		return status == NSS_STATUS_SUCCESS ? read_group(&group) : 0;
	default:
		(void)ask_initgroups(calls, key, gids, &count);
		return gids[0] >> 31;
	}
}

/* Asks from one key on, so often; the ns an answer took. As a caller reads one
 * answer before it asks the next question, so does the key of the next depend
 * on it: otherwise the processor would work on several at once. */
static double
run(const struct calls *calls, enum test test, uint32_t from, uint32_t count)
{
	char group_names[HOT][16];
	double start;

	for (uint32_t i = 0; i < HOT; i++)
		data_group_name(i % data_groups(people), group_names[i]);
	start = now_ns();
	if (test == LIST)
		count = list_some(calls, count);
	for (uint32_t i = from; test != LIST && i < from + count; i++)
		i += ask_once(calls, test, i, group_names);
	return (now_ns() - start) / (count > 0 ? count : 1);
}

/* --- sides: in this process, or in one with another nsswitch.conf --- */

struct request {
	enum test test;
	uint32_t from;
	uint32_t count; /* 0: compare with the truth */
	uint32_t checks;
};

struct side {
	const struct calls *calls;
	int to, from; /* of the process, if "calls" is NULL */
};

/* The answer to a request; negative when an answer was not true. */
static double
answer(const struct calls *calls, const struct request *request)
{
	if (request->count > 0)
		return run(calls, request->test, request->from, request->count);
	for (uint32_t i = 0; i < request->checks; i++) {
		if (!is_true(
			calls, request->test, (request->from + i) & (keys - 1)))
			return -1;
	}
	return 0;
}

static double
ask(const struct side *side, const struct request *request)
{
	double result = 0;

	if (side->calls != NULL)
		return answer(side->calls, request);
	if (write(side->to, request, sizeof(*request)) != sizeof(*request) ||
	    read(side->from, &result, sizeof(result)) != sizeof(result))
		die("the other process is gone");
	return result;
}

static void
use_service(const char *service)
{
	char path[] = "/tmp/bench-nsswitch-XXXXXX", text[128];
	int fd = mkstemp(path);
	int len = snprintf(
	    text, sizeof(text), "passwd: %s\ngroup: %s\n", service, service);

	if (fd < 0 || write(fd, text, (size_t)len) != len ||
	    fchmod(fd, 0644) != 0 || close(fd) != 0 ||
	    unshare(CLONE_NEWNS) != 0 ||
	    mount(path, "/etc/nsswitch.conf", NULL, MS_BIND, NULL) != 0)
		die("cannot use another nsswitch.conf");
}

static struct side
start_process(const char *service)
{
	int to[2], from[2];
	struct request request;

	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(from, O_CLOEXEC) != 0)
		die("pipe2");
	if (fork() == 0) {
		(void)close(to[1]);
		use_service(service);
		while (
		    read(to[0], &request, sizeof(request)) == sizeof(request)) {
			double result = answer(&libc_calls, &request);

			if (write(from[1], &result, sizeof(result)) !=
			    sizeof(result))
				break;
		}
		_exit(0);
	}
	(void)close(to[0]);
	(void)close(from[1]);
	return (struct side){.to = to[1], .from = from[0]};
}

/* --- rounds --- */

static int
compare_doubles(const void *a, const void *b)
{
	double one = *(const double *)a, other = *(const double *)b;

	return (one > other) - (one < other);
}

static double
quantile(double *values, int count, int quarter)
{
	qsort(values, (size_t)count, sizeof(*values), compare_doubles);
	return values[(count - 1) * quarter / 4];
}

static void
measure(const struct side *module, const struct side *ref, enum test test)
{
	double times[2][ROUNDS_MAX], ratios[ROUNDS_MAX],
	    differences[ROUNDS_MAX];
	struct request request = {.test = test, .from = 1, .count = 1};
	/* The first answer maps, the second tells what to expect. */
	double cost = (ask(module, &request), ask(module, &request));
	int rounds = cost > 50e6 ? 3 : cost > 1e6 ? 5 : ROUNDS_MAX;

	request.count = 0;
	request.checks = test == LIST ? 1
	    : cost > 1e6              ? 4
	    : cost > 1e4              ? 400
	    : test == GROUP           ? 200
				      : keys;
	if (ask(module, &request) < 0 || ask(ref, &request) < 0) {
		(void)printf("%s wrong\n", test_names[test]);
		return;
	}
	request.count = (uint32_t)(ROUND_NS / cost);
	if (request.count > 2 * keys)
		request.count = 2 * keys;
	if (request.count < 1)
		request.count = 1;
	if (test == LIST)
		request.count = people;
	for (int i = -1; i < rounds; i++) {
		double spent[2];
		int first = i & 1;

		spent[first] = ask(first ? ref : module, &request);
		spent[!first] = ask(first ? module : ref, &request);
		request.from += request.count;
		if (i < 0) {
			/* Pages are mapped now: how many fill a round? */
			double more = ROUND_NS / (spent[0] + 1);

			if (test != LIST && more > request.count)
				request.count =
				    more < 2 * keys ? (uint32_t)more : 2 * keys;
			continue;
		}
		times[0][i] = spent[0];
		times[1][i] = spent[1];
		ratios[i] = spent[0] / spent[1];
		differences[i] = spent[0] - spent[1];
	}
	(void)printf("%s %.1f %.1f %.3f %.3f %.3f %.1f\n", test_names[test],
	    quantile(times[0], rounds, 2), quantile(times[1], rounds, 2),
	    quantile(ratios, rounds, 2), quantile(ratios, rounds, 1),
	    quantile(ratios, rounds, 3), quantile(differences, rounds, 2));
	(void)fflush(stdout);
}

static uint32_t
random_below(uint32_t limit)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 32) * limit >> 32);
}

static void
choose_keys(void)
{
	keys = 1024;
	while (keys < KEYS_MAX && keys < people)
		keys *= 2;
	for (uint32_t i = 0; i < keys; i++) {
		struct data_person person;

		chosen[i] = random_below(people);
		data_person(chosen[i], &person);
		memcpy(names[i], person.name, sizeof(names[i]));
		ids[i] = person.uid;
		(void)snprintf(
		    nobody[i], sizeof(nobody[i]), "%.12s-%u", person.name, i);
		members[i] = random_below(data_groups(people) * DATA_MEMBERS);
		data_person(members[i], &person);
		memcpy(member_names[i], person.name, sizeof(member_names[i]));
	}
}

int
main(int argc, char **argv)
{
	struct side module, ref = {.calls = &ref_calls};
	struct calls calls;

	if (argc < 5)
		return 2;
	people = (uint32_t)atol(argv[2]);
	choose_keys();
	if (strcmp(argv[1], "direct") == 0) {
		load(&calls, argv[3], argv[4]);
		module = (struct side){.calls = &calls};
	} else {
		module = start_process(argv[3]);
		ref = start_process(argv[4]);
	}
	for (enum test test = 0; test < TESTS; test++) {
		if (argc == 5 || strstr(argv[5], test_names[test]) != NULL)
			measure(&module, &ref, test);
	}
	return 0;
}
