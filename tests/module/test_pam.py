"""The module's six entry points over pam_start_confdir, with a scripted
conversation, real helpers, and hostile ones in their place."""

import json
import os
import re
import subprocess

import pexpect
import pytest
from jwcrypto import jwk

import wire
from host import wait_until

# _pam_types.h
SUCCESS, SYSTEM_ERR, PERM_DENIED, AUTH_ERR = 0, 4, 6, 7
AUTHINFO_UNAVAIL, USER_UNKNOWN, MAXTRIES = 9, 10, 11
SESSION_ERR, CONV_ERR, IGNORE = 14, 19, 25

CONFDIR = "/etc/pam-test.d"
BROKER = "/usr/libexec/devauth/devauth-broker"
SWEEP = (BROKER, "sweep")
WORKER = "/usr/libexec/devauth/devauth-worker"


@pytest.fixture
def stack(host):
    """A service whose stack is our module alone."""

    def write(arguments="", service="test"):
        host.write(f"{CONFDIR}/{service}", "".join(
            f"{kind} required pam_devauth.so {arguments}\n"
            for kind in ("auth", "account", "session", "password")))

    write()
    return write


class Driver:
    """pam_driver on the host, under a terminal unless told otherwise."""

    def __init__(self, host, build, user, *arguments, service="test"):
        command = host.command(
            os.path.join(build, "tests", "module", "pam_driver"), CONFDIR,
            service, user, *arguments)
        self.child = pexpect.spawn(command[0], command[1:], encoding="utf-8",
                                   timeout=20, dimensions=(60, 200), echo=False)

    def until(self, pattern):
        self.child.expect(pattern)
        return self.child.match

    def result(self, phase):
        return int(self.until(rf"(?m)^{phase} (\d+)\r").group(1))

    def rest(self):
        self.child.expect(pexpect.EOF)
        return self.child.before

    def code(self):
        return self.until(r"info     Enter  (\S+)").group(1)


@pytest.fixture
def driver(host, build, stack):
    drivers = []

    def start(user, *arguments, service="test"):
        drivers.append(Driver(host, build, user, *arguments, service=service))
        return drivers[-1]

    yield start
    for each in drivers:
        each.child.close(force=True)


def approve(idp, each):
    idp.control.approve("alice", each.code())


def test_login_without_a_prompt(host, idp, driver):
    """On a terminal the text comes at once and nobody presses Enter."""
    each = driver("alice", "--tty", "/dev/tty1", "auth", "acct", "setcred",
                  "open", "close")
    head = each.until(r"info (Sign in to .*?)\r").group(1)
    assert "web1 as alice, on /dev/tty1" in head
    approve(idp, each)
    assert each.until(r"info (Signed in as .*?)\r").group(1) == \
        "Signed in as alice@example.com."
    for phase in ("auth", "acct", "setcred", "open", "close"):
        assert each.result(phase) == SUCCESS
    assert "prompt" not in each.rest()
    host.all_revoked(idp)


def test_messages_keep_pams_limits(host, idp, driver, stack):
    """512 bytes a message, 32 messages a call; the QR code on its own lines."""
    stack("prompt=enter")
    each = driver("alice", "auth")
    each.until(r"prompt Press Enter")
    lines = each.child.before.split("\r\n")
    assert len(lines) <= 32
    for line in lines:
        text = line.partition(" ")[2].replace("\\n", "\n")
        assert len(text.encode()) < 512
    drawn = [line for line in lines if "\u2588" in line]
    assert drawn
    for line in drawn:
        for part in line.partition(" ")[2].split("\\n"):
            assert set(part) <= set(" \u2588\u2580\u2584")


def test_silent_shows_the_code_but_no_chatter(host, idp, driver):
    """T10: sudo always passes PAM_SILENT."""
    each = driver("alice", "--silent", "auth")
    approve(idp, each)
    assert each.result("auth") == SUCCESS
    assert "Signed in" not in each.child.before


def test_prompt_argument(host, idp, driver, stack):
    stack("prompt=enter")
    each = driver("alice", "auth")
    approve(idp, each)
    each.until("prompt Press Enter once you have approved: ")
    wait_until(lambda: any(
        request["status"] == 200
        for request in idp.control.requests("token")), what="approval")
    # D15: approved is not enough, the person has to confirm.
    assert host.audit() == []
    each.child.send("\n")
    assert each.result("auth") == SUCCESS


