"""Documents that are equal: the same normalised text, or a link that an earlier release holds already."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import tables
from pipeline.dedup.candidates import in_company
from pipeline.dedup.sources import Ordinals, Ranks, Standing


class Twins(NamedTuple):
    """Documents of this run that fall, ascending, and for each the equal one that goes before it."""

    fallen: Ordinals
    keeper: Ordinals


def twins(keys: npt.NDArray[np.uint64], ordinals: Ordinals, ranks: Ranks, standings: npt.NDArray[np.int64]) -> Twins:
    """The documents of this run that equal a better one; the best of a group stays.

    keys: (documents, 2), equal for equal documents. The result does not depend on the order of the documents.
    """
    shared = in_company(keys[:, 0])
    keys, ordinals, ranks, standings = keys[shared], ordinals[shared], ranks[shared], standings[shared]
    order = np.lexsort((ordinals, ranks, standings, keys[:, 1], keys[:, 0]))
    keys, ordinals, standings = keys[order], ordinals[order], standings[order]
    opens = np.ones(len(keys), dtype=bool)
    opens[1:] = (keys[1:] != keys[:-1]).any(axis=1)
    best = np.flatnonzero(opens)[np.cumsum(opens) - 1]
    falls = ~opens & (standings == Standing.RUN)
    fallen, keeper = ordinals[falls], ordinals[best[falls]]
    by_ordinal = np.argsort(fallen)
    return Twins(fallen[by_ordinal], keeper[by_ordinal])


def content_keys(hashes: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.uint64]:
    """A column of 16-byte content hashes as (documents, 2) keys."""
    array = hashes.combine_chunks() if isinstance(hashes, pa.ChunkedArray) else hashes
    flat = np.frombuffer(array.buffers()[1] or b"", dtype="<u8")
    return flat[2 * array.offset : 2 * (array.offset + len(array))].reshape(-1, 2)


def link_keys(ids: pa.ChunkedArray | pa.Array) -> npt.NDArray[np.uint64]:
    """A column of ids (32 hex digits) as (documents, 2) keys."""
    return tables.id_bytes(ids).view(">u8").astype(np.uint64)
