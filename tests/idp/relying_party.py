"""A client as the RFCs want it, for the tests of devauth-idp: an API without
opinions about answers, a strict verifier of ID tokens, and DPoP proofs.
"""

import base64
import contextlib
import hashlib
import http.client
import json
import re
import secrets
import socket
import ssl
import time
from urllib.parse import quote_plus, urlencode

from jwcrypto import jwk, jws

PUBLIC, BASIC, POST = "devauth-public", "devauth-basic", "devauth-post"
KEY = "devauth-key"
RFC7515_KEY = jwk.JWK(
    kty="EC", crv="P-256", x="f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    y="x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    d="jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")
BASIC_SECRET, POST_SECRET = "s:e/c r%t+1", "p&o=s t%2"
DEVICE_NAME = "alice@web1 (sshd, from 203.0.113.7)"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
FORM = "application/x-www-form-urlencoded"


class Reply:
    """What came back."""

    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        return self.json.get("error")


class Api:
    """The API of a provider, as a client sees it that follows the RFCs."""

    def __init__(self, idp):
        self.idp = idp
        self.context = ssl.create_default_context(cafile=idp.ca_file)

    def connect(self, timeout=20, context=None):
        return contextlib.closing(http.client.HTTPSConnection(
            "localhost", self.idp.port, timeout=timeout,
            context=context or self.context))

    @staticmethod
    def send(connection, method, path, form=None, headers=None, body=None):
        fields = {"Accept": "application/json"}
        if form is not None:
            fields["Content-Type"] = FORM
            body = urlencode(form)
        for name, value in (headers or {}).items():
            fields[name] = value
        connection.request(method, path, body, {
            name: value for name, value in fields.items()
            if value is not None})
        return Reply(connection.getresponse())

    def call(self, method, path, form=None, timeout=20, **more):
        with self.connect(timeout) as connection:
            return self.send(connection, method, path, form, **more)

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, form, **more):
        return self.call("POST", path, form, **more)

    # the flow

    def start(self, scope="openid profile email groups offline_access",
              **more):
        return self.post("/device_authorization", {
            "client_id": PUBLIC, "scope": scope,
            "device_name": DEVICE_NAME, **more}).json

    def poll(self, started, client_id=PUBLIC, **more):
        return self.post("/token", {
            "grant_type": DEVICE_GRANT, "client_id": client_id,
            "device_code": started["device_code"]}, **more)

    def login(self, username="alice", **more):
        """A whole flow; the token answer."""
        started = self.start(**more)
        self.idp.control.approve(username, started["user_code"])
        return self.poll(started).json

    def refresh(self, token, **more):
        return self.post("/token", {
            "grant_type": "refresh_token", "client_id": PUBLIC,
            "refresh_token": token, **more})

    def userinfo(self, token):
        return self.get("/userinfo",
                        headers={"Authorization": f"Bearer {token}"})

    def read_raw(self, path, limit=2 ** 20):
        """Everything that comes back on a socket, unparsed."""
        with socket.create_connection(("localhost", self.idp.port), 3) as sock:
            with self.context.wrap_socket(
                    sock, server_hostname="localhost") as tls:
                tls.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost:"
                            f"{self.idp.port}\r\nAccept: application/json"
                            "\r\n\r\n".encode())
                data = b""
                with contextlib.suppress(socket.timeout, ssl.SSLError,
                                         ConnectionError):
                    while len(data) < limit and (more := tls.recv(65536)):
                        data += more
                return data


# -- a client's view of ID tokens, strict

class Bad(Exception):
    """An ID token that has to be refused."""


