#include "core/wire.h"

#include <string.h>

#include "core/frame.h"
#include "core/text.h"

enum kind {
	KIND_U32,
	KIND_I64,
	KIND_NONCE, /* DA_NONCE_LEN raw bytes */
	KIND_ASCII, /* printable ASCII in a fixed array */
	KIND_UTF8,  /* well-formed, no control characters, fixed array */
	KIND_BLOB,  /* struct da_buf, any bytes */
	KIND_QR,    /* struct da_buf, see da_wire_is_qr() */
};

struct field {
	enum kind kind;
	uint32_t offset; /* not size_t: the table is in every login process */
	uint32_t max;
};

struct layout {
	enum da_wire_type type;
	size_t size;
	const struct field *fields;
	size_t count;
};

#define NUMBER(kind_, s, m)                                                    \
	{                                                                      \
		.kind = (kind_), .offset = offsetof(struct s, m)               \
	}
#define ARRAY(kind_, s, m)                                                     \
	{                                                                      \
		.kind = (kind_), .offset = offsetof(struct s, m),              \
		.max = sizeof(((struct s *)NULL)->m) - 1                       \
	}
#define BLOB(kind_, s, m, max_)                                                \
	{                                                                      \
		.kind = (kind_), .offset = offsetof(struct s, m),              \
		.max = (max_)                                                  \
	}

static const struct field request_fields[] = {
    NUMBER(KIND_NONCE, da_wire_request, nonce),
    NUMBER(KIND_U32, da_wire_request, flags),
    NUMBER(KIND_U32, da_wire_request, caller),
    ARRAY(KIND_ASCII, da_wire_request, user),
    ARRAY(KIND_ASCII, da_wire_request, service),
    ARRAY(KIND_ASCII, da_wire_request, tty),
    ARRAY(KIND_ASCII, da_wire_request, rhost),
    ARRAY(KIND_ASCII, da_wire_request, profile),
    ARRAY(KIND_ASCII, da_wire_request, grant),
    ARRAY(KIND_ASCII, da_wire_request, session),
};

static const struct field confirm_fields[] = {
    NUMBER(KIND_NONCE, da_wire_confirm, nonce),
};

static const struct field code_fields[] = {
    ARRAY(KIND_ASCII, da_wire_code, host),
    ARRAY(KIND_ASCII, da_wire_code, user_code),
    ARRAY(KIND_ASCII, da_wire_code, uri),
    ARRAY(KIND_ASCII, da_wire_code, good_until),
    NUMBER(KIND_I64, da_wire_code, wait_ms),
    NUMBER(KIND_U32, da_wire_code, must_confirm),
    BLOB(KIND_QR, da_wire_code, qr, DA_QR_MAX),
};

static const struct field result_fields[] = {
    NUMBER(KIND_NONCE, da_wire_result, nonce),
    NUMBER(KIND_U32, da_wire_result, code),
    NUMBER(KIND_I64, da_wire_result, verdict),
    ARRAY(KIND_ASCII, da_wire_result, who),
    ARRAY(KIND_ASCII, da_wire_result, rule),
    ARRAY(KIND_ASCII, da_wire_result, provider),
    ARRAY(KIND_ASCII, da_wire_result, reason),
    ARRAY(KIND_ASCII, da_wire_result, grant),
    ARRAY(KIND_ASCII, da_wire_result, session),
};

static const struct field start_fields[] = {
    NUMBER(KIND_U32, da_wire_start, task),
    ARRAY(KIND_ASCII, da_wire_start, issuer),
    ARRAY(KIND_ASCII, da_wire_start, client_id),
    NUMBER(KIND_U32, da_wire_start, client_auth),
    NUMBER(KIND_U32, da_wire_start, secret_raw),
    ARRAY(KIND_ASCII, da_wire_start, scope),
    ARRAY(KIND_ASCII, da_wire_start, ca_file),
    ARRAY(KIND_ASCII, da_wire_start, username_claim),
    ARRAY(KIND_ASCII, da_wire_start, groups_claim),
    ARRAY(KIND_ASCII, da_wire_start, other_claims),
    NUMBER(KIND_U32, da_wire_start, need_groups),
    ARRAY(KIND_ASCII, da_wire_start, device_name),
    ARRAY(KIND_ASCII, da_wire_start, endpoint_hosts),
    NUMBER(KIND_U32, da_wire_start, algorithms),
    NUMBER(KIND_U32, da_wire_start, allow_loopback),
    NUMBER(KIND_I64, da_wire_start, min_interval_s),
    NUMBER(KIND_I64, da_wire_start, request_timeout_ms),
    NUMBER(KIND_I64, da_wire_start, deadline_ms),
    NUMBER(KIND_U32, da_wire_start, want_qr),
    NUMBER(KIND_U32, da_wire_start, binding),
    ARRAY(KIND_ASCII, da_wire_start, thumbprint),
    ARRAY(KIND_ASCII, da_wire_start, dpop_nonce),
    ARRAY(KIND_ASCII, da_wire_start, acr_values),
    ARRAY(KIND_ASCII, da_wire_start, amr),
    NUMBER(KIND_I64, da_wire_start, max_age_s),
    ARRAY(KIND_ASCII, da_wire_start, subject),
    NUMBER(KIND_U32, da_wire_start, bound),
    NUMBER(KIND_U32, da_wire_start, ask_userinfo),
    BLOB(KIND_BLOB, da_wire_start, access_token, DA_TOKEN_MAX),
    BLOB(KIND_BLOB, da_wire_start, refresh_token, DA_TOKEN_MAX),
    BLOB(KIND_BLOB, da_wire_start, client_secret, DA_SECRET_MAX),
    BLOB(KIND_BLOB, da_wire_start, metadata, DA_BODY_MAX),
    BLOB(KIND_BLOB, da_wire_start, jwks, DA_BODY_MAX),
};

