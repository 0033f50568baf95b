/*
 * The mapped snapshots of a process and the counts of their readers.
 *
 * There is no lock, so there is nothing that a fork, a signal or a cancelled
 * thread could leave locked. A view lives in one of a few slots; each slot has
 * one word: its state in the two top bits, the number of its readers below.
 *
 *    FREE -> BUSY -> LIVE -> RETIRED -> BUSY -> FREE
 *
 * MUST: (1) a reader adds itself to the word first and then makes sure that
 * the slot is still the current one; only then it looks at the view; (2) a view
 * is unmapped only by whoever changes its word from "RETIRED, no readers" to
 * BUSY, after another slot became current; (1) and (2) are sequentially
 * consistent, so one of the two sees the other; (3) FREE and BUSY slots may be
 * counted up and down by late readers of (1) at any time: change the state by
 * adding, or by comparing the whole word; (4) while the process has one thread,
 * which libc knows, its readers count in a word of their own, without the cost
 * of atomic changes: only signal handlers come in between, and those leave it
 * as they found it. A view is unmapped only when both counts are zero.
 *
 * In the child of a fork the readers that were other threads never leave, so a
 * slot may stay mapped there. When no slot is free the lookup uses a view of
 * its own: slower, never wrong.
 */
#include "account/snapshot.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/single_threaded.h>

#include "core/attr.h"

#define SLOTS 8

#define FREE 0u
#define BUSY (1u << 30)
#define LIVE (2u << 30)
#define RETIRED (3u << 30)

struct da_snapshot_slot {
	_Atomic uint32_t word;
	_Atomic uint32_t alone; /* readers of (4) */
	struct da_view view;
};

static struct da_snapshot_slot slots[SLOTS];
static _Atomic(struct da_snapshot_slot *) current;

/* Unmaps a retired view if nobody reads it. */
static void
reclaim(struct da_snapshot_slot *slot)
{
	uint32_t idle = RETIRED;

	if (atomic_load(&slot->alone) != 0 ||
	    !atomic_compare_exchange_strong(&slot->word, &idle, BUSY))
		return;
	da_view_close(&slot->view);
	atomic_fetch_sub(&slot->word, BUSY - FREE);
}

/* Changes the count of (4); only whoever took it while there was one thread
 * may give it back when there are more. */
static void
count_alone(struct da_snapshot_slot *slot, uint32_t change)
{
	uint32_t count =
	    atomic_load_explicit(&slot->alone, memory_order_relaxed);

	atomic_store_explicit(
	    &slot->alone, count + change, memory_order_relaxed);
	atomic_signal_fence(memory_order_seq_cst);
}

static bool
enter(struct da_snapshot_slot *slot)
{
	if (!__libc_single_threaded) {
		atomic_fetch_add(&slot->word, 1);
		return false;
	}
	count_alone(slot, 1);
	return true;
}

static void
leave(struct da_snapshot_slot *slot, bool alone)
{
	if (!alone) {
		if (atomic_fetch_sub(&slot->word, 1) == RETIRED + 1)
			reclaim(slot);
		return;
	}
	atomic_signal_fence(memory_order_seq_cst);
	if (__libc_single_threaded)
		count_alone(slot, UINT32_MAX);
	else
		atomic_fetch_sub(&slot->alone, 1);
	if (atomic_load(&slot->word) == RETIRED)
		reclaim(slot);
}

/* Puts a view into a free slot, with the caller as its first reader. */
static struct da_snapshot_slot *
settle(const struct da_view *view)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(slots); i++) {
		uint32_t idle = FREE;

		if (!atomic_compare_exchange_strong(
			&slots[i].word, &idle, BUSY))
			continue;
		slots[i].view = *view;
		atomic_fetch_add(&slots[i].word, LIVE - BUSY + 1);
		return &slots[i];
	}
	return NULL;
}

/* Maps anew. Threads that come here together all do; one of them leaves its
 * view for everybody, the others use theirs once. */
static enum da_err
renew(const struct da_paths *paths, struct da_snapshot_slot *seen,
    struct da_snapshot *ret)
{
	struct da_snapshot_slot *slot;
	enum da_err err = da_view_open(paths, &ret->own);

	if (err != DA_OK)
		return err;
	slot = settle(&ret->own);
	ret->slot = slot;
	ret->alone = false;
	ret->view = slot != NULL ? &slot->view : &ret->own;
	if (slot == NULL)
		return DA_OK;
	if (!atomic_compare_exchange_strong(&current, &seen, slot))
		seen = slot;
	if (seen != NULL) {
		atomic_fetch_add(&seen->word, RETIRED - LIVE);
		reclaim(seen);
	}
	return DA_OK;
}

enum da_err
da_snapshot_acquire(const struct da_paths *paths, struct da_snapshot *ret)
{
	struct da_snapshot_slot *seen = atomic_load(&current);

	if (seen != NULL) {
		ret->alone = enter(seen);
		if (atomic_load(&current) == seen &&
		    da_view_is_fresh(&seen->view)) {
			ret->slot = seen;
			ret->view = &seen->view;
			return DA_OK;
		}
		leave(seen, ret->alone);
	}
	return renew(paths, seen, ret);
}

void
da_snapshot_release(struct da_snapshot *snapshot)
{
	if (snapshot->slot != NULL)
		leave(snapshot->slot, snapshot->alone);
	else
		da_view_close(&snapshot->own);
}
