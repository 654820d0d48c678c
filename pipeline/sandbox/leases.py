"""One sandbox a process for one kind of work, however many users it has.

A cluster's worker process may run several copies of a stage's DoFn on threads; a pool for each would start many times
as many children as there are cores. Whoever needs a pool takes a lease; equal work and limits mean the same pool; the
last to give its lease back closes it.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from pipeline.sandbox.pool import Sandbox, setup_of
from pipeline.sandbox.verdicts import Limits

T = TypeVar("T")
R = TypeVar("R")

_lock = threading.Lock()
_pools: dict[tuple[bytes, Limits], tuple[Sandbox[Any, Any], int]] = {}


@contextlib.contextmanager
def lease(
    task: Callable[[T], R], limits: Limits, warm_up: Callable[[], object] | None = None
) -> Iterator[Sandbox[T, R]]:
    """This process's sandbox for `task` under `limits`: made for the first, shared by all, closed after the last."""
    name = (setup_of(task, warm_up), limits)
    with _lock:
        pool, users = _pools.get(name) or (Sandbox(task, limits, warm_up), 0)
        _pools[name] = pool, users + 1
    try:
        yield pool
    finally:
        with _lock:
            _, users = _pools.pop(name)
            if users > 1:
                _pools[name] = pool, users - 1
            else:
                pool.close()
