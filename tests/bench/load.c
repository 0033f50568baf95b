/*
 * What loading a PAM module costs a host program: one dlopen() in a process
 * that has libpam already. Prints microseconds, objects mapped (the module
 * counts), and kB of RSS and of anonymous memory that came with it.
 *
 * usage: bench_load MODULE
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_appl.h>

struct memory {
	long rss_kb;
	long anonymous_kb;
};

static int64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static long
field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at == NULL ? -1 : strtol(at + strlen(name), NULL, 10);
}

/* The counters of /proc/self/statm lag behind; this one walks the pages. */
static struct memory
measure(void)
{
	char text[4096];
	int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	(void)close(fd);
	text[len < 0 ? 0 : len] = '\0';
	return (struct memory){
	    .rss_kb = field(text, "\nRss:"),
	    .anonymous_kb = field(text, "\nAnonymous:"),
	};
}

static int
count(struct dl_phdr_info *info, size_t size, void *data)
{
	(void)info;
	(void)size;
	(*(int *)data)++;
	return 0;
}

static int
objects(void)
{
	int number = 0;

	(void)dl_iterate_phdr(count, &number);
	return number;
}

int
main(int argc, char **argv)
{
	struct memory before, after;
	int64_t start_ns, end_ns;
	int mapped;
	void *module;

	if (argc != 2)
		return 2;
	/* Keeps libpam linked, and warms up what is ours. */
	(void)pam_strerror(NULL, PAM_SUCCESS);
	(void)printf("%s", "");
	mapped = objects();
	(void)measure();
	before = measure();
	start_ns = now_ns();
	/* libpam asks for the same. */
	module = dlopen(argv[1], RTLD_NOW);
	end_ns = now_ns();
	if (module == NULL) {
		(void)fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	after = measure();
	(void)printf("%.1f %d %ld %ld\n", (double)(end_ns - start_ns) / 1000,
	    objects() - mapped, after.rss_kb - before.rss_kb,
	    after.anonymous_kb - before.anonymous_kb);
	return 0;
}
