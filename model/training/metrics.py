"""What a run writes down of each step: metrics.jsonl for programs, TensorBoard's curves for people."""

import dataclasses
import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from webtext import storage
from webtext.errors import UserError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

METRICS = "metrics.jsonl"
TENSORBOARD = "tensorboard"

log = logging.getLogger("webtext")


@dataclasses.dataclass(frozen=True)
class Row:
    """One step. What is None is left out of the file, but `mfu`: that is null where a device's peak is not known."""

    step: int
    """1 for the first; without gap or repeat, whatever was killed in between."""
    tokens: int
    """Trained on so far, this step's included."""
    loss: float
    """Mean over the global batch, nats a token."""
    lr: float
    grad_norm: float
    """Before clipping."""
    tokens_per_second: float
    mfu: float | None
    """Share of the devices' dense bf16 peak, FLOPs counted by the PaLM formula."""
    seconds: float
    """That this step took, without validation and saving."""
    validation_loss: float | None = None
    """Nats a token."""
    validation_loss_per_byte: float | None = None
    """Nats a byte of text: what runs with other tokenizers compare by."""
    masked_validation_loss: float | None = None
    """The same with attention kept inside documents, where both are measured."""
    cost: float | None = None
    """Dollars so far, where a price is configured."""
    skipped: bool | None = None
    """True where the update was not applied."""

    def as_json(self) -> dict[str, Any]:
        """Plain values for JSON; NaN and infinity, for which JSON has no sign, are None."""
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in dataclasses.asdict(self).items()
            if value is not None or name == "mfu"
        }


class Metrics:
    """A run's two records, open for appending: `with Metrics(folder, after=step) as metrics: metrics.write(row)`.

    folder: the training run's. after: the step that the run goes on from, 0 for a new one; what a killed run wrote of
    later steps is removed, half a last line too. Only one process of a run may hold it open.
    """

    def __init__(self, folder: Path, *, after: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / METRICS
        cut(self._path, after)
        self._file = self._path.open("ab", buffering=0)
        self._curves = _summary_writer(folder / TENSORBOARD, after)

    def write(self, row: Row) -> None:
        """Append a step, for other processes to see at once. Raises UserError when the disk takes no more."""
        values = row.as_json()
        line = json.dumps(values, allow_nan=False).encode() + b"\n"
        try:
            written = self._file.write(line)
        except OSError as error:
            raise _cannot_write(self._path, error.strerror or str(error)) from error
        if written != len(line):
            raise _cannot_write(self._path, "no space left")
        for name, value in values.items():
            if name != "step" and value is not None:
                self._curves.add_scalar(name, float(value), row.step)

    def close(self) -> None:
        """Close both; TensorBoard's curves are complete after it."""
        self._file.close()
        self._curves.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The steps in a metrics.jsonl, in order, up to the first line that is not whole; none where there is no file."""
    for line in _whole_lines(path):
        yield json.loads(line)


def cut(path: Path, after: int) -> None:
    """Remove the steps beyond `after` and half a last line from a metrics.jsonl; the file is whole at any moment."""
    kept = [line for line in _whole_lines(path) if json.loads(line)["step"] <= after]
    if len(kept) < after:
        log.warning("%s tells of %d of the %d steps that the run goes on from.", path, len(kept), after)
    content = b"".join(kept)
    if path.exists() and path.stat().st_size != len(content):
        with storage.open_atomic(str(path)) as file:
            file.write(content)


def _whole_lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                json.loads(line)
                yield line
    except (FileNotFoundError, ValueError):  # a file system may keep a file's length and lose its end: no JSON
        return


def _cannot_write(path: Path, reason: str) -> UserError:
    return UserError(f"cannot write {path}: {reason}; make room and run the same command again.")


def _summary_writer(folder: Path, after: int) -> "SummaryWriter":
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=after + 1 if after else None, flush_secs=30)
