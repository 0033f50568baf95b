#!/usr/bin/python3
"""The person in front of the browser, for tests and the demonstration.

    Idp      runs devauth-idp in a state directory
    Control  speaks to its control socket
    Person   opens its pages, signs in, reads what is asked, and decides

Run as a program it is the person:

    approve.py --ca ca.pem --url https://localhost:8443/device?user_code=...
               --user alice --password alice-password [--deny]

It uses nothing but the pages' own forms over verified HTTPS, and only the
standard library.
"""

import argparse
import contextlib
import dataclasses
import html.parser
import http.client
import http.cookiejar
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

HERE = os.path.dirname(os.path.realpath(__file__))
PROGRAM = os.path.join(HERE, "devauth-idp")


class PageError(Exception):
    """A page that is not the expected one; says which it is."""


@dataclasses.dataclass
class Form:
    """A form of a page: where it goes, its fields, its buttons."""

    action: str
    method: str
    fields: dict = dataclasses.field(default_factory=dict)
    buttons: list = dataclasses.field(default_factory=list)  # (name, value)

    def has(self, name):
        return name in self.fields


class Page(html.parser.HTMLParser):
    """A page as a program sees it."""

    def __init__(self, url, status, headers, text):
        super().__init__()
        self.url, self.status, self.headers = url, status, headers
        self.html = text
        self.kind = None  # <main data-page="...">
        self.title = self.heading = self.problem = ""
        self.facts = {}  # data-field -> text, or data-value where there is one
        self.forms = []
        self._sinks = []  # (tag, function that takes the text)
        self._text = []  # of <main> alone
        self._in_main = False
        self.feed(text)
        self.close()
        self.text = " ".join("".join(self._text).split())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if tag == "main":
            self.kind = attrs.get("data-page")
            self._in_main = True
        elif tag == "form":
            self.forms.append(Form(attrs.get("action", ""),
                                   attrs.get("method", "get")))
        elif tag == "input" and self.forms:
            self.forms[-1].fields[attrs["name"]] = attrs.get("value", "")
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append(
                (attrs.get("name"), attrs.get("value")))
        self._open_sinks(tag, attrs)

    def _open_sinks(self, tag, attrs):
        def into(name):
            def add(data):
                setattr(self, name, getattr(self, name) + data)
            return add

        def fact(data):
            field = attrs["data-field"]
            self.facts[field] = self.facts.get(field, "") + data

        if tag in ("title", "style"):
            self._sinks.append((tag, into("title") if tag == "title"
                                else lambda data: None))
        elif tag == "h1":
            self._sinks.append((tag, into("heading")))
        elif "data-value" in attrs:
            self.facts[attrs["data-field"]] = attrs["data-value"]
        elif "data-field" in attrs:
            self._sinks.append((tag, fact))
        elif attrs.get("role") == "alert":
            self._sinks.append((tag, into("problem")))

    def handle_endtag(self, tag):
        self._in_main = self._in_main and tag != "main"
        if self._sinks and self._sinks[-1][0] == tag:
            self._sinks.pop()

    def handle_data(self, data):
        if self._sinks:
            self._sinks[-1][1](data)
        if self._in_main:
            self._text.append(data)

    def form(self, field):
        """The form that holds a field or a button of that name."""
        for form in self.forms:
            if form.has(field) or any(name == field
                                      for name, _ in form.buttons):
                return form
        raise PageError(f"no form with {field} on the page {self.kind!r}: "
                        f"{self.text[:200]}")


@dataclasses.dataclass
class Outcome:
    """How a person's visit ended."""

    result: str  # kind of the last page: approved, denied, expired, ...
    text: str  # its text
    confirmation: dict  # what the confirmation page said, see read_confirmation
    page: Page

    @property
    def ok(self):
        return self.result in ("approved", "denied")


