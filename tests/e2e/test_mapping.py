"""Who may log in as whom, with a real sshd, sudo, id and newgrp."""

import json
import re
import subprocess

import pytest

GID = 5000
SUBJECTS = {"alice": "idp-7f3a90c2d1e84b56", "bob": "idp-1c58e6b7a3f04d29",
            "carol": "idp-b940d2f57c6e4a18"}


def sign_in(idp, login, user, by=None, command="id"):
    """A whole login as "user", approved by somebody; what the shell said."""
    client = login(user, command).expect_code()
    idp.control.approve(by or user, client.code)
    client.press_enter()
    return client.rest(), client.status


def record(host, phase="auth"):
    return [line for line in host.audit() if line["event"] == phase][-1]


@pytest.fixture
def key(host, tmp_path):
    """Puts a key into an account; the options of ssh that use it."""
    path = str(tmp_path / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path],
                   check=True)

    def add(user):
        with open(path + ".pub", encoding="ascii") as file:
            host.write(f"/etc/ssh/keys/{user}", file.read())
        return ("-i", path, "-o", "PreferredAuthentications=publickey")

    return add


@pytest.fixture
def deploy(host, idp):
    """A local account that alice and bob may use."""
    host.run("useradd", "-m", "-s", "/bin/sh", "deploy", check=True)
    host.configure(idp, sections={"account deploy": {"people": "alice bob"}})
    return host


# Local accounts

def test_people_share_a_local_account(deploy, idp, login):
    """Each signs in as himself; the log says who it was."""
    for person in ("alice", "bob"):
        text, status = sign_in(idp, login, "deploy", by=person)
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


def test_nobody_else_gets_a_shared_account(deploy, idp, login):
    text, status = sign_in(idp, login, "deploy", by="carol")
    assert status != 0 and "uid=" not in text
    assert record(deploy)["reason"] == "wrong-person"
    assert "[account deploy] does not list" in record(deploy)["detail"]


def test_a_pin_holds_for_shared_accounts(deploy, idp, login):
    """N3, N4: alice's name in another subject does not get in."""
    assert sign_in(idp, login, "deploy", by="alice")[1] == 0
    idp.control.quirks(claims={"bob": {"preferred_username": "alice"}})
    text, status = sign_in(idp, login, "deploy", by="bob")
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


def test_root_only_by_identity(host, idp, login):
    """N15: over SSH, by issuer and subject."""
    client = login("root", options=("-o", "NumberOfPasswordPrompts=1"))
    client.child.expect("[Pp]assword: ")
    host.configure(idp, sections={
        "account root": {"subjects": f"{idp.issuer}#{SUBJECTS['alice']}"}})
    host.start_sshd(PermitRootLogin="yes")
    text, status = sign_in(idp, login, "root", by="bob")
    assert status != 0 and "uid=" not in text
    text, status = sign_in(idp, login, "root", by="alice")
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


def test_an_account_of_ours_for_an_identity(host, idp, login):
    """A person whose name at the provider is no login name here."""
    idp.control.quirks(claims={"alice": {"preferred_username": "a.lice"}})
    host.configure(idp, sections={
        "account ada": {"subjects": f"{idp.issuer}#{SUBJECTS['alice']}"}})
    text, status = sign_in(idp, login, "ada", by="alice")
    assert status == 0 and "(ada)" in text
    text, status = sign_in(idp, login, "ada", by="bob")
    assert status != 0 and "uid=" not in text


def test_a_line_that_is_gone_binds_keys_as_well(host, idp, login, key):
    """The account was never bob's but by the line."""
    line = {"account ada": {"people": "alice bob"}}
    options = key("ada")
    host.configure(idp, sections=line)
    assert sign_in(idp, login, "ada", by="bob")[1] == 0
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

def test_claims_in_order(host, idp, login):
    host.configure(idp, username_claim="nickname email preferred_username")
    idp.control.quirks(claims={"bob": {"nickname": "alice"}})
    text, status = sign_in(idp, login, "alice")
    assert status == 0 and "(alice)" in text
    # Bob's nickname is alice, who is somebody else here already.
    text, status = sign_in(idp, login, "alice", by="bob")
    assert status != 0 and record(host)["reason"] == "subject-changed"


