/*
 * /etc/devauth/devauth.conf: INI with comments; one [devauth] section, one
 * [profile NAME] per identity provider, and where they are needed
 * [service NAME], [account NAME] and [group NAME].
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

/* What proves that a person is still welcome at the provider (providers.md
 * 11). */
enum da_provider_check {
	DA_CHECK_REFRESH,
	DA_CHECK_USERINFO, /* a refresh, and userinfo with the new token */
	DA_CHECK_INTROSPECTION,
};

/* What follows when the provider refuses to refresh a session's tokens. Each
 * does what the one before it does. */
enum da_on_revoked {
	DA_REVOKED_KEEP,      /* the tokens are forgotten */
	DA_REVOKED_LOCK,      /* and the account asks for a new sign-in */
	DA_REVOKED_TERMINATE, /* and the session's processes are ended */
};

/* When sudo and su ask again. */
enum da_reauth {
	DA_REAUTH_ALWAYS,
	DA_REAUTH_PROVIDER,
	DA_REAUTH_SESSION,
	DA_REAUTH_NEVER,
};

struct da_config_list {
	char **items;
	size_t count;
};

struct da_config_kind;

/* What every section begins with. "line" is that of its title; "lines" tells
 * where the rows of its schema are, 0 for those that the file does not have. */
#define DA_SECTION_HEAD                                                        \
	const struct da_config_kind *kind;                                     \
	char *name;                                                            \
	int line;                                                              \
	int lines[DA_CONFIG_KEYS_MAX]

struct da_section {
	DA_SECTION_HEAD;
};

/* Who may log in: one of the users, or somebody in one of the groups, and all
 * of the claims hold. */
struct da_access {
	struct da_config_list users;
	struct da_config_list groups; /* ids of the provider */
	struct da_config_list claims; /* NAME=VALUE|VALUE... */
};

struct da_profile {
	DA_SECTION_HEAD;
	char *issuer;
	char *client_id;
	int64_t client_auth; /* enum da_client_auth */
	char *client_secret_file;
	bool client_secret_raw;
	int64_t assertion_for_issuer; /* private_key_jwt: 1 = as aud */
	int64_t binding;              /* enum da_binding */
	int64_t provider_check;       /* enum da_provider_check */
	int64_t refresh_margin_s;
	int64_t on_revoked; /* enum da_on_revoked */
	char *scope;
	char *ca_file;
	struct da_config_list endpoint_hosts;
	bool allow_loopback;
	bool send_device_name;
	int64_t min_interval_s;
	int64_t request_timeout_s;
	int64_t algorithms;                   /* DA_JOSE_ALG_* */
	struct da_config_list username_claim; /* the first that is there */
	struct da_config_list strip_domains;
	char *groups_claim;
	struct da_access access;
};

/* [service NAME]: what one PAM service asks for besides the profile. */
struct da_service {
	DA_SECTION_HEAD;
	char *profile; /* whose ids it means; "" = there is one issuer */
	struct da_access access;
	int64_t reauth; /* enum da_reauth */
	int64_t reauth_max_age_s;
	/* Of the sign-in: one of these, all of these; 0 = of any age. */
	struct da_config_list acr;
	struct da_config_list amr;
	int64_t max_age_s;
};

/* [account NAME]: the people who may log in as that account. */
struct da_mapping {
	DA_SECTION_HEAD;
	char *profile;                  /* whose login names; as above */
	struct da_config_list people;   /* login names */
	struct da_config_list subjects; /* ISSUER#SUBJECT */
};

/* [group NAME]: a group whose members the provider's groups decide. */
struct da_group_rule {
	DA_SECTION_HEAD;
	int64_t gid; /* 0 = that of the local group of the name */
	bool local;
	char *profile;              /* as in struct da_service */
	struct da_config_list from; /* ids of the provider */
};

struct da_config {
	DA_SECTION_HEAD; /* of [devauth], which has no name */
	int64_t remote;  /* enum da_remote_policy */
	int64_t login_deadline_s;
	int64_t account_max_age_s;
	bool sshd_shows_text_at_once;
	char *default_profile;
	char *home;
	char *shell;
	bool enumerate;
	struct da_profile profiles[DA_CONFIG_PROFILES_MAX];
	size_t profile_count;
	struct da_service services[DA_CONFIG_SECTIONS_MAX];
	size_t service_count;
	struct da_mapping mappings[DA_CONFIG_SECTIONS_MAX];
	size_t mapping_count;
	struct da_group_rule groups[DA_CONFIG_SECTIONS_MAX];
	size_t group_count;
};

/* Reads and checks the file. The result is owned. DA_E_CONFIG with
 * "file:line: what; what to do" in diag for anything wrong with the file, its
 * owner or mode; DA_E_NOMEM. */
enum da_err da_config_load(const struct da_paths *paths, struct da_config **ret,
    struct da_diag *diag) DA_MUST_CHECK;

/* The same for whoever is to mend it: appends every complaint, each a line. */
enum da_err da_config_check(const struct da_paths *paths,
    struct da_config **ret, struct da_buf *ret_complaints) DA_MUST_CHECK;

void da_config_free(struct da_config *config);
void da_config_freep(struct da_config **config);

/* The profile of that name; "" = default_profile, or the only one.
 * DA_E_CONFIG. Borrowed. */
enum da_err da_config_profile(const struct da_config *config, const char *name,
    const struct da_profile **ret, struct da_diag *diag) DA_MUST_CHECK;

/* The section of that PAM service, for sudo-i and su-l that of sudo and su
 * unless they have their own; the mapping of that account. NULL when there is
 * none. Borrowed. */
const struct da_service *
da_config_service(const struct da_config *config, const char *name);
const struct da_mapping *
da_config_mapping(const struct da_config *config, const char *name);
const struct da_group_rule *
da_config_group(const struct da_config *config, const char *name);

/* Reads the client secret that the profile names (root, 0600). DA_E_CONFIG. */
enum da_err da_config_read_secret(const struct da_paths *paths,
    const struct da_profile *profile, struct da_buf *ret,
    struct da_diag *diag) DA_MUST_CHECK;

/* The line of a key; of the section (a struct da_profile, ..., or struct
 * da_config for [devauth]) where the key is not given; 0 where neither is. */
int da_config_line(const void *section, const char *key);

/* What follows the file's name in messages: ":LINE", "" for 0. Returns "ret".
 */
#define DA_CONFIG_PLACE_MAX 16
const char *da_config_place(int line, char ret[static DA_CONFIG_PLACE_MAX]);

/* Whether the file has any key of the section. */
bool da_config_has_keys(const void *section);

/* Appends the effective configuration in its own syntax; reading the dump and
 * dumping it again gives the same text. With "explain", each key is preceded
 * by its documentation, and what is not in the file stands there as comments.
 */
enum da_err da_config_dump(const struct da_config *config, bool explain,
    struct da_buf *ret) DA_MUST_CHECK;

bool da_config_list_has(const struct da_config_list *list, const char *item);

/* Whether the section says who may use the service, be it nobody. */
bool da_config_service_limits_people(const struct da_service *service);

#endif
