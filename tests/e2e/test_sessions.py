"""The life of sessions and of their tokens: from the grant across sshd, login
and su to the logout, the sweep, and whatever comes in between.

Whose tokens they are on another host, and what binds them to this one:
test_two_hosts.py.
"""

import os
import re
import signal
import time

import pexpect
import pytest

from approve import Idp
from host import Host, free_port, wait_until
from sessions import (BOOT_ID, GRANTS, OFFLINE, REVOKE, STANDINGS, TOKENS,
                      end_quietly, ended, files, lines, one_session, results,
                      revoked, running, start_anew, sweep)

DONE, UNREACHABLE = ("done", "ok"), ("failed", "unreachable")
BOTH = ["refresh_token", "access_token"]
NO_AUDIT_SESSION = "4294967295"
# Of the built-in provider, whatever is around them.
TOKEN = "[ar]t-[A-Za-z0-9_-]{43}"


def set_up(host, idp, **profile):
    host.configure(idp, **{"scope": OFFLINE, **profile})
    for service in ("sshd", "login", "su", "sudo"):
        host.pam(service)
    host.start_sshd()


@pytest.fixture
def host(idp, build):
    with Host(os.path.join(build, "stage")) as host:
        set_up(host, idp)
        yield host


@pytest.fixture
def shell(idp, login):
    """Opens a shell over SSH, approved at the provider."""

    def start(user="alice", control=idp.control, options=()):
        client = login(user, None, options).expect_code()
        control.approve(user, client.code)
        client.press_enter()
        client.child.expect_exact(f"{user}@web1:")
        return client

    return start


class Console:
    """A program on a terminal of the host, in front of a person."""

    def __init__(self, host, command):
        line = host.command("script", "-qec", command, "/dev/null")
        self.child = pexpect.spawn(line[0], line[1:], encoding="utf-8",
                                   timeout=20, dimensions=(60, 100))

    @property
    def code(self):
        self.child.expect(r"Enter  (\S+) +good until")
        return self.child.match.group(1)

    def rest(self):
        self.child.expect(pexpect.EOF)
        return self.child.before


SU = "setpriv --reuid=luke --init-groups --regid=luke su"
LINES = {"login": "login alice", "su": f"{SU} alice", "su-l": f"{SU} - alice"}


@pytest.fixture
def console(host, idp):
    opened = []

    def start(command):
        opened.append(Console(host, command))
        return opened[-1]

    yield start
    for each in opened:
        each.child.close(force=True)


@pytest.fixture
def session_of(host, idp, shell, console):
    """Opens a session of alice by sshd, login or su."""

    def start(program):
        if program == "sshd":
            return shell()
        if program != "login":  # which lets in whom it has seen before
            host.run("useradd", "-m", "luke", check=True)
            log_out(shell())
            end_quietly(host)
        client = console(LINES[program])
        idp.control.approve("alice", client.code)
        client.child.expect_exact("alice@web1:")
        return client

    return start


def log_out(client):
    """Returns how long it took."""
    began = time.monotonic()
    client.child.sendline("exit")
    client.rest()
    return time.monotonic() - began


def nothing_left(host):
    for folder in (TOKENS, REVOKE, GRANTS, STANDINGS):
        assert files(host, folder) == [], folder


def everything_revoked(host, idp):
    end_quietly(host)
    nothing_left(host)
    assert idp.control.live() == []


def pid_of(host, title):
    """A process by its whole command line."""
    found = [line.split(None, 1)[0] for line in
             host.run("ps", "-eo", "pid,args").stdout.splitlines()
             if line.split(None, 1)[1].rstrip() == title]
    assert len(found) == 1, (title, found)
    return found[0]


# From the grant to the logout

@pytest.mark.parametrize("audit", [True, False])
@pytest.mark.parametrize("program", ["sshd", "login", "su", "su-l"])
def test_session(host, idp, session_of, program, audit):
    """One file, private and sealed; the shell has its name and no secret."""
    if not audit:
        host.run("sed", "-i", "/pam_loginuid/d", "/etc/pam.d/sshd",
                 "/etc/pam.d/login", check=True)
    client = session_of(program)
    before = len(revoked(idp))
    session = one_session(host)
    assert session["service"] == program
    assert session["account"] == session["person"] == "alice"
    assert session["has_refresh"] == "1"
    client.child.sendline("echo \"<$DEVAUTH_SESSION,$DEVAUTH_GRANT,$("
                          "cat /proc/self/sessionid)>\"")
    client.child.expect(r"<(\w+),(\w*),(\d+)>\r\n")
    assert client.child.match.group(1, 2) == (session["id"], "")
    assert session["audit"] == client.child.match.group(3)
    if audit and program in ("sshd", "login"):
        assert session["audit"] != NO_AUDIT_SESSION
    else:
        with open("/proc/self/sessionid", encoding="ascii") as file:
            assert session["audit"] == file.read()
    listing = [line.split() for line in host.run(
        "find", TOKENS, STANDINGS, GRANTS, "-printf", "%y%m %f\n"
    ).stdout.splitlines()]
    assert {what for what, _ in listing} == {"d700", "f600"}
    assert [name for what, name in listing if what == "f600"] == [
        session["id"]] * 2
    # In clear nowhere; the first one shows that the search would find it.
    host.write("/run/canary", "at-" + "A" * 43)
    found = host.run("sh", "-c", f"grep -raElE -D skip '{TOKEN}' /var/lib/devauth /run"
                     " /home /etc/devauth /var/cache/devauth; "
                     f"grep -aElE 'DEVAUTH_GRANT[=]|{TOKEN}' "
                     "/proc/[0-9]*/environ /proc/[0-9]*/cmdline")
    assert found.stdout.split() == ["/run/canary"]
    assert not re.search(TOKEN, host.log())
    log_out(client)
    everything_revoked(host, idp)
    assert revoked(idp)[before:] == BOTH
    for event, result in (("open", "allowed"), ("close", "allowed"),
                          ("revoke", "done")):
        assert [line["result"] for line in lines(host, event)
                if line["session"] == session["id"]] == [result]


