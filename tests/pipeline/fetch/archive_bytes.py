"""Archives made for tests, byte by byte, so that every part of them can be wrong."""

import dataclasses
import gzip
import io
from collections.abc import Sequence

from pipeline import urls
from pipeline.fetch.captures import Capture, Damage
from pipeline.fetch.scan import scan

MEGABYTE = 1 << 20


def http(
    body: bytes = b"<p>hello</p>", status: str = "200 OK", headers: Sequence[str] = ("Content-Type: text/html",)
) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]).encode() + body


def warc(
    block: bytes,
    url: str = "http://example.org/",
    date: str = "2010-01-01T00:00:00Z",
    kind: str = "response",
    headers: Sequence[str] = (),
    length: int | str | None = None,
) -> bytes:
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Target-URI: {url}",
        f"WARC-Date: {date}",
        "Content-Type: application/http; msgtype=response",
        f"Content-Length: {len(block) if length is None else length}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + block + b"\r\n\r\n"


def arc(block: bytes, url: str = "http://example.org/", date: str = "20100101000000") -> bytes:
    return f"{url} 127.0.0.1 {date} text/html {len(block)}\n".encode() + block + b"\n"


def members(*records: bytes) -> bytes:
    return b"".join(gzip.compress(record, mtime=0) for record in records)


@dataclasses.dataclass
class Scanned:
    captures: list[Capture]
    damages: list[Damage]


def scanned(archive: bytes, wanted: bool = True, max_bytes: int = MEGABYTE) -> Scanned:
    found = list(scan(io.BytesIO(archive), "a.warc", lambda link_id: wanted, max_bytes))
    return Scanned(
        [each for each in found if isinstance(each, Capture)], [each for each in found if isinstance(each, Damage)]
    )


def id_of(url: str) -> str:
    normal = urls.normalise(url)
    assert normal is not None
    return urls.link_id(normal)
