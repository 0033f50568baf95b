"""Sessions under attack: what somebody on the host, a provider in trouble, a
full disk or a kill must not make of them.

Real sshd, sudo and su; each test is one attack or accident.
"""

import re
import subprocess
import time

import pexpect
import pytest

from host import SESSION_LINES, Host, wait_until

BROKER = "/usr/libexec/devauth/devauth-broker"
TOKENS = "/var/lib/devauth/tokens"
PEOPLE = "/var/lib/devauth/people"
READY = "ready> "
CTRL_C = "\x03"
SECOND_FACTOR = "urn:example:acr:second-factor"
NO_AUDIT_SESSION = "4294967295"


@pytest.fixture
def host(idp, build):
    with Host(f"{build}/stage") as host:
        for service in ("sshd", "sudo", "su"):
            host.pam(service)
        host.write("/etc/pam.d/su", host.read("/etc/pam.d/su") +
                   SESSION_LINES.format(arguments=""))
        host.write("/etc/sudoers.d/test",
                   "Defaults timestamp_timeout=0\nalice ALL=(ALL) ALL\n"
                   "alice ALL=(root) NOPASSWD: /usr/bin/unshare\n", 0o440)
        host.start_sshd()
        yield host


@pytest.fixture
def policy(host, idp):
    """What [service sudo] says, and the profile."""

    def policy(reauth, reauth_max_age="0s", profile=None, sections=None,
               devauth=None, **more):
        host.configure(
            idp, devauth=devauth,
            sections={"service sudo": {"reauth": reauth, **more,
                                       "reauth_max_age": reauth_max_age},
                      **(sections or {})},
            **{"scope": "openid profile email offline_access",
               "request_timeout": "5s", **(profile or {})})

    return policy


class Shell:
    """A person's shell over ssh."""

    def __init__(self, client):
        self.child = client.child

    def start(self, line):
        self.child.sendline(f'{line}; echo "<$?>"')

    def result(self):
        self.child.expect(r"<(\d+)>\r\n")
        text, status = self.child.before, int(self.child.match.group(1))
        self.child.expect_exact(READY)
        return text, status

    def run(self, line):
        self.start(line)
        return self.result()

    def sudo(self):
        """What sudo comes to: "root", "refused", or a code, which is not
        approved."""
        self.start("sudo id -un")
        if self.child.expect([r"<(\d+)>\r\n", r"Enter  \S+"]) == 1:
            self.child.send(CTRL_C)
            _, status = self.result()
            assert status != 0
            return "code"
        text, status = self.child.before, int(self.child.match.group(1))
        self.child.expect_exact(READY)
        assert (status == 0) == ("root" in text.split())
        return "root" if status == 0 else "refused"


@pytest.fixture
def shell(idp, login):
    """A sign-in over ssh, and the shell that it leads to."""

    def shell(user="alice", options=(), **how):
        client = login(user, f"env PS1='{READY}' sh -i", options)
        if not options:
            client.expect_code()
            idp.control.approve(user, client.code, **how)
            client.press_enter()
        client.child.expect_exact(READY)
        return Shell(client)

    return shell


def quiet(host):
    wait_until(lambda: not host.helpers(), 15, "our processes are gone")


def sessions(host):
    quiet(host)
    return [path for path in host.listing(TOKENS) if "/revoke/" not in path]


def fact(host, path, key):
    """A fact of a session's clear text."""
    found = re.search(rf"(?m)^{key}=(.*)$",
                      host.run("grep", "-a", f"^{key}=", path).stdout)
    return found.group(1)


def refreshes(idp):
    return [one for one in idp.control.requests("token")
            if one["form"].get("grant_type") == "refresh_token"]


# What the provider says about the person

@pytest.mark.parametrize("id_token", [False, True])
@pytest.mark.parametrize("asked_by", ["sudo", "sweep"])
def test_lost_group_refuses_every_time(host, idp, policy, shell, asked_by,
                                       id_token):
    """Who is refused for what userinfo says does not pass with the next try,
    nor because the sweep asked before, nor by a renewed ID token that has the
    group still."""
    policy("provider", "2s", {"provider_check": "userinfo"})
    idp.control.quirks(access_expires_in=2)
    alice = shell()
    time.sleep(2.2)
    idp.control.quirks(
        access_expires_in=2, refresh_no_id_token=not id_token,
        endpoint={"userinfo": {"merge": {"groups": ["guests"]}}})
    if asked_by == "sweep":
        host.run(BROKER, "sweep", check=True)
        assert len(refreshes(idp)) == 1
    else:
        assert alice.sudo() == "refused"
    assert alice.sudo() == "refused"
    assert host.audit()[-1]["reason"] == "not-allowed"
    idp.control.quirks()
    assert alice.sudo() == "root"


