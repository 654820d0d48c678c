"""Locality-sensitive hashing of signatures: which documents are worth a second look.

A signature is cut into bands of a few values each; documents that share all values of a band meet. Two documents of
Jaccard similarity s meet with probability 1 - (1 - s^rows)^bands (Leskovec, Rajaraman, Ullman, Mining of Massive
Datasets, chapter 3).
"""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

WEIGHTS = (0.15, 0.85)
"""How bad it is that unlike documents meet, and that like ones do not. A meeting costs one measurement, a missed
duplicate stays in the corpus: 128 permutations at 0.5 give 32 bands of 4 (87 % of the pairs at 0.5 meet, 99 % at 0.6),
where datasketch's equal weights give 25 of 5 (55 % and 87 %)."""

_FACTOR = np.uint64(0x9E3779B97F4A7C15)


class Bands(NamedTuple):
    """So many bands of so many values."""

    bands: int
    rows: int

    def recall(self, similarity: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """The probability that documents of this similarity meet, in theory."""
        return np.asarray(1 - (1 - np.asarray(similarity, dtype=np.float64) ** self.rows) ** self.bands)


@functools.cache
def choose(threshold: float, permutations: int) -> Bands:
    """The bands that are best for a threshold under `WEIGHTS`, as datasketch's MinHashLSH finds them: of all that fit
    into the permutations those with the least error, the mean chance that unlike documents meet and that like ones do
    not. Near a threshold of 1 a single band would be best; two are the fewest."""
    nodes, weights = np.polynomial.legendre.leggauss(permutations // 2 + 1)  # exact, as recall is a polynomial
    rows = np.arange(1, permutations + 1)[:, np.newaxis]
    below = (threshold * (nodes + 1) / 2) ** rows
    above = (1 - (1 - threshold) * (nodes + 1) / 2) ** rows

    def least_error(bands: int) -> tuple[float, Bands]:
        fitting = permutations // bands
        meet = (1 - (1 - below[:fitting]) ** bands) @ weights * threshold / 2
        miss = (1 - above[:fitting]) ** bands @ weights * (1 - threshold) / 2
        errors = WEIGHTS[0] * meet + WEIGHTS[1] * miss
        best = int(errors.argmin())
        return float(errors[best]), Bands(bands, best + 1)

    _, best = min(map(least_error, range(1, permutations + 1)), key=lambda each: each[0])
    return best if best.bands > 1 else Bands(2, permutations // 2)


def band_hashes(signatures: npt.NDArray[np.uint32], band: int, rows: int) -> npt.NDArray[np.uint64]:
    """Hash one band of every signature.

    signatures: (documents, permutations). Returns shape (documents,).
    """
    hashes = np.full(len(signatures), band + 1, dtype=np.uint64)
    for column in range(band * rows, (band + 1) * rows):
        hashes += signatures[:, column]
        hashes *= _FACTOR
        hashes ^= hashes >> np.uint64(32)
    return hashes


def ranges(hashes: npt.NDArray[np.uint64], count: int) -> npt.NDArray[np.int64]:
    """Which of `count` equal ranges of hashes each lies in."""
    return ((hashes >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)
