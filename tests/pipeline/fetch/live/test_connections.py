"""Connections: to whom they lead, how long is waited for them, and when another one takes their place."""

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.fetch.live import connecting, transfer
from pipeline.fetch.live.addresses import networks
from pipeline.fetch.live.resolving import GuardedResolver
from pipeline.fetch.live.transfer import Asked, Line, target_of
from pipeline.ledger import Reason
from tests.pipeline.fetch.live.test_transfer import HELLO, NAMES, ask, asked, body, client, look_up, read_all, reason
from tests.pipeline.fetch.live.web import Web, in_pieces, page, serving


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


@contextlib.contextmanager
def deaf(host: str = "127.0.0.1") -> Iterator[int]:
    """A port at which no connection comes to stand: its queue is full, and nobody takes from it."""
    with socket.socket() as server, contextlib.ExitStack() as stack:
        server.bind((host, 0))
        server.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_is_not_waited_for_without_end(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.2)
    with deaf() as port:
        (result,) = ask(f"{scheme}://127.0.0.1:{port}/", deadline=5.0)
    assert reason(result) == Reason.CONNECTION_ERROR
    assert result.seconds < 1.0


def test_a_handshake_is_part_of_connecting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (result,) = ask(f"https://127.0.0.1:{silent.getsockname()[1]}/", deadline=5.0)
    assert reason(result) == Reason.CONNECTION_ERROR
    assert result.seconds < 1.0


def test_connecting_is_part_of_the_deadline() -> None:
    with deaf() as port:
        (result,) = ask(f"http://127.0.0.1:{port}/", deadline=0.2)
    assert reason(result) == Reason.TIMEOUT
    assert result.seconds < 1.0


