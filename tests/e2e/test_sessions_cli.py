"""devauth sessions, keys and sweep: what an administrator sees and ends."""

import datetime
import json
import os
import re

import pytest

from host import wait_until

NOBODY = ("setpriv", "--reuid=65534", "--clear-groups")
TOKENS = "/var/lib/devauth/tokens"


@pytest.fixture
def run(host):
    """Runs the command; expects that exit status."""

    def run(*arguments, status=0):
        result = host.run("devauth", *arguments)
        text = result.stdout + result.stderr
        assert result.returncode == status, text
        # T11: nothing but lines of printable ASCII, neatly ended.
        for line in text.splitlines():
            assert re.fullmatch(r"[ -~]*", line) and line == line.rstrip()
        # L1: no token.
        assert "canary" not in text
        return result.stdout if status == 0 else result.stderr

    return run


@pytest.fixture
def session(host, build):
    """Logs in without a login: a process in an audit session of its own that
    sleeps until the test ends, and a session that hangs on it."""
    driver = os.path.join(build, "tests/module/session_driver")
    count = 0

    def make(account="alice", who="alice@example.com", service="sshd",
             source="203.0.113.7", tty="ssh", tokens="ard", script="", uid=4000):
        nonlocal count
        count += 1
        at = f"/run/session{count}"
        host.run("sh", "-c", f"""
            (echo 4000 >/proc/self/loginuid
            {script}
            echo $$ >{at}.new; mv {at}.new {at}
            exec sleep 1000) </dev/null >/dev/null 2>&1 &""".replace(
                "$$", "$(sh -c 'echo $PPID')"), check=True)
        pid = wait_until(lambda: host.run("cat", at).stdout.strip(),
                         what="the session's process")
        result = host.run(driver, "make", pid, str(uid), account, who, service,
                          source, tty, tokens)
        assert result.returncode == 0, result.stderr
        return result.stdout.strip(), int(pid)

    make.driver = driver
    return make


def lives(host, pid):
    return host.run("sh", "-c", f"test -e /proc/{pid} && "
                    f"! grep -q '^State:.Z' /proc/{pid}/status"
                    ).returncode == 0


def damage(host, path):
    host.run("sh", "-c", f"echo nonsense >{path}", check=True)


# --- list ---

def test_list_for_people(run, session):
    assert run("sessions", "list") == ""
    session()
    session(account="deploy", who="bob@example.com", service="login",
            source="", tty="tty1", tokens="a")
    session(account="carol", who="Carol \\ of the many hills", tokens="A",
            source="2001:db8::17")
    session(account="dave", who="", tokens="-")
    text = run("sessions", "list")
    assert max(map(len, text.splitlines())) <= 80
    time = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    assert re.fullmatch(
        r"ID        ACCOUNT  SINCE             TOKENS              BINDING\n"
        rf"[0-9a-f]{{8}}  alice    {time}  refresh             DPoP\n"
        rf" {{10}}alice@example.com, sshd from 203.0.113.7, verified {time}\n"
        rf"[0-9a-f]{{8}}  deploy   {time}  access until \d\d:\d\d  sealed\n"
        rf" {{10}}bob@example.com, login on tty1, verified {time}\n"
        rf"[0-9a-f]{{8}}  carol    {time}  access, expired     sealed\n"
        rf" {{10}}Carol \\x5c of the many hills, sshd from 2001:db8::17, "
        rf"verified\n {{10}}{time}\n"
        rf"[0-9a-f]{{8}}  dave     {time}  none                -\n"
        rf" {{10}}dave, sshd from 203.0.113.7, verified {time}\n",
        "".join(sort_by_account(text)))


def sort_by_account(text):
    """Sessions of the same second stand in the order of their ids."""
    lines = text.splitlines(keepends=True)
    groups = []
    for line in lines[1:]:
        if line[0] == " ":
            groups[-1].append(line)
        else:
            groups.append([line])
    order = ["alice", "deploy", "carol", "dave"]
    groups.sort(key=lambda group: order.index(group[0].split()[1]))
    return lines[:1] + [line for group in groups for line in group]


def test_long_names_fit_the_screen(run, session):
    session(account="a" * 32, who="b" * 60, source="f" * 39)
    session()
    text = run("sessions", "list")
    assert max(map(len, text.splitlines())) <= 80
    assert "a" * 32 + "\n" in text


def test_ids_are_as_long_as_needed(host, run, session):
    """Two sessions of one login of the kernel's begin alike."""
    first, pid = session()
    second = host.run(session.driver, "make", str(pid), "4000", "alice", "",
                      "su", "", "pts/1", "-").stdout.strip()
    assert first[:16] == second[:16]
    shown = re.findall("^[0-9a-f]+", run("sessions", "list"), re.M)
    assert len(set(shown)) == 2 and len(shown[0]) > 16
    assert {first, second} == {
        one for one in (first, second) for short in shown
        if one.startswith(short)}
    assert "2 sessions begin with" in run(
        "sessions", "end", first[:16], status=1)
    assert [one["id"] for one in json.loads(
        run("sessions", "list", "--json"))] in (
            [first, second], [second, first])


