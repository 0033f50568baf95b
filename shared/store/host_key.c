#include "store/host_key.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "core/buf.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/parse.h"
#include "core/paths.h"
#include "core/text.h"
#include "store/record.h"

#define VERSION_KEY "devauth-host-secret"
#define FILE_NAME "host.secret"
#define FILE_MAX 1024
/* "<when> <secret>" */
#define LINE_MAX_LEN (20 + 1 + 2 * DA_HOST_SECRET_LEN)
#define ID_INFO "devauth host secret id"

static enum da_err
hkdf(const void *input, size_t input_len, const void *salt, size_t salt_len,
    const char *info, uint8_t *ret, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	char digest[] = "SHA256";
	/* The interface takes no const; it only reads. */
	const OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)input, input_len),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)salt, salt_len),
	    OSSL_PARAM_construct_octet_string(
		OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)info, strlen(info)),
	    OSSL_PARAM_construct_end(),
	};
	bool ok = ctx != NULL && EVP_KDF_derive(ctx, ret, len, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	return ok ? DA_OK : DA_E_NOMEM;
}

void
da_host_keys_done(struct da_host_keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		da_secret_done(&keys->keys[i].secret);
	*keys = (struct da_host_keys){0};
}

static enum da_err
add_key(const uint8_t *secret, int64_t made_at_s, struct da_host_keys *ret)
{
	struct da_host_key *key = &ret->keys[ret->count];
	uint8_t id[DA_HOST_KEY_ID_LEN / 2];
	enum da_err err;

	if (ret->count == DA_HOST_KEYS_MAX)
		return DA_E_TOO_LARGE;
	err = hkdf(secret, DA_HOST_SECRET_LEN, "", 0, ID_INFO, id, sizeof(id));
	if (err == DA_OK)
		err = da_secret_set(&key->secret, secret, DA_HOST_SECRET_LEN);
	if (err != DA_OK)
		return err;
	da_text_hex(id, sizeof(id), key->id);
	key->made_at_s = made_at_s;
	ret->count++;
	return DA_OK;
}

static enum da_err
parse_line(char *line, struct da_host_keys *ret)
{
	uint8_t secret[DA_HOST_SECRET_LEN];
	int64_t made_at_s;
	char *space = strchr(line, ' ');
	enum da_err err;

	if (space == NULL)
		return DA_E_SYNTAX;
	*space = '\0';
	err = da_parse_int(line, 0, INT64_MAX, &made_at_s);
	if (err == DA_OK)
		err = da_text_parse_hex(space + 1, secret, sizeof(secret));
	if (err == DA_OK)
		err = add_key(secret, made_at_s, ret);
	da_secret_wipe(secret, sizeof(secret));
	return err;
}

static enum da_err
parse_keys(const struct da_buf *record, struct da_host_keys *ret)
{
	char line[LINE_MAX_LEN + 1];
	enum da_err err = da_record_check(record, VERSION_KEY, "1");

	for (size_t i = 0; err == DA_OK; i++) {
		err = da_record_get(record, "key", i, line, sizeof(line));
		if (err == DA_OK)
			err = parse_line(line, ret);
	}
	da_secret_wipe(line, sizeof(line));
	if (err == DA_E_NOMEM)
		return err;
	return err == DA_E_ABSENT && ret->count > 0 ? DA_OK : DA_E_SYNTAX;
}

static enum da_err
put_key(struct da_buf *record, const struct da_host_key *key)
{
	char hex[2 * DA_HOST_SECRET_LEN + 1];
	enum da_err err;

	da_text_hex(key->secret.bytes, key->secret.len, hex);
	err = da_buf_format(
	    record, "key=%lld %s\n", (long long)key->made_at_s, hex);
	da_secret_wipe(hex, sizeof(hex));
	return err;
}

static enum da_err
write_keys(int dir, const struct da_host_keys *keys, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf record;
	enum da_err err;

	da_buf_init(&record, FILE_MAX);
	err = da_record_put(&record, VERSION_KEY, "1");
	for (size_t i = 0; err == DA_OK && i < keys->count; i++)
		err = put_key(&record, &keys->keys[i]);
	return err != DA_OK ? err
			    : da_file_replace(dir, FILE_NAME, 0600,
				  record.bytes, record.len, diag);
}

static enum da_err
read_keys(const struct da_paths *paths, int dir, struct da_host_keys *ret,
    struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0600, .size_max = FILE_MAX};
	DA_CLEANUP(da_buf_done) struct da_buf record;
	enum da_err err;

	da_buf_init(&record, FILE_MAX);
	err = da_file_read_at(dir, FILE_NAME, &rule, &record, diag);
	if (err == DA_OK)
		err = parse_keys(&record, ret);
	if (err == DA_E_SYNTAX || err == DA_E_TOO_LARGE) {
		da_diag_set(diag,
		    "%s/" FILE_NAME " is damaged; restore it, or remove it: "
		    "sessions then go on without their tokens",
		    paths->keys_dir);
		err = DA_E_SYNTAX;
	}
	return err;
}

/* The secrets become the first ones of "ret"; the new one is in front. */
static enum da_err
prepend_key(const struct da_host_keys *old, struct da_host_keys *ret)
{
	uint8_t secret[DA_HOST_SECRET_LEN];
	enum da_err err = da_secret_random(secret, sizeof(secret));

	if (err == DA_OK)
		err = add_key(secret, da_clock_wall_s(), ret);
	da_secret_wipe(secret, sizeof(secret));
	for (size_t i = 0;
	     err == DA_OK && i < old->count && ret->count < DA_HOST_KEYS_MAX;
	     i++)
		err = add_key(
		    old->keys[i].secret.bytes, old->keys[i].made_at_s, ret);
	return err;
}

