/*
 * People, as libc asks for them: passwd in nsswitch.conf.
 *
 * Any thread of any process calls this, also after fork, in a signal handler,
 * in a chroot, without free descriptors, with a tiny stack.
 * MUST: (1) keep errno unless the status says why not; (2) put every string
 * into the caller's buffer; (3) answer pw_passwd "*", never "x" or "": pam_unix
 * would look for a shadow entry, or let everybody in; (4) leave no lock, no
 * descriptor, no memory behind but the view and the cursor.
 */
#include "nss_devauth.h"

#include <errno.h>
#include <string.h>

#include "account/snapshot.h"
#include "account/stranger.h"
#include "core/paths.h"

static struct da_nss_cursor cursor;

static void
fill(struct passwd *result, char *buffer, const struct da_account *account)
{
	memcpy(buffer, DA_NSS_PASSWD, sizeof(DA_NSS_PASSWD));
	*result = (struct passwd){
	    .pw_name = account->name,
	    .pw_passwd = buffer,
	    .pw_uid = account->uid,
	    .pw_gid = account->gid,
	    .pw_gecos = account->gecos,
	    .pw_dir = account->home,
	    .pw_shell = account->shell,
	};
}

enum nss_status
_nss_devauth_getpwnam_r(const char *name, struct passwd *result, char *buffer,
    size_t size, int *errnop)
{
	int saved = errno;
	DA_UNSET struct da_snapshot snapshot;
	struct da_account account;
	char *rest = da_nss_behind_passwd(buffer, &size);
	enum da_err err = da_snapshot_acquire(&da_paths, &snapshot);

	if (err != DA_OK)
		return da_nss_status(err, saved, errnop);
	err = da_reader_find_name(snapshot.view, name, rest, size, &account);
	if (err == DA_E_ABSENT)
		err = da_stranger_find(snapshot.view, &da_paths, name,
		    /* ask= */ true, rest, size, &account);
	da_snapshot_release(&snapshot);
	if (err == DA_OK)
		fill(result, buffer, &account);
	return da_nss_status(err, saved, errnop);
}

enum nss_status
_nss_devauth_getpwuid_r(
    uid_t uid, struct passwd *result, char *buffer, size_t size, int *errnop)
{
	int saved = errno;
	DA_UNSET struct da_snapshot snapshot;
	struct da_account account;
	char *rest = da_nss_behind_passwd(buffer, &size);
	enum da_err err = da_snapshot_acquire(&da_paths, &snapshot);

	if (err != DA_OK)
		return da_nss_status(err, saved, errnop);
	err = da_reader_find_uid(snapshot.view, uid, rest, size, &account);
	if (err == DA_E_ABSENT)
		err = da_stranger_find_id(snapshot.view, &da_paths, uid,
		    /* ask= */ true, rest, size, &account);
	da_snapshot_release(&snapshot);
	if (err == DA_OK)
		fill(result, buffer, &account);
	return da_nss_status(err, saved, errnop);
}

enum nss_status
_nss_devauth_setpwent(int stay_open)
{
	(void)stay_open; /* nothing to keep between calls but the cursor */
	return da_nss_cursor_reset(&cursor);
}

enum nss_status
_nss_devauth_endpwent(void)
{
	return da_nss_cursor_reset(&cursor);
}

static DA_APART enum nss_status
list_next(struct passwd *result, char *buffer, size_t size, int *errnop)
{
	struct da_account account;
	char *rest = da_nss_behind_passwd(buffer, &size);
	enum nss_status status = da_nss_cursor_begin(&cursor, errnop);
	enum da_err err;

	if (status != NSS_STATUS_SUCCESS)
		return status;
	err = da_reader_next_person(&cursor.walk, rest, size, &account);
	da_nss_cursor_give(&cursor);
	if (err != DA_OK)
		return da_nss_status(err, errno, errnop);
	fill(result, buffer, &account);
	return status;
}

DA_FLAT enum nss_status
_nss_devauth_getpwent_r(
    struct passwd *result, char *buffer, size_t size, int *errnop)
{
	DA_UNSET struct da_account account;
	const size_t taken = sizeof(DA_NSS_PASSWD);
	bool found;

	if (!da_nss_cursor_try(&cursor))
		return list_next(result, buffer, size, errnop);
	found = cursor.open && size >= taken + DA_READER_SHORT &&
	    da_reader_try_next_person(&cursor.walk, buffer + taken, &account);
	da_nss_cursor_give(&cursor);
	if (!found)
		return list_next(result, buffer, size, errnop);
	fill(result, buffer, &account);
	return NSS_STATUS_SUCCESS;
}
