"""sudo, su and login(1) with Debian's own PAM stacks and our lines in them.

Every program runs on a terminal of the host, as it would before a person.
"""

import os
import re
import time

import pytest

from host import PROMPT, Host, wait_until
from terminal import READY

CTRL_C, CTRL_D, CTRL_Z, CTRL_BACKSLASH = "\x03", "\x04", "\x1a", "\x1c"
BROKER = "/usr/libexec/devauth/devauth-broker"
PASSWORD = "a local secret"

ALLOWED = ("auth", "allowed", "ok")
CANCELLED = ("auth", "cancelled", "cancelled")
ACCOUNT_ALLOWED = ("account", "allowed", "ok")
ACCOUNT_DENIED = ("account", "refused", "account-denied")
OPENED, CLOSED = ("open", "allowed", "ok"), ("close", "allowed", "ok")


@pytest.fixture
def host(idp, build):
    """A host without sshd; bob has a local account and a password."""
    with Host(os.path.join(build, "stage")) as host:
        host.configure(idp)
        # sudo -i has a service of its own on Debian; su - includes su's.
        for service in ("sudo", "sudo-i", "su", "login"):
            host.pam(service)
        host.run("sh", "-c", "useradd -m -s /bin/sh bob && "
                 f"echo 'bob:{PASSWORD}' | chpasswd", check=True)
        sudoers(host, "alice ALL=(ALL) ALL", "bob ALL=(ALL) ALL")
        yield host


def sudoers(host, *rules):
    host.write("/etc/sudoers.d/test", "".join(f"{rule}\n" for rule in rules),
               0o440)


@pytest.fixture
def alice(host, idp, terminal, shell):
    """The shell of alice, who has signed in on the console once."""
    console = terminal("login", "alice")
    idp.control.approve("alice", console.code())
    console.expect_exact("Signed in as alice@example.com.")
    console.expect_exact("alice@web1:")
    console.sendline("exit")
    console.rest()
    host.all_revoked(idp)
    idp.control.reset()
    return shell("alice")


def polls_have_stopped(idp):
    """Not one poll in more than two intervals."""
    polls = len(idp.control.requests("token"))
    time.sleep(2.2)
    assert len(idp.control.requests("token")) == polls


def decisions(host, service, count):
    """The audit lines of a service, as many as there have to be. When a sign-in
    for sudo is revoked does not depend on what follows it."""

    def lines():
        return [(line["event"], line["result"], line["reason"])
                for line in host.audit()
                if line["service"] == service and line["event"] != "revoke"]

    wait_until(lambda: len(lines()) >= count, 2, f"{count} audit lines")
    assert len(lines()) == count
    return lines()


def codes(idp):
    return len(idp.control.requests("device_authorization"))


# sudo

def test_sudo(host, idp, alice):
    """The code at once, nobody presses Enter, nothing reaches the command."""
    alice.start("sudo sh -c 'id -un; env'")
    code = alice.code()
    assert f"Sign in to web1 as alice, on {alice.path}" in alice.screen
    outcome = idp.person("alice").approve(alice.address, code)
    assert outcome.result == "approved"
    facts = " ".join(str(value) for value in outcome.confirmation.values())
    for part in ("web1", "alice", "sudo"):
        assert part in facts
    text, status = alice.result()
    shown = alice.screen + text
    assert "\u2588" in shown and "Press Enter" not in shown
    assert "root\r\n" in text and "SUDO_USER=alice" in text
    assert status == 0
    assert "DEVAUTH" not in text
    # sudo always passes PAM_SILENT: the code is shown, chatter is not.
    assert "Signed in" not in text
    assert codes(idp) == 1
    assert decisions(host, "sudo", 2) == [ALLOWED, ACCOUNT_ALLOWED]
    # Nobody has a use for the tokens of a shell without a session.
    host.all_revoked(idp)


def test_sudo_is_for_the_invoking_person(host, idp, alice):
    """U1, U2: the target's name plays no part; nothing is kept for it."""
    alice.start("sudo -u bob id -un")
    code = alice.code()
    assert "as alice" in alice.screen
    idp.control.approve("alice", code)
    text, status = alice.result()
    assert "bob\r\n" in text and status == 0
    people = [path for path in host.listing("/var/lib/devauth/people")
              if path.endswith(".person")]
    assert len(people) == 1
    host.all_revoked(idp)


