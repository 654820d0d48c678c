"""Similarities: estimated from digests, measured on shingles."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline import minhash
from pipeline.dedup import verify
from pipeline.minhash import ShingleSets

SETS = st.lists(st.sets(st.integers(0, 40), min_size=1), min_size=1, max_size=8)


def packed(sets: list[set[int]]) -> ShingleSets:
    hashes = np.array([value for each in sets for value in sorted(each)], dtype=np.uint64)
    return ShingleSets(hashes, np.cumsum([0, *map(len, sets)]))


@given(SETS, SETS)
def test_similarities_are_those_of_sets(one: list[set[int]], other: list[set[int]]) -> None:
    places = [(a, b) for a in range(len(one)) for b in range(len(other))]
    ones, others = np.array(places).T
    found = verify.similarities(packed(one), ones, packed(other), others)
    assert found.tolist() == [len(one[a] & other[b]) / len(one[a] | other[b]) for a, b in places]


def test_digests_estimate_without_bias_and_survive_the_journey() -> None:
    shared = [f"s{n}" for n in range(3000)]
    left, right = " ".join(shared[:2000]), " ".join(shared[1000:])
    matrix = minhash.signature_matrix(minhash.signatures([left, right], 8192).signature, 8192)
    digests = verify.digests(matrix)
    estimate = verify.estimates(digests[:1], digests[1:])[0]
    exact = verify.similarities(
        minhash.shingle_sets([left]), np.array([0]), minhash.shingle_sets([right]), np.array([0])
    )
    assert abs(estimate - exact[0]) < 4 * np.sqrt(exact[0] * (1 - exact[0]) / 8192)
    assert np.array_equal(verify.digest_matrix(verify.digest_column(digests).slice(1)), digests[1:])


def test_a_glance_lets_only_clearly_unlike_pairs_go() -> None:
    assert 0.36 < verify.least_estimate(0.5, 128) < 0.37
    assert verify.least_estimate(0.5, 128) < verify.least_estimate(0.5, 1024) < 0.5
