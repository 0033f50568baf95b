/*
 * The host's own accounts, read from its files and not through NSS: NSS would
 * ask us again, and other sources are no authority on what is local.
 */
#ifndef DA_ACCOUNT_LOCAL_H
#define DA_ACCOUNT_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/err.h"

struct da_paths;

/* Where the local files already use a name or a number. */
struct da_local {
	bool passwd_name;
	bool passwd_id; /* as the uid or the primary gid of somebody */
	bool group_name;
	bool group_id;
};

/* Reads the local passwd and group files. DA_E_SYS (a file cannot be read, or
 * has a line of absurd length), DA_E_NOMEM. */
enum da_err da_local_find(const struct da_paths *paths, const char *name,
    uint32_t id, struct da_local *ret) DA_MUST_CHECK;

#endif
