import gzip
import time
import tracemalloc
import zlib
from pathlib import Path

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.codings import Unpacked, undo_chunked, undo_content_codings
from pipeline.ledger import Ending, Outcome, Reason

LIMIT = 1 << 20
PAGE = b"<!DOCTYPE html><p>" + bytes(range(32, 127)) * 50


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.compress,
}


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


@pytest.mark.parametrize("coding", PACKERS)
def test_every_coding_is_undone(coding: str) -> None:
    assert undo_content_codings(PACKERS[coding](PAGE), coding.upper(), LIMIT) == Unpacked(PAGE)


def test_deflate_without_its_zlib_wrapping_is_undone() -> None:
    assert undo_content_codings(raw_deflate(PAGE), "deflate", LIMIT) == Unpacked(PAGE)


def test_codings_are_undone_from_the_last_to_the_first() -> None:
    packed = gzip.compress(brotli.compress(zlib.compress(PAGE)))
    assert undo_content_codings(packed, "deflate, br,gzip", LIMIT) == Unpacked(PAGE)


def test_all_members_of_a_gzip_body_count() -> None:
    packed = gzip.compress(PAGE) + gzip.compress(b"end") + b"garbage"
    assert undo_content_codings(packed, "gzip", LIMIT) == Unpacked(PAGE + b"end")


def test_names_that_mean_nothing_are_passed_over() -> None:
    assert undo_content_codings(PAGE, "identity, UTF-8,, none", LIMIT) == Unpacked(PAGE)


@pytest.mark.parametrize("coding", [*PACKERS, "sdch"])
def test_a_page_that_is_not_packed_as_it_says_is_taken_as_it_lies(coding: str) -> None:
    result = undo_content_codings(PAGE, coding, LIMIT)
    assert isinstance(result, Unpacked)
    assert result.body == PAGE
    assert result.flaw


@pytest.mark.parametrize("coding", [*PACKERS, "sdch"])
def test_bytes_that_are_nothing_at_all_end_as_a_broken_record(coding: str) -> None:
    result = undo_content_codings(b"\x00\x01\xff" * 100, coding, LIMIT)
    assert isinstance(result, Ending)
    assert (result.outcome, result.reason) == (Outcome.FAILED, Reason.BROKEN_RECORD)
    assert result.detail


