"""Tokens as other trainers read them: llm.c and nanoGPT."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from model import corpus
from model.tokens.reading import TokenFiles, open_tokens
from webtext import storage
from webtext.errors import UserError

LLMC_MAGIC = 20240520
LLMC_VERSION = 1
LLMC_HEADER = 256
"""32-bit numbers before the tokens: magic, version (1: 16-bit tokens), count of tokens, zeros (llm.c, dataloader.h)."""
LLMC_MOST = 2**31 - 1

SHORT = {corpus.TRAIN: "train", corpus.VALIDATION: "val"}


class Export(NamedTuple):
    """Which trainer to write for, and where."""

    kind: str
    folder: str


def parse(option: str) -> Export:
    """What `--export` says: `llmc:FOLDER` or `nanogpt:FOLDER`.

    Raises UserError for anything else.
    """
    kind, colon, folder = option.partition(":")
    if not colon or not folder or kind not in _WRITERS:
        raise UserError(f"--export takes {' or '.join(f'{name}:FOLDER' for name in _WRITERS)}; got {option!r}.")
    return Export(kind, folder)


def write(export: Export, tokens: str | Path) -> list[str]:
    """Write a RUN/tokens on a local disk for another trainer; returns the names of the files.

    Raises UserError where there is nothing to write, or what is there is damaged.
    """
    opened = {split: open_tokens(tokens, split, verify=True) for split in corpus.SPLITS}
    splits = {split: files for split, files in opened.items() if files.total}
    if not splits:
        raise UserError(f"--export {export.kind}: {tokens} has no tokens to write.")
    return _WRITERS[export.kind](splits, export.folder)


def _write_llmc(splits: Mapping[str, TokenFiles], folder: str) -> list[str]:
    """One file for each file of tokens, to be given as a pattern: webtext_train_*.bin, webtext_val_*.bin."""
    names = []
    for split, tokens in splits.items():
        for number, file in enumerate(tokens.files):
            if len(file) > LLMC_MOST:
                raise UserError(f"llm.c reads no file of {len(file):,} tokens; set tokens_per_file lower.")
            header = np.zeros(LLMC_HEADER, dtype="<i4")
            header[:3] = LLMC_MAGIC, LLMC_VERSION, len(file)
            name = f"webtext_{SHORT[split]}_{number:06d}.bin"
            with storage.open_atomic(storage.join(folder, name)) as target:
                target.write(header.data)
                target.write(file.data)
            names.append(name)
    return names


def _write_nanogpt(splits: Mapping[str, TokenFiles], folder: str) -> list[str]:
    """One train.bin and one val.bin, and meta.json for people: nanoGPT itself reads nothing about GPT-2's tokens."""
    names = []
    for split, tokens in splits.items():
        name = f"{SHORT[split]}.bin"
        with storage.open_atomic(storage.join(folder, name)) as target:
            for file in tokens.files:
                target.write(file.data)
        names.append(name)
    any_split = next(iter(splits.values()))
    meta = {
        "dtype": "uint16",
        "tokens": {SHORT[split]: tokens.total for split, tokens in splits.items()},
        "vocab_size": any_split.vocabulary,
        "end_of_text": any_split.end_of_text,
        "tokenizer": any_split.fingerprint,
    }
    storage.write_json(folder, "meta.json", meta)
    return [*names, "meta.json"]


_WRITERS: Mapping[str, Callable[[Mapping[str, TokenFiles], str], list[str]]] = {
    "llmc": _write_llmc,
    "nanogpt": _write_nanogpt,
}
