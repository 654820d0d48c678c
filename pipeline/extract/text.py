"""A page's main text: a cascade of a fast judge and, where it doubts itself, trafilatura.

The judge (`judge.py`) reads every page. What it promises for its own choice tells when it has failed; only then
trafilatura's fast pass is run, and the judge decides again, knowing which blocks trafilatura kept.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import trafilatura

from pipeline.extract.blocks import Blocks
from pipeline.extract.decode import clean
from pipeline.extract.judge import judge, judge_alone
from pipeline.extract.rules import DOUBT

_MOST_BLOCKS = 5_000
"""Blocks beyond which trafilatura, whose time grows faster than the page, is not asked."""
_WORD = re.compile(r"\w+")
_GRAM = 3
_COPY_WORDS = 8
"""Words from which a block's second copy, as pages for two screen widths have it, is left out."""


def never_hopeless(_text: str) -> bool:
    """Give up no page."""
    return False


class MainText(NamedTuple):
    """The text, and the F1 that the choice of its blocks promises."""

    text: str
    promise: float


def main_text(
    page: Blocks, tree: Any, doubt: float = DOUBT, hopeless: Callable[[str], bool] = never_hopeless
) -> MainText:
    """The page's main content as plain text: paragraphs separated by empty lines, list items and table rows by line
    ends.

    tree: the page's tree, which trafilatura may change. doubt: promise below which trafilatura is asked; 0 never, 1
    always. hopeless: told the judge's own choice, says whether the page is refused anyway: then trafilatura is not
    asked.
    """
    if not page.blocks:
        return MainText(clean(second_opinion(tree)) if doubt > 0 else "", 0.0)  # some forums send their text as data
    judgement, rows, containers = judge_alone(page)
    own = MainText(clean(_written(page, judgement.kept)), judgement.promise)
    if own.promise >= doubt or len(page.blocks) > _MOST_BLOCKS or hopeless(own.text):
        return own
    second = second_opinion(tree)
    if not second:
        return own
    if len(second.split()) > 2 * sum(block.words for block in page.blocks):
        return MainText(clean(second), 0.0)  # it found text where this page has no visible block, as in JSON-LD
    agreement = agreements([block.text for block in page.blocks], second)
    judgement = judge(second_opinion=True)(page, np.vstack([rows, agreement]), containers)
    return MainText(clean(_written(page, judgement.kept)), judgement.promise)


def second_opinion(tree: Any) -> str:
    """What trafilatura's fast pass takes for the main text; empty where it finds none or fails."""
    try:
        return trafilatura.extract(tree, fast=True, include_comments=False, deduplicate=False) or ""
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  a page that it cannot read is a page without a second opinion
        return ""


def agreements(texts: Sequence[str], other: str) -> list[float]:
    """For each text the share of its word sequences (of 3, or its whole length if shorter) that `other` contains, in
    [0, 1]."""
    words = _WORD.findall(other.lower())
    known = {tuple(words[i : i + n]) for n in range(1, _GRAM + 1) for i in range(len(words) - n + 1)}
    shares = []
    for text in texts:
        own = _WORD.findall(text.lower())
        n = min(_GRAM, len(own))
        grams = [tuple(own[i : i + n]) for i in range(len(own) - n + 1)] if n else []
        shares.append(sum(gram in known for gram in grams) / len(grams) if grams else 0.0)
    return shares


def _written(page: Blocks, kept: Sequence[bool]) -> str:
    """The kept blocks as text."""
    parts: list[str] = []
    before = None
    seen: set[str] = set()
    for block, keep in zip(page.blocks, kept, strict=True):
        if not keep or block.text in seen:
            continue
        if block.words >= _COPY_WORDS:
            seen.add(block.text)
        if before is not None:
            parts.append(_between(before.tag, block.tag, page.parents[before.node], page.parents[block.node]))
        parts.append(block.text)
        before = block
    return "".join(parts)


def _between(tag: str, next_tag: str, parent: int, next_parent: int) -> str:
    if tag in ("td", "th") and next_tag in ("td", "th"):
        return " | " if parent == next_parent else "\n"
    if parent == next_parent and tag in ("li", "dt", "dd") and next_tag in ("li", "dt", "dd"):
        return "\n"
    return "\n\n"
