#include "http/policy.h"

#include "core/buf.h"

/* Debian's name for the folder that update-ca-certificates hashes. Looking one
 * CA up in it takes no time; parsing the bundle takes 36 ms. */
#define CA_FOLDER "/etc/ssl/certs"

/* The first failure sticks. */
#define SET(option, value)                                                     \
	do {                                                                   \
		if (code == CURLE_OK)                                          \
			code = curl_easy_setopt(easy, (option), (value));      \
	} while (0)

static CURLcode
set_limits(CURL *easy)
{
	CURLcode code = CURLE_OK;

	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	/* Not even the variables of an environment that is empty anyway. */
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NOPROXY, "*");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_HTTP09_ALLOWED, 0L);
	/* We ask for no compression, so nothing may unpack to more than came.
	 */
	SET(CURLOPT_HTTP_CONTENT_DECODING, 0L);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NOPROGRESS, 1L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_USERAGENT, "devauth/" DA_VERSION);
	/* The addresses that we hand over hold for the whole login. */
	SET(CURLOPT_DNS_CACHE_TIMEOUT, -1L);
	return code;
}

/* With the folder or a blob set, curl must be told to leave the bundle alone:
 * its built-in default would be parsed as well. */
static CURLcode
set_trust(CURL *easy, const struct da_buf *ca)
{
	CURLcode code = CURLE_OK;
	struct curl_blob blob = {
	    .data = ca->bytes, .len = ca->len, .flags = CURL_BLOB_NOCOPY};

	SET(CURLOPT_CAINFO, NULL);
	SET(CURLOPT_CAPATH, ca->len > 0 ? NULL : CA_FOLDER);
	if (ca->len > 0)
		SET(CURLOPT_CAINFO_BLOB, &blob);
	return code;
}

CURLcode
da_http_set_policy(CURL *easy, const struct da_buf *ca)
{
	CURLcode code = set_limits(easy);

	return code != CURLE_OK ? code : set_trust(easy, ca);
}
