"""A whole archive, read once from end to end: what it holds, and where it is damaged.

Archives mostly hold far more than anybody asked for. A gzip member states its inflated size in its last four bytes, and
a record states its length in its head: where the two agree, the member's end is found without inflating what lies
between. So a record that nobody wants costs the look at its head. Any doubt is settled by inflating.

Nothing here raises for bytes: a place that cannot be read is passed over up to where the next record begins, and told.
"""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

import ada_url

from pipeline import urls
from pipeline.codings import GZIP_MAGIC, ZSTD_MAGIC, inflate
from pipeline.fetch.captures import Capture, Damage
from pipeline.fetch.window import Window
from pipeline.warc import (
    MAX_HEAD,
    MAX_LINE,
    PAGE_KINDS,
    HttpHead,
    RecordHead,
    block_of,
    ends_record,
    holds_http,
    parse_http_head,
    parse_record_head,
    payload_of,
)

LOOK_AHEAD = 8 << 20
"""Bytes that are held, at most, while looking for the next record."""
DAMAGED = "damaged"
"""Of a capture: its record breaks off or cannot be inflated to its end."""

_CAPTURE_KINDS = PAGE_KINDS | {"revisit"}
_FIRST_FEED = 2048
_FEED = 1 << 16
_STEP = 1 << 18
_CHANCE_MARKS = 16
"""Places within one member that may look like the beginning of another: by chance one in 16 MB does."""
_STATUS_LINE = 64
_GZIP_WINDOW = 31
_RECORD_ENDS = (4, 2, 1, 0)
_PADDING = b"\r\n\x00"
_RECORD_MARKS = (b"WARC/", b"http", b"filedesc:", b"dns:", b"ftp:")
_START_IN_PLAIN = re.compile(rb"WARC/\d\.\d|(?<=\n)(?:https?|filedesc|dns|ftp):")

Wanted = Callable[[str], bool]
"""Whether a link id is one whose bodies are to be hashed."""


def scan(file: BinaryIO, name: str, wanted: Wanted, max_bytes: int) -> Iterator[Capture | Damage]:
    """All captures of an archive, and its damaged places, in the order of the file.

    file: the archive as it lies, WARC or ARC, plain or gzip with a member for each record. It must be able to seek.
    name: what captures and damages call it.
    wanted: for which link ids `payload_sha256` is measured (answers with status 200 only).
    max_bytes: most bytes of a body that is measured.
    Holds at most some 10 MB of the file, and one inflated record of at most `max_bytes` and a head.
    """
    window = Window(file, name)
    beginning = window.peek(4)
    if beginning.startswith(GZIP_MAGIC[:2]):
        yield from _scan_gzip(window, wanted, max_bytes)
    elif beginning.startswith(ZSTD_MAGIC) or beginning[1:] == b"\x2a\x4d\x18":
        yield Damage(name, 0, window.size, "packed with zstd, which is not read: pack it with gzip, record by record")
    else:
        yield from _scan_plain(window, wanted, max_bytes)


class _Look(NamedTuple):
    """The heads of one record. `id` and `url` are empty where it is no capture of a page's address."""

    head: RecordHead
    http: HttpHead | None
    id: str
    url: str


def _look(beginning: bytes, *, all_there: bool) -> _Look | None:
    """The heads that `beginning` holds; None when it does not hold them to their end and there is more."""
    head = parse_record_head(beginning)
    if head is None:
        return None
    if head.kind not in _CAPTURE_KINDS or head.url[:4].lower() != "http":
        return _Look(head, None, "", "")
    http = None
    if holds_http(head):
        # Not only as much of it as the record states: lengths may lie.
        block = beginning[head.size :]
        http = parse_http_head(block)
        complete = http.complete if http else len(block) >= _STATUS_LINE
        if not (complete or len(beginning) >= MAX_HEAD or all_there):
            return None
    url = urls.normalise(head.url)
    return _Look(head, http, urls.link_id(url) if url else "", url or "")


def _is_measured(look: _Look, wanted: Wanted, max_bytes: int) -> bool:
    whole_head = look.http is None or look.http.complete
    status = look.http.status if look.http else 200
    fits = look.head.length is None or look.head.length <= max_bytes + MAX_HEAD
    return look.head.kind in PAGE_KINDS and status == 200 and whole_head and fits and look.id != "" and wanted(look.id)


def _payload_sha256(plain: bytes, look: _Look) -> str:
    payload = payload_of(block_of(plain, look.head).body, look.http)
    return hashlib.sha256(payload.body).hexdigest()


def _found(window: Window, look: _Look, offset: int, sha256: str, truncated: str) -> Iterator[Capture | Damage]:
    """What comes of the record between `offset` and the window's position."""
    head, http = look.head, look.http
    length = window.offset - offset
    if look.url:
        yield Capture(
            id=look.id,
            url=look.url,
            date=head.date,
            kind=head.kind,
            status=http.status if http else (200 if head.kind == "resource" else None),
            content_type=http.headers.get("content-type", "") if http else _own_type(head),
            file=window.name,
            offset=offset,
            length=length,
            payload_bytes=max((head.length or 0) - (http.size if http else 0), 0),
            payload_digest=head.payload_digest,
            payload_sha256=sha256,
            location=_location(look.url, http),
            refers_to_url=(urls.normalise(head.refers_to_url) or "") if head.refers_to_url else "",
            refers_to_date=head.refers_to_date,
            truncated=head.truncated or truncated,
        )
    elif head.kind in _CAPTURE_KINDS and head.url[:4].lower() == "http":
        yield Damage(window.name, offset, length, "an address that is none, or too long")
    if truncated:
        yield Damage(window.name, offset, length, "a record that is not whole")


