"""The stage `pages`: every link that was not refused gets its page, or the reason why it has none.

Sources are asked in their order, and the index is made of what they answer: archives at hand; then, where that is
wanted, the web itself for what no archive holds; then archives on the web for what is dead. A link that none of them
answers is not in the archives.

What is shuffled are captures of links and of what they lead to, and answers: 100 to 200 bytes each, packed. Beam's
local runner holds all of them, some 800 bytes a link with a capture (benchmarks/pages.py). Of an archive's other
captures nothing leaves its catalogue on disk, so archives may hold any number of them. A worker holds the ids of all
links (8 bytes each), one record, one batch of captures, or one partition's captures and links as Python objects.
"""

import dataclasses
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import apache_beam as beam
import pyarrow as pa

from pipeline import layout, results, schemas, tables
from pipeline.fetch import index
from pipeline.fetch.archives import MAX_HOPS, Chooser, Refuse, refuse_wikipedia
from pipeline.fetch.captures import CAPTURES, Damage
from pipeline.fetch.catalogue import Catalogue, IdSet, look_up, make_catalogue
from pipeline.fetch.index import REQUESTS
from pipeline.fetch.live import tail
from pipeline.fetch.live.tail import Tail
from pipeline.records import RecordReader
from pipeline.sandbox import cores
from pipeline.spread import windowed
from webtext import parquet, storage
from webtext.stages import Results
from webtext.storage import FileRecord

if TYPE_CHECKING:
    from pipeline.fetch.fallbacks.transform import Asking
    from pipeline.fetch.live.transform import Crawling

Packed = tuple[int, tuple[str, bytes]]
"""A partition, and some of its rows: of what kind, and packed. Kinds that meet in one shuffle stay apart by it."""

Grouped = tuple[int, Iterable[tuple[str, bytes]]]
"""A partition, and all its rows of one shuffle."""

_ANSWERS = "answers"
_CAPTURES = "captures"
_DEAD = "dead"
_FOUND = "found"
_REQUESTS = "requests"
_WANTED = "wanted"
_SCHEMAS = {_ANSWERS: schemas.PAGES, _CAPTURES: CAPTURES, _REQUESTS: REQUESTS}


@dataclasses.dataclass(frozen=True)
class Found:
    """What one element of work wrote and counted, and the places of an archive that it could not read."""

    files: tuple[FileRecord, ...]
    counters: Mapping[str, int]
    damages: tuple[Damage, ...] = ()
    tail: Tail | None = None
    """What the end of a crawl cost."""


@dataclasses.dataclass(frozen=True)
class Places:
    """The folders of the stage, and in how many partitions ids are cut."""

    links: str
    pages: str
    partitions: int


def wikipedia_alone() -> Refuse:
    """Refuse redirects to Wikipedia, and no others."""
    return refuse_wikipedia


@dataclasses.dataclass(eq=False)  # Beam writes to its transforms, so it cannot be frozen
class FindPages(beam.PTransform):
    """Links and archives -> `pages/index/part-*.parquet`, and a `Found` for each archive and each partition.

    archives: paths of WARC and ARC files. max_bytes: the largest page.
    judge: makes, once a worker, what refuses a redirect by the address that it leads to.
    live: how links are fetched that no archive holds; None when they are not.
    fallbacks: how archives on the web are asked for links that are dead; None when they are not.
    """

    places: Places
    archives: Sequence[str]
    max_bytes: int
    judge: Callable[[], Refuse] = wikipedia_alone
    live: "Crawling | None" = None
    fallbacks: "Asking | None" = None

    def expand(self, begin: beam.pvalue.PBegin) -> beam.PCollection[Found]:
        """Scan every archive once, answer the links, write the index."""
        answers, scanned = answer_from_archives(begin, self.places, self.archives, self.max_bytes, self.judge)
        # A partition without answers has a file too, so that a missing one is seen.
        nothing = (_ANSWERS, tables.pack(schemas.PAGES.empty_table()))
        every_partition = begin | "Partitions" >> beam.Create(
            [(each, nothing) for each in range(self.places.partitions)], reshuffle=False
        )
        counted = []
        if self.live is not None:
            answers, crawled = answer_live(answers, every_partition, self.places, self.live)
            counted.append(crawled)
        if self.fallbacks is not None:
            answers, asked = answer_from_fallbacks(answers, every_partition, self.places, self.fallbacks)
            counted.append(asked)
        written = (
            (answers, every_partition)
            | "All" >> beam.Flatten()
            | "Answers by partition" >> beam.GroupByKey()
            | "Write index" >> beam.ParDo(_WriteIndex(self.places, self.max_bytes))
        )
        return (scanned, written, *counted) | "Results" >> beam.Flatten()


