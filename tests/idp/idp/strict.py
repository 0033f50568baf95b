"""Every request is checked against the text of its RFC.

A departure is recorded as a violation, which fails the test that made it, and
answered with the error that the RFC provides.
"""

import base64
import binascii
import dataclasses
import re
from urllib.parse import unquote_plus

from . import assertion
from .answer import oauth_error

FORM = "application/x-www-form-urlencoded"
DEVICE_CODE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
CLIENT_FIELDS = {"client_id", "client_secret"} | assertion.FIELDS

# What application/x-www-form-urlencoded leaves as it is (and "~", which some
# encoders take from RFC 3986); everything else has to be escaped.
ENCODED = re.compile(r"(?:[A-Za-z0-9*._~+-]|%[0-9A-Fa-f]{2})*")
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+(?: [\x21\x23-\x5b\x5d-\x7e]+)*")
HEADERS_SENT_ONCE = ("Authorization", "Content-Type", "Accept", "Host", "DPoP",
                     "Content-Length")


@dataclasses.dataclass(frozen=True)
class Fields:
    """The parameters of a form, beside those of client authentication."""

    required: frozenset
    optional: frozenset = frozenset()


def fields(required="", optional=""):
    return Fields(frozenset(required.split()), frozenset(optional.split()))


GRANTS = {
    DEVICE_CODE_GRANT: fields("grant_type device_code"),  # RFC 8628 3.4
    "refresh_token": fields("grant_type refresh_token", "scope"),  # 6749 6
}
FORMS = {
    # RFC 8628 3.1; acr_values and max_age as in OpenID Connect Core 3.1.2.1;
    # device_name is ours, for the page on which the person decides.
    "device_authorization": fields("", "scope device_name acr_values max_age"),
    "token": fields("grant_type"),
    "revoke": fields("token", "token_type_hint"),  # RFC 7009 2.1
    "introspect": fields("token", "token_type_hint"),  # RFC 7662 2.1
}
WITH_DPOP = ("token", "userinfo")  # RFC 9449 5 and 7


