"""One record of a web archive: from the bytes of a file to the answer of a web server.

Reads WARC 0.17 to 1.1 (ISO 28500) and ARC 1 records. Archives of twenty years hold records of odd make: clipped ones,
lengths that lie, heads without a blank line, line feeds alone, chunks that were joined or were not. Nothing here raises
for bytes; what cannot be read is an Ending, what can be read in part says so.

This file is also imported by the sandboxed child processes: it needs nothing that is slow to import.
"""

import dataclasses
import datetime
import re
from typing import NamedTuple

from pipeline.codings import GZIP_MAGIC, ZSTD_MAGIC, Unpacked, inflate, undo_chunked, undo_content_codings, unzstd
from pipeline.ledger import Ending, Reason, dropped, failed

MAX_HEAD = 1 << 18
"""Bytes that a record's head and the HTTP head in it may have together. Servers refuse to send a sixteenth of that."""

MAX_LINE = 20_000
"""Bytes that the head of an ARC record may have: a line with an address in it."""

PAGE_KINDS = frozenset({"response", "resource"})
"""Types of records that hold a page themselves."""

_WARC_VERSION = re.compile(rb"WARC/\d\.\d{1,2}[ \t]*\r?\n")
_ARC_SCHEMES = (b"http://", b"https://", b"filedesc:", b"dns:", b"ftp://")
_ARC_DATE = re.compile(r"[0-9]{8,18}")
_LENGTH = re.compile(r"[0-9]{1,18}")
_RECORD_ENDS = (b"\r\n\r\n", b"\n\n")
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_STATUS_LINE = re.compile(rb"(?:HTTP/\d(?:\.\d)?|ICY)[ \t]+(\d{3})(?!\d)")
_FOLDS = frozenset(" \t")
_NOT_DIGITS = re.compile(r"\D+")
_HTTP_KINDS = frozenset({"response", "revisit"})


class RecordHead(NamedTuple):
    """What a record says of itself. Texts are empty where it says nothing."""

    kind: str
    """WARC-Type in lower case; ARC records are responses, or warcinfo for the file's description."""
    url: str
    date: int | None
    """Seconds since 1970, UTC."""
    content_type: str
    """Of the block: application/http for an answer, the page's own type for a resource."""
    length: int | None
    """Bytes of the block, as stated; None when that cannot be read."""
    size: int
    """Bytes of the head itself, blank line included."""
    payload_digest: str
    refers_to_url: str
    refers_to_date: int | None
    truncated: str
    """Why the crawler cut the record off, in WARC-Truncated's words."""


class HttpHead(NamedTuple):
    """The head of an answer."""

    status: int
    headers: dict[str, str]
    """Names in lower case; those that repeat are joined by a comma and a space."""
    size: int
    """Bytes of the head itself, blank line included."""
    complete: bool
    """Whether its end was found."""


class Record(NamedTuple):
    """One record taken apart."""

    head: RecordHead
    http: HttpHead | None
    payload: bytes
    """The body as it was sent: transfer coding undone, content coding not."""
    flaw: str
    """What is wrong with the record, empty when nothing is."""


@dataclasses.dataclass(frozen=True, slots=True)
class HttpResponse:
    """What a server answered, ready to be read as a page."""

    status: int
    headers: dict[str, str]
    body: bytes
    """Transfer and content coding undone."""
    flaw: str = ""
    """What had to be guessed or is missing, empty when nothing."""

    @property
    def content_type(self) -> str:
        """The Content-Type header as it was sent; empty where there was none."""
        return self.headers.get("content-type", "")


def read_response(record: bytes, max_bytes: int) -> HttpResponse | Ending:
    """The answer that one record holds.

    record: its bytes as they lie in the archive: a gzip member, a zstd frame, or plain.
    max_bytes: most bytes of a body, after inflation; nothing larger is ever built in memory.
    Returns an Ending with TOO_LARGE or BROKEN_RECORD where there is no such answer. A resource record, which has no
    HTTP head, answers with status 200.
    """
    unpacked = unpack_record(record, max_bytes)
    if isinstance(unpacked, Ending):
        return unpacked
    if unpacked.head.kind not in PAGE_KINDS:
        return failed(Reason.BROKEN_RECORD, f"a record of type {unpacked.head.kind or 'unknown'} holds no page")
    status, headers = (unpacked.http.status, unpacked.http.headers) if unpacked.http else (200, {})
    if not unpacked.http and unpacked.head.content_type:
        headers = {"content-type": unpacked.head.content_type}
    body = undo_content_codings(unpacked.payload, headers.get("content-encoding", ""), max_bytes)
    if isinstance(body, Ending):
        return body
    flaw = "; ".join(filter(None, (unpacked.flaw, body.flaw)))
    return HttpResponse(status, headers, body.body, flaw)


