"""Whether two documents really are alike: a glance at their signatures, then Jaccard similarity of their shingles.

Banding alone joins documents that share a menu or a licence, and chains of such meetings have cost others most of their
corpus; nothing falls here unless its similarity was measured.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.minhash import ShingleSets, kernel

STANDARD_ERRORS = 3.0
"""How far below the threshold an estimate must lie for a pair not to be measured: of the pairs that are exactly at the
threshold this loses one in 700."""


def digests(signatures: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """One byte a value of every signature (Li and König, b-bit minwise hashing): a quarter of the bytes to send."""
    return signatures.astype(np.uint8)


def estimates(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Similarities estimated from digests of shape (pairs, permutations); chance agreements of bytes taken off."""
    agreement = np.equal(one, other).mean(axis=1)
    return np.asarray((agreement - 1 / 256) / (1 - 1 / 256))


def least_estimate(threshold: float, permutations: int) -> float:
    """The estimate from which a pair is worth measuring."""
    return threshold - STANDARD_ERRORS * float(np.sqrt(threshold * (1 - threshold) / permutations))


def similarities(
    one: ShingleSets, ones: npt.NDArray[np.int64], other: ShingleSets, others: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Jaccard similarities of pairs of shingle sets, exact: of set ones[i] of `one` and set others[i] of `other`."""
    found = np.empty(len(ones), dtype=np.float64)
    _jaccard(one.hashes, one.offsets, ones, other.hashes, other.offsets, others, found)
    return found


@kernel
def _jaccard(hashes, offsets, ones, other_hashes, other_offsets, others, found):  # type: ignore[no-untyped-def]
    for pair in range(found.size):
        i, end = offsets[ones[pair]], offsets[ones[pair] + 1]
        j, other_end = other_offsets[others[pair]], other_offsets[others[pair] + 1]
        total = end - i + other_end - j
        common = 0
        while i < end and j < other_end:
            left, right = hashes[i], other_hashes[j]
            common += left == right
            i += left <= right
            j += right <= left
        found[pair] = common / (total - common)


def digest_column(digest: npt.NDArray[np.uint8]) -> pa.FixedSizeBinaryArray:
    """Digests as a column."""
    return pa.Array.from_buffers(
        pa.binary(digest.shape[1]), len(digest), [None, pa.py_buffer(np.ascontiguousarray(digest))]
    )


def digest_matrix(column: pa.FixedSizeBinaryArray) -> npt.NDArray[np.uint8]:
    """A column of digests as an array of shape (rows, permutations)."""
    width = column.type.byte_width
    flat = np.frombuffer(column.buffers()[1] or b"", dtype=np.uint8)
    return flat[column.offset * width : (column.offset + len(column)) * width].reshape(-1, width)
