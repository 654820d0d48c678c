"""What a person sees of a run while it trains: a bar with the curve of the loss, or a line now and then."""

import contextlib
import itertools
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import rich.console
import rich.progress

from model.training.metrics import Row
from model.training.planning import duration
from webtext import logs
from webtext.pace import SECONDS_BETWEEN_LINES

CURVE_WIDTH = 16
LEVELS = "▁▂▃▄▅▆▇█"

log = logging.getLogger("webtext")

Show = Callable[[Row], None]


@contextlib.contextmanager
def watching(steps: int, done: int = 0) -> Iterator[Show]:
    """Show how a run comes along: `with watching(steps, done) as show: ... show(row)` after each step.

    steps: of the whole run; done: those made before now. On a terminal it is a bar; elsewhere a line of the log every
    half minute, at each validation, and at the end.
    """
    with _bar(steps, done) if logs.on_a_terminal() else _lines(steps) as show:
        yield show


def sentence(row: Row, steps: int, seconds_left: float | None = None) -> str:
    """A step for a person: what was measured, what it costs, how long it will go on."""
    parts = [f"step {row.step:,} of {steps:,}: loss {row.loss:.4f}", *_details(row)]
    if row.skipped:
        parts.append("skipped")
    if seconds_left:
        parts.append(f"{duration(seconds_left)} left")
    return ", ".join(parts)


def curve(values: Sequence[float], width: int = CURVE_WIDTH) -> str:
    """Numbers as a line of block characters, one each for `width` stretches of equal length; not finite ones are left
    out."""
    finite = [value for value in values if math.isfinite(value)]
    count = min(width, len(finite))
    edges = [round(at * len(finite) / count) for at in range(count + 1)] if count else []
    means = [sum(finite[a:b]) / (b - a) for a, b in itertools.pairwise(edges)]
    low, span = min(means, default=0.0), max(means, default=0.0) - min(means, default=0.0)
    return "".join(LEVELS[min(7, int(8 * (mean - low) / span)) if span else 0] for mean in means)


def _details(row: Row) -> list[str]:
    parts = []
    if row.validation_loss is not None:
        parts.append(f"validation {row.validation_loss:.4f}")
    parts += [f"lr {row.lr:.2e}", f"norm {row.grad_norm:.2f}", f"{row.tokens_per_second:,.0f} tokens/s"]
    if row.mfu is not None:
        parts.append(f"MFU {row.mfu:.1%}")
    if row.cost is not None:
        parts.append(f"${row.cost:,.2f}")
    return parts


@contextlib.contextmanager
def _bar(steps: int, done: int) -> Iterator[Show]:
    bar = rich.progress.Progress(
        rich.progress.MofNCompleteColumn(),
        rich.progress.BarColumn(bar_width=20),
        rich.progress.TextColumn("{task.fields[curve]} loss {task.fields[loss]}, {task.fields[details]}"),
        rich.progress.TimeRemainingColumn(compact=True),
        console=rich.console.Console(stderr=True),
        transient=True,
    )
    losses: deque[float] = deque(maxlen=4096)

    def show(row: Row) -> None:
        losses.append(row.loss)
        bar.update(
            task, completed=row.step, loss=f"{row.loss:.4f}", curve=curve(losses), details=", ".join(_details(row))
        )
        if row.validation_loss is not None:
            log.info("%s", sentence(row, steps))

    with bar:
        task = bar.add_task("", total=steps, completed=done, loss="", curve="", details="")
        yield show


@contextlib.contextmanager
def _lines(steps: int) -> Iterator[Show]:
    began = told = time.monotonic()
    made = 0

    def show(row: Row) -> None:
        nonlocal told, made
        made += 1
        now = time.monotonic()
        if row.validation_loss is None and row.step < steps and now - told < SECONDS_BETWEEN_LINES:
            return
        told = now
        log.info("%s", sentence(row, steps, (now - began) / made * (steps - row.step)))

    yield show
