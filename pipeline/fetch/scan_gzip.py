"""An archive of gzip members, one for each record.

Archives mostly hold far more than anybody asked for. A member states its inflated size in its last four bytes, and a
record states its length in its head: where the two agree, the member's end is found without inflating what lies
between. So a record that nobody wants costs the look at its head. Any doubt is settled by inflating.
"""

import zlib
from collections.abc import Iterator

from pipeline.codings import GZIP_MAGIC, inflate
from pipeline.fetch.captures import Capture, Damage
from pipeline.fetch.looking import (
    DAMAGED,
    LONGEST_MARK,
    PADDING,
    RECORD_MARKS,
    Look,
    Wanted,
    captured,
    is_measured,
    look_at,
    passed_over,
    payload_sha256,
)
from pipeline.fetch.window import Window
from pipeline.warc import MAX_HEAD, MAX_LINE, RecordHead, parse_record_head

LOOK_AHEAD = 8 << 20
"""Bytes that are held, at most, while looking for the next member."""

_FIRST_FEED = 2048
_FEED = 1 << 16
_STEP = 1 << 18
_CHANCE_MARKS = 16
"""Places within one member that may look like the beginning of another: by chance one in 16 MB does."""
_GZIP_WINDOW = 31
_RECORD_ENDS = (4, 2, 1, 0)


class _Member:
    """One gzip member, inflated step by step from the window's position on."""

    def __init__(self, window: Window) -> None:
        self.size = 0
        """Bytes inflated so far."""
        self.whole = False
        """Whether it was read to its end, and its checksum was right."""
        self.broken = ""
        """Why it cannot be read any further."""
        self._window = window
        self._inflater = zlib.decompressobj(_GZIP_WINDOW)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.whole or self.broken != ""

    def read(self, size: int, feed: int = _FEED) -> bytes:
        """Some more inflated bytes, at most `size`; none only at its end."""
        while not self.ended:
            packed = self._window.peek(feed)
            try:
                plain = self._inflater.decompress(packed, size)
            except zlib.error as error:
                self.broken = str(error).rpartition(": ")[2]
                # The failing call took with it what it had inflated. Of the first one, that is the record's head.
                plain = b"" if self.size else inflate(packed, size).body
                self.size += len(plain)
                return plain
            self.whole = self._inflater.eof
            left = self._inflater.unused_data if self.whole else self._inflater.unconsumed_tail
            self._window.advance(len(packed) - len(left))
            if plain:
                self.size += len(plain)
                return plain
            if not packed and not self.whole:
                self.broken = "the file ends in it"
        return b""

    def read_up_to(self, size: int) -> bytes:
        """The next `size` bytes; fewer only when it ends."""
        parts = []
        while size > 0 and (part := self.read(min(size, _STEP))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def read_to_end(self, border: int) -> bytes:
        """Read all that is left; returns what lies from byte `border` of the member on, a line's length of it."""
        behind = b""
        while part := self.read(_STEP):
            if self.size > border and len(behind) < MAX_LINE:
                behind += part[max(border - (self.size - len(part)), 0) :][:MAX_LINE]
        return behind


def scan_gzip(window: Window, wanted: Wanted, max_bytes: int) -> Iterator[Capture | Damage]:
    """All captures and damages from the window's position on; see `scan.scan`."""
    while window.left > 0:
        start = window.offset
        if window.peek(len(GZIP_MAGIC)) != GZIP_MAGIC:
            yield from _to_next_member(window, start, "no gzip member where one should begin")
            continue
        member = _Member(window)
        beginning, look = _look_into(member)
        if look is None:
            reason = f": {member.broken}" if member.broken else ""
            yield from _to_next_member(window, start, f"a gzip member without a record that can be read{reason}")
            continue
        yield from _scan_member(window, start, member, beginning, look, wanted, max_bytes)


def _look_into(member: _Member) -> tuple[bytes, Look | None]:
    beginning = b""
    while len(beginning) < MAX_HEAD and (part := member.read(_STEP, _FIRST_FEED)):
        beginning += part
        if len(beginning) >= LONGEST_MARK and not beginning.startswith(RECORD_MARKS):
            return beginning, None
        look = look_at(beginning, all_there=member.ended)
        if look is not None:
            return beginning, look
    return beginning, look_at(beginning, all_there=True)


def _scan_member(
    window: Window, start: int, member: _Member, beginning: bytes, look: Look, wanted: Wanted, max_bytes: int
) -> Iterator[Capture | Damage]:
    sha256 = ""
    plain = beginning
    if is_measured(look, wanted, max_bytes):
        plain += member.read_up_to(max_bytes + MAX_HEAD - len(beginning))
        if member.whole:
            sha256 = payload_sha256(plain, look)
    border = look.head.size + (look.head.length or 0)
    behind = plain[border : border + MAX_LINE]
    if not member.ended and not _skip_member(window, look.head):
        behind += member.read_to_end(max(border, len(plain)))
    truncated = ""
    if member.broken:
        truncated = DAMAGED
        window.move_to(start)
        list(_to_next_member(window, start, member.broken))
    elif member.whole and member.size < border:
        truncated = DAMAGED
    yield from captured(window, look, start, sha256, truncated)
    if look.head.length is not None and parse_record_head(behind.lstrip(PADDING)):
        yield Damage(
            window.name,
            start,
            window.offset - start,
            "several records in one gzip member, of which only the first can be used: pack each in a member of its own",
        )


def _skip_member(window: Window, head: RecordHead) -> bool:
    """Move to the member's end without inflating it, where that end can be told for sure."""
    if head.length is None:
        return False
    ends = {((head.size + head.length + end) & 0xFFFFFFFF).to_bytes(4, "little") for end in _RECORD_ENDS}
    ahead = 0
    for _ in range(_CHANCE_MARKS):
        found = window.find(GZIP_MAGIC, ahead, LOOK_AHEAD)
        if found < 0:
            break
        begins = _record_begins(window, found)
        if begins and window.behind(found, 4) in ends:
            window.advance(found)
            return True
        if begins:
            return False
        ahead = found + 1
    if window.left < LOOK_AHEAD and window.behind(window.left, 4) in ends:
        window.move_to(window.size)
        return True
    return False


def _record_begins(window: Window, ahead: int) -> bool:
    try:
        plain = zlib.decompressobj(_GZIP_WINDOW).decompress(window.peek(_FIRST_FEED, ahead), 16)
    except zlib.error:
        return False
    return plain.startswith(RECORD_MARKS)


def _to_next_member(window: Window, start: int, what: str) -> Iterator[Damage]:
    window.move_to(start)
    ahead = 1
    while True:
        found = window.find(GZIP_MAGIC, ahead, LOOK_AHEAD)
        if found >= 0 and _record_begins(window, found):
            window.advance(found)
            break
        if found >= 0:
            ahead = found + 1
        elif window.left <= LOOK_AHEAD:
            window.move_to(window.size)
            break
        else:
            window.advance(LOOK_AHEAD - len(GZIP_MAGIC))
            ahead = 1
    yield from passed_over(window, start, what)
