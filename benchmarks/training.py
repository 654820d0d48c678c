"""Training on a CPU: tokens a second of webtext's GPT-2 against transformers' and nanoGPT's, interleaved in one run."""

import argparse
import dataclasses
import functools
import statistics
from pathlib import Path

import torch

from benchmarks.contestants import Terms, batch, entries, seconds_of
from model.gpt2 import PRESETS

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclasses.dataclass(frozen=True)
class Shape:
    preset: str
    sequences: int
    context: int


SHAPES = (Shape("gpt2", 4, 256), Shape("micro", 8, 128))


def compare(shape: Shape, dtype: str, checkout: Path | None, rounds: int) -> None:
    """Each contestant makes a step in turn, many times over.

    Speeds are medians. A ratio is the median of the rounds' own ratios: steps that follow one another meet the same
    machine, whatever else it does.
    """
    config = dataclasses.replace(PRESETS[shape.preset], context=shape.context)
    terms = Terms(config, torch.device("cpu"), DTYPES[dtype])
    contestants = [make(terms) for make in entries(checkout).values()]
    data = [batch(config, shape.sequences, terms.device)]
    seconds: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for turn in range(rounds + 1):
        for contestant in contestants:
            one = seconds_of(functools.partial(contestant.step, data), terms.device)
            if turn:  # the first one warms up
                seconds[contestant.name].append(one)
    print(f"{shape.preset}, {shape.sequences} x {shape.context} tokens a step, {dtype}:")
    for name, taken in seconds.items():
        speed = shape.sequences * shape.context / statistics.median(taken)
        ratio = statistics.median(theirs / ours for ours, theirs in zip(seconds["webtext"], taken, strict=True))
        against = "" if name == "webtext" else f"   webtext is {ratio:.2f} times as fast"
        print(f"  {name:13}{speed:9,.0f} tokens/s{against}", flush=True)


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
    arguments = parser.parse_args()
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
