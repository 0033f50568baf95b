/*
 * Whether somebody may be given this shell: /etc/shells decides, as it does for
 * chsh, and for every service that looks there (pam_shells, FTP servers).
 */
#ifndef DA_STORE_SHELL_H
#define DA_STORE_SHELL_H

#include "core/attr.h"
#include "core/diag.h"
#include "core/err.h"

/* DA_E_CONFIG, with the cure in diag, when /etc/shells does not list it. As
 * libc reads it: without the file only /bin/sh and /bin/csh are listed, in an
 * empty one nothing is. Our own processes only: libc keeps the list. */
enum da_err
da_shell_check(const char *shell, struct da_diag *diag) DA_MUST_CHECK;

#endif
