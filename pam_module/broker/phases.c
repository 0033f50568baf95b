/*
 * The account phase: no network, no worker. What was verified at the last
 * sign-in decides, whatever method the person logs in with now.
 */
#include <string.h>

#include "account/account.h"
#include "account/writer.h"
#include "broker/reauth.h"
#include "broker/transaction.h"
#include "core/clock.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/grant.h"
#include "store/person.h"
#include "store/shell.h"

/* The profile that the person signed in with, as it is configured today. */
static enum da_err
use_profile_of(
    struct da_transaction *transaction, const struct da_person *person)
{
	enum da_err err = da_config_profile(transaction->config,
	    person->profile, &transaction->profile, &transaction->diag);

	if (err == DA_OK &&
	    strcmp(transaction->profile->issuer, person->issuer) != 0) {
		da_diag_set(
		    &transaction->diag, "the profile has another issuer now");
		return DA_E_ACCT_DENIED;
	}
	return err == DA_OK ? DA_OK : DA_E_ACCT_DENIED;
}

static enum da_err
check_access(struct da_transaction *transaction,
    const struct da_profile *profile, const struct da_person *person)
{
	return da_transaction_check_access(transaction, profile, person->name,
		   &person->groups, &person->claims) == DA_OK
	    ? DA_OK
	    : DA_E_ACCT_DENIED;
}

static void
explain_age(struct da_transaction *transaction, int64_t age_s)
{
	char age[DA_CLOCK_SPAN_MAX], age_max[DA_CLOCK_SPAN_MAX];

	da_clock_format_span(age_s, age);
	da_clock_format_span(transaction->config->account_max_age_s, age_max);
	if (age_s < 0)
		da_diag_set(&transaction->diag,
		    "the last sign-in lies in the future: the clock was set "
		    "back");
	else
		da_diag_set(&transaction->diag,
		    "the last sign-in was %s ago, account_max_age is %s", age,
		    age_max);
}

enum da_err
da_transaction_check_person(struct da_transaction *transaction,
    const struct da_person *person, bool local)
{
	/* As the PAM line or default_profile says. */
	const struct da_profile *asked = transaction->profile;
	struct da_policy policy = da_transaction_policy(transaction);
	int64_t age_s = da_clock_wall_s() - person->verified_at_s;
	enum da_err err;

	if (da_person_is_barred(person)) {
		da_diag_set(&transaction->diag, "%s",
		    person->state == DA_PERSON_ACTIVE ? "locked" : "removed");
		return DA_E_ACCT_DENIED;
	}
	/* Made by an administrator. */
	if (person->verified_at_s == 0) {
		da_diag_set(&transaction->diag, "never signed in here");
		return DA_E_ACCT_UNKNOWN;
	}
	err = use_profile_of(transaction, person);
	if (err != DA_OK)
		return err;
	/* profile= is a demand: what another profile allows does not meet it.
	 */
	if (transaction->request.profile[0] == '\0')
		asked = transaction->profile;
	if (strcmp(asked->issuer, person->issuer) != 0) {
		da_diag_set(&transaction->diag,
		    "signed in at another issuer than that of profile \"%s\"",
		    asked->name);
		return DA_E_ACCT_DENIED;
	}
	if (!da_policy_still_maps(&policy, transaction->request.user, local,
		person->listed_as[0] != '\0' ? person->listed_as : person->name,
		person->issuer, person->subject)) {
		da_diag_set(&transaction->diag,
		    "[account %s] does not list the person any more",
		    transaction->request.user);
		return DA_E_ACCT_DENIED;
	}
	err = check_access(transaction, transaction->profile, person);
	if (err == DA_OK)
		err = check_access(transaction, asked, person);
	if (err != DA_OK)
		return err;
	if (person->withdrawn) {
		da_diag_set(&transaction->diag,
		    "the provider does not renew the sign-in any more; a new "
		    "one is due");
		DA_IGNORE(
		    da_text_copy("not renewed", transaction->result.reason,
			sizeof(transaction->result.reason))); /* ours, fits */
		return DA_E_ACCT_STALE;
	}
	/* A time in the future is a clock set back: ask again. */
	if (age_s < 0 || age_s > transaction->config->account_max_age_s) {
		explain_age(transaction, age_s);
		return DA_E_ACCT_STALE;
	}
	return DA_OK;
}

/* The display name as the GECOS field takes it. */
static void
format_gecos(const char *name, char *out, size_t size)
{
	da_text_reduce(name, out, size);
	for (char *p = out; *p != '\0'; p++) {
		/* The separators of passwd and of the GECOS field. */
		if (*p == ':' || *p == ',')
			*p = ' ';
	}
}

