#include "provider/claims.h"

#include <string.h>

#include "core/limits.h"
#include "core/text.h"
#include "json/json.h"
#include "provider/answer.h"

static enum da_err
refuse(enum da_err err, struct da_diag *reason, const char *why)
{
	da_diag_set(reason, "%s", why);
	return err;
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	}
	return false;
}

static bool
is_email_verified(const struct da_json *claims)
{
	bool verified = false;

	/* A JSON true, not the text "true". */
	return da_json_bool(da_json_member(claims, "email_verified"),
		   &verified) == DA_OK &&
	    verified;
}

/* Takes the next word of a list that is separated by spaces. */
static bool
next_word(const char **at, char *ret, size_t size)
{
	size_t len;

	*at += strspn(*at, " ");
	len = strcspn(*at, " ");
	if (len == 0 || len >= size)
		return false;
	memcpy(ret, *at, len);
	ret[len] = '\0';
	*at += len;
	return true;
}

static enum da_err
take_username(const struct da_json *claims, const char *list,
    struct da_claims_state *state, struct da_wire_identity *identity,
    struct da_diag *reason)
{
	char claim[DA_GROUP_MAX + 1];
	const char *text;
	enum da_err err = DA_E_ABSENT;

	while (err == DA_E_ABSENT && next_word(&list, claim, sizeof(claim)))
		err = da_json_get_text(claims, claim, DA_CLAIM_MAX, &text);
	if (err == DA_E_ABSENT)
		return DA_OK;
	if (err == DA_E_TYPE)
		return refuse(DA_E_TOKEN, reason,
		    "the claim that names the person is no text");
	if (err != DA_OK || text[0] == '\0' || has_control(text))
		return refuse(DA_E_BAD_NAME, reason,
		    "the claim that names the person holds no usable name");
	if (strcmp(claim, "email") == 0 && !is_email_verified(claims))
		return refuse(DA_E_TOKEN, reason,
		    "the e-mail address that names the person is not verified");
	state->username = true;
	memcpy(identity->username_claim, claim, sizeof(claim));
	return da_text_copy(
	    text, identity->username, sizeof(identity->username));
}

static enum da_err
put_group(const struct da_json *value, struct da_buf *groups)
{
	const char *text;
	enum da_err err = da_json_text(value, DA_GROUP_MAX, &text);

	if (err != DA_OK)
		return err;
	if (text[0] == '\0' || has_control(text))
		return DA_E_SYNTAX;
	return da_buf_put(groups, text, strlen(text) + 1);
}

static enum da_err
put_groups(const struct da_json *value, struct da_buf *groups)
{
	size_t count = da_json_array_len(value);
	enum da_err err = DA_OK;

	if (!da_json_is_array(value))
		return put_group(value, groups);
	if (count > DA_GROUPS_MAX)
		return DA_E_TOO_LARGE;
	for (size_t i = 0; err == DA_OK && i < count; i++)
		err = put_group(da_json_array_at(value, i), groups);
	return err;
}

/* OpenID Connect Core 5.6.2: claims kept elsewhere. An address in a claim is
 * never asked: it would be a request of the provider's, or worse, choosing. */
static bool
are_elsewhere(const struct da_json *claims, const char *claim)
{
	return da_json_has(da_json_member(claims, "_claim_names"), claim);
}

static enum da_err
take_groups(const struct da_json *claims, const char *claim,
    struct da_claims_state *state, struct da_wire_identity *identity,
    struct da_diag *reason)
{
	const struct da_json *value = da_json_member(claims, claim);
	DA_CLEANUP(da_buf_done) struct da_buf groups;
	enum da_err err;

	da_buf_init(&groups, DA_GROUPS_BYTES_MAX);
	if (value == NULL) {
		if (are_elsewhere(claims, claim))
			state->groups_elsewhere = true;
		return DA_OK;
	}
	err = put_groups(value, &groups);
	if (err == DA_E_NOMEM)
		return err;
	if (err == DA_E_TOO_LARGE)
		return refuse(DA_E_TOKEN, reason,
		    "more or longer groups than devauth takes");
	if (err != DA_OK)
		return refuse(DA_E_TOKEN, reason,
		    "the groups claim is not a list of names");
	da_buf_done(&identity->groups);
	identity->groups = groups;
	groups = (struct da_buf){0}; /* moved */
	state->groups = true;
	return DA_OK;
}

/* A value as the rules write it; DA_E_TYPE for what has no such form. */
static enum da_err
put_other(const char *claim, const struct da_json *value, struct da_buf *ret)
{
	const char *text;
	int64_t number;
	bool truth;
	enum da_err err;

	if (da_json_text(value, DA_CLAIM_MAX, &text) == DA_OK)
		err = da_text_is_printable(text)
		    ? da_buf_format(ret, "%s=%s", claim, text)
		    : DA_E_TYPE;
	else if (da_json_bool(value, &truth) == DA_OK)
		err = da_buf_format(
		    ret, "%s=%s", claim, truth ? "true" : "false");
	else if (da_json_int(value, &number) == DA_OK)
		err = da_buf_format(ret, "%s=%lld", claim, (long long)number);
	else
		err = DA_E_TYPE;
	return err == DA_OK ? da_buf_put(ret, "", 1) : err;
}

