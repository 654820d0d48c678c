"""Records of archives, read one after another; those that lie far away are asked for ahead of time."""

import collections
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import NamedTuple

from pipeline.records import RecordReader
from webtext import storage
from webtext.errors import UserError

READ_AHEAD = 16
"""Requests to a remote store at a time: at some 50 ms each, 300 records a second."""


class Whereabouts(NamedTuple):
    """A row of a partition's pages, and where its record lies."""

    row: int
    path: str
    offset: int
    length: int


def read_records(
    places: Iterable[Whereabouts], reader: RecordReader, threads: Executor
) -> Iterator[tuple[Whereabouts, bytes]]:
    """The bytes of each record, in the order of `places`; at most READ_AHEAD records of remote files are held.

    Raises UserError for an archive that cannot be read.
    """
    ahead: collections.deque[tuple[Whereabouts, Future[bytes]]] = collections.deque()
    for place in places:
        if storage.is_local(place.path):
            yield place, _read(reader, place)
            continue
        ahead.append((place, threads.submit(_read, reader, place)))
        if len(ahead) >= READ_AHEAD:
            oldest, record = ahead.popleft()
            yield oldest, record.result()
    for place, record in ahead:
        yield place, record.result()


def _read(reader: RecordReader, place: Whereabouts) -> bytes:
    try:
        return reader.read(place.path, place.offset, place.length)
    except OSError as error:
        raise UserError(
            f"cannot read {place.path}: {error.strerror or error}; put the archive back and run the same command again."
        ) from error
