"""The ways in which the provider misbehaves on request: one table.

Two kinds of quirks stand in it. Some are *read by name* by the code that acts
(`quirks.get("interval")`). The others are shorthand for *overrides*: changes to
one endpoint's answers, played by server.py. Anything not named here can be had
with the generic `endpoint` quirk.
"""

import copy
import dataclasses
from typing import Callable, Optional

from .idtoken import ID_TOKEN_VARIANTS
from .jwks import JWKS_VARIANTS
from .keys import ALGORITHMS
from .pki import TLS_MODES
from .variants import (
    DISCOVERY_VARIANTS,
    DPOP_NONCE_VARIANTS,
    ERROR_BODIES,
    ERROR_DESCRIPTIONS,
    HOSTILE_HEADERS,
    RAW_ANSWERS,
    UNKNOWN_MEMBERS,
    URI_MEMBERS,
    USER_CODE_STYLES,
    USER_CODE_VARIANTS,
    USERINFO_VARIANTS,
    VERIFICATION_URI_VARIANTS)

API_ENDPOINTS = ("discovery", "jwks", "device_authorization", "token",
                 "userinfo", "revoke", "introspect")
ENDPOINTS = API_ENDPOINTS + ("pages",)

OVERRIDE_FIELDS = {
    "times": "play this often, then no more",
    "when": "only for answers of this kind: \"success\", \"error\", or an "
            "OAuth error code such as \"authorization_pending\"",
    "after": "true: let the endpoint do its work first, although its answer "
             "is replaced (a rotated refresh token whose answer is lost)",
    "delay_s": "wait this long before answering",
    "status": "HTTP status",
    "body": "the whole body; a string goes out as it is, other JSON as JSON",
    "merge": "members to set in the JSON answer; null removes one",
    "prefix": "text put behind the opening brace of the JSON answer",
    "duplicate": "true: every member twice, the second time with other values",
    "reverse": "true: members in reverse order",
    "headers": "header fields to set; a list sets several, null removes one",
    "chunked": "true: chunked transfer coding, in small pieces",
    "truncate": "send this many bytes of the announced body, then close",
    "drip_s": "send one byte in so many seconds",
    "endless": "true: go on sending until the client hangs up (at most 1 GiB)",
    "raw": "bytes (as Latin-1 text) instead of an HTTP answer, then close",
    "close": "\"fin\" or \"reset\": hang up without an answer",
    "stall": "true: never answer",
}
# With one of these the endpoint's own answer is not wanted, so its work is
# not done either (unless `after` or `when` say so).
REPLACING = ("body", "raw", "close", "stall", "endless")


class BadQuirk(ValueError):
    """The control interface was asked for something that the table lacks."""


@dataclasses.dataclass(frozen=True)
class Quirk:
    """A row of the table."""

    value: str  # what to give, for the reader
    help: str
    overrides: Optional[Callable] = None  # value -> [(endpoint, override)]
    variants: Optional[dict] = None  # name -> help
    closed: bool = False  # only variants are welcome (or a list of them)
    types: Optional[tuple] = None  # exact types of the value; None: any


def switch(text):
    """A quirk that is on or off."""
    return Quirk("true", text, types=(bool,))


def number(text, value="number"):
    return Quirk(value, text, types=(int,))


def one_of(variants, text):
    return Quirk("variant", text, variants=variants, closed=True)


def names(variants):
    """For variants that explain themselves."""
    return dict.fromkeys(variants, "")


