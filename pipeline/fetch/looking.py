"""A look at the head of a record, and what comes of it: a capture, a damage, or nothing that anybody asks for."""

import hashlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import ada_url

from pipeline import urls
from pipeline.fetch.captures import Capture, Damage
from pipeline.fetch.window import Window
from pipeline.warc import (
    MAX_HEAD,
    MAX_LINE,
    PAGE_KINDS,
    HttpHead,
    RecordHead,
    block_of,
    holds_http,
    parse_http_head,
    parse_record_head,
    payload_of,
)

DAMAGED = "damaged"
"""Of a capture: its record breaks off or cannot be inflated to its end."""
RECORD_MARKS = (b"WARC/", b"http", b"filedesc:", b"dns:", b"ftp:")
"""How records of WARC and ARC archives begin."""
LONGEST_MARK = max(map(len, RECORD_MARKS))
PADDING = b"\r\n\x00"
"""Bytes that may stand between records."""

_CAPTURE_KINDS = PAGE_KINDS | {"revisit"}
_STATUS_LINE = 64

Wanted = Callable[[str], bool]
"""Whether a link id is one whose bodies are to be hashed."""


class Look(NamedTuple):
    """The heads of one record. `id` and `url` are empty where it is no capture of a page's address."""

    head: RecordHead
    http: HttpHead | None
    id: str
    url: str


def look_at(beginning: bytes, *, all_there: bool) -> Look | None:
    """The heads that `beginning` holds; None when it does not hold them to their end and there is more."""
    head = parse_record_head(beginning)
    if head is None:
        return None
    if head.kind not in _CAPTURE_KINDS or head.url[:4].lower() != "http":
        return Look(head, None, "", "")
    http = None
    if holds_http(head):
        # Not only as much of it as the record states: lengths may lie.
        block = beginning[head.size :]
        http = parse_http_head(block)
        complete = http.complete if http else len(block) >= _STATUS_LINE
        if not (complete or len(beginning) >= MAX_HEAD or all_there):
            return None
    url = urls.normalise(head.url)
    return Look(head, http, urls.link_id(url) if url else "", url or "")


def is_measured(look: Look, wanted: Wanted, max_bytes: int) -> bool:
    """Whether the body of a record is to be hashed: of a page that somebody wants and that is not too large."""
    whole_head = look.http is None or look.http.complete
    status = look.http.status if look.http else 200
    fits = look.head.length is None or look.head.length <= max_bytes + MAX_HEAD
    return look.head.kind in PAGE_KINDS and status == 200 and whole_head and fits and look.id != "" and wanted(look.id)


def payload_sha256(plain: bytes, look: Look) -> str:
    """The hash of the body in a whole, inflated record."""
    payload = payload_of(block_of(plain, look.head).body, look.http)
    return hashlib.sha256(payload.body).hexdigest()


def captured(window: Window, look: Look, offset: int, sha256: str, truncated: str) -> Iterator[Capture | Damage]:
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


def passed_over(window: Window, start: int, what: str) -> Iterator[Damage]:
    """Tell what was passed over between `start` and the position, unless it is mere padding."""
    end = window.offset
    if end - start <= MAX_LINE:
        window.move_to(start)
        padding = not window.peek(end - start).strip(PADDING)
        window.move_to(end)
        if padding:
            return
    yield Damage(window.name, start, end - start, what)
