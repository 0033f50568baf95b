"""ID tokens (OpenID Connect Core 2), good ones and every bad one.

A token is drafted as header, claims, key and a way to put them together. Each
variant is a small change to the draft, so that variants can be combined.
"""

import json
import time

from .keys import b64, b64_json, half_hash
from .values import merge

LIFETIME_S = 600

ID_TOKEN_VARIANTS = {}  # name -> help
_CHANGES = {}  # name -> function of the draft


class Draft:
    """An ID token before it is signed."""

    def __init__(self, ring, key, claims, access_token):
        self.ring = ring
        self.key = key
        self.header = {"alg": key.alg, "kid": key.kid, "typ": "JWT"}
        self.claims = claims
        self.access_token = access_token
        self.payload_prefix = ""  # text behind the opening brace
        self.make_signature = lambda data: self.key.sign(data)
        self.wrap = lambda token: token  # the last step, on the finished text

    def use(self, key):
        self.key = key
        self.header.update(alg=key.alg, kid=key.kid)

    def compact(self):
        payload = json.dumps(self.claims, separators=(",", ":"))
        payload = "{" + self.payload_prefix + payload[1:]
        signed = b64_json(self.header) + "." + b64(payload.encode())
        token = signed + "." + b64(self.make_signature(signed.encode()))
        return self.wrap(token)


def mint(provider, account, grant, access_token):
    """The ID token for an answer of the token endpoint; None leaves it out."""
    quirks = provider.quirks
    key = provider.keys.signing(quirks.get("id_token_alg", "ES256"))
    claims = standard_claims(provider, account, grant)
    draft = Draft(provider.keys, key, claims, access_token)
    names = provider.names
    merge(draft.claims, quirks.get("id_token_claims", {}), names)
    for variant in quirks.variants("id_token"):
        _CHANGES[variant](draft)
    merge(draft.header, quirks.get("id_token_header", {}), names)
    return draft.compact()


def standard_claims(provider, account, grant):
    """Core 2, with auth_time, acr and amr always present."""
    now = int(time.time())
    claims = {
        "iss": provider.issuer, "sub": account.sub, "aud": grant.client_id,
        "iat": now, "exp": now + LIFETIME_S, "auth_time": grant.auth_time,
        "acr": grant.acr, "amr": grant.amr,
    }
    if provider.quirks.get("profile_at") != "userinfo":
        claims.update(account.profile_claims())
    if provider.quirks.get("groups_at") != "userinfo":
        claims.update(group_claims(provider, account))
    return override_claims(provider, account, claims)


def group_claims(provider, account):
    """The groups of an account, or what the quirks say instead."""
    quirks = provider.quirks
    if "groups_count" in quirks:
        return {"groups": [f"group-{number:05d}" for number in
                           range(quirks.get("groups_count"))]}
    if "groups" in quirks:
        value = quirks.get("groups")
        return {} if value is None else {"groups": value}
    return account.group_claims()


def override_claims(provider, account, claims):
    """The account's own `claims`, then those of the `claims` quirk."""
    overrides = provider.quirks.get("claims", {})
    for changes in (account.claims, overrides.get("*", {}),
                    overrides.get(account.username, {})):
        merge(claims, changes, provider.names)
    return claims


def variant(name, text):
    """Enter a change into the table."""
    def enter(change):
        ID_TOKEN_VARIANTS[name] = text
        _CHANGES[name] = change
        return change
    return enter


def claims_variant(name, text, **changes):
    """A variant that only sets claims; REMOVED takes one away, a function
    gets the claims."""
    def change(draft):
        set_members(draft.claims, changes)
    variant(name, text)(change)


def header_variant(name, text, **changes):
    """The same for the JOSE header."""
    def change(draft):
        set_members(draft.header, changes)
    variant(name, text)(change)


REMOVED = object()


def set_members(target, changes):
    for member, value in changes.items():
        if callable(value):
            value = value(target)
        if value is REMOVED:
            target.pop(member, None)
        else:
            target[member] = value


def from_now(seconds):
    return lambda _: int(time.time()) + seconds


# -- signature and algorithm

def flip_bit(data):
    return data[:-1] + bytes([data[-1] ^ 1])


@variant("wrong_signature", "one bit of the signature is flipped")
def _(draft):
    sign = draft.make_signature
    draft.make_signature = lambda data: flip_bit(sign(data))


@variant("empty_signature", "nothing behind the second dot")
def _(draft):
    draft.make_signature = lambda data: b""


@variant("junk_signature", "64 bytes of something")
def _(draft):
    draft.make_signature = lambda data: b"\x5a" * 64


@variant("der_signature", "ECDSA signature in DER, not R || S")
def _(draft):
    draft.use(draft.ring.signing("ES256"))
    draft.make_signature = draft.key.sign_der


@variant("zero_signature", "ECDSA signature with R = S = 0")
def _(draft):
    draft.make_signature = lambda data: bytes(64)