def answer_from_archives(
    begin: beam.pvalue.PBegin, places: Places, archives: Sequence[str], max_bytes: int, judge: Callable[[], Refuse]
) -> tuple[beam.PCollection[Packed], beam.PCollection[Found]]:
    """Scan archives, answer what can be answered at once, then follow redirects and revisits, a round for each hop.

    Returns the answers (PAGES rows, packed, by the link's partition), and a `Found` for each archive.
    """
    paths = sorted(set(archives))
    scanned = (
        begin
        | "Archives" >> beam.Create(paths)
        | "Scan" >> beam.ParDo(_Scan(places, max_bytes)).with_outputs(_FOUND, main=_CAPTURES)
    )
    first = (
        scanned[_CAPTURES]
        | "Captures by partition" >> beam.GroupByKey()
        | "Choose" >> beam.ParDo(_Choose(places, max_bytes, judge)).with_outputs(_REQUESTS, main=_ANSWERS)
    )
    answers, requests = [first[_ANSWERS]], first[_REQUESTS]
    for hop in range(1, MAX_HOPS + 1):
        # The catalogues are there when a round begins: its requests are made of what all scans have found. A collection
        # of paths of its own keeps runners from putting scans and rounds, which wait for them, into one step.
        captures = (
            begin
            | f"Archives {hop}" >> beam.Create(paths, reshuffle=False)
            | f"Look up {hop}" >> beam.ParDo(_LookUp(places), beam.pvalue.AsIter(requests))
        )
        followed = (
            (requests, captures)
            | f"Asked and found {hop}" >> beam.Flatten()
            | f"Hop {hop}" >> beam.GroupByKey()
            | f"Follow {hop}" >> beam.ParDo(_Follow(places, max_bytes, judge)).with_outputs(_REQUESTS, main=_ANSWERS)
        )
        answers.append(followed[_ANSWERS])
        requests = followed[_REQUESTS]
    return answers | "All answers" >> beam.Flatten(), scanned[_FOUND]


def answer_live(
    answers: beam.PCollection[Packed], every_partition: beam.PCollection[Packed], places: Places, live: "Crawling"
) -> tuple[beam.PCollection[Packed], beam.PCollection[Found]]:
    """Fetch what archives do not hold.

    Returns the archives' answers that stand and those of the web, and a `Found` for each shard of the crawl.
    """
    from pipeline.fetch.live.transform import FetchLive  # an HTTP client, for those who fetch

    settled = (
        (answers, every_partition)
        | "Answered" >> beam.Flatten()
        | "Answered by partition" >> beam.GroupByKey()
        | "Settle" >> beam.ParDo(_Settle(places, live.shards)).with_outputs(_WANTED, main=_ANSWERS)
    )
    fetched, counted = settled[_WANTED] | "Fetch live" >> FetchLive(live)
    pages = fetched | "Fetched" >> beam.MapTuple(_as_answers)
    found = counted | "Counted" >> beam.Map(lambda each: Found((), each.counters, tail=each.tail))
    return (settled[_ANSWERS], pages) | "Archived and fetched" >> beam.Flatten(), found


