"""The account phase: what a person may still do who is known here, by every
way in that asks nobody to sign in, and without a network."""

import os
import re
import time

import pytest

from host import ACCOUNT_LINES, SUBJECTS, wait_until
from test_ssh import key_for, sign_in

BROKER = "/usr/libexec/devauth/devauth-broker"
BROKEN = "Sign-in does not work on this host now. Local accounts still work."
NO_MORE_SUDO = "sudo refused alice: not allowed here any more."
NO_MORE = "alice may not log in here any more. Ask your administrator."
TOO_LONG_AGO = "Your last sign-in here is too long ago. Sign in with the code"
SUCCESS, PERM_DENIED, AUTHINFO_UNAVAIL, IGNORE = 0, 6, 9, 25


@pytest.fixture
def alice(host, idp, login, tmp_path):
    """alice has signed in once and has a key; the options of ssh for it."""
    sign_in(idp, login)
    host.all_revoked(idp)
    idp.control.reset()
    return key_for(host, "alice", tmp_path)


def record(host):
    path, = (path for path in host.listing("/var/lib/devauth/people")
             if path.endswith(".person"))
    return path


def edit(host, what):
    """Changes the person's record as the store would write it."""
    host.run("sed", "-i", what, record(host), check=True)


def lock(host, _idp):
    edit(host, "s/^locked=0$/locked=1/")


def expire(host, _idp):
    edit(host, f"s/^verified_at=.*/verified_at={int(time.time()) - 40 * 86400}/")


def come_from_the_future(host, _idp):
    edit(host, f"s/^verified_at=.*/verified_at={int(time.time()) + 3600}/")


def disallow(host, idp):
    host.configure(idp, allowed_groups="somebody-else")


def unmap(host, idp):
    host.configure(idp, username_claim="email", sections={
        "account alice": {"subjects": f"{idp.issuer}#another"}})


def tear(host, _idp):
    host.run("truncate", "-s", "-20", record(host), check=True)


STATES = {
    lock: (NO_MORE, "account-denied", "locked"),
    expire: (TOO_LONG_AGO, "sign-in-too-old", "account_max_age is 30 days"),
    come_from_the_future: (TOO_LONG_AGO, "sign-in-too-old", "set back"),
    disallow: (NO_MORE, "account-denied", "allowed_groups"),
    unmap: (NO_MORE, "account-denied", "[account alice] does not list"),
    tear: (NO_MORE, "account-denied", "record of alice is damaged"),
}


def refused(host, text, state, service="sshd"):
    says, reason, detail = STATES[state]
    if service == "sudo" and says == NO_MORE:
        says = NO_MORE_SUDO
    assert says in text, text
    line = host.decisions()[-1]
    assert (line["event"], line["result"], line["reason"]) == (
        "account", "refused", reason)
    assert detail in line["detail"]


def test_P5_keys(host, idp, login, alice):
    """The key of somebody locked, expired, not allowed any more, not mapped any
    more: refused, and ssh shows why."""
    whole = host.read(record(host))
    for state in STATES:
        client = login("alice", "echo let in", alice)
        assert "let in" in client.rest() and client.status == 0
        state(host, idp)
        client = login("alice", "echo let in", alice)
        text = client.rest()
        assert "let in" not in text and client.status == 255
        refused(host, text, state)
        host.write(record(host), whole, 0o600)
        host.configure(idp)
    assert idp.control.requests() == []


def test_P5_section_taken_away(host, idp, login, tmp_path):
    """Somebody whom only a section lets in, under a name that is not the one
    at the provider: the key ends with the section."""
    sections = {"account ada": {"subjects": f"{idp.issuer}#{SUBJECTS['bob']}"}}
    host.configure(idp, sections=sections)
    client = login("ada").expect_code()
    idp.control.approve("bob", client.code)
    client.press_enter()
    assert "ada" in client.rest()
    options = key_for(host, "ada", tmp_path)
    client = login("ada", options=options)
    assert "ada" in client.rest() and client.status == 0
    host.configure(idp)
    client = login("ada", "echo let in", options)
    text = client.rest()
    assert "ada may not log in here any more." in text
    assert "let in" not in text and client.status == 255
    assert host.decisions()[-1]["detail"] == \
        "[account ada] does not list the person any more"
    host.configure(idp, sections=sections)
    client = login("ada", options=options)
    assert "ada" in client.rest() and client.status == 0


