#include "map.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account/account.h"
#include "admin.h"
#include "core/parse.h"
#include "core/text.h"
#include "known.h"
#include "store/person.h"

#define HEADER "devauth-accounts 1"
#define LINE_MAX (DA_USER_MAX + DA_ISSUER_MAX + DA_SUBJECT_MAX + 16)
/* A file of something else altogether. */
#define COMPLAINTS_MAX 100

void
da_map_done(struct da_map *map)
{
	for (size_t i = 0; i < map->count; i++) {
		free(map->items[i].issuer);
		free(map->items[i].subject);
		free(map->items[i].gecos);
		free(map->items[i].home);
		free(map->items[i].shell);
	}
	free(map->items);
	*map = (struct da_map){0};
}

enum da_err
da_map_add(struct da_map *map, const char *name, uint32_t uid,
    enum da_map_kind kind, struct da_map_entry **ret)
{
	if (map->count == map->room) {
		size_t room = 2 * map->room + 64;
		struct da_map_entry *items =
		    reallocarray(map->items, room, sizeof(*items));

		if (items == NULL)
			return DA_E_NOMEM;
		map->items = items;
		map->room = room;
	}
	*ret = &map->items[map->count++];
	**ret = (struct da_map_entry){.uid = uid, .kind = kind};
	(void)stpcpy((*ret)->name, name);
	return DA_OK;
}

static int
compare_uids(const void *left, const void *right)
{
	const struct da_map_entry *a = left, *b = right;

	if (a->uid != b->uid)
		return a->uid < b->uid ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	return strcmp(a->name, b->name);
}

void
da_map_sort(struct da_map *map)
{
	if (map->count > 0)
		qsort(
		    map->items, map->count, sizeof(*map->items), compare_uids);
}

size_t
da_map_unit_end(const struct da_map *map, size_t from)
{
	size_t end = from;

	while (end < map->count && map->items[end].uid == map->items[from].uid)
		end++;
	return end;
}

/* --- remarks --- */

struct da_map_remark {
	int line;
	bool bad;
	char *text;
};

enum da_err
da_map_remark(
    struct da_map_report *report, int line, bool bad, const char *format, ...)
{
	char text[DA_DIAG_MAX + 1];
	struct da_map_remark *remark;
	va_list args;

	if (report->count == report->room) {
		size_t room = 2 * report->room + 64;
		struct da_map_remark *items =
		    reallocarray(report->items, room, sizeof(*items));

		if (items == NULL)
			return DA_E_NOMEM;
		report->items = items;
		report->room = room;
	}
	va_start(args, format);
	if (vsnprintf(text, sizeof(text), format, args) < 0)
		text[0] = '\0';
	va_end(args);
	remark = &report->items[report->count];
	*remark = (struct da_map_remark){
	    .line = line, .bad = bad, .text = strdup(text)};
	if (remark->text == NULL)
		return DA_E_NOMEM;
	report->count++;
	report->bad += bad;
	return DA_OK;
}

static int
compare_lines(const void *left, const void *right)
{
	const struct da_map_remark *a = left, *b = right;

	if (a->line != b->line)
		return a->line < b->line ? -1 : 1;
	return strcmp(a->text, b->text);
}

void
da_map_report(struct da_map_report *report)
{
	size_t said = 0;

	if (report->count > 0)
		qsort(report->items, report->count, sizeof(*report->items),
		    compare_lines);
	for (size_t i = 0; i < report->count; i++) {
		const struct da_map_remark *remark = &report->items[i];

		if (report->bad == 0)
			(void)printf("%s:%d: %s\n", report->file, remark->line,
			    remark->text);
		else if (remark->bad && ++said <= COMPLAINTS_MAX)
			DA_IGNORE(da_admin_refuse("%s:%d: %s", report->file,
			    remark->line, remark->text));
		free(remark->text);
	}
	if (said > COMPLAINTS_MAX)
		DA_IGNORE(
		    da_admin_refuse("and %zu more", said - COMPLAINTS_MAX));
	free(report->items);
	*report = (struct da_map_report){.file = report->file};
}

/* --- reading --- */

struct parser {
	struct da_map_report *report;
	struct da_map *map;
	struct da_map pins; /* names, issuers, subjects */
	int line;
	bool has_header;
	bool ended;
};

static void
complain(struct parser *parser, int line, const char *what)
{
	/* Without memory at least the number of them is right. */
	if (da_map_remark(parser->report, line, true, "%s", what) != DA_OK)
		parser->report->bad++;
}

