"""An archive that is not packed: records one behind the other."""

import re
from collections.abc import Iterator

from pipeline.fetch.captures import Capture, Damage
from pipeline.fetch.looking import (
    DAMAGED,
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
from pipeline.fetch.window import BLOCK, Window
from pipeline.warc import MAX_HEAD, MAX_LINE, RecordHead, ends_record, parse_record_head

_RECORD_START = re.compile(rb"WARC/\d\.\d|(?<=\n)(?:https?|filedesc|dns|ftp):")
_OVERLAP = 16
"""Bytes of a block that are searched again with the next: a mark may lie across the border."""


def scan_plain(window: Window, wanted: Wanted, max_bytes: int) -> Iterator[Capture | Damage]:
    """All captures and damages from the window's position on; see `scan.scan`."""
    while window.left > 0:
        start = window.offset
        look = _look_ahead(window)
        if look is None:
            yield from _to_next_record(window, start, "no record where one should begin")
            continue
        sha256 = ""
        end, whole = _end_of_record(window, start, look.head)
        if whole and end - start <= max_bytes + MAX_HEAD and is_measured(look, wanted, max_bytes):
            window.move_to(start)
            sha256 = payload_sha256(window.peek(end - start), look)
        window.move_to(end)
        yield from captured(window, look, start, sha256, "" if whole else DAMAGED)


def _look_ahead(window: Window) -> Look | None:
    size = MAX_LINE
    while True:
        beginning = window.peek(size)
        all_there = size >= MAX_HEAD or len(beginning) < size
        look = look_at(beginning, all_there=all_there) if beginning.startswith(RECORD_MARKS) else None
        if look is not None or all_there or not beginning.startswith(RECORD_MARKS):
            return look
        size = MAX_HEAD


def _end_of_record(window: Window, start: int, head: RecordHead) -> tuple[int, bool]:
    """Where the record at `start` ends, and whether it is whole. Its stated length must lead to another record."""
    body = start + head.size
    if head.length is not None and body + head.length <= window.size:
        window.move_to(body + head.length)
        behind = window.peek(MAX_LINE)
        if ends_record(behind):
            return body + head.length + len(behind) - len(behind.lstrip(PADDING)), True
    list(_to_next_record(window, body, ""))
    end = window.offset
    return end, head.length is None or body + head.length <= end


def _to_next_record(window: Window, start: int, what: str) -> Iterator[Damage]:
    window.move_to(start)
    while window.left > 0:
        block = window.peek(BLOCK)
        for match in _RECORD_START.finditer(block, 1 if window.offset == start else 0):
            if parse_record_head(window.peek(MAX_LINE, match.start())):
                window.advance(match.start())
                yield from passed_over(window, start, what)
                return
        window.advance(len(block) if len(block) == window.left else len(block) - _OVERLAP)
    yield from passed_over(window, start, what)
