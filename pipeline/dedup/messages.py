"""What workers send each other: packed tables of numbers, and texts of candidates only."""

from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import tables
from pipeline.dedup.sources import parts_of

ORDINAL = pa.int64()

KEYED = pa.schema([("key_0", pa.uint64()), ("key_1", pa.uint64()), ("ordinal", ORDINAL), ("rank", pa.uint32())])
"""Documents by what makes them equal: a content hash or an id, in two halves."""

TWINS = pa.schema([("fallen", ORDINAL), ("keeper", ORDINAL)])

BANDED = pa.schema([("hash", pa.uint32()), ("ordinal", ORDINAL), ("rank", pa.uint32())])
"""The lower half of a band's hash; the upper half chose the range. A chance meeting costs a look at two signatures."""

PAIRS = pa.schema([("leader", ORDINAL), ("follower", ORDINAL), ("same_link", pa.bool_())])

EDGES = pa.schema(
    [
        ("leader", ORDINAL),
        ("follower", ORDINAL),
        ("leader_rank", pa.uint32()),
        ("follower_rank", pa.uint32()),
        ("similarity", pa.float32()),
        ("same_link", pa.bool_()),
    ]
)

FALLS = pa.schema([("fallen", ORDINAL), ("keeper", ORDINAL), ("similarity", pa.float32()), ("cause", pa.uint8())])

NAMED = pa.schema(
    [
        ("fallen", ORDINAL),
        ("keeper", pa.string()),
        ("similarity", pa.float32()),
        ("cause", pa.uint8()),
        ("keeper_release", pa.string()),
        ("keeper_url", pa.string()),
    ]
)

Row = TypeVar("Row", bound=tuple[Any, ...])


def table(schema: pa.Schema, *columns: Any) -> pa.Table:
    """A table of arrays in the order of the schema's columns."""
    return pa.table(
        [
            column if isinstance(column, pa.ChunkedArray) else pa.array(column, field.type)
            for column, field in zip(columns, schema, strict=True)
        ],
        schema=schema,
    )


def opened(messages: Iterable[bytes], schema: pa.Schema) -> pa.Table:
    """All rows of many messages; empty ones, which only say that a part is there, are passed over."""
    return tables.unpack((message for message in messages if message), schema)


def arrays(columns: pa.Table, kind: type[Row]) -> Row:
    """A table as the named tuple of arrays whose fields are its columns."""
    return kind(*(columns[name].to_numpy() for name in kind._fields))  # type: ignore[attr-defined]


def by_part(columns: pa.Table, name: str) -> Iterator[tuple[int, bytes]]:
    """Cut a table by the parts of its ordinals in column `name`: (part, message)."""
    return by_key(columns, parts_of(columns[name].to_numpy()))


def by_key(columns: pa.Table, keys: npt.NDArray[np.int64]) -> Iterator[tuple[int, bytes]]:
    """Cut a table by one key a row: (key, message) in ascending order; rows keep their order."""
    for key, group in tables.groups(columns, keys):
        yield key, tables.pack(group)


def to_followers(
    pairs: pa.Table, places: npt.NDArray[np.int64], values: pa.Array, name: str
) -> Iterator[tuple[int, bytes]]:
    """Send pairs to the parts of their followers, with values[places[i]] for pair i in a column `name`.

    The column is a dictionary, so that a value goes once to each part that needs it.
    """
    placed = pairs.append_column(name, pa.array(places))
    for part, group in tables.groups(placed, parts_of(pairs["follower"].to_numpy())):
        used, indices = np.unique(group[name].to_numpy(), return_inverse=True)
        column = pa.DictionaryArray.from_arrays(pa.array(indices.astype(np.int32)), values.take(pa.array(used)))
        yield part, tables.pack(group.set_column(group.num_columns - 1, name, column))
