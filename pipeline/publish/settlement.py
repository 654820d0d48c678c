"""The last word on every link of a partition: one ledger row each, from what the stages left behind."""

import dataclasses
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import schemas, tables
from pipeline.ledger import FETCHED, Outcome, Reason, Stage
from pipeline.publish import placement
from pipeline.publish.takedown import Takedown

EXAMPLES_PER_FAULT = 3


@dataclasses.dataclass(frozen=True)
class Partition:
    """What the stages say of the links of one id range.

    links: `schemas.LINKS`, columns id and url suffice.
    refused_links, refused_documents: `schemas.LEDGER`, what the stages links and documents refused.
    pages: `schemas.PAGES`, columns id, url, outcome, reason and detail suffice.
    documents: `schemas.DOCUMENTS`, columns id, url and domain suffice.
    duplicates: `schemas.DUPLICATES`.
    """

    links: pa.Table
    refused_links: pa.Table
    pages: pa.Table
    refused_documents: pa.Table
    documents: pa.Table
    duplicates: pa.Table


def settle(partition: Partition, takedown: Takedown, validation_fraction: float) -> pa.Table:
    """The partition's ledger, sorted by id: every ending that the stages gave.

    `faults` tells whether each link has one.
    """
    documents = partition.documents
    remaining = _without(documents, partition.duplicates["id"])
    reasons = takedown.reasons(remaining)
    taken = pc.not_equal(reasons, "")
    kept = remaining.filter(pc.invert(taken))
    ledgers = [
        partition.refused_links,
        ended_as_pages(partition.pages),
        partition.refused_documents,
        ended_as_duplicates(partition.duplicates, documents),
        _rows(remaining.filter(taken), Stage.CORPUS, Outcome.DROPPED, Reason.OPT_OUT, pc.filter(reasons, taken)),
        _rows(kept, Stage.CORPUS, Outcome.KEPT, Reason.KEPT, _splits(kept["id"], validation_fraction)),
    ]
    return tables.sorted_by(pa.concat_tables(each.cast(schemas.LEDGER) for each in ledgers), "id").combine_chunks()


def ended_as_pages(pages: pa.Table) -> pa.Table:
    """Ledger rows of the links whose page was not had."""
    ended = pages.filter(pc.not_equal(pages["outcome"], FETCHED))
    stage = pa.array([Stage.PAGES.value] * ended.num_rows, pa.string())
    columns = [ended["id"], ended["url"], stage, ended["outcome"], ended["reason"], ended["detail"]]
    return pa.table(columns, names=schemas.LEDGER.names).cast(schemas.LEDGER)


def ended_as_duplicates(duplicates: pa.Table, documents: pa.Table) -> pa.Table:
    """Ledger rows of the documents that fell to another one; `detail` names the keeper and the similarity.

    A duplicate that is none of `documents` keeps an empty url: its link then has two endings, which `faults` tells.
    """
    position = pc.index_in(duplicates["id"], value_set=documents["id"].combine_chunks())
    details = [
        f"{similarity:.2f} like {url}" + (f" in {release}" if release else "")
        for url, similarity, release in zip(
            duplicates["keeper_url"].to_pylist(),
            duplicates["similarity"].to_pylist(),
            duplicates["keeper_release"].to_pylist(),
            strict=True,
        )
    ]
    size = duplicates.num_rows
    columns = [
        duplicates["id"],
        pc.fill_null(documents["url"].take(position), ""),
        pa.array([Stage.DUPLICATES.value] * size, pa.string()),
        pa.array([Outcome.DROPPED.value] * size, pa.string()),
        duplicates["reason"],
        pa.array(details, pa.string()),
    ]
    return pa.table(columns, names=schemas.LEDGER.names).cast(schemas.LEDGER)


def faults(links: pa.Table, ledger: pa.Table) -> list[str]:
    """What is wrong between a partition's links and its ledger, a sentence a kind; empty when each link has one row."""
    link_ids, ledger_ids = links["id"].combine_chunks(), ledger["id"].combine_chunks()
    checks = [
        ("links stand twice in links/", _repeated(link_ids)),
        ("links have more than one ending", _repeated(ledger_ids)),
        ("links have no ending", _missing(link_ids, ledger_ids)),
        ("endings belong to no link", _missing(ledger_ids, link_ids)),
    ]
    return [
        f"{len(ids)} {what}, for example {', '.join(sorted(ids)[:EXAMPLES_PER_FAULT])}" for what, ids in checks if ids
    ]


def kept_ids(ledger: pa.Table, split: str | None = None) -> pa.Array:
    """The ids of the kept documents of a settled ledger; those of one split when it is named."""
    chosen = pc.equal(ledger["outcome"], Outcome.KEPT.value)
    if split is not None:
        chosen = pc.and_(chosen, pc.equal(ledger["detail"], split))
    return ledger["id"].filter(chosen).combine_chunks()


def _rows(
    documents: pa.Table, stage: Stage, outcome: Outcome, reason: Reason, detail: pa.Array | pa.ChunkedArray
) -> pa.Table:
    same = [pa.array([word.value] * documents.num_rows, pa.string()) for word in (stage, outcome, reason)]
    columns = [documents["id"], documents["url"], *same, detail]
    return pa.table(columns, names=schemas.LEDGER.names).cast(schemas.LEDGER)


def _splits(ids: pa.ChunkedArray, validation_fraction: float) -> pa.Array:
    held_out = pa.array(placement.in_validation(ids, validation_fraction))
    return pc.if_else(held_out, placement.VALIDATION, placement.TRAIN)


def _without(table: pa.Table, ids: pa.ChunkedArray) -> pa.Table:
    return table.filter(pc.invert(pc.is_in(table["id"], value_set=ids.combine_chunks())))


def _repeated(ids: pa.Array) -> Sequence[str]:
    counts = pc.value_counts(ids)
    return [str(each["values"]) for each in counts.filter(pc.greater(counts.field("counts"), 1))]


def _missing(ids: pa.Array, present: pa.Array) -> Sequence[str]:
    return list(pc.unique(ids.filter(pc.invert(pc.is_in(ids, value_set=present)))).to_pylist())
