#include "worker/documents.h"

#include "core/clock.h"
#include "core/limits.h"
#include "http/http.h"
#include "jose/jose.h"
#include "provider/answer.h"

void
da_documents_init(struct da_documents *documents, struct da_http *http,
    const struct da_provider *provider)
{
	*documents = (struct da_documents){.http = http, .provider = provider};
	da_buf_init(&documents->fetched.metadata, DA_BODY_MAX);
	da_buf_init(&documents->fetched.jwks, DA_BODY_MAX);
}

void
da_documents_done(struct da_documents *documents)
{
	da_jwks_freep(&documents->jwks);
	da_wire_done(DA_WIRE_METADATA, &documents->fetched);
}

static enum da_err
get(struct da_documents *documents, const char *url, int64_t deadline_mono_ms,
    struct da_http_answer *ret, struct da_diag *reason)
{
	struct da_http_request request = {
	    .url = url, .deadline_mono_ms = deadline_mono_ms};

	return da_http_send(documents->http, &request, ret, reason);
}

/* Keeps the body for the broker. */
static void
keep(struct da_http_answer *answer, struct da_buf *ret, int64_t *ret_max_age_s)
{
	da_buf_done(ret);
	*ret = answer->body;
	*ret_max_age_s = answer->max_age_s;
	answer->body = (struct da_buf){0}; /* moved */
}

/* One of the two places. DA_E_ABSENT when there is nothing (404). */
static enum da_err
fetch_metadata(struct da_documents *documents, enum da_discovery_form form,
    int64_t deadline_mono_ms, struct da_diag *reason)
{
	DA_CLEANUP(da_http_answer_done) struct da_http_answer answer = {0};
	char uri[DA_URI_MAX + 1];
	enum da_err err =
	    da_discovery_uri(documents->provider->issuer, form, uri);

	if (err == DA_OK)
		err = get(documents, uri, deadline_mono_ms, &answer, reason);
	if (err != DA_OK)
		return err;
	err = da_answer_check_status(answer.status, reason);
	if (err != DA_OK)
		return answer.status == 404 ? DA_E_ABSENT : err;
	err = da_discovery_parse(
	    &answer.body, documents->provider, &documents->endpoints, reason);
	if (err == DA_OK)
		keep(&answer, &documents->fetched.metadata,
		    &documents->fetched.metadata_max_age_s);
	return err;
}

enum da_err
da_documents_load_metadata(struct da_documents *documents,
    const struct da_buf *cached, int64_t deadline_mono_ms,
    struct da_diag *reason)
{
	enum da_err err;

	if (cached->len > 0 &&
	    da_discovery_parse(cached, documents->provider,
		&documents->endpoints, NULL) == DA_OK)
		return DA_OK;
	err = fetch_metadata(
	    documents, DA_DISCOVERY_OPENID, deadline_mono_ms, reason);
	if (err == DA_E_ABSENT)
		err = fetch_metadata(
		    documents, DA_DISCOVERY_OAUTH, deadline_mono_ms, reason);
	if (err != DA_E_ABSENT)
		return err;
	da_diag_set(reason, "it has no discovery document for the issuer");
	return DA_E_PROTOCOL;
}

void
da_documents_use_jwks(
    struct da_documents *documents, const struct da_buf *cached)
{
	if (cached->len > 0)
		DA_IGNORE(da_jwks_parse(cached->bytes, cached->len,
		    &documents->jwks, NULL)); /* none: it will be fetched */
}

enum da_err
da_documents_fetch_jwks(struct da_documents *documents,
    int64_t deadline_mono_ms, struct da_diag *reason)
{
	DA_CLEANUP(da_http_answer_done) struct da_http_answer answer = {0};
	struct da_jwks *jwks = NULL;
	enum da_err err;

	documents->jwks_refetched = documents->jwks != NULL;
	documents->jwks_asked_mono_ms = da_clock_mono_ms();
	err = get(documents, documents->endpoints.jwks, deadline_mono_ms,
	    &answer, reason);
	if (err == DA_OK)
		err = da_answer_check_status(answer.status, reason);
	if (err != DA_OK)
		return err;
	err = da_jwks_parse(answer.body.bytes, answer.body.len, &jwks, NULL);
	if (err == DA_E_NOMEM)
		return err;
	if (err != DA_OK) {
		da_diag_set(reason, "its key set cannot be read");
		return DA_E_PROTOCOL;
	}
	da_jwks_free(documents->jwks);
	documents->jwks = jwks;
	keep(&answer, &documents->fetched.jwks,
	    &documents->fetched.jwks_max_age_s);
	return DA_OK;
}

bool
da_documents_may_refetch(const struct da_documents *documents)
{
	return !documents->jwks_refetched &&
	    (documents->jwks_asked_mono_ms == 0 ||
		da_clock_mono_ms() - documents->jwks_asked_mono_ms >=
		    DA_JWKS_REFETCH_MS);
}
