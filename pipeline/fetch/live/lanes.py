"""A host in the eyes of the crawl: what is to be asked of it, what is known of it, and the one connection to it."""

import dataclasses
import math
from collections import deque
from collections.abc import Sequence

from pipeline.fetch.live.politeness import NEW_HOST, Host, Manners, gap
from pipeline.fetch.live.robots import Robots
from pipeline.fetch.live.transfer import Line
from pipeline.ledger import Ending


@dataclasses.dataclass
class Errand:
    """An address to be asked."""

    url: str
    trail: tuple[str, ...] = ()
    """The addresses that led to it."""
    tries: int = 0
    """How often it was asked."""
    seconds: float = 0.0
    """How long that took, and asking those that led to it."""


@dataclasses.dataclass(kw_only=True)
class PageErrand(Errand):
    """The page of a link."""

    row: int
    id: str


@dataclasses.dataclass(kw_only=True)
class RobotsErrand(Errand):
    """The robots.txt of an origin. It may lead to another host, while the host that it is for waits."""

    origin: str
    asker: "Lane"


@dataclasses.dataclass(kw_only=True)
class ReservationErrand(Errand):
    """A file in which an origin says what it keeps for itself, beside its robots.txt."""

    origin: str
    file: str


@dataclasses.dataclass(frozen=True)
class Word:
    """What an origin's robots.txt said, or how its links end because it could not be had; and until when that holds."""

    robots: Robots | None
    ending: Ending | None
    until: float


@dataclasses.dataclass(eq=False)
class Lane:
    """A host. It has at most one request in flight, and whoever holds it does nothing else with it meanwhile."""

    host: str
    manners: Manners
    line: Line
    rows: Sequence[int] = ()
    """Its own links, those within its budget."""
    done: int = 0
    """How many of them have had their turn."""
    errands: "deque[PageErrand | RobotsErrand | ReservationErrand]" = dataclasses.field(default_factory=deque)
    """What comes before them: second tries, redirects from elsewhere, and robots.txt."""
    words: dict[str, Word] = dataclasses.field(default_factory=dict)
    """By origin."""
    state: Host = NEW_HOST
    visitors: int = 0
    """Redirects from other hosts that were let in."""
    running: bool = False
    """Whether it takes turns."""
    waiting: bool = False
    """Whether another host must first say what its robots.txt is."""

    @property
    def left(self) -> int:
        """How many requests it wants."""
        return len(self.rows) - self.done + len(self.errands)

    @property
    def wants_turn(self) -> bool:
        """Whether there is something to do. One that waits still serves others that look for their robots.txt here."""
        if self.waiting:
            return bool(self.errands) and isinstance(self.errands[0], RobotsErrand)
        return self.left > 0

    @property
    def ready_at(self) -> float:
        """When its turn is, by the loop's clock; one that is closed asks for nothing and need not wait."""
        return -math.inf if self.state.ending else self.state.ready_at

    def urgency(self) -> float:
        """Seconds that what is left will take; where nobody waits, how much that is."""
        return self.left * (gap(self.manners, self.state) or 1.0)
