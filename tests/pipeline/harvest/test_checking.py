"""Dumps that are what they say, and dumps that are not."""

import json
import lzma
from pathlib import Path

import pytest
import zstandard

from pipeline.harvest import checking
from pipeline.harvest.checking import check
from pipeline.harvest.months import Month

MAY = 1_304_208_000  # 2011-05-01


def lines(count: int, begin: int = MAY, step: int = 60, score: int = 5) -> bytes:
    posts = (
        {"id": f"p{at}", "url": f"http://example.org/{at}", "created_utc": begin + at * step, "score": score}
        for at in range(count)
    )
    return b"".join(json.dumps(post).encode() + b"\n" for post in posts)


def written(folder: Path, content: bytes, name: str = "RS_2011-05.zst") -> str:
    (folder / name).write_bytes(content)
    return str(folder / name)


def test_a_sound_dump(tmp_path: Path) -> None:
    parameters = zstandard.ZstdCompressionParameters.from_level(3, window_log=31, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    path = written(tmp_path, compressor.compress(lines(3210)) + compressor.flush())
    found = check(path)
    assert (found.month, found.lines, found.troubles) == (Month(2011, 5), 3210, ())
    assert (found.first, found.last) == (MAY, MAY + 3209 * 60)
    assert str(found) == (
        f"{path}: zstd with a window of 2048 MiB, 3,210 lines, posts of 2011-05-01 to 2011-05-03: sound"
    )


def test_a_quick_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, lines(5000), "RS_2011-05")
    found = check(path, quick=True)
    assert (found.lines, found.troubles, found.last) == (None, (), MAY + (checking.QUICK_LINES - 1) * 60)
    assert ": plain, begun only, posts of " in str(found)
    assert check(written(tmp_path, lines(5), "RS_2011-05"), quick=True).lines == 5


@pytest.mark.parametrize("packed", [zstandard.compress(lines(9000)), lzma.compress(lines(9000))])
def test_what_is_cut_off(tmp_path: Path, packed: bytes) -> None:
    (trouble,) = [each for each in check(written(tmp_path, packed[: len(packed) // 2])).troubles if "whole" in each]
    assert "data end before their end after " in trouble


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "RS_2011-05.zst", "nothing is in it"),
        (b"\n\n", "RS_2011-05.zst", "nothing is in it"),
        (zstandard.compress(b""), "RS_2011-05.zst", "nothing is in it"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 40, "RS_2011-05.zst", "not whole: zstd data are damaged"),
        (b"<html>404</html>\n" * 3, "RS_2011-05.zst", "most lines are no posts"),
        (b"[1]\nnull\n7\n", "RS_2011-05.zst", "most lines are no posts"),
        (b'{"id": "a", "created_utc": "soon"}\n', "RS_2011-05.zst", "most lines are no posts"),
        (b'{"id": "a", "body": "x", "created_utc": 1304208000}\n', "RS_2011-05.zst", "these are comments"),
        (lines(10, begin=MAY - 86_400), "RS_2011-05.zst", "named after 2011-05 and has posts of 2011-04"),
        (lines(50, begin=MAY - 60 * 20), "RS_2011-05.zst", "named after 2011-05 and has posts of 2011-04"),
        (lines(200, score=1), "RS_2011-05.zst", "its scores average 1.00"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, content: bytes, name: str, words: str) -> None:
    found = check(written(tmp_path, content, name))
    assert any(words in trouble for trouble in found.troubles), found
    assert words in str(found)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read" in str(check(str(tmp_path)))
    assert "cannot be read" in str(check(str(tmp_path / "absent")))


def test_a_month_without_a_name_is_told_by_its_posts(tmp_path: Path) -> None:
    found = check(written(tmp_path, lines(3), "may.ndjson"))
    assert (found.month, found.troubles) == (Month(2011, 5), ())


def test_times_as_strings_and_fractions(tmp_path: Path) -> None:
    content = b'{"id":"a","url":"u","created_utc":"1304208000"}\n{"id":"b","url":"u","created_utc":1304208060.5}\n'
    found = check(written(tmp_path, content))
    assert (found.first, found.last, found.troubles) == (MAY, MAY + 60, ())


def test_real_dumps(shared_data: Path) -> None:
    found = check(str(shared_data / "reddit/pushshift_rs_2005/RS_v2_2005-06.xz"))
    assert (found.month, found.packing, found.lines, found.troubles) == (Month(2005, 6), "xz", 103, ())
    comments = check(str(shared_data / "reddit/rs_six_eras_sample/RC_mixed.ndjson"))
    assert any("these are comments" in trouble for trouble in comments.troubles)
