import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.fetch.live import journal
from pipeline.fetch.live.files import JOURNAL
from pipeline.fetch.live.journal import Event, Journal, place_of
from webtext.errors import UserError

NAME = "live-00000-of-00001"
FACTS = [("software", "webtext/0")]


def member(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)


def page_event(number: int) -> tuple[Event, list[bytes]]:
    return {"page": f"{number:032x}"}, [member(f"page {number}" * 50), member(f"request {number}")]


def recovered(folder: Path) -> list[Event]:
    with Journal(str(folder), NAME) as opened:
        return [event for _, event in opened.recover()]


def pages_of(events: list[Event]) -> list[int]:
    return [int(event["page"], 16) for event in events if "page" in event]


def begin(folder: Path, pages: int = 0, first: int = 0) -> Journal:
    opened = Journal(str(folder), NAME)
    list(opened.recover())
    opened.begin("key", FACTS, 1_700_000_000)
    for number in range(first, first + pages):
        opened.append([page_event(number)])
    return opened


def files(folder: Path) -> "tuple[Path, Path]":
    return folder / JOURNAL / f"{NAME}.jsonl", folder / f"{NAME}-00000.warc.gz"


def test_what_is_written_is_read_again_and_lies_where_it_says(tmp_path: Path) -> None:
    with begin(tmp_path, 3) as opened:
        offsets = opened.append([page_event(7), ({"host": "a.test", "reason": "x"}, ())])
        assert opened.read(offsets[0])["page"] == f"{7:032x}"
        assert opened.read(offsets[1])["host"] == "a.test"
    events = recovered(tmp_path)
    assert pages_of(events) == [0, 1, 2, 7]
    for event in events:
        place = place_of(event)
        if place is not None:
            content = (tmp_path / place.file).read_bytes()[place.offset : place.offset + place.length]
            assert gzip.decompress(content).startswith(f"page {int(event['page'], 16)}".encode())


def test_a_second_process_is_kept_away(tmp_path: Path) -> None:
    with begin(tmp_path), pytest.raises(UserError, match="another process"):
        Journal(str(tmp_path), NAME)


def test_a_half_written_record_and_half_a_line_are_cut(tmp_path: Path) -> None:
    with begin(tmp_path, 2):
        pass
    lines, warc = files(tmp_path)
    whole = warc.stat().st_size
    with warc.open("ab") as file:
        file.write(member("never told of")[:-5])
    with lines.open("ab") as file:
        file.write(b'{"page": "00')
    assert pages_of(recovered(tmp_path)) == [0, 1]
    assert warc.stat().st_size == whole
    with begin(tmp_path, 1, first=2):
        pass
    assert pages_of(recovered(tmp_path)) == [0, 1, 2]
    gzip.decompress(warc.read_bytes())


@pytest.mark.parametrize("lost", [5, 20, 59])
def test_records_that_a_power_cut_took_are_not_believed(tmp_path: Path, lost: int) -> None:
    with begin(tmp_path, 2) as opened:
        opened.sync()
        opened.append([page_event(2)])
        opened._synced = opened._size  # as if the machine had stopped before the next sync
        opened._told_synced = opened._synced
    _, warc = files(tmp_path)
    content = bytearray(warc.read_bytes())
    content[-lost:] = bytes(lost)
    warc.write_bytes(content)
    assert pages_of(recovered(tmp_path)) == [0, 1]
    with begin(tmp_path, 1, first=5):
        pass
    assert pages_of(recovered(tmp_path)) == [0, 1, 5]
    gzip.decompress(warc.read_bytes())


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 3000), st.integers(0, 3000))
def test_cut_anywhere_what_is_told_is_there(
    tmp_path_factory: pytest.TempPathFactory, line_bytes: int, warc_bytes: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    with begin(folder, 6) as opened:
        opened._synced = opened._told_synced = opened._size
    lines, warc = files(folder)
    for path, size in ((lines, line_bytes), (warc, warc_bytes)):
        path.write_bytes(path.read_bytes()[:size])
    told = pages_of(recovered(folder))
    assert told == list(range(len(told)))
    if told:
        assert gzip.decompress(warc.read_bytes()).count(b"request") == len(told)
    with begin(folder, 2, first=len(told)):
        pass
    assert pages_of(recovered(folder)) == list(range(len(told) + 2))


def test_a_large_file_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "MAX_FILE_BYTES", 1000)
    with begin(tmp_path) as opened:
        opened.append([page_event(number) for number in range(30)])
    names = sorted(path.name for path in tmp_path.glob("*.warc.gz"))
    assert len(names) >= 3
    assert names[0] == f"{NAME}-00000.warc.gz"
    for name in names:
        assert (tmp_path / name).stat().st_size <= 1500
        assert gzip.decompress((tmp_path / name).read_bytes()).startswith(b"WARC/1.1\r\nWARC-Type: warcinfo")
    assert pages_of(recovered(tmp_path)) == list(range(30))
    with begin(tmp_path, 1, first=30):
        pass
    assert pages_of(recovered(tmp_path)) == list(range(31))


def test_a_line_that_is_no_event_ends_what_is_believed(tmp_path: Path) -> None:
    with begin(tmp_path, 2):
        pass
    lines, _ = files(tmp_path)
    with lines.open("ab") as file:
        file.write(b"\0\0\0\n[1]\n" + b'{"page": "00"}\n')
    assert pages_of(recovered(tmp_path)) == [0, 1]
