"""Files written a row group at a time: the same whatever the pieces, whole or absent."""

import hashlib
import itertools
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.publish.shard_file import write_sorted
from webtext import parquet

SCHEMA = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("score", pa.int64())])


def _rows(start: int, end: int) -> pa.Table:
    ids = pa.array([f"{number:032x}" for number in range(start, end)], pa.string())
    scores = pa.array([None if number % 3 == 0 else number for number in range(start, end)], pa.int64())
    return pa.table([ids, scores], schema=SCHEMA)


@settings(max_examples=20)
@given(cuts=st.lists(st.integers(0, 10_000)))
def test_the_cut_into_pieces_does_not_change_a_byte(cuts: list[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("files")
    bounds = [0, *sorted(cuts), 10_000]
    pieces = [_rows(start, end) for start, end in itertools.pairwise(bounds)]
    cut = write_sorted(str(folder), "data/cut.parquet", SCHEMA, pieces)
    whole = write_sorted(str(folder), "data/whole.parquet", SCHEMA, [_rows(0, 10_000)])
    assert (cut.bytes, cut.sha256, cut.rows) == (whole.bytes, whole.sha256, whole.rows)


def test_the_record_tells_what_was_written(tmp_path: Path) -> None:
    record = write_sorted(str(tmp_path), "data/a.parquet", SCHEMA, [_rows(0, 9000)])
    content = (tmp_path / record.path).read_bytes()
    assert (record.bytes, record.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    file = pq.ParquetFile(tmp_path / record.path)
    groups = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    assert groups == [parquet.ROWS_PER_GROUP, parquet.ROWS_PER_GROUP, 9000 - 2 * parquet.ROWS_PER_GROUP]
    assert file.read().equals(_rows(0, 9000))


def test_no_rows_make_a_file_without_row_groups(tmp_path: Path) -> None:
    record = write_sorted(str(tmp_path), "a.parquet", SCHEMA, [_rows(5, 5)])
    file = pq.ParquetFile(tmp_path / "a.parquet")
    assert (record.rows, file.num_row_groups, file.schema_arrow) == (0, 0, SCHEMA)


def test_rows_that_descend_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="ids descend"):
        write_sorted(str(tmp_path), "a.parquet", SCHEMA, [_rows(1, 2), _rows(0, 1)])
    assert not list(tmp_path.iterdir())