def unpack_record(record: bytes, max_bytes: int) -> Record | Ending:
    """Take one record apart; arguments and endings as for `read_response`."""
    plain = _decompress(record, max_bytes + MAX_HEAD)
    if len(plain.body) > max_bytes + MAX_HEAD:
        return dropped(Reason.TOO_LARGE, f"a record of more than {max_bytes + MAX_HEAD} bytes when inflated")
    return parse_record(plain.body, max_bytes, plain.flaw)


def _decompress(record: bytes, max_bytes: int) -> Unpacked:
    if record.startswith(GZIP_MAGIC):
        return inflate(record, max_bytes)
    if record.startswith(ZSTD_MAGIC):
        return unzstd(record, max_bytes)
    return Unpacked(record)


def parse_record(plain: bytes, max_bytes: int, flaw: str = "") -> Record | Ending:
    """Take an inflated record apart. `flaw` is what was wrong with its inflation."""
    head = parse_record_head(plain)
    if head is None:
        return failed(Reason.BROKEN_RECORD, flaw or "no record head")
    block = block_of(plain, head)
    http = parse_http_head(block.body) if holds_http(head) else None
    if holds_http(head) and http is None:
        return failed(Reason.BROKEN_RECORD, flaw or block.flaw or "no HTTP status line")
    payload = payload_of(block.body, http)
    if len(payload.body) > max_bytes:
        return dropped(Reason.TOO_LARGE, f"{len(payload.body)} bytes")
    cut_off = head.truncated and f"cut off by the crawler: {head.truncated}"
    flaws = filter(None, (flaw or block.flaw, payload.flaw, cut_off))
    return Record(head, http, payload.body, "; ".join(flaws))


def block_of(plain: bytes, head: RecordHead) -> Unpacked:
    """A record's block. Where its length lies, the borders of what holds it count for more than what it states."""
    block = plain[head.size :]
    if head.length is None:
        return Unpacked(_without_record_end(block), "no readable Content-Length")
    if len(block) == head.length:
        return Unpacked(block)
    if len(block) < head.length:
        return Unpacked(_without_record_end(block), "the record is shorter than it says")
    if ends_record(block[head.length : head.length + MAX_LINE]):
        return Unpacked(block[: head.length])
    return Unpacked(_without_record_end(block), "the record is longer than it says")


def payload_of(block: bytes, http: HttpHead | None) -> Unpacked:
    """The body in a block, its transfer coding undone. `http` is the head at its beginning, if there is one."""
    if http is None:
        return Unpacked(block)
    payload = block[http.size :]
    return (
        undo_chunked(payload) if "chunked" in http.headers.get("transfer-encoding", "").lower() else Unpacked(payload)
    )


def ends_record(behind: bytes) -> bool:
    """Whether a record may end where `behind` begins: two line ends, mere padding, or another record."""
    padding = behind.lstrip(b"\r\n\x00")
    return (
        not padding or behind.startswith(_RECORD_ENDS) or padding.startswith(b"WARC/") or bool(_parse_arc_head(padding))
    )


def _without_record_end(block: bytes) -> bytes:
    for end in _RECORD_ENDS:
        if block.endswith(end):
            return block[: -len(end)]
    return block


def holds_http(head: RecordHead) -> bool:
    """Whether a record's block begins with an HTTP head."""
    return head.kind in _HTTP_KINDS and head.url[:4].lower() == "http"


def parse_record_head(data: bytes) -> RecordHead | None:
    """The head of the record that begins where `data` begins; None when none does, or its end is not in `data`."""
    if data.startswith(b"WARC/"):
        return _parse_warc_head(data)
    return _parse_arc_head(data)


def _parse_warc_head(data: bytes) -> RecordHead | None:
    version = _WARC_VERSION.match(data)
    if version is None:
        return None
    fields, size = _parse_fields(data, version.end(), (b"HTTP/", b"<"))
    if size is None:
        return None
    length = fields.get("content-length", "")
    return RecordHead(
        kind=fields.get("warc-type", "").lower(),
        url=fields.get("warc-target-uri", "").strip("<>"),
        date=parse_date(fields.get("warc-date", "")),
        content_type=fields.get("content-type", ""),
        length=int(length) if _LENGTH.fullmatch(length) else None,
        size=size,
        payload_digest=fields.get("warc-payload-digest", ""),
        refers_to_url=fields.get("warc-refers-to-target-uri", "").strip("<>"),
        refers_to_date=parse_date(fields.get("warc-refers-to-date", "")),
        truncated=fields.get("warc-truncated", ""),
    )


