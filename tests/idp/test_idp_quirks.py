"""Tests of the quirks: each does what the table says.

    /usr/bin/python3 -m pytest tests/idp
"""

import hashlib
import hmac
import http.client
import json
import re
import socket
import ssl
import time
from urllib.parse import quote_plus

import pytest
from jwcrypto import jwk, jws

from idp import quirks, variants
from idp.idtoken import ID_TOKEN_VARIANTS
from idp.jwks import JWKS_VARIANTS
from idp.pki import TLS_MODES
from relying_party import (
    BASIC, BASIC_SECRET, KEY, PUBLIC, RFC7515_KEY, Bad, Prover, assertion, b64,
    basic, claims_of, header_of, verify)

SHOWN = set()


def shows(*names):
    """Marks the test that shows a quirk; a test below wants all shown."""
    SHOWN.update(names)
    return lambda test: test


# -- quirks: any endpoint

@shows("endpoint")
def test_generic_mechanism(api, control):
    control.quirks(endpoint={
        "jwks": [{"times": 1, "status": 503, "body": {"a": "$ISSUER"},
                  "headers": {"X-A": ["1", "2"]}},
                 {"times": 2, "merge": {"keys": None, "b": {"$null": True},
                                        "t": {"$now": 60}}}],
        "token": {"when": "authorization_pending", "status": 403}})
    first, second, third = (api.get("/jwks") for _ in range(3))
    assert first.status == 503 and first.json == {"a": api.idp.issuer}
    assert first.headers.get_all("X-A") == ["1", "2"]
    assert second.json["b"] is None and "keys" not in second.json
    assert 50 < second.json["t"] - time.time() < 70
    assert set(third.json) == {"keys"}
    started = api.start()
    assert api.poll(started).status == 403
    assert api.poll(started).status == 400  # slow_down


@shows("http_error", "redirect", "media_type", "hostile_headers")
def test_status_and_headers(api, control):
    control.quirks(http_error={"jwks": 503}, redirect={
        "token": [307, "$ISSUER/elsewhere"], "userinfo": 301})
    assert api.get("/jwks").status == 503
    reply = api.poll({"device_code": "x"})
    assert (reply.status, reply.headers["Location"]) == (
        307, f"{api.idp.issuer}/elsewhere")
    assert api.userinfo("x").status == 301
    control.quirks(media_type={"jwks": "application/jwk-set+json",
                               "discovery": None}, hostile_headers="jwks")
    reply = api.get("/jwks")
    assert reply.headers["Content-Type"] == "application/jwk-set+json"
    assert len(reply.headers.get_all("WWW-Authenticate")) == 3
    reply = api.get("/.well-known/openid-configuration")
    assert "Content-Type" not in reply.headers and reply.json["issuer"]


@shows("http_error")
def test_error_leaves_the_code_alone(api, control):
    started = api.start()
    control.approve("alice", started["user_code"])
    control.quirks(endpoint={"token": {"times": 1, "status": 500, "body": ""}})
    assert api.poll(started).status == 500
    assert "access_token" in api.poll(started).json


@shows("stall", "close_early", "delay", "lost_answer", "truncated")
def test_broken_connections(api, control):
    control.quirks(stall="jwks", close_early={"userinfo": "reset",
                                              "revoke": "fin"},
                   delay={"token": 0.3}, truncated={"discovery": 20})
    with pytest.raises(socket.timeout):
        api.get("/jwks", timeout=0.3)
    with pytest.raises(ConnectionError):
        api.userinfo("x")
    with pytest.raises(ConnectionError):
        api.post("/revoke", {"client_id": PUBLIC, "token": "x"})
    before = time.monotonic()
    api.poll({"device_code": "x"})
    assert time.monotonic() - before >= 0.3
    with pytest.raises(http.client.IncompleteRead) as caught:
        api.get("/.well-known/openid-configuration")
    assert len(caught.value.partial) == 20
    control.quirks()
    tokens = api.login()
    control.quirks(lost_answer="token")
    with pytest.raises(ConnectionError):
        api.refresh(tokens["refresh_token"])
    assert control.state()["grants"][-1]["refreshes"] == 1
    assert api.refresh(tokens["refresh_token"]).error == "invalid_grant"


