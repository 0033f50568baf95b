/*
 * The audit log: one line per decision, key=value, to syslog's authpriv. Every
 * value is reduced so that nobody can forge a field or a line; no secret, no
 * code and no unknown name is ever written.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "broker/transaction.h"
#include "core/buf.h"
#include "core/text.h"

#define AUDIT_LINE_MAX 1800 /* rsyslog cuts at 8 kB, journald at more */

/* Adds " key=value"; a value with spaces is quoted, quotes in it escaped.
 * Empty values are left out. */
static void
put(struct da_buf *line, const char *key, const char *value)
{
	char text[DA_ISSUER_MAX * 4 + 1];

	if (value[0] == '\0')
		return;
	da_text_escape(value, text, sizeof(text));
	for (char *p = text; *p != '\0'; p++) {
		if (*p == '"')
			*p = '\'';
	}
	/* A line that is full loses its last fields, never its first. */
	if (strpbrk(text, " =") != NULL)
		DA_IGNORE(da_buf_format(line, " %s=\"%s\"", key, text));
	else
		DA_IGNORE(da_buf_format(line, " %s=%s", key, text));
}

static void
put_detail(struct da_buf *line, const struct da_diag *diag)
{
	char text[sizeof(diag->text) + sizeof(diag->hint) + 4];

	(void)snprintf(text, sizeof(text), "%s%s%s%s", diag->text,
	    diag->hint[0] != '\0' ? " (" : "", diag->hint,
	    diag->hint[0] != '\0' ? ")" : "");
	put(line, "detail", text);
}

/* The first half of the nonce: enough to find the lines of one login. */
static void
format_txn(
    const struct da_transaction *transaction, char ret[static DA_NONCE_LEN + 1])
{
	da_text_hex(transaction->request.nonce, DA_NONCE_LEN / 2, ret);
}

void
da_audit_explain(
    const struct da_transaction *transaction, const char *format, ...)
{
	char raw[DA_DIAG_MAX + 1], text[DA_DIAG_MAX + 1];
	char txn[DA_NONCE_LEN + 1];
	va_list args;

	if ((transaction->request.flags & DA_REQUEST_DEBUG) == 0)
		return;
	va_start(args, format);
	if (vsnprintf(raw, sizeof(raw), format, args) < 0)
		raw[0] = '\0';
	va_end(args);
	da_text_escape(raw, text, sizeof(text));
	format_txn(transaction, txn);
	syslog(LOG_AUTHPRIV | LOG_DEBUG, "debug txn=%s: %s", txn, text);
}

void
da_audit_write(const struct da_transaction *transaction, enum da_err err)
{
	const struct da_wire_request *request = &transaction->request;
	DA_CLEANUP(da_buf_done) struct da_buf line;
	char txn[DA_NONCE_LEN + 1], caller[16];
	const char *result = err == DA_OK ? "allowed"
	    : err == DA_E_CANCELLED       ? "cancelled"
					  : "refused";

	da_buf_init(&line, AUDIT_LINE_MAX);
	format_txn(transaction, txn);
	put(&line, "result", result);
	put(&line, "reason", da_err_reason(err));
	put(&line, "user",
	    transaction->user_is_known ? request->user : "(unknown)");
	/* Under su and sudo: who asks for somebody else. */
	(void)snprintf(caller, sizeof(caller), "%u", request->caller);
	if ((request->flags & DA_REQUEST_FOR_OTHER) != 0)
		put(&line, "caller", caller);
	if (strcmp(transaction->person, request->user) != 0)
		put(&line, "person", transaction->person);
	put(&line, "service", request->service);
	put(&line, "rhost", request->rhost);
	put(&line, "tty", request->tty);
	if (transaction->profile != NULL)
		put(&line, "profile", transaction->profile->name);
	put(&line, "issuer", transaction->issuer);
	put(&line, "subject", transaction->subject);
	put(&line, "code", transaction->code_digest);
	put(&line, "txn", txn);
	if (err != DA_OK)
		put_detail(&line, &transaction->diag);
	syslog(LOG_AUTHPRIV | da_err_level(err), "event=%s%s",
	    transaction->phase, da_buf_text(&line));
}
