"""The comparison of a run with what is expected finds every kind of difference."""

from typing import Any

import pytest

from samples.comparison import differences

EXPECTED: dict[str, Any] = {
    "groups": {"twins": {"reasons": ["near_duplicate"], "stay": [1, 1]}},
    "links": [
        {"url": "good", "outcome": "kept", "reasons": ["kept"], "contains": ["a b"], "lacks": ["advert"]},
        {"url": "odd", "reasons": ["no_text", "not_html"]},
        {"url": "twin 1", "group": "twins"},
        {"url": "twin 2", "group": "twins"},
    ],
}
LEDGER = {
    "GOOD": ("kept", "kept"),
    "ODD": ("dropped", "not_html"),
    "TWIN 1": ("kept", "kept"),
    "TWIN 2": ("dropped", "near_duplicate"),
}
TEXTS = {"GOOD": "first a\nb last", "TWIN 1": "one of two"}


def test_a_run_as_expected_has_no_differences() -> None:
    assert differences(EXPECTED, LEDGER, TEXTS, str.upper) == []


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"GOOD": ("dropped", "too_short")}, "good ended as dropped, too_short instead of kept"),
        ({"GOOD": ("failed", "kept")}, "good ended as failed, kept instead of kept"),
        ({"ODD": ("kept", "kept")}, "odd ended as kept, kept instead of no_text or not_html"),
        ({"TWIN 2": ("kept", "kept")}, "of the copies 'twins' 2 stay instead of 1 to 1"),
        ({"TWIN 1": ("dropped", "near_duplicate")}, "of the copies 'twins' 0 stay instead of 1 to 1"),
        ({"TWIN 2": ("dropped", "too_short")}, "a copy of 'twins' fell as too_short instead of near_duplicate"),
        ({"NEW": ("kept", "kept")}, "the ledger has a link NEW that nobody expects"),
    ],
)
def test_another_ending_is_told(row: dict[str, tuple[str, str]], told: str) -> None:
    assert differences(EXPECTED, LEDGER | row, TEXTS, str.upper) == [told]


def test_a_link_without_a_row_is_told() -> None:
    ledger = {each: ending for each, ending in LEDGER.items() if each != "ODD"}
    assert differences(EXPECTED, ledger, TEXTS, str.upper) == ["odd is in no ledger row"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("first b", "good: the text lacks 'a b'"), ("a b, an advert", "good: the text has 'advert'")],
)
def test_another_text_is_told(text: str, told: str) -> None:
    assert differences(EXPECTED, LEDGER, TEXTS | {"GOOD": text}, str.upper) == [told]
