"""Small runs of made-up texts, and the stage run on them."""

import datetime
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions

from pipeline import minhash, schemas, tables
from pipeline.dedup.stage import FindDuplicates
from webtext import parquet, storage
from webtext.stages import Results

Text = str | tuple[str, Mapping[str, Any]]


def id_of(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


def url_of(name: str) -> str:
    return f"https://example.org/{name}"


def words(count: int, seed: int) -> list[str]:
    """Words that no other seed has."""
    return [f"w{seed}x{n}" for n in np.random.default_rng(seed).integers(0, 10**9, count)]


def alike(text: Sequence[str], changed: int, seed: int) -> list[str]:
    """The words with as many of them changed, far apart from each other."""
    copy = list(text)
    for at in np.linspace(2, len(text) - 3, changed).astype(int):
        copy[at] = f"new{seed}at{at}"
    return copy


def jaccard(left: str, right: str) -> float:
    """Similarity of the sets of normalised word 5-grams, with Python's own sets."""
    one, other = set(minhash.shingles(left)), set(minhash.shingles(right))
    return len(one & other) / len(one | other)


def document_tables(texts: Mapping[str, Text], permutations: int) -> tuple[pa.Table, pa.Table]:
    rows = []
    for name, given in texts.items():
        text, extra = (given, {}) if isinstance(given, str) else given
        rows.append(
            {
                "id": id_of(name), "text": text, "url": url_of(name), "domain": "example.org", "title": name,
                "language": "en", "language_score": 0.9, "score": 3, "subreddits": [], "submission_ids": [],
                "created_utc": datetime.datetime(2015, 1, 1, tzinfo=datetime.UTC), "fetched_at": None, "source": "warc",
                "char_count": len(text), "word_count": len(text.split()), "text_sha256": "",
            }
            | dict(extra)
        )  # fmt: skip
    documents = pa.Table.from_pylist(rows, schema=schemas.DOCUMENTS)
    sketches = minhash.signatures(documents["text"], permutations)
    columns = [documents["id"], *sketches, documents["char_count"], documents["score"], documents["created_utc"]]
    return documents, pa.table(columns, schema=schemas.signatures(permutations))


def write_run(run: Path, texts: Mapping[str, Text], partitions: int, permutations: int = 128) -> None:
    documents, signatures = document_tables(texts, permutations)
    for folder, table in (("documents", documents), ("documents/_signatures", signatures)):
        cut = dict(tables.split(table, partitions))
        for part in range(partitions):
            rows = tables.sorted_by(cut.get(part, table.schema.empty_table()), "id")
            parquet.write(str(run / folder), parquet.part_name(part), rows, rows_per_group=3)


def write_release(folder: Path, texts: Mapping[str, Text], permutations: int = 128) -> None:
    """A release of two shards and three parts of signatures."""
    documents, signatures = (tables.sorted_by(table, "id") for table in document_tables(texts, permutations))
    half = documents.num_rows // 2
    parquet.write(str(folder), "data/train-00000-of-00001.parquet", documents.slice(half))
    parquet.write(str(folder), "data/validation-00000-of-00001.parquet", documents.slice(0, half))
    for part, rows in tables.split(signatures, 3):
        parquet.write(str(folder), f"signatures/{parquet.part_name(part)}", rows)


class Outcome:
    """What the stage wrote and counted."""

    def __init__(self, run: Path, results: Sequence[Results]) -> None:
        paths = sorted((run / "duplicates").glob("part-*.parquet"))
        self.parts = [pq.read_table(path) for path in paths]
        self.table = pa.concat_tables(self.parts)
        self.files = [record for result in results for record in result.files]
        self.faults = [fault for result in results for fault in result.faults]
        self.counters: dict[str, int] = {}
        for result in results:
            for name, number in result.counters.items():
                self.counters[name] = self.counters.get(name, 0) + number

    def fallen(self, names: Sequence[str]) -> dict[str, tuple[str, float, str]]:
        """By name: keeper's name, similarity, reason."""
        name_of = {id_of(name): name for name in names}
        return {
            name_of[row["id"]]: (name_of.get(row["keeper"], row["keeper"]), row["similarity"], row["reason"])
            for row in self.table.to_pylist()
        }


def run_stage(run: Path, partitions: int, **options: Any) -> Outcome:
    with beam.Pipeline("FnApiRunner", options=PipelineOptions([])) as pipeline:
        results = pipeline | FindDuplicates(str(run), partitions, **options)
        results | beam.Map(repr) | beam.io.WriteToText(str(run / "results"), num_shards=1, shard_name_template="")
    return Outcome(run, [_parse(line) for line in (run / "results").read_text().splitlines()])


def _parse(line: str) -> Results:
    result = eval(line, {"Results": Results, "FileRecord": storage.FileRecord})
    assert isinstance(result, Results)
    return result


@pytest.fixture
def deduplicate(tmp_path: Path) -> Callable[..., dict[str, tuple[str, float, str]]]:
    """Run the stage on texts by name; returns who fell: keeper, similarity, reason."""

    def search(texts: Mapping[str, Text], partitions: int = 3, **options: Any) -> dict[str, tuple[str, float, str]]:
        write_run(tmp_path, texts, partitions)
        return run_stage(tmp_path, partitions, **options).fallen(list(texts))

    return search
