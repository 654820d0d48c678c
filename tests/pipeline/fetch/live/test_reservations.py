"""Files in which sites opt out: what they say, and how they are asked for."""

import dataclasses
import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fetch.live.politeness import Manners
from pipeline.fetch.live.reservations import AI, MAX_RULES, NOTHING, PATHS, TDMREP, parse
from pipeline.ledger import Reason
from tests.pipeline.fetch.live.crawling import AT_ONCE, crawl
from tests.pipeline.fetch.live.web import NO_ROBOTS, Answer, Hit, moved, page, serving

READING = dataclasses.replace(AT_ONCE, opt_out_files=(TDMREP, AI))
FETCHED = ("fetched", "")
OPTED_OUT = ("dropped", "opt_out")


def refused(file: str, body: str | bytes, path: str, *tokens: str) -> bool:
    body = body.encode() if isinstance(body, str) else body
    ending = parse(file, body, tokens or ("webtext",)).ending(f"http://a.test{path}")
    assert ending is None or ending.reason is Reason.OPT_OUT
    return ending is not None


def tdmrep(*entries: Any) -> str:
    return json.dumps([{"location": location, "tdm-reservation": reserved} for location, reserved in entries])


@pytest.mark.parametrize(
    ("body", "path", "is_refused"),
    [
        (tdmrep(("/", 1)), "/any/page", True),
        (tdmrep(("/", 0)), "/any/page", False),
        (tdmrep(("/", "1")), "/any/page", True),
        (tdmrep(("/news/", 1)), "/news/a", True),
        (tdmrep(("/news/", 1)), "/sport/a", False),
        (tdmrep(("/", 1), ("/press/", 0)), "/press/a", False),
        (tdmrep(("/press/", 0), ("/", 1)), "/news", True),
        (tdmrep(("/*.jpg", 1)), "/a.jpg", True),
        (tdmrep(("/*.jpg", 1)), "/a.html", False),
        (tdmrep(("/a$", 1)), "/ab", False),
        (tdmrep(("news", 1)), "/news", True),
        ('{"location": "/", "tdm-reservation": 1}', "/", True),
        (tdmrep(("/", True)), "/", False),
        (tdmrep(("/", 2), ("/", None), (None, 1), ("/a\nDisallow: /", 1)), "/b", False),
        ("[1, null, [], {}]", "/", False),
        ("[", "/", False),
        ("", "/", False),
        (b"\xff\xfe", "/", False),
        ("<html>not found", "/", False),
        ("[" * 100_000, "/", False),
    ],
)
def test_tdmrep(body: str | bytes, path: str, is_refused: bool) -> None:
    assert refused(TDMREP, body, path) is is_refused


ALL_OFF = "# Spawning AI\nUser-Agent: *\nDisallow: *.txt\nDisallow: *.pdf\nDisallow: *.jpg\nDisallow: /\nDisallow: *\n"
TEXT_OFF = "User-Agent: *\nDisallow: *.txt\nDisallow: *.pdf\nAllow: *.jpg\nAllow: /\n"
PICTURES_OFF = "User-Agent: *\nAllow: *.txt\nDisallow: *.jpg\nDisallow: *.png\nAllow: /\n"


@pytest.mark.parametrize(
    ("body", "path", "is_refused"),
    [
        (ALL_OFF, "/story", True),
        (TEXT_OFF, "/story", True),
        (TEXT_OFF, "/story.php?a=b", True),
        (PICTURES_OFF, "/story", False),
        (PICTURES_OFF, "/picture.jpg", True),
        ("User-Agent: *\nDisallow: *.html", "/story", True),
        ("User-Agent: *\nDisallow: /private", "/private/a", True),
        ("User-Agent: *\nDisallow: /private", "/open", False),
        ("User-Agent: GPTBot\nDisallow: /", "/story", False),
        ("User-Agent: webtext\nDisallow: /", "/story", True),
        ("User-Agent: webtext\nAllow: /\n\nUser-Agent: *\nDisallow: /", "/story", False),
        ("User-Agent: *\nContent-Signal: ai-train=no", "/story", True),
        ("User-Agent: *\nAllow: /", "/story", False),
        ("<!doctype html>\nUser-Agent: *\nDisallow: /", "/story", False),
        ("This site was made with AI.", "/story", False),
        ("", "/", False),
        (b"\x00\xff" * 1000, "/", False),
    ],
)
def test_ai_txt(body: str | bytes, path: str, is_refused: bool) -> None:
    assert refused(AI, body, path) is is_refused


