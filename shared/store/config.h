/*
 * /etc/devauth/devauth.conf: INI with comments, one [devauth] section and one
 * [profile NAME] per identity provider.
 *
 * One schema table (config_schema.c) parses, checks, documents and dumps it.
 * Unknown keys, keys given twice, values outside their range, a missing allow
 * rule, a file that others may write: refused as "file:line: what; cure".
 */
#ifndef DA_STORE_CONFIG_H
#define DA_STORE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"
#include "core/wire.h"

struct da_paths;

enum da_remote_policy {
	DA_REMOTE_PUBLICKEY_FIRST,
	DA_REMOTE_ALLOW,
	DA_REMOTE_DENY,
};

struct da_config_list {
	char **items;
	size_t count;
};

struct da_profile {
	char *name;
	int line; /* of its first key, for messages */
	char *issuer;
	char *client_id;
	int64_t client_auth; /* enum da_client_auth */
	char *client_secret_file;
	bool client_secret_raw;
	char *scope;
	char *ca_file;
	struct da_config_list endpoint_hosts;
	bool allow_loopback;
	bool send_device_name;
	int64_t min_interval_s;
	int64_t request_timeout_s;
	int64_t algorithms; /* DA_JOSE_ALG_* */
	char *username_claim;
	struct da_config_list strip_domains;
	char *groups_claim;
	struct da_config_list allowed_users;
	struct da_config_list allowed_groups;
	uint64_t given; /* which rows of the schema were in the file */
};

struct da_config {
	int64_t remote; /* enum da_remote_policy */
	int64_t login_deadline_s;
	int64_t account_max_age_s;
	bool sshd_shows_text_at_once;
	char *default_profile;
	char *home;
	char *shell;
	uint64_t given;
	int line;
	struct da_profile profiles[DA_CONFIG_PROFILES_MAX];
	size_t profile_count;
};

/* Reads and checks the file. The result is owned. DA_E_CONFIG with
 * "file:line: what; what to do" in diag for anything wrong with the file, its
 * owner or mode; DA_E_NOMEM. */
enum da_err da_config_load(const struct da_paths *paths, struct da_config **ret,
    struct da_diag *diag) DA_MUST_CHECK;
void da_config_free(struct da_config *config);
void da_config_freep(struct da_config **config);

/* The profile of that name; "" = default_profile, or the only one.
 * DA_E_CONFIG. Borrowed. */
enum da_err da_config_profile(const struct da_config *config, const char *name,
    const struct da_profile **ret, struct da_diag *diag) DA_MUST_CHECK;

/* Reads the client secret that the profile names (root, 0600). DA_E_CONFIG. */
enum da_err da_config_read_secret(const struct da_paths *paths,
    const struct da_profile *profile, struct da_buf *ret,
    struct da_diag *diag) DA_MUST_CHECK;

/* Appends the effective configuration in its own syntax; reading the dump and
 * dumping it again gives the same text. With "explain", each key is preceded
 * by its documentation. */
enum da_err da_config_dump(const struct da_config *config, bool explain,
    struct da_buf *ret) DA_MUST_CHECK;

bool da_config_list_has(const struct da_config_list *list, const char *item);

#endif
