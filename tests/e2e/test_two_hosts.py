"""Whose tokens they are: files of one host on another, changed ones, old ones,
a host that has lost its secret; and what binds tokens to the host at the
provider."""

import json
import os
import re
import subprocess
import urllib.parse

import pytest

from jwcrypto import jwk

from approve import Idp
from client import Login
from host import Host
from sessions import (GRANTS, KEYS, OFFLINE, RUN, STATE, TOKENS,
                      be_machine, end_quietly, ended, files, lines,
                      one_session, results, revoked, running, sweep)
from test_sessions import (  # noqa: F401 (fixtures)
    BOTH, DONE, everything_revoked, log_out, nothing_left, shell)
from test_sweep import expire_soon, refreshes, wait_until_due

SUDO = {"service sudo": {"reauth": "session", "reauth_max_age": "1h"}}
ASK_PROVIDER = {"service sudo": {"reauth": "provider", "reauth_max_age": "0s"}}
WEB2 = "0123456789abcdef0123456789abcdef"
UUIDS = ("9a7c0f3e-5d1b-4b6e-8c55-2f0e4f0f8a01",
         "9a7c0f3e-5d1b-4b6e-8c55-2f0e4f0f8a02")
SECRET = f"{KEYS}/host.secret"
DPOP_KEY = f"{KEYS}/signing-key.pem"


def set_up(host, idp, sections=SUDO, **profile):
    host.configure(idp, sections=sections, **{"scope": OFFLINE, **profile})
    for service in ("sshd", "sudo"):
        host.pam(service)
    host.write("/etc/sudoers.d/test", "Defaults timestamp_timeout=0\n"
               "alice ALL=(ALL) ALL\n", 0o440)
    host.start_sshd()


@pytest.fixture
def host(idp, build):
    with Host(os.path.join(build, "stage")) as host:
        set_up(host, idp)
        yield host


@pytest.fixture
def other(idp, build):
    """A second machine, with a network of its own."""
    port = urllib.parse.urlsplit(idp.issuer).port
    with Host(os.path.join(build, "stage"), "web2", door=port) as other:
        set_up(other, idp)
        yield other


def copy_state(host, other):
    """All that we have of the one, on the other; the same people log in."""
    pack = subprocess.run(host.command("tar", "-C", "/", "-c", STATE[1:],
                                       RUN[1:]), check=True,
                          stdout=subprocess.PIPE).stdout
    subprocess.run(other.command("tar", "-C", "/", "-xp"), check=True,
                   input=pack)


def token_requests(idp):
    """Those that show a token, or ask for one by a token."""
    return [one["endpoint"] for one in idp.control.requests()
            if one["endpoint"] in ("revoke", "introspect", "userinfo")
            or one["form"].get("grant_type") == "refresh_token"]


def is_asked(client):
    """Whether sudo wants a new sign-in; then it is broken off."""
    client.child.sendline("sudo -k; sudo id -u; echo \"<$?>\"")
    found = client.child.expect([r"Enter  \S+ +good until", r"<0>\r\n"])
    if found == 0:
        client.child.sendintr()
        client.child.expect(r"<1\d*>\r\n")
    return found == 0


def complaints(host):
    """What was said of sessions that do not open."""
    return [(line["reason"], line["detail"])
            for line in lines(host, "session")]


# Another machine

@pytest.mark.parametrize("differs", ["machine id", "product uuid"])
def test_copied_to_another_host(host, other, idp, login, shell, differs):
    """B1: nothing of it is of use there, and the log says whose it is."""
    be_machine(host, product_uuid=UUIDS[0])
    be_machine(other, product_uuid=UUIDS[1])
    if differs == "machine id":
        be_machine(other, machine_id=WEB2)
    client = shell()
    session = one_session(host)
    with Login(other, "alice", None).expect_code() as there:
        idp.control.approve("alice", there.code)
        there.press_enter()
        there.child.expect_exact("alice@web2:")
        own = one_session(other)["id"]
        assert not is_asked(there)
        # In the place of the session that is there.
        copy_state(host, other)
        other.run("mv", f"{TOKENS}/{session['id']}", f"{TOKENS}/{own}",
                  check=True)
        assert is_asked(there)
        (reason, detail), = complaints(other)
        if differs == "machine id":
            assert reason == "sealed-elsewhere"
            assert re.fullmatch(
                rf"this token belongs to host web1, session {session['audit']},"
                r" begun [-\d]+ [\d:]+; it is of no use on another host",
                detail)
        copy_state(host, other)
    end_quietly(other)
    assert token_requests(idp) == []
    # Nor does the sweep use them there: with the name they had, and running.
    other.run("rm", "-rf", TOKENS, check=True)
    copy_state(host, other)
    sweep(other)
    assert token_requests(idp) == []
    assert running(other) == {} and ended(other) == []
    line, = [line for line in lines(other, "revoke")
             if line["session"] == session["id"]]
    assert line["result"] == "failed"
    if differs == "machine id":
        assert f"belongs to host web1, session {session['audit']}," in line[
            "detail"]
    else:
        assert line["reason"] == "seal-broken"
    # At home all is as it was.
    assert not is_asked(client)
    log_out(client)
    end_quietly(host)
    assert revoked(idp) == BOTH
    nothing_left(host)


