"""Whether a dump is what it says it is: read from its beginning to its end, or only begun."""

import dataclasses
import datetime
import posixpath
from collections.abc import Iterator

import orjson
import zstandard

from pipeline.harvest import dumps, months
from pipeline.harvest.months import Month
from pipeline.harvest.submissions import MAX_TIME, whole_number
from pipeline.harvest.tallies import USELESS_AVERAGE
from webtext import storage
from webtext.errors import UserError

QUICK_LINES = 1000
LOOKED_AT_EVERY = 100
"""After the first thousand lines, of so many one is parsed, and the last."""
ENOUGH_SCORES = 100
_HEAD_BYTES = 64
_KNOWN_WINDOW = 8 << 20
"""What zstd decoders allow unless they are told otherwise."""


@dataclasses.dataclass(frozen=True)
class Checked:
    """What was found in one dump.

    month: by its name, or by its first post where the name tells none. packing: the codec, with zstd's window. lines:
    None when not all were read. first, last: seconds since 1970. troubles: half a sentence for each.
    """

    path: str
    month: Month | None = None
    packing: str = ""
    lines: int | None = None
    first: int | None = None
    last: int | None = None
    troubles: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A line for a person."""
        lines = "begun only" if self.lines is None else f"{self.lines:,} lines"
        posts = f"posts of {_day(self.first)} to {_day(self.last)}" if self.first and self.last else "no posts"
        state = "; ".join(self.troubles) or ("looks sound" if self.lines is None else "sound")
        return f"{self.path}: {self.packing or 'plain'}, {lines}, {posts}: {state}"


def check(path: str, *, quick: bool = False) -> Checked:
    """Read a dump. quick: only its first thousand lines, which tells neither its length nor whether it is whole.

    What is wrong with the file is in the result. Raises nothing that a file can cause.
    """
    named = months.dump_month(posixpath.basename(path))
    try:
        with storage.opened(path) as file:
            packing = _packing(file.read(_HEAD_BYTES))
        look = _Look()
        for line in dumps.lines(path):
            look.at(line)
            if quick and look.lines == QUICK_LINES:
                break
        look.end()
    except (OSError, MemoryError, UserError) as error:
        return Checked(path, named, troubles=(f"cannot be read ({error})",))
    by_content = Month.of(look.first) if look.first is not None else None
    return Checked(
        path,
        named or by_content,
        packing,
        None if quick and look.lines == QUICK_LINES else look.lines,
        look.first,
        look.last,
        tuple(_troubles(named, look)),
    )


class _Look:
    """What has been seen of a file's lines."""

    def __init__(self) -> None:
        self.lines = self.broken = self.looked = self.strange = self.comments = 0
        self.scores = self.score_sum = 0
        self.first: int | None = None
        self.last: int | None = None
        self.damage = ""
        self._before = b""

    def at(self, line: bytes | dumps.BrokenLine) -> None:
        if isinstance(line, dumps.BrokenLine):
            if line.fault is dumps.Fault.TRUNCATED:
                self.damage = line.detail
            else:
                self.broken += 1
                self.lines += 1
            return
        if self.lines < QUICK_LINES or self.lines % LOOKED_AT_EVERY == 0:
            self._look(line)
            self._before = b""
        else:
            self._before = line
        self.lines += 1

    def end(self) -> None:
        if self._before:
            self._look(self._before)

    def _look(self, line: bytes) -> None:
        self.looked += 1
        try:
            post = orjson.loads(line)
        except orjson.JSONDecodeError:
            post = None
        created = whole_number(post.get("created_utc")) if isinstance(post, dict) else None
        if created is None or not 0 < created < MAX_TIME or not isinstance(post.get("id"), str):
            self.strange += 1
            return
        if "url" not in post and "body" in post:
            self.comments += 1
        self.first = created if self.first is None else min(self.first, created)
        self.last = created if self.last is None else max(self.last, created)
        if isinstance(post.get("score"), int):
            self.scores += 1
            self.score_sum += post["score"]


def _troubles(named: Month | None, look: _Look) -> Iterator[str]:
    if look.damage:
        yield f"not whole: {look.damage} after {look.lines:,} lines; get it anew"
    if not look.lines:
        if not look.damage:
            yield "nothing is in it; get it anew"
        return
    if look.comments * 2 > look.looked:
        yield "these are comments (RC_*); submissions are needed (RS_*)"
    elif look.strange * 2 > look.looked:
        yield "most lines are no posts"
    if look.broken:
        yield f"{look.broken:,} lines are longer than {dumps.MAX_LINE_BYTES:,} bytes"
    if named is not None and look.first is not None and look.last is not None:
        found = sorted({Month.of(look.first), Month.of(look.last)} - {named})
        if found:
            yield f"it is named after {named} and has posts of {' and '.join(map(str, found))}"
    if look.scores >= ENOUGH_SCORES and look.score_sum < USELESS_AVERAGE * look.scores:
        yield f"its scores average {look.score_sum / look.scores:.2f}: they were recorded before people had voted"


def _packing(head: bytes) -> str:
    name = dumps.codec(head)
    if name != "zstd":
        return name
    try:
        window = zstandard.get_frame_parameters(head).window_size
    except zstandard.ZstdError:
        return name
    return f"{name} with a window of {window >> 20} MiB" if window > _KNOWN_WINDOW else name


def _day(seconds: int | None) -> str:
    return datetime.datetime.fromtimestamp(seconds or 0, datetime.UTC).strftime("%Y-%m-%d")
