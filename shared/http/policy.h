/*
 * What libcurl may do for us: the options that never change from one request
 * to the next, in one place for the reader who wants to check them.
 */
#ifndef DA_HTTP_POLICY_H
#define DA_HTTP_POLICY_H

#include <curl/curl.h>

#include "core/attr.h"

struct da_buf;

/* Sets them on a fresh handle. "ca" (certificates in PEM, borrowed as long as
 * the handle is used) replaces the system's hashed folder; empty = the folder.
 * Anything but CURLE_OK: do not use the handle. */
CURLcode da_http_set_policy(CURL *easy, const struct da_buf *ca) DA_MUST_CHECK;

#endif
