"""Device authorization requests and their state (RFC 8628)."""

import dataclasses
import re
import secrets
import time
from typing import Optional

# RFC 8628 6.1: 20 letters, none of them a vowel, so that no word is spelled.
ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
DEFAULT_INTERVAL_S = 1  # short, because tests wait for it
DEFAULT_EXPIRES_IN_S = 600
INTERVAL_WHEN_ABSENT_S = 5  # RFC 8628 3.2
SLOW_DOWN_STEP_S = 5  # RFC 8628 3.5
CLOCK_TOLERANCE_S = 0.01
EXACT_MARGIN_S = 0.1  # of a server that counts coarsely, see slow_down_on_exact
MAX_DEVICE_NAME = 256
MAX_CODES = 10000

ACR_PASSWORD = "urn:example:acr:password"
ACR_SECOND_FACTOR = "urn:example:acr:second-factor"


def new_user_code(style):
    """About 34 bits; a wrong guess is answered slowly by the pages."""
    if style.startswith("digits"):
        digits = "".join(secrets.choice("0123456789") for _ in range(9))
        return digits if style == "digits" else "-".join(
            digits[start:start + 3] for start in (0, 3, 6))
    code = "".join(secrets.choice(ALPHABET) for _ in range(8))
    separator = {"dash": "-", "lower": "-", "space": " ", "plain": ""}[style]
    code = code[:4] + separator + code[4:]
    return code.lower() if style == "lower" else code


def normal_user_code(text):
    """What a person typed, without case, spaces and separators."""
    return re.sub(r"[^A-Z0-9]", "", text.upper())


def as_number(value, default):
    """An interval or lifetime as the server keeps to it, however announced."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return default


class Pending(Exception):
    """A poll that gets no token; the argument is the OAuth error code."""

    @property
    def error(self):
        return self.args[0]


@dataclasses.dataclass
class DeviceGrant:
    """One run of the device flow, from the request to its end."""

    user_code: str
    client_id: str
    scope: list
    device_name: str
    acr_values: list
    max_age: Optional[int]
    interval: float
    expires_at: float
    device_code: str = dataclasses.field(
        default_factory=lambda: secrets.token_urlsafe(32))
    issued_at: float = dataclasses.field(default_factory=time.time)
    status: str = "pending"  # pending approved denied expired redeemed
    username: Optional[str] = None
    auth_time: Optional[int] = None
    acr: Optional[str] = None
    amr: list = dataclasses.field(default_factory=list)
    pending_left: int = 0  # polls that stay pending after the approval
    slow_downs: int = 0
    poll_times: list = dataclasses.field(default_factory=list)
    poll_answers: list = dataclasses.field(default_factory=list)
    last_poll_mono: Optional[float] = None
    browser: Optional[str] = None  # the session that entered the code first

    def wants_second_factor(self):
        return ACR_SECOND_FACTOR in self.acr_values

    def report(self):
        """For the control interface: all but the device code."""
        hidden = ("device_code", "last_poll_mono", "browser")
        fields = {name: value for name, value in vars(self).items()
                  if name not in hidden}
        return {**fields, "polls": len(self.poll_times)}


class DeviceGrants:
    """All device grants; those that ended stay known, for their answers."""

    def __init__(self, quirks):
        self.quirks = quirks
        self.clear()

    def clear(self):
        self._by_device_code = {}
        self._by_user_code = {}

    def all(self):
        for grant in self._by_device_code.values():
            self._check_expiry(grant)
        return list(self._by_device_code.values())

    @staticmethod
    def detached(client_id):
        """A grant that no device asked for, to try ID tokens out."""
        return DeviceGrant("", client_id, [], "", [], None, 0, 0)

    def issue(self, client_id, scope, device_name, acr_values, max_age):
        """RFC 8628 3.2: a new grant."""
        quirks = self.quirks
        interval = as_number(quirks.get("interval", DEFAULT_INTERVAL_S),
                             INTERVAL_WHEN_ABSENT_S)
        lifetime = as_number(quirks.get("expires_in", DEFAULT_EXPIRES_IN_S),
                             DEFAULT_EXPIRES_IN_S)
        style = quirks.get("user_code_style", "dash")
        user_code = new_user_code(style)
        while normal_user_code(user_code) in self._by_user_code:
            user_code = new_user_code(style)
        grant = DeviceGrant(
            user_code, client_id, scope, device_name, acr_values, max_age,
            interval, time.time() + lifetime)
        while len(self._by_device_code) >= MAX_CODES:
            oldest = next(iter(self._by_device_code))
            gone = self._by_device_code.pop(oldest)
            del self._by_user_code[normal_user_code(gone.user_code)]
        self._by_device_code[grant.device_code] = grant
        self._by_user_code[normal_user_code(user_code)] = grant
        if "approve_immediately" in quirks:
            self.approve(grant, quirks.get("approve_immediately"))
        return grant

    def _check_expiry(self, grant):
        if (grant.status in ("pending", "approved")
                and time.time() >= grant.expires_at
                and "never_expire" not in self.quirks):
            grant.status = "expired"

    def find(self, typed):
        """The grant for a user code as a person typed it, or None."""
        grant = self._by_user_code.get(normal_user_code(typed))
        if grant:
            self._check_expiry(grant)
        return grant

    def approve(self, grant, username, auth_time=None, acr=ACR_PASSWORD,
                amr=("pwd",)):
        grant.status = "approved"
        grant.username = username
        grant.auth_time = int(auth_time or time.time())
        grant.acr = acr
        grant.amr = list(amr)
        grant.pending_left = self.quirks.get("pending_after_approval", 0)

    @staticmethod
    def deny(grant):
        grant.status = "denied"

    @staticmethod
    def expire(grant):
        grant.status = "expired"

    def poll(self, device_code, client_id):
        """RFC 8628 3.4, 3.5: the approved grant, redeemed now; or Pending."""
        grant = self._by_device_code.get(device_code)
        if grant is None or grant.client_id != client_id:
            raise Pending("access_denied" if "unknown_code_denied"
                          in self.quirks else "invalid_grant")
        try:
            self._judge_poll(grant)
        except Pending as pending:
            grant.poll_answers.append(pending.error)
            raise
        grant.status = "redeemed"
        grant.poll_answers.append("token")
        return grant

    def _judge_poll(self, grant):
        too_fast = self._too_fast(grant)
        grant.poll_times.append(time.time())
        if "token_error" in self.quirks:
            raise Pending(self.quirks.get("token_error"))
        self._check_expiry(grant)
        if too_fast:
            grant.slow_downs += 1
            grant.interval += SLOW_DOWN_STEP_S
            raise Pending("slow_down")
        ended = {"expired": "expired_token", "denied": "access_denied",
                 "redeemed": "invalid_grant"}  # single use
        if grant.status in ended:
            raise Pending(ended[grant.status])
        if grant.status == "pending":
            raise Pending("authorization_pending")
        if grant.pending_left > 0:
            grant.pending_left -= 1
            raise Pending("authorization_pending")

    def _too_fast(self, grant):
        now, before = time.monotonic(), grant.last_poll_mono
        grant.last_poll_mono = now
        if self.quirks.count_down("slow_down"):
            return True
        if before is None:
            return False
        margin_s = (EXACT_MARGIN_S if "slow_down_on_exact" in self.quirks
                    else -CLOCK_TOLERANCE_S)
        return now - before < grant.interval + margin_s
