"""sudo and su inside a session: when the session answers, when the provider is
asked, when the person has to sign in again.

Real sshd, login, sudo and su with Debian's PAM stacks. For every command three
things are looked at: what it did, what the provider was asked for, and who
answered for the person by the audit log.
"""

import collections
import json
import re
import subprocess
import time

import pytest

from host import Host, wait_until
from terminal import READY, SHELL, Remote

CTRL_C = "\x03"
ACR = "urn:example:acr:second-factor"
REFRESH = ["refresh"]
# A sign-in of sudo's: its tokens serve nothing, and are revoked at once.
SIGN_IN = ["code", "revoke", "revoke"]
KINDS = {"device_authorization": "code", "introspect": "introspection"}
GRANT = "urn:ietf:params:oauth:grant-type:device_code"

Outcome = collections.namedtuple("Outcome", "text status asked line")


@pytest.fixture
def host(idp, build):
    with Host(f"{build}/stage") as host:
        for service in ("sshd", "login", "sudo", "sudo-i", "su"):
            host.pam(service)
        sudoers(host)
        host.start_sshd()
        yield host


def sudoers(host, *rules, timeout=0):
    """Nobody's last sudo counts, unless a test wants it to."""
    host.write("/etc/sudoers.d/test", "".join(
        f"{rule}\n" for rule in (
            f"Defaults timestamp_timeout={timeout}",
            *(f"{name} ALL=(ALL) ALL" for name in ("alice", "bob", "deploy")),
            *rules)), 0o440)


class Desk:
    """Where people work on the host, and what it costs the provider."""

    def __init__(self, host, idp, terminal):
        self.host, self.idp, self.terminal = host, idp, terminal
        self.remotes = []
        self.policy()

    def policy(self, reauth=None, reauth_max_age=None, profile=None,
               sections=None, **more):
        """What [service sudo] says from now on."""
        keys = {"reauth": reauth, "reauth_max_age": reauth_max_age, **more}
        self.host.configure(
            self.idp, sections={"service sudo": keys, **(sections or {})},
            **{"scope": "openid profile email offline_access",
               "request_timeout": "2s", **(profile or {})})

    def ssh(self, user="alice", by=None, **how):
        """A person's shell after a sign-in through ssh."""
        self.remotes.append(Remote(self.host, user))
        self.remotes[-1].sign_in(
            lambda code: self.idp.control.approve(by or user, code, **how))
        return self.remotes[-1]

    def login(self, user="alice"):
        """The same through login(1)."""
        console = self.terminal("login", user)
        self.idp.control.approve(user, console.code())
        console.expect_exact(f"{user}@web1:")
        console.sendline("exec " + SHELL)
        console.expect_exact(READY)
        return console

    def quiet(self):
        """What goes on behind an answer is over."""
        wait_until(lambda: not self.host.helpers(), 15,
                   "our processes are gone")

    def begin(self):
        self.quiet()
        self._requests = len(self.idp.control.requests())
        self._lines = len(self.host.audit())

    def asked(self):
        """What the provider was asked since; polls and browsers aside."""
        self.quiet()
        kinds = []
        for request in self.idp.control.requests()[self._requests:]:
            kind = KINDS.get(request["endpoint"], request["endpoint"])
            if kind == "token" and request["form"]["grant_type"] == GRANT:
                continue
            if kind != "pages":
                kinds.append("refresh" if kind == "token" else kind)
        return kinds

    def lines(self, event="auth"):
        """The audit lines since."""
        return [line for line in self.host.audit()[self._lines:]
                if line["event"] == event]

    def end(self, text, status):
        lines = self.lines()
        assert len(lines) <= 1
        return Outcome(text, status, self.asked(), lines[0] if lines else None)

    def run(self, shell, command="sudo id -un"):
        """A command that must not show a code."""
        self.begin()
        shell.start(command)
        if shell.expect([r"<(\d+)>\r\n", r"Enter  "]) == 1:
            raise AssertionError(f"a code is shown: {shell.before}")
        text, status = shell.before, int(shell.match.group(1))
        shell.expect_exact(READY)
        return self.end(text, status)

    def sign_in(self, shell, command="sudo id -un", by="alice", **how):
        """A command that must show a code, which is approved."""
        self.begin()
        shell.start(command)
        self.idp.control.approve(by, shell.code(), **how)
        return self.end(*shell.result())

    # What has to come of a command

    def session_answers(self, shell, command="sudo id -un"):
        outcome = self.run(shell, command)
        assert outcome.status == 0 and "root" in outcome.text
        assert outcome.asked == []
        assert outcome.line["result"] == "allowed"
        assert outcome.line["by"] == "session"
        return outcome

    def provider_answers(self, shell, asked=REFRESH, command="sudo id -un"):
        outcome = self.run(shell, command)
        assert outcome.status == 0 and "root" in outcome.text
        assert outcome.asked == list(asked)
        assert outcome.line["result"] == "allowed"
        assert outcome.line["by"] == "provider-check"
        return outcome

    def person_answers(self, shell, command="sudo id -un", by="alice",
                       asked=SIGN_IN, **how):
        outcome = self.sign_in(shell, command, by, **how)
        assert outcome.status == 0 and "root" in outcome.text
        assert outcome.asked == list(asked)
        assert outcome.line["result"] == "allowed"
        assert "by" not in outcome.line
        return outcome

    def refused(self, shell, reason, asked=(), says="", command="sudo id -un",
                by=None):
        outcome = self.run(shell, command)
        assert outcome.status != 0 and "root\r" not in outcome.text
        assert says in " ".join(outcome.text.split())
        assert outcome.asked == list(asked)
        assert (outcome.line["result"], outcome.line["reason"]) == (
            "refused", reason)
        if by is not None:
            assert outcome.line.get("by") == by
        return outcome


