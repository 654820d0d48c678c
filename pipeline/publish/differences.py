"""Two texts beside each other: which words of each the other one lacks."""

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

WORDS_SHOWN = 400
CONTEXT = 25
_PIECE = re.compile(r"\S+\s*|\s+")


class Run(NamedTuple):
    """A stretch of a text, white space included, that the other text has at this place too, or does not."""

    text: str
    differs: bool


def side_by_side(left: str, right: str, words: int = WORDS_SHOWN) -> tuple[list[Run], list[Run]]:
    """The first `words` words of both texts, cut into runs; a side's runs joined are its beginning, unchanged.

    Words are compared without the white space between them. Only the beginnings are compared: the longest common
    subsequence of long texts would take minutes.
    """
    left_pieces, right_pieces = (_PIECE.findall(text)[:words] for text in (left, right))
    left_words, right_words = ([piece.strip() for piece in pieces] for pieces in (left_pieces, right_pieces))
    matcher = difflib.SequenceMatcher(None, left_words, right_words, autojunk=False)
    left_runs: list[Run] = []
    right_runs: list[Run] = []
    for kind, left_start, left_end, right_start, right_end in matcher.get_opcodes():
        for pieces, start, end, runs in (
            (left_pieces, left_start, left_end, left_runs),
            (right_pieces, right_start, right_end, right_runs),
        ):
            if end > start:
                runs.append(Run("".join(pieces[start:end]), kind != "equal"))
    return left_runs, right_runs


def condensed(runs: Sequence[Run], context: int = CONTEXT) -> list[Run]:
    """The runs with the middle of long equal ones left out: `context` words stay on each side of what differs."""
    shown = []
    for place, run in enumerate(runs):
        pieces = _PIECE.findall(run.text)
        first, last = place == 0, place == len(runs) - 1
        if run.differs or len(pieces) <= 2 * context:
            shown.append(run)
            continue
        head = "" if first and not last else "".join(pieces[:context])
        tail = "" if last else "".join(pieces[-context:])
        shown.append(Run(f"{head}… {tail}", differs=False))
    return shown
