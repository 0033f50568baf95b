"""The name service through libc: people, strangers, and everybody else."""

import os
import re

import pytest

from host import wait_until


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


@pytest.fixture
def directory(host, build):
    """Fills the second database: so many people, and so many of them in the
    group "crowd" (5000), with whoever is named."""

    def fill(people, members, *names):
        host.run(os.path.join(build, "tests", "module", "directory_driver"),
                 str(people), str(members), *names, check=True)

    return fill


def test_S5_in_a_user_namespace(host, idp, login):
    """There root's files are nobody's, and nobody's files are not believed."""
    sign_in(idp, login)
    assert host.run("getent", "passwd", "alice").returncode == 0
    if host.run("unshare", "--user", "true").returncode != 0:
        pytest.skip("the kernel makes none here (in a chroot, for instance)")
    done = host.run("unshare", "--user", "sh", "-c",
                    "stat -c %u /var/lib/devauth; getent passwd alice; "
                    "getent passwd root")
    assert done.stdout.startswith("65534\n")
    assert "alice" not in done.stdout and "root:x:0:0:" in done.stdout


def test_S7_what_is_nobody(host, idp, login):
    """Our source alone is asked: nothing is synthesised."""
    sign_in(idp, login)
    script = ("import ctypes, sys\n"
              "nss = ctypes.CDLL('libnss_devauth.so.2')\n"
              "room, entry = (ctypes.create_string_buffer(4096)\n"
              "               for _ in range(2))\n"
              "error = ctypes.c_int()\n"
              "def ask(call, what):\n"
              "    return getattr(nss, '_nss_devauth_' + call)(what, entry,\n"
              "        room, ctypes.c_size_t(4096), ctypes.byref(error))\n"
              "assert ask('getpwnam_r', b'alice') == 1\n"
              "assert ask('getgrnam_r', b'alice') == 1\n"
              "for name in (b'', b'root', b'a:b', b'alice:', b'-1', b'0',\n"
              "             b'ALICE', b'alice ', b'a' * 65536, b'../alice',\n"
              "             b'\\xff' * 65536, b'alice\\n'):\n"
              "    assert ask('getpwnam_r', name) == 0, name\n"
              "    assert ask('getgrnam_r', name) == 0, name\n"
              "for number in (0, 1, 999, 65534, 65535, 2**31, 2**32 - 1):\n"
              "    number = ctypes.c_uint(number)\n"
              "    assert ask('getpwuid_r', number) == 0, number\n"
              "    assert ask('getgrgid_r', number) == 0, number\n")
    done = host.run("/usr/bin/python3", "-c", script)
    assert done.returncode == 0, done.stderr


def test_S8_no_password(host, idp, login, build):
    """"*" and no shadow entry: pam_unix lets nobody in by a password, its
    account step has nothing to say, and the tools for passwords change
    nothing."""
    sign_in(idp, login)
    assert host.run("getent", "passwd", "alice").stdout.split(":")[1] == "*"
    assert host.run("getent", "shadow", "alice").stdout == ""
    host.write("/etc/pam-test.d/unix", "auth required pam_unix.so nullok nodelay\n"
               "account required pam_unix.so\n")
    driver = os.path.join(build, "tests", "module", "pam_driver")
    for password in ("", "*", "x"):
        done = host.run(driver, "/etc/pam-test.d", "unix", "alice", "auth",
                        "acct", stdin=None, input=password + "\n" * 2)
        assert re.search(r"(?m)^auth (\d+)", done.stdout).group(1) != "0"
        assert re.search(r"(?m)^acct (\d+)", done.stdout).group(1) == "0"
    files = ("cat", "/etc/passwd", "/etc/shadow", "/etc/group")
    before = host.run(*files).stdout
    alice = host.run("getent", "passwd", "alice").stdout
    assert host.run("passwd", "-S", "alice").stdout == "alice L\n"
    for command in (("passwd", "alice"), ("passwd", "-d", "alice"), ("chage", "-l", "alice"),
                    ("chage", "-d", "0", "alice"), ("usermod", "-L", "alice"),
                    ("userdel", "alice"), ("chsh", "-s", "/bin/sh", "alice")):
        done = host.run(*command, stdin=None, input="new\nnew\n")
        assert done.returncode != 0 and done.stderr != "", command
        assert host.run(*files).stdout == before, command
    assert host.run("getent", "passwd", "alice").stdout == alice


