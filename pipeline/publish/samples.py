"""Links and duplicate pairs chosen to be looked at: few, drawn by a hash, the same with the same seed."""

import dataclasses
import datetime
import hashlib
import heapq
from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schemas, storage, urls
from pipeline.ledger import Stage
from pipeline.publish import reading, run_view


@dataclasses.dataclass(frozen=True)
class Wish:
    """Which links: an empty field lets all pass. domain: registrable, or a host with all that is below it."""

    reason: str = ""
    domain: str = ""
    stage: str = ""
    count: int = 10
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class LinkView:
    """A link and how it ended. text: the document's, where one was made; None where there is none."""

    id: str
    url: str
    stage: str
    outcome: str
    reason: str
    detail: str
    title: str
    score: int | None
    created_utc: datetime.datetime | None
    subreddits: tuple[str, ...]
    text: str | None


@dataclasses.dataclass(frozen=True)
class Pair:
    """A document that fell and the one that stays. A text is None where an earlier release holds it."""

    id: str
    keeper: str
    similarity: float
    reason: str
    url: str
    keeper_url: str
    keeper_release: str
    text: str | None
    keeper_text: str | None


def links(run: str, wish: Wish) -> list[LinkView]:
    """Some links of a run that fit a wish, in the order of the draw; fewer than asked for when no more fit."""
    partitions = run_view.partition_count(run)
    rows = (row for partition in range(partitions) for row in _fitting(run_view.endings(run, partition), wish))
    return views(run, smallest(rows, wish.count, wish.seed), partitions)


def links_by_reason(run: str, count: int, seed: int = 0) -> dict[str, list[LinkView]]:
    """Up to `count` links for each reason that occurs, `kept` included, in one pass over the ledger."""
    partitions = run_view.partition_count(run)
    chosen: dict[str, list[dict[str, Any]]] = {}
    for partition in range(partitions):
        ledger = run_view.endings(run, partition)
        for reason in pc.unique(ledger["reason"]).to_pylist():
            rows = ledger.filter(pc.equal(ledger["reason"], reason)).to_pylist()
            chosen[reason] = smallest([*chosen.get(reason, []), *rows], count, seed)
    flat = views(run, [row for reason in sorted(chosen) for row in chosen[reason]], partitions)
    return {reason: [view for view in flat if view.reason == reason] for reason in sorted(chosen)}


def pairs(run: str, wish: Wish) -> list[Pair]:
    """Some pairs of a fallen document and its keeper, the reason and the fallen one's domain as wished."""
    folder = storage.join(run, Stage.DUPLICATES)
    partitions = run_view.partition_count(run)
    rows: list[dict[str, Any]] = []
    for partition in range(reading.count_parts(folder)):
        table = reading.read_part(folder, partition, schemas.DUPLICATES)
        fallen = reading.read_part(storage.join(run, Stage.DOCUMENTS), partition, schemas.DOCUMENTS, ["id", "url"])
        addresses = dict(zip(fallen["id"].to_pylist(), fallen["url"].to_pylist(), strict=True))
        found = ({**row, "url": addresses.get(row["id"], "")} for row in table.to_pylist())
        fitting = [row for row in found if wish.reason in ("", row["reason"]) and _on_domain(row["url"], wish.domain)]
        rows = smallest([*rows, *fitting], wish.count, wish.seed)
    texts = run_view.documents_by_id(run, {row[end] for row in rows for end in ("id", "keeper")}, partitions)
    return [Pair(**row, text=_text(texts, row["id"]), keeper_text=_text(texts, row["keeper"])) for row in rows]


def views(run: str, rows: Iterable[Mapping[str, Any]], partitions: int) -> list[LinkView]:
    """Ledger rows with what else is known of their links, in the rows' order."""
    rows = list(rows)
    ids = {row["id"] for row in rows}
    known_links = run_view.rows_by_id(run, Stage.LINKS, ids, partitions)
    texts = run_view.documents_by_id(run, ids, partitions)
    return [_view(row, known_links.get(row["id"], {}), texts.get(row["id"], {})) for row in rows]


def smallest(rows: Iterable[dict[str, Any]], count: int, seed: int) -> list[dict[str, Any]]:
    """The `count` rows whose ids hash lowest under a seed: a draw that needs no memory of all rows."""
    return heapq.nsmallest(count, rows, key=lambda row: _lot(row["id"], seed))


def _lot(id: str, seed: int) -> bytes:  # noqa: A002 - it is the column's name
    return hashlib.blake2b(f"{seed}:{id}".encode(), digest_size=8).digest()


def _fitting(ledger: pa.Table, wish: Wish) -> Iterable[dict[str, Any]]:
    for column, wanted in (("reason", wish.reason), ("stage", wish.stage)):
        if wanted:
            ledger = ledger.filter(pc.equal(ledger[column], wanted))
    if wish.domain:
        ledger = ledger.filter(pc.match_substring(ledger["url"], wish.domain))
    return (row for row in ledger.to_pylist() if _on_domain(row["url"], wish.domain))


def _on_domain(url: str, domain: str) -> bool:
    host = urls.host(url)
    return not domain or host == domain or host.endswith(f".{domain}")


def _view(row: Mapping[str, Any], link: Mapping[str, Any], document: Mapping[str, Any]) -> LinkView:
    posts = link.get("submissions", [])
    return LinkView(
        **{column: row[column] for column in schemas.LEDGER.names},
        title=document.get("title") or next((post["title"] for post in posts if post["title"]), ""),
        score=link.get("score"),
        created_utc=link.get("created_utc"),
        subreddits=tuple(sorted({post["subreddit"] for post in posts if post["subreddit"]})),
        text=document.get("text"),
    )


def _text(documents: Mapping[str, Mapping[str, Any]], id: str) -> str | None:  # noqa: A002 - it is the column's name
    return documents[id]["text"] if id in documents else None