def test_list_for_programs(run, session):
    one, _ = session()
    listed = json.loads(run("sessions", "list", "--json"))
    assert len(listed) == 1
    for key in ("since", "verified", "access_until"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
                            listed[0].pop(key))
    assert listed[0] == {
        "id": one, "account": "alice", "uid": 4000, "person": "alice",
        "who": "alice@example.com", "profile": "", "issuer": "",
        "subject": "", "service": "sshd", "source": "203.0.113.7",
        "tty": "ssh", "access_token": True, "refresh_token": True,
        "binding": "dpop", "over": False}
    assert json.loads(run("sessions", "list", "--json", "--ended")) == []


def test_damaged_files_are_rows(host, run, session):
    good, _ = session()
    bad, _ = session(account="bob")
    damage(host, f"{TOKENS}/{bad}")
    text = run("sessions", "list")
    assert good[:8] in text
    assert re.search(rf"^{bad[:8]}\n {{10}}damaged: ", text, re.M)
    entry, = [one for one in json.loads(run("sessions", "list", "--json"))
              if one["id"] == bad]
    assert "not a session's file" in entry["problem"]
    assert "account" not in entry
    # It can be ended all the same, and then waits among the others.
    run("sessions", "end", bad)
    assert bad[:8] not in run("sessions", "list")
    assert re.search(rf"^{bad[:8]}\n {{10}}damaged: ",
                     run("sessions", "list", "--ended"), re.M)


def test_broken_seal_is_told(host, run, session):
    """Facts in clear are shown; what is sealed does not open."""
    one, _ = session()
    host.run("sed", "-i", "s/203.0.113.7/203.0.113.8/", f"{TOKENS}/{one}",
             check=True)
    text = run("sessions", "list")
    assert "?" in text and "does not open" in " ".join(text.split())
    entry, = json.loads(run("sessions", "list", "--json"))
    assert "binding" not in entry and "does not open" in entry["problem"]


def test_what_is_over_is_told(host, run, session):
    one, pid = session()
    host.run("kill", "-9", str(pid), check=True)
    wait_until(lambda: not lives(host, pid), what="the process's end")
    assert "it is over, and the next sweep ends it" in " ".join(
        run("sessions", "list").split())
    assert json.loads(run("sessions", "list", "--json"))[0]["over"]


# --- end ---

def test_end(host, run, session):
    one, pid = session()
    other, _ = session(account="bob")
    said = run("sessions", "end", one[:8])
    assert said == f"{one} of alice is ended.\n" \
        "  The next sweep revokes its tokens.\n" \
        "  What still runs in it goes on.\n"
    assert [entry["id"] for entry in json.loads(
        run("sessions", "list", "--json"))] == [other]
    assert lives(host, pid)
    line = host.audit()[-1]
    assert line["event"] == "sessions-end" and line["result"] == "done"
    assert line["user"] == "alice" and line["session"] == one
    assert line["by"].isdigit()
    assert "has ended already" in run("sessions", "end", one, status=1)
    waiting = run("sessions", "list", "--ended")
    assert re.search(
        rf"^{one[:8]}  alice +\d{{4}}-\S+ \d\d:\d\d +0  next sweep$",
        waiting, re.M)
    entry, = json.loads(run("sessions", "list", "--ended", "--json"))
    assert (entry["tries"], entry["next_try"]) == (0, None)
    host.run(session.driver, "try", one, check=True)
    waiting = run("sessions", "list", "--ended")
    assert re.search(rf"^{one[:8]}  alice +\d{{4}}-\S+ \d\d:\d\d +1  "
                     r"\d{4}-\d\d-\d\d \d\d:\d\d$", waiting, re.M)
    entry, = json.loads(run("sessions", "list", "--ended", "--json"))
    assert entry["tries"] == 1
    ended, following = (datetime.datetime.fromisoformat(
        entry[key].replace("Z", "+00:00")) for key in ("ended", "next_try"))
    assert datetime.timedelta(seconds=50) < following - ended \
        < datetime.timedelta(seconds=120)


def test_end_of_several(run, session):
    ids = [session()[0], session(account="bob")[0]]
    said = run("sessions", "end", ids[0], "0" * 8, ids[1], status=1)
    assert "no session 00000000" in said
    assert json.loads(run("sessions", "list", "--json")) == []


@pytest.mark.parametrize("text", [
    "1234567", "", "x" * 8, "../../etc", "A" * 8, "0" * 49,
    "\x1b[31m12345678"])
