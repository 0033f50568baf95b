/*
 * Reading devauth.conf. Runs in the broker and the command, as root or for
 * "config check" as anybody; the file is trusted only after its owner, mode
 * and parents were checked. Nothing here reads the network or writes.
 */
#include "store/config.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "core/file.h"
#include "core/parse.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/config_schema.h"
#include "store/config_value.h"

/* inih hands over section, key and value but no line number: our reader counts
 * the lines that it gives out. */
struct loading {
	const char *path;
	const char *next;
	int line;
	bool failed;
	struct da_config *config;
	struct da_diag *diag;
};

static enum da_err
refuse(struct loading *loading, int line, const char *what)
{
	da_diag_set(loading->diag, "%s:%d: %s", loading->path, line, what);
	loading->failed = true;
	return DA_E_CONFIG;
}

static char *
next_line(char *buffer, int size, void *stream)
{
	struct loading *loading = stream;
	const char *end = strchrnul(loading->next, '\n');
	size_t len = (size_t)(end - loading->next);

	if (loading->failed || *loading->next == '\0')
		return NULL;
	loading->line++;
	if (len + 2 > (size_t)size) {
		(void)refuse(loading, loading->line, "line too long");
		return NULL;
	}
	memcpy(buffer, loading->next, len);
	buffer[len] = '\0';
	loading->next = *end == '\n' ? end + 1 : end;
	return buffer;
}

static size_t *
section_count(struct da_config *config, const struct da_config_kind *kind)
{
	return (size_t *)(void *)((char *)config + kind->count_offset);
}

static struct da_section *
section_at(
    struct da_config *config, const struct da_config_kind *kind, size_t i)
{
	return (struct da_section *)(void *)((char *)config +
	    kind->array_offset + i * kind->element_size);
}

static struct da_section *
find_section(struct da_config *config, const struct da_config_kind *kind,
    const char *name)
{
	for (size_t i = 0; i < *section_count(config, kind); i++) {
		struct da_section *section = section_at(config, kind, i);

		if (strcmp(section->name, name) == 0)
			return section;
	}
	return NULL;
}

static struct da_section *
add_section(struct loading *loading, const struct da_config_kind *kind,
    const char *name)
{
	size_t *count = section_count(loading->config, kind);
	struct da_section *section;
	char what[64];

	if (!kind->is_name(name)) {
		(void)refuse(loading, loading->line, kind->name_rule);
		return NULL;
	}
	if (*count == kind->max) {
		(void)snprintf(what, sizeof(what), "more than %zu [%sNAME]",
		    kind->max, kind->prefix);
		(void)refuse(loading, loading->line, what);
		return NULL;
	}
	section = section_at(loading->config, kind, *count);
	section->name = strdup(name);
	if (section->name == NULL) {
		loading->failed = true;
		return NULL;
	}
	section->line = loading->line;
	(*count)++;
	return section;
}

/* The most similar key, for a helpful message: shares the longest beginning or
 * differs in letters only a little. NULL when none is near. */
static const char *
nearest_key(const char *key, const struct da_config_row *rows, size_t count)
{
	const char *best = NULL;
	size_t best_score = 2;

	for (size_t i = 0; i < count; i++) {
		const char *a = key, *b = rows[i].key;
		size_t head = 0, tail = 0;
		size_t la = strlen(a), lb = strlen(b);

		while (head < la && head < lb && a[head] == b[head])
			head++;
		while (tail < la - head && tail < lb - head &&
		    a[la - 1 - tail] == b[lb - 1 - tail])
			tail++;
		if (head + tail > best_score && head + tail + 3 > lb) {
			best_score = head + tail;
			best = rows[i].key;
		}
	}
	return best;
}

static bool
has_key(const char *key, const struct da_config_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rows[i].key, key) == 0)
			return true;
	}
	return false;
}

