/*
 * A PAM application for tests: calls the named phases one after the other with
 * a scripted conversation, and prints what the module shows and returns, one
 * line each, at once:
 *
 *   info TEXT | error TEXT | prompt TEXT | secret TEXT    messages (\n escaped)
 *   PHASE CODE                                            results by number
 *   env NAME=VALUE                                        the PAM environment,
 * at the end
 *
 * usage: pam_driver CONFDIR SERVICE USER [option...] PHASE...
 *   --rhost X, --tty X, --silent, --env NAME=VALUE, --no-conv,
 *   --answer line|null|fail   a prompt waits for a line on standard input
 *                             (default), gets no text, or fails
 *   phases: auth setcred acct open close chauthtok; "wait" prints itself and
 *   waits for a line on standard input
 * Options that start with "title=" are ignored: they end the command line, so
 * that a test can look like the process "NAME [pam]".
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <security/pam_appl.h>

#include "core/attr.h"

enum answer {
	ANSWER_LINE,
	ANSWER_NULL,
	ANSWER_FAIL,
};

static enum answer answer = ANSWER_LINE;

static void
print_line(const char *kind, const char *text)
{
	(void)printf("%s ", kind);
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			(void)fputs("\\n", stdout);
		else
			(void)putchar(*text);
	}
	(void)putchar('\n');
	(void)fflush(stdout);
}

static const char *
kind_of(int style)
{
	switch (style) {
	case PAM_TEXT_INFO:
		return "info";
	case PAM_ERROR_MSG:
		return "error";
	case PAM_PROMPT_ECHO_ON:
		return "prompt";
	default:
		return "secret";
	}
}

static int
converse(int count, const struct pam_message **messages,
    struct pam_response **ret_responses, void *data)
{
	struct pam_response *responses =
	    calloc((size_t)count, sizeof(*responses));
	bool failed = responses == NULL;

	(void)data;
	for (int i = 0; i < count && !failed; i++) {
		int style = messages[i]->msg_style;
		char line[256];

		print_line(kind_of(style), messages[i]->msg);
		if (style != PAM_PROMPT_ECHO_ON && style != PAM_PROMPT_ECHO_OFF)
			continue;
		if (answer == ANSWER_FAIL)
			failed = true;
		else if (answer == ANSWER_LINE) {
			if (fgets(line, sizeof(line), stdin) == NULL)
				failed = true;
			else
				responses[i].resp = strdup(line);
		}
	}
	if (failed) {
		free(responses);
		return PAM_CONV_ERR;
	}
	*ret_responses = responses;
	return PAM_SUCCESS;
}

static int
run_phase(pam_handle_t *pamh, const char *phase, int flags)
{
	static const struct {
		const char *name;
		int (*call)(pam_handle_t *, int);
		int flags;
	} phases[] = {
	    {"auth", pam_authenticate, 0},
	    {"setcred", pam_setcred, PAM_ESTABLISH_CRED},
	    {"acct", pam_acct_mgmt, 0},
	    {"open", pam_open_session, 0},
	    {"close", pam_close_session, 0},
	    {"chauthtok", pam_chauthtok, 0},
	};

	for (size_t i = 0; i < DA_ARRAY_LEN(phases); i++) {
		if (strcmp(phases[i].name, phase) == 0)
			return phases[i].call(pamh, phases[i].flags | flags);
	}
	(void)fprintf(stderr, "no phase %s\n", phase);
	exit(2);
}

/* Options with a value; 0 = not one of them. */
static int
take_option(pam_handle_t *pamh, const char *name, const char *value)
{
	if (strcmp(name, "--rhost") == 0)
		return pam_set_item(pamh, PAM_RHOST, value) == PAM_SUCCESS;
	if (strcmp(name, "--tty") == 0)
		return pam_set_item(pamh, PAM_TTY, value) == PAM_SUCCESS;
	if (strcmp(name, "--env") == 0)
		return pam_putenv(pamh, value) == PAM_SUCCESS;
	if (strcmp(name, "--answer") == 0) {
		answer = strcmp(value, "null") == 0 ? ANSWER_NULL
		    : strcmp(value, "fail") == 0    ? ANSWER_FAIL
						    : ANSWER_LINE;
		return 1;
	}
	return 0;
}

int
main(int argc, char **argv)
{
	struct pam_conv conv = {converse, NULL};
	pam_handle_t *pamh = NULL;
	int flags = 0, last = PAM_SUCCESS;
	char **env;

	if (argc < 4)
		return 2;
	if (pam_start_confdir(argv[2], argv[3], &conv, argv[1], &pamh) !=
	    PAM_SUCCESS)
		return 2;
	for (int i = 4; i < argc; i++) {
		char code[16];

		if (strncmp(argv[i], "title=", 6) == 0)
			continue;
		if (strcmp(argv[i], "wait") == 0) {
			char line[16];

			print_line("wait", "");
			if (fgets(line, sizeof(line), stdin) == NULL)
				return 2;
			continue;
		}
		if (strcmp(argv[i], "--silent") == 0) {
			flags = (int)PAM_SILENT;
			continue;
		}
		if (strcmp(argv[i], "--no-conv") == 0) {
			const struct pam_conv none = {NULL, NULL};

			(void)pam_set_item(pamh, PAM_CONV, &none);
			continue;
		}
		if (i + 1 < argc && take_option(pamh, argv[i], argv[i + 1])) {
			i++;
			continue;
		}
		last = run_phase(pamh, argv[i], flags);
		(void)snprintf(code, sizeof(code), "%d", last);
		print_line(argv[i], code);
	}
	env = pam_getenvlist(pamh);
	for (char **variable = env; env != NULL && *variable != NULL;
	     variable++) {
		print_line("env", *variable);
		free(*variable);
	}
	free(env);
	(void)pam_end(pamh, last);
	return 0;
}
