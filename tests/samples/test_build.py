"""The built files are what the sources say, byte for byte, and as odd as they are meant to be."""

import bz2
import gzip
import io
import itertools
import json
import lzma
import os
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
import zstandard
from warcio.archiveiterator import ArchiveIterator

from samples import build, dumps
from samples.sources import HERE

SAMPLES = HERE
EXPECTED: dict[str, Any] = yaml.safe_load((SAMPLES / "expected.yaml").read_text(encoding="utf-8"))
BUILT = ("archives", "submissions", "urls")


def built_files(folder: Path) -> dict[str, bytes]:
    paths = [path for name in BUILT for path in sorted((folder / name).iterdir())]
    return {str(path.relative_to(folder)): path.read_bytes() for path in [*paths, folder / "expected.yaml"]}


def lines_of(name: str) -> list[bytes]:
    """A dump's lines; a long window has to be allowed for."""
    raw = (SAMPLES / "submissions" / name).read_bytes()
    if name.endswith(".zst"):
        decompressor = zstandard.ZstdDecompressor(max_window_size=2**31)
        raw = decompressor.stream_reader(io.BytesIO(raw), read_across_frames=True).read()
    elif name.endswith(".gz"):
        raw = gzip.decompress(raw)
    elif name.endswith(".bz2"):
        raw = bz2.decompress(raw)
    elif name.endswith(".xz"):
        raw = lzma.decompress(raw)
    return raw.splitlines(keepends=True)


def objects_of(name: str) -> Iterator[dict[str, Any]]:
    for line in lines_of(name):
        try:
            post = json.loads(line)
        except ValueError:
            continue
        if isinstance(post, dict):
            yield post


@pytest.mark.parametrize("seed", ["0", "20171231"])
def test_the_committed_files_are_what_the_sources_give(tmp_path: Path, seed: str) -> None:
    if build.compressors() != EXPECTED["compressors"]:
        pytest.skip("the compression libraries here give other bytes than those that the samples were built with")
    environment = os.environ | {"PYTHONHASHSEED": seed, "TZ": "Asia/Tokyo"}
    command = [sys.executable, "-m", "samples.build", str(tmp_path)]
    subprocess.run(command, cwd=SAMPLES.parent, env=environment, check=True, timeout=120)
    assert built_files(tmp_path) == built_files(SAMPLES)


def test_the_samples_stay_small() -> None:
    size = sum(path.stat().st_size for path in SAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert size < 1_500_000


def test_the_dumps_hold_as_many_lines_as_expected() -> None:
    lines = [line for name in dumps.FILES.values() for line in lines_of(name)]
    blank = sum(not line.strip() for line in lines)
    assert {"posts": len(lines) - blank, "blank": blank} == EXPECTED["dump_lines"]
    assert sum(EXPECTED["posts"].values()) == EXPECTED["dump_lines"]["posts"] > 220


def test_ids_of_posts_are_unique() -> None:
    ids = Counter(post["id"] for name in dumps.FILES.values() for post in objects_of(name))
    assert max(ids.values()) == 1


def test_one_dump_needs_the_long_window() -> None:
    raw = (SAMPLES / "submissions" / dumps.FILES["2014-05"]).read_bytes()
    with pytest.raises(zstandard.ZstdError, match="memory"):
        zstandard.ZstdDecompressor().stream_reader(io.BytesIO(raw)).read()
    assert lines_of(dumps.FILES["2014-05"])
    assert zstandard.get_frame_parameters(raw).window_size == 2**31


def test_one_dump_has_two_frames_with_a_line_across_their_border() -> None:
    raw = (SAMPLES / "submissions" / dumps.FILES["2017-09"]).read_bytes()
    first = zstandard.ZstdDecompressor().decompressobj().decompress(raw)
    assert not first.endswith(b"\n")
    assert len(first) < sum(map(len, lines_of(dumps.FILES["2017-09"])))


def test_one_dump_breaks_off_in_its_last_line() -> None:
    last = lines_of(dumps.FILES["2015-10"])[-1]
    assert not last.endswith(b"\n")
    with pytest.raises(ValueError, match="Unterminated"):
        json.loads(last)


@pytest.mark.parametrize(
    ("month", "kinds"),
    [
        ("2008-03", {int}),
        ("2011-06", {int}),
        ("2014-05", {str}),
        ("2015-10", {str}),
        ("2017-12", {int, float, type(None)}),
    ],
)
def test_time_is_written_as_in_its_years(month: str, kinds: set[type]) -> None:
    assert {type(post.get("created_utc")) for post in objects_of(dumps.FILES[month])} == kinds


def test_addresses_are_escaped_as_reddit_escapes_them() -> None:
    addresses = [post["url"] for post in objects_of(dumps.FILES["2011-06"])]
    assert any("viewtopic.php?f=2&amp;t=" in address for address in addresses)


def members_of(name: str) -> Iterator[bytes]:
    """A file's gzip members, inflated as far as they go; a plain file as it is."""
    rest = (SAMPLES / "archives" / name).read_bytes()
    if not name.endswith(".gz"):
        yield rest
        return
    while rest:
        member = zlib.decompressobj(16 + zlib.MAX_WBITS)
        yield member.decompress(rest)
        rest = member.unused_data


def records_of(name: str) -> Iterator[tuple[str, Any, bytes]]:
    """Type, record and body as sent. Members are read one by one: one of them is longer than its record says."""
    for member in members_of(name):
        for record in itertools.islice(ArchiveIterator(io.BytesIO(member)), 1 if name.endswith(".gz") else None):
            yield record.rec_type, record, record.raw_stream.read()


def test_the_archives_hold_records_of_every_kind() -> None:
    names = sorted(path.name for path in (SAMPLES / "archives").iterdir())
    kinds: Counter[str] = Counter()
    codings: Counter[str] = Counter()
    for name in names:
        for kind, record, _ in records_of(name):
            kinds[kind] += 1
            if record.http_headers:
                for header in ("Content-Encoding", "Transfer-Encoding"):
                    codings[record.http_headers.get_header(header, "none")] += 1
    assert set(kinds) == {"warcinfo", "request", "response", "revisit", "resource", "metadata"}
    assert kinds["response"] > 150
    assert {"gzip", "br", "deflate", "chunked"} <= set(codings)


def test_record_ids_are_unique() -> None:
    ids = [
        record.rec_headers.get_header("WARC-Record-ID")
        for path in (SAMPLES / "archives").iterdir()
        for _, record, _ in records_of(path.name)
    ]
    assert len(ids) == len(set(ids))


def test_one_archive_is_cut_off_within_its_last_record() -> None:
    name = "pages-00003.warc.gz"
    with pytest.raises(EOFError):
        gzip.decompress((SAMPLES / "archives" / name).read_bytes())
    *whole, (_, clipped, body) = records_of(name)
    assert len(whole) > 3
    assert len(body) < int(clipped.http_headers.get_header("Content-Length"))


def test_the_swelling_page_is_small_until_it_is_inflated() -> None:
    found = [
        body
        for kind, record, body in records_of("pages-00001.warc.gz")
        if kind == "response" and record.rec_headers.get_header("WARC-Target-URI").endswith("/view/swelling")
    ]
    [body] = found
    assert len(body) < 20_000
    assert len(gzip.decompress(body)) > 10 * 1024 * 1024
