#include "http/form.h"

#include <stdbool.h>

#include "core/buf.h"

static bool
is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
	    c == '~';
}

enum da_err
da_form_encode(struct da_buf *ret, const char *text)
{
	static const char digits[] = "0123456789ABCDEF";
	enum da_err err = DA_OK;

	for (; err == DA_OK && *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};

		if (is_plain(*text))
			err = da_buf_put(ret, text, 1);
		else
			err = da_buf_put(ret, escaped, sizeof(escaped));
	}
	return err;
}

enum da_err
da_form_put(struct da_buf *form, const char *name, const char *value)
{
	enum da_err err = DA_OK;

	if (value == NULL || value[0] == '\0')
		return DA_OK;
	if (form->len > 0)
		err = da_buf_put_text(form, "&");
	if (err == DA_OK)
		err = da_form_encode(form, name);
	if (err == DA_OK)
		err = da_buf_put_text(form, "=");
	return err != DA_OK ? err : da_form_encode(form, value);
}
