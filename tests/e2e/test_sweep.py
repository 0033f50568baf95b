"""devauth-broker sweep: what it renews, ends and revokes, and what is left
of it when it is killed. Logins and logouts themselves: test_sessions.py."""

import subprocess
import time

import pytest

from host import wait_until
from sessions import (BROKER, GRANTS, KEYS, OFFLINE, REVOKE, RUN, STANDINGS,
                      STATE, TOKENS, end_quietly, ended, files, lines, one_session, results,
                      revoked, running, sweep)
from test_sessions import (  # noqa: F401 (fixtures)
    BOTH, DONE, UNREACHABLE, console, everything_revoked, host, log_out,
    nothing_left, shell)

REFUSED = ("failed", "provider-refused")
# Between which a kill makes a difference.
WRITES = ("openat,mkdir,mkdirat,write,pwrite64,fsync,fdatasync,ftruncate,"
          "fchmod,rename,renameat,renameat2,linkat,unlink,unlinkat,utimensat,"
          "sendto")


def kill_owner(host, session):
    host.run("kill", "-KILL", session["owner_pid"], check=True)
    wait_until(lambda: host.run("test", "-e", "/proc/" + session["owner_pid"])
               .returncode, what="the owner is gone")


def keep_start_time(host, pid):
    """A sweep of later does not see that process begin later."""
    host.run("sh", "-ec", "cat /proc/$1/stat >/run/stat; "
             "mount --bind /run/stat /proc/$1/stat", "sh", pid, check=True)


def refreshes(idp):
    return [one["form"].get("grant_type")
            for one in idp.control.requests("token")].count("refresh_token")


def expire_soon(idp, **quirks):
    """Tokens are due at the next sweep."""
    idp.control.quirks(access_expires_in=2, **quirks)


def wait_until_due(session):
    """Half of the token's life."""
    time.sleep(max(0, (int(session["verified_at_s"]) + int(
        session["access_expires_at_s"])) / 2 + 0.1 - time.time()))


# Renewal

def test_renewal(host, idp, shell):
    """One request a session, with the newest token; nothing before half of the
    life is over, however long the margin is."""
    host.configure(idp, scope=OFFLINE, refresh_margin="1d")
    shell()
    sweep(host)
    assert refreshes(idp) == 0
    expire_soon(idp)
    shell("bob")
    _, second = running(host).values()
    for count in (1, 2, 3):
        wait_until_due(second)
        sweep(host)
        assert refreshes(idp) == count
        was = second
        first, second = running(host).values()
        assert first["serial"] == "1"
        assert int(second["serial"]) > int(was["serial"])
    assert results(host, "refresh") == [DONE] * 3
    assert {line["user"] for line in lines(host, "refresh")} == {"bob"}
    assert not any(grant["reuse_detected"]
                   for grant in idp.control.state()["grants"])
    idp.control.quirks()
    wait_until_due(second)
    sweep(host)
    sweep(host)
    assert refreshes(idp) == 4


@pytest.mark.parametrize("policy", ["keep", "lock", "terminate"])
def test_refused_renewal(host, idp, shell, key, policy):
    host.configure(idp, scope=OFFLINE, on_revoked=policy)
    expire_soon(idp)
    client, options = shell(), key("alice")
    pid = one_session(host)["owner_pid"]
    idp.control.disable("alice")
    wait_until_due(one_session(host))
    sweep(host)
    end_quietly(host)
    assert refreshes(idp) == 1
    assert len(results(host, "refresh")) == 1
    assert results(host, "refresh")[0][0] == "failed"
    with_key = subprocess.run(
        host.ssh_command("alice", "id", "-un", options=(
            *options, "-o", "BatchMode=yes")), check=False, text=True,
        capture_output=True, stdin=subprocess.DEVNULL)
    assert (with_key.stdout == "alice\n") == (policy == "keep")
    if policy == "terminate":
        client.rest()
        assert host.run("test", "-e", f"/proc/{pid}").returncode
        assert results(host, "terminate") == [DONE]
        end_quietly(host)
        sweep(host)
        nothing_left(host)
    else:
        client.child.sendline("id -un | tr a-z A-Z")
        client.child.expect_exact("ALICE")
        assert one_session(host)["has_refresh"] == "0"
        assert results(host, "terminate") == []
        sweep(host)
        log_out(client)
        end_quietly(host)
        nothing_left(host)
    # What the provider has refused is not brought up again.
    assert refreshes(idp) == 1 and revoked(idp) == []


