#include "core/log_line.h"

#include <string.h>

#include "core/limits.h"
#include "core/text.h"

void
da_log_line_put(struct da_buf *line, const char *key, const char *value)
{
	char text[DA_ISSUER_MAX * 4 + 1];

	if (value[0] == '\0')
		return;
	da_text_escape(value, text, sizeof(text));
	for (char *p = text; *p != '\0'; p++) {
		if (*p == '"')
			*p = '\'';
	}
	if (strpbrk(text, " =") != NULL)
		DA_IGNORE(da_buf_format(line, " %s=\"%s\"", key, text));
	else
		DA_IGNORE(da_buf_format(line, " %s=%s", key, text));
}
