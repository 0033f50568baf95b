"""Names, numbers and takeovers: the N rows, with a real sshd where a row is
about a login, with "devauth accounts test", which is the same decision, where
it is about a hundred names."""

import os
import re
import statistics
import subprocess
import time

import pytest

from host import PROMPT
from test_mapping import explain
from test_ssh import ONCE, key_for, nothing_written, sign_in

UID_MIN, UID_MAX = 1879048192, 2147352575
HOPELESS = "Sign-in is not possible here for this name. Ask your administrator."
TAKEN = "is taken by another account on this host. Ask your administrator."
AUTH_ERR = 7
# What separates fields, lines and words somewhere, or starts an option, an
# expansion, an escape sequence.
HOSTILE = ":\n\r/,=\\%$;'\"<>`|&*?()[]{}!#~^+@ \t\x1b\x7f\x80\x9b\u00e4\u202e"


@pytest.fixture
def attempt(sign_in):
    """The whole login of the other tests, by a name that is free here."""
    return sign_in


def uid_of(name):
    """The uid that a name has on every host; see da_account_uid_hash()."""
    mask, value = (1 << 64) - 1, 0xcbf29ce484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001b3 & mask
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9 & mask
    value = (value ^ value >> 27) * 0x94d049bb133111eb & mask
    value ^= value >> 31
    return UID_MIN + (value * (UID_MAX - UID_MIN + 1) >> 64)


def entry(host, user):
    return host.run("getent", "passwd", user).stdout


def refusal(host):
    """The last decision, which has to be a refusal: reason and detail."""
    line = host.decisions()[-1]
    assert line["result"] == "refused", line
    return line["reason"], line["detail"]


def test_N1_spellings_of_a_name(host, idp):
    """Only case folds, only listed domains are cut off, and PAM_USER has to be
    exactly what comes out."""
    for claim, user, may in (
            ("ALICE", "alice", True), ("Alice@EXAMPLE.com", "alice", True),
            ("alice@evil.example", "alice", False),
            ("alice@example.com@evil.example", "alice", False),
            ("alice@evil.example@example.com", "alice", False),
            ("alice@example.com.", "alice", False), ("alice@", "alice", False),
            ("@example.com", "alice", False), ("alice", "ALICE", False),
            ("bob", "alice", False), ("al\u0131ce", "alice", False),
            ("alice\u200b", "alice", False), ("alice ", "alice", False)):
        result = explain(host, idp, user, preferred_username=claim)
        assert (result.returncode == 0) == may, claim


def test_N2_another_issuer(host, idp, login, tmp_path, attempt):
    """The same subject is somebody else at another issuer; nobody is moved
    over, and an issuer that is not configured any more opens nothing."""
    sign_in(idp, login)
    options = key_for(host, "alice", tmp_path)
    files = host.listing("/var/lib/devauth/people")
    record, = (path for path in files if path.endswith(".person"))
    good = host.read(record)
    host.run("sed", "-i", "s,^issuer=.*,issuer=https://other.example,", record,
             check=True)
    other = host.read(record)
    text, status = attempt("alice")
    assert status == 255 and "belongs to another identity" in text
    assert refusal(host)[0] == "subject-changed"
    client = login("alice", "echo let in", options)
    assert "let in" not in client.rest() and client.status == 255
    assert refusal(host) == ("account-denied",
                             "the profile has another issuer now")
    assert host.read(record) == other
    assert host.listing("/var/lib/devauth/people") == files
    host.write(record, good, 0o600)
    sign_in(idp, login)


# N5, N8: what is taken

def other_source(host, kind, line):
    """A name service besides the files and ours, ahead of ours."""
    host.run("sed", "-i", f"s/^{kind}:.*/{kind}: files extrausers devauth/",
             "/etc/nsswitch.conf", check=True)
    host.write(f"/var/lib/extrausers/{kind}", line + "\n")


