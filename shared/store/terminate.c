#include "store/terminate.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/limits.h"
#include "core/parse.h"
#include "core/paths.h"
#include "store/machine.h"
#include "store/process.h"

/* The broker may have 64 descriptors. With more processes than this, these are
 * waited for and then the next. */
#define WATCHED_MAX 16
#define SIGNALS_MAX 3
/* Each costs a tenth of a look. */
#define PASSES 8

/* Shells do not heed SIGTERM, daemons not SIGHUP; what is stopped hears neither
 * before it goes on. */
static const int gentle[SIGNALS_MAX] = {SIGHUP, SIGTERM, SIGCONT};
static const int force[SIGNALS_MAX] = {SIGKILL};
static const int none[SIGNALS_MAX];

/* What of an audit session is a session's of ours. */
enum scope {
	WHOLE,
	BELOW_OWNER, /* of su's only what su has started */
	OF_LOGIN,    /* the owner is gone: if the login was of that account */
};

struct sight {
	struct da_process process;
	int32_t parent;
	uint32_t audit;
	uint32_t login_uid;
	bool is_below_owner; /* the owner, or descends from it */
	bool is_ours;        /* we, or what we have started */
	bool has_ended;      /* for certain, when it was looked at last */
};

/* All processes at a time, by pid. */
struct sights {
	struct sight *items;
	size_t count;
	size_t room;
};

struct hunt {
	const struct da_paths *paths;
	const struct da_anchor *anchor;
	uint32_t uid;
	enum scope scope;
	int32_t self;
	struct sights now;
	struct sights before; /* of the look before */
	struct pollfd watched[WATCHED_MAX];
	size_t watched_count;
	size_t alive; /* at the last look */
};

static void
sights_done(struct sights *sights)
{
	free(sights->items);
	*sights = (struct sights){0};
}

static void
hunt_done(struct hunt *hunt)
{
	sights_done(&hunt->now);
	sights_done(&hunt->before);
	for (size_t i = 0; i < hunt->watched_count; i++)
		da_file_closep(&hunt->watched[i].fd);
}

/* --- looking --- */

static enum da_err
add(struct sights *sights, const struct sight *sight)
{
	if (sights->count == sights->room) {
		size_t room = sights->room != 0 ? 2 * sights->room : 256;
		struct sight *items = room <= DA_PROCESSES_MAX
		    ? reallocarray(sights->items, room, sizeof(*items))
		    : NULL;

		if (items == NULL)
			return DA_E_NOMEM;
		sights->items = items;
		sights->room = room;
	}
	sights->items[sights->count++] = *sight;
	return DA_OK;
}

static enum da_err
look(const struct hunt *hunt, int32_t pid, struct sight *ret)
{
	const char *proc_dir = hunt->paths->proc_dir;
	struct sight sight = {0};
	enum da_err err = da_process_look_any(
	    proc_dir, pid, &sight.process, &sight.parent, NULL);

	if (err == DA_OK)
		err =
		    da_process_audit_session(proc_dir, pid, &sight.audit, NULL);
	if (err == DA_OK)
		err =
		    da_process_login_uid(proc_dir, pid, &sight.login_uid, NULL);
	if (err == DA_OK)
		*ret = sight;
	return err;
}

static int
by_pid(const void *a, const void *b)
{
	const struct sight *one = a, *other = b;

	return (one->process.pid > other->process.pid) -
	    (one->process.pid < other->process.pid);
}

static const struct sight *
find(const struct sights *sights, int32_t pid)
{
	const struct sight key = {.process = {.pid = pid}};

	return sights->count == 0 ? NULL
				  : bsearch(&key, sights->items, sights->count,
					sizeof(*sights->items), by_pid);
}

/* What is known of a process by itself, and from the look before: whose parent
 * has ended meanwhile still belongs where it did. */
