"""When and where a checkpoint is written: at once, or in a thread while the GPU goes on."""

import concurrent.futures
from pathlib import Path

from model.training import checkpoints
from model.training.checkpoints import Snapshot


class Saver:
    """Writes one checkpoint after the other, and removes old ones when a new one is complete.

    background: write in a thread. It pays where the network lives on a GPU: what is written is a copy anyway, and the
    GPU needs no CPU meanwhile. On a CPU the thread would take its time from training.
    """

    def __init__(self, run: Path, tokenizer: Path, keep: int, *, background: bool) -> None:
        self._run, self._tokenizer, self._keep = run, tokenizer, keep
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "checkpoint") if background else None
        self._pending: concurrent.futures.Future[None] | None = None

    def save(self, snapshot: Snapshot) -> None:
        """Begin to write a checkpoint, when the last one is written. Raises the UserError of either."""
        self.wait()
        if self._thread is None:
            self._write(snapshot)
        else:
            self._pending = self._thread.submit(self._write, snapshot)

    @property
    def failed(self) -> bool:
        """Whether the checkpoint in the background could not be written: `wait` says why."""
        return self._pending is not None and self._pending.done() and self._pending.exception() is not None

    def wait(self) -> None:
        """Come back when nothing is being written. Raises the UserError of what was."""
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def _write(self, snapshot: Snapshot) -> None:
        checkpoints.write(self._run, snapshot, self._tokenizer)
        checkpoints.prune(self._run, self._keep)