@pytest.mark.parametrize("kind, line, what", [
    ("passwd", "alice:x:5000:100::/home/extra:/bin/sh", "login name"),
    ("passwd", "extra:x:{uid}:100::/home/extra:/bin/sh", "uid"),
    ("group", "alice:x:5000:", "name as a group"),
    ("group", "extra:x:{uid}:", "uid as a gid"),
])
def test_N5_another_source_of_names(host, idp, login, tmp_path, kind, line,
                                    what):
    """sshd would log the person in as whom that source names: neither a code
    nor a key, before and after the first sign-in."""
    other_source(host, kind, line.format(uid=uid_of("alice")))
    text = login("alice", "id; echo let in", ONCE).rest()
    assert TAKEN in text and "let in" not in text and "Open " not in text
    assert refusal(host) == (
        "uid-collision",
        f"another source of /etc/nsswitch.conf has that {what}")
    assert idp.control.requests() == []
    host.write(f"/var/lib/extrausers/{kind}", "")
    sign_in(idp, login)
    host.write(f"/var/lib/extrausers/{kind}",
               line.format(uid=uid_of("alice")) + "\n")
    options = key_for(host, "alice", tmp_path)
    text = login("alice", "id; echo let in", options).rest()
    assert TAKEN in text and "let in" not in text
    # With the same uid it is the person's own entry, say of a migration.
    if (kind, what) == ("passwd", "login name"):
        host.write("/var/lib/extrausers/passwd", line.replace(
            "x:5000", f"*:{uid_of('alice')}") + "\n")
        assert "let in" in login("alice", "echo let in", options).rest()


@pytest.mark.parametrize("path, line", [
    ("/etc/group", "alice:x:4321:"),
    ("/etc/group", "other:x:{uid}:"),
    ("/etc/passwd", "other:x:{uid}:100::/:/bin/sh"),
    ("/etc/passwd", "other:x:4321:{uid}::/:/bin/sh"),
])
def test_N5_N8_taken_in_the_local_files(host, idp, login, path, line):
    """A name or a number there is nobody's here: no code, and a person who was
    here before is not changed."""
    host.write(path, host.read(path) + line.format(uid=uid_of("alice")) + "\n")
    text = login("alice", options=ONCE).rest()
    assert HOPELESS in text and "Open " not in text
    assert idp.control.requests() == [] and entry(host, "alice") == ""
    nothing_written(host)


def test_N8_two_people_with_one_number(host, idp, login, attempt):
    """Two names whose uids are equal: the first one keeps it, the second one
    is refused before a code is shown; after a removal it is not given out
    again. uids never change."""
    first, second = "n228", "n5825"
    assert uid_of(first) == uid_of(second)
    idp.control.quirks(claims={"alice": {"preferred_username": first},
                               "bob": {"preferred_username": second}})
    assert attempt(first, by="alice")[1] == 0
    before = entry(host, first)
    assert before.split(":")[2] == str(uid_of(first))
    made = len(idp.control.requests("device_authorization"))
    text = login(second, options=ONCE).rest()
    assert HOPELESS in text and "Open " not in text
    assert len(idp.control.requests("device_authorization")) == made
    assert entry(host, second) == "" and entry(host, first) == before
    assert f"belongs to {first} in accounts.cdb; give {second} another: " \
        f"devauth accounts add {second} --uid N" in refusal(host)[1]
    # A group of that number is refused when it is configured.
    with pytest.raises(subprocess.CalledProcessError) as error:
        host.configure(idp, sections={
            "group ops": {"gid": uid_of(first), "from": "operators"}})
    assert first in error.value.stderr
    host.configure(idp)
    assert attempt(first, by="alice")[1] == 0
    assert entry(host, first) == before


def test_N8_a_group_with_the_number_of_a_person(host, idp, login):
    host.configure(idp, sections={
        "group ops": {"gid": uid_of("alice"), "from": "operators"}})
    text = login("alice", options=ONCE).rest()
    assert HOPELESS in text and idp.control.requests() == []
    assert host.run("getent", "group", "ops").stdout == \
        f"ops:*:{uid_of('alice')}:\n"


@pytest.mark.parametrize("gid", [
    "0", "1", "999", "60001", "61184", "65519", "65534", "65535", "-1",
    "2147483648", "4294967295", "4294968296", "0x1388", "5e3", "+5000", "5000.",
    "5 000"])
