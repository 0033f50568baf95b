"""HTTP: connections, the way of a request, and misbehaviour on the wire."""

import asyncio
import dataclasses
import sys
import traceback
from http import HTTPStatus
from typing import Awaitable, Callable

from aiohttp import web
from multidict import CIMultiDict

from . import strict
from .answer import JSON, Answer, Refused, oauth_error
from .quirks import REPLACING, Quirks

ENDLESS_LIMIT = 2 ** 30
CHUNK = b"A" * 65536
HANG_UP_S = 3600


class Connection:
    """What is known of a client's connection."""

    def __init__(self, number):
        self.number = number
        self.requests = 0
        self.gone = asyncio.Event()
        self.idle_timer = None


class Listener(web.Server):
    """aiohttp's low-level server, with an eye on the connections."""

    def __init__(self, handler, journal):
        super().__init__(handler, access_log=None)
        self.journal = journal
        self.known = {}

    def connection_made(self, handler, transport):
        super().connection_made(handler, transport)
        tls = transport.get_extra_info("ssl_object")
        self.journal.connection(tls is not None and tls.session_reused)
        self.known[handler] = Connection(self.journal.connections)

    def connection_lost(self, handler, exc=None):
        super().connection_lost(handler, exc)
        connection = self.known.pop(handler, None)
        if connection:
            connection.gone.set()
            if connection.idle_timer:
                connection.idle_timer.cancel()


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A row of the routing table."""

    name: str
    path: str
    methods: tuple
    work: Callable[["Exchange"], Awaitable[Answer]]


@dataclasses.dataclass
class Exchange:
    """One request on its way to an answer."""

    provider: object
    endpoint: Endpoint
    request: web.BaseRequest
    record: dict
    body: bytes = b""
    form: dict = dataclasses.field(default_factory=dict)
    client: object = None
    examination: object = None


class Server:
    """Takes requests to their endpoints, and answers back."""

    def __init__(self, provider, endpoints):
        self.provider = provider
        self.endpoints = {endpoint.path: endpoint for endpoint in endpoints}
        self.listener = Listener(self.handle, provider.journal)

    def find(self, raw_path):
        """The endpoint for a path, with or without what the issuer and the
        `odd_paths` quirk put in front."""
        path = raw_path.partition("?")[0]
        for prefix in (self.provider.issuer_path, self.provider.path_prefix()):
            path = path[len(prefix):] if path.startswith(prefix) else path
        return self.endpoints.get(path)

    async def handle(self, request):
        """One request, whatever becomes of it."""
        provider = self.provider
        connection = self.listener.known[request.protocol]
        connection.requests += 1
        if connection.idle_timer:
            connection.idle_timer.cancel()
        endpoint = self.find(request.raw_path)
        name = endpoint.name if endpoint else "unknown"
        record = provider.journal.open(request, name, connection)
        if "drop_reused" in provider.quirks and connection.requests > 1:
            return hang_up(request, "fin")
        answer = await self._answer(endpoint, request, record)
        return await self._deliver(answer, request, record, connection)

    async def _answer(self, endpoint, request, record):
        if endpoint is None:
            return self.provider.browser.not_found()
        exchange = Exchange(self.provider, endpoint, request, record)
        quirks, names = self.provider.quirks, self.provider.names
        overrides = quirks.overrides(endpoint.name)
        instead = [override for override in overrides if any(
            field in override for field in REPLACING)
            and "when" not in override and not override.get("after")]
        try:
            await self._examine(exchange)
            answer = (Answer(headers={"Content-Type": JSON}) if instead
                      else await endpoint.work(exchange))
        except Refused as refused:
            answer = refused.answer
        except Exception:  # pylint: disable=broad-except
            # A fault of the provider itself: seen in its log, never as success.
            traceback.print_exc(file=sys.stderr)
            answer = oauth_error("server_error", "see the log", 500)
        answer.apply_error_quirks(quirks)
        for override in overrides:
            if "when" in override and override["when"] not in answer.kind():
                continue
            Quirks.played(override)
            answer.apply(override, names)
            record["played"].append(sorted(override))
        return answer

    async def _examine(self, exchange):
        """Everything that can be checked before the endpoint's own work."""
        request, endpoint = exchange.request, exchange.endpoint
        provider = self.provider
        examination = strict.Examination(provider.journal, endpoint.name)
        exchange.examination = examination
        if request.method not in endpoint.methods:
            examination.fault(
                f"method {request.method}", status=405,
                headers={"Allow": ", ".join(endpoint.methods)})
            raise Refused(examination.refusal)
        exchange.body = await request.read()
        if endpoint.name == "pages":
            return
        examination.headers(request, provider.hosts)
        if endpoint.name in strict.FORMS:
            form = examination.form(request, exchange.body)
            if form is not None:
                self._examine_form(exchange, form)
        elif exchange.body:
            examination.fault("a body was sent")
        if examination.refusal:
            raise Refused(examination.refusal)

    def _examine_form(self, exchange, form):
        """The parameters, and who sends them."""
        provider, record = self.provider, exchange.record
        examination = exchange.examination
        provider.journal.note_form(record, form)
        examination.parameters(form)
        exchange.form = form
        exchange.client, record["auth"] = examination.client(
            exchange.request, form, provider)
        if exchange.client:
            record["client_id"] = exchange.client.client_id

    async def _deliver(self, answer, request, record, connection):
        delivery = answer.delivery
        record["error"] = answer.error
        await pause(delivery.get("delay_s"), connection)
        if delivery.get("stall"):
            await pause(HANG_UP_S, connection)
            return hang_up(request, "fin")
        if "close" in delivery:
            return hang_up(request, delivery["close"])
        record["status"] = answer.status
        if "raw" in delivery:
            return hang_up(request, "fin", delivery["raw"].encode("latin-1"))
        if needs_own_wire(answer):
            whole = wire(answer)
            if "truncate" in delivery:
                end = whole.index(b"\r\n\r\n") + 4 + delivery["truncate"]
                whole = whole[:end]
            return hang_up(request, "fin", whole)
        response = await send(answer, request, connection)
        self._start_idle_timer(request, connection)
        return response

    def _start_idle_timer(self, request, connection):
        """`keep_alive`: hang up after so many idle seconds, unannounced."""
        if "keep_alive" in self.provider.quirks and request.transport:
            connection.idle_timer = asyncio.get_running_loop().call_later(
                self.provider.quirks.get("keep_alive"),
                request.transport.close)