@pytest.mark.parametrize("answer", ["null", "fail"])
def test_conversation_breaks_off(host, idp, driver, stack, answer):
    """Ctrl-D (no text) and Ctrl-C (an error) at the prompt."""
    stack("prompt=enter")
    each = driver("alice", "--answer", answer, "auth")
    assert each.result("auth") == CONV_ERR
    host.nothing_left()
    assert host.audit()[0]["result"] == "cancelled"


def test_no_conversation(host, idp, driver):
    """T8: PAM_CONV NULL."""
    assert driver("alice", "--no-conv", "auth").result("auth") == CONV_ERR
    assert idp.control.requests() == []


def test_local_account_passes_in_every_phase(host, idp, driver):
    phases = ("auth", "setcred", "acct", "open", "close", "chauthtok")
    each = driver("root", *phases)
    for phase in phases:
        # A stack of ignored modules has no say of its own.
        assert each.result(phase) in (IGNORE, PERM_DENIED)
    assert host.audit() == [] and idp.control.requests() == []


def test_phases_without_authentication(host, idp, driver):
    """P2: out of order: documented codes, no request, nothing written."""
    each = driver("alice", "acct", "open", "close", "setcred", "chauthtok")
    assert each.result("acct") == USER_UNKNOWN
    assert each.result("open") == SUCCESS
    assert each.result("close") == SUCCESS
    assert each.result("setcred") == SUCCESS
    assert each.result("chauthtok") == PERM_DENIED
    assert idp.control.requests() == []
    assert host.listing("/var/lib/devauth/people") == []


def test_phases_twice(host, idp, driver):
    each = driver("alice", "auth", "acct", "acct", "open", "open", "close",
                  "close", service="test")
    approve(idp, each)
    assert [each.result(phase) for phase in (
        "auth", "acct", "acct", "open", "open", "close", "close")] == \
        [SUCCESS] * 7


@pytest.mark.parametrize("grant", [
    "0" * 32, "../../etc/shadow", "x", "f" * 31, "a" * 400])
def test_forged_grant(host, idp, driver, grant):
    """P8: a handle that nobody gave."""
    each = driver("alice", "--env", f"DEVAUTH_GRANT={grant}", "acct", "open")
    assert each.result("acct") == USER_UNKNOWN
    assert each.result("open") in (SUCCESS, SESSION_ERR)
    assert host.run("getent", "passwd", "alice").stdout == ""


def test_stale_grant_of_a_local_account(host, idp, driver, stack):
    """Without the grant nobody knows who signed in: it is no key's login, which
    only the account's own state decides."""
    host.run("useradd", "-M", "-s", "/bin/sh", "deploy", check=True)
    host.configure(idp, sections={"account deploy": {"people": "alice"}})
    stack(service="login")
    assert driver("deploy", "acct").result("acct") == SUCCESS
    each = driver("deploy", "auth", service="login")
    approve(idp, each)
    grant = re.search(r"DEVAUTH_GRANT=(\w{32})", each.rest()).group(1)
    path = f"/run/devauth/grants/{grant}"
    arguments = ("deploy", "--env", f"DEVAUTH_GRANT={grant}", "acct")
    assert driver(*arguments, service="login").result("acct") == SUCCESS
    host.run("env", "LC_ALL=C", "sed", "-i",
             "s/^made_mono_ms=.*/made_mono_ms=1/", path, check=True)
    assert driver(*arguments, service="login").result("acct") == PERM_DENIED
    assert "no such grant" in host.decisions()[-1]["detail"]


def test_grant_of_another_service(host, idp, driver, stack):
    """A grant of one service opens nothing in another."""
    stack(service="sshd")
    each = driver("alice", "auth")
    approve(idp, each)
    assert each.result("auth") == SUCCESS
    grant = re.search(r"DEVAUTH_GRANT=(\w{32})", each.rest()).group(1)
    other = driver("alice", "--env", f"DEVAUTH_GRANT={grant}", "acct",
                   service="sshd")
    assert other.result("acct") == USER_UNKNOWN


