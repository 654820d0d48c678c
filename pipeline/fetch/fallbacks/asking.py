"""One archive on the web is asked for dead links: from the rows of the page index that they have, to those they get."""

import asyncio
import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schemas, tables
from pipeline.fetch.captures import rows_of
from pipeline.fetch.fallbacks import commoncrawl
from pipeline.fetch.fallbacks.archive import Archive
from pipeline.fetch.fallbacks.commoncrawl import CommonCrawl
from pipeline.fetch.fallbacks.dead import with_answer, without
from pipeline.fetch.fallbacks.notes import Notes
from pipeline.fetch.fallbacks.search import Search
from pipeline.fetch.fallbacks.taken import is_final
from pipeline.fetch.fallbacks.wayback import Wayback
from pipeline.fetch.live import clients
from pipeline.fetch.live.book import ending_of
from pipeline.fetch.live.files import shard_name
from pipeline.fetch.live.journal import Journal
from pipeline.fetch.live.links import Links, links_table
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.surroundings import Surroundings
from pipeline.fetch.live.transfer import Client
from pipeline.fetch.live.transform import ROW_BATCH, page_row, pages_table
from pipeline.ledger import FETCHED, Ending, Outcome

DEAD = pa.schema([*schemas.PAGES, schemas.LINKS.field("created_utc")])
"""How a link has ended so far, and the moment that its capture should be near to."""


@dataclasses.dataclass(frozen=True)
class Fallback:
    """An archive on the web, and where it is."""

    name: str
    url: str
    key: str
    """Tells all that its answers depend on: of what was found out under another key, only pages hold."""
    index: tuple[str, ...] = ()
    """For Common Crawl: Parquet files of its columnar index, read in place of asking its index server."""


RESOLVER_THREADS = 4


class Found(NamedTuple):
    """What came of asking."""

    settled: pa.Table
    """PAGES rows of links that have a page now, or that a capture shows to be refused."""
    left: pa.Table
    """DEAD rows of the others."""
    counters: Mapping[str, int]


def ask_one(dead: pa.Table, folder: str, fallback: Fallback, rules: FetchRules, around: Surroundings) -> Found:
    """Ask one archive for links.

    dead: DEAD rows in any order, each link once. folder: of the pages.
    """
    dead = tables.sorted_by(dead, "id")
    links = Links(links_table(zip(dead["id"].to_pylist(), ([url] for url in dead["url"].to_pylist()), strict=True)))
    created = [row[-1] for row in rows_of(dead.select(["id", "created_utc"]))]
    with Journal(folder, shard_name(0, 1, fallback.name)) as journal:
        notes = Notes(links, journal)
        unasked, counters = asyncio.run(_search(fallback, notes, created, journal, rules, around))
        parts = list(_parts(dead, notes, unasked, folder, fallback.name))
    settled = pa.concat_tables([schemas.PAGES.empty_table(), *(part for part, _ in parts)])
    left = pa.concat_tables([DEAD.empty_table(), *(part for _, part in parts)])
    pages = pc.sum(pc.equal(settled["outcome"], FETCHED)).as_py() or 0
    return Found(settled, left, {**counters, f"{fallback.name}_pages": pages})


def _parts(
    dead: pa.Table, notes: Notes, unasked: Mapping[int, Ending], folder: str, archive: str
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """The links that are settled and those that are left, some thousands at a time."""
    for start in range(0, len(dead), ROW_BATCH):
        settled: list[Mapping[str, Any]] = []
        left: list[Mapping[str, Any]] = []
        for row, old in enumerate(dead.slice(start, ROW_BATCH).to_pylist(), start):
            event = notes.ending(row)
            ending = unasked[row] if event is None else None if event["outcome"] == FETCHED else ending_of(event)
            if event is not None and (ending is None or is_final(ending)):
                settled.append(page_row(old["id"], {**event, "url": old["url"]}, folder, archive))
            else:
                assert ending is not None
                left.append({**old, **_still_dead(old, archive, ending)})
        yield pages_table(settled), pa.Table.from_pylist(left, schema=DEAD)


def _still_dead(old: Mapping[str, Any], archive: str, ending: Ending) -> Mapping[str, Any]:
    """How a link ends that an archive does not have. One that could not be asked for may have it later."""
    words = without(ending).detail
    if ending.outcome is not Outcome.DEFERRED:
        return {"detail": with_answer(old["detail"], archive, words)}
    before = " ".join(filter(None, (old["reason"] if old["outcome"] != Outcome.DEFERRED else "", old["detail"])))
    return {
        "outcome": ending.outcome.value,
        "reason": ending.reason.value,
        "detail": with_answer(before, archive, ending.detail),
    }


async def _search(
    fallback: Fallback,
    notes: Notes,
    created: Sequence[int | None],
    journal: Journal,
    rules: FetchRules,
    around: Surroundings,
) -> tuple[Mapping[int, Ending], Mapping[str, int]]:
    """Returns, by row, why links could not be asked for, and what was counted."""
    with clients.opened(rules, around, RESOLVER_THREADS) as client:
        search = Search(_archive(fallback, client, rules), notes, created, journal, rules, around)
        await search.run(fallback.key)
        return search.unasked, search.counters


def _archive(fallback: Fallback, client: Client, rules: FetchRules) -> Archive:
    if fallback.name == commoncrawl.NAME:
        return CommonCrawl(fallback.url, client, rules, fallback.index)
    return Wayback(fallback.url, client, rules)