def answer_from_fallbacks(
    answers: beam.PCollection[Packed], every_partition: beam.PCollection[Packed], places: Places, asking: "Asking"
) -> tuple[beam.PCollection[Packed], beam.PCollection[Found]]:
    """Ask archives on the web for links that nobody has answered, and for those that are dead.

    Returns the answers that stand and theirs, one for each link, and a `Found` for each of those archives.
    """
    from pipeline.fetch.fallbacks.transform import AskArchives  # an HTTP client, for those who fetch

    sorted_out = (
        (answers, every_partition)
        | "Answered so far" >> beam.Flatten()
        | "Answered so far by partition" >> beam.GroupByKey()
        | "Sort out the dead" >> beam.ParDo(_SortOut(places)).with_outputs(_DEAD, main=_ANSWERS)
    )
    asked, counted = sorted_out[_DEAD] | "Ask archives" >> AskArchives(asking)
    pages = asked | "From archives" >> beam.MapTuple(_as_answers)
    found = counted | "Counted by archive" >> beam.Map(lambda counters: Found((), counters))
    return (sorted_out[_ANSWERS], pages) | "Alive and dead" >> beam.Flatten(), found


def _as_answers(partition: int, rows: bytes) -> Packed:
    return partition, (_ANSWERS, rows)


