"""How much a run will be, as far as its inputs tell: links, and bytes on the disk."""

from typing import NamedTuple

LINE_BYTES = 60
"""About what an address takes in a list of them."""
DUMP_BYTES_A_LINK = 6_000
"""OpenWebText's 23 million links came from about 140 GB of packed dumps."""
ARCHIVE_BYTES_A_PAGE = 25_000
"""About what a packed page takes in an archive."""
LIVE_BYTES_A_LINK = 35_000
"""About what a link leaves behind when it is fetched: today a page has 50 kB packed, and a third of links is dead."""
INDEX_BYTES_A_LINK = 500
"""About what a link takes in links/, pages/index and the ledger."""
DOCUMENT_BYTES = 6_500
"""About what a document takes in documents/ and in the release: 5 kB of text as WebText's have, packed, and twice a
signature of 128 values."""


class Work(NamedTuple):
    """What there will be."""

    links: int
    pages: int
    """Those that may have one."""
    bytes: int
    """That a run writes."""


def estimate(*, dump_bytes: int, list_bytes: int, archive_bytes: int, live: bool) -> Work:
    """About what comes of inputs of so many bytes. live: whether links are fetched that no archive holds."""
    links = dump_bytes // DUMP_BYTES_A_LINK + list_bytes // LINE_BYTES
    archived = min(links, archive_bytes // ARCHIVE_BYTES_A_PAGE)
    fetched = links - archived if live else 0
    pages = archived + fetched
    written = links * INDEX_BYTES_A_LINK + pages * DOCUMENT_BYTES + fetched * LIVE_BYTES_A_LINK
    return Work(links, pages, written)
