"""Who may log in as whom, with a real sshd, sudo, id and newgrp."""

import json
import re

import pytest

from host import SUBJECTS

GID = 5000


def record(host, phase="auth"):
    return [line for line in host.audit() if line["event"] == phase][-1]


@pytest.fixture
def deploy(host, idp):
    """A local account that alice and bob may use."""
    host.run("useradd", "-m", "-s", "/bin/sh", "deploy", check=True)
    host.configure(idp, sections={"account deploy": {"people": "alice bob"}})
    return host


# Local accounts

def test_people_share_a_local_account(deploy, sign_in):
    """Each signs in as himself; the log says who it was."""
    for person in ("alice", "bob"):
        text, status = sign_in("deploy", by=person)
        assert status == 0 and re.search(r"uid=\d+\(deploy\)", text)
        for phase in ("auth", "account"):
            line = record(deploy, phase)
            assert line["user"] == "deploy" and line["person"] == person
            assert line["subject" if phase == "auth" else "result"] in (
                SUBJECTS[person], "allowed")
    # It made no accounts of their own.
    assert deploy.run("getent", "passwd", "alice").stdout == ""
    assert deploy.run("getent", "passwd", "deploy").stdout.endswith(
        ":/home/deploy:/bin/sh\n")


def test_nobody_else_gets_a_shared_account(deploy, sign_in):
    text, status = sign_in("deploy", by="carol")
    assert status != 0 and "uid=" not in text
    assert record(deploy)["reason"] == "wrong-person"
    assert "[account deploy] does not list" in record(deploy)["detail"]


def test_a_pin_holds_for_shared_accounts(deploy, idp, sign_in):
    """N3, N4: alice's name in another subject does not get in."""
    assert sign_in("deploy", by="alice")[1] == 0
    idp.control.quirks(claims={"bob": {"preferred_username": "alice"}})
    text, status = sign_in("deploy", by="bob")
    assert status != 0 and "uid=" not in text
    assert record(deploy)["reason"] == "subject-changed"


def test_a_key_into_a_shared_account_names_no_person(deploy, login, key):
    options = key("deploy")
    client = login("deploy", "id -un", options)
    assert "deploy" in client.rest() and client.status == 0
    deploy.run("usermod", "-e", "1", "deploy", check=True)
    client = login("deploy", "id -un", options)
    client.rest()
    assert client.status != 0


def test_a_local_account_without_a_section_stays_local(host, idp, login):
    """N16: no request, and nobody is deploy by a claim."""
    host.run("useradd", "-m", "-s", "/bin/sh", "deploy", check=True)
    client = login("deploy")
    client.child.expect("[Pp]assword: ")
    assert idp.control.requests() == []
    assert not host.helpers()


def test_taking_the_section_away_makes_it_local_again(deploy, idp, login):
    deploy.configure(idp)
    client = login("deploy")
    client.child.expect("[Pp]assword: ")
    assert idp.control.requests() == []


def test_root_only_by_identity(host, idp, login, sign_in):
    """N15: over SSH, by issuer and subject."""
    client = login("root", options=("-o", "NumberOfPasswordPrompts=1"))
    client.child.expect("[Pp]assword: ")
    host.configure(idp, sections={
        "account root": {"subjects": f"{idp.issuer}#{SUBJECTS['alice']}"}})
    host.start_sshd(PermitRootLogin="yes")
    text, status = sign_in("root", by="bob")
    assert status != 0 and "uid=" not in text
    text, status = sign_in("root", by="alice")
    assert status == 0 and "uid=0(root)" in text
    assert record(host)["person"] == "alice"


def test_root_elsewhere_stays_root(host, idp):
    """The way in that is left when all else fails: su and the console."""
    host.configure(idp, sections={
        "account root": {"subjects": f"{idp.issuer}#{SUBJECTS['alice']}"}})
    host.pam("su")
    host.run("sh", "-c", "useradd -m -s /bin/sh bob && echo root:secret | "
             "chpasswd", check=True)
    result = host.run("setpriv", "--reuid=bob", "--regid=bob",
                      "--init-groups", "su", "-c", "id -u", stdin=None,
                      input="secret\n")
    assert result.stdout.strip() == "0"
    assert idp.control.requests() == []


def test_an_account_of_ours_for_an_identity(host, idp, sign_in):
    """A person whose name at the provider is no login name here."""
    idp.control.quirks(claims={"alice": {"preferred_username": "a.lice"}})
    host.configure(idp, sections={
        "account ada": {"subjects": f"{idp.issuer}#{SUBJECTS['alice']}"}})
    text, status = sign_in("ada", by="alice")
    assert status == 0 and "(ada)" in text
    text, status = sign_in("ada", by="bob")
    assert status != 0 and "uid=" not in text