class _SortOut(beam.DoFn):
    """(partition, the answers so far) -> those that stand, and the dead links with how they ended."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def process(self, element: Grouped) -> Iterator[Any]:
        partition, packed = element
        links = index.read_links(self._places.links, partition)
        standing, dead = index.sorted_out(links, _rows(_ANSWERS, packed))
        yield from _packed(_ANSWERS, standing, self._places.partitions)
        for _, part in tables.split(dead, self._places.partitions):
            yield beam.pvalue.TaggedOutput(_DEAD, (partition, tables.pack(part)))


class _Settle(beam.DoFn):
    """(partition, the archives' answers) -> those that stand, and by shard the links that are to be fetched."""

    def __init__(self, places: Places, shards: int) -> None:
        self._places = places
        self._shards = shards

    def process(self, element: Grouped) -> Iterator[Any]:
        from pipeline.fetch.live.transform import by_owner, wanted_links

        partition, packed = element
        standing = index.standing(_rows(_ANSWERS, packed))
        yield from _packed(_ANSWERS, standing, self._places.partitions)
        links = index.read_links(self._places.links, partition)
        for shard, part in by_owner(wanted_links(links, standing["id"]), self._shards):
            yield beam.pvalue.TaggedOutput(_WANTED, (shard, tables.pack(part)))


class _Scan(beam.DoFn):
    """An archive -> its captures of links; a `Found` for the archive.

    Archives are scanned on threads: most of a scan is inflating and hashing, which leave the interpreter to others.
    """

    def __init__(self, places: Places, max_bytes: int) -> None:
        self._places = places
        self._max_bytes = max_bytes

    def setup(self) -> None:
        links = (index.read_links(self._places.links, number)["id"] for number in range(self._places.partitions))
        self._wanted = IdSet.of(links)
        self._stopping = threading.Event()
        self._threads = ThreadPoolExecutor(cores())

    def start_bundle(self) -> None:
        self._scans: dict[str, Future[Catalogue]] = {}

    def process(self, archive: str) -> None:
        self._scans[archive] = self._threads.submit(
            make_catalogue, archive, self._places.pages, self._wanted, self._max_bytes, self._stopping.is_set
        )

    def finish_bundle(self) -> Iterator[Any]:
        try:
            for archive, scan in self._scans.items():
                catalogue = scan.result()
                counters = {"archives": 1, **catalogue.counts}
                found = Found((catalogue.record,), counters, catalogue.damages)
                yield beam.pvalue.TaggedOutput(_FOUND, windowed(found))
                for captures in look_up(archive, self._places.pages, self._wanted):
                    yield from map(windowed, _packed(_CAPTURES, captures, self._places.partitions))
        except BaseException:  # Ctrl-C too: the other scans are not waited for
            self._stopping.set()
            raise

    def teardown(self) -> None:
        self._stopping.set()
        self._threads.shutdown(cancel_futures=True)


class _LookUp(beam.DoFn):
    """An archive -> its captures of the addresses that the requests, a side input, ask for."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def start_bundle(self) -> None:
        self._wanted: IdSet | None = None

    def process(self, archive: str, requests: Iterable[Packed]) -> Iterator[Packed]:
        if self._wanted is None:
            self._wanted = IdSet.of(_rows(_REQUESTS, [packed])["id"] for _, packed in requests)
        for captures in look_up(archive, self._places.pages, self._wanted):
            yield from _packed(_CAPTURES, captures, self._places.partitions)


class _Step(beam.DoFn):
    def __init__(self, places: Places, max_bytes: int, judge: Callable[[], Refuse]) -> None:
        self._places = places
        self._max_bytes = max_bytes
        self._judge = judge

    def setup(self) -> None:
        self._chooser = Chooser(self._max_bytes, self._judge())

    def _outputs(self, answers: pa.Table, requests: pa.Table) -> Iterator[Any]:
        yield from _packed(_ANSWERS, answers, self._places.partitions)
        for packed in _packed(_REQUESTS, requests, self._places.partitions):
            yield beam.pvalue.TaggedOutput(_REQUESTS, packed)


class _Choose(_Step):
    """(partition, captures of its links) -> answers, and requests for what redirects and revisits lead to."""

    def process(self, element: Grouped) -> Iterator[Any]:
        partition, packed = element
        links = index.read_links(self._places.links, partition)
        yield from self._outputs(*index.first_steps(links, _rows(_CAPTURES, packed), self._chooser))


class _Follow(_Step):
    """(partition, requests and captures of the addresses they ask for) -> answers and further requests."""

    def process(self, element: Grouped) -> Iterator[Any]:
        _, packed = element
        packed = list(packed)
        requests, captures = _rows(_REQUESTS, packed), _rows(_CAPTURES, packed)
        yield from self._outputs(*index.further_steps(requests, captures, self._chooser))


class _WriteIndex(beam.DoFn):
    """(partition, its answers) -> the partition's file; a `Found` for it."""

    def __init__(self, places: Places, max_bytes: int) -> None:
        self._places = places
        self._max_bytes = max_bytes

    def process(self, element: Grouped) -> Iterator[Found]:
        partition, packed = element
        links = index.read_links(self._places.links, partition)
        answers = _rows(_ANSWERS, packed)
        with RecordReader() as reader:
            rows = index.index_table(links, answers, reader, self._max_bytes)
        name = storage.join(layout.PAGE_INDEX, parquet.part_name(partition))
        yield Found((parquet.write(self._places.pages, name, rows),), index.counters(rows))


def _packed(kind: str, rows: pa.Table, partitions: int) -> Iterator[Packed]:
    for partition, part in tables.split(rows, partitions):
        yield partition, (kind, tables.pack(part))


def _rows(kind: str, packed: Iterable[tuple[str, bytes]]) -> pa.Table:
    """All rows of one kind."""
    return tables.unpack((rows for of_kind, rows in packed if of_kind == kind), _SCHEMAS[kind])


def summed_up(found: Iterable[Found], kept: Callable[[], Sequence[FileRecord]] = tuple) -> Results:
    """The stage's files, sorted by path, and its counters for the manifest.

    kept: the files that hold what was fetched live, when all is done.

    Counters: `archives`, `captures`, `damaged_places`, `damaged_bytes`, `fetched` and one for each reason; `damages` is
    a list of the places themselves, at most 100 an archive; `web` tells of the time that fetching took.
    """
    everything = list(found)
    total = results.added_up(everything)
    damages = sorted(damage for each in everything for damage in each.damages)
    tails = [each.tail for each in everything if each.tail is not None]
    counters = {**total.counters, **tail.counters(tails), "damages": [damage._asdict() for damage in damages]}
    files = sorted([*total.files, *kept()], key=lambda record: record.path)
    return dataclasses.replace(total, files=files, counters=counters)
