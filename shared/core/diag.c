#include "core/diag.h"

#include <stdarg.h>
#include <stdio.h>

#include "core/text.h"

void
da_diag_set(struct da_diag *diag, const char *format, ...)
{
	char raw[DA_DIAG_MAX + 1];
	va_list args;

	if (diag == NULL)
		return;
	va_start(args, format);
	if (vsnprintf(raw, sizeof(raw), format, args) < 0)
		raw[0] = '\0';
	va_end(args);
	da_text_escape(raw, diag->text, sizeof(diag->text));
}
