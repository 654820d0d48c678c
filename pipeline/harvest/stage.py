"""The stage `links`: posts are read, brought together by link, judged, and written, a file a partition."""

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import apache_beam as beam

from pipeline import layout, tables
from pipeline.harvest import tallies
from pipeline.harvest.blocklists import AddressJudge, BlockLists
from pipeline.harvest.merging import MergedLinks, merge_posts
from pipeline.harvest.posts import BATCH_ROWS, POSTS, InputFile, read_posts
from pipeline.harvest.rules import Rules
from pipeline.harvest.tallies import Tally
from webtext import parquet, storage
from webtext.stages import Results
from webtext.storage import FileRecord

_ROWS_PER_PARTITION = 256
_TALLY = "tally"


@dataclasses.dataclass(frozen=True)
class Harvested:
    """What one element of work wrote and counted."""

    files: tuple[FileRecord, ...]
    tallies: tuple[Tally, ...]


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
        files = [InputFile(path, "dump") for path in self.dumps] + [InputFile(path, "urls") for path in self.urls]
        batch_rows = max(self.batch_rows, _ROWS_PER_PARTITION * self.partitions)
        read = (
            begin
            | "Files" >> beam.Create(sorted(files))
            | "Read posts"
            >> beam.FlatMap(read_file, self.partitions, self.rules, self.lists.subreddits, batch_rows).with_outputs(
                _TALLY, main="posts"
            )
        )
        # A partition without posts has a file too, so that a missing one is seen.
        every_partition = begin | "Partitions" >> beam.Create(
            [(partition, tables.pack(POSTS.empty_table())) for partition in range(self.partitions)], reshuffle=False
        )
        written = (
            (read.posts, every_partition)
            | "All" >> beam.Flatten()
            | "By partition" >> beam.GroupByKey()
            | "Merge" >> beam.ParDo(MergePartitions(self.rules, self.lists))
            | "Write" >> beam.MapTuple(functools.partial(write_partition, self.folder))
        )
        return (read[_TALLY], written) | "Results" >> beam.Flatten()


class MergePartitions(beam.DoFn):
    """(partition, packed posts) -> (partition, MergedLinks)."""

    def __init__(self, rules: Rules, lists: BlockLists) -> None:
        self._rules = rules
        self._lists = lists

    def setup(self) -> None:
        """The judge remembers hosts, so a worker keeps one."""
        self._judge = AddressJudge(self._lists)

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[tuple[int, MergedLinks]]:
        """Merge one partition."""
        partition, packed = element
        yield partition, merge_posts(tables.unpack(packed, POSTS), self._rules, self._judge)


def read_file(
    file: InputFile, partitions: int, rules: Rules, blocked_subreddits: frozenset[str], batch_rows: int
) -> Iterator[Any]:
    """A file's posts as (partition, packed table of POSTS); its tally, in a `Harvested`, as the output `tally`."""
    for item in read_posts(file, rules, blocked_subreddits, batch_rows):
        if isinstance(item, Tally):
            yield beam.pvalue.TaggedOutput(_TALLY, Harvested((), (item,)))
        else:
            for partition, rows in tables.split(item, partitions):
                yield partition, tables.pack(rows)


def write_partition(folder: str, partition: int, merged: MergedLinks) -> Harvested:
    """Write a partition's links and, where there are any, the ledger rows of its refused links."""
    name = parquet.part_name(partition)
    files = [parquet.write(folder, name, merged.links)]
    if merged.refused.num_rows:
        files.append(parquet.write(folder, storage.join(layout.LEDGER, name), merged.refused))
    return Harvested(tuple(files), tuple(merged.tallies))


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
