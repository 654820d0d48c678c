"""A step whose calls are spread over the machine's cores, in a local run as on a cluster."""

import collections
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pipeline import offload

WAITING_FOR_EACH = 4
"""Elements a child that wait for it or are with it, so that it need not wait for the next; no more, for they and what
is made of them are in memory."""


class Spread(beam.DoFn):
    """An element -> what the task yields for it.

    In a local run children take elements over, and this process makes the calls that none of them has begun: children
    work from one end of what waits, and this process from the other. On a cluster, where bundles are spread, calls are
    made as elements come.

    task: as `pipeline.offload` wants it.
    """

    def __init__(self, task: offload.Task[Any, Any]) -> None:
        self._task = task

    def start_bundle(self) -> None:
        """Forget what a bundle that failed left behind."""
        self._waiting: collections.deque[offload.Call[Any]] = collections.deque()

    def process(self, element: Any) -> Iterator[Any]:
        """Have the element's values made; those of any element may come."""
        self._waiting.append(offload.ask(self._task, element))
        while len(self._waiting) > WAITING_FOR_EACH * offload.workers():
            yield from self._next()

    def finish_bundle(self) -> Iterator[WindowedValue]:
        """The values that have not come yet."""
        while self._waiting:
            yield from map(windowed, self._next())

    def _next(self) -> Iterator[Any]:
        """Of what no child has begun the last, or else what has waited longest."""
        for place in reversed(range(len(self._waiting))):
            if self._waiting[place].take_back():
                return self._taken(place).values()
        return self._taken(0).values()

    def _taken(self, place: int) -> offload.Call[Any]:
        call = self._waiting[place]
        del self._waiting[place]
        return call


def windowed(value: Any) -> WindowedValue:
    """A value as a bundle's end may emit it."""
    return WindowedValue(value, GlobalWindow().max_timestamp(), (GlobalWindow(),))
