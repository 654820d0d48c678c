import gzip
import hashlib
import json
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import Ending, Outcome, Reason
from pipeline.records import RecordReader, read_record
from pipeline.warc import HttpResponse, parse_date, parse_http_head, parse_record_head, read_response
from tests.pipeline.fetch.archive_bytes import MEGABYTE, arc, http, warc

PAGE = b"<!doctype html><p>hello</p>"


def response(record: bytes, max_bytes: int = MEGABYTE) -> HttpResponse:
    result = read_response(record, max_bytes)
    assert isinstance(result, HttpResponse), result
    return result


def ending(record: bytes, max_bytes: int = MEGABYTE) -> Ending:
    result = read_response(record, max_bytes)
    assert isinstance(result, Ending), result
    return result


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress], ids=["plain", "gzip", "zstd"])
def test_a_record_is_read_however_it_is_packed(pack: Callable[[bytes], bytes]) -> None:
    found = response(pack(warc(http(PAGE, headers=["Content-Type: text/html; charset=utf-8", "X-Two: a", "x-two: b"]))))
    assert found.status == 200
    assert found.body == PAGE
    assert found.content_type == "text/html; charset=utf-8"
    assert found.headers["x-two"] == "a, b"
    assert found.flaw == ""


def test_an_arc_record_is_read() -> None:
    assert response(gzip.compress(arc(http(PAGE)))).body == PAGE
    second_version = (
        b"http://example.org/a b 127.0.0.1 20100101000000 text/html 200 checksum location 17 file.arc "
        b"%d\n%s\n" % (len(http(PAGE)), http(PAGE))
    )
    assert response(second_version).body == PAGE


def test_transfer_and_content_codings_are_undone() -> None:
    packed = gzip.compress(PAGE)
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    headers = ["Transfer-Encoding: chunked", "Content-Encoding: gzip"]
    assert response(warc(http(body, headers=headers))).body == PAGE


def test_codings_that_were_undone_by_the_crawler_are_not_undone_again() -> None:
    found = response(warc(http(PAGE, headers=["Transfer-Encoding: chunked", "Content-Encoding: gzip"])))
    assert found.body == PAGE
    assert "gzip" in found.flaw


def test_a_resource_is_a_page_of_its_own_type() -> None:
    record = warc(PAGE, kind="resource").replace(b"application/http; msgtype=response", b"text/html")
    found = response(record)
    assert (found.status, found.content_type, found.body) == (200, "text/html", PAGE)


@pytest.mark.parametrize("kind", ["request", "warcinfo", "metadata", "revisit", "conversion", ""])
def test_other_records_hold_no_page(kind: str) -> None:
    found = ending(warc(http(PAGE), kind=kind))
    assert (found.outcome, found.reason) == (Outcome.FAILED, Reason.BROKEN_RECORD)


@pytest.mark.parametrize(
    "record", [b"", b"hello", b"WARC/1.0", b"WARC/1.0\r\n", b"\x1f\x8b\x08", gzip.compress(b"x", mtime=0)]
)
def test_bytes_that_are_no_record_end_as_a_broken_record(record: bytes) -> None:
    assert ending(record).reason == Reason.BROKEN_RECORD


def test_an_answer_without_a_status_line_is_a_broken_record() -> None:
    found = ending(warc(b"hello\r\n\r\nworld"))
    assert found.reason == Reason.BROKEN_RECORD
    assert "status" in found.detail


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Type: text/html\n\n",
        b"HTTP/1.1 200 OK\nContent-Type:\n text/html\n\n",
        b"HTTP/1.0 200\r\nContent-Type : text/html\r\n\r\n",
        b"ICY 200 OK\r\nno colon here\r\nContent-Type: text/html\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n",
        b"HTTP/2 200\nContent-Type: text/html\n",
    ],
)
def test_odd_http_heads_are_read(head: bytes) -> None:
    found = response(warc(head + PAGE))
    assert (found.status, found.content_type, found.body) == (200, "text/html", PAGE)


