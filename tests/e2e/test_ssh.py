"""Logins with a real sshd and a real ssh, from the code to the shell."""

import os
import re
import signal
import time

import paramiko
import pexpect
import pytest

from host import wait_until

# Only a final refusal keeps sshd's client from asking again.
ONCE = ("-o", "NumberOfPasswordPrompts=1")

UID_MIN, UID_MAX = 1879048192, 2147352575


def nothing_written(host):
    """What a refused login must not leave behind."""
    assert host.listing("/var/lib/devauth/people") == []
    assert host.listing("/var/cache/devauth") == []
    assert host.run("getent", "passwd", "alice").stdout == ""


def only_audit(host, phase="auth"):
    lines = [line for line in host.audit() if line["event"] == phase]
    assert len(lines) == 1
    return lines[0]


def test_never_seen_person(host, idp, login):
    """The main job: alice, whom no file knows, gets a shell."""
    assert host.run("getent", "passwd", "alice").stdout == ""
    client = login("alice", "id; echo HOME=$HOME; env; pwd").expect_code()
    assert "Sign in to web1 as alice, from 127.0.0.1" in client.screen
    assert re.search(r"good until \d\d:\d\d:\d\d [A-Z]+\r", client.screen)
    assert "\u2588" in client.screen and "\u2580" in client.screen
    outcome = idp.person("alice").approve(client.address, client.code)
    assert outcome.result == "approved"
    facts = " ".join(str(value) for value in outcome.confirmation.values())
    for part in ("web1", "alice", "127.0.0.1", "sshd"):
        assert part in facts
    client.press_enter()
    text = client.rest()
    assert client.status == 0
    uid = int(re.search(r"uid=(\d+)\(alice\) gid=(\d+)\(alice\)",
                        text).group(1))
    assert UID_MIN <= uid <= UID_MAX
    assert "HOME=/home/alice" in text
    assert "DEVAUTH_GRANT" not in text
    entry = host.run("getent", "passwd", "alice").stdout.strip().split(":")
    assert entry[0] == "alice" and entry[1] == "*"
    assert int(entry[2]) == int(entry[3]) == uid
    assert entry[5:] == ["/home/alice", "/bin/bash"]
    host.all_revoked(idp)
    record = only_audit(host)
    assert record["result"] == "allowed" and record["user"] == "alice"
    assert record["rhost"] == "127.0.0.1" and record["subject"]
    assert only_audit(host, "account")["result"] == "allowed"
    # What is there for the "devauth" command leads through the log.
    session = re.search(r"DEVAUTH_SESSION=([\w-]+)", text).group(1)
    assert [(line["event"], line["result"], line.get("session"))
            for line in host.audit()] == [
        ("auth", "allowed", None), ("account", "allowed", None),
        ("open", "allowed", session), ("close", "allowed", session),
        ("revoke", "done", session)]
    for event in ("open", "revoke"):
        line = only_audit(host, event)
        assert all(line[key] == record[key] for key in (
            "user", "service", "rhost", "issuer", "subject"))
    assert client.code not in host.log()


def test_second_login_makes_no_extra_request(host, idp, login):
    """Discovery and keys are cached on disk: one request and the polls."""
    for number in range(2):
        idp.control.reset()
        client = login("alice").expect_code()
        idp.control.approve("alice", client.code)
        client.press_enter()
        assert "alice" in client.rest()
        host.all_revoked(idp)
        others = [request["path"] for request in idp.control.requests()
                  if request["endpoint"] != "token"]
        # The logout's own request comes last.
        if number == 0:
            assert sorted(others[:-1]) == [
                "/.well-known/openid-configuration",
                "/device_authorization", "/jwks"]
            assert others[-1] == "/revoke"
        else:
            assert others == ["/device_authorization", "/revoke"]


