"""A Parquet file written a row group at a time: no more of a shard is in memory, however large the shard is."""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from webtext import parquet, storage
from webtext.storage import FileRecord


class _Hashed:
    """A file that knows the sha256 and the size of what was written to it, as far as Arrow wants a file to be one."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.size = 0
        self.closed = False

    def write(self, content: Any) -> int:
        self.sha256.update(content)
        self.size += len(content)
        return self._file.write(content)

    def flush(self) -> None:
        self._file.flush()

    def tell(self) -> int:
        return self.size

    def close(self) -> None:
        """Arrow closes what it wrote to; the file itself is closed, whole, by who opened it."""
        self.closed = True


def write_sorted(folder: str, name: str, schema: pa.Schema, pieces: Iterable[pa.Table]) -> FileRecord:
    """Write tables that follow each other, as one file with full row groups; the cut into pieces does not matter.

    No rows give a file without row groups.
    Raises AssertionError when an id is smaller than the one before it: the file would depend on the order of work.
    """
    rows, last = 0, ""
    with storage.open_atomic(storage.join(folder, name)) as file:
        hashed = _Hashed(file)
        with parquet.writer(pa.PythonFile(hashed, mode="w"), schema) as writer:
            for group in _full_groups(pieces, schema, parquet.ROWS_PER_GROUP):
                ids = group["id"].to_pylist()
                assert all(left <= right for left, right in zip([last, *ids], ids, strict=False)), (
                    f"{name}: ids descend"
                )
                writer.write_table(group, row_group_size=parquet.ROWS_PER_GROUP)
                rows, last = rows + len(ids), ids[-1]
    return FileRecord(name, hashed.size, hashed.sha256.hexdigest(), rows)


def _full_groups(pieces: Iterable[pa.Table], schema: pa.Schema, size: int) -> Iterator[pa.Table]:
    """The rows in tables of `size` rows, the last one smaller, none empty; each in one chunk, for equal bytes."""
    waiting = schema.empty_table()
    for piece in pieces:
        waiting = pa.concat_tables([waiting, piece.cast(schema)])
        while waiting.num_rows >= size:
            yield waiting.slice(0, size).combine_chunks()
            waiting = waiting.slice(size)
    if waiting.num_rows:
        yield waiting.combine_chunks()
