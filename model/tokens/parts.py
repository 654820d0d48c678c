"""Parts: what one row group of the corpus becomes before all documents are put in order.

A part is two files: the tokens of its documents one after the other (`.bin`, as in the result), and an index with a row
for each document (`.arrow`: id, bytes of its text in UTF-8, tokens). The index is written last: a part that has one is
whole.
"""

import dataclasses
import functools
import io

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from model import corpus
from model.corpus import Corpus
from model.tokenizer import Tokenizer, load
from model.tokens.reading import DTYPE, Tokens
from webtext import storage

FOLDER = "_parts"
INDEX = (("text_bytes", pa.int64()), ("tokens", pa.int64()))


@dataclasses.dataclass(frozen=True)
class Unit:
    """A row group of a file of the corpus: one piece of work. `size`: about how many bytes of text it has."""

    split: str
    path: str
    file: int
    group: int
    size: int

    def tokens(self, parts: str) -> str:
        """Where its tokens are written."""
        return storage.join(parts, f"{self.split}-{self.file:05d}-{self.group:05d}.bin")

    def index(self, parts: str) -> str:
        """Where its index is written."""
        return storage.join(parts, f"{self.split}-{self.file:05d}-{self.group:05d}.arrow")


def units(found: Corpus) -> list[Unit]:
    """All row groups of a corpus that have documents."""
    return [
        Unit(split, path, file, group, size)
        for split in corpus.SPLITS
        for file, path in enumerate(found.files[split])
        for group, size in enumerate(corpus.row_groups(path))
    ]


@dataclasses.dataclass(frozen=True)
class Encoder:
    """Which tokenizer, and where it lies: what is sent to another process in its place."""

    folder: str
    fingerprint: str


def encode(unit: Unit, parts: str, encoder: Encoder) -> int:
    """Encode one row group, each document with `<|endoftext|>` at its end; returns the unit's size."""
    tokenizer = _tokenizer(encoder)
    indices = []
    with storage.open_atomic(unit.tokens(parts)) as file:
        for batch in corpus.documents(unit.path, [unit.group]):
            encoded = [_encoded(tokenizer, text) for text in batch["text"].to_pylist()]
            file.write(np.concatenate(encoded).data if encoded else b"")
            columns = {
                "id": batch["id"],
                "text_bytes": pc.binary_length(batch["text"]).cast(pa.int64()),
                "tokens": pa.array(map(len, encoded), pa.int64()),
            }
            indices.append(pa.record_batch(columns))
    _write_index(unit.index(parts), indices)
    return unit.size


def _encoded(tokenizer: Tokenizer, text: str) -> Tokens:
    return np.array([*tokenizer.encode(text), tokenizer.end_of_text], dtype=DTYPE)


@functools.lru_cache(maxsize=1)
def _tokenizer(encoder: Encoder) -> Tokenizer:
    """Read once in each process."""
    tokenizer = load(encoder.folder)
    assert tokenizer.fingerprint == encoder.fingerprint
    return tokenizer


def _write_index(path: str, batches: list[pa.RecordBatch]) -> None:
    sink = io.BytesIO()
    schema = batches[0].schema if batches else pa.schema([("id", pa.large_string()), *INDEX])
    with pa.ipc.new_file(sink, schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    folder, name = path.rsplit("/", 1)
    storage.write_bytes(folder, name, sink.getvalue())


def read_index(unit: Unit, parts: str) -> pa.Table:
    """A part's index: columns id, text_bytes, tokens."""
    return pa.ipc.open_file(pa.py_buffer(storage.read_bytes(unit.index(parts)))).read_all()
