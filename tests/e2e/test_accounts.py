"""What an administrator sees and decides about people."""

import json
import re

import pytest

from host import SUBJECTS, Host

DATABASE = "/var/lib/devauth/accounts.cdb"
NOBODY = ("setpriv", "--reuid=65534", "--clear-groups")


@pytest.fixture
def accounts(host):
    """Runs a verb; expects it to do what is asked."""

    def run(*arguments, status=0):
        result = host.run("devauth", "accounts", *arguments)
        assert result.returncode == status, result.stdout + result.stderr
        # T11: nothing but lines of printable ASCII, neatly ended.
        for line in (result.stdout + result.stderr).splitlines():
            assert re.fullmatch(r"[ -~]*", line) and line == line.rstrip()
        return result.stdout if status == 0 else result.stderr

    return run


@pytest.fixture
def with_key(login, key):
    """Whether somebody gets in by key."""

    def with_key(user):
        client = login(user, "id -u", key(user))
        client.rest()
        return client.status == 0

    return with_key


def uid_of(host, name):
    return int(host.run("id", "-u", name, check=True).stdout)


def known(accounts):
    return {one["name"]: one for one in json.loads(accounts("list", "--json"))}


def state(host):
    """Everything that a change could change."""
    return host.run("sh", "-c", "cd /var/lib/devauth && sha256sum "
                    "accounts.cdb people/*.person people/*.subject").stdout


def audit(host, verb):
    return [line for line in host.audit()
            if line["event"] == f"accounts-{verb}"]


# list, show

def test_list(host, idp, accounts, sign_in):
    host.run("useradd", "-m", "deploy", check=True)
    host.configure(idp, sections={
        "account deploy": {"people": "bob"},
        "group engineers": {"gid": "5000", "from": "staff"}})
    sign_in("alice")
    sign_in("deploy", by="bob")
    accounts("lock", "mallory")
    lines = accounts("list").splitlines()
    assert re.fullmatch(r"NAME +UID  STATE    LAST SIGN-IN      GROUPS",
                        lines[0])
    assert all(len(line) <= 80 for line in lines)
    time = r"\d{4}-\d\d-\d\d \d\d:\d\d"
    for pattern, line in zip((
            rf"alice +{uid_of(host, 'alice')}  active   {time}  engineers",
            rf"bob +-  active   {time}", r"deploy +\d+  managed  -",
            r"mallory +-  locked   never"), lines[1:], strict=True):
        assert re.fullmatch(pattern, line)
    listed = known(accounts)
    assert listed["alice"]["groups"] == ["engineers"]
    assert listed["alice"]["uid"] == uid_of(host, "alice")
    assert re.fullmatch(r"[0-9-]+T[0-9:]+Z", listed["alice"]["last_sign_in"])
    assert listed["mallory"] == {
        "name": "mallory", "uid": None, "state": "locked", "groups": [],
        "last_sign_in": None, "locked": True}


def test_a_local_account_that_is_gone(host, idp, accounts):
    """No number is made up for it; root is 0 all the same."""
    host.run("useradd", "-m", "deploy", check=True)
    host.configure(idp, sections={
        "account deploy": {"people": "bob"},
        "account root": {"subjects": f"{idp.issuer}#{SUBJECTS['alice']}"}})
    assert known(accounts)["deploy"]["state"] == "managed"
    host.run("userdel", "deploy", check=True)
    assert re.search(r"(?m)^deploy +-  gone     -$", accounts("list"))
    assert known(accounts)["deploy"]["uid"] is None
    assert known(accounts)["root"]["uid"] == 0
    assert "gone: a shared account" in accounts("show", "deploy")
    result = host.run("devauth", "accounts", "check")
    assert "deploy: [account deploy]" in result.stdout
    assert "deploy" not in accounts("export")


TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d"


def test_what_became_of_a_name(host, accounts, sign_in):
    """One uid is shown for one person, and no name without its fate."""
    sign_in("alice")
    sign_in("bob")
    uid = uid_of(host, "alice")
    accounts("rename", "alice", "alicia")
    accounts("remove", "bob")
    accounts("lock", "mallory")
    accounts("add", "carol")
    accounts("lock", "carol")
    text = accounts("list")
    assert text.count(str(uid)) == 1
    assert re.search(r"(?m)^alice +-  renamed  - +\(now alicia\)$", text)
    for name, says in (("alice", rf"renamed to +alicia, on {TIME}\n"),
                       ("bob", rf"removed on +{TIME}\n"),
                       ("mallory", "none: locked before the first sign-in"),
                       ("carol", "none: locked before the first sign-in")):
        text = accounts("show", name)
        assert re.search(says, text) and "none yet" not in text
    assert "identity" not in accounts("show", "alice")
    assert SUBJECTS["bob"] in accounts("show", "bob")
    listed = known(accounts)
    assert listed["alice"]["uid"] is None
    assert listed["alice"]["renamed_to"] == "alicia"
    assert listed["alicia"]["uid"] == uid
    for name in ("alice", "bob"):
        assert re.fullmatch(r"[0-9-]+T[0-9:]+Z", listed[name]["state_since"])
    # Others see the former name as well, without the time.
    result = host.run(*NOBODY, "devauth", "accounts", "show", "alice")
    assert "renamed to    alicia\n" in result.stdout
    accounts("restore", "bob")
    assert "removed" not in accounts("show", "bob")
    assert "state_since" not in known(accounts)["bob"]


def test_what_cannot_be_done_to_a_name(host, accounts, sign_in):
    """The cure is in the text, whatever the verb."""
    sign_in("alice")
    accounts("rename", "alice", "alicia")
    accounts("add", "bob")
    accounts("remove", "bob")
    accounts("lock", "mallory")
    before = state(host)
    for verb, more, then in (
            ("remove", (), ""), ("rename", ("x",), " NEW"), ("lock", (), ""),
            ("relink", ("https://a.example#1",), " ISSUER#SUBJECT")):
        said = accounts(verb, "alice", *more, status=1)
        assert said.endswith(f": devauth accounts {verb} alicia{then}\n")
    for verb, more in (("rename", "x"), ("relink", "https://a.example#1")):
        said = accounts(verb, "bob", more, status=1)
        assert "devauth accounts restore bob" in said
    for verb, more in (("remove", ()), ("rename", ("x",))):
        said = accounts(verb, "mallory", *more, status=1)
        assert "only locked" in said and "accounts unlock mallory" in said
    assert state(host) == before


