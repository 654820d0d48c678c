"""A crawl: the links of one shard, host by host, each to its end.

Workers take hosts in turn and make one request a turn. What is decided about a link stands in the journal before the
host's next turn, so a crawl that is killed goes on where it was: it asks again for at most what was in flight.
"""

import asyncio
import dataclasses
import hashlib
import math
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import webtext
from pipeline import progress, urls
from pipeline.fetch.live import judging, politeness, robots
from pipeline.fetch.live.addresses import ForbiddenAddressError, networks
from pipeline.fetch.live.book import Book, Found, page_event, same_event
from pipeline.fetch.live.journal import Event, Journal, place_of
from pipeline.fetch.live.lanes import Errand, Lane, PageErrand, RobotsErrand, Word
from pipeline.fetch.live.links import Links
from pipeline.fetch.live.redirects import origin_of, refusal_of, target_of
from pipeline.fetch.live.resolving import GuardedResolver, is_final
from pipeline.fetch.live.robots import Robots, Standing
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.scheduling import Scheduler
from pipeline.fetch.live.scribe import Scribe, Written, fields_of
from pipeline.fetch.live.statistics import Statistics
from pipeline.fetch.live.surroundings import DEFAULT, Surroundings
from pipeline.fetch.live.transfer import CONNECT_SECONDS, Asked, Client, Exchange, Line, Stop
from pipeline.ledger import FETCHED, Ending, Reason, Stage, deferred, dropped, failed
from pipeline.records import RecordReader
from pipeline.warc import payload_of, unpack_record
from webtext import storage

MAX_PER_ADDRESS = 8
"""Requests in flight to one network address, whatever the hosts: a machine with a thousand sites is one machine."""
RESOLVER_THREADS = 32
STOP_SECONDS = 0.5
"""Between two looks at whether to stop."""
TELL_SECONDS = 30.0
LEAST_SECONDS = 1.0
"""What a request is given when those before it have used up the link's time."""


class StoppedError(Exception):
    """Nobody waits for the crawl any more."""


