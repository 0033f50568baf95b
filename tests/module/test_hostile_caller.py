"""The installed module in the hands of somebody who means harm: the environment
of sudo and su, descriptors, limits, locale, time zone, signals, terminals, and
what may never be said, written down or let in. Each test is named after its
row of the hostile tests (E environment, P PAM contract, T terminal, G signals
and crashes, L secrets)."""

import base64
import os
import re
import signal
import socket
import subprocess
import sysconfig
import termios
import time
import urllib.parse

import pexpect
import pytest

from host import Host, wait_until
from idp.accounts import CLIENTS
from idp.variants import (ERROR_DESCRIPTIONS, USER_CODE_VARIANTS,
                          VERIFICATION_URI_VARIANTS)
from test_pam import (  # noqa: F401 - two of them are fixtures
    AUTH_ERR, AUTHINFO_UNAVAIL, BROKER, CONFDIR, CONV_ERR, IGNORE, MAXTRIES,
    PERM_DENIED, SESSION_ERR, SPEAK, SUCCESS, SWEEP, SYSTEM_ERR, USER_UNKNOWN,
    Driver, broker, driver, stack)

BUF_ERR = 5

PHASES = ("auth", "setcred", "acct", "open", "close", "chauthtok")
LIBRARIES = f"/usr/lib/{sysconfig.get_config_var('MULTIARCH')}"
MODULE = f"{LIBRARIES}/security/pam_devauth.so"
YES = SPEAK + "s.sendall(result(0, YES))"
TRACE = "/run/trace"
# Where libc and its name service knock in every process.
LIBC_SOCKETS = {"/dev/log", "/var/run/nscd/socket",
                "/run/systemd/userdb/io.systemd.Multiplexer"}
# Opening and reaching out, and becoming somebody else.
CALLS = "open,openat,openat2,creat,execve,connect,bind,sendto,sendmsg"
OURS = "/usr/libexec/devauth/devauth-"


# -- programs of people


class Program:
    """sudo, as alice for root, or su, as nobody for alice, under a terminal;
    with nothing in its environment but what the test puts there."""

    # Who runs it, what it runs, and what it says when all went well.
    PROGRAMS = {
        "sudo": ("alice", "alice", ["sudo", "-k"], "root"),
        "su": ("nobody", "nogroup", ["su", "alice", "-c"], "alice"),
    }
    count = 0

    def __init__(self, host, name, environment=None, command="id -un",
                 trace=None, shell="", dimensions=(24, 100)):
        self.name = name
        user, group, start, self.expected = self.PROGRAMS[name]
        start = [*start, *(command.split() if name == "sudo" else [command])]
        variables = {"PATH": "/usr/bin:/bin", "TERM": "xterm",
                     **(environment or {})}
        # In the environment of the program, not of what starts it.
        start = ["env", "-i", *(f"{key}={value}" for key, value in
                                variables.items() if value is not None), *start]
        if shell:
            start = ["sh", "-c", shell + '; exec "$@"', "sh", *start]
        Program.count += 1
        self.trace = f"{TRACE}-{Program.count}"
        if trace:
            start = ["strace", "-f", "-qq", "-o", self.trace, "-e",
                     f"trace={trace}", "-u", user, *start]
        else:
            start = ["setpriv", f"--reuid={user}", f"--regid={group}",
                     "--clear-groups", *start]
        self.host = host
        line = host.command(*start)
        self.child = pexpect.spawn(line[0], line[1:], encoding="utf-8",
                                   codec_errors="surrogateescape", timeout=20,
                                   dimensions=dimensions)

    def until(self, pattern):
        self.child.expect(pattern)
        return self.child.match

    def end(self):
        """All it says; closes it."""
        self.child.expect(pexpect.EOF)
        self.child.close()
        return self.child.before

    def succeed(self):
        text = self.end()
        assert self.child.exitstatus == 0, text
        assert text.splitlines()[-1].strip() == self.expected
        return text


class Trace:
    """What strace wrote down."""

    def __init__(self, host, path=TRACE):
        self.lines = host.read(path).splitlines()
        # Failed calls too: asking is bad enough.
        self.opened = [match.group(1) for match in (
            re.search(r'(?:open|openat2?|creat)\((?:[^,"]*, )?"([^"]*)"', line)
            for line in self.lines) if match]
        self.helpers = {line.split()[0] for line in self.lines
                        if f'execve("{OURS}' in line}
        self.of_helpers = [line for line in self.lines
                           if line.split()[0] in self.helpers]

    def ports(self):
        """Where anybody in it has reached out to over the network. Port 0 is
        no traffic: libc asks the kernel for a way."""
        found = re.findall(r"sin6?_port=htons\((\d+)\)", "\n".join(self.lines))
        return {int(port) for port in found} - {0}

    def sockets(self):
        """The UNIX sockets that somebody has reached out to."""
        return set(re.findall(r'sun_path=@?"([^"]*)"', "\n".join(self.lines)))


@pytest.fixture
def host(idp, build):
    """Without sshd: nobody here logs in from elsewhere."""
    with Host(os.path.join(build, "stage")) as host:
        host.configure(idp)
        yield host


@pytest.fixture(scope="session")
def snapshots():
    """What a first sign-in leaves on a host; it takes a second, and many tests
    begin after it."""
    return {}


@pytest.fixture
def known(host, idp, snapshots, driver):  # noqa: F811
    """alice has signed in before; sudo and su ask us. The provider approves
    every code at once, as alice, until the test says otherwise."""
    idp.control.quirks(approve_immediately="alice")
    folders = ("/var/lib/devauth", "/var/cache/devauth")
    if idp.issuer not in snapshots:
        assert driver("alice", "auth", "acct").result("acct") == SUCCESS
        snapshots[idp.issuer] = host.run(
            "sh", "-c", f"tar -c {' '.join(folders)} | base64", check=True
        ).stdout
        idp.control.reset()
        idp.control.quirks(approve_immediately="alice")
    host.run("sh", "-c", f"rm -r {' '.join(folders)}; base64 -d | tar -xp -C /",
             check=True, stdin=None, input=snapshots[idp.issuer])
    host.pam("sudo")
    host.pam("su")
    host.write("/etc/sudoers.d/alice", "alice ALL=(ALL:ALL) ALL\n", 0o440)
    host.run("install", "-d", "-o", "alice", "-g", "alice", "/home/alice",
             check=True)
    return host


@pytest.fixture
def program(host):
    """Starts programs; ends them after the test."""
    programs = []

    def start(*arguments, **more):
        programs.append(Program(host, *arguments, **more))
        return programs[-1]

    yield start
    for each in programs:
        each.child.close(force=True)


@pytest.fixture
def traces(known, program):
    """Starts sudo and su with each of the environments, all at once; what
    strace saw of them, when all have succeeded."""

    def run(*environments, command="id -un"):
        started = [program(name, environment, command=command, trace=CALLS)
                   for environment in environments for name in ("sudo", "su")]
        for each in started:
            each.succeed()
        found = [Trace(known, each.trace) for each in started]
        for each, trace in zip(started, found):
            # Broker and worker, a broker for the account, a worker that takes
            # the tokens back; and where there is a session two for its ends.
            assert len(trace.helpers) == (6 if each.name == "su" else 4)
        return found

    return run


both = pytest.mark.parametrize("name", ["sudo", "su"])


def no_code_limits(host):
    """A test with many logins is not about how many there may be."""
    host.run("rm", "-f", "/run/devauth/limits")


def nothing_left(host, seconds=5):
    wait_until(lambda: not host.helpers(), seconds, "our processes are gone")


# -- E: environment, descriptors, limits, locale, time zone


def test_E1_key_log_file(known, traces):
    """libcurl would write there as root, even when the connection fails."""
    paths = {"/root/keys", "/home/alice/fifo", "/home/alice/keys"}
    known.run("mkfifo", "-m", "666", "/home/alice/fifo", check=True)
    known.run("install", "-o", "alice", "-m", "666", "/dev/null",
              "/home/alice/keys", check=True)
    for trace in traces(*({"SSLKEYLOGFILE": path} for path in paths)):
        assert not paths & set(trace.opened)
    assert known.run("test", "-e", "/root/keys").returncode == 1
    assert known.run("test", "-s", "/home/alice/keys").returncode == 1


def test_E2_proxies(known, idp, traces):
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        variables = {}
        for scheme in ("http", "https", "all", "socks"):
            variables[f"{scheme}_proxy"] = address
            variables[f"{scheme}_proxy".upper()] = address
        found = traces(*({**variables, "NO_PROXY": none, "no_proxy": none}
                         for none in ("", "*")))
        proxy.setblocking(False)
        with pytest.raises(BlockingIOError):
            proxy.accept()
    for trace in found:
        assert trace.ports() == {idp.port}
        assert trace.sockets() <= LIBC_SOCKETS


def test_E3_home_folder(known, traces):
    """Files that libraries look for where HOME points."""
    files = (".netrc", "_netrc", ".curlrc", ".pam_environment", ".terminfo/x",
             "krb5.conf", ".krb5/config", ".rnd", ".pki/nssdb/cert9.db",
             ".config/curlrc", ".postgresql/root.crt", ".hosts", ".ldaprc")
    for path in files:
        known.write(f"/home/alice/{path}", "machine localhost login evil\n")
    for trace in traces({
            "HOME": "/home/alice", "NETRC": "/home/alice/.netrc",
            "CURL_HOME": "/home/alice", "TERMINFO": "/home/alice",
            "KRB5_CONFIG": "/home/alice/krb5.conf",
            "HOSTALIASES": "/home/alice/.hosts",
            "LDAPCONF": "/home/alice/.ldaprc", "RANDFILE": "/home/alice/.rnd"}):
        assert "/etc/passwd" in trace.opened
        assert [path for path in trace.opened if "/home/" in path] == []


def test_E4_openssl_configuration(known, traces):
    """A configuration that loads somebody's code into OpenSSL."""
    known.write("/home/alice/openssl.cnf", """
openssl_conf = all
[all]
providers = providers
[providers]
evil = evil
default = default
[evil]
module = /home/alice/evil.so
activate = 1
[default]
activate = 1
""")
    for trace in traces({"OPENSSL_CONF": "/home/alice/openssl.cnf",
                         "OPENSSL_CONF_INCLUDE": "/home/alice",
                         "OPENSSL_MODULES": "/home/alice",
                         "OPENSSL_ENGINES": "/home/alice",
                         "CTLOG_FILE": "/home/alice/log"}):
        assert [path for path in trace.opened if "/home/" in path] == []