def places(value, default=True):
    """Where an answer is changed: "token", ["token", "jwks"], "*" (the whole
    API) or {"token": argument}. Yields (endpoint, argument)."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        value = {name: default for name in value}
    if not isinstance(value, dict):
        raise BadQuirk("give an endpoint, a list of them, or an object")
    for name, argument in value.items():
        for endpoint in API_ENDPOINTS if name == "*" else [name]:
            if endpoint not in ENDPOINTS:
                raise BadQuirk(f"unknown endpoint {endpoint!r}; there are "
                               + ", ".join(ENDPOINTS))
            yield endpoint, argument


def at(text, make, argument="", default=True, variants=None):
    """A quirk of the endpoints that its value names; `make` turns the
    argument into an override."""
    def overrides(value):
        return [(endpoint, make(found))
                for endpoint, found in places(value, default)]

    value = f"endpoints with {argument}" if argument else "endpoints"
    return Quirk(value, text, overrides, variants)


def merged(endpoint, value, text, members, variants=None, when=None):
    """A quirk that sets members of an endpoint's JSON answer."""
    def overrides(given):
        override = {"merge": members(given)}
        if when:
            override["when"] = when
        return [(endpoint, override)]

    return Quirk(value, text, overrides, variants)


def pick(variants, value):
    """A named variant, or any other value as it is."""
    return variants.get(value, value) if isinstance(value, str) else value


def redirect(argument):
    status, location = (argument if isinstance(argument, list)
                        else [argument, "https://elsewhere.example/"])
    return {"status": status, "body": "", "headers": {"Location": location}}


def rate_limit(value):
    count, header = value if isinstance(value, list) else [value, "retry-after"]
    return [("token", {
        "times": count, "status": 429, "body": "Too many requests",
        "headers": {"Content-Type": "text/plain", header: "1"}})]


def generic(value):
    """`endpoint`: {name: override or [override, ...]}."""
    found = []
    for endpoint, argument in places(value):
        for override in argument if isinstance(argument, list) else [argument]:
            if not isinstance(override, dict):
                raise BadQuirk(f"endpoint {endpoint}: not an object")
            unknown = set(override) - set(OVERRIDE_FIELDS)
            if unknown:
                raise BadQuirk("unknown field " + ", ".join(sorted(unknown)))
            found.append((endpoint, override))
    return found


def filler(size):
    return {"$repeat": ["A", size]}


def nested(depth):
    return {"prefix": '"x_deep":' + "[" * depth + "]" * depth + ","}


ANY_ENDPOINT = {
    "endpoint": Quirk(
        "object", "the generic mechanism: {ENDPOINT: override, or list of "
        "overrides}; their fields are listed below", generic, types=(dict,)),
    "http_error": at(
        "an HTTP error page; nothing is done", lambda status: {
            "status": status, "body": "<h1>Out of order</h1>",
            "headers": {"Content-Type": "text/html"}},
        "status (500)", 500),
    "redirect": at(
        "a redirect; nothing is done", redirect,
        "[status, location] or status (302)", 302),
    "delay": at(
        "answer late", lambda seconds: {"delay_s": seconds},
        "seconds (2)", 2),
    "stall": at(
        "accept the request, never answer", lambda _: {"stall": True}),
    "close_early": at(
        "hang up instead of answering; nothing is done",
        lambda how: {"close": how}, '"fin" or "reset" (fin)', "fin"),
    "lost_answer": at(
        "do the work, then hang up without the answer",
        lambda times: {"times": times, "close": "fin", "after": True},
        "times (1)", 1),
    "truncated": at(
        "hang up in the middle of the body",
        lambda size: {"truncate": size}, "bytes (10)", 10),
    "drip": at(
        "one byte at a time", lambda seconds: {"drip_s": seconds},
        "seconds (0.2)", 0.2),
    "garbage": at(
        "a body that is not JSON",
        lambda text: {"body": text, "after": True},
        "text", "\0\x7f{[<not json>"),
    "empty_body": at("no body", lambda _: {"body": "", "after": True}),
    "huge_body": at(
        "good JSON with a very long member",
        lambda size: {"merge": {"x_padding": filler(size)}},
        "bytes (32 MiB)", 2 ** 25),
    "endless_body": at("a body without end", lambda _: {"endless": True}),
    "huge_header": at(
        "one very long header field",
        lambda size: {"headers": {"X-Padding": filler(size)}},
        "bytes (1 MiB)", 2 ** 20),
    "many_headers": at(
        "a great many header fields",
        lambda count: {"headers": {"X-Many": ["A" * 20] * count}},
        "number (10000)", 10000),
    "hostile_headers": at(
        "cookies, HSTS, Alt-Svc and log-in challenges, all to be ignored",
        lambda _: {"headers": HOSTILE_HEADERS}),
    "duplicate_keys": at(
        "every JSON member twice, with different values",
        lambda _: {"duplicate": True}),
    "deep_nesting": at(
        "a member of nested arrays", nested, "depth (100000)", 100000),
    "extra_members": at(
        "unknown members of every type",
        lambda _: {"merge": UNKNOWN_MEMBERS}),
    "reverse_members": at(
        "members in reverse order", lambda _: {"reverse": True}),
    "media_type": at(
        "another Content-Type, or none",
        lambda text: {"headers": {"Content-Type": text}},
        "type or null (application/json; charset=UTF-8)",
        "application/json; charset=UTF-8"),
    "chunked": at("chunked transfer coding", lambda _: {"chunked": True}),
    "raw": at(
        "not quite HTTP", lambda text: {"raw": pick(RAW_ANSWERS, text)},
        "variant or text (http09)", "http09", names(RAW_ANSWERS)),
}

