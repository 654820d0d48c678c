"""The files of the documents stage, a partition at a time: what is read, what is written, what was finished before."""

import dataclasses

from pipeline import layout
from pipeline.commits import Commit, read_commit, write_commit
from pipeline.extract.partition import (
    OpenPartition,
    counters,
    documents_table,
    ledger_table,
    signatures_table,
)
from webtext import parquet, storage


@dataclasses.dataclass(frozen=True)
class PartitionFiles:
    """Where the partitions of the documents stage lie.

    links, pages, documents: the folders of these stages.
    key: hash of what the documents depend on (config, inputs); what was finished under another key does not count.
    permutations: values in a MinHash signature.
    """

    links: str
    pages: str
    documents: str
    key: str
    permutations: int = 128

    def committed(self, partition: int) -> Commit | None:
        """The record of a partition that is finished already."""
        return read_commit(self.documents, partition, self.key)

    def open(self, partition: int) -> OpenPartition:
        """Read a partition's page index; no page has its answer yet."""
        name = parquet.part_name(partition)
        return OpenPartition(partition, parquet.read(storage.join(self.pages, layout.PAGE_INDEX, name)))

    def write(self, done: OpenPartition) -> Commit:
        """Write what a partition's pages became, sorted by id, and then that it is finished.

        Every partition has all its files, empty ones too.
        """
        name = parquet.part_name(done.number)
        answers = done.answers()
        links = parquet.read(storage.join(self.links, name))
        documents = documents_table(done.pages, links, answers)
        tables = {
            name: documents,
            storage.join(layout.SIGNATURES, name): signatures_table(documents, self.permutations),
            storage.join(layout.LEDGER, name): ledger_table(done.pages, answers),
        }
        files = tuple(parquet.write(self.documents, path, table) for path, table in tables.items())
        commit = Commit(done.number, self.key, files, counters(answers))
        write_commit(self.documents, commit)
        return commit
