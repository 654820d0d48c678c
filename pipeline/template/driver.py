"""The template's one step: the command as a process of its own, its log as this job's, its failure as this job's."""

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

import apache_beam as beam

from pipeline.engines import dataflow, lifeline

WEBTEXT = "from webtext.command import program; program()"
"""As the installed command has it: Beam pickles what the program's own file defines, and here that is nothing."""
COMMAND = (sys.executable, "-c", WEBTEXT, "corpus", "--log-format", "json")
SECONDS_BETWEEN_STARTS = 60
SECONDS_TO_STOP = 30
LEVELS = {name.lower(): level for name, level in logging.getLevelNamesMapping().items()}

log = logging.getLogger("webtext")


class RunFailedError(Exception):
    """The command failed; its last sentence."""


class Drive(beam.DoFn):
    """Runs a command until it ends well, whatever the element is.

    Dataflow tries a step four times. A run's job that an earlier attempt left behind would cost one of these at once,
    so the end of such a job is waited for here.
    """

    def __init__(self, command: Sequence[str], seconds_between_starts: float = SECONDS_BETWEEN_STARTS) -> None:
        self._command = tuple(command)
        self._pause = seconds_between_starts

    def process(self, _: bytes) -> Iterator[str]:
        """Run it. Raises RunFailedError."""
        while (failure := attempt(self._command)) is not None:
            if not dataflow.awaits_a_job(failure):
                raise RunFailedError(failure)
            log.info("an earlier attempt's job is still active: the command is started again in %g s", self._pause)
            time.sleep(self._pause)
        yield from ()


def attempt(command: Sequence[str]) -> str | None:
    """Run a command once and log what it says; None when it ended well, else a sentence on why it did not.

    Its process gets SIGTERM when this one dies, or when the work here is broken off.
    """
    # A group of its own: a signal to this process's whole group would come to it twice.
    process = subprocess.Popen(  # noqa: S603 - our own command line
        [*lifeline.ended_by(signal.SIGTERM), *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        process_group=0,
    )
    last, complaint = "it said nothing", None
    try:
        assert process.stdout is not None
        for line in process.stdout:
            level, last = hand_on(line.rstrip("\n"))
            complaint = last if level >= logging.ERROR else complaint
        code = process.wait()
    finally:
        _end(process)
    if code < 0:
        return f"the command was killed by signal {-code} ({signal.strsignal(-code)}); before that: {last}"
    return (complaint or last) if code else None


def hand_on(line: str) -> tuple[int, str]:
    """Log a line of the command's, at its own level where it is of its log; returns the level and the sentence."""
    try:
        entry = json.loads(line)
        level, name, message = LEVELS[entry["level"]], entry["logger"], entry["message"]
    except (ValueError, LookupError, TypeError):  # a result, or a traceback
        log.info("%s", line)
        return logging.INFO, line
    traceback = f"\n{entry['traceback']}" if "traceback" in entry else ""
    logging.getLogger(name).log(level, "%s%s", message, traceback)
    return level, message


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    assert process.stdout is not None
    process.stdout.close()