def test_side_by_side(host, idp, shell):
    """Each session of a person is one of its own, and ends alone."""
    clients = [shell() for _ in range(3)]
    ids = list(running(host))
    assert len(set(ids)) == 3 and len(idp.control.live()) == 3
    log_out(clients[1])
    end_quietly(host)
    assert list(running(host)) == [ids[0], ids[2]]
    assert len(idp.control.live()) == 2
    sweep(host)
    assert list(running(host)) == [ids[0], ids[2]]
    log_out(clients[0])
    log_out(clients[2])
    everything_revoked(host, idp)


# The end

@pytest.fixture
def fleeting(host, tmp_path):
    """A provider of our own, for it goes down."""
    with Idp(str(tmp_path / "idp"), port=free_port()) as idp:
        set_up(host, idp)
        yield idp


@pytest.mark.parametrize("provider", ["up", "slow"])
def test_logout_waits_for_nobody(host, idp, shell, provider):
    """B8: the file is gone at once; the revocation runs behind the answer."""
    client = shell()
    if provider == "slow":
        idp.control.quirks(stall=["revoke"])
    took = log_out(client)
    assert running(host) == {} and took < 2
    end_quietly(host)
    if provider == "slow":
        assert len(ended(host)) == 1
        assert results(host, "revoke") == [UNREACHABLE]
        idp.control.quirks()
        sweep(host, 61)
    everything_revoked(host, idp)


def test_provider_down_at_the_end(host, fleeting, shell):
    """Tried again with back-off, a line each, until it works."""
    client = shell(control=fleeting.control)
    fleeting.stop()
    assert log_out(client) < 2
    assert running(host) == {}
    end_quietly(host)
    assert len(ended(host)) == 1
    failures = 1
    # The first time after a minute, then after two more, then four.
    for later_s, tries in ((0, 0), (30, 0), (75, 1), (150, 0), (240, 1),
                           (400, 0)):
        sweep(host, later_s)
        failures += tries
        assert results(host, "revoke") == [UNREACHABLE] * failures, later_s
    fleeting.start()
    sweep(host, 400)
    assert fleeting.control.requests() == []
    sweep(host, 530)
    assert revoked(fleeting) == BOTH
    assert results(host, "revoke") == [UNREACHABLE] * failures + [DONE]
    nothing_left(host)
    sweep(host, 600)
    assert revoked(fleeting) == BOTH


@pytest.mark.parametrize("victim", ["monitor", "connection", "login", "su-l"])
def test_owner_killed(host, idp, session_of, victim):
    """Nobody calls close_session: the sweep does the rest."""
    session_of({"monitor": "sshd", "connection": "sshd"}.get(victim, victim))
    owner = one_session(host)["owner_pid"]
    before = len(revoked(idp))
    if victim == "monitor":
        assert owner == pid_of(host, "sshd: alice [priv]")
    sweep(host)
    assert one_session(host)["owner_pid"] == owner
    host.run("kill", "-KILL", owner if victim != "connection" else
             pid_of(host, "sshd: alice@pts/0"), check=True)
    wait_until(lambda: host.run("test", "-e", f"/proc/{owner}").returncode,
               what="the owner is gone")
    sweep(host)
    everything_revoked(host, idp)
    assert revoked(idp)[before:] == BOTH
    if victim != "connection":  # whose monitor still says good-bye
        assert results(host, "end") == [DONE]
    assert set(results(host, "revoke")) == {DONE}


def test_power_cut(host, idp, shell):
    """The sessions of another boot are over, and their tokens go back."""
    shell()
    shell("bob")
    was = running(host)
    start_anew(host)
    sweep(host)
    assert results(host, "end") == [DONE] * 2
    assert {line["session"] for line in lines(host, "revoke")} == set(was)
    assert results(host, "revoke") == [DONE] * 2
    assert sorted(revoked(idp)) == sorted(BOTH * 2)
    nothing_left(host)
    assert idp.control.live() == []


