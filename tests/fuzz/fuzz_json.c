/*
 * Fuzzing the JSON scanner and parser: they agree, and every value of a
 * document can be asked for as everything.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/text.h"
#include "json/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(const struct da_json *json)
{
	const struct da_json *value;
	const char *key, *text;
	int64_t number;
	bool truth;
	size_t iter = 0;

	if (da_json_text(json, SIZE_MAX, &text) == DA_OK &&
	    !da_text_is_utf8(text, strlen(text)))
		abort();
	if (da_json_int(json, &number) == DA_OK &&
	    (number == INT64_MIN || number == INT64_MAX))
		abort();
	(void)!da_json_bool(json, &truth); /* any answer will do */
	for (size_t i = 0; i < da_json_array_len(json); i++)
		walk(da_json_array_at(json, i));
	while (da_json_next(json, &iter, &key, &value)) {
		if (!da_json_has(json, key) ||
		    da_json_member(json, key) != value)
			abort();
		(void)!da_json_get_int_tolerant(json, key, &number); /* same */
		walk(value);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct da_json *json = NULL;
	struct da_diag diag;
	enum da_err scanned = da_json_scan(data, size, &diag);
	enum da_err parsed = da_json_parse(data, size, &json, &diag);

	if (scanned != parsed || (parsed != DA_OK && json != NULL))
		abort();
	walk(json);
	da_json_free(json);
	return 0;
}