@both
@pytest.mark.parametrize("ours", ["another", "the system's"])
def test_E4_certificates(known, idp, program, name, ours):
    """Our configuration says whom to trust. To it the provider at hand is a
    stranger, whom the caller would like us to believe."""
    known.run("sh", "-c", "mkdir /home/alice/certs; cp "
              "/etc/devauth/idp-ca.pem /home/alice/certs/ca.pem; "
              "openssl rehash /home/alice/certs; sed "
              "'/END CERT/q' /etc/ssl/certs/ca-certificates.crt "
              ">/etc/devauth/other.pem", check=True)
    known.configure(idp, ca_file="/etc/devauth/other.pem"
                    if ours == "another" else None)
    # What earlier logins have left could hide that nobody is asked.
    known.run("find", "/var/cache/devauth", "-type", "f", "-delete")
    idp.control.reset()
    each = program(name, {"SSL_CERT_FILE": "/home/alice/certs/ca.pem",
                          "SSL_CERT_DIR": "/home/alice/certs",
                          "CURL_CA_BUNDLE": "/home/alice/certs/ca.pem"},
                   trace=CALLS)
    text = each.end()
    assert "Cannot reach localhost (certificate not trusted)." in text
    assert each.child.exitstatus != 0
    assert each.expected not in text.splitlines()
    assert [path for path in Trace(known, each.trace).opened
            if "/home/" in path] == []
    assert idp.control.requests() == []


HOSTILE_ENVIRONMENT = {
    "LD_PRELOAD": "/home/alice/evil.so", "LD_LIBRARY_PATH": "/home/alice",
    "LD_AUDIT": "/home/alice/evil.so", "LD_BIND_NOT": "1",
    "LD_DEBUG_OUTPUT": "/home/alice/debug", "LD_PROFILE": "libc.so.6",
    "GLIBC_TUNABLES": "glibc.malloc.perturb=255:glibc.malloc.check=3",
    "GCONV_PATH": "/home/alice", "LOCPATH": "/home/alice",
    "NLSPATH": "/home/alice/%N", "LANGUAGE": "../../home/alice",
    "MALLOC_PERTURB_": "255", "MALLOC_CHECK_": "3", "MALLOC_ARENA_MAX": "1",
    "MALLOC_TRACE": "/home/alice/trace", "RES_OPTIONS": "attempts:9 debug",
    "LOCALDOMAIN": "evil.example", "HOSTALIASES": "/home/alice/hosts",
    "RESOLV_HOST_CONF": "/home/alice/host.conf", "GETCONF_DIR": "/home/alice",
    "SSLKEYLOGFILE": "/home/alice/keys", "OPENSSL_CONF": "/home/alice/cnf",
    "SSL_CERT_FILE": "/home/alice/ca.pem", "https_proxy": "http://127.0.0.1:9",
    "CURL_SSL_BACKEND": "gnutls", "HOME": "/home/alice", "TZ": ":/etc/shadow",
    "TZDIR": "/home/alice", "LC_ALL": "tr_TR.UTF-8", "LANG": "de_DE.UTF-8",
    "TMPDIR": "/home/alice", "PATH": "/home/alice:/usr/bin:/bin",
    "IFS": "/", "ENV": "/home/alice/env", "BASH_ENV": "/home/alice/env",
    "BASH_FUNC_id%%": "() { echo evil; }", "PYTHONPATH": "/home/alice",
    "PERL5LIB": "/home/alice", "NOTIFY_SOCKET": "/home/alice/notify",
    "LISTEN_FDS": "3", "LISTEN_PID": "1", "DEVAUTH_GRANT": "0" * 32,
    "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/home/alice/bus",
    "XDG_RUNTIME_DIR": "/home/alice", "A" * 1000: "B" * 100000,
}
FIXED = {"devauth-broker": "LANG=C\0PATH=/usr/sbin:/usr/bin:/sbin:/bin\0",
         "devauth-worker": "LANG=C\0"}


@pytest.mark.parametrize("name", ["sudo", "su", "root"])
def test_E5_environment_of_the_helpers(known, idp, build, program, name):
    """Not a variable gets through, from a set-user-ID program or from one
    that root started (where the loader has not dropped any)."""
    idp.control.quirks()
    if name == "root":
        line = known.command(
            "env", "-i", *(f"{key}={value}" for key, value in
                           HOSTILE_ENVIRONMENT.items()),
            os.path.join(build, "tests", "module", "pam_driver"), CONFDIR,
            "test", "alice", "auth")
        child = pexpect.spawn(line[0], line[1:], encoding="utf-8", timeout=20)
    else:
        child = program(name, HOSTILE_ENVIRONMENT).child
    child.expect(r"Enter  (\S+)")
    for helper, expected in FIXED.items():
        pid, = known.processes(helper)
        assert known.run("cat", f"/proc/{pid}/environ").stdout == expected
    idp.control.approve("alice", child.match.group(1))
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def drive_all(host, build, *runs):
    """Several hostile_drivers at once; what each printed, by lines."""
    children = []
    for run in runs:
        variables = [f"{key}={value}" for key, value in (
            run.get("environment") or {"LC_ALL": "C.UTF-8"}).items()]
        line = host.command(
            *run.get("prefix", ()), "env", *variables,
            os.path.join(build, "tests", "module", "hostile_driver"),
            run["mode"], MODULE, CONFDIR, run.get("service", "test"),
            run["user"], *run.get("arguments", ()))
        children.append(pexpect.spawn(
            line[0], line[1:], encoding="utf-8", echo=False, timeout=30,
            dimensions=(24, 100)))
    for child in children:
        child.expect(pexpect.EOF)
        child.close()
        assert child.signalstatus is None, child.before
    return [child.before.replace("\r\n", "\n").splitlines()
            for child in children]


def drive(host, build, mode, user, *arguments, **more):
    return drive_all(host, build, {"mode": mode, "user": user,
                                   "arguments": arguments, **more})[0]


def codes(lines):
    """The results of the phases among the lines of hostile_driver."""
    found = [line.split() for line in lines
             if re.fullmatch(r"(%s) \d+" % "|".join(PHASES), line)]
    return [(phase, int(code)) for phase, code in found]


def shape(lines):
    """What was said, without what differs from login to login."""
    text = "\n".join(line for line in lines if not line.startswith("locale"))
    text = re.sub(r"Enter  \S+ ", "Enter  CODE ", text)
    return re.sub(r"good until \d\d:\d\d:\d\d [A-Z]+$", "good until TIME", text,
                  flags=re.M)


@pytest.mark.parametrize("locale, source", [
    ("tr_TR.ISO-8859-9", ("tr_TR", "ISO-8859-9")),  # where I is not i
    ("de_DE.ISO-8859-1", ("de_DE", "ISO-8859-1")), ("C.UTF-8", None)])
def test_E6_locale(host, idp, build, stack, locale, source):  # noqa: F811
    """Folding, numbers and times are those of C, whatever the host program
    has set."""
    if source:
        host.run("localedef", "--no-archive", "-i", source[0], "-f", source[1],
                 f"/usr/lib/locale/{locale}", check=True)
    idp.control.quirks(approve_immediately="alice", claims={"alice": {
        "preferred_username": "ALICE@EXAMPLE.COM"}})
    in_c, lines = drive_all(host, build, *(
        {"mode": "call", "user": "alice", "arguments": ("0", "auth", "acct"),
         "environment": {"LC_ALL": name}} for name in ("C", locale)))
    assert lines[0] == f"locale {locale}"
    assert codes(lines) == [("auth", SUCCESS), ("acct", SUCCESS)]
    assert shape(lines) == shape(in_c)


def shown_time(text):
    """The "good until" of a screen, as seconds of the day."""
    parts = re.search(r"good until (\d\d):(\d\d):(\d\d)", text).groups()
    return sum(int(part) * unit for part, unit in zip(parts, (3600, 60, 1)))


def is_due(host, text, before):
    """The time shown is the host's, the deadline (110 s) after the start."""
    clock = host.run("date", f"--date=@{before + 110}", "+%T").stdout
    # Whole seconds on both sides, and some for a slow machine.
    late = (shown_time(text) - shown_time("good until " + clock) + 1) % 86400
    return late <= 6


@both
def test_E7_time_zone(known, program, name):
    # Only us in the stack: pam_unix has its reasons to read that file.
    known.write(f"/etc/pam.d/{name}", "".join(
        f"{kind} required {module}.so\n" for kind, module in (
            ("auth", "pam_devauth"), ("account", "pam_devauth"),
            ("session", "pam_permit"))))
    before = int(time.time())
    for each in [program(name, {"TZ": zone}, trace=CALLS)
                 for zone in (":/etc/shadow", "Pacific/Kiritimati")]:
        assert is_due(known, each.succeed(), before)
        trace = Trace(known, each.trace)
        # Where the host program may look it up for its own clock.
        assert [line for line in trace.of_helpers if "zoneinfo" in line] == []
        assert [path for path in trace.opened if "shadow" in path] == []


def test_E7_endless_time_zone(host, idp, build, stack):  # noqa: F811
    """A mebibyte of it, set by the host program after its start."""
    idp.control.quirks(approve_immediately="alice")
    before = int(time.time())
    lines = drive(host, build, "zone", "alice", str(2 ** 20))
    assert codes(lines) == [("auth", SUCCESS)]
    assert "changed TZ" not in lines
    assert is_due(host, "\n".join(lines), before)


@pytest.mark.parametrize("mask", ["000", "777"])
def test_E9_umask(host, idp, build, stack, mask):  # noqa: F811
    """Modes are what we say, with a caller that hides nothing or all."""
    folders = ("/var/lib/devauth", "/var/cache/devauth", "/run/devauth")
    stack(service="login")

    def modes():
        listing = host.run("find", *folders, "-printf", "%y %m %u %p\n").stdout
        return {line.split(" ")[3]: line.split(" ")[:3]
                for line in listing.splitlines()}

    idp.control.quirks(approve_immediately="alice")
    before = modes()
    for lines in drive_all(host, build, *(
            {"mode": "call", "user": "alice", "arguments": ("0", *phases),
             "prefix": ("sh", "-c", f'umask {mask}; exec "$@"', "sh"),
             "service": "login"}
            for phases in (("auth",), ("auth", "acct", "open")))):
        assert {code for _, code in codes(lines)} == {SUCCESS}
    after = modes()
    public = {"/var/lib/devauth/accounts.cdb", "/var/lib/devauth/generation"}
    new = {path: facts for path, facts in after.items() if path not in before}
    assert any("/grants/" in path for path in new)
    assert any("/people/" in path for path in new)
    assert any("/cache/" in path for path in new)
    assert any("/tokens/" in path for path in new)
    assert any("/sessions/" in path for path in new)
    assert any("/keys/" in path for path in new)
    assert "/run/devauth/limits" in new
    for path, (kind, mode, owner) in after.items():
        assert owner == "root", path
        if kind == "d":
            assert before[path][1] == mode, path
        else:
            assert mode == ("644" if path in public else "600"), path