def test_boot_id_without_a_name(host, idp, shell):
    """systemd-nspawn gives each boot of a container its own, in a file that it
    lays over the kernel's and then removes."""
    host.write("/run/boot_id", "9c6f5c34-8f0a-4d37-9d3c-0a2f6d7d51ee\n", 0o444)
    host.run("sh", "-ec", f"mount --bind /run/boot_id {BOOT_ID}; "
             "rm /run/boot_id", check=True)
    assert host.run("stat", "-c", "%h", BOOT_ID).stdout == "0\n"
    client = shell()
    assert one_session(host)["boot_id"] == host.read(BOOT_ID).strip()
    sweep(host)
    assert results(host, "end") == []
    log_out(client)
    everything_revoked(host, idp)


# Logins that come to nothing

@pytest.mark.parametrize("by", ["sweep", "next login"])
def test_later_factor_failed(host, idp, login, console, by):
    """Nobody consumes the grant; it expires after two minutes."""
    host.run("sed", "-i", "/pam_devauth/s/^auth.*/auth [success=ok "
             "ignore=ignore default=die] pam_devauth.so\\nauth requisite "
             "pam_deny.so/", "/etc/pam.d/sshd", check=True)
    client = login("alice", options=("-o", "NumberOfPasswordPrompts=1"))
    idp.control.approve("alice", client.expect_code().code)
    client.press_enter()
    client.rest()
    assert client.status == 255
    end_quietly(host)
    assert len(files(host, GRANTS)) == 1 and running(host) == {}
    sweep(host)
    sweep(host, 110)
    assert len(files(host, GRANTS)) == 1 and revoked(idp) == []
    if by == "sweep":
        sweep(host, 125)
    else:
        client = console("unshare --time --boottime 125 login bob")
        idp.control.approve("bob", client.code)
        client.child.expect_exact("bob@web1:")
        wait_until(lambda: files(host, GRANTS) == [], what="no grant is left")
        log_out(client)
        end_quietly(host)
        sweep(host, 125)
    everything_revoked(host, idp)


@pytest.mark.parametrize("why", ["rule", "somebody else"])
def test_refused_after_approval(host, idp, login, why):
    """The tokens go back behind the refusal; nothing is kept."""
    if why == "rule":
        host.configure(idp, scope=OFFLINE, allowed_groups="elsewhere")
    client = login("alice").expect_code()
    idp.control.approve("alice" if why == "rule" else "bob", client.code)
    client.press_enter()
    assert "may not log in" in client.rest() and client.status == 255
    everything_revoked(host, idp)
    assert revoked(idp) == BOTH
    assert results(host, "revoke") == [DONE]
    assert host.listing("/var/lib/devauth/people") == []


@pytest.mark.parametrize("binding", ["sealed", "require-dpop"])
def test_error_and_tokens(host, idp, login, binding):
    """D7: tokens beside an error count for nothing, and go back as well."""
    host.configure(idp, scope=OFFLINE, binding=binding)
    client = login("alice").expect_code()
    idp.control.quirks(token_error_and_token=True)
    idp.control.approve("alice", client.code)
    client.press_enter()
    client.rest()
    assert client.status == 255
    everything_revoked(host, idp)
    assert revoked(idp) == BOTH
    assert results(host, "revoke") == [DONE]


@pytest.mark.parametrize("how", ["Ctrl-C", "killed"])
def test_client_gone_after_approval(host, idp, login, how):
    """D6: the tokens are there, the person is not."""
    client = login("alice").expect_code()
    idp.control.approve("alice", client.code)
    idp.control.wait_until(lambda state: state["grants"], what="tokens")
    if how == "Ctrl-C":
        client.child.sendintr()
    else:
        client.child.kill(signal.SIGKILL)
    wait_until(lambda: revoked(idp) == BOTH, what="the revocation")
    everything_revoked(host, idp)


def test_host_going_down_after_approval(host, idp, login):
    """SIGTERM reaches the broker ahead of the end of its program: nobody else
    knows the tokens."""
    client = login("alice").expect_code()
    idp.control.approve("alice", client.code)
    idp.control.wait_until(lambda state: state["grants"], what="tokens")
    wait_until(lambda: not host.processes("devauth-worker"),
               what="the broker has them")
    broker, = host.processes("devauth-broker")
    host.run("kill", "-TERM", str(broker), check=True)
    time.sleep(0.2)
    client.child.kill(signal.SIGKILL)
    everything_revoked(host, idp)
    assert revoked(idp) == BOTH


def test_profile_gone(host, idp, shell):
    """Nobody knows any more where to take the tokens: the file goes, and a line
    says so."""
    client = shell()
    host.run("sed", "-i", "s/profile test/profile other/",
             "/etc/devauth/devauth.conf", check=True)
    sweep(host)
    assert len(running(host)) == 1
    log_out(client)
    end_quietly(host)
    nothing_left(host)
    assert revoked(idp) == [] and len(idp.control.live()) == 1
    assert results(host, "revoke") == [("failed", "bad-configuration")]
