/*
 * What the module can see of the program that loaded it: which kind of login
 * this is, and whether a person could read a code.
 */
#ifndef DA_PAM_HOST_PROGRAM_H
#define DA_PAM_HOST_PROGRAM_H

#include <stdbool.h>

/* True in the process in which sshd runs keyboard-interactive. Its password
 * method, which cannot show a code and would answer our prompt with the typed
 * password, runs in another one (OpenSSH sets "NAME [pam]" and "NAME [priv]" as
 * process titles). */
bool da_host_program_is_sshd_conversation(void);

/* True when the process has a terminal it can open; *ret_rows is its height, 0
 * when unknown. Without one (cron, sudo -n from a script) nobody reads us. */
bool da_host_program_has_terminal(unsigned int *ret_rows);

#endif
