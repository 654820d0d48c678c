"""One GPU in one call of a few minutes: is it right, how fast is it, and does it learn? Needs nothing but torch.

    python -m benchmarks.gpu --output gpu.json --nanogpt CHECKOUT --tokens RUN/tokens

First the checks of `benchmarks.gpu_checks`; then tokens a second and MFU of the four sizes against transformers (where
it is installed) and nanoGPT (where a checkout is given); then a network learns for some minutes. Everything is written
to the JSON file as soon as it is known, and what there is no time for is told there: a run that is cut off keeps what
it has. `--device cpu --sizes nano --minutes 0.2` tries it all out where there is no GPU.
"""

import argparse
import dataclasses
import functools
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import gpu_checks
from benchmarks.contestants import Contestant, Terms, batch, entries, free, seconds_of, webtext
from model.gpt2 import PRESETS
from model.training import gpus, optimizers, planning, schedules

SIZES = ("gpt2", "gpt2-xl", "gpt2-medium", "gpt2-large")
"""In the order of what is wanted most, should time run out."""
PARTS = ("checks", "speed", "learning")
TOKENS_A_STEP = 131_072
"""Fewer than in a real run, whose optimizer takes a smaller share of the time."""
WINDOWS = 3
WINDOW_SECONDS = 3.0
PEAK_LEARNING_RATE = {"paper": 6e-4, "fast": 1.8e-3}


class Journal:
    """Results on their way to a JSON file, written at every step."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path = path
        self._ends = time.monotonic() + seconds
        self.results: dict[str, Any] = {}
        self.failed = False
        self.held_back = 0.0
        """Seconds for what comes later."""

    @property
    def seconds_left(self) -> float:
        return self._ends - time.monotonic() - self.held_back

    def note(self, part: str, name: str, work: Callable[[], dict[str, Any]], needs: float = 0.0) -> None:
        """Do some work and keep what it returns, or why it failed, or that there was no time for it (seconds)."""
        began = time.monotonic()
        if self.seconds_left < needs:
            result: dict[str, Any] = {
                "left_out": f"{self.seconds_left:.0f} s were left, about {needs:.0f} s are needed"
            }
        else:
            try:
                result = work()
            except Exception as error:  # noqa: BLE001 - whatever it is, what comes after may still work
                self.failed = True
                result = {"error": repr(error), "traceback": traceback.format_exc()}
        self.failed |= result.get("right") is False
        self.results.setdefault(part, {})[name] = result
        self.write()
        shown = ", ".join(
            f"{key} {_short(value)}" for key, value in result.items() if key not in ("traceback", "curve")
        )
        print(f"{part:9} {name:28} {time.monotonic() - began:6.1f} s  {shown}", flush=True)

    def write(self) -> None:
        temporary = self._path.with_suffix(".part")
        temporary.write_text(json.dumps(self.results, indent=1))
        temporary.replace(self._path)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def measure(journal: Journal, terms: Terms, size: str, name: str, make: Callable[[Terms], Contestant]) -> None:
    """Note a contestant's speed at a size, with the micro-batch that planning thinks of."""
    sequences, recompute = fitting(terms)
    terms = dataclasses.replace(terms, recompute=recompute)
    needs = (40 + 1.2 * terms.config.layers if terms.compiled else 15) if terms.device.type == "cuda" else 0
    journal.note("speed", f"{size} {name}", lambda: _speed(terms, sequences, make), needs)
    free(terms.device)


