"""Calls that child processes take over: a local run has one thread for all its pipelines, and the machine more cores.

with ready(workers=2):                  # children beside this process
    begin(task, element)                # ahead of its use, where it is known already what will be asked
    call = ask(task, element)
    for value in call.values(): ...     # here and now, if no child has begun it
    rest()                              # the children go; the next call starts new ones

A task takes one element and yields values; it is of a module that imports no Beam, and equal tasks do the same. Where
nobody said `ready`, as in a worker of a cluster, all calls are made in place.
"""

import contextlib
import functools
import pkgutil
import sys
import threading
import traceback
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Generic, TypeVar

from pipeline.sandbox import Crashed, Limits, Sandbox, Stream, StreamBrokenError
from webtext.errors import UserError

T = TypeVar("T", bound=Hashable)
R = TypeVar("R")
Task = Callable[[T], Iterator[R]]

FOREVER = float("inf")
"""Seconds that a call may take: our own work on the user's own files, be they as large as they like."""

_lock = threading.Lock()
_crew: "_Crew | None" = None


class _Crew:
    """The children, and what they were asked ahead."""

    def __init__(self, workers: int, warm_up: Callable[[], object] | None) -> None:
        self.workers = workers
        limits = Limits(workers, deadline_seconds=FOREVER, memory_bytes=sys.maxsize, recycle_after=sys.maxsize)
        self._new: Callable[[], Sandbox[Any, Any]] = lambda: Sandbox(_performed, limits, warm_up)
        self._children: Sandbox[Any, Any] | None = None
        self._begun: dict[tuple[Any, Any], Stream[Any]] = {}

    def begin(self, task: Task[T, R], element: T) -> None:
        self._begun[task, element] = self._stream(task, element)

    def ask(self, task: Task[T, R], element: T) -> Stream[R]:
        begun = self._begun.pop((task, element), None) if self._begun else None
        return begun or self._stream(task, element)

    def rest(self) -> None:
        if self._children is not None:
            self._children.close()
            self._children = None
        self._begun.clear()

    def start(self) -> Sandbox[Any, Any]:
        if self._children is None:
            self._children = self._new()
        return self._children

    def _stream(self, task: Task[T, R], element: T) -> Stream[R]:
        return self.start().stream((task, element))


class Call(Generic[R]):
    """A task's call for one element."""

    def __init__(self, task: Task[T, R], element: T, stream: Stream[Any] | None) -> None:
        self._in_place = functools.partial(task, element)
        self._stream = stream

    def take_back(self) -> bool:
        """Make it a call of this process; returns whether it is one now: not if a child has begun it."""
        if self._stream is not None and self._stream.withdraw():
            self._stream = None
        return self._stream is None

    def values(self) -> Iterator[R]:
        """What the task yields; in place it begins when the first value is read.

        Raises what the task raises, behind its last value; UserError where a child died.
        """
        return self._in_place() if self._stream is None else _values(self._stream)


@contextlib.contextmanager
def ready(workers: int, warm_up: str = "", *, at_once: bool = False) -> Iterator[None]:
    """Have children for this process's calls. Not within another `ready`.

    workers: how many. warm_up: the name, `package.module:function`, of what each calls before all else; only a name, so
    that they can import it before this process does. at_once: start them now and not for the first call.
    """
    global _crew  # steps are unpickled by Beam, and can be given nothing that lives here
    assert _crew is None
    _crew = _Crew(workers, functools.partial(_call, warm_up) if warm_up else None)
    try:
        if at_once:
            _crew.start()
        yield
    finally:
        rest()
        _crew = None


def workers() -> int:
    """How many children take over calls of this process."""
    return 0 if _crew is None else _crew.workers


def begin(task: Task[T, R], element: T) -> None:
    """Have a call made that will be asked for. Values wait here until then."""
    assert _crew is not None
    with _lock:
        _crew.begin(task, element)


def ask(task: Task[T, R], element: T) -> Call[R]:
    """A call, which children begin at once if there are any."""
    if _crew is None:
        return Call(task, element, None)
    with _lock:
        return Call(task, element, _crew.ask(task, element))


def rest() -> None:
    """Let the children go, and forget what they were asked."""
    if _crew is not None:
        with _lock:
            _crew.rest()


def _call(name: str) -> None:
    pkgutil.resolve_name(name)()


class _Raised:
    """What a task raised, on its way from a child; where it is no user's to mend, with the child's traceback."""

    def __init__(self, error: Exception) -> None:
        if not isinstance(error, UserError):
            error.add_note(traceback.format_exc())
        self.error = error


def _performed(call: tuple[Task[T, R], T]) -> Iterator[R | _Raised]:
    task, element = call
    try:
        yield from task(element)
    except Exception as error:  # noqa: BLE001 - raised again in the parent
        yield _Raised(error)


def _values(stream: Stream[Any]) -> Iterator[Any]:
    try:
        for value in stream:
            if isinstance(value, _Raised):
                raise value.error
            yield value
    except StreamBrokenError as broken:
        if not isinstance(broken.verdict, Crashed):
            raise
        raise UserError(
            f"a child process died at its work ({broken.verdict.detail}); is there memory enough? Run the same command "
            "again, with fewer children (extract.workers) if need be."
        ) from broken
