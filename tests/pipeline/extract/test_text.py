"""The judge and the cascade: content stays, furniture goes, whatever was read before."""

import contextlib
from pathlib import Path

import pytest

from pipeline.extract.blocks import MAX_BLOCKS, parse, read_blocks
from pipeline.extract.judge import choose
from pipeline.extract.text import agreements, main_text
from pipeline.extract.traits import NEIGHBOUR_TRAITS, TRAITS, Containers, neighbour_traits, traits

PARAGRAPH = (
    "The river rose slowly through the night, and by morning the lower meadow stood under a foot of brown water. "
    "Nobody in the village had seen such a flood since the old bridge fell, number {}."
)
PAGE = (
    "<html><body><nav><ul>"
    + "".join(f"<li><a href='/{n}'>Section {n}</a></li>" for n in range(12))
    + "</ul></nav><main><article><h1>The flood</h1>"
    + "".join(f"<p>{PARAGRAPH.format(n)}</p>" for n in range(8))
    + "<ul><li>First, the mill.</li><li>Then, the bridge.</li></ul></article></main>"
    + "<footer><p>© 2017 The Gazette. <a href='/t'>Terms</a> <a href='/p'>Privacy</a></p></footer></body></html>"
)


def text_of(html: str, doubt: float = 0.85) -> str:
    tree = parse(html)
    return "" if tree is None else main_text(read_blocks(tree), tree, doubt).text


@pytest.mark.parametrize(("failure", "is_the_pages"), [(ValueError, True), (MemoryError, False)])
def test_a_second_opinion_may_fail_but_not_for_want_of_memory(
    monkeypatch: pytest.MonkeyPatch, failure: type[Exception], is_the_pages: bool
) -> None:
    def fail(*_: object, **__: object) -> str:
        raise failure

    monkeypatch.setattr("trafilatura.extract", fail)
    with contextlib.nullcontext() if is_the_pages else pytest.raises(failure):
        assert PARAGRAPH.format(3) in text_of(PAGE, doubt=1.1)


@pytest.mark.parametrize("doubt", [0.0, 0.85, 1.1])
def test_an_article_without_its_furniture(doubt: float) -> None:
    text = text_of(PAGE, doubt)
    assert all(PARAGRAPH.format(n) in text for n in range(8))
    assert "Section 3" not in text
    assert "Privacy" not in text
    assert "\n\n" in text


def test_blocks_know_their_links_and_places() -> None:
    tree = parse("<nav><p>go <a href='/'>home now</a></p></nav><main>a<b>b</b>c<br>d<br> <br>e<p hidden>f</p></main>")
    blocks = read_blocks(tree).blocks
    assert [(b.text, b.words, b.linked) for b in blocks] == [
        ("go home now", 3, 2), ("abc\nd", 2, 0), ("e", 1, 0), ("f", 1, 0),
    ]  # fmt: skip


def test_every_name_has_a_number() -> None:
    tree = parse(PAGE)
    page = read_blocks(tree)
    containers = Containers(page)
    rows = traits(page, containers)
    around = neighbour_traits(page, containers, [0.5] * len(rows))
    assert {len(row) for row in rows} == {len(TRAITS)}
    assert {len(row) for row in around} == {len(NEIGHBOUR_TRAITS)}
    assert len({*TRAITS, *NEIGHBOUR_TRAITS}) == len(TRAITS) + len(NEIGHBOUR_TRAITS)


def test_the_choice_promises_the_best_f1() -> None:
    judgement = choose([0.9, 0.1, 0.8, 0.4], [50, 50, 30, 10])
    assert judgement.kept[0]
    assert judgement.kept[2]
    assert not judgement.kept[1]
    assert 0.7 < judgement.promise <= 1


def test_agreement_is_by_word_sequences() -> None:
    assert agreements(["one two three four", "four three two one", "!", "two"], "zero one TWO three four") == [
        1,
        0,
        0,
        1,
    ]


def test_copies_of_a_paragraph_are_written_once() -> None:
    html = PAGE.replace("</article>", f"<p>{PARAGRAPH.format(1)}</p></article>")
    assert text_of(html, 0.0).count(PARAGRAPH.format(1)) == 1


def test_blocks_are_bounded() -> None:
    tree = parse("<p>x" * (MAX_BLOCKS + 5_000))
    assert len(read_blocks(tree).blocks) <= MAX_BLOCKS + 1


def test_pages_before_do_not_matter(shared_data: Path) -> None:
    """trafilatura keeps caches: the same pages in another order must give the same texts."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    from pipeline.extract.decode import decode

    pages = []
    with (shared_data / "world" / "pages-00000.warc.gz").open("rb") as stream:
        for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True):
            pages.append(decode(record.reader.read()))
            if len(pages) == 40:
                break
    forward = [text_of(page, 1.1) for page in pages]
    backward = [text_of(page, 1.1) for page in reversed(pages)]
    assert forward == backward[::-1]
    assert sum(map(bool, forward)) > 30
