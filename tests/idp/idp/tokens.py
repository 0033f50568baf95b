"""Access and refresh tokens: opaque, grouped in families (one per login).

Refresh tokens rotate, and using one a second time ends its family, as RFC 9700
4.14.2 wants it.
"""

import dataclasses
import secrets
import time
from typing import Optional

DEFAULT_ACCESS_LIFETIME_S = 300


@dataclasses.dataclass
class Family:
    """Everything issued for one login."""

    client_id: str
    username: str
    scope: list
    auth_time: int
    acr: str
    amr: list
    device_name: str = ""
    jkt: Optional[str] = None  # RFC 9449: the key that the tokens are bound to
    active: bool = True
    ended_by: Optional[str] = None  # revocation, reuse
    refreshes: int = 0
    access_tokens: int = 0  # issued
    reuse_detected: bool = False

    def end(self, why):
        if self.active:
            self.active, self.ended_by = False, why

    def report(self):
        return dict(vars(self))


@dataclasses.dataclass
class AccessToken:
    family: Family
    scope: list
    expires_at: float
    revoked: bool = False


class TokenStore:
    """All tokens, by their text."""

    def __init__(self, quirks):
        self.quirks = quirks
        self.clear()

    def clear(self):
        self.families = []
        self._access = {}
        self._refresh = {}  # text -> (family, still current)

    def open_family(self, grant, jkt=None):
        family = Family(grant.client_id, grant.username, grant.scope,
                        grant.auth_time, grant.acr, grant.amr,
                        grant.device_name, jkt)
        self.families.append(family)
        return family

    def new_access(self, family, scope):
        """An access token; its text and its lifetime as announced."""
        announced = self.quirks.get(
            "access_expires_in", DEFAULT_ACCESS_LIFETIME_S)
        lifetime = (announced if isinstance(announced, (int, float))
                    else DEFAULT_ACCESS_LIFETIME_S)
        text = "at-" + secrets.token_urlsafe(32)
        self._access[text] = AccessToken(family, scope, time.time() + lifetime)
        family.access_tokens += 1
        return text, announced

    def new_refresh(self, family):
        text = "rt-" + secrets.token_urlsafe(32)
        self._refresh[text] = (family, True)
        return text

    def use_refresh(self, text, client_id):
        """The family of a refresh token that may be used, or None."""
        family, current = self._refresh.get(text, (None, False))
        if family is None or family.client_id != client_id:
            return None
        if not current:
            family.reuse_detected = True
            family.end("reuse")
        return family if family.active else None

    def retire_refresh(self, text):
        """Rotation: this one was used."""
        family, _ = self._refresh[text]
        self._refresh[text] = (family, False)

    def access(self, text):
        """A valid access token, or None."""
        token = self._access.get(text)
        if token is None or token.revoked or time.time() >= token.expires_at:
            return None
        family = token.family
        outlives = ("revoke_keeps_access" in self.quirks
                    and family.ended_by == "revocation")
        return token if family.active or outlives else None

    def revoke(self, text, client_id):
        """RFC 7009 2.1: a refresh token takes its family along, an access
        token goes alone. Returns whether the token was known; another
        client's is left alone, and not known."""
        family, _ = self._refresh.get(text, (None, False))
        if family and family.client_id == client_id:
            family.end("revocation")
            return True
        token = self._access.get(text)
        if token and token.family.client_id == client_id:
            token.revoked = True
            return True
        return False

    def report(self):
        """A dict for each login, with how many of its tokens still work."""
        return [{**family.report(), "live": self._live(family)}
                for family in self.families]

    def _live(self, family):
        return {
            "access": sum(token.family is family
                          and self.access(text) is not None
                          for text, token in self._access.items()),
            "refresh": sum(self.refresh_family(text) is family
                           for text in self._refresh)}

    def refresh_family(self, text):
        """The family of a current refresh token (for introspection)."""
        family, current = self._refresh.get(text, (None, False))
        return family if family and current and family.active else None
