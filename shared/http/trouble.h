/*
 * What went wrong with a request, in words of ours. The phrases fit behind a
 * colon: "Cannot reach login.example.com: connection refused".
 */
#ifndef DA_HTTP_TROUBLE_H
#define DA_HTTP_TROUBLE_H

#include <stdbool.h>

#include "core/err.h"

struct da_http_trouble {
	int curl;      /* CURLcode */
	long verify;   /* X509_V_*, from the verification of the peer */
	long os_errno; /* of the connect, 0 = unknown */
	bool too_large;
	bool address_refused;
};

/* The code (DA_E_UNREACHABLE, DA_E_PROTOCOL, DA_E_CONFIG), a phrase in static
 * storage, and whether it may pass when one waits: a dead network may, a
 * certificate that is not trusted may not. */
enum da_err da_http_explain(const struct da_http_trouble *trouble,
    const char **ret_reason, bool *ret_may_pass);

/* Which key of the configuration the administrator may look at, or "". */
const char *da_http_hint(const struct da_http_trouble *trouble);

#endif
