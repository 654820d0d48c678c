"""One request and its answer: within a deadline, within bounds, to nowhere that is forbidden, and kept byte for byte.

Whatever a server does, a request ends in an Exchange or in an Ending.
"""

import asyncio
import dataclasses
import ssl
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import aiohttp
import yarl

from pipeline.fetch.live.addresses import ForbiddenAddressError, Network
from pipeline.fetch.live.recording import HeadTooLargeError, Recording, Tape, TapedConnector
from pipeline.fetch.live.resolving import GuardedResolver, guarded_socket
from pipeline.ledger import Ending, Reason, dropped, failed
from pipeline.warc import HttpHead, parse_http_head

CONNECT_SECONDS = 10.0
"""To connect, TLS included."""
MAX_ERROR_BYTES = 256 * 1024
"""Of answers that are no page, more is not read."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

_BODILESS = frozenset({204, 304})


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


Stop = Callable[[HttpHead], "Ending | int"]
"""From the head of an answer: how the link ends without its body, or how many bytes of it may be read."""


@dataclasses.dataclass(frozen=True)
class Client:
    """What all requests share."""

    user_agent: str
    resolver: GuardedResolver
    allowed: Sequence[Network]
    tls: ssl.SSLContext
    open_lines: "set[Line]" = dataclasses.field(default_factory=set)
    """Those that hold a connection, or may."""

    def headers(self) -> dict[str, str]:
        """What every request says, beside its host."""
        return {
            "User-Agent": self.user_agent,
            "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5",
            "Accept-Encoding": "gzip",
        }


class Line:
    """The one connection to a host.

    It stays open between requests to the same origin, and is closed before one to another origin of the host begins.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tape = Tape()
        self._origin: tuple[str, int | None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, url: str, deadline: float, stop: Stop) -> Asked:
        """Request an address (normalised) once; takes no longer than `deadline` seconds, and raises nothing."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        recording = self._tape.start()
        exchange, ending = None, None
        try:
            async with asyncio.timeout(deadline):
                exchange, ending = await self._exchange(url, recording, stop)
        except Exception as error:  # noqa: BLE001 - whatever a server causes is an ending of its link
            ending = ending_of(error, recording, deadline)
        finally:
            self._tape.stop()
        if exchange is None or ending is not None or exchange.truncated:
            await self.close()
        ended = loop.time()
        answered = ended if recording.first_byte_at is None else recording.first_byte_at
        return Asked(exchange, ending, answered, answered - began, ended - began)

    async def _exchange(self, url: str, recording: Recording, stop: Stop) -> tuple[Exchange | None, Ending | None]:
        target = yarl.URL(url, encoded=True)
        session = await self._session_for(target)
        at = int(time.time())
        truncated = ""
        try:
            async with session.get(target, allow_redirects=False) as response:
                head = parse_http_head(recording.answer)
                if head is None:
                    return None, failed(Reason.BAD_RESPONSE, "no status line")
                limit = stop(head)
                if isinstance(limit, Ending):
                    return None, limit
                request = _request_head(response.request_info)
                try:
                    if not await _read(response, limit):
                        truncated = "length"
                except aiohttp.ClientPayloadError:
                    truncated = "disconnect"
        except aiohttp.ClientResponseError as error:
            # aiohttp looks at what comes behind an answer before it hands the answer on.
            head = parse_http_head(recording.answer)
            if head is None or not _is_followed(recording.answer, head):
                raise
            limit = stop(head)
            if isinstance(limit, Ending):
                return None, limit
            request = _request_head(error.request_info)
        answer = _without_what_follows(recording.answer, head)
        return Exchange(url, request, answer, head, at, self._tape.address, truncated), None

    async def _session_for(self, target: yarl.URL) -> aiohttp.ClientSession:
        origin = (target.scheme, target.port)
        if self._session is None or origin != self._origin:
            await self.close()
            connector = TapedConnector(
                self._tape,
                resolver=self._client.resolver,
                use_dns_cache=False,  # the resolver remembers, and looks at what it remembers again
                socket_factory=guarded_socket(self._client.allowed),
                happy_eyeballs_delay=None,  # a second connection for the sake of speed is a second connection
                ssl=self._client.tls,
                limit=1,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._client.headers(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                max_line_size=1 << 15,
                max_field_size=1 << 15,
                max_headers=1 << 10,
            )
            # aiohttp would ask a second time, at once, when a connection that was kept open breaks.
            self._session._retry_connection = False
            self._client.open_lines.add(self)
            self._origin = origin
        return self._session

    async def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._session is not None:
            self._client.open_lines.discard(self)
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def _read(response: aiohttp.ClientResponse, limit: int) -> bool:
    """Read the body to its end; False when it is longer than `limit` bytes and was left."""
    size = 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > limit:
            response.close()
            return False
    return True


def _request_head(info: aiohttp.RequestInfo) -> bytes:
    lines = [f"{info.method} {info.url.raw_path_qs} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in info.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape")


def _without_what_follows(answer: bytes, head: HttpHead) -> bytes:
    """The answer without bytes behind its body."""
    end = _stated_end(head)
    return answer if end is None else answer[:end]


def _is_followed(answer: bytes, head: HttpHead) -> bool:
    """Whether there are bytes behind its body."""
    end = _stated_end(head)
    return head.complete and end is not None and len(answer) > end


def _stated_end(head: HttpHead) -> int | None:
    """Where the body ends by its stated length; None where chunks, or the end of the connection, end it."""
    if head.status in _BODILESS:
        return head.size
    length = head.headers.get("content-length", "")
    if "transfer-encoding" in head.headers or not (length.isascii() and length.isdigit()):
        return None
    return head.size + int(length[:18])


def ending_of(error: Exception, recording: Recording, deadline: float) -> Ending:
    """How a link ends whose request raised."""
    cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(cause, ForbiddenAddressError):
        return dropped(Reason.FORBIDDEN_ADDRESS, str(cause))
    words = _words(error)
    match error:
        case HeadTooLargeError():
            return failed(Reason.BAD_RESPONSE, str(error))
        case aiohttp.ClientConnectorDNSError():
            return failed(Reason.DNS_ERROR, _words(error.os_error))
        case aiohttp.ClientSSLError():
            return failed(Reason.TLS_ERROR, words)
        case aiohttp.ServerTimeoutError():
            return failed(Reason.CONNECTION_ERROR, f"no connection within {CONNECT_SECONDS:g} s")
        case TimeoutError():
            return failed(Reason.TIMEOUT, f"{deadline:g} s{'' if recording.empty else ', answer not whole'}")
        case aiohttp.ServerDisconnectedError() if recording.empty:
            return failed(Reason.CONNECTION_ERROR, "closed without an answer")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientResponseError():
            return failed(Reason.BAD_RESPONSE, "breaks off in its head" if _breaks_off(error) else words)
        case ValueError():
            return failed(Reason.DNS_ERROR, words)
        case _:
            return failed(Reason.CONNECTION_ERROR, words)


def _breaks_off(error: Exception) -> bool:
    return isinstance(error, aiohttp.ServerDisconnectedError)


def _words(error: BaseException) -> str:
    """One line of an error, without addresses of memory and without what an attacker might put there at length."""
    if isinstance(error, aiohttp.ClientConnectorError):
        error = error.os_error
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
    return " ".join(str(text).split())[:200]
