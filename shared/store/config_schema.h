/*
 * The schema of devauth.conf: what config.c parses, checks, documents and
 * dumps by. Internal to store/.
 */
#ifndef DA_STORE_CONFIG_SCHEMA_H
#define DA_STORE_CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/limits.h"

enum da_config_type {
	DA_CONFIG_TEXT,   /* printable ASCII */
	DA_CONFIG_WORD,   /* without white space */
	DA_CONFIG_PATH,   /* absolute */
	DA_CONFIG_HTTPS,  /* address without query and fragment */
	DA_CONFIG_LIST,   /* words separated by white space or commas */
	DA_CONFIG_BOOL,   /* yes, no */
	DA_CONFIG_SPAN,   /* seconds, or 5min, 12h, 30d */
	DA_CONFIG_CHOICE, /* one of the choices */
	DA_CONFIG_FLAGS,  /* any of the choices, as bits */
	DA_CONFIG_NUMBER, /* decimal; empty = 0 */
};

struct da_config_choice {
	const char *name;
	int64_t value;
};

struct da_config_row {
	const char *key;
	enum da_config_type type;
	size_t offset;
	const char
	    *initial;     /* in the file's own syntax; NULL = must be given */
	int64_t min, max; /* numbers; lists and texts: length */
	const struct da_config_choice *choices;
	const char *help; /* lines separated by \n */
};

/* A kind of section: "[PREFIX NAME]". */
struct da_config_kind {
	const char *prefix; /* with the blank */
	const char *help;   /* as that of a row */
	const struct da_config_row *rows;
	size_t row_count;
	/* Where struct da_config keeps them. */
	size_t array_offset;
	size_t element_size;
	size_t count_offset;
	size_t max;
	bool (*is_name)(const char *name);
	const char *name_rule; /* for people who break it */
	/* A key that is not there does not mean its initial value. */
	bool absent_means_else;
};

enum {
	DA_CONFIG_KIND_PROFILE,
	DA_CONFIG_KIND_SERVICE,
	DA_CONFIG_KIND_ACCOUNT,
	DA_CONFIG_KIND_GROUP,
};

/* [devauth]: there is one, and only its rows count. */
extern const struct da_config_kind da_config_global;

extern const struct da_config_kind da_config_kinds[]; /* in this order */
extern const size_t da_config_kind_count;

struct da_config;
struct da_section;

/* How many sections of a kind there are, and each of them. */
size_t *da_config_section_count(
    struct da_config *config, const struct da_config_kind *kind);
struct da_section *da_config_section_at(
    struct da_config *config, const struct da_config_kind *kind, size_t i);

/* The title as it stands in the file. */
#define DA_CONFIG_TITLE_MAX (DA_SERVICE_MAX + 16)
void da_config_format_title(
    const struct da_section *section, char *ret, size_t size);

#endif
