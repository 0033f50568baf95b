/*
 * Sessions: what a login leaves behind on the host for as long as it lasts.
 *
 * tokens_dir/ID         a sealed file (store/seal.h): the facts in clear, the
 *                       tokens sealed under them, the machine, the boot and the
 *                       kernel's session
 * tokens_dir/revoke/ID  the same file after the end. Moved there as it is, it
 *                       opens for its revocation only
 * sessions_dir/ID       on tmpfs: which writing of the file is the latest, when
 *                       the session ended, who works on it (lock)
 *
 * An id begins with a digest of boot, kernel session and uid, so that sudo
 * finds its session by a look at the names; the rest is random. It is no
 * secret and gives no power.
 *
 * An older copy put back (attack B3) does not open: the number on tmpfs is
 * ahead, or gone with the session or the boot. Against root on this very boot
 * all of this is policy, not cryptography.
 *
 * Runs in the broker and the sweep, as root. Wall-clock times end in _s, the
 * monotonic clock's in _mono_ms; 0 = not known.
 */
#ifndef DA_STORE_SESSION_H
#define DA_STORE_SESSION_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/diag.h"
#include "core/err.h"
#include "core/limits.h"
#include "core/secret.h"
#include "store/host_key.h"
#include "store/process.h"

struct da_paths;

/* What of the kernel's a session hangs on: the audit session or, where there
 * is none, the process that owns the login (sshd's monitor, login). The leader
 * of the terminal's session would not do: sshd and login make that one only
 * after the session phase. */
struct da_anchor {
	uint32_t audit; /* DA_AUDIT_NONE: the owner counts */
	struct da_process owner;
};

struct da_session {
	/* Set by da_session_create(). */
	char id[DA_SESSION_MAX + 1];
	int64_t serial; /* raised by each writing */
	char machine_id[32 + 1];
	char boot_id[36 + 1];
	char key_id[DA_HOST_KEY_ID_LEN + 1];
	int64_t created_at_s;

	/* Whose it is, and where from. */
	struct da_anchor anchor; /* owner is set in any case: for the sweep */
	uint32_t uid;
	char host[DA_HOST_MAX + 1];
	char account[DA_USER_MAX + 1];
	char person[DA_USER_MAX + 1]; /* login name of the person behind it */
	char who[DA_CLAIM_MAX + 1];   /* as the provider calls the person */
	char profile[DA_PROFILE_MAX + 1];
	char issuer[DA_ISSUER_MAX + 1];
	char subject[DA_SUBJECT_MAX + 1];
	char service[DA_SERVICE_MAX + 1];
	char source[DA_HOST_MAX + 1];
	char tty[DA_TTY_MAX + 1];
	char grant[DA_GRANT_MAX + 1]; /* that it came by; "" = none */

	/* What the provider has said, the last time. */
	char acr[DA_CLAIM_MAX + 1];
	char amr[DA_DIAG_MAX + 1]; /* by spaces */
	int64_t auth_time_s;
	int64_t verified_at_s;
	/* Of this boot, for grace times: the provider's last word, and when the
	 * person himself last signed in. */
	int64_t verified_mono_ms;
	int64_t signed_in_mono_ms;
	int64_t access_expires_at_s;
	bool has_refresh; /* so that the sweep need not open the seal */

	/* Sealed; empty = none. */
	struct da_secret access_token;
	struct da_secret refresh_token;
	char token_type[DA_GROUP_MAX + 1];
	char dpop_jkt[64 + 1]; /* RFC 7638, base64url; kept once it is there */
};

/* RFC 9449 section 5 */
#define DA_SESSION_DPOP "DPoP"

/* Whether its tokens are of use with the host's key only. */
static inline bool
da_session_has_bound_tokens(const struct da_session *session)
{
	return session->dpop_jkt[0] != '\0' &&
	    strcmp(session->token_type, DA_SESSION_DPOP) == 0;
}

void da_session_init(struct da_session *session);

/* Wipes the tokens. NULL and a zeroed session are fine. */
void da_session_done(struct da_session *session);

/* Exchanges the tokens of the two, and what is known of them. */
void da_session_swap_tokens(struct da_session *a, struct da_session *b);

/* --- Making, finding, opening --- */

/* The anchor of a new session, given the process that owns the login.
 * DA_E_ABSENT, DA_E_SYNTAX, DA_E_SYS. */
enum da_err da_session_anchor(const struct da_paths *paths, int32_t owner_pid,
    struct da_anchor *ret, struct da_diag *diag) DA_MUST_CHECK;

/* Seals and writes a new session. After a failure nothing is left of it.
 * DA_E_UNSAFE_FILE, DA_E_SYS, DA_E_SYNTAX (a field that is not printable). */
enum da_err
da_session_create(const struct da_paths *paths, const struct da_host_keys *keys,
    struct da_session *session, struct da_diag *diag) DA_MUST_CHECK;

/* The id of the session that a process of that uid is in: by its audit session
 * or, without one, by its ancestors; never by anything that it could say. Of
 * several the one made last. *ret_anchor is for da_session_load().
 * DA_E_ABSENT, DA_E_UNSAFE_FILE, DA_E_SYS. */
enum da_err
da_session_find(const struct da_paths *paths, const struct da_host_keys *keys,
    int32_t pid, uint32_t uid, char ret_id[static DA_SESSION_MAX + 1],
    struct da_anchor *ret_anchor, struct da_diag *diag) DA_MUST_CHECK;

