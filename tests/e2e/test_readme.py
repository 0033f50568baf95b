"""What the README tells an administrator to write works as it stands there."""

import os
import re

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
CONF = "/etc/devauth/devauth.conf"
DROP_IN = "/etc/ssh/sshd_config.d/devauth.conf"

with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as _file:
    README = _file.read()


def block_of(path):
    return re.search(rf"^\*\*{path}\*\*.*?^```\n(.*?)^```", README,
                     re.M | re.S).group(1)


def edit(host, path, pattern, new):
    """Replaces what matches, which has to be there once."""
    text, count = re.subn(pattern, lambda match: match.expand(new),
                          host.read(path), flags=re.M)
    assert count == 1
    host.write(path, text)


def test_files(host, idp, login, key):
    """Key and code, and no code without a key."""
    for line in block_of("/etc/nsswitch.conf").splitlines():
        edit(host, "/etc/nsswitch.conf", f"^{line.split()[0]}.*$", line)
    path = "/etc/pam.d/sshd"
    pam = re.sub(r"(?m)^.*pam_(devauth|mkhomedir|localuser)\.so.*\n", "",
                 host.read(path))
    assert "devauth" not in pam
    host.write(path, pam)
    places = re.findall(r'^# (ahead of|behind) "(.*)".*\n((?:\w.*\n)+)',
                        block_of(path), re.M)
    assert len(places) == 3
    for where, include, lines in places:
        new = lines + r"\g<0>" if where == "ahead of" else r"\g<0>" + lines
        edit(host, path, f"^{include}\n", new)
    host.write(DROP_IN, block_of(DROP_IN))
    host.configure(idp, devauth={"remote": None})
    host.start_sshd(Include=DROP_IN)
    assert "Enter " not in login("alice").rest()
    client = login("alice", "id -un; pwd", key("alice")[:2]).expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    assert "alice\r\n/home/alice\r\n" in client.rest()
    assert client.status == 0


def test_sections(host):
    text = host.read(CONF)
    blocks = re.findall(
        r"^```\n((?:#[^`]*?)?^(?:required_claims|\[)[^`]*)^```", README, re.M)
    assert len(blocks) == 2
    host.run("useradd", "-m", "deploy", check=True)
    for block in blocks:
        # The profile is the last section there.
        host.write(CONF, text + block)
        result = host.run("devauth", "config", "check")
        assert result.returncode == 0, result.stderr
        assert host.run("devauth", "config", "apply").returncode == 0


def test_commands(host):
    """Nobody is sent to a command that is not there."""
    commands = set(re.findall(
        r"\bdevauth (accounts|config|keys|sessions) ([a-z]+)", README))
    assert len(commands) > 10
    for command, verb in commands:
        usage = host.run("devauth", command, "--help").stdout
        assert re.search(rf"^  {verb}\b", usage, re.M), (command, verb)
