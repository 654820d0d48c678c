"""Which blocks of a page are its content: a logistic rule, asked twice, and the choice that promises the best F1.

The first judgement sees each block with its containers and neighbours; the second also sees the first's judgement of
the blocks around it, so that a lone short line in an article stays and a lone sentence in a sidebar goes. The
weights are fitted by `benchmarks/extraction_fit.py` and stand, by name, in `weights.py`.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from operator import mul
from typing import NamedTuple

from pipeline.extract import weights
from pipeline.extract.blocks import Blocks
from pipeline.extract.traits import NEIGHBOUR_TRAITS, TRAITS, Containers, neighbour_traits, traits

_EXTREME = 9.0
"""Log odds beyond which more certainty changes nothing."""


class Judgement(NamedTuple):
    """Each block's chance of being content, which blocks are kept, and the F1 that the choice promises (in [0, 1])."""

    chances: list[float]
    kept: list[bool]
    promise: float


class Rule:
    """One logistic rule: a bias, and one weight for each named trait."""

    def __init__(self, by_name: Mapping[str, float], names: Sequence[str]) -> None:
        assert len(set(names)) == len(names), "two traits of one name"
        assert by_name.keys() == {"bias", *names}, "weights and traits belong to different versions: fit again"
        self.bias = by_name["bias"]
        self.weights = [by_name[name] for name in names]

    def chance(self, row: Sequence[float]) -> float:
        """A block's chance of being content, in (0, 1), from its traits."""
        odds = self.bias + sum(map(mul, self.weights, row))
        return 1 / (1 + math.exp(-max(-_EXTREME, min(_EXTREME, odds))))


class Judge:
    """Two rules, the second of which sees the first's judgement. `second_opinion`: fitted with another extractor's
    choice."""

    def __init__(self, *, second_opinion: bool) -> None:
        first, second = (
            (weights.ASKED_FIRST, weights.ASKED_SECOND) if second_opinion else (weights.FIRST, weights.SECOND)
        )
        names = (*TRAITS, "second_opinion") if second_opinion else TRAITS
        self.first = Rule(first, names)
        self.second = Rule(second, (*names, *NEIGHBOUR_TRAITS))

    def __call__(self, page: Blocks, rows: Sequence[list[float]], containers: Containers) -> Judgement:
        """Judge a page's blocks by their `traits` (and, with a second opinion, its share of agreement as one more
        number)."""
        chances = [self.first.chance(row) for row in rows]
        around = neighbour_traits(page, containers, chances)
        chances = [self.second.chance([*row, *more]) for row, more in zip(rows, around, strict=True)]
        return choose(chances, [block.words for block in page.blocks])


@functools.cache
def judge(*, second_opinion: bool) -> Judge:
    """The judge, read from `weights.py` once."""
    return Judge(second_opinion=second_opinion)


def judge_alone(page: Blocks) -> tuple[Judgement, list[list[float]], Containers]:
    """The judgement without another extractor's help, and what it was made from."""
    containers = Containers(page)
    rows = traits(page, containers)
    return judge(second_opinion=False)(page, rows, containers), rows, containers


def choose(chances: Sequence[float], words: Sequence[int]) -> Judgement:
    """Keep the likeliest blocks, as many as make the expected word F1 greatest.

    With a block's words as items, F1 of a choice is about 2·Σ_kept w·p / (Σ_kept w + Σ_all w·p); the best choice is
    a prefix of the blocks sorted by chance (Lewis: Evaluating and optimizing autonomous text classification systems,
    SIGIR 1995).
    """
    wanted = sum(w * p for w, p in zip(words, chances, strict=True))
    order = sorted(range(len(chances)), key=lambda i: (-chances[i], i))
    found, taken, best, depth = 0.0, 0, 0.0, 0
    for rank, i in enumerate(order, 1):
        found += words[i] * chances[i]
        taken += words[i]
        promise = 2 * found / (taken + wanted)
        if promise > best:
            best, depth = promise, rank
    kept = [False] * len(chances)
    for i in order[:depth]:
        kept[i] = True
    return Judgement(list(chances), kept, best)
