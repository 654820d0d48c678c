"""Runs with a corpus, made on the spot."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Write = Callable[..., Path]


@pytest.fixture
def write_corpus() -> Write:
    """Write Parquet files of a corpus below a run: name -> rows of (id, text)."""

    def write(run: Path, rows_per_group: int = 4, **files: Sequence[tuple[str | int, str]]) -> Path:
        folder = run / "corpus" / "data"
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in files.items():
            table = pa.table({"id": [row[0] for row in rows], "text": pa.array([row[1] for row in rows], pa.string())})
            pq.write_table(table, folder / f"{name.replace('_', '-')}.parquet", row_group_size=rows_per_group)
        return run

    return write


@pytest.fixture
def documents() -> list[tuple[str, str]]:
    """Sixty documents, ids ascending."""
    words = ["the", "of", "and", "to", "in", "that", "it", "was", "for", "on", "are", "as", "with", "his", "they", "at"]
    return [(f"{number:08x}", " ".join(words[number % 7 : 5 + number % 19]) + f" {number}.\n") for number in range(60)]