@pytest.fixture
def desk(host, idp, terminal):
    desk = Desk(host, idp, terminal)
    yield desk
    for remote in desk.remotes:
        remote.end()


def session_of(shell):
    return shell.run("echo $DEVAUTH_SESSION")[0].split()[-1]


def tokens(host):
    """The sessions on the disk, ended ones aside."""
    return [path for path in host.listing("/var/lib/devauth/tokens")
            if "/revoke/" not in path]


def without_loginuid(host):
    host.run("sed", "-i", "/pam_loginuid/d", "/etc/pam.d/sshd",
             "/etc/pam.d/login", check=True)


# Policies

@pytest.mark.parametrize("way", ["ssh", "login"])
@pytest.mark.parametrize("anchor", ["audit session", "process"])
def test_policies(host, desk, way, anchor):
    """Each of them within its time and past it, however the kernel knows the
    session: by its number, or where nobody has given one, by the process that
    owns the login."""
    if anchor == "process":
        without_loginuid(host)
    shell = getattr(desk, way)()
    number = shell.run("cat /proc/self/sessionid")[0].strip().split("\n")[-1]
    assert (number == "4294967295") == (anchor == "process")
    desk.person_answers(shell)
    desk.person_answers(shell)  # always is the default
    desk.policy("never")
    own = session_of(shell)
    assert desk.session_answers(shell).line["session"] == own
    desk.policy("session", "1h")
    assert desk.session_answers(shell).line["session"] == own
    desk.session_answers(shell, "setsid -w sudo id -un")
    desk.policy("provider", "1h")
    assert desk.session_answers(shell).line["session"] == own
    time.sleep(1)
    desk.policy("provider", "1s")
    assert desk.provider_answers(shell).line["session"] == own
    desk.policy("session", "1s")
    assert desk.person_answers(shell).line["session"] == own
    shell.exit()
    desk.quiet()
    assert tokens(host) == []