def test_uid_stays(host, idp, login):
    uids = set()
    for _ in range(2):
        client = login("alice", "id -u").expect_code()
        idp.control.approve("alice", client.code)
        client.press_enter()
        uids.add(re.search(r"\b(1[89]|2[01])\d{8}\b", client.rest()).group(0))
    assert len(uids) == 1


def test_enter_after_approval_is_immediate(host, idp, login):
    client = login("alice").expect_code()
    idp.control.approve("alice", client.code)
    wait_until(lambda: any(
        request["path"] == "/token" and request["status"] == 200
        for request in idp.control.requests()), what="the approval is seen")
    polls = len(idp.control.requests("token"))
    client.press_enter()
    assert "alice" in client.rest()
    # The answer was here already: Enter cost no further request.
    assert len(idp.control.requests("token")) == polls


def test_enter_before_approval_waits(host, idp, login):
    client = login("alice").expect_code()
    client.press_enter()
    time.sleep(1.5)
    assert client.child.isalive()
    idp.control.approve("alice", client.code)
    assert "alice" in client.rest()
    assert client.status == 0


def test_shell_greets(host, idp, login):
    """sshd keeps the last line for interactive shells."""
    client = login("alice", command=None).expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    client.child.expect_exact("Signed in as alice@example.com.")
    client.child.send("exit 7\r")
    assert "Signed in as" not in client.rest()
    assert client.status == 7


def test_denied(host, idp, login):
    client = login("alice").expect_code()
    assert idp.person("alice").deny(client.address, client.code).result == \
        "denied"
    client.press_enter()
    text = client.rest()
    assert "The sign-in was denied." in text
    assert client.status == 255
    # A final refusal: sshd must not start a second device flow.
    assert len(idp.control.requests("device_authorization")) == 1
    host.nothing_left(2)
    nothing_written(host)
    assert only_audit(host)["reason"] == "denied"


def test_expired_by_the_provider(host, idp, login):
    client = login("alice").expect_code()
    idp.control.expire(client.code)
    client.press_enter()
    assert "Not approved in time." in client.rest()
    assert only_audit(host)["reason"] == "expired"
    host.nothing_left(2)
    nothing_written(host)


def test_expired_by_our_own_clock(host, idp, login):
    """A provider that never says expired: the host stops by itself."""
    host.configure(idp, devauth={"login_deadline": "20s"})
    started = time.monotonic()
    client = login("alice").expect_code()
    client.press_enter()
    client.child.timeout = 30
    text = client.rest()
    assert "Not approved in time." in text
    assert 19 < time.monotonic() - started < 25
    assert only_audit(host)["reason"] == "not-in-time"
    host.nothing_left(2)


def test_wrong_person(host, idp, login):
    """N1: mallory's approval is no way into alice's account."""
    client = login("alice").expect_code()
    idp.control.approve("bob", client.code)
    client.press_enter()
    text = client.rest()
    assert "bob@example.com may not log in as alice." in text
    assert client.status == 255
    assert only_audit(host)["reason"] == "wrong-person"
    host.all_revoked(idp)
    assert only_audit(host, "revoke")["result"] == "done"
    nothing_written(host)


def test_not_in_an_allowed_group(host, idp, login):
    client = login("carol").expect_code()
    idp.control.approve("carol", client.code)
    client.press_enter()
    text = client.rest()
    assert ("carol@example.com may not log in here as carol. Ask your "
            "administrator (rule: allowed_groups).") in text
    assert only_audit(host)["reason"] == "not-allowed"
    host.all_revoked(idp)
    assert only_audit(host, "revoke")["result"] == "done"
    nothing_written(host)


def test_name_that_cannot_succeed_sees_no_code(host, idp, login):
    """N17: with a list of users, other names cause no request at all."""
    host.configure(idp, allowed_users="alice", allowed_groups=None)
    client = login("nobodyknows")
    text = client.rest()
    assert "Open " not in text
    assert client.status == 255
    assert idp.control.requests() == []
    assert "nobodyknows" not in " ".join(map(str, host.audit()))
    # alice is on the list.
    client = login("alice").expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    assert "alice" in client.rest()


