"""The program: options, the provider put together, start and stop."""

import argparse
import asyncio
import json
import os
import signal
import socket
import sys

from . import oidc, pki
from .accounts import Directory
from .browser import Browser
from .control import Control
from .device import DeviceGrants
from .assertion import Assertions
from .dpop import Proofs
from .journal import Journal
from .keys import KeyRing
from .quirks import Quirks, list_quirks
from .server import Endpoint, Server
from .tokens import TokenStore

ODD_PATHS = "/tenant//v2"
STOP_S = 0.3

DESCRIPTION = """\
An OpenID Provider for the demonstration and the tests of devauth.
NOT FOR PRODUCTION: it knows passwords in clear text and misbehaves on request.
"""
EPILOG = """\
In DIR it keeps ca.pem (trust this), its keys, control.sock and, while it
listens, ready.json: {"issuer", "port", "ca_file", "control", "pid"}.
Accounts: alice, bob, carol, dave (disabled), mallory; the password of each is
NAME-password, the one-time code 246810. Clients: devauth-public,
devauth-basic, devauth-post. The accounts file changes both:
{"accounts": {NAME: {"password", "sub", "email", "name", "groups", "claims",
"disabled", "otp", "email_verified"}}, "clients": {ID: {"auth": "none" |
"basic" | "post", "secret", "name"}}}; null removes an entry.
"""


class Provider:
    """All parts of the provider, and what they share."""

    def __init__(self, directory, authority, keys, issuer, origins):
        self.issuer = issuer
        self.issuer_origin = origins[0]
        self.issuer_path = issuer[len(origins[0]):]
        self.hosts = {origin.partition("//")[2] for origin in origins}
        self.names = {  # for texts in quirks, see values.py
            "$ISSUER": issuer,
            "$ISSUER_UPPER": issuer.upper(),
            "$HTTP": issuer.replace("https:", "http:", 1),
        }
        self.directory = directory
        self.keys = keys
        self.quirks = Quirks()
        self.journal = Journal()
        self.tls = pki.Tls(authority, self.journal.hello)
        self.devices = DeviceGrants(self.quirks)
        self.tokens = TokenStore(self.quirks)
        self.proofs = Proofs(self.quirks)
        self.assertions = Assertions(self.quirks)
        self.browser = Browser(self)

    def path_prefix(self):
        """What stands between the issuer and an endpoint's path."""
        return ODD_PATHS if "odd_paths" in self.quirks else ""

    def set_quirks(self, asked):
        self.quirks.set(asked)
        self.tls.set_mode(self.quirks.get("tls"))

    def reset(self):
        """As after the start, but keys (and open connections) stay."""
        self.set_quirks({})
        for part in (self.journal, self.devices, self.tokens, self.proofs,
                     self.assertions, self.browser):
            part.clear()
        self.directory.reset()

    def endpoints(self):
        """The routing table."""
        get, post, either = ("GET",), ("POST",), ("GET", "POST")
        wellknown = "/.well-known/"
        table = [
            ("discovery", wellknown + "openid-configuration", get,
             oidc.discovery),
            ("discovery", wellknown + "oauth-authorization-server"
             + self.issuer_path, get, oidc.discovery),  # RFC 8414 3.1
            ("jwks", "/jwks", get, oidc.jwks),
            ("device_authorization", "/device_authorization", post,
             oidc.device_authorization),
            ("token", "/token", post, oidc.token),
            ("userinfo", "/userinfo", either, oidc.userinfo),
            ("revoke", "/revoke", post, oidc.revoke),
            ("introspect", "/introspect", post, oidc.introspect),
        ]
        table += [("pages", path, methods, self.browser.page(work))
                  for path, methods, work in self.browser.routes()]
        return [Endpoint(*row) for row in table]


