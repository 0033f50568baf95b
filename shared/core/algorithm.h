/*
 * The signature algorithms devauth knows, as bits of an allow-list. Shared by
 * configuration, wire and jose/.
 */
#ifndef DA_CORE_ALGORITHM_H
#define DA_CORE_ALGORITHM_H

#define DA_JOSE_ALG_RS256 1u
#define DA_JOSE_ALG_PS256 2u
#define DA_JOSE_ALG_ES256 4u
#define DA_JOSE_ALG_ES384 8u
#define DA_JOSE_ALG_EDDSA 16u /* Ed25519 */
#define DA_JOSE_ALG_ALL 31u

#endif