def test_grant_copied_to_another_host(host, other, idp, login):
    """A grant whose session is missing, with all that belongs to it."""
    host.run("sed", "-i", "/pam_devauth/s/^auth.*/auth [success=ok "
             "ignore=ignore default=die] pam_devauth.so\\nauth requisite "
             "pam_deny.so/", "/etc/pam.d/sshd", check=True)
    be_machine(other, machine_id=WEB2)
    client = login("alice", options=("-o", "NumberOfPasswordPrompts=1"))
    idp.control.approve("alice", client.expect_code().code)
    client.press_enter()
    client.rest()
    end_quietly(host)
    copy_state(host, other)
    assert len(files(other, GRANTS)) == 1
    # Damaged for all that is known there: the file's own age counts.
    other.run("sh", "-c", f"touch -d '-5 minutes' {GRANTS}/*", check=True)
    sweep(other, 125)
    assert token_requests(idp) == [] and files(other, GRANTS) == []
    sweep(host, 125)
    everything_revoked(host, idp)


# Changed files of this host

CHANGED = {
    "header": "sed -i s/^tty=ssh/tty=tty/ $1",
    "uid": "sed -i s/^uid=.*/uid=0/ $1",
    "serial": "sed -i s/^serial=1/serial=9/ $1",
    "salt": "sed -i 's/^salt=..../salt=0000/' $1",
    "nonce": "sed -i 's/^nonce=..../nonce=0000/' $1",
    "key unknown": "sed -i 's/^key=.*/key=0000000000000000/' $1",
    "longer": "echo >>$1",
    "no body": "sed -i '/^$/q' $1",
    "tag of 0": "truncate -s -16 $1",
    "tag of 4": "truncate -s -12 $1",
    "tag of 8": "truncate -s -8 $1",
    "tag of 12": "truncate -s -4 $1",
    "tag of 15": "truncate -s -1 $1",
    "other body": "a=$(wc -c <$1); sed '/^$/q' $1 >$1.new; "
                  "tail -c $((a - $(wc -c <$1.new))) $2 >>$1.new; "
                  "mv $1.new $1",
    "another session's": "cat $2 >$1",
    "cut": "truncate -s 300 $1",
    "empty": ": >$1",
}
NOT_SEALED = {"another session's": "sealed-elsewhere", "cut": "syntax",
              "empty": "syntax", "uid": "sealed-elsewhere"}


def test_changed_files(host, idp, shell):
    """B5: each change ends in a new sign-in, with one text for all that the
    seal finds; no token is shown to anybody."""
    client, _ = shell(), shell()
    session, second = (f"{TOKENS}/{name}" for name in running(host))
    host.run("cp", "-p", session, "/srv/good", check=True)
    assert not is_asked(client)
    said = {}
    for what, command in CHANGED.items():
        count = len(complaints(host))
        host.run("sh", "-ec", f"umask 077; {command}", "sh", session, second,
                 check=True)
        host.run("chmod", "600", session, check=True)
        assert host.run("cmp", session, "/srv/good").returncode == 1, what
        assert is_asked(client), what
        said[what], = complaints(host)[count:]
        host.run("cp", "-p", "/srv/good", session, check=True)
        host.run("rm", "-f", f"{RUN}/limits", check=True)
    sealed = {said[what] for what in CHANGED if what not in NOT_SEALED}
    assert len(sealed) == 1 and sealed.pop()[0] == "seal-broken"
    assert said["another session's"][0] == "sealed-elsewhere"
    assert not is_asked(client)
    assert token_requests(idp) == []
    # The sweep does not try what is changed, either.
    host.run("sh", "-ec", CHANGED["header"], "sh", session, check=True)
    log_out(client)
    end_quietly(host)
    assert token_requests(idp) == [] and ended(host) == []
    assert results(host, "revoke") == [("failed", "seal-broken")]


