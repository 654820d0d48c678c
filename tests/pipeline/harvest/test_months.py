"""Months and names of dumps."""

import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.harvest import months
from pipeline.harvest.months import Month
from webtext.errors import UserError


@given(st.datetimes(datetime.datetime(1970, 1, 2), datetime.datetime(2100, 1, 1)))  # noqa: DTZ001
def test_a_time_lies_in_its_month(time: datetime.datetime) -> None:
    seconds = int(time.replace(tzinfo=datetime.UTC).timestamp())
    month = Month.of(seconds)
    assert str(month) == f"{time:%Y-%m}"
    assert month.begin <= seconds < month.next.begin
    assert Month.parse(str(month)) == month
    assert months.dump_month(months.dump_name(month)) == month


@pytest.mark.parametrize("text", ["2005-6", "2005-13", "2005-00", "0000-01", "2005", "2005-06-01", "", "x"])
def test_what_is_no_month(text: str) -> None:
    with pytest.raises(ValueError, match="is not a month like"):
        Month.parse(text)


@pytest.mark.parametrize(
    ("name", "month"),
    [
        ("RS_2005-06.zst", "2005-06"),
        ("RS_v2_2005-06.xz", "2005-06"),
        ("RS_2011-01.bz2", "2011-01"),
        ("RS_2011-01", "2011-01"),
        ("RC_2011-01.zst", None),
        ("RS_2011-13.zst", None),
        ("RS_2011-011.zst", None),
        ("dump.zst", None),
    ],
)
def test_names_of_dumps(name: str, month: str | None) -> None:
    assert months.dump_month(name) == (Month.parse(month) if month else None)


def test_what_is_needed() -> None:
    assert list(map(str, months.needed(Month(2010, 11), Month(2011, 2)))) == [
        "2010-11",
        "2010-12",
        "2011-01",
        "2011-02",
    ]
    assert len(list(months.needed(months.FIRST, Month(2017, 12)))) == 151
    with pytest.raises(UserError, match="there is no month from 2011-01 to 2010-12"):
        list(months.needed(Month(2011, 1), Month(2010, 12)))
    with pytest.raises(UserError, match="Reddit began in 2005-06"):
        list(months.needed(Month(2005, 5), Month(2005, 7)))


@pytest.mark.parametrize(("day", "month"), [((2018, 1, 1), "2017-12"), ((2018, 1, 2), "2018-01")])
def test_the_last_month_before_a_day(day: tuple[int, int, int], month: str) -> None:
    assert str(months.month_before(datetime.date(*day))) == month


def test_what_is_told_of_single_months_agrees_with_the_statistics(shared_data: Path) -> None:
    lines = (shared_data / "reddit/arctic_shift_schemas/rs_format_by_month.csv").read_text().splitlines()
    where = lines[0].split(",").index("score_avg")
    averages = {Month.parse(line[:7]): float(line.split(",")[where]) for line in lines[1:]}
    assert {month for month, average in averages.items() if average < 2.5} == months.USELESS_SCORES
    for month in months.DOUBTFUL_SCORES:
        assert averages[month] < averages[Month(month.year, month.number - 1)] / 2
