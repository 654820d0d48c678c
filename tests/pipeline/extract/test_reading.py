"""Records come in the order in which they were asked for, from near and from far."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fsspec
import pytest

from pipeline.extract.reading import READ_AHEAD, Whereabouts, read_records
from pipeline.records import RecordReader
from webtext.errors import UserError

CONTENT = bytes(range(256)) * 4


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(READ_AHEAD) as executor:
        yield executor


def test_near_and_far_records_come_with_their_places(tmp_path: Path, threads: ThreadPoolExecutor) -> None:
    near, far = str(tmp_path / "near.warc"), "memory://archives/far.warc"
    for path in (near, far):
        with fsspec.open(path, "wb") as file:
            file.write(CONTENT)
    wild = random.Random(3)
    places = [
        Whereabouts(row, wild.choice((near, far)), wild.randrange(500), 1 + wild.randrange(99)) for row in range(200)
    ]
    with RecordReader() as reader:
        found = list(read_records(places, reader, threads))
    assert sorted(place for place, _ in found) == places
    assert [place for place, _ in found if place.path == far] == [place for place in places if place.path == far]
    assert all(record == CONTENT[place.offset : place.offset + place.length] for place, record in found)


def test_far_records_are_asked_for_ahead_but_never_too_many(threads: ThreadPoolExecutor) -> None:
    class SlowReader(RecordReader):
        asked = held = most = 0
        lock = threading.Lock()

        def read(self, path: str, offset: int, length: int) -> bytes:
            with self.lock:
                self.asked += 1
                self.held += 1
                self.most = max(self.most, self.held)
            time.sleep(0.02)
            return b"x"

    reader = SlowReader()
    places = (Whereabouts(row, "memory://far", 0, 1) for row in range(100))
    for _ in read_records(places, reader, threads):
        reader.held -= 1
    assert reader.asked == 100
    assert 2 <= reader.most <= READ_AHEAD


@pytest.mark.parametrize("path", ["/nowhere/pages.warc", "memory://nowhere/pages.warc"])
def test_an_archive_that_is_gone_is_told(path: str, threads: ThreadPoolExecutor) -> None:
    with RecordReader() as reader, pytest.raises(UserError, match=f"cannot read {path}"):
        list(read_records([Whereabouts(0, path, 0, 1)], reader, threads))