@pytest.mark.parametrize("how, says, reason", [
    ("deny", "The sign-in was denied.", "denied"),
    ("expire", "Not approved in time.", "expired"),
    ("bob", "sudo refused bob@example.com: it asks for alice.", "wrong-person"),
])
def test_sudo_refused(host, idp, alice, how, says, reason):
    """One refusal, one text: sudo must not ask for a second code (D7)."""
    alice.start("sudo id")
    code = alice.code()
    if how == "bob":
        idp.control.approve("bob", code)
    else:
        getattr(idp.control, how)(code)
    text, status = alice.result()
    assert says in text
    assert "Sorry, try again" not in text and "uid=0" not in text
    assert status == 1
    assert codes(idp) == 1
    assert decisions(host, "sudo", 1) == [("auth", "refused", reason)]
    host.all_revoked(idp, int(how == "bob"))


def test_sudo_provider_down(host, idp, alice):
    """Said once and at once; nothing is tried a second time."""
    host.configure(idp, issuer="https://localhost:1")
    text, status = alice.run("sudo id")
    assert text.count("Cannot reach localhost (connection refused).") == 1
    assert status == 1
    assert decisions(host, "sudo", 1) == [("auth", "refused", "unreachable")]
    host.nothing_left()


def test_sudo_bad_configuration(host, idp, alice):
    """One line of ours, and none of sudo's about an unknown error."""
    host.write("/etc/devauth/devauth.conf", "[devauth]\nremot = allow\n")
    text, status = alice.run("sudo id")
    assert text.count("Sign-in does not work on this host now. Local accounts "
                      "still work.") == 1
    assert "nknown error" not in text
    assert "uid=0" not in text and status == 1
    assert idp.control.requests() == []
    assert decisions(host, "sudo", 1) == [
        ("auth", "refused", "bad-configuration")]


def test_sudo_n(host, idp, alice):
    """U3: sudo -n ends at once and asks nobody."""
    text, status = alice.run("sudo -n id")
    assert "a password is required" in text and status == 1
    assert idp.control.requests() == []
    decisions(host, "sudo", 0)


@pytest.mark.parametrize("command", [
    "setsid -w sudo id </dev/null",
    "setsid -w sudo -S id </dev/null",
    "echo guess | setsid -w sudo -S id",
    "SUDO_ASKPASS=/bin/true setsid -w sudo -A id",
    # There is one, and the answers come from elsewhere.
    "echo guess | sudo -S id",
    "sudo -kS id </dev/null",
    "sudo -u root -p -h A=1 --stdin id </dev/null",
])
def test_sudo_without_a_terminal(host, idp, alice, command):
    """T9, U3: cron, pipes and scripts: no request, no waiting, one line."""
    text, status = alice.run(command)
    assert "uid=0" not in text and status == 1
    assert idp.control.requests() == []
    assert decisions(host, "sudo", 1) == [("auth", "refused", "no-terminal")]
    host.nothing_left()


@pytest.mark.parametrize("command", [
    "sudo -S id", "echo | sudo id", "echo | sudo -p -S id",
    "echo | sudo -- sh -c id -S", "echo | sudo sh -c id -S"])
def test_sudo_with_a_person(idp, alice, command):
    """Others pipe into what sudo runs, or have a terminal for -S."""
    alice.start(command)
    idp.control.approve("alice", alice.code())
    text, _ = alice.result()
    assert "Signed in" in text or "uid=0" in text
    assert codes(idp) == 1


@pytest.mark.parametrize("key", [CTRL_C, CTRL_BACKSLASH])
def test_sudo_interrupted_while_waiting(host, idp, alice, key):
    """G4: sudo blocks both signals; they have to end the wait all the same."""
    alice.start("sudo id")
    code = alice.code()
    alice.send(key)
    wait_until(lambda: not host.helpers(), 1, "our processes are gone")
    text, status = alice.result()
    assert status != 0 and "uid=0" not in text
    assert "Sorry, try again" not in text
    assert alice.echoes()
    assert decisions(host, "sudo", 1) == [CANCELLED]
    assert "no answer from" not in host.log()
    host.nothing_left()
    # D6: what is approved now comes too late.
    idp.control.approve("alice", code)
    polls_have_stopped(idp)
    assert host.listing("/run/devauth/grants") == []


