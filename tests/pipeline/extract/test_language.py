"""Languages, measured on real sentences."""

from pathlib import Path

import pytest

from pipeline.extract.language import UNKNOWN, akin, identify


@pytest.mark.parametrize("code", ["en", "de", "fr", "es", "it", "ru", "ar", "zh", "ja", "pl", "nl", "hi", "pt", "sv"])
def test_twelve_sentences_are_enough(shared_data: Path, code: str) -> None:
    path = shared_data / "text" / "langid_sentences" / f"{code}.txt"
    lines = path.read_text(encoding="utf-8").splitlines()[:360]
    texts = [" ".join(lines[i : i + 12]) for i in range(0, len(lines) - 11, 12)]
    found = [identify(text, (code,)) for text in texts]
    assert sum(language.code == code for language in found) >= 0.96 * len(texts)
    assert all(0 < language.score <= 1 for language in found)


def test_no_foreign_text_is_english(shared_data: Path) -> None:
    for path in sorted((shared_data / "text" / "langid_sentences").glob("??.txt")):
        if path.stem != "en":
            lines = path.read_text(encoding="utf-8").splitlines()[:240]
            found = [identify(" ".join(lines[i : i + 12]), ("en",)) for i in range(0, len(lines), 12)]
            assert sum(language.code == "en" for language in found) == 0, path.stem


def test_two_languages_score_low(shared_data: Path) -> None:
    folder = shared_data / "text" / "langid_sentences"
    english, german = ((folder / f"{c}.txt").read_text(encoding="utf-8")[:7000] for c in ("en", "de"))
    language = identify(english + " " + german, ("en",))
    assert 0.4 <= language.score <= 0.65


@pytest.mark.parametrize("text", ["", "   ", "1234 5678", "\u0000", "🙂" * 50])
def test_no_language(text: str) -> None:
    language = identify(text)
    assert 0 <= language.score <= 1
    if not text.strip():
        assert language.code == UNKNOWN


def test_norwegian_by_any_of_its_names(shared_data: Path) -> None:
    text = (shared_data / "text" / "langid_sentences" / "nb.txt").read_text(encoding="utf-8")[:3000]
    assert identify(text, ("nb",)).code == identify(text, ("no",)).code == "no"


def test_close_languages_are_akin_and_others_not() -> None:
    assert akin("en", ["en"])
    assert akin("pt", ["es"])
    assert akin("no", ["nb"])
    assert not akin("de", ["en", "es"])
    assert not akin("und", ["en"])
