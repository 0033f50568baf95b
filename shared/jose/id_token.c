/*
 * ID tokens: the checks of OpenID Connect Core 3.1.3.7 on a signed payload.
 *
 * Trust: the signature proves that the provider wrote the claims, not that it
 * wrote them for us, now, or in the right types. MUSTs:
 *
 *  1. claims are read after the signature has verified, never before;
 *  2. iss and aud are compared byte for byte; aud MUST name us, and azp MUST
 *     where it names others too;
 *  3. dates are whole seconds within the calendar, so that no sum of them can
 *     overflow;
 *  4. nothing of a refused token reaches the caller.
 */
#include "jose/jose.h"

#include <stdbool.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "core/text.h"
#include "jose/jws.h"
#include "json/json.h"

/* 9999-12-31: what a date of four digits can say. */
#define DATE_MAX_S INT64_C(253402300799)
/* Minutes to a day are common, months are seen; more is a mistake. */
#define LIFE_MAX_S INT64_C(31622400)

static enum da_err
refuse(struct da_diag *diag, const char *why)
{
	da_diag_set(diag, "ID token: %s", why);
	return DA_E_TOKEN;
}

static bool
text_is(const struct da_json *value, const char *expected)
{
	const char *text;

	return da_json_text(value, DA_TOKEN_MAX, &text) == DA_OK &&
	    strcmp(text, expected) == 0;
}

/* RFC 7519 section 4.1.3: one text, or an array of texts. */
static enum da_err
check_audience(
    const struct da_json *claims, const char *client_id, struct da_diag *diag)
{
	const struct da_json *aud = da_json_member(claims, "aud");
	const struct da_json *azp = da_json_member(claims, "azp");
	bool ours = text_is(aud, client_id), others = false;

	for (size_t i = 0; i < da_json_array_len(aud); i++) {
		const struct da_json *one = da_json_array_at(aud, i);
		const char *unused;

		if (da_json_text(one, DA_TOKEN_MAX, &unused) != DA_OK)
			return refuse(diag, "aud holds something but texts");
		if (text_is(one, client_id))
			ours = true;
		else
			others = true;
	}
	if (!ours)
		return refuse(diag, "aud does not name this client");
	if (azp == NULL && others)
		return refuse(diag, "aud names others too, and azp is missing");
	if (azp != NULL && !text_is(azp, client_id))
		return refuse(diag, "azp does not name this client");
	return DA_OK;
}

/* A NumericDate (RFC 7519 section 2), whole seconds only. *ret_found tells
 * whether it is there. */
static enum da_err
get_date(const struct da_json *claims, const char *name, bool *ret_found,
    int64_t *ret_s, struct da_diag *diag)
{
	int64_t value;
	enum da_err err = da_json_get_int(claims, name, &value);

	*ret_found = err != DA_E_ABSENT;
	if (err == DA_E_ABSENT)
		return DA_OK;
	if (err != DA_OK || value < 0 || value > DATE_MAX_S) {
		da_diag_set(diag, "ID token: %s is no date", name);
		return DA_E_TOKEN;
	}
	*ret_s = value;
	return DA_OK;
}

static enum da_err
get_needed_date(const struct da_json *claims, const char *name, int64_t *ret_s,
    struct da_diag *diag)
{
	bool found;
	enum da_err err = get_date(claims, name, &found, ret_s, diag);

	if (err == DA_OK && !found) {
		da_diag_set(diag, "ID token: %s is missing", name);
		return DA_E_TOKEN;
	}
	return err;
}

/* For dates that need not be there, but must have passed. */
static enum da_err
check_past(const struct da_json *claims, const char *name, int64_t latest_s,
    struct da_diag *diag)
{
	int64_t at_s = 0;
	bool found;
	enum da_err err = get_date(claims, name, &found, &at_s, diag);

	if (err == DA_OK && found && at_s > latest_s) {
		da_diag_set(diag, "ID token: %s is in the future", name);
		return DA_E_TOKEN;
	}
	return err;
}

static enum da_err
check_dates(const struct da_json *claims,
    const struct da_id_token_expect *expect, struct da_diag *diag)
{
	int64_t exp_s = 0, iat_s = 0;
	int64_t latest_s = expect->now_s + expect->leeway_s;
	enum da_err err = get_needed_date(claims, "exp", &exp_s, diag);

	if (err == DA_OK)
		err = get_needed_date(claims, "iat", &iat_s, diag);
	if (err == DA_OK)
		err = check_past(claims, "nbf", latest_s, diag);
	if (err == DA_OK)
		err = check_past(claims, "auth_time", latest_s, diag);
	if (err != DA_OK)
		return err;
	if (exp_s <= expect->now_s - expect->leeway_s)
		return refuse(diag, "it has expired; are both clocks right?");
	if (iat_s > latest_s)
		return refuse(diag, "iat is to come; are both clocks right?");
	if (expect->not_before_s != 0 &&
	    iat_s < expect->not_before_s - expect->leeway_s)
		return refuse(diag, "it was issued before this sign-in began");
	if (exp_s <= iat_s || exp_s - iat_s > LIFE_MAX_S)
		return refuse(diag, "exp and iat make no sense together");
	return DA_OK;
}

