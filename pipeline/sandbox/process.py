"""One child process as its parent sees it: started, written to, read from, timed, killed, and never waited for."""

import collections
import dataclasses
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from pipeline.sandbox import child as protocol
from pipeline.sandbox.verdicts import Answer, Limits

BOOT = "import json,sys;sys.path[:]=json.loads(sys.argv[1]);from pipeline.sandbox.child import main;main()"

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)

_READ_BYTES = 256 * 1024
_WORDS_KEPT = 4096
_SECONDS_TO_SPEAK = 0.2
_SECONDS_TO_FINISH_SPEAKING = 0.01
_SECONDS_TO_DIE = 30
_SHORTEST_LOOK = 0.01


@dataclasses.dataclass(slots=True)
class Job:
    """An item on its way: whose it is, its pickle, who wants to hear of it, and how often it has brought a child down.

    finish: called once, in the keeper's thread and with its lock held: with a child's answer (kind, body), or with
        what befell it.
    take_part: called likewise with each part that comes before the answer; None for a task that has none. A job whose
        parts were taken is not tried again.
    is_with_child: whether a child has been given it.
    """

    owner: object
    payload: bytes
    finish: Callable[[Answer], None]
    take_part: Callable[[bytes], None] | None = None
    crashes: int = 0
    parts: int = 0
    is_with_child: bool = False


