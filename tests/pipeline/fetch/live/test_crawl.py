import asyncio
import dataclasses
import gzip
import random
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pipeline import urls
from pipeline.fetch.live.journal import place_of
from pipeline.fetch.live.politeness import Manners
from pipeline.fetch.live.surroundings import Surroundings
from pipeline.ledger import Ending, Reason, dropped
from pipeline.records import read_record
from pipeline.warc import HttpResponse, read_response
from tests.pipeline.fetch.live.crawling import AT_ONCE, Crawled, crawl, hosts_file, politely
from tests.pipeline.fetch.live.web import NO_ROBOTS, Answer, Hit, Web, in_pieces, moved, page, serving

FETCHED = ("fetched", "")
HELLO = b"<html><p>hello</p></html>"


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as web:
        yield web


def site(pages: dict[str, Answer], robots: Answer = NO_ROBOTS, other: Answer = b"") -> "object":
    """What a server answers, by path."""
    return lambda hit: {"/robots.txt": robots, **pages}.get(hit.path, other or page())


def body_of(crawled: Crawled, url: str) -> bytes:
    event = crawled.events[urls.normalise(url) or ""]
    place = place_of(event)
    assert place is not None, event
    record = read_record(str(crawled.folder / place.file), place.offset, place.length)
    response = read_response(record, AT_ONCE.max_bytes)
    assert isinstance(response, HttpResponse)
    return response.body


def test_pages_are_fetched_and_lie_where_the_journal_says(web: Web, tmp_path: Path) -> None:
    web.behaviour = lambda hit: NO_ROBOTS if hit.path == "/robots.txt" else page(hit.path.encode() * 10)
    addresses = [web.url(f"/{number}", f"127.0.1.{number % 7}") for number in range(40)]
    crawled = crawl(tmp_path, addresses)
    for address in addresses:
        assert crawled.end(address) == FETCHED
        assert body_of(crawled, address) == urls.path(address).encode() * 10
    assert set(web.requests().values()) == {1}
    assert web.paths().count("/robots.txt") == 7


def test_nothing_to_do_is_done_at_once(tmp_path: Path) -> None:
    assert crawl(tmp_path, []).events == {}


def one(web: Web, tmp_path: Path, answer: Answer, **options: object) -> tuple[str, str]:
    web.behaviour = site({"/page": answer})  # type: ignore[assignment]
    return crawl(tmp_path, [web.url("/page")], **options).end(web.url("/page"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "ending"),
    [
        (page(b"gone", "404 Not Found"), ("failed", "http_error")),
        (page(b"", "204 No Content"), ("failed", "http_error")),
        (page(b"pay", "402 Payment Required"), ("failed", "http_error")),
        (page(b"error", "500 Oops"), ("failed", "http_error")),
        (page(b"%PDF-", "200 OK", "Content-Type: application/pdf"), ("dropped", "not_html")),
        (page(HELLO, "200 OK", "Content-Length: 900000"), ("dropped", "too_large")),
        (page(b"a" * 300_000), ("dropped", "too_large")),
        (page(gzip.compress(bytes(5_000_000)), "200 OK", "Content-Encoding: gzip"), ("dropped", "too_large")),
        (page(HELLO, "200 OK", "Content-Encoding: gzip"), FETCHED),
        (page(bytes(range(256)), "200 OK", "Content-Encoding: gzip"), ("failed", "broken_record")),
        (page(HELLO, "200 OK", "X-Robots-Tag: noai"), ("dropped", "opt_out")),
        (page(HELLO, "200 OK", "X-Robots-Tag: otherbot: noai"), FETCHED),
        (page(HELLO, "200 OK", "TDM-Reservation: 1"), ("dropped", "opt_out")),
        (page(HELLO, "200 OK", "Content-Signal: ai-train=no"), ("dropped", "opt_out")),
        (page(HELLO, "200 OK", "X-Robots-Tag: noindex, noimageai"), FETCHED),
        (None, ("failed", "connection_error")),
        (b"<html>no head</html>", ("failed", "bad_response")),
        (in_pieces([page(HELLO)[:-5]], 0), FETCHED),
        (in_pieces([page(b"")[:-1]], 5), ("failed", "timeout")),
        (in_pieces([b"HTTP/1.1 200 OK\r\n\r\n", *[b"a" * 60_000] * 1000], 0), ("dropped", "too_large")),
    ],
)
def test_each_answer_ends_in_one_class(web: Web, tmp_path: Path, answer: Answer, ending: tuple[str, str]) -> None:
    assert one(web, tmp_path, answer) == ending


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip", "zstd"])
def test_bombs(web: Web, tmp_path: Path, shared_data: Path, coding: str) -> None:
    bomb = (shared_data / "web" / "decompression" / "scrapy" / f"bomb-{coding}.bin").read_bytes()
    assert one(web, tmp_path, page(bomb, "200 OK", f"Content-Encoding: {coding}")) == ("dropped", "too_large")