def test_sudo_like_services_consume_the_grant(host, idp, driver):
    """sudo would hand the variable to the command it runs."""
    each = driver("alice", "auth", "acct")
    approve(idp, each)
    assert each.result("acct") == SUCCESS
    assert "DEVAUTH" not in each.rest()
    host.all_revoked(idp)


@pytest.mark.parametrize("arguments", [
    "nonsense", "profile=", "prompt=maybe", "qr=", "use_first_pass",
    "profile=" + "x" * 40])
def test_bad_arguments(host, idp, driver, stack, arguments):
    stack(arguments)
    phases = ("auth", "setcred", "acct", "open", "close", "chauthtok")
    each = driver("alice", *phases)
    for phase in phases:
        assert each.result(phase) == SYSTEM_ERR
        # Whoever logs in is told once a phase that decides, calmly.
        assert each.child.before.count(
            "error Sign-in is not set up correctly on this host. Local "
            "accounts still work. Ask your administrator.") == (
                phase in ("auth", "acct"))
    assert idp.control.requests() == []
    assert ('result=refused reason=bad-configuration detail="unknown argument '
            f"'{arguments[:63]}' in the PAM line;") in host.log()
    # Nobody locks out root by a slip of the pen.
    each = driver("root", "auth", "acct")
    for phase in ("auth", "acct"):
        each.result(phase)
    assert host.log().count("unknown argument") == len(phases)


def test_unknown_profile(host, idp, driver, stack):
    stack("profile=other")
    assert driver("alice", "auth").result("auth") == SYSTEM_ERR
    assert 'no profile' in host.log()


def test_no_terminal(host, idp, build, stack):
    """cron, sudo -S from a pipe: nobody could read the code."""
    result = host.run("setsid", "-w",
                      os.path.join(build, "tests", "module", "pam_driver"),
                      CONFDIR, "test", "alice", "auth")
    assert f"auth {AUTH_ERR}" in result.stdout
    assert idp.control.requests() == []
    assert host.audit()[0]["reason"] == "no-terminal"


def test_sshd_conversation_is_told_by_its_title(host, idp, driver):
    """The same request with and without sshd's process title."""
    each = driver("alice", "--tty", "ssh", "auth")
    assert each.result("auth") == AUTH_ERR
    assert idp.control.requests() == []
    each = driver("alice", "--tty", "ssh", "auth", "title=sshd: alice [pam]")
    assert each.code()
    each.until("prompt Press Enter")


@pytest.mark.parametrize("act, code, says", [
    ("deny", MAXTRIES, "The sign-in was denied. Try again for a new code."),
    ("expire", MAXTRIES, "Not approved in time. Try again for a new code."),
])
def test_refusals(host, idp, driver, act, code, says):
    each = driver("alice", "auth")
    user_code = each.code()
    getattr(idp.control, act)(user_code)
    assert says in each.until(r"error (.*?)\r").group(1)
    assert each.result("auth") == code


@pytest.mark.parametrize("settings, code, says", [
    ({"issuer": "https://localhost:1"}, AUTHINFO_UNAVAIL,
     "Cannot reach localhost (connection refused)."),
    ({"issuer": "https://no-such-host.invalid"}, AUTHINFO_UNAVAIL,
     "Cannot reach no-such-host.invalid (name not found)."),
    ({"ca_file": None}, AUTHINFO_UNAVAIL,
     "Cannot reach localhost (certificate not trusted)."),
    ({"allow_loopback": "no"}, AUTHINFO_UNAVAIL, "Cannot reach localhost ("),
    ({"client_id": "nobody"}, SYSTEM_ERR, "localhost does not accept this"),
])
def test_unreachable_and_unwilling(host, idp, driver, settings, code, says):
    host.configure(idp, **settings)
    each = driver("alice", "auth")
    assert says in each.until(r"error (.*?)\r").group(1)
    assert each.result("auth") == code