@shows("drip", "endless_body", "huge_body", "huge_header", "many_headers",
       "chunked", "garbage", "empty_body")
def test_bodies_and_sizes(api, control):
    control.quirks(drip={"jwks": 0.001}, huge_body={"token": 10 ** 6},
                   garbage={"userinfo": "<xml/>"}, empty_body="introspect",
                   chunked="device_authorization")
    reply = api.get("/jwks")
    assert reply.headers["Transfer-Encoding"] == "chunked" and reply.json
    assert len(api.poll({"device_code": "x"}).body) > 10 ** 6
    token = api.login()["access_token"]
    assert api.userinfo(token).body == b"<xml/>"
    assert api.post("/introspect", {
        "client_id": PUBLIC, "token": "x"}).body == b""
    control.quirks(endless_body="jwks", many_headers={"discovery": 90},
                   huge_header={"device_authorization": 10 ** 5})
    assert len(api.read_raw("/jwks", 10 ** 7)) >= 10 ** 7
    reply = api.get("/.well-known/openid-configuration")
    assert len(reply.headers.get_all("X-Many")) == 90
    with pytest.raises(http.client.LineTooLong):
        api.start()


@shows("duplicate_keys", "deep_nesting", "extra_members", "reverse_members")
def test_odd_json(api, control):
    plain = api.get("/.well-known/openid-configuration").json
    path = "/.well-known/openid-configuration"
    control.quirks(reverse_members="*")
    assert list(api.get(path).json) == list(plain)[::-1]
    control.quirks(duplicate_keys="discovery")
    text = api.get(path).body
    assert text.count(b'"issuer":') == 2 and json.loads(
        text)["issuer"] == "duplicate"
    control.quirks(deep_nesting={"discovery": 500})
    assert b"[" * 500 + b"]" * 500 in api.get(path).body
    control.quirks(extra_members="*")
    assert set(plain) < set(api.get(path).json)


@shows("raw")
@pytest.mark.parametrize("variant", variants.RAW_ANSWERS)
def test_raw(api, control, variant):
    control.quirks(raw={"jwks": variant})
    assert api.read_raw("/jwks", 2 ** 23) == variants.RAW_ANSWERS[
        variant].encode("latin-1")


@shows("keep_alive", "drop_reused")
def test_idle_connections(api, control):
    with api.connect() as connection:
        for _ in range(3):
            assert api.send(connection, "GET", "/jwks").status == 200
    control.quirks(keep_alive=0.2)
    with api.connect() as connection:
        reply = api.send(connection, "GET", "/jwks")
        assert reply.headers.get("Connection") != "close"
        assert api.send(connection, "GET", "/jwks").status == 200
        connection.sock.settimeout(2)
        assert connection.sock.recv(1) == b""  # hung up, unannounced
    control.quirks(drop_reused=True)
    with api.connect() as connection:
        assert api.send(connection, "GET", "/jwks").status == 200
        with pytest.raises(ConnectionError):
            api.send(connection, "GET", "/jwks")
    assert control.requests("jwks")[-1]["status"] is None


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
@shows("tls")
@pytest.mark.parametrize("mode", TLS_MODES)
def test_tls(api, control, mode):
    control.quirks(tls=mode)
    if mode == "tls1.2":
        with api.connect() as connection:
            assert api.send(connection, "GET", "/jwks").status == 200
            assert connection.sock.version() == "TLSv1.2"
    else:
        # Python would still take a name from the common name.
        api.context.hostname_checks_common_name = False
        with pytest.raises(ssl.SSLError):
            api.get("/jwks")
    if mode in ("tls1.1", "anull"):  # it really is that, not just broken
        weak = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        weak.check_hostname, weak.verify_mode = False, ssl.CERT_NONE
        weak.set_ciphers("ALL:aNULL:@SECLEVEL=0")
        weak.minimum_version = ssl.TLSVersion.TLSv1
        weak.maximum_version = ssl.TLSVersion.TLSv1_2
        with api.connect(context=weak) as connection:
            connection.connect()
            if mode == "anull":
                assert connection.sock.getpeercert(True) is None
            else:
                assert connection.sock.version() == "TLSv1.1"
    control.quirks()
    assert api.get("/jwks").status == 200


