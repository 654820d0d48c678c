"""From parts to the files of a split: the documents of all parts in the order of their ids."""

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from model.tokens.reading import DTYPE, Tokens
from webtext import storage
from webtext.errors import UserError

Numbers = npt.NDArray[np.int64]

PARTS_AT_HAND = 64


class Documents(NamedTuple):
    """Documents in the order of their ids, an array entry each: in which part, from which token on, how many."""

    part: Numbers
    start: Numbers
    tokens: Numbers
    text_bytes: Numbers


class File(NamedTuple):
    """A file that was written. `documents` and `text_bytes` (UTF-8) are what it holds."""

    path: str
    tokens: int
    documents: int
    text_bytes: int
    sha256: str


def in_order(indices: Sequence[pa.Table]) -> Documents:
    """All documents of some parts by ascending id; those of one id in the order of the parts.

    indices: of the parts, columns id, text_bytes, tokens.
    Raises UserError where some ids are numbers and others strings.
    """
    filled = [(number, index) for number, index in enumerate(indices) if index.num_rows]
    kinds = {index.schema.field("id").type for _, index in filled}
    if len(kinds) > 1:
        raise UserError("the corpus has ids that are numbers and ids that are strings; make them all the same.")
    if not filled:
        return Documents(*(np.empty(0, dtype=np.int64) for _ in Documents._fields))
    whole = pa.concat_tables([index for _, index in filled])
    whole = whole.append_column("row", pa.array(np.arange(whole.num_rows)))
    order = whole.select(["id", "row"]).sort_by([("id", "ascending"), ("row", "ascending")])["row"].to_numpy()
    tokens = whole["tokens"].to_numpy()
    starts = [_starts(index["tokens"].to_numpy()) for _, index in filled]
    part = np.concatenate([np.full(index.num_rows, number, dtype=np.int64) for number, index in filled])
    columns = (part, np.concatenate(starts), tokens, whole["text_bytes"].to_numpy())
    return Documents(*(column[order] for column in columns))


def _starts(sizes: Numbers) -> Numbers:
    return np.cumsum(sizes) - sizes


def cuts(tokens: Numbers, most: int) -> list[slice]:
    """Which documents go into one file: as many as have `most` tokens together, and at least one."""
    ends = np.cumsum(tokens)
    pieces, begin, before = [], 0, 0
    while begin < len(tokens):
        end = max(begin + 1, int(np.searchsorted(ends, before + most, side="right")))
        pieces.append(slice(begin, end))
        begin, before = end, int(ends[end - 1])
    return pieces


def write(documents: Documents, parts: Sequence[str], folder: str, split: str, most: int) -> list[File]:
    """Write a split's files, `most` tokens each; none for a split without documents.

    parts: where each part's tokens lie.
    """
    part = functools.lru_cache(PARTS_AT_HAND)(_open)
    return [
        _write(
            Documents(*(column[piece] for column in documents)),
            lambda number: part(parts[number]),
            folder,
            f"{split}-{number:05d}.bin",
        )
        for number, piece in enumerate(cuts(documents.tokens, most))
    ]


def _write(documents: Documents, part: Callable[[int], Tokens], folder: str, name: str) -> File:
    digest = hashlib.sha256()
    with storage.open_atomic(storage.join(folder, name)) as file:
        for number, begin, end in _stretches(documents):
            tokens = part(number)[begin:end].data
            digest.update(tokens)
            file.write(tokens)
    return File(
        path=name,
        tokens=int(documents.tokens.sum()),
        documents=len(documents.tokens),
        text_bytes=int(documents.text_bytes.sum()),
        sha256=digest.hexdigest(),
    )


def _stretches(documents: Documents) -> Iterator[tuple[int, int, int]]:
    """Part, begin and end of the stretches of tokens to copy: documents that lie one after the other are one."""
    ends = documents.start + documents.tokens
    goes_on = (documents.part[1:] == documents.part[:-1]) & (documents.start[1:] == ends[:-1])
    first = np.flatnonzero(np.append(True, ~goes_on))
    last = np.append(first[1:], len(ends)) - 1
    yield from zip(documents.part[first].tolist(), documents.start[first].tolist(), ends[last].tolist(), strict=True)


def _open(path: str) -> Tokens:
    if storage.is_local(path):
        return np.memmap(storage.locate(path)[1], dtype=DTYPE, mode="r")
    return np.frombuffer(storage.read_bytes(path), dtype=DTYPE)
