/*
 * Who may log in as whom: pure functions over claims and configuration.
 *
 * Three questions, in this order, each answered by rules of devauth.conf:
 *   name     the login name that the claims give the person
 *   account  whether that person is the one who may log in as the account
 *   access   whether the person may log in at all, by that PAM service
 * Whether the identity belongs to the name (the pin) is person.h's question.
 */
#ifndef DA_STORE_POLICY_H
#define DA_STORE_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"
#include "core/wire.h"
#include "store/config.h"

/* By what is decided. */
struct da_policy {
	const struct da_config *config;
	const struct da_profile *profile;
	const char *service; /* PAM service, "" = the profile alone */
	/* Told of each rule that was looked at, in words; may be NULL. */
	void (*explain)(void *context, const char *line);
	void *context;
};

/* What a provider says about somebody. */
struct da_policy_identity {
	const char *issuer;
	const char *subject;
	const char *username_claim;  /* which one it was */
	const char *username;        /* its raw value */
	const struct da_buf *groups; /* ids, a NUL behind each */
	const struct da_buf *claims; /* NAME=VALUE, a NUL behind each */
};

/* The same from the worker's message; borrowed from it. */
struct da_policy_identity
da_policy_identity_of(const struct da_wire_identity *identity);

/* The login name that a username claim stands for: a listed domain cut off,
 * ASCII letters lower-cased, then the name rule; nothing is repaired.
 * DA_E_BAD_NAME. */
enum da_err da_policy_map_name(const struct da_policy *policy,
    const struct da_policy_identity *identity,
    char ret_name[static DA_USER_MAX + 1], struct da_diag *diag) DA_MUST_CHECK;

/* Whether the identity may be "account", which is a local one or not, as far as
 * names go. ret_person is the name under which the person is pinned, and which
 * the access rules mean: the account's own, but that of the person where the
 * account is local; "" for somebody whom the provider gives no login name and
 * who is listed by identity.
 * DA_E_BAD_NAME, DA_E_WRONG_PERSON, DA_E_NOT_ALLOWED (a local account that no
 * section gives to anybody). */
enum da_err da_policy_find_person(const struct da_policy *policy,
    const struct da_policy_identity *identity, const char *account, bool local,
    char ret_person[static DA_USER_MAX + 1],
    struct da_diag *diag) DA_MUST_CHECK;

/* Whether the rules let the person in. DA_E_NOT_ALLOWED with the rules' names
 * in diag. */
enum da_err da_policy_check_access(const struct da_policy *policy,
    const char *person, const struct da_buf *groups,
    const struct da_buf *claims, struct da_diag *diag) DA_MUST_CHECK;

/* Whether the rules could let anybody in as that account: false when only names
 * are allowed and none of them could be meant. */
bool
da_policy_could_succeed(const struct da_policy *policy, const char *account);

/* Whether somebody with that login name may still be the account, as
 * da_policy_find_person() decides. For the phases in which no claims are at
 * hand. */
bool da_policy_still_maps(const struct da_policy *policy, const char *account,
    bool local, const char *login, const char *issuer, const char *subject);

/* Whether a rule for that service needs groups to be known to say yes. */
bool
da_policy_needs_groups(const struct da_policy *policy, const char *account);

/* The names of all claims that rules for that issuer ask for, by spaces.
 * DA_E_TOO_LARGE. */
enum da_err da_policy_list_claims(const struct da_config *config,
    const char *issuer, char *ret, size_t size) DA_MUST_CHECK;

/* Appends those of the groups that any rule for that issuer names: another PAM
 * line may ask for another profile, another service for others. */
enum da_err
da_policy_keep_groups(const struct da_config *config, const char *issuer,
    const struct da_buf *groups, struct da_buf *ret) DA_MUST_CHECK;

/* The same for claims: those that are a value that a rule names. */
enum da_err
da_policy_keep_claims(const struct da_config *config, const char *issuer,
    const struct da_buf *claims, struct da_buf *ret) DA_MUST_CHECK;

/* The names of the [group NAME] sections that somebody of that issuer with
 * these groups is in, ended by NULL; borrowed from the configuration. Returns
 * how many. */
size_t da_policy_list_groups(const struct da_config *config, const char *issuer,
    const struct da_buf *groups,
    const char *ret_names[static DA_CONFIG_SECTIONS_MAX + 1]);

#endif
