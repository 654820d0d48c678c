"""Tallies: sums by source, warnings, books."""

import pytest

from pipeline.harvest.tallies import Tally, added, counters, warnings


def test_tallies_of_a_source_are_added() -> None:
    parts = [
        Tally("b", 5, {"self_post": 1}, 4, 9, ("broken",)),
        Tally("a", 1, {"bad_json": 1}),
        Tally("b", reasons={"linked": 3, "repeated": 1}),
    ]
    whole = [
        Tally("a", 1, {"bad_json": 1}),
        Tally("b", 5, {"linked": 3, "repeated": 1, "self_post": 1}, 4, 9, ("broken",)),
    ]
    assert added(parts) == added(reversed(parts)) == added(whole) == whole


@pytest.mark.parametrize(
    ("scores", "score_sum", "warned"),
    [(1000, 1010, True), (1000, 2500, False), (999, 0, False), (0, 0, False), (1000, -5, True)],
)
def test_a_month_of_useless_scores_is_told(scores: int, score_sum: int, warned: bool) -> None:
    found = warnings(Tally("RS_2023-08.zst", 2000, scores=scores, score_sum=score_sum))
    assert [sentence.startswith("RS_2023-08.zst: ") for sentence in found] == [True] * warned


def test_real_months_that_deserve_a_warning_get_one() -> None:
    """Monthly averages of all dumps; from the statistics that Arctic Shift publishes."""
    bad = {"2023-08": 1.01, "2023-09": 1.0, "2023-10": 1.0, "2024-03": 1.96}
    good = {"2006-09": 3.81, "2008-05": 4.63, "2005-08": 4.71, "2023-07": 10.2, "2017-06": 50.52}
    for averages, warned in ((bad, True), (good, False)):
        for month, average in averages.items():
            assert bool(warnings(Tally(month, 20_000, scores=10_000, score_sum=int(average * 10_000)))) is warned, month


@pytest.mark.parametrize(
    ("tally", "words"),
    [
        (Tally("RS", 0), "nothing is in it"),
        (Tally("RC", 9, {"not_a_submission": 8, "bad_json": 1}), "not one of its 9 lines is a post"),
        (Tally("noise", 3, {"bad_json": 2, "line_too_long": 1}), "not one of its 3 lines is a post"),
        (Tally("list", 3, {"bad_url": 3}), "not one of its 3 lines is an address"),
    ],
)
def test_a_file_of_another_kind_is_told(tally: Tally, words: str) -> None:
    (sentence,) = warnings(tally)
    assert sentence.startswith(f"{tally.source}: {words}")


@pytest.mark.parametrize(
    "reasons", [{"bad_json": 99, "self_post": 1}, {"bad_url": 99, "linked": 1}, {"truncated": 1}, {"self_post": 100}]
)
def test_a_file_with_little_of_use_is_not_told(reasons: dict[str, int]) -> None:
    assert warnings(Tally("RS", sum(reasons.values()), reasons)) == []


def test_counters() -> None:
    counted = counters([Tally("b", 2, {"linked": 1}, 2, 5, ("b is broken",)), Tally("b", reasons={"low_karma": 1})])
    assert counted == {
        "submissions": 2,
        "submissions_by_reason": {"linked": 1, "low_karma": 1},
        "sources": {"b": {"lines": 2, "reasons": {"linked": 1, "low_karma": 1}, "score_average": 2.5}},
        "warnings": ["b is broken"],
    }


def test_books_that_do_not_balance_are_loud() -> None:
    with pytest.raises(AssertionError, match="b: 2 lines were read, 1 have a reason"):
        counters([Tally("b", 2, {"linked": 1})])
