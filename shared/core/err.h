/*
 * enum da_err: what every fallible function of devauth returns.
 *
 * DA_OK is 0. The codes, their audit words and their meaning for PAM stand in
 * err.def, one line each. DA_E_SYS leaves the cause in errno.
 */
#ifndef DA_CORE_ERR_H
#define DA_CORE_ERR_H

#include <stdint.h>

#define DA_ERR(code, number, pam, level, reason) code = number,

enum da_err {

#include "core/err.def"
};
#undef DA_ERR

/* The word that stands for a code in audit lines; "unknown" for any other
 * value. Static storage. */
const char *da_err_reason(enum da_err err);

/* The syslog level of a code; LOG_ERR for any other value. */
int da_err_level(enum da_err err);

/* Turns a number from the wire into a code. A number that err.def does not
 * list becomes DA_E_WIRE, so a hostile peer cannot smuggle in a value that a
 * switch does not expect. */
enum da_err da_err_from_wire(uint32_t number);

#endif
