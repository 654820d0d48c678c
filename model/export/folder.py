"""The folder that Hugging Face loads: written aside, whole, then put in its place."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import torch

from model import checkpoint, tokenizer
from model.export import card
from model.export.facts import Facts, training_of
from model.gpt2 import GPT2Config
from model.tokenizer import Tokenizer
from model.training import tensor_files
from model.weights import huggingface_config, to_huggingface
from webtext import storage
from webtext.errors import UserError
from webtext.filesystems import require_local

CARD = "README.md"
GENERATION = "generation_config.json"
TOKENIZER_SETTINGS = "tokenizer_config.json"
FILES = frozenset(
    {checkpoint.CONFIG, GENERATION, checkpoint.WEIGHTS, CARD, TOKENIZER_SETTINGS}
    | {"tokenizer.json", "vocab.json", "merges.txt"}
)
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def export(source: str, output: str, *, dtype: str, name: str | None, license_name: str) -> Path:
    """Write what `source` holds (a checkpoint, a training run, a Hugging Face folder) as a Hugging Face folder.

    dtype: of the weights, `fp32` or `bf16`. name: the card's title, by default the folder's name. The folder appears
    whole or not at all; an earlier export in its place goes when the new one is there. Equal sources give equal bytes.
    Raises UserError where the place is taken by something else or cannot be written.
    """
    require_local(output, "output")
    target = Path(output).resolve()
    check_free(target)
    folder = checkpoint.find(source)
    config = checkpoint.read_config(folder)
    own = tokenizer.load(folder)
    facts = Facts(name or target.name, license_name, dtype, config, training_of(folder))
    aside = target.with_name(f"{storage.TEMPORARY_PREFIX}{target.name}.{os.getpid()}")
    try:
        aside.mkdir(parents=True)
        _write_weights(aside, folder, config, DTYPES[dtype])
        _write_configs(aside, config, own, DTYPES[dtype])
        tokenizer.copy_files(folder, aside)
        _write_context(aside, config)
        storage.write_bytes(str(aside), CARD, card.write_card(facts).encode())
        _put(aside, target)
    except OSError as error:
        raise UserError(f"cannot write {target}: {error.strerror or error}; free or change the place.") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def check_free(target: Path) -> None:
    """Raises UserError unless a folder can be written there: nothing, an empty folder, or an earlier export."""
    if not target.exists():
        return
    if not target.is_dir():
        raise UserError(f"{target} is a file; choose another output.")
    names = {path.name for path in target.iterdir()}
    if not names:
        return
    ours = CARD in names and card.is_ours((target / CARD).read_text(encoding="utf-8", errors="replace"))
    if not ours or names - FILES:
        raise UserError(f"{target} is not empty and no export of webtext; choose another output, or empty it.")


def _write_weights(aside: Path, folder: Path, config: GPT2Config, dtype: torch.dtype) -> None:
    tensors = to_huggingface(checkpoint.read_weights(folder, config), config)
    tensor_files.write(aside / checkpoint.WEIGHTS, {key: tensor.to(dtype) for key, tensor in tensors.items()})


def _write_configs(aside: Path, config: GPT2Config, own: Tokenizer, dtype: torch.dtype) -> None:
    ends = {"bos_token_id": own.end_of_text, "eos_token_id": own.end_of_text}
    network: dict[str, Any] = {**huggingface_config(config), **ends, "dtype": str(dtype).removeprefix("torch.")}
    storage.write_json(str(aside), checkpoint.CONFIG, network)
    storage.write_json(str(aside), GENERATION, {"_from_model_config": True, **ends})


def _write_context(aside: Path, config: GPT2Config) -> None:
    """Have the tokenizer say how long a text the network can read."""
    settings = json.loads((aside / TOKENIZER_SETTINGS).read_bytes())
    storage.write_json(str(aside), TOKENIZER_SETTINGS, {**settings, "model_max_length": config.context})


def _put(aside: Path, target: Path) -> None:
    """Rename: the earlier export first, which is removed last."""
    old = aside.with_name(f"{aside.name}.old")
    if target.exists():
        target.rename(old)
    aside.rename(target)
    shutil.rmtree(old, ignore_errors=True)
