"""HTTP bodies as they were before the server packed them: chunks joined, compression undone, never more than a bound.

A body that breaks off or lies about its packing still gives what can be had of it, with a flaw that says what is wrong.
"""

import io
import re
import zlib
from collections.abc import Callable
from typing import NamedTuple

import brotli
import zstandard

from pipeline.ledger import Ending, Reason, dropped, failed

GZIP_MAGIC = b"\x1f\x8b\x08"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"

MAX_CODINGS = 5
"""Codings upon codings that are undone: servers send one, misconfigured chains of proxies two or three."""

MAX_ZSTD_WINDOW = 1 << 23
"""Bytes of window that a zstd body may ask for (RFC 9659: 8 MB)."""

_GZIP_OR_ZLIB_WINDOW = 47
_RAW_DEFLATE_WINDOW = -15
_SLOW_STEP = 1024
_STEP = 1 << 16

_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]{0,1024})?\r?\n")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NO_CODING = frozenset({"", "identity", "none", "binary", "utf-8", "utf8"})


class Unpacked(NamedTuple):
    """A body with one or all layers of packing undone. `flaw` says what was wrong with it, empty when nothing was."""

    body: bytes
    flaw: str = ""


_Decoder = Callable[[bytes, int], Unpacked]


def undo_chunked(body: bytes) -> Unpacked:
    """Join the chunks of a body that was sent with `Transfer-Encoding: chunked` (RFC 9112, section 7.1).

    Many archives keep the header and store the body joined: a body that does not begin with a chunk size is returned
    as it is. A body that breaks off, or goes astray behind its first chunk, gives the chunks until there.
    """
    match = _CHUNK_SIZE.match(body)
    if match is None:
        return Unpacked(body)
    parts: list[bytes] = []
    while match is not None:
        size = int(match[1], 16)
        if size == 0:
            return Unpacked(b"".join(parts))
        start = match.end()
        parts.append(body[start : start + size])
        end = start + size
        if body[end : end + 2] in {b"", b"\r"}:
            return Unpacked(b"".join(parts), "chunked body breaks off")
        if body.startswith(b"\r\n", end):
            end += 2
        elif body.startswith(b"\n", end):
            end += 1
        elif len(parts) == 1:
            # A text that happens to begin with a hexadecimal number on a line of its own.
            return Unpacked(body, "not chunked, though its header says so")
        match = _CHUNK_SIZE.match(body, end)
    return Unpacked(b"".join(parts), "chunked body breaks off" if end == len(body) else "chunked body goes astray")


def undo_content_codings(body: bytes, content_encoding: str, max_bytes: int) -> Unpacked | Ending:
    """Undo what the `Content-Encoding` header names: gzip, deflate (zlib or raw), br, zstd, and several of them.

    No layer ever inflates beyond `max_bytes`: a body that would is an Ending with TOO_LARGE. A body that lies about its
    coding but shows markup is returned as it is; one of which nothing can be read is an Ending with BROKEN_RECORD.
    """
    codings = [coding.strip().lower() for coding in content_encoding.split(",")]
    codings = [coding for coding in codings if coding not in _NO_CODING]
    if len(codings) > MAX_CODINGS:
        return failed(Reason.BROKEN_RECORD, f"{len(codings)} content codings")
    flaws: list[str] = []
    for coding in reversed(codings):
        unpacked = _undo_one(body, coding, max_bytes)
        if len(unpacked.body) > max_bytes:
            return dropped(Reason.TOO_LARGE, f"more than {max_bytes} bytes when inflated")
        if unpacked.flaw:
            flaws.append(unpacked.flaw)
            if _shows_markup(body):
                continue
            if not unpacked.body:
                return failed(Reason.BROKEN_RECORD, unpacked.flaw)
        body = unpacked.body
    if len(body) > max_bytes:
        return dropped(Reason.TOO_LARGE, f"more than {max_bytes} bytes")
    return Unpacked(body, "; ".join(flaws))


def _undo_one(body: bytes, coding: str, max_bytes: int) -> Unpacked:
    if not body:
        return Unpacked(body)
    decoder = _decoder_of(body, coding)
    if decoder is None:
        return Unpacked(b"", f"not in the content coding {coding[:40]!r}, or one that is not known")
    unpacked = decoder(body, max_bytes)
    return Unpacked(unpacked.body, unpacked.flaw and f"{coding}: {unpacked.flaw}")


