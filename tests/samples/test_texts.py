"""The texts are sensible, as alike as planned and no more, and what is expected of them is possible."""

import itertools
import re
from collections import Counter
from functools import cache
from typing import Any

import py3langid
import pytest
import yaml

from pipeline import urls
from pipeline.ledger import Reason
from samples import sources
from samples.sources import Page

EXPECTED: dict[str, Any] = yaml.safe_load((sources.HERE / "expected.yaml").read_text(encoding="utf-8"))
LINKS: list[dict[str, Any]] = EXPECTED["links"]

NOT_OF_ARCHIVES = {Reason.ROBOTS, Reason.ROBOTS_UNREACHABLE, Reason.HOST_BUDGET, Reason.HOST_FAILING,
                   Reason.CRAWL_DELAY, Reason.FORBIDDEN_ADDRESS, Reason.DNS_ERROR, Reason.TLS_ERROR,
                   Reason.CONNECTION_ERROR, Reason.BAD_RESPONSE, Reason.TIMEOUT}  # fmt: skip
"""Reasons that only the live fetcher gives."""
NOT_PLANNED = {Reason.EXTRACTION_TIMEOUT, Reason.EXTRACTION_CRASH}
"""No honest page is known that every extractor of every version hangs or crashes on."""

PLANNED = {
    ("merrowgazette/ferry-returns", "newsloop/ferry"): 0.97,
    ("halvorsentribune/oyster-agency", "merrowgazette/oyster-count"): 0.91,
    ("merrowgazette/oyster-count", "newsloop/oyster"): 0.74,
    ("halvorsentribune/oyster-agency", "newsloop/oyster"): 0.66,
    ("newsloop/mail", "slowtrain/night-mail"): 0.76,
    ("newsloop/mail", "slowtrain/mirror-mail"): 0.76,
    ("slowtrain/mirror-mail", "slowtrain/night-mail"): 1.0,
    ("merrowgazette/wall-painters", "merrowgazette/wall-painters.print"): 1.0,
    ("allknowledgehub/sand-barge", "factlantern/sand-barge"): 1.0,
    ("halvorsentribune/storm-live-1", "halvorsentribune/storm-live-2"): 0.70,
    ("halvorsentribune/storm-live-2", "halvorsentribune/storm-live-3"): 0.61,
    ("halvorsentribune/storm-live-1", "halvorsentribune/storm-live-3"): 0.41,
    ("halvorsentribune/ditch-judge", "newsloop/ditch"): 0.33,
}
"""Jaccard similarity of word 5-grams that pairs of pages were written to have."""
UNLIKE = 0.1
FAMILY = 0.45
"""Pages with one template in their texts: alike, but less than any near-duplicate."""


def name_of(page: Page) -> str:
    return f"{page.site}/{page.name}"


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


@cache
def shingles(name: str) -> frozenset[tuple[str, ...]]:
    [page] = [page for page in sources.pages() if name_of(page) == name]
    words = words_of(page.text)
    return frozenset(zip(*(words[start:] for start in range(5)), strict=False))


def similarity(one: str, other: str) -> float:
    return len(shingles(one) & shingles(other)) / max(1, len(shingles(one) | shingles(other)))


def endings(page: Page) -> list[str]:
    wanted = page.meta.get("expect", "kept")
    return [wanted] if isinstance(wanted, str) else list(wanted)


def kept_pages() -> list[Page]:
    return [page for page in sources.by_address(sources.pages()) if endings(page) == ["kept"]]


@pytest.mark.parametrize(("pair", "planned"), PLANNED.items(), ids=str)
def test_planted_pairs_are_as_alike_as_planned(pair: tuple[str, str], planned: float) -> None:
    assert similarity(*pair) == pytest.approx(planned, abs=0.02)


def test_all_other_pages_are_unlike() -> None:
    families = {name_of(page): page.meta.get("family") for page in sources.pages()}
    for pair in itertools.combinations(sorted(families), 2):
        if pair in PLANNED:
            continue
        one, other = (families[name] for name in pair)
        limit = FAMILY if one and one == other else UNLIKE
        assert similarity(*pair) < limit, pair


def test_a_family_is_held_together_by_its_template() -> None:
    notices = [name_of(page) for page in sources.pages() if page.meta.get("family") == "notices"]
    assert len(notices) > 3
    for pair in itertools.combinations(notices, 2):
        assert similarity(*pair) > 0.3, pair


def test_kept_pages_have_a_text_worth_keeping() -> None:
    for page in kept_pages():
        words = words_of(page.text)
        assert 150 <= len(words) <= 900, name_of(page)
        assert len(set(words)) > 0.35 * len(words), name_of(page)


def test_no_page_is_filled_with_the_printers_latin() -> None:
    for page in sources.pages():
        found = {"lorem", "ipsum", "dolor", "consectetur", "adipiscing"} & set(words_of(page.html()))
        assert not found, name_of(page)


def test_texts_are_in_the_language_that_they_are_meant_to_be_in() -> None:
    for page in kept_pages():
        assert py3langid.classify(page.text)[0] == "en", name_of(page)
    foreign = [page for page in sources.pages() if endings(page) == ["other_language"]]
    languages = Counter(py3langid.classify(page.text)[0] for page in foreign)
    assert languages == {"de": 2, "fr": 2, "es": 2, "ja": 2, "ru": 2}
    for page in foreign:
        assert py3langid.classify(page.text)[0] == sources.site(page.site)["lang"], name_of(page)


def test_what_a_kept_text_must_contain_is_in_it_and_what_it_must_lack_is_around_it() -> None:
    for page in sources.pages():
        for phrase in page.meta.get("contains", ()):
            assert phrase in page.text, name_of(page)
        for phrase in page.meta.get("lacks", ()):
            assert phrase not in page.text, name_of(page)


def test_every_reason_of_a_run_from_archives_is_shown() -> None:
    certain = {link["reasons"][0] for link in LINKS if len(link.get("reasons", ())) == 1}
    groups = {reason for group in EXPECTED["groups"].values() for reason in group["reasons"]}
    wanted = {str(reason) for reason in Reason} - NOT_OF_ARCHIVES - NOT_PLANNED
    assert wanted <= certain | groups


def test_the_samples_have_the_size_that_they_are_said_to_have() -> None:
    outcomes = Counter(link.get("outcome", "open") for link in LINKS)
    stay = sum(group["stay"][0] for group in EXPECTED["groups"].values())
    assert 95 <= outcomes["kept"] + stay <= 115
    assert len({sources.site(page.site)["host"] for page in sources.pages()}) >= 20
    assert len(sources.pages()) > 130


def test_every_expected_link_is_one_link() -> None:
    ids = [urls.link_id(_normalised(link["url"])) for link in LINKS]
    assert len(ids) == len(set(ids))
    for link, link_id in zip(LINKS, ids, strict=True):
        assert {urls.link_id(_normalised(url)) for url in link.get("also", ())} <= {link_id}, link["url"]


def test_every_member_of_a_group_is_expected_once() -> None:
    members = Counter(link["group"] for link in LINKS if "group" in link)
    assert set(members) == set(EXPECTED["groups"])
    assert min(members.values()) >= 2


def test_links_under_the_rule_sum_are_no_links_under_the_rule_max() -> None:
    assert len(EXPECTED["links_only_under_sum"]) == 2
    assert not set(EXPECTED["links_only_under_sum"]) & {link["url"] for link in LINKS}


def _normalised(url: str) -> str:
    normalised = urls.normalise(url)
    assert normalised is not None, url
    return normalised
