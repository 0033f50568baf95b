/*
 * A PAM application that behaves badly, for what pam_driver and real programs
 * do not do. Prints one line a fact; the tests know what each has to say.
 *
 * usage: hostile_driver MODE MODULE CONFDIR SERVICE USER [ARGUMENT...]
 *
 *   call FLAGS PHASE...   loads MODULE itself, so that the very result of each
 *                         entry point is seen; USER "-" is no user at all
 *   memory PHASE LAST     the same, with the first, second, ... LASTth request
 *                         for memory failing; "memory N CODE"
 *   reload COUNT PHASE... the same COUNT times, loaded and unloaded each time;
 *                         "open" with a grant in the PAM environment
 *   host KIND             authenticates through libpam in a process that uses
 *                         signals, timers and children of its own, and says
 *                         what has changed in it
 *   threads COUNT         as many threads, each with a handle of its own
 *   end                   logs in, with pam_end() in forked children after the
 *                         authentication and, twice, after the session's start
 *   zone BYTES            with a TZ of that length, set after the start
 *   hold                  logs in as far as it gets, then waits for the end of
 *                         its input
 *
 * Every kind of call prints "PHASE CODE". Phases: auth setcred acct open close
 * chauthtok.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_appl.h>
#include <security/pam_modules.h>

#include "core/attr.h"

#define THREADS_MAX 64
#define DESCRIPTORS_MAX 256
#define CHILD_STATUS 42
#define TICK_US 5000
#define RELOAD_PHASES_MAX 4
#define FORGED_GRANT "DEVAUTH_GRANT=00000000000000000000000000000000"

struct target {
	const char *module;
	const char *confdir;
	const char *service;
	const char *user;
};

typedef int
entry_point(pam_handle_t *pamh, int flags, int argc, const char **argv);

struct phase {
	const char *name;
	const char *symbol;
	int flags;
	int (*through_libpam)(pam_handle_t *, int);
};

static const struct phase phases[] = {
    {"auth", "pam_sm_authenticate", 0, pam_authenticate},
    {"setcred", "pam_sm_setcred", PAM_ESTABLISH_CRED, pam_setcred},
    {"acct", "pam_sm_acct_mgmt", 0, pam_acct_mgmt},
    {"open", "pam_sm_open_session", 0, pam_open_session},
    {"close", "pam_sm_close_session", 0, pam_close_session},
    {"chauthtok", "pam_sm_chauthtok", PAM_PRELIM_CHECK, pam_chauthtok},
};

/* Memory that runs out */

static long fail_at; /* 0 = never */
static long asked;
static bool has_failed;

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* The allocator of this whole process: a program's own comes before libc's. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool
runs_out(void)
{
	if (fail_at == 0 || ++asked != fail_at)
		return false;
	has_failed = true;
	errno = ENOMEM;
	return true;
}

DA_EXPORT void *
malloc(size_t size)
{
	return runs_out() ? NULL : __libc_malloc(size);
}

DA_EXPORT void *
calloc(size_t count, size_t size)
{
	return runs_out() ? NULL : __libc_calloc(count, size);
}

DA_EXPORT void *
realloc(void *old, size_t size)
{
	return runs_out() ? NULL : __libc_realloc(old, size);
}

#define HAS_FAILING_MEMORY true
#else
#define HAS_FAILING_MEMORY false
#endif

/* Talking */

static bool quiet;
static bool answers; /* not when somebody is asked who they are */

static void __attribute__((noreturn)) die(const char *what)
{
	(void)fprintf(
	    stderr, "hostile_driver: %s: %s\n", what, strerror(errno));
	exit(2);
}

/* Read without stdio, so that what is typed is nowhere else in memory. */
static char *
read_answer(void)
{
	char line[256];
	size_t used = 0;
	char *answer;

	while (used + 1 < sizeof(line) && read(0, line + used, 1) == 1 &&
	    line[used] != '\n')
		used++;
	line[used] = '\0';
	answer = strdup(line);
	explicit_bzero(line, sizeof(line));
	return answer;
}

static int
converse(int count, const struct pam_message **messages,
    struct pam_response **ret_responses, void *data)
{
	struct pam_response *responses =
	    calloc((size_t)count, sizeof(*responses));

