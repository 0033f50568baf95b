"""The messages between devauth's processes, written from core/WIRE.md.

A second implementation for the tests: what the C code sends has to be what
this reads, to the last byte.
"""

import dataclasses
import select
import socket
import struct
import time

VERSION = 1
HEADER = struct.Struct(">BBHI")

# Kinds of fields.
U32, I64, NONCE, TEXT, BLOB = "u32", "i64", "nonce", "text", "blob"
NONCE_LEN = 16

REQUEST = [("nonce", NONCE), ("flags", U32), ("caller", U32), ("user", TEXT),
           ("service", TEXT), ("tty", TEXT), ("rhost", TEXT), ("profile", TEXT),
           ("grant", TEXT), ("session", TEXT)]

# name -> (type, fields in order)
MESSAGES = {
    "AUTH": (1, REQUEST),
    "ACCOUNT": (2, REQUEST),
    "SESSION": (3, REQUEST),
    "CONFIRM": (4, [("nonce", NONCE)]),
    "CODE": (16, [
        ("host", TEXT), ("user_code", TEXT), ("uri", TEXT),
        ("good_until", TEXT), ("wait_ms", I64), ("must_confirm", U32),
        ("qr", BLOB)]),
    "RESULT": (17, [
        ("nonce", NONCE), ("code", U32), ("verdict", I64), ("who", TEXT),
        ("rule", TEXT), ("provider", TEXT), ("reason", TEXT),
        ("grant", TEXT), ("session", TEXT)]),
    "START": (32, [
        ("task", U32), ("issuer", TEXT), ("client_id", TEXT), ("client_auth", U32),
        ("secret_raw", U32), ("scope", TEXT), ("ca_file", TEXT),
        ("username_claim", TEXT), ("groups_claim", TEXT),
        ("other_claims", TEXT), ("need_groups", U32), ("device_name", TEXT),
        ("endpoint_hosts", TEXT), ("algorithms", U32),
        ("allow_loopback", U32), ("min_interval_s", I64),
        ("request_timeout_ms", I64), ("deadline_ms", I64), ("want_qr", U32),
        ("binding", U32), ("thumbprint", TEXT), ("dpop_nonce", TEXT),
        ("acr_values", TEXT), ("amr", TEXT), ("max_age_s", I64),
        ("subject", TEXT), ("bound", U32), ("ask_userinfo", U32), ("access_token", BLOB),
        ("refresh_token", BLOB), ("client_secret", BLOB), ("metadata", BLOB), ("jwks", BLOB)]),
    "SIGNED": (33, [("jwt", BLOB)]),
    "METADATA": (48, [
        ("metadata", BLOB), ("metadata_max_age_s", I64), ("jwks", BLOB),
        ("jwks_max_age_s", I64)]),
    "DEVICE": (49, [
        ("user_code", TEXT), ("uri", TEXT), ("expires_in_s", I64),
        ("qr", BLOB)]),
    "IDENTITY": (50, [
        ("issuer", TEXT), ("subject", TEXT), ("username_claim", TEXT),
        ("username", TEXT), ("name", TEXT), ("email", TEXT),
        ("evidence", U32), ("acr", TEXT), ("amr", TEXT),
        ("auth_time_s", I64), ("groups", BLOB), ("claims", BLOB)]),
    "FAILED": (51, [("code", U32), ("reason", TEXT), ("hint", TEXT)]),
    "TOKENS": (52, [
        ("type", U32), ("expires_in_s", I64), ("scope", TEXT),
        ("dpop_nonce", TEXT), ("access_token", BLOB),
        ("refresh_token", BLOB)]),
    "REVOKED": (53, [("tokens", U32)]),
    "ENDPOINTS": (54, [
        ("device", TEXT), ("token", TEXT), ("userinfo", TEXT),
        ("revocation", TEXT), ("introspection", TEXT)]),
    "SIGN": (55, [
        ("what", U32), ("endpoint", U32), ("nonce", TEXT), ("hash", BLOB)]),
}
NAMES = {number: name for name, (number, _) in MESSAGES.items()}

