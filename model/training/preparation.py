"""From a config to a run that is ready for its next step: checked, taken up where it ended, built on its device."""

import logging
from collections.abc import Callable
from pathlib import Path

import torch

from model import tokenizer
from model.gpt2 import GPT2, GPT2Config
from model.tokens.reading import TokenFiles, open_tokens, read_manifest
from model.training import (
    checkpoints,
    distributed,
    gpus,
    gradients,
    identity,
    metrics,
    network,
    optimizers,
    planning,
    state,
)
from model.training.batches import Batches
from model.training.config import TrainConfig, sequences_per_step
from model.training.data import Order
from model.training.gpus import Gpu
from model.training.identity import Identity
from model.training.loop import Run, resumable
from model.training.metrics import Metrics
from model.training.planning import Plan, Setup
from model.training.ranks import Ranks
from model.training.saving import Saver
from model.training.state import Progress
from model.training.validation import Validation, bytes_of_tokens
from webtext import storage
from webtext.errors import UserError

TOKENIZER = "tokenizer"
VERIFIED = "tokens_verified.json"
LOGITS_AT_ONCE = 256 * 1024 * 1024
"""Bytes of fp32 logits in a micro-batch on a CPU: beyond it memory is short before speed grows."""

log = logging.getLogger("webtext")


def shape_of(config: TrainConfig, vocabulary: int) -> GPT2Config:
    """The network that a config asks for. Raises UserError where `model`, `tokens` and `init_from` do not fit."""
    if config.init_from is None:
        if config.model is None:
            raise UserError("the key model is missing; give a preset, or layers, heads, width and context.")
        return config.model.network(vocabulary)
    from model import checkpoint

    begun = checkpoint.read_config(checkpoint.find(config.init_from))
    if begun.vocabulary != vocabulary:
        raise UserError(
            f"init_from = {config.init_from} knows {begun.vocabulary} tokens, but tokens = {config.tokens} were made"
            f" with a vocabulary of {vocabulary}; make them with the tokenizer of init_from."
        )
    if config.model is not None and config.model.network(vocabulary) != begun:
        raise UserError(f"model: init_from = {config.init_from} has another shape than that; leave model out.")
    return begun


def settled(given: TrainConfig) -> Identity:
    """What the run is: a new one, or the one in `output` with what may be changed of it.

    Writes nothing. Raises UserError for a config that does not fit its tokens, its weights or its run.
    """
    manifest = read_manifest(given.tokens)
    old = identity.read(Path(given.output))
    vocabulary = manifest["tokenizer"]["vocabulary"]
    if old is None:
        shape = shape_of(given, vocabulary)
    elif given.model is None:
        shape = old.network
    else:
        shape = given.model.network(vocabulary)
    sequences_per_step(given.batch_tokens, shape.context)
    new = identity.identity_of(given, shape, manifest)
    if old is None:
        _check_tokenizer(given, new)
        return new
    made = checkpoints.complete(Path(given.output))
    return identity.continued(given, new, old, (checkpoints.step_of(made[-1]) or 0) if made else 0)


