"""Terminals of a test host, and the shells on them."""

import fcntl
import os
import re
import struct
import subprocess
import termios

import pexpect
from pexpect import fdpexpect

from host import PROMPT

READY = "ready> "
# Without line editing, and with a prompt that no echo of this line shows.
SHELL = "env PS1=\"ready$(printf '> ')\" sh -i"


class Conversation:
    """What a person does at a terminal."""

    def code(self):
        """Waits until a code is on the screen, whole."""
        self.expect(r"Enter  (\S+) +good until ([\d:]+ \S+)\r")
        self.screen = self.before + self.after
        return self.match.group(1)

    @property
    def address(self):
        return re.search(r"Open   (\S+)", self.screen).group(1)

    def rest(self):
        """Everything until the program ends."""
        self.expect(pexpect.EOF)
        return self.before

    # For shells

    def start(self, line):
        """Types a command whose status will be shown."""
        self.sendline(f'{line}; echo "<$?>"')

    def result(self):
        """What the command wrote, and its status."""
        self.expect(r"<(\d+)>\r\n")
        text, status = self.before, int(self.match.group(1))
        self.expect_exact(READY)
        return text, status

    def run(self, line):
        self.start(line)
        return self.result()

    def echoes(self):
        """Whether typing is visible again, as a shell wants it."""
        return re.search(r"(?<![-\w])echo(?!\w)", self.run("stty -a")[0])


class Terminal(Conversation, fdpexpect.fdspawn):
    """A terminal of the host with a program on it, which leads its session.

    pexpect's own terminals are the machine's: nobody on the host could find
    out their names, and sudo and login want to know.
    """

    TIOCGPTN, TIOCSPTLCK = 0x80045430, 0x40045431

    def __init__(self, host, *command, rows=60):
        folder = f"/proc/{host.init_pid}/root/dev/pts"
        flags = os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC
        master = os.open(f"{folder}/ptmx", flags)
        fcntl.ioctl(master, self.TIOCSPTLCK, struct.pack("i", 0))
        number, = struct.unpack("i", fcntl.ioctl(master, self.TIOCGPTN,
                                                 bytes(4)))
        fcntl.ioctl(master, termios.TIOCSWINSZ,
                    struct.pack("4H", rows, 100, 0, 0))
        self.path = f"/dev/pts/{number}"
        self.screen = ""
        slave = os.open(f"{folder}/{number}", flags)
        self.process = subprocess.Popen(
            host.command("setsid", "--ctty", "--wait", *command),
            stdin=slave, stdout=slave, stderr=slave)
        os.close(slave)
        super().__init__(master, encoding="utf-8", timeout=20)

    def end(self):
        """After the test, whatever became of the program."""
        self.close()
        self.process.kill()
        self.process.wait()

    def exit(self):
        """Leaves the shell; returns when its login has ended, too."""
        self.sendline("exit")
        self.rest()
        self.process.wait()


class Remote(Conversation, pexpect.spawn):
    """A shell behind ssh, on a terminal, up to the first prompt."""

    def __init__(self, host, user, options=()):
        command, *arguments = host.ssh_command(
            user, SHELL, options=("-tt", *options))
        self.screen = ""
        super().__init__(
            command, arguments, encoding="utf-8", timeout=20,
            dimensions=(60, 100), env={**os.environ, "LANG": "C.UTF-8"})

    def sign_in(self, approve):
        """approve(code) is what the person does in the browser."""
        approve(self.code())
        self.expect_exact(PROMPT)
        self.send("\r")
        self.expect_exact(READY)

    def end(self):
        self.close(force=True)

    def exit(self):
        self.sendline("exit")
        self.rest()