def test_profiles_of_one_issuer(host, policy, shell):
    """The tokens go to the client that they were given to: another one's
    refusal would end the session."""
    host.write("/etc/devauth/secret", "s:e/c r%t+1", 0o600)
    policy("provider", profile={"on_revoked": "terminate"},
           devauth={"default_profile": "test"})
    config = host.read("/etc/devauth/devauth.conf")
    second = re.search(r"(?s)\[profile test\]\n(.*?)\n\[", config).group(1)
    host.write("/etc/devauth/devauth.conf", config + "[profile second]\n" +
               second.replace("devauth-public", "devauth-basic") +
               "\nclient_auth = client_secret_basic\n"
               "client_secret_file = /etc/devauth/secret\n")
    host.run("devauth", "config", "check", check=True)
    alice = shell()
    host.pam("sudo", "profile=second")
    assert alice.sudo() == "root"
    assert alice.run("echo here")[1] == 0


@pytest.mark.parametrize("reauth", ["provider", "session"])
def test_refusal_ends_the_grace(host, idp, policy, shell, reauth):
    """Whom the provider refuses in a sweep, sudo does not let in for the rest
    of reauth_max_age because of the check before."""
    policy(reauth, "15min")
    idp.control.quirks(access_expires_in=2)
    alice = shell()
    assert alice.sudo() == "root" and refreshes(idp) == []
    idp.control.disable("alice")
    time.sleep(1.5)  # more than half of the token's life
    host.run("devauth", "sweep", check=True)
    assert len(refreshes(idp)) == 1
    # What counts with "session" is the sign-in, which nobody took back.
    assert alice.sudo() == {"provider": "code", "session": "root"}[reauth]


@pytest.mark.parametrize("renamed", [False, True])
def test_refusal_follows_the_person(host, idp, policy, login, key, shell,
                                    renamed):
    """Who is renamed while logged in is the one whom the provider refuses."""
    name = "alicia" if renamed else "alice"
    policy("provider", profile={"on_revoked": "lock"})
    idp.control.quirks(access_expires_in=2)
    shell()
    if renamed:
        host.run("devauth", "accounts", "rename", "alice", name, check=True)
    in_by_key = login(name, options=key(name))
    assert name in in_by_key.rest().split()
    idp.control.disable("alice")
    time.sleep(1.5)  # more than half of the token's life
    host.run("devauth", "sweep", check=True)
    assert len(refreshes(idp)) == 1
    text = login(name, options=key(name)).rest()
    assert "does not renew your sign-in any more" in text
    assert name not in text.split()


def test_lost_key_is_no_refusal(host, policy, shell):
    """Tokens bound to a key that the host has lost are of no use; nobody is
    thrown out for it."""
    policy("provider", profile={"on_revoked": "terminate",
                                "binding": "require-dpop"})
    alice = shell()
    host.run("sh", "-c", "rm /var/lib/devauth/keys/signing-key.pem",
             check=True)
    assert alice.sudo() == "code"
    assert alice.run("echo here")[1] == 0


def test_expired_token_is_no_refusal(host, idp, policy, shell):
    """An access token that has run out is inactive; the person is not."""
    policy("provider", profile={"on_revoked": "terminate",
                                "provider_check": "introspection"})
    idp.control.quirks(access_expires_in=2, refresh_token="never")
    alice = shell()
    time.sleep(2.2)
    assert alice.sudo() == "code"
    assert idp.control.requests("introspect") == []
    assert alice.run("echo here")[1] == 0


def test_no_flood_of_checks(host, idp, policy, shell):
    """A loop around sudo is limited like one that asks for codes."""
    policy("provider")
    alice = shell()
    idp.control.quirks(http_error="token")
    for _ in range(14):
        assert alice.sudo() == "refused"
    assert host.audit()[-1]["reason"] == "rate-limited"
    assert len(refreshes(idp)) <= 10