def _decoder_of(body: bytes, coding: str) -> _Decoder | None:
    if coding in {"gzip", "x-gzip"}:
        return inflate if body.startswith(GZIP_MAGIC) else None
    if coding == "deflate":
        return _inflate_zlib_or_raw
    if coding == "br":
        return _unbrotli
    if coding == "zstd":
        return unzstd if body.startswith(ZSTD_MAGIC) else None
    return None


def _shows_markup(body: bytes) -> bool:
    """Whether a body is text with markup as it lies: compressed bytes have control characters within a few hundred."""
    beginning = body[:512]
    return b"<" in beginning and (_CONTROL.search(beginning) is None or beginning.startswith(_UTF16_MARKS))


def inflate(body: bytes, max_bytes: int) -> Unpacked:
    """Inflate gzip (all members) or zlib data to at most `max_bytes + 1` bytes: that many mean that it is too large."""
    return _inflate(body, _GZIP_OR_ZLIB_WINDOW, max_bytes)


def _inflate_zlib_or_raw(body: bytes, max_bytes: int) -> Unpacked:
    # The standard says zlib; some servers send the raw stream, which browsers accept too.
    if body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0:
        unpacked = _inflate(body, _GZIP_OR_ZLIB_WINDOW, max_bytes)
        if unpacked.body:
            return unpacked
    return _inflate(body, _RAW_DEFLATE_WINDOW, max_bytes)


def _inflate(body: bytes, window: int, max_bytes: int) -> Unpacked:
    parts: list[bytes] = []
    room = max_bytes + 1
    rest = body
    while rest and room > 0:
        inflater = zlib.decompressobj(window)
        try:
            part = inflater.decompress(rest, room)
        except zlib.error as error:
            part = _inflate_until_broken(rest, window, room)
            return Unpacked(b"".join([*parts, part]), _words(error))
        parts.append(part)
        room -= len(part)
        if not inflater.eof:
            return Unpacked(b"".join(parts), "breaks off" if room > 0 else "")
        rest = inflater.unused_data
        if not rest.startswith(GZIP_MAGIC):
            break
    return Unpacked(b"".join(parts))


def _inflate_until_broken(body: bytes, window: int, room: int) -> bytes:
    """What comes before the broken place. zlib's error takes with it all that the failing call had inflated."""
    inflater = zlib.decompressobj(window)
    parts: list[bytes] = []
    step, start = _SLOW_STEP, 0
    while start < len(body) and room > 0 and not inflater.eof:
        before = inflater.copy()
        try:
            part = inflater.decompress(inflater.unconsumed_tail + body[start : start + step], room)
        except zlib.error:
            if step == 1:
                break
            # Once more, byte by byte up to the one that is wrong.
            inflater, step = before, 1
            continue
        start += step
        parts.append(part)
        room -= len(part)
    return b"".join(parts)


def _unbrotli(body: bytes, max_bytes: int) -> Unpacked:
    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    rest = body
    try:
        while size <= max_bytes and not decoder.is_finished():
            part = decoder.process(rest, output_buffer_limit=_STEP)
            rest = b""
            if not part and decoder.can_accept_more_data():
                return Unpacked(b"".join(parts), "breaks off")
            parts.append(part)
            size += len(part)
    except brotli.error as error:
        return Unpacked(b"".join(parts), _words(error))
    return Unpacked(b"".join(parts))


def unzstd(body: bytes, max_bytes: int) -> Unpacked:
    """Decompress zstd frames, at most about `max_bytes + 1` bytes: a longer result means that it is too large."""
    parts: list[bytes] = []
    size = 0
    decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_ZSTD_WINDOW)
    try:
        with decompressor.stream_reader(io.BytesIO(body), read_across_frames=True) as reader:
            while size <= max_bytes and (part := reader.read(_STEP)):
                parts.append(part)
                size += len(part)
    except zstandard.ZstdError as error:
        return Unpacked(b"".join(parts), _words(error))
    return Unpacked(b"".join(parts))


def _words(error: Exception) -> str:
    """The last words of a decoder's error, without codes and addresses."""
    return str(error).rpartition(": ")[2][:80] or type(error).__name__
