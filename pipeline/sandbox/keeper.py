"""The keeper of a pool: one thread that hands out jobs and replaces children that are late, dead or old."""

import collections
import contextlib
import logging
import os
import selectors
import threading
import time

from pipeline.sandbox import child as protocol
from pipeline.sandbox.process import Child, Job
from pipeline.sandbox.verdicts import Answer, Crashed, Limits, SandboxError, TimedOut

TRIES = 2
"""Children that a job may bring down before it is called a crash: the first may have suffered from what came before."""

STARTS = 3
"""How many children may die in a row without having done anything before the keeper gives up."""

SECONDS_TO_START = 120
_HEARTBEAT_SECONDS = 0.5
_STANDSTILL_SECONDS = 1.0
"""A heartbeat late by so much means that this thread did not run, and that its clocks tell nothing of the children."""

_log = logging.getLogger(__name__)


class Keeper(threading.Thread):
    """Looks after the children of one pool.

    news: notified whenever a job is finished and when the keeper has failed; its lock guards everything that users
        and keeper share.
    failure: why no job will be finished any more; None while all is well.
    """

    def __init__(self, setup: bytes, limits: Limits) -> None:
        super().__init__(name="sandbox keeper", daemon=True)
        self.news = threading.Condition()
        self.failure: BaseException | None = None
        self._setup = setup
        self._limits = limits
        self._children: list[Child] = []
        self._waiting: collections.deque[Job] = collections.deque()
        self._second_tries: collections.deque[Job] = collections.deque()
        self._hungry = False
        self._stopping = False
        self._deaths_in_a_row = 0
        self._selector = selectors.DefaultSelector()
        self._bell, self._button = os.pipe()
        for end in (self._bell, self._button):
            os.set_blocking(end, False)

    def offer(self, job: Job) -> None:
        """Queue a job. Call it with the lock of `news` held."""
        self._waiting.append(job)
        if self._hungry:
            self._hungry = False
            self._ring()

    def withdraw(self, owner: object) -> None:
        """Forget an owner's jobs that no child has been given yet. Call it with the lock held."""
        self._waiting = collections.deque(job for job in self._waiting if job.owner is not owner)

    def wait(self) -> None:
        """Wait for news. Call it with the lock held. Raises SandboxError when there will be none any more."""
        self.raise_failure()
        self.news.wait()

    def raise_failure(self) -> None:
        """Raise SandboxError when no job will be finished any more."""
        if self.failure is not None:
            raise SandboxError(str(self.failure)) from self.failure

    def stop(self) -> None:
        """Kill the children and end the thread. Call it with the lock held, and join afterwards."""
        self._stopping = True
        self._ring()

    def pids(self) -> list[int]:
        """The children's process ids."""
        return [child.pid for child in list(self._children)]

    def run(self) -> None:
        """Look after the children until stopped."""
        failure: BaseException = SandboxError("the sandbox is closed")
        try:
            self._selector.register(self._bell, selectors.EVENT_READ)
            while not self._stopping:
                self._hire()
                self._hand_out()
                self._attend()
                self._check_clocks()
        except BaseException as error:  # noqa: BLE001 - raised again in the users' threads
            failure = error
        finally:
            for child in self._children:
                child.end()
            self._children.clear()
            with self.news:
                self.failure = failure
                self._selector.close()
                os.close(self._bell)
                os.close(self._button)
                self.news.notify_all()

    def _ring(self) -> None:
        if self.failure is None:
            with contextlib.suppress(BlockingIOError):  # then it has been rung often enough
                os.write(self._button, b"!")

    def _hire(self) -> None:
        staying = sum(not child.retiring for child in self._children)
        for _ in range(self._limits.workers - staying):
            self._children.append(Child(self._setup, self._limits, self._selector))

    def _hand_out(self) -> None:
        able = [child for child in self._children if child.is_ready and not child.dismissed]
        fresh = [child for child in able if not child.handled and not child.jobs]
        fresh_to_come = any(not child.is_ready for child in self._children)
        with self.news:
            for child in fresh if fresh or fresh_to_come else able:
                if self._second_tries and not child.jobs:
                    child.give(self._second_tries.popleft())
            for child in able:
                if self._waiting and not child.jobs:
                    child.give(self._waiting.popleft())
            # A second one bridges the time between two jobs; the last ones stay for whoever is free first.
            for child in able:
                if len(self._waiting) > len(able) and len(child.jobs) == 1:
                    child.give(self._waiting.popleft())
            self._hungry = any(len(child.jobs) < 2 for child in able)

    def _attend(self) -> None:
        looks = [seconds for child in self._children if (seconds := child.seconds_to_next_look()) is not None]
        patience = min([*looks, _HEARTBEAT_SECONDS])
        before = time.monotonic()
        events = self._selector.select(patience)
        elapsed = time.monotonic() - before
        if elapsed > patience + _STANDSTILL_SECONDS:  # stopped by Ctrl-Z, or starved: no job's fault
            for child in self._children:
                child.forgive(elapsed)
        for key, mask in events:
            child = key.data
            if child is None:
                os.read(self._bell, 4096)
            elif child in self._children:
                if mask & selectors.EVENT_WRITE:
                    child.flush()
                if key.fd != child.channel:
                    _log.debug("child %d: %s", child.pid, child.listen().rstrip())
                elif mask & selectors.EVENT_READ:
                    self._read(child)

    def _read(self, child: Child) -> None:
        try:
            for kind, body in child.answers():
                self._hear(child, kind, body)
                if child not in self._children:
                    return
        except ConnectionError:
            self._bury(child)

    def _hear(self, child: Child, kind: bytes, body: bytes) -> None:
        if kind == protocol.READY:
            child.is_ready = True
            predecessor = next((old for old in self._children if old.retiring and not old.dismissed), None)
            if predecessor is not None:
                predecessor.dismissed = True
                self._release_when_idle(predecessor)
        elif kind == protocol.NOT_READY:
            raise SandboxError(f"the task cannot be set up in a child process:\n{body.decode()}")
        elif kind == protocol.PART:
            self._pass_on(child.jobs[0], body)
        elif kind == protocol.OUT_OF_MEMORY:
            self._bury(child, f"memory limit of {self._limits.memory_bytes} bytes")
        else:
            self._deaths_in_a_row = 0
            child.handled += 1
            child.retiring = child.handled >= self._limits.recycle_after
            self._finish(child.take(), (kind, body))
            self._release_when_idle(child)

    def _release_when_idle(self, child: Child) -> None:
        if child.dismissed and not child.jobs:
            self._children.remove(child)
            child.end()

    def _check_clocks(self) -> None:
        for child in list(self._children):
            if child.is_ready and child.overdue():
                late = child.jobs[0]
                self._read(child)  # the answer may lie there, not looked at yet
                if child in self._children and child.jobs and child.jobs[0] is late:
                    self._kill_for_lateness(child)
            elif not child.is_ready and time.monotonic() - child.started > SECONDS_TO_START:
                child.ask_for_stack()
                raise SandboxError(f"a child process was not ready after {SECONDS_TO_START} s: {child.end()[1]}")

    def _kill_for_lateness(self, child: Child) -> None:
        child.ask_for_stack()
        _, words = child.end()
        self._children.remove(child)
        _log.warning("a job took more than %g s: %s", self._limits.deadline_seconds, words or "(no stack)")
        self._finish(child.take(), TimedOut(self._limits.deadline_seconds))
        self._take_back_from(child)

    def _bury(self, child: Child, cause: str = "") -> None:
        """A child has died, or has to."""
        ending, words = child.end()
        cause = cause or ending
        self._children.remove(child)
        if not child.jobs:
            self._deaths_in_a_row += 1
            if self._deaths_in_a_row >= STARTS:
                raise SandboxError(f"child processes die before they do anything ({cause}): {words}")
            _log.warning("an idle child died (%s): %s", cause, words or "(no last words)")
            return
        job = child.take()
        job.crashes += 1
        _log.warning("a job brought its child down (%s): %s", cause, words or "(no last words)")
        if job.crashes < TRIES and not job.parts:
            self._second_tries.append(job)
        else:
            self._finish(job, Crashed(cause, words))
        self._take_back_from(child)

    def _take_back_from(self, child: Child) -> None:
        """What waited behind a fallen job goes first to the next child."""
        with self.news:
            for job in child.jobs:
                job.is_with_child = False
            self._waiting.extendleft(reversed(child.jobs))
        child.jobs.clear()

    def _pass_on(self, job: Job, part: bytes) -> None:
        assert job.take_part is not None, "a task that returns an iterator is for Sandbox.stream"
        with self.news:
            job.parts += 1
            job.take_part(part)
            self.news.notify_all()

    def _finish(self, job: Job, answer: Answer) -> None:
        with self.news:
            job.finish(answer)
            self.news.notify_all()