def _parse_arc_head(data: bytes) -> RecordHead | None:
    if not data.startswith(_ARC_SCHEMES):
        return None
    line_end = data.find(b"\n", 0, MAX_LINE)
    if line_end < 0:
        return None
    line = data[:line_end].rstrip(b"\r").decode("utf-8", "replace")
    # Version 1 has four fields behind the address, version 2 nine, of which the last five are of no use here.
    for fields_behind in (4, 9):
        url, *fields = line.rsplit(" ", fields_behind)
        if len(fields) == fields_behind and _ARC_DATE.fullmatch(fields[1]) and _LENGTH.fullmatch(fields[-1]):
            break
    else:
        return None
    return RecordHead(
        kind="warcinfo" if url.startswith("filedesc:") else "response",
        url=url,
        date=parse_date(fields[1]),
        content_type="application/http" if url.startswith("http") else fields[2],
        length=int(fields[-1]),
        size=line_end + 1,
        payload_digest="",
        refers_to_url="",
        refers_to_date=None,
        truncated="",
    )


def parse_http_head(block: bytes) -> HttpHead | None:
    """The head of an answer; None when `block` does not begin with a status line.

    Lenient as browsers are: line feeds alone, folded lines, lines that are no header, and a body that follows without a
    blank line when it begins with markup.
    """
    status = _STATUS_LINE.match(block)
    if status is None:
        return None
    first_line_end = block.find(b"\n", status.end(), MAX_HEAD)
    if first_line_end < 0:
        return HttpHead(int(status[1]), {}, len(block), complete=False)
    fields, size = _parse_fields(block, first_line_end + 1, (b"<",), encoding="latin-1")
    return HttpHead(int(status[1]), fields, len(block) if size is None else size, size is not None)


def _parse_fields(
    data: bytes, start: int, body_marks: tuple[bytes, ...], encoding: str = "utf-8"
) -> tuple[dict[str, str], int | None]:
    """`Name: value` lines from `start`, and where the body begins.

    They end with a blank line, or before a line that begins with one of `body_marks`. Where they do not end in `data`,
    the second value is None.
    """
    if data.startswith((b"\r\n", b"\n"), start):
        return {}, start + (2 if data.startswith(b"\r\n", start) else 1)
    blank = _BLANK_LINE.search(data, max(start - 1, 0), start + MAX_HEAD)
    end, size = (blank.start(), blank.end()) if blank else (min(len(data), start + MAX_HEAD), None)
    text = data[start:end]
    for mark in body_marks:
        unannounced = text.find(b"\n" + mark)
        if unannounced >= 0:
            text = text[:unannounced]
            size = start + unannounced + 1
        elif text.startswith(mark):
            return {}, start
    fields: dict[str, str] = {}
    longer: dict[str, list[str]] = {}
    name = ""
    for line in text.decode(encoding, "replace").split("\n"):
        before, colon, content = line.partition(":")
        if line[:1] in _FOLDS and name:
            longer.setdefault(name, [fields[name]]).append(" " + line.strip())
        elif colon:
            name, content = before.strip().lower(), content.strip()
            if name in fields:
                longer.setdefault(name, [fields[name]]).append(", " + content)
            else:
                fields[name] = content
    fields.update((name, "".join(parts).strip()) for name, parts in longer.items())
    return fields, size


def parse_date(text: str) -> int | None:
    """Seconds since 1970 of a WARC or ARC date (ISO 8601 or 8 to 14 digits, UTC); None when it is none."""
    digits = _NOT_DIGITS.sub("", text)[:14]
    if len(digits) < 4:
        return None
    # A date may stop at the year, the month or the day (WARC 1.1).
    digits += "00000101000000"[len(digits) :]
    parts = (digits[:4], digits[4:6], digits[6:8], digits[8:10], digits[10:12], digits[12:14])
    try:
        moment = datetime.datetime(*map(int, parts), tzinfo=datetime.UTC)  # type: ignore[misc, arg-type]
    except ValueError:
        return None
    return int(moment.timestamp())
