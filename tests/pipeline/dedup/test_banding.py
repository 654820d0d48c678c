"""Bands, and whether documents meet as often as theory says."""

import numpy as np
import pytest
from datasketch import MinHashLSH

from pipeline import minhash
from pipeline.dedup import banding, candidates, verify
from tests.pipeline.dedup.conftest import words


def test_bands_honour_the_threshold() -> None:
    bands = banding.choose(0.5, 128)
    assert bands == (32, 4)
    assert bands.recall([0.5, 0.6, 0.8]).round(3).tolist() == [0.873, 0.988, 1.0]


@pytest.mark.parametrize("permutations", [16, 32, 64, 128, 256, 1024])
@pytest.mark.parametrize("threshold", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 1.0])
def test_any_threshold_has_bands(threshold: float, permutations: int) -> None:
    bands = banding.choose(threshold, permutations)
    assert bands.bands >= 2
    assert 1 <= bands.bands * bands.rows <= permutations


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.55, 0.7, 0.8, 0.95])
def test_bands_are_those_that_datasketch_finds_best(threshold: float) -> None:
    index = MinHashLSH(threshold=threshold, num_perm=64, weights=banding.WEIGHTS)
    assert banding.choose(threshold, 64) == (index.b, index.r)


def pairs_at(similarity: float, count: int, seed: int) -> tuple[list[str], list[str]]:
    """Pairs of texts whose middles are equal: of 200 shingles a side so many that the similarity is near the wanted."""
    common = round(2 * 200 * similarity / (1 + similarity))
    left, right = [], []
    for number in range(count):
        text = words(608, seed + number)
        shared, one, other = text[: common + 4], text[200:400], text[400:600]
        left.append(" ".join(shared + one[: 200 - common]))
        right.append(" ".join(shared + other[: 200 - common]))
    return left, right


@pytest.mark.parametrize("similarity", [0.3, 0.4, 0.5, 0.6, 0.8])
def test_measured_recall_follows_the_curve(similarity: float) -> None:
    count = 1500
    left, right = pairs_at(similarity, count, int(similarity * 10) * 10_000)
    sets = minhash.shingle_sets(left), minhash.shingle_sets(right)
    exact = verify.similarities(sets[0], np.arange(count), sets[1], np.arange(count))
    assert abs(exact.mean() - similarity) < 0.01
    bands = banding.choose(0.5, 128)
    matrix = minhash.signature_matrix(minhash.signatures(left + right).signature, 128)
    found: set[tuple[int, int]] = set()
    for band in range(bands.bands):
        hashes = banding.band_hashes(matrix, band, bands.rows)
        pairs = candidates.candidate_pairs(
            hashes, np.arange(2 * count), np.zeros(2 * count, dtype=np.uint32), np.full(2 * count, 2)
        )
        found.update(zip(pairs.leader.tolist(), pairs.follower.tolist(), strict=True))
    met = np.array([(at, at + count) in found for at in range(count)])
    expected = bands.recall(exact)
    error = np.sqrt((expected * (1 - expected)).sum()) / count
    assert abs(met.mean() - expected.mean()) < 4 * error + 1 / count
    assert len(found) == met.sum()  # strangers do not meet


def test_bands_are_independent_of_each_other() -> None:
    signatures = np.tile(np.arange(4, dtype=np.uint32), (3, 32))
    hashes = [banding.band_hashes(signatures, band, 4) for band in range(32)]
    assert len({each[0] for each in hashes}) == 32
    assert all((each == each[0]).all() for each in hashes)


def test_ranges_are_equal_and_keep_the_order() -> None:
    hashes = np.sort(np.random.default_rng(1).integers(0, 2**64, 10_000, dtype=np.uint64))
    where = banding.ranges(hashes, 7)
    assert (np.diff(where) >= 0).all()
    assert np.bincount(where, minlength=7).min() > 1200
    assert banding.ranges(np.array([0, 2**64 - 1], dtype=np.uint64), 7).tolist() == [0, 6]
