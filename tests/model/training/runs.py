"""Training runs in this process: tiny ones, ready or finished."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from model.training import loop, metrics, preparation
from model.training.config import TrainConfig
from model.training.loop import Run
from model.training.ranks import Ranks
from model.training.stopping import Stop
from webtext import storage

SHAPE = {"layers": 2, "heads": 2, "width": 32, "context": 32}


def config_of(output: Path, folder: Path, **keys: Any) -> TrainConfig:
    """A tiny run on a CPU: 12 steps of 8 sequences, saved at every second."""
    values: Mapping[str, Any] = {
        "output": str(output),
        "tokens": str(folder),
        "model": SHAPE,
        "seed": 1,
        "steps": 12,
        "batch_tokens": 256,
        "device": "cpu",
        "checkpoint_every": 2,
        "validate_every": 4,
    }
    return TrainConfig.model_validate({**values, **keys})


@contextlib.contextmanager
def ready(config: TrainConfig) -> Iterator[Run]:
    """A run, ready for its next step."""
    run = preparation.ready(preparation.settled(config), Ranks())
    assert run is not None
    try:
        yield run
    finally:
        if run.metrics is not None:
            run.metrics.close()


def train(config: TrainConfig, stop: Stop | None = None) -> Run:
    """Make the steps that are left."""
    with ready(config) as run:
        loop.train(run, stop or Stop(), lambda _row: None)
    return run


def rows(run: Path) -> list[dict[str, Any]]:
    """What the run's metrics.jsonl says."""
    return list(metrics.read(run / metrics.METRICS))


def last_manifest(run: Path) -> dict[str, Any]:
    """The manifest of the newest checkpoint: equal manifests, equal bits."""
    newest = max((run / "checkpoints").glob("step-*"))
    manifest: dict[str, Any] = storage.read_json(str(newest / "manifest.json"))
    return manifest
