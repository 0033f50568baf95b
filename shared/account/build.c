/*
 * Replaces a database. Runs as root in the broker and the command.
 *
 * MUST: (1) never write into a file that readers may have mapped, the counter
 * excepted; (2) rename only what is complete and on disk; (3) raise the counter
 * after the rename, and after the next start if it could not be done then: the
 * new file carries the number that the counter will get, so that a file ahead
 * of the counter tells of a writer that died in between; (4) keep the lock in a
 * file that only root can open: flock() needs no right to write, and whoever
 * could open it could stop all logins.
 */
#include "account/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "account/record.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"

#define LOCK_NAME "accounts.lock"
/* One name, so that what a killed writer left is found and removed. */
#define TEMP_NAME ".accounts.new"

/* Others hold the lock for one rewrite: milliseconds, seconds for a million
 * people. */
#define LOCK_TIMEOUT_MS 3000
#define LOCK_PAUSE_NS 5000000

/* What the file is written in, at positions that it divides: the page cache
 * keeps what came as one piece as one piece, and each process that maps it
 * later takes it in with one fault where there were dozens. A large page of
 * this size, on most machines. */
#define PIECE (2u << 20)

/* Slots of an index: up to 32 kB there may be more than needed; and as many as
 * the largest file could have records, twice. */
#define SLOTS_FREELY 4096u
#define SLOTS_MAX (1u << 29)

static enum da_err
take_lock(struct da_build *build, struct da_diag *diag)
{
	const int64_t deadline_mono_ms = da_clock_mono_ms() + LOCK_TIMEOUT_MS;
	const struct timespec pause = {.tv_nsec = LOCK_PAUSE_NS};
	struct stat st;

	build->lock = openat(build->dir, LOCK_NAME,
	    O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
	    0600);
	if (build->lock < 0 || fstat(build->lock, &st) != 0) {
		da_diag_set(diag, "%s: cannot open: %m", LOCK_NAME);
		return DA_E_SYS;
	}
	if (!S_ISREG(st.st_mode) || st.st_uid != build->paths->owner ||
	    st.st_nlink != 1 || (st.st_mode & 077) != 0) {
		da_diag_set(
		    diag, "%s: not a file of root alone; remove it", LOCK_NAME);
		return DA_E_UNSAFE_FILE;
	}
	while (flock(build->lock, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR) {
			da_diag_set(diag, "%s: cannot lock: %m", LOCK_NAME);
			return DA_E_SYS;
		}
		if (da_clock_mono_ms() >= deadline_mono_ms) {
			da_diag_set(diag, "%s: another process keeps it locked",
			    LOCK_NAME);
			return DA_E_TIMEOUT;
		}
		(void)nanosleep(&pause, NULL); /* cut short is as good */
	}
	return DA_OK;
}

/* Creates the counter; an existing one is left alone whatever it is like. */
static enum da_err
ensure_counter(struct da_build *build, struct da_diag *diag)
{
	static const uint8_t zeros[DA_FORMAT_GENERATION_SIZE];
	struct stat st;

	if (fstatat(build->dir, DA_FORMAT_GENERATION, &st,
		AT_SYMLINK_NOFOLLOW) == 0)
		return DA_OK;
	if (errno != ENOENT) {
		da_diag_set(
		    diag, "%s: cannot look at it: %m", DA_FORMAT_GENERATION);
		return DA_E_SYS;
	}
	return da_file_replace(
	    build->dir, DA_FORMAT_GENERATION, 0644, zeros, sizeof(zeros), diag);
}

/* Tells the readers. Its owner, mode and size were checked with the view. */
static enum da_err
raise_counter(struct da_build *build, uint64_t value, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int fd = -1;
	void *page;

	fd = openat(build->dir, DA_FORMAT_GENERATION,
	    O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		da_diag_set(diag, "%s: cannot open: %m", DA_FORMAT_GENERATION);
		return DA_E_SYS;
	}
	page = mmap(NULL, DA_FORMAT_GENERATION_SIZE, PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		da_diag_set(diag, "%s: cannot map: %m", DA_FORMAT_GENERATION);
		return DA_E_SYS;
	}
	__atomic_store_n((uint64_t *)page, value, __ATOMIC_RELEASE);
	(void)munmap(page, DA_FORMAT_GENERATION_SIZE); /* our own mapping */
	return DA_OK;
}

static uint64_t
newest(const struct da_view *view)
{
	uint64_t value = view->generation;

	if (value < view->accounts.generation)
		value = view->accounts.generation;
	if (value < view->directory.generation)
		value = view->directory.generation;
	return value;
}

