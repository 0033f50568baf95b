/*
 * Every message type from arbitrary bytes: whatever is accepted keeps the
 * rules of its fields, and can be sent again.
 */
#include <stdlib.h>
#include <string.h>

#include "core/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static union {
		struct da_wire_request request;
		struct da_wire_code code;
		struct da_wire_result result;
		struct da_wire_start start;
		struct da_wire_metadata metadata;
		struct da_wire_device device;
		struct da_wire_tokens tokens;
		struct da_wire_identity identity;
		struct da_wire_revoked revoked;
		struct da_wire_endpoints endpoints;
		struct da_wire_sign sign;
		struct da_wire_signed signed_;
		struct da_wire_failed failed;
	} message;
	struct da_buf body;
	enum da_wire_type type;

	if (len < 1)
		return 0;
	type = (enum da_wire_type)bytes[0];
	da_buf_init(&body, DA_FRAME_MAX);
	if (da_buf_put(&body, bytes + 1, len - 1) == DA_OK &&
	    da_wire_decode(type, &body, &message) == DA_OK) {
		/* A socket that is none: only the sender's checks count. */
		if (da_wire_send(-1, type, &message, 0) == DA_E_BUG)
			abort();
		da_wire_done(type, &message);
	}
	da_buf_done(&body);
	return 0;
}