def test_what_was_not_asked_for_is_taken_all_the_same(web: Web, tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "web" / "decompression" / "scrapy"
    packed = {"br": "br", "zstd": "zstd-static-content-size", "deflate": "zlibdeflate"}
    web.behaviour = site(
        {
            f"/{coding}": page((folder / f"html-{name}.bin").read_bytes(), "200 OK", f"Content-Encoding: {coding}")
            for coding, name in packed.items()
        }
    )  # type: ignore[assignment]
    crawled = crawl(tmp_path, [web.url(f"/{coding}") for coding in packed])
    for coding in packed:
        assert body_of(crawled, web.url(f"/{coding}")).lstrip().startswith(b"<"), coding


def test_what_may_pass_is_tried_again_and_what_may_not_is_not(web: Web, tmp_path: Path) -> None:
    web.behaviour = site({"/500": page(b"", "500 Oops"), "/404": page(b"", "404 No"), "/close": None})  # type: ignore[assignment]
    crawl(tmp_path, [web.url(path, "127.0.2.1") for path in ("/500", "/404", "/close")])
    assert {path: count for (_, path), count in web.requests().items()} == {"/500": 3, "/404": 1, "/close": 3}


def test_a_second_try_may_succeed(web: Web, tmp_path: Path) -> None:
    web.behaviour = lambda hit: (
        NO_ROBOTS if hit.path == "/robots.txt" else page(b"", "503 Wait") if len(web.hits) < 4 else page()
    )
    assert crawl(tmp_path, [web.url()]).end(web.url()) == FETCHED


def test_a_host_that_fails_five_times_in_a_row_is_left_alone(web: Web, tmp_path: Path) -> None:
    web.behaviour = lambda hit: NO_ROBOTS if hit.path == "/robots.txt" else None
    addresses = [web.url(f"/{number}") for number in range(50)]
    crawled = crawl(tmp_path, addresses)
    assert web.requests().total() == 5
    ends = [crawled.end(address) for address in addresses]
    assert ends.count(("deferred", "host_failing")) == 49
    assert ends.count(("failed", "connection_error")) == 1


def test_a_host_has_a_budget(web: Web, tmp_path: Path) -> None:
    addresses = [web.url(f"/{number}") for number in range(30)]
    rules = politely(0.0)
    rules = AT_ONCE.__class__(**{**rules.__dict__, "manners": rules.manners.__class__(0.0, host_budget=10)})
    crawled = crawl(tmp_path, addresses, rules)
    ends = [crawled.end(address) for address in addresses]
    assert (ends.count(FETCHED), ends.count(("deferred", "host_budget"))) == (10, 20)
    again = crawl(tmp_path, addresses, rules)
    assert again.events.keys() == crawled.events.keys()
    assert web.requests().total() == 10


def test_what_earlier_rounds_fetched_takes_no_place_in_a_budget(web: Web, tmp_path: Path) -> None:
    web.behaviour = lambda hit: page(b"", "404 Not Found") if hit.path in {"/3", "/robots.txt"} else page()
    addresses = [web.url(f"/{number}") for number in range(30)]
    rules = dataclasses.replace(AT_ONCE, manners=Manners(0.0, host_budget=12))

    def fetched(key: str) -> int:
        crawled = crawl(tmp_path, addresses, rules, key=key)
        ends = [crawled.end(address) for address in addresses]
        assert len(ends) - ends.count(FETCHED) - ends.count(("deferred", "host_budget")) in {0, 1}
        return ends.count(FETCHED)

    assert fetched("monday") in {11, 12}
    assert fetched("tuesday") in {22, 23, 24}
    assert fetched("tuesday") in {22, 23, 24}
    assert fetched("wednesday") == 29
    assert {path: count for (_, path), count in web.requests().items() if count > 1}.keys() <= {"/3"}


def robots_txt(text: str) -> bytes:
    return page(text.encode(), "200 OK", "Content-Type: text/plain")


PACKED = "Content-Encoding: gzip"


def test_robots_txt_is_obeyed(web: Web, tmp_path: Path) -> None:
    web.behaviour = site({}, robots_txt("User-agent: *\nDisallow: /private\n"))  # type: ignore[assignment]
    crawled = crawl(tmp_path, [web.url("/private/1"), web.url("/open")])
    assert crawled.end(web.url("/private/1")) == ("dropped", "robots")
    assert crawled.end(web.url("/open")) == FETCHED
    assert web.paths() == ["/robots.txt", "/open"]


@pytest.mark.parametrize(
    ("robots", "ending", "asked"),
    [
        (page(b"", "404 No"), FETCHED, 1),
        (page(b"", "403 No"), FETCHED, 1),
        (page(b"", "401 No"), FETCHED, 1),
        (page(b"", "500 Oops"), ("deferred", "robots_unreachable"), 3),
        (page(b"", "429 Slow"), ("deferred", "robots_unreachable"), 3),
        (b"garbage\r\n\r\n", ("deferred", "robots_unreachable"), 1),
        (None, ("failed", "connection_error"), 3),
        (in_pieces([b"HTTP/1.1 200 OK\r\n"], 9), ("failed", "timeout"), 1),
        (robots_txt("User-agent: *\nCrawl-delay: 100\n"), FETCHED, 1),  # without waiting, no delay is too long
        (robots_txt("User-agent: *\nContent-Signal: ai-train=no\n"), ("dropped", "opt_out"), 1),
        (
            page(gzip.compress(b"User-agent: *\nDisallow: /"), "200 OK", "Content-Encoding: gzip"),
            ("dropped", "robots"),
            1,
        ),
        (page(b"User-agent: *\nDisallow: /\n" + b"# x\n" * 200_000), ("dropped", "robots"), 1),
        (moved("/robots.txt"), FETCHED, 6),
        (moved("http://169.254.169.254/robots.txt"), ("deferred", "robots_unreachable"), 1),
        (page(gzip.compress(bytes(30_000_000)), "200 OK", PACKED), ("deferred", "robots_unreachable"), 1),
        (moved("ftp://127.0.0.1/robots.txt"), FETCHED, 1),
    ],
)
def test_what_robots_txt_may_be(web: Web, tmp_path: Path, robots: Answer, ending: tuple[str, str], asked: int) -> None:
    web.behaviour = site({}, robots)  # type: ignore[assignment]
    assert crawl(tmp_path, [web.url("/page")]).end(web.url("/page")) == ending
    assert web.paths().count("/robots.txt") == asked


def test_robots_txt_may_lie_with_another_host(web: Web, tmp_path: Path) -> None:
    def behaviour(hit: Hit) -> Answer:
        if hit.path == "/robots.txt":
            if hit.address == "127.0.3.1":
                return moved(web.url("/robots.txt", "127.0.3.2"))
            return robots_txt("User-agent: *\nDisallow: /private\n")
        return page()

    web.behaviour = behaviour
    addresses = [web.url(path, host) for path in ("/private", "/open") for host in ("127.0.3.1", "127.0.3.2")]
    crawled = crawl(tmp_path, addresses)
    assert [crawled.end(address) for address in addresses] == [("dropped", "robots")] * 2 + [FETCHED] * 2


def test_a_robots_txt_that_comes_back_to_its_host_ends(web: Web, tmp_path: Path) -> None:
    """As sites do whose name and www name send each other away."""

    def behaviour(hit: Hit) -> Answer:
        if hit.path == "/robots.txt":
            return moved(web.url("/robots.txt", "127.0.3.3" if hit.address == "127.0.3.4" else "127.0.3.4"))
        return page()

    web.behaviour = behaviour
    addresses = [web.url("/x", host) for host in ("127.0.3.3", "127.0.3.4")]
    crawled = crawl(tmp_path, addresses)
    assert [crawled.end(address) for address in addresses] == [FETCHED] * 2


def test_redirects_are_followed_from_host_to_host(web: Web, tmp_path: Path) -> None:
    hosts = [f"127.0.4.{number}" for number in range(1, 7)]

    def behaviour(hit: Hit) -> Answer:
        if hit.path == "/robots.txt":
            return NO_ROBOTS
        where = hosts.index(hit.address)
        return moved(web.url("/x#part", hosts[where + 1])) if where < 5 else page()

    web.behaviour = behaviour
    start = web.url("/x", hosts[0])
    crawled = crawl(tmp_path, [start])
    assert crawled.end(start) == FETCHED
    assert crawled.events[start]["final_url"] == web.url("/x", hosts[-1])
    assert web.paths().count("/robots.txt") == 6


@pytest.mark.parametrize(
    ("location", "ending"),
    [
        ("/page", ("failed", "too_many_redirects")),
        ("/other", ("failed", "too_many_redirects")),
        ("//127.0.0.1:22/", ("dropped", "forbidden_address")),
        ("http://169.254.169.254/latest/meta-data/", ("dropped", "forbidden_address")),
        ("http://2130706433:22/", ("dropped", "forbidden_address")),
        ("http://0xa9fea9fe/", ("dropped", "forbidden_address")),
        ("http://[::ffff:10.0.0.1]/", ("dropped", "forbidden_address")),
        ("http://inside.test/", ("dropped", "forbidden_address")),
        ("http://nowhere.test/", ("failed", "dns_error")),
        ("file:///etc/passwd", ("failed", "bad_response")),
        ("gopher://127.0.0.1/", ("failed", "bad_response")),
        ("javascript:alert(1)", ("failed", "bad_response")),
        ("http://", ("failed", "bad_response")),
        ("http://blocked.test/", ("dropped", "blocked_domain")),
        ("/private", ("dropped", "robots")),
        ("/noai", ("dropped", "opt_out")),
    ],
)
def test_where_redirects_may_not_lead(web: Web, tmp_path: Path, location: str, ending: tuple[str, str]) -> None:
    pages: dict[str, Answer] = {
        "/page": moved(location),
        "/other": moved("/page"),
        "/noai": page(HELLO, "200 OK", "X-Robots-Tag: noai"),
    }
    web.behaviour = site(pages, robots_txt("User-agent: *\nDisallow: /private"))  # type: ignore[assignment]

    def refuse(url: str) -> Ending | None:
        return dropped(Reason.BLOCKED_DOMAIN) if "blocked" in url else None

    around = Surroundings(refuse=refuse, look_up=hosts_file({"inside.test": ["10.0.0.1"]}))
    crawled = crawl(tmp_path, [web.url("/page")], around=around)
    assert crawled.end(web.url("/page")) == ending
    assert {hit.path for hit in web.hits} <= {"/robots.txt", "/page", "/other", "/noai"}


def test_a_chain_without_end_ends(web: Web, tmp_path: Path) -> None:
    web.behaviour = lambda hit: NO_ROBOTS if hit.path == "/robots.txt" else moved(f"{hit.path}x", "302 Found")
    assert crawl(tmp_path, [web.url("/a")]).end(web.url("/a")) == ("failed", "too_many_redirects")
    assert web.requests().total() == 6


def test_an_address_to_which_many_lead_is_asked_once(web: Web, tmp_path: Path) -> None:
    web.behaviour = lambda hit: (
        NO_ROBOTS
        if hit.path == "/robots.txt"
        else page()
        if hit.path == "/same"
        else moved(web.url("/same", "127.0.5.1"))
    )
    addresses = [
        *(web.url(f"/{number}", f"127.0.5.{number}") for number in range(2, 12)),
        web.url("/same", "127.0.5.1"),
    ]
    crawled = crawl(tmp_path, addresses)
    assert {crawled.end(address) for address in addresses} == {FETCHED}
    assert web.paths().count("/same") == 1
    assert {crawled.events[address]["sha256"] for address in addresses} == {crawled.events[addresses[0]]["sha256"]}


def test_names_that_lead_nowhere_or_inside(tmp_path: Path) -> None:
    names = {"inside.test": ["192.168.1.1", "::1"], "meta.test": ["169.254.169.254"]}
    addresses = ["http://nowhere.test/1", "http://nowhere.test/2", "http://inside.test/", "https://meta.test/x"]
    crawled = crawl(tmp_path, addresses, around=Surroundings(look_up=hosts_file(names)))
    assert [crawled.end(address) for address in addresses] == [
        *[("failed", "dns_error")] * 2, *[("dropped", "forbidden_address")] * 2
    ]  # fmt: skip


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/", "http://2130706433/", "http://0x7f.1/", "http://0177.0.0.1/", "http://[::1]/",
        "http://[::ffff:127.0.0.1]/", "http://[64:ff9b::a9fe:a9fe]/", "http://10.0.0.1:8080/",
    ],
)  # fmt: skip
def test_links_to_forbidden_addresses_in_any_spelling(tmp_path: Path, url: str) -> None:
    rules = AT_ONCE.__class__(contact="x", manners=AT_ONCE.manners, allow_networks=())
    assert crawl(tmp_path, [url], rules).end(url) == ("dropped", "forbidden_address")