def test_two_at_once(host, idp, shell):
    """One request a session, whoever is first."""
    expire_soon(idp)
    shell()
    shell("bob")
    alice, bob = running(host).values()
    wait_until_due(bob)
    kill_owner(host, alice)
    expire_soon(idp, delay={"token": 1, "revoke": 0.5})
    both = [subprocess.Popen(host.command(BROKER, "sweep")) for _ in "ab"]
    assert [one.wait(30) for one in both] == [0, 0]
    assert refreshes(idp) == 1 and revoked(idp) == BOTH
    assert list(running(host)) == [bob["id"]] and ended(host) == []
    assert len(idp.control.live()) == 1
    for event in ("refresh", "end", "revoke"):
        assert results(host, event) == [DONE], event


def test_provider_down(host, idp, shell):
    """Who does not answer is waited for once, not by each session."""
    host.configure(idp, scope=OFFLINE, request_timeout="1s")
    expire_soon(idp)
    for user in ("alice", "bob"):
        shell(user)
        shell(user)
    wait_until_due(list(running(host).values())[-1])
    expire_soon(idp, stall=["token", "revoke"])
    sweep(host)
    assert refreshes(idp) == 1 and len(running(host)) == 4
    assert results(host, "refresh") == [UNREACHABLE]
    for session in running(host).values():
        kill_owner(host, session)
    sweep(host)
    assert refreshes(idp) == 1 and revoked(idp) == ["refresh_token"]
    assert len(ended(host)) == 4
    assert results(host, "revoke") == [UNREACHABLE]
    idp.control.quirks()
    sweep(host, 61)
    everything_revoked(host, idp)


# Foreign files

PLANTED = {
    "empty": ": >$1",
    "text": "echo hello >$1",
    "cut": "head -c 600 $2 >$1",
    "no tag": "head -c -16 $2 >$1",
    "copy": "cat $2 >$1",
    "huge": "head -c 10000000 /dev/zero >$1",
    "link": "ln -s /etc/passwd $1",
    "hard link": "ln /var/lib/devauth/canary $1",
    "fifo": "mkfifo $1",
    "readable": "cat $2 >$1; chmod 644 $1",
    "somebody's": "cat $2 >$1; chown games $1",
}


@pytest.mark.parametrize("folder", [TOKENS, REVOKE])
def test_foreign_files(host, idp, shell, folder):
    """What is none of our files goes, with a line in the log; nothing else is
    touched, and no request is made."""
    shell()
    real = one_session(host)["id"]
    host.write("/var/lib/devauth/canary", "x", 0o600)
    host.run("mkdir", "-pm", "700", REVOKE, check=True)
    names = {}
    for number, (what, command) in enumerate(PLANTED.items()):
        names[what] = f"{number:048x}"
        host.run("sh", "-ec", "umask 077; " + command, "sh",
                 f"{folder}/{names[what]}", f"{TOKENS}/{real}", check=True)
    host.write(f"{folder}/README", "not ours", 0o600)
    host.run("mkdir", f"{folder}/{'d' * 48}", check=True)
    sweep(host)
    end_quietly(host)
    left = {what for what, name in names.items()
            if name in files(host, TOKENS) + files(host, REVOKE)}
    assert left == set()
    logged = {line["session"] for line in lines(host, "revoke")
              if line["result"] == "failed"}
    assert {what for what, name in names.items() if name in logged} == set(
        PLANTED)
    assert host.read(f"{folder}/README") == "not ours"
    assert host.read("/var/lib/devauth/canary") == "x"
    assert "root:" in host.read("/etc/passwd")
    assert host.run("stat", "-c", "%a", "/etc/passwd").stdout == "644\n"
    assert list(name for name in files(host, TOKENS)
                if name != "README") == [real]
    assert revoked(idp) == [] and len(idp.control.live()) == 1
    count = len(host.audit())
    sweep(host)
    assert len(host.audit()) == count, "each is told once"


