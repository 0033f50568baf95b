"""Runs devauth-worker as the broker would, without a broker.

    with Worker(program, start) as worker:
        device = worker.expect("DEVICE")

The child drops everything before exec, as broker/worker_client.c does: the
bounding set, groups, all ids, the environment, the descriptors.
"""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time

import wire

UID = GID = 65533  # nobody's
ENVIRONMENT = {"LANG": "C"}
PR_CAPBSET_READ, PR_CAPBSET_DROP = 23, 24
CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result):
    if result != 0:
        raise OSError(ctypes.get_errno(), "system call failed")


def _private_files(files):
    """A mount namespace of its own, with other files in some places."""
    _check(_libc.unshare(CLONE_NEWNS))
    _check(_libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    for place, source in files.items():
        _check(_libc.mount(source.encode(), place.encode(), None,
                           MS_BIND | MS_REC, None))


def _become(program, sock, files, uid, arguments, environment):
    """In the child."""
    if files:
        _private_files(files)
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    os.dup2(sock.fileno(), 3)
    os.closerange(4, 65536)
    capability = 0
    while _libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0:
        _check(_libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0))
        capability += 1
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    os.execve(program, arguments, environment)


class Signer:
    """The broker's part that signs, as a process of its own; the key is that
    of RFC 7515 A.3."""

    def __init__(self, program, key_file, issuer, client_id, flags="pa",
                 hosts="", limit=1000):
        self.channel, theirs = wire.pair()
        self.process = subprocess.Popen(
            [program, key_file, issuer, hosts, client_id, flags, str(limit)],
            stdin=theirs)
        theirs.close()
        self.orders = []  # every SIGN

    def serve(self, message):
        """SIGNED for SIGN; None where there is nothing to say, or no more."""
        self.channel.send(message.name, **message.fields)
        if message.name != "SIGN":
            return None
        self.orders.append(message)
        return self.channel.receive()

    def close(self):
        self.channel.close()
        return self.process.wait(5)


class Worker:
    """A running worker and the broker's end of its socket."""

    def __init__(self, program, start=None, files=None, uid=UID,
                 arguments=("devauth-worker",), environment=None,
                 signer=None):
        self.signer = signer
        self.channel, theirs = wire.pair()
        self.messages = []
        self.status = None  # as from waitpid
        self.usage = None
        self.started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                _become(program, theirs, files, uid, list(arguments),
                        ENVIRONMENT if environment is None else environment)
            finally:
                os._exit(99)
        theirs.close()
        if start is not None:
            with contextlib.suppress(BrokenPipeError):
                self.channel.send("START", **start)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.channel.close()
        if self.signer:
            self.signer.close()
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.wait()

    # -- messages

    def receive(self, timeout=15):
        """The next message, or None at the end. What is to be signed the
        signer signs."""
        message = self.channel.receive(timeout)
        while self.signer and message is not None and message.name in (
                "ENDPOINTS", "SIGN"):
            answer = self.signer.serve(message)
            if answer is not None:
                self.channel.send("SIGNED", jwt=answer.jwt)
            elif message.name == "SIGN":
                self.channel.close()  # as a broker that refuses
                return None
            message = self.channel.receive(timeout)
        if message is not None:
            self.messages.append(message)
        return message

    def expect(self, name, timeout=15):
        message = self.receive(timeout)
        assert message is not None and message.name == name, message
        return message

    def finish(self, timeout=15):
        """Everything until the orderly end; the last word."""
        end = time.monotonic() + timeout
        while self.receive(max(0.01, end - time.monotonic())) is not None:
            pass
        self.wait()
        return self.messages[-1] if self.messages else None

    def message(self, name):
        found = [one for one in self.messages if one.name == name]
        assert len(found) <= 1, f"{name} came {len(found)} times"
        return found[0] if found else None

    # -- the process

    def wait(self, timeout=5):
        """Its end; remembers status and usage."""
        end = time.monotonic() + timeout
        while self.status is None:
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid:
                self.status, self.usage = status, usage
            elif time.monotonic() > end:
                raise TimeoutError("the worker does not end")
            else:
                time.sleep(0.005)
        return self.status

    @property
    def exit_code(self):
        return (os.WEXITSTATUS(self.status) if os.WIFEXITED(self.status)
                else -os.WTERMSIG(self.status))

    def seconds_to_end(self, timeout=10):
        """How long it lives on, from now."""
        start = time.monotonic()
        self.wait(timeout)
        return time.monotonic() - start

    def proc(self, name):
        with open(f"/proc/{self.pid}/{name}", "rb") as file:
            return file.read()

    def facts(self):
        """/proc/PID/status as a dictionary."""
        pairs = (line.partition(":") for line in
                 self.proc("status").decode().splitlines())
        return {name: " ".join(value.split()) for name, _, value in pairs}

    def peak_kb(self):
        return int(re.match(r"\d+", self.facts()["VmHWM"]).group())

    def cpu_ms(self):
        """After the end: user and system time, loading included."""
        return (self.usage.ru_utime + self.usage.ru_stime) * 1000
