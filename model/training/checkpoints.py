"""A run's checkpoints on the disk: each complete or absent, the newest and the best kept, a damaged one passed over.

A checkpoint is written into a temporary folder, every file synced and listed with its sha256 in the manifest, which
comes last; then the folder is renamed. So a folder named step-00000100 is complete, whatever happened, and what a
killed save leaves has another name. No file is a pickle.
"""

import hashlib
import logging
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from model.training import tensor_files
from webtext import storage
from webtext.errors import UserError
from webtext.storage import FileRecord

CHECKPOINTS = "checkpoints"
WEIGHTS = "model.safetensors"
NETWORK = "config.json"
TRAINER_TENSORS = "trainer.safetensors"
TRAINER = "trainer.json"
DAMAGED_PREFIX = "damaged."

log = logging.getLogger("webtext")


class Snapshot(NamedTuple):
    """All that a checkpoint says, held on the CPU."""

    step: int
    weights: Mapping[str, Tensor]
    """Under Hugging Face's names."""
    network: Mapping[str, Any]
    """Hugging Face's config.json."""
    trainer_tensors: Mapping[str, Tensor]
    trainer: Mapping[str, Any]
    validation_loss: float | None
    """Measured at this very step, in nats a token."""


def write(run: Path, snapshot: Snapshot, tokenizer: Path) -> Path:
    """Write a checkpoint, whole, and return its folder.

    tokenizer: the folder whose files are copied along. Raises UserError when the disk is full or may not be written:
    then nothing is there that was not before.
    """
    target = run / CHECKPOINTS / name_of(snapshot.step)
    aside = target.with_name(f"{storage.TEMPORARY_PREFIX}{target.name}")
    try:
        _remove(aside)
        aside.mkdir(parents=True)
        records = [
            tensor_files.write(aside / WEIGHTS, snapshot.weights),
            tensor_files.write(aside / TRAINER_TENSORS, snapshot.trainer_tensors),
            _write_bytes(aside / NETWORK, storage.json_bytes(snapshot.network)),
            _write_bytes(aside / TRAINER, storage.json_bytes(snapshot.trainer)),
            *(_write_bytes(aside / path.name, path.read_bytes()) for path in sorted(tokenizer.iterdir())),
        ]
        manifest = {
            "step": snapshot.step,
            "validation_loss": snapshot.validation_loss,
            "files": [
                {"path": record.path, "bytes": record.bytes, "sha256": record.sha256}
                for record in sorted(records, key=lambda record: record.path)
            ],
        }
        _write_bytes(aside / storage.MANIFEST, storage.json_bytes(manifest))
        storage.sync_folder(aside)
        _remove(target)  # one of this step that was too damaged to go on from
        aside.rename(target)
        storage.sync_folder(target.parent)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        raise UserError(
            f"cannot save the checkpoint {target}: {error.strerror or error}; the earlier ones are untouched:"
            " make room and run the same command again."
        ) from error
    return target


def prune(run: Path, keep: int) -> None:
    """Remove all checkpoints but the newest `keep` and the one with the lowest validation loss."""
    folders = complete(run)
    measured = [(loss, folder) for folder in folders if (loss := _validation_loss(folder)) is not None]
    best = min(measured)[1] if measured else None
    for folder in folders[:-keep]:
        if folder != best:
            _remove(folder)


def complete(run: Path) -> list[Path]:
    """The complete checkpoints of a run, by step."""
    folder = run / CHECKPOINTS
    return sorted(path for path in folder.iterdir() if step_of(path) is not None) if folder.is_dir() else []


def step_of(path: Path) -> int | None:
    """The step that a checkpoint's name tells; None for another name."""
    found = re.fullmatch(r"step-(\d{8,})", path.name)
    return int(found[1]) if found else None


def name_of(step: int) -> str:
    """The folder of a step."""
    return f"step-{step:08d}"


def remove_temporaries(run: Path) -> None:
    """Remove what killed saves and removals left."""
    if (run / CHECKPOINTS).is_dir():
        for path in (run / CHECKPOINTS).glob(f"{storage.TEMPORARY_PREFIX}*"):
            shutil.rmtree(path)


def newest_good(run: Path) -> Path | None:
    """The newest checkpoint whose files are what its manifest says; None where the run has none at all.

    Damaged ones are passed over with a warning and renamed, so that nothing takes them for good ones. Raises UserError
    where all are damaged.
    """
    folders = complete(run)
    for folder in reversed(folders):
        fault = fault_of(folder)
        if fault is None:
            return folder
        aside = folder.with_name(DAMAGED_PREFIX + folder.name)
        _remove(aside)
        folder.rename(aside)
        log.warning("the checkpoint %s is damaged (%s); it is now %s and passed over.", folder, fault, aside.name)
    if folders:
        raise UserError(f"every checkpoint in {run / CHECKPOINTS} is damaged; begin again in another output.")
    return None


def fault_of(folder: Path, names: Collection[str] | None = None) -> str | None:
    """What is wrong with a checkpoint's files, read whole and compared with its manifest; None where nothing is.

    names: look at these files alone.
    """
    try:
        manifest = storage.read_json(str(folder / storage.MANIFEST))
        for entry in manifest["files"]:
            if names is not None and entry["path"] not in names:
                continue
            path = folder / entry["path"]
            if path.stat().st_size != entry["bytes"]:
                return f"{path.name} has {path.stat().st_size:,} bytes, not {entry['bytes']:,}"
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                    return f"{path.name} does not match its sha256"
    except OSError as error:
        return f"{Path(str(error.filename)).name}: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        return f"{storage.MANIFEST} cannot be read"
    return None


def read_trainer(folder: Path) -> dict[str, Any]:
    """The trainer's part of a checkpoint, without its tensors."""
    trainer: dict[str, Any] = storage.read_json(str(folder / TRAINER))
    return trainer


def _validation_loss(folder: Path) -> float | None:
    try:
        loss: float | None = storage.read_json(str(folder / storage.MANIFEST))["validation_loss"]
    except (OSError, ValueError, KeyError, TypeError):  # a damaged one is no candidate for the best
        return None
    return loss


def _write_bytes(path: Path, content: bytes) -> FileRecord:
    return tensor_files.write_pieces(path, iter([content]))


def _remove(folder: Path) -> None:
    """Rename, then remove: a folder that is half gone has no checkpoint's name."""
    if folder.exists():
        doomed = folder.with_name(f"{storage.TEMPORARY_PREFIX}{folder.name}.removed")
        if doomed.exists():
            shutil.rmtree(doomed)
        folder.rename(doomed)
        shutil.rmtree(doomed)