CONNECTIONS = {
    "keep_alive": Quirk(
        "seconds", "close connections that were idle for so long, without "
        "announcing it (default 75)", types=(int, float)),
    "drop_reused": switch(
        "hang up on the second request of a connection, as if it had just "
        "timed out"),
    "tls": one_of(TLS_MODES, "new connections meet this TLS server"),
}

METADATA = {
    "discovery": merged(
        "discovery", "variant, or object to merge",
        "metadata that has to be refused (or endured)",
        lambda value: pick(DISCOVERY_VARIANTS, value),
        {name: ", ".join(f"{key}: {value}" for key, value in changes.items())
         for name, changes in DISCOVERY_VARIANTS.items()}),
    "odd_paths": switch(
        "endpoints under another path, with a double slash in it"),
    "max_age": Quirk(
        "seconds or null", "Cache-Control of metadata and JWKS (3600); null "
        "leaves the header out", types=(int, type(None))),
    "jwks": one_of(JWKS_VARIANTS, "another JWK Set"),
}

DEVICE = {
    "interval": Quirk(
        "any JSON", "the interval announced and kept to; null leaves it out "
        "(5 s then)"),
    "expires_in": Quirk(
        "any JSON", "the lifetime announced and kept to; null leaves it out "
        "(600 s then)"),
    "never_expire": switch("a code is never called expired"),
    "verification_url": switch(
        "the address in verification_url instead of verification_uri"),
    "verification_uri": merged(
        "device_authorization", "variant or any JSON",
        "another address, also in verification_uri_complete",
        lambda value: dict.fromkeys(
            URI_MEMBERS, pick(VERIFICATION_URI_VARIANTS, value)),
        names(VERIFICATION_URI_VARIANTS)),
    "verification_uri_complete": Quirk(
        "parameter name, or null", "another query parameter in it, or no "
        "verification_uri_complete", types=(str, type(None))),
    "user_code": merged(
        "device_authorization", "variant or any JSON",
        "another user code than the real one",
        lambda value: {"user_code": pick(USER_CODE_VARIANTS, value)},
        names(USER_CODE_VARIANTS)),
    "user_code_style": one_of(
        USER_CODE_STYLES, "how (real) user codes look"),
    "code_bound_to_browser": switch(
        "a user code belongs to the first browser that enters it"),
    "device_secret": one_of(
        {"refuse": ""}, "the device endpoint refuses client credentials"),
    "scope_required": switch("a request without scope is refused"),
    "unknown_scope": one_of(
        {"refuse": ""}, "unknown scopes are refused, not dropped"),
}

