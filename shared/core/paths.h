/*
 * Every absolute path and trusted name that devauth uses, in one place and
 * compiled in: nothing reads them from the environment. Tests link their own
 * copy of this table instead (tests/support).
 */
#ifndef DA_CORE_PATHS_H
#define DA_CORE_PATHS_H

#include <sys/types.h>

struct da_paths {
	const char *config_file;
	const char *broker;       /* executable */
	const char *worker;       /* executable */
	const char *worker_user;  /* in /etc/passwd, never root */
	const char *passwd_file;  /* local accounts */
	const char *group_file;   /* local groups */
	const char *state_dir;    /* accounts.cdb, directory.cdb, generation */
	const char *people_dir;   /* private state, 0700 */
	const char *cache_dir;    /* metadata of providers, 0700 */
	const char *grants_dir;   /* 0700, on tmpfs */
	const char *limits_file;  /* 0600, on tmpfs */
	const char *keys_dir;     /* the host's secret and key, 0700 */
	const char *tokens_dir;   /* sessions with their sealed tokens, 0700 */
	const char *sessions_dir; /* what is true of them this boot; tmpfs */
	const char *marks_dir;    /* for people_dir, 0700, on tmpfs */
	const char *machine_id_file;
	const char *product_uuid_file;
	const char *proc_dir;
	const char
	    *login_programs; /* may see a never-seen person; by newlines */
	uid_t owner;         /* who owns all of it: root */
};

extern const struct da_paths da_paths;

#endif
