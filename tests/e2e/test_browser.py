"""A person's own view: a real browser, a real terminal, and what is on them.

Pictures of all of it are kept in the build folder, in screenshots/.
"""

import os
import shlex
import shutil
import subprocess

import pytest

from approve import Idp, PageError
from browser import Browser
from host import wait_until
from relying_party import Api

PROMPT = "Press Enter once you have approved: "
SECOND_FACTOR = "urn:example:acr:second-factor"
# As long as a host may make them.
LONG_NAME = ("alice.lindqvist-administrator@" + "build-server" * 4
             + ".production.europe-north.example.com (sudo, from "
             "2001:db8:1234:5678:9abc:def0:1234:5678)")
OTHER_FORM = "who/" + "knows" * 20 + " <b>&amp; \u202ewhat\u202c"


@pytest.fixture
def pictures(build):
    folder = os.path.join(build, "screenshots")
    os.makedirs(folder, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def chromium(idp_process):
    with Browser(idp_process.ca_file) as browser:
        yield browser


@pytest.fixture
def browser(chromium):
    """The browser, signed out, with a light desktop."""
    chromium.forget()
    chromium.resize("desktop")
    chromium.dark(False)
    return chromium


def link(client):
    """The address in the QR code."""
    return f"{client.address}?user_code={client.code}"


def confirmation_is_that_of(client, browser, person):
    """The page says what the terminal says, and where a person can read it."""
    assert "Sign in to web1 as alice, from 127.0.0.1" in client.screen
    assert person.read_confirmation() == {
        "account": "alice", "host": "web1", "service": "sshd",
        "source": "127.0.0.1", "code": client.code, "signed_in_as": "alice"}
    for part in ("Sign in to web1?", "alice", "Remote login (SSH)",
                 "127.0.0.1", client.code, "alice@example.com"):
        assert part in browser.text


@pytest.mark.parametrize("size", ["desktop", "phone"])
def test_approve(idp, login, browser, size):
    """By the link, as from the QR code; a phone's screen too."""
    browser.resize(size)
    client = login("alice").expect_code()
    person = browser.person("alice")
    person.arrive(link(client))
    confirmation_is_that_of(client, browser, person)
    assert browser.overhang() == 0
    assert person.press("approve").kind == "approved"
    assert "web1" in browser.text
    client.press_enter()
    text = client.rest()
    assert "alice" in text and client.status == 0


def test_deny(login, browser):
    client = login("alice").expect_code()
    outcome = browser.person("alice").deny(link(client))
    assert outcome.result == "denied"
    client.press_enter()
    text = client.rest()
    assert "The sign-in was denied. Connect again for a new code." in text
    assert client.status == 255


def test_code_by_hand_and_no_mouse(login, browser):
    """Typed carelessly; Tab, letters and Enter are all that is used."""
    client = login("alice").expect_code()
    person = browser.person("alice", keyboard=True)
    sloppy = client.code.lower().replace("-", "")
    person.arrive(client.address, sloppy)
    confirmation_is_that_of(client, browser, person)
    assert person.press("approve").kind == "approved"
    client.press_enter()
    assert "alice" in client.rest() and client.status == 0


def test_another_ca_is_refused(idp, tmp_path):
    """The browser really checks certificates."""
    with Idp(str(tmp_path / "other")) as other, \
            Browser(other.ca_file) as browser:
        assert browser.open(other.issuer + "/").kind == "home"
        with pytest.raises(PageError, match="ERR_CERT_AUTHORITY_INVALID"):
            browser.open(idp.issuer + "/device")
    assert idp.control.requests() == []


def every_page(idp, browser):
    """Leads the browser from page to page: yields a name for the picture, and
    the kind of page that it shows."""
    api, person = Api(idp), browser.person("alice")

    def start(**more):
        started = api.start(**more)
        return started["verification_uri_complete"], started["user_code"]

    person.open(idp.issuer + "/")
    yield "start", "home"
    person.open(idp.issuer + "/device")
    yield "code", "enter-code"
    person.submit_code("bcdf ghjk")
    yield "code-wrong", "enter-code"

    address, code = start(acr_values=SECOND_FACTOR)
    person.open(address)
    yield "code-in-link", "enter-code"
    person.submit_code()
    yield "sign-in", "sign-in"
    person.submit("password", username="alice", password="wrong")
    yield "sign-in-wrong", "sign-in"
    person.submit("password", username="alice", password="alice-password")
    yield "second-factor", "second-factor"
    person.submit("otp", otp="000000")
    yield "second-factor-wrong", "second-factor"
    person.submit("otp", otp=person.otp)
    yield "confirm", "confirm"
    person.press("approve")
    yield "approved", "approved"
    person.arrive(address)
    yield "already-used", "already-used"

    address, code = start(device_name=LONG_NAME)
    person.arrive(address)
    yield "confirm-long", "confirm"
    person.press("deny")
    yield "denied", "denied"

    address, code = start(device_name=OTHER_FORM)
    person.arrive(address)
    yield "confirm-other", "confirm"
    idp.control.expire(code)
    person.press("approve")
    yield "expired", "expired"

    person.open(start()[0])
    browser.forget()
    person.submit_code()
    yield "open-too-long", "stale"
    person.open(idp.issuer + "/nowhere")
    yield "no-such-page", "not-found"

    stranger = idp.person()
    stranger.open(idp.issuer + "/device")
    while stranger.page.kind == "enter-code":
        stranger.submit_code("BCDF-GHJK")
    person.open(idp.issuer + "/device")
    person.submit_code("BCDF-GHJK")
    yield "too-many", "too-many"


def test_every_page(idp, browser, pictures):
    """Each fits on the screen, whatever its width; pictures of all."""
    for number, (name, kind) in enumerate(every_page(idp, browser), 1):
        assert browser.page().kind == kind, name
        for size, dark in (("phone", False), ("phone", True),
                           ("desktop", False)):
            browser.resize(size)
            browser.dark(dark)
            assert browser.overhang() == 0, (name, size)
            look = size + ("-dark" if dark else "")
            browser.screenshot(f"{pictures}/{number:02}-{name}-{look}.png")


@pytest.fixture
def display():
    """An X server without a screen; the display's name."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1400x1200x24",
         "-nolisten", "tcp"], pass_fds=[write], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(write)
    with open(read, encoding="ascii") as number:
        yield ":" + number.readline().strip()
    server.terminate()
    server.wait()


class Terminal:
    """xterm with a command in it. What the command writes is in `output`."""

    COLOURS = {"dark": ("#101418", "#e6e8ec"), "light": ("#ffffff", "#1a1d22")}

    def __init__(self, display, size, look, command, folder):
        self.display = display
        self._output, self._window = folder / "output", folder / "window"
        back, ink = self.COLOURS[look]
        inside = (f'echo "$WINDOWID" >{self._window}; exec script -qfec '
                  f'{shlex.quote(shlex.join(command))} {self._output}')
        self.process = subprocess.Popen(
            ["xterm", "-u8", "-geometry", size, "-fa", "DejaVu Sans Mono",
             "-fs", "11", "-bg", back, "-fg", ink, "+sb", "-b", "8",
             "-e", "sh", "-c", inside],
            env={"PATH": os.environ["PATH"], "HOME": str(folder),
                 "SHELL": "/bin/sh", "LANG": "C.UTF-8", "DISPLAY": display})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    @property
    def output(self):
        if not self._output.exists():
            return ""
        return self._output.read_text(encoding="utf-8", errors="replace")

    def screenshot(self, path):
        """Once everything is painted: two pictures on end are the same."""
        def settled():
            before = path.read_bytes() if path.exists() else None
            subprocess.run(["import", "-display", self.display, "-window",
                            self._window.read_text().strip(), str(path)],
                           check=True)
            return path.read_bytes() == before
        wait_until(settled, what="the terminal has painted")


def qr_codes(path, *options):
    result = subprocess.run(["zbarimg", "-q", "--raw", *options, str(path)],
                            capture_output=True, text=True, check=False)
    return result.stdout.split()


@pytest.mark.parametrize("size", ["80x24", "100x40"])
@pytest.mark.parametrize("look", ["dark", "light"])
def test_terminal(host, idp, display, tmp_path, pictures, size, look):
    """The QR code can be read off a real terminal; nothing runs over, and
    address and code stay on its screen."""
    columns, rows = map(int, size.split("x"))
    command = [part.replace("@127.0.0.1", "@localhost")
               for part in host.ssh_command("alice")]
    picture = tmp_path / "terminal.png"
    with Terminal(display, size, look, command, tmp_path) as terminal:
        wait_until(lambda: PROMPT in terminal.output, 20, "the prompt")
        terminal.screenshot(picture)
        # The first line is that of script(1).
        lines = terminal.output.splitlines()[1:]
    shutil.copy(picture, f"{pictures}/terminal-{size}-{look}.png")
    assert max(map(len, lines)) <= columns
    on_screen = "\n".join(lines[-rows:])
    code = idp.control.wait_for_code()["user_code"]
    assert f"Open   {idp.issuer}/device" in on_screen
    assert f"Enter  {code}" in on_screen
    # Light modules are drawn in the colour of the text: on a light terminal
    # the code is a negative, which phones read and zbarimg does when told to.
    options = ["-Stest-inverted=1"] if look == "light" else []
    assert qr_codes(picture, *options) == [
        f"{idp.issuer}/device?user_code={code}"]
