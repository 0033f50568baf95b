/*
 * The wrapper around json-c: typed access that never converts, never aborts
 * and never invents a value.
 *
 * Trust: documents come from the network, but only those that scan.c let
 * through reach json-c. What json-c does with other types (strings become
 * numbers, array functions assert) is never asked for: every access checks
 * the type first.
 *
 * struct da_json is json-c's struct json_object under another name. As in
 * json-c the value null is the NULL pointer.
 *
 * When memory runs out json-c 0.16 either crashes (a key it cannot copy), or
 * reports success for half a document, which da_json_parse() finds out. Both
 * end in a refusal.
 */
#include "json/json.h"

#include <string.h>

#include <json-c/json_object.h>
#include <json-c/json_tokener.h>
#include <json-c/linkhash.h>

#include "core/limits.h"
#include "core/parse.h"
#include "json/scan.h"

/* json-c's readers lack const; they do not write to the types they are used
 * with here. */
static struct json_object *
native(const struct da_json *json)
{
	union {
		const struct da_json *in;
		struct json_object *out;
	} cast = {.in = json};

	return cast.out;
}

static const struct da_json *
wrapped(const struct json_object *object)
{
	return (const struct da_json *)object;
}

static bool
is_type(const struct da_json *json, enum json_type type)
{
	return json != NULL && json_object_get_type(native(json)) == type;
}

/* Adds up what json-c made. No deeper than DA_JSON_DEPTH_MAX. */
static void
add_totals(struct json_object *object, struct da_scan_totals *totals)
{
	if (json_object_is_type(object, json_type_string)) {
		totals->text_len += (size_t)json_object_get_string_len(object);
	} else if (json_object_is_type(object, json_type_array)) {
		size_t len = json_object_array_length(object);

		totals->members += len;
		for (size_t i = 0; i < len; i++)
			add_totals(
			    json_object_array_get_idx(object, i), totals);
	} else if (json_object_is_type(object, json_type_object)) {
		json_object_object_foreach(object, key, value)
		{
			totals->members++;
			totals->text_len += strlen(key);
			add_totals(value, totals);
		}
	}
}

/* Hands a scanned document to json-c; *ret is NULL for the value null. False
 * when json-c reports a failure. */
static bool
build(const char *bytes, int len, struct json_object **ret)
{
	enum json_tokener_error result;
	/* json-c counts a scalar as a level of its own. */
	struct json_tokener *tokener =
	    json_tokener_new_ex(DA_JSON_DEPTH_MAX + 1);

	if (tokener == NULL)
		return false;
	/* STRICT would add nothing to the scan, except that newer versions of
	 * json-c refuse big numbers then, which da_json_int() shall do. */
	json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
	*ret = json_tokener_parse_ex(tokener, bytes, len);
	result = json_tokener_get_error(tokener);
	if (result == json_tokener_continue) {
		/* A scalar might go on; a NUL tells json-c that it does not. */
		*ret = json_tokener_parse_ex(tokener, "", 1);
		result = json_tokener_get_error(tokener);
	}
	json_tokener_free(tokener);
	return result == json_tokener_success;
}

enum da_err
da_json_parse(
    const void *bytes, size_t len, struct da_json **ret, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf expanded;
	struct da_scan_totals scanned, built = {0};
	struct json_object *object = NULL;
	bool ok;
	enum da_err err = da_scan_document(bytes, len, &scanned, diag);

	da_buf_init(&expanded, DA_BODY_MAX);
	/* json-c 0.16 takes \ud836\udd1e for U+FFFD, like every pair whose
	 * code point ends in D800 to DFFF. It does copy UTF-8 faithfully. */
	if (err == DA_OK && scanned.pairs > 0) {
		err = da_scan_expand_pairs(bytes, len, &expanded);
		bytes = expanded.bytes;
		len = expanded.len;
	}
	if (err != DA_OK)
		return err;
	ok = build(bytes, (int)len, &object);
	add_totals(object, &built);
	/* Members left out and texts cut short show in the totals only. */
	if (!ok || built.members != scanned.members ||
	    built.text_len != scanned.text_len) {
		(void)json_object_put(object); /* the only reference */
		da_diag_set(diag, "JSON: json-c did not take it in whole");
		return DA_E_NOMEM;
	}
	*ret = (struct da_json *)object;
	return DA_OK;
}

