#include "store/cache.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/file.h"
#include "core/limits.h"
#include "core/paths.h"
#include "store/record.h"

/* File: a record of four lines, an empty line, the document. */
#define VERSION_KEY "devauth-cache"
#define HEADER_MAX 1024
#define MAX_AGE_DEFAULT_S 3600
#define MAX_AGE_MIN_S 300
#define MAX_AGE_MAX_S 86400

static enum da_err
cache_file(enum da_cache_kind kind, const char *issuer, char *ret, size_t size)
{
	char digest[DA_RECORD_DIGEST_LEN + 1];
	enum da_err err =
	    da_record_digest((const char *const[]){issuer}, 1, digest);

	if (err == DA_OK)
		(void)snprintf(ret, size, "%s.%s", digest,
		    kind == DA_CACHE_JWKS ? "jwks" : "metadata");
	return err;
}

static enum da_err
split(const struct da_buf *file, const char *issuer, int64_t now_s,
    struct da_buf *ret)
{
	const char *text = da_buf_text(file);
	const char *end = strstr(text, "\n\n");
	DA_CLEANUP(da_buf_done) struct da_buf header;
	char whose[DA_ISSUER_MAX + 1];
	int64_t fetched_at_s, max_age_s;
	size_t header_len;

	da_buf_init(&header, HEADER_MAX);
	if (end == NULL)
		return DA_E_ABSENT;
	header_len = (size_t)(end - text) + 1;
	if (da_buf_put(&header, text, header_len) != DA_OK ||
	    da_record_check(&header, VERSION_KEY, "1") != DA_OK ||
	    da_record_get(&header, "issuer", 0, whose, sizeof(whose)) !=
		DA_OK ||
	    da_record_get_int(&header, "fetched_at", 0, INT64_MAX / 2,
		&fetched_at_s) != DA_OK ||
	    da_record_get_int(
		&header, "max_age", 0, MAX_AGE_MAX_S, &max_age_s) != DA_OK)
		return DA_E_ABSENT;
	/* A clock that was set back makes a document look newer than now. */
	if (strcmp(whose, issuer) != 0 || fetched_at_s > now_s ||
	    now_s - fetched_at_s > max_age_s)
		return DA_E_ABSENT;
	return da_buf_put(
	    ret, text + header_len + 1, file->len - header_len - 1);
}

enum da_err
da_cache_load(const struct da_paths *paths, enum da_cache_kind kind,
    const char *issuer, int64_t now_s, struct da_buf *ret, struct da_diag *diag)
{
	const struct da_file_rule rule = {.owner = paths->owner,
	    .mode_max = 0600,
	    .size_max = DA_BODY_MAX + HEADER_MAX};
	DA_CLEANUP(da_buf_done) struct da_buf path;
	DA_CLEANUP(da_buf_done) struct da_buf file;
	char name[DA_RECORD_DIGEST_LEN + 16];
	enum da_err err = cache_file(kind, issuer, name, sizeof(name));

	da_buf_init(&path, 4096);
	da_buf_init(&file, DA_BODY_MAX + HEADER_MAX);
	if (err == DA_OK)
		err = da_buf_format(&path, "%s/%s", paths->cache_dir, name);
	if (err == DA_OK)
		err = da_file_read(da_buf_text(&path), &rule, &file, diag);
	if (err == DA_E_TOO_LARGE)
		return DA_E_ABSENT;
	return err != DA_OK ? err : split(&file, issuer, now_s, ret);
}

enum da_err
da_cache_save(const struct da_paths *paths, enum da_cache_kind kind,
    const char *issuer, int64_t now_s, int64_t max_age_s,
    const struct da_buf *document, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0700};
	DA_CLEANUP(da_file_closep) int dir = -1;
	DA_CLEANUP(da_buf_done) struct da_buf file;
	char name[DA_RECORD_DIGEST_LEN + 16];
	enum da_err err = da_file_open_dir(paths->cache_dir, &rule, &dir, diag);

	da_buf_init(&file, DA_BODY_MAX + HEADER_MAX);
	if (max_age_s < 0)
		max_age_s = MAX_AGE_DEFAULT_S;
	if (max_age_s < MAX_AGE_MIN_S)
		max_age_s = MAX_AGE_MIN_S;
	if (max_age_s > MAX_AGE_MAX_S)
		max_age_s = MAX_AGE_MAX_S;
	if (err == DA_OK)
		err = cache_file(kind, issuer, name, sizeof(name));
	if (err == DA_OK)
		err = da_record_put(&file, VERSION_KEY, "1");
	if (err == DA_OK)
		err = da_record_put(&file, "issuer", issuer);
	if (err == DA_OK)
		err = da_record_put_int(&file, "fetched_at", now_s);
	if (err == DA_OK)
		err = da_record_put_int(&file, "max_age", max_age_s);
	if (err == DA_OK)
		err = da_buf_put_text(&file, "\n");
	if (err == DA_OK)
		err = da_buf_put(&file, document->bytes, document->len);
	/* Somebody waits for the login; a damaged document costs a request. */
	if (err == DA_OK)
		err = da_file_replace_unsynced(
		    dir, name, 0600, file.bytes, file.len, diag);
	return err;
}

void
da_cache_drop(const struct da_paths *paths, const char *issuer)
{
	static const enum da_cache_kind kinds[] = {
	    DA_CACHE_METADATA, DA_CACHE_JWKS};
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0700};
	DA_CLEANUP(da_file_closep) int dir = -1;
	char name[DA_RECORD_DIGEST_LEN + 16];

	if (da_file_open_dir(paths->cache_dir, &rule, &dir, NULL) != DA_OK)
		return;
	for (size_t i = 0; i < DA_ARRAY_LEN(kinds); i++) {
		if (cache_file(kinds[i], issuer, name, sizeof(name)) == DA_OK)
			(void)unlinkat(dir, name, 0); /* it ages anyway */
	}
}
