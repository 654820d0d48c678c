"""Encoding all row groups, on all cores.

By processes: two threads were no faster than one, since tiktoken's ids become Python's objects under the interpreter's
lock.
"""

import concurrent.futures
import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence

from model.progress import Advance
from model.tokens import parts
from model.tokens.parts import Encoder, Unit
from webtext import storage
from webtext.errors import UserError

WORTH_A_PROCESS = 2_000_000
"""Bytes of text: what one encodes in the time in which a process starts."""
AHEAD = 3
"""Units that wait for each process, so that none is idle."""


def encode(units: Sequence[Unit], folder: str, encoder: Encoder, workers: int, advance: Advance) -> None:
    """Make the parts that are not there yet.

    folder: where parts lie. workers: processes at most; 0 for one a core. advance: told of each unit's size.
    """
    missing = [unit for unit in units if not storage.exists(unit.index(folder))]
    advance(sum(unit.size for unit in units) - sum(unit.size for unit in missing))
    useful = sum(unit.size for unit in missing) // WORTH_A_PROCESS + 1
    processes = min(workers or len(os.sched_getaffinity(0)), len(missing), useful)
    if processes <= 1:
        for unit in missing:
            advance(parts.encode(unit, folder, encoder))
        return
    # the longest first, so that none is left alone with a long one at the end
    by_size = sorted(missing, key=lambda unit: -unit.size)
    with _pool(processes) as pool:
        waiting = iter(by_size)
        running = {
            pool.submit(parts.encode, unit, folder, encoder) for unit in itertools.islice(waiting, processes * AHEAD)
        }
        while running:
            done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                advance(future.result())
            running |= {
                pool.submit(parts.encode, unit, folder, encoder) for unit in itertools.islice(waiting, len(done))
            }


@contextlib.contextmanager
def _pool(processes: int) -> Iterator[concurrent.futures.ProcessPoolExecutor]:
    spawning = multiprocessing.get_context("spawn")
    pool = concurrent.futures.ProcessPoolExecutor(processes, mp_context=spawning, initializer=_begin)
    try:
        yield pool
    except concurrent.futures.process.BrokenProcessPool:
        raise UserError(
            "a process that encodes was ended from outside, perhaps because memory ran out; set fewer workers and run "
            "the same command again."
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin() -> None:
    """A process's first act: leave Ctrl-C to the parent, and end with it, however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
