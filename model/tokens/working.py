"""Encoding all row groups, on all cores.

By processes: two threads were no faster than one, since tiktoken's ids become Python's objects under the interpreter's
lock. Each process gets its next row group over a pipe of its own. An executor of the standard library would do too, but
for signals: one that arrives while it takes the locks of its futures, one after the other, leaves some locked for ever.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from model.progress import Advance
from model.tokens import parts
from model.tokens.parts import Encoder, Unit
from webtext import storage
from webtext.errors import UserError

WORTH_A_PROCESS = 2_000_000
"""Bytes of text: what one encodes in the time in which a process starts."""


def encode(units: Sequence[Unit], folder: str, encoder: Encoder, workers: int, advance: Advance) -> None:
    """Make the parts that are not there yet.

    folder: where parts lie. workers: processes at most; 0 for one a core. advance: told of each unit's size.
    Raises UserError for a corpus that cannot be read, and where a process was killed.
    """
    missing = [unit for unit in units if not storage.exists(unit.index(folder))]
    advance(sum(unit.size for unit in units) - sum(unit.size for unit in missing))
    useful = sum(unit.size for unit in missing) // WORTH_A_PROCESS + 1
    processes = min(workers or len(os.sched_getaffinity(0)), len(missing), useful)
    if processes > 1:
        # the longest first, so that none is left alone with a long one at the end
        by_size = sorted(missing, key=lambda unit: -unit.size)
        _share_out(by_size, folder, encoder, processes, advance)
        return
    for unit in missing:
        advance(parts.encode(unit, folder, encoder))


def _share_out(units: Sequence[Unit], folder: str, encoder: Encoder, processes: int, advance: Advance) -> None:
    waiting = iter(units)
    with _started(processes, folder, encoder) as workers:
        for pipe in workers:
            pipe.send(next(waiting))
        busy = set(workers)
        while busy:
            for ready in connection.wait(busy):
                assert isinstance(ready, Connection)
                advance(_received(ready, workers[ready]))
                unit = next(waiting, None)
                ready.send(unit)
                if unit is None:
                    busy.remove(ready)


def _received(pipe: Connection, process: SpawnProcess) -> int:
    try:
        answer: int | UserError = pipe.recv()
    except (EOFError, ConnectionError):
        process.join()
        if process.exitcode is not None and process.exitcode >= 0:
            raise RuntimeError("a process that encodes failed, as it says above") from None
        raise UserError(
            "a process that encodes was ended from outside, perhaps because memory ran out; set fewer workers and run "
            "the same command again."
        ) from None
    if isinstance(answer, UserError):
        raise answer
    return answer


@contextlib.contextmanager
def _started(count: int, folder: str, encoder: Encoder) -> Iterator[dict[Connection, SpawnProcess]]:
    """Processes that encode, by the pipe that leads to each; when the block ends by an exception, they end at once."""
    spawning = multiprocessing.get_context("spawn")
    workers: dict[Connection, SpawnProcess] = {}
    try:
        for _ in range(count):
            ours, theirs = spawning.Pipe()
            process = spawning.Process(target=_work, args=(theirs, folder, encoder), daemon=True)
            process.start()
            theirs.close()
            workers[ours] = process
        yield workers
    except BaseException:
        for process in workers.values():
            process.kill()  # parts are whole or absent, whenever that is
        raise
    finally:
        for process in workers.values():
            process.join()


def _work(pipe: Connection, folder: str, encoder: Encoder) -> None:
    """What a process does: encode what comes until there is no more; leave Ctrl-C to its parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with contextlib.suppress(EOFError, ConnectionError):  # the parent is gone
        while (unit := pipe.recv()) is not None:
            pipe.send(_answer(unit, folder, encoder))


def _answer(unit: Unit, folder: str, encoder: Encoder) -> int | UserError:
    try:
        return parts.encode(unit, folder, encoder)
    except UserError as error:
        return error


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
