/*
 * The messages between pam_devauth.so, devauth-broker and devauth-worker.
 * WIRE.md describes them; the tables in wire.c are the code's copy of it.
 *
 * Every message is a struct of fixed arrays, so that there is nothing to own
 * but the few blobs (struct da_buf), which da_wire_done() releases.
 */
#ifndef DA_CORE_WIRE_H
#define DA_CORE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/attr.h"
#include "core/buf.h"
#include "core/err.h"
#include "core/limits.h"

enum da_wire_type {
	/* module -> broker */
	DA_WIRE_AUTH = 1,
	DA_WIRE_ACCOUNT = 2,
	DA_WIRE_SESSION = 3,
	DA_WIRE_CONFIRM = 4,
	/* broker -> module */
	DA_WIRE_CODE = 16,
	DA_WIRE_RESULT = 17,
	/* broker -> worker */
	DA_WIRE_START = 32,
	DA_WIRE_SIGNED = 33,
	/* worker -> broker */
	DA_WIRE_METADATA = 48,
	DA_WIRE_DEVICE = 49,
	DA_WIRE_IDENTITY = 50,
	DA_WIRE_FAILED = 51,
	DA_WIRE_TOKENS = 52,
	DA_WIRE_REVOKED = 53,
	DA_WIRE_ENDPOINTS = 54,
	DA_WIRE_SIGN = 55,
};

/* What a worker is started for. */
enum da_task {
	DA_TASK_LOGIN = 1,  /* a device flow */
	DA_TASK_REFRESH,    /* new tokens for a refresh token */
	DA_TASK_REVOKE,     /* RFC 7009 */
	DA_TASK_INTROSPECT, /* RFC 7662: is the token still good? */
};

/* The provider's endpoints that take credentials or tokens. */
enum da_endpoint {
	DA_ENDPOINT_DEVICE = 1,
	DA_ENDPOINT_TOKEN,
	DA_ENDPOINT_USERINFO,
	DA_ENDPOINT_REVOCATION,
	DA_ENDPOINT_INTROSPECTION,
};

/* Kinds of access tokens, as bits. */
#define DA_TOKEN_BEARER 1u
#define DA_TOKEN_DPOP 2u

/* What an identity rests on. */
#define DA_EVIDENCE_ID_TOKEN 1u
#define DA_EVIDENCE_USERINFO 2u
#define DA_EVIDENCE_INTROSPECTION 4u

/* How the client proves itself at the provider (OpenID Connect Core 9). */
enum da_client_auth {
	DA_CLIENT_NONE,
	DA_CLIENT_SECRET_BASIC,
	DA_CLIENT_SECRET_POST,
	DA_CLIENT_PRIVATE_KEY_JWT,
};

/* How tokens are tied to this host, the strictest last. */
enum da_binding {
	DA_BINDING_SEALED,       /* by our own file only: Bearer tokens */
	DA_BINDING_PREFER_DPOP,  /* RFC 9449 where the provider offers it */
	DA_BINDING_REQUIRE_DPOP, /* or nobody gets in */
};

/* What the broker signs for the worker. */
enum da_sign {
	DA_SIGN_PROOF = 1, /* RFC 9449 */
	DA_SIGN_ASSERTION, /* RFC 7523 */
};

/* Flags of struct da_wire_request. */
#define DA_REQUEST_QR 1u            /* draw a QR code */
#define DA_REQUEST_PUBKEY_PROVED 2u /* sshd has already checked a key */
#define DA_REQUEST_REMOTE 4u        /* the person is at the other end of ssh */
#define DA_REQUEST_PROMPT 8u        /* prompt=enter: always ask for Enter */
#define DA_REQUEST_READABLE 16u     /* the person can read the code */
#define DA_REQUEST_OPEN 32u         /* session: opened, not closed */
#define DA_REQUEST_NO_PROMPT 64u    /* prompt=none: never ask for Enter */
#define DA_REQUEST_LOGIN_60S 128u   /* login(1), which gives up after 60 s */
#define DA_REQUEST_DEBUG 256u       /* explain decisions in the log */
#define DA_REQUEST_SESSION 512u     /* a session phase follows, for this user */
#define DA_REQUEST_NOT_ADMITTED 1024u /* the host lets nobody in as this */
#define DA_REQUEST_FOR_OTHER 2048u    /* the caller is not that person: su */
#define DA_REQUEST_ALL 4095u

/* A transaction succeeds when RESULT says DA_OK *and* carries this: no single
 * flipped bit and no zeroed memory lets anybody in. */
#define DA_VERDICT_LET_IN INT64_C(0x5afe1e7a11ce600d)

/* AUTH, ACCOUNT and SESSION: who asks for what. Everything in here is a claim
 * of the host program; nothing but "user" decides who is let in. */
