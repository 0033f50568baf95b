#include "paths_test.h"

#include <stdio.h>

#include "core/paths.h"

/* What the table points at; the table itself is const, as in the product. */
enum {
	CONFIG,
	BROKER,
	WORKER,
	PASSWD,
	GROUP,
	STATE,
	PEOPLE,
	CACHE,
	GRANTS,
	MACHINE_ID,
	COUNT,
};

static char texts[COUNT][160];
static char login_programs[512];

const struct da_paths da_paths = {
    .config_file = texts[CONFIG],
    .broker = texts[BROKER],
    .worker = texts[WORKER],
    .worker_user = "_devauth",
    .passwd_file = texts[PASSWD],
    .group_file = texts[GROUP],
    .state_dir = texts[STATE],
    .people_dir = texts[PEOPLE],
    .cache_dir = texts[CACHE],
    .grants_dir = texts[GRANTS],
    .machine_id_file = texts[MACHINE_ID],
    .login_programs = login_programs,
    .owner = 0,
};

void
test_paths_set(const char *root)
{
	static const char *const names[COUNT] = {
	    [CONFIG] = "devauth.conf",
	    [BROKER] = "devauth-broker",
	    [WORKER] = "devauth-worker",
	    [PASSWD] = "passwd",
	    [GROUP] = "group",
	    [STATE] = "state",
	    [PEOPLE] = "people",
	    [CACHE] = "cache",
	    [GRANTS] = "run/grants",
	    [MACHINE_ID] = "machine-id",
	};

	for (int i = 0; i < COUNT; i++)
		(void)snprintf(
		    texts[i], sizeof(texts[i]), "%s/%s", root, names[i]);
}

void
test_paths_set_login_programs(const char *programs)
{
	(void)snprintf(login_programs, sizeof(login_programs), "%s", programs);
}
