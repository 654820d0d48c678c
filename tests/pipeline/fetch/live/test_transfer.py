import asyncio
import gzip
import socket
import ssl
import time
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.fetch.live.addresses import networks
from pipeline.fetch.live.recording import MAX_HEAD
from pipeline.fetch.live.resolving import GuardedResolver
from pipeline.fetch.live.transfer import Asked, Client, Line
from pipeline.ledger import Ending, Outcome, Reason, dropped
from pipeline.warc import HttpHead, payload_of
from tests.pipeline.fetch.live.web import Answer, Web, in_pieces, moved, page, serving

LOOPBACK = networks(["127.0.0.0/8"])
NAMES: dict[str, list[str]] = {"a.test": ["127.0.0.2"], "b.test": ["127.0.0.3"]}
MANY = 100_000
HELLO = b"<html><p>hello</p></html>"


def look_up(host: str) -> list[str]:
    if host not in NAMES:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return NAMES[host]


def read_all(head: HttpHead) -> int:
    return MANY


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


def client(executor: ThreadPoolExecutor, **changes: object) -> Client:
    resolver = GuardedResolver(executor, LOOPBACK, look_up)
    options = {"user_agent": "webtext/0 (+test)", "resolver": resolver, "allowed": LOOPBACK}
    return Client(**{**options, "tls": ssl.create_default_context(), **changes})  # type: ignore[arg-type]


def ask(url: str, *more: str, deadline: float = 5.0, stop: object = read_all, **changes: object) -> list[Asked]:
    async def run() -> list[Asked]:
        with ThreadPoolExecutor(2) as executor:
            async with Line(client(executor, **changes)) as line:
                return [await line.ask(each, deadline, stop) for each in (url, *more)]  # type: ignore[arg-type]

    return asyncio.run(run())


def asked(web: Web, answer: Answer, **options: object) -> Asked:
    web.behaviour = lambda hit: answer
    (result,) = ask(web.url(), **options)  # type: ignore[arg-type]
    return result


def reason(result: Asked) -> Reason | None:
    return result.ending.reason if result.ending else None


def body(result: Asked) -> bytes:
    assert result.exchange is not None, result.ending
    return payload_of(result.exchange.response, result.exchange.head).body


def test_an_answer_is_kept_byte_for_byte(web: Web) -> None:
    sent = b"HTTP/1.1 200 Fine\r\nX-Odd:  two  spaces\r\ncontent-TYPE: text/html\r\nContent-Length: 5\r\n\r\nhello"
    result = asked(web, sent)
    assert result.exchange is not None
    assert result.exchange.response == sent
    assert result.exchange.request == web.hits[-1].head
    assert (result.exchange.head.status, result.exchange.address) == (200, "127.0.0.1")
    assert abs(result.exchange.at - time.time()) < 5


def test_a_request_says_who_asks_and_takes_gzip_only(web: Web) -> None:
    asked(web, page())
    assert web.hits[-1].headers == {
        "host": f"127.0.0.1:{web.port}",
        "user-agent": "webtext/0 (+test)",
        "accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.5",
        "accept-encoding": "gzip",
    }


def test_a_packed_body_stays_packed(web: Web) -> None:
    packed = gzip.compress(HELLO)
    assert body(asked(web, page(packed, "200 OK", "Content-Encoding: gzip"))) == packed


