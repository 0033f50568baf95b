#include "store/seal.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/evp.h>

#include "core/secret.h"
#include "core/text.h"
#include "store/host_key.h"
#include "store/record.h"

#define NONCE_LEN 12
#define CIPHER "AES-256-GCM"
#define REFUSAL "the sealed file does not open"

/* What stands in front of the secret, and what is derived from it. */
struct envelope {
	char key_id[DA_HOST_KEY_ID_LEN + 1];
	uint8_t salt[DA_HOST_SALT_LEN];
	uint8_t nonce[NONCE_LEN];
	uint8_t key[DA_HOST_KEY_LEN];
};

static void
envelope_done(struct envelope *envelope)
{
	da_secret_wipe(envelope, sizeof(*envelope));
}

static bool
begin(EVP_CIPHER_CTX *ctx, const struct envelope *envelope, bool encrypt,
    const uint8_t *header, size_t header_len, const char *binding)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, CIPHER, NULL);
	int n;
	/* The nonce's length is GCM's own, 12 bytes. */
	bool ok = cipher != NULL && header_len <= INT_MAX &&
	    EVP_CipherInit_ex2(ctx, cipher, envelope->key, envelope->nonce,
		encrypt ? 1 : 0, NULL) == 1 &&
	    EVP_CipherUpdate(ctx, NULL, &n, header, (int)header_len) == 1 &&
	    EVP_CipherUpdate(ctx, NULL, &n, (const uint8_t *)binding,
		(int)strlen(binding)) == 1;

	EVP_CIPHER_free(cipher);
	return ok;
}

static enum da_err
encrypt(const struct envelope *envelope, const struct da_buf *file,
    size_t header_at, const char *binding, const struct da_buf *secret,
    uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, rest;
	bool ok = ctx != NULL &&
	    begin(ctx, envelope, true, file->bytes + header_at,
		file->len - header_at, binding) &&
	    EVP_CipherUpdate(ctx, out, &n, secret->bytes, (int)secret->len) ==
		1 &&
	    EVP_CipherFinal_ex(ctx, out + n, &rest) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, DA_SEAL_TAG_LEN,
		out + secret->len) == 1;

	EVP_CIPHER_CTX_free(ctx);
	return ok ? DA_OK : DA_E_NOMEM;
}

/* Lines of text with a line break at the end, none of them empty. */
static bool
is_header(const struct da_buf *header)
{
	const char *text = da_buf_text(header);

	return header->len > 1 && strlen(text) == header->len &&
	    text[0] != '\n' && text[header->len - 1] == '\n' &&
	    strstr(text, "\n\n") == NULL;
}

static enum da_err
put_hex(struct da_buf *ret, const char *name, const uint8_t *bytes, size_t len)
{
	char hex[2 * DA_HOST_SALT_LEN + 1];

	da_text_hex(bytes, len, hex);
	return da_record_put(ret, name, hex);
}

static enum da_err
put_header(const struct da_buf *header, const struct envelope *envelope,
    struct da_buf *ret)
{
	enum da_err err = da_buf_put(ret, header->bytes, header->len);

	if (err == DA_OK)
		err = da_record_put(ret, "key", envelope->key_id);
	if (err == DA_OK)
		err = put_hex(
		    ret, "salt", envelope->salt, sizeof(envelope->salt));
	if (err == DA_OK)
		err = put_hex(
		    ret, "nonce", envelope->nonce, sizeof(envelope->nonce));
	return err != DA_OK ? err : da_buf_put_text(ret, "\n");
}

enum da_err
da_seal(const struct da_host_keys *keys, const char *purpose,
    const struct da_buf *header, const char *binding,
    const struct da_buf *secret, struct da_buf *ret)
{
	DA_CLEANUP(envelope_done) struct envelope envelope = {0};
	DA_CLEANUP(da_buf_done) struct da_buf sealed;
	size_t header_at = ret->len;
	enum da_err err;

	da_buf_init(&sealed, SIZE_MAX);
	if (keys->count == 0 || secret->len == 0 || secret->len > INT_MAX ||
	    !is_header(header))
		return DA_E_BUG;
	memcpy(envelope.key_id, keys->keys[0].id, sizeof(envelope.key_id));
	err = da_secret_random(envelope.salt, sizeof(envelope.salt));
	if (err == DA_OK)
		err = da_secret_random(envelope.nonce, sizeof(envelope.nonce));
	if (err == DA_OK)
		err = da_host_keys_derive(keys, envelope.key_id, envelope.salt,
		    purpose, envelope.key);
	if (err == DA_OK)
		err = put_header(header, &envelope, ret);
	/* Room for the result: as long as the secret, and the tag. */
	if (err == DA_OK)
		err = da_buf_put(&sealed, secret->bytes, secret->len);
	if (err == DA_OK)
		err = da_buf_put(
		    &sealed, (uint8_t[DA_SEAL_TAG_LEN]){0}, DA_SEAL_TAG_LEN);
	if (err == DA_OK)
		err = encrypt(
		    &envelope, ret, header_at, binding, secret, sealed.bytes);
	return err != DA_OK ? err : da_buf_put(ret, sealed.bytes, sealed.len);
}

