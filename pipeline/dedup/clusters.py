"""How large the clusters of duplicates are, and whether one is too large to be true."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from pipeline.dedup.components import Components
from pipeline.dedup.sources import Ordinals

SAMPLE = 5


class Largest(NamedTuple):
    """The largest cluster: how many documents it has, and the first few of them."""

    size: int
    sample: Ordinals


def histogram(components: Components) -> Mapping[str, int]:
    """How many clusters there are of 2, 3, 4 to 7, 8 to 15, ... documents of this run: counter -> clusters."""
    _, sizes = components.sizes()
    bins = np.floor(np.log2(sizes)).astype(np.int64)
    found = {"clusters": len(sizes), "clusters_of_2": int((sizes == 2).sum()), "clusters_of_3": int((sizes == 3).sum())}
    for power in range(2, int(bins.max(initial=1)) + 1):
        found[f"clusters_of_{2**power}_to_{2 ** (power + 1) - 1}"] = int((bins == power).sum())
    return found


def largest(components: Components) -> Largest:
    """The largest cluster, of equal ones the one with the least document."""
    labels, sizes = components.sizes()
    if not len(sizes):
        return Largest(0, labels)
    label = labels[np.argmax(sizes)]
    return Largest(int(sizes.max()), components.nodes[components.labels == label][:SAMPLE])


def fault(size: int, documents: int, max_share: float, min_giant: int, sample_ids: list[str]) -> str | None:
    """What to tell the user when the largest cluster is implausible: more than its share and at least `min_giant`."""
    if size < min_giant or size <= max_share * documents:
        return None
    return (
        f"{size:,} of {documents:,} documents are one cluster of duplicates, for example {', '.join(sample_ids)}:"
        " a template or an error page was probably taken for their text; look at them with webtext inspect, then block"
        " their domain, raise dedup.threshold, or, if they really are copies, raise dedup.max_cluster_share."
    )
