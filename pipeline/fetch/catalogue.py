"""An archive's catalogue: all its captures as one Parquet file, made by one scan, asked as often as need be.

What redirects and revisits lead to is known only when all archives have been read. So everything that an archive holds
is written down, about a hundred bytes a capture, and only what somebody asks for travels further.
"""

import dataclasses
import hashlib
import itertools
import posixpath
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Self

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import progress, tables
from pipeline.fetch.captures import CAPTURES, Capture, Damage, captures_table
from pipeline.fetch.scan import scan
from pipeline.ledger import Stage
from webtext import parquet, storage
from webtext.errors import UserError
from webtext.storage import FileRecord

FOLDER = "_captures"
BATCH = 16_384
"""Captures that are held before they are written, a row group."""
TOLD_DAMAGES = 100
"""Damaged places of one archive that are told one by one; all are counted."""

_DAMAGES = b"damages"
_COUNTS = b"counts"
_PREFIX_DIGITS = 16


class IdSet:
    """A set of link ids in eight bytes each: their first 64 bits, sorted.

    By chance, once in 2^64 pairs of ids, it takes one for another; whoever asks joins by the whole id later.
    """

    def __init__(self, prefixes: npt.NDArray[np.uint64]) -> None:
        self._sorted = np.unique(prefixes)

    @classmethod
    def of(cls, columns: Iterable[pa.Array | pa.ChunkedArray]) -> Self:
        """All ids of some string columns."""
        return cls(np.concatenate([np.empty(0, np.uint64), *map(_prefixes, columns)]))

    def __len__(self) -> int:
        return len(self._sorted)

    def __contains__(self, link_id: str) -> bool:
        prefix = np.uint64(int(link_id[:_PREFIX_DIGITS], 16))
        where = int(self._sorted.searchsorted(prefix))
        return where < len(self._sorted) and bool(self._sorted[where] == prefix)

    def mask(self, ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.bool_]:
        """For each id of a column, whether it is in the set."""
        prefixes = _prefixes(ids)
        if not len(self._sorted):
            return np.zeros(len(prefixes), np.bool_)
        where = np.minimum(self._sorted.searchsorted(prefixes), len(self._sorted) - 1)
        found: npt.NDArray[np.bool_] = self._sorted[where] == prefixes
        return found


def _prefixes(ids: pa.Array | pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    return tables.id_bytes(ids).view(">u8")[:, 0].astype(np.uint64)


@dataclasses.dataclass(frozen=True)
class Catalogue:
    """What came of scanning one archive."""

    record: FileRecord
    """The catalogue's own file, relative to the folder of the pages."""
    counts: dict[str, int]
    """Captures, damaged places and their bytes."""
    damages: tuple[Damage, ...]
    """The first damaged places."""


def catalogue_name(archive: str) -> str:
    """Where an archive's catalogue lies in the folder of the pages: told by the archive's path alone."""
    digest = hashlib.sha256(archive.encode()).hexdigest()[:16]
    return storage.join(FOLDER, f"{posixpath.basename(archive)}-{digest}.parquet")


class ScanStoppedError(Exception):
    """Nobody waits for the catalogue any more."""


def never() -> bool:
    """Go on to the end."""
    return False


def make_catalogue(
    archive: str, folder: str, wanted: IdSet, max_bytes: int, stopping: Callable[[], bool] = never
) -> Catalogue:
    """Scan an archive and write its catalogue below `folder`, unless it is there.

    wanted: ids whose bodies are hashed on the way; of others `payload_sha256` stays empty.
    stopping: asked at every record whether to give up. Progress is told in bytes of archives.
    Raises UserError when the archive cannot be read, ScanStoppedError when it gave up.
    """
    name = catalogue_name(archive)
    path = storage.join(folder, name)
    told = 0 if storage.exists(path) else _write(archive, path, wanted, max_bytes, stopping)
    with storage.opened(path) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with parquet.opened(path) as catalogue:
        metadata = catalogue.metadata
    counts = orjson.loads(metadata.metadata[_COUNTS])
    damages = tuple(Damage(*place) for place in orjson.loads(metadata.metadata[_DAMAGES]))
    _tell(told, storage.size(archive))
    return Catalogue(FileRecord(name, storage.size(path), digest, metadata.num_rows), counts, damages)


def _write(archive: str, path: str, wanted: IdSet, max_bytes: int, stopping: Callable[[], bool]) -> int:
    """Returns how many bytes of the archive have been told as progress."""
    counts: Counter[str] = Counter(captures=0, damaged_places=0, damaged_bytes=0)
    damages: list[Damage] = []

    def captures() -> Iterator[Capture]:
        try:
            with storage.opened(archive) as file:
                for found in scan(file, archive, wanted.__contains__, max_bytes):
                    if stopping():
                        raise ScanStoppedError
                    if isinstance(found, Capture):
                        yield found
                        continue
                    counts["damaged_places"] += 1
                    counts["damaged_bytes"] += found.length
                    if len(damages) < TOLD_DAMAGES:
                        damages.append(found)
        except OSError as error:
            raise UserError(
                f"cannot read {archive} (fetch.archives): {error.strerror or error}; "
                "mend or remove it and run the same command again."
            ) from error

    told = 0
    rows = captures()
    with storage.open_atomic(path) as sink, pq.ParquetWriter(sink, CAPTURES, compression="zstd") as writer:
        while batch := list(itertools.islice(rows, BATCH)):
            writer.write_table(captures_table(batch))
            counts["captures"] += len(batch)
            told = _tell(told, batch[-1].offset + batch[-1].length)
        metadata = {_COUNTS: orjson.dumps(counts), _DAMAGES: orjson.dumps([tuple(damage) for damage in damages])}
        writer.add_key_value_metadata(metadata)
    return told


def _tell(told: int, done: int) -> int:
    """Tell progress, in bytes of archives; returns how many of this one have been told."""
    progress.advance(Stage.PAGES, done - told)
    return done


def look_up(archive: str, folder: str, ids: IdSet) -> Iterator[pa.Table]:
    """An archive's captures of some ids: tables of CAPTURES, at most BATCH rows each, none empty."""
    if not len(ids):
        return
    with parquet.opened(storage.join(folder, catalogue_name(archive))) as catalogue:
        for group in range(catalogue.num_row_groups):
            found = ids.mask(catalogue.read_row_group(group, columns=["id"])["id"])
            if found.any():
                yield catalogue.read_row_group(group).filter(pa.array(found)).cast(CAPTURES)
