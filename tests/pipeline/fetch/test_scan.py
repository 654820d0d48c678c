import functools
import gzip
import io
import itertools
import random
import time
import tracemalloc
import zlib
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from pipeline.fetch.captures import Capture, Damage
from pipeline.fetch.looking import DAMAGED
from pipeline.fetch.scan import scan
from pipeline.fetch.window import Window
from pipeline.ledger import Ending
from pipeline.warc import HttpResponse, read_response
from tests.pipeline.fetch.archive_bytes import MEGABYTE, Scanned, arc, http, id_of, members, scanned, warc

PAGE = b"<!doctype html><p>hello</p>"


def records(count: int = 5) -> list[bytes]:
    rng = random.Random(1)
    return [
        warc(http(b"<p>" + rng.randbytes(rng.randint(0, 20_000))), url=f"http://example.org/{number}")
        for number in range(count)
    ]


def urls_of(found: Scanned) -> list[str]:
    return [capture.url for capture in found.captures]


def urls(count: int = 5) -> list[str]:
    return [f"http://example.org/{number}" for number in range(count)]


def test_a_capture_says_what_its_record_says() -> None:
    block = http(PAGE, "301 Moved", ["Content-Type: text/html", "Location: ../b#top"])
    archive = members(
        warc(b"software: x", kind="warcinfo", url=""),
        warc(block, "HTTP://Example.org:80/a/c", headers=["WARC-Payload-Digest: sha1:ABC", "WARC-Truncated: length"]),
    )
    (capture,) = scanned(archive).captures
    assert capture == Capture(
        id=id_of("http://example.org/a/c"),
        url="http://example.org/a/c",
        date=1262304000,
        kind="response",
        status=301,
        content_type="text/html",
        file="a.warc",
        offset=len(members(warc(b"software: x", kind="warcinfo", url=""))),
        length=capture.length,
        payload_bytes=len(PAGE),
        payload_digest="sha1:ABC",
        payload_sha256="",
        location="http://example.org/b",
        refers_to_url="",
        refers_to_date=None,
        truncated="length",
    )
    assert capture.offset + capture.length == len(archive)


def test_a_revisit_says_what_it_refers_to() -> None:
    headers = ["WARC-Refers-To-Target-URI: http://example.org/old", "WARC-Refers-To-Date: 1970-01-02T00:00:00Z"]
    (capture,) = scanned(members(warc(http(b""), kind="revisit", headers=headers))).captures
    assert (capture.kind, capture.refers_to_url, capture.refers_to_date) == ("revisit", "http://example.org/old", 86400)


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("pack", [members, lambda *each: b"".join(each)], ids=["gzip", "plain"])
def test_every_record_is_read_back_from_where_it_is_said_to_lie(pack: Callable[..., bytes], wanted: bool) -> None:
    archive = pack(*records())
    found = scanned(archive, wanted)
    assert urls_of(found) == urls()
    assert not found.damages
    for capture in found.captures:
        page = read_response(archive[capture.offset : capture.offset + capture.length], MEGABYTE)
        assert isinstance(page, HttpResponse)
        assert len(page.body) == capture.payload_bytes
        assert capture.payload_sha256 == (sha256(page.body).hexdigest() if wanted else "")


def test_only_bodies_of_wanted_pages_are_hashed() -> None:
    archive = members(
        warc(http(PAGE), "http://example.org/a"),
        warc(http(PAGE), "http://example.org/b"),
        warc(http(PAGE, "404 Not Found"), "http://example.org/a"),
    )
    found = scan(io.BytesIO(archive), "", lambda link_id: link_id == id_of("http://example.org/a"), MEGABYTE)
    assert [each.payload_sha256 for each in found if isinstance(each, Capture)] == [sha256(PAGE).hexdigest(), "", ""]


def test_the_hash_is_of_the_body_with_transfer_coding_undone_and_content_coding_kept() -> None:
    packed = gzip.compress(PAGE)
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(packed), packed)
    headers = ["Transfer-Encoding: chunked", "Content-Encoding: gzip"]
    (capture,) = scanned(members(warc(http(chunked, headers=headers)))).captures
    assert capture.payload_sha256 == sha256(packed).hexdigest()


