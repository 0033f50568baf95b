#include "store/config_value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/attr.h"
#include "core/clock.h"
#include "core/limits.h"
#include "core/parse.h"
#include "core/text.h"
#include "store/config.h"

#define SEPARATORS " \t,"
#define NO_COMMENT "a comment needs a line of its own"

static void *
member(const struct da_config_row *row, void *target)
{
	return (char *)target + row->offset;
}

static const void *
const_member(const struct da_config_row *row, const void *source)
{
	return (const char *)source + row->offset;
}

static enum da_err
complain(
    const struct da_config_row *row, const char *must, char *what, size_t size)
{
	(void)snprintf(what, size, "%s: %s", row->key, must);
	return DA_E_CONFIG;
}

/* Comments behind values are not taken off: '#' may be part of a name. */
static bool
has_comment(const char *text)
{
	for (const char *p = text; *p != '\0'; p++) {
		if ((*p == '#' || *p == ';') && (p == text || p[-1] == ' '))
			return true;
	}
	return false;
}

static enum da_err
parse_text(const struct da_config_row *row, const char *text, char **ret,
    char *what, size_t size)
{
	char *copy;

	if (strlen(text) > (size_t)row->max)
		return complain(row, "too long", what, size);
	if (!da_text_is_printable(text))
		return complain(row, "not printable ASCII", what, size);
	if (strlen(text) < (size_t)row->min)
		return complain(row, "must not be empty", what, size);
	if (has_comment(text))
		return complain(row, NO_COMMENT, what, size);
	if (row->type == DA_CONFIG_WORD && strpbrk(text, " \t") != NULL)
		return complain(row, "must be one word", what, size);
	if (row->type == DA_CONFIG_PATH && text[0] != '\0' &&
	    (text[0] != '/' || strstr(text, "/../") != NULL ||
		strchr(text, ':') != NULL))
		return complain(row, "must be an absolute path", what, size);
	if (row->type == DA_CONFIG_HTTPS &&
	    (da_text_check_https(text) != DA_OK || strpbrk(text, "?#") != NULL))
		return complain(row,
		    "must be an https:// address without query or fragment",
		    what, size);
	copy = strdup(text);
	if (copy == NULL)
		return DA_E_NOMEM;
	free(*ret);
	*ret = copy;
	return DA_OK;
}

static void
list_done(struct da_config_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i]);
	free(list->items);
	*list = (struct da_config_list){0};
}

static enum da_err
parse_list(const struct da_config_row *row, const char *text,
    struct da_config_list *ret, char *what, size_t size)
{
	struct da_config_list list = {
	    .items = calloc(DA_CONFIG_LIST_MAX, sizeof(char *))};
	enum da_err err = list.items == NULL ? DA_E_NOMEM : DA_OK;

	while (err == DA_OK && *(text += strspn(text, SEPARATORS)) != '\0') {
		size_t len = strcspn(text, SEPARATORS);
		char *item = strndup(text, len);

		if (item == NULL)
			err = DA_E_NOMEM;
		else if (list.count == DA_CONFIG_LIST_MAX)
			err = complain(row, "too many entries", what, size);
		else if (has_comment(item))
			err = complain(row, NO_COMMENT, what, size);
		else if (len > (size_t)row->max)
			err = complain(row, "entry too long", what, size);
		else if (!da_text_is_printable(item))
			err = complain(row, "not printable ASCII", what, size);
		if (err != DA_OK) {
			free(item);
			break;
		}
		list.items[list.count++] = item;
		text += len;
	}
	if (err != DA_OK) {
		list_done(&list);
		return err;
	}
	list_done(ret);
	*ret = list;
	return DA_OK;
}

static enum da_err
complain_choices(const struct da_config_row *row, char *what, size_t size)
{
	int used = snprintf(what, size, "%s: must be ", row->key);

	for (size_t i = 0; row->choices[i].name != NULL; i++) {
		bool is_last = row->choices[i + 1].name == NULL;

		if (used < 0 || (size_t)used >= size)
			break;
		used += snprintf(what + used, size - (size_t)used, "%s%s",
		    i == 0        ? ""
			: is_last ? " or "
				  : ", ",
		    row->choices[i].name);
	}
	return DA_E_CONFIG;
}

static const struct da_config_choice *
find_choice(const struct da_config_row *row, const char *text, size_t len)
{
	for (size_t i = 0; row->choices[i].name != NULL; i++) {
		if (strlen(row->choices[i].name) == len &&
		    strncmp(row->choices[i].name, text, len) == 0)
			return &row->choices[i];
	}
	return NULL;
}

static enum da_err
parse_flags(const struct da_config_row *row, const char *text, int64_t *ret,
    char *what, size_t size)
{
	int64_t flags = 0;

	while (*(text += strspn(text, SEPARATORS)) != '\0') {
		size_t len = strcspn(text, SEPARATORS);
		const struct da_config_choice *choice =
		    find_choice(row, text, len);

		if (choice == NULL)
			return complain_choices(row, what, size);
		flags |= choice->value;
		text += len;
	}
	*ret = flags;
	return DA_OK;
}

