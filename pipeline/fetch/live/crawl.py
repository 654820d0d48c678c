"""A crawl: the links of one shard, host by host, each to its end.

Workers take hosts in turn and make one request a turn. What is decided about a link stands in the journal before the
host's next turn, so a crawl that is killed goes on where it was: it asks again for at most what was in flight.
"""

import asyncio
import dataclasses
import math
import time
from collections import Counter, deque
from collections.abc import Iterator

import webtext
from pipeline import urls
from pipeline.fetch.live import clients, judging, politeness, robots
from pipeline.fetch.live.addresses import ForbiddenAddressError
from pipeline.fetch.live.book import Book, Found, same_event
from pipeline.fetch.live.hosts import Hosts
from pipeline.fetch.live.journal import Event, Journal
from pipeline.fetch.live.lanes import Lane, PageErrand, ReservationErrand, RobotsErrand, Word
from pipeline.fetch.live.links import Links
from pipeline.fetch.live.recovering import Recovering
from pipeline.fetch.live.redirects import origin_of, refusal_of
from pipeline.fetch.live.reserving import Reserving
from pipeline.fetch.live.resolving import is_final
from pipeline.fetch.live.robots import ALLOW_ALL, Robots
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.scribe import Scribe, Written
from pipeline.fetch.live.statistics import Statistics, finishes
from pipeline.fetch.live.surroundings import DEFAULT, Surroundings
from pipeline.fetch.live.tail import Tail, tail_of
from pipeline.fetch.live.taking import Taking, spread_of
from pipeline.fetch.live.transfer import CONNECT_SECONDS, Stop
from pipeline.fetch.live.watch import Watch
from pipeline.fetch.live.working import together, watched
from pipeline.ledger import Ending, Reason, dropped, failed
from pipeline.records import RecordReader

MAX_PER_ADDRESS = 8
"""Requests in flight to one network address, whatever the hosts: a machine with a thousand sites is one machine."""
RESOLVER_THREADS = 32
LEAST_SECONDS = 1.0
"""What a request is given when those before it have used up the link's time."""


_Errand = PageErrand | RobotsErrand | ReservationErrand


