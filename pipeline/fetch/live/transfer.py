"""One request and its answer: within a deadline, within bounds, to nowhere that is forbidden, and kept byte for byte.

Whatever a server does, a request ends in an Exchange or in an Ending.
"""

import asyncio
import dataclasses
import math
import re
import socket
import ssl
import time
from collections.abc import Sequence
from typing import NamedTuple, Self

from pipeline.fetch.live.addresses import ForbiddenAddressError, Network
from pipeline.fetch.live.connecting import CONNECT_SECONDS, connect
from pipeline.fetch.live.connection import READ_BYTES, Connection
from pipeline.fetch.live.recording import Stop, words_of
from pipeline.fetch.live.resolving import GuardedResolver
from pipeline.ledger import Ending, Reason, dropped, failed
from pipeline.warc import HttpHead

__all__ = ["CONNECT_SECONDS", "MAX_ERROR_BYTES", "REDIRECTS", "Asked", "Client", "Exchange", "Line", "Stop"]

MAX_ERROR_BYTES = 256 * 1024
"""Of answers that are no page, more is not read."""

IDLE_SECONDS = 4.0
"""A connection that has been idle for longer gives way to a new one: many servers hang up after five seconds, and a
request that crosses with that is lost."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

_PORTS = {"http": 80, "https": 443}
_WRITTEN_OUT = re.compile(r"https?://[!-~]+")
"""An address in which everything odd is escaped: nothing that could end a line of a request."""


@dataclasses.dataclass(frozen=True)
class Exchange:
    """A request and what came back."""

    url: str
    request: bytes
    """As it was sent."""
    response: bytes
    """As it came: head and body, transfer coding and all; nothing behind the body."""
    head: HttpHead
    at: int
    """When it began to come: seconds since 1970."""
    address: str
    """Of the server."""
    truncated: str = ""
    """Why it is not whole, in the words of WARC-Truncated; empty when it is."""


class Asked(NamedTuple):
    """What came of a request: an exchange, or an ending, or both where what is wrong shows in the answer."""

    exchange: Exchange | None
    ending: Ending | None
    answered_at: float
    """When the first byte came, by the loop's clock; when it ended, where none came."""
    latency: float
    """Seconds from the request to the first byte, or to its end."""
    seconds: float
    """How long it took in all."""


@dataclasses.dataclass(frozen=True)
class Client:
    """What all requests share."""

    user_agent: str
    resolver: GuardedResolver
    allowed: Sequence[Network]
    tls: ssl.SSLContext
    open_lines: "set[Line]" = dataclasses.field(default_factory=set)
    """Those that hold a connection, or may."""
    buffer: memoryview = dataclasses.field(default_factory=lambda: memoryview(bytearray(READ_BYTES)))
    """Where what comes arrives, before each connection takes its own."""

    def request(self, target: "Target") -> bytes:
        """What is sent to ask for an address."""
        return (
            f"GET {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nUser-Agent: {self.user_agent}\r\n"
            "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.5\r\nAccept-Encoding: gzip\r\n\r\n"
        ).encode()


class Target(NamedTuple):
    """An address taken apart."""

    scheme: str
    authority: str
    """As the Host header says it: the port only where it is not the scheme's own, and no dot behind a name."""
    host: str
    port: int
    path: str
    """With the query, and without a fragment."""


def target_of(url: str) -> Target:
    """Take an address (normalised) apart."""
    assert _WRITTEN_OUT.fullmatch(url), url
    scheme, _, rest = url.partition("://")
    authority, _, path = rest.partition("#")[0].partition("/")
    authority = authority.rpartition("@")[2]
    host, colon, port = authority.rpartition(":")
    if not colon or not port.isdigit():
        return Target(scheme, authority.rstrip("."), authority, _PORTS[scheme], f"/{path}")
    return Target(scheme, f"{host.rstrip('.')}:{port}", host, int(port), f"/{path}")


class Line:
    """The one connection to a host.

    It stays open between requests to the same origin, and is closed before one to another origin of the host begins.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._origin: tuple[str, int] | None = None
        self._connection: Connection | None = None
        self._used_at = -math.inf

    async def ask(self, url: str, deadline: float, stop: Stop) -> Asked:
        """Request an address (normalised) once; takes no longer than `deadline` seconds, and raises nothing."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        at = int(time.time())
        target = target_of(url)
        connection, exchange, ending = None, None, None
        try:
            connection = await self._connect(target, began + deadline)
            request = self._client.request(target)
            answered = await connection.ask(request, stop, began + deadline)
            recording = connection.recording
            ending = recording.ending
            if not answered:
                ending = _late(deadline, nothing=recording.empty)
            elif ending is None:
                assert recording.head is not None
                answer = recording.take()
                exchange = Exchange(url, request, answer, recording.head, at, connection.address, recording.truncated)
        except Exception as error:  # noqa: BLE001 - whatever a server causes is an ending of its link
            ending = ending_of(error, deadline)
        if exchange is None or exchange.truncated or connection is None or not connection.usable:
            await self.close()
        ended = self._used_at = loop.time()
        first = None if connection is None else connection.first_byte_at
        answered_at = ended if first is None else first
        return Asked(exchange, ending, answered_at, answered_at - began, ended - began)

    async def _connect(self, target: Target, until: float) -> Connection:
        """The connection to an origin: the one that stands, or a new one."""
        origin = (target.scheme, target.port)
        fresh = asyncio.get_running_loop().time() - self._used_at <= IDLE_SECONDS
        if self._connection is not None and fresh and self._connection.usable and origin == self._origin:
            return self._connection
        await self.close()
        client = self._client
        client.open_lines.add(self)
        async with asyncio.timeout_at(until):
            addresses = await client.resolver.addresses(target.host)
            tls = client.tls if target.scheme == "https" else None
            self._connection = await connect(target.host, addresses, target.port, tls, client.allowed, client.buffer)
        self._origin = origin
        return self._connection

    async def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._client.open_lines.discard(self)
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def ending_of(error: Exception, deadline: float) -> Ending:
    """How a link ends that no connection could be had for."""
    match error:
        case ForbiddenAddressError():
            return dropped(Reason.FORBIDDEN_ADDRESS, str(error))
        case ssl.SSLError():
            return failed(Reason.TLS_ERROR, words_of(error))
        case TimeoutError():
            return _late(deadline, nothing=True)
        case socket.gaierror() | ValueError():
            return failed(Reason.DNS_ERROR, words_of(error))
        case _:
            return failed(Reason.CONNECTION_ERROR, words_of(error))


def _late(deadline: float, *, nothing: bool) -> Ending:
    return failed(Reason.TIMEOUT, f"{deadline:g} s{'' if nothing else ', answer not whole'}")