def test_without_a_database(host, accounts, sign_in):
    """What the private records say is shown as no more than that."""
    sign_in("alice")
    uid = uid_of(host, "alice")
    accounts("add", "bob")
    accounts("remove", "bob")
    accounts("add", "carol")
    accounts("rename", "carol", "caro")
    host.run("rm", DATABASE, check=True)
    result = host.run("devauth", "accounts", "list")
    assert re.search(rf"(?m)^alice +{uid}  lost     {TIME}$", result.stdout)
    assert re.search(r"(?m)^bob +\d+  removed ", result.stdout)
    assert re.search(r"(?m)^carol +-  renamed  - +\(now caro\)$",
                     result.stdout)
    assert "accounts.cdb is not there" in result.stderr
    assert "devauth accounts rebuild" in result.stderr
    result = host.run(*NOBODY, "devauth", "accounts", "list")
    assert result.stdout == "" and "accounts rebuild" in result.stderr
    assert "yet" not in result.stderr
    assert "lost: only the private record" in host.run(
        "devauth", "accounts", "show", "alice").stdout
    # Nobody takes half of the people for all.
    assert "accounts rebuild" in accounts("export", status=1)
    accounts("rebuild")
    assert known(accounts)["alice"]["state"] == "active"


def test_others_see_what_is_public(host, accounts, sign_in):
    sign_in("alice")
    accounts("lock", "alice")
    for arguments in (("list",), ("show", "alice")):
        result = host.run(*NOBODY, "devauth", "accounts", *arguments)
        assert result.returncode == 0
        assert str(uid_of(host, "alice")) in result.stdout
        assert "for root" in result.stderr
        assert "lock" not in result.stdout
        assert SUBJECTS["alice"] not in result.stdout
    result = host.run(*NOBODY, "devauth", "accounts", "list", "--json")
    assert json.loads(result.stdout) == [
        {"name": "alice", "uid": uid_of(host, "alice"), "state": "active",
         "groups": []}]


def test_show(host, idp, accounts, sign_in):
    sign_in("alice")
    text = accounts("show", "alice")
    for part in ("state         active", "home          /home/alice",
                 f"issuer        {idp.issuer}",
                 f"subject       {SUBJECTS['alice']}", "staff"):
        assert part in text
    shown = json.loads(accounts("show", "alice", "--json"))
    assert shown["subject"] == SUBJECTS["alice"]
    assert shown["provider_groups"] == ["staff"]
    assert "nobody is known here as bob" in accounts("show", "bob", status=1)


def test_a_stale_sign_in_shows(host, idp, accounts, sign_in):
    host.configure(idp, devauth={"account_max_age": "1min"})
    sign_in("alice")
    host.run("sh", "-c", "sed -i s/^verified_at=.*/verified_at=1700000000/ "
             "/var/lib/devauth/people/*.person", check=True)
    assert known(accounts)["alice"]["state"] == "stale"


def test_what_was_stored_does_not_reach_the_terminal(host, accounts, sign_in):
    """T11: as if somebody had got it past every check."""
    sign_in("alice")
    host.run("sh", "-c", r"sed -i 's/^profile=.*/profile=a\x1b[31mb\x9bc/' "
             "/var/lib/devauth/people/*.person", check=True)
    assert r"a\x1b[31mb\x9bc" in accounts("show", "alice")
    assert json.loads(accounts("show", "alice", "--json"))["profile"] == \
        r"a\x1b[31mb\x9bc"
    assert r"\x1b[2J" in accounts("show", "\x1b[2J", status=1)
    assert r"\x1b[2J" in accounts("\x1b[2J", status=2)


# lock, unlock

def test_lock_stops_every_login(host, idp, accounts, sign_in, login, with_key):
    sign_in("alice")
    assert with_key("alice")
    said = accounts("lock", "alice")
    assert "sessions end ID --terminate" in said and max(
        map(len, said.splitlines())) < 80
    assert not with_key("alice")
    host.all_revoked(idp)
    before = len(idp.control.requests())
    client = login("alice")
    assert "not possible here" in client.rest()
    assert len(idp.control.requests()) == before
    assert host.decisions()[-1]["reason"] == "account-locked"
    assert known(accounts)["alice"]["state"] == "locked"
    assert "already" in accounts("lock", "alice")
    accounts("unlock", "alice")
    assert with_key("alice")
    assert sign_in("alice")[1] == 0
    assert "not locked" in accounts("unlock", "alice")
    assert [line["user"] for line in audit(host, "lock")] == ["alice"]
    assert audit(host, "unlock")[0]["result"] == "done"
    assert audit(host, "unlock")[0]["by"].isdigit()


def test_a_lock_during_the_sign_in_stands(host, idp, accounts, login):
    client = login("alice").expect_code()
    accounts("lock", "alice")
    idp.control.approve("alice", client.code)
    client.press_enter()
    client.rest()
    assert client.status != 0
    assert known(accounts)["alice"]["state"] == "locked"


def test_lock_for_a_name_that_never_came(host, accounts, login, sign_in):
    assert "Nobody of that name" in accounts("lock", "alice")
    client = login("alice")
    assert "not possible here" in client.rest() and client.status != 0
    accounts("unlock", "alice")
    # It leaves nothing behind.
    assert known(accounts) == {}
    assert sign_in("alice")[1] == 0


def test_lock_of_a_person_covers_shared_accounts(host, idp, accounts, sign_in):
    host.run("useradd", "-m", "deploy", check=True)
    host.configure(idp, sections={"account deploy": {"people": "bob"}})
    accounts("lock", "bob")
    text, status = sign_in("deploy", by="bob")
    assert status != 0