async def pause(seconds, connection):
    """Wait, but not for a client that has gone."""
    if seconds:
        try:
            await asyncio.wait_for(connection.gone.wait(), seconds)
        except asyncio.TimeoutError:
            pass


async def send(answer, request, connection):
    """An ordinary answer, or one that comes slowly or without end."""
    delivery, body = answer.delivery, answer.body()
    headers = CIMultiDict(answer.header_fields())
    in_pieces = [name for name in ("chunked", "drip_s", "endless")
                 if delivery.get(name)]
    try:
        if not in_pieces:
            response = web.Response(
                status=answer.status, body=body, headers=headers)
            await response.prepare(request)
            await response.write_eof()
            return response
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        if delivery.get("endless"):
            for _ in range(ENDLESS_LIMIT // len(CHUNK)):
                await response.write(CHUNK)
        step = 1 if delivery.get("drip_s") else 7
        for start in range(0, len(body), step):
            await response.write(body[start:start + step])
            await pause(delivery.get("drip_s"), connection)
        await response.write_eof()
    except ConnectionError:
        pass  # the client hung up, as it may
    return response


def needs_own_wire(answer):
    """aiohttp sends no broken headers, nor a body without a media type."""
    fields = list(answer.header_fields())
    return ("truncate" in answer.delivery
            or any("\r" in value or "\n" in value for _, value in fields)
            or not any(name.lower() == "content-type" for name, _ in fields))


def wire(answer):
    """The bytes of an answer, with whatever is in its headers."""
    try:
        reason = HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Unknown"
    body = answer.body()
    lines = [f"HTTP/1.1 {answer.status} {reason}"]
    lines += [f"{name}: {value}" for name, value in answer.header_fields()]
    lines += [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body


def hang_up(request, how, data=b""):
    """Close the connection, after `data` if there is any."""
    transport = request.transport
    if transport is not None:
        if data:
            transport.write(data)
        if how == "reset":
            transport.abort()
        else:
            transport.close()
    # aiohttp wants a response and finds that it cannot be sent any more.
    return web.Response()
