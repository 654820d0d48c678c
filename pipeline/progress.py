"""How far a stage is, for whoever watches from the same process.

Work that runs in a runner's threads has no way to the progress bar of the command that started it but the process they
share. A local run listens; on a cluster nobody does, and telling costs nothing.

    with listening(lambda stage, done: bars[stage].advance(done)):
        pipeline.run()
"""

import contextlib
import threading
from collections.abc import Callable, Iterator

Listener = Callable[[str, int], None]

_listeners: list[Listener] = []
_lock = threading.Lock()


def advance(stage: str, done: int = 1) -> None:
    """Tell that so many more items of a stage are done, whatever became of them. Cheap, from any thread."""
    if _listeners and done:
        with _lock:
            for listener in _listeners:
                listener(stage, done)


@contextlib.contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Call `listener(stage, done)` on every advance in this process, never twice at once; it must not raise."""
    with _lock:
        _listeners.append(listener)
    try:
        yield
    finally:
        with _lock:
            _listeners.remove(listener)