	(void)data;
	if (responses == NULL)
		return PAM_CONV_ERR;
	for (int i = 0; i < count; i++) {
		if (!quiet) {
			(void)printf("says %s\n", messages[i]->msg);
			(void)fflush(stdout);
		}
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_ON && answers)
			responses[i].resp = read_answer();
	}
	*ret_responses = responses;
	return PAM_SUCCESS;
}

static void
print_result(const char *name, int code)
{
	(void)printf("%s %d\n", name, code);
	(void)fflush(stdout);
}

static pam_handle_t *
start(const struct target *target)
{
	static const struct pam_conv conv = {converse, NULL};
	const char *user = strcmp(target->user, "-") == 0 ? NULL : target->user;
	pam_handle_t *pamh = NULL;

	if (pam_start_confdir(target->service, user, &conv, target->confdir,
		&pamh) != PAM_SUCCESS)
		die("pam_start_confdir");
	return pamh;
}

static const struct phase *
find_phase(const char *name)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(phases); i++) {
		if (strcmp(phases[i].name, name) == 0)
			return &phases[i];
	}
	errno = EINVAL;
	die(name);
}

/* call, memory, reload: the entry points without libpam's own opinion */

static void *
load(const struct target *target)
{
	void *module = dlopen(target->module, RTLD_NOW | RTLD_LOCAL);

	if (module == NULL) {
		(void)fprintf(stderr, "%s\n", dlerror());
		exit(2);
	}
	return module;
}

static int
enter(void *module, pam_handle_t *pamh, const char *name, int flags)
{
	const struct phase *phase = find_phase(name);
	entry_point *entry;

	*(void **)&entry = dlsym(module, phase->symbol);
	if (entry == NULL)
		die(phase->symbol);
	return entry(pamh, phase->flags | flags, 0, NULL);
}

static int
run_call(const struct target *target, int count, char **arguments)
{
	int flags = (int)strtol(arguments[0], NULL, 0);
	void *module = load(target);
	pam_handle_t *pamh = start(target);

	for (int i = 1; i < count; i++)
		print_result(
		    arguments[i], enter(module, pamh, arguments[i], flags));
	(void)pam_end(pamh, PAM_SUCCESS);
	return 0;
}

static int
run_memory(const struct target *target, int count, char **arguments)
{
	long last = count > 1 ? strtol(arguments[1], NULL, 0) : 1;
	void *module = load(target);

	quiet = true;
	if (!HAS_FAILING_MEMORY)
		return 77;
	for (long n = 1; n <= last; n++) {
		pam_handle_t *pamh = start(target);
		int code;

		asked = 0;
		has_failed = false;
		fail_at = n;
		code = enter(module, pamh, arguments[0], 0);
		fail_at = 0;
		(void)pam_end(pamh, PAM_SUCCESS);
		if (!has_failed)
			break;
		(void)printf("memory %ld %d\n", n, code);
	}
	(void)printf("requests %ld\n", asked);
	return 0;
}

static size_t
count_descriptors(void)
{
	size_t found = 0;

	for (int fd = 0; fd < DESCRIPTORS_MAX; fd++)
		found += fcntl(fd, F_GETFD) >= 0;
	return found;
}

/* Whether a line of a file in /proc/self holds the text. */
static bool
proc_has(const char *path, const char *text, char *ret_line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool found = false;

	if (file == NULL)
		die(path);
	while (!found && fgets(ret_line, (int)size, file) != NULL)
		found = strstr(ret_line, text) != NULL;
	(void)fclose(file);
	return found;
}