# -- quirks: metadata

@shows("discovery")
@pytest.mark.parametrize("variant", variants.DISCOVERY_VARIANTS)
def test_discovery(api, control, variant):
    path = "/.well-known/openid-configuration"
    good = api.get(path).json
    control.quirks(discovery=variant)
    odd = api.get(path).json
    changes = variants.DISCOVERY_VARIANTS[variant]
    for name, value in changes.items():
        if value is None:
            assert name in good and name not in odd
        else:
            assert good[name] != odd[name]
    assert "$" not in json.dumps(odd)
    control.quirks(discovery={"token_endpoint": "$ISSUER//t"})
    assert api.get(path).json["token_endpoint"] == f"{api.idp.issuer}//t"


@shows("odd_paths", "max_age")
def test_paths_and_age(idp, api, control):
    control.quirks(odd_paths=True, max_age=7)
    reply = api.get("/.well-known/openid-configuration")
    assert reply.headers["Cache-Control"] == "public, max-age=7"
    address = reply.json["device_authorization_endpoint"]
    assert address == f"{idp.issuer}/tenant//v2/device_authorization"
    started = api.post(address[len(idp.issuer):], {"client_id": PUBLIC}).json
    assert idp.person().approve(
        started["verification_uri_complete"]).result == "approved"
    control.quirks(max_age=None)
    assert "Cache-Control" not in api.get("/jwks").headers


HARMLESS_JWKS = {"unusable_keys", "no_use", "no_alg", "no_kid", "two_alike",
                 "same_kid", "with_weak_rsa", "many", "private_members"}


@shows("jwks")
@pytest.mark.parametrize("variant", JWKS_VARIANTS)
def test_jwks(idp, api, control, variant):
    good = api.get("/jwks").json
    control.quirks(jwks=variant)
    body = api.get("/jwks").body
    try:
        keys = json.loads(body)["keys"]
        usable = [key for key in keys if key.get("use", "sig") == "sig"
                  and {"x": key.get("x"), "y": key.get("y")} in [
                      {"x": one.get("x"), "y": one.get("y")}
                      for one in good["keys"] if one["kty"] == "EC"]]
    except (ValueError, TypeError, KeyError, AttributeError):
        usable = []
    assert bool(usable) == (variant in HARMLESS_JWKS)
    assert body != json.dumps(good).encode()


# -- quirks: device authorization

@shows("interval", "expires_in", "never_expire")
def test_interval_and_lifetime(api, control):
    for value in ("2", 0, 600, -1, 2.5, [1]):
        control.quirks(interval=value, expires_in=value)
        started = api.start()
        assert started["interval"] == started["expires_in"] == value
    control.quirks(interval=None, expires_in=None)
    started = api.start()
    assert not {"interval", "expires_in"} & set(started)
    assert control.wait_for_code()["interval"] == 5
    control.quirks(expires_in=0, interval=0)
    started = api.start()
    assert api.poll(started).error == "expired_token"
    control.quirks(expires_in=0, interval=0, never_expire=True)
    assert api.poll(api.start()).error == "authorization_pending"


@shows("verification_url", "verification_uri_complete", "user_code_style",
       "code_bound_to_browser")
def test_addresses_and_codes(idp, api, control):
    control.quirks(verification_url=True)
    started = api.start()
    assert "verification_uri" not in started
    assert started["verification_url"] == f"{idp.issuer}/device"
    control.quirks(verification_uri_complete="otc")
    started = api.start()
    assert started["verification_uri_complete"].endswith(
        "?otc=" + started["user_code"])
    assert idp.person().approve(started["verification_uri_complete"]).ok
    control.quirks(verification_uri_complete=None)
    assert "verification_uri_complete" not in api.start()
    for style, example in variants.USER_CODE_STYLES.items():
        control.quirks(user_code_style=style)
        started = api.start()
        shape = [re.sub("[A-Z]", "A", re.sub("[a-z]", "a", re.sub(
            "[0-9]", "0", code))) for code in (started["user_code"], example)]
        assert shape[0] == shape[1]
        assert idp.person().approve(started["verification_uri_complete"]).ok
    control.quirks(code_bound_to_browser=True)
    address = api.start()["verification_uri_complete"]
    idp.person("bob", "wrong").approve(address)
    assert idp.person().approve(address).result == "enter-code"


