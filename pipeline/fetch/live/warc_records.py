"""Exchanges as WARC 1.1 records (ISO 28500), each a gzip member of its own.

Written by hand and not by warcio, which reads a head and writes it anew: what a server sent stays as it was sent. That
warcio, pywb and our own reader read the result is tested.
"""

import datetime
import functools
import hashlib
import importlib
import importlib.util
import os
import struct
from collections.abc import Iterable
from typing import Any

from pipeline.fetch.live.transfer import Exchange

COMPRESSION = 1
"""zlib's level: most pages come packed and stay as they are; others shrink enough, in a third of level 6's time."""

_TYPE = "Content-Type: application/http; msgtype="
_GZIP = 31
_STORED_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_STORED_MOST = 0xFFFF
_PACKED = frozenset({"gzip", "x-gzip", "br", "zstd", "deflate", "compress"})


def exchange_records(exchange: Exchange, sha256: str = "") -> tuple[bytes, bytes]:
    """The answer, and the request that names it. sha256: of what is behind the answer's head, where that is known."""
    about, (name, own) = _about(exchange), _new_ids(2)
    request = f"WARC-Type: request\r\nWARC-Record-ID: {own}\r\nWARC-Concurrent-To: {name}\r\n{about}{_TYPE}request\r\n"
    return _response(name, about, exchange, sha256), _member(request, exchange.request, packed=True)


def copied_record(exchange: Exchange, source: str) -> bytes:
    """The answer alone, as an archive has it at the address `source`."""
    (name,) = _new_ids(1)
    return _response(name, f"{_about(exchange)}WARC-Source-URI: {source}\r\n", exchange)


def _about(exchange: Exchange) -> str:
    about = f"WARC-Target-URI: {exchange.url}\r\nWARC-Date: {_date(exchange.at)}\r\n"
    return f"{about}WARC-IP-Address: {exchange.address}\r\n" if exchange.address else about


def _response(name: str, about: str, exchange: Exchange, sha256: str = "") -> bytes:
    head = exchange.head
    response = f"WARC-Type: response\r\nWARC-Record-ID: {name}\r\n{about}{_TYPE}response\r\n"
    if head.complete:
        # With the index's own algorithm, so that most pages are gone through once.
        sha256 = sha256 or hashlib.sha256(memoryview(exchange.response)[head.size :]).hexdigest()
        response += f"WARC-Payload-Digest: sha256:{sha256}\r\n"
    if exchange.truncated:
        response += f"WARC-Truncated: {exchange.truncated}\r\n"
    packed = head.headers.get("content-encoding", "").lower() in _PACKED
    return _member(response, exchange.response, packed=packed)


def info_record(name: str, at: int, facts: Iterable[tuple[str, str]]) -> bytes:
    """What a file begins with: who wrote it, and how it was fetched."""
    block = "".join(f"{field}: {value}\r\n" for field, value in facts).encode()
    (own,) = _new_ids(1)
    return _member(
        f"WARC-Type: warcinfo\r\nWARC-Record-ID: {own}\r\nWARC-Date: {_date(at)}\r\nWARC-Filename: {name}\r\n"
        "Content-Type: application/warc-fields\r\n",
        block,
    )


def _new_ids(count: int) -> list[str]:
    """Random identifiers (RFC 9562, version 4), from the system at one go, and without the detour over objects."""
    return [
        f"<urn:uuid:{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}>"
        for digits in os.urandom(16 * count).hex(" ", 16).split()
    ]


@functools.lru_cache(maxsize=16)
def _date(at: int) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _member(lines: str, block: bytes, *, packed: bool = False) -> bytes:
    """A record as a gzip member. packed: the block will not shrink, or is not worth it, so nothing is tried."""
    head = f"WARC/1.1\r\n{lines}Content-Length: {len(block)}\r\n\r\n".encode("utf-8", "replace")
    record = b"".join((head, block, b"\r\n\r\n"))
    if packed:
        return stored(record)
    member: bytes = _packing().compress(record, COMPRESSION, _GZIP)
    return member


@functools.cache
def _packing() -> Any:
    """zlib, or isal's, which writes the same format in a fifth of the time, where it is installed."""
    return importlib.import_module("isal.isal_zlib" if importlib.util.find_spec("isal") else "zlib")


def stored(content: bytes) -> bytes:
    """A gzip member (RFC 1952) that holds bytes as they are, in stored blocks (RFC 1951, section 3.2.4).

    zlib does the same at level 0, but takes as long to make ready for it as to pack a page.
    """
    parts = [_STORED_HEAD]
    for start in range(0, len(content) or 1, _STORED_MOST):
        block = content[start : start + _STORED_MOST]
        last = start + _STORED_MOST >= len(content)
        parts += [struct.pack("<BHH", last, len(block), len(block) ^ 0xFFFF), block]
    parts.append(struct.pack("<II", _packing().crc32(content), len(content) & 0xFFFFFFFF))
    return b"".join(parts)
