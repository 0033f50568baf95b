#include "store/signing_key.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "core/base64url.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"

#define FILE_NAME "signing-key.pem"
#define LOCK_NAME "signing-key.lock"
#define PEM_MAX 4096
#define COORDINATE_LEN 32
#define DER_SIGNATURE_MAX 80
#define JWK_MAX 160

struct da_signing_key {
	EVP_PKEY *pkey;
	char jwk[JWK_MAX];
	char thumbprint[DA_THUMBPRINT_LEN + 1];
};

static void
bio_freep(BIO **bio)
{
	BIO_free(*bio);
}

static void
md_ctx_freep(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

static void
ecdsa_sig_freep(ECDSA_SIG **sig)
{
	ECDSA_SIG_free(*sig);
}

static void
pkey_freep(EVP_PKEY **pkey)
{
	EVP_PKEY_free(*pkey);
}

void
da_signing_key_free(struct da_signing_key *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->pkey);
	free(key);
}

void
da_signing_key_freep(struct da_signing_key **key)
{
	da_signing_key_free(*key);
	*key = NULL;
}

const char *
da_signing_key_jwk(const struct da_signing_key *key)
{
	return key->jwk;
}

const char *
da_signing_key_thumbprint(const struct da_signing_key *key)
{
	return key->thumbprint;
}

/* RFC 7638 3.2 and 3.3: the required members in lexicographic order, without
 * white space; and the hash of just that. */
static enum da_err
describe(struct da_signing_key *key)
{
	DA_CLEANUP(da_buf_done) struct da_buf jwk, digest;
	uint8_t point[1 + 2 * COORDINATE_LEN];
	uint8_t hash[32];
	size_t len = 0;
	enum da_err err;

	da_buf_init(&jwk, JWK_MAX - 1);
	da_buf_init(&digest, DA_THUMBPRINT_LEN);
	if (EVP_PKEY_get_octet_string_param(key->pkey, OSSL_PKEY_PARAM_PUB_KEY,
		point, sizeof(point), &len) != 1 ||
	    len != sizeof(point) || point[0] != POINT_CONVERSION_UNCOMPRESSED)
		return DA_E_SYNTAX;
	err =
	    da_buf_put_text(&jwk, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
	if (err == DA_OK)
		err = da_base64url_put(&jwk, point + 1, COORDINATE_LEN);
	if (err == DA_OK)
		err = da_buf_put_text(&jwk, "\",\"y\":\"");
	if (err == DA_OK)
		err = da_base64url_put(
		    &jwk, point + 1 + COORDINATE_LEN, COORDINATE_LEN);
	if (err == DA_OK)
		err = da_buf_put_text(&jwk, "\"}");
	if (err == DA_OK &&
	    EVP_Q_digest(
		NULL, "SHA256", NULL, jwk.bytes, jwk.len, hash, &len) != 1)
		err = DA_E_NOMEM;
	if (err == DA_OK)
		err = da_base64url_put(&digest, hash, sizeof(hash));
	if (err == DA_OK)
		err =
		    da_text_copy(da_buf_text(&jwk), key->jwk, sizeof(key->jwk));
	return err != DA_OK ? err
			    : da_text_copy(da_buf_text(&digest),
				  key->thumbprint, sizeof(key->thumbprint));
}

static bool
is_p256(const EVP_PKEY *pkey)
{
	char group[32];
	size_t len;

	return EVP_PKEY_is_a(pkey, "EC") == 1 &&
	    EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME,
		group, sizeof(group), &len) == 1 &&
	    strcmp(group, "prime256v1") == 0;
}

/* A file of ours has no password; OpenSSL would ask at the terminal. */
static int
no_password(char *buffer, int size, int writing, void *user)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)user;
	return -1;
}

enum da_err
da_signing_key_parse(const struct da_buf *pem, struct da_signing_key **ret)
{
	DA_CLEANUP(da_signing_key_freep) struct da_signing_key *key = NULL;
	DA_CLEANUP(bio_freep)
	BIO *bio = BIO_new_mem_buf(da_buf_text(pem), (int)pem->len);
	enum da_err err = DA_E_SYNTAX;

	key = calloc(1, sizeof(*key));
	if (bio == NULL || key == NULL)
		return DA_E_NOMEM;
	key->pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	if (key->pkey != NULL && is_p256(key->pkey))
		err = describe(key);
	ERR_clear_error();
	if (err == DA_OK)
		*ret = DA_TAKE(key);
	return err;
}

static enum da_err
make(int dir, struct da_diag *diag)
{
	DA_CLEANUP(bio_freep) BIO *bio = BIO_new(BIO_s_secmem());
	DA_CLEANUP(pkey_freep) EVP_PKEY *pkey = EVP_EC_gen("P-256");
	char *pem;
	long len;

	if (bio == NULL || pkey == NULL ||
	    PEM_write_bio_PKCS8PrivateKey(
		bio, pkey, NULL, NULL, 0, NULL, NULL) != 1)
		return DA_E_NOMEM;
	len = BIO_get_mem_data(bio, &pem);
	return da_file_replace(dir, FILE_NAME, 0600, pem, (size_t)len, diag);
}

