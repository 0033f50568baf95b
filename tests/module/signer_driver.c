/*
 * The broker's signer without a broker: ENDPOINTS and SIGN come in on
 * descriptor 0, SIGNED goes out there. Ends at whatever is not to be signed.
 *
 *     signer_driver KEY.pem ISSUER HOSTS CLIENT_ID FLAGS LIMIT
 *
 * FLAGS: p(roofs), a(ssertions), i(ssuer as audience).
 */
#include <stdio.h>
#include <string.h>

#include "core/clock.h"
#include "core/frame.h"
#include "core/parse.h"
#include "core/wire.h"
#include "store/signer.h"
#include "store/signing_key.h"

static enum da_err
read_key(const char *path, struct da_signing_key **ret)
{
	struct da_buf pem;
	char text[4096];
	FILE *file = fopen(path, "re");
	size_t len;
	enum da_err err;

	if (file == NULL)
		return DA_E_SYS;
	len = fread(text, 1, sizeof(text), file);
	(void)fclose(file);
	da_buf_init(&pem, sizeof(text));
	err = da_buf_put(&pem, text, len);
	if (err == DA_OK)
		err = da_signing_key_parse(&pem, ret);
	da_buf_done(&pem);
	return err;
}

static enum da_err
serve(struct da_signer *signer, uint8_t type, const struct da_buf *body)
{
	struct da_wire_endpoints endpoints;
	struct da_wire_sign order;
	struct da_wire_signed made;
	struct da_diag diag;
	enum da_err err;

	if (type == DA_WIRE_ENDPOINTS) {
		err = da_wire_decode(DA_WIRE_ENDPOINTS, body, &endpoints);
		return err != DA_OK
		    ? err
		    : da_signer_take_endpoints(signer, &endpoints, &diag);
	}
	if (type != DA_WIRE_SIGN)
		return DA_E_WIRE;
	err = da_wire_decode(DA_WIRE_SIGN, body, &order);
	if (err == DA_OK)
		err = da_signer_sign(
		    signer, &order, da_clock_wall_s(), &made, &diag);
	if (err == DA_OK)
		err = da_wire_send(0, DA_WIRE_SIGNED, &made,
		    da_clock_mono_ms() + DA_FRAME_TIMEOUT_MS);
	return err;
}

int
main(int argc, char **argv)
{
	struct da_signing_key *key = NULL;
	struct da_signer_terms terms = {0};
	struct da_signer signer;
	struct da_buf body;
	int64_t limit;
	uint8_t type;
	enum da_err err;

	if (argc != 7 || read_key(argv[1], &key) != DA_OK ||
	    da_parse_int(argv[6], 0, 10000, &limit) != DA_OK)
		return 2;
	terms.issuer = argv[2];
	terms.endpoint_hosts = argv[3];
	terms.client_id = argv[4];
	terms.proofs = strchr(argv[5], 'p') != NULL;
	terms.assertions = strchr(argv[5], 'a') != NULL;
	terms.audience_issuer = strchr(argv[5], 'i') != NULL;
	terms.limit = (unsigned int)limit;
	da_signer_init(&signer, key, &terms);
	da_buf_init(&body, DA_FRAME_MAX);
	do {
		err =
		    da_frame_recv(0, &type, &body, da_clock_mono_ms() + 60000);
		if (err == DA_OK)
			err = serve(&signer, type, &body);
	} while (err == DA_OK);
	da_signing_key_free(key);
	da_buf_done(&body);
	return err == DA_E_CLOSED ? 0 : 1;
}
