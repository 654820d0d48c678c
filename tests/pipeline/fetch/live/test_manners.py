"""Politeness as servers see it: they, not the fetcher, count connections and the seconds between requests."""

import asyncio
import time
from pathlib import Path

import pytest

from pipeline.fetch.live.surroundings import Surroundings
from tests.pipeline.fetch.live.crawling import AT_ONCE, crawl, hosts_file, politely
from tests.pipeline.fetch.live.web import NO_ROBOTS, Answer, Hit, moved, page, serving

pytestmark = pytest.mark.alone

HOSTS, EACH, DELAY = 40, 25, 0.2
CLOCKS = 0.002
"""What the clocks of two processes, or a timer, may be off."""


def quiet(hit: Hit) -> Answer:
    return NO_ROBOTS if hit.path == "/robots.txt" else page()


def test_no_host_sees_two_connections_or_a_shorter_gap_and_no_time_is_lost(tmp_path: Path) -> None:
    with serving(quiet) as web:
        addresses = [web.url(f"/{number // HOSTS}", f"127.1.0.{number % HOSTS + 1}") for number in range(HOSTS * EACH)]
        start = time.monotonic()
        crawled = crawl(tmp_path, addresses, politely(DELAY))
        seconds = time.monotonic() - start
        assert {crawled.end(address) for address in addresses} == {("fetched", "")}
        assert len(web.most_open) == HOSTS
        assert set(web.most_open.values()) == {1}
        assert min(gap for gaps in web.gaps().values() for gap in gaps) >= DELAY - CLOCKS
        assert seconds < 1.3 * EACH * DELAY + 1.0  # a second for the first connections on a busy machine


def test_an_uneven_web_takes_as_long_as_its_largest_host(tmp_path: Path) -> None:
    """One host with many links and many with few, fewer workers than hosts: the large one must never wait."""
    with serving(quiet) as web:
        addresses = [web.url(f"/{number}", "127.1.1.1") for number in range(30)]
        addresses += [web.url("/", f"127.1.2.{number}") for number in range(1, 200)]
        start = time.monotonic()
        crawl(tmp_path, addresses, politely(0.1, concurrency=4))
        assert time.monotonic() - start < 1.3 * 30 * 0.1 + 1.0
        assert min(web.gaps()["127.1.1.1"]) >= 0.1 - CLOCKS


def test_a_crawl_delay_is_kept(tmp_path: Path) -> None:
    robots = page(b"User-agent: *\nCrawl-delay: 0.4\n", "200 OK", "Content-Type: text/plain")
    with serving(lambda hit: robots if hit.path == "/robots.txt" else page()) as web:
        crawl(tmp_path, [web.url(f"/{number}") for number in range(4)], politely(0.05))
        assert min(web.gaps()["127.0.0.1"]) >= 0.4 - CLOCKS


def test_too_long_a_crawl_delay_leaves_the_host_for_later(tmp_path: Path) -> None:
    robots = page(b"User-agent: *\nCrawl-delay: 31\n", "200 OK", "Content-Type: text/plain")
    with serving(lambda hit: robots if hit.path == "/robots.txt" else page()) as web:
        addresses = [web.url(f"/{number}") for number in range(4)]
        crawled = crawl(tmp_path, addresses, politely(0.05))
        assert {crawled.end(address) for address in addresses} == {("deferred", "crawl_delay")}
        crawl(tmp_path, addresses, politely(0.05))
        assert web.paths() == ["/robots.txt"]


def test_a_slow_host_is_given_five_times_its_latency(tmp_path: Path) -> None:
    async def slowly(hit: Hit) -> Answer:
        await asyncio.sleep(0.1)
        return quiet(hit)

    with serving(slowly) as web:
        crawl(tmp_path, [web.url(f"/{number}") for number in range(5)], politely(0.05))
        assert min(web.gaps()["127.0.0.1"][1:]) >= 0.5