# Killed

def plan(host, *brokers):
    """From now on each broker takes the next word of the plan: "-" runs it as
    it is, "trace" writes down what it does, CALL:N kills it ahead of that."""
    host.write("/run/plan", "".join(f"{word}\n" for word in brokers))


def lay_ambush(host):
    host.run("mv", BROKER, BROKER + ".real", check=True)
    host.write(BROKER, f"""#!/bin/sh
word=$(head -n 1 /run/plan)
sed -i 1d /run/plan
case $word in
""" f"""-|"") exec {BROKER}.real "$@" ;;
trace) exec strace -qq -o /run/trace -e trace={WRITES} {BROKER}.real "$@" ;;
*) exec strace -qq -o /run/trace -e trace={WRITES} \\
	-e inject=${{word%:*}}:signal=KILL:when=${{word#*:}} {BROKER}.real "$@" ;;
esac
""", 0o755)
    plan(host)


def steps(host):
    """Each call of the traced run that wrote something, as words of a plan."""
    seen, found = {}, []
    for line in host.read("/run/trace").splitlines():
        call = line.partition("(")[0]
        seen[call] = seen.get(call, 0) + 1
        if call != "openat" or "O_CREAT" in line:
            found.append(f"{call}:{seen[call]}")
    assert len(found) > 5
    return found


def was_killed(host):
    return "+++ killed by SIGKILL +++" in host.read("/run/trace")


def age(host):
    """What killed processes leave is kept for a minute or two."""
    host.run("find", TOKENS, STANDINGS, GRANTS, KEYS, "-type", "f", "-exec",
             "touch", "-d", "-5 minutes", "{}", "+")


def accounted_for(host, idp, later_s=200):
    """Ends clean: nothing but the running sessions and what they hold."""
    end_quietly(host)
    plan(host)
    age(host)
    host.run("rm", "-f", f"{RUN}/limits")  # so many logins
    sweep(host, later_s)
    end_quietly(host)
    sessions = running(host)
    assert files(host, REVOKE) + files(host, GRANTS) == []
    assert sorted(files(host, STANDINGS)) == sorted(sessions)
    holding = [one for one in sessions.values() if one["has_refresh"] == "1"]
    assert len(idp.control.live()) == len(holding)


def ambushes(host, bring_about, check):
    """A traced run, then one killed at each of its steps. Only the first one
    of all makes folders."""
    lay_ambush(host)
    for word in ("-", "trace"):
        bring_about(word)
        check()
    todo = steps(host)
    for step in todo:
        bring_about(step)
        assert was_killed(host), step
        try:
            check()
        except AssertionError as error:
            raise AssertionError(f"killed ahead of {step} of {todo}: "
                                 f"{host.log()[-3000:]}") from error


def test_login_opens_the_secret_once(host, shell):
    """For its own grant; those of others have not expired."""
    log_out(shell())
    lay_ambush(host)
    plan(host, "trace")
    shell()
    end_quietly(host)
    assert host.read("/run/trace").count('"host.secret"') == 1


def test_killed_while_it_ends_a_session(host, idp, shell):
    def bring_about(word):
        shell()
        kill_owner(host, one_session(host))
        plan(host, word)
        sweep(host, check=False)

    ambushes(host, bring_about, lambda: (
        accounted_for(host, idp), nothing_left(host)))


def test_killed_while_it_renews(host, idp, shell):
    """A token whose successor was lost on its way is not tried twice in vain:
    the provider ends both, and the session goes on without."""
    expire_soon(idp)

    def bring_about(word):
        plan(host)
        if not any(one["has_refresh"] == "1"
                   for one in running(host).values()):
            for session in running(host).values():
                kill_owner(host, session)
            sweep(host)
            shell()
        wait_until_due(one_session(host))
        plan(host, word)
        sweep(host, check=False)

    def check():
        end_quietly(host)
        plan(host)
        if int(one_session(host)["access_expires_at_s"]):
            wait_until_due(one_session(host))
        accounted_for(host, idp, later_s=0)
        assert len(running(host)) == 1

    ambushes(host, bring_about, check)


