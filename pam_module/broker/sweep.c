#include "broker/sweep.h"

#include <string.h>

#include "broker/exchange.h"
#include "broker/revocation.h"
#include "broker/transaction.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "store/people.h"
#include "store/person.h"
#include "store/policy.h"
#include "store/withdrawn.h"

/* Few tokens live longer; somebody who looks after a host for a month has seen
 * the lines in the log. */
#define GIVE_UP_S (30 * 86400)

struct sweep {
	const struct da_paths *paths;
	struct da_config *config;
	struct da_host_keys keys;
	/* Providers that do not answer: each is waited for once. */
	bool is_down[DA_CONFIG_PROFILES_MAX];
};

static bool *
down_of(struct sweep *sweep, const struct da_profile *profile)
{
	return &sweep->is_down[profile - sweep->config->profiles];
}

/* --- running sessions --- */

/* What userinfo brought is looked at as far as the profile goes; what a service
 * asks for only sudo knows, which asks for itself. */
static bool
is_welcome(struct sweep *sweep, const struct da_profile *profile,
    const struct da_session *session, const struct da_wire_identity *identity,
    struct da_diag *diag)
{
	const struct da_policy policy = {
	    .config = sweep->config, .profile = profile, .service = ""};

	return (identity->evidence & DA_EVIDENCE_USERINFO) == 0 ||
	    da_policy_check_access(&policy, session->person, &identity->groups,
		&identity->claims, diag) == DA_OK;
}

/* The facts of the list are not verified; those of the loaded session are. */
static void
renew(struct sweep *sweep, const struct da_profile *profile, const char *id)
{
	DA_CLEANUP(da_file_closep) int lock = -1;
	struct da_diag diag = {0};
	struct da_session session;
	struct da_wire_identity identity = {0};
	struct da_exchange exchange = {.paths = sweep->paths,
	    .config = sweep->config,
	    .profile = profile,
	    .keys = &sweep->keys,
	    .session = &session,
	    .budget_ms = profile->request_timeout_s * 1000,
	    .diag = &diag};
	bool terminate = false;
	enum da_err err;

	/* Whoever has the lock is asking the provider already. */
	if (da_session_lock(sweep->paths, id, 0, &lock, NULL) != DA_OK)
		return;
	err = da_session_load(
	    sweep->paths, &sweep->keys, id, NULL, 0, &session, &diag);
	if (err == DA_OK &&
	    !da_session_is_due(
		&session, profile->refresh_margin_s, da_clock_wall_s())) {
		da_session_done(&session);
		return;
	}
	if (err == DA_OK) {
		da_person_follow(sweep->paths, session.issuer, session.subject,
		    session.person);
		err =
		    da_exchange_check(&exchange, /* renew= */ true, &identity);
	} else {
		memcpy(session.id, id, sizeof(session.id));
	}
	if (err == DA_OK)
		err = da_exchange_keep(
		    &exchange, (identity.evidence & DA_EVIDENCE_USERINFO) == 0);
	if (err == DA_OK &&
	    is_welcome(sweep, profile, &session, &identity, &diag))
		DA_IGNORE(da_people_note_check(sweep->paths, session.person,
		    session.issuer, session.subject, session.verified_at_s,
		    NULL));
	if (err == DA_E_UNREACHABLE)
		*down_of(sweep, profile) = true;
	if (err == DA_E_REJECTED)
		terminate = profile->on_revoked == DA_REVOKED_TERMINATE;
	if (err != DA_E_ENDED)
		da_audit_session("refresh", err, &session, &diag);
	if (terminate)
		da_revocation_terminate(sweep->paths, &session);
	da_wire_done(DA_WIRE_IDENTITY, &identity);
	da_session_done(&session);
}

static void
end(struct sweep *sweep, const struct da_session *session)
{
	struct da_diag diag = {0};
	enum da_err err = da_session_end(sweep->paths, session->id, &diag);

	/* The logout may have come in between. */
	if (err != DA_E_ABSENT)
		da_audit_session("end", err, session, &diag);
}

