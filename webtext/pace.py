"""How fast a piece of work goes, and when to say so where no bar can be drawn."""

import time

SECONDS_BETWEEN_LINES = 30


def in_words(seconds: float) -> str:
    """A time for a person: 40 s, 12 min, 3.5 h, 2.1 days."""
    for size, name in ((86_400, "days"), (3_600, "h")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {name}"
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"


class Pace:
    """Work that has begun, `total` of whatever it is counted in."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self._began = self._told = time.monotonic()

    def advance(self, done: int) -> bool:
        """Count; True when it is time for a line."""
        self.done += done
        due = time.monotonic() - self._told >= SECONDS_BETWEEN_LINES
        if due:
            self._told = time.monotonic()
        return due

    @property
    def rate(self) -> float:
        """Done in a second."""
        return self.done / max(time.monotonic() - self._began, 1e-9)

    @property
    def minutes_left(self) -> float:
        """At this rate; 0 when nothing can be said yet, and when there was more to do than was known."""
        return max(0, self.total - self.done) / self.rate / 60 if self.done else 0.0
