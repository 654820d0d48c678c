"""Real news articles with planted near-duplicates."""

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import minhash
from tests.pipeline.dedup.conftest import jaccard


@pytest.fixture(scope="module")
def articles(shared_data: Path) -> dict[str, str]:
    lines = (shared_data / "duplicates/neardup_minhash_articles/articles_1000.train").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)


def test_planted_pairs_are_found_and_nothing_unlike_is_merged(
    shared_data: Path, articles: dict[str, str], deduplicate: Callable[..., dict[str, tuple[str, float, str]]]
) -> None:
    truth = (shared_data / "duplicates/neardup_minhash_articles/articles_1000.truth").read_text().splitlines()
    planted = [tuple(line.split()) for line in truth]
    assert len(planted) == 10
    fallen = deduplicate(articles, 4)
    for left, right in planted:
        assert len(fallen.keys() & {left, right}) == 1, (left, right, jaccard(articles[left], articles[right]))
    for document, (keeper, similarity, _) in fallen.items():
        assert similarity >= 0.5
        assert similarity == pytest.approx(jaccard(articles[document], articles[keeper]), abs=1e-6)
        assert keeper not in fallen
    assert max(similarities([text for name, text in articles.items() if name not in fallen])) < 0.5


def similarities(texts: list[str]) -> list[float]:
    """Of all pairs that share a shingle."""
    sets = [set(minhash.shingles(text)) for text in texts]
    holders: dict[str, list[int]] = {}
    for number, shingles in enumerate(sets):
        for shingle in shingles:
            holders.setdefault(shingle, []).append(number)
    pairs = {pair for numbers in holders.values() for pair in itertools.combinations(numbers, 2)}
    return [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs]
