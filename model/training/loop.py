"""The training loop: from a batch of tokens to a better network, step by step. Everything it uses is made in
`model.training.preparation`.
"""

import dataclasses
import logging
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from model.gpt2 import GPT2
from model.training import checkpoints, distributed, spikes, state
from model.training.batches import Batches, MicroBatch
from model.training.config import TrainConfig
from model.training.gradients import Gradients
from model.training.metrics import METRICS, Metrics, Row
from model.training.network import Loss
from model.training.optimizers import Optimizers, clip_gradients
from model.training.ranks import Ranks
from model.training.saving import Saver
from model.training.spikes import Decision
from model.training.state import Progress
from model.training.stopping import Stop
from model.training.validation import Validation, ValidationLoss
from model.training.watching import Show
from webtext.errors import UserError

ADVICE = "lower learning_rate or lengthen warmup_steps in a new output, or raise spikes.threshold in this one"

log = logging.getLogger("webtext")


@dataclasses.dataclass
class Run:
    """All that a step touches, on one rank."""

    folder: Path
    config: TrainConfig
    ranks: Ranks
    model: GPT2
    loss: Loss
    gradients: Gradients
    optimizers: Optimizers
    batches: Batches
    validation: Validation
    progress: Progress
    saver: Saver | None
    """On the first rank alone, as is `metrics`."""
    metrics: Metrics | None
    peak_tokens_per_second: float | None
    """What all ranks' GPUs would train at their dense bf16 peak, where that is known."""
    dollars: float
    """Spent so far."""
    trouble: UserError | None = None
    """What the first rank could not write: all ranks end with it at the next step."""


class Numbers(NamedTuple):
    """What all ranks know of a step."""

    loss: float
    grad_norm: float
    stop: bool


def train(run: Run, stop: Stop, show: Show) -> None:
    """Make the steps that are left, or those until somebody asks to stop; the last one made is saved in either case.

    show: is given each step's row, on the first rank. Raises UserError when the loss is beyond help, or when something
    cannot be written.
    """
    config, progress = run.config, run.progress
    micro_batches = run.batches.load(progress.batch)
    while progress.step < config.steps:
        began = time.perf_counter()
        run.optimizers.set_learning_rates(config.learning_rate_factor(progress.step))
        run.gradients.clear()
        loss = forward_and_backward(run, micro_batches)
        run.gradients.combine()
        grad_norm = clip_gradients(run.model.parameters(), config.clip)
        micro_batches = run.batches.load(progress.batch + 1)  # while a GPU still computes
        numbers = _agree(run, loss, grad_norm, stop)

        verdict, judged = spikes.judge(progress.spikes, numbers.loss, numbers.grad_norm, config.spikes)
        if verdict.decision is Decision.STOP:
            raise UserError(f"stopped at step {progress.step + 1}: {verdict.reason}; {ADVICE}.")
        if verdict.decision is Decision.ROLL_BACK:
            _return_to_checkpoint(run, verdict.reason)
            continue
        if verdict.decision is Decision.APPLY:
            run.optimizers.step()
        else:
            log.warning("step %d is skipped: %s.", progress.step + 1, verdict.reason)
        progress.step, progress.batch, progress.spikes = progress.step + 1, progress.batch + 1, judged
        seconds = time.perf_counter() - began

        measured = run.validation.measure(run.model, run.loss) if _validates(config, progress.step) else None
        _report(run, show, numbers, seconds, measured, skipped=verdict.decision is not Decision.APPLY)
        if numbers.stop or _saves(config, progress.step):
            _save(run, measured)
        if numbers.stop:
            break
    distributed.together(run.ranks, lambda: run.saver.wait() if run.saver else None)


def forward_and_backward(run: Run, micro_batches: Sequence[MicroBatch]) -> Tensor:
    """Add up the gradients of a step's mean loss, and return this rank's share of that mean, still on the device."""
    total = torch.zeros((), device=micro_batches[0].ids.device)
    for batch in micro_batches:
        run.gradients.expect(last=batch is micro_batches[-1])
        loss = run.loss(batch.ids, batch.targets, documents=batch.documents) * batch.share
        loss.backward()  # type: ignore[no-untyped-call]
        total += loss.detach()
    return total