def parse_arguments(arguments):
    parser = argparse.ArgumentParser(
        prog="devauth-idp", description=DESCRIPTION, epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", metavar="DIR",
                        help="directory for keys, sockets and ready.json")
    parser.add_argument("--listen", metavar="ADDRESS", action="append",
                        help="address to listen on (127.0.0.1), repeatable")
    parser.add_argument("--port", type=int, default=0,
                        help="TCP port; 0 takes a free one (0)")
    parser.add_argument("--host", metavar="NAME", action="append",
                        help="host name of the issuer (localhost); more of "
                        "them are further names of the certificate")
    parser.add_argument("--issuer-path", metavar="PATH", default="",
                        help="path of the issuer, such as /realms/corp")
    parser.add_argument("--accounts", metavar="FILE.json",
                        help="changes to the built-in accounts and clients")
    parser.add_argument("--list-quirks", action="store_true",
                        help="print what can be made to go wrong, and exit")
    parser.add_argument("--exit-on-eof", action="store_true",
                        help="stop when standard input ends: nothing stays "
                        "behind when a test is killed")
    options = parser.parse_args(arguments)
    if not options.list_quirks and not options.state:
        parser.error("--state is required")
    options.listen = options.listen or ["127.0.0.1"]
    options.host = options.host or ["localhost"]
    options.issuer_path = options.issuer_path.rstrip("/")
    return options


def listening_sockets(addresses, port):
    """One socket for each address, all on the same port."""
    sockets = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sock = socket.create_server((address, port), family=family)
        port = sock.getsockname()[1]
        sockets.append(sock)
    return sockets, port


def origin(name, port):
    name = f"[{name}]" if ":" in name else name
    return f"https://{name}" + ("" if port == 443 else f":{port}")


async def open_control(provider, path):
    """The socket is never, not even at first, open to others."""
    if os.path.exists(path):
        os.unlink(path)
    before = os.umask(0o177)
    try:
        control = Control(provider)
        return await asyncio.get_running_loop().create_unix_server(
            control.server, path)
    finally:
        os.umask(before)


def when_to_stop(loop, exit_on_eof):
    """An event that a signal sets, or the end of standard input."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if exit_on_eof:
        def read():
            if not os.read(0, 4096):
                loop.remove_reader(0)
                stop.set()
        loop.add_reader(0, read)
    return stop


async def serve(options):
    """Everything from the state directory to the last connection."""
    state = os.path.abspath(options.state)
    os.makedirs(state, mode=0o700, exist_ok=True)
    os.chmod(state, 0o700)
    ready = os.path.join(state, "ready.json")
    if os.path.exists(ready):
        os.unlink(ready)
    directory = Directory(options.accounts)
    names = list(dict.fromkeys(
        options.host + ["localhost", "127.0.0.1", "::1"]))
    authority = pki.Authority(state, names)
    sockets, port = listening_sockets(options.listen, options.port)
    origins = [origin(name, port) for name in names]
    provider = Provider(directory, authority, KeyRing(state),
                        origins[0] + options.issuer_path, origins)
    loop = asyncio.get_running_loop()
    stop = when_to_stop(loop, options.exit_on_eof)
    server = Server(provider, provider.endpoints())
    servers = [await loop.create_server(
        server.listener, sock=sock, ssl=provider.tls.context)
        for sock in sockets]
    control_path = os.path.join(state, "control.sock")
    servers.append(await open_control(provider, control_path))
    pki.write_private(ready, json.dumps({
        "issuer": provider.issuer, "port": port,
        "ca_file": authority.ca_file, "control": control_path,
        "pid": os.getpid()}).encode())
    await stop.wait()
    os.unlink(ready)
    os.unlink(control_path)
    for one in servers:
        one.close()
    await server.listener.shutdown(STOP_S)


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.list_quirks:
        print(list_quirks())
        return 0
    try:
        asyncio.run(serve(options))
    except (OSError, ValueError) as error:
        print(f"devauth-idp: {error}", file=sys.stderr)
        return 1
    return 0
