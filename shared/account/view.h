/*
 * struct da_view: both databases as they stood at one generation.
 */
#ifndef DA_ACCOUNT_VIEW_H
#define DA_ACCOUNT_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "account/database.h"
#include "core/attr.h"
#include "core/err.h"

struct da_paths;

struct da_view {
	const uint64_t *counter; /* mapped, changes under us */
	uint64_t generation;     /* the counter when the files were opened */
	struct da_database accounts;
	struct da_database directory;
};

/* Maps the databases for the caller alone. Some 15 system calls, no
 * cancellation point. DA_E_ABSENT (nothing was ever set up here), DA_E_SYS
 * (cannot be read or trusted, or is damaged: nobody can say who exists). */
enum da_err
da_view_open(const struct da_paths *paths, struct da_view *ret) DA_MUST_CHECK;

/* Unmaps. A zeroed view is fine. errno is kept. */
void da_view_close(struct da_view *view);

/* Whether nothing was written since it was opened: one read of memory. */
static inline bool
da_view_is_fresh(const struct da_view *view)
{
	return __atomic_load_n(view->counter, __ATOMIC_ACQUIRE) ==
	    view->generation;
}

#endif