@pytest.mark.parametrize("name", ["1234", "UPPER", "al.ice", "a" * 40])
def test_unusable_names(host, idp, login, name):
    client = login(name)
    assert "Open " not in client.rest()
    assert client.status == 255
    assert idp.control.requests() == []


def test_subject_changes_hands(host, idp, login):
    """N4: the same name with another subject is refused."""
    client = login("alice").expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    assert "alice" in client.rest()
    before = host.listing("/var/lib/devauth/people")
    idp.control.quirks(claims={"alice": {"sub": "somebody-new"}})
    client = login("alice").expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    text = client.rest()
    assert "The name alice belongs to another identity on this host." in text
    assert client.status == 255
    assert host.decisions()[-1]["reason"] == "subject-changed"
    assert host.listing("/var/lib/devauth/people") == before
    host.all_revoked(idp, 2)


def test_client_gone(host, idp, login):
    """D6: no process of ours and no poll within a second."""
    client = login("alice").expect_code()
    assert len(host.helpers()) == 2
    client.child.kill(signal.SIGKILL)
    wait_until(lambda: not host.helpers(), 1, "our processes are gone")
    polls = len(idp.control.requests("token"))
    time.sleep(2.5)
    assert len(idp.control.requests("token")) == polls
    idp.control.approve("alice", client.code)
    time.sleep(1.5)
    assert len(idp.control.requests("token")) == polls
    wait_until(lambda: host.audit(), what="the audit line")
    assert only_audit(host)["result"] == "cancelled"
    nothing_written(host)


def test_interrupted(host, idp, login):
    """Ctrl-C at the prompt ends the client, and with it everything."""
    client = login("alice").expect_code()
    client.child.sendintr()
    client.rest()
    wait_until(lambda: not host.helpers(), 1, "our processes are gone")
    nothing_written(host)


@pytest.mark.parametrize("name", ["devauth-broker", "devauth-worker"])
def test_helper_killed(host, idp, login, name):
    """A dead broker or worker refuses, with a text, and leaves nothing."""
    client = login("alice", options=ONCE).expect_code()
    for pid in host.processes(name):
        host.run("kill", "-KILL", str(pid))
    client.press_enter()
    text = client.rest()
    assert "Sign-in does not work on this host now." in text
    assert client.status == 255
    host.nothing_left(2)
    nothing_written(host)


def test_provider_down(host, idp, login):
    """Nobody listens: a reason, no code, at once."""
    host.configure(idp, issuer="https://localhost:1")
    started = time.monotonic()
    client = login("alice", options=ONCE)
    text = client.rest()
    assert "Cannot reach localhost (connection refused)." in text
    assert "Local accounts still work." in text
    assert time.monotonic() - started < 10
    assert host.audit()[0]["reason"] == "unreachable"
    host.nothing_left(2)
    nothing_written(host)


def test_provider_stalls(host, idp, login):
    host.configure(idp, request_timeout="2s")
    idp.control.quirks(stall=["device_authorization"])
    client = login("alice", options=ONCE)
    started = time.monotonic()
    text = client.rest()
    assert "Cannot reach localhost (no answer in time)." in text
    assert time.monotonic() - started < 8


def test_broken_answer(host, idp, login):
    idp.control.quirks(endpoint={
        "device_authorization": {"body": "<html>sorry</html>"}})
    client = login("alice", options=ONCE)
    text = client.rest()
    assert "localhost sent an answer that cannot be used" in text
    assert "sorry" not in text
    assert host.audit()[0]["reason"] == "bad-answer"
    nothing_written(host)


def test_slow_down_is_obeyed(host, idp, login):
    """RFC 8628 3.5: five seconds more for every poll from then on."""
    idp.control.quirks(slow_down=1)
    client = login("alice").expect_code()
    client.press_enter()
    wait_until(lambda: len(idp.control.requests("token")) >= 2, 15,
               "two polls")
    idp.control.approve("alice", client.code)
    assert "alice" in client.rest()
    times = [request["time"] for request in idp.control.requests("token")]
    assert times[1] - times[0] >= 6