def test_local_accounts_have_other_tools(host, idp, accounts):
    host.run("useradd", "-m", "deploy", check=True)
    host.run("useradd", "-m", "dan", check=True)
    host.configure(idp, sections={"account deploy": {"people": "bob"}})
    before = state(host)
    for name in ("deploy", "dan", "root"):
        for verb, cure in (("lock", f"usermod -e 1 {name}"),
                           ("remove", f"userdel {name}"),
                           ("add", "there already")):
            assert cure in accounts(verb, name, status=1)
    assert "usermod -l NEW deploy" in accounts(
        "rename", "deploy", "other", status=1)
    assert state(host) == before


def test_a_lock_needs_no_database(host, accounts, sign_in):
    sign_in("alice")
    host.run("truncate", "-s", "2300", DATABASE, check=True)
    accounts("lock", "alice")
    accounts("rebuild")
    assert known(accounts)["alice"]["state"] == "locked"
    assert known(accounts)["alice"]["uid"] == uid_of(host, "alice")


# add

def test_a_colliding_uid_and_its_cure(host, accounts, sign_in, login):
    """N8: the log names what the administrator has to type."""
    sign_in("alice")
    uid = uid_of(host, "alice")
    host.run("sh", "-c", f"rm {DATABASE} /var/lib/devauth/people/*; "
             "rm -r /home/alice; devauth config apply", check=True)
    accounts("add", "bob", "--uid", str(uid))
    client = login("alice")
    client.rest()
    assert client.status != 0
    detail = host.decisions()[-1]["detail"]
    assert "belongs to bob" in detail
    assert "devauth accounts add alice --uid N" in detail
    assert "belongs to bob" in accounts("add", "alice", status=1)
    accounts("add", "alice", "--uid", "70001", "--shell", "/bin/sh")
    text, status = sign_in("alice")
    assert status == 0 and "70001" in text
    assert host.run("getent", "passwd", "alice").stdout.endswith(
        ":/home/alice:/bin/sh\n")
    assert accounts("check") == "accounts: fine (2 names)\n"


def test_a_number_of_the_group_file_collides(host, accounts, login, sign_in):
    sign_in("alice")
    uid = uid_of(host, "alice")
    host.run("sh", "-c", f"rm {DATABASE} /var/lib/devauth/people/*; "
             f"devauth config apply; groupadd -g {uid} clash", check=True)
    login("alice").rest()
    assert "taken in /etc/group" in host.decisions()[-1]["detail"]


def test_add_pins_in_advance(host, idp, accounts, login, sign_in, with_key):
    accounts("add", "alice", "--subject", f"{idp.issuer}#somebody-else",
             "--home", "/srv/alice", "--gecos", "Alice A")
    # No sign-in yet, so no key either.
    assert not with_key("alice")
    assert audit(host, "add")[0]["uid"] == str(uid_of(host, "alice"))
    assert host.decisions()[-1]["reason"] == "unknown-account"
    text, status = sign_in("alice")
    assert status != 0
    assert host.decisions()[-1]["reason"] == "subject-changed"
    assert "devauth accounts relink alice" in host.decisions()[-1]["detail"]
    accounts("relink", "alice", f"{idp.issuer}#{SUBJECTS['alice']}")
    assert sign_in("alice")[1] == 0
    assert "/srv/alice" in host.run("getent", "passwd", "alice").stdout


def test_add_again_changes_the_texts(host, accounts, sign_in):
    sign_in("alice")
    uid = uid_of(host, "alice")
    accounts("add", "alice", "--shell", "/bin/sh")
    sign_in("alice")
    assert host.run("getent", "passwd", "alice").stdout.endswith(":/bin/sh\n")
    assert uid_of(host, "alice") == uid
    assert "ids never change" in accounts("add", "alice", "--uid", "70000",
                                          status=1)


@pytest.mark.parametrize("arguments, says", [
    (("alice", "--uid", "0"), "reserved by the system"),
    (("alice", "--uid", "999"), "reserved by the system"),
    (("alice", "--uid", "61184"), "reserved by the system"),
    (("alice", "--uid", "65534"), "reserved by the system"),
    (("alice", "--uid", "2147483648"), "reserved by the system"),
    (("alice", "--uid", "4294967295"), "reserved by the system"),
    (("alice", "--uid", "4294968296"), "not a number"),
    (("alice", "--uid", "-1"), "not a number"),
    (("alice", "--uid", "0x3e9"), "not a number"),
    (("alice", "--uid", "1e3"), "not a number"),
    (("alice", "--uid", " 5"), "not a number"),
    (("alice", "--uid", ""), "not a number"),
    (("alice", "--home", ""), "home must be"),
    (("alice", "--home", "/"), "home must be"),
    (("alice", "--home", "srv"), "home must be"),
    (("alice", "--home", "/a/../b"), "home must be"),
    (("alice", "--home", "/a:b"), "home must be"),
    (("alice", "--home", "/" + "a" * 300),
     "at most 255 characters"),
    (("alice", "--shell", "sh"), "sh is not listed in /etc/shells"),
    (("alice", "--shell", "/bin/sh\n"), "not listed in /etc/shells"),
    (("alice", "--shell", "/usr/bin/env"), "not listed in /etc/shells"),
    (("alice", "--gecos", "a:b"), "full name"),
    (("alice", "--gecos", "a\nb"), "full name"),
    (("alice", "--subject", "x"), "not ISSUER#SUBJECT"),
    (("alice", "--subject", "https://a.example#"), "not ISSUER#SUBJECT"),
    (("alice", "--subject", "https://a.example#\x1b"), "not ISSUER#SUBJECT"),
    (("alice", "--subject", "http://a.example#1"), "cannot be an issuer"),
    (("wheel",), "reserved"), (("docker",), "reserved"),
    (("users",), "taken in /etc/group"),
    (("Alice",), "cannot be a login name"), (("",), "cannot be a login name"),
    (("a" * 33,), "cannot be a login name"),
    (("4711",), "cannot be a login name"),
    (("a/../b",), "cannot be a login name"),
])
def test_add_refuses(host, accounts, arguments, says):
    before = state(host)
    assert says in accounts("add", *arguments, status=1)
    assert state(host) == before
    # One line at most, and no number that nobody has.
    for line in audit(host, "add"):
        assert line["result"] == "refused" and "uid" not in line
    assert len(audit(host, "add")) <= 1


