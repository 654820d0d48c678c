"""What a person sees of a stage while it works: a bar with a rate and the time left, or a line now and then."""

import contextlib
import logging
import time
from collections.abc import Iterator

import rich.console
import rich.progress

from pipeline import progress as events
from webtext import logs

SECONDS_BETWEEN_LINES = 30

log = logging.getLogger("webtext")


@contextlib.contextmanager
def progress(stage: str, total: int, what: str) -> Iterator[None]:
    """Show how a stage comes along while the block runs: on a terminal as a bar, elsewhere in lines.

    total: how many items it has; what: their name, in the plural.
    """
    with _bar(stage, total, what) if logs.on_a_terminal() else _lines(stage, total, what):
        yield


@contextlib.contextmanager
def _bar(stage: str, total: int, what: str) -> Iterator[None]:
    bar = rich.progress.Progress(
        rich.progress.TextColumn("{task.description:<10}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn(what),
        rich.progress.TextColumn("{task.fields[rate]}"),
        rich.progress.TimeRemainingColumn(),
        console=rich.console.Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(stage, total=total, rate="")

        def show(which: str, done: int) -> None:
            if which == stage:
                speed = bar.tasks[0].speed
                bar.update(task, advance=done, rate=f"{speed:.0f}/s" if speed else "")

        with events.listening(show):
            yield


@contextlib.contextmanager
def _lines(stage: str, total: int, what: str) -> Iterator[None]:
    pace = _Pace(total)

    def show(which: str, done: int) -> None:
        if which == stage and pace.advance(done):
            log.info("%-11s%s", stage, pace.sentence(what))

    with events.listening(show):
        yield


class _Pace:
    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._began = self._told = time.monotonic()

    def advance(self, done: int) -> bool:
        """Count; True when it is time for a line."""
        self._done += done
        due = time.monotonic() - self._told >= SECONDS_BETWEEN_LINES
        if due:
            self._told = time.monotonic()
        return due

    def sentence(self, what: str) -> str:
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = self._done / seconds
        left = (self._total - self._done) / rate if rate else 0
        return f"{self._done:,} of {self._total:,} {what}, {rate:.0f}/s, about {left / 60:.0f} minutes left"