def test_two_logins_at_once(host, idp, login):
    """D8: approving one code completes that login only."""
    first = login("alice").expect_code()
    second = login("alice").expect_code()
    assert first.code != second.code
    idp.control.approve("alice", second.code)
    second.press_enter()
    assert "alice" in second.rest()
    first.press_enter()
    time.sleep(1.5)
    assert first.child.isalive()
    idp.control.approve("alice", first.code)
    assert "alice" in first.rest()
    host.all_revoked(idp, 2)


def key_for(host, user, folder):
    """Gives the user an SSH key; returns the options that use it."""
    import subprocess
    path = str(folder / f"key-{user}")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path],
                   check=True)
    with open(path + ".pub", encoding="ascii") as file:
        host.write(f"/etc/ssh/keys/{user}", file.read())
    return ("-i", path)


def sign_in(idp, login, user="alice"):
    client = login(user).expect_code()
    idp.control.approve(user, client.code)
    client.press_enter()
    assert user in client.rest()


def test_publickey_first(host, idp, login, tmp_path):
    """D9: without a proved key not one request leaves the host."""
    host.configure(idp, devauth={"remote": "publickey-first"})
    client = login("alice")
    assert "Open " not in client.rest()
    assert client.status == 255
    assert idp.control.requests() == []
    assert host.audit()[0]["reason"] == "remote-policy"
    host.start_sshd(AuthenticationMethods="publickey,keyboard-interactive")
    client = login("alice", options=key_for(host, "alice", tmp_path))
    client.expect_code()
    idp.control.approve("alice", client.code)
    client.press_enter()
    assert "alice" in client.rest()
    assert client.status == 0


def test_remote_deny(host, idp, login):
    host.configure(idp, devauth={"remote": "deny"})
    client = login("alice")
    assert "Open " not in client.rest()
    assert idp.control.requests() == []


def test_key_of_a_person_never_seen(host, idp, login, tmp_path):
    """A key alone does not make a person; the text says what to do."""
    options = key_for(host, "alice", tmp_path)
    client = login("alice", options=options)
    text = client.rest()
    assert client.status != 0
    assert "has never signed in here" in text
    nothing_written(host)


def test_key_after_a_sign_in(host, idp, login, tmp_path):
    """P5: keys work while the person is allowed, and stop when not."""
    sign_in(idp, login)
    options = key_for(host, "alice", tmp_path)
    host.all_revoked(idp)
    idp.control.reset()
    client = login("alice", options=options)
    assert "alice" in client.rest() and client.status == 0
    assert idp.control.requests() == []
    # The rule goes: the key stops working, without any request.
    host.configure(idp, allowed_groups="somebody-else")
    client = login("alice", options=options)
    text = client.rest()
    assert "alice may not log in here any more." in text
    assert client.status != 0
    assert idp.control.requests() == []
    assert host.decisions()[-1]["event"] == "account"
    assert host.decisions()[-1]["result"] == "refused"


def test_password_method_and_batch_mode(host, idp, login):
    """T9: nobody could read a code: not one request."""
    host.start_sshd(PasswordAuthentication="yes")
    client = login("alice", options=(
        "-o", "PreferredAuthentications=password",
        "-o", "NumberOfPasswordPrompts=1"))
    client.child.expect_exact("password:")
    client.child.sendline("guess")
    client.rest()
    assert client.status == 255
    assert idp.control.requests() == []
    assert {line["reason"] for line in host.audit()} == {"no-terminal"}
    client = login("alice", options=("-o", "BatchMode=yes"))
    client.rest()
    assert idp.control.requests() == []