/* Where the sealed part begins; 0 = nowhere. */
static size_t
body_at(const struct da_buf *file)
{
	const uint8_t *end =
	    file->len > 0 ? memmem(file->bytes, file->len, "\n\n", 2) : NULL;

	return end != NULL ? (size_t)(end - file->bytes) + 2 : 0;
}

enum da_err
da_seal_header(const struct da_buf *file, struct da_buf *ret)
{
	size_t body = body_at(file);

	/* A NUL inside would hide what stands behind it. */
	if (body == 0 || memchr(file->bytes, '\0', body) != NULL)
		return DA_E_SYNTAX;
	return da_buf_put(ret, file->bytes, body - 1);
}

static enum da_err
get_hex(const struct da_buf *header, const char *name, uint8_t *ret, size_t len)
{
	char hex[2 * DA_HOST_SALT_LEN + 1];
	enum da_err err = da_record_get(header, name, 0, hex, sizeof(hex));

	return err != DA_OK ? err : da_text_parse_hex(hex, ret, len);
}

static enum da_err
read_envelope(const struct da_host_keys *keys, const char *purpose,
    const struct da_buf *file, struct envelope *ret)
{
	DA_CLEANUP(da_buf_done) struct da_buf header;
	enum da_err err;

	da_buf_init(&header, file->len);
	err = da_seal_header(file, &header);
	if (err == DA_OK)
		err = da_record_get(
		    &header, "key", 0, ret->key_id, sizeof(ret->key_id));
	if (err == DA_OK)
		err = get_hex(&header, "salt", ret->salt, sizeof(ret->salt));
	if (err == DA_OK)
		err = get_hex(&header, "nonce", ret->nonce, sizeof(ret->nonce));
	return err != DA_OK ? err
			    : da_host_keys_derive(keys, ret->key_id, ret->salt,
				  purpose, ret->key);
}

static enum da_err
decrypt(const struct envelope *envelope, const struct da_buf *file, size_t body,
    const char *binding, struct da_buf *plain)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	uint8_t tag[DA_SEAL_TAG_LEN];
	size_t len = file->len - body - sizeof(tag);
	int n = 0, rest;
	bool ok;

	memcpy(tag, file->bytes + body + len, sizeof(tag));
	ok = ctx != NULL &&
	    begin(ctx, envelope, false, file->bytes, body, binding) &&
	    EVP_CipherUpdate(
		ctx, plain->bytes, &n, file->bytes + body, (int)len) == 1 &&
	    EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) ==
		1 &&
	    EVP_CipherFinal_ex(ctx, plain->bytes + n, &rest) == 1;
	EVP_CIPHER_CTX_free(ctx);
	return ok ? DA_OK : DA_E_SEAL;
}

enum da_err
da_unseal(const struct da_host_keys *keys, const char *purpose,
    const struct da_buf *file, const char *binding, struct da_buf *ret,
    struct da_diag *diag)
{
	DA_CLEANUP(envelope_done) struct envelope envelope = {0};
	DA_CLEANUP(da_buf_done) struct da_buf plain;
	size_t body = body_at(file);
	enum da_err err;

	da_buf_init(&plain, file->len);
	if (body == 0 || file->len - body <= DA_SEAL_TAG_LEN ||
	    file->len > INT_MAX)
		err = DA_E_SEAL;
	else
		err = read_envelope(keys, purpose, file, &envelope);
	/* Room of the same length; nothing of it leaves unverified. */
	if (err == DA_OK)
		err = da_buf_put(&plain, file->bytes + body,
		    file->len - body - DA_SEAL_TAG_LEN);
	if (err == DA_OK)
		err = decrypt(&envelope, file, body, binding, &plain);
	if (err == DA_OK)
		return da_buf_put(ret, plain.bytes, plain.len);
	if (err != DA_E_NOMEM) {
		da_diag_set(diag, REFUSAL);
		err = DA_E_SEAL;
	}
	return err;
}
