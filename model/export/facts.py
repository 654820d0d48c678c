"""What is known of a network: its shape always, its training where the run that made it is at hand."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from model.gpt2 import GPT2Config
from model.tokens.reading import read_manifest
from model.training import checkpoints, identity
from model.training.config import TrainConfig
from model.training.identity import Identity
from model.training.metrics import METRICS
from webtext import storage
from webtext.errors import UserError


class Split(NamedTuple):
    """A part of the tokens that a run used."""

    name: str
    tokens: int
    documents: int
    text_bytes: int


@dataclasses.dataclass(frozen=True)
class Training:
    """A training run up to one of its checkpoints, as it wrote it down itself; None is what it did not."""

    config: TrainConfig
    step: int
    tokens_seen: int
    tokens_sha256: str
    loss: float | None
    """Of the checkpoint's own step, mean over its batch, nats a token."""
    validated: Mapping[str, Any] | None
    """The last row of metrics, not after the checkpoint, that has a validation loss."""
    hours: float
    """The steps' own time, without validation and saving."""
    dollars: float | None
    splits: list[Split]
    """Empty where the tokens are no longer where the run found them, or are others."""


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the card is written from."""

    name: str
    license: str
    dtype: str
    config: GPT2Config
    training: Training | None


def training_of(checkpoint: Path) -> Training | None:
    """The training that ended in a checkpoint; None for a folder that is no checkpoint inside its run."""
    step, run = checkpoints.step_of(checkpoint), checkpoint.parent.parent
    if step is None or checkpoint.parent.name != checkpoints.CHECKPOINTS:
        return None
    known = identity.read(run)
    if known is None:
        return None
    rows = _rows(run / METRICS, step)
    own = next((row for row in rows if row["step"] == step), {})
    return Training(
        config=known.config,
        step=step,
        tokens_seen=step * known.config.batch_tokens,
        tokens_sha256=known.tokens_sha256,
        loss=own.get("loss"),
        validated=next((row for row in reversed(rows) if row.get("validation_loss") is not None), None),
        hours=sum(row.get("seconds", 0) for row in rows) / 3600,
        dollars=own.get("cost"),
        splits=_splits(known),
    )


def _rows(metrics: Path, step: int) -> list[dict[str, Any]]:
    """The rows up to a step; nothing where they are gone, and not the half row that a kill may leave."""
    rows = []
    if metrics.is_file():
        for line in metrics.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except ValueError:
                break
            if row["step"] > step:
                break
            rows.append(row)
    return rows


def _splits(known: Identity) -> list[Split]:
    if not storage.exists(known.config.tokens):
        return []
    try:
        manifest = read_manifest(known.config.tokens)
    except UserError:  # something else lies there by now
        return []
    if identity.identity_of(known.config, known.network, manifest).tokens_sha256 != known.tokens_sha256:
        return []
    return [
        Split(name, counts["tokens"], counts["documents"], counts["bytes"])
        for name, counts in sorted(manifest["splits"].items())
    ]