# core/err.def
ERRORS = {
    "ok": 0, "ignore": 1, "bug": 2, "sys": 3, "nomem": 4, "config": 5,
    "broker": 6, "worker": 7, "wire": 8, "closed": 9, "timeout": 10,
    "unreachable": 30, "protocol": 31, "provider": 32, "denied": 33,
    "expired": 34, "token": 35, "deadline": 36, "cancelled": 37,
    "rejected": 38, "weak": 39,
    "wrong_person": 40, "not_allowed": 41, "pin": 42, "bad_name": 43,
}
ERROR_NAMES = {number: name for name, number in ERRORS.items()}

ALGORITHMS = {"RS256": 1, "PS256": 2, "ES256": 4, "ES384": 8, "EdDSA": 16}
TASKS = {"login": 1, "refresh": 2, "revoke": 3, "introspect": 4}
BINDINGS = {"sealed": 0, "prefer": 1, "require": 2}
BEARER, DPOP = 1, 2  # token types
PROOF, ASSERTION = 1, 2
ID_TOKEN, USERINFO, INTROSPECTION = 1, 2, 4  # evidence
CLIENT_AUTH = {"none": 0, "basic": 1, "post": 2, "key": 3}


class WireError(Exception):
    """The peer broke the protocol."""


@dataclasses.dataclass
class Message:
    """One message: its name and its fields, also as attributes."""

    name: str
    fields: dict

    def __getattr__(self, field):
        try:
            return self.__dict__["fields"][field]
        except KeyError:
            raise AttributeError(field) from None


def encode_field(kind, value):
    if kind == U32:
        return struct.pack(">I", value or 0)
    if kind == I64:
        return struct.pack(">q", value or 0)
    if kind == NONCE:
        value = value or bytes(NONCE_LEN)
        assert len(value) == NONCE_LEN
        return value
    value = value or b""
    if isinstance(value, str):
        value = value.encode()
    return struct.pack(">I", len(value)) + value


def encode(name, **fields):
    """The frame of a message; fields that are not given are empty."""
    number, layout = MESSAGES[name]
    unknown = set(fields) - {field for field, _ in layout}
    assert not unknown, f"{name} has no {unknown}"
    body = b"".join(encode_field(kind, fields.get(field))
                    for field, kind in layout)
    return HEADER.pack(VERSION, number, 0, len(body)) + body


class Reader:
    """Bytes that are taken away from the front."""

    def __init__(self, data):
        self.data = data

    def take(self, size):
        if size > len(self.data):
            raise WireError("a field is cut short")
        taken, self.data = self.data[:size], self.data[size:]
        return taken

    def field(self, kind):
        if kind == U32:
            return struct.unpack(">I", self.take(4))[0]
        if kind == I64:
            return struct.unpack(">q", self.take(8))[0]
        if kind == NONCE:
            return self.take(NONCE_LEN)
        value = self.take(struct.unpack(">I", self.take(4))[0])
        return value if kind == BLOB else value.decode()


def decode(number, body):
    if number not in NAMES:
        raise WireError(f"unknown type {number}")
    name, reader = NAMES[number], Reader(body)
    fields = {field: reader.field(kind) for field, kind in MESSAGES[name][1]}
    if reader.data:
        raise WireError(f"{len(reader.data)} bytes behind {name}")
    return Message(name, fields)


class Channel:
    """A socket that speaks frames. Time-outs are TimeoutError."""

    def __init__(self, sock):
        self.socket = sock

    def send(self, name, **fields):
        self.socket.sendall(encode(name, **fields))

    def _exactly(self, size, end):
        data = b""
        while len(data) < size:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                raise TimeoutError("no message in time")
            try:
                piece = self.socket.recv(size - len(data))
            except ConnectionResetError:
                piece = b""
            if not piece:
                if data:
                    raise WireError("the end inside a frame")
                return None
            data += piece
        return data

    def receive(self, timeout=10):
        """The next message; None at an orderly end."""
        end = time.monotonic() + timeout
        header = self._exactly(HEADER.size, end)
        if header is None:
            return None
        version, number, zero, size = HEADER.unpack(header)
        if version != VERSION or zero != 0:
            raise WireError("a bad header")
        body = self._exactly(size, end) if size else b""
        if body is None:
            raise WireError("the end inside a frame")
        return decode(number, body)

    def close(self):
        self.socket.close()


def pair():
    """A channel, and the socket for the process at the other end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    return Channel(ours), theirs
