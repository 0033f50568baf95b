"""Home folders and shells: what a person has at first sight is what stays."""

import os
import re
import subprocess

import pytest

from test_ssh import ONCE, key_for, sign_in

LOGIN = "/usr/bin/login"
BROKEN = "Sign-in does not work on this host now."


def shell_of(idp, login, user, command, **more):
    """What a command wrote in a login that has to succeed."""
    client = login(user, command, **more).expect_code()
    idp.control.approve(user, client.code)
    client.press_enter()
    text = client.rest()
    assert client.status == 0, text
    return text


def entry(host, user):
    return host.run("getent", "passwd", user).stdout.strip()


def stack(host, *lines):
    """Replaces the line with pam_mkhomedir, the last one."""
    text = re.sub(r"(?m)^.*pam_(mkhomedir|umask|exec)\.so.*\n", "",
                  host.read("/etc/pam.d/sshd"))
    host.write("/etc/pam.d/sshd",
               text + "".join(f"session {line}\n" for line in lines))


# One answer

def test_final_at_first_sight(host, idp, login, tmp_path):
    """uid, gid, home and shell: for sshd before the login, in the session, for
    mkhomedir and for everybody after it; also when others are configured while
    the person approves."""
    host.configure(idp, devauth={"home": "/srv/%u", "shell": "/bin/sh"})
    host.write("/usr/local/sbin/seen", "#!/bin/sh\necho $* >>/run/seen\n",
               0o755)
    host.write("/run/seen", "", 0o666)
    host.start_sshd(AuthorizedKeysCommand="/usr/local/sbin/seen %u %U %h",
                    AuthorizedKeysCommandUser="nobody")
    host.write("/usr/local/sbin/later",
               "#!/bin/sh\ngetent passwd $PAM_USER >/run/later\n", 0o755)
    stack(host, "required pam_mkhomedir.so",
          "required pam_exec.so /usr/local/sbin/later")
    options = key_for(host, "carol", tmp_path)  # one that does not fit
    client = login("alice", "id -u; id -g; env; pwd", options).expect_code()
    name, uid, home = host.read("/run/seen").split()[-3:]
    assert (name, home) == ("alice", "/srv/alice")
    assert entry(host, "alice") == ""
    host.configure(idp, devauth={"home": "/home/%u", "shell": "/bin/bash"})
    idp.control.approve("alice", client.code)
    client.press_enter()
    text = client.rest()
    assert client.status == 0, text
    lines = text.replace("\r", "").splitlines()
    assert lines.count(uid) == 2
    assert {"HOME=/srv/alice", "SHELL=/bin/sh", "/srv/alice"} <= set(lines)
    assert entry(host, "alice") == host.read("/run/later").strip()
    assert entry(host, "alice").startswith(f"alice:*:{uid}:{uid}:")
    assert entry(host, "alice").endswith(":/srv/alice:/bin/sh")
    assert host.run("stat", "-c", "%u:%g", "/srv/alice").stdout.strip() == \
        f"{uid}:{uid}"
    assert host.run("test", "-e", "/home/alice").returncode == 1