def _own_type(head: RecordHead) -> str:
    return head.content_type if head.kind == "resource" else ""


def _location(url: str, http: HttpHead | None) -> str:
    if http is None or not 300 <= http.status < 400:
        return ""
    given = http.headers.get("location", "")
    if not given or len(given) > urls.MAX_LENGTH:
        return ""
    # Heads are read as latin-1, but addresses in them are UTF-8 more often than not.
    given = given.encode("latin-1", "replace").decode("utf-8", "replace")
    try:
        return urls.normalise(ada_url.join_url(url, given)) or ""
    except ValueError:
        return ""


# --- gzip, a member for each record ---


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
            packed = self._window.peek_at_hand(feed)
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


def _scan_gzip(window: Window, wanted: Wanted, max_bytes: int) -> Iterator[Capture | Damage]:
    while window.left > 0:
        start = window.offset
        if window.peek(len(GZIP_MAGIC)) != GZIP_MAGIC:
            yield from _to_next_member(window, start, "no gzip member where one should begin")
            continue
        member = _Member(window)
        beginning, look = _look_into(member)
        if look is None:
            what = (
                f"a gzip member that cannot be inflated: {member.broken}"
                if member.broken
                else "no record in a gzip member"
            )
            yield from _to_next_member(window, start, what)
            continue
        yield from _scan_member(window, start, member, beginning, look, wanted, max_bytes)


def _look_into(member: _Member) -> tuple[bytes, _Look | None]:
    beginning = b""
    while len(beginning) < MAX_HEAD and (part := member.read(_STEP, _FIRST_FEED)):
        beginning += part
        if not beginning[:9].startswith(_RECORD_MARKS):
            return beginning, None
        look = _look(beginning, all_there=member.ended)
        if look is not None:
            return beginning, look
    return beginning, _look(beginning, all_there=True)


def _scan_member(
    window: Window, start: int, member: _Member, beginning: bytes, look: _Look, wanted: Wanted, max_bytes: int
) -> Iterator[Capture | Damage]:
    sha256 = ""
    plain = beginning
    if _is_measured(look, wanted, max_bytes):
        plain += member.read_up_to(max_bytes + MAX_HEAD - len(beginning))
        if member.whole:
            sha256 = _payload_sha256(plain, look)
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
    yield from _found(window, look, start, sha256, truncated)
    if look.head.length is not None and parse_record_head(behind.lstrip(_PADDING)):
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
    return plain.startswith(_RECORD_MARKS)


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
    yield from _passed_over(window, start, what)


def _passed_over(window: Window, start: int, what: str) -> Iterator[Damage]:
    """Tell what was passed over between `start` and the position, unless it is mere padding."""
    end = window.offset
    if end - start <= MAX_LINE:
        window.move_to(start)
        padding = not window.peek(end - start).strip(_PADDING)
        window.move_to(end)
        if padding:
            return
    yield Damage(window.name, start, end - start, what)


# --- plain ---


def _scan_plain(window: Window, wanted: Wanted, max_bytes: int) -> Iterator[Capture | Damage]:
    while window.left > 0:
        start = window.offset
        look = _look_ahead(window)
        if look is None:
            yield from _to_next_record(window, start, "no record where one should begin")
            continue
        sha256 = ""
        end, whole = _end_of_record(window, start, look.head)
        if whole and end - start <= max_bytes + MAX_HEAD and _is_measured(look, wanted, max_bytes):
            window.move_to(start)
            sha256 = _payload_sha256(window.peek(end - start), look)
        window.move_to(end)
        yield from _found(window, look, start, sha256, "" if whole else DAMAGED)


def _look_ahead(window: Window) -> _Look | None:
    size = MAX_LINE
    while True:
        beginning = window.peek(size)
        all_there = size >= MAX_HEAD or len(beginning) < size
        look = _look(beginning, all_there=all_there) if beginning.startswith(_RECORD_MARKS) else None
        if look is not None or all_there or not beginning.startswith(_RECORD_MARKS):
            return look
        size = MAX_HEAD


def _end_of_record(window: Window, start: int, head: RecordHead) -> tuple[int, bool]:
    """Where the record at `start` ends, and whether it is whole. Its stated length must lead to another record."""
    body = start + head.size
    if head.length is not None and body + head.length <= window.size:
        window.move_to(body + head.length)
        behind = window.peek(MAX_LINE)
        if ends_record(behind):
            return body + head.length + len(behind) - len(behind.lstrip(_PADDING)), True
    list(_to_next_record(window, body, ""))
    end = window.offset
    return end, head.length is None or body + head.length <= end


def _to_next_record(window: Window, start: int, what: str) -> Iterator[Damage]:
    window.move_to(start)
    while window.left > 0:
        block = window.peek(1 << 20)
        for match in _START_IN_PLAIN.finditer(block, 1 if window.offset == start else 0):
            if parse_record_head(window.peek(MAX_LINE, match.start())):
                window.advance(match.start())
                yield from _passed_over(window, start, what)
                return
        # A mark may lie across the border of two blocks.
        window.advance(len(block) if len(block) == window.left else len(block) - 16)
    yield from _passed_over(window, start, what)
