"""What a harvest leaves in its folder, and what a later one begins with.

RS_YYYY-MM.zst     posts whose score has settled, by the month of the post: dumps like Pushshift's
pending.ndjson     posts that wait for their score
marks.json         how far each listing has been read

A dump grows by a compressed frame at its end; every file is replaced as a whole. They are written in this order, so a
harvest that dies between two of them does again what it had done, finds it in the dumps, and takes nothing twice.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import orjson
import zstandard

from pipeline.harvest import dumps, months
from pipeline.harvest.months import Month
from webtext import storage
from webtext.errors import UserError

PENDING = "pending.ndjson"
MARKS = "marks.json"
_LEVEL = 10


class Waiting(NamedTuple):
    """A post that was seen before its score had settled.

    created_utc: seconds since 1970. missed: in how many harvests Reddit was asked for it and did not have it.
    """

    id: str
    created_utc: int
    missed: int = 0


class Settled(NamedTuple):
    """A post to keep: its line ends with a line feed."""

    id: str
    created_utc: int
    line: bytes


class Store:
    """A harvest's folder. What is added to it is on disk after `save`, not before."""

    def __init__(self, folder: str) -> None:
        """Raises UserError when what lies there cannot be read."""
        self._folder = folder
        self._new: dict[Month, dict[str, Settled]] = {}
        self._kept: dict[Month, set[str]] = {}
        self.pending: dict[str, Waiting] = {}
        self.marks: dict[str, int] = {}
        """By listing, the time of creation of the newest post that it showed."""
        storage.remove_temporaries(folder)
        path = storage.join(folder, PENDING)
        try:
            if storage.exists(path):
                rows = map(orjson.loads, storage.read_bytes(path).splitlines())
                self.pending = {row["id"]: Waiting(row["id"], int(row["created_utc"]), row["missed"]) for row in rows}
            path = storage.join(folder, MARKS)
            if storage.exists(path):
                self.marks = {str(listing): int(mark) for listing, mark in storage.read_json(path).items()}
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise UserError(f"{path} is damaged; move it away: what it told is then asked of Reddit anew.") from error

    def knows(self, post_id: str, created_utc: int) -> bool:
        """Whether a post is kept or waits."""
        return post_id in self.pending or self.keeps(post_id, created_utc)

    def keeps(self, post_id: str, created_utc: int) -> bool:
        """Whether a post is in a dump, or will be with the next `save`."""
        month = Month.of(created_utc)
        if month not in self._kept:
            self._kept[month] = self._ids_in(month)
        return post_id in self._kept[month] or post_id in self._new.get(month, ())

    def keep(self, post: Settled) -> None:
        """A post's score has settled; it waits no longer. One that is kept already is not kept again."""
        self.pending.pop(post.id, None)
        if not self.keeps(post.id, post.created_utc):
            self._new.setdefault(Month.of(post.created_utc), {})[post.id] = post

    def save(self) -> None:
        """Write everything down: what is kept first, what was read of the listings last."""
        for month, posts in sorted(self._new.items()):
            self._append(month, posts)
            self._kept[month] |= posts.keys()
        self._new = {}
        waiting = sorted(self.pending.values(), key=lambda post: (post.created_utc, post.id))
        lines = b"".join(orjson.dumps(post._asdict(), option=orjson.OPT_APPEND_NEWLINE) for post in waiting)
        storage.write_bytes(self._folder, PENDING, lines)
        storage.write_json(self._folder, MARKS, self.marks)

    def _append(self, month: Month, posts: Mapping[str, Settled]) -> None:
        ordered = sorted(posts.values(), key=lambda post: (post.created_utc, post.id))
        frame = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(b"".join(p.line for p in ordered))
        path = self._dump(month)
        before = storage.exists(path)
        with storage.open_atomic(path) as new:
            if before:
                with storage.opened(path) as old:
                    shutil.copyfileobj(old, new)
            new.write(frame)

    def _ids_in(self, month: Month) -> set[str]:
        path = self._dump(month)
        return set(_ids(path, dumps.lines(path))) if storage.exists(path) else set()

    def _dump(self, month: Month) -> str:
        return storage.join(self._folder, months.dump_name(month))


def _ids(path: str, lines: Iterable[bytes | dumps.BrokenLine]) -> Iterator[str]:
    for line in lines:
        post_id = None if isinstance(line, dumps.BrokenLine) else _id(line)
        if post_id is None:
            raise UserError(
                f"{path} is damaged, and nothing is added to it; move it away: what Reddit still lists of it "
                "is then taken anew."
            )
        yield post_id


def _id(line: bytes) -> str | None:
    try:
        return str(json.loads(line)["id"])
    except (ValueError, LookupError, TypeError):
        return None