def test_P5_sudo_and_cron(host, idp, alice):
    """NOPASSWD and a crontab ask for no sign-in; the account phase is asked."""
    host.pam("sudo")
    cron = host.read("/etc/pam.d/cron")
    host.write("/etc/pam.d/cron", cron.replace(
        "@include common-account",
        ACCOUNT_LINES.format(arguments="") + "@include common-account"))
    host.write("/etc/sudoers.d/test", "alice ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    host.run("sh", "-c", "rm -f /etc/cron.d/*; mkdir -p /var/spool/cron; "
             "install -d -m 1777 /run/jobs", check=True)
    host.write("/etc/cron.d/test", "".join(
        f"@reboot {user} id -un >/run/jobs/{user}\n"
        for user in ("root", "alice")))

    def sudo():
        return host.run("setpriv", "--reuid=alice", "--regid=alice",
                        "--clear-groups", "sudo", "-n", "echo", "let in")

    def jobs():
        """Who had a job done by a cron that has just started."""
        host.run("sh", "-c", "rm -f /run/crond.* /run/jobs/*; cron",
                 check=True)
        wait_until(lambda: "/run/jobs/root" in host.listing("/run/jobs"),
                   what="root's job")
        wait_until(lambda: [line for line in host.audit()
                            if line["service"] == "cron"][seen:],
                   what="the account phase")
        host.run("sh", "-c", "kill $(cat /run/crond.pid)", check=True)
        return sorted(os.path.basename(path)
                      for path in host.listing("/run/jobs"))

    seen = 0
    assert sudo().stdout == "let in\n"
    assert jobs() == ["alice", "root"]
    for state in (lock, expire):
        whole = host.read(record(host))
        state(host, idp)
        done = sudo()
        assert done.returncode == 1 and done.stdout == ""
        refused(host, done.stderr, state, "sudo")
        seen = len([line for line in host.audit()
                    if line["service"] == "cron"])
        assert jobs() == ["root"]
        host.write(record(host), whole, 0o600)
    assert idp.control.requests() == []


# Without network, without helpers

def account(host, build, user, *wrapper):
    """The account phase by itself: PAM's result and what was shown."""
    done = host.run(*wrapper, os.path.join(
        build, "tests", "module", "pam_driver"), "/etc/pam-test.d", "test",
        user, "acct")
    return int(re.search(r"acct (\d+)", done.stdout).group(1)), done.stdout


def test_no_network(host, idp, build, alice):
    """A namespace without any interface: within account_max_age nobody notices,
    afterwards the text says what to do."""
    host.write("/etc/pam-test.d/test", "account required pam_devauth.so\n")
    assert account(host, build, "alice", "unshare", "--net")[0] == SUCCESS
    expire(host, idp)
    code, text = account(host, build, "alice", "unshare", "--net")
    assert code != SUCCESS and TOO_LONG_AGO in text


BROKEN_BROKERS = {
    "missing": "mv $b $b.away",
    "not executable": "chmod 644 $b",
    "no program": "cp --remove-destination /etc/hostname $b; chmod 755 $b",
    "killed": "mv $b $b.away; printf '#!/bin/sh\\nkill -KILL $$\\n' >$b; "
              "chmod 755 $b",
}


def test_broken_brokers(host, idp, login, alice, build, tmp_path):
    """Refused, with a text; local accounts log in as ever."""
    host.run("useradd", "-m", "-s", "/bin/bash", "breakglass", check=True)
    breakglass = key_for(host, "breakglass", tmp_path)
    host.write("/etc/pam-test.d/test", "account required pam_devauth.so\n")
    for kind, command in BROKEN_BROKERS.items():
        host.run("sh", "-c", f"b={BROKER}; cp $b $b.good; {command}",
                 check=True)
        code, text = account(host, build, "alice")
        assert code == AUTHINFO_UNAVAIL and BROKEN in text, kind
        host.run("mv", BROKER + ".good", BROKER, check=True)
    host.run("sh", "-c", f"b={BROKER}; {BROKEN_BROKERS['killed']}", check=True)
    client = login("alice", "echo let in", alice)
    text = client.rest()
    assert BROKEN in text and "let in" not in text and client.status == 255
    client = login("breakglass", "echo let in", breakglass)
    assert "let in" in client.rest() and client.status == 0


def test_N16_local_accounts_cost_nothing(host, idp, build):
    """Every system name, in every phase: no process, no socket, no file but
    passwd and the account database; broken as everything of ours may be."""
    host.run("mv", BROKER, BROKER + ".away", check=True)
    host.write("/etc/devauth/devauth.conf", "nonsense\n")
    host.write("/etc/pam-test.d/test", "".join(
        f"{kind} required pam_devauth.so\n"
        for kind in ("auth", "account", "session", "password")))
    names = [line.split(":")[0]
             for line in host.read("/etc/passwd").splitlines()]
    assert "root" in names and "_devauth" in names
    driver = os.path.join(build, "tests", "module", "pam_driver")
    for name in names:
        done = host.run("strace", "-f", "-o", "/run/trace", "-e",
                        "trace=%process,%network,%file", driver,
                        "/etc/pam-test.d", "test", name, "auth", "setcred",
                        "acct", "open", "close", "chauthtok")
        # Of a stack that ignores everybody PAM says permission denied.
        assert set(re.findall(r"(?m)^\w+ (\d+)$", done.stdout)) <= {
            str(PERM_DENIED), str(IGNORE)}, done.stdout
        trace = host.read("/run/trace")
        assert len(re.findall(r"(?m)^\d+ +execve\(", trace)) == 1
        # PAM itself tells the kernel's audit, and why it said no.
        calls = [line for line in trace.splitlines()
                 if re.search(r"\d+ +(v?fork|clone3?|connect|socket\w*)\(",
                              line)
                 and "NETLINK_AUDIT" not in line and "/dev/log" not in line
                 and "SOCK_DGRAM" not in line]
        assert calls == []
        after = trace.partition("pam_devauth.so")[2]
        assert set(re.findall(r'"(/[^"]*devauth[^"]*)"', after)) <= {
            "/var/lib/devauth/accounts.cdb", "/var/lib/devauth/directory.cdb",
            "/var/lib/devauth/generation", "/var/lib/devauth"}
    assert host.audit() == [] and idp.control.requests() == []