def test_who_else_is_obeyed() -> None:
    assert refused(AI, "User-Agent: GPTBot\nDisallow: /", "/story", "webtext", "gptbot")


def test_what_it_was_is_told() -> None:
    ending = parse(AI, TEXT_OFF.encode(), ("webtext",)).ending("http://a.test/story")
    assert ending is not None
    assert ending.detail == "ai.txt: *.txt"


@given(st.binary(max_size=300), st.sampled_from([AI, TDMREP]))
def test_nothing_raises(body: bytes, file: str) -> None:
    parse(file, body, ("webtext",)).ending("http://a.test/x")


KEYS = st.sampled_from(["location", "tdm-reservation", "other"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text()


@given(st.recursive(LEAVES, lambda each: st.lists(each) | st.dictionaries(KEYS, each), max_leaves=20))
def test_no_json_raises(value: Any) -> None:
    parse(TDMREP, json.dumps(value).encode("utf-8", "replace"), ("webtext",)).ending("http://a.test/x")


@pytest.mark.parametrize(
    ("file", "body"),
    [
        (TDMREP, tdmrep(*((f"/{'*a' * 400}{number}", 1) for number in range(5000)))),
        (AI, "User-Agent: *\n" + "\n".join(f"Disallow: {'*a' * 40}{number}" for number in range(50_000))),
    ],
)
def test_hostile_files_cost_little(file: str, body: str) -> None:
    start = time.perf_counter()
    parse(file, body.encode(), ("webtext",)).ending("http://a.test/" + "a" * 2000)
    assert time.perf_counter() - start < 1.0
    assert MAX_RULES <= 500


def answering(**files: Answer) -> Any:
    named = {
        PATHS[TDMREP]: files.get("tdmrep"),
        PATHS[AI]: files.get("ai"),
        "/robots.txt": files.get("robots", NO_ROBOTS),
    }

    def behaviour(hit: Hit) -> Answer:
        return (named[hit.path] or page(b"", "404 Not Found")) if hit.path in named else page()

    return behaviour


def test_each_file_is_asked_for_once_a_site_before_its_pages(tmp_path: Path) -> None:
    with serving(answering()) as web:
        addresses = [web.url(f"/{number}", f"127.8.0.{number % 3 + 1}") for number in range(12)]
        crawled = crawl(tmp_path, addresses, READING)
        assert {crawled.end(address) for address in addresses} == {FETCHED}
        for host in range(1, 4):
            assert web.paths(f"127.8.0.{host}")[:3] == ["/robots.txt", *PATHS.values()]
        assert len(web.hits) == 3 * 3 + 12
        again = crawl(tmp_path, [*addresses, web.url("/new", "127.8.0.1")], READING)
        assert again.end(web.url("/new", "127.8.0.1")) == FETCHED
        assert len(web.hits) == 3 * 3 + 12 + 1  # also what is not there is remembered over restarts


def test_nobody_is_asked_who_need_not_be(tmp_path: Path) -> None:
    with serving(answering()) as web:
        crawl(tmp_path / "a", [web.url("/1")], dataclasses.replace(READING, honour_opt_out=False))
        crawl(tmp_path / "b", [web.url("/1")], dataclasses.replace(READING, opt_out_files=(AI,)))
        assert web.paths() == ["/robots.txt", "/1", "/robots.txt", "/ai.txt", "/1"]


@pytest.mark.parametrize("packed", [False, True])
def test_what_they_forbid_is_not_asked_for_and_remembered(tmp_path: Path, packed: bool) -> None:
    body, header = tdmrep(("/private/", 1)).encode(), ("Content-Type: application/json",)
    answer = (
        page(gzip.compress(body), "200 OK", *header, "Content-Encoding: gzip")
        if packed
        else page(body, "200 OK", *header)
    )
    with serving(answering(tdmrep=answer)) as web:
        addresses = [web.url("/private/a"), web.url("/open")]
        crawled = crawl(tmp_path, addresses, READING)
        assert [crawled.end(address) for address in addresses] == [OPTED_OUT, FETCHED]
        assert crawled.events[addresses[0]]["detail"] == "tdmrep.json"
        asked = len(web.hits)
        more = [*addresses, web.url("/private/b")]
        crawled = crawl(tmp_path, more, READING, key="another")
        assert [crawled.end(address) for address in more] == [OPTED_OUT, FETCHED, OPTED_OUT]
        assert len(web.hits) == asked


def test_a_redirect_leads_to_what_another_site_keeps_for_itself(tmp_path: Path) -> None:
    def behaviour(hit: Hit) -> Answer:
        if hit.path == "/moved":
            return moved(web.url("/kept", "127.8.1.2"))
        if hit.address == "127.8.1.2" and hit.path == "/ai.txt":
            return page(ALL_OFF.encode(), "200 OK", "Content-Type: text/plain")
        return page(b"", "404 Not Found")

    with serving(behaviour) as web:
        address = web.url("/moved", "127.8.1.1")
        assert crawl(tmp_path, [address], READING).end(address) == OPTED_OUT
        assert "/kept" not in web.paths()


@pytest.mark.parametrize(
    "answer",
    [
        page(b"", "500 Oops"),
        page(b"", "403 No"),
        moved("/elsewhere"),
        page(b"<html>home"),
        page(b"\x00" * 3_000_000),
        page(b"garbage", "200 OK", "Content-Encoding: gzip"),
        b"nonsense\r\n\r\n",
    ],
)
def test_a_file_that_cannot_be_had_says_nothing(tmp_path: Path, answer: Answer) -> None:
    with serving(answering(tdmrep=answer, ai=answer)) as web:
        addresses = [web.url(f"/{number}") for number in range(6)]
        crawled = crawl(tmp_path, addresses, READING)
        assert {crawled.end(address) for address in addresses} == {FETCHED}
        assert web.paths().count("/ai.txt") == 1


def test_robots_txt_speaks_of_these_files_too(tmp_path: Path) -> None:
    robots = page(b"User-agent: *\nDisallow: /ai.txt\nDisallow: /.well-known/", "200 OK", "Content-Type: text/plain")
    with serving(answering(robots=robots)) as web:
        assert crawl(tmp_path, [web.url("/1")], READING).end(web.url("/1")) == FETCHED
        assert web.paths() == ["/robots.txt", "/1"]


def test_they_are_asked_for_as_politely_as_pages(tmp_path: Path) -> None:
    rules = dataclasses.replace(READING, manners=Manners(delay_seconds=0.1))
    with serving(answering()) as web:
        crawl(tmp_path, [web.url("/1"), web.url("/2")], rules)
        (gaps,) = web.gaps().values()
        assert len(gaps) == 4
        assert min(gaps) >= 0.098


def test_a_host_that_asks_to_wait_for_long_is_left_for_later(tmp_path: Path) -> None:
    busy = page(b"", "503 Busy", "Retry-After: 4000")
    rules = dataclasses.replace(READING, manners=Manners(delay_seconds=0.05))
    with serving(answering(tdmrep=busy)) as web:
        crawled = crawl(tmp_path, [web.url("/1"), web.url("/2")], rules)
        assert crawled.end(web.url("/1")) == ("deferred", "host_failing")
        assert web.paths() == ["/robots.txt", PATHS[TDMREP]]


def test_nothing_is_nothing() -> None:
    assert parse(AI, b"", ("webtext",)) is NOTHING
    assert NOTHING.ending("http://a.test/") is None