static bool
take_word(const char **at, const char *word)
{
	return da_text_skip_prefix(*at, word, at);
}

/* "NAME UID" */
static enum da_err
take_entry(struct parser *parser, enum da_map_kind kind, char *words)
{
	char *number = strchr(words, ' ');
	struct da_map_entry *entry;
	int64_t uid;
	enum da_err err;

	if (number != NULL)
		*number++ = '\0';
	if (da_account_name_check(words) != DA_OK) {
		complain(parser, parser->line, "not a login name");
		return DA_OK;
	}
	if (number == NULL ||
	    da_parse_int(number, 0, UINT32_MAX, &uid) != DA_OK) {
		complain(parser, parser->line, "not a uid");
		return DA_OK;
	}
	if (!da_account_id_is_usable((uint32_t)uid)) {
		complain(
		    parser, parser->line, "the uid is reserved by the system");
		return DA_OK;
	}
	err = da_map_add(parser->map, words, (uint32_t)uid, kind, &entry);
	if (err == DA_OK)
		entry->line = parser->line;
	return err;
}

/* "NAME ISSUER#SUBJECT" */
static enum da_err
take_pin(struct parser *parser, char *words)
{
	char *pin = strchr(words, ' ');
	struct da_map_entry *entry;
	char *mark;
	enum da_err err;

	if (pin != NULL)
		*pin++ = '\0';
	if (da_account_name_check(words) != DA_OK) {
		complain(parser, parser->line, "not a login name");
		return DA_OK;
	}
	mark = pin != NULL ? strchr(pin, '#') : NULL;
	if (mark != NULL)
		*mark++ = '\0';
	if (mark == NULL || *mark == '\0' || strlen(mark) > DA_SUBJECT_MAX ||
	    da_text_check_https(pin) != DA_OK) {
		complain(parser, parser->line, "not ISSUER#SUBJECT");
		return DA_OK;
	}
	err = da_map_add(&parser->pins, words, 0, DA_MAP_PERSON, &entry);
	if (err != DA_OK)
		return err;
	entry->line = parser->line;
	entry->issuer = strdup(pin);
	entry->subject = strdup(mark);
	return entry->issuer != NULL && entry->subject != NULL ? DA_OK
							       : DA_E_NOMEM;
}

static enum da_err
take_line(struct parser *parser, char *line)
{
	const char *rest = line;

	if (line[0] == '\0' || line[0] == '#')
		return DA_OK;
	if (!da_text_is_printable(line)) {
		complain(parser, parser->line, "not plain ASCII");
		return DA_OK;
	}
	if (!parser->has_header) {
		parser->has_header = strcmp(line, HEADER) == 0;
		if (parser->has_header)
			return DA_OK;
		complain(parser, parser->line,
		    "not an export of devauth: the first line has to be "
		    "\"" HEADER "\"");
		return DA_E_SYNTAX;
	}
	if (parser->ended) {
		complain(parser, parser->line, "text behind \"end\"");
		return DA_E_SYNTAX;
	}
	if (strcmp(line, "end") == 0)
		parser->ended = true;
	else if (take_word(&rest, "person "))
		return take_entry(parser, DA_MAP_PERSON, line + (rest - line));
	else if (take_word(&rest, "removed "))
		return take_entry(parser, DA_MAP_REMOVED, line + (rest - line));
	else if (take_word(&rest, "renamed "))
		return take_entry(parser, DA_MAP_RENAMED, line + (rest - line));
	else if (take_word(&rest, "pin "))
		return take_pin(parser, line + (rest - line));
	else
		complain(parser, parser->line,
		    "begins with none of person, removed, renamed, pin, end");
	return DA_OK;
}