@shows("user_code", "verification_uri")
def test_hostile_codes_and_addresses(api, control):
    def same(value, expected, name, answer):
        if value is None:
            assert name not in answer
        else:
            assert answer[name] == expected
    for variant, value in variants.USER_CODE_VARIANTS.items():
        control.quirks(user_code=variant)
        same(value, value, "user_code", api.start())
        assert control.wait_for_code()["user_code"] != value
    for variant, value in variants.VERIFICATION_URI_VARIANTS.items():
        control.quirks(verification_uri=variant)
        answer = api.start()
        for name in variants.URI_MEMBERS:
            same(value, value, name, answer)
    control.quirks(user_code="AAAA", verification_uri="https://a.example/b")
    answer = api.start()
    assert answer["user_code"] == "AAAA"
    assert answer["verification_uri"] == "https://a.example/b"


@shows("device_secret", "scope_required", "unknown_scope", "basic_raw")
def test_client_and_scope_quirks(api, control):
    control.quirks(device_secret="refuse")
    assert api.post("/device_authorization", {}, headers=basic(
        BASIC, BASIC_SECRET)).error == "invalid_request"
    assert api.post("/device_authorization", {
        "client_id": BASIC}).status == 200
    control.quirks(basic_raw=True)
    for encode, status in ((str, 200), (quote_plus, 401)):
        assert api.post("/device_authorization", {}, headers=basic(
            BASIC, BASIC_SECRET, encode)).status == status
    control.quirks()
    assert api.post("/device_authorization", {
        "client_id": PUBLIC}).status == 200
    assert api.start(scope="openid nonsense")["user_code"]
    control.quirks(scope_required=True, unknown_scope="refuse")
    assert api.post("/device_authorization", {
        "client_id": PUBLIC}).error == "invalid_scope"
    assert api.start(scope="openid nonsense")["error"] == "invalid_scope"


# -- quirks: token endpoint

@shows("slow_down", "slow_down_on_exact")
def test_slow_down(api, control):
    control.quirks(slow_down=2, interval=0)
    started = api.start()
    assert api.poll(started).error == "slow_down"
    assert api.poll(started).error == "slow_down"
    assert control.state()["codes"][0]["interval"] == 10
    control.quirks(slow_down=True)
    for _ in range(5):
        assert api.poll(started).error == "slow_down"
    control.quirks(slow_down_on_exact=True, interval=0.1)
    started = api.start()
    api.poll(started)
    time.sleep(0.12)
    assert api.poll(started).error == "slow_down"
    started = api.start()
    api.poll(started)
    time.sleep(0.25)
    assert api.poll(started).error == "authorization_pending"


@shows("rate_limit", "pending_after_approval", "approve_immediately",
       "token_error", "unknown_code_denied", "token_error_and_token",
       "token_type")
def test_token_answers(api, control):
    control.quirks(rate_limit=[1, "x-retry-after"], interval=0)
    started = api.start()
    reply = api.poll(started)
    assert reply.status == 429 and reply.headers["x-retry-after"] == "1"
    assert reply.headers["Content-Type"] == "text/plain"
    assert api.poll(started).error == "authorization_pending"
    control.quirks(pending_after_approval=2, interval=0)
    started = api.start()
    control.approve("bob", started["user_code"])
    assert [api.poll(started).error for _ in range(3)] == [
        "authorization_pending", "authorization_pending", None]
    control.quirks(approve_immediately="carol", token_type="bEaReR",
                   token_error_and_token=True)
    answer = api.poll(api.start()).json
    assert answer["token_type"] == "bEaReR" and answer["access_token"]
    assert answer["error"] == "access_denied"
    control.quirks(token_type=None, approve_immediately="carol")
    assert "token_type" not in api.poll(api.start()).json
    for error in ("access_denied", "expired_token", "invalid_grant",
                  "unauthorized_client", "invalid_client", "made_up"):
        control.quirks(token_error=error, interval=0)
        assert api.poll(started).error == error
    control.quirks(unknown_code_denied=True)
    assert api.poll({"device_code": "x"}).error == "access_denied"


