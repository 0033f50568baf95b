/*
 * The view that a process keeps: mapped once, shared by its threads, mapped
 * anew when the counter has moved. For the NSS module only; others open a view
 * of their own, so that nothing of ours stays behind in a process that unloads
 * us.
 */
#ifndef DA_ACCOUNT_SNAPSHOT_H
#define DA_ACCOUNT_SNAPSHOT_H

#include "account/view.h"

struct da_snapshot_slot;

/* A loan of the view. */
struct da_snapshot {
	const struct da_view *view;
	struct da_snapshot_slot *slot; /* NULL: "own" is used */
	bool alone;                    /* how it was counted */
	struct da_view own;
};

/* Lends the current view; no system call while nothing was written. Give it
 * back with da_snapshot_release(), in whatever thread; until then it must stay
 * where it is in memory. Every call of a process must pass the same paths. From
 * any thread, in signal handlers, after fork.
 * DA_E_ABSENT, DA_E_SYS as da_view_open(). */
enum da_err da_snapshot_acquire(
    const struct da_paths *paths, struct da_snapshot *ret) DA_MUST_CHECK;

/* errno is kept. */
void da_snapshot_release(struct da_snapshot *snapshot);

#endif
