"""The page index of one partition: from links and captures, as plain tables, to one row for every link."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import layout, schemas
from pipeline.fetch.archives import Answer, Chooser, Link, Request
from pipeline.fetch.captures import Capture, captures_of, rows_of, rows_table
from pipeline.fetch.fallbacks.dead import is_dead
from pipeline.ledger import FETCHED, Ending, Outcome, Reason, failed
from pipeline.records import RecordReader
from pipeline.tables import require_schema, sorted_by
from pipeline.warc import unpack_record
from webtext import parquet, storage

SOURCE = "warc"
_FAILED = Outcome.FAILED.value

REQUESTS = pa.schema(
    [
        ("id", pa.string()),
        ("target", pa.string()),
        ("link_id", pa.string()),
        ("url", pa.string()),
        ("at", schemas.TIME),
        ("trail", pa.list_(pa.string())),
        ("revisit_of", pa.string()),
        ("refers_to_date", schemas.TIME),
        ("payload_digest", pa.string()),
    ]
)
"""The fields of `archives.Request` as columns."""


def read_links(folder: str, partition: int) -> pa.Table:
    """A partition's links that were not refused: id, url and created_utc, sorted by id."""
    name = parquet.part_name(partition)
    links = parquet.read(storage.join(folder, name), ["id", "url", "created_utc"])
    refused = storage.join(folder, layout.LEDGER, name)
    if storage.exists(refused):
        links = links.filter(pc.invert(pc.is_in(links["id"], parquet.read(refused, ["id"])["id"])))
    return sorted_by(links, "id")


def first_steps(links: pa.Table, captures: pa.Table, chooser: Chooser) -> tuple[pa.Table, pa.Table]:
    """Take the first step for the links of which there are captures.

    links: as `read_links` gives them. captures: CAPTURES rows, in any order; of other ids too.
    Returns the answers as PAGES rows, and REQUESTS rows.
    """
    by_id = _grouped(captures)
    asked = links.filter(pc.is_in(links["id"], pa.array(by_id, pa.string())))
    return _tables(
        chooser.start(Link(*row), by_id[row[0]]) for row in rows_of(asked.select(["id", "url", "created_utc"]))
    )


def further_steps(requests: pa.Table, captures: pa.Table, chooser: Chooser) -> tuple[pa.Table, pa.Table]:
    """Take one more step for each of REQUESTS; returns as `first_steps` does."""
    by_id = _grouped(captures)

    def steps() -> Iterator[Answer | Request]:
        for row in rows_of(requests):
            request = Request._make(row)._replace(trail=tuple(row[REQUESTS.get_field_index("trail")]))
            yield chooser.follow(request, by_id.get(request.id, ()))

    return _tables(steps())


def _grouped(captures: pa.Table) -> Mapping[str, Sequence[Capture]]:
    groups: dict[str, list[Capture]] = {}
    for capture in captures_of(captures):
        groups.setdefault(capture.id, []).append(capture)
    return groups


def _tables(steps: Iterable[Answer | Request]) -> tuple[pa.Table, pa.Table]:
    answers, requests = [], []
    for step in steps:
        if isinstance(step, Request):
            requests.append(step)
        else:
            answers.append(_page_row(step))
    return rows_table(answers, schemas.PAGES), rows_table(requests, REQUESTS)


def _page_row(answer: Answer) -> tuple[Any, ...]:
    capture = answer.capture
    place: tuple[Any, ...] = (None,) * 8
    if capture is not None:
        place = (
            capture.status,
            capture.content_type or None,
            capture.date,
            SOURCE,
            capture.file,
            capture.offset,
            capture.length,
            capture.payload_sha256 or None,
        )
    whole = capture is None or not capture.truncated
    outcome = _outcome(answer.ending, "" if whole else f"not whole: {capture.truncated if capture else ''}")
    return answer.link_id, answer.url, answer.final_url or None, *place, *outcome


def _outcome(ending: Ending | None, detail: str = "") -> tuple[str, str, str]:
    return (FETCHED, "", detail) if ending is None else (ending.outcome.value, ending.reason.value, ending.detail)


def standing(answers: pa.Table) -> pa.Table:
    """The PAGES rows that no other source need be asked about: all but those of pages that are not in the archives."""
    missing = pc.and_(pc.equal(answers["reason"], Reason.NOT_IN_ARCHIVE.value), pc.equal(answers["outcome"], _FAILED))
    return answers.filter(pc.invert(missing))


def index_table(links: pa.Table, answers: pa.Table, reader: RecordReader, max_bytes: int) -> pa.Table:
    """The partition's page index: PAGES rows, one for each link, sorted by id.

    answers: PAGES rows for some of the links. The others are not in the archives.
    reader: reads the pages whose body has not been hashed yet: those that redirects and revisits led to.
    """
    return require_schema(_completed(links, _with_hashes(answers, reader, max_bytes)), schemas.PAGES)


def sorted_out(links: pa.Table, answers: pa.Table) -> tuple[pa.Table, pa.Table]:
    """One row for each link, those without an answer included: PAGES rows that stand, and those of dead links, which
    have `created_utc` beside.
    """
    index = _completed(links, answers)
    columns = (index[name].to_pylist() for name in ("outcome", "reason", "detail", "source"))
    dead = pa.array(itertools.starmap(is_dead, zip(*columns, strict=True)), pa.bool_())
    return index.filter(pc.invert(dead)), index.append_column("created_utc", links["created_utc"]).filter(dead)


def _completed(links: pa.Table, answers: pa.Table) -> pa.Table:
    """Answers for all links, sorted by id as these are."""
    missing = links.filter(pc.invert(pc.is_in(links["id"], answers["id"])))
    unanswered = _outcome(failed(Reason.NOT_IN_ARCHIVE))
    rows = [(link_id, url, *(None,) * 9, *unanswered) for link_id, url in rows_of(missing.select(["id", "url"]))]
    index = sorted_by(pa.concat_tables([answers, rows_table(rows, schemas.PAGES)]), "id")
    assert index["id"].equals(links["id"]), "a link was answered twice, or without being asked for"
    return index


def _with_hashes(answers: pa.Table, reader: RecordReader, max_bytes: int) -> pa.Table:
    unhashed = pc.and_(pc.equal(answers["outcome"], FETCHED), pc.is_null(answers["payload_sha256"]))
    if not pc.any(unhashed).as_py():
        return answers
    names = schemas.PAGES.names
    where = {name: names.index(name) for name in names}

    def hashed(row: tuple[Any, ...]) -> tuple[Any, ...]:
        record = unpack_record(
            reader.read(*(row[where[name]] for name in ("warc_file", "warc_offset", "warc_length"))), max_bytes
        )
        if isinstance(record, Ending):
            return (*row[: where["outcome"]], *_outcome(record))
        at = where["payload_sha256"]
        return (*row[:at], sha256(record.payload).hexdigest(), *row[at + 1 :])

    rows = [hashed(row) for row in rows_of(answers.filter(unhashed))]
    return pa.concat_tables([answers.filter(pc.invert(unhashed)), rows_table(rows, schemas.PAGES)])


def counters(index: pa.Table) -> dict[str, int]:
    """How many links ended how: `fetched`, and the others by reason."""
    reasons = Counter(reason or FETCHED for reason in index["reason"].to_pylist())
    return dict(sorted(reasons.items()))