@shows("error_status", "error_body", "error_description")
def test_error_answers(api, control):
    started = api.start()
    for status in (200, 401, 403, 429):
        control.quirks(error_status={"authorization_pending": status,
                                     "slow_down": status})
        assert api.poll(started).status == status
    control.quirks(error_status=410)
    assert api.poll({"device_code": "x"}).status == 410
    for variant, text in variants.ERROR_BODIES.items():
        control.quirks(error_body={"invalid_grant": variant})
        assert api.poll({"device_code": "x"}).body == text.encode()
    control.quirks(error_body="{}")
    assert api.poll({"device_code": "x"}).json == {}
    for variant, text in variants.ERROR_DESCRIPTIONS.items():
        control.quirks(error_description=variant)
        assert api.poll({"device_code": "x"}).json[
            "error_description"] == text


@shows("access_expires_in", "refresh_token", "refresh_keeps_token",
       "refresh_no_id_token", "refresh_ignores_scope", "revoke_keeps_access",
       "disabled_unnoticed")
def test_refresh_quirks(api, control):
    control.quirks(access_expires_in=None, refresh_token="always")
    tokens = api.login(scope="openid")
    assert "expires_in" not in tokens and "refresh_token" in tokens
    control.quirks(access_expires_in=0, refresh_token="never")
    tokens = api.login()
    assert tokens["expires_in"] == 0 and "refresh_token" not in tokens
    assert api.userinfo(tokens["access_token"]).status == 401
    control.quirks(refresh_keeps_token=True, refresh_no_id_token=True,
                   refresh_ignores_scope=True)
    first = api.login()
    answer = api.refresh(first["refresh_token"], scope="openid").json
    assert not {"refresh_token", "id_token"} & set(answer)
    assert answer["scope"] == first["scope"]
    assert api.refresh(first["refresh_token"]).status == 200
    control.disable("alice")
    for where in ("refresh", "userinfo", "introspect"):
        control.quirks(disabled_unnoticed=[where], refresh_keeps_token=True)
        assert [api.refresh(first["refresh_token"]).status == 200,
                api.userinfo(first["access_token"]).status == 200,
                api.post("/introspect", {
                    "client_id": PUBLIC,
                    "token": first["access_token"]}).json["active"]] == [
            where == one for one in ("refresh", "userinfo", "introspect")]
    control.enable("alice")
    control.quirks(revoke_keeps_access=True)
    api.post("/revoke", {"client_id": PUBLIC,
                         "token": first["refresh_token"]})
    assert api.userinfo(first["access_token"]).status == 200
    assert api.refresh(first["refresh_token"]).error == "invalid_grant"


# -- quirks: DPoP

@shows("dpop_required", "dpop_nonce", "dpop_downgrade")
def test_dpop(idp, api, control):
    control.quirks(approve_immediately="alice", interval=0)
    prover = Prover(idp.issuer)
    tokens = api.poll(api.start(), headers=prover.proof("POST", "/token")).json
    assert tokens["token_type"] == "DPoP"
    access = tokens["access_token"]
    assert api.get("/userinfo", headers={
        "Authorization": f"DPoP {access}",
        **prover.proof("GET", "/userinfo", access)}).json["sub"]
    form = {"grant_type": "refresh_token", "client_id": PUBLIC,
            "refresh_token": tokens["refresh_token"]}
    assert control.violations() == []
    assert api.userinfo(access).status == 401
    other = Prover(idp.issuer).proof("POST", "/token")
    assert api.post("/token", form, headers=other).error == (
        "invalid_dpop_proof")
    for header, claims in (
            ({"typ": "JWT"}, {}), ({"kid": "x"}, {}), ({}, {"htm": "GET"}),
            ({}, {"htu": idp.issuer + "/token?x"}), ({}, {"jti": "short"}),
            ({}, {"iat": int(time.time()) - 100}), ({}, {"nonce": "x"}),
            ({"jwk": prover.key.export(as_dict=True)}, {}),
            ({}, {"surplus": 1})):
        before = len(control.violations())
        assert api.post("/token", form, headers=prover.proof(
            "POST", "/token", header=header, **claims)).error == (
            "invalid_dpop_proof"), (header, claims)
        assert len(control.violations()) == before + 1
    proof = prover.proof("POST", "/token")
    assert api.post("/token", form, headers=proof).json[
        "token_type"] == "DPoP"
    assert api.post("/token", form, headers=proof).error == (
        "invalid_dpop_proof")  # replayed
    control.quirks(dpop_required=True, approve_immediately="alice")
    assert api.poll(api.start()).error == "invalid_dpop_proof"
    control.quirks(dpop_required="invalid_grant", approve_immediately="alice")
    assert api.poll(api.start()).error == "invalid_grant"
    control.quirks(dpop_downgrade=True, approve_immediately="alice")
    assert api.poll(api.start(), headers=prover.proof(
        "POST", "/token")).json["token_type"] == "Bearer"
    check_nonces(idp, api, control)


