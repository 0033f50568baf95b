"""The name service through libc: people, strangers, and everybody else."""

import re

import pytest


def sign_in(idp, login, user="alice"):
    client = login(user).expect_code()
    idp.control.approve(user, client.code)
    client.press_enter()
    assert user in client.rest()


def test_person(host, idp, login):
    """passwd and group by name and number, and the person's groups."""
    sign_in(idp, login)
    entry = host.run("getent", "passwd", "alice").stdout.strip()
    uid = entry.split(":")[2]
    assert host.run("getent", "passwd", uid).stdout.strip() == entry
    group = host.run("getent", "group", "alice").stdout.strip()
    assert group.split(":")[0] == "alice" and group.split(":")[2] == uid
    assert host.run("getent", "group", uid).stdout.strip() == group
    assert host.run("id", "alice").stdout.strip() == \
        f"uid={uid}(alice) gid={uid}(alice) groups={uid}(alice)"
    # Enumeration is off by default.
    assert "alice" not in host.run("getent", "passwd").stdout
    assert "alice" not in host.run("getent", "group").stdout
    # Nobody needs to be root to know who alice is.
    assert host.run("setpriv", "--reuid=65534", "--clear-groups", "getent",
                    "passwd", "alice").stdout.strip() == entry


@pytest.mark.parametrize("name", [
    "alice", "neverseen", "root2", "-1", "4294967295", "", "a:b", "Alice"])
def test_stranger_does_not_exist(host, name):
    """To everybody but root's login programs, names never seen do not exist."""
    for database in ("passwd", "group", "initgroups"):
        result = host.run("getent", database, name)
        assert re.findall(r":|\d{9}", result.stdout.replace(name, "")) == []
    assert host.run("id", name).returncode != 0


def test_sshd_sees_a_stranger(host):
    """sshd asks before the login, and gets the final answer."""
    host.write("/etc/ssh/match", "Match User neverseen\n  Banner /x\n")
    result = host.run("/usr/sbin/sshd", "-T", "-f", "/dev/null", "-h",
                      "/etc/ssh/devauth_test_key", "-C",
                      "user=neverseen,host=x,addr=192.0.2.1")
    assert result.returncode == 0, result.stderr
    # The same program, run by somebody else, sees nobody.
    assert ":" not in host.run("getent", "passwd", "neverseen").stdout


def test_local_names_come_first(host, idp, login):
    """N5: a local account of the same name is never ours."""
    host.run("useradd", "-M", "-u", "4321", "alice", check=True)
    client = login("alice")
    # pam_unix, the next line of the stack, asks.
    client.child.expect_exact("Password: ")
    assert "Open " not in client.child.before
    assert idp.control.requests() == []
    assert host.run("id", "-u", "alice").stdout.strip() == "4321"


def test_uid_taken_by_a_local_account(host, idp, login):
    """N8: a collision is refused; nothing of the other account changes."""
    sign_in(idp, login, "bob")
    uid = host.run("id", "-u", "bob").stdout.strip()
    host.run("rm", "-r", "/var/lib/devauth/people", check=True)
    host.run("install", "-d", "-m", "700", "/var/lib/devauth/people",
             check=True)
    host.run("sh", "-c", "rm /var/lib/devauth/accounts.cdb; "
             "devauth config apply", check=True)
    host.run("useradd", "-M", "-o", "-u", uid, "other", check=True)
    client = login("bob")
    client.child.expect("(Permission denied|Open )")
    assert client.child.match.group(1) == "Permission denied"
    assert idp.control.requests("device_authorization")[1:] == []


@pytest.mark.parametrize("damage", [
    "truncate -s 100 $f", "truncate -s 0 $f", "rm $f", "chmod 666 $f",
    "chown 65534 $f", "head -c 5000 /dev/urandom >$f",
    "mv $f $f.x; ln -s $f.x $f", "mv $f $f.x; mkdir $f"])
def test_damaged_database(host, damage):
    """S1, S5: no crash, no stranger, local accounts as ever."""
    host.run("sh", "-c", "f=/var/lib/devauth/accounts.cdb; " + damage,
             check=True)
    for name in ("alice", "neverseen"):
        assert host.run("getent", "passwd", name).returncode == 2
    assert host.run("getent", "passwd", "root").returncode == 0
    assert host.run("id", "root").returncode == 0


def test_warm_lookup_makes_no_system_call(host, idp, login, build):
    """After the first one: nothing between two lookups in strace."""
    sign_in(idp, login)
    script = ("import pwd, os\n"
              "pwd.getpwnam('alice')\n"
              "os.getppid()\n"
              "for _ in range(5): pwd.getpwnam('alice')\n"
              "os.getppid()\n")
    result = host.run("strace", "/usr/bin/python3", "-c", script)
    between = result.stderr.split("getppid()")[1].splitlines()[1:-1]
    # libc itself looks at nsswitch.conf each time; we add nothing to it.
    ours = [line for line in between
            if not re.search(r"nsswitch\.conf|/etc/passwd|"
                             r"(fstat|lseek|read|close)\w*\(\d", line)]
    assert ours == []