def test_add_says_what_it_did(host, accounts):
    """Once made, an account is only changed, and not by the same again."""
    assert "is added: uid 70001" in accounts("add", "carol", "--uid", "70001")
    before = state(host)
    for more in ((), ("--uid", "70001"), ("--shell", "/bin/bash")):
        text = accounts("add", "carol", *more)
        if more[:1] != ("--shell",):
            assert text == ("carol is there already, with uid 70001. "
                            "Nothing was changed.\n")
            assert state(host) == before
    text = accounts("add", "carol", "--shell", "/bin/sh")
    assert text == ("carol is changed: uid 70001, home /home/carol, shell "
                    "/bin/sh.\n")
    assert [line["uid"] for line in audit(host, "add")] == ["70001"] * 3
    # The shell of the configuration is no better than one that is ordered.
    host.run("sed", "-i", "/bash/d", "/etc/shells", check=True)
    assert "/bin/bash is not listed" in accounts("add", "dora", status=1)
    # What stands is another matter.
    accounts("add", "carol", "--gecos", "Carol C")


def refused_by_name(host, user, detail):
    """The log calls by name whoever is in the private records, nobody else."""
    last = host.decisions()[-1]
    assert (last["reason"], last["user"], last["detail"]) == (
        "unknown-user", user, detail)


# rename, relink

def test_rename_keeps_uid_home_and_identity(host, idp, accounts, sign_in,
                                            login, with_key):
    sign_in("alice", command="touch mine")
    uid = uid_of(host, "alice")
    accounts("rename", "alice", "alicia")
    assert uid_of(host, "alicia") == uid
    assert with_key("alicia")
    login("alice").rest()
    refused_by_name(host, "alice", "renamed")
    idp.control.quirks(claims={"alice": {"preferred_username": "alicia"}})
    text, status = sign_in("alicia", by="alice", command="id -u; pwd; ls")
    assert status == 0
    assert text.split()[:3] == [str(uid), "/home/alice", "mine"]
    shown = json.loads(accounts("show", "alicia", "--json"))
    assert shown["former_names"] == ["alice"]
    # Nobody else gets the former name.
    assert "former name" in accounts("add", "alice", status=1)
    idp.control.quirks(claims={"bob": {"preferred_username": "alice"}})
    client = login("alice")
    client.rest()
    assert client.status != 0
    assert "fine" in accounts("check")
    # The same person can have it back.
    accounts("rename", "alicia", "alice")
    assert uid_of(host, "alice") == uid and "fine" in accounts("check")


def test_rename_moves_the_lock(host, accounts, sign_in):
    sign_in("alice")
    accounts("lock", "alice")
    accounts("rename", "alice", "alicia")
    assert known(accounts)["alicia"]["locked"]


def test_rename_refuses(host, accounts, sign_in):
    sign_in("alice")
    sign_in("bob")
    before = state(host)
    for new_name, says in (("bob", "another identity"),
                           ("root", "taken in /etc/passwd"),
                           ("users", "taken in /etc/group"),
                           ("wheel", "reserved"), ("Bob", "login name")):
        assert says in accounts("rename", "alice", new_name, status=1)
    assert "nobody is known" in accounts("rename", "carol", "dora", status=1)
    assert state(host) == before


def test_an_identity_that_changed_its_name(host, idp, accounts, sign_in):
    """N4: refused until an administrator renames; the log says how."""
    sign_in("alice")
    idp.control.quirks(claims={"alice": {"preferred_username": "alicia"}})
    text, status = sign_in("alicia", by="alice")
    assert status != 0
    assert "devauth accounts rename alice alicia" in host.decisions()[-1]["detail"]
    accounts("rename", "alice", "alicia")
    assert sign_in("alicia", by="alice")[1] == 0


def test_relink(host, idp, accounts, sign_in, with_key):
    """The name goes to bob's identity: no key until he has signed in."""
    sign_in("alice")
    uid = uid_of(host, "alice")
    assert with_key("alice")
    text = accounts("relink", "alice", f"{idp.issuer}#{SUBJECTS['bob']}")
    assert SUBJECTS["alice"] in text and SUBJECTS["bob"] in text
    assert not with_key("alice")
    assert sign_in("alice")[1] != 0
    assert host.decisions()[-1]["reason"] == "subject-changed"
    idp.control.quirks(claims={"bob": {"preferred_username": "alice"}})
    text, status = sign_in("alice", by="bob")
    assert status == 0 and str(uid) in text
    assert with_key("alice")
    assert "fine" in accounts("check")
    # The former identity is free for another name.
    accounts("add", "alicia", "--subject",
             f"{idp.issuer}#{SUBJECTS['alice']}")


def test_relink_refuses(host, idp, accounts, sign_in):
    sign_in("alice")
    sign_in("bob")
    before = state(host)
    assert "known here as bob" in accounts(
        "relink", "alice", f"{idp.issuer}#{SUBJECTS['bob']}", status=1)
    assert "nobody is known" in accounts(
        "relink", "carol", f"{idp.issuer}#x", status=1)
    assert "already" in accounts(
        "relink", "alice", f"{idp.issuer}#{SUBJECTS['alice']}")
    assert state(host) == before


# remove, restore

