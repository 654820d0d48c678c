"""Connected components of the graph of duplicates, found piece by piece.

What is known of the graph is always kept as its components: each document with the least document of its component, at
most as many rows as there are documents with an edge. Putting two such pieces together gives the same whatever the
order and the grouping, so it can be done in a tree on many machines.
"""

from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from pipeline.dedup.sources import Ordinals
from pipeline.minhash import kernel


class Components(NamedTuple):
    """Documents, ascending, and for each the least of its component."""

    nodes: Ordinals
    labels: Ordinals

    @classmethod
    def none(cls) -> Self:
        """The components of no edges."""
        return cls(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))

    def joined(self, one: Ordinals, other: Ordinals) -> "Components":
        """The components with more edges, between one[i] and other[i]."""
        return components(np.concatenate([self.nodes, one]), np.concatenate([self.labels, other]))

    def label_of(self, ordinals: Ordinals) -> Ordinals:
        """The labels of documents; one that has no edge is its own."""
        if not len(self.nodes):
            return ordinals
        at = np.minimum(np.searchsorted(self.nodes, ordinals), len(self.nodes) - 1)
        return np.where(self.nodes[at] == ordinals, self.labels[at], ordinals)

    def sizes(self) -> tuple[Ordinals, npt.NDArray[np.int64]]:
        """(labels, documents) of the components, by label."""
        labels, counts = np.unique(self.labels, return_counts=True)
        return labels, counts


def components(one: Ordinals, other: Ordinals) -> Components:
    """The components of the edges between one[i] and other[i]; an edge may join a document with itself."""
    nodes, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    parents = np.arange(len(nodes))
    _unite(parents, places[: len(one)], places[len(one) :])
    return Components(nodes, nodes[parents])


@kernel
def _unite(parents, one, other):  # type: ignore[no-untyped-def]
    """Union-find; leaves in `parents` the least node of each node's component."""
    for edge in range(one.size):
        a, b = one[edge], other[edge]
        while parents[a] != a:
            parents[a] = parents[parents[a]]
            a = parents[a]
        while parents[b] != b:
            parents[b] = parents[parents[b]]
            b = parents[b]
        if a < b:
            parents[b] = a
        else:
            parents[a] = b
    for node in range(parents.size):
        parents[node] = parents[parents[node]]
