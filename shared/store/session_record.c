#include "store/session_record.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "store/record.h"

#define VERSION_KEY "devauth-session"

/* Text fields of the clear text. */
static const struct text_field {
	const char *key;
	size_t offset, size;
} texts[] = {

#define TEXT(name)                                                             \
	{                                                                      \
#name, offsetof(struct da_session, name),                      \
		    sizeof(((struct da_session *)NULL)->name)                  \
	}
    TEXT(id),
    TEXT(host),
    TEXT(machine_id),
    TEXT(boot_id),
    TEXT(account),
    TEXT(person),
    TEXT(who),
    TEXT(profile),
    TEXT(issuer),
    TEXT(subject),
    TEXT(service),
    TEXT(source),
    TEXT(tty),
    TEXT(grant),
    TEXT(acr),
    TEXT(amr),
#undef TEXT
};

/* Numbers that are int64_t and not negative. */
static const struct number_field {
	const char *key;
	size_t offset;
} numbers[] = {

#define NUMBER(name)                                                           \
	{                                                                      \
#name, offsetof(struct da_session, name)                       \
	}
    NUMBER(serial),
    NUMBER(created_at_s),
    NUMBER(auth_time_s),
    NUMBER(verified_at_s),
    NUMBER(verified_mono_ms),
    NUMBER(signed_in_mono_ms),
    NUMBER(access_expires_at_s),
#undef NUMBER
};

static const char *
text_at(const struct da_session *session, const struct text_field *field)
{
	return (const char *)session + field->offset;
}

static enum da_err
put_numbers(const struct da_session *session, struct da_buf *ret)
{
	const struct da_anchor *anchor = &session->anchor;
	enum da_err err = da_record_put_int(ret, "audit", anchor->audit);

	if (err == DA_OK)
		err = da_record_put_int(ret, "owner_pid", anchor->owner.pid);
	if (err == DA_OK)
		err = da_record_put_int(
		    ret, "owner_start", (int64_t)anchor->owner.start_ticks);
	if (err == DA_OK)
		err = da_record_put_int(ret, "uid", session->uid);
	if (err == DA_OK)
		err =
		    da_record_put_int(ret, "has_refresh", session->has_refresh);
	for (size_t i = 0; err == DA_OK && i < DA_ARRAY_LEN(numbers); i++) {
		int64_t value;

		memcpy(&value, (const char *)session + numbers[i].offset,
		    sizeof(value));
		err = value < 0 ? DA_E_SYNTAX
				: da_record_put_int(ret, numbers[i].key, value);
	}
	return err;
}

enum da_err
da_session_format(const struct da_session *session, struct da_buf *ret)
{
	enum da_err err = da_record_put(ret, VERSION_KEY, "1");

	for (size_t i = 0; err == DA_OK && i < DA_ARRAY_LEN(texts); i++)
		err = da_record_put(
		    ret, texts[i].key, text_at(session, &texts[i]));
	return err != DA_OK ? err : put_numbers(session, ret);
}

static enum da_err
get_numbers(const struct da_buf *header, struct da_session *ret)
{
	int64_t audit, pid, start_ticks, uid, has_refresh;
	enum da_err err =
	    da_record_get_int(header, "audit", 0, UINT32_MAX, &audit);

	if (err == DA_OK)
		err =
		    da_record_get_int(header, "owner_pid", 1, INT32_MAX, &pid);
	if (err == DA_OK)
		err = da_record_get_int(
		    header, "owner_start", 0, INT64_MAX, &start_ticks);
	if (err == DA_OK)
		err = da_record_get_int(header, "uid", 0, UINT32_MAX, &uid);
	if (err == DA_OK)
		err = da_record_get_int(
		    header, "has_refresh", 0, 1, &has_refresh);
	for (size_t i = 0; err == DA_OK && i < DA_ARRAY_LEN(numbers); i++) {
		int64_t value;

		err = da_record_get_int(
		    header, numbers[i].key, 0, INT64_MAX, &value);
		if (err == DA_OK)
			memcpy((char *)ret + numbers[i].offset, &value,
			    sizeof(value));
	}
	if (err != DA_OK)
		return err;
	ret->anchor = (struct da_anchor){
	    .audit = (uint32_t)audit,
	    .owner = {(int32_t)pid, (uint64_t)start_ticks},
	};
	ret->uid = (uint32_t)uid;
	ret->has_refresh = has_refresh != 0;
	return DA_OK;
}

enum da_err
da_session_parse(const struct da_buf *header, struct da_session *ret)
{
	enum da_err err = da_record_check(header, VERSION_KEY, "1");

	for (size_t i = 0; err == DA_OK && i < DA_ARRAY_LEN(texts); i++)
		err = da_record_get(header, texts[i].key, 0,
		    (char *)ret + texts[i].offset, texts[i].size);
	if (err == DA_OK)
		err = get_numbers(header, ret);
	if (err == DA_OK)
		err = da_record_get(
		    header, "key", 0, ret->key_id, sizeof(ret->key_id));
	if (err == DA_OK && !da_session_is_id(ret->id))
		err = DA_E_SYNTAX;
	return err == DA_OK ? DA_OK : DA_E_SYNTAX;
}

