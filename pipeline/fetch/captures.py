"""Captures: what archives hold of addresses, one row for each answer, and how they travel as tables."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.schemas import SECONDS, TIME


class Capture(NamedTuple):
    """One answer in an archive: where it lies and what it says, without its body. Texts may be empty."""

    id: str
    """`pipeline.urls.link_id` of the address."""
    url: str
    """The address, normalised."""
    date: int | None
    """When it was recorded, seconds since 1970 UTC."""
    kind: str
    """response, resource or revisit."""
    status: int | None
    """None where the record has no HTTP head that can be read."""
    content_type: str
    file: str
    """The archive, as it was given."""
    offset: int
    """The byte where its record begins in the file."""
    length: int
    """The record's bytes in the file, compressed as they lie."""
    payload_bytes: int
    """Bytes of the body as they were sent, by what the record states."""
    payload_digest: str
    """As the record states it, mostly sha1 in base 32."""
    payload_sha256: str
    """Measured, of the body as it was sent, transfer coding undone; only where it was asked for."""
    location: str
    """The address that a redirect points to, normalised."""
    refers_to_url: str
    """For a revisit: the address, normalised, of the record that holds the body."""
    refers_to_date: int | None
    truncated: str
    """Why the record is not whole: the crawler's words, or `damaged`."""


class Damage(NamedTuple):
    """A place of an archive that cannot be read, or not as it should be."""

    file: str
    offset: int
    length: int
    what: str


CAPTURES = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("date", TIME),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("status", pa.int32()),
        pa.field("content_type", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
        pa.field("payload_bytes", pa.int64(), nullable=False),
        pa.field("payload_digest", pa.string(), nullable=False),
        pa.field("payload_sha256", pa.string(), nullable=False),
        pa.field("location", pa.string(), nullable=False),
        pa.field("refers_to_url", pa.string(), nullable=False),
        pa.field("refers_to_date", TIME),
        pa.field("truncated", pa.string(), nullable=False),
    ]
)
"""The fields of Capture as columns."""


def captures_table(captures: Sequence[Capture]) -> pa.Table:
    """Captures as rows of CAPTURES, in the same order."""
    return rows_table(captures, CAPTURES)


def captures_of(table: pa.Table) -> Iterator[Capture]:
    """The rows of such a table as captures."""
    return map(Capture._make, rows_of(table))


def rows_table(rows: Sequence[tuple[Any, ...]], schema: pa.Schema) -> pa.Table:
    """Tuples as rows of a table; times are seconds since 1970."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [
        pa.array(column, pa.int64()).cast(SECONDS).cast(TIME) if field.type == TIME else pa.array(column, field.type)
        for column, field in zip(columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def rows_of(table: pa.Table) -> Iterator[tuple[Any, ...]]:
    """The rows of a table as tuples; times are seconds since 1970."""
    return zip(*map(_values, table.itercolumns()), strict=True)


def _values(column: pa.ChunkedArray) -> list[Any]:
    seconds = column.cast(SECONDS).cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
    return list(seconds.to_pylist())