def test_a_body_that_breaks_off_gives_what_came_before() -> None:
    packed = gzip.compress(PAGE, compresslevel=0)
    result = undo_content_codings(packed[: len(packed) // 2], "gzip", LIMIT)
    assert isinstance(result, Unpacked)
    assert PAGE.startswith(result.body)
    assert len(result.body) > len(PAGE) // 3
    assert "breaks off" in result.flaw


def test_a_body_that_goes_wrong_gives_what_came_before() -> None:
    packed = bytearray(gzip.compress(PAGE * 100, compresslevel=1))
    packed[len(packed) // 2 :] = b"\xff" * (len(packed) - len(packed) // 2)
    result = undo_content_codings(bytes(packed), "gzip", LIMIT)
    assert isinstance(result, Unpacked)
    assert len(result.body) > len(PAGE)
    assert result.flaw


def test_a_wrong_checksum_loses_nothing() -> None:
    packed = gzip.compress(PAGE)
    result = undo_content_codings(packed[:-8] + b"\x00" * 8, "gzip", LIMIT)
    assert isinstance(result, Unpacked)
    assert result.body == PAGE
    assert "check" in result.flaw


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_never_expands(coding: str) -> None:
    zeros = b"\x00" * (64 << 20)
    bomb = PACKERS[coding](zeros)
    del zeros
    tracemalloc.start()
    began = time.perf_counter()
    result = undo_content_codings(bomb, coding, LIMIT)
    seconds = time.perf_counter() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(result, Ending)
    assert (result.outcome, result.reason) == (Outcome.DROPPED, Reason.TOO_LARGE)
    assert peak < 8 * LIMIT
    assert seconds < 5


def test_a_bomb_within_a_bomb_never_expands() -> None:
    bomb = gzip.compress(gzip.compress(b"\x00" * (64 << 20)))
    result = undo_content_codings(bomb, "gzip, gzip", LIMIT)
    assert isinstance(result, Ending)
    assert result.reason == Reason.TOO_LARGE


def test_the_bound_is_exact() -> None:
    for coding, pack in PACKERS.items():
        assert isinstance(undo_content_codings(pack(PAGE), coding, len(PAGE)), Unpacked)
        assert isinstance(undo_content_codings(pack(PAGE), coding, len(PAGE) - 1), Ending)
    assert isinstance(undo_content_codings(PAGE, "", len(PAGE)), Unpacked)
    assert isinstance(undo_content_codings(PAGE, "", len(PAGE) - 1), Ending)


def test_many_codings_are_refused() -> None:
    result = undo_content_codings(PAGE, ",".join(["gzip"] * 100), LIMIT)
    assert isinstance(result, Ending)
    assert result.reason == Reason.BROKEN_RECORD


def test_the_bombs_of_the_real_material_end_as_too_large(shared_data: Path) -> None:
    for name in ("br", "deflate", "gzip", "zstd"):
        bomb = (shared_data / f"web/decompression/scrapy/bomb-{name}.bin").read_bytes()
        result = undo_content_codings(bomb, name, LIMIT)
        assert isinstance(result, Ending), name
        assert result.reason == Reason.TOO_LARGE


def test_the_pages_of_the_real_material_are_unpacked(shared_data: Path) -> None:
    folder = shared_data / "web/decompression/scrapy"
    coding_of = {"rawdeflate": "deflate", "zlibdeflate": "deflate"}
    bodies = set()
    for path in sorted(folder.glob("html-*.bin")):
        names = path.stem.split("-")[1:]
        codings = ["zstd"] if names[0] == "zstd" else [coding_of.get(name, name) for name in names]
        result = undo_content_codings(path.read_bytes(), ",".join(codings), LIMIT)
        assert isinstance(result, Unpacked), path.name
        assert result.body.startswith(b"<!DOCTYPE HTML>"), path.name
        bodies.add(len(result.body))
    assert len(bodies) <= 2


def test_chunks_are_joined() -> None:
    assert undo_chunked(chunked(b"<p>", b"x" * 300, b"</p>")) == Unpacked(b"<p>" + b"x" * 300 + b"</p>")
    assert undo_chunked(b"0\r\n\r\n") == Unpacked(b"")


def test_extensions_trailers_and_bare_line_feeds_of_chunks_do_no_harm() -> None:
    body = b'5;name="x"\r\nhello\r\n 6 \n world\n0;last\r\nTrailer: x\r\n\r\n'
    assert undo_chunked(body) == Unpacked(b"hello world")


@pytest.mark.parametrize("body", [b"", b"<!doctype html>", b"\r\n\r\n", b"zz\r\nx", b"face the facts\r\nfolks\r\n"])
def test_a_body_that_does_not_begin_with_a_chunk_is_left_alone(body: bytes) -> None:
    assert undo_chunked(body) == Unpacked(body)


def test_a_text_that_begins_with_a_number_is_left_alone() -> None:
    body = b"1\r\nFirst paragraph\r\n2\r\nSecond paragraph\r\n"
    assert undo_chunked(body) == Unpacked(body, "not chunked, though its header says so")


def test_chunks_that_break_off_give_what_came_before() -> None:
    whole = chunked(b"a" * 100, b"b" * 100)
    for cut in range(1, len(whole)):
        joined = undo_chunked(whole[:cut]).body
        assert cut < 8 or (b"a" * 100 + b"b" * 100).startswith(joined)


def test_a_chunk_size_that_is_a_lie_takes_no_memory() -> None:
    result = undo_chunked(b"fffffffffffffff\r\nabc")
    assert result.body == b"abc"
    assert result.flaw


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=5))
def test_joining_chunks_undoes_cutting(parts: list[bytes]) -> None:
    assert undo_chunked(chunked(*parts)) == Unpacked(b"".join(parts))


@given(st.binary(max_size=300), st.lists(st.sampled_from([*PACKERS, "", "nonsense"]), max_size=3))
def test_no_bytes_raise(body: bytes, codings: list[str]) -> None:
    result = undo_content_codings(body, ",".join(codings), 1000)
    assert isinstance(result, Ending) or len(result.body) <= 1000
    assert len(undo_chunked(body).body) <= len(body)


@given(st.sampled_from(sorted(PACKERS)), st.binary(max_size=2000), st.data())
def test_no_mangled_body_raises(coding: str, page: bytes, data: st.DataObject) -> None:
    packed = bytearray(PACKERS[coding](page))
    for _ in range(data.draw(st.integers(0, 4))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(packed)))
    result = undo_content_codings(bytes(packed[:cut]), coding, 5000)
    assert isinstance(result, Ending) or len(result.body) <= 5000
