"""A tokenizer's files: Hugging Face's four, GPT-2's own two, and what may lie in a folder that has one."""

import os
from collections.abc import Mapping
from typing import Any

import orjson

from model.tokenizer import peer
from model.tokenizer.encoding import Tokenizer
from model.tokenizer.vocabulary import END_OF_TEXT, Merge, Vocabulary
from webtext import stages, storage
from webtext.errors import UserError
from webtext.storage import FileRecord

WHOLE = "tokenizer.json"
PAIRS = (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe"))
"""Tokens and merges, as Hugging Face and as OpenAI named them."""
SETTINGS = "tokenizer_config.json"
FOLDER = "tokenizer"
"""Below a run, below its tokens, and below a training run."""
LONGEST_TEXT = 1024
"""GPT-2's context."""


def load(path: str | os.PathLike[str]) -> Tokenizer:
    """The tokenizer in a folder, local or remote.

    path: a run or its folder tokenizer or tokens, a training run, a checkpoint, a Hugging Face folder, or GPT-2's own
    two files (encoder.json and vocab.bpe).
    Raises UserError where there is none, or one that does not encode as GPT-2's does.
    """
    return Tokenizer(read(path))


def copy_files(source_folder: str | os.PathLike[str], target_folder: str | os.PathLike[str]) -> None:
    """Write the four files of the tokenizer that lies in a folder (see `load`) into another."""
    write(read(source_folder), os.fspath(target_folder))


def read(path: str | os.PathLike[str]) -> Vocabulary:
    """The vocabulary of the tokenizer in a folder (see `load`)."""
    given = os.fspath(path)
    for folder in (given, storage.join(given, FOLDER)):
        vocabulary = _read_folder(folder)
        if vocabulary is not None:
            vocabulary.check(folder)
            return vocabulary
    raise UserError(
        f"there is no tokenizer in {given}: neither tokenizer.json, nor vocab.json and merges.txt, nor encoder.json "
        "and vocab.bpe; make one with webtext tokenizer --set output=RUN."
    )


def _read_folder(folder: str) -> Vocabulary | None:
    begun = storage.exists(storage.join(folder, stages.FINGERPRINT))
    if begun and not storage.exists(storage.join(folder, storage.SUCCESS)):
        raise UserError(f"{folder} is not finished: run webtext tokenizer or webtext tokens for its run again.")
    if storage.exists(storage.join(folder, WHOLE)):
        return _from_whole(storage.join(folder, WHOLE))
    for tokens, merges in PAIRS:
        if storage.exists(storage.join(folder, tokens)) and storage.exists(storage.join(folder, merges)):
            return _from_pair(storage.join(folder, tokens), storage.join(folder, merges))
    return None


def _from_pair(tokens: str, merges: str) -> Vocabulary:
    entries = _json(tokens)
    if not all(isinstance(number, int) for number in entries.values()):
        raise UserError(f"{tokens} is not a vocabulary: it must map tokens to their ids.")
    try:
        lines = storage.read_bytes(merges).decode().split("\n")
    except UnicodeDecodeError:
        raise UserError(f"{merges} is not a list of merges: it is not UTF-8 text.") from None
    if lines[0].startswith("#version"):
        del lines[0]
    return _vocabulary(entries, [_merge(line.rstrip("\r"), merges) for line in lines if line.strip()], [END_OF_TEXT])


def _from_whole(path: str) -> Vocabulary:
    content = _json(path)
    difference = _unlike_gpt2(content)
    if difference:
        raise UserError(
            f"{path} does not encode as GPT-2's tokenizer: {difference}; give the files of a GPT-2 tokenizer."
        )
    model, added = content["model"], content.get("added_tokens") or []
    merges = [_merge(merge, path) if isinstance(merge, str) else (merge[0], merge[1]) for merge in model["merges"]]
    entries = {**model["vocab"], **{token["content"]: token["id"] for token in added}}
    return _vocabulary(entries, merges, [END_OF_TEXT, *(token["content"] for token in added)])


def _unlike_gpt2(content: Mapping[str, Any]) -> str | None:
    model, splitting = content.get("model") or {}, content.get("pre_tokenizer") or {}
    if model.get("type", "BPE") != "BPE" or "merges" not in model or "vocab" not in model:
        return "its model is not byte-pair encoding"
    if content.get("normalizer"):
        return "it changes texts before it cuts them (normalizer)"
    if splitting.get("type") != "ByteLevel" or not splitting.get("use_regex", True):
        return f"it cuts texts in another way (pre_tokenizer {splitting.get('type')})"
    if splitting.get("add_prefix_space", True):
        return "it puts a space before every text (add_prefix_space)"
    for key in ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "ignore_merges", "byte_fallback"):
        if model.get(key):
            return f"its model has {key}"
    return None


def _vocabulary(entries: Mapping[str, int], merges: list[Merge], specials: list[str]) -> Vocabulary:
    return Vocabulary(
        {token: number for token, number in entries.items() if token not in specials},
        merges,
        {token: entries[token] for token in specials if token in entries},
    )


def _merge(line: str, source: str) -> Merge:
    left, _, right = line.partition(" ")
    if not left or not right or " " in right:
        raise UserError(f"{source} is not a list of merges: {line!r} is not two tokens with a space between.")
    return left, right


def _json(path: str) -> dict[str, Any]:
    try:
        content = storage.read_json(path)
    except orjson.JSONDecodeError:
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{path} is no file of a tokenizer: it holds no JSON object.")
    return content


def write(vocabulary: Vocabulary, folder: str) -> list[FileRecord]:
    """Write the four files with which Hugging Face's `AutoTokenizer` and everything here loads a tokenizer.

    Equal vocabularies give equal bytes.
    """
    entries = {**vocabulary.entries, **vocabulary.specials}
    in_order = dict(sorted(entries.items(), key=lambda entry: entry[1]))
    merges = "".join(f"{left} {right}\n" for left, right in vocabulary.merges)
    settings = {
        "add_prefix_space": False,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "errors": "replace",
        "model_max_length": LONGEST_TEXT,
        "tokenizer_class": "GPT2Tokenizer",
    }
    return [
        storage.write_bytes(folder, PAIRS[0][0], orjson.dumps(in_order)),
        storage.write_bytes(folder, PAIRS[0][1], f"#version: 0.2\n{merges}".encode()),
        storage.write_json(folder, SETTINGS, settings),
        storage.write_bytes(folder, WHOLE, peer.full(vocabulary).to_str().encode()),
    ]
