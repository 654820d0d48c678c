"""Lines of dumps: every codec, every way of breaking, bounded memory."""

import bz2
import functools
import gzip
import io
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import fsspec
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.harvest.dumps import BrokenLine, Fault, lines, lines_of

LINES = [b'{"id":"%d","noise":"%d"}' % (number, number * 7919 % 104729) for number in range(20_000)]
TEXT = b"\n".join(LINES) + b"\n"
TOO_LONG = BrokenLine(Fault.LINE_TOO_LONG)


def _zstd(data: bytes) -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=31, enable_ldm=True)
    return zstandard.ZstdCompressor(compression_params=parameters).compress(data)


def _zstd_stream(data: bytes) -> bytes:
    """As a pipe writes it: without the content's size in the header."""
    compressor = zstandard.ZstdCompressor().compressobj()
    return compressor.compress(data) + compressor.flush()


CODECS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": _zstd,
    "zstd_stream": _zstd_stream,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
    "gzip": gzip.compress,
}
every_codec = pytest.mark.parametrize("compress", CODECS.values(), ids=CODECS)


def _read(data: bytes, max_line_bytes: int = 1 << 20) -> list[bytes | BrokenLine]:
    return list(lines_of(io.BytesIO(data), max_line_bytes))


@every_codec
def test_codec_is_told_by_content_not_by_name(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / "RS_2011-01.txt"
    path.write_bytes(compress(TEXT))
    assert list(lines(str(path))) == LINES


def test_plain_text_named_zst(tmp_path: Path) -> None:
    path = tmp_path / "RS_2011-01.zst"
    path.write_bytes(TEXT)
    assert list(lines(str(path))) == LINES


@every_codec
def test_streams_one_after_the_other(compress: Callable[[bytes], bytes]) -> None:
    half = len(LINES) // 2
    first, second = b"\n".join(LINES[:half]) + b"\n", b"\n".join(LINES[half:])
    assert _read(compress(first) + compress(b"") + compress(second)) == LINES


def test_what_may_lie_between_streams() -> None:
    assert _read(gzip.compress(TEXT) + bytes(5000)) == LINES
    assert _read(lzma.compress(TEXT) + bytes(8) + lzma.compress(b"{}")) == [*LINES, b"{}"]
    skippable = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"abcd"
    assert _read(skippable + _zstd(TEXT) + skippable) == LINES


@every_codec
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_lines_before_a_break_are_used_and_the_break_is_told(compress: Callable[[bytes], bytes], kept: float) -> None:
    # Codecs work in blocks: only whole blocks before the break can be had. Several streams make several blocks.
    size = len(LINES) // 4
    streams = [compress(b"\n".join(LINES[at : at + size]) + b"\n") for at in range(0, len(LINES), size)]
    end = int(sum(map(len, streams)) * kept)
    *before, broken = _read(b"".join(streams)[:end])
    assert isinstance(broken, BrokenLine)
    assert broken.fault is Fault.TRUNCATED
    assert "end before their end" in broken.detail
    assert before == LINES[: len(before)]
    assert len(before) >= size * sum(end >= sum(map(len, streams[: count + 1])) for count in range(4))


@every_codec
def test_damage_in_the_middle(compress: Callable[[bytes], bytes]) -> None:
    good = compress(TEXT)
    *before, broken = _read(good + b"\xde\xad\xbe\xef" * 100)
    assert before == LINES
    assert isinstance(broken, BrokenLine)
    assert broken.fault is Fault.TRUNCATED
    assert "damaged" in broken.detail


@every_codec
def test_cut_anywhere_never_raises_and_is_always_told(compress: Callable[[bytes], bytes]) -> None:
    data = compress(b"\n".join(LINES[:50]))
    for end in range(6, len(data)):
        found = _read(data[:end])
        assert isinstance(found[-1], BrokenLine), end
        assert found[-1].fault is Fault.TRUNCATED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", []),
        (b"\n\n \t\r\n", []),
        (b"a\r\nb\r\n", [b"a\r", b"b\r"]),
        (b"a\nb", [b"a", b"b"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb", [b"a", b"\xef\xbb\xbfb"]),
        (b"\xef\xbb\xbf", []),
        (b"\x00\x01\xff\n", [b"\x00\x01\xff"]),
        (b"12345\n123456\n1", [b"12345", TOO_LONG, b"1"]),
        (b"123456\n123456", [TOO_LONG, TOO_LONG]),
        (b"     \n", []),
    ],
)
def test_lines_of_plain_text(text: bytes, expected: list[bytes | BrokenLine]) -> None:
    assert _read(text, max_line_bytes=5) == expected


@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line)), st.integers(1, 20))
def test_lines_are_those_of_split_whatever_the_chunks(texts: list[bytes], chunk: int) -> None:
    data = b"{" + b"\n".join(texts)  # no codec's first bytes

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or chunk, chunk))

    expected = [
        TOO_LONG if len(line) > 20 else line
        for line in data.split(b"\n")
        if line and (len(line) > 20 or not line.isspace())
    ]
    assert list(lines_of(Slow(data), 20)) == expected


class _Endless(io.RawIOBase):
    """`size` bytes of one line, without ever holding them."""

    def __init__(self, size: int) -> None:
        self._left = size

    def read(self, size: int = -1) -> bytes:
        taken = min(self._left, size)
        self._left -= taken
        return b"a" * taken


def _peak(work: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_line_without_end_is_not_held() -> None:
    found: list[bytes | BrokenLine] = []
    peak = _peak(lambda: found.extend(lines_of(_Endless(400 << 20), 8 << 20)))  # type: ignore[arg-type]
    assert found == [TOO_LONG]
    assert peak < 64 << 20


@pytest.mark.parametrize(
    "compress",
    [_zstd, functools.partial(lzma.compress, preset=0), functools.partial(gzip.compress, compresslevel=1)],
    ids=["zstd", "xz", "gzip"],
)
def test_a_bomb_is_not_held(compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(bytes(256 << 20))
    found: list[bytes | BrokenLine] = []
    peak = _peak(lambda: found.extend(_read(bomb, 1 << 20)))
    assert found == [TOO_LONG]
    assert peak < 100 << 20


def test_any_file_system() -> None:
    with fsspec.open("memory://dumps/RS_2011-01.zst", "wb") as file:
        file.write(_zstd(TEXT))
    assert list(lines("memory://dumps/RS_2011-01.zst")) == LINES


def test_missing_file_is_loud(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(lines(str(tmp_path / "absent.zst")))


def test_real_dumps(shared_data: Path) -> None:
    assert len(list(lines(str(shared_data / "reddit/pushshift_rs_2005/RS_v2_2005-06.xz")))) == 103
    total = sum(
        not isinstance(line, BrokenLine)
        for path in sorted((shared_data / "world" / "submissions").glob("RS_*.zst"))
        for line in lines(str(path))
    )
    assert total == 58_477