/* Does what a writer did not get to that died after its rename. */
static enum da_err
make_good(struct da_build *build, struct da_diag *diag)
{
	const uint64_t value = newest(&build->view);
	enum da_err err;

	if (value == build->view.generation)
		return DA_OK;
	err = raise_counter(build, value, diag);
	if (err == DA_OK)
		build->view.generation = value;
	return err;
}

static enum da_err
open_view(struct da_build *build, struct da_diag *diag)
{
	enum da_err err = da_view_open(build->paths, &build->view);

	if (err == DA_OK)
		return DA_OK;
	if (errno == EPERM || errno == EBADMSG) {
		da_diag_set(diag,
		    "a file in %s is damaged or may be written "
		    "by others; see devauth accounts check",
		    build->paths->state_dir);
		return DA_E_UNSAFE_FILE;
	}
	da_diag_set(diag, "%s: cannot open: %m", build->paths->state_dir);
	return err;
}

/* The folder and its lock. */
static enum da_err
enter(struct da_build *build, const struct da_paths *paths, const char *name,
    struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0755};
	enum da_err err;

	*build = DA_BUILD_NONE;
	build->paths = paths;
	build->name = name;
	err = da_file_open_dir(paths->state_dir, &rule, &build->dir, diag);
	return err == DA_OK ? take_lock(build, diag) : err;
}

enum da_err
da_build_open(struct da_build *build, const struct da_paths *paths,
    const char *name, struct da_diag *diag)
{
	enum da_err err = enter(build, paths, name, diag);

	if (err == DA_OK)
		err = ensure_counter(build, diag);
	if (err == DA_OK)
		err = open_view(build, diag);
	if (err == DA_OK)
		err = make_good(build, diag);
	return err;
}

/* Writes one record and keeps count of where the next one will be. */
static enum da_err
put(struct da_build *build, const void *key, size_t key_len, const void *value,
    size_t value_len)
{
	if (cdb_make_add(&build->make, key, (unsigned)key_len, value,
		(unsigned)value_len) != 0)
		return errno == ENOMEM ? DA_E_NOMEM : DA_E_SYS;
	build->position += DA_FORMAT_CELL_HEAD + key_len + value_len;
	return DA_OK;
}

/* What an index will hold. */
struct da_build_index {
	size_t count;
	size_t room;

	struct da_build_entry {
		uint32_t hash;
		uint32_t key;
		uint32_t position;
	} entries[];
};

static enum da_err
note(struct da_build_index **index, uint32_t hash, uint32_t key,
    uint64_t position)
{
	struct da_build_index *old = *index;
	size_t count = old == NULL ? 0 : old->count;

	if (old == NULL || count == old->room) {
		size_t room = 2 * count + 64;

		old =
		    realloc(old, sizeof(*old) + room * sizeof(old->entries[0]));
		if (old == NULL)
			return DA_E_NOMEM;
		*index = old;
		old->room = room;
	}
	old->entries[count] =
	    (struct da_build_entry){hash, key, (uint32_t)position};
	old->count = count + 1;
	return DA_OK;
}

/* Writes a record that is found by its name. */
static enum da_err
put_named(struct da_build *build, const struct da_cell *cell)
{
	uint64_t hash = da_format_hash_name(cell->key + 1, cell->key_len - 1);
	enum da_err err = note(&build->names, (uint32_t)(hash >> 32),
	    (uint32_t)hash, build->position);

	if (err == DA_OK)
		err = put(build, cell->key, cell->key_len, cell->value,
		    cell->value_len);
	return err;
}

/* The same of one that is found by a number as well. */
static enum da_err
put_numbered(struct da_build *build, const struct da_cell *cell, uint32_t id)
{
	enum da_err err =
	    note(&build->ids, da_format_hash_id(id), id, build->position);

	return err == DA_OK ? put_named(build, cell) : err;
}

static void
fill_slots(const struct da_build_index *index, uint8_t *table, uint32_t slots)
{
	for (size_t i = 0; index != NULL && i < index->count; i++) {
		const struct da_build_entry *entry = &index->entries[i];
		uint32_t at = da_format_slot(entry->hash, slots);
		uint8_t *slot = table + (size_t)at * DA_INDEX_SLOT;

		while (da_format_get_u32(slot + 4) != 0) {
			at = (at + 1) & (slots - 1);
			slot = table + (size_t)at * DA_INDEX_SLOT;
		}
		da_format_put_u32(slot, entry->key);
		da_format_put_u32(slot + 4, entry->position);
	}
}

/* A third of the slots stays free at least, for a table that is twice as large
 * is twice as often not in the cache; most where they are few: a search that
 * ends at once is one that the processor foresees. */
static uint32_t
choose_slots(const struct da_build_index *index)
{
	size_t count = index == NULL ? 0 : index->count;
	uint32_t slots = 2;

	while ((slots < count + count / 2 && slots < SLOTS_MAX) ||
	    (slots < 8 * count && slots < SLOTS_FREELY))
		slots *= 2;
	return slots;
}

