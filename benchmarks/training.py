"""Training on a CPU: tokens a second of webtext's GPT-2 against transformers' and nanoGPT's, interleaved in one run."""

import argparse
import dataclasses
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import torch

from benchmarks.contestants import Terms, batch, entries
from model.gpt2 import PRESETS

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclasses.dataclass(frozen=True)
class Shape:
    preset: str
    sequences: int
    context: int


SHAPES = (Shape("gpt2", 4, 256), Shape("micro", 8, 128))


class Taken(NamedTuple):
    """Seconds of one step: on the clock, and of processors, which other work on the machine hardly touches."""

    clock: float
    processors: float


def compare(shape: Shape, dtype: str, checkout: Path | None, rounds: int) -> None:
    """Each contestant makes a step in turn, many times over.

    Speeds are medians. A ratio is the median of the rounds' own ratios: steps that follow one another meet the same
    machine, whatever else it does.
    """
    config = dataclasses.replace(PRESETS[shape.preset], context=shape.context)
    terms = Terms(config, torch.device("cpu"), DTYPES[dtype])
    contestants = [make(terms) for make in entries(checkout).values()]
    data = [batch(config, shape.sequences, terms.device)]
    steps: dict[str, list[Taken]] = {contestant.name: [] for contestant in contestants}
    for turn in range(rounds + 1):
        for contestant in contestants:
            began = Taken(time.perf_counter(), time.process_time())
            contestant.step(data)
            if turn:  # the first one warms up
                steps[contestant.name].append(
                    Taken(time.perf_counter() - began.clock, time.process_time() - began.processors)
                )
    print(f"{shape.preset}, {shape.sequences} x {shape.context} tokens a step, {dtype}:")
    ours = steps["webtext"]
    for name, taken in steps.items():
        speed = shape.sequences * shape.context / statistics.median(step.clock for step in taken)
        by_clock = statistics.median(one.clock / own.clock for own, one in zip(ours, taken, strict=True))
        by_work = statistics.median(one.processors / own.processors for own, one in zip(ours, taken, strict=True))
        ratio = f"   webtext is {by_clock:.2f} times as fast, {by_work:.2f} by processors' time"
        print(f"  {name:13}{speed:9,.0f} tokens/s{'' if name == 'webtext' else ratio}", flush=True)


def profile(shape: Shape, dtype: str, checkout: Path | None) -> None:
    """Where the time of one step goes, for each contestant."""
    config = dataclasses.replace(PRESETS[shape.preset], context=shape.context)
    terms = Terms(config, torch.device("cpu"), DTYPES[dtype])
    data = [batch(config, shape.sequences, terms.device)]
    for make in entries(checkout).values():
        contestant = make(terms)
        contestant.step(data)
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiled:
            contestant.step(data)
        print(f"{contestant.name}, {shape.preset}, {dtype}")
        print(profiled.key_averages().table(sort_by="self_cpu_time_total", row_limit=14, max_name_column_width=40))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT, to measure its model too")
    parser.add_argument("--shapes", nargs="*", choices=[shape.preset for shape in SHAPES])
    parser.add_argument("--dtypes", nargs="*", choices=DTYPES, default=list(DTYPES))
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--profile", action="store_true", help="show where the time of a step goes instead")
    parser.add_argument("--threads", type=int, help="that torch works with: by default one a core")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for shape in SHAPES:
        if arguments.shapes and shape.preset not in arguments.shapes:
            continue
        for dtype in arguments.dtypes:
            if arguments.profile:
                profile(shape, dtype, arguments.nanogpt)
            else:
                compare(shape, dtype, arguments.nanogpt, arguments.rounds)


if __name__ == "__main__":
    main()