class Person:
    """Somebody with a browser, an account and a password."""

    def __init__(self, ca_file, username, password=None, otp="246810"):
        self.username = username
        self.password = f"{username}-password" if password is None else password
        self.otp = otp
        self.page = None
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),  # whatever the environment says
            urllib.request.HTTPSHandler(
                context=ssl.create_default_context(cafile=ca_file)),
            urllib.request.HTTPCookieProcessor(self.cookies))

    # -- step by step

    def open(self, url, data=None):
        """Go to an address; every status is a page, as in a browser."""
        request = urllib.request.Request(
            url, None if data is None else
            urllib.parse.urlencode(data).encode(),
            headers={"Accept": "text/html"})
        try:
            answer = self._opener.open(request, timeout=10)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            self.page = Page(answer.url, answer.status, answer.headers,
                             answer.read().decode())
        return self.page

    def submit(self, field, **typed):
        """Fill in and send the form that holds `field`."""
        form = self.page.form(field)
        unknown = set(typed) - set(form.fields) - {
            name for name, _ in form.buttons}
        if unknown:
            raise PageError(f"the form lacks {', '.join(sorted(unknown))}")
        url = urllib.parse.urljoin(self.page.url, form.action)
        fields = {**form.fields, **typed}
        if form.method == "get":
            return self.open(f"{url}?{urllib.parse.urlencode(fields)}")
        return self.open(url, fields)

    def submit_code(self, code=None):
        """On the code page: send the code, or what stands there already."""
        return self.submit(
            "user_code", **({} if code is None else {"user_code": code}))

    def sign_in(self):
        """On the sign-in page, and on that of the second factor."""
        if self.page.kind == "sign-in":
            self.submit("password", username=self.username,
                        password=self.password)
        if self.page.kind == "second-factor":
            self.submit("otp", otp=self.otp)
        return self.page

    def read_confirmation(self):
        """What the confirmation page says: host, account, service, source or
        terminal (or raw, for a text of another form), code, signed_in_as."""
        if self.page.kind != "confirm":
            raise PageError(f"this is the page {self.page.kind!r}: "
                            f"{self.page.problem or self.page.text[:200]}")
        return dict(self.page.facts)

    def press(self, decision):
        """"approve" or "deny"."""
        return self.submit("decision", decision=decision)

    # -- all at once

    def arrive(self, url, code=None):
        """From the address to the confirmation page, or where it ends."""
        self.open(url)
        if self.page.kind == "enter-code":
            self.submit_code(code)
        self.sign_in()
        return self.page

    def decide(self, url, code=None, approve=True):
        """The whole visit. An early end (unknown code, wrong password) is an
        Outcome too, with the kind of the page where it ended."""
        self.arrive(url, code)
        confirmation = {}
        if self.page.kind == "confirm":
            confirmation = self.read_confirmation()
            self.press("approve" if approve else "deny")
        return Outcome(self.page.kind, self.page.problem or self.page.text,
                       confirmation, self.page)

    def approve(self, url, code=None):
        return self.decide(url, code, True)

    def deny(self, url, code=None):
        return self.decide(url, code, False)


