"""What a person does in a browser: code, sign-in, decision (RFC 8628 3.3)."""

import collections
import dataclasses
import http.cookies
import secrets
import time
from typing import Optional
from urllib.parse import parse_qsl, quote

from . import pages
from .answer import HTML, Answer
from .device import ACR_PASSWORD, ACR_SECOND_FACTOR

COOKIE = "__Host-idp"
MAX_SESSIONS = 10000
GUESSES, GUESS_WINDOW_S = 10, 60
SECURITY_HEADERS = {
    "Content-Type": HTML,
    "Cache-Control": "no-store",
    "Content-Security-Policy":
        f"default-src 'none'; style-src '{pages.STYLE_HASH}'; img-src data:; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@dataclasses.dataclass
class Session:
    """A browser, signed in or not."""

    key: str = dataclasses.field(
        default_factory=lambda: secrets.token_urlsafe(24))
    csrf: str = dataclasses.field(
        default_factory=lambda: secrets.token_urlsafe(24))
    browser: str = dataclasses.field(  # outlives a sign-in, unlike the others
        default_factory=lambda: secrets.token_urlsafe(24))
    username: Optional[str] = None
    auth_time: float = 0
    acr: str = ACR_PASSWORD
    amr: tuple = ("pwd",)


class Guesses:
    """A light brake on guessing, by address (RFC 8628 5.1)."""

    def __init__(self):
        self._wrong = collections.defaultdict(collections.deque)

    def too_many(self, address):
        wrong = self._wrong[address]
        while wrong and wrong[0] < time.monotonic() - GUESS_WINDOW_S:
            wrong.popleft()
        return len(wrong) >= GUESSES

    def note_wrong(self, address):
        self._wrong[address].append(time.monotonic())


@dataclasses.dataclass
class Visit:
    """A request of a browser, with what is needed to answer it."""

    session: Session
    method: str
    address: str
    query: dict
    form: dict
    new_session: bool

    def typed(self, name):
        """A field of the form, or of the address."""
        return self.form.get(name) or self.query.get(name, "")


class Browser:
    """The pages' logic; pages.py has their looks."""

    def __init__(self, provider):
        self.provider = provider
        self.clear()

    def clear(self):
        self._sessions = collections.OrderedDict()
        self._wrong_codes = Guesses()
        self._wrong_passwords = Guesses()

    def routes(self):
        """(path, methods, handler) for the routing table."""
        get, both, post = ("GET", "HEAD"), ("GET", "HEAD", "POST"), ("POST",)
        return [
            ("/", get, self.home),
            ("/device", both, self.device),
            ("/device/sign-in", both, self.sign_in),
            ("/device/second-factor", both, self.second_factor),
            ("/device/confirm", both, self.confirm),
            ("/sign-out", post, self.sign_out),
        ]

    def page(self, work):
        """An endpoint's work: session and CSRF around a page's handler."""
        async def answer(exchange):
            visit = self._visit(exchange)
            token = visit.form.get("csrf", "").encode()
            if visit.method == "POST" and not secrets.compare_digest(
                    token, visit.session.csrf.encode()):
                return self._show(visit, pages.stale(), 403)
            return work(visit)
        return answer

    def _visit(self, exchange):
        request = exchange.request
        cookies = http.cookies.SimpleCookie()
        try:
            cookies.load(request.headers.get("Cookie", ""))
        except http.cookies.CookieError:
            pass
        key = cookies[COOKIE].value if COOKIE in cookies else None
        session = self._sessions.get(key)
        is_new = session is None
        if is_new:
            session = self._keep(Session())
        query = request.raw_path.partition("?")[2]
        form = dict(parse_qsl(exchange.body.decode("ascii", "replace")))
        self.provider.journal.note_form(exchange.record, form)
        return Visit(session, request.method, request.remote or "",
                     dict(parse_qsl(query)), form, is_new)

    def _keep(self, session):
        self._sessions[session.key] = session
        if len(self._sessions) > MAX_SESSIONS:
            self._sessions.popitem(last=False)
        return session

    # -- answers

    def _show(self, visit, page, status=200):
        headers = dict(SECURITY_HEADERS)
        if visit and visit.new_session:
            headers["Set-Cookie"] = cookie_of(visit.session)
        return Answer(status, text=page, headers=headers)

    def _go(self, visit, path, code):
        """See Other: a reload must not send the form again."""
        answer = self._show(visit, "", 303)
        answer.headers["Location"] = f"{path}?user_code={quote(code)}"
        return answer

    def not_found(self):
        return self._show(None, pages.not_found(), 404)

    # -- pages

    def home(self, visit):
        return self._show(visit, pages.home(
            visit.session, self._account(visit.session)))

    def device(self, visit):
        """Enter the code; it may be in the address (RFC 8628 3.3.1)."""
        parameter = self.provider.quirks.get(
            "verification_uri_complete") or "user_code"
        typed = (visit.typed("user_code") or visit.typed(parameter))[:64]
        if visit.method != "POST":
            return self._show(visit, pages.enter_code(visit.session, typed))
        grant, problem = self._find(visit, typed)
        if problem:
            return self._show(visit, *problem)
        return self._go(visit, "/device/confirm", grant.user_code)

    def _find(self, visit, typed):
        """The pending grant for a code, or the page that says why not."""
        session = visit.session
        if self._wrong_codes.too_many(visit.address):
            return None, (pages.too_many_codes(), 429)
        grant = self.provider.devices.find(typed)
        if grant and "code_bound_to_browser" in self.provider.quirks:
            grant.browser = grant.browser or session.browser
            if grant.browser != session.browser:
                grant = None
        if grant is None:
            self._wrong_codes.note_wrong(visit.address)
            return None, (pages.enter_code(session, typed, wrong=True), 400)
        if grant.status != "pending":
            return None, (pages.ended(grant.status), 410)
        return grant, None

    def sign_in(self, visit):
        code, session = visit.typed("user_code"), visit.session
        grant, problem = self._find(visit, code)
        if problem:
            return self._show(visit, *problem)
        if visit.method != "POST":
            again = bool(session.username)
            return self._show(visit, pages.sign_in(
                session, grant.user_code, again=again))
        username = visit.form.get("username", "").strip()
        error = self._check_password(
            visit, username, visit.form.get("password", ""))
        if error:
            return self._show(visit, pages.sign_in(
                session, grant.user_code, username, error), 403)
        return self._signed_in(visit, grant, Session(
            browser=session.browser, username=username, auth_time=time.time()))

    def _check_password(self, visit, username, password):
        """What is wrong, as the person gets to read it; None: nothing."""
        if self._wrong_passwords.too_many(visit.address):
            return pages.TOO_MANY_PASSWORDS
        account = self.provider.directory.account(username)
        if account is None or not account.password_is(password):
            self._wrong_passwords.note_wrong(visit.address)
            return pages.WRONG_PASSWORD
        return pages.DISABLED if account.disabled else None

    def _signed_in(self, visit, grant, fresh):
        """A new session, so that a planted one is of no use."""
        self._sessions.pop(visit.session.key, None)
        visit.session, visit.new_session = self._keep(fresh), True
        return self._go(visit, "/device/confirm", grant.user_code)

    def second_factor(self, visit):
        """A one-time code, where the host asked for it with acr_values."""
        session, account = visit.session, self._account(visit.session)
        grant, problem = self._find(visit, visit.typed("user_code"))
        if problem:
            return self._show(visit, *problem)
        if account is None:
            return self._go(visit, "/device/sign-in", grant.user_code)
        if visit.method != "POST":
            return self._show(visit, pages.second_factor(
                session, grant.user_code))
        if self._wrong_passwords.too_many(visit.address):
            error = pages.TOO_MANY_PASSWORDS
        elif account.otp_is(visit.form.get("otp", "").strip()):
            return self._signed_in(visit, grant, Session(
                browser=session.browser, username=session.username,
                auth_time=time.time(), acr=ACR_SECOND_FACTOR,
                amr=("pwd", "otp", "mfa")))
        else:
            self._wrong_passwords.note_wrong(visit.address)
            error = pages.WRONG_OTP
        return self._show(visit, pages.second_factor(
            session, grant.user_code, error), 403)

    def confirm(self, visit):
        """The decision, with all that helps to take it (RFC 8628 5.4)."""
        session, account = visit.session, self._account(visit.session)
        grant, problem = self._find(visit, visit.typed("user_code"))
        if problem:
            return self._show(visit, *problem)
        if account is None or not fresh_enough(session, grant):
            return self._go(visit, "/device/sign-in", grant.user_code)
        if grant.wants_second_factor() and session.acr != ACR_SECOND_FACTOR:
            return self._go(visit, "/device/second-factor", grant.user_code)
        decision = visit.form.get("decision")
        if visit.method != "POST" or decision not in ("approve", "deny"):
            return self._show(visit, pages.confirm(session, account, grant))
        if decision == "approve":
            self.provider.devices.approve(
                grant, account.username, session.auth_time, session.acr,
                session.amr)
            return self._show(visit, pages.approved(grant))
        self.provider.devices.deny(grant)
        return self._show(visit, pages.denied(grant))

    def sign_out(self, visit):
        self._sessions.pop(visit.session.key, None)
        code = visit.form.get("user_code", "")
        visit.session, visit.new_session = self._keep(Session()), True
        if code:
            return self._go(visit, "/device/sign-in", code)
        return self._show(visit, pages.home(visit.session, None))

    def _account(self, session):
        """Who is signed in; an account disabled meanwhile is nobody."""
        account = self.provider.directory.account(session.username)
        return None if account is None or account.disabled else account


def fresh_enough(session, grant):
    """max_age, as in OpenID Connect Core 3.1.2.1. A sign-in made for this
    very request always counts, also for max_age=0."""
    return (grant.max_age is None or session.auth_time >= grant.issued_at
            or time.time() - session.auth_time <= grant.max_age)


def cookie_of(session):
    return (f"{COOKIE}={session.key}; Path=/; Secure; HttpOnly; SameSite=Lax")