static void
mark_one(const struct hunt *hunt, struct sight *sight)
{
	const struct da_process *process = &sight->process;
	const struct da_process *owner = &hunt->anchor->owner;
	const struct sight *before = find(&hunt->before, process->pid);

	sight->is_ours = process->pid == hunt->self;
	sight->is_below_owner = process->pid == owner->pid &&
	    process->start_ticks == owner->start_ticks;
	if (before != NULL &&
	    before->process.start_ticks == process->start_ticks) {
		sight->is_ours |= before->is_ours;
		sight->is_below_owner |= before->is_below_owner;
		sight->has_ended = before->has_ended;
	}
}

static bool
inherit(const struct hunt *hunt, struct sight *sight)
{
	const struct sight *parent = find(&hunt->now, sight->parent);
	const struct sight old = *sight;

	/* Younger than its child: the number has come again since. */
	if (parent == NULL ||
	    parent->process.start_ticks > sight->process.start_ticks)
		return false;
	sight->is_ours |= parent->is_ours;
	sight->is_below_owner |= parent->is_below_owner;
	return sight->is_ours != old.is_ours ||
	    sight->is_below_owner != old.is_below_owner;
}

static void
mark(struct hunt *hunt)
{
	bool changed = true;

	for (size_t i = 0; i < hunt->now.count; i++)
		mark_one(hunt, &hunt->now.items[i]);
	/* Children most often have the higher numbers: two rounds. */
	while (changed) {
		changed = false;
		for (size_t i = 0; i < hunt->now.count; i++)
			changed |= inherit(hunt, &hunt->now.items[i]);
	}
}

/* All processes, marked. */
static enum da_err
look_around(struct hunt *hunt, struct da_diag *diag)
{
	DA_CLEANUP(da_file_close_listp)
	DIR *list = opendir(hunt->paths->proc_dir);
	struct dirent *found;
	enum da_err err = DA_OK;

	if (list == NULL) {
		da_diag_set(diag, "%s: %m", hunt->paths->proc_dir);
		return DA_E_SYS;
	}
	sights_done(&hunt->before);
	hunt->before = hunt->now;
	hunt->now = (struct sights){0};
	while (err == DA_OK && (found = readdir(list)) != NULL) {
		struct sight sight;
		int64_t pid;

		/* The others have ended meanwhile. */
		if (da_parse_int(found->d_name, 1, INT32_MAX, &pid) == DA_OK &&
		    look(hunt, (int32_t)pid, &sight) == DA_OK)
			err = add(&hunt->now, &sight);
	}
	if (err != DA_OK) {
		da_diag_set(diag, "too many processes");
		return err;
	}
	if (hunt->now.count > 0)
		qsort(hunt->now.items, hunt->now.count,
		    sizeof(*hunt->now.items), by_pid);
	mark(hunt);
	return DA_OK;
}

/* Below the owner there may be an audit session of its own: login's, cron's. */
static bool
is_prey(const struct hunt *hunt, const struct sight *sight)
{
	if (sight->process.pid == 1 || sight->is_ours ||
	    sight->audit != hunt->anchor->audit)
		return false;
	switch (hunt->scope) {
	case WHOLE:
		return true;
	case BELOW_OWNER:
		return sight->is_below_owner;
	case OF_LOGIN:
		return sight->login_uid == hunt->uid;
	}
	return false;
}

/* Whose is the audit session? su makes none, and hangs on that of whoever
 * called it; so does a daemon that somebody has started by hand, with all
 * logins that it takes where pam_loginuid is missing. */
