/*
 * Every bound of devauth, with the reason beside it. Sizes are in bytes and
 * do not count a terminating NUL, unless the name says otherwise.
 */
#ifndef DA_CORE_LIMITS_H
#define DA_CORE_LIMITS_H

/* Login names: utmp holds 32 characters, and Debian's useradd stops there. */
#define DA_USER_MAX 32
/* PAM service names are file names in /etc/pam.d. */
#define DA_SERVICE_MAX 64
/* Terminal names as in utmp (ut_line is 32), with room for "/dev/". */
#define DA_TTY_MAX 64
/* A host name (RFC 1035: 253) or the longest text form of an address. */
#define DA_HOST_MAX 255
/* Names of profiles: they stand in PAM arguments and file names. */
#define DA_PROFILE_MAX 32
/* Grant ids: 128 random bits in hexadecimal. */
#define DA_GRANT_MAX 32
#define DA_NONCE_LEN 16

/* User codes: RFC 8628 6.1 recommends 8 characters; the longest seen is 24. */
#define DA_USER_CODE_MAX 64
/* Device codes: seen up to 1.2 kB (self-contained ones). */
#define DA_DEVICE_CODE_MAX 4096
/* Addresses: with the words before it, one must fit PAM_MAX_MSG_SIZE (512). */
#define DA_URI_MAX 480
/* A local time as people read it. */
#define DA_CLOCK_TEXT_MAX 31
/* A QR code of version 14 in half blocks with its margin: 39 lines of up to
 * 78 characters, 3 bytes each. */
#define DA_QR_MAX 10240
#define DA_QR_LINES_MAX 48

/* OpenID Connect Core 2: sub is at most 255 ASCII characters. */
#define DA_SUBJECT_MAX 255
#define DA_ISSUER_MAX DA_URI_MAX
/* E-mail addresses: RFC 5321 4.5.3.1: 64 + 1 + 255. */
#define DA_CLAIM_MAX 320
#define DA_DISPLAY_NAME_MAX 256
/* Scopes of an answer: some providers write each as an address. */
#define DA_SCOPE_MAX 2048
/* 300 groups make a 12 kB token; 1,000 groups of 128 bytes is the cap. */
#define DA_GROUPS_MAX 1000
#define DA_GROUP_MAX 128
#define DA_GROUPS_BYTES_MAX (DA_GROUPS_MAX * (DA_GROUP_MAX + 1))

/* Claims that a rule asks for, as NAME=VALUE. */
#define DA_CLAIMS_BYTES_MAX 32768

/* Answers of a provider. Discovery documents are 2-10 kB, JWKS 1-20 kB, and a
 * token answer with a 64 kB ID token still fits. */
#define DA_BODY_MAX (256 * 1024)
#define DA_HEADERS_MAX (32 * 1024)
#define DA_TOKEN_MAX (128 * 1024)
#define DA_JSON_DEPTH_MAX 16
#define DA_JSON_MEMBERS_MAX 4096
#define DA_JWKS_KEYS_MAX 64
#define DA_SECRET_MAX 4096

/* Lives of access tokens: minutes to a day; more is cut to a year. */
#define DA_TOKEN_LIFE_MAX_S (366 * 86400)
/* Where the provider says nothing (RFC 6749 5.1 lets it): most say an hour. */
#define DA_TOKEN_LIFE_DEFAULT_S 3600

/* SHA-256 in base64url. */
#define DA_THUMBPRINT_LEN 43
#define DA_HASH_LEN 32
/* DPoP nonces: 16-100 characters are seen. */
#define DA_DPOP_NONCE_MAX 512
/* What we sign: a nonce and two addresses at their longest, in base64url. */
#define DA_JWT_MAX 4096

/* Framed messages between our processes: two cached documents, two tokens and
 * change. */
#define DA_FRAME_MAX (2 * DA_BODY_MAX + 2 * DA_TOKEN_MAX + 64 * 1024)
/* A whole frame must arrive within this time once its first byte is there: the
 * peer is a process on this host that writes frames in one go. */
#define DA_FRAME_TIMEOUT_MS 5000
/* From request to first answer for phases that ask no network. */
#define DA_LOCAL_ANSWER_TIMEOUT_MS 5000

/* Diagnostic texts: one log line. */
#define DA_DIAG_MAX 400

/* Configuration: a hand-written file. */
#define DA_CONFIG_FILE_MAX (256 * 1024)
#define DA_CONFIG_LINE_MAX 2048
#define DA_CONFIG_LIST_MAX 256
#define DA_CONFIG_PROFILES_MAX 16
#define DA_CONFIG_SECTIONS_MAX 64
/* Of one section; the schema has fewer. */
#define DA_CONFIG_KEYS_MAX 48

/* RFC 8628 3.2: 5 s when the provider says nothing; what it says is clamped so
 * that neither side can hurt the other. */
#define DA_INTERVAL_DEFAULT_S 5
#define DA_INTERVAL_FLOOR_S 1
#define DA_INTERVAL_MIN_S 5
#define DA_INTERVAL_MAX_S 60
/* RFC 8628 3.5. */
#define DA_SLOW_DOWN_S 5
/* A device code that lives longer is still cut at one hour. */
#define DA_CODE_LIFE_MAX_S 3600

/* LoginGraceTime is 120 s and LOGIN_TIMEOUT 60 s on Debian; the margin lets
 * the person read our answer instead of a closed connection. */
#define DA_LOGIN_DEADLINE_S 110
#define DA_LOGIN_DEADLINE_CONSOLE_S 55
#define DA_LOGIN_DEADLINE_MAX_S 900

/* A grant is consumed by the session hook some milliseconds after it is made;
 * a slow second factor may stand between. */
#define DA_GRANT_LIFE_S 120

/* Session ids: 64 bits that say where it belongs, 128 random ones, in
 * hexadecimal. */
#define DA_SESSION_MAX 48
/* The clear text of a session's file: every field at its longest is 4 kB. */
#define DA_SESSION_HEADER_MAX 8192
/* As many processes as a 64-bit kernel has numbers for. */
#define DA_PROCESSES_MAX (4 * 1024 * 1024)
/* How long the processes of a session have to end when they are told to; then
 * they are made to, for as long again at most. Shells write their history. */
#define DA_SESSION_TERMINATE_MS 2000
/* How far up a process's ancestors are looked at. */
#define DA_ANCESTORS_MAX 64
/* Secrets of the host: the one that is used, and former ones under which
 * something is still sealed. */
#define DA_HOST_KEYS_MAX 4
/* A former secret stays at least so long: no broker that has read it as the
 * one in use lives longer. */
#define DA_HOST_KEY_KEEP_S 3600
/* Temporary files of a killed process; no write takes that long. */
#define DA_SESSION_LEFTOVER_S 60

#endif