static enum da_err
read_key(const struct da_paths *paths, struct da_signing_key **ret,
    struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0600, .size_max = PEM_MAX};
	DA_CLEANUP(da_buf_done) struct da_buf path, pem;
	enum da_err err;

	da_buf_init(&path, DA_URI_MAX);
	da_buf_init(&pem, PEM_MAX);
	err = da_buf_format(&path, "%s/" FILE_NAME, paths->keys_dir);
	if (err == DA_OK)
		err = da_file_read(da_buf_text(&path), &rule, &pem, diag);
	if (err == DA_OK)
		err = da_signing_key_parse(&pem, ret);
	if (err == DA_E_SYNTAX)
		da_diag_set(diag,
		    "%s holds no EC key on P-256; move it away for a new one",
		    da_buf_text(&path));
	return err;
}

/* The folder is made as that of grants is. */
static enum da_err
open_keys(const struct da_paths *paths, int *ret_dir, struct da_diag *diag)
{
	const struct da_file_rule rule = {
	    .owner = paths->owner, .mode_max = 0700};
	enum da_err err =
	    da_file_open_dir(paths->keys_dir, &rule, ret_dir, diag);

	if (err != DA_E_ABSENT)
		return err;
	err = da_file_make_parent(paths->keys_dir, 0755, diag);
	if (err != DA_OK)
		return err;
	if (mkdir(paths->keys_dir, 0700) != 0 && errno != EEXIST) {
		da_diag_set(diag, "%s: %m", paths->keys_dir);
		return DA_E_SYS;
	}
	return da_file_open_dir(paths->keys_dir, &rule, ret_dir, diag);
}

enum da_err
da_signing_key_load(const struct da_paths *paths, struct da_signing_key **ret,
    struct da_diag *diag)
{
	DA_CLEANUP(da_file_closep) int dir = -1;
	DA_CLEANUP(da_file_closep) int lock = -1;
	enum da_err err = read_key(paths, ret, diag);

	if (err != DA_E_ABSENT)
		return err;
	err = open_keys(paths, &dir, diag);
	if (err != DA_OK)
		return err;
	lock = openat(dir, LOCK_NAME,
	    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
	if (lock < 0) {
		da_diag_set(diag, "%s/" LOCK_NAME ": %m", paths->keys_dir);
		return DA_E_SYS;
	}
	err = da_file_lock(lock, LOCK_NAME, diag);
	if (err != DA_OK)
		return err;
	/* Somebody else may have been first. */
	err = read_key(paths, ret, diag);
	if (err != DA_E_ABSENT)
		return err;
	err = make(dir, diag);
	return err != DA_OK ? err : read_key(paths, ret, diag);
}

/* RFC 7518 3.4: R and S, each as long as the curve's numbers. */
static enum da_err
sign_bytes(const EVP_PKEY *pkey, const struct da_buf *bytes,
    uint8_t ret[static 2 * COORDINATE_LEN])
{
	DA_CLEANUP(md_ctx_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	DA_CLEANUP(ecdsa_sig_freep) ECDSA_SIG *sig = NULL;
	uint8_t der[DER_SIGNATURE_MAX];
	const uint8_t *at = der;
	size_t len = sizeof(der);
	EVP_PKEY *key = (EVP_PKEY *)(uintptr_t)pkey; /* not changed */

	if (ctx == NULL ||
	    EVP_DigestSignInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) !=
		1 ||
	    EVP_DigestSign(ctx, der, &len, bytes->bytes, bytes->len) != 1)
		return DA_E_NOMEM;
	sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	if (sig == NULL ||
	    BN_bn2binpad(ECDSA_SIG_get0_r(sig), ret, COORDINATE_LEN) !=
		COORDINATE_LEN ||
	    BN_bn2binpad(ECDSA_SIG_get0_s(sig), ret + COORDINATE_LEN,
		COORDINATE_LEN) != COORDINATE_LEN)
		return DA_E_NOMEM;
	return DA_OK;
}

enum da_err
da_signing_key_sign(const struct da_signing_key *key, const char *header,
    const char *payload, struct da_buf *ret)
{
	DA_CLEANUP(da_buf_done) struct da_buf signed_bytes;
	uint8_t signature[2 * COORDINATE_LEN];
	enum da_err err;

	da_buf_init(&signed_bytes, DA_JWT_MAX);
	err = da_base64url_put(&signed_bytes, header, strlen(header));
	if (err == DA_OK)
		err = da_buf_put_text(&signed_bytes, ".");
	if (err == DA_OK)
		err = da_base64url_put(&signed_bytes, payload, strlen(payload));
	if (err == DA_OK)
		err = sign_bytes(key->pkey, &signed_bytes, signature);
	ERR_clear_error();
	if (err == DA_OK)
		err = da_buf_put(ret, signed_bytes.bytes, signed_bytes.len);
	if (err == DA_OK)
		err = da_buf_put_text(ret, ".");
	return err != DA_OK
	    ? err
	    : da_base64url_put(ret, signature, sizeof(signature));
}