def test_end_takes_ids_only(run, session, text):
    session()
    assert "is not the id of a session" in run(
        "sessions", "end", text, status=1)
    assert len(json.loads(run("sessions", "list", "--json"))) == 1


def test_terminate(host, run, session):
    """What runs in the session ends, whoever's child it is by now; nothing
    else does."""
    one, pid = session(script="(setsid sleep 1001 &)")
    _, bystander = session(account="bob")
    detached = wait_until(lambda: host.run("pgrep", "-f", "^sleep 1001")
                          .stdout.strip(), what="the detached process")
    said = run("sessions", "end", "--terminate", one)
    assert "Its processes are ended." in said
    assert not lives(host, pid) and not lives(host, int(detached))
    assert lives(host, bystander)
    events = [line["event"] for line in host.audit()[-2:]]
    assert events == ["sessions-end", "sessions-terminate"]


def test_terminate_of_what_is_not_proved(host, run, session):
    """The seal says which processes are meant, not the clear text."""
    one, pid = session()
    _, other = session(account="bob")
    audit = [host.run("cat", f"/proc/{who}/sessionid").stdout
             for who in (pid, other)]
    host.run("sed", "-i", f"s/^audit={audit[0]}$/audit={audit[1]}/",
             f"{TOKENS}/{one}", check=True)
    said = run("sessions", "end", "--terminate", one, status=1)
    assert "its processes: " in said and "does not open" in said
    assert lives(host, pid) and lives(host, other)
    assert host.audit()[-1]["event"] == "sessions-terminate"
    assert host.audit()[-1]["result"] == "refused"
    # Ended it is.
    assert len(json.loads(run("sessions", "list", "--ended", "--json"))) == 1


def test_terminate_from_within(host, run, session):
    """By sudo in the session that is ended: the command is the last."""
    one, pid = session(script="""
        (while ! test -e /run/go; do sleep 0.1; done
        devauth sessions end --terminate "$(cat /run/go)" >/run/said 2>&1
        echo survived >>/run/said) &""")
    host.write("/run/new", one)
    host.run("mv", "/run/new", "/run/go", check=True)
    wait_until(lambda: "processes are ended" in host.run(
        "cat", "/run/said").stdout, what="the command's word")
    assert not lives(host, pid)
    assert "survived" not in host.run("cat", "/run/said").stdout


# --- keys ---

def test_keys(host, run):
    lines = run("keys", "show").splitlines()
    jwk = json.loads(lines[0])
    assert set(jwk) == {"kid", "use", "alg", "crv", "kty", "x", "y"}
    assert (jwk["use"], jwk["alg"], jwk["crv"]) == ("sig", "ES256", "P-256")
    from jwcrypto.jwk import JWK
    assert JWK(**jwk).thumbprint() == jwk["kid"]
    assert any(line.endswith(jwk["kid"]) for line in lines[1:])

    def secrets():
        return re.findall(r"^([0-9a-f]{16})  (in use|former) ",
                          run("keys", "show"), re.M)

    first = secrets()
    assert [state for _, state in first] == ["in use"]
    assert secrets() == first
    assert "The oldest" not in run("keys", "rotate")
    second = secrets()
    assert second[0][1] == "in use"
    assert second[1:] == [(first[0][0], "former")]
    assert json.loads(run("keys", "show").splitlines()[0]) == jwk
    line = host.audit()[-1]
    assert line["event"] == "keys-rotate" and line["key"] == second[0][0]
    run("keys", "rotate")
    run("keys", "rotate")
    assert f"The oldest, {first[0][0]}, has gone" in run("keys", "rotate")
    assert len(secrets()) == 4
    # Nothing secret: neither of the file's lines is shown.
    stored = host.read("/var/lib/devauth/keys/host.secret")
    for secret in re.findall(r"[0-9a-f]{64}", stored):
        assert secret not in run("keys", "show")


def test_open_sessions_survive_a_rotation(run, session):
    session()
    run("keys", "rotate")
    entry, = json.loads(run("sessions", "list", "--json"))
    assert entry["binding"] == "dpop"


def test_damaged_secret_is_not_replaced(host, run):
    run("keys", "show")
    damage(host, "/var/lib/devauth/keys/host.secret")
    assert "host.secret is damaged" in run("keys", "rotate", status=1)
    assert host.audit()[-1]["result"] == "refused"
    assert host.read("/var/lib/devauth/keys/host.secret") == "nonsense\n"


# --- sweep ---