@pytest.mark.parametrize("settings, detail", [
    ({"issuer": "https://localhost:1"}, "connection refused (localhost:1)"),
    ({"issuer": "https://[::1]:1"}, "connection refused ([::1]:1)"),
    ({"issuer": "https://no-such-host.invalid"},
     "name not found (no-such-host.invalid:443)"),
    ({"ca_file": None},
     "certificate not trusted (localhost:{port}; see ca_file)"),
    ({"allow_loopback": "no"}, "the name leads to an address that is not "
     "allowed (localhost:{port}; see allow_loopback)"),
    ({"issuer": "{issuer}/"}, "its metadata is that of another issuer "
     "(it is '{issuer}', configured '{issuer}/')"),
])
def test_hints_are_for_the_administrator(host, idp, driver, settings, detail):
    """Where it was tried, and which key to look at, stands in the log, not on
    the person's screen."""
    host.configure(idp, **{
        key: value and value.format(issuer=idp.issuer)
        for key, value in settings.items()})
    each = driver("alice", "auth")
    shown = each.until(r"error (.*?)\r").group(1)
    detail = detail.format(issuer=idp.issuer,
                           port=idp.issuer.rpartition(":")[2])
    assert f"({detail.partition(' (')[0]})" in shown
    assert not re.search(r"see |https://|[a-z\]]:\d", shown)
    each.result("auth")
    assert host.audit()[0]["detail"] == detail


def broker(host, script):
    """Puts a program in the broker's place."""
    host.run("mv", BROKER, BROKER + ".real", check=True)
    host.write(BROKER, "#!/usr/bin/python3\n" + script, 0o755)


SPEAK = """
import os, socket, struct, sys, time
s = socket.socket(fileno=3)
def read(n):
    data = b""
    while len(data) < n:
        part = s.recv(n - len(data))
        if not part: sys.exit(0)
        data += part
    return data
head = read(8)
body = read(struct.unpack(">I", head[4:])[0])
nonce = body[:16]
def text(t):
    t = t if isinstance(t, bytes) else t.encode()
    return struct.pack(">I", len(t)) + t
def frame(kind, body, version=1):
    return struct.pack(">BBHI", version, kind, 0, len(body)) + body
def result(code, verdict, nonce=nonce, tail=b"", grant="0" * 32, session=""):
    return frame(17, nonce + struct.pack(">Iq", code, verdict) + text("x@y")
                 + text("") + text("") + text("") + text(grant) + text(session)
                 + tail)
def code(user_code="ABCD", uri="https://a/", qr="", confirm=0):
    return frame(16, text("h") + text(user_code) + text(uri) + text("12:00:00")
                 + struct.pack(">qI", 5000, confirm) + text(qr))
YES = 0x5afe1e7a11ce600d
"""