class ControlError(Exception):
    """The control interface refused a command."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Control:
    """A client of the control socket."""

    def __init__(self, path):
        self.path = path

    def call(self, method, path, arguments=None):
        """One command; returns the JSON answer."""
        with contextlib.closing(_UnixConnection(self.path)) as connection:
            connection.request(
                method, path, None if arguments is None
                else json.dumps(arguments))
            answer = connection.getresponse()
            value = json.loads(answer.read())
        if answer.status != 200:
            raise ControlError(value.get("error", answer.status))
        return value

    def state(self):
        return self.call("GET", "/state")

    def reset(self):
        self.call("POST", "/reset")

    def quirks(self, **quirks):
        """Replace the set of quirks; without arguments none is left."""
        self.call("POST", "/quirks", quirks)

    def approve(self, username, user_code=None, **more):
        """Approve a code (without one: the only pending code)."""
        return self._decide("/approve", user_code, username=username, **more)

    def deny(self, user_code=None):
        return self._decide("/deny", user_code)

    def expire(self, user_code=None):
        return self._decide("/expire", user_code)

    def _decide(self, path, user_code, **arguments):
        if user_code is not None:
            arguments["user_code"] = user_code
        return self.call("POST", path, arguments)

    def rotate_keys(self, keep_old=True):
        return self.call("POST", "/rotate-keys", {"keep_old": keep_old})

    def disable(self, username):
        self.call("POST", "/disable", {"username": username})

    def enable(self, username):
        self.call("POST", "/enable", {"username": username})

    def id_token(self, username="alice", **more):
        """An ID token as a login would get it now, quirks included."""
        return self.call("POST", "/id-token", {
            "username": username, **more})["id_token"]

    # -- conveniences

    def requests(self, endpoint=None):
        """The request log, of one endpoint or of all."""
        return [one for one in self.state()["requests"]
                if endpoint in (None, one["endpoint"])]

    def violations(self):
        """What clients did against the RFCs; a test wants this empty."""
        return [f"{one['endpoint']}: {one['what']}"
                for one in self.state()["violations"]]

    def live(self):
        """The logins of which a token still works, whoever has it."""
        return [one for one in self.state()["grants"]
                if any(one["live"].values())]

    def wait_until(self, condition, timeout=10, what="condition"):
        """Ask for the state until condition(state) is true; its value."""
        end = time.monotonic() + timeout
        while True:
            value = condition(self.state())
            if value:
                return value
            if time.monotonic() > end:
                raise TimeoutError(f"{what} not met in {timeout} s")
            time.sleep(0.02)

    def wait_for_code(self, timeout=10, known=()):
        """The newest pending code, as in /state, once there is one that is
        not in `known` (user codes)."""
        def newest(state):
            pending = [code for code in state["codes"]
                       if code["status"] == "pending"
                       and code["user_code"] not in known]
            return pending[-1] if pending else None
        return self.wait_until(newest, timeout, "a pending code")


class Idp:
    """devauth-idp as a process: `with Idp(directory) as idp: ...`."""

    def __init__(self, state, hosts=(), listen=(), port=0, accounts=None,
                 options=(), prefix=()):
        """`prefix` is put before the command, as in ("ip", "netns", "exec",
        NAME); `options` behind it."""
        self.state = os.path.abspath(state)
        self.stderr_file = os.path.join(self.state, "stderr.log")
        self.command = [*prefix, PROGRAM, "--state", self.state,
                        "--port", str(port), "--exit-on-eof"]
        for option, values in (("--host", hosts), ("--listen", listen)):
            for value in values:
                self.command += [option, value]
        if accounts:
            self.command += ["--accounts", accounts]
        self.command += options
        self.process = None
        self.ready = {}

    def start(self, timeout=10):
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        path = os.path.join(self.state, "ready.json")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        with open(self.stderr_file, "ab") as stderr:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL, stderr=stderr)
        end = time.monotonic() + timeout
        while not os.path.exists(path):
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise RuntimeError(f"devauth-idp did not start: {self.log()}")
            time.sleep(0.01)
        with open(path, encoding="utf-8") as file:
            self.ready = json.load(file)
        return self

    def stop(self):
        """Ask it to end; kill it only if it does not."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.stdin.close()
        self.process.wait()

    def log(self):
        """What it wrote to standard error."""
        with open(self.stderr_file, encoding="utf-8", errors="replace") as file:
            return file.read()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def issuer(self):
        return self.ready["issuer"]

    @property
    def port(self):
        return self.ready["port"]

    @property
    def ca_file(self):
        return self.ready["ca_file"]

    @property
    def pid(self):
        return self.ready["pid"]

    @property
    def control(self):
        return Control(self.ready["control"])

    def person(self, username="alice", password=None, **more):
        return Person(self.ca_file, username, password, **more)


def main():
    parser = argparse.ArgumentParser(
        description="Approve or deny a sign-in on the pages of devauth-idp.")
    parser.add_argument("--ca", required=True, help="CA certificate file")
    parser.add_argument("--url", required=True, help="verification address")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", help="default: USER-password")
    parser.add_argument("--otp", default="246810")
    parser.add_argument("--code", help="default: the one in the address")
    parser.add_argument("--deny", action="store_true")
    options = parser.parse_args()
    person = Person(options.ca, options.user, options.password, options.otp)
    outcome = person.decide(options.url, options.code, not options.deny)
    for name, value in outcome.confirmation.items():
        print(f"{name + ':':<14}{value}")
    print(outcome.text)
    return 0 if outcome.ok else 1


if __name__ == "__main__":
    sys.exit(main())
