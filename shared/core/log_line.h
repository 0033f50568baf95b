/*
 * The fields of a line in the audit log: key=value, each value reduced so that
 * nobody can forge a field or a line. Never put a secret in.
 */
#ifndef DA_CORE_LOG_LINE_H
#define DA_CORE_LOG_LINE_H

#include "core/buf.h"

#define DA_LOG_LINE_MAX 1800 /* rsyslog cuts at 8 kB, journald at more */

/* Adds " key=value"; a value with spaces is quoted, quotes in it escaped. Empty
 * values are left out. A line that is full loses its last fields, never its
 * first. */
void da_log_line_put(struct da_buf *line, const char *key, const char *value);

#endif