def test_only_a_sign_in_is_a_sign_in(host, desk, idp):
    """A check by the provider and a silent refresh renew the time of provider,
    not that of session."""
    idp.control.quirks(access_expires_in=4)
    shell = desk.ssh()
    time.sleep(2)
    desk.policy("provider", "2s")
    desk.provider_answers(shell)
    time.sleep(2)
    desk.begin()
    host.run("/usr/libexec/devauth/devauth-broker", "sweep", check=True)
    assert desk.asked() == REFRESH
    desk.policy("session", "2s")
    desk.person_answers(shell)
    desk.policy("session", "1h")
    desk.session_answers(shell)


@pytest.mark.parametrize("check, asked", [
    ("refresh", ["refresh"]), ("introspection", ["introspection"]),
    ("userinfo", ["refresh", "userinfo"])])
def test_provider_check(desk, check, asked):
    """One question of the kind that the profile says, and then none for a
    while; a sign-in counts as an answer."""
    desk.policy("provider", "10s", profile={"provider_check": check})
    shell = desk.ssh()
    desk.session_answers(shell)
    time.sleep(10)
    desk.provider_answers(shell, asked)
    desk.session_answers(shell)
    desk.session_answers(shell)


def test_userinfo_brings_fresh_groups(desk, idp):
    """Who has left the group that sudo is for is refused at the next check."""
    desk.policy("provider", "1s", allowed_groups="operators",
                profile={"provider_check": "userinfo"})
    shell = desk.ssh()
    time.sleep(1)
    desk.provider_answers(shell, ["refresh", "userinfo"])
    idp.control.quirks(groups=["staff"])
    time.sleep(1)
    desk.refused(shell, "not-allowed", ["refresh", "userinfo"],
                 "sudo refused alice@example.com.", by="provider-check")


def test_sudo_i_and_su(host, desk):
    """"sudo -i" and "su -" go by the sections of sudo and su. Somebody else's
    account needs somebody else's sign-in."""
    desk.policy("never", sections={"service su": {"reauth": "never"}})
    shell = desk.ssh()
    desk.session_answers(shell, "sudo -i id -un")
    desk.session_answers(shell, "su alice -c 'echo root; id -un'")
    desk.session_answers(shell, "su - alice -c 'echo root; id -un'")
    desk.ssh("bob").exit()
    assert "by" not in desk.sign_in(
        shell, "su bob -c 'id -un'", by="bob").line
    sudoers(host, "Defaults:alice targetpw")
    assert "by" not in desk.sign_in(shell, "sudo -u bob id -un", by="bob").line


# Whose session it is

def test_sessions_side_by_side(desk):
    """Each has its own clock."""
    one, other = desk.ssh(), desk.ssh()
    assert session_of(one) != session_of(other)
    desk.policy("session", "10s")
    time.sleep(10)
    first = desk.person_answers(one)
    assert desk.session_answers(one).line["session"] == \
        first.line["session"] == session_of(one)
    second = desk.person_answers(other)
    assert second.line["session"] == session_of(other)


def test_outside_of_the_session(host, desk, shell):
    """B9: a process that is not in it is not helped by anything it says."""
    desk.policy("never")
    inside = desk.ssh()
    own = session_of(inside)
    outside = shell("alice")
    desk.person_answers(outside, f"DEVAUTH_SESSION={own} sudo id -un")
    desk.person_answers(outside, "XDG_SESSION_ID=1 sudo id -un")


def test_forged_names_of_sessions(desk):
    """B9, U7: what the environment says of a session has no effect."""
    desk.policy("never")
    one, other = desk.ssh(), desk.ssh()
    own = session_of(one)
    for forged in (session_of(other), "../" + own, "x" * 500, ""):
        outcome = desk.session_answers(
            one, f"DEVAUTH_SESSION={forged} XDG_SESSION_ID={forged} "
            f"DEVAUTH_GRANT={forged} sudo id -un")
        assert outcome.line["session"] == own


