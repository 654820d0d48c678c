"""Who stays: the best document of every neighbourhood, so that each one that falls is measurably like one that stays.

Where A is like B and B like C, but A is not like C, dropping all but one of the component would drop C for being like a
document that is itself dropped. So the documents are asked in the order of their rank, and one falls only when it has a
verified edge to one that stays already: of a chain A, B, C by rank, B falls and A and C stay.
"""

import enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.dedup.sources import Ordinals, Ranks, Standing, parts_of
from pipeline.minhash import kernel


class Edges(NamedTuple):
    """Measured pairs, one array entry each; the leader is of better rank, or equal rank and smaller ordinal.

    same_link: it is one link, in an earlier release and in this run.
    """

    leader: Ordinals
    follower: Ordinals
    leader_rank: Ranks
    follower_rank: Ranks
    similarity: npt.NDArray[np.float32]
    same_link: npt.NDArray[np.bool_]


class Cause(enum.IntEnum):
    """Why a document falls."""

    NEAR = 0
    EXACT = 1
    REFERENCE = 2


class Falls(NamedTuple):
    """Documents that fall, ascending; the keeper of each, how alike they are, and the `Cause`."""

    fallen: Ordinals
    keeper: Ordinals
    similarity: npt.NDArray[np.float32]
    cause: npt.NDArray[np.uint8]


def choose(edges: Edges, standings: npt.NDArray[np.int64]) -> Falls:
    """Who falls to whom, given all edges of some components, in any order.

    standings: of the parts, by number. A document's keeper is the neighbour that stays and stands highest, among these
    the most similar, then the one of best rank.
    """
    ends = np.concatenate([edges.leader, edges.follower])
    nodes, places = np.unique(ends, return_inverse=True)
    rank = np.empty(len(nodes), dtype=np.uint32)
    rank[places] = np.concatenate([edges.leader_rank, edges.follower_rank])
    standing = standings[parts_of(nodes)]
    by_turn = np.lexsort((nodes, rank, standing))
    turn = np.empty(len(nodes), dtype=np.int64)
    turn[by_turn] = np.arange(len(nodes))

    count = len(edges.leader)
    earlier, later = turn[places[:count]], turn[places[count:]]
    # each document's better neighbours, those that it would rather fall to first
    order = np.lexsort((earlier, -edges.similarity, standing[by_turn[earlier]], later))
    earlier, later = earlier[order], later[order]
    keeper_edge = np.full(len(nodes), -1, dtype=np.int64)
    falls_possible = standing[by_turn] == Standing.RUN
    _settle(np.searchsorted(later, np.arange(len(nodes) + 1)), earlier, falls_possible, keeper_edge)

    fallen = np.flatnonzero(keeper_edge >= 0)
    chosen = keeper_edge[fallen]
    keeper = by_turn[earlier[chosen]]
    cause = np.where(edges.same_link[order[chosen]], Cause.EXACT, Cause.NEAR)
    cause = np.where(standing[keeper] == Standing.REFERENCE, Cause.REFERENCE, cause)
    ordinals = nodes[by_turn[fallen]]
    sort = np.argsort(ordinals)
    return Falls(
        ordinals[sort],
        nodes[keeper][sort],
        edges.similarity[order[chosen]][sort],
        cause.astype(np.uint8)[sort],
    )


def follow(fallen: Ordinals, twin: Ordinals, falls: Falls, standings: npt.NDArray[np.int64]) -> Falls:
    """The falls of documents that equal another: to the twin where it stays, else the twin's own fall.

    falls: of documents that are no exact duplicates, ascending.
    """
    at = np.minimum(np.searchsorted(falls.fallen, twin), max(0, len(falls.fallen) - 1))
    gone = falls.fallen[at] == twin if len(falls.fallen) else np.zeros(len(twin), dtype=bool)
    keeper, similarity = twin.copy(), np.ones(len(twin), dtype=np.float32)
    reference = standings[parts_of(twin)] == Standing.REFERENCE
    cause = np.where(reference, Cause.REFERENCE, Cause.EXACT).astype(np.uint8)
    keeper[gone] = falls.keeper[at[gone]]
    similarity[gone] = falls.similarity[at[gone]]
    cause[gone] = falls.cause[at[gone]]
    return Falls(fallen, keeper, similarity, cause)


@kernel
def _settle(starts, earlier, can_fall, keeper_edge):  # type: ignore[no-untyped-def]
    """In the order of turns: a node falls to its first neighbour that stays, and this edge is written down."""
    for node in range(can_fall.size):
        if can_fall[node]:
            for edge in range(starts[node], starts[node + 1]):
                if keeper_edge[earlier[edge]] < 0:
                    keeper_edge[node] = edge
                    break
