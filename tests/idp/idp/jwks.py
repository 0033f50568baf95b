"""The JWK Set (RFC 7517 5) and the sets that a client has to survive."""

from .keys import b64

JWKS_VARIANTS = {
    "garbage": "text that is no JSON",
    "empty_text": "an empty body",
    "nul": "a single NUL",
    "top_array": "an array instead of an object",
    "top_number": "a number instead of an object",
    "keys_missing": "no member `keys`",
    "keys_object": "`keys` is an object",
    "keys_string": "`keys` is a string",
    "keys_null": "`keys` is null",
    "keys_numbers": "the entries are numbers, null and lists",
    "no_keys": "an empty list",
    "unusable_keys": "the good keys among many that must be ignored",
    "no_use": "keys without `use`",
    "no_alg": "keys without `alg`",
    "no_kid": "keys without `kid`",
    "use_enc": "the good keys are marked for encryption",
    "two_alike": "a second key of each algorithm, all without `kid`",
    "same_kid": "a stranger's key first, under the kid of the signing key",
    "only_weak_rsa": "only an RSA key of 1024 bits",
    "with_weak_rsa": "an RSA key of 1024 bits too",
    "rsa_e1": "RSA keys with exponent 1",
    "rsa_even_e": "RSA keys with an even exponent",
    "rsa_huge": "RSA keys of 16384 bits",
    "off_curve": "EC keys whose point is not on the curve",
    "infinity": "EC keys with the point 0, 0",
    "ed_small_order": "an Ed25519 key of small order",
    "private_members": "keys with members that look private",
    "many": "2000 keys, the good ones last",
}


def unusable_keys():
    """Keys to be skipped one by one, none of which spoils the set."""
    return [
        {"kty": "oct", "k": b64(b"secret"), "kid": "oct", "alg": "HS256"},
        {"kty": "XYZ", "kid": "unknown-kty"},
        {"kid": "no-kty"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "kid": "curve"},
        {"kty": "EC", "crv": "secp256k1", "x": b64(b"\1" * 32),
         "y": b64(b"\2" * 32), "kid": "k1"},
        {"kty": "EC", "crv": "P-256", "x": "!!!", "y": 5, "kid": "bad-b64"},
        {"kty": "RSA", "kid": "no-n", "e": "AQAB"},
        {"kty": "OKP", "crv": "X25519", "x": b64(b"\3" * 32), "kid": "x25519"},
        {"kty": "RSA", "kid": 17, "n": b64(b"\xff" * 256), "e": "AQAB"},
        {"kty": "RSA", "use": "enc", "kid": "enc", "alg": "RSA-OAEP",
         "n": b64(b"\xff" * 256), "e": "AQAB"},
    ]


def spoiled(key, variant):
    """One good key changed into a bad one; None: it has no such fault."""
    if key["kty"] == "RSA" and variant in ("rsa_e1", "rsa_even_e", "rsa_huge"):
        change = {"rsa_e1": {"e": b64(b"\1")}, "rsa_even_e": {"e": b64(b"\4")},
                  "rsa_huge": {"n": b64(b"\xff" * 2048)}}
        return {**key, **change[variant]}
    if key["kty"] == "EC" and variant == "off_curve":
        return {**key, "y": b64(b"\1" * (32 if key["crv"] == "P-256" else 48))}
    if key["kty"] == "EC" and variant == "infinity":
        return {**key, "x": b64(bytes(32)), "y": b64(bytes(32))}
    return None


def key_set(ring, quirks):
    """What `/jwks` answers: JSON, or text that is meant to be none."""
    good = ring.public_keys()
    if "weak_rsa" in quirks.variants("id_token"):
        good.append(ring.weak().public_jwk())
    variant = quirks.get("jwks")
    if variant is None:
        return {"keys": good}
    whole = {
        "garbage": "<html>not a key set", "empty_text": "", "nul": "\0",
        "top_array": good, "top_number": 42, "keys_missing": {},
        "keys_object": {"keys": {"0": good[0]}},
        "keys_string": {"keys": "none"}, "keys_null": {"keys": None},
        "no_keys": {"keys": []},
        "keys_numbers": {"keys": [1, None, [], "key", 1.5, True]},
    }
    if variant in whole:
        return whole[variant]
    return {"keys": changed_keys(variant, good, ring)}


def changed_keys(variant, good, ring):
    """The list of keys for a variant that is still a JWK Set."""
    def without(*members):
        return [{name: value for name, value in key.items()
                 if name not in members} for key in good]

    def stranger(kid):
        return {**ring.stranger().public_jwk(), "kid": kid}

    if variant == "unusable_keys":
        return unusable_keys() + good + unusable_keys()
    if variant in ("no_use", "no_alg", "no_kid"):
        return without(variant[3:])
    if variant == "use_enc":
        return [{**key, "use": "enc"} for key in good]
    if variant == "two_alike":
        other = {**ring.stranger().public_jwk()}
        other.pop("kid")
        return [other] + without("kid")
    if variant == "same_kid":
        return [stranger(key["kid"]) for key in good] + good
    if variant in ("only_weak_rsa", "with_weak_rsa"):
        weak = ring.weak().public_jwk()
        return [weak] if variant == "only_weak_rsa" else [weak] + good
    if variant == "ed_small_order":
        return [{"kty": "OKP", "crv": "Ed25519", "kid": "small",
                 "alg": "EdDSA", "x": b64(b"\1" + bytes(31))}]
    if variant == "private_members":
        return [{**key, "d": "AQAB", "p": "AQAB", "oth": []} for key in good]
    if variant == "many":
        return [stranger(f"many-{number}") for number in range(2000)] + good
    return [bad for key in good if (bad := spoiled(key, variant))]