@pytest.mark.parametrize("home", ["/", "relative/%u", "/home/../%u", "~/%u",
                                  "/home/a:b", "/home/\x07%u", "/home/\u00e4"])
def test_S9_homes_that_are_none(host, home):
    before = host.run("sha256sum", "/var/lib/devauth/accounts.cdb").stdout
    for key in ("home", "shell"):
        host.write("/etc/devauth/devauth.conf", f"[devauth]\n{key} = {home}\n"
                   "[profile x]\nissuer = https://x\nclient_id = x\n"
                   "allowed_groups = x\n")
        assert host.run("devauth", "config", "apply").returncode == 1
    assert host.run("sha256sum",
                    "/var/lib/devauth/accounts.cdb").stdout == before


FLAT = """if True:
    import ctypes, os
    nss = ctypes.CDLL('libnss_devauth.so.2')
    ask = nss._nss_devauth_getpwnam_r
    room, entry = (ctypes.create_string_buffer(1024) for _ in range(2))
    size, error = ctypes.c_size_t(1024), ctypes.byref(ctypes.c_int())
    def measure():
        with open('/proc/self/statm') as file:
            return int(file.read().split()[1]) * 4
    def turn(count):
        for _ in range(count):
            ask(b'alice', entry, room, size, error)
            ask(b'nobody-here', entry, room, size, error)
    turn(1000)
    before, fds = measure(), os.listdir('/proc/self/fd')
    turn(500000)
    assert measure() - before < 256, (measure(), before)
    assert os.listdir('/proc/self/fd') == fds
"""


def test_S13_a_million_lookups(host, idp, login):
    """In one process: no memory, no descriptor more."""
    sign_in(idp, login)
    done = host.run("/usr/bin/python3", "-c", FLAT)
    assert done.returncode == 0, done.stderr


def test_S13_nscd(host, idp, login):
    """nscd asks our module in its own process and stays as it is. It is no
    login program: who was never here cannot log in (README, Limits), and can as
    soon as it is gone. Who is known is known."""
    host.write("/etc/nscd.conf", "".join(
        f"enable-cache {kind} yes\npositive-time-to-live {kind} 1\n"
        f"negative-time-to-live {kind} 1\nshared {kind} no\n"
        for kind in ("passwd", "group")))
    host.run("mkdir", "-p", "/run/nscd", "/var/cache/nscd", check=True)
    host.run("nscd", check=True)
    nscd, = wait_until(lambda: host.processes("nscd"), what="nscd")
    client = login("alice", "echo let in", ("-o", "NumberOfPasswordPrompts=1"))
    assert "let in" not in client.rest() and client.status == 255
    host.run("nscd", "--shutdown", check=True)
    wait_until(lambda: not host.processes("nscd"), what="nscd is gone")
    sign_in(idp, login)
    host.run("nscd", check=True)
    nscd, = wait_until(lambda: host.processes("nscd"), what="nscd")

    def look():
        fds = host.run("ls", f"/proc/{nscd}/fd").stdout.split()
        status = host.read(f"/proc/{nscd}/status")
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)), len(fds)

    ask = ("import pwd, grp\n"
           "for number in range({}):\n"
           "    assert pwd.getpwnam('alice').pw_dir == '/home/alice'\n"
           "    assert grp.getgrnam('alice').gr_mem == []\n"
           "    for what in (pwd.getpwnam, grp.getgrnam):\n"
           "        try: what(f'nobody{{number % 500}}')\n"
           "        except KeyError: pass\n"
           "        else: raise SystemExit(1)\n")
    host.run("/usr/bin/python3", "-c", ask.format(1000), check=True)
    before = look()
    host.run("/usr/bin/python3", "-c", ask.format(10000), check=True)
    after = look()
    assert after[0] - before[0] < 1024 and after[1] == before[1]
    sign_in(idp, login)