def test_E11_signals_of_the_caller(host, idp, build, stack):  # noqa: F811
    """SIGCHLD ignored, everything blocked, a reaper of everybody's children, a
    timer that interrupts every call: the login works, and afterwards nothing
    of the process is different."""
    idp.control.quirks(approve_immediately="alice")
    kinds = ("default", "ignore", "block", "reaper", "ticking")
    for kind, lines in zip(kinds, drive_all(host, build, *(
            {"mode": "host", "user": "alice", "arguments": (kind,)}
            for kind in kinds))):
        assert codes(lines) == [("auth", SUCCESS)], kind
        assert [line for line in lines if line.startswith("changed")] == [], kind
        ticks = int(re.search(r"(?m)^ticks (\d+)$", "\n".join(lines)).group(1))
        assert ticks > 50 if kind == "ticking" else ticks == 0
        if kind == "reaper":
            assert lines[-1] == "reaped 1 strangers 0 badly 0"


def test_E11_broker_gone_with_default_sigpipe(host, build, stack):  # noqa: F811
    """A write to nobody must not end the host program."""
    broker(host, SPEAK + "s.sendall(code())")
    lines = drive(host, build, "host", "alice", "default", prefix=(
        "strace", "-qq", "-o", TRACE, "-e", "trace=sendto", "-e",
        "inject=sendto:delay_enter=1000000"))
    assert "EPIPE" in host.read(TRACE)
    assert codes(lines) == [("auth", AUTHINFO_UNAVAIL)]
    assert [line for line in lines if line.startswith("changed")] == []


def test_E12_threads(host, idp, build, stack):  # noqa: F811
    """Handles of one process at once, each with a broker of its own."""
    idp.control.quirks(approve_immediately="alice")
    lines = drive(host, build, "threads", "alice", "8")
    assert codes(lines) == [("auth", SUCCESS)] * 8
    assert len(host.listing("/run/devauth/grants")) == 8
    # This service has no session phase.
    wait_until(lambda: not idp.control.live(), 3, "the tokens are revoked")
    host.configure(idp, allowed_users="bob", allowed_groups=None)
    lines = drive(host, build, "threads", "alice", "64")
    assert codes(lines) == [("auth", AUTH_ERR)] * 64
    nothing_left(host)


@pytest.mark.parametrize("user, rounds, expected", [
    ("root", 10000, {"auth": IGNORE, "open": IGNORE, "close": IGNORE}),
    ("alice", 10000, {"setcred": SUCCESS, "close": SUCCESS}),
    ("alice", 500, {"auth": AUTH_ERR}),
    ("alice", 100, {"open": SUCCESS}),
    ("alice", 100, {"open": SUCCESS, "close": SUCCESS})])
def test_E13_loaded_and_unloaded(
        host, idp, build, stack, user, rounds, expected):  # noqa: F811
    """Memory, descriptors and threads stay flat; nothing keeps the module in
    the process, what pam_end() has to release included. The rows with fewer
    rounds start a broker each time, the last ones one that agrees."""
    host.configure(idp, allowed_users="bob", allowed_groups=None)
    if expected.get("open") == SUCCESS:
        broker(host, SPEAK + "s.sendall(result(0, YES, session='5' * 48))")
    lines = drive(host, build, "reload", user, str(rounds), *expected)
    facts = dict(line.split(None, 1) for line in lines)
    assert "differs" not in facts
    for phase, code in expected.items():
        assert facts[phase] == str(code)
    # Less than a byte a round: no leak, but room for the loader's own lists.
    assert int(facts["grown"]) < rounds
    assert facts["descriptors"] == "0"
    assert facts["Threads:"] == "1"
    assert facts["mapped"] == "0"


def test_E14_helpers_are_out_of_the_callers_reach(known, idp, program):
    """alice runs sudo, and would like to have a word with its helpers."""
    idp.control.quirks()
    each = program("sudo")
    code = each.until(r"Enter  (\S+)").group(1)
    attempts = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(what, call):
    try: call()
    except OSError: return
    print(what, pid)
def attach():
    if libc.ptrace(16, pid, 0, 0) != 0: raise OSError
def reach():
    piece = (ctypes.c_void_p * 2)(ctypes.addressof(libc_buffer), 8)
    if libc.process_vm_readv(pid, piece, 1, piece, 1, 0) < 0: raise OSError
libc_buffer = ctypes.create_string_buffer(8)
for pid in map(int, sys.argv[1:]):
    for name in "mem", "environ", "maps", "syscall", "auxv":
        attempt(name, lambda: open(f"/proc/{pid}/{name}", "rb").read(1))
    for name in "fd", "map_files":
        attempt(name, lambda: os.listdir(f"/proc/{pid}/{name}"))
    attempt("exe", lambda: os.readlink(f"/proc/{pid}/exe"))
    attempt("ptrace", attach)
    attempt("seize", lambda: libc.ptrace(0x4206, pid, 0, 0) and attach())
    attempt("readv", reach)
    attempt("limits", lambda: __import__("resource").prlimit(pid, 0, (1, 1)))
    attempt("nice", lambda: os.setpriority(os.PRIO_PROCESS, pid, 19))
    for number in 19, 15, 9:
        attempt(number, lambda: os.kill(pid, number))
print("done")
"""
    pids = [str(pid) for pid in known.helpers()]
    assert len(pids) == 2
    result = known.run("setpriv", "--reuid=alice", "--regid=alice",
                       "--clear-groups", "/usr/bin/python3", "-c", attempts,
                       *pids)
    assert result.stdout == "done\n", result.stderr
    idp.control.approve("alice", code)
    each.succeed()


@both
def test_E14_helpers_have_their_share_of_the_machine(known, idp, program,
                                                     name):
    """Starved by a caller's choice while it holds a lock, a broker would hold
    up all logins."""
    idp.control.quirks()
    cpus = os.sched_getaffinity(0)
    each = program(name, shell=f"exec 3>&1 >/dev/null; chrt -i -p 0 $$; "
                   f"renice -n 19 $$; ionice -c 3 -p $$; taskset -cp "
                   f"{min(cpus)} $$; echo 1000000000 >/proc/$$/timerslack_ns; "
                   "exec >&3 3>&-")
    each.until(r"Enter  (\S+)")
    assert len(known.helpers()) == 2
    for pid in known.helpers():
        policy, nice, ionice, allowed, slack = known.run(
            "sh", "-c", "cut -d ' ' -f 41 /proc/$1/stat; cut -d ' ' -f 19 "
            "/proc/$1/stat; ionice -p $1; taskset -cp $1; "
            "cat /proc/$1/timerslack_ns", "sh", str(pid),
            check=True).stdout.splitlines()
        assert (policy, nice, ionice) == ("0", "0", "none: prio 0")
        assert int(slack) == 50000
        numbers = set()
        for part in allowed.split(": ")[1].split(","):
            first, _, last = part.partition("-")
            numbers |= set(range(int(first), int(last or first) + 1))
        assert cpus <= numbers


def test_E14_ended_helpers_are_the_callers(known):
    """A caller who has made himself the parent of orphans and waits for none
    could fill the table of processes: root's are not counted."""
    line = ["sudo", "-k", "id"]
    killed = ["strace", "-qq", "-u", "alice", "-o", "/dev/null", "-e",
              "trace=wait4", "-e", "inject=wait4:signal=KILL", *line]
    line = ["setpriv", "--reuid=alice", "--regid=alice", "--init-groups", *line]
    result = known.run("setsid", "python3", "-c", f"""
import ctypes, os, subprocess, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
for line in {line!r}, {killed!r}:
    subprocess.run(line, stderr=subprocess.DEVNULL)
found = []
until = time.monotonic() + 10
while len(found) < 2 and time.monotonic() < until:
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with open("/proc/" + pid + "/status") as file:
            status = dict(line.split(":", 1) for line in file)
        if (status["Name"].strip() == "devauth-broker"
                and status["State"].split()[0] == "Z"):
            found.append(status["Uid"].split())
print(*found, sep="\\n")
""", check=True)
    uid = known.run("id", "-u", "alice").stdout.strip()
    assert result.stdout.splitlines() == [str([uid] * 4)] * 2


def helpers_under_strace(host, *options):
    """From now on the broker runs under strace, and the worker with it."""
    host.run("mv", BROKER, BROKER + ".real", check=True)
    host.write(BROKER, "#!/bin/sh\nexec strace -f -qq -o " + TRACE + " "
               + " ".join(f"-e {option}" for option in options)
               + f" {BROKER}.real\n", 0o755)


@pytest.mark.parametrize("who, call, answer", [
    ("broker", "setgroups", "error=EPERM"),
    ("broker", "setresgid", "error=EPERM"),
    ("broker", "setresuid", "error=EPERM"),
    ("broker", "setresuid", "retval=0"),  # says yes and does nothing
    ("worker", "setgroups", "error=EPERM"),
    ("worker", "setresgid", "error=EPERM"),
    ("worker", "setresuid", "error=EPERM"),
    ("worker", "setresgid", "retval=0"),
    ("worker", "setresuid", "retval=0"),
    ("worker", "setuid", "retval=0")])  # the way back is open
def test_E14_becoming_somebody_else_fails(
        host, idp, build, stack, who, call, answer):  # noqa: F811
    """Then nothing of ours goes on with a right that it should not have."""
    inject = [f"trace={call}", f"inject={call}:{answer}"]
    idp.control.quirks(approve_immediately="alice")
    prefix = ()
    if who == "worker":
        helpers_under_strace(host, *inject)
    else:
        # The real uid is the caller's, as in sudo.
        host.write(TRACE, "", 0o666)
        prefix = ("setpriv", "--ruid=nobody", "strace", "-f", "-qq", "-o",
                  TRACE, "-e", inject[0], "-e", inject[1])
    lines = drive(host, build, "call", "alice", "0", "auth", prefix=prefix)
    (_, code), = codes(lines)
    assert code in (AUTHINFO_UNAVAIL, SYSTEM_ERR)
    assert "(INJECTED)" in host.read(TRACE)
    assert idp.control.requests() == []
    nothing_left(host)