/* Opens a session. "caller" and "uid" are those of who asks, as
 * da_session_find() gave them; NULL: the sweep asks, which belongs to no
 * session.
 *   DA_E_ABSENT       no such session, or not the form of an id
 *   DA_E_ENDED        it is over, or this is an older writing of its file
 *   DA_E_ELSEWHERE    it belongs to another host, boot, session or uid; the
 *                     text says to which
 *   DA_E_SEAL         changed, cut, or sealed under a secret that is gone: one
 *                     text for all
 *   DA_E_SYNTAX       not a session's file
 *   DA_E_UNSAFE_FILE, DA_E_TOO_LARGE, DA_E_SYS
 * "ret" is initialised, and empty after an error. */
enum da_err
da_session_load(const struct da_paths *paths, const struct da_host_keys *keys,
    const char *id, const struct da_anchor *caller, uint32_t uid,
    struct da_session *ret, struct da_diag *diag) DA_MUST_CHECK;

/* --- Changing --- */

/* Whoever asks the provider about a session holds its lock from before the
 * load to after the update: two refreshes of one token at once would make the
 * provider withdraw both. The next one finds the new tokens. Ends with the
 * descriptor (da_file_closep()) or the process. DA_E_ABSENT (no such session,
 * ended), DA_E_TIMEOUT, DA_E_UNSAFE_FILE, DA_E_SYS. */
enum da_err da_session_lock(const struct da_paths *paths, const char *id,
    int64_t wait_ms, int *ret_lock, struct da_diag *diag) DA_MUST_CHECK;

/* Writes what was loaded and changed, under the lock and the host's present
 * secret; the old file or the new one, on the disk when it returns.
 * DA_E_ENDED: the session ended meanwhile; the new tokens are in revoke/ then,
 * under an id of their own. DA_E_BUG: it was not loaded under the lock.
 * DA_E_SYS: nobody knows the new tokens but the caller, who may revoke them. */
enum da_err
da_session_update(const struct da_paths *paths, const struct da_host_keys *keys,
    struct da_session *session, struct da_diag *diag) DA_MUST_CHECK;

/* --- The end --- */

/* Ends a session: from now on its file can only be revoked. Waits for nobody
 * and for no disk: should a power cut undo it, the boot is over as well.
 * DA_E_ABSENT, DA_E_UNSAFE_FILE, DA_E_SYS. */
enum da_err da_session_end(const struct da_paths *paths, const char *id,
    struct da_diag *diag) DA_MUST_CHECK;

/* Opens an ended session for its revocation, whatever boot it is of. The lock
 * keeps others off it until it is closed; DA_E_TIMEOUT when another has it.
 * The other errors of da_session_load(). */
enum da_err da_session_load_ended(const struct da_paths *paths,
    const struct da_host_keys *keys, const char *id, struct da_session *ret,
    int *ret_lock, struct da_diag *diag) DA_MUST_CHECK;

/* Notes a revocation that did not work, for the back-off; forgotten with the
 * boot. DA_E_SYS. */
enum da_err da_session_note_try(const struct da_paths *paths, const char *id,
    int64_t now_mono_ms, struct da_diag *diag) DA_MUST_CHECK;

struct da_session_entry;

/* When an ended session may be tried again, on the monotonic clock: a minute
 * after the first try, then twice as long each time; 0 = never tried. */
int64_t da_session_retry_mono_ms(const struct da_session_entry *entry);

/* Removes an ended session, revoked or hopeless, readable or not.
 * DA_E_ABSENT, DA_E_SYS. */
enum da_err da_session_remove(const struct da_paths *paths, const char *id,
    struct da_diag *diag) DA_MUST_CHECK;

/* --- The sweep --- */

struct da_session_list; /* owned; da_session_list_freep() */

struct da_session_entry {
	/* The facts in clear, not verified, without tokens. Of a damaged file
	 * the id only. */
	struct da_session session;
	bool damaged; /* and why, in diag */
	bool unread; /* damaged for all we know, but it may pass: EIO, ENOMEM */
	/* Ended ones: */
	int64_t ended_at_s;
	uint32_t tries;
	int64_t tried_mono_ms;
};

/* The running sessions, or the ended ones. DA_E_ABSENT: there never were any;
 * DA_E_UNSAFE_FILE, DA_E_NOMEM, DA_E_SYS. */
enum da_err da_session_list_open(const struct da_paths *paths, bool ended,
    struct da_session_list **ret, struct da_diag *diag) DA_MUST_CHECK;

/* The next one; false at the end. Nothing in the entry needs a release. */
bool da_session_list_next(struct da_session_list *list,
    struct da_session_entry *ret, struct da_diag *diag);
void da_session_list_freep(struct da_session_list **list);

/* Whether the session is over: another boot, or its owner is gone. */
bool da_session_is_over(const struct da_paths *paths,
    const struct da_machine *machine, const struct da_session *session);

/* Whether it is time to renew the tokens: "margin_s" before they expire, but
 * not before half of their life is over. */
bool da_session_is_due(
    const struct da_session *session, int64_t margin_s, int64_t now_s);

/* Removes what killed processes left (temporary files, facts on tmpfs without
 * a session), and secrets of the host that no file needs any more.
 * DA_E_UNSAFE_FILE, DA_E_SYS. */
enum da_err da_session_tidy(const struct da_paths *paths,
    const struct da_host_keys *keys, struct da_diag *diag) DA_MUST_CHECK;

#endif