def test_required_claims(host, idp, login):
    host.configure(idp, required_claims="role=operator|admin")
    text, status = sign_in(idp, login, "alice")
    assert status != 0 and "rule: required_claims role=operator|admin" in text
    idp.control.quirks(claims={"alice": {"role": ["x", "admin"]}})
    assert sign_in(idp, login, "alice")[1] == 0


def test_a_rule_that_changes_binds_keys_as_well(host, idp, login, key):
    options = key("alice")
    idp.control.quirks(claims={"alice": {"role": "operator"}})
    host.configure(idp, required_claims="role=operator")
    assert sign_in(idp, login, "alice")[1] == 0
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

def test_a_service_asks_for_more(host, idp, login):
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
        text, status = sign_in(idp, login, "alice", command=command)
        assert status == 0 and "\n0\r" in text
        text, status = sign_in(idp, login, "bob", command=command)
        assert status != 0 and "\n0\r" not in text
        line = record(host, "account")
        assert line["service"] == service and line["user"] == "bob"
        assert "[service sudo] allowed_groups" in line["detail"]


# Groups

OPS = {"group ops": {"gid": GID, "from": "operators"},
       "group sudo": {"local": "yes", "from": "operators"}}


def test_groups_follow_the_provider(host, idp, login):
    host.configure(idp, sections=OPS)
    text, _ = sign_in(idp, login, "alice")
    assert f"{GID}(ops)" in text and "27(sudo)" in text
    assert f"{GID}(ops)" in host.run("id", "alice").stdout
    assert host.run("getent", "group", "ops").stdout == f"ops:*:{GID}:alice\n"
    assert host.run("getent", "group", str(GID)).stdout.startswith("ops:")
    # The local group stays what the files say.
    assert host.run("getent", "group", "sudo").stdout == \
        host.run("grep", "^sudo:", "/etc/group").stdout
    text, _ = sign_in(idp, login, "bob")
    assert "(ops)" not in text and "(sudo)" not in text
    # Removal as well, at the next sign-in.
    idp.control.quirks(groups=["staff"])
    assert f"{GID}(ops)" in host.run("id", "alice").stdout
    text, _ = sign_in(idp, login, "alice")
    assert "(ops)" not in text and "(sudo)" not in text
    assert host.run("getent", "group", "ops").stdout == f"ops:*:{GID}:\n"


def test_groups_of_the_provider_make_none_here(host, idp, login):
    """N6: by configured id, never by name."""
    idp.control.quirks(groups=["staff", "sudo", "root", "docker", "27", "0"])
    host.configure(idp, sections={
        "group ops": {"gid": GID, "from": "operators"}})
    text, status = sign_in(idp, login, "alice")
    uid = re.search(r"uid=(\d+)", text).group(1)
    assert status == 0
    assert re.search(r"groups=(\S+)", text).group(1) == f"{uid}(alice)"


def test_sudo_believes_the_groups(host, idp, login):
    host.configure(idp, sections=OPS)
    host.pam("sudo")
    host.write("/etc/sudoers.d/test", "%ops ALL=(ALL) NOPASSWD: ALL\n", 0o440)
    text, status = sign_in(idp, login, "alice", command="sudo id -u")
    assert status == 0 and "\n0\r" in text
    text, status = sign_in(idp, login, "bob", command="sudo -n id -u")
    assert status != 0


def test_newgrp(host, idp, login):
    host.configure(idp, sections=OPS)
    text, status = sign_in(
        idp, login, "alice", command="echo id -gn | newgrp ops")
    assert status == 0 and "\nops\r" in text


def test_a_group_that_is_taken_away(host, idp, login):
    """What the configuration no longer has is gone with config apply, and its
    number is not given to another one."""
    host.configure(idp, sections=OPS)
    sign_in(idp, login, "alice")
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


def test_a_decision_is_explained(host, idp, login):
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
    result = explain(host, idp, user="deploy")
    assert result.returncode == 1 and "[account deploy]" in result.stdout
    result = explain(host, idp, iss="https://elsewhere.example")
    assert result.returncode == 1 and '"iss" is not' in result.stdout
    result = explain(host, idp, preferred_username="alice\x1b[2J")
    assert result.returncode == 1 and "\x1b" not in result.stdout
    # It is the same decision as a login's, pins included.
    sign_in(idp, login, "alice")
    assert "has been this identity's before" in explain(host, idp).stdout
    result = explain(host, idp, sub="somebody-else")
    assert result.returncode == 1 and "another identity" in result.stdout


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