static enum da_err
take_other(const struct da_json *claims, const char *claim, uint32_t bit,
    struct da_claims_state *state, struct da_buf *ret)
{
	const struct da_json *value = da_json_member(claims, claim);
	enum da_err err = DA_E_TYPE;

	if (value == NULL || (state->others & bit) != 0)
		return DA_OK;
	state->others |= bit;
	if (!da_json_is_array(value))
		err = put_other(claim, value, ret);
	for (size_t i = 0; i < da_json_array_len(value); i++) {
		err = put_other(claim, da_json_array_at(value, i), ret);
		if (err != DA_OK && err != DA_E_TYPE)
			break;
	}
	return err == DA_E_TYPE ? DA_OK : err;
}

static enum da_err
take_others(const struct da_json *claims, const char *list,
    struct da_claims_state *state, struct da_wire_identity *identity,
    struct da_diag *reason)
{
	char claim[DA_GROUP_MAX + 1];
	enum da_err err = DA_OK;

	for (uint32_t bit = 1;
	     err == DA_OK && bit != 0 && next_word(&list, claim, sizeof(claim));
	     bit <<= 1)
		err = take_other(claims, claim, bit, state, &identity->claims);
	if (err == DA_E_TOO_LARGE)
		return refuse(DA_E_TOKEN, reason,
		    "more or longer claims than devauth takes");
	return err;
}

/* For the eye only: left out when it does not fit. */
static void
take_for_show(
    const struct da_json *claims, const char *claim, char *ret, size_t size)
{
	const char *text;

	if (ret[0] == '\0' &&
	    da_json_get_text(claims, claim, size - 1, &text) == DA_OK &&
	    !has_control(text))
		DA_IGNORE(da_text_copy(text, ret, size)); /* fits */
}

enum da_err
da_claims_take(const struct da_json *claims,
    const struct da_claims_wanted *wanted, struct da_claims_state *state,
    struct da_wire_identity *identity, struct da_diag *reason)
{
	enum da_err err = DA_OK;

	if (!state->username)
		err = take_username(
		    claims, wanted->username_claim, state, identity, reason);
	if (err == DA_OK && wanted->groups_claim[0] != '\0' && !state->groups)
		err = take_groups(
		    claims, wanted->groups_claim, state, identity, reason);
	if (err == DA_OK)
		err = take_others(
		    claims, wanted->other_claims, state, identity, reason);
	if (err != DA_OK)
		return err;
	take_for_show(claims, "name", identity->name, sizeof(identity->name));
	if (is_email_verified(claims))
		take_for_show(
		    claims, "email", identity->email, sizeof(identity->email));
	return DA_OK;
}

static bool
lack_others(const char *list, uint32_t found)
{
	char claim[DA_GROUP_MAX + 1];

	for (uint32_t bit = 1;
	     bit != 0 && next_word(&list, claim, sizeof(claim)); bit <<= 1) {
		if ((found & bit) == 0)
			return true;
	}
	return false;
}

bool
da_claims_lack(
    const struct da_claims_wanted *wanted, const struct da_claims_state *state)
{
	bool want_groups = wanted->groups_claim[0] != '\0' &&
	    (wanted->need_groups || state->groups_elsewhere);

	return !state->username || (want_groups && !state->groups) ||
	    lack_others(wanted->other_claims, state->others);
}

enum da_err
da_claims_take_userinfo(long status, const struct da_buf *body,
    const struct da_claims_wanted *wanted, struct da_claims_state *state,
    struct da_wire_identity *identity, struct da_diag *reason)
{
	DA_CLEANUP(da_json_freep) struct da_json *json = NULL;
	const char *subject;
	enum da_err err = da_answer_take(status, body, &json, reason);

	if (err != DA_OK)
		return err;
	if (da_json_get_text(json, "sub", DA_SUBJECT_MAX, &subject) != DA_OK ||
	    strcmp(subject, identity->subject) != 0)
		return refuse(DA_E_TOKEN, reason,
		    "userinfo is about another person than the ID token");
	return da_claims_take(json, wanted, state, identity, reason);
}

enum da_err
da_claims_finish(const struct da_claims_state *state, struct da_diag *reason)
{
	if (!state->username)
		return refuse(DA_E_TOKEN, reason,
		    "the claim that names the person is missing");
	if (state->groups_elsewhere && !state->groups)
		return refuse(DA_E_TOKEN, reason,
		    "the groups are kept elsewhere and were not sent");
	return DA_OK;
}
