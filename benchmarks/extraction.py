"""How good and how fast the extraction cascade is, beside trafilatura and resiliparse, on the same pages in the same
run.

    python -m benchmarks.extraction [--data FOLDER] [--eligible] [--limit N]

Quality is the mean token F1: overlap of the bags of lower-cased `\\w+` words of text and gold, over the English
pages with full gold text of 150 words or more. Speed is pages per second of one process, decoding and parsing
included, on the same pages.
"""

import argparse
import gzip
import hashlib
import json
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import trafilatura
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text

from benchmarks.material import shared_data
from pipeline.extract.blocks import parse, read_blocks
from pipeline.extract.decode import decode
from pipeline.extract.text import main_text

LEAST_GOLD = 150
_WORD = re.compile(r"\w+")


class GoldPage(NamedTuple):
    """A page with hand-made gold text: what was served, and what its main text is."""

    url: str
    body: bytes
    content_type: str
    gold: str
    page_type: str | None
    collection: str
    eligible: bool


def words_of(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def gold_words(gold: str) -> int:
    return len(words_of(gold))


def token_f1(text: str, gold: str) -> float:
    """F1 of the bags of lower-cased `\\w+` words, in [0, 1]; 0 where either has none in common."""
    found, wanted = Counter(words_of(text)), Counter(words_of(gold))
    common = (found & wanted).total()
    return 2 * common / (found.total() + wanted.total()) if common else 0.0


def gold_text(row: dict[str, Any]) -> str:
    """The gold text of a truth row of kind `full` or `full+snippets`: plain, or the `main_content` of a JSON
    object."""
    gold = row["gold"] or ""
    if gold.lstrip().startswith("{"):
        try:
            return str(json.loads(gold).get("main_content") or "")
        except ValueError:
            pass
    return str(gold)


def world_folder(data: Path | None) -> Path:
    return data or shared_data() / "world"


def truth_rows(data: Path | None = None) -> Iterator[dict[str, Any]]:
    with gzip.open(world_folder(data) / "truth.jsonl.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def stored_pages(data: Path | None = None) -> dict[tuple[str, str], tuple[bytes, dict[str, str]]]:
    """(URL, sha256 of the body) -> body, response headers with names in lower case."""
    pages = {}
    for path in sorted(world_folder(data).glob("*.warc.gz")):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response, parse_http=True):
                body = record.reader.read()
                headers = {name.lower(): value for name, value in record.http_headers.items()}
                pages[record.headers["WARC-Target-URI"], hashlib.sha256(body).hexdigest()] = body, headers
    return pages


def english_gold_pages(data: Path | None = None) -> list[GoldPage]:
    """The English pages with full gold text, in the order of the truth file."""
    pages = stored_pages(data)
    found = []
    for row in truth_rows(data):
        stored = pages.get((row["url"], row["sha256"]))
        if row["lang"] == "en" and row["gold_kind"] in ("full", "full+snippets") and stored:
            body, headers = stored
            found.append(
                GoldPage(
                    row["url"], body, headers.get("content-type", ""), gold_text(row), row["page_type"],
                    row["collection"], row["eligible"] == "yes",
                )
            )  # fmt: skip
    return found


def cascade(html: str) -> str:
    tree = parse(html)
    return "" if tree is None else main_text(read_blocks(tree), tree).text


EXTRACTORS: dict[str, Callable[[str], str | None]] = {
    "cascade": cascade,
    "trafilatura": lambda html: trafilatura.extract(html, include_comments=False),
    "trafilatura fast": lambda html: trafilatura.extract(html, include_comments=False, fast=True),
    "resiliparse": lambda html: extract_plain_text(html, main_content=True, alt_texts=False),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--data", type=Path, help="folder with pages-*.warc.gz and truth.jsonl.gz (default: WEBTEXT_DATA/world)"
    )
    parser.add_argument("--eligible", action="store_true", help="only pages that a WebText run keeps (karma and date)")
    parser.add_argument("--limit", type=int, help="at most this many pages")
    options: Any = parser.parse_args()
    pages = [
        p
        for p in english_gold_pages(options.data)
        if gold_words(p.gold) >= LEAST_GOLD and (p.eligible or not options.eligible)
    ]
    pages = pages[: options.limit]
    scores: dict[str, list[float]] = {}
    seconds: dict[str, float] = {}
    for name, extract in EXTRACTORS.items():
        extract(decode(pages[0].body))  # imports and caches are not the page's time
        start = time.process_time()
        texts = [extract(decode(page.body, page.content_type)) or "" for page in pages]
        seconds[name] = time.process_time() - start
        scores[name] = [token_f1(text, page.gold) for text, page in zip(texts, pages, strict=True)]
    groups: dict[str, list[int]] = defaultdict(list)
    for i, page in enumerate(pages):
        groups["all"].append(i)
        groups[f"collection {page.collection.rpartition('/')[2]}"].append(i)
        groups[f"type {page.page_type or 'unknown'}"].append(i)
    print(f"{'token F1':32}{'pages':>6}" + "".join(f"{name:>18}" for name in EXTRACTORS))
    for group, members in sorted(groups.items()):
        means = "".join(f"{sum(scores[name][i] for i in members) / len(members):18.4f}" for name in EXTRACTORS)
        print(f"{group:32}{len(members):6}{means}")
    print(f"{'pages/s':38}" + "".join(f"{len(pages) / seconds[name]:18.1f}" for name in EXTRACTORS))
    print(
        f"{'times trafilatura':38}" + "".join(f"{seconds['trafilatura'] / seconds[name]:18.2f}" for name in EXTRACTORS)
    )
    print(
        "The cascade's weights were fitted on such pages;"
        " benchmarks/extraction_fit.py tells how it does on domains that it was not fitted on."
    )


if __name__ == "__main__":
    main()
