/*
 * The devauth command: one function per subcommand. Each returns the exit
 * status: 0 done, 1 refused or failed, 2 wrong usage.
 */
#ifndef DA_CLI_COMMAND_H
#define DA_CLI_COMMAND_H

#define DA_EXIT_OK 0
#define DA_EXIT_FAILED 1
#define DA_EXIT_USAGE 2

/* devauth config check|dump|apply */
int da_command_config(int argc, char **argv);

/* devauth sessions list|end */
int da_command_sessions(int argc, char **argv);
int da_command_sessions_list(int argc, char **argv);
int da_command_sessions_end(int argc, char **argv);

/* devauth keys show|rotate */
int da_command_keys(int argc, char **argv);

/* devauth sweep */
int da_command_sweep(int argc, char **argv);

/* devauth accounts VERB ... */
int da_command_accounts(int argc, char **argv);
int da_command_accounts_test(int argc, char **argv);
int da_command_accounts_list(int argc, char **argv);
int da_command_accounts_show(int argc, char **argv);
int da_command_accounts_add(int argc, char **argv);
int da_command_accounts_lock(int argc, char **argv);
int da_command_accounts_unlock(int argc, char **argv);
int da_command_accounts_rename(int argc, char **argv);
int da_command_accounts_relink(int argc, char **argv);
int da_command_accounts_remove(int argc, char **argv);
int da_command_accounts_restore(int argc, char **argv);
int da_command_accounts_export(int argc, char **argv);
int da_command_accounts_import(int argc, char **argv);
int da_command_accounts_check(int argc, char **argv);
int da_command_accounts_rebuild(int argc, char **argv);

#endif
