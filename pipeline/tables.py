"""Arrow tables as they travel: cut into partitions by id, packed into bytes for a shuffle, put together again.

A shuffle that moves one element a row costs the local runner about a kilobyte a row; one that moves a packed table
costs the table. So every GroupByKey of the pipeline has partition numbers for keys and packed tables for values.
"""

import binascii
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.ledger import Ending, Stage
from pipeline.schemas import LEDGER

COMPRESSED_FROM_BYTES = 16 * 1024
"""To make and undo zstd's contexts takes 0.25 ms a table, however small; the rest of packing takes 0.02 ms."""

ID_DIGITS = 32
ID_PREFIX_DIGITS = 8
ID_PREFIX_SPAN = 1 << 4 * ID_PREFIX_DIGITS


def partition_of(link_id: str, partitions: int) -> int:
    """The partition, from 0, that holds an id: equal ranges of its first 32 bits, so partitions ascend with ids."""
    return int(link_id[:ID_PREFIX_DIGITS], 16) * partitions // ID_PREFIX_SPAN


def partitions_of(ids: pa.Array | pa.ChunkedArray, partitions: int) -> npt.NDArray[np.int64]:
    """`partition_of` for a whole column; returns int64 of the same length."""
    return ranges_of(id_bits(ids), partitions)


def ranges_of(prefixes: npt.NDArray[np.uint32], ranges: int) -> npt.NDArray[np.int64]:
    """`partition_of` for ids of which only the first 32 bits are at hand."""
    return (prefixes.astype(np.uint64) * np.uint64(ranges) // np.uint64(ID_PREFIX_SPAN)).astype(np.int64)


def id_bits(ids: pa.Array | pa.ChunkedArray, start: int = 0) -> npt.NDArray[np.uint32]:
    """32 bits of each id: those of the eight hex digits from `start`, an even number."""
    first = start // 2
    return np.ascontiguousarray(id_bytes(ids)[:, first : first + 4]).view(">u4").reshape(-1).astype(np.uint32)


def id_bytes(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint8]:
    """Ids (32 hex digits) as what they stand for: an array of shape (ids, 16)."""
    array = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
    digits = array.cast(pa.binary()).cast(pa.binary(ID_DIGITS))
    start, end = digits.offset * ID_DIGITS, (digits.offset + len(digits)) * ID_DIGITS
    raw = binascii.unhexlify(memoryview(digits.buffers()[1] or b"")[start:end])
    return np.frombuffer(raw, np.uint8).reshape(-1, ID_DIGITS // 2)


def split(table: pa.Table, partitions: int, by: str = "id") -> Iterator[tuple[int, pa.Table]]:
    """Cut a table into the partitions of its ids: (partition, rows) in ascending order, empty ones left out."""
    yield from groups(table, partitions_of(table[by], partitions))


def groups(table: pa.Table, keys: npt.NDArray[np.int64]) -> Iterator[tuple[int, pa.Table]]:
    """Cut a table by one key a row: (key, rows) in ascending order; rows keep their order."""
    if not table.num_rows:
        return
    order = np.argsort(keys, kind="stable")
    present, starts = np.unique(keys[order], return_index=True)
    ordered = table.take(pa.array(order))
    ends = [*starts[1:].tolist(), table.num_rows]
    for key, start, end in zip(present.tolist(), starts.tolist(), ends, strict=True):
        yield key, ordered.slice(start, end - start)


def pack(table: pa.Table) -> bytes:
    """A table as the bytes of an Arrow IPC stream, compressed with zstd where that is worth its while."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd" if table.nbytes >= COMPRESSED_FROM_BYTES else None)
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


def ledger_of(stage: Stage, endings: Iterable[tuple[str, str, Ending]]) -> pa.Table:
    """Ledger rows (`schemas.LEDGER`) of links that end in a stage, from ids, addresses and endings, in their order."""
    rows = [
        (link_id, url, stage.value, ending.outcome.value, ending.reason.value, ending.detail)
        for link_id, url, ending in endings
    ]
    columns = zip(*rows, strict=True) if rows else ([],) * len(LEDGER)
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=LEDGER)


def require_schema(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly `schema` (field comments and nullability included).

    Raises AssertionError where a column is missing, has another type, or is null where that is not allowed.
    """
    assert table.column_names == schema.names, f"columns {table.column_names} are not {schema.names}"
    for field in schema:
        assert field.nullable or not table[field.name].null_count, f"column {field.name} has nulls"
    return table.cast(schema)
