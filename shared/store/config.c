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

#define EXAMPLE DA_DOCDIR "/examples/devauth.conf"

/* inih hands over keys and values but no line number, and says nothing of a
 * section without keys: our reader sees each line first. A complaint does not
 * end the reading; whoever mends the file wants to know all of them. */
struct loading {
	const char *path;
	const char *next;
	int line;
	struct da_config *config;
	struct da_section *section; /* whose keys come */
	bool is_bad_section;        /* and are passed over */
	bool is_bad;                /* something was complained of */
	bool is_incomplete;         /* a value is not there */
	bool out_of_memory;
	struct da_buf *complaints; /* may be NULL */
	struct da_diag *diag;      /* the first one */
};

static void
complain(struct loading *loading, int line, const char *what)
{
	char place[DA_CONFIG_PLACE_MAX];
	struct da_diag diag;

	da_diag_set(&diag, "%s%s: %s", loading->path,
	    da_config_place(line, place), what);
	if (!loading->is_bad && loading->diag != NULL)
		*loading->diag = diag;
	loading->is_bad = true;
	/* When it is full, those that are in it will do. */
	if (loading->complaints != NULL)
		DA_IGNORE(
		    da_buf_format(loading->complaints, "%s\n", diag.text));
}

static enum da_err
refuse(struct loading *loading, int line, const char *what)
{
	complain(loading, line, what);
	return DA_E_CONFIG;
}

#define SECTIONS                                                               \
	"[devauth], [profile NAME], [service NAME], [account NAME] or "        \
	"[group NAME]"

static struct da_section *
find_section(struct da_config *config, const struct da_config_kind *kind,
    const char *name)
{
	for (size_t i = 0; i < *da_config_section_count(config, kind); i++) {
		struct da_section *section =
		    da_config_section_at(config, kind, i);

		if (strcmp(section->name, name) == 0)
			return section;
	}
	return NULL;
}

static struct da_section *
add_section(struct loading *loading, const struct da_config_kind *kind,
    const char *name)
{
	size_t *count = da_config_section_count(loading->config, kind);
	struct da_section *section;
	char what[64];

	if (!kind->is_name(name)) {
		complain(loading, loading->line, kind->name_rule);
		return NULL;
	}
	if (*count == kind->max) {
		(void)snprintf(what, sizeof(what), "more than %zu [%sNAME]",
		    kind->max, kind->prefix);
		complain(loading, loading->line, what);
		return NULL;
	}
	section = da_config_section_at(loading->config, kind, *count);
	section->name = strdup(name);
	if (section->name == NULL) {
		loading->out_of_memory = true;
		return NULL;
	}
	section->kind = kind;
	section->line = loading->line;
	(*count)++;
	return section;
}

/* The section that the title names; NULL when it cannot be. */
static struct da_section *
find_titled(struct loading *loading, const char *title)
{
	struct da_section *section = NULL;
	char what[DA_DIAG_MAX + 1];
	const char *name;

	if (strcmp(title, "devauth") == 0) {
		section = (struct da_section *)(void *)loading->config;
		if (section->line == 0)
			section->line = loading->line;
		return section;
	}
	for (size_t i = 0; i < da_config_kind_count; i++) {
		const struct da_config_kind *kind = &da_config_kinds[i];

		if (!da_text_skip_prefix(title, kind->prefix, &name))
			continue;
		section = find_section(loading->config, kind, name);
		return section != NULL ? section
				       : add_section(loading, kind, name);
	}
	(void)snprintf(what, sizeof(what),
	    "unknown section \"[%.64s]\"; it must be " SECTIONS, title);
	complain(loading, loading->line, what);
	return NULL;
}

/* Looks at a line before inih does; whether it has a key. */
static bool
has_pair(struct loading *loading, char *text)
{
	char *start = text + strspn(text, " \t\r\v\f");
	char *end;

	if (*start == '\0' || *start == '#' || *start == ';')
		return false;
	if (*start == '[') {
		end = strchr(start, ']');
		loading->section = NULL;
		if (end != NULL) {
			*end = '\0';
			loading->section = find_titled(loading, start + 1);
		} else {
			complain(loading, loading->line,
			    "a section's title ends with \"]\"");
		}
		loading->is_bad_section = loading->section == NULL;
		return false;
	}
	if (strpbrk(start, "=:") == NULL) {
		complain(loading, loading->line,
		    "neither \"key = value\", [section] nor # comment");
		return false;
	}
	return true;
}

