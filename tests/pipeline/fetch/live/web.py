"""A web on loopback: a server thread that answers on all of 127.0.0.0/8, misbehaves as it is told, and keeps count."""

import asyncio
import contextlib
import inspect
import itertools
import ssl
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Hit:
    """A request as the server saw it."""

    at: float
    address: str
    path: str
    head: bytes

    @property
    def headers(self) -> dict[str, str]:
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}


Answer = bytes | Callable[[asyncio.StreamWriter], Awaitable[None]] | None
"""Bytes are sent; a function sends what and when it likes, and the connection is closed behind it; None closes it."""

Behaviour = Callable[[Hit], "Answer | Awaitable[Answer]"]


def page(body: bytes = b"<html><p>hello</p></html>", status: str = "200 OK", *headers: str) -> bytes:
    """An answer as a good server gives it."""
    names = {header.partition(":")[0].lower() for header in headers}
    fields = list(headers)
    if "content-type" not in names:
        fields.append("Content-Type: text/html; charset=utf-8")
    if "content-length" not in names and "transfer-encoding" not in names:
        fields.append(f"Content-Length: {len(body)}")
    return "\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode("latin-1") + body


def moved(target: str, status: str = "301 Moved Permanently") -> bytes:
    return page(b"moved", status, f"Location: {target}")


NO_ROBOTS = page(b"none", "404 Not Found")


def in_pieces(pieces: list[bytes], seconds: float) -> Callable[[asyncio.StreamWriter], Awaitable[None]]:
    async def send(writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(seconds)

    return send


@dataclass
class Web:
    """The server. `behaviour` may be changed while it runs."""

    behaviour: Behaviour = lambda hit: page()
    tls: ssl.SSLContext | None = None
    hits: list[Hit] = field(default_factory=list)
    port: int = 0
    open_now: Counter[str] = field(default_factory=Counter)
    most_open: Counter[str] = field(default_factory=Counter)
    most_together: int = 0
    connections: Counter[str] = field(default_factory=Counter)
    busy_now: Counter[str] = field(default_factory=Counter)
    most_busy: Counter[str] = field(default_factory=Counter)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http{'s' if self.tls else ''}://{host}:{self.port}{path}"

    def paths(self, address: str | None = None) -> list[str]:
        return [hit.path for hit in self.hits if address in (None, hit.address)]

    def requests(self) -> Counter[tuple[str, str]]:
        """How often each page was asked for, robots.txt left out."""
        return Counter((hit.address, hit.path) for hit in self.hits if hit.path != "/robots.txt")

    def gaps(self) -> dict[str, list[float]]:
        """By address, the seconds between requests."""
        times: dict[str, list[float]] = {}
        for hit in self.hits:
            times.setdefault(hit.address, []).append(hit.at)
        return {name: [after - before for before, after in itertools.pairwise(each)] for name, each in times.items()}

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0]
        self.connections[address] += 1
        self.open_now[address] += 1
        self.most_open[address] = max(self.most_open[address], self.open_now[address])
        self.most_together = max(self.most_together, self.open_now.total())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                hit = Hit(time.monotonic(), address, head.split(b" ", 2)[1].decode("latin-1"), head)
                self.hits.append(hit)
                self.busy_now[address] += 1
                self.most_busy[address] = max(self.most_busy[address], self.busy_now[address])
                answer = self.behaviour(hit)
                if inspect.isawaitable(answer):
                    answer = await answer
                self.busy_now[address] -= 1
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
                    if b"content-length" in answer[:4096].lower() or b"chunked" in answer[:4096].lower():
                        continue
                elif answer is not None:
                    await answer(writer)
                break
        self.open_now[address] -= 1
        writer.close()


@contextlib.contextmanager
def serving(behaviour: Behaviour = lambda hit: page(), tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    """A web in a thread of its own, on a free port of every loopback address."""
    web = Web(behaviour, tls)
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def run() -> None:
        server = await asyncio.start_server(web._serve, "0.0.0.0", 0, ssl=tls, limit=1 << 20, backlog=1024)
        web.port = server.sockets[0].getsockname()[1]
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    def work() -> None:
        asyncio.set_event_loop(loop)
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)
        for left in asyncio.all_tasks(loop):
            left.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                loop.run_until_complete(left)
        loop.close()

    task = loop.create_task(run())
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    assert started.wait(10)
    try:
        yield web
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
