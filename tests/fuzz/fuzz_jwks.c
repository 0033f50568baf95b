/*
 * Fuzzing key sets. A set that is accepted is used once, with a signature of
 * the right length, so that every key gets as far as OpenSSL's verification.
 */
#include <stdint.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "jose/jose.h"
#include "jose/jws.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t signature[1024] = {1};
	static const size_t lens[] = {64, 96, 256, 512, 1024};
	struct da_jwks *set = NULL;
	struct da_diag diag;
	enum da_err err = da_jwks_parse(data, size, &set, &diag);

	if ((err == DA_OK) != (set != NULL))
		abort();
	for (size_t i = 0; set != NULL && i < set->count; i++) {
		for (uint32_t alg = 1; alg < DA_JOSE_ALG_ALL; alg *= 2) {
			for (size_t k = 0; k < 5; k++) {
				if (da_jws_verify_bytes(&set->keys[i], alg, "",
					0, signature, lens[k]) == DA_OK)
					abort();
			}
		}
	}
	if (ERR_peek_error() != 0)
		abort();
	da_jwks_free(set);
	return 0;
}
