#include "store/grant.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/secret.h"
#include "core/text.h"
#include "store/record.h"
#include "store/seal.h"
#include "store/session_record.h"

#define VERSION_KEY "devauth-grant"
#define PURPOSE "devauth grant 1"
#define FILE_MAX (DA_RECORD_MAX + DA_SEAL_OVERHEAD + DA_SESSION_BODY_MAX)

void
da_grant_init(struct da_grant *grant)
{
	*grant = (struct da_grant){0};
	da_person_init(&grant->person);
	da_session_init(&grant->session);
}

void
da_grant_done(struct da_grant *grant)
{
	da_person_done(&grant->person);
	da_session_done(&grant->session);
}

static enum da_err
open_grants(const struct da_paths *paths, int *ret_dir, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0700};
	enum da_err err =
	    da_file_open_dir(paths->grants_dir, &rule, ret_dir, diag);

	if (err != DA_E_ABSENT)
		return err;
	err = da_file_make_parent(paths->grants_dir, 0755, diag);
	if (err != DA_OK)
		return err;
	if (mkdir(paths->grants_dir, 0700) != 0 && errno != EEXIST) {
		da_diag_set(diag, "%s: %m", paths->grants_dir);
		return DA_E_SYS;
	}
	return da_file_open_dir(paths->grants_dir, &rule, ret_dir, diag);
}

static bool
has_tokens(const struct da_session *session)
{
	return session->access_token.len > 0 || session->refresh_token.len > 0;
}

static enum da_err
format_grant(const struct da_grant *grant, struct da_buf *ret)
{
	enum da_err err = da_record_put(ret, VERSION_KEY, "1");

	if (err == DA_OK)
		err =
		    da_record_put_int(ret, "made_mono_ms", da_clock_mono_ms());
	if (err == DA_OK)
		err = da_record_put(ret, "account", grant->account);
	if (err == DA_OK)
		err = da_record_put_int(ret, "local", grant->local);
	if (err == DA_OK)
		err = da_record_put(ret, "service", grant->service);
	if (err == DA_OK)
		err = da_record_put(ret, "gecos", grant->gecos);
	if (err == DA_OK)
		err = da_record_put(ret, "home", grant->home);
	if (err == DA_OK)
		err = da_record_put(ret, "shell", grant->shell);
	if (err == DA_OK)
		err = da_record_put(ret, "who", grant->who);
	if (err == DA_OK)
		err = da_record_put_int(ret, "account_uid", grant->uid);
	if (err == DA_OK)
		err = da_record_put(ret, "acr", grant->session.acr);
	if (err == DA_OK)
		err = da_record_put(ret, "amr", grant->session.amr);
	if (err == DA_OK)
		err = da_record_put_int(
		    ret, "auth_time", grant->session.auth_time_s);
	if (err == DA_OK)
		err = da_record_put_int(ret, "access_expires_at",
		    grant->session.access_expires_at_s);
	return err != DA_OK ? err : da_person_format(&grant->person, ret);
}

/* Of this boot, as the file system is; nothing else needs to be known. */
static enum da_err
seal_grant(const struct da_host_keys *keys, const struct da_grant *grant,
    const struct da_buf *record, struct da_buf *ret)
{
	DA_CLEANUP(da_buf_done) struct da_buf body;
	enum da_err err;

	da_buf_init(&body, DA_SESSION_BODY_MAX);
	err = da_session_format_tokens(&grant->session, &body);
	return err != DA_OK
	    ? err
	    : da_seal(keys, PURPOSE, record, keys->machine.boot_id, &body, ret);
}

enum da_err
da_grant_create(const struct da_paths *paths, const struct da_host_keys *keys,
    const struct da_grant *grant, char ret_id[static DA_GRANT_MAX + 1],
    struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	DA_CLEANUP(da_buf_done) struct da_buf record;
	DA_CLEANUP(da_buf_done) struct da_buf sealed;
	const bool seal = has_tokens(&grant->session);
	uint8_t random[DA_GRANT_MAX / 2];
	enum da_err err = open_grants(paths, &dir, diag);

	da_buf_init(&record, DA_RECORD_MAX);
	da_buf_init(&sealed, FILE_MAX);
	if (err == DA_OK)
		err = da_secret_random(random, sizeof(random));
	if (err == DA_OK)
		err = format_grant(grant, &record);
	if (err == DA_OK && seal)
		err = seal_grant(keys, grant, &record, &sealed);
	if (err != DA_OK)
		return err;
	da_text_hex(random, sizeof(random), ret_id);
	return seal
	    ? da_file_replace(dir, ret_id, 0600, sealed.bytes, sealed.len, diag)
	    : da_file_replace(
		  dir, ret_id, 0600, record.bytes, record.len, diag);
}

static bool
is_grant_id(const char *id)
{
	return strlen(id) == DA_GRANT_MAX &&
	    strspn(id, "0123456789abcdef") == DA_GRANT_MAX;
}