void
da_json_free(struct da_json *json)
{
	(void)json_object_put((struct json_object *)json); /* one reference */
}

void
da_json_freep(struct da_json **json)
{
	da_json_free(*json);
	*json = NULL;
}

bool
da_json_is_object(const struct da_json *json)
{
	return is_type(json, json_type_object);
}

bool
da_json_is_array(const struct da_json *json)
{
	return is_type(json, json_type_array);
}

const struct da_json *
da_json_member(const struct da_json *json, const char *key)
{
	struct json_object *value = NULL;

	if (!da_json_is_object(json) ||
	    !json_object_object_get_ex(native(json), key, &value))
		return NULL;
	return wrapped(value);
}

bool
da_json_has(const struct da_json *json, const char *key)
{
	return da_json_is_object(json) &&
	    json_object_object_get_ex(native(json), key, NULL);
}

size_t
da_json_array_len(const struct da_json *json)
{
	if (!da_json_is_array(json))
		return 0;
	return json_object_array_length(native(json));
}

const struct da_json *
da_json_array_at(const struct da_json *json, size_t i)
{
	if (i >= da_json_array_len(json))
		return NULL;
	return wrapped(json_object_array_get_idx(native(json), i));
}

enum da_err
da_json_text(const struct da_json *json, size_t max, const char **ret)
{
	if (!is_type(json, json_type_string))
		return DA_E_TYPE;
	if ((size_t)json_object_get_string_len(native(json)) > max)
		return DA_E_TOO_LARGE;
	*ret = json_object_get_string(native(json));
	return DA_OK;
}

enum da_err
da_json_int(const struct da_json *json, int64_t *ret)
{
	int64_t value;

	if (is_type(json, json_type_double))
		return DA_E_RANGE;
	if (!is_type(json, json_type_int))
		return DA_E_TYPE;
	/* json-c silently turns what does not fit into the nearest int64, so
	 * the two ends cannot be told from anything beyond them. Nothing that
	 * devauth reads comes near. */
	value = json_object_get_int64(native(json));
	if (value == INT64_MIN || value == INT64_MAX)
		return DA_E_RANGE;
	*ret = value;
	return DA_OK;
}

enum da_err
da_json_bool(const struct da_json *json, bool *ret)
{
	if (!is_type(json, json_type_boolean))
		return DA_E_TYPE;
	*ret = json_object_get_boolean(native(json));
	return DA_OK;
}

enum da_err
da_json_get_text(
    const struct da_json *json, const char *key, size_t max, const char **ret)
{
	const struct da_json *value = da_json_member(json, key);

	return value == NULL ? DA_E_ABSENT : da_json_text(value, max, ret);
}

enum da_err
da_json_get_int(const struct da_json *json, const char *key, int64_t *ret)
{
	const struct da_json *value = da_json_member(json, key);

	return value == NULL ? DA_E_ABSENT : da_json_int(value, ret);
}

enum da_err
da_json_get_int_tolerant(
    const struct da_json *json, const char *key, int64_t *ret)
{
	const struct da_json *value = da_json_member(json, key);
	const char *text;
	enum da_err err;

	if (!is_type(value, json_type_string))
		return da_json_get_int(json, key, ret);
	err = da_json_text(value, DA_CLAIM_MAX, &text);
	if (err != DA_OK)
		return DA_E_TYPE;
	err = da_parse_int(text, 0, INT64_MAX - 1, ret);
	return err == DA_E_SYNTAX ? DA_E_TYPE : err;
}

/* The iterator is the address of the next entry; none lies at an odd one. */
#define ITER_START ((size_t)0)
#define ITER_END ((size_t)1)

bool
da_json_next(const struct da_json *json, size_t *iter, const char **ret_key,
    const struct da_json **ret_value)
{
	const struct lh_entry *entry;

	if (!da_json_is_object(json) || *iter == ITER_END)
		return false;
	if (*iter == ITER_START)
		entry = json_object_get_object(native(json))->head;
	else
		entry = (const struct lh_entry *)(uintptr_t)*iter;
	if (entry == NULL) {
		*iter = ITER_END;
		return false;
	}
	*ret_key = entry->k;
	*ret_value = entry->v;
	*iter = entry->next == NULL ? ITER_END : (size_t)(uintptr_t)entry->next;
	return true;
}
