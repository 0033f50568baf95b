#include "core/assurance.h"

#include <stdbool.h>
#include <string.h>

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

/* The first of "wanted" that the list has not; NULL when it has all. */
static const char *
find_missing(const char *list, const char *wanted)
{
	while (*wanted != '\0') {
		size_t n = strcspn(wanted, " ");

		if (n > 0 && !has_word(list, wanted, n))
			return wanted;
		wanted += n;
		wanted += strspn(wanted, " ");
	}
	return NULL;
}

enum da_err
da_assurance_check(const struct da_assurance_wanted *wanted,
    const struct da_assurance *given, struct da_diag *reason)
{
	const char *missing = find_missing(given->amr, wanted->amr);

	if (wanted->acr_values[0] != '\0' &&
	    (given->acr[0] == '\0' ||
		!has_word(
		    wanted->acr_values, given->acr, strlen(given->acr)))) {
		da_diag_set(reason, "acr is not one that was asked for");
		return DA_E_WEAK;
	}
	if (missing != NULL) {
		da_diag_set(reason, "amr lacks %.*s",
		    (int)strcspn(missing, " "), missing);
		return DA_E_WEAK;
	}
	if (wanted->max_age_s >= 0 &&
	    (given->auth_time_s == 0 ||
		given->auth_time_s <
		    wanted->asked_s - wanted->max_age_s - wanted->leeway_s)) {
		da_diag_set(reason, "auth_time is missing or too old");
		return DA_E_WEAK;
	}
	if (wanted->max_age_s >= 0 &&
	    given->auth_time_s > wanted->now_s + DA_CLOCK_LEEWAY_S) {
		da_diag_set(reason, "auth_time lies in the future");
		return DA_E_WEAK;
	}
	return DA_OK;
}
