"""What is told of a crawl while it runs, and what is told of its end."""

import asyncio
import dataclasses
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from pipeline import progress
from pipeline.fetch.live import statistics, tail, watch
from pipeline.fetch.live.lanes import Lane
from pipeline.fetch.live.politeness import Host, Manners
from pipeline.fetch.live.statistics import Slow, Statistics, Survey, seconds_left, survey
from pipeline.fetch.live.tail import Finish, Tail, tail_of
from pipeline.ledger import Reason, deferred
from pipeline.progress import Standing
from tests.pipeline.fetch.live.crawling import AT_ONCE, crawl, politely
from tests.pipeline.fetch.live.web import NO_ROBOTS, Answer, Hit, page, serving
from webtext import logs
from webtext.pace import in_words

POLITE = Manners(delay_seconds=2.0)


def lane(name: str, links: int, manners: Manners = POLITE, **state: Any) -> Lane:
    return Lane(name, manners, line=None, rows=range(links), state=Host(**state))  # type: ignore[arg-type]


def look(lanes: list[Lane], now: float = 100.0) -> Survey:
    return asyncio.run(survey(lanes, lambda: now))


def test_what_is_left_and_who_takes_longest() -> None:
    lanes = [lane(f"h{number}", number) for number in range(2500)]
    lanes.append(lane("slow", 500, crawl_delay=20.0))
    lanes.append(lane("closed", 9000, ending=deferred(Reason.HOST_FAILING, "")))
    lanes.append(lane("told to wait", 2498, ready_at=110.0))
    found = look(lanes)
    assert found.hosts == 2499 + 2
    assert found.requests == sum(range(2500)) + 500 + 2498
    assert found.slowest == (
        Slow("slow", 500, 10_000.0),
        Slow("told to wait", 2498, 5006.0),
        Slow("h2499", 2499, 4998.0),
    )


def test_where_nobody_waits_hosts_cost_no_time() -> None:
    found = look([lane("a", 1000, Manners(delay_seconds=0.0))])
    assert found.slowest[0].seconds == 0
    assert seconds_left(found, 0.5, 10) == 50


def test_the_slowest_host_or_all_the_work_decides_what_is_left() -> None:
    left = Survey(100, 10_000, (Slow("a", 100, 200.0),))
    assert seconds_left(left, 0.5, 128) == 200
    assert seconds_left(left, 0.5, 10) == 500
    assert seconds_left(Survey(), 0.5, 10) == 0


def test_paces_are_those_of_the_last_minute() -> None:
    time = 0.0
    counts = Statistics(10_000, lambda: time)
    counts.known = 1000
    for second in range(200):
        time = float(second)
        counts.ended("fetched", 10 if second < 100 else 1)
        counts.asked(0.5)
        standing = counts.standing(in_flight=7, workers=4)
    assert standing.facts["links_per_second"] == standing.facts["pages_per_second"] == pytest.approx(1.0, rel=0.05)
    assert standing.done == 1000 + 1000 + 100
    assert len(counts._samples) < 70
    counts.ended("http_error", 9000)
    counts.left = Survey(3, 40, (Slow("a.test", 40, 80.0),))
    standing = counts.standing(7, 4)
    assert standing.done == standing.total == 10_000  # links that came back from other shards count twice
    assert "80 s left" in standing.pace
    assert (
        standing.details == "1,100 pages; 7 in flight, 3 hosts left; http_error 9,000; longest: a.test 80 s (40 links)"
    )
    assert json.loads(json.dumps(standing.facts))["slowest"] == [{"host": "a.test", "links": 40, "seconds": 80.0}]


def test_the_slowest_are_told_only_when_they_decide() -> None:
    counts = Statistics(10, lambda: 0.0)
    counts.asked(50.0)
    counts.left = Survey(3, 40, (Slow("a.test", 40, 80.0),))
    assert "a.test" not in counts.standing(1, 1).details


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (99, "99 s"), (150, "2 min"), (7200, "2.0 h"), (86_400, "24.0 h"), (2e5, "2.3 days")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_the_tail_is_the_time_in_which_most_workers_had_nothing_to_do() -> None:
    hosts = [Finish(f"h{number}", 10, float(number)) for number in range(100)] + [Finish("slow", 1000, 1000.0)]
    found = tail_of(hosts, 1001.0, workers=20)
    assert found.hosts == 101
    assert found.idle_seconds == 1001.0 - 91.0  # until then ten hosts were left
    assert [finish.host for finish in found.slowest[:2]] == ["slow", "h99"]
    assert len(found.slowest) == tail.SLOWEST_KEPT