def fitting(terms: Terms) -> tuple[int, bool]:
    """Sequences in a micro-batch and whether to recompute; two where there is no GPU."""
    if terms.device.type != "cuda":
        return 2, False
    memory = torch.cuda.get_device_properties(terms.device).total_memory
    return planning.fitting(terms.config, memory, at_most=max(1, TOKENS_A_STEP // terms.config.context)) or (1, True)


def micro_batches(terms: Terms, sequences: int) -> int:
    """In one step."""
    return max(1, TOKENS_A_STEP // (sequences * terms.config.context)) if terms.device.type == "cuda" else 1


def _speed(terms: Terms, sequences: int, make: Callable[[Terms], Contestant]) -> dict[str, Any]:
    """With half the micro-batch, again and again, where memory is short."""
    while True:
        try:
            return _speed_with(terms, sequences, make)
        except torch.OutOfMemoryError:
            if sequences == 1:
                raise
        sequences //= 2
        free(terms.device)  # not in the handler: the error holds on to tensors


def _speed_with(terms: Terms, sequences: int, make: Callable[[Terms], Contestant]) -> dict[str, Any]:
    contestant = make(terms)
    count = micro_batches(terms, sequences)
    data = [batch(terms.config, sequences, terms.device)] * count
    first = seconds_of(lambda: contestant.step(data), terms.device)
    once = seconds_of(lambda: [contestant.step(data) for _ in range(2)], terms.device) / 2
    steps = max(1, round(WINDOW_SECONDS / once)) if terms.device.type == "cuda" else 1
    windows = [
        seconds_of(lambda: [contestant.step(data) for _ in range(steps)], terms.device) / steps for _ in range(WINDOWS)
    ]
    speed = count * sequences * terms.config.context / statistics.median(windows)
    result = {
        "tokens_per_second": speed,
        "mfu": mfu(terms, speed),
        "micro_batch": sequences,
        "micro_batches": count,
        "recompute": terms.recompute,
        "step_seconds": windows,
        "first_step_seconds": first,
        "update_seconds": _update_seconds(contestant, data, terms),
        "planned_gib": planning.memory(terms.config, sequences, recompute=terms.recompute).total / gpus.GIB,
    }
    if terms.device.type == "cuda":
        result["peak_gib"] = torch.cuda.max_memory_allocated(terms.device) / gpus.GIB
    return result


def _update_seconds(contestant: Contestant, data: list[tuple[Tensor, Tensor]], terms: Terms) -> float:
    torch.autograd.backward(contestant.loss(*data[0]))
    return statistics.median(seconds_of(contestant.update, terms.device) for _ in range(3))


def mfu(terms: Terms, tokens_per_second: float) -> float | None:
    gpu = gpus.known(torch.cuda.get_device_name(terms.device)) if terms.device.type == "cuda" else None
    return tokens_per_second * planning.flops_per_token(terms.config) / gpu.peak if gpu else None


def tokens_of(folder: Path | None, text: Path | None, vocabulary: int) -> tuple[str, Tensor, Tensor]:
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


def learn(terms: Terms, recipe: optimizers.Recipe, seconds: float, data: tuple[str, Tensor, Tensor]) -> dict[str, Any]:
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("gpu.json"), help="where the results go (%(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=450, help="for everything (%(default)s)")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--sizes", nargs="*", choices=list(PRESETS), default=SIZES, help="in the order of importance")
    parser.add_argument("--rivals", nargs="*", default=["transformers", "nanoGPT"])
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT")
    parser.add_argument("--no-compile", action="store_true", help="as it is on a CPU; transformers never is compiled")
    parser.add_argument("--learner", choices=list(PRESETS), help="the network that learns: by default the first size")
    parser.add_argument("--recipes", nargs="*", choices=("paper", "fast"), default=["fast"])
    parser.add_argument("--minutes", type=float, default=2.0, help="that each recipe learns for (%(default)s)")
    parser.add_argument("--tokens", type=Path, help="a RUN/tokens folder: train-*.bin and validation-*.bin")
    parser.add_argument("--text", type=Path, help="a text file, whose bytes are tokens where there are no others")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no GPU here; --device cpu tries the script out")

    device = torch.device(arguments.device)
    compiled = device.type == "cuda" and not arguments.no_compile
    journal = Journal(arguments.output, arguments.seconds)
    journal.results["machine"] = machine(device)
    journal.write()
    print(json.dumps(journal.results["machine"]), flush=True)

    for_learning = 60 * arguments.minutes * len(arguments.recipes) if "learning" in arguments.parts else 0
    if "checks" in arguments.parts:
        for name, work in gpu_checks.checks(device, compiled=compiled):
            journal.note("checks", name, work)
        free(device)
    if "speed" in arguments.parts:
        journal.held_back = for_learning
        makers = {
            name: make for name, make in entries(arguments.nanogpt).items() if name in ["webtext", *arguments.rivals]
        }
        for size in arguments.sizes:
            for name, make in makers.items():
                terms = Terms(PRESETS[size], device, torch.bfloat16, compiled=compiled and name != "transformers")
                measure(journal, terms, size, name, make)
        journal.held_back = 0
    if "learning" in arguments.parts:
        size = arguments.learner or arguments.sizes[0]
        terms = Terms(PRESETS[size], device, torch.bfloat16, compiled=compiled)
        data = tokens_of(arguments.tokens, arguments.text, terms.config.vocabulary)
        for recipe in arguments.recipes:
            seconds = min(60 * arguments.minutes, journal.seconds_left)
            journal.note("learning", f"{size} {recipe}", functools.partial(learn, terms, recipe, seconds, data), 0.0)
            free(device)
    return int(journal.failed)


def machine(device: torch.device) -> dict[str, Any]:
    found: dict[str, Any] = {"torch": torch.__version__, "threads": torch.get_num_threads(), "device": device.type}
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        gpu = gpus.known(properties.name)
        found |= {
            "device": properties.name,
            "memory_gib": properties.total_memory / gpus.GIB,
            "peak_tflops": gpu.peak / 1e12 if gpu else None,
            "cuda": torch.version.cuda,
        }
    return found


if __name__ == "__main__":
    sys.exit(main())
