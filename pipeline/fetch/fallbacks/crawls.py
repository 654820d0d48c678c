"""Common Crawl's crawls: which there are, and which of them are near to a moment."""

import datetime
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from pipeline.fetch.fallbacks.held import LATEST
from pipeline.warc import parse_date

_NAME = re.compile(r"CC-MAIN-(\d{4})(?:-(\d{2}|\d{4}))?")
_DAY = 86_400
_BEFORE, _AFTER = 14 * _DAY, 35 * _DAY


class Crawl(NamedTuple):
    """A crawl, and the time in which its captures were made, seconds since 1970 UTC."""

    name: str
    begins: int
    ends: int
    api: str
    """The address that its index is asked at, as it is listed."""


def crawls_of(body: bytes) -> list[Crawl]:
    """The crawls that a collinfo.json lists; what is not understood is left out, so nothing may be left."""
    try:
        listed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    found = map(_crawl, listed if isinstance(listed, list) else [])
    return [crawl for crawl in found if crawl is not None]


def nearest_first(crawls: Sequence[Crawl], at: int | None) -> list[Crawl]:
    """The crawls in the order in which they are near to a moment; None: the latest first."""
    return sorted(crawls, key=lambda crawl: (away(crawl, at), crawl.begins, crawl.name))


def away(crawl: Crawl, at: int | None) -> int:
    """Seconds between a moment and the nearest capture that a crawl may have."""
    moment = LATEST if at is None else at
    return max(crawl.begins - moment, moment - crawl.ends, 0)


def _crawl(entry: Any) -> Crawl | None:
    if not isinstance(entry, dict):
        return None
    name = str(entry.get("id", ""))
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    begins, ends = (parse_date(str(entry.get(key, ""))) for key in ("from", "to"))
    if begins is None or ends is None:
        guessed = _by_name(int(match[1]), match[2])
        if guessed is None:
            return None
        begins, ends = guessed
    return Crawl(name, begins, ends, str(entry.get("cdx-api", "")))


def _by_name(year: int, rest: str | None) -> tuple[int, int] | None:
    """About when a crawl was made that is named after a year, two years, or a week of a year."""
    try:
        if rest is None or len(rest) == 4:
            return _seconds(datetime.date(year, 1, 1)), _seconds(datetime.date(int(rest or year) + 1, 1, 1))
        week = _seconds(datetime.date.fromisocalendar(year, int(rest), 1))
    except ValueError:
        return None
    return week - _BEFORE, week + _AFTER


def _seconds(day: datetime.date) -> int:
    return (day - datetime.date(1970, 1, 1)).days * _DAY
