/*
 * Talking to the person through the host program's PAM conversation. Keeps
 * PAM's limits (512 bytes a message, 32 messages a call) and wipes what is
 * typed.
 */
#ifndef DA_PAM_CONVERSATION_H
#define DA_PAM_CONVERSATION_H

#include <stdbool.h>

#include <security/pam_modules.h>

#include "core/attr.h"
#include "core/err.h"

struct da_wire_code;
struct da_wire_request;

/* Whether there is a conversation at all (PAM_CONV may be NULL). */
bool da_conversation_exists(pam_handle_t *pamh);

/* Shows the code; with must_confirm asks for Enter and waits for it.
 * DA_E_CANCELLED when the person or the program broke off (Ctrl-C, Ctrl-D). */
enum da_err da_conversation_show_code(pam_handle_t *pamh,
    const struct da_wire_request *request,
    const struct da_wire_code *code) DA_MUST_CHECK;

/* One line; failures to show it are of no consequence. */
void da_conversation_tell(pam_handle_t *pamh, int style, const char *line);

#endif