def test_E15_variables_of_the_project(known, program):
    """No variable turns a test hook, another configuration or a debug mode on;
    and there is nothing in the files that could read one."""
    known.write("/home/alice/devauth.conf", "[devauth]\nremote = deny\n")
    variables = {f"{prefix}_{name}": value for prefix in ("DEVAUTH", "DA")
                 for name, value in (
                     ("CONFIG", "/home/alice/devauth.conf"), ("DEBUG", "1"),
                     ("CONFIG_FILE", "/home/alice/devauth.conf"),
                     ("BUILD", "/home/alice"), ("TEST", "1"),
                     ("BROKER", "/home/alice/broker"), ("INSECURE", "1"),
                     ("WORKER", "/home/alice/worker"), ("LOG", "debug"),
                     ("STATEDIR", "/home/alice"), ("ROOT", "/home/alice"),
                     ("ISSUER", "https://evil.example"), ("USER", "root"))}
    variables["DEVAUTH_GRANT"] = "0" * 32
    each = program("sudo", variables, trace=CALLS)
    each.succeed()
    assert [path for path in Trace(known, each.trace).opened
            if "/home/" in path] == []
    assert "debug" not in known.log()
    settings = [f"{name}={value}" for name, value in variables.items()]
    assert known.run("env", *settings, "devauth", "config", "dump").stdout == \
        known.run("devauth", "config", "dump").stdout != ""
    for path in (BROKER, BROKER.replace("broker", "worker"),
                 "/usr/bin/devauth", MODULE,
                 f"{LIBRARIES}/libnss_devauth.so.2"):
        symbols = known.run("nm", "-D", "-u", path, check=True).stdout
        assert not re.search(r"\b(secure_)?getenv\b", symbols), path
        text = subprocess.run(
            known.command("readelf", "-p", ".rodata", path), check=True,
            capture_output=True).stdout
        words = set(re.findall(rb"\b(?:DEVAUTH|DA)_[A-Z_]+", text))
        assert words <= {b"DEVAUTH_GRANT", b"DEVAUTH_SESSION"}, path


CLI = "/usr/bin/devauth"


def test_E16_no_arguments_at_all(host):
    """execve() without even a name of the program."""
    result = host.run("/usr/bin/python3", "-c", """
import ctypes
ctypes.CDLL(None).execve(b"/usr/bin/devauth", (ctypes.c_char_p * 1)(None),
                         (ctypes.c_char_p * 1)(None))
""")
    assert result.returncode == 2
    assert result.stderr.startswith("usage: devauth COMMAND")