/* OpenID Connect Core 3.1.3.6: the left half of the hash of the access token,
 * in base64url. Decoding the claim instead of encoding the hash gives the same
 * answer, for there is one spelling only. */
static enum da_err
check_at_hash(const struct da_json *claims, uint32_t algorithm,
    const char *access_token, struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf claimed;
	unsigned char hash[EVP_MAX_MD_SIZE];
	size_t hash_len = 0;
	const char *text, *hash_name = da_jws_hash_name(algorithm);
	enum da_err err =
	    da_json_get_text(claims, "at_hash", DA_CLAIM_MAX, &text);

	da_buf_init(&claimed, EVP_MAX_MD_SIZE);
	if (err == DA_E_ABSENT)
		return DA_OK;
	if (err != DA_OK ||
	    da_jose_base64url_decode(text, strlen(text), &claimed) != DA_OK)
		return refuse(diag, "bad at_hash");
	if (access_token == NULL)
		return DA_OK;
	if (hash_name == NULL)
		return DA_E_BUG;
	if (EVP_Q_digest(NULL, hash_name, NULL, access_token,
		strlen(access_token), hash, &hash_len) != 1)
		return DA_E_NOMEM;
	if (claimed.len != hash_len / 2 ||
	    memcmp(claimed.bytes, hash, claimed.len) != 0)
		return refuse(diag, "at_hash is of another access token");
	return DA_OK;
}

/* OpenID Connect Core section 2: sub is ASCII, up to 255 characters. */
static enum da_err
get_subject(
    const struct da_json *claims, const char **ret, struct da_diag *diag)
{
	const char *sub;

	if (da_json_get_text(claims, "sub", DA_SUBJECT_MAX, &sub) != DA_OK ||
	    sub[0] == '\0' || !da_text_is_printable(sub))
		return refuse(diag, "no usable sub");
	*ret = sub;
	return DA_OK;
}

static enum da_err
check_claims(const struct da_json *claims, uint32_t algorithm,
    const struct da_id_token_expect *expect, const char **ret_subject,
    struct da_diag *diag)
{
	enum da_err err;

	if (!da_json_is_object(claims))
		return refuse(diag, "the payload is no object");
	if (!text_is(da_json_member(claims, "iss"), expect->issuer))
		return refuse(diag, "iss is another issuer");
	err = check_audience(claims, expect->client_id, diag);
	if (err == DA_OK)
		err = check_dates(claims, expect, diag);
	if (err != DA_OK)
		return err;
	/* The device flow sends no nonce (RFC 8628), so a token that has one
	 * was made for a browser. */
	if (da_json_member(claims, "nonce") != NULL)
		return refuse(diag, "it has a nonce: made for another flow");
	err = check_at_hash(claims, algorithm, expect->access_token, diag);
	if (err == DA_OK)
		err = get_subject(claims, ret_subject, diag);
	return err;
}

/* What the caller must have got right, lest a check become void. */
static bool
is_expectation_sane(const struct da_id_token_expect *expect)
{
	return expect->issuer != NULL && expect->issuer[0] != '\0' &&
	    expect->client_id != NULL && expect->client_id[0] != '\0' &&
	    expect->now_s >= 0 && expect->now_s <= DATE_MAX_S &&
	    expect->leeway_s >= 0 && expect->leeway_s <= DA_JOSE_LEEWAY_MAX_S &&
	    expect->not_before_s >= 0 && expect->not_before_s <= DATE_MAX_S;
}

enum da_err
da_id_token_verify(const char *token, size_t len, const struct da_jwks *jwks,
    const struct da_id_token_expect *expect, struct da_json **ret_claims,
    char ret_subject[static DA_SUBJECT_MAX + 1], struct da_diag *diag)
{
	DA_CLEANUP(da_buf_done) struct da_buf payload;
	DA_CLEANUP(da_json_freep) struct da_json *claims = NULL;
	const char *subject;
	uint32_t algorithm;
	enum da_err err;

	da_buf_init(&payload, DA_TOKEN_MAX);
	if (!is_expectation_sane(expect))
		return DA_E_BUG;
	err = da_jws_verify(
	    token, len, jwks, expect->algorithms, &payload, &algorithm, diag);
	if (err != DA_OK)
		return err;
	err = da_json_parse(payload.bytes, payload.len, &claims, diag);
	if (err == DA_E_SYNTAX)
		return DA_E_TOKEN;
	if (err != DA_OK)
		return err;
	err = check_claims(claims, algorithm, expect, &subject, diag);
	ERR_clear_error();
	if (err != DA_OK)
		return err;
	err = da_text_copy(subject, ret_subject, DA_SUBJECT_MAX + 1);
	if (err == DA_OK)
		*ret_claims = DA_TAKE(claims);
	return err;
}
