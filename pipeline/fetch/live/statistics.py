"""How a crawl comes along: what is done, what is left, and when that will be done as far as anybody can know.

Counting costs a request next to nothing. Looking over all hosts costs about a microsecond each, so it is done now and
then, a thousand hosts at a time, while requests go on.
"""

import asyncio
import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pipeline.fetch.live.lanes import Lane
from pipeline.fetch.live.politeness import gap
from pipeline.fetch.live.tail import Finish
from pipeline.ledger import FETCHED
from pipeline.progress import Standing
from webtext.pace import in_words

SLOWEST_SHOWN = 3
REASONS_SHOWN = 5
LANES_AT_ONCE = 1_000
WINDOW_SECONDS = 60.0
"""What is told of the present is an average over this time."""


class Slow(NamedTuple):
    """A host that will take long. links: how many it has left; seconds: how long they will take."""

    host: str
    links: int
    seconds: float


class Survey(NamedTuple):
    """What is left: at how many hosts, how many requests, and the hosts that need most time, the slowest first."""

    hosts: int = 0
    requests: int = 0
    slowest: tuple[Slow, ...] = ()


class Sample(NamedTuple):
    """Counts at a moment. at: seconds of a clock that only goes forward; busy: seconds that requests took, summed."""

    at: float
    links: int
    pages: int
    requests: int
    busy: float


async def survey(lanes: Iterable[Lane], now: Callable[[], float]) -> Survey:
    """Look over all hosts. now: the loop's clock, by which hosts wait for their turns."""
    hosts = requests = 0
    slowest: list[Slow] = []
    for number, lane in enumerate(list(lanes), 1):
        if not number % LANES_AT_ONCE:
            await asyncio.sleep(0)
        left = lane.left
        if not left or lane.state.ending is not None:
            continue
        hosts += 1
        requests += left
        seconds = seconds_of(lane, now())
        if len(slowest) < SLOWEST_SHOWN:
            heapq.heappush(slowest, Slow(lane.host, left, seconds))
        elif seconds > min(slow.seconds for slow in slowest):
            slowest.remove(min(slowest, key=_seconds))
            slowest.append(Slow(lane.host, left, seconds))
    return Survey(hosts, requests, tuple(sorted(slowest, key=_seconds, reverse=True)))


def _seconds(slow: Slow) -> float:
    return slow.seconds


def seconds_of(lane: Lane, now: float) -> float:
    """How long politeness makes what is left of a host take; 0 where nobody waits."""
    if not lane.manners.delay_seconds:
        return 0.0
    return max(lane.ready_at - now, 0.0) + lane.urgency()


def finishes(lanes: Iterable[Lane], began: float, now: float) -> Iterator[Finish]:
    """When hosts had given their last answers; those that were not asked are left out. Moments of the loop's clock."""
    for lane in lanes:
        if lane.state.ready_at > began:
            last = min(lane.state.ready_at - gap(lane.manners, lane.state), now)
            yield Finish(lane.host, len(lane.rows), max(last - began, 0.0))


def seconds_left(left: Survey, seconds_a_request: float, workers: int) -> float:
    """How long what is left will take at least: as long as the slowest host, and as all the work by so many workers."""
    longest = left.slowest[0].seconds if left.slowest else 0.0
    return max(longest, left.requests * seconds_a_request / workers)


class Statistics:
    """Counts of a crawl."""

    def __init__(self, links: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin to count. links: all of them."""
        self.links = links
        self.requests = 0
        self.endings: Counter[str] = Counter()
        """Links that ended in this process, by reason; `fetched` for those that have their page."""
        self.known = 0
        """Links that had ended before."""
        self.left = Survey()
        """The last look over all hosts."""
        self._busy = 0.0
        self._clock = clock
        self._samples: deque[Sample] = deque([Sample(clock(), 0, 0, 0, 0.0)])

    def asked(self, seconds: float) -> None:
        """A request has come to its end."""
        self.requests += 1
        self._busy += seconds

    def ended(self, reason: str, links: int = 1) -> None:
        """Links have come to their end."""
        if links:
            self.endings[reason] += links

    def standing(self, in_flight: int, workers: int) -> Standing:
        """Where things stand now. in_flight: requests; workers: the most that could be."""
        links, left = self.endings.total(), self.left
        now = Sample(self._clock(), links, self.endings[FETCHED], self.requests, self._busy)
        self._samples.append(now)
        while len(self._samples) > 2 and now.at - self._samples[1].at >= WINDOW_SECONDS:
            self._samples.popleft()
        first = self._samples[0]
        passed = max(now.at - first.at, 1e-9)
        pages_a_second = (now.pages - first.pages) / passed
        asked = now.requests - first.requests
        seconds = seconds_left(left, (now.busy - first.busy) / asked if asked else 0.0, workers)
        reasons = [(reason, count) for reason, count in self.endings.most_common() if reason != FETCHED]
        slowest = left.slowest if left.slowest and left.slowest[0].seconds >= seconds else ()
        return Standing(
            done=min(self.known + links, self.links),
            total=self.links,
            what="links",
            pace=f"{pages_a_second:,.1f} pages/s" + (f", {in_words(seconds)} left" if left.requests else ""),
            details=_details(self.endings[FETCHED], in_flight, left.hosts, reasons[:REASONS_SHOWN], slowest),
            facts={
                "fetched": self.endings[FETCHED],
                "requests": self.requests,
                "pages_per_second": round(pages_a_second, 2),
                "links_per_second": round((now.links - first.links) / passed, 2),
                "in_flight": in_flight,
                "hosts_left": left.hosts,
                "requests_left": left.requests,
                "seconds_left": round(seconds),
                "reasons": dict(reasons),
                "slowest": [slow._asdict() for slow in left.slowest],
            },
        )


def _details(
    fetched: int, in_flight: int, hosts: int, reasons: list[tuple[str, int]], slowest: tuple[Slow, ...]
) -> str:
    """slowest: the hosts that decide when all is done, none where the work as a whole does."""
    told = ", ".join(f"{reason} {count:,}" for reason, count in reasons)
    parts = [f"{fetched:,} pages", f"{in_flight:,} in flight, {hosts:,} hosts left"]
    if told:
        parts.append(told)
    if slowest:
        names = ", ".join(f"{slow.host} {in_words(slow.seconds)} ({slow.links:,} links)" for slow in slowest)
        parts.append(f"longest: {names}")
    return "; ".join(parts)
