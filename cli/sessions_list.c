/*
 * devauth sessions list: who is logged in with which tokens, and whose tokens
 * wait to be revoked. Runs as root. Tokens are opened to tell what there is,
 * and wiped; what is printed comes from the provider or from afar and is
 * escaped.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "admin.h"
#include "command.h"
#include "core/attr.h"
#include "core/clock.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/session.h"

#define ID_SHORTEST 8
/* With more of it the line would not fit the screen. */
#define ACCOUNT_WIDEST 23
#define TOKENS_MAX 48

struct row {
	struct da_session_entry entry;
	bool is_open; /* the three below are known */
	bool has_access;
	bool has_refresh;
	bool is_bound; /* at the provider, by DPoP */
	bool is_over;  /* the sweep will end it */
	char problem[DA_DIAG_MAX + 1];
};

struct rows {
	struct row *items;
	size_t count;
	size_t room;
	bool ended;
};

static void
rows_done(struct rows *rows)
{
	free(rows->items);
}

/* --- collecting --- */

static struct row *
add(struct rows *rows)
{
	if (rows->count == rows->room) {
		size_t room = rows->room != 0 ? 2 * rows->room : 16;
		struct row *items =
		    reallocarray(rows->items, room, sizeof(*items));

		if (items == NULL)
			return NULL;
		rows->items = items;
		rows->room = room;
	}
	rows->items[rows->count] = (struct row){0};
	return &rows->items[rows->count++];
}

/* False when it has ended since it was listed. */
static bool
open_row(const struct da_host_keys *keys, struct row *row)
{
	DA_CLEANUP(da_session_done) struct da_session session;
	struct da_diag diag = {0};
	enum da_err err = da_session_load(
	    &da_paths, keys, row->entry.session.id, NULL, 0, &session, &diag);

	row->is_over =
	    da_session_is_over(&da_paths, &keys->machine, &row->entry.session);
	if (err == DA_OK) {
		row->is_open = true;
		row->has_access = session.access_token.len > 0;
		row->has_refresh = session.refresh_token.len > 0;
		row->is_bound = session.dpop_jkt[0] != '\0';
	} else {
		(void)snprintf(row->problem, sizeof(row->problem), "%s",
		    da_admin_why(err, &diag));
	}
	return err != DA_E_ABSENT;
}

static int
by_time(const void *a, const void *b)
{
	const struct da_session *one = &((const struct row *)a)->entry.session;
	const struct da_session *other =
	    &((const struct row *)b)->entry.session;

	return one->created_at_s != other->created_at_s
	    ? (one->created_at_s > other->created_at_s) -
		(one->created_at_s < other->created_at_s)
	    : strcmp(one->id, other->id);
}

static void
sort(const struct rows *rows, int (*compare)(const void *, const void *))
{
	if (rows->count > 0)
		qsort(rows->items, rows->count, sizeof(*rows->items), compare);
}

static enum da_err
collect(struct rows *rows, struct da_diag *diag)
{
	DA_CLEANUP(da_session_list_freep) struct da_session_list *list = NULL;
	DA_CLEANUP(da_host_keys_done) struct da_host_keys keys = {0};
	struct da_session_entry entry;
	struct da_diag why = {0};
	enum da_err err =
	    da_session_list_open(&da_paths, rows->ended, &list, diag);

	if (err == DA_OK)
		err = da_host_keys_load(&da_paths, &keys, diag);
	while (err == DA_OK && da_session_list_next(list, &entry, &why)) {
		struct row *row = add(rows);

		if (row == NULL)
			return DA_E_NOMEM;
		row->entry = entry;
		if (entry.damaged)
			(void)snprintf(
			    row->problem, sizeof(row->problem), "%s", why.text);
		else if (!rows->ended && !open_row(&keys, row))
			rows->count--;
	}
	return err == DA_E_ABSENT && list == NULL ? DA_OK : err;
}

/* 0: as soon as somebody sweeps. */
static int64_t
next_try_s(const struct da_session_entry *entry)
{
	int64_t wait_ms = da_session_retry_mono_ms(entry) - da_clock_mono_ms();

	return wait_ms > 0 ? da_clock_wall_s() + wait_ms / 1000 : 0;
}

/* --- for programs --- */

static void
add_bool(struct json_object *json, const char *key, bool value)
{
	(void)json_object_object_add(json, key, json_object_new_boolean(value));
}

static void
add_tokens(struct json_object *json, const struct row *row)
{
	const struct da_session *session = &row->entry.session;

	add_bool(json, "access_token", row->has_access);
	if (row->has_access)
		da_admin_json_time(
		    json, "access_until", session->access_expires_at_s);
	add_bool(json, "refresh_token", row->has_refresh);
	da_admin_json_text(json, "binding", row->is_bound ? "dpop" : "sealed");
}

