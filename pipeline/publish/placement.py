"""Where a document stands in the release: its split and its shard, both from bits of its id alone.

An id is a cryptographic hash, so its first 32 bits (the shard) and its last 32 bits (the split) know nothing of each
other: the held-out documents are spread evenly, and a document never changes its split, however many shards there are.
"""

import math

import numpy as np
import pyarrow as pa

from pipeline import tables

TRAIN = "train"
VALIDATION = "validation"
SPLITS = (TRAIN, VALIDATION)

FILE_BYTES_PER_TEXT_BYTE = 0.39
"""What zstd leaves of English web text in Parquet, all columns together; measured on 7 MB of extracted pages."""

_DIGITS = tables.ID_PREFIX_DIGITS
_SPAN = tables.ID_PREFIX_SPAN


def split_of(id: str, validation_fraction: float) -> str:  # noqa: A002 - it is the column's name
    """`validation` or `train`.

    validation_fraction: the last eight hex digits, as a share of 2^32, lie below it for the ids that are held out.
    """
    return VALIDATION if int(id[-_DIGITS:], 16) < validation_fraction * _SPAN else TRAIN


def in_validation(ids: pa.Array | pa.ChunkedArray, validation_fraction: float) -> np.ndarray:
    """`split_of` for a whole column; returns bool of the same length."""
    return tables.id_bits(ids, tables.ID_DIGITS - _DIGITS) < validation_fraction * _SPAN


def shard_count(present: np.ndarray, text_bytes: int, shard_bytes: int) -> int:
    """How many shards a split gets: about `shard_bytes` each on disk, and none of them empty unless all are.

    present: the first 32 bits (`tables.id_bits`) of the ids of the split's documents, in any order.
    text_bytes: UTF-8 bytes of their texts.
    Always at least 1: a split without documents is one file without rows, so that the release opens.
    """
    wanted = math.ceil(text_bytes * FILE_BYTES_PER_TEXT_BYTE / shard_bytes)
    count = max(1, min(wanted, len(present)))
    while count > 1 and len(np.unique(tables.ranges_of(present, count))) < count:
        count = count * 9 // 10
    return count


def prefix_range(index: int, count: int) -> tuple[int, int]:
    """The smallest and the largest prefix that belong to shard `index` of `count`."""
    return -(-index * _SPAN // count), -(-(index + 1) * _SPAN // count) - 1


def overlapping(index: int, count: int, partitions: int) -> range:
    """The partitions, of `partitions`, that hold ids of shard `index` of `count`."""
    low, high = prefix_range(index, count)
    return range(low * partitions // _SPAN, high * partitions // _SPAN + 1)


def shard_name(split: str, index: int, count: int) -> str:
    """A shard's file below the release: data/train-00000-of-00042.parquet."""
    return f"data/{split}-{index:05d}-of-{count:05d}.parquet"
