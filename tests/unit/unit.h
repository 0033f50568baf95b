/*
 * What every cmocka test needs first, in the order that cmocka wants.
 */
#ifndef DA_TESTS_UNIT_H
#define DA_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