/* inih's reader. */
static char *
next_line(char *buffer, int size, void *stream)
{
	struct loading *loading = stream;
	struct da_diag diag;

	while (*loading->next != '\0' && !loading->out_of_memory) {
		const char *end = strchrnul(loading->next, '\n');
		const char *start = loading->next;
		size_t len = (size_t)(end - start);

		loading->next = *end == '\n' ? end + 1 : end;
		loading->line++;
		if (len + 2 > (size_t)size) {
			da_diag_set(&diag, "a line has at most %d characters",
			    size - 2);
			complain(loading, loading->line, diag.text);
			continue;
		}
		memcpy(buffer, start, len);
		buffer[len] = '\0';
		if (has_pair(loading, buffer))
			return buffer;
	}
	return NULL;
}

/* The most similar key, for a helpful message: shares the longest beginning or
 * differs in letters only a little, or goes on where the typed one ends. NULL
 * when none is near. */
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
		if (head + tail > best_score &&
		    (head + tail + 3 > lb || head == la)) {
			best_score = head + tail;
			best = rows[i].key;
		}
	}
	return best;
}

/* The row of the key; row_count when there is none. */
static size_t
find_row(const struct da_config_kind *kind, const char *key)
{
	size_t i = 0;

	while (i < kind->row_count && strcmp(kind->rows[i].key, key) != 0)
		i++;
	return i;
}

static bool
has_key(const struct da_config_kind *kind, const char *key)
{
	return find_row(kind, key) < kind->row_count;
}

/* The sections that a key belongs into, as they are written; "" = none. */
static void
find_home(const char *key, char *ret, size_t size)
{
	(void)snprintf(ret, size, "%s",
	    has_key(&da_config_global, key) ? "[devauth]" : "");
	for (size_t i = 0; ret[0] == '\0' && i < da_config_kind_count; i++) {
		const struct da_config_kind *kind = &da_config_kinds[i];

		if (has_key(kind, key))
			(void)snprintf(ret, size, "[%sNAME]", kind->prefix);
	}
}

static void
complain_unknown(
    struct loading *loading, const struct da_config_kind *kind, const char *key)
{
	const char *near = nearest_key(key, kind->rows, kind->row_count);
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
	complain(loading, loading->line, what);
}

static void
take_value(
    struct loading *loading, const struct da_config_row *row, const char *value)
{
	char what[DA_DIAG_MAX + 1];
	enum da_err err = da_config_value_parse(
	    row, value, loading->section, what, sizeof(what));

	if (err == DA_OK)
		return;
	loading->is_incomplete = true;
	if (err == DA_E_NOMEM)
		loading->out_of_memory = true;
	else
		complain(loading, loading->line, what);
}

/* inih's callback; 1 = go on. */
static int
take_pair(void *user, const char *title, const char *key, const char *value)
{
	struct loading *loading = user;
	struct da_section *section = loading->section;
	char what[DA_DIAG_MAX + 1];
	size_t i;

	(void)title; /* inih cuts long ones without a word */
	if (section == NULL) {
		if (!loading->is_bad_section)
			complain(
			    loading, loading->line, "keys stand in " SECTIONS);
		loading->is_bad_section = true;
		return 1;
	}
	i = find_row(section->kind, key);
	if (i == section->kind->row_count) {
		complain_unknown(loading, section->kind, key);
	} else if (section->lines[i] != 0) {
		(void)snprintf(what, sizeof(what),
		    "\"%s\" is given twice, first in line %d; remove one", key,
		    section->lines[i]);
		complain(loading, loading->line, what);
	} else {
		section->lines[i] = loading->line;
		take_value(loading, &section->kind->rows[i], value);
	}
	return 1;
}

/* Fills in the initial values; complains about keys that have none. */
static enum da_err
complete(struct loading *loading, struct da_section *section)
{
	const struct da_config_kind *kind = section->kind;
	char what[DA_DIAG_MAX + 1], title[DA_CONFIG_TITLE_MAX];

	for (size_t i = 0; i < kind->row_count; i++) {
		const struct da_config_row *row = &kind->rows[i];
		enum da_err err;

		if (section->lines[i] != 0)
			continue;
		if (row->initial == NULL) {
			da_config_format_title(section, title, sizeof(title));
			(void)snprintf(what, sizeof(what),
			    "%s needs \"%s = ...\"", title, row->key);
			complain(loading, section->line, what);
			loading->is_incomplete = true;
			continue;
		}
		err = da_config_value_parse(
		    row, row->initial, section, what, sizeof(what));
		if (err != DA_OK)
			return err == DA_E_NOMEM ? err : DA_E_BUG;
	}
	return DA_OK;
}