static enum da_err
choose_scope(struct hunt *hunt, struct da_diag *diag)
{
	const struct da_anchor *anchor = hunt->anchor;
	struct sight owner, parent;

	if (!da_process_lives(hunt->paths->proc_dir, &anchor->owner) ||
	    look(hunt, anchor->owner.pid, &owner) != DA_OK) {
		da_diag_set(diag,
		    "the login's process has ended, and the kernel knows no "
		    "session: what it has left running cannot be told");
		hunt->scope = OF_LOGIN;
		return anchor->audit == DA_AUDIT_NONE ? DA_E_ABSENT : DA_OK;
	}
	hunt->scope = anchor->audit == DA_AUDIT_NONE ||
		owner.login_uid != hunt->uid ||
		(look(hunt, owner.parent, &parent) == DA_OK &&
		    parent.audit == anchor->audit)
	    ? BELOW_OWNER
	    : WHOLE;
	return DA_OK;
}

/* --- signalling --- */

static bool
has_ended(int pidfd)
{
	struct pollfd poller = {.fd = pidfd, .events = POLLIN};

	return poll(&poller, 1, 0) > 0;
}

/* What /proc says after the descriptor was opened is about the process that it
 * means, or about one that has its number since it ended. */
static bool
is_the_same(const struct hunt *hunt, const struct sight *sight)
{
	struct sight now;

	return look(hunt, sight->process.pid, &now) == DA_OK &&
	    now.process.start_ticks == sight->process.start_ticks &&
	    now.audit == sight->audit;
}

static enum da_err
complain(const struct sight *sight, struct da_diag *diag)
{
	da_diag_set(diag, "cannot end process %d: %m", (int)sight->process.pid);
	return DA_E_SYS;
}

/* Who has ended since the look before may have started another, which this look
 * came too early for: only what is still as dead as then is the end. */
static void
note_end(struct hunt *hunt, struct sight *sight)
{
	if (!sight->has_ended)
		hunt->alive++;
	sight->has_ended = true;
}

static enum da_err
strike(struct hunt *hunt, struct sight *sight,
    const int signals[static SIGNALS_MAX], struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int fd = pidfd_open(sight->process.pid, 0);
	/* Or the number is that of a thread by now. */
	const bool is_gone =
	    fd < 0 && (errno == ESRCH || errno == EINVAL || errno == ENOENT);
	bool is_same;

	if (fd < 0 && !is_gone)
		return complain(sight, diag);
	is_same = !is_gone && is_the_same(hunt, sight);
	if (is_gone || has_ended(fd))
		note_end(hunt, sight);
	if (!is_same || sight->has_ended)
		return DA_OK;
	hunt->alive++;
	for (size_t i = 0; i < SIGNALS_MAX && signals[i] != 0; i++) {
		if (pidfd_send_signal(fd, signals[i], NULL, 0) != 0 &&
		    errno != ESRCH)
			return complain(sight, diag);
	}
	if (hunt->watched_count < WATCHED_MAX) {
		hunt->watched[hunt->watched_count++] =
		    (struct pollfd){.fd = fd, .events = POLLIN};
		fd = -1;
	}
	return DA_OK;
}

/* One look, and the signals to all of the session that it finds. */
static enum da_err
strike_all(struct hunt *hunt, const int signals[static SIGNALS_MAX],
    struct da_diag *diag)
{
	enum da_err err = look_around(hunt, diag);

	if (err != DA_OK)
		return err;
	hunt->alive = 0;
	for (size_t i = 0; i < hunt->now.count; i++) {
		struct sight *sight = &hunt->now.items[i];
		enum da_err struck = is_prey(hunt, sight)
		    ? strike(hunt, sight, signals, err == DA_OK ? diag : NULL)
		    : DA_OK;

		err = err == DA_OK ? struck : err;
	}
	return err;
}

/* Ends a process that is in the session now. Who it is counts from when the
 * descriptor was opened. */
