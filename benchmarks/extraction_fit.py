"""Fit the weights of `pipeline/extract/weights.py` on pages with gold text, and say how well they do on domains not
fitted on.

    python -m benchmarks.extraction_fit [--data FOLDER] [--write]

A block is content as far as its word sequences occur in the gold text. Two logistic rules (see
`pipeline/extract/judge.py`) are fitted with L2 regularisation. In cross-validation nothing of a tested domain is
seen by either rule.
"""

import argparse
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from benchmarks.extraction import GoldPage, english_gold_pages, gold_words, token_f1, words_of
from pipeline.extract.blocks import Blocks, parse, read_blocks
from pipeline.extract.decode import decode
from pipeline.extract.judge import choose
from pipeline.extract.rules import DOUBT
from pipeline.extract.text import _written, agreements, second_opinion
from pipeline.extract.traits import NEIGHBOUR_TRAITS, TRAITS, Containers, neighbour_traits, traits

Array = NDArray[np.float64]
FOLDS = 5
PENALTY = 400.0
NEWTON_STEPS = 30
LEAST_GOLD = 30
SCORED_GOLD = 150


class Sample(NamedTuple):
    page: GoldPage
    fold: int
    blocks: Blocks
    containers: Containers
    alone: Array
    asked: Array
    content: Array
    weight: Array


def registrable(url: str) -> str:
    return ".".join((urlsplit(url).hostname or "").split(".")[-2:])


def sample(page: GoldPage) -> Sample | None:
    tree = parse(decode(page.body, page.content_type))
    if tree is None or gold_words(page.gold) < LEAST_GOLD:
        return None
    blocks = read_blocks(tree)
    if not blocks.blocks:
        return None
    containers = Containers(blocks)
    alone = traits(blocks, containers).T
    texts = [b.text for b in blocks.blocks]
    opinion = np.array(agreements(texts, second_opinion(tree)))
    content = np.array(found_in_gold(texts, page.gold))
    words = np.array([len(words_of(text)) for text in texts], float)
    total = gold_words(page.gold)
    # a page counts once, however long it is; a block counts by what it changes in the page's F1
    weight = np.where(content < 0, 0, words / (min(words.sum(), 3 * total) + total) * np.abs(content - 0.5) * 2)
    fold = int(hashlib.sha1(registrable(page.url).encode()).hexdigest(), 16) % FOLDS
    return Sample(page, fold, blocks, containers, alone, np.column_stack([alone, opinion]), content, weight)


def found_in_gold(texts: Sequence[str], gold: str) -> list[float]:
    """For each text the share of its word sequences found in the gold text; -1 for a text without words.

    Texts under five words count as content no more often than the gold text has them.
    """
    known = words_of(gold)
    grams = {n: Counter(tuple(known[i : i + n]) for i in range(len(known) - n + 1)) for n in range(1, 5)}
    own = [words_of(text) for text in texts]
    copies = Counter(map(tuple, own))
    shares = []
    for words in own:
        if not words:
            shares.append(-1.0)
        elif len(words) < 5:
            shares.append(min(1.0, grams[len(words)][tuple(words)] / copies[tuple(words)]))
        else:
            threes = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
            shares.append(sum(t in grams[3] for t in threes) / len(threes))
    return shares


class Fitted(NamedTuple):
    bias: float
    weights: Array

    def chances(self, rows: Array) -> Array:
        odds = np.clip(rows @ self.weights + self.bias, -9, 9)
        return np.asarray(1 / (1 + np.exp(-odds)), float)


def fit(rows: Array, content: Array, weight: Array) -> Fitted:
    """Weighted logistic regression with an L2 penalty on the standardised traits, by Newton's method."""
    used = weight > 0
    x, y, w = rows[used], (content[used] > 0.5).astype(float), weight[used]
    w = w * len(w) / w.sum()
    mean, spread = x.mean(0), x.std(0) + 1e-6
    z = (x - mean) / spread

    z = np.hstack([np.ones((len(z), 1)), z])
    penalty = np.full(z.shape[1], PENALTY)
    penalty[0] = 1e-6
    theta = np.zeros(z.shape[1])
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(z @ theta, -30, 30)))
        slope = z.T @ (w * (chance - y)) + penalty * theta
        curvature = (z * (w * chance * (1 - chance))[:, None]).T @ z + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        theta = theta - step
        if np.abs(step).max() < 1e-4:
            break
    weights = theta[1:] / spread
    return Fitted(float(theta[0] - weights @ mean), weights)


