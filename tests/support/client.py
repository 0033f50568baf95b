"""An ssh client, as a person sits in front of it."""

import os
import re

import pexpect

from host import PROMPT


class Login:
    """An ssh client under a terminal, up to and past our prompt."""

    def __init__(self, host, user, command="id -un", options=()):
        arguments = host.ssh_command(
            user, *([] if command is None else [command]),
            options=("-tt", *options))
        self.child = pexpect.spawn(
            arguments[0], arguments[1:], encoding="utf-8", timeout=20,
            dimensions=(50, 100), env={**os.environ, "LANG": "C.UTF-8"})
        self.screen = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.close(force=True)

    def expect_code(self):
        self.child.expect_exact(PROMPT)
        self.screen = self.child.before + self.child.after
        return self

    @property
    def code(self):
        return re.search(r"Enter  (\S+)", self.screen).group(1)

    @property
    def address(self):
        return re.search(r"Open   (\S+)", self.screen).group(1)

    def press_enter(self):
        self.child.send("\r")

    def rest(self):
        """Everything until the client ends."""
        self.child.expect(pexpect.EOF)
        text = self.child.before
        self.child.close()
        return text

    @property
    def status(self):
        return self.child.exitstatus