HOSTILE = {
    "nothing": "",
    "no verdict": "s.sendall(result(0, 0))",
    "half a verdict": "s.sendall(result(0, YES ^ 1))",
    "other nonce": "s.sendall(result(0, YES, b'\\0' * 16))",
    "surplus field": "s.sendall(result(0, YES, tail=b'x'))",
    "two results": "s.sendall(result(0, YES) * 2)",
    "unknown code": "s.sendall(result(4711, YES))",
    "not ours": "s.sendall(result(1, YES))",
    "control characters": "s.sendall(result(0, YES, grant='\\033[2J'))",
    "session that is none": "s.sendall(result(0, YES, session='\\033[2J'))",
    "endless frame": "s.sendall(struct.pack('>BBHI', 1, 17, 0, 2**32 - 1))",
    "other version": "s.sendall(frame(17, b'', 2))",
    "unknown type": "s.sendall(frame(99, b''))",
    "request": "s.sendall(frame(1, body))",
    "truncated": "s.sendall(result(0, YES)[:-3])",
    "no orderly end": "s.sendall(result(0, YES)); time.sleep(10)",
    "two codes": "s.sendall(code() * 2); time.sleep(1)",
    "escape in code": "s.sendall(code('AB\\033]0;x\\007')); time.sleep(1)",
    "http address": "s.sendall(code(uri='http\\n://a/')); time.sleep(1)",
    "text for a QR code": "s.sendall(code(qr='Password:\\n')); time.sleep(1)",
    "crash": "os.kill(os.getpid(), 11)",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_broker(host, idp, driver, name):
    """I4, P1: whatever a broker says that is not exactly right refuses."""
    broker(host, SPEAK + HOSTILE[name])
    each = driver("alice", "auth")
    assert each.result("auth") == AUTHINFO_UNAVAIL
    assert "\x1b" not in each.child.before
    assert "Password:" not in each.child.before


def test_honest_stand_in(host, idp, driver):
    """The stand-in above is let through when it says all the right things,
    so that the refusals are for the reason given."""
    broker(host, SPEAK + "s.sendall(result(0, YES))")
    assert driver("alice", "auth").result("auth") == SUCCESS


@pytest.mark.parametrize("lines, cells, spaces", [
    (25, 84, 1), (26, 84, 1), (27, 84, 1), (47, 71, 1), (48, 70, 0),
    (48, 1, 0), (3, 1100, 0), (1, 3400, 0), (1, 1, 500)])
def test_oversize_qr(host, idp, driver, lines, cells, spaces):
    """I4: a QR code that breaks no rule of the wire, but fits no page: the
    address and the code are shown without it, and PAM's limits are kept."""
    qr = ("\u2588" * cells + " " * spaces + "\n") * lines
    broker(host, SPEAK + f"s.sendall(code(qr={qr!r}, confirm=1))\n"
           "read(24); s.sendall(result(0, YES))")
    each = driver("alice", "auth")
    each.until("prompt Press Enter once you have approved: ")
    messages = each.child.before.split("\r\n")
    assert len(messages) <= 32
    for message in messages:
        assert len(message.partition(" ")[2].replace("\\n", "\n")
                   .encode()) < 512
    text = "\n".join(messages)
    assert "Open   https://a/" in text and "Enter  ABCD" in text
    # Whole, or not at all; nobody is told to scan what is not there.
    assert text.count("\u2588") in (0, lines * cells)
    assert ("Scan this" in text) == ("\u2588" in text)
    each.child.send("\n")
    assert each.result("auth") == SUCCESS


@pytest.mark.parametrize("what", ["missing", "not executable", "garbage"])
def test_broker_cannot_run(host, idp, driver, what):
    if what == "missing":
        host.run("mv", BROKER, BROKER + ".away", check=True)
    elif what == "not executable":
        host.run("chmod", "644", BROKER, check=True)
    else:
        host.write(BROKER, "garbage", 0o755)
    each = driver("alice", "auth", "acct")
    assert "Local accounts still work." in each.until(r"error (.*?)\r").group(1)
    assert each.result("auth") == AUTHINFO_UNAVAIL
    assert each.result("acct") == AUTHINFO_UNAVAIL


@pytest.mark.parametrize("arguments", [[], ["more"], ["sweep", "more"]])
def test_broker_by_hand(host, arguments):
    """Without a module at the other end it ends at once, and takes nothing else
    for one."""
    assert host.run(BROKER, *arguments).returncode == 1
    assert host.audit() == []


def test_helpers_are_sealed_off(host, idp, driver):
    """E5, E14: ids, capabilities, environment, descriptors of our processes."""
    each = driver("alice", "auth")
    each.code()
    broker_pid, worker_pid = host.helpers()

    def proc(pid, name):
        return host.run("cat", f"/proc/{pid}/{name}").stdout

    def status(pid):
        return dict(re.findall(r"(?m)^(\w+):\t(.*)$", proc(pid, "status")))

    worker = status(worker_pid)
    assert worker["Uid"].split() == ["990"] * 4
    assert worker["Gid"].split() == ["990"] * 4
    assert worker["Groups"].strip() == ""
    for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(worker[capabilities], 16) == 0
    assert worker["NoNewPrivs"] == "1" and worker["Seccomp"] == "2"
    assert status(broker_pid)["NoNewPrivs"] == "1"
    assert status(broker_pid)["Uid"].split() == ["0"] * 4
    assert proc(worker_pid, "environ") == "LANG=C\0"
    assert proc(broker_pid, "environ") == \
        "LANG=C\0PATH=/usr/sbin:/usr/bin:/sbin:/bin\0"
    for pid in (broker_pid, worker_pid):
        listing = host.run("sh", "-c", f"cd /proc/{pid}/fd && for f in *; do "
                           "echo $f $(readlink $f); done").stdout
        fds = dict(line.split(" ", 1) for line in listing.splitlines())
        assert [fds[number] for number in "012"] == ["/dev/null"] * 3
        for target in fds.values():
            assert target.startswith(("/dev/null", "socket:", "anon_inode:",
                                      "pipe:")), fds


def test_callers_surroundings_do_not_matter(host, idp, build, stack):
    """E5, E9, E11: limits, mask, environment, folder of the caller."""
    command = host.command(
        "sh", "-c",
        "umask 777; ulimit -S -n 12; ulimit -c unlimited; cd /tmp; "
        "export SSL_CERT_FILE=/tmp/evil LD_DEBUG_OUTPUT=/tmp/x "
        "SSLKEYLOGFILE=/tmp/keys https_proxy=http://127.0.0.1:9 "
        "TZ=:/etc/shadow LC_ALL=tr_TR.UTF-8; exec \"$@\"", "sh",
        os.path.join(build, "tests", "module", "pam_driver"), CONFDIR, "test",
        "alice", "auth", "acct")
    child = pexpect.spawn(command[0], command[1:], encoding="utf-8",
                          timeout=20, dimensions=(60, 200), echo=False)
    child.expect(r"info     Enter  (\S+)")
    idp.control.approve("alice", child.match.group(1))
    child.expect(r"auth (\d+)")
    assert int(child.match.group(1)) == SUCCESS
    child.expect(r"acct (\d+)")
    assert int(child.match.group(1)) == SUCCESS
    child.close(force=True)
    assert host.run("ls", "/tmp/keys").returncode != 0
    modes = host.run("find", "/var/lib/devauth/people", "-type", "f",
                     "-printf", "%m\\n").stdout.split()
    assert set(modes) == {"600"}
    assert host.run("stat", "-c", "%a",
                    "/var/lib/devauth/accounts.cdb").stdout.strip() == "644"


def test_debug_explains(host, idp, driver, stack):
    """The argument "debug" tells the way to the decision, and no secret."""
    stack("debug")
    each = driver("carol", "auth")
    code = each.code()
    idp.control.approve("carol", code)
    assert each.result("auth") == MAXTRIES
    log = host.log()
    for text in ("the name could succeed; profile test", "gave a code for",
                 'claim preferred_username is "carol"', "no groups"):
        assert text in log
    assert code not in log


def sign_in(idp, driver, *phases, service="test"):
    each = driver("alice", "auth", *phases, service=service)
    approve(idp, each)
    assert each.result("auth") == SUCCESS
    return each


def test_reserved_name(host, idp, driver):
    """N6: the private group of such a person would be the system's."""
    for name in ("wheel", "docker", "_service"):
        assert driver(name, "auth").result("auth") == AUTH_ERR
    assert idp.control.requests() == []
    assert {line["reason"] for line in host.audit()} == {"unknown-user"}


def test_locked_while_signing_in(host, idp, driver):
    """An administrator's lock that comes during a login stands."""
    assert sign_in(idp, driver, "acct").result("acct") == SUCCESS
    record, = (path for path in host.listing("/var/lib/devauth/people")
               if path.endswith(".person"))
    each = driver("alice", "auth", "acct")
    code = each.code()
    host.run("sed", "-i", "s/^locked=0$/locked=1/", record, check=True)
    locked = host.read(record)
    assert "locked=1" in locked
    idp.control.approve("alice", code)
    assert each.result("acct") == PERM_DENIED
    assert host.read(record) == locked
    line = host.decisions()[-1]
    assert (line["reason"], line["detail"]) == ("account-denied", "locked")
    assert driver("alice", "acct").result("acct") == PERM_DENIED


def test_profile_is_a_demand(host, idp, driver, stack):
    """profile= in the account phase: what another profile allows is not
    enough, whether the person has just signed in or comes with a key."""
    for name, settings in {
            "same": "allowed_groups = operators",
            "strict": "allowed_groups = administrators",
            "elsewhere": "allowed_groups = staff\n"
                         "issuer = https://other.example"}.items():
        host.run("sh", "-c", 'printf "[profile %s]\\n%s\\n" "$1" "$2" '
                 ">>/etc/devauth/devauth.conf", "sh", name, "\n".join(
                     [settings, "client_id = devauth-public"] +
                     ([] if "issuer" in settings
                      else [f"issuer = {idp.issuer}"])), check=True)
        host.write(f"{CONFDIR}/{name}-later",
                   f"account required pam_devauth.so profile={name}\n")
        host.write(f"{CONFDIR}/{name}",
                   "auth required pam_devauth.so profile=test\n"
                   f"account required pam_devauth.so profile={name}\n")
    stack("profile=test")
    assert sign_in(idp, driver, "acct").result("acct") == SUCCESS
    for service in ("same", "strict", "elsewhere"):
        allowed = SUCCESS if service == "same" else PERM_DENIED
        assert driver("alice", "acct", service=f"{service}-later").result(
            "acct") == allowed
        assert sign_in(idp, driver, "acct", service=service).result(
            "acct") == allowed
    details = [line.get("detail", "") for line in host.audit()
               if line["reason"] == "account-denied"]
    other = "signed in at another issuer than that of profile 'elsewhere'"
    assert details == ["allowed_groups"] * 2 + [other] * 2


def test_lock_held_for_ever(host, idp, driver):
    """G1: who holds a lock of ours for ever delays a login, and does not hang
    it; the log says which lock."""
    assert sign_in(idp, driver, "acct").result("acct") == SUCCESS
    for path, phase in (("/run/devauth/limits", "auth"),
                        ("/var/lib/devauth/people/.lock", "acct")):
        holder = subprocess.Popen(
            host.command("flock", path, "sh", "-c", "echo held; cat"),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert holder.stdout.readline() == b"held\n"
        each = driver("alice", *["auth", "acct"][:1 + (phase == "acct")])
        if phase == "acct":
            approve(idp, each)
        assert each.result(phase) == AUTHINFO_UNAVAIL
        assert "Local accounts still work." in each.child.before
        line = host.decisions()[-1]
        assert line["reason"] == "time-out"
        assert "another process keeps it locked" in line["detail"]
        assert os.path.dirname(path) in line["detail"]
        holder.communicate()
    assert sign_in(idp, driver, "acct").result("acct") == SUCCESS


def test_absurd_life_of_a_code(host, idp, driver):
    """From a worker that was taken over: login_deadline holds all the same."""
    device = wire.encode("DEVICE", user_code="ABCD", uri="https://a/",
                         expires_in_s=2**63 - 1)
    denied = wire.encode("FAILED", code=wire.ERRORS["denied"], reason="denied")
    host.run("mv", WORKER, WORKER + ".real", check=True)
    host.write(WORKER, "#!/usr/bin/python3\nimport socket, time\n"
               "s = socket.socket(fileno=3)\ns.recv(2**20)\n"
               f"s.sendall({device!r})\ntime.sleep(2)\ns.sendall({denied!r})",
               0o755)
    each = driver("alice", "auth")
    assert each.code() == "ABCD"
    assert each.result("auth") == MAXTRIES
    assert host.audit()[0]["reason"] == "denied"


def test_poisoned_key_set(host, idp, driver):
    """A worker that was taken over could leave keys of its own: the login that
    fails on them empties the cache, and the next one works."""
    sign_in(idp, driver)
    path, = (path for path in host.listing("/var/cache/devauth")
             if path.endswith(".jwks"))
    head, _, body = host.read(path).partition("\n\n")
    keys = json.loads(body)
    for key in keys["keys"]:
        size = {"size": 2048} if key["kty"] == "RSA" else {"crv": key["crv"]}
        key.update(json.loads(jwk.JWK.generate(
            kty=key["kty"], **size).export_public()) | {"kid": key["kid"]})
    host.write(path, f"{head}\n\n{json.dumps(keys)}", 0o600)
    each = driver("alice", "auth")
    approve(idp, each)
    assert each.result("auth") == MAXTRIES
    assert host.decisions()[-1]["reason"] == "bad-id-token"
    assert host.listing("/var/cache/devauth") == []
    sign_in(idp, driver)


def test_long_line_in_passwd(host, idp, driver):
    """64 kB ahead of our worker's account and of a local one."""
    host.write("/etc/passwd", "long:x:4000:4000:" + "x" * 65000 +
               ":/:/bin/sh\n" + host.read("/etc/passwd"))
    sign_in(idp, driver)
    driver("root", "auth").result("auth")
    wait_until(lambda: not host.helpers(), 3, "the revocation")
    assert [line["event"] for line in host.audit()] == ["auth", "revoke"]
