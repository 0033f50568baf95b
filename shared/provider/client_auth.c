#include "provider/client_auth.h"

#include <string.h>

#include <openssl/evp.h>

#include "http/form.h"

/* Every byte escaped, id and secret. */
#define CREDENTIALS_MAX (3 * (DA_CLAIM_MAX + DA_SECRET_MAX) + 1)

/* RFC 6749 2.3.1: each half form-encoded; some servers want them raw
 * (providers.md 7), where a colon in the id could not be told apart. */
static enum da_err
put_credentials(const struct da_client *client, struct da_buf *ret)
{
	const char *secret = da_buf_text(client->secret);
	enum da_err err;

	if (client->secret_raw && strchr(client->id, ':') != NULL)
		return DA_E_CONFIG;
	err = client->secret_raw ? da_buf_put_text(ret, client->id)
				 : da_form_encode(ret, client->id);
	if (err == DA_OK)
		err = da_buf_put_text(ret, ":");
	if (err != DA_OK)
		return err;
	return client->secret_raw ? da_buf_put_text(ret, secret)
				  : da_form_encode(ret, secret);
}

static enum da_err
put_basic(const struct da_client *client, struct da_buf *authorization)
{
	DA_CLEANUP(da_buf_done) struct da_buf plain, encoded;
	uint8_t group[3], text[5];
	enum da_err err;

	da_buf_init(&plain, CREDENTIALS_MAX);
	da_buf_init(&encoded, 2 * CREDENTIALS_MAX);
	err = put_credentials(client, &plain);
	/* In groups of three, so that no buffer needs to be sized for all. */
	for (size_t at = 0; err == DA_OK && at < plain.len; at += 3) {
		size_t n = plain.len - at < 3 ? plain.len - at : 3;

		memcpy(group, plain.bytes + at, n);
		(void)EVP_EncodeBlock(text, group, (int)n); /* always 4 */
		err = da_buf_put(&encoded, text, 4);
	}
	explicit_bzero(group, sizeof(group));
	explicit_bzero(text, sizeof(text));
	if (err == DA_OK)
		err = da_buf_put_text(authorization, "Basic ");
	return err != DA_OK
	    ? err
	    : da_buf_put(authorization, encoded.bytes, encoded.len);
}

static enum da_err
put_assertion(const struct da_buf *assertion, struct da_buf *form)
{
	enum da_err err;

	if (assertion == NULL || assertion->len == 0)
		return DA_E_CONFIG;
	err = da_form_put(form, "client_assertion_type",
	    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
	return err != DA_OK
	    ? err
	    : da_form_put(form, "client_assertion", da_buf_text(assertion));
}

enum da_err
da_client_auth_put(const struct da_client *client, struct da_buf *form,
    struct da_buf *authorization)
{
	enum da_err err = da_form_put(form, "client_id", client->id);

	if (err != DA_OK || client->auth == DA_CLIENT_NONE)
		return err;
	if (client->auth == DA_CLIENT_PRIVATE_KEY_JWT)
		return put_assertion(client->assertion, form);
	if (client->secret->len == 0 ||
	    strlen(da_buf_text(client->secret)) != client->secret->len)
		return DA_E_CONFIG;
	switch (client->auth) {
	case DA_CLIENT_SECRET_BASIC:
		return put_basic(client, authorization);
	case DA_CLIENT_SECRET_POST:
		return da_form_put(
		    form, "client_secret", da_buf_text(client->secret));
	default:
		return DA_E_CONFIG;
	}
}
