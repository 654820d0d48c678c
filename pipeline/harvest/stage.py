"""The stage `links`: posts are read, brought together by link, judged, and written, a file a partition."""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam

from pipeline import layout, tables
from pipeline.harvest import tallies
from pipeline.harvest.blocklists import BlockLists
from pipeline.harvest.posts import BATCH_ROWS, POSTS, input_files
from pipeline.harvest.rules import Rules
from pipeline.harvest.tasks import Harvested, MergePartition, Posts, ReadFile
from pipeline.spread import Spread
from webtext.stages import Results

_TALLY = "tally"


@dataclasses.dataclass(eq=False)  # Beam writes to its transforms, so it cannot be frozen
class HarvestLinks(beam.PTransform):
    """Dumps and URL lists -> the folder `links`, and a `Harvested` for each file read and each partition written.

    dumps, urls: paths of files. folder: where part-*.parquet (schemas.LINKS, sorted by id, one for every partition) and
    _ledger/part-*.parquet (schemas.LEDGER, one for every partition with refused links) go. partitions: in how many
    ranges the ids are cut.

    Every file is read by one worker from its beginning to its end, for these formats cannot be cut. What is shuffled
    are packed tables of batch_rows posts before they are split; one partition's posts must fit into memory.
    """

    dumps: Sequence[str]
    urls: Sequence[str]
    folder: str
    partitions: int
    rules: Rules = dataclasses.field(default_factory=Rules)
    lists: BlockLists = dataclasses.field(default_factory=BlockLists)
    batch_rows: int = BATCH_ROWS

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Harvested]:
        """Read all files, group by partition, merge and write."""
        read_file = ReadFile(self.partitions, self.rules, self.lists.subreddits, self.batch_rows)
        read = (
            begin
            | "Files" >> beam.Create(input_files(self.dumps, self.urls))
            | "Read posts" >> beam.ParDo(Spread(read_file))
            | "Apart" >> beam.FlatMap(_apart).with_outputs(_TALLY, main="posts")
        )
        merge = MergePartition(self.folder, self.rules, self.lists)
        # A partition without posts has a file too, so that a missing one is seen.
        every_partition = begin | "Partitions" >> beam.Create(
            [(partition, tables.pack(POSTS.empty_table())) for partition in range(self.partitions)], reshuffle=False
        )
        written = (
            (read.posts, every_partition)
            | "All" >> beam.Flatten()
            | "By partition" >> beam.GroupByKey()
            | "Whole" >> beam.MapTuple(_whole)
            | "Merge and write" >> beam.ParDo(Spread(merge))
        )
        return (read[_TALLY], written) | "Results" >> beam.Flatten()


def _apart(item: Posts | Harvested) -> Iterator[Any]:
    yield beam.pvalue.TaggedOutput(_TALLY, item) if isinstance(item, Harvested) else item


def _whole(partition: int, packed: Iterable[bytes]) -> tuple[int, tuple[bytes, ...]]:
    return partition, tuple(packed)


def summed_up(harvested: Iterable[Harvested]) -> Results:
    """The stage's files, sorted by path, and its counters for the manifest; see `tallies.counters`."""
    results = list(harvested)
    files = sorted((record for result in results for record in result.files), key=lambda record: record.path)
    parts = [record for record in files if not record.path.startswith(layout.LEDGER)]
    refused = [record for record in files if record.path.startswith(layout.LEDGER)]
    counted = tallies.counters(tally for result in results for tally in result.tallies)
    rows = {
        "links": sum(record.rows or 0 for record in parts),
        "refused": sum(record.rows or 0 for record in refused),
    }
    return Results(files, {**rows, **counted})
