"""What a person sees of a stage while it works: a bar with a rate and the time left, or a line now and then."""

import contextlib
import logging
import time
from collections.abc import Iterator

import rich.console
import rich.progress
import rich.text

from pipeline import progress as events
from pipeline.progress import Standing
from webtext import logs
from webtext.pace import SECONDS_BETWEEN_LINES, Pace, in_words

log = logging.getLogger("webtext")


@contextlib.contextmanager
def progress(stage: str, total: int, what: str) -> Iterator[None]:
    """Show how a stage comes along while the block runs: on a terminal as a bar, elsewhere in lines.

    total: how many items it has; what: their name, in the plural. A stage that tells where it stands is shown as it
    tells it from then on.
    """
    with _bar(stage, total, what) if logs.on_a_terminal() else _lines(stage, total, what):
        yield


@contextlib.contextmanager
def _bar(stage: str, total: int, what: str) -> Iterator[None]:
    bar = _Bar(
        rich.progress.TextColumn("{task.description:<10}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn("{task.fields[what]}"),
        rich.progress.TextColumn("{task.fields[pace]}", markup=False),
        console=rich.console.Console(stderr=True),
        transient=True,
    )
    with bar:
        task = bar.add_task(stage, total=total, what=what, pace="", visible=bool(total))

        def show(which: str, done: int) -> None:
            if which == stage:
                bar.update(task, advance=done, visible=True, pace=_pace(bar.tasks[0]))

        def show_standing(which: str, standing: Standing) -> None:
            if which == stage:
                bar.details = standing.details
                bar.update(
                    task,
                    total=standing.total,
                    completed=standing.done,
                    what=standing.what,
                    pace=standing.pace,
                    visible=True,
                )

        with events.listening(show), events.watching(show_standing):
            yield


class _Bar(rich.progress.Progress):
    """A bar, and a line beneath it."""

    details = ""

    def get_renderables(self) -> Iterator[rich.console.RenderableType]:
        """What is drawn."""
        yield self.make_tasks_table(self.tasks)
        if self.details:
            yield rich.text.Text(self.details, style="dim", no_wrap=True, overflow="ellipsis")


def _pace(task: rich.progress.Task) -> str:
    if not task.speed:
        return ""
    left = "" if task.time_remaining is None else f", {in_words(task.time_remaining)} left"
    return f"{task.speed:,.0f}/s{left}"


@contextlib.contextmanager
def _lines(stage: str, total: int, what: str) -> Iterator[None]:
    pace = Pace(total)
    said = time.monotonic()

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

    def show_standing(which: str, standing: Standing) -> None:
        nonlocal said
        if which == stage and time.monotonic() - said >= SECONDS_BETWEEN_LINES:
            said = time.monotonic()
            events.log_standing(stage, standing)

    with events.listening(show), events.watching(show_standing):
        yield
