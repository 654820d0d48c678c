"""Common Crawl's columnar index, or an extract of it: Parquet files, read once for all links that are looked for.

The index of one crawl has some 3 billion rows in 300 files. Rows are compared where they lie, by a key that Arrow makes
of the address; only those that match come to Python, which settles it by the link's id.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import fsspec.core
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from pipeline import tables, urls
from pipeline.fetch.captures import rows_of
from pipeline.fetch.fallbacks.held import Held
from pipeline.fetch.fallbacks.surt import HostKeys
from webtext import storage
from webtext.errors import UserError

_NEEDED = ("url", "fetch_time", "fetch_status", "warc_filename", "warc_record_offset", "warc_record_length")
_SORTED_BY = "url_surtkey"
_OF_USE = ("content_mime_type", "content_mime_detected", "content_truncated", "content_digest")

_BEGINNINGS = ("http://", "https://", "http://www.", "https://www.")

HITS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("date", pa.int64(), nullable=False),
        pa.field("status", pa.int64()),
        pa.field("content_type", pa.string(), nullable=False),
        pa.field("truncated", pa.string(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),
        pa.field("offset", pa.int64(), nullable=False),
        pa.field("length", pa.int64(), nullable=False),
    ]
)
"""A link's id and the fields of Held as columns."""


class Hits:
    """Captures by link."""

    def __init__(self, table: pa.Table) -> None:
        self._table = tables.sorted_by(table, "id").combine_chunks()
        self._ids = np.array(self._table["id"].to_pylist(), "S32")

    @classmethod
    def none(cls) -> Self:
        """No captures of anything."""
        return cls(HITS.empty_table())

    def of(self, link_id: str) -> list[Held]:
        """The captures of one address."""
        first, end = (int(np.searchsorted(self._ids, link_id.encode(), side)) for side in ("left", "right"))
        return [Held(*row[1:]) for row in rows_of(self._table.slice(first, end - first))]


def find(files: Sequence[str], addresses: Sequence[str]) -> Hits:
    """The captures of some addresses (normalised) that index files tell of.

    Raises UserError for a file that is no such index.
    """
    keys = pa.array({key for address in addresses for key in _keys(address)}, pa.binary())
    ids = {urls.link_id(address) for address in addresses}
    hosts = HostKeys(addresses)
    return Hits(pa.concat_tables([HITS.empty_table(), *(_found(file, keys, ids, hosts) for file in files)]))


def _found(file: str, keys: pa.Array, ids: set[str], hosts: HostKeys) -> pa.Table:
    filesystem, location = fsspec.core.url_to_fs(file)
    try:
        index = ds.dataset(location, filesystem=None if storage.is_local(file) else filesystem, format="parquet")
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"cannot read {file} (fetch.commoncrawl_index): {error}") from None
    missing = [name for name in _NEEDED if name not in index.schema.names]
    if missing:
        raise UserError(
            f"{file} (fetch.commoncrawl_index) has no column {missing[0]!r}; give files of Common Crawl's columnar "
            "index, or of a query that keeps its columns' names."
        )
    optional = [name for name in _OF_USE if name in index.schema.names]
    (fragment,) = index.get_fragments()
    groups = [group.id for group in fragment.row_groups if _may_hold(group.statistics, hosts)]
    if not groups:
        return HITS.empty_table()
    rows = fragment.subset(row_group_ids=groups).to_table(
        columns=[*_NEEDED, *optional], filter=_key(pc.field("url")).isin(keys)
    )
    return _hits(rows, ids)


def _may_hold(statistics: Mapping[str, Mapping[str, Any]] | None, hosts: HostKeys) -> bool:
    """Whether a group of rows may have addresses of the hosts: the index is sorted by reversed names."""
    keys = (statistics or {}).get(_SORTED_BY)
    return keys is None or hosts.any_between(keys["min"], keys["max"])


def _key(url: pc.Expression) -> pc.Expression:
    """An address without its scheme and `www.`, in bytes.

    In terms of Arrow, which evaluates every use of an expression anew: none is used twice.
    """
    content = url.cast(pa.binary())
    key = content
    for beginning in _BEGINNINGS:
        rest = pc.binary_slice(content, len(beginning), urls.MAX_LENGTH)
        key = pc.if_else(pc.starts_with(url, beginning), rest, key)
    return key


def _keys(address: str) -> set[bytes]:
    """The keys that a link may have there: with and without a slash behind its path."""
    path, mark, query = urls.link_key(address).partition("?")
    path = path.removesuffix("/")
    return {f"{path}{slash}{mark}{query}".encode() for slash in ("", "/")}


def _hits(rows: pa.Table, ids: set[str]) -> pa.Table:
    normal = [urls.normalise(url) or "" for url in rows["url"].to_pylist()]
    link_ids = pa.array((urls.link_id(url) for url in normal), pa.string())
    names = set(rows.column_names)

    def text(*columns: str) -> pa.ChunkedArray | pa.Array:
        found = [rows[name].cast(pa.string()) for name in columns if name in names]
        return pc.coalesce(*found, pa.array([""] * len(rows), pa.string()))

    times = pc.cast(rows["fetch_time"], pa.timestamp("s", rows["fetch_time"].type.tz), safe=False)
    columns = [
        link_ids,
        rows["url"],
        times.cast(pa.int64()),
        rows["fetch_status"].cast(pa.int64()),
        text("content_mime_type", "content_mime_detected"),
        text("content_truncated"),
        text("content_digest"),
        rows["warc_filename"],
        rows["warc_record_offset"].cast(pa.int64()),
        rows["warc_record_length"].cast(pa.int64()),
    ]
    hits = pa.table(columns, names=HITS.names)
    return hits.filter(pc.is_in(hits["id"], pa.array(ids, pa.string()))).cast(HITS)