# On one connection, so that it is one process of userdbd's that is asked.
VARLINK = """
import json, os, re, socket, struct, sys
link = socket.socket(socket.AF_UNIX)
link.connect('/run/systemd/userdb/io.systemd.NameServiceSwitch')
answers = link.makefile('rb')
peer = None

def ask(method, **wanted):
    wanted['service'] = 'io.systemd.NameServiceSwitch'
    link.sendall(json.dumps({'method': f'io.systemd.UserDatabase.{method}',
                             'parameters': wanted}).encode() + b'\\0')
    answer = b''
    while not answer.endswith(b'\\0'):
        answer += answers.read1(65536)
    return json.loads(answer[:-1])['parameters'].get('record')

def look():
    found = []
    for pid in filter(str.isdigit, os.listdir('/proc')):
        with open(f'/proc/{pid}/comm') as file:
            if file.read().startswith('systemd-userwo'):
                with open(f'/proc/{pid}/smaps_rollup') as file:
                    rss = re.search(r'Anonymous:\\s+(\\d+)', file.read())[1]
                found.append((int(rss), len(os.listdir(f'/proc/{pid}/fd'))))
    return max(found)

uid = int(sys.argv[1])
for number in range(21000):
    record = ask('GetUserRecord', userName='alice')
    assert (record['uid'], record['homeDirectory']) == (uid, '/home/alice')
    assert ask('GetUserRecord', uid=uid)['userName'] == 'alice'
    assert ask('GetGroupRecord', groupName='alice')['gid'] == uid
    assert ask('GetUserRecord', userName=f'nobody{number % 500}') is None
    if number == 1000:
        before = look()
after = look()
assert after[0] - before[0] < 512 and after[1] == before[1], (before, after)
"""


def test_S13_userdbd(host, idp, login):
    """The same of userdbd, which asks us for programs that speak varlink. It is
    no login program, and not in the way of one: who was never here can log
    in."""
    host.run("sh", "-c", "/lib/systemd/systemd-userdbd </dev/null "
             ">/dev/null 2>&1 &", check=True)
    wait_until(lambda: "Multiplexer  yes" in re.sub(
        " +", "  ", host.run("userdbctl", "services").stdout), what="userdbd")
    assert host.run("userdbctl", "user", "alice").returncode != 0
    sign_in(idp, login)
    uid = host.run("id", "-u", "alice").stdout.strip()
    assert f"UID: {uid}" in host.run("userdbctl", "user", "alice").stdout
    done = host.run("/usr/bin/python3", "-c", VARLINK, uid)
    assert done.returncode == 0, done.stderr
    sign_in(idp, login)


def test_S14_files_come_first(host, idp, login):
    """A local name that comes later wins, as user and as group; what is ours is
    still there when it goes."""
    sign_in(idp, login)
    ours = host.run("id", "alice").stdout
    host.run("sh", "-c", "cp /etc/passwd /etc/group /run; "
             "echo alice:x:4321:4321::/nowhere:/bin/sh >>/etc/passwd; "
             "echo alice:x:4321: >>/etc/group", check=True)
    assert host.run("id", "alice").stdout == \
        "uid=4321(alice) gid=4321(alice) groups=4321(alice)\n"
    assert host.run("getent", "group", "alice").stdout == "alice:x:4321:\n"
    client = login("alice")
    client.child.expect_exact("Password: ")  # pam_unix's
    host.run("sh", "-c", "cp /run/passwd /run/group /etc", check=True)
    assert host.run("id", "alice").stdout == ours
    sign_in(idp, login)


def test_S15_enumeration(host, idp, directory):
    """A hundred thousand people and a group with all of them: off by default;
    turned on, everybody once, in bounded memory."""
    directory(100000, 1000)
    for database in ("passwd", "group"):
        assert "p00" not in host.run("getent", database).stdout
    assert host.run("getent", "passwd", "p099999").returncode == 0
    host.configure(idp, devauth={"enumerate": "yes"})
    script = ("import ctypes, re\n"
              "libc = ctypes.CDLL(None)\n"
              "libc.getpwent.restype = libc.getgrent.restype = ctypes.c_char_p\n"
              "def private():\n"
              "    status = open('/proc/self/status').read()\n"
              "    return int(re.search(r'RssAnon:\\s+(\\d+)', status)[1])\n"
              "libc.getpwent(); libc.getgrent()\n"
              "libc.setpwent(); libc.setgrent()\n"
              "before = private()\n"
              "for next in (libc.getpwent, libc.getgrent):\n"
              "    count = 0\n"
              "    while next() is not None: count += 1\n"
              "    assert 100000 <= count < 101000, count\n"
              "assert private() - before < 1024, private() - before\n")
    done = host.run("/usr/bin/python3", "-c", script)
    assert done.returncode == 0, done.stderr
    people = [line.split(":")[0] for line in
              host.run("getent", "passwd").stdout.splitlines()]
    assert len(people) == len(set(people)) > 100000


