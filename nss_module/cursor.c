/*
 * Listing everybody: the position of this process. One of the two places with
 * static state, see shared/account/snapshot.c for the other.
 */
#include "nss_devauth.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

#include "account/reader.h"
#include "core/paths.h"

/* Whoever has the cursor reads memory, or opens three files. */
#define TAKE_YIELDS 64
#define TAKE_PAUSES 1000
#define TAKE_PAUSE_NS 1000000

static enum da_err
take(struct da_nss_cursor *cursor)
{
	const struct timespec pause = {.tv_nsec = TAKE_PAUSE_NS};

	for (int tries = 0; tries < TAKE_YIELDS + TAKE_PAUSES; tries++) {
		if (da_nss_cursor_try(cursor))
			return DA_OK;
		if (tries < TAKE_YIELDS)
			(void)sched_yield(); /* cannot fail on Linux */
		else
			(void)nanosleep(&pause, NULL); /* short is as good */
	}
	return DA_E_NOMEM;
}

/* Stays for the next listing, as the view does: static memory would cost every
 * process that never lists anybody. Without it a listing is slower. */
static struct da_reader_sieve *
map_sieve(void)
{
	void *room = mmap(NULL, sizeof(struct da_reader_sieve),
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return room == MAP_FAILED ? NULL : room;
}

static enum da_err
open_taken(struct da_nss_cursor *cursor)
{
	enum da_err err;

	if (cursor->denied)
		return DA_E_ABSENT;
	if (cursor->open)
		return DA_OK;
	err = da_snapshot_acquire(&da_paths, &cursor->snapshot);
	if (err != DA_OK)
		return err;
	if (!da_reader_may_enumerate(cursor->snapshot.view)) {
		da_snapshot_release(&cursor->snapshot);
		cursor->denied = true;
		return DA_E_ABSENT;
	}
	if (cursor->sieve == NULL)
		cursor->sieve = map_sieve();
	da_reader_start_walk(
	    cursor->snapshot.view, cursor->sieve, &cursor->walk);
	cursor->open = true;
	return DA_OK;
}

enum nss_status
da_nss_cursor_prepare(struct da_nss_cursor *cursor, bool taken, int *errnop)
{
	int saved = errno;
	enum da_err err = taken ? DA_OK : take(cursor);

	if (err != DA_OK)
		return da_nss_status(err, saved, errnop);
	err = open_taken(cursor);
	if (err != DA_OK)
		da_nss_cursor_give(cursor);
	return da_nss_status(err, saved, errnop);
}

enum nss_status
da_nss_cursor_reset(struct da_nss_cursor *cursor)
{
	int saved = errno;
	enum da_err err = take(cursor);

	if (err != DA_OK)
		return da_nss_status(err, saved, &errno);
	if (cursor->open)
		da_snapshot_release(&cursor->snapshot);
	cursor->open = false;
	cursor->denied = false;
	da_nss_cursor_give(cursor);
	return da_nss_status(DA_OK, saved, &errno);
}
