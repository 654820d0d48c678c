"""Links that one archive on loopback is asked for, and how they ended."""

import dataclasses
import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import urls
from pipeline.fetch.fallbacks.asking import DEAD, Fallback, Found, ask_one
from pipeline.fetch.live.rules import FetchRules
from pipeline.fetch.live.surroundings import Surroundings
from pipeline.records import read_record
from pipeline.warc import HttpResponse, read_response
from tests.pipeline.fetch.archive_bytes import id_of
from tests.pipeline.fetch.fallbacks.services import seconds
from tests.pipeline.fetch.live.crawling import AT_ONCE
from tests.pipeline.fetch.live.web import Web

Row = dict[str, Any]


def dead_row(url: str, posted: str | None = None, **changes: Any) -> Row:
    """How a link ended that no server answers for. posted: the date of its post in 14 digits."""
    at = None if posted is None else datetime.datetime.fromtimestamp(seconds(posted), datetime.UTC)
    row = dict.fromkeys(DEAD.names) | {"id": id_of(url), "url": urls.normalise(url), "created_utc": at}
    return {**row, "outcome": "failed", "reason": "dns_error", "detail": "no such name", **changes}


def dead_rows(links: Sequence[str] | Mapping[str, str | None]) -> pa.Table:
    """Addresses, with the dates of their posts where it matters."""
    posted = dict(links) if isinstance(links, Mapping) else dict.fromkeys(links)
    return pa.Table.from_pylist([dead_row(url, at) for url, at in posted.items()], schema=DEAD)


@dataclasses.dataclass
class Asked:
    """What came of it, by address."""

    found: Found
    max_bytes: int

    @property
    def rows(self) -> dict[str, Row]:
        return {row["url"]: row for row in [*self.found.settled.to_pylist(), *self.found.left.to_pylist()]}

    def row(self, url: str) -> Row:
        return self.rows[urls.normalise(url) or ""]

    def end(self, url: str) -> tuple[str, str]:
        row = self.row(url)
        return row["outcome"], row["reason"]

    def page(self, url: str) -> HttpResponse:
        """The page as extraction reads it."""
        row = self.row(url)
        assert row["outcome"] == "fetched", row
        read = read_response(read_record(row["warc_file"], row["warc_offset"], row["warc_length"]), self.max_bytes)
        assert isinstance(read, HttpResponse)
        return read


def ask(
    folder: Path,
    archive: str,
    web: Web,
    links: Sequence[str] | Mapping[str, str | None],
    rules: FetchRules = AT_ONCE,
    around: Surroundings | None = None,
    key: str = "key",
    index: Sequence[Path] = (),
) -> Asked:
    """Ask an archive that is played at an address."""
    fallback = Fallback(archive, web.url("").rstrip("/"), key, tuple(map(str, index)))
    table = dead_rows(links)
    found = ask_one(table, str(folder), fallback, rules, around or Surroundings())
    ids = sorted([*found.settled["id"].to_pylist(), *found.left["id"].to_pylist()])
    assert ids == sorted(table["id"].to_pylist()), "a link was lost, or has two rows"
    return Asked(found, rules.max_bytes)
