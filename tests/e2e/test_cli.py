"""The devauth command."""

import pytest


def test_check(host):
    result = host.run("devauth", "config", "check")
    assert result.returncode == 0
    assert result.stdout == "/etc/devauth/devauth.conf: fine (1 profile)\n"
    assert result.stderr == ""


CONF = "/etc/devauth/devauth.conf"
PROFILE = ("[profile test]\nissuer = https://login.example.com\n"
           "client_id = x\nallowed_groups = staff\n")
NOBODY = ("setpriv", "--reuid=65534", "--clear-groups")


def config(host, verb, text=None, user=()):
    """Exit status, and what was said, a list of lines each."""
    if text is not None:
        host.write(CONF, text)
    result = host.run(*user, "devauth", "config", verb)
    return (result.returncode, result.stdout.splitlines(),
            result.stderr.splitlines())


def test_check_complains_with_line(host):
    host.write("/etc/devauth/devauth.conf", "[devauth]\nremote = sometimes\n")
    result = host.run("devauth", "config", "check")
    assert result.returncode == 1
    assert result.stderr == (
        "devauth: /etc/devauth/devauth.conf:2: remote: must be "
        "publickey-first, allow or deny\n")


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
    ("echo junk >/etc/devauth/idp-ca.pem", "idp-ca.pem holds no certificate"),
    ("chmod 666 /etc/devauth/idp-ca.pem", "chmod it to 0644"),
    ("sed -i 's,^issuer.*,&/.well-known/openid-configuration,' "
     "/etc/devauth/devauth.conf", "issuer: the issuer itself, without "),
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


def test_everything_that_is_wrong_is_said_at_once(host):
    text = ("[devauth]\nremote = sometimes\nremot = deny\n" + PROFILE
            + "[group ops]\nfrom = operators\ngid = 70000\nno line\n")
    for verb in ("check", "apply", "dump"):
        status, out, err = config(host, verb, text)
        assert status == 1 and out == []
        assert [line.split(": ", 2)[1:] for line in err] == [
            [f"{CONF}:2", "remote: must be publickey-first, allow or deny"],
            [f"{CONF}:3", 'unknown key "remot"; did you mean "remote"?'],
            [f"{CONF}:11", 'neither "key = value", [section] nor # comment'],
        ]


def test_check_refuses_what_apply_refuses(host):
    """One dry run for both, with file and line and a cure for groups."""
    host.run("sh", "-c", "groupadd -g 7001 taken && useradd -u 7002 deploy && "
             "useradd -o -u 0 toor", check=True)
    text = (PROFILE + "[group taken]\nfrom = a\ngid = 7003\n"
            "[group ops]\ngid = 7001\nfrom = a\n"
            "[group dev]\nfrom = a\ngid = 7002\n"
            "[group dockr]\nlocal = yes\nfrom = a\n"
            "[group fine]\nfrom = a\ngid = 7004\n"
            "[account deploy]\npeople = alice\n"
            "[account toor]\npeople = alice\n"
            "[account _devauth]\npeople = alice\n")
    expected = [
        (7, 'taken: the name is taken in /etc/group; if people are to be in '
            'that very group, say "local = yes" in place of gid'),
        (9, "ops: the number 7001 is taken in /etc/group; give the group "
            "another gid"),
        (13, "dev: the number 7002 is taken in /etc/passwd; give the group "
             "another gid"),
        (15, "there is no group dockr in /etc/group: groupadd dockr makes it; "
             'or, if devauth is to, say "gid = ..." in place of "local = '
             'yes"'),
        (22, "toor is root by another name; nobody can be given that"),
        (24, "_devauth is devauth's own account; nobody can be given that")]
    expected = [f"devauth: {CONF}:{line}: {what}" for line, what in expected]
    before = host.run("sha256sum", "/var/lib/devauth/accounts.cdb").stdout
    assert config(host, "check", text) == (1, [], expected)
    assert config(host, "check", user=NOBODY) == (1, [], expected)
    assert config(host, "apply") == (
        1, [], expected + ["devauth: nothing was applied"])
    assert host.run("sha256sum",
                    "/var/lib/devauth/accounts.cdb").stdout == before
    # On a host where nothing was ever applied as well.
    host.run("sh", "-c", "rm /var/lib/devauth/accounts.cdb "
             "/var/lib/devauth/generation", check=True)
    assert config(host, "check") == (1, [], expected)


