/*
 * Fuzzing ID tokens. The first byte of the input says what the rest is:
 *
 *   0  a whole token;
 *   1  the header of a token that is then signed;
 *   2  the payload of a token that is then signed.
 *
 * Signing lets the fuzzer get past the signature, to the claims.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "core/buf.h"
#include "core/text.h"
#include "jose/jose.h"
#include "json/json.h"

#define HEADER "{\"alg\":\"EdDSA\"}"
#define PAYLOAD                                                                \
	"{\"iss\":\"https://a.example\",\"sub\":\"s\",\"aud\":\"c\","          \
	"\"iat\":1750000000,\"exp\":1750000300}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static EVP_PKEY *pkey;
static struct da_jwks *jwks;

static void
must(bool ok)
{
	if (!ok)
		abort();
}

static void
put_base64url(struct da_buf *buf, const void *bytes, size_t len)
{
	char *text = malloc(len / 3 * 4 + 5);

	must(text != NULL);
	(void)EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
	text[strcspn(text, "=")] = '\0';
	for (char *p = text; *p != '\0'; p++)
		*p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
	must(da_buf_put_text(buf, text) == DA_OK);
	free(text);
}

/* The key of RFC 8037 A.1, so that findings can be run again. */
static void
make_keys(void)
{
	static const char set[] =
	    "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxC"
	    "rfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";
	struct da_buf d;

	da_buf_init(&d, 32);
	must(da_jose_base64url_decode(
		 "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A", 43, &d) ==
	    DA_OK);
	pkey = EVP_PKEY_new_raw_private_key(
	    EVP_PKEY_ED25519, NULL, d.bytes, d.len);
	da_buf_done(&d);
	must(pkey != NULL);
	must(da_jwks_parse(set, sizeof(set) - 1, &jwks, NULL) == DA_OK);
}

static void
sign(struct da_buf *token)
{
	uint8_t signature[64];
	size_t len = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(EVP_DigestSignInit(ctx, NULL, NULL, NULL, pkey) == 1);
	must(EVP_DigestSign(ctx, signature, &len, token->bytes, token->len) ==
	    1);
	EVP_MD_CTX_free(ctx);
	must(da_buf_put(token, ".", 1) == DA_OK);
	put_base64url(token, signature, len);
}

static void
make_token(struct da_buf *token, uint8_t kind, const uint8_t *rest, size_t len)
{
	if (kind == 0) {
		must(da_buf_put(token, rest, len) == DA_OK);
		return;
	}
	if (kind == 1)
		put_base64url(token, rest, len);
	else
		put_base64url(token, HEADER, strlen(HEADER));
	must(da_buf_put(token, ".", 1) == DA_OK);
	if (kind == 1)
		put_base64url(token, PAYLOAD, strlen(PAYLOAD));
	else
		put_base64url(token, rest, len);
	sign(token);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct da_id_token_expect expect = {
	    .issuer = "https://a.example",
	    .client_id = "c",
	    .algorithms = DA_JOSE_ALG_ALL,
	    .now_s = 1750000000,
	    .leeway_s = 60,
	    .not_before_s = 1749999700,
	    .access_token = "t",
	};
	struct da_buf token;
	struct da_json *claims = NULL;
	struct da_diag diag = {0};
	char subject[DA_SUBJECT_MAX + 1] = "";
	enum da_err err;

	if (size == 0 || data[0] > 2)
		return -1;
	if (pkey == NULL)
		make_keys();
	da_buf_init(&token, 4 * 1024 * 1024);
	make_token(&token, data[0], data + 1, size - 1);
	err = da_id_token_verify(da_buf_text(&token), token.len, jwks, &expect,
	    &claims, subject, &diag);
	must((err == DA_OK) == (claims != NULL));
	must((err == DA_OK) == (subject[0] != '\0'));
	must(da_text_is_printable(subject));
	must(err == DA_OK || diag.text[0] != '\0');
	must(ERR_peek_error() == 0);
	da_json_free(claims);
	da_buf_done(&token);
	return 0;
}