def check_nonces(idp, api, control):
    def poll(prover):
        return api.poll(started, headers=prover.proof("POST", "/token"))

    for mode in variants.DPOP_NONCE_VARIANTS:
        control.quirks(dpop_nonce=mode, approve_immediately="alice")
        started, prover = api.start(), Prover(idp.issuer)
        if mode == "huge":
            with pytest.raises(http.client.LineTooLong):
                poll(prover)
            continue
        reply = poll(prover)
        assert reply.error == "use_dpop_nonce", mode
        nonces = reply.headers.get_all("DPoP-Nonce", [])
        assert len(nonces) == {"absent": 0, "doubled": 2}.get(mode, 1)
        if mode == "crlf":
            assert reply.headers["X-Injected"] == "yes"
        if mode in ("required", "rotate", "endless"):
            prover.nonce = nonces[0]
            reply = poll(prover)
            assert (reply.status == 200) == (mode != "endless")
            assert (reply.headers["DPoP-Nonce"] == nonces[0]) == (
                mode == "required")


# -- quirks: client assertions

@shows("assertion_audience")
def test_client_assertions(idp, api, control):
    control.quirks(approve_immediately="alice", interval=0)
    address = idp.issuer + "/device_authorization"

    def start(claims=None, key=RFC7515_KEY, **header):
        return api.post("/device_authorization", {
            "client_id": KEY, "scope": "openid",
            **assertion(address, key, claims, header)})

    assert start().status == 200
    assert control.violations() == []
    bad = [start({"aud": idp.issuer}), start({"iss": "another"}),
           start({"sub": "another"}), start({"exp": int(time.time()) - 1}),
           start({"exp": int(time.time()) + 3600}),
           start({"iat": int(time.time()) - 3600}), start({"jti": "short"}),
           start({"jti": "used-for-the-second-time"}, kid=None),
           start({"extra": 1}), start(typ="dpop+jwt"),
           start(key=jwk.JWK.generate(kty="EC", crv="P-256"))]
    assert {reply.error for reply in bad} == {"invalid_client"}
    once = {"jti": "used-for-the-second-time"}
    assert [start(once).status for _ in range(2)] == [200, 401]
    assert len(control.violations()) == len(bad) + 1
    control.quirks(assertion_audience="issuer")
    assert start({"aud": idp.issuer}).status == 200
    assert start().error == "invalid_client"


# -- quirks: ID token

FINE = {  # variants that a client has to take, or may
    "typ_missing", "kid_missing", "jku", "x5u", "x5c",
    "aud_array", "aud_array_with_us", "azp_right", "nbf_past",
    "at_hash_right", "exp_2100", "auth_time_missing", "auth_time_old",
    "acr_missing", "acr_weak", "amr_string", "overage", "huge_claim",
    "many_items"}


@shows("id_token")
@pytest.mark.parametrize("variant", ID_TOKEN_VARIANTS)
def test_id_token(idp, api, control, variant):
    control.quirks(id_token=variant)
    token = control.id_token("alice", access_token="at-1")
    keys = api.get("/jwks").json
    if variant in FINE:
        assert verify(token, keys, idp.issuer, access_token="at-1")
    else:
        with pytest.raises(Bad):
            verify(token, keys, idp.issuer, access_token="at-1")


