"""A whole page: its document or its ending, and pages that were made to hurt."""

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.extract.page import Extracted, extract_page
from pipeline.extract.rules import ExtractRules
from pipeline.ledger import Ending, Reason

RULES = ExtractRules()
SENTENCES = (
    "The river rose slowly through the night, and by morning the lower meadow stood under a foot of brown water. "
    "Nobody in the village had seen such a flood since the old bridge fell; the miller's wife kept a record of it. "
    "Children were sent to their aunts on the hill, and the cattle were driven along the chalk road before dawn. "
    "When the water left, it left a fine grey silt over everything, and in that year the barley grew very tall."
)
ARTICLE = f"<h1>The flood</h1><p>{SENTENCES}</p><p>It was said that {SENTENCES.lower()}</p>"


def page(body: str, head: str = "<title>The  flood\n of 1841</title>") -> bytes:
    return f"<!doctype html><html><head>{head}</head><body><article>{body}</article></body></html>".encode()


def ending(body: bytes, rules: ExtractRules = RULES, headers: dict[str, str] | None = None) -> Ending:
    found = extract_page(body, "text/html", headers or {}, "http://a.example/", rules)
    assert isinstance(found, Ending), found
    return found


def test_a_document() -> None:
    found = extract_page(page(ARTICLE), "text/html; charset=utf-8", {}, "http://a.example/", RULES)
    assert isinstance(found, Extracted)
    assert found.title == "The flood of 1841"
    assert found.language == "en"
    assert 0.9 <= found.language_score <= 1
    assert SENTENCES in found.text
    assert found.words > 150


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.NO_TEXT),
        (b"  \n\t ", Reason.NO_TEXT),
        (b"%PDF-1.7 " + b"x" * 1000, Reason.NOT_HTML),
        (b'{"a": 1}', Reason.NOT_HTML),
        (bytes(range(256)) * 40, Reason.NOT_HTML),
        (b"<html><body><script>var x = 1;</script></body></html>", Reason.NO_TEXT),
        (page("<p>Only a few words here.</p>"), Reason.TOO_SHORT),
        (page(ARTICLE, "<meta name=robots content='noai'>"), Reason.OPT_OUT),
        (page("<p>" + "Der Fluss stieg langsam in der Nacht, und am Morgen war die Wiese nass. " * 60 + "</p>"),
         Reason.OTHER_LANGUAGE),
        (page(ARTICLE, "<link rel=canonical href='https://en.wikipedia.org/wiki/Flood'>"), Reason.WIKIPEDIA_MIRROR),
        (page("<p>" + "Lorem ipsum dolor sit amet and the other words of it. " * 40 + "</p>"), Reason.LOW_QUALITY),
    ],
)  # fmt: skip
def test_endings(body: bytes, reason: Reason) -> None:
    assert ending(body).reason == reason


def test_a_page_in_another_language_costs_no_second_opinion(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object, **__: object) -> str:
        raise MemoryError("trafilatura was asked")

    monkeypatch.setattr("trafilatura.extract", asked)
    german, english = (
        page("".join(f"<div>{sentence}</div>" for _ in range(30)))
        for sentence in ("Der Fluss stieg langsam in der Nacht.", "The river rose slowly through the night.")
    )
    doubtful = ExtractRules(doubt=1.01)
    assert ending(german, doubtful).reason == Reason.OTHER_LANGUAGE
    with pytest.raises(MemoryError, match="was asked"):
        extract_page(english, "", {}, "", doubtful)


def test_rules_can_be_lifted() -> None:
    closed = page(ARTICLE, "<meta name=robots content='noai'>")
    assert isinstance(extract_page(closed, "", {}, "", ExtractRules(honour_opt_out=False)), Extracted)
    assert isinstance(extract_page(page(ARTICLE), "", {}, "", ExtractRules(languages=())), Extracted)
    assert ending(page(ARTICLE), ExtractRules(min_words=10_000)).reason == Reason.TOO_SHORT
    assert ending(page(ARTICLE), ExtractRules(languages=("de",))).reason == Reason.OTHER_LANGUAGE


def test_headers_can_refuse() -> None:
    assert ending(page(ARTICLE), headers={"tdm-reservation": "1"}).reason == Reason.OPT_OUT


HOSTILE = {
    "deep nesting": b"<div>" * 100_000 + page(ARTICLE),
    "deep inline": b"<b>" * 100_000 + page(ARTICLE),
    "deep tables": b"<table><tr><td>" * 30_000 + b"x",
    "deep lists": b"<ul><li>" * 50_000 + b"<a href=x>y",
    "billion laughs": b'<!DOCTYPE l [<!ENTITY a "lol">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(9)
    ) + b"]><html><body><p>&j;</p></body></html>",
    "zero bytes": page(ARTICLE).replace(b" ", b" \0", 40),
    "one line": b"<html><body><p>" + b"word and another " * 300_000,
    "one word": b"<html><body><p>" + b"x" * 5_000_000,
    "many tags": b"<p>a<p>b" * 300_000,
    "many attributes": b"<p " + b"".join(b"a%d=1 " % i for i in range(50_000)) + b">x</p>",
    "long class": b"<div class='" + b"nav " * 500_000 + b"'>x</div>",
    "many links": b"<a href='http://wikipedia.org/wiki/x'>wikipedia</a> " * 40_000,
    "open comment": b"<html><!--" + b"-<" * 500_000,
    "meta flood": b"<meta name=robots content='" + b"a:b," * 300_000 + b"'>",
    "angle brackets": b"<" * 1_000_000,
    "control characters": bytes(page(ARTICLE).replace(b"river", b"ri\x01\x02ver")),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pages_end(name: str) -> None:
    start = time.process_time()
    found = extract_page(HOSTILE[name], "text/html", {}, "http://a.example/", RULES)
    assert isinstance(found, Extracted | Ending)
    assert time.process_time() - start < 15, "5 s on an idle machine"


@settings(max_examples=60)
@given(
    st.binary(max_size=3000), st.sampled_from(["", "text/html", "text/html; charset=utf-16", "text/html; charset=x"])
)
def test_any_bytes(body: bytes, content_type: str) -> None:
    extract_page(b"<html>" + body, content_type, {}, "", RULES)


def test_malformed_corpus(shared_data: Path) -> None:
    for path in sorted((shared_data / "web" / "html_malformed").rglob("*")):
        if path.is_file():
            found = extract_page(path.read_bytes(), "text/html", {}, "http://a.example/", ExtractRules(min_words=1))
            assert isinstance(found, Extracted | Ending)
            if isinstance(found, Extracted):
                assert found.text.isprintable() or not {c for c in found.text if ord(c) < 32} - {"\n", "\t"}


def test_charset_corpus(shared_data: Path) -> None:
    rules = ExtractRules(languages=(), min_words=1)
    for path in sorted((shared_data / "web" / "charset").rglob("*")):
        if path.is_file():
            found = extract_page(path.read_bytes(), "", {}, "http://a.example/", rules)
            assert isinstance(found, Extracted | Ending)