/* Writes an index; the header learns where it is. */
static enum da_err
put_index(struct da_build *build, enum da_format_kind kind,
    const struct da_build_index *index, uint8_t *ret)
{
	const uint8_t key = (uint8_t)kind;
	const size_t start =
	    build->position + DA_FORMAT_CELL_HEAD + sizeof(key);
	const size_t gap = -start % DA_INDEX_SLOT;
	const uint32_t slots = choose_slots(index);
	const size_t size = gap + (size_t)slots * DA_INDEX_SLOT;
	uint8_t *value = calloc(1, size);
	enum da_err err;

	if (value == NULL)
		return DA_E_NOMEM;
	fill_slots(index, value + gap, slots);
	da_format_put_u32(ret, (uint32_t)(start + gap));
	da_format_put_u32(ret + 4, slots);
	err = put(build, &key, sizeof(key), value, size);
	free(value);
	return err;
}

static int
create_temp(const struct da_build *build)
{
	return openat(build->dir, TEMP_NAME,
	    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

enum da_err
da_build_begin(struct da_build *build, struct da_diag *diag)
{
	const uint8_t key = DA_KIND_FORMAT;
	uint8_t header[DA_FORMAT_HEADER_LEN] = {0};

	if (unlinkat(build->dir, TEMP_NAME, 0) != 0 && errno != ENOENT) {
		da_diag_set(diag, "%s: cannot remove: %m", TEMP_NAME);
		return DA_E_SYS;
	}
	build->draft = create_temp(build);
	/* Without a name, so that nobody else has to remove it. */
	if (build->draft < 0 || unlinkat(build->dir, TEMP_NAME, 0) != 0 ||
	    cdb_make_start(&build->make, build->draft) != 0) {
		da_diag_set(diag, "%s: cannot create: %m", TEMP_NAME);
		return DA_E_SYS;
	}
	build->begun = true;
	build->position = DA_FORMAT_TABLES_SIZE;
	build->people_end = 0;
	build->generation = newest(&build->view) + 1;
	memcpy(header, DA_FORMAT_MAGIC, DA_FORMAT_MAGIC_LEN);
	da_format_put_u64(header + DA_HEADER_GENERATION, build->generation);
	return put(build, &key, 1, header, sizeof(header));
}

enum da_err
da_build_put_cell(struct da_build *build, const struct da_cell *cell)
{
	struct da_record_person person;
	struct da_record_group group;
	enum da_err err;

	switch (cell->key[0]) {
	case DA_KIND_FORMAT:
	case DA_KIND_IDS:
	case DA_KIND_NAMES:
		return DA_OK;
	case DA_KIND_PERSON:
		if (!da_record_read_person(cell, &person))
			return DA_E_RANGE;
		/* The uid of a former name leads to the new one. */
		err = person.renamed ? put_named(build, cell)
				     : put_numbered(build, cell, person.uid);
		build->people_end = build->position;
		return err;
	case DA_KIND_GROUP:
		if (!da_record_read_group(cell, &group) ||
		    !da_record_has_members(&group))
			return DA_E_RANGE;
		return put_numbered(build, cell, group.gid);
	case DA_KIND_GROUPS_OF:
		return put_named(build, cell);
	default:
		return put(build, cell->key, cell->key_len, cell->value,
		    cell->value_len);
	}
}

/* Completes the draft: the indexes, cdb's tables, the header. */
static bool
finish(struct da_build *build)
{
	const off_t header =
	    DA_FORMAT_TABLES_SIZE + DA_FORMAT_CELL_HEAD + 1 + DA_HEADER_IDS;
	uint8_t where[DA_FORMAT_HEADER_LEN - DA_HEADER_IDS];
	bool written =
	    put_index(build, DA_KIND_IDS, build->ids, where) == DA_OK &&
	    put_index(build, DA_KIND_NAMES, build->names,
		where + DA_HEADER_NAMES - DA_HEADER_IDS) == DA_OK;

	da_format_put_u32(where + DA_HEADER_PEOPLE_END - DA_HEADER_IDS,
	    (uint32_t)build->people_end);
	/* Also frees what it has allocated. */
	return cdb_make_finish(&build->make) == 0 && written &&
	    pwrite(build->draft, where, sizeof(where), header) ==
	    (ssize_t)sizeof(where);
}

/* Copies the draft, which was written a few bytes at a time. */
static bool
copy_in_pieces(const struct da_build *build)
{
	uint8_t *piece = malloc(PIECE);
	ssize_t size = -1;

	for (off_t at = 0; piece != NULL; at += size) {
		size =
		    TEMP_FAILURE_RETRY(pread(build->draft, piece, PIECE, at));
		if (size <= 0)
			break;
		if (!da_file_write(build->file, piece, (size_t)size)) {
			size = -1;
			break;
		}
	}
	free(piece);
	return size == 0;
}

/* The new file, complete and on disk, under its temporary name. */
static bool
make_file(struct da_build *build)
{
	if (!finish(build))
		return false;
	build->file = create_temp(build);
	return build->file >= 0 && copy_in_pieces(build) &&
	    fchmod(build->file, 0644) == 0 && fsync(build->file) == 0;
}

enum da_err
da_build_commit(struct da_build *build, struct da_diag *diag)
{
	enum da_err err;
	bool synced;

	if (!build->begun)
		return DA_E_BUG;
	build->begun = false;
	if (!make_file(build) ||
	    renameat(build->dir, TEMP_NAME, build->dir, build->name) != 0) {
		int saved = errno;

		(void)unlinkat(
		    build->dir, TEMP_NAME, 0); /* the error matters */
		errno = saved;
		da_diag_set(diag, "cannot write %s: %m", build->name);
		return DA_E_SYS;
	}
	/* Readers see the new file from here on, so they are told even if it
	 * may not outlive a power cut. */
	synced = fsync(build->dir) == 0;
	if (!synced)
		da_diag_set(
		    diag, "cannot sync the folder of %s: %m", build->name);
	err = raise_counter(build, build->generation, synced ? diag : NULL);
	return synced ? err : DA_E_SYS;
}

void
da_build_done(struct da_build *build)
{
	int saved = errno;

	if (build->begun) {
		build->begun = false;
		/* Only to free what it has allocated. */
		(void)cdb_make_finish(&build->make);
	}
	free(build->ids);
	free(build->names);
	build->ids = build->names = NULL;
	da_file_closep(&build->draft);
	da_file_closep(&build->file);
	da_view_close(&build->view);
	da_file_closep(&build->lock);
	da_file_closep(&build->dir);
	errno = saved;
}

/* Maps the counter if there is one that readers could have mapped. */
static enum da_err
map_counter(struct da_build *build, uint64_t **ret, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int fd = -1;
	struct stat st;
	void *page;

	*ret = NULL;
	fd = openat(build->dir, DA_FORMAT_GENERATION,
	    O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
	    st.st_size != DA_FORMAT_GENERATION_SIZE)
		return DA_OK;
	page = mmap(NULL, DA_FORMAT_GENERATION_SIZE, PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	if (page == MAP_FAILED) {
		da_diag_set(diag, "%s: cannot map: %m", DA_FORMAT_GENERATION);
		return DA_E_SYS;
	}
	*ret = page;
	return DA_OK;
}

static enum da_err
remove_file(struct da_build *build, const char *name, struct da_diag *diag)
{
	if (unlinkat(build->dir, name, 0) == 0 || errno == ENOENT)
		return DA_OK;
	da_diag_set(diag, "%s: cannot remove: %m", name);
	return DA_E_SYS;
}

/* The directory goes before what hides parts of it. The counter is raised while
 * it has a name, for those who look now, and once more when it has none: who
 * mapped it in between would wait for it for ever. */
static enum da_err
remove_all(struct da_build *build, uint64_t *counter, struct da_diag *diag)
{
	enum da_err err = remove_file(build, DA_FORMAT_DIRECTORY, diag);

	if (err == DA_OK)
		err = remove_file(build, DA_FORMAT_ACCOUNTS, diag);
	if (err == DA_OK)
		err = remove_file(build, TEMP_NAME, diag);
	if (err == DA_OK && counter != NULL)
		(void)__atomic_add_fetch(counter, 1, __ATOMIC_RELEASE);
	if (err == DA_OK)
		err = remove_file(build, DA_FORMAT_GENERATION, diag);
	if (err == DA_OK && counter != NULL)
		(void)__atomic_add_fetch(counter, 1, __ATOMIC_RELEASE);
	if (err == DA_OK && fsync(build->dir) != 0) {
		da_diag_set(diag, "cannot sync the folder: %m");
		err = DA_E_SYS;
	}
	return err;
}

enum da_err
da_build_purge(const struct da_paths *paths, struct da_diag *diag)
{
	DA_CLEANUP(da_build_done) struct da_build build;
	uint64_t *counter = NULL;
	enum da_err err = enter(&build, paths, DA_FORMAT_ACCOUNTS, diag);

	if (err == DA_OK)
		err = map_counter(&build, &counter, diag);
	if (err == DA_OK)
		err = remove_all(&build, counter, diag);
	if (counter != NULL)
		(void)munmap(counter, DA_FORMAT_GENERATION_SIZE); /* ours */
	return err;
}