static void
strike_now(const struct hunt *hunt, int32_t pid)
{
	DA_CLEANUP(da_file_closep) int fd = pidfd_open(pid, 0);
	const struct sight *known = find(&hunt->now, pid), *parent;
	struct sight sight;

	if (fd < 0 || look(hunt, pid, &sight) != DA_OK)
		return;
	parent = find(&hunt->now, sight.parent);
	sight.is_ours = pid == hunt->self ||
	    (known != NULL && known->is_ours) ||
	    (parent != NULL && parent->is_ours);
	if (is_prey(hunt, &sight) && !has_ended(fd))
		/* Who is left is told of at the next look. */
		(void)pidfd_send_signal(fd, SIGKILL, NULL, 0);
}

/* Whoever keeps becoming another process is a process further by the time that
 * all have been looked at; here each is struck as it is met. Only where the
 * kernel's session alone says who is meant: ancestors would take a look. */
static void
strike_in_passing(const struct hunt *hunt)
{
	DA_CLEANUP(da_file_close_listp)
	DIR *list =
	    hunt->scope != BELOW_OWNER ? opendir(hunt->paths->proc_dir) : NULL;
	struct dirent *found;

	while (list != NULL && (found = readdir(list)) != NULL) {
		uint32_t audit;
		int64_t pid;

		if (da_parse_int(found->d_name, 1, INT32_MAX, &pid) == DA_OK &&
		    da_process_audit_session(hunt->paths->proc_dir,
			(int32_t)pid, &audit, NULL) == DA_OK &&
		    audit == hunt->anchor->audit)
			strike_now(hunt, (int32_t)pid);
	}
}

/* Until those that are watched have ended, or until then. */
static void
wait_for_ends(struct hunt *hunt, int64_t until_mono_ms)
{
	size_t left = hunt->watched_count;
	int64_t now;

	while (left > 0 && (now = da_clock_mono_ms()) < until_mono_ms) {
		if (poll(hunt->watched, hunt->watched_count,
			(int)(until_mono_ms - now)) < 0)
			continue; /* interrupted */
		for (size_t i = 0; i < hunt->watched_count; i++) {
			if (hunt->watched[i].revents != 0) {
				da_file_closep(&hunt->watched[i].fd);
				hunt->watched[i].revents = 0;
				left--;
			}
		}
	}
	for (size_t i = 0; i < hunt->watched_count; i++)
		da_file_closep(&hunt->watched[i].fd);
	hunt->watched_count = 0;
}

/* Signals once "first", then "then" at each further look, until there is nobody
 * left to be signalled, or the time is over. */
static enum da_err
drive(struct hunt *hunt, const int first[static SIGNALS_MAX],
    const int then[static SIGNALS_MAX], struct da_diag *diag)
{
	int64_t until = da_clock_mono_ms() + DA_SESSION_TERMINATE_MS;
	enum da_err err = strike_all(hunt, first, diag);

	while (err == DA_OK && hunt->alive > 0 && da_clock_mono_ms() < until) {
		wait_for_ends(hunt, until);
		for (int i = 0; then == force && i < PASSES; i++)
			strike_in_passing(hunt);
		err = strike_all(hunt, then, diag);
	}
	return err;
}

enum da_err
da_session_terminate(const struct da_paths *paths,
    const struct da_session *session, struct da_diag *diag)
{
	DA_CLEANUP(hunt_done)
	struct hunt hunt = {.paths = paths,
	    .anchor = &session->anchor,
	    .uid = session->uid,
	    .self = getpid()};
	struct da_machine machine;
	enum da_err err = da_machine_read(paths, &machine, diag);

	if (err != DA_OK || strcmp(machine.boot_id, session->boot_id) != 0)
		return err;
	err = choose_scope(&hunt, diag);
	if (err != DA_OK)
		return err;
	err = drive(&hunt, gentle, none, diag);
	/* Who cannot be told may still be made to. */
	if (hunt.alive > 0 || err != DA_OK)
		err = drive(&hunt, force, force, diag);
	if (err == DA_OK && hunt.alive > 0) {
		da_diag_set(diag, "%zu of the session's processes do not end",
		    hunt.alive);
		err = DA_E_TIMEOUT;
	}
	return err;
}