/* The sections that a key belongs into, as they are written; "" = none. */
static void
find_home(const char *key, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s",
	    has_key(key, da_config_global_rows, da_config_global_row_count)
		? "[devauth]"
		: "");
	for (size_t i = 0; ret[0] == '\0' && i < da_config_kind_count; i++) {
		const struct da_config_kind *kind = &da_config_kinds[i];

		if (has_key(key, kind->rows, kind->row_count))
			(void)snprintf(ret, size, "[%sNAME]", kind->prefix);
	}
}

static enum da_err
refuse_unknown(struct loading *loading, const struct da_config_row *rows,
    size_t count, const char *key)
{
	const char *near = nearest_key(key, rows, count);
	char what[DA_DIAG_MAX + 1], home[64];

	find_home(key, home, sizeof(home));
	if (home[0] != '\0')
		(void)snprintf(what, sizeof(what),
		    "\"%s\" is a key of the section %s; move it there", key,
		    home);
	else
		(void)snprintf(what, sizeof(what),
		    "unknown key \"%.64s\"%s%s%s", key,
		    near != NULL ? "; did you mean \"" : "; remove it",
		    near != NULL ? near : "", near != NULL ? "\"?" : "");
	return refuse(loading, loading->line, what);
}

static enum da_err
take_key(struct loading *loading, const struct da_config_row *rows,
    size_t count, void *target, uint64_t *given, const char *key,
    const char *value)
{
	char what[DA_DIAG_MAX + 1];

	for (size_t i = 0; i < count; i++) {
		enum da_err err;

		if (strcmp(rows[i].key, key) != 0)
			continue;
		if ((*given & (UINT64_C(1) << i)) != 0) {
			(void)snprintf(what, sizeof(what),
			    "\"%s\" is given twice; remove one", key);
			return refuse(loading, loading->line, what);
		}
		*given |= UINT64_C(1) << i;
		err = da_config_value_parse(
		    &rows[i], value, target, what, sizeof(what));
		if (err == DA_E_NOMEM) {
			loading->failed = true;
			return err;
		}
		return err == DA_OK ? DA_OK
				    : refuse(loading, loading->line, what);
	}
	return refuse_unknown(loading, rows, count, key);
}

/* inih cuts the titles of sections there without a word: the rule would be
 * about another service. */
#define TITLE_CUT 49

/* inih's callback: 1 = fine, 0 = stop. */
static int
take_pair(void *user, const char *section, const char *key, const char *value)
{
	struct loading *loading = user;
	struct da_config *config = loading->config;
	const char *name;

	if (loading->failed)
		return 0;
	if (strlen(section) >= TITLE_CUT) {
		(void)refuse(
		    loading, loading->line, "the section's name is too long");
		return 0;
	}
	if (strcmp(section, "devauth") == 0) {
		if (config->line == 0)
			config->line = loading->line;
		return take_key(loading, da_config_global_rows,
			   da_config_global_row_count, config, &config->given,
			   key, value) == DA_OK;
	}
	for (size_t i = 0; i < da_config_kind_count; i++) {
		const struct da_config_kind *kind = &da_config_kinds[i];
		struct da_section *found;

		if (!da_text_skip_prefix(section, kind->prefix, &name))
			continue;
		found = find_section(config, kind, name);
		if (found == NULL)
			found = add_section(loading, kind, name);
		return found != NULL &&
		    take_key(loading, kind->rows, kind->row_count, found,
			&found->given, key, value) == DA_OK;
	}
	(void)refuse(loading, loading->line,
	    "keys stand in [devauth], [profile NAME], [service NAME], "
	    "[account NAME] or [group NAME]");
	return 0;
}

/* Fills in the initial values; complains about keys that have none. */
static enum da_err
complete(struct loading *loading, const struct da_config_row *rows,
    size_t count, void *target, uint64_t given, int line, const char *section)
{
	char what[DA_DIAG_MAX + 1];

	for (size_t i = 0; i < count; i++) {
		enum da_err err;

		if ((given & (UINT64_C(1) << i)) != 0)
			continue;
		if (rows[i].initial == NULL) {
			(void)snprintf(what, sizeof(what),
			    "[%s] needs \"%s = ...\"", section, rows[i].key);
			return refuse(loading, line, what);
		}
		err = da_config_value_parse(
		    &rows[i], rows[i].initial, target, what, sizeof(what));
		if (err != DA_OK)
			return err == DA_E_NOMEM ? err : DA_E_BUG;
	}
	return DA_OK;
}