def test_numbers_of_groups_stay_taken(host):
    assert config(host, "apply", PROFILE + "[group ops]\ngid = 7001\n"
                  "from = a\n") == (0, [], [])
    assert config(host, "check", PROFILE + "[group ops]\ngid = 7002\n"
                  "from = a\n") == (1, [], [
        f"devauth: {CONF}:6: ops has gid 7001, not 7002, and ids never "
        "change: put gid = 7001 back, or give the group another name"])
    assert config(host, "apply", PROFILE) == (0, [], [])
    text = PROFILE + "[group other]\nfrom = a\ngid = 7001\n"
    status, _, err = config(host, "check", text)
    assert status == 1 and err == [
        f"devauth: {CONF}:7: other: the number 7001 belongs to ops in "
        "accounts.cdb, which was removed and keeps it; give the group another "
        "gid"]


@pytest.mark.parametrize("head, tail, line, says", [
    ("", "scope = profile email\n", 5, "[profile test] scope: without "
     '"openid"'),
    ("[devauth]\nhome = /srv/people\n", "", 2, "home: without %u everybody "
     "gets the same home, /srv/people"),
    ("[devauth]\nlogin_deadline = 5min\n", "", 2, "login_deadline: sshd "
     "hangs up after 120s (LoginGraceTime, by default)"),
    ("", "[service su]\n", 5, "[service su] asks for nothing"),
    ("", "[service ssh]\nallowed_users = a\n", 5, "[service ssh] binds "
     "nobody: there is no /etc/pam.d/ssh"),
    ("", "[service sshd]\nreauth = never\n", 5, "[service sshd] reauth is "
     "for sudo and su"),
    ("", "[account root]\nsubjects = https://elsewhere.example#1\n", 6,
     "[account root] subjects: no profile has the issuer of "
     "https://elsewhere.example#1"),
    ("", "[account deplyo]\npeople = alice\n", 5, "[account deplyo]: there "
     "is no such account in /etc/passwd; devauth makes one"),
])
def test_check_warns(host, head, tail, line, says):
    """What is allowed, and hardly meant."""
    status, out, err = config(host, "check", head + PROFILE + tail)
    assert status == 0 and ": fine" in out[0]
    warnings = [text for text in err if "warning: " in text]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"devauth: warning: {CONF}:{line}: {says}")


def test_what_stands_in_no_line_has_none(host):
    """Nor is there a line 0."""
    assert config(host, "check", "") == (
        1, [], [f"devauth: {CONF}: no [profile NAME] section; add one for "
                "your provider"])
    host.write("/etc/ssh/sshd_config.d/grace.conf", "LoginGraceTime 60\n")
    host.run("sed", "-i", "/bash/d", "/etc/shells", check=True)
    status, _, err = config(host, "check", PROFILE)
    assert status == 1
    assert [line.partition(CONF)[2][:16] for line in err] == [
        ": the shell /bin", ": login_deadline"]


def test_strange_bytes_are_escaped_once(host):
    host.run("sh", "-c", rf"printf '[devauth]\n\303 = x\n' >{CONF}", check=True)
    assert f'devauth: {CONF}:2: unknown key "\\xc3"; remove it' in config(
        host, "check")[2]


def test_check_of_what_is_no_file(host):
    host.run("sh", "-c", f"rm {CONF}; mkdir {CONF}", check=True)
    assert config(host, "check") == (
        1, [], [f"devauth: {CONF}: not a regular file"])


def test_check_warns_of_profiles_without_a_default(host):
    second = PROFILE.replace("[profile test]", "[profile other]")
    warning = [f"devauth: warning: {CONF}: several profiles and no "
               "default_profile: people are refused wherever the PAM line has "
               "no profile=NAME"]
    assert config(host, "check", PROFILE + second)[::2] == (0, warning)
    assert config(host, "check", "[devauth]\ndefault_profile = other\n" +
                  PROFILE + second)[::2] == (0, [])


def test_nobody_gets_a_reserved_account(host):
    status, out, err = config(
        host, "check", PROFILE + "[account wheel]\npeople = alice\n")
    assert status == 1 and out == []
    assert err[0].startswith(f"devauth: {CONF}:5: [account wheel]: ")
    assert "reserved" in err[0]


def test_the_deadline_is_compared_with_what_sshd_has(host):
    text = "[devauth]\nlogin_deadline = 5min\n" + PROFILE
    for value, warned in (("10m", False), ("0", False), ("600", False),
                          ("300", True), ("60", True)):
        host.write("/etc/ssh/sshd_config.d/grace.conf",
                   f"# LoginGraceTime 1\nlogingracetime {value}\n")
        status, _, err = config(host, "check", text)
        assert status == 0
        assert any("login_deadline" in line for line in err) == warned, value
    # Nobody signs in through sshd then.
    status, _, err = config(host, "check", text + "[devauth]\nremote = deny\n")
    assert not any("login_deadline" in line for line in err)


def test_an_account_that_devauth_made_is_there(host):
    text = PROFILE + "[account ada]\npeople = alice\n"
    assert config(host, "apply", text)[0] == 0
    assert "[account ada]" in config(host, "check")[2][0]
    host.run("devauth", "accounts", "add", "ada", check=True)
    assert config(host, "check")[2] == []