struct da_wire_request {
	uint8_t nonce[DA_NONCE_LEN]; /* repeated in RESULT */
	uint32_t flags;
	uint32_t caller; /* real uid of the host program */
	char user[DA_USER_MAX + 1];
	char service[DA_SERVICE_MAX + 1];
	char tty[DA_TTY_MAX + 1];
	char rhost[DA_HOST_MAX + 1];
	char profile[DA_PROFILE_MAX + 1]; /* "" = the configuration decides */
	char grant[DA_GRANT_MAX + 1]; /* ACCOUNT, SESSION: from the PAM env */
	char session[DA_SESSION_MAX + 1]; /* SESSION: the one to close */
};

/* CONFIRM: the person has seen the code (and pressed Enter, where asked). */
struct da_wire_confirm {
	uint8_t nonce[DA_NONCE_LEN];
};

/* CODE: what to show. */
struct da_wire_code {
	char host[DA_HOST_MAX + 1];
	char user_code[DA_USER_CODE_MAX + 1];
	char uri[DA_URI_MAX + 1];
	char good_until[DA_CLOCK_TEXT_MAX + 1]; /* local time, for people */
	int64_t wait_ms;       /* how long the broker will go on */
	uint32_t must_confirm; /* 1: ask for Enter before CONFIRM */
	struct da_buf qr;      /* lines of half blocks, "" = none */
};

/* RESULT: the last message of every transaction. */
struct da_wire_result {
	uint8_t nonce[DA_NONCE_LEN];
	uint32_t code;                  /* enum da_err */
	int64_t verdict;                /* DA_VERDICT_LET_IN, or 0 */
	char who[DA_CLAIM_MAX + 1];     /* the person, printable ASCII */
	char rule[DA_DIAG_MAX + 1];     /* the rule that refused */
	char provider[DA_HOST_MAX + 1]; /* the provider's host name */
	char reason[DA_DIAG_MAX + 1];   /* a fixed phrase, never server text */
	char grant[DA_GRANT_MAX + 1];   /* AUTH: for the phases to come */
	char session[DA_SESSION_MAX + 1]; /* SESSION: the one that was opened */
};

/* START: all that the worker may know. */
struct da_wire_start {
	uint32_t task; /* enum da_task */
	char issuer[DA_ISSUER_MAX + 1];
	char client_id[DA_CLAIM_MAX + 1];
	uint32_t client_auth; /* enum da_client_auth */
	uint32_t secret_raw;  /* 1: Basic credentials are not form-encoded */
	char scope[DA_DIAG_MAX + 1];
	char ca_file[DA_URI_MAX + 1]; /* "" = the system's hashed folder */
	char username_claim[DA_DIAG_MAX +
	    1]; /* the first that is there counts */
	char groups_claim[DA_GROUP_MAX + 1]; /* "" = not asked for */
	char other_claims[DA_URI_MAX + 1];   /* that rules ask for */
	uint32_t need_groups; /* 1: a rule needs groups: ask userinfo */
	char device_name[DA_DIAG_MAX + 1];   /* "" = do not send */
	char endpoint_hosts[DA_URI_MAX + 1]; /* further hosts, by spaces */
	uint32_t algorithms;                 /* bit set of DA_JOSE_ALG_* */
	uint32_t allow_loopback; /* 1: addresses of this host are fine */
	int64_t min_interval_s;
	int64_t request_timeout_ms;
	int64_t deadline_ms; /* from now; the worker ends then at the latest */
	uint32_t want_qr;
	uint32_t binding;                       /* enum da_binding */
	char thumbprint[DA_THUMBPRINT_LEN + 1]; /* of the host's key */
	char dpop_nonce[DA_DPOP_NONCE_MAX + 1]; /* the last one; "" = none */
	/* LOGIN: what is asked of the sign-in, and has to come back. */
	char acr_values[DA_DIAG_MAX + 1]; /* one of these; "" = any */
	char amr[DA_DIAG_MAX + 1];        /* all of these; "" = any */
	int64_t max_age_s;                /* of the sign-in; -1 = any */
	/* The other tasks: whose tokens these are, and what is known. */
	char subject[DA_SUBJECT_MAX + 1];
	uint32_t bound;        /* 1: to the host's key, and that has to stay */
	uint32_t ask_userinfo; /* REFRESH, 1: as proof that the person is still
				* there, and for the groups */
	struct da_buf access_token;  /* REVOKE, INTROSPECT */
	struct da_buf refresh_token; /* REFRESH, REVOKE, INTROSPECT */
	struct da_buf client_secret;
	struct da_buf metadata; /* cached discovery document, "" = fetch */
	struct da_buf jwks;     /* cached key set, "" = fetch when needed */
};

/* METADATA: fetched documents for the cache. An empty blob = not fetched. */
struct da_wire_metadata {
	struct da_buf metadata;
	int64_t metadata_max_age_s;
	struct da_buf jwks;
	int64_t jwks_max_age_s;
};

