"""Links and duplicate pairs chosen to be looked at: few, drawn by a hash, the same with the same seed."""

import dataclasses
import datetime
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schemas, tables, urls
from pipeline.ledger import Stage
from pipeline.publish import run_view

LOT_DIGIT = 12


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
    return views(run, _drawn(run, wish), run_view.partition_count(run))


def links_by_reason(run: str, count: int, seed: int = 0) -> dict[str, list[LinkView]]:
    """Up to `count` links for each reason that occurs, `kept` included, in one pass over the ledger."""
    partitions = run_view.partition_count(run)
    drawn: dict[str, pa.Table] = {}
    for partition in range(partitions):
        ledger = run_view.endings(run, partition)
        for reason in pc.unique(ledger["reason"]).to_pylist():
            rows = ledger.filter(pc.equal(ledger["reason"], reason))
            drawn[reason] = draw(pa.concat_tables([drawn.get(reason, rows.slice(0, 0)), rows]), count, seed)
    flat = views(run, [row for reason in sorted(drawn) for row in drawn[reason].to_pylist()], partitions)
    return {reason: [view for view in flat if view.reason == reason] for reason in sorted(drawn)}


def pairs(run: str, wish: Wish) -> list[Pair]:
    """Some pairs of a fallen document and its keeper, the reason and the fallen one's domain as wished."""
    partitions = run_view.partition_count(run)
    fallen = _drawn(run, dataclasses.replace(wish, stage=Stage.DUPLICATES))
    rows = run_view.rows_by_id(run, Stage.DUPLICATES, [row["id"] for row in fallen], partitions)
    own = {row["keeper"] for row in rows.values() if not row["keeper_release"]}  # those of references are no links
    texts = run_view.documents_by_id(run, {*rows, *own}, partitions)
    return [
        Pair(
            **row,
            url=ending["url"],
            text=_text(texts, row["id"]),
            keeper_text=None if row["keeper_release"] else _text(texts, row["keeper"]),
        )
        for ending, row in ((ending, rows[ending["id"]]) for ending in fallen if ending["id"] in rows)
    ]


def views(run: str, rows: Iterable[Mapping[str, Any]], partitions: int) -> list[LinkView]:
    """Ledger rows with what else is known of their links, in the rows' order."""
    rows = list(rows)
    ids = {row["id"] for row in rows}
    known_links = run_view.rows_by_id(run, Stage.LINKS, ids, partitions)
    texts = run_view.documents_by_id(run, ids, partitions)
    return [_view(row, known_links.get(row["id"], {}), texts.get(row["id"], {})) for row in rows]


def draw(rows: pa.Table, count: int, seed: int) -> pa.Table:
    """`count` rows drawn by their ids, in the order drawn. A draw from the draws of all parts is one from the whole.

    The lot of an id is bits of it that neither split nor shard follow from, mixed with the seed.
    """
    key = int.from_bytes(hashlib.blake2b(str(seed).encode(), digest_size=4).digest())
    lots = tables.id_bits(rows["id"], LOT_DIGIT) ^ np.uint32(key)
    if len(lots) > count > 0:
        near = np.flatnonzero(lots <= np.partition(lots, count - 1)[count - 1])
        rows, lots = rows.take(pa.array(near)), lots[near]
    lotted = rows.append_column("lot", pa.array(lots)).sort_by([("lot", "ascending"), ("id", "ascending")])
    return lotted.drop_columns("lot").slice(0, count)


def _drawn(run: str, wish: Wish) -> list[dict[str, Any]]:
    drawn = schemas.LEDGER.empty_table()
    for partition in range(run_view.partition_count(run)):
        fitting = _fitting(run_view.endings(run, partition), wish)
        drawn = draw(pa.concat_tables([drawn, fitting.cast(schemas.LEDGER)]), wish.count, wish.seed)
    return list(drawn.to_pylist())


def _fitting(ledger: pa.Table, wish: Wish) -> pa.Table:
    for column, wanted in (("reason", wish.reason), ("stage", wish.stage)):
        if wanted:
            ledger = ledger.filter(pc.equal(ledger[column], wanted))
    if wish.domain:
        ledger = ledger.filter(pc.match_substring(ledger["url"], wish.domain))
        fitting = [_on_domain(url, wish.domain) for url in ledger["url"].to_pylist()]
        ledger = ledger.filter(pa.array(fitting, pa.bool_()))
    return ledger


def _on_domain(url: str, domain: str) -> bool:
    host = urls.host(url)
    return host == domain or host.endswith(f".{domain}")


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