TOKEN = {
    "basic_raw": switch(
        "Basic credentials are expected as they are, not form-encoded"),
    "assertion_audience": one_of(
        {"issuer": "", "endpoint": ""},
        "what aud of a client assertion has to be (endpoint)"),
    "slow_down": Quirk(
        "number, or true for ever", "answer slow_down to so many polls; each "
        "adds 5 s", types=(int, bool)),
    "slow_down_on_exact": switch(
        "a poll exactly on the interval is too fast, only 0.1 s later is it "
        "not"),
    "rate_limit": Quirk(
        "number or [number, header]", "so many answers 429 text/plain with "
        "retry-after (or x-retry-after)", rate_limit, types=(int, list)),
    "pending_after_approval": number(
        "so many polls are pending although the person approved"),
    "approve_immediately": Quirk(
        "user name", "new codes count as approved by this person",
        types=(str,)),
    "token_error": Quirk(
        "error code", "every poll is answered with this error (any text)"),
    "token_error_and_token": Quirk(
        "error code or true", "a good answer also holds an error (status "
        "200)"),
    "unknown_code_denied": switch("access_denied for unknown device codes"),
    "token_type": merged(
        "token", "any JSON", "another token_type; null leaves it out",
        lambda value: {"token_type": value}, when="success"),
    "error_status": Quirk(
        "status, or {error: status}",
        "another HTTP status for OAuth errors, at every endpoint",
        types=(int, dict)),
    "error_body": Quirk(
        "variant or text, or {error: variant or text}",
        "another body for OAuth errors, at every endpoint",
        variants=names(ERROR_BODIES), types=(str, dict)),
    "error_description": Quirk(
        "variant or text", "error_description of OAuth errors, at every "
        "endpoint", variants=names(ERROR_DESCRIPTIONS)),
    "access_expires_in": Quirk(
        "any JSON", "lifetime of access tokens (300); null leaves expires_in "
        "out"),
    "refresh_token": one_of(
        {"always": "also without offline_access", "never": "never"},
        "when there is a refresh token (with offline_access)"),
    "refresh_keeps_token": switch(
        "no rotation: the refresh answer has no new refresh token"),
    "refresh_no_id_token": switch("refresh answers without ID token"),
    "refresh_ignores_scope": switch(
        "a narrower scope is ignored at the refresh"),
    "disabled_unnoticed": Quirk(
        "variant or list", "these do not notice that an account was disabled",
        variants=names(("refresh", "userinfo", "introspect")), closed=True),
    "revoke_keeps_access": switch(
        "access tokens outlive the revocation of their refresh token"),
}

DPOP = {
    "dpop_required": Quirk(
        "true, or error code", "the token endpoint wants a proof, and answers "
        "invalid_dpop_proof (or this error) without", types=(bool, str)),
    "dpop_nonce": one_of(
        DPOP_NONCE_VARIANTS, "nonces of the authorization server"),
    "dpop_downgrade": switch("proofs are ignored: tokens are Bearer"),
}

ID_TOKEN = {
    "id_token": Quirk(
        "variant or list", "what is wrong (or unusual) with the ID token",
        variants=ID_TOKEN_VARIANTS, closed=True),
    "id_token_alg": one_of(
        names(ALGORITHMS), "sign with it (ES256); its key is published"),
    "id_token_header": Quirk(
        "object", "merged into the JOSE header", types=(dict,)),
    "id_token_claims": Quirk(
        "object", "merged into the claims", types=(dict,)),
}

IDENTITY = {
    "claims": Quirk(
        "{user or *: {claim: JSON}}", "claims of an account in ID token and "
        "userinfo; null removes one", types=(dict,)),
    "groups": Quirk(
        "any JSON", "the groups claim of everybody, e.g. a string or nested "
        "lists; null: no claim"),
    "groups_count": number("so many groups: group-00000, ..."),
    "groups_at": one_of({"userinfo": ""}, "groups only at userinfo"),
    "profile_at": one_of(
        {"userinfo": ""}, "names and e-mail only at userinfo"),
    "userinfo": one_of(
        {name: str(value) for name, value in USERINFO_VARIANTS.items()},
        "what is wrong with the userinfo answer"),
    "userinfo_claims": merged(
        "userinfo", "object", "merged into the userinfo answer",
        lambda value: value, when="success"),
}

