/*
 * A new process that looks somebody up, for tests/bench/nss.
 *
 *	bare				ends at once
 *	direct SERVICE LIBRARY NAME	two lookups in a module
 *	libc NAME			two lookups through libc
 *	memory SERVICE LIBRARY NAME	prints what that leaves: kB of anonymous
 *					memory, shared objects loaded
 *	warm SERVICE LIBRARY NAME UID	lookups between two calls of getppid(),
 *					for strace
 *	time ROUNDS COMMAND... ; COMMAND...	runs the commands in turn,
 *prints the microseconds of each, a line a round
 */
#include <dlfcn.h>
#include <errno.h>
#include <nss.h>
#include <pwd.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include "memory.h"

#define COMMANDS_MAX 32

typedef enum nss_status
by_name(const char *, struct passwd *, char *, size_t, int *);
typedef enum nss_status by_uid(uid_t, struct passwd *, char *, size_t, int *);

static void *
entry(const char *service, const char *library, const char *name)
{
	void *handle = dlopen(library, RTLD_NOW);
	char symbol[64];

	if (handle == NULL)
		_exit(3);
	(void)snprintf(symbol, sizeof(symbol), "_nss_%s_%s", service, name);
	return dlsym(handle, symbol);
}

static void
look_up(char **argv)
{
	by_name *find = entry(argv[0], argv[1], "getpwnam_r");
	struct passwd passwd;
	char room[1024];
	int error = 0;

	for (int i = 0; i < 2; i++) {
		if (find(argv[2], &passwd, room, sizeof(room), &error) !=
		    NSS_STATUS_SUCCESS)
			_exit(4);
	}
}

static int
count_object(struct dl_phdr_info *object, size_t size, void *count)
{
	(void)object;
	(void)size;
	++*(int *)count;
	return 0;
}

static void
print_memory(char **argv)
{
	int objects[2] = {0, 0};
	struct memory before, after;

	map_what_is_loaded();
	(void)measure_memory();
	before = measure_memory();
	(void)dl_iterate_phdr(count_object, &objects[0]);
	look_up(argv);
	after = measure_memory();
	(void)dl_iterate_phdr(count_object, &objects[1]);
	(void)printf("%ld %d\n", after.anonymous_kb - before.anonymous_kb,
	    objects[1] - objects[0]);
}

static void
look_up_warm(char **argv)
{
	by_name *find = entry(argv[0], argv[1], "getpwnam_r");
	by_uid *find_uid = entry(argv[0], argv[1], "getpwuid_r");
	const uid_t uid = (uid_t)strtoul(argv[3], NULL, 10);
	struct passwd passwd;
	char room[1024];
	int error = 0;

	(void)find(argv[2], &passwd, room, sizeof(room), &error);
	(void)find("nobody-here", &passwd, room, sizeof(room), &error);
	(void)find_uid(uid, &passwd, room, sizeof(room), &error);
	(void)getppid();
	for (int i = 0; i < 10; i++)
		(void)find(argv[2], &passwd, room, sizeof(room), &error);
	(void)getppid();
	for (int i = 0; i < 10; i++)
		(void)find("nobody-here", &passwd, room, sizeof(room), &error);
	(void)getppid();
	for (int i = 0; i < 10; i++)
		(void)find_uid(uid, &passwd, room, sizeof(room), &error);
	(void)getppid();
}

static double
now_us(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static bool
time_rounds(int rounds, char **argv)
{
	char **commands[COMMANDS_MAX] = {argv};
	int count = 1;

	for (; *argv != NULL && count < COMMANDS_MAX; argv++) {
		if (strcmp(*argv, ";") == 0) {
			*argv = NULL;
			commands[count++] = argv + 1;
		}
	}
	while (rounds-- > 0) {
		for (int i = 0; i < count; i++) {
			double start = now_us();
			int status = -1;
			pid_t pid;

			if (posix_spawn(&pid, commands[i][0], NULL, NULL,
				commands[i], environ) != 0 ||
			    waitpid(pid, &status, 0) != pid || status != 0)
				return false;
			(void)fprintf(stderr, "%.1f ", now_us() - start);
		}
		(void)fputc('\n', stderr);
	}
	return true;
}

int
main(int argc, char **argv)
{
	const char *const what = argc > 1 ? argv[1] : "";
	struct passwd passwd, *found;
	char room[1024];

	if (strcmp(what, "bare") == 0)
		return 0;
	if (strcmp(what, "direct") == 0 && argc == 5) {
		look_up(argv + 2);
		return 0;
	}
	if (strcmp(what, "libc") == 0 && argc == 3) {
		for (int i = 0; i < 2; i++) {
			if (getpwnam_r(argv[2], &passwd, room, sizeof(room),
				&found) != 0 ||
			    found == NULL)
				return 4;
		}
		return 0;
	}
	if (strcmp(what, "memory") == 0 && argc == 5)
		print_memory(argv + 2);
	else if (strcmp(what, "warm") == 0 && argc == 6)
		look_up_warm(argv + 2);
	else if (strcmp(what, "time") == 0 && argc > 3)
		return time_rounds(atoi(argv[2]), argv + 3) ? 0 : 1;
	else
		return 2;
	return 0;
}
