"""The people and the clients that the provider knows."""

import dataclasses
import hashlib
import hmac
import json
from typing import Optional

SECOND_FACTOR = "246810"


@dataclasses.dataclass
class Account:
    """A person. `sub` is opaque on purpose: identity is never the name."""

    username: str
    password: str
    sub: str
    email: Optional[str] = None
    name: Optional[str] = None
    groups: list = dataclasses.field(default_factory=list)
    email_verified: bool = True
    disabled: bool = False
    otp: str = SECOND_FACTOR
    claims: dict = dataclasses.field(default_factory=dict)

    def password_is(self, text):
        return hmac.compare_digest(self.password.encode(), text.encode())

    def otp_is(self, text):
        return hmac.compare_digest(self.otp.encode(), text.encode())

    def profile_claims(self):
        """OpenID Connect Core 5.1: preferred_username, name and e-mail."""
        claims = {"preferred_username": self.username, "name": self.name,
                  "email": self.email}
        if self.email is not None:
            claims["email_verified"] = self.email_verified
        return {key: value for key, value in claims.items()
                if value is not None}

    def group_claims(self):
        """A person without groups has no groups claim at all."""
        return {"groups": list(self.groups)} if self.groups else {}


@dataclasses.dataclass(frozen=True)
class Client:
    """RFC 6749 2: a registered client and its one way to authenticate."""

    client_id: str
    auth: str = "none"  # none | basic | post | key
    secret: Optional[str] = None
    jwk: Optional[dict] = None  # the public key, with `key`
    name: str = "devauth"

    METHODS = {"none": "none", "basic": "client_secret_basic",
               "post": "client_secret_post", "key": "private_key_jwt"}

    def secret_is(self, text):
        return (self.secret is not None and
                hmac.compare_digest(self.secret.encode(), text.encode()))


ACCOUNTS = {
    "alice": {"sub": "idp-7f3a90c2d1e84b56", "name": "Alice Zoë Lindqvist",
              "groups": ["staff", "operators"]},
    "bob": {"sub": "idp-1c58e6b7a3f04d29", "name": "Bob Nováček",
            "groups": ["staff"]},
    "carol": {"sub": "idp-b940d2f57c6e4a18", "name": "Carol Åström"},
    "dave": {"sub": "idp-5e27a8c10b934f6d", "name": "Dave Ó Briain",
             "groups": ["staff"], "disabled": True},
    "mallory": {"sub": "idp-e61f4b8d29c7405a", "name": "Mallory 高橋",
                "groups": ["guests"]},
}

# The secrets hold what form-encoding changes (RFC 6749 2.3.1 and appendix B).
CLIENTS = {
    "devauth-public": {"auth": "none"},
    "devauth-basic": {"auth": "basic", "secret": "s:e/c r%t+1"},
    "devauth-post": {"auth": "post", "secret": "p&o=s t%2"},
    # The key of RFC 7515 A.3, which everybody knows.
    "devauth-key": {"auth": "key", "jwk": {
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}},
}


def make_account(username, fields):
    digest = hashlib.sha256(username.encode()).hexdigest()[:16]
    defaults = {"password": f"{username}-password", "sub": f"idp-{digest}",
                "email": f"{username}@example.com", "name": username.title()}
    return Account(username, **{**defaults, **fields})


class Directory:
    """Accounts and clients: the built-in ones, changed by a JSON file
    `{"accounts": {NAME: {...} or null}, "clients": {ID: {...} or null}}`."""

    def __init__(self, path=None):
        accounts, clients = dict(ACCOUNTS), dict(CLIENTS)
        if path:
            with open(path, encoding="utf-8") as file:
                changes = json.load(file)
            surplus = set(changes) - {"accounts", "clients"}
            if surplus:
                raise ValueError(f"{path}: unknown {sorted(surplus)[0]}")
            accounts.update(changes.get("accounts", {}))
            clients.update(changes.get("clients", {}))
        try:
            self.accounts = {
                name: make_account(name, fields)
                for name, fields in accounts.items() if fields is not None}
            self.clients = {
                client_id: Client(client_id, **fields)
                for client_id, fields in clients.items() if fields is not None}
        except TypeError as error:
            raise ValueError(f"{path}: {error}") from None
        for client in self.clients.values():
            if client.auth not in Client.METHODS:
                raise ValueError(
                    f"{client.client_id}: auth is none, basic, post or key")
        self._disabled_at_start = {
            name for name, account in self.accounts.items() if account.disabled}

    def account(self, username):
        return self.accounts.get(username)

    def client(self, client_id):
        return self.clients.get(client_id)

    def reset(self):
        """Undo what `/disable` did."""
        for name, account in self.accounts.items():
            account.disabled = name in self._disabled_at_start
