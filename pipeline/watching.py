"""What a person sees of a stage while it works: a bar with a rate and the time left, or a line now and then."""

import contextlib
import logging
from collections.abc import Iterator

from pipeline import progress as events
from webtext import logs
from webtext.pace import Pace

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
    # Importing rich takes a twentieth of a second, which a run that nobody watches saves.
    import rich.console
    import rich.progress

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
    pace = Pace(total)

    def show(which: str, done: int) -> None:
        if which == stage and pace.advance(done):
            log.info(
                "%-11s%s of %s %s, %.0f/s, about %.0f minutes left",
                stage,
                f"{pace.done:,}",
                f"{total:,}",
                what,
                pace.rate,
                pace.minutes_left,
            )

    with events.listening(show):
        yield
