"""The lines of a dump, whatever it is compressed with, without ever holding more than one line and a few megabytes.

The codec is told by the first bytes, not by the name: dumps get renamed. Pushshift's and Arctic Shift's monthly files
are zstd with a window of 2^31 bytes, which decoders refuse unless they are told so.
"""

import bz2
import enum
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple, Protocol

import zstandard

from webtext import storage

ZSTD_WINDOW_BYTES = 1 << 31
XZ_MEMORY_BYTES = 1 << 30
READ_BYTES = 1 << 20
# What one call may decode to is this times the codec's greatest ratio: zstd's is 32,768, so at most 32 MiB.
DECODE_BYTES = 1024
MAX_LINE_BYTES = 32 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_PADDING = b"\x00"


class Fault(enum.StrEnum):
    """What can be wrong with a line before it is looked at."""

    LINE_TOO_LONG = "line_too_long"
    TRUNCATED = "truncated"
    """The file ends, or turns to garbage, in the middle of its compressed data: what came before is good."""


class BrokenLine(NamedTuple):
    """Stands in the place of a line that could not be read; `detail` says what the decoder said."""

    fault: Fault
    detail: str = ""


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


class _Codec(NamedTuple):
    name: str
    magic: tuple[bytes, ...]
    new: Callable[[], _Decoder]


class _BrokenStreamError(Exception):
    """The compressed data end before their end, or are not what they say."""


def _new_zstd() -> _Decoder:
    return zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_BYTES).decompressobj()


def _new_xz() -> _Decoder:
    return lzma.LZMADecompressor(memlimit=XZ_MEMORY_BYTES)


def _new_gzip() -> _Decoder:
    return zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)


_SKIPPABLE_FRAMES = tuple(bytes([0x50 + number, 0x2A, 0x4D, 0x18]) for number in range(16))
_CODECS = (
    _Codec("zstd", (b"\x28\xb5\x2f\xfd", *_SKIPPABLE_FRAMES), _new_zstd),
    _Codec("xz", (b"\xfd7zXZ\x00",), _new_xz),
    _Codec("bzip2", (b"BZh",), bz2.BZ2Decompressor),
    _Codec("gzip", (b"\x1f\x8b",), _new_gzip),
)
# What the four decoders raise for data that are not theirs.
_DECODER_ERRORS = (zstandard.ZstdError, lzma.LZMAError, zlib.error, OSError, ValueError, EOFError)


def codec(begin: bytes) -> str:
    """What a file that begins like this is packed with; empty for plain text."""
    return next((each.name for each in _CODECS if begin.startswith(each.magic)), "")


def lines(path: str, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[bytes | BrokenLine]:
    """The lines of a file on any file system that fsspec reads, without line feeds; lines of white space are left out.

    A line longer than max_line_bytes comes as a BrokenLine and is not held. When compressed data break off or are
    damaged, the lines before the break come, then one BrokenLine for the rest of the file.
    Raises OSError when the file itself cannot be read, UserError when it is remote.
    """
    with storage.opened(path) as file:
        yield from lines_of(file, max_line_bytes)


def lines_of(file: BinaryIO, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[bytes | BrokenLine]:
    """`lines` for an open file."""
    head: list[bytes] = []  # the beginning of a line whose end has not come yet
    head_bytes = 0
    too_long = False
    first = True
    try:
        for chunk in _decoded(file):
            if first:
                chunk, first = chunk.removeprefix(_BYTE_ORDER_MARK), False
            *ended, rest = chunk.split(b"\n")
            if ended:
                ended[0] = b"".join((*head, ended[0]))
                head, head_bytes = [], 0
            for line in ended:
                if too_long or len(line) > max_line_bytes:
                    yield BrokenLine(Fault.LINE_TOO_LONG)
                    too_long = False
                elif line and not line.isspace():
                    yield line
            head_bytes += len(rest)
            if head_bytes > max_line_bytes:
                head, too_long = [], True
            elif rest:
                head.append(rest)
    except _BrokenStreamError as error:
        yield BrokenLine(Fault.TRUNCATED, str(error))
        return
    last = b"".join(head)
    if too_long:
        yield BrokenLine(Fault.LINE_TOO_LONG)
    elif last and not last.isspace():
        yield last


def _decoded(file: BinaryIO) -> Iterator[bytes]:
    begin = file.read(READ_BYTES)
    for codec in _CODECS:
        if begin.startswith(codec.magic):
            yield from _decompressed(codec, begin, file)
            return
    while begin:
        yield begin
        begin = file.read(READ_BYTES)


def _decompressed(codec: _Codec, begin: bytes, file: BinaryIO) -> Iterator[bytes]:
    """All streams of a file one after the other: parallel compressors and `cat` write many."""
    decoder: _Decoder | None = None
    while begin:
        for at in range(0, len(begin), DECODE_BYTES):
            piece = begin[at : at + DECODE_BYTES]
            while piece:
                if decoder is None:
                    piece = piece.lstrip(_PADDING)
                    if not piece:
                        break
                    decoder = codec.new()
                try:
                    decoded = decoder.decompress(piece)
                except _DECODER_ERRORS as error:
                    raise _BrokenStreamError(f"{codec.name} data are damaged: {error}") from error
                if decoded:
                    yield decoded
                piece = b""
                if decoder.eof:
                    piece, decoder = decoder.unused_data, None
        begin = file.read(READ_BYTES)
    if decoder is not None:
        raise _BrokenStreamError(f"{codec.name} data end before their end")
