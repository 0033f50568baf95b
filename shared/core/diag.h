/*
 * struct da_diag: the one-line explanation that a failing library function
 * leaves for its caller. Libraries never log; the process that decides does,
 * once. The text is bounded, printable ASCII: da_diag_set() escapes anything
 * else, so it may be given text from strangers.
 */
#ifndef DA_CORE_DIAG_H
#define DA_CORE_DIAG_H

#include "core/attr.h"
#include "core/limits.h"

struct da_diag {
	char text[DA_DIAG_MAX + 1];
	char hint[DA_DIAG_MAX + 1]; /* more for the log, often "" */
};

/* Replaces the text and drops the hint. "diag" may be NULL. Never put a secret
 * in. */
void da_diag_set(struct da_diag *diag, const char *format, ...) DA_PRINTF(2, 3);

/* Adds what is for the administrator only: where a text is shown to the person
 * as well, the hint is not. */
void
da_diag_hint(struct da_diag *diag, const char *format, ...) DA_PRINTF(2, 3);

#endif
