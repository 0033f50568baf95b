"""Our check of ID tokens against another: python3-jwcrypto for the signature,
and a plain statement of OpenID Connect Core 3.1.3.7 for the claims.

Thousands of tokens, good ones and mutated ones, are made from a seed (but for
the chance inside ECDSA and PSS signatures) and judged by both. Both have to
agree, except where STRICTER says that devauth refuses more, and why. Never is
it the other way round.
"""

import base64
import collections
import copy
import hashlib
import hmac
import json
import os
import random
import re
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import (
    ec, ed25519, ed448, padding, rsa, utils)
from jwcrypto import jwk, jws

SEED, TOKENS = 1, 3200
NOW, LEEWAY = 1750000000, 60
ISSUER, CLIENT = "https://login.example.com", "devauth"
ACCESS_TOKEN = "2YotnFZFEjr1zCsicMWpAA"
ALGORITHMS = {"RS256": 1, "PS256": 2, "ES256": 4, "ES384": 8, "EdDSA": 16}
HASHES = {"RS256": "sha256", "PS256": "sha256", "ES256": "sha256",
          "ES384": "sha384", "EdDSA": "sha512"}
OTHER_OF_KEY = {"RS256": "PS256", "PS256": "RS256"}
FAMILIES = {"RS256": "rsa", "PS256": "rsa", "ES256": "p256", "ES384": "p384",
            "EdDSA": "ed25519"}