static enum da_err
put_account(struct da_transaction *transaction, const struct da_grant *grant,
    uint32_t uid)
{
	const struct da_person *person = &grant->person;
	char gecos[DA_DISPLAY_NAME_MAX + 1];
	const char *groups[DA_CONFIG_SECTIONS_MAX + 1];
	/* A group that "config apply" has not made is one less, not the end of
	 * all logins. */
	struct da_account_entry entry = {.name = person->name,
	    .uid = uid,
	    .gecos = gecos,
	    .home = grant->home,
	    .shell = grant->shell,
	    .groups = groups,
	    .skip_groups = true};

	format_gecos(grant->gecos, gecos, sizeof(gecos));
	(void)da_policy_list_groups(
	    transaction->config, person->issuer, &person->groups, groups);
	return da_account_add(transaction->paths, &entry, &transaction->diag);
}

/* After our own sign-in: makes the account real, because mkhomedir and logind
 * look it up from other processes before the session phase. The pin comes
 * first; the uid is written down as the person's when the account has it, so
 * that no record claims one that was refused. */
static enum da_err
commit(struct da_transaction *transaction, struct da_grant *grant)
{
	struct da_person *person = &grant->person;
	const uint32_t uid = person->uid;
	enum da_err err = DA_OK;

	/* Somebody without a name of his own is nobody here but what the
	 * configuration says. */
	if (person->name[0] == '\0')
		return DA_OK;
	person->uid = 0;
	err = da_person_save(transaction->paths, person, &transaction->diag);
	if (err == DA_E_LOCKED)
		return DA_E_ACCT_DENIED;
	if (err != DA_OK || grant->local)
		return err;
	err = put_account(transaction, grant, uid);
	if (err == DA_OK && person->uid != uid) {
		person->uid = uid;
		err = da_person_save(
		    transaction->paths, person, &transaction->diag);
	}
	return err;
}

struct found {
	struct da_account account;
	char buffer[2048]; /* that it points into */
};

static enum da_err
find_account(const struct da_transaction *transaction, struct found *ret)
{
	bool provisional; /* asked for nobody new */

	return da_account_find(transaction->paths, transaction->request.user,
	    false, ret->buffer, sizeof(ret->buffer), &ret->account,
	    &provisional);
}

/* The account of somebody whom we have signed in before. */
static enum da_err
check_account(struct da_transaction *transaction)
{
	struct found found;
	enum da_err err = find_account(transaction, &found);

	if (err == DA_E_ABSENT) {
		da_diag_set(
		    &transaction->diag, "not in the account database any more");
		return DA_E_ACCT_DENIED;
	}
	if (err == DA_OK)
		err =
		    da_transaction_check_names(transaction, found.account.uid);
	return err == DA_OK
	    ? da_shell_check(found.account.shell, &transaction->diag)
	    : err;
}

/* A key names no person: the account's own state, which PAM's other modules
 * look at, decides. In a session of ours there is somebody. */
static enum da_err
check_local(struct da_transaction *transaction)
{
	struct found found;
	enum da_err err = find_account(transaction, &found);

	transaction->user_is_known = true;
	return err == DA_OK
	    ? da_reauth_check_account(transaction, found.account.uid)
	    : err;
}

enum da_err
da_phase_account(struct da_transaction *transaction)
{
	const struct da_wire_request *request = &transaction->request;
	struct da_grant grant;
	struct da_person person;
	bool local;
	enum da_err err;

	transaction->phase = "account";
	err = da_transaction_configure(transaction);
	if (err != DA_OK)
		return err;
	if (request->grant[0] != '\0') {
		err = da_grant_load(transaction->paths, NULL, request->grant,
		    request->user, request->service, &grant,
		    &transaction->diag);
		if (err == DA_OK) {
			memcpy(transaction->person, grant.person.name,
			    sizeof(transaction->person));
			err = da_transaction_check_person(
			    transaction, &grant.person, grant.local);
			if (err == DA_OK)
				err = commit(transaction, &grant);
			if (err == DA_OK &&
			    (request->flags & DA_REQUEST_SESSION) == 0)
				err = da_grant_consume(transaction->paths,
				    request->grant, &transaction->diag);
			da_grant_done(&grant);
			transaction->user_is_known = true;
			return err;
		}
		/* Forged or stale: it counts as no grant at all. */
	}
	err = da_transaction_is_local(transaction, &local);
	if (err != DA_OK)
		return err;
	/* But somebody did sign in, who may be locked, and only the grant knew
	 * who: su can be held up until it is stale. */
	if (local && request->grant[0] != '\0')
		return DA_E_ACCT_DENIED;
	if (local)
		return check_local(transaction);
	err = da_person_load(
	    transaction->paths, request->user, &person, &transaction->diag);
	if (err == DA_E_ABSENT) {
		da_diag_set(&transaction->diag, "never signed in here");
		return DA_E_ACCT_UNKNOWN;
	}
	if (err != DA_OK)
		return DA_E_ACCT_DENIED;
	transaction->user_is_known = true;
	err = da_transaction_check_person(
	    transaction, &person, /* local= */ false);
	da_person_done(&person);
	if (err == DA_OK)
		err = check_account(transaction);
	return err;
}
