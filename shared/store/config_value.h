/*
 * Single values of devauth.conf, by the row of the schema. Internal to store/.
 */
#ifndef DA_STORE_CONFIG_VALUE_H
#define DA_STORE_CONFIG_VALUE_H

#include <stddef.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/err.h"
#include "store/config_schema.h"

/* Parses the text into the member of "target" that the row names. DA_E_CONFIG
 * with a phrase for the person in "what"; DA_E_NOMEM. */
enum da_err da_config_value_parse(const struct da_config_row *row,
    const char *text, void *target, char *what, size_t what_size) DA_MUST_CHECK;

/* Appends " value" as the parser would read it; nothing for an empty one. */
enum da_err da_config_value_format(const struct da_config_row *row,
    const void *source, struct da_buf *ret) DA_MUST_CHECK;

/* Frees what the parser allocated. */
void da_config_value_done(
    const struct da_config_row *rows, size_t count, void *target);

#endif
