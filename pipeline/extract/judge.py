"""Which blocks of a page are its content: a logistic rule, asked twice, and the choice that promises the best F1.

The first judgement sees each block with its containers and neighbours; the second also sees the first's judgement of
the blocks around it, so that a lone short line in an article stays and a lone sentence in a sidebar goes. The
weights are fitted by `benchmarks/extraction_fit.py` and stand, by name, in `weights.py`.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.extract import weights
from pipeline.extract.blocks import Blocks
from pipeline.extract.traits import NEIGHBOUR_TRAITS, TRAITS, Containers, Numbers, neighbour_traits, traits

_EXTREME = 9.0
"""Log odds beyond which more certainty changes nothing."""


class Judgement(NamedTuple):
    """Each block's chance of being content, which blocks are kept, and the F1 that the choice promises (in [0, 1])."""

    chances: Numbers
    kept: list[bool]
    promise: float


class Rule:
    """One logistic rule: a bias, and one weight for each named trait."""

    def __init__(self, by_name: Mapping[str, float], names: Sequence[str]) -> None:
        assert len(set(names)) == len(names), "two traits of one name"
        assert by_name.keys() == {"bias", *names}, "weights and traits belong to different versions: fit again"
        self.bias = by_name["bias"]
        self.weights = np.array([[by_name[name]] for name in names])

    def chances(self, rows: Numbers) -> Numbers:
        """Each block's chance of being content, in (0, 1), from its traits: a row a trait, a column a block."""
        # Down the rows NumPy adds one after the other; a product of matrices would add as the processor likes best.
        odds = np.clip(self.bias + np.add.reduce(self.weights * rows, axis=0), -_EXTREME, _EXTREME)
        return 1 / (1 + np.array([math.exp(-each) for each in odds.tolist()]))


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

    def __call__(self, page: Blocks, rows: Numbers, containers: Containers) -> Judgement:
        """Judge a page's blocks by their `traits` (and, with a second opinion, its share of agreement as one more
        row)."""
        around = neighbour_traits(page, containers, self.first.chances(rows))
        chances = self.second.chances(np.vstack([rows, around]))
        return choose(chances, [block.words for block in page.blocks])


@functools.cache
def judge(*, second_opinion: bool) -> Judge:
    """The judge, read from `weights.py` once."""
    return Judge(second_opinion=second_opinion)


def judge_alone(page: Blocks) -> tuple[Judgement, Numbers, Containers]:
    """The judgement without another extractor's help, and what it was made from."""
    containers = Containers(page)
    rows = traits(page, containers)
    return judge(second_opinion=False)(page, rows, containers), rows, containers


def choose(chances: npt.ArrayLike, words: Sequence[int]) -> Judgement:
    """Keep the likeliest blocks, as many as make the expected word F1 greatest.

    With a block's words as items, F1 of a choice is about 2·Σ_kept w·p / (Σ_kept w + Σ_all w·p); the best choice is
    a prefix of the blocks sorted by chance (Lewis: Evaluating and optimizing autonomous text classification systems,
    SIGIR 1995).
    """
    likely, sizes = np.asarray(chances, np.float64), np.asarray(words)
    gains = sizes * likely
    wanted = np.cumsum(gains)[-1]
    order = np.argsort(-likely, kind="stable")
    promises = 2 * np.cumsum(gains[order]) / (np.cumsum(sizes[order]) + wanted)
    best = int(promises.argmax())
    kept = np.zeros(len(sizes), np.bool_)
    kept[order[: best + 1]] = True
    return Judgement(likely, kept.tolist(), float(promises[best]))