def test_N7_numbers_in_the_configuration(host, gid):
    path = "/etc/devauth/devauth.conf"
    host.write(path, host.read(path)
               + f"[group ops]\ngid = {gid}\nfrom = operators\n")
    before = host.run("sha256sum", "/var/lib/devauth/accounts.cdb").stdout
    assert host.run("devauth", "config", "apply").returncode == 1
    assert host.run("sha256sum",
                    "/var/lib/devauth/accounts.cdb").stdout == before


# N10, N12: what is no name

def test_N10_hostile_names(host, idp):
    """Every byte that means something somewhere, in every place of a name."""
    for byte in HOSTILE + "\x00":
        for name in (byte + "alice", "al" + byte + "ice", "alice" + byte):
            result = explain(host, idp, preferred_username=name)
            assert result.returncode == 1, repr(name)
            assert re.search(r"[^\x20-\x7e\n]", result.stdout) is None
    for name in ("-alice", ".alice", "..", "", "9alice", "a" * 33):
        assert explain(host, idp, preferred_username=name).returncode == 1


@pytest.mark.parametrize("claim", ["sub", "preferred_username", "name",
                                   "email", "groups", "role"])
def test_N10_hostile_claims(host, idp, login, claim):
    """In every claim that is stored or shown: refused or reduced; not one such
    byte in a file, the database, the log, a process's arguments or on the
    screen."""
    evil = "evil" + HOSTILE + "end"
    host.configure(idp, required_claims="role=operator")
    claims = {"role": ["operator"]}
    if claim == "groups":
        idp.control.quirks(claims={"alice": claims}, groups=["staff", evil])
    else:
        claims[claim] = [evil, "operator"] if claim == "role" else evil
        idp.control.quirks(claims={"alice": claims})
    client = login("alice", "id -un", ONCE).expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    screen = client.rest()
    allowed = claim in ("name", "email", "role")
    assert (client.status == 0) == allowed, screen
    assert re.search("[\x1b\x7f\x9b\u202e]", screen + host.log()) is None
    for line in host.log().splitlines():
        assert "end" not in line or "evil" in line  # no line was broken
    assert host.run("sh", "-c", "LC_ALL=C grep -l '[^ -~]' "
                    "/var/lib/devauth/people/*.person").stdout == ""
    assert re.search(r"[^ -~\n]", entry(host, "alice")) is None
    gecos = entry(host, "alice").split(":")
    assert len(gecos) == (7 if allowed else 1)
    if not allowed:
        nothing_written(host)
    people = host.run("sh", "-c", "cat /var/lib/devauth/people/*.person "
                      "2>/dev/null | grep -c evil").stdout
    assert people.strip() == "0"


@pytest.fixture
def driver(host, build):
    """The authentication by itself, as sshd's keyboard-interactive does it."""
    host.write("/etc/pam-test.d/sshd", "auth required pam_devauth.so\n")

    def run(user):
        done = host.run(os.path.join(build, "tests", "module", "pam_driver"),
                        "/etc/pam-test.d", "sshd", user, "--rhost",
                        "192.0.2.7", "--tty", "ssh", "auth",
                        f"title=sshd: {user} [pam]")
        return done.stdout

    return run


@pytest.mark.parametrize("name", [
    "0", "1234", "-1", "4294967295", "-f", "--help", "", " ", "alice ",
    "alice:x", "../alice", "Alice", "a" * 33, "a" * 3000, "al\u00efce",
    "alice\nroot", "%s%n", "$(id)", "*"])
def test_N12_no_login_names(host, idp, driver, name):
    shown = driver(name)
    assert int(re.search(r"auth (\d+)", shown).group(1)) != 0
    assert "prompt" not in shown
    assert idp.control.requests() == []
    if len(name) > 3:
        assert name not in "".join(map(str, host.audit()))


def test_N14_groups_elsewhere(host, idp, login, attempt):
    """Claims may say where the groups are to be had: that address is not ours
    to ask, and nobody is let in without them."""
    idp.control.quirks(groups=None, claims={"alice": {
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": idp.issuer + "/elsewhere",
                                    "access_token": "x"}}}})
    text, status = attempt("alice")
    assert status == 255
    assert "the groups are kept elsewhere and were not sent" in text
    assert refusal(host)[0] == "bad-id-token"
    assert not [request for request in idp.control.requests()
                if "elsewhere" in request["path"]]
    nothing_written(host)