@pytest.mark.parametrize("closed", [
    "<&-", ">&-", "2>&-", "<&- >&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_E16_closed_descriptors(host, closed):
    """A file that is opened in the place of standard output or error must not
    get what is meant for them."""
    commands = ("", "help", "nonsense", "config check", "config dump",
                "config apply")
    files = ("/etc/devauth/devauth.conf", "/var/lib/devauth/accounts.cdb",
             "/var/lib/devauth/generation")
    host.run(CLI, "config", "apply", check=True)
    before = host.run("sha256sum", files[0], files[1], check=True).stdout
    for command in commands:
        expected = host.run("sh", "-c", f"{CLI} {command} >/dev/null")
        result = host.run("sh", "-c", f"{CLI} {command} {closed}")
        # Only what could not be said may turn a success into a failure.
        assert result.returncode in (expected.returncode, 1), command
    assert host.run("sha256sum", files[0], files[1]).stdout == before
    host.write(files[0], "[devauth]\nnonsense\n")
    before = host.run("sha256sum", *files, check=True).stdout
    for command in commands[3:]:
        assert host.run("sh", "-c",
                        f"{CLI} {command} {closed}").returncode == 1
    assert host.run("sha256sum", *files).stdout == before


def test_E16_a_mebibyte_of_arguments(host):
    result = host.run(CLI, "config", *["x" * 100000] * 10)
    assert result.returncode == 2
    assert len(result.stderr) < 500
    result = host.run(CLI, "\x1b[2J" + "x" * 100000)
    assert result.returncode == 2
    assert len(result.stderr) < 500 and "\x1b" not in result.stderr


def test_E16_set_user_id(host):
    """Somebody has made it set-user-ID root: it is not written for that."""
    host.run("sh", "-c", f"cp {CLI} /usr/bin/suid; chmod 4755 /usr/bin/suid",
             check=True)
    for arguments in ((), ("config", "check"), ("config", "apply")):
        result = host.run("setpriv", "--reuid=nobody", "--regid=nogroup",
                          "--clear-groups", "/usr/bin/suid", *arguments)
        assert result.returncode == 2, arguments
        assert result.stderr != ""


SERVICES = {
    "NOTIFY_SOCKET": "/run/spoof/notify", "LISTEN_FDS": "1",
    "LISTEN_FDNAMES": "spoof", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1",
    "DBUS_SYSTEM_BUS_ADDRESS": "unix:path=/run/spoof/bus",
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/spoof/bus",
    "DBUS_STARTER_ADDRESS": "unix:path=/run/spoof/bus",
    "XDG_RUNTIME_DIR": "/run/spoof", "XDG_CONFIG_HOME": "/run/spoof",
    "XDG_DATA_DIRS": "/run/spoof", "XDG_SESSION_ID": "1",
    "JOURNAL_STREAM": "8:1234", "INVOCATION_ID": "0" * 32,
    "CREDENTIALS_DIRECTORY": "/run/spoof", "SYSTEMD_EXEC_PID": "1",
    "STATE_DIRECTORY": "/run/spoof", "RUNTIME_DIRECTORY": "/run/spoof"}


@pytest.mark.parametrize("name", ["sudo", "su", "devauth"])
def test_E17_spoofed_services(known, program, name):
    """Variables by which services are told about descriptors, buses and
    folders: nobody follows them, and a descriptor 3 is nothing to us."""
    # pam_systemd and pam_umask are not what this is about.
    for service in ("sudo", "su"):
        known.write(f"/etc/pam.d/{service}", "".join(
            f"{kind} required {module}.so\n" for kind, module in (
                ("auth", "pam_devauth"), ("account", "pam_devauth"),
                ("session", "pam_permit"))))
    known.run("sh", "-c", "mkdir -m 777 /run/spoof; echo >/run/spoof/file",
              check=True)
    if name == "devauth":
        known.run("sh", "-c", 'exec 3</run/spoof/file; LISTEN_PID=$$ exec "$@"',
                  "sh", "env", *(f"{key}={value}" for key, value in
                                 SERVICES.items()),
                  "strace", "-D", "-f", "-qq", "-o", TRACE, "-e",
                  f"trace={CALLS}", CLI, "config", "apply", check=True)
        trace = Trace(known)
    else:
        each = program(name, SERVICES, trace=CALLS, shell="exec 3</run/spoof/"
                       "file; export LISTEN_PID=$$")
        each.succeed()
        trace = Trace(known, each.trace)
    assert [path for path in trace.opened
            if "spoof" in path and path != "/run/spoof/file"] == []
    assert trace.sockets() <= LIBC_SOCKETS
    assert known.run("ls", "/run/spoof").stdout == "file\n"


# -- P: the contract with PAM


def exact(host):
    """A stack that turns both a success and a "not mine" into success."""
    host.write(f"{CONFDIR}/exact", "".join(
        f"{kind} [success=ok ignore=ignore default=bad] pam_devauth.so\n"
        f"{kind} required pam_permit.so\n"
        for kind in ("auth", "account", "session", "password")))


@pytest.mark.parametrize("phase", PHASES)
def test_P1_memory_runs_out(host, idp, build, stack, phase):  # noqa: F811
    """The first, the second, ... request for memory fails: never a success for
    somebody who is refused otherwise, and never "not mine" for one of ours."""
    host.configure(idp, allowed_users="bob", allowed_groups=None)
    lines = drive(host, build, "memory", "alice", phase, "1000")
    if lines == ["locale C.UTF-8"]:
        pytest.skip("the sanitizer's allocator cannot fail")
    results = [int(line.split()[2]) for line in lines
               if line.startswith("memory ")]
    assert len(results) >= 3  # at least /etc/passwd is read
    assert int(lines[-1].split()[1]) == len(results)
    # Phases that ask nobody have nothing to refuse.
    harmless = {SUCCESS} if phase in ("setcred", "open", "close") else set()
    assert set(results) - DOCUMENTED[phase] == set()
    assert IGNORE not in results
    assert SUCCESS not in results or harmless
    # One of us is told apart from a local account all the same.
    lines = drive(host, build, "memory", "root", phase, "1000")
    for line in lines:
        if line.startswith("memory "):
            assert int(line.split()[2]) in (BUF_ERR, SYSTEM_ERR, IGNORE)


@pytest.mark.parametrize("user, fault", [
    ("alice", "getrandom:error=EIO"), ("alice", "socketpair:error=EMFILE"),
    ("alice", "clone:error=EAGAIN"), ("alice", "wait4:error=ECHILD"),
    ("alice", "rt_sigprocmask:error=EINVAL"),
    ("alice", "sendto:error=EIO"),
    ("alice", "recvfrom:error=EIO"), ("alice", "recvfrom:retval=0"),
    ("alice", "poll:error=ENOMEM"),
    # Whoever cannot read who is local lets nobody pass as such, nor root in.
    ("alice", "openat:error=EMFILE"), ("root", "openat:error=EMFILE"),
    ("alice", "read:error=EIO"), ("root", "read:error=EIO"),
    ("root", "newfstatat:error=EIO")])
def test_P1_system_calls_fail(host, build, stack, user, fault):  # noqa: F811
    """With a broker that would let anybody in."""
    call = fault.split(":")[0]
    broker(host, YES)
    exact(host)
    options = ["-e", f"trace={call}", "-e", f"inject={fault}"]
    if call in ("openat", "read", "newfstatat"):
        options = ["-P", "/etc/passwd", *options]
    lines = drive(host, build, "call", user, "0", "auth", service="exact",
                  prefix=("strace", "-qq", "-o", TRACE, *options))
    assert "(INJECTED)" in host.read(TRACE)
    if call == "newfstatat":  # libc goes on without it
        assert codes(lines) == [("auth", IGNORE)]
        return
    (_, code), = codes(lines)
    assert code not in (SUCCESS, IGNORE)
    assert code in DOCUMENTED["auth"]


@pytest.mark.parametrize("fault", [
    # The broker's: its own hardening, its way to the worker, the grant.
    "prctl:error=EPERM", "prlimit64:error=EPERM", "chdir:error=EACCES",
    "getsockopt:error=EBADF", "socketpair:error=EMFILE", "clone:error=EAGAIN",
    "close_range:error=ENOSYS", "poll:error=ENOMEM", "recvfrom:error=EIO",
    "sendto:error=EPIPE", "getrandom:error=EIO", "fsync:error=EIO",
    "renameat:error=ENOSPC", "fchmod:error=EROFS", "flock:error=EIO",
    # The worker's: without its sandbox it must not go on.
    "seccomp:error=EPERM", "landlock_restrict_self:error=EPERM",
    "setitimer:error=EINVAL", "capget:error=EPERM"])
def test_P1_helpers_fail(host, idp, build, stack, fault):  # noqa: F811
    """Everybody approves, but something inside does not work."""
    call = fault.split(":")[0]
    helpers_under_strace(host, f"trace={call}", f"inject={fault}")
    idp.control.quirks(approve_immediately="alice")
    lines = drive(host, build, "call", "alice", "0", "auth")
    trace = host.read(TRACE)
    if call == "landlock_restrict_self" and not trace:
        pytest.skip("this kernel has no Landlock")
    assert "(INJECTED)" in trace
    (_, code), = codes(lines)
    assert code not in (SUCCESS, IGNORE)
    assert code in DOCUMENTED["auth"]
    assert host.listing("/run/devauth/grants", "/var/lib/devauth/people") == []
    nothing_left(host)


def test_P1_slow_broker(host, build, stack):  # noqa: F811
    """One that says nothing: five seconds where no person is asked."""
    broker(host, "import time; time.sleep(60)")
    started = time.monotonic()
    lines = drive(host, build, "call", "alice", "0", "acct")
    assert codes(lines) == [("acct", AUTHINFO_UNAVAIL)]
    assert 4 < time.monotonic() - started < 8


# The head of pam_devauth.c, and the manual pages of pam_sm_*(3).
REFUSED = {SYSTEM_ERR, BUF_ERR, AUTHINFO_UNAVAIL}
DOCUMENTED = {
    "auth": REFUSED | {SUCCESS, IGNORE, AUTH_ERR, MAXTRIES, CONV_ERR},
    "setcred": {SUCCESS, IGNORE, SYSTEM_ERR, BUF_ERR, USER_UNKNOWN},
    "acct": REFUSED | {SUCCESS, IGNORE, PERM_DENIED, 13, USER_UNKNOWN,
                       MAXTRIES},
    "open": REFUSED | {SUCCESS, IGNORE, SESSION_ERR},
    "close": REFUSED | {SUCCESS, IGNORE, SESSION_ERR},
    "chauthtok": {IGNORE, PERM_DENIED, SYSTEM_ERR, BUF_ERR, USER_UNKNOWN},
}
# For somebody of ours who has never signed in: no phase but auth may ask.
NEVER_SIGNED_IN = {"setcred": SUCCESS, "acct": USER_UNKNOWN, "open": SUCCESS,
                   "close": SUCCESS, "chauthtok": PERM_DENIED}


@pytest.mark.parametrize("user, before, expected", [
    ("alice", (), NEVER_SIGNED_IN),
    ("alice", ("auth",), NEVER_SIGNED_IN),  # which fails
    ("alice", ("auth", "auth"), NEVER_SIGNED_IN),
    ("root", (), dict.fromkeys(PHASES, IGNORE)),
    ("root", ("auth",), dict.fromkeys(PHASES, IGNORE)),
    ("-", (), {"auth": AUTH_ERR, "acct": USER_UNKNOWN}),
    ("", (), {"auth": AUTH_ERR, "acct": USER_UNKNOWN}),
    ("a" * 33, (), {"auth": AUTH_ERR, "acct": USER_UNKNOWN}),
    ("al\x1bice", (), {"auth": AUTH_ERR, "acct": USER_UNKNOWN}),
    ("../alice", (), {"auth": AUTH_ERR, "acct": USER_UNKNOWN})])
def test_P2_entry_points(
        host, idp, build, stack, user, before, expected):  # noqa: F811
    """All six, twice, after nothing or a failure, with no flag or all of them:
    the documented code, and no request."""
    host.configure(idp, allowed_users="bob", allowed_groups=None)
    # A second round in another order finds nothing that the first has left.
    order = [*before, *PHASES[1:], *reversed(PHASES)]
    for lines in drive_all(host, build, *(
            {"mode": "call", "user": user, "arguments": (flags, *order)}
            for flags in ("0", "0xffffffff"))):
        results = codes(lines)
        assert [phase for phase, _ in results] == order
        for phase, code in results:
            assert code in DOCUMENTED[phase], (phase, code)
            assert code == expected.get(phase, code), (phase, code)
            if user != "root" and phase == "auth":
                assert code == AUTH_ERR
    assert idp.control.requests() == []
    assert host.listing("/run/devauth/grants", "/var/lib/devauth/people") == []


def test_P2_after_a_success(host, idp, build, stack):  # noqa: F811
    """Once more, and the other way round, after a login that worked."""
    idp.control.quirks(approve_immediately="alice")
    order = ("auth", "acct", "acct", "setcred", "setcred", "close", "open",
             "open", "close", "chauthtok", "auth", "acct")
    results = codes(drive(host, build, "call", "alice", "0", *order))
    assert results == [(phase, PERM_DENIED if phase == "chauthtok" else SUCCESS)
                       for phase in order]
    assert host.listing("/run/devauth/grants") == []


def damage_module(host, what):
    patches = {
        # e_machine: one of IBM's.
        "wrong architecture": "f.seek(18); f.write(b'\\x16\\x00')",
        "unresolved symbol": "d = f.read(); f.seek(d.index(b'pam_get_user')); "
                             "f.write(b'pam_got_user')",
        "empty": "f.truncate(0)",
    }
    if what == "missing":
        host.run("rm", MODULE, check=True)
    elif what == "no configuration":
        host.run("sh", "-c", "rm /etc/devauth/devauth.conf; "
                 "mkdir /etc/devauth/devauth.conf", check=True)
    else:
        host.run("/usr/bin/python3", "-c",
                 f"f = open('{MODULE}', 'r+b'); {patches[what]}", check=True)


@pytest.mark.parametrize("what", [
    "missing", "wrong architecture", "unresolved symbol", "empty",
    "no configuration"])
def test_P4_module_cannot_be_loaded(known, idp, program, what):
    """Our people are refused and not asked for a password; the local account
    kept for that day gets in, through the lines that the documentation gives.
    (Under sshd and login: tests/e2e.)"""
    known.run("useradd", "-m", "-s", "/bin/sh", "-p",
              known.run("openssl", "passwd", "-6", "sesame").stdout.strip(),
              "breakglass", check=True)
    known.write("/etc/sudoers.d/breakglass", "breakglass ALL=(ALL) ALL\n",
                0o440)
    damage_module(known, what)
    idp.control.reset()
    for name in ("su", "sudo"):
        each = program(name)
        text = each.end()
        assert each.child.exitstatus == 1
        # sudo has its own words for it; but nobody asks.
        assert not re.search("assword.*: ", text), text
        assert each.expected not in text.split()
    assert idp.control.requests() == []
    for caller, command, expected in (
            ("nobody", ["su", "breakglass", "-c", "id -un"], "breakglass"),
            ("breakglass", ["sudo", "-k", "id", "-un"], "root")):
        line = known.command("setpriv", f"--reuid={caller}", "--clear-groups",
                             *command)
        child = pexpect.spawn(line[0], line[1:], encoding="utf-8", timeout=20)
        child.expect("(?i)password.*: ")
        child.sendline("sesame")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0, child.before
        assert child.before.split() == [expected]


def test_P3_no_longer_allowed(known, idp):
    """Root's own su asks nobody who somebody is, and pam_unix has nothing
    against alice: our line alone refuses her, and only her. (sudo and login:
    tests/e2e.)"""
    known.run("useradd", "-m", "-s", "/bin/sh", "local", check=True)
    idp.control.reset()

    def enters(user):
        return known.run("su", user, "-c", "id -un").stdout == f"{user}\n"

    assert enters("alice") and enters("local")
    known.configure(idp, allowed_groups="somebody-else")
    assert not enters("alice")
    assert enters("local")
    assert known.decisions()[-1]["reason"] == "account-denied"
    assert idp.control.requests() == []


def test_P6_passwords(known, program):
    """passwd with our line ahead of pam_unix: alice is told where hers is,
    local accounts change theirs as ever."""
    known.write("/etc/pam.d/passwd",
                "password [success=ok ignore=ignore default=die] "
                "pam_devauth.so\n@include common-password\n")
    known.run("useradd", "-m", "-p", known.run(
        "openssl", "passwd", "-6", "old-sesame").stdout.strip(), "local",
        check=True)

    def run(user):
        line = known.command("setpriv", f"--reuid={user}", "--clear-groups",
                             "passwd")
        return pexpect.spawn(line[0], line[1:], encoding="utf-8", timeout=20)

    before = known.read("/etc/shadow")
    child = run("alice")
    child.expect_exact("alice signs in at the identity provider and has no "
                       "password on this host.")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus != 0
    assert "assword:" not in child.before
    assert known.read("/etc/shadow") == before
    child = run("local")
    for prompt, answer in (("Current password:", "old-sesame"),
                           ("New password:", "New-5esame!"),
                           ("Retype new password:", "New-5esame!")):
        child.expect_exact(prompt)
        child.sendline(answer)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0, child.before
    assert known.read("/etc/shadow") != before


def test_P7_end_in_a_child(host, idp, build, stack):  # noqa: F811
    """pam_end() of a copy of the handle, with PAM_DATA_SILENT, takes nothing
    away: what was granted is there for the parent, and the session goes on
    until it is closed or its owner is gone."""
    stack(service="login")
    idp.control.quirks(approve_immediately="alice")
    lines = drive(host, build, "end", "alice", service="login")
    assert [line for line in lines if re.fullmatch(r"\w+ \d+", line)] == [
        "auth 0", "child 0", "acct 0", "open 0", "child 0", "child 0", "end 0"]
    assert not host.helpers()
    assert idp.control.requests("revoke") == []
    assert len(idp.control.live()) == 1
    assert [line["event"] for line in host.audit()] == ["auth", "account",
                                                        "open"]
    # The grant was consumed, once.
    token, facts = sorted(host.kept(), reverse=True)
    assert os.path.dirname(token) == "/var/lib/devauth/tokens"
    assert facts == f"/run/devauth/sessions/{os.path.basename(token)}"
    host.run(*SWEEP, check=True)
    host.all_revoked(idp)
    assert [line["event"] for line in host.audit()][3:] == ["end", "revoke"]


def logged_in(idp, driver, *phases):  # noqa: F811
    """Somebody with a session, in the middle of it; its id."""
    idp.control.quirks(approve_immediately="alice")
    each = driver("alice", "auth", "acct", "open", "wait", *phases,
                  service="login")
    for phase in ("auth", "acct", "open"):
        assert each.result(phase) == SUCCESS
    each.until(r"wait")
    return each


def session_of(host):
    path, = host.listing("/var/lib/devauth/tokens")
    return os.path.basename(path)


def test_I10_phases_out_of_order(host, idp, driver, stack):  # noqa: F811
    """Twice, too early, too late: one session, one revocation; what comes at
    another time has no effect."""
    stack(service="login")
    idp.control.quirks(approve_immediately="alice")
    phases = ("close", "setcred", "open", "auth", "close", "setcred", "acct",
              "close", "open", "open", "setcred", "close", "close", "setcred",
              "open", "close")
    each = driver("alice", *phases, service="login")
    for phase in phases:
        assert each.result(phase) == SUCCESS, phase
    host.all_revoked(idp)
    assert [(line["event"], line["result"]) for line in host.audit()] == [
        ("auth", "allowed"), ("account", "allowed"), ("open", "allowed"),
        ("close", "allowed"), ("revoke", "done")]


def test_I10_another_handle(host, idp, driver, stack):  # noqa: F811
    """A session is closed by the handle that opened it and nobody else, not
    even one that knows its name; two handles are two sessions."""
    stack(service="login")
    first = logged_in(idp, driver, "close")
    mine = session_of(host)
    second = logged_in(idp, driver, "close", "close")
    ids = {os.path.basename(path)
           for path in host.listing("/var/lib/devauth/tokens")}
    assert len(ids) == 2 and mine in ids
    other = driver("alice", "--env", f"DEVAUTH_SESSION={mine}", "setcred",
                   "close", "open", "close", service="login")
    for phase in ("setcred", "close", "open", "close"):
        assert other.result(phase) == SUCCESS
    other.rest()
    assert len(idp.control.live()) == 2 and not host.helpers()
    second.child.send("\n")
    for _ in range(2):
        assert second.result("close") == SUCCESS
    wait_until(lambda: not host.helpers(), 3, "the revocation")
    assert session_of(host) == mine
    assert len(idp.control.live()) == 1
    first.child.send("\n")
    assert first.result("close") == SUCCESS
    host.all_revoked(idp, 2)
    assert [line["event"] for line in host.audit()].count("close") == 2


def test_P8_replayed_grant(host, idp, driver, stack):  # noqa: F811
    """What another process has consumed opens no second session; neither does
    one for another person or service."""
    stack(service="login")
    stack(service="sshd")
    idp.control.quirks(approve_immediately="alice")
    each = driver("alice", "auth", service="login")
    grant = re.search(r"DEVAUTH_GRANT=(\w{32})", each.rest()).group(1)
    assert os.path.basename(*host.kept()) == grant
    variable = ("--env", f"DEVAUTH_GRANT={grant}")

    def opens(user, service):
        each = driver(user, *variable, "open", "wait", "close", service=service)
        code = each.result("open")
        each.until("wait")
        return each, code

    for user, service in (("bob", "login"), ("alice", "sshd")):
        assert opens(user, service)[1] == SESSION_ERR
        assert os.path.basename(*host.kept()) == grant
    assert driver("alice", *variable, "acct", service="login").result(
        "acct") == SUCCESS
    holder, code = opens("alice", "login")
    assert code == SUCCESS and len(session_of(host)) == 48
    replay, code = opens("alice", "login")
    assert code == SESSION_ERR
    replay.child.send("\n")
    replay.result("close")  # libpam remembers what did not open
    assert "DEVAUTH" not in replay.rest()
    assert len(idp.control.live()) == 1
    holder.child.send("\n")
    assert holder.result("close") == SUCCESS
    host.all_revoked(idp)


# -- T: what a person sees


ESC, CSI, DCS, ST = "\x1b", "\x9b", "\x90", "\x9c"
NASTY = {
    "escape": f"{ESC}[2J{ESC}]0;owned\x07{ESC}]8;;https://evil.example/{ESC}\\"
              f"{ESC}]52;c;ZXZpbA==\x07{ESC}P+q544e{ESC}\\{ESC}c",
    "c1": f"{CSI}2J{DCS}$q\"p{ST}\x85\x9d0;x{ST}",
    "control": "\x07\x08\x08\x08\r\n\t\x0b\x0c\x0e\x0f\x7f\x01Password: ",
    "bidi": "\u202eecila\u202c\u2066x\u2069\u200f\u061c",
    "invisible": "a\u200bl\u2060i\ufeffc\u00ade\U000e0041\u3164",
    "combining": "a" + "\u0301" * 10000,
    "lookalike": "\u0430lice \u2028\u2029 \uff41lice",
    "percent": "%n%s%x%1000000d%*c%%",
}
# Printable ASCII, lines, and what a QR code is drawn with.
ALLOWED = re.compile("[ -~\n\u2588\u2580\u2584]*")


def raw_driver(host, build, user, *arguments):
    """pam_driver, with bytes as they come."""
    line = host.command(
        os.path.join(build, "tests", "module", "pam_driver"), CONFDIR, "test",
        user, *arguments)
    return pexpect.spawn(line[0], line[1:], timeout=20, echo=False,
                         dimensions=(60, 200))


def seen(child, start=b""):
    """Everything until the program ends, as text; nothing but what may be."""
    child.expect(pexpect.EOF)
    child.close()
    # Terminals make \r\n of \n; the driver itself writes nothing else.
    text = (start + child.before).replace(b"\r\n", b"\n").decode("utf-8")
    bad = [char for char in text if not ALLOWED.fullmatch(char)]
    assert not bad, ascii(text)
    return text


@pytest.mark.parametrize("quirk, variants", [
    ("user_code", USER_CODE_VARIANTS),
    ("verification_uri", VERIFICATION_URI_VARIANTS)])
def test_T1_code_and_address(
        host, idp, build, stack, quirk, variants):  # noqa: F811
    """Either nothing of it is shown, or all of it as it is."""
    shown = set()
    for variant in variants:
        no_code_limits(host)
        idp.control.reset()
        idp.control.quirks(**{quirk: variant, "token_error": "access_denied"})
        text = seen(raw_driver(host, build, "alice", "auth"))
        assert re.search(r"auth (\d+)\n", text).group(1) != str(SUCCESS)
        assert "Password:" not in text
        if "Enter  " in text:
            shown.add(variant)
    # Nothing but text; and providers do have pages on hosts of their own.
    assert shown <= {"percent", "other_host"}


@pytest.mark.parametrize("kind", NASTY)
def test_T1_claims(host, idp, build, stack, kind):  # noqa: F811
    """The identity is what messages name: on success, for a person who is
    somebody else, for one without a usable name, and for one whom no rule
    allows."""
    nasty = NASTY[kind]
    texts = {"email": nasty + "@example.com", "name": nasty, "nickname": nasty}
    idp.control.quirks(claims={
        "alice": texts, "bob": texts, "carol": {**texts, "groups": [nasty]},
        "mallory": {**texts, "preferred_username": nasty, "email": None}})
    logins = []
    for user, approver, says in (
            ("alice", "alice", "auth 0\n"),
            ("alice", "bob", "may not log in as alice."),
            ("carol", "carol", "may not log in here as carol."),
            ("alice", "mallory", "login name that this host accepts.")):
        child = raw_driver(host, build, user, "auth", "acct")
        child.expect(rb"Enter  (\S+)")
        idp.control.approve(approver, child.match.group(1).decode())
        logins.append((child, child.before + child.after, says))
    for child, start, says in logins:
        text = seen(child, start)
        # Texts that are too long to be kept are refused as a whole.
        assert says in text or "is not valid" in text or \
            "that cannot be used" in text, ascii(text)
        assert "Password:" not in text
    assert all(line.isprintable() and line.isascii()
               for line in host.log().splitlines())


def test_T2_formats(host, idp, build, stack):  # noqa: F811
    """%n%s%x is seven characters, wherever it comes from."""
    text = "%n%s%x"
    stack("debug")
    idp.control.quirks(approve_immediately="alice", claims={"alice": {
        "email": text + "@example.com", "name": text, "groups": [text]}})
    shown = seen(raw_driver(host, build, "alice", "--rhost", text, "--tty",
                            text, "auth"))
    assert f"Sign in to web1 as alice, from {text}" in shown
    assert f"{text}@example.com may not log in here as alice." in shown
    assert f"rhost={text} tty={text}" in host.log()
    assert f"group '{text}'" in host.log().replace('"', "'")
    idp.control.quirks(user_code=text, token_error="access_denied")
    seen(raw_driver(host, build, "alice", "auth"))
    idp.control.quirks(endpoint={"device_authorization": {
        "status": 400, "body": {"error": text, "error_description": text}}})
    seen(raw_driver(host, build, "alice", "auth"))
    seen(raw_driver(host, build, text, "auth"))


LOOKS = {
    "no TERM": ({"TERM": None}, (24, 80)), "dumb": ({"TERM": "dumb"}, (60, 80)),
    "narrow": ({}, (60, 40)), "low": ({}, (24, 80)),
    "not UTF-8": ({"LC_ALL": "C", "LANG": "C"}, (60, 80)),
    "screen reader": ({}, (60, 80))}


def test_T4_plain_text(known, program):
    """Whoever cannot see the drawing has all there is in plain lines below
    it."""
    started = {}
    for look, (environment, dimensions) in LOOKS.items():
        if look == "screen reader":
            # The others have read their stack: they show a code.
            for each in started.values():
                each.start = each.until(r"good until") and \
                    each.child.before + each.child.after
            known.pam("sudo", "qr=off")
        started[look] = program("sudo", environment, dimensions=dimensions)
    for look, each in started.items():
        text = (getattr(each, "start", "") + each.succeed()).replace(
            "\r\n", "\n")
        drawn, _, plain = text.rpartition("\u2580")
        assert re.search(r"(?m)^Sign in to web1 as alice$", plain), look
        assert re.search(r"(?m)^    Open   https://localhost:\d+/device$",
                         plain), look
        assert re.search(r"(?m)^    Enter  [A-Z]{4}-[A-Z]{4} +good until "
                         r"\d\d:\d\d:\d\d [A-Z]+$", plain), look
        assert plain.isascii(), look
        assert (drawn == "") == (look in ("no TERM", "screen reader", "low"))


@pytest.mark.parametrize("variant", [
    *ERROR_DESCRIPTIONS, "Password: \n    Enter  EVIL-CODE"])
def test_T5_descriptions(host, idp, build, stack, variant):  # noqa: F811
    """A provider's own words are never passed on: people would believe them to
    be the host's."""
    def begin():
        child = raw_driver(host, build, "alice", "auth")
        child.expect(rb"Enter  (\S+)")
        return child, child.before + child.after, child.match.group(1).decode()

    def end(child, start, _):
        text = seen(child, start)
        # Only the one code, and the one message at the end.
        assert len(re.findall("Enter  ", text)) == 1
        assert not re.search("Password|EVIL|script|owned|Cookie", text)

    idp.control.quirks(error_description=variant)
    denied, expired = begin(), begin()
    idp.control.deny(denied[2])
    idp.control.expire(expired[2])
    # While these two wait for their first poll.
    for body in ({"error": "invalid_client", "error_description": "Password:"},
                 {"error": "Password:"}, "Password:"):
        idp.control.quirks(error_description=variant, endpoint={
            "device_authorization": {"status": 400, "body": body}})
        text = seen(raw_driver(host, build, "alice", "auth"))
        assert "Password:" not in text and "Enter  " not in text
    idp.control.quirks(error_description=variant)
    refused = begin()
    end(*denied)
    end(*expired)
    idp.control.quirks(error_description=variant, token_error="made_up")
    end(*refused)
    assert "Password" not in host.log()


@pytest.mark.parametrize("kind", NASTY)
def test_T11_logs_and_the_command(
        host, idp, build, stack, kind):  # noqa: F811
    """What the host program passes on, what stands in our PAM line and in the
    configuration: one printable line each, of a length that has an end."""
    text = NASTY[kind][:4000]
    host.configure(idp, allowed_users="bob", allowed_groups=None)
    stack("debug")
    before = len(host.log().splitlines())
    seen(raw_driver(host, build, "alice", "--rhost", text, "--tty", text,
                    "auth", "acct"))
    seen(raw_driver(host, build, text, "auth", "acct"))
    # libpam makes two lines of one that is too long.
    stack("debug " + re.sub(r"[\s\[\]]+", "-", text[:200]))
    seen(raw_driver(host, build, "alice", "auth"))
    for broken in (f"[devauth]\nremote = {text}\n", f"[devauth]\n{text} = 1\n",
                   f"[profile {text}]\nissuer = {text}\n"):
        host.write("/etc/devauth/devauth.conf", broken)
        for command in ("check", "dump", "apply"):
            result = subprocess.run(
                host.command("devauth", "config", command),
                capture_output=True, check=False)
            assert result.returncode == 1
            said = (result.stdout + result.stderr).decode("ascii")
            assert all(line.isprintable() and len(line) < 1000
                       for line in said.split("\n"))
    stack()
    seen(raw_driver(host, build, "alice", "auth"))
    with open(host.log_path, "rb") as file:
        lines = file.read().split(b"\n")[before:]
    ours = [line.decode("ascii") for line in lines
            if b"devauth" in line or b"pam_driver" in line]
    assert len(ours) > 5
    assert all(line.isprintable() and len(line) < 2000 for line in ours)
    decisions = [line for line in ours if "event=" in line]
    assert len(decisions) >= 2
    assert all(len(re.findall(r"\bevent=", re.sub('"[^"]*"', "", line))) == 1
               for line in decisions)


# -- G: signals and crashes


def terminal_of(child):
    """Its settings, without the speed's and the characters' noise."""
    return termios.tcgetattr(child.child_fd)[:4]


class Flow:
    """A login that has come to a certain point."""

    QUIRKS = {"before the code": {"stall": ["device_authorization"]},
              "in a poll": {"stall": ["token"]}}
    PROGRAMS = {"broker": "devauth-broker", "worker": "devauth-worker",
                "host": "pam_driver"}

    def __init__(self, host, idp, driver, point, earlier):  # noqa: F811
        self.each = driver("alice", "auth")
        self.before = terminal_of(self.each.child)
        if point == "before the code":
            wait_until(lambda: len(idp.control.requests(
                "device_authorization")) > len(earlier), what="the request")
        else:
            self.each.code()
        if point == "at the prompt":
            self.each.until("prompt Press Enter")
        others = {pid for flow in earlier for pid in flow.pids.values()}
        self.pids = {}
        for who, name in self.PROGRAMS.items():
            self.pids[who], = set(host.processes(name)) - others


POINTS = ("before the code", "waiting", "at the prompt", "in a poll")


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("what", ["KILL", "TERM", "STOP"])
def test_G1_signals(host, idp, driver, stack, point, what):  # noqa: F811
    """Whoever is hit, soon nothing is left: no process, no grant, no account,
    and the terminal is as it was."""
    stack("prompt=enter" if point == "at the prompt" else "")
    idp.control.quirks(**Flow.QUIRKS.get(point, {}))
    flows = {}
    for who in Flow.PROGRAMS:
        flows[who] = Flow(host, idp, driver, point, list(flows.values()))
    if point == "in a poll":
        wait_until(lambda: len(idp.control.requests("token")) == len(flows),
                   what="a poll of each")
    for who, flow in flows.items():
        host.run("kill", f"-{what}", str(flow.pids[who]), check=True)
    if what == "STOP":
        # They cannot end; the rest must not need them for that.
        for who, flow in flows.items():
            other = "host" if who != "host" else "worker"
            host.run("kill", "-KILL", str(flow.pids[other]), check=True)
        host.run("kill", "-CONT", str(flows["broker"].pids["broker"]),
                 check=True)
        host_program = flows["host"]
        wait_until(lambda: host_program.pids["broker"] not in host.helpers(),
                   5, "the broker of a stopped program is gone")
        host.run("kill", "-CONT", str(host_program.pids["host"]), check=True)
    nothing_left(host)
    for who, flow in flows.items():
        if who != "host" and what != "STOP":
            if point == "at the prompt":
                flow.each.child.send("\n")
            assert flow.each.result("auth") == AUTHINFO_UNAVAIL
        assert terminal_of(flow.each.child) == flow.before
        flow.each.child.close(force=True)
    wait_until(lambda: not host.processes("pam_driver"), 5,
               "the host programs are gone")
    assert host.listing("/run/devauth/grants", "/var/lib/devauth/people") == []


@pytest.mark.parametrize("what", ["KILL", "TERM"])
def test_G1_gone_after_the_approval(
        host, idp, driver, stack, what):  # noqa: F811
    """The tokens are here, Enter is not: they are revoked at once."""
    stack("prompt=enter", service="login")
    each = driver("alice", "auth", service="login")
    idp.control.approve("alice", each.code())
    wait_until(idp.control.live, what="the tokens")
    wait_until(lambda: not host.processes("devauth-worker"), 3, "the identity")
    pid, = host.processes("pam_driver")
    host.run("kill", f"-{what}", str(pid), check=True)
    host.all_revoked(idp)
    assert [(line["event"], line["result"]) for line in host.audit()] == [
        ("auth", "cancelled"), ("revoke", "done")]


@pytest.mark.parametrize("phase, call", [
    ("open", "fsync"), ("open", "renameat"), ("open", "unlinkat"),
    ("close", "renameat"), ("close", "unlinkat")])
def test_G1_broker_killed_on_the_way(
        host, idp, driver, stack, phase, call):  # noqa: F811
    """Before each of the calls that change what is kept: whatever is left of
    the session, the sweep revokes it, once the grant is too old as well."""
    stack(service="login")
    idp.control.quirks(approve_immediately="alice")
    tokens_at = re.compile(r"/run/devauth/grants/\w+"
                           r"|/var/lib/devauth/tokens/(revoke/)?\w+")
    killed = 0
    for number in range(1, 4):
        no_code_limits(host)
        phases = ["auth", "acct", "open", "close"]
        phases.insert(phases.index(phase), "wait")
        each = driver("alice", *phases, service="login")
        each.until("wait")
        helpers_under_strace(
            host, f"trace={call}", f"inject={call}:signal=KILL:when={number}")
        each.child.send("\n")
        code = each.result(phase)
        each.rest()
        nothing_left(host)
        host.run("mv", BROKER + ".real", BROKER, check=True)
        killed += "SIGKILL" in host.read(TRACE)
        assert code in DOCUMENTED[phase]
        host.run("unshare", "--time", "--fork", "--boottime=150", *SWEEP,
                 check=True)
        assert idp.control.live() == []
        # Half a file could be one that is being written, for a while.
        assert [path for path in host.kept() if tokens_at.fullmatch(path)] == []
        host.run("find", "/run/devauth", "/var/lib/devauth", "-type", "f",
                 "-exec", "touch", "--date=3 hours ago", "{}", "+", check=True)
        host.run(*SWEEP, check=True)
        assert host.kept() == []
    assert killed > 0


KEYS = {"Ctrl-C": "\x03", "Ctrl-\\": "\x1c", "Ctrl-Z": "\x1a"}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("where", ["prompt=enter", "prompt=none"])
@both
def test_G4_keys(known, idp, name, where, key):
    """At the prompt and in the wait behind it: the program ends, or stops and
    goes on; the terminal echoes; what was typed ahead is no command."""
    idp.control.quirks()
    known.pam(name, where)
    user, group, start, expected = Program.PROGRAMS[name]
    line = known.command("env", "-i", "PATH=/usr/bin:/bin", "TERM=dumb",
                         "PS1=%% ", "setpriv", f"--reuid={user}",
                         f"--regid={group}", "--clear-groups", "bash",
                         "--norc", "--noprofile", "-i")
    child = pexpect.spawn(line[0], line[1:], encoding="utf-8", timeout=10)
    child.expect_exact("%% ")
    command = " ".join(start) + (" 'id -un'" if name == "su" else " id -un")
    child.sendline(command)
    child.expect(r"Enter  (\S+)")
    code = child.match.group(1)
    child.expect_exact("approved: " if where == "prompt=enter"
                       else "good until")
    child.send("typed-ahead")
    child.expect_exact("typed-ahead")
    child.send(KEYS[key])
    if key == "Ctrl-Z":
        if name == "su" and where == "prompt=enter":
            # misc_conv holds the signal back until the line is there.
            child.send("\n")
        child.expect_exact("Stopped")
        child.expect_exact("%% ")
        assert len(known.helpers()) == 2
        child.sendline("stty -a | grep -ow -e -echo -e echo; fg")
        child.expect(r"\r\n(-?echo)\r\n")
        assert child.match.group(1) == "echo"
        idp.control.approve("alice", code)
        if where == "prompt=enter":
            child.send("\r")
        child.expect_exact(f"\r\n{expected}\r\n")
        child.expect_exact("%% ")
        nothing_left(known)
        child.close(force=True)
        return
    child.expect_exact("%% ")
    assert "typed-ahead: command not found" not in child.before
    nothing_left(known)
    child.sendline("echo status=$?; stty -a | grep -ow -e -echo -e echo")
    child.expect(r"status=(\d+)\r\n(-?echo)\r\n")
    assert child.match.group(1) != "0" and child.match.group(2) == "echo"
    child.close(force=True)
    assert {line["result"] for line in known.decisions()[-1:]} == {"cancelled"}


def with_secret(host, idp):
    """A client with a secret; its appearances."""
    client = CLIENTS["devauth-basic"]["secret"]
    host.write("/etc/devauth/secret", client + "\n", 0o600)
    host.configure(idp, client_id="devauth-basic",
                   client_auth="client_secret_basic",
                   client_secret_file="/etc/devauth/secret")
    encoded = urllib.parse.quote_plus(client)
    pair = base64.b64encode(f"devauth-basic:{encoded}".encode()).decode()
    return [re.escape(text) for text in (client, encoded, pair)]


@pytest.mark.parametrize("who", ["worker", "broker"])
def test_G5_crash_leaves_no_core(host, idp, build, stack, who):  # noqa: F811
    """Neither a file nor a word of what it knew, with a caller that would like
    to have cores."""
    needles = with_secret(host, idp)
    stack("debug")
    line = host.command(
        "prlimit", "--core=unlimited",
        os.path.join(build, "tests", "module", "pam_driver"), CONFDIR, "test",
        "alice", "auth")
    child = pexpect.spawn(line[0], line[1:], encoding="utf-8", timeout=20)
    child.expect(r"Enter  (\S+)")
    code = child.match.group(1)
    pid, = host.processes(f"devauth-{who}")
    limits = host.read(f"/proc/{pid}/limits")
    assert re.search(r"Max core file size +0 +0 ", limits)
    if who == "worker":
        # A process that must not be dumped belongs to root, in /proc.
        assert host.run("stat", "-c", "%U", f"/proc/{pid}/environ"
                        ).stdout.strip() == "root"
    host.run("kill", "-SEGV", str(pid), check=True)
    child.expect(pexpect.EOF)
    child.close()
    assert f"auth {AUTHINFO_UNAVAIL}" in child.before
    nothing_left(host)
    assert host.run("find", "/", "-xdev", "-maxdepth", "2", "-name",
                    "core*", "-newer", "/etc/devauth/secret", "-type", "f"
                    ).stdout == ""
    for needle in [*needles, code]:
        assert not re.search(needle, host.log() + child.before)


def test_G6_no_signal_handlers(host, idp, build, stack):  # noqa: F811
    """In the host's process we set no handler and no timer; asking how things
    are is allowed."""
    calls = ("rt_sigaction,sigaltstack,alarm,setitimer,timer_create,"
             "timerfd_create,timerfd_settime")
    idp.control.quirks(approve_immediately="alice")
    line = host.command("strace", "-qq", "-o", TRACE, "-e", f"trace={calls},"
                        "socketpair", os.path.join(
                            build, "tests", "module", "pam_driver"), CONFDIR,
                        "test", "alice", *PHASES)
    child = pexpect.spawn(line[0], line[1:], encoding="utf-8", timeout=20)
    child.expect(pexpect.EOF)
    assert f"auth {SUCCESS}" in child.before
    lines = host.read(TRACE).splitlines()
    assert sum("socketpair" in one for one in lines) >= 2  # it was us
    assert [one for one in lines if "socketpair" not in one and
            not re.search(r"rt_sigaction\(\w+, NULL,", one)] == []


# -- L: secrets


JWT, ACCESS, REFRESH = (r"eyJ[\w-]{8,}\.", r"at-[\w-]{43}", r"rt-[\w-]{43}")
DEVICE_CODE = "CANARY-device-code-" + "x" * 24

# Looks for patterns in files, or, with a number, in a process's memory.
SEARCH = """
import re, sys
where, patterns = sys.argv[1], [re.compile(p.encode()) for p in sys.argv[2:]]
def pieces():
    if not where.isdigit():
        for path in sys.stdin.read().split("\\0"):
            if path:
                try: yield path, open(path, "rb").read()
                except OSError: pass
        return
    with open(f"/proc/{where}/maps") as maps, \\
            open(f"/proc/{where}/mem", "rb", 0) as memory:
        for line in maps:
            span, mode = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if mode[0] == "r" and "[v" not in line:
                memory.seek(start)
                try: yield line.strip(), memory.read(end - start)
                except OSError: pass
for place, data in pieces():
    for pattern in patterns:
        if pattern.search(data):
            print(pattern.pattern.decode(), "in", place)
"""


def search(host, where, patterns, files=""):
    return host.run("/usr/bin/python3", "-c", SEARCH, str(where), *patterns,
                    stdin=None, input=files, check=True).stdout


def search_host(host, patterns):
    """In everything that has been written on the host, and in the command
    lines and environments of what runs there."""
    files = host.run("sh", "-c", f"find {host.work} /run -xdev -type f ! -path "
                     "'*/devauth/secret' ! -path '/run/trace' -print0; "
                     "for p in /proc/[0-9]*; do [ -e $p/exe ] && "
                     "printf '%s\\0' $p/cmdline $p/environ; done").stdout
    assert "accounts.cdb" in files and "/proc/1/cmdline" in files
    # The pattern of a search is on its own command line.
    found = search(host, "files", patterns, files)
    return [line for line in found.splitlines()
            if not re.search(r"/proc/\d+/cmdline", line)
            or "devauth" in host.run("cat", line.split()[-1]).stdout]


def sealed(host, idp, secrets):
    """Tokens there are on the host, and nobody can read them."""
    assert host.kept() and len(idp.control.live()) == 1
    return search_host(host, secrets) == []


@pytest.mark.parametrize("ending", [
    "allowed", "denied", "expired", "wrong person", "not allowed",
    "bad signature", "bad device code", "refused client", "provider's error",
    "worker crashes", "broker killed", "host killed"])
def test_L1_secrets_stay_inside(host, idp, driver, stack, ending):  # noqa: F811
    """Client secret, device code, tokens and the user code: in no log, file,
    command line or environment, and not on the screen, however it ends. The
    host has tokens, in a grant, a session, and what is to be revoked. L2: of the user code only a digest. L3: no name that nobody knows."""
    secrets = [*with_secret(host, idp), JWT, ACCESS, REFRESH, DEVICE_CODE]
    user = "carol" if ending == "not allowed" else "alice"
    quirks = {
        "bad signature": {"id_token": "wrong_signature"},
        "provider's error": {"token_error": "made_up"},
        "bad device code": {"endpoint": {"device_authorization": {
            "merge": {"device_code": DEVICE_CODE}}}},
    }.get(ending, {})
    idp.control.quirks(refresh_token="always", **quirks)
    if ending == "refused client":
        host.write("/etc/devauth/secret", "s:e/c r%t+1-not\n", 0o600)
    stack("debug", service="login")
    waits = ("wait",) if ending == "allowed" else ()
    each = driver(user, "auth", *waits, "acct", "open", *waits, "close",
                  *waits, service="login")
    code = None
    if ending != "refused client":
        code = each.code()
        assert search_host(host, secrets) == []
    act = {"denied": lambda: idp.control.deny(code),
           "expired": lambda: idp.control.expire(code),
           "wrong person": lambda: idp.control.approve("bob", code)}
    victims = {"worker crashes": ("SEGV", "devauth-worker"),
               "broker killed": ("KILL", "devauth-broker"),
               "host killed": ("KILL", "pam_driver")}
    if ending in victims:
        number, name = victims[ending]
        pid, = host.processes(name)
        host.run("kill", f"-{number}", str(pid), check=True)
    elif code is not None:
        act.get(ending, lambda: idp.control.approve(user, code))()
    text = ""
    for folder in ("/run/devauth/grants/", "/var/lib/devauth/tokens/",
                   "/var/lib/devauth/tokens/revoke/")[:3 * len(waits)]:
        # The provider revokes nothing for now.
        idp.control.quirks(refresh_token="always", endpoint={
            "revoke": {"status": 503, "body": ""}})
        each.until("wait")
        text += each.child.before
        wait_until(lambda: not host.helpers(), 3, "our processes are gone")
        assert any(os.path.dirname(path) + "/" == folder
                   for path in host.kept())
        assert sealed(host, idp, secrets)
        each.child.send("\n")
    text += each.rest()
    assert (f"auth {SUCCESS}" in text) == (ending == "allowed")
    nothing_left(host)
    if ending == "allowed":
        # The time of the next try has not come yet.
        assert sealed(host, idp, secrets)
        idp.control.quirks()
        host.run("unshare", "--time", "--fork", "--boottime=100", *SWEEP,
                 check=True)
    assert host.kept() == [] and idp.control.live() == []
    wait_until(lambda: host.audit() or ending == "broker killed",
               what="the audit line")
    if code is not None:
        secrets.append(code)
        assert ending == "broker killed" or \
            len(host.audit()[0]["code"]) == 16
    assert search_host(host, secrets) == []
    for secret in secrets:
        assert not re.search(secret, text + host.log()), secret
    if ending not in ("allowed", "broker killed"):
        # The name that was typed; what claims say is the provider's word, and
        # whose name it has said has not typed a password.
        named = ("auth", "revoke") if ending == "not allowed" else ()
        for line in host.audit():
            assert line["user"] == (user if line["event"] in named
                                    else "(unknown)"), line
        log = re.sub(rf"the claim .*|event=({'|'.join(named)}) .*", "",
                     host.log())
        assert not re.search(rf"\b(user|name)\W+{user}\b", log)


def test_L3_a_password_in_place_of_a_name(
        host, idp, driver, stack):  # noqa: F811
    """It happens every day; no line of the log may have it."""
    stack("debug")
    for name in ("hunter2-sesame", "Hunter2!sesame", "hunter2-" + "x" * 40):
        no_code_limits(host)
        each = driver(name, "auth", "acct", "open", "close", "chauthtok")
        if name.islower() and "!" not in name and len(name) <= 32:
            idp.control.deny(each.code())
        each.rest()
    nothing_left(host)
    assert host.audit() and "unter2" not in host.log()


def test_L7_environment_of_the_shell(known, program):
    """What root gets to see has nothing of ours in it; alice's session has its
    name, which opens nothing."""
    for name, ours in (("sudo", []), ("su", ["DEVAUTH_SESSION"])):
        text = program(name, command="env").end()
        assert "LOGNAME=" in text
        assert re.findall(r"(?i)\w*devauth\w*", text) == ours
        assert not ours or re.search(r"(?m)^DEVAUTH_SESSION=[0-9a-f]{48}\r$",
                                     text)


@pytest.mark.parametrize("ending", ["allowed", "denied", "bad device code"])
def test_L9_memory_of_the_host_program(
        host, idp, build, stack, ending):  # noqa: F811
    """After the flow, in the middle of a session, its process holds no secret,
    nor what was typed."""
    secrets = [*with_secret(host, idp), JWT, ACCESS, REFRESH, DEVICE_CODE]
    stack("prompt=enter", service="login")
    idp.control.quirks(refresh_token="always", **({"endpoint": {"device_authorization": {
        "merge": {"device_code": DEVICE_CODE}}}}
        if ending == "bad device code" else {}))
    line = host.command(
        os.path.join(build, "tests", "module", "hostile_driver"), "hold",
        MODULE, CONFDIR, "login", "alice")
    child = pexpect.spawn(line[0], line[1:], encoding="utf-8", timeout=20)
    child.expect(r"Enter  (\S+)")
    code = child.match.group(1)
    if ending == "bad device code":
        # The search finds what is there.
        worker, = host.processes("devauth-worker")
        assert DEVICE_CODE in search(host, worker, secrets)
    if ending == "denied":
        idp.control.deny(code)
    else:
        idp.control.approve("alice", code)
    child.expect_exact("approved: ")
    # Behind what the allocator writes into memory that is given back.
    child.sendline("x" * 32 + "hunter2-sesame")
    child.expect(r"\r\nauth (\d+)\r")
    assert (int(child.match.group(1)) == SUCCESS) == (ending == "allowed")
    child.expect(r"holds\r")
    assert ("open 0" in child.before) == (ending == "allowed")
    assert len(idp.control.live()) == (ending == "allowed")
    pid, = host.processes("hostile_driver")
    assert search(host, pid, [*secrets, "hunter2-sesame"]) == ""
    # It is the right process: it remembers whom it has asked for.
    assert "alice" in search(host, pid, ["alice"])
    child.close(force=True)