static int
run_reload(const struct target *target, int count, char **arguments)
{
	long rounds = count > 1 ? strtol(arguments[0], NULL, 0) : 1;
	long warm = rounds / 10;
	size_t in_use = 0, descriptors = 0;
	char line[512];
	int codes[RELOAD_PHASES_MAX];

	if (count < 2 || count - 1 > RELOAD_PHASES_MAX)
		die("phases");
	quiet = true;
	for (long round = 0; round < warm + rounds; round++) {
		void *module = load(target);
		pam_handle_t *pamh = start(target);

		for (int i = 0; i < count - 1; i++) {
			const char *phase = arguments[i + 1];
			int got;

			if (strcmp(phase, "open") == 0 &&
			    pam_putenv(pamh, FORGED_GRANT) != PAM_SUCCESS)
				die("pam_putenv");
			got = enter(module, pamh, phase, 0);
			if (round > 0 && got != codes[i])
				(void)printf("differs %d\n", got);
			codes[i] = got;
		}
		(void)pam_end(pamh, PAM_SUCCESS);
		if (dlclose(module) != 0)
			die("dlclose");
		if (round + 1 == warm) {
			in_use = mallinfo2().uordblks;
			descriptors = count_descriptors();
		}
	}
	in_use = mallinfo2().uordblks - in_use;
	for (int i = 0; i < count - 1; i++)
		print_result(arguments[i + 1], codes[i]);
	(void)printf("grown %zd\n", (ssize_t)in_use);
	(void)printf(
	    "descriptors %zd\n", (ssize_t)(count_descriptors() - descriptors));
	if (proc_has("/proc/self/status", "Threads:", line, sizeof(line)))
		(void)fputs(line, stdout);
	(void)printf("mapped %d\n",
	    proc_has("/proc/self/maps", "pam_devauth", line, sizeof(line)));
	return 0;
}

/* host: a process with a life of its own */

static volatile sig_atomic_t ticks, reaped, reaped_strangers, exited_badly;
static volatile pid_t own_child;

static void
on_tick(int signal)
{
	(void)signal;
	ticks++;
}

/* As daemons do it: everything that died, whoever started it. */
static void
on_child(int signal)
{
	int saved = errno, status;
	pid_t pid;

	(void)signal;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != own_child)
			reaped_strangers++;
		else if (!WIFEXITED(status) ||
		    WEXITSTATUS(status) != CHILD_STATUS)
			exited_badly++;
		reaped++;
	}
	errno = saved;
}

struct surroundings {
	struct sigaction actions[NSIG];
	sigset_t mask;
	struct itimerval timers[3];
	struct rlimit limits[RLIM_NLIMITS];
	char targets[DESCRIPTORS_MAX][64]; /* of descriptors; "" = closed */
	char folder[4096];
	char **environment;
	size_t variables;
	mode_t mask_of_files;
	pid_t session, group, foreground;
	uid_t ids[3];
	gid_t gids[3];
	int priority;
};

static void
look_around(struct surroundings *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (int number = 1; number < NSIG; number++)
		(void)sigaction(number, NULL, &ret->actions[number]);
	(void)sigprocmask(SIG_SETMASK, NULL, &ret->mask);
	for (int which = ITIMER_REAL; which <= ITIMER_PROF; which++)
		(void)getitimer((__itimer_which_t)which, &ret->timers[which]);
	for (int which = 0; which < (int)RLIM_NLIMITS; which++)
		(void)getrlimit(
		    (__rlimit_resource_t)which, &ret->limits[which]);
	for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
		char path[64];

		(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, ret->targets[fd],
			sizeof(ret->targets[fd]) - 1) < 0)
			ret->targets[fd][0] = '\0';
	}
	if (getcwd(ret->folder, sizeof(ret->folder)) == NULL)
		die("getcwd");
	ret->environment = environ;
	while (environ[ret->variables] != NULL)
		ret->variables++;
	ret->mask_of_files = umask(0);
	(void)umask(ret->mask_of_files);
	ret->session = getsid(0);
	ret->group = getpgrp();
	ret->foreground = tcgetpgrp(0);
	(void)getresuid(&ret->ids[0], &ret->ids[1], &ret->ids[2]);
	(void)getresgid(&ret->gids[0], &ret->gids[1], &ret->gids[2]);
	ret->priority = getpriority(PRIO_PROCESS, 0);
}

#define SAME(member) (memcmp(&a->member, &b->member, sizeof(a->member)) == 0)

static void
say_if(bool changed, const char *what)
{
	if (changed)
		(void)printf("changed %s\n", what);
}

