"""Which members of a bucket are paired."""

import itertools

import numpy as np
import pytest

from pipeline.dedup.candidates import LEADERS, SMALL, candidate_pairs, in_company
from pipeline.dedup.components import components
from pipeline.dedup.sources import Standing


def pairs_of(hashes: list[int], ranks: list[int], standings: list[int]) -> list[tuple[int, int]]:
    found = candidate_pairs(
        np.array(hashes, dtype=np.uint64),
        np.arange(len(hashes)),
        np.array(ranks, dtype=np.uint32),
        np.array(standings, dtype=np.int64),
    )
    return list(zip(found.leader.tolist(), found.follower.tolist(), strict=True))


def test_everyone_meets_everyone_in_a_small_bucket_the_better_first() -> None:
    assert pairs_of([7, 8, 7, 9, 7], [3, 0, 1, 0, 2], [2] * 5) == [(2, 0), (2, 4), (4, 0)]
    full = pairs_of([1] * SMALL, [0] * SMALL, [2] * SMALL)
    assert full == list(itertools.combinations(range(SMALL), 2))


def test_documents_that_cannot_fall_follow_nobody() -> None:
    found = pairs_of([1] * 5, [0, 1, 2, 3, 4], [2, 1, 0, 1, 2])
    assert found == [(0, 4), (1, 0), (1, 4), (2, 0), (2, 4), (3, 0), (3, 4)]
    assert pairs_of([1] * 100, [0] * 100, [1] * 100) == []


def test_a_large_bucket_is_a_star_of_the_best_and_a_chain() -> None:
    size = 5000
    ranks = np.random.default_rng(2).permutation(size)
    found = pairs_of([1] * size, ranks.tolist(), [2] * size)
    assert len(found) < (LEADERS + 1) * size
    best = np.argsort(ranks)
    chosen = set(found)
    for leader in range(LEADERS):
        assert all((best[leader], best[follower]) in chosen for follower in range(leader + 1, size))
    assert all((best[at], best[at + 1]) in chosen for at in range(size - 1))
    leaders, followers = np.array(found).T
    assert len(components(leaders, followers).sizes()[0]) == 1


@pytest.mark.parametrize("own", [1, 3, LEADERS, 200])
@pytest.mark.parametrize("outside", [1, 3, LEADERS, 200])
def test_a_large_bucket_has_leaders_outside_and_inside(own: int, outside: int) -> None:
    size = own + outside
    standings = [int(Standing.RUN)] * own + [int(Standing.RELEASE)] * outside
    found = set(pairs_of([1] * size, list(range(size)), standings))
    assert all(follower < own for _, follower in found)
    for follower in range(own):
        assert {(own + leader, follower) for leader in range(min(outside, LEADERS))} <= found
        assert {(leader, follower) for leader in range(min(follower, LEADERS))} <= found


def test_the_order_of_the_documents_does_not_matter() -> None:
    draw = np.random.default_rng(4)
    hashes, ranks = draw.integers(0, 30, 2000).astype(np.uint64), draw.integers(0, 9, 2000).astype(np.uint32)
    ordinals, standings = np.arange(2000), draw.integers(0, 3, 2000)
    first = candidate_pairs(hashes, ordinals, ranks, standings)
    order = draw.permutation(2000)
    again = candidate_pairs(hashes[order], ordinals[order], ranks[order], standings[order])
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_nobody_and_loners() -> None:
    assert pairs_of([], [], []) == []
    assert pairs_of([1, 2, 3], [0, 0, 0], [2, 2, 2]) == []
    assert sorted(in_company(np.array([5, 6, 5, 7, 6, 5], dtype=np.uint64)).tolist()) == [0, 1, 2, 4, 5]