def test_remove_and_restore(host, idp, accounts, sign_in, login, with_key):
    sign_in("alice")
    uid = uid_of(host, "alice")
    assert "sessions end ID --terminate" in accounts("remove", "alice")
    assert "  locked " not in accounts("show", "alice")
    accounts("lock", "alice")
    assert "  locked        yes" in accounts("show", "alice")
    accounts("unlock", "alice")
    assert host.run("id", "alice").returncode == 1
    assert not with_key("alice")
    client = login("alice")
    assert "not possible here" in client.rest()
    refused_by_name(host, "alice", "removed")
    host.configure(idp, allowed_users="alice", allowed_groups=None)
    login("hunter2").rest()
    refused_by_name(host, "(unknown)", "the name is unknown, or may not log in")
    host.configure(idp)
    # Neither name nor uid nor identity is free.
    assert "removed" in accounts("add", "alice", status=1)
    assert "belongs to alice" in accounts("add", "dora", "--uid", str(uid),
                                          status=1)
    assert "known here as alice" in accounts(
        "add", "dora", "--subject", f"{idp.issuer}#{SUBJECTS['alice']}",
        status=1)
    assert known(accounts)["alice"]["state"] == "removed"
    assert "already" in accounts("remove", "alice")
    assert "fine" in accounts("check")
    accounts("restore", "alice")
    assert uid_of(host, "alice") == uid
    assert with_key("alice") and sign_in("alice")[1] == 0
    assert "not removed" in accounts("restore", "alice")
    assert "nobody is known" in accounts("remove", "carol", status=1)
    accounts("restore", "carol", status=1)
    for verb in ("remove", "restore"):
        assert audit(host, verb)[0] == {
            "event": f"accounts-{verb}", "result": "done", "user": "alice",
            "by": audit(host, verb)[0]["by"], "uid": str(uid)}


def test_the_removed_do_not_come_by_shared_accounts(host, idp, accounts,
                                                    sign_in):
    host.run("useradd", "-m", "deploy", check=True)
    host.configure(idp, sections={"account deploy": {"people": "bob"}})
    assert sign_in("deploy", by="bob")[1] == 0
    accounts("remove", "bob")
    assert sign_in("deploy", by="bob")[1] != 0
    accounts("restore", "bob")
    assert sign_in("deploy", by="bob")[1] == 0


# export, import

def test_moving_to_another_host(host, idp, accounts, sign_in, build):
    sign_in("alice")
    sign_in("bob")
    accounts("add", "carol", "--uid", "70003")
    accounts("rename", "bob", "robert")
    accounts("add", "old", "--uid", "70004")
    accounts("remove", "old")
    for flags in ((), ("--pins",)):
        text = accounts("export", *flags)
        with Host(f"{build}/stage", name="web2") as other:
            other.configure(idp)
            other.write("/run/map", text)
            done = other.run("devauth", "accounts", "import", "/run/map")
            assert done.returncode == 0, done.stderr
            for name in ("alice", "robert", "carol"):
                assert uid_of(other, name) == uid_of(host, name)
            assert other.run("id", "old").returncode == 1
            again = other.run("devauth", "accounts", "export", *flags)
            assert again.stdout == text
            assert other.run("devauth", "accounts", "check").returncode == 0
            # Nothing is left to be done.
            before = state(other)
            done = other.run("devauth", "accounts", "import", "/run/map")
            assert done.returncode == 0 and "4 as before" in done.stdout
            assert state(other) == before
            assert len(audit(other, "import")) == 1


def test_import_follows_a_rename_and_a_removal(host, accounts, sign_in):
    sign_in("alice")
    sign_in("bob")
    alice, bob = uid_of(host, "alice"), uid_of(host, "bob")
    host.write("/run/map", f"""devauth-accounts 1
# alice was renamed twice, bob has left

person alicia {alice}
renamed lis {alice}
renamed alice {alice}
removed bob {bob}
end
""")
    before = state(host)
    plan = accounts("import", "/run/map", "--dry-run")
    assert plan == (
        "/run/map:4: rename alice to alicia\n/run/map:7: remove bob\n"
        "Would be: 0 added, 1 renamed, 1 removed, 0 pinned, 0 as before.\n")
    assert state(host) == before
    accounts("import", "/run/map")
    assert uid_of(host, "alicia") == alice
    shown = json.loads(accounts("show", "alicia", "--json"))
    assert sorted(shown["former_names"]) == ["alice", "lis"]
    assert shown["subject"] == SUBJECTS["alice"]
    assert shown["home"] == "/home/alice"
    assert known(accounts)["bob"]["state"] == "removed"
    assert "fine" in accounts("check")


GOOD = "person dora 70009\n"


