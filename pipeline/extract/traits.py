"""What can be measured of a text block: the numbers by which `judge.py` tells content from furniture.

Shallow text features and the neighbours' (Kohlschütter, Fankhauser, Nejdl: Boilerplate Detection using Shallow Text
Features, WSDM 2010), the containers' shares, and the names that authors give to their elements. All are
language-neutral and lie roughly in [0, 1] (logarithms of counts apart).

A page's traits are a matrix: a row a trait, a column a block. NumPy only adds, multiplies, divides and compares here,
and adds one after the other, so that every machine finds the same bits: its logarithms and exponentials are not the
same everywhere, those of `math` are.
"""

import math
import string
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.extract.blocks import Block, Blocks, Mark

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Rows = Numbers | npt.NDArray[np.bool_]
Values = TypeVar("Values", Numbers, Indices)

_SENTENCE_ENDS = frozenset('.!?:;…。！？"”’)')
_TAGS = ("p", "h1", "h2", "h3", "h4", "div", "pre", "li", "td", "dd", "button", "figcaption")
_SAME_TAG = {
    "blockquote": "p", "h5": "h4", "h6": "h4", "section": "div", "article": "div", "main": "div", "th": "td",
    "summary": "button",
    "caption": "figcaption", "dt": "dd",
}  # fmt: skip
_REACH = (2, 5, 12)
"""Blocks over which a neighbour's word fades by 1/e."""
_START = 160
"""Characters by which a block's digits and capitals are told."""
_DIGITS = string.digits.encode()
_CAPITALS = string.ascii_uppercase.encode()
_NEIGHBOURS = (-2, -1, 1, 2)

TRAITS: tuple[str, ...] = (
    "words", "length", "linked", "all_linked", "word_length", "sentence", "digits", "upper", "capital", "bar",
    *(f"tag_{tag}" for tag in _TAGS),
    *(f"in_{mark.name.lower()}" for mark in Mark if mark.name),
    "outside_main", "outside_article",
    *(f"{box}_{what}" for box in ("box", "outer", "hundred")
      for what in ("linked", "words", "share", "prose_share", "prose")),
    *(f"neighbour{d}_{what}" for d in _NEIGHBOURS for what in ("length", "linked", "tag")),
    "passed", "position", "before_prose", "after_prose", "before_h1", "no_h1", "copies",
    "page_words", "page_prose", "page_linked",
)  # fmt: skip
"""Names of the numbers that `traits` gives each block, in their order."""

NEIGHBOUR_TRAITS: tuple[str, ...] = (
    "previous", "next", "chance_passed", "chance_edge", "chance_page",
    *(f"near{reach}" for reach in _REACH),
    "box_chance", "outer_chance", "wider_chance", "hundred_chance", "three_hundred_chance",
    "hundred_good", "three_hundred_good",
    "alike",
)  # fmt: skip
"""Names of the numbers that `neighbour_traits` adds."""

_TAG_ROWS = np.vstack([np.eye(len(_TAGS)), np.zeros(len(_TAGS))]).T
"""Which of `_TAGS` an element is, by its number among them; the last column is for any other."""
_MAIN, _ARTICLE = int(Mark.MAIN), int(Mark.ARTICLE)
_MARKS = np.array([[int(mark)] for mark in Mark])


