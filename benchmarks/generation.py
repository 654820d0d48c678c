"""Generation at batch 1 with a KV cache: tokens a second against transformers' `generate`, in one run.

    python -m benchmarks.generation [--threads N] [--tokens N] [--rounds N]

Random weights of 124M parameters: what they say does not change how fast they say it. Greedy, so that both sides must
choose the same tokens; in bf16 rounding may part them, which is told. Both take turns, so that other work on a machine
slows both, and a ratio is the median of the turns' own. Processors' time hardly feels other work, but counts threads
that wait for each other: believe it with --threads 1. At least 1.3 is wanted.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
import transformers

from model import weights
from model.gpt2 import GPT2, PRESETS
from model.sampling.choosing import Choice
from model.sampling.generating import Generation
from model.sampling.layout import arrange_for_reading
from model.sampling.shortlist import shortlist_of

CONFIG = PRESETS["gpt2"]
PROMPT = 32
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
OURS, THEIRS = "webtext", "transformers"


class Taken(NamedTuple):
    """Seconds of one text: on the clock, and of processors."""

    clock: float
    processors: float


def networks(dtype: torch.dtype) -> tuple[GPT2, Any]:
    """Ours and transformers', with the same random weights."""
    ours = GPT2(CONFIG).eval()
    ours.initialise(torch.Generator().manual_seed(0))
    values = {key: value for key, value in weights.huggingface_config(CONFIG).items() if key != "architectures"}
    theirs: Any = transformers.GPT2LMHeadModel(transformers.GPT2Config(**values))
    theirs.eval()
    theirs.load_state_dict(weights.to_huggingface(ours.state_dict(), CONFIG), strict=False)
    theirs.tie_weights()
    ours.to(dtype)
    arrange_for_reading(ours)
    return ours, theirs.to(dtype)


def compare(dtype: str, tokens: int, rounds: int) -> None:
    ours, theirs = networks(DTYPES[dtype])
    prompt = torch.randint(CONFIG.vocabulary, (1, PROMPT), generator=torch.Generator().manual_seed(1))
    said: dict[str, list[int]] = {}
    shortlist = shortlist_of(ours)

    def we_do() -> None:
        generation = Generation(ours, prompt.tolist(), Choice(temperature=0), seed=0, shortlist=shortlist)
        said[OURS] = [generation.step()[0] for _ in range(tokens)]

    def they_do() -> None:
        options = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}
        ids = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), **options)
        said[THEIRS] = ids[0, PROMPT:].tolist()

    taken = in_turns({OURS: we_do, THEIRS: they_do}, rounds)
    remark = "the same tokens" if said[OURS] == said[THEIRS] else "other tokens, from some rounding on"
    print(f"\n{dtype}, {tokens} tokens after {PROMPT} ({remark})")
    for name, seconds in taken.items():
        clock, processors = (statistics.median(kind) for kind in zip(*seconds, strict=True))
        print(f"  {name:13}{tokens / clock:7.1f} tokens/s{tokens / processors:9.1f} tokens a processor's second")
    by_clock, by_processors = (
        statistics.median(their / our for our, their in zip(ours_each, theirs_each, strict=True))
        for ours_each, theirs_each in zip(zip(*taken[OURS], strict=True), zip(*taken[THEIRS], strict=True), strict=True)
    )
    print(f"  {'ratio':13}{by_clock:7.2f}{by_processors:18.2f}", flush=True)


def in_turns(work: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, list[Taken]]:
    """What each piece of work takes, done in turns after one turn to warm up."""
    taken: dict[str, list[Taken]] = {name: [] for name in work}
    for turn in range(rounds + 1):
        for name, do in work.items():
            clock, processors = time.perf_counter(), time.process_time()
            do()
            if turn:
                taken[name].append(Taken(time.perf_counter() - clock, time.process_time() - processors))
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="(%(default)s)")
    parser.add_argument("--tokens", type=int, default=96, help="(%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(%(default)s)")
    given = parser.parse_args()
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    torch.set_num_threads(given.threads)
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {given.threads} threads, batch 1")
    for dtype in DTYPES:
        compare(dtype, given.tokens, given.rounds)


if __name__ == "__main__":
    main()