static bool
is_given(const void *section, const char *key)
{
	const struct da_section *at = section;
	const size_t i = find_row(at->kind, key);

	return i < at->kind->row_count && at->lines[i] != 0;
}

int
da_config_line(const void *section, const char *key)
{
	const struct da_section *at = section;

	return is_given(section, key) ? at->lines[find_row(at->kind, key)]
				      : at->line;
}

const char *
da_config_place(int line, char ret[static DA_CONFIG_PLACE_MAX])
{
	ret[0] = '\0';
	if (line > 0)
		(void)snprintf(ret, DA_CONFIG_PLACE_MAX, ":%d", line);
	return ret;
}

bool
da_config_has_keys(const void *section)
{
	const struct da_section *at = section;

	for (size_t i = 0; i < at->kind->row_count; i++) {
		if (at->lines[i] != 0)
			return true;
	}
	return false;
}

static enum da_err
refuse_key(struct loading *loading, const void *section, const char *key,
    const char *what)
{
	return refuse(loading, da_config_line(section, key), what);
}

/* %u is all that a template may have. */
static enum da_err
check_globals(struct loading *loading)
{
	const struct da_config *config = loading->config;

	for (const char *at = config->home; *at != '\0'; at++) {
		if (*at == '%' && *++at != 'u')
			return refuse_key(loading, config, "home",
			    "home: %u stands for the login name; no other % "
			    "may be in it");
	}
	if (config->profile_count == 0)
		return refuse(loading, 0,
		    "no [profile NAME] section; add one for your provider");
	if (config->default_profile[0] != '\0' &&
	    find_section(loading->config,
		&da_config_kinds[DA_CONFIG_KIND_PROFILE],
		config->default_profile) == NULL)
		return refuse_key(loading, config, "default_profile",
		    "default_profile names a profile that is not there");
	return DA_OK;
}

/* The same rule for whoever is listed anywhere: names at the provider are made
 * login names before they are compared. */
static enum da_err
check_names(struct loading *loading, const void *section, const char *key,
    const struct da_config_list *names, const char *cure)
{
	char what[DA_DIAG_MAX + 1];

	for (size_t i = 0; i < names->count; i++) {
		if (da_account_name_check(names->items[i]) == DA_OK)
			continue;
		(void)snprintf(what, sizeof(what),
		    "%s: \"%s\" is no login name, which is made of a-z, 0-9, "
		    "- and _%s",
		    key, names->items[i], cure);
		return refuse_key(loading, section, key, what);
	}
	return DA_OK;
}