class Crawl:
    """The links of a shard, and how they end."""

    def __init__(
        self, links: Links, journal: Journal, folder: str, rules: FetchRules, around: Surroundings = DEFAULT
    ) -> None:
        """Get ready. folder: where the journal's files lie."""
        self.book = Book(links, journal, rules.manners.host_budget)
        self.statistics = Statistics(len(links))
        self._journal = journal
        self._folder = folder
        self._rules = rules
        self._around = around
        self._lanes: dict[str, Lane] = {}
        self._parked: dict[str, deque[Lane]] = {}
        self._in_flight: Counter[str] = Counter()
        self._limits: dict[type, Stop] = {
            PageErrand: lambda head: judging.page_limit(head, rules),
            RobotsErrand: judging.robots_limit,
        }

    def endings(self) -> Iterator[tuple[str, Event]]:
        """Ids of the links, and how each ended."""
        closed = {host: lane.state.ending for host, lane in self._lanes.items() if lane.state.ending is not None}
        return self.book.endings(closed)

    async def run(self, key: str) -> None:
        """Bring every link to its end.

        key: tells the config, see `Book.recover`. Raises StoppedError when it is asked to stop, UserError when the disk
        is full.
        """
        found = self.book.recover(key)
        self._journal.begin(key, self._facts(), int(time.time()))
        self._loop = asyncio.get_running_loop()
        self._scheduler: Scheduler[Lane] = Scheduler()
        self._scribe = Scribe(self._journal, self._rules.max_bytes)
        self._resolving = ThreadPoolExecutor(RESOLVER_THREADS, "resolver")
        allowed = networks(self._rules.allow_networks)
        resolver = GuardedResolver(self._resolving, allowed, self._around.look_up)
        self._client = Client(user_agent(self._rules.contact), resolver, allowed, self._around.tls())
        self._most_open = self._around.open_files() // 2
        self._open_lanes(found)
        workers = [
            asyncio.ensure_future(self._work())
            for _ in range(min(self._rules.concurrency, self._most_open, len(self.book.links)))
        ]
        watch = asyncio.ensure_future(self._watch())
        try:
            finished = asyncio.ensure_future(_all_of(workers))
            await asyncio.wait([finished, watch], return_when=asyncio.FIRST_COMPLETED)
            for each in (finished, watch):
                if each.done():
                    each.result()
        finally:
            for task in (watch, *workers):
                task.cancel()
            await asyncio.gather(watch, *workers, return_exceptions=True)
            for lane in self._lanes.values():
                await lane.line.close()
            await self._scribe.close()
            self._resolving.shutdown(wait=False, cancel_futures=True)

    def _facts(self) -> list[tuple[str, str]]:
        """What a WARC file says of itself."""
        return [
            ("software", f"webtext/{webtext.__version__}"),
            ("format", "WARC File Format 1.1"),
            ("robots", "obey"),
            ("http-header-user-agent", user_agent(self._rules.contact)),
        ]

    def _open_lanes(self, found: Found) -> None:
        links, manners = self.book.links, self._rules.manners
        for host, rows in links.by_host():
            self._lane(host).rows = [row for row in rows[: manners.host_budget] if row not in found.hops]
        with RecordReader() as reader:
            for origin, event in found.words.items():
                word = self._recovered_word(event, reader)
                lane = self._lanes.get(urls.host(f"{origin}/"))
                if word is not None and lane is not None:
                    lane.words[origin] = word
                    delay = word.robots.crawl_delay if word.robots else None
                    lane.state = politeness.with_crawl_delay(manners, lane.state, delay)
        for host, ending in found.hosts.items():
            lane = self._lane(host)
            lane.state = dataclasses.replace(lane.state, ending=ending)
        for row, trail in found.hops.items():
            self._send(PageErrand(trail[-1], trail[:-1], row=row, id=links.id(row)), visits=False)
        progress.advance(Stage.PAGES, links.ended_count)
        for lane in list(self._lanes.values()):
            self._wake(lane)

    def _recovered_word(self, event: Event, reader: RecordReader) -> Word | None:
        """What an earlier run read in a robots.txt; None where it must be read anew."""
        until = self._loop.time() + robots.KEPT_SECONDS - (time.time() - event["at"])
        place = place_of(event)
        if event["standing"] == Standing.ABSENT.value:
            return Word(robots.ALLOW_ALL, None, until)
        if event["standing"] != Standing.PRESENT.value or place is None:
            return None
        member = reader.read(storage.join(self._folder, place.file), place.offset, place.length)
        record = unpack_record(member, self._rules.max_bytes)
        if isinstance(record, Ending) or record.http is None:
            return None
        read = judging.read_robots(record.http, record.payload, self._rules)
        return None if isinstance(read, Ending) else Word(read, None, until)

    def _lane(self, host: str) -> Lane:
        lane = self._lanes.get(host)
        if lane is None:
            lane = self._lanes[host] = Lane(host, self._rules.manners, Line(self._client))
        return lane

    def _wake(self, lane: Lane) -> None:
        if not lane.running and lane.left:
            lane.running = True
            self._scheduler.enter(lane, lane.ready_at)

    async def _watch(self) -> None:
        told = self._loop.time()
        while True:
            await asyncio.sleep(STOP_SECONDS)
            if self._around.stopping():
                raise StoppedError
            if self._loop.time() - told >= TELL_SECONDS:
                told = self._loop.time()
                self.statistics.tell(self._lanes.values())

    async def _work(self) -> None:
        while (lane := await self._scheduler.next()) is not None:
            parked = await self._turn(lane)
            if parked or lane.waiting:
                continue
            if lane.left == 0 or len(self._client.open_lines) > self._most_open:
                await lane.line.close()  # meanwhile somebody may send a link here
            if lane.left > 0:
                self._scheduler.put(lane, lane.ready_at)
            else:
                lane.running = False
                self._scheduler.leave()

    async def _turn(self, lane: Lane) -> bool:
        """One request at most; True when the lane was parked because its address is busy."""
        errand = await self._next_errand(lane)
        if errand is None:
            return False
        address = self._client.resolver.known(lane.host) or await self._address(lane, errand)
        if address is None:
            return False
        if self._in_flight[address] >= MAX_PER_ADDRESS:
            lane.errands.appendleft(errand)
            self._parked.setdefault(address, deque()).append(lane)
            return True
        self._in_flight[address] += 1
        try:
            seconds = max(self._rules.deadline_seconds - errand.seconds, LEAST_SECONDS)
            asked = await lane.line.ask(errand.url, seconds, self._limits[type(errand)])
        finally:
            self._release(address)
        errand.tries += 1
        errand.seconds += asked.seconds
        self.statistics.asked(asked.seconds)
        if isinstance(errand, RobotsErrand):
            await self._take_robots(lane, errand, asked)
        else:
            await self._take_page(lane, errand, asked)
        return False

    def _release(self, address: str) -> None:
        self._in_flight[address] -= 1
        if not self._in_flight[address]:
            del self._in_flight[address]
        parked = self._parked.get(address)
        if parked:
            self._scheduler.put(parked.popleft(), -math.inf)
        elif parked is not None:
            del self._parked[address]

    async def _next_errand(self, lane: Lane) -> PageErrand | RobotsErrand | None:
        """The next request of a host. What needs none is brought to its end on the way."""
        last: asyncio.Future[Written] | None = None
        wanted: PageErrand | RobotsErrand | None = None
        while wanted is None and (errand := self._pop(lane)) is not None:
            if isinstance(errand, RobotsErrand):
                if lane.state.ending is None:
                    wanted = errand
                else:
                    await self._settle_robots(errand, self._word(judging.elsewhere(errand, lane, lane.state.ending)))
            elif (known := self.book.known(errand)) is not None:
                last = self._write(errand, same_event(errand, known))
            elif lane.state.ending is not None:
                last = self._end(errand, lane.state.ending)
            else:
                origin = origin_of(errand.url)
                word = lane.words.get(origin)
                if word is None and (refused := refusal_of(errand.url, ())) is not None:
                    last = self._end(errand, refused)
                elif word is None or word.until < self._loop.time():
                    lane.errands.appendleft(errand)
                    wanted = RobotsErrand(f"{origin}/robots.txt", origin=origin, asker=lane)
                elif (ending := await self._robots_ending(word, errand.url)) is not None:
                    last = self._end(errand, ending)
                else:
                    wanted = errand
        if last is not None:
            await last
        return wanted

    def _pop(self, lane: Lane) -> PageErrand | RobotsErrand | None:
        if lane.errands:
            return lane.errands.popleft()
        if lane.state.ending is not None:
            lane.done = len(lane.rows)  # one event speaks for all of them
        while lane.done < len(lane.rows):
            row = lane.rows[lane.done]
            lane.done += 1
            if not self.book.links.ended(row):
                trail = self.book.links.trail(row)
                return PageErrand(trail[-1], trail[:-1], row=row, id=self.book.links.id(row))
        return None

    async def _robots_ending(self, word: Word, url: str) -> Ending | None:
        if word.robots is None:
            return word.ending
        if word.robots.heavy:
            return await self._loop.run_in_executor(None, self._asked_of, word.robots, url)
        return self._asked_of(word.robots, url)

    def _asked_of(self, word: Robots, url: str) -> Ending | None:
        return word.ending(url, honour_opt_out=self._rules.honour_opt_out)

    async def _address(self, lane: Lane, errand: PageErrand | RobotsErrand) -> str | None:
        """The address that the host will be asked at; None when it has none, and what that means is settled."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return (await self._client.resolver.addresses(lane.host))[0]
        except ForbiddenAddressError as error:
            ending = dropped(Reason.FORBIDDEN_ADDRESS, str(error))
        except (OSError, UnicodeError) as error:
            words = getattr(error, "strerror", None) or "no answer of a name server"
            ending = failed(Reason.DNS_ERROR, str(words))
            errand.tries += 1
            if not (isinstance(error, OSError) and is_final(error)) and errand.tries < politeness.MAX_TRIES:
                wait = politeness.backoff(self._rules.manners, _spread(errand), errand.tries)
                lane.state = dataclasses.replace(lane.state, ready_at=self._loop.time() + wait)
                lane.errands.appendleft(errand)
                return None
        await self._close_host(lane, ending)
        lane.errands.appendleft(errand)
        return None

    async def _close_host(self, lane: Lane, ending: Ending) -> None:
        """All of its links that are left end so."""
        lane.state = dataclasses.replace(lane.state, ending=ending)
        unended = sum(not self.book.links.ended(row) for row in lane.rows[lane.done :])
        self._ended(ending.reason.value, unended)
        await self._scribe.write({"host": lane.host, **fields_of(ending)})

    async def _take_page(self, lane: Lane, errand: PageErrand, asked: Asked) -> None:
        fault = judging.page_fault(asked, self._rules)
        if await self._note(lane, errand, asked, fault):
            lane.errands.appendleft(errand)
        elif fault is None and asked.exchange is not None and judging.leads_on(asked.exchange):
            await self._follow(errand, asked.exchange)
        else:
            await self._end(errand, judging.best_of_it(asked.exchange, fault), asked.exchange)

    async def _note(self, lane: Lane, errand: Errand, asked: Asked, fault: Ending | None) -> bool:
        """What a request says of its host; returns whether to try it again."""
        manners, reason = self._rules.manners, None if fault is None else fault.reason
        status = asked.exchange.head.status if asked.exchange else None
        again = reason is not None and politeness.is_retried(reason, status) and errand.tries < politeness.MAX_TRIES
        if reason is None or not (again or politeness.is_trouble(reason, status)):
            lane.state = politeness.after_answer(manners, lane.state, asked.answered_at, asked.latency)
            return False
        wait = politeness.backoff(manners, _spread(errand), errand.tries) if again else 0.0
        if asked.exchange is not None:
            header = asked.exchange.head.headers.get("retry-after", "")
            wait = max(wait, politeness.retry_after(header, time.time()) or 0.0)
        counts = not again or reason is not Reason.HTTP_ERROR
        lane.state = politeness.after_failure(manners, lane.state, self._loop.time(), wait, counts=counts)
        if lane.state.ending is not None:
            await self._close_host(lane, lane.state.ending)
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
            await self._end(errand, ending, exchange, final_url=target or "")
            return
        await self._scribe.write({"hop": errand.id, "trail": [*trail, target]}, exchange)
        self._send(PageErrand(target, trail, seconds=errand.seconds, row=errand.row, id=errand.id))

    def _send(self, errand: PageErrand, *, visits: bool = True) -> None:
        """Hand a link to the host that it leads to. visits: whether that counts towards the host's budget."""
        host = urls.host(errand.url)
        if not self._around.owns(host):
            self.book.left[errand.row] = (*errand.trail, errand.url)
            self._ended("left to other shards", 1)
            return
        lane = self._lane(host)
        lane.visitors += visits and host != urls.host(errand.trail[-1])
        if lane.visitors > self._rules.manners.host_budget:
            self._end(errand, deferred(Reason.HOST_BUDGET, f"leads to {errand.url}"))
            return
        lane.errands.append(errand)
        self._wake(lane)

    async def _take_robots(self, lane: Lane, errand: RobotsErrand, asked: Asked) -> None:
        fault, exchange = judging.robots_fault(asked), asked.exchange
        if await self._note(lane, errand, asked, fault):
            lane.errands.appendleft(errand)
            return
        if fault is not None or exchange is None:
            assert fault is not None
            await self._settle_robots(errand, self._word(judging.without_robots(fault)), exchange)
            return
        if judging.leads_on(exchange) and len(errand.trail) < robots.MAX_REDIRECTS:
            target = target_of(errand.url, exchange.head.headers["location"])
            if target is not None and refusal_of(target, ()) is None and self._around.owns(urls.host(target)):
                self._send_robots(errand, target)
                return
        read: Robots | Ending = robots.ALLOW_ALL
        if robots.standing(exchange.head.status) is Standing.PRESENT:
            payload = payload_of(exchange.response, exchange.head).body
            read = await self._loop.run_in_executor(None, judging.read_robots, exchange.head, payload, self._rules)
        await self._settle_robots(errand, self._word(read), exchange)

    def _send_robots(self, errand: RobotsErrand, target: str) -> None:
        """Follow a redirect of a robots.txt. A host whose file lies with another one waits for that one's turn."""
        assert errand.asker is not None
        next_lane = self._lane(urls.host(target))
        following = RobotsErrand(
            target, (*errand.trail, errand.url), seconds=errand.seconds, origin=errand.origin, asker=errand.asker
        )
        errand.asker.waiting = next_lane is not errand.asker
        next_lane.errands.appendleft(following)
        self._wake(next_lane)

    async def _settle_robots(self, errand: RobotsErrand, word: Word, exchange: Exchange | None = None) -> None:
        """Let the host know what its robots.txt says."""
        asker = errand.asker
        assert asker is not None
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
                await self._close_host(asker, asker.state.ending)
        if asker.waiting:
            asker.waiting = False
            self._scheduler.put(asker, asker.ready_at)

    def _end(
        self, errand: PageErrand, ending: Ending | None, exchange: Exchange | None = None, final_url: str = ""
    ) -> "asyncio.Future[Written]":
        """Write down how a link ends; `ending` is None when it has its page."""
        return self._write(errand, *page_event(errand, ending, exchange, final_url))

    def _write(self, errand: PageErrand, event: Event, exchange: Exchange | None = None) -> "asyncio.Future[Written]":
        def note(done: "asyncio.Future[Written]") -> None:
            if not done.cancelled() and done.exception() is None:
                event, line = done.result()
                self.book.end(errand.row, event, line)
                self._ended(event["reason"] or FETCHED, 1)

        future = self._scribe.write(event, exchange)
        future.add_done_callback(note)
        return future

    def _ended(self, reason: str, links: int) -> None:
        self.statistics.ended(reason, links)
        progress.advance(Stage.PAGES, links)

    def _word(self, said: Robots | Ending) -> Word:
        """What a robots.txt says from now on, or how links end because it could not be had."""
        until = self._loop.time() + robots.KEPT_SECONDS
        return Word(None, said, until) if isinstance(said, Ending) else Word(said, None, until)


def user_agent(contact: str) -> str:
    """How every request introduces itself: an address of the web as it is, anything else as something to write to."""
    return f"webtext/{webtext.__version__} (+{contact})"


def _spread(errand: Errand) -> str:
    return hashlib.sha256(errand.url.encode()).hexdigest()


async def _all_of(workers: Sequence["asyncio.Future[Any]"]) -> None:
    await asyncio.gather(*workers)