static bool
is_given(const struct da_config_row *rows, size_t count, uint64_t given,
    const char *key)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(rows[i].key, key) == 0)
			return (given & (UINT64_C(1) << i)) != 0;
	}
	return false;
}

/* NAME=VALUE|VALUE..., nothing of it empty. */
static enum da_err
check_claims(
    struct loading *loading, int line, const struct da_config_list *claims)
{
	for (size_t i = 0; i < claims->count; i++) {
		const char *item = claims->items[i];
		const char *value = strchr(item, '=');
		size_t len = strlen(item);

		if (value == NULL || value == item || value[1] == '\0' ||
		    value[1] == '|' || item[len - 1] == '|' ||
		    strstr(value, "||") != NULL)
			return refuse(loading, line,
			    "required_claims: must be like "
			    "role=operator|admin");
	}
	return DA_OK;
}

static bool
uses_secret(const struct da_profile *profile)
{
	return profile->client_auth == DA_CLIENT_SECRET_BASIC ||
	    profile->client_auth == DA_CLIENT_SECRET_POST;
}

static enum da_err
check_profile(
    struct loading *loading, void *section, const struct da_config_kind *kind)
{
	const struct da_profile *profile = section;

	if (!is_given(
		kind->rows, kind->row_count, profile->given, "allowed_users") &&
	    !is_given(
		kind->rows, kind->row_count, profile->given, "allowed_groups"))
		return refuse(loading, profile->line,
		    "nobody is allowed: this profile needs allowed_users or "
		    "allowed_groups");
	if (profile->username_claim.count == 0)
		return refuse(loading, profile->line,
		    "username_claim is empty: nobody would have a name");
	if (uses_secret(profile) && profile->client_secret_file[0] == '\0')
		return refuse(loading, profile->line,
		    "this client_auth needs \"client_secret_file = ...\"");
	if (!uses_secret(profile) && profile->client_secret_file[0] != '\0')
		return refuse(loading, profile->line,
		    "a client_secret_file without client_auth; set "
		    "client_auth = client_secret_basic or client_secret_post");
	if (profile->groups_claim[0] == '\0' &&
	    profile->access.groups.count > 0)
		return refuse(loading, profile->line,
		    "allowed_groups needs a groups_claim");
	if (profile->algorithms == 0)
		return refuse(loading, profile->line,
		    "algorithms is empty: no ID token could be accepted");
	return check_claims(loading, profile->line, &profile->access.claims);
}

/* What is "admins" at one provider is something else at another. */
static enum da_err
check_scope(struct loading *loading, int line, const char *profile)
{
	struct da_config *config = loading->config;

	if (profile[0] != '\0')
		return find_section(config,
			   &da_config_kinds[DA_CONFIG_KIND_PROFILE],
			   profile) != NULL
		    ? DA_OK
		    : refuse(loading, line,
			  "profile: names a profile that is not there");
	for (size_t i = 1; i < config->profile_count; i++) {
		if (strcmp(config->profiles[i].issuer,
			config->profiles[0].issuer) != 0)
			return refuse(loading, line,
			    "there are profiles of several issuers: say whose "
			    "people, groups and claims these are, \"profile = "
			    "NAME\"");
	}
	return DA_OK;
}

static enum da_err
check_service(
    struct loading *loading, void *section, const struct da_config_kind *kind)
{
	const struct da_service *service = section;
	enum da_err err = check_scope(loading, service->line, service->profile);

	(void)kind;
	if (err != DA_OK)
		return err;
	return check_claims(loading, service->line, &service->access.claims);
}

/* Whoever is root by a name of the provider's is root for whoever can change
 * names there. */
static enum da_err
check_mapping(
    struct loading *loading, void *section, const struct da_config_kind *kind)
{
	const struct da_mapping *mapping = section;
	enum da_err err =
	    mapping->people.count > 0 || mapping->profile[0] != '\0'
	    ? check_scope(loading, mapping->line, mapping->profile)
	    : DA_OK;