@pytest.mark.parametrize("anchor", ["audit session", "process"])
def test_tmux(host, desk, anchor):
    """The audit session is that of everything that the login has started, for
    as long as the login lasts. A process that has left its ancestors is not
    found by them."""
    if anchor == "process":
        without_loginuid(host)
    desk.policy("never")
    shell = desk.ssh()
    shell.run("tmux -f /dev/null new-session -d -x 100 -y 60 sh")

    def tmux(*arguments):
        return host.run("setpriv", "--reuid=alice", "--regid=alice",
                        "--init-groups", "tmux", *arguments).stdout

    def type_sudo():
        desk.begin()
        tmux("send-keys", "clear; sudo id -un", "Enter")

    type_sudo()
    if anchor == "audit session":
        wait_until(lambda: "root" in tmux("capture-pane", "-p").split(),
                   what="sudo in tmux")
        assert desk.asked() == [] and desk.lines()[0]["by"] == "session"
        shell.exit()
        type_sudo()
    wait_until(lambda: "Enter  " in tmux("capture-pane", "-p"),
               what="a code in tmux")
    tmux("kill-server")
    assert desk.asked() == ["code"]
    assert "by" not in desk.lines()[0]


@pytest.mark.parametrize("su_opens", [True, False])
def test_bob_in_the_session_of_alice(host, desk, su_opens):
    """Who became bob by su is bob: what alice signed in for is not his. What
    he signed in for with su is, where su opens a session of ours."""
    if not su_opens:
        host.run("sed", "-i", "/^session.*pam_devauth/d", "/etc/pam.d/su",
                 check=True)
    desk.policy("never")
    desk.ssh("bob").exit()
    shell = desk.ssh()
    own = session_of(shell)
    shell.sendline("su bob")
    desk.idp.control.approve("bob", shell.code())
    shell.expect_exact("bob@web1:")
    shell.sendline("exec " + SHELL)
    shell.expect_exact(READY)
    if su_opens:
        line = desk.session_answers(shell).line
        assert line["user"] == "bob" and line["session"] != own
    else:
        line = desk.person_answers(shell, by="bob").line
        assert line["user"] == "bob" and "session" not in line
    shell.sendline("exit")
    shell.expect_exact(READY)
    assert desk.session_answers(shell).line["session"] == own


def test_shared_account(host, desk):
    """The person who signed in for the session counts; the sign-in of another
    who may use the account is good for that one command."""
    host.run("useradd", "-m", "-s", "/bin/sh", "deploy", check=True)
    people = {"account deploy": {"people": "alice bob"}}
    desk.policy("session", "2s", sections=people)
    shell = desk.ssh("deploy", by="alice")
    time.sleep(2)
    desk.person_answers(shell, by="bob")
    desk.policy("session", "1h", sections=people)
    assert desk.session_answers(shell).line["person"] == "alice"
    desk.policy("session", "2s", sections=people)
    time.sleep(2)
    line = desk.person_answers(shell, by="bob").line
    assert line["person"] == "bob" and "session" not in line
    desk.policy("session", "1h", sections={"account deploy": {"people": "bob"}})
    desk.refused(shell, "account-denied", says="not allowed here any more")


# The provider says no, or nothing

@pytest.fixture
def stale(desk):
    """Policy provider, and its time is over."""

    def start(**profile):
        desk.policy("provider", "1s", profile=profile)
        shell = desk.ssh()
        time.sleep(1)
        return shell

    return start


@pytest.mark.parametrize("check", ["refresh", "introspection"])
def test_refused_keep(desk, idp, stale, check):
    """sudo is refused; the session goes on, without tokens."""
    shell = stale(provider_check=check)
    idp.control.disable("alice")
    desk.refused(shell, "refresh-rejected", [check],
                 "localhost does not renew your sign-in any more. Sign in",
                 by="provider-check")
    idp.control.enable("alice")
    # The tokens are gone: nobody can be asked, and it takes a sign-in, which
    # brings new ones that the session keeps.
    desk.person_answers(shell, asked=["code"])
    time.sleep(1)
    desk.provider_answers(shell, [check])


