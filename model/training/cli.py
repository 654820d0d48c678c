"""`webtext train` and `webtext finetune`: their arguments, their plan, and what they say when they are done."""

import argparse
import contextlib
import logging
import math
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from model.training import ranks
from model.training.config import TrainConfig
from model.training.ranks import Ranks
from webtext import arguments, locks, settings
from webtext.errors import UserError
from webtext.filesystems import require_local

if TYPE_CHECKING:
    from model.training.loop import Run
    from model.training.watching import Show

EXAMPLES = """\
examples:
  webtext train --config configs/train/sample.yaml
  webtext train --config configs/train/gpt2.yaml --dry-run
  torchrun --nproc-per-node=8 .venv/bin/webtext train --config configs/train/gpt2-xl.yaml --set parallel=fsdp
  webtext finetune --set output=runs/poems --set tokens=runs/corpus/tokens --set init_from=runs/gpt2 \\
      --set steps=500 --set batch_tokens=65536

The same command again goes on where the last one ended, on any number of GPUs. Ctrl-C and SIGTERM finish the step, save
and end; a second one ends at once. Every key, and which of them may be changed later: model/training/config.py.
"""

USER_ERROR = 2
LOST_RANK = 1
SAMPLED_TOKENS = 60

log = logging.getLogger("webtext")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.epilog = EXAMPLES
    arguments.add_config(parser, file="configs/train/sample.yaml", override="steps=1000")
    parser.add_argument("--dry-run", action="store_true", help="print what would be trained, and write nothing")
    parser.add_argument("--gpu", metavar="NAME", help="for --dry-run: the kind of GPU, for example A100 (H100)")
    parser.add_argument(
        "--gpus", metavar="N", type=int, default=1, help="for --dry-run: how many of them (%(default)s)"
    )


def run(given: argparse.Namespace, unknown: Sequence[str]) -> int:
    """Train, or tell what would be trained; under torchrun, as one of several ranks."""
    rank = ranks.from_environment()
    if rank.world == 1:
        return _work(given, _config(given, unknown), rank)
    return _work_together(given, unknown, rank)


def _work_together(given: argparse.Namespace, unknown: Sequence[str], rank: Ranks) -> int:
    """Work as one rank of several: the first speaks for all, and when one ends in an error, all do."""
    from model.training import distributed

    if not rank.first:
        log.setLevel(logging.CRITICAL + 1)
    try:
        with distributed.joined(rank):
            try:
                return _work(given, distributed.together(rank, lambda: _config(given, unknown)), rank)
            except UserError as error:
                log.error("%s", error)
                distributed.wait_for_all(rank)  # torchrun ends the others as soon as one has gone, told or not
                return USER_ERROR
    except RuntimeError as error:
        if not distributed.is_loss_of_a_rank(error):
            raise
        log.error("another rank is gone; the same command goes on from the last checkpoint.")
        log.debug("%s", error)
        return LOST_RANK


def _config(given: argparse.Namespace, unknown: Sequence[str]) -> TrainConfig:
    arguments.refuse(given.command, unknown)
    config = settings.load(TrainConfig, given.config, given.overrides)
    require_local(config.tokens, "tokens")
    require_local(config.output, "output")
    if given.command == "finetune" and config.init_from is None:
        raise UserError("webtext finetune needs init_from: a checkpoint, a training run or a Hugging Face folder.")
    return config


def _work(given: argparse.Namespace, config: TrainConfig, rank: Ranks) -> int:
    from model.training import distributed, preparation

    if given.dry_run:
        if rank.first:
            sys.stdout.writelines(f"{line}\n" for line in _plan(given, config))
        return 0
    distributed.together(rank, lambda: preparation.settled(config))  # a mistake leaves no trace in the output
    with contextlib.ExitStack() as held:
        lock = locks.only_one(config.output) if rank.first else contextlib.nullcontext()
        distributed.together(rank, lambda: held.enter_context(lock))
        return _train(config, rank)


def _plan(given: argparse.Namespace, config: TrainConfig) -> list[str]:
    """What the run would take, line by line; without tokens yet, GPT-2's vocabulary is taken for theirs."""
    from model.tokens.reading import read_manifest
    from model.training import gpus, preparation

    if given.gpus < 1:
        raise UserError(f"--gpus {given.gpus}: give a number of at least 1.")
    gpu = gpus.named(given.gpu) if given.gpu else gpus.present() or gpus.named("H100")
    if Path(config.tokens).exists():
        identity = preparation.settled(config)
        config, shape = identity.config, identity.network
        data_tokens = read_manifest(config.tokens)["splits"]["train"]["tokens"]
    else:
        log.warning("tokens = %s do not exist yet: the plan is for GPT-2's vocabulary of 50,257.", config.tokens)
        shape, data_tokens = preparation.shape_of(config, 50257), None
    bf16 = config.dtype != "fp32"
    return preparation.plan_of(config, shape, gpu, given.gpus, bf16=bf16, data_tokens=data_tokens).lines()


def _train(config: TrainConfig, rank: Ranks) -> int:
    import gc

    import torch

    from model.training import distributed, loop, preparation, stopping

    identity = distributed.together(rank, lambda: preparation.settled(config))
    run = preparation.ready(identity, rank)
    if run is None:
        log.info("%-11sall %d steps of %s are made already.", "train", identity.config.steps, config.output)
    else:
        gc.collect()
        gc.freeze()  # what is there now stays: a pass over it between steps would only cost time
        try:
            with stopping.asked_politely() as stop, _watching(run, rank) as show:
                loop.train(run, stop, show)
        except torch.OutOfMemoryError:
            raise UserError(
                "the GPU's memory is too small for this: lower micro_batch, set recompute to true,"
                " or use parallel=fsdp on more GPUs."
            ) from None
        finally:
            if run.metrics is not None:
                run.metrics.close()
            gc.unfreeze()
        if run.progress.step < run.config.steps:
            log.info("%-11sstep %d of %d is saved.", "train", run.progress.step, run.config.steps)
            signal.raise_signal(stop.number or signal.SIGTERM)
    if rank.first:
        _tell_result(Path(config.output))
    return 0


def _tell_result(folder: Path) -> None:
    """What the run came to, and what to do with it; the folder on stdout."""
    from model.training import metrics

    last = list(metrics.read(folder / metrics.METRICS))[-1]
    log.info(
        "%-11s%d steps, %s tokens; validation loss %.4f nats a token, %.4f a byte",
        "result",
        last["step"],
        f"{last['tokens']:,}",
        last.get("validation_loss") or math.nan,
        last.get("validation_loss_per_byte") or math.nan,
    )
    log.info("%-11s%s", "text", _text_of(folder))
    sys.stdout.write(f"{folder}\n")
    log.info("%-11swebtext sample --checkpoint %s --prompt ...", "next", folder)


def _text_of(folder: Path) -> str:
    """How a text by the trained network begins, on one line."""
    import model
    from model.sampling.choosing import Choice
    from model.sampling.texts import Limits, write_texts

    network, tokenizer = model.load(folder), model.load_tokenizer(folder)
    (text,) = write_texts(
        network, tokenizer, [[]], choice=Choice(top_k=40), limits=Limits(SAMPLED_TOKENS), seed=0, batch=1
    )
    return " ".join(text.text.split())


def _watching(run: "Run", rank: Ranks) -> contextlib.AbstractContextManager["Show"]:
    from model.training import watching

    if rank.first:
        return watching.watching(run.config.steps, run.progress.step)
    return contextlib.nullcontext(lambda _row: None)