static void
add_facts(struct json_object *json, const struct da_session *session)
{
	da_admin_json_text(json, "account", session->account);
	(void)json_object_object_add(
	    json, "uid", json_object_new_int64(session->uid));
	da_admin_json_text(json, "person", session->person);
	da_admin_json_text(json, "who", session->who);
	da_admin_json_text(json, "profile", session->profile);
	da_admin_json_text(json, "issuer", session->issuer);
	da_admin_json_text(json, "subject", session->subject);
	da_admin_json_text(json, "service", session->service);
	da_admin_json_text(json, "source", session->source);
	da_admin_json_text(json, "tty", session->tty);
	da_admin_json_time(json, "since", session->created_at_s);
	da_admin_json_time(json, "verified", session->verified_at_s);
}

/* The keys are stable. */
static int
print_json(const struct rows *rows)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->items[i];
		const struct da_session_entry *entry = &row->entry;
		struct json_object *json = json_object_new_object();

		da_admin_json_text(json, "id", entry->session.id);
		if (!entry->damaged)
			add_facts(json, &entry->session);
		if (row->is_open)
			add_tokens(json, row);
		if (!rows->ended)
			add_bool(json, "over", row->is_over);
		else
			da_admin_json_time(json, "ended", entry->ended_at_s);
		if (rows->ended) {
			(void)json_object_object_add(
			    json, "tries", json_object_new_int64(entry->tries));
			da_admin_json_time(json, "next_try", next_try_s(entry));
		}
		if (row->problem[0] != '\0')
			da_admin_json_text(json, "problem", row->problem);
		(void)json_object_array_add(all, json);
	}
	return da_admin_json_print(all);
}

/* --- for people --- */

static int
by_id(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->entry.session.id,
	    ((const struct row *)b)->entry.session.id);
}

/* As many digits of the ids as tell them apart: those of one login of the
 * kernel's begin alike. The rows are sorted by id. */
static int
id_width(const struct rows *rows)
{
	size_t width = ID_SHORTEST;

	for (size_t i = 1; i < rows->count; i++) {
		const char *a = rows->items[i - 1].entry.session.id;
		const char *b = rows->items[i].entry.session.id;
		size_t same = 0;

		while (a[same] != '\0' && a[same] == b[same])
			same++;
		width = same + 1 > width ? same + 1 : width;
	}
	return (int)width;
}

static int
account_width(const struct rows *rows)
{
	size_t width = strlen("ACCOUNT");

	for (size_t i = 0; i < rows->count; i++) {
		size_t len = strlen(rows->items[i].entry.session.account);

		width = len > width ? len : width;
	}
	return (int)(width < ACCOUNT_WIDEST ? width : ACCOUNT_WIDEST);
}

static void
format_tokens(const struct row *row, char ret[static TOKENS_MAX])
{
	const int64_t until_s = row->entry.session.access_expires_at_s;
	const int64_t left_s = until_s - da_clock_wall_s();
	char at[DA_ADMIN_TIME_MAX];

	da_admin_format_time(until_s, at);
	if (!row->is_open)
		(void)snprintf(ret, TOKENS_MAX, "?");
	else if (row->has_refresh)
		(void)snprintf(ret, TOKENS_MAX, "refresh");
	else if (!row->has_access)
		(void)snprintf(ret, TOKENS_MAX, "none");
	else if (until_s == 0)
		(void)snprintf(ret, TOKENS_MAX, "access");
	else if (left_s <= 0)
		(void)snprintf(ret, TOKENS_MAX, "access, expired");
	else
		/* The date tells nothing within a day. */
		(void)snprintf(ret, TOKENS_MAX, "access until %s",
		    left_s < 86400 && strlen(at) > 11 ? at + 11 : at);
}

static enum da_err
put_place(struct da_buf *ret, const struct row *row)
{
	const struct da_session *session = &row->entry.session;
	const char *who =
	    session->who[0] != '\0' ? session->who : session->person;
	char at[DA_ADMIN_TIME_MAX];
	enum da_err err = da_buf_format(ret, "%s, %s", who, session->service);

	if (err == DA_OK && session->source[0] != '\0')
		err = da_buf_format(ret, " from %s", session->source);
	/* sshd has no more to say at that time. */
	if (err == DA_OK && session->tty[0] != '\0' &&
	    strcmp(session->tty, "ssh") != 0)
		err = da_buf_format(ret, " on %s", session->tty);
	da_admin_format_time(session->verified_at_s, at);
	if (err == DA_OK && session->verified_at_s != 0)
		err = da_buf_format(ret, ", verified %s", at);
	if (err == DA_OK && row->is_over)
		err = da_buf_put_text(
		    ret, "; it is over, and the next sweep ends it");
	else if (err == DA_OK && row->problem[0] != '\0')
		err = da_buf_format(ret, "; %s", row->problem);
	return err;
}

