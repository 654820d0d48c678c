"""What a run says, as plain rows."""

from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from pipeline import urls

Row = dict[str, Any]


def rows(folder: Path) -> list[Row]:
    """All rows of a folder's Parquet files."""
    files = sorted(folder.glob("*.parquet"))
    assert files, f"{folder} holds no rows"
    found: list[Row] = ds.dataset([str(path) for path in files]).to_table().to_pylist()
    return found


def rows_by_id(folder: Path) -> dict[str, Row]:
    """The rows of a folder's Parquet files; an id that stands twice fails the test."""
    all_rows = rows(folder)
    found = {str(row["id"]): row for row in all_rows}
    assert len(found) == len(all_rows)
    return found


def id_of(url: str) -> str:
    """The id of the link with this address."""
    normal = urls.normalise(url)
    assert normal is not None, url
    return urls.link_id(normal)
