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

/* Whether the list, by spaces, has the word. */
static bool
has_word(const char *list, const char *word, size_t len)
{
	while (*list != '\0') {
		size_t n = strcspn(list, " ");

		if (n == len && memcmp(list, word, len) == 0)
			return true;
		list += n;
		list += strspn(list, " ");
	}
	return false;
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

static bool
has_all(const char *list, const char *wanted)
{
	while (*wanted != '\0') {
		size_t n = strcspn(wanted, " ");

		if (n > 0 && !has_word(list, wanted, n))
			return false;
		wanted += n;
		wanted += strspn(wanted, " ");
	}
	return true;
}

enum da_err
da_assurance_check(const struct da_assurance_wanted *wanted,
    const struct da_wire_identity *identity, struct da_diag *reason)
{
	if (wanted->acr_values[0] != '\0' &&
	    (identity->acr[0] == '\0' ||
		!has_word(wanted->acr_values, identity->acr,
		    strlen(identity->acr)))) {
		da_diag_set(reason, "acr is not one that was asked for");
		return DA_E_WEAK;
	}
	if (!has_all(identity->amr, wanted->amr)) {
		da_diag_set(reason, "amr lacks a method that is required");
		return DA_E_WEAK;
	}
	if (wanted->max_age_s >= 0 &&
	    (identity->auth_time_s == 0 ||
		identity->auth_time_s <
		    wanted->asked_s - wanted->max_age_s - wanted->leeway_s)) {
		da_diag_set(reason, "auth_time is missing or too old");
		return DA_E_WEAK;
	}
	return DA_OK;
}
