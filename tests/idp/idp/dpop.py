"""DPoP (RFC 9449): proofs checked strictly, nonces of every kind."""

import collections
import hashlib
import json
import secrets
import time

from jwcrypto import jwk, jws
from jwcrypto.common import JWException

from .keys import b64

ALGORITHMS = ["ES256", "ES384", "EdDSA", "PS256", "RS256"]
PAST_S, FUTURE_S = 60, 5
MAX_JTI = 100000
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
CLAIMS = {"jti", "htm", "htu", "iat"}


class BadProof(Exception):
    """The proof is not one; `violation` tells whether an RFC was broken."""

    def __init__(self, text, error="invalid_dpop_proof", violation=True):
        super().__init__(text)
        self.error = error
        self.violation = violation


class Proofs:
    """Checks proofs, remembers their ids, hands out nonces."""

    def __init__(self, quirks):
        self.quirks = quirks
        self.clear()

    def clear(self):
        self._seen = collections.OrderedDict()
        self._nonce = secrets.token_urlsafe(12)

    def nonce_headers(self):
        """DPoP-Nonce for an answer, as the `dpop_nonce` quirk plays it."""
        mode = self.quirks.get("dpop_nonce")
        if mode in ("rotate", "endless"):
            self._nonce = secrets.token_urlsafe(12)
        value = {None: None, "absent": None,
                 "doubled": [self._nonce, "second-nonce"],
                 "huge": "n" * 65536,
                 "crlf": self._nonce + "\r\nX-Injected: yes",
                 }.get(mode, self._nonce)
        return {} if value is None else {"DPoP-Nonce": value}

    def check(self, request, address, access_token=None):
        """RFC 9449 4.3. Returns the thumbprint of the key (RFC 7638)."""
        header, claims = self._open(request.headers["DPoP"])
        wanted = CLAIMS | ({"ath"} if access_token else set())
        missing, surplus = wanted - set(claims), (
            set(claims) - wanted - {"nonce"})
        if missing or surplus:
            raise BadProof("claims missing: %s, surplus: %s" % (
                sorted(missing), sorted(surplus)))
        if claims["htm"] != request.method:
            raise BadProof(f"htm is {claims['htm']!r}")
        if claims["htu"] != address:
            raise BadProof(f"htu is {claims['htu']!r}, not {address!r}")
        if access_token and claims["ath"] != b64(
                hashlib.sha256(access_token.encode()).digest()):
            raise BadProof("ath is not the access token's hash")
        self._check_time(claims["iat"])
        self._check_jti(claims["jti"])
        self._check_nonce(claims.get("nonce"))
        return jwk.JWK(**header["jwk"]).thumbprint()

    @staticmethod
    def _open(text):
        """Header and claims of a proof whose signature is right."""
        try:
            token = jws.JWS()
            token.allowed_algs = ALGORITHMS
            token.deserialize(text)
            header = token.jose_header
            if header.get("typ") != "dpop+jwt":
                raise BadProof(f"typ is {header.get('typ')!r}")
            if set(header) != {"typ", "alg", "jwk"}:
                raise BadProof(f"header members are {sorted(header)}")
            if PRIVATE_MEMBERS & set(header["jwk"]):
                raise BadProof("the proof shows a private key")
            token.verify(jwk.JWK(**header["jwk"]))
            claims = json.loads(token.payload)
        except (JWException, ValueError, TypeError) as error:
            raise BadProof(f"not a proof ({type(error).__name__})") from None
        if text.count(".") != 2 or not isinstance(claims, dict):
            raise BadProof("not a compact JWS of claims")
        return header, claims

    @staticmethod
    def _check_time(iat):
        if isinstance(iat, bool) or not isinstance(iat, int):
            raise BadProof("iat is not a whole number")
        if not -FUTURE_S <= time.time() - iat <= PAST_S:
            raise BadProof("iat is not now")

    def _check_jti(self, jti):
        if not isinstance(jti, str) or len(jti) < 16:
            raise BadProof("jti is too short to be unique")
        if jti in self._seen:
            raise BadProof("jti used before")
        self._seen[jti] = True
        if len(self._seen) > MAX_JTI:
            self._seen.popitem(last=False)

    def _check_nonce(self, nonce):
        mode = self.quirks.get("dpop_nonce")
        if mode is None:
            if nonce is not None:
                raise BadProof("a nonce that nobody gave")
        elif mode == "endless" or nonce != self._nonce:
            # RFC 9449 8: the client tries again with the nonce given.
            raise BadProof("use this nonce", "use_dpop_nonce", violation=False)