class Containers:
    """Sums over the block-level elements of a page, and each block's way up through them.

    words, linked, prose: of each element with all that it holds, one number an element. page_words, page_prose: of the
    whole page, at least 1. nodes, block_words: each block's element and words.
    boxes: for each block (a column) the nearest elements with two blocks, with more than that, with more still, with
    100 words, with 300 words.
    """

    def __init__(self, page: Blocks) -> None:
        self.parents = page.parents
        self.nodes = _integers(block.node for block in page.blocks)
        self.block_words = _integers(block.words for block in page.blocks)
        ends = _ends(page.parents)
        self.words = self._summed(self.block_words, ends)
        self.linked = self._summed([block.linked for block in page.blocks], ends)
        self.prose = self._summed([block.words if is_prose(block) else 0 for block in page.blocks], ends)
        self.page_words, self.page_prose = max(1, self.words[0]), max(1, self.prose[0])
        self._word_list = self.words.tolist()
        self._count_list = self._summed([1] * len(page.blocks), ends).tolist()
        ways = {node: self._way_up(node) for node in dict.fromkeys(self.nodes.tolist())}
        self.boxes = np.array([ways[node] for node in self.nodes.tolist()], np.int64).reshape(-1, 5).T

    def _summed(self, values: Sequence[int] | Indices, ends: Indices) -> Indices:
        """The sum over each element's subtree, of values that belong to blocks."""
        own = np.bincount(self.nodes, weights=values, minlength=len(self.parents)).astype(np.int64)
        before: Indices = np.concatenate([[0], np.cumsum(own)])
        return before[ends] - before[:-1]

    def _way_up(self, node: int) -> tuple[int, int, int, int, int]:
        words, count, parents = self._word_list, self._count_list, self.parents
        box = self._climb(node, count, 2)
        outer = self._climb(max(parents[box], 0), count, count[box] + 1)
        wider = self._climb(max(parents[outer], 0), count, count[outer] + 1)
        hundred = self._climb(outer, words, 100)
        return box, outer, wider, hundred, self._climb(hundred, words, 300)

    def _climb(self, node: int, values: Sequence[int], least: int) -> int:
        """The nearest element, from `node` upwards, whose value is at least `least`, or the root."""
        while node > 0 and values[node] < least:
            node = self.parents[node]
        return node


def is_prose(block: Block) -> bool:
    """Long, and not a list of links."""
    return block.words >= 12 and block.linked * 3 < block.words


def _ends(parents: Sequence[int]) -> Indices:
    """For each element the number of the first one behind its subtree: elements are numbered in document order."""
    ends = list(range(1, len(parents) + 1))
    for node in range(len(parents) - 1, 0, -1):
        parent = parents[node]
        if ends[node] > ends[parent]:
            ends[parent] = ends[node]
    return np.array(ends, np.int64)


def add_up(values: list[float], parents: Sequence[int]) -> list[float]:
    """Turn each element's own value into the sum over its subtree, in place."""
    for node in range(len(values) - 1, 0, -1):
        values[parents[node]] += values[node]
    return values


def traits(page: Blocks, containers: Containers) -> Numbers:
    """The numbers named in `TRAITS`: a row a trait, a column a block."""
    words = containers.block_words
    length, linked = np.minimum(words, 40) / 40, _integers(b.linked for b in page.blocks) / words
    tags = _numbered(_SAME_TAG.get(b.tag, b.tag) for b in page.blocks)
    return np.vstack([
        *_of_themselves(page.blocks, words, length, linked),
        *_of_elements(page.blocks, tags),
        *_of_containers(containers),
        *_of_neighbours(length, linked, tags),
        *_of_places(page.blocks, linked, containers),
    ])  # fmt: skip


def _of_themselves(blocks: Sequence[Block], words: Indices, length: Numbers, linked: Numbers) -> Iterator[Rows]:
    texts = np.array([_of_text(block.text) for block in blocks]).T
    yield from (_log1p(words), length, linked, linked > 0.9)
    yield from (_log1p(texts[0] / words), *texts[1:])


def _of_elements(blocks: Sequence[Block], tags: Indices) -> Iterator[Rows]:
    marks = _integers(block.marks for block in blocks)
    yield from (_TAG_ROWS[:, np.minimum(tags, len(_TAGS))], marks & _MARKS != 0)
    for mark in (_MAIN, _ARTICLE):
        inside = marks & mark != 0
        yield ~inside & inside.any()


def _of_containers(c: Containers) -> Iterator[Rows]:
    logarithms = _log1p(np.maximum(1, c.words))
    box, outer, _, hundred, _ = c.boxes
    for nodes in (box, outer, hundred):
        words = np.maximum(1, c.words[nodes])
        yield from (c.linked[nodes] / words, logarithms[nodes], words / c.page_words)
        yield from (c.prose[nodes] / c.page_prose, c.prose[nodes] / words)


def _of_neighbours(length: Numbers, linked: Numbers, tags: Indices) -> Iterator[Rows]:
    for distance in _NEIGHBOURS:
        yield from (_moved(length, distance, 0.0), _moved(linked, distance, 1.0), _moved(tags, distance, -1) == tags)