@pytest.mark.parametrize("lines, says", [
    ("person Dora 70001", "3: not a login name"),
    ("person 12345 70001", "3: not a login name"),
    ("person a/../../b 70001", "3: not a login name"),
    ("person " + "a" * 33 + " 70001", "3: not a login name"),
    ("person eve", "3: not a uid"),
    ("person eve ", "3: not a uid"),
    ("person eve -1", "3: not a uid"),
    ("person eve 0x50", "3: not a uid"),
    ("person eve 70001 more", "3: not a uid"),
    ("person eve  70001", "3: not a uid"),
    ("person eve 4294967296", "3: not a uid"),
    ("person eve 0", "3: the uid is reserved"),
    ("person eve 999", "3: the uid is reserved"),
    ("person eve 65534", "3: the uid is reserved"),
    ("person eve 4294967295", "3: the uid is reserved"),
    ("removed eve 61184", "3: the uid is reserved"),
    ("person dora 70001", "3: the name is there twice"),
    ("removed dora 70009", "3: the name is there twice"),
    ("person eve 70009", "3: the uid is there twice"),
    ("renamed eve 70001", "3: no line has the present name"),
    ("pin eve https://a.example#1", "3: a pin of somebody who is not"),
    ("renamed eve 70009\npin eve https://a.example#1", "4: a pin of somebody"),
    ("pin dora https://a.example", "3: not ISSUER#SUBJECT"),
    ("pin dora http://a.example#1", "3: not ISSUER#SUBJECT"),
    ("pin dora https://a.example#", "3: not ISSUER#SUBJECT"),
    ("pin dora https://a.example#" + "s" * 256, "3: not ISSUER#SUBJECT"),
    ("pin dora", "3: not ISSUER#SUBJECT"),
    ("pin dora https://a.example#1\npin dora https://a.example#2",
     "4: a second pin"),
    ("pin dora https://a.example#1\nperson eve 70001\n"
     "pin eve https://a.example#1", "that identity has a name already"),
    ("group ops 70001", "3: begins with none of"),
    ("Person eve 70001", "3: begins with none of"),
    ("person\teve 70001", "3: not plain ASCII"),
    ("person e\u0301ve 70001", "3: not plain ASCII"),
    ("\x1b[31mperson eve 70001", "3: not plain ASCII"),
    ("person eve 70001\r", "3: not plain ASCII"),
    ("x" * 2000, "3: too long"),
    ("end\nperson eve 70001", "4: text behind"),
    # What this host says otherwise.
    ("person alice 70001", "3: alice has uid"),
    ("person eve {alice}", "belongs to alice here"),
    ("renamed alice 70009", "alice has uid"),
    ("person carol 70003", "3: carol was removed here"),
    ("person root 70001", "3: root: the name is taken in /etc/passwd"),
    ("person eve 1777", "3: eve: the number 1777 is taken in /etc/passwd"),
    ("person eve 1778", "3: eve: the number 1778 is taken in /etc/group"),
    ("person locals 70001", "3: locals: the name is taken in /etc/group"),
    ("person wheel 70001", "3: wheel: the name is reserved"),
    ("person alice {alice}\npin alice https://a.example#1",
     "the name belongs to another identity"),
    ("pin dora {issuer}#{subject}", "2: this identity is known here as alice"),
    ("pin zoe https://a.example#1\nperson eve 12\nperson Eve 70001",
     "5: not a login name"),
])
def test_import_is_all_or_nothing(bad_host, idp, accounts, lines, says):
    host, uid = bad_host
    lines = lines.replace("{alice}", str(uid)).replace(
        "{issuer}", idp.issuer).replace("{subject}", SUBJECTS["alice"])
    host.write("/run/map",
               f"devauth-accounts 1\n{GOOD}{lines}\nend\n")
    before = state(host)
    for flags in ((), ("--dry-run",)):
        text = accounts("import", "/run/map", *flags, status=1)
        assert f"/run/map:{says}" in text or says in text
        assert text.endswith("devauth: nothing was imported\n")
    assert state(host) == before


@pytest.fixture
def bad_host(host, accounts, sign_in):
    """alice is here, carol was, and local files have names and numbers."""
    sign_in("alice")
    accounts("add", "carol", "--uid", "70003")
    accounts("remove", "carol")
    host.run("sh", "-c", "useradd -u 1777 local1; groupadd -g 1778 locals",
             check=True)
    return host, uid_of(host, "alice")


@pytest.mark.parametrize("text, says", [
    ("", ":1: the file ends without"),
    ("\n", ":1: the file ends without"),
    ("hello\n", ":1: not an export of devauth"),
    ("devauth-accounts 2\nend\n", ":1: not an export of devauth"),
    (GOOD + "end\n", ":1: not an export of devauth"),
    ("devauth-accounts 1\n" + GOOD, ":2: the file ends without"),
    ("devauth-accounts 1\n" + GOOD + "en", ":3: begins with none of"),
])
def test_import_of_half_a_file(host, accounts, text, says):
    host.write("/run/map", text)
    before = state(host)
    assert says in accounts("import", "/run/map", status=1)
    assert state(host) == before


def test_import_of_what_is_no_text(host, accounts):
    host.run("sh", "-c", "printf 'devauth-accounts 1\\nperson\\0eve 70001\\n"
             "end\\n' >/run/map", check=True)
    assert "not a text" in accounts("import", "/run/map", status=1)
    assert "No such file" in accounts("import", "/run/none", status=1)
    assert "directory" in accounts("import", "/run", status=1)


# check, rebuild

def test_rebuild_after_the_database_was_cut(host, idp, accounts, sign_in,
                                            login):
    host.configure(idp, sections={
        "group engineers": {"gid": "5000", "from": "staff"}})
    sign_in("alice")
    sign_in("bob")
    accounts("add", "carol", "--uid", "70003", "--shell", "/bin/sh")
    accounts("rename", "bob", "robert")
    accounts("add", "old", "--uid", "70004")
    accounts("remove", "old")
    before = {name: uid_of(host, name) for name in ("alice", "robert",
                                                    "carol")}
    text = accounts("export", "--pins")
    host.run("truncate", "-s", "2100", DATABASE, check=True)
    client = login("alice")
    client.rest()
    assert client.status != 0
    assert "see devauth accounts check" in host.decisions()[-1]["detail"]
    damaged = host.run("devauth", "accounts", "check")
    assert damaged.returncode == 1
    assert "accounts.cdb: damaged; devauth accounts rebuild" in damaged.stdout
    assert "devauth accounts check" in accounts("list", status=1)
    said = accounts("rebuild")
    assert "3 people, 1 removed, 1 former name" in said and "Lost" in said
    assert {name: uid_of(host, name) for name in before} == before
    assert host.run("getent", "passwd", "carol").stdout.endswith(
        ":/home/carol:/bin/sh\n")
    assert "engineers" in host.run("id", "alice").stdout
    assert accounts("export", "--pins") == text
    assert "fine" in accounts("check")
    assert sign_in("alice")[1] == 0


@pytest.mark.parametrize("damage", [
    f"rm {DATABASE}", f"rm {DATABASE} /var/lib/devauth/generation",
    f": >{DATABASE}", f"chmod 666 {DATABASE}",
    f"head -c 9000 /dev/urandom >{DATABASE}",
    "echo short >/var/lib/devauth/generation",
    # In the middle of the records.
    f"at=$(grep -abo palice {DATABASE} | head -1 | cut -d: -f1); printf "
    f"'\\377\\377' | dd of={DATABASE} bs=1 seek=$((at - 8)) conv=notrunc",
])
def test_rebuild(host, accounts, sign_in, damage):
    sign_in("alice")
    uid = uid_of(host, "alice")
    accounts("add", "bob", "--uid", "70002")
    host.run("sh", "-c", damage, check=True)
    assert host.run("devauth", "accounts", "check").returncode == 1
    accounts("rebuild")
    assert uid_of(host, "alice") == uid and uid_of(host, "bob") == 70002
    assert "fine" in accounts("check")
    assert sign_in("alice")[1] == 0


