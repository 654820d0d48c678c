"""Texts that nothing in the corpus may be a copy of, such as Wikipedia's: made comparable, once, before the search."""

import dataclasses
import lzma
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import apache_beam as beam
import fsspec
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from pipeline import layout, minhash, schemas
from pipeline.dedup.sources import REFERENCES
from pipeline.ledger import Stage
from webtext import parquet, storage
from webtext.errors import UserError
from webtext.filesystems import reaching
from webtext.stages import Results

COLUMNS = pa.schema([("id", pa.string()), ("text", pa.string()), ("url", pa.string())])
ROWS_AT_ONCE = 2048
_DAMAGE = (OSError, EOFError, pa.ArrowException, zlib.error, lzma.LZMAError, zstandard.ZstdError)


@dataclasses.dataclass(eq=False)  # Beam writes to its transforms, so it cannot be frozen
class PrepareReferences(beam.PTransform):
    """Reference files -> RUN/duplicates/_references; run it to its end before `FindDuplicates` is built.

    files: Parquet, or JSON lines (also .gz, .bz2, .xz, .zst), with a column `text` and perhaps `id` and `url`. One file
    is one piece of work. Gives (file, texts, unreadable lines) for each. The texts are copied, so that the search can
    look up any of them: it takes about the disk space of the files.
    """

    files: Sequence[str]
    run: str
    permutations: int = 128

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[tuple[str, int, int]]:
        """Each file becomes a part."""
        folder = storage.join(self.run, Stage.DUPLICATES, REFERENCES)
        return (
            begin
            | "Files" >> beam.Create(list(enumerate(sorted(self.files))))
            | "Sketch" >> beam.MapTuple(lambda number, path: prepare(path, folder, number, self.permutations))
        )


def prepare(path: str, folder: str, number: int, permutations: int) -> tuple[str, int, int]:
    """Write one file's texts and signatures as a part below `folder`; returns the path, its texts and its bad lines."""
    name = parquet.part_name(number)
    sketches = []
    texts = bad = 0
    with (
        storage.open_atomic(storage.join(folder, name)) as file,
        pq.ParquetWriter(file, COLUMNS, compression="zstd") as writer,
    ):
        for table, unreadable in read(path):
            writer.write_table(table)
            sketches.append(_signatures(table, permutations))
            texts += table.num_rows
            bad += unreadable
    schema = schemas.signatures(permutations)
    whole = pa.concat_tables([schema.empty_table(), *sketches])
    parquet.write(folder, storage.join(layout.SIGNATURES, name), whole)
    return path, texts, bad


def _signatures(table: pa.Table, permutations: int) -> pa.Table:
    sketches = minhash.signatures(table["text"], permutations)
    none = pa.nulls(table.num_rows, pa.int64())
    lengths = pc.utf8_length(table["text"]).cast(pa.int64())
    columns = [table["id"], *sketches, lengths, none, none.cast(schemas.TIME)]
    return pa.table(columns, schema=schemas.signatures(permutations))


def read(path: str) -> Iterator[tuple[pa.Table, int]]:
    """A file's texts, some thousands at a time, as `COLUMNS`, and how many lines among them could not be read.

    Raises UserError for a Parquet file without a column `text`, and for a file that is damaged.
    """
    try:
        if path.endswith(".parquet"):
            with parquet.opened(path) as columns:
                yield from _read_parquet(path, columns)
            return
        with reaching(path, "read"), fsspec.open(path, "rb", compression="infer") as lines:
            yield from _read_lines(path, lines)
    except _DAMAGE as error:
        words = " ".join(str(error).split()).rstrip(".") or "it breaks off"
        raise UserError(
            f"dedup.references: {path} cannot be read ({words}); mend or remove it and run the same command again."
        ) from error


def summed_up(prepared: Iterable[tuple[str, int, int]]) -> Results:
    """What the manifest tells of the files: how many texts they held, and a warning for each that has bad lines."""
    files = sorted(prepared)
    warnings = [
        f"{path}: {bad:,} {'line has' if bad == 1 else 'lines have'} no text that can be read; passed over."
        for path, _, bad in files
        if bad
    ]
    counters: dict[str, Any] = {"reference_texts": sum(texts for _, texts, _ in files)}
    return Results([], {**counters, "warnings": warnings} if warnings else counters)


def _read_parquet(path: str, file: pq.ParquetFile) -> Iterator[tuple[pa.Table, int]]:
    names = set(file.schema_arrow.names)
    if "text" not in names:
        raise UserError(f"dedup.references: {path} has no column 'text' (it has {', '.join(sorted(names))}).")
    row = 0
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=sorted(names & {"id", "text", "url"})):
        yield _table(path, row, batch.to_pylist())
        row += batch.num_rows


def _read_lines(path: str, file: BinaryIO) -> Iterator[tuple[pa.Table, int]]:
    rows: list[Any] = []
    first = 0
    for line in file:
        try:
            rows.append(orjson.loads(line))
        except orjson.JSONDecodeError:
            rows.append(None)
        if len(rows) == ROWS_AT_ONCE:
            yield _table(path, first, rows)
            first += len(rows)
            rows = []
    if rows:
        yield _table(path, first, rows)


def _table(path: str, first: int, rows: Sequence[Any]) -> tuple[pa.Table, int]:
    """Rows as `COLUMNS`; what has no text is left out and counted."""
    name = path.rsplit("/", 1)[-1]
    good = [
        (str(row.get("id") or f"{name}:{first + at}"), row["text"], str(row.get("url") or ""))
        for at, row in enumerate(rows)
        if isinstance(row, dict) and isinstance(row.get("text"), str)
    ]
    columns = [pa.array(column, pa.string()) for column in zip(*good, strict=True)] or [pa.array([], pa.string())] * 3
    return pa.table(columns, schema=COLUMNS), len(rows) - len(good)
