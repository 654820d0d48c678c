"""Months as the names of dumps have them, and what is known of the dumps of single months."""

import calendar
import datetime
import re
from collections.abc import Iterator
from typing import NamedTuple, Self

from webtext import storage
from webtext.errors import UserError

_TEXT = re.compile(r"(\d{4})-(\d{2})")
_DUMP = re.compile(r"RS_(?:v2_)?(\d{4})-(\d{2})(?!\d)")


class Month(NamedTuple):
    """A month of the UTC calendar; months compare by time."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """`2005-06`. Raises ValueError for anything else."""
        found = _TEXT.fullmatch(text)
        if found is None or not 1 <= int(found[2]) <= 12 or not int(found[1]):
            raise ValueError(f"{text!r} is not a month like 2005-06")
        return cls(int(found[1]), int(found[2]))

    @classmethod
    def of(cls, seconds: int) -> Self:
        """The month of a time in seconds since 1970."""
        time = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
        return cls(time.year, time.month)

    @property
    def next(self) -> "Month":
        """The month after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def begin(self) -> int:
        """Its first second, since 1970."""
        return calendar.timegm((self.year, self.number, 1, 0, 0, 0))


FIRST = Month(2005, 6)
"""Reddit's first month."""

USELESS_SCORES = frozenset({Month(2023, 8), Month(2023, 9), Month(2023, 10), Month(2024, 3)})
"""Months whose published dumps have the scores of posts that nobody had voted on yet: they average 1.0, 1.0, 1.0 and
1.96, where a good month has at least 3.81 (Arctic Shift's statistics of all dumps to 2026-01)."""

DOUBTFUL_SCORES = frozenset({Month(2023, 7)})
"""Part of the month is like that (average 10.2, the months before it 40)."""


def needed(first: Month, last: Month) -> Iterator[Month]:
    """All months from the first to the last.

    Raises UserError for a range that holds none, or that begins before Reddit did.
    """
    if last < first:
        raise UserError(f"there is no month from {first} to {last}; give the earlier one first.")
    if first < FIRST:
        raise UserError(f"Reddit began in {FIRST}, there is nothing of {first}; begin with {FIRST}.")
    while first <= last:
        yield first
        first = first.next


def month_before(day: datetime.date) -> Month:
    """The month of the last day before a day."""
    last = day - datetime.timedelta(days=1)
    return Month(last.year, last.month)


def dump_month(name: str) -> Month | None:
    """The month of a dump by its file's name: RS_2005-06.zst, RS_v2_2005-06.xz; None for another name."""
    found = _DUMP.match(name)
    return Month(int(found[1]), int(found[2])) if found and 1 <= int(found[2]) <= 12 else None


def dump_name(month: Month | str) -> str:
    """How Pushshift and Arctic Shift name a month's submissions, and how this pipeline names what it harvests.

    month: or a pattern in its place.
    """
    return f"RS_{month}.zst"


def dumps_in(folder: str) -> list[str]:
    """The dumps that were harvested into a folder, sorted by month."""
    return storage.list_files(folder, dump_name("*"))