/* Nobody but root can enter the folder, so its own lock will do. */
static enum da_err
open_folder(
    const struct da_paths *paths, bool lock, int *ret_dir, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0700};
	DA_CLEANUP(da_file_closep) int dir = -1;
	enum da_err err = da_file_open_dir(paths->keys_dir, &rule, &dir, diag);

	if (err == DA_E_ABSENT) {
		if (mkdir(paths->keys_dir, 0700) != 0 && errno != EEXIST) {
			da_diag_set(diag, "%s: %m", paths->keys_dir);
			return DA_E_SYS;
		}
		err = da_file_open_dir(paths->keys_dir, &rule, &dir, diag);
	}
	if (err == DA_OK && lock)
		err = da_file_lock(dir, paths->keys_dir, diag);
	if (err == DA_OK) {
		*ret_dir = dir;
		dir = -1;
	}
	return err;
}

/* Two logins at once may both find that there is none. */
static enum da_err
make_first(const struct da_paths *paths, struct da_host_keys *ret,
    struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	enum da_err err = open_folder(paths, true, &dir, diag);

	if (err == DA_OK)
		err = read_keys(paths, dir, ret, diag);
	if (err != DA_E_ABSENT)
		return err;
	err = prepend_key(&(struct da_host_keys){0}, ret);
	return err != DA_OK ? err : write_keys(dir, ret, diag);
}

enum da_err
da_host_keys_load(const struct da_paths *paths, struct da_host_keys *ret,
    struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	enum da_err err;

	*ret = (struct da_host_keys){0};
	err = da_machine_read(paths, &ret->machine, diag);
	if (err == DA_OK)
		err = open_folder(paths, false, &dir, diag);
	if (err == DA_OK)
		err = read_keys(paths, dir, ret, diag);
	if (err == DA_E_ABSENT && dir >= 0)
		err = make_first(paths, ret, diag);
	if (err != DA_OK)
		da_host_keys_done(ret);
	return err;
}

enum da_err
da_host_keys_rotate(const struct da_paths *paths, struct da_diag *diag)
{
	DA_CLEANUP(da_host_keys_done) struct da_host_keys old = {0};
	DA_CLEANUP(da_host_keys_done) struct da_host_keys new = {0};
	DA_CLEANUP(da_file_closep) int dir = -1;
	enum da_err err = open_folder(paths, true, &dir, diag);

	if (err == DA_OK)
		err = read_keys(paths, dir, &old, diag);
	if (err == DA_OK)
		err = prepend_key(&old, &new);
	return err != DA_OK ? err : write_keys(dir, &new, diag);
}

static bool
is_used(const char *id, const char (*used)[DA_HOST_KEY_ID_LEN + 1], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(used[i], id) == 0)
			return true;
	}
	return false;
}

enum da_err
da_host_keys_retire(const struct da_paths *paths,
    const char (*used)[DA_HOST_KEY_ID_LEN + 1], size_t used_count,
    struct da_diag *diag)
{
	DA_CLEANUP(da_host_keys_done) struct da_host_keys old = {0};
	DA_CLEANUP(da_host_keys_done) struct da_host_keys new = {0};
	DA_CLEANUP(da_file_closep) int dir = -1;
	int64_t now_s = da_clock_wall_s();
	enum da_err err = open_folder(paths, true, &dir, diag);

	if (err == DA_OK)
		err = read_keys(paths, dir, &old, diag);
	for (size_t i = 0; err == DA_OK && i < old.count; i++) {
		const struct da_host_key *key = &old.keys[i];

		/* Replaced when its successor was made. */
		if (i == 0 || is_used(key->id, used, used_count) ||
		    now_s - old.keys[i - 1].made_at_s < DA_HOST_KEY_KEEP_S)
			err = add_key(key->secret.bytes, key->made_at_s, &new);
	}
	if (err != DA_OK || new.count == old.count)
		return err;
	return write_keys(dir, &new, diag);
}

/* What the machine is, unmistakably. */
static enum da_err
put_input(const struct da_host_key *key, const struct da_machine *machine,
    struct da_buf *ret)
{
	enum da_err err = da_buf_put(ret, key->secret.bytes, key->secret.len);

	if (err == DA_OK)
		err = da_buf_put(
		    ret, machine->machine_id, strlen(machine->machine_id) + 1);
	if (err == DA_OK)
		err = da_buf_put(ret, machine->product_uuid,
		    strlen(machine->product_uuid) + 1);
	return err;
}

enum da_err
da_host_keys_derive(const struct da_host_keys *keys, const char *key_id,
    const uint8_t salt[static DA_HOST_SALT_LEN], const char *purpose,
    uint8_t ret_key[static DA_HOST_KEY_LEN])
{
	DA_CLEANUP(da_buf_done) struct da_buf input;

	da_buf_init(&input, DA_HOST_SECRET_LEN + sizeof(struct da_machine));
	for (size_t i = 0; i < keys->count; i++) {
		enum da_err err;

		if (strcmp(keys->keys[i].id, key_id) != 0)
			continue;
		err = put_input(&keys->keys[i], &keys->machine, &input);
		return err != DA_OK
		    ? err
		    : hkdf(input.bytes, input.len, salt, DA_HOST_SALT_LEN,
			  purpose, ret_key, DA_HOST_KEY_LEN);
	}
	return DA_E_ABSENT;
}
