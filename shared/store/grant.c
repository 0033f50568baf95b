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

#define VERSION_KEY "devauth-grant"

void
da_grant_init(struct da_grant *grant)
{
	*grant = (struct da_grant){0};
	da_person_init(&grant->person);
}

void
da_grant_done(struct da_grant *grant)
{
	da_person_done(&grant->person);
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

/* A login that failed after our part leaves its grant behind. */
static void
drop_expired(int dir)
{
	int copy = dup(dir);
	DIR *list = copy >= 0 ? fdopendir(copy) : NULL;
	int64_t now_s = da_clock_wall_s();
	struct dirent *entry;

	if (list == NULL) {
		da_file_closep(&copy);
		return;
	}
	while ((entry = readdir(list)) != NULL) {
		struct stat st;

		if (fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) !=
			0 ||
		    !S_ISREG(st.st_mode))
			continue;
		if (st.st_mtim.tv_sec + DA_GRANT_LIFE_S < now_s)
			(void)unlinkat(dir, entry->d_name, 0); /* next time */
	}
	(void)closedir(list);
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
	return err != DA_OK ? err : da_person_format(&grant->person, ret);
}

enum da_err
da_grant_create(const struct da_paths *paths, const struct da_grant *grant,
    char ret_id[static DA_GRANT_MAX + 1], struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	DA_CLEANUP(da_buf_done) struct da_buf record;
	uint8_t random[DA_GRANT_MAX / 2];
	enum da_err err = open_grants(paths, &dir, diag);

	da_buf_init(&record, DA_RECORD_MAX);
	if (err != DA_OK)
		return err;
	drop_expired(dir);
	err = da_secret_random(random, sizeof(random));
	if (err == DA_OK)
		err = format_grant(grant, &record);
	if (err != DA_OK)
		return err;
	da_text_hex(random, sizeof(random), ret_id);
	return da_file_replace(
	    dir, ret_id, 0600, record.bytes, record.len, diag);
}

static bool
is_grant_id(const char *id)
{
	return strlen(id) == DA_GRANT_MAX &&
	    strspn(id, "0123456789abcdef") == DA_GRANT_MAX;
}

static enum da_err
parse_grant(const struct da_buf *record, struct da_grant *ret)
{
	int64_t made_mono_ms, age_ms, local;
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
		err = da_person_parse(record, &ret->person);
	if (err != DA_OK)
		return DA_E_GRANT;
	ret->local = local != 0;
	age_ms = da_clock_mono_ms() - made_mono_ms;
	return age_ms < 0 || age_ms > DA_GRANT_LIFE_S * 1000 ? DA_E_GRANT
							     : DA_OK;
}

enum da_err
da_grant_load(const struct da_paths *paths, const char *id, const char *account,
    const char *service, struct da_grant *ret, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0600, .size_max = DA_RECORD_MAX};
	DA_CLEANUP(da_buf_done) struct da_buf path;
	DA_CLEANUP(da_buf_done) struct da_buf record;
	enum da_err err;

	da_buf_init(&path, 4096);
	da_buf_init(&record, DA_RECORD_MAX);
	da_grant_init(ret);
	if (!is_grant_id(id)) {
		da_diag_set(diag, "not the form of a grant");
		return DA_E_GRANT;
	}
	err = da_buf_format(&path, "%s/%s", paths->grants_dir, id);
	if (err == DA_OK)
		err = da_file_read(da_buf_text(&path), &rule, &record, diag);
	if (err == DA_E_ABSENT)
		err = DA_E_GRANT;
	if (err == DA_OK)
		err = parse_grant(&record, ret);
	if (err == DA_OK &&
	    (strcmp(ret->account, account) != 0 ||
		strcmp(ret->service, service) != 0))
		err = DA_E_GRANT;
	if (err == DA_E_GRANT)
		da_diag_set(diag, "no such grant for this user and service");
	if (err != DA_OK)
		da_grant_done(ret);
	return err;
}

enum da_err
da_grant_consume(
    const struct da_paths *paths, const char *id, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0700};
	DA_CLEANUP(da_file_closep) int dir = -1;
	enum da_err err;

	if (!is_grant_id(id))
		return DA_E_GRANT;
	err = da_file_open_dir(paths->grants_dir, &rule, &dir, diag);
	if (err != DA_OK)
		return err == DA_E_ABSENT ? DA_E_GRANT : err;
	if (unlinkat(dir, id, 0) != 0) {
		da_diag_set(diag, "cannot remove the grant: %m");
		return errno == ENOENT ? DA_E_GRANT : DA_E_SYS;
	}
	return DA_OK;
}