static enum da_err
parse_session(const struct da_buf *record, struct da_session *ret)
{
	enum da_err err =
	    da_record_get(record, "acr", 0, ret->acr, sizeof(ret->acr));

	if (err == DA_OK)
		err =
		    da_record_get(record, "amr", 0, ret->amr, sizeof(ret->amr));
	if (err == DA_OK)
		err = da_record_get_int(
		    record, "auth_time", 0, INT64_MAX, &ret->auth_time_s);
	if (err == DA_OK)
		err = da_record_get_int(record, "access_expires_at", 0,
		    INT64_MAX, &ret->access_expires_at_s);
	return err;
}

static enum da_err
parse_grant(
    const struct da_buf *record, struct da_grant *ret, int64_t *ret_age_ms)
{
	int64_t made_mono_ms, local, uid;
	enum da_err err = da_record_check(record, VERSION_KEY, "1");

	if (err == DA_OK)
		err = da_record_get_int(
		    record, "made_mono_ms", 0, INT64_MAX, &made_mono_ms);
	if (err == DA_OK)
		err = da_record_get(
		    record, "service", 0, ret->service, sizeof(ret->service));
	if (err == DA_OK)
		err = da_record_get(
		    record, "account", 0, ret->account, sizeof(ret->account));
	if (err == DA_OK)
		err = da_record_get_int(record, "local", 0, 1, &local);
	if (err == DA_OK)
		err = da_record_get(
		    record, "gecos", 0, ret->gecos, sizeof(ret->gecos));
	if (err == DA_OK)
		err = da_record_get(
		    record, "home", 0, ret->home, sizeof(ret->home));
	if (err == DA_OK)
		err = da_record_get(
		    record, "shell", 0, ret->shell, sizeof(ret->shell));
	if (err == DA_OK)
		err =
		    da_record_get(record, "who", 0, ret->who, sizeof(ret->who));
	if (err == DA_OK)
		err = da_record_get_int(
		    record, "account_uid", 0, UINT32_MAX, &uid);
	if (err == DA_OK)
		err = parse_session(record, &ret->session);
	if (err == DA_OK)
		err = da_person_parse(record, &ret->person);
	if (err != DA_OK)
		return DA_E_GRANT;
	ret->local = local != 0;
	ret->uid = (uint32_t)uid;
	ret->session.verified_at_s = ret->person.verified_at_s;
	ret->session.verified_mono_ms = made_mono_ms;
	ret->session.signed_in_mono_ms = made_mono_ms;
	*ret_age_ms = da_clock_mono_ms() - made_mono_ms;
	return DA_OK;
}

/* "file" is a record, or a sealed file with one in front. */
static enum da_err
parse_file(const struct da_host_keys *keys, const char *id,
    const struct da_buf *file, struct da_grant *ret, int64_t *ret_age_ms,
    struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf record;
	DA_CLEANUP(da_buf_done) struct da_buf body;
	bool sealed;
	enum da_err err;

	da_buf_init(&record, DA_RECORD_MAX + DA_SEAL_OVERHEAD);
	da_buf_init(&body, DA_SESSION_BODY_MAX);
	sealed = da_seal_header(file, &record) == DA_OK;
	err = parse_grant(sealed ? &record : file, ret, ret_age_ms);
	if (err == DA_OK && sealed && keys != NULL)
		err = da_unseal(
		    keys, PURPOSE, file, keys->machine.boot_id, &body, diag);
	if (err == DA_OK && body.len > 0)
		err = da_session_parse_tokens(&body, &ret->session);
	if (err == DA_OK)
		memcpy(ret->session.grant, id, sizeof(ret->session.grant));
	return err;
}

static enum da_err
read_file(const struct da_paths *paths, int dir, const char *id,
    struct da_buf *ret, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0600, .size_max = FILE_MAX};

	return da_file_read_at(dir, id, &rule, ret, diag);
}

static enum da_err
open_existing(const struct da_paths *paths, int *ret_dir, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0700};

	return da_file_open_dir(paths->grants_dir, &rule, ret_dir, diag);
}

enum da_err
da_grant_load(const struct da_paths *paths, const struct da_host_keys *keys,
    const char *id, const char *account, const char *service,
    struct da_grant *ret, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	DA_CLEANUP(da_buf_done) struct da_buf file;
	int64_t age_ms = 0;
	enum da_err err;

	da_buf_init(&file, FILE_MAX);
	da_grant_init(ret);
	if (!is_grant_id(id)) {
		da_diag_set(diag, "not the form of a grant");
		return DA_E_GRANT;
	}
	err = open_existing(paths, &dir, diag);
	if (err == DA_OK)
		err = read_file(paths, dir, id, &file, diag);
	if (err == DA_E_ABSENT)
		err = DA_E_GRANT;
	if (err == DA_OK)
		err = parse_file(keys, id, &file, ret, &age_ms, diag);
	if (err == DA_OK &&
	    (age_ms < 0 || age_ms > DA_GRANT_LIFE_S * 1000 ||
		strcmp(ret->account, account) != 0 ||
		strcmp(ret->service, service) != 0))
		err = DA_E_GRANT;
	if (err == DA_E_GRANT)
		da_diag_set(diag, "no such grant for this user and service");
	if (err != DA_OK)
		da_grant_done(ret);
	return err;
}

