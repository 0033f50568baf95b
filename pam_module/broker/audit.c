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
#include "core/log_line.h"
#include "core/text.h"

static void
put_detail(struct da_buf *line, const struct da_diag *diag)
{
	char text[sizeof(diag->text) + sizeof(diag->hint) + 4];

	(void)snprintf(text, sizeof(text), "%s%s%s%s", diag->text,
	    diag->hint[0] != '\0' ? " (" : "", diag->hint,
	    diag->hint[0] != '\0' ? ")" : "");
	da_log_line_put(line, "detail", text);
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

	da_buf_init(&line, DA_LOG_LINE_MAX);
	format_txn(transaction, txn);
	da_log_line_put(&line, "result", result);
	da_log_line_put(&line, "reason", da_err_reason(err));
	da_log_line_put(&line, "user",
	    transaction->user_is_known ? request->user : "(unknown)");
	/* Under su and sudo: who asks for somebody else. */
	(void)snprintf(caller, sizeof(caller), "%u", request->caller);
	if ((request->flags & DA_REQUEST_FOR_OTHER) != 0)
		da_log_line_put(&line, "caller", caller);
	if (strcmp(transaction->person, request->user) != 0)
		da_log_line_put(&line, "person", transaction->person);
	da_log_line_put(&line, "service", request->service);
	da_log_line_put(&line, "rhost", request->rhost);
	da_log_line_put(&line, "tty", request->tty);
	if (transaction->profile != NULL)
		da_log_line_put(&line, "profile", transaction->profile->name);
	da_log_line_put(&line, "issuer", transaction->issuer);
	da_log_line_put(&line, "subject", transaction->subject);
	da_log_line_put(&line, "code", transaction->code_digest);
	da_log_line_put(
	    &line, "by", transaction->by != NULL ? transaction->by : "");
	da_log_line_put(&line, "session", transaction->session);
	da_log_line_put(&line, "txn", txn);
	if (err != DA_OK)
		put_detail(&line, &transaction->diag);
	syslog(LOG_AUTHPRIV | da_err_level(err), "event=%s%s",
	    transaction->phase, da_buf_text(&line));
}

void
da_audit_session(const char *event, enum da_err err,
    const struct da_session *session, const struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf line;

	da_buf_init(&line, DA_LOG_LINE_MAX);
	da_log_line_put(&line, "result", err == DA_OK ? "done" : "failed");
	da_log_line_put(&line, "reason", da_err_reason(err));
	da_log_line_put(&line, "user", session->account);
	if (strcmp(session->person, session->account) != 0)
		da_log_line_put(&line, "person", session->person);
	da_log_line_put(&line, "service", session->service);
	da_log_line_put(&line, "rhost", session->source);
	da_log_line_put(&line, "profile", session->profile);
	da_log_line_put(&line, "issuer", session->issuer);
	da_log_line_put(&line, "subject", session->subject);
	da_log_line_put(&line, "session", session->id);
	if (err != DA_OK)
		put_detail(&line, diag);
	syslog(LOG_AUTHPRIV | da_err_level(err), "event=%s%s", event,
	    da_buf_text(&line));
}