class Crawl:
    """The links of a shard, and how they end."""

    def __init__(
        self, links: Links, journal: Journal, folder: str, rules: FetchRules, around: Surroundings = DEFAULT
    ) -> None:
        """Get ready. folder: where the journal's files lie."""
        self.book = Book(links, journal, rules.manners.host_budget)
        self.statistics = Statistics(len(links))
        self.tail = Tail()
        """What its end cost, when it is over."""
        self._journal = journal
        self._folder = folder
        self._rules = rules
        self._around = around
        self._parked: dict[str, deque[Lane]] = {}
        self._in_flight: Counter[str] = Counter()
        self._limits: dict[type, Stop] = {
            PageErrand: lambda head: judging.page_limit(head, rules),
            RobotsErrand: judging.robots_limit,
            ReservationErrand: judging.robots_limit,
        }

    def endings(self) -> Iterator[tuple[str, Event]]:
        """Ids of the links, and how each ended."""
        return self.book.endings(self._hosts.closed())

    async def run(self, key: str) -> None:
        """Bring every link to its end.

        key: tells the config, see `Book.recover`. Raises StoppedError when it is asked to stop, UserError when the disk
        is full.
        """
        with clients.opened(self._rules, self._around, RESOLVER_THREADS) as self._client:
            await self._run(key)

    async def _run(self, key: str) -> None:
        found = self.book.recover(key)
        self.statistics.known = self.book.links.ended_count
        self._journal.begin(key, self._facts(), int(time.time()))
        self._loop = asyncio.get_running_loop()
        scribe = Scribe(self._journal, self._rules.max_bytes)
        self._hosts = Hosts(self._client, self._rules.manners)
        self._taking = Taking(self.book, scribe, self._hosts, self.statistics, self._rules, self._around)
        self._reserving = Reserving(scribe, self._taking, self._rules)
        self._most_open = self._around.open_files() // 2
        self._workers = min(self._rules.concurrency, self._most_open, len(self.book.links))
        self._open_lanes(found)
        began = self._loop.time()
        stopping, in_flight = self._around.stopping, self._in_flight.total
        watch = Watch(self._hosts, self.statistics, stopping, in_flight, self._workers)
        try:
            await watched(together([self._work() for _ in range(self._workers)]), watch.run())
            ended = finishes(self._hosts.lanes.values(), began, self._loop.time())
            self.tail = tail_of(ended, self._loop.time() - began, self._workers)
        finally:
            await self._hosts.close()
            await scribe.close()

    def _facts(self) -> list[tuple[str, str]]:
        """What a WARC file says of itself."""
        return [
            ("software", f"webtext/{webtext.__version__}"),
            ("format", "WARC File Format 1.1"),
            ("robots", "obey"),
            ("http-header-user-agent", clients.user_agent(self._rules.contact)),
        ]

    def _open_lanes(self, found: Found) -> None:
        links, manners = self.book.links, self._rules.manners
        for host, rows in links.by_host():
            self._hosts.lane(host).rows = [row for row in rows[: manners.host_budget] if row not in found.hops]
            over_budget = sum(not links.ended(row) for row in rows[manners.host_budget :])
            self.statistics.ended(Reason.HOST_BUDGET.value, over_budget)
        self._recall(found)
        for host, ending in found.hosts.items():
            lane = self._hosts.lane(host)
            lane.state = dataclasses.replace(lane.state, ending=ending)
            self.statistics.ended(ending.reason.value, sum(not links.ended(row) for row in lane.rows))
        for row, trail in found.hops.items():
            self._taking.send(PageErrand(trail[-1], trail[:-1], row=row, id=links.id(row)), visits=False)
        for lane in list(self._hosts.lanes.values()):
            self._hosts.wake(lane)

    def _recall(self, found: Found) -> None:
        """What sites said of themselves to earlier runs still holds, as long as it would have held there."""
        with RecordReader() as reader:
            recovering = Recovering(self._folder, self._rules, reader)
            for origin, event in found.words.items():
                said = recovering.robots(event)
                lane = self._hosts.lanes.get(urls.host(f"{origin}/"))
                if said is not None and lane is not None:
                    until = self._loop.time() + robots.KEPT_SECONDS - (time.time() - event["at"])
                    lane.words[origin] = Word(said, None, until)
                    lane.state = politeness.with_crawl_delay(self._rules.manners, lane.state, said.crawl_delay)
            for (origin, file), event in found.reserved.items():
                says = recovering.reservation(event)
                if says is not None:
                    self._reserving.keep(origin, file, says, age=time.time() - event["at"])

    async def _work(self) -> None:
        while (lane := await self._hosts.scheduler.next()) is not None:
            parked = await self._turn(lane)
            if parked:
                continue
            if not lane.wants_turn or len(self._client.open_lines) > self._most_open:
                await lane.line.close()  # meanwhile somebody may send a link here
            if lane.wants_turn:
                self._hosts.scheduler.put(lane, lane.ready_at)
            else:
                lane.running = False
                self._hosts.scheduler.leave()

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
            await self._taking.take_robots(lane, errand, asked)
        elif isinstance(errand, ReservationErrand):
            await self._reserving.take(lane, errand, asked)
        else:
            await self._taking.take_page(lane, errand, asked)
        return False

    def _release(self, address: str) -> None:
        self._in_flight[address] -= 1
        if not self._in_flight[address]:
            del self._in_flight[address]
        parked = self._parked.get(address)
        if parked:
            self._hosts.scheduler.put(parked.popleft(), -math.inf)
        elif parked is not None:
            del self._parked[address]

    async def _next_errand(self, lane: Lane) -> _Errand | None:
        """The next request of a host. What needs none is brought to its end on the way."""
        last: asyncio.Future[Written] | None = None
        wanted: _Errand | None = None
        while wanted is None and (errand := self._pop(lane)) is not None:
            if isinstance(errand, RobotsErrand):
                if lane.state.ending is None:
                    wanted = errand
                else:
                    await self._taking.settle_robots(
                        errand, self._taking.word(judging.elsewhere(errand, lane, lane.state.ending))
                    )
            elif isinstance(errand, ReservationErrand):
                wanted = errand if lane.state.ending is None else None
            elif (known := self.book.known(errand)) is not None:
                last = self._taking.write(errand, same_event(errand, known))
            elif lane.state.ending is not None:
                last = self._taking.end(errand, lane.state.ending)
            else:
                origin = origin_of(errand.url)
                word = lane.words.get(origin)
                if word is None and (refused := refusal_of(errand.url, ())) is not None:
                    last = self._taking.end(errand, refused)
                elif word is None or word.until < self._loop.time():
                    lane.errands.appendleft(errand)
                    wanted = RobotsErrand(f"{origin}/robots.txt", origin=origin, asker=lane)
                elif (forbidden := await self._robots_ending(word, errand.url)) is not None:
                    last = self._taking.end(errand, forbidden)
                elif isinstance(needed := self._reserving.next(errand.url, word.robots or ALLOW_ALL), Ending):
                    last = self._taking.end(errand, needed)
                elif needed is not None:
                    lane.errands.appendleft(errand)
                    wanted = needed
                else:
                    wanted = errand
        if last is not None:
            await last
        return wanted

    def _pop(self, lane: Lane) -> _Errand | None:
        if lane.errands and lane.wants_turn:
            return lane.errands.popleft()
        if lane.waiting:
            return None
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

    async def _address(self, lane: Lane, errand: _Errand) -> str | None:
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
                wait = politeness.backoff(self._rules.manners, spread_of(errand), errand.tries)
                lane.state = dataclasses.replace(lane.state, ready_at=self._loop.time() + wait)
                lane.errands.appendleft(errand)
                return None
        await self._taking.close_host(lane, ending)
        lane.errands.appendleft(errand)
        return None
