/*
 * Provisional answers. Nothing about people is kept: each answer is computed
 * from the name, and is the same in every process that may have it. So there is
 * no list that strangers could fill; what they can cause besides, requests and
 * codes, the broker bounds (store/limits.h).
 *
 * Answered: the person by name, the private group by name. By number as well
 * when the policy lists the names that can succeed: then there are few to try.
 * Otherwise not, because a number cannot be turned back into a name, and what
 * one process would remember, the next one of the same login would not know.
 * sshd asks for the group by number when AllowGroups, DenyGroups or Match Group
 * are set, and lets nobody in who "is not in any group". No other groups: which
 * claims somebody will have is not known yet.
 *
 * MUST: (1) give strangers no name or number that anybody has, here or
 * locally, removed people included; (2) tell only root's own login programs, so
 * that nobody else can find out who may log in; (3) be looked at only when the
 * databases do not know the name.
 */
#include "account/stranger.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "account/local.h"
#include "account/record.h"
#include "core/paths.h"

/* Longer than any of the paths that would match. */
#define EXE_ROOM 256

/* What may_ask() has found out. It stays true as long as the process executes
 * the same file, and what it executes next has no memory of this. Threads that
 * ask together find the same. */
enum verdict {
	NO,
	YES,
	UNKNOWN,
};

static _Atomic enum verdict verdict = UNKNOWN;

static enum verdict
look_at_program(const struct da_paths *paths)
{
	char exe[EXE_ROOM];
	ssize_t len;
	const char *line = paths->login_programs;

	/* A process that was not started as root has no business here, even if
	 * it is root by now. */
	if (getauxval(AT_EUID) != 0)
		return NO;
	len = readlink("/proc/self/exe", exe, sizeof(exe));
	if (len <= 0)
		return UNKNOWN;
	for (; *line != '\0'; line += *line == '\n') {
		const char *end = line;

		while (*end != '\0' && *end != '\n')
			end++;
		if (end - line == len && memcmp(line, exe, (size_t)len) == 0)
			return YES;
		line = end;
	}
	return NO;
}

bool
da_stranger_may_ask(const struct da_paths *paths)
{
	enum verdict found = atomic_load(&verdict);

	if (found == UNKNOWN) {
		found = look_at_program(paths);
		atomic_store(&verdict, found);
	}
	/* sshd's children give up being root one after the other. */
	return found == YES && geteuid() == 0;
}

/* Takes the next name of a list that is separated by spaces. */
static bool
next_name(const char **at, const char **ret_name, size_t *ret_len)
{
	while (**at == ' ')
		++*at;
	*ret_name = *at;
	while (**at != '\0' && **at != ' ')
		++*at;
	*ret_len = (size_t)(*at - *ret_name);
	return *ret_len > 0;
}

static bool
list_has(const char *list, const char *name, size_t name_len)
{
	const char *other;
	size_t len;

	while (next_name(&list, &other, &len)) {
		if (len == name_len && memcmp(other, name, len) == 0)
			return true;
	}
	return false;
}

/* Appends bytes to what is in the buffer; false when they do not fit. */
static bool
append(char *buffer, size_t size, size_t *used, const char *text, size_t len)
{
	if (len > size - *used)
		return false;
	memcpy(buffer + *used, text, len);
	*used += len;
	return true;
}

/* Writes the home: the template with each %u replaced by the name. */
static bool
append_home(char *buffer, size_t size, size_t *used, const char *template,
    const char *name, size_t name_len)
{
	for (const char *at = template; *at != '\0'; at++) {
		bool fits;

		if (at[0] == '%' && at[1] == 'u') {
			fits = append(buffer, size, used, name, name_len);
			at++;
		} else {
			fits = append(buffer, size, used, at, 1);
		}
		if (!fits)
			return false;
	}
	return append(buffer, size, used, "", 1);
}

static enum da_err
give_stranger(const struct da_record_policy *policy, const char *name,
    size_t name_len, uint32_t uid, char *buffer, size_t size,
    struct da_account *ret)
{
	size_t used = 0, home, shell;