def test_refused_lock(desk, idp, stale, host, key):
    """Whatever needs no sign-in is refused until there is one."""
    shell = stale(on_revoked="lock")
    other = desk.ssh()
    options = key("alice")

    def by_key():
        return subprocess.run(
            host.ssh_command("alice", "id", options=options), timeout=60,
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False)

    idp.control.disable("alice")
    desk.refused(shell, "refresh-rejected", REFRESH,
                 "localhost does not renew your sign-in any more.")
    done = by_key()
    assert done.returncode != 0 and "uid=" not in done.stdout
    assert "localhost does not renew your sign-in any more. Sign in with the " \
        "code once" in done.stderr
    sudoers(host, "alice ALL=(ALL) NOPASSWD: ALL")
    outcome = desk.run(shell)
    assert outcome.status == 1 and outcome.asked == []
    assert "does not renew your sign-in any more." in outcome.text
    shown = json.loads(host.run("devauth", "accounts", "list", "--json").stdout)
    assert [one["state"] for one in shown] == ["withdrawn"]
    assert "withdrawn by the provider: a new sign-in is due" in host.run(
        "devauth", "accounts", "show", "alice").stdout
    # No session of the person's has grace any more, until he signs in in any.
    sudoers(host)
    desk.policy("session", "1h", profile={"on_revoked": "lock"})
    idp.control.enable("alice")
    desk.person_answers(other)
    desk.session_answers(other)
    done = by_key()
    assert done.returncode == 0 and "uid=" in done.stdout
    assert "active" in host.run("devauth", "accounts", "show", "alice").stdout


@pytest.mark.parametrize("anchor", ["audit session", "process"])
def test_refused_terminate(host, desk, idp, stale, anchor):
    """The session ends with all its processes, and no other one."""
    if anchor == "process":
        without_loginuid(host)
    shell = stale(on_revoked="terminate")
    other = desk.ssh()
    shell.run("{ sleep 1000 & }")
    idp.control.disable("alice")
    desk.begin()
    shell.start("sudo id -un")
    shell.rest()
    assert desk.asked() == REFRESH
    assert desk.lines()[0]["reason"] == "refresh-rejected"
    assert desk.lines("terminate")[0]["result"] == "done"
    assert host.processes("sleep") == []
    assert "still here" in other.run("echo still here")[0]


TROUBLE = {
    "slow": ({"stall": "token"}, "unreachable", "Cannot reach localhost"),
    "dead": ({"close_early": "token"}, "unreachable", "Cannot reach localhost"),
    "overloaded": ({"http_error": {"token": 503}}, "unreachable",
                   "Cannot reach localhost"),
    "nonsense": ({"endpoint": {"token": {"body": "<html>"}}}, "bad-answer",
                 "localhost sent an answer that cannot be used"),
}


@pytest.mark.parametrize("kind", TROUBLE)
def test_provider_in_trouble(host, desk, idp, stale, kind):
    """Nobody knows: refused, in time, and everything is kept."""
    quirks, reason, says = TROUBLE[kind]
    shell = stale()
    idp.control.quirks(**quirks)
    start = time.monotonic()
    outcome = desk.refused(shell, reason, REFRESH, says, by="provider-check")
    assert time.monotonic() - start < 15
    assert "no reason given" not in outcome.text
    assert len(tokens(host)) == 1
    idp.control.quirks()
    desk.provider_answers(shell)


def test_provider_unreachable(host, desk, stale):
    """Nothing listens there."""
    shell = stale()
    hosts = host.read("/etc/hosts")
    host.write("/etc/hosts", re.sub(r"(?m)^.*\blocalhost\b.*$", "", hosts)
               + "127.0.0.9 localhost web1\n")
    desk.refused(shell, "unreachable", [],
                 "Cannot reach localhost (connection refused).")
    host.write("/etc/hosts", hosts)
    desk.provider_answers(shell)


def test_answer_lost(desk, idp, stale):
    """The token is used up, its successor is lost: it takes a sign-in."""
    shell = stale()
    idp.control.quirks(lost_answer="token")
    desk.refused(shell, "unreachable", REFRESH, "Cannot reach localhost")
    desk.refused(shell, "refresh-rejected", REFRESH)
    desk.person_answers(shell, asked=["code"])