static enum da_err
put_details(struct da_buf *ret, const struct row *row)
{
	return row->entry.damaged
	    ? da_buf_format(ret, "damaged: %s", row->problem)
	    : put_place(ret, row);
}

static bool
print_details(const struct row *row, int column)
{
	DA_CLEANUP(da_buf_done) struct da_buf text;
	char shown[4 * DA_URI_MAX + 1];

	da_buf_init(&text, sizeof(struct da_session));
	if (put_details(&text, row) != DA_OK)
		return false;
	da_text_escape(da_buf_text(&text), shown, sizeof(shown));
	(void)printf("%*s", column, "");
	da_admin_wrap(shown, column);
	return true;
}

static void
print_running(const struct row *row)
{
	char since[DA_ADMIN_TIME_MAX], tokens[TOKENS_MAX];

	da_admin_format_time(row->entry.session.created_at_s, since);
	format_tokens(row, tokens);
	(void)printf("%-16s  %-18s  %s\n", since, tokens,
	    !row->is_open                             ? "?"
		: row->is_bound                       ? "DPoP"
		: row->has_access || row->has_refresh ? "sealed"
						      : "-");
}

static void
print_ended(const struct row *row)
{
	const struct da_session_entry *entry = &row->entry;
	char ended[DA_ADMIN_TIME_MAX], next[DA_ADMIN_TIME_MAX];

	da_admin_format_time(entry->ended_at_s, ended);
	da_admin_format_time(next_try_s(entry), next);
	(void)printf("%-16s  %5u  %s\n", ended, entry->tries,
	    next_try_s(entry) != 0 ? next : "next sweep");
}

static void
print_row(const struct rows *rows, const struct row *row, int ids, int accounts)
{
	const struct da_session *session = &row->entry.session;
	char account[4 * DA_USER_MAX + 1];

	da_text_escape(session->account, account, sizeof(account));
	(void)printf("%.*s", ids, session->id);
	if (!row->entry.damaged) {
		int len = printf("  %-*s", accounts, account);

		if (len > accounts + 2)
			(void)printf("\n%*s", ids + 2 + accounts, "");
		(void)fputs("  ", stdout);
	}
	if (row->entry.damaged)
		(void)putchar('\n');
	else if (rows->ended)
		print_ended(row);
	else
		print_running(row);
}

static int
print_table(const struct rows *rows)
{
	int ids, accounts = account_width(rows);

	if (rows->count == 0) {
		(void)fputs(rows->ended
			? "No ended session waits to be revoked.\n"
			: "Nobody is logged in with tokens.\n",
		    stderr);
		return DA_EXIT_OK;
	}
	sort(rows, by_id);
	ids = id_width(rows);
	sort(rows, by_time);
	(void)printf("%-*s  %-*s  ", ids, "ID", accounts, "ACCOUNT");
	(void)puts(rows->ended
		? "ENDED             TRIES  NEXT TRY"
		: "SINCE             TOKENS              BINDING");
	for (size_t i = 0; i < rows->count; i++) {
		print_row(rows, &rows->items[i], ids, accounts);
		if (!print_details(&rows->items[i], ids + 2))
			return DA_EXIT_FAILED;
	}
	return fflush(stdout) == 0 ? DA_EXIT_OK : DA_EXIT_FAILED;
}

int
da_command_sessions_list(int argc, char **argv)
{
	static const struct option options[] = {
	    {"ended", no_argument, NULL, 'e'},
	    {"json", no_argument, NULL, 'j'},
	    {NULL, 0, NULL, 0},
	};
	DA_CLEANUP(rows_done) struct rows rows = {0};
	struct da_diag diag = {0};
	bool json = false;
	int option;
	enum da_err err;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) == 'e' ||
	    option == 'j') {
		json |= option == 'j';
		rows.ended |= option == 'e';
	}
	if (option != -1 || optind != argc) {
		(void)fputs("usage: devauth sessions list [--ended] [--json]\n",
		    stderr);
		return DA_EXIT_USAGE;
	}
	if (!da_admin_is_root() || !da_admin_prepare_secrets())
		return DA_EXIT_FAILED;
	err = collect(&rows, &diag);
	if (err != DA_OK)
		return da_admin_refuse("%s", da_admin_why(err, &diag));
	sort(&rows, by_time);
	return json ? print_json(&rows) : print_table(&rows);
}
