"""Does a network learn on this GPU? Some minutes of training on real tokens, where there are any."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.contestants import Terms, seconds_of, webtext
from benchmarks.gpu_size import fitting, mfu, micro_batches
from model.training import schedules
from model.training.optimizers import Recipe

PEAK_LEARNING_RATE = {"paper": 6e-4, "fast": 1.8e-3}

Tokens = tuple[str, Tensor, Tensor]
"""What they are, those to learn from, and those held out."""


def tokens_of(folder: Path | None, text: Path | None, vocabulary: int) -> Tokens:
    """What the tokens are, those to learn from, and those held out."""
    if folder is not None:
        splits = [_read(sorted(folder.glob(f"{split}-*.bin"))) for split in ("train", "validation")]
        if splits[0].numel() and splits[1].numel():
            return f"tokens of {folder}", splits[0], splits[1]
    if text is not None:
        read = torch.tensor(bytearray(text.read_bytes()), dtype=torch.int32)
        return f"bytes of {text}", read[: len(read) * 9 // 10], read[len(read) * 9 // 10 :]
    generator = torch.Generator().manual_seed(5)
    words = torch.multinomial(1 / torch.arange(1.0, vocabulary + 1), 2000 * 6, replacement=True, generator=generator)
    chosen = torch.multinomial(1 / torch.arange(1.0, 2001), 400_000, replacement=True, generator=generator)
    made = words.view(2000, 6)[chosen].flatten()
    return "synthetic: 2,000 made-up phrases of 6 tokens", made[:2_000_000], made[2_000_000:]


def _read(files: list[Path]) -> Tensor:
    parts = [torch.from_file(str(file), dtype=torch.uint16, size=file.stat().st_size // 2) for file in files]
    return torch.cat(parts) if parts else torch.empty(0, dtype=torch.uint16)


def learn(terms: Terms, recipe: Recipe, seconds: float, data: Tokens) -> dict[str, Any]:
    """Train for about so many seconds, compiling included; some steps show how many there is time for."""
    config, began = terms.config, time.monotonic()
    what, training, held_out = data
    sequences, recompute = fitting(terms)
    terms = dataclasses.replace(terms, recompute=recompute)
    contestant = webtext(terms, recipe, PEAK_LEARNING_RATE[recipe])
    accumulated = 2 * micro_batches(terms, sequences)
    generator = torch.Generator().manual_seed(6)

    def drawn(source: Tensor) -> tuple[Tensor, Tensor]:
        starts = torch.randint(0, len(source) - config.context - 1, (sequences,), generator=generator).tolist()
        rows = torch.stack([source[start : start + config.context + 1].long() for start in starts]).to(terms.device)
        return rows[:, :-1].contiguous(), rows[:, 1:].contiguous()

    held = [drawn(held_out) for _ in range(max(1, min(16, 200_000 // (sequences * config.context))))]

    @torch.no_grad()
    def validation_loss() -> float:
        return sum(contestant.loss(*each).item() for each in held) / len(held)

    before = validation_loss()
    contestant.set_learning_rates(0)
    trial = [drawn(training) for _ in range(accumulated)]
    seconds_of(lambda: contestant.step(trial), terms.device)
    each = seconds_of(lambda: contestant.step(trial), terms.device)
    steps = max(4, int((seconds - (time.monotonic() - began)) / each))

    curve: list[dict[str, float]] = []
    began = time.monotonic()
    for step in range(steps):
        contestant.set_learning_rates(schedules.factor(step, kind="wsd", steps=steps, warmup=max(1, steps // 20)))
        loss = contestant.step([drawn(training) for _ in range(accumulated)])
        if step % max(1, steps // 50) == 0 or step == steps - 1:
            curve.append({"step": step + 1, "loss": loss.item(), "seconds": time.monotonic() - began})
    taken = time.monotonic() - began
    speed = steps * accumulated * sequences * config.context / taken
    after = validation_loss()
    return {
        "tokens": what,
        "steps": steps,
        "tokens_a_step": accumulated * sequences * config.context,
        "seconds": taken,
        "tokens_per_second": speed,
        "mfu": mfu(terms, speed),
        "validation_loss_before": before,
        "validation_loss": after,
        "right": after < before,
        "curve": curve,
    }