SECTIONS = {
    "any endpoint": ANY_ENDPOINT, "connections": CONNECTIONS,
    "metadata and keys": METADATA, "device authorization": DEVICE,
    "token endpoint": TOKEN, "DPoP": DPOP, "ID token": ID_TOKEN,
    "who the person is": IDENTITY,
}
TABLE = {name: quirk for section in SECTIONS.values()
         for name, quirk in section.items()}


def check(name, value):
    """Refuse what could only be a typing error in a test."""
    if name not in TABLE:
        raise BadQuirk(f"unknown quirk {name!r}; see --list-quirks")
    quirk = TABLE[name]
    if value is False:
        return
    if quirk.types and type(value) not in quirk.types:
        raise BadQuirk(f"{name}: give {quirk.value}")
    if name == "discovery" and not isinstance(value, dict) and (
            value not in DISCOVERY_VARIANTS):
        raise BadQuirk(f"{name}: give {quirk.value}")
    if quirk.closed:
        for variant in value if isinstance(value, list) else [value]:
            if not isinstance(variant, str) or variant not in quirk.variants:
                raise BadQuirk(f"{name}: unknown variant {variant!r}; there "
                               "are " + ", ".join(quirk.variants))


class Quirks:
    """Those that are switched on."""

    def __init__(self):
        self.set({})

    def set(self, asked):
        """Replace the whole set; nothing changes if a part of it is wrong."""
        if not isinstance(asked, dict):
            raise BadQuirk("quirks are an object")
        overrides = {endpoint: [] for endpoint in ENDPOINTS}
        for name, value in asked.items():
            check(name, value)
        # `false` is the same as not asking.
        wanted = {name: value for name, value in asked.items()
                  if value is not False}
        for name, value in wanted.items():
            if TABLE[name].overrides:
                for endpoint, override in TABLE[name].overrides(value):
                    overrides[endpoint].append(copy.deepcopy(override))
        self.asked = asked
        self._settings = copy.deepcopy(wanted)
        self._overrides = overrides

    def __contains__(self, name):
        assert name in TABLE, name
        return name in self._settings

    def get(self, name, default=None):
        assert name in TABLE, name
        return self._settings.get(name, default)

    def variants(self, name):
        """The value of a quirk that takes one variant or several."""
        value = self.get(name, [])
        return [value] if isinstance(value, str) else value

    def count_down(self, name):
        """Whether a quirk that is good for N times still is; true: for ever."""
        left = self.get(name, 0)
        if left is True:
            return True
        if left > 0:
            self._settings[name] = left - 1
            return True
        return False

    def overrides(self, endpoint):
        """The overrides to play for the request at hand."""
        return [override for override in self._overrides[endpoint]
                if override.get("times", 1) > 0]

    @staticmethod
    def played(override):
        if "times" in override:
            override["times"] -= 1


def list_quirks():
    """The table as text, for --list-quirks."""
    lines = [
        "Quirks: POST /quirks {NAME: VALUE, ...} on the control socket "
        "replaces the set;", "{} clears it.", "",
        "Endpoints: " + ", ".join(ENDPOINTS) + ";",
        "* is all but pages. Give one, a list, or {endpoint: argument}; the "
        "default of an", "argument stands in parentheses."]
    for title, section in SECTIONS.items():
        lines += ["", title.upper()]
        for name, quirk in section.items():
            lines += [f"  {name}  <{quirk.value}>", f"      {quirk.help}"]
            for variant, text in (quirk.variants or {}).items():
                lines.append(f"        {variant:<28}{text}".rstrip())
    lines += ["", "FIELDS OF AN OVERRIDE (quirk `endpoint`)"]
    lines += [f"  {name:<12}{text}" for name, text in OVERRIDE_FIELDS.items()]
    lines += [
        "", 'In any value {"$now": N} is the Unix time in N seconds, '
        '{"$repeat": [TEXT, N]} a', 'long text, {"$null": true} a JSON null '
        "where null would remove, and in texts", "$ISSUER, $ISSUER_UPPER and "
        "$HTTP are the issuer: as it is, in upper case, with http:."]
    return "\n".join(lines)
