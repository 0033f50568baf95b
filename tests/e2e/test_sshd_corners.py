"""sshd's corners: what a login leaves behind when it ends in an odd way.

The plain ways, the password method, BatchMode, AuthenticationMethods
publickey,keyboard-interactive, two logins of one person, a client killed at the
prompt: test_ssh.py.
"""

import os
import re
import signal
import time

import pexpect
import pytest

from host import PROMPT, wait_until
from test_ssh import ONCE, key_for, nothing_written, sign_in

ALLOWED = ("auth", "allowed", "ok")
CANCELLED = ("auth", "cancelled", "cancelled")
ACCOUNT_ALLOWED = ("account", "allowed", "ok")
OPENED = ("open", "allowed", "ok")
CLOSED = ("close", "allowed", "ok")
REVOKED = ("revoke", "done", "ok")
LOGIN = [ALLOWED, ACCOUNT_ALLOWED, OPENED, CLOSED, REVOKED]
SWEEP = ("/usr/libexec/devauth/devauth-broker", "sweep")

AT_THE_PROMPT, AFTER_ENTER = "at-the-prompt", "after-enter"
moment = pytest.mark.parametrize("moment", [AT_THE_PROMPT, AFTER_ENTER])


def sshd_processes(host):
    """The processes of sshd's connections: title -> pid."""
    listing = host.run(
        "sh", "-c", "for p in /proc/[0-9]*; do "
        "echo ${p#/proc/} $(tr '\\0' ' ' <$p/cmdline 2>/dev/null); done")
    found = {}
    for line in listing.stdout.splitlines():
        match = re.match(r"(\d+) sshd: (\S+ \[\w+\])", line)
        if match:
            found[match.group(2)] = int(match.group(1))
    return found


def helpers_end(host):
    """Within a second, though they have a session of their own."""
    wait_until(lambda: not host.helpers(), 1, "our processes are gone")


def polls_have_stopped(idp):
    """Not one poll in more than two intervals."""
    polls = len(idp.control.requests("token"))
    time.sleep(2.2)
    assert len(idp.control.requests("token")) == polls


def decisions(host, count):
    """The audit lines, as many as there have to be."""

    def lines():
        return [(line["event"], line["result"], line["reason"])
                for line in host.audit()]

    wait_until(lambda: len(lines()) >= count, 2, f"{count} audit lines")
    assert len(lines()) == count
    return lines()


def codes(idp):
    return len(idp.control.requests("device_authorization"))


def up_to(login, moment, user="alice"):
    """A login that waits: before Enter, or after an early one."""
    client = login(user, options=ONCE).expect_code()
    if moment == AFTER_ENTER:
        client.press_enter()
        client.child.expect_exact("\r\n")  # ssh has taken the line
    return client


def approve(idp, client, user="alice"):
    idp.control.approve(user, client.code)
    client.press_enter()


# Copying files

@pytest.fixture
def transfer(host):
    """scp or sftp under a terminal."""
    started = []

    def start(program, *arguments):
        options = host.ssh_command("alice")[1:-1]
        options[options.index("-p")] = "-P"
        child = pexpect.spawn(program, [*options, *arguments],
                              encoding="utf-8", timeout=20)
        started.append(child)
        return child

    yield start
    for child in started:
        child.close(force=True)


def test_sftp(host, idp, transfer, tmp_path):
    """The same prompt, then a working session."""
    (tmp_path / "here").write_text("some text\n")
    child = transfer("sftp", "alice@127.0.0.1")
    child.expect_exact(PROMPT)
    idp.control.approve(
        "alice", re.search(r"Enter  (\S+)", child.before).group(1))
    child.send("\r")
    child.expect_exact("sftp> ")
    child.sendline(f"put {tmp_path}/here there")
    child.expect_exact("100%")
    child.expect_exact("sftp> ")
    child.sendline("bye")
    child.expect(pexpect.EOF)
    assert host.read("/home/alice/there") == "some text\n"
    host.all_revoked(idp)
    assert decisions(host, 5) == LOGIN


def test_scp(host, idp, transfer, tmp_path):
    (tmp_path / "here").write_text("some text\n")
    child = transfer("scp", str(tmp_path / "here"), "alice@127.0.0.1:there")
    child.expect_exact(PROMPT)
    idp.control.approve(
        "alice", re.search(r"Enter  (\S+)", child.before).group(1))
    child.send("\r")
    child.expect(pexpect.EOF)
    assert host.read("/home/alice/there") == "some text\n"
    host.all_revoked(idp)
    assert decisions(host, 5) == LOGIN