@variant("stranger_key", "signed with an unpublished key under a published kid")
def _(draft):
    stranger = draft.ring.stranger()
    draft.make_signature = lambda data: stranger.sign(data)
    draft.header["alg"] = "ES256"
    draft.header["kid"] = draft.ring.signing("ES256").kid


def unsigned(alg):
    def change(draft):
        draft.header["alg"] = alg
        draft.make_signature = lambda data: b""
    return change


for _name, _alg in (("alg_none", "none"), ("alg_none_case", "nOnE"),
                    ("alg_empty", ""), ("alg_null", None), ("alg_number", 0)):
    variant(_name, f"alg is {_alg!r}, no signature")(unsigned(_alg))
header_variant("alg_none_signed", "alg none, with the good signature",
               alg="none")
header_variant("alg_missing", "no alg in the header", alg=REMOVED)
header_variant("alg_lower", "the algorithm in lower case",
               alg=lambda header: header["alg"].lower())
header_variant("alg_mismatch", "RS256 in the header, an ECDSA signature",
               alg="RS256")


def hmac_with(secret):
    """The public key taken as an HMAC secret."""
    def change(draft):
        key = draft.key
        draft.header["alg"] = "HS256"
        draft.make_signature = lambda data: key.sign_hmac(data, secret(key))
    return change


for _name, _text, _secret in (
        ("hs256_pem", "public key in PEM", lambda key: key.public_pem()),
        ("hs256_der", "public key in DER", lambda key: key.public_der()),
        ("hs256_jwk", "public JWK",
         lambda key: json.dumps(key.public_jwk()).encode()),
        ("hs256_empty", "empty key", lambda key: b"")):
    variant(_name, f"HS256 keyed with the {_text}")(hmac_with(_secret))


@variant("weak_rsa", "RS256 with an RSA key of 1024 bits, which is published")
def _(draft):
    draft.use(draft.ring.weak())


# -- header

header_variant("unknown_kid", "a kid that is not in the set", kid="nowhere")
header_variant("kid_missing", "no kid", kid=REMOVED)
header_variant("kid_path", "the kid is a path",
               kid="../../../../etc/passwd")
header_variant("kid_sql", "the kid is SQL", kid="' OR 1=1 --")
header_variant("kid_nul", "a NUL in the kid",
               kid=lambda header: header["kid"] + "\0x")
header_variant("kid_huge", "a kid of 64 KiB", kid="k" * 65536)
header_variant("kid_number", "the kid is a number", kid=7)
for _type in ("at+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt"):
    header_variant("typ_" + _type[:-4], f"typ is {_type}", typ=_type)
header_variant("typ_missing", "no typ (which is fine)", typ=REMOVED)
header_variant("crit", "crit with an unknown extension",
               crit=["x-unknown"], **{"x-unknown": 1})
header_variant("crit_empty", "an empty crit", crit=[])
header_variant("b64_false", "RFC 7797, named in crit", b64=False, crit=["b64"])
header_variant("b64_uncritical", "b64 false, not named in crit", b64=False)
header_variant("zip", "zip: DEF", zip="DEF")
header_variant("jku", "a jku elsewhere, signed by its owner",
               jku="https://elsewhere.example/jwks")
header_variant("x5u", "an x5u elsewhere", x5u="https://elsewhere.example/x5u")
header_variant("x5c", "an x5c", x5c=["MIIBszCCAVmgAwIBAgIU"])


@variant("embedded_jwk", "signed with a key that the header brings along")
def _(draft):
    stranger = draft.ring.stranger()
    draft.use(stranger)
    draft.header["jwk"] = stranger.public_jwk()


# -- claims

claims_variant("iss_wrong", "another issuer", iss="https://elsewhere.example")
claims_variant("iss_missing", "no iss", iss=REMOVED)
claims_variant("iss_array", "iss is an array",
               iss=lambda claims: [claims["iss"]])
claims_variant("iss_slash", "iss with a slash at the end",
               iss=lambda claims: claims["iss"] + "/")
claims_variant("iss_case", "iss in upper case",
               iss=lambda claims: claims["iss"].upper())
claims_variant("iss_prefix", "iss is only the beginning",
               iss=lambda claims: claims["iss"][:-1])
claims_variant("sub_missing", "no sub", sub=REMOVED)
claims_variant("sub_number", "sub is a number", sub=1234)
claims_variant("sub_empty", "sub is empty", sub="")
claims_variant("sub_null", "sub is null", sub=None)
claims_variant("sub_huge", "a sub of 64 KiB", sub="s" * 65536)
claims_variant("aud_wrong", "for another client", aud="somebody-else")
claims_variant("aud_missing", "no aud", aud=REMOVED)
claims_variant("aud_number", "aud is a number", aud=5)
claims_variant("aud_empty", "aud is an empty array", aud=[])
claims_variant("aud_array", "aud is an array of us alone (which is fine)",
               aud=lambda claims: [claims["aud"]])
claims_variant("aud_array_with_us", "for others and us, azp is us",
               azp=lambda claims: claims["aud"],
               aud=lambda claims: ["another", claims["aud"]])
claims_variant("aud_array_no_azp", "for others and us, without azp",
               aud=lambda claims: ["another", claims["aud"]])
