#include "provider/assurance.h"

#include <stdbool.h>
#include <string.h>

#include "core/text.h"
#include "json/json.h"

static bool
is_word(const char *text)
{
	return text[0] != '\0' && strchr(text, ' ') == NULL &&
	    da_text_is_printable(text);
}

/* One more word, as long as there is room: a method that we have not heard of
 * is one that was not used. */
static void
put_word(const struct da_json *value, char *list, size_t size)
{
	size_t used = strlen(list), gap = used > 0 ? 1 : 0;
	const char *text;

	if (da_json_text(value, size, &text) != DA_OK || !is_word(text) ||
	    strlen(text) + gap >= size - used)
		return;
	if (gap > 0)
		list[used] = ' ';
	memcpy(list + used + gap, text, strlen(text) + 1);
}

void
da_assurance_take(
    const struct da_json *claims, struct da_wire_identity *identity)
{
	const struct da_json *amr = da_json_member(claims, "amr");
	const char *acr;

	if (da_json_get_text(claims, "acr", DA_CLAIM_MAX, &acr) == DA_OK &&
	    is_word(acr))
		DA_IGNORE(da_text_copy(
		    acr, identity->acr, sizeof(identity->acr))); /* fits */
	/* An array; some send a single text. */
	if (!da_json_is_array(amr))
		put_word(amr, identity->amr, sizeof(identity->amr));
	for (size_t i = 0; i < da_json_array_len(amr); i++)
		put_word(da_json_array_at(amr, i), identity->amr,
		    sizeof(identity->amr));
	/* Checked by the verification: a date or absent. */
	if (da_json_get_int(claims, "auth_time", &identity->auth_time_s) !=
	    DA_OK)
		identity->auth_time_s = 0;
}
