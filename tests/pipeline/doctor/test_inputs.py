import gzip
from pathlib import Path

import pytest

from pipeline.config import Harvest
from pipeline.doctor import inputs
from pipeline.doctor.findings import State

WARC = b"WARC/1.1\r\nWARC-Type: warcinfo\r\n"


@pytest.mark.parametrize(
    "head",
    [WARC, gzip.compress(WARC * 100), gzip.compress(WARC)[:-8], b"filedesc://a.arc 0.0.0.0 2009", gzip.compress(WARC)],
    ids=["plain", "long", "cut", "arc", "gzip"],
)
def test_beginnings_of_archives(head: bytes) -> None:
    assert inputs.not_an_archive(head[:4096]) == ""


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04", "neither"),
        (b"\x28\xb5\x2f\xfd\x00", "zstd"),
        (gzip.compress(b"<html>", mtime=0), "neither"),
        (b"\x1f\x8b\x08garbage of a kind", "damaged gzip"),
        (b"\x1f\x8b", "neither"),
        (b"\n" + WARC, "neither"),
    ],
)
def test_what_is_no_archive(head: bytes, why: str) -> None:
    assert why in inputs.not_an_archive(head)


def test_some_archives_are_not_what_they_should_be(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.warc").write_bytes(WARC if number < 2 else b"<html>")
    (tmp_path / "folder.warc").mkdir()
    found = inputs.find("fetch.archives", [str(tmp_path / "*.warc")])
    assert (len(found.files), found.bytes) == (6, 2 * len(WARC) + 4 * 6)
    flaws = inputs.archive_flaws(found.files)
    finding = inputs.check(found, flaws, looked_into=6)
    assert finding.state is State.WARNING
    assert "4 of 6" in finding.sentence
    assert "and 1 more" in finding.sentence
    assert inputs.check(found, inputs.archive_flaws(found.files[2:]), looked_into=4).state is State.PROBLEM
    assert inputs.check(found, (), looked_into=6).state is State.OK


def test_a_dump_that_is_cut_off_and_one_of_comments(tmp_path: Path) -> None:
    (tmp_path / "RS_2011-01").write_text('{"id": "a", "created_utc": 1294000000, "url": "http://a.test", "score": 3}\n')
    (tmp_path / "RC_2011-01").write_text('{"id": "a", "created_utc": 1294000000, "body": "words"}\n')
    (tmp_path / "RS_2011-02.gz").write_bytes(gzip.compress(b'{"id": "b", "created_utc": 1296600000}\n' * 50)[:-20])
    found = inputs.find("harvest.dumps", [str(tmp_path / "R*")])
    flaws = inputs.dump_flaws(found.files)
    assert sorted(Path(flaw.file).name for flaw in flaws) == ["RC_2011-01", "RS_2011-02.gz"]
    assert inputs.check(found, flaws, looked_into=3).state is State.WARNING


@pytest.mark.parametrize("pattern", ["nowhere/*", "nosuchscheme://bucket/*"])
def test_patterns_that_match_nothing(pattern: str) -> None:
    finding = inputs.check(inputs.find("harvest.urls", [pattern]))
    assert finding.state is State.PROBLEM
    assert pattern in finding.sentence


def test_of_many_files_some_are_opened() -> None:
    files = [str(number) for number in range(1000)]
    assert inputs.spread(files, 4) == ["0", "250", "500", "750"]
    assert inputs.spread(files[:3], 4) == files[:3]


def test_block_lists_of_the_user() -> None:
    (finding,) = inputs.check_block_lists(Harvest(blocked_domains=("no/such.txt",)))
    assert finding.state is State.PROBLEM
    assert "no/such.txt" in finding.sentence
    assert list(inputs.check_block_lists(Harvest(blocked_domains=("a.test",)))) == []


def test_what_else_may_be_missing() -> None:
    assert inputs.nothing_to_begin_with().state is State.PROBLEM
    assert inputs.check_release("runs/a", whole=False).state is State.PROBLEM
    assert inputs.check_release("runs/a", whole=True).state is State.OK
