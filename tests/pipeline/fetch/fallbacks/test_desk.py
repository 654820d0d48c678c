"""How an archive is asked: at its pace, and no more when it says so."""

import asyncio
import ssl
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.fetch.fallbacks import commoncrawl, wayback
from pipeline.fetch.fallbacks.desk import Desk, Pace
from pipeline.fetch.live.addresses import networks
from pipeline.fetch.live.politeness import MAX_FAILURES, MAX_TRIES, Manners
from pipeline.fetch.live.resolving import GuardedResolver
from pipeline.fetch.live.transfer import Client, Exchange
from pipeline.ledger import Ending, Outcome
from tests.pipeline.fetch.live.web import Answer, Hit, Web, page, serving

SHORT = Manners(0.01)
NO_WAIT = Manners(0.0)


def ask(web: Web, paths: Sequence[str], pace: Pace, manners: Manners) -> tuple[list[Exchange | Ending], Desk]:
    """Ask for all of them as fast as the desk lets us."""

    async def work() -> tuple[list[Exchange | Ending], Desk]:
        allowed = networks(["127.0.0.0/8"])
        with ThreadPoolExecutor(1) as threads:
            client = Client("webtext", GuardedResolver(threads, allowed), allowed, ssl.create_default_context())
            desk = Desk(client, pace, manners, 2.0, "fetch.url")
            answers = await asyncio.gather(*(desk.ask(web.url(path), lambda head: 1000) for path in paths))
            await desk.close()
            return list(answers), desk

    return asyncio.run(work())


def test_one_at_a_time_and_so_far_apart() -> None:
    with serving() as web:
        answers, desk = ask(web, [f"/{number}" for number in range(8)], Pace(0.05), SHORT)
        assert min(web.gaps()["127.0.0.1"]) >= 0.0495
        assert web.most_open["127.0.0.1"] == 1
    assert all(isinstance(answer, Exchange) for answer in answers)
    assert desk.requests == 8


def test_some_at_a_time() -> None:
    async def slowly(hit: Hit) -> Answer:
        await asyncio.sleep(0.05)
        return page()

    with serving(slowly) as web:
        ask(web, [f"/{number}" for number in range(12)], Pace(0.0, 4), NO_WAIT)
        assert web.most_busy["127.0.0.1"] == 4
        assert web.connections["127.0.0.1"] == 4


def test_a_pause_holds_for_everybody() -> None:
    answers = [page(b"", "503 Slow Down", "Retry-After: 1")]
    with serving(lambda hit: answers.pop() if answers else page()) as web:
        found, _ = ask(web, ["/1", "/2", "/3"], Pace(0.0, 1), SHORT)
        assert web.hits[1].at - web.hits[0].at >= 0.99
    assert all(isinstance(answer, Exchange) and answer.head.status == 200 for answer in found)


def test_a_long_pause_closes_the_desk() -> None:
    with serving(lambda hit: page(b"", "429 Too Many Requests", "Retry-After: 3600")) as web:
        found, desk = ask(web, [f"/{number}" for number in range(10)], Pace(0.0), SHORT)
        assert len(web.hits) == 1
    assert desk.closed is not None
    assert {answer.detail for answer in found if isinstance(answer, Ending)} == {"asks to come back after 3600 s"}


def test_failures_in_a_row_close_it() -> None:
    with serving(lambda hit: page(b"", "500 Error")) as web:
        found, desk = ask(web, [f"/{number}" for number in range(20)], Pace(0.0), NO_WAIT)
        assert len(web.hits) == MAX_TRIES * MAX_FAILURES
    assert desk.closed is not None
    assert [answer.outcome for answer in found if isinstance(answer, Ending)].count(Outcome.FAILED) == MAX_FAILURES


def test_one_good_answer_makes_up_for_failures() -> None:
    with serving(lambda hit: page(b"", "500 Error") if int(hit.path[1:]) % 3 else page()) as web:
        _, desk = ask(web, [f"/{number}" for number in range(21)], Pace(0.0), NO_WAIT)
    assert desk.closed is None


def test_what_no_retry_mends_is_asked_once() -> None:
    with serving(lambda hit: page(b"", "404 Not Found")) as web:
        (answer,), _ = ask(web, ["/1"], Pace(0.0), NO_WAIT)
        assert len(web.hits) == 1
    assert isinstance(answer, Exchange)


def test_the_paces_that_archives_ask_for() -> None:
    assert wayback.pace(1.0).gap >= 60 / 60
    assert wayback.pace(0.01).gap == wayback.LEAST_GAP
    assert wayback.pace(5.0) == Pace(5.0, 1)
    assert wayback.pace(0.0).gap == 0
    assert commoncrawl.index_pace(0.01).gap == 1.0
    assert commoncrawl.index_pace(1.0).at_once == 1
    assert commoncrawl.data_pace(1.0).gap == pytest.approx(0.1)
    assert commoncrawl.data_pace(0.0).gap == commoncrawl.index_pace(0.0).gap == 0


def test_one_failure_closes_nothing_by_itself() -> None:
    def behaviour(hit: Hit) -> Answer:
        return None

    began = time.monotonic()
    with serving(behaviour) as web:
        found, desk = ask(web, ["/1"], Pace(0.0), NO_WAIT)
        assert len(web.hits) == MAX_TRIES
    assert isinstance(found[0], Ending)
    assert found[0].reason == "connection_error"
    assert desk.closed is None
    assert time.monotonic() - began < 2
