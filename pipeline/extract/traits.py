"""What can be measured of a text block: the numbers by which `judge.py` tells content from furniture.

Shallow text features and the neighbours' (Kohlschütter, Fankhauser, Nejdl: Boilerplate Detection using Shallow Text
Features, WSDM 2010), the containers' shares, and the names that authors give to their elements. All are
language-neutral and lie roughly in [0, 1] (logarithms of counts apart).
"""

import math
import string
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from pipeline.extract.blocks import Block, Blocks, Mark

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

_TAG_NUMBERS = {tag: [float(tag == t) for t in _TAGS] for tag in _TAGS}
_NO_TAG = [0.0] * len(_TAGS)
_MAIN, _ARTICLE = int(Mark.MAIN), int(Mark.ARTICLE)
_MARKS = tuple(int(mark) for mark in Mark)


class Containers:
    """Sums over the block-level elements of a page, and each block's way up through them."""

    def __init__(self, page: Blocks) -> None:
        self.parents = page.parents
        n = len(page.parents)
        self.words, self.linked, self.prose, self.count = [0] * n, [0] * n, [0] * n, [0] * n
        for block in page.blocks:
            node = block.node
            self.words[node] += block.words
            self.linked[node] += block.linked
            self.count[node] += 1
            if is_prose(block):
                self.prose[node] += block.words
        for values in (self.words, self.linked, self.prose, self.count):
            add_up(values, page.parents)
        self._boxes: dict[int, tuple[int, int, int, int, int]] = {}

    def climb(self, node: int, values: Sequence[int], least: int) -> int:
        """The nearest element, from `node` upwards, whose value is at least `least`, or the root."""
        while node > 0 and values[node] < least:
            node = self.parents[node]
        return node

    def boxes(self, node: int) -> tuple[int, int, int, int, int]:
        """The nearest elements with two blocks, with more than that, with more still, with 100 words, with 300
        words."""
        known = self._boxes.get(node)
        if known is not None:
            return known
        box = self.climb(node, self.count, 2)
        outer = self.climb(max(self.parents[box], 0), self.count, self.count[box] + 1)
        wider = self.climb(max(self.parents[outer], 0), self.count, self.count[outer] + 1)
        hundred = self.climb(outer, self.words, 100)
        found = self._boxes[node] = box, outer, wider, hundred, self.climb(hundred, self.words, 300)
        return found


def is_prose(block: Block) -> bool:
    """Long, and not a list of links."""
    return block.words >= 12 and block.linked * 3 < block.words


def add_up(values: list[Any], parents: Sequence[int]) -> None:
    """Turn each element's own value into the sum over its subtree, in place."""
    for node in range(len(values) - 1, 0, -1):
        values[parents[node]] += values[node]


