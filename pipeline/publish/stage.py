"""The release's files: the ledger closed, the shards cut, in one Beam pipeline through which no text is shuffled.

A worker first settles a partition (ledger, signatures, sizes); when all are settled another cuts a shard straight from
the partitions that its id range overlaps. Neither holds more texts than a row group has.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import layout, schemas, tables
from pipeline.ledger import Stage
from pipeline.publish import placement, reading, run_view, settlement
from pipeline.publish.shard_file import write_sorted
from pipeline.publish.takedown import Takedown
from webtext import parquet, storage
from webtext.stages import Results


@dataclasses.dataclass(frozen=True)
class SplitSize:
    """A partition's share of one split: UTF-8 bytes of the texts, and `tables.id_bits` of its documents, packed."""

    split: str
    text_bytes: int
    prefixes: bytes


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of the release's `data/`."""

    split: str
    index: int
    count: int

    @property
    def name(self) -> str:
        """Its path below the release."""
        return placement.shard_name(self.split, self.index, self.count)


@dataclasses.dataclass(eq=False)  # Beam writes to its transforms, so it cannot be frozen
class PublishRelease(beam.PTransform):
    """A run's finished stages -> the release's data/, ledger/ and signatures/; `Results` of each element of work.

    run: the run directory. partitions: in how many its stages are cut. permutations: of the signatures.
    The output does not depend on the number of partitions, except that ledger and signatures keep the run's cut.
    """

    run: str
    partitions: int
    permutations: int
    shard_bytes: int = 100_000_000
    validation_fraction: float = 0.05
    takedown: Takedown = dataclasses.field(default_factory=Takedown)

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Results]:
        """Settle all partitions, then cut all shards."""
        settled = (
            begin
            | "Partitions" >> beam.Create(range(self.partitions))
            | "Settle" >> beam.FlatMap(self._settle).with_outputs("sizes", main="published")
        )
        cut = (
            begin
            | "Once" >> beam.Create([self.shard_bytes])
            | "Plan" >> beam.FlatMap(_plan, beam.pvalue.AsList(settled.sizes))
            | "Spread shards" >> beam.Reshuffle()
            | "Cut" >> beam.Map(lambda shard: cut_shard(self.run, self.partitions, shard))
        )
        return (settled.published, cut) | beam.Flatten()

    def _settle(self, partition: int) -> Iterator[Any]:
        published, sizes = settle_partition(
            self.run, partition, self.permutations, self.takedown, self.validation_fraction
        )
        yield published
        for size in sizes:
            yield beam.pvalue.TaggedOutput("sizes", size)


def settle_partition(
    run: str, partition: int, permutations: int, takedown: Takedown, validation_fraction: float
) -> tuple[Results, list[SplitSize]]:
    """Write a partition's ledger and signatures; returns the records, and the sizes that plan_shards needs."""
    found = run_view.read_partition(run, partition)
    ledger = settlement.settle(found, takedown, validation_fraction)
    kept = settlement.kept_ids(ledger)
    sketches = storage.join(run, Stage.DOCUMENTS, layout.SIGNATURES)
    signatures = reading.read_part(sketches, partition, schemas.signatures(permutations))
    signatures = tables.sorted_by(signatures.filter(pc.is_in(signatures["id"], value_set=kept)), "id")
    release, name = storage.join(run, Stage.CORPUS), parquet.part_name(partition)
    files = (
        write_sorted(release, f"ledger/{name}", schemas.LEDGER, [tables.require_schema(ledger, schemas.LEDGER)]),
        write_sorted(release, f"signatures/{name}", signatures.schema, [signatures]),
    )
    counters = {
        "links": found.links.num_rows,
        "ledger_rows": ledger.num_rows,
        "kept": len(kept),
        "signatures": signatures.num_rows,
        **_count_reasons(ledger),
    }
    return Results(files, counters, settlement.faults(found.links, ledger)), _sizes(
        storage.join(run, Stage.DOCUMENTS, name), ledger
    )


def _count_reasons(ledger: pa.Table) -> dict[str, int]:
    counts = ledger.group_by(["stage", "outcome", "reason"]).aggregate([([], "count_all")])
    return {
        f"ledger/{row['stage']}/{row['outcome']}/{row['reason']}": row["count_all"]
        for row in sorted(counts.to_pylist(), key=lambda row: (row["stage"], row["outcome"], row["reason"]))
    }


def _sizes(documents: str, ledger: pa.Table) -> list[SplitSize]:
    kept = {split: settlement.kept_ids(ledger, split) for split in placement.SPLITS}
    text_bytes = dict.fromkeys(kept, 0)
    for group in reading.row_groups(documents, ["id", "text"]):
        for split, ids in kept.items():
            texts = group["text"].filter(pc.is_in(group["id"], value_set=ids))
            text_bytes[split] += pc.sum(pc.binary_length(texts)).as_py() or 0
    return [SplitSize(split, text_bytes[split], tables.id_bits(ids).tobytes()) for split, ids in kept.items()]


def _plan(shard_bytes: int, sizes: Iterable[SplitSize]) -> list[Shard]:
    return plan_shards(sizes, shard_bytes)


def plan_shards(sizes: Iterable[SplitSize], shard_bytes: int) -> list[Shard]:
    """The files of the release; the same for the same documents, however they were partitioned or ordered."""
    sizes = list(sizes)
    shards = []
    for split in placement.SPLITS:
        own = [size for size in sizes if size.split == split]
        present = np.frombuffer(b"".join(size.prefixes for size in own), dtype=np.uint32)
        count = placement.shard_count(present, sum(size.text_bytes for size in own), shard_bytes)
        shards += [Shard(split, index, count) for index in range(count)]
    return shards


def cut_shard(run: str, partitions: int, shard: Shard) -> Results:
    """Write one shard from the documents of the partitions that it overlaps; their ledgers must be settled."""
    counters: Counter[str] = Counter({shard.split: 0})

    def counted() -> Iterator[pa.Table]:
        for partition in placement.overlapping(shard.index, shard.count, partitions):
            for piece in _documents_of_shard(run, partition, shard):
                counters[shard.split] += piece.num_rows
                counters[f"{shard.split}_text_bytes"] += pc.sum(pc.binary_length(piece["text"])).as_py() or 0
                counters[f"{shard.split}_words"] += pc.sum(piece["word_count"]).as_py() or 0
                yield piece

    record = write_sorted(storage.join(run, Stage.CORPUS), shard.name, schemas.DOCUMENTS, counted())
    return Results([record], dict(counters))


def _documents_of_shard(run: str, partition: int, shard: Shard) -> Iterator[pa.Table]:
    low, high = placement.prefix_range(shard.index, shard.count)
    first, last = f"{low:08x}", f"{high:08x}{reading.LAST_ID}"
    name = parquet.part_name(partition)
    columns = ["id", "stage", "outcome", "reason", "detail"]
    ledger = reading.read_part(storage.join(run, Stage.CORPUS, "ledger"), partition, schemas.LEDGER, columns)
    kept = settlement.kept_ids(ledger, shard.split)
    for group in reading.row_groups(storage.join(run, Stage.DOCUMENTS, name), None, first, last):
        group = group.filter(pc.is_in(group["id"], value_set=kept))
        yield group.filter(tables.partitions_of(group["id"], shard.count) == shard.index)
