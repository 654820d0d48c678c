"""Two texts beside each other: which words of each the other one lacks."""

import difflib
import re
from typing import NamedTuple

WORDS_SHOWN = 400
_PIECE = re.compile(r"\S+\s*|\s+")


class Run(NamedTuple):
    """A stretch of a text, white space included, that the other text has at this place too, or does not."""

    text: str
    differs: bool


def side_by_side(left: str, right: str, words: int = WORDS_SHOWN) -> tuple[list[Run], list[Run]]:
    """The first `words` words of both texts, cut into runs; a side's runs joined are its beginning, unchanged.

    Words are compared without the white space between them. Only the beginnings are compared: the longest common subsequence of
    long texts would take minutes.
    """
    left_pieces, right_pieces = (_PIECE.findall(text)[:words] for text in (left, right))
    matcher = difflib.SequenceMatcher(None, *([p.strip() for p in pieces] for pieces in (left_pieces, right_pieces)), False)
    left_runs, right_runs = [], []
    for kind, left_start, left_end, right_start, right_end in matcher.get_opcodes():
        for pieces, start, end, runs in (
            (left_pieces, left_start, left_end, left_runs),
            (right_pieces, right_start, right_end, right_runs),
        ):
            if end > start:
                runs.append(Run("".join(pieces[start:end]), kind != "equal"))
    return left_runs, right_runs
