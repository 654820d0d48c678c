"""Which capture is asked for first."""

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.fetch.fallbacks.held import LATEST, MOST_ASKED, Held, asked_in_turn, distance, timestamp
from pipeline.warc import parse_date

PAGE = Held("http://a.test/", 1000, 200, "text/html", "", "D", "f", 0, 9)


def order(captures: list[Held], at: int | None = 1000) -> list[int]:
    return [captures.index(held) for held in asked_in_turn(captures, at)]


def test_a_page_comes_before_a_clipped_one_before_a_redirect() -> None:
    captures = [
        PAGE._replace(status=301, date=1000),
        PAGE._replace(truncated="length", date=1001),
        PAGE._replace(date=9000),
    ]
    assert order(captures) == [2, 1, 0]


@pytest.mark.parametrize(
    "useless",
    [
        PAGE._replace(status=404),
        PAGE._replace(status=None),
        PAGE._replace(status=500),
        PAGE._replace(status=206),
        PAGE._replace(content_type="application/pdf"),
        PAGE._replace(content_type="image/jpeg"),
    ],
)
def test_what_is_no_page_is_not_asked_for(useless: Held) -> None:
    assert asked_in_turn([useless], 1000) == []
    assert distance([useless], 1000) is None


@pytest.mark.parametrize("kind", ["", "text/html; charset=utf-8", "application/xhtml+xml", "unk"])
def test_types_that_may_be_a_page(kind: str) -> None:
    assert order([PAGE._replace(content_type=kind)]) == [0]


def test_nearest_before_or_after_and_of_equals_the_earlier() -> None:
    captures = [PAGE._replace(date=1010), PAGE._replace(date=990), PAGE._replace(date=1009)]
    assert order(captures) == [2, 1, 0]
    assert order(captures, None) == [0, 2, 1]
    assert distance(captures, 1000) == 9


def test_of_one_moment_the_place_decides() -> None:
    captures = [PAGE._replace(file="b"), PAGE._replace(file="a", offset=7), PAGE._replace(file="a", offset=5)]
    assert order(captures) == [2, 1, 0]


def test_a_revisit_stands_for_what_it_was_a_revisit_of() -> None:
    original = PAGE._replace(date=1, digest="SAME")
    other = PAGE._replace(date=900, digest="OTHER", file="other")
    revisit = PAGE._replace(date=1001, digest="SAME", content_type="warc/revisit", status=None, file="revisit")
    assert asked_in_turn([other, revisit, original], 1000) == [original, other]
    gone = revisit._replace(digest="GONE")
    assert asked_in_turn([other, gone], 1000) == [other, gone]


captures_of_any_kind = st.builds(
    Held,
    st.sampled_from(["http://a.test/", "http://www.a.test/"]),
    st.integers(0, LATEST),
    st.sampled_from([None, 200, 301, 404]),
    st.sampled_from(["text/html", "warc/revisit", "image/png", ""]),
    st.sampled_from(["", "length"]),
    st.sampled_from(["", "A", "B"]),
    st.sampled_from(["", "x"]),
    st.integers(0, 3),
    st.integers(1, 2),
)


@given(
    st.lists(captures_of_any_kind, max_size=8), st.none() | st.integers(0, LATEST), st.randoms(use_true_random=False)
)
def test_the_order_of_the_index_decides_nothing(captures: list[Held], at: int | None, choice: random.Random) -> None:
    mixed = captures[:]
    choice.shuffle(mixed)
    asked = asked_in_turn(captures, at)
    assert asked == asked_in_turn(mixed, at)
    assert len(asked) <= MOST_ASKED
    assert len(set(asked)) == len(asked)
    assert set(asked) <= set(captures)


def test_of_several_originals_of_a_revisit_it_is_always_the_same() -> None:
    first, second = (PAGE._replace(date=date, digest="SAME", file=str(date)) for date in (5, 6))
    revisit = PAGE._replace(date=1000, digest="SAME", content_type="warc/revisit")
    asked = asked_in_turn([first, second, revisit], 1000)
    assert asked == asked_in_turn([revisit, second, first], 1000)
    assert set(asked) == {first, second}


def test_moments_as_archives_write_them() -> None:
    assert timestamp(0) == "19700101000000"
    assert parse_date(timestamp(1_325_376_000)) == 1_325_376_000
    assert all(len(timestamp(at)) == 14 for at in (None, 0, 2**31))
    assert list(itertools.islice(timestamp(None), 4)) == list("2106")