def test_a_port_where_no_pages_are_is_not_asked(tmp_path: Path) -> None:
    assert crawl(tmp_path, ["http://127.0.0.1:22/"]).end("http://127.0.0.1:22/") == ("dropped", "forbidden_address")


def test_a_name_that_changes_its_mind(web: Web, tmp_path: Path) -> None:
    """Rebinding: the first answer may be reached, all others lead inside."""
    answers = iter([["127.0.0.9"]])

    def look_up(host: str) -> Sequence[str]:
        return next(answers, ["169.254.169.254"])

    web.behaviour = site({})  # type: ignore[assignment]
    addresses = [web.url(f"/{number}", "rebinding.test") for number in range(5)]
    crawled = crawl(tmp_path, addresses, around=Surroundings(look_up=look_up))
    assert {crawled.end(address) for address in addresses} <= {FETCHED, ("dropped", "forbidden_address")}
    assert {hit.address for hit in web.hits} == {"127.0.0.9"}


def test_tls(self_signed: ssl.SSLContext, trusting: ssl.SSLContext, tmp_path: Path) -> None:
    names = {"a.test": ["127.0.0.2"], "b.test": ["127.0.0.3"]}
    around = Surroundings(look_up=hosts_file(names), tls=lambda: trusting)
    with serving(lambda hit: NO_ROBOTS if hit.path == "/robots.txt" else page(), tls=self_signed) as web:
        addresses = [web.url("/x", host) for host in names]
        crawled = crawl(tmp_path, addresses, around=around)
    assert [crawled.end(address) for address in addresses] == [FETCHED, ("failed", "tls_error")]


