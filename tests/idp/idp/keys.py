"""Signing keys, the JWK Set (RFC 7517) and raw JWS signatures (RFC 7518).

Signatures are made directly on the `cryptography` package: a provider that has
to produce broken tokens cannot use a library that refuses to.
"""

import base64
import hashlib
import hmac
import json
import os

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (
    ec, ed25519, padding, rsa, utils)
from jwcrypto import jwk

from .pki import load_or_make_key, new_ec_key

HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
ALGORITHMS = ("ES256", "RS256", "PS256", "ES384", "EdDSA")
ALWAYS_PUBLISHED = ("ES256", "RS256")


def b64(data):
    """base64url without padding (RFC 7515 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64_json(value):
    return b64(json.dumps(value, separators=(",", ":")).encode())


def new_rsa_key(bits=2048):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


MAKERS = {
    "ES256": new_ec_key,
    "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "RS256": new_rsa_key,
    "PS256": new_rsa_key,
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


def sign(alg, private, data):
    """A JWS signature over `data`."""
    if alg == "EdDSA":
        return private.sign(data)
    digest = {"256": hashes.SHA256(), "384": hashes.SHA384()}[alg[2:]]
    if alg.startswith("ES"):
        # RFC 7518 3.4: R || S, not DER.
        r, s = utils.decode_dss_signature(private.sign(data, ec.ECDSA(digest)))
        size = (private.curve.key_size + 7) // 8
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    if alg.startswith("RS"):
        return private.sign(data, padding.PKCS1v15(), digest)
    return private.sign(
        data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)


def half_hash(alg, text):
    """OpenID Connect Core 3.1.3.6: the left half of the hash, for at_hash.
    Ed25519 hashes with SHA-512."""
    bits = "512" if alg == "EdDSA" else alg[2:]
    digest = HASHES[bits](text.encode()).digest()
    return b64(digest[:len(digest) // 2])


class SigningKey:
    """A private key with its algorithm and key id."""

    def __init__(self, alg, private, kid=None):
        self.alg = alg
        self.private = private
        # The same key keeps its id over a restart: caches stay right.
        self.kid = kid or hashlib.sha256(self.public_der()).hexdigest()[:8]

    def sign(self, data, alg=None):
        return sign(alg or self.alg, self.private, data)

    def sign_der(self, data):
        """ECDSA as X.509 writes it, which RFC 7518 3.4 does not."""
        return self.private.sign(data, ec.ECDSA(hashes.SHA256()))

    @staticmethod
    def sign_hmac(data, secret):
        """HS256, which no ID token of ours may use (RFC 8725 3.1)."""
        return hmac.new(secret, data, hashlib.sha256).digest()

    def public_pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo)

    def public_der(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER,
            serialization.PublicFormat.SubjectPublicKeyInfo)

    def public_jwk(self):
        key = json.loads(jwk.JWK.from_pem(self.public_pem()).export_public())
        key.update(kid=self.kid, use="sig", alg=self.alg)
        return key


class KeyRing:
    """The keys that sign now, and those that are still published."""

    def __init__(self, directory):
        def stored(alg):
            path = os.path.join(directory, f"signing-{alg.lower()}.key")
            return SigningKey(alg, load_or_make_key(path, MAKERS[alg]))

        self.current = {alg: stored(alg) for alg in ALWAYS_PUBLISHED}
        self.retired = []
        self._weak = None
        self._stranger = None

    def signing(self, alg):
        """The key for `alg`; one beyond the usual two is made, and from then
        on published, when it is first asked for."""
        if alg not in self.current:
            self.current[alg] = SigningKey(alg, MAKERS[alg]())
        return self.current[alg]

    def weak(self):
        """RSA with 1024 bits, which RFC 7518 3.3 forbids."""
        if self._weak is None:
            self._weak = SigningKey("RS256", new_rsa_key(1024), "weak")
        return self._weak

    def stranger(self):
        """A good key of somebody else, never published."""
        if self._stranger is None:
            self._stranger = SigningKey("ES256", new_ec_key(), "stranger")
        return self._stranger

    def rotate(self, keep_old=True):
        """New keys for every algorithm in use; the old ones stay published
        for as long as tokens signed with them may be about."""
        old = list(self.current.values())
        self.current = {key.alg: SigningKey(key.alg, MAKERS[key.alg]())
                        for key in old}
        self.retired = old + self.retired[:6] if keep_old else []

    def public_keys(self):
        keys = list(self.current.values()) + self.retired
        return [key.public_jwk() for key in keys]