	(void)kind;
	if (err != DA_OK)
		return err;
	if (strcmp(mapping->name, "root") == 0 && mapping->people.count > 0)
		return refuse(loading, mapping->line,
		    "[account root] takes no people, only subjects = "
		    "ISSUER#SUBJECT");
	for (size_t i = 0; i < mapping->people.count; i++) {
		if (da_account_name_check(mapping->people.items[i]) != DA_OK)
			return refuse(loading, mapping->line,
			    "people: a login name is made of a-z, 0-9, - and "
			    "_; list others under subjects");
	}
	for (size_t i = 0; i < mapping->subjects.count; i++) {
		const char *item = mapping->subjects.items[i];
		const char *sharp = strchr(item, '#');

		if (strncmp(item, "https://", 8) != 0 || sharp == NULL ||
		    sharp[1] == '\0')
			return refuse(loading, mapping->line,
			    "subjects: must be ISSUER#SUBJECT, like "
			    "https://login.example.com#248289761001");
	}
	return DA_OK;
}

static enum da_err
check_group(
    struct loading *loading, void *section, const struct da_config_kind *kind)
{
	const struct da_group_rule *group = section;
	enum da_err err = check_scope(loading, group->line, group->profile);

	(void)kind;
	if (err != DA_OK)
		return err;
	if (group->local && group->gid != 0)
		return refuse(loading, group->line,
		    "a local group has the gid that it has: remove gid");
	if (!group->local && group->gid == 0)
		return refuse(loading, group->line,
		    "this group needs \"gid = ...\", or \"local = yes\" if the "
		    "host has it already");
	if (!group->local && !da_account_id_is_usable((uint32_t)group->gid))
		return refuse(loading, group->line,
		    "gid: must be 1000-60000 or 65536-2147483647");
	if (!group->local && da_account_name_is_reserved(group->name))
		return refuse(loading, group->line,
		    "this name means something to the system; if people are to "
		    "be in that very group, say \"local = yes\"");
	if (strcmp(group->name, "root") == 0)
		return refuse(loading, group->line,
		    "nobody can be put into the group root");
	for (const struct da_group_rule *other = loading->config->groups;
	     other < group; other++) {
		if (group->gid != 0 && other->gid == group->gid)
			return refuse(loading, group->line,
			    "two groups have the same gid");
	}
	return DA_OK;
}

static enum da_err
finish_kind(struct loading *loading, const struct da_config_kind *kind,
    enum da_err (*check)(struct loading *loading, void *section,
	const struct da_config_kind *kind))
{
	char title[DA_SERVICE_MAX + 16];
	enum da_err err = DA_OK;

	for (size_t i = 0;
	     err == DA_OK && i < *section_count(loading->config, kind); i++) {
		struct da_section *section =
		    section_at(loading->config, kind, i);

		(void)snprintf(
		    title, sizeof(title), "%s%s", kind->prefix, section->name);
		err = complete(loading, kind->rows, kind->row_count, section,
		    section->given, section->line, title);
		if (err == DA_OK)
			err = check(loading, section, kind);
	}
	return err;
}

static enum da_err
finish(struct loading *loading)
{
	enum da_err (*const checks[])(
	    struct loading *, void *, const struct da_config_kind *) = {
	    [DA_CONFIG_KIND_PROFILE] = check_profile,
	    [DA_CONFIG_KIND_SERVICE] = check_service,
	    [DA_CONFIG_KIND_ACCOUNT] = check_mapping,
	    [DA_CONFIG_KIND_GROUP] = check_group};
	struct da_config *config = loading->config;
	enum da_err err =
	    complete(loading, da_config_global_rows, da_config_global_row_count,
		config, config->given, config->line, "devauth");

	for (size_t i = 0; err == DA_OK && i < DA_ARRAY_LEN(checks); i++)
		err = finish_kind(loading, &da_config_kinds[i], checks[i]);
	if (err != DA_OK)
		return err;
	if (config->profile_count == 0)
		return refuse(loading, loading->line,
		    "no [profile NAME] section; add one for your provider");
	if (config->default_profile[0] != '\0' &&
	    find_section(config, &da_config_kinds[DA_CONFIG_KIND_PROFILE],
		config->default_profile) == NULL)
		return refuse(loading, config->line,
		    "default_profile names a profile that is not there");
	return DA_OK;
}

