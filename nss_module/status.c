/*
 * From da_err to nss_status: the only place that knows what libc makes of it.
 */
#include "nss_devauth.h"

#include <errno.h>

/* What the next moment may bring. */
static bool
is_transient(int cause)
{
	return cause == EMFILE || cause == ENFILE || cause == ENOMEM ||
	    cause == EAGAIN || cause == EINTR;
}

enum nss_status
da_nss_status(enum da_err err, int saved, int *errnop)
{
	int cause = errno;

	errno = saved;
	switch (err) {
	case DA_OK:
		return NSS_STATUS_SUCCESS;
	case DA_E_ABSENT:
		return NSS_STATUS_NOTFOUND;
	case DA_E_RANGE:
		*errnop = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	case DA_E_NOMEM:
		*errnop = EAGAIN;
		return NSS_STATUS_TRYAGAIN;
	case DA_E_SYS:
		if (is_transient(cause)) {
			*errnop = EAGAIN;
			return NSS_STATUS_TRYAGAIN;
		}
		break;
	default:
		break;
	}
	*errnop = ENOENT;
	return NSS_STATUS_UNAVAIL;
}
