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
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "core/paths.h"

/* Only the folder itself is looked at: those above it are the system's, and the
 * writer, who can lose something, checks them all. */
static enum da_err
open_folder(const struct da_paths *paths, int *ret_dir)
{
	struct stat st;

	*ret_dir = openat(AT_FDCWD, paths->state_dir,
	    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_dir < 0)
		return errno == ENOENT ? DA_E_ABSENT : DA_E_SYS;
	if (fstat(*ret_dir, &st) != 0)
		return DA_E_SYS;
	if (st.st_uid != paths->owner ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		errno = EPERM;
		return DA_E_SYS;
	}
	return DA_OK;
}

static enum da_err
open_all(const struct da_paths *paths, struct da_view *view)
{
	DA_CLEANUP(da_database_closep) int dir = -1;
	const void *counter;
	size_t size;
	enum da_err err = open_folder(paths, &dir);

	if (err != DA_OK)
		return err;
	err = da_database_map(dir, DA_FORMAT_GENERATION, paths->owner,
	    DA_FORMAT_GENERATION_SIZE, DA_FORMAT_GENERATION_SIZE, &counter,
	    &size);
	if (err != DA_OK)
		return err;
	view->counter = counter;
	view->generation = __atomic_load_n(view->counter, __ATOMIC_ACQUIRE);
	err = da_database_open(
	    dir, DA_FORMAT_ACCOUNTS, paths->owner, &view->accounts);
	if (err == DA_OK)
		err = da_database_open(
		    dir, DA_FORMAT_DIRECTORY, paths->owner, &view->directory);
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
