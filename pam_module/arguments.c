#include "arguments.h"

#include <string.h>

#include "core/text.h"
#include "core/wire.h"

static enum da_err
parse_one(const char *argument, struct da_arguments *ret)
{
	const char *value;

	if (da_text_skip_prefix(argument, "profile=", &value))
		return value[0] == '\0'
		    ? DA_E_CONFIG
		    : da_text_copy(value, ret->profile, sizeof(ret->profile));
	if (strcmp(argument, "prompt=auto") == 0)
		ret->flags &= ~(DA_REQUEST_PROMPT | DA_REQUEST_NO_PROMPT);
	else if (strcmp(argument, "prompt=enter") == 0)
		ret->flags |= DA_REQUEST_PROMPT;
	else if (strcmp(argument, "prompt=none") == 0)
		ret->flags |= DA_REQUEST_NO_PROMPT;
	else if (strcmp(argument, "qr=on") == 0)
		ret->flags |= DA_REQUEST_QR;
	else if (strcmp(argument, "qr=off") == 0)
		ret->flags &= ~DA_REQUEST_QR;
	else if (strcmp(argument, "debug") == 0)
		ret->flags |= DA_REQUEST_DEBUG;
	else
		return DA_E_CONFIG;
	return DA_OK;
}

enum da_err
da_arguments_parse(
    int argc, const char **argv, struct da_arguments *ret, const char **ret_bad)
{
	struct da_arguments parsed = {.flags = DA_REQUEST_QR};

	for (int i = 0; i < argc; i++) {
		if (parse_one(argv[i], &parsed) != DA_OK) {
			*ret_bad = argv[i];
			return DA_E_CONFIG;
		}
	}
	*ret = parsed;
	return DA_OK;
}