# The fifteen answers of Nutch's TestBadServerResponses, in spirit, and what else servers have been seen to send.
BAD = Reason.BAD_RESPONSE
LENGTH = b"Content-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BAD_SERVERS: dict[str, tuple[bytes, Reason | None, bytes | None]] = {
    "headers end in line feeds alone": (
        b"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 5\n\nhello", None, b"hello",
    ),
    "no reason phrase": (b"HTTP/1.1 200\r\n" + LENGTH, None, b"hello"),
    "no length, closed at the end": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", None, b"hello"),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", None, b"hello"),
    "a header without a colon": (b"HTTP/1.1 200 OK\r\nnonsense\r\n" + LENGTH, BAD, None),
    "a header with an empty name": (b"HTTP/1.1 200 OK\r\n: x\r\n" + LENGTH, BAD, None),
    "a folded header": (b"HTTP/1.1 200 OK\r\nX-A: a\r\n  b\r\n" + LENGTH, None, b"hello"),
    "no status line": (b"<html>hello</html>", BAD, None),
    "a status that is no number": (b"HTTP/1.1 abc OK\r\n\r\nhello", BAD, None),
    "a status of four digits": (b"HTTP/1.1 2000 OK\r\n\r\nhello", BAD, None),
    "an unknown protocol": (b"ICY 200 OK\r\n\r\nhello", BAD, None),
    "a length that is no number": (b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello", BAD, None),
    "an empty length": (b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello", BAD, None),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", BAD, None),
    "two lengths that differ": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", BAD, None,
    ),
    "a length too small": (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello", None, b"he"),
    "chunks": (CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", None, b"hello"),
    "chunks with trailers": (
        CHUNKED + b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", None, b"hello",
    ),
    "chunks without a size": (CHUNKED + b"hello", BAD, None),
    "an interim answer first": (
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n" + LENGTH, None, b"hello",
    ),
    "nothing at all": (b"", Reason.CONNECTION_ERROR, None),
    "half a head": (b"HTTP/1.1 200 OK\r\nContent-Le", BAD, None),
    "bytes at random": (bytes(range(256)) * 4, BAD, None),
    "TLS where none was asked": (b"\x15\x03\x01\x00\x02\x02\x46", BAD, None),
    "a switch of protocols": (b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", None, b""),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_SERVERS)
def test_bad_servers(web: Web, name: str) -> None:
    sent, ends, received = BAD_SERVERS[name]

    async def send(writer: asyncio.StreamWriter) -> None:
        writer.write(sent)
        await writer.drain()

    result = asked(web, send, deadline=3.0)
    assert reason(result) == ends, result.ending
    if received is not None:
        assert body(result) == received


def test_a_body_that_breaks_off_says_so(web: Web) -> None:
    result = asked(web, in_pieces([b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhello"], 0))
    assert result.exchange is not None
    assert result.exchange.truncated == "disconnect"
    assert body(result) == b"hello"


@pytest.mark.parametrize(
    "head",
    [
        b"X-Long: " + b"a" * 1_000_000,
        b"\r\n".join(b"X-%d: %s" % (number, b"a" * 90) for number in range(10_000)),
        b"Set-Cookie: a=b\r\n" * 60_000,
    ],
    ids=["one header", "many headers", "cookies"],
)
def test_heads_of_a_megabyte_are_not_taken(web: Web, head: bytes) -> None:
    result = asked(web, b"HTTP/1.1 200 OK\r\n" + head + b"\r\nContent-Length: 5\r\n\r\nhello")
    assert reason(result) == Reason.BAD_RESPONSE


def test_a_head_below_the_limit_is_taken(web: Web) -> None:
    result = asked(web, page(HELLO, "200 OK", "X-Long: " + "a" * (MAX_HEAD - 1000)))
    assert body(result) == HELLO


def test_interim_answers_without_end_are_not_taken(web: Web) -> None:
    result = asked(web, in_pieces([b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" * 100] * 100, 0))
    assert reason(result) == Reason.BAD_RESPONSE


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 ", *[b"O"] * 400],
        [b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 400],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n", *[b"a"] * 400],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n"] * 400],
        [b""] * 100,
    ],
    ids=["status line", "headers", "body", "chunks", "silence"],
)
def test_slow_loris_ends_at_the_deadline(web: Web, pieces: list[bytes]) -> None:
    start = time.monotonic()
    result = asked(web, in_pieces(pieces, 0.05), deadline=0.5)
    assert reason(result) == Reason.TIMEOUT
    assert time.monotonic() - start < 1.5


def test_a_body_without_end_is_left_at_the_limit(web: Web) -> None:
    result = asked(web, in_pieces([b"HTTP/1.1 200 OK\r\n\r\n", *[b"a" * 65_536] * 10_000], 0), deadline=10.0)
    assert result.exchange is not None
    assert result.exchange.truncated == "length"
    assert len(result.exchange.response) < MANY + 10 * 65_536


def test_what_the_head_rules_out_is_not_read(web: Web) -> None:
    ending = dropped(Reason.NOT_HTML, "video/mp4")
    result = asked(web, in_pieces([b"HTTP/1.1 200 OK\r\n\r\n", *[b"a" * 65_536] * 10_000], 0), stop=lambda head: ending)
    assert (result.exchange, result.ending) == (None, ending)


def test_one_connection_is_kept_and_closed_before_another_origin(web: Web) -> None:
    web.behaviour = lambda hit: page()
    before = web.connections["127.0.0.9"]
    with serving() as other:
        urls = [web.url(f"/{number}", "127.0.0.9") for number in range(3)]
        results = ask(*urls, other.url("/", "127.0.0.9"), web.url("/again", "127.0.0.9"))
        assert all(result.ending is None for result in results)
        assert (web.connections["127.0.0.9"] - before, other.connections["127.0.0.9"]) == (2, 1)


def test_a_kept_connection_that_breaks_is_not_asked_again_at_once(web: Web) -> None:
    web.behaviour = lambda hit: page() if hit.path == "/first" else None
    before = len(web.hits)
    _, second = ask(web.url("/first", "127.0.0.8"), web.url("/second", "127.0.0.8"))
    assert reason(second) == Reason.CONNECTION_ERROR
    assert web.paths()[before:] == ["/first", "/second"]


def test_what_comes_unasked_on_a_kept_connection_spoils_nothing(web: Web) -> None:
    web.behaviour = lambda hit: page(hit.path.encode()) + page(b"smuggled")
    results = ask(*(web.url(f"/{number}", "127.0.0.7") for number in range(3)))
    for number, result in enumerate(results):
        if result.ending is None:
            assert body(result) == f"/{number}".encode()
        else:
            assert result.ending.reason == Reason.BAD_RESPONSE


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://192.168.1.1:8080/", "http://[::1]/",
        "http://[::ffff:7f00:1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://[2002:7f00:1::]/", "http://0.0.0.0/",
        "http://[fd00:ec2::254]/",
    ],
)  # fmt: skip
def test_forbidden_addresses_are_never_connected_to(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        pytest.fail("a connection was tried")

    monkeypatch.setattr(BaseSelectorEventLoop, "sock_connect", connect)
    (result,) = ask(url)
    assert result.ending is not None
    assert (result.ending.outcome, result.ending.reason) == (Outcome.DROPPED, Reason.FORBIDDEN_ADDRESS)


@pytest.mark.parametrize("url", ["http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://127.1/"])
def test_odd_spellings_that_were_not_normalised_reach_nothing(url: str) -> None:
    (result,) = ask(url)
    assert reason(result) in {Reason.FORBIDDEN_ADDRESS, Reason.DNS_ERROR}


def test_a_name_with_forbidden_addresses_only_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMES, "inside.test", ["10.0.0.1", "::1"])
    (result,) = ask("http://inside.test/")
    assert reason(result) == Reason.FORBIDDEN_ADDRESS
    assert "private" in result.ending.detail if result.ending else False


def test_of_a_name_s_addresses_only_reachable_ones_are_tried(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMES, "both.test", ["10.0.0.1", "127.0.0.6", "::1"])
    (result,) = ask(web.url("/", "both.test"))
    assert result.exchange is not None
    assert result.exchange.address == "127.0.0.6"


def test_a_name_that_changes_its_mind_gains_nothing(web: Web) -> None:
    """A resolver that was fooled, or is another one: the socket is refused all the same."""
    web.behaviour = lambda hit: page()
    answers = iter([["127.0.0.5"], ["169.254.169.254"]])

    class Fooled(GuardedResolver):
        async def addresses(self, host: str) -> list[str]:
            return next(answers)

    async def run() -> list[Asked]:
        with ThreadPoolExecutor(1) as executor:
            line = Line(client(executor, resolver=Fooled(executor)))
            first = await line.ask(web.url("/", "fooled.test"), 5.0, read_all)
            await line.close()
            return [first, await line.ask("http://fooled.test/", 5.0, read_all)]

    first, second = asyncio.run(run())
    assert first.ending is None
    assert reason(second) == Reason.FORBIDDEN_ADDRESS


def test_no_proxy_of_the_environment_is_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert body(asked(web, page(HELLO))) == HELLO


def test_names_without_an_address_and_closed_ports() -> None:
    unknown, closed = ask("http://nowhere.test/", "http://127.0.0.1:1025/")
    assert (reason(unknown), reason(closed)) == (Reason.DNS_ERROR, Reason.CONNECTION_ERROR)


def test_a_redirect_is_an_answer_and_is_not_followed(web: Web) -> None:
    result = asked(web, moved("http://169.254.169.254/"))
    assert result.exchange is not None
    assert (result.exchange.head.status, result.exchange.head.headers["location"]) == (301, "http://169.254.169.254/")


def test_no_cookie_is_ever_sent_back(web: Web) -> None:
    web.behaviour = lambda hit: page(HELLO, "200 OK", "Set-Cookie: a=b; Path=/")
    ask(web.url("/1"), web.url("/2"))
    assert "cookie" not in web.hits[-1].headers


def test_a_certificate_that_nobody_vouches_for_is_a_tls_error(self_signed: ssl.SSLContext) -> None:
    with serving(tls=self_signed) as web:
        (result,) = ask(web.url())
    assert reason(result) == Reason.TLS_ERROR
    assert web.hits == []


def test_plain_text_where_tls_is_expected_is_a_tls_error() -> None:
    def answer(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(page(b"speak plainly", "400 Bad Request"))

    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as thread:
        thread.submit(answer, server)
        (result,) = ask(f"https://127.0.0.1:{server.getsockname()[1]}/")
    assert reason(result) == Reason.TLS_ERROR


def test_tls_with_a_trusted_certificate(self_signed: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    with serving(tls=self_signed) as web:
        (result,) = ask(web.url("/", "a.test"), tls=trusting)
        assert body(result) == HELLO
        (wrong_name,) = ask(web.url("/", "b.test"), tls=trusting)
    assert reason(wrong_name) == Reason.TLS_ERROR


def test_the_time_until_the_first_byte_is_the_latency(web: Web) -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        writer.write(page(HELLO)[:50])
        await asyncio.sleep(0.3)
        writer.write(page(HELLO)[50:])

    result = asked(web, slow)
    assert 0.25 < result.latency < 0.5
    assert 0.55 < result.seconds < 1.5
    assert isinstance(result.ending, Ending | None)
