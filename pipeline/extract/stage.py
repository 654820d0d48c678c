"""The documents stage in Beam: partitions go in, finished partitions come out; the work is done by child processes.

Pages never travel. For each partition the worker reads the page index, reads each record where it lies, and sends it
down a pipe to a child; what comes back is written as the partition's files, and last its commit record.
"""

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import apache_beam as beam
from apache_beam.metrics.metric import Metrics
from apache_beam.utils.windowed_value import WindowedValue

from pipeline import progress, results
from pipeline.commits import Commit
from pipeline.extract.files import PartitionFiles
from pipeline.extract.partition import OpenPartition, addresses_of, ending_of, whereabouts
from pipeline.extract.reading import READ_AHEAD, read_records
from pipeline.extract.task import Page, Text
from pipeline.ledger import Ending, Reason, Stage
from pipeline.records import RecordReader
from pipeline.sandbox import Lane, Limits, Sandbox, Verdict, lease
from pipeline.spread import windowed
from webtext.stages import Results

Task: TypeAlias = Callable[[Page], Text | Ending]
Place: TypeAlias = tuple[int, int]
"""A partition, and a row of its fetched pages."""

OPEN_PARTITIONS = 3
"""Partitions of which a worker may hold texts: while the last pages of one are read, the next has begun."""

FEWEST_CRASHES = 50
"""Fewer say nothing of the machine."""


@dataclasses.dataclass(eq=False)  # Beam writes to its transforms, so it cannot be frozen
class ExtractDocuments(beam.PTransform):
    """Partition numbers -> the Commit of each, once its documents, signatures and ledger rows are written.

    files: where everything lies. A partition that was committed under the same key is not done again.
    task: what a child does with a page, `ReadPage(rules, max_bytes)` mostly; its method `warm_up`, if it has one, is
        called once in every child. Its modules are all that children import.
    limits: of the pool of children, of which a process has one, however many copies of this transform a runner makes in
        it. The files are the same for any number of workers.
    hints: what the machine must have, as Beam's resource hints, for runners that choose machines.
    """

    files: PartitionFiles
    task: Task
    limits: Limits = dataclasses.field(default_factory=Limits)
    hints: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def expand(self, partitions: beam.PCollection[int]) -> beam.PCollection[Commit]:
        """Read the partitions' pages, in as many places as the partitions are spread over."""
        extract = beam.ParDo(_ExtractPartitions(self.files, self.task, self.limits)).with_output_types(Commit)
        return partitions | "Extract" >> (extract.with_resource_hints(**self.hints) if self.hints else extract)


class _ExtractPartitions(beam.DoFn):
    """Keeps the children busy across partitions.

    A partition is emitted when its last page is back, at the latest when the bundle ends.
    """

    def __init__(self, files: PartitionFiles, task: Task, limits: Limits) -> None:
        self._files = files
        self._task = task
        self._limits = limits

    def setup(self) -> None:
        self._resources = contextlib.ExitStack()
        self._sandbox: Sandbox[Page, Text | Ending] = self._resources.enter_context(
            lease(self._task, self._limits, getattr(self._task, "warm_up", None))
        )
        self._reader = self._resources.enter_context(RecordReader())
        self._threads = self._resources.enter_context(ThreadPoolExecutor(READ_AHEAD))
        self._lane: Lane[Place, Page, Text | Ending] = self._sandbox.lane()

    def start_bundle(self) -> None:
        self._lane.close()  # what a bundle that failed left behind
        self._lane = self._sandbox.lane()
        self._open: dict[int, OpenPartition] = {}

    def process(self, partition: int) -> Iterator[Commit]:
        commit = self._files.committed(partition)
        if commit is not None:
            progress.advance(Stage.DOCUMENTS, sum(commit.counters.values()))
            yield commit
            return
        while len(self._open) >= OPEN_PARTITIONS:
            yield from self._take(self._lane.wait())
        opened = self._files.open(partition)
        if opened.complete:
            yield self._finish(opened)
            return
        self._open[partition] = opened
        addresses = addresses_of(opened.pages)
        for place, record in read_records(whereabouts(opened.pages), self._reader, self._threads):
            self._lane.submit((partition, place.row), Page(record, addresses[place.row]))
            yield from self._take(self._lane.ready())

    def finish_bundle(self) -> Iterator[WindowedValue]:
        while self._open:
            for commit in self._take(self._lane.wait()):
                yield windowed(commit)

    def teardown(self) -> None:
        self._resources.close()

    def _take(self, verdicts: Sequence[tuple[Place, Verdict[Text | Ending]]]) -> Iterator[Commit]:
        progress.advance(Stage.DOCUMENTS, len(verdicts))
        for (partition, row), verdict in verdicts:
            opened = self._open[partition]
            opened.answer(row, ending_of(verdict))
            if opened.complete:
                del self._open[partition]
                yield self._finish(opened)

    def _finish(self, done: OpenPartition) -> Commit:
        commit = self._files.write(done)
        for reason, count in commit.counters.items():
            Metrics.counter(Stage.DOCUMENTS, reason).inc(count)
        return commit


def summed_up(max_crash_share: float, commits: Iterable[Commit]) -> Results:
    """The stage's files and counters; a fault where the machine seems ill.

    max_crash_share: the share of pages that may crash or take too long, once there are FEWEST_CRASHES of them.
    """
    total = results.added_up(commits)
    pages = sum(total.counters.values())
    lost = sum(total.counters.get(reason, 0) for reason in (Reason.EXTRACTION_CRASH, Reason.EXTRACTION_TIMEOUT))
    if lost < FEWEST_CRASHES or lost <= max_crash_share * pages:
        return total
    fault = (
        f"{lost:,} of {pages:,} pages crashed or took too long, which points to this machine rather than to them: give "
        "extract.memory_bytes or extract.deadline_seconds more, or allow it with extract.max_crash_share."
    )
    return dataclasses.replace(total, faults=[fault])