def test_local_account_is_untouched(host, idp, login, tmp_path):
    """N16: break-glass: a local account logs in whatever we are."""
    host.run("useradd", "-m", "-s", "/bin/bash", "breakglass", check=True)
    options = key_for(host, "breakglass", tmp_path)
    assert "breakglass" in login("breakglass", options=options).rest()
    host.write("/etc/devauth/devauth.conf", "[devauth]\nnonsense\n")
    assert "breakglass" in login("breakglass", options=options).rest()
    assert host.audit() == []


def test_P4_module_missing(host, idp, login, tmp_path):
    """Our people's keys stop working; local accounts get in by key and by
    password, through the lines that the documentation gives."""
    sign_in(idp, login)
    alice = key_for(host, "alice", tmp_path)
    host.run("useradd", "-m", "-s", "/bin/bash", "-p", host.run(
        "openssl", "passwd", "-6", "sesame").stdout.strip(), "breakglass",
        check=True)
    breakglass = key_for(host, "breakglass", tmp_path)
    host.run("sh", "-c", "rm /usr/lib/*/security/pam_devauth.so", check=True)
    client = login("alice", "echo let in", options=alice)
    assert "let in" not in client.rest() and client.status == 255
    client = login("alice", "echo let in", options=ONCE)
    assert "let in" not in client.rest() and client.status == 255
    client = login("breakglass", options=breakglass)
    assert "breakglass\r\n" in client.rest() and client.status == 0
    client = login("breakglass")
    client.child.expect_exact("Password: ")
    client.child.sendline("sesame")
    assert "breakglass\r\n" in client.rest() and client.status == 0


@pytest.mark.parametrize("text, says", [
    ("[devauth]\nremot = allow\n", "devauth.conf:2: unknown key \"remot\""),
    ("", "no [profile NAME] section"),
    (None, "there is no /etc/devauth/devauth.conf"),
])
def test_bad_configuration(host, idp, login, text, says):
    """File and line in the log, a refusal, no request."""
    if text is None:
        host.run("rm", "/etc/devauth/devauth.conf", check=True)
    else:
        host.write("/etc/devauth/devauth.conf", text)
    client = login("alice", options=ONCE)
    text = client.rest()
    assert "Sign-in does not work on this host now." in text
    assert client.status == 255
    assert host.audit()[0]["reason"] == "bad-configuration"
    assert says in host.log().replace("'", '"')
    assert idp.control.requests() == []
    nothing_written(host)


def test_writable_configuration_is_refused(host, idp, login):
    host.run("chmod", "0666", "/etc/devauth/devauth.conf", check=True)
    client = login("alice", options=ONCE)
    client.rest()
    assert client.status == 255
    assert "chmod it to 0644" in host.log()
    assert idp.control.requests() == []


def test_qr_can_be_turned_off(host, idp, login):
    host.pam("sshd", "qr=off")
    client = login("alice").expect_code()
    assert "\u2588" not in client.screen
    assert client.code and client.address


def test_unknown_module_argument(host, idp, login):
    """P2: a mistyped argument refuses; it never weakens in silence."""
    host.pam("sshd", "promt=none")
    client = login("alice", options=ONCE)
    assert "Sign-in is not set up correctly on this host." in client.rest()
    assert client.status == 255
    assert "unknown argument 'promt=none'" in host.log()
    assert idp.control.requests() == []


@pytest.mark.parametrize("client_id, method, secret", [
    ("devauth-basic", "client_secret_basic", None),
    ("devauth-post", "client_secret_post", None),
])
def test_client_authentication(host, idp, login, client_id, method, secret):
    from idp.accounts import CLIENTS
    secret = CLIENTS[client_id]["secret"]
    host.write("/etc/devauth/secret", secret + "\n", 0o600)
    host.configure(idp, client_id=client_id, client_auth=method,
                   client_secret_file="/etc/devauth/secret")
    sign_in(idp, login)
    assert secret not in host.log()


