"""A whole archive, read once from end to end: what it holds, and where it is damaged.

Nothing here raises for bytes: a place that cannot be read is passed over up to where the next record begins, and told.
"""

from collections.abc import Iterator
from typing import BinaryIO

from pipeline.codings import GZIP_MAGIC, ZSTD_MAGIC
from pipeline.fetch.captures import Capture, Damage
from pipeline.fetch.looking import Wanted
from pipeline.fetch.scan_gzip import scan_gzip
from pipeline.fetch.scan_plain import scan_plain
from pipeline.fetch.window import Window

_ZSTD_DICTIONARY_FRAME = b"\x2a\x4d\x18"


def scan(file: BinaryIO, name: str, wanted: Wanted, max_bytes: int) -> Iterator[Capture | Damage]:
    """All captures of an archive, and its damaged places, in the order of the file.

    file: the archive as it lies, WARC or ARC, plain or gzip with a member for each record. It must be able to seek.
    name: what captures and damages call it.
    wanted: for which link ids `payload_sha256` is measured (answers with status 200 only).
    max_bytes: most bytes of a body that is measured.
    Holds at most some 10 MB of the file, and one inflated record of at most `max_bytes` and a head.
    """
    window = Window(file, name)
    beginning = window.peek(4)
    if beginning.startswith(GZIP_MAGIC[:2]):
        yield from scan_gzip(window, wanted, max_bytes)
    elif beginning.startswith(ZSTD_MAGIC) or beginning[1:] == _ZSTD_DICTIONARY_FRAME:
        yield Damage(name, 0, window.size, "packed with zstd, which is not read: pack it with gzip, record by record")
    else:
        yield from scan_plain(window, wanted, max_bytes)