def test_many_at_once(desk, idp):
    """One of them asks; or the provider, which sees a token used twice, would
    end the session."""
    desk.policy("provider", "10s")
    shell = desk.ssh()
    idp.control.quirks(delay={"token": 1})
    time.sleep(10)
    desk.begin()
    text, status = shell.run(
        "for i in 1 2 3 4 5; do sudo id -un >out.$i 2>&1 & done; wait; "
        "cat out.*")
    assert text.split().count("root") == 5 and status == 0
    assert desk.asked() == REFRESH
    by = [line["by"] for line in desk.lines()]
    assert sorted(by) == ["provider-check"] + 4 * ["session"]
    assert not any(grant["reuse_detected"]
                   for grant in idp.control.state()["grants"])


def test_many_at_once_and_no_answer(desk, idp, stale):
    """Nobody waits longer than for a check of his own."""
    shell = stale(request_timeout="14s")
    idp.control.quirks(stall="token")
    desk.begin()
    start = time.monotonic()
    text, _ = shell.run(
        "for i in 1 2 3; do sudo id -un >out.$i 2>&1 & done; wait; cat out.*")
    assert time.monotonic() - start < 19
    assert desk.asked() == REFRESH
    assert text.count("Cannot reach localhost") == 3
    assert text.count("(another check of this session still waits") == 2
    assert {line["reason"] for line in desk.lines()} == {"unreachable"}
    idp.control.quirks()
    desk.provider_answers(shell)


def test_interrupted_check(desk, idp, stale):
    """Ctrl-C ends sudo at once; what the provider then sends is not lost."""
    shell = stale()
    idp.control.quirks(delay={"token": 1.5})
    desk.begin()
    shell.start("sudo id -un")
    wait_until(lambda: idp.control.requests("token")[-1]["form"].get(
        "grant_type") == "refresh_token", what="the refresh")
    shell.send(CTRL_C)
    wait_until(lambda: not desk.host.processes("sudo"), 1, "sudo is gone")
    text, status = shell.result()
    assert status != 0 and "root\r" not in text
    assert desk.asked() == REFRESH
    assert [line["result"] for line in desk.lines()] == ["cancelled"]
    idp.control.quirks()
    time.sleep(1)
    desk.provider_answers(shell)
    assert not any(grant["reuse_detected"]
                   for grant in idp.control.state()["grants"])


# Better sign-ins

def test_step_up_acr(desk, idp):
    """Asked for in the request, checked on return, and then it counts."""
    shell = desk.ssh()
    desk.policy("session", "1h", acr=ACR)
    outcome = desk.sign_in(shell)  # with a password only
    assert outcome.status == 1 and outcome.asked == SIGN_IN
    assert outcome.line["reason"] == "sign-in-too-weak"
    assert "not fresh or strong enough for this (acr" in outcome.text
    desk.begin()
    shell.start("sudo id -un")
    code = shell.code()
    request = idp.control.requests("device_authorization")[-1]
    assert request["form"]["acr_values"] == ACR
    assert idp.person("alice").approve(shell.address, code).ok
    text, status = shell.result()
    assert status == 0 and "root" in text and desk.asked() == SIGN_IN
    desk.session_answers(shell)
    desk.policy("session", "1h", acr=ACR, amr="otp")
    desk.session_answers(shell)
    # Others are asked for the factor all the same.
    assert desk.sign_in(desk.ssh()).line["reason"] == "sign-in-too-weak"


def test_step_up_amr(desk):
    shell = desk.ssh()
    desk.policy("never", amr="pwd hwk")
    outcome = desk.sign_in(shell, amr=["pwd"])
    assert outcome.line["reason"] == "sign-in-too-weak"
    assert "(amr lacks hwk)" in " ".join(outcome.text.split())
    desk.person_answers(shell, amr=["hwk", "pwd", "user"])
    desk.session_answers(shell)