	/* The empty gecos is the NUL of the name. */
	if (!append(buffer, size, &used, name, name_len + 1))
		return DA_E_RANGE;
	home = used;
	if (!append_home(buffer, size, &used, policy->home, name, name_len))
		return DA_E_RANGE;
	if (!da_record_is_path(buffer + home, used - home - 1))
		return DA_E_ABSENT;
	shell = used;
	if (!append(buffer, size, &used, policy->shell,
		(size_t)policy->shell_len + 1))
		return DA_E_RANGE;
	*ret = (struct da_account){
	    .name = buffer,
	    .gecos = buffer + name_len,
	    .home = buffer + home,
	    .shell = buffer + shell,
	    .uid = uid,
	    .gid = uid,
	};
	return DA_OK;
}

/* The policy, if it lets anybody in for the first time. */
static bool
read_policy(const struct da_view *view, struct da_record_policy *ret)
{
	struct da_cell cell;

	return da_database_find(
		   &view->accounts, DA_KIND_POLICY, "", 0, &cell) &&
	    da_record_read_policy(&cell, ret) && ret->first_login;
}

enum da_err
da_stranger_find(const struct da_view *view, const struct da_paths *paths,
    const char *name, bool ask, char *buffer, size_t size,
    struct da_account *ret)
{
	struct da_record_policy policy;
	struct da_local local = {0};
	size_t len;
	uint32_t uid;
	enum da_err err;

	if (ask && !da_stranger_may_ask(paths))
		return DA_E_ABSENT;
	len = da_account_name_measure(name);
	if (len == 0 || da_account_name_is_reserved(name) ||
	    !read_policy(view, &policy) ||
	    (policy.allowed_len > 0 && !list_has(policy.allowed, name, len)))
		return DA_E_ABSENT;
	uid = da_account_uid_hash(name);
	if (da_database_knows(&view->accounts, name, len, uid) ||
	    da_database_knows(&view->directory, name, len, uid))
		return DA_E_ABSENT;
	err = da_local_find(paths, name, uid, &local);
	if (err != DA_OK)
		return err;
	if (local.passwd_name || local.passwd_id || local.group_name ||
	    local.group_id)
		return DA_E_ABSENT;
	return give_stranger(&policy, name, len, uid, buffer, size, ret);
}

enum da_err
da_stranger_find_id(const struct da_view *view, const struct da_paths *paths,
    uint32_t id, bool ask, char *buffer, size_t size, struct da_account *ret)
{
	struct da_record_policy policy;
	const char *at, *listed;
	char name[DA_USER_MAX + 1];
	size_t len;

	if (id < DA_ACCOUNT_UID_MIN || id > DA_ACCOUNT_UID_MAX ||
	    (ask && !da_stranger_may_ask(paths)) || !read_policy(view, &policy))
		return DA_E_ABSENT;
	at = policy.allowed;
	while (next_name(&at, &listed, &len)) {
		if (len > DA_USER_MAX ||
		    !da_account_name_is_wellformed(listed, len))
			continue;
		memcpy(name, listed, len);
		name[len] = '\0';
		if (da_account_uid_hash(name) == id)
			return da_stranger_find(
			    view, paths, name, ask, buffer, size, ret);
	}
	return DA_E_ABSENT;
}

enum da_err
da_account_find(const struct da_paths *paths, const char *name,
    bool provisional, char *buffer, size_t size, struct da_account *ret,
    bool *ret_provisional)
{
	struct da_view view;
	bool is_stranger = false;
	enum da_err err = da_view_open(paths, &view);

	if (err != DA_OK)
		return err;
	err = da_local_is_managed(&view, name)
	    ? da_local_find_account(paths, name, buffer, size, ret)
	    : DA_E_ABSENT;
	if (err == DA_E_ABSENT)
		err = da_reader_find_name(&view, name, buffer, size, ret);
	if (err == DA_E_ABSENT && provisional) {
		is_stranger = true;
		err = da_stranger_find(
		    &view, paths, name, /* ask= */ false, buffer, size, ret);
	}
	da_view_close(&view);
	if (err == DA_OK)
		*ret_provisional = is_stranger;
	return err;
}
