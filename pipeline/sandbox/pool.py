"""The pool as its users see it: a sandbox, and lanes on which items go in and verdicts come out."""

import atexit
import collections
import dataclasses
import functools
import pickle
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from pipeline.sandbox import child as protocol
from pipeline.sandbox.keeper import Keeper
from pipeline.sandbox.process import Job
from pipeline.sandbox.streams import Stream
from pipeline.sandbox.verdicts import Answer, Limits, Verdict, cores, verdict_of

K = TypeVar("K")
T = TypeVar("T")
R = TypeVar("R")

FEWEST_WAITING = 4
MOST_WAITING = 64
"""Items a worker that one lane may have on their way, with large items and with small ones, before `submit` blocks:
seconds of work, so that no child runs dry while the caller does something else."""
MOST_BYTES_WAITING = 64 * 1024**2
"""Pickled bytes from which a lane's items count as large."""


class Sandbox(Generic[T, R]):
    """A pool of child processes that do `task` on items. See the package's docstring.

    Children start at once and in the background: make the pool early, and their imports cost no waiting later.
    warm_up: called once in every child before its first item, outside any deadline.

    Raises ValueError for a task that a child cannot import. When children do not start, any later call raises
    SandboxError.
    """

    def __init__(
        self, task: Callable[[T], R], limits: Limits | None = None, warm_up: Callable[[], object] | None = None
    ) -> None:
        limits = limits or Limits()
        self.limits = dataclasses.replace(limits, workers=limits.workers or cores())
        self._keeper = Keeper(setup_of(task, warm_up), self.limits)
        self._keeper.start()
        atexit.register(self.close)

    def lane(self) -> "Lane[K, T, R]":
        """A stream of items and verdicts of one user's own; several share the children fairly."""
        return Lane(self._keeper, self.limits.workers)

    def stream(self, item: T) -> Stream[Any]:
        """The values that the task, one that returns an iterator, makes of an item; a child begins at once."""
        return Stream(self._keeper, pickle.dumps(item, protocol.PICKLE_PROTOCOL))

    def map(self, items: Iterable[tuple[K, T]]) -> Iterator[tuple[K, Verdict[R]]]:
        """Do the task on (key, item) pairs, read as they are needed; yields (key, verdict) in order of completion."""
        lane: Lane[K, T, R] = self.lane()
        with lane:
            for key, item in items:
                lane.submit(key, item)
                yield from lane.ready()
            yield from lane.drain()

    def pids(self) -> list[int]:
        """The children's process ids."""
        return self._keeper.pids()

    def close(self) -> None:
        """Kill the children. Items without a verdict are given up: waiting for them raises SandboxError."""
        with self._keeper.news:
            self._keeper.stop()
        self._keeper.join()
        atexit.unregister(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Lane(Generic[K, T, R]):
    """One user's way through a sandbox. Not for several threads at once.

    Verdicts come in order of completion. Every method but `close` raises SandboxError when the pool has failed or was
    closed.
    """

    def __init__(self, keeper: Keeper, workers: int) -> None:
        self._keeper = keeper
        self._news = keeper.news
        self._workers = workers
        self._unfinished = 0
        self._unfinished_bytes = 0
        self._finished: collections.deque[tuple[K, Answer]] = collections.deque()
        self._closed = False

    @property
    def outstanding(self) -> int:
        """Items submitted whose verdicts have not been taken yet."""
        return self._unfinished + len(self._finished)

    def submit(self, key: K, item: T) -> None:
        """Hand in an item; blocks while many wait. Raises what pickling the item raises."""
        payload = pickle.dumps(item, protocol.PICKLE_PROTOCOL)
        job = Job(self, payload, functools.partial(self._finish, key, len(payload)))
        with self._news:
            while self._is_full():
                self._keeper.wait()
            self._keeper.raise_failure()
            self._unfinished += 1
            self._unfinished_bytes += len(payload)
            self._keeper.offer(job)

    def ready(self) -> list[tuple[K, Verdict[R]]]:
        """The verdicts that are there, without waiting."""
        with self._news:
            self._keeper.raise_failure()
            taken = list(self._finished)
            self._finished.clear()
        return [(key, verdict_of(answer)) for key, answer in taken]

    def wait(self) -> list[tuple[K, Verdict[R]]]:
        """The verdicts that are there, at least one if any item is outstanding: then it waits."""
        with self._news:
            while self._unfinished and not self._finished:
                self._keeper.wait()
        return self.ready()

    def drain(self) -> Iterator[tuple[K, Verdict[R]]]:
        """All verdicts that are outstanding, as they come."""
        while self.outstanding:
            yield from self.wait()

    def close(self) -> None:
        """Give up what is outstanding."""
        with self._news:
            self._closed = True
            self._keeper.withdraw(self)
            self._finished.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _is_full(self) -> bool:
        large = self._unfinished_bytes >= MOST_BYTES_WAITING
        return self._unfinished >= self._workers * (FEWEST_WAITING if large else MOST_WAITING)

    def _finish(self, key: K, size: int, answer: Answer) -> None:
        self._unfinished -= 1
        self._unfinished_bytes -= size
        if not self._closed:
            self._finished.append((key, answer))


def setup_of(task: Callable[[T], R], warm_up: Callable[[], object] | None = None) -> bytes:
    """What a child is told of its work: the same bytes for the same work.

    Raises ValueError for a function that only this process knows: of `__main__`, a lambda, one defined inside another.
    """
    for part in (task, warm_up):
        inner = part.func if isinstance(part, functools.partial) else part
        if inner is not None and inner.__module__ == "__main__":
            raise ValueError(
                f"{inner!r} is defined in __main__, which child processes do not run: put it into a module"
            )
    try:
        return pickle.dumps((task, warm_up), protocol.PICKLE_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise ValueError(f"{task!r} cannot be handed to a child process: {error}") from error
