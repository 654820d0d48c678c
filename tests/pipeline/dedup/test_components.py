"""Components of graphs, in one piece and in many."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipeline.dedup.components import Components, components
from pipeline.dedup.stage import JoinComponents

EDGES = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=120)


def arrays(edges: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(edges, dtype=np.int64).reshape(-1, 2) * 3_000_000_000
    return both[:, 0], both[:, 1]


def with_scipy(edges: list[tuple[int, int]]) -> dict[int, int]:
    one, other = arrays(edges)
    nodes, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    graph = coo_array(
        (np.ones(len(one)), (places[: len(one)], places[len(one) :])), shape=(len(nodes), len(nodes))
    ).tocsr()
    _, labels = connected_components(graph, directed=False)
    return {int(node): int(nodes[labels == label].min()) for node, label in zip(nodes, labels, strict=True)}


def as_dict(found: Components) -> dict[int, int]:
    return dict(zip(found.nodes.tolist(), found.labels.tolist(), strict=True))


@given(EDGES)
def test_components_are_scipys(edges: list[tuple[int, int]]) -> None:
    assert as_dict(components(*arrays(edges))) == (with_scipy(edges) if edges else {})


def test_components_of_a_large_random_graph_are_scipys() -> None:
    edges = np.random.default_rng(3).integers(0, 100_000, (60_000, 2)).tolist()
    found = components(*arrays(edges))
    one, other = arrays(edges)
    nodes, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    graph = coo_array((np.ones(len(one)), (places[: len(one)], places[len(one) :])), shape=(len(nodes),) * 2).tocsr()
    count, labels = connected_components(graph, directed=False)
    assert len(found.sizes()[0]) == count
    assert len(np.unique(np.stack([labels, found.labels]), axis=1).T) == count


@given(EDGES, st.randoms(use_true_random=False))
def test_any_tree_of_merges_gives_the_same(edges: list[tuple[int, int]], random: object) -> None:
    combine = JoinComponents()
    whole = combine.extract_output(combine.add_input(combine.create_accumulator(), arrays(edges)))
    shuffled = random.sample(edges, len(edges))  # type: ignore[attr-defined]
    pieces = [combine.create_accumulator()]
    while shuffled:
        size = random.randint(1, len(shuffled))  # type: ignore[attr-defined]
        pieces.append(combine.add_input(combine.create_accumulator(), arrays(shuffled[:size])))
        shuffled = shuffled[size:]
    while len(pieces) > 1:
        random.shuffle(pieces)  # type: ignore[attr-defined]
        size = random.randint(2, len(pieces))  # type: ignore[attr-defined]
        pieces = [combine.merge_accumulators(pieces[:size]), *pieces[size:]]
    assert np.array_equal(pieces[0].nodes, whole.nodes)
    assert np.array_equal(pieces[0].labels, whole.labels)
    assert len(whole.nodes) <= 2 * len(edges)


def test_labels_of_documents_without_an_edge_are_their_own() -> None:
    found = components(np.array([4, 9]), np.array([2, 4]))
    assert found.label_of(np.array([1, 2, 4, 9, 10])).tolist() == [1, 2, 2, 2, 10]
    assert Components.none().label_of(np.array([3])).tolist() == [3]