def test_hostile_strings_never_reach_the_terminal(host, idp, login):
    """T1, T5: fixed texts only, whatever the provider says."""
    idp.control.quirks(endpoint={"device_authorization": {
        "merge": {"user_code": "AB\u001b]0;x\u0007CD"}}})
    client = login("alice", options=ONCE)
    text = client.rest()
    assert "Open " not in text and "\x1b]0" not in text
    assert "cannot be used" in text


def test_ctrl_d_at_the_prompt(host, idp, login):
    """ssh answers with an empty line, as for Enter: nothing is lost."""
    client = login("alice").expect_code()
    client.child.sendeof()
    time.sleep(1)
    assert client.child.isalive()
    idp.control.approve("alice", client.code)
    assert "alice" in client.rest()


def test_too_many_codes(host, idp, login):
    """X1: a source that keeps asking for codes is refused, without a request."""
    host.configure(idp)
    for number in range(10):
        client = login("alice").expect_code()
        client.child.close(force=True)
    wait_until(lambda: not host.helpers(), 2, "our processes are gone")
    made = len(idp.control.requests("device_authorization"))
    client = login("alice", options=ONCE)
    text = client.rest()
    assert "Open " not in text
    assert "Sign-in is not possible here for this name." in text
    assert host.decisions()[-1]["reason"] == "rate-limited"
    assert len(idp.control.requests("device_authorization")) == made == 10
    # Somebody else from the same place is not concerned.
    assert login("bob").expect_code().code


def test_cached_documents_that_no_longer_fit_are_forgotten(host, idp, login):
    """The provider moved an endpoint: one login fails, the next one works."""
    sign_in(idp, login)
    for path in host.listing("/var/cache/devauth"):
        if path.endswith(".metadata"):
            host.run("sed", "-i", "s,/device_authorization,/moved,", path,
                     check=True)
    client = login("alice", options=ONCE)
    assert "Open " not in client.rest()
    idp.control.reset()
    sign_in(idp, login)


# T6: other clients. The code is there before the first poll, which the provider
# wants three seconds later.

def test_T6_openssh(host, idp, login):
    idp.control.quirks(interval=3)
    client = login("alice").expect_code()
    assert idp.control.requests("token") == []
    idp.control.approve("alice", client.code)
    client.press_enter()
    assert "alice\r\n" in client.rest() and client.status == 0


def test_T6_paramiko(host, idp):
    idp.control.quirks(interval=3)
    seen = []

    def answer(title, instructions, prompts):
        text = title + instructions + "".join(text for text, _ in prompts)
        code = re.search(r"Enter  (\S+)", text)
        if code:
            seen.append((code.group(1), idp.control.requests("token")))
            idp.control.approve("alice", code.group(1))
        return ["" for _ in prompts]

    with paramiko.Transport(("127.0.0.1", host.sshd_port)) as transport:
        transport.start_client(timeout=10)
        transport.auth_interactive("alice", answer)
        channel = transport.open_session()
        channel.exec_command("id -un")
        assert channel.makefile().read() == b"alice\n"
    assert [polls for _, polls in seen] == [[]]


def test_T6_putty(host, idp, tmp_path):
    idp.control.quirks(interval=3)
    key = host.run("ssh-keygen", "-lf", "/etc/ssh/devauth_test_key",
                   check=True).stdout.split()[1]
    child = pexpect.spawn(
        "plink", ["-ssh", "-P", str(host.sshd_port), "-hostkey", key,
                  "alice@127.0.0.1", "id -un"],
        encoding="utf-8", timeout=20, dimensions=(60, 100),
        env={**os.environ, "LANG": "C.UTF-8", "HOME": str(tmp_path)})
    child.expect(r"Enter  (\S+)")
    code = child.match.group(1)
    child.expect_exact("Press Enter once you have approved:")
    assert idp.control.requests("token") == []
    idp.control.approve("alice", code)
    child.send("\r")
    if child.expect(["Press Return to begin session.", r"\nalice\r?\n"]) == 0:
        child.send("\r")
        child.expect(r"\nalice\r?\n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
