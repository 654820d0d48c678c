"""From documents that met in a band to pairs to be measured, never more than a fixed number a document.

In a small bucket everyone is paired with everyone. In a large one that would be quadratic, so everyone is paired with
the best-ranked few, who are the likely keepers, and with the next in rank, which holds the bucket together when it is
a mixture.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.dedup.sources import Ordinals, Ranks, Standing

SMALL = 32
"""Members of a bucket up to which all its pairs are measured."""
LEADERS = 16
"""The best-ranked members of a larger bucket with whom all others are paired; as many again from outside the run."""


class Pairs(NamedTuple):
    """Pairs of documents, ascending, each once: the first is of better rank, so it can be the second's keeper.

    Its text is what travels. In a large cluster all have the same few leaders, whose texts go to everyone; the other
    way round everyone's text would meet in one place.
    """

    leader: Ordinals
    follower: Ordinals


def candidate_pairs(
    hashes: npt.NDArray[np.uint64],
    ordinals: Ordinals,
    ranks: Ranks,
    standings: npt.NDArray[np.int64],
) -> Pairs:
    """The pairs worth measuring among documents of one band; every follower is of this run.

    All arrays have one entry a document, in any order; the result does not depend on the order.
    """
    shared = in_company(hashes)
    hashes, ordinals, ranks, standings = hashes[shared], ordinals[shared], ranks[shared], standings[shared]
    order = np.lexsort((ordinals, ranks, standings, hashes))
    hashes, ordinals, standings = hashes[order], ordinals[order], standings[order]
    count = len(hashes)
    opens = np.ones(count, dtype=bool)
    opens[1:] = hashes[1:] != hashes[:-1]
    bucket = np.cumsum(opens) - 1
    starts = np.flatnonzero(opens)
    sizes = np.diff(np.append(starts, count))
    outsiders = np.add.reduceat((standings < Standing.RUN).astype(np.int64), starts) if count else sizes
    members = np.arange(count)
    large = (sizes > SMALL)[bucket]

    one, other = [], []

    def pair(firsts: npt.NDArray[np.int64], seconds: npt.NDArray[np.int64]) -> None:
        one.append(firsts)
        other.append(seconds)

    for step in range(1, SMALL):
        near = members[: max(0, count - step)]
        near = near[(bucket[near] == bucket[near + step]) & ((step == 1) | ~large[near])]
        pair(near, near + step)
    followers = members[large]
    for leader in range(LEADERS):
        outside = starts[bucket[followers]] + leader
        valid = (leader < outsiders[bucket[followers]]) & (outside < followers)
        pair(outside[valid], followers[valid])
        inside = starts[bucket[followers]] + outsiders[bucket[followers]] + leader
        valid = inside < followers
        pair(inside[valid], followers[valid])

    firsts, seconds = np.concatenate(one), np.concatenate(other)
    wanted = standings[seconds] == Standing.RUN
    return unique_pairs(ordinals[firsts[wanted]], ordinals[seconds[wanted]])


def unique_pairs(leader: Ordinals, follower: Ordinals) -> Pairs:
    """The pairs in order, each once."""
    order = np.lexsort((follower, leader))
    leader, follower = leader[order], follower[order]
    first = np.ones(len(leader), dtype=bool)
    first[1:] = (leader[1:] != leader[:-1]) | (follower[1:] != follower[:-1])
    return Pairs(leader[first], follower[first])


def in_company(hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """The places of all hashes that occur more than once."""
    order = np.argsort(hashes)
    ordered = hashes[order]
    same = ordered[1:] == ordered[:-1]
    shared = np.zeros(len(hashes), dtype=bool)
    shared[1:] |= same
    shared[:-1] |= same
    return order[shared]