# N17: refusals look alike

KINDS = {"unknown": "nobodyknows", "not-allowed": "carol", "locked": "bob",
         "no-name": "carol.x", "limited": "alice", "reserved": "wheel"}


@pytest.fixture
def refused_names(host, idp, login):
    """Names that cannot succeed, each for another reason; alice and bob have
    been here."""
    host.configure(idp, allowed_users="alice bob", allowed_groups=None)
    sign_in(idp, login, "bob")
    record, = (path for path in host.listing("/var/lib/devauth/people")
               if path.endswith(".person"))
    host.run("sed", "-i", "s/^locked=0$/locked=1/", record, check=True)
    sign_in(idp, login, "alice")
    host.run("python3", "-c", "import struct\n"
             "with open('/run/devauth/limits', 'r+b') as file:\n"
             "    file.seek(64)\n"
             "    file.write(8192 * struct.pack('=Qq', 1, 2**63 - 1))",
             check=True)
    host.all_revoked(idp, 2)
    idp.control.reset()
    return KINDS


def test_N17_refusals_look_alike(host, idp, login, refused_names):
    """To ssh: the same text as often, the same prompts, the same end."""
    seen = {}
    for kind, name in refused_names.items():
        client = login(name, options=("-o", "NumberOfPasswordPrompts=2"))
        seen[kind] = client.rest().replace(name, "NAME"), client.status
    assert len(set(seen.values())) == 1, seen
    text, status = seen["unknown"]
    assert status == 255 and text.count(HOPELESS) >= 1
    assert PROMPT not in text and "assword" not in text
    assert idp.control.requests() == []
    reasons = {line["reason"] for line in host.audit()
               if line["result"] == "refused"}
    assert reasons == {"unknown-user", "account-locked", "rate-limited"}


def test_N17_refusals_take_alike(host, idp, driver, refused_names):
    """One class of time: the medians of fifteen turns each. What would show a
    difference, a request or a worker, costs many times that."""
    times = {kind: [] for kind in refused_names}
    for _ in range(15):
        for kind, name in refused_names.items():
            started = time.monotonic()
            shown = driver(name)
            times[kind].append(time.monotonic() - started)
            assert f"error {HOPELESS}" in shown
            assert f"auth {AUTH_ERR}" in shown
    medians = {kind: statistics.median(each) for kind, each in times.items()}
    assert max(medians.values()) < 2 * min(medians.values()) + 0.02, medians
    assert idp.control.requests() == []


# N19: text is text

def test_N19_nothing_is_a_pattern(host, idp):
    """Values of the configuration and of claims are compared, not evaluated."""
    for rule, value, may in (
            ("role=.*", "admin", False), ("role=.*", ".*", True),
            ("role=(a+)+$", "a" * 40 + "!", False), ("role=*", "x", False),
            ("role=%u", "alice", False), ("role=$(id)", "uid=0(root)", False),
            ("role=a|b", "a", True), ("role=a|b", "a|b", False)):
        host.configure(idp, required_claims=rule)
        assert (explain(host, idp, role=value).returncode == 0) == may, rule
    for group, may in (("staff", True), ("st*", False), ("*", False),
                       ("%staff", False), ("$staff", False), ("s.aff", False)):
        host.configure(idp, allowed_groups=group)
        assert (explain(host, idp).returncode == 0) == may, group


def test_N19_home_template(host, idp, login):
    """%u is all that a template has; the rest is a folder's name."""
    for home in ("/srv/%s/%u", "/srv/%n", "/srv/%", "/srv/%%u"):
        with pytest.raises(subprocess.CalledProcessError):
            host.configure(idp, devauth={"home": home})
    home = "/srv/$HOME/`id`;x/%u"
    host.configure(idp, devauth={"home": home})
    sign_in(idp, login)
    assert entry(host, "alice").split(":")[5] == home.replace("%u", "alice")
