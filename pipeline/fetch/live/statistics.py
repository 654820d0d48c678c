"""How a crawl comes along, for whoever watches."""

import logging
import time
from collections import Counter
from collections.abc import Collection

from pipeline.fetch.live.lanes import Lane
from pipeline.ledger import FETCHED

SLOWEST_SHOWN = 3
REASONS_SHOWN = 5

log = logging.getLogger("webtext")


class Statistics:
    """Counts of a crawl."""

    def __init__(self, links: int) -> None:
        self.links = links
        self.requests = 0
        self.endings: Counter[str] = Counter()
        """Links that ended in this process, by reason; `fetched` for those that have their page."""
        self._began = time.monotonic()
        self._seconds = 0.0

    def asked(self, seconds: float) -> None:
        """A request has come to its end."""
        self.requests += 1
        self._seconds += seconds

    def ended(self, reason: str, links: int = 1) -> None:
        """Links have come to their end."""
        if links:
            self.endings[reason] += links

    def tell(self, lanes: Collection[Lane]) -> None:
        """Log where things stand."""
        for line in self.lines(lanes):
            log.info("%-11s%s", "pages", line)

    def lines(self, lanes: Collection[Lane]) -> list[str]:
        """Where things stand, in two lines: what is done, and what will take longest."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        fetched, done = self.endings[FETCHED], self.endings.total()
        running = [lane for lane in lanes if lane.left]
        slowest = sorted(running, key=Lane.urgency, reverse=True)[:SLOWEST_SHOWN]
        left = sum(lane.left for lane in running)
        by_rate = left * seconds / done if done else 0.0
        by_host = slowest[0].urgency() if slowest and slowest[0].manners.delay_seconds else 0.0
        reasons = [(reason, count) for reason, count in self.endings.most_common() if reason != FETCHED]
        told = ", ".join(f"{reason} {count:,}" for reason, count in reasons[:REASONS_SHOWN])
        lines = [
            f"{fetched:,} pages, {done / seconds:.1f} links/s, {self.requests:,} requests; {left:,} links left at "
            f"{len(running):,} hosts, about {max(by_rate, by_host) / 60:.0f} minutes" + (f" ({told})" if told else "")
        ]
        if slowest and by_host > by_rate:
            names = ", ".join(f"{lane.host} {lane.left:,} ({lane.urgency() / 60:.0f} min)" for lane in slowest)
            lines.append(f"longest: {names}")
        return lines