class Examination:
    """Collects what is wrong with a request; the first fault decides the
    answer."""

    def __init__(self, journal, endpoint):
        self.journal = journal
        self.endpoint = endpoint
        self.refusal = None

    def fault(self, text, code="invalid_request", status=400, headers=None,
              violation=True):
        if violation:
            self.journal.violate(self.endpoint, text)
        if self.refusal is None:
            self.refusal = oauth_error(code, text, status, headers)

    def headers(self, request, hosts):
        """What holds for every endpoint of the API."""
        for name in HEADERS_SENT_ONCE:
            if len(request.headers.getall(name, [])) > 1:
                self.fault(f"header {name} sent twice")
        if request.headers.get("Host") not in hosts:
            self.fault(f"Host is {request.headers.get('Host')!r}")
        if "Cookie" in request.headers:
            self.fault("a Cookie was sent")
        if "DPoP" in request.headers and self.endpoint not in WITH_DPOP:
            self.fault("a DPoP proof was sent where none belongs")
        if "?" in request.raw_path:
            # RFC 6749 3.2: never in the address, which ends up in logs.
            self.fault("parameters in the address")
        self._accept(request.headers.get("Accept"))

    def _accept(self, accept):
        allowed = {"application/json"}
        if self.endpoint == "jwks":
            allowed.add("application/jwk-set+json")  # RFC 7517 8.5
        ranges = {part.partition(";")[0].strip().lower()
                  for part in (accept or "").split(",")}
        if "application/json" not in ranges or not ranges <= allowed:
            self.fault(f"Accept is {accept!r}, not application/json",
                       status=406)

    def form(self, request, body):
        """The parameters of a form, each at most once; None if it is none."""
        kind = request.headers.get("Content-Type", "")
        if kind.partition(";")[0].strip().lower() != FORM:
            self.fault(f"Content-Type is {kind!r}, not {FORM}")
            return None
        found = {}
        try:
            text = body.decode("ascii")
        except UnicodeDecodeError:
            self.fault("the form is not form-encoded")
            return None
        for pair in text.split("&") if text else []:
            name, equals, value = pair.partition("=")
            if not (equals and ENCODED.fullmatch(name)
                    and ENCODED.fullmatch(value)):
                self.fault("the form is not form-encoded")
                continue
            try:
                name = unquote_plus(name, errors="strict")
                value = unquote_plus(value, errors="strict")
            except UnicodeDecodeError:
                self.fault("a parameter is not UTF-8")
                continue
            if name in found:
                self.fault(f"parameter {name} sent twice")
            if not value:
                self.fault(f"parameter {name} is empty")  # 6749 3.1: omitted
                continue
            found.setdefault(name, value)
        return found

    def parameters(self, form):
        """The right parameters are there, and no others."""
        rule = FORMS[self.endpoint]
        if self.endpoint == "token":
            grant_type = form.get("grant_type")
            if grant_type in GRANTS:
                rule = GRANTS[grant_type]
            elif grant_type is not None:
                self.fault(f"grant_type is {grant_type!r}",
                           "unsupported_grant_type")
        for name in sorted(rule.required - set(form)):
            self.fault(f"parameter {name} is missing")
        known = rule.required | rule.optional | CLIENT_FIELDS
        for name in sorted(set(form) - known):
            self.fault(f"parameter {name} does not belong here")
        if "scope" in form and not SCOPE.fullmatch(form["scope"]):
            self.fault("scope breaks RFC 6749 3.3", "invalid_scope")
        if "max_age" in form and not re.fullmatch(
                "[0-9]{1,10}", form["max_age"]):
            self.fault("max_age is not a number")
        if form.get("token_type_hint", "access_token") not in (
                "access_token", "refresh_token"):
            self.fault("unknown token_type_hint")

    def client(self, request, form, provider):
        """RFC 6749 2.3: the client, authenticated in its one way, or None;
        and the way that it used."""
        directory, quirks = provider.directory, provider.quirks
        header = request.headers.get("Authorization")
        method = "none"
        client_id, secret = form.get("client_id"), form.get("client_secret")
        if secret is not None:
            method = "client_secret_post"
        if assertion.FIELDS & set(form):
            if method != "none":
                self.fault("two ways of client authentication")
            method = "private_key_jwt"
        if header is not None:
            if method != "none":
                # RFC 6749 2.3 and 5.2
                self.fault("two ways of client authentication")
            method = "client_secret_basic"
            basic_id, secret = self._basic(header, quirks)
            if client_id not in (None, basic_id):
                self.fault("two different client_ids")
            client_id = basic_id
        if quirks.get("device_secret") == "refuse" and method != "none" and (
                self.endpoint == "device_authorization"):
            self.fault("no client credentials here", violation=False)
        if client_id is None:
            # RFC 8628 3.1, RFC 6749 3.2.1
            self.fault("parameter client_id is missing")
            return None, method
        client = self._authenticate(
            directory.client(client_id), method, secret, quirks)
        if client and method == "private_key_jwt":
            client = self._assertion(request, form, client, provider)
        return client, method

    def _assertion(self, request, form, client, provider):
        """RFC 7523 2.2; the client if it holds."""
        path = request.raw_path.partition("?")[0]
        try:
            provider.assertions.check(form, client, provider.issuer,
                                      provider.issuer_origin + path)
        except assertion.BadAssertion as bad:
            self.fault(f"client assertion: {bad}", "invalid_client", 401)
            return None
        return client

    def _basic(self, header, quirks):
        """Credentials as in RFC 6749 2.3.1: form-encoded, then Basic."""
        scheme, _, encoded = header.partition(" ")
        try:
            pair = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            pair = ""
        name, colon, secret = pair.partition(":")
        if scheme.lower() != "basic" or not colon:
            self.fault("the Authorization header is not Basic",
                       "invalid_client", 401, {"WWW-Authenticate": "Basic"})
            return None, None
        if "basic_raw" in quirks:
            return name, secret
        if not (ENCODED.fullmatch(name) and ENCODED.fullmatch(secret)):
            self.fault("Basic credentials are not form-encoded",
                       "invalid_client", 401, {"WWW-Authenticate": "Basic"})
            return None, None
        return unquote_plus(name), unquote_plus(secret)

    def _authenticate(self, client, method, secret, quirks):
        challenge = ({"WWW-Authenticate": 'Basic realm="devauth-idp"'}
                     if method == "client_secret_basic" else {})
        if client is None:
            self.fault("unknown client", "invalid_client", 401, challenge,
                       violation=False)
            return None
        expected = client.METHODS[client.auth]
        if quirks.get("device_secret") == "refuse" and (
                self.endpoint == "device_authorization"):
            expected = "none"
        if method != expected:
            self.fault(f"client authentication is {method}, not {expected}",
                       "invalid_client", 401, challenge)
            return None
        if method.startswith("client_secret") and not client.secret_is(
                secret or ""):
            # A wrong secret is a setting, not a breach of the protocol.
            self.fault("wrong client secret", "invalid_client", 401, challenge,
                       violation=False)
            return None
        return client

    def bearer(self, request):
        """RFC 6750 2.1 and RFC 9449 7.1: (scheme, access token)."""
        scheme, _, token = request.headers.get(
            "Authorization", "").partition(" ")
        if scheme.lower() not in ("bearer", "dpop") or not re.fullmatch(
                r"[A-Za-z0-9._~+/-]+=*", token):
            self.fault("no access token in the Authorization header",
                       "invalid_token", 401, {"WWW-Authenticate": "Bearer"})
            return None, None
        return scheme.lower(), token