claims_variant("aud_array_without_us", "for several others",
               aud=["another", "somebody-else"])
claims_variant("azp_right", "azp is us", azp=lambda claims: claims["aud"])
claims_variant("azp_wrong", "azp is another client", azp="somebody-else")
claims_variant("exp_past", "ended an hour ago", exp=from_now(-3600))
claims_variant("exp_now", "ends this second", exp=from_now(0))
claims_variant("exp_missing", "no exp", exp=REMOVED)
claims_variant("exp_string", "exp is a string",
               exp=lambda claims: str(claims["exp"]))
claims_variant("exp_negative", "exp is -1", exp=-1)
claims_variant("exp_float", "exp is 1e300", exp=1e300)
claims_variant("exp_nan", "exp is NaN, which is not JSON", exp=float("nan"))
claims_variant("exp_2_63", "exp is 2^63", exp=2 ** 63)
claims_variant("exp_2100", "ends in the year 2100", exp=4102444800)
claims_variant("iat_future", "issued in an hour", iat=from_now(3600))
claims_variant("iat_missing", "no iat", iat=REMOVED)
claims_variant("iat_old", "issued a day ago", iat=from_now(-86400))
claims_variant("nbf_future", "not valid before an hour from now",
               nbf=from_now(3600))
claims_variant("nbf_past", "valid since a minute ago (which is fine)",
               nbf=from_now(-60))
claims_variant("nonce", "a nonce that nobody sent", nonce="unasked")
claims_variant("auth_time_missing", "no auth_time", auth_time=REMOVED)
claims_variant("auth_time_old", "signed in a day ago",
               auth_time=from_now(-86400))
claims_variant("auth_time_future", "signs in in an hour",
               auth_time=from_now(3600))
claims_variant("auth_time_string", "auth_time is a string", auth_time="now")
claims_variant("acr_missing", "neither acr nor amr", acr=REMOVED, amr=REMOVED)
claims_variant("acr_weak", "acr is 0", acr="0")
claims_variant("amr_string", "amr is a string", amr="pwd")
claims_variant("overage", "groups elsewhere: _claim_names, _claim_sources",
               groups=REMOVED, _claim_names={"groups": "src1"},
               _claim_sources={"src1": {
                   "endpoint": "https://elsewhere.example/groups"}})


@variant("at_hash_right", "at_hash of the access token")
def _(draft):
    draft.claims["at_hash"] = half_hash(draft.key.alg, draft.access_token)


@variant("at_hash_wrong", "at_hash of something else")
def _(draft):
    draft.claims["at_hash"] = half_hash(draft.key.alg, "another token")


@variant("duplicate_sub", "a second, other sub in front")
def _(draft):
    draft.payload_prefix += '"sub":"idp-somebody-else",'


@variant("deep_claims", "a claim of 100000 nested arrays")
def _(draft):
    draft.payload_prefix += '"x":' + "[" * 100000 + "]" * 100000 + ","


@variant("many_items", "a claim with a million items")
def _(draft):
    draft.payload_prefix += '"x":[' + "0," * 999999 + "0],"


@variant("huge_claim", "a claim of 1 MiB")
def _(draft):
    draft.claims["x"] = "A" * 2 ** 20


# -- form

def wrapped(name, text):
    """A variant of the finished token's outer form."""
    def enter(wrap):
        def change(draft):
            draft.wrap = wrap
        variant(name, text)(change)
    return enter


wrapped("omitted", "no id_token at all")(lambda token: None)
wrapped("not_a_string", "id_token is an object")(lambda token: {"jwt": token})
wrapped("empty", "id_token is empty")(lambda token: "")
wrapped("no_dots", "no dots")(lambda token: token.replace(".", ""))
wrapped("two_parts", "header and claims only")(
    lambda token: token.rsplit(".", 1)[0])
wrapped("extra_part", "a fourth part")(lambda token: token + ".AAAA")
wrapped("thousand_dots", "a thousand dots behind")(
    lambda token: token + "." * 1000)
wrapped("leading_space", "a space in front")(lambda token: " " + token)
wrapped("trailing_newline", "a newline behind")(lambda token: token + "\n")
wrapped("padded", "base64 with padding")(
    lambda token: ".".join(part + "=" * (-len(part) % 4) for part in
                           token.split(".")))
wrapped("standard_base64", "+ and / instead of - and _")(
    lambda token: token.replace("-", "+").replace("_", "/") + "+/")
wrapped("jwe", "five parts, as an encrypted token has")(
    lambda token: ".".join([b64_json({"alg": "dir", "enc": "A256GCM"}), "",
                            "AAAA", "AAAA", "AAAA"]))


@wrapped("nested", "a JWT as the payload of a JWT (unsigned outside)")
def _(token):
    return b64_json({"alg": "none", "cty": "JWT"}) + "." + b64(
        token.encode()) + "."


@wrapped("json_serialisation", "the JSON serialisation of JWS")
def _(token):
    header, payload, signature = token.split(".")
    return json.dumps({"protected": header, "payload": payload,
                       "signature": signature})
