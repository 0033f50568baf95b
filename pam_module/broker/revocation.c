#include "broker/revocation.h"

#include <string.h>
#include <unistd.h>

#include "broker/exchange.h"
#include "broker/transaction.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "store/grant.h"
#include "store/terminate.h"

/* Errors after which another try would bring the same. */
static bool
is_final(enum da_err err)
{
	return err == DA_E_PROVIDER || err == DA_E_PROTOCOL ||
	    err == DA_E_CONFIG || err == DA_E_ABSENT;
}

/* What does not open here can be revoked by nobody. Of a folder that is not
 * ours nothing is removed: it does not open for that, either. */
static bool
is_useless(enum da_err err)
{
	return err == DA_E_SEAL || err == DA_E_SYNTAX ||
	    err == DA_E_ELSEWHERE || err == DA_E_ENDED ||
	    err == DA_E_UNSAFE_FILE || err == DA_E_TOO_LARGE;
}

static enum da_err
revoke_loaded(const struct da_paths *paths, const struct da_config *config,
    struct da_session *session, int64_t budget_ms, struct da_diag *diag)
{
	struct da_exchange exchange = {.paths = paths,
	    .config = config,
	    .session = session,
	    .budget_ms = budget_ms,
	    .diag = diag};
	enum da_err err =
	    da_exchange_profile(config, session, &exchange.profile, diag);

	return err == DA_OK ? da_exchange_revoke(&exchange) : err;
}

enum da_err
da_revocation_try(const struct da_paths *paths, const struct da_config *config,
    const struct da_host_keys *keys, const char *id, int64_t budget_ms,
    struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int lock = -1;
	struct da_session session;
	enum da_err removed = DA_OK;
	enum da_err err =
	    da_session_load_ended(paths, keys, id, &session, &lock, diag);

	if (err == DA_E_ABSENT || err == DA_E_TIMEOUT)
		return err;
	if (err == DA_OK) {
		err = revoke_loaded(paths, config, &session, budget_ms, diag);
		if (err == DA_OK || is_final(err))
			removed = da_session_remove(paths, id, diag);
		else
			DA_IGNORE(da_session_note_try(
			    paths, id, da_clock_mono_ms(), NULL));
	} else {
		memcpy(session.id, id, sizeof(session.id));
		if (is_useless(err))
			DA_IGNORE(da_session_remove(paths, id, NULL));
	}
	da_audit_session("revoke", err, &session, diag);
	da_session_done(&session);
	return err != DA_OK ? err : removed;
}

enum da_err
da_revocation_leave(const struct da_paths *paths,
    const struct da_host_keys *keys, struct da_session *session,
    char ret_id[static DA_SESSION_MAX + 1], struct da_diag *diag)
{
	enum da_err err =
	    da_session_anchor(paths, getpid(), &session->anchor, diag);

	/* On the way there it must be nobody's: our audit session is that of
	 * who called sudo, whose own it would seem to be. */
	session->anchor.audit = DA_AUDIT_NONE;
	session->grant[0] = '\0';
	if (err == DA_OK)
		err = da_session_create(paths, keys, session, diag);
	if (err == DA_OK) {
		memcpy(ret_id, session->id, sizeof(session->id));
		err = da_session_end(paths, ret_id, diag);
	}
	if (err == DA_OK)
		da_session_done(session);
	return err;
}

void
da_revocation_terminate(
    const struct da_paths *paths, const struct da_session *session)
{
	struct da_diag diag = {0};
	enum da_err err = da_session_end(paths, session->id, &diag);

	if (err == DA_OK || err == DA_E_ABSENT)
		err = da_session_terminate(paths, session, &diag);
	da_audit_session("terminate", err, session, &diag);
}

static void
revoke_leftover(
    struct da_transaction *transaction, const struct da_host_keys *keys)
{
	struct da_diag diag = {0};
	struct da_session *left = &transaction->leftover;

	/* On the disk first: from there the sweep goes on, whatever happens to
	 * us. Where there is no room for it, this one try is all. */
	if (keys->count == 0 ||
	    da_revocation_leave(transaction->paths, keys, left,
		transaction->ended, &diag) != DA_OK)
		DA_IGNORE(revoke_loaded(transaction->paths, transaction->config,
		    left, DA_REVOCATION_BUDGET_MS, &diag));
	da_session_done(left);
}

struct expiry {
	const struct da_paths *paths;
	const struct da_host_keys *keys;
};

/* Whoever was to consume the grant was killed with the session made: it has
 * the same tokens, which are about to be no good, and sudo would take that for
 * the provider's word about the person. Nobody was told of it so far. */
static enum da_err
end_unfinished(const struct da_paths *paths, const char *grant)
{
	DA_CLEANUP(da_session_list_freep) struct da_session_list *list = NULL;
	struct da_session_entry entry;
	struct da_diag diag = {0};
	enum da_err err = da_session_list_open(paths, false, &list, &diag);

	while (err == DA_OK && da_session_list_next(list, &entry, &diag)) {
		if (entry.damaged || strcmp(entry.session.grant, grant) != 0)
			continue;
		err = da_session_end(paths, entry.session.id, &diag);
		if (err != DA_E_ABSENT)
			da_audit_session("end", err, &entry.session, &diag);
	}
	return err == DA_E_ABSENT ? DA_OK : err;
}

static enum da_err
take_expired(void *context, struct da_grant *grant)
{
	const struct expiry *expiry = context;
	struct da_session session;
	char id[DA_SESSION_MAX + 1];
	enum da_err err;

	da_grant_take_session(grant, &session);
	err = end_unfinished(expiry->paths, session.grant);
	if (err == DA_OK)
		err = da_revocation_leave(
		    expiry->paths, expiry->keys, &session, id, NULL);
	da_session_done(&session);
	return err;
}

enum da_err
da_revocation_expire_grants(const struct da_paths *paths,
    const struct da_host_keys *keys, struct da_diag *diag)
{
	struct expiry expiry = {paths, keys};

	return da_grants_expire(paths, keys, take_expired, &expiry, diag);
}

static void
revoke_due(struct da_transaction *transaction, bool grants)
{
	struct da_host_keys keys = {.count = 0};
	struct da_diag diag = {0};

	if (transaction->config == NULL &&
	    da_config_load(transaction->paths, &transaction->config, &diag) !=
		DA_OK)
		return; /* the sweep's */
	DA_IGNORE(da_host_keys_load(transaction->paths, &keys, &diag));
	if (transaction->leftover.access_token.len > 0)
		revoke_leftover(transaction, &keys);
	if (keys.count > 0 && grants)
		DA_IGNORE(da_revocation_expire_grants(
		    transaction->paths, &keys, &diag));
	if (keys.count > 0 && transaction->ended[0] != '\0')
		DA_IGNORE(da_revocation_try(transaction->paths,
		    transaction->config, &keys, transaction->ended,
		    DA_REVOCATION_BUDGET_MS, &diag));
	da_host_keys_done(&keys);
}

void
da_revocation_finish(struct da_transaction *transaction)
{
	/* Whoever leaves a grant looks after those that others have left. */
	const bool grants = transaction->result.grant[0] != '\0' &&
	    da_grants_have_expired(transaction->paths);

	if (grants || transaction->ended[0] != '\0' ||
	    transaction->leftover.access_token.len > 0)
		revoke_due(transaction, grants);
	if (transaction->doomed.id[0] != '\0')
		da_revocation_terminate(
		    transaction->paths, &transaction->doomed);
}
