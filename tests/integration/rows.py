"""What a run says, as plain rows."""

from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from pipeline import urls

Row = dict[str, Any]


def rows_by_id(folder: Path) -> dict[str, Row]:
    """The rows of a folder's Parquet files; an id that stands twice fails the test."""
    files = sorted(folder.glob("*.parquet"))
    assert files, f"{folder} holds no rows"
    table = ds.dataset([str(path) for path in files]).to_table()
    found = {str(row["id"]): row for row in table.to_pylist()}
    assert len(found) == table.num_rows
    return found


def id_of(url: str) -> str:
    """The id of the link with this address."""
    normal = urls.normalise(url)
    assert normal is not None, url
    return urls.link_id(normal)