void
da_grant_take_session(struct da_grant *grant, struct da_session *ret)
{
	const struct da_person *person = &grant->person;

	*ret = grant->session;
	da_session_init(&grant->session);
	ret->uid = grant->uid;
	memcpy(ret->account, grant->account, sizeof(ret->account));
	memcpy(ret->person, person->name, sizeof(ret->person));
	memcpy(ret->who, grant->who, sizeof(ret->who));
	memcpy(ret->profile, person->profile, sizeof(ret->profile));
	memcpy(ret->issuer, person->issuer, sizeof(ret->issuer));
	memcpy(ret->subject, person->subject, sizeof(ret->subject));
	memcpy(ret->service, grant->service, sizeof(ret->service));
}

enum da_err
da_grant_consume(
    const struct da_paths *paths, const char *id, struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	enum da_err err;

	if (!is_grant_id(id))
		return DA_E_GRANT;
	err = open_existing(paths, &dir, diag);
	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_E_GRANT : err;
	if (unlinkat(dir, id, 0) != 0) {
		da_diag_set(diag, "cannot remove the grant: %m");
		return errno == ENOENT ? DA_E_GRANT : DA_E_SYS;
	}
	return DA_OK;
}

/* Whatever is damaged, or of an older release, goes by the file's own age.
 * "file" is what was read. */
static bool
has_expired(
    const struct da_paths *paths, int dir, const char *id, struct da_buf *file)
{
	struct da_grant grant;
	int64_t age_ms = 0;
	enum da_err err = read_file(paths, dir, id, file, NULL);

	da_grant_init(&grant);
	if (err == DA_OK)
		err = parse_file(NULL, id, file, &grant, &age_ms, NULL);
	da_grant_done(&grant);
	if (err == DA_OK)
		return age_ms < 0 || age_ms > DA_GRANT_LIFE_S * 1000;
	return err != DA_E_NOMEM && da_file_is_older(dir, id, DA_GRANT_LIFE_S);
}

static enum da_err
expire(const struct da_paths *paths, const struct da_host_keys *keys, int dir,
    const char *id, da_grant_taker *take, void *context, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf file;
	struct da_grant grant;
	int64_t age_ms = 0;
	enum da_err err;

	da_buf_init(&file, FILE_MAX);
	if (!has_expired(paths, dir, id, &file))
		return DA_OK;
	da_grant_init(&grant);
	err = parse_file(keys, id, &file, &grant, &age_ms, diag);
	if (err != DA_OK)
		err = err == DA_E_NOMEM ||
			!da_file_is_older(dir, id, DA_GRANT_LIFE_S)
		    ? DA_E_IGNORE
		    : DA_OK;
	else if (has_tokens(&grant.session))
		err = take(context, &grant);
	if (err == DA_OK)
		(void)unlinkat(dir, id, 0); /* next time */
	da_grant_done(&grant);
	return err == DA_E_IGNORE ? DA_OK : err;
}

static enum da_err
open_list(const struct da_paths *paths, DIR **ret, struct da_diag *diag)
{
	int dir = -1;
	enum da_err err = open_existing(paths, &dir, diag);

	if (err == DA_OK && (*ret = da_file_list(dir)) == NULL)
		err = DA_E_SYS;
	return err;
}

bool
da_grants_have_expired(const struct da_paths *paths)
{
	DA_CLEANUP(da_file_close_listp) DIR *list = NULL;
	struct dirent *entry;
	bool found = false;

	if (open_list(paths, &list, NULL) != DA_OK)
		return false;
	while (!found && (entry = readdir(list)) != NULL) {
		DA_CLEANUP(da_buf_done) struct da_buf file;

		da_buf_init(&file, FILE_MAX);
		found = is_grant_id(entry->d_name) &&
		    has_expired(paths, dirfd(list), entry->d_name, &file);
	}
	return found;
}

enum da_err
da_grants_expire(const struct da_paths *paths, const struct da_host_keys *keys,
    da_grant_taker *take, void *context, struct da_diag *diag)
{
	DA_CLEANUP(da_file_close_listp) DIR *list = NULL;
	struct dirent *entry;
	enum da_err err = open_list(paths, &list, diag);

	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_OK : err;
	while (err == DA_OK && (entry = readdir(list)) != NULL) {
		const int dir = dirfd(list);

		if (is_grant_id(entry->d_name))
			err = expire(paths, keys, dir, entry->d_name, take,
			    context, diag);
		else if (entry->d_name[0] == '.' &&
		    da_file_is_older(dir, entry->d_name, DA_GRANT_LIFE_S))
			(void)unlinkat(
			    dir, entry->d_name, 0); /* a killed one's */
	}
	return err;
}