def test_a_host_that_asks_to_wait_is_waited_for(tmp_path: Path) -> None:
    def behaviour(hit: Hit) -> Answer:
        if hit.path != "/robots.txt" and len(web.paths()) == 2:
            return page(b"", "429 Too Many Requests", "Retry-After: 1")
        return quiet(hit)

    with serving() as web:
        web.behaviour = behaviour
        crawled = crawl(tmp_path, [web.url("/x")], politely(0.05))
        assert crawled.end(web.url("/x")) == ("fetched", "")
        assert web.gaps()["127.0.0.1"][-1] >= 1.0 - CLOCKS


def test_a_host_that_asks_to_wait_for_long_is_left_for_later(tmp_path: Path) -> None:
    busy = page(b"", "503 Busy", "Retry-After: 86400")
    with serving(lambda hit: NO_ROBOTS if hit.path == "/robots.txt" else busy) as web:
        addresses = [web.url(f"/{number}") for number in range(20)]
        crawled = crawl(tmp_path, addresses, politely(0.05))
        assert {crawled.end(address) for address in addresses} == {("deferred", "host_failing")}
        assert len(web.hits) == 2


@pytest.mark.parametrize("delay", [0.0, 0.05])
def test_redirects_between_hosts_keep_to_one_connection_each(tmp_path: Path, delay: float) -> None:
    """Every page leads to the next host, so hosts are asked for their own pages and for those of others."""

    def behaviour(hit: Hit) -> Answer:
        last = int(hit.address.rpartition(".")[2])
        if hit.path == "/robots.txt" or hit.path.startswith("/to"):
            return quiet(hit)
        return moved(web.url(f"/to{last}{hit.path}", f"127.1.3.{last % 10 + 1}"))

    with serving() as web:
        web.behaviour = behaviour
        addresses = [web.url(f"/{number // 10}", f"127.1.3.{number % 10 + 1}") for number in range(100)]
        crawled = crawl(tmp_path, addresses, politely(delay))
        assert {crawled.end(address) for address in addresses} == {("fetched", "")}
        assert set(web.most_open.values()) == {1}
        assert min(gap for gaps in web.gaps().values() for gap in gaps) >= delay - CLOCKS


def test_failures_keep_the_gap_too(tmp_path: Path) -> None:
    answers: list[Answer] = [None, page(b"", "500 Oops"), b"nonsense", page(), page(b"", "404 No")]

    def behaviour(hit: Hit) -> Answer:
        return NO_ROBOTS if hit.path == "/robots.txt" else answers[int(hit.path[1:]) % len(answers)]

    with serving(behaviour) as web:
        crawl(tmp_path, [web.url(f"/{number}") for number in range(10)], politely(0.05))
        assert min(web.gaps()["127.0.0.1"]) >= 0.05 - CLOCKS
        assert set(web.most_open.values()) == {1}


def test_many_sites_on_one_machine_do_not_all_come_at_once(tmp_path: Path) -> None:
    names = {f"{number}.test": ["127.1.4.1"] for number in range(60)}

    async def slowly(hit: Hit) -> Answer:
        await asyncio.sleep(0.02)
        return quiet(hit)

    with serving(slowly) as web:
        addresses = [web.url("/", name) for name in names]
        crawled = crawl(tmp_path, addresses, AT_ONCE, Surroundings(look_up=hosts_file(names)))
        assert {crawled.end(address) for address in addresses} == {("fetched", "")}
        assert web.most_busy["127.1.4.1"] <= 8


def test_no_more_connections_are_kept_than_files_may_be_open(tmp_path: Path) -> None:
    with serving(quiet) as web:
        addresses = [web.url(f"/{number // 60}", f"127.1.5.{number % 60 + 1}") for number in range(180)]
        crawled = crawl(tmp_path, addresses, politely(0.3), Surroundings(open_files=lambda: 24))
        assert {crawled.end(address) for address in addresses} == {("fetched", "")}
        assert web.most_together <= 24
        assert set(web.most_open.values()) == {1}