def b64(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decoded(part):
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def no_duplicates(pairs):
    if len({name for name, _ in pairs}) != len(pairs):
        raise Bad("duplicate members")
    return dict(pairs)


def claims_of(token):
    """The claims, unverified."""
    return decoded(token.split(".")[1])


def header_of(token):
    return decoded(token.split(".")[0])


def verify(token, key_set, issuer, client_id=PUBLIC, access_token=None):
    """OpenID Connect Core 3.1.3.7, and RFC 8725."""
    if not isinstance(token, str) or not re.fullmatch(
            r"[\w-]+\.[\w-]+\.[\w-]+", token, re.ASCII):
        raise Bad("form")
    header = header_of(token)
    alg, kid = header.get("alg"), header.get("kid")
    if alg not in ("ES256", "RS256", "PS256", "ES384", "EdDSA"):
        raise Bad("alg")
    if {"crit", "zip", "jwk"} & set(header) or (
            header.get("typ", "JWT") != "JWT"):
        raise Bad("header")
    if kid is not None and not isinstance(kid, str):
        raise Bad("kid")
    payload = signed_payload(token, alg, [
        key for key in key_set["keys"] if key.get("alg", alg) == alg
        and (kid is None or key.get("kid") == kid)])
    try:
        claims = json.loads(payload, object_pairs_hook=no_duplicates)
    except RecursionError:
        raise Bad("depth") from None
    verify_claims(claims, issuer, client_id)
    if "at_hash" in claims:
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        if claims["at_hash"] != b64(half):
            raise Bad("at_hash")
    return claims


def signed_payload(token, alg, keys):
    for key in keys:
        if key["kty"] == "RSA" and len(key["n"]) < 340:
            continue
        signed = jws.JWS()
        signed.allowed_algs = [alg]
        try:
            signed.deserialize(token)
            signed.verify(jwk.JWK(**key))
            return signed.payload
        except (jws.InvalidJWSSignature, jws.InvalidJWSObject, ValueError):
            continue
    raise Bad("signature")


def verify_claims(claims, issuer, client_id):
    now = time.time()
    if claims.get("iss") != issuer:
        raise Bad("iss")
    sub = claims.get("sub")
    if not isinstance(sub, str) or not 0 < len(sub) <= 255:
        raise Bad("sub")
    audience = claims.get("aud")
    audience = [audience] if isinstance(audience, str) else audience
    if not isinstance(audience, list) or client_id not in audience:
        raise Bad("aud")
    if claims.get("azp", client_id) != client_id or (
            len(audience) > 1 and "azp" not in claims):
        raise Bad("azp")
    for name in ("exp", "iat"):
        if type(claims.get(name)) is not int or claims[name] > 2 ** 40:
            raise Bad(name)
    if claims["exp"] <= now or not now - 600 <= claims["iat"] <= now + 60:
        raise Bad("time")
    if claims.get("nbf", 0) > now or "nonce" in claims:
        raise Bad("nbf or nonce")
    auth_time = claims.get("auth_time", 0)
    if not isinstance(auth_time, int) or auth_time > now + 60:
        raise Bad("auth_time")


# -- client authentication and proofs

def basic(client_id, secret, encode=quote_plus):
    pair = f"{encode(client_id)}:{encode(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(
        pair.encode()).decode()}


def assertion(audience, key, claims=None, header=None):
    """The form fields of private_key_jwt (RFC 7523 2.2 and 3)."""
    now = int(time.time())
    token = jws.JWS(json.dumps({
        "iss": KEY, "sub": KEY, "aud": audience, "iat": now, "exp": now + 60,
        "jti": secrets.token_urlsafe(16), **(claims or {})}))
    token.add_signature(key, None, json.dumps({
        "typ": "JWT", "alg": "ES256", "kid": key.thumbprint(),
        **(header or {})}))
    return {"client_assertion": token.serialize(compact=True),
            "client_assertion_type":
                "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}


class Prover:
    """A client's DPoP key."""

    def __init__(self, issuer):
        self.key = jwk.JWK.generate(kty="EC", crv="P-256")
        self.issuer = issuer
        self.nonce = None

    def proof(self, method, path, access_token=None, header=None, **claims):
        body = {"jti": secrets.token_urlsafe(16), "htm": method,
                "htu": self.issuer + path, "iat": int(time.time())}
        if self.nonce:
            body["nonce"] = self.nonce
        if access_token:
            body["ath"] = b64(hashlib.sha256(access_token.encode()).digest())
        body.update(claims)
        proof = jws.JWS(json.dumps(body))
        proof.add_signature(self.key, None, json.dumps({
            "typ": "dpop+jwt", "alg": "ES256",
            "jwk": self.key.export_public(as_dict=True), **(header or {})}))
        return {"DPoP": proof.serialize(compact=True)}
