"""devauth-worker against the built-in provider, without broker and module.

The rows of the tables below are the members of the families H, D, J and N of
the hostile tests and the items of providers.md, played by the provider's
quirks: quirks in, last word out. Each family is one test, its rows run side by
side on providers of their own.
"""

import base64
import concurrent.futures
import contextlib
import dataclasses
import json
import os
import queue
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from jwcrypto import jwk

from approve import Idp
from idp.accounts import CLIENTS
from idp.device import ACR_PASSWORD, ACR_SECOND_FACTOR
from idp.idtoken import ID_TOKEN_VARIANTS
from idp.jwks import JWKS_VARIANTS
from idp.pki import TLS_MODES
from idp.quirks import (DISCOVERY_VARIANTS, ERROR_BODIES, ERROR_DESCRIPTIONS,
                        RAW_ANSWERS, USER_CODE_VARIANTS, USERINFO_VARIANTS,
                        VERIFICATION_URI_VARIANTS)
import wire
from worker import UID, Signer, Worker

ALICE = "idp-7f3a90c2d1e84b56"
PASSWORD, SECOND = ACR_PASSWORD, ACR_SECOND_FACTOR
THUMBPRINT = jwk.JWK(**CLIENTS["devauth-key"]["jwk"]).thumbprint()
KEY = jwk.JWK(d="jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
              **CLIENTS["devauth-key"]["jwk"])
SECRETS = {"none": "", "key": "", "basic": "s:e/c r%t+1", "post": "p&o=s t%2"}
OFFLINE = "openid profile email groups offline_access"
PROVIDERS = 4  # of one table
# Words that only a provider's texts hold; no reason may repeat them.
HOSTILE = re.compile(r"evil|elsewhere\.|script|password|[^ -~]", re.IGNORECASE)


@pytest.fixture(scope="session")
def program(build):
    for path in ("pam_module/devauth-worker",
                 "stage/usr/libexec/devauth/devauth-worker"):
        path = os.path.join(build, path)
        if os.path.exists(path):
            return path
    return pytest.fail(f"no devauth-worker under {build}")