def test_sweep_is_the_broker(host, run):
    """Fixed arguments and environment, no descriptor of the caller's. When it
    fails, that is said: it says nothing itself."""
    host.write("/usr/libexec/devauth/devauth-broker", """#!/bin/sh
        { echo "$0 $*"; env | sort; ls /proc/self/fd; } >/run/seen
        exit 7
    """, mode=0o755)
    result = host.run("sh", "-c", "SECRET=x devauth sweep 3</dev/null")
    assert result.returncode == 1
    assert "journalctl -t devauth" in result.stderr
    seen = host.read("/run/seen").split("\n")
    assert seen[0] == "/usr/libexec/devauth/devauth-broker sweep"
    assert [line for line in seen if "=" in line and
            not re.match("PWD=|SHLVL=|OLDPWD=|_=", line)] == [
                "LANG=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"]
    # 3 is the listing's own.
    assert [line for line in seen if line.isdigit()] == ["0", "1", "2", "3"]


def test_sweep_without_a_configuration(host, run):
    host.run("rm", "/etc/devauth/devauth.conf", check=True)
    assert "there is no /etc/devauth/devauth.conf" in run("sweep", status=1)


def test_sweep_without_a_broker(host, run):
    host.run("rm", "/usr/libexec/devauth/devauth-broker", check=True)
    assert "/usr/libexec/devauth/devauth-broker: No such file" in run(
        "sweep", status=1)


# --- all of them ---

@pytest.mark.parametrize("command", [
    ("sessions", "list"), ("sessions", "list", "--ended", "--json"),
    ("sessions", "end", "0" * 8), ("sessions", "end", "--terminate", "0" * 8),
    ("keys", "show"), ("keys", "rotate"), ("sweep",)])
def test_only_root(host, command):
    before = host.listing("/var/lib/devauth")
    result = host.run(*NOBODY, "devauth", *command)
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr == \
        "devauth: only root may do that; run this as root\n"
    assert host.listing("/var/lib/devauth") == before


@pytest.mark.parametrize("arguments, status", [
    (("sessions",), 2), (("sessions", "nonsense"), 2),
    (("sessions", "list", "x"), 2), (("sessions", "list", "--x"), 2),
    (("sessions", "end"), 2), (("sessions", "end", "--x"), 2),
    (("sessions", "end", "--terminate"), 2), (("sessions", "--help"), 0),
    (("sessions", "-h"), 0),
    (("sessions", "list", "--help"), 0), (("sessions", "end", "-h"), 0),
    (("keys", "rotate", "--help"), 0), (("keys",), 2), (("keys", "x"), 2),
    (("keys", "show", "x"), 2), (("keys", "--help"), 0), (("keys", "-h"), 0),
    (("sweep", "x"), 2), (("sweep", "--help"), 0), (("sweep", "-h"), 0)])
def test_usage(host, arguments, status):
    result = host.run("devauth", *arguments)
    assert result.returncode == status
    assert (result.stdout if status == 0 else result.stderr) != ""
    assert (result.stderr if status == 0 else result.stdout) == ""


@pytest.mark.parametrize("command", ["accounts", "config", "keys", "sessions"])
def test_unknown_verb(host, command):
    result = host.run("devauth", command, "\x1bx", "--more")
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr == (f'devauth: {command} has no verb "\\x1bx"; see '
                             f"devauth {command} --help\n")


# --- the unit ---

@pytest.fixture
def as_unit(host):
    """Runs something with what the unit leaves of root."""
    unit = host.read("/usr/lib/systemd/system/devauth-sweep.service")
    names = re.search("^CapabilityBoundingSet=(.*)$", unit, re.M).group(1)
    bounds = ",".join(["-all"] + ["+" + name.removeprefix("CAP_").lower()
                                  for name in names.split()])

    def run(*arguments):
        result = host.run("setpriv", f"--bounding-set={bounds}",
                          "--no-new-privs", *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
        return result

    as_unit_command = re.search("^ExecStart=(.*)$", unit, re.M).group(1)
    run.sweep = lambda: run(*as_unit_command.split())
    return run


def test_sweep_of_a_real_session(host, idp, run, login, as_unit):
    """With the unit's few capabilities: what was ended is revoked, by a worker
    without any; and a person's processes are ended."""
    client = login("alice", "echo in; exec sleep 1000").expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    client.child.expect("in\r\n")
    entry, = json.loads(run("sessions", "list", "--json"))
    assert entry["account"] == entry["person"] == "alice"
    assert (entry["service"], entry["source"]) == ("sshd", "127.0.0.1")
    assert entry["who"] and entry["since"] and entry["verified"]
    assert entry["access_token"] and not entry["over"]
    before = len(idp.control.requests("revoke"))
    as_unit("devauth", "sessions", "end", "--terminate", entry["id"])
    client.rest()
    assert client.status != 0
    as_unit.sweep()
    assert json.loads(run("sessions", "list", "--ended", "--json")) == []
    assert len(idp.control.requests("revoke")) > before
    assert host.helpers() == []
