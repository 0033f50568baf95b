#include "admin.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>
#include <openssl/crypto.h>

#include "account/account.h"
#include "command.h"
#include "core/file.h"
#include "core/log_line.h"
#include "core/parse.h"
#include "core/text.h"
#include "store/config.h"
#include "store/person.h"

#define COLUMNS 80

int
da_admin_refuse(const char *format, ...)
{
	/* Two texts of a diagnosis, and words around them. */
	char raw[4 * DA_DIAG_MAX], shown[4 * DA_DIAG_MAX];
	va_list args;

	va_start(args, format);
	if (vsnprintf(raw, sizeof(raw), format, args) < 0)
		raw[0] = '\0';
	va_end(args);
	da_text_escape_rest(raw, shown, sizeof(shown));
	(void)fflush(stdout);
	(void)fprintf(stderr, "devauth: %s\n", shown);
	return DA_EXIT_FAILED;
}

const char *
da_admin_why(enum da_err err, const struct da_diag *diag)
{
	return diag->text[0] != '\0' ? diag->text : da_err_reason(err);
}

int
da_admin_refuse_verb(const char *command, const char *verb)
{
	DA_IGNORE(
	    da_admin_refuse("%s has no verb \"%.64s\"; see devauth %s --help",
		command, verb, command));
	return DA_EXIT_USAGE;
}

bool
da_admin_wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "-h") == 0 ||
		    strcmp(argv[i], "--help") == 0)
			return true;
	}
	return false;
}

bool
da_admin_is_root(void)
{
	if (geteuid() == 0)
		return true;
	DA_IGNORE(da_admin_refuse("only root may do that; run this as root"));
	return false;
}

bool
da_admin_is_name(const char *name)
{
	if (da_account_name_check(name) == DA_OK)
		return true;
	DA_IGNORE(da_admin_refuse("\"%.64s\" cannot be a login name: it has to "
				  "begin with a-z or _, go on with a-z, 0-9, - "
				  "and _, and have at most %d characters",
	    name, DA_USER_MAX));
	return false;
}

void
da_admin_put(const char *text)
{
	char shown[4 * DA_URI_MAX + 1];

	da_text_escape(text, shown, sizeof(shown));
	(void)fputs(shown, stdout);
}

void
da_admin_wrap(const char *words, int column)
{
	int at = column;

	while (*words != '\0') {
		int len = (int)(strchrnul(words, ' ') - words);

		if (at > column && at + 1 + len > COLUMNS) {
			(void)printf("\n%*s", column, "");
			at = column;
		}
		at += printf("%s%.*s", at > column ? " " : "", len, words);
		words += len + (words[len] == ' ');
	}
	(void)putchar('\n');
}

void
da_admin_json_text(struct json_object *json, const char *key, const char *text)
{
	char shown[4 * DA_URI_MAX + 1];

	da_text_escape(text, shown, sizeof(shown));
	(void)json_object_object_add(json, key, json_object_new_string(shown));
}