def test_a_line_that_is_gone_binds_keys_as_well(host, idp, login, sign_in,
                                                key):
    """The account was never bob's but by the line."""
    line = {"account ada": {"people": "alice bob"}}
    options = key("ada")
    host.configure(idp, sections=line)
    assert sign_in("ada", by="bob")[1] == 0
    client = login("ada", "id -un", options)
    assert "ada" in client.rest() and client.status == 0
    for sections in ({"account ada": {"people": "alice"}}, {}):
        host.configure(idp, sections=sections)
        client = login("ada", "id -un", options)
        client.rest()
        assert client.status != 0
        assert record(host, "account")["reason"] == "account-denied"
    host.configure(idp, sections=line)
    client = login("ada", "id -un", options)
    assert "ada" in client.rest() and client.status == 0


# Claims

def test_claims_in_order(host, idp, sign_in):
    host.configure(idp, username_claim="nickname email preferred_username")
    idp.control.quirks(claims={"bob": {"nickname": "alice"}})
    text, status = sign_in("alice")
    assert status == 0 and "(alice)" in text
    # Bob's nickname is alice, who is somebody else here already.
    text, status = sign_in("alice", by="bob")
    assert status != 0 and record(host)["reason"] == "subject-changed"


def test_required_claims(host, idp, sign_in):
    host.configure(idp, required_claims="role=operator|admin")
    text, status = sign_in("alice")
    assert status != 0 and "rule: required_claims role=operator|admin" in text
    idp.control.quirks(claims={"alice": {"role": ["x", "admin"]}})
    assert sign_in("alice")[1] == 0


def test_a_rule_that_changes_binds_keys_as_well(host, idp, login, sign_in,
                                                key):
    options = key("alice")
    idp.control.quirks(claims={"alice": {"role": "operator"}})
    host.configure(idp, required_claims="role=operator")
    assert sign_in("alice")[1] == 0
    client = login("alice", "id -un", options)
    assert "alice" in client.rest() and client.status == 0
    host.configure(idp, required_claims="role=admin")
    client = login("alice", "id -un", options)
    text = client.rest()
    assert client.status != 0
    assert "account-denied" == record(host, "account")["reason"]
    assert "role=admin" in record(host, "account")["detail"]
    assert "Ask your administrator" in text


# Services

def test_a_service_asks_for_more(host, idp, sign_in):
    """sudo is for operators, ssh for all the staff."""
    sections = {"service sudo": {"allowed_groups": "operators"}}
    host.configure(idp, sections=sections)
    host.pam("sudo")
    host.pam("sudo-i")
    host.write("/etc/sudoers.d/test",
               "alice ALL=(ALL) NOPASSWD: ALL\nbob ALL=(ALL) NOPASSWD: ALL\n",
               0o440)
    # A login shell is another service of PAM's, and no way around the rule.
    for command, service in (("sudo id -u", "sudo"),
                             ("sudo -i id -u", "sudo-i")):
        text, status = sign_in("alice", command=command)
        assert status == 0 and "\n0\r" in text
        text, status = sign_in("bob", command=command)
        assert status != 0 and "\n0\r" not in text
        line = record(host, "account")
        assert line["service"] == service and line["user"] == "bob"
        assert "[service sudo] allowed_groups" in line["detail"]


# Groups

OPS = {"group ops": {"gid": GID, "from": "operators"},
       "group sudo": {"local": "yes", "from": "operators"}}


def test_groups_follow_the_provider(host, idp, sign_in):
    host.configure(idp, sections=OPS)
    text, _ = sign_in("alice")
    assert f"{GID}(ops)" in text and "27(sudo)" in text
    assert f"{GID}(ops)" in host.run("id", "alice").stdout
    assert host.run("getent", "group", "ops").stdout == f"ops:*:{GID}:alice\n"
    assert host.run("getent", "group", str(GID)).stdout.startswith("ops:")
    # The local group stays what the files say.
    assert host.run("getent", "group", "sudo").stdout == \
        host.run("grep", "^sudo:", "/etc/group").stdout
    text, _ = sign_in("bob")
    assert "(ops)" not in text and "(sudo)" not in text
    # Removal as well, at the next sign-in.
    idp.control.quirks(groups=["staff"])
    assert f"{GID}(ops)" in host.run("id", "alice").stdout
    text, _ = sign_in("alice")
    assert "(ops)" not in text and "(sudo)" not in text
    assert host.run("getent", "group", "ops").stdout == f"ops:*:{GID}:\n"


