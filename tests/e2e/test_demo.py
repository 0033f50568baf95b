"""The demonstration itself."""

import os
import re
import subprocess
import sys

import pexpect

import pytest

import host
from approve import Person


@pytest.fixture
def demo(build):
    """The command line behind tests/demo."""
    program = os.path.join(os.path.dirname(host.__file__), "demo.py")
    return [sys.executable, program, os.path.join(build, "stage")]



def test_automatic(demo):
    result = subprocess.run([*demo, "--auto"], capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "The first login works." in result.stdout
    assert "0 of them against the RFCs" in result.stdout
    assert re.search(r"alice:\*:\d+:\d+:.*:/home/alice:/bin/bash",
                     result.stdout)
    assert len(re.findall(r"(?m)^ +\d+ ms  ", result.stdout)) >= 5
    assert result.stderr == ""


def test_with_a_person(demo):
    """What somebody who tries it types, in the browser and at the prompt."""
    child = pexpect.spawn(demo[0], demo[1:], encoding="utf-8", timeout=30,
                          dimensions=(50, 100))
    child.expect(r"import (\S+)")
    ca_file = child.match.group(1)
    child.expect(r"password  (\S+)")
    password = child.match.group(1)
    child.expect(r"Open   (\S+)")
    address = child.match.group(1)
    child.expect(r"Enter  (\S+)")
    code = child.match.group(1)
    child.expect_exact("Press Enter once you have approved: ")
    assert Person(ca_file, "alice", password).approve(
        address, code).result == "approved"
    child.send("\r")
    child.expect_exact("Signed in as alice@example.com.")
    child.send("echo I am $(id -un)\r")
    child.expect_exact("I am alice\r")
    child.send("exit\r")
    child.expect_exact("event=open result=allowed")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