def ready(run: Identity, ranks: Ranks) -> Run | None:
    """The run, ready for its next step; None where all steps are made. All ranks must call it together.

    The first rank writes what a run begins with, and must hold the folder's lock. Raises UserError for tokens that are
    damaged or too few, and for a machine that does not have what the config asks for.
    """
    config, folder = run.config, Path(run.config.output)
    if ranks.first:
        storage.remove_temporaries(str(folder))
        checkpoints.remove_temporaries(folder)
    saved = resumable(folder, ranks)
    if saved is not None and checkpoints.step_of(saved) == config.steps:
        return None
    distributed.together(ranks, lambda: _begin(run, folder) if ranks.first else None)
    training, held_out = distributed.together(ranks, lambda: _tokens(config))
    device = distributed.together(ranks, lambda: network.device_of(config, ranks))

    shape = run.network
    sequences = sequences_per_step(config.batch_tokens, shape.context)
    micro_batch, recompute = _micro_batch(config, shape, device, ranks)
    batches = distributed.together(
        ranks,
        lambda: Batches(
            training,
            Order(training.total, shape.context, config.seed),
            sequences=sequences,
            micro_batch=micro_batch,
            ranks=ranks,
            device=device,
            document_masking=config.document_masking,
        ),
    )
    validation = distributed.together(
        ranks,
        lambda: Validation(
            held_out,
            most_tokens=config.validation_tokens,
            context=shape.context,
            micro_batch=min(micro_batch, sequences // ranks.world),
            ranks=ranks,
            device=device,
            token_bytes=bytes_of_tokens(tokenizer.load(folder / TOKENIZER)),
            document_masking=config.document_masking,
        ),
    )
    fill = _beginning(config) if saved is None else None
    model, loss = distributed.together(
        ranks, lambda: network.build(config, shape, ranks, device, recompute=recompute, fill=fill)
    )
    assert config.learning_rate is not None
    optimizer = optimizers.build(
        model,
        config.recipe,
        learning_rate=config.learning_rate,
        weight_decay=config.weight_decay,
        device=device,
    )
    progress = Progress() if saved is None else state.restore(saved, model, optimizer)
    return Run(
        folder=folder,
        config=config,
        ranks=ranks,
        model=model,
        loss=loss,
        gradients=gradients.of(model, ranks),
        optimizers=optimizer,
        batches=batches,
        validation=validation,
        progress=progress,
        saver=_saver(config, folder, device) if ranks.first else None,
        metrics=Metrics(folder, after=progress.step) if ranks.first else None,
        peak_tokens_per_second=_peak(shape, device, ranks),
        dollars=_spent(folder) if ranks.first else 0.0,
    )


def _begin(run: Identity, folder: Path) -> None:
    """Write down what the run is, and verify its tokens unless that was done and no file has changed since."""
    config = run.config
    identity.write(folder, run)
    tokenizer.copy_files(Path(config.tokens) / TOKENIZER, folder / TOKENIZER)
    manifest = read_manifest(config.tokens)
    seen = {entry["path"]: _look(Path(config.tokens) / entry["path"]) for entry in manifest["files"]}
    verified = folder / VERIFIED
    if not verified.exists() or storage.read_json(str(verified)) != seen:
        for split in ("train", "validation"):
            open_tokens(config.tokens, split, verify=True)
        storage.write_json(str(folder), VERIFIED, seen)


def _look(path: Path) -> list[int] | None:
    """A file's size and time of change."""
    try:
        status = path.stat()
    except OSError:
        return None  # opening it will say why
    return [status.st_size, status.st_mtime_ns]


def _tokens(config: TrainConfig) -> tuple[TokenFiles, TokenFiles]:
    return open_tokens(config.tokens, "train", verify=False), open_tokens(config.tokens, "validation", verify=False)


def _check_tokenizer(config: TrainConfig, run: Identity) -> None:
    """Weights know the tokens of one tokenizer: those that begin a run must come with the one that made its tokens."""
    if config.init_from is None:
        return
    from model import checkpoint

    folder = checkpoint.find(config.init_from)
    if _has_tokenizer(folder) and tokenizer.load(folder).fingerprint != run.tokenizer:
        raise UserError(
            f"tokens = {config.tokens} were made with another tokenizer than that of init_from = {config.init_from};"
            " make them with its own."
        )


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).exists() for name in ("tokenizer.json", "vocab.json", "encoder.json"))


def _beginning(config: TrainConfig) -> Callable[[GPT2], None]:
    """What gives a new run its weights."""

    def fill(model: GPT2) -> None:
        if config.init_from is None:
            model.initialise(torch.Generator().manual_seed(config.seed))
            return
        from model import checkpoint

        folder = checkpoint.find(config.init_from)
        if not _has_tokenizer(folder):
            log.warning("%s has no tokenizer: only the size of its vocabulary could be compared with tokens.", folder)
        model.load_state_dict(checkpoint.read_weights(folder, model.config))

    return fill


def plan_of(
    config: TrainConfig, shape: GPT2Config, gpu: Gpu, count: int, *, bf16: bool = True, data_tokens: int | None = None
) -> Plan:
    """What the run takes on `count` such GPUs, and how many sequences each of them takes at once."""
    return planning.plan(
        shape,
        gpu,
        steps=config.steps,
        batch_tokens=config.batch_tokens,
        gpus=count,
        setup=Setup(config.recipe, bf16, count if config.parallel == "fsdp" else 1),
        micro_batch=config.micro_batch,
        recompute=None if config.recompute == "auto" else config.recompute,
        data_tokens=data_tokens,
        price_per_gpu_hour=config.price_per_gpu_hour,
    )


def _micro_batch(config: TrainConfig, shape: GPT2Config, device: torch.device, ranks: Ranks) -> tuple[int, bool]:
    """Sequences at once, and whether to recompute activations: what the GPU's memory holds.

    On a CPU, sequences whose logits, by far the largest tensor of a small network, are no burden yet.
    """
    if device.type != "cuda":
        fitting = max(1, LOGITS_AT_ONCE // (4 * shape.context * shape.padded_vocabulary))
        return config.micro_batch or fitting, config.recompute is True
    memory = torch.cuda.get_device_properties(device).total_memory
    gpu = Gpu(torch.cuda.get_device_name(device), memory, peak=1.0)
    plan = plan_of(config, shape, gpu, ranks.world, bf16=network.dtype_of(config, device) == torch.bfloat16)
    return plan.sequences, plan.recompute


def _peak(shape: GPT2Config, device: torch.device, ranks: Ranks) -> float | None:
    """Tokens a second at the peak of all GPUs, where it is known."""
    gpu = gpus.known(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
    return gpu.peak * ranks.world / planning.flops_per_token(shape) if gpu else None


def _saver(config: TrainConfig, folder: Path, device: torch.device) -> Saver:
    return Saver(folder, folder / TOKENIZER, config.keep_checkpoints, background=device.type == "cuda")


def _spent(folder: Path) -> float:
    """Dollars so far: what the last row says."""
    rows = list(metrics.read(folder / metrics.METRICS))
    return float(rows[-1].get("cost", 0.0)) if rows else 0.0