def _agree(run: Run, loss: Tensor, grad_norm: Tensor, stop: Stop) -> Numbers:
    """The step's numbers, the same on all ranks: the one moment of a step in which the CPU waits for the device.

    It costs a GPU the time to launch the optimizer's first kernel, and buys that a bad gradient is never applied.
    """
    failed = run.trouble is not None or (run.saver is not None and run.saver.failed)
    own = torch.stack([loss, *torch.tensor([float(stop.requested), float(failed)], device=loss.device)])
    mean_loss, stops, failures, norm = torch.cat([distributed.summed(run.ranks, own), grad_norm[None]]).tolist()
    if failures:
        distributed.together(run.ranks, lambda: _raise_trouble(run))
    return Numbers(mean_loss, norm, stop=stops > 0)


def _raise_trouble(run: Run) -> None:
    if run.trouble is not None:
        raise run.trouble
    if run.saver is not None:
        run.saver.wait()


def _return_to_checkpoint(run: Run, reason: str) -> None:
    """Take up the newest checkpoint again, but with the data that would come next: what made trouble is left out."""
    at, progress = run.progress.step + 1, run.progress
    folder = resumable(run.folder, run.ranks, run.saver)
    if folder is None:
        raise UserError(f"stopped at step {at}: {reason}, and there is no checkpoint to return to; {ADVICE}.")
    saved = state.restore(folder, run.model, run.optimizers)
    progress.step, progress.batch = saved.step, progress.batch + 1
    progress.spikes = spikes.rolled_back(saved.spikes, progress.spikes)
    log.warning("step %d: %s; the run returns to step %d and goes on with the data after it.", at, reason, saved.step)
    if run.metrics is not None:
        run.metrics.close()
        run.metrics = Metrics(run.folder, after=saved.step)


def resumable(folder: Path, ranks: Ranks, saver: Saver | None = None) -> Path | None:
    """The newest good checkpoint, as the first rank finds it; None where there is none."""

    def look() -> int:
        if saver is not None:
            saver.wait()
        found = checkpoints.newest_good(folder) if ranks.first else None
        return (checkpoints.step_of(found) or 0) if found else 0

    own = torch.tensor([distributed.together(ranks, look)])
    step = int(distributed.summed(ranks, own))  # what the others see of a shared disk may be old
    return folder / checkpoints.CHECKPOINTS / checkpoints.name_of(step) if step else None


def _validates(config: TrainConfig, step: int) -> bool:
    return step in (1, config.steps) or step % (config.validate_every or 1) == 0


def _saves(config: TrainConfig, step: int) -> bool:
    return step == config.steps or step % (config.checkpoint_every or 1) == 0


def _report(
    run: Run, show: Show, numbers: Numbers, seconds: float, measured: ValidationLoss | None, *, skipped: bool
) -> None:
    """Write the step's row, and show it."""
    if run.metrics is None:
        return
    rate = run.config.batch_tokens / seconds
    run.dollars += seconds / 3600 * run.ranks.world * run.config.price_per_gpu_hour
    row = Row(
        step=run.progress.step,
        tokens=run.progress.step * run.config.batch_tokens,
        loss=numbers.loss,
        lr=run.optimizers.learning_rate,
        grad_norm=numbers.grad_norm,
        tokens_per_second=rate,
        mfu=rate / run.peak_tokens_per_second if run.peak_tokens_per_second else None,
        seconds=seconds,
        validation_loss=measured.per_token if measured else None,
        validation_loss_per_byte=measured.per_byte if measured else None,
        masked_validation_loss=measured.masked if measured else None,
        cost=run.dollars if run.config.price_per_gpu_hour else None,
        skipped=True if skipped else None,
    )
    show(row)
    try:
        run.metrics.write(row)
    except UserError as error:
        run.trouble = error


def _save(run: Run, measured: ValidationLoss | None) -> None:
    """Save this step: its row is on the disk before its checkpoint is."""
    snapshot = state.snapshot(
        run.model,
        run.optimizers,
        run.progress,
        validation_loss=measured.per_token if measured else None,
        keep=run.ranks.first,
    )

    def write() -> None:
        if snapshot is None or run.saver is None:
            return
        _raise_trouble(run)
        sync(run.folder / METRICS)
        run.saver.save(snapshot)

    distributed.together(run.ranks, write)


def sync(path: Path) -> None:
    """Have a file's bytes on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