void
da_admin_json_time(struct json_object *json, const char *key, int64_t at_s)
{
	const time_t at = (time_t)at_s;
	struct tm utc;
	char text[DA_ADMIN_TIME_MAX];

	if (gmtime_r(&at, &utc) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
		(void)stpcpy(text, "?");
	(void)json_object_object_add(
	    json, key, at_s != 0 ? json_object_new_string(text) : NULL);
}

int
da_admin_json_print(struct json_object *json)
{
	const char *text = json_object_to_json_string_ext(
	    json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	bool good = text != NULL && puts(text) >= 0 && fflush(stdout) == 0;

	(void)json_object_put(json);
	return good ? DA_EXIT_OK : DA_EXIT_FAILED;
}

void
da_admin_format_time(int64_t at_s, char ret[static DA_ADMIN_TIME_MAX])
{
	const time_t at = (time_t)at_s;
	struct tm local;

	if (localtime_r(&at, &local) == NULL ||
	    strftime(ret, DA_ADMIN_TIME_MAX, "%Y-%m-%d %H:%M", &local) == 0)
		(void)stpcpy(ret, "?");
}

bool
da_admin_take_pin(const char *text, struct da_person *person)
{
	const char *mark = strchr(text, '#');
	size_t len = mark != NULL ? (size_t)(mark - text) : 0;

	if (mark == NULL || len > DA_ISSUER_MAX || mark[1] == '\0' ||
	    strlen(mark + 1) > DA_SUBJECT_MAX || !da_text_is_printable(text)) {
		DA_IGNORE(
		    da_admin_refuse("\"%.200s\" is not ISSUER#SUBJECT, as in "
				    "https://login.example.com#8c1f-42",
			text));
		return false;
	}
	memcpy(person->issuer, text, len);
	person->issuer[len] = '\0';
	(void)stpcpy(person->subject, mark + 1);
	if (da_text_check_https(person->issuer) == DA_OK)
		return true;
	DA_IGNORE(da_admin_refuse(
	    "\"%.200s\" cannot be an issuer: it has to be its https address",
	    person->issuer));
	return false;
}

enum da_err
da_admin_read(const char *path, struct da_buf *ret, struct da_diag *diag)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char part[16384];
	size_t len;
	enum da_err err = file != NULL ? DA_OK : DA_E_SYS;

	while (err == DA_OK && (len = fread(part, 1, sizeof(part), file)) > 0)
		err = da_buf_put(ret, part, len);
	if (err == DA_OK && ferror(file) != 0)
		err = DA_E_SYS;
	if (err == DA_E_SYS)
		da_diag_set(diag, "%s: %m", path);
	else if (err != DA_OK)
		da_diag_set(diag, "%s: larger than %zu bytes", path, ret->max);
	if (file != NULL && file != stdin)
		(void)fclose(file); /* only read */
	return err;
}

enum da_err
da_admin_format_home(
    const char *template, const char *name, char *ret, size_t size)
{
	DA_CLEANUP(da_buf_done) struct da_buf home;
	enum da_err err = DA_OK;

	da_buf_init(&home, size);
	for (const char *at = template; err == DA_OK && *at != '\0'; at++) {
		if (at[0] == '%' && at[1] == 'u') {
			err = da_buf_put_text(&home, name);
			at++;
		} else {
			err = da_buf_put(&home, at, 1);
		}
	}
	return err == DA_OK ? da_text_copy(da_buf_text(&home), ret, size) : err;
}

bool
da_admin_prepare_secrets(void)
{
	const struct rlimit no_core = {0, 0};

	if (setrlimit(RLIMIT_CORE, &no_core) == 0 &&
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 &&
	    OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG |
		    OPENSSL_INIT_NO_LOAD_CRYPTO_STRINGS |
		    OPENSSL_INIT_NO_ADD_ALL_CIPHERS |
		    OPENSSL_INIT_NO_ADD_ALL_DIGESTS | OPENSSL_INIT_NO_ATEXIT,
		NULL) == 1)
		return true;
	DA_IGNORE(da_admin_refuse("cannot prepare to read the host's keys"));
	return false;
}

/* Under sudo and su: who logged in, not who root is. */
static uint32_t
find_caller(void)
{
	FILE *file = fopen("/proc/self/loginuid", "re");
	char text[16] = "";
	int64_t uid;
	size_t len;

	if (file == NULL)
		return getuid();
	len = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file); /* only read */
	text[len] = '\0';
	return da_parse_int(text, 0, UINT32_MAX - 1, &uid) == DA_OK
	    ? (uint32_t)uid
	    : getuid();
}

void
da_admin_log_event(const char *event, const char *name, const char *key,
    const char *value, enum da_err err, const struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf line;
	char by[16];

	da_buf_init(&line, DA_LOG_LINE_MAX);
	(void)snprintf(by, sizeof(by), "%u", find_caller());
	da_log_line_put(&line, "result", err == DA_OK ? "done" : "refused");
	if (err != DA_OK)
		da_log_line_put(&line, "reason", da_err_reason(err));
	da_log_line_put(&line, "user", name);
	da_log_line_put(&line, "by", by);
	if (key != NULL)
		da_log_line_put(&line, key, value);
	if (err != DA_OK)
		da_log_line_put(&line, "detail", diag->text);
	openlog("devauth", LOG_PID, LOG_AUTHPRIV);
	syslog(LOG_AUTHPRIV | (err == DA_OK ? LOG_NOTICE : LOG_WARNING),
	    "event=%s%s", event, da_buf_text(&line));
}

void
da_admin_log(const char *verb, const char *name, const char *key,
    const char *value, enum da_err err, const struct da_diag *diag)
{
	char event[32];

	(void)snprintf(event, sizeof(event), "accounts-%s", verb);
	da_admin_log_event(event, name, key, value, err, diag);
}

int
da_admin_end(const char *verb, const char *name, const char *key,
    const char *value, enum da_err err, const struct da_diag *diag)
{
	da_admin_log(verb, name, key, value, err, diag);
	if (err == DA_OK)
		return DA_EXIT_OK;
	return da_admin_refuse("%s", da_admin_why(err, diag));
}