static const struct field metadata_fields[] = {
    BLOB(KIND_BLOB, da_wire_metadata, metadata, DA_BODY_MAX),
    NUMBER(KIND_I64, da_wire_metadata, metadata_max_age_s),
    BLOB(KIND_BLOB, da_wire_metadata, jwks, DA_BODY_MAX),
    NUMBER(KIND_I64, da_wire_metadata, jwks_max_age_s),
};

static const struct field endpoints_fields[] = {
    ARRAY(KIND_ASCII, da_wire_endpoints, device),
    ARRAY(KIND_ASCII, da_wire_endpoints, token),
    ARRAY(KIND_ASCII, da_wire_endpoints, userinfo),
    ARRAY(KIND_ASCII, da_wire_endpoints, revocation),
    ARRAY(KIND_ASCII, da_wire_endpoints, introspection),
};

static const struct field sign_fields[] = {
    NUMBER(KIND_U32, da_wire_sign, what),
    NUMBER(KIND_U32, da_wire_sign, endpoint),
    ARRAY(KIND_ASCII, da_wire_sign, nonce),
    BLOB(KIND_BLOB, da_wire_sign, hash, DA_HASH_LEN),
};

static const struct field signed_fields[] = {
    BLOB(KIND_BLOB, da_wire_signed, jwt, DA_JWT_MAX),
};

static const struct field device_fields[] = {
    ARRAY(KIND_ASCII, da_wire_device, user_code),
    ARRAY(KIND_ASCII, da_wire_device, uri),
    NUMBER(KIND_I64, da_wire_device, expires_in_s),
    BLOB(KIND_QR, da_wire_device, qr, DA_QR_MAX),
};

static const struct field tokens_fields[] = {
    NUMBER(KIND_U32, da_wire_tokens, type),
    NUMBER(KIND_I64, da_wire_tokens, expires_in_s),
    ARRAY(KIND_ASCII, da_wire_tokens, scope),
    ARRAY(KIND_ASCII, da_wire_tokens, dpop_nonce),
    BLOB(KIND_BLOB, da_wire_tokens, access_token, DA_TOKEN_MAX),
    BLOB(KIND_BLOB, da_wire_tokens, refresh_token, DA_TOKEN_MAX),
};

static const struct field identity_fields[] = {
    ARRAY(KIND_ASCII, da_wire_identity, issuer),
    ARRAY(KIND_ASCII, da_wire_identity, subject),
    ARRAY(KIND_ASCII, da_wire_identity, username_claim),
    ARRAY(KIND_UTF8, da_wire_identity, username),
    ARRAY(KIND_UTF8, da_wire_identity, name),
    ARRAY(KIND_UTF8, da_wire_identity, email),
    NUMBER(KIND_U32, da_wire_identity, evidence),
    ARRAY(KIND_ASCII, da_wire_identity, acr),
    ARRAY(KIND_ASCII, da_wire_identity, amr),
    NUMBER(KIND_I64, da_wire_identity, auth_time_s),
    BLOB(KIND_BLOB, da_wire_identity, groups, DA_GROUPS_BYTES_MAX),
    BLOB(KIND_BLOB, da_wire_identity, claims, DA_CLAIMS_BYTES_MAX),
};

static const struct field revoked_fields[] = {
    NUMBER(KIND_U32, da_wire_revoked, tokens),
};

