"""The work of the stage `links`, on one file and on one partition, as calls that any process can make."""

import dataclasses
import functools
from collections.abc import Iterator

from pipeline import layout, tables, urls
from pipeline.harvest.blocklists import AddressJudge, BlockLists
from pipeline.harvest.merging import merge_posts
from pipeline.harvest.posts import BATCH_ROWS, POSTS, InputFile, read_posts
from pipeline.harvest.rules import Rules
from pipeline.harvest.tallies import Tally
from webtext import parquet, storage
from webtext.storage import FileRecord

_ROWS_PER_PARTITION = 256

Posts = tuple[int, bytes]
"""A partition, and some of its posts: a packed table of POSTS."""


@dataclasses.dataclass(frozen=True)
class Harvested:
    """What one piece of work wrote and counted."""

    files: tuple[FileRecord, ...]
    tallies: tuple[Tally, ...]


@dataclasses.dataclass(frozen=True)
class ReadFile:
    """A dump or a list of URLs -> its posts, in batches cut by partition; last of all its tally.

    partitions: in how many ranges ids are cut. rules, blocked_subreddits: which posts can count.
    batch_rows: posts that are held before they are cut, more where there are many partitions.
    """

    partitions: int
    rules: Rules
    blocked_subreddits: frozenset[str]
    batch_rows: int = BATCH_ROWS

    def __call__(self, file: InputFile) -> Iterator[Posts | Harvested]:
        """Raises OSError when the file cannot be read, UserError when it is remote."""
        batch_rows = max(self.batch_rows, _ROWS_PER_PARTITION * self.partitions)
        for item in read_posts(file, self.rules, self.blocked_subreddits, batch_rows):
            if isinstance(item, Tally):
                yield Harvested((), (item,))
            else:
                for partition, rows in tables.split(item, self.partitions):
                    yield partition, tables.pack(rows)


@dataclasses.dataclass(frozen=True)
class MergePartition:
    """All posts of a partition -> its file of links and, where there are any, of refused links' ledger rows."""

    folder: str
    rules: Rules
    lists: BlockLists

    def __call__(self, element: tuple[int, tuple[bytes, ...]]) -> Iterator[Harvested]:
        """element: the partition, and packed tables of POSTS."""
        partition, packed = element
        merged = merge_posts(tables.unpack(packed, POSTS), self.rules, _judge_of(self.lists))
        name = parquet.part_name(partition)
        files = [parquet.write(self.folder, name, merged.links)]
        if merged.refused.num_rows:
            files.append(parquet.write(self.folder, storage.join(layout.LEDGER, name), merged.refused))
        yield Harvested(tuple(files), tuple(merged.tallies))


@functools.lru_cache(maxsize=1)
def _judge_of(lists: BlockLists) -> AddressJudge:
    """The judge remembers hosts, so a process keeps one."""
    return AddressJudge(lists)


def warm_up() -> None:
    """Load what only merging needs, before anybody waits for it."""
    urls.registrable_domain("example.org")
