"""What came of requests: how links end, where they lead on, and what is known of hosts from then on."""

import asyncio
import dataclasses
import hashlib
import time

from pipeline import urls
from pipeline.fetch.live import judging, politeness, robots
from pipeline.fetch.live.book import Book, page_event
from pipeline.fetch.live.hosts import Hosts
from pipeline.fetch.live.journal import Event
from pipeline.fetch.live.lanes import Errand, Lane, PageErrand, RobotsErrand, Word
from pipeline.fetch.live.redirects import refusal_of, target_of
from pipeline.fetch.live.robots import Robots, Standing
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.scribe import Scribe, Written, fields_of
from pipeline.fetch.live.statistics import Statistics
from pipeline.fetch.live.surroundings import Surroundings
from pipeline.fetch.live.transfer import Asked, Exchange
from pipeline.ledger import FETCHED, Ending, Reason, deferred, failed
from pipeline.warc import payload_of


class Taking:
    """Takes what requests have brought; for the loop in which it was made."""

    def __init__(
        self, book: Book, scribe: Scribe, hosts: Hosts, statistics: Statistics, rules: FetchRules, around: Surroundings
    ) -> None:
        self._book = book
        self._scribe = scribe
        self._hosts = hosts
        self._statistics = statistics
        self._rules = rules
        self._around = around
        self._loop = asyncio.get_running_loop()

    async def close_host(self, lane: Lane, ending: Ending) -> None:
        """All of its links that are left end so."""
        lane.state = dataclasses.replace(lane.state, ending=ending)
        unended = sum(not self._book.links.ended(row) for row in lane.rows[lane.done :])
        self._statistics.ended(ending.reason.value, unended)
        await self._scribe.write({"host": lane.host, **fields_of(ending)})

    async def take_page(self, lane: Lane, errand: PageErrand, asked: Asked) -> None:
        """A request for a page has come to its end: so has the link, or it is tried again, or leads on."""
        fault = judging.page_fault(asked, self._rules)
        if await self._note(lane, errand, asked, fault):
            lane.errands.appendleft(errand)
        elif fault is None and asked.exchange is not None and judging.leads_on(asked.exchange):
            await self._follow(errand, asked.exchange)
        else:
            await self.end(errand, judging.best_of_it(asked.exchange, fault), asked.exchange)

    async def _note(self, lane: Lane, errand: Errand, asked: Asked, fault: Ending | None) -> bool:
        """What a request says of its host; returns whether to try it again."""
        manners, reason = self._rules.manners, None if fault is None else fault.reason
        status = asked.exchange.head.status if asked.exchange else None
        again = reason is not None and politeness.is_retried(reason, status) and errand.tries < politeness.MAX_TRIES
        if reason is None or not (again or politeness.is_trouble(reason, status)):
            lane.state = politeness.after_answer(manners, lane.state, asked.answered_at, asked.latency)
            return False
        wait = politeness.backoff(manners, spread_of(errand), errand.tries) if again else 0.0
        if asked.exchange is not None:
            header = asked.exchange.head.headers.get("retry-after", "")
            wait = max(wait, politeness.retry_after(header, time.time()) or 0.0)
        counts = not again or reason is not Reason.HTTP_ERROR
        lane.state = politeness.after_failure(manners, lane.state, self._loop.time(), wait, counts=counts)
        if lane.state.ending is not None:
            await self.close_host(lane, lane.state.ending)
        return again

    async def _follow(self, errand: PageErrand, exchange: Exchange) -> None:
        location = exchange.head.headers["location"]
        trail = (*errand.trail, errand.url)
        target = target_of(errand.url, location)
        if target is None:
            ending: Ending | None = failed(Reason.BAD_RESPONSE, f"leads to {location[:200]}")
        else:
            ending = refusal_of(target, trail)
            refused = self._around.refuse(urls.normalise(target) or target) if ending is None else None
            if refused is not None:
                ending = refused._replace(detail=f"leads to {target}")
        if ending is not None or target is None:
            await self.end(errand, ending, exchange, final_url=target or "")
            return
        await self._scribe.write({"hop": errand.id, "trail": [*trail, target]}, exchange)
        self.send(PageErrand(target, trail, seconds=errand.seconds, row=errand.row, id=errand.id))

    def send(self, errand: PageErrand, *, visits: bool = True) -> None:
        """Hand a link to the host that it leads to. visits: whether that counts towards the host's budget."""
        host = urls.host(errand.url)
        if not self._around.owns(host):
            self._book.left[errand.row] = (*errand.trail, errand.url)
            self._statistics.ended("left to other shards", 1)
            return
        lane = self._hosts.lane(host)
        lane.visitors += visits and host != urls.host(errand.trail[-1])
        if lane.visitors > self._rules.manners.host_budget:
            self.end(errand, deferred(Reason.HOST_BUDGET, f"leads to {errand.url}"))
            return
        lane.errands.append(errand)
        self._hosts.wake(lane)

    async def take_robots(self, lane: Lane, errand: RobotsErrand, asked: Asked) -> None:
        """A request for a robots.txt has come to its end: it is settled, or it is tried again, or leads on."""
        fault, exchange = judging.robots_fault(asked), asked.exchange
        if await self._note(lane, errand, asked, fault):
            lane.errands.appendleft(errand)
            return
        if fault is not None or exchange is None:
            assert fault is not None
            await self.settle_robots(errand, self.word(judging.without_robots(fault)), exchange)
            return
        if judging.leads_on(exchange) and len(errand.trail) < robots.MAX_REDIRECTS:
            target = target_of(errand.url, exchange.head.headers["location"])
            if target is not None and refusal_of(target, ()) is None and self._around.owns(urls.host(target)):
                self._hosts.send_robots(errand, target)
                return
        read: Robots | Ending = robots.ALLOW_ALL
        if robots.standing(exchange.head.status) is Standing.PRESENT:
            payload = payload_of(exchange.response, exchange.head).body
            read = await self._loop.run_in_executor(None, judging.read_robots, exchange.head, payload, self._rules)
        await self.settle_robots(errand, self.word(read), exchange)

    async def settle_robots(self, errand: RobotsErrand, word: Word, exchange: Exchange | None = None) -> None:
        """Let the host know what its robots.txt says."""
        asker = errand.asker
        asker.words[errand.origin] = word
        event: Event = {"robots": errand.origin, "url": errand.url, "at": int(time.time())}
        if word.ending is not None:
            event |= {"standing": Standing.UNREACHABLE.value, **fields_of(word.ending)}
        elif word.robots is robots.ALLOW_ALL:
            event |= {"standing": Standing.ABSENT.value}
        else:
            event |= {"standing": Standing.PRESENT.value}
        await self._scribe.write(event, exchange)
        if word.robots is not None and asker.state.ending is None:
            asker.state = politeness.with_crawl_delay(self._rules.manners, asker.state, word.robots.crawl_delay)
            if asker.state.ending is not None:
                await self.close_host(asker, asker.state.ending)
        self._hosts.resume(asker)

    def end(
        self, errand: PageErrand, ending: Ending | None, exchange: Exchange | None = None, final_url: str = ""
    ) -> "asyncio.Future[Written]":
        """Write down how a link ends; `ending` is None when it has its page."""
        return self.write(errand, *page_event(errand, ending, exchange, final_url))

    def write(self, errand: PageErrand, event: Event, exchange: Exchange | None = None) -> "asyncio.Future[Written]":
        """Write down the event that tells how a link ends."""

        def note(event: Event, line: int) -> None:
            self._book.end(errand.row, event, line)
            self._statistics.ended(event["reason"] or FETCHED, 1)

        return self._scribe.write(event, exchange, note)

    def word(self, said: Robots | Ending) -> Word:
        """What a robots.txt says from now on, or how links end because it could not be had."""
        until = self._loop.time() + robots.KEPT_SECONDS
        return Word(None, said, until) if isinstance(said, Ending) else Word(said, None, until)


def spread_of(errand: Errand) -> str:
    """Hex digits that spread the retries of different addresses."""
    return hashlib.sha256(errand.url.encode()).hexdigest()