def test_an_answer_of_a_head_alone_has_an_empty_body() -> None:
    for block in (b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.1 204"):
        found = response(warc(block))
        assert (found.status, found.body) == (204, b"")


def test_a_warc_head_with_line_feeds_alone_or_without_its_blank_line_is_read() -> None:
    head, _, block = warc(http(PAGE)).partition(b"\r\n\r\n")
    assert response(head.replace(b"\r\n", b"\n") + b"\n\n" + block).body == PAGE
    assert response(head + b"\r\n" + block).body == PAGE


@pytest.mark.parametrize("length", [0, 10, len(http(PAGE)) - 1])
def test_a_length_that_is_too_small_loses_nothing(length: int) -> None:
    found = response(gzip.compress(warc(http(PAGE), length=length)))
    assert found.body == PAGE
    assert "longer" in found.flaw


@pytest.mark.parametrize("length", ["", "x", "-1", "9" * 40, "12 34"])
def test_a_length_that_cannot_be_read_loses_nothing(length: str) -> None:
    found = response(gzip.compress(warc(http(PAGE), length=length)))
    assert found.body == PAGE
    assert found.flaw


def test_a_record_that_breaks_off_gives_what_came_before() -> None:
    whole = gzip.compress(warc(http(b"<p>" + bytes(range(256)) * 100)), compresslevel=1)
    found = response(whole[: len(whole) - 200])
    assert found.body.startswith(b"<p>")
    assert len(found.body) > 1000
    assert found.flaw


def test_only_the_first_of_several_records_is_read() -> None:
    assert response(gzip.compress(warc(http(PAGE)) + warc(http(b"<p>other")))).body == PAGE


def test_a_record_that_was_cut_off_by_the_crawler_says_so() -> None:
    assert "length" in response(warc(http(PAGE), headers=["WARC-Truncated: length"])).flaw


def test_what_is_too_large_is_never_built() -> None:
    assert ending(warc(http(b"x" * 1001)), max_bytes=1000).reason == Reason.TOO_LARGE
    assert response(warc(http(b"x" * 1000)), max_bytes=1000).body == b"x" * 1000
    assert ending(gzip.compress(warc(http(b"\x00" * (8 << 20))))).reason == Reason.TOO_LARGE
    bomb = warc(http(gzip.compress(b"\x00" * (64 << 20)), headers=["Content-Encoding: gzip"]))
    assert ending(bomb).outcome == Outcome.DROPPED


def test_a_head_without_end_is_no_head() -> None:
    endless = b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000
    found = response(warc(endless), max_bytes=8 * MEGABYTE)
    assert found.body == b""


def test_an_address_in_angle_brackets_is_read() -> None:
    head = parse_record_head(warc(http(PAGE), url="<http://example.org/>"))
    assert head is not None
    assert head.url == "http://example.org/"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:10Z", 10),
        ("1970-01-01T00:00:10.987654Z", 10),
        ("19700101000010", 10),
        ("197001010000100000", 10),
        ("1970", 0),
        ("1970-02", 31 * 86400),
        ("19700102", 86400),
        ("", None),
        ("197", None),
        ("1970-13-01", None),
        ("1970-02-30T00:00:00Z", None),
        ("nonsense", None),
    ],
)
def test_dates(text: str, seconds: int | None) -> None:
    assert parse_date(text) == seconds


def test_a_status_is_three_digits() -> None:
    assert parse_http_head(b"HTTP/1.1 2000 OK\r\n\r\n") is None
    assert parse_http_head(b"HTTP/1.1 20 OK\r\n\r\n") is None


@given(st.binary(max_size=200))
def test_no_bytes_raise(data: bytes) -> None:
    for record in (data, gzip.compress(data), b"WARC/1.0\r\n" + data, warc(data), warc(b"HTTP/1.1 200 OK\r\n" + data)):
        assert isinstance(read_response(record, 1000), HttpResponse | Ending)


@given(st.data())
def test_no_mangled_record_raises(data: st.DataObject) -> None:
    record = bytearray(warc(http(PAGE, headers=["Transfer-Encoding: chunked", "Content-Encoding: gzip"])))
    if data.draw(st.booleans()):
        record = bytearray(gzip.compress(record))
    for _ in range(data.draw(st.integers(0, 5))):
        place = data.draw(st.integers(0, len(record)))
        record[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    assert isinstance(read_response(bytes(record), 1000), HttpResponse | Ending)


def test_a_corrupt_member_is_told_and_not_raised() -> None:
    member = bytearray(gzip.compress(warc(http(PAGE))))
    member[20] ^= 0xFF
    with pytest.raises((zlib.error, EOFError, gzip.BadGzipFile)):
        gzip.decompress(bytes(member))
    assert isinstance(read_response(bytes(member), MEGABYTE), HttpResponse | Ending)


def test_records_are_read_where_they_lie(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.bin" for number in range(5)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * 10)
    with RecordReader(max_open=2) as reader:
        for number, path in [*enumerate(paths), *enumerate(paths)]:
            assert reader.read(str(path), 2, 3) == bytes([number]) * 3
        assert reader.read(str(paths[0]), 8, 100) == b"\x00\x00"
    assert read_record(f"file://{paths[3]}", 0, 2) == b"\x03\x03"
    with pytest.raises(OSError, match="absent"):
        read_record(str(tmp_path / "absent"), 0, 1)


def test_records_are_read_from_other_file_systems() -> None:
    import fsspec

    with fsspec.open("memory://warc-test/a.bin", "wb") as file:
        file.write(b"0123456789")
    assert read_record("memory://warc-test/a.bin", 3, 4) == b"3456"


def test_nothing_slow_is_imported() -> None:
    slow = ("apache_beam", "pyarrow", "numba", "numpy", "fsspec")
    code = f"import sys, pipeline.warc; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_body_of_the_world_is_read_as_it_was_sent(shared_data: Path) -> None:
    from pipeline.fetch.captures import Capture
    from pipeline.fetch.scan import scan

    with gzip.open(shared_data / "world/truth.jsonl.gz") as lines:
        truth = {json.loads(line)["sha256"] for line in lines}
    path = shared_data / "world/pages-00000.warc.gz"
    with path.open("rb") as file, RecordReader() as reader:
        captures = [each for each in scan(file, str(path), lambda _: False, 1) if isinstance(each, Capture)]
        bodies = (response(reader.read(str(path), each.offset, each.length), 20 * MEGABYTE).body for each in captures)
        found = {hashlib.sha256(body).hexdigest() for body in bodies}
    assert len(found) > 400
    assert found <= truth


@pytest.mark.parametrize("line", [b" x\n", b"x: y\n", b"x\n", b":\n"])
def test_a_head_of_very_many_lines_takes_no_time(line: bytes) -> None:
    block = b"HTTP/1.1 200 OK\n" + line * (250_000 // len(line)) + b"\n" + PAGE
    began = time.perf_counter()
    assert response(warc(block)).body == PAGE
    assert time.perf_counter() - began < 2
