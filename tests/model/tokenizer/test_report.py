"""Figures of the report, on texts where one can count them by hand."""

import pytest

from model.tokenizer import Tokenizer, alphabet, report
from model.tokenizer.vocabulary import END_OF_TEXT, Vocabulary


@pytest.fixture
def tokenizer() -> Tokenizer:
    merges = [("Ġ", "a"), ("Ġa", "b"), ("x", "`")]
    entries = {token: number for number, token in enumerate([*alphabet.byte_values(), "Ġa", "Ġab", "x`"])}
    return Tokenizer(Vocabulary(entries, merges, {END_OF_TEXT: 259}))


def test_counts(tokenizer: Tokenizer) -> None:
    measures = report.measure(tokenizer, [" ab ab c", "é"])  # " ab", " ab", " ", "c"; two bytes
    assert (measures.texts, measures.text_bytes, measures.tokens) == (2, 10, 6)
    assert measures.bytes_per_token == pytest.approx(10 / 6)
    assert (measures.used, measures.entries) == (5, 259)
    assert (measures.words, measures.whole_words) == (4, 2)
    assert b" a" in measures.unused
    assert b" ab" not in measures.unused


def test_no_text(tokenizer: Tokenizer) -> None:
    measures = report.measure(tokenizer, [])
    assert measures.bytes_per_token == 0
    assert "## On" not in report.page(tokenizer, "", measures, "nothing")


def test_it_reads_no_more_than_it_needs(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "TEXT_BYTES", 5)
    assert report.measure(tokenizer, iter(["abc", "abc", "abc"])).texts == 2


def test_the_longest_first(tokenizer: Tokenizer) -> None:
    assert report.longest(tokenizer)[:3] == [b" ab", b" a", b"x`"]


def test_odd_tokens_stay_readable(tokenizer: Tokenizer) -> None:
    page = report.page(tokenizer, "Made by hand.", report.measure(tokenizer, ["a"]), "one letter")
    assert "- ` ab`" in page
    assert "- `` x` ``" in page
    assert "\\xff" in page or "more" in page