def test_unwanted_records_are_not_inflated() -> None:
    corrupt = bytearray(members(warc(http(random.Random(3).randbytes(50_000)))))
    corrupt[-100] ^= 0xFF  # in the body, which nobody needs to see
    archive = bytes(corrupt) + members(warc(http(PAGE), "http://example.org/b"))
    assert not scanned(archive, wanted=False).damages
    assert scanned(archive, wanted=True).damages


def test_a_gzip_within_a_record_is_not_taken_for_the_next_record() -> None:
    inner = members(warc(http(PAGE), "http://example.org/inner"))
    outer = warc(http(inner * 3), "http://example.org/outer")
    stored = gzip.compress(outer, compresslevel=0)
    archive = stored + members(warc(http(PAGE), "http://example.org/next"))
    assert inner in archive
    found = scanned(archive, wanted=False)
    assert urls_of(found) == ["http://example.org/outer", "http://example.org/next"]
    assert not found.damages


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("length", [0, 5, 10_000_000, "", "x"])
def test_lengths_that_lie_cost_no_other_record(length: int | str, wanted: bool) -> None:
    odd = warc(http(PAGE * 10), "http://example.org/odd", length=length)
    for archive in (members(odd, *records()), odd + b"".join(records())):
        found = scanned(archive, wanted)
        assert urls_of(found) == ["http://example.org/odd", *urls()]
        first = found.captures[0]
        assert first.status == 200
        page = read_response(archive[first.offset : first.offset + first.length], MEGABYTE)
        assert isinstance(page, HttpResponse)
        assert page.body == PAGE * 10
        assert (first.truncated == DAMAGED) == (length == 10_000_000)


@pytest.mark.parametrize("wanted", [True, False])
def test_garbage_between_records_is_passed_over_and_told(wanted: bool) -> None:
    first, *others = records()
    garbage = b"garbage \x1f\x8b\x08 and more" * 50
    for archive in (members(first) + garbage + members(*others), first + garbage + b"\n" + b"".join(others)):
        found = scanned(archive, wanted)
        assert urls_of(found) == urls()
        (damage,) = found.damages
        assert archive[damage.offset : damage.offset + damage.length].strip() == garbage


def test_padding_between_records_is_no_damage() -> None:
    first, *others = records()
    for padding in (b"\x00" * 1000, b"\r\n\r\n", b"\n"):
        for archive in (members(first) + padding + members(*others), first + padding + b"".join(others)):
            found = scanned(archive)
            assert urls_of(found) == urls()
            assert not found.damages


def test_a_corrupt_member_costs_no_other_record() -> None:
    first, *others = records()
    packed = bytearray(members(first))
    for place in range(10, len(packed), 97):
        broken = packed.copy()
        broken[place : place + 4] = b"\xff\xff\xff\xff"
        found = scanned(bytes(broken) + members(*others))
        assert urls_of(found)[-4:] == urls()[1:]
        assert found.damages or broken == packed


@pytest.mark.parametrize("wanted", [True, False])
def test_an_archive_that_was_cut_off_gives_what_came_before(wanted: bool) -> None:
    for pack in (members, lambda *each: b"".join(each)):
        archive = pack(*records(3))
        whole = scanned(archive, wanted).captures
        for cut in range(0, len(archive), 501):
            found = scanned(archive[:cut], wanted)
            complete = [capture for capture in whole if capture.offset + capture.length <= cut]
            assert found.captures[: len(complete)] == complete
            assert len(found.captures) <= len(complete) + 1
            assert all(capture.truncated == DAMAGED for capture in found.captures[len(complete) :])


def test_an_archive_packed_in_one_piece_is_told() -> None:
    archive = gzip.compress(b"".join(records()))
    found = scanned(archive)
    assert urls_of(found) == urls(1)
    (damage,) = found.damages
    assert "several records in one gzip member" in damage.what
    assert (damage.offset, damage.length) == (0, len(archive))
    with_info = scanned(gzip.compress(warc(b"software: x", kind="warcinfo", url="") + b"".join(records())), False)
    assert not with_info.captures
    assert "several records" in with_info.damages[0].what