def test_a_connection_that_dies_in_the_middle_of_many(web: Web, tmp_path: Path) -> None:
    async def die(writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    web.behaviour = lambda hit: (
        NO_ROBOTS if hit.path == "/robots.txt" else die if int(hit.path[1:]) % 4 == 0 else page()
    )
    addresses = [web.url(f"/{number}") for number in range(40)]
    crawled = crawl(tmp_path, addresses)
    ends = [crawled.end(address) for address in addresses]
    assert (
        ends.count(FETCHED) + ends.count(("failed", "connection_error")) + ends.count(("deferred", "host_failing"))
        == 40
    )


def test_every_link_is_of_one_class_whatever_the_servers_do(web: Web, tmp_path: Path) -> None:
    answers: list[Answer] = [
        page(), page(b"", "404 No"), moved("/1"), moved("http://10.0.0.1/"), None, b"nonsense", page(b"", "503 Wait"),
        page(b"x", "200 OK", "Content-Type: image/png"), page(HELLO, "200 OK", "X-Robots-Tag: noai"),
    ]  # fmt: skip
    robots: list[Answer] = [NO_ROBOTS, robots_txt("User-agent: *\nDisallow: /3"), page(b"", "500 No"), None, NO_ROBOTS]

    def behaviour(hit: Hit) -> Answer:
        last = int(hit.address.rpartition(".")[2])
        if hit.path == "/robots.txt":
            return robots[last % len(robots)]
        return answers[(int(hit.path[1:] or 0) + last) % len(answers)]

    web.behaviour = behaviour
    addresses = [web.url(f"/{number}", f"127.0.6.{number % 23 + 1}") for number in range(400)]
    first = crawl(tmp_path, addresses)
    hits = len(web.hits)
    again = crawl(tmp_path, addresses)
    assert len(web.hits) == hits
    assert again.events == first.events


@pytest.mark.parametrize("seed", range(4))
def test_a_web_that_sends_everybody_everywhere_comes_to_an_end(web: Web, tmp_path: Path, seed: int) -> None:
    """Pages and robots.txt redirect at random among thirty hosts, so hosts wait for hosts that wait for hosts."""
    choice = random.Random(seed)
    hosts = [f"127.0.7.{number}" for number in range(1, 31)]
    robots_of = {host: choice.choice([None, *hosts]) for host in hosts}
    pages: dict[str, Answer] = {
        f"/{number}": choice.choice(
            [page(), moved(web.url(f"/{choice.randrange(20)}", choice.choice(hosts))), None, page(b"", "503 Wait")]
        )
        for number in range(20)
    }

    def behaviour(hit: Hit) -> Answer:
        if hit.path == "/robots.txt":
            target = robots_of[hit.address]
            return (
                robots_txt("User-agent: *\nDisallow: /1") if target is None else moved(web.url("/robots.txt", target))
            )
        return pages[hit.path]

    web.behaviour = behaviour
    addresses = [web.url(f"/{number}", host) for number in range(20) for host in hosts]
    crawled = crawl(tmp_path, addresses)
    assert len(crawled.events) == len(addresses)
    assert set(web.most_open.values()) == {1}
    asked = len(web.hits)
    assert crawl(tmp_path, addresses).events == crawled.events
    assert len(web.hits) == asked
