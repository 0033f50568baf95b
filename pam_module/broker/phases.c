/*
 * The account and session phases: no network, no worker. What was verified at
 * the last sign-in decides, whatever method the person logs in with now.
 */
#include <string.h>

#include "account/account.h"
#include "account/writer.h"
#include "broker/policy.h"
#include "broker/transaction.h"
#include "core/clock.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/grant.h"
#include "store/person.h"

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
check_person(struct da_transaction *transaction, const struct da_person *person)
{
	/* As the PAM line or default_profile says. */
	const struct da_profile *asked = transaction->profile;
	int64_t age_s = da_clock_wall_s() - person->verified_at_s;
	enum da_err err;

	if (person->locked) {
		da_diag_set(&transaction->diag, "locked");
		return DA_E_ACCT_DENIED;
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
	if (da_policy_check_access(transaction->profile, person->name,
		&person->groups, &transaction->diag) != DA_OK ||
	    da_policy_check_access(asked, person->name, &person->groups,
		&transaction->diag) != DA_OK) {
		DA_IGNORE(da_text_copy(transaction->diag.text,
		    transaction->result.rule,
		    sizeof(transaction->result.rule))); /* same size */
		return DA_E_ACCT_DENIED;
	}
	/* A time in the future is a clock set back: ask again. */
	if (age_s < 0 || age_s > transaction->config->account_max_age_s) {
		da_diag_set(&transaction->diag,
		    "the last sign-in was %lld s "
		    "ago, account_max_age is %lld s",
		    (long long)age_s,
		    (long long)transaction->config->account_max_age_s);
		return DA_E_ACCT_STALE;
	}
	return DA_OK;
}

/* The home folder of a person: the template with %u replaced. */
static enum da_err
format_home(const char *template, const char *name, char *out, size_t size)
{
	size_t used = 0;

	for (; *template != '\0'; template ++) {
		const char *piece = template;
		size_t len = 1;

		if (template[0] == '%' && template[1] == 'u') {
			piece = name;
			len = strlen(name);
			template ++;
		}
		if (used + len >= size)
			return DA_E_TOO_LARGE;
		memcpy(out + used, piece, len);
		used += len;
	}
	out[used] = '\0';
	return DA_OK;
}

/* After our own sign-in: makes the account real, because mkhomedir and logind
 * look it up from other processes before the session phase. */
static enum da_err
commit(struct da_transaction *transaction, const struct da_grant *grant)
{
	const struct da_person *person = &grant->person;
	char home[DA_URI_MAX + 1], gecos[DA_DISPLAY_NAME_MAX + 1];
	struct da_account_entry entry = {.name = person->name,
	    .uid = person->uid,
	    .gecos = gecos,
	    .home = home,
	    .shell = transaction->config->shell};
	enum da_err err = format_home(
	    transaction->config->home, person->name, home, sizeof(home));

	da_text_reduce(grant->gecos, gecos, sizeof(gecos));
	for (char *p = gecos; *p != '\0'; p++) {
		/* The separators of passwd and of the GECOS field. */
		if (*p == ':' || *p == ',')
			*p = ' ';
	}
	if (err == DA_OK)
		err = da_person_save(
		    transaction->paths, person, &transaction->diag);
	if (err == DA_E_LOCKED)
		return DA_E_ACCT_DENIED;
	if (err == DA_OK)
		err = da_account_add(
		    transaction->paths, &entry, &transaction->diag);
	return err;
}

enum da_err
da_phase_account(struct da_transaction *transaction)
{
	const struct da_wire_request *request = &transaction->request;
	struct da_grant grant;
	struct da_person person;
	enum da_err err;

	transaction->phase = "account";
	err = da_transaction_configure(transaction);
	if (err != DA_OK)
		return err;
	if (request->grant[0] != '\0') {
		err = da_grant_load(transaction->paths, request->grant,
		    request->user, request->service, &grant,
		    &transaction->diag);
		if (err == DA_OK) {
			err = check_person(transaction, &grant.person);
			if (err == DA_OK)
				err = commit(transaction, &grant);
			if (err == DA_OK &&
			    (request->flags & DA_REQUEST_CONSUME) != 0)
				err = da_grant_consume(transaction->paths,
				    request->grant, &transaction->diag);
			da_grant_done(&grant);
			transaction->user_is_known = true;
			return err;
		}
		/* Forged or stale: it counts as no grant at all. */
	}
	err = da_person_load(
	    transaction->paths, request->user, &person, &transaction->diag);
	if (err == DA_E_ABSENT) {
		da_diag_set(&transaction->diag, "never signed in here");
		return DA_E_ACCT_UNKNOWN;
	}
	if (err != DA_OK)
		return DA_E_ACCT_DENIED;
	transaction->user_is_known = true;
	err = check_person(transaction, &person);
	da_person_done(&person);
	return err;
}

enum da_err
da_phase_session(struct da_transaction *transaction)
{
	const struct da_wire_request *request = &transaction->request;
	struct da_grant grant;
	enum da_err err;

	transaction->phase =
	    (request->flags & DA_REQUEST_OPEN) != 0 ? "open" : "close";
	if ((request->flags & DA_REQUEST_OPEN) == 0)
		return DA_OK;
	err = da_grant_load(transaction->paths, request->grant, request->user,
	    request->service, &grant, &transaction->diag);
	if (err != DA_OK)
		return err;
	transaction->user_is_known = true;
	DA_IGNORE(da_text_copy(grant.person.issuer, transaction->issuer,
	    sizeof(transaction->issuer)));
	DA_IGNORE(da_text_copy(grant.person.subject, transaction->subject,
	    sizeof(transaction->subject)));
	memcpy(transaction->result.who, grant.who, sizeof(grant.who));
	da_grant_done(&grant);
	return da_grant_consume(
	    transaction->paths, request->grant, &transaction->diag);
}