@pytest.mark.parametrize("wanted", [True, False])
@pytest.mark.parametrize("block", [1, 2, 7, 61, 1000])
def test_it_does_not_matter_in_which_blocks_a_file_is_read(
    block: int, wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = [warc(http(PAGE), "http://example.org/odd", length=3), b"garbage", warc(http(b"x" * 5000), url="http://")]
    for pack in (members, lambda *each: b"".join(each)):
        archive = pack(*records(3), *odd, *records(2), arc(http(PAGE)))[:-3]
        expected = scanned(archive, wanted)
        with monkeypatch.context() as patched:
            patched.setattr("pipeline.fetch.scan.Window", functools.partial(Window, block=block))
            assert scanned(archive, wanted) == expected


def test_a_zstd_archive_is_told() -> None:
    (damage,) = scanned(zstandard.compress(b"".join(records()))).damages
    assert "zstd" in damage.what


@pytest.mark.parametrize("pack", [members, lambda *each: b"".join(each)], ids=["gzip", "plain"])
def test_arc_archives_are_read(pack: Callable[..., bytes]) -> None:
    description = b"filedesc://a.arc 127.0.0.1 20100101000000 text/plain 15\n1 0 Test\nfields\n\n"
    archive = pack(description, *(arc(http(PAGE), url) for url in urls()))
    found = scanned(archive)
    assert urls_of(found) == urls()
    assert not found.damages
    assert {capture.payload_sha256 for capture in found.captures} == {sha256(PAGE).hexdigest()}


def test_records_that_are_no_captures_are_passed_over() -> None:
    others = [
        warc(b"GET / HTTP/1.1\r\n\r\n", kind="request"),
        warc(b"x: y", kind="metadata"),
        warc(b"text", kind="conversion"),
        warc(b"1.2.3.4", "dns:example.org"),
        warc(b"nonsense", "metadata://gnu.org/software/wget", kind="resource"),
    ]
    found = scanned(members(*others))
    assert not found.captures
    assert not found.damages


@pytest.mark.parametrize("url", ["http://", "http://exa mple.org/", "http://example.org/" + "a" * 500_000])
def test_an_address_that_is_none_is_told(url: str) -> None:
    found = scanned(members(warc(http(PAGE), url), *records(1)))
    assert urls_of(found) == urls(1)
    assert "address" in found.damages[0].what or "record" in found.damages[0].what


def test_an_answer_without_a_status_line_is_a_capture_without_status() -> None:
    (capture,) = scanned(members(warc(b"hello"))).captures
    assert capture.status is None


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://example.org/b", "https://example.org/b"),
        ("//other.org/b?x=1#y", "http://other.org/b?x=1"),
        ("b", "http://example.org/a/b"),
        ("?page=2", "http://example.org/a/c?page=2"),
        ("caf\u00e9".encode().decode("latin-1"), "http://example.org/a/caf%C3%A9"),
        ("", ""),
        ("javascript:void(0)", ""),
        ("http://", ""),
        ("http://[", ""),
        ("x" * 10_000, ""),
    ],
)
def test_a_redirect_leads_to_an_address_or_nowhere(location: str, target: str) -> None:
    block = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n".encode("latin-1")
    (capture,) = scanned(members(warc(block, "http://example.org/a/c"))).captures
    assert capture.location == target


def test_location_without_a_redirect_means_nothing() -> None:
    (capture,) = scanned(members(warc(http(PAGE, headers=["Location: /b"])))).captures
    assert capture.location == ""


def test_a_bomb_is_passed_over_in_little_memory() -> None:
    block = http(b"")
    packer = zlib.compressobj(wbits=31)
    bomb = packer.compress(warc(block, "http://example.org/bomb", length=len(block) + (256 << 20))[:-4])
    bomb += b"".join(packer.compress(b"\x00" * MEGABYTE) for _ in range(256)) + packer.flush()
    archive = bomb + members(*records())
    for wanted in (True, False):
        tracemalloc.start()
        found = scanned(archive, wanted)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert urls_of(found) == ["http://example.org/bomb", *urls()]
        assert found.captures[0].payload_bytes == 256 << 20
        assert found.captures[0].payload_sha256 == ""
        assert peak < 8 * MEGABYTE


def test_a_large_archive_is_never_held_in_memory() -> None:
    body = random.Random(2).randbytes(2 * MEGABYTE)
    archive = gzip.compress(warc(http(body)), compresslevel=0) * 20
    tracemalloc.start()
    count = sum(1 for _ in scan(io.BytesIO(archive), "", lambda _: True, 4 * MEGABYTE))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 20
    assert peak < 20 * MEGABYTE


