"""Tests of devauth-idp itself: a provider that checks others has to be right.

    /usr/bin/python3 -m pytest tests/idp
"""

import json
import os
import re
import socket
import ssl
import stat
import subprocess
import time

import pytest

from approve import PROGRAM, ControlError, Idp
from idp import quirks
from relying_party import (
    BASIC, BASIC_SECRET, DEVICE_GRANT, DEVICE_NAME, FORM, POST, POST_SECRET,
    PUBLIC, Api, basic, claims_of, verify)


# -- the program

def test_start_is_private(tmp_path):
    with Idp(tmp_path / "state", hosts=["login.test"]) as idp:
        assert idp.issuer == f"https://login.test:{idp.port}"
        assert set(idp.ready) == {"issuer", "port", "ca_file", "control",
                                  "pid"}
        state = tmp_path / "state"
        assert stat.S_IMODE(state.stat().st_mode) == 0o700
        for name in ("ca.key", "control.sock", "ready.json"):
            assert stat.S_IMODE((state / name).stat().st_mode) == 0o600
        ca, pid = (state / "ca.pem").read_bytes(), idp.pid
        assert Api(idp).get("/jwks", headers={
            "Host": f"login.test:{idp.port}"}).status == 200
        kids = [key["kid"] for key in Api(idp).get("/jwks").json["keys"]]
        os.kill(pid, 15)
        assert idp.process.wait(3) == 0
        assert not (state / "ready.json").exists()
    with Idp(tmp_path / "state") as idp:  # CA and keys are used again
        assert (state / "ca.pem").read_bytes() == ca
        assert kids == [key["kid"] for key in
                        Api(idp).get("/jwks").json["keys"]]


def test_ends_with_its_parent(tmp_path):
    idp = Idp(tmp_path).start()
    idp.process.stdin.close()
    assert idp.process.wait(3) == 0


def test_help_warns():
    text = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True,
                          check=True).stdout
    assert "NOT FOR PRODUCTION" in text


def test_list_quirks_names_all():
    text = subprocess.run([PROGRAM, "--list-quirks"], capture_output=True,
                          text=True, check=True).stdout
    for name, quirk in quirks.TABLE.items():
        assert f"  {name}  <" in text and quirk.help in text


def test_accounts_file_and_issuer_path(tmp_path):
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps({
        "accounts": {"zoe": {"sub": "idp-z", "groups": ["g"]}, "bob": None,
                     "alice": {"claims": {"department": "x"}}},
        "clients": {"own": {"auth": "post", "secret": "s"}, PUBLIC: None}}))
    with Idp(tmp_path / "s", accounts=str(file),
             options=["--issuer-path", "/realms/corp"]) as idp:
        api = Api(idp)
        assert idp.issuer.endswith("/realms/corp")
        for path in ("/realms/corp/.well-known/openid-configuration",
                     "/.well-known/oauth-authorization-server/realms/corp"):
            assert api.get(path).json["issuer"] == idp.issuer
        assert api.post("/device_authorization",
                        {"client_id": PUBLIC}).error == "invalid_client"
        started = api.post("/realms/corp/device_authorization", {
            "client_id": "own", "client_secret": "s"})
        assert started.status == 200
        assert claims_of(idp.control.id_token("zoe"))["sub"] == "idp-z"
        assert claims_of(idp.control.id_token())["department"] == "x"
        with pytest.raises(ControlError):
            idp.control.id_token("bob")


def test_bad_accounts_file(tmp_path):
    file = tmp_path / "accounts.json"
    file.write_text('{"accounts": {"zoe": {"sbu": "typo"}}}')
    with pytest.raises(RuntimeError, match="sbu"):
        Idp(tmp_path / "s", accounts=str(file)).start()


# -- metadata and keys

def test_metadata(idp, api, clean):
    reply = api.get("/.well-known/openid-configuration")
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["Cache-Control"] == "public, max-age=3600"
    found = reply.json
    assert found["issuer"] == idp.issuer
    assert found["device_authorization_endpoint"].startswith(idp.issuer)
    assert found == api.get("/.well-known/oauth-authorization-server").json


def test_keys_and_rotation(api, control, clean):
    before = api.get("/jwks").json["keys"]
    assert {key["alg"] for key in before} == {"ES256", "RS256"}
    assert all("d" not in key for key in before)
    control.rotate_keys()
    after = api.get("/jwks").json["keys"]
    assert {key["kid"] for key in before} < {key["kid"] for key in after}
    control.rotate_keys(keep_old=False)
    last = api.get("/jwks").json["keys"]
    assert not {key["kid"] for key in last} & {key["kid"] for key in after}


