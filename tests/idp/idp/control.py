"""The control interface: HTTP and JSON on a UNIX socket that only the owner
of the state directory can open."""

import json

from aiohttp import web

from .device import ACR_PASSWORD
from .idtoken import mint
from .quirks import BadQuirk


class Misuse(ValueError):
    """A request to the control interface that makes no sense."""


class Control:
    """What tests and the demonstration can see and do."""

    def __init__(self, provider):
        self.provider = provider
        self.server = web.Server(self.handle, access_log=None)
        self.commands = {
            ("GET", "/state"): self.state,
            ("GET", "/quirks"): lambda _: provider.quirks.asked,
            ("POST", "/quirks"): self.set_quirks,
            ("POST", "/reset"): self.reset,
            ("POST", "/approve"): self.approve,
            ("POST", "/deny"): self.deny,
            ("POST", "/expire"): self.expire,
            ("POST", "/rotate-keys"): self.rotate_keys,
            ("POST", "/disable"): self.disable,
            ("POST", "/enable"): self.enable,
            ("POST", "/id-token"): self.id_token,
        }

    async def handle(self, request):
        command = self.commands.get((request.method, request.path))
        try:
            if command is None:
                raise Misuse("no such command")
            body = await request.read()
            arguments = json.loads(body) if body else {}
            if not isinstance(arguments, dict):
                raise Misuse("the body is not an object")
            return web.json_response(command(arguments) or {})
        except (Misuse, BadQuirk, json.JSONDecodeError) as error:
            return web.json_response({"error": str(error)}, status=400)

    def state(self, _):
        provider = self.provider
        return {
            "issuer": provider.issuer,
            **provider.journal.report(),
            "codes": [grant.report() for grant in provider.devices.all()],
            "grants": provider.tokens.report(),
            "quirks": provider.quirks.asked,
            "disabled": sorted(
                name for name, account in provider.directory.accounts.items()
                if account.disabled),
        }

    def set_quirks(self, arguments):
        self.provider.set_quirks(arguments)

    def reset(self, _):
        self.provider.reset()

    def _grant(self, arguments):
        if "user_code" in arguments:
            grant = self.provider.devices.find(str(arguments["user_code"]))
        else:
            # Without a code: the only one that is pending.
            pending = [grant for grant in self.provider.devices.all()
                       if grant.status == "pending"]
            grant = pending[0] if len(pending) == 1 else None
        if grant is None:
            raise Misuse("no such user code")
        return grant

    def _account(self, arguments):
        account = self.provider.directory.account(arguments.get("username"))
        if account is None:
            raise Misuse("no such account")
        return account

    def approve(self, arguments):
        grant, account = self._grant(arguments), self._account(arguments)
        if grant.status != "pending":
            raise Misuse(f"the code is {grant.status}")
        self.provider.devices.approve(
            grant, account.username, arguments.get("auth_time"),
            arguments.get("acr", ACR_PASSWORD), arguments.get("amr", ["pwd"]))
        return grant.report()

    def deny(self, arguments):
        grant = self._grant(arguments)
        self.provider.devices.deny(grant)
        return grant.report()

    def expire(self, arguments):
        grant = self._grant(arguments)
        self.provider.devices.expire(grant)
        return grant.report()

    def rotate_keys(self, arguments):
        self.provider.keys.rotate(arguments.get("keep_old", True))
        return {"kids": [key["kid"] for key in
                         self.provider.keys.public_keys()]}

    def disable(self, arguments):
        self._account(arguments).disabled = True

    def enable(self, arguments):
        self._account(arguments).disabled = False

    def id_token(self, arguments):
        """An ID token as a login would get it, quirks included."""
        provider, account = self.provider, self._account(arguments)
        client_id = arguments.get("client_id", "devauth-public")
        grant = provider.devices.detached(client_id)
        provider.devices.approve(grant, account.username)
        access_token = arguments.get("access_token", "at-example")
        return {"id_token": mint(provider, account, grant, access_token)}
