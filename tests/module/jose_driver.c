/*
 * Judges ID tokens for test_jose_differential.py: one line in, one line out.
 *
 *   NOW LEEWAY NOT_BEFORE ALGORITHMS ISSUER CLIENT_ID ACCESS_TOKEN JWKS TOKEN
 *
 * separated by tabs: three times in seconds, DA_JOSE_ALG_* bits as a number,
 * and texts in base64url, where "-" stands for none. The answer is the name of
 * the da_err, a tab, and the subject or the diagnostic text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/limits.h"
#include "core/parse.h"
#include "core/text.h"
#include "jose/jose.h"
#include "json/json.h"

enum field {
	NOW,
	LEEWAY,
	NOT_BEFORE,
	ALGORITHMS,
	ISSUER,
	CLIENT_ID,
	ACCESS_TOKEN,
	JWKS,
	TOKEN,
	COUNT,
};

#define FIELD_MAX (1024 * 1024)

struct order {
	int64_t numbers[ISSUER];
	struct da_buf texts[COUNT];
	const char *access_token;
};

#define DA_ERR(code, number, pam, level, reason) {code, #code},

static const struct {
	enum da_err err;
	const char *name;
} names[] = {

#include "core/err.def"
};
#undef DA_ERR

static const char *
name_of(enum da_err err)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(names); i++) {
		if (names[i].err == err)
			return names[i].name;
	}
	return "?";
}

/* False for a line that the test should not have written. */
static bool
read_order(char *line, struct order *ret)
{
	for (size_t i = 0; i < COUNT; i++) {
		const char *text = strsep(&line, "\t");

		if (text == NULL)
			return false;
		if (i < ISSUER) {
			if (da_parse_int(
				text, 0, INT64_MAX, &ret->numbers[i]) != DA_OK)
				return false;
		} else if (strcmp(text, "-") != 0) {
			if (da_jose_base64url_decode(
				text, strlen(text), &ret->texts[i]) != DA_OK)
				return false;
			if (i == ACCESS_TOKEN)
				ret->access_token = da_buf_text(&ret->texts[i]);
		}
	}
	return line == NULL;
}

static enum da_err
judge(const struct order *order, char ret_subject[static DA_SUBJECT_MAX + 1],
    struct da_diag *diag)
{
	DA_CLEANUP(da_jwks_freep) struct da_jwks *jwks = NULL;
	DA_CLEANUP(da_json_freep) struct da_json *claims = NULL;
	const struct da_id_token_expect expect = {
	    .issuer = da_buf_text(&order->texts[ISSUER]),
	    .client_id = da_buf_text(&order->texts[CLIENT_ID]),
	    .algorithms = (uint32_t)order->numbers[ALGORITHMS],
	    .now_s = order->numbers[NOW],
	    .leeway_s = order->numbers[LEEWAY],
	    .not_before_s = order->numbers[NOT_BEFORE],
	    .access_token = order->access_token,
	};
	enum da_err err = da_jwks_parse(
	    order->texts[JWKS].bytes, order->texts[JWKS].len, &jwks, diag);

	if (err != DA_OK)
		return err;
	return da_id_token_verify(da_buf_text(&order->texts[TOKEN]),
	    order->texts[TOKEN].len, jwks, &expect, &claims, ret_subject, diag);
}

static bool
answer(char *line)
{
	struct order order = {0};
	struct da_diag diag = {0};
	char subject[DA_SUBJECT_MAX + 1];
	bool ok;

	for (size_t i = ISSUER; i < COUNT; i++)
		da_buf_init(&order.texts[i], FIELD_MAX);
	ok = read_order(line, &order);
	if (ok) {
		enum da_err err = judge(&order, subject, &diag);

		(void)printf("%s\t%s\n", name_of(err),
		    err == DA_OK ? subject : diag.text);
	}
	for (size_t i = ISSUER; i < COUNT; i++)
		da_buf_done(&order.texts[i]);
	return ok;
}

int
main(void)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;
	bool ok = true;

	while (ok && (len = getline(&line, &size, stdin)) > 0) {
		line[len - 1] = '\0'; /* the newline */
		ok = answer(line);
	}
	free(line);
	return ok ? 0 : 2;
}
