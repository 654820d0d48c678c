"""Who stays and who falls."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dedup.keepers import Cause, Edges, Falls, choose, follow
from pipeline.dedup.sources import ROW_BITS, Standing

STANDINGS = np.array([Standing.RUN, Standing.RELEASE, Standing.REFERENCE])
RELEASE, REFERENCE = 1 << ROW_BITS, 2 << ROW_BITS


def edges(rows: list[tuple[int, int, float]], ranks: dict[int, int] | None = None, same_link: bool = False) -> Edges:
    """(leader, follower, similarity); a document's rank is its ordinal unless given."""
    given_ranks = ranks or {}
    leader, follower = np.array([(a, b) for a, b, _ in rows], dtype=np.int64).reshape(-1, 2).T
    leader_rank, follower_rank = (
        np.array([given_ranks.get(n, n % 1000) for n in side.tolist()], dtype=np.uint32) for side in (leader, follower)
    )
    similarity = np.array([s for _, _, s in rows], dtype=np.float32)
    return Edges(leader, follower, leader_rank, follower_rank, similarity, np.full(len(rows), same_link))


def fallen(found: Falls) -> dict[int, int]:
    return dict(zip(found.fallen.tolist(), found.keeper.tolist(), strict=True))


def test_of_a_chain_every_second_falls() -> None:
    chain = edges([(n, n + 1, 0.6) for n in range(6)])
    assert fallen(choose(chain, STANDINGS)) == {1: 0, 3: 2, 5: 4}


def test_the_most_similar_of_those_that_stay_is_the_keeper() -> None:
    found = choose(edges([(0, 3, 0.6), (1, 3, 0.9), (2, 3, 0.7)]), STANDINGS)
    assert fallen(found) == {3: 1}
    assert found.similarity.tolist() == [float(np.float32(0.9))]
    assert fallen(choose(edges([(0, 1, 0.5), (0, 3, 0.6), (1, 3, 0.9), (2, 3, 0.7)]), STANDINGS)) == {1: 0, 3: 2}
    assert fallen(choose(edges([(0, 3, 0.9), (1, 3, 0.9)]), STANDINGS)) == {3: 0}


def test_who_stands_higher_goes_before_who_is_more_similar() -> None:
    rows = [(0, 5, 0.9), (RELEASE, 5, 0.8), (REFERENCE, 5, 0.7)]
    found = choose(edges(rows), STANDINGS)
    assert fallen(found) == {5: REFERENCE}
    assert found.cause.tolist() == [Cause.REFERENCE]
    assert choose(edges(rows[:2]), STANDINGS).cause.tolist() == [Cause.NEAR]


def test_one_link_falls_however_unlike() -> None:
    found = choose(edges([(RELEASE, 5, 0.1)], same_link=True), STANDINGS)
    assert fallen(found) == {5: RELEASE}
    assert found.cause.tolist() == [Cause.EXACT]


def test_nothing() -> None:
    assert fallen(choose(edges([]), STANDINGS)) == {}
    nobody = choose(edges([]), STANDINGS)
    assert fallen(follow(np.array([3]), np.array([1]), nobody, STANDINGS)) == {3: 1}


def test_equal_documents_follow() -> None:
    near = choose(edges([(0, 1, 0.75), (REFERENCE, 2, 0.5)]), STANDINGS)
    found = follow(np.array([10, 11, 12, 13]), np.array([1, 2, 0, REFERENCE + 7]), near, STANDINGS)
    assert fallen(found) == {10: 0, 11: REFERENCE, 12: 0, 13: REFERENCE + 7}
    assert found.similarity.tolist() == [0.75, 0.5, 1.0, 1.0]
    assert found.cause.tolist() == [Cause.NEAR, Cause.REFERENCE, Cause.EXACT, Cause.REFERENCE]


@given(
    st.sets(st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda e: e[0] != e[1]), max_size=80),
    st.lists(st.integers(0, 5), min_size=31, max_size=31),
    st.randoms(use_true_random=False),
)
def test_each_that_falls_is_like_one_that_stays_and_those_that_stay_are_unlike(
    pairs: set[tuple[int, int]], rank: list[int], random: object
) -> None:
    oriented = {(a, b) if (rank[a], a) < (rank[b], b) else (b, a) for a, b in pairs}
    rows = [(a, b, 0.5 + (a * 31 + b) % 50 / 100) for a, b in sorted(oriented)]
    ranks = dict(enumerate(rank))
    found = choose(edges(rows, ranks), STANDINGS)
    falls = fallen(found)
    assert all((keeper, document) in oriented for document, keeper in falls.items())
    assert not falls.keys() & set(falls.values())
    assert all(a in falls or b in falls for a, b in oriented)
    shuffled = random.sample(rows, len(rows))  # type: ignore[attr-defined]
    again = choose(edges(shuffled, ranks), STANDINGS)
    assert [column.tolist() for column in found] == [column.tolist() for column in again]