def test_sudo_suspended_while_waiting(host, idp, alice):
    """Ctrl-Z, and back: the same code still counts."""
    alice.start("sudo id")
    code = alice.code()
    alice.send(CTRL_Z)
    _, status = alice.result()
    assert status > 128
    assert alice.echoes()
    idp.control.approve("alice", code)
    text, status = alice.run("fg")
    assert "uid=0(root)" in text and status == 0
    assert codes(idp) == 1
    host.all_revoked(idp)


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
def test_sudo_broken_off_at_the_prompt(host, idp, alice, key):
    """prompt=enter: Ctrl-C and Ctrl-D at the question."""
    host.pam("sudo", "prompt=enter")
    alice.start("sudo id")
    alice.code()
    alice.expect_exact(PROMPT)
    alice.send(key)
    text, status = alice.result()
    assert status != 0 and "uid=0" not in text
    assert alice.echoes()
    assert codes(idp) == 1
    assert decisions(host, "sudo", 1) == [CANCELLED]
    host.nothing_left()


def test_sudo_prompt(host, idp, alice):
    """prompt=enter: approved is not enough, Enter decides."""
    host.pam("sudo", "prompt=enter")
    alice.start("sudo id")
    idp.control.approve("alice", alice.code())
    alice.expect_exact(PROMPT)
    wait_until(lambda: any(request["status"] == 200 for request
                           in idp.control.requests("token")), what="approval")
    decisions(host, "sudo", 0)
    alice.send("\r")
    text, status = alice.result()
    assert "uid=0(root)" in text and status == 0


@pytest.mark.parametrize("signal", ["TERM", "HUP", "KILL"])
def test_sudo_ended_while_waiting(host, idp, alice, signal):
    """G1, U6: sudo only makes a note of signals while it authenticates."""
    alice.start("sudo id")
    alice.code()
    sudo, = host.processes("sudo")
    host.run("kill", f"-{signal}", str(sudo), check=True)
    wait_until(lambda: not host.helpers(), 1, "our processes are gone")
    wait_until(lambda: not host.processes("sudo"), 1, "sudo is gone")
    text, status = alice.result()
    assert status != 0 and "uid=0" not in text
    assert decisions(host, "sudo", 1) == [CANCELLED]
    host.nothing_left()


def test_sudo_terminal_closed(host, idp, alice):
    """Who closes the window takes everything along."""
    alice.start("sudo id")
    code = alice.code()
    alice.close()
    wait_until(lambda: not host.helpers(), 1, "our processes are gone")
    wait_until(lambda: not host.processes("sudo"), 1, "sudo is gone")
    assert decisions(host, "sudo", 1) == [CANCELLED]
    idp.control.approve("alice", code)
    polls_have_stopped(idp)
    host.nothing_left()


def test_sudo_helpers_are_out_of_reach(host, idp, alice):
    """E14, U6: sudo's caller cannot end, stop or look into our processes."""
    alice.start("sudo id")
    code = alice.code()
    helpers = host.helpers()
    assert len(helpers) == 2
    for pid in helpers:
        for attempt in (f"kill -KILL {pid}", f"kill -STOP {pid}",
                        f"cat /proc/{pid}/environ", f"ls /proc/{pid}/fd"):
            assert host.run("setpriv", "--reuid=alice", "--regid=alice",
                            "--clear-groups", "sh", "-c",
                            attempt).returncode != 0
    assert host.helpers() == helpers
    idp.control.approve("alice", code)
    text, status = alice.result()
    assert "uid=0(root)" in text and status == 0


@pytest.mark.parametrize("name", ["devauth-broker", "devauth-worker"])
def test_sudo_helper_killed(host, idp, alice, name):
    """A dead broker or worker refuses at once, with a text, once."""
    alice.start("sudo id")
    alice.code()
    for pid in host.processes(name):
        host.run("kill", "-KILL", str(pid), check=True)
    text, status = alice.result()
    assert text.count("Sign-in does not work on this host now.") == 1
    assert status == 1
    assert codes(idp) == 1
    host.nothing_left()