static void
look_after(struct sweep *sweep, const struct da_session_entry *entry)
{
	const struct da_profile *profile;

	/* A damaged file can neither be used nor revoked. */
	if (entry->damaged ||
	    da_session_is_over(
		sweep->paths, &sweep->keys.machine, &entry->session)) {
		end(sweep, &entry->session);
		return;
	}
	if (da_exchange_profile(
		sweep->config, &entry->session, &profile, NULL) == DA_OK &&
	    !*down_of(sweep, profile) &&
	    da_session_is_due(
		&entry->session, profile->refresh_margin_s, da_clock_wall_s()))
		renew(sweep, profile, entry->session.id);
}

/* --- ended ones --- */

static bool
is_time(const struct da_session_entry *entry)
{
	int64_t now_mono_ms = da_clock_mono_ms();

	/* A try that is yet to come is of another boot. */
	return entry->tried_mono_ms > now_mono_ms ||
	    now_mono_ms >= da_session_retry_mono_ms(entry);
}

static void
revoke_left(struct sweep *sweep, const struct da_session_entry *entry)
{
	const struct da_profile *profile = NULL;
	struct da_diag diag = {0};
	enum da_err err;

	if (entry->tries > 0 && entry->ended_at_s != 0 &&
	    da_clock_wall_s() - entry->ended_at_s > GIVE_UP_S) {
		da_diag_set(&diag, "the provider did not revoke the tokens");
		err = da_session_remove(sweep->paths, entry->session.id, NULL);
		da_audit_session("revoke",
		    err == DA_OK ? DA_E_UNREACHABLE : err, &entry->session,
		    &diag);
		return;
	}
	if (!is_time(entry) ||
	    (!entry->damaged &&
		da_exchange_profile(
		    sweep->config, &entry->session, &profile, NULL) == DA_OK &&
		*down_of(sweep, profile)))
		return;
	err = da_revocation_try(sweep->paths, sweep->config, &sweep->keys,
	    entry->session.id, DA_REVOCATION_BUDGET_MS, &diag);
	if (err == DA_E_UNREACHABLE && profile != NULL)
		*down_of(sweep, profile) = true;
}

/* --- all of them --- */

static void
each(struct sweep *sweep, bool ended,
    void (*visit)(struct sweep *sweep, const struct da_session_entry *entry))
{
	DA_CLEANUP(da_session_list_freep) struct da_session_list *list = NULL;
	struct da_session_entry entry;
	struct da_diag diag = {0};
	enum da_err err =
	    da_session_list_open(sweep->paths, ended, &list, &diag);

	while (err == DA_OK && da_session_list_next(list, &entry, &diag)) {
		/* The next time. */
		if (!entry.unread)
			visit(sweep, &entry);
	}
	if (err != DA_OK && err != DA_E_ABSENT)
		da_audit_session(
		    "sweep", err, &(struct da_session){.uid = 0}, &diag);
}

enum da_err
da_sweep_run(const struct da_paths *paths)
{
	struct sweep sweep = {.paths = paths};
	struct da_diag diag = {0};
	enum da_err err = da_config_load(paths, &sweep.config, &diag);

	if (err == DA_OK)
		err = da_host_keys_load(paths, &sweep.keys, &diag);
	if (err == DA_OK) {
		each(&sweep, false, look_after);
		err = da_revocation_expire_grants(paths, &sweep.keys, &diag);
		each(&sweep, true, revoke_left);
	}
	if (err == DA_OK)
		err = da_session_tidy(paths, &sweep.keys, &diag);
	if (err == DA_OK)
		err = da_withdrawn_settle(paths, &diag);
	if (err != DA_OK)
		da_audit_session(
		    "sweep", err, &(struct da_session){.uid = 0}, &diag);
	da_host_keys_done(&sweep.keys);
	da_config_free(sweep.config);
	return err;
}
