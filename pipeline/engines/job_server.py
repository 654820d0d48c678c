"""The process that takes pipelines from Beam and has an engine run them: one for a run, gone when the run is."""

import contextlib
import logging
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from pipeline.engines import lifeline
from pipeline.engines.engine import Options
from pipeline.engines.java import OUT_OF_MEMORY_EXIT_CODE
from webtext.errors import UserError

LOG = "job-server.log"
EARLIER_LOG = "job-server.1.log"
SCRATCH = "scratch"

SECONDS_TO_START = 120
SECONDS_TO_STOP = 10
SECONDS_TO_NOTICE = 0.2
SECONDS_TO_BE_MISSED = 3
SECONDS_TO_BE_SEEN_DEAD = 5
"""A connection breaks a little before the process that held it has ended."""

log = logging.getLogger("webtext")


class Command(Protocol):
    """How a job server is started."""

    @property
    def name(self) -> str:
        """The engine's."""
        ...

    def check(self) -> None:
        """Raise UserError for what it could never work with."""
        ...

    def line(self, port: int, scratch: Path) -> Iterator[str]:
        """The command line."""
        ...

    def options(self, scratch: Path) -> Options:
        """What Beam must be told beside where it listens."""
        ...


class JobServer:
    """One process. folder: for its log, the log of the one before, and its scratch files, which go with it."""

    def __init__(self, command: Command, folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._log = folder / LOG
        self._scratch = (folder / SCRATCH).resolve()
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        self._missed = threading.Event()
        """Whether the main thread knows that it has ended."""

    def start(self) -> None:
        """Begin to start it, unless that has been done; does not wait."""
        if self._process is not None:
            return
        self._command.check()
        self._clear()
        self._scratch.mkdir(parents=True)
        if self._log.exists():
            self._log.replace(self._folder / EARLIER_LOG)
        self._port = _free_port()
        with self._log.open("wb") as log:
            # A group of its own: Ctrl-C is this process's to answer.
            self._process = subprocess.Popen(  # noqa: S603 - our own command line
                [*lifeline.ended_by(signal.SIGKILL), *self._command.line(self._port, self._scratch)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )
        threading.Thread(target=self._watch, args=(self._process,), daemon=True).start()

    def _watch(self, process: "subprocess.Popen[bytes]") -> None:
        """Beam waits for minutes, or for ever, for a server that died at the wrong moment."""
        process.wait()
        if not self._missed.wait(SECONDS_TO_BE_MISSED):
            signal.pthread_kill(_main_thread(), signal.SIGINT)  # a signal that comes in wakes what waits

    def options(self) -> Options:
        """Where it listens, and what belongs to it. Waits until it does."""
        self.start()
        asked = time.monotonic()
        give_up = asked + SECONDS_TO_START
        while not _listens(self._port):
            if (sentence := self._epitaph("did not start")) is not None:
                self._missed.set()
                raise UserError(sentence)
            if time.monotonic() > give_up:
                raise UserError(
                    f"the job server of {self._command.name} did not start in {SECONDS_TO_START} s: see {self._log}."
                )
            time.sleep(0.05)
        if not self._ready:
            self._ready = True
            waited = time.monotonic() - asked
            log.info("%-11sthe job server of %s was waited for %.1f s", "runner", self._command.name, waited)
        return {**self._command.options(self._scratch), "job_endpoint": f"localhost:{self._port}"}

    def obituary(self, *, interrupted: bool) -> str | None:
        """Why it is not there any more."""
        if self._process is not None and not interrupted:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(SECONDS_TO_BE_SEEN_DEAD)
        self._missed.set()
        return self._epitaph("ended before its work was done")

    def close(self) -> None:
        """End it, give the threads that spoke with it the time to notice, and remove its scratch files."""
        if self._process is None:
            return
        self._missed.set()
        self._process.terminate()
        try:
            self._process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        time.sleep(SECONDS_TO_NOTICE)
        self._clear()

    def _clear(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _epitaph(self, what: str) -> str | None:
        if self._process is None or (code := self._process.poll()) is None:
            return None
        if code == OUT_OF_MEMORY_EXIT_CODE:
            return (
                f"the job server of {self._command.name} ran out of memory: give it more with runner.memory, or cut "
                f"the work into more pieces with runner.partitions; its log is {self._log}."
            )
        ending = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        last = self._last_words()
        return f"the job server of {self._command.name} {what} ({ending}{last}); its log is {self._log}."

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = self._log.read_bytes()[-20_000:].decode(errors="replace").splitlines()
            told = [line.strip() for line in lines if re.search(r"Exception|Error", line)]
            if told:
                return f": {told[-1][:300]}"
        return ""


def _main_thread() -> int:
    found = threading.main_thread().ident
    assert found is not None
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("localhost", port), timeout=1):
            return True
    except OSError:
        return False
