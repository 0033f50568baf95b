#include "core/diag.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/text.h"

static void DA_PRINTF(2, 0) format_escaped(
    char ret[static DA_DIAG_MAX + 1], const char *format, va_list args)
{
	char raw[DA_DIAG_MAX + 1];

	if (vsnprintf(raw, sizeof(raw), format, args) < 0)
		raw[0] = '\0';
	da_text_escape(raw, ret, DA_DIAG_MAX + 1);
}

void
da_diag_set(struct da_diag *diag, const char *format, ...)
{
	va_list args;

	if (diag == NULL)
		return;
	va_start(args, format);
	format_escaped(diag->text, format, args);
	va_end(args);
	diag->hint[0] = '\0';
}

void
da_diag_hint(struct da_diag *diag, const char *format, ...)
{
	va_list args;

	if (diag == NULL)
		return;
	va_start(args, format);
	format_escaped(diag->hint, format, args);
	va_end(args);
}