enum da_err
da_config_load(
    const struct da_paths *paths, struct da_config **ret, struct da_diag *diag)
{
	const struct da_file_rule rule = {.owner = paths->owner,
	    .mode_max = 0644,
	    .size_max = DA_CONFIG_FILE_MAX};
	DA_CLEANUP(da_config_freep)
	struct da_config *config = calloc(1, sizeof(*config));
	DA_CLEANUP(da_buf_done) struct da_buf text;
	struct loading loading = {
	    .path = paths->config_file, .config = config, .diag = diag};
	enum da_err err;

	da_buf_init(&text, DA_CONFIG_FILE_MAX);
	if (config == NULL)
		return DA_E_NOMEM;
	err = da_file_read(paths->config_file, &rule, &text, diag);
	if (err != DA_OK)
		return err == DA_E_NOMEM ? err : DA_E_CONFIG;
	if (memchr(da_buf_text(&text), '\0', text.len) != NULL)
		return refuse(&loading, 1, "not a text file: it holds NUL");
	loading.next = da_buf_text(&text);
	ini_use_stack = 0;
	ini_max_line = DA_CONFIG_LINE_MAX;
	ini_allow_multiline = 0;
	ini_allow_inline_comments = 0;
	ini_allow_bom = 0;
	ini_stop_on_first_error = 1;
	if (ini_parse_stream(next_line, &loading, take_pair, &loading) != 0 &&
	    !loading.failed)
		return refuse(&loading, loading.line,
		    "neither \"key = value\", [section] nor # comment");
	if (loading.failed)
		return DA_E_CONFIG;
	err = finish(&loading);
	if (err == DA_OK)
		*ret = DA_TAKE(config);
	return err;
}

void
da_config_free(struct da_config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < da_config_kind_count; i++) {
		const struct da_config_kind *kind = &da_config_kinds[i];

		for (size_t j = 0; j < *section_count(config, kind); j++) {
			struct da_section *section =
			    section_at(config, kind, j);

			da_config_value_done(
			    kind->rows, kind->row_count, section);
			free(section->name);
		}
	}
	da_config_value_done(
	    da_config_global_rows, da_config_global_row_count, config);
	free(config);
}

void
da_config_freep(struct da_config **config)
{
	da_config_free(*config);
	*config = NULL;
}

enum da_err
da_config_profile(const struct da_config *config, const char *name,
    const struct da_profile **ret, struct da_diag *diag)
{
	if (name[0] == '\0')
		name = config->default_profile;
	if (name[0] == '\0' && config->profile_count == 1) {
		*ret = &config->profiles[0];
		return DA_OK;
	}
	for (size_t i = 0; i < config->profile_count; i++) {
		if (strcmp(config->profiles[i].name, name) == 0) {
			*ret = &config->profiles[i];
			return DA_OK;
		}
	}
	if (name[0] == '\0')
		da_diag_set(diag,
		    "several profiles and no default: set "
		    "default_profile, or profile= in the PAM line");
	else
		da_diag_set(diag,
		    "no profile \"%s\" in the configuration; "
		    "correct profile= in the PAM line",
		    name);
	return DA_E_CONFIG;
}

enum da_err
da_config_read_secret(const struct da_paths *paths,
    const struct da_profile *profile, struct da_buf *ret, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0600, .size_max = DA_SECRET_MAX};
	enum da_err err;

	if (!uses_secret(profile))
		return DA_OK;
	err = da_file_read(profile->client_secret_file, &rule, ret, diag);
	if (err != DA_OK)
		return err == DA_E_NOMEM ? err : DA_E_CONFIG;
	/* Editors end files with a newline; no secret does. */
	while (ret->len > 0 &&
	    (ret->bytes[ret->len - 1] == '\n' ||
		ret->bytes[ret->len - 1] == '\r'))
		ret->bytes[--ret->len] = '\0';
	if (ret->len == 0 || strlen(da_buf_text(ret)) != ret->len ||
	    !da_text_is_printable(da_buf_text(ret))) {
		da_diag_set(diag, "%s: not one line of printable text",
		    profile->client_secret_file);
		return DA_E_CONFIG;
	}
	return DA_OK;
}

