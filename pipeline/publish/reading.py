"""Parts of a run, read a row group at a time, so that no more than that of the texts is ever in memory."""

import bisect
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import tables
from webtext import parquet, storage

FIRST_ID = "0" * tables.ID_PREFIX_DIGITS
LAST_ID = "g"
"""Greater than every hex digit."""


def read_part(folder: str, partition: int, schema: pa.Schema, columns: Sequence[str] | None = None) -> pa.Table:
    """A partition's rows, or some of their columns; no rows when the stage wrote no such file."""
    path = storage.join(folder, parquet.part_name(partition))
    if storage.exists(path):
        return parquet.read(path, columns)
    wanted = schema if columns is None else pa.schema([schema.field(column) for column in columns])
    return wanted.empty_table()


def row_groups(
    path: str, columns: Sequence[str] | None = None, first: str = FIRST_ID, last: str = LAST_ID
) -> Iterator[pa.Table]:
    """A file's row groups in their order, those left out whose ids all lie outside first <= id <= last.

    A group at the border holds other ids too. An absent file has no groups.
    """
    return _groups(path, columns, lambda least, most: least <= last and most >= first)


def rows_of(path: str, ids: Collection[str]) -> Iterator[dict[str, Any]]:
    """A file's rows with these ids; of its row groups only those are read that may hold one, each once."""
    wanted = sorted(ids)
    values = pa.array(wanted, pa.string())

    def may_hold(least: str, most: str) -> bool:
        return bisect.bisect_left(wanted, least) < bisect.bisect_right(wanted, most)

    for group in _groups(path, None, may_hold):
        yield from group.filter(pc.is_in(group["id"], value_set=values)).to_pylist()


def _groups(path: str, columns: Sequence[str] | None, wanted: Callable[[str, str], bool]) -> Iterator[pa.Table]:
    if not storage.exists(path):
        return
    with parquet.opened(path) as file:
        place = file.schema_arrow.get_field_index("id")
        for group in range(file.num_row_groups):
            ids = file.metadata.row_group(group).column(place).statistics if place == 0 else None
            if ids is None or not ids.has_min_max or wanted(ids.min, ids.max):
                yield file.read_row_group(group, columns=list(columns) if columns is not None else None)


def row_count(path: str) -> int:
    """A file's rows, from its footer."""
    with parquet.opened(path) as file:
        return int(file.metadata.num_rows)


def count_parts(folder: str) -> int:
    """How many partitions a stage's folder has: one more than the number of its last part; 0 when there is none."""
    parts = parquet.list_parts(folder)
    return int(parts[-1].rpartition("part-")[2].partition(".")[0]) + 1 if parts else 0