@pytest.mark.parametrize("rename", [1, 2])
def test_killed_while_it_is_refused(host, idp, shell, rename):
    """The refusal outlives it: the mark is there before the tokens go."""
    host.configure(idp, scope=OFFLINE, on_revoked="lock")
    expire_soon(idp)
    shell()
    lay_ambush(host)
    idp.control.disable("alice")
    wait_until_due(one_session(host))
    plan(host, f"renameat:{rename}")
    sweep(host, check=False)
    end_quietly(host)
    assert was_killed(host)
    sweep(host)
    assert [name for name in files(host, f"{STATE}/people")
            if name.endswith(".withdrawn")]
    assert one_session(host)["has_refresh"] == "0"


def test_killed_while_it_is_downgraded(host, idp, shell):
    """Tokens that are not bound are stored ahead of the word that they will
    not do. A bound session stays one, whoever reads it next."""
    host.configure(idp, scope=OFFLINE, binding="prefer-dpop")
    expire_soon(idp)
    shell()
    lay_ambush(host)
    wait_until_due(one_session(host))
    expire_soon(idp, token_type="Bearer")
    plan(host, "fsync:2")
    sweep(host, check=False)
    end_quietly(host)
    assert was_killed(host)
    assert one_session(host)["has_refresh"] == "1"
    wait_until_due(one_session(host))
    plan(host)
    sweep(host)
    end_quietly(host)
    assert one_session(host)["has_refresh"] == "0"
    assert results(host, "refresh") == [("failed", "bad-id-token")]
    assert idp.control.live() == []


def test_killed_while_a_grant_expires(host, idp, shell, console):
    host.run("useradd", "-m", "luke", check=True)
    log_out(shell())
    host.run("sed", "-i", "/pam_devauth/s/^auth.*/auth [success=ok "
             "ignore=ignore default=die] pam_devauth.so\\nauth requisite "
             "pam_deny.so/", "/etc/pam.d/su", check=True)
    end_quietly(host)

    def bring_about(word):
        plan(host)
        client = console(
            "setpriv --reuid=luke --regid=luke --init-groups su alice")
        idp.control.approve("alice", client.code)
        client.rest()
        assert len(files(host, GRANTS)) == 1
        plan(host, word)
        sweep(host, 130, check=False)

    ambushes(host, bring_about, lambda: (
        accounted_for(host, idp), nothing_left(host)))


def test_killed_between_session_and_grant(host, idp, shell):
    """A session whose grant is still there ends with that, while its login goes
    on: the tokens are the same, and with those revoked the next sudo would
    be refused as if the provider had refused the person."""
    lay_ambush(host)
    plan(host, "-", "-", "unlinkat:1")
    client = shell()
    end_quietly(host)
    assert was_killed(host)
    session = one_session(host)
    assert files(host, GRANTS) == [session["grant"]]
    keep_start_time(host, session["owner_pid"])
    plan(host)
    sweep(host, 130)
    end_quietly(host)
    assert files(host, TOKENS) + files(host, GRANTS) + ended(host) == []
    assert revoked(idp) == BOTH * 2 and idp.control.live() == []
    assert results(host, "end") == [DONE]
    log_out(client)
    end_quietly(host)
    nothing_left(host)


@pytest.mark.parametrize("phase", ["open", "close"])
def test_broker_killed(host, idp, shell, phase):
    """The login goes on without a session, or the session ends all the same;
    in neither case is a token forgotten."""
    def bring_about(word):
        if phase == "open":
            plan(host, "-", "-", word)  # behind auth and account
        client = shell()
        if phase == "close":
            plan(host, word)
        log_out(client)

    ambushes(host, bring_about, lambda: (
        accounted_for(host, idp), nothing_left(host)))