def test_rebuild_of_a_whole_database_changes_nothing(host, accounts, sign_in):
    sign_in("alice")
    accounts("lock", "mallory")
    before = state(host)
    assert "Nothing is damaged" in accounts("rebuild")
    assert state(host) == before
    assert "damaged" not in host.run("ls", "/var/lib/devauth").stdout
    assert audit(host, "rebuild") == []
    # What a rebuild does not mend is no reason for one.
    host.run("sed", "-i", "/bash/d", "/etc/shells", check=True)
    assert host.run("devauth", "accounts", "check").returncode == 1
    assert "Nothing is damaged" in accounts("rebuild")


def test_rebuild_loses_nothing_that_it_can_read(host, accounts, sign_in):
    sign_in("alice")
    accounts("add", "bob", "--gecos", "Bob B")
    text = host.run("getent", "passwd", "alice", "bob").stdout
    host.run("sh", "-c", "rm /var/lib/devauth/people/*.subject", check=True)
    said = accounts("rebuild")
    assert "made anew" in said and "Lost" not in said
    assert host.run("getent", "passwd", "alice", "bob").stdout == text
    assert "unfinished" not in host.run("ls", "/var/lib/devauth").stdout


def test_rebuild_knows_whom_only_the_old_file_has(host, accounts, sign_in):
    sign_in("alice")
    uid = uid_of(host, "alice")
    host.run("sh", "-c", "rm /var/lib/devauth/people/*", check=True)
    text = host.run("devauth", "accounts", "check")
    assert "without a private record" in text.stdout
    accounts("rebuild")
    assert uid_of(host, "alice") == uid and "fine" in accounts("check")


def test_rebuild_gives_no_uid_to_two(host, accounts, sign_in):
    """Two records claim one: the account has it, the other is left out."""
    sign_in("alice")
    uid = uid_of(host, "alice")
    accounts("add", "bob", "--uid", "70002")
    host.run("sh", "-c", f"sed -i s/^uid=70002/uid={uid}/ "
             f"/var/lib/devauth/people/*.person; "
             "rm /var/lib/devauth/accounts.cdb", check=True)
    result = host.run("devauth", "accounts", "rebuild")
    assert result.returncode == 0 and f"uid {uid} is alice's" in result.stderr
    assert uid_of(host, "alice") == uid
    assert host.run("id", "bob").returncode == 1


PEOPLE = "/var/lib/devauth/people"


@pytest.mark.parametrize("damage, says", [
    (f"rm {PEOPLE}/*.person", "alice: an account without a private record"),
    (f"rm {PEOPLE}/*.subject", "alice: the identity does not lead"),
    (f"for f in {PEOPLE}/*.person; do echo devauth-person=1 >$f; done",
     "not a whole record"),
    (f"chmod 644 {PEOPLE}/*.person", "chmod"),
    (f"sed -i s/^uid=.*/uid=70009/ {PEOPLE}/*.person",
     "alice: the account has uid"),
    (f"sed -i s/^state=.*/state=1/ {PEOPLE}/*.person",
     "alice: removed, but the account is still there"),
    (f"cp {PEOPLE}/*.person {PEOPLE}/{'0' * 32}.person", "of another name"),
    (f"cp {PEOPLE}/*.subject {PEOPLE}/{'0' * 32}.subject",
     "1 identity leads to a name that is not theirs"),
    ("echo alice:x:1777:1777::/:/bin/sh >>/etc/passwd",
     "alice: the name is in /etc/passwd as well"),
    ("echo clash:x:$(id -u alice): >>/etc/group", "in /etc/group as well"),
    ("sed -i /bash/d /etc/shells", "the shell /bin/bash is not in /etc/shells"),
    ("rm -r /home/alice; touch /home/alice", "is no folder"),
    ("chown 70009 /home/alice", "belongs to uid 70009"),
    ("chmod 777 /home/alice", "others can write"),
    ("devauth accounts add dora --home /home/alice",
     "alice, dora: both have the home"),
])
def test_check_finds(host, accounts, sign_in, damage, says):
    sign_in("alice")
    assert accounts("check") == "accounts: fine (1 name)\n"
    host.run("sh", "-c", damage, check=True)
    before = state(host)
    result = host.run("devauth", "accounts", "check")
    assert result.returncode == 1 and result.stderr == ""
    assert says in result.stdout
    for line in result.stdout.splitlines():
        assert re.fullmatch(r"[ -~]+; [ -~]+", line)  # what; the cure
    assert state(host) == before


def test_what_check_advises_helps(host, accounts, sign_in):
    sign_in("alice")
    host.run("sh", "-c", f"sed -i s/^uid=.*/uid=70009/ {PEOPLE}/*.person",
             check=True)
    accounts("add", "alice")
    assert "fine" in accounts("check")
    host.run("sh", "-c", f"rm {PEOPLE}/*.subject", check=True)
    accounts("rebuild")
    assert "fine" in accounts("check")
    host.run("sh", "-c", f"sed -i s/^state=.*/state=1/ {PEOPLE}/*.person",
             check=True)
    accounts("remove", "alice")
    assert "fine" in accounts("check")