class Child:
    """A child process and the jobs that it has been given, the first of which it is working on.

    Make it in a thread that lives as long as the child may: Linux kills a child whose parent's *thread* ends.
    """

    def __init__(self, setup: bytes, limits: Limits, selector: selectors.BaseSelector) -> None:
        self.jobs: collections.deque[Job] = collections.deque()
        self.handled = 0
        self.is_ready = False
        self.retiring = False
        self.dismissed = False
        self.started = time.monotonic()
        self._deadline = limits.deadline_seconds
        self._selector = selector
        self._outgoing: collections.deque[memoryview] = collections.deque()
        self._incoming = bytearray()
        self._words = bytearray()
        self._head_started = self._head_running = self._head_queued = self._next_look = 0.0
        self._channel, theirs = socket.socketpair()
        self._ears, mouth = os.pipe()
        self._channel.setblocking(False)
        os.set_blocking(self._ears, False)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                [
                    *(sys.executable, "-P", "-c", BOOT, json.dumps(_module_path())),
                    *(str(theirs.fileno()), str(os.getpid()), str(limits.memory_bytes)),
                ],
                stdin=subprocess.DEVNULL,
                stdout=mouth,
                stderr=mouth,
                pass_fds=[theirs.fileno()],
                env=os.environ | dict.fromkeys(THREAD_VARIABLES, "1") | {"PYTHONHASHSEED": "0"},
            )
        finally:
            theirs.close()
            os.close(mouth)
        selector.register(self._channel, selectors.EVENT_READ, self)
        selector.register(self._ears, selectors.EVENT_READ, self)
        self._post(setup)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def channel(self) -> int:
        """The descriptor that its answers come from."""
        return self._channel.fileno()

    def give(self, job: Job) -> None:
        """Hand it a job; it starts at once when it has no other."""
        self.jobs.append(job)
        job.is_with_child = True
        self._post(job.payload)
        if len(self.jobs) == 1:
            self._start_clock()

    def take(self) -> Job:
        """The job that it has just finished or fallen over; the next one's time begins."""
        job = self.jobs.popleft()
        self._words.clear()
        if self.jobs:
            self._start_clock()
        return job

    def answers(self) -> Iterator[tuple[bytes, bytes]]:
        """Read what has come: (kind, body) of each whole answer.

        Raises ConnectionError after the last one when the child is gone.
        """
        gone = False
        try:
            received = self._channel.recv(_READ_BYTES)
            gone = not received
            self._incoming += received
        except BlockingIOError:
            pass
        except OSError:
            gone = True
        size = protocol.LENGTH.size
        while len(self._incoming) >= size:
            (length,) = protocol.LENGTH.unpack_from(self._incoming)
            if len(self._incoming) < size + length:
                break
            answer = bytes(memoryview(self._incoming)[size : size + length])
            del self._incoming[: size + length]
            yield answer[:1], answer[1:]
        if gone:
            raise ConnectionError(f"child {self.pid} is gone")

    def flush(self) -> None:
        """Write as much as the channel takes of what waits to be written."""
        try:
            while self._outgoing:
                written = self._channel.send(self._outgoing[0])
                if written < len(self._outgoing[0]):
                    self._outgoing[0] = self._outgoing[0][written:]
                else:
                    self._outgoing.popleft()
        except BlockingIOError:
            pass
        except OSError:
            self._outgoing.clear()  # it is gone: reading will tell
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
        if self._selector.get_key(self._channel).events != wanted:
            self._selector.modify(self._channel, wanted, self)

    def listen(self) -> str:
        """Read what it has written to stdout and stderr; returns the new part of it."""
        heard = bytearray()
        while len(heard) < _READ_BYTES:
            try:
                words = os.read(self._ears, _READ_BYTES)
            except BlockingIOError:
                break
            if not words:
                if self._ears in self._selector.get_map():
                    self._selector.unregister(self._ears)
                break
            heard += words
        self._words = (self._words + heard)[-_WORDS_KEPT:]
        return heard.decode(errors="replace")

    def overdue(self) -> bool:
        """Whether its first job has had its time, not counting what it spent waiting for a processor."""
        if not self.jobs or (now := time.monotonic()) < self._next_look:
            return False
        running, queued = self._seconds_scheduled()
        spent = now - self._head_started - (queued - self._head_queued)
        if self._wants_to_run():  # a wait that has not ended yet is in none of the kernel's sums
            spent = running - self._head_running
        left = self._deadline - spent
        self._next_look = now + max(left, _SHORTEST_LOOK)
        return left <= 0

    def seconds_to_next_look(self) -> float | None:
        """How long `overdue` will say no for certain; None while it has no job."""
        return max(0.0, self._next_look - time.monotonic()) if self.jobs else None

    def forgive(self, seconds: float) -> None:
        """Leave out of account a time in which everything stood still."""
        self.started += seconds
        self._head_started += seconds

    def ask_for_stack(self) -> None:
        """Let a child that hangs write where it hangs, before it is killed."""
        self._process.send_signal(protocol.SHOW_STACK)
        if self._ears in self._selector.get_map():
            select.select([self._ears], [], [], _SECONDS_TO_SPEAK)
            time.sleep(_SECONDS_TO_FINISH_SPEAKING)

    def end(self) -> tuple[str, str]:
        """Kill it if it lives; returns how it ended (a signal's name or an exit status) and its last words."""
        if self._channel.fileno() >= 0:
            self._selector.unregister(self._channel)
            self._channel.close()
            gone_by_itself = self._process.poll() is not None
            if not gone_by_itself:
                self._process.kill()
                self._process.wait(_SECONDS_TO_DIE)
            self.listen()
            if self._ears in self._selector.get_map():
                self._selector.unregister(self._ears)
            os.close(self._ears)
        return _ending(self._process.wait(_SECONDS_TO_DIE)), self._words.decode(errors="replace").strip()

    def _post(self, message: bytes) -> None:
        header = protocol.LENGTH.pack(len(message))
        if len(message) < _READ_BYTES:
            self._outgoing.append(memoryview(header + message))
        else:
            self._outgoing.extend((memoryview(header), memoryview(message)))
        self.flush()

    def _start_clock(self) -> None:
        self._head_started = time.monotonic()
        self._head_running, self._head_queued = self._seconds_scheduled()
        self._next_look = self._head_started + self._deadline

    def _seconds_scheduled(self) -> tuple[float, float]:
        """How long it has run on a processor, and been ready to run without one; zeros where nobody tells."""
        try:
            with open(f"/proc/{self.pid}/schedstat", "rb") as statistics:  # noqa: PTH123 - the quick way
                running, queued, _ = statistics.read().split()
        except (OSError, ValueError):
            return 0.0, 0.0
        return int(running) / 1e9, int(queued) / 1e9

    def _wants_to_run(self) -> bool:
        """Whether it runs or would if it had a processor; False where nobody tells."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as statistics:  # noqa: PTH123
                state = statistics.read().rpartition(b")")[2].split()[0]
        except OSError:
            return False
        return state == b"R" and self._seconds_scheduled() != (0.0, 0.0)


def _module_path() -> list[str]:
    """Where the caller finds modules, in words that hold in another folder too; an empty entry is the current one."""
    return [os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)]  # noqa: PTH100


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"