def test_S16_whose_database(host, idp, login):
    """Only the compiled path is read: not one in the caller's folder, not one
    that the environment names."""
    sign_in(idp, login)
    host.run("sh", "-c", "mkdir -p /run/a/var/lib && "
             "cp -a /var/lib/devauth /run/a/var/lib && cd /run/a && "
             "cp -r var/lib/devauth . && cp -r devauth/* .", check=True)
    done = host.run(
        "sh", "-c", "cd /run/a && setpriv --reuid=65534 --clear-groups env "
        "DEVAUTH_ROOT=/run/a DEVAUTH_STATE=/run/a ROOT=/run/a HOME=/run/a "
        "XDG_DATA_HOME=/run/a NSS_DEVAUTH=/run/a strace -f -e trace=%file "
        "getent passwd alice")
    assert done.stdout.startswith("alice:*:")
    opened = re.findall(r'openat\((\w+), "([^"]*)"', done.stderr)
    assert ("AT_FDCWD", "/var/lib/devauth") in opened
    for at, path in opened:
        assert not path.startswith("/run/a")
        # What is no absolute path is below the folder above.
        assert path[0] == "/" or at != "AT_FDCWD", path


# Groups of both databases

def test_groups_of_both_levels(host, idp, login, directory):
    """A group with a thousand members that the directory keeps, the same one
    with people of this host, and a local one: id, initgroups, newgrp, sg and
    sudo -l agree; what goes is gone at the next login."""
    host.configure(idp, sections={
        "group ops": {"gid": 5001, "from": "operators"},
        "group games": {"local": "yes", "from": "operators"}})
    directory(1000, 1000, "alice")
    host.pam("sudo")
    host.write("/etc/sudoers.d/test", "%crowd ALL=(ALL) NOPASSWD: /bin/true\n"
               "%ops ALL=(ALL) NOPASSWD: /bin/false\n", 0o440)
    sign_in(idp, login)
    uid = host.run("id", "-u", "alice").stdout.strip()
    games = host.run("getent", "group", "games").stdout.split(":")[2]
    client = login("alice", "id -G; sg crowd 'id -gn'; echo id -gn | newgrp "
                   "ops; sudo -n /bin/true && echo as root").expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    text = client.rest().replace("\r", "")
    ids = {uid, "5000", "5001", games}
    assert any(set(line.split()) == ids for line in text.splitlines()), text
    assert "\ncrowd\n" in text and "\nops\n" in text and "as root" in text
    assert set(host.run("id", "-G", "alice").stdout.split()) == ids
    crowd = host.run("getent", "group", "crowd").stdout.strip().split(":")
    assert crowd[:3] == ["crowd", "*", "5000"]
    assert len(crowd[3].split(",")) == 1001 and "alice" in crowd[3].split(",")
    assert host.run("id", "-G", "p000999").stdout.split() == ["100999", "5000"]
    listed = host.run("sudo", "-l", "-U", "alice").stdout
    assert "/bin/true" in listed and "/bin/false" in listed
    # The provider and the directory take away what they gave.
    idp.control.quirks(groups=["staff"])
    directory(1000, 1000)
    client = login("alice", "id -G; sudo -n /bin/true || echo no").expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    text = client.rest().replace("\r", "")
    assert f"\n{uid}\n" in text and "\nno\n" in text, text
    assert host.run("id", "-G", "alice").stdout.split() == [uid]
    assert "not allowed" in host.run("sudo", "-l", "-U", "alice").stdout
