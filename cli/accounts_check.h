/*
 * Whether our own files about accounts fit together.
 */
#ifndef DA_CLI_ACCOUNTS_CHECK_H
#define DA_CLI_ACCOUNTS_CHECK_H

#include <stdbool.h>

/* Whether account database and private records are whole and say the same, so
 * that a rebuild would change nothing. Prints nothing. */
bool da_check_is_whole(void);

#endif
