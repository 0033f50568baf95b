#include "store/record.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "core/parse.h"
#include "core/text.h"

enum da_err
da_record_digest(const char *const *parts, size_t count,
    char ret[static DA_RECORD_DIGEST_LEN + 1])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok =
	    ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;

	for (size_t i = 0; ok && i < count; i++)
		ok = EVP_DigestUpdate(ctx, parts[i], strlen(parts[i]) + 1) == 1;
	ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	if (!ok)
		return DA_E_NOMEM;
	da_text_hex(digest, DA_RECORD_DIGEST_LEN / 2, ret);
	return DA_OK;
}

enum da_err
da_record_put(struct da_buf *record, const char *key, const char *value)
{
	if (!da_text_is_printable(value))
		return DA_E_SYNTAX;
	return da_buf_format(record, "%s=%s\n", key, value);
}

enum da_err
da_record_put_int(struct da_buf *record, const char *key, int64_t value)
{
	return da_buf_format(record, "%s=%lld\n", key, (long long)value);
}

enum da_err
da_record_get(const struct da_buf *record, const char *key, size_t n, char *ret,
    size_t size)
{
	const char *line = da_buf_text(record);
	size_t key_len = strlen(key);

	while (*line != '\0') {
		const char *end = strchrnul(line, '\n');
		size_t len = (size_t)(end - line);

		if (len > key_len && line[key_len] == '=' &&
		    strncmp(line, key, key_len) == 0 && n-- == 0) {
			len -= key_len + 1;
			if (len >= size)
				return DA_E_TOO_LARGE;
			memcpy(ret, line + key_len + 1, len);
			ret[len] = '\0';
			return DA_OK;
		}
		line = *end == '\n' ? end + 1 : end;
	}
	return DA_E_ABSENT;
}

enum da_err
da_record_get_int(const struct da_buf *record, const char *key, int64_t min,
    int64_t max, int64_t *ret)
{
	char text[24];
	enum da_err err = da_record_get(record, key, 0, text, sizeof(text));

	return err != DA_OK ? err : da_parse_int(text, min, max, ret);
}

enum da_err
da_record_check(const struct da_buf *record, const char *key, const char *value)
{
	const char *text = da_buf_text(record);
	const char *rest;

	if (record->len == 0 || text[record->len - 1] != '\n' ||
	    strlen(text) != record->len ||
	    !da_text_skip_prefix(text, key, &rest) || *rest != '=' ||
	    !da_text_skip_prefix(rest + 1, value, &rest) || *rest != '\n')
		return DA_E_SYNTAX;
	return DA_OK;
}
