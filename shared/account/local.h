/*
 * The host's own accounts, read from its files and not through NSS: NSS would
 * ask us again, and other sources are no authority on what is local.
 */
#ifndef DA_ACCOUNT_LOCAL_H
#define DA_ACCOUNT_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/err.h"

struct da_account;
struct da_paths;
struct da_view;

/* Where the local files already use a name or a number. */
struct da_local {
	bool passwd_name;
	bool passwd_id; /* as the uid or the primary gid of somebody */
	bool group_name;
	bool group_id;
	uint32_t uid; /* with passwd_name */
	uint32_t gid; /* with group_name */
};

/* Reads the local passwd and group files. DA_E_SYS (a file cannot be read, or
 * has a line of absurd length), DA_E_NOMEM. */
enum da_err da_local_find(const struct da_paths *paths, const char *name,
    uint32_t id, struct da_local *ret) DA_MUST_CHECK;

/* Whether the database marks the name as a managed local account. */
bool da_local_is_managed(const struct da_view *view, const char *name);

/* A managed local account as the passwd file has it; texts go to the buffer.
 * DA_E_ABSENT (none of that name), DA_E_RANGE, DA_E_NOMEM, DA_E_SYS. */
enum da_err
da_local_find_account(const struct da_paths *paths, const char *name,
    char *buffer, size_t size, struct da_account *ret) DA_MUST_CHECK;

#endif