enum da_err
da_config_value_parse(const struct da_config_row *row, const char *text,
    void *target, char *what, size_t what_size)
{
	const struct da_config_choice *choice;
	char min[DA_CLOCK_SPAN_MAX], max[DA_CLOCK_SPAN_MAX];
	char must[64 + 2 * DA_CLOCK_SPAN_MAX];

	switch (row->type) {
	case DA_CONFIG_TEXT:
	case DA_CONFIG_WORD:
	case DA_CONFIG_PATH:
	case DA_CONFIG_HTTPS:
		return parse_text(
		    row, text, member(row, target), what, what_size);
	case DA_CONFIG_LIST:
		return parse_list(
		    row, text, member(row, target), what, what_size);
	case DA_CONFIG_BOOL:
		if (da_parse_bool(text, member(row, target)) == DA_OK)
			return DA_OK;
		return complain(row, "must be yes or no", what, what_size);
	case DA_CONFIG_SPAN:
		if (da_parse_span_s(
			text, row->min, row->max, member(row, target)) == DA_OK)
			return DA_OK;
		da_clock_format_span(row->min, min);
		da_clock_format_span(row->max, max);
		(void)snprintf(must, sizeof(must),
		    "must be a time from %s to %s, like 90s or 5min", min, max);
		return complain(row, must, what, what_size);
	case DA_CONFIG_NUMBER:
		if (text[0] == '\0') {
			*(int64_t *)member(row, target) = 0;
			return DA_OK;
		}
		if (da_parse_int(
			text, row->min, row->max, member(row, target)) == DA_OK)
			return DA_OK;
		(void)snprintf(must, sizeof(must),
		    "must be a number from %lld to %lld", (long long)row->min,
		    (long long)row->max);
		return complain(row, must, what, what_size);
	case DA_CONFIG_CHOICE:
		choice = find_choice(row, text, strlen(text));
		if (choice == NULL)
			return complain_choices(row, what, what_size);
		*(int64_t *)member(row, target) = choice->value;
		return DA_OK;
	case DA_CONFIG_FLAGS:
		return parse_flags(
		    row, text, member(row, target), what, what_size);
	}
	return DA_E_BUG;
}

static enum da_err
format_list(const struct da_config_list *list, struct da_buf *ret)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < list->count; i++)
		err = da_buf_format(ret, " %s", list->items[i]);
	return err;
}

static enum da_err
format_choices(
    const struct da_config_row *row, int64_t value, struct da_buf *ret)
{
	enum da_err err = DA_OK;

	for (size_t i = 0; row->choices[i].name != NULL && err == DA_OK; i++) {
		bool on = row->type == DA_CONFIG_FLAGS
		    ? (value & row->choices[i].value) != 0
		    : value == row->choices[i].value;

		if (on)
			err = da_buf_format(ret, " %s", row->choices[i].name);
	}
	return err;
}

/* In the largest unit that says it exactly: 30d, not 2592000s. */
static enum da_err
format_span(int64_t span_s, struct da_buf *ret)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = {{"d", 86400}, {"h", 3600}, {"min", 60}};

	for (size_t i = 0; i < DA_ARRAY_LEN(units); i++) {
		if (span_s > 0 && span_s % units[i].seconds == 0)
			return da_buf_format(ret, " %lld%s",
			    (long long)(span_s / units[i].seconds),
			    units[i].name);
	}
	return da_buf_format(ret, " %llds", (long long)span_s);
}

enum da_err
da_config_value_format(
    const struct da_config_row *row, const void *source, struct da_buf *ret)
{
	const void *at = const_member(row, source);
	const char *text;

	switch (row->type) {
	case DA_CONFIG_TEXT:
	case DA_CONFIG_WORD:
	case DA_CONFIG_PATH:
	case DA_CONFIG_HTTPS:
		text = *(char *const *)at;
		return text[0] == '\0' ? DA_OK
				       : da_buf_format(ret, " %s", text);
	case DA_CONFIG_LIST:
		return format_list(at, ret);
	case DA_CONFIG_BOOL:
		return da_buf_put_text(ret, *(const bool *)at ? " yes" : " no");
	case DA_CONFIG_SPAN:
		return format_span(*(const int64_t *)at, ret);
	case DA_CONFIG_NUMBER:
		return *(const int64_t *)at == 0
		    ? DA_OK
		    : da_buf_format(
			  ret, " %lld", (long long)*(const int64_t *)at);
	case DA_CONFIG_CHOICE:
	case DA_CONFIG_FLAGS:
		return format_choices(row, *(const int64_t *)at, ret);
	}
	return DA_E_BUG;
}

void
da_config_value_done(
    const struct da_config_row *rows, size_t count, void *target)
{
	for (size_t i = 0; i < count; i++) {
		char **text;

		switch (rows[i].type) {
		case DA_CONFIG_LIST:
			list_done(member(&rows[i], target));
			break;
		case DA_CONFIG_TEXT:
		case DA_CONFIG_WORD:
		case DA_CONFIG_PATH:
		case DA_CONFIG_HTTPS:
			text = member(&rows[i], target);
			free(*text);
			*text = NULL;
			break;
		default:
			break;
		}
	}
}