@pytest.mark.parametrize("arguments", [
    ("scp", "-oBatchMode=yes", "/etc/hostname", "alice@127.0.0.1:"),
    ("sftp", "-oBatchMode=yes", "alice@127.0.0.1"),
    # -b turns on BatchMode.
    ("sftp", "-b", "/dev/null", "alice@127.0.0.1"),
])
def test_batch_mode(host, idp, transfer, arguments):
    """T9: programs without a person: not one request, no audit line."""
    child = transfer(*arguments)
    child.expect_exact("Permission denied")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 255
    assert idp.control.requests() == []
    decisions(host, 0)


# How often

def test_max_auth_tries(host, idp, login):
    """A login that cannot succeed: as often as sshd allows."""
    host.configure(idp, devauth={"remote": "deny"})
    host.start_sshd(MaxAuthTries=2)
    client = login("alice")
    text = client.rest()
    assert text.count("Sign-in is not possible here for this name.") == 2
    assert "Too many authentication failures" in text
    assert client.status == 255
    assert decisions(host, 2) == [("auth", "refused", "remote-policy")] * 2
    host.nothing_left()
    nothing_written(host)


@pytest.mark.parametrize("trouble, says, reason", [
    ("down", "Cannot reach localhost (connection refused).", "unreachable"),
    ("nonsense", "localhost sent an answer that cannot be used", "bad-answer"),
    ("configuration", "Sign-in does not work on this host now.",
     "bad-configuration"),
])
def test_trouble_is_told_once(host, idp, login, trouble, says, reason):
    """Asking again would help nobody: ssh asks three times otherwise. It is an
    attempt as any other, and no way in is left."""
    if trouble == "down":
        host.configure(idp, issuer="https://localhost:1")
    elif trouble == "nonsense":
        idp.control.quirks(endpoint={"device_authorization": {"body": "no"}})
    else:
        host.write("/etc/devauth/devauth.conf", "nonsense\n")
    client = login("alice")
    text = client.rest()
    assert text.count(says) == 1
    assert PROMPT not in text and "assword" not in text
    assert "Permission denied (publickey)." in text and client.status == 255
    assert decisions(host, 1) == [("auth", "refused", reason)]
    assert host.log().count("Failed keyboard-interactive/pam for alice") == 1
    host.nothing_left()
    nothing_written(host)


def test_trouble_counts_as_an_attempt(host, idp, login):
    host.configure(idp, issuer="https://localhost:1")
    host.start_sshd(MaxAuthTries=1)
    text = login("alice").rest()
    assert text.count("Cannot reach localhost (connection refused).") == 1
    assert "Too many authentication failures" in text


def test_codes_of_one_connection(host, idp, login):
    """X3: an insistent client gets one code; a failure of ours is final."""
    client = login("alice", options=("-o", "NumberOfPasswordPrompts=10"))
    client.expect_code()
    for pid in host.processes("devauth-worker"):
        host.run("kill", "-KILL", str(pid), check=True)
    client.press_enter()
    text = client.rest()
    assert text.count("Sign-in does not work on this host now.") == 1
    assert PROMPT not in text and client.status == 255
    assert codes(idp) == 1
    assert decisions(host, 1) == [("auth", "refused", "worker-failed")]
    host.nothing_left()


def test_insistent_client_after_a_refusal(host, idp, login):
    """D7: a final refusal is final for the connection."""
    client = login("alice", options=("-o", "NumberOfPasswordPrompts=10"))
    client.expect_code()
    idp.control.deny(client.code)
    client.press_enter()
    text = client.rest()
    assert text.count("The sign-in was denied.") == 1
    assert PROMPT not in text and client.status == 255
    assert codes(idp) == 1
    assert decisions(host, 1) == [("auth", "refused", "denied")]
    host.nothing_left()


# Ends in the middle

@moment
def test_login_grace_time(host, idp, login, moment):
    """G3: sshd gives up before login_deadline does."""
    host.start_sshd(LoginGraceTime=4)
    client = up_to(login, moment)
    wait_until(lambda: not sshd_processes(host), 8, "sshd gave up")
    helpers_end(host)
    assert decisions(host, 1) == [CANCELLED]
    idp.control.approve("alice", client.code)
    polls_have_stopped(idp)
    host.nothing_left()
    nothing_written(host)
    if moment == AT_THE_PROMPT:
        client.press_enter()  # until then ssh does not look
    assert "Connection closed" in client.rest()
    assert client.status == 255