@pytest.mark.parametrize("workers", [0, 1, 2, 1000])
def test_few_hosts_are_a_tail_by_themselves(workers: int) -> None:
    assert tail_of([Finish("a", 1, 5.0)], 6.0, workers).idle_seconds == (1.0 if workers < 4 else 6.0)
    assert tail_of([], 6.0, workers) == Tail(6.0, 0, 0.0, ())


def test_crawls_beside_each_other_count_as_one() -> None:
    one = Tail(100.0, 5, 30.0, (Finish("a", 9, 99.0), Finish("b", 1, 12.0)))
    other = Tail(40.04, 7, 39.0, (Finish("c", 3, 40.0),))
    web = tail.counters([one, other, Tail()])["web"]
    assert (web["hosts"], web["seconds"], web["idle_seconds"]) == (12, 100.0, 30.0)
    assert [host["host"] for host in web["slowest"]] == ["a", "c", "b"]
    assert tail.counters([]) == tail.counters([Tail()]) == {}


def quiet(hit: Hit) -> Answer:
    if hit.path == "/robots.txt":
        return NO_ROBOTS
    return page(b"", "404 Not Found") if hit.path == "/9" else page()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOP_SECONDS", "SURVEY_SECONDS"):
        monkeypatch.setattr(watch, name, 0.05)
    monkeypatch.setattr(watch, "SURVEY_SHARE", 1.0)


def test_a_crawl_tells_where_it_stands_and_what_its_end_cost(tmp_path: Path, quick: None) -> None:
    told: list[tuple[str, Standing]] = []
    with serving(quiet) as web:
        addresses = [web.url(f"/{number}") for number in range(10)] + [web.url("/", "127.2.0.9")]
        with progress.watching(lambda stage, standing: told.append((stage, standing))):
            crawled = crawl(tmp_path, addresses, politely(0.1))
    assert {stage for stage, _ in told} == {"pages"}
    standings = [standing for _, standing in told]
    done = [standing.done for standing in standings]
    assert done == sorted(done)
    assert len(set(done)) > 4
    assert {standing.total for standing in standings} == {11}
    middle = next(standing for standing in standings if standing.facts["hosts_left"] == 1)
    assert middle.facts["slowest"][0]["host"] == "127.0.0.1"
    assert 0 < middle.facts["seconds_left"] <= 2 or middle.facts["slowest"][0]["seconds"] < 0.5
    assert middle.facts["in_flight"] <= 2
    end = crawled.crawl.tail
    assert [finish.host for finish in end.slowest] == ["127.0.0.1", "127.2.0.9"]
    assert end.slowest[0].links == 10
    assert 0.9 < end.slowest[0].seconds <= end.seconds
    assert end.slowest[1].seconds < 0.5


def test_where_nobody_watches_it_is_logged(
    tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "TELL_SECONDS", 0.2)
    with serving(quiet) as web, caplog.at_level(logging.INFO, "webtext"):
        crawl(tmp_path, [web.url(f"/{number}") for number in range(6)], politely(0.1))
    assert caplog.messages
    assert all(" of 6 links" in line and " pages/s" in line for line in caplog.messages)
    entry = json.loads(logs.JsonFormatter().format(caplog.records[0]))
    assert entry["facts"]["stage"] == "pages"
    assert entry["facts"]["total"] == 6


def test_what_was_known_before_and_what_is_over_budget_is_done(tmp_path: Path, quick: None) -> None:
    told: list[Standing] = []
    rules = dataclasses.replace(AT_ONCE, manners=Manners(0.1, host_budget=4))
    with serving(quiet) as web:
        addresses = [web.url(f"/{number}") for number in range(6)]
        crawl(tmp_path, addresses[:2], rules)
        with progress.watching(lambda _, standing: told.append(standing)):
            crawled = crawl(tmp_path, addresses, rules)
    # Which links are within the budget depends on their ids.
    for standing in told:
        assert standing.done == 2 + standing.facts["fetched"] + standing.facts["reasons"].get("host_budget", 0)
    counts = crawled.crawl.statistics
    assert counts.known == 2
    assert counts.known + counts.endings.total() == 6
    assert told


def test_surveys_do_not_hold_up_requests() -> None:
    async def turns() -> int:
        turn = 0

        async def count() -> None:
            nonlocal turn
            while True:
                await asyncio.sleep(0)
                turn += 1

        counting = asyncio.ensure_future(count())
        await survey([lane("a", 1)] * 20_000, lambda: 0.0)
        counting.cancel()
        return turn

    assert asyncio.run(turns()) >= 20_000 // statistics.LANES_AT_ONCE - 1
