"""Finished stages of a run, made up: links and short documents with planted near-duplicates, as many as are asked for.

Everything follows from the document's number and the seed, so parts can be made in any order and any number.
"""

import argparse
import functools
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import minhash, schemas, tables
from webtext import parquet

VOCABULARY = 50_000
PERMUTATIONS = 128
BLOCK = 1000
CHUNK = 20 * BLOCK


def vocabulary(seed: int = 0) -> npt.NDArray[np.object_]:
    """Pronounceable words of 2 to 12 letters, each once."""
    draw = np.random.default_rng(seed)
    syllables = np.array([a + b for a in "bcdfghjklmnprstvwz" for b in "aeiou"])
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        sizes = draw.integers(1, 7, VOCABULARY)
        picked = draw.integers(0, len(syllables), (VOCABULARY, 6))
        words.update(dict.fromkeys("".join(syllables[row[:size]]) for row, size in zip(picked, sizes, strict=True)))
    return np.array(list(words)[:VOCABULARY], dtype=object)


def texts(
    numbers: range, words: npt.NDArray[np.object_], shortest: int, longest: int, copies: float, seed: int
) -> Iterator[str]:
    """Texts of `shortest` to `longest` words, word frequencies as Zipf has them.

    A share `copies` of them copies a text of the block of 1,000 numbers before, with one word in some 10 to 200
    changed: similarities from about 0.4 to 0.99; every 20th number that is a copy is an exact one.
    """
    sizes = (len(words), shortest, longest, seed)
    for block in range(numbers.start // BLOCK, -(-numbers.stop // BLOCK)):
        draw = np.random.default_rng([seed, block, 1])
        copied = (draw.random(BLOCK) < copies) & (block > 0)
        origins, spacing = draw.integers(0, BLOCK, BLOCK), draw.integers(10, 200, BLOCK)
        own = _bodies(block, *sizes)
        before = _bodies(block - 1, *sizes) if copied.any() else own
        for at, number in enumerate(range(block * BLOCK, (block + 1) * BLOCK)):
            body = before[origins[at]].copy() if copied[at] else own[at]
            if copied[at] and number % 20:
                changes = max(1, len(body) // int(spacing[at]))
                body[draw.integers(0, len(body), changes)] = draw.integers(0, len(words), changes)
            if number in numbers:
                yield " ".join(words[body].tolist())


def _bodies(block: int, vocabulary_size: int, shortest: int, longest: int, seed: int) -> list[npt.NDArray[np.int64]]:
    draw = np.random.default_rng([seed, block])
    ends = np.cumsum(draw.integers(shortest, longest + 1, BLOCK))
    ranks = (vocabulary_size ** draw.random(ends[-1]) - 1).astype(np.int64)
    return np.split(ranks, ends[:-1])


def _chunk(
    numbers: range, words: npt.NDArray[np.object_], shortest: int, longest: int, copies: float, seed: int
) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Rows of LINKS, DOCUMENTS and signatures for some numbers, in the order of the numbers."""
    made = pa.array(texts(numbers, words, shortest, longest, copies, seed), pa.string())
    count = len(made)
    draw = np.random.default_rng([seed, numbers.start, 2])
    urls = [f"https://site{number % 977}.example/story/{number}" for number in numbers]
    ids = [hashlib.blake2b(url.encode(), digest_size=16).hexdigest() for url in urls]
    domains = [f"site{number % 977}.example" for number in numbers]
    scores = pa.array(draw.integers(3, 5000, count))
    created = pa.array(draw.integers(1_300_000_000, 1_500_000_000, count)).cast(schemas.SECONDS).cast(schemas.TIME)
    submissions = [
        [{"id": f"{number:x}", "subreddit": "made", "score": score, "created_utc": time, "title": "", "source": "made"}]
        for number, score, time in zip(numbers, scores.to_pylist(), created.to_pylist(), strict=True)
    ]
    links = pa.table([ids, urls, domains, scores, created, submissions], schema=schemas.LINKS)
    repeated = functools.partial(pa.repeat, size=count)
    documents = pa.table(
        [
            pa.array(ids),
            made,
            pa.array(urls),
            pa.array(domains),
            repeated("A story"),
            repeated("en"),
            repeated(pa.scalar(0.99, pa.float32())),
            scores,
            pa.array([["made"]] * count, schemas.DOCUMENTS.field("subreddits").type),
            pa.array([[f"{number:x}"] for number in numbers], schemas.DOCUMENTS.field("submission_ids").type),
            created,
            created,
            repeated("warc"),
            pc.utf8_length(made).cast(pa.int64()),
            pa.array([text.count(" ") + 1 for text in made.to_pylist()], pa.int64()),
            pa.array([hashlib.sha256(text.encode()).hexdigest() for text in made.to_pylist()]),
        ],
        schema=schemas.DOCUMENTS,
    )
    sketches = minhash.signatures(made, PERMUTATIONS)
    signatures = pa.table(
        [documents["id"], *sketches, documents["char_count"], scores, created], schema=schemas.signatures(PERMUTATIONS)
    )
    return links, documents, signatures


def write_run(
    run: Path, count: int, partitions: int, shortest: int = 100, longest: int = 200, copies: float = 0.3, seed: int = 0
) -> None:
    """Write RUN/links, RUN/documents and RUN/documents/_signatures of so many rows; every link has its document."""
    words = vocabulary(seed)
    folders = ("links", "documents", "documents/_signatures")
    kinds = (schemas.LINKS, schemas.DOCUMENTS, schemas.signatures(PERMUTATIONS))
    pieces: dict[tuple[int, str], list[pa.Table]] = {}
    for first in range(0, count, CHUNK):
        made = _chunk(range(first, min(count, first + CHUNK)), words, shortest, longest, copies, seed)
        for folder, table in zip(folders, made, strict=True):
            for part, rows in tables.split(table, partitions):
                pieces.setdefault((part, folder), []).append(rows)
    for part in range(partitions):
        for folder, schema in zip(folders, kinds, strict=True):
            rows = pieces.pop((part, folder), [schema.empty_table()])
            table = tables.sorted_by(pa.concat_tables(rows), "id")
            parquet.write(str(run / folder), parquet.part_name(part), tables.require_schema(table, schema))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="folder to write links/ and documents/ to")
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--partitions", type=int, default=16)
    arguments = parser.parse_args()
    begin = time.perf_counter()
    write_run(arguments.run, arguments.documents, arguments.partitions)
    print(f"{arguments.documents:,} documents in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