static const struct field failed_fields[] = {
    NUMBER(KIND_U32, da_wire_failed, code),
    ARRAY(KIND_ASCII, da_wire_failed, reason),
    ARRAY(KIND_ASCII, da_wire_failed, hint),
};

#define LAYOUT(type_, s, fields_)                                              \
	{                                                                      \
		(type_), sizeof(struct s), (fields_), DA_ARRAY_LEN(fields_)    \
	}
static const struct layout layouts[] = {
    LAYOUT(DA_WIRE_AUTH, da_wire_request, request_fields),
    LAYOUT(DA_WIRE_ACCOUNT, da_wire_request, request_fields),
    LAYOUT(DA_WIRE_SESSION, da_wire_request, request_fields),
    LAYOUT(DA_WIRE_CONFIRM, da_wire_confirm, confirm_fields),
    LAYOUT(DA_WIRE_CODE, da_wire_code, code_fields),
    LAYOUT(DA_WIRE_RESULT, da_wire_result, result_fields),
    LAYOUT(DA_WIRE_START, da_wire_start, start_fields),
    LAYOUT(DA_WIRE_SIGNED, da_wire_signed, signed_fields),
    LAYOUT(DA_WIRE_ENDPOINTS, da_wire_endpoints, endpoints_fields),
    LAYOUT(DA_WIRE_SIGN, da_wire_sign, sign_fields),
    LAYOUT(DA_WIRE_METADATA, da_wire_metadata, metadata_fields),
    LAYOUT(DA_WIRE_DEVICE, da_wire_device, device_fields),
    LAYOUT(DA_WIRE_IDENTITY, da_wire_identity, identity_fields),
    LAYOUT(DA_WIRE_TOKENS, da_wire_tokens, tokens_fields),
    LAYOUT(DA_WIRE_REVOKED, da_wire_revoked, revoked_fields),
    LAYOUT(DA_WIRE_FAILED, da_wire_failed, failed_fields),
};

static const struct layout *
find_layout(enum da_wire_type type)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(layouts); i++) {
		if (layouts[i].type == type)
			return &layouts[i];
	}
	return NULL;
}

/* A character of a QR line: its length in bytes, 0 when it is not one. */
static size_t
qr_char(const char *text, size_t left)
{
	static const char *const blocks[] = {
	    "\xe2\x96\x88", "\xe2\x96\x80", "\xe2\x96\x84"};

	if (text[0] == ' ')
		return 1;
	for (size_t i = 0; left >= 3 && i < DA_ARRAY_LEN(blocks); i++) {
		if (memcmp(text, blocks[i], 3) == 0)
			return 3;
	}
	return 0;
}

bool
da_wire_is_qr(const char *text, size_t len)
{
	size_t lines = 0, width = 0, column = 0;

	while (len > 0) {
		size_t n = 1;

		if (text[0] == '\n') {
			if (column == 0 || (lines > 0 && column != width))
				return false;
			width = column;
			column = 0;
			lines++;
		} else {
			n = qr_char(text, len);
			column++;
			if (n == 0)
				return false;
		}
		text += n;
		len -= n;
	}
	return column == 0 && lines <= DA_QR_LINES_MAX;
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	}
	return false;
}

/* The rule of a variable-length field, applied by the sender to itself and by
 * the receiver to the stranger at the other end. */
static bool
is_acceptable(const struct field *field, const char *bytes, size_t len)
{
	if (len > field->max)
		return false;
	switch (field->kind) {
	case KIND_ASCII:
		return strlen(bytes) == len && da_text_is_printable(bytes);
	case KIND_UTF8:
		return strlen(bytes) == len && !has_control(bytes) &&
		    da_text_is_utf8(bytes, len);
	case KIND_QR:
		return da_wire_is_qr(bytes, len);
	case KIND_BLOB:
		return true;
	default:
		return false;
	}
}

static enum da_err
put_span(struct da_buf *body, const struct field *field, const char *bytes,
    size_t len)
{
	enum da_err err;

	if (!is_acceptable(field, bytes, len))
		return DA_E_BUG;
	err = da_buf_put_u32(body, (uint32_t)len);
	return err != DA_OK ? err : da_buf_put(body, bytes, len);
}

static enum da_err
put_field(struct da_buf *body, const struct field *field, const void *at)
{
	uint32_t u32;
	int64_t i64;

	switch (field->kind) {
	case KIND_U32:
		memcpy(&u32, at, sizeof(u32));
		return da_buf_put_u32(body, u32);
	case KIND_I64:
		memcpy(&i64, at, sizeof(i64));
		return da_buf_put_u64(body, (uint64_t)i64);
	case KIND_NONCE:
		return da_buf_put(body, at, DA_NONCE_LEN);
	case KIND_ASCII:
	case KIND_UTF8:
		return put_span(body, field, at, strnlen(at, field->max + 1));
	case KIND_BLOB:
	case KIND_QR: {
		const struct da_buf *blob = at;

		return put_span(body, field, da_buf_text(blob), blob->len);
	}
	}
	return DA_E_BUG;
}