@pytest.fixture(scope="session")
def public():
    """A folder that the worker's user can read, below folders of root only:
    that is what it demands of a CA file."""
    folder = tempfile.mkdtemp(dir="/run", prefix="devauth-test-")
    os.chmod(folder, 0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def sign(build, public):
    """Starts signers: sign(the fields of START)."""
    path = os.path.join(public, "key.pem")
    with open(path, "wb") as file:
        file.write(KEY.export_to_pem(private_key=True, password=None))

    def run(start, flags="pa", **more):
        return Signer(os.path.join(build, "tests/module/signer_driver"), path,
                      start["issuer"], start["client_id"], flags,
                      start.get("endpoint_hosts", ""), **more)
    return run


def readable_ca(idp, public):
    path = os.path.join(public, f"ca-{idp.pid}.pem")
    if not os.path.exists(path):
        shutil.copyfile(idp.ca_file, path)
        os.chmod(path, 0o644)
    return path


def orders(idp, public, auth="none", **more):
    """The fields of START."""
    return {
        "task": wire.TASKS["login"], "max_age_s": -1, "issuer": idp.issuer, "client_id": {
            "none": "devauth-public"}.get(auth, f"devauth-{auth}"),
        "client_auth": wire.CLIENT_AUTH[auth], "client_secret": SECRETS[auth],
        "scope": "openid profile email groups",
        "ca_file": readable_ca(idp, public),
        "username_claim": "preferred_username", "groups_claim": "groups",
        "other_claims": "",
        "thumbprint": THUMBPRINT,
        "algorithms": 31, "allow_loopback": 1, "min_interval_s": 1,
        "request_timeout_ms": 5000, "deadline_ms": 15000, **more}


@pytest.fixture
def start(program, idp, public, sign):
    """Starts workers for the provider of the test; ends them after it."""
    with contextlib.ExitStack() as stack:
        def run(auth="none", files=None, environment=None, flags="pa", limit=99,
                **more):
            fields = orders(idp, public, auth, **more)
            signed = fields.get("binding") or fields.get("bound") or (
                auth == "key")
            return stack.enter_context(Worker(
                program, fields, files=files, environment=environment,
                signer=sign(fields, flags, limit=limit) if signed else None))
        yield run


def approve_next(idp, user="alice"):
    idp.control.wait_for_code()
    idp.control.approve(user)


def log_in(worker, idp):
    """The happy path from DEVICE on; the identity."""
    worker.expect("DEVICE")
    idp.control.approve("alice")
    last = worker.finish()
    assert last.name == "IDENTITY", last
    assert worker.exit_code == 0
    return last


# -- tables


@dataclasses.dataclass
class Row:
    """Quirks and orders, and how the login has to end: "IDENTITY" or the name
    of an error, with or without a code shown before."""

    name: str
    quirks: dict
    end: str = "IDENTITY"
    shown: bool = True
    orders: dict = dataclasses.field(default_factory=dict)
    auth: str = "none"
    approved: bool = True  # right away
    counts: dict = dataclasses.field(default_factory=dict)
    identity: dict = dataclasses.field(default_factory=dict)
    excused: str = "$^"  # violations that are the point of the row
    handed: bool = None  # whether tokens reach the broker; None: as it ends
    tokens: dict = dataclasses.field(default_factory=dict)  # of TOKENS
    flags: str = "pa"  # what the signer signs


@dataclasses.dataclass
class Later(Row):
    """The same for what follows a login: the quirks begin after it."""

    task: str = "refresh"
    given: tuple = ()  # tokens; (): those that belong to the task
    act: object = None  # with the control interface, before the task
    first: dict = dataclasses.field(default_factory=dict)  # of the login
    bound: int = 0
    shown: bool = False


GIVEN = {"refresh": ["refresh_token"], "introspect": ["access_token"],
         "revoke": ["access_token", "refresh_token"]}


def follow_up(worker, task, given=()):
    """What START says after the login of a worker."""
    documents, tokens = worker.message("METADATA"), worker.message("TOKENS")
    return {"task": wire.TASKS[task], "subject": ALICE,
            "metadata": documents.metadata, "jwks": documents.jwks,
            **{name: tokens.fields[name] for name in given or GIVEN[task]}}


class Pool:
    """Providers, each used by one login at a time."""

    def __init__(self, folder, program, public, sign):
        self.folder, self.program, self.public = folder, program, public
        self.sign = sign
        self.free = queue.Queue()
        self.running = []

    def grow(self):
        while len(self.running) < PROVIDERS:
            path = os.path.join(self.folder, f"idp{len(self.running)}")
            self.running.append(Idp(path).start())
            self.free.put(self.running[-1])

    def play(self, row):
        """What is wrong with the outcome of a row; None for nothing."""
        idp = self.free.get()
        try:
            return self._play(idp, row)
        except Exception as error:  # pylint: disable=broad-except
            return f"{row.name}: {error!r}"
        finally:
            self.free.put(idp)

    def run(self, idp, auth, flags="pa", **more):
        fields = orders(idp, self.public, auth, **more)
        signed = fields.get("binding") or fields.get("bound") or auth == "key"
        return Worker(self.program, fields,
                      signer=self.sign(fields, flags) if signed else None)

    def _play(self, idp, row):
        control = idp.control
        control.reset()
        before, more = {}, {}
        if isinstance(row, Later):
            control.quirks(approve_immediately="alice")
            with self.run(idp, row.auth, scope=OFFLINE, **row.first) as worker:
                assert worker.finish(30).name == "IDENTITY", worker.messages
            more = follow_up(worker, row.task, row.given)
            more["bound"] = row.bound
            before = control.state()["counters"]
            if row.act:
                row.act(control)
        control.quirks(**({"approve_immediately": "alice"}
                          if row.approved else {}), **row.quirks)
        with self.run(idp, row.auth, row.flags,
                      **{**more, **row.orders}) as worker:
            last = worker.finish(30)
            state = control.state()
        for name, count in before.items():
            state["counters"][name] -= count
        return self._judge(row, worker, last, state)

    @staticmethod
    def _judge(row, worker, last, state):
        wrong = []
        if last is None:
            return f"{row.name}: no last word, exit {worker.exit_code}"
        end = (wire.ERROR_NAMES.get(last.code, last.code)
               if last.name == "FAILED" else last.name)
        if end != row.end:
            wrong.append(f"{end} ({last.fields})")
        if last.name == "FAILED" and (
                not last.reason or HOSTILE.search(last.reason)):
            wrong.append(f"reason {last.reason!r}")
        if (worker.message("DEVICE") is not None) != row.shown:
            wrong.append("code shown" if not row.shown else "no code shown")
        if last.name == "FAILED" and worker.message("METADATA"):
            wrong.append("METADATA of a failed login")
        tokens = worker.message("TOKENS")
        handed = (end == "IDENTITY" and getattr(
            row, "task", "login") in ("login", "refresh")
                  if row.handed is None else row.handed)
        if row.handed is not None or end == "IDENTITY":
            if (tokens is not None) != handed:
                wrong.append("tokens" if tokens else "no tokens")
        for field, value in row.tokens.items():
            if tokens and tokens.fields.get(field) != value:
                wrong.append(f"{field} is {tokens.fields.get(field)!r}")
        for field, value in row.identity.items():
            if last.fields.get(field) != value:
                wrong.append(f"{field} is {last.fields.get(field)!r}")
        for endpoint, count in row.counts.items():
            if state["counters"].get(endpoint, 0) != count:
                wrong.append(f"{endpoint} {state['counters'].get(endpoint)}x")
        if worker.exit_code != 0:
            wrong.append(f"exit {worker.exit_code}")
        wrong += [one["what"] for one in state["violations"]
                  if not re.match(row.excused, one["what"])]
        return f"{row.name}: " + "; ".join(wrong) if wrong else None

    def check(self, rows):
        self.grow()
        with concurrent.futures.ThreadPoolExecutor(PROVIDERS) as executor:
            wrong = [one for one in executor.map(self.play, rows) if one]
        assert not wrong, "\n" + "\n".join(wrong)

    def stop(self):
        for idp in self.running:
            idp.stop()


@pytest.fixture(scope="session")
def pool(tmp_path_factory, program, public, sign):
    pool = Pool(str(tmp_path_factory.mktemp("idps")), program, public, sign)
    yield pool
    pool.stop()


def same(prefix, variants, end, quirk, **more):
    """A row for each variant; `end` has the exceptions by name."""
    rows = []
    for name in variants:
        want = end.get(name, end[None])
        rows.append(Row(f"{prefix} {name}", quirk(name), want, **more))
    return rows


def test_id_tokens(pool):
    """Family J: every variant of the provider, the good ones by name."""
    good = ["kid_missing", "typ_missing", "jku", "x5u", "x5c", "aud_array",
            "aud_array_with_us", "azp_right", "nbf_past", "auth_time_missing",
            "auth_time_old", "acr_missing", "acr_weak", "amr_string",
            "at_hash_right"]
    too_large = ["deep_claims", "many_items", "huge_claim"]
    ends = {None: "token", **dict.fromkeys(good, "IDENTITY"),
            **dict.fromkeys(too_large, "protocol")}
    variants = [name for name in ID_TOKEN_VARIANTS if name != "overage"]
    assert set(good) | set(too_large) < set(variants)
    pool.check(same("id_token", variants, ends,
                    lambda name: {"id_token": name}))


def test_key_sets(pool):
    """J7, J19, J20, providers.md 9."""
    good = ["unusable_keys", "no_use", "no_alg", "no_kid", "two_alike",
            "same_kid", "with_weak_rsa"]
    no_set = ["garbage", "empty_text", "nul", "top_array", "top_number",
              "keys_missing", "keys_object", "keys_string", "keys_null",
              "keys_numbers", "many"]
    ends = {None: "token", **dict.fromkeys(good, "IDENTITY"),
            **dict.fromkeys(no_set, "protocol")}
    rows = same("jwks", JWKS_VARIANTS, ends, lambda name: {"jwks": name})
    for row in rows:
        # One fetch ahead and, where that was of no use, one more.
        row.counts = {"jwks": 1 if row.end == "IDENTITY" else 2}
        # "many" takes a busy provider its time.
        row.orders = {"request_timeout_ms": 20000, "deadline_ms": 60000}
    pool.check(rows)


def test_certificates(pool):
    """H1: nothing is sent to a server that is not the provider's."""
    rows = same("tls", TLS_MODES, {None: "unreachable", "tls1.2": "IDENTITY"},
                lambda name: {"tls": name}, shown=False)
    for row in rows:
        row.shown = row.end == "IDENTITY"
        row.counts = {} if row.shown else {"discovery": 0, "token": 0}
    pool.check(rows)


def test_discovery(pool):
    """H2, H4."""
    good = {"minimal": "IDENTITY", "algorithms_without_key": "IDENTITY",
            "no_device_endpoint": "provider"}
    variants = [name for name in DISCOVERY_VARIANTS
                if name != "endpoint_with_query"]
    rows = same("discovery", variants, {None: "protocol", **good},
                lambda name: {"discovery": name})
    for row in rows:
        row.shown = row.end == "IDENTITY"
        if not row.shown:
            row.counts = {"device_authorization": 0, "token": 0}
    pool.check(rows)


BROKEN = {  # quirk -> end, for an endpoint that answers so every time
    "http_error": "unreachable", "redirect": "protocol",
    "close_early": "unreachable", "truncated": "unreachable",
    "garbage": "protocol", "empty_body": "protocol", "huge_body": "protocol",
    "endless_body": "protocol", "huge_header": "protocol",
    "many_headers": "protocol", "duplicate_keys": "protocol",
    "deep_nesting": "protocol", "stall": "unreachable", "drip": "unreachable",
}
HARMLESS = {
    "hostile_headers": None, "extra_members": None, "reverse_members": None,
    "chunked": None, "media_type": ["application/jwk-set+json", None,
                                    "text/html", "application/json;charset=x"],
}


@pytest.mark.parametrize("endpoint", [
    "discovery", "device_authorization", "jwks", "token"])
def test_broken_answers(pool, endpoint):
    """H3, H7, H10; J6. Trouble in the polling is waited out to the end."""
    rows = [Row(f"{quirk} {endpoint}", {quirk: endpoint}, end,
                shown=endpoint in ("jwks", "token"), counts={"userinfo": 0},
                orders={"deadline_ms": 5000, "request_timeout_ms": 700
                        if quirk in ("stall", "drip") else 4000})
            for quirk, end in BROKEN.items()]
    for quirk, values in HARMLESS.items():
        for value in values or [None]:
            rows.append(Row(f"{quirk} {value} {endpoint}", {
                quirk: {endpoint: value} if values else endpoint}))
    pool.check(rows)


@pytest.mark.parametrize("endpoint", ["discovery", "token"])
def test_not_quite_http(pool, endpoint):
    """H7. The second of two answers is nobody's: what counts is the first,
    here a pending (or, as metadata, a 400)."""
    ends = {None: "protocol", "bad_chunk": "unreachable",
            "huge_chunk": "unreachable"}
    if endpoint == "token":
        ends.update(two_answers="deadline", folded_header="deadline")
    pool.check(same("raw", RAW_ANSWERS, ends,
                    lambda name: {"raw": {endpoint: name}},
                    shown=endpoint == "token", orders={"deadline_ms": 4000}))


def test_what_would_be_shown(pool):
    """D4. "percent" is nothing but text; another host than the issuer's is
    what real providers send (see provider/device.h)."""
    rows = same("user_code", USER_CODE_VARIANTS,
                {None: "protocol", "percent": "IDENTITY"},
                lambda name: {"user_code": name})
    rows += same("verification_uri", VERIFICATION_URI_VARIANTS,
                 {None: "protocol", "percent": "IDENTITY",
                  "other_host": "IDENTITY"},
                 lambda name: {"verification_uri": name})
    for row in rows:
        row.shown = row.end == "IDENTITY"
        if not row.shown:
            row.counts = {"token": 0, "jwks": 0}
    pool.check(rows)


def test_device_answers(pool):
    """providers.md 1, 7, 8."""
    pool.check([
        Row("interval missing", {"interval": None}),
        Row("interval text", {"interval": "2"}),
        Row("interval 0", {"interval": 0}),
        Row("interval 600", {"interval": 600}, "deadline",
            orders={"deadline_ms": 3000}, counts={"token": 0}),
        Row("expires_in text", {"expires_in": "600"}),
        Row("expires_in missing", {"expires_in": None}),
        Row("expires_in 0", {"expires_in": 0}, "protocol", shown=False),
        Row("verification_url", {"verification_url": True}),
        Row("no complete", {"verification_uri_complete": None}),
        Row("other parameter", {"verification_uri_complete": "otp"}),
        Row("odd paths", {"odd_paths": True}),
        *(Row(f"code {style}", {"user_code_style": style}) for style in (
            "dash", "plain", "space", "lower", "digits", "digits_dash")),
        Row("basic raw", {"basic_raw": True}, auth="basic",
            orders={"secret_raw": 1}),
        Row("wrong secret", {}, "provider", shown=False, auth="basic",
            orders={"client_secret": "wrong"},
            counts={"device_authorization": 1}),
        Row("wrong secret post", {}, "provider", shown=False, auth="post",
            orders={"client_secret": "wrong"}),
        Row("unknown client", {}, "provider", shown=False,
            orders={"client_id": "nobody"}),
        Row("hostile client id", {}, "provider", shown=False,
            orders={"client_id": "a&b=c+d%\"'"}),
        *(Row(f"{auth} secret refused", {"device_secret": "refuse"},
              auth=auth, counts={"device_authorization": 2},
              excused="client authentication is client_secret")
          for auth in ("basic", "post")),
        Row("scope required", {"scope_required": True}),
        Row("no scope", {}, "token", orders={"scope": ""}),
        Row("scope required, none", {"scope_required": True}, "provider",
            shown=False, orders={"scope": ""}),
        Row("unknown scope dropped", {}, orders={"scope": "openid profile x"}),
        Row("unknown scope refused", {"unknown_scope": "refuse"}, "provider",
            shown=False, orders={"scope": "openid x"}),
    ])


def test_polling(pool):
    """providers.md 3-6, attacks D2, D7."""
    pending = {"pending_after_approval": 1}
    soon = {"deadline_ms": 3500}
    ends = {"access_denied": "denied", "expired_token": "expired",
            "invalid_grant": "expired", "unauthorized_client": "provider",
            "invalid_client": "provider", "use_dpop_nonce": "provider",
            "nonsense": "provider", "": "provider"}
    rows = [Row(f"error {error}", {"token_error": error}, end,
                counts={"token": 1}) for error, end in ends.items()]
    rows += [Row(f"status {status}", {"error_status": status, **pending},
                 counts={"token": 2})
             for status in (200, 400, 401, 403, 429, 500)]
    rows += [Row(f"denied with {status}", {
        "error_status": status, "token_error": "access_denied"}, "denied",
                 counts={"token": 1}) for status in (200, 401, 403, 429, 503)]
    rows += [Row(f"body {body}", {
        "error_body": body, "token_error": "authorization_pending"},
                 "protocol", counts={"token": 1}) for body in ERROR_BODIES]
    rows += [Row(f"description {text}", {
        "error_description": text, "token_error": "access_denied"}, "denied")
             for text in ERROR_DESCRIPTIONS]
    rows += [Row(f"token_type {kind}", {"token_type": kind}, end)
             for kind, end in (("bearer", "IDENTITY"), ("BEARER", "IDENTITY"),
                               ("DPoP", "token"), ("mac", "token"),
                               (None, "token"), (7, "token"),
                               ("Bearer ", "token"))]
    rows += [
        # What is good there, for the broker to revoke.
        Row("error and token", {"token_error_and_token": True}, "protocol",
            counts={"token": 1}, handed=True),
        Row("pending and token", {
            "token_error_and_token": "authorization_pending"}, "protocol",
            counts={"token": 1}, handed=True),
        Row("slow_down once", {"slow_down": 1}, counts={"token": 2}),
        Row("slow_down for ever", {"slow_down": True}, "deadline",
            orders={"deadline_ms": 9000}, counts={"token": 2}),
        Row("429 text", {"rate_limit": 1}, counts={"token": 2}),
        Row("429 x-retry-after", {"rate_limit": [1, "x-retry-after"]},
            counts={"token": 2}),
        Row("unavailable for a moment", {"endpoint": {"token": {
            "times": 1, "status": 503, "body": "<h1>"}}}, counts={"token": 2}),
        Row("lost once", {"endpoint": {"token": {
            "times": 1, "close": "reset"}}}, counts={"token": 2}),
        Row("never expires", {"never_expire": True, "expires_in": 3},
            "expired", approved=False),
        Row("pending for ever", {}, "deadline", approved=False, orders=soon),
        Row("dies when idle", {"keep_alive": 0.5}, counts={
            "discovery": 1, "device_authorization": 1, "jwks": 1, "token": 1}),
        # The request that met the dead connection is counted as well.
        Row("dies at reuse", {"drop_reused": True}, counts={"token": 2}),
    ]
    pool.check(rows)


def test_persons(pool):
    """providers.md 10, attacks N3, N14, N18."""
    elsewhere = {"profile_at": "userinfo", "groups_at": "userinfo"}
    groups = b"staff\0operators\0"
    email = {"username_claim": "email"}

    def verified(value):
        return {"claims": {"alice": {"email_verified": value}}}

    pool.check([
        Row("all in the ID token", {}, identity={
            "subject": ALICE, "username": "alice", "groups": groups,
            "email": "alice@example.com", "name": "Alice Zoë Lindqvist"},
            counts={"userinfo": 0}),
        Row("profile at userinfo", elsewhere, identity={
            "subject": ALICE, "username": "alice", "groups": groups,
            "email": "alice@example.com"}, counts={"userinfo": 1}),
        Row("groups at userinfo, needed", {"groups_at": "userinfo"},
            orders={"need_groups": 1}, identity={"groups": groups},
            counts={"userinfo": 1}),
        Row("groups at userinfo, not needed", {"groups_at": "userinfo"},
            identity={"groups": b""}, counts={"userinfo": 0}),
        Row("no groups asked for", {"groups_at": "userinfo"},
            orders={"groups_claim": "", "need_groups": 1},
            identity={"groups": b""}, counts={"userinfo": 0}),
        Row("nobody's groups", {"groups": None}, orders={"need_groups": 1},
            identity={"groups": b""}, counts={"userinfo": 1}),
        Row("groups as text", {"groups": "staff"},
            identity={"groups": b"staff\0"}),
        Row("groups nested", {"groups": [["staff"]]}, "token"),
        Row("groups object", {"groups": {"staff": True}}, "token"),
        Row("groups numbers", {"groups": [1, 2]}, "token"),
        Row("groups with control", {"groups": ["st\naff"]}, "token"),
        Row("300 groups", {"groups_count": 300}),
        Row("1000 groups", {"groups_count": 1000}),
        Row("1001 groups", {"groups_count": 1001}, "token"),
        Row("100000 groups", {"groups_count": 100000}, "protocol"),
        Row("overage, there at userinfo", {"id_token": "overage"},
            identity={"groups": groups}, counts={"userinfo": 1}),
        Row("overage, nowhere", {"id_token": "overage", "groups": None},
            "token", counts={"userinfo": 1}),
        Row("name missing", {"claims": {"*": {"preferred_username": None}}},
            "token", counts={"userinfo": 1}),
        Row("name number", {"claims": {"*": {"preferred_username": 5}}},
            "token"),
        Row("name control", {"claims": {"*": {
            "preferred_username": "ali\nce"}}}, "bad_name"),
        Row("name huge", {"claims": {"*": {
            "preferred_username": "a" * 400}}}, "bad_name"),
        Row("name odd", {"claims": {"*": {
            "preferred_username": "Алиса;$(id)"}}},
            identity={"username": "Алиса;$(id)"}),
        Row("by sub", {}, orders={"username_claim": "sub"},
            identity={"username": ALICE}),
        Row("by the first that is there", {}, orders={
            "username_claim": "nickname sub preferred_username"},
            identity={"username_claim": "sub", "username": ALICE},
            counts={"userinfo": 0}),
        Row("claim of a rule", {"claims": {"alice": {
            "role": ["operator", "x"]}}}, orders={"other_claims": "role"},
            identity={"claims": b"role=operator\0role=x\0"},
            counts={"userinfo": 0}),
        Row("claim of a rule, nowhere", {}, orders={"other_claims": "role"},
            identity={"claims": b""}, counts={"userinfo": 1}),
        Row("by e-mail", {}, orders=email,
            identity={"username": "alice@example.com"}),
        Row("e-mail unverified", verified(False), "token", orders=email),
        Row("e-mail \"true\"", verified("true"), "token", orders=email),
        Row("e-mail not said", verified(None), "token", orders=email),
        Row("unverified, for show", verified(False), identity={"email": ""}),
        Row("display name broken", {"claims": {"*": {"name": "A\x1b[2J"}}},
            identity={"name": ""}),
        *same("userinfo", USERINFO_VARIANTS,
              {None: "token", "array": "protocol", "string": "protocol",
               "jwt": "protocol"},
              lambda name: {"userinfo": name, **elsewhere}),
        Row("userinfo 500", {"http_error": "userinfo", **elsewhere},
            "unreachable"),
    ])


def test_trusted_algorithms(pool):
    """Each algorithm works, and only where the profile lists it."""
    rows = []
    for name, bit in wire.ALGORITHMS.items():
        rows.append(Row(f"{name} alone", {"id_token_alg": name},
                        orders={"algorithms": bit}))
        rows.append(Row(f"all but {name}", {"id_token_alg": name}, "token",
                        orders={"algorithms": 31 & ~bit}))
    pool.check(rows)


def test_step_up(pool):
    """D12: what is asked of a sign-in has to come back."""
    day = 86400
    pool.check([
        Row("nothing asked", {}, identity={"acr": PASSWORD, "amr": "pwd"}),
        Row("acr", {}, orders={"acr_values": PASSWORD}),
        Row("one of two", {}, orders={"acr_values": f"{SECOND} {PASSWORD}"}),
        Row("acr weaker", {}, "weak", orders={"acr_values": SECOND}),
        Row("acr 0", {"id_token": "acr_weak"}, "weak",
            orders={"acr_values": PASSWORD}),
        Row("acr missing", {"id_token": "acr_missing"}, "weak",
            orders={"acr_values": PASSWORD}),
        Row("acr longer", {"id_token_claims": {"acr": PASSWORD + "x"}},
            "weak", orders={"acr_values": PASSWORD}),
        Row("acr list", {"id_token_claims": {"acr": [PASSWORD]}}, "weak",
            orders={"acr_values": PASSWORD}),
        Row("amr", {}, orders={"amr": "pwd"}),
        Row("amr a text", {"id_token": "amr_string"}, orders={"amr": "pwd"}),
        Row("amr lacks one", {}, "weak", orders={"amr": "pwd otp"}),
        Row("amr missing", {"id_token": "acr_missing"}, "weak",
            orders={"amr": "pwd"}),
        Row("fresh", {}, orders={"max_age_s": 0}),
        Row("auth_time missing", {"id_token": "auth_time_missing"}, "weak",
            orders={"max_age_s": 300}),
        Row("auth_time old", {"id_token": "auth_time_old"}, "weak",
            orders={"max_age_s": 300}),
        Row("old enough to be weak, young enough", {
            "id_token": "auth_time_old"}, orders={"max_age_s": 2 * day}),
        Row("the right person", {}, orders={"subject": ALICE}),
        Row("another person", {}, "token", handed=True,
            orders={"subject": "idp-somebody-else"}),
    ])


def test_step_up_is_asked_for(start, idp):
    worker = start(acr_values=f"{SECOND} {PASSWORD}", max_age_s=60)
    worker.expect("DEVICE")
    code = idp.control.wait_for_code()
    assert code["acr_values"] == [SECOND, PASSWORD] and code["max_age"] == 60
    idp.control.approve("alice", acr=SECOND, amr=["pwd", "otp"])
    last = worker.finish()
    assert (last.acr, last.amr) == (SECOND, "pwd otp")


# -- after the login


def answer(endpoint, **override):
    return {"endpoint": {endpoint: override}}


def error(endpoint, name, status=400, **more):
    return answer(endpoint, status=status, body={"error": name}, **more)


def good(endpoint, **members):
    """A success with other members."""
    return answer(endpoint, when="success", merge=members)


def test_refresh(pool):
    """RFC 6749 6, OpenID Connect Core 12.2, providers.md 6 and 11."""
    one = {"token": 1, "userinfo": 0, "jwks": 0, "discovery": 0}
    long = {"$repeat": ["A", 200000]}
    kept = {"handed": True}
    asked = {"ask_userinfo": 1}
    pool.check([
        Later("plain", {}, counts=one, tokens={
            "type": 1, "expires_in_s": 300, "scope": OFFLINE},
            identity={"subject": ALICE, "username": "alice", "amr": "pwd",
                      "groups": b"staff\0operators\0",
                      "evidence": wire.ID_TOKEN}),
        Later("basic", {}, auth="basic", counts=one),
        Later("post", {}, auth="post", counts=one),
        Later("no rotation", {"refresh_keeps_token": True}, counts=one,
              tokens={"refresh_token": b""}),
        Later("no ID token", {"refresh_no_id_token": True}, counts=one,
              identity={"subject": ALICE, "username": "", "evidence": 0}),
        Later("no ID token, userinfo", {"refresh_no_id_token": True},
              orders=asked, counts={"token": 1, "userinfo": 1},
              identity={"username": "alice", "evidence": wire.USERINFO,
                        "groups": b"staff\0operators\0"}),
        Later("both", {}, orders=asked, counts={"userinfo": 1},
              identity={"evidence": wire.ID_TOKEN | wire.USERINFO}),
        Later("profile elsewhere, not asked", {"profile_at": "userinfo"},
              counts=one, identity={"username": ""}),
        Later("no userinfo", {"discovery": {"userinfo_endpoint": None}},
              "provider", orders={"metadata": b"", **asked}, **kept),
        Later("userinfo of another", {"userinfo": "sub_mismatch"}, "token",
              orders=asked, **kept),
        Later("userinfo of another, no ID token", {
            "userinfo": "sub_mismatch", "refresh_no_id_token": True}, "token",
              orders=asked, **kept),
        Later("userinfo down", {"http_error": "userinfo"}, "unreachable",
              orders=asked, **kept),
        Later("disabled", {}, "rejected", counts=one, handed=False,
              act=lambda control: control.disable("alice")),
        Later("disabled, seen by userinfo only", {
            "disabled_unnoticed": "refresh"}, "rejected", orders=asked,
              act=lambda control: control.disable("alice"), **kept),
        *(Later(f"userinfo {status}", error(
            "userinfo", "insufficient_scope", status), end, orders=asked,
                **kept)
          for status, end in ((401, "rejected"), (403, "provider"))),
        Later("unknown token", {}, "rejected", handed=False,
              orders={"refresh_token": "rt-unknown"}, counts=one),
        *(Later(f"invalid_grant {status}", error(
            "token", "invalid_grant", status), "rejected", counts=one,
                handed=False) for status in (200, 400, 401, 503)),
        *(Later(name, error("token", name), "provider", handed=False)
          for name in ("invalid_client", "invalid_scope", "nonsense",
                       "use_dpop_nonce")),
        *(Later(f"status {status}", answer(
            "token", status=status, body="<h1>"), "unreachable", counts=one,
                handed=False) for status in (408, 429, 500, 503)),
        *(Later(f"body {body!r}", answer("token", body=body), "protocol",
                handed=False) for body in ("", "{", "[]", "null", "\0")),
        Later("hangs up", {"close_early": "token"}, "unreachable", counts=one,
              handed=False),
        Later("lost answer", {"lost_answer": "token"}, "unreachable",
              counts=one, handed=False),
        Later("stall", {"stall": "token"}, "unreachable", counts=one,
              orders={"request_timeout_ms": 700}, handed=False),
        # The metadata came over the same connection: it is not used again.
        Later("dies at reuse", {"drop_reused": True}, orders={
            "metadata": b""}, counts={"token": 1, "discovery": 1}),
        Later("redirect", {"redirect": "token"}, "protocol", counts=one,
              handed=False),
        Later("error and token", good("token", error="invalid_grant"),
              "protocol", handed=True),
        Later("no access token", good("token", access_token=None), "protocol",
              handed=False),
        Later("nothing", good("token", access_token=None, id_token=None,
                              refresh_token=None, token_type=None), "token",
              handed=False),
        *(Later(f"{name} {kind}", good("token", **{name: value}), end,
                # What is good there, for the broker to revoke.
                handed=name != "access_token" and kind != "1 MiB")
          for name, end in (("access_token", "protocol"),
                            ("refresh_token", "protocol"),
                            ("id_token", "token"))
          for kind, value in (("1 MiB", {"$repeat": ["A", 2 ** 20]}),
                              ("200 kB", long), ("number", 7), ("empty", ""),
                              ("line", "a\r\nb: c"), ("list", ["a"]))
          if not (kind == "1 MiB" and name == "id_token")),
        Later("id_token 1 MiB", good("token", id_token={
            "$repeat": ["A", 2 ** 20]}), "protocol", handed=False),
        *(Later(f"token_type {kind}", {"token_type": kind}, end, handed=False)
          for kind, end in (("DPoP", "token"), ("mac", "token"),
                            (None, "token"), (7, "token"),
                            ("Bearer ", "token"), ("", "token"))),
        Later("expires_in text", good("token", expires_in="60"),
              tokens={"expires_in_s": 60}),
        Later("expires_in null", {"access_expires_in": None},
              tokens={"expires_in_s": -1}),
        Later("expires_in negative", good("token", expires_in=-5),
              tokens={"expires_in_s": -1}),
        *(Later(f"id_token {name}", {"id_token": name}, "token", **kept)
          for name in ("iss_wrong", "aud_wrong", "iat_old", "exp_past",
                       "wrong_signature", "alg_none", "hs256_pem", "nonce",
                       "stranger_key", "at_hash_wrong", "unknown_kid")),
        Later("id_token of another", {"id_token_claims": {"sub": "idp-else"}},
              "token", **kept),
        Later("groups nested", {"groups": [["staff"]]}, "token", **kept),
        Later("no keys to be had", {"http_error": "jwks"}, "unreachable",
              orders={"jwks": b""}, **kept),
        Later("keys asked for", {}, orders={"jwks": b""},
              counts={"token": 1, "jwks": 1}),
    ])


def test_refresh_rotates(start, idp):
    """Each refresh token once; the second use ends the session."""
    worker = start(scope=OFFLINE)
    log_in(worker, idp)
    orders_ = follow_up(worker, "refresh")
    first = orders_["refresh_token"]
    for _ in range(2):
        worker = start(**orders_)
        assert worker.finish().name == "IDENTITY"
        fresh = worker.message("TOKENS").refresh_token
        assert fresh and fresh != orders_["refresh_token"]
        orders_["refresh_token"] = fresh
    assert [one.name for one in worker.messages] == ["TOKENS", "IDENTITY"]
    grant = idp.control.state()["grants"][0]
    assert grant["refreshes"] == 2 and not grant["reuse_detected"]
    last = start(**{**orders_, "refresh_token": first}).finish()
    assert wire.ERROR_NAMES[last.code] == "rejected"
    last = start(**orders_).finish()
    assert wire.ERROR_NAMES[last.code] == "rejected"


def test_refresh_keeps_what_was_rotated(start, idp):
    """The new token is with the broker before anything else is asked."""
    worker = start(scope=OFFLINE)
    log_in(worker, idp)
    idp.control.quirks(stall="userinfo")
    worker = start(ask_userinfo=1, **follow_up(worker, "refresh"))
    assert worker.receive().name == "TOKENS"
    assert_gone_soon(worker, worker.channel.close)


def test_introspection(pool):
    """RFC 7662 2.2: active, and what we know of it."""
    one = {"introspect": 1, "token": 0, "userinfo": 0, "discovery": 0}

    def row(name, quirks, end="IDENTITY", **more):
        return Later(name, quirks, end, task="introspect", **more)

    pool.check([
        row("access token", {}, counts=one, identity={
            "subject": ALICE, "username": "",
            "evidence": wire.INTROSPECTION}),
        row("refresh token", {}, given=("refresh_token",), counts=one),
        row("basic", {}, auth="basic"), row("post", {}, auth="post"),
        row("disabled", {}, "rejected", counts=one,
            act=lambda control: control.disable("alice")),
        row("unknown token", {}, "rejected",
            orders={"access_token": "at-unknown"}),
        *(row(f"active {value!r}", good("introspect", active=value),
              "protocol") for value in ("true", 1, None, [True], {})),
        row("inactive, and more", good("introspect", active=False),
            "rejected"),
        *(row(f"{name} {value!r}", good("introspect", **{name: value}),
              "token")
          for name, value in (
              ("sub", "idp-somebody-else"), ("sub", ALICE.upper()),
              ("sub", 5), ("iss", "https://elsewhere.example"),
              ("client_id", "another"), ("exp", 1), ("exp", "later"),
              ("exp", -1))),
        row("only active", good(
            "introspect", sub=None, iss=None, client_id=None, exp=None)),
        row("error", error("introspect", "invalid_client", 401), "provider"),
        row("error with 200", error("introspect", "invalid_token", 200),
            "provider"),
        *(row(f"status {status}", answer(
            "introspect", status=status, body={"active": True}), end)
          for status, end in ((401, "protocol"), (302, "protocol"),
                              (500, "unreachable"), (503, "unreachable"))),
        *(row(quirk, {quirk: "introspect"}, BROKEN[quirk],
              orders={"request_timeout_ms": 700 if quirk in (
                  "stall", "drip") else 4000}) for quirk in BROKEN),
        row("none offered", {"discovery": {"introspection_endpoint": None}},
            "provider", orders={"metadata": b""}, counts={"introspect": 0}),
        row("elsewhere", {"discovery": {
            "introspection_endpoint": "https://elsewhere.example/i"}},
            "protocol", orders={"metadata": b""}),
    ])


def test_revocation(pool):
    """RFC 7009 2.2, providers.md 12."""
    two = {"revoke": 2, "token": 0, "discovery": 0}

    def row(name, quirks, end="REVOKED", **more):
        return Later(name, quirks, end, task="revoke", **more)

    unsupported = error("revoke", "unsupported_token_type")
    pool.check([
        row("both", {}, counts=two, identity={"tokens": 2}),
        row("basic", {}, auth="basic", counts=two),
        row("post", {}, auth="post", counts=two),
        row("access token only", {}, given=("access_token",),
            counts={"revoke": 1}, identity={"tokens": 1}),
        row("refresh token only", {}, given=("refresh_token",),
            counts={"revoke": 1}, identity={"tokens": 1}),
        row("unknown", {}, orders={
            "access_token": "at-x", "refresh_token": "rt-x"}, counts=two),
        row("said to be unknown", error("revoke", "invalid_token"),
            counts=two),
        row("unsupported", unsupported, "provider", counts=two),
        row("access tokens unsupported", unsupported,
            given=("access_token",)),
        row("no client of theirs", error("revoke", "invalid_client", 401),
            "provider", counts=two),
        row("400 without a word", answer("revoke", status=400, body=""),
            "protocol", counts=two),
        row("503", answer("revoke", status=503, body=""), "unreachable",
            counts={"revoke": 1}),
        row("429", answer("revoke", status=429, body="later"), "unreachable",
            counts={"revoke": 1}),
        row("200 and an error", error("revoke", "server_error", 200),
            "unreachable"),
        row("204", answer("revoke", status=204, body="", after=True),
            counts=two),
        row("html", answer("revoke", body="<h1>Done", after=True),
            counts=two),
        row("hangs up", {"close_early": "revoke"}, "unreachable",
            counts={"revoke": 1}),
        row("redirect", {"redirect": "revoke"}, "protocol", counts=two),
        row("endless", {"endless_body": "revoke"}, "protocol"),
        row("none offered", {"discovery": {"revocation_endpoint": None}},
            "provider", orders={"metadata": b""}, counts={"revoke": 0}),
        row("elsewhere", {"discovery": {
            "revocation_endpoint": "https://elsewhere.example/r"}},
            "protocol", orders={"metadata": b""}, counts={"revoke": 0}),
    ])


def test_revocation_in_order(start, idp):
    """The refresh token first, each with its hint; both are dead after it."""
    worker = start(scope=OFFLINE)
    log_in(worker, idp)
    more = follow_up(worker, "revoke")
    worker = start(**more)
    assert worker.finish().name == "REVOKED"
    assert [one["form"]["token_type_hint"]
            for one in idp.control.requests("revoke")] == [
                "refresh_token", "access_token"]
    assert idp.control.state()["grants"][0]["ended_by"] == "revocation"
    last = start(task=wire.TASKS["introspect"], subject=ALICE,
                 access_token=more["access_token"]).finish()
    assert wire.ERROR_NAMES[last.code] == "rejected"


def test_revocation_keeps_to_its_budget(start, idp):
    """A logout waits for the deadline, and no longer."""
    worker = start(scope=OFFLINE)
    log_in(worker, idp)
    idp.control.quirks(stall="revoke")
    begin = time.monotonic()
    last = start(deadline_ms=2000, **follow_up(worker, "revoke")).finish()
    assert wire.ERROR_NAMES[last.code] == "unreachable"
    assert 1.8 < time.monotonic() - begin < 3


# -- bound tokens


REQUIRE, PREFER = {"binding": 2}, {"binding": 1}
BOUND = {"tokens": {"type": wire.DPOP}}
BEARER = {"tokens": {"type": wire.BEARER}}


def jwt_bound_to(jkt):
    """An access token that says whose it is, as far as we can read it."""
    return "e30." + base64.urlsafe_b64encode(json.dumps(
        {"cnf": {"jkt": jkt}}).encode()).rstrip(b"=").decode() + ".AAAA"


def algorithms(*names):
    return {"discovery": {"dpop_signing_alg_values_supported": list(names)}}


NOT_SAID = {"discovery": {"dpop_signing_alg_values_supported": None}}


def test_bound_logins(pool):
    """RFC 9449 4 to 9, attacks D16 and H13, providers.md 13."""
    elsewhere = {"profile_at": "userinfo"}
    downgrade, no = {"dpop_downgrade": True}, {"handed": False}
    left = {"handed": True}  # for the broker to revoke

    def nonce(name, **more):
        return {"dpop_nonce": name, **more}

    pool.check([
        Row("required", {}, orders=REQUIRE, **BOUND),
        Row("preferred", {}, orders=PREFER, **BOUND),
        Row("sealed", {}, **BEARER),
        Row("required there", {"dpop_required": True}, orders=PREFER, **BOUND),
        Row("required there, sealed here", {"dpop_required": True},
            "provider", **no),
        Row("every poll has one", {"pending_after_approval": 2,
                                   "dpop_required": "invalid_grant"},
            orders=REQUIRE, counts={"token": 3}, **BOUND),
        Row("downgrade, required", downgrade, "token", orders=REQUIRE, **left),
        Row("downgrade, preferred", downgrade, orders=PREFER, **BEARER),
        Row("offered with others, required", algorithms("RS256"), "provider",
            orders=REQUIRE, shown=False, counts={"device_authorization": 0}),
        Row("offered with others, preferred", algorithms("RS256"),
            orders=PREFER, **BEARER),
        Row("not said, required", NOT_SAID, orders=REQUIRE, **BOUND),
        Row("not said, preferred", NOT_SAID, orders=PREFER, **BEARER),
        Row("any case", {"token_type": "dpop"}, orders=REQUIRE, **BOUND),
        *(Row(f"token_type {kind!r}", {"token_type": kind}, "token",
              orders=REQUIRE, handed=kind == "Bearer")
          for kind in ("Bearer", "DPoP ", "DPoPx", "mac", None, 7)),
        Row("error and token", {"token_error_and_token": True}, "protocol",
            orders=REQUIRE, **left),
        Row("bound to another key", good(
            "token", access_token=jwt_bound_to("x" * 43)), "token",
            orders=REQUIRE, **left),
        Row("bound to our key", good(
            "token", access_token=jwt_bound_to(THUMBPRINT)), orders=REQUIRE,
            **BOUND),
        Row("ath at userinfo", elsewhere, orders=REQUIRE,
            counts={"userinfo": 1}, **BOUND),
        Row("nonce", nonce("required"), orders=REQUIRE, counts={"token": 2},
            **BOUND),
        Row("nonce kept", nonce("required", pending_after_approval=2),
            orders=REQUIRE, counts={"token": 4}, **BOUND),
        Row("nonce changes", nonce("rotate", pending_after_approval=2),
            orders=REQUIRE, counts={"token": 4}, **BOUND),
        Row("nonce at userinfo", nonce("rotate", **elsewhere), orders=REQUIRE,
            counts={"token": 2, "userinfo": 1}, **BOUND),
        Row("nonce absent", nonce("absent"), "protocol", orders=REQUIRE,
            counts={"token": 1}, **no),
        Row("nonce doubled", nonce("doubled"), "protocol", orders=REQUIRE,
            counts={"token": 1}, **no),
        Row("nonce huge", nonce("huge"), "protocol", orders=REQUIRE,
            counts={"token": 1}, **no),
        Row("nonce of 600", error("token", "use_dpop_nonce", headers={
            "DPoP-Nonce": "n" * 600}), "protocol", orders=REQUIRE,
            counts={"token": 1}, **no),
        *(Row(f"nonce {text!r}", error("token", "use_dpop_nonce", headers={
            "DPoP-Nonce": text}), "protocol", orders=REQUIRE,
              counts={"token": 1}, **no)
          for text in ('a"b', "a\\b", "a b", "a\tb", "", "\u00e9")),
        # A line end ends the header; what stands behind it is another one.
        Row("nonce with a line", nonce("crlf"), orders=REQUIRE,
            counts={"token": 2}, **BOUND),
        Row("nonce for ever", nonce("endless"), "provider", orders=REQUIRE,
            counts={"token": 2}, **no),
        Row("proof refused", error("token", "invalid_dpop_proof"), "provider",
            orders=REQUIRE, counts={"token": 1}, **no),
    ])


def test_bound_sessions(pool):
    """What was bound stays bound, whatever the configuration says by now."""
    bound = {"first": REQUIRE, "bound": 1}

    def look(name, quirks, end="IDENTITY", **more):
        return Later(name, quirks, end, task="introspect", **bound, **more)

    pool.check([
        Later("refresh", {}, **bound, **BOUND),
        Later("refresh, sealed by now", {}, first=PREFER, bound=1, **BOUND),
        *(Later(f"downgrade, {name}", {"token_type": "Bearer"}, "token",
                orders={"binding": number}, handed=True, **bound)
          for name, number in wire.BINDINGS.items()),
        Later("no proofs there any more", {**NOT_SAID}, orders={
            "metadata": b""}, **bound, **BOUND),
        Later("never bound, bound now", {}, first=PREFER, orders=PREFER,
              **BOUND),
        Later("nonce", {"dpop_nonce": "required"},
              counts={"token": 2}, **bound, **BOUND),
        Later("nonce known", {"dpop_nonce": "required"}, orders={
            "dpop_nonce": "stale"}, counts={"token": 2}, **bound, **BOUND),
        Later("nonce absent", {"dpop_nonce": "absent"}, "protocol",
              counts={"token": 1}, handed=False, **bound),
        Later("nonce for ever", {"dpop_nonce": "endless"}, "provider",
              counts={"token": 2}, handed=False, **bound),
        Later("userinfo", {}, orders={"ask_userinfo": 1},
              counts={"token": 1, "userinfo": 1}, **bound, **BOUND),
        look("introspection", {}),
        look("of the refresh token", {}, given=("refresh_token",)),
        look("unbound", good("introspect", cnf=None), "token"),
        look("bound to another", good("introspect", cnf={"jkt": "x" * 43}),
             "token"),
        look("bound to nothing", good("introspect", cnf={}), "token"),
        look("bound to a number", good("introspect", cnf={"jkt": 5}), "token"),
        Later("revocation", {}, "REVOKED", task="revoke", **bound),
    ])


def test_nonce_is_handed_on(start, idp):
    """With the nonce of the last answer a refresh is one request."""
    idp.control.quirks(dpop_nonce="required", approve_immediately="alice")
    worker = start(scope=OFFLINE, **REQUIRE)
    assert worker.finish().name == "IDENTITY"
    before = idp.control.state()["counters"]["token"]
    nonce = worker.message("TOKENS").dpop_nonce
    worker = start(bound=1, dpop_nonce=nonce, **follow_up(worker, "refresh"))
    assert worker.finish().name == "IDENTITY"
    assert idp.control.state()["counters"]["token"] == before + 1
    assert worker.message("TOKENS").dpop_nonce == nonce


def test_private_key_jwt(pool):
    """RFC 7523 with the host's key, at every endpoint that knows clients."""
    key = {"auth": "key"}
    pool.check([
        Row("login", {}, **key, **BEARER),
        Row("login, polls", {"pending_after_approval": 2}, **key),
        Row("login, bound", {"dpop_nonce": "rotate"}, orders=REQUIRE, **key,
            **BOUND),
        Row("audience issuer", {"assertion_audience": "issuer"}, flags="ai",
            **key),
        Row("the other audience", {"assertion_audience": "issuer"},
            "provider", shown=False, excused="client assertion: aud", **key),
        Later("refresh", {}, counts={"token": 1}, **key),
        Later("introspection", {}, task="introspect", **key),
        Later("revocation", {}, "REVOKED", task="revoke",
              counts={"revoke": 2}, **key),
        Row("device endpoint wants none", {"device_secret": "refuse"},
            excused="client authentication is private_key_jwt", **key),
    ])


@pytest.mark.parametrize("auth, more, flags, limit", [
    ("none", REQUIRE, "a", 99), ("key", {}, "p", 99), ("none", REQUIRE, "p", 0),
    ("key", {}, "a", 1)])
def test_broker_that_does_not_sign(start, auth, more, flags, limit):
    """It ends as when the broker goes."""
    worker = start(auth, flags=flags, limit=limit, **more)
    assert worker.finish() is None or worker.messages[-1].name == "DEVICE"
    assert worker.exit_code == 3


@pytest.mark.parametrize("answer_", [
    wire.encode("SIGNED"), wire.encode("SIGNED", jwt="a b\r\n"),
    wire.encode("SIGNED", jwt=b"a\0b"), wire.encode("SIGNED", jwt="A" * 5000),
    wire.encode("CONFIRM"), b"\0" * 8])
def test_broken_signatures(program, idp, public, answer_):
    with Worker(program, orders(idp, public, "key")) as worker:
        worker.expect("ENDPOINTS")
        order = worker.expect("SIGN")
        assert (order.what, order.endpoint) == (wire.ASSERTION, 1)
        worker.channel.socket.sendall(answer_)
        assert worker.finish() is order
        assert worker.exit_code == 3
    assert "device_authorization" not in idp.control.state()["counters"]


# -- the happy path, in detail


@pytest.mark.parametrize("auth", ["none", "basic", "post"])
def test_login(start, idp, auth):
    worker = start(auth, device_name="alice@web1 (sshd, from 203.0.113.7)")
    device = worker.expect("DEVICE")
    code = idp.control.wait_for_code()
    assert device.user_code == code["user_code"]
    assert device.uri == idp.issuer + "/device"
    assert device.expires_in_s == 600 and device.qr == b""
    assert code["device_name"] == "alice@web1 (sshd, from 203.0.113.7)"
    idp.control.approve("alice")
    last = worker.finish()
    assert [one.name for one in worker.messages] == [
        "DEVICE", "TOKENS", "METADATA", "IDENTITY"]
    assert last.fields == {
        "issuer": idp.issuer, "subject": ALICE,
        "username_claim": "preferred_username", "username": "alice",
        "name": "Alice Zoë Lindqvist", "email": "alice@example.com",
        "evidence": wire.ID_TOKEN, "acr": PASSWORD, "amr": "pwd",
        "auth_time_s": last.auth_time_s, "groups": b"staff\0operators\0",
        "claims": b""}
    assert abs(last.auth_time_s - time.time()) < 60
    documents = worker.message("METADATA")
    assert json.loads(documents.metadata)["issuer"] == idp.issuer
    assert json.loads(documents.jwks)["keys"]
    assert documents.metadata_max_age_s == documents.jwks_max_age_s == 3600
    assert worker.exit_code == 0
    method = {"none": "none", "basic": "client_secret_basic",
              "post": "client_secret_post"}[auth]
    for request in idp.control.requests():
        assert request["user_agent"].startswith("devauth/")
        if request["endpoint"] in ("device_authorization", "token"):
            assert request["auth"] == method
            assert request["form"]["client_id"].startswith("devauth-")
        else:
            assert request["auth"] is None


def test_max_age_not_said(start, idp):
    idp.control.quirks(max_age=None)
    worker = start()
    log_in(worker, idp)
    assert worker.message("METADATA").metadata_max_age_s == -1


def test_qr(start, idp):
    worker = start(want_qr=1)
    device = worker.expect("DEVICE")
    lines = device.qr.decode().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert set("".join(lines)) <= set(" █▀▄")
    if shutil.which("zbarimg"):
        assert read_qr(lines) == (
            f"{idp.issuer}/device?user_code={device.user_code}")


def read_qr(lines):
    """What a reader sees on a screen: blocks are light."""
    scale, pixels = 6, []
    for line in lines:
        for lit in ("█▀", "█▄"):
            row = b"".join((b"\xff" if one in lit else b"\0") * scale
                           for one in line)
            pixels += [row] * scale
    with tempfile.NamedTemporaryFile(suffix=".pgm") as file:
        file.write(b"P5 %d %d 255\n" % (len(pixels[0]), len(pixels)))
        file.write(b"".join(pixels))
        file.flush()
        return subprocess.run(
            ["zbarimg", "-q", "--raw", file.name], check=True,
            capture_output=True, text=True).stdout.strip()


def test_requests_cold_and_warm(start, idp):
    """Cold: metadata, device request, keys, poll; warm: device request, poll.
    One full TLS handshake each."""
    worker = start()
    log_in(worker, idp)
    state = idp.control.state()
    assert state["counters"] == {"discovery": 1, "device_authorization": 1,
                                 "jwks": 1, "token": 1}
    assert state["tls"]["full"] == 1 and state["tls"]["resumed"] == 0
    documents = worker.message("METADATA")
    idp.control.reset()
    warm = start(metadata=documents.metadata, jwks=documents.jwks)
    log_in(warm, idp)
    state = idp.control.state()
    assert state["counters"] == {"device_authorization": 1, "token": 1}
    assert state["tls"]["full"] == 1 and state["tls"]["resumed"] == 0
    assert warm.message("METADATA") is None


def test_pace_of_polls(start, idp):
    """The first poll one interval after the code, and none faster."""
    idp.control.quirks(pending_after_approval=3, approve_immediately="alice")
    start().finish()
    code = idp.control.state()["codes"][0]
    times = [code["issued_at"]] + code["poll_times"]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert len(gaps) == 4 and all(1 < gap < 1.4 for gap in gaps), gaps
    assert code["slow_downs"] == 0


def test_slow_down_is_kept(start, idp):
    idp.control.quirks(slow_down=1, pending_after_approval=1,
                       approve_immediately="alice")
    start(deadline_ms=25000).finish(30)
    times = idp.control.state()["codes"][0]["poll_times"]
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    # One second of interval, five more, and clear of the edge from then on.
    assert len(gaps) == 2 and all(7 <= gap < 7.5 for gap in gaps), gaps


def test_no_slow_down_for_ever(start, idp):
    """A server that finds "exactly on it" too fast (providers.md 4) says so
    once."""
    idp.control.quirks(slow_down_on_exact=True, pending_after_approval=2,
                       approve_immediately="alice")
    start(deadline_ms=25000).finish(30)
    code = idp.control.state()["codes"][0]
    assert code["slow_downs"] == 1 and len(code["poll_times"]) == 4


def test_soon_after_the_approval(start, idp):
    """Nothing but the poll itself stands between approval and success."""
    worker = start()
    worker.expect("DEVICE")
    idp.control.approve("alice")
    worker.finish()
    end = time.time()
    poll = idp.control.requests("token")[-1]["time"]
    assert end - poll < 0.3


def test_connection_resumed(start, idp):
    """A connection that died costs a resumption, not a full handshake."""
    idp.control.quirks(keep_alive=0.3)
    log_in(start(), idp)
    tls = idp.control.state()["tls"]
    assert tls["full"] == 1 and tls["resumed"] == 1


@pytest.mark.parametrize("bad", [
    b"garbage", b"{}", b'{"issuer":"https://elsewhere.example"}', b"\0"])
def test_useless_cache(start, idp, bad):
    """A damaged cache costs a request, never a login."""
    worker = start(metadata=bad, jwks=bad)
    log_in(worker, idp)
    assert idp.control.state()["counters"]["discovery"] == 1
    assert worker.message("METADATA").metadata


def test_rotated_keys(start, idp):
    """An unknown kid is answered by one fetch (providers.md 9)."""
    worker = start()
    log_in(worker, idp)
    documents = worker.message("METADATA")
    idp.control.rotate_keys(keep_old=False)
    idp.control.reset()
    worker = start(metadata=documents.metadata, jwks=documents.jwks)
    log_in(worker, idp)
    assert idp.control.state()["counters"]["jwks"] == 1
    fresh = worker.message("METADATA")
    assert fresh.metadata == b"" and fresh.jwks != documents.jwks


def test_unknown_kid_stays_unknown(start, idp):
    """J20: one fetch, then refused."""
    worker = start()
    log_in(worker, idp)
    documents = worker.message("METADATA")
    idp.control.reset()
    idp.control.quirks(id_token="unknown_kid", approve_immediately="alice")
    worker = start(metadata=documents.metadata, jwks=documents.jwks)
    assert worker.finish().code == wire.ERRORS["token"]
    assert idp.control.state()["counters"]["jwks"] == 1


def test_metadata_in_the_other_place(start, idp):
    """RFC 8414's address is asked when OpenID's is not there."""
    idp.control.quirks(endpoint={"discovery": {
        "times": 1, "status": 404, "body": "not here"}})
    log_in(start(), idp)
    assert [one["path"] for one in idp.control.requests("discovery")] == [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server"]


def test_metadata_in_no_place(start, idp):
    """An issuer that is not spelled as the provider does, most of the time."""
    idp.control.quirks(endpoint={"discovery": {
        "times": 2, "status": 404, "body": "not here"}})
    end = start().finish()
    assert end.code == wire.ERRORS["protocol"]
    assert end.reason == "it has no discovery document for the issuer"


def test_two_at_once(start, idp):
    """D8: approving one code completes no other."""
    one, other = start(), start()
    codes = [worker.expect("DEVICE").user_code for worker in (one, other)]
    assert codes[0] != codes[1]
    idp.control.approve("alice", codes[0])
    assert one.finish().name == "IDENTITY"
    with pytest.raises(TimeoutError):
        other.receive(1.5)
    idp.control.deny(codes[1])
    assert other.finish().code == wire.ERRORS["denied"]


def test_deadline(start):
    begin = time.monotonic()
    worker = start(deadline_ms=2500)
    worker.expect("DEVICE")
    last = worker.finish()
    assert wire.ERROR_NAMES[last.code] == "deadline"
    assert last.reason == "not approved in time"
    assert 2.3 < time.monotonic() - begin < 3.3


# -- the process


def test_sandbox_facts(start, idp):
    """E14, E5: what the kernel says about the running worker."""
    worker = start()
    worker.expect("DEVICE")
    facts = worker.facts()
    for name in ("Uid", "Gid"):
        assert facts[name] == " ".join([str(UID)] * 4)
    assert facts["Groups"] == ""
    for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(facts[name], 16) == 0
    assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2"
    assert facts["Threads"] == "1" and facts["Umask"] == "0077"
    assert worker.proc("environ") == b"LANG=C\0"
    assert worker.proc("cmdline") == b"devauth-worker\0"
    assert os.readlink(f"/proc/{worker.pid}/cwd") == "/"
    # Not dumpable: nobody but root looks into it.
    assert os.stat(f"/proc/{worker.pid}/mem").st_uid == 0
    limits = worker.proc("limits").decode()
    for name in ("Max file size", "Max core file size", "Max processes"):
        assert re.search(rf"^{name} +0 +0 ", limits, re.MULTILINE), limits
    descriptors = {os.readlink(f"/proc/{worker.pid}/fd/{number}")
                   for number in os.listdir(f"/proc/{worker.pid}/fd")}
    assert all(one == "/dev/null" or one.startswith("socket:")
               for one in descriptors), descriptors
    idp.control.approve("alice")
    worker.finish()


def test_caller_cannot_touch_it(start):
    """E14: a person's process can neither stop nor read the worker."""
    worker = start()
    worker.expect("DEVICE")
    script = f"""
import os, signal, sys
os.setgroups([]); os.setresgid(1000, 1000, 1000); os.setresuid(1000, 1000, 1000)
for what in (lambda: os.kill({worker.pid}, signal.SIGKILL),
             lambda: open("/proc/{worker.pid}/environ").read(),
             lambda: open("/proc/{worker.pid}/mem").read(),
             lambda: os.listdir("/proc/{worker.pid}/fd")):
    try:
        what()
        sys.exit(1)
    except PermissionError:
        pass
"""
    subprocess.run([sys.executable, "-c", script], check=True)
    assert worker.status is None


def test_memory_and_time(start, idp, public):
    """Peak memory and CPU with the system's own trust store, at its fullest:
    after an ID token with 300 groups, in the middle of userinfo."""
    idp.control.quirks(groups_count=300, approve_immediately="alice",
                       profile_at="userinfo", stall="userinfo")
    worker = start(ca_file="", want_qr=1, request_timeout_ms=1500,
                   files={"/etc/ssl/certs": system_trust(idp, public)})
    worker.expect("DEVICE")
    idp.control.wait_until(
        lambda state: state["counters"].get("userinfo"), what="userinfo")
    peak_kb = worker.peak_kb()
    worker.finish()
    print(f"peak {peak_kb} kB, CPU {worker.cpu_ms():.1f} ms")
    assert peak_kb < 14 * 1024
    # 10 to 16 ms on a quiet machine; the bundle of all CAs alone takes 36.
    assert worker.cpu_ms() < 45


def system_trust(idp, public):
    """A hashed folder like /etc/ssl/certs that holds our CA as well, and
    nothing but links as the real one."""
    folder = os.path.join(public, "certs")
    if not os.path.exists(folder):
        shutil.copytree("/etc/ssl/certs", folder, symlinks=True)
        shutil.copyfile(idp.ca_file, os.path.join(folder, "idp.pem"))
        digest = subprocess.run(
            ["openssl", "x509", "-hash", "-noout", "-in", idp.ca_file],
            check=True, capture_output=True, text=True).stdout.strip()
        os.symlink("idp.pem", os.path.join(folder, f"{digest}.0"))
        for path in (folder, os.path.join(folder, "idp.pem")):
            os.chmod(path, 0o755)
    return folder


def test_system_trust_store(start, idp, public):
    """A CA of the hashed folder is enough; without it there is no trust."""
    log_in(start(ca_file="", files={
        "/etc/ssl/certs": system_trust(idp, public)}), idp)
    last = start(ca_file="").finish()
    assert last.reason == "certificate not trusted"


def test_ca_file_is_checked(start, idp, public):
    """F1, as far as it goes: the worker reads no CA that others may write."""
    path = os.path.join(public, "bad.pem")
    shutil.copyfile(idp.ca_file, path)
    os.chmod(path, 0o666)
    link = os.path.join(public, "link.pem")
    os.symlink(readable_ca(idp, public), link)
    for bad in (path, link, os.path.join(public, "missing.pem"), public,
                "relative.pem"):
        last = start(ca_file=bad).finish()
        assert wire.ERROR_NAMES[last.code] == "config" and last.reason
    with open(path, "w", encoding="ascii") as file:
        file.write("no certificate")
    os.chmod(path, 0o644)
    last = start(ca_file=path).finish()
    assert wire.ERROR_NAMES[last.code] == "config"
    assert idp.control.state()["counters"] == {}


def test_hostile_environment(start, idp, public):
    """E1-E4: whatever stands in the environment, the worker does not look."""
    keys = os.path.join(public, "keys")
    os.mkdir(keys)
    os.chmod(keys, 0o777)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        environment = {
            "SSLKEYLOGFILE": f"{keys}/log", "SSL_CERT_FILE": readable_ca(
                idp, public), "SSL_CERT_DIR": public, "TZ": ":/etc/shadow",
            "http_proxy": address, "https_proxy": address,
            "HTTPS_PROXY": address, "ALL_PROXY": address, "NO_PROXY": "",
            "HOME": public, "CURL_CA_BUNDLE": readable_ca(idp, public),
            "LC_ALL": "tr_TR.UTF-8", "LANG": "C"}
        last = start(ca_file="", environment=environment).finish()
        assert last.reason == "certificate not trusted"
        log_in(start(environment=environment), idp)
        assert not select.select([proxy], [], [], 0)[0]
    assert os.listdir(keys) == []


@pytest.mark.parametrize("how", [
    {"uid": 0}, {"arguments": ("devauth-worker", "--help")},
    {"arguments": ("devauth-worker", "")}])
def test_wrong_start(program, idp, public, how):
    with Worker(program, orders(idp, public), **how) as worker:
        assert worker.finish() is None
        assert worker.exit_code == 2
    assert idp.control.state()["counters"] == {}


def test_started_by_hand(program):
    """With whatever a shell gives it, it ends at once and says nothing."""
    done = subprocess.run([program], stdin=subprocess.DEVNULL,
                          capture_output=True, timeout=5, check=False)
    assert done.returncode == 2 and done.stdout == done.stderr == b""


@pytest.mark.parametrize("change, word", [
    ({"issuer": "http://localhost:1"}, "issuer"), ({"issuer": ""}, "issuer"),
    ({"issuer": "https://localhost/?x"}, "issuer"),
    ({"client_id": ""}, "client_id"), ({"client_auth": 7}, "client_auth"),
    ({"client_auth": 1}, "client_auth"),
    ({"username_claim": ""}, "username_claim"),
    ({"task": 0}, "task"), ({"task": 9}, "task"),
    ({"task": 2, "subject": "x"}, "task"), ({"task": 3}, "task"),
    ({"refresh_token": "x"}, "task"), ({"access_token": "x"}, "task"),
    ({"task": 2, "refresh_token": "x"}, "task"),
    ({"task": 2, "refresh_token": "x\ny", "subject": "x"}, "task"),
    ({"task": 2, "refresh_token": b"x\0y", "subject": "x"}, "task"),
    ({"task": 4, "subject": "x", "access_token": "x", "refresh_token": "x"},
     "task"),
    ({"binding": 3}, "binding"), ({"binding": 1, "thumbprint": ""}, "binding"),
    ({"bound": 1, "thumbprint": "x"}, "binding"),
    ({"algorithms": 0}, "algorithms"), ({"algorithms": 32}, "algorithms"),
    ({"deadline_ms": 0}, "limit"), ({"deadline_ms": -1}, "limit"),
    ({"deadline_ms": 2 ** 62}, "limit"), ({"request_timeout_ms": 0}, "limit"),
    ({"endpoint_hosts": " ".join(f"192.0.2.{n}" for n in range(20))},
     "endpoint_hosts")])
def test_impossible_orders(start, idp, change, word):
    worker = start(**change)
    last = worker.finish()
    assert wire.ERROR_NAMES[last.code] == "config"
    assert word in last.reason and worker.exit_code == 0
    assert idp.control.state()["tls"]["hellos"] == 0


def frame(**change):
    parts = {"version": 1, "number": 32, "zero": 0, "size": None, "body": b"",
             **change}
    size = len(parts["body"]) if parts["size"] is None else parts["size"]
    return wire.HEADER.pack(parts["version"], parts["number"], parts["zero"],
                            size) + parts["body"]


@pytest.mark.parametrize("first", [
    b"\0", b"GET / HTTP/1.1\r\n\r\n", frame(version=2), frame(number=48),
    frame(zero=1), frame(size=2 ** 31), frame(body=b"\0\0\0\4http"), frame(),
    wire.encode("START", issuer="https://a.example") + b"",
    wire.encode("START", issuer="x\ny"), wire.encode("DEVICE")])
def test_broken_orders(program, first):
    """I4, seen from the worker: what is no START ends it."""
    with Worker(program) as worker:
        worker.channel.socket.sendall(first)
        worker.channel.socket.shutdown(socket.SHUT_WR)
        last = worker.finish()
        assert last is None or wire.ERROR_NAMES[last.code] == "config"
        assert worker.exit_code in (0, 3)


def test_no_orders(program):
    """Silence is not waited for long."""
    begin = time.monotonic()
    with Worker(program) as worker:
        assert worker.finish() is None
        assert worker.exit_code == 3
    assert 4 < time.monotonic() - begin < 7


# -- its end, at every stage


class Hole:
    """A listener that takes connections and never says a word; with
    `full`, it does not even take them."""

    def __init__(self, full=False):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.port = self.socket.getsockname()[1]
        self.others = []
        while full and len(self.others) < 8:
            other = socket.socket()
            other.setblocking(False)
            other.connect_ex(("127.0.0.1", self.port))
            self.others.append(other)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in [self.socket, *self.others]:
            one.close()


def blackhole_dns(public):
    """A resolv.conf that leads to a name server that never answers."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # Another one for each process that runs tests at the same time.
    address = "127.77.%d.%d" % divmod(os.getpid() % 65000 + 1, 256)
    server.bind((address, 53))
    path = os.path.join(public, "resolv.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(f"nameserver {address}\n")
    os.chmod(path, 0o644)
    return server, {"/etc/resolv.conf": path}


def assert_gone_soon(worker, act):
    time.sleep(0.3)
    assert worker.status is None
    os.kill(worker.pid, 0)
    act()
    assert worker.seconds_to_end() < 1


@pytest.mark.parametrize("full", [True, False], ids=["connect", "handshake"])
def test_ends_in_a_stalled(start, full):
    with Hole(full) as hole:
        worker = start(issuer=f"https://localhost:{hole.port}")
        assert_gone_soon(worker, worker.channel.close)


@pytest.mark.parametrize("endpoint", [
    "discovery", "device_authorization", "jwks", "token", "userinfo"])
def test_ends_in_a_stalled_answer(start, idp, endpoint):
    idp.control.quirks(stall=endpoint, approve_immediately="alice",
                       profile_at="userinfo")
    worker = start()
    idp.control.wait_until(
        lambda state: state["counters"].get(endpoint), what=endpoint)
    # Until the first poll is due, a key set that does not come is waited for.
    assert_gone_soon(worker, worker.channel.close)


def test_ends_between_polls(start, idp):
    worker = start()
    worker.expect("DEVICE")
    idp.control.wait_until(lambda state: state["counters"].get("jwks"),
                           what="key set")
    assert_gone_soon(worker, worker.channel.close)


def test_ends_in_a_lookup(start, public):
    server, files = blackhole_dns(public)
    with server:
        worker = start(issuer="https://login.devauth.test", files=files)
        assert_gone_soon(worker, worker.channel.close)


def test_ends_at_any_byte(start):
    worker = start()
    worker.expect("DEVICE")
    worker.channel.socket.send(b"\0")
    assert worker.seconds_to_end() < 1
    assert worker.exit_code == 3


def is_running(pid):
    """Not gone, and not waiting to be reaped by whoever inherited it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_ends_with_the_broker(program, idp, public):
    """PDEATHSIG: the parent dies while somebody else holds the socket."""
    channel, theirs = wire.pair()
    reader, writer = os.pipe()
    broker = os.fork()
    if broker == 0:
        try:
            channel.close()
            worker = Worker(program)
            worker.channel.send("START", **orders(idp, public))
            worker.expect("DEVICE")
            # Our end of the worker's socket outlives us in the test.
            socket.send_fds(theirs, [b"x"], [worker.channel.socket.fileno()])
            os.write(writer, str(worker.pid).encode())
            signal.pause()
        finally:
            os._exit(99)
    pid = int(os.read(reader, 16))
    _, kept, _, _ = socket.recv_fds(channel.socket, 1, 1)
    os.kill(broker, signal.SIGKILL)
    os.waitpid(broker, 0)
    end = time.monotonic() + 1
    while is_running(pid):
        assert time.monotonic() < end, "the worker outlives its broker"
        time.sleep(0.01)
    for descriptor in (*kept, reader, writer):
        os.close(descriptor)


# -- names and addresses


def test_dead_name_servers(start, public):
    """H8: a black hole costs seconds, and is told."""
    server, files = blackhole_dns(public)
    begin = time.monotonic()
    with server:
        last = start(issuer="https://login.devauth.test", files=files,
                     deadline_ms=30000).finish(30)
    assert wire.ERROR_NAMES[last.code] == "unreachable"
    assert last.reason == "no answer from the name servers"
    assert time.monotonic() - begin < 8


def test_alarm(start, public):
    """The last resort: a library that does not come back in time."""
    server, files = blackhole_dns(public)
    with server:
        worker = start(issuer="https://login.devauth.test", files=files,
                       deadline_ms=500)
        assert worker.seconds_to_end() < 2.5
        assert worker.exit_code == -signal.SIGALRM


def hosts(public, text):
    path = os.path.join(public, f"hosts-{threading.get_ident()}")
    with open(path, "w", encoding="ascii") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return {"/etc/hosts": path}


@pytest.mark.parametrize("address, allow, reason", [
    ("127.0.0.1", 0, "not allowed"), ("::1", 0, "not allowed"),
    ("169.254.1.1", 0, "not allowed"), ("169.254.169.254", 0, "not allowed"),
    ("169.254.169.254", 1, "not allowed"), ("0.0.0.0", 1, "not allowed"),
    ("224.0.0.1", 1, "not allowed"), ("::ffff:127.0.0.1", 0, "not allowed"),
    ("127.0.0.1", 1, "connection refused")])
def test_addresses(start, public, address, allow, reason):
    """H8: what a name may lead to."""
    last = start(issuer="https://login.devauth.test:9", allow_loopback=allow,
                 files=hosts(public, f"{address} login.devauth.test\n")
                 ).finish()
    assert wire.ERROR_NAMES[last.code] == "unreachable"
    assert reason in last.reason


def test_loopback_needs_permission(start, idp):
    last = start(allow_loopback=0).finish()
    assert "not allowed" in last.reason
    assert idp.control.state()["tls"]["hellos"] == 0


def test_unknown_name(start, public):
    last = start(issuer="https://nobody.invalid", files=hosts(
        public, "127.0.0.1 localhost\n")).finish()
    assert wire.ERROR_NAMES[last.code] == "unreachable"
    assert last.reason.startswith(("name", "no answer from the name"))


def test_refused_connection(start):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        last = start(issuer="https://localhost:%d" %
                     unused.getsockname()[1]).finish()
    assert last.reason == "connection refused"


@pytest.mark.parametrize("name, listen", [
    ("login.devauth.test", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"),
    ("::1", "::1"), ("login6.devauth.test", "::1")])
def test_other_names(program, public, tmp_path, name, listen):
    """By a name that no library knows, and by literal addresses. A first,
    dead address does not stop the login."""
    lines = f"{listen} {name}\n" if "devauth" in name else ""
    if "login.devauth" in name:
        lines = f"127.0.0.9 {name}\n" + lines
    with Idp(str(tmp_path), hosts=[name], listen=[listen]) as idp:
        with Worker(program, orders(idp, public),
                    files=hosts(public, lines)) as worker:
            log_in(worker, idp)
            assert idp.control.violations() == []


def test_endpoint_hosts(program, public, tmp_path):
    """H4: an endpoint on another host works where the profile lists it."""
    names = ["login.devauth.test", "token.devauth.test"]
    files = hosts(public, "".join(f"127.0.0.1 {name}\n" for name in names))
    with Idp(str(tmp_path), hosts=names) as idp:
        idp.control.quirks(discovery={"token_endpoint": (
            f"https://token.devauth.test:{idp.port}/token")})
        with Worker(program, orders(idp, public), files=files) as worker:
            assert "endpoint_hosts" in worker.finish().reason
        with Worker(program, orders(
                idp, public, endpoint_hosts=" x.invalid  token.Devauth.test"),
                    files=files) as worker:
            log_in(worker, idp)


def test_issuer_with_a_path(program, public, tmp_path):
    with Idp(str(tmp_path), options=["--issuer-path", "/realms/corp"]) as idp:
        with Worker(program, orders(idp, public)) as worker:
            assert worker.expect("DEVICE").uri.startswith(
                idp.issuer + "/device")
            idp.control.approve("alice")
            assert worker.finish().issuer == idp.issuer
