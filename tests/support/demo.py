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
from host import PROMPT, Host  # noqa: E402

APPROVE = os.path.normpath(os.path.join(HERE, "..", "idp", "approve.py"))
USER, PASSWORD = "alice", "alice-password"


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

No browser on this machine? On yours:  ssh -L {idp.port}:localhost:{idp.port} THIS-HOST
or, in a second terminal here:
  {APPROVE} --ca {idp.ca_file} \\
      --url 'ADDRESS?user_code=CODE' --user {USER}

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


def approve(browser, steps, address, code, pictures):
    """The person's part, in the browser."""
    person = browser.person(USER, PASSWORD)
    steps.last = time.monotonic()
    person.open(address)
    person.submit_code(code)
    steps.done(f"{USER} opens {address} and types the code")
    person.sign_in()
    asked = ", ".join(f"{name.replace('_', ' ')} {value}"
                      for name, value in person.read_confirmation().items())
    steps.done(f"{USER} signs in with the password\n"
               f"               what the page asks: {asked}")
    browser.screenshot(os.path.join(pictures, "demo-confirm.png"))
    steps.last = time.monotonic()
    page = person.press("approve")
    steps.done(f"{USER} presses Approve; the page says: {page.heading}")
    browser.screenshot(os.path.join(pictures, "demo-approved.png"))
    steps.last = time.monotonic()


def log_in(host, browser, steps, pictures):
    """The whole login; what the shell wrote."""
    import pexpect

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
    approve(browser, steps, address, code, pictures)
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
    return shell


def automatic(host, idp, started, pictures):
    # Nobody but --auto needs it.
    from browser import Browser

    print("\nWhat happened, step by step:\n")
    steps = Steps()
    before = host.run("getent", "passwd", USER).stdout
    steps.done(f"nobody knows {USER} yet: getent finds "
               f"{'nothing' if not before else before!r}")
    with Browser(idp.ca_file) as browser:
        steps.done("Chromium has started; it trusts the provider's CA")
        shell = log_in(host, browser, steps, pictures)
    after = host.run("getent", "passwd", USER).stdout.strip()
    print(f"      | {after}\n")
    state = idp.control.state()
    print(f"  {len(state['requests'])} requests were made, "
          f"{len(idp.control.violations())} of them against the RFCs.")
    print(f"  From the start of the provider to the end: "
          f"{time.monotonic() - started:.1f} s.")
    print(f"  Pictures of the pages: {pictures}/demo-*.png")
    print("\n  What the host wrote into its log:\n")
    print_audit(host)
    ok = "uid=" in shell and after.startswith(USER + ":")
    print("\nThe first login works." if ok else "\nThe first login FAILED.")
    return 0 if ok else 1


def main():
    parser = argparse.ArgumentParser(prog="tests/demo")
    parser.add_argument("stage", help=argparse.SUPPRESS)
    parser.add_argument("--auto", action="store_true",
                        help="a real browser, but nobody in front of it")
    arguments = parser.parse_args()
    pictures = os.path.relpath(
        os.path.join(os.path.dirname(os.path.realpath(arguments.stage)),
                     "screenshots"))
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="devauth-idp-") as state:
        with Idp(state) as idp, Host(arguments.stage) as host:
            prepare(host, idp)
            if arguments.auto:
                return automatic(host, idp, started, pictures)
            return interactive(host, idp)


if __name__ == "__main__":
    sys.exit(main())
