"""Links that nobody has a page of -> pages of the web: the crawl as a PTransform.

Links are gathered by shard, a hash of the host's registrable domain, so that every host has one owner. On one machine
there is one shard, and one loop that has all hosts in view. With several, a redirect that leads to a host of another
shard is handed over to it in a further round: a link follows at most MAX_HOPS redirects, so that many rounds suffice.
"""

import asyncio
import dataclasses
import functools
import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schemas, tables, urls
from pipeline.fetch.live.crawl import Crawl
from pipeline.fetch.live.files import shard_name
from pipeline.fetch.live.journal import Event, Journal, Place, place_of
from pipeline.fetch.live.links import LINKS, Links, links_table
from pipeline.fetch.live.redirects import MAX_HOPS
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.surroundings import Refuse, Surroundings
from pipeline.fetch.live.tail import Tail
from webtext import storage

SOURCE = "live"
ROW_BATCH = 16_384

_COUNTED = "counted"
_LEFT = "left"

Packed = tuple[int, bytes]
"""A shard or a partition, and some of its rows, packed."""


@dataclasses.dataclass(frozen=True)
class Counted:
    """What a crawl counted, and what its end cost."""

    counters: Mapping[str, int]
    tail: Tail


@dataclasses.dataclass(frozen=True)
class Crawling:
    """What a crawl needs to know, wherever it runs."""

    folder: str
    """The folder of the pages, on a local file system."""
    partitions: int
    shards: int
    key: str
    """Tells all that endings depend on: of what was found out under another key, only pages hold."""
    rules: FetchRules
    judge: Callable[[], Refuse]
    """Makes, once a worker, what refuses a redirect by the address that it leads to."""
    around: Surroundings = dataclasses.field(default_factory=Surroundings)


@dataclasses.dataclass(eq=False)  # Beam writes to its transforms, so it cannot be frozen
class FetchLive(beam.PTransform):
    """(shard, LINKS rows, packed) -> (partition, PAGES rows, packed), one for each link, and what was counted."""

    crawling: Crawling

    def expand(self, links: beam.PCollection[Packed]) -> "tuple[beam.PCollection[Packed], beam.PCollection[Counted]]":
        """Crawl, and crawl on where redirects lead to other shards."""
        answers, counted = [], []
        rounds = 1 if self.crawling.shards == 1 else 1 + MAX_HOPS
        for number in range(rounds):
            crawl = _Crawl(self.crawling, last=number == rounds - 1)
            crawled = (
                links
                | f"By owner {number}" >> beam.GroupByKey()
                | f"Crawl {number}" >> beam.ParDo(crawl).with_outputs(_LEFT, _COUNTED, main=SOURCE)
            )
            links = crawled[_LEFT]
            answers.append(crawled[SOURCE])
            counted.append(crawled[_COUNTED])
        return answers | "Pages" >> beam.Flatten(), counted | "Counts" >> beam.Flatten()


class _Crawl(beam.DoFn):
    """(shard, its links) -> their pages; links that lead to other shards, and what was counted."""

    def __init__(self, crawling: Crawling, *, last: bool) -> None:
        self._crawling = crawling
        self._last = last

    def setup(self) -> None:
        self._refuse = self._crawling.judge()

    def process(self, element: tuple[int, Iterable[bytes]]) -> Iterator[Any]:
        shard, packed = element
        crawling = self._crawling
        links = Links(tables.unpack(packed, LINKS))
        owns = functools.partial(is_of, shard, crawling.shards)
        around = dataclasses.replace(crawling.around, refuse=self._refuse, owns=owns)
        with Journal(crawling.folder, shard_name(shard, crawling.shards)) as journal:
            crawl = Crawl(links, journal, crawling.folder, crawling.rules, around)
            asyncio.run(crawl.run(crawling.key))
            for rows in page_tables(crawl.endings(), crawling.folder):
                for partition, part in tables.split(rows, crawling.partitions):
                    yield partition, tables.pack(part)
        assert not (self._last and crawl.book.left), "links lead on after the last round"
        left = links_table((links.id(row), trail) for row, trail in sorted(crawl.book.left.items()))
        for owner, part in by_owner(left, crawling.shards):
            yield beam.pvalue.TaggedOutput(_LEFT, (owner, tables.pack(part)))
        yield beam.pvalue.TaggedOutput(_COUNTED, Counted({"requests": crawl.statistics.requests}, crawl.tail))


def wanted_links(links: pa.Table, answered: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The links that are to be fetched, as LINKS.

    links: ids and addresses. answered: ids of those that are not.
    """
    wanted = links.filter(pc.invert(pc.is_in(links["id"], pa.array(answered.to_pylist(), pa.string()))))
    return links_table(zip(wanted["id"].to_pylist(), ([url] for url in wanted["url"].to_pylist()), strict=True))


def owner_of(host: str, shards: int) -> int:
    """The shard of a host: all hosts below one registrable domain have the same."""
    digest = hashlib.sha256(urls.registrable_domain(host).encode()).digest()
    return int.from_bytes(digest[:8], "big") % shards


def is_of(shard: int, shards: int, host: str) -> bool:
    """Whether a host is of a shard."""
    return shards == 1 or owner_of(host, shards) == shard


def by_owner(links: pa.Table, shards: int) -> Iterator[tuple[int, pa.Table]]:
    """LINKS rows by the shard of the host that they lead to now."""
    owners = [0 if shards == 1 else owner_of(urls.host(trail[-1]), shards) for trail in links["trail"].to_pylist()]
    yield from tables.groups(links, pa.array(owners, pa.int64()).to_numpy())


def page_tables(endings: Iterable[tuple[str, Event]], folder: str) -> Iterator[pa.Table]:
    """Endings as PAGES rows, some thousands at a time."""
    rows = (page_row(link_id, event, folder) for link_id, event in endings)
    while batch := list(itertools.islice(rows, ROW_BATCH)):
        yield pages_table(batch)


def page_row(link_id: str, event: Event, folder: str, source: str = SOURCE) -> dict[str, Any]:
    """How a link ended, as a row of PAGES. folder: where the journal's files lie."""
    place = Place(*event["at_place"]) if "at_place" in event else place_of(event)
    return {
        "id": link_id,
        "url": event["url"],
        "final_url": event.get("final_url"),
        "status": event.get("status"),
        "content_type": event.get("content_type") or None,
        "fetched_at": event.get("at"),
        "source": source,
        "warc_file": storage.join(folder, place.file) if place else None,
        "warc_offset": place.offset if place else None,
        "warc_length": place.length if place else None,
        "payload_sha256": event.get("sha256"),
        "outcome": event["outcome"],
        "reason": event["reason"],
        "detail": event["detail"],
    }


def pages_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Such rows as a table; times are seconds since 1970."""
    columns = [
        pa.array([row[field.name] for row in rows], schemas.SECONDS if field.name == "fetched_at" else field.type)
        for field in schemas.PAGES
    ]
    return pa.table(columns, names=schemas.PAGES.names).cast(schemas.PAGES)
