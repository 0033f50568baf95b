#include "http/trouble.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <curl/curl.h>
#include <openssl/x509_vfy.h>

#include "core/attr.h"

#define NOT_TRUSTED "certificate not trusted"

struct row {
	int curl;
	enum da_err err;
	bool may_pass;
	const char *reason;
};

static const struct row rows[] = {
    {CURLE_COULDNT_RESOLVE_HOST, DA_E_UNREACHABLE, true, "name not found"},
    {CURLE_OPERATION_TIMEDOUT, DA_E_UNREACHABLE, true, "no answer in time"},
    {CURLE_SSL_CONNECT_ERROR, DA_E_UNREACHABLE, true,
	"no secure connection (TLS 1.2 or later)"},
    {CURLE_SEND_ERROR, DA_E_UNREACHABLE, true, "connection lost"},
    {CURLE_RECV_ERROR, DA_E_UNREACHABLE, true, "connection lost"},
    {CURLE_GOT_NOTHING, DA_E_UNREACHABLE, true,
	"connection closed without an answer"},
    {CURLE_PARTIAL_FILE, DA_E_UNREACHABLE, true, "the answer broke off"},
    {CURLE_SSL_CACERT_BADFILE, DA_E_CONFIG, false,
	"the CA file holds no certificate"},
    /* curl's own limit for one header line. */
    {CURLE_OUT_OF_MEMORY, DA_E_PROTOCOL, false, "the answer is too large"},
    {CURLE_UNSUPPORTED_PROTOCOL, DA_E_PROTOCOL, false,
	"the answer is not HTTP/1.1"},
    {CURLE_WEIRD_SERVER_REPLY, DA_E_PROTOCOL, false,
	"the answer is not HTTP/1.1"},
    {CURLE_WRITE_ERROR, DA_E_PROTOCOL, false, "the answer is not HTTP/1.1"},
    {CURLE_BAD_CONTENT_ENCODING, DA_E_PROTOCOL, false,
	"the answer is not HTTP/1.1"},
};

static const struct {
	int code;
	const char *reason;
} certificates[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, "certificate expired"},
    {X509_V_ERR_CERT_NOT_YET_VALID, "certificate not valid yet"},
    {X509_V_ERR_HOSTNAME_MISMATCH, "certificate is for another host"},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, "certificate is for another host"},
    {X509_V_ERR_INVALID_PURPOSE, "certificate is not for servers"},
    {X509_V_ERR_CERT_REVOKED, "certificate revoked"},
    {X509_V_ERR_EE_KEY_TOO_SMALL, "certificate too weak"},
    {X509_V_ERR_CA_KEY_TOO_SMALL, "certificate too weak"},
    {X509_V_ERR_CA_MD_TOO_WEAK, "certificate too weak"},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, NOT_TRUSTED},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, NOT_TRUSTED},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, NOT_TRUSTED},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, NOT_TRUSTED},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, NOT_TRUSTED},
    {X509_V_ERR_CERT_SIGNATURE_FAILURE, NOT_TRUSTED},
    {X509_V_ERR_CERT_UNTRUSTED, NOT_TRUSTED},
    /* curl's own comparison of the name fails after a good chain. */
    {X509_V_OK, "certificate is for another host"},
};

static const char *
certificate_reason(long code)
{
	for (size_t i = 0; i < DA_ARRAY_LEN(certificates); i++) {
		if (certificates[i].code == code)
			return certificates[i].reason;
	}
	return "certificate not valid";
}

static const char *
connect_reason(const struct da_http_trouble *trouble)
{
	if (trouble->address_refused)
		return "the name leads to an address that is not allowed";
	switch (trouble->os_errno) {
	case ECONNREFUSED:
		return "connection refused";
	case ENETUNREACH:
	case EHOSTUNREACH:
	case EADDRNOTAVAIL:
		return "no route to the host";
	case ETIMEDOUT:
		return "no answer in time";
	default:
		return "cannot connect";
	}
}

const char *
da_http_hint(const struct da_http_trouble *trouble)
{
	return trouble->curl == CURLE_PEER_FAILED_VERIFICATION &&
		strcmp(certificate_reason(trouble->verify), NOT_TRUSTED) == 0
	    ? "see ca_file"
	    : "";
}

enum da_err
da_http_explain(const struct da_http_trouble *trouble, const char **ret_reason,
    bool *ret_may_pass)
{
	*ret_may_pass = false;
	if (trouble->too_large) {
		*ret_reason = "the answer is too large";
		return DA_E_PROTOCOL;
	}
	if (trouble->curl == CURLE_PEER_FAILED_VERIFICATION) {
		*ret_reason = certificate_reason(trouble->verify);
		return DA_E_UNREACHABLE;
	}
	if (trouble->curl == CURLE_COULDNT_CONNECT) {
		*ret_reason = connect_reason(trouble);
		*ret_may_pass = !trouble->address_refused;
		return DA_E_UNREACHABLE;
	}
	for (size_t i = 0; i < DA_ARRAY_LEN(rows); i++) {
		if (rows[i].curl == trouble->curl) {
			*ret_reason = rows[i].reason;
			*ret_may_pass = rows[i].may_pass;
			return rows[i].err;
		}
	}
	*ret_reason = "the request failed";
	return DA_E_UNREACHABLE;
}
