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
 * adding, or by comparing the whole word.
 *
 * In the child of a fork the readers that were other threads never leave, so a
 * slot may stay mapped there. When no slot is free the lookup uses a view of
 * its own: slower, never wrong.
 */
#include "account/snapshot.h"

#include <stdatomic.h>
#include <stddef.h>

#include "core/attr.h"

#define SLOTS 8

#define FREE 0u
#define BUSY (1u << 30)
#define LIVE (2u << 30)
#define RETIRED (3u << 30)

struct da_snapshot_slot {
	_Atomic uint32_t word;
	struct da_view view;
};

static struct da_snapshot_slot slots[SLOTS];
static _Atomic(struct da_snapshot_slot *) current;

/* Unmaps a retired view if nobody reads it. */
static void
reclaim(struct da_snapshot_slot *slot)
{
	uint32_t idle = RETIRED;

	if (!atomic_compare_exchange_strong(&slot->word, &idle, BUSY))
		return;
	da_view_close(&slot->view);
	atomic_fetch_sub(&slot->word, BUSY - FREE);
}

static void
leave(struct da_snapshot_slot *slot)
{
	if (atomic_fetch_sub(&slot->word, 1) == RETIRED + 1)
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
		atomic_fetch_add(&seen->word, 1);
		if (atomic_load(&current) == seen &&
		    da_view_is_fresh(&seen->view)) {
			ret->slot = seen;
			ret->view = &seen->view;
			return DA_OK;
		}
		leave(seen);
	}
	return renew(paths, seen, ret);
}

void
da_snapshot_release(struct da_snapshot *snapshot)
{
	if (snapshot->slot != NULL)
		leave(snapshot->slot);
	else
		da_view_close(&snapshot->own);
}