def test_sudo_cached_timestamp(host, idp, alice):
    """U4: the account phase alone refuses who is no longer allowed."""
    alice.start("sudo id -un")
    idp.control.approve("alice", alice.code())
    assert alice.result()[1] == 0
    host.all_revoked(idp)
    idp.control.reset()
    text, status = alice.run("sudo id -un")
    assert "root\r\n" in text and status == 0
    host.configure(idp, allowed_groups="somebody-else")
    text, status = alice.run("sudo id -un")
    assert ("sudo refused alice: not allowed here any more. "
            "Ask your administrator." in text)
    assert "root\r\n" not in text and status == 1
    assert idp.control.requests() == []
    assert decisions(host, "sudo", 4) == [
        ALLOWED, ACCOUNT_ALLOWED, ACCOUNT_ALLOWED, ACCOUNT_DENIED]
    host.nothing_left()


@pytest.mark.parametrize("options, service", [
    ("", "sudo"), ("-n", "sudo"), ("-i", "sudo-i")])
def test_sudo_nopasswd(host, idp, alice, options, service):
    """U4: so it is under NOPASSWD, and for sudo -i."""
    sudoers(host, "alice ALL=(ALL) NOPASSWD: ALL")
    text, status = alice.run(f"sudo {options} id -un")
    assert "root\r\n" in text and status == 0
    host.configure(idp, allowed_groups="somebody-else")
    text, status = alice.run(f"sudo {options} id -un")
    assert "sudo refused alice: not allowed here any more." in text
    assert "root\r\n" not in text and status == 1
    assert idp.control.requests() == []
    assert decisions(host, service, 2) == [ACCOUNT_ALLOWED, ACCOUNT_DENIED]


def test_sudo_nopasswd_without_a_broker(host, idp, alice):
    """P1: an account phase that cannot be asked refuses."""
    sudoers(host, "alice ALL=(ALL) NOPASSWD: ALL")
    host.run("mv", BROKER, BROKER + ".away", check=True)
    text, status = alice.run("sudo id -un")
    assert "Sign-in does not work on this host now." in text
    assert "root\r\n" not in text and status == 1


def test_sudo_local_account(host, idp, shell):
    """N16: pam_unix asks bob as ever, even when nothing of ours works."""
    host.write("/etc/devauth/devauth.conf", "nonsense\n")
    host.run("mv", BROKER, BROKER + ".away", check=True)
    bob = shell("bob")
    bob.start("sudo id -un")
    bob.expect_exact("[sudo] password for bob: ")
    bob.sendline(PASSWORD)
    text, status = bob.result()
    assert "root\r\n" in text and status == 0
    assert host.audit() == [] and idp.control.requests() == []


# su

@pytest.mark.parametrize("command, service", [
    ("su alice", "su"), ("su - alice", "su-l")])
def test_su_by_another_user(host, idp, alice, shell, command, service):
    """The code at once; approved by the owner, bob is in alice's shell."""
    bob = shell("bob")
    bob.start(f"{command} -c 'id -un; env'")
    code = bob.code()
    assert f"Sign in to web1 as alice, on {bob.path}" in bob.screen
    idp.control.approve("alice", code)
    text, status = bob.result()
    assert "Press Enter" not in bob.screen + text
    assert "Signed in as alice@example.com." in text
    assert "\r\nalice\r\n" in text and status == 0
    assert re.findall(r"DEVAUTH\w+", text) == ["DEVAUTH_SESSION"]
    host.all_revoked(idp)
    assert decisions(host, service, 4) == [
        ALLOWED, ACCOUNT_ALLOWED, OPENED, CLOSED]


# Whoever asks for somebody else, by su or as sudo's target.
FOR_ALICE = ["su alice -c 'id -un'", "sudo -u alice id -un"]


@pytest.fixture
def targetpw(host):
    sudoers(host, "Defaults:bob targetpw", "alice ALL=(ALL) ALL",
            "bob ALL=(ALL) ALL")