def test_groups_of_the_provider_make_none_here(host, idp, sign_in):
    """N6: by configured id, never by name."""
    idp.control.quirks(groups=["staff", "sudo", "root", "docker", "27", "0"])
    host.configure(idp, sections={
        "group ops": {"gid": GID, "from": "operators"}})
    text, status = sign_in("alice")
    uid = re.search(r"uid=(\d+)", text).group(1)
    assert status == 0
    assert re.search(r"groups=(\S+)", text).group(1) == f"{uid}(alice)"


def test_sudo_believes_the_groups(host, idp, sign_in):
    host.configure(idp, sections=OPS)
    host.pam("sudo")
    host.write("/etc/sudoers.d/test", "%ops ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    text, status = sign_in("alice", command="sudo id -u")
    assert status == 0 and "\n0\r" in text
    text, status = sign_in("bob", command="sudo -n id -u")
    assert status != 0


def test_newgrp(host, idp, sign_in):
    host.configure(idp, sections=OPS)
    text, status = sign_in("alice", command="echo id -gn | newgrp ops")
    assert status == 0 and "\nops\r" in text


def test_a_group_that_is_taken_away(host, idp, sign_in):
    """What the configuration no longer has is gone with config apply, and its
    number is not given to another one."""
    host.configure(idp, sections=OPS)
    sign_in("alice")
    host.configure(idp)
    assert "(ops)" not in host.run("id", "alice").stdout
    assert "(sudo)" not in host.run("id", "alice").stdout
    assert host.run("getent", "group", "ops").returncode == 2
    with pytest.raises(Exception) as error:
        host.configure(idp, sections={
            "group other": {"gid": GID, "from": "operators"}})
    assert str(GID) in error.value.stderr


# devauth accounts test

CLAIMS = {"sub": SUBJECTS["alice"], "preferred_username": "Alice@example.com",
          "groups": ["operators", "staff"], "role": "x"}


def explain(host, idp, user="alice", options=(), **claims):
    claims = {"iss": idp.issuer, **CLAIMS, **claims}
    return host.run("devauth", "accounts", "test", "--claims", "-", "--user",
                    user, *options, stdin=None, input=json.dumps(claims))


def test_a_decision_is_explained(host, idp, sign_in):
    host.configure(idp, sections={
        **OPS, "service sudo": {"required_claims": "role=admin"},
        "account deploy": {"people": "bob"}})
    result = explain(host, idp)
    assert result.returncode == 0
    for line in ("the claim preferred_username gives the login name alice",
                 "it is the name that asks to log in",
                 "nobody has signed in under that name yet",
                 'allowed_groups lists "staff"',
                 f"member of the group ops ({GID})",
                 "member of the local group sudo",
                 "May log in as alice through sshd."):
        assert line in result.stdout, line
    result = explain(host, idp, options=("--service", "sudo"))
    assert result.returncode == 1
    assert "[service sudo] required_claims role=admin" in result.stdout
    assert "May not log in as alice through sudo." in result.stdout
    assert "the claims bring" not in result.stdout
    result = explain(host, idp, groups=["guests", "zo\u00eb"])
    assert result.returncode == 1
    assert ("the claims bring these groups:\n         guests\n"
            "         zo\\xc3\\xab\n  no   not-allowed: allowed_groups\n"
            ) in result.stdout
    assert "no groups; see groups_claim" in explain(
        host, idp, groups=[]).stdout
    result = explain(host, idp, user="deploy")
    assert result.returncode == 1 and "[account deploy]" in result.stdout
    result = explain(host, idp, iss="https://elsewhere.example")
    assert result.returncode == 1 and '"iss" is not' in result.stdout
    result = explain(host, idp, preferred_username="alice\x1b[2J")
    assert result.returncode == 1 and "\x1b" not in result.stdout
    # It is the same decision as a login's, pins included.
    sign_in("alice")
    assert "has been this identity's before" in explain(host, idp).stdout
    result = explain(host, idp, sub="somebody-else")
    assert result.returncode == 1 and "another identity" in result.stdout


def test_who_is_not_devauths_to_decide(host, idp):
    for name in ("dan", "deploy"):
        host.run("useradd", "-m", name, check=True)
    host.configure(idp, sections={
        "account deploy": {"people": "alice"},
        "account root": {"subjects": f"{idp.issuer}#{SUBJECTS['alice']}"}})
    for user, options in (("dan", ()), ("root", ("--service", "su"))):
        result = explain(host, idp, user, options)
        assert result.returncode == 1
        assert result.stdout.startswith("Not devauth's to decide: " + user)
    for user in ("root", "deploy"):
        result = explain(host, idp, user)
        assert result.returncode == 0
        assert f"[account {user}] lists" in result.stdout
    # What stands in the configuration and is not applied is said.
    host.run("sed", "-i", "s/account deploy/account dan/",
             "/etc/devauth/devauth.conf", check=True)
    assert "[account dan] is not in force yet" in explain(
        host, idp, "dan").stdout
    host.run("userdel", "deploy", check=True)
    result = explain(host, idp, "deploy")
    assert result.returncode == 1 and "which is gone" in result.stdout


def test_a_service_that_is_not_there(host, idp):
    result = explain(host, idp, options=("--service", "no-such"))
    assert "/etc/pam.d/no-such is not there" in result.stdout
    assert "/etc/pam.d/" not in explain(host, idp).stdout
    for bad in ("", "../passwd", "x\x1b[2J", "x" * 65):
        result = explain(host, idp, options=("--service", bad))
        assert result.returncode == 1 and result.stdout == ""
        assert "--service: " in result.stderr


@pytest.mark.parametrize("verb, more, user, says", [
    ("lock", (), "alice", "account-locked: alice is locked; devauth accounts "
     "unlock alice"),
    ("remove", (), "alice", "unknown-user: alice was removed; devauth "
     "accounts restore alice"),
    ("rename", ("alicia",), "alice", "unknown-user: alice is a former name, "
     "by which nobody logs in; the person is alicia now"),
    ("rename", ("alicia",), "alicia", "wrong-person: the identity is alicia's "
     "here, but the provider gives it another login name"),
    ("rename", ("alicia",), "deploy", "subject-changed: this identity is "
     "known here as alicia"),
    ("lock", (), "deploy", "account-denied: alice is locked"),
])
def test_a_change_is_explained_as_it_is_decided(host, idp, login, sign_in,
                                                verb, more, user, says):
    """The reason is the one that the log of a login has."""
    host.run("useradd", "-m", "deploy", check=True)
    host.configure(idp, sections={"account deploy": {"people": "alice"}})
    sign_in("alice")
    host.run("devauth", "accounts", verb, "alice", *more, check=True)
    result = explain(host, idp, user)
    assert result.returncode == 1 and says in result.stdout
    if user in ("alicia", "deploy"):
        sign_in(user, by="alice")
    else:
        login(user).rest()
    refused = [line for line in host.audit() if line["result"] == "refused"]
    assert refused[-1]["reason"] == says.split(":")[0]


def test_a_number_that_is_taken_is_explained(host, idp, sign_in):
    sign_in("alice")
    uid = host.run("id", "-u", "alice", check=True).stdout.strip()
    host.run("sh", "-c", "rm /var/lib/devauth/accounts.cdb "
             "/var/lib/devauth/people/*; devauth config apply; "
             f"devauth accounts add bob --uid {uid}", check=True)
    result = explain(host, idp)
    assert result.returncode == 1
    assert "devauth accounts add alice --uid N" in result.stdout


def test_explaining_needs_claims(host):
    for text in ("", "{", "[]", "null", '{"a": 1, "a": 2}'):
        result = host.run("devauth", "accounts", "test", "--claims", "-",
                          "--user", "alice", stdin=None, input=text)
        assert result.returncode == 1 and result.stdout == ""
        assert result.stderr.startswith("devauth: -: ")
    assert host.run("devauth", "accounts", "test").returncode == 2
    result = host.run("devauth", "accounts", "test", "--claims", "/none",
                      "--user", "alice")
    assert result.returncode == 1 and "/none: No such file" in result.stderr


def test_explaining_needs_a_profile(host, idp):
    result = explain(host, idp, options=("--profile", "other"))
    assert result.returncode == 1 and result.stderr == \
        "devauth: --profile: /etc/devauth/devauth.conf has no [profile other]\n"
    host.configure(idp, sections={"profile other": {
        "issuer": idp.issuer, "client_id": "other", "allowed_users": ""}})
    result = explain(host, idp)
    assert result.returncode == 1 and "say which one: --profile NAME" in \
        result.stderr
    assert explain(host, idp, options=("--profile", "test")).returncode == 0
