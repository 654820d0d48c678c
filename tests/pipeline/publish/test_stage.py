"""The release's files: complete, the same whatever the cut and order of the input."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that

from pipeline import schemas, urls
from pipeline.ledger import Outcome, Reason, Stage
from pipeline.publish import placement, stage, takedown
from pipeline.publish.books import BooksDoNotBalanceError
from webtext import parquet
from webtext.stages import Results

Make = Callable[..., Path]


def _data(release: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted((release / "data").iterdir())}


def _ledger(release: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted((release / "ledger").iterdir()))


def test_every_link_has_one_ledger_row_with_its_reason(release_folder: Path) -> None:
    ledger = _ledger(release_folder)
    assert ledger.num_rows == len(set(ledger["id"].to_pylist())) == 300
    assert ledger.schema.equals(schemas.LEDGER)
    kept = [row for row in ledger.to_pylist() if row["outcome"] == "kept"]
    assert {(row["stage"], row["reason"]) for row in kept} == {("corpus", "kept")}
    assert all(row["url"] for row in ledger.to_pylist())
    fell = [row for row in ledger.to_pylist() if row["stage"] == "duplicates"]
    assert {row["reason"] for row in fell} == {"exact_duplicate", "near_duplicate", "wikipedia_mirror"}
    assert all("like http" in row["detail"] for row in fell)


def test_shards_hold_the_kept_documents_in_order(release_folder: Path) -> None:
    kept = {row["id"]: row["detail"] for row in _ledger(release_folder).to_pylist() if row["outcome"] == "kept"}
    found: dict[str, str] = {}
    names = sorted(path.name for path in (release_folder / "data").iterdir())
    assert sum(name.startswith("train") for name in names) > 1
    for name in names:
        file = pq.ParquetFile(release_folder / "data" / name)
        assert file.schema_arrow.names == schemas.DOCUMENTS.names
        assert file.metadata.row_group(0).column(1).compression == "ZSTD"
        assert file.metadata.row_group(0).column(0).has_offset_index
        ids = file.read(["id"])["id"].to_pylist()
        assert ids
        assert ids == sorted(ids)
        found |= dict.fromkeys(ids, name.partition("-")[0])
    assert found == kept
    assert all(placement.split_of(each, 0.1) == split for each, split in found.items())


def test_signatures_are_those_of_the_kept_documents(release_folder: Path) -> None:
    parts = [pq.read_table(path) for path in sorted((release_folder / "signatures").iterdir())]
    ids = [each for part in parts for each in part["id"].to_pylist()]
    assert ids == [row["id"] for row in _ledger(release_folder).to_pylist() if row["outcome"] == "kept"]
    assert parts[0].schema.metadata[schemas.PERMUTATIONS_KEY] == b"32"


def test_neither_partitions_nor_order_of_rows_change_the_shards(tmp_path: Path, make_run: Make, publish: Make) -> None:
    one = publish(make_run(tmp_path / "one", partitions=4))
    other = publish(make_run(tmp_path / "other", partitions=7, shuffle=5))
    assert _data(one) == _data(other)
    for name in ("README.md",):
        assert (one / name).read_bytes() == (other / name).read_bytes()


def test_beam_does_the_same_as_the_functions(
    tmp_path: Path, make_run: Make, finished_run: Path, permutations: int
) -> None:
    run = make_run(tmp_path / "run")

    def complete(results: list[Results]) -> None:
        written = {record.path: record.sha256 for each in results for record in each.files}
        manifest = json.loads((finished_run / "corpus" / "manifest.json").read_bytes())
        expected = {entry["path"]: entry["sha256"] for entry in manifest["outputs"]}
        assert written == {path: digest for path, digest in expected.items() if path.endswith("parquet")}

    with test_pipeline.TestPipeline() as pipeline:
        results = pipeline | stage.PublishRelease(str(run), 4, permutations, 20_000, 0.1)
        assert_that(results, complete)


def test_a_split_stays_when_the_number_of_shards_changes(tmp_path: Path, make_run: Make, publish: Make) -> None:
    run = make_run(tmp_path / "run")

    def splits(release: Path) -> dict[str, str]:
        return {
            each: path.name.partition("-")[0]
            for path in (release / "data").iterdir()
            for each in pq.read_table(path)["id"].to_pylist()
        }

    many = splits(publish(run, shard_bytes=5_000))
    names = set(_data(run / "corpus"))
    few = splits(publish(run, shard_bytes=10**9))
    assert many == few
    assert set(_data(run / "corpus")) == {"train-00000-of-00001.parquet", "validation-00000-of-00001.parquet"}
    assert not names & set(_data(run / "corpus")) - {"validation-00000-of-00001.parquet"}


@pytest.mark.parametrize("count", [0, 1])
def test_a_release_of_nothing_or_of_one_document_is_a_release(
    tmp_path: Path, make_run: Make, publish: Make, count: int
) -> None:
    release = publish(make_run(tmp_path / "run", count=count), validation_fraction=0.0)
    assert set(_data(release)) == {"train-00000-of-00001.parquet", "validation-00000-of-00001.parquet"}
    assert pq.read_table(release / "data" / "train-00000-of-00001.parquet").num_rows == count
    empty = pq.read_table(release / "data" / "validation-00000-of-00001.parquet")
    assert empty.num_rows == 0
    assert empty.schema.names == schemas.DOCUMENTS.names


def test_what_is_taken_down_goes_into_the_ledger(tmp_path: Path, make_run: Make, publish: Make) -> None:
    asked = takedown.parse(["nytimes.com", "http://github.com/page/2"], "takedown.txt")
    release = publish(make_run(tmp_path / "run"), takedown=asked)
    rows = {row["id"]: row for row in _ledger(release).to_pylist()}
    row = rows[urls.link_id("http://github.com/page/2")]
    assert (row["stage"], row["outcome"], row["reason"]) == ("corpus", "dropped", "opt_out")
    domains = {domain for path in (release / "data").iterdir() for domain in pq.read_table(path)["domain"].to_pylist()}
    assert domains == {"blogspot.com", "github.com"}


def test_documents_out_of_order_fail_loudly(tmp_path: Path, make_run: Make, publish: Make) -> None:
    run = make_run(tmp_path / "run")
    documents = pq.read_table(run / "documents/part-00001.parquet")
    backwards = documents.take(pa.array(range(documents.num_rows)[::-1]))
    parquet.write(str(run / "documents"), "part-00001.parquet", backwards)
    with pytest.raises(AssertionError, match="ids descend"):
        publish(run)


def test_a_lost_page_fails_loudly(tmp_path: Path, make_run: Make, publish: Make) -> None:
    run = make_run(tmp_path / "run")
    pages = pq.read_table(run / "pages/index/part-00002.parquet")
    parquet.write(str(run / "pages/index"), "part-00002.parquet", pages.filter(pa.array([False] * len(pages))))
    with pytest.raises(BooksDoNotBalanceError, match="links have no ending"):
        publish(run)
    assert not (run / "corpus/README.md").exists()


def test_a_link_that_two_stages_claim_fails_loudly(tmp_path: Path, make_run: Make, publish: Make) -> None:
    run = make_run(tmp_path / "run")
    refused = pq.read_table(run / "documents/_ledger/part-00001.parquet")
    documents = pq.read_table(run / "documents/part-00001.parquet", columns=["id", "url"])
    extra = documents.slice(0, 1).to_pylist()[0] | {
        "stage": Stage.DOCUMENTS,
        "outcome": Outcome.DROPPED,
        "reason": Reason.TOO_SHORT,
        "detail": "",
    }
    both = pa.concat_tables([refused, pa.Table.from_pylist([extra], schema=schemas.LEDGER)])
    parquet.write(str(run / "documents/_ledger"), "part-00001.parquet", both)
    with pytest.raises(BooksDoNotBalanceError, match="more than one ending"):
        publish(run)


def test_the_transform_can_be_planned_again(tmp_path: Path, permutations: int) -> None:
    transform = stage.PublishRelease(str(tmp_path), 4, permutations)
    assert isinstance(transform, beam.PTransform)
    assert {transform}
