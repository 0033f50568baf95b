/* pam_module/messages.c: what a person reads, by what happened and where. */
#include "unit.h"

#include <string.h>

#include "core/attr.h"
#include "core/wire.h"
#include "messages.h"

#define DA_ERR(code, number, pam, level, reason) code,

static const enum da_err all[] = {

#include "core/err.def"
};
#undef DA_ERR

static struct da_wire_request
at(const char *service)
{
	struct da_wire_request request = {.user = "alice"};

	memcpy(request.service, service, strlen(service));
	request.flags = strcmp(service, "sshd") == 0 ? DA_REQUEST_REMOTE : 0;
	return request;
}

static const char *
text_of(
    const char *service, const struct da_wire_result *result, enum da_err err)
{
	static char line[512];
	const struct da_wire_request request = at(service);

	memset(line, '#', sizeof(line));
	da_messages_format(&request, result, err, line, sizeof(line));
	return line;
}

/* Everything at its longest is one whole sentence for PAM's line; only where
 * nobody reads it, or nothing is wrong, there is none. */
static void
test_every_outcome(void **state)
{
	static const char *const services[] = {"sshd", "login", "su", "sudo"};
	struct da_wire_result result = {0};

	(void)state;
	memset(result.who, 'w', DA_CLAIM_MAX);
	memset(result.rule, 'r', DA_DIAG_MAX);
	memset(result.provider, 'p', DA_HOST_MAX);
	memset(result.reason, 'n', DA_DIAG_MAX);
	for (size_t i = 0; i < DA_ARRAY_LEN(all) * 4; i++) {
		enum da_err err = all[i / 4];
		const char *line = text_of(services[i % 4], &result, err);
		bool silent = err == DA_OK || err == DA_E_IGNORE ||
		    err == DA_E_CANCELLED ||
		    (err == DA_E_NO_TERMINAL && i % 4 == 0);

		assert_true(silent == (line[0] == '\0'));
		assert_true(silent || line[strlen(line) - 1] == '.');
		assert_null(strchr(line, '\n'));
		/* Who uses sudo has logged in. */
		if (i % 4 == 3)
			assert_null(strstr(line, "log in"));
	}
}

static void
test_words(void **state)
{
	static const struct {
		const char *service;
		enum da_err err;
		const char *text;
	} rows[] = {
	    {"sshd", DA_E_WRONG_PERSON,
		"bob@example.com may not log in as alice. Sign in at the "
		"provider as the right person and connect again."},
	    {"su", DA_E_WRONG_PERSON,
		"bob@example.com may not log in as alice. Sign in at the "
		"provider as the right person and try again."},
	    {"sudo", DA_E_WRONG_PERSON,
		"sudo refused bob@example.com: it asks for alice. Sign in at "
		"the provider as the right person and try again."},
	    {"login", DA_E_NOT_ALLOWED,
		"bob@example.com may not log in here as alice. Ask your "
		"administrator (rule: allowed_groups)."},
	    {"sudo-i", DA_E_NOT_ALLOWED,
		"sudo refused bob@example.com. Ask your administrator "
		"(rule: allowed_groups)."},
	    {"sshd", DA_E_ACCT_DENIED,
		"alice may not log in here any more. Ask your administrator."},
	    {"sudo", DA_E_ACCT_DENIED,
		"sudo refused alice: not allowed here any more. Ask your "
		"administrator."},
	    {"sudo", DA_E_LIMITED,
		"sudo refused alice. Ask your administrator."},
	    {"sudo", DA_E_EXPIRED,
		"Not approved in time. Try again for a new code."},
	    {"sshd", DA_E_EXPIRED,
		"Not approved in time. Connect again for a new code."},
	    {"su", DA_E_NO_TERMINAL,
		"Signing in takes a terminal, not a pipe. Over SSH, ask for "
		"one: ssh -t."},
	    {"sudo", DA_E_REJECTED,
		"login.example.com does not renew your sign-in any more. Sign "
		"in again; if you cannot, ask your administrator."},
	    {"sshd", DA_E_UNREACHABLE,
		"Cannot reach login.example.com (connection refused). Local "
		"accounts still work."},
	};
	const struct da_wire_result result = {.who = "bob@example.com",
	    .rule = "allowed_groups",
	    .provider = "login.example.com",
	    .reason = "connection refused"};

	(void)state;
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++)
		assert_string_equal(
		    text_of(rows[i].service, &result, rows[i].err),
		    rows[i].text);
}

/* What is refused ahead of a code says nothing about the name. */
static void
test_hopeless_look_alike(void **state)
{
	static const enum da_err hopeless[] = {
	    DA_E_UNKNOWN_USER, DA_E_REMOTE_POLICY, DA_E_LIMITED, DA_E_LOCKED};

	static const char *const services[] = {"sshd", "login", "su", "sudo"};
	const struct da_wire_result result = {0};
	char first[512];

	(void)state;
	for (size_t s = 0; s < DA_ARRAY_LEN(services); s++) {
		memcpy(first, text_of(services[s], &result, hopeless[0]),
		    sizeof(first));
		for (size_t i = 1; i < DA_ARRAY_LEN(hopeless); i++)
			assert_string_equal(
			    text_of(services[s], &result, hopeless[i]), first);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_outcome),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_hopeless_look_alike),
	};

	return cmocka_run_group_tests_name("messages", tests, NULL, NULL);
}
