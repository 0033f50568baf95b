/*
 * Every text that a person sees, in one place. The user code, the address and
 * the names that the broker reduced to printable ASCII are the only foreign
 * strings in them. One line each: what happened, why, what to do.
 */
#ifndef DA_PAM_MESSAGES_H
#define DA_PAM_MESSAGES_H

#include <stddef.h>

#include "core/err.h"

struct da_wire_request;
struct da_wire_result;

#define DA_TEXT_SIGN_IN_FROM "Sign in to %.120s as %s, from %.200s\n"
#define DA_TEXT_SIGN_IN_ON "Sign in to %.120s as %s, on %s\n"
#define DA_TEXT_SIGN_IN "Sign in to %.120s as %s\n"
#define DA_TEXT_SCAN "Scan this, or open the address below it.\n"
#define DA_TEXT_OPEN "    Open   %s"
#define DA_TEXT_ENTER "    Enter  %-12s  good until %s\n"
#define DA_TEXT_EARLY                                                          \
	"If you press Enter early, the login waits for your approval."
#define DA_TEXT_PROMPT "Press Enter once you have approved: "
#define DA_TEXT_BY_ITSELF "This goes on by itself once you have approved."
#define DA_TEXT_SIGNED_IN "Signed in as %s."
#define DA_TEXT_BAD_LINE                                                       \
	"Sign-in is not set up correctly on this host. Local accounts still "  \
	"work. Ask your administrator."
#define DA_TEXT_NO_PASSWORD                                                    \
	"%s signs in at the identity provider and has no password on this "    \
	"host. Change it there."

/* Writes the line for a refusal into "out"; an empty line where a text would
 * help nobody. */
void da_messages_format(const struct da_wire_request *request,
    const struct da_wire_result *result, enum da_err err, char *out,
    size_t size);

#endif
