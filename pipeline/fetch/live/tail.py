"""What the slowest hosts of a crawl cost: told at its end, since most of its time may have gone to a few.

Light: the stage imports it, whether anything is fetched or not.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

SLOWEST_KEPT = 10


class Finish(NamedTuple):
    """A host that was asked. links: those of its own; seconds: when its last answer came, from the beginning on."""

    host: str
    links: int
    seconds: float


class Tail(NamedTuple):
    """A crawl's time. seconds: all of it; hosts: that were asked; idle_seconds: the time at its end in which fewer than
    half of the workers had a host to ask; slowest: the hosts that ended last, the last one first."""

    seconds: float = 0.0
    hosts: int = 0
    idle_seconds: float = 0.0
    slowest: tuple[Finish, ...] = ()


def tail_of(finishes: Iterable[Finish], seconds: float, workers: int) -> Tail:
    """What the end of a crawl cost. finishes: its hosts, in any order; workers: how many could be asked at once."""
    hosts = list(finishes)
    half = max(workers // 2, 1)
    last = heapq.nlargest(max(half, SLOWEST_KEPT), hosts, key=lambda finish: (finish.seconds, finish.host))
    busy_until = last[half - 1].seconds if len(last) >= half else 0.0
    return Tail(seconds, len(hosts), max(seconds - busy_until, 0.0) if hosts else 0.0, tuple(last[:SLOWEST_KEPT]))


def counters(tails: Sequence[Tail]) -> Mapping[str, Any]:
    """For a manifest: the crawls of a stage, which worked beside each other, as one. Nothing where none was."""
    longest = max(tails, key=lambda tail: tail.seconds, default=Tail())
    if not longest.hosts:
        return {}
    finishes = [finish for tail in tails for finish in tail.slowest]
    last = heapq.nlargest(SLOWEST_KEPT, finishes, key=lambda finish: (finish.seconds, finish.host))
    return {
        "web": {
            "hosts": sum(tail.hosts for tail in tails),
            "seconds": round(longest.seconds, 1),
            "idle_seconds": round(longest.idle_seconds, 1),
            "slowest": [{**finish._asdict(), "seconds": round(finish.seconds, 1)} for finish in last],
        }
    }
