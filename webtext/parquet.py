"""Parquet as every dataset here is written: equal tables give equal bytes."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from webtext import storage
from webtext.storage import FileRecord

ROWS_PER_GROUP = 4096


def part_name(partition: int) -> str:
    """The name of a partition's file: part-00042.parquet."""
    return f"part-{partition:05d}.parquet"


def list_parts(folder: str) -> list[str]:
    """The `part-*.parquet` files of a folder, sorted; none when the folder is absent."""
    return storage.list_files(folder, "part-*.parquet")


def write(folder: str, name: str, table: pa.Table, rows_per_group: int = ROWS_PER_GROUP) -> FileRecord:
    """Write a table as one Parquet file (see `to_bytes`)."""
    return storage.write_bytes(folder, name, to_bytes(table, rows_per_group), table.num_rows)


def to_bytes(table: pa.Table, rows_per_group: int = ROWS_PER_GROUP) -> bytes:
    """A table as a Parquet file. Equal tables give equal bytes."""
    sink = io.BytesIO()
    with writer(sink, table.schema) as open_writer:
        if table.num_rows:
            open_writer.write_table(table, row_group_size=rows_per_group)
    return sink.getvalue()


def writer(sink: Any, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer with the settings of every Parquet file here: zstd, page index, content-defined chunks.

    Write no tables without rows: Hugging Face's datasets takes the first row group's rows for its batch size, and fails
    when that is zero.
    """
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=3,
        write_page_index=True,
        use_content_defined_chunking=True,
    )


@contextlib.contextmanager
def opened(path: str) -> Iterator[pq.ParquetFile]:
    """Open a Parquet file for reading.

    Arrow's threads may let go of a file after the read has returned. One of Python's needs the interpreter for that,
    which aborts a process that is just ending: local files are opened by Arrow itself.
    """
    if storage.is_local(path):
        with pa.OSFile(storage.locate(path)[1]) as file:
            yield pq.ParquetFile(file)
        return
    # Arrow knows which bytes it will want: nothing else is read, and what lies close together in one request.
    with storage.opened(path, cache_type="none") as far:
        yield pq.ParquetFile(far, pre_buffer=True)


def read(path: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file, or some of its columns."""
    with opened(path) as file:
        return file.read(columns=list(columns) if columns is not None else None)
