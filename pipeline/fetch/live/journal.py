"""What has been fetched, on disk as soon as it is there: WARC files, and a journal that says what lies in them.

A journal is a file of JSON lines that only grows. Each line is one event:

    {"run": KEY}             what follows was done under this config
    {"page": ID, ...}        how a link ended, and where its record lies
    {"hop": ID, ...}         a redirect that a link has followed, and where it leads
    {"robots": ORIGIN, ...}  what an origin answered for its robots.txt
    {"reserved": ORIGIN, ...} what an origin answered for a file in which it keeps things for itself
    {"host": HOST, ...}      how all other links of a host end
    {"synced": BYTES}        so much of the journal, and what it tells of, is on the disk itself

Records are written before the line that tells of them, and both before anybody acts on them. So a killed process
leaves at most records that no line tells of, and half a line: both are cut off. Every second both files are synced;
what a failing machine loses is not much more than that, and is found: lines that were not synced are believed only as
far as their records are whole.
"""

import fcntl
import itertools
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import orjson

from pipeline.fetch.live.files import JOURNAL
from pipeline.fetch.live.warc_records import info_record
from pipeline.ledger import FETCHED
from webtext.errors import UserError

MAX_FILE_BYTES = 1 << 30
"""A WARC file that has grown larger is followed by another (the size that archives use)."""

Event = dict[str, Any]

_GZIP = 31


class Place(NamedTuple):
    """Where a record lies: a file in the folder of the pages, and its bytes."""

    file: str
    offset: int
    length: int


