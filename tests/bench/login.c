/*
 * A login as a host program sees it, with a stop-watch: authenticate,
 * acct_mgmt, setcred, open_session, close_session. Prints:
 *
 *   message TEXT       what the module shows, newlines as blanks
 *   prompt             a line from standard input is the answer
 *   PHASE CODE WALL_US OWN_CPU_US OTHERS_CPU_US OTHERS_PEAK_KB
 *   shown US           from the start to the first message
 *   entered US         from the last answer to the end of authenticate
 *   ended US           wall clock at the end of authenticate
 *   broker KB          its peak when the last answer was there
 *   growth KB          of this process's RSS from before pam_start() on
 *
 * The others are the processes that the module has started. They are nobody's
 * children; as the subreaper this process inherits the broker, and wait4()
 * tells about it and about its worker.
 *
 * usage: bench_login CONFDIR SERVICE USER TITLE
 * TITLE ends the command line: "sshd: alice [pam]" makes the module take us for
 * sshd's keyboard-interactive conversation, which needs no terminal.
 */
#include "memory.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include <security/pam_appl.h>

#include "core/attr.h"

static struct {
	int64_t shown_us;
	int64_t entered_us;
	long broker_kb;
} seen;

static int64_t
now_us(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The peak of the only child, which is the broker. */
static long
broker_peak_kb(void)
{
	char path[64], text[8192];

	(void)snprintf(
	    path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	read_text(path, text, sizeof(text));
	(void)snprintf(
	    path, sizeof(path), "/proc/%ld/status", strtol(text, NULL, 10));
	read_text(path, text, sizeof(text));
	return find_number(text, "\nVmHWM:");
}

static void
show(const char *text)
{
	(void)fputs("message ", stdout);
	for (; *text != '\0'; text++)
		(void)putchar(*text == '\n' ? ' ' : *text);
	(void)putchar('\n');
}

static char *
ask(void)
{
	char line[256];

	(void)puts("prompt");
	(void)fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	seen.broker_kb = broker_peak_kb();
	seen.entered_us = now_us(CLOCK_MONOTONIC);
	return strdup(line);
}

static int
converse(int count, const struct pam_message **messages,
    struct pam_response **ret_responses, void *data)
{
	struct pam_response *responses =
	    calloc((size_t)count, sizeof(*responses));

	(void)data;
	if (responses == NULL)
		return PAM_BUF_ERR;
	if (seen.shown_us == 0)
		seen.shown_us = now_us(CLOCK_MONOTONIC);
	for (int i = 0; i < count; i++) {
		int style = messages[i]->msg_style;

		show(messages[i]->msg);
		if (style == PAM_PROMPT_ECHO_ON || style == PAM_PROMPT_ECHO_OFF)
			responses[i].resp = ask();
	}
	*ret_responses = responses;
	return PAM_SUCCESS;
}

static int64_t
cpu_us(int who)
{
	struct rusage usage;

	(void)getrusage(who, &usage);
	return ((int64_t)usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
	    1000000 +
	    usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

/* Waits for all that the phase has started; the largest peak of it. */
static long
reap(void)
{
	struct rusage usage;
	long peak_kb = 0;

	while (wait4(-1, NULL, __WALL, &usage) > 0) {
		if (usage.ru_maxrss > peak_kb)
			peak_kb = usage.ru_maxrss;
	}
	return peak_kb;
}

static int
run_phase(pam_handle_t *pamh, const char *name,
    int (*call)(pam_handle_t *, int), int flags)
{
	int64_t own_us = cpu_us(RUSAGE_SELF);
	int64_t others_us = cpu_us(RUSAGE_CHILDREN);
	int64_t start_us = now_us(CLOCK_MONOTONIC);
	int code = call(pamh, flags);
	int64_t end_us = now_us(CLOCK_MONOTONIC);
	long peak_kb;

	own_us = cpu_us(RUSAGE_SELF) - own_us;
	if (call == pam_authenticate)
		(void)printf("ended %lld\n", (long long)now_us(CLOCK_REALTIME));
	if (call == pam_authenticate && seen.shown_us != 0)
		(void)printf(
		    "shown %lld\n", (long long)(seen.shown_us - start_us));
	if (call == pam_authenticate && seen.entered_us != 0)
		(void)printf("entered %lld\nbroker %ld\n",
		    (long long)(end_us - seen.entered_us), seen.broker_kb);
	peak_kb = reap();
	others_us = cpu_us(RUSAGE_CHILDREN) - others_us;
	(void)printf("%s %d %lld %lld %lld %ld\n", name, code,
	    (long long)(end_us - start_us), (long long)own_us,
	    (long long)others_us, peak_kb);
	return code;
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*call)(pam_handle_t *, int);
		int flags;
	} phases[] = {
	    {"authenticate", pam_authenticate, 0},
	    {"acct_mgmt", pam_acct_mgmt, 0},
	    {"setcred", pam_setcred, PAM_ESTABLISH_CRED},
	    {"open_session", pam_open_session, 0},
	    {"close_session", pam_close_session, 0},
	};
	const struct pam_conv conv = {converse, NULL};
	pam_handle_t *pamh = NULL;
	int code = PAM_SUCCESS;
	long rss_kb;

	if (argc != 5 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
		return 2;
	(void)printf("%s", "");
	map_what_is_loaded();
	(void)measure_memory();
	rss_kb = measure_memory().rss_kb;
	if (pam_start_confdir(argv[2], argv[3], &conv, argv[1], &pamh) !=
		PAM_SUCCESS ||
	    pam_set_item(pamh, PAM_TTY, "ssh") != PAM_SUCCESS ||
	    pam_set_item(pamh, PAM_RHOST, "192.0.2.1") != PAM_SUCCESS)
		return 2;
	for (size_t i = 0; i < DA_ARRAY_LEN(phases) && code == PAM_SUCCESS; i++)
		code = run_phase(
		    pamh, phases[i].name, phases[i].call, phases[i].flags);
	(void)printf("growth %ld\n", measure_memory().rss_kb - rss_kb);
	(void)pam_end(pamh, code);
	return code == PAM_SUCCESS ? 0 : 1;
}
