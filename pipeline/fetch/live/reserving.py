"""Asks a site for the files of `reservations`, once a day: after its robots.txt, and as politely as for its pages."""

import asyncio
import time
from typing import NamedTuple

from pipeline.codings import undo_content_codings
from pipeline.fetch.live import judging, politeness, reservations, robots
from pipeline.fetch.live.journal import Event
from pipeline.fetch.live.lanes import Lane, ReservationErrand
from pipeline.fetch.live.redirects import origin_of
from pipeline.fetch.live.reservations import NOTHING, PATHS, Reservation
from pipeline.fetch.live.robots import Robots, Standing
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.scribe import Scribe
from pipeline.fetch.live.taking import Taking
from pipeline.fetch.live.transfer import Asked, Exchange
from pipeline.ledger import Ending
from pipeline.warc import HttpHead, payload_of


class Kept(NamedTuple):
    """What a file says, and until when that holds, by the loop's clock."""

    says: Reservation
    until: float


class Reserving:
    """For the loop in which it was made."""

    def __init__(self, scribe: Scribe, taking: Taking, rules: FetchRules) -> None:
        self._scribe = scribe
        self._taking = taking
        self._rules = rules
        self._loop = asyncio.get_running_loop()
        self._kept: dict[tuple[str, str], Kept] = {}
        self._files = rules.opt_out_files if rules.honour_opt_out else ()

    def next(self, url: str, word: Robots) -> ReservationErrand | Ending | None:
        """What an address needs before it may be asked: a file is to be read, or it is not asked at all; None: nothing.

        word: what the origin's robots.txt says, of these files too.
        """
        if not self._files:
            return None
        origin = origin_of(url)
        for file in self._files:
            kept = self._kept.get((origin, file))
            if kept is None or kept.until < self._loop.time():
                place = f"{origin}{PATHS[file]}"
                if word.ending(place, honour_opt_out=False) is None:
                    return ReservationErrand(place, origin=origin, file=file)
                kept = self.keep(origin, file, NOTHING)
            ending = kept.says.ending(url)
            if ending is not None:
                return ending
        return None

    def keep(self, origin: str, file: str, says: Reservation, age: float = 0.0) -> Kept:
        """Remember what a file says. age: seconds since it was read."""
        kept = self._kept[origin, file] = Kept(says, self._loop.time() + robots.KEPT_SECONDS - age)
        return kept

    async def take(self, lane: Lane, errand: ReservationErrand, asked: Asked) -> None:
        """A request for a file has come to its end. One that cannot be had says nothing, and is not asked for again."""
        await self._note(lane, asked)
        exchange = asked.exchange
        is_there = exchange is not None and exchange.head.status == 200 and not exchange.truncated
        says = NOTHING
        if is_there and exchange is not None:
            payload = payload_of(exchange.response, exchange.head).body
            says = await self._loop.run_in_executor(None, read, errand.file, exchange.head, payload, self._rules)
        self.keep(errand.origin, errand.file, says)
        await self._scribe.write(*_event(errand, says, exchange))

    async def _note(self, lane: Lane, asked: Asked) -> None:
        """What the request says of its host: how slow it is, whether it wants to be left alone; no more than that."""
        manners, exchange = self._rules.manners, asked.exchange
        if exchange is not None and robots.standing(exchange.head.status) is not Standing.UNREACHABLE:
            lane.state = politeness.after_answer(manners, lane.state, asked.answered_at, asked.latency)
            return
        header = exchange.head.headers.get("retry-after", "") if exchange is not None else ""
        wait = politeness.retry_after(header, time.time()) or 0.0
        lane.state = politeness.after_failure(manners, lane.state, self._loop.time(), wait, counts=False)
        if lane.state.ending is not None:
            await self._taking.close_host(lane, lane.state.ending)


def read(file: str, head: HttpHead, payload: bytes, rules: FetchRules) -> Reservation:
    """What a file says, packed as it came. One that cannot be unpacked says nothing."""
    coding = head.headers.get("content-encoding", "")
    inflated = undo_content_codings(payload, coding, judging.MAX_ROBOTS_INFLATED)
    return NOTHING if isinstance(inflated, Ending) else reservations.parse(file, inflated.body, rules.tokens)


def _event(errand: ReservationErrand, says: Reservation, exchange: Exchange | None) -> tuple[Event, Exchange | None]:
    """What the journal says of a file; the exchange is kept where it says something."""
    standing = Standing.ABSENT if says is NOTHING else Standing.PRESENT
    event = {"reserved": errand.origin, "in": errand.file, "at": int(time.time()), "standing": standing.value}
    return {**event, "url": errand.url}, None if says is NOTHING else exchange
