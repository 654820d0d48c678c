"""The files that take part: this run's partitions, earlier releases, reference texts; and how their rows are read.

A document is known by its **ordinal**, an int64: the number of its part above, its row in the part below. This run's
parts come first and are sorted by id, so among this run's documents the order of ordinals is the order of ids, however
many partitions there are.
"""

import dataclasses
import enum
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import layout, minhash, schemas
from pipeline.ledger import Stage
from webtext import parquet, storage
from webtext.errors import UserError

Ordinals: TypeAlias = npt.NDArray[np.int64]
Ranks: TypeAlias = npt.NDArray[np.uint32]
Keep: TypeAlias = Literal["highest_score", "longest", "earliest"]

Rows: TypeAlias = tuple[npt.NDArray[np.int64], pa.Table]
"""Row numbers in a part, and these rows' columns."""

REFERENCES = "_references"
ROW_BITS = 32
FIRST_LOOK = 16
"""Texts of a release by which its signatures are judged."""
WORST_RANK = (1 << 32) - 1


class Standing(enum.IntEnum):
    """Who goes before whom: a document never gives way to one that stands lower."""

    REFERENCE = 0
    RELEASE = 1
    RUN = 2
    """The only documents that can fall."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One file of signatures, and where the texts of its documents lie.

    documents: one file with the same rows in the same order; for a release the files of its `data/`, looked up by id.
    release: what `keeper_release` says of its documents.
    """

    signatures: str
    documents: tuple[str, ...]
    standing: Standing
    release: str = ""


def run_parts(run: str, partitions: int) -> list[Part]:
    """The documents of this run."""
    folder = storage.join(run, Stage.DOCUMENTS)
    return [
        Part(storage.join(folder, layout.SIGNATURES, name), (storage.join(folder, name),), Standing.RUN)
        for name in map(parquet.part_name, range(partitions))
    ]


def reference_parts(run: str) -> list[Part]:
    """The reference texts that `references.PrepareReferences` has laid ready in the run."""
    folder = storage.join(run, Stage.DUPLICATES, REFERENCES)
    return [
        Part(
            storage.join(folder, layout.SIGNATURES, path.rsplit("/", 1)[-1]), (path,), Standing.REFERENCE, "references"
        )
        for path in parquet.list_parts(folder)
    ]


def release_parts(folder: str, permutations: int) -> list[Part]:
    """The documents of an earlier release.

    Raises UserError when the folder is no release or its signatures cannot be compared with this run's.
    """
    signatures = parquet.list_parts(storage.join(folder, "signatures"))
    data = storage.list_files(storage.join(folder, "data"), "*.parquet")
    if not signatures or not data:
        raise UserError(
            f"dedup.against: {folder} is not a release (it needs signatures/part-*.parquet and data/*.parquet);"
            " name the corpus folder of an earlier run."
        )
    with parquet.opened(signatures[0]) as file:
        kind = file.schema_arrow.field("signature").type
    if kind != pa.binary(4 * permutations):
        raise UserError(
            f"dedup.against: the signatures of {folder} have {kind.byte_width // 4} permutations, this run's have"
            f" {permutations}; set dedup.permutations to {kind.byte_width // 4}."
        )
    parts = [Part(path, tuple(data), Standing.RELEASE, folder) for path in signatures]
    if not _made_alike(parts, permutations):
        raise UserError(
            f"dedup.against: the signatures of {folder} are not those that this version of webtext makes of its"
            " texts; they cannot be compared: rebuild that release, or leave it out of dedup.against."
        )
    return parts


def _made_alike(parts: Sequence[Part], permutations: int) -> bool:
    """Whether a release's signatures are what its texts give today, judged by its first texts."""
    for part in parts:
        stored = read_signatures(part, permutations, ("signature",)).slice(0, FIRST_LOOK)["signature"]
        for rows, columns in read_rows(part, np.arange(len(stored)), ("text",)):
            fresh = minhash.signatures(columns["text"], permutations).signature
            return bool(pc.all(pc.equal(fresh, stored.combine_chunks().take(pa.array(rows)))).as_py())
    return True