static void
compare(const struct surroundings *a, const struct surroundings *b)
{
	for (int number = 1; number < NSIG; number++)
		say_if(a->actions[number].sa_handler !=
			    b->actions[number].sa_handler ||
			a->actions[number].sa_flags !=
			    b->actions[number].sa_flags,
		    "disposition");
	say_if(!SAME(mask), "mask");
	for (int which = 0; which < 3; which++)
		say_if(a->timers[which].it_interval.tv_usec !=
			    b->timers[which].it_interval.tv_usec ||
			(a->timers[which].it_value.tv_sec == 0) !=
			    (b->timers[which].it_value.tv_sec == 0),
		    "timer");
	say_if(!SAME(limits), "limits");
	say_if(!SAME(targets), "descriptors");
	say_if(!SAME(folder), "folder");
	say_if(!SAME(environment) || !SAME(variables), "environment");
	say_if(!SAME(mask_of_files), "umask");
	say_if(!SAME(session) || !SAME(group) || !SAME(foreground), "session");
	say_if(!SAME(ids) || !SAME(gids), "ids");
	say_if(!SAME(priority), "priority");
}

static void
handle(int number, void (*handler)(int))
{
	/* Without SA_RESTART: every call of the module is interrupted. */
	const struct sigaction action = {.sa_handler = handler};

	if (sigaction(number, &action, NULL) != 0)
		die("sigaction");
}

/* A child that ends in the middle of the login. */
static void
start_child(void)
{
	const struct timespec pause = {.tv_nsec = 200 * 1000 * 1000};

	own_child = fork();
	if (own_child < 0)
		die("fork");
	if (own_child == 0) {
		(void)nanosleep(&pause, NULL);
		_exit(CHILD_STATUS);
	}
}

static void
await_child(const char *kind)
{
	int status;

	if (strcmp(kind, "reaper") == 0) {
		const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};

		for (int i = 0; reaped == 0 && i < 500; i++)
			(void)nanosleep(&pause, NULL);
		(void)printf("reaped %d strangers %d badly %d\n", (int)reaped,
		    (int)reaped_strangers, (int)exited_badly);
		return;
	}
	if (strcmp(kind, "ignore") == 0) {
		/* The kernel reaps it; waitpid tells when nobody is left. */
		say_if(waitpid(own_child, &status, 0) != -1 || errno != ECHILD,
		    "own child");
		return;
	}
	say_if(waitpid(own_child, &status, 0) != own_child ||
		!WIFEXITED(status) || WEXITSTATUS(status) != CHILD_STATUS,
	    "own child");
	/* And nobody else's is left to reap, of whatever kind. */
	say_if(waitpid(-1, &status, (int)__WALL) != -1 || errno != ECHILD,
	    "children");
}

static int
run_host(const struct target *target, int count, char **arguments)
{
	static struct surroundings before, after;
	const char *kind = count > 0 ? arguments[0] : "";
	const struct itimerval ticking = {{0, TICK_US}, {0, TICK_US}};
	pam_handle_t *pamh = start(target);
	sigset_t all;
	int code;

	(void)umask(027);
	handle(SIGPIPE, SIG_DFL); /* python's children come with it ignored */
	if (strcmp(kind, "ignore") == 0)
		handle(SIGCHLD, SIG_IGN);
	else if (strcmp(kind, "reaper") == 0)
		handle(SIGCHLD, on_child);
	if (strcmp(kind, "ticking") == 0) {
		handle(SIGALRM, on_tick);
		(void)setitimer(ITIMER_REAL, &ticking, NULL);
	} else {
		(void)alarm(600);
	}
	start_child();
	if (strcmp(kind, "block") == 0) {
		(void)sigfillset(&all);
		(void)sigprocmask(SIG_SETMASK, &all, NULL);
	}
	look_around(&before);
	code = pam_authenticate(pamh, 0);
	look_around(&after);
	print_result("auth", code);
	compare(&before, &after);
	(void)printf("ticks %d\n", (int)ticks);
	await_child(kind);
	(void)pam_end(pamh, code);
	return 0;
}

/* threads */

struct thread {
	const struct target *target;
	pthread_barrier_t *all_there;
	pthread_t id;
	int code;
};

static void *
authenticate_in_thread(void *argument)
{
	struct thread *thread = argument;
	pam_handle_t *pamh = start(thread->target);

	(void)pthread_barrier_wait(thread->all_there);
	thread->code = pam_authenticate(pamh, 0);
	(void)pam_end(pamh, thread->code);
	return NULL;
}

