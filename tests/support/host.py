"""A private test host on the machine at hand.

    with Host(stage) as host:          # the staged installation, see build.py
        host.configure(idp)            # devauth.conf, CA, NSS policy
        host.pam("sshd")               # our lines in /etc/pam.d/sshd
        host.start_sshd()
        host.run("getent", "passwd", "alice")

Everything lives in namespaces (mount, PID, UTS; network on demand): a private
/etc, /var, /home, /srv, /run and /dev over the machine's own. When the host is
left, its process 1 ends and the kernel ends everything else in it.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import network

HERE = os.path.dirname(os.path.realpath(__file__))

AUTH_LINES = (
    "auth [success=done ignore=1 module_unknown=ignore default=die] "
    "pam_devauth.so {arguments}\n"
    "auth [success=ignore default=die] pam_localuser.so\n")
ACCOUNT_LINES = (
    "account [success=1 ignore=1 module_unknown=ignore default=die] "
    "pam_devauth.so {arguments}\n"
    "account [success=ignore default=die] pam_localuser.so\n")
SESSION_LINES = ("session optional pam_devauth.so {arguments}\n"
                 "session optional pam_mkhomedir.so umask=0077\n")

# What the module asks under sshd.
PROMPT = "Press Enter once you have approved: "

PROFILE = {
    "issuer": None,  # from the provider
    "client_id": "devauth-public",
    "ca_file": "/etc/devauth/idp-ca.pem",
    "allow_loopback": "yes",
    "min_interval": "1s",
    "strip_domains": "example.com",
    "allowed_groups": "staff",
}

# Who people are at the built-in provider.
SUBJECTS = {"alice": "idp-7f3a90c2d1e84b56", "bob": "idp-1c58e6b7a3f04d29",
            "carol": "idp-b940d2f57c6e4a18"}


def wait_until(condition, timeout=10, what="condition"):
    """Polls until the condition holds; returns its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Host:
    """See the head of the file."""

    def __init__(self, stage, name="web1", door=None):
        """With a door, which is the port of a server here, the host has a
        network of its own, and sees nothing of this one but that port."""
        self.stage = os.path.realpath(stage)
        if not os.path.isdir(self.stage):
            raise RuntimeError(f"no installation at {stage}: run tests/run")
        self.name = name
        self.folder = tempfile.mkdtemp(prefix="devauth-host-")
        self.work = os.path.join(self.folder, "work")
        os.makedirs(self.work)
        self.log_path = os.path.join(self.folder, "syslog")
        self.sshd_port = None
        self._errors = open(os.path.join(self.folder, "errors"), "wb")
        self._unshare = None
        self._sshd = None
        self.init_pid = None
        self._door = door

    # Life

    def start(self):
        self._unshare = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--uts", "--fork",
             *(["--net"] if self._door else []),
             "--kill-child=SIGKILL", sys.executable,
             os.path.join(HERE, "host_init.py"), self.stage, self.work,
             self.name, self.log_path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            # It grumbles about signals it cannot unblock.
            stderr=open(os.path.join(self.folder, "errors"), "wb"), text=True)
        if self._unshare.stdout.readline().strip() != "ready":
            with open(os.path.join(self.folder, "errors"),
                      encoding="utf-8") as file:
                why = file.read()
            self.stop()
            raise RuntimeError(f"the test host did not come up: {why}")
        pid = self._unshare.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as f:
            self.init_pid = int(f.read().split()[0])
        if self._door:
            network.raise_loopback(self.init_pid)
            self._door = network.open_door(self.init_pid, self._door)
        return self

    def stop(self):
        if isinstance(self._door, socket.socket):
            self._door.shutdown(socket.SHUT_RDWR)
            self._door.close()
        if self._unshare is not None:
            if self.init_pid is not None:
                os.kill(self.init_pid, signal.SIGKILL)
            # Ends with process 1. An nsenter that is killed before leaves a
            # server behind that takes the kernel seconds to find.
            if self._sshd is not None:
                self._sshd.wait()
            self._unshare.stdin.close()
            self._unshare.wait()
            self._unshare.stdout.close()
        self._errors.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # Acting on the host

    def command(self, *arguments):
        """The command line that runs something on the host."""
        return ["nsenter", "--target", str(self.init_pid), "--mount", "--pid",
                "--uts", *(["--net"] if self._door else []), "--root",
                "--wd=/", "--", *arguments]

    def run(self, *arguments, check=False, **more):
        return subprocess.run(self.command(*arguments), check=check, text=True,
                              stdin=more.pop("stdin", subprocess.DEVNULL),
                              capture_output=True, timeout=60, **more)

    def write(self, path, text, mode=0o644):
        """Writes a file of the host, root's."""
        self.run("sh", "-c",
                 'umask 022; mkdir -p "${1%/*}"; umask 077; '
                 'cat >"$1"; chmod "$2" "$1"',
                 "sh", path, f"{mode:o}", check=True, stdin=None, input=text)

    def read(self, path):
        return self.run("cat", path, check=True).stdout

    def listing(self, *folders):
        """Every file below the folders, for before-and-after comparisons."""
        return self.run("find", *folders, "-type", "f").stdout.split()

    # Configuration

    def configure(self, idp, devauth=None, sections=None, **profile):
        """devauth.conf for the provider, with further sections by title; a
        value of None drops a key."""
        with open(idp.ca_file, encoding="ascii") as file:
            self.write("/etc/devauth/idp-ca.pem", file.read())
        settings = {**PROFILE, "issuer": idp.issuer, **profile}
        lines = []
        for title, keys in {
                "devauth": {"remote": "allow", **(devauth or {})},
                "profile test": settings, **(sections or {})}.items():
            lines.append(f"[{title}]")
            lines.extend(f"{key} = {value}" for key, value in keys.items()
                         if value is not None)
        self.write("/etc/devauth/devauth.conf", "\n".join(lines) + "\n")
        self.run("devauth", "config", "apply", check=True)

    def pam(self, service, arguments=""):
        """Puts our lines where the documentation says; replaces earlier ones."""
        path = f"/etc/pam.d/{service}"
        text = re.sub(r"(?m)^.*pam_(devauth|mkhomedir|localuser)\.so.*\n",
                      "", self.read(path))
        before = {"auth": AUTH_LINES, "account": ACCOUNT_LINES}
        for kind, lines in before.items():
            anchor = rf"(?m)^@include common-{kind}$"
            text = re.sub(anchor, lines.format(arguments=arguments).rstrip("\n")
                          + f"\n@include common-{kind}", text, count=1)
        if service in ("sshd", "login", "su"):
            text += SESSION_LINES.format(arguments=arguments)
        self.write(path, text)

    def start_sshd(self, **options):
        """A real sshd on loopback; returns its port."""
        self.stop_sshd()
        self.sshd_port = free_port()
        key = "/etc/ssh/devauth_test_key"
        self.run("sh", "-c", f"test -e {key} || "
                 f"ssh-keygen -q -t ed25519 -N '' -f {key}", check=True)
        settings = {
            "ListenAddress": "127.0.0.1",
            "Port": self.sshd_port,
            "HostKey": key,
            "UsePAM": "yes",
            "KbdInteractiveAuthentication": "yes",
            "PasswordAuthentication": "no",
            "AuthorizedKeysFile": "/etc/ssh/keys/%u",
            "PrintMotd": "no",
            "PrintLastLog": "no",
            "LogLevel": "VERBOSE",
            "PidFile": "none",
            "Subsystem": "sftp internal-sftp",
            **options,
        }
        self.write("/etc/ssh/devauth_test_config", "".join(
            f"{name} {value}\n" for name, value in settings.items()))
        self._sshd = self.spawn_sshd("/etc/ssh/devauth_test_config")

        def answers():
            with (network.make_socket(self.init_pid) if self._door
                  else socket.socket()) as probe:
                return probe.connect_ex(("127.0.0.1", self.sshd_port)) == 0

        wait_until(answers, what="sshd listens")
        with open(f"{self.folder}/known_hosts", "w", encoding="ascii") as file:
            for name in ("127.0.0.1", "localhost"):
                file.write(f"[{name}]:{self.sshd_port} "
                           + self.read(key + ".pub"))
        return self.sshd_port

    def spawn_sshd(self, config):
        """A process that ends with it."""
        return subprocess.Popen(
            # Ends with nsenter, which is all that can be killed from here.
            self.command("setpriv", "--pdeathsig=KILL", "/usr/sbin/sshd", "-D",
                         "-f", config),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)

    def stop_sshd(self):
        """Its connections stay."""
        if self._sshd is not None:
            self._sshd.kill()
            self._sshd.wait()
            self._sshd = None

    def ssh_command(self, user, *command, options=()):
        """A client that knows this host's key, and no configuration."""
        there = ["nsenter", "--target", str(self.init_pid), "--net", "--"]
        return [*(there if self._door else []),
                "ssh", "-F", "/dev/null", "-p", str(self.sshd_port),
                "-o", f"UserKnownHostsFile={self.folder}/known_hosts",
                "-o", "GlobalKnownHostsFile=/dev/null",
                "-o", "IdentityAgent=none",
                "-o", "IdentitiesOnly=yes", *options,
                f"{user}@127.0.0.1", *command]

    # Looking at the host

    def log(self):
        """What was logged until now: a mark of ours overtakes nothing."""
        mark = f"mark-{time.monotonic_ns()}"
        self.run("logger", mark, check=True)

        def whole():
            with open(self.log_path, encoding="utf-8") as file:
                text = file.read()
            return text if mark in text else None

        lines = wait_until(whole, what="the log").splitlines(keepends=True)
        return "".join(line for line in lines if ": mark-" not in line)

    def audit(self):
        """The audit lines so far: a dict each."""
        lines = []
        for line in self.log().splitlines():
            match = re.search(r"devauth\[\d+\]: (event=.*)$", line)
            if match:
                pairs = re.findall(r'(\w+)=("[^"]*"|\S*)', match.group(1))
                lines.append({key: value.strip('"') for key, value in pairs})
        return lines

    def decisions(self):
        """Those about people, not about the end of a session's tokens."""
        return [line for line in self.audit()
                if line["event"] in ("auth", "account")]

    def processes(self, name):
        """Processes of the host by the name of their executable."""
        found = []
        listing = self.run("sh", "-c", "for p in /proc/[0-9]*; do "
                           "echo \"${p#/proc/} $(readlink $p/exe)\"; done")
        for line in listing.stdout.splitlines():
            pid, _, path = line.partition(" ")
            if os.path.basename(path.split(" ")[0]) == name:
                found.append(int(pid))
        return found

    def helpers(self):
        """Our own processes."""
        return self.processes("devauth-broker") + \
            self.processes("devauth-worker")

    def kept(self):
        """Where there may be a token, sealed."""
        return self.listing("/run/devauth/grants", "/run/devauth/sessions",
                            "/var/lib/devauth/tokens")

    def nothing_left(self, seconds=1):
        """No process, grant, session or token of ours outlives an end."""
        # Whoever removes the last file goes after it.
        wait_until(lambda: not self.kept() and not self.helpers(), seconds,
                   "nothing of ours is left")

    def all_revoked(self, idp, logins=1):
        """The tokens of so many logins were issued; each was revoked, once,
        behind the answer and within the budget (2 s), and is not left here."""
        self.nothing_left(3)
        state = idp.control.state()
        assert len(state["grants"]) == logins
        assert idp.control.live() == []
        asked = [request for request in state["requests"]
                 if request["endpoint"] == "revoke"]
        assert {request["status"] for request in asked} <= {200}
        kinds = [request["form"]["token_type_hint"] for request in asked]
        assert kinds.count("access_token") == logins
        # Where there are any: the scope or the provider decides.
        assert kinds.count("refresh_token") in (0, logins)