static enum da_err
put_span(struct da_buf *ret, const void *bytes, size_t len)
{
	enum da_err err = da_buf_put_u32(ret, (uint32_t)len);

	return err != DA_OK ? err : da_buf_put(ret, bytes, len);
}

enum da_err
da_session_format_tokens(const struct da_session *session, struct da_buf *ret)
{
	const struct da_secret *const tokens[] = {
	    &session->access_token, &session->refresh_token};
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < DA_ARRAY_LEN(tokens); i++)
		err = put_span(ret, tokens[i]->bytes, tokens[i]->len);
	if (err == DA_OK)
		err = put_span(
		    ret, session->token_type, strlen(session->token_type));
	if (err == DA_OK)
		err =
		    put_span(ret, session->dpop_jkt, strlen(session->dpop_jkt));
	return err;
}

static enum da_err
get_span(struct da_cursor *cursor, const uint8_t **ret, uint32_t *ret_len)
{
	enum da_err err = da_cursor_u32(cursor, ret_len);

	return err != DA_OK ? err : da_cursor_span(cursor, *ret_len, ret);
}

static enum da_err
get_text(struct da_cursor *cursor, char *ret, size_t size)
{
	const uint8_t *bytes;
	uint32_t len;
	enum da_err err = get_span(cursor, &bytes, &len);

	if (err != DA_OK)
		return err;
	if (len >= size)
		return DA_E_TOO_LARGE;
	memcpy(ret, bytes, len);
	ret[len] = '\0';
	return DA_OK;
}

enum da_err
da_session_parse_tokens(const struct da_buf *body, struct da_session *ret)
{
	struct da_secret *const tokens[] = {
	    &ret->access_token, &ret->refresh_token};
	struct da_cursor cursor = {body->bytes, body->len};
	enum da_err err = DA_OK;

	for (size_t i = 0; err == DA_OK && i < DA_ARRAY_LEN(tokens); i++) {
		const uint8_t *bytes;
		uint32_t len;

		err = get_span(&cursor, &bytes, &len);
		/* None is nothing, not an empty token. */
		if (err == DA_OK && len > 0)
			err = da_secret_set(tokens[i], bytes, len);
	}
	if (err == DA_OK)
		err =
		    get_text(&cursor, ret->token_type, sizeof(ret->token_type));
	if (err == DA_OK)
		err = get_text(&cursor, ret->dpop_jkt, sizeof(ret->dpop_jkt));
	return err == DA_OK && cursor.left != 0 ? DA_E_SYNTAX : err;
}

/* Of the two only the one that counts. */
static void
format_anchor(const struct da_anchor *anchor, char *out, size_t size)
{
	if (anchor->audit != DA_AUDIT_NONE)
		(void)snprintf(out, size, "audit=%" PRIu32, anchor->audit);
	else
		(void)snprintf(out, size, "process=%" PRId32 "/%" PRIu64,
		    anchor->owner.pid, anchor->owner.start_ticks);
}

void
da_session_format_binding(const char *machine_id, const char *boot_id,
    const struct da_anchor *anchor, uint32_t uid,
    char ret[static DA_SESSION_BINDING_MAX])
{
	char text[64];

	format_anchor(anchor, text, sizeof(text));
	(void)snprintf(ret, DA_SESSION_BINDING_MAX,
	    "machine=%s\nboot=%s\n%s\nuid=%" PRIu32 "\n", machine_id, boot_id,
	    text, uid);
}

bool
da_anchor_equal(const struct da_anchor *a, const struct da_anchor *b)
{
	if (a->audit != b->audit)
		return false;
	return a->audit != DA_AUDIT_NONE ||
	    (a->owner.pid == b->owner.pid &&
		a->owner.start_ticks == b->owner.start_ticks);
}

enum da_err
da_session_place(const char *boot_id, const struct da_anchor *anchor,
    uint32_t uid, char ret[static DA_SESSION_PLACE_LEN + 1])
{
	char digest[DA_RECORD_DIGEST_LEN + 1];
	char text[64], number[16];
	enum da_err err;

	format_anchor(anchor, text, sizeof(text));
	(void)snprintf(number, sizeof(number), "%" PRIu32, uid);
	err = da_record_digest(
	    (const char *const[]){boot_id, text, number}, 3, digest);
	if (err == DA_OK) {
		memcpy(ret, digest, DA_SESSION_PLACE_LEN);
		ret[DA_SESSION_PLACE_LEN] = '\0';
	}
	return err;
}

bool
da_session_is_id(const char *id)
{
	return strlen(id) == DA_SESSION_MAX &&
	    strspn(id, "0123456789abcdef") == DA_SESSION_MAX;
}
