"""Exchanges as WARC 1.1 records (ISO 28500), each a gzip member of its own.

Written by hand and not by warcio, which reads a head and writes it anew: what a server sent stays as it was sent. That
warcio, pywb and our own reader read the result is tested.
"""

import base64
import datetime
import hashlib
import uuid
import zlib
from collections.abc import Iterable

from pipeline.fetch.live.transfer import Exchange

COMPRESSION = 1
"""zlib's level: most pages come packed and only their heads shrink; others shrink enough in a third of the time."""

_GZIP = 31


def exchange_records(exchange: Exchange) -> tuple[bytes, bytes]:
    """The answer, and the request that names it."""
    name = _new_id()
    response = _fields("response", name, exchange, exchange.response)
    if exchange.head.complete:
        response.append(("WARC-Payload-Digest", _digest(exchange.response[exchange.head.size :])))
    if exchange.truncated:
        response.append(("WARC-Truncated", exchange.truncated))
    request = _fields("request", _new_id(), exchange, exchange.request)
    request.append(("WARC-Concurrent-To", name))
    return _member(response, exchange.response), _member(request, exchange.request)


def info_record(name: str, at: int, facts: Iterable[tuple[str, str]]) -> bytes:
    """What a file begins with: who wrote it, and how it was fetched."""
    block = "".join(f"{field}: {value}\r\n" for field, value in facts).encode()
    fields = [
        ("WARC-Type", "warcinfo"),
        ("WARC-Record-ID", _new_id()),
        ("WARC-Date", _date(at)),
        ("WARC-Filename", name),
        ("Content-Type", "application/warc-fields"),
    ]
    return _member(fields, block)


def _fields(kind: str, name: str, exchange: Exchange, block: bytes) -> list[tuple[str, str]]:
    fields = [
        ("WARC-Type", kind),
        ("WARC-Record-ID", name),
        ("WARC-Target-URI", exchange.url),
        ("WARC-Date", _date(exchange.at)),
        ("Content-Type", f"application/http; msgtype={kind}"),
        ("WARC-Block-Digest", _digest(block)),
    ]
    if exchange.address:
        fields.append(("WARC-IP-Address", exchange.address))
    return fields


def _new_id() -> str:
    return f"<urn:uuid:{uuid.uuid4()}>"


def _date(at: int) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _digest(block: bytes) -> str:
    # The algorithm by which archives find the same payload again; it protects nothing.
    return "sha1:" + base64.b32encode(hashlib.sha1(block, usedforsecurity=False).digest()).decode()


def _member(fields: Iterable[tuple[str, str]], block: bytes) -> bytes:
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    packer = zlib.compressobj(COMPRESSION, zlib.DEFLATED, _GZIP)
    start = f"WARC/1.1\r\n{head}Content-Length: {len(block)}\r\n\r\n".encode("utf-8", "replace")
    return packer.compress(start) + packer.compress(block) + packer.compress(b"\r\n\r\n") + packer.flush()