/* NAME=VALUE|VALUE..., nothing of it empty. */
static enum da_err
check_claims(struct loading *loading, const void *section,
    const struct da_config_list *claims)
{
	for (size_t i = 0; i < claims->count; i++) {
		const char *item = claims->items[i];
		const char *value = strchr(item, '=');
		size_t len = strlen(item);

		if (value == NULL || value == item || value[1] == '\0' ||
		    value[1] == '|' || item[len - 1] == '|' ||
		    strstr(value, "||") != NULL)
			return refuse_key(loading, section, "required_claims",
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
check_access(struct loading *loading, const void *section,
    const struct da_access *access)
{
	enum da_err err =
	    check_names(loading, section, "allowed_users", &access->users, "");

	return err == DA_OK ? check_claims(loading, section, &access->claims)
			    : err;
}

static enum da_err
check_profile(struct loading *loading, const void *section)
{
	const struct da_profile *profile = section;

	if (!is_given(profile, "allowed_users") &&
	    !is_given(profile, "allowed_groups"))
		return refuse(loading, profile->line,
		    "nobody is allowed: this profile needs allowed_users or "
		    "allowed_groups");
	if (profile->username_claim.count == 0)
		return refuse_key(loading, profile, "username_claim",
		    "username_claim is empty: nobody would have a name");
	if (uses_secret(profile) && profile->client_secret_file[0] == '\0')
		return refuse_key(loading, profile, "client_auth",
		    "this client_auth needs \"client_secret_file = ...\"");
	if (!uses_secret(profile) && profile->client_secret_file[0] != '\0')
		return refuse_key(loading, profile, "client_secret_file",
		    "a client_secret_file without client_auth; set "
		    "client_auth = client_secret_basic or client_secret_post");
	if (profile->groups_claim[0] == '\0' &&
	    profile->access.groups.count > 0)
		return refuse_key(loading, profile, "allowed_groups",
		    "allowed_groups needs a groups_claim");
	if (profile->algorithms == 0)
		return refuse_key(loading, profile, "algorithms",
		    "algorithms is empty: no ID token could be accepted");
	return check_access(loading, profile, &profile->access);
}

/* What is "admins" at one provider is something else at another. */
static enum da_err
check_scope(struct loading *loading, const void *section, const char *profile)
{
	struct da_config *config = loading->config;

	if (profile[0] != '\0')
		return find_section(config,
			   &da_config_kinds[DA_CONFIG_KIND_PROFILE],
			   profile) != NULL
		    ? DA_OK
		    : refuse_key(loading, section, "profile",
			  "profile: names a profile that is not there");
	for (size_t i = 1; i < config->profile_count; i++) {
		if (strcmp(config->profiles[i].issuer,
			config->profiles[0].issuer) != 0)
			return refuse_key(loading, section, "profile",
			    "there are profiles of several issuers: say whose "
			    "people, groups and claims these are, \"profile = "
			    "NAME\"");
	}
	return DA_OK;
}

static enum da_err
check_service(struct loading *loading, const void *section)
{
	const struct da_service *service = section;
	enum da_err err = check_scope(loading, service, service->profile);

	return err == DA_OK ? check_access(loading, service, &service->access)
			    : err;
}

/* Whoever is root by a name of the provider's is root for whoever can change
 * names there. */
static enum da_err
check_mapping(struct loading *loading, const void *section)
{
	const struct da_mapping *mapping = section;
	enum da_err err =
	    mapping->people.count > 0 || mapping->profile[0] != '\0'
	    ? check_scope(loading, mapping, mapping->profile)
	    : DA_OK;

	if (err != DA_OK)
		return err;
	if (!is_given(mapping, "people") && !is_given(mapping, "subjects"))
		return refuse(loading, mapping->line,
		    "whose account is it? This section needs people or "
		    "subjects");
	if (strcmp(mapping->name, "root") == 0 && mapping->people.count > 0)
		return refuse_key(loading, mapping, "people",
		    "[account root] takes no people, only subjects = "
		    "ISSUER#SUBJECT");
	err = check_names(loading, mapping, "people", &mapping->people,
	    "; list others under subjects");
	if (err != DA_OK)
		return err;
	for (size_t i = 0; i < mapping->subjects.count; i++) {
		const char *item = mapping->subjects.items[i];
		const char *sharp = strchr(item, '#');

		if (strncmp(item, "https://", 8) != 0 || sharp == NULL ||
		    sharp[1] == '\0')
			return refuse_key(loading, mapping, "subjects",
			    "subjects: must be ISSUER#SUBJECT, like "
			    "https://login.example.com#248289761001");
	}
	return DA_OK;
}

static enum da_err
check_group(struct loading *loading, const void *section)
{
	const struct da_group_rule *group = section;
	enum da_err err = check_scope(loading, group, group->profile);

	if (err != DA_OK)
		return err;
	if (group->local && group->gid != 0)
		return refuse_key(loading, group, "gid",
		    "a local group has the gid that it has: remove gid");
	if (!group->local && group->gid == 0)
		return refuse_key(loading, group, "gid",
		    "this group needs \"gid = ...\", or \"local = yes\" if the "
		    "host has it already");
	if (!group->local && !da_account_id_is_usable((uint32_t)group->gid))
		return refuse_key(loading, group, "gid",
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
			return refuse_key(loading, group, "gid",
			    "two groups have the same gid");
	}
	return DA_OK;
}

static enum da_err
complete_all(struct loading *loading)
{
	struct da_config *config = loading->config;
	enum da_err err =
	    complete(loading, (struct da_section *)(void *)config);

	for (size_t k = 0; k < da_config_kind_count; k++) {
		const struct da_config_kind *kind = &da_config_kinds[k];

		for (size_t i = 0;
		     err == DA_OK && i < *da_config_section_count(config, kind);
		     i++)
			err = complete(
			    loading, da_config_section_at(config, kind, i));
	}
	return err;
}

/* Each section for itself: the first thing that is wrong with it. */
static void
check_all(struct loading *loading)
{
	enum da_err (*const checks[])(struct loading *, const void *) = {
	    [DA_CONFIG_KIND_PROFILE] = check_profile,
	    [DA_CONFIG_KIND_SERVICE] = check_service,
	    [DA_CONFIG_KIND_ACCOUNT] = check_mapping,
	    [DA_CONFIG_KIND_GROUP] = check_group};

	/* Each has complained already. */
	DA_IGNORE(check_globals(loading));
	for (size_t k = 0; k < DA_ARRAY_LEN(checks); k++) {
		const struct da_config_kind *kind = &da_config_kinds[k];

		for (size_t i = 0;
		     i < *da_config_section_count(loading->config, kind); i++)
			DA_IGNORE(checks[k](loading,
			    da_config_section_at(loading->config, kind, i)));
	}
}

static enum da_err
parse(struct loading *loading)
{
	int status;

	ini_use_stack = 0;
	/* Not ini_max_line: of a buffer on the heap this is the size. */
	ini_initial_alloc = DA_CONFIG_LINE_MAX;
	ini_allow_realloc = 0;
	ini_allow_multiline = 0;
	ini_allow_inline_comments = 0;
	ini_allow_bom = 0;
	ini_stop_on_first_error = 1;
	status = ini_parse_stream(next_line, loading, take_pair, loading);
	if (status < 0 || loading->out_of_memory)
		return DA_E_NOMEM;
	return status == 0 ? complete_all(loading) : DA_E_BUG;
}

static enum da_err
read_file(
    const struct da_paths *paths, struct da_buf *ret, struct loading *loading)
{
	const struct da_file_rule rule = {.owner = paths->owner,
	    .mode_max = 0644,
	    .size_max = DA_CONFIG_FILE_MAX};
	struct da_diag diag = {0};
	enum da_err err = da_file_read(paths->config_file, &rule, ret, &diag);

	if (err == DA_OK && memchr(da_buf_text(ret), '\0', ret->len) != NULL)
		return refuse(loading, 1, "not a text file: it holds NUL");
	if (err == DA_OK &&
	    da_text_skip_prefix(da_buf_text(ret), "\xef\xbb\xbf", NULL))
		return refuse(loading, 1,
		    "the file begins with a byte-order mark, which no editor "
		    "shows: save it without (\"UTF-8 without BOM\")");
	if (err == DA_OK || err == DA_E_NOMEM)
		return err;
	if (err == DA_E_ABSENT)
		da_diag_set(&diag,
		    "there is no %s; copy " EXAMPLE " there, and set issuer, "
		    "client_id and who may log in",
		    paths->config_file);
	if (loading->diag != NULL)
		*loading->diag = diag;
	if (loading->complaints != NULL)
		DA_IGNORE(
		    da_buf_format(loading->complaints, "%s\n", diag.text));
	return DA_E_CONFIG;
}

static enum da_err
load(const struct da_paths *paths, struct da_config **ret,
    struct da_buf *complaints, struct da_diag *diag)
{
	DA_CLEANUP(da_config_freep)
	struct da_config *config = calloc(1, sizeof(*config));
	DA_CLEANUP(da_buf_done) struct da_buf text;
	struct loading loading = {.path = paths->config_file,
	    .config = config,
	    .complaints = complaints,
	    .diag = diag};
	enum da_err err;

	da_buf_init(&text, DA_CONFIG_FILE_MAX);
	if (config == NULL)
		return DA_E_NOMEM;
	config->kind = &da_config_global;
	err = read_file(paths, &text, &loading);
	if (err != DA_OK)
		return err;
	loading.next = da_buf_text(&text);
	err = parse(&loading);
	if (err != DA_OK)
		return err;
	if (!loading.is_incomplete)
		check_all(&loading);
	if (loading.is_bad)
		return DA_E_CONFIG;
	*ret = DA_TAKE(config);
	return DA_OK;
}

enum da_err
da_config_load(
    const struct da_paths *paths, struct da_config **ret, struct da_diag *diag)
{
	return load(paths, ret, NULL, diag);
}

enum da_err
da_config_check(const struct da_paths *paths, struct da_config **ret,
    struct da_buf *ret_complaints)
{
	return load(paths, ret, ret_complaints, NULL);
}

void
da_config_free(struct da_config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < da_config_kind_count; i++) {
		const struct da_config_kind *kind = &da_config_kinds[i];

		for (size_t j = 0; j < *da_config_section_count(config, kind);
		     j++) {
			struct da_section *section =
			    da_config_section_at(config, kind, j);

			da_config_value_done(
			    kind->rows, kind->row_count, section);
			free(section->name);
		}
	}
	da_config_value_done(
	    da_config_global.rows, da_config_global.row_count, config);
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
	return is_given(service, "allowed_users") ||
	    is_given(service, "allowed_groups");
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