# -- the flow

def test_flow(idp, api, control, clean):
    started = api.start()
    assert set(started) == {
        "device_code", "user_code", "verification_uri",
        "verification_uri_complete", "expires_in", "interval"}
    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-"
                        "[BCDFGHJKLMNPQRSTVWXZ]{4}", started["user_code"])
    assert (started["interval"], started["expires_in"]) == (1, 600)
    assert api.poll(started).error == "authorization_pending"
    outcome = idp.person().approve(started["verification_uri_complete"])
    assert outcome.result == "approved"
    assert "go back to your terminal" in outcome.text
    time.sleep(1)
    answer = api.poll(started)
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = answer.json
    assert tokens["token_type"] == "Bearer" and tokens["expires_in"] == 300
    claims = verify(tokens["id_token"], api.get("/jwks").json, idp.issuer)
    assert claims["sub"] == "idp-7f3a90c2d1e84b56"
    assert claims["preferred_username"] == "alice"
    assert claims["email"] == "alice@example.com" and claims["email_verified"]
    assert "Zoë" in claims["name"]
    assert claims["groups"] == ["staff", "operators"]
    assert claims["amr"] == ["pwd"] and abs(
        claims["auth_time"] - time.time()) < 30
    info = api.userinfo(tokens["access_token"]).json
    assert info["sub"] == claims["sub"] and info["groups"] == claims["groups"]
    code = control.state()["codes"][0]
    assert code["poll_answers"] == ["authorization_pending", "token"]
    assert code["device_name"] == DEVICE_NAME
    time.sleep(1)
    assert api.poll(started).error == "invalid_grant"  # single use


def test_deny_expire_and_no_refresh_without_offline_access(api, control,
                                                           clean):
    for act, error in ((control.deny, "access_denied"),
                       (control.expire, "expired_token")):
        started = api.start()
        act(started["user_code"])
        assert api.poll(started).error == error
    tokens = api.login(scope="openid")
    assert "refresh_token" not in tokens
    assert "id_token" not in api.login(scope="profile")
    assert "groups" not in claims_of(api.login("carol")["id_token"])


def test_too_fast_and_wrong_client(api, control, clean):
    started = api.start()
    assert api.poll(started).error == "authorization_pending"
    assert api.poll(started).error == "slow_down"
    code = control.state()["codes"][0]
    assert (code["slow_downs"], code["interval"], code["polls"]) == (1, 6, 2)
    other = api.post("/token", {
        "grant_type": DEVICE_GRANT, "client_id": POST,
        "client_secret": POST_SECRET,
        "device_code": started["device_code"]})
    assert other.error == "invalid_grant"


def test_refresh_rotation_reuse(api, control, clean):
    first = api.login()
    second = api.refresh(first["refresh_token"]).json
    assert second["refresh_token"] != first["refresh_token"]
    assert claims_of(second["id_token"])["sub"] == claims_of(
        first["id_token"])["sub"]
    narrow = api.refresh(second["refresh_token"], scope="openid").json
    assert narrow["scope"] == "openid"
    assert api.refresh(first["refresh_token"]).error == "invalid_grant"
    assert api.refresh(narrow["refresh_token"]).error == "invalid_grant"
    assert api.userinfo(narrow["access_token"]).status == 401
    family = control.state()["grants"][0]
    assert family["reuse_detected"] and family["ended_by"] == "reuse"
    assert control.live() == []


def test_disabled_account(api, control, clean):
    tokens = api.login()
    control.disable("alice")
    assert api.userinfo(tokens["access_token"]).status == 401
    assert api.post("/introspect", {
        "client_id": PUBLIC,
        "token": tokens["access_token"]}).json == {"active": False}
    assert api.refresh(tokens["refresh_token"]).error == "invalid_grant"
    control.enable("alice")
    assert api.refresh(tokens["refresh_token"]).status == 200