def test_marks_of_members_in_great_number_take_no_time() -> None:
    odd = gzip.compress(warc(http(b"\x1f\x8b\x08" * 300_000), length=5), compresslevel=0)
    began = time.perf_counter()
    assert urls_of(scanned(odd * 3 + members(*records()), wanted=False))[-5:] == urls()
    assert time.perf_counter() - began < 10


@st.composite
def mangled(draw: st.DrawFn) -> bytes:
    pieces = [
        warc(http(PAGE), "http://example.org/0"),
        warc(http(b"3\r\nabc\r\n0\r\n\r\n", headers=["Transfer-Encoding: chunked"]), "http://example.org/1"),
        warc(http(b"", "302 Found", ["Location: /0"]), "http://example.org/2"),
        arc(http(PAGE), "http://example.org/3"),
        b"WARC/1.0\r\n",
        b"\x1f\x8b\x08",
        b"\r\n\r\n",
    ]
    chosen = draw(st.lists(st.sampled_from(pieces), max_size=4))
    if draw(st.booleans()):
        chosen = [gzip.compress(piece, mtime=0) for piece in chosen]
    archive = bytearray(b"".join(chosen))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(archive)))
        archive[place : place + draw(st.integers(0, 20))] = draw(st.binary(max_size=8))
    return bytes(archive)


@given(mangled(), st.booleans())
@example(b"", True)
@settings(max_examples=400)
def test_no_mangled_archive_raises_or_loops(archive: bytes, wanted: bool) -> None:
    found = list(itertools.islice(scan(io.BytesIO(archive), "", lambda _: wanted, 1000), 10_000))
    assert len(found) <= 2 * len(archive) + 1
    for each in found:
        assert each.offset >= 0
        assert each.offset + each.length <= len(archive)
        assert each.length > 0 or isinstance(each, Damage)
        if isinstance(each, Capture):
            assert isinstance(
                read_response(archive[each.offset : each.offset + each.length], 1000), HttpResponse | Ending
            )


@given(st.binary(max_size=300), st.integers(1, 40), st.data())
def test_a_window_shows_what_the_file_holds(content: bytes, block: int, data: st.DataObject) -> None:
    window = Window(io.BytesIO(content), "", block)
    for _ in range(data.draw(st.integers(0, 12))):
        size, ahead = data.draw(st.integers(0, 60)), data.draw(st.integers(0, 60))
        at = window.offset
        action = data.draw(st.sampled_from(["peek", "find", "behind", "move", "advance"]))
        if action == "peek":
            assert window.peek(size, ahead) == content[at + ahead : at + ahead + size]
        elif action == "find":
            mark = data.draw(st.sampled_from([b"\x00", b"\x01\x00", b"\x00\x00\x00"]))
            place = content.find(mark, at + ahead, at + size)
            assert window.find(mark, ahead, size) == (place - at if place >= 0 else -1)
        elif action == "behind":
            ahead = min(ahead, window.left)
            width = min(size, 8, ahead)
            assert window.behind(ahead, width) == content[at + ahead - width : at + ahead]
        elif action == "move":
            window.move_to(size)
            assert window.offset == min(size, len(content))
        else:
            window.advance(len(window.peek(size)))
        assert window.left == len(content) - window.offset


def test_nothing_of_the_real_material_raises_and_good_records_are_found(shared_data: Path) -> None:
    compared = 0
    for path in sorted(path for path in (shared_data / "web/warc").rglob("*") if path.is_file()):
        with path.open("rb") as file:
            found = list(scan(file, path.name, lambda _: True, 10 * MEGABYTE))
        captures = [each for each in found if isinstance(each, Capture)]
        content = path.read_bytes()
        for capture in captures:
            page = read_response(content[capture.offset : capture.offset + capture.length], 10 * MEGABYTE)
            if capture.kind != "revisit" and capture.status is not None:
                assert isinstance(page, HttpResponse), (path.name, capture)
        try:
            with path.open("rb") as file:
                expected = [
                    record.rec_headers.get_header("WARC-Target-URI")
                    for record in ArchiveIterator(file, arc2warc=True)
                    if record.rec_type in {"response", "resource", "revisit"}
                    and record.rec_headers.get_header("WARC-Target-URI").strip("<>").startswith("http")
                ]
        except ArchiveLoadFailed:
            continue
        if not path.name.startswith("bad"):
            compared += 1
            assert len(captures) == len(expected), path.name
    assert compared > 10
