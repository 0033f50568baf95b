/*
 * Grants: what the authentication leaves for the account and session phases,
 * which run in other processes of sshd. One small root-only file on tmpfs,
 * named by 128 random bits; only the name crosses in the PAM environment. What
 * tokens there are in it are sealed (store/seal.h), under this boot.
 */
#ifndef DA_STORE_GRANT_H
#define DA_STORE_GRANT_H

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"
#include "store/person.h"
#include "store/session.h"

struct da_grant {
	char account[DA_USER_MAX + 1]; /* who the person logs in as */
	bool local;                    /* that is one of the passwd file's */
	char service[DA_SERVICE_MAX + 1];
	char gecos[DA_DISPLAY_NAME_MAX + 1];
	/* Of an account of ours, as the name service says: the program has
	 * asked it before, and goes by that answer whatever is configured
	 * meanwhile. */
	char home[DA_URI_MAX + 1];
	char shell[DA_URI_MAX + 1];
	char who[DA_CLAIM_MAX + 1]; /* as RESULT names the person */
	uint32_t uid;               /* of the account */
	/* Its name is "" for somebody who has none of his own here. */
	struct da_person person;
	/* What the session will begin with: the tokens, and how good the
	 * sign-in was. The rest is the session phase's to fill in. */
	struct da_session session;
};

void da_grant_init(struct da_grant *grant);
void da_grant_done(struct da_grant *grant);

/* Writes a new grant, its tokens sealed; "keys" may be NULL when it has none.
 * DA_E_UNSAFE_FILE, DA_E_SYS. */
enum da_err da_grant_create(const struct da_paths *paths,
    const struct da_host_keys *keys, const struct da_grant *grant,
    char ret_id[static DA_GRANT_MAX + 1], struct da_diag *diag) DA_MUST_CHECK;

/* Reads the grant of that id for that account and service; with "keys" its
 * tokens, too. DA_E_GRANT when there is none, it is another's, of another boot,
 * or older than DA_GRANT_LIFE_S. "ret" is initialised. */
enum da_err
da_grant_load(const struct da_paths *paths, const struct da_host_keys *keys,
    const char *id, const char *account, const char *service,
    struct da_grant *ret, struct da_diag *diag) DA_MUST_CHECK;

/* The session that the grant leads to, its id included: all but what it hangs
 * on, from where and which terminal. The tokens move. */
void da_grant_take_session(struct da_grant *grant, struct da_session *ret);

/* Removes it; a grant is good once. DA_E_GRANT when it was gone already. */
enum da_err da_grant_consume(const struct da_paths *paths, const char *id,
    struct da_diag *diag) DA_MUST_CHECK;

/* Whether da_grants_expire() has something to do. */
bool da_grants_have_expired(const struct da_paths *paths);

/* Removes the grants that nobody consumed in time, as a login leaves them whose
 * later factor failed. "take" is called for each that has tokens, which it may
 * move out of the grant; the grant stays as long as that fails.
 * DA_E_UNSAFE_FILE, DA_E_SYS. */
typedef enum da_err da_grant_taker(void *context, struct da_grant *grant);
enum da_err
da_grants_expire(const struct da_paths *paths, const struct da_host_keys *keys,
    da_grant_taker *take, void *context, struct da_diag *diag) DA_MUST_CHECK;

#endif