def test_revocation_and_introspection(api, control, clean):
    tokens = api.login()
    seen = api.post("/introspect", {
        "client_id": PUBLIC, "token": tokens["access_token"]}).json
    assert seen["active"] and seen["username"] == "alice"
    assert control.live()[0]["live"] == {"access": 1, "refresh": 1}
    reply = api.post("/revoke", {
        "client_id": PUBLIC, "token": tokens["refresh_token"],
        "token_type_hint": "refresh_token"})
    assert (reply.status, reply.body) == (200, b"")
    assert api.refresh(tokens["refresh_token"]).error == "invalid_grant"
    assert api.userinfo(tokens["access_token"]).status == 401
    assert control.state()["grants"][0]["ended_by"] == "revocation"
    assert control.live() == []
    assert api.post("/revoke", {
        "client_id": PUBLIC, "token": "unknown"}).status == 200


def test_client_authentication(api, control):
    def ask(form, headers=None):
        return api.post("/device_authorization", form, headers=headers)

    assert ask({}, basic(BASIC, BASIC_SECRET)).status == 200
    assert ask({"client_id": BASIC}, basic(BASIC, BASIC_SECRET)).status == 200
    assert ask({"client_id": POST,
                "client_secret": POST_SECRET}).status == 200
    assert control.violations() == []
    reply = ask({}, basic(BASIC, "wrong"))
    assert (reply.status, reply.error) == (401, "invalid_client")
    assert reply.headers["WWW-Authenticate"].startswith("Basic")
    assert ask({"client_id": "nobody"}).error == "invalid_client"
    assert control.violations() == []  # settings, not breaches
    for form, headers in (
            ({"client_id": BASIC}, None),
            ({"client_id": BASIC, "client_secret": BASIC_SECRET}, None),
            ({}, basic(POST, POST_SECRET)),
            ({"client_id": PUBLIC, "client_secret": "x"}, None),
            ({"client_secret": BASIC_SECRET}, basic(BASIC, BASIC_SECRET)),
            ({"client_id": PUBLIC}, basic(BASIC, BASIC_SECRET)),
            ({}, basic(BASIC, BASIC_SECRET, str)),
            ({}, {"Authorization": "Basic !!!"}),
            ({}, None)):
        before = len(control.violations())
        assert ask(form, headers).status in (400, 401)
        assert len(control.violations()) > before, (form, headers)


# -- strict validation

GOOD = {"client_id": PUBLIC, "scope": "openid"}


@pytest.mark.parametrize("what, arguments, status, error", [
    ("method GET", ("GET", "/token"), 405, "invalid_request"),
    ("Content-Type", ("POST", "/token", dict(
        form=GOOD, headers={"Content-Type": "application/json"})),
     400, "invalid_request"),
    ("Content-Type", ("POST", "/device_authorization", dict(
        form=GOOD, headers={"Content-Type": "text/plain"})),
     400, "invalid_request"),
    ("Accept", ("POST", "/device_authorization", dict(
        form=GOOD, headers={"Accept": "*/*"})), 406, "invalid_request"),
    ("Accept", ("POST", "/device_authorization", dict(
        form=GOOD, headers={"Accept": None})), 406, "invalid_request"),
    ("scope sent twice", ("POST", "/device_authorization", dict(
        headers={"Content-Type": FORM}, body="client_id=devauth-public&"
        "scope=openid&scope=openid")), 400, "invalid_request"),
    ("form-encoded", ("POST", "/device_authorization", dict(
        headers={"Content-Type": FORM},
        body="client_id=devauth-public&scope=a b")), 400, "invalid_request"),
    ("form-encoded", ("POST", "/device_authorization", dict(
        headers={"Content-Type": FORM},
        body="client_id=devauth-public&scope=%zz")), 400, "invalid_request"),
    ("not UTF-8", ("POST", "/device_authorization", dict(
        headers={"Content-Type": FORM},
        body="client_id=devauth-public&device_name=%ff")),
     400, "invalid_request"),
    ("is empty", ("POST", "/device_authorization", dict(
        form={**GOOD, "device_name": ""})), 400, "invalid_request"),
    ("does not belong", ("POST", "/device_authorization", dict(
        form={**GOOD, "response_type": "code"})), 400, "invalid_request"),
    ("does not belong", ("POST", "/token", dict(
        form={"grant_type": DEVICE_GRANT, "client_id": PUBLIC,
              "device_code": "x", "scope": "openid"})),
     400, "invalid_request"),
    ("device_code is missing", ("POST", "/token", dict(
        form={"grant_type": DEVICE_GRANT, "client_id": PUBLIC})),
     400, "invalid_request"),
    ("grant_type is missing", ("POST", "/token", dict(
        form={"client_id": PUBLIC})), 400, "invalid_request"),
    ("grant_type is", ("POST", "/token", dict(
        form={"client_id": PUBLIC, "grant_type": "password"})),
     400, "unsupported_grant_type"),
    ("token is missing", ("POST", "/revoke", dict(
        form={"client_id": PUBLIC})), 400, "invalid_request"),
    ("token_type_hint", ("POST", "/revoke", dict(
        form={"client_id": PUBLIC, "token": "x", "token_type_hint": "y"})),
     400, "invalid_request"),
    ("scope breaks", ("POST", "/device_authorization", dict(
        form={**GOOD, "scope": 'a"b'})), 400, "invalid_scope"),
    ("max_age", ("POST", "/device_authorization", dict(
        form={**GOOD, "max_age": "-1"})), 400, "invalid_request"),
    ("in the address", ("POST", "/device_authorization?x=1", dict(
        form=GOOD)), 400, "invalid_request"),
    ("in the address", ("GET", "/userinfo?access_token=x", {}),
     400, "invalid_request"),
    ("Host", ("GET", "/jwks", dict(headers={"Host": "elsewhere"})),
     400, "invalid_request"),
    ("Cookie", ("GET", "/jwks", dict(headers={"Cookie": "a=b"})),
     400, "invalid_request"),
    ("DPoP", ("GET", "/jwks", dict(headers={"DPoP": "x"})),
     400, "invalid_request"),
    ("a body", ("GET", "/jwks", dict(body="x")), 400, "invalid_request"),
    ("no access token", ("GET", "/userinfo", {}), 401, "invalid_token"),
])
def test_strict(api, control, what, arguments, status, error):
    method, path, *more = arguments
    reply = api.call(method, path, **(more[0] if more else {}))
    assert (reply.status, reply.error) == (status, error)
    found = control.violations()
    assert len(found) == 1 and what in found[0]


