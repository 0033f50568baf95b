/*
 * Opens the two databases and the counter that says when to do so again.
 *
 * MUST: (1) read the counter before opening the files: a file newer than its
 * label costs one mapping more, an older one would be kept for ever; (2) accept
 * all or nothing: accounts.cdb holds the removals that hide what directory.cdb
 * says, and a name is only free when both say so; (3) map the counter with each
 * view, so that a state folder that was set up anew is noticed as soon as the
 * old counter was raised a last time.
 */
#include "account/view.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "core/file.h"
#include "core/paths.h"

static enum da_err
open_all(const struct da_paths *paths, struct da_view *view)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0755};
	const void *counter;
	size_t size;
	enum da_err err = da_file_open_dir(paths->state_dir, &rule, &dir, NULL);

	if (err != DA_OK) {
		if (err == DA_E_UNSAFE_FILE)
			errno = EPERM;
		return err == DA_E_ABSENT ? err : DA_E_SYS;
	}
	err = da_database_map(dir, DA_FORMAT_GENERATION, paths->owner,
	    DA_FORMAT_GENERATION_SIZE, DA_FORMAT_GENERATION_SIZE, &counter,
	    &size);
	if (err != DA_OK)
		return err;
	view->counter = counter;
	view->generation = __atomic_load_n(view->counter, __ATOMIC_ACQUIRE);
	err = da_database_open(dir, DA_FORMAT_ACCOUNTS, paths->owner,
	    &view->accounts);
	if (err == DA_OK)
		err = da_database_open(dir, DA_FORMAT_DIRECTORY, paths->owner,
		    &view->directory);
	return err;
}

enum da_err
da_view_open(const struct da_paths *paths, struct da_view *ret)
{
	struct da_view view = {0};
	enum da_err err;
	int state;

	/* open() and close() are points where a thread may be cancelled; libc's
	 * lookups do not expect that of us. */
	(void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	err = open_all(paths, &view);
	if (err != DA_OK)
		da_view_close(&view);
	else
		*ret = view;
	(void)pthread_setcancelstate(state, NULL); /* cannot fail */
	return err;
}

void
da_view_close(struct da_view *view)
{
	int saved = errno;

	da_database_close(&view->directory);
	da_database_close(&view->accounts);
	if (view->counter != NULL)
		(void)munmap((void *)(uintptr_t)view->counter,
		    DA_FORMAT_GENERATION_SIZE); /* our own mapping */
	*view = (struct da_view){0};
	errno = saved;
}