@pytest.mark.parametrize("command", FOR_ALICE)
@pytest.mark.parametrize("remote", ["publickey-first", "deny"])
def test_for_somebody_else_is_remote(host, idp, alice, shell, targetpw, remote,
                                     command):
    """D9: bob could send alice his code, as a stranger from afar could. For
    herself she may ask."""
    host.configure(idp, devauth={"remote": remote})
    text, status = shell("bob").run(command)
    assert status == 1 and "Open " not in text
    assert ("sudo refused alice." if command.startswith("sudo") else
            "Sign-in is not possible here for this name.") in text
    assert idp.control.requests() == []
    line = host.decisions()[-1]
    assert (line["user"], line["reason"], line["caller"]) == (
        "alice", "remote-policy", host.run("id", "-u", "bob").stdout.strip())
    alice.start("sudo id -un")
    idp.control.approve("alice", alice.code())
    text, status = alice.result()
    assert "root\r\n" in text and status == 0
    assert "caller" not in host.decisions()[-1]


def test_for_somebody_else_has_the_strangers_limits(host, idp, alice, shell):
    """Full as the table is, alice still gets a code for herself. That somebody
    was let in before makes no difference: bob could keep alice out by asking
    for her all the time."""
    bob = shell("bob")
    bob.start(FOR_ALICE[0])
    idp.control.approve("alice", bob.code())
    assert bob.result()[1] == 0
    host.run("python3", "-c", "import struct\n"
             "with open('/run/devauth/limits', 'r+b') as file:\n"
             "    file.seek(64)\n"
             "    file.write(4096 * struct.pack('=Qq', 1, 2**63 - 1))",
             check=True)
    text, status = bob.run(FOR_ALICE[0])
    assert status == 1 and "Open " not in text
    assert host.decisions()[-1]["reason"] == "rate-limited"
    alice.start("sudo id -un")
    assert alice.code()


def test_audit_names_the_caller(host, idp, alice, shell):
    """In every phase, and what to do is said in the words of su."""
    bob = shell("bob")
    uid = host.run("id", "-u", "bob").stdout.strip()
    bob.start(FOR_ALICE[0])
    idp.control.deny(bob.code())
    assert "The sign-in was denied. Try again for a new code." in \
        bob.result()[0]
    bob.start(FOR_ALICE[0])
    idp.control.approve("alice", bob.code())
    assert bob.result()[1] == 0
    host.all_revoked(idp)
    assert [(line["event"], line.get("caller")) for line in host.audit()
            if line["service"] == "su" and line["event"] != "revoke"] == [
        (event, uid) for event in ("auth", "auth", "account", "open", "close")]


def test_su_wrong_person(host, idp, alice, shell):
    """N1: bob's own approval is no way into alice's account."""
    bob = shell("bob")
    bob.start("su alice -c id")
    idp.control.approve("bob", bob.code())
    text, status = bob.result()
    assert "bob@example.com may not log in as alice." in text
    assert "uid=" not in text and status == 1
    assert codes(idp) == 1
    assert decisions(host, "su", 1) == [("auth", "refused", "wrong-person")]
    host.all_revoked(idp)


@pytest.mark.parametrize("arguments, key", [
    ("", CTRL_C), ("", CTRL_BACKSLASH), ("prompt=enter", CTRL_C),
    ("prompt=enter", CTRL_D)])
def test_su_broken_off(host, idp, alice, shell, arguments, key):
    """During the wait, and at the prompt."""
    host.pam("su", arguments)
    bob = shell("bob")
    bob.sendline("su alice -c 'id -un'")
    bob.code()
    if arguments:
        bob.expect_exact(PROMPT)
    bob.send(key)
    bob.expect_exact(READY)
    assert "alice\r\n" not in bob.before
    assert bob.echoes()
    assert codes(idp) == 1
    assert decisions(host, "su", 1) == [CANCELLED]
    host.nothing_left()


def test_su_what_is_typed_while_waiting(host, idp, alice, shell):
    """Passwords are typed where su used to ask: no shell may run them."""
    bob = shell("bob")
    bob.start("su alice -c 'id -un'")
    code = bob.code()
    bob.sendline("touch /var/tmp/typed")
    bob.expect_exact("touch /var/tmp/typed\r\n")
    idp.control.approve("alice", code)
    text, status = bob.result()
    assert "alice\r\n" in text and status == 0
    assert bob.run("test -e /var/tmp/typed")[1] == 1