def test_what_only_root_can_read_is_named(host):
    host.write("/etc/devauth/secret", "s3cret\n", 0o600)
    host.write("/etc/devauth/ca.pem", "-----BEGIN CERTIFICATE-----\n", 0o600)
    config(host, "apply", PROFILE + "client_auth = client_secret_basic\n"
           "client_secret_file = /etc/devauth/secret\n"
           "ca_file = /etc/devauth/ca.pem\n")
    assert config(host, "check") == (0, [f"{CONF}: fine (1 profile)"], [])
    assert config(host, "check", user=NOBODY) == (0, [
        f"{CONF}: fine (1 profile), except what only root can read: "
        "/etc/devauth/ca.pem /etc/devauth/secret"], [])


def test_only_root_applies(host):
    """Whatever the file says: the cure for that would not help."""
    for text in (None, "nonsense\n"):
        assert config(host, "apply", text, NOBODY) == (
            1, [], ["devauth: only root may do that; run this as root"])


def test_a_missing_file_says_what_to_do(host):
    host.run("rm", CONF, check=True)
    for verb in ("check", "dump", "apply"):
        status, out, err = config(host, verb)
        assert status == 1 and out == [] and len(err) == 1
        assert f"there is no {CONF}; copy " in err[0]
    example = err[0].split("copy ")[1].split(" there")[0]
    assert host.run("test", "-f", example).returncode == 0


def test_homes_that_move_are_named(host):
    """Files are the administrator's to move."""
    config(host, "apply", PROFILE)
    for name in ("alice", "bob"):
        host.run("devauth", "accounts", "add", name, check=True)
    host.run("devauth", "accounts", "add", "carol", "--home", "/srv/carol",
             check=True)
    moves = ["  alice: /srv/alice, before that /home/alice",
             "  bob: /srv/bob, before that /home/bob"]
    status, out, err = config(
        host, "check", "[devauth]\nhome = /srv/%u\n" + PROFILE)
    assert status == 0 and ": fine" in out[0]
    assert err[1:4] == ["It gives 2 people another home:", *moves]
    status, out, err = config(host, "apply")
    assert status == 0 and err == []
    assert out[:3] == ["2 people have another home now:", *moves]
    assert out[3].startswith("Files are not moved")
    assert config(host, "apply") == (0, [], [])
    # A fleet has thousands.
    for i in range(12):
        host.run("devauth", "accounts", "add", f"p{i}", check=True)
    status, out, _ = config(
        host, "apply", "[devauth]\nhome = /home/%u\n" + PROFILE)
    assert out[0] == "15 people have another home now:"
    assert out[11] == "  and 5 more"


VERBS = ["list", "show", "test", "add", "lock", "unlock", "rename", "relink",
         "remove", "restore", "export", "import", "check", "rebuild"]


def test_help(host):
    """On standard output, for anybody, and nothing is done."""
    commands = [(), ("config",), ("accounts",)]
    commands += [("config", verb) for verb in ("check", "dump", "apply")]
    commands += [("accounts", verb) for verb in VERBS]
    script = "".join(
        f"devauth {' '.join(command)} {flag} || echo failed\n"
        for command in commands for flag in ("-h", "--help"))
    result = host.run(*NOBODY, "sh", "-c", script)
    assert result.stderr == "" and "failed" not in result.stdout
    assert result.stdout.count("usage: devauth ") == 2 * len(commands)
    for verb in VERBS:
        assert f"usage: devauth accounts {verb}" in result.stdout
    # Behind a name as well; but not where it is one.
    assert host.run("devauth", "accounts", "lock", "alice",
                    "--help").stdout.startswith("usage: ")
    assert host.run("devauth", "accounts", "lock", "help").stdout.startswith(
        "help is locked")


@pytest.mark.parametrize("arguments", [
    ("accounts", "lock", "--", "alice"), ("accounts", "show", "--", "alice"),
    ("accounts", "show", "--json", "--", "alice"),
    ("accounts", "rename", "--", "alice", "alicia"), ("config", "check", "--"),
    ("config", "dump", "--explain", "--"), ("accounts", "list", "--"),
    ("accounts", "add", "--uid", "70000", "--", "bob")])
def test_the_end_of_options(host, arguments):
    host.run("devauth", "accounts", "add", "alice", check=True)
    result = host.run("devauth", *arguments)
    assert result.returncode == 0 and result.stdout != ""


def test_a_beginning_of_two_options_is_none(host):
    """getopt takes a beginning that only one option has; --shell and --subject
    begin alike."""
    result = host.run("devauth", "accounts", "add", "alice", "--s", "/bin/sh")
    assert result.returncode == 2 and result.stdout == ""
    assert host.run("getent", "passwd", "alice").stdout == ""