@moment
def test_monitor_killed(host, idp, login, moment):
    """G1: sshd's monitor dies; its child must not wait on, or be let in."""
    client = up_to(login, moment)
    host.run("kill", "-KILL", str(sshd_processes(host)["alice [priv]"]),
             check=True)
    helpers_end(host)
    wait_until(lambda: "alice [pam]" not in sshd_processes(host), 1,
               "sshd's conversation is gone")
    assert decisions(host, 1) == [CANCELLED]
    idp.control.approve("alice", client.code)
    polls_have_stopped(idp)
    host.nothing_left()
    nothing_written(host)


@moment
@pytest.mark.parametrize("name", ["TERM", "KILL"])
def test_conversation_killed(host, idp, login, moment, name):
    """G1: the process that our module is in."""
    client = up_to(login, moment)
    host.run("kill", f"-{name}", str(sshd_processes(host)["alice [pam]"]),
             check=True)
    helpers_end(host)
    assert decisions(host, 1) == [CANCELLED]
    idp.control.approve("alice", client.code)
    polls_have_stopped(idp)
    host.nothing_left()
    nothing_written(host)


def test_client_killed_after_enter(host, idp, login):
    """D6: while PAM works nobody in sshd looks at the connection."""
    client = up_to(login, AFTER_ENTER)
    client.child.kill(signal.SIGKILL)
    helpers_end(host)
    wait_until(lambda: not sshd_processes(host), 1, "the connection is gone")
    assert decisions(host, 1) == [CANCELLED]
    idp.control.approve("alice", client.code)
    polls_have_stopped(idp)
    host.nothing_left()
    nothing_written(host)


def test_client_killed_before_the_code(host, idp, login):
    """A provider that does not answer: the person has gone long since."""
    idp.control.quirks(stall=["device_authorization"])
    client = login("alice")
    wait_until(lambda: host.processes("devauth-worker"), what="a worker")
    wait_until(lambda: codes(idp), what="the request")
    client.child.kill(signal.SIGKILL)
    host.nothing_left()
    assert decisions(host, 1) == [CANCELLED]
    nothing_written(host)


def test_client_interrupted_after_enter(host, idp, login):
    """Ctrl-C while the approval is awaited."""
    client = up_to(login, AFTER_ENTER)
    client.child.sendintr()
    client.rest()
    host.nothing_left()
    assert decisions(host, 1) == [CANCELLED]
    nothing_written(host)


def test_two_people_at_once(host, idp, login):
    """One goes away, the other is not touched."""
    first = login("alice").expect_code()
    second = login("bob").expect_code()
    assert len(host.helpers()) == 4
    first.child.kill(signal.SIGKILL)
    wait_until(lambda: len(host.helpers()) == 2, 1, "hers are gone")
    approve(idp, second, "bob")
    assert "bob" in second.rest() and second.status == 0
    host.all_revoked(idp)
    assert decisions(host, 6) == [CANCELLED, *LOGIN]
    assert host.run("getent", "passwd", "alice").stdout == ""


# Whom sshd does not let in

@pytest.mark.parametrize("option, value", [
    ("AllowGroups", "staff"), ("AllowUsers", "bob"), ("DenyUsers", "alice"),
    ("DenyGroups", "another"),
])
def test_kept_out_by_sshd(host, idp, login, option, value):
    """sshd asks PAM for whom it will never let in: no code, no request.

    AllowGroups with a group from the provider is one of these cases: before
    the first login nobody knows the person's groups (README, Limits), and
    whoever is in no group is kept out by any DenyGroups, too.
    """
    host.start_sshd(**{option: value})
    client = login("alice", options=ONCE)
    text = client.rest()
    assert "Open " not in text
    assert "Sign-in is not possible here for this name." in text
    assert client.status == 255
    assert idp.control.requests() == []
    assert decisions(host, 1) == [("auth", "refused", "unknown-user")]
    host.nothing_left()
    nothing_written(host)


def test_allow_groups_of_a_listed_person(host, idp, login):
    """The private group of a name that is listed is known before the login."""
    host.configure(idp, allowed_users="alice", allowed_groups=None)
    host.start_sshd(AllowGroups="alice")
    sign_in(idp, login)
    host.all_revoked(idp)


