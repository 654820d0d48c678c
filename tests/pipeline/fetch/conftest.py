import dataclasses
import datetime
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

from pipeline import results, schemas, tables, urls
from pipeline.fetch.archives import Refuse
from pipeline.fetch.stage import FindPages, Places, summed_up, wikipedia_alone
from pipeline.results import WriteResults
from tests.pipeline.fetch.archive_bytes import MEGABYTE, id_of
from webtext import parquet, storage
from webtext.stages import Results
from webtext.storage import FileRecord


@dataclasses.dataclass
class FetchRun:
    """A run directory with links, and the stage run over it."""

    folder: Path
    partitions: int = 4

    @property
    def places(self) -> Places:
        return Places(str(self.folder / "links"), str(self.folder / "pages"), self.partitions)

    def write_links(self, links: Sequence[str] | dict[str, int | None], refused: Sequence[str] = ()) -> None:
        """Addresses, with the time of their post where it matters; those of `refused` are in the ledger."""
        created = dict(links) if isinstance(links, dict) else dict.fromkeys(links)
        rows: list[dict[str, Any]] = [
            {
                "id": id_of(url),
                "url": urls.normalise(url),
                "domain": urls.registrable_domain(urls.normalise(url) or ""),
                "score": 3,
                "created_utc": None if at is None else datetime.datetime.fromtimestamp(at, datetime.UTC),
                "submissions": [],
            }
            for url, at in created.items()
        ]
        links_table = tables.sorted_by(pa.Table.from_pylist(rows, schema=schemas.LINKS), "id")
        parts = dict(tables.split(links_table, self.partitions))
        for number in range(self.partitions):
            part = parts.get(number, links_table.slice(0, 0))
            parquet.write(self.places.links, parquet.part_name(number), part)
        ledger = [
            {"id": id_of(url), "url": url, "stage": "links", "outcome": "dropped", "reason": "wikipedia", "detail": ""}
            for url in refused
        ]
        for number, part in tables.split(pa.Table.from_pylist(ledger, schema=schemas.LEDGER), self.partitions):
            parquet.write(self.places.links, f"_ledger/{parquet.part_name(number)}", part)

    def find_pages(
        self, archives: Sequence[Path], max_bytes: int = MEGABYTE, judge: Callable[[], Refuse] = wikipedia_alone
    ) -> Results:
        """The stage's results."""
        transform = FindPages(self.places, [str(path) for path in archives], max_bytes, judge)
        with beam.Pipeline(runner=FnApiRunner()) as pipeline:
            _ = pipeline | transform | WriteResults(self.places.pages, "pages", summed_up)
        return results.read(self.places.pages, "pages")

    def index(self) -> list[dict[str, Any]]:
        """All rows of the page index, in the order of the partitions."""
        parts = [
            parquet.read(storage.join(self.places.pages, "index", parquet.part_name(number)))
            for number in range(self.partitions)
        ]
        return [row for part in parts for row in part.to_pylist()]

    def page(self, url: str) -> dict[str, Any]:
        """The row of one link."""
        (row,) = (row for row in self.index() if row["id"] == id_of(url))
        return row

    def end(self, url: str) -> tuple[str, str]:
        """Outcome and reason of one link."""
        row = self.page(url)
        return row["outcome"], row["reason"]


@pytest.fixture
def run(tmp_path: Path) -> FetchRun:
    return FetchRun(tmp_path / "run")


def index_files(found: Results) -> dict[str, str]:
    """Names and sha256 of the index files."""
    files = (FileRecord(**file) if isinstance(file, dict) else file for file in found.files)
    return {file.path: file.sha256 for file in files if file.path.startswith("index/")}
