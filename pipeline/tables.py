"""Arrow tables as they travel: cut into partitions by id, packed into bytes for a shuffle, put together again.

A shuffle that moves one element a row costs the local runner about a kilobyte a row; one that moves a packed table
costs the table. So every GroupByKey of the pipeline has partition numbers for keys and packed tables for values.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

ID_PREFIX_DIGITS = 8
ID_PREFIX_SPAN = 1 << 4 * ID_PREFIX_DIGITS


def partition_of(link_id: str, partitions: int) -> int:
    """The partition, from 0, that holds an id: equal ranges of its first 32 bits, so partitions ascend with ids."""
    return int(link_id[:ID_PREFIX_DIGITS], 16) * partitions // ID_PREFIX_SPAN


def partitions_of(ids: pa.Array | pa.ChunkedArray, partitions: int) -> npt.NDArray[np.int64]:
    """`partition_of` for a whole column; returns int64 of the same length."""
    prefixes = pc.utf8_slice_codeunits(ids, 0, ID_PREFIX_DIGITS).to_pylist()
    values = np.array([int(prefix, 16) for prefix in prefixes], dtype=np.uint64)
    return (values * np.uint64(partitions) // np.uint64(ID_PREFIX_SPAN)).astype(np.int64)


def split(table: pa.Table, partitions: int, by: str = "id") -> Iterator[tuple[int, pa.Table]]:
    """Cut a table into the partitions of its ids: (partition, rows) in ascending order, empty ones left out."""
    if not table.num_rows:
        return
    where = partitions_of(table[by], partitions)
    order = np.argsort(where, kind="stable")
    present, starts = np.unique(where[order], return_index=True)
    ordered = table.take(pa.array(order))
    ends = [*starts[1:].tolist(), table.num_rows]
    for partition, start, end in zip(present.tolist(), starts.tolist(), ends, strict=True):
        yield partition, ordered.slice(start, end - start)


def pack(table: pa.Table) -> bytes:
    """A table as the bytes of an Arrow IPC stream, compressed with zstd."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue())


def unpack(packed: Iterable[bytes], schema: pa.Schema) -> pa.Table:
    """The rows of many packed tables as one table; an empty table of `schema` when there are none."""
    tables = [pa.ipc.open_stream(each).read_all() for each in packed]
    return pa.concat_tables(tables).combine_chunks() if tables else schema.empty_table()


def sorted_by(table: pa.Table, *columns: str) -> pa.Table:
    """The rows in ascending order of `columns`, so that equal sets of rows give equal bytes."""
    return table.sort_by([(column, "ascending") for column in columns])


def require_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly `schema` (field comments and nullability included).

    Raises AssertionError where a column is missing, has another type, or is null where that is not allowed.
    """
    assert table.column_names == schema.names, f"columns {table.column_names} are not {schema.names}"
    for field in schema:
        assert field.nullable or not table[field.name].null_count, f"column {field.name} has nulls"
    return table.cast(schema)
