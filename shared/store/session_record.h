/*
 * A session as a sealed file: its clear text, its sealed part, its binding.
 */
#ifndef DA_STORE_SESSION_RECORD_H
#define DA_STORE_SESSION_RECORD_H

#include "core/attr.h"
#include "core/buf.h"
#include "core/err.h"
#include "store/session.h"

#define DA_SESSION_PURPOSE "devauth session 1"
/* Two tokens, two texts, four lengths. */
#define DA_SESSION_BODY_MAX (2 * DA_TOKEN_MAX + 1024)
#define DA_SESSION_FILE_MAX (DA_SESSION_HEADER_MAX + DA_SESSION_BODY_MAX)
#define DA_SESSION_BINDING_MAX 256
/* Of the id, the part that says where it belongs. */
#define DA_SESSION_PLACE_LEN 16

/* The clear text, as da_seal() wants it. DA_E_SYNTAX, DA_E_TOO_LARGE. */
enum da_err da_session_format(
    const struct da_session *session, struct da_buf *ret) DA_MUST_CHECK;

/* The facts of a clear text. DA_E_SYNTAX for anything that
 * da_session_format() would not have written. "ret" is initialised. */
enum da_err da_session_parse(
    const struct da_buf *header, struct da_session *ret) DA_MUST_CHECK;

/* The sealed part. DA_E_SYNTAX, DA_E_TOO_LARGE, DA_E_NOMEM. */
enum da_err da_session_format_tokens(
    const struct da_session *session, struct da_buf *ret) DA_MUST_CHECK;
enum da_err da_session_parse_tokens(
    const struct da_buf *body, struct da_session *ret) DA_MUST_CHECK;

/* What has to be known, and is not believed of the file: where it opens. */
void da_session_format_binding(const char *machine_id, const char *boot_id,
    const struct da_anchor *anchor, uint32_t uid,
    char ret[static DA_SESSION_BINDING_MAX]);

/* Whether two processes are in the same session of the kernel. */
bool da_anchor_equal(const struct da_anchor *a, const struct da_anchor *b);

/* The first part of the ids of all sessions there. DA_E_NOMEM. */
enum da_err
da_session_place(const char *boot_id, const struct da_anchor *anchor,
    uint32_t uid, char ret[static DA_SESSION_PLACE_LEN + 1]) DA_MUST_CHECK;

bool da_session_is_id(const char *id);

#endif
