/*
 * What the module can see of the program that loaded it: which kind of login
 * this is, and whether a person could read a code.
 */
#ifndef DA_PAM_HOST_PROGRAM_H
#define DA_PAM_HOST_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/attr.h"
#include "core/err.h"

enum da_host_sshd {
	DA_HOST_SSHD_OTHER,        /* nobody can read us here */
	DA_HOST_SSHD_CONVERSATION, /* keyboard-interactive */
	DA_HOST_SSHD_NOT_ADMITTED, /* the same, for a name that sshd refuses */
};

/* Which of sshd's processes this is. Its password method, which cannot show a
 * code and would answer our prompt with the typed password, runs in another one
 * than keyboard-interactive, and OpenSSH sets process titles: "NAME [pam]"
 * here, "NAME [priv]" there. Names that sshd will never let in (AllowUsers,
 * DenyGroups, ...) go through PAM all the same, titled "unknown [pam]". */
enum da_host_sshd da_host_program_sshd(const char *user);

/* True when the process has a terminal it can open; *ret_rows is its height, 0
 * when unknown. Without one (cron, sudo -n from a script) nobody reads us. */
bool da_host_program_has_terminal(unsigned int *ret_rows);

/* Of sudo: whether -S has it take its answers from what is no terminal. Then a
 * script has called it, even if there is a terminal; nobody waits there for a
 * person. */
bool da_host_program_is_piped(void);

/* What shows that the person is still there while the module waits. */
struct da_host_watch {
	int connection; /* the host's socket to the person, borrowed; -1 = none
			 */
	pid_t parent;   /* sshd's monitor; 0 = does not matter */
};

/* For sshd: its network socket, which the process that runs our conversation
 * has inherited, and its monitor. While we compute, sshd reads neither: without
 * this a client that goes away after Enter would be noticed at LoginGraceTime
 * only. For others: nothing but the signals below. */
void da_host_program_watch(bool is_sshd, struct da_host_watch *ret);

/* Waits until "socket" has something to read. DA_E_CANCELLED when the person,
 * or sshd's monitor, is gone, or a signal came that ends the host program: sudo
 * blocks Ctrl-C while it authenticates, and of a hang-up only makes a note for
 * later. The signal is not taken: the host has it the moment we return.
 * DA_E_TIMEOUT, DA_E_SYS. Reads no byte of the host's. */
enum da_err da_host_program_wait(const struct da_host_watch *watch, int socket,
    int64_t deadline_mono_ms) DA_MUST_CHECK;

/* Throws away what was typed into the terminal while nobody read it: people
 * type passwords where sudo and su used to ask for one, and the next to read
 * would be the shell. */
void da_host_program_drop_typed(void);

#endif