def test_wrong_key_first(host, idp, login, tmp_path):
    """D9: without the right key sshd does not even ask us."""
    host.configure(idp, devauth={"remote": "publickey-first"})
    host.start_sshd(AuthenticationMethods="publickey,keyboard-interactive")
    key_for(host, "alice", tmp_path)
    client = login("alice", options=key_for(host, "bob", tmp_path))
    text = client.rest()
    assert "Permission denied (publickey)" in text and client.status == 255
    assert idp.control.requests() == []
    decisions(host, 0)


# Other modules and methods that fail after ours

SESSION = "session optional pam_devauth.so"


def test_session_hook_fails_after_ours(host, idp, login):
    """The grant is consumed, no command runs. sshd does not end what it takes
    for not begun: the sweep does, once the connection is gone."""
    path = "/etc/pam.d/sshd"
    host.write(path, host.read(path) + "session required pam_deny.so\n")
    client = login("alice", "id; echo let in").expect_code()
    approve(idp, client)
    text = client.rest()
    assert "let in" not in text and client.status == 254
    assert decisions(host, 3) == [ALLOWED, ACCOUNT_ALLOWED, OPENED]
    wait_until(lambda: not sshd_processes(host), 2, "the connection is gone")
    assert len(idp.control.live()) == 1
    host.run(*SWEEP, check=True)
    host.all_revoked(idp)
    assert decisions(host, 5)[3:] == [("end", "done", "ok"), REVOKED]


def session_fails_before_ours(host, _folder):
    path = "/etc/pam.d/sshd"
    host.write(path, host.read(path).replace(
        SESSION, f"session requisite pam_deny.so\n{SESSION}"))
    return ()


def account_fails_after_ours(host, _folder):
    path = "/etc/pam.d/sshd"
    host.write(path, host.read(path) + "account required pam_deny.so\n")
    return ()


def second_factor_fails(host, folder):
    host.start_sshd(AuthenticationMethods="keyboard-interactive,publickey")
    key_for(host, "alice", folder)
    return key_for(host, "bob", folder)


@pytest.mark.parametrize("by", ["the sweep", "the next login"])
@pytest.mark.parametrize("break_it", [
    session_fails_before_ours, account_fails_after_ours, second_factor_fails])
def test_grant_that_nobody_consumes(host, idp, login, tmp_path, break_it, by):
    """It is root's alone, has one use and a short life, and is swept."""
    stack = host.read("/etc/pam.d/sshd")
    options = break_it(host, tmp_path)
    client = login("alice", "id; echo let in", options).expect_code()
    approve(idp, client)
    assert "let in" not in client.rest()
    assert client.status in (254, 255)
    assert decisions(host, 2) == [ALLOWED, ACCOUNT_ALLOWED]
    helpers_end(host)
    path, = host.kept()
    assert os.path.dirname(path) == "/run/devauth/grants"
    assert host.run("stat", "-c", "%U %a", path).stdout == "root 600\n"
    # It may still be consumed.
    host.run(*SWEEP, check=True)
    assert host.kept() == [path] and len(idp.control.live()) == 1
    later = ("unshare", "--time", "--fork", "--boottime=150")
    if by == "the sweep":
        host.run(*later, *SWEEP, check=True)
        host.all_revoked(idp)
        return
    host.write("/etc/pam.d/sshd", stack)
    host.start_sshd()
    host.run("mv", SWEEP[0], SWEEP[0] + ".real", check=True)
    host.write(SWEEP[0], "#!/bin/sh\nexec " + " ".join(later) +
               f" {SWEEP[0]}.real\n", 0o755)
    sign_in(idp, login)
    wait_until(lambda: len(idp.control.requests("revoke")) == 1, 3, "the logout")
    # The other one was put with what the sweep revokes.
    wait_until(lambda: not host.processes("devauth-broker.real"), 3, "the end")
    path, = host.listing("/var/lib/devauth/tokens/revoke")
    host.run(SWEEP[0] + ".real", "sweep", check=True)
    host.all_revoked(idp, 2)


def test_connection_without_a_session_channel(host, idp, login):
    """ssh -N asks for no shell; the grant is consumed all the same."""
    client = login("alice", None, options=("-N",)).expect_code()
    approve(idp, client)
    assert decisions(host, 3) == [ALLOWED, ACCOUNT_ALLOWED, OPENED]
    helpers_end(host)
    assert client.child.isalive()
    assert len(idp.control.live()) == 1
    client.child.kill(signal.SIGTERM)
    host.all_revoked(idp)
    assert decisions(host, 5) == LOGIN