def traits(page: Blocks, containers: Containers) -> list[list[float]]:
    """For each block the numbers named in `TRAITS`."""
    blocks, c = page.blocks, containers
    total, prose = max(1, c.words[0]), max(1, c.prose[0])
    page_wide = (math.log1p(total), prose / total, c.linked[0] / total)
    has_main = any(b.marks & _MAIN for b in blocks)
    has_article = any(b.marks & _ARTICLE for b in blocks)
    h1 = next((i for i, b in enumerate(blocks) if b.tag == "h1"), None)
    long = [i for i, b in enumerate(blocks) if b.words >= 20 and b.linked * 4 < b.words]
    first_prose, last_prose = (long[0], long[-1]) if long else (0, len(blocks))
    copies: defaultdict[str, int] = defaultdict(int)
    for block in blocks:
        copies[block.text] += 1
    tags = [_SAME_TAG.get(b.tag, b.tag) for b in blocks]
    shown = [(min(b.words, 40) / 40, b.linked / b.words) for b in blocks]
    box_numbers: dict[int, list[float]] = {}
    mark_numbers: dict[int, list[float]] = {}
    passed, rows = 0, []
    for i, block in enumerate(blocks):
        text, tag = block.text, tags[i]
        length, linked = shown[i]
        size, start = len(text), text[:_START]
        digits, capitals = _digits_and_capitals(start)
        row = [
            math.log1p(block.words), length, linked, float(linked > 0.9), math.log1p(size / block.words),
            float(text[-1] in _SENTENCE_ENDS), digits / len(start), capitals / len(start),
            float(text[0].isupper()), float("©" in text or "|" in text),
        ]  # fmt: skip
        row += _TAG_NUMBERS.get(tag, _NO_TAG)
        marked = mark_numbers.get(block.marks)
        if marked is None:
            marked = mark_numbers[block.marks] = [float(block.marks & mark != 0) for mark in _MARKS]
        row += marked
        row += [float(has_main and not block.marks & _MAIN), float(has_article and not block.marks & _ARTICLE)]
        around = box_numbers.get(block.node)
        if around is None:
            around = []
            box, outer, _, hundred, _ = c.boxes(block.node)
            for node in (box, outer, hundred):
                words = max(1, c.words[node])
                around += [
                    c.linked[node] / words,
                    math.log1p(words),
                    words / total,
                    c.prose[node] / prose,
                    c.prose[node] / words,
                ]
            box_numbers[block.node] = around
        row += around
        for distance in _NEIGHBOURS:
            j = i + distance
            row += [*shown[j], float(tags[j] == tag)] if 0 <= j < len(blocks) else [0.0, 1.0, 0.0]
        row += [
            passed / total, i / len(blocks), float(i < first_prose), float(i > last_prose), float(h1 is not None and
            i < h1), float(h1 is None), min(copies[text], 4) - 1.0, *page_wide,
        ]  # fmt: skip
        passed += block.words
        rows.append(row)
    return rows


def _digits_and_capitals(text: str) -> tuple[int, int]:
    if text.isascii():  # the quick way
        characters = text.encode()
        size = len(characters)
        return size - len(characters.translate(None, _DIGITS)), size - len(characters.translate(None, _CAPITALS))
    return sum(map(str.isdigit, text)), sum(map(str.isupper, text))


def neighbour_traits(page: Blocks, containers: Containers, chances: Sequence[float]) -> list[list[float]]:
    """For each block the numbers named in `NEIGHBOUR_TRAITS`: what a first judgement says of the blocks around it.

    chances: the first judgement, in (0, 1), one a block. A block's own chance tells nothing that its traits do not.
    """
    blocks, parents = page.blocks, page.parents
    n = len(blocks)
    weights = [min(b.words, 60) + 0.5 for b in blocks]
    good = [w * p for w, p in zip(weights, chances, strict=True)]
    all_weight, all_good = sum(weights), sum(good)
    mean = all_good / all_weight
    near = [_fading_means(good, weights, math.exp(-1 / reach)) for reach in _REACH]
    weight_in, good_in = [0.0] * len(parents), [0.0] * len(parents)
    alike: defaultdict[tuple[str, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for block, w, g in zip(blocks, weights, good, strict=True):
        weight_in[block.node] += w
        good_in[block.node] += g
        kind = alike[block.tag, block.marks]
        kind[0] += g
        kind[1] += w
    add_up(weight_in, parents)
    add_up(good_in, parents)
    rows, passed = [], 0.0
    for i, block in enumerate(blocks):
        w, g = weights[i], good[i]
        passed += g
        part = passed / all_good
        around = containers.boxes(block.node)
        kind = alike[block.tag, block.marks]
        rows.append([
            chances[i - 1] if i else 0.0, chances[i + 1] if i + 1 < n else 0.0,
            part, min(part, 1 - part), mean,
            *(means[i] for means in near),
            *((good_in[box] - g + 0.1 * mean) / (weight_in[box] - w + 0.1) for box in around),
            good_in[around[3]] / all_good, good_in[around[4]] / all_good,
            (kind[0] - g + 0.5 * mean) / (kind[1] - w + 0.5),
        ])  # fmt: skip
    return rows


def _fading_means(values: Sequence[float], weights: Sequence[float], fade: float) -> list[float]:
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
    return [a / b for a, b in zip(above, below, strict=True)]
