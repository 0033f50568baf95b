#include "messages.h"

#include <stdbool.h>
#include <stdio.h>

#include "core/text.h"
#include "core/wire.h"

/* All refusals ahead of a code share one text: it must not tell a stranger
 * which names exist. */
#define TEXT_HOPELESS                                                          \
	"Sign-in is not possible here for this name. Ask your administrator."

/* Without a key sshd would not come to the code where it asks for both. */
#define TEXT_SIGN_IN                                                           \
	"Sign in with the code once: ssh -o PreferredAuthentications="         \
	"publickey,keyboard-interactive. If no code is shown, ask your "       \
	"administrator."

/* Under sudo people are logged in already, and ask for one command. False where
 * the words are those of a login. */
static bool
format_for_sudo(const struct da_wire_request *request,
    const struct da_wire_result *result, const char *who, enum da_err err,
    char *out, size_t size)
{
	switch (err) {
	case DA_E_UNKNOWN_USER:
	case DA_E_REMOTE_POLICY:
	case DA_E_LIMITED:
	case DA_E_LOCKED:
		(void)snprintf(out, size,
		    "sudo refused %s. Ask your administrator.", request->user);
		return true;
	case DA_E_WRONG_PERSON:
		(void)snprintf(out, size,
		    "sudo refused %.200s: it asks for %s. Sign in at the "
		    "provider as the right person and try again.",
		    who, request->user);
		return true;
	case DA_E_NOT_ALLOWED:
		(void)snprintf(out, size,
		    "sudo refused %.150s. Ask your administrator "
		    "(rule: %.60s).",
		    who, result->rule);
		return true;
	case DA_E_ACCT_DENIED:
		(void)snprintf(out, size,
		    "sudo refused %s: not allowed here any more. "
		    "Ask your administrator.",
		    request->user);
		return true;
	default:
		return false;
	}
}

void
da_messages_format(const struct da_wire_request *request,
    const struct da_wire_result *result, enum da_err err, char *out,
    size_t size)
{
	const char *who = result->who[0] != '\0' ? result->who : "The person";
	const char *provider = result->provider[0] != '\0'
	    ? result->provider
	    : "the identity provider";
	const char *reason =
	    result->reason[0] != '\0' ? result->reason : "no reason given";

	/* Under sudo, su and login nobody has connected. */
	bool is_remote = (request->flags & DA_REQUEST_REMOTE) != 0;
	const char *again = is_remote ? "Connect again" : "Try again";

	out[0] = '\0';
	if (da_text_skip_prefix(request->service, "sudo", NULL) &&
	    format_for_sudo(request, result, who, err, out, size))
		return;
	switch (err) {
	case DA_OK:
	case DA_E_IGNORE:
	case DA_E_CANCELLED:
		break;
	case DA_E_NO_TERMINAL:
		/* Under sshd nobody reads it; "ssh HOST sudo ..." is read. */
		if (!is_remote)
			(void)snprintf(out, size,
			    "Signing in takes a terminal, not a pipe. Over "
			    "SSH, ask for one: ssh -t.");
		break;
	case DA_E_UNKNOWN_USER:
	case DA_E_REMOTE_POLICY:
	case DA_E_LIMITED:
	case DA_E_LOCKED:
		(void)snprintf(out, size, "%s", TEXT_HOPELESS);
		break;
	case DA_E_UNREACHABLE:
		(void)snprintf(out, size,
		    "Cannot reach %.200s (%.100s). Local accounts still work.",
		    provider, reason);
		break;
	case DA_E_PROTOCOL:
		(void)snprintf(out, size,
		    "%.200s sent an answer that cannot be used (%.100s). "
		    "Ask your administrator.",
		    provider, reason);
		break;
	case DA_E_PROVIDER:
		(void)snprintf(out, size,
		    "%.200s does not accept this host (%.100s). "
		    "Ask your administrator.",
		    provider, reason);
		break;
	case DA_E_DENIED:
		(void)snprintf(out, size,
		    "The sign-in was denied. %s for a new code.", again);
		break;
	case DA_E_EXPIRED:
	case DA_E_DEADLINE:
		(void)snprintf(out, size,
		    "Not approved in time. %s for a new code.", again);
		break;
	case DA_E_TOKEN:
		(void)snprintf(out, size,
		    "The proof of identity from %.200s is not valid (%.100s). "
		    "Ask your administrator.",
		    provider, reason);
		break;
	case DA_E_REJECTED:
		(void)snprintf(out, size,
		    "%.200s does not renew your sign-in any more. Sign in "
		    "again; if you cannot, ask your administrator.",
		    provider);
		break;
	case DA_E_WEAK:
		(void)snprintf(out, size,
		    "The sign-in is not fresh or strong enough for this "
		    "(%.100s). %s.",
		    reason, again);
		break;
	case DA_E_WRONG_PERSON:
		(void)snprintf(out, size,
		    "%.200s may not log in as %s. Sign in at the provider as "
		    "the right person and %s again.",
		    who, request->user, is_remote ? "connect" : "try");
		break;
	case DA_E_NOT_ALLOWED:
		(void)snprintf(out, size,
		    "%.150s may not log in here as %s. Ask your administrator "
		    "(rule: %.60s).",
		    who, request->user, result->rule);
		break;
	case DA_E_PIN:
		(void)snprintf(out, size,
		    "The name %s belongs to another identity on this host. "
		    "Ask your administrator.",
		    request->user);
		break;
	case DA_E_BAD_NAME:
		(void)snprintf(out, size,
		    "%.200s has no login name that this host accepts. Ask your "
		    "administrator.",
		    who);
		break;
	case DA_E_ACCT_STALE:
		if (result->reason[0] != '\0')
			(void)snprintf(out, size,
			    "%.200s does not renew your sign-in any "
			    "more. " TEXT_SIGN_IN,
			    provider);
		else
			(void)snprintf(out, size,
			    "Your last sign-in here is too long "
			    "ago. " TEXT_SIGN_IN);
		break;
	case DA_E_ACCT_UNKNOWN:
		(void)snprintf(out, size,
		    "%s has never signed in here. " TEXT_SIGN_IN,
		    request->user);
		break;
	case DA_E_ACCT_DENIED:
		(void)snprintf(out, size,
		    "%s may not log in here any more. Ask your administrator.",
		    request->user);
		break;
	case DA_E_COLLISION:
		(void)snprintf(out, size,
		    "The name or number of %s is taken by another account on "
		    "this host. Ask your administrator.",
		    request->user);
		break;
	default:
		(void)snprintf(out, size,
		    "Sign-in does not work on this host now. Local accounts "
		    "still work. Ask your administrator to read the log.");
		break;
	}
}
