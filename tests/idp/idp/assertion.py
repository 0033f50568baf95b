"""private_key_jwt (RFC 7523, OpenID Connect Core 9), checked strictly."""

import collections
import json
import time

from jwcrypto import jwk, jws
from jwcrypto.common import JWException

TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FIELDS = {"client_assertion", "client_assertion_type"}
LIFE_S, FUTURE_S = 300, 5
MAX_JTI = 100000
CLAIMS = {"iss", "sub", "aud", "jti", "iat", "exp"}


class BadAssertion(Exception):
    """The client has not proved itself."""


class Assertions:
    """Checks assertions, and remembers their ids."""

    def __init__(self, quirks):
        self.quirks = quirks
        self.clear()

    def clear(self):
        self._seen = collections.OrderedDict()

    def check(self, form, client, issuer, address):
        """RFC 7523 3; `address` is that of the endpoint that was called."""
        if form.get("client_assertion_type") != TYPE:
            raise BadAssertion("client_assertion_type is not RFC 7523's")
        claims = self._open(form.get("client_assertion", ""), client.jwk)
        if set(claims) != CLAIMS:
            raise BadAssertion(f"claims are {sorted(claims)}")
        for name in ("iss", "sub"):
            if claims[name] != client.client_id:
                raise BadAssertion(f"{name} is {claims[name]!r}")
        wanted = {"issuer": issuer, "endpoint": address}
        mode = self.quirks.get("assertion_audience", "endpoint")
        if claims["aud"] != wanted[mode]:
            raise BadAssertion(f"aud is {claims['aud']!r}, not the {mode}")
        self._check_time(claims["iat"], claims["exp"])
        self._check_jti(claims["jti"])

    @staticmethod
    def _open(text, key):
        try:
            token = jws.JWS()
            token.allowed_algs = ["ES256"]
            token.deserialize(text)
            header = token.jose_header
            token.verify(jwk.JWK(**key))
            claims = json.loads(token.payload)
        except (JWException, ValueError, TypeError) as error:
            raise BadAssertion(
                f"not an assertion ({type(error).__name__})") from None
        if text.count(".") != 2 or not isinstance(claims, dict):
            raise BadAssertion("not a compact JWS of claims")
        if set(header) != {"typ", "alg", "kid"} or header["typ"] != "JWT":
            raise BadAssertion(f"header is {header}")
        if header["kid"] != jwk.JWK(**key).thumbprint():
            raise BadAssertion("kid is not the key's thumbprint")
        return claims

    @staticmethod
    def _check_time(iat, exp):
        if type(iat) is not int or type(exp) is not int:
            raise BadAssertion("iat or exp is not a whole number")
        if not -FUTURE_S <= time.time() - iat <= LIFE_S:
            raise BadAssertion("iat is not now")
        if not time.time() < exp <= time.time() + LIFE_S:
            raise BadAssertion("exp is not soon")

    def _check_jti(self, jti):
        if not isinstance(jti, str) or len(jti) < 16:
            raise BadAssertion("jti is too short to be unique")
        if jti in self._seen:
            raise BadAssertion("jti used before")
        self._seen[jti] = True
        if len(self._seen) > MAX_JTI:
            self._seen.popitem(last=False)