def test_when_an_address_refuses_the_next_is_tried(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    web.behaviour = lambda hit: page(HELLO)
    monkeypatch.setitem(NAMES, "two.test", ["::1", "127.0.0.1"])  # nobody listens at the first
    allowed = networks(["127.0.0.0/8", "::1/128"])
    with ThreadPoolExecutor(1) as executor:
        (result,) = ask(web.url("/", "two.test"), resolver=GuardedResolver(executor, allowed, look_up), allowed=allowed)
    assert body(result) == HELLO
    assert result.exchange is not None
    assert result.exchange.address == "127.0.0.1"


def test_a_resolver_that_was_fooled_connects_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fooled(GuardedResolver):
        async def addresses(self, host: str) -> list[str]:
            return ["169.254.169.254"]

    def connect(*_: object) -> None:
        pytest.fail("a connection was tried")

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", connect)
    with ThreadPoolExecutor(1) as executor:
        (result,) = ask("http://fooled.test/", resolver=Fooled(executor))
    assert reason(result) == Reason.FORBIDDEN_ADDRESS


def test_whoever_answers_is_looked_at_again(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where something between us and the address leads connections elsewhere."""
    connect = BaseSelectorEventLoop.sock_connect

    async def led_astray(loop: BaseSelectorEventLoop, sock: socket.socket, address: tuple[str, int]) -> None:
        await connect(loop, sock, ("127.0.0.6", address[1]))

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", led_astray)
    before = len(web.hits)
    (result,) = ask(web.url("/", "127.0.0.5"), allowed=networks(["127.0.0.5/32"]))
    assert reason(result) == Reason.FORBIDDEN_ADDRESS
    assert len(web.hits) == before


def test_a_connection_that_was_closed_meanwhile_is_replaced(web: Web) -> None:
    async def once(writer: asyncio.StreamWriter) -> None:
        writer.write(page(HELLO))  # says nothing of closing, and closes

    web.behaviour = lambda hit: once
    before = web.connections["127.0.4.1"]

    async def run() -> list[Asked]:
        results = []
        with ThreadPoolExecutor(2) as executor:
            async with Line(client(executor)) as line:
                for number in range(3):
                    results.append(await line.ask(web.url(f"/{number}", "127.0.4.1"), 5.0, read_all))
                    await asyncio.sleep(0.05)
        return results

    assert [body(result) for result in asyncio.run(run())] == [HELLO] * 3
    assert web.connections["127.0.4.1"] - before == 3


def test_a_connection_that_has_long_been_idle_is_replaced_before_the_server_hangs_up(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "IDLE_SECONDS", 0.05)
    web.behaviour = lambda hit: page(HELLO)
    before = web.connections["127.0.4.4"]

    async def run() -> list[Asked]:
        results = []
        with ThreadPoolExecutor(2) as executor:
            async with Line(client(executor)) as line:
                for pause in (0.0, 0.1, 0.0):
                    results.append(await line.ask(web.url("/", "127.0.4.4"), 5.0, read_all))
                    await asyncio.sleep(pause)
        return results

    assert [body(result) for result in asyncio.run(run())] == [HELLO] * 3
    assert web.connections["127.0.4.4"] - before == 2
    assert web.most_open["127.0.4.4"] == 1


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (page(HELLO), 1),
        (page(HELLO, "200 OK", "Connection: close"), 3),
        (page(HELLO).replace(b"HTTP/1.1", b"HTTP/1.0"), 3),
        (page(HELLO, "200 OK", "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"), 1),
        (page(HELLO) + b"and more", 3),
        (page(b"", "304 Not Modified", "Content-Length: 7"), 1),
    ],
)
def test_a_connection_is_kept_where_both_sides_want_it(web: Web, answer: bytes, connections: int) -> None:
    web.behaviour = lambda hit: answer
    before = web.connections["127.0.4.2"]
    results = ask(*(web.url(f"/{number}", "127.0.4.2") for number in range(3)))
    assert [result.ending for result in results] == [None] * 3
    assert web.connections["127.0.4.2"] - before == connections


def test_what_comes_between_two_requests_closes_the_connection(web: Web) -> None:
    """An answer that nobody asked for, sent when the first one has long been taken."""
    web.behaviour = lambda hit: in_pieces([page(hit.path.encode()), page(b"smuggled")], 0.1)

    async def run() -> list[Asked]:
        with ThreadPoolExecutor(2) as executor:
            async with Line(client(executor)) as line:
                first = await line.ask(web.url("/1", "127.0.4.3"), 5.0, read_all)
                await asyncio.sleep(0.2)
                return [first, await line.ask(web.url("/2", "127.0.4.3"), 5.0, read_all)]

    assert [body(result) for result in asyncio.run(run())] == [b"/1", b"/2"]


def test_sizes_of_chunks_without_end_are_left_at_the_limit(web: Web) -> None:
    flood = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", *[b"x" * 65_536] * 1000]
    result = asked(web, in_pieces(flood, 0), deadline=10.0)
    assert result.exchange is not None
    assert result.exchange.truncated == "length"
    assert len(result.exchange.response) < 1_000_000


def test_a_body_that_is_reset_is_not_whole(web: Web) -> None:
    async def reset(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhello")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    result = asked(web, reset)
    assert result.exchange is not None
    assert result.exchange.truncated == "disconnect"


def test_many_connections_keep_what_comes_apart(web: Web) -> None:
    """They share the memory that bytes arrive in."""
    bodies = {f"127.0.5.{number}": f"127.0.5.{number}".encode() * 5000 for number in range(1, 20)}
    web.behaviour = lambda hit: page(bodies[hit.address])

    async def run() -> list[Asked]:
        with ThreadPoolExecutor(2) as executor:
            shared = client(executor)
            lines = [Line(shared) for _ in bodies]
            asking = (line.ask(web.url("/", host), 5.0, read_all) for line, host in zip(lines, bodies, strict=True))
            results = await asyncio.gather(*asking)
            await asyncio.gather(*(line.close() for line in lines))
            assert not shared.open_lines
            return results

    assert [body(result) for result in asyncio.run(run())] == list(bodies.values())


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 200 OK\r\n\r\nhello", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
    ids=["without a length", "with one"],
)
def test_the_name_is_sent_and_an_end_without_a_farewell_is_one(
    certificate: Path, trusting: ssl.SSLContext, answer: bytes
) -> None:
    """TLS as many servers have it: the name decides which certificate they show, and they just hang up."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda _, name, __: names.append(name)

    def serve(server: socket.socket) -> None:
        opened, _ = server.accept()
        with context.wrap_socket(opened, server_side=True) as connection:
            connection.recv(4096)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.2", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        (result,) = ask(f"https://a.test:{server.getsockname()[1]}/", tls=trusting)
        thread.join()
    assert body(result) == b"hello"
    assert (result.exchange.truncated if result.exchange else None, names) == ("", ["a.test"])


@pytest.mark.parametrize(
    ("url", "authority", "host", "port", "path"),
    [
        ("http://example.org/", "example.org", "example.org", 80, "/"),
        ("https://example.org:8443/a?b=/c", "example.org:8443", "example.org", 8443, "/a?b=/c"),
        ("http://[2001:db8::1]/x", "[2001:db8::1]", "[2001:db8::1]", 80, "/x"),
        ("http://[2001:db8::1]:81/x#part", "[2001:db8::1]:81", "[2001:db8::1]", 81, "/x"),
        ("http://example.org./", "example.org", "example.org.", 80, "/"),
        ("http://example.org.:81/", "example.org:81", "example.org.", 81, "/"),
        ("http://user:word@example.org/", "example.org", "example.org", 80, "/"),
    ],
)
def test_addresses_taken_apart(url: str, authority: str, host: str, port: int, path: str) -> None:
    assert target_of(url)[1:] == (authority, host, port, path)


@pytest.mark.parametrize("url", ["http://a/\r\nX: y", "http://a/ b", "http://a\n/", "http://ä/", "ftp://a/", "http://"])
def test_nothing_goes_out_that_could_end_a_line_of_a_request(url: str) -> None:
    with pytest.raises(AssertionError):
        target_of(url)
