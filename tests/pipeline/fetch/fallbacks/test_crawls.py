"""Common Crawl's crawls by time."""

import json

import pytest

from pipeline.fetch.fallbacks.commoncrawl import index_url
from pipeline.fetch.fallbacks.crawls import Crawl, away, crawls_of, nearest_first
from tests.pipeline.fetch.fallbacks.services import seconds


def one(entry: object) -> list[Crawl]:
    return crawls_of(json.dumps([entry]).encode())


def test_a_crawl_with_its_time() -> None:
    entry = {"id": "CC-MAIN-2025-47", "from": "2025-11-06T20:07:18", "to": "2025-11-19T12:34:13", "cdx-api": "x"}
    assert one(entry) == [Crawl("CC-MAIN-2025-47", seconds("20251106200718"), seconds("20251119123413"), "x")]


@pytest.mark.parametrize(
    ("name", "inside", "outside"),
    [
        ("CC-MAIN-2015-06", ["20150125", "20150210"], ["20141201", "20150401"]),
        ("CC-MAIN-2013-48", ["20131125", "20131220"], ["20130901", "20140201"]),
        ("CC-MAIN-2012", ["20120101", "20121231"], ["20111230", "20130102"]),
        ("CC-MAIN-2009-2010", ["20090601", "20100601"], ["20080101", "20110601"]),
    ],
)
def test_without_a_time_the_name_tells_about_when(name: str, inside: list[str], outside: list[str]) -> None:
    (crawl,) = one({"id": name, "cdx-api": "x"})
    assert [away(crawl, seconds(day)) for day in inside] == [0] * len(inside)
    assert all(away(crawl, seconds(day)) > 0 for day in outside)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"<html>", b"[1]", b'[{"id": 3}]', b'[{"id": "CC-NEWS"}]', b'[{"id": "CC-MAIN-2015-99"}]', b"[{}]"],
)
def test_what_is_not_understood_is_left_out(body: bytes) -> None:
    assert crawls_of(body) == []


def test_nearest_first() -> None:
    crawls = [Crawl("c", 300, 400, ""), Crawl("a", 0, 100, ""), Crawl("b", 150, 250, "")]
    assert [crawl.name for crawl in nearest_first(crawls, 160)] == ["b", "a", "c"]
    assert [crawl.name for crawl in nearest_first(crawls, None)] == ["c", "b", "a"]
    assert [crawl.name for crawl in nearest_first(crawls, 125)] == ["a", "b", "c"]


def test_where_the_index_server_is() -> None:
    assert index_url("https://data.commoncrawl.org") == "https://index.commoncrawl.org"
    assert index_url("http://127.0.0.1:80") == "http://127.0.0.1:80"
