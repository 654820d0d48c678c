"""A run directory read for a person, finished or not: endings, links and documents, one partition at a time."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import layout, schemas, tables
from pipeline.ledger import Stage
from pipeline.publish import placement, reading, settlement
from pipeline.publish.takedown import Takedown
from webtext import parquet, storage
from webtext.errors import UserError

PAGE_INDEX = f"{Stage.PAGES}/{layout.PAGE_INDEX}"
REFUSED_LINKS = f"{Stage.LINKS}/{layout.LEDGER}"
REFUSED_DOCUMENTS = f"{Stage.DOCUMENTS}/{layout.LEDGER}"
LEDGER = f"{Stage.CORPUS}/ledger"


def partition_count(run: str) -> int:
    """In how many partitions the run is cut: what its most complete folder shows."""
    folders = (Stage.LINKS, PAGE_INDEX, Stage.DOCUMENTS, Stage.DUPLICATES, LEDGER)
    return max(reading.count_parts(storage.join(run, folder)) for folder in folders)


def existing(run: str) -> str:
    """The run itself, when something of one is there; that of a release, when its folder `corpus` was named.

    Raises UserError otherwise.
    """
    if partition_count(run):
        return run
    parent, _, name = run.rstrip("/").rpartition("/")
    if name == Stage.CORPUS and partition_count(parent or "."):
        return parent or "."
    raise UserError(f"no run is in {run}; give the directory that `webtext corpus` wrote.")


def endings(run: str, partition: int) -> pa.Table:
    """The ledger of a partition; before the run is finished, the endings known so far, and nothing kept yet."""
    if storage.exists(storage.join(run, LEDGER, parquet.part_name(partition))):
        return reading.read_part(storage.join(run, LEDGER), partition, schemas.LEDGER)
    known = settlement.settle(read_partition(run, partition), Takedown(), validation_fraction=0)
    return known.filter(pc.not_equal(known["stage"], Stage.CORPUS.value))


def read_partition(run: str, partition: int) -> settlement.Partition:
    """What the stages before the release say of a partition's links; no rows of those that have not run."""

    def part(folder: str, schema: pa.Schema, *columns: str) -> pa.Table:
        return reading.read_part(storage.join(run, folder), partition, schema, columns or None)

    return settlement.Partition(
        links=part(Stage.LINKS, schemas.LINKS, "id", "url"),
        refused_links=part(REFUSED_LINKS, schemas.LEDGER),
        pages=part(PAGE_INDEX, schemas.PAGES, "id", "url", "outcome", "reason", "detail"),
        refused_documents=part(REFUSED_DOCUMENTS, schemas.LEDGER),
        documents=part(Stage.DOCUMENTS, schemas.DOCUMENTS, "id", "url", "domain"),
        duplicates=part(Stage.DUPLICATES, schemas.DUPLICATES),
    )


def links(run: str, partition: int, columns: Sequence[str]) -> pa.Table:
    """Some columns of a partition's links."""
    return reading.read_part(storage.join(run, Stage.LINKS), partition, schemas.LINKS, columns)


def shard_files(run: str) -> list[str]:
    """The release's data files, sorted; none before it is cut."""
    return storage.list_files(storage.join(run, Stage.CORPUS, "data"), "*.parquet")


def documents(run: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some columns of the kept documents, a row group at a time; of all documents before the release is cut."""
    for path in shard_files(run) or parquet.list_parts(storage.join(run, Stage.DOCUMENTS)):
        yield from reading.row_groups(path, columns)


def rows_by_id(run: str, folder: str, ids: Collection[str], partitions: int) -> dict[str, dict[str, Any]]:
    """The rows of some ids in a partitioned folder, found by the id ranges of files and row groups."""
    found: dict[str, dict[str, Any]] = {}
    for partition, wanted in _by_range(ids, partitions).items():
        path = storage.join(run, folder, parquet.part_name(partition))
        found.update((row["id"], row) for row in reading.rows_of(path, wanted))
    return found


def documents_by_id(run: str, ids: Collection[str], partitions: int) -> dict[str, dict[str, Any]]:
    """The documents of some ids, text included: from documents/, or from the release where that folder is gone."""
    if parquet.list_parts(storage.join(run, Stage.DOCUMENTS)):
        return rows_by_id(run, Stage.DOCUMENTS, ids, partitions)
    found: dict[str, dict[str, Any]] = {}
    for path in shard_files(run):
        index, count = _shard_number(path)
        wanted = _by_range(ids, count).get(index, [])
        found.update((row["id"], row) for row in reading.rows_of(path, wanted))
    return found


def _by_range(ids: Collection[str], ranges: int) -> dict[int, list[str]]:
    """Ids by the range, of so many equal ones, in which they lie."""
    found: dict[int, list[str]] = {}
    for wanted in sorted(set(ids)):
        found.setdefault(tables.partition_of(wanted, ranges), []).append(wanted)
    return found


def _shard_number(path: str) -> tuple[int, int]:
    index, _, count = path.rpartition("/")[2].removesuffix(".parquet").split("-")[1:]
    return int(index), int(count)


def manifest(run: str, stage: str) -> dict[str, Any]:
    """A stage's manifest; empty while there is none."""
    path = storage.join(run, stage, storage.MANIFEST)
    return dict(storage.read_json(path)) if storage.exists(path) else {}


def settings(run: str) -> dict[str, Any]:
    """Each finished stage's part of the config, by the stage's name."""
    found = {stage.value: manifest(run, stage).get("config") for stage in Stage}
    return {stage: config for stage, config in found.items() if config}


def split_rows(run: str) -> dict[str, int]:
    """Rows of train and validation, from the shards' footers."""
    rows = dict.fromkeys(placement.SPLITS, 0)
    for path in shard_files(run):
        split = path.rpartition("/")[2].partition("-")[0]
        rows[split] += reading.row_count(path)
    return rows
