"""How far a stage is, for whoever watches from the same process.

Work that runs in a runner's threads has no way to the progress bar of the command that started it but the process they
share. A local run listens; on a cluster nobody does, and telling costs nothing.

    with listening(lambda stage, done: bars[stage].advance(done)):
        pipeline.run()
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

Listener = Callable[[str, int], None]


class Standing(NamedTuple):
    """Where work stands that knows more of itself than how much is done.

    done, total: items, what: their name in the plural. pace: rate and time left, for a person. details: what else a
    person may want to know, in a line. facts: the same as plain values, for machines.
    """

    done: int
    total: int
    what: str
    pace: str
    details: str
    facts: Mapping[str, Any]


Watcher = Callable[[str, Standing], None]

_listeners: list[Listener] = []
_watchers: list[Watcher] = []
_lock = threading.Lock()

log = logging.getLogger("webtext")


def advance(stage: str, done: int = 1) -> None:
    """Tell that so many more items of a stage are done, whatever became of them. Cheap, from any thread."""
    if _listeners and done:
        with _lock:
            for listener in _listeners:
                listener(stage, done)


def tell(stage: str, standing: Standing) -> None:
    """Tell where a stage stands. From any thread, as often as a screen shows something new."""
    with _lock:
        for watcher in _watchers:
            watcher(stage, standing)


def watched() -> bool:
    """Whether anybody wants to be told where stages stand."""
    return bool(_watchers)


def log_standing(stage: str, standing: Standing) -> None:
    """Where a stage stands, as a line for a person; a log in JSON has the facts as well."""
    facts = {"stage": stage, "done": standing.done, "total": standing.total, **standing.facts}
    line = f"{standing.done:,} of {standing.total:,} {standing.what}, {standing.pace}; {standing.details}"
    log.info("%-11s%s", stage, line, extra={"facts": facts})


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener(stage, done)` on every advance in this process, never twice at once; it must not raise."""
    with _among(_listeners, listener):
        yield


@contextlib.contextmanager
def watching(watcher: Watcher) -> Iterator[None]:
    """Call `watcher(stage, standing)` whenever a stage tells where it stands; as `listening`."""
    with _among(_watchers, watcher):
        yield


@contextlib.contextmanager
def _among(those: list[Any], one: Callable[..., None]) -> Iterator[None]:
    with _lock:
        those.append(one)
    try:
        yield
    finally:
        with _lock:
            those.remove(one)
