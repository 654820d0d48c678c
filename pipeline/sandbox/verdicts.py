"""What is asked of a pool of child processes, and what it says of an item."""

import dataclasses
import math
import os
import pickle
from pathlib import Path
from typing import Any, Generic, TypeVar

from pipeline.sandbox import child as protocol

R = TypeVar("R")


def cores() -> int:
    """The processors that this process may use: of the machine, or of the container that it is in."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(usable, _quota(usable)))


def _quota(without: int) -> int:
    """What a container may use, in whole processors: Linux's `cpu.max`, a time in every period of a time."""
    try:
        allowed, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return math.ceil(int(allowed) / int(period))
    except (OSError, ValueError):  # there is no such file, or it says max
        return without


@dataclasses.dataclass(frozen=True)
class Limits:
    """How many children, and what each may use.

    workers: 0 for as many as there are `cores` where the pool is made, which may be another machine than this.
    deadline_seconds: for one item. Where the system tells it (Linux), the time in which a child waited for a processor
        is not counted, so that a busy machine fails no item that an idle one passes.
    memory_bytes: address space of a child (RLIMIT_AS), libraries included.
    recycle_after: items after which a child makes room for a fresh one: parsers leak.
    """

    workers: int = 0
    deadline_seconds: float = 5.0
    memory_bytes: int = 2 * 1024**3
    recycle_after: int = 2000

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ValueError(f"workers must not be below 0, as {self.workers} is")
        for name in ("deadline_seconds", "memory_bytes", "recycle_after"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")


@dataclasses.dataclass(frozen=True)
class Done(Generic[R]):
    """The task returned this."""

    value: R


@dataclasses.dataclass(frozen=True)
class TimedOut:
    """The task did not return within its deadline and was killed."""

    deadline_seconds: float


@dataclasses.dataclass(frozen=True)
class Crashed:
    """The task brought its child down, twice.

    detail: the signal, the exit status or the limit: the same for the same cause.
    last_words: what the child last wrote to stderr (a fatal error's stack, mostly): for logs, not for data.
    """

    detail: str
    last_words: str = ""


@dataclasses.dataclass(frozen=True)
class Raised:
    """The task raised an exception, or its value could not be pickled."""

    type: str
    message: str


Verdict = Done[R] | TimedOut | Crashed | Raised
Answer = tuple[bytes, bytes] | TimedOut | Crashed
"""A child's own words, kind and body, or what befell it."""


def verdict_of(answer: Answer) -> Verdict[Any]:
    """What an answer means; its value is unpickled here."""
    if isinstance(answer, TimedOut | Crashed):
        return answer
    kind, body = answer
    try:
        value = pickle.loads(body)  # noqa: S301 - from our own child
    except Exception as error:  # noqa: BLE001 - a value's own unpickling may raise anything
        return Raised(type(error).__qualname__, f"the value cannot be unpickled: {error}")
    return Done(value) if kind == protocol.DONE else Raised(*value)


class SandboxError(Exception):
    """The pool itself cannot work: its children do not start, or it was closed under its users."""
