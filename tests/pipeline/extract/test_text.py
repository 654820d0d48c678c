"""The judge and the cascade: content stays, furniture goes, whatever was read before."""

import contextlib
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies

from pipeline.extract import blocks
from pipeline.extract.blocks import MAX_BLOCKS, Mark, parse, read_blocks
from pipeline.extract.judge import Rule, choose
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
    found = read_blocks(tree).blocks
    assert [(b.text, b.words, b.linked) for b in found] == [
        ("go home now", 3, 2), ("abc\nd", 2, 0), ("e", 1, 0), ("f", 1, 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "mark"),
    [
        ("ads", Mark.FURNITURE),
        ("left ad", Mark.FURNITURE),
        ("ad-box", Mark.FURNITURE),
        ("roads", None),
        ("myad-box", None),
        ("post tags", Mark.FURNITURE),
        ("vintages", None),
        ("message", Mark.THREAD),
        ("commessage", None),
        ("user-comment", Mark.COMMENTS),
    ],
)
def test_names_of_elements_are_words_in_part(name: str, mark: Mark | None) -> None:
    (block,) = read_blocks(parse(f"<div class='{name}'>text</div>")).blocks
    marks = Mark(block.marks) & (Mark.FURNITURE | Mark.THREAD | Mark.COMMENTS)
    assert marks == (mark or Mark(0))


@given(
    strategies.lists(strategies.tuples(strategies.sampled_from("<>ax "), strategies.integers(1, 60_000)), max_size=8)
)
def test_a_quick_look_misses_no_long_tag(runs: list[tuple[str, int]]) -> None:
    html = "<a" + "".join(character * (count if character in "ax " else 1) for character, count in runs)
    if blocks._LONG_TAG.search(html):
        assert blocks._may_have_long_tag(html)


def test_every_name_has_a_number() -> None:
    tree = parse(PAGE)
    page = read_blocks(tree)
    containers = Containers(page)
    rows = traits(page, containers)
    around = neighbour_traits(page, containers, np.full(len(page.blocks), 0.5))
    assert rows.shape == (len(TRAITS), len(page.blocks))
    assert around.shape == (len(NEIGHBOUR_TRAITS), len(page.blocks))
    assert len({*TRAITS, *NEIGHBOUR_TRAITS}) == len(TRAITS) + len(NEIGHBOUR_TRAITS)


@pytest.mark.parametrize("blocks", [1, 2, 3, 8, 200, 5_000])
def test_a_rule_adds_one_after_the_other(blocks: int) -> None:
    rule = Rule({"bias": 0.25, **{name: math.sin(place) for place, name in enumerate(TRAITS)}}, TRAITS)
    rows = np.random.default_rng(blocks).random((len(TRAITS), blocks))
    expected = []
    for column in rows.T.tolist():
        odds = 0.0
        for weight, trait in zip(rule.weights[:, 0].tolist(), column, strict=True):
            odds += weight * trait
        expected.append(1 / (1 + math.exp(-max(-9.0, min(9.0, 0.25 + odds)))))
    assert rule.chances(rows).tolist() == expected


@given(strategies.lists(strategies.tuples(strategies.integers(0, 50), strategies.integers(1, 60)), min_size=1))
def test_containers_add_up_what_they_hold(shape: list[tuple[int, int]]) -> None:
    opened, html = 0, ""
    for turn, words in shape:
        if turn % 3 == 0 or not opened:
            html, opened = html + "<div>", opened + 1
        elif turn % 3 == 1:
            html, opened = html + "</div>", opened - 1
        html += f"<p>{'word ' * words}</p>"
    page = read_blocks(parse(html))
    containers = Containers(page)
    ways: list[list[int]] = []
    for block in page.blocks:
        ways.append([block.node])
        while page.parents[ways[-1][-1]] >= 0:
            ways[-1].append(page.parents[ways[-1][-1]])
    sums = [
        sum(b.words for b, way in zip(page.blocks, ways, strict=True) if n in way) for n in range(len(page.parents))
    ]
    counts = [sum(n in way for way in ways) for n in range(len(page.parents))]
    assert containers.words.tolist() == sums
    for way, boxes in zip(ways, containers.boxes.T.tolist(), strict=True):
        assert boxes[0] == next((node for node in way if counts[node] >= 2), 0)
        assert boxes[3] == next((node for node in way[way.index(boxes[1]) :] if sums[node] >= 100), 0)


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
