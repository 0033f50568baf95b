"""The devauth command."""

import pytest


def test_check(host):
    result = host.run("devauth", "config", "check")
    assert result.returncode == 0
    assert result.stdout == "/etc/devauth/devauth.conf: fine (1 profile)\n"
    assert result.stderr == ""


def test_check_complains_with_line(host):
    host.write("/etc/devauth/devauth.conf", "[devauth]\nremote = sometimes\n")
    result = host.run("devauth", "config", "check")
    assert result.returncode == 1
    assert result.stderr == (
        "devauth: /etc/devauth/devauth.conf:2: remote: must be "
        "publickey-first, allow, deny\n")


@pytest.mark.parametrize("change, what", [
    ("s,^remote.*,&\\nhome = /srv/%u\\nshell = /bin/sh,", "home, shell"),
    ("s,^allowed_groups.*,allowed_users = alice,", "who may log in")])
def test_check_says_what_is_not_applied(host, change, what):
    """Everybody may know; "config apply" is what helps."""
    host.run("sed", "-i", change, "/etc/devauth/devauth.conf", check=True)
    for command in (("devauth",), ("setpriv", "--reuid=65534",
                                   "--clear-groups", "devauth")):
        result = host.run(*command, "config", "check")
        assert result.returncode == 0 and ": fine" in result.stdout
        assert result.stderr == f"devauth: not applied yet ({what}); " \
            "run devauth config apply\n"
    host.run("devauth", "config", "apply", check=True)
    result = host.run("devauth", "config", "check")
    assert result.returncode == 0 and result.stderr == ""


def test_check_warns_of_services_that_nobody_has(host, idp):
    """Debian's unit is "ssh", the PAM service "sshd"."""
    host.configure(idp, sections={
        "service ssh": {"allowed_groups": "operators"},
        "service sudo": {"allowed_groups": "operators"}})
    result = host.run("devauth", "config", "check")
    assert result.returncode == 0
    assert "[service ssh] binds nobody: there is no /etc/pam.d/ssh" in \
        result.stderr
    assert "[service sudo]" not in result.stderr


def test_check_before_anything_was_applied(host):
    host.run("rm", "/var/lib/devauth/accounts.cdb", check=True)
    result = host.run("devauth", "config", "check")
    assert result.returncode == 0
    assert "not applied yet (everything)" in result.stderr


def test_bad_configuration_is_not_applied(host):
    """Nothing changes when something is wrong."""
    before = host.run("sha256sum", "/var/lib/devauth/accounts.cdb").stdout
    host.write("/etc/devauth/devauth.conf", "[devauth]\nhome = /srv/%u\n")
    assert host.run("devauth", "config", "apply").returncode == 1
    assert host.run("sha256sum",
                    "/var/lib/devauth/accounts.cdb").stdout == before


def test_dump_is_its_own_configuration(host):
    first = host.run("devauth", "config", "dump", "--explain").stdout
    assert "allowed_groups = staff" in first and "# " in first
    host.write("/etc/devauth/devauth.conf", first)
    assert host.run("devauth", "config", "dump", "--explain").stdout == first


@pytest.mark.parametrize("arguments, status", [
    ((), 2), (("nonsense",), 2), (("config",), 2), (("config", "x"), 2),
    (("config", "check", "more"), 2), (("help",), 0), (("version",), 0)])
def test_usage(host, arguments, status):
    result = host.run("devauth", *arguments)
    assert result.returncode == status
    assert (result.stdout if status == 0 else result.stderr) != ""


def test_everybody_may_check(host):
    result = host.run("setpriv", "--reuid=65534", "--clear-groups", "devauth",
                      "config", "check")
    assert result.returncode == 0
    host.run("sed", "-i", "s/^remote.*/&\\nhome = \\/srv\\/%u/",
             "/etc/devauth/devauth.conf", check=True)
    result = host.run("setpriv", "--reuid=65534", "--clear-groups", "devauth",
                      "config", "apply")
    assert result.returncode == 1 and "devauth: " in result.stderr


def test_applied_rules_reach_the_name_service(host, idp, login):
    """A changed home template is what a new person gets."""
    host.configure(idp, devauth={"home": "/srv/people/%u",
                                 "shell": "/bin/sh"})
    host.run("mkdir", "-p", "/srv/people", check=True)
    client = login("alice", "echo $HOME").expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    assert "/srv/people/alice" in client.rest()
    assert host.run("getent", "passwd", "alice").stdout.strip().endswith(
        ":/srv/people/alice:/bin/sh")


@pytest.mark.parametrize("damage, says", [
    ("rm /etc/devauth/idp-ca.pem", "[profile test] ca_file: "),
    ("sed -i /^_devauth:/d /etc/passwd", "run systemd-sysusers"),
    ("rm -r /var/lib/devauth", "run systemd-tmpfiles --create"),
])
def test_check_looks_around(host, damage, says):
    """A correct file is not enough for a login."""
    host.run("sh", "-c", damage, check=True)
    result = host.run("devauth", "config", "check")
    assert result.returncode == 1 and says in result.stderr


def test_check_warns_that_nobody_may_log_in(host, idp):
    host.configure(idp, allowed_groups="")
    result = host.run("devauth", "config", "check")
    assert result.returncode == 0 and "nobody may log in" in result.stderr
