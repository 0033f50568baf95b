/*
 * Memory of the own process, for the programs of this folder.
 */
#ifndef DA_BENCH_MEMORY_H
#define DA_BENCH_MEMORY_H

#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct memory {
	long rss_kb;
	long anonymous_kb;
};

/* A file of /proc; empty when it cannot be read. */
static inline void
read_text(const char *path, char *out, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, out, size - 1);

	out[len < 0 ? 0 : len] = '\0';
	if (fd >= 0)
		(void)close(fd);
}

/* The number behind a name in such a file; 0 when there is none. */
static inline long
find_number(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at == NULL ? 0 : strtol(at + strlen(name), NULL, 10);
}

/* The counters of /proc/self/statm lag behind; this file walks the pages. */
static inline struct memory
measure_memory(void)
{
	char text[4096];

	read_text("/proc/self/smaps_rollup", text, sizeof(text));
	return (struct memory){
	    .rss_kb = find_number(text, "\nRss:"),
	    .anonymous_kb = find_number(text, "\nAnonymous:"),
	};
}

static inline int
map_object(struct dl_phdr_info *object, size_t size, void *data)
{
	const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)data;
	for (size_t i = 0; i < object->dlpi_phnum; i++) {
		uintptr_t start =
		    object->dlpi_addr + object->dlpi_phdr[i].p_vaddr;
		uintptr_t end = start + object->dlpi_phdr[i].p_memsz;

		start -= start % page;
		/* The kernel's own object refuses. */
		if (object->dlpi_phdr[i].p_type == PT_LOAD)
			(void)madvise(
			    (void *)start, end - start, MADV_POPULATE_READ);
	}
	return 0;
}

/* Maps every page of libc, libpam and ourselves: a real host program has used
 * them long before, and their pages would be counted as the module's. */
static inline void
map_what_is_loaded(void)
{
	(void)dl_iterate_phdr(map_object, NULL);
}

#endif
