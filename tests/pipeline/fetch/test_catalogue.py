import dataclasses
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import progress
from pipeline.fetch import catalogue
from pipeline.fetch.captures import CAPTURES, captures_of, captures_table
from pipeline.fetch.catalogue import IdSet, ScanStoppedError, catalogue_name, look_up, make_catalogue
from tests.pipeline.fetch.archive_bytes import MEGABYTE, http, id_of, members, scanned, warc
from webtext.errors import UserError

IDS = st.text("0123456789abcdef", min_size=32, max_size=32)


def records(count: int) -> list[bytes]:
    return [warc(http(b"<p>%d" % number), f"http://example.org/{number}") for number in range(count)]


def ids(*numbers: int) -> IdSet:
    return IdSet.of([pa.array([id_of(f"http://example.org/{number}") for number in numbers])])


@given(st.lists(IDS, max_size=20), st.lists(IDS, max_size=20))
def test_a_set_of_ids_knows_its_own_and_no_others(own: list[str], others: list[str]) -> None:
    found = IdSet.of([pa.array(own[:3], pa.string()), pa.chunked_array([own[3:5], own[5:]], pa.string())])
    questions = [*own, *others]
    expected = [question[:16] in {each[:16] for each in own} for question in questions]
    assert [question in found for question in questions] == expected
    assert found.mask(pa.array(questions, pa.string())).tolist() == expected
    assert found.mask(pa.array(questions, pa.string())[1:]).tolist() == expected[1:]
    assert len(found) == len({each[:16] for each in own})


def test_captures_survive_as_a_table() -> None:
    captures = scanned(members(*records(3))).captures
    table = captures_table(captures)
    assert table.schema == CAPTURES
    assert list(captures_of(table)) == captures
    assert list(captures_of(captures_table([]))) == []


def test_a_catalogue_is_made_once_and_asked_by_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "BATCH", 2)
    archive = tmp_path / "a.warc.gz"
    archive.write_bytes(members(*records(5)) + b"garbage")
    pages = str(tmp_path / "pages")
    made = make_catalogue(str(archive), pages, ids(3), MEGABYTE)
    assert made.counts == {"captures": 5, "damaged_bytes": 7, "damaged_places": 1}
    assert made.damages[0].what.startswith("no gzip member")
    assert made.record.rows == 5
    assert made.record.path == catalogue_name(str(archive))

    found = [list(captures_of(table)) for table in look_up(str(archive), pages, ids(0, 3, 17))]
    assert [[capture.url for capture in batch] for batch in found] == [
        ["http://example.org/0"],
        ["http://example.org/3"],
    ]
    assert [capture.payload_sha256 != "" for batch in found for capture in batch] == [False, True]
    assert list(look_up(str(archive), pages, ids())) == []

    archive.write_bytes(b"what is there now does not count")
    assert make_catalogue(str(archive), pages, ids(3), MEGABYTE) == made


def test_progress_is_told_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "BATCH", 2)
    archive = tmp_path / "a.warc.gz"
    archive.write_bytes(members(*records(5)) + b"garbage")
    told: list[tuple[str, int]] = []
    for _ in range(2):
        with progress.listening(lambda stage, done: told.append((stage, done))):
            make_catalogue(str(archive), str(tmp_path / "pages"), ids(), MEGABYTE)
        assert {stage for stage, _ in told} == {"pages"}
        assert sum(done for _, done in told) == archive.stat().st_size
        told.clear()


def test_catalogues_of_equal_names_lie_apart() -> None:
    assert catalogue_name("a/pages.warc.gz") != catalogue_name("b/pages.warc.gz")


def test_only_the_first_damages_are_told_but_all_are_counted(tmp_path: Path) -> None:
    archive = tmp_path / "a.warc.gz"
    archive.write_bytes(b"".join(member + b"garbage" for member in map(members, records(300))))
    made = make_catalogue(str(archive), str(tmp_path), ids(), MEGABYTE)
    assert made.counts["damaged_places"] == 300
    assert len(made.damages) == catalogue.TOLD_DAMAGES


def test_an_archive_that_cannot_be_read_is_the_users_matter(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*absent.warc.gz \(fetch.archives\)"):
        make_catalogue(str(tmp_path / "absent.warc.gz"), str(tmp_path), ids(), MEGABYTE)
    assert list((tmp_path / catalogue.FOLDER).iterdir()) == []


def test_an_empty_archive_has_an_empty_catalogue(tmp_path: Path) -> None:
    archive = tmp_path / "empty.warc.gz"
    archive.write_bytes(b"")
    made = make_catalogue(str(archive), str(tmp_path), ids(), MEGABYTE)
    assert made.record.rows == 0
    assert list(look_up(str(archive), str(tmp_path), ids(0))) == []
    assert dataclasses.asdict(made.record)["bytes"] > 0


def test_a_scan_that_nobody_waits_for_ends_and_leaves_nothing(tmp_path: Path) -> None:
    archive = tmp_path / "a.warc.gz"
    archive.write_bytes(members(*records(5)))
    asked = iter([False, False, True])
    with pytest.raises(ScanStoppedError):
        make_catalogue(str(archive), str(tmp_path / "pages"), ids(3), MEGABYTE, lambda: next(asked))
    assert not [path for path in (tmp_path / "pages").rglob("*") if path.is_file()]
