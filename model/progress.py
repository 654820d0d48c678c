"""How far a long piece of work has come: on a terminal a bar, elsewhere a line now and then."""

import contextlib
import logging
from collections.abc import Callable, Iterator

import rich.console
import rich.progress

from webtext import logs
from webtext.pace import Pace

Advance = Callable[[int], None]

log = logging.getLogger("webtext")


@contextlib.contextmanager
def of_bytes(stage: str, total: int) -> Iterator[Advance]:
    """Show how a stage comes along while the block runs, which calls what it is given with the bytes it has done.

    total: bytes in all, as far as one knows.
    """
    with _bar(stage, total) if logs.on_a_terminal() else _lines(stage, total) as advance:
        yield advance


@contextlib.contextmanager
def _bar(stage: str, total: int) -> Iterator[Advance]:
    columns = (
        rich.progress.TextColumn("{task.description:<10}"),
        rich.progress.BarColumn(),
        rich.progress.DownloadColumn(),
        rich.progress.TransferSpeedColumn(),
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=rich.console.Console(stderr=True), transient=True) as bar:
        task = bar.add_task(stage, total=total)
        yield lambda done: bar.advance(task, done)


@contextlib.contextmanager
def _lines(stage: str, total: int) -> Iterator[Advance]:
    pace = Pace(total)

    def advance(done: int) -> None:
        if pace.advance(done):
            log.info(
                "%-11s%s of %s MB, %.1f MB/s, about %.0f minutes left",
                stage,
                f"{pace.done / 1e6:,.0f}",
                f"{total / 1e6:,.0f}",
                pace.rate / 1e6,
                pace.minutes_left,
            )

    yield advance