def _of_places(blocks: Sequence[Block], linked: Numbers, c: Containers) -> Iterator[Rows]:
    n, words, total = len(blocks), c.block_words, c.page_words
    places = np.arange(n)
    long = np.flatnonzero((words >= 20) & (linked * 4 < 1))
    first_prose, last_prose = (long[0], long[-1]) if len(long) else (0, n)
    h1 = next((place for place, block in enumerate(blocks) if block.tag == "h1"), None)
    copies = Counter(block.text for block in blocks)
    yield from ((np.cumsum(words) - words) / total, places / n, places < first_prose, places > last_prose)
    yield from (places < (-1 if h1 is None else h1), np.full(n, h1 is None))
    yield np.array([min(copies[block.text], 4) - 1.0 for block in blocks])
    for of_the_page in (math.log1p(total), c.page_prose / total, c.linked[0] / total):
        yield np.full(n, of_the_page)


def _of_text(text: str) -> tuple[float, ...]:
    start = text[:_START]
    digits, capitals = _digits_and_capitals(start)
    return (
        len(text), text[-1] in _SENTENCE_ENDS, digits / len(start), capitals / len(start), text[0].isupper(),
        "©" in text or "|" in text,
    )  # fmt: skip


def _digits_and_capitals(text: str) -> tuple[int, int]:
    if text.isascii():  # the quick way
        characters = text.encode()
        size = len(characters)
        return size - len(characters.translate(None, _DIGITS)), size - len(characters.translate(None, _CAPITALS))
    return sum(map(str.isdigit, text)), sum(map(str.isupper, text))


def _integers(values: Iterable[int]) -> Indices:
    return np.fromiter(values, np.int64)


def _numbered(tags: Iterable[str]) -> Indices:
    """A number for each element's name: its place in `_TAGS`, or one behind them."""
    numbers = {tag: number for number, tag in enumerate(_TAGS)}
    return _integers(numbers.setdefault(tag, len(numbers)) for tag in tags)


def _log1p(values: npt.NDArray[np.generic]) -> Numbers:
    return np.array([math.log1p(value) for value in values.tolist()])


def _moved(values: Values, distance: int, beyond: float) -> Values:
    """For each block the value of the one `distance` further; `beyond` past the page's ends."""
    moved = np.full_like(values, beyond)
    if distance > 0:
        moved[:-distance] = values[distance:]
    else:
        moved[-distance:] = values[:distance]
    return moved


def neighbour_traits(page: Blocks, containers: Containers, chances: Numbers) -> Numbers:
    """The numbers named in `NEIGHBOUR_TRAITS`, a row each: what a first judgement says of the blocks around a block.

    chances: the first judgement, in (0, 1), one a block. A block's own chance tells nothing that its traits do not.
    """
    blocks, c = page.blocks, containers
    weights = np.minimum(c.block_words, 60) + 0.5
    good = weights * chances
    passed = np.cumsum(good)
    all_good = passed[-1]
    mean = all_good / np.cumsum(weights)[-1]
    part = passed / all_good
    rows = [_moved(chances, -1, 0.0), _moved(chances, 1, 0.0), part, np.minimum(part, 1 - part)]
    rows += [np.full(len(blocks), mean)]
    rows += [_fading_means(good.tolist(), weights.tolist(), math.exp(-1 / reach)) for reach in _REACH]
    weight_in, good_in = (
        np.array(add_up(np.bincount(c.nodes, weights=values, minlength=len(c.parents)).tolist(), c.parents))
        for values in (weights, good)
    )
    rows += [(good_in[box] - good + 0.1 * mean) / (weight_in[box] - weights + 0.1) for box in c.boxes]
    rows += [good_in[box] / all_good for box in c.boxes[3:]]
    kinds: dict[tuple[str, int], int] = {}
    kind = _integers(kinds.setdefault((b.tag, b.marks), len(kinds)) for b in blocks)
    good_alike, weight_alike = (np.bincount(kind, weights=values)[kind] for values in (good, weights))
    rows += [(good_alike - good + 0.5 * mean) / (weight_alike - weights + 0.5)]
    return np.vstack(rows)


def _fading_means(values: Sequence[float], weights: Sequence[float], fade: float) -> Numbers:
    """Around each place the mean of value / weight over the others, each counting `fade` times less a step further
    away."""
    n = len(values)
    above, below = [0.0] * n, [1e-6] * n
    for order in (range(n), range(n - 1, -1, -1)):
        value = weight = 0.0
        for i in order:
            above[i] += value
            below[i] += weight
            value = (value + values[i]) * fade
            weight = (weight + weights[i]) * fade
    means: Numbers = np.array(above) / np.array(below)
    return means
