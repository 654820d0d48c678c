"""Whose turn it is: hosts that wait for their time, and workers that wait for a host.

Of the hosts that may be asked, the one that needs most time for what is left comes first: the whole takes at least as
long as its slowest host, so that one must never wait for others.
"""

import asyncio
import heapq
from collections import deque
from typing import Generic, Protocol, TypeVar


class Turned(Protocol):
    """What takes turns."""

    def urgency(self) -> float:
        """How long what is left will take; the longest comes first."""
        ...


Lane = TypeVar("Lane", bound=Turned)


class Scheduler(Generic[Lane]):
    """Hands lanes to workers, each lane to one worker at a time, not before its time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._later: list[tuple[float, int, Lane]] = []
        self._ready: list[tuple[float, int, Lane]] = []
        self._idle: deque[asyncio.Future[Lane | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._count = 0
        self._open = 0

    def enter(self, lane: Lane, at: float) -> None:
        """A lane begins to take turns."""
        self._open += 1
        self.put(lane, at)

    def put(self, lane: Lane, at: float) -> None:
        """Its next turn is at a moment of the loop's clock, or as soon as possible."""
        self._count += 1
        if at <= self._loop.time():
            heapq.heappush(self._ready, (-lane.urgency(), self._count, lane))
        else:
            heapq.heappush(self._later, (at, self._count, lane))
        self._serve()

    def leave(self) -> None:
        """A lane, in a worker's hands, takes no more turns; when the last one leaves, all workers are told."""
        self._open -= 1
        self._serve()

    async def next(self) -> Lane | None:
        """The lane whose turn it is, as soon as there is one; None when no lane takes turns any more."""
        self._collect()
        if self._ready:
            return heapq.heappop(self._ready)[2]
        if not self._open:
            return None
        future: asyncio.Future[Lane | None] = self._loop.create_future()
        self._idle.append(future)
        self._set_timer()
        return await future

    def _collect(self) -> None:
        now = self._loop.time()
        while self._later and self._later[0][0] <= now:
            _, count, lane = heapq.heappop(self._later)
            heapq.heappush(self._ready, (-lane.urgency(), count, lane))

    def _serve(self) -> None:
        self._collect()
        while self._idle and (self._ready or not self._open):
            future = self._idle.popleft()
            if not future.done():
                future.set_result(heapq.heappop(self._ready)[2] if self._ready else None)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._idle and self._later:
            self._timer = self._loop.call_at(self._later[0][0], self._serve)