static int
compare_names(const void *left, const void *right)
{
	const struct da_map_entry *a = left, *b = right;
	int order = strcmp(a->name, b->name);

	return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static int
compare_pins(const void *left, const void *right)
{
	const struct da_map_entry *a = left, *b = right;
	int order = strcmp(a->issuer, b->issuer);

	if (order == 0)
		order = strcmp(a->subject, b->subject);
	return order != 0 ? order : (a->line > b->line) - (a->line < b->line);
}

static void
sort_by(struct da_map *map, int (*compare)(const void *, const void *))
{
	if (map->count > 0)
		qsort(map->items, map->count, sizeof(*map->items), compare);
}

/* Gives the pins to their people. Both are sorted by name. */
static void
join_pins(struct parser *parser)
{
	struct da_map *map = parser->map, *pins = &parser->pins;

	sort_by(pins, compare_pins);
	for (size_t i = 1; i < pins->count; i++) {
		if (strcmp(pins->items[i - 1].issuer, pins->items[i].issuer) ==
			0 &&
		    strcmp(pins->items[i - 1].subject,
			pins->items[i].subject) == 0)
			complain(parser, pins->items[i].line,
			    "that identity has a name already");
	}
	sort_by(pins, compare_names);
	for (size_t i = 0, at = 0; i < pins->count; i++) {
		struct da_map_entry *pin = &pins->items[i];
		struct da_map_entry *entry;

		while (at < map->count &&
		    strcmp(map->items[at].name, pin->name) < 0)
			at++;
		entry = at < map->count ? &map->items[at] : NULL;
		if (entry == NULL || strcmp(entry->name, pin->name) != 0 ||
		    entry->kind == DA_MAP_RENAMED) {
			complain(parser, pin->line,
			    "a pin of somebody who is not in the file");
		} else if (entry->issuer != NULL) {
			complain(parser, pin->line, "a second pin of a name");
		} else {
			entry->issuer = DA_TAKE(pin->issuer);
			entry->subject = DA_TAKE(pin->subject);
		}
	}
}

/* What single lines do not show. */
static void
check_whole(struct parser *parser)
{
	struct da_map *map = parser->map;

	sort_by(map, compare_names);
	for (size_t i = 1; i < map->count; i++) {
		if (strcmp(map->items[i - 1].name, map->items[i].name) == 0)
			complain(parser, map->items[i].line,
			    "the name is there twice");
	}
	join_pins(parser);
	da_map_sort(map);
	for (size_t i = 0; i < map->count; i++) {
		const struct da_map_entry *entry = &map->items[i];
		bool first = i == 0 || map->items[i - 1].uid != entry->uid;

		if (first && entry->kind == DA_MAP_RENAMED)
			complain(parser, entry->line,
			    "no line has the present name of that uid");
		if (!first && entry->kind != DA_MAP_RENAMED)
			complain(parser, entry->line, "the uid is there twice");
	}
}

static enum da_err
parse_lines(struct parser *parser, const struct da_buf *text)
{
	const char *at = da_buf_text(text);
	const char *end = at + text->len;
	enum da_err err = DA_OK;

	while (err == DA_OK && at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((stop != NULL ? stop : end) - at);
		char line[LINE_MAX + 1];

		parser->line++;
		if (len > LINE_MAX || memchr(at, '\0', len) != NULL) {
			complain(
			    parser, parser->line, "too long, or not a text");
			return DA_E_SYNTAX;
		}
		memcpy(line, at, len);
		line[len] = '\0';
		err = take_line(parser, line);
		at += len + 1;
	}
	if (err == DA_OK && !parser->ended) {
		complain(parser, parser->line > 0 ? parser->line : 1,
		    "the file ends without \"end\": it is not whole");
		err = DA_E_SYNTAX;
	}
	return err;
}

enum da_err
da_map_parse(
    const struct da_buf *text, struct da_map *ret, struct da_map_report *report)
{
	struct parser parser = {.report = report, .map = ret};
	enum da_err err = parse_lines(&parser, text);

	if (err == DA_OK)
		check_whole(&parser);
	da_map_done(&parser.pins);
	return err == DA_OK && report->bad > 0 ? DA_E_SYNTAX : err;
}

/* --- planning --- */

void
da_map_changes_done(struct da_map_changes *changes)
{
	free(changes->items);
	*changes = (struct da_map_changes){0};
}

enum da_err
da_map_changes_add(struct da_map_changes *changes, enum da_account_verb verb,
    const struct da_account_entry *entry, const char *new_name)
{
	if (changes->count == changes->room) {
		size_t room = 2 * changes->room + 16;
		struct da_account_change *items =
		    reallocarray(changes->items, room, sizeof(*items));

		if (items == NULL)
			return DA_E_NOMEM;
		changes->items = items;
		changes->room = room;
	}
	changes->items[changes->count++] = (struct da_account_change){
	    .verb = verb, .entry = *entry, .new_name = new_name};
	return DA_OK;
}

static const struct da_map_entry *
find_in_unit(const struct da_map *map, size_t from, const char *name)
{
	for (size_t i = from; i < da_map_unit_end(map, from); i++) {
		if (strcmp(map->items[i].name, name) == 0)
			return &map->items[i];
	}
	return NULL;
}

/* Whether what the host says of these names and of the uid leaves room. */
static enum da_err
check_unit(const struct da_map *map, size_t from,
    const struct da_known_list *known, const struct da_known *holder,
    struct da_diag *diag)
{
	const struct da_map_entry *present = &map->items[from];

	for (size_t i = from; i < da_map_unit_end(map, from); i++) {
		const struct da_known *here =
		    da_known_find(known, map->items[i].name);

		if (here == NULL || here->account == DA_KNOWN_NONE ||
		    here->account == DA_KNOWN_MANAGED ||
		    here->account == DA_KNOWN_GONE || here->uid == present->uid)
			continue;
		da_diag_set(diag,
		    "%s has uid %u here, not %u; ids never change", here->name,
		    here->uid, present->uid);
		return DA_E_COLLISION;
	}
	if (holder == NULL)
		return DA_OK;
	if (find_in_unit(map, from, holder->name) == NULL) {
		da_diag_set(diag, "uid %u of %s belongs to %s here",
		    present->uid, present->name, holder->name);
		return DA_E_COLLISION;
	}
	if (holder->account == DA_KNOWN_REMOVED &&
	    present->kind != DA_MAP_REMOVED) {
		da_diag_set(diag,
		    "%s was removed here; devauth accounts restore %s first",
		    holder->name, holder->name);
		return DA_E_COLLISION;
	}
	return DA_OK;
}

struct plan {
	struct da_map_changes *changes;
	const char *name; /* that has the uid by now */
	bool removed;
	enum da_err err;
};

static void
step(struct plan *plan, enum da_account_verb verb, const char *new_name)
{
	const struct da_account_entry entry = {.name = plan->name};

	if (plan->err == DA_OK)
		plan->err =
		    da_map_changes_add(plan->changes, verb, &entry, new_name);
	if (new_name != NULL)
		plan->name = new_name;
	plan->removed = verb == DA_ACCOUNT_REMOVE;
}

/* A name can become a former one only by having been the present one. */
static void
step_to(struct plan *plan, const char *name)
{
	if (plan->removed)
		step(plan, DA_ACCOUNT_RESTORE, NULL);
	if (strcmp(plan->name, name) != 0)
		step(plan, DA_ACCOUNT_RENAME, name);
}

enum da_err
da_map_plan(const struct da_map *map, size_t from,
    const struct da_known_list *known, const struct da_account_entry *initial,
    struct da_map_changes *ret, char ret_holder[static DA_USER_MAX + 1],
    struct da_diag *diag)
{
	const size_t end = da_map_unit_end(map, from);
	const struct da_map_entry *present = &map->items[from];
	const struct da_known *holder =
	    da_known_find_owner(known, present->uid);
	struct plan plan = {.changes = ret};
	enum da_err err = check_unit(map, from, known, holder, diag);

	if (err != DA_OK)
		return err;
	ret_holder[0] = '\0';
	if (holder != NULL) {
		(void)stpcpy(ret_holder, holder->name);
		/* The map's copy of the name lives longer. */
		plan.name = find_in_unit(map, from, holder->name)->name;
		plan.removed = holder->account == DA_KNOWN_REMOVED;
	} else {
		struct da_account_entry entry = *initial;

		plan.name = map->items[end - 1].name;
		entry.name = plan.name;
		entry.uid = present->uid;
		if (present->gecos != NULL)
			entry.gecos = present->gecos;
		if (present->home != NULL)
			entry.home = present->home;
		if (present->shell != NULL)
			entry.shell = present->shell;
		plan.err =
		    da_map_changes_add(ret, DA_ACCOUNT_PUT, &entry, NULL);
	}
	for (size_t i = from + 1; i < end; i++) {
		const char *name = map->items[i].name;
		const struct da_known *here = da_known_find(known, name);

		if (here == NULL || here->account != DA_KNOWN_RENAMED)
			step_to(&plan, name);
	}
	if (strcmp(plan.name, present->name) != 0)
		step_to(&plan, present->name);
	if (present->kind == DA_MAP_REMOVED && !plan.removed)
		step(&plan, DA_ACCOUNT_REMOVE, NULL);
	return plan.err;
}
