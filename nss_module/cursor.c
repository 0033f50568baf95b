/*
 * Listing everybody: the position of this process. One of the two places with
 * static state, see shared/account/snapshot.c for the other.
 */
#include "nss_devauth.h"

#include <errno.h>
#include <sched.h>
#include <sys/single_threaded.h>
#include <time.h>

#include "account/reader.h"
#include "core/paths.h"

/* Whoever has the cursor reads memory, or opens three files. */
#define TAKE_YIELDS 64
#define TAKE_PAUSES 1000
#define TAKE_PAUSE_NS 1000000

/* Where there is one thread nothing has to be atomic: a signal handler in
 * between gives back what it takes. */
static bool
try_take(struct da_nss_cursor *cursor)
{
	bool busy;

	if (!__libc_single_threaded)
		return !__atomic_exchange_n(
		    &cursor->busy, true, __ATOMIC_ACQUIRE);
	busy = __atomic_load_n(&cursor->busy, __ATOMIC_RELAXED);
	__atomic_store_n(&cursor->busy, true, __ATOMIC_RELAXED);
	return !busy;
}

enum da_err
da_nss_cursor_take(struct da_nss_cursor *cursor)
{
	const struct timespec pause = {.tv_nsec = TAKE_PAUSE_NS};

	for (int tries = 0; tries < TAKE_YIELDS + TAKE_PAUSES; tries++) {
		if (try_take(cursor))
			return DA_OK;
		if (tries < TAKE_YIELDS)
			(void)sched_yield(); /* cannot fail on Linux */
		else
			(void)nanosleep(&pause, NULL); /* short is as good */
	}
	return DA_E_NOMEM;
}

void
da_nss_cursor_give(struct da_nss_cursor *cursor)
{
	__atomic_store_n(&cursor->busy, false, __ATOMIC_RELEASE);
}

enum da_err
da_nss_cursor_open(struct da_nss_cursor *cursor)
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
	cursor->position = 0;
	cursor->open = true;
	return DA_OK;
}

enum nss_status
da_nss_cursor_reset(struct da_nss_cursor *cursor)
{
	int saved = errno;
	enum da_err err = da_nss_cursor_take(cursor);

	if (err != DA_OK)
		return da_nss_status(err, saved, &errno);
	if (cursor->open)
		da_snapshot_release(&cursor->snapshot);
	cursor->open = false;
	cursor->denied = false;
	da_nss_cursor_give(cursor);
	return da_nss_status(DA_OK, saved, &errno);
}
