/*
 * What the commands of an administrator share: who may, what is said, what is
 * written down.
 */
#ifndef DA_CLI_ADMIN_H
#define DA_CLI_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"

struct da_person;
struct json_object;

/* Says on standard error what is wrong, escaped, in one line. Returns
 * DA_EXIT_FAILED. */
int da_admin_refuse(const char *format, ...) DA_PRINTF(1, 2);

/* What it says: not every error comes with words. */
const char *da_admin_why(enum da_err err, const struct da_diag *diag);

/* How the verb is used. Returns DA_EXIT_USAGE. */
int da_admin_usage(const char *verb);

/* Says that the command has no such verb. Returns DA_EXIT_USAGE. */
int da_admin_refuse_verb(const char *command, const char *verb);

/* Whether -h or --help stands behind the command or the verb. */
bool da_admin_wants_help(int argc, char **argv);

/* Whether root is asking; says so if not. */
bool da_admin_is_root(void);

/* Whether the text may be a login name; says so if not. */
bool da_admin_is_name(const char *name);

/* Prints a text of others, escaped. */
void da_admin_put(const char *text);

/* Prints words from a column on, and a newline: lines that fit the screen where
 * the words do. The text is fit to be shown. */
void da_admin_wrap(const char *words, int column);

/* Adds a text of others, escaped: json-c itself escapes control characters
 * only. */
void
da_admin_json_text(struct json_object *json, const char *key, const char *text);

/* In UTC (RFC 3339); null for 0. */
void
da_admin_json_time(struct json_object *json, const char *key, int64_t at_s);

/* Prints and releases. Returns the exit status. */
int da_admin_json_print(struct json_object *json);

/* Local time. */
#define DA_ADMIN_TIME_MAX 32
void da_admin_format_time(int64_t at_s, char ret[static DA_ADMIN_TIME_MAX]);

/* Splits ISSUER#SUBJECT into the pin of a person; says what is wrong. */
bool da_admin_take_pin(const char *text, struct da_person *person);

/* Appends an administrator's own file, or standard input for "-": nothing to be
 * careful about but its size. DA_E_SYS, DA_E_TOO_LARGE, DA_E_NOMEM. */
enum da_err da_admin_read(
    const char *path, struct da_buf *ret, struct da_diag *diag) DA_MUST_CHECK;

/* The home that a template makes for a name. DA_E_TOO_LARGE. */
enum da_err da_admin_format_home(const char *template, const char *name,
    char *ret, size_t size) DA_MUST_CHECK;

/* Before the host's secrets are read: OpenSSL without configuration, and no
 * core dump that would have them. Says what is wrong. */
bool da_admin_prepare_secrets(void);

/* One line in the audit log: who changed what, or was refused. "more" is a
 * field "key=value" or NULL. */
void da_admin_log(const char *verb, const char *name, const char *key,
    const char *value, enum da_err err, const struct da_diag *diag);

/* The same about other things than accounts: the name of the event is whole.
 * "name" may be "". */
void da_admin_log_event(const char *event, const char *name, const char *key,
    const char *value, enum da_err err, const struct da_diag *diag);

/* The end of a change: logs it, complains if it failed. Returns the exit
 * status. */
int da_admin_end(const char *verb, const char *name, const char *key,
    const char *value, enum da_err err, const struct da_diag *diag);

#endif