def test_step_up_max_age(desk, idp):
    """The provider's own session may be older than the one here."""
    now = int(time.time())
    shell = desk.ssh(auth_time=now - 7200)
    desk.policy("never")
    desk.session_answers(shell)
    desk.policy("never", max_age="1h")
    outcome = desk.sign_in(shell, auth_time=now - 7000)
    assert outcome.line["reason"] == "sign-in-too-weak"
    request = idp.control.requests("device_authorization")[-1]
    assert request["form"]["max_age"] == "3600"
    desk.person_answers(shell)
    desk.session_answers(shell)


def test_good_enough_from_the_start(desk):
    """The sign-in of the session itself may be all that sudo wants; a check
    by the provider does not make it better or worse."""
    desk.policy("provider", "1s", acr=ACR, amr="otp", max_age="1h")
    shell = desk.ssh(acr=ACR, amr=["pwd", "otp"])
    time.sleep(1)
    desk.provider_answers(shell)
    time.sleep(1)
    desk.provider_answers(shell)


# Nobody there

ALONE = ["setsid -w sudo id -un </dev/null",
         "setsid -w sudo -S id -un </dev/null",
         "echo guess | setsid -w sudo -S id -un",
         "SUDO_ASKPASS=/bin/true setsid -w sudo -A id -un"]


@pytest.mark.parametrize("command", ALONE)
def test_without_a_terminal(desk, command):
    """Answered at once, and nobody is asked; the session's grace holds."""
    shell = desk.ssh()
    time.sleep(1)
    for policy, age in (("always", "1h"), ("session", "1s"),
                        ("provider", "1s")):
        desk.policy(policy, age)
        desk.refused(shell, "no-terminal", command=command,
                     says="Signing in takes a terminal, not a pipe. Over SSH,")
    for policy, age in (("session", "1h"), ("provider", "1h"), ("never", "1s")):
        desk.policy(policy, age)
        desk.session_answers(shell, command)


def test_sudo_n(host, desk):
    """sudo asks nobody under -n. With noninteractive_auth it does, and cannot
    be told from a sudo without -n."""
    shell = desk.ssh()
    time.sleep(1)
    for policy, age in (("always", "1h"), ("session", "1h"),
                        ("provider", "1s"), ("never", "1h")):
        desk.policy(policy, age)
        outcome = desk.run(shell, "sudo -n id -un")
        assert outcome.status == 1 and "password is required" in outcome.text
        assert outcome.asked == [] and outcome.line is None
    sudoers(host, "Defaults noninteractive_auth")
    desk.session_answers(shell, "sudo -n id -un")
    desk.policy("session", "1h")
    desk.session_answers(shell, "sudo -n id -un")
    desk.policy("provider", "1s")
    desk.refused(shell, "no-terminal",
                 command="setsid -w sudo -n id -un </dev/null")
    desk.provider_answers(shell, command="sudo -n id -un")
    desk.policy("always")
    desk.person_answers(shell, "sudo -n id -un")


# Who may not any more

POLICIES = ["always", "session", "provider", "never"]


def test_locked(host, desk):
    """Whatever time there is left."""
    shell = desk.ssh()
    host.run("devauth", "accounts", "lock", "alice", check=True)
    for policy in POLICIES:
        desk.policy(policy, "1h")
        desk.refused(shell, "account-locked",
                     says="sudo refused alice. Ask your administrator.")


def test_removed(host, desk):
    """sudo itself knows nobody of that number any more."""
    shell = desk.ssh()
    host.run("devauth", "accounts", "remove", "alice", check=True)
    for policy in POLICIES:
        desk.policy(policy, "1h")
        outcome = desk.run(shell)
        assert outcome.status == 1 and outcome.asked == []
        assert "you do not exist in the passwd database" in outcome.text


