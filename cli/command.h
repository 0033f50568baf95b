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

/* devauth accounts VERB ... */
int da_command_accounts(int argc, char **argv);
int da_command_accounts_test(int argc, char **argv);

#endif