DATES = ("exp", "iat", "nbf", "auth_time")
DAY_S = 86400


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def half_hash(alg, text):
    """OpenID Connect Core 3.1.3.6."""
    digest = hashlib.new(HASHES[alg], text.encode()).digest()
    return digest[:len(digest) // 2]


# Keys

class Key:
    """A private key and what is published of it."""

    def __init__(self, private, kid):
        self.private, self.kid = private, kid
        self.jwk = jwk.JWK.from_pyca(private)
        self.public = json.loads(self.jwk.export_public())
        self.public["kid"] = kid

    def sign(self, alg, octets):
        if alg == "RS256":
            return self.private.sign(
                octets, padding.PKCS1v15(), hashes.SHA256())
        if alg == "PS256":
            return self.private.sign(octets, padding.PSS(
                padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        if alg == "EdDSA":
            return self.private.sign(octets)
        hash_ = hashes.SHA256() if alg == "ES256" else hashes.SHA384()
        size = 32 if alg == "ES256" else 48
        return b"".join(number.to_bytes(size, "big") for number in
                        utils.decode_dss_signature(
                            self.private.sign(octets, ec.ECDSA(hash_))))


def make_prime(rng, bits):
    """With both upper bits set; by Fermat's test, which is enough here."""
    small = [n for n in range(3, 2000, 2)
             if all(n % d for d in range(3, int(n ** 0.5) + 1, 2))]
    while True:
        candidate = rng.getrandbits(bits) | 3 << bits - 2 | 1
        if (all(candidate % n for n in small)
                and candidate % 65537 != 1
                and pow(2, candidate - 1, candidate) == 1):
            return candidate


def make_rsa(rng, bits, e=65537):
    p, q = make_prime(rng, bits // 2), make_prime(rng, bits // 2)
    d = pow(e, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p),
        rsa.RSAPublicNumbers(e, p * q)).private_key()


def make_ring(rng):
    """Two keys of each family, and some that nobody should use."""
    makers = {
        "rsa": lambda: make_rsa(rng, 2048),
        "p256": lambda: ec.derive_private_key(
            rng.getrandbits(255), ec.SECP256R1()),
        "p384": lambda: ec.derive_private_key(
            rng.getrandbits(383), ec.SECP384R1()),
        "ed25519": lambda: ed25519.Ed25519PrivateKey.from_private_bytes(
            rng.randbytes(32)),
    }
    ring = {family: [Key(make(), f"{family}-{number}") for number in (1, 2)]
            for family, make in makers.items()}
    ring["weak"] = [Key(make_rsa(rng, 1024), "rsa-weak"),
                    # A prime above 2^32.
                    Key(make_rsa(rng, 2048, 2 ** 32 + 15), "rsa-odd")]
    ring["ed448"] = [Key(ed448.Ed448PrivateKey.from_private_bytes(
        rng.randbytes(57)), "ed448")]
    return ring


# Tokens

class Draft:
    """A token in the making; mutations change it between its stages."""

    def __init__(self, rng, ring):
        self.rng, self.ring = rng, ring
        self.alg = rng.choice(list(ALGORITHMS))
        self.key = rng.choice(ring[FAMILIES[self.alg]])
        self.header = {"alg": self.alg, "kid": self.key.kid, "typ": "JWT"}
        self.claims = {
            "iss": ISSUER, "aud": CLIENT, "exp": NOW + 300, "iat": NOW - 5,
            "sub": f"user-{rng.randrange(1000)}",
            "preferred_username": "alice", "groups": ["staff", "übung"]}
        self.keys = [
            copy.deepcopy(key.public)
            for family in dict.fromkeys(FAMILIES.values())
            for key in ring[family] if key is self.key or rng.random() < 0.3]
        rng.shuffle(self.keys)
        self.published = next(
            one for one in self.keys if one["kid"] == self.key.kid)
        self.allowed = sorted({self.alg, *rng.sample(
            list(ALGORITHMS), rng.randrange(6))})
        self.now, self.not_before = NOW, rng.choice((0, 0, NOW - 10))
        self.issuer, self.client, self.access_token = ISSUER, CLIENT, None
        self.texts = {}  # header, claims, set: JSON in octets
        self.signature = self.token = None
        self.mutations = []

    def withdraw(self):
        """Takes our key out of the set."""
        self.keys = [one for one in self.keys if one is not self.published]

    def write(self, value):
        """JSON in one of many styles; "@1e3@" stands for the bare 1e3."""
        if isinstance(value, dict) and self.rng.random() < 0.3:
            members = list(value.items())
            self.rng.shuffle(members)
            value = dict(members)
        text = json.dumps(
            value, ensure_ascii=self.rng.random() < 0.5,
            indent=self.rng.choice((None, None, None, 1)),
            separators=self.rng.choice(((",", ":"), (" , ", ": "))))
        return re.sub(r'"@([^@"]*)@"', r"\1", text).encode()

    def sign(self):
        head = self.texts["header"], self.texts["claims"]
        self.token = ".".join(map(encode, head))
        if self.mutations:
            self.signature = self.key.sign(self.alg, self.token.encode())
            return
        signed = jws.JWS(self.texts["claims"])
        signed.add_signature(
            self.key.jwk, None, self.texts["header"].decode())
        self.signature = decode(signed.serialize(True).rpartition(".")[2])

    def make(self, mutations):
        stages = collections.defaultdict(list)
        for mutate in mutations:
            stages[mutate.stage].append(mutate)
            self.mutations.append(mutate.__name__)

        def run(stage):
            for mutate in stages[stage]:
                mutate(self, self.rng)

        run("draft")
        self.texts = {"header": self.write(self.header),
                      "claims": self.write(self.claims),
                      "set": self.write({"keys": self.keys})}
        run("text")
        self.sign()
        run("signature")
        self.token += "." + encode(self.signature)
        run("token")
        return self

    def line(self):
        """For jose_driver."""
        def text(value):
            return "-" if value is None else encode(
                value if isinstance(value, bytes) else value.encode())
        bits = sum(ALGORITHMS[name] for name in self.allowed)
        return "\t".join([
            str(self.now), str(LEEWAY), str(self.not_before), str(bits),
            *map(text, (self.issuer, self.client, self.access_token,
                        self.texts["set"], self.token))])


MUTATIONS = []


def mutation(stage):
    def register(function):
        function.stage = stage
        MUTATIONS.append(function)
        return function
    return register


DATE_MAX = 253402300799  # the year 9999 ends
NUMBERS = ["@-0@", "@1e3@", "@1750000100.0@", "@1750000100.5@", "@175e7@",
           "@1E400@", "@-1@", 0, 1, 2 ** 31, 2 ** 53 + 1, 2 ** 63 - 1, 2 ** 63,
           -2 ** 63, 10 ** 30, DATE_MAX, DATE_MAX + 1]
VALUES = [None, True, False, "", "x", "1750000100", [], {}, [None], ["x"],
          [CLIENT], {"a": [1]}, "ü", "a\nb", "\x7f", "a" * 256, "𝄞", *NUMBERS]


@mutation("draft")
def claim_value(draft, rng):
    name = rng.choice(("iss", "sub", "aud", "azp", "at_hash", "nonce", "acr",
                       *DATES))
    draft.claims[name] = rng.choice(
        NUMBERS if name in DATES and rng.random() < 0.6 else VALUES)


@mutation("draft")
def claim_missing(draft, rng):
    draft.claims.pop(rng.choice(("iss", "sub", "aud", "exp", "iat")), None)


@mutation("draft")
def claim_at_the_edge(draft, rng):
    """Each bound of a date, and one second to either side."""
    name, at = rng.choice((
        ("exp", draft.now - LEEWAY), ("iat", draft.now + LEEWAY),
        ("nbf", draft.now + LEEWAY), ("auth_time", draft.now + LEEWAY),
        ("iat", draft.not_before - LEEWAY),
        ("exp", draft.claims["iat"] if isinstance(
            draft.claims.get("iat"), int) else 0),
        ("exp", NOW - 5 + 366 * DAY_S)))
    draft.claims[name] = at + rng.choice((-1, 0, 1))


@mutation("draft")
def date_spelling(draft, rng):
    name = rng.choice(DATES)
    at = NOW + 300 if name == "exp" else NOW - 5
    draft.claims[name] = rng.choice((
        f"@{at}.0@", f"@{at}.5@", f"@{at}e0@", f"@{at / 10}E1@", f"@0{at}@",
        f"@+{at}@", str(at)))


@mutation("draft")
def audience(draft, rng):
    draft.claims["aud"] = rng.choice((
        [CLIENT], [CLIENT, "other"], ["other", CLIENT], ["other"], "other",
        [CLIENT, CLIENT], [CLIENT, 1], [CLIENT, None], [[CLIENT]], CLIENT + " ",
        CLIENT.upper()))
    if rng.random() < 0.6:
        draft.claims["azp"] = rng.choice((
            CLIENT, CLIENT, CLIENT, "other", None, 1, [CLIENT]))


@mutation("draft")
def subject(draft, rng):
    draft.claims["sub"] = rng.choice((
        "a" * 255, "a" * 256, "a\tb", "\x7f", " ", "", "ü", "root\0", 1))


@mutation("draft")
def issuer(draft, rng):
    draft.claims["iss"] = rng.choice((
        ISSUER + "/", ISSUER.upper(), ISSUER + "\u0000", " " + ISSUER,
        [ISSUER], ISSUER[:-1]))


@mutation("draft")
def other_expectation(draft, rng):
    """Who asks, and when."""
    if rng.random() < 0.3:
        draft.not_before = NOW + rng.choice((54, 55, 56, 1000))
    elif rng.random() < 0.5:
        draft.now += rng.choice((-100, -66, -65, 359, 360, 361, 10 ** 9))
    elif rng.random() < 0.5:
        draft.client = rng.choice(("other", "d", "devauth2"))
    else:
        draft.issuer = draft.claims["iss"] = "https://übung.example"


@mutation("draft")
def access_token(draft, rng):
    right = half_hash(draft.alg, ACCESS_TOKEN)
    draft.access_token = rng.choice((ACCESS_TOKEN, ACCESS_TOKEN, "", None))
    draft.claims["at_hash"] = rng.choice((
        encode(right), encode(right), encode(right), encode(right[:-1]),
        encode(right) + "=", encode(b"\0" * len(right)), None, "",
        encode(b"\0" * 65), "A", 5))


@mutation("draft")
def nonce(draft, rng):
    draft.claims["nonce"] = rng.choice(("n", "", None, 0, False))


@mutation("draft")
def header_value(draft, rng):
    name = rng.choice(("alg", "kid", "typ", "typ", "cty", "jku", "x5u", "x5c",
                       "zip", "enc", "b64", "extra"))
    draft.header[name] = rng.choice(VALUES + [True, "jwt", "application/JWT",
                                              "at+jwt", "JWT ", "none"])


@mutation("draft")
def header_critical(draft, rng):
    draft.header["crit"] = rng.choice((
        [], ["exp"], ["b64"], ["kid"], ["typ"], ["extra"], "b64", None))
    if rng.random() < 0.5:
        draft.header["b64"] = rng.choice((True, False))


@mutation("draft")
def header_key(draft, rng):
    """A key in the header is nobody's business but the attacker's."""
    draft.header[rng.choice(("jwk", "kid"))] = rng.choice(
        draft.ring[FAMILIES[draft.alg]]).public
    if rng.random() < 0.5:
        draft.withdraw()


@mutation("draft")
def kid(draft, rng):
    which = rng.randrange(5)
    if which == 0:
        draft.header.pop("kid", None)
    elif which == 1:
        draft.header["kid"] = rng.choice(
            draft.ring[FAMILIES[draft.alg]]).kid
    elif which == 2:
        draft.header["kid"] = draft.key.kid + rng.choice((" ", "\0", "0"))
    elif which == 3:
        draft.published.pop("kid", None)
        draft.header["kid"] = rng.choice(
            (draft.key.kid, "other", None, None))
    else:
        for one in filter(lambda one: isinstance(one, dict), draft.keys):
            one["kid"] = draft.key.kid


@mutation("draft")
def other_algorithm(draft, rng):
    """Announced, but not signed with; or signed with, but not allowed."""
    if rng.random() < 0.5:
        draft.header["alg"] = rng.choice((
            *ALGORITHMS, "none", "HS256", "RS512", "ES256K", "",
            *[draft.alg.swapcase()] * 3))
    else:
        draft.allowed = rng.sample(list(ALGORITHMS), rng.randrange(1, 5))


@mutation("draft")
def bad_key(draft, rng):
    """Signed with a key that is published and too weak, or another curve."""
    if draft.alg in ("RS256", "EdDSA"):
        draft.key = rng.choice(
            draft.ring["weak" if draft.alg == "RS256" else "ed448"])
        draft.header["kid"] = draft.key.kid
        draft.published = copy.deepcopy(draft.key.public)
        draft.keys.append(draft.published)


@mutation("draft")
def key_member(draft, rng):
    name, values = rng.choice((
        ("use", ("sig", "sig", "enc", "", None, 1)),
        ("key_ops", (["verify"], ["sign", "verify"], ["sign"], [], "verify",
                     None, [1, "verify"])),
        ("alg", (draft.alg, draft.alg, "HS256", "", None, 1)),
        ("alg", (OTHER_OF_KEY.get(draft.alg, "ES256"),)),
        ("kid", (None, 1, "other", [draft.key.kid])),
        ("d", ("AQAB", "")), ("k", ("AQAB",)), ("x5c", (["MII"],)),
        ("x5u", ("https://evil.example/",)), ("extra", ({"a": 1},))))
    draft.published[name] = rng.choice(values)


@mutation("draft")
def key_type(draft, rng):
    kty, crv = draft.published["kty"], draft.published.get("crv", "P-256")
    name, values = rng.choice((
        ("kty", ("oct", "RSA", "EC", "OKP", kty.swapcase(), None)),
        ("crv", ("P-256", "P-384", "Ed25519", "X25519", crv.swapcase(),
                 None))))
    draft.published[name] = rng.choice(values)


@mutation("draft")
def key_spelling(draft, rng):
    """Parameters of a key in other words."""
    key = draft.published
    if "y" in draft.key.public and rng.random() < 0.2:
        # The same octets side by side, x and y of other lengths.
        x, y = (decode(draft.key.public[one]) for one in "xy")
        key["x"], key["y"] = encode(x + y[:1]), encode(y[1:])
        return
    name = rng.choice([one for one in ("n", "e", "x", "y")
                       if one in draft.key.public])
    text = draft.key.public[name]
    octets = decode(text)
    key[name] = rng.choice((
        text + "=", text + "\n", " " + text,
        encode(b"\0" + octets), encode(octets[:-1]), encode(octets + b"\0"),
        encode(octets[:-1] + bytes([octets[-1] ^ 1])), "", None, 5,
        encode(b"\3"), encode(b"\2"), encode(b"\1\0\0\0\1")))


@mutation("draft")
def key_set(draft, rng):
    which = rng.randrange(5)
    if which == 0:
        draft.withdraw()
    elif which == 1:
        draft.keys.append(rng.choice((
            {}, {"kty": "oct", "k": "AQAB"}, {"kty": "EC", "crv": "P-521"},
            {"kty": "AKP", "alg": "ML-DSA-44"}, {"kid": draft.key.kid})))
    elif which == 2:
        draft.keys.append(rng.choice((None, 1, "x", [])))
    elif which == 3:
        count = rng.choice((64, 65)) - len(draft.keys)
        draft.keys += [{"kty": "oct", "k": "AQAB"}] * count
    else:
        draft.keys.insert(0, {**draft.published, **rng.choice((
            {"x5t": "a"}, {"use": "enc"},
            {"alg": rng.choice(list(ALGORITHMS))}))})


@mutation("draft")
def large(draft, rng):
    draft.claims["large"] = rng.choice((
        "x" * 90000, "x" * 100000, [1] * 4000, [1] * 4096))


@mutation("draft")
def deep(draft, rng):
    value = 1
    for _ in range(rng.choice((14, 15, 16, 17, 99))):
        value = [value]
    draft.claims["deep"] = value


@mutation("text")
def member_twice(draft, rng):
    name = rng.choice(("header", "claims", "set"))
    text = draft.texts[name].rstrip()
    member = rng.choice({
        "header": (b'"kid":"x"', b'"alg":"none"', b'"a":1,"\\u0061":1'),
        "claims": (b'"sub":"root"', b'"exp":1', b'"\\u0073ub":"x"',
                   b'"a":{"b":1,"b":1}'),
        "set": (b'"keys":[]', b'"a":{"b":1,"b":1}')}[name])
    draft.texts[name] = rng.choice((
        b"{" + member + b"," + text[1:], text[:-1] + b"," + member + b"}"))


@mutation("text")
def json_oddity(draft, rng):
    """What some readers of JSON let through."""
    name = rng.choice(("header", "claims", "set"))
    text = draft.texts[name]
    value = rng.choice((
        b"NaN", b"-Infinity", b'"\\u0000"', b'"\\ud800"', b'"\\ud834\\udd1e"',
        b'"\\ude00\\ud83d"', b"'x'", b"01", b"1.", b".5", b"+1", b"0x1", b"1,",
        b'"\t"', b'"\\x41"', b"True", b'"\xff"', b'"\xed\xa0\x80"',
        b'"\xc0\x80"', b"/**/1", b'"\xef\xbf\xbe"', b'"\x7f"', b"1e999",
        b"-", b"[1,]", b"[", b'"\\/"', b"\xc2\xa01"))
    if rng.random() < 0.7:
        draft.texts[name] = b'{"odd":' + value + b"," + text.lstrip()[1:]
    else:
        draft.texts[name] = rng.choice((
            text + b" ", b"\n\t\r " + text, b"\xef\xbb\xbf" + text, text + b"}",
            text + b"\0", text.decode("utf-8").encode("utf-16"), b"", b"null",
            b"[" + text + b"]", text[:-1], text + b"{}", b"\x0b" + text))


@mutation("text")
def json_noise(draft, rng):
    name = rng.choice(("header", "claims", "set"))
    text = bytearray(draft.texts[name])
    at = rng.randrange(len(text)) if text else 0
    octet = rng.choice((rng.randrange(256), *b'"\\{}[],:0e. -\0'))
    which = rng.randrange(3)
    if which == 0:
        text[at:at + 1] = bytes([octet])
    elif which == 1:
        text.insert(at, octet)
    else:
        del text[at:at + rng.randrange(1, 4)]
    draft.texts[name] = bytes(text)


@mutation("signature")
def signature_noise(draft, rng):
    old = draft.signature
    flipped = bytearray(old)
    flipped[rng.randrange(len(old))] ^= 1 << rng.randrange(8)
    half = len(old) // 2
    wide = b"\0" + old[:half] + b"\0" + old[half:]
    draft.signature = rng.choice((
        bytes(flipped), bytes(flipped), old[:-1], old + b"\0", b"\0" + old,
        b"", bytes(len(old)), old[half:] + old[:half], wide, wide))


@mutation("signature")
def signature_of_another_kind(draft, rng):
    private, octets = draft.key.private, draft.token.encode()
    if draft.alg == "RS256":
        draft.signature = rng.choice((
            lambda: private.sign(octets, padding.PKCS1v15(), hashes.SHA512()),
            lambda: draft.key.sign("PS256", octets)))()
    elif draft.alg == "PS256":
        draft.signature = private.sign(octets, padding.PSS(
            padding.MGF1(rng.choice((hashes.SHA256(), hashes.SHA512()))),
            rng.choice((0, 20, 32, 64))), hashes.SHA256())
    elif draft.alg == "EdDSA":
        draft.signature = hmac.digest(
            decode(draft.key.public["x"]), octets, "sha512")
    else:
        order = {"ES256": int("ffffffff00000000ffffffffffffffffbce6faada7179e84"
                              "f3b9cac2fc632551", 16)}.get(draft.alg)
        half = len(draft.signature) // 2
        r, s = (int.from_bytes(part, "big") for part in (
            draft.signature[:half], draft.signature[half:]))
        draft.signature = utils.encode_dss_signature(r, s)
        if order and rng.random() < 0.7:  # its twin, which is as good
            draft.signature = r.to_bytes(half, "big") + (
                (order - s) % order).to_bytes(half, "big")


@mutation("signature")
def signature_without_key(draft, rng):
    """The neutral element as Ed25519 key: "0" signs every message. And the
    public key as the secret of an HMAC."""
    if draft.alg == "EdDSA" and "x" in draft.published:
        neutral = b"\1" + bytes(31)
        draft.published["x"] = encode(neutral)
        draft.texts["set"] = draft.write({"keys": draft.keys})
        draft.signature = neutral + bytes(32)
    elif draft.alg == "RS256":
        pem = draft.key.private.public_key().public_bytes(
            serialization.Encoding.PEM,
            serialization.PublicFormat.SubjectPublicKeyInfo)
        draft.signature = hmac.digest(pem, draft.token.encode(), "sha256")


@mutation("token")
def token_noise(draft, rng):
    at = rng.randrange(len(draft.token))
    draft.token = rng.choice((
        draft.token[:at] + rng.choice("AZaz09-_+/=. \n\t\0ü")
        + draft.token[at + rng.randrange(2):],
        draft.token[:at], draft.token[:at] + draft.token[at + 1:],
        "", draft.token + ".", "." + draft.token,
        draft.token.replace(".", "..", 1), draft.token.rpartition(".")[0]))


@mutation("token")
def part_spelling(draft, rng):
    """The same octets in other characters."""
    parts = draft.token.split(".")
    # The signature most of all: it is no part of what is signed.
    at = rng.choice((*range(len(parts)), -1, -1))
    part = parts[at]
    alphabet = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                "0123456789-_")
    loose = part
    if part and len(part) % 4:  # bits that no octet holds
        bits = 1 + rng.randrange(3 if len(part) % 4 == 3 else 15)
        loose = part[:-1] + alphabet[alphabet.find(part[-1]) | bits]
    parts[at] = rng.choice((
        loose, loose, part + "=" * (-len(part) % 4), part + "\n",
        " " + part, part[:4] + "\r\n" + part[4:], part + "!",
        part.replace("-", "+"), part.replace("_", "/")))
    draft.token = ".".join(parts)


@mutation("token")
def other_serialisation(draft, rng):
    header, claims, signature = (*draft.token.split("."), "", "")[:3]
    flat = {"payload": claims, "protected": header, "signature": signature}
    draft.token = rng.choice((
        json.dumps(flat),
        json.dumps({"payload": claims, "signatures": [flat]}),
        f"{claims}.{header}.{signature}", f"{header}..{signature}",
        f"{header}.{claims}.{signature}.{signature}.{signature}"))


# The oracle

COMMON = ("kty", "use", "key_ops", "alg", "kid")
PARAMETERS = {"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")}


def for_jwcrypto(key):
    """What else stands in a key has to be ignored (RFC 7517 4), but jwcrypto
    refuses an RSA key with a "crv"."""
    wanted = COMMON + PARAMETERS.get(key.get("kty"), ())
    return json.dumps({name: key[name] for name in wanted if name in key})


def verifying_keys(token, keys, allowed):
    """The keys of the set, as published, with which jwcrypto verifies the
    token; its header and payload."""
    signed = jws.JWS()
    signed.allowed_algs = list(allowed)
    try:
        json.loads(token)
        return [], None, None  # the JSON serialisation: not asked for
    except ValueError:
        pass
    try:
        signed.deserialize(token)
        header = json.loads(signed.objects["protected"])
    except (jws.InvalidJWSObject, KeyError, ValueError):
        return [], None, None
    found = []
    for one in keys:
        # OpenID Connect Core 10.1: kid names the key, where both have one;
        # RFC 7517 4.4: alg.
        if (not isinstance(one, dict)
                or one.get("kid", header.get("kid")) != header.get(
                    "kid", one.get("kid"))
                or one.get("alg", header.get("alg")) != header.get("alg")):
            continue
        try:
            signed.verify(jwk.JWK.from_json(for_jwcrypto(one)))
        except Exception:  # it does not shield us from what is in a key
            continue
        found.append(one)
    return found, header, signed.objects["payload"]


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def are_claims_ours(claims, draft, alg):
    """OpenID Connect Core 3.1.3.7 (its numbers) and 3.1.3.6."""
    def past(name):
        value = claims.get(name)
        return value is None or is_number(value) and value <= latest

    latest = draft.now + LEEWAY
    if not isinstance(claims, dict):
        return False
    aud, azp, sub = (claims.get(name) for name in ("aud", "azp", "sub"))
    audiences = [aud] if isinstance(aud, str) else aud
    at_hash = claims.get("at_hash")
    return (
        # 2
        claims.get("iss") == draft.issuer
        # 3, and RFC 7519 4.1.3
        and isinstance(audiences, list)
        and all(isinstance(one, str) for one in audiences)
        and draft.client in audiences
        # 4, 5
        and (azp == draft.client
             or azp is None and set(audiences) == {draft.client})
        # 9
        and is_number(claims.get("exp"))
        and claims["exp"] > draft.now - LEEWAY
        # 10
        and claims.get("iat") is not None
        and all(map(past, ("iat", "nbf", "auth_time")))
        and (draft.not_before == 0
             or claims["iat"] >= draft.not_before - LEEWAY)
        # section 2
        and isinstance(sub, str) and sub.isascii() and 0 < len(sub) <= 255
        # 3.1.3.6
        and (at_hash is None or draft.access_token is None
             or at_hash == encode(half_hash(alg, draft.access_token))))


# Where devauth refuses more than it would have to

def is_spelled_plainly(text):
    return (isinstance(text, str)
            and re.fullmatch(r"[A-Za-z0-9_-]*", text) is not None
            and len(text) % 4 != 1 and encode(decode(text)) == text)


def decode_loosely(text):
    """As jwcrypto does it."""
    return jws.base64url_decode(text)


def is_plain_json(octets):
    """One reading only, of a size and depth that is enough for everybody."""
    def members(pairs):
        if len({name for name, _ in pairs}) != len(pairs):
            raise ValueError("a name twice")
        return dict(pairs)

    def refuse(word):
        raise ValueError(word)

    def walk(value, depth):
        """Depth and number of members; fails for texts with two readings."""
        if isinstance(value, str):
            value.encode()  # a lone surrogate cannot be
            if "\0" in value:
                raise ValueError("U+0000")
        if not isinstance(value, (dict, list)):
            return depth, 0
        if isinstance(value, dict):
            for name in value:
                walk(name, depth)
            value = list(value.values())
        below = [walk(one, depth + 1) for one in value]
        return (max([depth + 1, *(one[0] for one in below)]),
                len(value) + sum(one[1] for one in below))

    try:
        value = json.loads(octets.decode(), object_pairs_hook=members,
                           parse_constant=refuse)
        depth, count = walk(value, 0)
    except ValueError:
        return False
    return depth <= 16 and count <= 4096 and len(octets) <= 256 * 1024


def is_key_taken(key):
    """What the head of da_jwks_parse() says, but for what cannot happen
    here."""
    ops = key.get("key_ops")
    if (set(key) & {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
            or key.get("use", "sig") != "sig"
            or "key_ops" in key and not (
                isinstance(ops, list) and "verify" in ops)
            or not isinstance(key.get("kid", ""), str)):
        return False
    values = [key[name] for name in PARAMETERS[key["kty"]] if name != "crv"]
    if not all(map(is_spelled_plainly, values)):
        return False
    values = [decode(value) for value in values]
    if key["kty"] == "RSA":
        n, e = (int.from_bytes(value, "big") for value in values)
        return 2048 <= n.bit_length() <= 8192 and e < 2 ** 32 \
            and len(values[1]) <= 8
    if key["kty"] == "EC":
        length = {"P-256": 32, "P-384": 48}.get(key["crv"])
        return all(len(value) == length for value in values)
    return key["crv"] == "Ed25519" and values[0][1:] != bytes(31)


def is_whole_second(value):
    return value is None or isinstance(value, int) and 0 <= value <= DATE_MAX


# For the others OpenSSL sees to it.
SIGNATURES = {"ES256": 64, "ES384": 96}
STRICTER = {
    "one spelling of base64url: no padding, white space, other alphabet or "
    "loose bits, or one signature had many texts":
        lambda case: all(map(is_spelled_plainly, case.token.split("."))),
    "JSON with one reading: no name twice, NaN, U+0000, lone surrogate; 16 "
    "levels, 4096 members":
        lambda case: is_plain_json(decode_loosely(case.token.split(".")[0]))
        and is_plain_json(case.payload) and is_plain_json(case.texts["set"]),
    "a key set is an array of up to 64 objects":
        lambda case: len(case.key_list) <= 64
        and all(isinstance(one, dict) for one in case.key_list),
    "typ is JWT: tokens of other kinds of the same provider have their own":
        lambda case: str(case.head.get("typ", "jwt")).lower()
        in ("jwt", "application/jwt"),
    "no crit, b64, zip, enc: they ask for another format":
        lambda case: not set(case.head) & {"crit", "b64", "zip", "enc"},
    "kid is a text":
        lambda case: isinstance(case.head.get("kid", ""), str),
    "keys that are weak, private, for something else, of small order, or not "
    "written as the RFC says are left out":
        lambda case: any(map(is_key_taken, case.found)),
    "a signature has the length of its algorithm":
        lambda case: SIGNATURES.get(case.head["alg"]) in (
            None, len(decode_loosely(case.token.split(".")[2]))),
    "dates are whole seconds up to the year 9999":
        lambda case: all(is_whole_second(case.said.get(name))
                         for name in DATES),
    "exp lies after iat, and not more than 366 days":
        lambda case: 0 < case.said["exp"] - case.said["iat"] <= 366 * DAY_S,
    "no nonce: the device flow sends none":
        lambda case: case.said.get("nonce") is None,
    "sub has no control characters":
        lambda case: case.said["sub"].isprintable(),
    "at_hash looks like a hash, even where no access token is at hand":
        lambda case: case.said.get("at_hash") is None
        or is_spelled_plainly(case.said["at_hash"])
        and len(decode(case.said["at_hash"])) <= 64,
    "a token has up to 128 kB":
        lambda case: len(case.token) <= 128 * 1024,
}


class Case:
    """A finished draft with both verdicts."""

    def __init__(self, draft, answer):
        self.draft, self.token, self.texts = draft, draft.token, draft.texts
        self.code, _, self.detail = answer.partition("\t")
        self.accepted = self.code == "DA_OK"
        self.oracle = self.ask_oracle()
        self.stricter = [name for name, holds in STRICTER.items()
                         if not holds(self)] if self.oracle else []

    def ask_oracle(self):
        try:
            self.key_list = json.loads(self.texts["set"].decode())["keys"]
            self.found, self.head, self.payload = verifying_keys(
                self.token, self.key_list, self.draft.allowed)
            if not self.found:
                return False
            if isinstance(self.payload, str):
                self.payload = self.payload.encode()
            self.said = json.loads(self.payload.decode())
            return are_claims_ours(self.said, self.draft, self.head["alg"])
        except (ValueError, KeyError, TypeError):
            return False

    def __str__(self):
        return (f"{self.draft.mutations}: {self.code} {self.detail!r}, oracle "
                f"{self.oracle}, stricter {self.stricter}: {self.draft.line()}")


@pytest.fixture(scope="module")
def cases(build):
    rng = random.Random(SEED)
    ring = make_ring(rng)
    drafts = []
    for _ in range(TOKENS):
        count, = rng.choices((0, 1, 2, 3), (20, 50, 20, 10))
        drafts.append(Draft(rng, ring).make(rng.sample(MUTATIONS, count)))
    driver = os.path.join(build, "tests", "module", "jose_driver")
    result = subprocess.run(
        [driver], input="".join(draft.line() + "\n" for draft in drafts),
        capture_output=True, text=True, check=True)
    answers = result.stdout.split("\n")[:-1]
    assert len(answers) == TOKENS
    return [Case(draft, answer) for draft, answer in zip(drafts, answers)]


def report(cases_):
    return [str(case)[:3000] for case in cases_[:3]]


def test_what_we_accept_the_oracle_accepts(cases):
    wrong = [case for case in cases if case.accepted and not case.oracle]
    assert not wrong, report(wrong)


def test_what_the_oracle_accepts_we_accept(cases):
    wrong = [case for case in cases if case.oracle and not case.stricter
             and not case.accepted]
    assert not wrong, report(wrong)


def test_where_we_are_stricter(cases):
    """Each difference of the list is kept, and is seen at work alone."""
    wrong = [case for case in cases if case.stricter and case.accepted]
    assert not wrong, report(wrong)
    alone = {case.stricter[0] for case in cases if len(case.stricter) == 1}
    assert alone == set(STRICTER)


def test_same_subject(cases):
    for case in cases:
        if case.accepted:
            assert case.detail == case.said["sub"]


def test_refusals_are_refusals(cases):
    """Not troubles of our own."""
    assert {case.code for case in cases} <= {
        "DA_OK", "DA_E_TOKEN", "DA_E_ABSENT", "DA_E_SYNTAX", "DA_E_TOO_LARGE"}


def test_enough_of_everything(cases):
    """The tokens are worth the while: each algorithm, each mutation, and both
    outcomes are there."""
    for alg in ALGORITHMS:
        ours = [case for case in cases if case.draft.alg == alg]
        accepted = sum(case.accepted for case in ours)
        assert len(ours) / 5 < accepted < len(ours) * 4 / 5
    seen = collections.Counter(
        name for case in cases for name in case.draft.mutations)
    assert all(seen[one.__name__] > 50 for one in MUTATIONS)
