"""How well a small GPT-2 learns tiny shakespeare on a CPU, beside nanoGPT's own example for a CPU, in the same time.

    python -m benchmarks.shakespeare --nanogpt FOLDER [--text FILE] [--work FOLDER]

FOLDER is a checkout of nanoGPT. Its command is that of its README for a machine without a GPU: characters, 4 layers,
4 heads, width 128, context 64, batch 12, 2,000 steps. Ours is `webtext tokenizer`, `tokens` and `train` with
configs/train/shakespeare.yaml, all of which count. Both get the same text, the first nine tenths to learn from; both
are judged on all of the last tenth: the sum of the cross-entropies of its windows, end to end, over its bytes.
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import torch

from benchmarks.extraction import world_folder
from webtext import parquet

CHECKOUT = Path(__file__).resolve().parent.parent
VOCABULARY = 512
TRAIN_SHARE = 0.9
NANOGPT_ARGUMENTS = (
    *("config/train_shakespeare_char.py", "--device=cpu", "--compile=False", "--eval_iters=20", "--log_interval=100"),
    *("--block_size=64", "--batch_size=12", "--n_layer=4", "--n_head=4", "--n_embd=128", "--max_iters=2000"),
    *("--lr_decay_iters=2000", "--dropout=0.0"),
)


class Outcome(NamedTuple):
    """Seconds by the clock and of processors, and nats per byte of the validation text."""

    seconds: float
    cpu_seconds: float
    loss: float


def timed(commands: Sequence[Sequence[str]], folder: Path) -> tuple[float, float]:
    """Run commands one after the other; returns seconds by the clock, and of processors."""
    began, used = time.monotonic(), _children_seconds()
    for command in commands:
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began, _children_seconds() - used


def _children_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def webtext_run(train: str, held_out: str, work: Path) -> Outcome:
    data = work / "run" / "corpus" / "data"
    for split, text in (("train", train), ("validation", held_out)):
        table = pa.table({"id": ["0" * 32], "text": [text]})
        parquet.write(str(data), f"{split}-00000-of-00001.parquet", table)
    webtext = str(Path(sys.executable).with_name("webtext"))
    run = f"output={work / 'run'}"
    seconds, cpu = timed(
        [
            [webtext, "tokenizer", "--set", run, "--set", f"vocabulary={VOCABULARY}"],
            [webtext, "tokens", "--set", run],
            [
                *(webtext, "train", "--config", str(CHECKOUT / "configs/train/shakespeare.yaml")),
                *("--set", f"tokens={work / 'run' / 'tokens'}", "--set", f"output={work / 'gpt2'}"),
            ],
        ],
        work,
    )
    rows = [json.loads(line) for line in (work / "gpt2" / "metrics.jsonl").read_text().splitlines()]
    return Outcome(seconds, cpu, rows[-1]["validation_loss_per_byte"])


def nanogpt_run(checkout: Path, train: str, held_out: str, work: Path) -> Outcome:
    folder = work / "nanogpt"
    subprocess.run(["cp", "-r", str(checkout), str(folder)], check=True)
    data = folder / "data" / "shakespeare_char"
    (data / "input.txt").write_text(train + held_out, encoding="utf-8")
    seconds, cpu = timed(
        [
            [sys.executable, str(data / "prepare.py")],
            [sys.executable, "train.py", *NANOGPT_ARGUMENTS],
        ],
        folder,
    )
    return Outcome(seconds, cpu, _nanogpt_loss(folder, held_out))


def _nanogpt_loss(folder: Path, held_out: str) -> float:
    specification = importlib.util.spec_from_file_location("nanogpt", folder / "model.py")
    assert specification is not None
    assert specification.loader is not None
    nanogpt = importlib.util.module_from_spec(specification)
    sys.modules["nanogpt"] = nanogpt
    specification.loader.exec_module(nanogpt)
    stored: dict[str, Any] = torch.load(folder / "out-shakespeare-char" / "ckpt.pt", weights_only=False)
    network = nanogpt.GPT(nanogpt.GPTConfig(**stored["model_args"]))
    network.load_state_dict(stored["model"])
    network.eval()
    text = (folder / "data" / "shakespeare_char" / "input.txt").read_text(encoding="utf-8")
    number = {character: at for at, character in enumerate(sorted(set(text)))}
    ids = torch.tensor([number[character] for character in held_out])
    context, total = stored["model_args"]["block_size"], 0.0
    with torch.no_grad():
        for start in range(0, len(ids) - 1, context):
            window = ids[start : start + context + 1]
            _, loss = network(window[None, :-1], window[None, 1:])
            total += loss.item() * (len(window) - 1)
    return total / len(held_out.encode())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nanogpt", type=Path, help="a checkout of nanoGPT; without it webtext runs alone")
    parser.add_argument("--text", type=Path, default=world_folder(None).parent / "text/tinyshakespeare/input.txt")
    parser.add_argument("--work", type=Path, help="where the runs go; by default a temporary folder")
    given = parser.parse_args()
    text = given.text.read_text(encoding="utf-8")
    cut = int(len(text) * TRAIN_SHARE)
    with tempfile.TemporaryDirectory() as temporary:
        work = (given.work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        runs = {"webtext": webtext_run(text[:cut], text[cut:], work)}
        if given.nanogpt:
            runs["nanoGPT"] = nanogpt_run(given.nanogpt.resolve(), text[:cut], text[cut:], work)
    print(f"\n{os.cpu_count()} cores, torch {torch.__version__}\n")
    print("| tiny shakespeare | seconds | CPU seconds | validation loss, nats a byte |\n|---|---|---|---|")
    for name, outcome in runs.items():
        print(f"| {name} | {outcome.seconds:.0f} | {outcome.cpu_seconds:.0f} | {outcome.loss:.3f} |")


if __name__ == "__main__":
    main()
