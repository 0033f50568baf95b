/*
 * What is true of a session in this boot: a small file on tmpfs, made with the
 * session, written in place, so that it can be locked. Its number only grows;
 * a session without it is over.
 */
#ifndef DA_STORE_STANDING_H
#define DA_STORE_STANDING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

struct da_paths;

struct da_standing {
	int64_t serial;     /* of the latest writing of the session's file */
	int64_t ended_at_s; /* wall clock; 0 = it runs */
	int64_t tries;      /* to revoke it, that did not work */
	int64_t tried_mono_ms;
};

/* Opens the folder of them, or another private one of root's; with "make" it
 * is made when it is absent. DA_E_ABSENT, DA_E_UNSAFE_FILE, DA_E_SYS. */
enum da_err
da_standing_open_dir(const struct da_paths *paths, const char *folder,
    bool make, int *ret_dir, struct da_diag *diag) DA_MUST_CHECK;

/* Makes or replaces it. The errors of da_file_replace(). */
enum da_err da_standing_save(const struct da_paths *paths, const char *id,
    const struct da_standing *standing, struct da_diag *diag) DA_MUST_CHECK;

/* Opens it for the calls below, or for da_file_lock(). DA_E_ABSENT: there is
 * none; DA_E_UNSAFE_FILE, DA_E_SYS. */
enum da_err da_standing_open(const struct da_paths *paths, const char *id,
    int *ret_fd, struct da_diag *diag) DA_MUST_CHECK;

/* As it is now. DA_E_ABSENT when it was removed since, DA_E_SYNTAX. */
enum da_err da_standing_read(
    int fd, struct da_standing *ret, struct da_diag *diag) DA_MUST_CHECK;

/* Each writes its own bytes only, so that neither undoes the other. DA_E_SYS.
 */
enum da_err da_standing_set_serial(int fd, int64_t serial) DA_MUST_CHECK;
enum da_err da_standing_set_ended(int fd, int64_t ended_at_s) DA_MUST_CHECK;

void da_standing_remove(const struct da_paths *paths, const char *id);

#endif
