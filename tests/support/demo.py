#!/usr/bin/python3
"""The demonstration behind tests/demo."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "idp")]

from approve import Idp  # noqa: E402
from host import Host  # noqa: E402

USER, PASSWORD = "alice", "alice-password"
PROMPT = "Press Enter once you have approved: "


class Steps:
    """Prints each step with the time since the one before."""

    def __init__(self):
        self.last = time.monotonic()
        self.rows = []

    def done(self, text):
        now = time.monotonic()
        self.rows.append((text, (now - self.last) * 1000))
        self.last = now
        print(f"  {self.rows[-1][1]:8.0f} ms  {text}", flush=True)


def prepare(host, idp):
    host.configure(idp)
    host.pam("sshd")
    host.start_sshd()


def print_audit(host):
    for line in host.log().splitlines():
        if "devauth[" in line:
            print("   ", line.partition("devauth[")[2].partition("]: ")[2])


def localhost(command):
    """What the person would type; the same server."""
    return [part.replace("@127.0.0.1", "@localhost") for part in command]


def interactive(host, idp):
    command = localhost(host.ssh_command(USER))
    print(f"""
The identity provider of this demonstration runs at {idp.issuer}
Its certificate comes from its own CA, which your browser does not know:
accept it, or import {idp.ca_file}

When you see the code, open the address, sign in as

    user      {USER}
    password  {PASSWORD}

compare the code, approve, come back here and press Enter.

$ ssh {USER}@localhost
""", flush=True)
    status = subprocess.run(command, check=False).returncode
    print("\nWhat the host wrote into its log:\n")
    print_audit(host)
    return status


def automatic(host, idp, started):
    import pexpect

    print("\nWhat happened, step by step:\n")
    steps = Steps()
    before = host.run("getent", "passwd", USER).stdout
    steps.done(f"nobody knows {USER} yet: getent finds "
               f"{'nothing' if not before else before!r}")
    ssh = localhost(host.ssh_command(USER))
    child = pexpect.spawn(ssh[0], ssh[1:], encoding="utf-8", timeout=30,
                          dimensions=(50, 100),
                          env={**os.environ, "LANG": "C.UTF-8"})
    child.expect_exact(PROMPT)
    screen = child.before + child.after
    steps.done("ssh shows address, code and QR code")
    print("\n" + "\n".join("      | " + line
                           for line in screen.splitlines()) + "\n")
    code = re.search(r"Enter  (\S+)", screen).group(1)
    address = re.search(r"Open   (\S+)", screen).group(1)
    steps.last = time.monotonic()
    outcome = idp.person(USER, PASSWORD).approve(address, code)
    asked = ", ".join(f"{name.replace('_', ' ')} {value}"
                      for name, value in outcome.confirmation.items())
    steps.done(f"{USER} opens {address}, signs in and approves\n"
               f"               what the page asks: {asked}")
    child.send("\r")
    child.expect(r"Signed in as (\S+)\.")
    steps.done(f"Enter; the host answers: {child.after}")
    child.send("id; echo HOME=$HOME; echo do''ne\r")
    child.expect_exact("done\r")
    steps.done("the shell has run its first command")
    shell = child.before
    print()
    for line in shell.splitlines():
        if line.startswith(("uid=", "HOME=")):
            print("      |", line.strip())
    child.send("exit\r")
    child.expect(pexpect.EOF)
    steps.done("logged out")
    after = host.run("getent", "passwd", USER).stdout.strip()
    print(f"      | {after}\n")
    state = idp.control.state()
    print(f"  {len(state['requests'])} requests were made, "
          f"{len(idp.control.violations())} of them against the RFCs.")
    print(f"  From the start of the provider to the end: "
          f"{time.monotonic() - started:.1f} s.")
    print("\n  What the host wrote into its log:\n")
    print_audit(host)
    ok = "uid=" in shell and after.startswith(USER + ":")
    print("\nThe first login works." if ok else "\nThe first login FAILED.")
    return 0 if ok else 1


def main():
    parser = argparse.ArgumentParser(prog="tests/demo")
    parser.add_argument("stage", help=argparse.SUPPRESS)
    parser.add_argument("--auto", action="store_true",
                        help="fill in the provider's pages by program")
    arguments = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="devauth-idp-") as state:
        with Idp(state) as idp, Host(arguments.stage) as host:
            prepare(host, idp)
            if arguments.auto:
                return automatic(host, idp, started)
            return interactive(host, idp)


if __name__ == "__main__":
    sys.exit(main())
