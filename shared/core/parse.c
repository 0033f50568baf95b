#include "core/parse.h"

#include <string.h>

/* Reads digits; *ret_end points behind the last one. */
static enum da_err
parse_digits(const char *text, int64_t *ret, const char **ret_end)
{
	bool negative = *text == '-';
	const char *p = negative ? text + 1 : text;
	int64_t value = 0;

	if (*p < '0' || *p > '9')
		return DA_E_SYNTAX;
	for (; *p >= '0' && *p <= '9'; p++) {
		int64_t digit = negative ? '0' - *p : *p - '0';

		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return DA_E_RANGE;
	}
	*ret = value;
	*ret_end = p;
	return DA_OK;
}

enum da_err
da_parse_int(const char *text, int64_t min, int64_t max, int64_t *ret)
{
	int64_t value;
	const char *end;
	enum da_err err = parse_digits(text, &value, &end);

	if (err != DA_OK)
		return err;
	if (*end != '\0')
		return DA_E_SYNTAX;
	if (value < min || value > max)
		return DA_E_RANGE;
	*ret = value;
	return DA_OK;
}

enum da_err
da_parse_bool(const char *text, bool *ret)
{
	if (strcmp(text, "yes") == 0)
		*ret = true;
	else if (strcmp(text, "no") == 0)
		*ret = false;
	else
		return DA_E_SYNTAX;
	return DA_OK;
}

enum da_err
da_parse_span_s(const char *text, int64_t min_s, int64_t max_s, int64_t *ret_s)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = {
	    {"", 1},
	    {"s", 1},
	    {"min", 60},
	    {"h", 3600},
	    {"d", 86400},
	};

	int64_t value;
	const char *end;
	enum da_err err = parse_digits(text, &value, &end);

	if (err != DA_OK)
		return err;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name) != 0)
			continue;
		if (__builtin_mul_overflow(value, units[i].seconds, &value) ||
		    value < min_s || value > max_s)
			return DA_E_RANGE;
		*ret_s = value;
		return DA_OK;
	}
	return DA_E_SYNTAX;
}