def test_log_holds_no_secret(api, control):
    started = api.start()
    control.approve("alice", started["user_code"])
    tokens = api.poll(started).json
    api.refresh(tokens["refresh_token"])
    api.post("/device_authorization",
             {"client_id": POST, "client_secret": POST_SECRET})
    text = json.dumps(control.state())
    for secret in (started["device_code"], tokens["access_token"],
                   tokens["refresh_token"], POST_SECRET):
        assert secret not in text
    last = control.requests("device_authorization")[-1]
    assert last["form"] == {"client_id": POST, "client_secret": None}
    assert last["auth"] == "client_secret_post" and last["status"] == 200


def test_connections_are_counted(api, control):
    old = ssl.create_default_context(cafile=api.idp.ca_file)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with api.connect(context=old) as connection:
        api.send(connection, "GET", "/jwks")
        api.send(connection, "GET", "/jwks")
        session = connection.sock.session
    with socket.create_connection(("localhost", api.idp.port)) as sock:
        old.wrap_socket(sock, server_hostname="localhost",
                        session=session).close()
    tls = control.wait_until(lambda state: state["tls"]["connections"] == 2
                             and state["tls"])
    assert tls == {"hellos": 2, "connections": 2, "full": 1, "resumed": 1}
    first, second = control.requests("jwks")
    assert first["connection"] == second["connection"]
    assert second["on_connection"] == 2


# -- control

def test_control_refuses_nonsense(control):
    for wrong in ({"no_such": 1}, {"tls": "ssl3"}, {"stall": "nowhere"},
                  {"endpoint": {"token": {"stauts": 1}}},
                  {"never_expire": "yes"}, {"slow_down_on_exact": 1},
                  {"jwks": 5}, {"id_token": ["none"]}, {"groups_count": "3"},
                  {"discovery": "typo"}, {"claims": []}):
        with pytest.raises(ControlError):
            control.quirks(**wrong)
    with pytest.raises(ControlError):
        control.approve("alice", "BBBB-BBBB")
    with pytest.raises(ControlError):
        control.call("GET", "/nothing")
    assert control.state()["quirks"] == {}


def test_reset(api, control):
    control.quirks(never_expire=True)
    control.disable("alice")
    api.get("/jwks?x")
    api.start()
    control.reset()
    state = control.state()
    assert state["requests"] == state["violations"] == state["codes"] == []
    assert state["quirks"] == {} and state["disabled"] == ["dave"]


def test_wait_for_code(api, control):
    with pytest.raises(TimeoutError):
        control.wait_for_code(timeout=0.1)
    code = api.start()["user_code"]
    assert control.wait_for_code()["user_code"] == code
    assert control.approve("bob")["username"] == "bob"  # the only pending one