def test_su_without_a_terminal(host, idp, alice, shell):
    bob = shell("bob")
    text, status = bob.run("setsid -w su alice -c id </dev/null")
    assert "uid=" not in text and status == 1
    assert idp.control.requests() == []
    assert decisions(host, "su", 1) == [("auth", "refused", "no-terminal")]


def test_su_by_root(host, idp, alice):
    """pam_rootok asks nobody; the account phase is asked all the same."""
    done = host.run("su", "alice", "-c", "id -un")
    assert done.stdout == "alice\n" and done.returncode == 0
    host.configure(idp, allowed_groups="somebody-else")
    done = host.run("su", "alice", "-c", "id -un")
    assert "alice may not log in here any more." in done.stderr
    assert done.stdout == "" and done.returncode != 0
    assert idp.control.requests() == []
    assert decisions(host, "su", 2) == [ACCOUNT_ALLOWED, ACCOUNT_DENIED]


def test_su_never_seen_person(host, idp, terminal):
    """Only login programs see somebody whom no file knows; su is none."""
    root = terminal("su", "alice", "-c", "id")
    assert "alice does not exist" in root.rest()
    assert idp.control.requests() == []


def test_su_to_a_local_account(host, idp, alice):
    """N16: into bob's account with bob's password, as ever."""
    alice.start("su bob -c 'id -un'")
    alice.expect_exact("Password: ")
    alice.sendline(PASSWORD)
    text, status = alice.result()
    assert "bob\r\n" in text and status == 0
    decisions(host, "su", 0)
    assert idp.control.requests() == []


# login

def test_login(host, idp, terminal):
    """A first login on the console, from the name to the shell."""
    console = terminal("login")
    console.expect_exact("web1 login: ")
    console.sendline("alice")
    code = console.code()
    assert f"Sign in to web1 as alice, on {console.path}" in console.screen
    assert "Password" not in console.screen
    idp.control.approve("alice", code)
    console.expect_exact("Signed in as alice@example.com.")
    assert "Press Enter" not in console.screen + console.before
    console.expect_exact("alice@web1:")
    console.sendline("tty; pwd; env; exit")
    text = console.rest()
    assert console.path in text and "/home/alice" in text
    assert "DEVAUTH_GRANT" not in text
    assert host.run("stat", "-c", "%U %a", "/home/alice").stdout == \
        "alice 700\n"
    host.all_revoked(idp)
    assert decisions(host, "login", 4) == [
        ALLOWED, ACCOUNT_ALLOWED, OPENED, CLOSED]


def test_login_says_how_long(host, idp, terminal):
    """login(1) gives up after 60 s: less than that is promised."""
    console = terminal("login", "alice")
    before = time.time()
    console.code()
    shown = console.match.group(2)
    late = int(time.time() - before)
    assert shown in [
        time.strftime("%H:%M:%S %Z", time.localtime(before + seconds))
        for seconds in range(50, 57 + late)]


def test_login_denied(host, idp, terminal):
    console = terminal("login", "alice")
    idp.control.deny(console.code())
    text = console.rest()
    assert "The sign-in was denied." in text
    assert "login:" not in text
    assert codes(idp) == 1
    assert decisions(host, "login", 1) == [("auth", "refused", "denied")]
    host.nothing_left()
    assert host.run("getent", "passwd", "alice").stdout == ""


def test_login_provider_down(host, idp, terminal):
    """A reason; login(1) then asks for another name."""
    host.configure(idp, issuer="https://localhost:1")
    console = terminal("login", "alice")
    console.expect_exact("Cannot reach localhost (connection refused). "
                         "Local accounts still work.")
    console.expect_exact("web1 login: ")
    console.sendline("bob")
    console.expect_exact("Password: ")
    console.sendline(PASSWORD)
    console.expect_exact("$ ")
    assert decisions(host, "login", 1) == [("auth", "refused", "unreachable")]
    host.nothing_left()