static int
run_threads(const struct target *target, int count, char **arguments)
{
	static struct thread threads[THREADS_MAX];
	long number = count > 0 ? strtol(arguments[0], NULL, 0) : 1;
	pthread_barrier_t all_there;

	quiet = true;
	if (number < 1 || number > THREADS_MAX ||
	    pthread_barrier_init(&all_there, NULL, (unsigned int)number) != 0)
		die("threads");
	for (long i = 0; i < number; i++) {
		threads[i] =
		    (struct thread){.target = target, .all_there = &all_there};
		if (pthread_create(&threads[i].id, NULL, authenticate_in_thread,
			&threads[i]) != 0)
			die("pthread_create");
	}
	for (long i = 0; i < number; i++) {
		(void)pthread_join(threads[i].id, NULL);
		print_result("auth", threads[i].code);
	}
	return 0;
}

/* end, zone, hold */

/* As programs do it that fork for the person's command: the child lets go of
 * its copy of the handle. */
static void
end_in_child(pam_handle_t *pamh)
{
	int status = -1;
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (child == 0)
		_exit(pam_end(pamh, PAM_SUCCESS | (int)PAM_DATA_SILENT));
	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	print_result("child", status);
}

static int
run_end(const struct target *target, int count, char **arguments)
{
	pam_handle_t *pamh = start(target);

	(void)count;
	(void)arguments;
	print_result("auth", pam_authenticate(pamh, 0));
	end_in_child(pamh);
	print_result("acct", pam_acct_mgmt(pamh, 0));
	print_result("open", pam_open_session(pamh, 0));
	end_in_child(pamh);
	end_in_child(pamh);
	print_result("end", pam_end(pamh, PAM_SUCCESS | (int)PAM_DATA_SILENT));
	return 0;
}

static int
run_zone(const struct target *target, int count, char **arguments)
{
	size_t size = count > 0 ? strtoul(arguments[0], NULL, 0) : 0;
	char *zone = malloc(size + 1);
	pam_handle_t *pamh = start(target);
	int code;

	if (zone == NULL)
		die("malloc");
	memset(zone, 'A', size);
	zone[size] = '\0';
	if (setenv("TZ", zone, 1) != 0)
		die("setenv");
	code = pam_authenticate(pamh, 0);
	print_result("auth", code);
	say_if(strcmp(getenv("TZ"), zone) != 0, "TZ");
	(void)pam_end(pamh, code);
	free(zone);
	return 0;
}

static int
run_hold(const struct target *target, int count, char **arguments)
{
	static const char *const names[] = {"auth", "acct", "open"};
	pam_handle_t *pamh = start(target);
	int code = PAM_SUCCESS;
	char byte;

	(void)count;
	(void)arguments;
	for (size_t i = 0; i < DA_ARRAY_LEN(names) && code == PAM_SUCCESS;
	     i++) {
		code = find_phase(names[i])->through_libpam(pamh, 0);
		print_result(names[i], code);
	}
	(void)printf("holds\n");
	(void)fflush(stdout);
	while (read(0, &byte, 1) == 1)
		;
	(void)pam_end(pamh, code);
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct target *, int count, char **arguments);
	} modes[] = {
	    {"call", run_call},
	    {"memory", run_memory},
	    {"reload", run_reload},
	    {"host", run_host},
	    {"threads", run_threads},
	    {"end", run_end},
	    {"zone", run_zone},
	    {"hold", run_hold},
	};
	struct target target;

	if (argc < 6)
		return 2;
	target = (struct target){argv[2], argv[3], argv[4], argv[5]};
	answers = strcmp(target.user, "-") != 0;
	/* As sudo and su do; the tests want to know that it worked. */
	(void)printf("locale %s\n", setlocale(LC_ALL, ""));
	(void)fflush(stdout);
	for (size_t i = 0; i < DA_ARRAY_LEN(modes); i++) {
		if (strcmp(argv[1], modes[i].name) == 0)
			return modes[i].run(&target, argc - 6, argv + 6);
	}
	return 2;
}