/* ENDPOINTS: what the addresses of SIGN mean, ahead of the first; "" = there is
 * none. */
struct da_wire_endpoints {
	char device[DA_URI_MAX + 1];
	char token[DA_URI_MAX + 1];
	char userinfo[DA_URI_MAX + 1];
	char revocation[DA_URI_MAX + 1];
	char introspection[DA_URI_MAX + 1];
};

/* SIGN: a request for one signature; SIGNED answers it. */
struct da_wire_sign {
	uint32_t what;                     /* enum da_sign */
	uint32_t endpoint;                 /* enum da_endpoint */
	char nonce[DA_DPOP_NONCE_MAX + 1]; /* of the server; "" = none */
	struct da_buf hash; /* SHA-256 of the access token; "" = none */
};

/* SIGNED: the one message of the broker that may follow START. */
struct da_wire_signed {
	struct da_buf jwt; /* compact JWS */
};

/* DEVICE: RFC 8628 3.2, already reduced and clamped by the worker. */
struct da_wire_device {
	char user_code[DA_USER_CODE_MAX + 1];
	char uri[DA_URI_MAX + 1];
	int64_t expires_in_s;
	struct da_buf qr;
};

/* TOKENS: what the provider gave, as soon as it is there: whatever becomes of
 * the rest, a rotated refresh token must not be lost, and what is not kept has
 * to be revoked. */
struct da_wire_tokens {
	uint32_t type;                /* one DA_TOKEN_* */
	int64_t expires_in_s;         /* of the access token; -1 = not said */
	char scope[DA_SCOPE_MAX + 1]; /* "" = as asked for */
	char dpop_nonce[DA_DPOP_NONCE_MAX + 1]; /* for the next START */
	struct da_buf access_token;
	struct da_buf refresh_token; /* "" = none; REFRESH: the old one stays */
};

/* IDENTITY: what a verified ID token, userinfo or introspection says. After
 * REFRESH and INTROSPECT what the evidence does not say is empty. */
struct da_wire_identity {
	char issuer[DA_ISSUER_MAX + 1];
	char subject[DA_SUBJECT_MAX + 1];
	char username_claim[DA_GROUP_MAX + 1]; /* the one that was there */
	char username[DA_CLAIM_MAX + 1];       /* its raw value */
	char name[DA_DISPLAY_NAME_MAX + 1];
	char email[DA_CLAIM_MAX + 1];
	uint32_t evidence;          /* DA_EVIDENCE_* */
	char acr[DA_CLAIM_MAX + 1]; /* "" = not said */
	char amr[DA_DIAG_MAX + 1];  /* by spaces; "" = not said */
	int64_t auth_time_s;        /* 0 = not said */
	struct da_buf groups;       /* each terminated by NUL */
	struct da_buf claims;       /* those of other_claims: NAME=VALUE, NUL */
};

/* REVOKED: the last word of REVOKE. */
struct da_wire_revoked {
	uint32_t tokens; /* how many the provider has revoked */
};

/* FAILED: the worker's last word when there is no better one. */
struct da_wire_failed {
	uint32_t code;                /* enum da_err */
	char reason[DA_DIAG_MAX + 1]; /* a phrase of ours, for person and log */
	char hint[DA_DIAG_MAX + 1];   /* for the log only */
};

/* Sends a message of the given type. "message" is the struct that belongs to
 * the type. DA_E_BUG when a field does not fit its own rules, and the errors of
 * da_frame_send(). */
enum da_err da_wire_send(int fd, enum da_wire_type type, const void *message,
    int64_t deadline_mono_ms) DA_MUST_CHECK;

/* Decodes a body that da_frame_recv() brought into the struct of its type
 * (overwritten; release with da_wire_done()). DA_E_WIRE for a missing, surplus,
 * oversized or ill-formed field; the struct is then empty. */
enum da_err da_wire_decode(enum da_wire_type type, const struct da_buf *body,
    void *ret_message) DA_MUST_CHECK;

/* Releases (and wipes) the blobs of a message and zeroes the struct. */
void da_wire_done(enum da_wire_type type, void *message);

/* One allowed step of a conversation: in "state", a message of "type" leads to
 * "next". Whatever is not in the table ends the conversation. */
struct da_wire_step {
	uint8_t state;
	uint8_t type;
	uint8_t next;
};

/* Advances *state. DA_E_WIRE when the table has no such step. */
enum da_err da_wire_advance(const struct da_wire_step *steps, size_t count,
    uint8_t type, uint8_t *state) DA_MUST_CHECK;

/* Whether a text is a QR code as the worker draws it: lines of equal length of
 * space, full block, upper and lower half block, each ended by a newline. */
bool da_wire_is_qr(const char *text, size_t len);

#endif