def test_login_timeout(host, idp, terminal):
    """LOGIN_TIMEOUT ends login(1) in the middle of our wait."""
    host.run("sed", "-i", "s/^LOGIN_TIMEOUT.*/LOGIN_TIMEOUT 4/",
             "/etc/login.defs", check=True)
    console = terminal("login", "alice")
    code = console.code()
    assert "timed out after 4 seconds" in console.rest()
    host.nothing_left()
    assert host.processes("login") == []
    assert decisions(host, "login", 1) == [CANCELLED]
    idp.control.approve("alice", code)
    polls_have_stopped(idp)
    assert host.listing("/run/devauth/grants",
                        "/var/lib/devauth/people") == []
    assert host.run("getent", "passwd", "alice").stdout == ""


@pytest.mark.parametrize("key", [CTRL_C, CTRL_BACKSLASH])
def test_login_interrupted_while_waiting(host, idp, terminal, key):
    console = terminal("login", "alice")
    console.code()
    console.send(key)
    console.rest()
    host.nothing_left()
    assert host.processes("login") == []
    assert decisions(host, "login", 1) == [CANCELLED]


def test_login_ctrl_d_while_waiting(host, idp, terminal):
    """Nobody reads the terminal then: the key is lost, the login is not."""
    console = terminal("login", "alice")
    code = console.code()
    console.send(CTRL_D)
    idp.control.approve("alice", code)
    console.expect_exact("alice@web1:")
    console.sendline("id -un; exit")
    assert "\ralice\r\n" in console.rest()


def test_login_ctrl_d_at_the_prompt(host, idp, terminal):
    """T9 of the conversation: misc_conv answers with success and no text."""
    host.pam("login", "prompt=enter")
    console = terminal("login", "alice")
    console.code()
    console.expect_exact(PROMPT)
    console.send(CTRL_D)
    console.expect_exact("Login incorrect")
    assert codes(idp) == 1
    assert decisions(host, "login", 1) == [CANCELLED]
    host.nothing_left()


def test_login_terminal_closed(host, idp, terminal):
    console = terminal("login", "alice")
    console.code()
    console.close()
    host.nothing_left()
    wait_until(lambda: not host.processes("login"), 1, "login is gone")
    assert decisions(host, "login", 1) == [CANCELLED]


def test_login_local_account(host, idp, terminal):
    """N16: a password, a shell, and no word of ours."""
    host.write("/etc/devauth/devauth.conf", "nonsense\n")
    console = terminal("login", "bob")
    console.expect_exact("Password: ")
    console.sendline(PASSWORD)
    console.expect_exact("$ ")
    console.sendline("id -un; exit")
    assert "bob\r\n" in console.rest()
    assert host.audit() == [] and idp.control.requests() == []


def test_P3_login_of_somebody_no_longer_allowed(host, idp, alice, terminal):
    """-f: another program has asked who it is; only the account is checked."""
    console = terminal("login", "-f", "alice")
    console.expect_exact("alice@web1:")
    host.configure(idp, allowed_groups="somebody-else")
    console = terminal("login", "-f", "alice")
    text = console.rest()
    assert "alice may not log in here any more." in text
    assert "alice@web1:" not in text
    console = terminal("login", "-f", "bob")
    console.expect_exact("$ ")
    assert idp.control.requests() == []


def test_P4_module_missing(host, idp, alice, shell, terminal):
    """login and sudo, the latter with a password and without: the local
    account gets in, the person does not."""
    sudoers(host, "alice ALL=(ALL) ALL", "alice ALL=(ALL) NOPASSWD: /bin/true",
            "bob ALL=(ALL) ALL")
    host.run("sh", "-c", "rm /usr/lib/*/security/pam_devauth.so", check=True)
    console = terminal("login", "alice")
    console.expect_exact("Login incorrect")
    assert "assword" not in console.before
    for command in ("sudo -k id -un", "sudo -k /bin/true"):
        text, status = alice.run(command)
        assert status == 1 and "root\r" not in text
        assert not re.search(r"assword.*: ", text)
    console = terminal("login", "bob")
    console.expect_exact("Password: ")
    console.sendline(PASSWORD)
    console.expect_exact("$ ")
    console.sendline("exit")
    console.rest()
    bob = shell("bob")
    bob.start("sudo -k id -un")
    bob.expect_exact("password for bob: ")
    bob.sendline(PASSWORD)
    text, status = bob.result()
    assert status == 0 and text.strip() == "root"
    assert idp.control.requests() == []
