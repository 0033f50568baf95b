/*
 * The session phases: a grant becomes a session, sealed under what the kernel
 * says of the process that opened it; the end of a session is the end of its
 * tokens. No network while anybody waits.
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "broker/transaction.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/grant.h"
#include "store/host_key.h"
#include "store/person.h"
#include "store/session.h"

enum da_err
da_transaction_peer(const struct da_transaction *transaction, int32_t *ret)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	/* Of a socketpair: who made it, which is the host program. */
	if (getsockopt(transaction->client, SOL_SOCKET, SO_PEERCRED, &peer,
		&len) != 0 ||
	    peer.pid <= 0)
		return DA_E_SYS;
	*ret = peer.pid;
	return DA_OK;
}

void
da_transaction_host(char *ret, size_t size)
{
	if (gethostname(ret, size - 1) != 0 || !da_text_is_printable(ret) ||
	    ret[0] == '\0')
		DA_IGNORE(da_text_copy("this host", ret, size));
	ret[size - 1] = '\0';
}

static void
name_person(
    struct da_transaction *transaction, const struct da_session *session)
{
	transaction->user_is_known = true;
	memcpy(
	    transaction->issuer, session->issuer, sizeof(transaction->issuer));
	memcpy(transaction->subject, session->subject,
	    sizeof(transaction->subject));
	memcpy(
	    transaction->person, session->person, sizeof(transaction->person));
	memcpy(transaction->result.who, session->who,
	    sizeof(transaction->result.who));
}

/* What only this process knows of a session to be. */
static enum da_err
place(struct da_transaction *transaction, struct da_session *session)
{
	const struct da_wire_request *request = &transaction->request;
	int32_t pid;
	enum da_err err = da_transaction_peer(transaction, &pid);

	memcpy(session->source, request->rhost, sizeof(session->source));
	memcpy(session->tty, request->tty, sizeof(session->tty));
	da_transaction_host(session->host, sizeof(session->host));
	return err != DA_OK ? err
			    : da_session_anchor(transaction->paths, pid,
				  &session->anchor, &transaction->diag);
}

/* The grant goes last: were it the first, a kill in between would lose tokens
 * that nobody revokes. Of two that have the same grant one gets it. */
static enum da_err
make_session(struct da_transaction *transaction,
    const struct da_host_keys *keys, struct da_session *session)
{
	const struct da_wire_request *request = &transaction->request;
	enum da_err err = place(transaction, session);

	if (err == DA_OK && session->person[0] != '\0')
		err = da_person_check_pin(transaction->paths, session->person,
		    session->issuer, session->subject, &transaction->diag);
	if (err == DA_OK)
		err = da_session_create(
		    transaction->paths, keys, session, &transaction->diag);
	if (err != DA_OK)
		return err;
	err = da_grant_consume(
	    transaction->paths, request->grant, &transaction->diag);
	if (err == DA_OK) {
		memcpy(transaction->session, session->id,
		    sizeof(transaction->session));
		memcpy(transaction->result.session, session->id,
		    sizeof(transaction->result.session));
		return DA_OK;
	}
	DA_IGNORE(da_session_end(transaction->paths, session->id, NULL));
	DA_IGNORE(da_session_remove(transaction->paths, session->id, NULL));
	return err;
}

static enum da_err
open_session(struct da_transaction *transaction)
{
	const struct da_wire_request *request = &transaction->request;
	struct da_host_keys keys = {.count = 0};
	struct da_session session;
	struct da_grant grant;
	enum da_err err =
	    da_host_keys_load(transaction->paths, &keys, &transaction->diag);

	if (err == DA_OK)
		err = da_grant_load(transaction->paths, &keys, request->grant,
		    request->user, request->service, &grant,
		    &transaction->diag);
	if (err == DA_OK) {
		da_grant_take_session(&grant, &session);
		da_grant_done(&grant);
		name_person(transaction, &session);
		err = make_session(transaction, &keys, &session);
		da_session_done(&session);
	}
	da_host_keys_done(&keys);
	return err;
}

/* The id comes from the module's own memory, where open_session left it. */
static enum da_err
close_session(struct da_transaction *transaction)
{
	const char *id = transaction->request.session;
	enum da_err err =
	    da_session_end(transaction->paths, id, &transaction->diag);

	transaction->user_is_known = true;
	memcpy(transaction->session, id, sizeof(transaction->session));
	/* The sweep, an administrator or the provider may have been first. */
	if (err == DA_E_ABSENT)
		return DA_OK;
	if (err == DA_OK)
		memcpy(transaction->ended, id, sizeof(transaction->ended));
	return err;
}

enum da_err
da_phase_session(struct da_transaction *transaction)
{
	const bool open = (transaction->request.flags & DA_REQUEST_OPEN) != 0;

	transaction->phase = open ? "open" : "close";
	return open ? open_session(transaction) : close_session(transaction);
}