def test_no_crowd_of_brokers(host, idp, policy, shell):
    """Nor do brokers gather whose sudo was killed while one of them waits for
    the provider."""
    policy("provider")
    alice = shell()
    idp.control.quirks(stall="token")
    alice.run("for i in $(seq 30); do timeout -s KILL 0.5 "
              "sudo id -un >/dev/null 2>&1 </dev/null & done; wait")
    assert 1 <= len(host.processes("devauth-broker")) <= 10


# A full disk

@pytest.fixture
def small_disk(host):
    """A file system of 64 kB for the tokens; fills it up."""
    host.run("sh", "-c", f"mkdir -p -m 700 {TOKENS} && mount -t tmpfs -o "
             f"size=64k,mode=0700 none {TOKENS}", check=True)

    def fill():
        host.run("sh", "-c", f"cat /dev/zero >{TOKENS}/fill")

    return fill


def test_full_disk_spends_no_token_twice(host, idp, policy, shell, small_disk):
    """New tokens that cannot be written are revoked. The old ones must not
    be tried again: it would look like a theft, and on_revoked would follow."""
    policy("provider", profile={"on_revoked": "terminate"})
    alice = shell()
    small_disk()
    assert alice.sudo() == "refused"
    host.run("rm", f"{TOKENS}/fill", check=True)
    assert alice.sudo() == "code"
    assert alice.run("echo here")[1] == 0
    assert len(refreshes(idp)) == 1


def test_full_disk_keeps_nobody_in(host, idp, policy, shell, small_disk):
    """Who was disabled cannot stay by filling the disk."""
    policy("provider", profile={"on_revoked": "terminate"})
    alice = shell()
    small_disk()
    idp.control.disable("alice")
    alice.start("sudo id -un")
    alice.child.expect(pexpect.EOF)
    assert "root" not in alice.child.before.split()


@pytest.fixture
def spoiled(host):
    """Nothing can be written about people any more, until it is mended."""

    def spoil(how):
        host.run("sh", "-ec", f"cp -a {PEOPLE} /run/people; mount -t tmpfs -o "
                 f"size=64k,mode=0700 none {PEOPLE}; cp -a /run/people/. "
                 f"{PEOPLE}", check=True)
        if how == "full":
            host.run("sh", "-c", f"cat /dev/zero >{PEOPLE}/fill")
        else:
            host.run("mount", "-o", "remount,ro", PEOPLE, check=True)

    def mend():
        host.run("sh", "-ec", f"mount -o remount,rw {PEOPLE}; "
                 f"rm -f {PEOPLE}/fill", check=True)

    return spoil, mend


@pytest.mark.parametrize("how", ["full", "read-only"])
def test_spoiled_disk_withdraws_all_the_same(host, idp, policy, shell, key,
                                             spoiled, how):
    """on_revoked = lock: nobody's key counts until the next sign-in, also where
    that could not be written down, and after a boot."""

    def by_key():
        return subprocess.run(
            host.ssh_command("alice", "id", options=(
                *options, "-o", "BatchMode=yes")), timeout=60, check=False,
            stdin=subprocess.DEVNULL, capture_output=True, text=True)

    spoil, mend = spoiled
    policy("provider", profile={"on_revoked": "lock"})
    alice, options = shell(), key("alice")
    assert by_key().returncode == 0
    spoil(how)
    idp.control.disable("alice")
    assert alice.sudo() == "refused"
    assert "does not renew your sign-in any more" in by_key().stderr
    if how == "read-only":
        mend()
        host.run(BROKER, "sweep", check=True)
    host.run("find", "/run/devauth/withdrawn", "-type", "f", "-delete",
             check=True)  # the boot is over
    done = by_key()
    assert done.returncode != 0 and "uid=" not in done.stdout
    mend()
    idp.control.enable("alice")
    shell()
    assert "uid=" in by_key().stdout


# Who is in the session