def test_id_token_details(api, control):
    """Some variants, looked at closely: bad for the reason they name."""
    keys = {key["kid"]: key for key in api.get("/jwks").json["keys"]}
    control.quirks(id_token="hs256_pem")
    token = control.id_token()
    signed, _, signature = token.rpartition(".")
    pem = jwk.JWK(**keys[header_of(token)["kid"]]).export_to_pem()
    assert signature == b64(
        hmac.new(pem, signed.encode(), hashlib.sha256).digest())
    control.quirks(id_token="weak_rsa")
    token = control.id_token()
    weak = next(key for key in api.get("/jwks").json["keys"]
                if key["kid"] == header_of(token)["kid"])
    signed = jws.JWS()
    signed.deserialize(token)
    assert len(weak["n"]) == 171 and header_of(token)["alg"] == "RS256"
    control.quirks(id_token="embedded_jwk")
    token = control.id_token()
    signed = jws.JWS()
    signed.deserialize(token)
    signed.verify(jwk.JWK(**header_of(token)["jwk"]))
    control.quirks(id_token=["exp_past", "aud_array"])  # combined
    claims = claims_of(control.id_token())
    assert claims["exp"] < time.time() and claims["aud"] == [PUBLIC]
    control.quirks(id_token="omitted", approve_immediately="alice")
    assert "id_token" not in api.poll(api.start()).json


@shows("id_token_alg", "id_token_header", "id_token_claims")
@pytest.mark.parametrize("alg", quirks.ALGORITHMS)
def test_id_token_alg(idp, api, control, alg):
    control.quirks(id_token_alg=alg, id_token_header={"x": 1}, id_token_claims={
        "iat": {"$now": -5}, "name": None, "y": "$ISSUER"})
    token = control.id_token()
    header = header_of(token)
    assert header["alg"] == alg and header["x"] == 1
    claims = verify(token, api.get("/jwks").json, idp.issuer)
    assert "name" not in claims and claims["y"] == idp.issuer


# -- quirks: who the person is

@shows("claims", "groups", "groups_count", "groups_at", "profile_at",
       "userinfo", "userinfo_claims")
def test_identity(api, control):
    control.quirks(claims={"alice": {"preferred_username": "al:ice",
                                     "email": None},
                           "*": {"email_verified": "true"}})
    tokens = api.login()
    info = api.userinfo(tokens["access_token"]).json
    for claims in (claims_of(tokens["id_token"]), info):
        assert claims["preferred_username"] == "al:ice"
        assert "email" not in claims and claims["email_verified"] == "true"
    for groups in ("staff", [["staff"]], {"a": 1}, [1, None]):
        control.quirks(groups=groups)
        assert claims_of(control.id_token())["groups"] == groups
    control.quirks(groups=None)
    assert "groups" not in claims_of(control.id_token())
    for count in (300, 100000):
        control.quirks(groups_count=count)
        assert len(claims_of(control.id_token())["groups"]) == count
    control.quirks(groups_at="userinfo", profile_at="userinfo")
    tokens = api.login()
    assert not {"groups", "email", "name", "preferred_username"} & set(
        claims_of(tokens["id_token"]))
    info = api.userinfo(tokens["access_token"]).json
    assert info["groups"] and info["email"] and info["name"]
    seen = {}
    for variant in variants.USERINFO_VARIANTS:
        control.quirks(userinfo=variant)
        seen[variant] = api.userinfo(tokens["access_token"])
    sub = info["sub"]
    assert seen["sub_mismatch"].json["sub"] != sub
    assert "sub" not in seen["sub_missing"].json
    assert seen["sub_number"].json["sub"] == 42
    assert isinstance(seen["array"].json, list)
    assert seen["string"].json == sub
    assert claims_of(seen["jwt"].body.decode())["sub"] == sub
    control.quirks(userinfo_claims={"sub": "x"})
    assert api.userinfo(tokens["access_token"]).json["sub"] == "x"


def test_every_quirk_is_shown():
    assert SHOWN == set(quirks.TABLE)
