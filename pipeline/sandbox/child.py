"""What runs in a child process: read an item, do the task, write the answer, until the parent is gone.

Both ways a message is eight bytes of length, little endian, and the message. The parent first sends the pickled task
and warm-up, then pickled items. An answer is one byte that tells its kind, and a body; the values of a task that
returns an iterator come before it, each as a part.
"""

import ctypes
import faulthandler
import gc
import os
import pickle
import resource
import signal
import struct
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

LENGTH = struct.Struct("<Q")
PICKLE_PROTOCOL = 5

READY = b"r"
NOT_READY = b"n"
PART = b"p"
DONE = b"d"
RAISED = b"e"
OUT_OF_MEMORY = b"m"

SHOW_STACK = signal.SIGUSR1
"""Makes a child write its stack to stderr, even while it hangs in C code."""

LONGEST_MESSAGE = 2000
OBJECTS_BETWEEN_COLLECTIONS = 50_000
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve one parent. Arguments: module path, the channel's descriptor, the parent's process id, the memory limit."""
    channel, parent, memory_bytes = (int(argument) for argument in sys.argv[2:5])
    _stand_apart(parent, memory_bytes)
    with open(channel, "rb", closefd=False) as requests:
        task = _prepare(requests, channel)
        try:
            while task is not None and (request := _receive(requests)) is not None:
                for kind, body in _answers(task, request):
                    _send(channel, kind, body)
        except MemoryError:
            _send(channel, OUT_OF_MEMORY, b"")
    os._exit(0)


def _stand_apart(parent: int, memory_bytes: int) -> None:
    """Make this process one that may be killed, leaves no core, and does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    faulthandler.enable()
    faulthandler.register(SHOW_STACK)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, memory_bytes)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        try:
            with open("/proc/self/oom_score_adj", "w") as score:  # noqa: PTH123
                score.write("1000")
        except OSError:
            pass  # a kernel or container that forbids it: the limits above still hold
    if os.getppid() != parent:  # it died before it could take us along
        os._exit(0)


def _limit(resource_kind: int, wanted: int) -> None:
    _, ceiling = resource.getrlimit(resource_kind)
    if ceiling != resource.RLIM_INFINITY:
        wanted = min(wanted, ceiling)
    try:
        resource.setrlimit(resource_kind, (wanted, wanted))
    except (OSError, ValueError):
        if sys.platform == "linux":  # elsewhere the address space may have no limit
            raise


def _prepare(requests: BinaryIO, channel: int) -> Callable[[Any], Any] | None:
    """Import the task and warm it up; tell the parent how that went."""
    setup = _receive(requests)
    if setup is None:
        return None
    try:
        task, warm_up = pickle.loads(setup)  # noqa: S301 - from our own parent
        if warm_up is not None:
            warm_up()
    except BaseException:  # noqa: BLE001 - told to the parent, which raises it
        _send(channel, NOT_READY, traceback.format_exc().encode(errors="backslashreplace"))
        return None
    gc.collect()
    gc.freeze()  # what the imports left lives as long as the child: collections need not look at it again
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    _send(channel, READY, b"")
    return task  # type: ignore[no-any-return]


def _answers(task: Callable[[Any], Any], request: bytes) -> Iterator[tuple[bytes, bytes]]:
    try:
        value = task(pickle.loads(request))  # noqa: S301 - from our own parent
        if isinstance(value, Iterator):
            for part in value:
                yield PART, pickle.dumps(part, PICKLE_PROTOCOL)
            value = None
        answer = DONE, pickle.dumps(value, PICKLE_PROTOCOL)
    except (MemoryError, GeneratorExit):
        raise
    except BaseException as error:  # noqa: BLE001 - even SystemExit is only this item's end
        answer = RAISED, pickle.dumps((type(error).__qualname__, _message(error)), PICKLE_PROTOCOL)
    yield answer


def _message(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - an exception's own __str__ may raise anything
        text = "(its message cannot be shown)"
    return text[:LONGEST_MESSAGE].encode(errors="backslashreplace").decode()


def _receive(requests: BinaryIO) -> bytes | None:
    """The next message, or None when the parent closed the channel or died."""
    header = requests.read(LENGTH.size)
    if len(header) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(header)
    message = requests.read(length)
    return message if len(message) == length else None


def _send(channel: int, kind: bytes, body: bytes) -> None:
    head = LENGTH.pack(len(kind) + len(body)) + kind
    written = os.writev(channel, (head, body))
    assert written >= len(head), "a socket takes nine bytes at once"
    rest = memoryview(body)[written - len(head) :]
    while rest:
        rest = rest[os.write(channel, rest) :]