def ordinals_of(part: int, rows: npt.NDArray[np.integer]) -> Ordinals:
    """The ordinals of a part's rows."""
    return rows.astype(np.int64) | np.int64(part << ROW_BITS)


def parts_of(ordinals: Ordinals) -> npt.NDArray[np.int64]:
    """The part numbers of ordinals."""
    return ordinals >> ROW_BITS


def rows_of(ordinals: Ordinals) -> npt.NDArray[np.int64]:
    """The rows of ordinals in their parts."""
    return ordinals & ((1 << ROW_BITS) - 1)


def ranks(table: pa.Table, keep: Keep) -> Ranks:
    """How much a document deserves to stay: 0 is best, unknown is worst; documents of equal rank go by id.

    table: char_count, score and created_utc as in `schemas.signatures`.
    """
    limit = WORST_RANK - 1
    if keep == "longest":
        found = pc.subtract(limit, table["char_count"])
    elif keep == "earliest":
        found = table["created_utc"].cast(schemas.SECONDS).cast(pa.int64())
    else:
        found = pc.subtract(1 << 31, _clipped(table["score"], -(1 << 31), 1 << 31))
    return np.asarray(pc.fill_null(_clipped(found, 0, limit), WORST_RANK).cast(pa.uint32()).to_numpy())


def _clipped(column: pa.ChunkedArray, least: int, most: int) -> pa.ChunkedArray:
    return pc.max_element_wise(pc.min_element_wise(column, most, skip_nulls=False), least, skip_nulls=False)


def read_rows(part: Part, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> Iterator[Rows]:
    """The asked columns of some of a part's documents, a row group at a time: (their rows, their columns).

    rows: ascending, each once. The rows of a release come in any order, and a document whose text the release no
    longer holds (taken down since) does not come.
    """
    if part.standing == Standing.RELEASE:
        yield from _read_by_id(part, rows, columns)
        return
    start = 0
    with parquet.opened(part.documents[0]) as file:
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            first, last = np.searchsorted(rows, [start, end])
            if first < last:
                table = file.read_row_group(group, columns=list(columns))
                yield rows[first:last], table.take(pa.array(rows[first:last] - start))
            start = end


def _read_by_id(part: Part, rows: npt.NDArray[np.int64], columns: Sequence[str]) -> Iterator[Rows]:
    ids = parquet.read(part.signatures, ["id"])["id"].combine_chunks().take(pa.array(rows))
    if not len(ids):
        return
    lowest, highest = pc.min(ids).as_py(), pc.max(ids).as_py()
    for path in part.documents:
        with parquet.opened(path) as file:
            for group in range(file.num_row_groups):
                if not _may_hold(file.metadata.row_group(group), lowest, highest):
                    continue
                where = pc.index_in(file.read_row_group(group, columns=["id"])["id"].combine_chunks(), value_set=ids)
                found = where.is_valid()
                if pc.any(found).as_py():
                    table = file.read_row_group(group, columns=list(columns)).filter(found)
                    yield rows[where.drop_null().to_numpy()], table


def _may_hold(group: pq.RowGroupMetaData, lowest: str, highest: str) -> bool:
    for column in range(group.num_columns):
        chunk = group.column(column)
        if chunk.path_in_schema == "id" and chunk.is_stats_set and chunk.statistics.has_min_max:
            return bool(chunk.statistics.min <= highest and lowest <= chunk.statistics.max)
    return True


def read_signatures(part: Part, permutations: int, columns: Sequence[str]) -> pa.Table:
    """Some columns of `schemas.signatures(permutations)` of all the part's documents."""
    expected = schemas.signatures(permutations)
    table = parquet.read(part.signatures, columns)
    return table.cast(pa.schema([expected.field(name) for name in columns])).combine_chunks()


def ids_of(parts: Sequence[Part], ordinals: Ordinals) -> list[str]:
    """The ids of a few documents."""
    return [
        parquet.read(parts[part].signatures, ["id"])["id"][row].as_py()
        for part, row in zip(parts_of(ordinals).tolist(), rows_of(ordinals).tolist(), strict=True)
    ]
