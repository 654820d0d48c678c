"""Weights on the disk: a checkpoint, the newest one of a training run, or a Hugging Face folder, all read the same way.

All three end in a folder with config.json and safetensors. A checkpoint's manifest is compared with the files that are
read. Pickles are never opened: they can run whatever their author wished.
"""

import json
import logging
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from model.gpt2 import GPT2, GPT2Config
from model.training import checkpoints
from model.weights import config_from_huggingface, from_huggingface
from webtext import storage
from webtext.errors import UserError
from webtext.filesystems import require_local

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json", "model.ckpt.index", "tf_model.h5", "flax_model.msgpack")

log = logging.getLogger("webtext")


def load(path: str | os.PathLike[str], device: str | torch.device = "cpu") -> GPT2:
    """The network that a path holds: fp32, in eval mode. Raises UserError where it holds none."""
    return read(find(path), device)


def read(folder: Path, device: str | torch.device = "cpu") -> GPT2:
    """The network in a folder that `find` gave."""
    config = read_config(folder)
    with torch.device("meta"):
        network = GPT2(config)
    network.load_state_dict(read_weights(folder, config), assign=True)
    return network.to(device).eval()


def find(path: str | os.PathLike[str]) -> Path:
    """The folder with config.json and weights that a path means.

    path: such a folder, or a training run: then its newest checkpoint that is whole, with a warning for each newer one
    that is not. Raises UserError where there is none.
    """
    require_local(str(path), "checkpoint")
    place = Path(path)
    if not place.exists():
        raise UserError(f"{place} does not exist; give a checkpoint, a training run or a Hugging Face folder.")
    if not place.is_dir():
        raise UserError(f"{place} is a file; give the folder that it lies in.")
    if (place / checkpoints.CHECKPOINTS).is_dir():
        return _newest(place)
    if not (place / CONFIG).is_file():
        raise UserError(f"{place} has no {CONFIG}; give a checkpoint, a training run or a Hugging Face folder.")
    if not (place / WEIGHTS).is_file() and not (place / INDEX).is_file():
        raise UserError(_without_weights(place))
    if (fault := _fault_of(place)) is not None:
        raise UserError(f"the checkpoint {place} is damaged: {fault}; give another one.")
    return place


def read_config(folder: Path) -> GPT2Config:
    """The network's shape. Raises UserError where config.json is not that of a GPT-2."""
    values = _read_json(folder / CONFIG)
    try:
        return config_from_huggingface(values)
    except UserError as error:
        raise UserError(f"{folder}: {error}") from None


def read_weights(folder: Path, config: GPT2Config) -> dict[str, Tensor]:
    """The network's tensors under our names, in fp32. Raises UserError where they are not whole, or do not fit."""
    tensors: dict[str, Tensor] = {}
    for file in _weight_files(folder):
        tensors.update(_read_tensors(file))
    try:
        state = from_huggingface(tensors, config)
    except UserError as error:
        raise UserError(f"{folder}: {error}") from None
    return {name: tensor.float() for name, tensor in state.items()}


def _fault_of(folder: Path) -> str | None:
    """What is wrong with the files that are read here; None where nothing is, or where no manifest lists them."""
    listed = (folder / storage.MANIFEST).is_file()
    return checkpoints.fault_of(folder, (CONFIG, WEIGHTS)) if listed else None


def _newest(run: Path) -> Path:
    folders = checkpoints.complete(run)
    for folder in reversed(folders):
        fault = _fault_of(folder)
        if fault is None:
            return folder
        log.warning("the checkpoint %s is damaged (%s) and passed over.", folder, fault)
    if folders:
        raise UserError(f"every checkpoint in {run / checkpoints.CHECKPOINTS} is damaged; train again.")
    raise UserError(f"the training run {run} has no complete checkpoint yet; wait for its first one.")


def _without_weights(folder: Path) -> str:
    pickles = [name for name in PICKLES if (folder / name).exists()]
    if not pickles:
        return f"{folder} has no {WEIGHTS}; give a checkpoint, a training run or a Hugging Face folder."
    return (
        f"{folder} has its weights in {pickles[0]} only, which can run code when it is opened and is not read here;"
        " convert it where you trust it: load it with transformers and call save_pretrained."
    )


def _weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder: one, or those that an index names."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    index = _read_json(folder / INDEX)
    names = set(index["weight_map"].values()) if isinstance(index.get("weight_map"), dict) else set()
    if not names or any(not isinstance(name, str) or Path(name).name != name for name in names):
        raise UserError(f"{folder / INDEX} names no files of its folder; download the model again.")
    missing = sorted(name for name in names if not (folder / name).is_file())
    if missing:
        raise UserError(f"{folder} lacks {missing[0]}, which {INDEX} names; download the model again.")
    return [folder / name for name in sorted(names)]


def _read_tensors(file: Path) -> dict[str, Tensor]:
    try:
        with safe_open(file, framework="pt") as tensors:
            return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file} is cut off or no safetensors file ({error}); copy it again.") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None
    except ValueError:
        raise UserError(f"{path} is not JSON; copy it again.") from None
    if not isinstance(values, dict):
        raise UserError(f"{path} is not a JSON object; copy it again.")
    return values