static enum da_err
dump_rows(const struct da_config_row *rows, size_t count, const void *source,
    uint64_t wanted, bool explain, struct da_buf *ret)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < count; i++) {
		const char *help = rows[i].help;

		if ((wanted & (UINT64_C(1) << i)) == 0)
			continue;
		while (explain && err == DA_OK && *help != '\0') {
			int len = (int)(strchrnul(help, '\n') - help);

			err = da_buf_format(ret, "%s# %.*s\n",
			    help == rows[i].help ? "\n" : "", len, help);
			help += len + (help[len] == '\n' ? 1 : 0);
		}
		if (err == DA_OK)
			err = da_buf_format(ret, "%s =", rows[i].key);
		if (err == DA_OK)
			err = da_config_value_format(&rows[i], source, ret);
		if (err == DA_OK)
			err = da_buf_put_text(ret, "\n");
	}
	return err;
}

enum da_err
da_config_dump(const struct da_config *config, bool explain, struct da_buf *ret)
{
	struct da_config *source = (struct da_config *)(uintptr_t)config;
	enum da_err err = da_buf_put_text(ret, "[devauth]\n");

	if (err == DA_OK)
		err =
		    dump_rows(da_config_global_rows, da_config_global_row_count,
			config, UINT64_MAX, explain, ret);
	for (size_t i = 0; err == DA_OK && i < da_config_kind_count; i++) {
		const struct da_config_kind *kind = &da_config_kinds[i];

		for (size_t j = 0;
		     err == DA_OK && j < *section_count(source, kind); j++) {
			const struct da_section *section =
			    section_at(source, kind, j);

			err = da_buf_format(
			    ret, "\n[%s%s]\n", kind->prefix, section->name);
			/* An empty list says something else than none. */
			if (err == DA_OK)
				err = dump_rows(kind->rows, kind->row_count,
				    section,
				    kind->absent_means_else ? section->given
							    : UINT64_MAX,
				    explain, ret);
		}
	}
	return err;
}

const struct da_service *
da_config_service(const struct da_config *config, const char *name)
{
	for (size_t i = 0; i < config->service_count; i++) {
		if (strcmp(config->services[i].name, name) == 0)
			return &config->services[i];
	}
	/* "sudo -i" and "su -" are services of their own, and whoever runs them
	 * has the choice: what is asked of one is asked of the other. */
	if (strcmp(name, "sudo-i") == 0)
		return da_config_service(config, "sudo");
	if (strcmp(name, "su-l") == 0)
		return da_config_service(config, "su");
	return NULL;
}

const struct da_mapping *
da_config_mapping(const struct da_config *config, const char *name)
{
	for (size_t i = 0; i < config->mapping_count; i++) {
		if (strcmp(config->mappings[i].name, name) == 0)
			return &config->mappings[i];
	}
	return NULL;
}

const struct da_group_rule *
da_config_group(const struct da_config *config, const char *name)
{
	for (size_t i = 0; i < config->group_count; i++) {
		if (strcmp(config->groups[i].name, name) == 0)
			return &config->groups[i];
	}
	return NULL;
}

bool
da_config_service_limits_people(const struct da_service *service)
{
	const struct da_config_kind *kind =
	    &da_config_kinds[DA_CONFIG_KIND_SERVICE];

	return is_given(kind->rows, kind->row_count, service->given,
		   "allowed_users") ||
	    is_given(
		kind->rows, kind->row_count, service->given, "allowed_groups");
}

bool
da_config_list_has(const struct da_config_list *list, const char *item)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->items[i], item) == 0)
			return true;
	}
	return false;
}