class Journal:
    """The journal of one shard and its WARC files. One process at a time may hold it."""

    def __init__(self, folder: str, name: str) -> None:
        self._folder = Path(folder)
        self._name = name
        path = self._folder / JOURNAL / f"{name}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise UserError(
                f"another process writes {path}; wait for its end and run the same command again."
            ) from None
        self._facts: tuple[int, Sequence[tuple[str, str]]] = (0, ())
        self._warc: int | None = None
        self._warc_name = ""
        self._warc_size = 0
        self._size = 0
        self._synced = self._told_synced = 0

    def recover(self) -> Iterator[tuple[int, Event]]:
        """Every event that can be believed, with the byte of its line; then cut off the rest.

        To be read to its end before anything is written.
        """
        ends: dict[str, int] = {}
        believed = 0
        synced = self._last_sync()
        sizes: dict[str, int] = {}
        for offset, line in self._lines():
            event = _event(line)
            if event is None:
                break
            place = place_of(event)
            if place is not None:
                if place.file not in sizes:
                    sizes[place.file] = _size(self._folder / place.file)
                whole = ends.get(place.file, 0) <= place.offset and event["end"] <= sizes[place.file]
                if not whole or (offset >= synced and not self._are_whole(place.file, place.offset, event["end"])):
                    break
                ends[place.file] = event["end"]
            believed = offset + len(line)
            yield offset, event
        os.ftruncate(self._file, believed)
        self._size = believed
        for path in sorted(self._folder.glob(f"{self._name}-*.warc.gz")):
            self._cut(path, ends.get(path.name, 0))
        self._continue_file(ends)

    def recall(self, key: str) -> Iterator[tuple[int, Event, bool]]:
        """What `recover` gives, each with whether it was done under a config.

        key: tells that config. Under others only pages hold: how links ended that have none is left out.
        """
        same = False
        for offset, event in self.recover():
            if "run" in event:
                same = event["run"] == key
            elif "page" not in event or same or event["outcome"] == FETCHED:
                yield offset, event, same

    def read(self, offset: int) -> Event:
        """The event of the line that begins at a byte."""
        line = b""
        for start in itertools.count(offset, 1 << 14):
            part = os.pread(self._file, 1 << 14, start)
            line += part
            if b"\n" in part or not part:
                break
        event: Event = orjson.loads(line.partition(b"\n")[0])
        return event

    def begin(self, key: str, facts: Sequence[tuple[str, str]], at: int) -> None:
        """Say under which config what follows is done. facts: what a new WARC file says of itself."""
        self._facts = (at, facts)
        self.append([({"run": key}, ())])

    def append(self, events: Sequence[tuple[Event, Sequence[bytes]]]) -> list[int]:
        """Write events, each with its records, of which the first is the one that it tells the place of.

        Returns the bytes at which the events' lines begin, and perhaps that of one line more. Raises UserError when the
        disk is full.
        """
        offsets: list[int] = []
        lines: list[bytes] = []
        records: list[bytes] = []
        size = self._size
        if self._synced != self._told_synced:
            self._told_synced = self._synced
            events = [*events, ({"synced": self._synced}, ())]
        try:
            for event, members in events:
                if members:
                    start = self._room_for(sum(map(len, members)), records)
                    place = {"file": self._warc_name, "offset": start, "length": len(members[0])}
                    event = {**event, **place, "end": self._warc_size}
                    records += members
                line = orjson.dumps(event) + b"\n"
                offsets.append(size)
                lines.append(line)
                size += len(line)
            self._flush(records)
            _write_all(self._file, b"".join(lines), self._size)
        except OSError as error:
            raise UserError(
                f"cannot write {self._folder}: {error.strerror}; free the place and run the same command again."
            ) from error
        self._size = size
        return offsets

    def sync(self) -> None:
        """Bring everything to the disk itself. May run on another thread than `append`."""
        size = self._size
        if size == self._synced:
            return
        if self._warc is not None:
            warc = os.dup(self._warc)  # `append` may close its own meanwhile
            try:
                os.fsync(warc)
            finally:
                os.close(warc)
        os.fsync(self._file)
        self._synced = size

    def close(self) -> None:
        """Sync, and let go of the files."""
        try:
            self.sync()
            self.append([])
        finally:
            if self._warc is not None:
                os.close(self._warc)
            os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lines(self, block: int = 1 << 20) -> Iterator[tuple[int, bytes]]:
        """Whole lines, and the bytes at which they begin."""
        rest, start, at = b"", 0, 0
        while part := os.pread(self._file, block, at):
            at += len(part)
            *lines, rest = (rest + part).split(b"\n")
            for line in lines:
                yield start, line + b"\n"
                start += len(line) + 1

    def _last_sync(self) -> int:
        marks = (_event(line) for _, line in self._lines() if line.startswith(b'{"synced"'))
        return max((mark["synced"] for mark in marks if mark), default=0)

    def _are_whole(self, file: str, start: int, end: int) -> bool:
        """Whether the bytes of a file are whole gzip members."""
        with (self._folder / file).open("rb") as opened:
            opened.seek(start)
            rest = opened.read(end - start)
        while rest:
            inflater = zlib.decompressobj(_GZIP)
            try:
                inflater.decompress(rest)
            except zlib.error:
                return False
            if not inflater.eof:
                return False
            rest = inflater.unused_data
        return True

    def _cut(self, path: Path, size: int) -> None:
        if not size:
            path.unlink()
        elif path.stat().st_size > size:
            os.truncate(path, size)

    def _continue_file(self, ends: Mapping[str, int]) -> None:
        """Write on in the last WARC file."""
        if ends:
            self._warc_name = max(ends)
            self._warc_size = ends[self._warc_name]
            self._warc = os.open(self._folder / self._warc_name, os.O_WRONLY)

    def _room_for(self, size: int, records: list[bytes]) -> int:
        """Where records of so many bytes begin in the file that they go into; it may be a new one."""
        if self._warc is None or (self._warc_size + size > MAX_FILE_BYTES and self._warc_size):
            self._flush(records)
            self._next_file(records)
        start = self._warc_size
        self._warc_size += size
        return start

    def _next_file(self, records: list[bytes]) -> None:
        if self._warc is not None:
            os.fsync(self._warc)
            os.close(self._warc)
        number = int(self._warc_name.removesuffix(".warc.gz").rpartition("-")[2]) + 1 if self._warc_name else 0
        self._warc_name = f"{self._name}-{number:05d}.warc.gz"
        self._warc = os.open(self._folder / self._warc_name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        at, facts = self._facts
        info = info_record(self._warc_name, at, facts)
        records.append(info)
        self._warc_size = len(info)

    def _flush(self, records: list[bytes]) -> None:
        if records and self._warc is not None:
            content = b"".join(records)
            _write_all(self._warc, content, self._warc_size - len(content))
            records.clear()


def place_of(event: Mapping[str, Any]) -> Place | None:
    """Where the record of an event lies, None where it has none."""
    return Place(event["file"], event["offset"], event["length"]) if "file" in event else None


def _event(line: bytes) -> Event | None:
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    view = memoryview(content)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