def second_rows(s: Sample, rows: Array, chances: Array) -> Array:
    return np.hstack([rows, neighbour_traits(s.blocks, s.containers, chances).T])


def fit_pair(samples: Sequence[Sample], asked: bool) -> tuple[Fitted, Fitted]:
    """Both rules, the second from what the first says of the same pages.

    Chances that another fold's rule gave ("stacking") would be wrong here: beside the traits themselves they tell in
    which fold a page lies, and the second rule learns that instead of the neighbours.
    """
    rows = [s.asked if asked else s.alone for s in samples]
    content, weight = [s.content for s in samples], [s.weight for s in samples]

    def fit_on(of: Sequence[Array]) -> Fitted:
        return fit(*(np.concatenate(values) for values in (of, content, weight)))

    first = fit_on(rows)
    return first, fit_on([second_rows(s, r, first.chances(r)) for s, r in zip(samples, rows, strict=True)])


def verdict(s: Sample, pair: tuple[Fitted, Fitted], asked: bool) -> tuple[float, float]:
    """(F1 of the choice, the F1 it promised)."""
    rows = s.asked if asked else s.alone
    chances = pair[1].chances(second_rows(s, rows, pair[0].chances(rows)))
    choice = choose(chances, [b.words for b in s.blocks.blocks])
    return token_f1(_written(s.blocks, choice.kept), s.page.gold), choice.promise


def cross_validate(samples: Sequence[Sample]) -> None:
    scores: list[tuple[Sample, float, float, float]] = []
    for fold in range(FOLDS):
        train = [s for s in samples if s.fold != fold]
        alone, asked = fit_pair(train, False), fit_pair(train, True)
        for s in samples:
            if s.fold == fold and gold_words(s.page.gold) >= SCORED_GOLD:
                f1, promise = verdict(s, alone, False)
                scores.append((s, f1, promise, verdict(s, asked, True)[0]))
    print(f"cross-validation by domain, {FOLDS} folds, {len(scores)} pages of {SCORED_GOLD}+ gold words")
    for doubt in (0.0, 0.8, 0.85, DOUBT, 0.93, 0.95, 1.01):
        values = [second if promise < doubt else f1 for _, f1, promise, second in scores]
        share = np.mean([promise < doubt for _, _, promise, _ in scores])
        kinds: dict[str, list[float]] = {}
        for (s, *_), value in zip(scores, values, strict=True):
            kinds.setdefault(s.page.page_type or s.page.collection.rpartition("/")[2], []).append(value)
        print(f"doubt {doubt:.2f}: trafilatura asked on {share:5.1%}, F1 {np.mean(values):.4f}  ",
              " ".join(f"{kind} {np.mean(v):.3f}" for kind, v in sorted(kinds.items())))  # fmt: skip


def written_rule(name: str, rule: Fitted, names: Sequence[str]) -> str:
    pairs = {"bias": rule.bias, **dict(zip(names, rule.weights, strict=True))}
    return f"{name} = {{\n" + "".join(f'    "{key}": {float(value):.3f},\n' for key, value in pairs.items()) + "}\n"


def weights_module(samples: Sequence[Sample]) -> str:
    text = '"""The judge\'s weights, by trait, in log odds; written by `benchmarks/extraction_fit.py`."""\n'
    for names, asked, prefix in ((TRAITS, False, ""), ((*TRAITS, "second_opinion"), True, "ASKED_")):
        first, second = fit_pair(samples, asked)
        text += "\n" + written_rule(f"{prefix}FIRST", first, names)
        text += "\n" + written_rule(f"{prefix}SECOND", second, (*names, *NEIGHBOUR_TRAITS))
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, help="folder with pages-*.warc.gz and truth.jsonl.gz (default: WEBTEXT_DATA/world)"
    )
    parser.add_argument("--write", action="store_true", help="fit on all pages and write pipeline/extract/weights.py")
    options: Any = parser.parse_args()
    samples = [s for s in map(sample, english_gold_pages(options.data)) if s]
    print(
        f"{len(samples)} pages, {sum(len(s.content) for s in samples)} blocks,"
        f" {len(TRAITS)} + {len(NEIGHBOUR_TRAITS)} traits"
    )
    cross_validate(samples)
    if options.write:
        target = Path(__file__).resolve().parent.parent / "pipeline" / "extract" / "weights.py"
        target.write_text(weights_module(samples), encoding="utf-8")
        print(f"wrote {target}", flush=True)


if __name__ == "__main__":
    main()