def test_older_copy(host, idp, shell):
    """B3: what was put back does not open, and its spent token is not used."""
    expire_soon(idp)
    client = shell()
    session = one_session(host)
    path = f"{TOKENS}/{session['id']}"
    host.run("cp", "-p", path, "/srv/old", check=True)
    wait_until_due(session)
    sweep(host)
    assert refreshes(idp) == 1
    assert not is_asked(client)
    host.run("cp", "-p", "/srv/old", path, check=True)
    assert is_asked(client)
    (reason, detail), = complaints(host) or [("session-ended", "older copy")]
    assert reason == "session-ended" and "older copy" in detail
    sweep(host)
    log_out(client)
    end_quietly(host)
    # And behind the end: the mark of it is of this boot.
    host.run("cp", "-p", "/srv/old", path, check=True)
    sweep(host)
    nothing_left(host)
    assert refreshes(idp) == 1
    assert not any(one["reuse_detected"]
                   for one in idp.control.state()["grants"])


# The host's secret

def usable(host, idp, shell):
    """A login with its tokens works, from the first to the last."""
    before = len(revoked(idp))
    client = shell()
    assert not is_asked(client)
    log_out(client)
    end_quietly(host)
    assert revoked(idp)[before:] == BOTH


def test_secret_lost(host, idp, shell):
    """B10: what was sealed under it is dropped; new logins work."""
    client = shell()
    host.run("rm", SECRET, check=True)
    assert is_asked(client)
    log_out(client)
    end_quietly(host)
    assert token_requests(idp) == []
    nothing_left(host)
    assert results(host, "revoke") == [("failed", "seal-broken")]
    usable(host, idp, shell)


def test_secret_rotated(host, idp, shell):
    """Old tokens are good until the old secret goes."""
    expire_soon(idp)
    client = shell()
    was = one_session(host)
    host.run("devauth", "keys", "rotate", check=True)
    assert not is_asked(client)
    wait_until_due(was)
    sweep(host)
    assert one_session(host)["key"] != was["key"] and refreshes(idp) == 1
    # An older one goes once nothing needs it; here while something does.
    host.run("devauth", "keys", "rotate", check=True)
    head, newest = host.read(SECRET).splitlines()[:2]
    host.write(SECRET, f"{head}\n{newest}\n", 0o600)
    assert is_asked(client)
    log_out(client)
    end_quietly(host)
    assert revoked(idp) == []
    nothing_left(host)
    idp.control.quirks()
    usable(host, idp, shell)


@pytest.mark.parametrize("wrong", ["chmod 644", "chown games", "truncate -s 50",
                                   "ln -f {0} {0}.more; true"])
def test_secret_unusable(host, idp, login, shell, wrong):
    """Logins go on without tokens, which are revoked at once; the log tells
    the cure, and nothing is made anew over it."""
    first = shell()
    host.run("cp", "-p", SECRET, "/srv/secret", check=True)
    host.run("sh", "-c", wrong.format(SECRET) + " " + SECRET, check=True)
    broken = host.run("sha256sum", SECRET).stdout
    client = login("alice", None).expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    client.child.expect_exact("alice@web1:")
    end_quietly(host)
    assert revoked(idp) == BOTH and len(idp.control.live()) == 1
    assert len(running(host)) == 1
    line, = lines(host, "seal")
    assert line["result"] == "failed" and "host.secret" in line["detail"]
    assert is_asked(first)
    log_out(client)
    log_out(first)
    end_quietly(host)
    assert len(ended(host)) == 1
    sweep(host, check=False)
    assert host.run("sha256sum", SECRET).stdout == broken
    assert revoked(idp) == BOTH
    # Put right, it all goes on.
    host.run("sh", "-c", f"rm -f {SECRET}*; cp -p /srv/secret {SECRET}",
             check=True)
    sweep(host)
    assert idp.control.live() == []
    usable(host, idp, shell)


# Bound at the provider (B6: its check is strict, and the fixture wants no
# violation)

@pytest.mark.parametrize("nonce", [None, "rotate"])
@pytest.mark.parametrize("binding", ["require-dpop", "prefer-dpop"])
def test_bound(host, idp, shell, binding, nonce):
    """Login, renewal, sudo and logout with proofs."""
    quirks = {"dpop_nonce": nonce} if nonce else {}
    set_up(host, idp, ASK_PROVIDER, binding=binding,
           provider_check="userinfo")
    expire_soon(idp, dpop_required=True, **quirks)
    client = shell()
    key = jwk.JWK.from_pem(host.read(DPOP_KEY).encode())
    grant, = idp.control.state()["grants"]
    assert grant["jkt"] == key.thumbprint()
    wait_until_due(one_session(host))
    sweep(host)
    assert results(host, "refresh") == [DONE]
    assert not is_asked(client)
    assert lines(host, "auth")[-1]["by"] == "provider-check"
    assert idp.control.requests("userinfo")[-1]["status"] == 200
    # A session keeps what it began with, whatever is configured.
    set_up(host, idp, ASK_PROVIDER, binding="sealed")
    assert not is_asked(client)
    grant, = idp.control.state()["grants"]
    assert grant["refreshes"] == 3 and grant["active"]
    for one in idp.control.requests():
        if one["endpoint"] in ("token", "userinfo"):
            assert one["dpop"], one
    client.child.sendline("exit")
    client.rest()
    everything_revoked(host, idp)


