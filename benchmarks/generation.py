"""Tokens a second at batch 1 with a KV cache against transformers' `generate`, and the network's own training step.

    python -m benchmarks.generation [--threads N] [--tokens N] [--nanogpt model.py]

Random weights of 124M parameters: what they say does not change how fast they say it. Greedy, so that both sides must
choose the same tokens; in bf16 rounding may part them, which is told. Both sides take turns, so that a machine that is
busy for a while is busy for both. A ratio is ours by theirs: 1.3 is wanted for generation, 1.1 for training.

--nanogpt: also train the network of nanoGPT's model.py, where you have it at hand, on the same batch.
"""

import argparse
import contextlib
import importlib.util
import logging
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch
import transformers
from torch import nn

from model import weights
from model.gpt2 import GPT2, PRESETS
from model.sampling.choosing import Choice
from model.sampling.generating import Generation
from model.sampling.layout import arrange_for_reading

CONFIG = PRESETS["gpt2"]
PROMPT = 32
BATCH, TIME = 4, 256
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

Work = Callable[[], object]


def networks() -> tuple[GPT2, Any]:
    """Ours and transformers', with the same random weights."""
    ours = GPT2(CONFIG).eval()
    ours.initialise(torch.Generator().manual_seed(0))
    values = {key: value for key, value in weights.huggingface_config(CONFIG).items() if key != "architectures"}
    theirs: Any = transformers.GPT2LMHeadModel(transformers.GPT2Config(**values))
    theirs.eval()
    theirs.load_state_dict(weights.to_huggingface(ours.state_dict(), CONFIG), strict=False)
    theirs.tie_weights()
    return ours, theirs


def in_turns(work: Mapping[str, Work], rounds: int) -> dict[str, float]:
    """Median seconds of each piece of work, done in turns after one turn to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in work}
    for turn in range(rounds + 1):
        for name, do in work.items():
            began = time.perf_counter()
            do()
            if turn:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) for name, each in seconds.items()}


def generation(dtype: str, tokens: int, rounds: int) -> None:
    ours, theirs = networks()
    ours.to(DTYPES[dtype])
    theirs.to(DTYPES[dtype])
    arrange_for_reading(ours)
    prompt = torch.randint(CONFIG.vocabulary, (1, PROMPT), generator=torch.Generator().manual_seed(1))
    said: dict[str, list[int]] = {}

    def we_do() -> None:
        ours_now = Generation(ours, prompt.tolist(), Choice(temperature=0), seed=0)
        said["webtext"] = [ours_now.step()[0] for _ in range(tokens)]

    def they_do() -> None:
        options = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False, "pad_token_id": 0}
        ids = theirs.generate(prompt, attention_mask=torch.ones_like(prompt), **options)
        said["transformers"] = ids[0, PROMPT:].tolist()

    seconds = in_turns({"webtext": we_do, "transformers": they_do}, rounds)
    same = "the same tokens" if said["webtext"] == said["transformers"] else "other tokens from some rounding on"
    report(f"generation, {dtype}, batch 1, {tokens} tokens", tokens, seconds, same)


def training(dtype: str, rounds: int, nanogpt: str | None) -> None:
    ours, theirs = networks()
    ids = torch.randint(CONFIG.vocabulary, (BATCH, TIME + 1), generator=torch.Generator().manual_seed(1))
    inputs, targets = ids[:, :-1].contiguous(), ids[:, 1:].contiguous()

    def step(network: nn.Module, loss: Callable[[], torch.Tensor]) -> Work:
        def work() -> None:
            with torch.autocast("cpu", torch.bfloat16) if dtype == "bf16" else contextlib.nullcontext():
                value = loss()
            value.backward()  # type: ignore[no-untyped-call]
            network.zero_grad(set_to_none=True)

        return work

    work = {
        "webtext": step(ours.train(), lambda: ours.loss(inputs, targets)),
        "transformers": step(theirs.train(), lambda: theirs(inputs, labels=inputs).loss),
    }
    if nanogpt:
        third = nanogpt_network(nanogpt)
        work["nanoGPT"] = step(third, lambda: third(inputs, targets)[1])
    report(f"forward and backward, {dtype}, {BATCH} x {TIME} tokens", BATCH * TIME, in_turns(work, rounds))


def nanogpt_network(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("nanogpt_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with contextlib.redirect_stdout(None):
        return module.GPT(module.GPTConfig(block_size=CONFIG.context))


def report(title: str, tokens: int, seconds: Mapping[str, float], remark: str = "") -> None:
    print(f"\n{title}" + (f" ({remark})" if remark else ""))
    for name, each in seconds.items():
        ratio = "" if name == "webtext" else f"   ratio {each / seconds['webtext']:.2f}"
        print(f"  {name:14}{tokens / each:8.1f} tokens/s{ratio}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--nanogpt", metavar="FILE", help="nanoGPT's model.py")
    given = parser.parse_args()
    logging.getLogger("transformers").setLevel(logging.ERROR)
    torch.set_num_threads(given.threads)
    print(f"{torch.__version__}, transformers {transformers.__version__}, {given.threads} threads")
    for dtype in DTYPES:
        generation(dtype, given.tokens, given.rounds)
    for dtype in DTYPES:
        training(dtype, given.rounds, given.nanogpt)


if __name__ == "__main__":
    main()
