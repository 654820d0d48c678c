"""Ranks, and rows read back."""

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline import schemas
from pipeline.dedup import sources
from pipeline.dedup.sources import Keep
from tests.pipeline.dedup.conftest import id_of, url_of, write_release, write_run


def table(char_count: list[int], score: list[int | None], year: list[int | None]) -> pa.Table:
    times = [None if y is None else datetime.datetime(y, 1, 1, tzinfo=datetime.UTC) for y in year]
    columns = [pa.array(char_count, pa.int64()), pa.array(score, pa.int64()), pa.array(times, schemas.TIME)]
    return pa.table(columns, names=["char_count", "score", "created_utc"])


@pytest.mark.parametrize(
    ("keep", "best_first"), [("longest", [2, 0, 3, 1]), ("highest_score", [3, 0, 1, 2]), ("earliest", [1, 2, 0, 3])]
)
def test_ranks_order_documents_and_the_unknown_come_last(keep: Keep, best_first: list[int]) -> None:
    found = sources.ranks(table([50, 0, 10**12, 7], [3, -(10**15), None, 10**15], [2015, 1925, 2009, None]), keep)
    assert found.dtype == np.uint32
    assert np.argsort(found, kind="stable").tolist() == best_first
    if keep != "longest":
        assert found.max() == sources.WORST_RANK


def test_rows_of_a_partition_and_of_a_release_are_read_back(tmp_path: Path) -> None:
    names = [f"d{n}" for n in range(40)]
    texts = {name: f"the text of {name}" for name in names}
    write_run(tmp_path / "run", texts, 1)
    write_release(tmp_path / "release", texts)
    ordered = sorted(names, key=id_of)
    parts = [*sources.run_parts(str(tmp_path / "run"), 1), *sources.release_parts(str(tmp_path / "release"), 128)]
    assert len(parts) == 4
    for part in parts:
        ids = sources.read_signatures(part, 128, ("id",))["id"].to_pylist()
        rows = np.arange(1, len(ids), 2)
        found: dict[int, tuple[str, str]] = {}
        for read, columns in sources.read_rows(part, rows, ("text", "url")):
            pairs = zip(columns["text"].to_pylist(), columns["url"].to_pylist(), strict=True)
            found.update(zip(read.tolist(), pairs, strict=True))
        by_id = {id_of(name): name for name in ordered}
        assert found == {row: (texts[by_id[ids[row]]], url_of(by_id[ids[row]])) for row in rows.tolist()}
        assert list(sources.read_rows(part, np.array([], dtype=np.int64), ("text",))) == []


def test_ordinals_hold_part_and_row() -> None:
    ordinals = sources.ordinals_of(70_000, np.array([0, 5, 2**32 - 1]))
    assert sources.parts_of(ordinals).tolist() == [70_000] * 3
    assert sources.rows_of(ordinals).tolist() == [0, 5, 2**32 - 1]
