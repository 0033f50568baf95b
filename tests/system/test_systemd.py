"""The units under a real systemd, and sessions beside its logind."""

import re
import time

import pytest

from client import Login
from host import wait_until
from machine import Machine, Unbootable
from sessions import (BOOT_ID, OFFLINE, end_quietly, ended, lines, one_session,
                      results, revoked, running)

BOTH = ["refresh_token", "access_token"]
DONE = ("done", "ok")


@pytest.fixture
def host(build, idp):
    machine = Machine(f"{build}/stage", int(idp.issuer.rpartition(":")[2]))
    try:
        machine.start()
    except Unbootable as error:
        pytest.skip(f"no systemd can be booted here: {error}")
    try:
        machine.configure(idp, scope=OFFLINE)
        machine.pam("sshd")
        machine.start_sshd()
        yield machine
    finally:
        machine.stop()


@pytest.fixture
def shell(host, idp):
    """Starts a login that stays, as a person, with something in the background
    that no hang-up reaches; ends it after the test."""
    clients = []

    def start(user):
        client = Login(host, user, "setsid -f sleep 1000 >/dev/null 2>&1; "
                       "echo in; exec sleep 1000").expect_code()
        clients.append(client)
        idp.control.approve(user, client.code)
        client.press_enter()
        client.child.expect_exact("in\r\n")
        return client

    yield start
    for client in clients:
        client.child.close(force=True)


def systemctl(host, *arguments, status=0):
    result = host.run("systemctl", *arguments)
    assert result.returncode == status, result.stdout + result.stderr + \
        host.log()[-3000:]
    return result.stdout


def show(host, unit, what):
    return systemctl(host, "show", "--value", "-p", what, unit).strip()


def of(host, user):
    """The only session of somebody."""
    found, = [one for one in running(host).values() if one["account"] == user]
    return found


def test_logind(host, idp, shell):
    """logind counts by the same session of the kernel; when it ends one, the
    tokens are revoked, by the logout or by the sweep."""
    client = shell("alice")
    session = one_session(host)
    assert session["boot_id"] == host.read(BOOT_ID).strip()
    listed = host.run("loginctl", "list-sessions", "--no-legend").stdout
    assert [line.split()[:3] for line in listed.splitlines()] == [
        [session["audit"], session["uid"], "alice"]]
    # The name service answers systemd's own processes, too.
    assert show(host, f"user@{session['uid']}.service",
                "ActiveState") == "active"
    host.run("loginctl", "terminate-session", session["audit"], check=True)
    client.rest()
    wait_until(lambda: not host.run("loginctl", "list-sessions",
                                    "--no-legend").stdout, what="it is gone")
    end_quietly(host)
    systemctl(host, "start", "devauth-sweep.service")
    assert running(host) == {} and ended(host) == []
    assert revoked(idp) == BOTH and idp.control.live() == []


def test_sweep_service(host, idp, shell):
    """Sees which sessions are over, reaches the provider, ends processes; a
    stop in between is no failure and loses nothing."""
    for user in ("alice", "bob"):
        shell(user)
    alice, bob = of(host, "alice"), of(host, "bob")
    host.run("rm", "-r", "/var/cache/devauth", check=True)
    systemctl(host, "start", "devauth-sweep.service")
    assert host.run("stat", "-c", "%a", "/var/cache/devauth").stdout == "700\n"
    assert len(running(host)) == 2 and lines(host, "end") == []

    host.run("kill", "-KILL", alice["owner_pid"], check=True)
    idp.control.quirks(delay={"revoke": 0.5})
    systemctl(host, "start", "--no-block", "devauth-sweep.service")
    wait_until(lambda: lines(host, "end"), what="it has begun")
    systemctl(host, "stop", "devauth-sweep.service")
    assert show(host, "devauth-sweep.service", "Result") == "success"
    idp.control.quirks()
    if ended(host):  # unless it was done with them
        systemctl(host, "start", "devauth-sweep.service")
    assert list(running(host)) == [bob["id"]] and ended(host) == []
    assert {one["username"] for one in idp.control.live()} == {"bob"}
    for event in ("end", "revoke"):
        assert [(line["result"], line["session"]) for line in
                lines(host, event)] == [("done", alice["id"])]


def test_sweep_service_ends_processes(host, idp, shell):
    host.configure(idp, scope=OFFLINE, on_revoked="terminate")
    # The service does not belong to the group that sees all the same.
    host.run("mount", "-o", "remount,hidepid=invisible,gid=65534",
             "/proc", check=True)
    idp.control.quirks(access_expires_in=2)
    client = shell("alice")
    session = one_session(host)
    idp.control.disable("alice")
    time.sleep(max(0, int(session["verified_at_s"]) + 1.1 - time.time()))
    systemctl(host, "start", "devauth-sweep.service")
    client.rest()
    assert results(host, "terminate") == [DONE]
    assert [line["reason"] for line in lines(host, "refresh")] == [
        "refresh-rejected"]
    end_quietly(host)
    assert running(host) == {} and host.processes("sleep") == []


def test_timer_and_path(host, idp):
    """Both are there after a start; each change of the configuration counts,
    however quickly one follows the other."""
    for unit in ("devauth-sweep.timer", "devauth-config.path"):
        systemctl(host, "enable", "--now", unit)
        assert show(host, unit, "ActiveState") == "active"
    assert show(host, "devauth-sweep.timer", "NextElapseUSecRealtime")
    text = host.read("/etc/devauth/devauth.conf")
    for number in range(6):
        host.write("/root/new", text + f"[group team{number}]\n"
                   f"gid = {5000 + number}\nfrom = {number}\n")
        host.run("sh", "-ec", "cd /etc/devauth; echo >>devauth.conf; "
                 f"sleep 0.0{number * 5}; cp /root/new devauth.conf",
                 check=True)
        wait_until(lambda n=number: re.match(
            rf"team{n}:\*:{5000 + n}:\n",
            host.run("getent", "group", f"team{n}").stdout),
            what=f"team{number} is a group")
    host.run("sh", "-c", "echo nonsense >>/etc/devauth/devauth.conf",
             check=True)
    wait_until(lambda: show(host, "devauth-config.service", "Result")
               == "exit-code", what="it fails")
    assert "neither" in host.log()
    assert show(host, "devauth-config.path", "ActiveState") == "active"