def test_downgrade_refused(host, idp, login):
    """D16: a Bearer token where a bound one is due lets nobody in, and is taken
    back."""
    set_up(host, idp, binding="require-dpop")
    idp.control.quirks(dpop_downgrade=True)
    client = login("alice").expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    client.rest()
    assert client.status == 255
    end_quietly(host)
    assert idp.control.state()["grants"] != []
    everything_revoked(host, idp)


def test_provider_without_dpop(host, idp, login, shell):
    """It does what any does that has never heard of it."""
    idp.control.quirks(dpop_downgrade=True, discovery={
        "dpop_signing_alg_values_supported": None})
    set_up(host, idp, binding="prefer-dpop")
    client = shell()
    grant, = idp.control.state()["grants"]
    assert grant["jkt"] is None
    assert not any(one["dpop"] for one in idp.control.requests())
    log_out(client)
    everything_revoked(host, idp)


def test_downgraded_later(host, idp, shell):
    """A bound session stays one: Bearer tokens at a renewal are none for it."""
    set_up(host, idp, ASK_PROVIDER, binding="prefer-dpop")
    expire_soon(idp)
    client = shell()
    wait_until_due(one_session(host))
    # A provider that forgets what the first ones were bound to.
    expire_soon(idp, token_type="Bearer")
    sweep(host)
    end_quietly(host)
    assert results(host, "refresh") == [("failed", "bad-id-token")]
    assert one_session(host)["has_refresh"] == "0"
    assert idp.control.live() == []
    idp.control.quirks()
    assert is_asked(client)
    log_out(client)
    everything_revoked(host, idp)


def test_dpop_key_lost(host, idp, shell):
    """Tokens that are bound to another key are of no use: they go back."""
    set_up(host, idp, ASK_PROVIDER, binding="require-dpop")
    expire_soon(idp)
    client = shell()
    host.run("rm", DPOP_KEY, check=True)
    wait_until_due(one_session(host))
    sweep(host)
    end_quietly(host)
    assert refreshes(idp) == 0
    assert results(host, "refresh") == [("failed", "absent")]
    assert one_session(host)["has_refresh"] == "0"
    assert revoked(idp) == BOTH and idp.control.live() == []
    assert is_asked(client)
    log_out(client)
    everything_revoked(host, idp)


@pytest.mark.parametrize("binding", ["sealed", "require-dpop"])
@pytest.mark.parametrize("audience", ["endpoint", "issuer"])
def test_private_key_jwt(host, shell, tmp_path, audience, binding):
    """The client proves itself by the host's key, as "devauth keys" prints it
    for the provider to register: login, renewal, sudo, logout."""
    printed, _ = json.JSONDecoder().raw_decode(
        host.run("devauth", "keys", "show", check=True).stdout)
    accounts = tmp_path / "accounts.json"
    accounts.write_text(json.dumps({"clients": {"devauth-web1": {
        "auth": "key", "jwk": {
            name: printed[name] for name in ("kty", "crv", "x", "y")}}}}))
    with Idp(str(tmp_path / "idp"), accounts=str(accounts)) as idp:
        log_in_by_key(host, idp, shell, audience, binding)
        assert idp.control.violations() == []


def log_in_by_key(host, idp, shell, audience, binding):
    set_up(host, idp, ASK_PROVIDER, client_id="devauth-web1",
           client_auth="private_key_jwt", assertion_audience=audience,
           binding=binding)
    expire_soon(idp, assertion_audience=audience)
    client = shell(control=idp.control)
    wait_until_due(one_session(host))
    sweep(host)
    assert results(host, "refresh") == [DONE]
    assert not is_asked(client)
    client.child.sendline("exit")
    client.rest()
    everything_revoked(host, idp)
    assert revoked(idp) == BOTH and refreshes(idp) == 2
    for one in idp.control.requests():
        if one["method"] == "POST":
            assert one["auth"] == "private_key_jwt", one
            assert one["error"] in (None, "authorization_pending"), one