def test_strangers_leave_nothing_behind(host, idp):
    """There is no list of them that could grow: each answer is computed, the
    same in every process, and twenty thousand cost no memory and no file."""
    host.run("cp", "/usr/bin/python3", LOGIN, check=True)
    script = """if True:
        import os, pwd
        def size():
            return int(open('/proc/self/statm').read().split()[1]) * 4
        def ask(first, last):
            for number in range(first, last):
                pwd.getpwnam(f'n{number}')
        ask(0, 1000)
        before = size(), os.listdir('/proc/self/fd')
        ask(1000, 20000)
        after = size(), os.listdir('/proc/self/fd')
        assert after[0] - before[0] < 1024 and after[1] == before[1]
        print(pwd.getpwnam('n7'), pwd.getpwnam('alice'))"""
    files = host.listing("/var/lib/devauth", "/run/devauth",
                         "/var/cache/devauth")
    first, second = (host.run(LOGIN, "-c", script) for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert "/home/n7" in first.stdout and first.stdout == second.stdout
    assert host.listing("/var/lib/devauth", "/run/devauth",
                        "/var/cache/devauth") == files
    assert host.run("/usr/bin/python3", "-c",
                    "import pwd; pwd.getpwnam('n7')").returncode == 1
    assert idp.control.requests() == []


# Home folders

def test_homes_are_made(host, idp, login):
    """pam_mkhomedir and pam_umask: modes, the skeleton, and no second time."""
    host.configure(idp, allowed_users="alice bob dora", allowed_groups="staff")
    host.write("/etc/skel/.ours", "from the skeleton\n")
    for user, line, mode in (
            ("alice", "required pam_mkhomedir.so umask=0077", "700"),
            ("bob", "required pam_mkhomedir.so umask=0027", "750")):
        stack(host, line, "optional pam_umask.so umask=0037")
        text = shell_of(idp, login, user, "umask; pwd; cat .ours")
        assert f"0037\r\n/home/{user}\r\nfrom the skeleton" in text
        assert host.run("stat", "-c", "%U:%G %a", f"/home/{user}").stdout == \
            f"{user}:{user} {mode}\n"
        assert host.run("stat", "-c", "%U", f"/home/{user}/.ours").stdout == \
            f"{user}\n"
    host.run("chmod", "711", "/home/alice", check=True)
    host.run("rm", "/home/alice/.ours", check=True)
    look = ("stat", "-c", "%a %U %Y %Z", "/home/alice")
    before = host.run(*look).stdout
    assert "/home/alice" in shell_of(idp, login, "alice", "pwd")
    assert host.run(*look).stdout == before
    assert host.run("test", "-e", "/home/alice/.ours").returncode == 1


HOMES = {
    "absent": "true",
    "a root-squashed one": "install -d -m 000 $h",
    "a link to root's": "ln -s /var/roots $h",
    "somebody else's, full of traps":
        "install -d -o 4321 $h; mkfifo $h/.ssh $h/.netrc; "
        "ln -s /etc/shadow $h/.hushlogin",
}


def test_F8_homes_of_every_kind(host, idp, login):
    """Whatever a home is, the login is the same; no process of ours makes,
    opens or changes anything there."""
    stack(host)  # nothing makes homes
    host.run("install", "-d", "-m", "700", "/var/roots", check=True)
    look = ("find", "/home/alice", "/var/roots", "-printf",
            r"%p %m %U %C@\n")
    for kind, command in HOMES.items():
        host.run("sh", "-c", f"h=/home/alice; rm -rf $h; {command}",
                 check=True)
        before = host.run(*look).stdout
        assert "alice" in shell_of(idp, login, "alice", "id -un").split()
        assert host.run(*look).stdout == before, kind


def test_F8_no_call_below_the_home(host, idp, build):
    """All of ours under strace, through every phase of a first login: module,
    broker and worker."""
    host.run("sh", "-c", "h=/home/alice; " + HOMES[
        "somebody else's, full of traps"],
             check=True)
    host.write("/etc/pam-test.d/test", "".join(
        f"{kind} required pam_devauth.so prompt=none\n"
        for kind in ("auth", "account", "session")))
    with subprocess.Popen(host.command(
            "script", "-qec", "strace -f -s 300 -o /run/trace -e trace=%file "
            + os.path.join(build, "tests", "module", "pam_driver")
            + " /etc/pam-test.d test alice auth acct setcred open close",
            "/dev/null"), stdout=subprocess.PIPE, stdin=subprocess.PIPE,
            text=True) as traced:
        seen = ""
        while not (code := re.search(r"Enter  (\S+)", seen)):
            line = traced.stdout.readline()
            assert line, seen
            seen += line
        idp.control.approve("alice", code.group(1))
        seen += traced.stdout.read()
    assert [int(code) for code in re.findall(
        r"(?m)^(?:auth|acct|setcred|open|close) (\d+)", seen)] == [0] * 5
    trace = host.read("/run/trace")
    assert "devauth-worker" in trace and "accounts.cdb" in trace
    assert [line for line in trace.splitlines()
            if "/home" in line or "/root" in line] == []


# Shells

UNLISTED = ("devauth: /etc/devauth/devauth.conf:3: the shell {} is not listed in "
            "/etc/shells: add it there, or change \"shell\" and run devauth "
            "config apply\n")


@pytest.mark.parametrize("shell, shells, listed", [
    ("/usr/sbin/nologin", None, False),
    ("/bin/dash", "# /bin/dash\n  /bin/dash # and why\n", True),
    ("/bin/dash", "#/bin/dash\n/bin/dash2\n/bin\n", False),
    ("/bin/sh", "", False),
    ("/bin/sh", "gone", True),
    ("/bin/bash", "gone", False),
])
def test_unlisted_shell_is_not_configured(host, shell, shells, listed):
    """As libc reads /etc/shells: in an empty file nothing is listed, without
    one /bin/sh is."""
    if shells == "gone":
        host.run("rm", "/etc/shells", check=True)
    elif shells is not None:
        host.write("/etc/shells", shells)
    host.run("sed", "-i", f"s,^remote.*,&\\nshell = {shell},",
             "/etc/devauth/devauth.conf", check=True)
    before = host.run("sha256sum", "/var/lib/devauth/accounts.cdb").stdout
    for verb, more in (("check", ""),
                       ("apply", "devauth: nothing was applied\n")):
        result = host.run("devauth", "config", verb)
        assert result.returncode == (0 if listed else 1)
        if not listed:
            assert result.stderr == UNLISTED.format(shell) + more
    after = host.run("sha256sum", "/var/lib/devauth/accounts.cdb").stdout
    assert (after == before) == (not listed or shell == "/bin/bash")


def test_unlisted_shell_refuses(host, idp, login, tmp_path):
    """A shell that has left /etc/shells: neither a code nor a key gets in, the
    log says what to do, and local accounts are not concerned."""
    sign_in(idp, login)
    host.run("useradd", "-m", "-s", "/bin/bash", "breakglass", check=True)
    key = {user: key_for(host, user, tmp_path)
           for user in ("alice", "breakglass")}
    host.write("/etc/shells", "/bin/sh\n")
    host.all_revoked(idp)
    idp.control.reset()
    for user, options, phase in (("bob", ONCE, "auth"),
                                 ("alice", key["alice"], "account")):
        client = login(user, "echo let in", options)
        text = client.rest()
        assert BROKEN in text and "let in" not in text
        assert client.status != 0
        line = host.decisions()[-1]
        assert (line["event"], line["result"], line["reason"]) == (
            phase, "refused", "bad-configuration")
        assert line["detail"].startswith(
            "the shell /bin/bash is not listed in /etc/shells: add it there")
    assert idp.control.requests() == []
    assert entry(host, "bob") == ""
    client = login("breakglass", "echo let in", key["breakglass"])
    assert "let in" in client.rest() and client.status == 0
    host.write("/etc/shells", "/bin/sh\n/bin/bash\n")
    client = login("alice", "echo let in", key["alice"])
    assert "let in" in client.rest() and client.status == 0


def test_changed_homes_and_shells_reach_everybody(host, idp, login):
    """With config apply, and not in the middle of a login. Whose name a local
    account has got is left alone, and stops nobody."""
    sign_in(idp, login)
    sign_in(idp, login, "bob")
    before = entry(host, "alice")
    host.write("/etc/passwd", host.read("/etc/passwd")
               + "bob:x:4321:4321::/nowhere:/bin/sh\n")
    host.configure(idp, devauth={"home": "/srv/%u", "shell": "/bin/sh"})
    assert entry(host, "alice") == before.replace(
        ":/home/alice:/bin/bash", ":/srv/alice:/bin/sh") != before
    text = shell_of(idp, login, "alice", "echo $HOME $SHELL; pwd")
    assert "/srv/alice /bin/sh\r\n/srv/alice\r\n" in text
    assert entry(host, "bob").split(":")[5] == "/nowhere"
    assert host.run("devauth", "config", "check").stderr == ""