def test_killed_login_answers_for_nobody(host, policy, shell):
    """What a login has left running when its owner was killed: nobody has told
    the broker of a logout, and the sweep has not looked yet."""
    policy("never")
    alice = shell()
    path, = sessions(host)
    alice.start("setsid sh -c 'until test -e go; do sleep 0.1; done; "
                "sudo id -un >out 2>&1 </dev/null; echo $? >done' & true")
    assert alice.result()[1] == 0
    assert alice.sudo() == "root"
    host.run("kill", "-KILL", fact(host, path, "owner_pid"), check=True)
    host.run("touch", "/home/alice/go", check=True)
    wait_until(lambda: host.run("test", "-s", "/home/alice/done").returncode
               == 0, 15, "sudo has ended")
    assert "root" not in host.read("/home/alice/out").split()
    assert host.read("/home/alice/done").strip() != "0"


def test_leftover_tokens_are_nobodys(host, idp, policy, login, key, shell):
    """Tokens of a login that nobody consumed, on their way to revocation, seem
    to belong to the session of whoever's process found them."""
    policy("never")
    stack = host.read("/etc/pam.d/sshd")
    host.write("/etc/pam.d/sshd", re.sub(
        r"(?m)^session.*pam_devauth.*\n", "", stack))
    client = login("alice").expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    client.rest()
    host.write("/etc/pam.d/sshd", stack)
    assert len(host.listing("/run/devauth/grants")) == 1
    # Where they cannot go any further.
    host.run("sh", "-c", f"mkdir -p {TOKENS}/revoke && "
             f"chmod 755 {TOKENS}/revoke && chmod 700 {TOKENS}", check=True)
    alice = shell(options=key("alice"))
    _, status = alice.run("sudo -n unshare --time --fork --boottime 300 "
                          f"{BROKER} sweep")
    assert status == 2
    path, = sessions(host)
    assert fact(host, path, "account") == "alice"
    assert fact(host, path, "audit") == NO_AUDIT_SESSION
    assert alice.sudo() == "code"


def test_su_takes_nothing_away(host, idp, policy, shell):
    """A sign-in for su inside a session counts for that session, and leaves it
    what it had."""
    policy("never", acr=SECOND_FACTOR)
    alice = shell(acr=SECOND_FACTOR)
    path, = sessions(host)
    alice.start("su alice -c 'echo in'")
    alice.child.expect(r"Enter  (\S+)")
    idp.control.approve("alice", alice.child.match.group(1),
                        acr=SECOND_FACTOR)
    assert alice.result()[1] == 0
    assert sessions(host) == [path]
    assert fact(host, path, "acr") == SECOND_FACTOR
    assert alice.sudo() == "root"


# The sweep, by hand

def sweep_in_flight(host, idp, policy, shell, seconds):
    """A sweep on a terminal that waits for the answer to a refresh."""
    policy("provider")
    idp.control.quirks(access_expires_in=2)
    alice = shell()
    time.sleep(2.2)
    idp.control.quirks(delay={"token": seconds})
    arguments = host.command(BROKER, "sweep")
    sweep = pexpect.spawn(arguments[0], arguments[1:], encoding="utf-8",
                          timeout=20)
    wait_until(lambda: refreshes(idp), 10, "the provider was asked")
    return alice, sweep


def test_sweep_by_hand_keeps_its_terminal(host, idp, policy, shell):
    """The worker, which reads the network, could type into it otherwise."""
    _, sweep = sweep_in_flight(host, idp, policy, shell, 2)
    found = host.run(
        "sh", "-c", "for pid in $(pgrep -x devauth-worker); do "
        "readlink /proc/$pid/fd/0 /proc/$pid/fd/1 /proc/$pid/fd/2; "
        "cut -d' ' -f7 /proc/$pid/stat; done")
    assert found.stdout.split() == ["/dev/null"] * 3 + ["0"]
    sweep.expect(pexpect.EOF)
    sweep.close()
    assert sweep.exitstatus == 0


def test_sweep_by_hand_loses_no_token(host, idp, policy, shell):
    """Ctrl-C waits for what the provider has given already."""
    alice, sweep = sweep_in_flight(host, idp, policy, shell, 1)
    sweep.send(CTRL_C)
    sweep.expect(pexpect.EOF)
    sweep.close()
    idp.control.quirks()
    quiet(host)
    assert alice.sudo() == "root"
    assert len(refreshes(idp)) == 2
