"""Captures as an archive's index tells of them, and which of them is asked for first."""

import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipeline.fetch.live.judging import may_be_html

MOST_ASKED = 3
"""Captures of one address that are asked for, one after the other, until one proves to be a page."""
LATEST = 0xFFFFFFFF
"""A moment after all captures (2106): for links without a post the latest capture is the nearest."""

REVISIT = "warc/revisit"


class Held(NamedTuple):
    """One capture. Texts are empty where the index does not say."""

    url: str
    """Its address, as the index spells it."""
    date: int
    """Seconds since 1970 UTC."""
    status: int | None
    content_type: str
    truncated: str
    """Why it is not whole, in WARC-Truncated's words."""
    digest: str
    file: str = ""
    """The archive's file that holds it; empty where it is to be had by address and date."""
    offset: int = 0
    length: int = 0


def asked_in_turn(captures: Sequence[Held], at: int | None) -> list[Held]:
    """The captures that may be a page, the best first: a whole page before a clipped one before a redirect; of those
    the nearest to `at` (None: the latest); of equals the earlier, then by place.

    A revisit, which says that a page was still the same, stands for the capture that has it.
    """
    moment = LATEST if at is None else at
    captures = sorted(captures, key=repr)
    originals = {held.digest: held for held in captures if held.digest and held.content_type != REVISIT}
    ranked: dict[Held, tuple[int, int, int, str, int]] = {}
    for seen in captures:
        held = originals.get(seen.digest, seen) if seen.content_type == REVISIT else seen
        use = _usefulness(held)
        if use is not None:
            rank = (use, abs(seen.date - moment), seen.date, held.file, held.offset)
            ranked[held] = min(rank, ranked.get(held, rank))
    return sorted(ranked, key=ranked.__getitem__)[:MOST_ASKED]


def distance(captures: Iterable[Held], at: int | None) -> int | None:
    """Seconds between `at` and the nearest capture that is a page by what the index says; None where none is."""
    moment = LATEST if at is None else at
    return min((abs(held.date - moment) for held in captures if _usefulness(held) == 0), default=None)


def _usefulness(held: Held) -> int | None:
    """Smaller is better; None for what is no page and leads to none."""
    if held.status is not None and 300 <= held.status < 400:
        return 2
    if held.content_type == REVISIT:
        return 1
    if held.status != 200 or not may_be_html(held.content_type):
        return None
    return 1 if held.truncated else 0


def timestamp(at: int | None) -> str:
    """A moment as archives write it: 14 digits."""
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(LATEST if at is None else at))