def test_relink_is_the_cure_for_a_damaged_record(host, idp, accounts, sign_in,
                                                 with_key):
    sign_in("alice")
    uid = uid_of(host, "alice")
    host.run("sh", "-c", f"for f in {PEOPLE}/*.person; do echo x >$f; done",
             check=True)
    assert not with_key("alice")
    assert "devauth accounts relink" in accounts("lock", "alice", status=1)
    assert "1 private record cannot be read" in accounts("export", "--pins",
                                                         status=1)
    # Nobody knows whether alice was locked.
    text = accounts("relink", "alice", f"{idp.issuer}#{SUBJECTS['alice']}")
    assert "locked" in text
    accounts("unlock", "alice")
    assert "fine" in accounts("check")
    text, status = sign_in("alice")
    assert status == 0 and str(uid) in text


# Manners

VERBS = ("add", "lock", "unlock", "rename", "relink", "remove", "restore",
         "import", "check", "rebuild")


def test_only_root_changes_anything(host):
    for verb in VERBS:
        for arguments in ((), ("alice",), ("Bad Name",)):
            result = host.run(*NOBODY, "devauth", "accounts", verb, *arguments)
            assert result.returncode == 1 and result.stdout == ""
            assert result.stderr == \
                "devauth: only root may do that; run this as root\n"
    result = host.run(*NOBODY, "devauth", "accounts", "export", "--pins")
    assert result.returncode == 1 and "run this as root" in result.stderr
    assert audit(host, "lock") == []


@pytest.mark.parametrize("arguments", [
    (), ("nonsense",), ("list", "x"), ("list", "--frob"), ("show",),
    ("show", "a", "b"), ("add",), ("add", "a", "b"), ("add", "a", "--frob"),
    ("add", "a", "--uid"), ("lock",), ("lock", "a", "b"), ("unlock",),
    ("rename", "a"), ("rename", "a", "b", "c"), ("relink", "a"), ("remove",),
    ("restore",), ("export", "x"), ("import",), ("import", "a", "b"),
    ("check", "x"), ("rebuild", "x")])
def test_usage(host, arguments):
    result = host.run("devauth", "accounts", *arguments)
    assert result.returncode == 2 and result.stdout == ""
    assert "devauth accounts" in result.stderr
    assert all(len(line) <= 80 for line in result.stderr.splitlines()[:-1])


def test_help_lists_the_verbs(host):
    for arguments in (("accounts", "help"), ("help",)):
        text = host.run("devauth", *arguments, check=True).stdout
        for verb in (*VERBS, "list", "show", "export"):
            assert re.search(rf"\b{verb}\b", text)
        assert all(len(line) <= 80 for line in text.splitlines())


@pytest.mark.parametrize("verb", (*VERBS[:-3], "show"))
def test_the_name_rule_comes_first(host, accounts, verb):
    more = {"rename": ("bob",), "relink": ("https://a.example#1",)}
    for name in ("Alice", "..", "a b", "-", "\x1b[31m", "x" * 200):
        assert "cannot be a login name" in accounts(
            verb, name, *more.get(verb, ()), status=1)


def test_the_caller_decides_nothing(host, accounts, sign_in):
    """E9, E7: umask, environment and standard descriptors."""
    sign_in("alice")
    host.run("sh", "-c", "umask 000; TZ=:/etc/shadow POSIXLY_CORRECT=1 "
             "LC_ALL=tr_TR.UTF-8 devauth accounts lock alice <&- >&- 2>&-",
             check=True)
    host.run("sh", "-c", "umask 777; devauth accounts add bob", check=True)
    assert known(accounts)["alice"]["locked"]
    modes = host.run("sh", "-c", f"stat -c %a {PEOPLE}/* {PEOPLE}/.lock "
                     f"| sort -u; stat -c %a {DATABASE}").stdout.split()
    assert modes == ["600", "644"]
    here = host.run("devauth", "accounts", "list").stdout
    assert host.run("env", "TZ=America/New_York", "devauth", "accounts",
                    "list").stdout == here


# Crashes

@pytest.mark.parametrize("command", [
    ("rename", "alice", "alicia"), ("remove", "alice"), ("restore", "bob"),
    ("lock", "alice"), ("relink", "alice", "https://a.example#1"),
    ("add", "carol", "--uid", "70003", "--subject", "https://a.example#2"),
    ("import", "/run/map"), ("rebuild",)])
def test_the_same_again_finishes_what_was_cut_short(host, accounts, sign_in,
                                                    with_key, command):
    """F9: killed at each replacement of a file, then once more."""
    sign_in("alice")
    accounts("add", "bob", "--uid", "70002", "--subject",
             "https://a.example#9")
    accounts("remove", "bob")
    host.write("/run/map", "devauth-accounts 1\nperson dora 70009\n"
               f"person alicia {uid_of(host, 'alice')}\n"
               f"renamed alice {uid_of(host, 'alice')}\n"
               "pin dora https://a.example#3\nend\n")
    host.run("cp", "-a", "/var/lib/devauth", "/run/before", check=True)
    if command[0] == "rebuild":
        host.run("truncate", "-s", "2300", "/run/before/accounts.cdb",
                 check=True)
    for number in range(1, 20):
        # Running programs have the counter mapped: it has to stay.
        host.run("sh", "-c", "cd /run/before && rm -r /var/lib/devauth/people "
                 "&& cp -a people accounts.cdb /var/lib/devauth/", check=True)
        result = host.run(
            "strace", "-o", "/run/trace", "-e", "trace=renameat,unlinkat",
            "-e", f"inject=renameat,unlinkat:signal=KILL:when={number}",
            "devauth", "accounts", *command)
        if result.returncode == 0:
            break
        assert "+++ killed by SIGKILL +++" in host.read("/run/trace"), \
            result.stderr
        if command[0] == "lock":
            assert with_key("alice")  # nothing was changed
        accounts(*command)
        left = host.run("devauth", "accounts", "check")
        # What relink leaves of the former identity.
        if left.returncode != 0:
            assert left.stdout.endswith("; devauth accounts rebuild\n")
            accounts("rebuild")
            assert "fine" in accounts("check")
        for name in ("alice", "alicia"):
            if host.run("id", name).returncode == 0:
                assert uid_of(host, name) > 70009
    else:
        raise AssertionError("it never came to its end")
    assert number > 1 and "fine" in accounts("check")