enum da_err
da_wire_send(int fd, enum da_wire_type type, const void *message,
    int64_t deadline_mono_ms)
{
	const struct layout *layout = find_layout(type);
	DA_CLEANUP(da_buf_done) struct da_buf body;
	enum da_err err = DA_OK;

	da_buf_init(&body, DA_FRAME_MAX);
	if (layout == NULL)
		return DA_E_BUG;
	for (size_t i = 0; err == DA_OK && i < layout->count; i++) {
		const struct field *field = &layout->fields[i];

		err = put_field(
		    &body, field, (const uint8_t *)message + field->offset);
	}
	if (err != DA_OK)
		return err;
	return da_frame_send(fd, (uint8_t)type, &body, deadline_mono_ms);
}

static enum da_err
get_span(struct da_cursor *cursor, const struct field *field, void *at)
{
	const uint8_t *bytes;
	uint32_t len;
	struct da_buf copy;
	enum da_err err;

	if (da_cursor_u32(cursor, &len) != DA_OK || len > field->max ||
	    da_cursor_span(cursor, len, &bytes) != DA_OK)
		return DA_E_WIRE;
	/* A copy with a NUL behind it, so that the text rules can be applied.
	 */
	da_buf_init(&copy, field->max);
	err = da_buf_put(&copy, bytes, len);
	if (err == DA_OK && !is_acceptable(field, da_buf_text(&copy), len))
		err = DA_E_WIRE;
	if (err == DA_OK &&
	    (field->kind == KIND_BLOB || field->kind == KIND_QR)) {
		memcpy(at, &copy, sizeof(copy));
		return DA_OK;
	}
	if (err == DA_OK)
		memcpy(at, da_buf_text(&copy), (size_t)len + 1);
	da_buf_done(&copy);
	return err;
}

static enum da_err
get_field(struct da_cursor *cursor, const struct field *field, void *at)
{
	const uint8_t *bytes;
	uint32_t u32;
	uint64_t u64;

	switch (field->kind) {
	case KIND_U32:
		if (da_cursor_u32(cursor, &u32) != DA_OK)
			return DA_E_WIRE;
		memcpy(at, &u32, sizeof(u32));
		return DA_OK;
	case KIND_I64:
		if (da_cursor_u64(cursor, &u64) != DA_OK)
			return DA_E_WIRE;
		memcpy(at, &u64, sizeof(u64));
		return DA_OK;
	case KIND_NONCE:
		if (da_cursor_span(cursor, DA_NONCE_LEN, &bytes) != DA_OK)
			return DA_E_WIRE;
		memcpy(at, bytes, DA_NONCE_LEN);
		return DA_OK;
	default:
		return get_span(cursor, field, at);
	}
}

enum da_err
da_wire_decode(
    enum da_wire_type type, const struct da_buf *body, void *ret_message)
{
	const struct layout *layout = find_layout(type);
	struct da_cursor cursor = {.at = body->bytes, .left = body->len};
	enum da_err err = DA_OK;

	if (layout == NULL)
		return DA_E_WIRE;
	memset(ret_message, 0, layout->size);
	for (size_t i = 0; err == DA_OK && i < layout->count; i++) {
		const struct field *field = &layout->fields[i];

		err = get_field(
		    &cursor, field, (uint8_t *)ret_message + field->offset);
	}
	if (err == DA_OK && cursor.left != 0)
		err = DA_E_WIRE;
	if (err != DA_OK)
		da_wire_done(type, ret_message);
	return err;
}

void
da_wire_done(enum da_wire_type type, void *message)
{
	const struct layout *layout = find_layout(type);

	if (layout == NULL)
		return;
	for (size_t i = 0; i < layout->count; i++) {
		const struct field *field = &layout->fields[i];

		if (field->kind == KIND_BLOB || field->kind == KIND_QR)
			da_buf_done(
			    (void *)((uint8_t *)message + field->offset));
	}
	explicit_bzero(message, layout->size);
}

enum da_err
da_wire_advance(const struct da_wire_step *steps, size_t count, uint8_t type,
    uint8_t *state)
{
	for (size_t i = 0; i < count; i++) {
		if (steps[i].state == *state && steps[i].type == type) {
			*state = steps[i].next;
			return DA_OK;
		}
	}
	return DA_E_WIRE;
}
