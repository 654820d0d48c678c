"""Texts that nothing may be a copy of."""

import gzip
from collections.abc import Iterable
from pathlib import Path

import apache_beam as beam
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing.util import assert_that, equal_to

from pipeline.dedup import references
from tests.pipeline.dedup.conftest import Text, alike, id_of, run_stage, words, write_release, write_run
from webtext.errors import UserError

ARTICLE = words(180, 11)


def lines(rows: Iterable[object]) -> bytes:
    return b"\n".join(orjson.dumps(row) for row in rows) + b"\n"


def test_copies_of_reference_texts_fall_as_mirrors(tmp_path: Path) -> None:
    other = words(150, 12)
    (tmp_path / "wiki.jsonl").write_bytes(
        lines([{"id": 12, "text": " ".join(ARTICLE), "url": "https://en.wikipedia.org/wiki/A"}]) + b"{broken\n[]\n{}\n"
    )
    pq.write_table(pa.table({"text": [" ".join(other)]}), tmp_path / "more.parquet")
    texts: dict[str, Text] = {
        "mirror": (" ".join(ARTICLE), {"score": 99}),
        "second mirror": (" ".join(alike(ARTICLE, 4, 1)), {"score": 98}),
        "other": " ".join(alike(other, 4, 2)),
        "twin of other": " ".join(alike(other, 4, 2)),
        "own": " ".join(words(150, 13)),
    }
    write_run(tmp_path / "run", texts, 3)
    write_release(tmp_path / "release", {"old": " ".join(words(150, 14)), "older": " ".join(words(150, 15))})
    files = [str(tmp_path / "wiki.jsonl"), str(tmp_path / "more.parquet")]
    with beam.Pipeline("FnApiRunner", options=PipelineOptions([])) as pipeline:
        prepared = pipeline | references.PrepareReferences(files, str(tmp_path / "run"))
        assert_that(prepared, equal_to([(files[0], 1, 3), (files[1], 1, 0)]))
    outcome = run_stage(tmp_path / "run", 3, against=(str(tmp_path / "release"),))
    fallen = outcome.fallen(list(texts))
    assert fallen.keys() == texts.keys() - {"own"}
    assert {reason for _, _, reason in fallen.values()} == {"wikipedia_mirror"}
    assert fallen["mirror"][:2] == ("12", 1.0)
    assert fallen["second mirror"][0] == "12"
    assert fallen["other"] == fallen["twin of other"]
    assert fallen["other"][0] == "more.parquet:0"
    urls = dict(zip(outcome.table["id"].to_pylist(), outcome.table["keeper_url"].to_pylist(), strict=True))
    assert urls[id_of("mirror")] == "https://en.wikipedia.org/wiki/A"
    assert set(outcome.table["keeper_release"].to_pylist()) == {"references"}


@pytest.mark.parametrize("rows", [0, 1, 2047, 2048, 2049, 5000])
def test_every_line_comes_once(tmp_path: Path, rows: int) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(lines({"text": f"text {n}"} for n in range(rows)) if rows else b""))
    found = [name for table, _ in references.read(str(path)) for name in table["id"].to_pylist()]
    assert found == [f"a.jsonl.gz:{n}" for n in range(rows)]


def test_a_parquet_file_without_text_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(UserError, match="no column 'text'"):
        list(references.read(str(tmp_path / "a.parquet")))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(
            (f"a.{kind}", b"this is no such file")
            for kind in ("parquet", "jsonl.gz", "jsonl.bz2", "jsonl.xz", "jsonl.zst")
        ),
        *((f"a.{kind}", b"") for kind in ("parquet", "jsonl.bz2", "jsonl.xz", "jsonl.zst")),
    ],
)
def test_a_file_that_is_damaged_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=rf"dedup.references: .*{name} cannot be read \(.+\); mend or remove it"):
        list(references.read(str(tmp_path / name)))


def test_a_file_that_breaks_off_is_named(tmp_path: Path) -> None:
    whole = gzip.compress(lines({"text": f"text {n}"} for n in range(5000)))
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"a.jsonl.gz cannot be read"):
        list(references.read(str(tmp_path / "a.jsonl.gz")))


def test_bad_lines_are_told() -> None:
    summed = references.summed_up([("b.jsonl", 10, 0), ("a.jsonl", 5, 1), ("c.jsonl", 0, 1200)])
    assert summed.counters["reference_texts"] == 15
    assert summed.counters["warnings"] == [
        "a.jsonl: 1 line has no text that can be read; passed over.",
        "c.jsonl: 1,200 lines have no text that can be read; passed over.",
    ]
    assert references.summed_up([("b.jsonl", 10, 0)]).counters == {"reference_texts": 10}