def test_no_longer_allowed(desk):
    """By [service sudo], which may have been changed during the session."""
    shell = desk.ssh()
    for policy in POLICIES:
        desk.policy(policy, "1h", allowed_users="bob")
        desk.refused(shell, "unknown-user",
                     says="sudo refused alice. Ask your administrator.")
    for policy in POLICIES[1:]:
        desk.policy(policy, "1h", allowed_groups="admins")
        desk.refused(shell, "account-denied",
                     says="sudo refused alice: not allowed here any more.")
    desk.policy("always", "1h", allowed_groups="admins")
    outcome = desk.sign_in(shell)
    assert outcome.status == 1 and outcome.line["reason"] == "not-allowed"
    assert "(rule: " in outcome.text


@pytest.mark.parametrize("way", ["timestamp", "NOPASSWD"])
def test_locked_where_sudo_does_not_ask(host, desk, way):
    """U4: the account phase is asked all the same."""
    shell = desk.ssh()
    if way == "timestamp":
        sudoers(host, timeout=15)
        desk.person_answers(shell)
    else:
        sudoers(host, "alice ALL=(ALL) NOPASSWD: ALL")
    outcome = desk.run(shell)
    assert outcome.status == 0 and outcome.line is None
    host.run("devauth", "accounts", "lock", "alice", check=True)
    outcome = desk.run(shell)
    assert outcome.status == 1 and outcome.asked == []
    assert "sudo refused alice: not allowed here any more." in outcome.text
    assert desk.lines("account")[-1]["reason"] == "account-denied"


def test_locked_behind_a_shared_account(host, desk):
    """The account phase is all that is asked, and the account is a local one:
    the session knows who is there."""
    host.run("useradd", "-m", "-s", "/bin/sh", "deploy", check=True)
    desk.policy("always", "1h",
                sections={"account deploy": {"people": "alice bob"}})
    sudoers(host, "deploy ALL=(ALL) NOPASSWD: ALL")
    shells = {who: desk.ssh("deploy", by=who) for who in ("alice", "bob")}
    host.run("devauth", "accounts", "lock", "alice", check=True)
    outcome = desk.run(shells["alice"])
    assert outcome.status == 1 and outcome.asked == []
    line = desk.lines("account")[-1]
    assert line["reason"] == "account-denied" and line["person"] == "alice"
    assert desk.run(shells["bob"]).status == 0
    host.run("devauth", "accounts", "unlock", "alice", check=True)
    assert desk.run(shells["alice"]).status == 0
    # Nor has the session forgotten him under another name.
    desk.ssh("bob")
    host.run("devauth", "accounts", "rename", "bob", "rob", check=True)
    host.run("devauth", "accounts", "lock", "rob", check=True)
    assert desk.run(shells["bob"]).status == 1
    line = desk.lines("account")[-1]
    assert line["reason"] == "account-denied" and line["person"] == "rob"
    host.run("devauth", "accounts", "relink", "alice",
             f"{desk.idp.issuer}#somebody-else", check=True)
    assert desk.run(shells["alice"]).status == 1
    line = desk.lines("account")[-1]
    assert line["reason"] == "account-denied" and line["person"] == "alice"


# Clocks

def test_a_clock_of_its_own(host, desk):
    """In a time namespace the login's start is another one, too: what cannot
    be compared answers for nobody."""
    sudoers(host, "alice ALL=(ALL) NOPASSWD: /usr/bin/unshare")
    desk.policy("session", "1h")
    shell = desk.ssh()
    shell.sendline("sudo unshare --time --boottime 1000 --fork setpriv "
                   "--reuid=alice --regid=alice --init-groups " + SHELL)
    shell.expect_exact(READY)
    assert "session" not in desk.person_answers(shell).line
    shell.sendline("exit")
    shell.expect_exact(READY)
    desk.session_answers(shell)


def test_the_date_was_set_back(host, desk):
    """A sign-in that lies in the future is one that nobody can judge."""
    desk.policy("never")
    shell = desk.ssh()
    desk.session_answers(shell)
    host.run("sh", "-c", "sed -i 's/^verified_at=.*/verified_at="
             f"{int(time.time()) + 3600}/' /var/lib/devauth/people/*.person",
             check=True)
    desk.person_answers(shell)
    desk.session_answers(shell)
