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
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from benchmarks import gpu_checks
from benchmarks.contestants import Compiled, Contestant, Terms, batch, entries, free, seconds_of
from benchmarks.gpu_learning import learn, tokens_of
from benchmarks.gpu_size import fitting, mfu, micro_batches
from model.gpt2 import PRESETS
from model.training import gpus, planning

SIZES = ("gpt2", "gpt2-xl", "gpt2-medium", "gpt2-large")
"""In the order of what is wanted most, should time run out."""
PARTS = ("checks", "speed", "learning")
WINDOWS = 3
WINDOW_SECONDS = 3.0


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
    compiling = {"no": 0.0, "blocks": 20.0, "whole": 15 + 1.5 * terms.config.layers}[terms.compiled]
    needs = 20 + compiling if terms.device.type == "cuda" else 0.0
    journal.note("speed", f"{size} {name}", lambda: _speed(terms, sequences, make), needs)
    free(terms.device)


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
        "compiled": terms.compiled,
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("gpu.json"), help="where the results go (%(default)s)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--seconds", type=float, default=450, help="for everything (%(default)s)")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--sizes", nargs="*", choices=list(PRESETS), default=SIZES, help="in the order of importance")
    parser.add_argument("--rivals", nargs="*", default=["transformers", "nanoGPT"])
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT")
    parser.add_argument(
        "--compile",
        choices=("auto", *get_args(Compiled)),
        default="auto",
        help="webtext's network; auto: whole up to 12 layers, by blocks beyond, not on a CPU; unless it is no, "
        "nanoGPT's is compiled as a whole, as its own program does it; transformers' never is",
    )
    parser.add_argument("--learner", choices=list(PRESETS), help="the network that learns: by default the first size")
    parser.add_argument("--recipes", nargs="*", choices=("paper", "fast"), default=["fast"])
    parser.add_argument("--minutes", type=float, default=2.0, help="that each recipe learns for (%(default)s)")
    parser.add_argument("--tokens", type=Path, help="a RUN/tokens folder: train-*.bin and validation-*.bin")
    parser.add_argument("--text", type=Path, help="a text file, whose bytes are tokens where there are no others")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch finds no GPU here; --device cpu tries the script out")

    device = torch.device(arguments.device)
    journal = Journal(arguments.output, arguments.seconds)
    journal.results["machine"] = machine(device)
    journal.write()
    print(json.dumps(journal.results["machine"]), flush=True)

    for_learning = 60 * arguments.minutes * len(arguments.recipes) if "learning" in arguments.parts else 0
    if "checks" in arguments.parts:
        for name, work in gpu_checks.checks(device, compiled=agreed(arguments.compile, device, 1) != "no"):
            journal.note("checks", name, work)
        free(device)
    if "speed" in arguments.parts:
        journal.held_back = for_learning
        makers = {
            name: make for name, make in entries(arguments.nanogpt).items() if name in ["webtext", *arguments.rivals]
        }
        for size in arguments.sizes:
            for name, make in makers.items():
                ours = agreed(arguments.compile, device, PRESETS[size].layers)
                theirs: Compiled = "no" if ours == "no" or name == "transformers" else "whole"
                terms = Terms(PRESETS[size], device, torch.bfloat16, ours if name == "webtext" else theirs)
                measure(journal, terms, size, name, make)
        journal.held_back = 0
    if "learning" in arguments.parts:
        size = arguments.learner or arguments.sizes[0]
        terms = Terms(PRESETS[size], device, torch.bfloat16, agreed(arguments.compile, device, PRESETS[size].layers))
        data = tokens_of(arguments.tokens, arguments.text, terms.config.vocabulary)
        for recipe in arguments.recipes:
            seconds = min(60 * arguments.minutes, journal.seconds_left)
            journal.note("learning", f"{size} {recipe}", functools.partial(learn, terms, recipe, seconds, data), 0.0)
            free(device)
    return int(journal.failed)


def agreed(wish: Literal["auto"] | Compiled, device: torch.device, layers: int) -> Compiled:
    """How webtext's network is compiled."""
    if wish != "auto":
        return wish
    if device.type != "cuda":
        return "no"
    return "whole" if layers <= 12 else "blocks"


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
