/*
 * What loading a PAM module costs a host program: one dlopen() in a process
 * that has libpam already. Prints microseconds, objects mapped (the module
 * counts), and kB of RSS and of anonymous memory that came with it.
 *
 * usage: bench_load MODULE
 */
#include "memory.h"

#include <dlfcn.h>
#include <time.h>

#include <security/pam_appl.h>

static int64_t
now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int
count(struct dl_phdr_info *object, size_t size, void *data)
{
	(void)object;
	(void)size;
	(*(int *)data)++;
	return 0;
}

static int
count_objects(void)
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
	(void)pam_strerror(NULL, PAM_SUCCESS); /* or libpam is not linked */
	(void)printf("%s", "");
	map_what_is_loaded();
	mapped = count_objects();
	(void)measure_memory();
	before = measure_memory();
	start_ns = now_ns();
	module = dlopen(argv[1], RTLD_NOW); /* as libpam does */
	end_ns = now_ns();
	after = measure_memory();
	if (module == NULL) {
		(void)fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	(void)printf("%.1f %d %ld %ld\n", (double)(end_ns - start_ns) / 1000,
	    count_objects() - mapped, after.rss_kb - before.rss_kb,
	    after.anonymous_kb - before.anonymous_kb);
	return 0;
}
