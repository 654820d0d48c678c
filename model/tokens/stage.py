"""From a run's corpus and tokenizer to RUN/tokens."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from model import corpus, progress
from model.corpus import Corpus
from model.tokenizer import files as tokenizer_files
from model.tokenizer.vocabulary import Vocabulary
from model.tokens import arranging, parts, working
from model.tokens.arranging import File
from model.tokens.config import TokensConfig
from model.tokens.parts import Encoder, Unit
from model.tokens.reading import DTYPE
from webtext import locks, storage
from webtext.errors import UserError
from webtext.stages import StageRun
from webtext.storage import FileRecord

NAME = "tokens"
MOST_ENTRIES = 2**16
LIBRARIES = ("tiktoken", "tokenizers")

Manifest = dict[str, Any]

log = logging.getLogger("webtext")


def build(config: TokensConfig) -> str:
    """Encode a run's corpus unless that is done; returns the folder.

    Raises UserError for what the user can mend.
    """
    found, vocabulary = _sources(config)
    with locks.only_one(config.output):
        stage = _stage(config, found, vocabulary)
        done = stage.finished()
        manifest = done or _make(stage, config, found, vocabulary)
        storage.remove(storage.join(stage.folder, parts.FOLDER))  # what a run leaves that ends right after its success
    log.info("%-11s%s%s", NAME, _told(manifest), " [as before]" if done else "")
    for sentence in _warnings(manifest["splits"]):
        log.warning("%s", sentence)
    return stage.folder


def plan(config: TokensConfig) -> list[str]:
    """What `build` would do; nothing is written."""
    found, vocabulary = _sources(config)
    stage = _stage(config, found, vocabulary, remember=False)
    size = sum(record.bytes for record in stage.inputs)
    lines = [
        f"output      {stage.folder}",
        f"corpus      {len(found.all_files):,} files of {size / 1e6:,.1f} MB in {config.output}",
        f"tokenizer   {vocabulary.size:,} entries, {vocabulary.fingerprint[:12]}",
    ]
    if stage.finished() is not None:
        return [*lines, "tokens      are finished and unchanged: kept as they are"]
    return [*lines, f"tokens      would be written, at most {config.tokens_per_file:,} to a file"]


def _sources(config: TokensConfig) -> tuple[Corpus, Vocabulary]:
    found = corpus.find(config.output)
    vocabulary = tokenizer_files.read(storage.join(config.output, tokenizer_files.FOLDER))
    if vocabulary.size > MOST_ENTRIES:
        raise UserError(
            f"the tokenizer of {config.output} has {vocabulary.size:,} entries, and 16 bits hold {MOST_ENTRIES:,}; "
            f"make a smaller one with webtext tokenizer --set output={config.output} --set vocabulary=50257."
        )
    return found, vocabulary


def _stage(config: TokensConfig, found: Corpus, vocabulary: Vocabulary, *, remember: bool = True) -> StageRun:
    content = {"tokenizer": vocabulary.fingerprint, "tokens_per_file": config.tokens_per_file}
    folder = storage.join(config.output, NAME)
    return StageRun(folder, NAME, content, found.examined(remember=remember), LIBRARIES)


def _make(stage: StageRun, config: TokensConfig, found: Corpus, vocabulary: Vocabulary) -> Manifest:
    stage.begin()
    tokenizer_folder = storage.join(stage.folder, tokenizer_files.FOLDER)
    copies = [
        dataclasses.replace(record, path=storage.join(tokenizer_files.FOLDER, record.path))
        for record in tokenizer_files.write(vocabulary, tokenizer_folder)
    ]
    place = storage.join(stage.folder, parts.FOLDER)
    units = parts.units(found)
    with progress.of_bytes(NAME, sum(unit.size for unit in units)) as advance:
        working.encode(units, place, Encoder(tokenizer_folder, vocabulary.fingerprint), config.workers, advance)
    written = {split: _write(stage.folder, split, units, config.tokens_per_file) for split in corpus.SPLITS}
    return _finish(stage, vocabulary, written, copies)


def _write(folder: str, split: str, units: Sequence[Unit], most: int) -> list[File]:
    place = storage.join(folder, parts.FOLDER)
    of_split = [unit for unit in units if unit.split == split]
    documents = arranging.in_order([parts.read_index(unit, place) for unit in of_split])
    return arranging.write(documents, [unit.tokens(place) for unit in of_split], folder, split, most)


def _finish(
    stage: StageRun, vocabulary: Vocabulary, written: Mapping[str, Sequence[File]], copies: Sequence[FileRecord]
) -> Manifest:
    """Write the manifest of a stage, with what readers of tokens need beside it, and the mark of success."""
    entries = [
        {**file._asdict(), "split": split, "bytes": file.tokens * DTYPE.itemsize}
        for split, of_split in written.items()
        for file in of_split
    ]
    outputs = [*copies, *(FileRecord(entry["path"], entry["bytes"], entry["sha256"]) for entry in entries)]
    splits = {split: _sums(of_split) for split, of_split in written.items()}
    return stage.finish(
        outputs,
        {f"{split}_{what}": count for split, sums in splits.items() for what, count in sums.items()},
        tokenizer={
            "fingerprint": vocabulary.fingerprint,
            "vocabulary": vocabulary.size,
            "end_of_text": vocabulary.end_of_text,
        },
        dtype="uint16",
        splits=splits,
        files=entries,
    )


def _sums(written: Sequence[File]) -> dict[str, int]:
    return {
        "tokens": sum(file.tokens for file in written),
        "documents": sum(file.documents for file in written),
        "bytes": sum(file.text_bytes for file in written),
    }


def _told(manifest: Manifest) -> str:
    splits = manifest["splits"]
    tokens = sum(sums["tokens"] for sums in splits.values())
    size = sum(sums["bytes"] for sums in splits.values())
    return (
        f"{splits[corpus.TRAIN]['tokens']:,} tokens to train on, {splits[corpus.VALIDATION]['tokens']:,} held out, "
        f"of {manifest['tokenizer']['vocabulary']:,} entries; {size / max(tokens, 1):.2f} bytes a token"
    )


def _warnings(splits: Mapping[str, Mapping[str, int]]) -> list[str]:
    sentences = []
    if not splits[corpus.TRAIN]["tokens"]:
        sentences.append("the corpus has no documents to train on: these tokens can only be measured on.")
    if not splits[corpus.VALIDATION]["tokens"]:
        sentences.append("the corpus has no validation documents: training on it can measure no validation loss.")
    return sentences
