"""The values of a task that returns an iterator, taken one by one while the child goes on."""

import collections
import pickle
from collections.abc import Iterator
from typing import Generic, TypeVar

from pipeline.sandbox.keeper import Keeper
from pipeline.sandbox.process import Job
from pipeline.sandbox.verdicts import Answer, Crashed, Done, Raised, TimedOut, verdict_of

R = TypeVar("R")


class StreamBrokenError(Exception):
    """A task did not come to its end; `verdict` says what befell it."""

    def __init__(self, verdict: TimedOut | Crashed | Raised) -> None:
        super().__init__(str(verdict))
        self.verdict = verdict


class Stream(Generic[R]):
    """What a child makes of one item. To be read once, by one thread.

    Values that were not read yet are held here: the child does not wait for its reader.
    Reading raises StreamBrokenError behind the last value where the task fell, SandboxError when the pool has failed.
    """

    def __init__(self, keeper: Keeper, payload: bytes) -> None:
        self._keeper = keeper
        self._parts: collections.deque[bytes] = collections.deque()
        self._answer: Answer | None = None
        self._job = Job(self, payload, self._finish, self._parts.append)
        with keeper.news:
            keeper.offer(self._job)

    def withdraw(self) -> bool:
        """Take the item back if no child has been given it; returns whether it is nobody's now."""
        with self._keeper.news:
            if self._job.is_with_child:
                return False
            self._keeper.withdraw(self)
            return True

    def __iter__(self) -> Iterator[R]:
        while (part := self._next()) is not None:
            yield pickle.loads(part)  # noqa: S301 - from our own child
        assert self._answer is not None
        verdict = verdict_of(self._answer)
        if not isinstance(verdict, Done):
            raise StreamBrokenError(verdict)

    def _next(self) -> bytes | None:
        with self._keeper.news:
            while not self._parts and self._answer is None:
                self._keeper.wait()
            return self._parts.popleft() if self._parts else None

    def _finish(self, answer: Answer) -> None:
        self._answer = answer
