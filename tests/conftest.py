"""What all tests with a running host share.

The folder of the build (with its staged installation) comes from the variable
DEVAUTH_BUILD; tests/run sets it. Only tests read it, never the product.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading

import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "tests", part)
                for part in ("support", "idp")]

from approve import Idp  # noqa: E402
from client import Login  # noqa: E402
from host import Host  # noqa: E402
from terminal import READY, Terminal  # noqa: E402

# What runs in the background ignores them, and every child would, too: nobody
# could press Ctrl-C in a test.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if threading.current_thread() is not threading.main_thread():
        # xdist may load us in another, where Python refuses.
        ctypes.CDLL(None).signal(_number, signal.SIG_DFL)
    elif _number == signal.SIGINT:
        signal.signal(_number, signal.default_int_handler)
    else:
        signal.signal(_number, signal.SIG_DFL)

# What a login starts is in its audit session, and so would be every host here.
with contextlib.suppress(OSError), \
        open("/proc/thread-self/loginuid", "w", encoding="ascii") as _file:
    _file.write("4294967295")

BUILD = os.environ.get("DEVAUTH_BUILD", os.path.join(ROOT, "build", "tests"))


@pytest.fixture(scope="session")
def build():
    return BUILD


@pytest.fixture(scope="session")
def idp_process(tmp_path_factory):
    with Idp(str(tmp_path_factory.mktemp("idp"))) as idp:
        yield idp


@pytest.fixture
def idp(idp_process):
    """The provider in its initial state; no request may break an RFC."""
    idp_process.control.reset()
    idp_process.control.quirks()
    yield idp_process
    assert idp_process.control.violations() == []


@pytest.fixture
def host(idp):
    """A fresh host with a running sshd that knows the provider."""
    with Host(os.path.join(BUILD, "stage")) as host:
        host.configure(idp)
        host.pam("sshd")
        host.start_sshd()
        yield host


@pytest.fixture
def login(host):
    """Starts clients; ends them after the test."""
    clients = []

    def start(user, command="id -un", options=()):
        clients.append(Login(host, user, command, options))
        return clients[-1]

    yield start
    for client in clients:
        client.child.close(force=True)


@pytest.fixture
def sign_in(idp, login):
    """A whole login as "user", approved by somebody; what the shell said, and
    the status of the client."""

    def sign_in(user, by=None, command="id"):
        client = login(user, command).expect_code()
        idp.control.approve(by or user, client.code)
        client.press_enter()
        return client.rest(), client.status

    return sign_in


@pytest.fixture
def key(host, tmp_path):
    """Puts a key into an account; the options of ssh that use it."""
    path = str(tmp_path / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path],
                   check=True)

    def add(user):
        with open(path + ".pub", encoding="ascii") as file:
            host.write(f"/etc/ssh/keys/{user}", file.read())
        return ("-i", path, "-o", "PreferredAuthentications=publickey")

    return add


@pytest.fixture
def terminal(host):
    """Opens terminals with programs; hangs up after the test."""
    opened = []

    def start(*command, **more):
        opened.append(Terminal(host, *command, **more))
        return opened[-1]

    yield start
    for each in opened:
        each.end()


@pytest.fixture
def shell(terminal):
    """Starts a person's shell, without line editing, and outside of whatever
    session the person may have."""

    def start(user):
        each = terminal(
            "setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups",
            "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"PS1={READY}",
            "sh", "-i")
        each.expect_exact(READY)
        return each

    return start
